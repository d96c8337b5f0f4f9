//! Fused rotary embedding + attention over packed sequences.
//!
//! Rows are those of a forest ([`Segments`]): sequences share what they begin with. Scores exist for one block
//! of queries at a time, those of all heads that share its keys; the backward pass computes them again.

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use super::host::{Grads, HostOp, Input, Output};
use super::matrix::{Mat, check_output, matmul, matmul_into};
use super::segments::{Block, Segments};
use super::simd;

/// Queries whose scores exist at once.
const BLOCK: usize = 64;

/// Cosine and sine of the rotary angles, one row per token.
#[derive(Clone, Debug)]
pub struct Rope {
    /// Size of a head.
    pub head_dim: usize,
    /// `[T, head_dim / 2]`.
    pub cos: Arc<[f32]>,
    /// `[T, head_dim / 2]`.
    pub sin: Arc<[f32]>,
}

/// Input `q`, `k` and `v` side by side, `[T, (heads + 2·kv_heads)·d]`; output `[T, heads·d]`. Saves the
/// log-sum-exp of the scaled scores, `[T, heads]`.
#[derive(Debug)]
pub(super) struct Attention {
    pub(super) kv_heads: usize,
    pub(super) rope: Rope,
    pub(super) segments: Arc<Segments>,
}

/// A pointer that tasks share to write disjoint parts of one buffer.
#[derive(Clone, Copy)]
struct Shared(*mut f32, usize);
// SAFETY: every user writes only rows of its own tree (those of a block, and those that it sees) and columns of its
// own heads; trees are disjoint by construction of `Segments`, so no two tasks touch one element.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    fn of(data: &mut [f32]) -> Self {
        Self(data.as_mut_ptr(), data.len())
    }

    /// `len` elements from `start`.
    ///
    /// # Safety
    /// The caller must be the only one to touch these elements while the slice lives.
    unsafe fn slice<'a>(self, start: usize, len: usize) -> &'a mut [f32] {
        assert!(start + len <= self.1, "shared buffer bounds");
        // SAFETY: in bounds by the assert; unaliased by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(start), len) }
    }

    /// The matrix that begins at `start`, a row `stride` elements after the last, becomes `keep` times itself
    /// plus `a·b`.
    ///
    /// # Safety
    /// The caller must be the only one to touch its elements.
    unsafe fn product(self, start: usize, stride: usize, keep: bool, a: Mat<'_>, b: Mat<'_>) {
        assert!(start <= self.1, "shared buffer bounds");
        check_output(self.1 - start, stride, a.rows, b.cols);
        // SAFETY: in bounds by the checks, and initialised; unaliased by the caller's promise.
        unsafe { matmul_into(self.0.add(start), stride, keep, a, b, false) }
    }
}

/// The sizes of one call.
#[derive(Clone, Copy)]
struct Shape {
    dim: usize,
    /// Columns of all queries, of all keys, and of the input.
    q_stride: usize,
    kv_stride: usize,
    stride: usize,
    per_kv: usize,
    scale: f32,
}

impl Shape {
    /// Columns of the queries that share a key-value head.
    fn group(&self) -> usize {
        self.per_kv * self.dim
    }
}

/// The queries of one tree and one key-value head: the unit of parallel work, and of gradient accumulation.
#[derive(Clone, Copy)]
struct Task<'a> {
    blocks: &'a [Block],
    kv_head: usize,
}

impl Task<'_> {
    fn all(trees: &[Vec<Block>], kv_heads: usize) -> Vec<Task<'_>> {
        trees.iter().flat_map(|blocks| (0..kv_heads).map(move |kv_head| Task { blocks, kv_head })).collect()
    }
}

/// Scores of a block of queries against the keys that it sees, as probabilities in place.
/// `queries` is `[block·per_kv, dim]`, `scores` becomes `[block·per_kv, width]` with masked entries 0; `softmax` is
/// given the row, which of the heads that share the keys, and the scores of what it sees.
#[expect(clippy::too_many_arguments, reason = "the sizes of one strided product; a struct would hide them")]
fn probabilities(
    scores: &mut Vec<f32>,
    queries: &[f32],
    k: &[f32],
    shape: Shape,
    kv_head: usize,
    block: &Block,
    causal: bool,
    mut softmax: impl FnMut(usize, usize, &mut [f32]),
) {
    let (rows, width) = (block.rows.len(), block.width());
    scores.resize(rows * shape.per_kv * width, 0.0);
    let queries = Mat::new(queries, rows * shape.per_kv, shape.dim);
    for (first, range) in columns(&block.seen) {
        let start = range.start * shape.kv_stride + kv_head * shape.dim;
        let keys = Mat::strided(&k[start..], range.len(), shape.dim, shape.kv_stride);
        matmul(&mut scores[first..], width, false, queries, keys.t(), false);
    }
    for (i, scores) in scores.chunks_exact_mut(shape.per_kv * width).enumerate() {
        let seen = if causal { width - rows + i + 1 } else { width };
        for (head, scores) in scores.chunks_exact_mut(width).enumerate() {
            scores[seen..].fill(0.0);
            softmax(block.rows.start + i, head, &mut scores[..seen]);
        }
    }
}

/// Each range with the column of its first key.
fn columns(seen: &[Range<usize>]) -> impl Iterator<Item = (usize, &Range<usize>)> {
    seen.iter().scan(0, |next, range| {
        *next += range.len();
        Some((*next - range.len(), range))
    })
}

impl Attention {
    fn trees(&self, rows: usize) -> Vec<Vec<Block>> {
        assert_eq!(self.segments.rows(), rows, "segments must cover the rows");
        self.segments.trees(BLOCK)
    }

    fn shape(&self, qkv: &Input<'_>) -> Shape {
        let dim = self.rope.head_dim;
        let kv_stride = self.kv_heads * dim;
        let q_stride = qkv.cols - 2 * kv_stride;
        assert_eq!(q_stride % kv_stride.max(1), 0, "heads of an attention");
        Shape {
            dim,
            q_stride,
            kv_stride,
            stride: qkv.cols,
            per_kv: q_stride / kv_stride.max(1),
            scale: (dim as f32).powf(-0.5),
        }
    }

    /// Heads of `x` (a row `x_stride` elements after the last) with their rotary angles applied, into rows of
    /// `out`; `sign = -1` takes them off.
    fn rotate(&self, out: &mut [f32], out_stride: usize, x: &[f32], x_stride: usize, cols: usize, sign: f32) {
        let rows = out.par_chunks_mut(out_stride.max(1)).zip(x.par_chunks(x_stride.max(1)));
        rows.enumerate()
            .with_min_len(64)
            .for_each(|(row, (out, x))| self.rotate_row(&mut out[..cols], &x[..cols], row, sign));
    }

    /// Rotated keys, dense.
    fn keys(&self, qkv: &Input<'_>, shape: Shape) -> Vec<f32> {
        let cols = shape.kv_stride;
        let mut out = vec![0.0; qkv.rows * cols];
        let keys = qkv.data.get(shape.q_stride..).unwrap_or(&[]);
        self.rotate(&mut out, cols, keys, shape.stride, cols, 1.0);
        out
    }

    /// Rotated queries of some rows in the heads that share a key-value head, `[rows·per_kv, dim]`.
    fn queries(
        &self,
        out: &mut Vec<f32>,
        qkv: &Input<'_>,
        shape: Shape,
        kv_head: usize,
        rows: &Range<usize>,
    ) {
        let group = shape.group();
        out.resize(rows.len() * group, 0.0);
        for (row, out) in rows.clone().zip(out.chunks_exact_mut(group)) {
            self.rotate_row(out, &qkv.data[row * shape.stride + kv_head * group..][..group], row, 1.0);
        }
    }

    /// Heads of one row with its angles applied.
    fn rotate_row(&self, out: &mut [f32], x: &[f32], row: usize, sign: f32) {
        let (dim, half) = (self.rope.head_dim, self.rope.head_dim / 2);
        let (cos, sin) = (&self.rope.cos[row * half..][..half], &self.rope.sin[row * half..][..half]);
        for (out, x) in out.chunks_exact_mut(dim).zip(x.chunks_exact(dim)) {
            simd::rotate(out, x, cos, sin, sign);
        }
    }
}

impl HostOp for Attention {
    fn forward(&self, inputs: &[Input<'_>]) -> Output {
        let qkv = inputs[0];
        let shape = self.shape(&qkv);
        let heads = shape.q_stride / shape.dim;
        let rk = self.keys(&qkv, shape);
        let v = qkv.data.get(shape.q_stride + shape.kv_stride..).unwrap_or(&[]);
        let mut data = vec![0.0; qkv.rows * shape.q_stride];
        let mut saved = vec![0.0; qkv.rows * heads];
        let (out, lse) = (Shared::of(&mut data), Shared::of(&mut saved));
        let trees = self.trees(qkv.rows);
        Task::all(&trees, self.kv_heads).into_par_iter().for_each(|Task { blocks, kv_head }| {
            let Shape { dim, q_stride, stride, per_kv, scale, .. } = shape;
            let group = shape.group();
            let (mut queries, mut scores, mut mixed) = (Vec::new(), Vec::new(), Vec::new());
            for block in blocks {
                self.queries(&mut queries, &qkv, shape, kv_head, &block.rows);
                let softmax = |row: usize, head: usize, scores: &mut [f32]| {
                    let (top, sum) = simd::softmax(scores, scale);
                    // SAFETY: this task alone owns (row, head).
                    unsafe { lse.slice(row * heads + kv_head * per_kv + head, 1)[0] = top + sum.ln() };
                };
                let causal = self.segments.is_causal();
                probabilities(&mut scores, &queries, &rk, shape, kv_head, block, causal, softmax);
                let rows = block.rows.len() * per_kv;
                mixed.resize(rows * dim, 0.0);
                for (first, range) in columns(&block.seen) {
                    let p = Mat::strided(&scores[first..], rows, range.len(), block.width());
                    let start = range.start * stride + kv_head * dim;
                    let values = Mat::strided(&v[start..], range.len(), dim, stride);
                    matmul(&mut mixed, dim, first > 0, p, values, false);
                }
                for (row, mixed) in block.rows.clone().zip(mixed.chunks_exact(group)) {
                    // SAFETY: this task alone owns these rows in the columns of its heads.
                    unsafe { out.slice(row * q_stride + kv_head * group, group) }.copy_from_slice(mixed);
                }
            }
        });
        Output { data, rows: qkv.rows, cols: shape.q_stride, saved }
    }

    fn backward(&self, inputs: &[Input<'_>], grads: Grads<'_>) -> Vec<Vec<f32>> {
        let qkv = inputs[0];
        let shape = self.shape(&qkv);
        let heads = shape.q_stride / shape.dim;
        let rk = self.keys(&qkv, shape);
        let first_value = shape.q_stride + shape.kv_stride;
        let v = qkv.data.get(first_value..).unwrap_or(&[]);
        let mut dk = vec![0.0; rk.len()];
        let mut all = vec![0.0; qkv.data.len()];
        let (out, out_k) = (Shared::of(&mut all), Shared::of(&mut dk));
        let trees = self.trees(qkv.rows);
        Task::all(&trees, self.kv_heads).into_par_iter().for_each(|Task { blocks, kv_head }| {
            let Shape { dim, q_stride, kv_stride, stride, per_kv, scale } = shape;
            let group = shape.group();
            let (mut queries, mut scores) = (Vec::new(), Vec::new());
            let (mut d_out, mut dscores, mut dq) = (Vec::new(), Vec::new(), Vec::new());
            for block in blocks {
                self.queries(&mut queries, &qkv, shape, kv_head, &block.rows);
                let softmax = |row: usize, head: usize, scores: &mut [f32]| {
                    simd::exp_in_place(scores, scale, grads.saved[row * heads + kv_head * per_kv + head]);
                };
                let causal = self.segments.is_causal();
                probabilities(&mut scores, &queries, &rk, shape, kv_head, block, causal, softmax);
                let (rows, width) = (block.rows.len() * per_kv, block.width());
                // What this task owns of a row of queries.
                let own = |row: usize| row * q_stride + kv_head * group;
                d_out.clear();
                block.rows.clone().for_each(|row| d_out.extend_from_slice(&grads.grad[own(row)..][..group]));
                let d_out = Mat::new(&d_out, rows, dim);
                let queries = Mat::new(&queries, rows, dim);
                let key = |range: &Range<usize>| range.start * kv_stride + kv_head * dim;
                let value = |range: &Range<usize>| range.start * stride + kv_head * dim;
                // dP = dO·Vᵀ
                dscores.resize(rows * width, 0.0);
                for (first, range) in columns(&block.seen) {
                    let values = Mat::strided(&v[value(range)..], range.len(), dim, stride);
                    matmul(&mut dscores[first..], width, false, d_out, values.t(), false);
                }
                // dS = P·(dP − Σ dO·O)·scale
                for (i, (ds, p)) in
                    dscores.chunks_exact_mut(width).zip(scores.chunks_exact(width)).enumerate()
                {
                    let output =
                        &grads.output[own(block.rows.start + i / per_kv) + i % per_kv * dim..][..dim];
                    let delta = simd::dot(&d_out.data[i * dim..][..dim], output);
                    simd::softmax_backward(ds, p, delta, scale);
                }
                dq.resize(rows * dim, 0.0);
                for (first, range) in columns(&block.seen) {
                    let n = range.len();
                    let p = Mat::strided(&scores[first..], rows, n, width);
                    let ds = Mat::strided(&dscores[first..], rows, n, width);
                    let keys = Mat::strided(&rk[key(range)..], n, dim, kv_stride);
                    matmul(&mut dq, dim, first > 0, ds, keys, false);
                    // SAFETY: rows of this task's tree in the columns of its heads: no other touches them.
                    unsafe {
                        out.product(first_value + value(range), stride, true, p.t(), d_out);
                        out_k.product(key(range), kv_stride, true, ds.t(), queries);
                    }
                }
                for (row, dq) in block.rows.clone().zip(dq.chunks_exact(group)) {
                    // SAFETY: as above.
                    let to = unsafe { out.slice(row * stride + kv_head * group, group) };
                    self.rotate_row(to, dq, row, -1.0);
                }
            }
        });
        let keys = all.get_mut(shape.q_stride..).unwrap_or(&mut []);
        self.rotate(keys, shape.stride, &dk, shape.kv_stride, shape.kv_stride, -1.0);
        vec![all]
    }
}
