//! The stored reference scores are there, make sense, and still are what play gives.
#![allow(clippy::unwrap_used)]

use eyas_core::Seed;
use eyas_gym::{Preset, measure_reference, registry, stored_reference, stored_references};

#[test]
fn stored_scores_are_complete_and_oracles_are_better() {
    let ids: Vec<_> = registry().iter().map(|entry| entry.spec.id.to_string()).collect();
    assert!(stored_references().keys().all(|id| ids.contains(id)), "a score of no environment");
    for id in &ids {
        for preset in Preset::ALL {
            let stored = stored_reference(id, preset).unwrap_or_else(|| panic!("{id} {preset:?}"));
            let error = (stored.random_sd.powi(2) + stored.oracle_sd.powi(2)).sqrt()
                / f64::from(stored.episodes).sqrt();
            let ahead = (stored.oracle - stored.random) / error.max(1e-9);
            assert!(stored.episodes >= 200 && ahead > 1.5, "{id} {preset:?}: {ahead} errors ahead");
        }
    }
}

#[test]
fn a_fresh_measurement_agrees() {
    const EPISODES: u32 = 8;
    for entry in registry() {
        for preset in Preset::ALL {
            let stored = stored_reference(entry.spec.id, preset).unwrap();
            let seed = Seed::new(77);
            let fresh = measure_reference(&entry, preset, EPISODES, seed).unwrap();
            for (name, stored_mean, fresh_mean, sd) in [
                ("random", stored.random, fresh.random, stored.random_sd.max(fresh.random_sd)),
                ("oracle", stored.oracle, fresh.oracle, stored.oracle_sd.max(fresh.oracle_sd)),
            ] {
                let far = (stored_mean - fresh_mean).abs() / (sd / f64::from(EPISODES).sqrt()).max(1e-3);
                assert!(
                    far < 6.0,
                    "{} {preset:?} {name}: {fresh_mean} is {far:.1} errors off",
                    entry.spec.id
                );
            }
        }
    }
}
