//! A step of a run, made again from weights and seeds.
//!
//! What a step does depends on the weights it finds, on the recipe and on its number. So the newest checkpoint
//! before it, or the weights the run was begun with, are trained again as a resumed run trains, up to and with
//! the step; nothing is written.

use std::path::PathBuf;
use std::sync::Arc;

use eyas_core::{Episode, Interrupt};
use eyas_data::stage::Position;
use eyas_model::{Policy, Vlm};
use eyas_store::{Checkpoint, Checkpoints, Disk, StoreError};
use serde_json::Value;

use crate::checkpoint::{CheckpointError, progress_of, read, restore, state_of_stage};
use crate::difference::{Difference, metrics_differences};
use crate::run_dir::Metrics;
use crate::step::{StageRun, StepReport, observation, run_stage, stage_seed};
use crate::stored::{Recipes, StoredError, StoredRun};
use crate::{Guard, GuardState, Judges, RewardModels, StageState, TrainError, open_model};

/// Why a step cannot be made again.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// It was not run.
    #[error("step {step} was not run: metrics.jsonl of {run} holds {steps} steps, counted from 0")]
    NotRun {
        /// The step.
        step: u64,
        /// The run.
        run: PathBuf,
        /// How many there are.
        steps: usize,
    },
    /// The run's copy of its recipe is another one.
    #[error("{run}/recipe.toml is not the recipe that the run was made with")]
    OtherRecipe {
        /// The run.
        run: PathBuf,
    },
    /// The recipe does not lead to the step.
    #[error("the recipe of {run} ends before step {step}")]
    RecipeEnds {
        /// The run.
        run: PathBuf,
        /// The step.
        step: u64,
    },
    /// The model that the recipe starts from is another one.
    #[error("the run was begun with weights {stored}, but the recipe's model has {found}")]
    OtherWeights {
        /// Hash of the weights it was begun with.
        stored: String,
        /// Hash of those that the recipe gives now.
        found: String,
    },
    /// What the run left behind.
    #[error(transparent)]
    Stored(#[from] StoredError),
    /// The directory of checkpoints.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The start model, or the training.
    #[error(transparent)]
    Train(#[from] TrainError),
}

/// Everything in place to make a step again.
pub struct Replay<'a> {
    run: &'a StoredRun,
    recipes: Recipes,
    model: Vlm,
    reference: Option<Policy>,
    at: At,
    step: u64,
    /// Steps that were done where it begins; 0 without a checkpoint.
    pub from: u64,
    /// The checkpoint it begins with; none: the weights the run was begun with.
    pub checkpoint: Option<PathBuf>,
    /// What was noticed on the way, for the user.
    pub notes: Vec<String>,
}

/// How far it has come.
struct At {
    graph: Position,
    state: StageState,
    guard: GuardState,
    /// Of all stages.
    done: u64,
}

/// A step that was made again.
pub struct Remade {
    /// Its number in the stage.
    pub stage_step: u64,
    /// Its line of metrics, `step` counted over all stages.
    pub metrics: Metrics,
    /// What was demonstrated or played.
    pub episodes: Vec<Episode>,
    /// [`weights_hash`](Policy::weights_hash) after its update.
    pub weights_hash: String,
}

/// One step on the way, the wanted one included.
pub struct Passed<'a> {
    /// Counted over all stages.
    pub step: u64,
    /// Its line of metrics.
    pub metrics: &'a Metrics,
    /// What differs from the stored line.
    pub differences: Vec<Difference>,
}

impl<'a> Replay<'a> {
    /// Checks that `step`, counted over all stages, can be made again, and loads the weights it begins with.
    ///
    /// # Errors
    /// [`ReplayError`].
    pub fn new(run: &'a StoredRun, step: u64) -> Result<Self, ReplayError> {
        if step >= run.metrics.len() as u64 {
            return Err(ReplayError::NotRun { step, run: run.path.clone(), steps: run.metrics.len() });
        }
        let recipes = run.recipes()?;
        if !recipes.unchanged {
            return Err(ReplayError::OtherRecipe { run: run.path.clone() });
        }
        let mut notes = Vec::new();
        match &recipes.origin {
            None => notes.push(
                "the run does not say what it was begun with; recipe.toml is taken for the recipe of all steps".into(),
            ),
            Some(origin) if origin.version != env!("CARGO_PKG_VERSION") => notes.push(format!(
                "the run was begun with version {}, this is {}",
                origin.version,
                env!("CARGO_PKG_VERSION")
            )),
            Some(_) => {}
        }
        let Some(recipe) = recipes.of(step) else {
            return Err(ReplayError::RecipeEnds { run: run.path.clone(), step });
        };
        let (model, reference, at, checkpoint) = match newest_before(run, step, &mut notes)? {
            Some(checkpoint) => {
                let progress = progress_of(&checkpoint)?;
                let (model, reference) = restore(&checkpoint, &recipe.model)?;
                let state = state_of_stage(&checkpoint)?;
                let at = At { graph: progress.graph, state, guard: progress.guard, done: progress.done };
                (model, reference, at, Some(checkpoint.dir))
            }
            None => {
                let model = open_model(recipes.of(0).unwrap_or(recipe))?;
                let found = model.policy.weights_hash();
                if let Some(origin) = recipes.origin.as_ref().filter(|o| o.weights_hash != found) {
                    return Err(ReplayError::OtherWeights { stored: origin.weights_hash.clone(), found });
                }
                let graph = recipe.graph().map_err(TrainError::from)?.start();
                let (state, guard) = (StageState::default(), GuardState::default());
                (model, None, At { graph, state, guard, done: 0 }, None)
            }
        };
        let from = at.done;
        Ok(Self { run, recipes, model, reference, at, step, from, checkpoint, notes })
    }

    /// Trains up to and with the step; `passed` is told of every step.
    ///
    /// # Errors
    /// [`ReplayError`].
    pub fn run(mut self, passed: &mut dyn FnMut(Passed<'_>)) -> Result<Remade, ReplayError> {
        let Self { run, recipes, model, reference, at, step: wanted, .. } = &mut self;
        let (wanted, run) = (*wanted, *run);
        let interrupt = Interrupt::default();
        // What judges said then is in the run; nobody else is asked who has not answered before.
        let mut judges = Judges::default();
        if let Some(recipe) = recipes.of(at.done) {
            judges = Judges::open(&recipe.judges, &interrupt)?;
            judges.recall(&run.path)?;
        }
        let reward_models = RewardModels::recall(&run.path);
        loop {
            let ends = || ReplayError::RecipeEnds { run: run.path.clone(), step: wanted };
            let recipe = recipes.of(at.done).ok_or_else(ends)?;
            // From there on another recipe holds.
            let until = recipes.next_change(at.done);
            let node = at.graph.node.as_deref().ok_or_else(ends)?;
            let index = recipe.stages.iter().position(|s| s.name() == node).ok_or_else(ends)?;
            let stage = &recipe.stages[index];
            let graph = recipe.graph().map_err(TrainError::from)?;
            let stored = |done: u64| usize::try_from(done).ok().and_then(|i| run.metrics.get(i));
            // A step that was made after going back is drawn from another stream than a first try.
            let rollbacks = stored(at.done).and_then(|line| line.get("guard/rollbacks")?.as_f64());
            let rollbacks = rollbacks.map_or(at.guard.rollbacks, |n| n as u64);
            let of_stage = StageRun {
                style: recipe.prompt.style,
                seed: stage_seed(recipe, index, at.graph.moves, rollbacks),
                from: at.graph.steps,
                judges: &judges,
                reward_models: &reward_models,
                interrupt: &interrupt,
                env_limit: recipe.guard.env_limit(),
            };
            let mut guard = Guard::new(recipe.guard, GuardState { rollbacks, ..at.guard.clone() });
            let mut state = at.state.clone();
            let mut moved = false;
            let mut remade = None;
            let mut report = |report: StepReport<'_>| {
                let StepReport { step, metrics, episodes, model, guard, .. } = report;
                metrics.insert("step".into(), Value::from(at.done));
                let line = stored(at.done);
                let differences =
                    line.map(|line| metrics_differences(line, metrics).differences).unwrap_or_default();
                passed(Passed { step: at.done, metrics, differences });
                if at.done == wanted {
                    remade = Some(Remade {
                        stage_step: step,
                        metrics: metrics.clone(),
                        episodes: episodes.to_vec(),
                        weights_hash: model.policy.weights_hash(),
                    });
                }
                at.done += 1;
                at.guard = guard.state().clone();
                // The stored line has what was measured beside the step, which routes may look at.
                let next = graph.next(&at.graph, &observation(line.unwrap_or(metrics)))?;
                moved = next.moves > at.graph.moves;
                at.graph = next;
                let again = stored(at.done).and_then(|line| line.get("guard/rollbacks")?.as_f64());
                let went_back = again.is_some_and(|n| n as u64 != rollbacks);
                // The way to end a stage early.
                let ends = remade.is_some() || until == Some(at.done) || moved || went_back;
                if ends { Err(TrainError::Interrupted) } else { Ok(()) }
            };
            let ended = run_stage(model, reference, &mut state, &mut guard, stage, &of_stage, &mut report);
            at.state = state;
            if moved {
                *reference = None;
                at.state = StageState::default();
                at.guard = at.guard.next_stage();
            }
            match (remade, ended) {
                (Some(remade), _) => return Ok(remade),
                (None, Ok(()) | Err(TrainError::Interrupted)) => {}
                (None, Err(error)) => return Err(error.into()),
            }
        }
    }
}

/// The newest whole checkpoint from which the step can be reached.
fn newest_before(
    run: &StoredRun,
    step: u64,
    notes: &mut Vec<String>,
) -> Result<Option<Checkpoint>, ReplayError> {
    let Some(checkpoints) = checkpoints(run) else { return Ok(None) };
    for done in checkpoints.steps()?.into_iter().rev().filter(|done| *done <= step) {
        match checkpoints.verify(done) {
            Ok(checkpoint) => return Ok(Some(checkpoint)),
            Err(error) => notes.push(format!("the checkpoint after {done} steps is not used: {error}")),
        }
    }
    Ok(None)
}

fn checkpoints(run: &StoredRun) -> Option<Checkpoints> {
    let dir = run.path.join("checkpoints");
    dir.is_dir().then(|| Checkpoints::read(Arc::new(Disk), &dir))
}

/// The weights that a run stored after a step, by where they are and hash; `None` when it stored none.
///
/// # Errors
/// [`ReplayError`] when a checkpoint that is whole cannot be taken up.
pub fn weights_after(run: &StoredRun, step: u64) -> Result<Option<(String, String)>, ReplayError> {
    let done = step + 1;
    if let Some(checkpoint) = checkpoints(run).and_then(|c| c.verify(done).ok()) {
        let (model, _) = read(&checkpoint)?;
        return Ok(Some((format!("the checkpoint after {done} steps"), model.policy.weights_hash())));
    }
    let summary = std::fs::read_to_string(run.path.join("summary.json")).ok();
    let summary: Option<Value> = summary.and_then(|text| serde_json::from_str(&text).ok());
    Ok(summary
        .filter(|s| s["steps"] == done)
        .and_then(|s| Some(("the end of the run".to_string(), s["weights_hash"].as_str()?.to_string()))))
}
