//! The page around charts and episodes.

use super::html::escape;
use super::{ReportError, ReportInput, dumbbell, episodes, panels};
use crate::summary::{EnvSummary, Summary};
use crate::table::{change, number};

pub(crate) const STYLE: &str = include_str!("page.css");
pub(super) const SCRIPT: &str = include_str!("page.js");

/// Nothing may be loaded and no script may run but the one that carries this word, so that even text
/// that slipped through unescaped could not do anything.
const SCRIPT_NONCE: &str = "report";

pub(super) fn render(run: &ReportInput) -> Result<String, ReportError> {
    let title = escape(&run.title);
    let charts = panels::charts(&run.metrics);
    let charts = if charts.is_empty() {
        charts
    } else {
        format!("<section id=\"curves\"><h2>Curves</h2><div class=\"grid-2\">{charts}</div></section>")
    };
    let recipe = if run.recipe_toml.trim().is_empty() {
        String::new()
    } else {
        format!(
            "<section id=\"recipe\"><h2>Recipe</h2><details><summary>the resolved recipe</summary>\
             <pre class=\"recipe\">{}</pre></details></section>",
            escape(run.recipe_toml.trim())
        )
    };
    let body = format!(
        "<header><h1>{title}</h1>{facts}</header>\n\
         <main>\n{results}\n{charts}\n{episodes}\n{recipe}\n</main>",
        facts = facts(&run.summary),
        results = results(&run.summary),
        episodes = episodes::gallery(&run.before, &run.after)?,
    );
    Ok(document(&title, STYLE, &body, SCRIPT))
}

/// A page with a script of its own that loads nothing. `title` and `body` are HTML already.
pub(super) fn document(title: &str, style: &str, body: &str, script: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; \
         style-src 'unsafe-inline'; script-src 'nonce-{SCRIPT_NONCE}'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}</title>\n<style>\n{style}</style></head>\n<body>\n{body}\n\
         <script nonce=\"{SCRIPT_NONCE}\">\n{script}</script>\n</body></html>\n"
    )
}

/// The run in a row of small tiles.
fn facts(s: &Summary) -> String {
    let hash: String = s.weights_hash.chars().take(12).collect();
    let memory = s.peak_memory_bytes.map(bytes).unwrap_or_default();
    let seed = s.seed.value().to_string();
    let tiles = [
        ("recipe", s.recipe.as_str(), ""),
        ("seed", &seed, ""),
        ("weights", &hash, s.weights_hash.as_str()),
        ("time", &duration(s.seconds), ""),
        ("steps", &s.steps.to_string(), ""),
        ("tokens sampled", &count(s.tokens_sampled), ""),
        ("tokens trained", &count(s.tokens_trained), ""),
        ("peak memory", &memory, ""),
        ("version", &s.version, ""),
    ];
    let tile = |(name, text, full): &(&str, &str, &str)| {
        let hint = if full.is_empty() { String::new() } else { format!(" title=\"{}\"", escape(full)) };
        format!("<div{hint}><dt>{name}</dt><dd>{}</dd></div>", escape(text))
    };
    let shown: String = tiles.iter().filter(|t| !t.1.is_empty()).map(tile).collect();
    format!("<dl class=\"facts\">{shown}</dl>")
}

fn results(s: &Summary) -> String {
    if s.environments.is_empty() {
        return String::new();
    }
    let headline = match (s.mean_normalised_before, s.mean_normalised_after) {
        (Some(before), Some(after)) => format!(
            "<p class=\"headline\"><span>mean normalised score</span> <b>{}</b> <i>→</i> <b class=\"after\">{}</b>\
             <small>{}; 0 plays at random, 1 plays like the oracle</small></p>",
            number(before),
            number(after),
            change(Some(before), Some(after))
        ),
        _ => String::new(),
    };
    let rows: String = s.environments.iter().map(|(name, e)| row(name, e)).collect();
    let head: String = [
        "episodes",
        "random",
        "before",
        "after",
        "oracle",
        "normalised",
        "change",
        "success",
        "cells seen",
        "well-formed",
    ]
    .iter()
    .map(|h| format!("<th>{h}</th>"))
    .collect();
    format!(
        "<section id=\"results\"><h2>Held-out results</h2>{headline}{figure}\
         <div class=\"scroll\"><table><thead><tr><th>environment</th>{head}</tr></thead><tbody>{rows}</tbody>\
         <tfoot><tr><th>mean</th><td colspan=\"5\"></td><td>{mean}</td><td>{change}</td><td colspan=\"3\"></td></tr>\
         </tfoot></table></div><p class=\"note\">Raw scores are means an episode ± standard error, on the same \
         seeds for every player.</p></section>",
        figure = dumbbell::figure(s),
        mean = pair(s.mean_normalised_before, s.mean_normalised_after, number),
        change = change(s.mean_normalised_before, s.mean_normalised_after),
    )
}

fn row(name: &str, e: &EnvSummary) -> String {
    let with_error = |mean: f64, se: f64| format!("{} <small>± {}</small>", number(mean), number(se));
    let cells = [
        e.episodes.to_string(),
        number(e.random),
        with_error(e.before, e.before_se),
        with_error(e.after, e.after_se),
        number(e.oracle),
        pair(e.before_normalised, e.after_normalised, number),
        change(e.before_normalised, e.after_normalised),
        pair(Some(e.success_before), Some(e.success_after), percent),
        pair(e.perception_before, e.perception_after, percent),
        pair(e.format_before, e.format_after, percent),
    ];
    let cells: String = cells.iter().map(|c| format!("<td>{c}</td>")).collect();
    format!("<tr><th>{}</th>{cells}</tr>", escape(name))
}

fn pair(before: Option<f64>, after: Option<f64>, show: fn(f64) -> String) -> String {
    if before.is_none() && after.is_none() {
        return "–".into();
    }
    let one = |v: Option<f64>| v.map_or_else(|| "–".to_string(), show);
    format!("{} → <b>{}</b>", one(before), one(after))
}

fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}

pub(crate) fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, _) => format!("{seconds:.1} s"),
        (0, minutes, rest) => format!("{minutes} min {rest} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

pub(crate) fn count(n: u64) -> String {
    match n {
        0..10_000 => n.to_string(),
        10_000..1_000_000 => format!("{:.1} k", n as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.2} M", n as f64 / 1e6),
        _ => format!("{:.2} G", n as f64 / 1e9),
    }
}

fn bytes(n: u64) -> String {
    const MIB: f64 = 1_048_576.0;
    let mib = n as f64 / MIB;
    if mib < 1024.0 { format!("{mib:.0} MiB") } else { format!("{:.1} GiB", mib / 1024.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_readable() {
        assert_eq!(
            [duration(3.12), duration(61.0), duration(7380.0)],
            ["3.1 s", "1 min 1 s", "2 h 3 min"].map(String::from)
        );
        assert_eq!(
            [count(9_999), count(12_345), count(1_234_567)],
            ["9999", "12.3 k", "1.23 M"].map(String::from)
        );
        assert_eq!([bytes(512 << 20), bytes(3 << 29)], ["512 MiB", "1.5 GiB"].map(String::from));
        assert_eq!(pair(None, Some(0.5), percent), "– → <b>50 %</b>");
    }
}
