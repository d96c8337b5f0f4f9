//! The value head, spoilt pictures, and a policy's state written down and taken up again.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Fixture, policy_case};
use eyas_core::{Seed, Trajectory};
use eyas_model::{
    AdamW, Corruption, ImageStore, Policy, PolicyError, ScoreOptions, Scored, StateError, Targets, Upstream,
};

fn options() -> ScoreOptions {
    ScoreOptions { targets: Targets::All, ..ScoreOptions::default() }
}

/// One update towards likelier tokens.
fn update(policy: &mut Policy, trajectory: &Trajectory, store: &ImageStore) {
    let loss = |s: &Scored| {
        let d_logprobs = vec![-1.0 / s.logprobs.len() as f32; s.logprobs.len()];
        Ok::<_, PolicyError>(Upstream { d_logprobs, ..Upstream::default() })
    };
    policy.accumulate(&[vec![trajectory]], store, &options(), loss).unwrap();
    assert!(policy.apply(&AdamW { lr: 1e-2, ..AdamW::default() }).applied);
}

/// Accumulates the gradient of the sum of squares `Σ (v − 1)²`.
fn value_loss(policy: &mut Policy, trajectory: &Trajectory, store: &ImageStore) -> f64 {
    let mut sum = 0.0;
    let loss = |s: &Scored| {
        sum = s.values.iter().map(|v| f64::from(v - 1.0).powi(2)).sum();
        let d_values = s.values.iter().map(|v| 2.0 * (v - 1.0)).collect();
        Ok::<_, PolicyError>(Upstream {
            d_logprobs: vec![0.0; s.logprobs.len()],
            d_values,
            ..Upstream::default()
        })
    };
    policy.accumulate(&[vec![trajectory]], store, &options(), loss).unwrap();
    sum
}

#[test]
fn a_fresh_value_head_says_nothing_and_learns() {
    let f = Fixture::load("untied");
    let (mut policy, trajectory, store) = policy_case(&f, 3);
    let before = policy.score(&[vec![&trajectory]], &store, &options()).unwrap();
    assert!(before.values.is_empty());
    policy.add_value_head(false);
    let with = policy.score(&[vec![&trajectory]], &store, &options()).unwrap();
    assert_eq!((with.logprobs, with.entropies), (before.logprobs, before.entropies));
    assert!(with.values.len() == before.origins.len() && with.values.iter().all(|v| *v == 0.0));
    let first = value_loss(&mut policy, &trajectory, &store);
    policy.apply(&AdamW { lr: 1e-2, ..AdamW::default() });
    let mut last = first;
    for _ in 0..20 {
        last = value_loss(&mut policy, &trajectory, &store);
        policy.apply(&AdamW { lr: 1e-2, ..AdamW::default() });
    }
    assert!(last < 0.5 * first, "{first} -> {last}");
}

/// The gradient of the head by difference quotients, and where it stops.
#[test]
fn the_value_gradient_is_right_and_can_stop_at_the_head() {
    let f = Fixture::load("untied");
    for stop in [false, true] {
        let (mut policy, trajectory, store) = policy_case(&f, 3);
        policy.add_value_head(stop);
        value_loss(&mut policy, &trajectory, &store);
        let gradients: Vec<(String, Vec<f32>)> =
            policy.gradients().into_iter().map(|(n, g)| (n.to_string(), g.to_vec())).collect();
        let of = |name: &str| &gradients.iter().find(|(n, _)| n == name).unwrap().1;
        let state = policy.state();
        for (name, index) in [("value_head.weight", 3), ("value_head.bias", 0)] {
            let mut at = |step: f32| {
                let mut moved = state.clone();
                moved.arrays.get_mut(&format!("weight/{name}")).unwrap()[index] += step;
                policy.restore(moved).unwrap();
                value_loss(&mut policy, &trajectory, &store)
            };
            let quotient = (at(1e-2) - at(-1e-2)) / 2e-2;
            let got = f64::from(of(name)[index]);
            assert!((quotient - got).abs() < 1e-3 * (1.0 + quotient.abs()), "{name}: {got}, {quotient}");
        }
        // With weights of 0 nothing reaches the decoder in the first place.
        let mut tilted = state.clone();
        tilted.arrays.get_mut("weight/value_head.weight").unwrap().fill(0.1);
        policy.restore(tilted).unwrap();
        value_loss(&mut policy, &trajectory, &store);
        let reaches = policy
            .gradients()
            .iter()
            .any(|(name, g)| name.starts_with("model.layers") && g.iter().any(|g| *g != 0.0));
        assert_eq!(reaches, !stop);
    }
}

#[test]
fn a_state_continues_to_the_same_bytes() {
    let f = Fixture::load("untied");
    let (mut policy, trajectory, store) = policy_case(&f, 3);
    policy.add_value_head(false);
    update(&mut policy, &trajectory, &store);
    let state = policy.state();
    assert_eq!(state.updates, 1);
    update(&mut policy, &trajectory, &store);

    // Another policy, without a head and with gradients that must not count.
    let (mut other, ..) = policy_case(&f, 3);
    update(&mut other, &trajectory, &store);
    update(&mut other, &trajectory, &store);
    assert_ne!(other.weights_hash(), policy.weights_hash());
    other.restore(state.clone()).unwrap();
    assert_eq!(other.state(), state);
    update(&mut other, &trajectory, &store);
    assert_eq!(other.weights_hash(), policy.weights_hash());
    assert_eq!(other.state(), policy.state());
}

#[test]
fn a_state_that_does_not_fit_changes_nothing() {
    let f = Fixture::load("untied");
    let (mut policy, trajectory, store) = policy_case(&f, 3);
    update(&mut policy, &trajectory, &store);
    let (hash, state) = (policy.weights_hash(), policy.state());
    let name = state.arrays.keys().find(|k| k.starts_with("second/")).unwrap().clone();
    let mut lacking = state.clone();
    lacking.arrays.remove(&name);
    assert_eq!(policy.restore(lacking), Err(StateError::Missing(name.clone())));
    let mut short = state;
    short.arrays.get_mut(&name).unwrap().pop();
    assert!(matches!(policy.restore(short), Err(StateError::Length { .. })));
    assert_eq!(policy.weights_hash(), hash);
}

/// A frozen tower keeps what it says of images; of spoilt ones it must not keep it under the same name.
#[test]
fn spoilt_pictures_are_not_taken_for_the_whole_ones() {
    let f = Fixture::load("untied");
    let (mut policy, trajectory, store) = policy_case(&f, 3);
    policy.freeze(&["visual".to_string()]);
    let spoilt = store.corrupted(policy.processor(), Corruption::Blank, Seed::new(1));
    let score = |images| policy.score(&[vec![&trajectory]], images, &options()).unwrap();
    let (whole, blank) = (score(&store), score(&spoilt));
    assert_ne!(whole.logprobs, blank.logprobs);
    assert_eq!((score(&store), score(&spoilt)), (whole, blank));
}

/// A reward model's loss: the score at the end of each of two responses, through the decoder.
fn end_loss(policy: &mut Policy, pair: &[Trajectory; 2], store: &ImageStore) -> f64 {
    let options = ScoreOptions { targets: Targets::End, ..ScoreOptions::default() };
    let mut value = 0.0;
    let loss = |s: &Scored| {
        assert_eq!(s.values.len(), 2);
        let x = f64::from(s.values[0] - s.values[1]);
        value = (1.0 + (-x).exp()).ln();
        let d = (-1.0 / (1.0 + x.exp())) as f32;
        Ok::<_, PolicyError>(Upstream {
            d_logprobs: vec![0.0; 2],
            d_values: vec![d, -d],
            ..Upstream::default()
        })
    };
    policy.accumulate(&[pair.iter().collect()], store, &options, loss).unwrap();
    value
}

#[test]
fn the_gradient_of_a_score_at_the_end_reaches_every_part() {
    use eyas_core::TokenKind;
    let f = Fixture::load("untied");
    let (mut policy, trajectory, store) = policy_case(&f, 3);
    let ended = |ids: &[u32]| {
        let mut t = trajectory.clone();
        t.push_sampled(ids, &vec![TokenKind::Answer; ids.len()], &vec![-1.0; ids.len()], 0).unwrap();
        t
    };
    let pair = [ended(&[13, 12]), ended(&[13, 17, 19])];
    let hidden = policy.config().text.hidden_size;
    let weight: Vec<f32> = (0..hidden).map(|i| 0.3 * ((i % 5) as f32 - 2.0)).collect();
    policy.set_value_head(&weight, 0.25).unwrap();
    assert_eq!(policy.value_head(), Some((weight.as_slice(), 0.25)));

    // What is said at the end is what is said before a further token.
    let end = ScoreOptions { targets: Targets::End, ..ScoreOptions::default() };
    let score = policy.score(&[vec![&pair[0]]], &store, &end).unwrap().values;
    let longer = policy.score(&[vec![&ended(&[13, 12, 11])]], &store, &options()).unwrap().values;
    assert_eq!(score.len(), 1);
    assert!((score[0] - longer[longer.len() - 1]).abs() < 1e-5, "{score:?} {longer:?}");
    assert_ne!(score[0], longer[longer.len() - 2]);

    end_loss(&mut policy, &pair, &store);
    let gradients: Vec<(String, Vec<f32>)> =
        policy.gradients().into_iter().map(|(n, g)| (n.to_string(), g.to_vec())).collect();
    let state = policy.state();
    for part in ["value_head.weight", "model.layers.0.", "model.layers.1.", "visual."] {
        // The steepest weight of the first parameter of that part that has a gradient.
        let steepest = |g: &[f32]| (0..g.len()).max_by(|a, b| g[*a].abs().total_cmp(&g[*b].abs())).unwrap();
        let (name, of) = gradients
            .iter()
            .filter(|(name, g)| name.starts_with(part) && name.ends_with("weight") && !g.is_empty())
            .max_by(|a, b| a.1[steepest(&a.1)].abs().total_cmp(&b.1[steepest(&b.1)].abs()))
            .unwrap();
        let index = steepest(of);
        let mut at = |step: f32| {
            let mut moved = state.clone();
            moved.arrays.get_mut(&format!("weight/{name}")).unwrap()[index] += step;
            policy.restore(moved).unwrap();
            end_loss(&mut policy, &pair, &store)
        };
        let (quotient, got) = ((at(5e-3) - at(-5e-3)) / 1e-2, f64::from(of[index]));
        assert!(got != 0.0 && (quotient - got).abs() < 0.02 * got.abs(), "{name}: {got}, {quotient}");
    }
}

#[test]
fn a_head_comes_and_goes_and_the_rest_stays() {
    let f = Fixture::load("untied");
    let (mut policy, trajectory, store) = policy_case(&f, 3);
    let (plain, before) = (policy_case(&f, 3).0, policy.weights_hash());
    let width = policy.config().text.hidden_size;
    assert!(matches!(policy.set_value_head(&[1.0], 0.0), Err(PolicyError::ValueHead { got: 1, .. })));
    assert!(!policy.has_value_head());
    policy.set_value_head(&vec![1.0; width], 0.0).unwrap();
    // A mean with a policy that has no head leaves the head, and mixes the rest with what belongs to it.
    policy.average_with(&plain, 0.5);
    assert_eq!(policy.value_head().map(|(w, _)| w[0]), Some(1.0));
    policy.remove_value_head();
    assert_eq!((policy.weights_hash(), policy.value_head()), (before.clone(), None));
    policy.add_value_head(false);
    update(&mut policy, &trajectory, &store);
    policy.take_on(&plain);
    assert_eq!((policy.weights_hash(), policy.state().updates), (before, 0));
}
