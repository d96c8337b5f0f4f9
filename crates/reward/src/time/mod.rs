//! Time in videos: one stretch, several, frames, order, and time with place.
//!
//! The answer is read by [`spans()`]. An answer that cannot be read earns the lowest score of the reward.
//! With a field `duration`, stretches of the answer are cut at the end of the video, and a ground truth
//! beyond it is `Invalid`. No reward here pays for naming the whole video: recall is only ever paid
//! together with precision.

mod intervals;
mod order;
mod parse;
mod spatial;

pub use intervals::{Cover, tiou};
pub use order::{inversions, pairwise};
pub use parse::{MAX_SPANS, Span, Spans, spans};
pub use spatial::{arithmetic_mean, logarithmic_mean};

use std::collections::BTreeSet;

use eyas_core::Score;
use serde_json::Value;

use crate::boxes::lenient::{Kind, read};
use crate::boxes::{FRAME, GOLD_FRAME, f_beta, gold_numbers, settle};
use crate::{ParamInfo, Params, RewardInfo, Sample, Scorer, bad_gold, missing};

/// More frames are refused.
const MAX_FRAMES: usize = 10_000;

fn duration(sample: &Sample<'_>) -> Result<Option<f64>, Score> {
    match sample.fields.get("duration") {
        None => Ok(None),
        Some(v) => v.as_f64().filter(|v| *v > 0.0 && *v <= 1e6).map(Some).ok_or_else(|| missing("duration")),
    }
}

fn gold_span(value: &Value, duration: Option<f64>) -> Result<Span, Score> {
    let span = gold_numbers(value).and_then(|[start, end]| Span::new(start, end));
    let span = span
        .ok_or_else(|| bad_gold("a stretch of the ground truth is not [start, end] with 0 <= start < end"))?;
    match duration {
        // Annotations may pass the end by their rounding.
        Some(most) if span.end() > most + 1.0 => Err(bad_gold("the ground truth ends after the video")),
        _ => Ok(span),
    }
}

/// The stretches of the answer, cut at the end of the video; those beyond it are malformed.
fn said(sample: &Sample<'_>, duration: Option<f64>) -> Spans {
    let mut read = spans(sample.answer().unwrap_or(""));
    if let Some(most) = duration {
        let count = read.items.len();
        read.items = read.items.iter().filter_map(|s| Span::new(s.start(), s.end().min(most))).collect();
        read.malformed += count - read.items.len();
    }
    read
}

fn single(sample: &Sample<'_>, params: &Params) -> Result<f64, Score> {
    let duration = duration(sample)?;
    let gold = gold_span(sample.gold, duration)?;
    let read = said(sample, duration);
    let picked = match params.text("pick") {
        "last" => read.items.last(),
        "only" => read.items.first().filter(|_| read.items.len() + read.malformed == 1),
        _ => read.items.first(),
    };
    let value = picked.map_or(0.0, |s| tiou(*s, gold));
    if params.text("form") == "ends" {
        let length = duration.ok_or_else(|| missing("duration"))?;
        return Ok(picked.map_or(0.0, |s| value * ends(*s, gold, length)));
    }
    let hits = [0.3, 0.5, 0.7].iter().filter(|t| value >= **t).count() as f64;
    Ok(match params.text("form") {
        "hit" => f64::from(u8::from(value >= params.number("threshold"))),
        "mean_hits" => hits / 3.0,
        _ => value,
    })
}

/// How near both ends are to those of `gold`: the product of 1 less the distance over the length of the video.
fn ends(said: Span, gold: Span, length: f64) -> f64 {
    let near = |a: f64, b: f64| (1.0 - (a - b).abs() / length).max(0.0);
    near(said.start(), gold.start()) * near(said.end(), gold.end())
}

fn cover(sample: &Sample<'_>, score: impl Fn(Cover) -> f64) -> Result<f64, Score> {
    let duration = duration(sample)?;
    let gold = match gold_numbers::<2>(sample.gold) {
        Some(_) => vec![gold_span(sample.gold, duration)?],
        None => {
            let items = sample.gold.as_array().filter(|items| items.len() <= MAX_SPANS);
            let items = items.ok_or_else(|| bad_gold("the ground truth is not a list of stretches"))?;
            items.iter().map(|v| gold_span(v, duration)).collect::<Result<_, _>>()?
        }
    };
    let read = said(sample, duration);
    if gold.is_empty() {
        return Ok(f64::from(u8::from(read.none)));
    }
    if read.items.is_empty() {
        return Ok(0.0);
    }
    let readable = read.items.len() as f64 / (read.items.len() + read.malformed) as f64;
    Ok(score(Cover::of(&read.items, &gold)) * readable)
}

fn coverage(sample: &Sample<'_>, params: &Params) -> Result<f64, Score> {
    cover(sample, |c| match params.text("form") {
        "f1" => 2.0 * c.common / (c.said + c.gold),
        "of_longer" => c.common / c.said.max(c.gold),
        _ => c.recall() * c.precision(),
    })
}

fn whole(value: f64) -> Option<u64> {
    (value >= 0.0 && value.fract() == 0.0 && value <= 1e9).then_some(value as u64)
}

/// The frames of a text: whole numbers of its last complete list, or of a text of numbers and commas.
fn frames(text: &str) -> (BTreeSet<u64>, usize) {
    let forest = read(text);
    let list = forest.roots().rfind(|n| n.kind == Kind::List && n.complete);
    let numbers: Vec<Option<f64>> = match list {
        Some(list) => forest.children(list).map(|n| n.number()).collect(),
        None => {
            let words = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|w| !w.is_empty());
            words.take(MAX_FRAMES + 1).map(crate::boxes::lenient::ascii_number).collect()
        }
    };
    let mut out = BTreeSet::new();
    // Repeated frames and what is no frame count as wrong ones.
    let wrong = numbers.iter().filter(|v| !v.and_then(whole).is_some_and(|f| out.insert(f))).count();
    (out, wrong)
}

fn frame_hits(sample: &Sample<'_>, params: &Params) -> Result<f64, Score> {
    let items = sample.gold.as_array().filter(|items| items.len() <= MAX_FRAMES);
    let items = items.ok_or_else(|| bad_gold("the ground truth is not a list of frames"))?;
    let gold: Option<BTreeSet<u64>> = items.iter().map(|v| v.as_f64().and_then(whole)).collect();
    let gold = gold.ok_or_else(|| bad_gold("a frame of the ground truth is not a whole number"))?;
    let answer = sample.answer().unwrap_or("");
    let (said, wrong) = frames(answer);
    let predicted = said.len() + wrong;
    if gold.is_empty() {
        return Ok(f64::from(u8::from(spans(answer).none)));
    }
    let hits = said.intersection(&gold).count() as f64;
    Ok(match params.text("form") {
        "iou" => hits / (predicted as f64 + gold.len() as f64 - hits),
        _ => f_beta(hits, predicted, gold.len(), 1.0),
    })
}

fn ordering(sample: &Sample<'_>, params: &Params) -> Result<f64, Score> {
    let order = order::permutation(sample)?;
    let share = order.as_deref().map(pairwise);
    Ok(match params.text("form") {
        "exact" => f64::from(u8::from(order.is_some_and(|o| o.is_sorted()))),
        "kendall" => share.map_or(-1.0, |s| 2.0 * s - 1.0),
        _ => share.unwrap_or(0.0),
    })
}

fn v_star(sample: &Sample<'_>, params: &Params) -> Result<f64, Score> {
    let [what, when, place] = spatial::parts(sample, params)?;
    Ok(match params.text("form") {
        "lgm" => logarithmic_mean(what, when, place, params.number("cap")),
        _ => arithmetic_mean(what, when, place),
    })
}

const TIOU: RewardInfo = RewardInfo {
    name: "tiou",
    family: "time",
    doc: "temporal IoU of the stretch in the answer; 0 without one",
    source: "Temporal-R1, Time-R1 (form `ends`), defined when nothing overlaps; R@0.3/0.5/0.7 of Charades-STA",
    gold: "[start, end] in seconds",
    range: Some((0.0, 1.0)),
    params: &[
        ParamInfo::choice(
            "form",
            &["iou", "hit", "mean_hits", "ends"],
            "IoU; 1 from the threshold; share of 0.3, 0.5, 0.7 reached; Time-R1's IoU times how near both ends are, over `duration`",
        ),
        ParamInfo::number("threshold", 0.0, 1.0, 0.5, "the least IoU of a hit"),
        ParamInfo::choice(
            "pick",
            &["first", "last", "only"],
            "which stretch counts; with `only`, several are wrong",
        ),
    ],
    score: Scorer::Sample(|s, p| settle(single(s, p))),
};

/// The rewards of the family.
pub(crate) const REWARDS: &[RewardInfo] = &[
    TIOU,
    RewardInfo {
        name: "tiou_sets",
        doc: "temporal IoU of all stretches together, each moment counted once",
        source: "VideoChat-R1's multi-segment IoU; stretches that cannot be read cost their share",
        gold: "[[start, end], ...] in seconds; [] for none",
        params: &[],
        score: Scorer::Sample(|s, _| settle(cover(s, Cover::iou))),
        ..TIOU
    },
    RewardInfo {
        name: "time_coverage",
        doc: "recall of the right moments, paid only with precision: the whole video earns little",
        source: "LongVT's recall reward, which pays 1 for the whole video; here recall × precision, F1 or of the longer",
        gold: "[start, end], or [[start, end], ...], in seconds; [] for none",
        params: &[ParamInfo::choice(
            "form",
            &["recall_precision", "f1", "of_longer"],
            "recall × precision, their harmonic mean, or overlap over the longer of the two",
        )],
        score: Scorer::Sample(|s, p| settle(coverage(s, p))),
        ..TIOU
    },
    RewardInfo {
        name: "frame_hits",
        doc: "F1 or IoU of the named frames with the right ones; repeated frames cost",
        source: "Conan's clue reward (IoU of frame sets), and F1",
        gold: "a list of frame numbers; [] for none",
        params: &[ParamInfo::choice("form", &["f1", "iou"], "which measure")],
        score: Scorer::Sample(|s, p| settle(frame_hits(s, p))),
        ..TIOU
    },
    RewardInfo {
        name: "order",
        doc: "how much of the order is right; an answer that is no permutation earns the least",
        source: "ENACT (exact; its pairwise accuracy aligns changes of scenes), Kendall's tau; Jigsaw-R1 pays repeated items",
        gold: "the items in the right order, texts or numbers, each once",
        range: Some((-1.0, 1.0)),
        params: &[ParamInfo::choice(
            "form",
            &["pairwise", "kendall", "exact"],
            "share of pairs in order, tau from -1 to 1, or all or nothing",
        )],
        score: Scorer::Sample(|s, p| settle(ordering(s, p))),
        ..TIOU
    },
    RewardInfo {
        name: "v_star",
        doc: "what, when and where in one: mean, or logarithmic mean, of answer, tIoU and box IoU",
        source: "V-STaR's AM and LGM; answers compared by words, not by a judge; LGM is cut below infinity",
        gold: "{answer, time: [start, end], boxes: {frame: [x1, y1, x2, y2]}}; the answer in the same form",
        range: Some((0.0, 7.0)),
        params: &[
            FRAME,
            GOLD_FRAME,
            ParamInfo::choice("form", &["am", "lgm"], "arithmetic or logarithmic geometric mean"),
            ParamInfo::number("cap", 0.5, 0.999, 0.99, "the most that one part counts in the logarithm"),
        ],
        score: Scorer::Sample(|s, p| settle(v_star(s, p))),
        ..TIOU
    },
];
