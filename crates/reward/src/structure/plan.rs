//! Plans: who does what to which, step by step.

use std::collections::BTreeSet;

use eyas_core::Score;
use serde_json::Value;

use super::sequence::ordered_f1;
use super::{calls, read};
use crate::{ParamInfo, Params, RewardInfo, Sample, Scorer, bad_gold};

/// Most steps of a plan, and most actions in one; a longer plan is unparsable.
pub const MAX_STEPS: usize = 512;

/// The reward as recipes name it.
pub(crate) const INFO: RewardInfo = RewardInfo {
    name: "plan",
    family: "structure",
    doc: "a plan against the right one: VIKI's blend, exact, common beginning, or F1 of the steps in order",
    source: "VIKI-R, robots read from the plan; every share is over the longer plan, so that steps beyond the right ones cost",
    gold: "list of steps: {robot, action, target}, [robot, action, target] or {actions: {robot: [action, target]}}; the answer likewise, or calls: pick(3,4); place(5,6)",
    range: Some((0.0, 1.0)),
    params: &[ParamInfo::choice(
        "form",
        &["viki", "exact", "prefix", "f1"],
        "0.1 robots + 0.9 blend; all or nothing; share of steps before the first mistake; F1 in order",
    )],
    score: Scorer::Sample(score),
};

/// One robot's part of a step.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Action {
    /// Who; empty when only one robot is there.
    pub robot: String,
    /// Does what.
    pub action: String,
    /// To what; empty for an action without a target.
    pub target: String,
}

/// What happens at one time, sorted: the order in which the robots of a step are named says nothing.
pub type Step = Vec<Action>;

/// The plan of a JSON list.
pub fn parse(value: &Value) -> Option<Vec<Step>> {
    let steps = value.as_array()?;
    if steps.len() > MAX_STEPS {
        return None;
    }
    steps.iter().map(step).collect()
}

fn step(value: &Value) -> Option<Step> {
    if let Some(robots) = value.get("actions").and_then(Value::as_object) {
        let of = |(robot, act): (&String, &Value)| {
            let words = act.as_array().map(|a| a.iter().map(read::scalar).collect::<Option<Vec<_>>>());
            let words = words.unwrap_or_else(|| read::scalar(act).map(|a| vec![a]))?;
            action(read::name(robot), words)
        };
        let mut step = robots.iter().take(MAX_STEPS).map(of).collect::<Option<Step>>()?;
        step.sort();
        return (!step.is_empty()).then_some(step);
    }
    if let Some(words) = value.as_array() {
        let mut words = words.iter().map(read::scalar).collect::<Option<Vec<_>>>()?;
        if words.len() < 2 {
            return None;
        }
        let robot = words.remove(0);
        return Some(vec![action(robot, words)?]);
    }
    let field = |key: &str| value.get(key).filter(|v| !v.is_null()).map_or(Some(String::new()), read::scalar);
    let (robot, act, target) = (field("robot")?, field("action")?, field("target")?);
    Some(vec![action(robot, vec![act, target])?])
}

/// The plan of calls such as `pick(97,124); place(66,63)`, of one robot without a name.
fn called(text: &str) -> Option<Vec<Step>> {
    let calls = calls::parse(text).filter(|calls| !calls.is_empty())?;
    let step = |call: calls::Call| {
        let words = std::iter::once(call.name).chain(call.args).collect();
        Some(vec![action(String::new(), words)?])
    };
    calls.into_iter().map(step).collect()
}

fn action(robot: String, words: Vec<String>) -> Option<Action> {
    let mut words = words.into_iter();
    let action = words.next().filter(|a| !a.is_empty())?;
    // A second target (put A on B) is part of the target.
    let target = words.collect::<Vec<_>>().join(" ");
    Some(Action { robot, action, target: target.trim().to_string() })
}

/// The share of `gold`'s steps before the first mistake, over the longer plan; 1 for two empty plans.
pub fn prefix(said: &[Step], gold: &[Step]) -> f64 {
    let common = said.iter().zip(gold).take_while(|(s, g)| s == g).count();
    over_longer(common, said.len(), gold.len())
}

/// 1 for the right plan. Else a tenth for the right set of robots, and nine tenths of 0.4 × steps right
/// at their place + 0.3 × [`prefix`] + 0.2 × steps in which a robot does the right kind of action, whatever to +
/// 0.1 × shorter over longer.
pub fn viki(said: &[Step], gold: &[Step]) -> f64 {
    if said == gold {
        return 1.0;
    }
    let robots =
        |plan: &[Step]| -> BTreeSet<String> { plan.iter().flatten().map(|a| a.robot.clone()).collect() };
    let at_place = said.iter().zip(gold).filter(|(s, g)| s == g).count();
    let same_kind = |(s, g): &(&Step, &Step)| {
        s.iter().any(|a| g.iter().any(|b| a.robot == b.robot && a.action == b.action))
    };
    let kinds = said.iter().zip(gold).filter(same_kind).count();
    let (n, m) = (said.len(), gold.len());
    let blend = 0.4 * over_longer(at_place, n, m)
        + 0.3 * prefix(said, gold)
        + 0.2 * over_longer(kinds, n, m)
        + 0.1 * over_longer(n.min(m), n, m);
    0.1 * f64::from(robots(said) == robots(gold)) + 0.9 * blend
}

fn over_longer(part: usize, a: usize, b: usize) -> f64 {
    match a.max(b) {
        0 => 1.0,
        longer => part as f64 / longer as f64,
    }
}

fn score(sample: &Sample<'_>, params: &Params) -> Score {
    let Some(gold) = parse(sample.gold).filter(|g| !g.is_empty()) else {
        return bad_gold("the ground truth is no list of steps");
    };
    let plan = |text: &str| read::json(text).and_then(|v| parse(&v)).or_else(|| called(text));
    let Some(said) = sample.answer().and_then(plan) else {
        return Score::Ok(0.0);
    };
    let value = match params.text("form") {
        // An empty list names nothing, so that nothing of it can be right.
        _ if said.is_empty() => 0.0,
        "exact" => f64::from(said == gold),
        "prefix" => prefix(&said, &gold),
        "f1" => ordered_f1(&said, &gold),
        _ => viki(&said, &gold),
    };
    Score::from_value(value as f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn plan(steps: &str) -> Vec<Step> {
        let steps: Vec<_> =
            steps.split(';').filter(|s| !s.is_empty()).map(|s| s.split(' ').collect()).collect();
        let json: Vec<Vec<&str>> = steps;
        parse(&json!(json)).unwrap()
    }

    #[test]
    fn the_three_ways_of_writing_agree() {
        let a = parse(&json!([{"robot": "R1", "action": "Move", "target": "apple"}])).unwrap();
        let b = parse(&json!([["r1", "move", "Apple"]])).unwrap();
        let c = parse(&json!([{"step": 1, "actions": {"R1": ["Move", "apple"]}}])).unwrap();
        assert!(a == b && b == c);
        let swapped = parse(&json!([{"actions": {"R2": ["wait"], "R1": ["move", "x"]}}])).unwrap();
        assert_eq!(parse(&json!([{"actions": {"R1": ["move", "x"], "R2": "wait"}}])).unwrap(), swapped);
        for bad in [json!({}), json!([1]), json!([["r1"]]), json!([{"robot": "r1"}]), json!([{"action": {}}])]
        {
            assert_eq!(parse(&bad), None, "{bad}");
        }
    }

    #[test]
    fn hand_computed() {
        let gold = plan("r1 move a;r1 grasp a;r1 move b;r1 place b");
        let said = plan("r1 move a;r1 grasp a");
        assert_eq!(prefix(&said, &gold), 0.5);
        assert!((ordered_f1(&said, &gold) - 2.0 / 3.0).abs() < 1e-12);
        // 0.1 + 0.9 (0.4/2 + 0.3/2 + 0.2/2 + 0.1/2)
        assert!((viki(&said, &gold) - 0.55).abs() < 1e-12);
        let longer = plan("r1 move a;r1 grasp a;r1 move b;r1 place b;r1 wait b");
        assert!(viki(&longer, &gold) < 1.0 && prefix(&longer, &gold) == 0.8);
        // The right kinds at their places: 0.1 + 0.9 (0.2 + 0.1); in another order, a quarter of the kinds.
        assert!((viki(&plan("r1 move x;r1 grasp x;r1 move x;r1 place x"), &gold) - 0.37).abs() < 1e-12);
        assert!((viki(&plan("r1 place x;r1 move x;r1 move x;r1 grasp x"), &gold) - 0.235).abs() < 1e-12);
        assert!(viki(&plan("r2 sing x"), &gold) <= 0.9 * 0.1 * 0.25 + 1e-12);
    }
}
