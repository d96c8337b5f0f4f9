//! Average precision of one sample, with a price on every false positive.
//!
//! Models that write boxes give no scores, or scores of their own making, which opens two ways to be
//! paid for spam in the usual AP: boxes ranked after the last hit are free, and so are boxes of labels
//! that the image does not hold. Here
//! - boxes of equal confidence are one rank: the curve has one point, and AP is recall × precision,
//!   whatever the order of the boxes (COCO's depends on it);
//! - labels that were only claimed are classes with an AP of 0;
//! - where confidences count, AP is multiplied by the precision over all boxes;
//! - boxes that cannot be read multiply the result by the share of those that can.

use std::collections::BTreeSet;

use super::detection::{GOLD, LABELS, read};
use super::frame::{FRAME, GOLD_FRAME, INVERTED, OUTSIDE};
use super::parse::{Claim, Labelled};
use super::{Box2, iou, settle};
use crate::matching::{Values, best};
use crate::{ParamInfo, Params, RewardInfo, Sample, Scorer};
use eyas_core::Score;

/// How well ranked predictions found the boxes of one class.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ranked {
    /// The area under the precision–recall curve, precision made falling.
    pub area: f64,
    /// The share of predictions that hit.
    pub precision: f64,
}

/// AP of `said` (box and confidence) against `gold` at an IoU of `threshold`. Equal confidences are one
/// rank. Without ground truth or without predictions everything is 0.
pub fn average_precision(said: &[(Box2, f64)], gold: &[Box2], threshold: f64) -> Ranked {
    if said.is_empty() || gold.is_empty() {
        return Ranked::default();
    }
    let mut order: Vec<(Box2, f64)> = said.to_vec();
    order.sort_by(|a, b| b.1.total_cmp(&a.1));
    let mut free: Vec<Box2> = gold.to_vec();
    // Recall and precision after each rank.
    let mut curve: Vec<(f64, f64)> = Vec::new();
    let (mut seen, mut hits) = (0, 0);
    for rank in order.chunk_by(|a, b| a.1 == b.1) {
        let share = 1.0 / (rank.len().min(free.len()) + 1) as f64;
        let values = Values::new(rank.len(), free.len(), |row, col| {
            let overlap = rank.get(row).zip(free.get(col)).map_or(0.0, |(s, g)| iou(s.0, *g));
            if overlap > 0.0 && overlap >= threshold { 1.0 + overlap * share } else { 0.0 }
        });
        let mut taken: Vec<usize> = best(&values).iter().map(|p| p.1).collect();
        seen += rank.len();
        hits += taken.len();
        taken.sort_unstable();
        taken.iter().rev().for_each(|i| {
            free.swap_remove(*i);
        });
        curve.push((hits as f64 / gold.len() as f64, hits as f64 / seen as f64));
    }
    let (mut area, mut ceiling) = (0.0, 0.0_f64);
    for (i, (recall, precision)) in curve.iter().enumerate().rev() {
        ceiling = ceiling.max(*precision);
        let before = i.checked_sub(1).and_then(|i| curve.get(i)).map_or(0.0, |p| p.0);
        area += (recall - before) * ceiling;
    }
    Ranked { area, precision: hits as f64 / seen as f64 }
}

/// AP averaged over all labels, those of the ground truth and those that were claimed.
fn mean_over_labels(claim: &Claim, gold: &[Labelled], threshold: f64, labels: bool, ranked: bool) -> f64 {
    let labels = labels && gold.iter().any(|g| g.label.is_some());
    fn class(b: &Labelled, labels: bool) -> Option<&str> {
        b.label.as_deref().filter(|_| labels)
    }
    let classes: BTreeSet<_> = gold.iter().chain(&claim.boxes).map(|b| class(b, labels)).collect();
    // A spray of labels must not make this slow: those without ground truth only count.
    let present: BTreeSet<_> = gold.iter().map(|b| class(b, labels)).collect();
    let of = |wanted: &Option<&str>| {
        let said = claim.boxes.iter().filter(|b| class(b, labels) == *wanted);
        let said: Vec<_> = said.map(|b| (b.area, if ranked { b.weight } else { 1.0 })).collect();
        let there: Vec<_> = gold.iter().filter(|g| class(g, labels) == *wanted).map(|g| g.area).collect();
        let ap = average_precision(&said, &there, threshold);
        if ranked { ap.area * ap.precision } else { ap.area }
    };
    let total: f64 = present.iter().map(of).sum();
    let readable = claim.boxes.len() as f64 / claim.len().max(1) as f64;
    total / classes.len().max(1) as f64 * readable
}

fn value(claim: &Claim, gold: &[Labelled], params: &Params) -> f64 {
    let at = |t: f64| mean_over_labels(claim, gold, t, params.flag("labels"), params.flag("confidence"));
    match params.text("thresholds") {
        "single" => at(params.number("threshold")),
        _ => (0..10).map(|i| at(f64::from(50 + 5 * i) / 100.0)).sum::<f64>() / 10.0,
    }
}

fn score(sample: &Sample<'_>, params: &Params, length: bool) -> Score {
    settle(match read(sample, params) {
        Ok((claim, gold)) => {
            let factor = (gold.len() as f64 / claim.len() as f64).min(1.0);
            Ok(value(&claim, &gold, params) * if length { factor } else { 1.0 })
        }
        Err(plain) => plain,
    })
}

const MAP: RewardInfo = RewardInfo {
    name: "mean_average_precision",
    family: "boxes",
    doc: "AP averaged over labels and IoU thresholds; every false positive costs",
    source: "VLM-R1's od_ap, where boxes of labels that the image does not hold are free",
    gold: GOLD,
    range: Some((0.0, 1.0)),
    params: &[
        FRAME,
        GOLD_FRAME,
        INVERTED,
        OUTSIDE,
        LABELS,
        ParamInfo::choice("thresholds", &["coco", "single"], "0.5 to 0.95 in ten steps, or `threshold`"),
        ParamInfo::number("threshold", 0.0, 1.0, 0.5, "the least IoU of a hit, when there is one"),
        ParamInfo::flag("confidence", false, "rank boxes by the confidence that the answer gives"),
    ],
    score: Scorer::Sample(|s, p| score(s, p, false)),
};

pub(super) const ALL: [RewardInfo; 2] = [
    MAP,
    RewardInfo {
        name: "od_length",
        doc: "average precision × min(1, boxes there are / boxes claimed): long lists do not pay",
        source: "VLM-R1's odLength on an AP in which labels that the image does not hold cost",
        score: Scorer::Sample(|s, p| score(s, p, true)),
        ..MAP
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(x: f64) -> Box2 {
        Box2::new(x, 0.0, x + 10.0, 10.0).unwrap()
    }

    #[test]
    fn ap_by_hand() {
        let gold = [at(0.0), at(100.0)];
        let ap = |said: &[(Box2, f64)]| average_precision(said, &gold, 0.5);
        assert_eq!(ap(&[(at(0.0), 1.0), (at(100.0), 1.0)]), Ranked { area: 1.0, precision: 1.0 });
        // One hit of two: recall 1/2 at precision 1/2.
        assert_eq!(ap(&[(at(0.0), 1.0), (at(50.0), 1.0)]), Ranked { area: 0.25, precision: 0.5 });
        // Ranked: the hit comes first, at precision 1.
        assert_eq!(ap(&[(at(0.0), 0.9), (at(50.0), 0.1)]).area, 0.5);
        // Hit, miss, hit: 1/2·1 + 1/2·2/3.
        let area = ap(&[(at(0.0), 0.9), (at(50.0), 0.5), (at(100.0), 0.1)]).area;
        assert!((area - (0.5 + 1.0 / 3.0)).abs() < 1e-12);
        assert_eq!((ap(&[]), average_precision(&[(at(0.0), 1.0)], &[], 0.5)), Default::default());
    }

    proptest! {
        #[test]
        fn bounded_and_blind_to_order(xs in proptest::collection::vec((0u8..60, 0u8..4), 1..8)) {
            let gold = [at(0.0), at(30.0), at(33.0)];
            let said: Vec<_> = xs.iter().map(|(x, c)| (at(f64::from(*x)), f64::from(*c) / 4.0)).collect();
            let value = average_precision(&said, &gold, 0.5);
            prop_assert!((0.0..=1.0).contains(&value.area) && (0.0..=1.0).contains(&value.precision));
            let flat: Vec<_> = said.iter().map(|s| (s.0, 1.0)).collect();
            let mut back = flat.clone();
            back.reverse();
            let area = average_precision(&flat, &gold, 0.5).area;
            prop_assert!((area - average_precision(&back, &gold, 0.5).area).abs() < 1e-12);
            let mut doubled = flat.clone();
            doubled.push(flat[0]);
            prop_assert!(average_precision(&doubled, &gold, 0.5).precision <= 1.0);
            // A box far from everything always costs.
            let mut spam = flat.clone();
            spam.push((at(500.0), 1.0));
            prop_assert!(average_precision(&spam, &gold, 0.5).area <= area);
        }
    }
}
