//! The advantages of episodes that were stored, worked out again.

use eyas_algo::{AdvantageError, token_advantages};
use eyas_core::Group;

use super::update::input;
use crate::recipe::RlStage;

/// The advantage of each token of each member of each group of a step, as the stage gave them; 0 for tokens that
/// were not sampled, and for members without a score. They follow from what an episode stores, so they are not
/// stored themselves; but for a stage with a value head, whose advantages depend on weights: `None`.
///
/// # Errors
/// [`AdvantageError`] when the score sheets of a group name different rewards.
pub fn advantages(groups: &[Group], stage: &RlStage) -> Result<Option<Vec<Vec<Vec<f32>>>>, AdvantageError> {
    if stage.value.is_some() {
        return Ok(None);
    }
    let inputs: Vec<_> = groups.iter().map(|group| input(group, stage.off_policy.demonstrations)).collect();
    Ok(Some(token_advantages(&inputs, &stage.advantage)?.into_iter().map(|a| a.values).collect()))
}
