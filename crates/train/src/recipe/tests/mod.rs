//! What a recipe may say, and what is said where it is wrong.

mod layers;
mod messages;
mod pairs;
mod shipped;
mod values;

use std::fs;

use super::*;

/// A recipe with every section that must be there, and little else.
const LEAST: &str = r#"
[model]
preset = "tiny"

[[stage]]
kind = "sft"
steps = 10
[[stage.env]]
id = "2048"
[stage.optim]
lr = 1e-3

[[stage]]
kind = "rl"
steps = 5
[[stage.env]]
id = "2048"
[[stage.env]]
id = "frozen-lake"
[stage.rollout]
groups = 4
[[stage.reward]]
name = "game"
[stage.optim]
lr = 1e-4
"#;

/// `LEAST` with one text replaced; the text must be there.
fn least_with(from: &str, to: &str) -> String {
    assert!(LEAST.contains(from), "{from:?} is not in the recipe");
    LEAST.replacen(from, to, 1)
}

fn error_of(text: &str) -> String {
    Recipe::from_toml(text, "r.toml").unwrap_err().to_string()
}

/// Writes files into a folder and gives the folder.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

fn load(dir: &tempfile::TempDir, name: &str, scale: Option<&str>, sets: &[&str]) -> Result<Recipe, String> {
    let sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
    let root = format!("{}/", dir.path().display());
    Recipe::load(&dir.path().join(name), scale, &sets).map_err(|e| e.to_string().replace(&root, ""))
}

fn rl(recipe: &Recipe) -> &RlStage {
    recipe
        .stages
        .iter()
        .find_map(|s| match s {
            Stage::Rl(stage) => Some(stage),
            Stage::Sft(_) | Stage::Preference(_) | Stage::RewardModel(_) => None,
        })
        .unwrap()
}

/// Every key that has a default, at another value.
const FULL: &str = r#"
about = "with \"quotes\" and ünïcode"
seed = 42
[paper]
title = "A paper"
arxiv = "2505.13426"
faithful = ["one"]
differs = ["two", "three"]
expect = "up"
[model]
path = "some/where"
freeze = ["visual", "model.embed"]
save_dtype = "bf16"
compute_dtype = "bf16"
device = "gpu"
[prompt]
style = "perception"
[[stage]]
kind = "sft"
name = "cold"
steps = 100
batch_size = 7
[stage.teacher]
noise = 0.1
random_start = 3
max_context = 333
[[stage.env]]
id = "2048"
name = "small"
weight = 0.3
knobs = { size = 3, four_prob = 1, theme = "gray" }
[[stage.env]]
id = "2048"
knobs = { numbers = false }
[stage.optim]
lr = 1e-3
schedule = "cosine"
warmup_steps = 10
min_lr_ratio = 0.1
weight_decay = 0.01
beta1 = 0.8
beta2 = 0.95
max_grad_norm = inf
micro_batch_tokens = 1234
[[stage]]
kind = "rl"
name = "warm-2"
steps = 9
[stage.rollout]
groups = 6
group_size = 3
temperature = 0.7
top_p = 0.9
top_k = 20
max_tokens = 50
max_context = 60
stop = ["</answer>", "\n\n"]
kv_budget_mib = 100
[stage.advantage]
estimator = { kind = "group", spread = "none", eps = 0.5 }
[stage.loss]
surrogate = { kind = "ppo", clip_low = 0.1, clip_high = 0.28 }
kl = { coef = 0.001, estimate = "k3" }
aggregation = { constant = 77.5 }
[stage.reference]
kind = "ema"
decay = 0.99
every = 3
[stage.corruption]
kind = "patches"
share = 0.5
[stage.off_policy]
demonstrations = 1
[[stage.env]]
id = "frozen-lake"
[[stage.reward]]
name = "game"
weight = 0.1
span = "action"
params = { form = "mean_turn" }
[[stage.reward]]
name = "perception_exact"
span = "perception"
[stage.optim]
lr = 1.0e-7
schedule = "linear"
minibatches = 3
[checkpoint]
every = 7
keep_every = 21
[guard]
max_z = 6.5
window = 64
min_count = 16
max_skips = 3
max_rollbacks = 1
max_invalid = 0.25
min_scores = 8
env_seconds = 2.5
[eval]
episodes = 3
seed = 9
temperature = 0.0
every = 4
max_tokens = 44
max_context = 55
stop = ["."]
batch = 2
[[eval.env]]
id = "sokoban"
weight = 2.5
"#;
