//! Typed knobs: what can be turned on an environment, along which axis of difficulty.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The axis of difficulty a knob moves along. Axes are independent: an environment can be hard to
/// see and easy to solve, or the other way round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Axis {
    /// How hard the picture is to read.
    Perception,
    /// How much must be computed from it.
    Reasoning,
    /// How many steps success needs or allows.
    Horizon,
    /// How much must be remembered between steps.
    Memory,
    /// How much chance there is.
    Stochasticity,
}

/// The type and range of a knob.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum KnobKind {
    /// An integer in `min..=max`.
    Int {
        /// Smallest value.
        min: i64,
        /// Largest value.
        max: i64,
        /// Value when not set.
        default: i64,
    },
    /// A number in `min..=max`.
    Float {
        /// Smallest value.
        min: f64,
        /// Largest value.
        max: f64,
        /// Value when not set.
        default: f64,
    },
    /// True or false.
    Bool {
        /// Value when not set.
        default: bool,
    },
    /// One of a list of words.
    Choice {
        /// The words.
        options: &'static [&'static str],
        /// Value when not set.
        default: &'static str,
    },
}

/// One knob of an environment.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct KnobSpec {
    /// Its name in recipes.
    pub name: &'static str,
    /// Its axis.
    pub axis: Axis,
    /// Its type, range and default.
    pub kind: KnobKind,
    /// One line on what it does.
    pub doc: &'static str,
    /// How the difficulty dial moves it. `None`: the dial leaves it at its default.
    pub dial: Option<Dial>,
}

/// How the difficulty dial moves a knob. A flag is on from 0.5 up; a choice is the index of its word.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Dial {
    /// Value at 0.
    pub easy: f64,
    /// Value at 1.
    pub hard: f64,
    /// Integers and choices move in steps of this.
    pub step: f64,
}

impl KnobSpec {
    /// An integer knob.
    pub const fn int(
        name: &'static str,
        axis: Axis,
        min: i64,
        max: i64,
        default: i64,
        doc: &'static str,
    ) -> Self {
        Self { name, axis, kind: KnobKind::Int { min, max, default }, doc, dial: None }
    }

    /// A number knob.
    pub const fn float(
        name: &'static str,
        axis: Axis,
        min: f64,
        max: f64,
        default: f64,
        doc: &'static str,
    ) -> Self {
        Self { name, axis, kind: KnobKind::Float { min, max, default }, doc, dial: None }
    }

    /// A knob that is on or off.
    pub const fn flag(name: &'static str, axis: Axis, default: bool, doc: &'static str) -> Self {
        Self { name, axis, kind: KnobKind::Bool { default }, doc, dial: None }
    }

    /// A knob that is one of several words.
    pub const fn choice(
        name: &'static str,
        axis: Axis,
        options: &'static [&'static str],
        default: &'static str,
        doc: &'static str,
    ) -> Self {
        Self { name, axis, kind: KnobKind::Choice { options, default }, doc, dial: None }
    }

    /// The same knob, moved by the difficulty dial from `easy` to `hard` (see [`KnobSpec::dial`]).
    pub const fn dialled(self, easy: f64, hard: f64) -> Self {
        self.dialled_by(easy, hard, 1.0)
    }

    /// As [`KnobSpec::dialled`], in steps of `step`: for sizes that have to be even, say.
    pub const fn dialled_by(self, easy: f64, hard: f64, step: f64) -> Self {
        Self { dial: Some(Dial { easy, hard, step }), ..self }
    }

    /// The value at `difficulty` in 0..=1; `None` when the dial leaves the knob alone.
    pub fn at(&self, difficulty: f64) -> Option<KnobValue> {
        let Dial { easy, hard, step } = self.dial?;
        let moved = (hard - easy) * difficulty.clamp(0.0, 1.0);
        let value = match self.kind {
            KnobKind::Float { .. } => easy + moved,
            _ => easy + (moved / step).round() * step,
        };
        Some(match self.kind {
            KnobKind::Int { min, max, .. } => KnobValue::Int((value.round() as i64).clamp(min, max)),
            KnobKind::Float { min, max, .. } => KnobValue::Float(value.clamp(min, max)),
            KnobKind::Bool { .. } => KnobValue::Bool(value >= 0.5),
            KnobKind::Choice { options, .. } => {
                let index = (value.round().max(0.0) as usize).min(options.len() - 1);
                KnobValue::Choice(options[index].to_string())
            }
        })
    }
}

/// The value of a knob.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum KnobValue {
    /// Of a [`KnobKind::Bool`].
    Bool(bool),
    /// Of a [`KnobKind::Int`].
    Int(i64),
    /// Of a [`KnobKind::Float`].
    Float(f64),
    /// Of a [`KnobKind::Choice`].
    Choice(String),
}

impl fmt::Display for KnobValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(v) => write!(f, "{v}"),
            Self::Int(v) => write!(f, "{v}"),
            Self::Float(v) => write!(f, "{v}"),
            Self::Choice(v) => write!(f, "{v}"),
        }
    }
}

/// Why knobs were refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum KnobError {
    /// No such knob.
    #[error("environment {env:?} has no knob {knob:?}{}", nearest(.known))]
    Unknown {
        /// The environment.
        env: String,
        /// The name given.
        knob: String,
        /// The nearest known name, if one is near.
        known: Option<String>,
    },
    /// The value has the wrong type.
    #[error("knob {env}.{knob} wants {wanted}, got {got}")]
    Type {
        /// The environment.
        env: String,
        /// The knob.
        knob: String,
        /// What it wants.
        wanted: String,
        /// What it got.
        got: String,
    },
    /// The value is outside the range.
    #[error("knob {env}.{knob} = {got} is outside {range}")]
    Range {
        /// The environment.
        env: String,
        /// The knob.
        knob: String,
        /// The value given.
        got: String,
        /// The range.
        range: String,
    },
    /// Two knobs contradict each other.
    #[error("knobs of {env}: {detail}")]
    Conflict {
        /// The environment.
        env: String,
        /// What contradicts what.
        detail: String,
    },
}

fn nearest(known: &Option<String>) -> String {
    known.as_ref().map(|k| format!("; did you mean {k:?}?")).unwrap_or_default()
}

/// A complete, checked set of knob values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Knobs(BTreeMap<String, KnobValue>);

impl Knobs {
    /// Checks `given` against `specs` and fills in defaults.
    ///
    /// # Errors
    /// [`KnobError`] naming the environment and the knob.
    pub fn resolve(
        env: &str,
        specs: &[KnobSpec],
        given: &BTreeMap<String, KnobValue>,
    ) -> Result<Self, KnobError> {
        Self::resolve_with(env, specs, &[], given)
    }

    /// As [`Knobs::resolve`]. Knobs of `extra` may be given too, but have no value when they are not.
    ///
    /// # Errors
    /// [`KnobError`] naming the environment and the knob.
    pub fn resolve_with(
        env: &str,
        specs: &[KnobSpec],
        extra: &[KnobSpec],
        given: &BTreeMap<String, KnobValue>,
    ) -> Result<Self, KnobError> {
        for name in given.keys() {
            if !specs.iter().chain(extra).any(|s| s.name == name) {
                let known = specs
                    .iter()
                    .chain(extra)
                    .map(|s| (strsim::damerau_levenshtein(s.name, name), s.name))
                    .filter(|(distance, _)| *distance <= 3)
                    .min()
                    .map(|(_, s)| s.to_string());
                return Err(KnobError::Unknown { env: env.into(), knob: name.clone(), known });
            }
        }
        let mut values = BTreeMap::new();
        for spec in specs {
            let value = match given.get(spec.name) {
                Some(value) => check(env, spec, value)?,
                None => default(spec.kind),
            };
            values.insert(spec.name.to_string(), value);
        }
        for spec in extra {
            if let Some(value) = given.get(spec.name) {
                values.insert(spec.name.to_string(), check(env, spec, value)?);
            }
        }
        Ok(Self(values))
    }

    /// The defaults of `specs`.
    pub fn defaults(specs: &[KnobSpec]) -> Self {
        Self(specs.iter().map(|s| (s.name.to_string(), default(s.kind))).collect())
    }

    /// The values by name.
    pub fn values(&self) -> &BTreeMap<String, KnobValue> {
        &self.0
    }

    /// An integer knob; 0 when the environment declares no such knob (its own mistake, caught by
    /// the conformance suite).
    pub fn int(&self, name: &str) -> i64 {
        match self.0.get(name) {
            Some(KnobValue::Int(v)) => *v,
            _ => 0,
        }
    }

    /// An integer knob as a size.
    pub fn size(&self, name: &str) -> usize {
        usize::try_from(self.int(name)).unwrap_or(0)
    }

    /// A number knob; 0.0 when undeclared.
    pub fn float(&self, name: &str) -> f64 {
        match self.0.get(name) {
            Some(KnobValue::Float(v)) => *v,
            Some(KnobValue::Int(v)) => *v as f64,
            _ => 0.0,
        }
    }

    /// A boolean knob; false when undeclared.
    pub fn flag(&self, name: &str) -> bool {
        matches!(self.0.get(name), Some(KnobValue::Bool(true)))
    }

    /// A choice knob; "" when undeclared.
    pub fn choice(&self, name: &str) -> &str {
        match self.0.get(name) {
            Some(KnobValue::Choice(v)) => v,
            _ => "",
        }
    }
}

fn default(kind: KnobKind) -> KnobValue {
    match kind {
        KnobKind::Int { default, .. } => KnobValue::Int(default),
        KnobKind::Float { default, .. } => KnobValue::Float(default),
        KnobKind::Bool { default } => KnobValue::Bool(default),
        KnobKind::Choice { default, .. } => KnobValue::Choice(default.to_string()),
    }
}

fn check(env: &str, spec: &KnobSpec, value: &KnobValue) -> Result<KnobValue, KnobError> {
    let wrong = |wanted: &str| KnobError::Type {
        env: env.into(),
        knob: spec.name.into(),
        wanted: wanted.into(),
        got: match value {
            KnobValue::Choice(text) => format!("{text:?}"),
            other => other.to_string(),
        },
    };
    let outside = |range: String| KnobError::Range {
        env: env.into(),
        knob: spec.name.into(),
        got: value.to_string(),
        range,
    };
    match (spec.kind, value) {
        (KnobKind::Int { min, max, .. }, KnobValue::Int(v)) => {
            if (min..=max).contains(v) {
                Ok(value.clone())
            } else {
                Err(outside(format!("{min}..={max}")))
            }
        }
        (KnobKind::Int { .. }, _) => Err(wrong("an integer")),
        (KnobKind::Float { min, max, .. }, KnobValue::Float(_) | KnobValue::Int(_)) => {
            let v = if let KnobValue::Int(v) = value {
                *v as f64
            } else if let KnobValue::Float(v) = value {
                *v
            } else {
                f64::NAN
            };
            if (min..=max).contains(&v) {
                Ok(KnobValue::Float(v))
            } else {
                Err(outside(format!("{min}..={max}")))
            }
        }
        (KnobKind::Float { .. }, _) => Err(wrong("a number")),
        (KnobKind::Bool { .. }, KnobValue::Bool(_)) => Ok(value.clone()),
        (KnobKind::Bool { .. }, _) => Err(wrong("true or false")),
        (KnobKind::Choice { options, .. }, KnobValue::Choice(v)) => {
            if options.contains(&v.as_str()) {
                Ok(value.clone())
            } else {
                Err(outside(options.join("|")))
            }
        }
        (KnobKind::Choice { options, .. }, _) => Err(wrong(&format!("one of {}", options.join("|")))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPECS: &[KnobSpec] = &[
        KnobSpec::int("size", Axis::Reasoning, 2, 8, 4, "").dialled(3.0, 6.0),
        KnobSpec::float("slip", Axis::Stochasticity, 0.0, 1.0, 0.0, ""),
        KnobSpec::choice("theme", Axis::Perception, &["day", "dusk", "night"], "day", "").dialled(0.0, 2.0),
        KnobSpec::flag("fog", Axis::Memory, false, "").dialled(0.0, 1.0),
    ];

    fn one(name: &str, value: KnobValue) -> BTreeMap<String, KnobValue> {
        [(name.to_string(), value)].into()
    }

    #[test]
    fn defaults_are_filled_in_and_values_checked() {
        let knobs = Knobs::resolve("e", SPECS, &one("slip", KnobValue::Int(1))).unwrap();
        assert_eq!((knobs.size("size"), knobs.float("slip")), (4, 1.0));
        let text = |given| Knobs::resolve("e", SPECS, &given).unwrap_err().to_string();
        assert_eq!(
            text(one("sice", KnobValue::Int(4))),
            "environment \"e\" has no knob \"sice\"; did you mean \"size\"?"
        );
        assert_eq!(text(one("size", KnobValue::Int(9))), "knob e.size = 9 is outside 2..=8");
        assert_eq!(text(one("size", KnobValue::Bool(true))), "knob e.size wants an integer, got true");
        assert_eq!(
            text(one("size", KnobValue::Choice("big".into()))),
            "knob e.size wants an integer, got \"big\""
        );
        assert_eq!(text(one("slip", KnobValue::Float(f64::NAN))), "knob e.slip = NaN is outside 0..=1");
    }

    #[test]
    fn the_dial_turns_what_it_should() {
        let at = |difficulty| -> Vec<Option<KnobValue>> { SPECS.iter().map(|s| s.at(difficulty)).collect() };
        let word = |w: &str| Some(KnobValue::Choice(w.into()));
        let values = |size, theme, fog| {
            vec![Some(KnobValue::Int(size)), None, word(theme), Some(KnobValue::Bool(fog))]
        };
        assert_eq!(at(0.0), values(3, "day", false));
        assert_eq!(at(0.5), values(5, "dusk", true));
        assert_eq!(at(7.0), values(6, "night", true));
    }

    #[test]
    fn extra_knobs_are_checked_but_not_filled_in() {
        let extra = [KnobSpec::int("blur", Axis::Perception, 0, 8, 0, "")];
        let knobs = Knobs::resolve_with("e", SPECS, &extra, &BTreeMap::new()).unwrap();
        assert_eq!(knobs, Knobs::defaults(SPECS));
        let knobs = Knobs::resolve_with("e", SPECS, &extra, &one("blur", KnobValue::Int(2))).unwrap();
        assert_eq!(knobs.int("blur"), 2);
        assert!(Knobs::resolve_with("e", SPECS, &extra, &one("blur", KnobValue::Int(9))).is_err());
    }
}
