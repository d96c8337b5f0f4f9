//! What a stage remembers from step to step, beside the weights.

use std::collections::BTreeMap;

use eyas_algo::control::Controller;
use eyas_data::curriculum::Curriculum;
use eyas_data::filter::SamplingState;
use serde::{Deserialize, Serialize};

use crate::restart::Restarts;
use crate::rl::Critic;

/// What a stage remembers from step to step, beside the weights: empty at its start, part of every checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StageState {
    /// What is known of the start states, with a curriculum.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub curriculum: Option<Curriculum>,
    /// What dynamic sampling has seen.
    pub sampling: SamplingState,
    /// How many groups are sampled for one that is wanted, where that follows the share of useful ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expansion: Option<f64>,
    /// States of earlier episodes to start again from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restarts: Option<Restarts>,
    /// Coefficients that follow what is observed, by the place of their table in the recipe.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub controllers: BTreeMap<usize, Controller>,
    /// Critics of utterances and what they are taught from: numbers, which are stored as arrays.
    #[serde(skip)]
    pub critic: Option<Critic>,
}
