//! Parity with `transformers` on small random weights: visual tokens, positions, logits, gradients;
//! and of the ways to compute the same scores with each other.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::sync::Arc;

use burn::tensor::Device;
use common::{Fixture, close, policy_case};
use eyas_core::{TokenKind, Trajectory};
use eyas_model::arch::{Params, Positions, TextModel, VisionBatch, VisionModel, text_rope};
use eyas_model::ops::{Segments, attention, linear};
use eyas_model::{
    Decoder, Feed, PolicyError, Precision, ScoreOptions, Scored, Targets, Upstream, packed_tokens,
};

/// Visual tokens, positions and logits of every case of both variants.
#[test]
fn logits_match_transformers() {
    let device = Device::flex();
    for variant in ["untied", "tied"] {
        let f = Fixture::load(variant);
        let params = Params::new(&f.config.tensor_shapes(), f.values.clone());
        let (text, vision) = (
            TextModel::new(&f.config, &params).unwrap(),
            VisionModel::new(&f.config.vision, &params).unwrap(),
        );
        let w = params.tensors(&device);
        for n in 0..5 {
            let case = f.case(n);
            let what = format!("{variant} case {n}");
            let merge = f.config.vision.spatial_merge_size;
            let mut positions = Positions::default();
            let mut visual = vec![None; case.ids.len()];
            let (mut at, mut row, mut image) = (0, 0, 0);
            while at < case.ids.len() {
                if case.ids[at] == f.config.image_token_id {
                    let (h, wd) = (case.grids[image][1] / merge, case.grids[image][2] / merge);
                    positions.image(h, wd);
                    for _ in 0..h * wd {
                        visual[at] = Some(row);
                        (at, row) = (at + 1, row + 1);
                    }
                    image += 1;
                } else {
                    positions.text(1);
                    at += 1;
                }
            }
            let expected = f.ints(&format!("case{n}.position_ids")).unwrap();
            let len = case.ids.len();
            let got: Vec<i64> =
                (0..3).flat_map(|axis| positions.rows().iter().map(move |p| i64::from(p[axis]))).collect();
            assert_eq!(got, expected[expected.len() - 3 * len..], "{what}: positions");

            let features = (!case.patches.is_empty()).then(|| {
                let batch = VisionBatch::new(&f.config.vision, &case.patches.iter().collect::<Vec<_>>());
                let features = vision.forward(&w, &batch, &device);
                let got = features.clone().into_data().try_into_vec::<f32>().unwrap();
                close(&got, &f.floats(&format!("case{n}.vision")), 1e-4, &format!("{what}: vision"));
                features
            });
            let x = text.embed(&w, &case.ids, &visual, features);
            let rope = text_rope(&f.config.text, positions.rows());
            let segments = Arc::new(Segments::separate(true, [len]));
            let logits = |rows: &[i64]| {
                let mix = |_, qkv| attention(qkv, text.kv_heads(), &rope, &segments);
                let hidden = text.forward(&w, x.clone(), rows, mix);
                let logits = linear(hidden, text.head_weight(&w), None, Precision::F32);
                logits.into_data().try_into_vec::<f32>().unwrap()
            };
            let expected = f.floats(&format!("case{n}.logits"));
            let all: Vec<i64> = (0..len as i64).collect();
            close(&logits(&all), &expected, 1e-4, &format!("{what}: logits"));
            // Of some rows, in any order, it gives those.
            let vocab = expected.len() / len;
            let some = [len - 1, 0, len / 2];
            let of_some: Vec<f32> =
                some.iter().flat_map(|row| &expected[row * vocab..][..vocab]).copied().collect();
            close(&logits(&some.map(|row| row as i64)), &of_some, 1e-4, &format!("{what}: logits of some"));
        }
    }
}

/// The gradient of the mean negative log-likelihood of the last five tokens, for every parameter.
#[test]
fn gradients_match_transformers() {
    for (variant, n) in [("untied", 3), ("tied", 1)] {
        let f = Fixture::load(variant);
        let (mut policy, trajectory, store) = policy_case(&f, n);
        let scored = policy
            .accumulate(&[vec![&trajectory]], &store, &ScoreOptions::default(), |scored| {
                let n = scored.logprobs.len();
                Ok::<_, PolicyError>(Upstream {
                    d_logprobs: vec![-1.0 / n as f32; n],
                    d_entropies: vec![],
                    ..Upstream::default()
                })
            })
            .unwrap();
        let loss = -scored.logprobs.iter().sum::<f32>() / 5.0;
        assert!((loss - f.floats(&format!("case{n}.loss"))[0]).abs() < 1e-4);
        let mut checked = 0;
        for (name, gradient) in policy.gradients() {
            let expected = f.floats(&format!("case{n}.grad.{name}"));
            assert_eq!(gradient.len(), expected.len(), "{variant} {name}");
            // Relative to the tensor's largest entry.
            let scale = expected.iter().fold(0f32, |m, v| m.max(v.abs()));
            let worst = gradient.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max);
            assert!(worst <= 1e-3 * scale.max(1e-6), "{variant} {name}: {worst} of {scale}");
            checked += 1;
        }
        assert_eq!(checked, f.values.len());
    }
}

/// Scoring what members begin with once equals scoring each member apart, values and gradients: members that
/// differ from the first token of their answer on, later, in a second turn, or not at all.
#[test]
fn shared_beginnings_equal_separate_sequences() {
    let f = Fixture::load("untied");
    let (mut policy, base, store) = policy_case(&f, 3);
    let member = |answer: &[u32]| {
        let mut t = Trajectory::new(f.config.image_token_id);
        let (mut at, given) = (0, base.len() - 5);
        while at < given {
            match base.images().iter().find(|s| s.start == at) {
                Some(span) => {
                    t.push_image(span.id, span.len, 0).unwrap();
                    at += span.len;
                }
                None => {
                    t.push_text(&base.ids()[at..at + 1], 0).unwrap();
                    at += 1;
                }
            }
        }
        t.push_sampled(answer, &vec![TokenKind::Answer; answer.len()], &vec![-1.0; answer.len()], 0).unwrap();
        t
    };
    let second_turn = |mut t: Trajectory, answer: &[u32]| {
        let image = t.images()[0].clone();
        t.push_text(&[11, 12], 1).unwrap();
        t.push_image(image.id, image.len, 1).unwrap();
        t.push_text(&[13], 1).unwrap();
        t.push_sampled(answer, &vec![TokenKind::Answer; answer.len()], &vec![-1.0; answer.len()], 1).unwrap();
        t.push_text(&[14, 15], 1).unwrap();
        t
    };
    let members = [
        member(&[7, 8, 9]),
        second_turn(member(&[7, 8, 9]), &[20, 21]),
        member(&[7, 30]),
        member(&[40, 41, 42, 43, 44, 45]),
        member(&[7, 8, 9]),
        second_turn(member(&[7, 8, 9]), &[20, 22, 23]),
        second_turn(member(&[7, 30]), &[20, 21]),
    ];
    let tokens = members.iter().map(Trajectory::len).sum::<usize>();
    assert!(packed_tokens(&members.iter().collect::<Vec<_>>()) * 2 < tokens);
    let together = vec![members.iter().collect::<Vec<_>>()];
    let apart: Vec<Vec<&Trajectory>> = members.iter().map(|m| vec![m]).collect();
    let mut run = |groups: &[Vec<&Trajectory>]| {
        let scored = policy
            .accumulate(groups, &store, &ScoreOptions::default(), |s| {
                let d: Vec<f32> = (0..s.logprobs.len()).map(|i| 0.3 - 0.1 * i as f32).collect();
                let e: Vec<f32> = (0..s.logprobs.len()).map(|i| 0.05 * i as f32).collect();
                Ok::<_, PolicyError>(Upstream { d_logprobs: d, d_entropies: e, ..Upstream::default() })
            })
            .unwrap();
        let gradients: Vec<Vec<f32>> = policy.gradients().iter().map(|(_, g)| g.to_vec()).collect();
        // An update by a learning rate of 0 clears the gradients and changes no weight.
        policy.apply(&eyas_model::AdamW { lr: 0.0, ..Default::default() });
        (scored, gradients)
    };
    let (a, b) = (run(&together), run(&apart));
    close(&a.0.logprobs, &b.0.logprobs, 1e-5, "log-probs");
    close(&a.0.entropies, &b.0.entropies, 1e-5, "entropies");
    let places = |s: &Scored, apart: bool| -> Vec<(usize, usize)> {
        s.origins.iter().map(|o| (if apart { o.group } else { o.member }, o.token)).collect()
    };
    assert_eq!(places(&a.0, false), places(&b.0, true));
    for (x, y) in a.1.iter().zip(&b.1) {
        close(x, y, 1e-4, "gradients");
    }
}

/// Decoding with a cache, forked, in pieces, gives the log-probs of scoring.
#[test]
fn cached_decoding_equals_scoring() {
    let f = Fixture::load("untied");
    let (policy, trajectory, store) = policy_case(&f, 3);
    let options = ScoreOptions { targets: Targets::All, ..ScoreOptions::default() };
    let scored = policy.score(&[vec![&trajectory]], &store, &options).unwrap();
    let features = policy.encode(trajectory.images().iter().map(|s| s.id), &store).unwrap();
    let mut decoder = Decoder::new(&policy);
    let mut sequence = decoder.open();
    let (mut at, mut image, mut checked) = (0, 0, 0);
    while at < trajectory.len() {
        let (feed, n) = match trajectory.images().get(image).filter(|s| s.start == at) {
            Some(span) => {
                image += 1;
                (Feed::Image(features[&span.id].clone()), span.len)
            }
            None => (Feed::Text(vec![trajectory.ids()[at]]), 1),
        };
        let logits = decoder.extend(&[(sequence, vec![feed])]).unwrap();
        at += n;
        if let Some(i) = scored.origins.iter().position(|o| o.token == at) {
            let lse = logits.iter().map(|l| f64::from(*l).exp()).sum::<f64>().ln();
            let logprob = f64::from(logits[trajectory.ids()[at] as usize]) - lse;
            assert!((logprob - f64::from(scored.logprobs[i])).abs() < 1e-4, "token {at}");
            checked += 1;
        }
        if at == 5 || at == 20 {
            let forks = decoder.fork(sequence, 2).unwrap();
            decoder.close(forks[0]).unwrap();
            sequence = forks[1];
        }
    }
    assert!(checked > 15);
}
