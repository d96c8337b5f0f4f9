//! The clipped ratio of PPO, as GRPO and DAPO use it.

use serde::{Deserialize, Serialize};

use crate::loss::{LossError, LossSum, TokenBatch, at_least_zero};

/// Log-ratios beyond this are cut, so that `exp` cannot overflow.
pub const MAX_LOG_RATIO: f64 = 20.0;

/// Settings of [`add_ppo`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ppo {
    /// The ratio is clipped below at `1 − clip_low`. In `0..=1`.
    pub clip_low: f64,
    /// The ratio is clipped above at `1 + clip_high`; larger than `clip_low` in DAPO ("clip higher",
    /// arXiv 2503.14476, §3.1). At least 0.
    pub clip_high: f64,
    /// Dual clip: with a negative advantage the loss of a token is at most `−A · dual_clip` (Ye et al.,
    /// arXiv 1912.09729, eq. 5). More than 1; absent: not used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dual_clip: Option<f64>,
}

impl Default for Ppo {
    /// Symmetric clipping at 0.2.
    fn default() -> Self {
        Self { clip_low: 0.2, clip_high: 0.2, dual_clip: None }
    }
}

impl Ppo {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`LossError::Config`] naming the setting.
    pub fn check(&self) -> Result<(), LossError> {
        if !(0.0..=1.0).contains(&self.clip_low) {
            return Err(LossError::Config { name: "clip_low", value: self.clip_low, range: "0 to 1" });
        }
        at_least_zero("clip_high", self.clip_high)?;
        match self.dual_clip {
            Some(c) if !(c.is_finite() && c > 1.0) => {
                Err(LossError::Config { name: "dual_clip", value: c, range: "more than 1" })
            }
            _ => Ok(()),
        }
    }
}

/// Adds `share · max(−A·r, −A·clip(r, 1 − clip_low, 1 + clip_high))` of each token, with
/// `r = policy / behaviour` (PPO: Schulman et al., arXiv 1707.06347, eq. 7). The derivative by the log-prob
/// is `−A·r` where the first term is not the smaller one, else 0.
///
/// On the edge of the clip both terms are equal and the gradient passes. Where the log-ratio is cut at
/// [`MAX_LOG_RATIO`] the loss is constant, so the derivative is 0.
///
/// Metrics: `clip_fraction_low`, `clip_fraction_high`, `clip_fraction` (tokens whose gradient the clip
/// removed), and `dual_clip_fraction`.
///
/// # Errors
/// [`LossError::Config`].
pub fn add_ppo(batch: &TokenBatch<'_>, share: &[f64], cfg: &Ppo, sum: &mut LossSum) -> Result<(), LossError> {
    cfg.check()?;
    let (low, high) = (1.0 - cfg.clip_low, 1.0 + cfg.clip_high);
    // Without a dual clip nothing is above the bound.
    let dual = cfg.dual_clip.unwrap_or(f64::INFINITY);
    let (mut value, mut tokens, mut lows, mut highs, mut duals) = (0.0, 0.0, 0u64, 0u64, 0u64);
    // Without branches: nothing predicts which tokens are clipped.
    for t in batch.counted(0..share.len()) {
        let advantage = f64::from(batch.advantage[t]);
        let log_ratio = batch.log_ratio(t);
        let ratio = log_ratio.clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO).exp();
        let unclipped = -advantage * ratio;
        let larger = unclipped.max(-advantage * ratio.clamp(low, high));
        let bound = -advantage * dual;
        let bounded = (advantage < 0.0) & (larger > bound);
        let passes = (unclipped >= larger) & (log_ratio.abs() <= MAX_LOG_RATIO) & !bounded;
        value += share[t] * if bounded { bound } else { larger };
        sum.d_logprob[t] += if passes { share[t] * unclipped } else { 0.0 };
        tokens += 1.0;
        lows += u64::from((advantage < 0.0) & (ratio < low));
        highs += u64::from((advantage > 0.0) & (ratio > high));
        duals += u64::from(bounded);
    }
    sum.value += value;
    let (lows, highs, duals) = (lows as f64, highs as f64, duals as f64);
    sum.see_all("clip_fraction_low", lows, tokens);
    sum.see_all("clip_fraction_high", highs, tokens);
    sum.see_all("clip_fraction", lows + highs, tokens);
    if cfg.dual_clip.is_some() {
        sum.see_all("dual_clip_fraction", duals, tokens);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::testing::{Case, assert_derivatives, assert_masked_tokens_do_not_matter, cases, near};
    use proptest::prelude::*;

    const CLIP: Ppo = Ppo { clip_low: 0.2, clip_high: 0.3, dual_clip: None };

    fn one(ratio: f32, advantage: f32, cfg: &Ppo) -> LossSum {
        Case::of(&[(ratio, advantage)]).sum(|batch, share, sum| add_ppo(batch, share, cfg, sum))
    }

    #[test]
    fn the_clip_has_four_sides() {
        // ratio, advantage, loss, derivative by the log-prob
        let cases = [
            (1.1, 2.0, -2.2, -2.2), // inside: −A·r
            (1.5, 2.0, -2.6, 0.0),  // too likely already: −A·1.3, no gradient
            (0.5, 2.0, -1.0, -1.0), // good and unlikely: never clipped
            (0.5, -2.0, 1.6, 0.0),  // bad and unlikely already: −A·0.8, no gradient
            (1.5, -2.0, 3.0, 3.0),  // bad and likely: never clipped
            (1.0, 0.0, 0.0, 0.0),
        ];
        for (ratio, advantage, value, slope) in cases {
            let sum = one(ratio, advantage, &CLIP);
            near(sum.value, value);
            near(sum.d_logprob[0], slope);
        }
    }

    #[test]
    fn the_dual_clip_bounds_the_loss_of_bad_tokens() {
        let dual = Ppo { dual_clip: Some(3.0), ..CLIP };
        let sum = one(5.0, -2.0, &dual);
        near(sum.value, 6.0);
        near(sum.d_logprob[0], 0.0);
        near(sum.metrics["dual_clip_fraction"].value(), 1.0);
        near(one(2.5, -2.0, &dual).value, 5.0);
        near(one(5.0, 2.0, &dual).value, -2.6);
    }

    #[test]
    fn settings_are_checked() {
        for (cfg, want) in [
            (Ppo { clip_low: 1.5, ..CLIP }, "clip_low"),
            (Ppo { clip_high: f64::NAN, ..CLIP }, "clip_high"),
            (Ppo { dual_clip: Some(1.0), ..CLIP }, "dual_clip"),
        ] {
            assert!(matches!(cfg.check(), Err(LossError::Config { name, .. }) if name == want), "{want}");
        }
    }

    proptest! {
        #[test]
        fn derivatives(case in cases()) {
            // Kinks at the edges of the clip.
            prop_assume!(case.logprob.iter().zip(&case.behaviour).all(|(l, b)| {
                let r = f64::from(l - b).exp();
                (r - 0.8).abs() > 0.01 && (r - 1.3).abs() > 0.01 && (r - 1.8).abs() > 0.02
            }));
            for cfg in [CLIP, Ppo { dual_clip: Some(1.8), ..CLIP }] {
                assert_derivatives(&case, |batch, share, sum| add_ppo(batch, share, &cfg, sum));
                assert_masked_tokens_do_not_matter(&case, |batch, share, sum| add_ppo(batch, share, &cfg, sum));
            }
        }
    }
}
