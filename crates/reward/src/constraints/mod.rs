//! Instructions whose keeping can be verified: the constraints of IFEval and MathIF.

pub mod check;
#[cfg(test)]
mod check_tests;
pub mod language;
pub mod parse;

use eyas_core::{Invalid, Score};

use crate::{ParamInfo, Params, RewardInfo, Sample, Scorer, bad_gold};

/// The share of the constraints that are kept, or 1 and 0 for all and not all. A missing or blank text
/// keeps none. `Invalid` for a ground truth that names no constraint, an unknown one or one without its
/// arguments, and for a language that cannot be told by its script.
fn constraints(sample: &Sample<'_>, params: &Params) -> Score {
    let wanted = match parse::constraints(sample.gold) {
        Ok(wanted) => wanted,
        Err(detail) => return bad_gold(detail),
    };
    let whole = params.text("text") == "whole";
    let text = if whole { Some(sample.response.text()) } else { sample.answer() };
    let mut kept = 0usize;
    for constraint in &wanted {
        match check::keeps(text.unwrap_or(""), constraint, params.text("keywords") == "words") {
            Some(good) => kept += usize::from(good),
            None => {
                let detail =
                    format!("the constraint {constraint:?} cannot be decided by the script of the text");
                return Score::Invalid(Invalid::NotApplicable { detail });
            }
        }
    }
    let all = params.text("form") == "all";
    let share = kept as f64 / wanted.len() as f64;
    Score::from_value(if all { share.floor() } else { share } as f32)
}

/// The rewards of this family.
pub(crate) const REWARDS: &[RewardInfo] = &[RewardInfo {
    name: "constraints",
    family: "constraints",
    doc: "the share of verifiable instructions that the answer keeps, or all of them",
    source: "IFEval (arXiv 2311.07911), MathIF (arXiv 2505.14810: SAcc is the share, HAcc all); no patterns from data, no guessed languages",
    gold: "a list of {id, args} with IFEval's ids and arguments, or IFEval's or MathIF's own columns",
    range: Some((0.0, 1.0)),
    params: &[
        ParamInfo::choice("form", &["share", "all"], "the share that is kept, or 1 for all"),
        ParamInfo::choice("text", &["answer", "whole"], "what is judged: the answer, or the whole response"),
        ParamInfo::choice(
            "keywords",
            &["words", "inside"],
            "keywords count as whole words, or inside longer ones too",
        ),
    ],
    score: Scorer::Sample(constraints),
}];
