//! Bonuses of video training: frames in order, and answers of a good length.

use eyas_core::Score;

use super::fields::{count, grouped, mean, share};
use crate::{ParamInfo, Params, RewardInfo, Sample, Scorer};

/// T-GRPO's bonus.
pub(crate) const TEMPORAL: RewardInfo = RewardInfo {
    name: "temporal_bonus",
    family: "process",
    doc: "bonus for right answers of a group that does about as well or better on frames in order than on shuffled ones",
    source: "Video-R1 (T-GRPO), arXiv 2503.21776",
    gold: "",
    range: Some((0.0, 10.0)),
    params: &[
        ParamInfo::number("bonus", 0.0, 10.0, 0.3, "the bonus"),
        ParamInfo::number("ratio", 0.0, 10.0, 0.8, "accuracy in order over shuffled accuracy that is needed"),
        ParamInfo::number("right", 0.0, 1.0, 0.1, "`correct` above this is right"),
    ],
    score: Scorer::Group(temporal),
};

/// Video-R1's length bonus.
pub(crate) const LENGTH: RewardInfo = RewardInfo {
    name: "video_length_window",
    family: "process",
    doc: "bonus for right answers of a length in the window, where more than one of the group is right",
    source: "Video-R1, arXiv 2503.21776",
    gold: "",
    range: Some((0.0, 10.0)),
    params: &[
        ParamInfo::number("bonus", 0.0, 10.0, 0.2, "the bonus"),
        ParamInfo::number("least", 0.0, 1e9, 320.0, "fewest tokens"),
        ParamInfo::number("most", 0.0, 1e9, 512.0, "most tokens"),
        ParamInfo::number("right", 0.0, 1.0, 0.1, "`correct` above this is right"),
    ],
    score: Scorer::Group(length),
};

/// The bonus of each of a group from its accuracies on frames in order, beside the mean accuracy on
/// shuffled frames. A group without a right answer gets none, whatever the shuffled accuracy.
pub fn temporal_bonuses(accuracies: &[f64], shuffled: f64, bonus: f64, ratio: f64, right: f64) -> Vec<f64> {
    let ordered = mean(accuracies.iter().copied()).unwrap_or(0.0);
    let holds = ordered >= ratio * shuffled;
    accuracies.iter().map(|a| if holds && *a > right { bonus } else { 0.0 }).collect()
}

/// Reads the fields `correct` and `shuffled_accuracy`, the mean accuracy of the same prompt's responses
/// to shuffled frames; where the samples differ in it, their mean.
fn temporal(samples: &[Sample<'_>], params: &Params) -> Vec<Score> {
    let read = |sample: &Sample<'_>| Ok((share(sample, "correct")?, share(sample, "shuffled_accuracy")?));
    grouped(samples, read, |group| {
        let accuracies: Vec<f64> = group.iter().map(|(a, _)| *a).collect();
        let shuffled = mean(group.iter().map(|(_, s)| *s)).unwrap_or(0.0);
        let p = |name| params.number(name);
        temporal_bonuses(&accuracies, shuffled, p("bonus"), p("ratio"), p("right"))
    })
}

/// Reads the fields `correct` and `tokens`.
fn length(samples: &[Sample<'_>], params: &Params) -> Vec<Score> {
    let (least, most) = (params.number("least"), params.number("most"));
    let read = |sample: &Sample<'_>| {
        let right = share(sample, "correct")? > params.number("right");
        Ok((right, (least..=most).contains(&(count(sample, "tokens")? as f64))))
    };
    grouped(samples, read, |group| {
        let several = group.iter().filter(|(right, _)| *right).count() > 1;
        let bonus =
            |(right, fits): &(bool, bool)| f64::from(several && *right && *fits) * params.number("bonus");
        group.iter().map(bonus).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hand_computed() {
        let of = |accuracies: &[f64], shuffled| temporal_bonuses(accuracies, shuffled, 0.3, 0.8, 0.1);
        assert_eq!(of(&[1.0, 0.0], 0.5), [0.3, 0.0]);
        assert_eq!(of(&[1.0, 0.0], 0.75), [0.0, 0.0]);
        assert_eq!(of(&[0.0, 0.0], 0.0), [0.0, 0.0]);
        assert!(of(&[], 0.0).is_empty());
    }
}
