//! Where episodes start.

use std::collections::BTreeMap;

use eyas_core::Seed;
use eyas_gym::{Game, KnobValue, find};

use crate::RolloutError;

/// A state from which a group of episodes starts.
pub struct Start {
    /// The state; every member plays a clone of it.
    pub game: Box<dyn Game>,
    /// The seed it was reset with.
    pub seed: Seed,
    /// Its knobs, as JSON.
    pub knobs: serde_json::Value,
}

impl Start {
    /// A fresh state of the environment `id`.
    ///
    /// # Errors
    /// When the environment is unknown or refuses the knobs.
    pub fn reset(id: &str, seed: Seed, knobs: &BTreeMap<String, KnobValue>) -> Result<Self, RolloutError> {
        let entry = find(id)?;
        let knobs = entry.knobs(knobs)?;
        let game = entry.reset(seed, &knobs)?;
        let knobs = serde_json::to_value(&knobs).unwrap_or_default();
        Ok(Self { game, seed, knobs })
    }
}

impl Clone for Start {
    fn clone(&self) -> Self {
        Self { game: self.game.fork(), seed: self.seed, knobs: self.knobs.clone() }
    }
}
