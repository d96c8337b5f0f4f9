//! [`Game`]: an [`Env`] with its type erased, so that slots of different environments mix.

use std::sync::{Arc, OnceLock};

use eyas_core::{Image, Rng};

use crate::view::View;
use crate::{Env, EnvSpec, Frame, ParseError, Perception, Status, Step};

/// A running environment behind one interface. Actions travel as canonical text.
pub trait Game: Send + Sync {
    /// See [`Env::spec`].
    fn spec(&self) -> &'static EnvSpec;
    /// See [`Env::rules`].
    fn rules(&self) -> String;
    /// What is told with the present state besides the rules; mostly nothing.
    fn note(&self) -> String {
        String::new()
    }
    /// Draws the present state now. Prefer [`Game::observe`], which draws when asked.
    fn render(&self) -> Image;
    /// What the policy sees, drawn now: one picture, or the frames of a clip.
    fn frames(&self) -> Vec<Frame>;
    /// The present observation; the picture is drawn when first asked for.
    fn observe(&self) -> Observation;
    /// See [`Env::parse`]; gives the canonical text.
    ///
    /// # Errors
    /// [`ParseError`] as the environment says.
    fn parse(&self, answer: &str) -> Result<String, ParseError>;
    /// See [`Env::step`].
    ///
    /// # Errors
    /// [`ParseError`] when `action` is not an action, or the episode is over; the state is unchanged
    /// then.
    fn step(&mut self, action: &str) -> Result<Step, ParseError>;
    /// See [`Env::pass`].
    fn pass(&mut self) -> Step;
    /// See [`Env::begin_here`].
    fn begin_here(&mut self);
    /// See [`Env::oracle`].
    fn oracle(&self) -> String;
    /// See [`Env::reason`].
    ///
    /// # Errors
    /// [`ParseError`] when `action` is not an action.
    fn reason(&self, action: &str) -> Result<String, ParseError>;
    /// See [`Env::perception`].
    fn perception(&self) -> Perception;
    /// See [`Env::truths`].
    fn truths(&self) -> serde_json::Map<String, serde_json::Value>;
    /// What rewards may compare an answer with: the data of [`Game::perception`], and under `truth` the
    /// forms of ground truth where the environment has any.
    fn facts(&self) -> serde_json::Value {
        let (mut facts, truth) = (self.perception().data, self.truths());
        if let (false, Some(fields)) = (truth.is_empty(), facts.as_object_mut()) {
            fields.insert("truth".into(), truth.into());
        }
        facts
    }
    /// See [`Env::legal_actions`].
    fn legal_actions(&self) -> Vec<String>;
    /// See [`Env::guess`].
    fn guess(&self, rng: &mut Rng) -> Option<String>;
    /// See [`Env::status`].
    fn status(&self) -> Status;
    /// An independent copy, random source included.
    fn fork(&self) -> Box<dyn Game>;
    /// The whole state as JSON.
    ///
    /// # Errors
    /// When the state cannot be expressed in JSON.
    fn snapshot(&self) -> Result<serde_json::Value, serde_json::Error>;
}

/// What a policy may see of a state. The picture is drawn once, on demand.
#[derive(Clone)]
pub struct Observation {
    game: Arc<dyn Game>,
    image: Arc<OnceLock<Image>>,
}

impl Observation {
    /// The observation of a state of its own, which nobody steps.
    pub fn new(game: Box<dyn Game>) -> Self {
        Self { game: Arc::from(game), image: Arc::default() }
    }

    /// The picture.
    pub fn image(&self) -> Image {
        self.image.get_or_init(|| self.game.render()).clone()
    }

    /// True when the picture has been drawn already.
    pub fn is_drawn(&self) -> bool {
        self.image.get().is_some()
    }
}

/// An environment and how its pictures are spoilt.
pub(crate) struct Slot<E: Env> {
    pub(crate) env: E,
    pub(crate) view: View,
}

/// Where a snapshot keeps how pictures are spoilt; absent when they are not.
const VIEW: &str = "@view";

impl<E: Env> Slot<E> {
    /// The state that [`Game::snapshot`] wrote.
    pub(crate) fn restore(mut snapshot: serde_json::Value) -> Result<Self, serde_json::Error> {
        let view = snapshot.as_object_mut().and_then(|fields| fields.remove(VIEW));
        let view = view.map(serde_json::from_value).transpose()?.unwrap_or_default();
        Ok(Self { env: serde_json::from_value(snapshot)?, view })
    }
}

impl<E: Env> Game for Slot<E> {
    fn spec(&self) -> &'static EnvSpec {
        E::spec()
    }
    fn rules(&self) -> String {
        self.env.rules()
    }
    fn render(&self) -> Image {
        self.view.apply(self.env.render())
    }
    fn frames(&self) -> Vec<Frame> {
        self.view.apply_all(self.env.frames())
    }
    fn observe(&self) -> Observation {
        Observation { game: Arc::new(Slot { env: self.env.clone(), view: self.view }), image: Arc::default() }
    }
    fn parse(&self, answer: &str) -> Result<String, ParseError> {
        self.env.parse(answer).map(|action| action.to_string())
    }
    fn step(&mut self, action: &str) -> Result<Step, ParseError> {
        if self.env.status() != Status::Running {
            return Err(ParseError::Over);
        }
        let action = self.env.parse(action)?;
        Ok(self.env.step(&action))
    }
    fn pass(&mut self) -> Step {
        self.env.pass()
    }
    fn begin_here(&mut self) {
        if self.env.status() == Status::Running {
            self.env.begin_here();
        }
    }
    fn oracle(&self) -> String {
        self.env.oracle().to_string()
    }
    fn reason(&self, action: &str) -> Result<String, ParseError> {
        Ok(self.env.reason(&self.env.parse(action)?))
    }
    fn perception(&self) -> Perception {
        self.env.perception()
    }
    fn truths(&self) -> serde_json::Map<String, serde_json::Value> {
        if self.env.status() == Status::Running { self.env.truths() } else { serde_json::Map::new() }
    }
    fn legal_actions(&self) -> Vec<String> {
        self.env.legal_actions().iter().map(ToString::to_string).collect()
    }
    fn guess(&self, rng: &mut Rng) -> Option<String> {
        self.env.guess(rng).map(|action| action.to_string())
    }
    fn status(&self) -> Status {
        self.env.status()
    }
    fn fork(&self) -> Box<dyn Game> {
        Box::new(Slot { env: self.env.clone(), view: self.view })
    }
    fn snapshot(&self) -> Result<serde_json::Value, serde_json::Error> {
        let mut state = serde_json::to_value(&self.env)?;
        if let (false, Some(fields)) = (self.view.is_clear(), state.as_object_mut()) {
            fields.insert(VIEW.to_string(), serde_json::to_value(self.view)?);
        }
        Ok(state)
    }
}
