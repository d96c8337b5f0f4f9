//! How near one number is to another, in `[0, 1]`.
//!
//! All take finite numbers and are 1 for equal ones, a gold 0 included. Differences are compared with a
//! relative slack of 1e-12, so that 1.05 is within 5 % of 1 although 1.05 - 1 is a little more than 0.05
//! in binary.

const SLACK: f64 = 1e-12;

/// True when the numbers differ by at most `absolute`, or by at most `relative` of `gold`.
pub fn within(answer: f64, gold: f64, absolute: f64, relative: f64) -> bool {
    let slack = SLACK * answer.abs().max(gold.abs());
    (answer - gold).abs() <= absolute.max(relative * gold.abs()) + slack
}

/// `|answer - gold| / |gold|`; for gold 0 it is 0 or infinite.
pub fn relative_error(answer: f64, gold: f64) -> f64 {
    match (answer == gold, gold == 0.0) {
        (true, _) => 0.0,
        (_, true) => f64::INFINITY,
        _ => (answer - gold).abs() / gold.abs(),
    }
}

/// `1 - relative error`, not below 0 (Video-R1's regression).
pub fn relative(answer: f64, gold: f64) -> f64 {
    1.0 - relative_error(answer, gold).min(1.0)
}

/// 1 up to the relative error `full`, 0 from `zero` on, half a cosine in between (Reason-RFT).
pub fn cosine_ramp(answer: f64, gold: f64, full: f64, zero: f64) -> f64 {
    let error = relative_error(answer, gold);
    if within(answer, gold, 0.0, full) {
        1.0
    } else if error >= zero || zero <= full {
        0.0
    } else {
        0.5 * ((std::f64::consts::PI * (error - full) / (zero - full)).cos() + 1.0)
    }
}

/// Mean relative accuracy (VSI-Bench): the share of the thresholds 0.50, 0.55, …, 0.95 for which the
/// relative error is below one minus the threshold.
pub fn mean_relative_accuracy(answer: f64, gold: f64) -> f64 {
    let error = relative_error(answer, gold);
    let passed = |k: &u32| error < (1.0 - SLACK) * f64::from(*k) * 0.05;
    f64::from((1..=10).filter(passed).count() as u32) / 10.0
}

/// `1 - |log10(answer / gold)| / decades`, not below 0. Numbers of different sign score 0.
pub fn log_scale(answer: f64, gold: f64, decades: f64) -> f64 {
    if answer == gold {
        return 1.0;
    }
    if answer == 0.0 || gold == 0.0 || (answer < 0.0) != (gold < 0.0) || decades <= 0.0 {
        return 0.0;
    }
    (1.0 - (answer.abs().log10() - gold.abs().log10()).abs() / decades).max(0.0)
}

/// `1 - (e^|answer - gold| - 1) / (e^|gold| - 1)`, not below 0 (RS-EoT's counting reward). It hardly
/// falls until the difference comes near `|gold|`, and loses most within the last few units before it.
pub fn exponential(answer: f64, gold: f64) -> f64 {
    let (difference, scale) = ((answer - gold).abs(), gold.abs());
    if difference == 0.0 {
        return 1.0;
    }
    if difference >= scale {
        return 0.0;
    }
    // The quotient with e^scale taken out, which would overflow.
    let quotient = (difference - scale).exp() * (-difference).exp_m1() / (-scale).exp_m1();
    (1.0 - quotient).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-9, "{a} is not {b}");
    }

    #[test]
    fn tolerances_hold_at_their_bounds() {
        assert!(within(1.05, 1.0, 0.0, 0.05) && within(105.0, 100.0, 0.0, 0.05));
        assert!(!within(1.0501, 1.0, 0.0, 0.05));
        assert!(within(0.3, 0.1 + 0.2, 0.0, 0.0));
        assert!(within(0.1, 0.0, 0.1, 0.0) && !within(0.1, 0.0, 0.0, 0.5));
        assert!(!within(1e308, -1e308, 0.0, 0.5));
    }

    #[test]
    fn by_hand() {
        close(relative(75.0, 100.0), 0.75);
        close(relative(-5.0, 5.0), 0.0);
        close(cosine_ramp(112.5, 100.0, 0.05, 0.20), 0.5);
        close(cosine_ramp(105.0, 100.0, 0.05, 0.20), 1.0);
        close(cosine_ramp(120.0, 100.0, 0.05, 0.20), 0.0);
        // Error 0.12: below 0.50 … 0.15, so 8 of 10.
        close(mean_relative_accuracy(112.0, 100.0), 0.8);
        close(mean_relative_accuracy(150.0, 100.0), 0.0);
        close(mean_relative_accuracy(95.0, 100.0), 0.9);
        close(log_scale(10.0, 100.0, 2.0), 0.5);
        close(log_scale(-10.0, 10.0, 2.0), 0.0);
        close(exponential(4.0, 5.0), 1.0 - (1f64.exp() - 1.0) / (5f64.exp() - 1.0));
        close(exponential(999.0, 1000.0), 1.0);
        close(exponential(1.0, 1000.0), 1.0 - (-1f64).exp());
        close(exponential(10.0, 5.0), 0.0);
    }

    proptest! {
        #[test]
        fn equal_is_one_and_farther_is_not_better(
            gold in prop_oneof![Just(0.0), -1e6f64..1e6, any::<f64>().prop_filter("finite", |v| v.is_finite())],
            step in 0.0f64..1e6,
            more in 0.0f64..1e6,
        ) {
            type Kernel = fn(f64, f64) -> f64;
            let kernels: [Kernel; 5] = [
                relative,
                |a, g| cosine_ramp(a, g, 0.05, 0.2),
                mean_relative_accuracy,
                |a, g| log_scale(a, g, 1.0),
                exponential,
            ];
            for kernel in kernels {
                prop_assert_eq!(kernel(gold, gold), 1.0);
                let (near, far) = (kernel(gold + step, gold), kernel(gold + step + more, gold));
                prop_assert!((0.0..=1.0).contains(&near) && (0.0..=1.0).contains(&far));
                prop_assert!(gold < 0.0 || far <= near + 1e-12, "{} {}", far, near);
            }
        }
    }
}
