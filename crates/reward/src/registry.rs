//! The list of rewards.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::spec::{FormatForm, GameForm, RewardKind};

/// One parameter of a reward: a choice of words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ParamInfo {
    /// Its name in recipes.
    pub name: &'static str,
    /// The words it takes; the first is the default.
    pub options: &'static [&'static str],
    /// One line on what they mean.
    pub doc: &'static str,
}

/// A reward that can be used by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RewardInfo {
    /// Its name in recipes.
    pub name: &'static str,
    /// One line: what it pays for.
    pub doc: &'static str,
    /// Smallest and largest score, where it has bounds.
    pub range: Option<(i8, i8)>,
    /// Its parameters.
    pub params: &'static [ParamInfo],
}

/// Why a reward of a recipe was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RewardError {
    /// No such reward.
    #[error("unknown reward {name:?}, did you mean {nearest:?}?")]
    UnknownReward {
        /// The name given.
        name: String,
        /// The nearest known name.
        nearest: &'static str,
    },
    /// The reward has no such parameter.
    #[error("reward {reward:?} has no parameter {param:?}; it has {known:?}")]
    UnknownParam {
        /// The reward.
        reward: &'static str,
        /// The parameter given.
        param: String,
        /// The parameters it has.
        known: Vec<&'static str>,
    },
    /// The parameter does not take this word.
    #[error("reward {reward:?}: {param} = {value:?} is none of {options:?}")]
    BadValue {
        /// The reward.
        reward: &'static str,
        /// The parameter.
        param: &'static str,
        /// The value given.
        value: String,
        /// The words it takes.
        options: &'static [&'static str],
    },
    /// A weight must be a finite number.
    #[error("reward {reward:?}: weight {weight} is not a finite number")]
    BadWeight {
        /// The reward.
        reward: &'static str,
        /// The weight given.
        weight: f32,
    },
}

const FORM: &str = "form";

/// Every reward, in the order of the documentation.
pub const REWARDS: &[RewardInfo] = &[
    RewardInfo {
        name: "game",
        doc: "what the environment paid",
        range: None,
        params: &[ParamInfo {
            name: FORM,
            options: &["return", "mean_turn"],
            doc: "the sum over the turns, or their mean",
        }],
    },
    RewardInfo {
        name: "format",
        doc: "the response keeps to its tags; once an episode, by its worst turn",
        range: Some((0, 1)),
        params: &[ParamInfo {
            name: FORM,
            options: &["exact", "partial"],
            doc: "all or nothing, or the share of tags that occur exactly once",
        }],
    },
    RewardInfo {
        name: "perception",
        doc: "share of cells described correctly inside <perception>, mean over the turns",
        range: Some((0, 1)),
        params: &[],
    },
    RewardInfo {
        name: "perception_exact",
        doc: "1 for each turn whose <perception> is right in every cell, mean over the turns",
        range: Some((0, 1)),
        params: &[],
    },
];

/// The reward called `name`.
///
/// # Errors
/// [`RewardError::UnknownReward`] with the nearest known name.
pub fn find(name: &str) -> Result<&'static RewardInfo, RewardError> {
    if let Some(info) = REWARDS.iter().find(|r| r.name == name) {
        return Ok(info);
    }
    let distance = |r: &&RewardInfo| strsim::damerau_levenshtein(r.name, name);
    let nearest = REWARDS.iter().min_by_key(distance).map_or("", |r| r.name);
    Err(RewardError::UnknownReward { name: name.chars().take(60).collect(), nearest })
}

/// The reward called `name` with these parameters, all checked.
pub(crate) fn resolve(name: &str, params: &BTreeMap<String, String>) -> Result<RewardKind, RewardError> {
    let info = find(name)?;
    for (param, value) in params {
        let Some(known) = info.params.iter().find(|p| p.name == param) else {
            let known = info.params.iter().map(|p| p.name).collect();
            return Err(RewardError::UnknownParam { reward: info.name, param: param.clone(), known });
        };
        if !known.options.contains(&value.as_str()) {
            let (value, options) = (value.clone(), known.options);
            return Err(RewardError::BadValue { reward: info.name, param: known.name, value, options });
        }
    }
    let form = params.get(FORM).map(String::as_str);
    Ok(match info.name {
        "game" if form == Some("mean_turn") => RewardKind::Game(GameForm::MeanTurn),
        "game" => RewardKind::Game(GameForm::Return),
        "format" if form == Some("partial") => RewardKind::Format(FormatForm::Partial),
        "format" => RewardKind::Format(FormatForm::Exact),
        "perception_exact" => RewardKind::PerceptionExact,
        "perception" => RewardKind::Perception,
        // Listed above but not resolved here: an error, never some other reward.
        other => return Err(RewardError::UnknownReward { name: other.into(), nearest: "" }),
    })
}
