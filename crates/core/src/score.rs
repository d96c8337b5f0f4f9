//! What a reward says of an episode: a number, or why there is none.

use serde::{Deserialize, Serialize};

/// Why a score could not be computed. Never turned into a silent 0 or 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Invalid {
    /// The ground truth cannot be parsed.
    #[error("unparseable ground truth: {detail}")]
    UnparseableGold {
        /// What was wrong with it.
        detail: String,
    },
    /// The grader ran out of its budget.
    #[error("time-out after {budget}")]
    Timeout {
        /// The budget that was exceeded, with its unit.
        budget: String,
    },
    /// The reward gave NaN or an infinity.
    #[error("non-finite score")]
    NonFinite,
    /// The reward or the environment failed.
    #[error("crashed: {detail}")]
    Crash {
        /// What it said.
        detail: String,
    },
    /// The episode lacks what this reward reads.
    #[error("not applicable: {detail}")]
    NotApplicable {
        /// What is missing.
        detail: String,
    },
}

/// The result of one reward on one episode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Score {
    /// A finite number.
    Ok(f32),
    /// No number: excluded from group statistics, counted, shown.
    Invalid(Invalid),
}

impl Score {
    /// `Ok(value)`, or `Invalid(NonFinite)` when the value is NaN or infinite.
    pub fn from_value(value: f32) -> Self {
        if value.is_finite() { Self::Ok(value) } else { Self::Invalid(Invalid::NonFinite) }
    }

    /// The number, if there is one.
    pub fn value(&self) -> Option<f32> {
        match self {
            Self::Ok(value) => Some(*value),
            Self::Invalid(_) => None,
        }
    }
}

/// Which sampled tokens a reward speaks of, so that perception and action are credited apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenSpan {
    /// Every sampled token.
    #[default]
    All,
    /// The tokens inside `<perception>`.
    Perception,
    /// Every sampled token outside `<perception>`.
    Action,
}

/// One row of an episode's score sheet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoreSheet {
    /// The reward's name.
    pub name: String,
    /// Its weight in the total.
    pub weight: f32,
    /// The tokens it credits.
    pub span: TokenSpan,
    /// What it said, before the weight.
    pub score: Score,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn non_finite_is_invalid() {
        assert_eq!(Score::from_value(f32::NAN), Score::Invalid(Invalid::NonFinite));
        assert_eq!(Score::from_value(f32::INFINITY).value(), None);
        assert_eq!(Score::from_value(0.5).value(), Some(0.5));
    }
}
