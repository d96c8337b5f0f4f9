//! The list of rewards.

use std::sync::LazyLock;

use eyas_core::{Episode, Score};
use serde::Serialize;

use crate::{
    ParamInfo, Params, Response, Sample, answer, boxes, compose, constraints, format, formats, game, gui,
    judge, length, math, perception, points, process, ranking, structure, text, time, trajectory,
};

/// How a reward is computed, and from what.
#[derive(Clone, Copy, Debug)]
pub enum Scorer {
    /// From a whole episode, its parsed responses and the blocks that each should have.
    Episode(fn(&EpisodeView<'_>, &Params) -> Score),
    /// From one response and its ground truth.
    Sample(fn(&Sample<'_>, &Params) -> Score),
    /// From the responses to one prompt together; one score for each.
    Group(fn(&[Sample<'_>], &Params) -> Vec<Score>),
}

/// An episode as rewards see it.
#[derive(Clone, Copy, Debug)]
pub struct EpisodeView<'a> {
    /// The episode.
    pub episode: &'a Episode,
    /// What was written in each turn, parsed.
    pub responses: &'a [Response<'a>],
    /// The blocks that a response should consist of.
    pub tags: &'a [&'a str],
}

/// A reward that can be used by name.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct RewardInfo {
    /// Its name in recipes.
    pub name: &'static str,
    /// The family it is listed in.
    pub family: &'static str,
    /// One line: what it pays for.
    pub doc: &'static str,
    /// The paper or code it is from, and what differs there.
    pub source: &'static str,
    /// What the ground truth must be; empty when none is read.
    pub gold: &'static str,
    /// Smallest and largest score, where it has bounds.
    pub range: Option<(f32, f32)>,
    /// Its parameters.
    pub params: &'static [ParamInfo],
    /// How it is computed.
    #[serde(skip)]
    pub score: Scorer,
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
    /// The parameter does not take this value.
    #[error("reward {reward:?}: {param} = {value} does not fit; it takes {takes}")]
    BadValue {
        /// The reward.
        reward: &'static str,
        /// The parameter.
        param: &'static str,
        /// The value given.
        value: String,
        /// What it takes.
        takes: String,
    },
    /// An input for a field that the reward does not read.
    #[error("reward {reward:?} reads no field {field:?}; {}", fields(known))]
    UnknownInput {
        /// The reward.
        reward: &'static str,
        /// The field given.
        field: String,
        /// The fields it reads.
        known: Vec<String>,
    },
    /// The tree of a composition cannot be read.
    #[error("reward \"compose\": tree: {detail}")]
    BadTree {
        /// Where, and what is wrong.
        detail: String,
    },
    /// What a judge is to be asked makes no sense.
    #[error("reward \"judge\": {detail}")]
    BadJudge {
        /// What is wrong.
        detail: String,
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

fn fields(known: &[String]) -> String {
    if known.is_empty() { "it reads none".into() } else { format!("it reads {}", known.join(", ")) }
}

/// The fields of a sample that a reward cannot do without, beside text and ground truth. `tool_ok` is read only
/// where tools were called. For a composition see [`compose::Composition::needs`].
pub fn needs(reward: &str) -> &'static [&'static str] {
    match reward {
        "length_cosine" | "length_l1_exact" | "length_l1_max" | "length_kimi" | "length_shortest"
        | "length_band" => &["correct", "tokens"],
        "length_overlong" => &["tokens"],
        "baseline_corrected" => &["correct"],
        "karl" => &["mastery"],
        "format_ranking" => &["candidates"],
        "reward_model" => &[judge::scalar::FIELD],
        "webshop" => &["purchase"],
        "pdm" => &["no_collision", "drivable", "progress", "time_to_collision", "comfort"],
        other => process::needs(other),
    }
}

/// Every reward, family by family.
pub fn rewards() -> &'static [RewardInfo] {
    static ALL: LazyLock<Vec<RewardInfo>> = LazyLock::new(|| {
        [
            [game::INFO, format::INFO, perception::INFO, perception::EXACT].as_slice(),
            formats::REWARDS,
            answer::REWARDS,
            math::REWARDS,
            text::REWARDS,
            boxes::REWARDS,
            points::REWARDS,
            gui::REWARDS,
            time::REWARDS,
            trajectory::REWARDS,
            structure::REWARDS,
            ranking::REWARDS,
            process::REWARDS,
            length::REWARDS,
            constraints::REWARDS,
            judge::reward::REWARDS,
            judge::scalar::REWARDS,
            compose::REWARDS,
        ]
        .concat()
    });
    &ALL
}

/// The reward called `name`.
///
/// # Errors
/// [`RewardError::UnknownReward`] with the nearest known name.
pub fn find(name: &str) -> Result<&'static RewardInfo, RewardError> {
    let all = rewards();
    if let Some(info) = all.iter().find(|r| r.name == name) {
        return Ok(info);
    }
    let name: String = name.chars().take(60).collect();
    let nearest =
        all.iter().min_by_key(|r| strsim::damerau_levenshtein(r.name, &name)).map_or("", |r| r.name);
    Err(RewardError::UnknownReward { name, nearest })
}
