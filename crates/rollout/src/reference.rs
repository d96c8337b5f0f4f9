//! The two players that anchor the normalised score, over many episodes.

use eyas_gym::{play_oracle_with, play_random_with};
use serde::{Deserialize, Serialize};

use crate::watch::{Further, each_by_steps};
use crate::{RolloutError, Start, Watch};

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
    /// panics on the way, or takes longer than the limit for one move, are left out.
    ///
    /// # Errors
    /// [`RolloutError::Interrupted`] and [`RolloutError::Threads`].
    pub fn of(starts: &[Start], watch: Watch<'_>) -> Result<Self, RolloutError> {
        let random = mean(starts, watch, |start, further| {
            play_random_with(start.game, start.seed.split("random-player", 0), further)
        })?;
        let oracle = mean(starts, watch, |start, further| play_oracle_with(start.game, further))?;
        if watch.interrupt.is_raised() { Err(RolloutError::Interrupted) } else { Ok(Self { random, oracle }) }
    }

    /// `(score − random)/(oracle − random)`; `None` when the two coincide.
    pub fn normalised(&self, score: f64) -> Option<f64> {
        eyas_gym::normalised(score, self.random, self.oracle)
    }
}

/// The mean score of a player over the starts that it could play to the end.
fn mean(
    starts: &[Start],
    watch: Watch<'_>,
    play: impl Fn(Start, Further<'_>) -> f32 + Send + Sync + 'static,
) -> Result<f64, RolloutError> {
    let interrupt = watch.interrupt.clone();
    let score = move |start: Start, further: Further<'_>| {
        (!interrupt.is_raised()).then(|| f64::from(play(start, further)))
    };
    let played = each_by_steps(starts.to_vec(), watch, score)?;
    let scores: Vec<f64> = played.into_iter().filter_map(|score| score.ok().flatten()).collect();
    Ok(scores.iter().sum::<f64>() / scores.len().max(1) as f64)
}
