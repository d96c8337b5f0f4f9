//! How near a free text is to the gold text.
//!
//! All of these read the answer and compare it with one gold text or the best of several. A missing or
//! blank answer scores 0, and so does one longer than [`normal::MAX_TEXT`]; a ground truth that is no
//! text, blank, or too long is `Invalid`.

pub mod align;
pub mod edit;
pub mod embed;
pub(crate) mod hash;
pub mod normal;
pub mod overlap;
pub mod words;

use eyas_core::Score;
use serde_json::Value;

use crate::{ParamInfo, Params, RewardInfo, Sample, Scorer, bad_gold};
use normal::{MAX_TEXT, squad};
use overlap::{Smoothing, numbered_words};

const GOLD: &str = "a text, or a list of texts of which the nearest counts";
const UNIT: Option<(f32, f32)> = Some((0.0, 1.0));
const CASE: ParamInfo = ParamInfo::flag("ignore_case", true, "upper and lower case are the same");
const SMOOTHING: ParamInfo = ParamInfo::choice(
    "smoothing",
    &["add_one", "epsilon", "none"],
    "for orders without a match: one added from order 2 on, a tenth of a match, or score 0",
);

/// As [`SMOOTHING`], with another default.
const EPSILON: ParamInfo = ParamInfo::choice(
    "smoothing",
    &["epsilon", "add_one", "none"],
    "for orders without a match: a tenth of a match, one added from order 2 on, or score 0",
);

/// The answer as these rewards read it: `None` when it is missing, blank or too long.
pub(crate) fn answer<'a>(sample: &Sample<'a>) -> Option<&'a str> {
    sample.answer().filter(|text| !text.is_empty() && text.len() <= MAX_TEXT)
}

/// The gold texts: one, or the items of a list.
///
/// # Errors
/// The score to give when there is none, or one is no text, blank or too long.
pub(crate) fn golds<'a>(gold: &'a Value) -> Result<Vec<&'a str>, Score> {
    let readable = |value: &'a Value| {
        let text = value.as_str().filter(|t| !t.trim().is_empty() && t.len() <= MAX_TEXT);
        text.ok_or_else(|| bad_gold("the ground truth is not a text, blank, or too long"))
    };
    match gold {
        Value::Array(items) if items.is_empty() => Err(bad_gold("the ground truth is an empty list")),
        Value::Array(items) => items.iter().map(readable).collect(),
        one => Ok(vec![readable(one)?]),
    }
}

/// The best score of the answer over the gold texts.
fn best(sample: &Sample<'_>, score: impl Fn(&str, &str) -> f64) -> Score {
    let golds = match golds(sample.gold) {
        Ok(golds) => golds,
        Err(invalid) => return invalid,
    };
    let Some(answer) = answer(sample) else { return Score::Ok(0.0) };
    Score::from_value(golds.iter().map(|gold| score(answer, gold)).fold(0.0, f64::max) as f32)
}

fn cased(params: &Params, score: impl Fn(&str, &str) -> f64) -> impl Fn(&str, &str) -> f64 {
    let ignore = params.flag("ignore_case");
    move |a, b| if ignore { score(&a.to_lowercase(), &b.to_lowercase()) } else { score(a, b) }
}

fn smoothing(params: &Params) -> Smoothing {
    match params.text("smoothing") {
        "epsilon" => Smoothing::Epsilon,
        "none" => Smoothing::None,
        _ => Smoothing::AddOne,
    }
}

fn exact_match(sample: &Sample<'_>, _: &Params) -> Score {
    let same = |a: &str, b: &str| {
        let (a, b) = (squad(a), squad(b));
        !b.is_empty() && a == b
    };
    best(sample, |a, b| f64::from(u8::from(same(a, b))))
}

fn rouge(sample: &Sample<'_>, params: &Params) -> Score {
    best(sample, |a, b| {
        let texts = numbered_words(a, b);
        match params.text("form") {
            "1" => overlap::rouge_n(&texts, 1),
            "2" => overlap::rouge_n(&texts, 2),
            "mean" => {
                let short = overlap::rouge_n(&texts, 1) + overlap::rouge_n(&texts, 2);
                (short + overlap::rouge_l(&texts)) / 3.0
            }
            _ => overlap::rouge_l(&texts),
        }
    })
}

fn bleu_rouge(sample: &Sample<'_>, params: &Params) -> Score {
    best(sample, |a, b| {
        let texts = numbered_words(a, b);
        (overlap::bleu(&texts, smoothing(params)) + overlap::rouge_l(&texts)) / 2.0
    })
}

fn edit_similarity(sample: &Sample<'_>, params: &Params) -> Score {
    let (floor, indel) = (params.number("floor"), params.text("form") == "indel");
    let similarity = if indel { edit::indel_similarity } else { edit::edit_similarity };
    let floored = |a: &str, b: &str| Some(similarity(a, b)).filter(|s| *s >= floor).unwrap_or(0.0);
    best(sample, cased(params, floored))
}

const fn row(
    name: &'static str,
    doc: &'static str,
    source: &'static str,
    params: &'static [ParamInfo],
    score: fn(&Sample<'_>, &Params) -> Score,
) -> RewardInfo {
    RewardInfo {
        name,
        family: "text",
        doc,
        source,
        gold: GOLD,
        range: UNIT,
        params,
        score: Scorer::Sample(score),
    }
}

/// The rewards of this family.
pub(crate) const REWARDS: &[RewardInfo] = &[
    row(
        "exact_match",
        "1 when the answer is the gold text up to case, punctuation and articles, else 0",
        "SQuAD (arXiv 1606.05250); a text of punctuation alone matches nothing",
        &[],
        exact_match,
    ),
    row(
        "token_f1",
        "F1 of the words of answer and gold, without punctuation and articles",
        "SQuAD (arXiv 1606.05250); a single letter never matches a word, as it does by substring in GUI-R1",
        &[],
        |sample, _| best(sample, overlap::token_f1),
    ),
    row(
        "rouge",
        "ROUGE F1: longest common subsequence of words, or runs of 1 or 2 words, or the mean of the three",
        "Lin 2004; Video-R1's mean form; words of any script, no stemming",
        &[ParamInfo::choice("form", &["l", "1", "2", "mean"], "which ROUGE")],
        rouge,
    ),
    row(
        "bleu",
        "sentence BLEU of orders 1 to 4",
        "Papineni et al. 2002, smoothing of Lin and Och 2004; orders longer than the answer are left out",
        &[SMOOTHING],
        |sample, params| best(sample, |a, b| overlap::bleu(&numbered_words(a, b), smoothing(params))),
    ),
    row(
        "bleu_rouge",
        "the mean of BLEU-4 and ROUGE-L",
        "SATORI-R1 (arXiv 2505.19094), smoothed as there; words of any script, no stemming",
        &[EPSILON],
        bleu_rouge,
    ),
    row(
        "ngram_overlap",
        "runs of n words that both texts have, over those that either has",
        "weighted Jaccard similarity of n-grams",
        &[ParamInfo::number("n", 1.0, 4.0, 2.0, "words in a run")],
        |sample, params| {
            best(sample, |a, b| overlap::ngram_overlap(&numbered_words(a, b), params.count("n")))
        },
    ),
    row(
        "edit_similarity",
        "1 minus the edits on characters over the longer length; 0 below a floor",
        "PR1, VLM-R1's fuzzy path (form indel); white space of any width is equal",
        &[
            ParamInfo::choice("form", &["levenshtein", "indel"], "edits with or without replacements"),
            ParamInfo::number("floor", 0.0, 1.0, 0.0, "below this similarity the score is 0"),
            CASE,
        ],
        edit_similarity,
    ),
    row(
        "wer",
        "1 minus the word error rate, not below 0",
        "Video-R1's OCR reward; declared handling of case",
        &[CASE],
        |sample, params| {
            let score = |a: &str, b: &str| edit::wer(a, b).map_or(0.0, |rate| 1.0 - rate);
            best(sample, cased(params, score))
        },
    ),
    row(
        "cer",
        "1 minus the character error rate, not below 0",
        "OCR evaluation; declared handling of case",
        &[CASE],
        |sample, params| {
            let score = |a: &str, b: &str| edit::cer(a, b).map_or(0.0, |rate| 1.0 - rate);
            best(sample, cased(params, score))
        },
    ),
    row(
        "anls",
        "average normalised Levenshtein similarity: 0 when half or more is wrong",
        "Biten et al. 2019 (DocVQA, InfoVQA), best of the gold texts",
        &[ParamInfo::number("threshold", 0.0, 1.0, 0.5, "normalised distance from which the score is 0")],
        |sample, params| best(sample, |a, b| edit::anls(a, b, params.number("threshold"))),
    ),
];
