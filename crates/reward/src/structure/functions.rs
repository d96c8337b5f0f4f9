//! Lists of functions `func(object, value)`, each worth what it gets right.

use std::collections::BTreeMap;

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
    source: "Reason-RFT, arXiv 2503.20752; matched for the best sum, copies count as in the truth, an empty list is no crash",
    gold: "list of texts like change_size(cube, small), or one text of several",
    range: Some((-1.0, 1.0)),
    params: &[
        ParamInfo::number(
            "half",
            -1.0,
            1.0,
            0.5,
            "worth of the function with its object or its value; -0.25 in the penalty form",
        ),
        ParamInfo::number("name", -1.0, 1.0, 0.25, "worth of the function alone; -0.5 in the penalty form"),
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

/// The worth of the best one-to-one matching over the length of the longer list, times the share of `said` that
/// is no copy. Calls that `gold` does not have as often are copies and only cost that share. The matching is the
/// best by the worths 1, 1/2 and 1/4, so that worths below 0 are paid too. 1 for two empty lists; 0 for one.
pub fn accuracy(said: &[Call], gold: &[Call], half: f64, name: f64) -> f64 {
    let longer = said.len().max(gold.len());
    if said.is_empty() || gold.is_empty() {
        return f64::from(longer == 0);
    }
    let kept = without_copies(said, gold);
    let worth = |i: usize, j: usize, half: f64, name: f64| match (kept.get(i), gold.get(j)) {
        (Some(s), Some(g)) => similarity(s, g, half, name),
        _ => 0.0,
    };
    let pairs = assign(kept.len(), gold.len(), |i, j| worth(i, j, 0.5, 0.25));
    let sum: f64 = pairs.iter().enumerate().filter_map(|(i, j)| j.map(|j| worth(i, j, half, name))).sum();
    sum / kept.len().max(gold.len()) as f64 * (kept.len() as f64 / said.len() as f64)
}

/// The calls of `said`, each as often as `gold` has it and at least once.
fn without_copies<'a>(said: &'a [Call], gold: &[Call]) -> Vec<&'a Call> {
    let mut left: BTreeMap<(&String, &Vec<String>), usize> = BTreeMap::new();
    for call in gold {
        *left.entry((&call.name, &call.args)).or_default() += 1;
    }
    let mut kept = Vec::new();
    for call in said {
        let left = left.entry((&call.name, &call.args)).or_insert(1);
        if *left > 0 {
            *left -= 1;
            kept.push(call);
        }
    }
    kept
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
        assert_eq!(value("f(a, 1), f(a, 1), f(a, 1)", "f(a, 1)"), 1.0 / 3.0, "copies cost once");
        assert_eq!(value("f(a, 1), f(a, 1)", "f(a, 1), f(a, 1)"), 1.0, "asked for twice");
        let (said, gold) = ("f(a, 1), g(b, 2)", "f(a, 1), g(c, 3)");
        let penal = accuracy(&calls::parse(said).unwrap(), &calls::parse(gold).unwrap(), -0.25, -0.5);
        assert_eq!(penal, 0.25, "1 - 0.5 over two");
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
