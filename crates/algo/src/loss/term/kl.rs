//! The penalty for leaving the reference policy.

use serde::{Deserialize, Serialize};

use super::Needs;
use crate::loss::surrogate::MAX_LOG_RATIO;
use crate::loss::{LossError, LossSum, TokenBatch, at_least_zero, require};

/// The k3 estimate of a token is cut here.
pub const MAX_K3: f64 = 10.0;

/// How the divergence from the reference policy is estimated from one sampled token, with
/// `d = reference − policy` in log-probs (Schulman, "Approximating KL divergence", 2020).
///
/// The value of an estimate and its gradient are different matters. With tokens sampled from the policy,
/// the expectation of
/// - `k1` is the KL, but that of its gradient is 0: as a loss it does nothing but add noise;
/// - `k2` is not the KL, but that of its gradient is the gradient of KL(policy ‖ reference);
/// - `k3` is the KL, and that of its gradient is the gradient of the other KL, KL(reference ‖ policy);
/// - `abs` is neither.
///
/// The forms with a plus are straight-through: the value of the estimate, the derivative of `k2`.
/// [`Kl::unbiased`] is the other remedy.
///
/// **Faithful:** to verl's `kl_penalty` (`k1`/`kl`, `k2`/`mse`, `k3`/`low_var_kl`, `abs`, each but `k2` also
/// with a plus); names are read in both spellings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KlEstimate {
    /// `−d`.
    #[serde(alias = "kl")]
    K1,
    /// `d²/2`.
    #[serde(alias = "mse")]
    K2,
    /// `exp(d) − d − 1`: never negative; cut at [`MAX_K3`] (GRPO, arXiv 2402.03300, eq. 4).
    #[default]
    #[serde(alias = "low_var_kl")]
    K3,
    /// `|d|`.
    Abs,
    /// The value of `k1`, the derivative of `k2`.
    #[serde(rename = "k1+", alias = "kl+")]
    K1Plus,
    /// The value of `k3`, the derivative of `k2`.
    #[serde(rename = "k3+", alias = "low_var_kl+")]
    K3Plus,
    /// The value of `abs`, the derivative of `k2`.
    #[serde(rename = "abs+")]
    AbsPlus,
}

impl KlEstimate {
    /// The estimate and its derivative by `logprob`. Of two finite log-probs both are finite; only `k3` is
    /// bounded.
    pub fn at(self, logprob: f64, reference: f64) -> (f64, f64) {
        let moved = logprob - reference;
        match self {
            Self::K1 => (moved, 1.0),
            Self::K2 => (0.5 * moved * moved, moved),
            Self::K3 => k3(logprob, reference),
            Self::Abs => (moved.abs(), if moved == 0.0 { 0.0 } else { moved.signum() }),
            Self::K1Plus => (moved, moved),
            Self::K3Plus => (k3(logprob, reference).0, moved),
            Self::AbsPlus => (moved.abs(), moved),
        }
    }

    fn straight_through(self) -> bool {
        matches!(self, Self::K1Plus | Self::K3Plus | Self::AbsPlus)
    }
}

/// Settings of [`add_kl`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Kl {
    /// Weight of the penalty, at least 0. At 0 no reference is needed; if there is one, the divergence is
    /// measured all the same.
    pub coef: f64,
    /// The estimate.
    pub estimate: KlEstimate,
    /// Multiplies the estimate by `policy / behaviour`, so that with `k3` (and `k1`) the expectation of the
    /// gradient is that of KL(policy ‖ reference) whatever policy sampled the tokens (DeepSeek-V3.2,
    /// arXiv 2512.02556, "unbiased KL estimate"; TRL's `use_bias_correction_kl`).
    pub unbiased: bool,
}

impl Kl {
    /// A penalty needs a reference.
    pub fn needs(&self) -> Needs {
        Needs { reference: self.coef != 0.0, ..Needs::NONE }
    }
}

/// `k3` and its derivative `1 − exp(d)`. Cut at [`MAX_K3`], where the derivative becomes 0.
pub(super) fn k3(logprob: f64, reference: f64) -> (f64, f64) {
    let d = reference - logprob;
    let m = d.exp_m1();
    // exp_m1 keeps its digits where policy and reference almost agree; k3 is never below 0.
    let value = (m - d).max(0.0);
    if value <= MAX_K3 { (value, -m) } else { (MAX_K3, 0.0) }
}

/// Adds `share · coef · f · k` of each token: `k` the estimate, `f` the token's `kl_weight` or 1. With
/// [`Kl::unbiased`] `share · coef · f · w · k`, `w = policy / behaviour`, whose derivative is
/// `share · coef · f · w · (k' + k)`; with a straight-through estimate `w` is constant to the gradient, which
/// again makes the gradient that of the KL in expectation. Where the log of `w` is cut at [`MAX_LOG_RATIO`],
/// `w` is a constant too.
///
/// Metric: `kl`, the mean of `k`, without `w` and `f`.
///
/// **Faithful:** estimates as in verl, the importance weight as in TRL. **Reading:** the weight is taken
/// towards the policy that sampled the tokens, even where `old` is given.
///
/// # Errors
/// [`LossError::Missing`] when there is no reference and `coef` is not 0, [`LossError::Config`].
pub fn add_kl(batch: &TokenBatch<'_>, share: &[f64], cfg: &Kl, sum: &mut LossSum) -> Result<(), LossError> {
    at_least_zero("kl_coef", cfg.coef)?;
    if cfg.coef == 0.0 && batch.reference.is_none() {
        return Ok(());
    }
    let reference = require(batch.reference, "reference_logprob", "a KL penalty")?;
    let (mut penalty, mut total, mut tokens) = (0.0, 0.0, 0.0);
    for t in batch.counted(0..share.len()) {
        let (value, mut slope) = cfg.estimate.at(f64::from(batch.logprob[t]), f64::from(reference[t]));
        let mut scale = share[t] * cfg.coef * batch.kl_weight.map_or(1.0, |f| f64::from(f[t]));
        if cfg.unbiased {
            let log_ratio = batch.log_ratio(t);
            scale *= log_ratio.clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO).exp();
            if !cfg.estimate.straight_through() && log_ratio.abs() <= MAX_LOG_RATIO {
                slope += value;
            }
        }
        penalty += scale * value;
        sum.d_logprob[t] += scale * slope;
        total += value;
        tokens += 1.0;
    }
    sum.value += penalty;
    if tokens > 0.0 {
        sum.see_all("kl", total, tokens);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
