//! Pairs of responses to the same start, of which one is better: demonstrated, or the policy's own.

use std::collections::BTreeMap;

use eyas_algo::Mean;
use eyas_algo::loss::preference::{Pair, ScorePairs, best_and_worst};
use eyas_core::{Episode, Group, Seed};
use eyas_model::{ImageStore, Policy, Update};
use eyas_reward::{Progress, RewardSpec};
use eyas_rollout::{Agent, Demonstrated, Lesson, Pictures, Start, Teacher, demonstrate, rollout};
use serde_json::Value;

use crate::judges::{Scoring, Snapshot};
use crate::mixture::starts;
use crate::recipe::{EnvChoice, PairSettings, PairSource, RolloutSettings};
use crate::rl::rollout_config;
use crate::run_dir::{Metrics, put};
use crate::{Guard, StageRun, TrainError};

/// Episodes, and which of them are preferred to which.
pub(crate) struct Drawn {
    pub(crate) episodes: Vec<Episode>,
    /// (chosen, rejected), by position in `episodes`.
    pub(crate) pairs: Vec<(usize, usize)>,
    /// Starts that gave no pair, because no response was better than another.
    pub(crate) ties: usize,
    pub(crate) sampled_tokens: usize,
    /// What was lost because its environment failed, a sentence each.
    pub(crate) lost: Vec<String>,
}

/// What a step on pairs has come to, over its micro-batches.
#[derive(Default)]
pub(crate) struct Sums {
    pub(crate) loss: f64,
    metrics: BTreeMap<&'static str, Mean>,
}

impl Sums {
    /// Takes in what the loss of a micro-batch says.
    pub(crate) fn add(&mut self, loss: f64, metrics: BTreeMap<&'static str, Mean>) {
        self.loss += loss;
        for (name, mean) in metrics {
            let all = self.metrics.entry(name).or_default();
            all.sum += mean.sum;
            all.count += mean.count;
        }
    }
}

impl Drawn {
    /// Tells the guard what was lost.
    ///
    /// # Errors
    /// [`TrainError::Scores`] when too few of the scores could be computed.
    pub(crate) fn show(&self, guard: &mut Guard) -> Result<(), TrainError> {
        self.lost.iter().for_each(|why| guard.see_lost_start(why.clone()));
        guard.see_lost(&self.episodes);
        guard.check_scores(&self.episodes)
    }

    /// The pictures of all episodes, as `policy` reads them.
    pub(crate) fn images(&self, policy: &Policy) -> Result<ImageStore, TrainError> {
        let mut images = ImageStore::default();
        images.add(policy.processor(), self.episodes.iter().flat_map(|e| e.images.values()))?;
        Ok(images)
    }

    /// The metrics that every step on pairs has; `applied` is none where there was nothing to learn from.
    pub(crate) fn metrics(&self, line: &mut Metrics, sums: &Sums, applied: Option<Update>, secs: &Seconds) {
        let mut put = |key: &str, value: f64| put(line, key, value);
        put("pairs", self.pairs.len() as f64);
        put("pairs/ties", self.ties as f64);
        put("sampled_tokens", self.sampled_tokens as f64);
        if let Some(applied) = applied {
            put("loss", sums.loss);
            put("grad_norm", applied.grad_norm);
            sums.metrics.iter().for_each(|(name, mean)| put(name, mean.value()));
        }
        let tokens = self.episodes.iter().map(|e| e.trajectory.len()).sum::<usize>() as f64;
        put("num_tokens", tokens);
        put("step_time", secs.step);
        put("timing_s/gen", secs.draw);
        put("perf/throughput", tokens / secs.step);
        line.insert("update_skipped".into(), Value::from(applied.is_none_or(|a| !a.applied)));
    }
}

/// How long a step took, and how much of it until its pairs were there.
pub(crate) struct Seconds {
    pub(crate) step: f64,
    pub(crate) draw: f64,
}

/// How the pairs of a stage are drawn.
#[derive(Clone, Copy)]
pub(crate) struct PairDraw<'a> {
    pub(crate) env: &'a [EnvChoice],
    pub(crate) pairs: &'a PairSettings,
    pub(crate) rollout: &'a RolloutSettings,
    /// What pairs of the policy's own are judged by.
    pub(crate) reward: &'a [RewardSpec],
    /// Steps of the stage.
    pub(crate) steps: u64,
}

impl PairDraw<'_> {
    /// The pairs of a step, which has a stream and a number. `agent` samples those of the policy's own, `judge` is
    /// the policy where it judges.
    ///
    /// # Errors
    /// [`TrainError`].
    pub(crate) fn draw(
        &self,
        agent: Agent<'_>,
        run: &StageRun<'_>,
        (seed, step): (Seed, u64),
        judge: Option<Snapshot<'_>>,
    ) -> Result<Drawn, TrainError> {
        match self.pairs.source {
            PairSource::Oracle => demonstrated(agent, self, run, seed),
            PairSource::Policy => sampled(agent, self, run, (seed, step), judge),
        }
    }
}

/// The oracle against a player of random legal actions, from the same starts. Pairs whose responses are the
/// same are left out.
fn demonstrated(
    agent: Agent<'_>,
    stage: &PairDraw<'_>,
    run: &StageRun<'_>,
    seed: Seed,
) -> Result<Drawn, TrainError> {
    let teacher = |noise| Teacher {
        noise,
        style: run.style,
        max_tokens: stage.rollout.max_context,
        thought_dropout: 0.0,
        record_truth: false,
    };
    let starts = starts(stage.env, stage.pairs.count, seed, run.watch())?;
    let mut lost: Vec<String> = starts.iter().flat_map(|(_, start)| start.failed.clone()).collect();
    let lesson = |(place, (_, start)): (usize, &(usize, Start))| {
        let rng = seed.split("teacher", place as u64).rng();
        Lesson { start: start.clone(), moves: 0, rng }
    };
    let lessons = starts.iter().enumerate().map(lesson).collect();
    let good: Vec<Demonstrated> = demonstrate(agent, lessons, &teacher(0.0), run.watch())?;
    // The same random numbers go on.
    let again = |((_, start), good): (&(usize, Start), &Demonstrated)| {
        let rng = good.as_ref().ok()?.1.clone();
        Some(Lesson { start: start.clone(), moves: 0, rng })
    };
    let lessons = starts.iter().zip(&good).filter_map(again).collect();
    let mut bad = demonstrate(agent, lessons, &teacher(1.0), run.watch())?.into_iter();
    let (mut episodes, mut ties) = (Vec::new(), 0);
    for ((env, start), good) in starts.iter().zip(good) {
        let both = good.and_then(|(good, _)| Ok((good, bad.next().transpose()?)));
        match both {
            Ok((good, Some((bad, _)))) => {
                if good.trajectory.ids() != bad.trajectory.ids() {
                    episodes.extend([good, bad]);
                } else {
                    ties += 1;
                }
            }
            // There is a second lesson for each first one that was given.
            Ok((_, None)) => {}
            Err(why) => {
                let (env, begun) = (&stage.env[*env].id, start.seed.value());
                lost.push(format!("a pair of {env} is lost (start {begun}): it {why}"));
            }
        }
    }
    let pairs = (0..episodes.len() / 2).map(|i| (2 * i, 2 * i + 1)).collect();
    Ok(Drawn { episodes, pairs, ties, sampled_tokens: 0, lost })
}

/// The best of each group of the policy's own episodes against the worst.
fn sampled(
    agent: Agent<'_>,
    stage: &PairDraw<'_>,
    run: &StageRun<'_>,
    (seed, step): (Seed, u64),
    judge: Option<Snapshot<'_>>,
) -> Result<Drawn, TrainError> {
    let mut config = rollout_config(stage.rollout, run.style);
    config.record_truth = stage.reward.iter().any(RewardSpec::reads_truth);
    config.env_limit = run.env_limit;
    let (places, begins): (Vec<usize>, Vec<_>) =
        starts(stage.env, stage.rollout.groups, seed, run.watch())?.into_iter().unzip();
    let lost = begins.iter().flat_map(|start: &Start| start.failed.clone()).collect();
    let (mut groups, stats) = rollout(
        agent,
        &begins,
        stage.rollout.group_size,
        &config,
        seed.split("sampling", 0),
        &mut Pictures::default(),
        run.interrupt,
    )?;
    let scoring = Scoring {
        rewards: stage.reward,
        envs: stage.env,
        tags: run.style.tags(),
        progress: Progress { step, steps: stage.steps },
        judges: run.judges,
        policy: judge,
        interrupt: run.interrupt,
    };
    scoring.score(&mut groups, &places, &[])?;
    let chosen = |group: &Group| {
        let scores: Vec<Option<f64>> =
            group.episodes.iter().map(|e| e.total_score().map(f64::from)).collect();
        best_and_worst(&scores, &ScorePairs { min_difference: stage.pairs.margin })
    };
    let pairs: Vec<Option<Pair>> = groups.iter().map(chosen).collect();
    let size = stage.rollout.group_size;
    let ties = pairs.iter().filter(|pair| pair.is_none()).count();
    let pairs = pairs
        .into_iter()
        .enumerate()
        .filter_map(|(g, pair)| pair.map(|p| (g * size + p.chosen, g * size + p.rejected)))
        .collect();
    let episodes = groups.into_iter().flat_map(|g| g.episodes).collect();
    Ok(Drawn { episodes, pairs, ties, sampled_tokens: stats.sampled_tokens, lost })
}
