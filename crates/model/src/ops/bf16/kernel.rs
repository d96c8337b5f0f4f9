//! The instructions of AVX-512 BF16.

use std::arch::x86_64::*;

use super::pack::{Left, pair};
use super::{ROWS, WIDTH};

/// Rounds a row into pairs; an odd end is paired with 0.
pub(super) fn pairs(words: &mut [u32], row: &[f32]) {
    assert!(super::accelerated());
    // SAFETY: the processor has the instructions.
    unsafe { pairs_avx512(words, row) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
fn pairs_avx512(words: &mut [u32], row: &[f32]) {
    let (chunks, rest) = row.as_chunks::<32>();
    let (out, out_rest) = words.as_chunks_mut::<16>();
    for (out, row) in out.iter_mut().zip(chunks) {
        // SAFETY: both halves of the 32 values are read, and 16 words are written.
        unsafe {
            let low = _mm512_loadu_ps(row.as_ptr());
            let high = _mm512_loadu_ps(row.as_ptr().add(16));
            let both: __m512i = std::mem::transmute(_mm512_cvtne2ps_pbh(high, low));
            _mm512_storeu_si512(out.as_mut_ptr().cast(), both);
        }
    }
    let done = chunks.len();
    let out_rest = if done < out.len() { out[done..].as_flattened_mut() } else { out_rest };
    for (w, v) in out_rest.iter_mut().zip(rest.chunks(2)) {
        *w = pair(v[0], v.get(1).copied().unwrap_or(0.0));
    }
}

/// Pairs the values of two rows, column by column.
pub(super) fn interleave(words: &mut [u32], first: &[f32], second: &[f32]) {
    assert!(super::accelerated());
    // SAFETY: the processor has the instructions.
    unsafe { interleave_avx512(words, first, second) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
fn interleave_avx512(words: &mut [u32], first: &[f32], second: &[f32]) {
    let (a, a_rest) = first.as_chunks::<16>();
    let (b, b_rest) = second.as_chunks::<16>();
    let (out, out_rest) = words.as_chunks_mut::<16>();
    // What is 16 halves apart becomes a pair.
    let order: [u32; 16] = std::array::from_fn(|i| (i | (i + 16) << 16) as u32);
    // SAFETY: 16 words are read from an array of 16.
    let order = unsafe { _mm512_loadu_si512(order.as_ptr().cast()) };
    for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
        // SAFETY: 16 values are read on each side, 16 words written.
        unsafe {
            let (low, high) = (_mm512_loadu_ps(a.as_ptr()), _mm512_loadu_ps(b.as_ptr()));
            let both: __m512i = std::mem::transmute(_mm512_cvtne2ps_pbh(high, low));
            _mm512_storeu_si512(out.as_mut_ptr().cast(), _mm512_permutexvar_epi16(order, both));
        }
    }
    out_rest.iter_mut().zip(a_rest).zip(b_rest).for_each(|((w, a), b)| *w = pair(*a, *b));
}

/// `out = keep·out + left·panels` for `rows` rows and `n` columns.
///
/// # Safety
/// `out` must be valid for as many rows of `n` elements, `out_stride` apart, that nothing else touches; with
/// `keep` they must be initialised.
#[expect(clippy::too_many_arguments, reason = "the sizes of one product")]
pub(super) unsafe fn multiply(
    out: *mut f32,
    out_stride: usize,
    keep: bool,
    left: &Left<'_>,
    rows: usize,
    panels: &[u32],
    n: usize,
    pairs: usize,
) {
    assert!(super::accelerated());
    assert_eq!(left.words.len(), rows * pairs, "left side of a product");
    assert_eq!(panels.len(), n.div_ceil(WIDTH) * WIDTH * pairs, "right side of a product");
    for (i, panel) in panels.chunks_exact(WIDTH * pairs).enumerate() {
        let cols = WIDTH.min(n - i * WIDTH);
        let mut row = 0;
        while row < rows {
            macro_rules! block {
                ($n:literal) => {{
                    // SAFETY: the processor has the instructions; the words of rows `row..row + n` are
                    // inside `left` by the assert on its length, and the caller vouches for `cols`
                    // elements of these rows of the output.
                    unsafe {
                        let out = out.add(row * out_stride + i * WIDTH);
                        block::<$n>(out, out_stride, cols, keep, left, row, panel);
                    }
                    row += $n;
                }};
            }
            match rows - row {
                ROWS.. => block!(12),
                6.. => block!(6),
                4.. => block!(4),
                2.. => block!(2),
                _ => block!(1),
            }
        }
    }
}

/// `R` rows of the product, from row `first` of `left`, and the first `cols` columns of a panel.
///
/// # Safety
/// Needs AVX-512 BF16, rows `first..first + R` inside `left`, and an `out` as that of [`multiply`].
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn block<const R: usize>(
    out: *mut f32,
    out_stride: usize,
    cols: usize,
    keep: bool,
    left: &Left<'_>,
    first: usize,
    panel: &[u32],
) {
    let mut sums = [[_mm512_setzero_ps(); 2]; R];
    let words = left.words[first * left.row_stride..].as_ptr();
    for (p, weights) in panel.as_chunks::<WIDTH>().0.iter().enumerate() {
        // SAFETY: 32 words are read from a chunk of 32; the caller vouches for the left side.
        unsafe {
            let half = |n: usize| {
                let words = _mm512_loadu_si512(weights.as_ptr().add(16 * n).cast());
                std::mem::transmute::<__m512i, __m512bh>(words)
            };
            let w = [half(0), half(1)];
            for (r, sums) in sums.iter_mut().enumerate() {
                let x = *words.add(r * left.row_stride + p * left.pair_stride);
                let x = std::mem::transmute::<__m512i, __m512bh>(_mm512_set1_epi32(x.cast_signed()));
                sums[0] = _mm512_dpbf16_ps(sums[0], x, w[0]);
                sums[1] = _mm512_dpbf16_ps(sums[1], x, w[1]);
            }
        }
    }
    let mask = (1u64 << cols) - 1;
    for (r, sums) in sums.iter().enumerate() {
        for (n, sum) in sums.iter().enumerate() {
            let mask = (mask >> (16 * n)) as __mmask16;
            // SAFETY: the mask leaves out what is beyond `cols`.
            unsafe {
                let to = out.add(r * out_stride).wrapping_add(16 * n);
                let sum = if keep { _mm512_add_ps(_mm512_maskz_loadu_ps(mask, to), *sum) } else { *sum };
                _mm512_mask_storeu_ps(to, mask, sum);
            }
        }
    }
}
