//! Processors other than x86-64 have no product of pairs; rounding is that of the `half` crate.

use super::pack::{Left, pair};

pub(super) fn pairs(words: &mut [u32], row: &[f32]) {
    for (w, v) in words.iter_mut().zip(row.chunks(2)) {
        *w = pair(v[0], v.get(1).copied().unwrap_or(0.0));
    }
}

pub(super) fn interleave(words: &mut [u32], first: &[f32], second: &[f32]) {
    words.iter_mut().zip(first).zip(second).for_each(|((w, a), b)| *w = pair(*a, *b));
}

#[expect(clippy::too_many_arguments, reason = "the sizes of one product")]
pub(super) unsafe fn multiply(
    _: *mut f32,
    _: usize,
    _: bool,
    _: &Left<'_>,
    _: usize,
    _: &[u32],
    _: usize,
    _: usize,
) {
    unreachable!("only called where `accelerated` is true")
}
