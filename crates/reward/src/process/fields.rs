//! Reading what the caller found out about a sample beside its text.

use eyas_core::{Invalid, Score};
use serde_json::Value;

use crate::{Sample, missing};

/// A field that was given but cannot be what its name says.
pub(crate) fn bad_field(name: &str, takes: &str) -> Score {
    Score::Invalid(Invalid::NotApplicable { detail: format!("the field {name:?} must be {takes}") })
}

/// A share, 0 to 1; yes and no count 1 and 0.
pub(crate) fn share(sample: &Sample<'_>, name: &str) -> Result<f64, Score> {
    let value = match sample.fields.get(name) {
        None | Some(Value::Null) => return Err(missing(name)),
        Some(Value::Bool(flag)) => Some(f64::from(*flag)),
        Some(value) => value.as_f64(),
    };
    value.filter(|v| (0.0..=1.0).contains(v)).ok_or_else(|| bad_field(name, "a share from 0 to 1, or a flag"))
}

/// Yes or no.
pub(crate) fn flag(sample: &Sample<'_>, name: &str) -> Result<bool, Score> {
    match sample.fields.get(name) {
        None | Some(Value::Null) => Err(missing(name)),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(_) => Err(bad_field(name, "true or false")),
    }
}

/// A whole number, 0 or more.
pub(crate) fn count(sample: &Sample<'_>, name: &str) -> Result<u64, Score> {
    match sample.fields.get(name) {
        None | Some(Value::Null) => Err(missing(name)),
        Some(value) => value.as_u64().ok_or_else(|| bad_field(name, "a whole number")),
    }
}

/// A list of shares.
pub(crate) fn shares(sample: &Sample<'_>, name: &str) -> Result<Vec<f64>, Score> {
    let list = match sample.fields.get(name) {
        None | Some(Value::Null) => return Err(missing(name)),
        Some(value) => value.as_array(),
    };
    let share = |v: &Value| match v {
        Value::Bool(flag) => Some(f64::from(*flag)),
        v => v.as_f64().filter(|v| (0.0..=1.0).contains(v)),
    };
    let read = list.and_then(|list| list.iter().map(share).collect::<Option<Vec<f64>>>());
    read.ok_or_else(|| bad_field(name, "a list of shares from 0 to 1"))
}

/// The mean; `None` of nothing.
pub(crate) fn mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut n) = (0.0, 0usize);
    for value in values {
        sum += value;
        n += 1;
    }
    (n > 0).then(|| sum / n as f64)
}

/// Reads every sample of a group; those that cannot be read get their reason, and `score` sees the rest
/// together. It returns one value for each that it sees.
pub(crate) fn grouped<T>(
    samples: &[Sample<'_>],
    read: impl Fn(&Sample<'_>) -> Result<T, Score>,
    score: impl FnOnce(&[T]) -> Vec<f64>,
) -> Vec<Score> {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for sample in samples {
        match read(sample) {
            Ok(value) => {
                good.push(value);
                bad.push(None);
            }
            Err(reason) => bad.push(Some(reason)),
        }
    }
    let mut values = score(&good).into_iter();
    let next = |bad: Option<Score>| {
        bad.unwrap_or_else(|| Score::from_value(values.next().unwrap_or(f64::NAN) as f32))
    };
    bad.into_iter().map(next).collect()
}
