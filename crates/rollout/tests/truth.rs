//! What environments tell as ground truth is what rewards read: the oracle's own responses earn the most
//! that each reward can give.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use eyas_core::{EPISODE_VERSION, Episode, Outcome, Score, Seed, Trajectory, Truth, Turn};
use eyas_gym::{EnvEntry, Game, Knobs, Status, registry};
use eyas_reward::{RewardSpec, Scene, score_group};
use serde_json::{Value, json};

/// An episode of the oracle; `answer` gives what is written for a state and its action.
fn episode(mut game: Box<dyn Game>, answer: impl Fn(&dyn Game, &str) -> String) -> Episode {
    let mut turns = Vec::new();
    let mut outcome = Outcome::Truncated;
    while let Status::Running = game.status() {
        let action = game.oracle();
        let image = game.render();
        turns.push((
            Turn {
                response: format!("<think>t</think><answer>{}</answer>", answer(&*game, &action)),
                images: vec![image.id()],
                action: Some(action.clone()),
                truth: Some(Truth { answer: action.clone(), facts: game.facts() }),
                ..Turn::default()
            },
            image,
        ));
        if let Status::Done(how) = game.step(&action).unwrap().status {
            outcome = how;
        }
    }
    Episode {
        version: EPISODE_VERSION,
        env: game.spec().id.into(),
        seed: Seed::new(1),
        knobs: json!({}),
        images: turns.iter().map(|(turn, image)| (turn.images[0], image.clone())).collect(),
        turns: turns.into_iter().map(|(turn, _)| turn).collect(),
        trajectory: Trajectory::new(5),
        scores: Vec::new(),
        env_return: 0.0,
        env_score: 0.0,
        outcome,
    }
}

fn games(env: &str, given: Value) -> impl Iterator<Item = Box<dyn Game>> {
    let entry = eyas_gym::find(env).unwrap();
    let knobs = entry.knobs(&serde_json::from_value(given).unwrap()).unwrap();
    (0..12).map(move |i| entry.reset(Seed::new(i), &knobs).unwrap())
}

fn score(spec: &Value, episode: Episode) -> Score {
    let spec: RewardSpec = serde_json::from_value(spec.clone()).unwrap();
    let mut group = [episode];
    score_group(&[spec], &mut group, &Scene { tags: &["think", "answer"], ..Scene::default() });
    group[0].scores[0].score.clone()
}

/// (environment, knobs, reward, the most that it gives): what the oracle plays is what the reward wants.
fn played() -> Vec<(&'static str, Value, Value, f32)> {
    let of = |name: &str, form: &str| json!({"name": name, "gold": format!("/truth/{form}")});
    let mut cases = vec![
        ("highway", json!({}), of("meta_action_f1", "plan"), 1.0),
        ("highway", json!({}), of("alphadrive", "plan"), 1.0),
        ("temporal-grounding", json!({}), of("tiou", "span"), 1.0),
        ("temporal-grounding", json!({}), of("time_coverage", "span"), 1.0),
        ("temporal-grounding", json!({}), of("time_coverage", "spans"), 1.0),
        ("temporal-grounding", json!({"phrase": "mixed"}), of("tiou_sets", "spans"), 1.0),
        ("gui-grounding", json!({}), of("gui_grounding", "target"), 1.0),
        ("shop", json!({}), of("gui_r1", "action"), 1.0),
        ("shop", json!({}), of("gui_action_type", "action"), 1.0),
    ];
    for env in ["gui-grounding", "form", "screen-graph"] {
        for (name, most) in [("gui_r1", 1.0), ("ui_r1", 2.0), ("infigui_r1", 1.0), ("gui_action_type", 1.0)] {
            cases.push((env, json!({}), of(name, "target"), most));
        }
    }
    cases.push(("form", json!({"fields": 6, "kinds": "text"}), of("gui_r1", "target"), 1.0));
    for series in [1, 3] {
        let mut table = of("table_rms", "table");
        table["params"] = json!({"headers": false});
        cases.push(("chart-table", json!({"series": series}), table, 1.0));
    }
    for env in ["pick-place", "stack"] {
        for form in ["viki", "exact", "prefix", "f1"] {
            let mut plan = of("plan", "plan");
            plan["params"] = json!({"form": form});
            plan["turns"] = json!("last");
            cases.push((env, json!({"actions": 16}), plan, 1.0));
        }
    }
    let mut bought = of("webshop", "goal");
    bought["turns"] = json!("last");
    cases.push(("shop", json!({"options": 2, "attributes": 2}), bought, 1.0));
    cases
}

#[test]
fn what_the_oracle_plays_earns_the_most() {
    for (env, knobs, spec, most) in played() {
        for game in games(env, knobs) {
            let episode = episode(game, |_, action| action.to_string());
            let told = &episode.turns[0];
            let (said, truth) = (told.response.clone(), told.truth.clone());
            assert_eq!(score(&spec, episode), Score::Ok(most), "{env} {spec}: {said} {truth:?}");
        }
    }
}

#[test]
fn another_answer_earns_less() {
    // One action type is all that gui-grounding knows, so its type alone is always right.
    let told_apart = |spec: &Value| spec["name"] != "gui_action_type";
    for (env, knobs, spec, most) in played().into_iter().filter(|(_, _, spec, _)| told_apart(spec)) {
        let below = games(env, knobs).filter(|game| {
            let spec: RewardSpec = serde_json::from_value(spec.clone()).unwrap();
            // A guess instead of the oracle's action in every turn; what was bought is what was bought.
            let mut episode = episode(game.fork(), |game, action| {
                game.guess(&mut Seed::new(3).rng()).unwrap_or_else(|| action.to_string())
            });
            for turn in &mut episode.turns {
                turn.action = Some("click[Back]".into());
            }
            let mut group = [episode];
            score_group(&[spec], &mut group, &Scene { tags: &["think", "answer"], ..Scene::default() });
            group[0].scores[0].score.value().is_some_and(|value| value < most)
        });
        assert!(below.count() >= 6, "{env} {spec}");
    }
}

#[test]
fn every_form_is_there_in_every_state() {
    let mut listed = 0;
    for entry in registry() {
        let names: BTreeSet<&str> = entry.truth.iter().map(|form| form.name).collect();
        assert_eq!(names.len(), entry.truth.len(), "{}", entry.spec.id);
        listed += names.len();
        for name in entry.truth.iter().flat_map(|form| form.rewards) {
            assert!(eyas_reward::find(name).is_ok(), "{}: no reward is called {name}", entry.spec.id);
        }
        each_state(&entry, &entry.knobs(&BTreeMap::new()).unwrap(), &names);
    }
    assert!(listed >= 13, "{listed}");
}

fn each_state(entry: &EnvEntry, knobs: &Knobs, names: &BTreeSet<&str>) {
    let mut game = entry.reset(Seed::new(4), knobs).unwrap();
    assert!(game.facts().is_object(), "{}: facts are no object", entry.spec.id);
    while game.status() == Status::Running {
        let facts = game.facts();
        let told = facts.get("truth").and_then(Value::as_object);
        let told: BTreeSet<&str> = told.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        assert_eq!(told, *names, "{}", entry.spec.id);
        game.step(&game.oracle()).unwrap();
    }
    assert_eq!(game.facts(), game.perception().data, "{}: after the end", entry.spec.id);
}

/// Every named form has its line in the documentation.
#[test]
fn the_documentation_lists_every_form() {
    let page = include_str!("../../../docs/environments.md");
    for entry in registry() {
        for form in entry.truth {
            let rewards: Vec<String> = form.rewards.iter().map(|name| format!("`{name}`")).collect();
            let line = format!(
                "| `{}` | `/truth/{}` | {} | {} |\n",
                entry.spec.id,
                form.name,
                form.doc,
                rewards.join(", ")
            );
            assert!(page.contains(&line), "docs/environments.md lacks the line\n{line}");
        }
    }
}
