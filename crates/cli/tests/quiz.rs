//! Questions about states, trained on and measured.
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod common;

use std::collections::BTreeSet;
use std::fs;

use common::{done, episodes, eyas, folder, hash, metrics, numbers, run, summary};
use serde_json::{Value, json};

/// A cold start and reinforcement learning on questions of three kinds, for a model without knowledge.
const RECIPE: &str = r#"
seed = 5

[model]
preset = "tiny"
vocab_size = 500

[[stage]]
kind = "sft"
steps = 2
batch_size = 3
env = [
  { id = "frozen-lake", name = "captions", knobs = { quiz = "caption" } },
  { id = "sokoban", name = "orders", knobs = { quiz = "forward-order", quiz_size = 2 } },
  { id = "counting", name = "pairs", knobs = { quiz = "judge" } },
]
[stage.optim]
lr = 1e-3

[[stage]]
kind = "rl"
steps = 2
env = [
  { id = "frozen-lake", name = "captions", knobs = { quiz = "caption" } },
  { id = "sokoban", name = "orders", knobs = { quiz = "forward-order", quiz_size = 2 } },
  { id = "counting", name = "pairs", knobs = { quiz = "judge" } },
]
reward = [
  { name = "game" },
  { name = "exact", gold = "/truth/answer" },
  { name = "format" },
]
[stage.rollout]
groups = 3
group_size = 2
max_tokens = 12
max_context = 900
[stage.optim]
lr = 1e-3

[eval]
episodes = 2
max_context = 900

[checkpoint]
every = 1
"#;

#[test]
fn questions_are_trained_on_and_measured() {
    let dir = folder("quiz");
    let lines = run(&dir, "run", RECIPE);
    assert_eq!(lines.len(), 4);
    assert_eq!(numbers(&lines[2..], "training/invalid_scores"), [0.0, 0.0]);
    let run = dir.join("run");
    let (mut trained, mut kinds) = (BTreeSet::new(), BTreeSet::new());
    for step in [2, 3] {
        for episode in episodes(&run, step) {
            let turns = episode["turns"].as_array().unwrap();
            assert_eq!(turns.len(), 1, "one answer, then it is over");
            kinds.insert(episode["knobs"]["quiz"].as_str().unwrap().to_string());
            trained.insert(format!("{} {}", turns[0]["observation"], turns[0]["images"]));
            // The gold answer is there to be compared with, and every reward has a score.
            let truth = &turns[0]["truth"];
            assert_eq!(truth["facts"]["truth"]["answer"], truth["answer"]);
            let scores = episode["scores"].as_array().unwrap();
            assert!(
                scores.len() == 3 && scores.iter().all(|row| row["score"]["ok"].is_number()),
                "{scores:?}"
            );
        }
    }
    assert_eq!(Vec::from_iter(kinds), ["caption", "forward-order", "judge"]);
    assert!(trained.len() >= 3, "{trained:?}");
    let measured = summary(&run)["environments"].clone();
    for name in ["captions", "orders", "pairs"] {
        assert_eq!(measured[name]["oracle"], 1.0, "{measured}");
        // Questions of training and of the evaluation come from different streams.
        let held_out = fs::read_to_string(run.join(format!("episodes/after-{name}.jsonl"))).unwrap();
        for line in held_out.lines() {
            let episode: Value = serde_json::from_str(line).unwrap();
            let shown = format!("{} {}", episode["turns"][0]["observation"], episode["turns"][0]["images"]);
            assert!(!trained.contains(&shown), "{shown}");
        }
    }

    // Cut after its third step, the run goes on to the same bytes.
    let whole = (hash(&run), metrics(&run));
    let cut = RECIPE.replace("seed = 5", "seed = 5\nmax_steps = 3");
    fs::write(dir.join("cut.toml"), cut).unwrap();
    done(&dir, &["train", "cut.toml", "--run", "cut"]);
    fs::remove_file(dir.join("cut/summary.json")).unwrap();
    fs::copy(run.join("recipe.toml"), dir.join("cut/recipe.toml")).unwrap();
    done(&dir, &["train", "--resume", "cut"]);
    assert_eq!((hash(&dir.join("cut")), metrics(&dir.join("cut"))), whole);
}

#[test]
fn questions_that_cannot_be_asked_are_refused_at_their_place() {
    let dir = folder("quiz-refused");
    let recipe = RECIPE.replace("quiz = \"judge\"", "quiz = \"inverse-order\"");
    fs::write(dir.join("r.toml"), recipe).unwrap();
    let ran = eyas(&dir, &["train", "r.toml"]);
    let message = "knobs of counting: none of 1000 states allows quiz = inverse-order";
    assert!(ran.code == 1 && ran.err.contains(message) && ran.err.contains("r.toml:"), "{ran:?}");
}

#[test]
fn a_question_can_be_played() {
    let dir = folder("quiz-play");
    let args = ["play", "2048", "--set", "quiz=caption", "--policy", "oracle", "--json"];
    let played = done(&dir, &args).json();
    assert_eq!((&played["score"], &played["normalised"]), (&json!(1.0), &json!(1.0)), "{played}");
    assert_eq!(played["turns"].as_array().unwrap().len(), 1);
    assert!(played["random"].as_f64().unwrap() < 0.5, "{played}");
}
