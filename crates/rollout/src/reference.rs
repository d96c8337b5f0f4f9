//! The two players that anchor the normalised score, over many episodes.

use eyas_gym::{play_oracle, play_random};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Start;

/// Mean raw scores of the two reference players.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reference {
    /// Guesses, see [`eyas_gym::Env::guess`].
    pub random: f64,
    /// The oracle.
    pub oracle: f64,
}

impl Reference {
    /// Plays both from every start; the random player's seed comes from the start's.
    pub fn of(starts: &[Start]) -> Self {
        let mean = |play: &(dyn Fn(&Start) -> f32 + Sync)| {
            let scores: Vec<f64> = starts.par_iter().map(|s| f64::from(play(s))).collect();
            scores.iter().sum::<f64>() / scores.len().max(1) as f64
        };
        Self {
            random: mean(&|s| play_random(s.game.fork(), s.seed.split("random-player", 0))),
            oracle: mean(&|s| play_oracle(s.game.fork())),
        }
    }

    /// `(score − random)/(oracle − random)`; `None` when the two coincide.
    pub fn normalised(&self, score: f64) -> Option<f64> {
        eyas_gym::normalised(score, self.random, self.oracle)
    }
}
