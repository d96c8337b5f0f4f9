//! Why a recipe was refused.

use std::path::PathBuf;

use eyas_algo::{AdvantageError, LossError};
use eyas_data::DataError;
use eyas_gym::GymError;
use eyas_reward::RewardError;

use super::Place;

/// Why a recipe was refused.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// A file or folder cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file named by `extends` cannot be read.
    #[error("{at}: cannot read {}, named by `extends`: {source}", path.display())]
    Extends {
        /// Where it is named.
        at: Place,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The text is not TOML.
    #[error("{at}: {message}")]
    Syntax {
        /// Where.
        at: Place,
        /// What the parser said.
        message: String,
    },
    /// No key of this name.
    #[error("{at}: unknown key `{key}`{}", hint(nearest, known))]
    UnknownKey {
        /// Where.
        at: Place,
        /// The path of the key.
        key: String,
        /// The nearest known name, if one is near.
        nearest: Option<String>,
        /// The names known there.
        known: Vec<String>,
    },
    /// The value of a key will not do.
    #[error("{at}: `{key}`: {problem}")]
    Invalid {
        /// Where.
        at: Place,
        /// The path of the key.
        key: String,
        /// What is wrong.
        problem: Box<Problem>,
    },
    /// The recipe has no such scale.
    #[error("{file}: no scale {name:?}; {}", scales(known))]
    UnknownScale {
        /// The recipe.
        file: String,
        /// The name given.
        name: String,
        /// The scales it has.
        known: Vec<String>,
    },
    /// An override is not of the form `path=value`.
    #[error("--set {text}: expected path=value, as in stage.0.steps=30")]
    SetForm {
        /// The override.
        text: String,
    },
    /// A recipe cannot be written as TOML.
    #[error("cannot write the recipe: {0}")]
    Write(#[from] toml::ser::Error),
}

fn hint(nearest: &Option<String>, known: &[String]) -> String {
    match nearest {
        Some(name) => format!(", did you mean `{name}`?"),
        None if known.is_empty() => String::new(),
        None => format!("; known here: {}", known.join(", ")),
    }
}

fn scales(known: &[String]) -> String {
    if known.is_empty() { "it has none".into() } else { format!("it has {}", known.join(", ")) }
}

/// What is wrong with a value.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// It has the wrong type, or is none of the words that can stand there.
    #[error("{0}")]
    Type(String),
    /// It must be written, there is no default.
    #[error("missing; {hint}")]
    Missing {
        /// What to write.
        hint: &'static str,
    },
    /// A number is out of range.
    #[error("{value} is out of range: {range}")]
    Range {
        /// The number.
        value: f64,
        /// What it may be.
        range: &'static str,
    },
    /// A text is empty.
    #[error("must not be empty")]
    Empty,
    /// The file named by `extends` extends another one.
    #[error("{base} itself extends {next:?}; only one level is allowed, so extend that one or copy it")]
    Chain {
        /// The file that is extended.
        base: String,
        /// What that file extends.
        next: String,
    },
    /// A path of an override leads through something that is neither table nor array.
    #[error("{0:?} is neither a table nor an array")]
    NotATable(String),
    /// A path of an override names an element that does not exist.
    #[error("no element {element:?}; {}", elements(known))]
    NoElement {
        /// The index or name.
        element: String,
        /// The names of the elements, or their indices.
        known: Vec<String>,
    },
    /// Both a folder and a preset.
    #[error("both `path` and `preset`; give only `path` (a folder with weights) or `preset` (fresh weights)")]
    TwoSources,
    /// Neither a folder nor a preset.
    #[error("neither `path` nor `preset`; give `path` (a folder with weights) or `preset` (fresh weights)")]
    NoSource,
    /// `vocab_size` without a preset.
    #[error("only a `preset` has a vocabulary to make; the one of a `path` is in its folder")]
    VocabSize,
    /// The recipe has no stage.
    #[error("no stage; write at least one [[stage]]")]
    NoStage,
    /// A stage or the evaluation has no environment.
    #[error("no environment; write at least one [[stage.env]] with an id")]
    NoEnv,
    /// An RL stage has no reward.
    #[error("no reward, so there is nothing to learn from; write at least one [[stage.reward]] with a name")]
    NoReward,
    /// The key belongs to the other kind of stage.
    #[error("belongs to {owner:?} stages, and stage {stage:?} is one of kind {kind:?}")]
    Misplaced {
        /// The kind of stage that has the key.
        owner: &'static str,
        /// The stage.
        stage: String,
        /// Its kind.
        kind: &'static str,
    },
    /// A stage's name cannot be used as a folder name and in paths.
    #[error("{0:?} is no name for a stage; use a-z, 0-9, `-` and `_`, beginning with a letter")]
    StageName(String),
    /// Two stages have the same name.
    #[error("two stages are called {0:?}; give each a `name` of its own")]
    DuplicateStage(String),
    /// Two environments of a mixture have the same name.
    #[error("two environments are called {0:?}; give each a `name` of its own")]
    DuplicateEnv(String),
    /// Two judges have the same name.
    #[error("two judges are called {0:?}; give each a `name` of its own")]
    DuplicateJudge(String),
    /// A judge's name cannot be used as a file name.
    #[error("{0:?} is no name for a judge; use letters, 0-9, `-` and `_`")]
    JudgeName(String),
    /// A key of another kind of judge.
    #[error("a judge of kind {kind:?} has no such key")]
    JudgeKey {
        /// The judge's kind.
        kind: String,
    },
    /// A reward asks a judge that is not there.
    #[error("asks the judge {name:?}; {}", judges(known))]
    UnknownJudge {
        /// The judge's name.
        name: String,
        /// The judges of the recipe.
        known: Vec<String>,
    },
    /// The policy at the start of the stage is not kept.
    #[error(
        "asks the policy at the start of the stage, but [stage.reference] keeps a running mean in its place; \
         use another judge or reference"
    )]
    MovingJudge,
    /// A reward asks a reward model that is not there.
    #[error("asks the reward model of stage {name:?}, but no stage before this one {}", trainers(known))]
    NoRewardModel {
        /// The stage's name.
        name: String,
        /// The stages before it that train one.
        known: Vec<String>,
    },
    /// A loss reads what demonstrated pairs do not have.
    #[error("reads the rewards of a pair, and demonstrated ones have none; set pairs.source = \"policy\"")]
    UnrewardedPairs,
    /// States are drawn where no episode is corrected.
    #[error("only pairs.source = \"corrected\" draws states of an episode; leave it out")]
    NoStates,
    /// A choice among the members of a group where there are no groups.
    #[error("compares the members of a group, and only pairs.source = \"policy\" plays groups")]
    NoGroups,
    /// A margin beside another rule of what is right.
    #[error("hard samples are right from select.right on and wrong below; leave the margin out")]
    RightByMargin,
    /// Weights of pairs that the loss does not read.
    #[error("weighs pairs, but the loss of this stage has none or a term that counts all pairs alike")]
    UnweighedPairs,
    /// A `beta` is to be scaled that is not there.
    #[error("scales the beta of each pair, and no term of the loss has one")]
    NoBeta,
    /// Blind play with whole pictures.
    #[error(
        "leaves pictures as they are, so nobody plays blindly; spoil something, or use another pairs.source"
    )]
    NothingSpoilt,
    /// Blind play where no pictures are spoilt.
    #[error("only stages of kind \"preference\" spoil pictures; use another source")]
    BlindRewards,
    /// A stage that has to be run to its end.
    #[error("leaves stage {0:?} before its last step, and so before there is a reward model")]
    NoWayOut(String),
    /// A reward reads something that nobody supplies.
    #[error(
        "reads the field {field:?}, which nobody supplies; give it by another reward, \
         inputs.{field} = {{ name = ... }}"
    )]
    Unsupplied {
        /// The field.
        field: String,
    },
    /// A reward is limited to an environment that is not there.
    #[error("no environment is called {name:?}; there are {}", known.join(", "))]
    UnknownEnv {
        /// The name given.
        name: String,
        /// The names of the stage's environments.
        known: Vec<String>,
    },
    /// An environment without a reward.
    #[error("no reward applies to the environment {0:?}; limit fewer rewards with `envs`, or add one")]
    Unrewarded(String),
    /// Rewards that are standardised over the batch must be in all of it.
    #[error(
        "the estimator \"gdpo\" compares each reward over the whole batch, so none can be limited by `envs`"
    )]
    GdpoRoute,
    /// A group of one.
    #[error("a group of one has no baseline to be compared with; use at least 2")]
    GroupOfOne,
    /// Groups cannot be dealt evenly.
    #[error("{groups} groups cannot be dealt evenly over {minibatches} minibatches")]
    Minibatches {
        /// Groups of a step.
        groups: usize,
        /// Updates of a step.
        minibatches: usize,
    },
    /// Values of episodes that the policy did not play.
    #[error(
        "values are those of the policy's own episodes; demonstrations have no place beside [stage.value] or \
         [stage.critic]"
    )]
    ValuesOfOthers,
    /// Advantages from two places.
    #[error("advantages come from [stage.value] or from [stage.critic], not from both")]
    TwoCritics,
    /// What an objective over flows replaces.
    #[error("has no place beside [stage.flow], which needs neither advantages nor a surrogate")]
    BesideFlow,
    /// A weight of parts of episodes where none are balanced.
    #[error("weighs parts of episodes, which only flow.objective = \"sub_trajectory\" balances")]
    NoParts,
    /// A reward for pairs that need none.
    #[error("pairs of this source are not judged; only pairs.source = \"policy\" has rewards")]
    JudgedPairs,
    /// No room for a prompt.
    #[error("responses of {max_tokens} tokens leave no room for a prompt in a context of {max_context}")]
    Context {
        /// Most tokens of a response.
        max_tokens: usize,
        /// Most tokens of an episode.
        max_context: usize,
    },
    /// A perception reward or span, but no perception in the responses.
    #[error(
        "speaks of <perception>, which responses of style \"think\" do not have; \
         use prompt.style = \"perception\" or another reward"
    )]
    NoPerception,
    /// The warm-up is longer than the stage.
    #[error("{warmup} warm-up steps do not fit into {steps} steps")]
    Warmup {
        /// Steps of the warm-up.
        warmup: u64,
        /// Steps of the stage.
        steps: u64,
    },
    /// A route names a stage that there is not.
    #[error("no stage {name:?}; {}", elements(known))]
    NoStageOfName {
        /// The name.
        name: String,
        /// The stages that there are.
        known: Vec<String>,
    },
    /// A route that leads back, and nothing that ends the run.
    #[error("leads back, so the run might never end: give `max_steps`, the steps of all stages together")]
    Endless,
    /// `levels` beside what says how hard the environment is.
    #[error("`levels` are positions of the dial; leave `difficulty` and `level` out")]
    TwoDifficulties,
    /// A curriculum knows its own starts only, and changed pictures are part of a state.
    #[error(
        "groups that start again have no place beside a curriculum or changed pictures ([stage.augment])"
    )]
    RestartsOfOthers,
    /// A rule that goes by order needs items to order.
    #[error("this rule takes start states one after the other: give `starts`, at least 1")]
    NoStarts,
    /// A curriculum cannot be begun.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A number that the stage does not have.
    #[error("there is no {0} to change in this stage")]
    NothingToControl(&'static str),
    /// The loss refused a setting.
    #[error(transparent)]
    Loss(#[from] LossError),
    /// The advantages refused a setting.
    #[error(transparent)]
    Advantage(#[from] AdvantageError),
    /// The gym refused an environment or a knob.
    #[error(transparent)]
    Gym(#[from] GymError),
    /// The reward crate refused a reward.
    #[error(transparent)]
    Reward(#[from] RewardError),
}

fn trainers(known: &[String]) -> String {
    match known {
        [] => "trains one; write a [[stage]] of kind \"reward_model\" first, or a folder".into(),
        known => format!("of that name trains one; there are {}", known.join(", ")),
    }
}

fn judges(known: &[String]) -> String {
    if known.is_empty() {
        "the recipe has none, write a [[judge]] with this name".into()
    } else {
        format!("there are {}", known.join(", "))
    }
}

fn elements(known: &[String]) -> String {
    if known.is_empty() { "the array is empty".into() } else { format!("there are {}", known.join(", ")) }
}
