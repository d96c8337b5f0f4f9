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
    /// Columns of all queries, of all keys, and of the input.
    q_stride: usize,
    kv_stride: usize,
    stride: usize,
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
        Task::all(&self.segments, qkv.rows, self.kv_heads).into_par_iter().for_each(|task| {
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
                            &v[range.start * shape.stride + task.kv_head * shape.dim..],
                            n,
                            shape.dim,
                            shape.stride,
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
        Output { data, rows: qkv.rows, cols: shape.q_stride, saved }
    }

    fn backward(&self, inputs: &[Input<'_>], grads: &Grads<'_>) -> Vec<Vec<f32>> {
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
        Task::all(&self.segments, qkv.rows, self.kv_heads).into_par_iter().for_each(|task| {
            let Shape { dim, q_stride, kv_stride, stride, scale, .. } = shape;
            let mut scores = Vec::new();
            let mut dscores: Vec<f32> = Vec::new();
            // Key and value gradients of a range, accumulated by this task alone.
            let accumulate = |(buffer, stride): (Shared, usize),
                              range: &Range<usize>,
                              n: usize,
                              a: Mat<'_>,
                              b: Mat<'_>| {
                let start = range.start * stride + task.kv_head * dim;
                add_product(buffer, start, n, dim, stride, a, b);
            };
            let (out_v, out_k) = ((out_v, stride), (out_k, kv_stride));
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
                    let key = |range: &Range<usize>| range.start * kv_stride + task.kv_head * dim;
                    let value = |range: &Range<usize>| range.start * stride + task.kv_head * dim;
                    // dP = dO·Vᵀ
                    dscores.clear();
                    dscores.resize(rows * width, 0.0);
                    if let Some(prefix) = prefix {
                        let values = Mat::strided(&v[value(prefix)..], from_prefix, dim, stride);
                        matmul(&mut dscores, width, false, d_out, values.t(), false);
                    }
                    let values = Mat::strided(&v[value(own)..], from_own, dim, stride);
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
                    let keys_own = Mat::strided(&rk[key(own)..], from_own, dim, kv_stride);
                    accumulate(out_v, own, from_own, p_own.t(), d_out);
                    accumulate(out_k, own, from_own, ds_own.t(), queries);
                    add_product(out_q, at, rows, dim, q_stride, ds_own, keys_own);
                    if let Some(prefix) = prefix {
                        let p = Mat::strided(&scores, rows, from_prefix, width);
                        let ds = Mat::strided(&dscores, rows, from_prefix, width);
                        let keys = Mat::strided(&rk[key(prefix)..], from_prefix, dim, kv_stride);
                        accumulate(out_v, prefix, from_prefix, p.t(), d_out);
                        accumulate(out_k, prefix, from_prefix, ds.t(), queries);
                        add_product(out_q, at, rows, dim, q_stride, ds, keys);
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
