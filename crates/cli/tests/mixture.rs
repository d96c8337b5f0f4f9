//! `eyas mixture`.
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod common;

use std::fs;

use common::{done, eyas, folder};

const RECIPE: &str = r#"
[model]
preset = "tiny"
vocab_size = 500

[[stage]]
kind = "sft"
steps = 1
batch_size = 2
[[stage.env]]
id = "counting"
[[stage.env]]
id = "frozen-lake"
[[stage.env]]
id = "2048"
[stage.optim]
lr = 1e-3

[eval]
episodes = 2
"#;

#[test]
fn pilots_are_planned_and_fitted() {
    let dir = folder("mixture");
    fs::write(dir.join("r.toml"), RECIPE).unwrap();
    let planned = done(&dir, &["mixture", "plan", "r.toml", "--out", "pilots"]).out;
    let files: Vec<&str> = planned.lines().collect();
    // Each alone, all but each, all alike.
    assert_eq!(files.len(), 7, "{planned}");
    assert!(files.contains(&"pilots/r-only-2048.toml") && files.contains(&"pilots/r-without-counting.toml"));
    let shown = done(&dir, &["recipe", "show", "pilots/r-without-counting.toml", "--json"]).json();
    let names: Vec<&str> =
        shown["stage"][0]["env"].as_array().unwrap().iter().map(|e| e["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["frozen-lake", "2048"]);
    assert_eq!(shown["eval"]["env"].as_array().unwrap().len(), 3, "judged on all of them");

    // One real run; the scores of the pilots are written by hand, so that the answer is known: with
    // score = 1 - (a - 0.5)^2 - (b - 0.5)^2 - c^2 the best shares are one half, one half and nothing.
    done(&dir, &["train", files[0], "--run", "runs/first"]);
    let summary = fs::read_to_string(dir.join("runs/first/summary.json")).unwrap();
    let mut args = vec!["mixture".to_string(), "fit".into()];
    for (i, file) in files.iter().enumerate() {
        let recipe = fs::read_to_string(dir.join(file)).unwrap();
        let shown = done(&dir, &["recipe", "show", file, "--json"]).json();
        let env = shown["stage"][0]["env"].as_array().unwrap();
        let total: f64 = env.iter().map(|e| e["weight"].as_f64().unwrap()).sum();
        let share = |name: &str| {
            env.iter().find(|e| e["name"] == name).map_or(0.0, |e| e["weight"].as_f64().unwrap() / total)
        };
        let (a, b, c) = (share("counting"), share("frozen-lake"), share("2048"));
        let score = 1.0 - (a - 0.5f64).powi(2) - (b - 0.5f64).powi(2) - c * c;
        let mut own: serde_json::Value = serde_json::from_str(&summary).unwrap();
        own["mean_normalised_after"] = score.into();
        let run = dir.join(format!("runs/pilot{i}"));
        fs::create_dir_all(&run).unwrap();
        fs::write(run.join("recipe.toml"), recipe).unwrap();
        fs::write(run.join("summary.json"), own.to_string()).unwrap();
        args.push(format!("runs/pilot{i}"));
    }
    let with = |more: &[&str]| -> Vec<String> {
        args.iter().cloned().chain(more.iter().map(|m| m.to_string())).collect()
    };
    let run = |args: Vec<String>| done(&dir, &args.iter().map(String::as_str).collect::<Vec<_>>());
    let fitted = run(with(&["--json", "--ridge", "1e-9", "--recipe", "r.toml", "--out", "best.toml"])).json();
    for (name, share) in [("counting", 0.5), ("frozen-lake", 0.5), ("2048", 0.0)] {
        let got = fitted["mixture"][name].as_f64().unwrap();
        assert!((got - share).abs() < 1e-2, "{name}: {got}");
    }
    assert!((fitted["predicted"].as_f64().unwrap() - 1.0).abs() < 1e-3, "{fitted}");
    let best = done(&dir, &["recipe", "show", "best.toml", "--json"]).json();
    assert_eq!(best["stage"][0]["env"].as_array().unwrap().len(), 2);
    let table = run(with(&[])).out;
    assert!(table.contains("best mixture") && table.contains("pilot6"), "{table}");

    let ran = eyas(&dir, &["mixture", "fit", "runs/pilot0", "runs/none"]);
    assert!(ran.code == 1 && ran.err.contains("runs/none/recipe.toml"), "{ran:?}");
    let ran = eyas(&dir, &["mixture", "fit", "runs/pilot0"]);
    assert!(ran.code == 1 && ran.err.contains("hint"), "{ran:?}");
}
