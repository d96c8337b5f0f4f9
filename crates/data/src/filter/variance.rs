//! Which groups have rewards that differ.

use serde::{Deserialize, Serialize};

use crate::error::{DataError, at_least_zero, share};

/// Settings of [`select_by_variance`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VarianceFilter {
    /// Share of all groups that is kept, in `0..=1`, rounded up.
    pub keep: f64,
    /// Groups with a standard deviation of at most this are dropped in any case, at least 0.
    pub min_std: f64,
}

impl Default for VarianceFilter {
    fn default() -> Self {
        Self { keep: 1.0, min_std: 1e-4 }
    }
}

/// The indices of the groups with the largest standard deviation of rewards, ascending: at most
/// `⌈keep·groups⌉`, none of at most `min_std`. Ties: the earlier group. `None` and non-finite rewards do not
/// count; a group with fewer than two rewards has no deviation.
///
/// **Faithful:** variance-aware selection (Temporal-R1, arXiv 2506.01908), the rollout filter of RAGEN (arXiv
/// 2504.20073) and, with `keep` = 0.25, of UFO ("A Simple 'Try Again'"); 10⁻⁴ is Mini-o3's. **Reading:**
/// population deviation (for groups of the same size the order is the same); dead groups are left out.
///
/// # Errors
/// [`DataError::Config`].
pub fn select_by_variance(
    groups: &[Vec<Option<f64>>],
    cfg: &VarianceFilter,
) -> Result<Vec<usize>, DataError> {
    share("variance.keep", cfg.keep)?;
    at_least_zero("variance.min_std", cfg.min_std)?;
    // Less a little, so that the rounding of 7/25 · 25 does not keep an eighth.
    let most = (cfg.keep * groups.len() as f64 - 1e-6).ceil() as usize;
    let mut order: Vec<(f64, usize)> =
        groups.iter().enumerate().map(|(i, g)| (std(g), i)).filter(|(s, _)| *s > cfg.min_std).collect();
    order.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut chosen: Vec<usize> = order.into_iter().take(most).map(|(_, i)| i).collect();
    chosen.sort_unstable();
    Ok(chosen)
}

/// The population standard deviation; 0 with fewer than two numbers.
fn std(rewards: &[Option<f64>]) -> f64 {
    let valid: Vec<f64> = rewards.iter().flatten().copied().filter(|r| r.is_finite()).collect();
    if valid.len() < 2 {
        return 0.0;
    }
    // Scaled, so that squares stay finite; counted from the first, so that equal rewards are exactly 0.
    let scale = valid.iter().fold(0.0f64, |m, r| m.max(r.abs())).max(f64::MIN_POSITIVE);
    let n = valid.len() as f64;
    let shifted = valid.iter().map(|r| r / scale - valid[0] / scale);
    let mean = shifted.clone().sum::<f64>() / n;
    (shifted.map(|r| (r - mean).powi(2)).sum::<f64>() / n).sqrt() * scale
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(rewards: &[f64]) -> Vec<Option<f64>> {
        rewards.iter().map(|r| Some(*r)).collect()
    }

    #[test]
    fn mixed_outcomes_stay_and_constant_ones_go() {
        let groups = vec![
            group(&[1.0, 1.0, 1.0, 1.0]),
            group(&[1.0, 0.0, 1.0, 0.0]), // ½
            group(&[0.1; 4]),
            group(&[1.0, 0.0, 0.0, 0.0]), // √3/4 = 0.433
            vec![Some(1.0), None, Some(f64::NAN)],
            vec![],
            group(&[0.0, 1.0, 1.0, 0.0]), // ½
        ];
        let select =
            |keep| select_by_variance(&groups, &VarianceFilter { keep, ..VarianceFilter::default() });
        assert_eq!(select(1.0), Ok(vec![1, 3, 6]));
        // ⌈0.25·7⌉ = 2: the two of ½.
        assert_eq!(select(0.25), Ok(vec![1, 6]));
        assert_eq!(select(0.1), Ok(vec![1]));
        assert!(select(1.1).is_err());
        let different: Vec<_> = (1..=25).map(|i| group(&[0.0, f64::from(i)])).collect();
        let filter = VarianceFilter { keep: 7.0 / 25.0, ..VarianceFilter::default() };
        assert_eq!(select_by_variance(&different, &filter), Ok((18..25).collect()));
        assert!((std(&groups[3]) - 0.433_012_7).abs() < 1e-6);
        assert!(std(&group(&[f64::MAX, f64::MIN])).is_finite());
    }
}
