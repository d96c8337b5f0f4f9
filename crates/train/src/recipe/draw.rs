//! Which groups a step trains on, and what changes over a stage.

use eyas_algo::Surrogate;
use eyas_algo::advantage::shape::Restart as Bonus;
use eyas_algo::control::{Control, Controller};
use eyas_algo::loss::term::Term;
use eyas_core::{Image, Seed};
use eyas_data::augment::{Anneal, Augmentation};
use eyas_data::curriculum::{ContextStages, Expansion, PoolConfig, Rule};
use eyas_data::filter::DynamicSampling as Refill;
use eyas_data::replay::{ReplayConfig, Restart};
use serde::{Deserialize, Serialize};

use super::at::At;
use super::resolve::lengths;
use super::{Problem, RecipeError, RlStage};
use crate::StageState;
use crate::source::curriculum;

/// Most items of a curriculum: each is looked at in every step, and stands in every checkpoint.
const MAX_ITEMS: usize = 1_000_000;

/// The label of a reward that is to stay above a number.
const CONSTRAINT: &str = "constraint";

/// More groups are sampled than are trained on, so that a step does not run short of groups that teach
/// something. `rollout.groups` is how many are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum DynamicSampling {
    /// What teaches nothing is replaced, in rounds (DAPO, Yu et al., arXiv 2503.14476, §3.2); see
    /// [`Refill`](eyas_data::filter::DynamicSampling). After the last round the step goes on with what there
    /// is.
    Refill {
        /// Rounds of sampling at most, at least 1. Default 4.
        #[serde(default = "four_rounds")]
        max_rounds: u32,
        /// A round samples at most so many times what is missing, at least 1. Default 4.
        #[serde(default = "four_times")]
        max_factor: f64,
        /// What makes a group useful.
        #[serde(default)]
        by: Useful,
    },
    /// As many more as the share of groups with both successes and failures was small lately (RLCS of
    /// GLM-4.1V-Thinking, arXiv 2507.01006); those with a pass rate nearest to ½ are trained on. See
    /// [`Expansion`].
    Expand {
        /// Weight of the latest step in the moving ratio, in `0..=1`. Default 0.1.
        #[serde(default = "slowly")]
        rate: f64,
        /// Most groups that are sampled for one that is wanted, at least 1. Default 8.
        #[serde(default = "eight_times")]
        max: f64,
    },
    /// `factor` times as many; those whose rewards spread most are trained on. See
    /// [`select_by_variance`](eyas_data::filter::select_by_variance).
    Variance {
        /// Groups sampled for one that is wanted, at least 1. Default 2.
        #[serde(default = "twice")]
        factor: f64,
    },
}

fn four_rounds() -> u32 {
    Refill::default().max_rounds
}

fn four_times() -> f64 {
    Refill::default().max_factor
}

fn slowly() -> f64 {
    Expansion::default().rate
}

fn eight_times() -> f64 {
    Expansion::default().max
}

fn twice() -> f64 {
    2.0
}

/// What makes a group useful.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Useful {
    /// Some member has an advantage, whatever reward it comes from.
    #[default]
    Advantage,
    /// Some members reached the goal and some did not, as in DAPO.
    Success,
}

/// Which start states come next.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CurriculumSettings {
    /// How they are chosen.
    pub rule: Rule,
    /// Start states of each environment, drawn once at the beginning of the stage; each is an item of the
    /// curriculum. 0: every environment is an item, and its states are new ones every time. At most 1,000,000 over
    /// all environments together; default 0.
    pub starts: usize,
    /// What an attempt is worth to the curriculum.
    pub score: Worth,
    /// How fast the figures of an item follow its latest results.
    pub pool: PoolConfig,
}

/// Groups that start in the middle of earlier episodes, right and wrong ones: restart and explore of Satori (Shen et
/// al., arXiv 2502.02508). Episodes of fewer than two turns have no middle.
///
/// **Faithful:** states of right and wrong attempts are kept apart, and the bonus. **Reading:** a state of the
/// environment, where the paper's is a piece of text, so the policy does not see what it wrote before; how far it
/// goes back.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RestartSettings {
    /// States kept of one episode, at least 1. Default 1.
    pub points: usize,
    /// A state lies at most so many turns before the end, at least 1. Default 4.
    pub backtrack: usize,
    /// Share of a step's groups that start from a kept state, `0..=1`. Default 0.5.
    pub share: f64,
    /// Share of those that go on from an episode that did not reach its goal, `0..=1`. Default 0.5.
    pub failed: f64,
    /// States kept of successful episodes, and as many of others; at least 1. The oldest goes first. Default 256.
    pub capacity: usize,
    /// A state is kept for so many steps. Default 8.
    pub max_age: u64,
    /// What reaching the goal from a state of a failed episode earns on top, and what missing it from one of a
    /// successful episode costs; at least 0. Default 0.5.
    pub bonus: f64,
}

impl Default for RestartSettings {
    fn default() -> Self {
        let (starts, kept) = (Restart::default(), ReplayConfig::default());
        Self {
            points: starts.points,
            backtrack: starts.backtrack,
            share: starts.share,
            failed: starts.failed,
            capacity: 256,
            max_age: kept.max_age.unwrap_or(8),
            bonus: Bonus::default().bonus,
        }
    }
}

impl RestartSettings {
    /// Where episodes start.
    pub(crate) fn starts(&self) -> Restart {
        let Self { points, backtrack, share, failed, .. } = *self;
        Restart { points, backtrack, share, failed }
    }
}

/// What an attempt is worth to a curriculum, in `0..=1`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Worth {
    /// 1 when the goal was reached, else 0.
    #[default]
    Success,
    /// The environment's own score.
    Score,
}

/// Pictures that are changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AugmentSettings {
    /// The changes; one of them is drawn for each group. At least one.
    pub with: Vec<Augmentation>,
    /// The share of groups whose pictures are changed, `0..=1`. Default 1.
    #[serde(default = "all_groups")]
    pub share: f64,
    /// How the strength of a change falls over the stage. Default: it does not.
    #[serde(default)]
    pub strength: Anneal,
}

fn all_groups() -> f64 {
    1.0
}

/// A number of the stage that changes over its steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControlSettings {
    /// The number.
    pub of: Controlled,
    /// How it changes.
    pub by: Control,
    /// The metric that it follows. Default: `kl` for the weight of the KL penalty, `rewards/constraint/mean`
    /// for the weight of a constraint, else `entropy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<String>,
}

impl ControlSettings {
    /// The metric that it follows.
    pub fn watched(&self) -> &str {
        match (&self.watch, self.of) {
            (Some(metric), _) => metric,
            (None, Controlled::Kl) => "kl",
            (None, Controlled::Constraint) => "rewards/constraint/mean",
            (None, _) => "entropy",
        }
    }
}

/// A number of the stage that can change over its steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Controlled {
    /// `loss.kl.coef`.
    Kl,
    /// `coef` of the loss's term `entropy`.
    Entropy,
    /// `coef` of the loss's term `perception`.
    Perception,
    /// `rollout.temperature`.
    Temperature,
    /// `clip_high` of the surrogate `ppo`.
    ClipHigh,
    /// The weight of the reward with the label `constraint`. By a `dual` of `side = "below"` it rises while that
    /// reward's mean is below the target: the multiplier of Safe RLHF (Dai et al., arXiv 2310.12773) with the
    /// reward as minus the cost.
    Constraint,
}

impl Controlled {
    /// The word in recipes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kl => "kl",
            Self::Entropy => "entropy",
            Self::Perception => "perception",
            Self::Temperature => "temperature",
            Self::ClipHigh => "clip_high",
            Self::Constraint => CONSTRAINT,
        }
    }
}

impl RlStage {
    /// The stage as it is at a step: what changes over it has its value.
    pub(crate) fn at_step(&self, step: u64, state: &StageState) -> Self {
        let mut stage = self.clone();
        let context = ContextStages { stages: self.context.clone() };
        if let Some(now) = context.at(step) {
            stage.rollout.max_tokens = now.max_tokens as usize;
            stage.rollout.group_size = now.group as usize;
        }
        for (place, controller) in &state.controllers {
            if let Some(control) = self.control.get(*place) {
                stage.set(control.of, controller.value(step));
            }
        }
        stage
    }

    /// Members of a group at a step, demonstrations included.
    pub(crate) fn group_size(&self, step: u64) -> usize {
        let context = ContextStages { stages: self.context.clone() };
        context.at(step).map_or(self.rollout.group_size, |now| now.group as usize)
    }

    /// Gives a number that can change its value; false when the stage does not have it.
    fn set(&mut self, of: Controlled, value: f64) -> bool {
        if of == Controlled::Constraint {
            let reward = self.reward.iter_mut().find(|reward| reward.label() == CONSTRAINT);
            return reward.map(|reward| *reward = reward.clone().with_weight(value as f32)).is_some();
        }
        let terms = &mut self.loss.terms;
        let place = match (of, &mut self.loss.surrogate) {
            (Controlled::Kl, _) => Some(&mut self.loss.kl.coef),
            (Controlled::Temperature, _) => Some(&mut self.rollout.temperature),
            (Controlled::ClipHigh, Surrogate::Ppo(ppo)) => Some(&mut ppo.clip_high),
            (Controlled::ClipHigh | Controlled::Constraint, _) => None,
            (Controlled::Entropy, _) => terms.iter_mut().find_map(|term| match term {
                Term::Entropy(entropy) => Some(&mut entropy.coef),
                _ => None,
            }),
            (Controlled::Perception, _) => terms.iter_mut().find_map(|term| match term {
                Term::Perception(perception) => Some(&mut perception.coef),
                _ => None,
            }),
        };
        let there = place.is_some();
        if let Some(place) = place {
            *place = value;
        }
        there
    }
}

/// Checks what says which groups a step trains on, and what changes over the stage.
pub(super) fn check_draw(stage: &RlStage, at: &At<'_>) -> Result<(), RecipeError> {
    if let Some(sampling) = stage.dynamic_sampling {
        let at = at.at("dynamic_sampling");
        let checked = match sampling {
            DynamicSampling::Refill { max_rounds, max_factor, .. } => {
                Refill { batch: stage.rollout.groups, max_rounds, max_factor }.check()
            }
            DynamicSampling::Expand { rate, max } => Expansion { rate, max }.check(),
            DynamicSampling::Variance { factor } => {
                at.at("factor").range(factor, (1.0..=1e6).contains(&factor), "1 to 1000000")?;
                Ok(())
            }
        };
        checked.map_err(|error| at.fail(error))?;
    }
    if let Some(settings) = &stage.curriculum {
        let at = at.at("curriculum");
        if settings.starts == 0 && settings.rule.is_ordered() {
            return Err(at.at("starts").fail(Problem::NoStarts));
        }
        let fits = settings.starts <= MAX_ITEMS / stage.env.len().max(1);
        at.at("starts").range(
            settings.starts as f64,
            fits,
            "at most 1000000, over all environments together",
        )?;
        curriculum(&stage.env, settings, Seed::new(0)).map_err(|error| at.fail(error))?;
    }
    if let Some(settings) = &stage.restart {
        let at = at.at("restart");
        settings.starts().check().map_err(|error| at.fail(error))?;
        at.at("capacity").count(settings.capacity)?;
        at.at("bonus").zero_or_more(settings.bonus)?;
        if stage.curriculum.is_some() || stage.augment.is_some() {
            return Err(at.fail(Problem::RestartsOfOthers));
        }
    }
    if !stage.context.is_empty() {
        let stages = ContextStages { stages: stage.context.clone() };
        stages.check().map_err(|error| at.at("context").fail(error))?;
        for (i, context) in stage.context.iter().enumerate() {
            let at = at.at("context").at(i);
            lengths(context.max_tokens as usize, stage.rollout.max_context, &at)?;
            let most = stage.off_policy.demonstrations.max(1);
            let fits = context.group as usize > most;
            at.at("group").range(
                f64::from(context.group),
                fits,
                "at least 2, and more than demonstrations",
            )?;
        }
    }
    if let Some(augment) = &stage.augment {
        let at = at.at("augment");
        at.at("share").share(augment.share)?;
        if augment.with.is_empty() {
            return Err(at.at("with").fail(Problem::Empty));
        }
        augment.strength.strength(0, stage.steps).map_err(|error| at.at("strength").fail(error))?;
        for (i, change) in augment.with.iter().enumerate() {
            let tried = Image::new(32, 32, vec![0; 32 * 32 * 3])
                .map(|image| change.apply(&image, Some(&image), 1.0, Seed::new(0)));
            if let Ok(Err(error)) = tried {
                return Err(at.at("with").at(i).fail(error));
            }
        }
    }
    if let Some(pad) = &stage.resample {
        pad.check().map_err(|error| at.at("resample").fail(error))?;
    }
    if let Some(dependency) = &stage.visual_dependency {
        dependency.check().map_err(|error| at.at("visual_dependency").fail(error))?;
    }
    for (i, control) in stage.control.iter().enumerate() {
        let at = at.at("control").at(i);
        control.by.check().map_err(|error| at.at("by").fail(error))?;
        let value = Controller::new(control.by).map_err(|error| at.at("by").fail(error))?.value(0);
        let mut changed = stage.clone();
        if !changed.set(control.of, value) {
            return Err(at.at("of").fail(Problem::NothingToControl(control.of.as_str())));
        }
        changed.loss.check().map_err(|error| at.at("by").fail(error))?;
    }
    Ok(())
}
