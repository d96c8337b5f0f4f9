//! Rewards: an episode and its ground truth go in, a [`Score`](eyas_core::Score) comes out.
//!
//! Every reward reads the same [`Response`], so format, perception and answer can never disagree on
//! what a block is. A reward that cannot be computed is `Invalid`, never 0.
#![forbid(unsafe_code)]

pub mod format;
pub mod game;
pub mod perception;
mod registry;
mod response;
mod spec;

pub use registry::{ParamInfo, REWARDS, RewardError, RewardInfo, find};
pub use response::{Block, Response, TAGS};
pub use spec::{FormatForm, GameForm, RewardKind, RewardSpec, score_episode};

/// Why an episode in which nothing was written has no score.
pub(crate) fn no_turns() -> eyas_core::Score {
    let detail = "the episode has no turns".to_string();
    eyas_core::Score::Invalid(eyas_core::Invalid::NotApplicable { detail })
}
