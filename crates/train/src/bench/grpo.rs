//! A whole GRPO step, taken apart.

use std::sync::Arc;
use std::time::Instant;

use eyas_algo::{AdvantageConfig, PolicyConfig};
use eyas_core::{Interrupt, Score, ScoreSheet, Seed, TokenSpan};
use eyas_gym::{Knobs, ResponseStyle, registry};
use eyas_model::{AdamW, ScoreOptions, Targets, Vlm, packed_tokens};
use eyas_reward::{RewardSpec, format, game, perception, score_episode};
use eyas_rollout::{Agent, Pictures, RolloutConfig, Watch, rollout};
use rayon::prelude::*;
use serde::Serialize;

use super::BenchConfig;
use super::flops::{Load, forward};
use crate::mixture::starts;
use crate::recipe::{EnvChoice, KlWeight};
use crate::rl::{UpdateConfig, Views, sort, update};
use crate::{Guard, MICRO_BATCH_TOKENS, TrainError, fresh_tiny};

/// One part of a step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Part {
    /// Its name, as in `timing_s/NAME` of a run's metrics.
    pub name: &'static str,
    /// Wall-clock time.
    pub seconds: f64,
    /// Billions of floating-point operations a second in its matrix products, where it has any.
    pub gflops: Option<f64>,
}

/// One GRPO step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GrpoStep {
    /// From the first picture drawn to the new weights.
    pub seconds: f64,
    /// Tokens drawn.
    pub sampled_tokens: usize,
    /// Rows trained on; a prompt counts once for its group, the last token of an answer not at all.
    pub trained_tokens: usize,
    /// What it consists of, in order.
    pub parts: Vec<Part>,
    /// Largest resident memory beyond weights, gradients and optimizer state, in bytes; where the system
    /// tells.
    pub memory_over_state: Option<u64>,
}

/// Runs GRPO steps on 2048 boards (one move an episode) and gives the one of median time. Responses of
/// random weights earn nothing, so the rewards that are trained on are drawn at random; the real ones are
/// computed too, and timed.
///
/// # Errors
/// [`TrainError`] as in training.
pub fn grpo_step(config: &BenchConfig) -> Result<GrpoStep, TrainError> {
    let registry = registry();
    let entry = registry.iter().find(|e| e.spec.id == "2048");
    let spec = entry.ok_or_else(|| TrainError::Listener("2048 is not in the gym".into()))?.spec;
    let env = EnvChoice {
        id: spec.id.into(),
        name: spec.id.into(),
        weight: 1.0,
        level: None,
        knobs: Knobs::defaults(spec.knobs),
    };
    let seed = Seed::new(1);
    let mut model = fresh_tiny(std::slice::from_ref(&env), 640, seed)?;
    model.policy.set_precision(config.precision);
    let mut steps = Vec::new();
    for i in 0..config.repeats as u64 + 2 {
        let step = one(&mut model, &env, config, seed.split("step", i))?;
        if i >= 2 {
            steps.push(step);
        }
    }
    steps.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    Ok(steps.swap_remove(steps.len() / 2))
}

fn one(model: &mut Vlm, env: &EnvChoice, config: &BenchConfig, seed: Seed) -> Result<GrpoStep, TrainError> {
    let style = ResponseStyle::Perception;
    let rewards = [&game::INFO, &format::INFO, &perception::INFO].map(RewardSpec::of);
    let begin = Instant::now();
    let (limit, interrupt) = (None, &Interrupt::default());
    let watch = Watch { limit, interrupt };
    let begins: Vec<_> =
        starts(std::slice::from_ref(env), config.groups, seed, watch)?.into_iter().map(|s| s.1).collect();
    let reset_secs = begin.elapsed().as_secs_f64();
    let rollout_config = RolloutConfig {
        style,
        sampling: eyas_model::Sampling::default(),
        max_tokens: config.answer,
        max_context: 4096,
        stop: Vec::new(),
        record_truth: false,
        kv_bytes: RolloutConfig::KV_BYTES,
        env_limit: None,
    };
    let agent = Agent::of(model);
    let forbidden = Arc::from(agent.forbidden());
    let mut pictures = Pictures::default();
    let (mut groups, stats) = rollout(
        agent,
        &begins,
        config.group_size,
        &rollout_config,
        seed,
        &mut pictures,
        &Interrupt::default(),
    )?;

    let clock = Instant::now();
    let tags = style.tags();
    groups
        .par_iter_mut()
        .flat_map(|g| g.episodes.par_iter_mut())
        .for_each(|episode| score_episode(&rewards, episode, tags));
    let reward_secs = clock.elapsed().as_secs_f64();
    let mut rng = seed.split("scores", 0).rng();
    for episode in groups.iter_mut().flat_map(|g| &mut g.episodes) {
        let score = Score::from_value(rng.unit() as f32);
        episode.scores = vec![ScoreSheet { name: "random".into(), weight: 1.0, span: TokenSpan::All, score }];
    }

    let clock = Instant::now();
    let sorted = sort(&groups.iter().collect::<Vec<_>>(), &AdvantageConfig::default(), 0)?;
    let adv_secs = clock.elapsed().as_secs_f64();

    let options = ScoreOptions { targets: Targets::Sampled, temperature: 1.0, forbidden };
    let (loss, optim) = (PolicyConfig::default(), AdamW::default());
    let settings = UpdateConfig {
        loss: &loss,
        kl_weight: KlWeight::One,
        value: None,
        values_only: false,
        optim: &optim,
        minibatches: 1,
        micro_batch_tokens: MICRO_BATCH_TOKENS,
    };
    let images = pictures.into_store();
    model.policy.take_seconds();
    let views = Views {
        images: &images,
        corrupted: None,
        reference: None,
        options: &options,
        interrupt: &Interrupt::default(),
    };
    update(&mut model.policy, &sorted.live, &views, &settings, &mut Guard::default())?;
    let passes = model.policy.take_seconds();
    let seconds = begin.elapsed().as_secs_f64();

    let (mut trained, mut rows, mut visual) = (0, 0, 0);
    for group in &groups {
        let members: Vec<&eyas_core::Trajectory> = group.episodes.iter().map(|e| &e.trajectory).collect();
        // The last token of a sequence is predicted and has no row; answers of random weights are all different.
        rows += packed_tokens(&members).saturating_sub(members.len());
        visual += members.first().map_or(0, |t| t.images().iter().map(|s| s.len).sum::<usize>());
        trained += members.iter().map(|t| t.sampled_len()).sum::<usize>();
    }
    let shape = model.policy.config();
    let patches = visual * shape.vision.spatial_merge_size.pow(2);
    let encode = forward(shape, Load { patches, ..Load::default() });
    let sampled = stats.sampled_tokens;
    let prefill =
        forward(shape, Load { tokens: stats.prompt_tokens, heads: config.groups, ..Load::default() });
    let decoded = stats.rows.saturating_sub(stats.prompt_tokens);
    let decode = forward(shape, Load { tokens: decoded, heads: decoded, patches: 0 });
    let score = forward(shape, Load { tokens: rows, heads: trained, patches });
    let s = stats.seconds;
    let part = |name, seconds: f64, flops: Option<f64>| Part {
        name,
        seconds,
        gflops: flops.map(|f| f / seconds / 1e9),
    };
    let mut parts = vec![
        part("reset", reset_secs, None),
        part("render", s.render, None),
        part("encode", s.encode, Some(encode)),
        part("prefill", s.prefill, Some(prefill)),
        part("decode", s.decode, Some(decode)),
        part("sample", s.sample, None),
        part("act", s.act, None),
        part("reward", reward_secs, None),
        part("adv", adv_secs, None),
        part("score", passes.forward, Some(score)),
        part("backward", passes.backward, Some(2.0 * score)),
        part("optimizer", passes.optimizer, None),
    ];
    let named: f64 = parts.iter().map(|p| p.seconds).sum();
    parts.push(part("other", (seconds - named).max(0.0), None));
    // Weights, gradients, two moments, in f32.
    let state = 16 * shape.parameter_count();
    let memory_over_state = resident_bytes().map(|bytes| bytes.saturating_sub(state));
    Ok(GrpoStep { seconds, sampled_tokens: sampled, trained_tokens: rows, parts, memory_over_state })
}

/// The largest resident memory of the process so far.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
}
