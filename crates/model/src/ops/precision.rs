//! In what precision matrices are multiplied.

use super::bf16::{Bf16Panels, accelerated, matmul_bf16, matmul_bf16_into, rounded};
use super::matrix::{Mat, matmul, matmul_into};
use super::panel::{Panels, Store};

/// In what precision the linear maps and the head multiply. Weights, activations between them,
/// gradients and the optimizer are f32 either way; so are attention and the norms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Everything in f32.
    #[default]
    F32,
    /// Operands rounded to bfloat16 (at most 2⁻⁹ of each value), sums in f32.
    Bf16,
}

impl Precision {
    /// Whether this machine has instructions for it. Without, bfloat16 is emulated and no
    /// faster than f32.
    pub fn accelerated(self) -> bool {
        self == Self::F32 || accelerated()
    }

    /// `out = keep·out + a·b`, over threads.
    pub(crate) fn matmul(self, out: &mut [f32], out_stride: usize, keep: bool, a: Mat<'_>, b: Mat<'_>) {
        match self {
            Self::F32 => matmul(out, out_stride, keep, a, b, true),
            Self::Bf16 => matmul_bf16(out, out_stride, keep, a, b),
        }
    }

    /// The same to where `out` points.
    ///
    /// # Safety
    /// As [`super::matrix::matmul_into`].
    pub(super) unsafe fn matmul_into(
        self,
        out: *mut f32,
        out_stride: usize,
        keep: bool,
        a: Mat<'_>,
        b: Mat<'_>,
    ) {
        // SAFETY: the caller's promise is the same.
        unsafe {
            match self {
                Self::F32 => matmul_into(out, out_stride, keep, a, b, true),
                Self::Bf16 => matmul_bf16_into(out, out_stride, keep, a, b),
            }
        }
    }
}

/// Weights for passes with few rows, in one of the precisions.
pub(crate) enum Weights {
    F32(Panels),
    Bf16(Bf16Panels),
    /// Rounded operands, f32 products: for machines without the instructions.
    Rounded(Panels),
}

impl Weights {
    /// Lays out row-major matrices `[n, inputs]`, one below the other.
    pub(crate) fn new(precision: Precision, parts: &[&[f32]], inputs: usize) -> Self {
        match precision {
            Precision::F32 => Self::F32(Panels::new(parts, inputs)),
            Precision::Bf16 if accelerated() => Self::Bf16(Bf16Panels::new(parts, inputs)),
            Precision::Bf16 => Self::Rounded(Panels::new(&[&rounded(&parts.concat())], inputs)),
        }
    }

    /// Columns of the output.
    pub(crate) fn outputs(&self) -> usize {
        match self {
            Self::F32(panels) | Self::Rounded(panels) => panels.outputs(),
            Self::Bf16(panels) => panels.outputs(),
        }
    }

    /// `x [rows, inputs]` times the transposed weights, into `out [rows, outputs]`.
    pub(crate) fn product(&self, out: &mut [f32], x: &[f32], store: Store<'_>) {
        match self {
            Self::F32(panels) => panels.product(out, x, store),
            Self::Rounded(panels) => panels.product(out, &rounded(x), store),
            Self::Bf16(panels) => {
                if let Store::Biased(bias) = store {
                    out.chunks_exact_mut(bias.len()).for_each(|row| row.copy_from_slice(bias));
                }
                panels.product(out, !matches!(store, Store::Set), x);
            }
        }
    }
}
