//! Episodes that depend on the picture count more (VPPO).

use eyas_algo::advantage::shape::{VisualDependency, mean_dependency, trajectory_factors};
use eyas_model::{ImageStore, Policy};

use super::update::{Live, UpdateConfig, Views, groups_of_an_update};
use crate::TrainError;
use crate::optim::micro_batches;

/// Multiplies the advantages of each episode by its factor, and gives the mean dependency of all; none when no
/// episode has one.
///
/// A token's log-prob with the picture is what the sampler said, without it what the policy says now of
/// `corrupted`: one pass, before the first update. Factors compare the episodes of one update. Demonstrations
/// have no log-prob of the policy's own; their factor is 1.
pub(super) fn weigh(
    policy: &Policy,
    live: &mut [Live<'_>],
    corrupted: &ImageStore,
    settings: &VisualDependency,
    views: &Views<'_>,
    config: &UpdateConfig<'_>,
) -> Result<Option<f64>, TrainError> {
    let (mut sum, mut count) = (0.0, 0usize);
    for part in live.chunks_mut(groups_of_an_update(live.len(), config.minibatches)) {
        let dependencies = dependencies(policy, part, corrupted, views, config.micro_batch_tokens)?;
        let mut factors = trajectory_factors(&dependencies, settings)?.into_iter();
        for live in part {
            let members = live.trajectories().len();
            factors.by_ref().take(members).enumerate().for_each(|(member, f)| live.scale(member, f));
        }
        sum += dependencies.iter().flatten().sum::<f64>();
        count += dependencies.iter().flatten().count();
    }
    Ok((count > 0).then(|| sum / count as f64))
}

/// How much each episode depends on the picture, group by group.
fn dependencies(
    policy: &Policy,
    part: &[Live<'_>],
    corrupted: &ImageStore,
    views: &Views<'_>,
    micro_batch_tokens: usize,
) -> Result<Vec<Option<f64>>, TrainError> {
    let groups: Vec<_> = part.iter().map(Live::trajectories).collect();
    let mut dependencies = Vec::new();
    let mut first = 0;
    for micro in micro_batches(&groups, micro_batch_tokens) {
        if views.interrupt.is_raised() {
            return Err(TrainError::Interrupted);
        }
        let mut masked: Vec<Vec<Vec<f32>>> =
            micro.iter().map(|group| group.iter().map(|t| vec![0.0; t.len()]).collect()).collect();
        let scored = policy.score(micro, corrupted, views.options)?;
        for (origin, logprob) in scored.origins.iter().zip(scored.logprobs) {
            masked[origin.group][origin.member][origin.token] = logprob;
        }
        for (live, masked) in part[first..].iter().zip(&masked) {
            for (member, (trajectory, masked)) in live.trajectories().iter().zip(masked).enumerate() {
                let weight = live.sampled_tokens(member);
                dependencies.push(mean_dependency(trajectory.logprobs(), masked, &weight)?);
            }
        }
        first += micro.len();
    }
    Ok(dependencies)
}
