//! [`Game`]: an [`Env`] with its type erased, so that slots of different environments mix.

use std::sync::{Arc, OnceLock};

use eyas_core::{Image, Rng};

use crate::{Env, EnvSpec, ParseError, Perception, Status, Step};

/// A running environment behind one interface. Actions travel as canonical text.
pub trait Game: Send + Sync {
    /// See [`Env::spec`].
    fn spec(&self) -> &'static EnvSpec;
    /// See [`Env::rules`].
    fn rules(&self) -> String;
    /// Draws the present state now. Prefer [`Game::observe`], which draws when asked.
    fn render(&self) -> Image;
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
    /// [`ParseError`] when `action` is not an action; the state is unchanged then.
    fn step(&mut self, action: &str) -> Result<Step, ParseError>;
    /// See [`Env::pass`].
    fn pass(&mut self) -> Step;
    /// See [`Env::oracle`].
    fn oracle(&self) -> String;
    /// See [`Env::reason`].
    ///
    /// # Errors
    /// [`ParseError`] when `action` is not an action.
    fn reason(&self, action: &str) -> Result<String, ParseError>;
    /// See [`Env::perception`].
    fn perception(&self) -> Perception;
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
    /// The picture.
    pub fn image(&self) -> Image {
        self.image.get_or_init(|| self.game.render()).clone()
    }

    /// True when the picture has been drawn already.
    pub fn is_drawn(&self) -> bool {
        self.image.get().is_some()
    }
}

pub(crate) struct Slot<E: Env>(pub(crate) E);

impl<E: Env> Game for Slot<E> {
    fn spec(&self) -> &'static EnvSpec {
        E::spec()
    }
    fn rules(&self) -> String {
        self.0.rules()
    }
    fn render(&self) -> Image {
        self.0.render()
    }
    fn observe(&self) -> Observation {
        Observation { game: Arc::new(Slot(self.0.clone())), image: Arc::default() }
    }
    fn parse(&self, answer: &str) -> Result<String, ParseError> {
        self.0.parse(answer).map(|action| action.to_string())
    }
    fn step(&mut self, action: &str) -> Result<Step, ParseError> {
        let action = self.0.parse(action)?;
        Ok(self.0.step(&action))
    }
    fn pass(&mut self) -> Step {
        self.0.pass()
    }
    fn oracle(&self) -> String {
        self.0.oracle().to_string()
    }
    fn reason(&self, action: &str) -> Result<String, ParseError> {
        Ok(self.0.reason(&self.0.parse(action)?))
    }
    fn perception(&self) -> Perception {
        self.0.perception()
    }
    fn legal_actions(&self) -> Vec<String> {
        self.0.legal_actions().iter().map(ToString::to_string).collect()
    }
    fn guess(&self, rng: &mut Rng) -> Option<String> {
        self.0.guess(rng).map(|action| action.to_string())
    }
    fn status(&self) -> Status {
        self.0.status()
    }
    fn fork(&self) -> Box<dyn Game> {
        Box::new(Slot(self.0.clone()))
    }
    fn snapshot(&self) -> Result<serde_json::Value, serde_json::Error> {
        serde_json::to_value(&self.0)
    }
}
