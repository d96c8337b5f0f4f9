//! Updates by objectives over flows: ends become likely in proportion to their rewards (GFlowVLM).

use std::ops::Range;

use eyas_algo::PolicyMetrics;
use eyas_algo::loss::value::flow::{
    FlowBatch, FlowLoss, detailed_balance, sub_trajectory_balance, variance_balance,
};
use eyas_core::{Episode, Group, TokenKind, Trajectory};
use eyas_model::{Policy, Scored, Upstream};

use super::update::{Sums, UpdateConfig, Views, groups_of_an_update};
use super::value::turns;
use crate::optim::micro_batches;
use crate::recipe::{FlowObjective, FlowSettings};
use crate::{Guard, TrainError};

/// What a step learns from.
pub(super) struct Flows<'a> {
    settings: FlowSettings,
    /// Groups of at least two members that take part.
    pub(super) groups: Vec<Vec<Member<'a>>>,
    /// The other groups.
    pub(super) dead: usize,
    /// Episodes without a score.
    pub(super) invalid: usize,
}

/// An episode that takes part.
pub(super) struct Member<'a> {
    trajectory: &'a Trajectory,
    log_reward: f32,
    /// The sampled tokens of each turn, at least one.
    turns: Vec<Range<usize>>,
    /// Whether the policy sampled it; else it is a demonstration.
    own: bool,
}

/// Puts aside the episodes without a score, and the groups that are left with fewer than two. The last
/// `demonstrations` members of each group were not sampled by the policy.
pub(super) fn sort<'a>(groups: &[&'a Group], settings: FlowSettings, demonstrations: usize) -> Flows<'a> {
    let mut flows = Flows { settings, groups: Vec::new(), dead: 0, invalid: 0 };
    for group in groups {
        let own = group.episodes.len().saturating_sub(demonstrations);
        let mut members = Vec::new();
        for (n, episode) in group.episodes.iter().enumerate() {
            match episode.total_score() {
                None => flows.invalid += 1,
                Some(reward) => members.extend(Member::of(episode, f64::from(reward), &settings, n < own)),
            }
        }
        if members.len() < 2 {
            flows.dead += 1;
        } else {
            flows.groups.push(members);
        }
    }
    flows
}

impl<'a> Member<'a> {
    /// None for an episode in which nothing was sampled.
    fn of(episode: &'a Episode, reward: f64, settings: &FlowSettings, own: bool) -> Option<Self> {
        let sampled: Vec<bool> = episode.trajectory.kinds().iter().map(|k| k.is_sampled()).collect();
        let turns = turns(episode, &sampled);
        let log_reward = (settings.beta * reward.max(settings.floor).ln()) as f32;
        (!turns.is_empty()).then_some(Self { trajectory: &episode.trajectory, log_reward, turns, own })
    }
}

/// Trains on the groups.
pub(super) fn update(
    policy: &mut Policy,
    flows: &Flows<'_>,
    views: &Views<'_>,
    config: &UpdateConfig<'_>,
    guard: &mut Guard,
) -> Result<Sums, TrainError> {
    let mut sums = Sums::default();
    for part in flows.groups.chunks(groups_of_an_update(flows.groups.len(), config.minibatches)) {
        let loss = minibatch(policy, part, &flows.settings, views, config.micro_batch_tokens, &mut sums);
        let update = guard.apply(policy, config.optim, loss)?;
        sums.grad_norm = sums.grad_norm.max(update.grad_norm);
        sums.applied += usize::from(update.applied);
    }
    Ok(sums)
}

/// Accumulates the gradient of one update over its micro-batches, and gives its loss. The denominator is the number
/// of episodes of the whole update, so the cut into micro-batches changes nothing.
fn minibatch(
    policy: &mut Policy,
    part: &[Vec<Member<'_>>],
    settings: &FlowSettings,
    views: &Views<'_>,
    micro_batch_tokens: usize,
    sums: &mut Sums,
) -> Result<f64, TrainError> {
    let trajectories: Vec<Vec<&Trajectory>> =
        part.iter().map(|members| members.iter().map(|m| m.trajectory).collect()).collect();
    let episodes = part.iter().map(Vec::len).sum::<usize>() as f64;
    let (mut loss_of_all, mut first) = (0.0, 0);
    for micro in micro_batches(&trajectories, micro_batch_tokens) {
        if sums.applied == 0 && views.interrupt.is_raised() {
            return Err(TrainError::Interrupted);
        }
        let groups = &part[first..first + micro.len()];
        first += micro.len();
        policy.accumulate(micro, views.images, views.options, |scored| {
            let (loss, upstream) = balance(groups, scored, settings, episodes)?;
            loss_of_all += loss.value;
            sums.loss += loss.value;
            sums.metrics.merge(PolicyMetrics { means: loss.metrics, ..PolicyMetrics::default() });
            let member = |i: usize| &groups[scored.origins[i].group][scored.origins[i].member];
            let then = |i| member(i).trajectory.logprobs()[scored.origins[i].token];
            let behaviour: Vec<f32> = (0..scored.origins.len()).map(then).collect();
            let off_policy: Vec<bool> = (0..scored.origins.len()).map(|i| !member(i).own).collect();
            sums.see(scored, &behaviour, &off_policy);
            Ok::<_, TrainError>(upstream)
        })?;
    }
    Ok(loss_of_all)
}

/// The objective over `groups`, and its derivatives by their scores.
fn balance(
    groups: &[Vec<Member<'_>>],
    scored: &Scored,
    settings: &FlowSettings,
    denominator: f64,
) -> Result<(FlowLoss, Upstream), TrainError> {
    let transitions = Transitions::of(groups, scored, settings.thought_weight);
    let Transitions { log_reward, offsets, starts, .. } = &transitions;
    let forward = transitions.forward(&scored.logprobs);
    let log_flow = transitions.log_flow(&scored.values);
    let weight = vec![1.0; log_reward.len()];
    let batch = FlowBatch {
        forward: &forward,
        backward: None,
        log_flow: &log_flow,
        log_reward,
        offsets,
        weight: &weight,
    };
    let mut loss = match settings.objective {
        FlowObjective::Variance => variance_balance(&batch, starts, denominator)?,
        FlowObjective::SubTrajectory => sub_trajectory_balance(&batch, settings.parts(), denominator)?,
        FlowObjective::Detailed => detailed_balance(&batch, denominator)?,
    };
    if settings.reads_flow() {
        // The flow through the start is the partition function.
        let log_z = loss.metrics.entry("log_z").or_default();
        for first in &offsets[..log_reward.len()] {
            log_z.sum += f64::from(log_flow[*first]);
            log_z.count += 1.0;
        }
    }
    let upstream = transitions.upstream(&loss);
    Ok((loss, upstream))
}

/// How the scored tokens make up transitions, episode after episode.
struct Transitions {
    /// Of each token, the transition that it is part of.
    of_token: Vec<usize>,
    /// Of each token, what its log-prob is multiplied by.
    weight: Vec<f32>,
    /// Of each transition, its first token among the scored ones.
    first: Vec<usize>,
    /// Of each episode.
    log_reward: Vec<f32>,
    /// Where each episode's transitions start, and the end.
    offsets: Vec<usize>,
    /// Where each group's episodes start, and the end.
    starts: Vec<usize>,
}

impl Transitions {
    fn of(groups: &[Vec<Member<'_>>], scored: &Scored, thought_weight: f64) -> Self {
        let mut all = Self {
            of_token: Vec::with_capacity(scored.origins.len()),
            weight: Vec::with_capacity(scored.origins.len()),
            first: Vec::new(),
            log_reward: groups.iter().flatten().map(|m| m.log_reward).collect(),
            offsets: vec![0],
            starts: vec![0],
        };
        for group in groups {
            all.starts.push(all.starts[all.starts.len() - 1] + group.len());
            for member in group {
                all.offsets.push(all.offsets[all.offsets.len() - 1] + member.turns.len());
            }
        }
        for (i, origin) in scored.origins.iter().enumerate() {
            let member = &groups[origin.group][origin.member];
            let turn = member.turns.partition_point(|turn| turn.end <= origin.token);
            let transition = all.offsets[all.starts[origin.group] + origin.member] + turn;
            if transition == all.first.len() {
                all.first.push(i);
            }
            all.of_token.push(transition);
            all.weight.push(match member.trajectory.kinds()[origin.token] {
                TokenKind::Perception | TokenKind::Think => thought_weight as f32,
                _ => 1.0,
            });
        }
        all
    }

    /// The log-prob of each transition.
    fn forward(&self, logprobs: &[f32]) -> Vec<f32> {
        let mut sums = vec![0.0; self.first.len()];
        for ((transition, weight), logprob) in self.of_token.iter().zip(&self.weight).zip(logprobs) {
            sums[*transition] += f64::from(*weight) * f64::from(*logprob);
        }
        sums.into_iter().map(|sum| sum as f32).collect()
    }

    /// The log-flow through the state before each transition; empty without a value head.
    fn log_flow(&self, values: &[f32]) -> Vec<f32> {
        self.first.iter().filter_map(|i| values.get(*i).copied()).collect()
    }

    /// The derivatives by the scores of tokens.
    fn upstream(&self, loss: &FlowLoss) -> Upstream {
        let of = |(transition, weight): (&usize, &f32)| weight * loss.d_forward[*transition];
        let d_logprobs: Vec<f32> = self.of_token.iter().zip(&self.weight).map(of).collect();
        let mut d_values = Vec::new();
        if !loss.d_log_flow.is_empty() {
            d_values = vec![0.0; d_logprobs.len()];
            self.first.iter().zip(&loss.d_log_flow).for_each(|(i, d)| d_values[*i] = *d);
        }
        Upstream { d_logprobs, d_values, ..Upstream::default() }
    }
}

#[cfg(test)]
mod tests;
