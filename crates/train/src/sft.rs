//! Supervised fine-tuning on demonstrations of the oracle: the cold start.

use std::time::Instant;

use eyas_algo::{LossError, sft_loss};
use eyas_core::{Episode, Seed, Trajectory, isolate};
use eyas_gym::ResponseStyle;
use eyas_model::{ImageStore, ScoreOptions, Upstream, Vlm};
use eyas_rollout::{Agent, RolloutError, Teacher, demonstrate};
use rayon::prelude::*;
use serde_json::Value;

use crate::mixture::starts;
use crate::optim::{adamw, micro_batches};
use crate::recipe::SftStage;
use crate::run_dir::Metrics;
use crate::{Guard, StageRun, StepReport, TrainError};

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
    let teacher = Teacher {
        noise: stage.teacher.noise,
        style,
        max_tokens: stage.teacher.max_context,
        record_truth: false,
    };
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
        let (episodes, lost) = demonstrations(Agent::of(model), stage, style, seed, step)?;
        lost.into_iter().for_each(|why| guard.see_lost_start(why));
        let policy = &mut model.policy;
        let drawn = begin.elapsed().as_secs_f64();
        let mut images = ImageStore::default();
        images.add(policy.processor(), episodes.iter().flat_map(|e| e.images.values()))?;
        let groups: Vec<Vec<&Trajectory>> = episodes.iter().map(|e| vec![&e.trajectory]).collect();
        let denominator: usize = episodes.iter().map(|e| e.trajectory.sampled_len()).sum();
        let (mut loss, mut correct) = (0.0, 0usize);
        let mut failed = None;
        for micro in micro_batches(&groups, stage.optim.micro_batch_tokens) {
            if interrupt.is_raised() {
                return Err(TrainError::Interrupted);
            }
            let done = policy.accumulate(micro, &images, &ScoreOptions::default(), |scored| {
                let weight = vec![1.0; scored.logprobs.len()];
                let result = sft_loss(&scored.logprobs, &weight, denominator as f64)?;
                loss += result.value;
                // More likely than all others together: a lower bound of greedy accuracy that costs nothing.
                correct += scored.logprobs.iter().filter(|l| **l > -std::f32::consts::LN_2).count();
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
        put("mean_token_accuracy", correct as f64 / denominator.max(1) as f64);
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
