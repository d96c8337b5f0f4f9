//! One update: groups with scores in, other weights out.

use std::collections::BTreeMap;

use eyas_algo::advantage::shape::Member;
use eyas_algo::loss::term::dads_kl_weight;
use eyas_algo::loss::value::ppo::{PpoValue, ppo_value_loss};
use eyas_algo::{
    AdvantageConfig, Aggregation, Derivatives, GroupInput, Mean, PolicyConfig, PolicyMetrics,
    TokenAdvantages, TokenBatch, policy_loss, token_advantages,
};
use eyas_core::{Episode, Group, Interrupt, Outcome, Trajectory};
use eyas_model::{AdamW, ImageStore, Policy, ScoreOptions, Scored, Upstream};

use super::value::ValueTargets;
use crate::optim::micro_batches;
use crate::recipe::KlWeight;
use crate::{Guard, TrainError};

/// A group that takes part in the update.
pub(crate) struct Live<'a> {
    group: &'a Group,
    advantages: TokenAdvantages,
    /// What a value head is taught, per episode; empty without one.
    targets: Vec<ValueTargets>,
    /// How often each member counts; empty: once.
    repeats: Vec<f32>,
    /// The share of members that reached their goal.
    pass_rate: f64,
    /// How many members the policy sampled; the others, behind them, are demonstrations.
    sampled: usize,
}

impl<'a> Live<'a> {
    /// How often a member counts.
    fn repeats(&self, member: usize) -> f32 {
        self.repeats.get(member).copied().unwrap_or(1.0)
    }

    /// The advantage of each member, the mean over its tokens that count; none for one without such tokens.
    pub(super) fn whole(&self) -> Vec<Option<f64>> {
        let mean = |(values, mask): (&Vec<f32>, &Vec<bool>)| {
            let counted: Vec<f64> =
                values.iter().zip(mask).filter(|(_, m)| **m).map(|(v, _)| f64::from(*v)).collect();
            (!counted.is_empty()).then(|| counted.iter().sum::<f64>() / counted.len() as f64)
        };
        self.advantages.values.iter().zip(&self.advantages.mask).map(mean).collect()
    }

    /// What each member is trained on.
    pub(super) fn trajectories(&self) -> Vec<&'a Trajectory> {
        self.group.episodes.iter().map(|e| &e.trajectory).collect()
    }

    /// 1 at the tokens of a member that count and that the policy sampled, else 0.
    pub(super) fn sampled_tokens(&self, member: usize) -> Vec<f32> {
        let own = member < self.sampled;
        self.advantages.mask[member].iter().map(|m| f32::from(u8::from(*m && own))).collect()
    }

    /// Multiplies the advantages of a member.
    pub(super) fn scale(&mut self, member: usize, factor: f64) {
        self.advantages.values[member].iter_mut().for_each(|a| *a = (f64::from(*a) * factor) as f32);
    }

    /// Says how often each member counts.
    pub(super) fn repeat(&mut self, repeats: Vec<f32>) {
        self.repeats = repeats;
    }
}

/// Sums over the updates of a step.
#[derive(Default)]
pub(crate) struct Sums {
    pub(crate) loss: f64,
    pub(crate) metrics: PolicyMetrics,
    pub(crate) tokens: usize,
    /// Tokens scored before the first update, by the policy that sampled them: how far the scores are off there is
    /// between sampler and trainer alone.
    pub(crate) unmoved: usize,
    pub(crate) mismatch: f64,
    pub(crate) mismatch_max: f64,
    pub(crate) entropy: f64,
    /// Largest gradient norm of the updates.
    pub(crate) grad_norm: f64,
    /// Updates that were made.
    pub(crate) applied: usize,
}

/// The groups of a step by what can be learnt from them.
pub(crate) struct Sorted<'a> {
    /// Groups with an advantage.
    pub(crate) live: Vec<Live<'a>>,
    /// Groups whose members all scored the same, or not at all.
    pub(crate) dead: usize,
    /// Episodes without a score.
    pub(crate) invalid: usize,
}

/// Works out advantages, and puts aside the groups that have none. The last `demonstrations` members of each
/// group were not sampled by the policy.
pub(crate) fn sort<'a>(
    groups: &[&'a Group],
    config: &AdvantageConfig,
    demonstrations: usize,
) -> Result<Sorted<'a>, TrainError> {
    let mut sorted = Sorted { live: Vec::new(), dead: 0, invalid: 0 };
    for (group, advantages) in groups.iter().zip(advantages(groups, config, demonstrations)?) {
        sorted.add(group, advantages, Vec::new(), demonstrations);
    }
    Ok(sorted)
}

/// Which groups have an advantage.
pub(super) fn is_live(
    groups: &[&Group],
    config: &AdvantageConfig,
    demonstrations: usize,
) -> Result<Vec<bool>, TrainError> {
    Ok(advantages(groups, config, demonstrations)?.iter().map(|a| !a.dead).collect())
}

fn advantages(
    groups: &[&Group],
    config: &AdvantageConfig,
    demonstrations: usize,
) -> Result<Vec<TokenAdvantages>, TrainError> {
    let inputs: Vec<GroupInput<'_>> = groups.iter().map(|group| input(group, demonstrations)).collect();
    Ok(token_advantages(&inputs, config)?)
}

/// A group as advantages see it. The last `demonstrations` members were not sampled by the policy.
pub(super) fn input(group: &Group, demonstrations: usize) -> GroupInput<'_> {
    let own = group.episodes.len().saturating_sub(demonstrations);
    GroupInput {
        scores: group.episodes.iter().map(|e| e.scores.as_slice()).collect(),
        kinds: group.episodes.iter().map(|e| e.trajectory.kinds()).collect(),
        members: group.episodes.iter().enumerate().map(|(n, e)| member(e, n >= own)).collect(),
    }
}

/// The groups of a step with the advantages that a value head gives them.
pub(super) fn sort_valued<'a>(
    groups: &[&'a Group],
    valued: Vec<(TokenAdvantages, Vec<ValueTargets>)>,
) -> Sorted<'a> {
    let mut sorted = Sorted { live: Vec::new(), dead: 0, invalid: 0 };
    for (group, (advantages, targets)) in groups.iter().zip(valued) {
        sorted.add(group, advantages, targets, 0);
    }
    sorted
}

impl<'a> Sorted<'a> {
    fn add(
        &mut self,
        group: &'a Group,
        advantages: TokenAdvantages,
        targets: Vec<ValueTargets>,
        demonstrations: usize,
    ) {
        self.invalid += advantages.invalid;
        if advantages.dead {
            self.dead += 1;
        } else {
            let sampled = group.episodes.len().saturating_sub(demonstrations);
            let won = group.episodes.iter().filter(|e| e.outcome == Outcome::Success).count();
            let pass_rate = won as f64 / group.episodes.len().max(1) as f64;
            self.live.push(Live { group, advantages, targets, repeats: Vec::new(), sampled, pass_rate });
        }
    }
}

/// What is known of an episode beside its scores.
fn member(episode: &Episode, off_policy: bool) -> Member {
    let cut = episode.turns.iter().any(|t| !t.terminated);
    let score = f64::from(episode.env_score);
    Member {
        correct: Some(episode.outcome == Outcome::Success),
        quality: score.is_finite().then(|| score.clamp(0.0, 1.0)),
        length: episode.trajectory.sampled_len(),
        unfinished: cut || episode.outcome == Outcome::Truncated,
        off_policy,
        surprise: surprise(&episode.trajectory).filter(|_| !off_policy),
    }
}

/// The mean of `−log p` over the sampled tokens; none without any.
fn surprise(trajectory: &Trajectory) -> Option<f64> {
    let said = -trajectory.logprobs().iter().map(|l| f64::from(*l)).sum::<f64>();
    let n = trajectory.sampled_len();
    (n > 0).then(|| said.max(0.0) / n as f64)
}

/// Settings of the updates of one step.
pub(crate) struct UpdateConfig<'a> {
    pub(crate) loss: &'a PolicyConfig,
    pub(crate) kl_weight: KlWeight,
    /// The loss of the values, if there is a value head.
    pub(crate) value: Option<PpoValue>,
    /// Only the values are trained.
    pub(crate) values_only: bool,
    pub(crate) optim: &'a AdamW,
    /// Optimizer steps the groups are shared out to.
    pub(crate) minibatches: usize,
    pub(crate) micro_batch_tokens: usize,
}

/// What the policy is scored on, and what it is compared with.
pub(crate) struct Views<'a> {
    pub(crate) images: &'a ImageStore,
    /// The same images, spoilt, when the loss asks for them.
    pub(crate) corrupted: Option<&'a ImageStore>,
    /// Needed when the loss has a KL penalty.
    pub(crate) reference: Option<&'a Policy>,
    pub(crate) options: &'a ScoreOptions,
    /// Ends the work before the first update of the step; from then on the step is finished.
    pub(crate) interrupt: &'a Interrupt,
}

/// Of so many groups of a step, how many an update takes; at least 1.
pub(super) fn groups_of_an_update(live: usize, minibatches: usize) -> usize {
    live.div_ceil(minibatches).max(1)
}

/// Trains on `live`.
pub(crate) fn update(
    policy: &mut Policy,
    live: &[Live<'_>],
    views: &Views<'_>,
    config: &UpdateConfig<'_>,
    guard: &mut Guard,
) -> Result<Sums, TrainError> {
    let mut sums = Sums::default();
    let parts: Vec<Part<'_, '_>> = live
        .chunks(groups_of_an_update(live.len(), config.minibatches))
        .map(|live| Part::new(live, policy, views, config))
        .collect::<Result<_, _>>()?;
    for part in &parts {
        let loss = minibatch(policy, part, views, config, &mut sums);
        let update = guard.apply(policy, config.optim, loss)?;
        sums.grad_norm = sums.grad_norm.max(update.grad_norm);
        sums.applied += usize::from(update.applied);
    }
    Ok(sums)
}

/// The groups of one update.
struct Part<'a, 'g> {
    live: &'a [Live<'g>],
    trajectories: Vec<Vec<&'g Trajectory>>,
    /// Log-probs under the policy before the first update of the step, micro-batch by micro-batch; empty
    /// when the loss does not ask for them.
    old: Vec<Vec<f32>>,
}

impl<'a, 'g> Part<'a, 'g> {
    fn new(
        live: &'a [Live<'g>],
        policy: &Policy,
        views: &Views<'_>,
        config: &UpdateConfig<'_>,
    ) -> Result<Self, TrainError> {
        let trajectories: Vec<Vec<&Trajectory>> = live.iter().map(Live::trajectories).collect();
        let mut old = Vec::new();
        if config.loss.needs().old {
            for micro in micro_batches(&trajectories, config.micro_batch_tokens) {
                old.push(policy.score(micro, views.images, views.options)?.logprobs);
            }
        }
        Ok(Self { live, trajectories, old })
    }
}

/// Accumulates the gradient of one update over its micro-batches, and gives its loss. Denominators are those of
/// the whole update, so the cut into micro-batches changes nothing.
fn minibatch(
    policy: &mut Policy,
    part: &Part<'_, '_>,
    views: &Views<'_>,
    config: &UpdateConfig<'_>,
    sums: &mut Sums,
) -> Result<f64, TrainError> {
    let mut loss_of_all = 0.0;
    let Views { images, corrupted, reference, options, interrupt } = *views;
    let (loss, needs) = (config.loss, config.loss.needs());
    let denominator = denominator(part.live, loss.aggregation)?;
    let taught: f64 =
        part.live.iter().flat_map(|l| &l.targets).flat_map(|t| &t.weight).map(|w| f64::from(*w)).sum();
    let mut first = 0;
    for (n, micro) in micro_batches(&part.trajectories, config.micro_batch_tokens).into_iter().enumerate() {
        if sums.applied == 0 && interrupt.is_raised() {
            return Err(TrainError::Interrupted);
        }
        let live = &part.live[first..first + micro.len()];
        first += micro.len();
        let reference = match reference.filter(|_| needs.reference) {
            Some(reference) => Some(reference.score(micro, images, options)?.logprobs),
            None => None,
        };
        let masked = match corrupted.filter(|_| needs.masked || needs.masked_entropy) {
            Some(corrupted) => Some(policy.score(micro, corrupted, options)?),
            None => None,
        };
        let mut by_masked = Upstream::default();
        policy.accumulate(micro, images, options, |scored| {
            let tokens = Tokens::of(live, micro, scored);
            let batch = TokenBatch {
                logprob: &scored.logprobs,
                behaviour: &tokens.behaviour,
                advantage: &tokens.advantage,
                weight: &tokens.weight,
                offsets: &tokens.offsets,
                reference: reference.as_deref(),
                old: part.old.get(n).map(Vec::as_slice),
                entropy: Some(&scored.entropies),
                masked: masked.as_ref().map(|m| m.logprobs.as_slice()),
                masked_entropy: masked.as_ref().map(|m| m.entropies.as_slice()),
                off_policy: Some(&tokens.off_policy),
                kl_weight: (config.kl_weight != KlWeight::One).then_some(tokens.kl_weight.as_slice()),
            };
            let result = policy_loss(&batch, loss, denominator)?;
            sums.loss += result.value;
            loss_of_all += result.value;
            sums.metrics.merge(result.metrics);
            sums.see(scored, &tokens.behaviour, &tokens.off_policy);
            let mut by = result.derivatives;
            let mut d_values = Vec::new();
            if let Some(cfg) = config.value.filter(|_| taught > 0.0) {
                let Tokens { old_value, target, taught: weight, .. } = &tokens;
                let value = ppo_value_loss(&scored.values, Some(old_value), target, weight, taught, &cfg)?;
                loss_of_all += value.value;
                sums.see_values(value.value, value.metrics);
                d_values = value.d_value;
            }
            if config.values_only {
                by = Derivatives { logprob: vec![0.0; scored.logprobs.len()], ..Derivatives::default() };
            }
            by_masked =
                Upstream { d_logprobs: by.masked, d_entropies: by.masked_entropy, ..Upstream::default() };
            Ok::<_, TrainError>(Upstream { d_values, d_logprobs: by.logprob, d_entropies: by.entropy })
        })?;
        // The same loss seen from the spoilt pictures: its gradient goes through a pass of their own.
        if let (Some(corrupted), Some(masked)) = (corrupted, &masked) {
            let moves = |d: &[f32]| d.iter().any(|d| *d != 0.0);
            if moves(&by_masked.d_logprobs) || moves(&by_masked.d_entropies) {
                by_masked.d_logprobs.resize(masked.logprobs.len(), 0.0);
                policy.accumulate(micro, corrupted, options, |_| Ok::<_, TrainError>(by_masked))?;
            }
        }
    }
    Ok(loss_of_all)
}

impl Sums {
    fn see_values(&mut self, loss: f64, metrics: BTreeMap<&'static str, Mean>) {
        self.loss += loss;
        let metrics = PolicyMetrics { means: metrics, ..PolicyMetrics::default() };
        self.metrics.merge(metrics);
    }

    /// Takes in how the scores of sampled tokens differ from what sampling said, `behaviour`, and their entropy.
    pub(super) fn see(&mut self, scored: &Scored, behaviour: &[f32], off_policy: &[bool]) {
        let pairs = scored.logprobs.iter().zip(behaviour).zip(&scored.entropies);
        for (((now, then), entropy), _) in pairs.zip(off_policy).filter(|(_, off)| !**off) {
            if self.applied == 0 {
                let difference = f64::from((now - then).abs());
                self.mismatch += difference;
                self.mismatch_max = self.mismatch_max.max(difference);
                self.unmoved += 1;
            }
            self.entropy += f64::from(*entropy);
            self.tokens += 1;
        }
    }
}

/// What the loss reads of each scored token, in the order of the scores.
struct Tokens {
    behaviour: Vec<f32>,
    advantage: Vec<f32>,
    weight: Vec<f32>,
    off_policy: Vec<bool>,
    kl_weight: Vec<f32>,
    old_value: Vec<f32>,
    target: Vec<f32>,
    taught: Vec<f32>,
    offsets: Vec<usize>,
}

impl Tokens {
    fn of(live: &[Live<'_>], groups: &[Vec<&Trajectory>], scored: &Scored) -> Self {
        let n = scored.origins.len();
        let mut tokens = Self {
            behaviour: Vec::with_capacity(n),
            advantage: Vec::with_capacity(n),
            weight: Vec::with_capacity(n),
            off_policy: Vec::with_capacity(n),
            kl_weight: Vec::with_capacity(n),
            old_value: Vec::new(),
            target: Vec::new(),
            taught: Vec::new(),
            offsets: vec![0],
        };
        let mut episode = None;
        for (i, origin) in scored.origins.iter().enumerate() {
            let advantages = &live[origin.group].advantages;
            tokens.behaviour.push(groups[origin.group][origin.member].logprobs()[origin.token]);
            tokens.advantage.push(advantages.values[origin.member][origin.token]);
            let counts = f32::from(u8::from(advantages.mask[origin.member][origin.token]));
            tokens.weight.push(counts * live[origin.group].repeats(origin.member));
            tokens.kl_weight.push(dads_kl_weight(
                f64::from(advantages.values[origin.member][origin.token]),
                live[origin.group].pass_rate,
            ) as f32);
            tokens.off_policy.push(origin.member >= live[origin.group].sampled);
            if let Some(targets) = live[origin.group].targets.get(origin.member) {
                tokens.old_value.push(targets.old[origin.token]);
                tokens.target.push(targets.target[origin.token]);
                tokens.taught.push(targets.weight[origin.token]);
            }
            let now = (origin.group, origin.member);
            if episode.is_some_and(|before| before != now) {
                tokens.offsets.push(i);
            }
            episode = Some(now);
        }
        if n > 0 {
            tokens.offsets.push(n);
        }
        tokens
    }
}

/// The loss's denominator over the whole update.
fn denominator(part: &[Live<'_>], aggregation: Aggregation) -> Result<f64, TrainError> {
    let (mut weight, mut offsets) = (Vec::new(), vec![0]);
    for (live, member) in part.iter().flat_map(|l| (0..l.advantages.mask.len()).map(move |m| (l, m))) {
        let repeats = live.repeats(member);
        if repeats > 0.0 {
            weight.extend(live.advantages.mask[member].iter().filter(|m| **m).map(|_| repeats));
        }
        if weight.len() > *offsets.last().unwrap_or(&0) {
            offsets.push(weight.len());
        }
    }
    Ok(aggregation.denominator(&weight, &offsets)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_update_has_moved_is_no_mismatch() {
        let scored = |logprobs: [f32; 3]| Scored {
            logprobs: logprobs.to_vec(),
            entropies: vec![0.5; 3],
            ..Scored::default()
        };
        let off_policy = [false, false, true];
        let mut sums = Sums::default();
        sums.see(&scored([-1.0, -2.25, -9.0]), &[-1.5, -2.0, -1.0], &off_policy);
        sums.applied = 1;
        sums.see(&scored([-4.0; 3]), &[-1.0; 3], &off_policy);
        assert_eq!((sums.mismatch, sums.mismatch_max, sums.unmoved), (0.75, 0.5, 2));
        assert_eq!((sums.entropy, sums.tokens), (2.0, 4));
    }
}
