//! One pass of the decoder on tensors: the plain twin of [`super::fast`], and the way for devices
//! other than the host.

use std::ops::Range;

use burn::tensor::{Tensor, TensorData};
use rayon::prelude::*;

use super::cache::Chunk;
use crate::arch::text_rope;
use crate::ops::attend::{Reader, attend};
use crate::ops::simd;
use crate::policy::Policy;
use crate::policy::score::read;

/// Feeds every chunk to its sequence and gives the logits `[chunks, V]` after the last row of each.
pub(super) fn extend(policy: &Policy, chunks: &mut [Chunk]) -> Vec<f32> {
    let (w, device) = (policy.weights(), &policy.device);
    let positions: Vec<[u32; 3]> = chunks.iter().flat_map(|c| c.positions.iter().copied()).collect();
    let rope = text_rope(&policy.config.text, &positions);
    let mut ranges: Vec<Range<usize>> = Vec::with_capacity(chunks.len());
    for chunk in chunks.iter() {
        let start = ranges.last().map_or(0, |r| r.end);
        ranges.push(start..start + chunk.positions.len());
    }
    let rows: Vec<f32> = chunks.iter().flat_map(|c| c.rows.iter().copied()).collect();
    let embedded = TensorData::new(rows, [positions.len(), policy.config.text.hidden_size]);
    let embedded = Tensor::<2>::from_data(embedded, device);
    let last: Vec<i64> = ranges.iter().map(|rows| rows.end as i64 - 1).collect();
    let hidden = policy.text.forward(w, embedded, &last, |layer, qkv| {
        let [rows, width] = qkv.dims();
        let kv_cols = policy.text.kv_heads() * rope.head_dim;
        let q_cols = width - 2 * kv_cols;
        let qkv = read(qkv);
        let mut out = vec![0.0; rows * q_cols];
        let mut jobs = Vec::with_capacity(chunks.len());
        let mut rest = out.as_mut_slice();
        for (range, chunk) in ranges.iter().zip(chunks.iter_mut()) {
            let (mine, others) = rest.split_at_mut(range.len() * q_cols);
            rest = others;
            let sequence = &mut chunk.sequence;
            jobs.push((range.clone(), &mut sequence.tail[layer], &sequence.prefix[layer], mine));
        }
        jobs.into_par_iter().for_each(|(range, tail, prefix, out)| {
            let half = rope.head_dim / 2;
            let mut query = vec![0.0; q_cols];
            let mut key = vec![0.0; kv_cols];
            let mut scratch = Vec::new();
            for (row, out) in range.zip(out.chunks_exact_mut(q_cols)) {
                let (cos, sin) = (&rope.cos[row * half..][..half], &rope.sin[row * half..][..half]);
                let rotate = |out: &mut [f32], x: &[f32]| {
                    for (o, x) in out.chunks_exact_mut(rope.head_dim).zip(x.chunks_exact(rope.head_dim)) {
                        simd::rotate(o, x, cos, sin, 1.0);
                    }
                };
                let (q, kv) = qkv[row * width..][..width].split_at(q_cols);
                let (k, v) = kv.split_at(kv_cols);
                rotate(&mut query, q);
                rotate(&mut key, k);
                tail.push(&key, v);
                attend(out, &query, prefix, &[Reader { own: tail, rows: 1 }], rope.head_dim, &mut scratch);
            }
        });
        Tensor::from_data(TensorData::new(out, [rows, q_cols]), device)
    });
    read(crate::ops::linear(hidden, policy.text.head_weight(w), None, policy.text.precision))
}
