//! A run directory is begun or taken up, and the training in it started.

use std::time::Instant;

use anyhow::Context;
use eyas_data::stage::Graph;
use eyas_eval::Summary;
use eyas_model::Vlm;
use eyas_store::RunLock;
use eyas_train::checkpoint::Progress as Position;
use eyas_train::recipe::{ModelSource, Recipe};
use eyas_train::{GuardState, Judges, RewardModels, RunDir, StageState, check_prompts, open_model};

use super::super::open::named;
use super::Job;
use super::saving::{self, Found, Saving};
use super::session::{Session, is_between_updates, is_interrupt};
use super::signals::Signals;

/// Runs the job; `None` when it was finished before.
pub(crate) fn train(job: &Job) -> anyhow::Result<Option<Summary>> {
    let Job { name, recipe, path, .. } = job;
    let signals = Signals::listen().context("cannot listen to signals")?;
    let command = format!("eyas train, recipe {name}");
    let lock = || RunLock::take(&eyas_store::Disk, path, &command);
    let occupied = if job.begun { true } else { RunDir::check(path, job.overwrite)? };
    // Held while what is there is looked at, so that nobody's run is taken up or replaced under their hands.
    let held = if occupied { Some(lock()?) } else { None };
    let found = if job.begun { Found::open(path)? } else { Found::default() };
    if found.finished {
        return Ok(None);
    }
    let begun = Instant::now();
    let (mut model, mut reference) = match &found.checkpoint {
        Some(checkpoint) => eyas_train::checkpoint::restore(checkpoint, &recipe.model)?,
        None => {
            let model = first_model(recipe)?;
            check_prompts(&model, recipe)?;
            (model, None)
        }
    };
    // Before anything is written, so that a judge who cannot be asked costs nothing.
    let mut judges = Judges::open(&recipe.judges, &signals.interrupt)?;
    let reward_models = RewardModels::new(path, recipe);
    reward_models.check(recipe, &model)?;
    let (run, _lock) = match (&found.position, held) {
        (Some(position), Some(held)) => (RunDir::reopen(path, &position.metrics)?, held),
        (_, held) => {
            drop(held);
            (RunDir::create(path, job.overwrite || job.begun)?, lock()?)
        }
    };
    let toml = recipe.to_toml()?;
    saving::note_origin(&run, &model, &toml, found.position.as_ref().map(|p| p.done))?;
    run.write("recipe.toml", &toml)?;
    judges.remember(path)?;
    let parameters = model.policy.config().parameter_count() as f64 / 1e6;
    eprintln!("{name}: {parameters:.2} M parameters, run directory {}", path.display());
    let graph = recipe.graph()?;
    let position = match found.position {
        Some(position) => {
            eprintln!("going on after step {}", position.done);
            position
        }
        None => at_start(&graph),
    };
    let state = match &found.checkpoint {
        Some(checkpoint) => eyas_train::checkpoint::state_of_stage(checkpoint)?,
        None => StageState::default(),
    };
    let lines = eyas_train::stored::metrics(path)?;
    let saving = Saving::open(path, recipe)?;
    let before = position.seconds;
    let interrupt = signals.interrupt.clone();
    let mut session = Session {
        name,
        recipe,
        judges,
        reward_models,
        run,
        saving,
        interrupt,
        lines,
        graph,
        position,
        moved: false,
        state,
        begun,
        before,
        budget: job.budget_tokens.unwrap_or(u64::MAX),
        trouble: String::new(),
        stalled: 0.0,
    };
    match session.go_on(&mut model, &mut reference) {
        Err(error) if is_interrupt(&error) => Err(session.stop(&model, reference.as_ref(), &signals)),
        Err(error) => {
            if error.chain().any(|cause| cause.downcast_ref().is_some_and(is_between_updates)) {
                session.keep(&model, reference.as_ref());
            }
            Err(error)
        }
        Ok(summary) => Ok(Some(summary)),
    }
}

/// The model that the recipe begins with.
pub(super) fn first_model(recipe: &Recipe) -> anyhow::Result<Vlm> {
    match &recipe.model.source {
        ModelSource::Folder { path } => named(path, open_model(recipe)),
        ModelSource::Preset { .. } => Ok(open_model(recipe)?),
    }
}

/// Where a run begins.
pub(super) fn at_start(graph: &Graph) -> Position {
    Position {
        graph: graph.start(),
        done: 0,
        tokens_sampled: 0,
        tokens_trained: 0,
        seconds: 0.0,
        metrics: eyas_store::Position::start(),
        guard: GuardState::default(),
        unmeasured: None,
    }
}
