//! How a stage is run, and what it tells after every update.

use eyas_core::{Episode, Interrupt, Seed};
use eyas_gym::ResponseStyle;
use eyas_model::{Policy, Vlm};

use crate::recipe::Stage;
use crate::run_dir::Metrics;
use crate::{TrainError, run_preference, run_rl, run_sft};

/// What a stage needs beside its own settings.
#[derive(Clone, Copy, Debug)]
pub struct StageRun<'a> {
    /// Parts of a response.
    pub style: ResponseStyle,
    /// The stage's own random stream.
    pub seed: Seed,
    /// The first step to take; the ones before it are done. What a step does depends on its number and on
    /// the policy it finds, not on the steps that this process has taken.
    pub from: u64,
    /// Ends the stage early, between two updates.
    pub interrupt: &'a Interrupt,
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
}

/// Runs a stage, whatever its kind. `reference` is what an earlier call left of the same stage, or nothing: then
/// the policy as it is, where the stage compares with one.
///
/// # Errors
/// [`TrainError`]; also when `report` fails.
pub fn run_stage(
    model: &mut Vlm,
    reference: &mut Option<Policy>,
    stage: &Stage,
    run: &StageRun<'_>,
    report: &mut dyn FnMut(StepReport<'_>) -> Result<(), TrainError>,
) -> Result<(), TrainError> {
    let compares = match stage {
        Stage::Sft(_) => false,
        Stage::Rl(stage) => stage.loss.needs().reference,
        Stage::Preference(_) => true,
    };
    if compares && reference.is_none() {
        *reference = Some(model.copy_policy()?);
    }
    match stage {
        Stage::Sft(stage) => run_sft(model, stage, run, report),
        Stage::Rl(stage) => run_rl(model, reference, stage, run, report),
        Stage::Preference(stage) => run_preference(model, reference.as_ref(), stage, run, report),
    }
}
