//! Supervised fine-tuning on demonstrations of the oracle: the cold start.

use std::time::Instant;

use eyas_algo::{LossError, sft_loss};
use eyas_core::{Episode, Seed, Trajectory};
use eyas_gym::ResponseStyle;
use eyas_model::{ImageStore, ScoreOptions, Upstream, Vlm};
use eyas_rollout::{Agent, Teacher, demonstrate};
use rayon::prelude::*;
use serde_json::Value;

use crate::mixture::starts;
use crate::optim::{adamw, micro_batches};
use crate::recipe::SftStage;
use crate::run_dir::Metrics;
use crate::{StageRun, StepReport, TrainError};

/// Draws the demonstrations of one step. Each depends on (seed, step, place) only.
///
/// # Errors
/// When an environment or the tokenizer refuses its input.
pub fn demonstrations(
    agent: Agent<'_>,
    stage: &SftStage,
    style: ResponseStyle,
    seed: Seed,
    step: u64,
) -> Result<Vec<Episode>, TrainError> {
    let seed = seed.split("sft", step);
    let teacher = Teacher {
        noise: stage.teacher.noise,
        style,
        max_tokens: stage.teacher.max_context,
        record_truth: false,
    };
    let episodes: Result<Vec<Episode>, eyas_rollout::RolloutError> =
        starts(&stage.env, stage.batch_size, seed)?
            .into_par_iter()
            .enumerate()
            .map(|(place, (_, mut start))| {
                let mut rng = seed.split("teacher", place as u64).rng();
                let moves = rng.below(stage.teacher.random_start as usize + 1);
                start.advance(moves, &mut rng);
                demonstrate(agent, start, &teacher, &mut rng)
            })
            .collect();
    Ok(episodes?)
}

/// Runs the stage; `report` is called after every update.
///
/// # Errors
/// [`TrainError`]; also when `report` fails.
pub fn run_sft(
    model: &mut Vlm,
    stage: &SftStage,
    run: &StageRun<'_>,
    report: &mut dyn FnMut(StepReport<'_>) -> Result<(), TrainError>,
) -> Result<(), TrainError> {
    let StageRun { style, seed, from, interrupt, .. } = *run;
    for step in from..stage.steps {
        let begin = Instant::now();
        let episodes = demonstrations(Agent::of(model), stage, style, seed, step)?;
        let policy = &mut model.policy;
        let drawn = begin.elapsed().as_secs_f64();
        let mut images = ImageStore::default();
        images.add(policy.processor(), episodes.iter().flat_map(|e| e.images.values()))?;
        let groups: Vec<Vec<&Trajectory>> = episodes.iter().map(|e| vec![&e.trajectory]).collect();
        let denominator: usize = episodes.iter().map(|e| e.trajectory.sampled_len()).sum();
        let (mut loss, mut correct) = (0.0, 0usize);
        for micro in micro_batches(&groups, stage.optim.micro_batch_tokens) {
            if interrupt.is_raised() {
                return Err(TrainError::Interrupted);
            }
            policy.accumulate(micro, &images, &ScoreOptions::default(), |scored| {
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
            })?;
        }
        let settings = adamw(&stage.optim, stage.steps, step);
        let update = policy.apply(&settings);
        let seconds = begin.elapsed().as_secs_f64();
        let tokens: usize = episodes.iter().map(|e| e.trajectory.len()).sum();
        let mut line = Metrics::new();
        let mut put = |key: &str, value: f64| line.insert(key.to_string(), Value::from(value));
        put("step", step as f64);
        put("loss", loss);
        put("mean_token_accuracy", correct as f64 / denominator.max(1) as f64);
        put("grad_norm", update.grad_norm);
        put("learning_rate", f64::from(settings.lr));
        put("num_tokens", tokens as f64);
        put("step_time", seconds);
        put("timing_s/demonstrations", drawn);
        put("perf/throughput", tokens as f64 / seconds);
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
        })?;
    }
    Ok(())
}

impl From<LossError> for TrainError {
    fn from(error: LossError) -> Self {
        Self::Loss(error)
    }
}
