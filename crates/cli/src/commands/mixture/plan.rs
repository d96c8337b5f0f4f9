//! `eyas mixture plan`: recipes of pilot runs.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use eyas_data::mixture::seed_mixtures;
use eyas_train::recipe::Recipe;

use super::{stage_of, weigh};

/// Write the recipes of pilot runs: each environment alone, all but each, and all alike
///
/// All of them are judged on the environments that the recipe is judged on.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  eyas mixture plan recipes/base/grpo.toml --out pilots --set stage.rl.steps=10"
)]
pub(super) struct PlanArgs {
    /// The recipe whose mixture is sought
    recipe: PathBuf,
    /// The folder for the recipes
    #[arg(long)]
    out: PathBuf,
    /// The stage whose environments are mixed [default: the last]
    #[arg(long)]
    stage: Option<String>,
    /// Change a key; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
    /// Apply the recipe's overrides for a size of machine: `[scale.NAME]`
    #[arg(long, value_name = "NAME")]
    scale: Option<String>,
}

pub(super) fn run(args: &PlanArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let base = Recipe::load(&args.recipe, args.scale.as_deref(), &args.sets)?;
    let stem = args.recipe.file_stem().map_or("recipe".into(), |s| s.to_string_lossy().into_owned());
    let names: Vec<String> = {
        let mut base = base.clone();
        stage_of(&mut base, args.stage.as_deref())?.envs().iter().map(|e| e.name.clone()).collect()
    };
    anyhow::ensure!(
        names.len() > 1,
        "the stage has one environment, so there is nothing to mix\nhint: choose another one with --stage"
    );
    fs::create_dir_all(&args.out).with_context(|| format!("cannot make {}", args.out.display()))?;
    for shares in seed_mixtures(names.len()) {
        let weights: Vec<(String, f64)> = names.iter().cloned().zip(shares).collect();
        let mut recipe = base.clone();
        weigh(stage_of(&mut recipe, args.stage.as_deref())?, &weights);
        let label = label(&weights);
        recipe.about = Some(format!("{stem} with {}", label.replace('-', " ")));
        let path = args.out.join(format!("{stem}-{}.toml", file_part(&label)));
        fs::write(&path, recipe.to_toml()?).with_context(|| format!("cannot write {}", path.display()))?;
        writeln!(out, "{}", path.display())?;
    }
    Ok(())
}

/// What a pilot mixture is: one alone, all but one, or all.
fn label(weights: &[(String, f64)]) -> String {
    let used: Vec<&str> = weights.iter().filter(|(_, w)| *w > 0.0).map(|(name, _)| name.as_str()).collect();
    let missing: Vec<&str> =
        weights.iter().filter(|(_, w)| *w <= 0.0).map(|(name, _)| name.as_str()).collect();
    match (used.as_slice(), missing.as_slice()) {
        ([only], _) => format!("only-{only}"),
        (_, [missing]) => format!("without-{missing}"),
        _ => "even".into(),
    }
}

/// Names of environments may hold what file names should not.
fn file_part(label: &str) -> String {
    label.chars().map(|c| if c.is_alphanumeric() || "-_.@".contains(c) { c } else { '_' }).collect()
}
