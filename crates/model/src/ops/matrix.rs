//! Bounds-checked matrix products over slices, on the `gemm` crate.

use gemm::Parallelism;

/// A strided matrix inside a slice.
#[derive(Clone, Copy)]
pub(crate) struct Mat<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    pub(crate) row_stride: usize,
    pub(crate) col_stride: usize,
}

impl<'a> Mat<'a> {
    /// A dense row-major matrix.
    pub(crate) fn new(data: &'a [f32], rows: usize, cols: usize) -> Self {
        Self { data, rows, cols, row_stride: cols, col_stride: 1 }
    }

    /// Row-major with `row_stride` elements between rows.
    pub(crate) fn strided(data: &'a [f32], rows: usize, cols: usize, row_stride: usize) -> Self {
        Self { data, rows, cols, row_stride, col_stride: 1 }
    }

    /// The transpose, without moving anything.
    pub(crate) fn t(self) -> Self {
        Self {
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
            ..self
        }
    }

    fn last(&self) -> Option<usize> {
        (self.rows > 0 && self.cols > 0)
            .then(|| (self.rows - 1) * self.row_stride + (self.cols - 1) * self.col_stride)
    }
}

/// `out = keep·out + a·b`, where `out` is row-major with `out_stride` elements between rows.
///
/// The split over threads never splits the inner dimension, so the result does not depend on them.
pub(crate) fn matmul(out: &mut [f32], out_stride: usize, keep: bool, a: Mat<'_>, b: Mat<'_>, threads: bool) {
    assert_eq!(a.cols, b.rows, "inner dimensions of a product");
    let (m, n, k) = (a.rows, b.cols, a.cols);
    if m == 0 || n == 0 {
        return;
    }
    assert!(n <= out_stride && (m - 1) * out_stride + n <= out.len(), "output of a product");
    if k == 0 {
        if !keep {
            (0..m).for_each(|row| out[row * out_stride..row * out_stride + n].fill(0.0));
        }
        return;
    }
    assert!(a.last().is_some_and(|i| i < a.data.len()), "left side of a product");
    assert!(b.last().is_some_and(|i| i < b.data.len()), "right side of a product");
    // Below this size the cost of waking threads exceeds the gain.
    let parallel = threads && m * n * k >= 1 << 22;
    // SAFETY: the asserts above keep every access of the three strided matrices inside its slice;
    // `out` is borrowed mutably, so it aliases neither input.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            out_stride as isize,
            keep,
            a.data.as_ptr(),
            a.col_stride as isize,
            a.row_stride as isize,
            b.data.as_ptr(),
            b.col_stride as isize,
            b.row_stride as isize,
            1.0f32,
            1.0f32,
            false,
            false,
            false,
            if parallel { Parallelism::Rayon(0) } else { Parallelism::None },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_by_hand() {
        let a = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let b = [1.0, 0.0, 2.0, 1.0, 0.0, 3.0];
        let mut out = [10.0f32; 4];
        matmul(&mut out, 2, false, Mat::new(&a, 2, 3), Mat::new(&b, 3, 2), false);
        assert_eq!(out, [5.0, 11.0, 14.0, 23.0]);
        matmul(&mut out, 2, true, Mat::new(&a, 3, 2).t(), Mat::new(&b, 3, 2), false);
        // aᵀ = [[1,3,5],[2,4,6]]
        assert_eq!(out, [5.0 + 7.0, 11.0 + 18.0, 14.0 + 10.0, 23.0 + 22.0]);
    }

    #[test]
    #[should_panic(expected = "left side")]
    fn short_inputs_are_caught() {
        matmul(&mut [0.0; 4], 2, false, Mat::new(&[1.0; 5], 2, 3), Mat::new(&[1.0; 6], 3, 2), false);
    }
}
