//! Whether a number is far above those before it.

use serde::{Deserialize, Serialize};

/// The last numbers that were taken in, the oldest first.
///
/// llm.c skips updates by the same measure (`llmc/outlier_detector.h`: a window of 128 losses and gradient
/// norms). **Reading:** there every number enters the window; here the caller decides, so that numbers that
/// were refused do not become what is usual.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Window(Vec<f64>);

impl Window {
    /// How many (population) standard deviations `value` lies above the mean of the window. `None` while there
    /// are fewer than `least` numbers in it, or all of them are equal: then nothing is known of how they spread.
    pub fn z(&self, value: f64, least: usize) -> Option<f64> {
        if self.0.len() < least.max(1) {
            return None;
        }
        let n = self.0.len() as f64;
        let mean = self.0.iter().sum::<f64>() / n;
        let deviation = (self.0.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
        let z = (value - mean) / deviation;
        (deviation > 0.0 && z.is_finite()).then_some(z)
    }

    /// Takes a number in; of more than `size` the oldest go. One that is not finite is not taken in.
    pub fn push(&mut self, value: f64, size: usize) {
        if value.is_finite() {
            self.0.push(value);
        }
        let over = self.0.len().saturating_sub(size);
        self.0.drain(..over);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn window(values: &[f64]) -> Window {
        let mut window = Window::default();
        values.iter().for_each(|v| window.push(*v, 1000));
        window
    }

    #[test]
    fn by_hand() {
        // Mean 5, deviation 2: the textbook's example.
        let w = window(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]);
        assert_eq!((w.z(5.0, 8), w.z(9.0, 8), w.z(1.0, 8)), (Some(0.0), Some(2.0), Some(-2.0)));
        assert_eq!(w.z(9.0, 9), None, "too few");
        assert_eq!(window(&[3.0; 5]).z(4.0, 2), None, "no spread");
        assert_eq!(Window::default().z(1.0, 0), None);
        assert_eq!((w.z(f64::NAN, 8), w.z(f64::INFINITY, 8)), (None, None));
    }

    #[test]
    fn the_oldest_go_first_and_what_is_no_number_stays_out() {
        let mut w = window(&[]);
        for v in [100.0, 1.0, f64::NAN, 3.0, f64::INFINITY] {
            w.push(v, 2);
        }
        // 1 and 3: mean 2, deviation 1.
        assert_eq!((w.len(), w.z(5.0, 2)), (2, Some(3.0)));
        w.push(0.0, 0);
        assert!(w.is_empty());
    }

    proptest! {
        /// Where the numbers lie and what they are measured in does not matter, nor their order; and a window that
        /// was written down and read again goes on alike.
        #[test]
        fn the_measure_has_no_unit(
            values in proptest::collection::vec(-1000i32..1000, 2..40),
            at in -5000i32..5000,
            scale in 1i32..64,
            shift in -1000i32..1000,
        ) {
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            let (at, scale, shift) = (f64::from(at), f64::from(scale), f64::from(shift));
            let w = window(&values);
            let moved = window(&values.iter().rev().map(|v| v * scale + shift).collect::<Vec<_>>());
            match (w.z(at, 2), moved.z(at * scale + shift, 2)) {
                (Some(a), Some(b)) => prop_assert!((a - b).abs() <= 1e-6 * (1.0 + a.abs()), "{a} {b}"),
                (None, None) => prop_assert!(values.windows(2).all(|v| v[0] == v[1])),
                other => prop_assert!(false, "{other:?}"),
            }
            // Nothing in the window lies further out than the root of their number.
            let far = (values.len() as f64).sqrt() + 1e-6;
            prop_assert!(values.iter().filter_map(|v| w.z(*v, 2)).all(|z| z.abs() <= far));
            let read: Window = serde_json::from_str(&serde_json::to_string(&w).unwrap()).unwrap();
            prop_assert_eq!(read, w);
        }
    }
}
