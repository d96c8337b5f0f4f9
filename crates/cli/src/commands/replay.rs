//! `eyas replay RUN --step S`: a step made again, and compared with what was stored of it.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail, ensure};
use clap::Args;
use eyas_core::Episode;
use eyas_train::difference::{Difference, MetricsCompared, episode_differences, metrics_differences};
use eyas_train::recipe::Stage;
use eyas_train::replay::{Replay, ReplayError, weights_after};
use eyas_train::stored::{StoredRun, episodes, episodes_path, step_file};
use serde::Serialize;

use super::columns::write_columns;
use super::train::line;
use crate::progress::Progress;

/// Make a step of a run again, and compare it with what was stored
///
/// A step follows from the weights it finds, the recipe and its number. They are taken from the newest whole
/// checkpoint before the step, or from the model the run was begun with; the steps between are trained again, as
/// `eyas train --resume` would, but nothing is written to the run. Then episodes (tokens, log-probs, actions,
/// rewards, scores), metrics and, where the run kept them, the weights after the step are compared, exactly:
/// numbers are stored with all their bits. Equal bits are meant for one kind of machine and one version.
///
/// Of supervised stages a run keeps the episodes of the first step; of the other steps metrics are compared.
/// Metrics that tell the time or a measurement on held-out episodes are left out.
///
/// Ends with 0 when all is the same, with 1 when something differs or the step cannot be made again; with --json,
/// standard output is empty in the last case.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    eyas replay runs/quickstart-seed1 --step 12\n  \
    eyas replay runs/quickstart-seed1 --stage rl --step 0 --group 3\n  \
    eyas replay runs/quickstart-seed1 --step 12 --json")]
pub(crate) struct ReplayArgs {
    /// The run directory
    run: PathBuf,
    /// The step, from 0, counted over all stages as in metrics.jsonl
    #[arg(long, value_name = "S")]
    step: u64,
    /// Count the step within this stage
    #[arg(long, value_name = "NAME")]
    stage: Option<String>,
    /// Compare the episodes of this group alone, from 0
    #[arg(long, value_name = "G")]
    group: Option<usize>,
    /// Threads [default: one per core]. Results do not depend on it
    #[arg(long)]
    threads: Option<usize>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What came out.
#[derive(Debug, Serialize)]
struct Outcome {
    same: bool,
    step: u64,
    stage: String,
    stage_step: u64,
    /// Steps that the weights it began with had behind them.
    from: u64,
    /// Where these weights were; absent: the model the run was begun with.
    checkpoint: Option<PathBuf>,
    notes: Vec<String>,
    /// Earlier steps whose metrics differ already.
    earlier: Vec<Earlier>,
    groups: Vec<Group>,
    metrics: MetricsCompared,
    weights: Option<Weights>,
}

#[derive(Debug, Serialize)]
struct Earlier {
    step: u64,
    differences: Vec<Difference>,
}

#[derive(Debug, Serialize)]
struct Group {
    group: usize,
    env: String,
    seed: u64,
    episodes: Vec<Compared>,
}

#[derive(Debug, Serialize)]
struct Compared {
    /// Its place in the file of the step.
    episode: usize,
    tokens: usize,
    same: bool,
    differences: Vec<Difference>,
}

#[derive(Debug, Serialize)]
struct Weights {
    /// Who kept them.
    kept: String,
    same: bool,
    stored: String,
    again: String,
}

/// Runs `eyas replay`.
///
/// # Errors
/// When the step cannot be made again, or differs.
pub(crate) fn run(args: &ReplayArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    super::set_threads(args.threads)?;
    let run = StoredRun::open(&args.run).map_err(super::open::run_error)?;
    let step = wanted(&run, args.stage.as_deref(), args.step)?;
    let replay = Replay::new(&run, step).map_err(refused)?;
    // What cannot be compared should be known before anything is trained.
    let recipes = run.recipes()?;
    let name = run.stage_of(step);
    let stages = recipes.of(step).map(|r| r.stages.as_slice()).unwrap_or_default();
    let stage = stages.iter().find(|s| Some(s.name()) == name).with_context(|| {
        format!("metrics.jsonl says that step {step} is of a stage that the recipe does not have")
    })?;
    let stored = stored_episodes(&run, step, stage)?;
    let size = stage.group_size(run.step_in_stage(step)).max(1);
    check_group(args.group, stored.as_deref(), size, step)?;
    let (from, checkpoint, notes) = (replay.from, replay.checkpoint.clone(), replay.notes.clone());
    eprintln!("{}", announcement(step, from, checkpoint.as_deref()));
    let mut earlier = Vec::new();
    let mut progress = Progress::new("replay", step + 1 - from);
    let remade = replay
        .run(&mut |passed| {
            progress.update(passed.step + 1 - from, &line(passed.metrics));
            if passed.step < step && !passed.differences.is_empty() {
                earlier.push(Earlier { step: passed.step, differences: passed.differences });
            }
        })
        .map_err(refused)?;
    progress.finish();

    let groups = stored.map_or_else(Vec::new, |stored| groups(&stored, &remade.episodes, size, args.group));
    let metrics = metrics_differences(&run.metrics[step as usize], &remade.metrics);
    let weights = weights_after(&run, step)?.map(|(kept, stored)| Weights {
        kept,
        same: stored == remade.weights_hash,
        stored,
        again: remade.weights_hash.clone(),
    });
    let same = groups.iter().flat_map(|g| &g.episodes).all(|e| e.same)
        && metrics.differences.is_empty()
        && weights.as_ref().is_none_or(|w| w.same);
    let outcome = Outcome {
        same,
        step,
        stage: stage.name().into(),
        stage_step: remade.stage_step,
        from,
        checkpoint,
        notes,
        earlier,
        groups,
        metrics,
        weights,
    };
    match args.json {
        true => writeln!(out, "{}", serde_json::to_string_pretty(&outcome)?)?,
        false => print(&outcome, out)?,
    }
    ensure!(same, "step {step} of {} is not as it was stored", args.run.display());
    Ok(())
}

/// The step, counted over all stages.
fn wanted(run: &StoredRun, stage: Option<&str>, step: u64) -> anyhow::Result<u64> {
    let Some(stage) = stage else { return Ok(step) };
    let steps = run.steps_of(stage);
    if steps.is_empty() {
        let mut names: Vec<&str> = (0..run.metrics.len() as u64).filter_map(|s| run.stage_of(s)).collect();
        names.dedup();
        bail!(
            "--stage {stage:?}: no step of such a stage was run\nhint: the stages of {} are {}",
            run.path.display(),
            names.join(", ")
        );
    }
    usize::try_from(step).ok().and_then(|i| steps.get(i).copied()).ok_or_else(|| {
        anyhow!(
            "step {step} of stage {stage} was not run: there are {} of them, counted from 0\nhint: without --stage \
             steps are counted over all stages",
            steps.len()
        )
    })
}

/// What was stored of the step's episodes; `None` for steps of which a run stores none.
fn stored_episodes(run: &StoredRun, step: u64, stage: &Stage) -> anyhow::Result<Option<Vec<Episode>>> {
    let path = episodes_path(&run.path, &step_file(step));
    match stage {
        _ if path.is_file() => Ok(Some(episodes(&run.path, &step_file(step), usize::MAX)?)),
        Stage::Sft(_) => Ok(None),
        _ => bail!(
            "nothing is stored of the episodes of step {step}: {} is missing\nhint: `eyas inspect {}` lists what is \
             stored",
            path.display(),
            run.path.display()
        ),
    }
}

/// Checks that there is such a group.
fn check_group(
    group: Option<usize>,
    stored: Option<&[Episode]>,
    size: usize,
    step: u64,
) -> anyhow::Result<()> {
    let Some(group) = group else { return Ok(()) };
    let Some(stored) = stored else {
        bail!(
            "--group {group}: no episodes of step {step} are stored, so only its metrics can be compared\nhint: leave \
             --group out"
        );
    };
    let count = stored.len().div_ceil(size);
    ensure!(group < count, "--group {group}: the step has {count} groups, counted from 0");
    Ok(())
}

fn announcement(step: u64, from: u64, checkpoint: Option<&Path>) -> String {
    let begin = match checkpoint {
        Some(path) => format!("{}", path.display()),
        None => "the model the run was begun with".into(),
    };
    let again = match step - from {
        0 => String::new(),
        1 => format!("; step {from} before it is trained again"),
        _ => format!("; steps {from} to {} before it are trained again", step - 1),
    };
    format!("replay: step {step} from {begin}{again}")
}

/// What to do about it.
fn refused(error: ReplayError) -> anyhow::Error {
    // Hints are kept by the inner error.
    if let ReplayError::Train(inner) = error {
        return inner.into();
    }
    let hint = match &error {
        ReplayError::NotRun { run, .. } => format!("`eyas inspect {}` lists the steps", run.display()),
        ReplayError::OtherRecipe { run } => {
            format!(
                "{}/origin.json holds the recipe of each step; undo the change of recipe.toml",
                run.display()
            )
        }
        ReplayError::OtherWeights { .. } => {
            "put back the model that model.path names, or replay a step after the first checkpoint".into()
        }
        ReplayError::Stored(eyas_train::stored::StoredError::Recipe(_)) => {
            "replay it with the version of eyas that made it".into()
        }
        _ => return error.into(),
    };
    anyhow!("{error}\nhint: {hint}")
}

/// The episodes of the step, compared one by one, by group.
fn groups(stored: &[Episode], again: &[Episode], size: usize, only: Option<usize>) -> Vec<Group> {
    let count = stored.len().max(again.len()).div_ceil(size);
    let group = |group: usize| {
        let places = group * size..((group + 1) * size).min(stored.len().max(again.len()));
        let any = stored.get(places.start).or(again.get(places.start));
        Group {
            group,
            env: any.map_or_else(String::new, |e| e.env.clone()),
            seed: any.map_or(0, |e| e.seed.value()),
            episodes: places.map(|i| compared(i, stored.get(i), again.get(i))).collect(),
        }
    };
    (0..count).filter(|g| only.is_none_or(|only| only == *g)).map(group).collect()
}

fn compared(episode: usize, stored: Option<&Episode>, again: Option<&Episode>) -> Compared {
    let differences = match (stored, again) {
        (Some(stored), Some(again)) => episode_differences(stored, again),
        (stored, _) => {
            let there = |there: bool| if there { "there" } else { "absent" }.to_string();
            let (stored, again) = (there(stored.is_some()), there(stored.is_none()));
            vec![Difference { what: "episode".into(), place: String::new(), stored, again, count: 1 }]
        }
    };
    let tokens = stored.or(again).map_or(0, |e| e.trajectory.len());
    Compared { episode, tokens, same: differences.is_empty(), differences }
}

fn print(outcome: &Outcome, out: &mut dyn Write) -> anyhow::Result<()> {
    for note in &outcome.notes {
        writeln!(out, "note: {note}")?;
    }
    for Earlier { step, differences } in outcome.earlier.iter().take(1) {
        writeln!(out, "note: step {step}, trained again, differs already: {}", said(differences))?;
    }
    let mut rows = Vec::new();
    for group in &outcome.groups {
        for episode in &group.episodes {
            rows.push([
                format!("group {}", group.group),
                group.env.clone(),
                format!("episode {}", episode.episode),
                format!("{} tokens", episode.tokens),
                verdict(&episode.differences),
            ]);
        }
    }
    if rows.is_empty() {
        writeln!(out, "episodes: none of this step are stored")?;
    }
    write_columns(&rows, "", out)?;
    let MetricsCompared { compared, left_out, differences } = &outcome.metrics;
    writeln!(
        out,
        "metrics: {} ({compared} values; {left_out} of clock and measurements left out)",
        verdict(differences)
    )?;
    match &outcome.weights {
        Some(Weights { kept, same: true, .. }) => writeln!(out, "weights: same as {kept}")?,
        Some(Weights { kept, stored, again, .. }) => {
            writeln!(out, "weights: differ from {kept}: {} there, {} now", short(stored), short(again))?;
        }
        None => writeln!(out, "weights: the run kept none of this step")?,
    }
    let episodes = || outcome.groups.iter().flat_map(|g| &g.episodes);
    let verdict = match (outcome.same, episodes().filter(|e| !e.same).count()) {
        (true, _) => "same".to_string(),
        (false, 0) => "differs".to_string(),
        (false, n) => format!("differs in {n} of {} episodes", episodes().count()),
    };
    let Outcome { step, stage, stage_step, .. } = outcome;
    Ok(writeln!(out, "step {step} ({stage} {stage_step}): {verdict}")?)
}

fn verdict(differences: &[Difference]) -> String {
    if differences.is_empty() { "same".into() } else { format!("differs: {}", said(differences)) }
}

/// The first difference in full, the others by name.
fn said(differences: &[Difference]) -> String {
    let Some((first, others)) = differences.split_first() else { return String::new() };
    let Difference { what, place, stored, again, count } = first;
    let place = if place.is_empty() { String::new() } else { format!(" at {place}") };
    let more = if *count > 1 { format!(" ({count} places)") } else { String::new() };
    let names: Vec<&str> = others.iter().map(|d| d.what.as_str()).collect();
    let also = if names.is_empty() { String::new() } else { format!("; also {}", names.join(", ")) };
    format!("{what}{place} was {stored}, is {again}{more}{also}")
}

fn short(hash: &str) -> String {
    hash.chars().take(12).collect()
}
