//! Points: in a box, in a mask, near the right place, one of several, or a set of them.
//!
//! The answer is read by [`points()`]. An answer without a point that can be read earns the lowest score
//! of the reward; a ground truth that cannot be read or lies outside the image is `Invalid`. Distances
//! are in pixels, so relative coordinates need the image size.

mod geometry;
mod parse;

pub use geometry::{Kernel, adaptive_exploration, any_collinear, distance};
pub use parse::{MAX_POINTS, Points, points};

pub(crate) use parse::point_of;

use eyas_core::Score;
use serde_json::Value;

use crate::boxes::{FRAME, GOLD_FRAME, Labelled, Mask, View, f_beta, gold_boxes, gold_numbers, settle};
use crate::matching::{Values, best};
use crate::{ParamInfo, Params, RewardInfo, Sample, Scorer, bad_gold};

const EDGES: ParamInfo =
    ParamInfo::choice("edges", &["inclusive", "strict"], "do the edges of a box belong to it?");
const CENTRES: ParamInfo =
    ParamInfo::flag("box_centre", false, "a box in the answer counts as the point in its middle");

/// The first point of the answer, in the common frame.
fn first(sample: &Sample<'_>, params: &Params, view: View) -> Option<[f64; 2]> {
    let read = points(sample.answer()?, params.flag("box_centre"));
    read.items.first().map(|p| view.point(*p))
}

fn rects(sample: &Sample<'_>, view: View) -> Result<Vec<Labelled>, Score> {
    let boxes = gold_boxes(sample.gold, view)?;
    if boxes.is_empty() { Err(bad_gold("the ground truth holds no box")) } else { Ok(boxes) }
}

fn hits(point: [f64; 2], boxes: &[Labelled], params: &Params) -> bool {
    boxes.iter().any(|b| b.area.contains(point, params.text("edges") == "strict"))
}

fn in_box(sample: &Sample<'_>, params: &Params) -> Result<f64, Score> {
    let view = View::of(sample, params)?;
    let gold = rects(sample, view)?;
    let hit = first(sample, params, view).is_some_and(|p| hits(p, &gold, params));
    Ok(f64::from(u8::from(hit)))
}

fn in_mask(sample: &Sample<'_>, params: &Params) -> Result<f64, Score> {
    let mask = Mask::from_json(sample.gold).filter(|m| m.area() > 0.0);
    let mask = mask.ok_or_else(|| bad_gold("the ground truth is not a mask with something in it"))?;
    let (height, width) = mask.size();
    let view = View::sized(params, Some((width as f64, height as f64)))?;
    let hit = first(sample, params, view).is_some_and(|p| mask.contains(p));
    Ok(f64::from(u8::from(hit)))
}

/// A point of the ground truth: two numbers, or an object with `point_2d` or `point`.
pub(crate) fn gold_point(value: &Value, view: View) -> Result<[f64; 2], Score> {
    let numbers = match value.as_object() {
        Some(object) => ["point_2d", "point"].iter().find_map(|k| object.get(*k)).and_then(gold_numbers),
        None => gold_numbers(value),
    };
    view.gold_point(numbers.ok_or_else(|| bad_gold("a point of the ground truth is not two numbers"))?)
}

fn near(sample: &Sample<'_>, params: &Params) -> Result<f64, Score> {
    let view = View::of(sample, params)?.in_pixels()?;
    let gold = gold_point(sample.gold, view)?;
    let kernel = match params.text("kernel") {
        "gaussian" => Kernel::Gaussian,
        "threshold" => Kernel::Threshold,
        _ => Kernel::Linear,
    };
    let said = first(sample, params, view);
    Ok(said.map_or(0.0, |p| kernel.score(distance(p, gold), params.number("scale"))))
}

fn exploration(sample: &Sample<'_>, params: &Params) -> Result<f64, Score> {
    let view = View::of(sample, params)?;
    let gold = rects(sample, view)?;
    let read = points(sample.answer().unwrap_or(""), params.flag("box_centre"));
    let slack = params.number("slack");
    let ill = read.items.is_empty()
        || read.malformed > 0
        || read.items.len() > params.count("max_points")
        || any_collinear(&read.items, slack);
    if ill {
        return Ok(-1.0);
    }
    let said: Vec<_> = read.items.iter().map(|p| view.point(*p)).collect();
    let rank = said.iter().position(|p| hits(*p, &gold, params)).map(|i| i + 1);
    Ok(adaptive_exploration(said.len(), rank))
}

fn set(sample: &Sample<'_>, params: &Params) -> Result<f64, Score> {
    let view = View::of(sample, params)?;
    let items = sample.gold.as_array().ok_or_else(|| bad_gold("the ground truth is not a list"))?;
    if items.len() > MAX_POINTS {
        return Err(bad_gold(format!("more than {MAX_POINTS} points in the ground truth")));
    }
    let read = points(sample.answer().unwrap_or(""), params.flag("box_centre"));
    if items.is_empty() {
        return Ok(f64::from(u8::from(read.none)));
    }
    let said: Vec<_> = read.items.iter().map(|p| view.point(*p)).collect();
    let is_point =
        |v: &Value| gold_numbers::<2>(v).is_some() || v.get("point_2d").or(v.get("point")).is_some();
    let values = if items.iter().all(is_point) {
        let (view, radius) = (view.in_pixels()?, params.number("radius"));
        let gold = items.iter().map(|v| gold_point(v, view)).collect::<Result<Vec<_>, _>>()?;
        let share = 1.0 / (said.len().min(gold.len()) + 1) as f64;
        Values::new(said.len(), gold.len(), |row, col| {
            let apart = said.get(row).zip(gold.get(col)).map_or(f64::INFINITY, |(s, g)| distance(*s, *g));
            // As many pairs as possible; of those the nearest.
            if apart <= radius { 1.0 + share * (1.0 - apart / radius) } else { 0.0 }
        })
    } else {
        let gold = gold_boxes(sample.gold, view)?;
        Values::new(said.len(), gold.len(), |row, col| {
            let inside = |(s, g): (&[f64; 2], &Labelled)| hits(*s, std::slice::from_ref(g), params);
            f64::from(u8::from(said.get(row).zip(gold.get(col)).is_some_and(inside)))
        })
    };
    let hits = best(&values).len() as f64;
    Ok(f_beta(hits, said.len() + read.malformed, items.len(), params.number("beta")))
}

const IN_BOX: RewardInfo = RewardInfo {
    name: "point_in_box",
    family: "points",
    doc: "1 when the first point of the answer lies in the box, or in one of several",
    source: "UI-R1, grounded-rl, ScreenSpot (edges belong to the box); GUI-R1 (they do not); floats count",
    gold: "[x1, y1, x2, y2], or a list of boxes of which any is right",
    range: Some((0.0, 1.0)),
    params: &[FRAME, GOLD_FRAME, EDGES, CENTRES],
    score: Scorer::Sample(|s, p| settle(in_box(s, p))),
};

/// The rewards of the family.
pub(crate) const REWARDS: &[RewardInfo] = &[
    IN_BOX,
    RewardInfo {
        name: "point_in_mask",
        doc: "1 when the first point of the answer lies on a foreground pixel of the mask",
        source: "pointing benchmarks with masks; the mask gives the image size",
        gold: "{size: [height, width], counts: [...] or COCO's string}, with something in it",
        params: &[FRAME, GOLD_FRAME, CENTRES],
        score: Scorer::Sample(|s, p| settle(in_mask(s, p))),
        ..IN_BOX
    },
    RewardInfo {
        name: "point_distance",
        doc: "how near the first point of the answer is, in pixels, by a kernel",
        source: "linear and Gaussian kernels; the threshold form is GUI-R1's 140 px",
        gold: "[x, y], or an object with point_2d or point",
        params: &[
            FRAME,
            GOLD_FRAME,
            CENTRES,
            ParamInfo::choice("kernel", &["linear", "gaussian", "threshold"], "how the score falls"),
            ParamInfo::number("scale", 1e-3, 1e7, 140.0, "0 from here on; sigma; or the last hit: pixels"),
        ],
        score: Scorer::Sample(|s, p| settle(near(s, p))),
        ..IN_BOX
    },
    RewardInfo {
        name: "point_aer",
        doc: "several candidates: more for few and for an early hit; sweeping along a line earns -1",
        source: "InfiGUI-G1's adaptive exploration reward, without its format point; repeated points earn -1",
        range: Some((-1.0, 1.0)),
        params: &[
            FRAME,
            GOLD_FRAME,
            EDGES,
            CENTRES,
            ParamInfo::number("max_points", 1.0, 64.0, 16.0, "more candidates earn -1"),
            ParamInfo::number("slack", 0.0, 1e4, 0.0, "how far off a line still is on it, as written"),
        ],
        score: Scorer::Sample(|s, p| settle(exploration(s, p))),
        ..IN_BOX
    },
    RewardInfo {
        name: "point_set_f1",
        doc: "F-score of points paired one to one with places, for counting and pointing at all of them",
        source: "F-β over the best pairing; a second point at the same place is a false positive",
        gold: "a list of points (hit within `radius`), or of boxes (hit inside); [] for none",
        params: &[
            FRAME,
            GOLD_FRAME,
            EDGES,
            CENTRES,
            ParamInfo::number("radius", 1e-3, 1e7, 20.0, "how far off a point may be, in pixels"),
            ParamInfo::number("beta", 0.1, 10.0, 1.0, "above 1 recall weighs more, below 1 precision"),
        ],
        score: Scorer::Sample(|s, p| settle(set(s, p))),
        ..IN_BOX
    },
];
