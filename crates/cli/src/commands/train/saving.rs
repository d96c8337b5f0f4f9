//! What a run keeps on the disk to go on from, and how it is found again.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use eyas_core::Episode;
use eyas_eval::{Evaluation, Measured};
use eyas_model::hf::WeightDtype;
use eyas_model::{Policy, Vlm};
use eyas_rollout::Reference;
use eyas_store::{Background, Checkpoint, Checkpoints, Disk, Keep, Outcome, SaveSettings};
use eyas_train::StageState;
use eyas_train::checkpoint::{self, Progress};
use eyas_train::origin::{ORIGIN, Origin};
use eyas_train::recipe::{Recipe, SaveDtype};
use eyas_train::{RunDir, stored};
use serde::{Deserialize, Serialize};

/// What was measured before the first step.
pub(super) const ANCHORS: &str = "before.json";

/// Episodes of each environment that a report shows.
pub(super) const SAMPLES: usize = 6;

/// What the model did in one environment before the first step.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Anchor {
    pub(super) measured: Measured,
    pub(super) reference: Reference,
}

impl Anchor {
    pub(super) fn of(evaluation: &Evaluation) -> Self {
        Self { measured: evaluation.measured.clone(), reference: evaluation.reference }
    }
}

/// What there is of a run that was begun.
#[derive(Default)]
pub(super) struct Found {
    pub(super) finished: bool,
    pub(super) checkpoint: Option<Checkpoint>,
    pub(super) position: Option<Progress>,
}

impl Found {
    /// Looks for the newest checkpoint that is whole. Newer ones that are not are reported and removed, since
    /// the run will write them again.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        if path.join("summary.json").is_file() {
            return Ok(Self { finished: true, ..Self::default() });
        }
        let dir = path.join("checkpoints");
        if !dir.is_dir() {
            return Ok(Self::default());
        }
        let checkpoints = Checkpoints::open(Arc::new(Disk), &dir, SaveSettings::default())?;
        let newest = checkpoints.newest()?;
        for refused in &newest.refused {
            eprintln!("warning: the checkpoint after step {} is not used: {}", refused.step, refused.error);
        }
        let Some(checkpoint) = newest.checkpoint else {
            eprintln!("no checkpoint yet: beginning again");
            return Ok(Self::default());
        };
        checkpoints.discard_after(checkpoint.step)?;
        let position = checkpoint::progress_of(&checkpoint)?;
        Ok(Self { finished: false, checkpoint: Some(checkpoint), position: Some(position) })
    }
}

/// Writes checkpoints while training goes on.
pub(super) struct Saving {
    checkpoints: Arc<Checkpoints>,
    background: Background,
    every: u64,
    last: Option<u64>,
}

impl Saving {
    pub(super) fn open(path: &Path, recipe: &Recipe) -> anyhow::Result<Self> {
        let dir = path.join("checkpoints");
        let checkpoints = Arc::new(Checkpoints::open(Arc::new(Disk), &dir, SaveSettings::default())?);
        let last = checkpoints.steps()?.last().copied();
        let keep = Keep { every: recipe.checkpoint.keep_every, ..Keep::default() };
        let background = Background::new(checkpoints.clone(), keep)?;
        Ok(Self { checkpoints, background, every: recipe.checkpoint.every, last })
    }

    /// Whether the recipe wants a checkpoint after so many steps.
    pub(super) fn is_due(&self, done: u64) -> bool {
        self.every > 0 && done.is_multiple_of(self.every)
    }

    /// Starts to save, unless this position is saved already.
    pub(super) fn save(
        &mut self,
        model: &Vlm,
        reference: Option<&Policy>,
        state: &StageState,
        position: &Progress,
        recipe: &Recipe,
    ) -> anyhow::Result<()> {
        if self.last == Some(position.done) {
            return Ok(());
        }
        let snapshot = checkpoint::snapshot(model, reference, state, position, dtype(recipe))?;
        let before = self.background.save(snapshot);
        self.last = Some(position.done);
        report(before);
        Ok(())
    }

    /// The newest checkpoint that is whole and was written while no update had been skipped; what is newer
    /// is removed, since the run goes back to it.
    pub(super) fn go_back(&mut self) -> anyhow::Result<Option<(Checkpoint, Progress)>> {
        self.wait();
        for step in self.checkpoints.steps()?.into_iter().rev() {
            let Ok(checkpoint) = self.checkpoints.verify(step) else { continue };
            let position = checkpoint::progress_of(&checkpoint)?;
            if position.guard.skips == 0 {
                self.checkpoints.discard_after(step)?;
                self.last = Some(step);
                return Ok(Some((checkpoint, position)));
            }
        }
        for step in self.checkpoints.steps()? {
            std::fs::remove_dir_all(self.checkpoints.path(step)).context("cannot remove a checkpoint")?;
        }
        self.last = None;
        Ok(None)
    }

    /// Waits for what is being saved; a failure is a warning.
    pub(super) fn wait(&mut self) {
        report(self.background.wait());
    }

    /// Waits for what is being saved; a failure is an error.
    pub(super) fn finish(&mut self) -> anyhow::Result<()> {
        match self.background.wait() {
            Some(Outcome { saved: Err(error), .. }) => Err(anyhow!(error)),
            _ => Ok(()),
        }
    }
}

/// A save that failed harms nothing but itself.
fn report(outcome: Option<Outcome>) {
    if let Some(Outcome { step, saved: Err(error), .. }) = outcome {
        eprintln!("warning: no checkpoint after step {step}: {error}; training goes on");
    }
}

pub(super) fn dtype(recipe: &Recipe) -> WeightDtype {
    match recipe.model.save_dtype {
        SaveDtype::F32 => WeightDtype::F32,
        SaveDtype::Bf16 => WeightDtype::Bf16,
    }
}

/// What was measured before the first step, if that is written down.
pub(super) fn read_anchors(path: &Path) -> anyhow::Result<Option<BTreeMap<String, Anchor>>> {
    let file = path.join(ANCHORS);
    match std::fs::read_to_string(&file) {
        Ok(text) => Ok(Some(serde_json::from_str(&text).with_context(|| file.display().to_string())?)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| file.display().to_string()),
    }
}

/// A few of the episodes that were played before the first step, with their pictures.
pub(super) fn read_samples<'a>(
    path: &Path,
    names: impl Iterator<Item = &'a String>,
) -> anyhow::Result<Vec<Episode>> {
    let mut episodes = Vec::new();
    for name in names {
        let mut first = stored::episodes(path, &format!("before-{name}"), SAMPLES)?;
        first.iter_mut().try_for_each(|episode| stored::add_pictures(path, episode))?;
        episodes.extend(first);
    }
    Ok(episodes)
}

/// Writes down what the run is made from, before its next step: the weights of a run that begins, and the recipe
/// that holds from here on.
pub(super) fn note_origin(
    run: &RunDir,
    model: &Vlm,
    recipe: &str,
    resumed_at: Option<u64>,
) -> anyhow::Result<()> {
    let origin = match resumed_at {
        None => Some(Origin::new(model.policy.weights_hash(), recipe)),
        Some(done) => {
            let mut origin = Origin::read(run.path()).with_context(|| format!("cannot read {ORIGIN}"))?;
            if let Some(origin) = &mut origin {
                origin.go_on(done, recipe);
            }
            origin
        }
    };
    // A run of an earlier version does not say what it was begun with, and nobody knows.
    Ok(origin.map_or(Ok(()), |o| run.write(ORIGIN, &format!("{:#}\n", serde_json::json!(o))))?)
}
