//! Updates that go wrong are skipped, a run that goes wrong goes back, and one that cannot go on says why.
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use common::{done, episodes, eyas, folder, hash, metrics, shipped_model, start, train_args};
use serde_json::Value;

const SFT: &str = r#"
seed = 3
[model]
preset = "tiny"
vocab_size = 500
[[stage]]
kind = "sft"
steps = 12
batch_size = 2
[[stage.env]]
id = "2048"
[[stage.env]]
id = "frozen-lake"
[stage.optim]
lr = 1e-6
[eval]
episodes = 2
[checkpoint]
every = 2
"#;

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap().lines().map(str::to_string).collect()
}

fn sum(run: &Path, key: &str) -> f64 {
    metrics(run).iter().map(|line| line[key].as_f64().unwrap()).sum()
}

#[test]
fn a_run_that_goes_back_can_be_killed_and_resumed_to_the_same_bytes() {
    let dir = folder("guard-back");
    fs::write(dir.join("plain.toml"), SFT).unwrap();
    // So narrow that ordinary updates are taken for spikes.
    let narrow = "[guard]\nmax_z = 0.4\nwindow = 8\nmin_count = 2\nmax_skips = 2\nmax_rollbacks = 1000\n";
    fs::write(dir.join("r.toml"), format!("{SFT}{narrow}")).unwrap();
    done(&dir, &["train", "plain.toml", "--run", "plain"]);
    let said = done(&dir, &["train", "r.toml", "--run", "whole", "--threads", "2"]).err;
    let (plain, whole) = (dir.join("plain"), dir.join("whole"));
    let backs = said.matches("2 updates in a row were skipped; going back from step").count();
    assert!(backs >= 1, "{said}");
    assert!(
        said.contains("update skipped: ") && said.contains("standard deviations above the mean"),
        "{said}"
    );
    let last = metrics(&whole).last().unwrap()["guard/rollbacks"].as_f64();
    assert_eq!(last, Some(backs as f64));
    assert_eq!(sum(&plain, "guard/skipped") + sum(&plain, "guard/rollbacks"), 0.0, "off by default");
    assert_ne!(hash(&whole), hash(&plain));

    // What was dropped is kept aside, and was made again from other data.
    let dropped = lines(&whole.join("rollback-1.jsonl"));
    let logged = lines(&whole.join("metrics.jsonl"));
    assert_eq!(logged.len(), 12, "every step is there once");
    assert!(dropped.len() >= 2);
    for line in &dropped {
        let old: Value = serde_json::from_str(line).unwrap();
        let new: Value = serde_json::from_str(&logged[old["step"].as_u64().unwrap() as usize]).unwrap();
        assert_eq!(old["step"], new["step"]);
        assert_ne!(old["loss"], new["loss"], "step {}", old["step"]);
    }

    let run = dir.join("pieces");
    let mut kills = 0;
    for n in 0..6 {
        let args = train_args(&dir, "r.toml", "pieces");
        let mut child = start(&dir, &[&args[..], &["--threads", "1"]].concat());
        let steps = 2 * n + 1;
        while child.try_wait().unwrap().is_none() {
            if common::logged(&run) >= steps || run.join(format!("rollback-{}.jsonl", n + 1)).is_file() {
                child.kill().unwrap();
                kills += 1;
                break;
            }
            sleep(Duration::from_millis(2));
        }
        child.wait().unwrap();
    }
    assert!(kills >= 3, "{kills} kills");
    if !run.join("summary.json").is_file() {
        done(&dir, &["train", "--resume", "pieces"]);
    }
    assert_eq!(hash(&whole), hash(&run));
    assert_eq!(metrics(&whole), metrics(&run));
}

#[test]
fn a_curriculum_keeps_its_start_states_when_a_run_goes_back() {
    let dir = folder("guard-curriculum");
    let recipe = format!(
        r#"
seed = 3
[model]
path = {:?}
[[stage]]
kind = "rl"
steps = 8
env = [{{ id = "frozen-lake" }}]
reward = [{{ name = "game" }}]
optim = {{ lr = 1e-6 }}
curriculum = {{ rule = {{ kind = "uniform" }}, starts = 2 }}
[stage.rollout]
groups = 2
group_size = 4
max_tokens = 48
max_context = 900
[eval]
episodes = 1
[checkpoint]
every = 1
[guard]
max_z = 0.2
window = 8
min_count = 2
max_skips = 1
max_rollbacks = 1000
"#,
        shipped_model()
    );
    common::run(&dir, "run", &recipe);
    let run = dir.join("run");
    let backs = metrics(&run).last().unwrap()["guard/rollbacks"].as_f64().unwrap();
    assert!(backs >= 1.0, "{backs}");
    // Both states are played in every step.
    let starts = |step: usize| -> BTreeSet<u64> {
        episodes(&run, step).iter().map(|e| e["seed"].as_u64().unwrap()).collect()
    };
    let first = starts(0);
    assert_eq!(first.len(), 2);
    (1..8).for_each(|step| assert_eq!(starts(step), first, "step {step}"));
}

#[test]
fn a_run_that_diverges_stops_and_says_so() {
    let dir = folder("guard-diverged");
    let recipe = SFT.replace("lr = 1e-6", "lr = 1e30");
    fs::write(dir.join("r.toml"), format!("{recipe}[guard]\nmax_skips = 2\nmax_rollbacks = 1\n")).unwrap();
    let ran = eyas(&dir, &["train", "r.toml", "--run", "run"]);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{ran:?}");
    assert!(ran.err.contains("update skipped, not finite: "), "{}", ran.err);
    assert!(
        ran.err.contains("2 updates in a row were skipped; going back from step 3 to step 0"),
        "{}",
        ran.err
    );
    let end = "2 updates in a row were skipped, and the run had gone back 1 times; the last: step 2:";
    assert!(
        ran.err.contains(end) && ran.err.contains("\nhint: go on with a smaller learning rate"),
        "{}",
        ran.err
    );
    let line = &metrics(&dir.join("run"))[2];
    assert_eq!((line["guard/nonfinite"].as_f64(), line["update_skipped"].as_bool()), (Some(1.0), Some(true)));

    // The hint works.
    let smaller = ["--set", "stage.sft.optim.lr=1e-3", "--allow", "lr"];
    done(&dir, &[&["train", "--resume", "run"], &smaller[..]].concat());
    assert_eq!(sum(&dir.join("run"), "guard/nonfinite"), 0.0);
}

#[test]
fn a_reward_that_fails_stops_the_run_with_its_name() {
    let dir = folder("guard-reward");
    let recipe = r#"
[model]
preset = "tiny"
vocab_size = 500
[[stage]]
kind = "rl"
steps = 3
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
name = "iou"
gold = "/nowhere"
[stage.optim]
lr = 1e-3
[eval]
episodes = 2
[guard]
max_invalid = 0.4
min_scores = 12
"#;
    fs::write(dir.join("r.toml"), recipe).unwrap();
    let ran = eyas(&dir, &["train", "r.toml", "--run", "run"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let why = "error: stage \"rl\": 6 of 12 scores of this step could not be computed: iou 6 of 6 (unparseable ground \
               truth: ";
    assert!(
        ran.err.contains(why) && ran.err.contains("\nhint: a reward or its judge is failing"),
        "{}",
        ran.err
    );
    assert!(dir.join("run/checkpoints/step-00000000/manifest.json").is_file(), "kept as it was: {}", ran.err);
    // Half may fail: the run goes through, and learns nothing from what has no score.
    fs::write(dir.join("more.toml"), recipe.replace("0.4", "0.5")).unwrap();
    let resumed = ["train", "more.toml", "--resume", "run", "--allow", "max_invalid"];
    done(&dir, &resumed);
    assert_eq!(sum(&dir.join("run"), "training/invalid_scores"), 18.0);
    assert_eq!(sum(&dir.join("run"), "updates"), 0.0);
}
