//! Rewards: an episode and its ground truth go in, a [`Score`](eyas_core::Score) comes out.
//!
//! Every reward reads the same [`Response`], so format, perception and answer can never disagree on
//! what a block is. A reward that cannot be computed is `Invalid`, never 0.
#![forbid(unsafe_code)]

pub mod answer;
pub mod boxes;
pub mod compose;
pub mod constraints;
mod facts;
pub mod format;
pub mod formats;
pub mod game;
mod gold;
pub mod gui;
pub mod judge;
pub mod length;
pub mod matching;
pub mod math;
mod param;
pub mod perception;
pub mod points;
pub mod process;
pub mod ranking;
mod registry;
pub mod render;
mod response;
mod sample;
mod scoring;
mod spec;
pub mod structure;
pub mod text;
pub mod time;
pub mod trajectory;

pub use gold::Gold;
pub use param::{ParamInfo, ParamKind, ParamValue, Params};
pub use registry::{EpisodeView, RewardError, RewardInfo, Scorer, find, needs, rewards};
pub use response::{Block, Response, TAGS};
pub use sample::{Around, Progress, Sample, bad_gold, missing};
pub use scoring::{SUPPLIED, Scene, WORKED_OUT, score_episode, score_group};
pub use spec::{RewardSpec, Turns};

/// Why an episode in which nothing was written has no score.
pub(crate) fn no_turns() -> eyas_core::Score {
    let detail = "the episode has no turns".to_string();
    eyas_core::Score::Invalid(eyas_core::Invalid::NotApplicable { detail })
}

/// `score`, where a number that is not finite names the reward that gave it.
pub(crate) fn named(score: eyas_core::Score, reward: &str) -> eyas_core::Score {
    use eyas_core::{Invalid, Score};
    match score {
        Score::Invalid(Invalid::NonFinite) => {
            let detail = format!("the reward {reward:?} gave a number that is not finite");
            Score::Invalid(Invalid::Crash { detail })
        }
        other => other,
    }
}

/// `reason`, with the place that it came from.
pub(crate) fn located(reason: eyas_core::Invalid, place: &str) -> eyas_core::Invalid {
    use eyas_core::Invalid;
    let at = |detail: String| format!("{place}: {detail}");
    match reason {
        Invalid::UnparseableGold { detail } => Invalid::UnparseableGold { detail: at(detail) },
        Invalid::Timeout { budget } => Invalid::Timeout { budget: at(budget) },
        Invalid::NonFinite => Invalid::Crash { detail: at("not a finite number".into()) },
        Invalid::Crash { detail } => Invalid::Crash { detail: at(detail) },
        Invalid::NotApplicable { detail } => Invalid::NotApplicable { detail: at(detail) },
    }
}
