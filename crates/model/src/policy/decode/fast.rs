//! One pass of the decoder on the host: slices in, slices out, no tensor in between.
//!
//! A pass of a small model takes about a millisecond of arithmetic, spread over some forty operations;
//! as tensors, their bookkeeping costs more than their sums. Here the rows of a few sequences go
//! through all layers at once, and threads share out the sequences. [`super::plain`] is the same pass
//! on tensors.

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use super::cache::Chunk;
use crate::arch::{Params, TextModel, text_rope};
use crate::hf::TextConfig;
use crate::ops::Weights;
use crate::ops::attend::{Reader, attend};
use crate::ops::key_values::KeyValues;
use crate::ops::panel::Store;
use crate::ops::simd;

/// Rows that go through the layers together at most: enough to make use of each weight that is read, few
/// enough to stay in the processor's cache.
const ROWS: usize = 32;
/// And at least, as long as there are others: with fewer, reading the weights takes as long as the products.
const FEWEST: usize = 4;

/// The decoder's weights, laid out for passes with few rows.
pub(crate) struct FastText {
    layers: Vec<Layer>,
    norm: usize,
    head: Weights,
}

struct Layer {
    norm1: usize,
    qkv: Weights,
    qkv_bias: Vec<f32>,
    out: Weights,
    norm2: usize,
    gate_up: Weights,
    down: Weights,
}

impl FastText {
    /// Copies the weights into their new places.
    pub(crate) fn new(text: &TextModel, params: &Params) -> Self {
        let value = |i: usize| &params.entries()[i].value[..];
        let panels = |parts: &[usize]| {
            let inputs = params.entries()[parts[0]].matrix()[1];
            let parts: Vec<&[f32]> = parts.iter().map(|&i| value(i)).collect();
            Weights::new(text.precision, &parts, inputs)
        };
        let layers = text
            .layers
            .par_iter()
            .map(|layer| Layer {
                norm1: layer.norm1,
                qkv: panels(&[layer.q.0, layer.k.0, layer.v.0]),
                qkv_bias: [value(layer.q.1), value(layer.k.1), value(layer.v.1)].concat(),
                out: panels(&[layer.out]),
                norm2: layer.norm2,
                gate_up: panels(&[layer.gate, layer.up]),
                down: panels(&[layer.down]),
            })
            .collect();
        Self { layers, norm: text.norm, head: panels(&[text.head]) }
    }

    /// Feeds every chunk to its sequence; `logits` is `[chunks, V]`, after the last row of each.
    pub(super) fn extend(
        &self,
        config: &TextConfig,
        params: &Params,
        chunks: &mut [Chunk],
        logits: &mut [f32],
    ) {
        let vocab = self.head.outputs();
        // Neighbours share a pass until it has rows enough. Where the cuts fall changes no result.
        let total: usize = chunks.iter().map(|chunk| chunk.positions.len()).sum();
        let enough = rows_of_a_pass(total, rayon::current_num_threads());
        let mut jobs = Vec::new();
        let (mut chunks, mut logits) = (chunks, logits);
        while !chunks.is_empty() {
            let (mut n, mut rows) = (0, 0);
            while n < chunks.len() && rows < enough {
                rows += chunks[n].positions.len();
                n += 1;
            }
            let (job, other) = std::mem::take(&mut chunks).split_at_mut(n);
            let (out, rest) = std::mem::take(&mut logits).split_at_mut(n * vocab);
            jobs.push((job, out));
            (chunks, logits) = (other, rest);
        }
        let run = |(chunks, out): (&mut [Chunk], &mut [f32])| self.pass(config, params, chunks, out);
        if jobs.len() == 1 {
            jobs.into_iter().for_each(run);
        } else {
            jobs.into_par_iter().for_each(run);
        }
    }

    fn pass(&self, config: &TextConfig, params: &Params, chunks: &mut [Chunk], logits: &mut [f32]) {
        let weight = |i: usize| &params.entries()[i].value[..];
        let eps = config.rms_norm_eps as f32;
        let (d, head_dim) = (config.hidden_size, config.head_dim());
        let (q_cols, kv_cols) =
            (config.num_attention_heads * head_dim, config.num_key_value_heads * head_dim);
        let width = q_cols + 2 * kv_cols;
        let positions: Vec<[u32; 3]> = chunks.iter().flat_map(|c| c.positions.iter().copied()).collect();
        let rope = text_rope(config, &positions);
        let half = head_dim / 2;
        let mut x: Vec<f32> = Vec::with_capacity(positions.len() * d);
        for chunk in chunks.iter_mut() {
            x.extend_from_slice(&chunk.rows);
        }
        let rows = positions.len();
        let mut normed = vec![0.0; rows * d];
        let mut qkv = vec![0.0; rows * width];
        let mut mixed = vec![0.0; rows * q_cols];
        let mut gate_up = Vec::new();
        let mut gated = Vec::new();
        let mut queries = vec![0.0; rows * q_cols];
        let mut key = vec![0.0; kv_cols];
        let mut scratch = Vec::new();
        // Neighbours that continue the same prompt: chunks, and their common part.
        let mut siblings: Vec<(Range<usize>, Arc<Vec<KeyValues>>)> = Vec::new();
        for (c, chunk) in chunks.iter().enumerate() {
            match siblings.last_mut() {
                Some((range, prefix)) if Arc::ptr_eq(prefix, &chunk.sequence.prefix) => range.end = c + 1,
                _ => siblings.push((c..c + 1, chunk.sequence.prefix.clone())),
            }
        }
        for (i, layer) in self.layers.iter().enumerate() {
            rms_norm(&mut normed, &x, weight(layer.norm1), eps);
            layer.qkv.product(&mut qkv, &normed, Store::Biased(&layer.qkv_bias));
            // After the last layer only the last row of each sequence is read.
            let last = i + 1 == self.layers.len();
            let (mut row, mut kept) = (0, 0);
            for chunk in chunks.iter_mut() {
                let tail = &mut chunk.sequence.tail[i];
                let end = row + chunk.positions.len();
                while row < end {
                    let (cos, sin) = (&rope.cos[row * half..][..half], &rope.sin[row * half..][..half]);
                    let rotate = |out: &mut [f32], x: &[f32]| {
                        for (o, x) in out.chunks_exact_mut(head_dim).zip(x.chunks_exact(head_dim)) {
                            simd::rotate(o, x, cos, sin, 1.0);
                        }
                    };
                    let (q, kv) = qkv[row * width..(row + 1) * width].split_at(q_cols);
                    let (k, v) = kv.split_at(kv_cols);
                    rotate(&mut key, k);
                    tail.push(&key, v);
                    row += 1;
                    if last && row < end {
                        continue;
                    }
                    rotate(&mut queries[kept * q_cols..(kept + 1) * q_cols], q);
                    if last {
                        x.copy_within((row - 1) * d..row * d, kept * d);
                    }
                    kept += 1;
                }
            }
            let mut first = 0;
            for (range, prefix) in &siblings {
                let reader = |chunk: &Chunk| if last { 1 } else { chunk.positions.len() };
                let readers: Vec<Reader<'_>> = chunks[range.clone()]
                    .iter()
                    .map(|chunk| Reader { own: &chunk.sequence.tail[i], rows: reader(chunk) })
                    .collect();
                let end = first + readers.iter().map(|reader| reader.rows).sum::<usize>() * q_cols;
                let (out, q) = (&mut mixed[first..end], &queries[first..end]);
                attend(out, q, &prefix[i], &readers, head_dim, &mut scratch);
                first = end;
            }
            x.truncate(kept * d);
            normed.truncate(kept * d);
            layer.out.product(&mut x, &mixed[..kept * q_cols], Store::Added);
            rms_norm(&mut normed, &x, weight(layer.norm2), eps);
            let inner = layer.gate_up.outputs();
            gate_up.resize(kept * inner, 0.0);
            gated.resize(kept * inner / 2, 0.0);
            layer.gate_up.product(&mut gate_up, &normed, Store::Set);
            for (out, row) in gated.chunks_exact_mut(inner / 2).zip(gate_up.chunks_exact(inner)) {
                let (gate, up) = row.split_at(inner / 2);
                simd::swiglu(out, gate, up);
            }
            layer.down.product(&mut x, &gated, Store::Added);
        }
        rms_norm(&mut normed, &x, weight(self.norm), eps);
        self.head.product(logits, &normed, Store::Set);
    }
}

/// Rows of each pass, so that threads have about as much to do as each other.
fn rows_of_a_pass(rows: usize, threads: usize) -> usize {
    let rounds = rows.div_ceil(threads * ROWS).max(1);
    rows.div_ceil(rounds * threads).max(FEWEST)
}

fn rms_norm(out: &mut [f32], x: &[f32], weight: &[f32], eps: f32) {
    let d = weight.len();
    for (out, x) in out.chunks_exact_mut(d).zip(x.chunks_exact(d)) {
        let inv = (simd::dot(x, x) / d as f32 + eps).sqrt().recip();
        simd::scale_by(out, x, inv, weight);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_share_the_rows() {
        let passes = |rows: usize, threads| rows.div_ceil(rows_of_a_pass(rows, threads));
        assert_eq!([1, 4, 8, 37, 64, 65, 128].map(|rows| passes(rows, 2)), [1, 1, 2, 2, 2, 4, 4]);
        assert_eq!([1, 33, 128].map(|rows| passes(rows, 1)), [1, 2, 4]);
        assert_eq!(rows_of_a_pass(37, 2), 19);
        assert_eq!(rows_of_a_pass(3, 64), FEWEST);
    }
}
