//! Losses on preferences: this response rather than that one.
//!
//! All of them look at a response through one number, the weighted sum of the log-probs of its tokens. So a
//! batch is summed up once ([`Sums`]), each loss adds its value and its derivatives by those sums to a
//! [`PreferenceSum`], and the derivative by a token's log-prob is that of its sequence times its weight.
//!
//! What makes a method of its own out of DPO is often not the loss but the data:
//!
//! - which tokens count, and how much: `token_weight` (dense DPO, spans, one step of several);
//! - how much a pair counts, and how sharply: `pair_weight` (MM-DPO, hard samples, difficulty);
//! - which responses are compared: `select` (RLAIF-V, VisRL, step-wise DPO, pictures left out).

mod anchor;
mod batch;
mod bco;
mod cpo;
mod dpo;
mod hinge;
mod image;
mod ipo;
mod kto;
mod loss;
mod margin;
pub(crate) mod math;
mod nll;
mod orpo;
mod pair_weight;
mod robust;
mod select;
mod simpo;
mod sums;
#[cfg(test)]
mod testing;
mod token_weight;

pub use anchor::{Anchor, add_anchor};
pub use batch::{Counts, Pair, PreferenceBatch};
pub use bco::{BcoPair, RewardShift, add_bco_pair, pair_rewards};
pub use cpo::{Cpo, add_cpo};
pub use dpo::{Dpo, add_dpo};
pub use hinge::{Hinge, add_hinge};
pub use image::{ImagePreference, add_image_preference};
pub use ipo::{Ipo, add_ipo};
pub use kto::{Kto, add_kto, kto_kl};
pub use loss::{PreferenceConfig, PreferenceLoss, PreferenceTerm, WeightedTerm, preference_loss};
pub use nll::{Nll, NllMean, add_nll};
pub use orpo::{MAX_MEAN_LOGPROB, Orpo, add_orpo};
pub use pair_weight::{
    Difficulty, HardSample, MarginBeta, MarginForm, difficulty_weights, hard_sample_weight,
};
pub use robust::{RobustDpo, add_robust_dpo};
pub use select::{
    ScorePairs, VisrlPairs, all_pairs, best_against_others, best_and_worst, hard_sample_pairs,
    length_balanced, strongest_pairs, visrl_pair,
};
pub use simpo::{Simpo, add_simpo};
pub use sums::{PreferenceSum, Score, Sums};
pub use token_weight::{MAX_COMPARISONS, edit_weights, span_weights};

use super::LossError;

/// Why a preference loss was not computed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PreferenceError {
    /// A slice, a number or a setting is not well-formed.
    #[error(transparent)]
    Loss(#[from] LossError),
    /// A pair names a sequence that is not there, or the same one twice.
    #[error("pair {index} compares sequence {chosen} with {rejected}; there are {sequences} sequences")]
    Pair {
        /// The pair.
        index: usize,
        /// Its chosen sequence.
        chosen: usize,
        /// Its rejected one.
        rejected: usize,
        /// The number of sequences.
        sequences: usize,
    },
    /// One label per sequence.
    #[error("{got} labels for {sequences} sequences")]
    Labels {
        /// How many there are.
        got: usize,
        /// The number of sequences.
        sequences: usize,
    },
    /// A number is NaN, infinite or out of its range.
    #[error("{name} {index} is {value}")]
    NonFinite {
        /// What it is.
        name: &'static str,
        /// Which of them.
        index: usize,
        /// What stands there.
        value: f64,
    },
}

/// A setting that must be finite and more than 0.
pub(crate) fn positive(name: &'static str, value: f64) -> Result<(), LossError> {
    if value.is_finite() && value > 0.0 {
        Ok(())
    } else {
        Err(LossError::Config { name, value, range: "more than 0" })
    }
}
