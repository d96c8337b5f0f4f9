//! Fused gated MLP (Shazeer 2020): `y = (silu(x·wgᵀ + bg) · (x·wuᵀ + bu))·wdᵀ + bd`.
//!
//! What the gate lets through is not kept for the backward pass but made again, along with the gradient: it is a
//! third of what would be kept.

use rayon::prelude::*;

use super::host::{Grads, HostOp, Input, Output};
use super::linear::{add_to_rows, column_sums, stacked};
use super::matrix::{Fresh, Mat, product};
use super::{Precision, simd};

/// Rows a task works on.
const ROWS: usize = 16;

/// Inputs `x [T, D]`, the weights of gate and up `[I, D]`, that of down `[D, I]`, and, or not, their biases
/// `[1, I]`, `[1, I]`, `[1, D]`. Saves gate and up, side by side.
#[derive(Debug)]
pub(super) struct GatedMlp {
    pub(super) precision: Precision,
}

impl HostOp for GatedMlp {
    fn forward(&self, inputs: &[Input<'_>]) -> Output {
        let [x, gate, up, down] = [inputs[0], inputs[1], inputs[2], inputs[3]];
        let mut fresh = Fresh::new(x.rows, gate.rows + up.rows);
        fresh.product(self.precision, x.matrix(), gate.matrix().t());
        fresh.product(self.precision, x.matrix(), up.matrix().t());
        let mut saved = fresh.finish();
        if let Some(biases) = inputs.get(4..6) {
            add_to_rows(&mut saved, &[biases[0].data, biases[1].data].concat());
        }
        let gated = gated(&saved, gate.rows);
        let mut data = product(self.precision, Mat::new(&gated, x.rows, gate.rows), down.matrix().t());
        if let Some(bias) = inputs.get(6) {
            add_to_rows(&mut data, bias.data);
        }
        Output { data, rows: x.rows, cols: down.rows, saved }
    }

    fn backward(&self, inputs: &[Input<'_>], grads: Grads<'_>) -> Vec<Vec<f32>> {
        let [x, gate, up, down] = [inputs[0], inputs[1], inputs[2], inputs[3]];
        let (rows, inner) = (x.rows, gate.rows);
        let dy = Mat::new(grads.grad, rows, down.rows);
        let mut results = vec![Vec::new(); inputs.len()];
        let mut both = grads.saved;
        let mut gated = product(self.precision, dy, down.matrix());
        both.par_chunks_mut(ROWS * 2 * inner).zip(gated.par_chunks_mut(ROWS * inner)).for_each(
            |(both, gated)| {
                for (both, gated) in both.chunks_exact_mut(2 * inner).zip(gated.chunks_exact_mut(inner)) {
                    let (gate, up) = both.split_at_mut(inner);
                    simd::swiglu_backward(gate, up, gated);
                }
            },
        );
        if grads.wanted[3] {
            results[3] = product(self.precision, dy.t(), Mat::new(&gated, rows, inner));
        }
        drop(gated);
        let dgate = Mat::strided(&both, rows, inner, 2 * inner);
        let dup = Mat::strided(both.get(inner..).unwrap_or(&[]), rows, inner, 2 * inner);
        if grads.wanted[0] {
            let mut dx = product(self.precision, dgate, gate.matrix());
            self.precision.matmul(&mut dx, x.cols, true, dup, up.matrix());
            results[0] = dx;
        }
        let wanted = [(grads.wanted[1], inner), (grads.wanted[2], inner)];
        let by_weight = stacked(self.precision, Mat::new(&both, rows, 2 * inner), x.matrix(), &wanted);
        results.iter_mut().skip(1).zip(by_weight).for_each(|(to, d)| *to = d);
        for (i, d) in [(4, dgate), (5, dup), (6, dy)] {
            if grads.wanted.get(i) == Some(&true) {
                results[i] = column_sums(d);
            }
        }
        results
    }
}

/// `silu(gate)·up` of rows that hold both, `inner` of each.
fn gated(both: &[f32], inner: usize) -> Vec<f32> {
    let mut out = vec![0.0; both.len() / 2];
    out.par_chunks_mut((ROWS * inner).max(1)).zip(both.par_chunks((ROWS * 2 * inner).max(1))).for_each(
        |(out, both)| {
            for (out, row) in out.chunks_exact_mut(inner).zip(both.chunks_exact(2 * inner)) {
                let (gate, up) = row.split_at(inner);
                simd::swiglu(out, gate, up);
            }
        },
    );
    out
}
