//! The advantages of episodes that were stored, worked out again.

use eyas_algo::token_advantages;
use eyas_core::Group;

use super::choose::chosen;
use super::update::input;
use crate::TrainError;
use crate::recipe::RlStage;

/// Of the members of a group, the advantage of each token.
pub type GroupAdvantages = Vec<Vec<f32>>;

/// The advantage of each token of each member of each group of a step, as the stage gave them; 0 for tokens that
/// were not sampled, and for members without a score. A group that dynamic sampling has left out has none: it took
/// no part when groups were compared.
///
/// They follow from what an episode stores, so they are not stored themselves; but for a stage with a value head
/// or critics, or one that weighs episodes by their visual dependency, whose advantages depend on weights: `None`. A
/// stage whose objective is over flows has none either.
///
/// # Errors
/// [`TrainError`] when the score sheets of a group name different rewards.
pub fn advantages(
    groups: &[Group],
    stage: &RlStage,
) -> Result<Option<Vec<Option<GroupAdvantages>>>, TrainError> {
    let by_weights = stage.value.is_some() || stage.critic.is_some() || stage.visual_dependency.is_some();
    if by_weights || stage.flow.is_some() {
        return Ok(None);
    }
    let chosen = chosen(stage, groups)?;
    let inputs: Vec<_> = chosen.iter().map(|i| input(&groups[*i], stage.off_policy.demonstrations)).collect();
    let mut all = vec![None; groups.len()];
    for (i, advantages) in chosen.iter().zip(token_advantages(&inputs, &stage.advantage)?) {
        all[*i] = Some(advantages.values);
    }
    Ok(Some(all))
}
