//! Both sides of a product as pairs of bfloat16, in the order in which the kernel reads them.

use std::cell::Cell;
use std::thread::LocalKey;

use rayon::prelude::*;

use super::super::matrix::Mat;
use super::{WIDTH, kernel};

/// Two neighbours of the inner dimension in one word, the first in the low half.
#[inline(always)]
pub(super) fn pair(first: f32, second: f32) -> u32 {
    u32::from(half::bf16::from_f32(first).to_bits()) | u32::from(half::bf16::from_f32(second).to_bits()) << 16
}

/// Panels that are filled at once, so that whole stretches of a row are read.
const PANELS_AT_ONCE: usize = 8;

/// Words that [`pack`] fills for `cols` columns.
pub(super) fn packed_words(cols: usize, depth: usize) -> usize {
    cols.div_ceil(WIDTH) * depth.div_ceil(2) * WIDTH
}

/// Rows `start..start + depth` of `b` as `panels[column / 32][pair][column % 32]`; what is beyond its columns
/// may be anything.
pub(super) fn pack(panels: &mut [u32], b: Mat<'_>, start: usize, depth: usize) {
    let words = depth.div_ceil(2) * WIDTH;
    let fill = |(i, panels): (usize, &mut [u32])| {
        let first = i * PANELS_AT_ONCE * WIDTH;
        if b.col_stride == 1 {
            pack_rows(panels, b, start, depth, first);
        } else {
            for (i, panel) in panels.chunks_exact_mut(words).enumerate() {
                pack_columns(panel, b, start, depth, first + i * WIDTH);
            }
        }
    };
    if b.cols * depth >= 1 << 16 {
        panels.par_chunks_mut(PANELS_AT_ONCE * words).enumerate().for_each(fill);
    } else {
        panels.chunks_mut(PANELS_AT_ONCE * words).enumerate().for_each(fill);
    }
}

/// Panels whose first column is `first`, of a matrix whose rows lie in one piece.
fn pack_rows(panels: &mut [u32], b: Mat<'_>, start: usize, depth: usize, first: usize) {
    let pairs = depth.div_ceil(2);
    let columns = first..b.cols.min(first + panels.len() / pairs);
    let row = |r: usize| &b.data[(start + r) * b.row_stride..][columns.clone()];
    for p in 0..pairs {
        let top = row(2 * p).chunks(WIDTH);
        let words = panels.chunks_exact_mut(pairs * WIDTH).map(|panel| &mut panel[p * WIDTH..][..WIDTH]);
        if 2 * p + 1 < depth {
            for ((words, top), bottom) in words.zip(top).zip(row(2 * p + 1).chunks(WIDTH)) {
                kernel::interleave(&mut words[..top.len()], top, bottom);
            }
        } else {
            for (words, top) in words.zip(top) {
                words.iter_mut().zip(top).for_each(|(w, v)| *w = pair(*v, 0.0));
            }
        }
    }
}

/// The panel whose first column is `first`, of any matrix.
fn pack_columns(panel: &mut [u32], b: Mat<'_>, start: usize, depth: usize, first: usize) {
    let mut column = vec![0; depth.div_ceil(2)];
    for c in 0..WIDTH.min(b.cols - first) {
        let from = (first + c) * b.col_stride;
        if b.row_stride == 1 {
            kernel::pairs(&mut column, &b.data[from + start..][..depth]);
        } else {
            let at = |r: usize| if r < depth { b.data[(start + r) * b.row_stride + from] } else { 0.0 };
            column.iter_mut().enumerate().for_each(|(p, w)| *w = pair(at(2 * p), at(2 * p + 1)));
        }
        panel.iter_mut().skip(c).step_by(WIDTH).zip(&column).for_each(|(w, v)| *w = *v);
    }
}

/// Rows of the left side, rounded, as pairs: word `(row, pair)` is at `row·row_stride + pair·pair_stride`.
pub(super) struct Left<'a> {
    pub(super) words: &'a [u32],
    pub(super) row_stride: usize,
    pub(super) pair_stride: usize,
}

impl<'a> Left<'a> {
    /// Rows `first..first + rows` and columns `start..start + depth` of `a`, kept in `words`.
    pub(super) fn convert(
        words: &'a mut [u32],
        a: Mat<'_>,
        first: usize,
        rows: usize,
        start: usize,
        depth: usize,
    ) -> Self {
        let pairs = depth.div_ceil(2);
        if a.row_stride == 1 {
            // Transposed: neighbours in memory are neighbouring rows.
            for (p, words) in words.chunks_exact_mut(rows).enumerate() {
                let column = |c: usize| &a.data[(start + c) * a.col_stride + first..][..rows];
                if 2 * p + 1 < depth {
                    kernel::interleave(words, column(2 * p), column(2 * p + 1));
                } else {
                    words.iter_mut().zip(column(2 * p)).for_each(|(w, v)| *w = pair(*v, 0.0));
                }
            }
            return Self { words, row_stride: 1, pair_stride: rows };
        }
        for (r, words) in words.chunks_exact_mut(pairs).enumerate() {
            let from = (first + r) * a.row_stride;
            if a.col_stride == 1 {
                kernel::pairs(words, &a.data[from + start..][..depth]);
            } else {
                let at = |c: usize| if c < depth { a.data[from + (start + c) * a.col_stride] } else { 0.0 };
                words.iter_mut().enumerate().for_each(|(p, w)| *w = pair(at(2 * p), at(2 * p + 1)));
            }
        }
        Self { words, row_stride: pairs, pair_stride: 1 }
    }
}

/// Memory for `len` words in `f`, of any content: what the thread had for it last time, if that is enough.
pub(super) fn with_words<T>(
    kept: &'static LocalKey<Cell<Vec<u32>>>,
    len: usize,
    f: impl FnOnce(&mut [u32]) -> T,
) -> T {
    // Taken out, since a thread that waits for its tasks may begin another product.
    let mut words = kept.take();
    if words.len() < len {
        words.resize(len, 0);
    }
    let result = f(&mut words[..len]);
    if words.len() <= KEPT_WORDS {
        kept.set(words);
    }
    result
}

/// What a thread keeps at most from one product to the next.
const KEPT_WORDS: usize = 1 << 20;

thread_local! {
    pub(super) static PANEL_WORDS: Cell<Vec<u32>> = const { Cell::new(Vec::new()) };
    pub(super) static LEFT_WORDS: Cell<Vec<u32>> = const { Cell::new(Vec::new()) };
}
