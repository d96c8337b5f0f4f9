//! What can stop a training run.

use eyas_algo::{AdvantageError, LossError};
use eyas_model::PolicyError;
use eyas_rollout::RolloutError;

use crate::run_dir::RunDirError;

/// Why a run stopped.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The rollout failed.
    #[error(transparent)]
    Rollout(RolloutError),
    /// The model refused an input.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// Advantages could not be computed.
    #[error(transparent)]
    Advantage(#[from] AdvantageError),
    /// The loss could not be computed.
    #[error(transparent)]
    Loss(LossError),
    /// A curriculum could not go on.
    #[error(transparent)]
    Data(#[from] eyas_data::DataError),
    /// The preference loss could not be computed.
    #[error(transparent)]
    Preference(#[from] eyas_algo::loss::preference::PreferenceError),
    /// The loss of a reward model could not be computed.
    #[error(transparent)]
    Score(#[from] eyas_algo::loss::reward_model::ScoreError),
    /// A reward model could not be asked or put down.
    #[error(transparent)]
    RewardModel(#[from] crate::RewardModelError),
    /// The run directory could not be written.
    #[error(transparent)]
    RunDir(#[from] RunDirError),
    /// A recipe was refused.
    #[error(transparent)]
    Recipe(#[from] crate::recipe::RecipeError),
    /// A model could not be opened, made or saved.
    #[error(transparent)]
    Model(#[from] eyas_model::VlmError),
    /// A trajectory refused tokens.
    #[error(transparent)]
    Trajectory(#[from] eyas_core::TrajectoryError),
    /// Too many of a step's scores could not be computed. The policy is as the last finished step left it.
    #[error("{failed} of {all} scores of this step could not be computed: {rewards}")]
    Scores {
        /// Scores that failed.
        failed: usize,
        /// Scores there should have been.
        all: usize,
        /// The rewards whose scores they are, each with a reason.
        rewards: String,
    },
    /// Too many updates were skipped: the run should go back to a checkpoint.
    #[error("{0} updates in a row were skipped")]
    Skipped(u64),
    /// A judge cannot be asked.
    #[error("judge {name:?}: {problem}")]
    Judge {
        /// Its name in the recipe.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// It was asked to stop; the policy is as the last finished step left it.
    #[error("interrupted")]
    Interrupted,
    /// Whoever listens to the run failed.
    #[error("{0}")]
    Listener(String),
}

impl From<RolloutError> for TrainError {
    fn from(error: RolloutError) -> Self {
        match error {
            RolloutError::Interrupted => Self::Interrupted,
            other => Self::Rollout(other),
        }
    }
}
