//! Fused affine maps.

use rayon::prelude::*;

use super::host::{Grads, HostOp, Input, Output};
use super::matrix::{Fresh, Mat, product};
use super::{Precision, simd};

/// Rows a partial sum of the bias gradient covers: fixed, so the sum does not depend on threads.
const ROWS_PER_SUM: usize = 256;

/// `x·wᵀ (+ b)`; inputs `x [T, I]`, `w [O, I]`, optionally `b [1, O]`.
#[derive(Debug)]
pub(super) struct Linear {
    pub(super) precision: Precision,
}

impl HostOp for Linear {
    fn forward(&self, inputs: &[Input<'_>]) -> Output {
        let (x, w) = (inputs[0], inputs[1]);
        let mut data = product(self.precision, x.matrix(), w.matrix().t());
        if let Some(bias) = inputs.get(2) {
            add_to_rows(&mut data, bias.data);
        }
        Output { data, rows: x.rows, cols: w.rows, saved: Vec::new() }
    }

    fn backward(&self, inputs: &[Input<'_>], grads: Grads<'_>) -> Vec<Vec<f32>> {
        let (x, w) = (inputs[0], inputs[1]);
        let dy = Mat::new(grads.grad, x.rows, w.rows);
        let mut results = vec![Vec::new(); inputs.len()];
        if grads.wanted[0] {
            results[0] = product(self.precision, dy, w.matrix());
        }
        if grads.wanted[1] {
            results[1] = product(self.precision, dy.t(), x.matrix());
        }
        if grads.wanted.get(2) == Some(&true) {
            results[2] = column_sums(dy);
        }
        results
    }
}

/// Three affine maps of one input, their outputs side by side; inputs `x [T, I]`, then three times `w [O, I]`,
/// `b [1, O]`.
#[derive(Debug)]
pub(super) struct Joined {
    pub(super) precision: Precision,
}

impl HostOp for Joined {
    fn forward(&self, inputs: &[Input<'_>]) -> Output {
        let x = inputs[0];
        let maps = || inputs[1..].chunks_exact(2).map(|map| (map[0], map[1]));
        let cols = maps().map(|(w, _)| w.rows).sum();
        let mut fresh = Fresh::new(x.rows, cols);
        maps().for_each(|(w, _)| fresh.product(self.precision, x.matrix(), w.matrix().t()));
        let mut data = fresh.finish();
        let bias: Vec<f32> = maps().flat_map(|(_, b)| b.data).copied().collect();
        add_to_rows(&mut data, &bias);
        Output { data, rows: x.rows, cols, saved: Vec::new() }
    }

    fn backward(&self, inputs: &[Input<'_>], grads: Grads<'_>) -> Vec<Vec<f32>> {
        let x = inputs[0];
        let cols: usize = inputs[1..].chunks_exact(2).map(|map| map[0].rows).sum();
        let mut results = vec![Vec::new(); inputs.len()];
        let mut dx = Vec::new();
        let mut first = 0;
        for (i, map) in inputs[1..].chunks_exact(2).enumerate() {
            let w = map[0];
            let dy = Mat::strided(grads.grad.get(first..).unwrap_or(&[]), x.rows, w.rows, cols);
            first += w.rows;
            if grads.wanted[0] {
                if dx.is_empty() {
                    dx = product(self.precision, dy, w.matrix());
                } else {
                    self.precision.matmul(&mut dx, x.cols, true, dy, w.matrix());
                }
            }
            if grads.wanted[1 + 2 * i] {
                results[1 + 2 * i] = product(self.precision, dy.t(), x.matrix());
            }
            if grads.wanted[2 + 2 * i] {
                results[2 + 2 * i] = column_sums(dy);
            }
        }
        results[0] = dx;
        results
    }
}

/// Adds `bias` to every row.
pub(super) fn add_to_rows(data: &mut [f32], bias: &[f32]) {
    data.par_chunks_mut(ROWS_PER_SUM * bias.len().max(1)).for_each(|rows| {
        rows.chunks_exact_mut(bias.len()).for_each(|row| simd::add(row, bias));
    });
}

/// The sum of the rows of a row-major matrix.
pub(super) fn column_sums(x: Mat<'_>) -> Vec<f32> {
    let partial: Vec<Vec<f32>> = (0..x.rows.div_ceil(ROWS_PER_SUM))
        .into_par_iter()
        .map(|i| {
            let mut sum = vec![0.0; x.cols];
            for row in i * ROWS_PER_SUM..((i + 1) * ROWS_PER_SUM).min(x.rows) {
                simd::add(&mut sum, &x.data[row * x.row_stride..][..x.cols]);
            }
            sum
        })
        .collect();
    let mut total = vec![0.0; x.cols];
    partial.iter().for_each(|sum| simd::add(&mut total, sum));
    total
}
