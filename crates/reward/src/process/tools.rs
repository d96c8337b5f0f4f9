//! What using a tool is worth.

use eyas_core::Score;

use super::fields::{count, flag, grouped, share};
use crate::{ParamInfo, Params, RewardInfo, Sample, Scorer};

/// DeepEyes' bonus.
pub(crate) const BONUS: RewardInfo = RewardInfo {
    name: "tool_bonus",
    family: "process",
    doc: "a bonus when a tool was used with success and the answer is right, else 0",
    source: "DeepEyes, arXiv 2505.14362; a call that failed is no use of a tool",
    gold: "",
    range: Some((0.0, 10.0)),
    params: &[
        ParamInfo::number("bonus", 0.0, 10.0, 1.2, "the bonus"),
        ParamInfo::number("right", 0.0, 1.0, 0.5, "`correct` above this is right"),
    ],
    score: Scorer::Sample(|sample, params| match read(sample) {
        Ok(u) => {
            let paid = u.correct > params.number("right") && u.calls > 0 && u.ok;
            Score::from_value(if paid { params.number("bonus") as f32 } else { 0.0 })
        }
        Err(reason) => reason,
    }),
};

/// Pixel-Reasoner's curiosity.
pub(crate) const CURIOSITY: RewardInfo = RewardInfo {
    name: "curiosity",
    family: "process",
    doc: "correctness, plus a bonus for tools while few of the group use them, less a price for each further call",
    source: "Pixel Reasoner, arXiv 2505.15966; the bonus is for right answers, as its code pays wrong ones too",
    gold: "",
    range: Some((-1.0, 2.0)),
    params: &[
        ParamInfo::number("target", 0.0, 1.0, 0.3, "share of the group using tools at which the bonus ends"),
        ParamInfo::number("weight", 0.0, 10.0, 0.25, "size of the bonus"),
        ParamInfo::number("divisor", 0.1, 100.0, 2.0, "divides the bonus: 2 for images, 1.5 for video"),
        ParamInfo::number("call", 0.0, 1.0, 0.05, "price of each call after the first"),
        ParamInfo::flag("only_correct", true, "no bonus for wrong answers"),
    ],
    score: Scorer::Group(curiosity),
};

/// What one of a group did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ToolUse {
    /// How right its answer is, 0 to 1.
    pub correct: f64,
    /// How many calls it made.
    pub calls: u64,
    /// Whether the last call succeeded; without calls it does not matter.
    pub ok: bool,
}

/// Sizes of [`curious`]'s terms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Curiosity {
    /// Share of the group at which the bonus ends.
    pub target: f64,
    /// Size of the bonus.
    pub weight: f64,
    /// Divides the bonus.
    pub divisor: f64,
    /// Price of each call after the first.
    pub call: f64,
    /// No bonus for wrong answers.
    pub only_correct: bool,
}

/// For each of the group: its correctness (0 where the last call failed), plus, for users of tools,
/// `weight × max(target - p, 0) / (divisor × p)` less `call` for each call after the first, where `p` is
/// the share of the group that uses tools. Bonus and price together are cut to -1..1.
pub fn curious(group: &[ToolUse], terms: Curiosity) -> Vec<f64> {
    let users = group.iter().filter(|u| u.calls > 0).count();
    let p = users as f64 / group.len().max(1) as f64;
    let of = |u: &ToolUse| {
        if u.calls == 0 {
            return u.correct;
        }
        let correct = if u.ok { u.correct } else { 0.0 };
        let bonus = terms.weight * (terms.target - p).max(0.0) / (terms.divisor * p);
        let bonus = if terms.only_correct && correct <= 0.5 { 0.0 } else { bonus };
        correct + (bonus - terms.call * (u.calls - 1) as f64).clamp(-1.0, 1.0)
    };
    group.iter().map(of).collect()
}

/// The fields `correct`, `tool_calls`, and `tool_ok` where there were calls.
fn read(sample: &Sample<'_>) -> Result<ToolUse, Score> {
    let (correct, calls) = (share(sample, "correct")?, count(sample, "tool_calls")?);
    let ok = if calls > 0 { flag(sample, "tool_ok")? } else { true };
    Ok(ToolUse { correct, calls, ok })
}

fn curiosity(samples: &[Sample<'_>], params: &Params) -> Vec<Score> {
    let terms = Curiosity {
        target: params.number("target"),
        weight: params.number("weight"),
        divisor: params.number("divisor"),
        call: params.number("call"),
        only_correct: params.flag("only_correct"),
    };
    grouped(samples, read, |group| curious(group, terms))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Curiosity =
        Curiosity { target: 0.3, weight: 0.25, divisor: 2.0, call: 0.05, only_correct: true };

    fn one_of_eight(user: ToolUse, terms: Curiosity) -> f64 {
        let mut group = vec![ToolUse { correct: 1.0, calls: 0, ok: true }; 8];
        group[0] = user;
        let scores = curious(&group, terms);
        assert!(scores[1..].iter().all(|s| *s == 1.0));
        scores[0]
    }

    #[test]
    fn hand_computed() {
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
        near(one_of_eight(ToolUse { correct: 1.0, calls: 1, ok: true }, TERMS), 1.175);
        near(one_of_eight(ToolUse { correct: 1.0, calls: 2, ok: true }, TERMS), 1.125);
        near(one_of_eight(ToolUse { correct: 1.0, calls: 1, ok: false }, TERMS), 0.0);
        near(one_of_eight(ToolUse { correct: 0.0, calls: 1, ok: true }, TERMS), 0.0);
        let paid = Curiosity { only_correct: false, ..TERMS };
        near(one_of_eight(ToolUse { correct: 0.0, calls: 1, ok: true }, paid), 0.175);
        near(one_of_eight(ToolUse { correct: 1.0, calls: u64::MAX, ok: true }, TERMS), 0.0);
        let all = vec![ToolUse { correct: 1.0, calls: 1, ok: true }; 4];
        assert_eq!(curious(&all, TERMS), [1.0; 4]);
        assert!(curious(&[], TERMS).is_empty());
    }
}
