//! Settings that the suites run every environment under.
#![allow(clippy::unwrap_used, dead_code)]

use std::collections::BTreeMap;

use eyas_core::Seed;
use eyas_gym::{EnvEntry, Game, KnobError, KnobKind, KnobValue, Knobs, registry};

/// The seed of a test.
pub(crate) fn seed(index: u64) -> Seed {
    Seed::new(20_26).split("test", index)
}

/// The environments under test: all of them, or the one that `EYAS_ENV` names.
pub(crate) fn envs() -> Vec<EnvEntry> {
    let only = std::env::var("EYAS_ENV").ok();
    let wanted = |entry: &EnvEntry| only.as_ref().is_none_or(|id| id == entry.spec.id);
    let envs: Vec<EnvEntry> = registry().into_iter().filter(wanted).collect();
    assert!(!envs.is_empty(), "no environment is called {only:?}");
    envs
}

/// The default knobs, and every setting in which one knob alone is at an end of its range (or at one
/// of its other words). Settings that the environment calls contradictory are left out.
pub(crate) fn settings(entry: &EnvEntry) -> Vec<Knobs> {
    let mut given = vec![BTreeMap::new()];
    for spec in entry.spec.knobs {
        given.extend(
            ends(spec.kind).into_iter().map(|value| BTreeMap::from([(spec.name.to_string(), value)])),
        );
    }
    let mut settings: Vec<Knobs> = Vec::new();
    for values in given {
        let knobs = entry.knobs(&values).unwrap();
        match entry.reset(seed(0), &knobs) {
            Ok(_) if settings.contains(&knobs) => {}
            Ok(_) => settings.push(knobs),
            Err(KnobError::Conflict { .. }) if !values.is_empty() => {}
            Err(error) => panic!("{} with {values:?}: {error}", entry.spec.id),
        }
    }
    assert!(settings.len() >= 2, "{} has one setting only", entry.spec.id);
    settings
}

fn ends(kind: KnobKind) -> Vec<KnobValue> {
    match kind {
        KnobKind::Int { min, max, .. } => vec![KnobValue::Int(min), KnobValue::Int(max)],
        KnobKind::Float { min, max, .. } => vec![KnobValue::Float(min), KnobValue::Float(max)],
        KnobKind::Bool { default } => vec![KnobValue::Bool(!default)],
        KnobKind::Choice { options, .. } => {
            options.iter().map(|word| KnobValue::Choice(word.to_string())).collect()
        }
    }
}

/// An episode; a seed for which no board exists is a failure here.
pub(crate) fn start(entry: &EnvEntry, knobs: &Knobs, index: u64) -> Box<dyn Game> {
    entry.reset(seed(index), knobs).unwrap_or_else(|error| panic!("{}: {error}", entry.spec.id))
}
