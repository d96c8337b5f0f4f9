//! The contract of an environment.

use std::fmt::{Debug, Display};

use eyas_core::{Image, Outcome, Rng, Seed};
use serde::{Serialize, de::DeserializeOwned};

use crate::{KnobError, KnobSpec, Knobs};

/// What an environment says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct EnvSpec {
    /// Its id in recipes: lower case, words joined by `-`.
    pub id: &'static str,
    /// The part of the gallery it belongs to.
    pub group: EnvGroup,
    /// Its name for people.
    pub title: &'static str,
    /// One line: what is seen, what is to be done.
    pub summary: &'static str,
    /// The knobs, each with its axis.
    pub knobs: &'static [KnobSpec],
    /// The action grammar, in the one line that parser, prompt and docs share.
    pub grammar: &'static str,
    /// The reward of a turn whose answer cannot be parsed, or is refused by the rules.
    pub invalid_reward: f32,
    /// What the oracle is: "exact" or the name of a strong policy.
    pub oracle: &'static str,
    /// What `Step::score` counts.
    pub score: &'static str,
    /// Answers name places in the picture by its pixels, so the picture must not be resized.
    pub pixel_answers: bool,
    /// Players at the table; 1 where nobody else plays.
    pub players: usize,
    /// Where the task comes from: papers or gyms.
    pub source: &'static str,
}

/// The parts of the gallery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EnvGroup {
    /// Puzzles of seeing.
    Perception,
    /// Board and tile games.
    Board,
    /// Finding a way.
    Navigation,
    /// Cards and numbers.
    Cards,
    /// Games of several players.
    Strategy,
    /// Screens.
    Gui,
    /// Driving.
    Driving,
    /// Handling objects.
    Manipulation,
    /// Moving pictures.
    Video,
    /// Geometry and plots.
    Geometry,
    /// Charts and diagrams.
    Charts,
}

impl EnvGroup {
    /// All groups, in the order of the gallery.
    pub const ALL: [Self; 11] = [
        Self::Perception,
        Self::Board,
        Self::Navigation,
        Self::Cards,
        Self::Strategy,
        Self::Gui,
        Self::Driving,
        Self::Manipulation,
        Self::Video,
        Self::Geometry,
        Self::Charts,
    ];

    /// Its name, one lower-case word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Perception => "perception",
            Self::Board => "board",
            Self::Navigation => "navigation",
            Self::Cards => "cards",
            Self::Strategy => "strategy",
            Self::Gui => "gui",
            Self::Driving => "driving",
            Self::Manipulation => "manipulation",
            Self::Video => "video",
            Self::Geometry => "geometry",
            Self::Charts => "charts",
        }
    }
}

/// One picture of an observation.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// The picture.
    pub image: Image,
    /// When it was taken, in seconds from the start of the clip; `None` for a still.
    pub seconds: Option<f32>,
}

/// Why an answer is not an action. A value of its own, never an index.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The text does not follow the grammar.
    #[error("answer {answer:?} does not follow the grammar {grammar}")]
    Grammar {
        /// The text (shortened).
        answer: String,
        /// The grammar.
        grammar: &'static str,
    },
    /// The episode is over.
    #[error("the episode is over")]
    Over,
    /// The text follows the grammar but names something outside the board or the picture.
    #[error("answer {answer:?} is out of range: {detail}")]
    Range {
        /// The text (shortened).
        answer: String,
        /// What is out of range.
        detail: String,
    },
}

impl ParseError {
    /// A grammar error; the answer is shortened so that hostile text cannot fill a log.
    pub fn grammar(answer: &str, grammar: &'static str) -> Self {
        Self::Grammar { answer: shorten(answer), grammar }
    }

    /// A range error.
    pub fn range(answer: &str, detail: impl Into<String>) -> Self {
        Self::Range { answer: shorten(answer), detail: detail.into() }
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(60).collect()
}

/// Whether the episode goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Status {
    /// It goes on.
    Running,
    /// It is over.
    Done(Outcome),
}

/// What one step did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// The training signal of this turn.
    pub reward: f32,
    /// What the normalised score sums (see [`EnvSpec::score`]).
    pub score: f32,
    /// False when the rules refused the action (a wall, no match): the state did not change.
    pub legal: bool,
    /// Whether the episode goes on.
    pub status: Status,
}

/// Ground truth of what the picture shows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Perception {
    /// As text: one line a row, words separated by single blanks, one word a cell. This is what a
    /// perception reward compares cell by cell.
    pub text: String,
    /// As structured data.
    pub data: serde_json::Value,
}

/// A form of the ground truth that rewards of the field ask for, beside the oracle's action and the facts
/// that the picture shows: `gold = "/truth/NAME"` in recipes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TruthForm {
    /// Its name.
    pub name: &'static str,
    /// The rewards that read it.
    pub rewards: &'static [&'static str],
    /// One line: what it is, and its form.
    pub doc: &'static str,
}

/// A visual environment: plain data, random source included.
///
/// Laws (checked by the conformance suite for every registered environment): the same seed and
/// knobs give the same bytes; a clone or a serde round trip behaves like the original; drawing
/// changes nothing; an illegal action changes nothing but the turn counter; the oracle's actions
/// and all legal actions are accepted by the parser in their `Display` form.
pub trait Env: Clone + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// A parsed action. `Display` gives its canonical text, which [`Env::parse`] reads back.
    type Action: Clone + Debug + Display + PartialEq + Send;

    /// What this environment says of itself.
    fn spec() -> &'static EnvSpec;

    /// A fresh episode.
    ///
    /// # Errors
    /// [`KnobError::Conflict`] when knobs contradict each other.
    fn reset(seed: Seed, knobs: &Knobs) -> Result<Self, KnobError>;

    /// The rules and the goal in a few short sentences, without the grammar and the response format.
    fn rules(&self) -> String;

    /// Draws the present state as one picture. Where there are several frames, all of them on one
    /// sheet, for people to look at.
    fn render(&self) -> Image;

    /// What the policy sees: one picture, or the frames of a clip in order of time.
    fn frames(&self) -> Vec<Frame> {
        vec![Frame { image: self.render(), seconds: None }]
    }

    /// Reads the text inside `<answer>`.
    ///
    /// # Errors
    /// [`ParseError`] when it is not an action of this state's board.
    fn parse(&self, answer: &str) -> Result<Self::Action, ParseError>;

    /// Plays an action. After the end it changes nothing and pays nothing.
    fn step(&mut self, action: &Self::Action) -> Step;

    /// Lets a turn pass because the answer was invalid: the board stays, the turn counts, the reward
    /// is [`EnvSpec::invalid_reward`].
    fn pass(&mut self) -> Step;

    /// Makes the present state the start of the episode, after moves that the policy did not make: turns
    /// are counted from here, and what the score compares the way with is measured from here. What can be
    /// seen and done stays. Nothing to do where the score does not ask how long the way was.
    fn begin_here(&mut self) {}

    /// An expert action for the present state. Only called while running.
    fn oracle(&self) -> Self::Action;

    /// A short reason for `action` that carries the computation which leads to it.
    fn reason(&self, action: &Self::Action) -> String;

    /// Ground truth of what [`Env::render`] shows.
    fn perception(&self) -> Perception;

    /// The forms of ground truth that [`Env::truths`] gives.
    fn truth_forms() -> &'static [TruthForm] {
        &[]
    }

    /// The present ground truth in each of [`Env::truth_forms`], by its name: what the oracle would answer,
    /// or what rewards compare its answer with. Only called while running.
    fn truths(&self) -> serde_json::Map<String, serde_json::Value> {
        serde_json::Map::new()
    }

    /// Every action that the rules accept now, in a fixed order; a sample where there are infinitely
    /// many. Empty when the episode is over.
    fn legal_actions(&self) -> Vec<Self::Action>;

    /// What a player would do that knows the grammar and nothing else: the random reference of the
    /// normalised score. Uniform over the legal actions, unless knowing which actions are legal is
    /// already the task. `None` when there is nothing to choose from.
    fn guess(&self, rng: &mut Rng) -> Option<Self::Action> {
        rng.choose(&self.legal_actions()).cloned()
    }

    /// Whether the episode goes on.
    fn status(&self) -> Status;
}
