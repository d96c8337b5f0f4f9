//! Reference scores measured once and kept as data, for display and as a guard against drift. Training
//! and evaluation measure their own references on the very episodes they use.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use eyas_core::Seed;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{Difficulty, EnvEntry, GymError, Preset, play_oracle, play_random};

/// Mean scores of the two anchors of the normalised score.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredReference {
    /// Episodes of each.
    pub episodes: u32,
    /// Mean score of random play.
    pub random: f64,
    /// Standard deviation over episodes.
    pub random_sd: f64,
    /// Mean score of the oracle.
    pub oracle: f64,
    /// Standard deviation over episodes.
    pub oracle_sd: f64,
}

/// References by environment and preset.
pub type StoredReferences = BTreeMap<String, BTreeMap<Preset, StoredReference>>;

/// All that are stored. The file is written by `eyas gym references`.
pub fn stored_references() -> &'static StoredReferences {
    static STORED: OnceLock<StoredReferences> = OnceLock::new();
    // The file is part of the program; a test reads all of it.
    STORED.get_or_init(|| serde_json::from_str(include_str!("../data/references.json")).unwrap_or_default())
}

/// What is stored for one environment and preset.
pub fn stored_reference(env: &str, preset: Preset) -> Option<&'static StoredReference> {
    stored_references().get(env)?.get(&preset)
}

/// Measures both anchors of `entry` at `preset` over `episodes` episodes.
///
/// # Errors
/// [`GymError::Knob`] when the environment refuses its own preset.
pub fn measure_reference(
    entry: &EnvEntry,
    preset: Preset,
    episodes: u32,
    seed: Seed,
) -> Result<StoredReference, GymError> {
    let knobs = entry.knobs_at(&Difficulty::Preset(preset), &BTreeMap::new())?;
    let scores = (0..u64::from(episodes))
        .into_par_iter()
        .map(|i| {
            let game = entry.reset(seed.split("reference", i), &knobs)?;
            let random = play_random(game.fork(), seed.split("reference-random", i));
            Ok((f64::from(random), f64::from(play_oracle(game))))
        })
        .collect::<Result<Vec<(f64, f64)>, GymError>>()?;
    let (random, random_sd) = mean_and_sd(scores.iter().map(|s| s.0));
    let (oracle, oracle_sd) = mean_and_sd(scores.iter().map(|s| s.1));
    Ok(StoredReference { episodes, random, random_sd, oracle, oracle_sd })
}

fn mean_and_sd(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let n = values.clone().count().max(1) as f64;
    let mean = values.clone().sum::<f64>() / n;
    let variance = values.map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    (mean, variance.sqrt())
}
