//! A run written down between two steps, so that it can go on from there to the same bytes.
//!
//! What a step does depends on its number, on the policy, on the policy it is compared with and on what the
//! guard remembers; so these, and how far the logs go, are all that has to be kept.

use std::io;

use eyas_data::stage::Position as GraphPosition;
use eyas_model::hf::WeightDtype;
use eyas_model::{Policy, PolicyState, StateError, Vlm, VlmError};
use eyas_store::{Array, Arrays, Checkpoint, Part, Position, Snapshot, StoreError};
use serde::{Deserialize, Serialize};

use crate::fresh::configure;
use crate::recipe::ModelSettings;
use crate::rl::{Critic, CriticError};
use crate::{GuardState, Metrics, StageState};

const STATE: &str = "state.safetensors";
const MODEL: &str = "model";
const REFERENCE: &str = "reference/";
const UPDATES: &str = "updates";
const STAGE: &str = "stage.json";
const CRITIC: &str = "critic.safetensors";

/// How far a run has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// The stage that is next, and how many of its steps are done.
    pub graph: GraphPosition,
    /// Steps of all stages that are done.
    pub done: u64,
    /// Tokens sampled so far.
    pub tokens_sampled: u64,
    /// Tokens trained on so far.
    pub tokens_trained: u64,
    /// Seconds the run has taken so far; for the summary only.
    pub seconds: f64,
    /// How far `metrics.jsonl` goes.
    pub metrics: Position,
    /// What the guard remembers.
    #[serde(default)]
    pub guard: GuardState,
    /// The line of metrics of the last step, when the measurement that belongs into it was interrupted: it is
    /// made, and the line logged, before the run goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unmeasured: Option<Metrics>,
}

/// Why a checkpoint could not be taken up.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The model in it.
    #[error(transparent)]
    Model(#[from] VlmError),
    /// The state does not fit the model.
    #[error("{STATE}: {0}")]
    State(#[from] StateError),
    /// The manifest does not say how far the run had come.
    #[error("manifest.json: {0}")]
    Progress(#[from] serde_json::Error),
    /// What the stage remembers cannot be read.
    #[error("{STAGE}: {0}")]
    Stage(serde_json::Error),
    /// The critic of the stage cannot be read.
    #[error("{CRITIC}: {0}")]
    Critic(#[from] CriticError),
}

/// A copy of everything that has to be kept, to be saved while training goes on.
///
/// # Errors
/// [`CheckpointError`] when the progress cannot be written as JSON; never in practice.
pub fn snapshot(
    model: &Vlm,
    reference: Option<&Policy>,
    state_of_stage: &StageState,
    progress: &Progress,
    dtype: WeightDtype,
) -> Result<Snapshot, CheckpointError> {
    let mut arrays = Arrays::new();
    let state = model.policy.state();
    arrays.insert(UPDATES, Array::U64(vec![u64::try_from(state.updates).unwrap_or(0)]))?;
    for (name, values) in state.arrays {
        arrays.insert(&name, Array::F32(values))?;
    }
    if let Some(reference) = reference {
        for param in reference.params().entries() {
            arrays.insert(&format!("{REFERENCE}{}", param.name), Array::F32(param.value.to_vec()))?;
        }
    }
    let folder = model.snapshot();
    let fill = move |_: &dyn eyas_store::Files, path: &std::path::Path| {
        folder.save(path, dtype, true).map_err(io::Error::other)
    };
    let bytes = model.policy.config().parameter_count() * 4;
    let mut parts = vec![arrays.into_part(STATE), Part::folder(MODEL, bytes, fill)];
    if *state_of_stage != StageState::default() {
        parts.push(Part::bytes(STAGE, serde_json::to_vec(state_of_stage).map_err(CheckpointError::Stage)?));
    }
    if let Some(critic) = &state_of_stage.critic {
        parts.push(critic.arrays()?.into_part(CRITIC));
    }
    Ok(Snapshot { step: progress.done, meta: serde_json::to_value(progress)?, parts })
}

/// How far the run of a checkpoint had come.
///
/// # Errors
/// [`CheckpointError::Progress`].
pub fn progress_of(checkpoint: &Checkpoint) -> Result<Progress, CheckpointError> {
    Ok(serde_json::from_value(checkpoint.manifest.meta.clone())?)
}

/// What the stage of a checkpoint remembers.
///
/// # Errors
/// [`CheckpointError`].
pub fn state_of_stage(checkpoint: &Checkpoint) -> Result<StageState, CheckpointError> {
    let has = |name: &str| checkpoint.manifest.files.iter().any(|file| file.path == name);
    let mut state = match has(STAGE) {
        false => StageState::default(),
        true => serde_json::from_slice(&checkpoint.bytes(STAGE)?).map_err(CheckpointError::Stage)?,
    };
    if has(CRITIC) {
        state.critic = Some(Critic::restore(Arrays::read(&checkpoint.bytes(CRITIC)?)?)?);
    }
    Ok(state)
}

/// The model of a checkpoint, with its exact weights and its optimizer, and the policy that it was compared
/// with, if there was one; both as `settings` say (what is frozen, precision, device).
///
/// # Errors
/// [`CheckpointError`].
pub fn restore(
    checkpoint: &Checkpoint,
    settings: &ModelSettings,
) -> Result<(Vlm, Option<Policy>), CheckpointError> {
    let (mut model, mut reference) = read(checkpoint)?;
    for policy in [Some(&mut model.policy), reference.as_mut()].into_iter().flatten() {
        configure(policy, settings)?;
    }
    Ok((model, reference))
}

/// The same before the settings of a recipe are made.
pub(crate) fn read(checkpoint: &Checkpoint) -> Result<(Vlm, Option<Policy>), CheckpointError> {
    let mut model = Vlm::open(&checkpoint.path(MODEL))?;
    let mut arrays = Arrays::read(&checkpoint.bytes(STATE)?)?;
    let updates = arrays.take_u64(UPDATES)?.first().copied().unwrap_or(0);
    let names: Vec<String> = arrays.names().map(str::to_string).collect();
    let mut state =
        PolicyState { updates: i32::try_from(updates).unwrap_or(i32::MAX), ..PolicyState::default() };
    let mut of_reference = PolicyState::default();
    for name in names {
        let values = arrays.take_f32(&name)?;
        match name.strip_prefix(REFERENCE) {
            Some(param) => of_reference.arrays.insert(format!("weight/{param}"), values),
            None => state.arrays.insert(name, values),
        };
    }
    model.policy.restore(state)?;
    let reference = match of_reference.arrays.is_empty() {
        true => None,
        false => {
            let mut reference = model.copy_policy()?;
            // The policy may have got a value head after it was copied.
            if !of_reference.arrays.contains_key("weight/value_head.weight") {
                reference.remove_value_head();
            }
            reference.restore(of_reference)?;
            Some(reference)
        }
    };
    Ok((model, reference))
}
