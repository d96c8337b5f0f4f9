//! Rewards for planning a drive: meta-actions for speed and path, and the planner's score.

use std::collections::BTreeSet;

use eyas_core::Score;
use serde_json::Value;

use crate::boxes::lenient::{Kind, Node, read};
use crate::boxes::{f_beta, settle};
use crate::{Params, Sample, bad_gold, missing};

/// More meta-actions than this in an answer are not compared; they count as wrong.
const MAX_ACTIONS: usize = 100;
/// Longer words are cut.
const MAX_WORD: usize = 60;

const SPEED: [&str; 4] = ["keep", "accelerate", "decelerate", "stop"];
const PATH: [&str; 5] = ["straight", "left_turn", "right_turn", "left_change", "right_change"];

/// Meta-actions for one axis.
type Actions = BTreeSet<String>;

/// What an answer plans.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Meta-actions for speed.
    pub speed: BTreeSet<String>,
    /// Meta-actions for the path.
    pub path: BTreeSet<String>,
    /// Words that are repeated or belong to neither; they count as wrong for both.
    pub stray: usize,
}

fn word(text: &str) -> String {
    let short: String = text.trim().chars().take(MAX_WORD).collect();
    let joined = |c: char| if c == '-' || c.is_whitespace() { '_' } else { c };
    let name: String = short.to_lowercase().chars().map(joined).collect();
    match name.as_str() {
        "keep_speed" | "maintain" | "maintain_speed" | "constant" => "keep".into(),
        "acc" | "speed_up" => "accelerate".into(),
        "dec" | "slow_down" | "brake" => "decelerate".into(),
        "go_straight" | "forward" => "straight".into(),
        "turn_left" | "left" => "left_turn".into(),
        "turn_right" | "right" => "right_turn".into(),
        "change_left" | "left_lane_change" | "change_lane_left" => "left_change".into(),
        "change_right" | "right_lane_change" | "change_lane_right" => "right_change".into(),
        _ => name,
    }
}

/// Reads `{"speed": …, "path": …}`, or words between commas and line ends.
pub fn plan(text: &str) -> Plan {
    let mut plan = Plan::default();
    let forest = read(text);
    let object = forest.roots().rfind(|n| n.kind == Kind::Object && n.complete);
    let mut words: Vec<&str> = Vec::new();
    match object {
        Some(object) => {
            for value in ["speed", "path"].iter().filter_map(|k| forest.get(object, &[k])) {
                words.extend(value.text());
                words.extend(forest.children(value).filter_map(Node::text));
            }
        }
        None => {
            let split = |c: char| {
                matches!(c, ',' | ';' | '\n' | '[' | ']' | '{' | '}' | '(' | ')' | '"' | '\'' | '.')
            };
            words.extend(text.split(split).filter(|w| !w.trim().is_empty()));
        }
    }
    plan.stray = words.len().saturating_sub(MAX_ACTIONS);
    for word in words.into_iter().take(MAX_ACTIONS).map(word) {
        let set = if SPEED.contains(&word.as_str()) {
            Some(&mut plan.speed)
        } else if PATH.contains(&word.as_str()) {
            Some(&mut plan.path)
        } else {
            None
        };
        let fresh = set.is_some_and(|set| set.insert(word));
        plan.stray += usize::from(!fresh);
    }
    plan
}

/// The ground truth of one axis, with the weight of what is at stake.
struct Axis {
    actions: Actions,
    weight: f64,
}

fn axis(gold: &Value, key: &str, known: &[&str]) -> Result<Axis, Score> {
    let wrong = || bad_gold(format!("the ground truth has no known meta-action under {key:?}"));
    let words: Vec<String> = match gold.get(key) {
        Some(Value::String(text)) => vec![word(text)],
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).map(word).collect(),
        _ => return Err(wrong()),
    };
    if words.is_empty() || !words.iter().all(|w| known.contains(&w.as_str())) {
        return Err(wrong());
    }
    // The gravest of several actions counts.
    let weights = gold.get("weights");
    let mut weight: f64 = 0.0;
    for name in &words {
        let given = weights.and_then(|w| w.get(name));
        weight = weight.max(match given {
            None => 1.0,
            Some(v) => v
                .as_f64()
                .filter(|v| (0.0..=1.0).contains(v))
                .ok_or_else(|| bad_gold("a weight is not a number from 0 to 1"))?,
        });
    }
    Ok(Axis { actions: words.into_iter().collect(), weight })
}

fn f1(said: &Actions, stray: usize, gold: &Actions) -> f64 {
    f_beta(said.intersection(gold).count() as f64, said.len() + stray, gold.len(), 1.0)
}

/// Speed and path: F1, weighted.
fn quality(sample: &Sample<'_>, plan: &Plan) -> Result<[f64; 2], Score> {
    let speed = axis(sample.gold, "speed", &SPEED)?;
    let path = axis(sample.gold, "path", &PATH)?;
    Ok([
        f1(&plan.speed, plan.stray, &speed.actions) * speed.weight,
        f1(&plan.path, plan.stray, &path.actions) * path.weight,
    ])
}

pub(super) fn meta_action(sample: &Sample<'_>, params: &Params) -> Score {
    let plan = plan(sample.answer().unwrap_or(""));
    settle(quality(sample, &plan).map(|[speed, path]| match params.text("axis") {
        "speed" => speed,
        "path" => path,
        _ => (speed + path) / 2.0,
    }))
}

/// The weight of a meta-action in the code of AlphaDrive.
fn code_weight(word: &str) -> f64 {
    match word {
        "accelerate" => 0.9,
        "keep" | "straight" => 0.8,
        _ => 1.0,
    }
}

/// One axis in the code's form: F1 times the mean weight of what is planned, plus `most` when no other plan has any
/// of its actions, else less `most`.
fn code_axis(said: &Actions, stray: usize, gold: &Actions, others: &[&Actions], most: f64) -> f64 {
    let planned = said.len() + stray;
    let weight = said.iter().map(|w| code_weight(w)).sum::<f64>() / planned.max(1) as f64;
    let own = !said.is_empty() && others.iter().all(|other| other.is_disjoint(said));
    f1(said, stray, gold) * weight + if own { most } else { -most }
}

/// The mean of both axes in the code's form; `most` below 0 where the format is not kept, so that keeping it never
/// costs.
fn by_code(sample: &Sample<'_>, plans: &[Plan], own: usize, most: f64) -> Result<f64, Score> {
    let (speed, path) = (axis(sample.gold, "speed", &SPEED)?, axis(sample.gold, "path", &PATH)?);
    let Some(plan) = plans.get(own).filter(|_| sample.response.well_formed(&["think", "answer"])) else {
        return Ok(-most);
    };
    let others = || plans.iter().enumerate().filter(|(i, _)| *i != own).map(|(_, p)| p);
    let speeds: Vec<&Actions> = others().map(|p| &p.speed).collect();
    let paths: Vec<&Actions> = others().map(|p| &p.path).collect();
    let speed = code_axis(&plan.speed, plan.stray, &speed.actions, &speeds, most);
    let path = code_axis(&plan.path, plan.stray, &path.actions, &paths, most);
    Ok((speed + path) / 2.0)
}

/// `1 - most × (share of the other plans that are the same)`.
pub fn diversity(same: usize, others: usize, most: f64) -> f64 {
    if others == 0 { 1.0 } else { 1.0 - most * (same as f64 / others as f64) }
}

/// A score for each response of a group.
pub(super) fn alphadrive(samples: &[Sample<'_>], params: &Params) -> Vec<Score> {
    let plans: Vec<Plan> = samples.iter().map(|s| plan(s.answer().unwrap_or(""))).collect();
    let one = |(i, sample): (usize, &Sample<'_>)| {
        if params.text("form") == "code" {
            return by_code(sample, &plans, i, params.number("most"));
        }
        let Some(own) = plans.get(i) else { return Err(missing("plan")) };
        let [speed, path] = quality(sample, own)?;
        if !sample.response.well_formed(&["think", "answer"]) {
            return Ok(0.0);
        }
        let same = plans.iter().filter(|p| *p == own).count().saturating_sub(1);
        let others = plans.len().saturating_sub(1);
        Ok((speed + path) / 2.0 * diversity(same, others, params.number("most")))
    };
    samples.iter().enumerate().map(|s| settle(one(s))).collect()
}

/// The planner's score: no collision × inside the drivable area × (5 progress + 5 time to collision + 2
/// comfort) / 12.
pub fn pdm(no_collision: f64, drivable: f64, progress: f64, time_to_collision: f64, comfort: f64) -> f64 {
    no_collision * drivable * (5.0 * progress + 5.0 * time_to_collision + 2.0 * comfort) / 12.0
}

pub(super) fn pdm_score(sample: &Sample<'_>) -> Score {
    let term = |name: &str| {
        let value = sample.number(name)?;
        if (0.0..=1.0).contains(&value) { Ok(value) } else { Err(missing(name)) }
    };
    let value = || {
        let (collision, drivable) = (term("no_collision")?, term("drivable")?);
        Ok(pdm(collision, drivable, term("progress")?, term("time_to_collision")?, term("comfort")?))
    };
    settle(value())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(words: &[&str]) -> Actions {
        words.iter().map(|w| w.to_string()).collect()
    }

    #[test]
    fn plans_are_read() {
        for text in [
            "ACCELERATE, LEFT_TURN",
            "{'speed': 'accelerate', 'path': ['turn left']}",
            "accelerate\nleft-turn.",
        ] {
            let plan = plan(text);
            assert_eq!(
                (plan.speed, plan.path, plan.stray),
                (set(&["accelerate"]), set(&["left_turn"]), 0),
                "{text}"
            );
        }
        let plan = plan("keep, keep, fly");
        assert_eq!((plan.speed, plan.stray), (set(&["keep"]), 2));
    }

    #[test]
    fn terms_by_hand() {
        assert_eq!(f1(&set(&SPEED), 0, &set(&["stop"])), 0.4);
        let (stop, keep) = (set(&["stop"]), set(&["keep"]));
        assert!((code_axis(&keep, 0, &keep, &[&stop], 0.4) - 1.2).abs() < 1e-12);
        assert!((code_axis(&keep, 0, &stop, &[&keep], 0.4) + 0.4).abs() < 1e-12);
        assert_eq!((diversity(3, 3, 0.2), diversity(0, 3, 0.2), diversity(0, 0, 0.2)), (0.8, 1.0, 1.0));
        assert_eq!((pdm(1.0, 1.0, 1.0, 1.0, 1.0), pdm(0.0, 1.0, 1.0, 1.0, 1.0)), (1.0, 0.0));
        assert!((pdm(1.0, 1.0, 0.6, 1.0, 0.5) - 0.75).abs() < 1e-12);
    }
}
