//! Supervised fine-tuning on demonstrations of the oracle: the cold start.

use std::time::Instant;

use eyas_algo::loss::supervised::weight::kind_weights;
use eyas_algo::{LossError, sft_loss};
use eyas_core::{Episode, Outcome, Seed, Trajectory, isolate};
use eyas_data::stage::{Bucket, bucket};
use eyas_gym::ResponseStyle;
use eyas_model::{ImageStore, Origin, ScoreOptions, Upstream, Vlm};
use eyas_rollout::{Agent, Pictures, RolloutError, Start, Teacher, demonstrate, rollout};
use rayon::prelude::*;
use serde_json::Value;

use crate::mixture::starts;
use crate::optim::{adamw, micro_batches};
use crate::recipe::{AttemptSettings, RolloutSettings, SftStage};
use crate::rl::rollout_config;
use crate::run_dir::Metrics;
use crate::{Guard, StageRun, StageState, StepReport, TrainError};

/// Draws the demonstrations of one step, and says which were lost because their environment panicked. Each
/// depends on (seed, step, place) only.
///
/// # Errors
/// When an environment or the tokenizer refuses its input.
pub fn demonstrations(
    agent: Agent<'_>,
    stage: &SftStage,
    style: ResponseStyle,
    seed: Seed,
    step: u64,
) -> Result<(Vec<Episode>, Vec<String>), TrainError> {
    let seed = seed.split("sft", step);
    let teacher = teacher_of(stage, style);
    let starts = starts(&stage.env, stage.batch_size, seed)?;
    let mut lost: Vec<String> = starts.iter().flat_map(|(_, start)| start.failed.clone()).collect();
    let drawn: Vec<Result<Result<Episode, RolloutError>, String>> = starts
        .into_par_iter()
        .enumerate()
        .map(|(place, (env, mut start))| {
            let mut rng = seed.split("teacher", place as u64).rng();
            let (env, begun) = (&stage.env[env].id, start.seed.value());
            isolate(|| {
                let moves = rng.below(stage.teacher.random_start as usize + 1);
                start.advance(moves, &mut rng);
                demonstrate(agent, start, &teacher, &mut rng)
            })
            .map_err(|why| format!("a demonstration of {env} is lost (start {begun}): it {why}"))
        })
        .collect();
    let mut episodes = Vec::with_capacity(drawn.len());
    for drawn in drawn {
        match drawn {
            Ok(episode) => episodes.push(episode?),
            Err(why) => lost.push(why),
        }
    }
    Ok((episodes, lost))
}

/// What a step learns from when the policy tries by itself: by start, an own success or a demonstration. Also
/// how many are its own, and what was lost because an environment panicked.
fn attempted(
    agent: Agent<'_>,
    stage: &SftStage,
    settings: &RolloutSettings,
    run: &StageRun<'_>,
    step: u64,
) -> Result<(Vec<Episode>, usize, Vec<String>), TrainError> {
    let AttemptSettings { teacher, solved } = stage.attempts.unwrap_or_default();
    let seed = run.seed.split("sft", step);
    let mut config = rollout_config(settings, run.style);
    config.env_limit = run.env_limit;
    let mut begins: Vec<Start> =
        starts(&stage.env, stage.batch_size, seed)?.into_iter().map(|(_, start)| start).collect();
    for (place, start) in begins.iter_mut().enumerate() {
        let mut rng = seed.split("teacher", place as u64).rng();
        let moves = rng.below(stage.teacher.random_start as usize + 1);
        start.advance(moves, &mut rng);
    }
    let sampling = seed.split("sampling", 0);
    let mut pictures = Pictures::default();
    let (groups, _) =
        rollout(agent, &begins, settings.group_size, &config, sampling, &mut pictures, run.interrupt)?;
    let mut lost: Vec<String> = begins.iter().flat_map(|start| start.failed.clone()).collect();
    let (mut episodes, mut own) = (Vec::new(), 0);
    for (place, (group, start)) in groups.into_iter().zip(begins).enumerate() {
        let won = |e: &Episode| e.outcome == Outcome::Success;
        let wins = group.episodes.iter().filter(|e| won(e)).count();
        match bucket(Some(wins as f64 / group.episodes.len() as f64)) {
            Some(Bucket::Expert) if teacher => {
                let mut rng = seed.split("expert", place as u64).rng();
                let (env, begun) = (start.game.spec().id, start.seed.value());
                match isolate(|| demonstrate(agent, start, &teacher_of(stage, run.style), &mut rng)) {
                    Ok(shown) => episodes.push(shown?),
                    Err(why) => {
                        lost.push(format!("a demonstration of {env} is lost (start {begun}): it {why}"))
                    }
                }
            }
            Some(Bucket::SelfDistilled) | Some(Bucket::Drop) if wins < group.episodes.len() || solved => {
                // The shortest success: of what was right, what took least.
                let successes = group.episodes.into_iter().filter(won);
                episodes.extend(successes.min_by_key(|e| e.trajectory.sampled_len()));
                own += 1;
            }
            _ => {}
        }
    }
    Ok((episodes, own, lost))
}

fn teacher_of(stage: &SftStage, style: ResponseStyle) -> Teacher {
    Teacher {
        noise: stage.teacher.noise,
        style,
        max_tokens: stage.teacher.max_context,
        thought_dropout: stage.teacher.thought_dropout,
        record_truth: false,
    }
}

/// Runs the stage; `report` is called after every update.
///
/// # Errors
/// [`TrainError`]; also when `report` fails.
pub fn run_sft(
    model: &mut Vlm,
    stage: &SftStage,
    run: &StageRun<'_>,
    guard: &mut Guard,
    report: &mut dyn FnMut(StepReport<'_>) -> Result<(), TrainError>,
) -> Result<(), TrainError> {
    let StageRun { style, seed, from, interrupt, .. } = *run;
    for step in from..stage.steps {
        let begin = Instant::now();
        guard.begin();
        let (episodes, own, lost) = match &stage.rollout {
            None => {
                let (episodes, lost) = demonstrations(Agent::of(model), stage, style, seed, step)?;
                (episodes, 0, lost)
            }
            Some(rollout) => attempted(Agent::of(model), stage, rollout, run, step)?,
        };
        lost.into_iter().for_each(|why| guard.see_lost_start(why));
        let policy = &mut model.policy;
        let drawn = begin.elapsed().as_secs_f64();
        let mut images = ImageStore::default();
        images.add(policy.processor(), episodes.iter().flat_map(|e| e.images.values()))?;
        let groups: Vec<Vec<&Trajectory>> = episodes.iter().map(|e| vec![&e.trajectory]).collect();
        let weights: Vec<Vec<f32>> = episodes
            .iter()
            .map(|e| kind_weights(e.trajectory.kinds(), &stage.token_weights))
            .collect::<Result<_, _>>()?;
        let denominator: f64 = weights.iter().flatten().map(|w| f64::from(*w)).sum();
        let mut first = 0;
        let (mut loss, mut correct, mut scored_tokens) = (0.0, 0usize, 0usize);
        let mut failed = None;
        for micro in micro_batches(&groups, stage.optim.micro_batch_tokens) {
            if interrupt.is_raised() {
                return Err(TrainError::Interrupted);
            }
            let done = policy.accumulate(micro, &images, &ScoreOptions::default(), |scored| {
                let of = |o: &Origin| weights[first + o.group][o.token];
                let weight: Vec<f32> = scored.origins.iter().map(of).collect();
                let result = sft_loss(&scored.logprobs, &weight, denominator.max(f64::MIN_POSITIVE))?;
                scored_tokens += weight.iter().filter(|w| **w > 0.0).count();
                loss += result.value;
                // More likely than all others together: a lower bound of greedy accuracy that costs nothing.
                let likely = |(l, w): &(&f32, &f32)| **l > -std::f32::consts::LN_2 && **w > 0.0;
                correct += scored.logprobs.iter().zip(&weight).filter(likely).count();
                Ok::<_, TrainError>(Upstream {
                    d_logprobs: result.d_logprob,
                    d_entropies: Vec::new(),
                    ..Upstream::default()
                })
            });
            if let Err(error) = done {
                failed = Some(error);
                break;
            }
            first += micro.len();
        }
        let settings = adamw(&stage.optim, stage.steps, step);
        let update = guard.apply(policy, &settings, failed.map_or(Ok(loss), Err))?;
        let seconds = begin.elapsed().as_secs_f64();
        let tokens: usize = episodes.iter().map(|e| e.trajectory.len()).sum();
        let mut line = Metrics::new();
        let mut put = |key: &str, value: f64| {
            // JSON has no NaN; a metric without a value is absent.
            if value.is_finite() {
                line.insert(key.to_string(), Value::from(value));
            }
        };
        put("step", step as f64);
        put("loss", loss);
        put("mean_token_accuracy", correct as f64 / scored_tokens.max(1) as f64);
        if stage.attempts.is_some() {
            put("attempts/own", own as f64);
            put("attempts/demonstrated", (episodes.len() - own) as f64);
        }
        put("grad_norm", update.grad_norm);
        put("learning_rate", f64::from(settings.lr));
        put("num_tokens", tokens as f64);
        put("step_time", seconds);
        put("timing_s/demonstrations", drawn);
        put("perf/throughput", tokens as f64 / seconds);
        guard.metrics(&mut put);
        line.insert("stage".into(), Value::from(stage.name.as_str()));
        line.insert("update_skipped".into(), Value::from(!update.applied));
        report(StepReport {
            stage: &stage.name,
            step,
            steps: stage.steps,
            metrics: &mut line,
            episodes: &episodes,
            model,
            reference: None,
            state: &StageState::default(),
            guard,
        })?;
    }
    Ok(())
}

impl From<LossError> for TrainError {
    fn from(error: LossError) -> Self {
        Self::Loss(error)
    }
}
