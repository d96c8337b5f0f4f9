//! One GRPO step on a GPU (a software one will do) against the same step on the host.
#![cfg(feature = "wgpu")]
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod common;

use std::fs;
use std::path::Path;

use common::{done, folder, shipped_model};
use serde_json::Value;

const RECIPE: &str = r#"
seed = 3
[model]
save_dtype = "f32"
[[stage]]
kind = "rl"
steps = 1
[[stage.env]]
id = "2048"
[[stage.env]]
id = "frozen-lake"
[stage.rollout]
groups = 2
group_size = 4
max_tokens = 64
max_context = 400
[[stage.reward]]
name = "format"
[[stage.reward]]
name = "perception"
[[stage.reward]]
name = "game"
[eval]
episodes = 1
"#;

/// Trains one step; gives the step's metrics and the final weights.
fn run(dir: &Path, name: &str, device: &str, lr: &str) -> (Value, Vec<f32>) {
    fs::write(dir.join("r.toml"), RECIPE).unwrap();
    // Groups of an untrained model score alike: nothing would be learnt from them.
    let path = format!("model.path={}", shipped_model());
    let (device, lr) = (format!("model.device={device}"), format!("stage.0.optim.lr={lr}"));
    done(dir, &["train", "r.toml", "--set", &path, "--set", &device, "--set", &lr, "--run", name]);
    let metrics = fs::read_to_string(dir.join(name).join("metrics.jsonl")).unwrap();
    let step = metrics.lines().map(|l| serde_json::from_str::<Value>(l).unwrap());
    let step = step.into_iter().find(|l| l.get("grad_norm").is_some()).unwrap();
    let bytes = fs::read(dir.join(name).join("checkpoints/final/model.safetensors")).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let values = bytes[8 + header..].chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()));
    (step, values.collect())
}

/// Entries further apart than `most`.
fn apart(a: &[f32], b: &[f32], most: f32) -> usize {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).filter(|(a, b)| (**a - **b).abs() > most).count()
}

#[test]
fn a_grpo_step_is_the_same_on_a_gpu() {
    let dir = folder("gpu");
    let (host, host_weights) = run(&dir, "host", "cpu", "1e-3");
    let (gpu, gpu_weights) = run(&dir, "gpu", "gpu", "1e-3");
    let value = |metrics: &Value, key: &str| metrics[key].as_f64().unwrap_or_else(|| panic!("no {key}"));
    assert!(value(&host, "updates") >= 1.0 && value(&host, "grad_norm") > 0.1, "nothing was learnt: {host}");
    for key in ["reward", "sampled_tokens", "num_tokens", "updates"] {
        assert_eq!(value(&host, key), value(&gpu, key), "{key}");
    }
    for key in ["grad_norm", "entropy"] {
        let (a, b) = (value(&host, key), value(&gpu, key));
        assert!((a - b).abs() <= 1e-3 * a.abs(), "{key}: {a}, {b}");
    }
    // An entry with a gradient near zero may move by the learning rate either way; nearly all agree.
    let far = apart(&host_weights, &gpu_weights, 2e-5);
    assert!(far * 200 < host_weights.len(), "{far} of {} weights differ", host_weights.len());
    // And they have moved: the first update of AdamW is the learning rate for most.
    let (_, start) = run(&dir, "start", "cpu", "1e-12");
    let moved = apart(&host_weights, &start, 5e-4);
    assert!(moved * 2 > start.len(), "{moved} of {} weights moved", start.len());
}
