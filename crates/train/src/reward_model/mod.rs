//! Training a reward model: of two responses to the same start, the better one shall score higher.
//!
//! The model that is trained begins as the policy, with a value head on it, and reads its score at the last token
//! of the response (Ouyang et al., arXiv 2203.02155). When the stage ends it is put down as a folder of its own,
//! and the run goes on with the policy as it was.

mod facts;
mod known;
mod models;
mod score;

use std::borrow::Cow;
use std::time::Instant;

use eyas_algo::loss::preference::Pair;
use eyas_algo::loss::reward_model::{ScoredPairs, reward_model_loss};
use eyas_core::{Episode, Trajectory};
use eyas_model::{Corruption, Policy, Upstream, Vlm};
use eyas_rollout::Agent;
use serde_json::Value;

use facts::reading;
pub(crate) use known::known_fields;
pub use models::{RewardModelError, RewardModels};
pub(crate) use score::scores;
use score::{at_ends, options};

use crate::judges::Snapshot;
use crate::optim::{adamw, micro_batches};
use crate::pairs::{Cast, Drawn, PairDraw, Seconds, Sums};
use crate::recipe::RewardModelStage;
use crate::run_dir::{Metrics, put};
use crate::{Guard, StageRun, StageState, StepReport, TrainError};

/// Runs the stage. `reference`: the policy at its start, which plays, and which `model` is again after the last
/// step.
///
/// # Errors
/// [`TrainError`]; also when `report` fails.
pub fn run_reward_model(
    model: &mut Vlm,
    reference: &mut Option<Policy>,
    stage: &RewardModelStage,
    run: &StageRun<'_>,
    guard: &mut Guard,
    report: &mut dyn FnMut(StepReport<'_>) -> Result<(), TrainError>,
) -> Result<(), TrainError> {
    model.policy.add_value_head(false);
    for step in run.from..stage.steps {
        let begin = Instant::now();
        guard.begin();
        let drawn = draw(model, reference.as_ref(), stage, run, Some(step))?;
        drawn.show(guard)?;
        let draw_secs = begin.elapsed().as_secs_f64();
        let settings = adamw(&stage.optim, stage.steps, step);
        let mut sums = Sums::default();
        let applied = match drawn.pairs.is_empty() {
            true => {
                guard.note(format!("no update: none of {} starts gave a pair, all were ties", drawn.ties));
                None
            }
            false => {
                let done = update(model, &drawn, stage, run, &mut sums);
                Some(guard.apply(&mut model.policy, &settings, done.map(|()| sums.loss))?)
            }
        };
        let mut line = Metrics::new();
        line.insert("step".into(), Value::from(step));
        line.insert("stage".into(), Value::from(stage.name.as_str()));
        guard.metrics(|key, value| put(&mut line, key, value));
        put(&mut line, "learning_rate", f64::from(settings.lr));
        if step + 1 == stage.steps {
            let held_out = hold_out(model, reference.as_ref(), stage, run)?;
            held_out.iter().for_each(|(name, value)| put(&mut line, &format!("held_out/{name}"), *value));
        }
        let secs = Seconds { step: begin.elapsed().as_secs_f64(), draw: draw_secs };
        drawn.metrics(&mut line, &sums, applied, &secs);
        if step + 1 == stage.steps {
            line.insert("reward_model".into(), Value::from(model.policy.weights_hash()));
            run.reward_models.keep(&stage.name, model, stage.facts)?;
            if let Some(policy) = reference.take() {
                model.policy.take_on(&policy);
            }
        }
        report(StepReport {
            stage: &stage.name,
            step,
            steps: stage.steps,
            metrics: &mut line,
            episodes: &drawn.episodes,
            model,
            reference: reference.as_ref(),
            state: &StageState::default(),
            guard,
        })?;
    }
    Ok(())
}

/// The pairs of a step; without one, those that are held out, from a stream of their own.
fn draw(
    model: &Vlm,
    policy: Option<&Policy>,
    stage: &RewardModelStage,
    run: &StageRun<'_>,
    step: Option<u64>,
) -> Result<Drawn, TrainError> {
    let (mut pairs, mut rollout) = (stage.pairs, stage.rollout.clone());
    if step.is_none() {
        (pairs.count, rollout.groups) = (stage.held_out, stage.held_out);
    }
    let draw = PairDraw {
        env: &stage.env,
        pairs: &pairs,
        rollout: &rollout,
        reward: &stage.reward,
        // Nobody plays blindly here.
        corruption: Corruption::default(),
        steps: stage.steps,
        micro_batch_tokens: stage.optim.micro_batch_tokens,
    };
    let asks = stage.reward.iter().any(|reward| reward.judges().is_ok_and(|judges| !judges.is_empty()));
    // The policy plays, not the model in training, which forgets how to.
    let agent = Agent { policy: policy.unwrap_or(&model.policy), ..Agent::of(model) };
    let name = policy.filter(|_| asks).map(|policy| format!("policy {}", policy.weights_hash()));
    let judge = name.as_deref().map(|name| Snapshot { agent, name });
    let seed = match step {
        Some(step) => run.seed.split("reward_model", step),
        None => run.seed.split("held_out", 0),
    };
    draw.draw(&Cast { agent, model, judge }, run, (seed, step.unwrap_or(stage.steps)))
}

/// The responses of all pairs as the model reads them, of each the better one first.
fn readings<'d>(model: &Vlm, drawn: &'d Drawn, facts: bool) -> Result<Vec<Cow<'d, Trajectory>>, TrainError> {
    responses(drawn).map(|episode| reading(model, episode, facts)).collect()
}

/// The episodes of all pairs, of each the better one first.
fn responses(drawn: &Drawn) -> impl Iterator<Item = &Episode> {
    let both = |pair: &Pair| [&drawn.episodes[pair.chosen], &drawn.episodes[pair.rejected]];
    drawn.pairs.iter().flat_map(both)
}

/// Two by two.
fn groups<'r>(readings: &'r [Cow<'_, Trajectory>]) -> Vec<Vec<&'r Trajectory>> {
    readings.chunks(2).map(|pair| pair.iter().map(|t| &**t).collect()).collect()
}

/// Accumulates the gradient of all pairs, and the loss and metrics in `sums`. The two responses of a pair share
/// the work of their prompt.
fn update(
    model: &mut Vlm,
    drawn: &Drawn,
    stage: &RewardModelStage,
    run: &StageRun<'_>,
    sums: &mut Sums,
) -> Result<(), TrainError> {
    let images = drawn.images(&model.policy)?;
    let readings = readings(model, drawn, stage.facts)?;
    let groups = groups(&readings);
    let rewards: Vec<Option<f64>> = responses(drawn).map(|e| e.total_score().map(f64::from)).collect();
    let policy = &mut model.policy;
    let (mut first, pairs) = (0, groups.len() as f64);
    for micro in micro_batches(&groups, stage.optim.micro_batch_tokens) {
        if run.interrupt.is_raised() {
            return Err(TrainError::Interrupted);
        }
        let rewards = &rewards[2 * first..2 * (first + micro.len())];
        first += micro.len();
        policy.accumulate(micro, &images, &options(), |scored| {
            let scores = at_ends(scored, micro)?;
            let batch = ScoredPairs { scores: &scores, rewards };
            let loss = reward_model_loss(&batch, &stage.reward_model, pairs)?;
            sums.add(loss.value, loss.metrics);
            let d_logprobs = vec![0.0; scores.len()];
            Ok::<_, TrainError>(Upstream { d_logprobs, d_values: loss.d_score, ..Upstream::default() })
        })?;
    }
    Ok(())
}

/// How well the model tells apart pairs that it has not been trained on: name and number.
fn hold_out(
    model: &Vlm,
    policy: Option<&Policy>,
    stage: &RewardModelStage,
    run: &StageRun<'_>,
) -> Result<Vec<(&'static str, f64)>, TrainError> {
    if stage.held_out == 0 {
        return Ok(Vec::new());
    }
    let drawn = draw(model, policy, stage, run, None)?;
    let images = drawn.images(&model.policy)?;
    let readings = readings(model, &drawn, stage.facts)?;
    let groups = groups(&readings);
    let scores = scores(&model.policy, &groups, &images, stage.optim.micro_batch_tokens, run.interrupt)?;
    let margins: Vec<f64> = scores
        .iter()
        .filter_map(|pair| Some(f64::from((*pair.first()?)?) - f64::from((*pair.get(1)?)?)))
        .collect();
    let n = margins.len() as f64;
    let right = margins.iter().filter(|margin| **margin > 0.0).count() as f64;
    Ok(vec![
        ("pairs", n),
        ("ties", drawn.ties as f64),
        // 0 / 0 without pairs, and then there is no line.
        ("accuracy", right / n),
        ("margin", margins.iter().sum::<f64>() / n),
    ])
}
