//! `eyas recipe list`: the recipes in a folder.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::Args;
use eyas_store::read_text;
use eyas_train::recipe::MAX_RECIPE;
use serde::Serialize;

/// List the recipes in a folder
///
/// Every `.toml` file below the folder, with what the recipe says of itself: its `about`, else its first comment
/// line.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  eyas recipe list\n  eyas recipe list recipes/papers --json")]
pub(crate) struct RecipeListArgs {
    /// The folder to look in, with all folders below it
    #[arg(default_value = "recipes")]
    folder: PathBuf,
    /// Print a JSON array instead of a table
    #[arg(long)]
    json: bool,
}

/// A recipe that was found.
#[derive(Debug, PartialEq, Serialize)]
struct Found {
    path: PathBuf,
    description: String,
}

/// Runs `eyas recipe list`, printing to `out`.
///
/// # Errors
/// When the folder or a recipe cannot be read, or `out` cannot be written.
pub(crate) fn run(args: &RecipeListArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let mut found = Vec::new();
    collect(&args.folder, &mut found)?;
    found.sort_by(|a, b| a.path.cmp(&b.path));
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&found)?)?;
        return Ok(());
    }
    if found.is_empty() {
        writeln!(out, "no recipes below {}", args.folder.display())?;
    }
    let width = found.iter().map(|f| f.path.display().to_string().chars().count()).max().unwrap_or(0);
    for recipe in &found {
        let path = recipe.path.display().to_string();
        writeln!(out, "{}", format!("{path:<width$}  {}", recipe.description).trim_end())?;
    }
    Ok(())
}

fn collect(folder: &Path, found: &mut Vec<Found>) -> anyhow::Result<()> {
    let failed = |error: std::io::Error| {
        anyhow!("cannot list {}: {error}\nhint: `eyas recipe list FOLDER` looks elsewhere", folder.display())
    };
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        // Links are not followed, so that no loop of folders can keep this busy.
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() {
            collect(&path, found)?;
        } else if kind.is_file() && path.extension().is_some_and(|e| e == "toml") {
            let text =
                read_text(&path, MAX_RECIPE).with_context(|| format!("cannot read {}", path.display()))?;
            found.push(Found { description: description(&text), path });
        }
    }
    Ok(())
}

/// The recipe's `about`; without one, its first line that is not blank, where that is a comment. A list
/// is no place to complain about a recipe that cannot be parsed.
fn description(text: &str) -> String {
    let table = toml::from_str::<toml::Table>(text).unwrap_or_default();
    if let Some(about) = table.get("about").and_then(toml::Value::as_str) {
        return about.to_string();
    }
    let first = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    first.strip_prefix('#').map(|rest| rest.trim_start_matches('#').trim().to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipes_are_found_below_and_sorted() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("papers/b.toml", "\n# The second recipe.\n[model]\n");
        write("a.toml", "[model]\n# not this");
        write("c.toml", "# not this\nabout = \"The third\"\n");
        write("notes.md", "# no recipe");
        let list = |json| {
            let mut out = Vec::new();
            run(&RecipeListArgs { folder: folder.path().into(), json }, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let text = list(false);
        assert_eq!(text.lines().count(), 3);
        assert!(text.lines().next().unwrap().ends_with("a.toml"), "{text}");
        assert!(text.contains("c.toml         The third\n"), "{text}");
        assert!(text.ends_with("b.toml  The second recipe.\n"), "{text}");
        let rows: serde_json::Value = serde_json::from_str(&list(true)).unwrap();
        assert_eq!(rows[2]["description"], "The second recipe.");
    }

    #[test]
    fn a_missing_folder_has_a_hint() {
        let args = RecipeListArgs { folder: "no/such/folder".into(), json: false };
        let error = run(&args, &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("hint:"), "{error}");
    }
}
