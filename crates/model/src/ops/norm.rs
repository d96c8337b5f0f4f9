//! Fused RMSNorm (Zhang & Sennrich 2019): `y = w·x / sqrt(mean(x²) + eps)`.

use rayon::prelude::*;

use super::host::{Grads, HostOp, Input, Output};
use super::simd;

/// Rows a task works on: fixed, so the weight gradient does not depend on threads.
const ROWS: usize = 128;

/// Inputs `x [T, D]`, `w [1, D]`. Saves `1/rms` per row.
#[derive(Debug)]
pub(super) struct RmsNorm {
    pub(super) eps: f32,
}

impl HostOp for RmsNorm {
    fn forward(&self, inputs: &[Input<'_>]) -> Output {
        let (x, w) = (inputs[0], inputs[1].data);
        let cols = x.cols.max(1);
        let mut data = vec![0.0; x.data.len()];
        let mut saved = vec![0.0; x.rows];
        data.par_chunks_mut(ROWS * cols)
            .zip(saved.par_chunks_mut(ROWS))
            .zip(x.data.par_chunks(ROWS * cols))
            .for_each(|((out, inv), x)| {
                for ((out, inv), x) in out.chunks_exact_mut(cols).zip(inv).zip(x.chunks_exact(cols)) {
                    *inv = 1.0 / (simd::dot(x, x) / cols as f32 + self.eps).sqrt();
                    simd::scale_by(out, x, *inv, w);
                }
            });
        Output { data, rows: x.rows, cols: x.cols, saved }
    }

    fn backward(&self, inputs: &[Input<'_>], grads: Grads<'_>) -> Vec<Vec<f32>> {
        let (x, w) = (inputs[0], inputs[1].data);
        let cols = x.cols.max(1);
        let mut dx = vec![0.0; x.data.len()];
        let partial: Vec<Vec<f32>> = dx
            .par_chunks_mut(ROWS * cols)
            .zip(grads.saved.par_chunks(ROWS))
            .zip(x.data.par_chunks(ROWS * cols))
            .zip(grads.grad.par_chunks(ROWS * cols))
            .map(|(((dx, inv), x), dy)| {
                let mut dw = vec![0.0; cols];
                let mut scratch = vec![0.0; cols];
                let rows =
                    dx.chunks_exact_mut(cols).zip(inv).zip(x.chunks_exact(cols)).zip(dy.chunks_exact(cols));
                for (((dx, &inv), x), dy) in rows {
                    // dx = inv·(w·dy) − x·inv³·mean(w·dy·x);  dw = Σ dy·x·inv
                    simd::scale_by(dx, dy, inv, w);
                    let mean = simd::dot(dx, x) / cols as f32;
                    simd::axpy(dx, -mean * inv * inv, x);
                    simd::scale_by(&mut scratch, dy, inv, x);
                    simd::add(&mut dw, &scratch);
                }
                dw
            })
            .collect();
        let mut dw = vec![0.0; cols];
        partial.iter().for_each(|p| simd::add(&mut dw, p));
        vec![dx, dw]
    }
}
