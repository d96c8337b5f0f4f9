//! What a reward model says of responses: its head's value at the last token that was written.

use std::sync::Arc;

use eyas_algo::loss::reward_model::ScoreError;
use eyas_core::{Interrupt, Trajectory};
use eyas_model::{ImageStore, Policy, ScoreOptions, Scored, Targets};

use crate::TrainError;
use crate::optim::micro_batches;

pub(super) fn options() -> ScoreOptions {
    ScoreOptions { targets: Targets::End, temperature: 1.0, forbidden: Arc::from([]) }
}

/// One score for each response of `groups`, in their order.
///
/// # Errors
/// [`ScoreError::Length`] when a response has no token to be scored at.
pub(super) fn at_ends(scored: &Scored, groups: &[Vec<&Trajectory>]) -> Result<Vec<f32>, ScoreError> {
    let expected = groups.iter().map(Vec::len).sum();
    match scored.values.len() {
        got if got == expected => Ok(scored.values.clone()),
        got => Err(ScoreError::Length { name: "scores", got, expected }),
    }
}

/// The scores of all responses; `None` for one without a sampled token. They do not depend on how the responses
/// are put together, but for rounding.
///
/// # Errors
/// [`TrainError::Policy`] when a trajectory does not fit the model, [`TrainError::Interrupted`].
pub(crate) fn scores(
    policy: &Policy,
    groups: &[Vec<&Trajectory>],
    images: &ImageStore,
    micro_batch_tokens: usize,
    interrupt: &Interrupt,
) -> Result<Vec<Vec<Option<f32>>>, TrainError> {
    let mut all: Vec<Vec<Option<f32>>> = groups.iter().map(|group| vec![None; group.len()]).collect();
    let mut first = 0;
    for micro in micro_batches(groups, micro_batch_tokens) {
        if interrupt.is_raised() {
            return Err(TrainError::Interrupted);
        }
        // A batch without a response has nothing to be scored.
        if micro.iter().flatten().any(|t| t.sampled_len() > 0) {
            let scored = policy.score(micro, images, &options())?;
            for (origin, value) in scored.origins.iter().zip(&scored.values) {
                all[first + origin.group][origin.member] = Some(*value);
            }
        }
        first += micro.len();
    }
    Ok(all)
}
