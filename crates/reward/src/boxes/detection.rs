//! Rewards for sets of boxes: every box that is missed and every box too many costs.

use eyas_core::Score;

use super::frame::{FRAME, GOLD_FRAME, INVERTED, OUTSIDE, View};
use super::parse::{Claim, Labelled, claim, gold_boxes};
use super::single::{SWITCH_AT, banded, bands, dynamic_threshold, settle};
use super::{giou, iou, union_iou};
use crate::matching::{Values, best, greedy};
use crate::{ParamInfo, Params, RewardInfo, Sample, Scorer, bad_gold};

/// What pairs are worth to the matching.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aim {
    /// As many pairs as possible, of those the best fitting.
    Hits,
    /// The greatest total IoU.
    Overlap,
}

/// Predictions paired with ground truth.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// Prediction, ground truth, IoU; by prediction.
    pub pairs: Vec<(usize, usize, f64)>,
    /// Everything that was claimed.
    pub predicted: usize,
    /// Everything there is.
    pub gold: usize,
}

impl Tally {
    /// The sum of the IoU of the pairs.
    pub fn overlap(&self) -> f64 {
        self.pairs.iter().map(|p| p.2).sum()
    }
}

/// May the two be paired? A ground truth without a label takes any.
pub(super) fn same_label(said: &Labelled, gold: &Labelled) -> bool {
    gold.label.is_none() || said.label == gold.label
}

/// Pairs boxes of the same label (unless `labels` is false) whose IoU is above 0 and at least
/// `threshold`: as many as possible, and of those pairings the one with the greatest IoU.
pub fn tally(claim: &Claim, gold: &[Labelled], threshold: f64, labels: bool) -> Tally {
    pair_up(claim, gold, threshold, labels, Aim::Hits, false)
}

pub(super) fn pair_up(
    claim: &Claim,
    gold: &[Labelled],
    threshold: f64,
    labels: bool,
    aim: Aim,
    greedily: bool,
) -> Tally {
    let said = &claim.boxes;
    let overlap = |row: usize, col: usize| match (said.get(row), gold.get(col)) {
        (Some(s), Some(g)) if !labels || same_label(s, g) => {
            Some(iou(s.area, g.area)).filter(|v| *v > 0.0 && *v >= threshold)
        }
        _ => None,
    };
    // All IoU together weigh less than one pair.
    let share = 1.0 / (said.len().min(gold.len()) + 1) as f64;
    let values = Values::new(said.len(), gold.len(), |row, col| match (overlap(row, col), aim) {
        (None, _) => 0.0,
        (Some(v), Aim::Hits) if !greedily => 1.0 + v * share,
        (Some(v), _) => v,
    });
    let pairs = if greedily { greedy(&values) } else { best(&values) };
    let pairs = pairs.iter().filter_map(|p| Some((p.0, p.1, overlap(p.0, p.1)?))).collect();
    Tally { pairs, predicted: claim.len(), gold: gold.len() }
}

/// F-β of `hits` among `predicted` and `gold`: above 1, β weighs recall more. 1 when there is nothing
/// and nothing was said.
pub fn f_beta(hits: f64, predicted: usize, gold: usize, beta: f64) -> f64 {
    let square = beta * beta;
    let below = square * gold as f64 + predicted as f64;
    if below > 0.0 { (1.0 + square) * hits / below } else { 1.0 }
}

/// Claim and ground truth; `Err(Ok(score))` where one of them is empty and the score is plain.
pub(super) type Read = Result<(Claim, Vec<Labelled>), Result<f64, Score>>;

pub(super) fn read(sample: &Sample<'_>, params: &Params) -> Read {
    let view = View::of(sample, params).map_err(Err)?.with_policies(params);
    let gold = gold_boxes(sample.gold, view).map_err(Err)?;
    let claim = claim(sample, view);
    if gold.is_empty() {
        return Err(Ok(f64::from(u8::from(claim.none))));
    }
    if claim.is_empty() { Err(Ok(0.0)) } else { Ok((claim, gold)) }
}

/// The score of `f` on claim and ground truth, both with something in them.
fn with(
    sample: &Sample<'_>,
    params: &Params,
    f: impl FnOnce(&Claim, &[Labelled]) -> Result<f64, Score>,
) -> Score {
    settle(match read(sample, params) {
        Ok((claim, gold)) => f(&claim, &gold),
        Err(plain) => plain,
    })
}

fn pairs(claim: &Claim, gold: &[Labelled], threshold: f64, aim: Aim, params: &Params) -> Tally {
    let greedily = params.text("matching") == "greedy";
    pair_up(claim, gold, threshold, params.flag("labels"), aim, greedily)
}

fn f1(sample: &Sample<'_>, params: &Params) -> Score {
    with(sample, params, |claim, gold| {
        let t = pairs(claim, gold, params.number("threshold"), Aim::Hits, params);
        Ok(f_beta(t.pairs.len() as f64, t.predicted, t.gold, params.number("beta")))
    })
}

fn v_triune(sample: &Sample<'_>, params: &Params) -> Score {
    with(sample, params, |claim, gold| {
        let t = pairs(claim, gold, dynamic_threshold(sample.progress.share()), Aim::Overlap, params);
        let share = params.number("completeness");
        let fit = t.overlap() / t.gold as f64;
        let difference = t.predicted.abs_diff(t.gold).min(1_000) as i32;
        let value = (1.0 - share) * fit + share * completeness(&t);
        Ok(value * params.number("size_penalty").powi(difference))
    })
}

fn mean_iou(sample: &Sample<'_>, params: &Params) -> Score {
    with(sample, params, |claim, gold| {
        let t = pairs(claim, gold, params.number("threshold"), Aim::Overlap, params);
        Ok(t.overlap() / t.predicted.max(t.gold) as f64)
    })
}

/// 1 less the mean of the shares of missed boxes and of false alarms.
fn completeness(t: &Tally) -> f64 {
    let hits = t.pairs.len() as f64;
    (hits / t.gold as f64 + hits / t.predicted as f64) / 2.0
}

fn weighted(sample: &Sample<'_>, params: &Params) -> Score {
    with(sample, params, |claim, gold| {
        let t = pairs(claim, gold, params.number("threshold"), Aim::Overlap, params);
        let share = params.number("iou_weight");
        let fit = t.overlap() / t.gold as f64;
        // Boxes too many cost in both terms: the first alone would not see them.
        let spare = (t.gold as f64 / t.predicted as f64).min(1.0);
        Ok(share * fit * spare + (1.0 - share) * completeness(&t))
    })
}

fn confident(sample: &Sample<'_>, params: &Params) -> Score {
    with(sample, params, |claim, gold| {
        let t = pairs(claim, gold, params.number("threshold"), Aim::Overlap, params);
        let most = t.predicted.max(t.gold) as f64;
        let mut honest = vec![false; claim.boxes.len()];
        t.pairs.iter().for_each(|p| honest[p.0] = true);
        let each = claim.boxes.iter().zip(&honest);
        let sum: f64 = each.map(|(b, hit)| if *hit { b.weight } else { 1.0 - b.weight }).sum();
        // Confidence earns in proportion to what was found: doubting noise is no merit of its own.
        let confidence = sum / t.predicted as f64 * (t.pairs.len() as f64 / most);
        let overlap = t.overlap() / most;
        Ok(match params.text("form") {
            "iou" => overlap,
            "confidence" => confidence,
            _ => (overlap + confidence) / 2.0,
        })
    })
}

/// The band of Vision-R1's recall, the same in both stages.
const RECALL_BAND: (f64, f64) = (0.5, 0.75);

fn vision_r1(sample: &Sample<'_>, params: &Params) -> Score {
    with(sample, params, |claim, gold| {
        let (low, high) = bands(sample, params);
        let t = pairs(claim, gold, low, Aim::Overlap, params);
        let fit =
            |&(said, there, overlap): &(usize, usize, f64)| match (claim.boxes.get(said), gold.get(there)) {
                (Some(s), Some(g)) if params.text("overlap") == "giou" => giou(s.area, g.area),
                _ => overlap,
            };
        let fits: Vec<f64> = t.pairs.iter().map(fit).collect();
        let precision = fits.iter().map(|v| banded(*v, low, high)).sum::<f64>() / t.predicted as f64;
        let hits = fits.iter().filter(|v| **v >= low).count() as f64;
        let found = banded(hits / t.gold as f64, RECALL_BAND.0, RECALL_BAND.1);
        // Recall alone would pay for covering the image with boxes.
        let recall = found * (t.gold as f64 / t.predicted as f64).min(1.0);
        Ok(match params.text("form") {
            "precision" => precision,
            "recall" => recall,
            _ => (precision + recall) / 2.0,
        })
    })
}

fn salience(sample: &Sample<'_>, params: &Params) -> Score {
    with(sample, params, |claim, gold| {
        let total: f64 = gold.iter().map(|g| g.weight).sum();
        if total <= 0.0 {
            return Err(bad_gold("the weights of the ground truth are all 0"));
        }
        let worth = |s: &Labelled, g: &Labelled| {
            if params.flag("labels") && !same_label(s, g) {
                0.0
            } else {
                g.weight / total * iou(s.area, g.area)
            }
        };
        let values = Values::new(claim.boxes.len(), gold.len(), |row, col| {
            claim.boxes.get(row).zip(gold.get(col)).map_or(0.0, |(s, g)| worth(s, g))
        });
        let sum: f64 = best(&values).iter().map(|p| p.2).sum();
        Ok(sum * (gold.len() as f64 / claim.len() as f64).min(1.0))
    })
}

fn union(sample: &Sample<'_>, params: &Params) -> Score {
    with(sample, params, |claim, gold| {
        let areas = |set: &[Labelled]| set.iter().map(|b| b.area).collect::<Vec<_>>();
        let value = union_iou(&areas(&claim.boxes), &areas(gold));
        Ok(value * claim.boxes.len() as f64 / claim.len() as f64)
    })
}

const THRESHOLD: ParamInfo = ParamInfo::number("threshold", 0.0, 1.0, 0.5, "the least IoU of a pair");
pub(super) const LABELS: ParamInfo =
    ParamInfo::flag("labels", true, "boxes pair only under the label of the ground truth, where it has one");
const MATCHING: ParamInfo =
    ParamInfo::choice("matching", &["hungarian", "greedy"], "the best pairing, or the best pair first");
pub(super) const GOLD: &str = "a list of boxes, [x1, y1, x2, y2] or {bbox_2d, label}; [] for none";

const F1: RewardInfo = RewardInfo {
    name: "detection_f1",
    family: "boxes",
    doc: "F-score of boxes paired one to one with the ground truth, by label and IoU",
    source: "F-β over the Hungarian matching; order, label stealing and duplicates have no effect or cost",
    gold: GOLD,
    range: Some((0.0, 1.0)),
    params: &[
        FRAME,
        GOLD_FRAME,
        INVERTED,
        OUTSIDE,
        LABELS,
        MATCHING,
        THRESHOLD,
        ParamInfo::number("beta", 0.1, 10.0, 1.0, "above 1 recall weighs more, below 1 precision"),
    ],
    score: Scorer::Sample(f1),
};

pub(super) const ALL: [RewardInfo; 8] = [
    F1,
    RewardInfo {
        name: "detection_iou",
        doc: "sum of the IoU of paired boxes over the larger of the two counts",
        source: "Visual-RFT v2's R_IoU with the best pairing; duplicates cost instead of being dropped",
        params: &[
            FRAME,
            GOLD_FRAME,
            INVERTED,
            OUTSIDE,
            LABELS,
            MATCHING,
            ParamInfo::number("threshold", 0.0, 1.0, 0.0, "the least IoU of a pair"),
        ],
        score: Scorer::Sample(mean_iou),
        ..F1
    },
    RewardInfo {
        name: "detection_weighted",
        doc: "weighted sum of fit and of completeness (missed boxes and false alarms)",
        source: "VLM-R1's weighted_sum: labels count while pairing, boxes too many cost in both terms",
        params: &[
            FRAME,
            GOLD_FRAME,
            INVERTED,
            OUTSIDE,
            LABELS,
            MATCHING,
            THRESHOLD,
            ParamInfo::number("iou_weight", 0.0, 1.0, 0.7, "weight of the fit; completeness has the rest"),
        ],
        score: Scorer::Sample(weighted),
        ..F1
    },
    RewardInfo {
        name: "visual_rft_detection",
        doc: "fit of the boxes, and confidence high on hits and low on misses",
        source: "Visual-RFT; its confidence term pays 1 for one wrong box of confidence 0, here × share found",
        params: &[
            FRAME,
            GOLD_FRAME,
            INVERTED,
            OUTSIDE,
            LABELS,
            MATCHING,
            THRESHOLD,
            ParamInfo::choice("form", &["mean", "iou", "confidence"], "both terms or one"),
        ],
        score: Scorer::Sample(confident),
        ..F1
    },
    RewardInfo {
        name: "vision_r1_detection",
        doc: "mean of banded precision and recall; the band of IoU rises during the training",
        source: "Vision-R1 (Griffon); boxes without a partner cost in both terms, where its code drops them, and labels pair",
        params: &[
            FRAME,
            GOLD_FRAME,
            INVERTED,
            OUTSIDE,
            LABELS,
            MATCHING,
            SWITCH_AT,
            ParamInfo::choice("form", &["mean", "precision", "recall"], "both terms or one"),
            ParamInfo::choice("overlap", &["iou", "giou"], "the paper's measure of a pair, or its code's"),
        ],
        score: Scorer::Sample(vision_r1),
        ..F1
    },
    RewardInfo {
        name: "v_triune_detection",
        doc: "fit and completeness at a threshold that rises with the training, less for every box too many or too few",
        source: "V-Triune (arXiv 2505.18129) without its optional mAP; the best pairing, and copies cost where its code drops them",
        params: &[
            FRAME,
            GOLD_FRAME,
            INVERTED,
            OUTSIDE,
            LABELS,
            MATCHING,
            ParamInfo::number("size_penalty", 0.0, 1.0, 0.6, "factor for each box too many or too few"),
            ParamInfo::number("completeness", 0.0, 1.0, 0.3, "weight of completeness; the fit has the rest"),
        ],
        score: Scorer::Sample(v_triune),
        ..F1
    },
    RewardInfo {
        name: "salience_iou",
        doc: "IoU of paired boxes, each weighted by how much the object matters",
        source: "GRiP's salience-weighted IoU; boxes too many divide it",
        gold: "a list of boxes {bbox_2d, label, weight}; a weight is 1 when absent",
        params: &[FRAME, GOLD_FRAME, INVERTED, OUTSIDE, LABELS],
        score: Scorer::Sample(salience),
        ..F1
    },
    RewardInfo {
        name: "union_iou",
        doc: "IoU of the area that all boxes cover together; how they are cut does not matter",
        source: "SATORI-R1's box reward, by an exact sweep; boxes that cannot be read cost their share",
        params: &[FRAME, GOLD_FRAME, INVERTED, OUTSIDE],
        score: Scorer::Sample(union),
        ..F1
    },
];

#[cfg(test)]
mod tests {
    use super::super::Box2;
    use super::*;
    use proptest::prelude::*;

    fn at(x: f64, label: &str) -> Labelled {
        let area = Box2::new(x, 0.0, x + 10.0, 10.0).unwrap();
        Labelled { area, label: Some(label.into()), weight: 1.0 }
    }

    fn claim_of(boxes: Vec<Labelled>) -> Claim {
        Claim { boxes, refused: 0, none: false }
    }

    #[test]
    fn a_box_of_another_label_steals_nothing() {
        let gold = [at(0.0, "cat")];
        let t = tally(&claim_of(vec![at(0.0, "dog"), at(1.0, "cat")]), &gold, 0.5, true);
        assert_eq!(t.pairs.len(), 1);
        assert_eq!((t.pairs[0].0, t.pairs[0].1), (1, 0));
        assert!((t.overlap() - 90.0 / 110.0).abs() < 1e-12);
        assert_eq!(tally(&claim_of(vec![at(0.0, "dog")]), &gold, 0.5, false).pairs.len(), 1);
    }

    #[test]
    fn f_beta_by_hand() {
        assert_eq!(
            (f_beta(1.0, 2, 1, 1.0), f_beta(0.0, 0, 0, 1.0), f_beta(0.0, 3, 0, 1.0)),
            (2.0 / 3.0, 1.0, 0.0)
        );
        // Precision 1/2, recall 1: F2 = 5·0.5 / (4·0.5 + 1).
        assert!((f_beta(1.0, 2, 1, 2.0) - 2.5 / 3.0).abs() < 1e-12);
    }

    fn boxes() -> impl Strategy<Value = Vec<Labelled>> {
        let one = (0u8..40, 0u8..3).prop_map(|(x, l)| at(f64::from(x), ["a", "b", "c"][usize::from(l)]));
        proptest::collection::vec(one, 1..6)
    }

    proptest! {
        #[test]
        fn order_does_not_matter_and_duplicates_never_pay(said in boxes(), gold in boxes()) {
            let score = |said: Vec<Labelled>, aim| {
                let t = pair_up(&claim_of(said), &gold, 0.5, true, aim, false);
                (f_beta(t.pairs.len() as f64, t.predicted, t.gold, 1.0),
                 t.overlap() / t.predicted.max(t.gold) as f64)
            };
            for aim in [Aim::Hits, Aim::Overlap] {
                let value = score(said.clone(), aim);
                let mut turned = said.clone();
                turned.reverse();
                let back = score(turned, aim);
                prop_assert!((value.0 - back.0).abs() < 1e-9 && (value.1 - back.1).abs() < 1e-9);
                prop_assert!((0.0..=1.0).contains(&value.0) && (0.0..=1.0).contains(&value.1));
                // A duplicate of a box that is right and alone earns nothing.
                if said.len() >= gold.len() {
                    let mut doubled = said.clone();
                    doubled.extend(said.clone());
                    prop_assert!(score(doubled, aim).1 <= value.1 + 1e-9);
                }
            }
        }
    }
}
