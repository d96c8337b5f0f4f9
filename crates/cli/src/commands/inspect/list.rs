//! Tables of what is stored.

use std::collections::BTreeSet;
use std::io::Write;

use eyas_core::{Episode, Outcome};
use eyas_train::stored::{StoredRun, episodes as read_episodes};
use serde_json::{Value, json};

use super::super::columns::write_columns;
use super::load::Stored;

/// The files of episodes of a run, one row each.
pub(super) fn files(run: &StoredRun, as_json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    for file in run.episode_files()? {
        let stage = file.step.and_then(|step| run.stage_of(step));
        let episodes = read_episodes(&run.path, &file.name, usize::MAX)?;
        rows.push(row(&file.name, file.step, stage, &episodes));
    }
    if as_json {
        return Ok(writeln!(out, "{}", serde_json::to_string_pretty(&rows)?)?);
    }
    let steps = run.metrics.len();
    writeln!(
        out,
        "{}: {steps} steps run, episodes of {} stored",
        run.path.display(),
        count(rows.len(), "file")
    )?;
    table(&rows, &["step", "stage", "episodes", "environments", "reward", "score", "success", "tokens"], out)
}

fn row(name: &str, step: Option<u64>, stage: Option<&str>, episodes: &[Episode]) -> Value {
    let mean =
        |values: Vec<f64>| (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64);
    let of = |f: &dyn Fn(&Episode) -> f64| mean(episodes.iter().map(f).collect());
    let envs: BTreeSet<&str> = episodes.iter().map(|e| e.env.as_str()).collect();
    // Without rewards there is no total.
    let graded = episodes.iter().filter(|e| !e.scores.is_empty());
    json!({
        "step": step.map_or_else(|| Value::from(name), Value::from),
        "stage": stage,
        "episodes": episodes.len(),
        "environments": envs,
        "reward": mean(graded.filter_map(|e| e.total_score().map(f64::from)).collect()),
        "score": of(&|e| f64::from(e.env_score)),
        "success": of(&|e| f64::from(u8::from(e.outcome == Outcome::Success))),
        "tokens": of(&|e| e.trajectory.len() as f64),
    })
}

/// The episodes of a file, one row each.
pub(super) fn episodes(stored: &Stored, as_json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    let row = |n: usize| {
        let episode = &stored.episodes[n];
        let mut row = json!({
            "episode": n,
            "group": stored.place(n).0,
            "environment": episode.env,
            "seed": episode.seed,
            "turns": episode.turns.len(),
            "tokens": episode.trajectory.len(),
            "written": episode.trajectory.sampled_len(),
            "outcome": episode.outcome,
            "score": digits(episode.env_score),
        });
        for sheet in &episode.scores {
            row[&sheet.name] = sheet.score.value().map_or_else(|| json!("none"), digits);
        }
        if !episode.scores.is_empty() {
            row["total"] = json!(episode.total_score().map(digits));
        }
        if stored.advantages.is_some() {
            row["advantage"] = json!(stored.mean_advantage(n));
        }
        row
    };
    let rows: Vec<Value> = (0..stored.episodes.len()).map(row).collect();
    if as_json {
        return Ok(writeln!(out, "{}", serde_json::to_string_pretty(&rows)?)?);
    }
    writeln!(out, "{}: {}. {}", stored.name, count(rows.len(), "episode"), stored.about_advantages)?;
    let keys: Vec<&str> =
        rows.first().and_then(Value::as_object).into_iter().flatten().map(|(k, _)| k.as_str()).collect();
    table(&rows, &keys, out)
}

/// A number with the digits that are stored, instead of those of the nearest `f64`.
fn digits(value: f32) -> Value {
    value.to_string().parse::<f64>().map_or(Value::Null, Value::from)
}

/// `1 turn`, `2 turns`.
pub(super) fn count(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

fn table(rows: &[Value], keys: &[&str], out: &mut dyn Write) -> anyhow::Result<()> {
    let mut lines = vec![keys.iter().map(ToString::to_string).collect::<Vec<_>>()];
    lines.extend(rows.iter().map(|row| keys.iter().map(|key| cell(&row[*key])).collect()));
    Ok(write_columns(&lines, "", out)?)
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "–".into(),
        Value::String(text) => text.clone(),
        // More than that are no column but a list.
        Value::Array(items) if items.len() > 3 => format!("{} of them", items.len()),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(" "),
        Value::Number(n) if n.is_f64() => format!("{:.3}", n.as_f64().unwrap_or_default()),
        other => other.to_string(),
    }
}
