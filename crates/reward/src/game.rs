//! What the environment paid.

use eyas_core::{Episode, Score};

use crate::{EpisodeView, ParamInfo, Params, RewardInfo, Scorer, no_turns};

/// The reward as recipes name it.
pub static INFO: RewardInfo = RewardInfo {
    name: "game",
    family: "episode",
    doc: "what the environment paid",
    source: "G1 and every agent trained in a gym",
    gold: "",
    range: None,
    params: &[ParamInfo::choice("form", &["return", "mean_turn"], "the sum over the turns, or their mean")],
    score: Scorer::Episode(score),
};

fn score(view: &EpisodeView<'_>, params: &Params) -> Score {
    if params.text("form") == "mean_turn" { mean_turn(view.episode) } else { env_return(view.episode) }
}

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
