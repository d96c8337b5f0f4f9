//! Ways to play an environment that are not part of its rules: several actions a turn, another try
//! after a wrong answer, the state as text beside or instead of the picture, earlier pictures again
//! before the present one, a start further on.
//!
//! They are knobs that every environment has (see [`WRAP_KNOBS`]), so recipes, players and evaluation
//! know them like any other knob. An environment knows nothing of them.

use std::sync::Arc;

use eyas_core::{Image, Outcome, Rng, Seed};
use serde::{Deserialize, Serialize};

use crate::Observation;
use crate::{Axis, EnvSpec, Frame, Game, KnobSpec, Knobs, ParseError, Perception, Status, Step};

/// The knobs of the wrappers. They change nothing when not given.
pub const WRAP_KNOBS: &[KnobSpec] = &[
    KnobSpec::int("actions", Axis::Horizon, 1, 16, 1, "actions that one answer may hold, separated by ;"),
    KnobSpec::int(
        "tries",
        Axis::Horizon,
        1,
        16,
        1,
        "answers to the same question; the t-th right one counts 1/2^(t-1), a repeated one costs",
    ),
    KnobSpec::choice(
        "show",
        Axis::Perception,
        &["picture", "both", "text"],
        "picture",
        "what the policy gets of the state: the picture, the ground truth as text, or both",
    ),
    KnobSpec::int(
        "history",
        Axis::Memory,
        0,
        16,
        0,
        "pictures of earlier turns shown before the present one",
    ),
    KnobSpec::int("start_steps", Axis::Horizon, 0, 1000, 0, "random moves made before the episode begins"),
];

/// What an answer that was given before takes off the reward (after UFO's repetition penalty; the size
/// is our choice).
const REPETITION: f32 = 0.1;
const SEPARATOR: char = ';';

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Show {
    #[default]
    Picture,
    Both,
    Text,
}

/// The settings and the little state of the wrappers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wrap {
    actions: usize,
    tries: usize,
    show: Show,
    #[serde(default)]
    history: usize,
    /// Wrong answers to the present question.
    tried: Vec<String>,
}

impl Wrap {
    pub(crate) fn new(knobs: &Knobs) -> Self {
        let at_least_one = |name| knobs.size(name).max(1);
        let show = match knobs.choice("show") {
            "both" => Show::Both,
            "text" => Show::Text,
            _ => Show::Picture,
        };
        Self {
            actions: at_least_one("actions"),
            tries: at_least_one("tries"),
            show,
            history: knobs.size("history"),
            tried: Vec::new(),
        }
    }

    /// True when the environment is played as it is.
    pub(crate) fn is_plain(&self) -> bool {
        self.actions == 1 && self.tries == 1 && self.show == Show::Picture && self.history == 0
    }

    pub(crate) fn around(self, inner: Box<dyn Game>) -> Box<dyn Game> {
        self.around_after(inner, Vec::new())
    }

    /// As [`Wrap::around`], with the states of earlier turns, the oldest first.
    pub(crate) fn around_after(self, inner: Box<dyn Game>, past: Vec<Arc<dyn Game>>) -> Box<dyn Game> {
        if self.is_plain() { inner } else { Box::new(Wrapped { inner, wrap: self, past }) }
    }
}

/// Makes up to `steps` random legal moves, without drawing; stops before a move that ends the episode.
/// Gives the number of moves made.
pub fn fast_forward(game: &mut Box<dyn Game>, steps: usize, rng: &mut Rng) -> usize {
    forward(game, steps, |game| rng.choose(&game.legal_actions()).cloned())
}

/// As [`fast_forward`], with the oracle's moves.
pub fn fast_forward_oracle(game: &mut Box<dyn Game>, steps: usize) -> usize {
    forward(game, steps, |game| Some(game.oracle()))
}

fn forward(
    game: &mut Box<dyn Game>,
    steps: usize,
    mut choose: impl FnMut(&dyn Game) -> Option<String>,
) -> usize {
    for step in 0..steps {
        let mut next = game.fork();
        let Some(action) = choose(game.as_ref()) else { return step };
        if next.step(&action).is_err() || next.status() != Status::Running {
            return step;
        }
        *game = next;
    }
    steps
}

/// The start that the knob `start_steps` asks for.
pub(crate) fn begin(mut game: Box<dyn Game>, knobs: &Knobs, seed: Seed) -> Box<dyn Game> {
    let steps = knobs.size("start_steps");
    if steps > 0 {
        fast_forward(&mut game, steps, &mut seed.split("start-steps", 0).rng());
        game.begin_here();
    }
    game
}

/// A game and how it is played.
struct Wrapped {
    inner: Box<dyn Game>,
    wrap: Wrap,
    /// The states before the present one, the oldest first; nobody steps them, they are only looked at.
    past: Vec<Arc<dyn Game>>,
}

impl Wrapped {
    /// Plays the actions of `answer` one after another on `game`, until one is refused or the episode
    /// ends. Gives their canonical text and what they did together.
    fn play(&self, game: &mut Box<dyn Game>, answer: &str) -> Result<(String, Step), ParseError> {
        let parts: Vec<&str> =
            if self.wrap.actions > 1 { answer.split(SEPARATOR).collect() } else { vec![answer] };
        if parts.len() > self.wrap.actions {
            let detail = format!("{} actions, at most {} a turn", parts.len(), self.wrap.actions);
            return Err(ParseError::range(answer, detail));
        }
        let mut canonical = Vec::with_capacity(parts.len());
        let mut total = Step { reward: 0.0, score: 0.0, legal: true, status: game.status() };
        for part in parts {
            let action = game.parse(part)?;
            let step = game.step(&action)?;
            total.reward += step.reward;
            total.score += step.score;
            (total.legal, total.status) = (step.legal, step.status);
            canonical.push(action);
            if !step.legal || step.status != Status::Running {
                break;
            }
        }
        Ok((canonical.join(&format!("{SEPARATOR} ")), total))
    }

    /// Goes on to the state `next`.
    fn advance(&mut self, next: Box<dyn Game>) {
        let before = std::mem::replace(&mut self.inner, next);
        if self.wrap.history > 0 {
            self.past.push(Arc::from(before));
            let old = self.past.len().saturating_sub(self.wrap.history);
            self.past.drain(..old);
        }
    }

    /// The share of a score that the present try is worth.
    fn worth(&self) -> f32 {
        0.5f32.powi(self.wrap.tried.len() as i32)
    }
}

impl Game for Wrapped {
    fn spec(&self) -> &'static EnvSpec {
        self.inner.spec()
    }
    fn rules(&self) -> String {
        let mut rules = self.inner.rules();
        if self.wrap.actions > 1 {
            rules += &format!(" Up to {} actions a turn, separated by {SEPARATOR}", self.wrap.actions);
        }
        if self.wrap.history > 0 {
            rules += &format!(" The pictures of up to {} turns before come first.", self.wrap.history);
        }
        if self.wrap.tries > 1 {
            rules += &format!(" You have {} tries.", self.wrap.tries);
        }
        rules
    }
    fn note(&self) -> String {
        let mut note = self.inner.note();
        if !self.wrap.tried.is_empty() {
            note += " Wrong. Try again.";
        }
        if self.wrap.show != Show::Picture {
            note += &format!("\n{}", self.inner.perception().text);
        }
        note
    }
    fn render(&self) -> Image {
        self.inner.render()
    }
    fn frames(&self) -> Vec<Frame> {
        if self.wrap.show == Show::Text {
            return Vec::new();
        }
        let past = self.past.iter().flat_map(|game| game.frames());
        past.chain(self.inner.frames()).collect()
    }
    fn observe(&self) -> Observation {
        Observation::new(self.fork())
    }
    fn parse(&self, answer: &str) -> Result<String, ParseError> {
        if self.inner.status() != Status::Running {
            return self.inner.parse(answer);
        }
        self.play(&mut self.inner.fork(), answer).map(|(canonical, _)| canonical)
    }
    fn step(&mut self, action: &str) -> Result<Step, ParseError> {
        if self.inner.status() != Status::Running {
            return Err(ParseError::Over);
        }
        let mut attempt = self.inner.fork();
        let (canonical, mut step) = self.play(&mut attempt, action)?;
        step.score *= self.worth();
        if step.reward > 0.0 {
            step.reward *= self.worth();
        }
        if self.wrap.tried.contains(&canonical) {
            step.reward -= REPETITION;
        }
        let wrong = matches!(step.status, Status::Done(outcome) if outcome != Outcome::Success);
        if wrong && self.wrap.tried.len() + 1 < self.wrap.tries {
            // The question stays; what the wrong answer would have scored does not count.
            self.wrap.tried.push(canonical);
            return Ok(Step { score: 0.0, status: Status::Running, ..step });
        }
        self.advance(attempt);
        Ok(step)
    }
    fn pass(&mut self) -> Step {
        let mut next = self.inner.fork();
        let step = next.pass();
        self.advance(next);
        step
    }
    fn begin_here(&mut self) {
        self.inner.begin_here();
    }
    fn oracle(&self) -> String {
        let mut game = self.inner.fork();
        let mut actions = Vec::new();
        while actions.len() < self.wrap.actions && game.status() == Status::Running {
            let action = game.oracle();
            let done = game.step(&action);
            actions.push(action);
            if !done.is_ok_and(|step| step.legal) {
                break;
            }
        }
        actions.join(&format!("{SEPARATOR} "))
    }
    fn reason(&self, action: &str) -> Result<String, ParseError> {
        let first =
            if self.wrap.actions > 1 { action.split(SEPARATOR).next().unwrap_or(action) } else { action };
        self.inner.reason(first)
    }
    fn perception(&self) -> Perception {
        self.inner.perception()
    }
    fn truths(&self) -> serde_json::Map<String, serde_json::Value> {
        self.inner.truths()
    }
    fn legal_actions(&self) -> Vec<String> {
        self.inner.legal_actions()
    }
    fn guess(&self, rng: &mut Rng) -> Option<String> {
        self.inner.guess(rng)
    }
    fn status(&self) -> Status {
        self.inner.status()
    }
    fn fork(&self) -> Box<dyn Game> {
        Box::new(Self { inner: self.inner.fork(), wrap: self.wrap.clone(), past: self.past.clone() })
    }
    fn snapshot(&self) -> Result<serde_json::Value, serde_json::Error> {
        let mut state = self.inner.snapshot()?;
        if let Some(fields) = state.as_object_mut() {
            fields.insert(WRAP.to_string(), serde_json::to_value(&self.wrap)?);
            if !self.past.is_empty() {
                let past: Result<_, _> = self.past.iter().map(|game| game.snapshot()).collect();
                fields.insert(PAST.to_string(), serde_json::Value::Array(past?));
            }
        }
        Ok(state)
    }
}

/// Where a snapshot keeps the wrappers; absent when there are none.
const WRAP: &str = "@wrap";

/// Where it keeps the states of earlier turns; absent when there are none.
const PAST: &str = "@past";

/// The wrappers of a snapshot, and the snapshots of earlier turns.
pub(crate) type Taken = (Wrap, Vec<serde_json::Value>);

/// Takes the wrappers out of a snapshot.
pub(crate) fn unwrap_snapshot(snapshot: &mut serde_json::Value) -> Result<Option<Taken>, serde_json::Error> {
    let mut take = |key| snapshot.as_object_mut().and_then(|fields| fields.remove(key));
    let (wrap, past) = (take(WRAP), take(PAST));
    let wrap: Option<Wrap> = wrap.map(serde_json::from_value).transpose()?;
    let past: Vec<_> = past.map(serde_json::from_value).transpose()?.unwrap_or_default();
    if let Some(wrap) = &wrap {
        let sane = (1..=16).contains(&wrap.actions) && wrap.tried.len() < wrap.tries.clamp(1, 16);
        if !sane || wrap.tries > 16 || wrap.history > 16 || past.len() > wrap.history {
            return Err(serde::de::Error::custom("wrap: actions, tries, tried or history is out of range"));
        }
    }
    Ok(wrap.map(|wrap| (wrap, past)))
}
