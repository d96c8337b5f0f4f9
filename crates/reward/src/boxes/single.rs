//! Rewards for one box: how well it fits, how strictly that is judged.

use eyas_core::Score;

use super::frame::{FRAME, GOLD_FRAME, INVERTED, OUTSIDE, View};
use super::parse::{boxes, gold_one};
use super::{Box2, diou, giou, iou};
use crate::{ParamInfo, Params, RewardInfo, Sample, Scorer, bad_gold, missing};

const PICK: ParamInfo = ParamInfo::choice(
    "pick",
    &["first", "last", "only"],
    "which box of the answer counts; with `only`, an answer with several is wrong",
);
const GOLD: &str = "[x1, y1, x2, y2], or an object with bbox_2d or bbox";

/// The score of a computation that may find the ground truth unreadable.
pub(crate) fn settle(result: Result<f64, Score>) -> Score {
    result.map_or_else(|invalid| invalid, |v| Score::from_value(v as f32))
}

/// The box of the answer and that of the ground truth, in one frame; `None` for the first when the
/// answer has none that can be read.
fn pair(sample: &Sample<'_>, params: &Params, pixels: bool) -> Result<(Option<Box2>, Box2), Score> {
    let mut view = View::of(sample, params)?.with_policies(params);
    if pixels {
        view = view.in_pixels()?;
    }
    let gold = gold_one(sample.gold, view)?;
    let read = boxes(sample.answer().unwrap_or(""));
    let picked = match params.text("pick") {
        "last" => read.items.last(),
        "only" => read.items.first().filter(|_| read.items.len() + read.malformed == 1),
        _ => read.items.first(),
    };
    Ok((picked.and_then(|w| view.rect(w.numbers)), gold))
}

fn overlap(sample: &Sample<'_>, params: &Params) -> Result<f64, Score> {
    let (said, gold) = pair(sample, params, false)?;
    Ok(said.map_or(0.0, |said| iou(said, gold)))
}

fn signed(said: Option<f64>, params: &Params) -> f64 {
    let value = said.unwrap_or(-1.0);
    match params.text("form") {
        "unit" => (value + 1.0) / 2.0,
        "clipped" => value.max(0.0),
        _ => value,
    }
}

/// V-Triune's threshold: 0.85 up to a tenth of the training, 0.95 up to a quarter, then 0.99.
pub fn dynamic_threshold(share: f64) -> f64 {
    if share <= 0.10 {
        0.85
    } else if share <= 0.25 {
        0.95
    } else {
        0.99
    }
}

/// 0 below `low`, 1 from `high` on, the value itself between.
pub fn banded(value: f64, low: f64, high: f64) -> f64 {
    if value >= high {
        1.0
    } else if value < low {
        0.0
    } else {
        value
    }
}

/// KARL's reward (DeepPerception): a hit earns its IoU, more the less the policy knew of the entity
/// before, at most 1; a miss costs more the better it knew it. `mastery` counts from 0 (knew nothing)
/// to 4 (knew everything).
pub fn karl(iou: f64, mastery: usize, threshold: f64) -> f64 {
    let (factor, miss) = match mastery {
        0 => (1.4, 0.0),
        1 => (1.2, -0.2),
        2 => (1.0, -0.4),
        3 => (0.85, -0.5),
        _ => (0.65, -0.6),
    };
    if iou > threshold { (iou * factor).min(1.0) } else { miss }
}

fn karl_score(sample: &Sample<'_>, params: &Params) -> Result<f64, Score> {
    let mastery = sample.number("mastery")?;
    if !(0.0..=4.0).contains(&mastery) || mastery.fract() != 0.0 {
        return Err(missing("mastery"));
    }
    Ok(karl(overlap(sample, params)?, mastery as usize, params.number("threshold")))
}

fn progressive(sample: &Sample<'_>, params: &Params) -> Result<f64, Score> {
    let value = overlap(sample, params)?;
    let (low, high) = bands(sample, params);
    Ok(banded(value, low, high))
}

/// Vision-R1's band of the present stage.
pub(super) fn bands(sample: &Sample<'_>, params: &Params) -> (f64, f64) {
    if sample.progress.share() < params.number("switch_at") { (0.5, 0.75) } else { (0.75, 0.9) }
}

pub(super) const SWITCH_AT: ParamInfo = ParamInfo::number(
    "switch_at",
    0.0,
    1.0,
    0.5,
    "share of the training after which the band 0.5–0.75 becomes 0.75–0.9",
);

fn dynamic(sample: &Sample<'_>, params: &Params) -> Result<f64, Score> {
    let value = overlap(sample, params)?;
    let hit = value >= dynamic_threshold(sample.progress.share());
    Ok(if !hit {
        0.0
    } else if params.text("form") == "hit" {
        1.0
    } else {
        value
    })
}

fn hit(sample: &Sample<'_>, params: &Params) -> Result<f64, Score> {
    let (value, threshold) = (overlap(sample, params)?, params.number("threshold"));
    let hit = if params.flag("strict") { value > threshold } else { value >= threshold };
    Ok(f64::from(u8::from(hit)))
}

fn any_of(sample: &Sample<'_>, params: &Params) -> Result<f64, Score> {
    let view = View::of(sample, params)?.with_policies(params);
    let golds = super::parse::gold_boxes(sample.gold, view)?;
    if golds.is_empty() {
        return Err(bad_gold("the ground truth holds no box"));
    }
    let read = boxes(sample.answer().unwrap_or(""));
    let said = read.items.first().and_then(|w| view.rect(w.numbers));
    Ok(said.map_or(0.0, |said| golds.iter().map(|g| iou(said, g.area)).fold(0.0, f64::max)))
}

const THRESHOLD: ParamInfo = ParamInfo::number("threshold", 0.0, 1.0, 0.5, "the least IoU of a hit");
const SIGNED: ParamInfo = ParamInfo::choice(
    "form",
    &["unit", "raw", "clipped"],
    "(v + 1) / 2, which pays 0.5 for a box around everything; v itself from -1; or max(0, v)",
);

pub(super) const IOU: RewardInfo = RewardInfo {
    name: "iou",
    family: "boxes",
    doc: "IoU of the box in the answer; 0 without one",
    source: "VLM-R1 and others; continuous, where theirs gives identical 0–1 or one-pixel boxes 0",
    gold: GOLD,
    range: Some((0.0, 1.0)),
    params: &[FRAME, GOLD_FRAME, INVERTED, OUTSIDE, PICK],
    score: Scorer::Sample(|s, p| settle(overlap(s, p))),
};

pub(super) const ALL: [RewardInfo; 10] = [
    IOU,
    RewardInfo {
        name: "iou_squared",
        doc: "squared IoU of the box in the answer: a steeper slope near the perfect fit",
        source: "PR1's grounding reward, without eval(); inverted corners are no box, where it takes areas below 0",
        score: Scorer::Sample(|s, p| settle(overlap(s, p).map(|v| v * v))),
        ..IOU
    },
    RewardInfo {
        name: "iou_hit",
        doc: "1 when the IoU of the box in the answer reaches the threshold, else 0",
        source: "Acc@0.5 of RefCOCO; Curr-ReFT and UniVG-R1 with a strict threshold",
        params: &[
            FRAME,
            GOLD_FRAME,
            INVERTED,
            OUTSIDE,
            PICK,
            THRESHOLD,
            ParamInfo::flag("strict", false, "the threshold itself is not a hit"),
        ],
        score: Scorer::Sample(|s, p| settle(hit(s, p))),
        ..IOU
    },
    RewardInfo {
        name: "iou_capped",
        doc: "IoU over `cap`, at most 1: no more is asked than a good fit",
        source: "InfiGUI-R1's box reward, min(1, IoU / 0.7)",
        params: &[
            FRAME,
            GOLD_FRAME,
            INVERTED,
            OUTSIDE,
            PICK,
            ParamInfo::number("cap", 0.05, 1.0, 0.7, "the IoU that earns everything"),
        ],
        score: Scorer::Sample(|s, p| settle(overlap(s, p).map(|v| (v / p.number("cap")).min(1.0)))),
        ..IOU
    },
    RewardInfo {
        name: "iou_dynamic",
        doc: "IoU where it reaches a threshold that rises with the training (0.85, 0.95, 0.99), else 0",
        source: "V-Triune's dynamic IoU reward (arXiv 2505.18129): steps at 10 % and 25 %",
        params: &[
            FRAME,
            GOLD_FRAME,
            INVERTED,
            OUTSIDE,
            PICK,
            ParamInfo::choice("form", &["iou", "hit"], "what a hit earns: its IoU, or 1"),
        ],
        score: Scorer::Sample(|s, p| settle(dynamic(s, p))),
        ..IOU
    },
    RewardInfo {
        name: "iou_progressive",
        doc: "0 below a band of IoU, 1 above it, the IoU inside; the band rises during the training",
        source: "Vision-R1 (Griffon): 0.5–0.75, later 0.75–0.9; by share of the training, not by step 1500; a bound itself is above",
        params: &[FRAME, GOLD_FRAME, INVERTED, OUTSIDE, PICK, SWITCH_AT],
        score: Scorer::Sample(|s, p| settle(progressive(s, p))),
        ..IOU
    },
    RewardInfo {
        name: "iou_any",
        doc: "IoU of the first box in the answer with the best of several right ones",
        source: "GRiP's any-of reward over valid pathways, for boxes",
        gold: "a list of boxes, at least one, each of them right",
        params: &[FRAME, GOLD_FRAME, INVERTED, OUTSIDE],
        score: Scorer::Sample(|s, p| settle(any_of(s, p))),
        ..IOU
    },
    RewardInfo {
        name: "giou",
        doc: "generalised IoU: boxes that do not meet still learn in which direction to move",
        source: "arXiv 1902.09630; (GIoU + 1) / 2 as in VLA-R1; an answer without a box earns the least",
        range: Some((-1.0, 1.0)),
        params: &[FRAME, GOLD_FRAME, INVERTED, OUTSIDE, PICK, SIGNED],
        score: Scorer::Sample(|s, p| {
            settle(pair(s, p, false).map(|(said, gold)| signed(said.map(|b| giou(b, gold)), p)))
        }),
        ..IOU
    },
    RewardInfo {
        name: "diou",
        doc: "distance IoU, in pixels: IoU less the squared distance of the centres",
        source: "arXiv 1911.08287; relative coordinates need the image size, for they bend distances",
        range: Some((-1.0, 1.0)),
        params: &[FRAME, GOLD_FRAME, INVERTED, OUTSIDE, PICK, SIGNED],
        score: Scorer::Sample(|s, p| {
            settle(pair(s, p, true).map(|(said, gold)| signed(said.map(|b| diou(b, gold)), p)))
        }),
        ..IOU
    },
    RewardInfo {
        name: "karl",
        doc: "IoU of a hit, more for entities that the policy did not know; a miss on known ones costs",
        source: "DeepPerception's KARL; field `mastery`, 0 (knew nothing) to 4 (knew everything)",
        range: Some((-0.6, 1.0)),
        params: &[
            FRAME,
            GOLD_FRAME,
            INVERTED,
            OUTSIDE,
            PICK,
            ParamInfo::number("threshold", 0.0, 1.0, 0.65, "a hit has an IoU above this"),
        ],
        score: Scorer::Sample(|s, p| settle(karl_score(s, p))),
        ..IOU
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_and_bands_by_hand() {
        let at = [0.0, 0.1, 0.1001, 0.25, 0.2501, 1.0].map(dynamic_threshold);
        assert_eq!(at, [0.85, 0.85, 0.95, 0.95, 0.99, 0.99]);
        let value = |v| banded(v, 0.5, 0.75);
        assert_eq!([0.4999, 0.5, 0.6, 0.75, 0.9].map(value), [0.0, 0.5, 0.6, 1.0, 1.0]);
    }

    #[test]
    fn karl_by_hand() {
        assert!((karl(0.8, 4, 0.65) - 0.52).abs() < 1e-12);
        assert_eq!([karl(0.8, 0, 0.65), karl(0.65, 4, 0.65), karl(0.1, 0, 0.65)], [1.0, -0.6, 0.0]);
    }
}
