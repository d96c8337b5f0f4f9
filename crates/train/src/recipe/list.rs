//! The recipes in a folder.

use std::fs;
use std::path::{Path, PathBuf};

use super::layer::{assemble, scale_names, text_of};
use super::resolve::resolve;
use super::{RecipeError, StageKind};

/// What a list shows of a recipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipeInfo {
    /// The file.
    pub path: PathBuf,
    /// Its name without folder and ending.
    pub name: String,
    /// Its `about` line, else the title of its paper, else nothing.
    pub title: String,
    /// Its stages.
    pub stages: Vec<StageInfo>,
    /// The scales it can be loaded with.
    pub scales: Vec<String>,
}

/// What a list shows of a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageInfo {
    /// Its name.
    pub name: String,
    /// What it does.
    pub kind: StageKind,
    /// Its number of steps.
    pub steps: u64,
}

/// Every recipe (`*.toml`) in `dir` and the folders in it, by path. Each is read and checked in full.
///
/// # Errors
/// [`RecipeError`] when a folder cannot be read, or of the first recipe that is not in order.
pub fn list_recipes(dir: &Path) -> Result<Vec<RecipeInfo>, RecipeError> {
    let mut paths = Vec::new();
    collect(dir, &mut paths)?;
    paths.sort();
    paths.iter().map(|path| info(path)).collect()
}

fn collect(dir: &Path, paths: &mut Vec<PathBuf>) -> Result<(), RecipeError> {
    let failed = |source| RecipeError::Read { path: dir.into(), source };
    for entry in fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        // A link is not followed as a folder, so that a circle of links ends.
        if entry.file_type().map_err(failed)?.is_dir() {
            collect(&path, paths)?;
        } else if path.extension().is_some_and(|e| e == "toml") {
            paths.push(path);
        }
    }
    Ok(())
}

fn info(path: &Path) -> Result<RecipeInfo, RecipeError> {
    let text = text_of(path)?;
    let recipe = resolve(&assemble(path, &text, None, &[])?)?;
    let stage = |s: &super::Stage| StageInfo { name: s.name().into(), kind: s.kind(), steps: s.steps() };
    Ok(RecipeInfo {
        path: path.into(),
        name: path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default(),
        title: recipe.about.or(recipe.paper.map(|p| p.title)).unwrap_or_default(),
        stages: recipe.stages.iter().map(stage).collect(),
        scales: scale_names(path, &text)?,
    })
}
