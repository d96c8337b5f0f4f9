//! Does the answer follow from the thinking?

use eyas_core::Score;

use super::fields::{bad_field, grouped, mean, share};
use crate::{ParamInfo, Params, RewardInfo, Sample, Scorer};

/// The reward as recipes name it.
pub(crate) const INFO: RewardInfo = RewardInfo {
    name: "consistency_bonus",
    family: "process",
    doc: "bonus for right answers that a slow reference finds likely after the same thinking, within the group",
    source: "GRPO-CARE, arXiv 2506.16141; a group without a right answer has no bonus instead of NaN",
    gold: "",
    range: Some((0.0, 10.0)),
    params: &[
        ParamInfo::number("bonus", 0.0, 10.0, 0.5, "largest bonus; times `correct`"),
        ParamInfo::number("cap", 0.0, 1.0, 0.95, "likelihoods above count as this"),
        ParamInfo::number("margin", 0.0, 1.0, 0.01, "how far below the mean likelihood still counts"),
        ParamInfo::number("right", 0.0, 1.0, 0.1, "`correct` above this is right"),
    ],
    score: Scorer::Group(score),
};

/// The bonus of each of a group, from its accuracy and the likelihood of its answer: `bonus × accuracy`
/// for those whose accuracy is above `right` and at least the mean of the group, and whose likelihood, cut
/// at `cap`, is at least the mean over all such members less `margin`.
pub fn bonuses(group: &[(f64, f64)], bonus: f64, cap: f64, margin: f64, right: f64) -> Vec<f64> {
    let level = mean(group.iter().map(|(accuracy, _)| *accuracy)).unwrap_or(0.0);
    // The mean of equal numbers may lie above them by its last digit.
    let slack = 1e-12;
    let good = |accuracy: f64| accuracy > right && accuracy + slack >= level;
    let likelihoods = group.iter().filter(|(accuracy, _)| good(*accuracy)).map(|(_, l)| l.min(cap));
    let Some(likely) = mean(likelihoods) else { return vec![0.0; group.len()] };
    let of = |(accuracy, likelihood): &(f64, f64)| {
        let paid = good(*accuracy) && likelihood.min(cap) + slack >= likely - margin;
        if paid { bonus * accuracy } else { 0.0 }
    };
    group.iter().map(of).collect()
}

/// Reads the fields `correct` and `answer_logprob`, the mean log-probability of the answer's tokens under
/// the reference.
fn score(samples: &[Sample<'_>], params: &Params) -> Vec<Score> {
    let read = |sample: &Sample<'_>| {
        let logprob = sample.number("answer_logprob")?;
        if logprob > 1e-6 {
            return Err(bad_field("answer_logprob", "a log-probability, 0 or less"));
        }
        Ok((share(sample, "correct")?, logprob.exp()))
    };
    let p = |name| params.number(name);
    grouped(samples, read, |group| bonuses(group, p("bonus"), p("cap"), p("margin"), p("right")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(group: &[(f64, f64)]) -> Vec<f64> {
        bonuses(group, 0.5, 0.95, 0.01, 0.1)
    }

    #[test]
    fn hand_computed() {
        let group = [(1.0, 0.9), (1.0, 0.8), (1.0, 0.3), (1.0, 0.2), (0.0, 0.99)];
        assert_eq!(of(&group), [0.5, 0.5, 0.0, 0.0, 0.0]);
        assert_eq!(of(&[(0.0, 0.9), (0.0, 0.1)]), [0.0, 0.0]);
        assert_eq!(of(&[(1.0, 0.7); 3]), [0.5; 3]);
        assert_eq!(of(&[(1.0, 0.99), (1.0, 0.95)]), [0.5, 0.5], "the cap makes them equal");
        assert!(of(&[]).is_empty());
    }

    proptest! {
        #[test]
        fn the_order_of_the_group_does_not_matter(group in prop::collection::vec((0.0f64..1.0, 0.0f64..1.0), 0..9)) {
            let mut back = group.clone();
            back.reverse();
            let mut bonuses = of(&back);
            bonuses.reverse();
            prop_assert_eq!(of(&group), bonuses);
        }
    }
}
