//! `eyas train RECIPE`.

mod back;
mod begin;
mod changed;
mod finish;
mod line;
mod measure;
mod saving;
mod session;
mod signals;

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::Args;
use eyas_eval::table;
use eyas_store::read_text;
use eyas_train::RunDir;
use eyas_train::recipe::{MAX_RECIPE, Recipe};

pub(super) use begin::train;
pub(super) use line::line;
pub(crate) use signals::Stopped;

/// Train a model as a recipe says.
///
/// Measures the model on held-out episodes, runs the recipe's stages, measures again, and leaves a run
/// directory: the resolved recipe, metrics.jsonl, episodes with their pictures, checkpoints, the trained model
/// as a Hugging Face folder, summary.json and report.html.
///
/// Ctrl-C (or SIGTERM) ends it between two updates with a checkpoint; a second one at once. A run that was cut
/// short in any way goes on with --resume, to the same result as one that was not.
#[derive(Args)]
#[command(after_help = "Examples:\n  eyas train recipes/quickstart.toml --set seed=2 --run runs/second\n  \
    eyas train --resume runs/second")]
pub(crate) struct TrainArgs {
    /// The recipe file.
    #[arg(required_unless_present = "resume")]
    recipe: Option<PathBuf>,
    /// Go on with the run in this directory, from its last checkpoint. Give the recipe too to change keys.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["run", "overwrite"])]
    resume: Option<PathBuf>,
    /// Keys in which the recipe may differ from the one the run was begun with: `--allow lr,steps`.
    #[arg(long, value_name = "KEYS", value_delimiter = ',', requires = "resume")]
    allow: Vec<String>,
    /// Where to put the run [default: runs/RECIPE-seedN].
    #[arg(long)]
    run: Option<PathBuf>,
    /// Replace an earlier run in the same place.
    #[arg(long)]
    overwrite: bool,
    /// Change a key: `--set stage.rl.optim.lr=2e-4`. May be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
    /// Apply the recipe's overrides for a size of machine: `[scale.NAME]`.
    #[arg(long, value_name = "NAME")]
    scale: Option<String>,
    /// Threads [default: one per core]. Results do not depend on it.
    #[arg(long)]
    threads: Option<usize>,
    /// Print summary.json on standard output instead of a table.
    #[arg(long)]
    json: bool,
}

/// A run to be made or to be gone on with.
pub(super) struct Job {
    /// The name of the recipe.
    pub(super) name: String,
    pub(super) recipe: Recipe,
    /// The run directory.
    pub(super) path: PathBuf,
    /// Whether it was begun already: then it goes on.
    pub(super) begun: bool,
    /// Replace an earlier run there.
    pub(super) overwrite: bool,
    /// Sampled tokens after which the training ends with the step it is in.
    pub(super) budget_tokens: Option<u64>,
}

pub(crate) fn run(args: &TrainArgs) -> anyhow::Result<()> {
    super::set_threads(args.threads)?;
    let job = match &args.resume {
        Some(path) => resumed(args, path)?,
        None => begun(args)?,
    };
    let Some(summary) = train(&job)? else {
        eprintln!("{} is finished: nothing is left to do", job.path.display());
        return Ok(());
    };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&summary)?);
    } else {
        println!("{}", table(&summary));
        println!("report: {}", job.path.join("report.html").display());
        println!("model:  {}", job.path.join("checkpoints/final").display());
    }
    Ok(())
}

fn begun(args: &TrainArgs) -> anyhow::Result<Job> {
    let file = args.recipe.as_ref().context("a recipe")?;
    let recipe = Recipe::load(file, args.scale.as_deref(), &args.sets)?;
    let name = file.file_stem().map_or("recipe".into(), |s| s.to_string_lossy().into_owned());
    let path = args.run.clone().unwrap_or_else(|| PathBuf::from(format!("runs/{name}-seed{}", recipe.seed)));
    Ok(Job { name, recipe, path, begun: false, overwrite: args.overwrite, budget_tokens: None })
}

fn resumed(args: &TrainArgs, path: &Path) -> anyhow::Result<Job> {
    let file = path.join("recipe.toml");
    let old = read_text(&file, MAX_RECIPE).map_err(|error| {
        let hint = match RunDir::is_unbegun(path) {
            true => {
                format!("no step was begun there; begin with `eyas train RECIPE --run {}`", path.display())
            }
            false => "--resume takes the directory of a run, such as runs/quickstart-seed1".into(),
        };
        anyhow!("cannot read {}: {error}\nhint: {hint}", file.display())
    })?;
    let own = Recipe::from_toml(&old, &file.to_string_lossy())?;
    let recipe = match &args.recipe {
        Some(given) => {
            let given = Recipe::load(given, args.scale.as_deref(), &args.sets)?;
            changed::check(&changed::differing(&own.to_toml()?, &given.to_toml()?)?, &args.allow)?;
            given
        }
        None if args.sets.is_empty() && args.scale.is_none() => own,
        None => {
            let changed = Recipe::load(&file, None, &args.sets)?;
            changed::check(&changed::differing(&own.to_toml()?, &changed.to_toml()?)?, &args.allow)?;
            changed
        }
    };
    let folder = path.file_name().map_or("run".into(), |n| n.to_string_lossy().into_owned());
    let suffix = format!("-seed{}", recipe.seed);
    let name = folder.strip_suffix(&suffix).unwrap_or(&folder).to_string();
    Ok(Job { name, recipe, path: path.to_path_buf(), begun: true, overwrite: false, budget_tokens: None })
}
