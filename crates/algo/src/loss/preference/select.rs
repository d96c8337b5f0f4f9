//! Which responses are compared with each other.
//!
//! Indices are positions in the group of responses to one prompt; [`Pair::offset`] makes positions in a batch
//! of them. A score of `None` or NaN is none: that response is in no pair.

use serde::{Deserialize, Serialize};

use super::{HardSample, Pair, hard_sample_weight};
use crate::loss::{LossError, at_least_zero};

/// Settings of [`all_pairs`] and [`best_and_worst`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScorePairs {
    /// Scores must differ by at least this; at least 0. Equal scores never make a pair.
    pub min_difference: f64,
}

impl Default for ScorePairs {
    /// 1, as RLAIF-V: one wrong claim more.
    fn default() -> Self {
        Self { min_difference: 1.0 }
    }
}

impl ScorePairs {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`LossError::Config`] naming the setting.
    pub fn check(&self) -> Result<(), LossError> {
        at_least_zero("min_difference", self.min_difference)
    }

    fn pair(&self, scores: &[Option<f64>], i: usize, j: usize) -> Option<Pair> {
        let (a, b) = (score(scores, i)?, score(scores, j)?);
        let difference = (a - b).abs();
        let differ = difference > 0.0 && difference >= self.min_difference;
        differ.then(|| if a > b { Pair::new(i, j) } else { Pair::new(j, i) })
    }
}

fn score(scores: &[Option<f64>], i: usize) -> Option<f64> {
    scores[i].filter(|s| !s.is_nan())
}

/// Every two responses whose scores differ by enough, in index order (RLAIF-V: Yu et al., arXiv 2405.17220:
/// the score is minus the number of claims that were judged wrong, the difference at least 1).
///
/// **Faithful:** as its code, which then draws two pairs of a prompt at random; see [`strongest_pairs`].
pub fn all_pairs(scores: &[Option<f64>], cfg: &ScorePairs) -> Vec<Pair> {
    let others = |i| (i + 1..scores.len()).map(move |j| (i, j));
    (0..scores.len()).flat_map(others).filter_map(|(i, j)| cfg.pair(scores, i, j)).collect()
}

/// The `max` pairs with the largest difference of scores, the first ones where they are equal; in the order
/// given.
///
/// **Reading:** where a paper draws pairs at random.
pub fn strongest_pairs(pairs: &[Pair], scores: &[Option<f64>], max: usize) -> Vec<Pair> {
    let gap = |p: &Pair| match (score(scores, p.chosen), score(scores, p.rejected)) {
        (Some(a), Some(b)) if !(a - b).is_nan() => a - b,
        _ => 0.0,
    };
    let mut order: Vec<usize> = (0..pairs.len()).collect();
    order.sort_by(|&a, &b| gap(&pairs[b]).total_cmp(&gap(&pairs[a])));
    order.truncate(max);
    order.sort_unstable();
    order.into_iter().map(|i| pairs[i]).collect()
}

/// The best response against the worst one; the first of equal ones. `None` where they do not differ by
/// enough.
pub fn best_and_worst(scores: &[Option<f64>], cfg: &ScorePairs) -> Option<Pair> {
    let valid = || (0..scores.len()).filter_map(|i| Some((i, score(scores, i)?)));
    let best = valid().reduce(|a, b| if b.1 > a.1 { b } else { a })?;
    let worst = valid().reduce(|a, b| if b.1 < a.1 { b } else { a })?;
    cfg.pair(scores, best.0, worst.0)
}

/// The candidate that a verifier took against each of the others (step-wise DPO of SPORT: Li et al.,
/// "Iterative Tool Usage Exploration"). No pairs where there is no such candidate.
///
/// **Faithful:** as in its mechanism: same context, the best step against the others.
pub fn best_against_others(candidates: usize, best: usize) -> Vec<Pair> {
    let others = (0..candidates).filter(|&i| i != best);
    if best < candidates { others.map(|i| Pair::new(best, i)).collect() } else { vec![] }
}

/// Settings of [`visrl_pair`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VisrlPairs {
    /// Accuracy and box of the chosen response are at least this.
    pub high: f64,
    /// Accuracy and box of the rejected response are at most this; less than `high`.
    pub low: f64,
}

impl Default for VisrlPairs {
    fn default() -> Self {
        Self { high: 0.8, low: 0.2 }
    }
}

impl VisrlPairs {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`LossError::Config`] naming the setting.
    pub fn check(&self) -> Result<(), LossError> {
        if self.low.is_finite() && self.high.is_finite() && self.low < self.high {
            return Ok(());
        }
        Err(LossError::Config { name: "low", value: self.low, range: "less than high" })
    }
}

/// The most accurate response whose answer and box are both good against the least accurate one whose answer
/// and box are both bad (VisRL: Chen et al., "Intention-Driven Visual Perception via Reinforced Reasoning").
/// Of equally accurate ones the box decides, then the index. `None` where one of them is not there: the prompt
/// is too easy, too hard, or the box does not tell.
///
/// `answers`, `boxes`: scores in `0..=1`, of the same length; a response with only one of them is left out.
///
/// **Faithful:** the thresholds. **Reading:** the order among several that pass.
pub fn visrl_pair(answers: &[Option<f64>], boxes: &[Option<f64>], cfg: &VisrlPairs) -> Option<Pair> {
    let n = answers.len().min(boxes.len());
    let both = || (0..n).filter_map(|i| Some((i, score(answers, i)?, score(boxes, i)?)));
    let more = |a: &(usize, f64, f64), b: &(usize, f64, f64)| (b.1, b.2) > (a.1, a.2);
    let chosen = both()
        .filter(|c| c.1 >= cfg.high && c.2 >= cfg.high)
        .reduce(|a, b| if more(&a, &b) { b } else { a })?;
    let rejected = both()
        .filter(|c| c.1 <= cfg.low && c.2 <= cfg.low)
        .reduce(|a, b| if more(&b, &a) { b } else { a })?;
    Some(Pair::new(chosen.0, rejected.0))
}

/// Right answers against wrong ones, weighted by how hard the prompt is; none where all are alike (HS-DPO of
/// GuardReasoner: Liu et al., arXiv 2501.18492). Each right one is compared with each wrong one.
///
/// **Reading:** that all of them are compared; for the weight see [`hard_sample_weight`].
pub fn hard_sample_pairs(correct: &[Option<bool>], cfg: &HardSample) -> Vec<Pair> {
    let of =
        |want: bool| -> Vec<usize> { (0..correct.len()).filter(|&i| correct[i] == Some(want)).collect() };
    let (right, wrong) = (of(true), of(false));
    let Some(weight) = hard_sample_weight(right.len(), wrong.len(), cfg) else { return vec![] };
    let against = |&r: &usize| wrong.iter().map(move |&w| Pair { weight, ..Pair::new(r, w) });
    right.iter().flat_map(against).collect()
}

/// Leaves out pairs whose chosen response is much shorter than the rejected one, so that over the data set both
/// are about equally long and length is no hint.
///
/// Of the thresholds 0, 0.02, … 0.98 for `(rejected − chosen) / rejected` the one is taken under which the mean
/// lengths of what remains differ least, relative to that of the rejected; the smallest of equal ones. A pair
/// whose rejected response is empty stays.
///
/// `lengths`: of each response, which may lie in different groups. A pair that names a response that is not
/// there is left out.
///
/// **Faithful:** as the code of RLAIF-V (arXiv 2405.17220), which counts words.
pub fn length_balanced(pairs: &[Pair], lengths: &[usize]) -> Vec<Pair> {
    let both = |p: &Pair| Some((*lengths.get(p.chosen)? as f64, *lengths.get(p.rejected)? as f64));
    let shorter = |p: &Pair| both(p).map(|(c, r)| if r > 0.0 { (r - c) / r } else { 0.0 });
    let kept = |threshold: f64| move |p: &&Pair| shorter(p).is_some_and(|s| s <= threshold);
    let mut best: Option<(f64, f64)> = None;
    for step in 0..50 {
        let threshold = f64::from(step) * 0.02;
        let (chosen, rejected) = pairs
            .iter()
            .filter(kept(threshold))
            .filter_map(both)
            .fold((0.0, 0.0), |(c, r), (dc, dr)| (c + dc, r + dr));
        if rejected > 0.0 {
            let difference = (chosen - rejected).abs() / rejected;
            if best.is_none_or(|(least, _)| difference < least) {
                best = Some((difference, threshold));
            }
        }
    }
    let threshold = best.map_or(1.0, |b| b.1);
    pairs.iter().filter(kept(threshold)).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ids(pairs: &[Pair]) -> Vec<(usize, usize)> {
        pairs.iter().map(|p| (p.chosen, p.rejected)).collect()
    }

    #[test]
    fn pairs_differ_by_at_least_one_wrong_claim() {
        // Wrong claims 0, 2, 1, 2 and one response that was not judged.
        let scores = [Some(0.0), Some(-2.0), Some(-1.0), Some(-2.0), None];
        let pairs = all_pairs(&scores, &ScorePairs::default());
        assert_eq!(ids(&pairs), [(0, 1), (0, 2), (0, 3), (2, 1), (2, 3)]);
        assert_eq!(ids(&strongest_pairs(&pairs, &scores, 2)), [(0, 1), (0, 3)]);
        assert_eq!(strongest_pairs(&pairs, &scores, 9), pairs);
        assert_eq!(ids(&all_pairs(&scores, &ScorePairs { min_difference: 2.0 })), [(0, 1), (0, 3)]);
        assert!(all_pairs(&[Some(1.0); 3], &ScorePairs { min_difference: 0.0 }).is_empty());
        assert!(ScorePairs { min_difference: -1.0 }.check().is_err());
    }

    #[test]
    fn best_worst_and_the_others() {
        let cfg = ScorePairs { min_difference: 0.5 };
        let scores = [Some(0.4), Some(0.9), Some(f64::NAN), Some(0.1), Some(0.9), Some(0.1)];
        assert_eq!(best_and_worst(&scores, &cfg), Some(Pair::new(1, 3)));
        assert_eq!(best_and_worst(&[Some(0.4), Some(0.5)], &cfg), None);
        assert_eq!(best_and_worst(&[None, Some(0.5)], &cfg), None);
        assert_eq!(best_and_worst(&[], &cfg), None);
        assert_eq!(ids(&best_against_others(3, 1)), [(1, 0), (1, 2)]);
        assert!(best_against_others(3, 3).is_empty());
        assert_eq!(Pair::new(1, 0).offset(4), Pair::new(5, 4));
    }

    #[test]
    fn visrl_takes_one_pair_or_none() {
        let some = |v: &[f64]| v.iter().map(|x| Some(*x)).collect::<Vec<_>>();
        let answers = some(&[1.0, 0.9, 1.0, 0.5, 0.0, 0.1, 0.0, 0.0]);
        let boxes = some(&[0.7, 0.95, 0.85, 0.5, 0.5, 0.0, 0.2, 0.1]);
        let cfg = VisrlPairs::default();
        // 0 has a bad box; 2 is more accurate than 1. 4 has too good a box; of 6 and 7 the box decides.
        assert_eq!(visrl_pair(&answers, &boxes, &cfg), Some(Pair::new(2, 7)));
        assert_eq!(visrl_pair(&some(&[1.0; 4]), &some(&[1.0; 4]), &cfg), None);
        assert_eq!(visrl_pair(&some(&[0.0; 4]), &some(&[0.0; 4]), &cfg), None);
        assert_eq!(visrl_pair(&[None, Some(0.0)], &some(&[1.0, 0.0]), &cfg), None);
        assert!(VisrlPairs { high: 0.2, low: 0.2 }.check().is_err());
    }

    #[test]
    fn only_mixed_prompts_make_hard_samples() {
        let pairs = hard_sample_pairs(
            &[Some(true), Some(false), None, Some(true), Some(true)],
            &HardSample::default(),
        );
        assert_eq!(ids(&pairs), [(0, 1), (3, 1), (4, 1)]);
        assert!(pairs.iter().all(|p| (p.weight - 0.9).abs() < 1e-12));
        assert!(hard_sample_pairs(&[Some(true); 3], &HardSample::default()).is_empty());
    }

    #[test]
    fn lengths_are_balanced() {
        // Chosen 10, 5, 13 against 10, 10, 10. Without the second: mean 11.5 against 10, off by 0.15; with it
        // (threshold 0.5): 28/30, off by 0.067.
        let pairs = [Pair::new(0, 3), Pair::new(1, 4), Pair::new(2, 5)];
        assert_eq!(length_balanced(&pairs, &[10, 5, 13, 10, 10, 10]), pairs);
        // Chosen 2 against 10 is kept out: 23/20 is nearer than 25/30.
        assert_eq!(length_balanced(&pairs, &[10, 2, 13, 10, 10, 10]), [pairs[0], pairs[2]]);
        assert_eq!(length_balanced(&pairs, &[1, 1, 1, 0, 0, 0]), pairs);
        assert!(length_balanced(&[Pair::new(0, 7)], &[1]).is_empty());
    }

    proptest! {
        #[test]
        fn the_chosen_one_is_always_better(scores in prop::collection::vec(prop::option::of(-3.0f64..3.0), 0..8)) {
            let cfg = ScorePairs { min_difference: 0.5 };
            let pairs = all_pairs(&scores, &cfg);
            for p in &pairs {
                prop_assert!(scores[p.chosen].unwrap() - scores[p.rejected].unwrap() >= 0.5);
            }
            // The largest of them is that of the best against the worst.
            prop_assert_eq!(best_and_worst(&scores, &cfg).is_some(), !pairs.is_empty());
        }
    }
}
