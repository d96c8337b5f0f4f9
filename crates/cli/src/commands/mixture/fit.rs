//! `eyas mixture fit`: the mixture that pilot runs speak for.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::Args;
use eyas_data::DataError;
use eyas_data::mixture::{Pilot, Surrogate, leave_one_out};
use eyas_eval::Summary;
use eyas_train::recipe::Recipe;
use serde_json::json;

use super::super::columns::write_columns;
use super::{stage_of, weigh};

/// Steps of the search on the simplex; more change nothing that could be measured.
const ITERATIONS: usize = 2000;

/// Smaller shares are left out of a recipe.
const LEAST: f64 = 0.01;

/// Fit finished runs, and find the mixture that should train best
///
/// What a run scored is its mean normalised score after training over the environments it was judged on. The
/// error is that of each run predicted by the others; when it is not smaller than the spread of the runs, the fit
/// says nothing and more runs are needed.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  eyas mixture fit runs/pilots/*-seed1\n  \
    eyas mixture fit runs/pilots/*-seed* --recipe recipes/base/grpo.toml --out best.toml")]
pub(super) struct FitArgs {
    /// Run directories, at least two
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// The stage whose environments are mixed [default: the last]
    #[arg(long)]
    stage: Option<String>,
    /// How strongly coefficients are drawn to 0
    #[arg(long, default_value_t = 1e-3)]
    ridge: f64,
    /// The recipe that gets the mixture
    #[arg(long, requires = "out")]
    recipe: Option<PathBuf>,
    /// Where that recipe is written
    #[arg(long, requires = "recipe")]
    out: Option<PathBuf>,
    /// Print a JSON object instead of tables
    #[arg(long)]
    json: bool,
}

/// A finished run: the weights of its environments, and what it scored.
struct Run {
    path: PathBuf,
    weights: Vec<(String, f64)>,
    score: f64,
}

pub(super) fn run(args: &FitArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let runs = args.runs.iter().map(|path| read(path, args.stage.as_deref()));
    let runs: Vec<Run> = runs.collect::<anyhow::Result<_>>()?;
    let mut names: Vec<String> = Vec::new();
    for (name, _) in runs.iter().flat_map(|run| &run.weights) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names.sort();
    let share =
        |run: &Run, name: &String| run.weights.iter().find(|(n, _)| n == name).map_or(0.0, |(_, w)| *w);
    let pilot =
        |run: &Run| Pilot { weights: names.iter().map(|n| share(run, n)).collect(), score: run.score };
    let pilots: Vec<Pilot> = runs.iter().map(pilot).collect();
    let explain = |error: DataError| {
        anyhow!(
            "{error}\nhint: runs with different shares are needed; `eyas mixture plan` writes their recipes"
        )
    };
    let surrogate = Surrogate::fit(&pilots, args.ridge).map_err(explain)?;
    let error = leave_one_out(&pilots, args.ridge).map_err(explain)?.sqrt();
    let best = surrogate.best(ITERATIONS).map_err(explain)?;
    let predicted = surrogate.predict(&best)?;
    let mean = pilots.iter().map(|p| p.score).sum::<f64>() / pilots.len() as f64;
    let spread = (pilots.iter().map(|p| (p.score - mean).powi(2)).sum::<f64>() / pilots.len() as f64).sqrt();
    let mixture: Vec<(String, f64)> = names.iter().cloned().zip(best).collect();
    if let (Some(base), Some(file)) = (&args.recipe, &args.out) {
        write_recipe(base, file, args.stage.as_deref(), &mixture)?;
    }
    if args.json {
        let shares = |weights: &[(String, f64)]| weights.iter().map(|(n, w)| (n.clone(), json!(w))).collect();
        let of_mixture: serde_json::Map<_, _> = shares(&mixture);
        let rows: Vec<_> = runs
            .iter()
            .zip(&pilots)
            .map(|(run, pilot)| {
                Ok(json!({"run": run.path, "score": run.score, "fitted": surrogate.predict(&pilot.weights)?}))
            })
            .collect::<Result<_, DataError>>()?;
        let report = json!({
            "mixture": of_mixture, "predicted": predicted, "leave_one_out_error": error, "spread": spread,
            "runs": rows,
        });
        return Ok(writeln!(out, "{report:#}")?);
    }
    let mut rows =
        vec![[vec!["run".to_string()], names.clone(), vec!["score".into(), "fitted".into()]].concat()];
    for (run, pilot) in runs.iter().zip(&pilots) {
        let total: f64 = pilot.weights.iter().sum();
        let shares = pilot.weights.iter().map(|w| format!("{:.2}", w / total)).collect();
        let name = run
            .path
            .file_name()
            .map_or_else(|| run.path.display().to_string(), |n| n.to_string_lossy().into());
        let fitted = surrogate.predict(&pilot.weights)?;
        rows.push([vec![name], shares, vec![format!("{:.3}", run.score), format!("{fitted:.3}")]].concat());
    }
    write_columns(&rows, "", out)?;
    writeln!(out, "\nbest mixture, predicted score {predicted:.3}:")?;
    let rows: Vec<[String; 2]> = mixture.iter().map(|(n, w)| [n.clone(), format!("{w:.2}")]).collect();
    write_columns(&rows, "  ", out)?;
    writeln!(out, "\nerror of a run predicted by the others {error:.3}, spread of the runs {spread:.3}")?;
    if error >= spread {
        writeln!(
            out,
            "the fit says no more than the mean of the runs: more runs, or longer ones, are needed"
        )?;
    }
    if let Some(file) = &args.out {
        writeln!(out, "recipe: {}", file.display())?;
    }
    Ok(())
}

fn read(path: &Path, stage: Option<&str>) -> anyhow::Result<Run> {
    let file = path.join("recipe.toml");
    let text = fs::read_to_string(&file).map_err(|error| {
        anyhow!(
            "cannot read {}: {error}\nhint: give the directories of runs, such as runs/quickstart-seed1",
            file.display()
        )
    })?;
    let mut recipe = Recipe::from_toml(&text, &file.to_string_lossy())?;
    let weights =
        stage_of(&mut recipe, stage)?.envs().iter().map(|env| (env.name.clone(), env.weight)).collect();
    let file = path.join("summary.json");
    let text = fs::read_to_string(&file).map_err(|error| {
        anyhow!(
            "cannot read {}: {error}\nhint: the run is not finished; `eyas train --resume {}`",
            file.display(),
            path.display()
        )
    })?;
    let summary: Summary =
        serde_json::from_str(&text).with_context(|| format!("{} is no summary of a run", file.display()))?;
    let score = summary.mean_normalised_after.ok_or_else(|| {
        anyhow!(
            "{}: no normalised score, because an environment has no span between random and oracle",
            file.display()
        )
    })?;
    Ok(Run { path: path.to_path_buf(), weights, score })
}

fn write_recipe(
    base: &Path,
    file: &Path,
    stage: Option<&str>,
    mixture: &[(String, f64)],
) -> anyhow::Result<()> {
    let mut recipe = Recipe::load(base, None, &[])?;
    let stage = stage_of(&mut recipe, stage)?;
    let missing: Vec<&str> = mixture
        .iter()
        .filter(|(name, _)| !stage.envs().iter().any(|env| env.name == *name))
        .map(|(name, _)| name.as_str())
        .collect();
    anyhow::ensure!(missing.is_empty(), "{} has no environment {}", base.display(), missing.join(", "));
    let cut: Vec<(String, f64)> =
        mixture.iter().map(|(n, w)| (n.clone(), if *w < LEAST { 0.0 } else { *w })).collect();
    weigh(stage, &cut);
    fs::write(file, recipe.to_toml()?).with_context(|| format!("cannot write {}", file.display()))
}
