//! Advantages from a value head, and what the head is taught.

use std::ops::Range;

use eyas_algo::advantage::estimator::{bi_level_gae, gae, turn_gae, whiten};
use eyas_algo::{AdvantageError, TokenAdvantages};
use eyas_core::{Episode, Group};
use eyas_model::{ImageStore, Policy, ScoreOptions};

use crate::TrainError;
use crate::optim::micro_batches;
use crate::recipe::{Credit, RlStage, ValueSettings};

/// What the value head is taught about an episode; per token of its trajectory.
pub(super) struct ValueTargets {
    /// What the head said before the update.
    pub(super) old: Vec<f32>,
    /// What it should say.
    pub(super) target: Vec<f32>,
    /// 1 where it is taught, else 0.
    pub(super) weight: Vec<f32>,
}

/// Advantages and targets of every group, from the values of the policy as it is.
///
/// The environment's reward of a turn, times the weight of the recipe's reward `game`, is paid at the turn's
/// last token; whatever else the recipe's rewards pay, at the last token of the episode. An episode that was
/// cut at a limit is taken to be worth nothing from there on. Episodes without a score take no part.
pub(super) fn evaluate(
    policy: &Policy,
    groups: &[&Group],
    stage: &RlStage,
    settings: &ValueSettings,
    images: &ImageStore,
    options: &ScoreOptions,
) -> Result<Vec<(TokenAdvantages, Vec<ValueTargets>)>, TrainError> {
    let mut values = values(policy, groups, stage, images, options)?;
    let game = game_weight(stage);
    let mut rows = Vec::new();
    for (group, values) in groups.iter().zip(&mut values) {
        for (episode, values) in group.episodes.iter().zip(values.drain(..)) {
            rows.push(Row::of(episode, values, game, settings)?);
        }
    }
    by_group(rows, groups, settings.whiten)
}

/// The episodes of all groups, one after the other, as the groups they are of; advantages are normalised over all of
/// them where `whitened`.
pub(super) fn by_group(
    mut rows: Vec<Row>,
    groups: &[&Group],
    whitened: bool,
) -> Result<Vec<(TokenAdvantages, Vec<ValueTargets>)>, TrainError> {
    if whitened {
        let advantages: Vec<&[f64]> = rows.iter().map(|r| r.advantages.as_slice()).collect();
        let masks: Vec<&[bool]> = rows.iter().map(|r| r.mask.as_slice()).collect();
        let whitened = whiten(&advantages, &masks, 1e-8)?;
        rows.iter_mut().zip(whitened).for_each(|(row, advantages)| row.advantages = advantages);
    }
    let mut rows = rows.into_iter();
    Ok(groups.iter().map(|group| join(rows.by_ref().take(group.episodes.len()).collect())).collect())
}

/// The weight of the environment's own reward.
pub(super) fn game_weight(stage: &RlStage) -> f64 {
    stage.reward.iter().find(|r| r.name() == "game").map_or(0.0, |r| f64::from(r.weight()))
}

/// One episode.
pub(super) struct Row {
    /// Of each token.
    pub(super) advantages: Vec<f64>,
    /// Whether it counts.
    pub(super) mask: Vec<bool>,
    /// None where no value head is taught.
    pub(super) targets: Option<ValueTargets>,
    /// Whether the episode has a score.
    pub(super) graded: bool,
}

impl Row {
    fn of(
        episode: &Episode,
        values: Vec<f32>,
        game: f64,
        settings: &ValueSettings,
    ) -> Result<Self, AdvantageError> {
        let n = episode.trajectory.len();
        let sampled: Vec<bool> = episode.trajectory.kinds().iter().map(|k| k.is_sampled()).collect();
        let turns = turns(episode, &sampled);
        let graded = episode.total_score().is_some();
        let wide: Vec<f64> = values.iter().map(|v| f64::from(*v)).collect();
        let mut targets = ValueTargets { old: values, target: vec![0.0; n], weight: vec![0.0; n] };
        if !graded || turns.is_empty() {
            return Ok(Self {
                advantages: vec![0.0; n],
                mask: vec![false; n],
                targets: Some(targets),
                graded,
            });
        }
        let rewards = rewards(episode, &turns, game);
        let advantages = match settings.credit {
            Credit::Token(cfg) => gae(&rewards, &wide, &sampled, 0.0, &cfg)?,
            Credit::Turn(cfg) => turn_gae(&rewards, &wide, &turns, 0.0, &cfg)?,
            Credit::BiLevel(cfg) => bi_level_gae(&rewards, &wide, &turns, 0.0, &cfg)?,
        };
        // Where a turn has one advantage it has one value, that of its first token.
        let taught: Vec<usize> = match settings.credit {
            Credit::Turn(_) => turns.iter().map(|t| t.start).collect(),
            Credit::Token(_) | Credit::BiLevel(_) => turns.iter().cloned().flatten().collect(),
        };
        for t in taught {
            targets.target[t] = (advantages[t] + wide[t]) as f32;
            targets.weight[t] = 1.0;
        }
        Ok(Self { advantages, mask: sampled, targets: Some(targets), graded })
    }
}

/// The sampled tokens of each turn.
pub(super) fn turns(episode: &Episode, sampled: &[bool]) -> Vec<Range<usize>> {
    let of = episode.trajectory.turns();
    let mut turns: Vec<(u16, Range<usize>)> = Vec::new();
    for t in (0..sampled.len()).filter(|&t| sampled[t]) {
        match turns.last_mut() {
            Some((turn, range)) if *turn == of[t] && range.end == t => range.end = t + 1,
            _ => turns.push((of[t], t..t + 1)),
        }
    }
    turns.into_iter().map(|(_, range)| range).collect()
}

/// What is paid at each token.
pub(super) fn rewards(episode: &Episode, turns: &[Range<usize>], game: f64) -> Vec<f64> {
    let mut rewards = vec![0.0; episode.trajectory.len()];
    let mut paid = 0.0;
    for (range, turn) in turns.iter().zip(&episode.turns) {
        let reward = game * f64::from(turn.reward);
        rewards[range.end - 1] += reward;
        paid += reward;
    }
    if let (Some(last), Some(total)) = (turns.last(), episode.total_score()) {
        rewards[last.end - 1] += f64::from(total) - paid;
    }
    rewards
}

/// What the head says of the state before each token of each episode; 0 for tokens that were not sampled.
fn values(
    policy: &Policy,
    groups: &[&Group],
    stage: &RlStage,
    images: &ImageStore,
    options: &ScoreOptions,
) -> Result<Vec<Vec<Vec<f32>>>, TrainError> {
    let trajectories: Vec<Vec<_>> =
        groups.iter().map(|g| g.episodes.iter().map(|e| &e.trajectory).collect()).collect();
    let mut values: Vec<Vec<Vec<f32>>> = trajectories
        .iter()
        .map(|g: &Vec<&eyas_core::Trajectory>| g.iter().map(|t| vec![0.0; t.len()]).collect())
        .collect();
    let mut first = 0;
    for micro in micro_batches(&trajectories, stage.optim.micro_batch_tokens) {
        let scored = policy.score(micro, images, options)?;
        for (origin, value) in scored.origins.iter().zip(&scored.values) {
            values[first + origin.group][origin.member][origin.token] = *value;
        }
        first += micro.len();
    }
    Ok(values)
}

fn join(rows: Vec<Row>) -> (TokenAdvantages, Vec<ValueTargets>) {
    let mut joined = TokenAdvantages {
        values: Vec::new(),
        mask: Vec::new(),
        dead: false,
        invalid: rows.iter().filter(|r| !r.graded).count(),
    };
    let mut targets = Vec::new();
    for row in rows {
        joined.values.push(row.advantages.iter().map(|a| *a as f32).collect());
        joined.mask.push(row.mask);
        targets.extend(row.targets);
    }
    joined.dead = !joined.mask.iter().flatten().any(|m| *m);
    (joined, targets)
}
