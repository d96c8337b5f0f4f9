//! Changes between two pictures as triplets: which object, which attribute, its new value.

use std::collections::BTreeMap;

use eyas_core::Score;

use super::calls::{self, Call};
use crate::{ParamInfo, Params, RewardInfo, Sample, Scorer, bad_gold};

/// The reward as recipes name it.
pub(crate) const INFO: RewardInfo = RewardInfo {
    name: "triplets",
    family: "structure",
    doc: "changes (object, attribute, value): points for each, less for half right ones, a price for extra and missing ones",
    source: "STAR-R1, arXiv 2505.15804; matched one to one, with prices that make listing every value a loss",
    gold: "list of [index, attribute, value], of objects with these keys, or of texts like change_color(2, red)",
    range: None,
    params: &[
        ParamInfo::choice(
            "form",
            &["sum", "share"],
            "points as they are, or their share of all points, at least 0",
        ),
        ParamInfo::number("full", 0.0, 100.0, 5.0, "points for all three right"),
        ParamInfo::number("index_attribute", 0.0, 100.0, 1.5, "points for object and attribute"),
        ParamInfo::number("index", 0.0, 100.0, 0.5, "points for the object alone"),
        ParamInfo::number("extra", 0.0, 100.0, 2.0, "price of a prediction that meets no change"),
        ParamInfo::number("missing", 0.0, 100.0, 1.0, "price of a change that meets no prediction"),
    ],
    score: Scorer::Sample(score),
};

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Triplet {
    /// Which object.
    pub index: String,
    /// Which attribute of it.
    pub attribute: String,
    /// The value it takes.
    pub value: String,
}

/// What a match, a prediction without a match and a change without a match are worth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Points {
    /// All three agree.
    pub full: f64,
    /// Object and attribute agree.
    pub index_attribute: f64,
    /// The object agrees.
    pub index: f64,
    /// Price of a prediction that meets no change.
    pub extra: f64,
    /// Price of a change that meets no prediction.
    pub missing: f64,
}

impl Default for Points {
    /// STAR-R1's points. The price of an extra prediction is above half of `full - index_attribute`, so
    /// that naming both values of an attribute pays less than guessing one.
    fn default() -> Self {
        Self { full: 5.0, index_attribute: 1.5, index: 0.5, extra: 2.0, missing: 1.0 }
    }
}

/// How many pairs agree in all three, in object and attribute, in the object only, and how many
/// predictions and changes are left over, in the best matching of one to one. Agreement in more implies
/// agreement in less, so taking the fullest agreement first is best as long as it is worth most.
fn matches(said: &[Triplet], gold: &[Triplet]) -> ([usize; 3], usize, usize) {
    let mut left: (Vec<&Triplet>, Vec<&Triplet>) = (said.iter().collect(), gold.iter().collect());
    let mut found = [0; 3];
    for (level, count) in found.iter_mut().enumerate() {
        let key = |t: &Triplet| match level {
            0 => (t.index.clone(), t.attribute.clone(), t.value.clone()),
            1 => (t.index.clone(), t.attribute.clone(), String::new()),
            _ => (t.index.clone(), String::new(), String::new()),
        };
        let mut open: BTreeMap<_, usize> = BTreeMap::new();
        for t in &left.1 {
            *open.entry(key(t)).or_default() += 1;
        }
        let mut met: BTreeMap<_, usize> = BTreeMap::new();
        left.0.retain(|t| match open.get_mut(&key(t)) {
            Some(n) if *n > 0 => {
                *n -= 1;
                *count += 1;
                *met.entry(key(t)).or_default() += 1;
                false
            }
            _ => true,
        });
        left.1.retain(|t| match met.get_mut(&key(t)) {
            Some(n) if *n > 0 => {
                *n -= 1;
                false
            }
            _ => true,
        });
    }
    (found, left.0.len(), left.1.len())
}

/// The points of `said`: those of its matches less the price of everything left over on either side.
pub fn points(said: &[Triplet], gold: &[Triplet], worth: Points) -> f64 {
    let ([full, half, index], extra, missing) = matches(said, gold);
    full as f64 * worth.full + half as f64 * worth.index_attribute + index as f64 * worth.index
        - extra as f64 * worth.extra
        - missing as f64 * worth.missing
}

fn triplets(calls: Vec<Call>) -> Option<Vec<Triplet>> {
    let triplet = |call: Call| match (call.name.as_str(), <[String; 3]>::try_from(call.args)) {
        ("", Ok([index, attribute, value])) => Some(Triplet { index, attribute, value }),
        (name, Err(args)) if !name.is_empty() => {
            let [index, value] = <[String; 2]>::try_from(args).ok()?;
            let attribute = name.strip_prefix("change ").unwrap_or(name).to_string();
            Some(Triplet { index, attribute, value })
        }
        _ => None,
    };
    calls.into_iter().map(triplet).collect()
}

const KEYS: [&str; 3] = ["index", "attribute", "value"];

/// Without a readable answer nothing is predicted: each change is missing, and where nothing changed one
/// is counted as missing all the same, so that noise never earns as much as an empty list.
fn score(sample: &Sample<'_>, params: &Params) -> Score {
    let gold = calls::from_json(sample.gold, &KEYS).and_then(triplets);
    let Some(gold) = gold else { return bad_gold("the ground truth is no list of triplets") };
    let worth = Points {
        full: params.number("full"),
        index_attribute: params.number("index_attribute"),
        index: params.number("index"),
        extra: params.number("extra"),
        missing: params.number("missing"),
    };
    let said = sample.answer().filter(|a| !a.is_empty());
    let said = said.and_then(|a| calls::from_answer(a, &KEYS)).and_then(triplets);
    let most = gold.len() as f64 * worth.full;
    let value = match (&said, params.text("form")) {
        (Some(said), "share") if gold.is_empty() => f64::from(said.is_empty()),
        (Some(said), "share") if most > 0.0 => (points(said, &gold, worth) / most).clamp(0.0, 1.0),
        (_, "share") => 0.0,
        (Some(said), _) => points(said, &gold, worth),
        (None, _) => -worth.missing * gold.len().max(1) as f64,
    };
    Score::from_value(value as f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn t(index: &str, attribute: &str, value: &str) -> Triplet {
        Triplet { index: index.into(), attribute: attribute.into(), value: value.into() }
    }

    #[test]
    fn hand_computed() {
        let gold = [t("1", "color", "red"), t("2", "size", "small")];
        let p = |said: &[Triplet]| points(said, &gold, Points::default());
        assert_eq!(p(&gold), 10.0);
        assert_eq!(p(&[t("1", "color", "blue"), t("2", "color", "red")]), 2.0);
        assert_eq!(p(&[t("1", "color", "red")]), 4.0);
        assert_eq!(p(&[t("3", "color", "red")]), -4.0);
        assert_eq!(p(&[]), -2.0);
        // The full match takes its change even where a half right one comes first.
        assert_eq!(p(&[t("1", "color", "blue"), t("1", "color", "red")]), 5.0 - 2.0 - 1.0);
    }

    #[test]
    fn naming_every_value_is_a_loss() {
        let gold = [t("1", "size", "small")];
        let guess = (5.0 + 1.5) / 2.0;
        let both = points(&[t("1", "size", "small"), t("1", "size", "large")], &gold, Points::default());
        assert!(both < guess);
    }

    fn some() -> impl Strategy<Value = Vec<Triplet>> {
        let one =
            (0..3u8, 0..2u8, 0..2u8).prop_map(|(i, a, v)| t(&i.to_string(), &a.to_string(), &v.to_string()));
        prop::collection::vec(one, 0..6)
    }

    proptest! {
        #[test]
        fn order_does_not_matter_and_copies_cost(said in some(), gold in some()) {
            let p = |said: &[Triplet]| points(said, &gold, Points::default());
            let mut back = said.clone();
            back.reverse();
            prop_assert_eq!(p(&said), p(&back));
            prop_assert!(p(&said) <= p(&gold));
            let doubled: Vec<Triplet> = gold.iter().chain(&gold).cloned().collect();
            prop_assert!(gold.is_empty() || p(&doubled) < p(&gold));
        }
    }
}
