//! How a stage is run, and what it tells after every update.

use std::time::Duration;

use eyas_core::{Episode, Interrupt, Seed};
use eyas_gym::ResponseStyle;
use eyas_model::{Policy, Vlm};

use crate::run_dir::Metrics;
use crate::{Guard, StageState};

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
    /// Longest time for one step of an environment, see
    /// [`RolloutConfig::env_limit`](eyas_rollout::RolloutConfig::env_limit).
    pub env_limit: Option<Duration>,
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
