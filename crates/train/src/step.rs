//! How a stage is run, and what it tells after every update.

use std::time::Duration;

use eyas_core::{Episode, Interrupt, Seed};
use eyas_data::stage::Observation;
use eyas_gym::ResponseStyle;
use eyas_model::{Policy, Vlm};
use eyas_rollout::Watch;

use crate::recipe::{Recipe, Stage};
use crate::run_dir::Metrics;
use crate::{
    Guard, Judges, RewardModels, StageState, TrainError, run_preference, run_reward_model, run_rl, run_sft,
};

/// What a stage needs beside its own settings.
#[derive(Clone, Copy)]
pub struct StageRun<'a> {
    /// Parts of a response.
    pub style: ResponseStyle,
    /// The stage's own random stream.
    pub seed: Seed,
    /// The first step to take; the ones before it are done. What a step does depends on its number and on
    /// the policy it finds, not on the steps that this process has taken.
    pub from: u64,
    /// Whom rewards may ask.
    pub judges: &'a Judges,
    /// The reward models that rewards may ask, and where one that is trained is put down.
    pub reward_models: &'a RewardModels,
    /// Ends the stage early, between two updates.
    pub interrupt: &'a Interrupt,
    /// Longest time for one step of an environment, see
    /// [`RolloutConfig::env_limit`](eyas_rollout::RolloutConfig::env_limit).
    pub env_limit: Option<Duration>,
}

impl<'a> StageRun<'a> {
    /// What environments are watched for.
    pub fn watch(&self) -> Watch<'a> {
        Watch { limit: self.env_limit, interrupt: self.interrupt }
    }
}

/// One finished step.
pub struct StepReport<'a> {
    /// The stage.
    pub stage: &'a str,
    /// The step in the stage, from 0.
    pub step: u64,
    /// Steps of the stage.
    pub steps: u64,
    /// Its line of metrics.
    pub metrics: &'a mut Metrics,
    /// What was demonstrated or played.
    pub episodes: &'a [Episode],
    /// The model after the update.
    pub model: &'a Vlm,
    /// The policy it is compared with, where there is one.
    pub reference: Option<&'a Policy>,
    /// What the stage remembers.
    pub state: &'a StageState,
    /// What was skipped and lost, and what is remembered of it.
    pub guard: &'a Guard,
}

/// The random stream of a stage: another one after the run has gone back to a checkpoint, so that it meets other
/// data, and where routes may lead to a stage again, after `moves` from stage to stage.
pub fn stage_seed(recipe: &Recipe, stage: usize, moves: u64, rollbacks: u64) -> Seed {
    let mut seed = recipe.train_seed().split("stage", stage as u64);
    if !recipe.route.is_empty() {
        seed = seed.split("visit", moves);
    }
    match rollbacks {
        0 => seed,
        rollbacks => seed.split("rollback", rollbacks),
    }
}

/// What routes see of a finished step: the numbers of its line.
pub fn observation(line: &Metrics) -> Observation {
    let metrics = line.iter().filter_map(|(key, value)| Some((key.clone(), value.as_f64()?))).collect();
    Observation { steps: 1, metrics }
}

/// Runs a stage, whatever its kind. `reference`, `state` and `guard` are what an earlier call left of the same stage, or nothing: then
/// the policy as it is, where the stage compares with one.
///
/// # Errors
/// [`TrainError`]; also when `report` fails.
pub fn run_stage(
    model: &mut Vlm,
    reference: &mut Option<Policy>,
    state: &mut StageState,
    guard: &mut Guard,
    stage: &Stage,
    run: &StageRun<'_>,
    report: &mut dyn FnMut(StepReport<'_>) -> Result<(), TrainError>,
) -> Result<(), TrainError> {
    if stage.needs_reference(&run.judges.settings()) && reference.is_none() {
        *reference = Some(model.copy_policy()?);
    }
    match stage {
        Stage::Sft(stage) => run_sft(model, stage, run, guard, report),
        Stage::Rl(stage) => run_rl(model, reference, state, stage, run, guard, report),
        Stage::Preference(stage) => run_preference(model, reference.as_ref(), stage, run, guard, report),
        Stage::RewardModel(stage) => run_reward_model(model, reference, stage, run, guard, report),
    }
}
