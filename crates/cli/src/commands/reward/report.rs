//! How scores are shown: a table over all rows, one JSON object a row, or every term explained.

use std::io::Write;

use eyas_core::Score;
use eyas_reward::compose::{Evaluation, TermValue};
use eyas_reward::{Response, RewardSpec};
use serde_json::{Map, Value, json};

use super::super::columns::write_columns;
use super::columns::Row;

/// The scores of one row.
pub(super) struct Scored {
    /// One for each reward, before weights.
    pub(super) scores: Vec<Score>,
    /// What the tree gives, else their weighted sum; `None` when one of them is invalid.
    pub(super) total: Option<f64>,
    /// The terms of the tree, parents before their parts.
    terms: Vec<TermValue>,
}

impl Scored {
    pub(super) fn new(specs: &[RewardSpec], scores: Vec<Score>, tree: Option<Evaluation>) -> Self {
        if let Some(Evaluation { total, terms }) = tree {
            return Self { scores, total: total.value().map(f64::from), terms };
        }
        let weighted =
            |(spec, score): (&RewardSpec, &Score)| Some(f64::from(spec.weight()) * f64::from(score.value()?));
        let total = specs.iter().zip(&scores).map(weighted).sum();
        Self { scores, total, terms: Vec::new() }
    }
}

/// Mean, spread and bounds of every reward.
pub(super) fn table(specs: &[RewardSpec], scored: &[Scored], out: &mut dyn Write) -> anyhow::Result<()> {
    let head = ["reward", "weight", "scored", "invalid", "mean", "sd", "least", "most"];
    let mut rows = vec![head.map(String::from)];
    for (index, spec) in specs.iter().enumerate() {
        let values: Vec<f64> =
            scored.iter().filter_map(|s| s.scores.get(index)?.value()).map(f64::from).collect();
        rows.push(row(spec.name(), &spec.weight().to_string(), &values, scored.len()));
    }
    let totals: Vec<f64> = scored.iter().filter_map(|s| s.total).collect();
    rows.push(row("total", "", &totals, scored.len()));
    write_columns(&rows, "", out)?;
    // Why there is no score, each reason once, the most frequent first.
    let mut reasons = std::collections::BTreeMap::<String, usize>::new();
    for (spec, score) in scored.iter().flat_map(|s| specs.iter().zip(&s.scores)) {
        if let Score::Invalid(reason) = score {
            *reasons.entry(format!("{}: {reason}", spec.name())).or_default() += 1;
        }
    }
    let mut reasons: Vec<_> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    for (reason, count) in reasons.iter().take(10) {
        writeln!(out, "{count} × {reason}")?;
    }
    Ok(())
}

fn row(name: &str, weight: &str, values: &[f64], all: usize) -> [String; 8] {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let sd = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0)).sqrt();
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let number = |v: f64| if v.is_finite() { format!("{v:.4}") } else { "–".into() };
    let (scored, invalid) = (values.len().to_string(), (all - values.len()).to_string());
    let [mean, sd, least, most] = [mean, sd, least, most].map(number);
    [name.into(), weight.into(), scored, invalid, mean, sd, least, most]
}

/// One object a row: its line, its id, every score, the total.
pub(super) fn json_lines(
    specs: &[RewardSpec],
    rows: &[Row],
    scored: &[Scored],
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    for (row, scored) in rows.iter().zip(scored) {
        let mut scores = Map::new();
        for (spec, score) in specs.iter().zip(&scored.scores) {
            let value = match score {
                Score::Ok(value) => json!(value),
                Score::Invalid(reason) => json!({ "invalid": reason, "message": reason.to_string() }),
            };
            // A reward may stand in the spec twice, with other parameters.
            let twice = scores.contains_key(spec.name());
            let name = if twice { format!("{}#{}", spec.name(), scores.len()) } else { spec.name().into() };
            scores.insert(name, value);
        }
        let mut line: Value =
            json!({"line": row.line, "id": row.id, "scores": scores, "total": scored.total});
        if !scored.terms.is_empty() {
            line["terms"] = json!(scored.terms);
        }
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// Most characters of a block that are shown.
const SHOWN: usize = 100;

/// The parse of every response and what each reward said.
pub(super) fn explain(
    specs: &[RewardSpec],
    rows: &[Row],
    scored: &[Scored],
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    for (row, scored) in rows.iter().zip(scored) {
        let name = row.id.as_deref().map(|id| format!(" ({id})")).unwrap_or_default();
        writeln!(out, "line {}{name}", row.line)?;
        let response = Response::parse(&row.response);
        for block in response.blocks() {
            let mut marks = String::new();
            if !block.closed {
                marks += " not closed";
            }
            if block.nested {
                marks += " holds tags";
            }
            let (tag, start, end) = (block.tag, block.outer.start, block.outer.end);
            writeln!(out, "  <{tag}> {start}..{end}{marks}: {}", short(block.text))?;
        }
        for range in response.stray() {
            writeln!(
                out,
                "  outside {}..{}: {}",
                range.start,
                range.end,
                short(&row.response[range.clone()])
            )?;
        }
        writeln!(out, "  gold: {}", short(&row.gold.to_string()))?;
        let mut terms = Vec::new();
        for (spec, score) in specs.iter().zip(&scored.scores) {
            let params: Vec<String> = spec.params().iter().map(|(k, v)| format!("{k} = {v}")).collect();
            let said = match score {
                Score::Ok(value) => format!("{} × {value}", spec.weight()),
                Score::Invalid(reason) => format!("invalid: {reason}"),
            };
            terms.push([spec.name().to_string(), said, params.join(", ")]);
        }
        for term in &scored.terms {
            let said = match &term.value {
                Score::Ok(value) => value.to_string(),
                Score::Invalid(reason) => format!("invalid: {reason}"),
            };
            let weight = term.weight.map(|w| format!("{w} × ")).unwrap_or_default();
            terms.push([term.name.clone(), weight + &said, term.path.clone()]);
        }
        terms.push(["total".into(), scored.total.map_or("none".into(), |t| t.to_string()), String::new()]);
        write_columns(&terms, "  ", out)?;
        writeln!(out)?;
    }
    Ok(())
}

fn short(text: &str) -> String {
    let line: String =
        text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHOWN).collect();
    if text.trim().chars().count() > SHOWN { line + "…" } else { line }
}
