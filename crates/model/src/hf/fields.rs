//! Reading fields of a JSON object, with errors that name the field.

use serde_json::{Map, Value};

use super::config::ConfigError;

/// A JSON object with the path that led to it, for messages. A null field counts as absent.
pub(super) struct Fields<'a> {
    map: &'a Map<String, Value>,
    at: String,
}

impl<'a> Fields<'a> {
    pub(super) fn new(value: &'a Value, at: &str) -> Result<Self, ConfigError> {
        match value.as_object() {
            Some(map) => Ok(Self { map, at: at.to_string() }),
            None => {
                let field = if at.is_empty() { "the file" } else { at };
                Err(invalid(field, shorten(value), "expected an object".into()))
            }
        }
    }

    pub(super) fn path(&self, key: &str) -> String {
        if self.at.is_empty() { key.to_string() } else { format!("{}.{key}", self.at) }
    }

    pub(super) fn get(&self, key: &str) -> Option<&'a Value> {
        self.map.get(key).filter(|v| !v.is_null())
    }

    pub(super) fn require(&self, key: &str) -> Result<&'a Value, ConfigError> {
        self.get(key).ok_or_else(|| ConfigError::Missing { field: self.path(key) })
    }

    pub(super) fn wrong(&self, key: &str, value: &Value, expected: &str) -> ConfigError {
        invalid(&self.path(key), shorten(value), expected.to_string())
    }

    pub(super) fn size(&self, key: &str) -> Result<usize, ConfigError> {
        let value = self.require(key)?;
        as_size(value).ok_or_else(|| self.wrong(key, value, "expected a whole number"))
    }

    pub(super) fn size_or(&self, key: &str, default: usize) -> Result<usize, ConfigError> {
        if self.get(key).is_some() { self.size(key) } else { Ok(default) }
    }

    pub(super) fn number(&self, key: &str) -> Result<f64, ConfigError> {
        let value = self.require(key)?;
        value.as_f64().ok_or_else(|| self.wrong(key, value, "expected a number"))
    }

    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>, ConfigError> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Bool(b)) => Ok(Some(*b)),
            Some(value) => Err(self.wrong(key, value, "expected true or false")),
        }
    }

    pub(super) fn id(&self, key: &str) -> Result<u32, ConfigError> {
        let value = self.require(key)?;
        as_id(value).ok_or_else(|| self.wrong(key, value, "expected a token id"))
    }

    /// A token id or a list of them; absent is empty.
    pub(super) fn ids(&self, key: &str) -> Result<Vec<u32>, ConfigError> {
        let Some(value) = self.get(key) else { return Ok(Vec::new()) };
        let ids = match value {
            Value::Array(list) => list.iter().map(as_id).collect(),
            one => as_id(one).map(|id| vec![id]),
        };
        ids.ok_or_else(|| self.wrong(key, value, "expected a token id or a list of them"))
    }

    pub(super) fn sizes(&self, key: &str) -> Result<Vec<usize>, ConfigError> {
        let value = self.require(key)?;
        let sizes = value.as_array().and_then(|list| list.iter().map(as_size).collect());
        sizes.ok_or_else(|| self.wrong(key, value, "expected a list of whole numbers"))
    }

    pub(super) fn triple(&self, key: &str) -> Result<[usize; 3], ConfigError> {
        let value = self.require(key)?;
        let list = self.sizes(key)?;
        list.try_into().map_err(|_| self.wrong(key, value, "expected three whole numbers"))
    }

    /// Refuses any value but those in `allowed`; absent is fine.
    pub(super) fn only(&self, key: &str, allowed: &[&str], hint: &str) -> Result<(), ConfigError> {
        match self.get(key) {
            Some(value) if !allowed.iter().any(|a| value == a) => {
                Err(unsupported(&self.path(key), value, hint.to_string()))
            }
            _ => Ok(()),
        }
    }

    /// Refuses any number but `expected`; absent is fine.
    pub(super) fn fixed_number(&self, key: &str, expected: f64, hint: &str) -> Result<(), ConfigError> {
        match self.get(key) {
            Some(value) if value.as_f64() != Some(expected) => {
                Err(unsupported(&self.path(key), value, hint.to_string()))
            }
            _ => Ok(()),
        }
    }
}

fn as_size(value: &Value) -> Option<usize> {
    value.as_u64().and_then(|n| usize::try_from(n).ok())
}

fn as_id(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|n| u32::try_from(n).ok())
}

/// The start of a value's JSON, so that a message stays one line.
fn shorten(value: &Value) -> String {
    const MOST: usize = 60;
    let text = value.to_string();
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

pub(super) fn invalid(field: &str, value: impl ToString, reason: String) -> ConfigError {
    ConfigError::Invalid { field: field.to_string(), value: value.to_string(), reason }
}

pub(super) fn unsupported(field: &str, value: &Value, hint: String) -> ConfigError {
    ConfigError::Unsupported { field: field.to_string(), value: shorten(value), hint }
}

pub(super) fn check(
    field: &str,
    value: impl ToString,
    ok: bool,
    reason: impl Fn() -> String,
) -> Result<(), ConfigError> {
    if ok { Ok(()) } else { Err(invalid(field, value, reason())) }
}

pub(super) fn in_range(field: &str, value: usize, most: usize) -> Result<(), ConfigError> {
    check(field, value, (1..=most).contains(&value), || format!("expected 1 to {most}"))
}

/// `divisor` must be known to be above 0.
pub(super) fn divides(
    field: &str,
    value: usize,
    divisor_name: &str,
    divisor: usize,
) -> Result<(), ConfigError> {
    check(field, value, value > 0 && value.is_multiple_of(divisor), || {
        format!("must be a multiple of {divisor_name} ({divisor})")
    })
}
