use eyas_core::{EPISODE_VERSION, Interrupt, Invalid, Outcome, Score, ScoreSheet, Seed, TokenSpan};
use eyas_model::{AdamW, ImageStore, Origin, ScoreOptions, Vlm};
use serde_json::Value;

use super::*;
use crate::GuardState;
use crate::recipe::{GuardSettings, KlWeight};

const SETTINGS: FlowSettings = FlowSettings {
    objective: FlowObjective::Variance,
    lambda: None,
    beta: 2.0,
    floor: 0.5,
    thought_weight: 0.5,
};

/// An episode of these turns, all of them said to the same start.
fn episode(turns: &[&[(u32, TokenKind)]], score: Score) -> Episode {
    let mut trajectory = Trajectory::new(0);
    for (n, turn) in turns.iter().enumerate() {
        trajectory.push_text(&[103, 104, 105], n as u16).unwrap();
        let (ids, kinds): (Vec<u32>, Vec<TokenKind>) = turn.iter().copied().unzip();
        trajectory.push_sampled(&ids, &kinds, &vec![-1.0; ids.len()], n as u16).unwrap();
    }
    Episode {
        version: EPISODE_VERSION,
        env: "2048".into(),
        seed: Seed::new(1),
        knobs: Value::Null,
        turns: Vec::new(),
        trajectory,
        scores: vec![ScoreSheet { name: "game".into(), weight: 1.0, span: TokenSpan::All, score }],
        env_return: 0.0,
        env_score: 0.0,
        outcome: Outcome::Failure,
        images: std::collections::BTreeMap::new(),
    }
}

const THINK: TokenKind = TokenKind::Think;
const ANSWER: TokenKind = TokenKind::Answer;

/// Three that take part, of one turn, of two and of one, and one without a score.
fn group() -> Group {
    let episodes = vec![
        episode(&[&[(110, THINK), (111, ANSWER)]], Score::Ok(1.0)),
        episode(&[&[(112, ANSWER), (113, ANSWER)], &[(110, ANSWER)]], Score::Ok(2.0)),
        episode(&[&[(114, ANSWER)]], Score::Invalid(Invalid::NonFinite)),
        episode(&[&[(113, ANSWER)]], Score::Ok(-3.0)),
    ];
    Group { episodes }
}

/// Scores of the tokens of a group's members that take part.
fn scored(groups: &[Vec<Member<'_>>], logprobs: &[f32], values: &[f32]) -> Scored {
    let mut origins = Vec::new();
    for (group, members) in groups.iter().enumerate() {
        for (member, m) in members.iter().enumerate() {
            origins.extend(m.turns.iter().cloned().flatten().map(|token| Origin { group, member, token }));
        }
    }
    assert_eq!(origins.len(), logprobs.len());
    Scored { origins, logprobs: logprobs.into(), entropies: vec![0.0; logprobs.len()], values: values.into() }
}

#[test]
fn who_takes_part_and_for_what() {
    let (group, few) = (group(), Group { episodes: group().episodes.split_off(2) });
    let nothing = Group { episodes: vec![episode(&[], Score::Ok(1.0)), group.episodes[0].clone()] };
    let flows = sort(&[&group, &few, &nothing], SETTINGS, 1);
    assert_eq!((flows.groups.len(), flows.dead, flows.invalid), (1, 2, 2));
    let members = &flows.groups[0];
    // 2 · ln of 1, of 2, and of the floor of a half.
    let expected = [0.0, 2.0 * 2f32.ln(), -2.0 * 2f32.ln()];
    members.iter().zip(expected).for_each(|(m, e)| assert!((m.log_reward - e).abs() < 1e-6));
    assert_eq!(members.iter().map(|m| m.own).collect::<Vec<_>>(), [true, true, false]);
    assert_eq!(members[1].turns, [3..5, 8..9], "a turn is what was sampled in it");
}

#[test]
fn log_probs_of_turns_and_the_variance_by_hand() {
    let group = group();
    let flows = sort(&[&group], SETTINGS, 0);
    let scored = scored(&flows.groups, &[-1.0, -2.0, -0.5, -0.25, -3.0, -1.0], &[]);
    // Thoughts weigh half, so the first says −½ − 2; the others −¾ and −3, and −1.
    let transitions = Transitions::of(&flows.groups, &scored, 0.5);
    assert_eq!(transitions.forward(&scored.logprobs), [-2.5, -0.75, -3.0, -1.0]);
    assert_eq!((&transitions.offsets[..], &transitions.starts[..]), (&[0, 1, 3, 4][..], &[0, 3][..]));
    let (loss, upstream) = balance(&flows.groups, &scored, &SETTINGS, 3.0).unwrap();
    let log2 = 2.0 * 2f64.ln();
    let says = [2.5, 3.75 + log2, 1.0 - log2];
    let mean = says.iter().sum::<f64>() / 3.0;
    let residuals = says.map(|z| mean - z);
    assert!((loss.value - residuals.iter().map(|r| r * r).sum::<f64>() / 3.0).abs() < 1e-6);
    assert!((loss.metrics["log_z"].value() - mean).abs() < 1e-6);
    let d = residuals.map(|r| (2.0 * r / 3.0) as f32);
    let expected = [0.5 * d[0], d[0], d[1], d[1], d[1], d[2]];
    upstream.d_logprobs.iter().zip(expected).for_each(|(d, e)| assert!((d - e).abs() < 1e-6));
    assert!(upstream.d_values.is_empty());
}

#[test]
fn derivatives_by_every_score_are_slopes() {
    let groups = [group(), group()];
    for objective in [FlowObjective::Variance, FlowObjective::SubTrajectory, FlowObjective::Detailed] {
        let settings = FlowSettings { objective, lambda: None, ..SETTINGS };
        let flows = sort(&groups.each_ref(), settings, 0);
        let logprobs: Vec<f32> = (0..12).map(|i| -0.3125 - 0.125 * i as f32).collect();
        let values: Vec<f32> = (0..12).map(|i| 0.5 - 0.0625 * i as f32).collect();
        let at = |logprobs: &[f32], values: &[f32]| {
            balance(&flows.groups, &scored(&flows.groups, logprobs, values), &settings, 6.0).unwrap()
        };
        let (_, upstream) = at(&logprobs, &values);
        let step = 1.0 / 64.0;
        let slope = |given: &[f32], i: usize, of: &dyn Fn(&[f32]) -> f64| {
            let (mut up, mut down) = (given.to_vec(), given.to_vec());
            (up[i], down[i]) = (up[i] + step, down[i] - step);
            (of(&up) - of(&down)) / (2.0 * f64::from(step))
        };
        for i in 0..12 {
            // The loss is quadratic, so central differences are exact up to rounding.
            let by_logprob = slope(&logprobs, i, &|x| at(x, &values).0.value);
            let d = f64::from(upstream.d_logprobs[i]);
            assert!((d - by_logprob).abs() < 1e-4 && d != 0.0, "{objective:?} {i}: {d} {by_logprob}");
            let by_value = slope(&values, i, &|x| at(&logprobs, x).0.value);
            let d = upstream.d_values.get(i).copied().map_or(0.0, f64::from);
            assert!((d - by_value).abs() < 1e-4, "{objective:?} value {i}: {d} {by_value}");
            // The first tokens of the turns, and no others.
            let read = settings.reads_flow() && [0, 2, 4, 5].contains(&(i % 6));
            assert_eq!(d != 0.0, read, "{objective:?} value {i}");
        }
    }
}

#[test]
fn a_flow_without_a_value_head_is_an_error() {
    let group = group();
    let settings = FlowSettings { objective: FlowObjective::Detailed, ..SETTINGS };
    let flows = sort(&[&group], settings, 0);
    assert!(balance(&flows.groups, &scored(&flows.groups, &[-1.0; 6], &[]), &settings, 3.0).is_err());
}

fn tiny() -> Vlm {
    Vlm::tiny(["abc".to_string()].into_iter(), 300, &[], Seed::new(1)).unwrap()
}

/// One update of the policy, with micro-batches of so many tokens.
fn one_update(policy: &mut Policy, flows: &Flows<'_>, micro_batch_tokens: usize, lr: f32) -> Sums {
    let (images, options, interrupt) = (ImageStore::default(), ScoreOptions::default(), Interrupt::default());
    let views =
        Views { images: &images, corrupted: None, reference: None, options: &options, interrupt: &interrupt };
    let config = UpdateConfig {
        loss: &eyas_algo::PolicyConfig::default(),
        kl_weight: KlWeight::One,
        value: None,
        values_only: false,
        optim: &AdamW { lr, max_grad_norm: f32::INFINITY, ..AdamW::default() },
        minibatches: 1,
        micro_batch_tokens,
    };
    let mut guard = Guard::new(GuardSettings::default(), GuardState::default());
    update(policy, flows, &views, &config, &mut guard).unwrap()
}

#[test]
fn the_cut_into_micro_batches_changes_nothing() {
    let mut other = group();
    other.episodes[0].scores[0].score = Score::Ok(5.0);
    for objective in [FlowObjective::Variance, FlowObjective::SubTrajectory, FlowObjective::Detailed] {
        let settings = FlowSettings { objective, ..SETTINGS };
        let (group, other) = (group(), other.clone());
        let flows = sort(&[&group, &other], settings, 0);
        let run = |tokens: usize| {
            let mut policy = tiny().policy;
            policy.add_value_head(false);
            one_update(&mut policy, &flows, tokens, 1e-3)
        };
        let (whole, cut) = (run(10_000), run(1));
        let near = |a: f64, b: f64| (a - b).abs() < 1e-4 * (1.0 + a.abs());
        assert!(near(whole.loss, cut.loss) && whole.loss > 0.0, "{objective:?}: {} {}", whole.loss, cut.loss);
        assert!(near(whole.grad_norm, cut.grad_norm), "{objective:?}: {} {}", whole.grad_norm, cut.grad_norm);
        assert_eq!((whole.tokens, whole.applied), (12, 1));
        assert_eq!(cut.tokens, 12);
    }
}

/// What was asked for: the residual falls to next to nothing, and then the policy writes each response with a
/// probability in proportion to its reward.
#[test]
fn a_policy_learns_to_write_in_proportion_to_the_rewards() {
    let rewards = [1.0, 2.0, 4.0];
    let episodes = vec![
        episode(&[&[(110, ANSWER), (111, ANSWER)]], Score::Ok(rewards[0])),
        episode(&[&[(112, ANSWER)], &[(113, ANSWER)]], Score::Ok(rewards[1])),
        episode(&[&[(113, ANSWER)]], Score::Ok(rewards[2])),
    ];
    let group = Group { episodes };
    for objective in [FlowObjective::Variance, FlowObjective::SubTrajectory, FlowObjective::Detailed] {
        let settings = FlowSettings { objective, beta: 1.0, floor: 0.1, thought_weight: 1.0, ..SETTINGS };
        let flows = sort(&[&group], settings, 0);
        let mut policy = tiny().policy;
        if settings.reads_flow() {
            policy.add_value_head(false);
        }
        let residual = |sums: &Sums| sums.metrics.mean("flow_residual").unwrap();
        let first = residual(&one_update(&mut policy, &flows, 8192, 3e-3));
        let mut last = first;
        for _ in 0..150 {
            last = residual(&one_update(&mut policy, &flows, 8192, 3e-3));
        }
        assert!(last < 0.01 && last < first / 20.0, "{objective:?}: {first} {last}");
        let members: Vec<&Trajectory> = flows.groups[0].iter().map(|m| m.trajectory).collect();
        let said = policy.score(&[members], &ImageStore::default(), &ScoreOptions::default()).unwrap();
        let mut log_probs = [0.0f32; 3];
        said.origins.iter().zip(&said.logprobs).for_each(|(o, l)| log_probs[o.member] += l);
        for i in 1..3 {
            let (got, want) = (log_probs[i] - log_probs[0], (rewards[i] / rewards[0]).ln());
            assert!((got - want).abs() < 0.3, "{objective:?}: {log_probs:?}");
        }
    }
}
