//! From stage to stage by what is measured.

use eyas_data::DataError;
use eyas_data::stage::{Condition, Edge, Graph, Node};
use serde::{Deserialize, Serialize};

use super::at::At;
use super::{Problem, Recipe, RecipeError, Stage};

/// A way out of a stage before its last step, or to another stage than the next one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The stage it leaves.
    pub from: String,
    /// The stage it leads to, which begins anew; absent: the end of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// When it is taken, looked at after every step. Metrics are those of `metrics.jsonl`; a step without the
    /// metric is no evaluation.
    pub when: Condition,
}

impl Recipe {
    /// The stages as a graph: from each its routes, in the order of the recipe, and after its last step the way
    /// to the next.
    ///
    /// # Errors
    /// [`DataError`]; never for a recipe that was read.
    pub fn graph(&self) -> Result<Graph, DataError> {
        graph(&self.stages, &self.route)
    }
}

fn graph(stages: &[Stage], routes: &[Route]) -> Result<Graph, DataError> {
    let node = |(i, stage): (usize, &Stage)| {
        let own = routes.iter().filter(|route| route.from == stage.name());
        let mut edges: Vec<Edge> =
            own.map(|route| Edge { to: route.to.clone(), when: route.when.clone() }).collect();
        let next = stages.get(i + 1).map(|s| s.name().to_string());
        edges.push(Edge { to: next, when: Condition::AfterSteps(stage.steps()) });
        Node { name: stage.name().into(), edges }
    };
    Graph::new(stages.iter().enumerate().map(node).collect())
}

/// Checks that routes lead from stages to stages, and that the run has an end.
pub(super) fn check_routes(
    stages: &[Stage],
    routes: &[Route],
    max_steps: Option<u64>,
    at: &At<'_>,
) -> Result<(), RecipeError> {
    let place = |name: &str| stages.iter().position(|s| s.name() == name);
    let routes_at = at.at("route");
    for (i, route) in routes.iter().enumerate() {
        let at = routes_at.at(i);
        let unknown = |key, name: &str| {
            let known = stages.iter().map(|s| s.name().to_string()).collect();
            at.at(key).fail(Problem::NoStageOfName { name: name.into(), known })
        };
        let from = place(&route.from).ok_or_else(|| unknown("from", &route.from))?;
        if matches!(stages[from], Stage::RewardModel(_)) {
            return Err(at.at("from").fail(Problem::NoWayOut(route.from.clone())));
        }
        if let Some(name) = &route.to {
            let to = place(name).ok_or_else(|| unknown("to", name))?;
            if to <= from && max_steps.is_none() {
                return Err(at.at("to").fail(Problem::Endless));
            }
        }
    }
    if let Some(most) = max_steps {
        at.at("max_steps").range(most as f64, most >= 1, "at least 1")?;
    }
    graph(stages, routes).map_err(|error| routes_at.fail(error))?;
    Ok(())
}
