//! Lists of functions `func(object, value)`, each worth what it gets right.

use std::collections::BTreeSet;

use eyas_core::Score;

use super::calls::{self, Call};
use crate::matching::assign;
use crate::{ParamInfo, Params, RewardInfo, Sample, Scorer, bad_gold};

/// Most functions that are matched on either side; a prediction with more is unparsable.
const MAX: usize = 128;

/// The reward as recipes name it.
pub(crate) const INFO: RewardInfo = RewardInfo {
    name: "functions",
    family: "structure",
    doc: "func(object, value) lists: 1, 1/2 or 1/4 a function, over the longer list, times the share of distinct ones",
    source: "Reason-RFT, arXiv 2503.20752; matched for the best sum, and an empty list is 0 instead of a crash",
    gold: "list of texts like change_size(cube, small), or one text of several",
    range: Some((0.0, 1.0)),
    params: &[
        ParamInfo::number("half", 0.0, 1.0, 0.5, "worth of the function with its object or its value"),
        ParamInfo::number("name", 0.0, 1.0, 0.25, "worth of the function alone"),
    ],
    score: Scorer::Sample(score),
};

/// What `said` is worth for `gold`: 1 for the same call, `half` for the function with one of two
/// arguments right, `name` for the function alone, else 0.
pub fn similarity(said: &Call, gold: &Call, half: f64, name: f64) -> f64 {
    let arguments = |call: &Call| (call.args.first().cloned(), call.args.get(1).cloned());
    let ((object, value), (gold_object, gold_value)) = (arguments(said), arguments(gold));
    match said.name == gold.name {
        true if said.args == gold.args => 1.0,
        true if (object.is_some() && object == gold_object) || (value.is_some() && value == gold_value) => {
            half
        }
        true => name,
        false => 0.0,
    }
}

/// The best sum of a one-to-one matching over the length of the longer list, times the share of distinct
/// calls in `said`. 1 for two empty lists; 0 for one.
pub fn accuracy(said: &[Call], gold: &[Call], half: f64, name: f64) -> f64 {
    let longer = said.len().max(gold.len());
    if said.is_empty() || gold.is_empty() {
        return f64::from(longer == 0);
    }
    let gain = |i: usize, j: usize| match (said.get(i), gold.get(j)) {
        (Some(s), Some(g)) => similarity(s, g, half, name),
        _ => 0.0,
    };
    let pairs = assign(said.len(), gold.len(), gain);
    let sum: f64 = pairs.iter().enumerate().filter_map(|(i, j)| j.map(|j| gain(i, j))).sum();
    let distinct = said.iter().map(|c| (&c.name, &c.args)).collect::<BTreeSet<_>>().len();
    sum / longer as f64 * (distinct as f64 / said.len() as f64)
}

fn score(sample: &Sample<'_>, params: &Params) -> Score {
    let few = |calls: &Vec<Call>| calls.len() <= MAX && calls.iter().all(|c| !c.name.is_empty());
    let Some(gold) = calls::from_json(sample.gold, &[]).filter(few) else {
        return bad_gold("the ground truth is no list of functions");
    };
    let said = sample.answer().filter(|a| !a.is_empty());
    let value = match said.and_then(|a| calls::from_answer(a, &[])).filter(few) {
        Some(said) => accuracy(&said, &gold, params.number("half"), params.number("name")),
        None => 0.0,
    };
    Score::from_value(value as f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value(said: &str, gold: &str) -> f64 {
        accuracy(&calls::parse(said).unwrap(), &calls::parse(gold).unwrap(), 0.5, 0.25)
    }

    #[test]
    fn hand_computed() {
        let gold = "size(cube, small), color(ball, red)";
        assert_eq!(value(gold, gold), 1.0);
        assert_eq!(value("size(cube, small), color(cone, blue)", gold), 0.625);
        assert_eq!(value("size(cube, large)", gold), 0.25);
        assert_eq!(value("", gold), 0.0);
        assert_eq!(value("", ""), 1.0);
        assert_eq!(value("size(cube, small)", ""), 0.0);
        assert_eq!(value("size(cube, small), size(cube, small)", gold), 0.25, "half of it is a copy");
    }

    #[test]
    fn the_best_matching_is_taken() {
        // Object-first pairing would leave f(b,2) without its equal.
        assert_eq!(value("f(a, 2), f(b, 1)", "f(b, 2), f(a, 1)"), 0.5);
    }

    proptest! {
        #[test]
        fn in_range_and_blind_to_order(said in "([fg]\\([ab],[12]\\);){0,5}", gold in "([fg]\\([ab],[12]\\);){1,5}") {
            let v = value(&said, &gold);
            prop_assert!((0.0..=1.0).contains(&v));
            let mut calls = calls::parse(&said).unwrap();
            calls.reverse();
            let back = accuracy(&calls, &calls::parse(&gold).unwrap(), 0.5, 0.25);
            prop_assert!((back - v).abs() < 1e-12);
        }
    }
}
