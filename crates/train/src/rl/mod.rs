//! Reinforcement learning with verifiable rewards: groups, advantages, clipped policy gradient.

mod advantages;
mod choose;
mod collect;
mod control;
mod critic;
mod dependency;
mod flow;
mod likelihood;
mod metrics;
mod resample;
mod update;
mod value;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

pub use advantages::{GroupAdvantages, advantages};
use collect::{Collected, Play, collect};
use control::{adapt, prepare};
pub use critic::{Critic, CriticError};
use eyas_core::{Episode, Group, Seed};
use eyas_gym::ResponseStyle;
use eyas_model::{Policy, Sampling, ScoreOptions, Targets, Vlm};
use eyas_reward::RewardSpec;
use eyas_rollout::{Agent, Reference, RolloutConfig, RolloutError, Start, Watch, each};
use likelihood::reference_name;
use metrics::{StepSeconds, cost_metrics, length_metrics, reward_metrics, update_metrics};
use resample::resample;
use serde_json::Value;
pub(crate) use update::{Sorted, UpdateConfig, Views, sort, update};
use update::{is_live, sort_valued};
use value::evaluate;

use crate::judges::Snapshot;
use crate::optim::adamw;
use crate::recipe::{EnvChoice, ReferencePolicy, RlStage, RolloutSettings};
use crate::restart::restart_metrics;
use crate::run_dir::{Metrics, put};
use crate::source::curriculum_metrics;
use crate::{Guard, StageRun, StageState, StepReport, TrainError};

/// Runs the stage. `reference`, the policy at its start, is needed when the loss compares with it; a running
/// mean is kept there. `state` is what the stage remembers: empty at its start, and always as the last finished
/// step left it.
///
/// # Errors
/// [`TrainError`]; also when `report` fails.
pub fn run_rl(
    model: &mut Vlm,
    reference: &mut Option<Policy>,
    state: &mut StageState,
    stage: &RlStage,
    run: &StageRun<'_>,
    guard: &mut Guard,
    report: &mut dyn FnMut(StepReport<'_>) -> Result<(), TrainError>,
) -> Result<(), TrainError> {
    let StageRun { style, seed, from, judges, reward_models, interrupt, env_limit } = *run;
    if let Some(value) = stage.value {
        model.policy.add_value_head(value.stop_gradient);
    }
    if stage.flow.is_some_and(|flow| flow.reads_flow()) {
        model.policy.add_value_head(false);
    }
    let references = references(&stage.env, seed.split("references", 0), run.watch())?;
    // Only a judge asks for it, and only where the reference stays as it is.
    let reference_name = reference_name(stage, reference.as_ref());
    let whole = stage;
    prepare(state, whole, seed)?;
    for step in from..whole.steps {
        let begin = Instant::now();
        guard.begin();
        let seed = seed.split("rl", step);
        let mut next = state.clone();
        let stage = &whole.at_step(step, state);
        let mut rollout_config = rollout_config(&stage.rollout, style);
        rollout_config.env_limit = env_limit;
        rollout_config.record_truth = stage.reward.iter().any(RewardSpec::reads_truth);
        let judge = reference.as_ref().zip(reference_name.as_deref());
        let judge =
            judge.map(|(policy, name)| Snapshot { agent: Agent { policy, ..Agent::of(model) }, name });
        let play = Play {
            model,
            stage,
            config: &rollout_config,
            step,
            seed,
            reference: reference.as_ref(),
            judges,
            reward_models,
            judge,
            interrupt,
        };
        let Collected {
            groups,
            envs,
            items,
            prefixes,
            chosen,
            pictures,
            stats,
            augmented,
            asked,
            rounds,
            gen_secs,
            reward_secs,
        } = collect(&play, &mut next, guard)?;
        guard.see_lost(groups.iter().flat_map(|g| &g.episodes));
        guard.check_scores(groups.iter().flat_map(|g| &g.episodes))?;

        let clock = Instant::now();
        let demonstrations = stage.off_policy.demonstrations;
        let chosen: Vec<&Group> = chosen.iter().map(|i| &groups[*i]).collect();
        let mut images = pictures.into_store();
        if demonstrations > 0 {
            let shown = chosen.iter().flat_map(|g| &g.episodes).flat_map(|e| e.images.values());
            images.add(model.policy.processor(), shown)?;
        }
        let options = ScoreOptions {
            targets: Targets::Sampled,
            temperature: rollout_config.sampling.temperature,
            forbidden: Arc::from(Agent::of(model).forbidden()),
        };
        let flows = stage.flow.map(|settings| flow::sort(&chosen, settings, demonstrations));
        let mut critic_metrics = BTreeMap::new();
        let Sorted { mut live, dead, invalid } = if let Some(flows) = &flows {
            Sorted { live: Vec::new(), dead: flows.dead, invalid: flows.invalid }
        } else if let Some(settings) = &stage.value {
            sort_valued(&chosen, evaluate(&model.policy, &chosen, stage, settings, &images, &options)?)
        } else if let Some(settings) = &stage.critic {
            let (policy, critic, seed) = (&model.policy, &mut next.critic, seed.split("critic", 0));
            let judged = critic::evaluate(policy, &chosen, stage, settings, critic, &images, seed)?;
            critic_metrics = judged.metrics;
            sort_valued(&chosen, judged.valued)
        } else {
            sort(&chosen, &stage.advantage, demonstrations)?
        };
        if stage.critic.is_some_and(|critic| step < critic.warmup_steps) {
            guard.note("no update: the critics are warming up".into());
            live.clear();
        }
        let drawn = match &stage.resample {
            Some(pad) => Some(resample(&mut live, pad, seed.split("resample", 0))?),
            None => None,
        };
        let advantages = clock.elapsed().as_secs_f64();

        let clock = Instant::now();
        let settings = adamw(&stage.optim, stage.steps, step);
        let config = UpdateConfig {
            loss: &stage.loss,
            kl_weight: stage.kl_weight,
            value: stage.value.map(|v| v.loss),
            values_only: stage.value.is_some_and(|v| step < v.warmup_steps),
            optim: &settings,
            minibatches: stage.optim.minibatches,
            micro_batch_tokens: stage.optim.micro_batch_tokens,
        };
        let needs = stage.loss.needs();
        let spoils = needs.masked || needs.masked_entropy || stage.visual_dependency.is_some();
        let corrupted = spoils.then(|| {
            images.corrupted(model.policy.processor(), stage.corruption, seed.split("corruption", 0))
        });
        let views = Views {
            images: &images,
            corrupted: corrupted.as_ref(),
            reference: reference.as_ref(),
            options: &options,
            interrupt,
        };
        let dependency = match (&stage.visual_dependency, &corrupted) {
            (Some(cfg), Some(corrupted)) => {
                dependency::weigh(&model.policy, &mut live, corrupted, cfg, &views, &config)?
            }
            _ => None,
        };
        let sums = match &flows {
            Some(flows) => flow::update(&mut model.policy, flows, &views, &config, guard)?,
            None => update(&mut model.policy, &live, &views, &config, guard)?,
        };
        if let (Some(mean), ReferencePolicy::Ema { decay, every }) = (reference.as_mut(), stage.reference)
            && (step + 1) % every == 0
        {
            mean.average_with(&model.policy, decay);
        }
        let passes = model.policy.take_seconds();
        let updates = clock.elapsed().as_secs_f64();
        let (trained, sampled) = (live.len(), groups.len());
        let dead = match stage.dynamic_sampling {
            None => dead,
            Some(_) => {
                let all: Vec<&Group> = groups.iter().collect();
                is_live(&all, &stage.advantage, demonstrations)?.iter().filter(|live| !**live).count()
            }
        };

        let episodes: Vec<Episode> = groups.into_iter().flat_map(|g| g.episodes).collect();
        let mut line = Metrics::new();
        line.insert("step".into(), Value::from(step));
        line.insert("stage".into(), Value::from(stage.name.as_str()));
        let mut put = |key: &str, value: f64| put(&mut line, key, value);
        let seconds = StepSeconds {
            generation: gen_secs,
            rewards: reward_secs,
            advantages,
            updates,
            passes,
            step: begin.elapsed().as_secs_f64(),
        };
        let own: Vec<&Episode> =
            episodes.chunks(stage.rollout.group_size).flat_map(|g| &g[..stage.sampled()]).collect();
        let fresh: Vec<bool> = prefixes.iter().map(Option::is_none).collect();
        reward_metrics(&mut put, &own, stage, &envs, &fresh, &references);
        length_metrics(&mut put, &own);
        put("frac_reward_zero_std", dead as f64 / sampled as f64);
        put("training/filter_groups/dropped", dead as f64);
        if stage.dynamic_sampling.is_some() {
            put("training/filter_groups/sampled", sampled as f64);
            put("training/filter_groups/trained", trained as f64);
            put("training/filter_groups/rounds", f64::from(rounds));
            put("training/filter_groups/short_steps", next.sampling.short_steps as f64);
        }
        if let Some(dependency) = dependency {
            put("training/visual_dependency", dependency);
        }
        if let Some(drawn) = drawn {
            put("training/resampled", drawn as f64);
        }
        if let Some(restarts) = &next.restarts {
            restart_metrics(&mut put, &own, &prefixes, restarts.kept());
        }
        if stage.augment.is_some() {
            put("augment/groups", augmented as f64);
        }
        if let Some(curriculum) = &next.curriculum {
            curriculum_metrics(&mut put, curriculum, &items);
        }
        critic_metrics.iter().for_each(|(name, mean)| put(&format!("critic/{name}"), mean.value()));
        if let Some(critic) = &next.critic {
            put("critic/replay", critic.kept() as f64);
        }
        put("training/invalid_scores", invalid as f64);
        if asked.questions > 0 {
            put("judge/questions", asked.questions as f64);
            put("judge/failed", asked.failed as f64);
        }
        update_metrics(&mut put, &sums, settings.lr);
        guard.metrics(&mut put);
        cost_metrics(&mut put, &stats, &seconds);
        adapt(&mut next, stage, step, &mut line, episodes.len())?;
        *state = next;
        report(StepReport {
            stage: &stage.name,
            step,
            steps: stage.steps,
            metrics: &mut line,
            episodes: &episodes,
            model,
            reference: reference.as_ref(),
            state,
            guard,
        })?;
    }
    Ok(())
}

/// The anchors of the normalised score that is shown while training, on states of their own.
fn references(envs: &[EnvChoice], seed: Seed, watch: Watch<'_>) -> Result<Vec<Reference>, TrainError> {
    const EPISODES: u64 = 128;
    let of = |(i, env): (usize, &EnvChoice)| {
        let seed = seed.split(&env.id, i as u64);
        let (id, knobs) = (env.id.clone(), env.knobs.clone());
        let reset = move |n| Start::reset(&id, seed.split("episode", n), &knobs);
        // A state that panics or takes too long is none to measure on.
        let starts = each((0..EPISODES).collect(), watch, reset)?.into_iter().flatten();
        let starts = starts.filter(|start| !matches!(start, Err(RolloutError::Environment { .. })));
        Ok(Reference::of(&starts.collect::<Result<Vec<Start>, _>>()?, watch)?)
    };
    envs.iter().enumerate().map(of).collect()
}

/// The engine's settings for a stage.
pub(crate) fn rollout_config(settings: &RolloutSettings, style: ResponseStyle) -> RolloutConfig {
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
        record_truth: false,
        kv_bytes: settings.kv_budget_mib << 20,
        env_limit: None,
    }
}
