//! `--set knob=value` on the command line.

use std::collections::BTreeMap;

use anyhow::{anyhow, bail};
use eyas_gym::{Difficulty, EnvEntry, KnobKind, KnobSpec, KnobValue, Knobs, Preset, common_knobs};

/// Reads the `knob=value` words and checks them against the environment's knobs. A knob that is given
/// twice takes its last value.
///
/// # Errors
/// When a word has no `=`, or the environment refuses the knob or its value.
pub(crate) fn knobs(entry: &EnvEntry, words: &[String], preset: Option<Preset>) -> anyhow::Result<Knobs> {
    let given = given(entry, words)?;
    let knobs = match preset {
        Some(preset) => entry.knobs_at(&Difficulty::Preset(preset), &given),
        None => entry.knobs(&given),
    };
    knobs.map_err(|error| anyhow!("{error}\nhint: `eyas gym show {}` lists the knobs", entry.spec.id))
}

/// Reads the words; the environment has not checked them yet.
///
/// # Errors
/// When a word has no `=`.
pub(crate) fn given(entry: &EnvEntry, words: &[String]) -> anyhow::Result<BTreeMap<String, KnobValue>> {
    let common = common_knobs();
    let mut given = BTreeMap::new();
    for word in words {
        let Some((name, text)) = word.split_once('=') else {
            bail!("--set {word:?} is not knob=value\nhint: for example --set size=5");
        };
        let (name, text) = (name.trim(), text.trim());
        let spec = entry.spec.knobs.iter().chain(&common).find(|k| k.name == name);
        given.insert(name.to_string(), value(spec, text));
    }
    Ok(given)
}

/// The preset called `name`.
pub(crate) fn preset(name: Option<&str>) -> Option<Preset> {
    Preset::ALL.into_iter().find(|p| name == Some(p.name()))
}

/// The text as what the knob wants where it can be read so; otherwise as a word, which the
/// environment's own check then refuses with the type it wants.
fn value(spec: Option<&KnobSpec>, text: &str) -> KnobValue {
    let read = match spec.map(|s| s.kind) {
        Some(KnobKind::Int { .. }) => text.parse().map(KnobValue::Int).ok(),
        Some(KnobKind::Float { .. }) => text.parse().map(KnobValue::Float).ok(),
        Some(KnobKind::Bool { .. }) => text.parse().map(KnobValue::Bool).ok(),
        Some(KnobKind::Choice { .. }) | None => None,
    };
    read.unwrap_or_else(|| KnobValue::Choice(text.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use eyas_gym::find;

    fn set(env: &str, words: &[&str]) -> anyhow::Result<Knobs> {
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        knobs(&find(env).unwrap(), &words, None)
    }

    #[test]
    fn values_take_the_type_of_their_knob() {
        let knobs = set("frozen-lake", &["size=5", " slippery = 1 ", "size=6"]).unwrap();
        assert_eq!((knobs.size("size"), knobs.float("slippery")), (6, 1.0));
        assert_eq!(set("frozen-lake", &[]).unwrap().size("size"), 4);
        // Those that every environment has, too; and over a preset.
        assert_eq!(set("frozen-lake", &["history=2", "noise=0.1"]).unwrap().size("history"), 2);
        let hard =
            super::knobs(&find("2048").unwrap(), &["tile_px=30".into()], preset(Some("hard"))).unwrap();
        assert_eq!((hard.size("size"), hard.size("tile_px")), (5, 30));
    }

    #[test]
    fn refusals_name_the_knob_and_the_way_out() {
        let text = |words: &[&str]| format!("{:#}", set("frozen-lake", words).unwrap_err());
        assert!(text(&["size"]).contains("is not knob=value\nhint:"));
        assert!(text(&["size=9999"]).contains("hint: `eyas gym show frozen-lake`"));
        assert!(text(&["size=9999"]).contains("outside"), "{}", text(&["size=9999"]));
        assert!(text(&["size=big"]).contains("wants an integer"));
        assert!(text(&["sise=4"]).contains("did you mean \"size\""));
        assert!(text(&["slippery=NaN"]).contains("outside"));
    }
}
