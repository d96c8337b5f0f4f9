//! What stages learn from, and how one leads to another.
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod common;

use std::fs;

use common::recipes::ROUTED;
use common::{done, eyas, folder, metrics, numbers, run, shipped_model, summary};
use serde_json::{Map, Value};

fn stages(lines: &[Map<String, Value>]) -> Vec<&str> {
    lines.iter().map(|l| l["stage"].as_str().unwrap()).collect()
}

#[test]
fn stages_lead_to_each_other_by_what_is_measured_also_after_a_break() {
    let dir = folder("stages-routes");
    let lines = run(&dir, "whole", ROUTED);
    // The cold start is over after two losses; the other stage goes back as long as nothing is right.
    assert_eq!(stages(&lines), ["sft", "sft", "rl", "sft", "sft", "rl", "sft"]);
    assert_ne!(lines[0]["loss"], lines[3]["loss"]);
    let ids =
        |step: usize| fs::read_to_string(dir.join(format!("whole/episodes/step-{step:06}.jsonl"))).unwrap();
    assert_ne!(ids(2), ids(5), "a stage that is entered again plays other episodes");

    // Cut at every step in turn: what a checkpoint between two stages says is enough to go on.
    for cut in 1..7usize {
        let name = format!("cut{cut}");
        let short = ROUTED.replace("max_steps = 7", &format!("max_steps = {cut}"));
        fs::write(dir.join("short.toml"), short).unwrap();
        done(&dir, &["train", "short.toml", "--run", &name]);
        // As if it had been cut there: the recipe of the whole run, and no end yet.
        fs::remove_file(dir.join(&name).join("summary.json")).unwrap();
        fs::copy(dir.join("whole.toml"), dir.join(&name).join("recipe.toml")).unwrap();
        done(&dir, &["train", "--resume", &name]);
        assert_eq!(metrics(&dir.join(&name)), lines, "cut after {cut}");
    }
}

#[test]
fn routes_that_lead_nowhere_or_never_end_are_refused() {
    let dir = folder("stages-refused");
    for (recipe, message) in [
        (ROUTED.replace("max_steps = 7", ""), "`route.1.to`: leads back, so the run might never end"),
        (
            ROUTED.replace("to = \"rl\"", "to = \"rlhf\""),
            "`route.0.to`: no stage \"rlhf\"; there are sft, rl",
        ),
        (ROUTED.replace("evaluations = 2", "evaluations = 0"), "condition.evaluations"),
    ] {
        fs::write(dir.join("r.toml"), recipe).unwrap();
        let ran = eyas(&dir, &["train", "r.toml"]);
        assert!(ran.code == 1 && ran.err.contains(message), "{message:?} in {ran:?}");
    }
}

/// A recipe of one stage for the shipped tiny model, which solves some of the lakes.
fn trained(stage: &str) -> String {
    format!("[model]\npath = {:?}\n[eval]\nepisodes = 1\n[[stage]]\n{stage}", shipped_model())
}

#[test]
fn own_successes_and_demonstrations_by_pass_rate() {
    let dir = folder("stages-attempts");
    let recipe = |attempts: &str| {
        trained(&format!(
            "kind = \"sft\"\nsteps = 2\nbatch_size = 6\nenv = [{{ id = \"frozen-lake\" }}]\n\
             [stage.attempts]\n{attempts}\n[stage.rollout]\ngroup_size = 3\nmax_tokens = 96\nmax_context = 900\n\
             [stage.optim]\nlr = 1e-5\n"
        ))
    };
    let all = run(&dir, "all", &recipe("solved = true"));
    let sum = |lines: &[Map<String, Value>], keys: [&str; 2]| -> Vec<f64> {
        (0..lines.len()).map(|i| keys.iter().map(|k| numbers(lines, k)[i]).sum()).collect()
    };
    // What was sampled counts, whether it was learnt from or not.
    let sampled: f64 = numbers(&all, "sampled_tokens").iter().sum();
    assert_eq!(summary(&dir.join("all"))["tokens_sampled"].as_f64(), Some(sampled));
    assert!(sampled > 36.0, "more than a token of each attempt: {sampled}");
    // Every start gives one episode, an own one or a demonstration.
    assert_eq!(sum(&all, ["attempts/own", "attempts/demonstrated"]), [6.0; 2]);
    assert!(numbers(&all, "attempts/own").iter().all(|n| *n > 0.0), "{all:?}");
    let own = run(&dir, "own", &recipe("teacher = false\nsolved = true"));
    assert_eq!(numbers(&own, "attempts/demonstrated"), [0.0; 2]);
    assert_eq!(numbers(&own, "attempts/own")[0], numbers(&all, "attempts/own")[0]);
    let some = run(&dir, "some", &recipe(""));
    assert!(numbers(&some, "attempts/own")[0] <= numbers(&all, "attempts/own")[0]);
    for line in fs::read_to_string(dir.join("own/episodes/step-000000.jsonl")).unwrap().lines() {
        let episode: Value = serde_json::from_str(line).unwrap();
        assert_eq!(episode["outcome"], "success", "{line}");
    }
}

#[test]
fn thoughts_are_dropped_and_kinds_of_tokens_weighed() {
    let dir = folder("stages-thoughts");
    let recipe = |more: &str, weights: &str| {
        trained(&format!(
            "kind = \"sft\"\nsteps = 1\nbatch_size = 8\nenv = [{{ id = \"counting\" }}]\n\
             [stage.teacher]\n{more}\n[stage.token_weights]\n{weights}\n[stage.optim]\nlr = 1e-5\n"
        ))
    };
    run(&dir, "half", &recipe("thought_dropout = 0.5", ""));
    let episodes = fs::read_to_string(dir.join("half/episodes/step-000000.jsonl")).unwrap();
    let empty = episodes.lines().filter(|l| l.contains(r"<think>\n\n</think>")).count();
    assert!((1..8).contains(&empty) && episodes.lines().count() == 8, "{empty}");

    let plain = run(&dir, "plain", &recipe("", ""));
    let answers = run(&dir, "answers", &recipe("", "perception = 0.0\nthink = 0.0\nother = 0.0"));
    assert_ne!(plain[0]["loss"], answers[0]["loss"]);
    let nothing =
        run(&dir, "nothing", &recipe("", "perception = 0.0\nthink = 0.0\nanswer = 0.0\nother = 0.0"));
    assert_eq!(numbers(&nothing, "loss"), [0.0]);
}

#[test]
fn pictures_are_changed_and_episodes_drawn_again() {
    let dir = folder("stages-augment");
    let recipe = |more: &str| {
        trained(&format!(
            "kind = \"rl\"\nsteps = 2\nenv = [{{ id = \"frozen-lake\" }}]\n\
             reward = [{{ name = \"game\" }}, {{ name = \"format\" }}]\n\
             [stage.rollout]\ngroups = 3\ngroup_size = 4\nmax_tokens = 96\nmax_context = 900\n\
             [stage.optim]\nlr = 1e-5\n{more}"
        ))
    };
    let plain = run(&dir, "plain", &recipe(""));
    let seen = run(
        &dir,
        "seen",
        &recipe("[stage.augment]\nwith = [{ kind = \"noise\", std = 60.0 }, { kind = \"rotate\" }]\n"),
    );
    assert_eq!(numbers(&seen, "augment/groups"), [3.0; 2]);
    assert_ne!(plain[0]["reward"], seen[0]["reward"]);
    let drawn = run(&dir, "drawn", &recipe("[stage.resample]\nlow = 0.0\nhigh = 10.0\nratio = 1.0\n"));
    assert_eq!(drawn[0]["reward"], plain[0]["reward"], "the same episodes");
    assert_ne!(drawn[0]["loss"], plain[0]["loss"], "other weights");
    assert!(numbers(&drawn, "training/resampled").iter().all(|n| *n % 4.0 == 0.0 && *n <= 12.0), "{drawn:?}");
}

#[test]
fn episodes_that_need_the_picture_count_more() {
    let dir = folder("stages-dependency");
    let recipe = |more: &str| {
        trained(&format!(
            "kind = \"rl\"\nsteps = 1\nenv = [{{ id = \"frozen-lake\" }}]\n\
             reward = [{{ name = \"game\" }}, {{ name = \"format\" }}]\n{more}\n\
             [stage.rollout]\ngroups = 4\ngroup_size = 4\nmax_tokens = 96\nmax_context = 900\n\
             [stage.optim]\nlr = 1e-4\nminibatches = 2\nmicro_batch_tokens = 600\n"
        ))
    };
    let spoilt = "corruption = { kind = \"patches\", share = 0.9 }\n";
    let plain = run(&dir, "plain", &recipe(""));
    // A picture that is not spoilt: each token is as likely as the sampler said, so nothing depends on it.
    let seen = "corruption = { kind = \"patches\", share = 0.0 }\nvisual_dependency = { min = 0.1 }";
    let seen = run(&dir, "seen", &recipe(seen));
    assert!(numbers(&seen, "training/visual_dependency")[0] < 1e-7, "{seen:?}");
    assert_eq!(seen[0]["loss"], plain[0]["loss"]);

    let off = run(&dir, "off", &recipe(&format!("{spoilt}visual_dependency = {{ min = 1.0 }}")));
    assert!(numbers(&off, "training/visual_dependency")[0] > 1e-3, "{off:?}");
    assert_eq!((&off[0]["loss"], &off[0]["grad_norm"]), (&plain[0]["loss"], &plain[0]["grad_norm"]));
    let on = run(&dir, "on", &recipe(&format!("{spoilt}visual_dependency = {{ min = 0.5 }}")));
    assert_eq!(on[0]["training/visual_dependency"], off[0]["training/visual_dependency"]);
    assert_eq!(on[0]["reward"], plain[0]["reward"], "the same episodes");
    assert_ne!(on[0]["grad_norm"], plain[0]["grad_norm"], "other weights");
    let shown = done(&dir, &["inspect", "on", "--step", "0", "--episode", "0"]).out;
    assert!(shown.contains("Advantages depended on the weights"), "{shown}");
}

#[test]
fn critics_of_utterances_learn_from_replay_also_after_a_break() {
    let dir = folder("stages-critic");
    let recipe = trained(
        "kind = \"rl\"\nsteps = 3\nenv = [{ id = \"frozen-lake\" }]\n\
         reward = [{ name = \"game\" }, { name = \"format\" }]\n\
         critic = { hidden = 8, updates = 4, batch = 16, replay = 30, warmup_steps = 1 }\n\
         [stage.rollout]\ngroups = 3\ngroup_size = 4\nmax_tokens = 96\nmax_context = 900\n\
         [stage.optim]\nlr = 1e-4\n[checkpoint]\nevery = 1\n",
    );
    let lines = run(&dir, "whole", &recipe);
    assert_eq!(numbers(&lines, "updates"), [0.0, 1.0, 1.0], "the critics begin");
    let kept = numbers(&lines, "critic/replay");
    assert!(kept[0] >= 12.0 && kept[2] == 30.0, "at least one a step and episode, at most 30: {kept:?}");
    assert!(numbers(&lines, "critic/q_error").iter().all(|error| *error > 0.0), "{lines:?}");

    fs::write(dir.join("short.toml"), format!("max_steps = 2\n{recipe}")).unwrap();
    done(&dir, &["train", "short.toml", "--run", "cut"]);
    fs::remove_file(dir.join("cut/summary.json")).unwrap();
    fs::copy(dir.join("whole.toml"), dir.join("cut/recipe.toml")).unwrap();
    done(&dir, &["train", "--resume", "cut"]);
    assert_eq!(metrics(&dir.join("cut")), lines);

    fs::write(dir.join("two.toml"), recipe.replace("critic = {", "value = {}\ncritic = {")).unwrap();
    let ran = eyas(&dir, &["train", "two.toml"]);
    assert!(ran.code == 1 && ran.err.contains("advantages come from [stage.value] or from"), "{ran:?}");
}

#[test]
fn a_flow_takes_the_place_of_advantages() {
    let dir = folder("stages-flow");
    let recipe = |more: &str| {
        trained(&format!(
            "kind = \"rl\"\nsteps = 2\nenv = [{{ id = \"frozen-lake\" }}]\n\
             reward = [{{ name = \"game\" }}, {{ name = \"format\" }}]\n\
             [stage.rollout]\ngroups = 2\ngroup_size = 3\nmax_tokens = 96\nmax_context = 900\n\
             [stage.optim]\nlr = 1e-5\n{more}"
        ))
    };
    let plain = run(&dir, "plain", &recipe(""));
    for objective in ["variance", "sub_trajectory", "detailed"] {
        let flow =
            format!("[stage.flow]\nobjective = {objective:?}\n[stage.off_policy]\ndemonstrations = 1\n");
        let lines = run(&dir, objective, &recipe(&flow));
        assert_eq!(numbers(&lines, "updates"), [1.0; 2]);
        assert!(numbers(&lines, "loss/flow_residual").iter().all(|r| *r > 0.0), "{lines:?}");
        // A value head says 0 of everything until it has learnt.
        let says_nothing = numbers(&lines, "loss/log_z").iter().map(|z| *z == 0.0).collect::<Vec<_>>();
        assert_eq!(says_nothing, [objective != "variance", false], "{objective}: {lines:?}");
        let shown = done(&dir, &["inspect", objective, "--step", "0", "--episode", "0"]).out;
        assert!(shown.contains("A flow has no advantages."), "{shown}");
    }
    let own = run(&dir, "own", &recipe("[stage.flow]\n"));
    assert_eq!(own[0]["reward"], plain[0]["reward"], "the same episodes");
    assert_ne!(own[0]["loss"], plain[0]["loss"]);
}
