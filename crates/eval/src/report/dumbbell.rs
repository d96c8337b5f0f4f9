//! Where training moved every environment, between the random player and the oracle.

use super::html::escape;
use crate::summary::{EnvSummary, Summary};
use crate::table::number;

const WIDTH: f64 = 1120.0;
const LEFT: f64 = 130.0;
const RIGHT: f64 = 70.0;
const ROW: f64 = 30.0;
const TOP: f64 = 26.0;

/// A figure with one row per environment: a hollow dot before, a full dot after, with standard errors.
/// Empty when no environment has a normalised score.
pub(super) fn figure(summary: &Summary) -> String {
    let rows: Vec<(&str, &EnvSummary, f64, f64)> = summary
        .environments
        .iter()
        .filter_map(|(name, e)| Some((name.as_str(), e, e.before_normalised?, e.after_normalised?)))
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    let low = rows.iter().map(|r| r.2.min(r.3)).fold(0.0, f64::min);
    let high = rows.iter().map(|r| r.2.max(r.3)).fold(1.0, f64::max);
    let x = |v: f64| round(LEFT + (v.clamp(low, high) - low) / (high - low) * (WIDTH - LEFT - RIGHT));
    let height = TOP + ROW * rows.len() as f64 + 6.0;

    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"Normalised scores before and after\">"
    );
    for (at, name) in [(0.0, "random"), (1.0, "oracle")] {
        svg.push_str(&format!(
            "<path class=\"grid\" d=\"M{0} {TOP}V{height}\"/><text class=\"tick middle\" x=\"{0}\" y=\"14\">{name}</text>",
            x(at)
        ));
    }
    for (index, (name, env, before, after)) in rows.iter().enumerate() {
        let y = TOP + ROW * (index as f64 + 0.5);
        // A standard error of the raw score, on the normalised axis.
        let error = env.after_se / (env.oracle - env.random).abs();
        let worse = if after < before { " worse" } else { "" };
        svg.push_str(&format!(
            "<g class=\"dumbbell{worse}\"><title>{0}: {1} before, {2} after</title>\
             <text class=\"name end\" x=\"{3}\" y=\"{y}\" dy=\"4\">{0}</text>\
             <path class=\"error\" d=\"M{4} {y}H{5}\"/><path class=\"move\" d=\"M{6} {y}H{7}\"/>\
             <circle class=\"from\" cx=\"{6}\" cy=\"{y}\" r=\"5\"/><circle class=\"to\" cx=\"{7}\" cy=\"{y}\" r=\"6\"/>\
             <text class=\"tick\" x=\"{8}\" y=\"{y}\" dy=\"4\">{2}</text></g>",
            escape(name),
            number(*before),
            number(*after),
            LEFT - 18.0,
            x(after - error),
            x(after + error),
            x(*before),
            x(*after),
            WIDTH - RIGHT + 18.0,
        ));
    }
    svg.push_str("</svg>");
    format!("<figure class=\"wide\">{svg}</figure>")
}

fn round(v: f64) -> f64 {
    (v * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_lies_between_its_references() {
        let env = EnvSummary {
            oracle: 1.0,
            before_normalised: Some(0.0),
            after_normalised: Some(0.5),
            ..EnvSummary::default()
        };
        let worse = EnvSummary { before_normalised: Some(0.9), ..env.clone() };
        let svg = figure(&Summary::of([("a".into(), env), ("b".into(), worse)].into()));
        // From 130 to 1050: the middle is 590.
        assert!(svg.contains("d=\"M130 41H590\""), "{svg}");
        assert_eq!(svg.matches("dumbbell worse").count(), 1);
    }

    #[test]
    fn nothing_normalised_nothing_drawn() {
        assert_eq!(figure(&Summary::of([("a".into(), EnvSummary::default())].into())), "");
    }
}
