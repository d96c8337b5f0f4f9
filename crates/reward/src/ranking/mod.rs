//! Rankings of documents, pictures or regions by their ids.
//!
//! The answer is a list of ids, best first: a JSON list, ids between commas or lines, or `[3] > [1] > [2]`.
//! An id that is there again takes up its rank and earns nothing. A missing or unreadable answer scores 0.

pub mod metrics;

use std::collections::{BTreeMap, BTreeSet};

use eyas_core::Score;
use serde_json::Value;

use crate::answer::list::{MAX_ITEMS, items};
use crate::answer::same::{key, text_key};
use crate::text::answer;
use crate::text::normal::Normal;
use crate::{ParamInfo, Params, RewardInfo, Sample, Scorer, bad_gold};

/// The ids that a text ranks, best first; `None` when it is no list of at most [`MAX_ITEMS`].
pub fn ranked_ids(text: &str) -> Option<Vec<String>> {
    if !text.contains('>') {
        return items(text, Normal::Light);
    }
    let parts = text.split('>').map(|part| part.trim().trim_matches(['[', ']', ' ']));
    let ids: Vec<String> =
        parts.filter_map(|part| text_key(part, Normal::Light)).take(MAX_ITEMS + 1).collect();
    (ids.len() <= MAX_ITEMS).then_some(ids)
}

/// The largest grade that a ground truth may give.
const MAX_GRADE: f64 = 60.0;

/// The ids that are relevant, with their grades above 0.
fn relevance(gold: &Value) -> Result<BTreeMap<String, f64>, Score> {
    let graded: Option<BTreeMap<String, f64>> = match gold {
        Value::Array(ids) => ids.iter().map(|id| Some((key(id, Normal::Light)?, 1.0))).collect(),
        Value::Object(map) => map
            .iter()
            .map(|(id, grade)| {
                let grade = grade.as_f64().filter(|g| (0.0..=MAX_GRADE).contains(g))?;
                Some((text_key(id, Normal::Light)?, grade))
            })
            .collect(),
        _ => None,
    };
    let graded = graded.map(|mut g| {
        g.retain(|_, grade| *grade > 0.0);
        g
    });
    let graded = graded.filter(|g| !g.is_empty());
    graded.ok_or_else(|| {
        bad_gold("the ground truth is not a list of ids or a map from ids to grades from 0 to 60")
    })
}

/// The score by `measure(grades in the order of the answer, relevance)`.
fn by(sample: &Sample<'_>, measure: impl Fn(&[f64], &BTreeMap<String, f64>) -> f64) -> Score {
    let gold = match relevance(sample.gold) {
        Ok(gold) => gold,
        Err(invalid) => return invalid,
    };
    let ids = answer(sample).and_then(ranked_ids).unwrap_or_default();
    let mut seen = BTreeSet::new();
    let grades: Vec<f64> = ids
        .iter()
        .map(|id| if seen.insert(id) { gold.get(id).copied().unwrap_or(0.0) } else { 0.0 })
        .collect();
    Score::from_value(measure(&grades, &gold) as f32)
}

fn ndcg(sample: &Sample<'_>, params: &Params) -> Score {
    let exponential = params.text("gain") == "exponential";
    let gain = |grade: &f64| if exponential && *grade > 0.0 { grade.exp2() - 1.0 } else { *grade };
    by(sample, |grades, gold| {
        let grades: Vec<f64> = grades.iter().map(gain).collect();
        metrics::ndcg(&grades, &gold.values().map(gain).collect::<Vec<_>>(), params.count("k"))
    })
}

fn completeness(sample: &Sample<'_>, _: &Params) -> Score {
    let candidates = sample.fields.get("candidates").and_then(Value::as_u64).filter(|n| *n > 0);
    let Some(candidates) = candidates.and_then(|n| usize::try_from(n).ok()) else {
        return crate::missing("candidates");
    };
    if !sample.response.well_formed(&["think", "answer"]) {
        return Score::Ok(0.0);
    }
    let ids = answer(sample).and_then(ranked_ids).unwrap_or_default();
    let number = |id: &String| id.parse::<f64>().ok().filter(|n| n.fract() == 0.0);
    let valid = |id: &&String| number(id).is_some_and(|n| n >= 1.0 && n <= candidates as f64);
    let good: BTreeSet<&String> = ids.iter().filter(valid).collect();
    Score::from_value(metrics::completeness(ids.len(), good.len(), candidates) as f32)
}

const K: ParamInfo = ParamInfo::number("k", 1.0, 1000.0, 10.0, "ranks that are looked at");

const fn row(
    name: &'static str,
    doc: &'static str,
    source: &'static str,
    params: &'static [ParamInfo],
    score: fn(&Sample<'_>, &Params) -> Score,
) -> RewardInfo {
    RewardInfo {
        name,
        family: "ranking",
        doc,
        source,
        gold: "a list of relevant ids, or a map from ids to grades; ids are texts or numbers",
        range: Some((0.0, 1.0)),
        params,
        score: Scorer::Sample(score),
    }
}

/// The rewards of this family.
pub(crate) const REWARDS: &[RewardInfo] = &[
    row(
        "ndcg",
        "normalised discounted cumulative gain of the first k ranks",
        "Järvelin and Kekäläinen 2002; VRAG-RL; a repeated id earns nothing",
        &[K, ParamInfo::choice("gain", &["linear", "exponential"], "the gain is the grade, or 2^grade - 1")],
        ndcg,
    ),
    row(
        "mrr",
        "1 over the rank of the first relevant id within the first k",
        "reciprocal rank, TREC question answering",
        &[K],
        |sample, params| by(sample, |grades, _| metrics::reciprocal_rank(grades, params.count("k"))),
    ),
    row(
        "recall_at_k",
        "relevant ids among the first k over all relevant ids",
        "recall at k; a repeated id takes up its rank and earns nothing",
        &[K],
        |sample, params| by(sample, |grades, gold| metrics::recall(grades, gold.len(), params.count("k"))),
    ),
    row(
        "rank_power",
        "sum of 1 / rank^power over relevant ids, over the largest possible sum",
        "MM-R5 (arXiv 2506.12364) with power 3; a repeated id earns nothing",
        &[ParamInfo::number("power", 0.1, 10.0, 3.0, "how much the first ranks weigh")],
        |sample, params| {
            by(sample, |grades, gold| metrics::rank_power(grades, gold.len(), params.number("power")))
        },
    ),
    RewardInfo {
        gold: "",
        ..row(
            "format_ranking",
            "think and answer blocks with a list of all candidates 1 to N, each once; N in the field `candidates`",
            "MM-R5 (arXiv 2506.12364), format reward; an id counts once",
            &[],
            completeness,
        )
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_ids_are_read() {
        let wanted = ranked_ids("3, 1, 2");
        for text in ["[3, 1, 2]", "[3] > [1] > [2]", "3 > 1 > 2", "3\n1\n2", r#"["3", 1, 2.0]"#] {
            assert_eq!(ranked_ids(text), wanted, "{text}");
        }
        assert_eq!(ranked_ids("doc_1, Doc_2").unwrap(), ["doc_1", "doc_2"]);
        assert_eq!(ranked_ids(&"1 > ".repeat(2000)), None);
    }

    #[test]
    fn bad_ground_truths_are_refused() {
        use serde_json::json;
        for gold in [json!([]), json!({"a": 0}), json!({"a": -1}), json!({"a": 1e9}), json!(3), json!([[1]])]
        {
            assert!(relevance(&gold).is_err(), "{gold}");
        }
        assert_eq!(relevance(&json!([3, "3.0"])).unwrap().len(), 1);
    }
}
