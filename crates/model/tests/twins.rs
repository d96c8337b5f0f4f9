//! Every fused operation against its plain twin: forward and gradient.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use eyas_core::Seed;
use eyas_model::ops::{self, HeadOptions, Mlp, Precision, Rope, Segments, plain};

fn random(rows: usize, cols: usize, seed: u64) -> Tensor<2> {
    let mut rng = Seed::new(seed).rng();
    let data: Vec<f32> = (0..rows * cols).map(|_| rng.normal() as f32).collect();
    Tensor::<2>::from_data(TensorData::new(data, [rows, cols]), &Device::flex().autodiff()).require_grad()
}

fn vec(t: Tensor<2>) -> Vec<f32> {
    t.into_data().try_into_vec::<f32>().unwrap()
}

fn close(a: &[f32], b: &[f32], tolerance: f32, what: &str) {
    assert_eq!(a.len(), b.len(), "{what}");
    let scale = b.iter().fold(1f32, |m, v| m.max(v.abs()));
    let worst = a.iter().zip(b).map(|(x, y)| (x - y).abs()).fold(0f32, f32::max);
    assert!(worst <= tolerance * scale, "{what}: {worst} of {scale}");
}

/// Runs both versions on the same inputs and compares outputs (1e-5) and gradients (1e-4).
fn compare<const N: usize>(
    name: &str,
    inputs: [Tensor<2>; N],
    fused: impl Fn([Tensor<2>; N]) -> Tensor<2>,
    plain: impl Fn([Tensor<2>; N]) -> Tensor<2>,
) {
    let (a, b) = (fused(inputs.clone()), plain(inputs.clone()));
    close(&vec(a.clone()), &vec(b.clone()), 1e-5, name);
    let [rows, cols] = a.dims();
    let weights = random(rows, cols, 99).detach();
    let (ga, gb) = ((a * weights.clone()).sum().backward(), (b * weights).sum().backward());
    for (i, input) in inputs.iter().enumerate() {
        close(
            &vec(input.grad(&ga).unwrap()),
            &vec(input.grad(&gb).unwrap()),
            1e-4,
            &format!("{name}: gradient {i}"),
        );
    }
}

#[test]
fn linear() {
    for rows in [1, 7, 300] {
        compare(
            "linear",
            [random(rows, 24, 1), random(40, 24, 2), random(1, 40, 3)],
            |[x, w, b]| ops::linear(x, w, Some(b), Precision::F32),
            |[x, w, b]| plain::linear(x, w, Some(b)),
        );
        compare(
            "linear without bias",
            [random(rows, 24, 1), random(40, 24, 2)],
            |[x, w]| ops::linear(x, w, None, Precision::F32),
            |[x, w]| plain::linear(x, w, None),
        );
    }
}

#[test]
fn rms_norm_and_maps() {
    for rows in [1, 5, 300] {
        compare(
            "rms_norm",
            [random(rows, 24, 1), random(1, 24, 2)],
            |[x, w]| ops::rms_norm(x, w, 1e-6),
            |[x, w]| plain::rms_norm(x, w, 1e-6),
        );
        let maps = |[x, a, b, c, d, e, f]: [Tensor<2>; 7]| (x, [(a, b), (c, d), (e, f)]);
        let one = |n: u64, cols: usize| [random(cols, 24, n), random(1, cols, n + 1)];
        let [[a, b], [c, d], [e, f]] = [one(2, 32), one(4, 8), one(6, 16)];
        compare(
            "joined_linear",
            [random(rows, 24, 1), a, b, c, d, e, f],
            |inputs| {
                let (x, maps) = maps(inputs);
                ops::joined_linear(x, maps, Precision::F32)
            },
            |inputs| {
                let (x, maps) = maps(inputs);
                plain::joined_linear(x, maps)
            },
        );
        let bare = |[x, g, u, d]: [Tensor<2>; 4]| (x, Mlp { weights: [g, u, d], biases: None });
        compare(
            "gated_mlp",
            [random(rows, 24, 1), random(33, 24, 2), random(33, 24, 3), random(24, 33, 4)],
            |inputs| {
                let (x, mlp) = bare(inputs);
                ops::gated_mlp(x, mlp, Precision::F32)
            },
            |inputs| {
                let (x, mlp) = bare(inputs);
                plain::gated_mlp(x, mlp)
            },
        );
        let biased =
            |[x, g, u, d, a, b, c]: [Tensor<2>; 7]| (x, Mlp { weights: [g, u, d], biases: Some([a, b, c]) });
        let weights = [random(33, 24, 2), random(33, 24, 3), random(24, 33, 4)];
        let [g, u, d] = weights;
        compare(
            "gated_mlp with biases",
            [random(rows, 24, 1), g, u, d, random(1, 33, 5), random(1, 33, 6), random(1, 24, 7)],
            |inputs| {
                let (x, mlp) = biased(inputs);
                ops::gated_mlp(x, mlp, Precision::F32)
            },
            |inputs| {
                let (x, mlp) = biased(inputs);
                plain::gated_mlp(x, mlp)
            },
        );
    }
}

#[test]
fn head() {
    let targets: Arc<[u32]> = (0..50u32).map(|i| i * 7 % 60).collect();
    for (temperature, forbidden) in [(1.0, vec![]), (0.7, vec![61, 62])] {
        let options = HeadOptions { temperature, forbidden: Arc::from(forbidden), precision: Precision::F32 };
        compare(
            "head",
            [random(50, 16, 1), random(64, 16, 2)],
            |[h, w]| ops::head(h, w, targets.clone(), &options),
            |[h, w]| plain::head(h, w, &targets, &options),
        );
    }
    // Too many log-probabilities to keep for the backward pass.
    let targets: Arc<[u32]> = (0..1100u32).map(|i| i * 7 % 4000).collect();
    compare(
        "large head",
        [random(1100, 4, 3), random(4000, 4, 4)],
        |[h, w]| ops::head(h, w, targets.clone(), &HeadOptions::default()),
        |[h, w]| plain::head(h, w, &targets, &HeadOptions::default()),
    );
}

fn rope(rows: usize, dim: usize) -> Rope {
    let angle = |i: usize| (i as f32 * 0.37).sin() * 3.0;
    let half = rows * dim / 2;
    Rope {
        head_dim: dim,
        cos: (0..half).map(|i| angle(i).cos()).collect(),
        sin: (0..half).map(|i| angle(i).sin()).collect(),
    }
}

#[test]
fn attention() {
    for causal in [true, false] {
        let mut segments = Segments::new(causal);
        let root = segments.push(70, None);
        let short = segments.push(5, Some(root));
        segments.push(65, Some(short));
        let other = segments.push(1, Some(root));
        segments.push(9, None);
        let (left, right) = (segments.push(3, Some(other)), segments.push(0, Some(other)));
        segments.push(4, Some(right));
        segments.push(6, Some(left));
        let segments = Arc::new(segments);
        let rope = rope(163, 8);
        compare(
            "attention",
            [random(163, 64, 1)],
            |[qkv]| ops::attention(qkv, 2, &rope, &segments),
            |[qkv]| plain::attention(qkv, 2, &rope, &segments),
        );
    }
}

#[test]
#[should_panic(expected = "cover the rows")]
fn segments_of_other_rows_are_refused() {
    let segments = Arc::new(Segments::separate(true, [5, 4]));
    ops::attention(random(8, 24, 1), 1, &rope(8, 8), &segments);
}
