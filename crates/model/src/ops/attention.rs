//! Fused rotary embedding + attention over packed sequences.
//!
//! Rows are those of a forest ([`Segments`]): sequences share what they begin with. Scores exist for one block
//! of queries at a time; the backward pass computes them again.

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
/// `scores` becomes `[block, width]` with masked entries 0.
#[expect(clippy::too_many_arguments, reason = "the sizes of one strided product; a struct would hide them")]
fn probabilities(
    scores: &mut Vec<f32>,
    q: &[f32],
    k: &[f32],
    shape: Shape,
    kv_head: usize,
    head: usize,
    block: &Block,
    causal: bool,
    mut softmax: impl FnMut(usize, &mut [f32]),
) {
    let (rows, width) = (block.rows.len(), block.width());
    scores.resize(rows * width, 0.0);
    let at = block.rows.start * shape.q_stride + head * shape.dim;
    let queries = Mat::strided(&q[at..], rows, shape.dim, shape.q_stride);
    for (first, range) in columns(&block.seen) {
        let start = range.start * shape.kv_stride + kv_head * shape.dim;
        let keys = Mat::strided(&k[start..], range.len(), shape.dim, shape.kv_stride);
        matmul(&mut scores[first..], width, false, queries, keys.t(), false);
    }
    for (i, row) in scores.chunks_exact_mut(width).enumerate() {
        let seen = if causal { width - rows + i + 1 } else { width };
        row[seen..].fill(0.0);
        softmax(block.rows.start + i, &mut row[..seen]);
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
        let (dim, half) = (self.rope.head_dim, self.rope.head_dim / 2);
        let rows = out.par_chunks_mut(out_stride.max(1)).zip(x.par_chunks(x_stride.max(1)));
        rows.enumerate().with_min_len(64).for_each(|(row, (out, x))| {
            let (cos, sin) = (&self.rope.cos[row * half..][..half], &self.rope.sin[row * half..][..half]);
            for (out, x) in out[..cols].chunks_exact_mut(dim).zip(x[..cols].chunks_exact(dim)) {
                simd::rotate(out, x, cos, sin, sign);
            }
        });
    }

    /// Rotated queries and keys, each dense.
    fn rotated(&self, qkv: &Input<'_>, shape: Shape) -> (Vec<f32>, Vec<f32>) {
        let part = |start: usize, cols: usize| {
            let mut out = vec![0.0; qkv.rows * cols];
            self.rotate(&mut out, cols, qkv.data.get(start..).unwrap_or(&[]), shape.stride, cols, 1.0);
            out
        };
        (part(0, shape.q_stride), part(shape.q_stride, shape.kv_stride))
    }
}

impl HostOp for Attention {
    fn forward(&self, inputs: &[Input<'_>]) -> Output {
        let qkv = inputs[0];
        let shape = self.shape(&qkv);
        let heads = shape.q_stride / shape.dim;
        let (rq, rk) = self.rotated(&qkv, shape);
        let v = qkv.data.get(shape.q_stride + shape.kv_stride..).unwrap_or(&[]);
        let mut data = vec![0.0; qkv.rows * shape.q_stride];
        let mut saved = vec![0.0; qkv.rows * heads];
        let (out, lse) = (Shared::of(&mut data), Shared::of(&mut saved));
        let trees = self.trees(qkv.rows);
        Task::all(&trees, self.kv_heads).into_par_iter().for_each(|task| {
            let mut scores = Vec::new();
            for block in task.blocks {
                let (rows, width) = (block.rows.len(), block.width());
                for head in task.kv_head * shape.per_kv..(task.kv_head + 1) * shape.per_kv {
                    probabilities(
                        &mut scores,
                        &rq,
                        &rk,
                        shape,
                        task.kv_head,
                        head,
                        block,
                        self.segments.is_causal(),
                        |row, scores| {
                            let top = simd::max(scores) * shape.scale;
                            let sum = simd::exp_in_place(scores, shape.scale, top);
                            let inv = 1.0 / sum;
                            scores.iter_mut().for_each(|p| *p *= inv);
                            // SAFETY: this task alone owns (row, head).
                            unsafe { lse.slice(row * heads + head, 1)[0] = top + sum.ln() };
                        },
                    );
                    let at = block.rows.start * shape.q_stride + head * shape.dim;
                    for (first, range) in columns(&block.seen) {
                        let p = Mat::strided(&scores[first..], rows, range.len(), width);
                        let start = range.start * shape.stride + task.kv_head * shape.dim;
                        let values = Mat::strided(&v[start..], range.len(), shape.dim, shape.stride);
                        // SAFETY: this task alone owns these rows in the columns of this head.
                        unsafe { out.product(at, shape.q_stride, first > 0, p, values) };
                    }
                }
            }
        });
        Output { data, rows: qkv.rows, cols: shape.q_stride, saved }
    }

    fn backward(&self, inputs: &[Input<'_>], grads: Grads<'_>) -> Vec<Vec<f32>> {
        let qkv = inputs[0];
        let shape = self.shape(&qkv);
        let heads = shape.q_stride / shape.dim;
        let (rq, rk) = self.rotated(&qkv, shape);
        let first_value = shape.q_stride + shape.kv_stride;
        let v = qkv.data.get(first_value..).unwrap_or(&[]);
        let (mut dq, mut dk) = (vec![0.0; rq.len()], vec![0.0; rk.len()]);
        let mut all = vec![0.0; qkv.data.len()];
        let (out_q, out_k) = (Shared::of(&mut dq), Shared::of(&mut dk));
        let out_v = Shared::of(all.get_mut(first_value..).unwrap_or(&mut []));
        let trees = self.trees(qkv.rows);
        Task::all(&trees, self.kv_heads).into_par_iter().for_each(|task| {
            let Shape { dim, q_stride, kv_stride, stride, scale, .. } = shape;
            let mut scores = Vec::new();
            let mut dscores: Vec<f32> = Vec::new();
            for block in task.blocks {
                let (rows, width) = (block.rows.len(), block.width());
                for head in task.kv_head * shape.per_kv..(task.kv_head + 1) * shape.per_kv {
                    probabilities(
                        &mut scores,
                        &rq,
                        &rk,
                        shape,
                        task.kv_head,
                        head,
                        block,
                        self.segments.is_causal(),
                        |row, scores| {
                            simd::exp_in_place(scores, scale, grads.saved[row * heads + head]);
                        },
                    );
                    let at = block.rows.start * q_stride + head * dim;
                    let d_out = Mat::strided(&grads.grad[at..], rows, dim, q_stride);
                    let queries = Mat::strided(&rq[at..], rows, dim, q_stride);
                    let key = |range: &Range<usize>| range.start * kv_stride + task.kv_head * dim;
                    let value = |range: &Range<usize>| range.start * stride + task.kv_head * dim;
                    // dP = dO·Vᵀ
                    dscores.resize(rows * width, 0.0);
                    for (first, range) in columns(&block.seen) {
                        let values = Mat::strided(&v[value(range)..], range.len(), dim, stride);
                        matmul(&mut dscores[first..], width, false, d_out, values.t(), false);
                    }
                    // dS = P·(dP − Σ dO·O)·scale
                    for (i, (row, p)) in
                        dscores.chunks_exact_mut(width).zip(scores.chunks_exact(width)).enumerate()
                    {
                        let at = at + i * q_stride;
                        let delta = simd::dot(&grads.grad[at..at + dim], &grads.output[at..at + dim]);
                        simd::softmax_backward(row, p, delta, scale);
                    }
                    for (first, range) in columns(&block.seen) {
                        let n = range.len();
                        let p = Mat::strided(&scores[first..], rows, n, width);
                        let ds = Mat::strided(&dscores[first..], rows, n, width);
                        let keys = Mat::strided(&rk[key(range)..], n, dim, kv_stride);
                        // SAFETY: rows of this task's tree in the columns of its heads: no other touches them.
                        unsafe {
                            out_v.product(value(range), stride, true, p.t(), d_out);
                            out_k.product(key(range), kv_stride, true, ds.t(), queries);
                            out_q.product(at, q_stride, true, ds, keys);
                        }
                    }
                }
            }
        });
        self.rotate(&mut all, shape.stride, &dq, shape.q_stride, shape.q_stride, -1.0);
        let keys = all.get_mut(shape.q_stride..).unwrap_or(&mut []);
        self.rotate(keys, shape.stride, &dk, shape.kv_stride, shape.kv_stride, -1.0);
        vec![all]
    }
}
