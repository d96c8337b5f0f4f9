//! Reinforcement learning with verifiable rewards: groups, advantages, clipped policy gradient.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use eyas_algo::{
    Aggregation, PolicyConfig, PolicyInputs, PolicyMetrics, TokenAdvantages, policy_loss, token_advantages,
};
use eyas_core::{Episode, Group, Outcome, ScoreSheet, Seed, TokenKind, Trajectory};
use eyas_gym::{ResponseStyle, normalised, play_oracle, play_random};
use eyas_model::{ImageStore, Policy, Sampling, ScoreOptions, Scored, Targets, Upstream, Vlm};
use eyas_reward::score_episode;
use eyas_rollout::{Agent, RolloutConfig, Start, rollout};
use rayon::prelude::*;
use serde_json::Value;

use crate::mixture::starts;
use crate::optim::{adamw, micro_batches};
use crate::recipe::{EnvChoice, RlStage, RolloutSettings};
use crate::run_dir::Metrics;
use crate::{StepReport, TrainError};

/// A group that takes part in the update.
struct Live<'a> {
    group: &'a Group,
    advantages: TokenAdvantages,
}

/// Sums over the micro-batches of a step.
#[derive(Default)]
struct Sums {
    loss: f64,
    metrics: Option<PolicyMetrics>,
    tokens: usize,
    mismatch: f64,
    mismatch_max: f64,
    entropy: f64,
}

/// Runs the stage. `reference` is needed when the loss has a KL term.
///
/// # Errors
/// [`TrainError`]; also when `report` fails.
pub fn run_rl(
    model: &mut Vlm,
    reference: Option<&Policy>,
    stage: &RlStage,
    style: ResponseStyle,
    seed: Seed,
    report: &mut dyn FnMut(StepReport<'_>) -> Result<(), TrainError>,
) -> Result<(), TrainError> {
    let rollout_config = rollout_config(&stage.rollout, style);
    let loss_config = stage.loss.config();
    let references = references(&stage.env, seed.split("references", 0))?;
    for step in 0..stage.steps {
        let begin = Instant::now();
        let seed = seed.split("rl", step);
        let (places, begins): (Vec<usize>, Vec<_>) =
            starts(&stage.env, stage.rollout.groups, seed)?.into_iter().unzip();
        let agent = Agent::of(model);
        let forbidden: Arc<[u32]> = Arc::from(agent.forbidden());
        let (mut groups, stats) = rollout(
            agent,
            &begins,
            stage.rollout.group_size,
            &rollout_config,
            seed.split("sampling", 0),
            |_| {},
        )?;
        let gen_secs = begin.elapsed().as_secs_f64();

        let clock = Instant::now();
        let tags = style.tags();
        groups
            .par_iter_mut()
            .flat_map(|g| g.episodes.par_iter_mut())
            .for_each(|episode| score_episode(&stage.reward, episode, tags));
        let reward_secs = clock.elapsed().as_secs_f64();

        let clock = Instant::now();
        let mut live = Vec::new();
        let (mut dead, mut invalid) = (0usize, 0usize);
        for group in &groups {
            let scores: Vec<&[ScoreSheet]> = group.episodes.iter().map(|e| e.scores.as_slice()).collect();
            let kinds: Vec<&[TokenKind]> = group.episodes.iter().map(|e| e.trajectory.kinds()).collect();
            let advantages = token_advantages(&scores, &kinds, stage.advantage)?;
            invalid += advantages.invalid;
            if advantages.dead {
                dead += 1;
            } else {
                live.push(Live { group, advantages });
            }
        }
        let adv_secs = clock.elapsed().as_secs_f64();

        let clock = Instant::now();
        let policy = &mut model.policy;
        let mut images = ImageStore::default();
        let pictures = live.iter().flat_map(|l| &l.group.episodes).flat_map(|e| e.images.values());
        images.add(policy.processor(), pictures)?;
        let options = ScoreOptions {
            targets: Targets::Sampled,
            temperature: rollout_config.sampling.temperature,
            forbidden,
        };
        let mut sums = Sums::default();
        let (mut grad_norm, mut applied) = (0.0f64, 0usize);
        let settings = adamw(&stage.optim, stage.steps, step);
        let lr = f64::from(settings.lr);
        for part in live.chunks(live.len().div_ceil(stage.optim.minibatches).max(1)) {
            let budget = stage.optim.micro_batch_tokens;
            minibatch(policy, reference, part, &images, &options, &loss_config, budget, &mut sums)?;
            let update = policy.apply(&settings);
            grad_norm = grad_norm.max(update.grad_norm);
            applied += usize::from(update.applied);
        }
        let update_secs = clock.elapsed().as_secs_f64();

        let episodes: Vec<Episode> = groups.into_iter().flat_map(|g| g.episodes).collect();
        let mut line = Metrics::new();
        line.insert("step".into(), Value::from(step));
        line.insert("stage".into(), Value::from(stage.name.as_str()));
        let mut put = |key: &str, value: f64| {
            // JSON has no NaN; a metric without a value is absent.
            if value.is_finite() {
                line.insert(key.to_string(), Value::from(value));
            }
        };
        let seconds = begin.elapsed().as_secs_f64();
        reward_metrics(&mut put, &episodes, stage, &places, &references);
        length_metrics(&mut put, &episodes);
        put("frac_reward_zero_std", dead as f64 / stage.rollout.groups as f64);
        put("training/filter_groups/dropped", dead as f64);
        put("training/invalid_scores", invalid as f64);
        put("loss", sums.loss);
        put("actor/pg_loss", sums.loss);
        let tokens = sums.tokens.max(1) as f64;
        put("entropy", sums.entropy / tokens);
        put("actor/entropy", sums.entropy / tokens);
        put("sampling/sampling_logp_difference/mean", sums.mismatch / tokens);
        put("sampling/sampling_logp_difference/max", sums.mismatch_max);
        put("training/rollout_probs_diff_mean", sums.mismatch / tokens);
        if let Some(m) = sums.metrics {
            put("clip_ratio/region_mean", m.clip_fraction);
            put("clip_ratio/low_mean", m.clip_fraction_low);
            put("clip_ratio/high_mean", m.clip_fraction_high);
            put("actor/pg_clipfrac", m.clip_fraction);
            put("actor/ppo_kl", m.ppo_kl);
            put("sampling/importance_sampling_ratio/mean", m.ratio_mean);
            put("sampling/importance_sampling_ratio/max", m.ratio_max);
            put("sampling/importance_sampling_ratio/min", m.ratio_min);
            if let Some(kl) = m.kl {
                put("kl", kl);
                put("actor/kl_loss", kl);
            }
        }
        put("grad_norm", grad_norm);
        put("actor/grad_norm", grad_norm);
        put("learning_rate", lr);
        put("updates", applied as f64);
        put("num_tokens", (stats.sampled_tokens + stats.prompt_tokens) as f64);
        put("sampled_tokens", stats.sampled_tokens as f64);
        put("step_time", seconds);
        put("timing_s/gen", gen_secs);
        put("timing_s/render", stats.seconds.render);
        put("timing_s/encode", stats.seconds.encode);
        put("timing_s/prefill", stats.seconds.prefill);
        put("timing_s/decode", stats.seconds.decode);
        put("timing_s/sample", stats.seconds.sample);
        put("timing_s/act", stats.seconds.act);
        put("decoder_passes", stats.passes as f64);
        put("timing_s/reward", reward_secs);
        put("timing_s/adv", adv_secs);
        put("timing_s/update_actor", update_secs);
        put("timing_s/step", seconds);
        put("perf/throughput", (stats.sampled_tokens + stats.prompt_tokens) as f64 / seconds);
        report(StepReport {
            stage: &stage.name,
            step,
            steps: stage.steps,
            metrics: &mut line,
            episodes: &episodes,
            model,
        })?;
    }
    Ok(())
}

/// Mean scores of the random player and of the oracle in each environment, on states of their own: the
/// anchors of the normalised score that is shown while training.
fn references(envs: &[EnvChoice], seed: Seed) -> Result<Vec<(f64, f64)>, TrainError> {
    const EPISODES: u64 = 128;
    envs.iter()
        .enumerate()
        .map(|(i, env)| {
            let seed = seed.split(&env.id, i as u64);
            let starts: Result<Vec<Start>, _> =
                (0..EPISODES).map(|n| Start::reset(&env.id, seed.split("episode", n), &env.knobs)).collect();
            let starts = starts?;
            let mean = |play: &(dyn Fn(&Start) -> f32 + Sync)| {
                moments(&starts.par_iter().map(|s| f64::from(play(s))).collect::<Vec<_>>()).0
            };
            Ok((
                mean(&|s| play_random(s.game.fork(), s.seed.split("random-player", 0))),
                mean(&|s| play_oracle(s.game.fork())),
            ))
        })
        .collect()
}

/// The engine's settings for a stage.
fn rollout_config(settings: &RolloutSettings, style: ResponseStyle) -> RolloutConfig {
    RolloutConfig {
        style,
        sampling: Sampling {
            temperature: settings.temperature as f32,
            top_p: settings.top_p as f32,
            top_k: settings.top_k,
        },
        max_tokens: settings.max_tokens,
        max_context: settings.max_context,
        stop: settings.stop.clone(),
    }
}

/// Accumulates the gradient of one update over its micro-batches. Denominators are those of the whole
/// update, so the cut into micro-batches changes nothing.
#[expect(clippy::too_many_arguments, reason = "the parts of one update, used once")]
fn minibatch(
    policy: &mut Policy,
    reference: Option<&Policy>,
    part: &[Live<'_>],
    images: &ImageStore,
    options: &ScoreOptions,
    loss: &PolicyConfig,
    budget: usize,
    sums: &mut Sums,
) -> Result<(), TrainError> {
    let groups: Vec<Vec<&Trajectory>> =
        part.iter().map(|l| l.group.episodes.iter().map(|e| &e.trajectory).collect()).collect();
    let denominator = denominator(part, loss.aggregation)?;
    if denominator <= 0.0 {
        return Ok(());
    }
    let mut first = 0;
    for micro in micro_batches(&groups, budget) {
        let live = &part[first..first + micro.len()];
        first += micro.len();
        let reference_logprob = match reference.filter(|_| loss.kl_coef > 0.0) {
            Some(reference) => Some(reference.score(micro, images, options)?.logprobs),
            None => None,
        };
        policy.accumulate(micro, images, options, |scored| {
            let tokens = Tokens::of(live, micro, scored);
            let result = policy_loss(
                &PolicyInputs {
                    logprob: &scored.logprobs,
                    behaviour_logprob: &tokens.behaviour,
                    reference_logprob: reference_logprob.as_deref(),
                    advantage: &tokens.advantage,
                    weight: &tokens.weight,
                    entropy: Some(&scored.entropies),
                    offsets: &tokens.offsets,
                },
                loss,
                denominator,
            )?;
            sums.loss += result.value;
            sums.metrics = Some(match sums.metrics.take() {
                Some(so_far) => so_far.merge(&result.metrics),
                None => result.metrics,
            });
            for (now, then) in scored.logprobs.iter().zip(&tokens.behaviour) {
                let difference = f64::from((now - then).abs());
                sums.mismatch += difference;
                sums.mismatch_max = sums.mismatch_max.max(difference);
            }
            sums.tokens += scored.logprobs.len();
            sums.entropy += scored.entropies.iter().map(|e| f64::from(*e)).sum::<f64>();
            Ok::<_, TrainError>(Upstream { d_logprobs: result.d_logprob, d_entropies: Vec::new() })
        })?;
    }
    Ok(())
}

/// What the loss reads of each scored token, in the order of the scores.
struct Tokens {
    behaviour: Vec<f32>,
    advantage: Vec<f32>,
    weight: Vec<f32>,
    offsets: Vec<usize>,
}

impl Tokens {
    fn of(live: &[Live<'_>], groups: &[Vec<&Trajectory>], scored: &Scored) -> Self {
        let n = scored.origins.len();
        let mut tokens = Self {
            behaviour: Vec::with_capacity(n),
            advantage: Vec::with_capacity(n),
            weight: Vec::with_capacity(n),
            offsets: vec![0],
        };
        let mut episode = None;
        for (i, origin) in scored.origins.iter().enumerate() {
            let advantages = &live[origin.group].advantages;
            tokens.behaviour.push(groups[origin.group][origin.member].logprobs()[origin.token]);
            tokens.advantage.push(advantages.values[origin.member][origin.token]);
            tokens.weight.push(f32::from(u8::from(advantages.mask[origin.member][origin.token])));
            let now = (origin.group, origin.member);
            if episode.is_some_and(|before| before != now) {
                tokens.offsets.push(i);
            }
            episode = Some(now);
        }
        if n > 0 {
            tokens.offsets.push(n);
        }
        tokens
    }
}

/// The loss's denominator over the whole update.
fn denominator(part: &[Live<'_>], aggregation: Aggregation) -> Result<f64, TrainError> {
    let (mut weight, mut offsets) = (Vec::new(), vec![0]);
    for mask in part.iter().flat_map(|l| &l.advantages.mask) {
        weight.extend(mask.iter().filter(|m| **m).map(|_| 1.0f32));
        if weight.len() > *offsets.last().unwrap_or(&0) {
            offsets.push(weight.len());
        }
    }
    Ok(aggregation.denominator(&weight, &offsets)?)
}

/// Mean and (population) standard deviation.
fn moments(values: &[f64]) -> (f64, f64) {
    let n = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / n;
    (mean, (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt())
}

fn reward_metrics(
    put: &mut impl FnMut(&str, f64),
    episodes: &[Episode],
    stage: &RlStage,
    places: &[usize],
    references: &[(f64, f64)],
) {
    let totals: Vec<f64> = episodes.iter().filter_map(|e| e.total_score()).map(f64::from).collect();
    let (mean, std) = moments(&totals);
    put("reward", mean);
    put("reward_std", std);
    put("critic/rewards/mean", mean);
    put("critic/rewards/max", totals.iter().copied().fold(f64::NEG_INFINITY, f64::max));
    put("critic/rewards/min", totals.iter().copied().fold(f64::INFINITY, f64::min));
    for (i, spec) in stage.reward.iter().enumerate() {
        let values: Vec<f64> =
            episodes.iter().filter_map(|e| e.scores.get(i)?.score.value()).map(f64::from).collect();
        let (mean, std) = moments(&values);
        put(&format!("rewards/{}/mean", spec.name()), mean);
        put(&format!("rewards/{}/std", spec.name()), std);
    }
    let mut by_env: BTreeMap<usize, Vec<&Episode>> = BTreeMap::new();
    let env_of_episode = places.iter().flat_map(|p| std::iter::repeat_n(*p, stage.rollout.group_size));
    for (episode, env) in episodes.iter().zip(env_of_episode) {
        by_env.entry(env).or_default().push(episode);
    }
    for (env, episodes) in by_env {
        let name = &stage.env[env].name;
        let scores: Vec<f64> = episodes.iter().map(|e| f64::from(e.env_score)).collect();
        let score = moments(&scores).0;
        put(&format!("env/{name}/score"), score);
        let (random, oracle) = references[env];
        if let Some(normalised) = normalised(score, random, oracle) {
            put(&format!("env/{name}/normalised"), normalised);
        }
        let returns: Vec<f64> = episodes.iter().map(|e| f64::from(e.env_return)).collect();
        put(&format!("env/{name}/return"), moments(&returns).0);
        let wins = episodes.iter().filter(|e| e.outcome == Outcome::Success).count();
        put(&format!("env/{name}/success"), wins as f64 / episodes.len().max(1) as f64);
    }
}

fn length_metrics(put: &mut impl FnMut(&str, f64), episodes: &[Episode]) {
    let turns: Vec<f64> = episodes.iter().map(|e| e.turns.len() as f64).collect();
    let lengths: Vec<f64> = episodes.iter().map(|e| e.trajectory.sampled_len() as f64).collect();
    let (mean, _) = moments(&lengths);
    put("completions/mean_length", mean);
    put("completions/max_length", lengths.iter().copied().fold(0.0, f64::max));
    put("completions/min_length", lengths.iter().copied().fold(f64::INFINITY, f64::min));
    put("response_length/mean", mean);
    let cut = episodes.iter().filter(|e| e.turns.iter().any(|t| !t.terminated)).count();
    put("completions/clipped_ratio", cut as f64 / episodes.len().max(1) as f64);
    put("response_length/clip_ratio", cut as f64 / episodes.len().max(1) as f64);
    put("num_turns/mean", moments(&turns).0);
    let invalid = episodes.iter().flat_map(|e| &e.turns).filter(|t| t.action.is_none()).count();
    put("invalid_actions", invalid as f64 / turns.iter().sum::<f64>().max(1.0));
}
