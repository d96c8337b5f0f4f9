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
            if grads.wanted[2 + 2 * i] {
                results[2 + 2 * i] = column_sums(dy);
            }
        }
        results[0] = dx;
        let wanted: Vec<(bool, usize)> = inputs[1..]
            .iter()
            .zip(&grads.wanted[1..])
            .step_by(2)
            .map(|(w, wanted)| (*wanted, w.rows))
            .collect();
        let by_weight = stacked(self.precision, Mat::new(grads.grad, x.rows, cols), x.matrix(), &wanted);
        results.iter_mut().skip(1).step_by(2).zip(by_weight).for_each(|(to, d)| *to = d);
        results
    }
}

/// Gradients of weights whose maps share their input `x`: neighbouring columns of `dy`, so many of each, transposed,
/// times `x`. Neighbours that are wanted are one product, for which `x` is laid out once.
pub(super) fn stacked(
    precision: Precision,
    dy: Mat<'_>,
    x: Mat<'_>,
    wanted: &[(bool, usize)],
) -> Vec<Vec<f32>> {
    let mut results = Vec::with_capacity(wanted.len());
    let mut first = 0;
    for run in wanted.chunk_by(|a, b| a.0 == b.0) {
        let columns = run.iter().map(|(_, columns)| columns).sum();
        if run[0].0 {
            let data = dy.data.get(first..).unwrap_or(&[]);
            let dy = Mat::strided(data, dy.rows, columns, dy.row_stride);
            let mut all = product(precision, dy.t(), x);
            let mut parts = Vec::with_capacity(run.len());
            for (_, columns) in run[1..].iter().rev() {
                parts.push(all.split_off(all.len() - columns * x.cols));
            }
            all.shrink_to_fit();
            parts.push(all);
            results.extend(parts.into_iter().rev());
        } else {
            results.extend(run.iter().map(|_| Vec::new()));
        }
        first += columns;
    }
    results
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_that_are_wanted_are_cut_out_of_one_product() {
        // Whole numbers: exact in any order, and in bfloat16.
        let numbers = |n: usize, k: usize| (0..n).map(|i| ((i * k) % 7) as f32 - 3.0).collect::<Vec<f32>>();
        let (dy, x) = (numbers(5 * 9, 3), numbers(5 * 4, 5));
        let (dy, x) = (Mat::new(&dy, 5, 9), Mat::new(&x, 5, 4));
        let alone = |columns: std::ops::Range<usize>| -> Vec<f32> {
            let sum = |c: usize, i: usize| (0..5).map(|t| dy.data[t * 9 + c] * x.data[t * 4 + i]).sum();
            columns.flat_map(|c| (0..4).map(move |i| sum(c, i))).collect()
        };
        let parts = [alone(0..2), alone(2..3), alone(3..9)];
        for wanted in [[true; 3], [false; 3], [true, true, false], [true, false, true], [false, true, true]] {
            let asked = [(wanted[0], 2), (wanted[1], 1), (wanted[2], 6)];
            for precision in [Precision::F32, Precision::Bf16] {
                for ((got, part), wanted) in stacked(precision, dy, x, &asked).iter().zip(&parts).zip(wanted)
                {
                    assert_eq!(got, if wanted { part } else { &[][..] }, "{precision:?} {asked:?}");
                }
            }
        }
    }
}
