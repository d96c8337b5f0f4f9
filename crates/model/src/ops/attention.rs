//! Fused rotary embedding + attention over packed sequences.
//!
//! Rows of several sequences lie one after the other, without padding. A [`Family`] is one prefix and
//! any number of suffixes that continue it: every suffix attends to the whole prefix and causally to
//! itself. So the members of a group share the keys and values of their prompt, and its gradient sums
//! over them. A lone sequence is a family without suffixes. Scores exist for one block of queries at
//! a time; the backward pass computes them again.

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use super::host::{Grads, HostOp, Input, Output};
use super::matrix::{Mat, matmul};
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

/// One prefix and the sequences that continue it, as row ranges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Family {
    /// Rows every suffix sees.
    pub prefix: Range<usize>,
    /// Rows of each continuation.
    pub suffixes: Vec<Range<usize>>,
}

/// Which rows attend to which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segments {
    /// Whether a row sees only itself and what comes before it (text), or its whole segment (vision).
    pub causal: bool,
    /// The families; their ranges are disjoint and cover all rows.
    pub families: Vec<Family>,
}

impl Segments {
    /// Independent segments of the given lengths, one after the other.
    pub fn separate(causal: bool, lengths: impl IntoIterator<Item = usize>) -> Self {
        let mut start = 0;
        let families = lengths
            .into_iter()
            .map(|len| {
                start += len;
                Family { prefix: start - len..start, suffixes: Vec::new() }
            })
            .collect();
        Self { causal, families }
    }
}

/// Inputs `q [T, heads·d]`, `k, v [T, kv_heads·d]`; output `[T, heads·d]`. Saves the log-sum-exp of
/// the scaled scores, `[T, heads]`.
#[derive(Debug)]
pub(super) struct Attention {
    pub(super) rope: Rope,
    pub(super) segments: Arc<Segments>,
}

/// A pointer that tasks share to write disjoint parts of one buffer.
#[derive(Clone, Copy)]
struct Shared(*mut f32, usize);
// SAFETY: every user writes only rows of its own family and columns of its own heads; families are
// disjoint by construction of `Segments` (checked in `Task::all`), so no two tasks touch one element.
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
}

/// The sizes of one call.
#[derive(Clone, Copy)]
struct Shape {
    dim: usize,
    q_stride: usize,
    kv_stride: usize,
    per_kv: usize,
    scale: f32,
}

/// One (family, key-value head): the unit of parallel work, and of gradient accumulation.
#[derive(Clone, Copy)]
struct Task<'a> {
    family: &'a Family,
    kv_head: usize,
}

impl<'a> Task<'a> {
    fn all(segments: &'a Segments, rows: usize, kv_heads: usize) -> Vec<Self> {
        let mut covered = 0;
        let mut ranges: Vec<&Range<usize>> =
            segments.families.iter().flat_map(|f| std::iter::once(&f.prefix).chain(&f.suffixes)).collect();
        ranges.sort_by_key(|r| (r.start, r.end));
        for range in ranges {
            assert_eq!(range.start, covered, "segments must cover the rows without overlap");
            covered = range.end;
        }
        assert_eq!(covered, rows, "segments must cover the rows without overlap");
        segments
            .families
            .iter()
            .flat_map(|family| (0..kv_heads).map(move |kv_head| Task { family, kv_head }))
            .collect()
    }

    /// Blocks of query rows: (own segment, rows of the block, prefix seen).
    fn blocks(self) -> impl Iterator<Item = (&'a Range<usize>, Range<usize>, Option<&'a Range<usize>>)> {
        let Self { family, .. } = self;
        let suffixes =
            family.suffixes.iter().map(move |s| (s, (!family.prefix.is_empty()).then_some(&family.prefix)));
        std::iter::once((&family.prefix, None)).chain(suffixes).flat_map(|(own, prefix)| {
            own.clone().step_by(BLOCK).map(move |start| (own, start..(start + BLOCK).min(own.end), prefix))
        })
    }
}

/// Scores of a block of queries against prefix and own keys, as probabilities in place.
/// `scores` becomes `[block, prefix + own]` with masked entries 0; gives the row width.
#[expect(clippy::too_many_arguments, reason = "the sizes of one strided product; a struct would hide them")]
fn probabilities(
    scores: &mut Vec<f32>,
    q: &[f32],
    k: &[f32],
    shape: Shape,
    kv_head: usize,
    head: usize,
    (own, block, prefix): (&Range<usize>, &Range<usize>, Option<&Range<usize>>),
    causal: bool,
    mut softmax: impl FnMut(usize, &mut [f32]),
) -> (usize, usize, usize) {
    let own_end = if causal { block.end } else { own.end };
    let (from_prefix, from_own) = (prefix.map_or(0, |p| p.len()), own_end - own.start);
    let width = from_prefix + from_own;
    let rows = block.len();
    scores.clear();
    scores.resize(rows * width, 0.0);
    let queries =
        Mat::strided(&q[block.start * shape.q_stride + head * shape.dim..], rows, shape.dim, shape.q_stride);
    let keys = |range: &Range<usize>, n| {
        Mat::strided(&k[range.start * shape.kv_stride + kv_head * shape.dim..], n, shape.dim, shape.kv_stride)
            .t()
    };
    if let Some(prefix) = prefix {
        matmul(scores, width, false, queries, keys(prefix, from_prefix), false);
    }
    matmul(&mut scores[from_prefix..], width, false, queries, keys(own, from_own), false);
    for (i, row) in scores.chunks_exact_mut(width).enumerate() {
        let seen = if causal { from_prefix + block.start + i - own.start + 1 } else { width };
        row[seen..].fill(0.0);
        softmax(block.start + i, &mut row[..seen]);
    }
    (from_prefix, from_own, width)
}

impl Attention {
    fn shape(&self, q: &Input<'_>, k: &Input<'_>) -> Shape {
        let dim = self.rope.head_dim;
        let (heads, kv_heads) = (q.cols / dim, k.cols / dim);
        Shape {
            dim,
            q_stride: q.cols,
            kv_stride: k.cols,
            per_kv: heads / kv_heads.max(1),
            scale: (dim as f32).powf(-0.5),
        }
    }

    /// Rotates every head of every row by its angles (`sign` −1: back).
    fn rotated(&self, x: &[f32], cols: usize, sign: f32) -> Vec<f32> {
        let (dim, half) = (self.rope.head_dim, self.rope.head_dim / 2);
        let mut out = vec![0.0; x.len()];
        out.par_chunks_mut(cols).zip(x.par_chunks(cols)).enumerate().with_min_len(64).for_each(
            |(row, (out, x))| {
                let (cos, sin) = (&self.rope.cos[row * half..][..half], &self.rope.sin[row * half..][..half]);
                for (out, x) in out.chunks_exact_mut(dim).zip(x.chunks_exact(dim)) {
                    simd::rotate(out, x, cos, sin, sign);
                }
            },
        );
        out
    }
}

impl HostOp for Attention {
    fn forward(&self, inputs: &[Input<'_>]) -> Output {
        let (q, k, v) = (inputs[0], inputs[1], inputs[2]);
        let shape = self.shape(&q, &k);
        let heads = q.cols / shape.dim;
        let (rq, rk) = (self.rotated(q.data, q.cols, 1.0), self.rotated(k.data, k.cols, 1.0));
        let mut data = vec![0.0; q.data.len()];
        let mut saved = vec![0.0; q.rows * heads];
        let (out, lse) = (Shared::of(&mut data), Shared::of(&mut saved));
        Task::all(&self.segments, q.rows, k.cols / shape.dim).into_par_iter().for_each(|task| {
            let mut scores = Vec::new();
            let mut block_out = Vec::new();
            for (own, block, prefix) in task.blocks() {
                for head in task.kv_head * shape.per_kv..(task.kv_head + 1) * shape.per_kv {
                    let place = (own, &block, prefix);
                    let (from_prefix, from_own, width) = probabilities(
                        &mut scores,
                        &rq,
                        &rk,
                        shape,
                        task.kv_head,
                        head,
                        place,
                        self.segments.causal,
                        |row, scores| {
                            let top = simd::max(scores) * shape.scale;
                            let sum = simd::exp_in_place(scores, shape.scale, top);
                            let inv = 1.0 / sum;
                            scores.iter_mut().for_each(|p| *p *= inv);
                            // SAFETY: this task alone owns (row, head).
                            unsafe { lse.slice(row * heads + head, 1)[0] = top + sum.ln() };
                        },
                    );
                    block_out.clear();
                    block_out.resize(block.len() * shape.dim, 0.0);
                    let p = Mat::strided(&scores, block.len(), from_prefix, width);
                    let values = |range: &Range<usize>, n| {
                        Mat::strided(
                            &v.data[range.start * shape.kv_stride + task.kv_head * shape.dim..],
                            n,
                            shape.dim,
                            shape.kv_stride,
                        )
                    };
                    if let Some(prefix) = prefix {
                        matmul(&mut block_out, shape.dim, true, p, values(prefix, from_prefix), false);
                    }
                    let p = Mat::strided(&scores[from_prefix..], block.len(), from_own, width);
                    matmul(&mut block_out, shape.dim, true, p, values(own, from_own), false);
                    for (i, row) in block_out.chunks_exact(shape.dim).enumerate() {
                        // SAFETY: this task alone owns these rows in the columns of this head.
                        unsafe {
                            out.slice((block.start + i) * shape.q_stride + head * shape.dim, shape.dim)
                        }
                        .copy_from_slice(row);
                    }
                }
            }
        });
        Output { data, rows: q.rows, cols: q.cols, saved }
    }

    fn backward(&self, inputs: &[Input<'_>], grads: &Grads<'_>) -> Vec<Vec<f32>> {
        let (q, k, v) = (inputs[0], inputs[1], inputs[2]);
        let shape = self.shape(&q, &k);
        let heads = q.cols / shape.dim;
        let (rq, rk) = (self.rotated(q.data, q.cols, 1.0), self.rotated(k.data, k.cols, 1.0));
        let (mut dq, mut dk, mut dv) =
            (vec![0.0; q.data.len()], vec![0.0; k.data.len()], vec![0.0; v.data.len()]);
        let (out_q, out_k, out_v) = (Shared::of(&mut dq), Shared::of(&mut dk), Shared::of(&mut dv));
        Task::all(&self.segments, q.rows, k.cols / shape.dim).into_par_iter().for_each(|task| {
            let Shape { dim, q_stride, kv_stride, scale, .. } = shape;
            let mut scores = Vec::new();
            let mut dscores: Vec<f32> = Vec::new();
            // Key and value gradients of a range, accumulated by this task alone.
            let accumulate = |buffer: Shared, range: &Range<usize>, n: usize, a: Mat<'_>, b: Mat<'_>| {
                let start = range.start * kv_stride + task.kv_head * dim;
                add_product(buffer, start, n, dim, kv_stride, a, b);
            };
            for (own, block, prefix) in task.blocks() {
                for head in task.kv_head * shape.per_kv..(task.kv_head + 1) * shape.per_kv {
                    let place = (own, &block, prefix);
                    let (from_prefix, from_own, width) = probabilities(
                        &mut scores,
                        &rq,
                        &rk,
                        shape,
                        task.kv_head,
                        head,
                        place,
                        self.segments.causal,
                        |row, scores| {
                            simd::exp_in_place(scores, scale, grads.saved[row * heads + head]);
                        },
                    );
                    let rows = block.len();
                    let at = block.start * q_stride + head * dim;
                    let d_out = Mat::strided(&grads.grad[at..], rows, dim, q_stride);
                    let queries = Mat::strided(&rq[at..], rows, dim, q_stride);
                    let kv = |range: &Range<usize>| range.start * kv_stride + task.kv_head * dim;
                    // dP = dO·Vᵀ
                    dscores.clear();
                    dscores.resize(rows * width, 0.0);
                    if let Some(prefix) = prefix {
                        let values = Mat::strided(&v.data[kv(prefix)..], from_prefix, dim, kv_stride);
                        matmul(&mut dscores, width, false, d_out, values.t(), false);
                    }
                    let values = Mat::strided(&v.data[kv(own)..], from_own, dim, kv_stride);
                    matmul(&mut dscores[from_prefix..], width, false, d_out, values.t(), false);
                    // dS = P·(dP − Σ dO·O)·scale
                    for (i, (row, p)) in
                        dscores.chunks_exact_mut(width).zip(scores.chunks_exact(width)).enumerate()
                    {
                        let at = (block.start + i) * q_stride + head * dim;
                        let delta = simd::dot(&grads.grad[at..at + dim], &grads.output[at..at + dim]);
                        simd::softmax_backward(row, p, delta, scale);
                    }
                    // Split both score matrices into the prefix part and the own part.
                    let p_own = Mat::strided(&scores[from_prefix..], rows, from_own, width);
                    let ds_own = Mat::strided(&dscores[from_prefix..], rows, from_own, width);
                    let keys_own = Mat::strided(&rk[kv(own)..], from_own, dim, kv_stride);
                    accumulate(out_v, own, from_own, p_own.t(), d_out);
                    accumulate(out_k, own, from_own, ds_own.t(), queries);
                    add_product(out_q, at, rows, dim, q_stride, ds_own, keys_own);
                    if let Some(prefix) = prefix {
                        let p = Mat::strided(&scores, rows, from_prefix, width);
                        let ds = Mat::strided(&dscores, rows, from_prefix, width);
                        let keys = Mat::strided(&rk[kv(prefix)..], from_prefix, dim, kv_stride);
                        accumulate(out_v, prefix, from_prefix, p.t(), d_out);
                        accumulate(out_k, prefix, from_prefix, ds.t(), queries);
                        add_product(out_q, at, rows, dim, q_stride, ds, keys);
                    }
                }
            }
        });
        let dq = self.rotated(&dq, q.cols, -1.0);
        let dk = self.rotated(&dk, k.cols, -1.0);
        vec![dq, dk, dv]
    }
}

/// `buffer[start..] += a·b` as a matrix of `rows × cols` with the given stride.
fn add_product(
    buffer: Shared,
    start: usize,
    rows: usize,
    cols: usize,
    stride: usize,
    a: Mat<'_>,
    b: Mat<'_>,
) {
    if rows == 0 {
        return;
    }
    let mut product = vec![0.0; rows * cols];
    matmul(&mut product, cols, false, a, b, false);
    for (i, row) in product.chunks_exact(cols).enumerate() {
        // SAFETY: rows of the caller's family in the columns of the caller's head: no other task
        // touches them, and the slice lives for this statement only.
        simd::add(unsafe { buffer.slice(start + i * stride, cols) }, row);
    }
}
