//! Losses: slices in, value, derivatives and metrics out.
//!
//! Tokens of a whole micro-batch lie behind each other; `weight` says which count. A token of weight 0 is
//! never looked at: whatever stands in its place, NaN included, changes nothing.
//!
//! The normaliser is given by the caller, because it belongs to the whole accumulated batch: the sum of
//! the losses (and derivatives) of micro-batches is then that of one batch. [`Aggregation::denominator`]
//! gives each micro-batch's share of it.

mod batch;
pub mod factor;
pub mod policy;
pub mod preference;
pub mod reward_model;
pub mod sft;
pub mod supervised;
pub mod surrogate;
pub mod term;
#[cfg(test)]
mod testing;
pub mod value;

pub use batch::{Derivatives, LossSum, Mean, TokenBatch, merge_means, require};

use serde::{Deserialize, Serialize};

/// How token losses make one number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregation {
    /// Every token counts alike: `Σ w·l / Σ w` (DAPO: Yu et al., arXiv 2503.14476, eq. 8).
    #[default]
    TokenMean,
    /// Every sequence counts alike: the mean over sequences of the mean over their tokens (GRPO:
    /// arXiv 2402.03300, eq. 3). A token of a long response weighs less.
    SequenceMean,
    /// `Σ w·l / (sequences · length)` with a constant length, commonly the token limit of a response
    /// (Dr. GRPO: arXiv 2503.20783), so that the length of a response does not change its tokens' weight.
    Constant(f64),
}

impl Aggregation {
    /// What a batch of these sequences adds to the denominator: its sum of weights, its number of
    /// sequences that count, or that number times the constant length. Add up over all micro-batches
    /// of one optimizer step and give the sum to the loss.
    ///
    /// `weight`: per token. `offsets`: where each sequence starts, and the end.
    ///
    /// # Errors
    /// [`LossError`] when a weight or the offsets are not well-formed.
    pub fn denominator(self, weight: &[f32], offsets: &[usize]) -> Result<f64, LossError> {
        check_offsets(offsets, weight.len())?;
        check_weights(weight)?;
        let sums = sequence_sums(weight, offsets);
        let counted = sums.iter().filter(|s| **s > 0.0).count() as f64;
        Ok(match self {
            Self::TokenMean => sums.iter().sum(),
            Self::SequenceMean => counted,
            Self::Constant(length) => counted * length,
        })
    }
}

/// Why a loss was not computed. A loss never returns NaN.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum LossError {
    /// All slices are per token.
    #[error("{name} has {got} tokens, expected {expected}")]
    Length {
        /// The slice.
        name: &'static str,
        /// Its length.
        got: usize,
        /// The number of tokens.
        expected: usize,
    },
    /// Offsets must rise from 0 to the number of tokens.
    #[error("offsets must rise from 0 to {tokens}, the number of tokens")]
    Offsets {
        /// The number of tokens.
        tokens: usize,
    },
    /// A number that counts is NaN or infinite.
    #[error("{name} of token {index} is {value}")]
    NonFinite {
        /// The slice.
        name: &'static str,
        /// The token.
        index: usize,
        /// What stands there.
        value: f32,
    },
    /// Weights must be finite and at least 0.
    #[error("weight of token {index} is {value}")]
    Weight {
        /// The token.
        index: usize,
        /// Its weight.
        value: f32,
    },
    /// The result is too large for a number.
    #[error("the derivative at token {index} overflows")]
    Overflow {
        /// The token.
        index: usize,
    },
    /// The denominator must be finite and positive.
    #[error("denominator {value} is not a positive number")]
    Denominator {
        /// What was given.
        value: f64,
    },
    /// A setting is out of range.
    #[error("{name} = {value} is out of range: {range}")]
    Config {
        /// The setting.
        name: &'static str,
        /// What was given.
        value: f64,
        /// What it may be.
        range: &'static str,
    },
    /// A part of the loss needs an input that is not there.
    #[error("{by} needs {name}, which is missing")]
    Missing {
        /// The input.
        name: &'static str,
        /// The part of the loss.
        by: &'static str,
    },
}

fn check_len(name: &'static str, slice: &[f32], expected: usize) -> Result<(), LossError> {
    if slice.len() == expected { Ok(()) } else { Err(LossError::Length { name, got: slice.len(), expected }) }
}

fn check_offsets(offsets: &[usize], tokens: usize) -> Result<(), LossError> {
    let ends = offsets.first() == Some(&0) && offsets.last() == Some(&tokens);
    if ends && offsets.is_sorted() { Ok(()) } else { Err(LossError::Offsets { tokens }) }
}

fn check_weights(weight: &[f32]) -> Result<(), LossError> {
    match weight.iter().position(|w| !w.is_finite() || *w < 0.0) {
        Some(index) => Err(LossError::Weight { index, value: weight[index] }),
        None => Ok(()),
    }
}

fn check_denominator(value: f64) -> Result<(), LossError> {
    if value.is_finite() && value > 0.0 { Ok(()) } else { Err(LossError::Denominator { value }) }
}

/// A setting that must be finite and at least 0.
pub(crate) fn at_least_zero(name: &'static str, value: f64) -> Result<(), LossError> {
    if value.is_finite() && value >= 0.0 {
        Ok(())
    } else {
        Err(LossError::Config { name, value, range: "0 or more" })
    }
}

/// A setting that must be finite and more than 0.
pub(crate) fn above_zero(name: &'static str, value: f64) -> Result<(), LossError> {
    if value.is_finite() && value > 0.0 {
        Ok(())
    } else {
        Err(LossError::Config { name, value, range: "more than 0" })
    }
}

/// A setting that must lie between 0 and 1, both included.
pub(crate) fn in_unit(name: &'static str, value: f64) -> Result<(), LossError> {
    if (0.0..=1.0).contains(&value) {
        Ok(())
    } else {
        Err(LossError::Config { name, value, range: "0 to 1" })
    }
}

/// The number at `index`, if it is finite.
fn finite(name: &'static str, slice: &[f32], index: usize) -> Result<f64, LossError> {
    let value = slice[index];
    if value.is_finite() { Ok(f64::from(value)) } else { Err(LossError::NonFinite { name, index, value }) }
}

/// A derivative as it is handed on.
fn derivative(value: f64, index: usize) -> Result<f32, LossError> {
    let value = value as f32;
    if value.is_finite() { Ok(value) } else { Err(LossError::Overflow { index }) }
}

/// Sum of the weights of each sequence.
fn sequence_sums(weight: &[f32], offsets: &[usize]) -> Vec<f64> {
    let sum = |w: &[usize]| weight[w[0]..w[1]].iter().map(|w| f64::from(*w)).sum();
    offsets.windows(2).map(sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn denominators_by_hand() {
        let weight = [1.0, 1.0, 0.0, 0.5, 0.0];
        // Three sequences: two tokens of weight 1, a masked one and a half one, and one masked token.
        let offsets = [0, 2, 4, 5];
        let of = |a: Aggregation| a.denominator(&weight, &offsets).unwrap();
        assert_eq!(of(Aggregation::TokenMean), 2.5);
        assert_eq!(of(Aggregation::SequenceMean), 2.0);
        assert_eq!(of(Aggregation::Constant(10.0)), 20.0);
        assert_eq!(Aggregation::TokenMean.denominator(&[], &[0]), Ok(0.0));
    }

    #[test]
    fn offsets_and_weights_are_checked() {
        let of = |w: &[f32], o: &[usize]| Aggregation::TokenMean.denominator(w, o);
        for offsets in [&[][..], &[0], &[1, 2], &[0, 1], &[0, 3], &[0, 2, 1, 2]] {
            assert_eq!(of(&[1.0; 2], offsets), Err(LossError::Offsets { tokens: 2 }), "{offsets:?}");
        }
        assert_eq!(of(&[1.0, -1.0], &[0, 2]), Err(LossError::Weight { index: 1, value: -1.0 }));
        assert!(matches!(of(&[f32::NAN], &[0, 1]), Err(LossError::Weight { index: 0, .. })));
    }

    #[test]
    fn is_read_from_a_recipe() {
        let read = |s: &str| serde_json::from_str::<Aggregation>(s).unwrap();
        assert_eq!(read(r#""token_mean""#), Aggregation::TokenMean);
        assert_eq!(read(r#""sequence_mean""#), Aggregation::SequenceMean);
        assert_eq!(read(r#"{"constant": 4096}"#), Aggregation::Constant(4096.0));
    }
}
