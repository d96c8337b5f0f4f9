//! Objectives over flows, in the place of advantages and a surrogate.

use eyas_algo::loss::value::flow::SubTrajectory;
use eyas_algo::{AdvantageConfig, PolicyConfig};
use serde::{Deserialize, Serialize};

use super::at::At;
use super::{Controlled, KlWeight, Problem, RecipeError, RlStage};

/// The policy learns to reach each end with a probability in proportion to its reward, instead of only the best one
/// (GFlowVLM: Kang et al., arXiv 2503.06514).
///
/// A transition is a turn of the environment, and its log-prob the sum over the tokens sampled in it, under the
/// policy as it is; so an episode of one turn is one transition. The log-reward of an end is
/// `beta · ln(max(reward, floor))` with the reward of the whole episode. What was not sampled by the policy, as a
/// demonstration, counts like the rest: the objectives hold for any trajectory.
///
/// There are many more bad responses than good ones, and each of them is to be as likely as the floor is worth: with a
/// small `beta` or a high `floor` the policy writes mostly what is worth little.
///
/// **Faithful:** the three objectives; thoughts that weigh less than actions; ends that the policy did not reach by
/// itself may be learnt from. **Reading:** `beta` and `floor`, which make any reward one above 0; with thoughts that
/// weigh other than 1, what is balanced is no longer the probability of a response.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FlowSettings {
    /// What is balanced. Default: whole episodes within their group.
    pub objective: FlowObjective,
    /// With `sub_trajectory`: a part of `n` turns weighs `lambda^n`; above 0. Default 0.9.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lambda: Option<f64>,
    /// The larger, the more of the policy's probability goes to the best ends; above 0. Default 1.
    pub beta: f64,
    /// The least reward of an end, above 0. Default 0.01.
    pub floor: f64,
    /// What the log-probs of tokens inside `<perception>` and `<think>` are multiplied by, at least 0. Default 1.
    pub thought_weight: f64,
}

impl Default for FlowSettings {
    fn default() -> Self {
        let objective = FlowObjective::default();
        Self { objective, lambda: None, beta: 1.0, floor: 0.01, thought_weight: 1.0 }
    }
}

/// What is balanced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlowObjective {
    /// Whole episodes: the members of a group start from one state, so they must agree about the flow through it
    /// (Var-TB). See [`variance_balance`](eyas_algo::loss::value::flow::variance_balance).
    #[default]
    Variance,
    /// Parts of episodes, by the flow that a value head gives the state before each turn. See
    /// [`sub_trajectory_balance`](eyas_algo::loss::value::flow::sub_trajectory_balance).
    SubTrajectory,
    /// Single turns, by the same flow. See
    /// [`detailed_balance`](eyas_algo::loss::value::flow::detailed_balance).
    Detailed,
}

impl FlowSettings {
    /// Whether states have a flow of their own, from a value head.
    pub fn reads_flow(&self) -> bool {
        self.objective != FlowObjective::Variance
    }

    /// How parts of episodes are weighed.
    pub fn parts(&self) -> SubTrajectory {
        self.lambda.map_or_else(SubTrajectory::default, |lambda| SubTrajectory { lambda })
    }

    /// With the defaults that depend on the objective.
    pub(super) fn complete(self) -> Self {
        match self.objective {
            FlowObjective::SubTrajectory => Self { lambda: Some(self.parts().lambda), ..self },
            FlowObjective::Variance | FlowObjective::Detailed => self,
        }
    }
}

/// Checks the settings, and that nothing beside them asks for what they replace.
pub(super) fn check_flow(stage: &RlStage, at: &At<'_>) -> Result<(), RecipeError> {
    let Some(flow) = stage.flow else { return Ok(()) };
    let here = at.at("flow");
    here.at("beta").positive(flow.beta)?;
    here.at("floor").positive(flow.floor)?;
    here.at("thought_weight").zero_or_more(flow.thought_weight)?;
    flow.parts().check().map_err(|error| here.fail(error))?;
    if flow.lambda.is_some() && flow.objective != FlowObjective::SubTrajectory {
        return Err(here.at("lambda").fail(Problem::NoParts));
    }
    let kept = [Controlled::Temperature, Controlled::Constraint];
    // A resolved recipe writes out the defaults of what a flow does not read.
    let replaced = [
        ("advantage", stage.advantage != AdvantageConfig::default()),
        ("loss", stage.loss != PolicyConfig::default()),
        ("kl_weight", stage.kl_weight != KlWeight::default()),
        ("value", stage.value.is_some()),
        ("critic", stage.critic.is_some()),
        ("dynamic_sampling", stage.dynamic_sampling.is_some()),
        ("resample", stage.resample.is_some()),
        ("visual_dependency", stage.visual_dependency.is_some()),
        ("control", stage.control.iter().any(|control| !kept.contains(&control.of))),
    ];
    match replaced.into_iter().find(|(_, given)| *given) {
        Some((key, _)) => Err(at.at(key).fail(Problem::BesideFlow)),
        None => Ok(()),
    }
}
