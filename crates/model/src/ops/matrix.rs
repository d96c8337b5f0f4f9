//! Bounds-checked matrix products over slices, on the `gemm` crate.

use std::ops::Range;

use gemm::Parallelism;

use super::Precision;

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

    /// Some of its rows.
    pub(crate) fn rows(self, rows: Range<usize>) -> Self {
        assert!(rows.start <= rows.end && rows.end <= self.rows, "rows of a matrix");
        let data = self.data.get(rows.start * self.row_stride..).unwrap_or(&[]);
        Self { data, rows: rows.len(), ..self }
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
    check_output(out.len(), out_stride, a.rows, b.cols);
    // SAFETY: the rows and columns of the product are inside `out` by the check; it is borrowed mutably, so it
    // aliases neither side.
    unsafe { matmul_into(out.as_mut_ptr(), out_stride, keep, a, b, threads) }
}

/// Panics unless `m` rows of `n` columns fit.
pub(super) fn check_output(len: usize, stride: usize, m: usize, n: usize) {
    assert!(m == 0 || n == 0 || (n <= stride && (m - 1) * stride + n <= len), "output of a product");
}

/// [`matmul`] to where `out` points. With `keep` unset the output is written and never read, so it need not be
/// initialised.
///
/// # Safety
/// `out` must be valid for `a.rows` rows of `b.cols` elements, `out_stride` apart, that nothing else touches;
/// with `keep` they must be initialised.
pub(super) unsafe fn matmul_into(
    out: *mut f32,
    out_stride: usize,
    keep: bool,
    a: Mat<'_>,
    b: Mat<'_>,
    threads: bool,
) {
    assert_eq!(a.cols, b.rows, "inner dimensions of a product");
    let (m, n, k) = (a.rows, b.cols, a.cols);
    if m == 0 || n == 0 {
        return;
    }
    if k == 0 {
        if !keep {
            // SAFETY: whole rows of the output, as the caller vouches.
            (0..m).for_each(|row| unsafe { out.add(row * out_stride).write_bytes(0, n) });
        }
        return;
    }
    assert!(a.last().is_some_and(|i| i < a.data.len()), "left side of a product");
    assert!(b.last().is_some_and(|i| i < b.data.len()), "right side of a product");
    // Below this size the cost of waking threads exceeds the gain.
    let parallel = threads && m * n * k >= 1 << 22;
    // SAFETY: the asserts above keep every access of the two sides inside their slices, the caller vouches for
    // the output; without `keep` it is not read.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out,
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

/// A matrix that products fill from left to right, without being zeroed first.
pub(crate) struct Fresh {
    data: Vec<f32>,
    rows: usize,
    cols: usize,
    written: usize,
}

impl Fresh {
    pub(crate) fn new(rows: usize, cols: usize) -> Self {
        Self { data: Vec::with_capacity(rows * cols), rows, cols, written: 0 }
    }

    /// The next `b.cols` columns are `a·b`.
    pub(crate) fn product(&mut self, precision: Precision, a: Mat<'_>, b: Mat<'_>) {
        assert!(a.rows == self.rows && self.written + b.cols <= self.cols, "columns of a product");
        // SAFETY: these columns of all rows are inside the reserved memory, which is this matrix' own.
        unsafe { precision.matmul_into(self.data.as_mut_ptr().add(self.written), self.cols, false, a, b) };
        self.written += b.cols;
    }

    /// The matrix, row-major.
    pub(crate) fn finish(mut self) -> Vec<f32> {
        assert!(self.written == self.cols || self.rows == 0, "every column is written");
        // SAFETY: all rows and columns have been written.
        unsafe { self.data.set_len(self.rows * self.cols) };
        self.data
    }
}

/// `a·b`, row-major and dense.
pub(crate) fn product(precision: Precision, a: Mat<'_>, b: Mat<'_>) -> Vec<f32> {
    let mut fresh = Fresh::new(a.rows, b.cols);
    fresh.product(precision, a, b);
    fresh.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use eyas_core::Seed;

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
    fn columns_are_filled_from_left_to_right() {
        let (a, b) = ([1.0, 2.0, 3.0, 4.0], [1.0, 0.0, 0.0, 1.0]);
        let (a, b) = (Mat::new(&a, 2, 2), Mat::new(&b, 2, 2));
        for precision in [Precision::F32, Precision::Bf16] {
            let mut fresh = Fresh::new(2, 3);
            fresh.product(precision, a, Mat::new(&[1.0, 1.0], 2, 1));
            fresh.product(precision, a, b);
            assert_eq!(fresh.finish(), [3.0, 1.0, 2.0, 7.0, 3.0, 4.0]);
            // No inner dimension: zeros.
            assert_eq!(product(precision, Mat::new(&[], 2, 0), Mat::new(&[], 0, 2)), [0.0; 4]);
        }
    }

    #[test]
    #[should_panic(expected = "every column")]
    fn a_matrix_that_is_not_full_is_caught() {
        Fresh::new(2, 3).finish();
    }

    #[test]
    #[should_panic(expected = "left side")]
    fn short_inputs_are_caught() {
        matmul(&mut [0.0; 4], 2, false, Mat::new(&[1.0; 5], 2, 3), Mat::new(&[1.0; 6], 3, 2), false);
    }

    /// Memory that was never written may hold anything: what is there must not reach the product, whichever of
    /// its kernels (vector, small, packed, threads) the `gemm` crate takes.
    #[test]
    fn what_was_in_the_output_before_is_never_read() {
        let mut rng = Seed::new(7).rng();
        for [m, n, k] in [
            [1, 1, 1],
            [1, 64, 33],
            [64, 1, 33],
            [3, 5, 7],
            [16, 16, 16],
            [17, 31, 64],
            [100, 200, 3],
            [129, 65, 300],
            [256, 260, 257],
        ] {
            let mut random = |n: usize| (0..n).map(|_| rng.below(9) as f32 - 4.0).collect::<Vec<_>>();
            let (a, b) = (random(m * k), random(k * n));
            // Whole numbers: exact in any order, and in bfloat16.
            let want: Vec<f32> =
                (0..m * n).map(|i| (0..k).map(|j| a[i / n * k + j] * b[j * n + i % n]).sum()).collect();
            let (mut across_a, mut across_b) = (vec![0.0; m * k], vec![0.0; k * n]);
            (0..m * k).for_each(|i| across_a[i % k * m + i / k] = a[i]);
            (0..k * n).for_each(|i| across_b[i % n * k + i / n] = b[i]);
            for left in [Mat::new(&a, m, k), Mat::new(&across_a, k, m).t()] {
                for right in [Mat::new(&b, k, n), Mat::new(&across_b, n, k).t()] {
                    for precision in [Precision::F32, Precision::Bf16] {
                        // A stride above the width: what lies between the rows is left alone.
                        let stride = n + 2;
                        let mut out = vec![f32::NAN; m * stride];
                        precision.matmul(&mut out, stride, false, left, right);
                        for (row, want) in out.chunks(stride).zip(want.chunks(n)) {
                            assert_eq!(&row[..n], want, "{m}x{n}x{k} {precision:?}");
                            assert!(row[n..].iter().all(|x| x.is_nan()), "{m}x{n}x{k} {precision:?}");
                        }
                    }
                }
            }
        }
    }
}
