//! Thoughts that point: coordinates in the thinking must fall on what the picture shows.

use eyas_core::Score;
use serde_json::Value;

use crate::structure::read;
use crate::{ParamInfo, Params, RewardInfo, Sample, Scorer, bad_gold};

/// Most points of a response, and most boxes; a response with more points earns 0.
pub const MAX_POINTS: usize = 256;

/// The reward as recipes name it.
pub(crate) const INFO: RewardInfo = RewardInfo {
    name: "grounded_points",
    family: "process",
    doc: "do the points (x, y) in <think> fall in the right boxes: F1 of boxes held and points that miss",
    source: "ViGoRL, arXiv 2505.23678; it pays for any coordinate, here each must fall on something",
    gold: "list of boxes [x1, y1, x2, y2], or of objects with bbox_2d, bbox or box",
    range: Some((0.0, 1.0)),
    params: &[ParamInfo::choice("form", &["f1", "precision", "recall"], "which of the three")],
    score: Scorer::Sample(score),
};

/// A box by its corners; the borders belong to it.
pub type Corners = [f64; 4];

/// Every `(x, y)` of a text, at most one more than [`MAX_POINTS`]. Plain decimal numbers only.
pub fn points(text: &str) -> Vec<(f64, f64)> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices('(') {
        // Two numbers of 64 characters at most: a bracket left open is not searched to the end.
        let rest = text.get(at + 1..).unwrap_or("");
        let Some(end) = rest.bytes().take(140).position(|c| c == b')') else { continue };
        let Some((x, y)) = rest.get(..end).and_then(|inside| inside.split_once(',')) else { continue };
        if let Some(point) = read::number(x).zip(read::number(y)) {
            found.push(point);
            if found.len() > MAX_POINTS {
                break;
            }
        }
    }
    found
}

/// Precision and recall: boxes that hold a point over these and the points that fall on nothing, and over
/// all boxes. Further points in a box that already holds one count neither way, so that a heap of points in
/// one place hides no misses. 0 and 0 without points.
pub fn hits(points: &[(f64, f64)], boxes: &[Corners]) -> (f64, f64) {
    let inside = |(x, y): &(f64, f64), b: &Corners| b[0] <= *x && *x <= b[2] && b[1] <= *y && *y <= b[3];
    if points.is_empty() || boxes.is_empty() {
        return (0.0, 0.0);
    }
    let misses = points.iter().filter(|p| !boxes.iter().any(|b| inside(p, b))).count();
    let held = boxes.iter().filter(|b| points.iter().any(|p| inside(p, b))).count();
    // Without a box held every point is a miss: the sum is never 0.
    (held as f64 / (held + misses) as f64, held as f64 / boxes.len() as f64)
}

fn boxes(gold: &Value) -> Option<Vec<Corners>> {
    let corners = |v: &Value| {
        let list = ["bbox_2d", "bbox", "box"].iter().find_map(|key| v.get(*key)).unwrap_or(v).as_array()?;
        let numbers: Vec<f64> = list.iter().map(Value::as_f64).collect::<Option<_>>()?;
        let b: Corners = numbers.try_into().ok()?;
        (b[0] <= b[2] && b[1] <= b[3]).then_some(b)
    };
    let list = gold.as_array().filter(|l| (1..=MAX_POINTS).contains(&l.len()))?;
    list.iter().map(corners).collect()
}

fn score(sample: &Sample<'_>, params: &Params) -> Score {
    let Some(boxes) = boxes(sample.gold) else { return bad_gold("the ground truth is no list of boxes") };
    let thoughts = sample.response.blocks().iter().filter(|b| b.tag == "think" && b.closed);
    let mut all: Vec<(f64, f64)> = Vec::new();
    for thought in thoughts {
        all.extend(points(thought.text));
        all.truncate(MAX_POINTS + 1);
    }
    if all.len() > MAX_POINTS {
        // Carpets of points say nothing of where anything is.
        return Score::Ok(0.0);
    }
    let (precision, recall) = hits(&all, &boxes);
    let value = match params.text("form") {
        "precision" => precision,
        "recall" => recall,
        _ if precision + recall > 0.0 => 2.0 * precision * recall / (precision + recall),
        _ => 0.0,
    };
    Score::from_value(value as f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_points() {
        assert_eq!(points("at (10, 20.5) and (-3,4)."), [(10.0, 20.5), (-3.0, 4.0)]);
        assert_eq!(points("(a, b) (1, 2, 3) (1) (nan, 2) (٣, 4) ((5, 6)) (7, "), [(5.0, 6.0)]);
        assert_eq!(points(&"(".repeat(1_000_000)), []);
        assert_eq!(points(&"(1,2)".repeat(1000)).len(), MAX_POINTS + 1);
    }

    #[test]
    fn hand_computed() {
        let boxes = [[0.0, 0.0, 10.0, 10.0], [50.0, 50.0, 60.0, 60.0]];
        assert_eq!(hits(&[(5.0, 5.0), (10.0, 10.0), (30.0, 30.0)], &boxes), (0.5, 0.5));
        assert_eq!(hits(&[], &boxes), (0.0, 0.0));
    }

    proptest! {
        #[test]
        fn further_points_in_the_same_place_earn_nothing(said in prop::collection::vec((0.0f64..50.0, 0.0f64..50.0), 0..9)) {
            let boxes = [[0.0, 0.0, 20.0, 20.0]];
            let twice: Vec<_> = said.iter().chain(&said).map(|(x, y)| (x + 1e-9, *y)).collect();
            let (once, again) = (hits(&said, &boxes), hits(&twice, &boxes));
            prop_assert!(again.0 <= once.0 && again.1 <= once.1);
        }
    }
}
