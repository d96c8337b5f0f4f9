//! Trajectories: how near a path is to the right one, and what a drive is worth.
//!
//! Paths are read by [`points()`](crate::points::points()), in the order in which they are written. An answer
//! without a point, with an item that should be one and is none, or with more than 1,000, earns 0; an
//! answer of one point is compared as a path that stands still.

mod curves;
mod driving;

pub use curves::{discrete_frechet, dtw, oriented_frechet, oriented_frechet_bound};
pub use driving::{Plan, diversity, pdm, plan};

use eyas_core::Score;

use crate::boxes::{FRAME, GOLD_FRAME, View, settle};
use crate::points::{MAX_POINTS, distance, gold_point, points};
use crate::{ParamInfo, Params, RewardInfo, Sample, Scorer, bad_gold};

type Path = Vec<[f64; 2]>;

/// The path of the answer, if it can be read, and that of the ground truth.
fn paths(sample: &Sample<'_>, view: View) -> Result<(Option<Path>, Path), Score> {
    let items = sample.gold.as_array().filter(|items| (1..=MAX_POINTS).contains(&items.len()));
    let items = items.ok_or_else(|| bad_gold("the ground truth is not a list of points"))?;
    let gold = items.iter().map(|v| gold_point(v, view)).collect::<Result<Path, _>>()?;
    let read = points(sample.answer().unwrap_or(""), false);
    let readable = !read.items.is_empty() && read.malformed == 0;
    let said = readable.then(|| read.items.iter().map(|p| view.point(*p)).collect());
    Ok((said, gold))
}

/// `1 - distance / scale` at least 0, of the paths in pixels.
fn scaled(
    sample: &Sample<'_>,
    params: &Params,
    measure: impl Fn(&[[f64; 2]], &[[f64; 2]]) -> Option<f64>,
) -> Result<f64, Score> {
    let (said, gold) = paths(sample, View::of(sample, params)?.in_pixels()?)?;
    let apart = said.and_then(|said| measure(&said, &gold));
    Ok(apart.map_or(0.0, |d| (1.0 - d / params.number("scale")).max(0.0)))
}

/// The distance of the last points.
pub fn end_point_distance(a: &[[f64; 2]], b: &[[f64; 2]]) -> Option<f64> {
    Some(distance(*a.last()?, *b.last()?))
}

fn vla_r1(sample: &Sample<'_>, params: &Params) -> Result<f64, Score> {
    let view = View::of(sample, params)?;
    let (said, gold) = paths(sample, view)?;
    let Some(said) = said else { return Ok(0.0) };
    // The formula weighs distances against angles: both paths go to the unit square.
    let (width, height) = view.bounds().ok_or_else(|| crate::missing("image_width"))?;
    let unit = |path: Path| path.iter().map(|[x, y]| [x / width, y / height]).collect::<Path>();
    let apart = oriented_frechet(&unit(said), &unit(gold)).unwrap_or(f64::INFINITY);
    Ok(1.0 - (apart / oriented_frechet_bound()).min(1.0))
}

const SCALE: ParamInfo =
    ParamInfo::number("scale", 1e-3, 1e7, 100.0, "the distance from which the score is 0, in pixels");

const DTW: RewardInfo = RewardInfo {
    name: "trajectory_dtw",
    family: "trajectory",
    doc: "1 less the mean distance along the best alignment over `scale`",
    source: "dynamic time warping over the points of the ground truth: repeating a right point dilutes nothing",
    gold: "[[x, y], ...], at least one",
    range: Some((0.0, 1.0)),
    params: &[FRAME, GOLD_FRAME, SCALE],
    score: Scorer::Sample(|s, p| settle(scaled(s, p, |a, b| Some(dtw(a, b)? / b.len() as f64)))),
};

/// The rewards of the family.
pub(crate) const REWARDS: &[RewardInfo] = &[
    DTW,
    RewardInfo {
        name: "trajectory_frechet",
        doc: "1 less the discrete Fréchet distance over `scale`: the worst moment counts",
        source: "Eiter and Mannila 1994",
        score: Scorer::Sample(|s, p| settle(scaled(s, p, discrete_frechet))),
        ..DTW
    },
    RewardInfo {
        name: "trajectory_endpoint",
        doc: "1 less the distance of the last points over `scale`",
        source: "final displacement error",
        score: Scorer::Sample(|s, p| settle(scaled(s, p, end_point_distance))),
        ..DTW
    },
    RewardInfo {
        name: "vla_r1_trajectory",
        doc: "1 less the Fréchet distance that also weighs direction and step length",
        source: "VLA-R1 (OSDFD over its bound) without its format term; steps of no length cost, where its code ignores their angle",
        params: &[FRAME, GOLD_FRAME],
        score: Scorer::Sample(|s, p| settle(vla_r1(s, p))),
        ..DTW
    },
    RewardInfo {
        name: "meta_action_f1",
        doc: "F1 of the planned meta-actions for speed and path, by what is at stake",
        source: "AlphaDrive's planning accuracy and action weights; listing all actions costs",
        gold: "{speed, path, weights}: words or lists of words; weights from 0 to 1 by word, 1 when absent",
        params: &[ParamInfo::choice("axis", &["both", "speed", "path"], "the mean of both, or one")],
        score: Scorer::Sample(driving::meta_action),
        ..DTW
    },
    RewardInfo {
        name: "alphadrive",
        doc: "meta-action F1 × weight × diversity within the group; 0, in the form `code` -most, without the format",
        source: "AlphaDrive's four terms: they multiply in the paper, its code adds diversity, by the order of the group",
        gold: "{speed, path, weights}: words or lists of words; weights from 0 to 1 by word, 1 when absent",
        range: Some((-1.0, 2.0)),
        params: &[
            ParamInfo::choice(
                "form",
                &["paper", "code"],
                "the product, or F1 × weight ± `most` with the code's weights",
            ),
            ParamInfo::number(
                "most",
                0.0,
                1.0,
                0.2,
                "what a plan loses when all others are the same; 0.4 in the code, lost or won",
            ),
        ],
        score: Scorer::Group(driving::alphadrive),
        ..DTW
    },
    RewardInfo {
        name: "pdm",
        doc: "the planner's score: safety terms multiply, progress, time to collision and comfort add up",
        source: "NAVSIM's PDMS of version 1 (AutoVLA; version 2 has more terms); fields no_collision, drivable, progress, time_to_collision, comfort",
        gold: "",
        params: &[],
        score: Scorer::Sample(|s, _| driving::pdm_score(s)),
        ..DTW
    },
];
