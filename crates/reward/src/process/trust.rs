//! A score for the thinking, trusted as far as it agrees with the answers.

use eyas_core::Score;

use super::fields::{grouped, mean, share};
use crate::{ParamInfo, Params, RewardInfo, Sample, Scorer};

/// The reward as recipes name it.
pub(crate) const INFO: RewardInfo = RewardInfo {
    name: "thinking_trust",
    family: "process",
    doc: "a given score of the thinking, less trusted in groups where wrong answers think better, fading with the steps",
    source: "SophiaVL-R1, arXiv 2505.17018 (Trust-GRPO); its log shows another trust than it uses, and its code scores no thinking of answers below 0.2",
    gold: "",
    range: Some((0.0, 10.0)),
    params: &[
        ParamInfo::number("weight", 0.0, 10.0, 0.3, "largest reward"),
        ParamInfo::number("fade", 0.0, 1e9, 500.0, "steps after which it is down to 1/e; 0 for never"),
        ParamInfo::number("right", 0.0, 1.0, 0.5, "`correct` of at least this is right"),
    ],
    score: Scorer::Group(score),
};

/// How far the thinking scores of a group, given as (correctness, thinking score), are trusted: 1 where
/// right answers (`right` or more) have thinking scores as high as wrong ones, else `exp` of the difference of
/// their means; 0 where all are right (0.9 or more) or all are wrong (0.1 or less), since there is nothing to
/// agree with, and 1 where only partly right answers are on one side of `right`.
pub fn trust(group: &[(f64, f64)], right: f64) -> f64 {
    let uniform = group.iter().all(|(c, _)| *c >= 0.9) || group.iter().all(|(c, _)| *c <= 0.1);
    let of = |good: bool| mean(group.iter().filter(|(c, _)| (*c >= right) == good).map(|(_, t)| *t));
    match (of(true), of(false)) {
        _ if uniform => 0.0,
        (Some(good), Some(poor)) => (good - poor).exp().min(1.0),
        _ => 1.0,
    }
}

/// Reads the fields `correct` and `thinking_score`, both 0 to 1.
fn score(samples: &[Sample<'_>], params: &Params) -> Vec<Score> {
    let (fade, right) = (params.number("fade"), params.number("right"));
    let read = |sample: &Sample<'_>| {
        let decay = if fade > 0.0 { (-(sample.progress.step as f64) / fade).exp() } else { 1.0 };
        Ok((share(sample, "correct")?, share(sample, "thinking_score")?, decay))
    };
    grouped(samples, read, |group| {
        let pairs: Vec<(f64, f64)> = group.iter().map(|(c, t, _)| (*c, *t)).collect();
        let trust = trust(&pairs, right);
        group.iter().map(|(_, thinking, decay)| params.number("weight") * decay * trust * thinking).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hand_computed() {
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
        near(trust(&[(1.0, 0.4), (0.0, 0.8)], 0.5), (-0.4f64).exp());
        near(trust(&[(1.0, 0.8), (0.0, 0.4)], 0.5), 1.0);
        near(trust(&[(1.0, 0.8), (1.0, 0.4)], 0.5), 0.0);
        near(trust(&[(0.0, 0.8), (0.0, 0.4)], 0.5), 0.0);
        near(trust(&[], 0.5), 0.0);
    }
}
