//! Several environments in one batch.

use eyas_core::{Rng, Seed};
use eyas_rollout::{RolloutError, Start};

use crate::recipe::EnvChoice;

/// Which environment each of `n` places of a batch gets: shares are met as closely as whole numbers
/// allow (largest remainder), ties and leftovers drawn from `rng`, order shuffled. So no environment is
/// missing from a batch by chance.
pub fn allot(envs: &[EnvChoice], n: usize, rng: &mut Rng) -> Vec<usize> {
    let total: f64 = envs.iter().map(|e| e.weight).sum();
    let exact: Vec<f64> = envs.iter().map(|e| e.weight / total * n as f64).collect();
    let mut places: Vec<usize> =
        exact.iter().enumerate().flat_map(|(i, x)| std::iter::repeat_n(i, x.floor() as usize)).collect();
    let mut left: Vec<(f64, u64, usize)> =
        exact.iter().enumerate().map(|(i, x)| (x.fract(), rng.next_u64(), i)).collect();
    left.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let missing = n.saturating_sub(places.len());
    places.extend(left.iter().cycle().take(missing).map(|(_, _, i)| *i));
    rng.shuffle(&mut places);
    places
}

/// How often a start is drawn again after its environment panicked.
const DRAWS: u64 = 4;

/// The start states of one step, drawn from the step's own seed. One whose environment panics is drawn again from
/// another seed, which [`Start::failed`] tells.
///
/// # Errors
/// When an environment refuses its knobs, or panics again and again.
pub fn starts(envs: &[EnvChoice], n: usize, seed: Seed) -> Result<Vec<(usize, Start)>, RolloutError> {
    allot(envs, n, &mut seed.split("mixture", 0).rng())
        .into_iter()
        .enumerate()
        .map(|(place, env)| Ok((env, draw(&envs[env], seed.split("start", place as u64))?)))
        .collect()
}

fn draw(env: &EnvChoice, seed: Seed) -> Result<Start, RolloutError> {
    let mut failed = Vec::new();
    for again in 1..DRAWS {
        let seed = if again == 1 { seed } else { seed.split("again", again) };
        match Start::reset(&env.id, seed, &env.knobs) {
            Ok(start) => return Ok(Start { failed, ..start }),
            Err(error @ RolloutError::Environment { .. }) => failed.push(format!("{error}; drawn again")),
            Err(error) => return Err(error),
        }
    }
    Start::reset(&env.id, seed.split("again", DRAWS), &env.knobs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_met() {
        let knobs = eyas_gym::Knobs::defaults(&[]);
        let env = |weight| EnvChoice { id: "x".into(), name: "x".into(), weight, knobs: knobs.clone() };
        let envs = [env(1.0), env(2.0), env(1.0)];
        let mut rng = Seed::new(1).rng();
        for n in [1usize, 7, 16] {
            let places = allot(&envs, n, &mut rng);
            assert_eq!(places.len(), n);
            let count = |i| places.iter().filter(|p| **p == i).count() as f64;
            for (i, share) in [0.25, 0.5, 0.25].into_iter().enumerate() {
                assert!((count(i) - share * n as f64).abs() <= 1.0, "{places:?}");
            }
        }
    }
}
