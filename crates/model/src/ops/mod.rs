//! The operations of the model: fused ones on the CPU backend, plain ones everywhere else.
//!
//! The functions here choose by device; both sides compute the same thing.

pub(crate) mod attend;
mod attention;
pub(crate) mod bf16;
mod head;
mod host;
pub(crate) mod key_values;
mod linear;
mod matrix;
mod mlp;
mod norm;
pub(crate) mod panel;
mod peak;
pub mod plain;
mod precision;
mod segments;
pub(crate) mod simd;

pub use attention::Rope;
pub use head::HeadOptions;
pub use peak::matmul_peak_gflops;
pub use precision::Precision;
pub(crate) use precision::Weights;
pub use segments::Segments;

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

/// Three affine maps of one input, their outputs side by side: `x [T, I]`, weights `[O, I]` with biases
/// `[1, O]` -> `[T, ΣO]`.
pub fn joined_linear(x: Tensor<2>, maps: [(Tensor<2>, Tensor<2>); 3], precision: Precision) -> Tensor<2> {
    if !on_host(&x) {
        return plain::joined_linear(x, maps);
    }
    let [(a, b), (c, d), (e, f)] = maps;
    host::apply7([x, a, b, c, d, e, f], linear::Joined { precision })
}

/// The parameters of a gated MLP, `gate` and `up` `[I, D]`, `down` `[D, I]`.
#[derive(Clone, Debug)]
pub struct Mlp {
    /// Weights of gate, up and down.
    pub weights: [Tensor<2>; 3],
    /// Their biases, each one row.
    pub biases: Option<[Tensor<2>; 3]>,
}

/// `(silu(gate(x))·up(x))` through `down`: `x [T, D]` -> `[T, D]`.
pub fn gated_mlp(x: Tensor<2>, mlp: Mlp, precision: Precision) -> Tensor<2> {
    if !on_host(&x) {
        return plain::gated_mlp(x, mlp);
    }
    let op = mlp::GatedMlp { precision };
    let [gate, up, down] = mlp.weights;
    match mlp.biases {
        Some([a, b, c]) => host::apply7([x, gate, up, down, a, b, c], op),
        None => host::apply4([x, gate, up, down], op),
    }
}

/// Rotary position embedding and attention over packed sequences: queries, keys and values side by side,
/// `qkv [T, (heads + 2·kv_heads)·d]` -> `[T, heads·d]`.
pub fn attention(qkv: Tensor<2>, kv_heads: usize, rope: &Rope, segments: &Arc<Segments>) -> Tensor<2> {
    if on_host(&qkv) {
        let op = attention::Attention { kv_heads, rope: rope.clone(), segments: segments.clone() };
        host::apply1(qkv, op)
    } else {
        plain::attention(qkv, kv_heads, rope, segments)
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
