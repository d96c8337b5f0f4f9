//! Matrix products in bfloat16: operands rounded to 8 bits of mantissa, sums in f32.
//!
//! Processors with AVX-512 BF16 multiply two pairs at a time and add them to an f32 sum, twice as many
//! products in an instruction as in f32. Rounding an operand changes it by at most 2⁻⁹ of itself, so a
//! product of `k` terms is off by about `2⁻⁸·√k` times a typical term. Elsewhere the operands are
//! rounded the same way and multiplied in f32: the same option, without the gain.

use rayon::prelude::*;

use super::matrix::{Mat, check_output, matmul_into};
use super::simd::vectorised;
use pack::{LEFT_WORDS, Left, PANEL_WORDS, pack, packed_words, with_words};

#[cfg(target_arch = "x86_64")]
mod kernel;
#[cfg(not(target_arch = "x86_64"))]
#[path = "kernel_elsewhere.rs"]
mod kernel;
mod pack;

/// Columns in a panel of the right side: two registers of 16 lanes.
const WIDTH: usize = 32;
/// Rows of the inner kernel: 24 sums, two operands and a broadcast fill the registers.
const ROWS: usize = 12;
/// Rows a task converts and multiplies at a time.
const TASK_ROWS: usize = 8 * ROWS;
/// Inner dimension of one round: a panel of the right side then stays close to the processor.
const DEPTH: usize = 1024;

/// Whether the processor has the instructions.
pub(crate) fn accelerated() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        std::arch::is_x86_feature_detected!("avx512bf16") && std::arch::is_x86_feature_detected!("avx512bw")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

/// Rounds to the nearest bfloat16, ties to even, and back; NaN stays NaN. Without branches, so that rows of it
/// are done in whole registers.
#[inline(always)]
fn round(x: f32) -> f32 {
    let bits = x.to_bits();
    let nearest = bits.wrapping_add(0x7FFF + (bits >> 16 & 1));
    // The bit keeps a NaN whose payload is all in the lower half from becoming an infinity.
    let kept = if x.is_nan() { bits | 0x0040_0000 } else { nearest };
    f32::from_bits(kept & 0xFFFF_0000)
}

/// `to` is `from`, rounded.
fn round_into(to: &mut [f32], from: &[f32]) {
    vectorised(
        #[inline(always)]
        || to.iter_mut().zip(from).for_each(|(to, from)| *to = round(*from)),
    );
}

/// The values, rounded; those of large matrices over threads.
pub(super) fn rounded(values: &[f32]) -> Vec<f32> {
    const CHUNK: usize = 1 << 15;
    let mut to = vec![0.0; values.len()];
    if values.len() > 2 * CHUNK {
        to.par_chunks_mut(CHUNK).zip(values.par_chunks(CHUNK)).for_each(|(to, from)| round_into(to, from));
    } else {
        round_into(&mut to, values);
    }
    to
}

/// The values of a matrix, rounded, and how far its rows and its columns are apart in them.
fn rounded_matrix(x: Mat<'_>) -> (Vec<f32>, usize, usize) {
    // What is next to each other stays so: rows that lie in one piece, or columns.
    let (lines, length, stride) = match x {
        Mat { col_stride: 1, .. } => (x.rows, x.cols, x.row_stride),
        Mat { row_stride: 1, .. } => (x.cols, x.rows, x.col_stride),
        _ => {
            let at = |r: usize, c: usize| x.data[r * x.row_stride + c * x.col_stride];
            let dense: Vec<f32> = (0..x.rows).flat_map(|r| (0..x.cols).map(move |c| at(r, c))).collect();
            return (rounded(&dense), x.cols, 1);
        }
    };
    let values = if stride == length {
        rounded(&x.data[..lines * length])
    } else {
        let mut values = vec![0.0; lines * length];
        for (line, to) in values.chunks_exact_mut(length).enumerate() {
            round_into(to, &x.data[line * stride..][..length]);
        }
        values
    };
    if x.col_stride == 1 { (values, length, 1) } else { (values, 1, length) }
}

/// `out = keep·out + a·b` with both sides rounded; see [`matmul`](super::matrix::matmul) for the layout.
///
/// The inner dimension is cut at fixed places and never split over threads: the result does not depend
/// on them.
pub(crate) fn matmul_bf16(out: &mut [f32], out_stride: usize, keep: bool, a: Mat<'_>, b: Mat<'_>) {
    check_output(out.len(), out_stride, a.rows, b.cols);
    // SAFETY: the product is inside `out` by the check, and nothing else touches it.
    unsafe { matmul_bf16_into(out.as_mut_ptr(), out_stride, keep, a, b) }
}

/// The first element of an output whose rows tasks share out.
#[derive(Clone, Copy)]
struct Rows(*mut f32);
// SAFETY: every task writes rows of its own.
unsafe impl Send for Rows {}
// SAFETY: as above.
unsafe impl Sync for Rows {}

impl Rows {
    /// Where row `row` starts.
    ///
    /// # Safety
    /// The row must be one of the output.
    unsafe fn at(self, row: usize, stride: usize) -> *mut f32 {
        // SAFETY: the caller vouches for the row.
        unsafe { self.0.add(row * stride) }
    }
}

/// [`matmul_bf16`] to where `out` points.
///
/// # Safety
/// As [`matmul_into`].
pub(super) unsafe fn matmul_bf16_into(out: *mut f32, out_stride: usize, keep: bool, a: Mat<'_>, b: Mat<'_>) {
    assert_eq!(a.cols, b.rows, "inner dimensions of a product");
    let (m, n, k) = (a.rows, b.cols, a.cols);
    if m == 0 || n == 0 {
        return;
    }
    if !accelerated() || k == 0 {
        let ((left, left_rows, left_cols), (right, right_rows, right_cols)) =
            (rounded_matrix(a), rounded_matrix(b));
        let a = Mat { data: &left, row_stride: left_rows, col_stride: left_cols, ..a };
        let b = Mat { data: &right, row_stride: right_rows, col_stride: right_cols, ..b };
        // SAFETY: the caller's promise is the same.
        return unsafe { matmul_into(out, out_stride, keep, a, b, true) };
    }
    let out = Rows(out);
    for start in (0..k).step_by(DEPTH) {
        let depth = DEPTH.min(k - start);
        let pairs = depth.div_ceil(2);
        let keep = keep || start > 0;
        with_words(&PANEL_WORDS, packed_words(n, depth), |panels| {
            pack(panels, b, start, depth);
            let run = |i: usize| {
                let first = i * TASK_ROWS;
                let rows = TASK_ROWS.min(m - first);
                with_words(&LEFT_WORDS, rows * pairs, |words| {
                    let left = Left::convert(words, a, first, rows, start, depth);
                    // SAFETY: rows of this task alone, inside the output that the caller vouches for.
                    unsafe {
                        let out = out.at(first, out_stride);
                        kernel::multiply(out, out_stride, keep, &left, rows, panels, n, pairs);
                    }
                });
            };
            let tasks = m.div_ceil(TASK_ROWS);
            // Below this size the cost of waking threads exceeds the gain.
            if m * n * depth >= 1 << 21 {
                (0..tasks).into_par_iter().for_each(run);
            } else {
                (0..tasks).for_each(run);
            }
        });
    }
}

/// A weight matrix for products with few rows, rounded once.
pub(crate) struct Bf16Panels {
    outputs: usize,
    inputs: usize,
    panels: Vec<u32>,
}

impl Bf16Panels {
    /// Lays out row-major matrices `[n, inputs]`, one below the other.
    pub(crate) fn new(parts: &[&[f32]], inputs: usize) -> Self {
        let joined = parts.concat();
        let outputs = joined.len() / inputs.max(1);
        let mut panels = vec![0; packed_words(outputs, inputs)];
        pack(&mut panels, Mat::new(&joined, outputs, inputs).t(), 0, inputs);
        Self { outputs, inputs, panels }
    }

    /// Columns of the output.
    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    /// `out = keep·out + x·wᵀ`; `x [rows, inputs]`, `out [rows, outputs]`. Needs [`accelerated`].
    pub(crate) fn product(&self, out: &mut [f32], keep: bool, x: &[f32]) {
        let rows = x.len() / self.inputs.max(1);
        assert_eq!(x.len(), rows * self.inputs, "rows of a product");
        assert_eq!(out.len(), rows * self.outputs, "output of a product");
        let pairs = self.inputs.div_ceil(2);
        with_words(&LEFT_WORDS, rows * pairs, |words| {
            let left = Left::convert(words, Mat::new(x, rows, self.inputs), 0, rows, 0, self.inputs);
            // SAFETY: `rows` rows of `outputs` columns, by the assert.
            unsafe {
                let out = out.as_mut_ptr();
                kernel::multiply(out, self.outputs, keep, &left, rows, &self.panels, self.outputs, pairs);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::matrix::matmul;
    use eyas_core::Seed;

    /// Rounded operands multiplied in f64.
    fn exact(a: Mat<'_>, b: Mat<'_>) -> Vec<f64> {
        let at =
            |x: Mat<'_>, r: usize, c: usize| f64::from(round(x.data[r * x.row_stride + c * x.col_stride]));
        let mut out = Vec::new();
        for r in 0..a.rows {
            for c in 0..b.cols {
                out.push((0..a.cols).map(|i| at(a, r, i) * at(b, i, c)).sum());
            }
        }
        out
    }

    #[test]
    fn every_layout_equals_the_plain_product() {
        let mut rng = Seed::new(1).rng();
        let mut random = |n: usize| (0..n).map(|_| rng.normal() as f32).collect::<Vec<f32>>();
        for (m, n, k) in [(1, 1, 1), (5, 33, 7), (12, 32, 64), (101, 70, 40), (30, 20, 1500), (7, 300, 1027)]
        {
            let (a, b) = (random(m * k), random(k * n));
            for (ta, tb) in [(false, false), (false, true), (true, false), (true, true)] {
                let a = if ta { Mat::new(&a, k, m).t() } else { Mat::new(&a, m, k) };
                let b = if tb { Mat::new(&b, n, k).t() } else { Mat::new(&b, k, n) };
                let expected = exact(a, b);
                let start = random(m * n);
                for keep in [false, true] {
                    let mut out = start.clone();
                    matmul_bf16(&mut out, n, keep, a, b);
                    for ((got, expected), start) in out.iter().zip(&expected).zip(&start) {
                        let expected = expected + if keep { f64::from(*start) } else { 0.0 };
                        let error = (f64::from(*got) - expected).abs();
                        assert!(error < 2e-5 * (k as f64).sqrt().max(1.0), "{m}x{n}x{k}: {got}, {expected}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_rounding_error_is_as_stated() {
        let mut rng = Seed::new(2).rng();
        let k = 256;
        let mut random = |n: usize| (0..n).map(|_| rng.normal() as f32).collect::<Vec<f32>>();
        let (a, b) = (random(64 * k), random(k * 64));
        let (a, b) = (Mat::new(&a, 64, k), Mat::new(&b, k, 64));
        let (mut rounded, mut full) = (vec![0.0; 64 * 64], vec![0.0; 64 * 64]);
        matmul_bf16(&mut rounded, 64, false, a, b);
        matmul(&mut full, 64, false, a, b, false);
        let worst = rounded.iter().zip(&full).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max);
        assert!(worst < 4.0 * 2f32.powi(-8) * (k as f32).sqrt(), "{worst}");
        assert!(worst > 0.0);
    }

    #[test]
    fn values_are_rounded_as_bfloat16_is() {
        // Every upper half with lower halves around the ties; NaN of every kind among them.
        let lower = [0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF];
        let values: Vec<f32> =
            (0..=0xFFFFu32).flat_map(|high| lower.map(|low| f32::from_bits(high << 16 | low))).collect();
        for (value, got) in values.iter().zip(rounded(&values)) {
            let expected = half::bf16::from_f32(*value).to_f32();
            assert!(got.to_bits() == expected.to_bits(), "{value:?}: {got:?}, expected {expected:?}");
        }
    }

    #[test]
    fn matrices_are_rounded_in_their_own_layout() {
        let data: Vec<f32> = (0..60).map(|i| 1.0 + i as f32 / 997.0).collect();
        let strided = Mat::strided(&data, 5, 7, 10);
        let neither = Mat { row_stride: 20, col_stride: 3, rows: 3, cols: 6, data: &data };
        for x in [Mat::new(&data, 6, 10), Mat::new(&data, 6, 10).t(), strided, strided.t(), neither] {
            let (values, row_stride, col_stride) = rounded_matrix(x);
            for r in 0..x.rows {
                for c in 0..x.cols {
                    let expected = round(x.data[r * x.row_stride + c * x.col_stride]);
                    assert_eq!(values[r * row_stride + c * col_stride], expected);
                }
            }
        }
    }

    #[test]
    fn panels_equal_products() {
        if !accelerated() {
            return;
        }
        let mut rng = Seed::new(3).rng();
        let (rows, inputs, outputs) = (17, 41, 50);
        let mut random = |n: usize| (0..n).map(|_| rng.normal() as f32).collect::<Vec<f32>>();
        let (x, w) = (random(rows * inputs), random(outputs * inputs));
        let panels = Bf16Panels::new(&[&w[..10 * inputs], &w[10 * inputs..]], inputs);
        let (mut got, mut expected) = (vec![0.0; rows * outputs], vec![0.0; rows * outputs]);
        panels.product(&mut got, false, &x);
        let (x, w) = (Mat::new(&x, rows, inputs), Mat::new(&w, outputs, inputs).t());
        matmul_bf16(&mut expected, outputs, false, x, w);
        assert_eq!(got, expected);
    }
}
