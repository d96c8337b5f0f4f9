//! What a run left behind, read again. Nothing here writes.

use std::fs;
use std::path::{Path, PathBuf};

use eyas_core::{EPISODE_VERSION, Episode, ImageId};
use eyas_data::stage::Position;
use eyas_model::image_file::{ImageFileError, ImageLimits, read_image};
use eyas_store::{Disk, Lines, StoreError};
use serde_json::Value;

use crate::origin::{ORIGIN, Origin, RecipeFrom};
use crate::recipe::{Recipe, RecipeError};
use crate::run_dir::Metrics;
use crate::step::observation;

const RECIPE: &str = "recipe.toml";

/// Longest line of a file of a run, in bytes.
const LINE: usize = 64 << 20;

/// Why a run cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum StoredError {
    /// It has no recipe.
    #[error("{path} is not a run: it holds no recipe.toml")]
    NotARun {
        /// The directory.
        path: PathBuf,
    },
    /// A file of it cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What was said.
        source: std::io::Error,
    },
    /// A recipe of it is not one of this version.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// A file of lines.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A picture.
    #[error(transparent)]
    Picture(#[from] ImageFileError),
    /// A picture is not the one that its name says.
    #[error("{path} is not the picture that was shown: its pixels do not fit its name")]
    OtherPicture {
        /// The file.
        path: PathBuf,
    },
    /// An episode of another version.
    #[error("{path}: episode {episode} has version {found}, this program reads {EPISODE_VERSION}")]
    Version {
        /// The file.
        path: PathBuf,
        /// Which one, from 0.
        episode: usize,
        /// Its version.
        found: u32,
    },
}

/// A run directory, open for reading.
pub struct StoredRun {
    /// Where it is.
    pub path: PathBuf,
    /// One line a step.
    pub metrics: Vec<Metrics>,
}

/// The recipes a run was made with.
pub struct Recipes {
    /// How the run came to be; runs of earlier versions do not say.
    pub origin: Option<Origin>,
    /// The resolved recipes with the first step that each holds for, rising, the first one 0.
    pub all: Vec<(u64, Recipe)>,
    /// Whether `recipe.toml` is what the last steps were made with, as far as the run says.
    pub unchanged: bool,
}

/// A file of episodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpisodeFile {
    /// Its name without the ending: `step-000012`, `before-2048`.
    pub name: String,
    /// Its step, if it is of one.
    pub step: Option<u64>,
}

impl StoredRun {
    /// Opens a run.
    ///
    /// # Errors
    /// [`StoredError`] naming the file.
    pub fn open(path: &Path) -> Result<Self, StoredError> {
        match path.join(RECIPE).is_file() {
            true => Ok(Self { path: path.into(), metrics: metrics(path)? }),
            false => Err(StoredError::NotARun { path: path.into() }),
        }
    }

    /// The recipes it was made with.
    ///
    /// # Errors
    /// [`StoredError`], also when a recipe is none of this version.
    pub fn recipes(&self) -> Result<Recipes, StoredError> {
        let (file, of_origin) = (self.path.join(RECIPE), self.path.join(ORIGIN));
        let read = |path: &Path| {
            let path = path.to_path_buf();
            move |source| StoredError::Read { path, source }
        };
        let toml = fs::read_to_string(&file).map_err(read(&file))?;
        let origin = Origin::read(&self.path).map_err(read(&of_origin))?;
        let (mut all, mut unchanged) = (Vec::new(), true);
        match &origin {
            Some(origin) => {
                for RecipeFrom { step, toml } in &origin.recipes {
                    all.push((*step, Recipe::from_toml(toml, &of_origin.display().to_string())?));
                }
                unchanged = origin.recipes.last().is_some_and(|last| last.toml == toml);
            }
            None => all.push((0, Recipe::from_toml(&toml, &file.display().to_string())?)),
        }
        Ok(Recipes { origin, all, unchanged })
    }

    /// The number of a step in its stage, from 0, as the recipe's graph of stages counts: from anew when a stage is
    /// entered again. Where the recipe cannot be read: how many of the steps right before it are of the same one.
    pub fn step_in_stage(&self, step: u64) -> u64 {
        let stage = self.stage_of(step);
        let alike = || (0..step).rev().take_while(|before| self.stage_of(*before) == stage).count() as u64;
        let at = self.recipes().ok().and_then(|recipes| self.position(&recipes, step));
        at.filter(|at| at.node.as_deref() == stage).map_or_else(alike, |at| at.steps)
    }

    /// Where the run was in its graph of stages before a step.
    fn position(&self, recipes: &Recipes, step: u64) -> Option<Position> {
        let mut graph = recipes.of(0)?.graph().ok()?;
        let mut at = graph.start();
        for (done, line) in (0..step).zip(&self.metrics) {
            if recipes.next_change(done.saturating_sub(1)) == Some(done) {
                graph = recipes.of(done)?.graph().ok()?;
            }
            at = graph.next(&at, &observation(line)).ok()?;
        }
        Some(at)
    }

    /// The name of the stage of a step that was run.
    pub fn stage_of(&self, step: u64) -> Option<&str> {
        self.metrics.get(usize::try_from(step).ok()?)?.get("stage").and_then(Value::as_str)
    }

    /// The steps of a stage that were run, counted over all stages, rising.
    pub fn steps_of(&self, stage: &str) -> Vec<u64> {
        (0..self.metrics.len() as u64).filter(|step| self.stage_of(*step) == Some(stage)).collect()
    }

    /// The files of episodes: those of steps in their order, then the others by name.
    ///
    /// # Errors
    /// [`StoredError::Read`] when the folder cannot be listed.
    pub fn episode_files(&self) -> Result<Vec<EpisodeFile>, StoredError> {
        let dir = self.path.join("episodes");
        let failed = |source| StoredError::Read { path: dir.clone(), source };
        let mut files = Vec::new();
        for entry in fs::read_dir(&dir).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let Some(name) = name.to_str().and_then(|n| n.strip_suffix(".jsonl")) else { continue };
            let step = name.strip_prefix("step-").and_then(|s| s.parse().ok());
            files.push(EpisodeFile { name: name.into(), step });
        }
        files.sort_by_key(|f| (f.step.is_none(), f.step, f.name.clone()));
        Ok(files)
    }
}

impl Recipes {
    /// The recipe that a step was made with.
    pub fn of(&self, step: u64) -> Option<&Recipe> {
        self.all.iter().rev().find(|(from, _)| *from <= step).map(|(_, recipe)| recipe)
    }

    /// The first step after `step` that was made with another recipe.
    pub fn next_change(&self, step: u64) -> Option<u64> {
        self.all.iter().map(|(from, _)| *from).find(|from| *from > step)
    }
}

/// The name of the file of a step's episodes, without its ending.
pub fn step_file(step: u64) -> String {
    format!("step-{step:06}")
}

/// Where the episodes `name` of a run are.
pub fn episodes_path(run: &Path, name: &str) -> PathBuf {
    run.join("episodes").join(format!("{name}.jsonl"))
}

/// The lines of metrics of a run. A last line that was cut short is left out.
///
/// # Errors
/// [`StoreError`] naming file and line.
pub fn metrics(run: &Path) -> Result<Vec<Metrics>, StoreError> {
    let mut lines = Lines::open(&Disk, &run.join("metrics.jsonl"), LINE)?;
    let mut all = Vec::new();
    while let Some(line) = lines.next_json() {
        if lines.torn() {
            break;
        }
        all.push(line?);
    }
    Ok(all)
}

/// The first `most` episodes of a file, without their pictures.
///
/// # Errors
/// [`StoredError`] naming file and line.
pub fn episodes(run: &Path, name: &str, most: usize) -> Result<Vec<Episode>, StoredError> {
    let path = episodes_path(run, name);
    let mut lines = Lines::open(&Disk, &path, LINE)?;
    let mut all: Vec<Episode> = Vec::new();
    while let Some(episode) = if all.len() < most { lines.next_json::<Episode>() } else { None } {
        let episode = episode?;
        if episode.version != EPISODE_VERSION {
            return Err(StoredError::Version { path, episode: all.len(), found: episode.version });
        }
        all.push(episode);
    }
    Ok(all)
}

/// Gives an episode its pictures, as far as they were kept.
///
/// # Errors
/// [`StoredError::Picture`], [`StoredError::OtherPicture`] when one is damaged.
pub fn add_pictures(run: &Path, episode: &mut Episode) -> Result<(), StoredError> {
    let ids: Vec<ImageId> = episode.turns.iter().flat_map(|t| t.images.iter().copied()).collect();
    for id in ids {
        if episode.images.contains_key(&id) {
            continue;
        }
        let file = run.join("episodes/images").join(format!("{id}.png"));
        if file.is_file() {
            let image = read_image(&file, &ImageLimits::default())?;
            if image.id() != id {
                return Err(StoredError::OtherPicture { path: file });
            }
            episode.images.insert(id, image);
        }
    }
    Ok(())
}
