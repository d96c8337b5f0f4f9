//! The two players that anchor the normalised score, over many episodes.

use eyas_core::{Interrupt, isolate};
use eyas_gym::{play_oracle, play_random};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{RolloutError, Start};

/// Mean raw scores of the two reference players.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reference {
    /// Guesses, see [`eyas_gym::Env::guess`].
    pub random: f64,
    /// The oracle.
    pub oracle: f64,
}

impl Reference {
    /// Plays both from every start; the random player's seed comes from the start's. Starts whose environment
    /// panics on the way are left out.
    ///
    /// # Errors
    /// [`RolloutError::Interrupted`].
    pub fn of(starts: &[Start], interrupt: &Interrupt) -> Result<Self, RolloutError> {
        let mean = |play: &(dyn Fn(&Start) -> f32 + Sync)| {
            let score = |s: &Start| match interrupt.is_raised() {
                true => None,
                false => isolate(|| f64::from(play(s))).ok(),
            };
            let scores: Vec<f64> = starts.par_iter().filter_map(score).collect();
            scores.iter().sum::<f64>() / scores.len().max(1) as f64
        };
        let both = Self {
            random: mean(&|s| play_random(s.game.fork(), s.seed.split("random-player", 0))),
            oracle: mean(&|s| play_oracle(s.game.fork())),
        };
        if interrupt.is_raised() { Err(RolloutError::Interrupted) } else { Ok(both) }
    }

    /// `(score − random)/(oracle − random)`; `None` when the two coincide.
    pub fn normalised(&self, score: f64) -> Option<f64> {
        eyas_gym::normalised(score, self.random, self.oracle)
    }
}
