//! What a stage tells after every update.

use eyas_core::Episode;
use eyas_model::Vlm;

use crate::run_dir::Metrics;

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
}
