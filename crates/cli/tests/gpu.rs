//! One GRPO step on a GPU (a software one will do) against the same step on the host.
#![cfg(feature = "wgpu")]
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod common;

use std::fs;
use std::path::Path;

use common::{done, folder, model};
use serde_json::Value;

const RECIPE: &str = r#"
seed = 3
[model]
path = "../model"
[[stage]]
kind = "rl"
steps = 1
[[stage.env]]
id = "2048"
[[stage.env]]
id = "frozen-lake"
[stage.rollout]
groups = 2
group_size = 3
max_tokens = 12
max_context = 400
[[stage.reward]]
name = "format"
[[stage.reward]]
name = "perception"
[[stage.reward]]
name = "game"
[stage.optim]
lr = 1e-3
[eval]
episodes = 1
"#;

/// Trains one step; gives the step's metrics and the final weights.
fn run(dir: &Path, device: &str) -> (Value, Vec<f32>) {
    fs::write(dir.join("r.toml"), RECIPE).unwrap();
    let set = format!("model.device={device}");
    done(dir, &["train", "r.toml", "--set", &set, "--run", device]);
    let metrics = fs::read_to_string(dir.join(device).join("metrics.jsonl")).unwrap();
    let step = metrics.lines().map(|l| serde_json::from_str::<Value>(l).unwrap());
    let step = step.into_iter().find(|l| l.get("grad_norm").is_some()).unwrap();
    let path = dir.join(device).join("checkpoints/final/model.safetensors");
    let bytes = fs::read(path).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let values = bytes[8 + header..].chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()));
    (step, values.collect())
}

#[test]
fn a_grpo_step_is_the_same_on_a_gpu() {
    let dir = folder("gpu");
    model();
    let (host, host_weights) = run(&dir, "cpu");
    let (gpu, gpu_weights) = run(&dir, "gpu");
    for key in ["reward", "sampled_tokens", "num_tokens", "updates"] {
        assert_eq!(host[key], gpu[key], "{key}");
    }
    for key in ["grad_norm", "entropy", "actor/entropy"] {
        let (Some(a), Some(b)) = (host[key].as_f64(), gpu[key].as_f64()) else { continue };
        assert!((a - b).abs() <= 1e-3 * a.abs().max(1e-3), "{key}: {a}, {b}");
    }
    assert_eq!(host_weights.len(), gpu_weights.len());
    // An entry with a gradient near zero may move by the learning rate either way; nearly all agree.
    let far = host_weights.iter().zip(&gpu_weights).filter(|(a, b)| (**a - **b).abs() > 2e-5).count();
    assert!(far * 200 < host_weights.len(), "{far} of {} weights differ", host_weights.len());
}
