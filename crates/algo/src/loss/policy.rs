//! The clipped policy-gradient loss of PPO and GRPO with a KL penalty.

use serde::{Deserialize, Serialize};

use super::{Aggregation, LossError, check_denominator, check_len, check_offsets, check_weights};
use super::{derivative, finite, sequence_sums};

/// Log-ratios beyond this are cut, so that `exp` cannot overflow.
pub const MAX_LOG_RATIO: f64 = 20.0;

/// The k3 estimate of a token is cut here.
pub const MAX_K3: f64 = 10.0;

/// Settings of [`policy_loss`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PolicyConfig {
    /// The ratio is clipped below at `1 − clip_low`. In `0..=1`.
    pub clip_low: f64,
    /// The ratio is clipped above at `1 + clip_high`; larger than `clip_low` in DAPO ("clip higher",
    /// arXiv 2503.14476, §3.1). At least 0.
    pub clip_high: f64,
    /// Weight of the KL penalty towards the reference policy. At least 0; at 0 no reference is needed.
    pub kl_coef: f64,
    /// How token losses make one number.
    pub aggregation: Aggregation,
}

impl Default for PolicyConfig {
    /// Symmetric clipping at 0.2, no KL penalty, token mean.
    fn default() -> Self {
        Self { clip_low: 0.2, clip_high: 0.2, kl_coef: 0.0, aggregation: Aggregation::TokenMean }
    }
}

impl PolicyConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`LossError::Config`] naming the setting.
    pub fn check(&self) -> Result<(), LossError> {
        let config = |name, value, range| Err(LossError::Config { name, value, range });
        if !(0.0..=1.0).contains(&self.clip_low) {
            return config("clip_low", self.clip_low, "0 to 1");
        }
        for (name, value) in [("clip_high", self.clip_high), ("kl_coef", self.kl_coef)] {
            if !(value.is_finite() && value >= 0.0) {
                return config(name, value, "0 or more");
            }
        }
        match self.aggregation {
            Aggregation::Constant(length) if !(length.is_finite() && length > 0.0) => {
                config("aggregation.constant", length, "more than 0")
            }
            _ => Ok(()),
        }
    }
}

/// The tokens of a micro-batch, sequences behind each other; all slices but `offsets` are per token.
#[derive(Clone, Copy, Debug)]
pub struct PolicyInputs<'a> {
    /// Log-prob under the policy being trained, in nats.
    pub logprob: &'a [f32],
    /// Log-prob under the policy that sampled the token.
    pub behaviour_logprob: &'a [f32],
    /// Log-prob under the reference policy. Needed for a KL penalty, else only measured.
    pub reference_logprob: Option<&'a [f32]>,
    /// Advantage.
    pub advantage: &'a [f32],
    /// 0 for tokens that do not count, 1 for those that do; any other weight of at least 0 is allowed.
    pub weight: &'a [f32],
    /// Entropy of the policy's distribution, if known. Only passed on into the metrics.
    pub entropy: Option<&'a [f32]>,
    /// Where each sequence starts, and the end: rises from 0 to the number of tokens.
    pub offsets: &'a [usize],
}

/// What the loss says.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyLoss {
    /// The loss, to be minimised.
    pub value: f64,
    /// Its derivative by each `logprob`; 0 where the weight is 0.
    pub d_logprob: Vec<f32>,
    /// What was seen on the way.
    pub metrics: PolicyMetrics,
}

/// Means over the tokens that count, each token alike.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PolicyMetrics {
    /// Number of tokens that count.
    pub tokens: usize,
    /// Mean probability ratio between policy and behaviour policy. 1 without tokens.
    pub ratio_mean: f64,
    /// Largest ratio.
    pub ratio_max: f64,
    /// Smallest ratio.
    pub ratio_min: f64,
    /// Share of tokens whose gradient the clip removed: the sum of the two below.
    pub clip_fraction: f64,
    /// Share of tokens with a negative advantage and a ratio below `1 − clip_low`.
    pub clip_fraction_low: f64,
    /// Share of tokens with a positive advantage and a ratio above `1 + clip_high`.
    pub clip_fraction_high: f64,
    /// Mean of `behaviour − policy` log-probs, the k1 estimate of how far the policy has moved.
    pub ppo_kl: f64,
    /// Mean k3 estimate of the KL divergence from the reference, if there is one.
    pub kl: Option<f64>,
    /// Mean entropy, if it was given.
    pub entropy: Option<f64>,
}

impl Default for PolicyMetrics {
    /// The metrics of no tokens.
    fn default() -> Self {
        Self {
            tokens: 0,
            ratio_mean: 1.0,
            ratio_max: 1.0,
            ratio_min: 1.0,
            clip_fraction: 0.0,
            clip_fraction_low: 0.0,
            clip_fraction_high: 0.0,
            ppo_kl: 0.0,
            kl: None,
            entropy: None,
        }
    }
}

impl PolicyMetrics {
    /// The metrics of both batches together.
    pub fn merge(&self, other: &Self) -> Self {
        if self.tokens == 0 {
            return *other;
        }
        if other.tokens == 0 {
            return *self;
        }
        let tokens = self.tokens + other.tokens;
        let share = other.tokens as f64 / tokens as f64;
        let mean = |a: f64, b: f64| a + (b - a) * share;
        let optional = |a: Option<f64>, b: Option<f64>| a.zip(b).map(|(a, b)| mean(a, b));
        Self {
            tokens,
            ratio_mean: mean(self.ratio_mean, other.ratio_mean),
            ratio_max: self.ratio_max.max(other.ratio_max),
            ratio_min: self.ratio_min.min(other.ratio_min),
            clip_fraction: mean(self.clip_fraction, other.clip_fraction),
            clip_fraction_low: mean(self.clip_fraction_low, other.clip_fraction_low),
            clip_fraction_high: mean(self.clip_fraction_high, other.clip_fraction_high),
            ppo_kl: mean(self.ppo_kl, other.ppo_kl),
            kl: optional(self.kl, other.kl),
            entropy: optional(self.entropy, other.entropy),
        }
    }
}

/// The loss of one token with its derivative by the log-prob.
#[derive(Clone, Copy, Debug, PartialEq)]
struct TokenLoss {
    value: f64,
    derivative: f64,
}

/// `max(−A·r, −A·clip(r, 1 − clip_low, 1 + clip_high))` with `r = exp(log_ratio)` (PPO: Schulman et al.,
/// arXiv 1707.06347, eq. 7), and its derivative `−A·r` where the first term is not the smaller one, else 0.
///
/// On the edge of the clip both terms are equal and the gradient passes. Where the log-ratio is cut at
/// [`MAX_LOG_RATIO`] the loss is constant, so the derivative is 0.
fn surrogate(log_ratio: f64, advantage: f64, cfg: &PolicyConfig) -> TokenLoss {
    let ratio = cut_log_ratio(log_ratio).exp();
    let unclipped = -advantage * ratio;
    let clipped = -advantage * ratio.clamp(1.0 - cfg.clip_low, 1.0 + cfg.clip_high);
    let passes = unclipped >= clipped && log_ratio.abs() <= MAX_LOG_RATIO;
    TokenLoss { value: unclipped.max(clipped), derivative: if passes { unclipped } else { 0.0 } }
}

/// `k3 = exp(d) − d − 1` with `d = reference − policy`: an estimate of KL(policy ‖ reference) that is never
/// negative (Schulman, "Approximating KL divergence", 2020; GRPO, arXiv 2402.03300, eq. 4). Its derivative
/// is `1 − exp(d)`. Cut at [`MAX_K3`], where the derivative becomes 0.
fn k3(logprob: f64, reference: f64) -> TokenLoss {
    let d = reference - logprob;
    // exp_m1 keeps its digits where policy and reference almost agree; k3 is never below 0.
    let value = (d.exp_m1() - d).max(0.0);
    TokenLoss { value: value.min(MAX_K3), derivative: if value <= MAX_K3 { -d.exp_m1() } else { 0.0 } }
}

fn cut_log_ratio(log_ratio: f64) -> f64 {
    log_ratio.clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO)
}

/// The clipped surrogate plus `kl_coef · k3` per token, aggregated and divided by `denominator`:
///
/// `L = Σ_t w_t · (max(−A·r, −A·clip(r)) + kl_coef · k3)_t / denominator`, where with
/// [`Aggregation::SequenceMean`] the weights of each sequence are first divided by their sum.
///
/// `denominator`: the sum of [`Aggregation::denominator`] over all micro-batches of the optimizer step.
///
/// # Errors
/// [`LossError`] when lengths differ, a setting is out of range, the reference is missing, or a number
/// that counts is not finite (naming the token).
pub fn policy_loss(
    inputs: &PolicyInputs<'_>,
    cfg: &PolicyConfig,
    denominator: f64,
) -> Result<PolicyLoss, LossError> {
    cfg.check()?;
    check_denominator(denominator)?;
    let n = inputs.logprob.len();
    check_len("behaviour_logprob", inputs.behaviour_logprob, n)?;
    check_len("reference_logprob", inputs.reference_logprob.unwrap_or(inputs.logprob), n)?;
    check_len("advantage", inputs.advantage, n)?;
    check_len("weight", inputs.weight, n)?;
    check_len("entropy", inputs.entropy.unwrap_or(inputs.logprob), n)?;
    check_offsets(inputs.offsets, n)?;
    check_weights(inputs.weight)?;
    if cfg.kl_coef > 0.0 && inputs.reference_logprob.is_none() {
        return Err(LossError::MissingReference { kl_coef: cfg.kl_coef });
    }

    let mut value = 0.0;
    let mut d_logprob = vec![0.0; n];
    let mut tally = Tally::default();
    let weight_sums = sequence_sums(inputs.weight, inputs.offsets);
    for (bounds, weight_sum) in inputs.offsets.windows(2).zip(weight_sums) {
        let divisor = match cfg.aggregation {
            Aggregation::SequenceMean => denominator * weight_sum,
            Aggregation::TokenMean | Aggregation::Constant(_) => denominator,
        };
        for t in (bounds[0]..bounds[1]).filter(|&t| inputs.weight[t] > 0.0) {
            let logprob = finite("logprob", inputs.logprob, t)?;
            let advantage = finite("advantage", inputs.advantage, t)?;
            let log_ratio = logprob - finite("behaviour_logprob", inputs.behaviour_logprob, t)?;
            let reference =
                inputs.reference_logprob.map(|r| finite("reference_logprob", r, t)).transpose()?;
            let entropy = inputs.entropy.map(|e| finite("entropy", e, t)).transpose()?;

            let policy = surrogate(log_ratio, advantage, cfg);
            let kl = reference.map(|reference| k3(logprob, reference));
            let penalty = kl.unwrap_or(TokenLoss { value: 0.0, derivative: 0.0 });
            let share = f64::from(inputs.weight[t]) / divisor;
            value += share * (policy.value + cfg.kl_coef * penalty.value);
            d_logprob[t] = derivative(share * (policy.derivative + cfg.kl_coef * penalty.derivative), t)?;
            tally.add(log_ratio, advantage, kl.map(|k| k.value), entropy, cfg);
        }
    }
    Ok(PolicyLoss { value, d_logprob, metrics: tally.metrics(inputs) })
}

/// Running sums of the metrics.
#[derive(Default)]
struct Tally {
    tokens: usize,
    ratio: f64,
    ratio_max: f64,
    ratio_min: f64,
    low: usize,
    high: usize,
    ppo_kl: f64,
    kl: f64,
    entropy: f64,
}

impl Tally {
    fn add(
        &mut self,
        log_ratio: f64,
        advantage: f64,
        kl: Option<f64>,
        entropy: Option<f64>,
        cfg: &PolicyConfig,
    ) {
        let ratio = cut_log_ratio(log_ratio).exp();
        self.ratio_max = if self.tokens == 0 { ratio } else { self.ratio_max.max(ratio) };
        self.ratio_min = if self.tokens == 0 { ratio } else { self.ratio_min.min(ratio) };
        self.tokens += 1;
        self.ratio += ratio;
        self.low += usize::from(advantage < 0.0 && ratio < 1.0 - cfg.clip_low);
        self.high += usize::from(advantage > 0.0 && ratio > 1.0 + cfg.clip_high);
        self.ppo_kl -= log_ratio;
        self.kl += kl.unwrap_or(0.0);
        self.entropy += entropy.unwrap_or(0.0);
    }

    fn metrics(&self, inputs: &PolicyInputs<'_>) -> PolicyMetrics {
        if self.tokens == 0 {
            return PolicyMetrics::default();
        }
        let n = self.tokens as f64;
        PolicyMetrics {
            tokens: self.tokens,
            ratio_mean: self.ratio / n,
            ratio_max: self.ratio_max,
            ratio_min: self.ratio_min,
            clip_fraction: (self.low + self.high) as f64 / n,
            clip_fraction_low: self.low as f64 / n,
            clip_fraction_high: self.high as f64 / n,
            ppo_kl: self.ppo_kl / n,
            kl: inputs.reference_logprob.map(|_| self.kl / n),
            entropy: inputs.entropy.map(|_| self.entropy / n),
        }
    }
}

#[cfg(test)]
mod tests;
