//! Which groups a step trains on, and what changes over a stage.
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod common;

use std::fs;
use std::path::Path;

use common::{done, episodes, eyas, folder, numbers, shipped_model};
use serde_json::{Map, Value};

const RECIPE: &str = r#"
[model]
preset = "tiny"
vocab_size = 500

[[stage]]
kind = "rl"
steps = 3
[[stage.env]]
id = "frozen-lake"
levels = [0.0, 0.5, 1.0]
[[stage.env]]
id = "counting"
level = 0.2
[stage.rollout]
groups = 4
group_size = 2
max_tokens = 8
max_context = 300
[[stage.reward]]
name = "format"
[stage.loss]
terms = [{ kind = "entropy", coef = 0.1 }]
[stage.optim]
lr = 1e-3

[eval]
episodes = 1
[[eval.env]]
id = "counting"
"#;

/// The lines of metrics of a run of the recipe with more at its end.
fn run(dir: &Path, name: &str, more: &str) -> Vec<Map<String, Value>> {
    common::run(dir, name, &format!("{RECIPE}{more}"))
}

/// The same with the shipped tiny model, which solves some of the lakes: three groups of four.
fn solving(dir: &Path, name: &str, more: &str) -> Vec<Map<String, Value>> {
    let recipe = format!(
        "[model]\npath = {:?}\n[eval]\nepisodes = 1\n[[stage]]\nkind = \"rl\"\nsteps = 3\n\
         env = [{{ id = \"frozen-lake\" }}]\nreward = [{{ name = \"game\" }}]\noptim = {{ lr = 1e-5 }}\n\
         [stage.rollout]\ngroups = 3\ngroup_size = 4\nmax_tokens = 96\nmax_context = 900\n{more}",
        shipped_model()
    );
    common::run(dir, name, &recipe)
}

/// The groups of four that a step has played.
fn played(dir: &Path, name: &str, step: usize) -> Vec<Vec<Value>> {
    episodes(&dir.join(name), step).chunks(4).map(<[Value]>::to_vec).collect()
}

fn reward(episode: &Value) -> f64 {
    episode["scores"][0]["score"]["ok"].as_f64().unwrap()
}

fn won(episode: &Value) -> bool {
    episode["outcome"] == "success"
}

fn differ(group: &[Value], of: impl Fn(&Value) -> f64) -> bool {
    group.iter().any(|episode| of(episode) != of(&group[0]))
}

#[test]
fn groups_that_teach_nothing_are_replaced_and_the_step_goes_on_without_any() {
    let dir = folder("draw-refill");
    // A model that has learnt nothing never reaches a goal, so no group is useful by success.
    let lines = run(
        &dir,
        "refill",
        "[stage.dynamic_sampling]\nkind = \"refill\"\nmax_rounds = 2\nmax_factor = 2.0\nby = \"success\"\n",
    );
    // Four groups, then at most twice the four that are missing.
    assert_eq!(numbers(&lines, "training/filter_groups/rounds"), [2.0; 3]);
    assert_eq!(numbers(&lines, "training/filter_groups/sampled"), [12.0; 3]);
    assert_eq!(numbers(&lines, "training/filter_groups/trained"), [0.0; 3]);
    assert_eq!(numbers(&lines, "training/filter_groups/short_steps"), [1.0, 2.0, 3.0]);
    assert_eq!(numbers(&lines, "updates"), [0.0; 3]);
    assert_eq!(episodes(&dir.join("refill"), 1).len(), 24, "all that was played is kept");
}

#[test]
fn the_groups_that_spread_most_are_trained_on() {
    let dir = folder("draw-variance");
    let sampling = "[stage.dynamic_sampling]\nkind = \"variance\"\nfactor = 2.0\n";
    let lines = solving(&dir, "variance", sampling);
    assert_eq!(numbers(&lines, "training/filter_groups/sampled"), [6.0; 3]);
    // Groups whose rewards differ, at most as many as are wanted.
    let useful: Vec<usize> = (0..3)
        .map(|step| played(&dir, "variance", step).iter().filter(|g| differ(g, reward)).count())
        .collect();
    println!("{useful:?} of 6 groups have rewards that differ");
    let wanted: Vec<f64> = useful.iter().map(|n| (*n).min(3) as f64).collect();
    assert_eq!(numbers(&lines, "training/filter_groups/trained"), wanted);
    // Those that were left out have no advantage.
    for (step, trained) in wanted.iter().enumerate() {
        let listed = ["inspect", "variance", "--step", &step.to_string()];
        let rows = done(&dir, &[&listed[..], &["--json"]].concat()).json();
        let rows = rows.as_array().unwrap();
        let with =
            rows.chunks(4).filter(|group| group.iter().all(|row| row["advantage"].is_number())).count();
        let without =
            rows.chunks(4).filter(|group| group.iter().all(|row| row["advantage"].is_null())).count();
        assert_eq!((with as f64, without), (*trained, 6 - with), "step {step}: {rows:?}");
        let said = format!("Dynamic sampling chose {with} of 6 groups");
        assert!(done(&dir, &listed).out.contains(&said), "step {step}");
    }
    // Both are to be seen: more than are wanted, and groups that teach nothing.
    assert!(useful.iter().any(|n| *n > 3) && useful.iter().any(|n| *n < 6), "{useful:?}");

    let lines = run(&dir, "expand", "[stage.dynamic_sampling]\nkind = \"expand\"\nrate = 1.0\nmax = 2.0\n");
    // Without a success the share of useful groups is 0: at once twice as many.
    assert_eq!(numbers(&lines, "training/filter_groups/sampled"), [4.0, 8.0, 8.0]);
}

#[test]
fn a_step_samples_until_it_has_enough_groups_with_both_ends() {
    let dir = folder("draw-success");
    let sampling = "[stage.dynamic_sampling]\nkind = \"refill\"\nmax_rounds = 3\nby = \"success\"\n";
    let lines = solving(&dir, "refill", sampling);
    let mut refilled = 0;
    for (step, line) in lines.iter().enumerate() {
        let number = |key: &str| line[&format!("training/filter_groups/{key}")].as_f64().unwrap() as usize;
        let mixed: Vec<bool> =
            played(&dir, "refill", step).iter().map(|g| differ(g, |e| f64::from(u8::from(won(e))))).collect();
        println!("step {step}: {mixed:?} in {} rounds", number("rounds"));
        let useful = mixed.iter().filter(|mixed| **mixed).count();
        assert_eq!(number("sampled"), mixed.len());
        assert_eq!(number("trained"), useful.min(3), "step {step}");
        // Another round only while there are too few.
        let first = mixed[..3].iter().filter(|mixed| **mixed).count();
        assert_eq!(number("rounds") == 1, first == 3, "step {step}");
        assert!(useful >= 3 || number("rounds") == 3, "step {step}");
        refilled += usize::from(number("rounds") > 1);
    }
    assert!(refilled > 0, "some step has to sample again");
}

#[test]
fn a_curriculum_draws_by_its_rule() {
    let dir = folder("draw-curriculum");
    let ordered = "[stage.curriculum]\nrule = { kind = \"ordered\" }\nstarts = 2\n";
    let lines = run(&dir, "ordered", ordered);
    // Items by difficulty, two of each: 0, 0, 0.2, 0.2 | 0.5, 0.5, 1, 1 | and again.
    let got = numbers(&lines, "curriculum/difficulty");
    for (got, want) in got.iter().zip([0.1, 0.75, 0.1]) {
        assert!((got - want).abs() < 1e-12, "{got} {want}");
    }
    assert_eq!(numbers(&lines, "curriculum/seen"), [0.5, 1.0, 1.0]);
    assert!(
        lines[0].get("env/frozen-lake@1/score").is_none()
            && lines[1].get("env/frozen-lake@1/score").is_some()
    );

    let dial =
        "[stage.curriculum]\nrule = { kind = \"dial\", start = 1.0, down = 0.5, step = 0.5, window = 2 }\n";
    let lines = run(&dir, "dial", dial);
    // Both environments: the lake at its dial, counting always. Every attempt fails, so the lake gets easier.
    assert!(lines[0].get("env/frozen-lake@1/score").is_some());
    assert!(
        lines[2].get("env/frozen-lake@0/score").is_some() && lines[2].get("env/counting/score").is_some()
    );
    assert_eq!(numbers(&lines, "curriculum/dial")[2], 0.0);
}

#[test]
fn groups_start_again_in_the_middle_of_earlier_episodes() {
    let dir = folder("draw-restart");
    let lines = solving(&dir, "run", "[stage.restart]\nshare = 0.67\nbonus = 0.25\n");
    assert_eq!(numbers(&lines, "restart/groups"), [0.0, 2.0, 2.0]);
    assert!(numbers(&lines, "restart/kept_passed").iter().all(|n| *n > 0.0), "{lines:?}");
    let steps: Vec<_> = (0..3).map(|step| played(&dir, "run", step)).collect();
    let seed = |group: &Vec<Value>| group[0]["seed"].clone();
    let first: Vec<Value> = steps[0].iter().map(seed).collect();
    // A fresh start, then one from a failure and one from a success.
    let again: Vec<bool> = steps[1].iter().map(|group| first.contains(&seed(group))).collect();
    assert_eq!(again, [false, true, true]);
    for group in &steps[1][1..] {
        let before = steps[0].iter().find(|b| seed(b) == seed(group)).unwrap();
        let shown = |group: &[Value]| group[0]["turns"][0]["perception"].clone();
        assert_ne!(shown(group), shown(before), "further on");
    }
    for (group, bonus) in steps[1].iter().zip([[0.0, 0.0], [0.25, 0.0], [0.0, -0.25]]) {
        for episode in group {
            let row = episode["scores"].as_array().unwrap().last().unwrap();
            assert_eq!(row["name"], "restart");
            assert_eq!(row["score"]["ok"].as_f64().unwrap(), bonus[usize::from(!won(episode))]);
        }
    }
}

#[test]
fn numbers_change_over_a_stage() {
    let dir = folder("draw-control");
    let more = r#"
[[stage.context]]
steps = 1
max_tokens = 4
group = 3
[[stage.context]]
steps = 1
max_tokens = 8
group = 2
[[stage.control]]
of = "entropy"
by = { kind = "ramp", from = 0.0, to = 1.0, steps = 2 }
[[stage.control]]
of = "temperature"
by = { kind = "fixed", value = 0.5 }
"#;
    let lines = run(&dir, "control", more);
    assert_eq!(numbers(&lines, "control/entropy"), [0.0, 0.5, 1.0]);
    assert_eq!(numbers(&lines, "control/temperature"), [0.5; 3]);
    // The shortest episodes have one turn, whose response is cut at the limit.
    assert_eq!(numbers(&lines, "completions/min_length"), [4.0, 8.0, 8.0]);
    let played = |step| episodes(&dir.join("control"), step).len();
    assert_eq!([played(0), played(1), played(2)], [12, 8, 8]);
}

#[test]
fn what_does_not_fit_is_refused_at_its_place() {
    let dir = folder("draw-refused");
    for (more, message) in [
        (
            "[stage.curriculum]\nrule = { kind = \"ordered\" }\n",
            "`stage.0.curriculum.starts`: this rule takes",
        ),
        (
            "[stage.curriculum]\nrule = { kind = \"staged\", gates = [{}, {}, {}, {}] }\n",
            "`stage.0.curriculum`: stage is empty",
        ),
        (
            "[[stage.control]]\nof = \"perception\"\nby = { kind = \"fixed\" }\n",
            "there is no perception to change",
        ),
        ("[stage.dynamic_sampling]\nkind = \"refill\"\nmax_rounds = 0\n", "dynamic_sampling.max_rounds"),
        ("[stage.dynamic_sampling]\nkind = \"more\"\n", "unknown variant `more`"),
        ("[[stage.context]]\nsteps = 1\nmax_tokens = 8\ngroup = 1\n", "at least 2"),
        ("[stage.restart]\nshare = 1.5\n", "restart.share"),
        ("[stage.restart]\n[stage.curriculum]\nstarts = 2\n", "`stage.0.restart`: groups that start again"),
    ] {
        fs::write(dir.join("r.toml"), format!("{RECIPE}{more}")).unwrap();
        let ran = eyas(&dir, &["train", "r.toml"]);
        assert!(ran.code == 1 && ran.err.contains(message), "{message:?} in {ran:?}");
    }
}
