//! Steps of a run are made again and compared; stored episodes are shown.
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod common;

use std::fs;
use std::path::Path;

use common::recipes::{REMEMBERING, ROUTED};
use common::{done, eyas, folder, model, refused};
use serde_json::{Value, json};

/// All kinds of stage, a reference that is a running mean, a demonstration in each group, a mixture.
const RECIPE: &str = r#"
seed = 3

[model]
path = "MODEL"

[[stage]]
kind = "sft"
steps = 2
batch_size = 2
[[stage.env]]
id = "2048"
[stage.optim]
lr = 1e-3

[[stage]]
kind = "rl"
steps = 3
[[stage.env]]
id = "2048"
[[stage.env]]
id = "frozen-lake"
[stage.rollout]
groups = 2
group_size = 3
max_tokens = 24
max_context = 400
[[stage.reward]]
name = "format"
[[stage.reward]]
name = "game"
[stage.loss]
kl = { coef = 0.1 }
[stage.reference]
kind = "ema"
decay = 0.5
every = 2
[stage.off_policy]
demonstrations = 1
[stage.optim]
lr = 1e-3

[[stage]]
kind = "preference"
steps = 1
[stage.pairs]
count = 2
[[stage.env]]
id = "2048"
[stage.optim]
lr = 1e-3

[eval]
episodes = 2

[checkpoint]
every = 2
keep_every = 2
"#;

fn recipe() -> String {
    RECIPE.replace("MODEL", model())
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() { copy(&path, &to) } else { _ = fs::copy(&path, &to).unwrap() }
    }
}

/// Changes the stored line `at` of a file.
fn change(file: &Path, at: usize, how: impl Fn(&mut Value)) {
    let text = fs::read_to_string(file).unwrap();
    let mut lines: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    how(&mut lines[at]);
    fs::write(file, lines.iter().map(|l| format!("{l}\n")).collect::<String>()).unwrap();
}

#[test]
fn every_step_comes_out_again_and_a_changed_one_is_named() {
    let dir = folder("replay");
    fs::write(dir.join("r.toml"), recipe()).unwrap();
    done(&dir, &["train", "r.toml", "--run", "run", "--threads", "2"]);
    let run = dir.join("run");
    let replay =
        |run: &str, step: &str| eyas(&dir, &["replay", run, "--step", step, "--json", "--threads", "1"]);

    for step in 0..6 {
        let found =
            done(&dir, &["replay", "run", "--step", &step.to_string(), "--json", "--threads", "1"]).json();
        let stage = ["sft", "sft", "rl", "rl", "rl", "preference"][step];
        assert_eq!((&found["same"], &found["step"]), (&json!(true), &json!(step)), "{found}");
        assert_eq!(found["stage"], stage);
        assert_eq!(found["stage_step"], [0, 1, 0, 1, 2, 0][step]);
        // From the checkpoint before it, or the model.
        assert_eq!(found["from"], step - step % 2);
        assert!(
            found["metrics"]["compared"].as_u64().unwrap() > if stage == "rl" { 20 } else { 5 },
            "{found}"
        );
        let sizes: Vec<usize> = found["groups"]
            .as_array()
            .unwrap()
            .iter()
            .map(|g| g["episodes"].as_array().unwrap().len())
            .collect();
        assert_eq!(sizes, [vec![1, 1], vec![], vec![3, 3], vec![3, 3], vec![3, 3], vec![2]][step], "{found}");
        assert_eq!(found["weights"].is_object(), step % 2 == 1, "{found}");
        assert!(
            found["earlier"].as_array().unwrap().is_empty() && found["notes"].as_array().unwrap().is_empty()
        );
    }
    let by_stage = done(&dir, &["replay", "run", "--stage", "rl", "--step", "0", "--group", "1"]).out;
    assert!(by_stage.ends_with("step 2 (rl 0): same\n"), "{by_stage}");
    assert!(by_stage.contains("group 1") && !by_stage.contains("group 0"), "{by_stage}");

    // One token, one bit of one log-prob, one score.
    let file = run.join("episodes/step-000003.jsonl");
    let whole = fs::read(&file).unwrap();
    let last = |e: &Value| e["trajectory"]["ids"].as_array().unwrap().len() - 1;
    let kind = |e: &Value, i: usize| e["trajectory"]["kinds"][i].as_str().unwrap().to_string();
    change(&file, 1, |e| {
        let i = last(e);
        e["trajectory"]["ids"][i] = json!(e["trajectory"]["ids"][i].as_u64().unwrap() + 1);
    });
    change(&file, 4, |e| {
        let i = last(e);
        let old = e["trajectory"]["logprobs"][i].as_f64().unwrap() as f32;
        e["trajectory"]["logprobs"][i] = json!(f32::from_bits(old.to_bits() + 1));
        e["scores"][0]["score"]["ok"] = json!(0.375);
    });
    let ran = replay("run", "3");
    assert_eq!((ran.code, ran.err.lines().last()), (1, Some("error: step 3 of run is not as it was stored")));
    let found = ran.json();
    let of = |g: usize, e: usize| &found["groups"][g]["episodes"][e];
    assert_eq!(
        found["groups"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|g| g["episodes"].as_array().unwrap())
            .map(|e| e["same"] == true)
            .collect::<Vec<_>>(),
        [true, false, true, true, false, true]
    );
    let stored: Vec<Value> =
        fs::read_to_string(&file).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let i = last(&stored[1]);
    let [token] = of(0, 1)["differences"].as_array().unwrap().as_slice() else { panic!("{found}") };
    assert_eq!(
        token["place"],
        format!("token {i} ({}, turn {})", kind(&stored[1], i), stored[1]["trajectory"]["turns"][i])
    );
    assert_eq!(token["stored"], stored[1]["trajectory"]["ids"][i].to_string());
    let what: Vec<&str> =
        of(1, 1)["differences"].as_array().unwrap().iter().map(|d| d["what"].as_str().unwrap()).collect();
    assert_eq!(what, ["log-prob", "score by reward"]);
    let text = eyas(&dir, &["replay", "run", "--step", "3"]);
    assert!(text.out.ends_with("step 3 (rl 1): differs in 2 of 6 episodes\n"), "{text:?}");
    assert!(text.out.contains(&format!("differs: token at token {i} ")), "{text:?}");

    // A loss in the log, of a step that is trained again on the way and then of the step itself.
    fs::write(&file, whole).unwrap();
    change(&run.join("metrics.jsonl"), 2, |line| line["loss"] = json!(0.5));
    let on_the_way = done(&dir, &["replay", "run", "--step", "3"]).out;
    assert!(
        on_the_way.starts_with("note: step 2, trained again, differs already: loss was 0.5, is "),
        "{on_the_way}"
    );
    let found = replay("run", "2");
    assert_eq!((found.code, &found.json()["metrics"]["differences"][0]["what"]), (1, &json!("loss")));
}

#[test]
fn steps_before_and_after_a_resumption_come_out_again() {
    let dir = folder("replay-resumed");
    fs::write(dir.join("r.toml"), recipe()).unwrap();
    done(&dir, &["train", "r.toml", "--run", "run"]);
    let run = dir.join("run");
    // As if it had been killed in its last steps; it goes on with another learning rate.
    fs::remove_file(run.join("summary.json")).unwrap();
    fs::remove_dir_all(run.join("checkpoints/step-00000006")).unwrap();
    let before = common::metrics(&run);
    done(&dir, &["train", "--resume", "run", "--set", "stage.rl.optim.lr=5e-4", "--allow", "lr"]);
    assert_ne!(common::metrics(&run)[4]["learning_rate"], before[4]["learning_rate"]);
    for step in ["3", "4", "5"] {
        let ran = done(&dir, &["replay", "run", "--step", step, "--json"]);
        assert_eq!(ran.json()["same"], true, "{ran:?}");
    }
    // The last step from the beginning too, over the change of the recipe.
    fs::remove_dir_all(run.join("checkpoints")).unwrap();
    let ran = done(&dir, &["replay", "run", "--step", "5"]);
    assert!(ran.err.contains("steps 0 to 4 before it are trained again"), "{ran:?}");
    assert!(
        ran.out.ends_with("weights: same as the end of the run\nstep 5 (preference 0): same\n"),
        "{ran:?}"
    );
    assert!(!run.join("checkpoints").exists(), "nothing is written");
}

/// Makes steps of a run again from the checkpoints it kept, and then all steps in one go from the beginning.
fn comes_out_again(dir: &Path, run: &str, steps: &[usize]) {
    for step in steps {
        let found = done(dir, &["replay", run, "--step", &step.to_string(), "--json"]).json();
        assert_eq!((&found["same"], &found["step"]), (&json!(true), &json!(step)), "{found}");
        assert_eq!((&found["earlier"], &found["notes"]), (&json!([]), &json!([])), "{found}");
        assert_ne!(found["from"], 0, "from a checkpoint");
    }
    fs::remove_dir_all(dir.join(run).join("checkpoints")).unwrap();
    let last = common::logged(&dir.join(run)) - 1;
    let found = done(dir, &["replay", run, "--step", &last.to_string(), "--json"]).json();
    // `earlier`: the steps on the way whose metrics differ.
    assert_eq!((&found["same"], &found["from"], &found["earlier"]), (&json!(true), &json!(0), &json!([])));
}

#[test]
fn what_a_stage_remembers_is_there_again() {
    let dir = folder("replay-remembering");
    let recipe = REMEMBERING.replace("every = 2\n", "every = 2\nkeep_every = 2\n");
    // Once for the reference, once for checkpoints; keep_every belongs to the latter.
    let recipe = recipe.replacen("every = 2\nkeep_every = 2\n", "every = 2\n", 1);
    common::run(&dir, "run", &recipe);
    comes_out_again(&dir, "run", &[5, 8]);

    let drawn = "[stage.curriculum]\nrule = { kind = \"pass_variance\" }\nstarts = 3\nscore = \"score\"\n";
    assert!(recipe.contains(drawn));
    let restarting = recipe.replace(drawn, "[stage.restart]\nshare = 0.5\n");
    let lines = common::run(&dir, "restarting", &restarting);
    assert!(common::numbers(&lines[5..], "restart/groups").iter().all(|n| *n > 0.0), "{lines:?}");
    comes_out_again(&dir, "restarting", &[5, 8]);
}

#[test]
fn stages_that_are_entered_again_come_out_again() {
    let dir = folder("replay-routed");
    let recipe = ROUTED.replace("every = 1\n", "every = 1\nkeep_every = 1\n");
    common::run(&dir, "run", &recipe);
    comes_out_again(&dir, "run", &[2, 3, 5]);

    // A stage that leads to itself: longer responses from anew, and groups of another size.
    let itself = recipe.replace("to = \"sft\"\n", "to = \"rl\"\n").replace(
        "[stage.loss]\nkl",
        "[[stage.context]]\nsteps = 1\nmax_tokens = 4\ngroup = 3\n\
         [[stage.context]]\nsteps = 1\nmax_tokens = 8\ngroup = 2\n[stage.loss]\nkl",
    );
    let itself =
        itself.replace("evaluations = 1 }", "evaluations = 2 }").replace("steps = 2\n", "steps = 3\n");
    let lines = common::run(&dir, "itself", &itself);
    let stages: Vec<&str> = lines.iter().map(|line| line["stage"].as_str().unwrap()).collect();
    assert_eq!(stages, ["sft", "sft", "rl", "rl", "rl", "rl", "rl"]);
    let sizes: Vec<usize> = (2..7).map(|step| common::episodes(&dir.join("itself"), step).len()).collect();
    assert_eq!(sizes, [6, 4, 6, 4, 6]);
    let groups = done(&dir, &["inspect", "itself", "--step", "4", "--json"]).json();
    let groups: Vec<u64> = groups.as_array().unwrap().iter().map(|e| e["group"].as_u64().unwrap()).collect();
    assert_eq!(groups, [0, 0, 0, 1, 1, 1]);
    let found = done(&dir, &["replay", "itself", "--step", "5", "--json"]).json();
    assert_eq!((&found["stage_step"], &found["same"]), (&json!(1), &json!(true)), "{found}");
    comes_out_again(&dir, "itself", &[4]);
}

#[test]
fn what_cannot_be_made_again_is_refused() {
    let dir = folder("replay-refused");
    fs::write(dir.join("r.toml"), recipe()).unwrap();
    let short = ["--set", "stage.rl.steps=1", "--set", "eval.episodes=1"];
    done(&dir, &[&["train", "r.toml", "--run", "run"], &short[..]].concat());
    let step = |run: &'static str, step: &'static str| ["replay", run, "--step", step];
    refused(
        &dir,
        &step("nowhere", "0"),
        "error: nowhere is not a run: it holds no recipe.toml\n\
         hint: name the directory of a run, such as runs/quickstart-seed1",
    );
    refused(
        &dir,
        &step("run", "4"),
        "error: step 4 was not run: metrics.jsonl of run holds 4 steps, counted from 0\n\
         hint: `eyas inspect run` lists the steps",
    );
    refused(
        &dir,
        &["replay", "run", "--stage", "dpo", "--step", "0"],
        "error: --stage \"dpo\": no step of such a stage was run\nhint: the stages of run are sft, rl, preference",
    );
    refused(
        &dir,
        &["replay", "run", "--step", "2", "--group", "2"],
        "error: --group 2: the step has 2 groups, counted from 0",
    );
    refused(
        &dir,
        &["replay", "run", "--step", "1", "--group", "0"],
        "error: --group 0: no episodes of step 1 are stored, so only its metrics can be compared\n\
         hint: leave --group out",
    );
    refused(
        &dir,
        &["replay", "run", "--stage", "rl", "--step", "1"],
        "error: step 1 of stage rl was not run: there are 1 of them, counted from 0\n\
         hint: without --stage steps are counted over all stages",
    );

    copy(&dir.join("run"), &dir.join("gone"));
    fs::remove_file(dir.join("gone/episodes/step-000002.jsonl")).unwrap();
    refused(
        &dir,
        &step("gone", "2"),
        "error: nothing is stored of the episodes of step 2: gone/episodes/step-000002.jsonl is missing\n\
         hint: `eyas inspect gone` lists what is stored",
    );

    copy(&dir.join("run"), &dir.join("other"));
    let recipe = dir.join("other/recipe.toml");
    let text = fs::read_to_string(&recipe).unwrap();
    fs::write(&recipe, text.replace("seed = 3", "seed = 4")).unwrap();
    refused(
        &dir,
        &step("other", "0"),
        "error: other/recipe.toml is not the recipe that the run was made with\n\
         hint: other/origin.json holds the recipe of each step; undo the change of recipe.toml",
    );
    fs::write(&recipe, text).unwrap();
    let origin = dir.join("other/origin.json");
    let mut old: Value = serde_json::from_str(&fs::read_to_string(&origin).unwrap()).unwrap();
    let hash = old["weights_hash"].as_str().unwrap().to_string();
    old["weights_hash"] = json!("0123");
    fs::write(&origin, old.to_string()).unwrap();
    refused(
        &dir,
        &step("other", "0"),
        &format!(
            "error: the run was begun with weights 0123, but the recipe's model has {hash}\n\
             hint: put back the model that model.path names, or replay a step after the first checkpoint"
        ),
    );
    // Earlier versions did not write that file.
    fs::remove_file(&origin).unwrap();
    let ran = done(&dir, &step("other", "0"));
    assert!(ran.out.starts_with("note: the run does not say what it was begun with; "), "{ran:?}");
}

#[test]
fn stored_episodes_are_shown_down_to_the_token() {
    let dir = folder("inspect");
    fs::write(dir.join("r.toml"), recipe()).unwrap();
    done(&dir, &["train", "r.toml", "--run", "run", "--set", "stage.rl.steps=1"]);
    let inspect = |more: &[&str]| done(&dir, &[&["inspect", "run"], more].concat());

    // What is stored, in a table and as JSON.
    let rows = inspect(&["--json"]).json();
    let names: Vec<String> = rows.as_array().unwrap().iter().map(|r| r["step"].to_string()).collect();
    let named = ["\"after-2048\"", "\"before-2048\""];
    assert_eq!(names, [&["0", "2", "3"], &named[..]].concat());
    assert_eq!((&rows[1]["stage"], &rows[1]["episodes"]), (&json!("rl"), &json!(6)));
    let table = inspect(&[]).out;
    assert!(table.starts_with("run: 4 steps run, episodes of 5 files stored\nstep "), "{table}");
    assert_eq!(table.lines().count(), 7);

    // A demonstration is the same on every machine.
    insta::assert_snapshot!("demonstration", inspect(&["--step", "0", "--episode", "1"]).out);

    // Advantages follow from the scores of a group.
    let episodes = inspect(&["--step", "2", "--json"]).json();
    for group in episodes.as_array().unwrap().chunks(3) {
        let pairs: Vec<(f64, f64)> =
            group.iter().map(|e| (e["total"].as_f64().unwrap(), e["advantage"].as_f64().unwrap())).collect();
        for (a, b) in pairs.iter().zip(&pairs[1..]) {
            assert_eq!(
                a.0.total_cmp(&b.0),
                a.1.total_cmp(&b.1),
                "the better one has the higher one: {pairs:?}"
            );
        }
    }
    assert!(
        episodes.as_array().unwrap().iter().any(|e| e["advantage"].as_f64().unwrap() > 0.1),
        "{episodes}"
    );

    // All that is stored, and what follows from it.
    let one = inspect(&["--step", "2", "--episode", "4", "--json"]).json();
    let file = fs::read_to_string(dir.join("run/episodes/step-000002.jsonl")).unwrap();
    assert!(one["stored"] == serde_json::from_str::<Value>(file.lines().nth(4).unwrap()).unwrap(), "{one}");
    assert_eq!((&one["group"], &one["member"]), (&json!(1), &json!(1)));
    let texts: Vec<&str> = one["texts"].as_array().unwrap().iter().map(|t| t.as_str().unwrap()).collect();
    let (ids, advantages) = (&one["stored"]["trajectory"]["ids"], one["advantages"].as_array().unwrap());
    assert_eq!((texts.len(), advantages.len()), (ids.as_array().unwrap().len(), texts.len()));
    let response = one["stored"]["turns"][0]["response"].as_str().unwrap();
    assert!(texts.concat().contains(response), "{response}");
    let shown = inspect(&["--step", "2", "--episode", "4"]).out;
    assert!(shown.starts_with("step-000002, episode 4 (group 1, member 1): "), "{shown}");
    assert!(shown.contains("reward format: ") && shown.contains("log-prob -"), "{shown}");

    // The page holds all of the step with its pictures.
    let page = inspect(&["--step", "2", "--html", "step.html"]).out;
    assert!(page.starts_with("step.html: 6 episodes, "), "{page}");
    let html = fs::read_to_string(dir.join("step.html")).unwrap();
    assert_eq!(html.matches("<article").count(), 6);
    assert!(html.contains("<img src=\"data:image/png;base64,") && !html.contains("was not kept"));
    assert!(html.trim_end().ends_with("</html>"));

    refused(
        &dir,
        &["inspect", "run", "--step", "1"],
        "error: no episodes of \"1\" are stored: there is no run/episodes/step-000001.jsonl\n\
         hint: `eyas inspect run` lists what is stored",
    );
    refused(
        &dir,
        &["inspect", "run", "--step", "2", "--episode", "6"],
        "error: --episode 6: step-000002 holds 6 episodes, counted from 0\n\
         hint: without --episode they are listed",
    );
    // A picture that is not the one of its name is not shown as if it were.
    let pictures: Vec<_> =
        fs::read_dir(dir.join("run/episodes/images")).unwrap().map(|f| f.unwrap().path()).collect();
    pictures.iter().for_each(|file| common::png(file, 28, 28));
    let ran = eyas(&dir, &["inspect", "run", "--step", "2", "--episode", "0"]);
    assert!(ran.code == 1 && ran.err.contains("is not the picture that was shown"), "{ran:?}");
}
