//! What the reference policy has to say before rewards are given.

use eyas_core::{Group, TokenKind, Trajectory};
use eyas_model::{ImageStore, Policy, ScoreOptions};
use serde_json::{Map, Value};

use crate::TrainError;
use crate::optim::micro_batches;
use crate::recipe::{ReferencePolicy, RlStage};

/// The field of rewards for the mean log-probability of the answer's tokens.
const FIELD: &str = "answer_logprob";

/// A log-probability of tokens that are not there: an answer that was not written is as unlikely as can be.
const NEVER: f64 = -1e4;

/// Further fields of every episode that rewards of `stage` read: `answer_logprob`, the mean log-probability of
/// the tokens of its answers under the reference, given everything before them, at temperature 1. Empty when no
/// reward reads it.
///
/// # Errors
/// When the reference cannot score an episode.
pub(super) fn known_fields(
    stage: &RlStage,
    groups: &[Group],
    reference: Option<&Policy>,
    images: &ImageStore,
) -> Result<Vec<Vec<Map<String, Value>>>, TrainError> {
    let Some(reference) = reference.filter(|_| stage.reward.iter().any(|r| r.reads_field(FIELD))) else {
        return Ok(Vec::new());
    };
    let trajectories: Vec<Vec<&Trajectory>> =
        groups.iter().map(|g| g.episodes.iter().map(|e| &e.trajectory).collect()).collect();
    let mut known = Vec::with_capacity(groups.len());
    for micro in micro_batches(&trajectories, stage.optim.micro_batch_tokens) {
        let scored = reference.score(micro, images, &ScoreOptions::default())?;
        let mut sums: Vec<Vec<(f64, usize)>> = micro.iter().map(|g| vec![(0.0, 0); g.len()]).collect();
        for (origin, logprob) in scored.origins.iter().zip(&scored.logprobs) {
            if micro[origin.group][origin.member].kinds()[origin.token] == TokenKind::Answer {
                let (sum, tokens) = &mut sums[origin.group][origin.member];
                *sum += f64::from(*logprob);
                *tokens += 1;
            }
        }
        let field = |(sum, tokens): &(f64, usize)| {
            let mean = if *tokens > 0 { (sum / *tokens as f64).min(0.0) } else { NEVER };
            Map::from_iter([(FIELD.to_string(), Value::from(mean))])
        };
        known.extend(sums.iter().map(|group| group.iter().map(field).collect::<Vec<_>>()));
    }
    Ok(known)
}

/// What a reference that judges is called: its weights. `None` for one that moves, which never judges.
pub(super) fn reference_name(stage: &RlStage, reference: Option<&Policy>) -> Option<String> {
    let asks = stage.reward.iter().any(|reward| reward.judges().is_ok_and(|judges| !judges.is_empty()));
    let stays = stage.reference == ReferencePolicy::Start;
    reference.filter(|_| asks && stays).map(|policy| format!("policy {}", policy.weights_hash()))
}
