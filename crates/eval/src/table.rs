//! The result of a run as a plain-text table for the terminal.

use crate::summary::{EnvSummary, Summary};

const HEADINGS: [&str; 8] =
    ["environment", "episodes", "random", "before", "after", "oracle", "normalised", "change"];

/// Column 0 holds names; the others hold numbers.
const NAME_COLUMN: usize = 0;

/// One row per environment and a last row with the means, between light lines. Raw scores are mean ±
/// standard error an episode; `normalised` is 0 for the random player and 1 for the oracle.
pub fn table(summary: &Summary) -> String {
    let rows: Vec<Vec<String>> = summary.environments.iter().map(|(name, env)| row(name, env)).collect();
    let mean = vec![
        "mean".to_string(),
        String::new(),
        String::new(),
        String::new(),
        String::new(),
        String::new(),
        arrow(summary.mean_normalised_before, summary.mean_normalised_after),
        change(summary.mean_normalised_before, summary.mean_normalised_after),
    ];
    let heading: Vec<String> = HEADINGS.iter().map(ToString::to_string).collect();
    let widths: Vec<usize> = (0..HEADINGS.len())
        .map(|column| {
            let cells = rows.iter().chain([&heading, &mean]);
            cells.map(|row| row[column].chars().count()).max().unwrap_or(0)
        })
        .collect();

    let rule = |left, middle, right| {
        let bars: Vec<String> = widths.iter().map(|w| "─".repeat(w + 2)).collect();
        format!("{left}{}{right}\n", bars.join(middle))
    };
    let mut out = rule("┌", "┬", "┐");
    out.push_str(&line(&heading, &widths));
    out.push_str(&rule("├", "┼", "┤"));
    for row in &rows {
        out.push_str(&line(row, &widths));
    }
    if !rows.is_empty() {
        out.push_str(&rule("├", "┼", "┤"));
    }
    out.push_str(&line(&mean, &widths));
    out.push_str(&rule("└", "┴", "┘"));
    out
}

fn row(name: &str, env: &EnvSummary) -> Vec<String> {
    vec![
        name.to_string(),
        env.episodes.to_string(),
        number(env.random),
        format!("{} ± {}", number(env.before), number(env.before_se)),
        format!("{} ± {}", number(env.after), number(env.after_se)),
        number(env.oracle),
        arrow(env.before_normalised, env.after_normalised),
        change(env.before_normalised, env.after_normalised),
    ]
}

fn line(cells: &[String], widths: &[usize]) -> String {
    let padded: Vec<String> = cells
        .iter()
        .zip(widths)
        .enumerate()
        .map(|(column, (cell, width))| {
            let blanks = " ".repeat(width.saturating_sub(cell.chars().count()));
            if column == NAME_COLUMN { format!(" {cell}{blanks} ") } else { format!(" {blanks}{cell} ") }
        })
        .collect();
    format!("│{}│\n", padded.join("│"))
}

/// A raw score with about three significant digits; scores range from shares of 1 to thousands.
pub(crate) fn number(value: f64) -> String {
    let digits = match value.abs() {
        v if v >= 1000.0 => 0,
        v if v >= 100.0 => 1,
        v if v >= 10.0 => 2,
        _ => 3,
    };
    // Rounding may leave a sign on a zero.
    let text = format!("{value:.digits$}");
    if text.strip_prefix('-').is_some_and(|rest| rest.chars().all(|c| c == '0' || c == '.')) {
        return text[1..].to_string();
    }
    text
}

fn optional(value: Option<f64>) -> String {
    value.map_or_else(|| "n/a".to_string(), number)
}

fn arrow(before: Option<f64>, after: Option<f64>) -> String {
    format!("{} → {}", optional(before), optional(after))
}

/// The difference with its sign, blank where it is not defined.
pub(crate) fn change(before: Option<f64>, after: Option<f64>) -> String {
    let Some(difference) = before.zip(after).map(|(b, a)| a - b) else { return String::new() };
    let text = number(difference);
    if text.starts_with('-') { text } else { format!("+{text}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(random: f64, before: f64, after: f64, oracle: f64) -> EnvSummary {
        EnvSummary {
            random,
            before,
            after,
            oracle,
            episodes: 64,
            before_se: 0.02,
            after_se: 0.0314,
            before_normalised: eyas_gym::normalised(before, random, oracle),
            after_normalised: eyas_gym::normalised(after, random, oracle),
            ..EnvSummary::default()
        }
    }

    #[test]
    fn snapshot() {
        let environments = [
            ("2048".to_string(), env(200.0, 180.0, 1200.0, 2200.0)),
            ("sokoban".to_string(), env(0.0, 0.125, 0.5, 1.0)),
            ("spiel-é".to_string(), env(1.0, 1.0, 1.0, 1.0)),
        ];
        let expected = "\
┌─────────────┬──────────┬────────┬───────────────┬───────────────┬────────┬────────────────┬────────┐
│ environment │ episodes │ random │        before │         after │ oracle │     normalised │ change │
├─────────────┼──────────┼────────┼───────────────┼───────────────┼────────┼────────────────┼────────┤
│ 2048        │       64 │  200.0 │ 180.0 ± 0.020 │  1200 ± 0.031 │   2200 │ -0.010 → 0.500 │ +0.510 │
│ sokoban     │       64 │  0.000 │ 0.125 ± 0.020 │ 0.500 ± 0.031 │  1.000 │  0.125 → 0.500 │ +0.375 │
│ spiel-é     │       64 │  1.000 │ 1.000 ± 0.020 │ 1.000 ± 0.031 │  1.000 │      n/a → n/a │        │
├─────────────┼──────────┼────────┼───────────────┼───────────────┼────────┼────────────────┼────────┤
│ mean        │          │        │               │               │        │  0.058 → 0.500 │ +0.443 │
└─────────────┴──────────┴────────┴───────────────┴───────────────┴────────┴────────────────┴────────┘
";
        assert_eq!(table(&Summary::of(environments.into())), expected);
    }

    #[test]
    fn an_empty_summary_still_has_its_mean_row() {
        let text = table(&Summary::of([].into()));
        assert_eq!(text.lines().count(), 5);
        assert!(text.contains("n/a → n/a"), "{text}");
    }

    #[test]
    fn numbers_keep_about_three_digits() {
        assert_eq!(
            [number(0.1234), number(12.345), number(123.45), number(-4321.0)],
            ["0.123", "12.35", "123.5", "-4321"].map(String::from)
        );
        assert_eq!(number(-0.0001), "0.000");
        assert_eq!(change(Some(0.5), Some(0.25)), "-0.250");
        assert_eq!(change(None, Some(0.25)), "");
    }
}
