//! Rewards and penalties as functions of the number of tokens.

use std::f64::consts::PI;

use crate::text::hash::FastMap;

/// The values between which the cosine length reward moves, and where.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cosine {
    /// A right answer of no tokens.
    pub right_short: f64,
    /// A right answer at the limit.
    pub right_long: f64,
    /// A wrong answer of no tokens.
    pub wrong_short: f64,
    /// A wrong answer at the limit.
    pub wrong_long: f64,
    /// Any answer at the limit or over it; `None` gives the values at the limit.
    pub over: Option<f64>,
    /// The limit.
    pub limit: f64,
}

/// The cosine length reward of arXiv 2502.03373: half a cosine from the value of a short answer to that
/// of a long one. Beyond the limit it stays, where a cosine that is not clamped turns back.
pub fn cosine(tokens: f64, correct: bool, c: &Cosine) -> f64 {
    if let Some(over) = c.over.filter(|_| tokens >= c.limit) {
        return over;
    }
    let (short, long) = if correct { (c.right_short, c.right_long) } else { (c.wrong_short, c.wrong_long) };
    let share = if c.limit > 0.0 { (tokens / c.limit).clamp(0.0, 1.0) } else { 1.0 };
    long + 0.5 * (short - long) * (1.0 + (share * PI).cos())
}

/// DAPO's soft overlong punishment: 0 up to `limit - buffer`, down to -1 at `limit`, -1 beyond.
pub fn soft_overlong(tokens: f64, limit: f64, buffer: f64) -> f64 {
    let from = limit - buffer;
    if tokens <= from {
        0.0
    } else if tokens <= limit && buffer > 0.0 {
        ((from - tokens) / buffer).max(-1.0)
    } else {
        -1.0
    }
}

/// L1's exact form: correctness minus `alpha` for each token off the target, at most `cap`.
pub fn l1_exact(tokens: f64, correct: f64, target: f64, alpha: f64, cap: f64) -> f64 {
    correct - (alpha * (target - tokens).abs()).min(cap)
}

/// L1's maximum form: correctness times `alpha (target - tokens) + delta`, held in `[0, 1]`.
pub fn l1_max(tokens: f64, correct: f64, target: f64, alpha: f64, delta: f64) -> f64 {
    correct * (alpha * (target - tokens) + delta).clamp(0.0, 1.0)
}

/// Kimi k1.5's length reward: `0.5 - (tokens - min) / (max - min)` for a right answer, the same but not
/// above 0 for a wrong one. 0 when all are equally long.
pub fn kimi(tokens: f64, correct: bool, min: f64, max: f64) -> f64 {
    if max <= min {
        return 0.0;
    }
    let score = 0.5 - (tokens - min) / (max - min);
    if correct { score } else { score.min(0.0) }
}

/// The share of the runs of `n` items that repeat an earlier run; 0 when there are fewer than `n` items.
pub fn repeated_share<T: Eq + std::hash::Hash>(items: &[T], n: usize) -> f64 {
    if n == 0 || items.len() < n {
        return 0.0;
    }
    let runs = items.len() - n + 1;
    let unique: FastMap<&[T], ()> = items.windows(n).map(|run| (run, ())).collect();
    1.0 - unique.len() as f64 / runs as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const COSINE: Cosine = Cosine {
        right_short: 1.0,
        right_long: 0.5,
        wrong_short: -0.5,
        wrong_long: 0.0,
        over: None,
        limit: 1000.0,
    };

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-12, "{a} is not {b}");
    }

    #[test]
    fn cosine_by_hand() {
        close(cosine(0.0, true, &COSINE), 1.0);
        close(cosine(500.0, true, &COSINE), 0.75);
        close(cosine(250.0, true, &COSINE), 0.5 + 0.25 * (1.0 + 0.5f64.sqrt()));
        close(cosine(1000.0, true, &COSINE), 0.5);
        close(cosine(2000.0, true, &COSINE), 0.5);
        close(cosine(0.0, false, &COSINE), -0.5);
        close(cosine(5000.0, false, &COSINE), 0.0);
        let over = Cosine { over: Some(-1.0), ..COSINE };
        close(cosine(999.0, true, &over), 0.5 + 0.25 * (1.0 + (0.999 * PI).cos()));
        close(cosine(1000.0, true, &over), -1.0);
    }

    #[test]
    fn the_others_by_hand() {
        close(soft_overlong(16384.0, 20480.0, 4096.0), 0.0);
        close(soft_overlong(18432.0, 20480.0, 4096.0), -0.5);
        close(soft_overlong(20480.0, 20480.0, 4096.0), -1.0);
        close(soft_overlong(30000.0, 20480.0, 4096.0), -1.0);
        close(soft_overlong(10.0, 10.0, 0.0), 0.0);
        close(soft_overlong(11.0, 10.0, 0.0), -1.0);
        close(l1_exact(1500.0, 1.0, 1000.0, 0.0003, 1.0), 0.85);
        close(l1_exact(1e9, 1.0, 1000.0, 0.0003, 1.0), 0.0);
        close(l1_max(0.0, 1.0, 1000.0, 0.0003, 0.5), 0.8);
        close(l1_max(9000.0, 1.0, 1000.0, 0.0003, 0.5), 0.0);
        close(l1_max(0.0, 0.0, 1000.0, 0.0003, 0.5), 0.0);
        close(kimi(100.0, true, 100.0, 300.0), 0.5);
        close(kimi(300.0, true, 100.0, 300.0), -0.5);
        close(kimi(100.0, false, 100.0, 300.0), 0.0);
        close(kimi(250.0, false, 100.0, 300.0), -0.25);
        close(kimi(7.0, true, 7.0, 7.0), 0.0);
        close(repeated_share(&["a", "b", "a", "b", "a"], 2), 0.5);
        close(repeated_share(&["a", "b"], 3), 0.0);
    }

    proptest! {
        #[test]
        fn longer_is_never_better_when_right(a in 0.0f64..5000.0, b in 0.0f64..5000.0) {
            let (short, long) = (a.min(b), a.max(b));
            prop_assert!(cosine(long, true, &COSINE) <= cosine(short, true, &COSINE));
            prop_assert!(cosine(short, false, &COSINE) <= cosine(short, true, &COSINE));
            prop_assert!(soft_overlong(long, 2000.0, 500.0) <= soft_overlong(short, 2000.0, 500.0));
            prop_assert!(l1_max(long, 1.0, 900.0, 0.001, 0.5) <= l1_max(short, 1.0, 900.0, 0.001, 0.5));
            prop_assert!((-1.0..=0.0).contains(&soft_overlong(a, 2000.0, 500.0)));
        }

        #[test]
        fn a_repetition_never_lowers_the_share(items in prop::collection::vec(0u8..4, 1..40), n in 1usize..4) {
            let share = repeated_share(&items, n);
            prop_assert!((0.0..1.0).contains(&share) || share == 0.0);
            let twice: Vec<u8> = items.iter().chain(&items).copied().collect();
            prop_assert!(items.len() < n || repeated_share(&twice, n) >= share);
        }
    }
}
