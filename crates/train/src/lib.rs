//! Recipe -> trained policy.
//!
//! A recipe resolves into stages; a stage is a loop of draw, score, advantage, loss, update.
#![forbid(unsafe_code)]

pub mod bench;
mod check;
pub mod checkpoint;
mod error;
mod fresh;
mod judges;
mod mixture;
mod optim;
mod preference;
pub mod recipe;
mod rl;
mod run_dir;
mod sft;
mod step;

pub use check::check_prompts;
pub use error::TrainError;
pub use fresh::{configure, fresh_tiny, open_model};
pub use judges::{Judges, Snapshot};
pub use mixture::{allot, starts};
pub use optim::{adamw, micro_batches};
pub use preference::run_preference;
pub use rl::run_rl;
pub use run_dir::{Metrics, RunDir, RunDirError};
pub use sft::{demonstrations, run_sft};
pub use step::{StageRun, StepReport};
