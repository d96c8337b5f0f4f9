//! What reward models have to say before rewards are given.

use std::borrow::Cow;
use std::collections::BTreeSet;

use eyas_core::{Group, Interrupt, Trajectory};
use eyas_model::{ImageStore, Vlm};
use eyas_reward::RewardSpec;
use serde_json::{Map, Value};

use super::facts::reading;
use super::models::RewardModel;
use super::{RewardModels, scores};
use crate::TrainError;

/// The field of rewards for the scores of an episode.
const FIELD: &str = "reward_model";

/// Adds to `known`, the further fields of every episode, what the reward models that `rewards` ask say of it.
/// Nothing is added where none is asked.
///
/// # Errors
/// When a model cannot be opened or cannot read an episode; [`TrainError::Interrupted`].
pub(crate) fn known_fields(
    rewards: &[RewardSpec],
    groups: &[Group],
    images: &ImageStore,
    (models, policy): (&RewardModels, &Vlm),
    micro_batch_tokens: usize,
    interrupt: &Interrupt,
    known: &mut Vec<Vec<Map<String, Value>>>,
) -> Result<(), TrainError> {
    let names: BTreeSet<String> =
        rewards.iter().filter_map(|reward| reward.reward_models().ok()).flatten().collect();
    if names.is_empty() {
        return Ok(());
    }
    known.resize(groups.len(), Vec::new());
    let mut said: Vec<Vec<Map<String, Value>>> =
        groups.iter().map(|group| vec![Map::new(); group.episodes.len()]).collect();
    for name in names {
        let opened = models.open(&name, policy)?;
        let RewardModel { model, facts } = &*opened;
        let mut readings: Vec<Vec<Cow<'_, Trajectory>>> = Vec::with_capacity(groups.len());
        for group in groups {
            let of_group = group.episodes.iter().map(|episode| reading(model, episode, *facts));
            readings.push(of_group.collect::<Result<_, TrainError>>()?);
        }
        let trajectories: Vec<Vec<&Trajectory>> =
            readings.iter().map(|group| group.iter().map(|t| &**t).collect()).collect();
        let all = scores(&model.policy, &trajectories, images, micro_batch_tokens, interrupt)?;
        for (map, score) in said.iter_mut().flatten().zip(all.into_iter().flatten()) {
            map.insert(name.clone(), told(score));
        }
    }
    for ((known, said), group) in known.iter_mut().zip(said).zip(groups) {
        known.resize(group.episodes.len(), Map::new());
        for (known, said) in known.iter_mut().zip(said) {
            known.insert(FIELD.into(), Value::Object(said));
        }
    }
    Ok(())
}

/// A score as rewards read it: a number, or why there is none.
fn told(score: Option<f32>) -> Value {
    match score {
        Some(score) if score.is_finite() => Value::from(f64::from(score)),
        Some(score) => Value::from(format!("its score is {score}")),
        None => Value::from("there is no response to be scored"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_is_a_reason() {
        assert_eq!(told(Some(0.5)), Value::from(0.5));
        assert_eq!(told(Some(f32::NAN)), Value::from("its score is NaN"));
        assert_eq!(told(Some(f32::NEG_INFINITY)), Value::from("its score is -inf"));
        assert!(told(None).is_string());
    }
}
