//! A batch that is computed in parts side by side, against the same sequences one by one.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Fixture, close, policy_case};
use eyas_core::{TokenKind, Trajectory};
use eyas_model::policy::Policy;
use eyas_model::{ImageStore, Origin, PolicyError, ScoreOptions, Scored, Targets, Upstream, packed_tokens};
use rayon::ThreadPoolBuilder;

/// Groups with a picture and a common prompt, a large one among them; together enough tokens for two parts, whose
/// cut falls into the large one.
fn groups(base: &Trajectory) -> Vec<Vec<Trajectory>> {
    let member = |group: u32, member: u32| {
        let mut t = base.clone();
        let len = 30 + (group + 3 * member) as usize % 7;
        let ids: Vec<u32> = (0..len as u32).map(|i| 10 + (group * 7 + member * 5 + i * 3) % 50).collect();
        t.push_text(&[10 + group], 0).unwrap();
        t.push_sampled(&ids, &vec![TokenKind::Answer; len], &vec![-1.0; len], 1).unwrap();
        t
    };
    let members = |group| if group == 5 { 0..20 } else { 0..2 };
    (0..10).map(|group| members(group).map(|m| member(group, m)).collect()).collect()
}

type Gradients = Vec<(String, Vec<f32>)>;

/// Scores and gradients of a loss that differs from token to token; `from` is the number of tokens before.
fn run(
    policy: &mut Policy,
    groups: &[Vec<Trajectory>],
    store: &ImageStore,
    from: usize,
) -> (Scored, Gradients) {
    let groups: Vec<Vec<&Trajectory>> = groups.iter().map(|members| members.iter().collect()).collect();
    let scored = policy
        .accumulate(&groups, store, &ScoreOptions::default(), |s| {
            let by = |scale: f32| (0..s.logprobs.len()).map(|i| scale * ((from + i) as f32).sin()).collect();
            Ok::<_, PolicyError>(Upstream { d_logprobs: by(1.0), d_entropies: by(0.1), d_values: vec![] })
        })
        .unwrap();
    let again = policy.score(&groups, store, &ScoreOptions::default()).unwrap();
    assert_eq!(scored, again, "scored without and with a gradient");
    (scored, policy.gradients().into_iter().map(|(name, g)| (name.to_string(), g.to_vec())).collect())
}

#[test]
fn parts_equal_single_groups_and_do_not_depend_on_threads() {
    let f = Fixture::load("untied");
    let (mut policy, base, store) = policy_case(&f, 3);
    policy.freeze(&["model.layers.0.mlp".to_string()]);
    let groups = groups(&base);
    let tokens: usize = groups.iter().map(|g| packed_tokens(&g.iter().collect::<Vec<_>>())).sum();
    assert!(tokens > 2 * 512, "{tokens} tokens are more than one part");

    let mut in_pool = |threads: usize| {
        policy.discard_gradients();
        let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| run(&mut policy, &groups, &store, 0))
    };
    let whole = in_pool(1);
    for threads in [2, 3, 4] {
        assert_eq!(whole, in_pool(threads), "{threads} threads");
    }

    policy.discard_gradients();
    let (mut apart, mut gradients) = (Scored::default(), Vec::new());
    for (i, group) in groups.chunks_exact(1).enumerate() {
        let (mut scored, sums) = run(&mut policy, group, &store, apart.logprobs.len());
        scored.origins.iter_mut().for_each(|origin| origin.group = i);
        apart.origins.extend(scored.origins);
        apart.logprobs.extend(scored.logprobs);
        apart.entropies.extend(scored.entropies);
        gradients = sums;
    }
    assert_eq!(whole.0.origins, apart.origins);
    close(&whole.0.logprobs, &apart.logprobs, 1e-5, "log-probs");
    close(&whole.0.entropies, &apart.entropies, 1e-5, "entropies");
    for ((name, a), (_, b)) in whole.1.iter().zip(&gradients) {
        assert_eq!(a.is_empty(), name.starts_with("model.layers.0.mlp"), "{name}");
        close(a, b, 1e-4, name);
    }

    // States too come in the order of groups and members, also those of a group that is in two parts.
    let all: Vec<Vec<&Trajectory>> = groups.iter().map(|members| members.iter().collect()).collect();
    for targets in [Targets::Sampled, Targets::Turns] {
        let whole = policy.states(&all, &store, targets).unwrap();
        let (mut origins, mut rows) = (Vec::new(), Vec::new());
        for (group, members) in all.iter().enumerate() {
            let part = policy.states(std::slice::from_ref(members), &store, targets).unwrap();
            origins.extend(part.origins.into_iter().map(|origin| Origin { group, ..origin }));
            rows.extend(part.rows);
        }
        assert_eq!(whole.origins, origins);
        close(&whole.rows, &rows, 1e-4, "states");
    }
}
