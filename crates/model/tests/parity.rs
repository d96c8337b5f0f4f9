//! Parity with `transformers` on small random weights: visual tokens, positions, logits, gradients.
//!
//! Fixtures are made by `scripts/fixtures/qwen2_5_vl.py`.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::Device;
use eyas_core::{Image, TokenKind, Trajectory};
use eyas_model::arch::{Params, Positions, TextModel, VisionBatch, VisionModel, text_rope};
use eyas_model::hf::{Checkpoint, Qwen25VlConfig};
use eyas_model::ops::{Segments, attention, linear};
use eyas_model::policy::Policy;
use eyas_model::processor::{ImageProcessor, Patches, ProcessorConfig};
use eyas_model::{AdamW, Decoder, Feed, ImageStore, PolicyError, Precision, ScoreOptions, Targets, Upstream};
use safetensors::SafeTensors;

fn folder(variant: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/qwen2_5_vl").join(variant)
}

struct Fixture {
    bytes: Vec<u8>,
    config: Qwen25VlConfig,
    values: BTreeMap<String, Vec<f32>>,
}

struct Case {
    ids: Vec<u32>,
    grids: Vec<[usize; 3]>,
    patches: Vec<Patches>,
}

impl Fixture {
    fn load(variant: &str) -> Self {
        let dir = folder(variant);
        let config =
            Qwen25VlConfig::from_json(&std::fs::read_to_string(dir.join("config.json")).unwrap()).unwrap();
        let values = Checkpoint::open(&dir, &config.tensor_shapes()).unwrap().read_all().unwrap();
        Self { bytes: std::fs::read(dir.join("cases.safetensors")).unwrap(), config, values }
    }

    fn floats(&self, name: &str) -> Vec<f32> {
        let file = SafeTensors::deserialize(&self.bytes).unwrap();
        let view = file.tensor(name).unwrap();
        view.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
    }

    fn ints(&self, name: &str) -> Option<Vec<i64>> {
        let file = SafeTensors::deserialize(&self.bytes).unwrap();
        let view = file.tensor(name).ok()?;
        Some(view.data().chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().unwrap())).collect())
    }

    fn case(&self, n: usize) -> Case {
        let ids = self.ints(&format!("case{n}.input_ids")).unwrap().iter().map(|&i| i as u32).collect();
        let grids: Vec<[usize; 3]> = self
            .ints(&format!("case{n}.image_grid_thw"))
            .unwrap_or_default()
            .chunks_exact(3)
            .map(|g| [g[0] as usize, g[1] as usize, g[2] as usize])
            .collect();
        let file = SafeTensors::deserialize(&self.bytes).unwrap();
        let pixels = file.tensor("pixels").unwrap();
        let row_len = pixels.shape()[1];
        let mut start = 0;
        let patches = grids
            .iter()
            .map(|grid| {
                let n = grid.iter().product::<usize>() * row_len;
                start += n;
                let rows =
                    pixels.data()[start - n..start].iter().map(|&c| (f32::from(c) - 128.0) / 64.0).collect();
                Patches { rows, row_len, grid: *grid }
            })
            .collect();
        Case { ids, grids, patches }
    }
}

fn close(got: &[f32], expected: &[f32], tolerance: f32, what: &str) {
    assert_eq!(got.len(), expected.len(), "{what}: size");
    let scale = expected.iter().fold(0f32, |m, v| m.max(v.abs())).max(1.0);
    let worst = got.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max);
    assert!(worst <= tolerance * scale, "{what}: differs by {worst}, largest value {scale}");
}

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
        let w = params.tensors(&device, |_| false);
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
            let hidden = text.forward(&w, x, |_, q, k, v| attention(q, k, v, &rope, &segments));
            let logits = linear(hidden, text.head_weight(&w), None, Precision::F32)
                .into_data()
                .try_into_vec::<f32>()
                .unwrap();
            close(&logits, &f.floats(&format!("case{n}.logits")), 1e-4, &format!("{what}: logits"));
        }
    }
}

/// A policy and a trajectory for a fixture case: the last five tokens are the sampled ones.
fn policy_case(f: &Fixture, n: usize) -> (Policy, Trajectory, ImageStore) {
    let case = f.case(n);
    let vision = &f.config.vision;
    let config = ProcessorConfig {
        patch_size: vision.patch_size,
        merge_size: vision.spatial_merge_size,
        temporal_patch_size: vision.temporal_patch_size,
        min_pixels: 1,
        ..ProcessorConfig::default()
    };
    let policy =
        Policy::new(f.config.clone(), ImageProcessor::new(config).unwrap(), f.values.clone()).unwrap();
    let (mut trajectory, mut store) = (Trajectory::new(f.config.image_token_id), ImageStore::default());
    let mut patches = case.patches.into_iter();
    let given = case.ids.len() - 5;
    let mut at = 0;
    while at < given {
        if case.ids[at] == f.config.image_token_id {
            let patches = patches.next().unwrap();
            let tokens = patches.grid.iter().product::<usize>() / vision.spatial_merge_size.pow(2);
            // The pixels themselves are the fixture's; the handle only has to be distinct.
            let handle = Image::new(1, 1, vec![at as u8, 1, 2]).unwrap();
            store.insert(handle.id(), patches);
            trajectory.push_image(handle.id(), tokens, 0).unwrap();
            at += tokens;
        } else {
            trajectory.push_text(&case.ids[at..at + 1], 0).unwrap();
            at += 1;
        }
    }
    trajectory.push_sampled(&case.ids[given..], &[TokenKind::Answer; 5], &[-1.0; 5], 0).unwrap();
    (policy, trajectory, store)
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
                Ok::<_, PolicyError>(Upstream { d_logprobs: vec![-1.0 / n as f32; n], d_entropies: vec![] })
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

/// Scoring with a shared prompt equals scoring each member apart, values and gradients.
#[test]
fn shared_prefix_equals_separate_sequences() {
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
    let members = [member(&[7, 8, 9]), member(&[7, 30]), member(&[40, 41, 42, 43, 44, 45])];
    let together = vec![members.iter().collect::<Vec<_>>()];
    let apart: Vec<Vec<&Trajectory>> = members.iter().map(|m| vec![m]).collect();
    let mut run = |groups: &[Vec<&Trajectory>]| {
        let scored = policy
            .accumulate(groups, &store, &ScoreOptions::default(), |s| {
                let d: Vec<f32> = (0..s.logprobs.len()).map(|i| 0.3 - 0.1 * i as f32).collect();
                let e: Vec<f32> = (0..s.logprobs.len()).map(|i| 0.05 * i as f32).collect();
                Ok::<_, PolicyError>(Upstream { d_logprobs: d, d_entropies: e })
            })
            .unwrap();
        let gradients: Vec<Vec<f32>> = policy.gradients().iter().map(|(_, g)| g.to_vec()).collect();
        // An update by a learning rate of 0 clears the gradients and changes no weight.
        policy.apply(&eyas_model::AdamW { lr: 0.0, ..Default::default() });
        (scored.logprobs, scored.entropies, gradients)
    };
    let (a, b) = (run(&together), run(&apart));
    close(&a.0, &b.0, 1e-5, "log-probs");
    close(&a.1, &b.1, 1e-5, "entropies");
    for (x, y) in a.2.iter().zip(&b.2) {
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

/// The passes of [`Decoder::new`] and of its plain twin; and a sequence alone against the same one among
/// others, which must not differ in a single bit.
#[test]
fn fast_decoding_equals_plain_decoding() {
    let f = Fixture::load("untied");
    let (policy, trajectory, store) = policy_case(&f, 3);
    let features = policy.encode(trajectory.images().iter().map(|s| s.id), &store).unwrap();
    let image = || Feed::Image(features.values().next().unwrap().clone());
    let text = |from: u32, n: u32| Feed::Text((0..n).map(|i| (from + 3 * i) % 60).collect());
    // Three prompts, the first one forked; then turns of different lengths.
    let play = |decoder: &mut Decoder<'_>, only: Option<usize>| {
        let keep = |i: usize| only.is_none_or(|o| o == i);
        let prompts = [vec![text(1, 4), image(), text(2, 9)], vec![text(5, 70)], vec![image(), text(7, 1)]];
        let opened: Vec<_> = prompts
            .iter()
            .enumerate()
            .filter(|(i, _)| keep(*i))
            .map(|(_, p)| (decoder.open(), p.clone()))
            .collect();
        let mut all = vec![decoder.extend(&opened).unwrap()];
        let mut sequences: Vec<_> = opened.iter().map(|(s, _)| *s).collect();
        let forks = decoder.fork(sequences[0], 2).unwrap();
        sequences.splice(0..1, forks);
        for step in 0..4 {
            let feeds: Vec<_> = sequences
                .iter()
                .enumerate()
                .map(|(i, s)| {
                    (*s, if step == 2 { vec![image(), text(3, 2)] } else { vec![text(i as u32, 1)] })
                })
                .collect();
            all.push(decoder.extend(&feeds).unwrap());
        }
        all
    };
    let (fast, plain) = (play(&mut Decoder::new(&policy), None), play(&mut Decoder::plain(&policy), None));
    for (fast, plain) in fast.iter().zip(&plain) {
        assert_eq!(fast.len(), plain.len());
        let worst = fast.iter().zip(plain).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-4, "{worst}");
    }
    let alone = play(&mut Decoder::new(&policy), Some(0));
    for (all, alone) in fast.iter().zip(&alone) {
        assert_eq!(all[..alone.len()], alone[..]);
    }
}

/// bfloat16 products: near the f32 scores and gradients, and the sampler rounds exactly as scoring does.
#[test]
fn bf16_is_near_f32_and_sampling_agrees_with_scoring() {
    let f = Fixture::load("untied");
    let (mut policy, trajectory, store) = policy_case(&f, 3);
    let gradients = |policy: &mut Policy| {
        let options = ScoreOptions { targets: Targets::All, ..ScoreOptions::default() };
        let scored = policy
            .accumulate(&[vec![&trajectory]], &store, &options, |s| {
                let n = s.logprobs.len();
                Ok::<_, PolicyError>(Upstream { d_logprobs: vec![-1.0 / n as f32; n], d_entropies: vec![] })
            })
            .unwrap();
        let flat: Vec<f32> = policy.gradients().iter().flat_map(|(_, g)| g.to_vec()).collect();
        policy.apply(&AdamW { lr: 0.0, ..AdamW::default() });
        (scored, flat)
    };
    let (full, full_gradient) = gradients(&mut policy);
    policy.set_precision(Precision::Bf16);
    let (half, half_gradient) = gradients(&mut policy);
    let errors: Vec<f32> = full.logprobs.iter().zip(&half.logprobs).map(|(a, b)| (a - b).abs()).collect();
    let mean = errors.iter().sum::<f32>() / errors.len() as f32;
    let worst = errors.iter().copied().fold(0.0, f32::max);
    assert!(mean > 0.0 && mean < 0.03 && worst < 0.1, "mean {mean}, worst {worst}");
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
    let (a, b) = (&full_gradient, &half_gradient);
    let cosine = dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
    assert!(cosine > 0.99, "{cosine}");

    let features = policy.encode(trajectory.images().iter().map(|s| s.id), &store).unwrap();
    let mut decoder = Decoder::new(&policy);
    let sequence = decoder.open();
    let mut checked = 0;
    let mut at = 0;
    while at < trajectory.len() {
        let (feed, n) = match trajectory.images().iter().find(|s| s.start == at) {
            Some(span) => (Feed::Image(features[&span.id].clone()), span.len),
            None => (Feed::Text(vec![trajectory.ids()[at]]), 1),
        };
        let logits = decoder.extend(&[(sequence, vec![feed])]).unwrap();
        at += n;
        if let Some(i) = half.origins.iter().position(|o| o.token == at) {
            let lse = logits.iter().map(|l| f64::from(*l).exp()).sum::<f64>().ln();
            let logprob = f64::from(logits[trajectory.ids()[at] as usize]) - lse;
            // Sums in another order can round an activation to the neighbouring bfloat16.
            assert!((logprob - f64::from(half.logprobs[i])).abs() < 5e-3, "token {at}");
            checked += 1;
        }
    }
    assert!(checked > 15);
}

#[test]
fn bad_inputs_are_errors_before_the_pass() {
    let f = Fixture::load("untied");
    let (policy, trajectory, store) = policy_case(&f, 3);
    let mut decoder = Decoder::new(&policy);
    let s = decoder.open();
    assert!(matches!(decoder.extend(&[(s, vec![])]), Err(PolicyError::NothingToScore)));
    assert!(matches!(
        decoder.extend(&[(s, vec![Feed::Text(vec![5000])])]),
        Err(PolicyError::Token { id: 5000, .. })
    ));
    let context = f.config.text.max_position_embeddings;
    let long = Feed::Text(vec![1; context + 1]);
    assert!(matches!(decoder.extend(&[(s, vec![long])]), Err(PolicyError::Context { .. })));
    assert_eq!(decoder.len(s), 0);
    let empty = ImageStore::default();
    let options = ScoreOptions::default();
    assert!(matches!(
        policy.score(&[vec![&trajectory]], &empty, &options),
        Err(PolicyError::MissingImage { .. })
    ));
    assert!(matches!(policy.score(&[], &store, &options), Err(PolicyError::NothingToScore)));
}
