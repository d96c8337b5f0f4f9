//! What can stop a rollout.

use eyas_core::{Seed, TrajectoryError};
use eyas_gym::{GymError, KnobError, ParseError};
use eyas_model::PolicyError;
use eyas_model::hf::{TemplateError, TokenizerError};

/// Why a rollout stopped.
#[derive(Debug, thiserror::Error)]
pub enum RolloutError {
    /// The model refused an input.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// Text could not be encoded or decoded.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The chat template could not be applied.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// A trajectory refused tokens.
    #[error(transparent)]
    Trajectory(#[from] TrajectoryError),
    /// An environment could not be made.
    #[error(transparent)]
    Gym(#[from] GymError),
    /// An environment refused its knobs.
    #[error(transparent)]
    Knob(#[from] KnobError),
    /// An oracle's own action was refused: a defect of the environment.
    #[error("environment {env}: its own action was refused: {source}")]
    Oracle {
        /// The environment.
        env: String,
        /// What its parser said.
        source: ParseError,
    },
    /// An environment panicked where nothing can be done without it.
    #[error("environment {env}, start {}: {why}", seed.value())]
    Environment {
        /// The environment.
        env: String,
        /// The seed of the start.
        seed: Seed,
        /// What it said.
        why: String,
    },
    /// The threads of environments could not be started.
    #[error("cannot start a thread for environments: {0}")]
    Threads(std::io::Error),
    /// It was asked to stop.
    #[error("interrupted")]
    Interrupted,
    /// The chat template shows more pictures than it was given.
    #[error("the chat template repeats a picture")]
    ImageSlots,
    /// A single episode may outgrow the room for cached keys and values.
    #[error(
        "environment {env}: an episode may take {needed} tokens, but the key-value budget holds {budget}"
    )]
    KvBudget {
        /// The environment.
        env: String,
        /// Tokens of its context.
        needed: usize,
        /// Tokens that the budget holds.
        budget: usize,
    },
    /// The opening prompt alone does not fit the context.
    #[error(
        "environment {env}: the prompt of {prompt} tokens leaves no room for a response in a context of {context}"
    )]
    Prompt {
        /// The environment.
        env: String,
        /// Tokens of the prompt.
        prompt: usize,
        /// The context.
        context: usize,
    },
}
