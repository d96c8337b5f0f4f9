//! The weights of bicubic resizing along one axis, with antialiasing.
//!
//! The arithmetic is that of torchvision on 8-bit images: the weights of an axis become 16-bit integers
//! with as many fraction bits as its largest weight leaves room for.

/// Half the width of the cubic kernel, in source pixels at scale 1.
const SUPPORT: f64 = 2.0;

/// How one axis is resampled: each output position is a weighted sum of consecutive inputs.
pub(super) struct Axis {
    /// First input and number of inputs, for each output.
    spans: Vec<(usize, usize)>,
    /// The weights of all outputs, one after another.
    weights: Vec<i16>,
    /// Fraction bits of the weights, at least 1.
    bits: u32,
}

impl Axis {
    pub(super) fn new(from: usize, to: usize) -> Self {
        let scale = from as f64 / to as f64;
        // Shrinking widens the kernel so that every input counts; growing does not narrow it.
        let stretch = scale.max(1.0);
        let mut spans = Vec::with_capacity(to);
        let mut exact: Vec<f64> = Vec::new();
        for output in 0..to {
            let center = scale * (output as f64 + 0.5);
            let start = (center - SUPPORT * stretch + 0.5).max(0.0) as usize;
            let end = ((center + SUPPORT * stretch + 0.5) as usize).min(from);
            spans.push((start, end - start));
            let first = exact.len();
            exact.extend((start..end).map(|input| cubic((input as f64 - center + 0.5) * (1.0 / stretch))));
            let total: f64 = exact[first..].iter().sum();
            exact[first..].iter_mut().for_each(|weight| *weight /= total);
        }
        let largest = exact.iter().copied().fold(0.0, f64::max);
        let fits = |bits: u32| largest * f64::from(1u32 << bits) + 0.5 < f64::from(1u32 << 15);
        let bits = (1..=22).take_while(|&bits| fits(bits)).last().unwrap_or(1);
        let unit = f64::from(1u32 << bits);
        let weights = exact.iter().map(|weight| (weight * unit).round() as i16).collect();
        Self { spans, weights, bits }
    }

    /// Each output's first input and weights.
    pub(super) fn outputs(&self) -> impl Iterator<Item = (usize, &[i16])> {
        let mut rest = self.weights.as_slice();
        self.spans.iter().map(move |&(start, len)| {
            let (weights, tail) = rest.split_at(len);
            rest = tail;
            (start, weights)
        })
    }

    /// Fraction bits of the weights, at least 1.
    pub(super) fn bits(&self) -> u32 {
        self.bits
    }

    /// Half a unit, to round when the fraction bits are dropped.
    pub(super) fn half(&self) -> i32 {
        1 << (self.bits - 1)
    }

    /// Drops the fraction bits and clamps to a level.
    pub(super) fn level(&self, sum: i32) -> u8 {
        (sum >> self.bits).clamp(0, 255) as u8
    }
}

/// The cubic convolution kernel with slope -0.5 at 1.
fn cubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_by_hand() {
        assert_eq!((cubic(0.0), cubic(1.0), cubic(-2.0), cubic(5.0)), (1.0, 0.0, 0.0, 0.0));
        assert_eq!((cubic(0.5), cubic(-1.5)), (0.5625, -0.0625));
    }

    #[test]
    fn axes_cover_the_image_and_sum_to_one() {
        for (from, to) in [(1, 1), (1, 56), (28, 84), (300, 28), (301, 29), (10_000, 28)] {
            let axis = Axis::new(from, to);
            assert_eq!(axis.spans.len(), to);
            for (start, weights) in axis.outputs() {
                assert!(!weights.is_empty() && start + weights.len() <= from, "{from} to {to}");
                let sum: i32 = weights.iter().map(|&weight| i32::from(weight)).sum();
                assert!((sum - (1 << axis.bits)).abs() <= weights.len() as i32, "{from} to {to}");
            }
        }
    }
}
