//! The difficulty dial: one number, or one for each axis, turned into knob values.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Axis, KnobSpec, KnobValue};

/// The named positions of the dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// Everything at its easy end.
    Easy,
    /// Half-way.
    Medium,
    /// Everything at its hard end.
    Hard,
}

impl Preset {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Easy, Self::Medium, Self::Hard];

    /// Its name, one lower-case word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Easy => "easy",
            Self::Medium => "medium",
            Self::Hard => "hard",
        }
    }

    /// Where it is on the dial.
    pub fn difficulty(self) -> f64 {
        match self {
            Self::Easy => 0.0,
            Self::Medium => 0.5,
            Self::Hard => 1.0,
        }
    }
}

/// A position of the dial in 0..=1, the same for all axes or one for each. Axes are independent: a
/// task can be hard to see and easy to solve.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Difficulty {
    /// One position for everything.
    All(f64),
    /// A named position.
    Preset(Preset),
    /// A position for each axis that is named; knobs on other axes keep their defaults.
    Axes(BTreeMap<Axis, f64>),
}

impl Difficulty {
    /// The positions that are named; each has to lie in 0..=1.
    pub fn positions(&self) -> Vec<f64> {
        match self {
            Self::All(position) => vec![*position],
            Self::Preset(preset) => vec![preset.difficulty()],
            Self::Axes(axes) => axes.values().copied().collect(),
        }
    }

    /// The knob values of this position.
    pub fn values(&self, specs: &[KnobSpec]) -> BTreeMap<String, KnobValue> {
        let turned = |spec: &KnobSpec| {
            let at = match self {
                Self::All(position) => *position,
                Self::Preset(preset) => preset.difficulty(),
                Self::Axes(axes) => *axes.get(&spec.axis)?,
            };
            Some((spec.name.to_string(), spec.at(at)?))
        };
        specs.iter().filter_map(turned).collect()
    }
}
