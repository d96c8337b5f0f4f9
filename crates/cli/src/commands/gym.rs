//! `eyas gym`: what environments there are and what each of them wants.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use clap::{Args, Subcommand};
use eyas_core::Seed;
use eyas_gym::{
    Axis, EnvEntry, EnvSpec, KnobKind, KnobSpec, ResponseStyle, find, first_message, registry, response,
};
use serde_json::{Value, json};

use super::columns::write_columns;

/// The environments: what there is, and what each of them wants
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  eyas gym list\n  eyas gym show 2048")]
pub(crate) struct GymArgs {
    #[command(subcommand)]
    command: GymCommand,
}

#[derive(Subcommand, Debug)]
enum GymCommand {
    /// List the environments
    ///
    /// One line per environment: its id (the name used in recipes), its title, the axes of difficulty its
    /// knobs move along, and the number of knobs.
    #[command(after_help = "Example:\n  eyas gym list\n  eyas gym list --json")]
    List(ListArgs),
    /// Show one environment: rules, action grammar, knobs, an example prompt
    ///
    /// The example prompt is what a policy reads beside the picture; the example response is what the oracle
    /// would write for it.
    #[command(after_help = "Example:\n  eyas gym show sokoban\n  eyas gym show 2048 --json")]
    Show(ShowArgs),
}

/// Arguments of `eyas gym list`.
#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    /// Print a JSON array instead of a table
    #[arg(long)]
    json: bool,
}

/// Arguments of `eyas gym show`.
#[derive(Args, Debug)]
pub(crate) struct ShowArgs {
    /// The environment's id, as `eyas gym list` prints it
    env: String,
    /// Print a JSON object instead of text
    #[arg(long)]
    json: bool,
}

/// Runs `eyas gym`, printing to `out`.
///
/// # Errors
/// When the environment is unknown or `out` cannot be written.
pub(crate) fn run(args: &GymArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    match &args.command {
        GymCommand::List(args) => list(args, out),
        GymCommand::Show(args) => show(args, out),
    }
}

fn list(args: &ListArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let entries = registry();
    if args.json {
        let all = entries.iter().map(|e| described(e.spec)).collect::<Result<Vec<_>, _>>()?;
        writeln!(out, "{}", serde_json::to_string_pretty(&all)?)?;
        return Ok(());
    }
    let mut rows = vec![["id", "title", "axes", "knobs"].map(String::from)];
    rows.extend(entries.iter().map(|e| {
        let knobs = e.spec.knobs.len().to_string();
        [e.spec.id.to_string(), e.spec.title.to_string(), axes(e.spec).join(", "), knobs]
    }));
    Ok(write_columns(&rows, "", out)?)
}

fn show(args: &ShowArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let entry = find(&args.env)?;
    let (prompt, answer) = example(&entry)?;
    if args.json {
        let mut all = described(entry.spec)?;
        all["example"] = json!({"prompt": prompt, "response": answer});
        writeln!(out, "{}", serde_json::to_string_pretty(&all)?)?;
        return Ok(());
    }
    let EnvSpec { id, title, summary, grammar, oracle, score, .. } = entry.spec;
    writeln!(out, "{title} ({id})\n{summary}\n")?;
    let facts = [["grammar", grammar], ["oracle", oracle], ["score", score]];
    write_columns(&facts.map(|row| row.map(String::from)), "", out)?;
    if !entry.spec.knobs.is_empty() {
        writeln!(out, "\nknobs")?;
        let mut rows = vec![["name", "axis", "values", "default", "what it does"].map(String::from)];
        rows.extend(entry.spec.knobs.iter().map(|knob| {
            let (range, default) = range(knob);
            [knob.name.to_string(), axis_name(knob.axis).to_string(), range, default, knob.doc.to_string()]
        }));
        write_columns(&rows, "  ", out)?;
    }
    writeln!(out, "\nexample prompt (beside the picture)\n{}", indented(&prompt))?;
    writeln!(out, "\nexample response (the oracle's)\n{}", indented(&answer))?;
    writeln!(out, "\nplay it: eyas play {id}")?;
    Ok(())
}

/// The spec as JSON, with its axes.
fn described(spec: &EnvSpec) -> Result<Value, serde_json::Error> {
    let mut value = serde_json::to_value(spec)?;
    value["axes"] = json!(axes(spec));
    Ok(value)
}

/// Prompt and oracle response at the start of seed 0.
fn example(entry: &EnvEntry) -> anyhow::Result<(String, String)> {
    let knobs = entry.knobs(&BTreeMap::new())?;
    let game = entry.reset(Seed::new(0), &knobs)?;
    let answer = response(game.as_ref(), &game.oracle(), ResponseStyle::Perception)?;
    Ok((first_message(game.as_ref(), ResponseStyle::Perception), answer))
}

/// The axes of the knobs, each once, in the order of [`Axis`].
fn axes(spec: &EnvSpec) -> Vec<&'static str> {
    let axes: BTreeSet<Axis> = spec.knobs.iter().map(|k| k.axis).collect();
    axes.into_iter().map(axis_name).collect()
}

fn axis_name(axis: Axis) -> &'static str {
    match axis {
        Axis::Perception => "perception",
        Axis::Reasoning => "reasoning",
        Axis::Horizon => "horizon",
        Axis::Memory => "memory",
        Axis::Stochasticity => "stochasticity",
    }
}

/// The values a knob takes, and its default.
fn range(knob: &KnobSpec) -> (String, String) {
    match knob.kind {
        KnobKind::Int { min, max, default } => (format!("{min}..={max}"), default.to_string()),
        KnobKind::Float { min, max, default } => (format!("{min:?}..={max:?}"), format!("{default:?}")),
        KnobKind::Bool { default } => ("true|false".into(), default.to_string()),
        KnobKind::Choice { options, default } => (options.join("|"), default.to_string()),
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(command: GymCommand) -> anyhow::Result<String> {
        let mut out = Vec::new();
        run(&GymArgs { command }, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn the_list_has_a_line_per_environment() {
        let table = text(GymCommand::List(ListArgs { json: false })).unwrap();
        assert_eq!(table.lines().count(), registry().len() + 1);
        assert!(table.lines().any(|l| l.starts_with("sokoban ")), "{table}");

        let list: Value =
            serde_json::from_str(&text(GymCommand::List(ListArgs { json: true })).unwrap()).unwrap();
        assert_eq!(list.as_array().unwrap().len(), registry().len());
        assert!(list[0]["axes"].is_array() && list[0]["knobs"].is_array());
    }

    #[test]
    fn every_environment_can_be_shown() {
        for entry in registry() {
            let (env, knob) = (entry.spec.id.to_string(), entry.spec.knobs.first().map_or("", |k| k.name));
            let shown = text(GymCommand::Show(ShowArgs { env: env.clone(), json: false })).unwrap();
            for part in [entry.spec.grammar, knob, "<answer>", "Respond with"] {
                assert!(shown.contains(part), "{env}: {part:?} is missing in\n{shown}");
            }
            let json = text(GymCommand::Show(ShowArgs { env: env.clone(), json: true })).unwrap();
            let value: Value = serde_json::from_str(&json).unwrap();
            assert_eq!(value["id"], env);
            assert!(value["example"]["response"].as_str().unwrap().contains("<answer>"));
        }
    }

    #[test]
    fn an_unknown_environment_has_a_hint() {
        let error = text(GymCommand::Show(ShowArgs { env: "sokobon".into(), json: false })).unwrap_err();
        assert!(error.to_string().contains("did you mean \"sokoban\""), "{error}");
    }
}
