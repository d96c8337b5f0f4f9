//! The groups of a step: played, scored, and chosen from.

use std::time::Instant;

use eyas_core::{Group, Interrupt, Seed};
use eyas_data::curriculum::{Expansion, GroupResult};
use eyas_data::filter::{DynamicSampling as Refill, Next};
use eyas_model::{Policy, Vlm};
use eyas_reward::Progress;
use eyas_rollout::{
    Agent, Lesson, Pictures, RolloutConfig, RolloutStats, Start, Teacher, Watch, demonstrate, rollout,
};

use super::choose::{chosen, results, useful};
use super::likelihood::{known_fields, reads_likelihood};
use crate::augment::augment;
use crate::judges::{Asked, Scoring, Snapshot};
use crate::recipe::{DynamicSampling, RlStage};
use crate::restart::{Played, pay};
use crate::source::{Place, places, result};
use crate::{Guard, Judges, RewardModels, StageState, TrainError, reward_model};

/// What a step has played.
pub(super) struct Collected {
    /// All groups, scored.
    pub(super) groups: Vec<Group>,
    /// Where each started.
    pub(super) envs: Vec<usize>,
    /// Which item of the curriculum each is of.
    pub(super) items: Vec<u64>,
    /// Of each that goes on from an earlier episode, whether that one reached its goal.
    pub(super) prefixes: Vec<Option<bool>>,
    /// Those that are trained on, in ascending order.
    pub(super) chosen: Vec<usize>,
    pub(super) pictures: Pictures,
    pub(super) stats: RolloutStats,
    pub(super) gen_secs: f64,
    pub(super) reward_secs: f64,
    /// Groups whose pictures were changed.
    pub(super) augmented: usize,
    /// What was asked of judges.
    pub(super) asked: Asked,
    /// Rounds of sampling.
    pub(super) rounds: u32,
}

/// What the groups of a step are played with.
pub(super) struct Play<'a> {
    pub(super) model: &'a Vlm,
    pub(super) stage: &'a RlStage,
    pub(super) config: &'a RolloutConfig,
    pub(super) step: u64,
    /// The step's own random stream.
    pub(super) seed: Seed,
    /// The policy at the start of the stage, where it is kept.
    pub(super) reference: Option<&'a Policy>,
    pub(super) judges: &'a Judges,
    pub(super) reward_models: &'a RewardModels,
    /// The policy that judges, where one does.
    pub(super) judge: Option<Snapshot<'a>>,
    pub(super) interrupt: &'a Interrupt,
}

/// Plays and scores the groups of a step, as many as dynamic sampling asks for, and chooses those to train on.
/// `state` is that of the step; it becomes the next one's.
pub(super) fn collect(
    play: &Play<'_>,
    state: &mut StageState,
    guard: &mut Guard,
) -> Result<Collected, TrainError> {
    let stage = play.stage;
    let wanted = stage.rollout.groups;
    let mut all = Collected {
        groups: Vec::new(),
        envs: Vec::new(),
        items: Vec::new(),
        prefixes: Vec::new(),
        chosen: Vec::new(),
        pictures: Pictures::default(),
        stats: RolloutStats::default(),
        gen_secs: 0.0,
        reward_secs: 0.0,
        augmented: 0,
        asked: Asked::default(),
        rounds: 0,
    };
    match stage.dynamic_sampling {
        None => all.round(play, state, wanted, guard)?,
        Some(DynamicSampling::Refill { max_rounds, max_factor, by }) => {
            let plan = Refill { batch: wanted, max_rounds, max_factor };
            while let Next::Sample(n) = plan.next(&state.sampling) {
                let first = all.groups.len();
                all.round(play, state, n, guard)?;
                let useful = useful(stage, &all.groups[first..], by)?;
                state.sampling = plan.after_round(state.sampling, n, useful.len());
            }
            state.sampling = plan.after_step(state.sampling);
        }
        Some(DynamicSampling::Expand { rate, max }) => {
            let expansion = Expansion { rate, max };
            let ratio = state.expansion.unwrap_or(1.0);
            all.round(play, state, expansion.groups(ratio, wanted), guard)?;
            state.expansion = Some(expansion.next(ratio, &results(stage, &all.groups)));
        }
        Some(DynamicSampling::Variance { factor }) => {
            let n = (wanted as f64 * factor).ceil() as usize;
            all.round(play, state, n, guard)?;
        }
    }
    all.chosen = chosen(stage, &all.groups)?;
    if let (Some(curriculum), Some(settings)) = (state.curriculum.as_mut(), &stage.curriculum) {
        let of = |(item, group): (&u64, &Group)| result(*item, group, stage.sampled(), settings.score);
        let results: Vec<GroupResult> = all.items.iter().zip(&all.groups).map(of).collect();
        curriculum.observe(&results, play.step)?;
    }
    Ok(all)
}

impl Collected {
    /// Plays and scores `n` groups more.
    fn round(
        &mut self,
        play: &Play<'_>,
        state: &mut StageState,
        n: usize,
        guard: &mut Guard,
    ) -> Result<(), TrainError> {
        let Play { model, stage, config, step, interrupt, .. } = *play;
        // The first round has the step's own stream, so that a step without further rounds is the same
        // with dynamic sampling and without.
        let seed = match self.rounds {
            0 => play.seed,
            round => play.seed.split("round", u64::from(round)),
        };
        let clock = Instant::now();
        let watch = Watch { limit: config.env_limit, interrupt };
        let mut notes = Vec::new();
        let again = match (&stage.restart, &state.restarts) {
            (Some(settings), Some(kept)) => {
                kept.draw(stage, settings, n, step, seed.split("restart", 0), &mut notes)?
            }
            _ => Vec::new(),
        };
        let mut places = places(stage, state.curriculum.as_mut(), n - again.len(), step, seed, watch)?;
        let mut prefixes = vec![None; places.len()];
        for again in again {
            places.push(again.place);
            prefixes.push(Some(again.passed));
        }
        let mut starts = Vec::with_capacity(places.len());
        for Place { env, item, start } in places {
            start.failed.iter().for_each(|why| guard.see_lost_start(why.clone()));
            self.envs.push(env);
            self.items.push(item);
            starts.push(start);
        }
        if let Some(settings) = &stage.augment {
            let position = (step, stage.steps);
            self.augmented += augment(&mut starts, settings, position, seed.split("augment", 0))?;
        }
        let agent = Agent::of(model);
        let sampling = seed.split("sampling", 0);
        let (mut groups, stats) =
            rollout(agent, &starts, stage.sampled(), config, sampling, &mut self.pictures, interrupt)?;
        self.gen_secs += clock.elapsed().as_secs_f64();
        add_demonstrations(play, &mut groups, &starts, seed)?;

        let clock = Instant::now();
        let models_asked = stage.reward.iter().any(|reward| reward.reads_field("reward_model"));
        if stage.off_policy.demonstrations > 0 && (reads_likelihood(stage) || models_asked) {
            // Pictures that only a demonstration has seen.
            let shown = groups.iter().flat_map(|g| &g.episodes).flat_map(|e| e.images.values());
            self.pictures.add(&model.policy, shown)?;
        }
        let mut known = known_fields(stage, &groups, play.reference, self.pictures.store())?;
        reward_model::known_fields(
            &stage.reward,
            &groups,
            self.pictures.store(),
            (play.reward_models, model),
            stage.optim.micro_batch_tokens,
            interrupt,
            &mut known,
        )?;
        let scoring = Scoring {
            rewards: &stage.reward,
            envs: &stage.env,
            tags: config.style.tags(),
            progress: Progress { step, steps: stage.steps },
            judges: play.judges,
            policy: play.judge,
            interrupt,
        };
        let asked = scoring.score(&mut groups, &self.envs[self.groups.len()..], &known)?;
        self.asked.questions += asked.questions;
        self.asked.failed += asked.failed;
        if let (Some(settings), Some(kept)) = (&stage.restart, &mut state.restarts) {
            pay(&mut groups, &prefixes, settings.bonus)?;
            let envs = &self.envs[self.groups.len()..];
            let played = Played { starts: &starts, envs, groups: &groups, sampled: stage.sampled() };
            kept.keep(settings, &played, step, seed.split("restart", 1), watch, &mut notes)?;
        }
        notes.into_iter().for_each(|why| guard.see_lost_start(why));
        self.prefixes.append(&mut prefixes);
        self.reward_secs += clock.elapsed().as_secs_f64();
        self.groups.append(&mut groups);
        self.stats += stats;
        self.rounds += 1;
        Ok(())
    }
}

/// Appends demonstrations of the oracle to each group, from its own start. One whose environment fails is lost like
/// an episode of the policy's.
fn add_demonstrations(
    play: &Play<'_>,
    groups: &mut [Group],
    starts: &[Start],
    seed: Seed,
) -> Result<(), TrainError> {
    let Play { model, config, interrupt, .. } = *play;
    let (agent, demonstrations) = (Agent::of(model), play.stage.off_policy.demonstrations);
    let teacher = Teacher {
        noise: 0.0,
        style: config.style,
        max_tokens: config.max_context,
        thought_dropout: 0.0,
        record_truth: config.record_truth,
    };
    let mut lessons = Vec::with_capacity(starts.len() * demonstrations);
    for (n, start) in starts.iter().enumerate() {
        for member in 0..demonstrations {
            let rng = seed.split("demonstration", n as u64).split("member", member as u64).rng();
            lessons.push(Lesson { start: start.clone(), moves: 0, rng });
        }
    }
    let watch = Watch { limit: config.env_limit, interrupt };
    let mut shown = demonstrate(agent, lessons, &teacher, watch)?.into_iter();
    for (group, start) in groups.iter_mut().zip(starts) {
        let of_group = shown.by_ref().take(demonstrations);
        group.episodes.extend(of_group.map(|shown| match shown {
            Ok((episode, _)) => episode,
            Err(why) => start.lost(agent.trajectory(), why),
        }));
    }
    Ok(())
}
