//! Where episodes start.

use eyas_core::{EPISODE_VERSION, Episode, Outcome, Rng, Seed, Trajectory, Turn, isolate};
use eyas_gym::{Game, GymError, Knobs, Status, find};

use crate::RolloutError;

/// A state from which a group of episodes starts.
pub struct Start {
    /// The state; every member plays a clone of it.
    pub game: Box<dyn Game>,
    /// The seed it was reset with.
    pub seed: Seed,
    /// Its knobs, as JSON.
    pub knobs: serde_json::Value,
    /// What went wrong with the states that were to be in its place, a sentence each.
    pub failed: Vec<String>,
}

impl Start {
    /// A fresh state of the environment `id`.
    ///
    /// # Errors
    /// When the environment is unknown, refuses the knobs, or panics.
    pub fn reset(id: &str, seed: Seed, knobs: &Knobs) -> Result<Self, RolloutError> {
        let entry = find(id)?;
        let game = isolate(|| entry.reset(seed, knobs)).map_err(|why| RolloutError::Environment {
            env: id.into(),
            seed,
            why,
        })??;
        let knobs = serde_json::to_value(knobs).unwrap_or_default();
        Ok(Self { game, seed, knobs, failed: Vec::new() })
    }

    /// A state that [`Game::snapshot`] wrote, of an episode that began with `seed`; turns and score are counted
    /// from here.
    ///
    /// # Errors
    /// When the environment is unknown, or cannot read the state.
    pub fn restore(
        id: &str,
        seed: Seed,
        knobs: &Knobs,
        state: serde_json::Value,
    ) -> Result<Self, RolloutError> {
        let entry = find(id)?;
        let restore = || {
            let mut game = entry.restore(state)?;
            game.begin_here();
            Ok::<_, GymError>(game)
        };
        let game =
            isolate(restore).map_err(|why| RolloutError::Environment { env: id.into(), seed, why })??;
        let knobs = serde_json::to_value(knobs).unwrap_or_default();
        Ok(Self { game, seed, knobs, failed: Vec::new() })
    }

    /// An episode from here of which nothing is played yet.
    pub fn episode(&self, trajectory: Trajectory) -> Episode {
        Episode {
            version: EPISODE_VERSION,
            env: self.game.spec().id.to_string(),
            seed: self.seed,
            knobs: self.knobs.clone(),
            turns: Vec::new(),
            trajectory,
            scores: Vec::new(),
            env_return: 0.0,
            env_score: 0.0,
            outcome: Outcome::Truncated,
            images: Default::default(),
        }
    }

    /// An episode from here that was lost before anything was shown, and why.
    pub fn lost(&self, trajectory: Trajectory, why: String) -> Episode {
        let turns = vec![Turn { error: Some(why), ..Turn::default() }];
        Episode { turns, outcome: Outcome::Lost, ..self.episode(trajectory) }
    }

    /// Plays up to `moves` random legal actions, stopping short of the end of the episode.
    pub fn advance(&mut self, moves: usize, rng: &mut Rng) {
        for _ in 0..moves {
            let Some(action) = rng.choose(&self.game.legal_actions()).cloned() else { return };
            let mut next = self.game.fork();
            if next.step(&action).is_err() || next.status() != Status::Running {
                return;
            }
            self.game = next;
        }
    }
}

impl Clone for Start {
    fn clone(&self) -> Self {
        Self {
            game: self.game.fork(),
            seed: self.seed,
            knobs: self.knobs.clone(),
            failed: self.failed.clone(),
        }
    }
}
