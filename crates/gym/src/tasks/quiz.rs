//! Which question is asked, and in which state.

use eyas_core::{Rng, Seed};
use serde::{Deserialize, Serialize};

use super::answers::MOST;
use super::asked::Asked;
use super::spec::spec_of;
use super::worth::is_open;
use super::{
    Form, OrderingDirection, Task, best_action, checklist, corrupted_caption, in_form, judge, ordering,
};
use crate::{Axis, EnvSpec, Game, KnobError, KnobSpec, Knobs};

/// The knobs that turn an environment into single-turn questions. They change nothing when not given.
pub const QUIZ_KNOBS: &[KnobSpec] = &[
    KnobSpec::choice(
        "quiz",
        Axis::Reasoning,
        &["play", "best-action", "caption", "forward-order", "inverse-order", "checklist", "judge"],
        "play",
        "one question about a state instead of an episode: the best action, the wrong word of a caption, the \
         order of pictures or actions, missing words, the better of two answers",
    ),
    KnobSpec::choice(
        "quiz_form",
        Axis::Reasoning,
        &["open", "choice", "boolean"],
        "open",
        "how best-action, caption and checklist are asked",
    ),
    KnobSpec::int(
        "quiz_size",
        Axis::Horizon,
        1,
        MOST as i64,
        SIZE as i64,
        "moves to be put in order, or questions of a checklist",
    ),
];

/// `quiz_size` where it is not given.
const SIZE: usize = 3;

/// States that are tried before a question is given up. So many that a question which one state in fifty allows
/// is never given up in the middle of a run, and few enough for a message at once where none does.
const ATTEMPTS: u64 = 1000;

/// Most wrong actions beside the best one.
const OTHERS: usize = 3;

/// A kind of question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Quiz {
    /// What should be done now?
    BestAction,
    /// Which word of this caption is wrong?
    Caption,
    /// Which picture comes when?
    ForwardOrder,
    /// Which action was made when?
    InverseOrder,
    /// Which words are missing in this caption?
    Checklist,
    /// Which of two answers is better?
    Judge,
}

impl Quiz {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::BestAction,
        Self::Caption,
        Self::ForwardOrder,
        Self::InverseOrder,
        Self::Checklist,
        Self::Judge,
    ];

    /// Its name in recipes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BestAction => "best-action",
            Self::Caption => "caption",
            Self::ForwardOrder => "forward-order",
            Self::InverseOrder => "inverse-order",
            Self::Checklist => "checklist",
            Self::Judge => "judge",
        }
    }

    /// One line: what is asked.
    pub(crate) fn summary(self) -> &'static str {
        match self {
            Self::BestAction => "A state of the environment: give the oracle's action.",
            Self::Caption => "A caption of the picture with one wrong word: say which.",
            Self::ForwardOrder => "Actions in order, pictures shuffled: put the pictures in order.",
            Self::InverseOrder => "Pictures in order, actions shuffled: put the actions in order.",
            Self::Checklist => "A caption of the picture with missing words: fill them in.",
            Self::Judge => "Two answers about the picture: say which is better.",
        }
    }

    /// Where it comes from.
    pub(crate) fn source(self) -> &'static str {
        match self {
            Self::BestAction => "Curr-ReFT (forms)",
            Self::Caption => "ViCrit",
            Self::ForwardOrder | Self::InverseOrder => "ENACT",
            Self::Checklist => "PEARL",
            Self::Judge => "LLaVA-Critic-R1; UnifiedReward-Think",
        }
    }

    fn is_order(self) -> bool {
        matches!(self, Self::ForwardOrder | Self::InverseOrder)
    }
}

/// What the knobs ask for.
struct Asking {
    quiz: Quiz,
    form: Form,
    size: usize,
    open: bool,
}

impl Asking {
    /// `None` when the environment is to be played.
    fn of(spec: &EnvSpec, knobs: &Knobs) -> Result<Option<Self>, KnobError> {
        let conflict = |detail: String| KnobError::Conflict { env: spec.id.into(), detail };
        let word = knobs.choice("quiz");
        let quiz = Quiz::ALL.into_iter().find(|quiz| quiz.name() == word);
        let form = Form::ALL.into_iter().find(|form| form.name() == knobs.choice("quiz_form"));
        let form = form.unwrap_or(Form::Open);
        let given = knobs.values().contains_key("quiz_size");
        let size = if given { knobs.size("quiz_size") } else { SIZE };
        let Some(quiz) = quiz else {
            let unused = if form != Form::Open { Some("quiz_form") } else { given.then_some("quiz_size") };
            return match unused {
                Some(name) => Err(conflict(format!("{name} needs a quiz, and there is none"))),
                None => Ok(None),
            };
        };
        let name = quiz.name();
        for (knob, most) in [("actions", 1), ("history", 0)] {
            if knobs.int(knob) > most {
                return Err(conflict(format!("quiz = {name} is one turn with one answer: no {knob}")));
            }
        }
        if form != Form::Open && (quiz.is_order() || quiz == Quiz::Judge) {
            return Err(conflict(format!("quiz = {name} has no form {}", form.name())));
        }
        if given && !quiz.is_order() && quiz != Quiz::Checklist {
            return Err(conflict(format!("quiz_size means nothing with quiz = {name}")));
        }
        if quiz.is_order() && size < 2 {
            return Err(conflict(format!("quiz = {name}: one move has no order; quiz_size is 2 or more")));
        }
        if quiz.is_order() && knobs.choice("show") == "text" {
            return Err(conflict(format!("quiz = {name} is about pictures: show cannot be text")));
        }
        Ok(Some(Self { quiz, form, size, open: is_open(spec, knobs) }))
    }

    /// The question in this state, with the states that it shows if they are others.
    fn ask(&self, game: &dyn Game, rng: &mut Rng) -> Option<(Task, Vec<Box<dyn Game>>)> {
        let task = match self.quiz {
            Quiz::BestAction => {
                // An open question needs none, and finding them takes a while.
                let others = if self.form == Form::Open { 0 } else { OTHERS };
                best_action(game, self.open, others, rng)?
            }
            Quiz::Caption => corrupted_caption(game, rng)?,
            Quiz::ForwardOrder => return ordering(game, self.size, OrderingDirection::Forward, rng),
            Quiz::InverseOrder => return ordering(game, self.size, OrderingDirection::Inverse, rng),
            Quiz::Checklist => return Some((checklist(game, self.size, self.form, rng)?, Vec::new())),
            Quiz::Judge => judge(game, self.open, rng)?,
        };
        Some((in_form(&task, self.form, rng)?, Vec::new()))
    }
}

/// The start of an episode from `seed`: what `fresh` gives, or a question about it when the knobs ask for one.
/// Where none can be asked, another state is drawn, up to a thousand times; the seed decides which.
///
/// # Errors
/// [`KnobError::Conflict`] when knobs contradict each other, or no state allows the question.
pub(crate) fn begin(
    spec: &'static EnvSpec,
    knobs: &Knobs,
    seed: Seed,
    fresh: impl Fn(Seed) -> Result<Box<dyn Game>, KnobError>,
) -> Result<Box<dyn Game>, KnobError> {
    let Some(asking) = Asking::of(spec, knobs)? else { return fresh(seed) };
    let Asking { quiz, form, .. } = asking;
    let conflict = |detail: String| KnobError::Conflict { env: spec.id.into(), detail };
    let described =
        spec_of(spec.id, quiz, form).ok_or_else(|| conflict("it is not in the registry".into()))?;
    for attempt in 0..ATTEMPTS {
        let seed = if attempt == 0 { seed } else { seed.split("quiz-again", attempt) };
        let game = fresh(seed)?;
        if let Some((task, shown)) = asking.ask(&*game, &mut seed.split("quiz", 0).rng()) {
            return Ok(Box::new(Asked::new(game, (quiz, form), task, shown, described)));
        }
    }
    let how = if form == Form::Open { String::new() } else { format!(" in the form {}", form.name()) };
    Err(conflict(format!("none of {ATTEMPTS} states allows quiz = {}{how}", quiz.name())))
}
