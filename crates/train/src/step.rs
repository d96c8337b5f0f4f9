//! How a stage is run, and what it tells after every update.

use eyas_core::{Episode, Interrupt, Seed};
use eyas_gym::ResponseStyle;
use eyas_model::{Policy, Vlm};

use crate::Judges;
use crate::run_dir::Metrics;

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
