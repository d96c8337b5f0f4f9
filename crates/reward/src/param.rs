//! The parameters of a reward: typed, checked when a recipe is read, with defaults.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::RewardError;

/// What a parameter takes, and its default.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ParamKind {
    /// A number between two bounds, both included.
    Number {
        /// Smallest value.
        min: f64,
        /// Largest value.
        max: f64,
        /// The value when none is given.
        default: f64,
    },
    /// One of some words; the first is the default.
    Choice {
        /// The words.
        options: &'static [&'static str],
    },
    /// Yes or no.
    Flag {
        /// The value when none is given.
        default: bool,
    },
    /// Any text.
    Text {
        /// The value when none is given.
        default: &'static str,
    },
}

/// One parameter of a reward.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ParamInfo {
    /// Its name in recipes.
    pub name: &'static str,
    /// One line on what it does.
    pub doc: &'static str,
    /// What it takes.
    #[serde(flatten)]
    pub kind: ParamKind,
}

impl ParamInfo {
    /// A number in `min..=max`.
    pub const fn number(name: &'static str, min: f64, max: f64, default: f64, doc: &'static str) -> Self {
        Self { name, doc, kind: ParamKind::Number { min, max, default } }
    }

    /// One of `options`, of which the first is the default.
    pub const fn choice(name: &'static str, options: &'static [&'static str], doc: &'static str) -> Self {
        Self { name, doc, kind: ParamKind::Choice { options } }
    }

    /// Yes or no.
    pub const fn flag(name: &'static str, default: bool, doc: &'static str) -> Self {
        Self { name, doc, kind: ParamKind::Flag { default } }
    }

    /// Any text.
    pub const fn text(name: &'static str, default: &'static str, doc: &'static str) -> Self {
        Self { name, doc, kind: ParamKind::Text { default } }
    }

    /// The value when none is given.
    pub fn default(&self) -> ParamValue {
        match self.kind {
            ParamKind::Number { default, .. } => ParamValue::Number(default),
            ParamKind::Choice { options } => ParamValue::Text(options.first().copied().unwrap_or("").into()),
            ParamKind::Flag { default } => ParamValue::Flag(default),
            ParamKind::Text { default } => ParamValue::Text(default.into()),
        }
    }

    /// What the parameter takes, for people.
    pub fn takes(&self) -> String {
        match self.kind {
            ParamKind::Number { min, max, .. } => match (min > f64::MIN, max < f64::MAX) {
                (true, true) => format!("{min}..={max}"),
                (true, false) => format!("{min} or more"),
                (false, true) => format!("{max} or less"),
                (false, false) => "a number".into(),
            },
            ParamKind::Choice { options } => options.join("|"),
            ParamKind::Flag { .. } => "true|false".into(),
            ParamKind::Text { .. } => "text".into(),
        }
    }

    fn accepts(&self, value: &ParamValue) -> bool {
        match (self.kind, value) {
            (ParamKind::Number { min, max, .. }, ParamValue::Number(v)) => (min..=max).contains(v),
            (ParamKind::Choice { options }, ParamValue::Text(v)) => options.contains(&v.as_str()),
            (ParamKind::Flag { .. }, ParamValue::Flag(_)) | (ParamKind::Text { .. }, ParamValue::Text(_)) => {
                true
            }
            _ => false,
        }
    }
}

/// The value of a parameter, as recipes write it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ParamValue {
    /// Yes or no.
    Flag(bool),
    /// A number.
    Number(f64),
    /// A word or a text.
    Text(String),
}

impl std::fmt::Display for ParamValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Flag(v) => v.fmt(f),
            Self::Number(v) => v.fmt(f),
            Self::Text(v) => write!(f, "{v:?}"),
        }
    }
}

/// The parameters of a reward, complete and checked.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Params(BTreeMap<&'static str, ParamValue>);

impl Params {
    /// `given` with defaults for the rest.
    ///
    /// # Errors
    /// [`RewardError`] for a parameter that `reward` does not have, or a value that it does not take.
    pub fn resolve(
        reward: &'static str,
        known: &'static [ParamInfo],
        given: &BTreeMap<String, ParamValue>,
    ) -> Result<Self, RewardError> {
        for (name, value) in given {
            let Some(info) = known.iter().find(|p| p.name == name) else {
                let known = known.iter().map(|p| p.name).collect();
                return Err(RewardError::UnknownParam { reward, param: name.clone(), known });
            };
            if !info.accepts(value) {
                let (value, takes) = (value.to_string(), info.takes());
                return Err(RewardError::BadValue { reward, param: info.name, value, takes });
            }
        }
        let mut params = Self::defaults(known);
        for (name, value) in &mut params.0 {
            if let Some(given) = given.get(*name) {
                *value = given.clone();
            }
        }
        Ok(params)
    }

    /// All defaults.
    pub fn defaults(known: &'static [ParamInfo]) -> Self {
        Self(known.iter().map(|info| (info.name, info.default())).collect())
    }

    /// A number; 0 for a parameter that the reward does not declare.
    pub fn number(&self, name: &str) -> f64 {
        match self.get(name) {
            Some(ParamValue::Number(v)) => *v,
            _ => 0.0,
        }
    }

    /// A number as a count; fractions and signs are cut off.
    pub fn count(&self, name: &str) -> usize {
        self.number(name) as usize
    }

    /// Yes or no; no for a parameter that the reward does not declare.
    pub fn flag(&self, name: &str) -> bool {
        matches!(self.get(name), Some(ParamValue::Flag(true)))
    }

    /// A word or a text; empty for a parameter that the reward does not declare.
    pub fn text(&self, name: &str) -> &str {
        match self.get(name) {
            Some(ParamValue::Text(v)) => v,
            _ => "",
        }
    }

    /// Names and values, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &ParamValue)> {
        self.0.iter().map(|(name, value)| (*name, value))
    }

    fn get(&self, name: &str) -> Option<&ParamValue> {
        let value = self.0.get(name);
        debug_assert!(value.is_some(), "the reward does not declare a parameter {name:?}");
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[ParamInfo] = &[
        ParamInfo::number("tau", 0.0, 1.0, 0.5, "threshold"),
        ParamInfo::choice("form", &["exact", "partial"], "how strictly"),
        ParamInfo::flag("strict", true, "no slack"),
        ParamInfo::text("tag", "answer", "where to look"),
    ];

    fn resolve(given: &[(&str, ParamValue)]) -> Result<Params, RewardError> {
        let given = given.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
        Params::resolve("iou", KNOWN, &given)
    }

    #[test]
    fn defaults_fill_what_is_not_given() {
        let params = resolve(&[("tau", ParamValue::Number(0.75))]).unwrap();
        assert_eq!((params.number("tau"), params.text("form")), (0.75, "exact"));
        assert_eq!((params.flag("strict"), params.text("tag")), (true, "answer"));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let error = |given: &[(&str, ParamValue)]| resolve(given).unwrap_err().to_string();
        let text = error(&[("tua", ParamValue::Number(0.5))]);
        assert!(text.contains(r#"no parameter "tua""#) && text.contains("tau"), "{text}");
        let text = error(&[("tau", ParamValue::Number(2.0))]);
        assert!(text.contains("tau = 2") && text.contains("0..=1"), "{text}");
        assert!(resolve(&[("tau", ParamValue::Number(f64::NAN))]).is_err());
        assert!(resolve(&[("tau", ParamValue::Text("0.5".into()))]).is_err());
        let text = error(&[("form", ParamValue::Text("loose".into()))]);
        assert!(text.contains("exact|partial"), "{text}");
        assert!(resolve(&[("strict", ParamValue::Text("yes".into()))]).is_err());
    }

    #[test]
    fn values_are_written_as_they_are() {
        let read = |json: &str| serde_json::from_str::<ParamValue>(json).unwrap();
        assert_eq!(read("true"), ParamValue::Flag(true));
        assert_eq!(read("3"), ParamValue::Number(3.0));
        assert_eq!(read("\"a\""), ParamValue::Text("a".into()));
    }
}
