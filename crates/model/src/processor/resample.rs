//! Bicubic resizing of RGB8 images with antialiasing, across and then down.
//!
//! The arithmetic is that of torchvision on 8-bit images: the weights of an axis become 16-bit integers
//! with as many fraction bits as its largest weight leaves room for, and each pass rounds to 8 bits.

use rayon::prelude::*;

/// Half the width of the cubic kernel, in source pixels at scale 1.
const SUPPORT: f64 = 2.0;
/// Output bytes below which a pass is not worth another thread.
const BYTES_PER_TASK: usize = 1 << 15;

/// Resizes `pixels` (RGB8, row-major) between sizes given as (width, height), all sides at least 1.
pub(super) fn bicubic(pixels: &[u8], from: (u32, u32), to: (u32, u32)) -> Vec<u8> {
    let (from, to) = ((from.0 as usize, from.1 as usize), (to.0 as usize, to.1 as usize));
    match (from.0 == to.0, from.1 == to.1) {
        (true, true) => pixels.to_vec(),
        (true, false) => down(pixels, to.0, &Axis::new(from.1, to.1)),
        (false, true) => across(pixels, from.0, &Axis::new(from.0, to.0)),
        (false, false) => {
            let wide = across(pixels, from.0, &Axis::new(from.0, to.0));
            down(&wide, to.0, &Axis::new(from.1, to.1))
        }
    }
}

/// How one axis is resampled: each output position is a weighted sum of consecutive inputs.
struct Axis {
    /// First input and number of inputs, for each output.
    spans: Vec<(usize, usize)>,
    /// The weights of all outputs, one after another.
    weights: Vec<i16>,
    /// Fraction bits of the weights, at least 1.
    bits: u32,
}

impl Axis {
    fn new(from: usize, to: usize) -> Self {
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
    fn outputs(&self) -> impl Iterator<Item = (usize, &[i16])> {
        let mut rest = self.weights.as_slice();
        self.spans.iter().map(move |&(start, len)| {
            let (weights, tail) = rest.split_at(len);
            rest = tail;
            (start, weights)
        })
    }

    /// Half a unit, to round when the fraction bits are dropped.
    fn half(&self) -> i32 {
        1 << (self.bits - 1)
    }

    /// Drops the fraction bits and clamps to a level.
    fn level(&self, sum: i32) -> u8 {
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

/// Resizes every row of an image `width` pixels wide.
fn across(pixels: &[u8], width: usize, axis: &Axis) -> Vec<u8> {
    let line = axis.spans.len() * 3;
    let mut out = vec![0; pixels.len() / (width * 3) * line];
    let rows = out.par_chunks_exact_mut(line).zip(pixels.par_chunks_exact(width * 3));
    rows.with_min_len(BYTES_PER_TASK.div_ceil(line)).for_each(|(to, from)| {
        for (pixel, (start, weights)) in to.chunks_exact_mut(3).zip(axis.outputs()) {
            let mut sum = [axis.half(); 3];
            for (source, &weight) in from[start * 3..].chunks_exact(3).zip(weights) {
                sum[0] += i32::from(weight) * i32::from(source[0]);
                sum[1] += i32::from(weight) * i32::from(source[1]);
                sum[2] += i32::from(weight) * i32::from(source[2]);
            }
            pixel.copy_from_slice(&sum.map(|sum| axis.level(sum)));
        }
    });
    out
}

/// Resizes every column of an image `width` pixels wide, whole rows at a time.
fn down(pixels: &[u8], width: usize, axis: &Axis) -> Vec<u8> {
    let line = width * 3;
    let mut out = vec![0; axis.spans.len() * line];
    let outputs: Vec<_> = axis.outputs().collect();
    let rows = out.par_chunks_exact_mut(line).zip(outputs).with_min_len(BYTES_PER_TASK.div_ceil(line));
    rows.for_each_init(Vec::new, |sums, (to, (start, weights))| {
        sums.clear();
        sums.resize(line, axis.half());
        for (source, &weight) in pixels[start * line..].chunks_exact(line).zip(weights) {
            for (sum, &level) in sums.iter_mut().zip(source) {
                *sum += i32::from(weight) * i32::from(level);
            }
        }
        for (level, &sum) in to.iter_mut().zip(sums.iter()) {
            *level = axis.level(sum);
        }
    });
    out
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

    #[test]
    fn a_flat_image_stays_flat() {
        let flat: Vec<u8> = [10, 128, 255].repeat(50 * 40);
        for to in [(28, 28), (84, 112), (50, 28), (28, 40), (50, 40)] {
            let out = bicubic(&flat, (50, 40), to);
            assert_eq!(out, [10, 128, 255].repeat((to.0 * to.1) as usize), "{to:?}");
        }
    }

    #[test]
    fn one_pass_or_two_agree_with_a_plain_sum() {
        let pixels: Vec<u8> = (0..31 * 17 * 3).map(|i| (i * i * 7 % 256) as u8).collect();
        let (x, y) = (Axis::new(31, 28), Axis::new(17, 56));
        let at = |image: &[u8], width: usize, x: usize, y: usize, c: usize| {
            i32::from(image[(y * width + x) * 3 + c])
        };
        let wide = across(&pixels, 31, &x);
        let tall = down(&wide, 28, &y);
        assert_eq!(tall, bicubic(&pixels, (31, 17), (28, 56)));
        for (column, (start, weights)) in x.outputs().enumerate() {
            let taps = weights.iter().enumerate();
            let sum: i32 = taps.map(|(i, &w)| i32::from(w) * at(&pixels, 31, start + i, 9, 1)).sum();
            assert_eq!(at(&wide, 28, column, 9, 1), i32::from(x.level(sum + x.half())));
        }
        for (row, (start, weights)) in y.outputs().enumerate() {
            let taps = weights.iter().enumerate();
            let sum: i32 = taps.map(|(i, &w)| i32::from(w) * at(&wide, 28, 5, start + i, 2)).sum();
            assert_eq!(at(&tall, 28, 5, row, 2), i32::from(y.level(sum + y.half())));
        }
    }
}
