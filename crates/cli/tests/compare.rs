//! Two recipes over two seeds, compared.
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use common::{done, eyas, folder, model, refused};
use serde_json::{Value, json};

fn recipe(kind: &str) -> String {
    format!(
        r#"
[model]
path = "{model}"

[[stage]]
kind = "rl"
steps = 1

[[stage.env]]
id = "frozen-lake"

[stage.rollout]
groups = 2
group_size = 2
max_tokens = 16
max_context = 400

[[stage.reward]]
name = "format"

[stage.advantage]
estimator = {{ kind = "group", spread = "{kind}" }}

[stage.optim]
lr = 1e-3
warmup_steps = 1

[eval]
episodes = 2
"#,
        model = model()
    )
}

/// What a comparison leaves behind, by name.
fn left_behind(out: &Path) -> BTreeMap<String, String> {
    let mut files: BTreeMap<String, String> = ["compare.md", "compare.json", "compare.html"]
        .map(|name| (name.to_string(), fs::read_to_string(out.join(name)).unwrap()))
        .into();
    for plot in fs::read_dir(out.join("plots")).unwrap() {
        let path = plot.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        files.insert(name, fs::read_to_string(path).unwrap());
    }
    files
}

/// The runs that a call made.
fn made(err: &str) -> Vec<&str> {
    err.lines().filter_map(|l| l.strip_prefix("compare: run ")).collect()
}

#[test]
fn runs_are_made_once_and_compared() {
    let dir = folder("compare");
    fs::write(dir.join("one.toml"), recipe("sample")).unwrap();
    fs::write(dir.join("two.toml"), recipe("none")).unwrap();
    let command = ["compare", "one.toml", "two.toml", "--seeds", "2", "--out", "out"];
    let with = |more: &[&'static str]| [&command[..], more].concat();
    let out = dir.join("out");
    let hash = |run: &str| common::hash(&out.join(run));

    let nothing = done(&dir, &with(&["--minutes", "0"]));
    assert!(made(&nothing.err).is_empty() && nothing.out.contains("0 of 4 runs"), "{nothing:?}");

    let first = done(&dir, &command);
    let order: Vec<&str> = made(&first.err).iter().map(|l| l.split(" left").next().unwrap()).collect();
    assert_eq!(order.len(), 4, "{first:?}");
    for (line, run) in order.iter().zip(["one seed 1", "two seed 1", "one seed 2", "two seed 2"]) {
        assert!(line.contains(run), "seed by seed: {order:?}");
    }
    assert!(first.out.contains("| one ") && first.out.contains("vs one"), "{first:?}");
    let files = left_behind(&out);
    let json: Value = serde_json::from_str(&files["compare.json"]).unwrap();
    assert_eq!((&json["baseline"], &json["seeds"]), (&json!("one"), &json!(2)));
    assert_eq!(json["warnings"], json!([]));
    for method in json["methods"].as_array().unwrap() {
        assert_eq!(method["seeds"], json!([1, 2]));
        for run in method["runs"].as_array().unwrap() {
            let name = format!("{}-seed{}", method["name"].as_str().unwrap(), run["seed"]);
            assert_eq!(run["weights_hash"], hash(&name));
        }
    }

    // A run is what `eyas train` makes of the same recipe.
    let alone = done(&dir, &["train", "one.toml", "--set", "seed=2", "--run", "alone", "--json"]).json();
    assert_eq!(alone["weights_hash"], hash("one-seed2"));

    let second = done(&dir, &with(&["--json"]));
    assert!(made(&second.err).is_empty(), "{second:?}");
    assert_eq!(second.json(), json);
    assert_eq!(left_behind(&out), files);
    done(&dir, &with(&["--report-only"]));
    assert_eq!(left_behind(&out), files);

    // One is gone, one was cut.
    let before = ["one-seed1", "two-seed2"].map(hash);
    fs::remove_dir_all(out.join("one-seed1")).unwrap();
    fs::remove_file(out.join("two-seed2/summary.json")).unwrap();
    let third = done(&dir, &command);
    assert_eq!(made(&third.err).len(), 2, "{third:?}");
    assert_eq!(["one-seed1", "two-seed2"].map(hash), before);

    refused(
        &dir,
        &with(&["--set", "stage.rl.rollout.groups=3"]),
        "error: out/one-seed1 was made otherwise: stage.rl.rollout.groups was 2, is 3\n\
         hint: choose another folder with --out DIR, or make such runs again with --redo",
    );
    refused(
        &dir,
        &with(&["--budget-tokens", "1", "--steps", "3"]),
        "error: out/one-seed1 was made otherwise: stage.rl.steps was 1, is 3\n\
         hint: choose another folder with --out DIR, or make such runs again with --redo",
    );
    let left_out = done(&dir, &with(&["--set", "eval.episodes=1", "--report-only"])).out;
    assert!(left_out.contains("one-seed1 was made otherwise and is left out: eval.episodes was 2, is 1"));
}

#[test]
fn a_budget_of_tokens_ends_runs_and_differences_are_named() {
    let dir = folder("budget");
    fs::write(dir.join("one.toml"), recipe("sample")).unwrap();
    fs::write(dir.join("two.toml"), recipe("sample").replace("groups = 2", "groups = 3")).unwrap();
    let command = ["compare", "one.toml", "two.toml", "--seeds", "1", "--steps", "3", "--out", "out"];
    let budget = [&command[..], &["--budget-tokens", "1", "--json"]].concat();
    let json = done(&dir, &budget).json();
    for method in json["methods"].as_array().unwrap() {
        assert_eq!(method["runs"][0]["steps"], 1, "the first step is over the budget: {method}");
    }
    let warnings = json["warnings"].to_string();
    assert!(
        warnings.contains("Not the same budget: `stage.rl.rollout.groups` is 2 for one; 3 for two."),
        "{warnings}"
    );
    assert!(made(&done(&dir, &budget).err).is_empty());
    refused(
        &dir,
        &command,
        "error: out/one-seed1 was made otherwise: it ended after 1 steps, under another --budget-tokens\n\
         hint: choose another folder with --out DIR, or make such runs again with --redo",
    );
}

#[test]
fn a_run_that_fails_takes_no_other_with_it() {
    let dir = folder("fails");
    fs::write(dir.join("one.toml"), recipe("sample").replace("../model", "nowhere")).unwrap();
    fs::write(dir.join("two.toml"), recipe("sample")).unwrap();
    let ran = eyas(&dir, &["compare", "one.toml", "two.toml", "--seeds", "1", "--out", "out"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains("error: 1 of 2 runs failed, the first was one seed 1: "), "{ran:?}");
    assert!(ran.out.contains("1 of 2 runs are finished"), "{ran:?}");
    assert!(dir.join("out/two-seed1/summary.json").is_file());
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let dir = folder("refused");
    fs::write(dir.join("one.toml"), recipe("sample")).unwrap();
    refused(
        &dir,
        &["compare", "one.toml", "./one.toml"],
        "error: two recipes have the name one: one.toml and ./one.toml\n\
         hint: runs go by it; copy one under another",
    );
    refused(
        &dir,
        &["compare", "one.toml", "--set", "seed=4"],
        "error: --set seed=4 would give every run the same seed\nhint: --seeds N trains with the seeds 1 to N",
    );
    fs::create_dir_all(dir.join("out/one-seed1")).unwrap();
    fs::write(dir.join("out/one-seed1/thesis.txt"), "mine").unwrap();
    refused(
        &dir,
        &["compare", "one.toml", "--out", "out"],
        "error: out/one-seed1 exists and holds no recipe.toml, so it is not a run; it will not be overwritten",
    );
}
