//! The policy loss: a surrogate and the terms beside it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use super::factor::Factor;
use super::surrogate::MAX_LOG_RATIO;
pub use super::surrogate::Surrogate;
use super::term::{Kl, Needs, Term, add_kl};
use super::{Aggregation, Derivatives, LossError, LossSum, Mean, TokenBatch, factor, merge_means};

/// Settings of [`policy_loss`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PolicyConfig {
    /// What makes good tokens likelier.
    pub surrogate: Surrogate,
    /// What the surrogate of each token is multiplied by; terms are not.
    pub factors: Vec<Factor>,
    /// The penalty for leaving the reference policy.
    pub kl: Kl,
    /// What is added beside it, in this order.
    pub terms: Vec<Term>,
    /// How token losses make one number.
    pub aggregation: Aggregation,
}

impl PolicyConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`LossError::Config`] naming the setting.
    pub fn check(&self) -> Result<(), LossError> {
        self.surrogate.check()?;
        self.factors.iter().try_for_each(Factor::check)?;
        super::at_least_zero("kl_coef", self.kl.coef)?;
        self.terms.iter().try_for_each(Term::check)?;
        match self.aggregation {
            Aggregation::Constant(length) if !(length.is_finite() && length > 0.0) => {
                Err(LossError::Config { name: "aggregation.constant", value: length, range: "more than 0" })
            }
            _ => Ok(()),
        }
    }

    /// The optional inputs that it cannot do without.
    pub fn needs(&self) -> Needs {
        let of_terms = self.terms.iter().map(Term::needs);
        let of_factors = self.factors.iter().map(Factor::needs);
        of_terms.chain(of_factors).fold(self.kl.needs() | self.surrogate.needs(), |all, needs| all | needs)
    }
}

/// What the loss says.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyLoss {
    /// The loss, to be minimised.
    pub value: f64,
    /// Its derivatives; 0 where the weight is 0.
    pub derivatives: Derivatives,
    /// What was seen on the way.
    pub metrics: PolicyMetrics,
}

/// What was seen of the tokens that count.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyMetrics {
    /// Number of tokens that count.
    pub tokens: usize,
    /// Largest probability ratio between policy and behaviour policy. 1 without tokens.
    pub ratio_max: f64,
    /// Smallest ratio.
    pub ratio_min: f64,
    /// Means by name: `ratio`, `ppo_kl` (of `behaviour − policy` log-probs, the k1 estimate of how far the
    /// policy has moved), `entropy`, and those of the parts of the loss.
    pub means: BTreeMap<&'static str, Mean>,
}

impl Default for PolicyMetrics {
    /// The metrics of no tokens.
    fn default() -> Self {
        Self { tokens: 0, ratio_max: 1.0, ratio_min: 1.0, means: BTreeMap::new() }
    }
}

impl PolicyMetrics {
    /// The mean of that name, if there was one.
    pub fn mean(&self, name: &str) -> Option<f64> {
        self.means.get(name).map(Mean::value)
    }

    /// Takes in the metrics of another batch.
    pub fn merge(&mut self, other: Self) {
        if self.tokens == 0 || other.tokens == 0 {
            if self.tokens == 0 {
                (self.ratio_max, self.ratio_min) = (other.ratio_max, other.ratio_min);
            }
        } else {
            self.ratio_max = self.ratio_max.max(other.ratio_max);
            self.ratio_min = self.ratio_min.min(other.ratio_min);
        }
        self.tokens += other.tokens;
        merge_means(&mut self.means, other.means);
    }

    fn of(batch: &TokenBatch<'_>, mut means: BTreeMap<&'static str, Mean>) -> Self {
        let ratio = |log: f64| log.clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO).exp();
        let (mut tokens, mut ratios, mut moved) = (0usize, 0.0, 0.0);
        let (mut largest, mut smallest) = (f64::NEG_INFINITY, f64::INFINITY);
        for t in batch.counted(0..batch.logprob.len()) {
            let log_ratio = batch.log_ratio(t);
            ratios += ratio(log_ratio);
            moved -= log_ratio;
            largest = largest.max(log_ratio);
            smallest = smallest.min(log_ratio);
            tokens += 1;
        }
        if tokens == 0 {
            return Self { means, ..Self::default() };
        }
        let count = tokens as f64;
        means.insert("ratio", Mean { sum: ratios, count });
        means.insert("ppo_kl", Mean { sum: moved, count });
        if let Some(entropy) = batch.entropy {
            let sum = batch.counted(0..entropy.len()).map(|t| f64::from(entropy[t])).sum();
            means.insert("entropy", Mean { sum, count });
        }
        Self { tokens, ratio_max: ratio(largest), ratio_min: ratio(smallest), means }
    }
}

/// `L = Σ_t share_t · Π factors_t · surrogate_t + Σ_t share_t · terms_t`, with the shares of
/// [`TokenBatch::shares`].
///
/// `denominator`: the sum of [`Aggregation::denominator`] over all micro-batches of the optimizer step.
///
/// # Errors
/// [`LossError`] when lengths differ, a setting is out of range, an input is missing, or a number
/// that counts is not finite (naming the token).
pub fn policy_loss(
    batch: &TokenBatch<'_>,
    cfg: &PolicyConfig,
    denominator: f64,
) -> Result<PolicyLoss, LossError> {
    cfg.check()?;
    batch.check()?;
    let share = batch.shares(cfg.aggregation, denominator)?;
    let mut sum = LossSum::new(batch.logprob.len());
    let (seen, weighted) = factor::apply(&cfg.factors, batch, &share, &mut sum)?;
    cfg.surrogate.add(&seen, &weighted, &mut sum)?;
    add_kl(batch, &share, &cfg.kl, &mut sum)?;
    cfg.terms.iter().try_for_each(|term| term.add(batch, &share, &mut sum))?;
    let derivatives = sum.derivatives()?;
    Ok(PolicyLoss { value: sum.value, derivatives, metrics: PolicyMetrics::of(batch, sum.metrics) })
}

#[cfg(test)]
mod tests;
