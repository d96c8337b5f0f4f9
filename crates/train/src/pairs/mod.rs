//! Pairs of responses to the same start, of which one is better.

mod blind;
mod corrected;
mod demonstrated;
mod sampled;
#[cfg(test)]
mod tests;
pub(crate) mod weigh;

use std::collections::BTreeMap;

use eyas_algo::loss::preference::Pair;
use eyas_algo::{Mean, merge_means};
use eyas_core::{Episode, Outcome, Seed};
use eyas_model::{Corruption, ImageStore, Policy, Update, Vlm};
use eyas_reward::RewardSpec;
use eyas_rollout::{Agent, RolloutConfig, Teacher};
use serde_json::Value;

use crate::judges::Snapshot;
use crate::recipe::{EnvChoice, PairSettings, PairSource, RolloutSettings};
use crate::rl::rollout_config;
use crate::run_dir::{Metrics, put};
use crate::{Guard, StageRun, TrainError};

/// Episodes, and which of them are preferred to which.
#[derive(Default)]
pub(crate) struct Drawn {
    pub(crate) episodes: Vec<Episode>,
    /// Positions in `episodes`, and how much each pair counts.
    pub(crate) pairs: Vec<Pair>,
    /// Starts, or states where those are corrected, that gave no pair: no response was better than another.
    pub(crate) ties: usize,
    pub(crate) sampled_tokens: usize,
    /// What was lost because its environment failed, a sentence each.
    pub(crate) lost: Vec<String>,
    /// What else there is to tell, by the name of the metric.
    pub(crate) told: Vec<(&'static str, f64)>,
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
        merge_means(&mut self.metrics, metrics);
    }
}

impl Drawn {
    /// Adds a pair of two episodes of its own.
    fn add_pair(&mut self, chosen: Episode, rejected: Episode) {
        let first = self.episodes.len();
        self.episodes.extend([chosen, rejected]);
        self.pairs.push(Pair::new(first, first + 1));
    }

    /// Adds the share of the policy's own `episodes` that reached their goal, where there is one with a result.
    fn tell_success<'e>(&mut self, episodes: impl IntoIterator<Item = &'e Episode>) {
        let played: Vec<&Episode> = episodes.into_iter().filter(|e| e.lost().is_none()).collect();
        let reached = played.iter().filter(|e| e.outcome == Outcome::Success).count();
        if !played.is_empty() {
            self.told.push(("own/success", reached as f64 / played.len() as f64));
        }
    }

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
        self.told.iter().for_each(|(name, value)| put(name, *value));
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
    /// How pictures are spoilt for whoever plays blindly.
    pub(crate) corruption: Corruption,
    /// Steps of the stage.
    pub(crate) steps: u64,
    /// Most tokens that a reward model reads at once.
    pub(crate) micro_batch_tokens: usize,
}

/// Who plays and who judges in a step.
#[derive(Clone, Copy)]
pub(crate) struct Cast<'a> {
    /// Samples what is the policy's own.
    pub(crate) agent: Agent<'a>,
    /// What reward models have to fit.
    pub(crate) model: &'a Vlm,
    /// The policy where it judges.
    pub(crate) judge: Option<Snapshot<'a>>,
}

impl PairDraw<'_> {
    /// The pairs of a step, which has a stream and a number.
    ///
    /// # Errors
    /// [`TrainError`].
    pub(crate) fn draw(
        &self,
        cast: &Cast<'_>,
        run: &StageRun<'_>,
        (seed, step): (Seed, u64),
    ) -> Result<Drawn, TrainError> {
        match self.pairs.source {
            PairSource::Oracle => demonstrated::draw(cast.agent, self, run, seed),
            PairSource::Policy => sampled::draw(cast, self, run, (seed, step)),
            PairSource::Blind => blind::draw(cast.agent, self, run, seed),
            PairSource::Corrected => corrected::draw(cast.agent, self, run, seed),
        }
    }

    /// How the policy plays.
    fn config(&self, run: &StageRun<'_>) -> RolloutConfig {
        let mut config = rollout_config(self.rollout, run.style);
        config.env_limit = run.env_limit;
        config
    }

    /// One who demonstrates, with that chance of a random action.
    fn teacher(&self, run: &StageRun<'_>, noise: f64) -> Teacher {
        Teacher {
            noise,
            style: run.style,
            max_tokens: self.rollout.max_context,
            thought_dropout: 0.0,
            record_truth: false,
        }
    }
}

/// Whether two players wrote the same, turn by turn.
fn same_words(a: &Episode, b: &Episode) -> bool {
    let words = |e: &Episode| e.turns.iter().map(|turn| turn.response.clone()).collect::<Vec<_>>();
    words(a) == words(b)
}

/// What is said of a start whose pair is lost.
fn lost_pair(env: &EnvChoice, begun: Seed, why: &str) -> String {
    format!("a pair of {} is lost (start {}): it {why}", env.id, begun.value())
}
