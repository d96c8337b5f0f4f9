//! What the environment paid.

use eyas_core::{Episode, Score};

use crate::no_turns;

/// The sum of the environment's rewards over the turns.
/// `Invalid` when the episode has no turns or the sum is not finite.
pub fn env_return(episode: &Episode) -> Score {
    if episode.turns.is_empty() { no_turns() } else { Score::from_value(episode.env_return) }
}

/// The environment's reward an average turn: the return divided by the number of turns, for episodes of
/// differing length. `Invalid` as in [`env_return`].
pub fn mean_turn(episode: &Episode) -> Score {
    match env_return(episode) {
        Score::Ok(sum) => Score::from_value(sum / episode.turns.len() as f32),
        invalid => invalid,
    }
}
