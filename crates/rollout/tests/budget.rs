//! What is played does not depend on how many episodes fit into the cache at once.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;

use eyas_core::{Group, Interrupt, Seed};
use eyas_gym::{KnobValue, ResponseStyle, find};
use eyas_model::{Sampling, Vlm};
use eyas_rollout::{Agent, Pictures, RolloutConfig, RolloutError, RolloutStats, Start, rollout};

const CONTEXT: usize = 700;

fn model() -> Vlm {
    let text = "<think>left</think><answer>left right up down</answer> walk to the flag";
    Vlm::tiny([text.to_string()].into_iter(), 300, &[], Seed::new(3)).unwrap()
}

fn starts() -> Vec<Start> {
    let knobs = |env: &str, given: &[(&str, i64)]| {
        let given = given.iter().map(|(n, v)| (n.to_string(), KnobValue::Int(*v)));
        find(env).unwrap().knobs(&given.collect::<BTreeMap<_, _>>()).unwrap()
    };
    let lake = knobs("frozen-lake", &[("max_turns", 4)]);
    let board = knobs("2048", &[]);
    (0..5)
        .map(|i| match i % 2 {
            0 => Start::reset("frozen-lake", Seed::new(i), &lake).unwrap(),
            _ => Start::reset("2048", Seed::new(i), &board).unwrap(),
        })
        .collect()
}

fn play(model: &Vlm, contexts: f64) -> Result<(Vec<Group>, RolloutStats), RolloutError> {
    let each = CONTEXT * model.policy.kv_bytes_per_token();
    let config = RolloutConfig {
        style: ResponseStyle::Think,
        sampling: Sampling::default(),
        max_tokens: 6,
        max_context: CONTEXT,
        stop: Vec::new(),
        record_truth: false,
        kv_bytes: (contexts * each as f64) as usize,
        env_limit: None,
    };
    rollout(
        Agent::of(model),
        &starts(),
        3,
        &config,
        Seed::new(9),
        &mut Pictures::default(),
        &Interrupt::default(),
    )
}

#[test]
fn a_small_budget_plays_the_same_episodes_a_few_at_a_time() {
    let model = model();
    let (all, stats) = play(&model, 100.0).unwrap();
    assert_eq!((all.len(), stats.most_open), (5, 15));
    assert!(all.iter().all(|g| g.episodes.len() == 3));
    assert!(all[0].episodes.iter().any(|e| e.turns.len() > 1), "several turns");
    for (contexts, open) in [(1.0, 1), (2.5, 2), (3.0, 3), (7.9, 7)] {
        let (some, stats) = play(&model, contexts).unwrap();
        assert_eq!(some, all, "{contexts} contexts");
        assert!(stats.most_open <= open, "{contexts} contexts: {}", stats.most_open);
    }
}

#[test]
fn a_budget_below_one_episode_is_an_error_before_anything_is_played() {
    let error = play(&model(), 0.9).unwrap_err();
    assert!(matches!(error, RolloutError::KvBudget { needed: CONTEXT, .. }), "{error}");
}

#[test]
fn an_interrupt_ends_a_rollout() {
    let model = model();
    let config = RolloutConfig {
        style: eyas_gym::ResponseStyle::Think,
        sampling: eyas_model::Sampling::default(),
        max_tokens: 8,
        max_context: CONTEXT,
        stop: Vec::new(),
        record_truth: false,
        kv_bytes: RolloutConfig::KV_BYTES,
        env_limit: None,
    };
    let interrupt = Interrupt::default();
    interrupt.raise();
    let ended =
        rollout(Agent::of(&model), &starts(), 1, &config, Seed::new(9), &mut Pictures::default(), &interrupt);
    assert!(matches!(ended, Err(RolloutError::Interrupted)));
}
