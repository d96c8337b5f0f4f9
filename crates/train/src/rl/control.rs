//! What a stage remembers: made at its start, brought up to date after every step.

use std::collections::btree_map::Entry;

use eyas_algo::control::Controller;
use eyas_core::Seed;
use serde_json::Value;

use crate::recipe::RlStage;
use crate::run_dir::Metrics;
use crate::source::curriculum;
use crate::{StageState, TrainError};

/// Makes what the stage remembers, as far as it is not there yet.
pub(super) fn prepare(state: &mut StageState, stage: &RlStage, seed: Seed) -> Result<(), TrainError> {
    if let (None, Some(settings)) = (&state.curriculum, &stage.curriculum) {
        state.curriculum = Some(curriculum(&stage.env, settings, seed.split("curriculum", 0))?);
    }
    for (place, control) in stage.control.iter().enumerate() {
        if let Entry::Vacant(entry) = state.controllers.entry(place) {
            entry.insert(Controller::new(control.by)?);
        }
    }
    Ok(())
}

/// Lets the controllers see the metrics of a step, and notes the values they had in it. A metric that is
/// missing in a step changes nothing.
pub(super) fn adapt(
    state: &mut StageState,
    stage: &RlStage,
    step: u64,
    line: &mut Metrics,
    episodes: usize,
) -> Result<(), TrainError> {
    for (place, settings) in stage.control.iter().enumerate() {
        let Some(controller) = state.controllers.get_mut(&place) else { continue };
        let seen = line.get(settings.watched()).and_then(Value::as_f64);
        line.insert(format!("control/{}", settings.of.as_str()), Value::from(controller.value(step)));
        if let Some(seen) = seen {
            controller.update(seen, episodes as u64)?;
        }
    }
    Ok(())
}
