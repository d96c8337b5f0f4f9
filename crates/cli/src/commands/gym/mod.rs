//! `eyas gym`: what environments there are and what each of them wants.

mod bench;
mod gallery;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use eyas_core::Seed;
use eyas_gym::{
    Axis, EnvEntry, EnvGroup, EnvSpec, Game, KnobKind, KnobSpec, Preset, ResponseStyle, common_knobs, find,
    first_message, registry, response, stored_reference, stored_references,
};
use serde_json::{Value, json};

use anyhow::Context;

use super::columns::write_columns;
use super::play_knobs::knobs;

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
    #[command(after_help = "Example:\n  eyas gym list\n  eyas gym list --group board --json\n  \
        eyas gym list --axis memory")]
    List(ListArgs),
    /// Show one environment: rules, action grammar, knobs, an example prompt
    ///
    /// The example prompt is what a policy reads beside the picture; the example response is what the oracle
    /// would write for it.
    #[command(after_help = "Example:\n  eyas gym show sokoban\n  eyas gym show 2048 --json\n  \
        eyas gym show 2048 --set quiz=caption")]
    Show(ShowArgs),
    /// Write a page that shows every environment at three difficulties
    ///
    /// One HTML file that needs nothing else: pictures, what the oracle does, knobs and where the difficulty
    /// dial moves them, reference scores.
    #[command(
        after_help = "Example:\n  eyas gym gallery\n  eyas gym gallery boards.html --env 2048 --env sokoban\n  \
            eyas gym gallery --sheet gym.png"
    )]
    Gallery(gallery::GalleryArgs),
    /// Measure steps, pictures, forks and resets a second, on one core
    #[command(after_help = "Example:\n  eyas gym bench\n  eyas gym bench 2048 --preset hard --json\n  \
        eyas gym bench --side 224\n  eyas gym bench --pool")]
    Bench(bench::BenchArgs),
    /// Measure random play and the oracle at every preset
    #[command(after_help = "Example:\n  eyas gym references 2048\n  \
        eyas gym references --json > crates/gym/data/references.json")]
    References(gallery::ReferencesArgs),
}

/// Arguments of `eyas gym list`.
#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    /// Only this part of the gallery: perception, board, navigation, cards, strategy, gui, driving,
    /// manipulation, video, geometry or charts
    #[arg(long, value_parser = EnvGroup::ALL.map(EnvGroup::name))]
    group: Option<String>,
    /// Only those with a knob on this axis of difficulty
    #[arg(long, value_parser = AXES.map(axis_name))]
    axis: Option<String>,
    /// Only games of several players
    #[arg(long)]
    multi_agent: bool,
    /// Print a JSON array instead of a table
    #[arg(long)]
    json: bool,
    /// Print a Markdown table with grammars, oracles and reference scores
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
}

/// Arguments of `eyas gym show`.
#[derive(Args, Debug)]
pub(crate) struct ShowArgs {
    /// The environment's id, as `eyas gym list` prints it
    env: String,
    /// Turn a knob of the example, as knob=value; may be given several times
    #[arg(long, value_name = "KNOB=VALUE")]
    set: Vec<String>,
    /// Write an example picture to this PNG file
    #[arg(long)]
    picture: Option<PathBuf>,
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
        GymCommand::Gallery(args) => gallery::write(args, out),
        GymCommand::Bench(args) => bench::run(args, out),
        GymCommand::References(args) => gallery::references(args, out),
    }
}

fn list(args: &ListArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let wanted = |e: &EnvEntry| {
        args.group.as_deref().is_none_or(|g| e.spec.group.name() == g)
            && args.axis.as_deref().is_none_or(|a| axes(e.spec).contains(&a))
            && (!args.multi_agent || e.spec.players > 1)
    };
    let entries: Vec<EnvEntry> = registry().into_iter().filter(wanted).collect();
    if args.json {
        let all = entries.iter().map(|e| described(e.spec)).collect::<Result<Vec<_>, _>>()?;
        writeln!(out, "{}", serde_json::to_string_pretty(&all)?)?;
        return Ok(());
    }
    if args.markdown {
        return Ok(out.write_all(markdown(&entries).as_bytes())?);
    }
    let mut rows = vec![["id", "group", "title", "axes", "knobs"].map(String::from)];
    rows.extend(entries.iter().map(|e| {
        let knobs = e.spec.knobs.len().to_string();
        let (id, title) = (e.spec.id.to_string(), e.spec.title.to_string());
        [id, e.spec.group.name().to_string(), title, axes(e.spec).join(", "), knobs]
    }));
    Ok(write_columns(&rows, "", out)?)
}

/// One row for each environment: what it is, how it is answered, and what random play and the oracle score.
fn markdown(entries: &[EnvEntry]) -> String {
    let mut text = String::from(
        "| environment | what it is | answer | axes | oracle | random → oracle: easy, medium, hard | after |\n\
         |---|---|---|---|---|---|---|\n",
    );
    for entry in entries {
        let spec = entry.spec;
        let scores = Preset::ALL.map(|preset| {
            let stored = stored_reference(spec.id, preset);
            stored.map_or("–".into(), |r| format!("{:.2} → {:.2}", r.random, r.oracle))
        });
        let plain = |text: &str| text.replace('|', "\\|").replace('<', "\\<");
        text += &format!(
            "| `{}` | {} | {} | {} | {} | {} | {} |\n",
            spec.id,
            plain(spec.summary),
            plain(spec.grammar),
            axes(spec).join(", "),
            plain(spec.oracle),
            scores.join(", "),
            plain(spec.source),
        );
    }
    text
}

fn show(args: &ShowArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let entry = find(&args.env)?;
    let game = entry.reset(Seed::new(0), &knobs(&entry, &args.set, None)?)?;
    let (prompt, answer) = example(game.as_ref())?;
    if let Some(path) = &args.picture {
        let picture = game.render();
        let (width, height) = (picture.width(), picture.height());
        image::save_buffer(path, picture.pixels(), width, height, image::ExtendedColorType::Rgb8)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    if args.json {
        let mut all = described(entry.spec)?;
        all["common_knobs"] = json!(common_knobs());
        all["references"] = json!(stored_references().get(entry.spec.id));
        all["example"] = json!({"prompt": prompt, "response": answer});
        writeln!(out, "{}", serde_json::to_string_pretty(&all)?)?;
        return Ok(());
    }
    let EnvSpec { id, title, summary, grammar, oracle, score, .. } = entry.spec;
    writeln!(out, "{title} ({id})\n{summary}\n")?;
    let source = entry.spec.source;
    let facts = [["grammar", grammar], ["oracle", oracle], ["score", score], ["after", source]];
    write_columns(&facts.map(|row| row.map(String::from)), "", out)?;
    writeln!(out, "\nknobs")?;
    write_columns(&knob_table(entry.spec.knobs), "  ", out)?;
    writeln!(out, "\nknobs that every environment has")?;
    let common: Vec<KnobSpec> = common_knobs()
        .into_iter()
        .filter(|k| !(entry.spec.pixel_answers && k.name == "resolution"))
        .collect();
    write_columns(&knob_table(&common), "  ", out)?;
    let mut rows = vec![["preset", "random", "oracle"].map(String::from)];
    rows.extend(Preset::ALL.into_iter().filter_map(|preset| {
        let r = stored_reference(id, preset)?;
        Some([preset.name().to_string(), format!("{:.3}", r.random), format!("{:.3}", r.oracle)])
    }));
    if rows.len() > 1 {
        writeln!(out, "\nmean scores")?;
        write_columns(&rows, "  ", out)?;
    }
    writeln!(out, "\nexample prompt (beside the picture)\n{}", indented(&prompt))?;
    writeln!(out, "\nexample response (the oracle's)\n{}", indented(&answer))?;
    let turned: String = args.set.iter().map(|word| format!(" --set {word}")).collect();
    writeln!(out, "\nplay it: eyas play {id}{turned}")?;
    Ok(())
}

fn knob_table(knobs: &[KnobSpec]) -> Vec<[String; 6]> {
    let head = ["name", "axis", "values", "default", "easy → hard", "what it does"];
    let row = |knob: &KnobSpec| {
        let (range, default) = range(knob);
        let at = |difficulty| knob.at(difficulty).map(|v| v.to_string()).unwrap_or_default();
        let dial = if knob.dial.is_some() { format!("{} → {}", at(0.0), at(1.0)) } else { String::new() };
        let (name, axis) = (knob.name.to_string(), axis_name(knob.axis).to_string());
        [name, axis, range, default, dial, knob.doc.to_string()]
    };
    std::iter::once(head.map(String::from)).chain(knobs.iter().map(row)).collect()
}

/// The spec as JSON, with its axes.
fn described(spec: &EnvSpec) -> Result<Value, serde_json::Error> {
    let mut value = serde_json::to_value(spec)?;
    value["axes"] = json!(axes(spec));
    Ok(value)
}

/// Prompt and oracle response of a state.
fn example(game: &dyn Game) -> anyhow::Result<(String, String)> {
    let answer = response(game, &game.oracle(), ResponseStyle::Perception)?;
    Ok((first_message(game, ResponseStyle::Perception), answer))
}

/// The axes of the knobs, each once, in the order of [`Axis`].
fn axes(spec: &EnvSpec) -> Vec<&'static str> {
    let axes: BTreeSet<Axis> = spec.knobs.iter().map(|k| k.axis).collect();
    axes.into_iter().map(axis_name).collect()
}

const AXES: [Axis; 5] = [Axis::Perception, Axis::Reasoning, Axis::Horizon, Axis::Memory, Axis::Stochasticity];

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

    fn everything() -> ListArgs {
        ListArgs { group: None, axis: None, multi_agent: false, json: false, markdown: false }
    }

    #[test]
    fn the_list_can_be_narrowed_down() {
        let lines = |args| text(GymCommand::List(args)).unwrap().lines().count() - 1;
        let of = |group: EnvGroup| lines(ListArgs { group: Some(group.name().into()), ..everything() });
        assert_eq!(EnvGroup::ALL.into_iter().map(of).sum::<usize>(), registry().len());
        assert!(lines(ListArgs { axis: Some("stochasticity".into()), ..everything() }) < registry().len());
        let players = registry().iter().filter(|e| e.spec.players > 1).count();
        assert_eq!(lines(ListArgs { multi_agent: true, ..everything() }), players);
    }

    #[test]
    fn the_list_has_a_line_per_environment() {
        let table = text(GymCommand::List(ListArgs { json: false, ..everything() })).unwrap();
        assert_eq!(table.lines().count(), registry().len() + 1);
        assert!(table.lines().any(|l| l.starts_with("sokoban ")), "{table}");

        let list: Value =
            serde_json::from_str(&text(GymCommand::List(ListArgs { json: true, ..everything() })).unwrap())
                .unwrap();
        assert_eq!(list.as_array().unwrap().len(), registry().len());
        assert!(list[0]["axes"].is_array() && list[0]["knobs"].is_array());
    }

    #[test]
    fn every_environment_can_be_shown() {
        for entry in registry() {
            let (env, knob) = (entry.spec.id.to_string(), entry.spec.knobs.first().map_or("", |k| k.name));
            let shown = text(GymCommand::Show(ShowArgs {
                env: env.clone(),
                set: vec![],
                picture: None,
                json: false,
            }))
            .unwrap();
            for part in [entry.spec.grammar, knob, "<answer>", "Respond with"] {
                assert!(shown.contains(part), "{env}: {part:?} is missing in\n{shown}");
            }
            let json =
                text(GymCommand::Show(ShowArgs { env: env.clone(), set: vec![], picture: None, json: true }))
                    .unwrap();
            let value: Value = serde_json::from_str(&json).unwrap();
            assert_eq!(value["id"], env);
            assert!(value["example"]["response"].as_str().unwrap().contains("<answer>"));
        }
    }

    #[test]
    fn the_example_can_be_a_question() {
        let show = |set: &str| {
            let set = vec![set.to_string()];
            text(GymCommand::Show(ShowArgs { env: "2048".into(), set, picture: None, json: false }))
        };
        let shown = show("quiz=caption").unwrap();
        assert!(shown.contains("One word of this caption of the picture is wrong."), "{shown}");
        assert!(shown.ends_with("play it: eyas play 2048 --set quiz=caption\n"), "{shown}");
        assert!(show("quiz=tea").unwrap_err().to_string().contains("outside play|best-action|"));
    }

    #[test]
    fn an_unknown_environment_has_a_hint() {
        let error = text(GymCommand::Show(ShowArgs {
            env: "sokobon".into(),
            set: vec![],
            picture: None,
            json: false,
        }))
        .unwrap_err();
        assert!(error.to_string().contains("did you mean \"sokoban\""), "{error}");
    }
}
