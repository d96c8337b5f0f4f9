//! Recipe -> trained policy.
//!
//! A recipe resolves into stages; a stage is a loop of draw, score, advantage, loss, update.
#![forbid(unsafe_code)]

mod error;
mod mixture;
mod optim;
pub mod recipe;
mod rl;
mod run_dir;
mod sft;
mod step;

pub use error::TrainError;
pub use mixture::{MixtureEnv, allot, starts};
pub use optim::{OptimConfig, micro_batches};
pub use rl::{RlConfig, run_rl};
pub use run_dir::{Metrics, RunDir, RunDirError};
pub use sft::{SftConfig, demonstrations, run_sft};
pub use step::StepReport;
