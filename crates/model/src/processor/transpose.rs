//! Squares of 16 × 16 bytes turned over, so that pixels side by side come to lie below each other.

/// Bytes that are handled as one register.
pub(super) type Lane = [u8; LANE];
/// Bytes of a [`Lane`].
pub(super) const LANE: usize = 16;

/// Byte `j` of lane `i` becomes byte `i` of lane `j`.
///
/// Putting the bytes of lanes `i` and `i + 8` in turns into the lanes `2i` and `2i + 1` moves each byte's
/// number of 8 bits, lane and place in it, by one bit to the left and round; four times swaps the halves.
#[inline(always)]
pub(super) fn transpose(square: &mut [Lane; LANE]) {
    #[cfg(target_arch = "x86_64")]
    sse2(square);
    #[cfg(not(target_arch = "x86_64"))]
    plain(square);
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn sse2(square: &mut [Lane; LANE]) {
    use std::arch::x86_64::{__m128i, _mm_unpackhi_epi8, _mm_unpacklo_epi8};

    let mut lanes: [__m128i; LANE] = pulp::cast(*square);
    for _ in 0..4 {
        let from = lanes;
        for i in 0..LANE / 2 {
            // SAFETY: every x86-64 processor has SSE2.
            unsafe {
                lanes[2 * i] = _mm_unpacklo_epi8(from[i], from[i + LANE / 2]);
                lanes[2 * i + 1] = _mm_unpackhi_epi8(from[i], from[i + LANE / 2]);
            }
        }
    }
    *square = pulp::cast(lanes);
}

#[cfg(any(test, not(target_arch = "x86_64")))]
fn plain(square: &mut [Lane; LANE]) {
    let from = *square;
    for (j, lane) in square.iter_mut().enumerate() {
        for (i, byte) in lane.iter_mut().enumerate() {
            *byte = from[i][j];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_columns() {
        let square: [Lane; LANE] = std::array::from_fn(|i| std::array::from_fn(|j| (16 * i + j) as u8));
        let mut turned = square;
        transpose(&mut turned);
        for i in 0..LANE {
            for j in 0..LANE {
                assert_eq!(turned[j][i], square[i][j], "row {i}, column {j}");
            }
        }
        let mut expected = square;
        plain(&mut expected);
        assert_eq!(turned, expected);
    }
}
