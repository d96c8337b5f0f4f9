//! The rewards of this family, from a sample to a score.

use eyas_core::Score;
use serde_json::Value;

use super::number::{Number, Percent, Pick, number_in};
use super::{choice, date, json, letters, list, numeric, same, yes_no};
use crate::facts::correctness;
use crate::text::answer;
use crate::text::normal::Normal;
use crate::{ParamInfo, Params, RewardInfo, Sample, Scorer, bad_gold};

const NORMAL: ParamInfo = ParamInfo::choice(
    "normal",
    Normal::NAMES,
    "what is forgiven: case and a full stop, also punctuation and articles, all but letters, or nothing",
);
const PERCENT: ParamInfo =
    ParamInfo::choice("percent", &["literal", "ratio"], "10% is 10, or 0.1; in answer and ground truth");
const PICK: ParamInfo =
    ParamInfo::choice("pick", &["only", "last"], "the only number of the answer, or its last one");

fn yes(right: bool) -> Score {
    Score::Ok(if right { 1.0 } else { 0.0 })
}

fn exact(sample: &Sample<'_>, params: &Params) -> Score {
    if !is_scalar(sample.gold) {
        return bad_gold("the ground truth is not a text, a number or a truth value, or blank");
    }
    let normal = Normal::named(params.text("normal"));
    yes(answer(sample).is_some_and(|a| same::says(a, sample.gold, normal)))
}

fn is_scalar(gold: &Value) -> bool {
    match gold {
        Value::String(text) => !text.trim().is_empty(),
        Value::Number(_) | Value::Bool(_) => true,
        _ => false,
    }
}

fn any_of(sample: &Sample<'_>, params: &Params) -> Score {
    let Some(golds) = sample.gold.as_array().filter(|g| !g.is_empty() && g.iter().all(is_scalar)) else {
        return bad_gold("the ground truth is not a list of texts and numbers");
    };
    let normal = Normal::named(params.text("normal"));
    yes(answer(sample).is_some_and(|a| golds.iter().any(|g| same::says(a, g, normal))))
}

/// The texts of the options, from the field `options`: a list, or an object with letters as keys.
/// `None` when there is no such field.
fn options<'a>(sample: &Sample<'a>) -> Result<Option<Vec<&'a str>>, Score> {
    let texts = match sample.fields.get("options") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Array(items)) => items.iter().map(Value::as_str).collect::<Option<Vec<_>>>(),
        Some(Value::Object(map)) => {
            let mut items: Vec<_> = map.iter().collect();
            items.sort_unstable_by_key(|(letter, _)| letter.as_str());
            let named = |(i, (letter, text)): (usize, &(&String, &'a Value))| {
                let due = char::from(b'A' + u8::try_from(i).unwrap_or(0).min(25)).to_string();
                text.as_str().filter(|_| **letter == due)
            };
            items.iter().enumerate().map(named).collect()
        }
        Some(_) => None,
    };
    let texts = texts.filter(|t| (1..=26).contains(&t.len()));
    texts.map(Some).ok_or_else(|| crate::missing("options"))
}

fn multiple_choice(sample: &Sample<'_>, _: &Params) -> Score {
    let options = match options(sample) {
        Ok(options) => options,
        Err(invalid) => return invalid,
    };
    let count = options.as_ref().map_or(26, Vec::len);
    let Some(gold) = sample.gold.as_str() else { return bad_gold("the ground truth is not a text") };
    let bare = gold.trim().trim_matches(['(', ')', '[', ']', '.', ':']);
    let letter = bare.bytes().next().filter(|b| b.is_ascii_alphabetic() && bare.len() == 1);
    let by_letter = letter.map(|b| usize::from(b.to_ascii_uppercase() - b'A')).filter(|i| *i < count);
    let by_text = || choice::chosen_option(gold, options.as_deref()?);
    let Some(gold) = by_letter.or_else(by_text) else {
        return bad_gold("the ground truth is neither the letter nor the text of one option");
    };
    let Some(text) = answer(sample) else { return Score::Ok(0.0) };
    let chosen = match &options {
        Some(options) => choice::chosen_option(text, options),
        None => letters::chosen_letter(text, 26).map(|c| c as usize - 'A' as usize),
    };
    yes(chosen == Some(gold))
}

fn polar(sample: &Sample<'_>, _: &Params) -> Score {
    let gold = sample.gold.as_bool().or_else(|| sample.gold.as_str().and_then(yes_no::yes_no));
    let Some(gold) = gold else { return bad_gold("the ground truth is neither yes nor no") };
    yes(answer(sample).and_then(yes_no::yes_no) == Some(gold))
}

fn percent(params: &Params) -> Percent {
    if params.text("percent") == "ratio" { Percent::Ratio } else { Percent::Literal }
}

/// The gold number: a JSON number, or a text with one number in it.
fn gold_number(sample: &Sample<'_>, percent: Percent) -> Result<f64, Score> {
    let number = match sample.gold {
        Value::String(text) => number_in(text, Pick::Only).map(|n| n.scaled(percent)),
        other => other.as_f64(),
    };
    number.filter(|n| n.is_finite()).ok_or_else(|| bad_gold("the ground truth is not a number"))
}

fn answer_number<'a>(sample: &Sample<'a>, params: &Params) -> Option<Number<'a>> {
    let pick = if params.text("pick") == "last" { Pick::Last } else { Pick::Only };
    number_in(answer(sample)?, pick)
}

/// The score of the answer's number by `kernel(answer, gold)`; 0 when the answer has no such number.
fn by_number(sample: &Sample<'_>, params: &Params, kernel: impl Fn(f64, f64) -> f64) -> Score {
    let percent = percent(params);
    match gold_number(sample, percent) {
        Err(invalid) => invalid,
        Ok(gold) => Score::from_value(
            answer_number(sample, params).map_or(0.0, |n| kernel(n.scaled(percent), gold)) as f32,
        ),
    }
}

fn number(sample: &Sample<'_>, params: &Params) -> Score {
    let unit = params.text("unit");
    let other_unit = |n: Number<'_>| !unit.is_empty() && !n.unit.is_empty() && n.unit != unit;
    let wrong_unit = answer_number(sample, params).is_some_and(other_unit);
    let (absolute, relative) = (params.number("absolute"), params.number("relative"));
    by_number(sample, params, |a, g| {
        f64::from(u8::from(!wrong_unit && numeric::within(a, g, absolute, relative)))
    })
}

fn number_log(sample: &Sample<'_>, params: &Params) -> Score {
    if gold_number(sample, percent(params)) == Ok(0.0) {
        return bad_gold("0 has no place on a logarithmic scale");
    }
    by_number(sample, params, |a, g| numeric::log_scale(a, g, params.number("decades")))
}

fn relaxed_accuracy(sample: &Sample<'_>, params: &Params) -> Score {
    let text = match sample.gold {
        Value::String(text) if text.trim().is_empty() => return bad_gold("the ground truth is blank"),
        Value::String(text) => super::number::plain_number(text).is_none().then_some(text.as_str()),
        Value::Number(_) => None,
        _ => return bad_gold("the ground truth is neither a number nor a text"),
    };
    if let Some(text) = text {
        return yes(answer(sample).is_some_and(|a| same::same_text(a, text, Normal::Light)));
    }
    let tolerance = params.number("relative");
    by_number(sample, params, |a, g| {
        let year = params.flag("exact_years") && g.fract() == 0.0 && (1500.0..=2100.0).contains(&g);
        f64::from(u8::from(numeric::within(a, g, 0.0, if year { 0.0 } else { tolerance })))
    })
}

fn day(sample: &Sample<'_>, params: &Params) -> Score {
    let order =
        if params.text("order") == "month_first" { date::Order::MonthFirst } else { date::Order::DayFirst };
    let Some(gold) = sample.gold.as_str().and_then(|t| date::Date::parse(t, order)) else {
        return bad_gold("the ground truth is not a date");
    };
    let Some(given) = answer(sample).and_then(|a| date::Date::parse(a, order)) else { return Score::Ok(0.0) };
    if params.text("form") == "parts" {
        return Score::from_value(given.agreement(gold) as f32);
    }
    yes(given == gold)
}

fn items(sample: &Sample<'_>, params: &Params) -> Score {
    let normal = Normal::named(params.text("normal"));
    let gold = sample.gold.as_array().filter(|g| g.len() <= list::MAX_ITEMS);
    let gold = gold.and_then(|g| g.iter().map(|v| same::key(v, normal)).collect::<Option<Vec<_>>>());
    let Some(gold) = gold else { return bad_gold("the ground truth is not a list of texts and numbers") };
    let form = match params.text("form") {
        "iou" => list::Form::Iou,
        "set" => list::Form::Set,
        "ordered" => list::Form::Ordered,
        "places" => list::Form::Places,
        _ => list::Form::F1,
    };
    let text = answer(sample);
    if gold.is_empty() && text.is_some_and(list::says_none) {
        return Score::Ok(1.0);
    }
    let given = text.and_then(|a| list::items(a, normal));
    Score::from_value(given.map_or(0.0, |given| list::compare(&given, &gold, form)) as f32)
}

fn json_fields(sample: &Sample<'_>, params: &Params) -> Score {
    let gold = Some(sample.gold).filter(|g| g.as_object().is_some_and(|g| !g.is_empty()));
    let Some(gold) = gold.and_then(|g| json::leaves(g, Normal::Light)) else {
        return bad_gold("the ground truth is not an object with fields");
    };
    let given = answer(sample).and_then(json::object).and_then(|a| json::leaves(&a, Normal::Light));
    let (same, given, gold) = json::agreement(&given.unwrap_or_default(), &gold);
    Score::from_value(match params.text("form") {
        "exact" => f32::from(u8::from(same == gold && same == given)),
        "recall" => (same as f64 / gold as f64) as f32,
        _ => (2.0 * same as f64 / (given + gold) as f64) as f32,
    })
}

fn baseline_corrected(sample: &Sample<'_>, params: &Params) -> Score {
    let chance = params.number("chance");
    match correctness(sample) {
        Ok(correct) => Score::from_value(((correct - chance) / (1.0 - chance)) as f32),
        Err(invalid) => invalid,
    }
}

const fn row(
    name: &'static str,
    doc: &'static str,
    source: &'static str,
    gold: &'static str,
    params: &'static [ParamInfo],
    score: fn(&Sample<'_>, &Params) -> Score,
) -> RewardInfo {
    RewardInfo {
        name,
        family: "answer",
        doc,
        source,
        gold,
        range: Some((0.0, 1.0)),
        params,
        score: Scorer::Sample(score),
    }
}

const NUMBER: &str = "a number, or a text with one number";

/// The rewards of this family.
pub(crate) const REWARDS: &[RewardInfo] = &[
    row(
        "exact",
        "1 when the answer is the gold text, or the same number, else 0",
        "VLM-R1's all_match; a number equals itself however it is written, containment pays nothing",
        "a text, a number, or true or false",
        &[NORMAL],
        exact,
    ),
    row(
        "any_of",
        "1 when the answer is one of several gold texts or numbers, else 0",
        "SATORI-R1 (arXiv 2505.19094), VQA evaluation",
        "a list of texts and numbers",
        &[NORMAL],
        any_of,
    ),
    row(
        "multiple_choice",
        "1 when the answer takes the right option by its letter or its whole text, and no other",
        "VLM-R1's extract_choice, lmms-eval; letters in words, lists of all options and denials are no choice",
        "the option's letter, or its text; the options' texts in the field `options`, a list or {A: text}",
        &[],
        multiple_choice,
    ),
    row(
        "yes_no",
        "1 when the answer says yes or no as the ground truth does",
        "VLM-R1's yes/no path; whole words (`known` holds no `no`), neither equals nothing",
        "yes or no, or true or false",
        &[],
        polar,
    ),
    row(
        "number",
        "1 when the answer's number is within an absolute or a relative tolerance, else 0",
        "Video-R1's numerical path; separators and decimals do not matter (1,000 = 1000, 5 = 5.0)",
        NUMBER,
        &[
            ParamInfo::number("absolute", 0.0, f64::MAX, 0.0, "allowed difference"),
            ParamInfo::number(
                "relative",
                0.0,
                1.0,
                1e-6,
                "allowed difference as a share of the ground truth",
            ),
            ParamInfo::text("unit", "", "the only unit that the answer may give; empty for any"),
            PERCENT,
            PICK,
        ],
        number,
    ),
    row(
        "number_relative",
        "1 minus the relative error, not below 0",
        "Video-R1's regression; a gold 0 is met by 0 only",
        NUMBER,
        &[PERCENT, PICK],
        |sample, params| by_number(sample, params, numeric::relative),
    ),
    row(
        "number_cosine",
        "1 up to a small relative error, 0 from a large one on, half a cosine between",
        "Reason-RFT (arXiv 2503.20752); a correct 0 is paid, where the code divides 0 by 0",
        NUMBER,
        &[
            ParamInfo::number("full", 0.0, 1.0, 0.05, "relative error up to which the score is 1"),
            ParamInfo::number("zero", 0.0, 10.0, 0.2, "relative error from which the score is 0"),
            PERCENT,
            PICK,
        ],
        |sample, params| {
            let (full, zero) = (params.number("full"), params.number("zero"));
            by_number(sample, params, |a, g| numeric::cosine_ramp(a, g, full, zero))
        },
    ),
    row(
        "number_mra",
        "mean relative accuracy: the share of ten tolerances from 50 % down to 5 % that are kept",
        "VSI-Bench (arXiv 2412.14171); a gold 0 is met by 0 only",
        NUMBER,
        &[PERCENT, PICK],
        |sample, params| by_number(sample, params, numeric::mean_relative_accuracy),
    ),
    row(
        "number_log",
        "1 minus the distance of the logarithms in decades",
        "for quantities over many orders of magnitude; another sign scores 0",
        "a number other than 0, or a text with one",
        &[
            ParamInfo::number("decades", 0.01, 100.0, 1.0, "powers of ten at which the score is 0"),
            PERCENT,
            PICK,
        ],
        number_log,
    ),
    row(
        "number_exponential",
        "1 - (e^|answer - gold| - 1) / (e^|gold| - 1), not below 0",
        "RS-EoT's counting reward; computed without overflow, a gold 0 is met by 0 only",
        NUMBER,
        &[PERCENT, PICK],
        |sample, params| by_number(sample, params, numeric::exponential),
    ),
    row(
        "relaxed_accuracy",
        "ChartQA: a number within 5 %, any other text exactly",
        "ChartQA (arXiv 2203.10244); exact_years refuses wrong years, all of which are within 5 % of each other",
        "a number or a text",
        &[
            ParamInfo::number(
                "relative",
                0.0,
                1.0,
                0.05,
                "allowed difference as a share of the ground truth",
            ),
            ParamInfo::flag("exact_years", false, "whole numbers from 1500 to 2100 must be met exactly"),
            PERCENT,
            PICK,
        ],
        relaxed_accuracy,
    ),
    row(
        "date",
        "1 when the answer is the same calendar day in any usual form, else 0",
        "document and chart question answering; days that do not exist are no dates",
        "a date",
        &[
            ParamInfo::choice(
                "form",
                &["exact", "parts"],
                "all or nothing, or a third for year, month and day",
            ),
            ParamInfo::choice("order", &["day_first", "month_first"], "what 3/4/2024 means"),
        ],
        day,
    ),
    row(
        "list",
        "how far the items of the answer are those of the gold list",
        "set matching of Conan and Curr-ReFT; repeated items do not pay twice",
        "a list of texts and numbers; an empty one is met by [] or the word none",
        &[
            ParamInfo::choice(
                "form",
                &["f1", "iou", "set", "ordered", "places"],
                "F1 of multisets, IoU of sets, equal sets, equal lists, or right items by place",
            ),
            NORMAL,
        ],
        items,
    ),
    row(
        "json_fields",
        "how many scalars of the gold object the answer's object has in the same place",
        "key information extraction (field F1); extra fields cost, except in the form recall",
        "an object with fields",
        &[ParamInfo::choice(
            "form",
            &["f1", "exact", "recall"],
            "F1, all and no others, or the share of gold",
        )],
        json_fields,
    ),
    RewardInfo {
        range: None,
        ..row(
            "baseline_corrected",
            "(correctness - chance) / (1 - chance): 0 for guessing, negative below it",
            "RS-EoT's baseline-corrected accuracy",
            "",
            &[ParamInfo::number("chance", 0.0, 0.99, 0.25, "the correctness that guessing gets")],
            baseline_corrected,
        )
    },
];
