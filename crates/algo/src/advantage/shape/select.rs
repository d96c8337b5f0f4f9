//! Which groups are worth an update.

use serde::{Deserialize, Serialize};

use super::checks::{mean, numbers, share};
use crate::advantage::AdvantageError;

/// Settings of [`trainable`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AccuracyBand {
    /// The lower end. 0 to 1.
    pub low: f64,
    /// The upper end. 0 to 1, at least `low`.
    pub high: f64,
    /// Whether the ends themselves count.
    pub inclusive: bool,
}

impl Default for AccuracyBand {
    fn default() -> Self {
        Self { low: 0.0, high: 1.0, inclusive: false }
    }
}

impl AccuracyBand {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`AdvantageError::Config`] naming the setting.
    pub fn check(&self) -> Result<(), AdvantageError> {
        share("low", self.low)?;
        share("high", self.high)?;
        if self.low <= self.high {
            Ok(())
        } else {
            Err(AdvantageError::Config { name: "high", value: self.high, range: "at least low" })
        }
    }
}

/// Dynamic sampling: whether the mean accuracy of a group lies in the band. By default groups that are all
/// right or all wrong are left out (DAPO: Yu et al., arXiv 2503.14476, eq. 11), since they have no
/// advantage to learn from.
///
/// `accuracy`: 0 to 1 each. A group without a graded member is not trainable. VPPO has the open band 0.01
/// to 0.99, InternVL3.5 the closed band 0.2 to 0.8.
///
/// **Faithful:** the condition `0 < mean < 1`.
///
/// # Errors
/// [`AdvantageError::Config`].
pub fn trainable(accuracy: &[Option<f64>], band: &AccuracyBand) -> Result<bool, AdvantageError> {
    band.check()?;
    Ok(mean(numbers(accuracy)).is_some_and(|m| match band.inclusive {
        true => m >= band.low && m <= band.high,
        false => m > band.low && m < band.high,
    }))
}

/// The standard deviation of a group's rewards, with `n − 1` in the denominator; `None` for fewer than two
/// graded members. Temporal-R1 keeps the samples where repeated inference gives a high one.
pub fn reward_std(rewards: &[Option<f64>]) -> Option<f64> {
    let n = numbers(rewards).count();
    let mean = mean(numbers(rewards)).filter(|_| n > 1)?;
    let squares: f64 = numbers(rewards).map(|r| (r - mean).powi(2)).sum();
    Some((squares / (n - 1) as f64).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RIGHT: Option<f64> = Some(1.0);
    const WRONG: Option<f64> = Some(0.0);

    #[test]
    fn only_mixed_groups_are_trainable() {
        let of = |a: &[Option<f64>]| trainable(a, &AccuracyBand::default()).unwrap();
        assert!(of(&[RIGHT, WRONG]) && of(&[RIGHT, None, WRONG]));
        assert!(!of(&[RIGHT; 3]) && !of(&[WRONG; 3]) && !of(&[None; 3]) && !of(&[]));
        assert!(!of(&[RIGHT, None]));
    }

    #[test]
    fn bands() {
        let closed = AccuracyBand { low: 0.25, high: 0.5, inclusive: true };
        let open = AccuracyBand { inclusive: false, ..closed };
        let quarter = [RIGHT, WRONG, WRONG, WRONG];
        assert_eq!(trainable(&quarter, &closed), Ok(true));
        assert_eq!(trainable(&quarter, &open), Ok(false));
        let bad = AccuracyBand { low: 0.8, high: 0.2, inclusive: false };
        assert!(matches!(trainable(&[], &bad), Err(AdvantageError::Config { name: "high", .. })));
        assert!(trainable(&[], &AccuracyBand { low: -0.1, ..closed }).is_err());
    }

    #[test]
    fn the_spread_of_rewards_by_hand() {
        let std = |rewards: &[Option<f64>]| reward_std(rewards);
        assert!((std(&[Some(2.0), WRONG]).unwrap() - 2f64.sqrt()).abs() < 1e-12);
        assert!((std(&[RIGHT, None, WRONG]).unwrap() - 0.5f64.sqrt()).abs() < 1e-12);
        assert_eq!((std(&[RIGHT, RIGHT]), std(&[RIGHT, None])), (Some(0.0), None));
    }
}
