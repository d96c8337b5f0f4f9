//! A reward model is trained, and another stage is paid by it; by the built program.
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod common;

use std::fs;
use std::path::Path;

use common::{done, episodes, eyas, folder, hash, metrics, model, numbers, refused, shipped_model, signal};
use common::{start, summary, wait_for_steps};
use serde_json::Value;

/// The three stages of learning from a model of what is better: to play at all, what is better, to play better.
fn three() -> String {
    format!(
        r#"
seed = 3
[model]
path = {:?}
[checkpoint]
every = 1
[eval]
episodes = 1
max_tokens = 16
max_context = 420
[[stage]]
kind = "sft"
steps = 1
batch_size = 2
env = [{{ id = "frozen-lake" }}]
optim = {{ lr = 1e-4 }}
[[stage]]
kind = "reward_model"
name = "taste"
steps = 3
held_out = 3
facts = true
env = [{{ id = "frozen-lake", knobs = {{ size = 3 }} }}]
reward_model = {{ kind = "bradley_terry", center = 0.01 }}
pairs = {{ count = 2 }}
rollout = {{ max_context = 420 }}
optim = {{ lr = 1e-3 }}
[[stage]]
kind = "rl"
steps = 2
env = [{{ id = "frozen-lake" }}]
rollout = {{ groups = 2, group_size = 2, max_tokens = 16, max_context = 400 }}
optim = {{ lr = 1e-4 }}
[[stage.reward]]
name = "reward_model"
params = {{ model = "stage:taste", squash = "sigmoid" }}
[[stage.reward]]
name = "format"
weight = 0.5
"#,
        shipped_model()
    )
}

/// Every score of the reward model in an RL step.
fn said(run: &Path, step: usize) -> Vec<f64> {
    let rows = episodes(run, step).into_iter().flat_map(|e| e["scores"].as_array().unwrap().clone());
    rows.filter(|r| r["name"] == "reward_model").map(|r| r["score"]["ok"].as_f64().unwrap()).collect()
}

#[test]
fn three_stages_are_the_same_on_any_threads_and_after_any_break() {
    let dir = folder("three");
    fs::write(dir.join("r.toml"), three()).unwrap();
    done(&dir, &["train", "r.toml", "--run", "whole", "--threads", "1"]);
    let lines = metrics(&dir.join("whole"));
    let names: Vec<&Value> = lines.iter().map(|line| &line["stage"]).collect();
    assert_eq!(names, ["sft", "taste", "taste", "taste", "rl", "rl"]);
    let taste = &lines[1..4];
    assert!(taste.iter().all(|l| l["loss"].as_f64().unwrap() > 0.0 && l["accuracy"].is_number()));
    assert!((numbers(taste, "loss")[0] - 2f64.ln()).abs() < 1e-6, "a fresh head says 0 of everything");
    assert!(taste[1].get("held_out/accuracy").is_none() && taste[2]["held_out/accuracy"].is_number());
    let scores = said(&dir.join("whole"), 4);
    assert!(scores.len() == 4 && scores.iter().all(|s| (0.0..=1.0).contains(s)), "{scores:?}");
    assert!(scores.iter().any(|s| *s != scores[0]), "{scores:?}");
    for file in ["manifest.json", "head.safetensors", "model/config.json"] {
        assert!(dir.join("whole/reward-models/taste").join(file).is_file(), "{file}");
    }

    done(&dir, &["train", "r.toml", "--run", "two", "--threads", "2"]);
    assert_eq!(metrics(&dir.join("two")), lines);
    assert_eq!(hash(&dir.join("two")), hash(&dir.join("whole")));

    // Killed in every stage: the reward model in training, its policy and what it left are taken up again.
    let run = dir.join("pieces");
    let mut kills = 0;
    for steps in [2, 3, 4, 5] {
        let args = common::train_args(&dir, "r.toml", "pieces");
        let mut child = start(&dir, &args);
        if wait_for_steps(&mut child, &run, steps) && child.try_wait().unwrap().is_none() {
            signal(&child, "KILL");
            kills += 1;
        }
        child.wait().unwrap();
    }
    assert!(kills >= 3, "{kills} kills");
    done(&dir, &["train", "--resume", "pieces"]);
    assert_eq!(metrics(&run), lines);
    assert_eq!(summary(&run), summary(&dir.join("whole")));

    // Each kind of step can be made again: one of the reward model's, its last, and one that it pays.
    for step in ["2", "3", "4"] {
        let ran = eyas(&dir, &["replay", "whole", "--step", step]);
        assert_eq!(ran.code, 0, "step {step}: {ran:?}");
    }
    assert!(done(&dir, &["inspect", "whole", "--step", "2"]).out.contains("no advantages"));
}

#[test]
fn what_is_better_is_learnt() {
    let dir = folder("learns");
    // The oracle's episodes against random ones.
    let recipe = three().split("[[stage]]\nkind = \"rl\"").next().unwrap().to_string();
    let recipe = recipe
        .replace("steps = 3", "steps = 9")
        .replace("held_out = 3", "held_out = 18")
        .replace("count = 2", "count = 5")
        .replace("facts = true\n", "")
        .replace("every = 1", "every = 0");
    let lines = common::run(&dir, "run", &recipe);
    let last = lines.last().unwrap();
    let accuracy = last["held_out/accuracy"].as_f64().unwrap();
    assert!(last["held_out/pairs"].as_f64().unwrap() >= 12.0, "{last:?}");
    assert!(accuracy > 0.75, "of pairs that were held out {accuracy}");
    // The policy is the one that the stage found.
    let alone = recipe.split("[[stage]]\nkind = \"reward_model\"").next().unwrap().to_string();
    common::run(&dir, "alone", &alone);
    assert_eq!(hash(&dir.join("run")), hash(&dir.join("alone")));

    // The folder serves another run too, and pays the same.
    let rl = format!(
        "[model]\npath = {:?}\n[eval]\nepisodes = 1\n[[stage]]\nkind = \"rl\"\nsteps = 1\n\
         env = [{{ id = \"frozen-lake\" }}]\noptim = {{ lr = 1e-5 }}\n\
         rollout = {{ groups = 1, group_size = 2, max_tokens = 16, max_context = 900 }}\n\
         reward = [{{ name = \"reward_model\", params = {{ model = \"run/reward-models/taste\" }} }}]\n",
        shipped_model()
    );
    let paid = common::run(&dir, "paid", &rl);
    assert_eq!(numbers(&paid, "training/invalid_scores"), [0.0]);
    assert_eq!(said(&dir.join("paid"), 0).len(), 2);
}

#[test]
fn pairs_of_the_policys_own_have_margins_and_ties() {
    let dir = folder("own");
    let stage = |loss: &str, reward: &str| {
        format!(
            "seed = 5\n[model]\npath = {:?}\n[eval]\nepisodes = 1\n[[stage]]\nkind = \"reward_model\"\nsteps = 1\n\
             held_out = 2\nenv = [{{ id = \"frozen-lake\", knobs = {{ size = 3, max_turns = 2 }} }}]\npairs = {{ source = \"policy\" }}\n\
             rollout = {{ groups = 4, group_size = 3, max_tokens = 96, max_context = 900 }}\n\
             reward_model = {loss}\nreward = [{{ name = \"{reward}\" }}]\noptim = {{ lr = 1e-4 }}\n",
            shipped_model()
        )
    };
    let plain = common::run(&dir, "plain", &stage("{ kind = \"bradley_terry\" }", "game"));
    let margin = common::run(&dir, "margin", &stage("{ kind = \"bradley_terry\", margin = 2.0 }", "game"));
    let exact = common::run(&dir, "exact", &stage("{ kind = \"regression\" }", "game"));
    for lines in [&plain, &margin, &exact] {
        let counted: Vec<f64> =
            numbers(lines, "pairs").iter().zip(numbers(lines, "pairs/ties")).map(|(p, t)| p + t).collect();
        assert_eq!(counted, [4.0]);
        assert!(numbers(lines, "pairs")[0] > 0.0, "{lines:?}");
    }
    assert!(numbers(&margin, "loss")[0] > numbers(&plain, "loss")[0], "a margin is harder to keep");
    assert!(exact[0]["error"].as_f64().unwrap() > 0.0);
    // Nobody is better than anybody by a reward that is the same for all.
    fs::write(
        dir.join("ties.toml"),
        stage("{ kind = \"bradley_terry\" }", "game").replace("\"policy\"", "\"policy\", margin = 1e6"),
    )
    .unwrap();
    let ran = done(&dir, &["train", "ties.toml", "--run", "ties"]);
    assert!(ran.err.contains("none of 4 starts gave a pair"), "{}", ran.err);
    for line in metrics(&dir.join("ties")) {
        assert_eq!((&line["pairs"], &line["pairs/ties"]), (&0.0.into(), &4.0.into()));
        assert_eq!(line["update_skipped"], true);
        assert!(line.get("loss").is_none());
    }
}

#[test]
fn reward_models_that_are_not_there_are_refused() {
    let dir = folder("refused");
    let mut said = Vec::new();
    for (what, recipe) in [
        ("no stage of that name", three().replace("stage:taste", "stage:test")),
        (
            "none before it",
            three()
                .replace("kind = \"reward_model\"\nname", "kind = \"preference\"\nname")
                .replace("held_out = 3\nfacts = true\n", "")
                .replace("reward_model = { kind = \"bradley_terry\", center = 0.01 }\n", ""),
        ),
        ("an empty name", three().replace("stage:taste", "")),
        ("margins without rewards", three().replace("center = 0.01", "margin = 0.5")),
        ("a negative weight", three().replace("center = 0.01", "center = -1.0")),
        ("an unknown key", three().replace("center", "centre")),
        ("another loss", three().replace("bradley_terry", "elo")),
        ("a key of another stage", three().replace("held_out = 3", "preference = { terms = [] }")),
        ("of another stage's", three().replace("steps = 1\nbatch_size = 2", "steps = 1\nheld_out = 2")),
        (
            "a way out",
            format!("{}[[route]]\nfrom = \"taste\"\nto = \"rl\"\nwhen = {{ after_steps = 2 }}\n", three()),
        ),
        (
            "asked of itself",
            three().replace(
                "pairs = { count = 2 }",
                "pairs = { source = \"policy\" }\n\
                 reward = [{ name = \"reward_model\", params = { model = \"stage:taste\" } }]",
            ),
        ),
    ] {
        fs::write(dir.join("r.toml"), recipe).unwrap();
        let ran = eyas(&dir, &["train", "r.toml", "--run", "run"]);
        assert_eq!(ran.code, 1, "{what}: {ran:?}");
        said.push(format!("{what}:\n{}", ran.err));
    }
    insta::assert_snapshot!(said.join("\n").replace(&dir.display().to_string(), "DIR"));
    assert!(!dir.join("run").exists());
}

#[test]
fn folders_that_are_no_reward_models_are_refused() {
    let dir = folder("folders");
    let paid = |model: &str| {
        format!(
            "[model]\npath = {:?}\n[eval]\nepisodes = 1\n[[stage]]\nkind = \"rl\"\nsteps = 1\n\
             env = [{{ id = \"frozen-lake\" }}]\nrollout = {{ max_context = 900, max_tokens = 8 }}\n\
             optim = {{ lr = 1e-5 }}\nreward = [{{ name = \"reward_model\", params = {{ model = \"{model}\" }} }}]\n",
            shipped_model()
        )
    };
    let hint = "hint: params.model of the reward takes the folder that a stage of kind \"reward_model\" left, \
                RUN/reward-models/NAME, or stage:NAME for such a stage of the same recipe";
    for name in ["nowhere", model()] {
        fs::write(dir.join("r.toml"), paid(name)).unwrap();
        let message = format!(
            "error: {name}: no reward model: head.safetensors is missing, which holds the head that gives the score\n{hint}"
        );
        refused(&dir, &["train", "r.toml", "--run", "run"], &message);
    }

    // One of another tokenizer: that of a fresh model.
    let fresh =
        three().replace(&format!("path = {:?}", shipped_model()), "preset = \"tiny\"\nvocab_size = 400");
    let fresh = fresh.split("[[stage]]\nkind = \"rl\"").next().unwrap().replace("steps = 3", "steps = 1");
    common::run(&dir, "fresh", &fresh);
    fs::write(dir.join("r.toml"), paid("fresh/reward-models/taste")).unwrap();
    let message = "error: fresh/reward-models/taste: the reward model has another tokenizer than the policy, so it \
                   cannot read its episodes\nhint: train it from the same model folder as the policy";
    refused(&dir, &["train", "r.toml", "--run", "run"], message);

    // A byte of the head changes; a head of another width.
    let head = dir.join("fresh/reward-models/taste/head.safetensors");
    let mut bytes = fs::read(&head).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&head, bytes).unwrap();
    let ran = eyas(&dir, &["train", "r.toml", "--run", "run"]);
    assert!(
        ran.code == 1 && ran.err.contains("head.safetensors") && ran.err.contains("hint: train"),
        "{ran:?}"
    );
}
