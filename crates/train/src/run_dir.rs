//! The run directory: everything a run leaves behind.
//!
//! ```text
//! RUN/recipe.toml          the resolved recipe
//!     origin.json          what it was begun with, and the recipes of its steps
//!     metrics.jsonl        one line a step
//!     episodes/*.jsonl     sampled episodes; pictures beside them as images/HASH.png
//!     checkpoints/final/   the trained model, a Hugging Face folder
//!     reward-models/NAME/  what a stage of kind reward_model has trained
//!     checkpoints/step-N/  to go on from: exact state and a Hugging Face folder
//!     .lock                held while a process trains
//!     summary.json  report.html
//! ```

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use eyas_core::{Episode, Image, ImageId};
use eyas_store::{Disk, Log, Position, StoreError};
use serde_json::{Map, Value};

/// One line of metrics.
pub type Metrics = Map<String, Value>;

/// Notes a metric. One without a value is left out: JSON has no NaN.
pub(crate) fn put(line: &mut Metrics, key: &str, value: f64) {
    if value.is_finite() {
        line.insert(key.to_string(), Value::from(value));
    }
}

/// Why a run directory could not be used.
#[derive(Debug, thiserror::Error)]
pub enum RunDirError {
    /// There is something in it already.
    #[error("run directory {path} exists and is not empty")]
    Exists {
        /// The directory.
        path: PathBuf,
    },
    /// There is something else than a run in it.
    #[error("{path} exists and holds no recipe.toml, so it is not a run; it will not be overwritten")]
    NotARun {
        /// The directory.
        path: PathBuf,
    },
    /// A file could not be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A value could not be written as JSON.
    #[error("cannot write {path} as JSON: {source}")]
    Json {
        /// The file.
        path: PathBuf,
        /// What was wrong.
        source: serde_json::Error,
    },
    /// The log of metrics.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A picture could not be written.
    #[error(transparent)]
    Picture(#[from] eyas_model::image_file::ImageFileError),
}

/// An open run directory.
pub struct RunDir {
    path: PathBuf,
    metrics: Log,
    pictures: BTreeSet<ImageId>,
}

impl RunDir {
    /// Checks that [`RunDir::create`] may use the directory; gives whether something is in it that will be removed:
    /// an earlier run, or what is left of a process that ended before it had begun one ([`RunDir::is_unbegun`]).
    ///
    /// # Errors
    /// [`RunDirError::Exists`] when it holds something else and `overwrite` is off; [`RunDirError::NotARun`] when
    /// it is on, but what it holds is no run.
    pub fn check(path: &Path, overwrite: bool) -> Result<bool, RunDirError> {
        let occupied = fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some());
        let path_buf = || path.to_path_buf();
        match occupied {
            true if Self::is_unbegun(path) => Ok(true),
            true if !overwrite => Err(RunDirError::Exists { path: path_buf() }),
            // Only a directory that looks like a run is ever removed.
            true if !path.join("recipe.toml").is_file() => Err(RunDirError::NotARun { path: path_buf() }),
            occupied => Ok(occupied),
        }
    }

    /// Whether the directory holds what [`RunDir::create`] makes and nothing else: no recipe, no step, no episode.
    /// A process that is killed there has not begun its run. False where there is no directory.
    pub fn is_unbegun(path: &Path) -> bool {
        let empty = |path: &Path| fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
        let unbegun = |entry: fs::DirEntry| {
            let (path, is) = (entry.path(), entry.file_type());
            let is_dir = is.as_ref().is_ok_and(fs::FileType::is_dir);
            match entry.file_name().to_str() {
                Some("episodes") => {
                    let only_images = |e: fs::DirEntry| e.file_name() == "images" && empty(&e.path());
                    is_dir && fs::read_dir(&path).is_ok_and(|e| e.flatten().all(only_images))
                }
                Some("checkpoints") => is_dir && empty(&path),
                Some("metrics.jsonl") => entry.metadata().is_ok_and(|m| m.is_file() && m.len() == 0),
                // Written before the recipe, or while it was.
                Some(".lock" | "origin.json" | ".origin.json.part" | ".recipe.toml.part") => !is_dir,
                _ => false,
            }
        };
        fs::read_dir(path).is_ok_and(|entries| entries.flatten().all(unbegun))
    }

    /// Makes the directory and its folders. What [`RunDir::check`] found there is removed first.
    ///
    /// # Errors
    /// As [`RunDir::check`], and [`RunDirError::Write`].
    pub fn create(path: &Path, overwrite: bool) -> Result<Self, RunDirError> {
        let occupied = Self::check(path, overwrite)?;
        let write = |path: &Path| {
            let path = path.to_path_buf();
            move |source| RunDirError::Write { path, source }
        };
        if occupied {
            fs::remove_dir_all(path).map_err(write(path))?;
        }
        for folder in ["episodes/images", "checkpoints"] {
            fs::create_dir_all(path.join(folder)).map_err(write(path))?;
        }
        let metrics = Log::open(Arc::new(Disk), &path.join("metrics.jsonl"))?;
        Ok(Self { path: path.to_path_buf(), metrics, pictures: BTreeSet::new() })
    }

    /// Opens the directory of a run that is to go on. What was logged after `position` is dropped; it will be
    /// written again.
    ///
    /// # Errors
    /// [`RunDirError`] when what is there is not what was logged.
    pub fn reopen(path: &Path, position: &Position) -> Result<Self, RunDirError> {
        let metrics = Log::resume(Arc::new(Disk), &path.join("metrics.jsonl"), position)?;
        Ok(Self { path: path.to_path_buf(), metrics, pictures: BTreeSet::new() })
    }

    /// Makes what was logged safe, and says how far it goes.
    ///
    /// # Errors
    /// [`RunDirError::Store`].
    pub fn sync(&mut self) -> Result<Position, RunDirError> {
        Ok(self.metrics.sync()?)
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the checkpoint `name` goes.
    pub fn checkpoint(&self, name: &str) -> PathBuf {
        self.path.join("checkpoints").join(name)
    }

    /// Writes a whole file: first beside it, then renamed, so that no half file is ever seen.
    ///
    /// # Errors
    /// [`RunDirError::Write`].
    pub fn write(&self, name: &str, text: &str) -> Result<(), RunDirError> {
        let path = self.path.join(name);
        let beside = self.path.join(format!(".{name}.part"));
        fs::write(&beside, text)
            .and_then(|()| fs::rename(&beside, &path))
            .map_err(|source| RunDirError::Write { path, source })
    }

    /// Appends one line of metrics, and hands it to the system.
    ///
    /// # Errors
    /// [`RunDirError::Store`].
    pub fn log(&mut self, line: &Metrics) -> Result<(), RunDirError> {
        Ok(self.metrics.append_json(line)?)
    }

    /// Writes episodes, one JSON line each, and their pictures by hash; a picture is written once a run.
    ///
    /// # Errors
    /// [`RunDirError`] when a file cannot be written.
    pub fn episodes(&mut self, name: &str, episodes: &[&Episode]) -> Result<(), RunDirError> {
        let path = self.path.join("episodes").join(format!("{name}.jsonl"));
        let mut text = String::new();
        for episode in episodes {
            let line = serde_json::to_string(episode)
                .map_err(|source| RunDirError::Json { path: path.clone(), source })?;
            text.push_str(&line);
            text.push('\n');
            for image in episode.images.values() {
                self.picture(image)?;
            }
        }
        fs::write(&path, text).map_err(|source| RunDirError::Write { path, source })
    }

    fn picture(&mut self, image: &Image) -> Result<(), RunDirError> {
        if self.pictures.insert(image.id()) {
            let path = self.path.join("episodes/images").join(format!("{}.png", image.id()));
            eyas_model::image_file::write_png(&path, image)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_occupied_directory_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run");
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("thesis.txt"), "mine").unwrap();
        assert!(matches!(RunDir::create(&path, false), Err(RunDirError::Exists { .. })));
        assert!(
            matches!(RunDir::create(&path, true), Err(RunDirError::NotARun { .. })),
            "not a run: never removed"
        );
        assert_eq!(fs::read_to_string(path.join("thesis.txt")).unwrap(), "mine");
    }

    #[test]
    fn what_is_left_of_a_run_that_never_began_is_no_obstacle() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run");
        assert!(!RunDir::is_unbegun(&path), "there is nothing");
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join(".lock"), "4711").unwrap();
        assert!(RunDir::check(&path, false).unwrap());
        // Killed after each thing that is made before the recipe.
        for overwrite in [false, true] {
            drop(RunDir::create(&path, overwrite).unwrap());
            assert!(!path.join(".lock").exists());
            let run = RunDir::create(&path, overwrite).unwrap();
            fs::write(path.join(".lock"), "4711").unwrap();
            run.write("origin.json", "{}").unwrap();
            fs::write(path.join(".recipe.toml.part"), "se").unwrap();
            drop(run);
            drop(RunDir::create(&path, overwrite).unwrap());
            assert!(!path.join("origin.json").exists());
        }
        // What somebody might miss.
        let mine: [(&str, &str); 5] = [
            ("recipe.toml", "seed = 1"),
            ("metrics.jsonl", "{}\n"),
            ("episodes/step-000000.jsonl", "{}\n"),
            ("checkpoints/note.txt", "mine"),
            ("thesis.txt", "mine"),
        ];
        for (name, text) in mine {
            drop(RunDir::create(&path, false).unwrap());
            fs::write(path.join(name), text).unwrap();
            assert!(matches!(RunDir::create(&path, false), Err(RunDirError::Exists { .. })), "{name}");
            assert_eq!(fs::read_to_string(path.join(name)).unwrap(), text);
            fs::remove_file(path.join(name)).unwrap();
        }
    }

    #[test]
    fn metrics_are_lines_and_an_old_run_can_be_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run");
        let mut run = RunDir::create(&path, false).unwrap();
        run.write("recipe.toml", "seed = 1\n").unwrap();
        run.log(&[("step".to_string(), Value::from(0))].into_iter().collect()).unwrap();
        assert_eq!(fs::read_to_string(path.join("metrics.jsonl")).unwrap(), "{\"step\":0}\n");
        drop(run);
        assert!(RunDir::create(&path, false).is_err());
        RunDir::create(&path, true).unwrap();
        assert_eq!(fs::read_to_string(path.join("metrics.jsonl")).unwrap(), "");
    }
}
