//! Playing held-out episodes and measuring them against the random player and the oracle.

use std::collections::BTreeMap;

use eyas_core::{Episode, Seed};
use eyas_gym::{KnobValue, ResponseStyle, find, normalised, play_oracle, play_random};
use eyas_model::Sampling;
use eyas_reward::{RewardSpec, score_episode};
use eyas_rollout::{Agent, RolloutConfig, RolloutError, Start, rollout};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// An environment to be measured on.
#[derive(Clone, Debug, PartialEq)]
pub struct EvalEnv {
    /// Its id.
    pub id: String,
    /// The name results go by: the id, or another where one environment occurs with several knobs.
    pub name: String,
    /// Knobs that differ from the defaults.
    pub knobs: BTreeMap<String, KnobValue>,
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
}

/// Mean and standard error of the mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Mean {
    /// The mean.
    pub mean: f64,
    /// Its standard error; 0 for fewer than two values.
    pub se: f64,
}

impl Mean {
    /// Of `values`; `None` of none.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let values: Vec<f64> = values.into_iter().collect();
        let n = values.len() as f64;
        if values.is_empty() {
            return None;
        }
        let mean = values.iter().sum::<f64>() / n;
        let var = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
        Some(Self { mean, se: if n < 2.0 { 0.0 } else { (var / n).sqrt() } })
    }
}

/// Scores of the two reference players on the held-out episodes of one environment.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reference {
    /// Uniformly random legal actions.
    pub random: Mean,
    /// The oracle.
    pub oracle: Mean,
}

/// What a policy did in one environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EnvResult {
    /// Raw score an episode.
    pub score: Mean,
    /// The references on the same episodes.
    pub reference: Reference,
    /// `(score − random)/(oracle − random)`; `None` when the references coincide.
    pub normalised: Option<f64>,
    /// Share of the board's cells read rightly, where responses have a perception block.
    pub perception: Option<Mean>,
    /// Share of episodes whose every response is well-formed.
    pub format: Mean,
    /// Mean length of a response in tokens.
    pub response_tokens: f64,
    /// Episodes played.
    pub episodes: usize,
}

/// The held-out start states of an environment: a stream of seeds that training never uses.
///
/// # Errors
/// When the environment is unknown or refuses its knobs.
pub fn held_out(env: &EvalEnv, seed: Seed, episodes: usize) -> Result<Vec<Start>, RolloutError> {
    let stream = seed.split("eval", 0).split(&env.name, 0);
    (0..episodes as u64).map(|i| Start::reset(&env.id, stream.split("episode", i), &env.knobs)).collect()
}

/// Plays both references on the held-out episodes.
///
/// # Errors
/// When the environment is unknown or refuses its knobs.
pub fn references(env: &EvalEnv, seed: Seed, episodes: usize) -> Result<Reference, RolloutError> {
    find(&env.id)?;
    let starts = held_out(env, seed, episodes)?;
    let play = |f: &(dyn Fn(&Start) -> f32 + Sync)| {
        let scores: Vec<f64> = starts.par_iter().map(|s| f64::from(f(s))).collect();
        Mean::of(scores).unwrap_or_default()
    };
    Ok(Reference {
        random: play(&|s| play_random(s.game.fork(), s.seed.split("random-player", 0))),
        oracle: play(&|s| play_oracle(s.game.fork())),
    })
}

/// Plays the held-out episodes of one environment; gives the result and the episodes.
///
/// # Errors
/// When the environment, the model or the tokenizer refuses its input.
pub fn evaluate(
    agent: Agent<'_>, env: &EvalEnv, config: &EvalConfig, mut progress: impl FnMut(usize),
) -> Result<(EnvResult, Vec<Episode>), RolloutError> {
    let reference = references(env, config.seed, config.episodes)?;
    let starts = held_out(env, config.seed, config.episodes)?;
    let rollout_config = RolloutConfig {
        style: config.style,
        sampling: config.sampling,
        max_tokens: config.max_tokens,
        max_context: config.max_context,
        stop: config.stop.clone(),
    };
    let mut episodes = Vec::with_capacity(starts.len());
    for (i, batch) in starts.chunks(config.batch.max(1)).enumerate() {
        let seed = config.seed.split("eval-sampling", i as u64).split(&env.name, 0);
        let (groups, _) = rollout(agent, batch, 1, &rollout_config, seed, |_| {})?;
        episodes.extend(groups.into_iter().flat_map(|g| g.episodes));
        progress(episodes.len());
    }
    Ok((summarise(&mut episodes, reference, config.style), episodes))
}

fn summarise(episodes: &mut [Episode], reference: Reference, style: ResponseStyle) -> EnvResult {
    let mut rewards = vec![RewardSpec::named("format")];
    if style == ResponseStyle::Perception {
        rewards.push(RewardSpec::named("perception"));
    }
    for episode in episodes.iter_mut() {
        score_episode(&rewards, episode, style.tags());
    }
    let of = |name: &str| {
        Mean::of(episodes.iter().filter_map(|e| {
            e.scores.iter().find(|s| s.name == name).and_then(|s| s.score.value()).map(f64::from)
        }))
    };
    let score = Mean::of(episodes.iter().map(|e| f64::from(e.env_score))).unwrap_or_default();
    let turns: usize = episodes.iter().map(|e| e.turns.len()).sum();
    let tokens: usize = episodes.iter().map(|e| e.trajectory.sampled_len()).sum();
    EnvResult {
        normalised: normalised(score.mean, reference.random.mean, reference.oracle.mean),
        score,
        reference,
        perception: of("perception"),
        format: of("format").unwrap_or_default(),
        response_tokens: tokens as f64 / turns.max(1) as f64,
        episodes: episodes.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_standard_error_by_hand() {
        let m = Mean::of([1.0, 2.0, 3.0, 4.0]).unwrap();
        assert_eq!(m.mean, 2.5);
        // Sample variance 5/3, divided by 4.
        assert!((m.se - (5.0f64 / 12.0).sqrt()).abs() < 1e-12);
        assert_eq!(Mean::of([]), None);
        assert_eq!(Mean::of([7.0]), Some(Mean { mean: 7.0, se: 0.0 }));
    }
}
