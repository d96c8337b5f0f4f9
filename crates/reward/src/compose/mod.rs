//! Rewards put together: a typed tree, read from TOML or JSON.
//!
//! A node is a number, the name of a reward, or a table with one of these keys:
//!
//! | key | what it gives |
//! |---|---|
//! | `reward`, with `params` and `needs` | a listed reward; `needs` adds fields that it reads; one of whole episodes, such as `game`, only where an environment is played |
//! | `field` | a number or flag that the caller supplies with the sample |
//! | `sum` | list of nodes, each with a `weight`: a number, or points `[[share of training, weight], …]` |
//! | `product`, `min`, `max` | of a list of nodes |
//! | `gate` | `{when, at_least, then, else}`: `then` where `when >= at_least`, otherwise `else` (0) |
//! | `clamp` | `{of, min, max}` |
//! | `affine` | `{of, scale, offset}`: `scale × of + offset` |
//! | `route` | `{field, cases, default}`: by a text field, such as `task` |
//! | `fallback` | `{of, or}`: `or` where `of` has no score |
//! | `group` | `{of, as}`: `mean`, `min`, `max`, `centred` or `rank` over the responses to one prompt |
//!
//! and an optional `name`, by which explanations call it.
//!
//! A part without a score leaves the whole without one, and the reason names the part. Parts that are not
//! used (weight 0, the other branch of a gate, another task) are not asked. A reward of groups sees the
//! whole group inside a gate, and the samples of its own task inside a route.

mod eval;
mod parse;

use std::collections::BTreeSet;

use eyas_core::{Invalid, Score};

use crate::{ParamInfo, Params, RewardInfo, RewardSpec, Sample, Scorer, needs};

pub use eval::{Evaluation, TermValue};
pub use parse::ComposeError;

pub(crate) const REWARDS: &[RewardInfo] = &[RewardInfo {
    name: "compose",
    family: "compose",
    doc: "rewards put together by a tree of sums, products, gates, schedules and routes",
    source: "the totals of DeepEyes, VRAG-RL, HumanOmniV2, Mixed-R1 and others as data instead of code",
    gold: "what the rewards of the tree read",
    range: None,
    params: &[ParamInfo::text("tree", "0", "the tree, as JSON")],
    score: Scorer::Group(score),
}];

/// A tree that cannot be read leaves every sample without a score and says where it is wrong. Whoever
/// scores often reads a [`Composition`] once instead.
fn score(samples: &[Sample<'_>], params: &Params) -> Vec<Score> {
    match serde_json::from_str::<Composition>(params.text("tree")) {
        Ok(tree) => tree.score(samples),
        Err(error) => {
            let detail = format!("the tree of the composition: {error}");
            vec![Score::Invalid(Invalid::NotApplicable { detail }); samples.len()]
        }
    }
}

/// Deepest nesting of nodes.
pub const MAX_DEPTH: usize = 16;

/// Most nodes of a composition.
pub const MAX_NODES: usize = 512;

/// A checked tree of rewards.
#[derive(Clone, Debug, PartialEq)]
pub struct Composition {
    root: Node,
}

#[derive(Clone, Debug, PartialEq)]
struct Node {
    name: Option<String>,
    op: Op,
}

#[derive(Clone, Debug, PartialEq)]
enum Op {
    Constant(f64),
    Reward { spec: Box<RewardSpec>, needs: Vec<String> },
    Field(String),
    Sum(Vec<(Weight, Node)>),
    Product(Vec<Node>),
    Min(Vec<Node>),
    Max(Vec<Node>),
    Gate { when: Box<Node>, at_least: f64, then: Box<Node>, otherwise: Box<Node> },
    Clamp { of: Box<Node>, min: f64, max: f64 },
    Affine { of: Box<Node>, scale: f64, offset: f64 },
    Route { field: String, cases: Vec<(String, Node)>, default: Option<Box<Node>> },
    Fallback { of: Box<Node>, or: Box<Node> },
    Group { of: Box<Node>, how: How },
}

/// What is made of a group's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Mean,
    Min,
    Max,
    Centred,
    Rank,
}

/// A weight over the course of training.
#[derive(Clone, Debug, PartialEq)]
enum Weight {
    Fixed(f64),
    /// Points (share of training, weight), ascending; straight lines between, level outside.
    Points(Vec<(f64, f64)>),
}

impl Weight {
    fn at(&self, share: f64) -> f64 {
        let points = match self {
            Self::Fixed(weight) => return *weight,
            Self::Points(points) => points,
        };
        let after = points.partition_point(|(at, _)| *at <= share);
        match (after.checked_sub(1).and_then(|i| points.get(i)), points.get(after)) {
            (Some((a, x)), Some((b, y))) => x + (y - x) * (share - a) / (b - a),
            (Some((_, weight)), None) | (None, Some((_, weight))) => *weight,
            (None, None) => 0.0,
        }
    }
}

impl Op {
    /// The nodes directly below.
    fn parts(&self) -> Vec<&Node> {
        match self {
            Self::Constant(_) | Self::Reward { .. } | Self::Field(_) => vec![],
            Self::Sum(parts) => parts.iter().map(|(_, part)| part).collect(),
            Self::Product(parts) | Self::Min(parts) | Self::Max(parts) => parts.iter().collect(),
            Self::Gate { when, then, otherwise, .. } => vec![when, then, otherwise],
            Self::Clamp { of, .. } | Self::Affine { of, .. } | Self::Group { of, .. } => vec![of],
            Self::Route { cases, default, .. } => {
                cases.iter().map(|(_, part)| part).chain(default.as_deref()).collect()
            }
            Self::Fallback { of, or } => vec![of, or],
        }
    }
}

impl Composition {
    /// The fields that must be supplied with every sample: those that the tree names, and those that its
    /// rewards are known or declared to read. The ground truth is not among them.
    pub fn needs(&self) -> BTreeSet<&str> {
        let (mut all, mut open) = (BTreeSet::new(), vec![&self.root]);
        while let Some(node) = open.pop() {
            match &node.op {
                Op::Field(field) | Op::Route { field, .. } => {
                    all.insert(field.as_str());
                }
                Op::Reward { spec, needs: declared } => {
                    all.extend(needs(spec.name()));
                    all.extend(declared.iter().map(String::as_str));
                }
                _ => {}
            }
            open.extend(node.op.parts());
        }
        all
    }

    /// The rewards that it is made of, each once, by name.
    pub fn rewards(&self) -> BTreeSet<&'static str> {
        self.specs().into_iter().map(RewardSpec::name).collect()
    }

    /// The rewards that it is made of, with their parameters.
    pub fn specs(&self) -> Vec<&RewardSpec> {
        let (mut specs, mut open) = (Vec::new(), vec![&self.root]);
        while let Some(node) = open.pop() {
            if let Op::Reward { spec, .. } = &node.op {
                specs.push(&**spec);
            }
            open.extend(node.op.parts());
        }
        specs
    }
}

#[cfg(test)]
mod tests;
