//! Fused affine map.

use rayon::prelude::*;

use super::host::{Grads, HostOp, Input, Output};
use super::matrix::Mat;
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
        let mut data = match inputs.get(2) {
            Some(bias) => bias.data.repeat(x.rows),
            None => vec![0.0; x.rows * w.rows],
        };
        let (a, b) = (Mat::new(x.data, x.rows, x.cols), Mat::new(w.data, w.rows, w.cols).t());
        self.precision.matmul(&mut data, w.rows, inputs.len() == 3, a, b);
        Output { data, rows: x.rows, cols: w.rows, saved: Vec::new() }
    }

    fn backward(&self, inputs: &[Input<'_>], grads: &Grads<'_>) -> Vec<Vec<f32>> {
        let (x, w) = (inputs[0], inputs[1]);
        let dy = Mat::new(grads.grad, x.rows, w.rows);
        let mut results = vec![Vec::new(); inputs.len()];
        if grads.wanted[0] {
            results[0] = vec![0.0; x.data.len()];
            let weight = Mat::new(w.data, w.rows, w.cols);
            self.precision.matmul(&mut results[0], x.cols, false, dy, weight);
        }
        if grads.wanted[1] {
            results[1] = vec![0.0; w.data.len()];
            let x = Mat::new(x.data, x.rows, x.cols);
            self.precision.matmul(&mut results[1], w.cols, false, dy.t(), x);
        }
        if grads.wanted.get(2) == Some(&true) {
            results[2] = column_sums(grads.grad, w.rows);
        }
        results
    }
}

/// The sum of the rows of a row-major matrix.
pub(super) fn column_sums(data: &[f32], cols: usize) -> Vec<f32> {
    let partial: Vec<Vec<f32>> = data
        .par_chunks(ROWS_PER_SUM * cols.max(1))
        .map(|rows| {
            let mut sum = vec![0.0; cols];
            rows.chunks_exact(cols).for_each(|row| simd::add(&mut sum, row));
            sum
        })
        .collect();
    let mut total = vec![0.0; cols];
    partial.iter().for_each(|sum| simd::add(&mut total, sum));
    total
}
