//! Rewards: an episode and its ground truth go in, a [`Score`](eyas_core::Score) comes out.
//!
//! Every reward reads the same [`Response`], so format, perception and answer can never disagree on
//! what a block is. A reward that cannot be computed is `Invalid`, never 0.
#![forbid(unsafe_code)]

pub mod format;
pub mod game;
mod param;
pub mod perception;
mod registry;
mod response;
mod sample;
mod spec;

pub use param::{ParamInfo, ParamKind, ParamValue, Params};
pub use registry::{EpisodeView, RewardError, RewardInfo, Scorer, find, rewards};
pub use response::{Block, Response, TAGS};
pub use sample::{Progress, Sample, bad_gold, missing};
pub use spec::{RewardSpec, score_episode};

/// Why an episode in which nothing was written has no score.
pub(crate) fn no_turns() -> eyas_core::Score {
    let detail = "the episode has no turns".to_string();
    eyas_core::Score::Invalid(eyas_core::Invalid::NotApplicable { detail })
}
