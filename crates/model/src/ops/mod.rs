//! The operations of the model: fused ones on the CPU backend, plain ones everywhere else.
//!
//! The functions here choose by device; both sides compute the same thing.

pub(crate) mod attend_row;
mod attention;
pub(crate) mod bf16;
mod head;
mod host;
mod linear;
mod matrix;
mod norm;
pub(crate) mod panel;
mod peak;
pub mod plain;
mod precision;
pub(crate) mod simd;
mod swiglu;

pub use attention::{Family, Rope, Segments};
pub use head::HeadOptions;
pub use peak::matmul_peak_gflops;
pub use precision::Precision;
pub(crate) use precision::Weights;

use std::sync::Arc;

use burn::tensor::Tensor;

/// True when the fused host operations can run on this tensor's device.
fn on_host(x: &Tensor<2>) -> bool {
    matches!(x.device().inner().as_dispatch(), burn::backend::DispatchDevice::Flex(_))
}

/// `x·wᵀ + b`: `x [T, I]`, `w [O, I]`, `b [1, O]` -> `[T, O]`. The plain twin is always in f32.
pub fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<2>>, precision: Precision) -> Tensor<2> {
    if !on_host(&x) {
        return plain::linear(x, weight, bias);
    }
    match bias {
        Some(bias) => host::apply3(x, weight, bias, linear::Linear { precision }),
        None => host::apply2(x, weight, linear::Linear { precision }),
    }
}

/// RMSNorm over the last axis: `x [T, D]`, `weight [1, D]` -> `[T, D]`.
pub fn rms_norm(x: Tensor<2>, weight: Tensor<2>, eps: f32) -> Tensor<2> {
    if on_host(&x) { host::apply2(x, weight, norm::RmsNorm { eps }) } else { plain::rms_norm(x, weight, eps) }
}

/// `silu(gate)·up`, element-wise on `[T, I]`.
pub fn swiglu(gate: Tensor<2>, up: Tensor<2>) -> Tensor<2> {
    if on_host(&gate) { host::apply2(gate, up, swiglu::SwiGlu) } else { plain::swiglu(gate, up) }
}

/// Rotary position embedding and attention over packed sequences:
/// `q [T, heads·d]`, `k, v [T, kv_heads·d]` -> `[T, heads·d]`.
pub fn attention(
    q: Tensor<2>,
    k: Tensor<2>,
    v: Tensor<2>,
    rope: &Rope,
    segments: &Arc<Segments>,
) -> Tensor<2> {
    if on_host(&q) {
        host::apply3(q, k, v, attention::Attention { rope: rope.clone(), segments: segments.clone() })
    } else {
        plain::attention(q, k, v, rope, segments)
    }
}

/// Log-probability of each target and entropy of each distribution, without keeping the logits:
/// `hidden [N, D]`, `weight [V, D]` -> `[N, 2]` (log-prob, entropy).
pub fn head(hidden: Tensor<2>, weight: Tensor<2>, targets: Arc<[u32]>, options: &HeadOptions) -> Tensor<2> {
    if on_host(&hidden) {
        host::apply2(hidden, weight, head::Head { targets, options: options.clone() })
    } else {
        plain::head(hidden, weight, &targets, options)
    }
}
