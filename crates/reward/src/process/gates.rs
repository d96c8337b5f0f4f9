//! Terms that count only after others, and terms made of what the caller found out.

use eyas_core::Score;

use super::fields::{mean, share, shares};
use crate::{ParamInfo, RewardInfo, Sample, Scorer, missing};

/// Correctness behind the format.
pub(crate) const FORMAT_FIRST: RewardInfo = RewardInfo {
    name: "format_first",
    family: "process",
    doc: "correctness, but 0 where the format is not kept",
    source: "VRAG-RL, arXiv 2505.22019; Vision-R1's joint reward",
    gold: "",
    range: Some((0.0, 1.0)),
    params: &[ParamInfo::number("kept", 0.0, 1.0, 1.0, "`format` of at least this is kept")],
    score: Scorer::Sample(|sample, params| {
        let read = || Ok((share(sample, "format")?, share(sample, "correct")?));
        let gated = |(format, correct)| if format >= params.number("kept") { correct } else { 0.0 };
        read().map_or_else(|reason| reason, |terms| Score::from_value(gated(terms) as f32))
    }),
};

/// Stages of which each counts only after the ones before.
pub(crate) const MARKOV: RewardInfo = RewardInfo {
    name: "markov_gate",
    family: "process",
    doc: "mean of the stages' scores, where all after the first that fails count 0",
    source: "HumanOmniV2, arXiv 2506.21277: its gate at 0.4, for any number of stages; it adds them and the format up",
    gold: "",
    range: Some((0.0, 1.0)),
    params: &[ParamInfo::number("fails", 0.0, 1.0, 0.4, "a stage with this score or less has failed")],
    score: Scorer::Sample(|sample, params| match shares(sample, "stages") {
        Ok(stages) if stages.is_empty() => missing("stages"),
        Ok(stages) => Score::from_value(markov(&stages, params.number("fails")) as f32),
        Err(reason) => reason,
    }),
};

/// `0.5 f + a (1 + 0.5 c)`, with `c` from -1 to 1.
pub(crate) const MULTIPLIER: RewardInfo = RewardInfo {
    name: "consistency_multiplier",
    family: "process",
    doc: "half the format, plus correctness times 0.5 to 1.5 as the thinking agrees with the answer",
    source: "R1-Reward, arXiv 2505.02835; `consistent` 1, 0.5 (undecided), 0 are its 1, 0, -1; without its exception that pays 1",
    gold: "",
    range: Some((0.0, 2.0)),
    params: &[],
    score: Scorer::Sample(|sample, _| {
        let read = || Ok((share(sample, "format")?, share(sample, "correct")?, share(sample, "consistent")?));
        match read() {
            // A share from 0 to 1 stands for -1 to 1: 1 + 0.5 (2 share - 1).
            Ok((format, correct, consistent)) => {
                Score::from_value((0.5 * format + correct * (0.5 + consistent)) as f32)
            }
            Err(reason) => reason,
        }
    }),
};

/// Observation and reasoning on top of the answer.
pub(crate) const REWATCH: RewardInfo = RewardInfo {
    name: "observation_reasoning",
    family: "process",
    doc: "correctness times 1 + share of true observations + whether these alone give the answer",
    source: "ReWatch-R1 (O&R reward), without its format term",
    gold: "",
    range: Some((0.0, 3.0)),
    params: &[],
    score: Scorer::Sample(|sample, _| {
        let read = || {
            let (correct, sufficient) = (share(sample, "correct")?, share(sample, "sufficient")?);
            Ok((correct, shares(sample, "observations")?, sufficient))
        };
        match read() {
            // Who observes nothing has observed nothing right.
            Ok((correct, seen, sufficient)) => {
                Score::from_value((correct * (1.0 + mean(seen).unwrap_or(0.0) + sufficient)) as f32)
            }
            Err(reason) => reason,
        }
    }),
};

/// A given self-certainty, as a share of a cap.
pub(crate) const CERTAINTY: RewardInfo = RewardInfo {
    name: "self_certainty",
    family: "process",
    doc: "mean divergence of the policy's distributions from the uniform one, as a share of `cap`",
    source: "Shop-R1; Kang et al., arXiv 2502.18581; computed by the engine, see `self_certainty`",
    gold: "",
    range: Some((0.0, 1.0)),
    params: &[ParamInfo::number("cap", 0.001, 1000.0, 20.0, "nats from which on it is 1")],
    score: Scorer::Sample(|sample, params| match certainty(sample) {
        Ok(value) => Score::from_value((value / params.number("cap")).min(1.0) as f32),
        Err(reason) => reason,
    }),
};

fn certainty(sample: &Sample<'_>) -> Result<f64, Score> {
    let value = sample.number("self_certainty")?;
    // A divergence is never negative; a little less than 0 is rounding.
    if value < -1e-3 {
        return Err(super::fields::bad_field("self_certainty", "0 or more"));
    }
    Ok(value.max(0.0))
}

/// The mean of `stages`, those after the first of at most `fails` counted 0. 0 without stages.
pub fn markov(stages: &[f64], fails: f64) -> f64 {
    let mut sum = 0.0;
    for stage in stages {
        sum += stage;
        if *stage <= fails {
            break;
        }
    }
    sum / stages.len().max(1) as f64
}

/// KL divergence of a token's distribution from the uniform one, KL(U ‖ p), from all its
/// log-probabilities: `-ln n - mean ln p`. A log-probability below `floor`, also of probability 0, counts
/// as `floor`. 0 for an empty list; NaN counts as `floor`.
pub fn self_certainty(logprobs: &[f32], floor: f32) -> f64 {
    let bounded = |l: &f32| f64::from(if l.is_nan() { floor } else { l.max(floor).min(0.0) });
    mean(logprobs.iter().map(bounded)).map_or(0.0, |m| (-m - (logprobs.len() as f64).ln()).max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hand_computed() {
        assert!((markov(&[0.8, 0.4, 1.0], 0.4) - 0.4).abs() < 1e-12);
        assert_eq!(markov(&[1.0, 1.0], 0.4), 1.0);
        assert_eq!(markov(&[], 0.4), 0.0);
        assert!(self_certainty(&[0.25f32.ln(); 4], -50.0) < 1e-6);
        let sharp = self_certainty(&[0.0, f32::NEG_INFINITY], -50.0);
        assert!((sharp - (25.0 - 2f64.ln())).abs() < 1e-9);
        assert!(self_certainty(&[f32::NAN, f32::INFINITY], -50.0).is_finite());
        assert_eq!(self_certainty(&[], -50.0), 0.0);
    }
}
