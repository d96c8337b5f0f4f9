//! Fused gate of the gated MLP (Shazeer 2020): `silu(gate)·up`.

use rayon::prelude::*;

use super::host::{Grads, HostOp, Input, Output};
use super::simd;

const CHUNK: usize = 1 << 14;

/// Inputs `gate`, `up`, both `[T, I]`.
#[derive(Debug)]
pub(super) struct SwiGlu;

impl HostOp for SwiGlu {
    fn forward(&self, inputs: &[Input<'_>]) -> Output {
        let (gate, up) = (inputs[0], inputs[1]);
        let mut data = vec![0.0; gate.data.len()];
        data.par_chunks_mut(CHUNK)
            .zip(gate.data.par_chunks(CHUNK))
            .zip(up.data.par_chunks(CHUNK))
            .for_each(|((out, gate), up)| simd::swiglu(out, gate, up));
        Output { data, rows: gate.rows, cols: gate.cols, saved: Vec::new() }
    }

    fn backward(&self, inputs: &[Input<'_>], grads: &Grads<'_>) -> Vec<Vec<f32>> {
        let (gate, up) = (inputs[0].data, inputs[1].data);
        let (mut dgate, mut dup) = (vec![0.0; gate.len()], vec![0.0; up.len()]);
        dgate
            .par_chunks_mut(CHUNK)
            .zip(dup.par_chunks_mut(CHUNK))
            .zip(gate.par_chunks(CHUNK).zip(up.par_chunks(CHUNK)).zip(grads.grad.par_chunks(CHUNK)))
            .for_each(|((dg, du), ((g, u), d))| simd::swiglu_backward(dg, du, g, u, d));
        vec![dgate, dup]
    }
}
