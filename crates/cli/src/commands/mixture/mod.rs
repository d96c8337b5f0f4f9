//! `eyas mixture`: which share of each environment trains best.

mod fit;
mod plan;

use std::io::Write;

use clap::{Args, Subcommand};
use eyas_train::recipe::{EnvChoice, Recipe, Stage};

/// Mixtures of environments: which share of each trains best
///
/// A few pilot runs with different shares are fitted by a quadratic function of the shares, and the shares where
/// that function is largest are the answer (MoDoMoDo, arXiv 2505.24871).
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  eyas mixture plan recipes/base/grpo.toml --out pilots\n  \
    eyas compare pilots/*.toml --seeds 1 --out runs/pilots\n  \
    eyas mixture fit runs/pilots/*-seed1 --recipe recipes/base/grpo.toml --out best.toml")]
pub(crate) struct MixtureArgs {
    #[command(subcommand)]
    command: MixtureCommand,
}

#[derive(Subcommand, Debug)]
enum MixtureCommand {
    Plan(plan::PlanArgs),
    Fit(fit::FitArgs),
}

/// Runs `eyas mixture`.
///
/// # Errors
/// When a recipe or a run cannot be read, a recipe cannot be written, or the runs do not determine a mixture.
pub(crate) fn run(args: &MixtureArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    match &args.command {
        MixtureCommand::Plan(args) => plan::run(args, out),
        MixtureCommand::Fit(args) => fit::run(args, out),
    }
}

/// The stage of this name, or the last one.
fn stage_of<'r>(recipe: &'r mut Recipe, name: Option<&str>) -> anyhow::Result<&'r mut Stage> {
    let known: Vec<String> = recipe.stages.iter().map(|s| s.name().to_string()).collect();
    let found = match name {
        Some(name) => recipe.stages.iter_mut().find(|s| s.name() == name),
        None => recipe.stages.last_mut(),
    };
    found.ok_or_else(|| {
        anyhow::anyhow!("no stage {:?}\nhint: the recipe has {}", name.unwrap_or_default(), known.join(", "))
    })
}

/// Gives the environments these weights; those of weight 0 are left out, since a recipe has no weights of 0.
fn weigh(stage: &mut Stage, weights: &[(String, f64)]) {
    let envs = stage.envs_mut();
    envs.retain_mut(|env| {
        let weight = weight_of(env, weights);
        env.weight = weight;
        weight > 0.0
    });
}

fn weight_of(env: &EnvChoice, weights: &[(String, f64)]) -> f64 {
    weights.iter().find(|(name, _)| *name == env.name).map_or(0.0, |(_, weight)| *weight)
}
