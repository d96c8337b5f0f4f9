//! `eyas reward`: what rewards there are, and what they say of responses in a file.

mod columns;
mod report;
mod score;

use std::io::Write;

use clap::{Args, Subcommand};
use eyas_reward::{RewardInfo, SUPPLIED, Scorer, WORKED_OUT, find, needs, rewards};

use super::columns::write_columns;

/// The rewards: what there is, and what they say of responses in a file
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  eyas reward list\n  eyas reward show format\n  \
    eyas reward score spec.toml dump.jsonl --explain")]
pub(crate) struct RewardArgs {
    #[command(subcommand)]
    command: RewardCommand,
}

#[derive(Subcommand, Debug)]
enum RewardCommand {
    /// List the rewards by family
    ///
    /// In a recipe each is a `[[stage.reward]]` with name, weight, span, params and gold. `label` names it in
    /// reports, `envs` limits it to environments of the stage, `inputs` gives it the scores of other rewards as
    /// fields. The reward `judge` asks one of the recipe's judges, `[[judge]]`: kind = "endpoint" (url, model,
    /// key_env; a build with the feature http), "local" (path), "policy" (the policy at the start of its stage)
    /// or "scripted" (rules, otherwise).
    #[command(after_help = "Example:\n  eyas reward list\n  eyas reward list --family boxes --json")]
    List(ListArgs),
    /// List the fields that rewards may read when an environment is played
    ///
    /// Those are there, or worked out when a reward reads them. A reward that reads another one needs it from
    /// another reward: `inputs.FIELD = { name = "..." }`, for example the verdict of a judge.
    #[command(after_help = "Example:\n  eyas reward fields")]
    Fields,
    /// Show one reward: what it pays for, its source, its ground truth, its fields and its parameters
    #[command(after_help = "Example:\n  eyas reward show game\n  eyas reward show format --json")]
    Show(ShowArgs),
    /// Score the responses in a file, one JSON object a line
    ///
    /// The spec is a TOML file with a list of rewards, as in a recipe: `[[reward]]` with name, weight and
    /// params; or a tree, `total = { sum = [...] }`, of sums, products, gates, schedules and routes (`eyas
    /// reward show compose`). Rewards that ask a judge need a `[[judge]]` as in a recipe. Columns are found by
    /// the names that TRL, verl and EasyR1 write (completion, output, response, ...; solution, ground_truth,
    /// gts, ...), or named in the spec: `[columns] response = "text"`.
    /// A line that cannot be read is reported with its number and the rest is scored all the same.
    #[command(after_help = "Example:\n  eyas reward score spec.toml dump.jsonl\n  \
        eyas reward score spec.toml dump.jsonl --json > scores.jsonl\n  \
        eyas reward score spec.toml dump.jsonl --explain\n\n\
        A spec:\n  [[reward]]\n  name = \"iou\"\n  weight = 1.0\n\n  [columns]\n  gold = \"box\"")]
    Score(score::ScoreArgs),
}

#[derive(Args, Debug)]
struct ListArgs {
    /// Only this family
    #[arg(long)]
    family: Option<String>,
    /// Print a JSON array instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct ShowArgs {
    /// The reward's name, as `eyas reward list` prints it
    name: String,
    /// Print a JSON object instead of text
    #[arg(long)]
    json: bool,
}

/// Runs `eyas reward`, printing to `out`.
///
/// # Errors
/// When a reward is unknown, a file cannot be read, or `out` cannot be written.
pub(crate) fn run(args: &RewardArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    match &args.command {
        RewardCommand::List(args) => list(args, out),
        RewardCommand::Fields => {
            let row = |(name, holds): &(&str, &str)| [name.to_string(), holds.to_string()];
            let rows: Vec<[String; 2]> = SUPPLIED.iter().chain(WORKED_OUT).map(row).collect();
            Ok(write_columns(&rows, "", out)?)
        }
        RewardCommand::Show(args) => show(args, out),
        RewardCommand::Score(args) => score::run(args, out),
    }
}

fn list(args: &ListArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let mut families: Vec<&str> = rewards().iter().map(|r| r.family).collect();
    families.sort_unstable();
    families.dedup();
    if let Some(family) = &args.family {
        let known = families.contains(&family.as_str());
        anyhow::ensure!(known, "no family {family:?}\nhint: one of {}", families.join(", "));
    }
    let chosen: Vec<&RewardInfo> =
        rewards().iter().filter(|r| args.family.as_deref().is_none_or(|f| r.family == f)).collect();
    if args.json {
        return Ok(writeln!(out, "{}", serde_json::to_string_pretty(&chosen)?)?);
    }
    let mut rows = vec![["name", "family", "range", "what it pays for"].map(String::from)];
    rows.extend(chosen.iter().map(|r| [r.name, r.family, &range(r), r.doc].map(String::from)));
    Ok(write_columns(&rows, "", out)?)
}

fn range(info: &RewardInfo) -> String {
    info.range.map_or("any".into(), |(low, high)| format!("{low} to {high}"))
}

fn show(args: &ShowArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let info = find(&args.name)?;
    if args.json {
        return Ok(writeln!(out, "{}", serde_json::to_string_pretty(info)?)?);
    }
    let reads = match info.score {
        Scorer::Episode(_) => "whole episodes",
        Scorer::Sample(_) => "one response",
        Scorer::Group(_) => "the responses to one prompt together",
    };
    writeln!(out, "{} ({})\n{}\n", info.name, info.family, info.doc)?;
    let gold = if info.gold.is_empty() { "none" } else { info.gold };
    let range = range(info);
    let fields = needs(info.name).join(", ");
    let fields = if fields.is_empty() { "none" } else { &fields };
    let facts =
        [["reads", reads], ["fields", fields], ["gold", gold], ["range", &range], ["source", info.source]];
    write_columns(&facts.map(|row| row.map(String::from)), "", out)?;
    if !info.params.is_empty() {
        writeln!(out, "\nparameters")?;
        let mut rows = vec![["name", "values", "default", "what it does"].map(String::from)];
        rows.extend(info.params.iter().map(|p| {
            let default = p.default().to_string();
            [p.name, &p.takes(), &default, p.doc].map(String::from)
        }));
        write_columns(&rows, "  ", out)?;
    }
    Ok(())
}
