//! Weighted sums of lines of bytes: the whole arithmetic of resizing.
//!
//! With AVX2 two lines at a time are multiplied and added in one instruction. Sums of integers are exact, so
//! the plain code gives the same bytes.

use super::axis::Axis;
use super::transpose::{LANE, Lane};

/// Lines are handled in pieces of this many bytes, whose sums stay in registers.
pub(super) type Piece = [Lane; 3];

/// `out` becomes the weighted sum of the first of `lines`, one for each weight, each as long as `out`.
pub(super) fn weigh_rows(out: &mut [Piece], lines: &[Piece], weights: &[i16], axis: &Axis) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has the instructions.
        return unsafe { avx2::weigh_rows(out, lines, weights, axis) };
    }
    plain::weigh_rows(out, lines, weights, axis);
}

/// Each of `out` becomes the weighted sum of those of `columns` that the axis names.
pub(super) fn weigh_columns(out: &mut [Piece], columns: &[Piece], axis: &Axis) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has the instructions.
        return unsafe { avx2::weigh_columns(out, columns, axis) };
    }
    plain::weigh_columns(out, columns, axis);
}

mod plain {
    use super::{Axis, LANE, Piece};

    pub(super) fn weigh_rows(out: &mut [Piece], lines: &[Piece], weights: &[i16], axis: &Axis) {
        let line = out.len();
        for (index, out) in out.iter_mut().enumerate() {
            *out = weigh(&lines[index..], line, weights, axis);
        }
    }

    pub(super) fn weigh_columns(out: &mut [Piece], columns: &[Piece], axis: &Axis) {
        for (out, (start, weights)) in out.iter_mut().zip(axis.outputs()) {
            *out = weigh(&columns[start..], 1, weights, axis);
        }
    }

    /// The sum of every `line`-th piece.
    fn weigh(pieces: &[Piece], line: usize, weights: &[i16], axis: &Axis) -> Piece {
        let mut sums = [[axis.half(); LANE]; 3];
        for (piece, &weight) in pieces.iter().step_by(line).zip(weights) {
            for (sum, &level) in sums.as_flattened_mut().iter_mut().zip(piece.as_flattened()) {
                *sum += i32::from(weight) * i32::from(level);
            }
        }
        sums.map(|sums| sums.map(|sum| axis.level(sum)))
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::*;

    use super::{Axis, Lane, Piece};

    #[target_feature(enable = "avx2")]
    pub(super) fn weigh_rows(out: &mut [Piece], lines: &[Piece], weights: &[i16], axis: &Axis) {
        let line = out.len();
        for (index, out) in out.iter_mut().enumerate() {
            *out = weigh(&lines[index..], line, weights, axis);
        }
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn weigh_columns(out: &mut [Piece], columns: &[Piece], axis: &Axis) {
        for (out, (start, weights)) in out.iter_mut().zip(axis.outputs()) {
            *out = weigh(&columns[start..], 1, weights, axis);
        }
    }

    /// The sum of every `line`-th piece.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn weigh(pieces: &[Piece], line: usize, weights: &[i16], axis: &Axis) -> Piece {
        // Of each lane, the sums of the bytes 0–3 and 8–11, and of the bytes 4–7 and 12–15.
        let mut sums = [[_mm256_set1_epi32(axis.half()); 2]; 3];
        let (pairs, odd) = weights.as_chunks::<2>();
        for (pair, &[first, second]) in pairs.iter().enumerate() {
            let weights = _mm256_set1_epi32(i32::from(second) << 16 | i32::from(first) & 0xffff);
            add(&mut sums, &pieces[2 * pair * line], &pieces[(2 * pair + 1) * line], weights);
        }
        if let &[last] = odd {
            let piece = &pieces[(weights.len() - 1) * line];
            add(&mut sums, piece, piece, _mm256_set1_epi32(i32::from(last) & 0xffff));
        }
        let bits = _mm_cvtsi32_si128(axis.bits() as i32);
        sums.map(|[low, high]| {
            // Packing clamps, and puts the bytes back in order.
            let words = _mm256_packs_epi32(_mm256_sra_epi32(low, bits), _mm256_sra_epi32(high, bits));
            let halves = (_mm256_castsi256_si128(words), _mm256_extracti128_si256::<1>(words));
            pulp::cast(_mm_packus_epi16(halves.0, halves.1))
        })
    }

    /// Adds two pieces times the two weights of each word of `weights`.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn add(sums: &mut [[__m256i; 2]; 3], first: &Piece, second: &Piece, weights: __m256i) {
        for ((sums, first), second) in sums.iter_mut().zip(first).zip(second) {
            let (first, second) = (widen(first), widen(second));
            let low = _mm256_madd_epi16(_mm256_unpacklo_epi16(first, second), weights);
            let high = _mm256_madd_epi16(_mm256_unpackhi_epi16(first, second), weights);
            sums[0] = _mm256_add_epi32(sums[0], low);
            sums[1] = _mm256_add_epi32(sums[1], high);
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn widen(lane: &Lane) -> __m256i {
        _mm256_cvtepu8_epi16(pulp::cast(*lane))
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;
    use eyas_core::{Rng, Seed};

    #[test]
    fn pairs_of_lines_give_the_plain_sums() {
        if !std::arch::is_x86_feature_detected!("avx2") {
            return;
        }
        let mut rng = Seed::new(3).rng();
        for round in 0..200 {
            let (from, to) = (1 + rng.below(300), 1 + rng.below(120));
            let (axis, line) = (Axis::new(from, to), 1 + round % 4);
            // Nothing but black and white in every second round: sums go furthest beyond the levels there.
            let level = |rng: &mut Rng| match round % 2 {
                0 => rng.below(256) as u8,
                _ => [0, 255][rng.below(2)],
            };
            let mut lines = vec![[[0; LANE]; 3]; from * line];
            lines.as_flattened_mut().as_flattened_mut().iter_mut().for_each(|byte| *byte = level(&mut rng));
            let (mut fast, mut expected) = (vec![[[0; LANE]; 3]; to], vec![[[1; LANE]; 3]; to]);
            // SAFETY: asked for above.
            unsafe { avx2::weigh_columns(&mut fast, &lines, &axis) };
            plain::weigh_columns(&mut expected, &lines, &axis);
            assert_eq!(fast, expected, "columns, {from} to {to}");
            for (start, weights) in axis.outputs() {
                let (mut fast, mut expected) = (vec![[[0; LANE]; 3]; line], vec![[[1; LANE]; 3]; line]);
                // SAFETY: asked for above.
                unsafe { avx2::weigh_rows(&mut fast, &lines[start * line..], weights, &axis) };
                plain::weigh_rows(&mut expected, &lines[start * line..], weights, &axis);
                assert_eq!(fast, expected, "rows, {from} to {to}");
            }
        }
    }
}
