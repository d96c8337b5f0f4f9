//! Policy + environment -> episodes.
//!
//! Token-in, token-out: the exact ids that were read and sampled are kept, with their log-probs, and
//! never decoded and encoded again. The members of a group start from clones of one state, share the
//! cache of their common prompt, and see pictures that were encoded once.
#![forbid(unsafe_code)]

mod agent;
mod correct;
mod demo;
mod engine;
mod error;
mod judge;
mod kinds;
mod reference;
mod start;
mod watch;

pub use agent::{Agent, Encoded, Pictures};
pub use correct::{Correction, Played, correct};
pub use demo::{Demonstrated, Lesson, Teacher, demonstrate};
pub use engine::{RolloutConfig, RolloutSeconds, RolloutStats, rollout};
pub use error::RolloutError;
pub use judge::{ModelJudge, Reading};
pub use kinds::token_kinds;
pub use reference::Reference;
pub use start::Start;
pub use watch::{Watch, all, each};
