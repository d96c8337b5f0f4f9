//! Which of the groups that a step has played are trained on: by what the episodes themselves say.

use eyas_core::Group;
use eyas_data::curriculum::{GroupResult, select_middle};
use eyas_data::filter::{DynamicSampling as Refill, Next, SamplingState, VarianceFilter, select_by_variance};

use super::update::is_live;
use crate::TrainError;
use crate::recipe::{DynamicSampling, RlStage, Useful, Worth};
use crate::source::result;

/// The groups that are trained on, of all that the step has played, in ascending order.
pub(super) fn chosen(stage: &RlStage, groups: &[Group]) -> Result<Vec<usize>, TrainError> {
    let wanted = stage.rollout.groups;
    match stage.dynamic_sampling {
        None => Ok((0..groups.len()).collect()),
        Some(DynamicSampling::Refill { max_rounds, max_factor, by }) => {
            let plan = Refill { batch: wanted, max_rounds, max_factor };
            let (mut state, mut all, mut first) = (SamplingState::default(), Vec::new(), 0);
            // Round by round, since advantages that compare groups compare those of a round.
            while let Next::Sample(n) = plan.next(&state) {
                let Some(round) = groups.get(first..first + n) else { break };
                let useful = useful(stage, round, by)?;
                state = plan.after_round(state, n, useful.len());
                all.extend(useful.into_iter().map(|i| first + i));
                first += n;
            }
            all.truncate(wanted);
            Ok(all)
        }
        Some(DynamicSampling::Expand { .. }) => Ok(select_middle(&results(stage, groups), wanted)),
        Some(DynamicSampling::Variance { .. }) => {
            let total = |group: &Group| {
                let own = group.episodes.iter().take(sampled(stage, group));
                own.map(|e| e.total_score().map(f64::from)).collect()
            };
            let rewards: Vec<Vec<Option<f64>>> = groups.iter().map(total).collect();
            let keep = wanted as f64 / groups.len().max(1) as f64;
            let filter = VarianceFilter { keep: keep.min(1.0), ..VarianceFilter::default() };
            let mut all = select_by_variance(&rewards, &filter)?;
            all.truncate(wanted);
            Ok(all)
        }
    }
}

/// Those of the groups of a round that teach something.
pub(super) fn useful(stage: &RlStage, groups: &[Group], by: Useful) -> Result<Vec<usize>, TrainError> {
    let useful: Vec<bool> = match by {
        Useful::Advantage => {
            let groups: Vec<&Group> = groups.iter().collect();
            is_live(&groups, &stage.advantage, stage.off_policy.demonstrations)?
        }
        Useful::Success => results(stage, groups).iter().map(|r| !r.is_flat()).collect(),
    };
    Ok(useful.iter().enumerate().filter(|(_, useful)| **useful).map(|(i, _)| i).collect())
}

/// How often each group reached its goal.
pub(super) fn results(stage: &RlStage, groups: &[Group]) -> Vec<GroupResult> {
    let of = |(i, group): (usize, &Group)| result(i as u64, group, sampled(stage, group), Worth::Success);
    groups.iter().enumerate().map(of).collect()
}

/// Members that the policy sampled.
fn sampled(stage: &RlStage, group: &Group) -> usize {
    group.episodes.len().saturating_sub(stage.off_policy.demonstrations)
}
