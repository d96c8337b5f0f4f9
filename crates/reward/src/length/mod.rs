//! Rewards for length, and against repetition.
//!
//! The number of sampled tokens is the field `tokens` and correctness the field `correct` (true, false, or
//! 0 to 1, right from 0.5 on unless a reward says otherwise); without them a response has no score. In rewards of a group, responses
//! without them are left out, and the others are scored as if they were alone.

pub mod kernels;

use std::collections::BTreeMap;

use eyas_core::Score;

use crate::answer::same::text_key;
use crate::facts::{correctness, is_correct, tokens};
use crate::text::answer;
use crate::text::normal::Normal;
use crate::text::words::words;
use crate::{ParamInfo, Params, RewardInfo, Sample, Scorer};
use kernels::{Cosine, repeated_share};

fn score(value: Result<f64, Score>) -> Score {
    value.map_or_else(|invalid| invalid, |v| Score::from_value(v as f32))
}

fn length_cosine(sample: &Sample<'_>, params: &Params) -> Score {
    let cosine = Cosine {
        right_short: params.number("right_short"),
        right_long: params.number("right_long"),
        wrong_short: params.number("wrong_short"),
        wrong_long: params.number("wrong_long"),
        over: params.flag("punish_over").then(|| params.number("over")),
        limit: params.number("limit"),
    };
    score((|| Ok(kernels::cosine(tokens(sample)?, is_correct(sample)?, &cosine)))())
}

/// The length asked for: the field `target_tokens`, or the parameter `target` where there is none.
fn target(sample: &Sample<'_>, params: &Params) -> Result<f64, Score> {
    match sample.fields.get("target_tokens") {
        None => Ok(params.number("target")),
        Some(field) => field.as_u64().map(|n| n as f64).ok_or_else(|| crate::missing("target_tokens")),
    }
}

fn l1_exact(sample: &Sample<'_>, params: &Params) -> Score {
    let (alpha, cap) = (params.number("alpha"), params.number("cap"));
    score((|| {
        let (length, correct) = (tokens(sample)?, correctness(sample)?);
        Ok(kernels::l1_exact(length, correct, target(sample, params)?, alpha, cap))
    })())
}

fn l1_max(sample: &Sample<'_>, params: &Params) -> Score {
    let (alpha, delta) = (params.number("alpha"), params.number("delta"));
    score((|| {
        let (length, correct) = (tokens(sample)?, correctness(sample)?);
        Ok(kernels::l1_max(length, correct, target(sample, params)?, alpha, delta))
    })())
}

/// Length and correctness of each response, or why there is none.
fn facts(samples: &[Sample<'_>]) -> Vec<Result<(f64, bool), Score>> {
    samples.iter().map(|sample| Ok((tokens(sample)?, is_correct(sample)?))).collect()
}

/// `of(length, correct)` for each response that has both.
fn each(facts: Vec<Result<(f64, bool), Score>>, of: impl Fn(f64, bool) -> f64) -> Vec<Score> {
    facts.into_iter().map(|fact| score(fact.map(|(length, correct)| of(length, correct)))).collect()
}

fn kimi(samples: &[Sample<'_>], _: &Params) -> Vec<Score> {
    let facts = facts(samples);
    let lengths = || facts.iter().flatten().map(|(length, _)| *length);
    let (min, max) = (lengths().fold(f64::MAX, f64::min), lengths().fold(0.0, f64::max));
    each(facts, |length, correct| kernels::kimi(length, correct, min, max))
}

fn shortest(samples: &[Sample<'_>], params: &Params) -> Vec<Score> {
    let (bonus, floor) = (params.number("bonus"), params.number("floor"));
    let facts = facts(samples);
    let counts = |length: f64, correct: bool| correct && length > floor;
    let right = facts.iter().flatten().filter(|(length, correct)| counts(*length, *correct));
    let least = right.map(|(length, _)| *length).fold(f64::MAX, f64::min);
    each(facts, |length, correct| if counts(length, correct) && length <= least { bonus } else { 0.0 })
}

fn band(samples: &[Sample<'_>], params: &Params) -> Vec<Score> {
    let (low, high, bonus) = (params.number("low"), params.number("high"), params.number("bonus"));
    let threshold = params.number("right");
    let fact = |sample: &Sample<'_>| Ok((tokens(sample)?, correctness(sample)? > threshold));
    let facts: Vec<_> = samples.iter().map(fact).collect();
    let right = facts.iter().flatten().filter(|(_, correct)| *correct).count();
    let paid = right >= params.count("min_correct");
    each(facts, |length, correct| if paid && correct && (low..=high).contains(&length) { bonus } else { 0.0 })
}

fn repetition(sample: &Sample<'_>, params: &Params) -> Score {
    let (text, n) = (sample.response.text(), params.count("n"));
    let share = if params.text("unit") == "chars" {
        repeated_share(&text.chars().filter(|c| !c.is_whitespace()).collect::<Vec<_>>(), n)
    } else {
        // Another case makes no other word.
        repeated_share(&words(&text.to_lowercase()), n)
    };
    // Without a minus sign in front of a zero.
    Score::from_value((0.0 - params.number("penalty") * share) as f32)
}

fn unique_answers(samples: &[Sample<'_>], params: &Params) -> Vec<Score> {
    let key = |sample: &Sample<'_>| answer(sample).and_then(|a| text_key(a, Normal::Light));
    let keys: Vec<Option<String>> = samples.iter().map(key).collect();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for key in keys.iter().flatten() {
        *counts.entry(key).or_default() += 1;
    }
    let ratio = counts.len() as f64 / samples.len().max(1) as f64;
    let rarity = params.text("form") == "rarity";
    let score = |key: &Option<String>| {
        let count = key.as_deref().and_then(|k| counts.get(k));
        count.map_or(0.0, |count| if rarity { 1.0 / *count as f64 } else { ratio })
    };
    keys.iter().map(|key| Score::from_value(score(key) as f32)).collect()
}

const LIMIT: f64 = 10_000_000.0;
const TARGET: ParamInfo = ParamInfo::number(
    "target",
    0.0,
    LIMIT,
    1024.0,
    "tokens asked for, where there is no field target_tokens",
);
const ALPHA: ParamInfo = ParamInfo::number("alpha", 0.0, 1.0, 0.0003, "price of a token");

const fn row(
    name: &'static str,
    doc: &'static str,
    source: &'static str,
    range: Option<(f32, f32)>,
    params: &'static [ParamInfo],
    score: Scorer,
) -> RewardInfo {
    RewardInfo { name, family: "length", doc, source, gold: "", range, params, score }
}

/// The rewards of this family.
pub(crate) const REWARDS: &[RewardInfo] = &[
    row(
        "length_cosine",
        "a right answer is worth more when short, a wrong one when long, along half a cosine",
        "arXiv 2502.03373, whose code cuts 16 tokens before the limit; the length is clamped, wrong answers stay wrong (VLM-R1's are overwritten)",
        None,
        &[
            ParamInfo::number("right_short", -100.0, 100.0, 1.0, "a right answer of no tokens"),
            ParamInfo::number("right_long", -100.0, 100.0, 0.5, "a right answer at the limit"),
            ParamInfo::number("wrong_short", -100.0, 100.0, -0.5, "a wrong answer of no tokens"),
            ParamInfo::number("wrong_long", -100.0, 100.0, 0.0, "a wrong answer at the limit"),
            ParamInfo::flag("punish_over", true, "at the limit and beyond every answer gets `over`"),
            ParamInfo::number("over", -100.0, 100.0, -0.5, "an answer at the limit or beyond"),
            ParamInfo::number("limit", 1.0, LIMIT, 1024.0, "tokens at which a response is cut"),
        ],
        Scorer::Sample(length_cosine),
    ),
    row(
        "length_overlong",
        "0 up to the limit minus a buffer, then down to -1 at the limit",
        "DAPO (arXiv 2503.14476), soft overlong punishment",
        Some((-1.0, 0.0)),
        &[
            ParamInfo::number("limit", 1.0, LIMIT, 20480.0, "tokens from which the score is -1"),
            ParamInfo::number("buffer", 0.0, LIMIT, 4096.0, "tokens before the limit over which it falls"),
        ],
        Scorer::Sample(|sample, params| {
            let (limit, buffer) = (params.number("limit"), params.number("buffer"));
            score(tokens(sample).map(|length| kernels::soft_overlong(length, limit, buffer)))
        }),
    ),
    row(
        "length_l1_exact",
        "correctness minus a price for each token off the length asked for",
        "L1 (arXiv 2503.04697), LCPO-Exact; the price is capped, so that a right answer is never worth less than cap says",
        None,
        &[TARGET, ALPHA, ParamInfo::number("cap", 0.0, 1000.0, 1.0, "largest price")],
        Scorer::Sample(l1_exact),
    ),
    row(
        "length_l1_max",
        "correctness times a factor that falls with length, 0 to 1",
        "L1 (arXiv 2503.04697), LCPO-Max as in the paper; its code counts half of alpha; ReVisual-R1 with alpha 0.005",
        Some((0.0, 1.0)),
        &[TARGET, ALPHA, ParamInfo::number("delta", 0.0, 1.0, 0.5, "the factor at the length asked for")],
        Scorer::Sample(l1_max),
    ),
    row(
        "length_kimi",
        "0.5 for the shortest of a group down to -0.5 for the longest; a wrong answer gets at most 0",
        "Kimi k1.5 (arXiv 2501.12599), length reward",
        Some((-0.5, 0.5)),
        &[],
        Scorer::Group(kimi),
    ),
    row(
        "length_shortest",
        "a bonus for the shortest right answers of a group",
        "mechanism of short-answer bonuses; answers of `floor` tokens or fewer do not take part",
        None,
        &[
            ParamInfo::number("bonus", 0.0, 100.0, 0.2, "the bonus"),
            ParamInfo::number("floor", 0.0, LIMIT, 100.0, "tokens that an answer must exceed"),
        ],
        Scorer::Group(shortest),
    ),
    row(
        "length_band",
        "a bonus for right answers whose length lies in a band, if enough of the group are right",
        "Video-R1 (arXiv 2503.21776), length reward; the same as video_length_window but for min_correct",
        None,
        &[
            ParamInfo::number("low", 0.0, LIMIT, 320.0, "fewest tokens"),
            ParamInfo::number("high", 0.0, LIMIT, 512.0, "most tokens"),
            ParamInfo::number("bonus", 0.0, 100.0, 0.2, "the bonus"),
            ParamInfo::number("min_correct", 0.0, 1000.0, 2.0, "right answers that the group must have"),
            ParamInfo::number("right", 0.0, 1.0, 0.1, "`correct` above this is right"),
        ],
        Scorer::Group(band),
    ),
    row(
        "repetition",
        "minus the share of n-grams of the whole response that repeat an earlier one",
        "arXiv 2502.03373, open-r1, VLM-R1; works for scripts without blanks too",
        None,
        &[
            ParamInfo::number("n", 1.0, 50.0, 6.0, "items in a run"),
            ParamInfo::number("penalty", 0.0, 100.0, 1.0, "penalty when everything repeats"),
            ParamInfo::choice("unit", &["words", "chars"], "what a run is made of"),
        ],
        Scorer::Sample(repetition),
    ),
    row(
        "unique_answers",
        "different answers over responses of a group, or for each one over how many say the same",
        "diversity term of UFO; responses without an answer get 0 and make no answer",
        Some((0.0, 1.0)),
        &[ParamInfo::choice(
            "form",
            &["ratio", "rarity"],
            "the same for all, or 1 / number of equal answers",
        )],
        Scorer::Group(unique_answers),
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Around, Progress, Response, RewardSpec};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn group(name: &str, facts: &[(Option<u64>, Value)], texts: &[&str]) -> Vec<Option<f32>> {
        let responses: Vec<_> = texts.iter().map(|t| Response::parse(t)).collect();
        let fields: Vec<_> = facts
            .iter()
            .map(|(tokens, correct)| {
                let value = json!({"tokens": tokens, "correct": correct});
                value.as_object().unwrap().clone()
            })
            .collect();
        let samples: Vec<_> = responses
            .iter()
            .zip(&fields)
            .map(|(response, fields)| Sample {
                response,
                gold: &Value::Null,
                fields,
                progress: Progress::default(),
                around: Around::default(),
            })
            .collect();
        let spec = RewardSpec::of(crate::find(name).unwrap());
        spec.score_samples(&samples).iter().map(Score::value).collect()
    }

    #[test]
    fn what_lacks_a_field_is_left_out() {
        let facts =
            [(Some(100), json!(true)), (None, json!(true)), (Some(300), json!(1)), (Some(999), json!("x"))];
        assert_eq!(group("length_kimi", &facts, &["", "", "", ""]), [Some(0.5), None, Some(-0.5), None]);
        assert!(group("length_kimi", &[], &[]).is_empty());
    }

    proptest! {
        #[test]
        fn a_group_in_another_order_gets_the_same_scores(
            facts in prop::collection::vec((0u64..800, any::<bool>()), 1..8),
            by in 0usize..8,
        ) {
            let texts = vec!["<answer>x</answer>"; facts.len()];
            let facts: Vec<_> = facts.iter().map(|(n, c)| (Some(*n), json!(c))).collect();
            let by = by % facts.len();
            let mut turned = facts.clone();
            turned.rotate_left(by);
            for name in ["length_kimi", "length_shortest", "length_band", "unique_answers"] {
                let mut scores = group(name, &facts, &texts);
                scores.rotate_left(by);
                prop_assert_eq!(scores, group(name, &turned, &texts));
            }
        }
    }
}
