//! What is done to rewards and advantages once they are known: weights, offsets, new advantages and
//! selections, each a pure function over the slices of one group (or batch) and the settings of one paper.
//!
//! Conventions, the same in every file:
//! - One entry per member. `None` (or a number that is not finite) is a member without a score: it takes
//!   part in no mean, and its own result is `None`, never 0. A number
//!   that no `f32` holds counts as the largest one.
//! - A weight is multiplied to the advantage, a bonus is added to the reward. Results are finite.
//! - What is drawn is drawn by the caller: functions take uniform numbers, not a random source.
//! - Slices per token are `f32`, and a token of weight 0 is never looked at.
//!
//! Bonuses that read responses (consistency, trust in a thinking score, curiosity about tools, temporal order)
//! are rewards: see `eyas_reward`.

mod advantages;
mod checks;

mod apo;
mod asymmetric;
mod coca;
mod dgrpo;
mod entropy;
mod hints;
#[cfg(test)]
mod invariants;
mod kind;
mod lead;
mod miou;
mod novelty;
mod odsw;
mod pad;
mod pass_rate;
mod pearl;
mod pods;
mod restart;
mod roles;
mod segment;
mod select;
mod spiral;
mod uadt;
mod unfinished;
mod verified;
mod vppo;

pub use advantages::scaled;
pub use apo::{Stcr, stcr};
pub use asymmetric::{SignWeights, sign_weighted};
pub use coca::{StepCredit, step_advantages, step_weights};
pub use dgrpo::{Dgrpo, dgrpo_weight};
pub use entropy::{EntropyBonus, entropy_advantages};
pub use hints::{hint_rewards, hinted_rewards};
pub use kind::{BatchMeans, Member, Shape, Shaped};
pub use lead::{Lead, lead_advantages, lead_weight};
pub use miou::{MiouForm, MiouWeight, miou_weight};
pub use novelty::{Novelty, group_counts, novelty_bonus};
pub use odsw::{Odsw, OdswForm, OdswStage, odsw_weight};
pub use pad::{Pad, PadPriority, pad_draw, pad_probabilities};
pub use pass_rate::{PassRateWeight, pass_rate, pass_rate_weight};
pub use pearl::{Pearl, PearlAdvantages, pearl_advantages, pearl_keeps, perception_gate};
pub use pods::max_variance_subset;
pub use restart::{Restart, restart_reward};
pub use roles::role_advantages;
pub use segment::{Segment, segment_advantages, segment_end_rewards};
pub use select::{AccuracyBand, reward_std, trainable};
pub use spiral::{RoleBaseline, RoleBaselines, baseline_advantages};
pub use uadt::{Uadt, uadt_advantages, uncertainty};
pub use unfinished::{completed_rewards, completed_std, without_unfinished};
pub use verified::{Verified, VerifiedStep, repair_gate, verified_return};
pub use vppo::{VisualDependency, mean_dependency, trajectory_factors};
