//! The plain twins of the fused operations, in the tensor library's own differentiable operations.
//!
//! They run on any device and are the reference the fused ones are tested against.

use burn::tensor::activation::{log_softmax, silu, softmax};
use burn::tensor::{Int, Tensor, TensorData};

use super::{HeadOptions, Mlp, Rope, Segments};

/// See [`super::linear`].
pub fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<2>>) -> Tensor<2> {
    let y = x.matmul(weight.transpose());
    match bias {
        Some(bias) => y + bias,
        None => y,
    }
}

/// See [`super::rms_norm`].
pub fn rms_norm(x: Tensor<2>, weight: Tensor<2>, eps: f32) -> Tensor<2> {
    let mean_square = (x.clone() * x.clone()).mean_dim(1);
    x / (mean_square + eps).sqrt() * weight
}

/// See [`super::joined_linear`].
pub fn joined_linear(x: Tensor<2>, maps: [(Tensor<2>, Tensor<2>); 3]) -> Tensor<2> {
    Tensor::cat(maps.map(|(weight, bias)| linear(x.clone(), weight, Some(bias))).to_vec(), 1)
}

/// See [`super::gated_mlp`].
pub fn gated_mlp(x: Tensor<2>, mlp: Mlp) -> Tensor<2> {
    let [gate, up, down] = mlp.weights;
    let [a, b, c] = match mlp.biases {
        Some(biases) => biases.map(Some),
        None => [None, None, None],
    };
    linear(silu(linear(x.clone(), gate, a)) * linear(x, up, b), down, c)
}

/// See [`super::head`].
pub fn head(hidden: Tensor<2>, weight: Tensor<2>, targets: &[u32], options: &HeadOptions) -> Tensor<2> {
    let device = hidden.device();
    let [rows, _] = hidden.dims();
    let [vocab, _] = weight.dims();
    let mut logits = hidden.matmul(weight.transpose()) / options.temperature;
    if !options.forbidden.is_empty() {
        // A large finite number instead of −∞ keeps 0·∞ out of the entropy.
        let mut mask = vec![0f32; vocab];
        options.forbidden.iter().for_each(|&id| mask[id as usize] = -1e30);
        logits = logits + Tensor::<2>::from_data(TensorData::new(mask, [1, vocab]), &device);
    }
    let logprobs = log_softmax(logits, 1);
    let index: Vec<i64> = targets.iter().map(|&t| i64::from(t)).collect();
    let index = Tensor::<2, Int>::from_data(TensorData::new(index, [rows, 1]), &device);
    let chosen = logprobs.clone().gather(1, index);
    let entropy = -(logprobs.clone().exp() * logprobs).sum_dim(1);
    Tensor::cat(vec![chosen, entropy], 1)
}

/// See [`super::attention`].
pub fn attention(qkv: Tensor<2>, kv_heads: usize, rope: &Rope, segments: &Segments) -> Tensor<2> {
    let dim = rope.head_dim;
    let [rows, cols] = qkv.dims();
    let kv_cols = kv_heads * dim;
    let q_cols = cols - 2 * kv_cols;
    let heads = q_cols / dim;
    let part = |start, len| qkv.clone().narrow(1, start, len);
    let (q, k, v) = (part(0, q_cols), part(q_cols, kv_cols), part(q_cols + kv_cols, kv_cols));
    let (q, k) = (rotate(q, rope, heads), rotate(k, rope, kv_heads));
    let v = v.reshape([rows, kv_heads, dim]);
    let mask = mask(rows, segments);
    let mask = Tensor::<2>::from_data(TensorData::new(mask, [rows, rows]), &q.device());
    let outputs = (0..heads)
        .map(|head| {
            let of = |x: &Tensor<3>, head: usize| x.clone().narrow(1, head, 1).reshape([rows, dim]);
            let kv_head = head / (heads / kv_heads);
            let scores = of(&q, head).matmul(of(&k, kv_head).transpose()) * (dim as f32).powf(-0.5);
            softmax(scores + mask.clone(), 1).matmul(of(&v, kv_head))
        })
        .collect();
    Tensor::cat(outputs, 1)
}

fn rotate(x: Tensor<2>, rope: &Rope, heads: usize) -> Tensor<3> {
    let [rows, _] = x.dims();
    let half = rope.head_dim / 2;
    let device = x.device();
    let angles =
        |data: &[f32]| Tensor::<3>::from_data(TensorData::new(data.to_vec(), [rows, 1, half]), &device);
    let (cos, sin) = (angles(&rope.cos), angles(&rope.sin));
    let x = x.reshape([rows, heads, rope.head_dim]);
    let (a, b) = (x.clone().narrow(2, 0, half), x.narrow(2, half, half));
    Tensor::cat(vec![a.clone() * cos.clone() - b.clone() * sin.clone(), b * cos + a * sin], 2)
}

/// 0 where row attends to column, a large negative number elsewhere.
fn mask(rows: usize, segments: &Segments) -> Vec<f32> {
    let mut mask = vec![-1e30f32; rows * rows];
    for (number, own) in segments.ranges().enumerate() {
        let path = segments.path(number);
        for row in own.clone() {
            let behind = |col: &usize| segments.is_causal() && own.contains(col) && *col > row;
            let seen = path.iter().cloned().flatten().filter(|col| !behind(col));
            seen.for_each(|col| mask[row * rows + col] = 0.0);
        }
    }
    mask
}
