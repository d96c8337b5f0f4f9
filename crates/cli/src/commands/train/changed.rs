//! Which keys of a recipe differ from those a run was begun with, and which of them may.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use toml::Value;

/// Keys that may be changed in the middle of a run, by their last segment: they say how far and how fast it
/// goes on, not what it learns from.
const SAFE: [&str; 23] = [
    "about",
    "lr",
    "schedule",
    "min_lr_ratio",
    "weight_decay",
    "max_grad_norm",
    "micro_batch_tokens",
    "kv_budget_mib",
    "steps",
    "every",
    "keep_every",
    "episodes",
    "batch",
    "temperature",
    "clip_low",
    "clip_high",
    "coef",
    "max_z",
    "max_skips",
    "max_rollbacks",
    "max_invalid",
    "min_scores",
    "env_seconds",
];

/// The keys that differ between two resolved recipes.
pub(super) fn differing(old: &str, new: &str) -> anyhow::Result<Vec<String>> {
    let flat = |text: &str| -> anyhow::Result<BTreeMap<String, String>> {
        let mut keys = BTreeMap::new();
        let value: Value = toml::from_str(text).context("a resolved recipe is TOML")?;
        flatten("", &value, &mut keys);
        Ok(keys)
    };
    let (old, new) = (flat(old)?, flat(new)?);
    let keys = old.keys().chain(new.keys().filter(|k| !old.contains_key(*k)));
    Ok(keys.filter(|k| old.get(*k) != new.get(*k)).cloned().collect())
}

fn flatten(path: &str, value: &Value, keys: &mut BTreeMap<String, String>) {
    let inside = |name: &str| if path.is_empty() { name.to_string() } else { format!("{path}.{name}") };
    match value {
        Value::Table(table) => table.iter().for_each(|(name, v)| flatten(&inside(name), v, keys)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, v)| flatten(&inside(&i.to_string()), v, keys));
        }
        plain => {
            keys.insert(path.to_string(), plain.to_string());
        }
    }
}

/// Refuses changes that were not allowed, or cannot be.
pub(super) fn check(differing: &[String], allowed: &[String]) -> anyhow::Result<()> {
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_string();
    let unsafe_keys: Vec<&String> = differing.iter().filter(|k| !SAFE.contains(&last(k).as_str())).collect();
    if !unsafe_keys.is_empty() {
        bail!(
            "the run was begun with another recipe; {} cannot change in its middle\nhint: start a new run with \
             `--run`, or go on with the run's own recipe: `eyas train --resume RUN`",
            list(&unsafe_keys)
        );
    }
    let named = |key: &String| allowed.iter().any(|a| a == key || *a == last(key));
    let refused: Vec<&String> = differing.iter().filter(|k| !named(k)).collect();
    if !refused.is_empty() {
        let names: Vec<String> = refused.iter().map(|k| last(k)).collect();
        bail!(
            "the run was begun with another recipe; {} differ\nhint: allow it with `--allow {}`, or go on with the \
             run's own recipe: `eyas train --resume RUN`",
            list(&refused),
            names.join(",")
        );
    }
    Ok(())
}

fn list(keys: &[&String]) -> String {
    keys.iter().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str =
        "seed = 1\n[[stage]]\nname = \"rl\"\n[stage.optim]\nlr = 1e-4\n[[stage.env]]\nid = \"2048\"\n";

    #[test]
    fn differences_are_named_by_their_path() {
        let new = OLD.replace("1e-4", "2e-4").replace("2048", "swap");
        assert_eq!(differing(OLD, &new).unwrap(), ["stage.0.env.0.id", "stage.0.optim.lr"]);
        let more = format!("{OLD}weight = 2.0\n");
        assert_eq!(differing(OLD, &more).unwrap(), ["stage.0.env.0.weight"]);
        assert!(differing(OLD, OLD).unwrap().is_empty());
    }

    #[test]
    fn changes_are_allowed_by_name_and_only_where_they_are_safe() {
        let lr = ["stage.0.optim.lr".to_string()];
        assert!(check(&lr, &["lr".to_string()]).is_ok());
        assert!(check(&lr, &lr).is_ok());
        let refused = check(&lr, &[]).unwrap_err().to_string();
        assert!(refused.contains("`stage.0.optim.lr` differ") && refused.contains("--allow lr"), "{refused}");
        let env = ["stage.0.env.0.id".to_string()];
        let refused = check(&env, &["id".to_string()]).unwrap_err().to_string();
        assert!(refused.contains("cannot change in its middle"), "{refused}");
    }
}
