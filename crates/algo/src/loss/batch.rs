//! What the parts of a policy loss read, and what they add to.

use std::collections::BTreeMap;
use std::ops::Range;

use super::{Aggregation, LossError, check_denominator, check_len, check_offsets, check_weights};
use super::{finite, sequence_sums};

/// The tokens of a micro-batch, sequences behind each other; all slices but `offsets` are per token.
///
/// A token of weight 0 is never looked at: whatever stands in its place, NaN included, changes nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct TokenBatch<'a> {
    /// Log-prob under the policy being trained, in nats.
    pub logprob: &'a [f32],
    /// Log-prob under the policy that sampled the token.
    pub behaviour: &'a [f32],
    /// Advantage.
    pub advantage: &'a [f32],
    /// 0 for tokens that do not count, 1 for those that do; any other weight of at least 0 is allowed.
    pub weight: &'a [f32],
    /// Where each sequence starts, and the end: rises from 0 to the number of tokens.
    pub offsets: &'a [usize],
    /// Log-prob under the reference policy.
    pub reference: Option<&'a [f32]>,
    /// Log-prob under the policy as it was before the updates of this step, by the trainer's own forward
    /// pass. It differs from `behaviour` where sampling and scoring do not agree.
    pub old: Option<&'a [f32]>,
    /// Entropy of the policy's distribution at this token, in nats.
    pub entropy: Option<&'a [f32]>,
    /// Log-prob under the policy being trained when it sees a corrupted picture.
    pub masked: Option<&'a [f32]>,
    /// Entropy of that distribution, in nats.
    pub masked_entropy: Option<&'a [f32]>,
    /// True for tokens that another policy wrote (a demonstration in the group).
    pub off_policy: Option<&'a [bool]>,
    /// What the KL penalty of a token is multiplied by, at least 0; none: 1. See
    /// [`dads_kl_weight`](super::term::dads_kl_weight).
    pub kl_weight: Option<&'a [f32]>,
}

impl<'a> TokenBatch<'a> {
    /// Checks lengths, offsets and weights, and that every number of a token that counts is finite.
    ///
    /// # Errors
    /// [`LossError`] naming the slice and the token.
    pub fn check(&self) -> Result<(), LossError> {
        let n = self.logprob.len();
        check_len("weight", self.weight, n)?;
        check_offsets(self.offsets, n)?;
        check_weights(self.weight)?;
        if let Some(off) = self.off_policy.filter(|off| off.len() != n) {
            return Err(LossError::Length { name: "off_policy", got: off.len(), expected: n });
        }
        let slices = [
            ("logprob", Some(self.logprob)),
            ("behaviour_logprob", Some(self.behaviour)),
            ("advantage", Some(self.advantage)),
            ("reference_logprob", self.reference),
            ("old_logprob", self.old),
            ("entropy", self.entropy),
            ("masked_logprob", self.masked),
            ("masked_entropy", self.masked_entropy),
            ("kl_weight", self.kl_weight),
        ];
        for (name, slice) in slices.into_iter().filter_map(|(name, s)| Some((name, s?))) {
            check_len(name, slice, n)?;
            // Without a branch a token this is many times as fast, and nearly always all are.
            if !slice.iter().fold(true, |all, value| all & value.is_finite()) {
                self.counted(0..n).try_for_each(|t| finite(name, slice, t).map(|_| ()))?;
            }
        }
        match self.kl_weight.and_then(|w| self.counted(0..n).find(|&t| w[t] < 0.0).map(|t| (t, w[t]))) {
            Some((index, value)) => Err(LossError::Weight { index, value }),
            None => Ok(()),
        }
    }

    /// The tokens of each sequence.
    pub fn sequences(&self) -> impl Iterator<Item = Range<usize>> + use<'a> {
        self.offsets.windows(2).map(|w| w[0]..w[1])
    }

    /// The tokens of `range` that count.
    pub fn counted(&self, range: Range<usize>) -> impl Iterator<Item = usize> + use<'a> {
        let weight = self.weight;
        range.filter(move |&t| weight[t] > 0.0)
    }

    /// `ln(policy / behaviour)` of a token.
    pub fn log_ratio(&self, t: usize) -> f64 {
        f64::from(self.logprob[t]) - f64::from(self.behaviour[t])
    }

    /// What each token's loss is multiplied by before it is summed: its weight over the denominator, with
    /// [`Aggregation::SequenceMean`] also over the weight of its sequence. 0 where the weight is 0.
    ///
    /// # Errors
    /// [`LossError::Denominator`].
    pub fn shares(&self, aggregation: Aggregation, denominator: f64) -> Result<Vec<f64>, LossError> {
        check_denominator(denominator)?;
        let mut shares: Vec<f64> = self.weight.iter().map(|w| f64::from(*w) / denominator).collect();
        if aggregation == Aggregation::SequenceMean {
            for (range, sum) in self.sequences().zip(sequence_sums(self.weight, self.offsets)) {
                if sum > 0.0 {
                    shares[range].iter_mut().for_each(|s| *s /= sum);
                }
            }
        }
        Ok(shares)
    }
}

/// An input that a part of the loss cannot do without.
///
/// # Errors
/// [`LossError::Missing`].
pub fn require<T: Copy>(input: Option<T>, name: &'static str, by: &'static str) -> Result<T, LossError> {
    input.ok_or(LossError::Missing { name, by })
}

/// The sum of the parts of a loss: its value, its derivatives and what was seen on the way.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LossSum {
    /// The loss, to be minimised.
    pub value: f64,
    /// Derivative by `logprob`.
    pub d_logprob: Vec<f64>,
    /// Derivative by `entropy`; empty: all 0.
    pub d_entropy: Vec<f64>,
    /// Derivative by `masked`; empty: all 0.
    pub d_masked: Vec<f64>,
    /// Derivative by `masked_entropy`; empty: all 0.
    pub d_masked_entropy: Vec<f64>,
    /// Means over tokens or sequences, by name.
    pub metrics: BTreeMap<&'static str, Mean>,
}

/// A mean that can be merged.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Mean {
    /// Sum of what was seen.
    pub sum: f64,
    /// How often.
    pub count: f64,
}

impl Mean {
    /// The mean; 0 of nothing.
    pub fn value(&self) -> f64 {
        if self.count > 0.0 { self.sum / self.count } else { 0.0 }
    }
}

/// Takes the means of another batch into `all`, by name.
pub fn merge_means(all: &mut BTreeMap<&'static str, Mean>, other: BTreeMap<&'static str, Mean>) {
    for (name, mean) in other {
        let sum = all.entry(name).or_default();
        sum.sum += mean.sum;
        sum.count += mean.count;
    }
}

impl LossSum {
    /// No loss over `tokens` tokens.
    pub fn new(tokens: usize) -> Self {
        Self { d_logprob: vec![0.0; tokens], ..Self::default() }
    }

    /// Adds to the derivative by the entropy of a token.
    pub fn add_d_entropy(&mut self, t: usize, d: f64) {
        add(&mut self.d_entropy, self.d_logprob.len(), t, d);
    }

    /// Adds to the derivative by the masked log-prob of a token.
    pub fn add_d_masked(&mut self, t: usize, d: f64) {
        add(&mut self.d_masked, self.d_logprob.len(), t, d);
    }

    /// Adds to the derivative by the masked entropy of a token.
    pub fn add_d_masked_entropy(&mut self, t: usize, d: f64) {
        add(&mut self.d_masked_entropy, self.d_logprob.len(), t, d);
    }

    /// Takes one observation into the mean of `name`.
    pub fn see(&mut self, name: &'static str, value: f64) {
        self.see_all(name, value, 1.0);
    }

    /// Takes `count` observations with the sum `sum` into the mean of `name`.
    pub fn see_all(&mut self, name: &'static str, sum: f64, count: f64) {
        let mean = self.metrics.entry(name).or_default();
        mean.sum += sum;
        mean.count += count;
    }

    /// The derivatives as they are handed on, in `f32`.
    ///
    /// # Errors
    /// [`LossError::Overflow`] when one is too large for a number.
    pub fn derivatives(&self) -> Result<Derivatives, LossError> {
        let cast = |d: &[f64]| -> Result<Vec<f32>, LossError> {
            let cast: Vec<f32> = d.iter().map(|d| *d as f32).collect();
            match cast.iter().position(|d| !d.is_finite()) {
                Some(index) => Err(LossError::Overflow { index }),
                None => Ok(cast),
            }
        };
        Ok(Derivatives {
            logprob: cast(&self.d_logprob)?,
            entropy: cast(&self.d_entropy)?,
            masked: cast(&self.d_masked)?,
            masked_entropy: cast(&self.d_masked_entropy)?,
        })
    }
}

fn add(slice: &mut Vec<f64>, tokens: usize, t: usize, d: f64) {
    if slice.is_empty() {
        slice.resize(tokens, 0.0);
    }
    slice[t] += d;
}

/// The derivatives of a loss; all but the first may be empty: all 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Derivatives {
    /// By log-prob.
    pub logprob: Vec<f32>,
    /// By entropy.
    pub entropy: Vec<f32>,
    /// By masked log-prob.
    pub masked: Vec<f32>,
    /// By masked entropy.
    pub masked_entropy: Vec<f32>,
}
