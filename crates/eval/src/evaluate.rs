//! Playing held-out episodes and measuring them against the random player and the oracle.

use std::time::Duration;

use eyas_core::{Episode, Interrupt, Seed};
use eyas_gym::{Knobs, ResponseStyle};
use eyas_model::Sampling;
use eyas_reward::{RewardSpec, format, perception, score_episode};
use eyas_rollout::{Agent, Pictures, Reference, RolloutConfig, RolloutError, Start, Watch, all, rollout};
use rayon::prelude::*;

use crate::summary::Measured;

/// An environment to be measured on.
#[derive(Clone, Debug, PartialEq)]
pub struct EvalEnv {
    /// Its id.
    pub id: String,
    /// The name results go by: the id, or another where one environment occurs with several knobs.
    pub name: String,
    /// Its knobs.
    pub knobs: Knobs,
}

/// How to measure.
#[derive(Clone, Debug)]
pub struct EvalConfig {
    /// Episodes per environment.
    pub episodes: usize,
    /// The seed of the held-out episodes.
    pub seed: Seed,
    /// Parts of a response.
    pub style: ResponseStyle,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// Longest response of one turn, in tokens.
    pub max_tokens: usize,
    /// Longest trajectory, in tokens.
    pub max_context: usize,
    /// Episodes played at once.
    pub batch: usize,
    /// A response also ends where one of these appears.
    pub stop: Vec<String>,
    /// As [`RolloutConfig::env_limit`].
    pub env_limit: Option<Duration>,
}

/// What a policy did in one environment.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// Its scores.
    pub measured: Measured,
    /// The references on the same episodes.
    pub reference: Reference,
    /// Mean length of a response in tokens.
    pub response_tokens: f64,
    /// The episodes, scored for format and, where asked for, perception.
    pub episodes: Vec<Episode>,
}

impl Evaluation {
    /// `(score − random)/(oracle − random)`; `None` when the references coincide.
    pub fn normalised(&self) -> Option<f64> {
        self.reference.normalised(self.measured.score)
    }
}

/// The held-out start states of an environment: a stream of seeds that training never uses.
///
/// # Errors
/// When the environment is unknown, refuses its knobs, panics, or takes longer than the limit of `watch`.
pub fn held_out(
    env: &EvalEnv,
    seed: Seed,
    episodes: usize,
    watch: Watch<'_>,
) -> Result<Vec<Start>, RolloutError> {
    let (id, knobs) = (env.id.clone(), env.knobs.clone());
    held_out_with(env, seed, episodes, watch, move |seed| Start::reset(&id, seed, &knobs))
}

fn held_out_with(
    env: &EvalEnv,
    seed: Seed,
    episodes: usize,
    watch: Watch<'_>,
    reset: impl Fn(Seed) -> Result<Start, RolloutError> + Send + Sync + 'static,
) -> Result<Vec<Start>, RolloutError> {
    let stream = seed.split(&env.name, 0);
    let seeds: Vec<Seed> = (0..episodes as u64).map(|i| stream.split("episode", i)).collect();
    match all(seeds.clone(), watch, reset)? {
        Ok(starts) => starts.into_iter().collect(),
        Err((i, why)) => Err(RolloutError::Environment { env: env.id.clone(), seed: seeds[i], why }),
    }
}

/// Plays both references on the held-out episodes.
///
/// # Errors
/// When the environment is unknown or refuses its knobs.
pub fn references(env: &EvalEnv, seed: Seed, episodes: usize) -> Result<Reference, RolloutError> {
    let (limit, interrupt) = (None, &Interrupt::default());
    let watch = Watch { limit, interrupt };
    Reference::of(&held_out(env, seed, episodes, watch)?, watch)
}

/// Plays the held-out episodes of one environment; gives the result and the episodes.
///
/// # Errors
/// When the environment, the model or the tokenizer refuses its input, every episode is lost, or `interrupt` is
/// raised.
pub fn evaluate(
    agent: Agent<'_>,
    env: &EvalEnv,
    config: &EvalConfig,
    interrupt: &Interrupt,
    mut progress: impl FnMut(usize),
) -> Result<Evaluation, RolloutError> {
    let watch = Watch { limit: config.env_limit, interrupt };
    let starts = held_out(env, config.seed, config.episodes, watch)?;
    let reference = Reference::of(&starts, watch)?;
    let rollout_config = RolloutConfig {
        style: config.style,
        sampling: config.sampling,
        max_tokens: config.max_tokens,
        max_context: config.max_context,
        stop: config.stop.clone(),
        record_truth: false,
        kv_bytes: RolloutConfig::KV_BYTES,
        env_limit: config.env_limit,
    };
    let mut episodes = Vec::with_capacity(starts.len());
    for (i, batch) in starts.chunks(config.batch.max(1)).enumerate() {
        let seed = config.seed.split("eval-sampling", i as u64).split(&env.name, 0);
        let (groups, _) =
            rollout(agent, batch, 1, &rollout_config, seed, &mut Pictures::default(), interrupt)?;
        episodes.extend(groups.into_iter().flat_map(|g| g.episodes));
        progress(episodes.len());
    }
    if let (Some(first), true) = (episodes.first(), episodes.iter().all(|e| e.lost().is_some())) {
        let why = format!("every episode is lost; this one {}", first.lost().unwrap_or_default());
        return Err(RolloutError::Environment { env: first.env.clone(), seed: first.seed, why });
    }
    let mut rewards = vec![RewardSpec::of(&format::INFO)];
    if config.style == ResponseStyle::Perception {
        rewards.push(RewardSpec::of(&perception::INFO));
    }
    episodes.par_iter_mut().for_each(|episode| score_episode(&rewards, episode, config.style.tags()));
    let turns: usize = episodes.iter().map(|e| e.turns.len()).sum();
    let tokens: usize = episodes.iter().map(|e| e.trajectory.sampled_len()).sum();
    let response_tokens = tokens as f64 / turns.max(1) as f64;
    Ok(Evaluation { measured: Measured::of(&episodes), reference, response_tokens, episodes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_out_start_that_hangs_is_an_error_with_its_seed() {
        let spec = eyas_gym::find("frozen-lake").unwrap_or_else(|e| panic!("{e}")).spec;
        let env =
            EvalEnv { id: "frozen-lake".into(), name: "lake".into(), knobs: Knobs::defaults(spec.knobs) };
        let quiet = Interrupt::default();
        let limit = Some(Duration::from_millis(500));
        let watch = Watch { limit, interrupt: &quiet };
        let seeds = |starts: Vec<Start>| starts.iter().map(|s| s.seed).collect::<Vec<_>>();
        let plain = held_out(&env, Seed::new(3), 8, Watch { limit: None, ..watch }).map(seeds);
        let plain = plain.unwrap_or_else(|e| panic!("{e}"));
        let watched = held_out(&env, Seed::new(3), 8, watch).map(seeds).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(plain, watched, "watching changes nothing");
        let (bad, knobs) = (plain[5], env.knobs.clone());
        let hangs = move |seed: Seed| {
            if seed == bad {
                std::thread::sleep(Duration::from_secs(3600));
            }
            Start::reset("frozen-lake", seed, &knobs)
        };
        let error = held_out_with(&env, Seed::new(3), 8, watch, hangs).err().map(|e| e.to_string());
        let bad = bad.value();
        assert_eq!(error, Some(format!("environment frozen-lake, start {bad}: gave no answer within 0.5 s")));
    }
}
