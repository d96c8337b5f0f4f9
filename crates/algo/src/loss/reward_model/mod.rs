//! Losses of reward models: scores in, value and derivatives by the scores out.
//!
//! A score is one number per response (or step, or pair of frames), whatever head it comes from. As with the
//! other losses the caller gives what is divided by, so that micro-batches add up.

mod critique;
mod judge;
mod latent;
mod loss;
mod pair;
mod process;
mod progress;
mod ranking;
mod regression;

pub use critique::{CritiqueLoss, CritiqueThenScore, critique_then_score_loss};
pub use judge::{Choice, JudgeReward, both_orders, judge_reward};
pub use latent::{Latent, LatentLoss, LatentUser, Reparameterised, latent_user_loss, reparameterise};
pub use loss::{PairLoss, RewardModelLoss, ScoredPairs, reward_model_loss};
pub use pair::{BradleyTerry, ScorePair, bradley_terry_loss};
pub use process::{StepAggregate, aggregate_steps, process_loss};
pub use progress::{Progress, progress_delta, progress_loss};
pub use ranking::{PlackettLuce, plackett_luce_loss};
pub use regression::{Regression, RegressionLoss, regression_loss};

use std::collections::BTreeMap;

use super::{LossError, Mean};

/// Why the loss of a reward model was not computed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ScoreError {
    /// A setting, a denominator or a slice of tokens is not well-formed.
    #[error(transparent)]
    Loss(#[from] LossError),
    /// Slices that belong together must be of the same length.
    #[error("{name} has {got} entries, expected {expected}")]
    Length {
        /// The slice.
        name: &'static str,
        /// Its length.
        got: usize,
        /// The length it should have.
        expected: usize,
    },
    /// A number is NaN, infinite or out of its range.
    #[error("{name} {index} is {value}")]
    Value {
        /// The slice.
        name: &'static str,
        /// Which of them.
        index: usize,
        /// What stands there.
        value: f64,
    },
    /// An index is that of a score that is not there, or of the same one twice.
    #[error(
        "{name} {index} names scores that are not there or the same one twice; there are {scores} scores"
    )]
    Index {
        /// The slice.
        name: &'static str,
        /// Which of them.
        index: usize,
        /// The number of scores.
        scores: usize,
    },
}

/// What the loss of a reward model says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScoreLoss {
    /// The loss, to be minimised.
    pub value: f64,
    /// Its derivative by each score.
    pub d_score: Vec<f32>,
    /// Means by name.
    pub metrics: BTreeMap<&'static str, Mean>,
}

/// The derivatives in `f64` while they are added up.
#[derive(Default)]
struct Sum {
    value: f64,
    d_score: Vec<f64>,
    metrics: BTreeMap<&'static str, Mean>,
}

impl Sum {
    fn new(scores: usize) -> Self {
        Self { d_score: vec![0.0; scores], ..Self::default() }
    }

    fn see(&mut self, name: &'static str, value: f64) {
        let mean = self.metrics.entry(name).or_default();
        mean.sum += value;
        mean.count += 1.0;
    }

    fn finish(self) -> Result<ScoreLoss, ScoreError> {
        let cast = |(t, d): (usize, &f64)| super::derivative(*d, t);
        let d_score = self.d_score.iter().enumerate().map(cast).collect::<Result<_, _>>()?;
        Ok(ScoreLoss { value: self.value, d_score, metrics: self.metrics })
    }
}

fn check_length(name: &'static str, got: usize, expected: usize) -> Result<(), ScoreError> {
    if got == expected { Ok(()) } else { Err(ScoreError::Length { name, got, expected }) }
}

/// The number at `index`, if it is finite.
fn finite(name: &'static str, slice: &[f32], index: usize) -> Result<f64, ScoreError> {
    let value = f64::from(slice[index]);
    if value.is_finite() { Ok(value) } else { Err(ScoreError::Value { name, index, value }) }
}

/// That this many things are divided by a number that can be divided by.
fn check_divisor(things: usize, divisor: f64) -> Result<(), ScoreError> {
    if things > 0 {
        super::check_denominator(divisor)?;
    }
    Ok(())
}

#[cfg(test)]
mod testing {
    pub(crate) fn near(got: f64, want: f64) {
        assert!((got - want).abs() < 1e-6, "{got} is not {want}");
    }

    /// Derivatives against difference quotients; `step` is exact in `f32`.
    pub(crate) fn assert_slopes(x: &[f32], got: &[f32], value: impl Fn(&[f32]) -> f64) {
        assert_eq!(x.len(), got.len());
        for i in 0..x.len() {
            let at = |step: f32| {
                let mut moved = x.to_vec();
                moved[i] += step;
                (value(&moved), f64::from(moved[i]))
            };
            let ((up, x1), (down, x0)) = (at(1.0 / 512.0), at(-1.0 / 512.0));
            let want = (up - down) / (x1 - x0);
            let got = f64::from(got[i]);
            assert!((want - got).abs() < 1e-3 * (1.0 + want.abs()), "{i}: {got}, difference quotient {want}");
        }
    }
}
