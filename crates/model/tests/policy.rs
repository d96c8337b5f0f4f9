//! What a policy does beside scoring: sampling, precision, devices, frozen parts, bad input.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

#[cfg(feature = "wgpu")]
use common::close;
use common::{Fixture, policy_case};
use eyas_core::{TokenKind, Trajectory};
use eyas_model::policy::Policy;
use eyas_model::{AdamW, Decoder, Feed, ImageStore, PolicyError, Precision, ScoreOptions, Targets, Upstream};

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

/// Forks that are fed the same are one sequence until they part, and each is what it would be alone, to the last
/// bit; also one that waits while others go on, one that is closed and one that is forked again.
#[test]
fn forks_that_are_fed_the_same_are_computed_once() {
    let f = Fixture::load("untied");
    let (policy, trajectory, store) = policy_case(&f, 3);
    let features = policy.encode(trajectory.images().iter().map(|s| s.id), &store).unwrap();
    let image = || Feed::Image(features.values().next().unwrap().clone());
    let prompt = || vec![Feed::Text((0..40).map(|i| 1 + i % 50).collect()), image()];
    let word = |id: u32| vec![Feed::Text(vec![id])];
    let look = |id: u32| vec![image(), Feed::Text(vec![id, 13])];
    let turns = [
        vec![word(7), word(8), look(9), word(10), word(11)],
        vec![word(7), word(8), look(9), word(12), word(11)],
        vec![word(7), word(8), look(9), word(10), word(11)],
        vec![word(7), word(20), look(9), word(10), word(11)],
    ];
    let alone = |feeds: &[Vec<Feed>]| -> Vec<Vec<f32>> {
        let mut decoder = Decoder::new(&policy);
        let s = decoder.open();
        decoder.extend(&[(s, prompt())]).unwrap();
        let s = decoder.fork(s, 1).unwrap()[0];
        feeds.iter().map(|feed| decoder.extend(&[(s, feed.clone())]).unwrap()).collect()
    };
    for (mut decoder, plain) in [(Decoder::new(&policy), false), (Decoder::plain(&policy), true)] {
        let s = decoder.open();
        let of_prompt = decoder.extend(&[(s, prompt())]).map(|_| decoder.rows()).unwrap();
        let members = decoder.fork(s, 4).unwrap();
        let mut got = vec![Vec::new(); 4];
        // The third member waits a pass before its fourth turn.
        let passes: [&[(usize, usize)]; 6] = [
            &[(0, 0), (1, 0), (2, 0), (3, 0)],
            &[(0, 1), (1, 1), (2, 1), (3, 1)],
            &[(0, 2), (1, 2), (2, 2), (3, 2)],
            &[(0, 3), (1, 3), (3, 3)],
            &[(2, 3), (0, 4), (1, 4)],
            &[(2, 4), (3, 4)],
        ];
        for pass in passes {
            let feeds: Vec<_> = pass.iter().map(|&(m, t)| (members[m], turns[m][t].clone())).collect();
            let logits = decoder.extend(&feeds).unwrap();
            let width = logits.len() / pass.len();
            pass.iter().zip(logits.chunks_exact(width)).for_each(|(&(m, _), row)| got[m].push(row.to_vec()));
        }
        let look = image_tokens(&look(9));
        // One row for four, two for four, two pictures for four, three for three, then each for itself.
        assert_eq!(decoder.rows() - of_prompt, 1 + 2 + 2 * look + 3 + 3 + 2);
        for (m, turns) in turns.iter().enumerate() {
            let alone = alone(turns);
            for (got, alone) in got[m].iter().zip(&alone) {
                let worst = got.iter().zip(alone).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(worst < if plain { 1e-4 } else { f32::MIN_POSITIVE }, "member {m}: {worst}");
            }
        }
        // Closing one of two that are one leaves the other; a fork of one that is shared goes its own way.
        let twins = decoder.fork(members[1], 2).unwrap();
        decoder.close(twins[0]).unwrap();
        let more = decoder.fork(twins[1], 2).unwrap();
        let logits = decoder.extend(&[(more[0], word(3)), (more[1], word(4))]).unwrap();
        let mut expected = turns[1].clone();
        expected.push(word(4));
        let alone = alone(&expected);
        let (last, width) = (alone.last().unwrap(), logits.len() / 2);
        let worst = last.iter().zip(&logits[width..]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-4, "{worst}");
        assert_eq!(decoder.len(more[0]), decoder.len(more[1]));
    }
}

fn image_tokens(feed: &[Feed]) -> usize {
    let tokens = |piece: &Feed| match piece {
        Feed::Text(ids) => ids.len(),
        Feed::Image(image) => image.tokens(),
    };
    feed.iter().map(tokens).sum()
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
                Ok::<_, PolicyError>(Upstream {
                    d_logprobs: vec![-1.0 / n as f32; n],
                    d_entropies: vec![],
                    ..Upstream::default()
                })
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

/// Forward, backward, one optimizer step and sampling on a GPU, against the host.
#[cfg(feature = "wgpu")]
#[test]
fn a_gpu_computes_the_same() {
    for (variant, n) in [("untied", 3), ("tied", 1)] {
        let f = Fixture::load(variant);
        let (mut host, trajectory, store) = policy_case(&f, n);
        let (mut gpu, ..) = policy_case(&f, n);
        gpu.set_device(eyas_model::DeviceKind::Gpu).unwrap();
        let step = |policy: &mut Policy| {
            let scored = policy
                .accumulate(&[vec![&trajectory, &trajectory]], &store, &ScoreOptions::default(), |s| {
                    let d = (0..s.logprobs.len()).map(|i| 0.3 - 0.1 * i as f32).collect();
                    let e = (0..s.logprobs.len()).map(|i| 0.02 * i as f32).collect();
                    Ok::<_, PolicyError>(Upstream { d_logprobs: d, d_entropies: e, ..Upstream::default() })
                })
                .unwrap();
            let gradients: Vec<Vec<f32>> = policy.gradients().iter().map(|(_, g)| g.to_vec()).collect();
            // Plain gradient descent would hide nothing; Adam divides by the gradient's size, so entries
            // near zero are compared through the gradients above instead.
            let update = policy.apply(&AdamW { lr: 1e-3, eps: 1e-2, ..AdamW::default() });
            assert!(update.applied);
            let weights: Vec<Vec<f32>> = policy.params().entries().iter().map(|p| p.value.to_vec()).collect();
            let after = policy.score(&[vec![&trajectory]], &store, &ScoreOptions::default()).unwrap();
            (scored, gradients, weights, after)
        };
        let (a, b) = (step(&mut gpu), step(&mut host));
        close(&a.0.logprobs, &b.0.logprobs, 1e-4, "log-probs");
        close(&a.0.entropies, &b.0.entropies, 1e-4, "entropies");
        for (i, (x, y)) in a.1.iter().zip(&b.1).enumerate() {
            let scale = y.iter().fold(1e-6f32, |m, v| m.max(v.abs()));
            let worst = x.iter().zip(y).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max);
            assert!(worst <= 3e-3 * scale, "{variant} gradient {i}: {worst} of {scale}");
        }
        a.2.iter().zip(&b.2).for_each(|(x, y)| close(x, y, 1e-5, "weights"));
        close(&a.3.logprobs, &b.3.logprobs, 1e-4, "log-probs after the step");

        let features = |p: &Policy| p.encode(trajectory.images().iter().map(|s| s.id), &store).unwrap();
        let logits = |p: &Policy| {
            let mut decoder = Decoder::new(p);
            let s = decoder.open();
            let mut feed: Vec<Feed> = features(p).into_values().map(Feed::Image).collect();
            feed.push(Feed::Text(vec![1, 2, 3]));
            decoder.extend(&[(s, feed)]).unwrap()
        };
        close(&logits(&gpu), &logits(&host), 1e-4, "logits of the decoder");
    }
}

/// A frozen tower's visual tokens are kept between calls; scores and the other gradients do not change.
#[test]
fn a_frozen_tower_is_run_once_an_image() {
    let f = Fixture::load("untied");
    let (mut policy, trajectory, store) = policy_case(&f, 3);
    let run = |policy: &mut Policy| {
        let scored = policy
            .accumulate(&[vec![&trajectory]], &store, &ScoreOptions::default(), |s| {
                Ok::<_, PolicyError>(Upstream {
                    d_logprobs: vec![1.0; s.logprobs.len()],
                    ..Upstream::default()
                })
            })
            .unwrap();
        let gradients: Vec<(String, Vec<f32>)> =
            policy.gradients().iter().map(|(n, g)| (n.to_string(), g.to_vec())).collect();
        policy.apply(&AdamW { lr: 0.0, ..AdamW::default() });
        (scored, gradients)
    };
    let (free, free_gradients) = run(&mut policy);
    assert_eq!(policy.feature_cache_bytes(), 0);
    policy.freeze(&["visual.".to_string()]);
    let (first, first_gradients) = run(&mut policy);
    let bytes = policy.feature_cache_bytes();
    assert!(bytes > 0);
    let (second, second_gradients) = run(&mut policy);
    assert_eq!((&first, &first_gradients), (&second, &second_gradients));
    assert_eq!(policy.feature_cache_bytes(), bytes);
    assert_eq!(free, first);
    for ((name, a), (_, b)) in free_gradients.iter().zip(&first_gradients) {
        match name.starts_with("visual.") {
            true => assert!(!a.is_empty() && b.is_empty(), "{name}"),
            false => assert_eq!(a, b, "{name}"),
        }
    }
    // A cache that is too small for an image changes nothing.
    policy.set_feature_cache(8);
    assert_eq!(run(&mut policy).0, first);
    assert_eq!(policy.feature_cache_bytes(), 0);
}

#[cfg(not(feature = "wgpu"))]
#[test]
fn a_build_without_gpus_says_so() {
    let f = Fixture::load("untied");
    let (mut policy, ..) = policy_case(&f, 3);
    let refused = policy.set_device(eyas_model::DeviceKind::Gpu);
    assert!(matches!(refused, Err(PolicyError::NoGpuSupport)));
    policy.set_precision(Precision::Bf16);
    let refused = policy.set_device(eyas_model::DeviceKind::Gpu);
    assert!(matches!(refused, Err(PolicyError::GpuPrecision)));
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
    // A token that no model has, in the middle and as the last one, which is predicted only.
    for ids in [[5000, 7], [7, 5000]] {
        let mut t = Trajectory::new(f.config.image_token_id);
        t.push_text(&[1, 2], 0).unwrap();
        t.push_sampled(&ids, &[TokenKind::Answer; 2], &[-1.0; 2], 0).unwrap();
        let scored = policy.score(&[vec![&t]], &store, &options);
        assert!(matches!(scored, Err(PolicyError::Token { id: 5000, .. })), "{ids:?}");
    }
    // Nothing was sampled, or nothing is there at all.
    let mut given = Trajectory::new(f.config.image_token_id);
    assert!(matches!(policy.score(&[vec![&given]], &store, &options), Err(PolicyError::NothingToScore)));
    given.push_text(&[1, 2], 0).unwrap();
    assert!(matches!(policy.score(&[vec![&given]], &store, &options), Err(PolicyError::NothingToScore)));
    assert!(matches!(policy.score(&[vec![]], &store, &options), Err(PolicyError::NothingToScore)));
}
