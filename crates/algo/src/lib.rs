//! Scores become advantages; per-token log-probs become losses and their derivatives.
//!
//! Everything here is a pure function over slices: no tensor library, no randomness, no clock. Sums run
//! in `f64` and in index order, so results do not depend on the number of threads.
#![forbid(unsafe_code)]

pub mod advantage;
pub mod control;
pub mod loss;
pub mod schedule;

pub use advantage::{
    AdvantageConfig, AdvantageError, Estimator, GroupInput, TokenAdvantages, token_advantages,
};
pub use loss::policy::{Factor, PolicyConfig, PolicyLoss, PolicyMetrics, Surrogate, policy_loss};
pub use loss::sft::{SftLoss, sft_loss};
pub use loss::{Aggregation, Derivatives, LossError, LossSum, Mean, TokenBatch, merge_means};
pub use schedule::{Decay, Schedule, ScheduleError};
