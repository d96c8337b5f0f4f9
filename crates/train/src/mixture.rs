//! Several environments in one batch.

use eyas_core::{Rng, Seed};
use eyas_rollout::{RolloutError, Start, Watch, each};

use crate::recipe::EnvChoice;

/// Which environment, by the index of its weight, each of `n` places of a batch gets: shares are met as
/// closely as whole numbers allow (largest remainder), ties and leftovers drawn from `rng`, order shuffled. So
/// no environment is missing from a batch by chance.
pub fn allot(weights: &[f64], n: usize, rng: &mut Rng) -> Vec<usize> {
    let total: f64 = weights.iter().sum();
    let exact: Vec<f64> = weights.iter().map(|w| w / total * n as f64).collect();
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

/// How often a start is drawn before its environment is given up.
const DRAWS: u64 = 4;

/// The start states of one step, drawn from the step's own seed. One whose environment panics, or takes longer than
/// the limit, is drawn again from another seed, which [`Start::failed`] tells.
///
/// # Errors
/// When an environment refuses its knobs, or fails again and again; [`RolloutError::Interrupted`].
pub fn starts(
    envs: &[EnvChoice],
    n: usize,
    seed: Seed,
    watch: Watch<'_>,
) -> Result<Vec<(usize, Start)>, RolloutError> {
    let weights: Vec<f64> = envs.iter().map(|e| e.weight).collect();
    let places = allot(&weights, n, &mut seed.split("mixture", 0).rng());
    let of_place = |(place, env): (usize, &usize)| (*env, seed.split("start", place as u64));
    let drawn = draw(envs, &places.iter().enumerate().map(of_place).collect::<Vec<_>>(), watch)?;
    Ok(places.into_iter().zip(drawn).collect())
}

/// A start of each environment, by its position in `envs`, from each seed; see [`starts`].
pub(crate) fn draw(
    envs: &[EnvChoice],
    wanted: &[(usize, Seed)],
    watch: Watch<'_>,
) -> Result<Vec<Start>, RolloutError> {
    draw_with(envs, wanted, watch, |env, seed| Start::reset(&env.id, seed, &env.knobs))
}

fn draw_with<F>(
    envs: &[EnvChoice],
    wanted: &[(usize, Seed)],
    watch: Watch<'_>,
    reset: F,
) -> Result<Vec<Start>, RolloutError>
where
    F: Fn(&EnvChoice, Seed) -> Result<Start, RolloutError> + Clone + Send + Sync + 'static,
{
    let mut drawn: Vec<Option<Start>> = wanted.iter().map(|_| None).collect();
    let mut failed: Vec<Vec<String>> = vec![Vec::new(); wanted.len()];
    let mut left: Vec<usize> = (0..wanted.len()).collect();
    for again in 1..=DRAWS {
        let of_place = |place: &usize| {
            let (env, seed) = wanted[*place];
            (envs[env].clone(), if again == 1 { seed } else { seed.split("again", again) })
        };
        let tried: Vec<(EnvChoice, Seed)> = left.iter().map(of_place).collect();
        let reset = reset.clone();
        let made = each(tried.clone(), watch, move |(env, seed)| reset(&env, seed))?;
        let mut missing = Vec::new();
        for ((place, made), (env, seed)) in left.into_iter().zip(made).zip(tried) {
            match made.unwrap_or_else(|why| Err(RolloutError::Environment { env: env.id, seed, why })) {
                Ok(start) => {
                    drawn[place] = Some(Start { failed: std::mem::take(&mut failed[place]), ..start });
                }
                Err(error @ RolloutError::Environment { .. }) if again < DRAWS => {
                    failed[place].push(format!("{error}; drawn again"));
                    missing.push(place);
                }
                Err(error) => return Err(error),
            }
        }
        left = missing;
    }
    // None is missing: the last draw gave a start or an error.
    Ok(drawn.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use eyas_core::Interrupt;
    use eyas_gym::Knobs;

    use super::*;

    #[test]
    fn shares_are_met() {
        let mut rng = Seed::new(1).rng();
        for n in [1usize, 7, 16] {
            let places = allot(&[1.0, 2.0, 1.0], n, &mut rng);
            assert_eq!(places.len(), n);
            let count = |i| places.iter().filter(|p| **p == i).count() as f64;
            for (i, share) in [0.25, 0.5, 0.25].into_iter().enumerate() {
                assert!((count(i) - share * n as f64).abs() <= 1.0, "{places:?}");
            }
        }
    }

    fn hang() -> ! {
        loop {
            std::thread::sleep(Duration::from_secs(3600));
        }
    }

    #[test]
    fn a_start_that_fails_is_drawn_again_and_one_that_always_does_is_an_error() {
        let quiet = Interrupt::default();
        let env = |id: &str| EnvChoice {
            id: id.into(),
            name: id.into(),
            weight: 1.0,
            level: None,
            knobs: Knobs::defaults(eyas_gym::find(id).unwrap().spec.knobs),
        };
        let envs = [env("frozen-lake"), env("counting")];
        let wanted: Vec<(usize, Seed)> = (0..6).map(|n| (n % 2, Seed::new(n as u64))).collect();
        let reset = |env: &EnvChoice, seed| Start::reset(&env.id, seed, &env.knobs);
        let limit = Some(Duration::from_millis(500));
        let seeds = |starts: &[Start]| starts.iter().map(|s| s.seed).collect::<Vec<_>>();
        let all: Vec<Seed> = wanted.iter().map(|w| w.1).collect();
        for limit in [None, limit] {
            let watch = Watch { limit, interrupt: &quiet };
            let whole = draw_with(&envs, &wanted, watch, reset).unwrap();
            assert_eq!(seeds(&whole), all);
            assert!(whole.iter().all(|s| s.failed.is_empty()));
        }
        let watch = Watch { limit, interrupt: &quiet };
        // The second place hangs twice, the fifth panics once.
        let hangs = [Seed::new(1), Seed::new(1).split("again", 2)];
        let faulty = move |env: &EnvChoice, seed: Seed| {
            if hangs.contains(&seed) {
                hang();
            }
            assert_ne!(seed, Seed::new(4), "no start");
            reset(env, seed)
        };
        let drawn = draw_with(&envs, &wanted, watch, faulty).unwrap();
        let mut expected = all.clone();
        expected[1] = Seed::new(1).split("again", 3);
        expected[4] = Seed::new(4).split("again", 2);
        assert_eq!(seeds(&drawn), expected);
        let told = |seed: Seed| {
            let seed = seed.value();
            format!("environment counting, start {seed}: gave no answer within 0.5 s; drawn again")
        };
        assert_eq!(drawn[1].failed, hangs.map(told));
        assert!(
            drawn[4].failed.len() == 1 && drawn[4].failed[0].contains("no start"),
            "{:?}",
            drawn[4].failed
        );
        assert!([0, 2, 3, 5].iter().all(|i| drawn[*i].failed.is_empty()));
        let always = move |env: &EnvChoice, seed: Seed| match env.id.as_str() {
            "counting" => hang(),
            _ => reset(env, seed),
        };
        let error = draw_with(&envs, &wanted[..2], watch, always).err().map(|e| e.to_string());
        let last = Seed::new(1).split("again", DRAWS).value();
        assert_eq!(error, Some(format!("environment counting, start {last}: gave no answer within 0.5 s")));
    }
}
