//! Facts of a sample that several rewards read from its fields.

use eyas_core::{Invalid, Score};
use serde_json::Value;

use crate::{Sample, missing};

/// How correct the response is, from the field `correct`: true, false, or a number from 0 to 1.
///
/// # Errors
/// The score to give when it is not there or something else.
pub(crate) fn correctness(sample: &Sample<'_>) -> Result<f64, Score> {
    match sample.fields.get("correct") {
        None => Err(missing("correct")),
        Some(Value::Bool(correct)) => Ok(f64::from(u8::from(*correct))),
        Some(other) => other.as_f64().filter(|c| (0.0..=1.0).contains(c)).ok_or_else(|| {
            let detail = "the field \"correct\" is neither a truth value nor a number from 0 to 1".into();
            Score::Invalid(Invalid::NotApplicable { detail })
        }),
    }
}

/// True when the response counts as correct where only right or wrong is asked: from 0.5 on.
pub(crate) fn is_correct(sample: &Sample<'_>) -> Result<bool, Score> {
    correctness(sample).map(|c| c >= 0.5)
}

/// The number of sampled tokens, from the field `tokens`.
///
/// # Errors
/// The score to give when it is not there or no count.
pub(crate) fn tokens(sample: &Sample<'_>) -> Result<f64, Score> {
    sample.fields.get("tokens").and_then(Value::as_u64).map(|n| n as f64).ok_or_else(|| missing("tokens"))
}
