//! Recipe -> trained policy.
//!
//! A recipe resolves into stages; a stage is a loop of draw, score, advantage, loss, update.
#![forbid(unsafe_code)]

mod augment;
pub mod bench;
mod check;
pub mod checkpoint;
pub mod difference;
mod error;
mod fresh;
mod guard;
mod judges;
mod mixture;
mod optim;
pub mod origin;
mod pairs;
mod preference;
pub mod recipe;
pub mod replay;
mod restart;
mod reward_model;
mod rl;
mod run_dir;
mod sft;
mod source;
mod state;
mod step;
pub mod stored;

pub use check::check_prompts;
pub use error::TrainError;
pub use fresh::{fresh_tiny, open_model};
pub use guard::{Guard, GuardState};
pub use judges::{Judges, Snapshot};
pub use mixture::{allot, starts};
pub use optim::{MICRO_BATCH_TOKENS, adamw, micro_batches};
pub use preference::run_preference;
pub use reward_model::{RewardModelError, RewardModels, run_reward_model};
pub use rl::{Critic, CriticError, GroupAdvantages, advantages, run_rl};
pub use run_dir::{Metrics, RunDir, RunDirError};
pub use sft::{demonstrations, run_sft};
pub use state::StageState;
pub use step::{StageRun, StepReport, observation, run_stage, stage_seed};
