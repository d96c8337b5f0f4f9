//! What a stage tells after every update.

use eyas_core::Episode;
use eyas_model::Policy;

use crate::run_dir::Metrics;

/// One finished step.
#[derive(Clone, Copy)]
pub struct StepReport<'a> {
    /// The stage.
    pub stage: &'a str,
    /// The step in the stage, from 0.
    pub step: usize,
    /// Steps of the stage.
    pub steps: usize,
    /// Its line of metrics.
    pub metrics: &'a Metrics,
    /// What was demonstrated or played.
    pub episodes: &'a [Episode],
    /// The policy after the update.
    pub policy: &'a Policy,
}
