//! Advantages from twin critics of utterances, which are taught from replay (ArCHer: Zhou et al., arXiv
//! 2402.19446).
//!
//! An utterance is what the policy writes in one turn. `Q(s, a)` is read from the state of the decoder behind it,
//! `V(s)` from the state before it; both are small networks of their own, whose gradient ends at those states.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use eyas_algo::loss::value::polyak::polyak;
use eyas_algo::loss::value::twin::{TwinBatch, twin_advantage, twin_critic_loss};
use eyas_algo::{Mean, TokenAdvantages, merge_means};
use eyas_core::{Episode, Group, Seed, Trajectory};
use eyas_model::{AdamW, ImageStore, Mlp, Policy, StateError, Targets};
use eyas_store::{Array, Arrays, StoreError};

use super::value::{Row, ValueTargets, by_group, game_weight, rewards, turns};
use crate::TrainError;
use crate::optim::micro_batches;
use crate::recipe::{CriticSettings, RlStage};

/// A state of the decoder.
type State = Arc<[f32]>;

/// What the critics remember of an utterance.
#[derive(Clone, Debug, PartialEq)]
struct Transition {
    before: State,
    behind: State,
    /// The state before the next utterance; none: the episode ended with this one.
    next: Option<State>,
    reward: f32,
}

/// The critics of a stage, their slow copies, and the utterances that they are taught from.
#[derive(Clone, Debug, PartialEq)]
pub struct Critic {
    q: [Mlp; 2],
    v: [Mlp; 2],
    target_q: [Mlp; 2],
    target_v: [Mlp; 2],
    /// The oldest first.
    replay: Vec<Transition>,
}

/// Why a critic cannot be taken up again.
#[derive(Debug, thiserror::Error)]
pub enum CriticError {
    /// An array is missing, or there is one too many.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A network does not fit.
    #[error(transparent)]
    State(#[from] StateError),
    /// The arrays of the kept utterances do not fit each other.
    #[error("{name:?} has {got} numbers, {expected} are expected")]
    Replay {
        /// The array.
        name: &'static str,
        /// Its length.
        got: usize,
        /// What it should be.
        expected: usize,
    },
}

/// What critics say of the episodes of a step.
pub(super) struct Judged {
    /// One for each group; there is nothing to teach a value head.
    pub(super) valued: Vec<(TokenAdvantages, Vec<ValueTargets>)>,
    /// What the critics learnt: means over their updates, by name.
    pub(super) metrics: BTreeMap<&'static str, Mean>,
}

/// Keeps the utterances of `groups`, teaches the critics, and asks them for advantages: every token of an
/// utterance has the same one, `min Q(s, a) − min V(s)`.
///
/// Rewards are paid as to a value head: the environment's reward of a turn, times the weight of the reward `game`,
/// at that turn, and whatever else the recipe's rewards pay at the last one. An episode that was cut at a limit is
/// taken to be worth nothing from there on. Episodes without a score take no part.
///
/// **Faithful:** twin critics of utterances with slow copies, replay, one advantage for all tokens of an utterance.
/// **Reading:** the critics read the policy's own states instead of being a language model of their own; the
/// states are those of the policy that wrote the utterance, also when they are drawn again later; `V` is regressed
/// on the utterance that was said instead of one that the policy says now; the policy learns from the fresh
/// utterances only.
pub(super) fn evaluate(
    policy: &Policy,
    groups: &[&Group],
    stage: &RlStage,
    settings: &CriticSettings,
    critic: &mut Option<Critic>,
    images: &ImageStore,
    seed: Seed,
) -> Result<Judged, TrainError> {
    let said = utterances(policy, groups, stage, images)?;
    let width = policy.config().text.hidden_size;
    let critic = critic.get_or_insert_with(|| Critic::new(width, settings.hidden, seed.split("init", 0)));
    said.iter().flatten().for_each(|episode| critic.keep(episode, settings.replay));
    let metrics = critic.learn(settings, seed.split("learn", 0))?;
    let mut rows = Vec::new();
    for (group, said) in groups.iter().zip(&said) {
        for (episode, said) in group.episodes.iter().zip(said) {
            rows.push(row(episode, said, &critic.advantages(said)?));
        }
    }
    Ok(Judged { valued: by_group(rows, groups, settings.whiten)?, metrics })
}

/// An utterance of an episode.
struct Utterance {
    tokens: Range<usize>,
    before: State,
    behind: State,
    reward: f64,
}

/// The utterances of every episode; none of one without a score.
fn utterances(
    policy: &Policy,
    groups: &[&Group],
    stage: &RlStage,
    images: &ImageStore,
) -> Result<Vec<Vec<Vec<Utterance>>>, TrainError> {
    let trajectories: Vec<Vec<&Trajectory>> =
        groups.iter().map(|g| g.episodes.iter().map(|e| &e.trajectory).collect()).collect();
    let mut states: Vec<Vec<Vec<State>>> =
        groups.iter().map(|g| vec![Vec::new(); g.episodes.len()]).collect();
    let mut first = 0;
    for micro in micro_batches(&trajectories, stage.optim.micro_batch_tokens) {
        // A batch without a response has no state to be read.
        if micro.iter().flatten().any(|t| t.sampled_len() > 0) {
            let read = policy.states(micro, images, Targets::Turns)?;
            for (origin, state) in read.origins.iter().zip(read.rows.chunks_exact(read.width)) {
                states[first + origin.group][origin.member].push(state.into());
            }
        }
        first += micro.len();
    }
    let game = game_weight(stage);
    let of = |(episode, states): (&Episode, Vec<State>)| {
        let sampled: Vec<bool> = episode.trajectory.kinds().iter().map(|k| k.is_sampled()).collect();
        let turns = turns(episode, &sampled);
        if episode.total_score().is_none() || turns.is_empty() {
            return Vec::new();
        }
        let rewards = rewards(episode, &turns, game);
        let ends = states.chunks_exact(2).map(|ends| (ends[0].clone(), ends[1].clone()));
        let said = turns.into_iter().zip(ends).map(|(tokens, (before, behind))| {
            let reward = rewards[tokens.end - 1];
            Utterance { tokens, before, behind, reward }
        });
        said.collect()
    };
    let group =
        |(group, states): (&&Group, Vec<Vec<State>>)| group.episodes.iter().zip(states).map(of).collect();
    Ok(groups.iter().zip(states).map(group).collect())
}

impl Critic {
    fn new(width: usize, hidden: usize, seed: Seed) -> Self {
        let twins = |name: &str| [0, 1].map(|k| Mlp::new(width, hidden, seed.split(name, k)));
        let (q, v) = (twins("q"), twins("v"));
        Self { target_q: q.clone(), target_v: v.clone(), q, v, replay: Vec::new() }
    }

    /// How many utterances are kept.
    pub(super) fn kept(&self) -> usize {
        self.replay.len()
    }

    /// Keeps the utterances of an episode; of all, the newest `capacity` stay.
    fn keep(&mut self, said: &[Utterance], capacity: usize) {
        for (n, utterance) in said.iter().enumerate() {
            self.replay.push(Transition {
                before: utterance.before.clone(),
                behind: utterance.behind.clone(),
                next: said.get(n + 1).map(|next| next.before.clone()),
                reward: utterance.reward as f32,
            });
        }
        self.replay.drain(..self.replay.len().saturating_sub(capacity));
    }

    /// Teaches the critics; what their losses say, over all updates.
    fn learn(
        &mut self,
        settings: &CriticSettings,
        seed: Seed,
    ) -> Result<BTreeMap<&'static str, Mean>, TrainError> {
        let mut metrics: BTreeMap<&'static str, Mean> = BTreeMap::new();
        if self.replay.is_empty() {
            return Ok(metrics);
        }
        let optim = AdamW { lr: settings.lr as f32, ..AdamW::default() };
        let mut rng = seed.rng();
        for _ in 0..settings.updates {
            let drawn: Vec<&Transition> =
                (0..settings.batch).map(|_| &self.replay[rng.below(self.replay.len())]).collect();
            let rows = |of: &dyn Fn(&Transition) -> State| -> Vec<f32> {
                drawn.iter().flat_map(|t| of(t).to_vec()).collect()
            };
            let (before, behind) = (rows(&|t| t.before.clone()), rows(&|t| t.behind.clone()));
            // Of an end nothing is read.
            let next = rows(&|t| t.next.clone().unwrap_or_else(|| t.before.clone()));
            let reward: Vec<f32> = drawn.iter().map(|t| t.reward).collect();
            let done: Vec<bool> = drawn.iter().map(|t| t.next.is_none()).collect();
            let q = self.q.each_ref().map(|net| net.forward(&behind));
            let v = self.v.each_ref().map(|net| net.forward(&before));
            let next_v = self.target_v.each_ref().map(|net| net.forward(&next));
            let policy_q = self.target_q.each_ref().map(|net| net.forward(&behind));
            let batch = TwinBatch {
                q: q.each_ref().map(Vec::as_slice),
                v: v.each_ref().map(Vec::as_slice),
                next_v: next_v.each_ref().map(Vec::as_slice),
                policy_q: policy_q.each_ref().map(Vec::as_slice),
                reward: &reward,
                done: &done,
                weight: &vec![1.0; reward.len()],
            };
            let loss = twin_critic_loss(&batch, &settings.loss, reward.len() as f64)?;
            merge_means(&mut metrics, loss.metrics);
            for k in 0..2 {
                self.q[k].update(&behind, &loss.d_q[k], &optim);
                self.v[k].update(&before, &loss.d_v[k], &optim);
                follow(&mut self.target_q[k], &self.q[k], settings.loss.tau)?;
                follow(&mut self.target_v[k], &self.v[k], settings.loss.tau)?;
            }
        }
        Ok(metrics)
    }

    /// The advantage of each utterance.
    fn advantages(&self, said: &[Utterance]) -> Result<Vec<f32>, TrainError> {
        if said.is_empty() {
            return Ok(Vec::new());
        }
        let before: Vec<f32> = said.iter().flat_map(|u| u.before.iter().copied()).collect();
        let behind: Vec<f32> = said.iter().flat_map(|u| u.behind.iter().copied()).collect();
        let q = self.q.each_ref().map(|net| net.forward(&behind));
        let v = self.v.each_ref().map(|net| net.forward(&before));
        Ok(twin_advantage(q.each_ref().map(Vec::as_slice), v.each_ref().map(Vec::as_slice))?)
    }

    /// Everything of it, to be written down.
    ///
    /// # Errors
    /// [`StoreError`]; never in practice.
    pub(crate) fn arrays(&self) -> Result<Arrays, StoreError> {
        let mut arrays = Arrays::new();
        for (name, net) in self.nets() {
            arrays.insert(
                &format!("{name}/updates"),
                Array::U64(vec![u64::try_from(net.updates()).unwrap_or(0)]),
            )?;
            for (part, values) in net.state() {
                arrays.insert(&format!("{name}/{part}"), Array::F32(values))?;
            }
        }
        let rows = |of: &dyn Fn(&Transition) -> State| {
            Array::F32(self.replay.iter().flat_map(|t| of(t).to_vec()).collect())
        };
        arrays.insert("replay/before", rows(&|t| t.before.clone()))?;
        arrays.insert("replay/behind", rows(&|t| t.behind.clone()))?;
        // Ends have no next state and take no room.
        arrays.insert("replay/next", rows(&|t| t.next.clone().unwrap_or_default()))?;
        arrays.insert("replay/reward", Array::F32(self.replay.iter().map(|t| t.reward).collect()))?;
        let done = self.replay.iter().map(|t| u64::from(t.next.is_none())).collect();
        arrays.insert("replay/done", Array::U64(done))?;
        Ok(arrays)
    }

    /// The critic that [`Critic::arrays`] wrote down.
    ///
    /// # Errors
    /// [`CriticError`].
    pub(crate) fn restore(mut arrays: Arrays) -> Result<Self, CriticError> {
        let mut net = |name: &str| -> Result<Mlp, CriticError> {
            let updates = arrays.take_u64(&format!("{name}/updates"))?.first().copied().unwrap_or(0);
            let prefix = format!("{name}/");
            let parts: Vec<String> =
                arrays.names().filter_map(|n| n.strip_prefix(&prefix)).map(String::from).collect();
            let mut state = BTreeMap::new();
            for part in parts {
                let values = arrays.take_f32(&format!("{prefix}{part}"))?;
                state.insert(part, values);
            }
            Ok(Mlp::restore(state, i32::try_from(updates).unwrap_or(i32::MAX))?)
        };
        let q = [net("q1")?, net("q2")?];
        let v = [net("v1")?, net("v2")?];
        let target_q = [net("target_q1")?, net("target_q2")?];
        let target_v = [net("target_v1")?, net("target_v2")?];
        let width = q[0].width();
        let reward = arrays.take_f32("replay/reward")?;
        let done = arrays.take_u64("replay/done")?;
        let [before, behind, next] =
            ["replay/before", "replay/behind", "replay/next"].map(|name| arrays.take_f32(name));
        let (before, behind, next) = (before?, behind?, next?);
        arrays.finish()?;
        let n = reward.len();
        let goes_on = done.iter().filter(|done| **done == 0).count();
        let sizes = [
            ("replay/done", done.len(), n),
            ("replay/before", before.len(), n * width),
            ("replay/behind", behind.len(), n * width),
            ("replay/next", next.len(), goes_on * width),
        ];
        for (name, got, expected) in sizes {
            if got != expected {
                return Err(CriticError::Replay { name, got, expected });
            }
        }
        let mut next = next.chunks_exact(width);
        let rows = before.chunks_exact(width).zip(behind.chunks_exact(width)).zip(reward).zip(done);
        let replay = rows.map(|(((before, behind), reward), done)| Transition {
            before: before.into(),
            behind: behind.into(),
            next: if done == 0 { next.next().map(State::from) } else { None },
            reward,
        });
        let replay = replay.collect();
        Ok(Self { q, v, target_q, target_v, replay })
    }

    fn nets(&self) -> [(&'static str, &Mlp); 8] {
        let Self { q, v, target_q, target_v, .. } = self;
        [
            ("q1", &q[0]),
            ("q2", &q[1]),
            ("v1", &v[0]),
            ("v2", &v[1]),
            ("target_q1", &target_q[0]),
            ("target_q2", &target_q[1]),
            ("target_v1", &target_v[0]),
            ("target_v2", &target_v[1]),
        ]
    }
}

fn follow(slow: &mut Mlp, net: &Mlp, tau: f64) -> Result<(), TrainError> {
    for (slow, now) in slow.parameters_mut().zip(net.parameters()) {
        polyak(slow, now, tau)?;
    }
    Ok(())
}

fn row(episode: &Episode, said: &[Utterance], advantages: &[f32]) -> Row {
    let n = episode.trajectory.len();
    let graded = episode.total_score().is_some();
    let mut row = Row { advantages: vec![0.0; n], mask: vec![false; n], targets: None, graded };
    for (utterance, advantage) in said.iter().zip(advantages) {
        row.advantages[utterance.tokens.clone()].fill(f64::from(*advantage));
        row.mask[utterance.tokens.clone()].fill(true);
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use eyas_algo::loss::value::twin::TwinCritic;

    fn state(place: usize) -> State {
        (0..4).map(|i| if i == place { 1.0 } else { 0.0 }).collect()
    }

    fn said(before: usize, behind: usize, reward: f64) -> Utterance {
        Utterance { tokens: 0..1, before: state(before), behind: state(behind), reward }
    }

    const SETTINGS: CriticSettings = CriticSettings {
        loss: TwinCritic {
            discount: 0.5,
            tau: 0.2,
            target: eyas_algo::loss::value::twin::TwinTarget::Own,
            expectile: None,
        },
        hidden: 16,
        lr: 0.01,
        updates: 400,
        batch: 8,
        replay: 6,
        warmup_steps: 0,
        whiten: false,
    };

    /// From state 0 a good word leads to state 2, from where 1 is paid, a bad one ends with nothing. With a
    /// discount of ½ and both words said equally often: Q = [½, 0], V = ¼ in the first state, 1 in the second.
    fn taught() -> Critic {
        let mut critic = Critic::new(4, SETTINGS.hidden, Seed::new(1));
        critic.keep(&[said(0, 1, 0.0), said(2, 2, 1.0)], SETTINGS.replay);
        critic.keep(&[said(0, 3, 0.0)], SETTINGS.replay);
        critic.learn(&SETTINGS, Seed::new(2)).unwrap();
        critic
    }

    #[test]
    fn a_word_that_leads_to_a_reward_has_an_advantage() {
        let advantages = taught().advantages(&[said(0, 1, 0.0), said(2, 2, 0.0), said(0, 3, 0.0)]).unwrap();
        for (got, expected) in advantages.iter().zip([0.25, 0.0, -0.25]) {
            assert!((got - expected).abs() < 0.1, "{advantages:?}");
        }
    }

    #[test]
    fn the_newest_utterances_are_kept() {
        let mut critic = Critic::new(4, 2, Seed::new(1));
        (0..4).for_each(|n| critic.keep(&[said(0, 1, f64::from(n)), said(1, 2, 9.0)], 5));
        let rewards: Vec<f32> = critic.replay.iter().map(|t| t.reward).collect();
        assert_eq!(rewards, [9.0, 2.0, 9.0, 3.0, 9.0]);
        assert_eq!(critic.replay[1].next, Some(state(1)));
        assert_eq!(critic.replay[2].next, None);
    }

    #[test]
    fn a_critic_is_taken_up_as_it_was() {
        let mut critic = taught();
        let mut again = Critic::restore(critic.arrays().unwrap()).unwrap();
        assert_eq!(again, critic);
        critic.learn(&SETTINGS, Seed::new(3)).unwrap();
        again.learn(&SETTINGS, Seed::new(3)).unwrap();
        assert_eq!(again, critic);
        let mut arrays = critic.arrays().unwrap();
        arrays.take_f32("replay/reward").unwrap();
        arrays.insert("replay/reward", Array::F32(vec![0.0])).unwrap();
        let error = Critic::restore(arrays).unwrap_err().to_string();
        assert_eq!(error, "\"replay/done\" has 3 numbers, 1 are expected");
    }
}
