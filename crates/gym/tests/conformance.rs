//! The laws of an environment, checked for every registered one under its default knobs and under
//! every setting with one knob at an end of its range.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{envs, seed, settings, start};
use eyas_gym::{
    Axis, Difficulty, EnvEntry, Game, KnobError, KnobKind, KnobValue, Knobs, ParseError, Preset,
    ResponseStyle, Status, VIEW_KNOBS, find, first_message, play_oracle, play_random, response,
};

/// Runs `check` for every environment and setting.
fn everywhere(check: impl Fn(&EnvEntry, &Knobs)) {
    for entry in envs() {
        for knobs in settings(&entry) {
            check(&entry, &knobs);
        }
    }
}

/// Everything that can be seen of a state, as one text. `drawn` adds the picture.
fn view(game: &dyn Game, drawn: bool) -> String {
    let image = if drawn { game.render().id().to_string() } else { String::new() };
    let (snapshot, perception) = (game.snapshot().unwrap(), game.perception());
    format!("{snapshot} {image} {} {} {:?}", perception.text, perception.data, game.status())
}

/// One random legal action; an idle turn where there is none.
fn random_step(game: &mut dyn Game, rng: &mut eyas_core::Rng) -> String {
    let legal = game.legal_actions();
    match rng.choose(&legal) {
        Some(action) => format!("{action} {:?}", game.step(action).unwrap()),
        None => format!("{:?}", game.pass()),
    }
}

#[test]
fn ids_and_knobs_are_well_formed() {
    let mut ids = BTreeSet::new();
    for entry in envs() {
        let spec = entry.spec;
        assert!(ids.insert(spec.id), "{} is there twice", spec.id);
        assert!(
            spec.id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'),
            "{}",
            spec.id
        );
        assert_eq!(find(spec.id).unwrap().spec, spec);
        assert!(spec.invalid_reward.is_finite());
        for text in [spec.title, spec.summary, spec.grammar, spec.oracle, spec.score] {
            assert!(!text.is_empty() && !text.contains('\n'), "{}: {text:?}", spec.id);
        }
        let axes: BTreeSet<_> = spec.knobs.iter().map(|k| k.axis).collect();
        assert!(spec.knobs.len() >= 3 && axes.len() >= 2, "{} has too few knobs or axes", spec.id);
        let names: BTreeSet<_> = spec.knobs.iter().map(|k| k.name).collect();
        assert_eq!(names.len(), spec.knobs.len(), "{} has a knob twice", spec.id);
        for knob in spec.knobs {
            assert!(!knob.doc.is_empty(), "{}.{}", spec.id, knob.name);
            let valid = match knob.kind {
                KnobKind::Int { min, max, default } => min < max && (min..=max).contains(&default),
                KnobKind::Float { min, max, default } => min < max && (min..=max).contains(&default),
                KnobKind::Bool { .. } => true,
                KnobKind::Choice { options, default } => options.len() > 1 && options.contains(&default),
            };
            assert!(valid, "{}.{}: {:?}", spec.id, knob.name, knob.kind);
        }
        let unknown = BTreeMap::from([("no such knob".to_string(), KnobValue::Int(1))]);
        assert!(matches!(entry.knobs(&unknown), Err(KnobError::Unknown { .. })));
        assert_eq!(entry.knobs(&BTreeMap::new()).unwrap(), Knobs::defaults(spec.knobs));
    }
}

#[test]
fn every_knob_does_something() {
    for entry in envs() {
        let base = entry.knobs(&BTreeMap::new()).unwrap();
        let worlds =
            |knobs: &Knobs| -> String { (0..8).map(|i| view(&*start(&entry, knobs, i), true)).collect() };
        let seen: Vec<(Knobs, String)> =
            settings(&entry).into_iter().map(|k| (k.clone(), worlds(&k))).collect();
        for (i, (a, world)) in seen.iter().enumerate().skip(1) {
            assert_ne!(*world, seen[0].1, "{}: {a:?} is like {base:?}", entry.spec.id);
            for (b, other) in &seen[..i] {
                assert_ne!(world, other, "{}: {a:?} is like {b:?}", entry.spec.id);
            }
        }
    }
}

#[test]
fn perception_knobs_change_the_picture() {
    for entry in envs() {
        for knob in entry.spec.knobs.iter().filter(|k| k.axis == Axis::Perception) {
            let pictures =
                |knobs: &Knobs| -> Vec<_> { (0..8).map(|i| start(&entry, knobs, i).render().id()).collect() };
            let all = settings(&entry);
            let turned = all.iter().filter(|k| k.values()[knob.name] != all[0].values()[knob.name]);
            assert!(turned.clone().count() > 0, "{}.{} cannot be turned", entry.spec.id, knob.name);
            for knobs in turned {
                assert_ne!(pictures(knobs), pictures(&all[0]), "{}.{}", entry.spec.id, knob.name);
            }
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_other_seeds_differ() {
    everywhere(|entry, knobs| {
        let views: Vec<String> = (0..12).map(|i| view(&*start(entry, knobs, i), true)).collect();
        let again: Vec<String> = (0..12).map(|i| view(&*start(entry, knobs, i), true)).collect();
        assert_eq!(views, again, "{}", entry.spec.id);
        let pictures: BTreeSet<_> = (0..12).map(|i| start(entry, knobs, i).render().id()).collect();
        assert!(pictures.len() >= 6, "{}: {} pictures from 12 seeds", entry.spec.id, pictures.len());
    });
}

#[test]
fn forks_and_restored_states_play_on_alike() {
    everywhere(|entry, knobs| {
        for index in 0..2 {
            let mut original = start(entry, knobs, index);
            let mut rng = seed(100 + index).rng();
            for _ in 0..index * 3 {
                random_step(&mut *original, &mut rng);
            }
            let text = serde_json::to_string(&original.snapshot().unwrap()).unwrap();
            let mut restored = entry.restore(serde_json::from_str(&text).unwrap()).unwrap();
            let mut fork = original.fork();
            let before = view(&*original, false);
            for turn in 0..30 {
                let mut copies = [rng.clone(), rng.clone()];
                let expected = random_step(&mut *original, &mut rng);
                if turn == 0 && !expected.is_empty() {
                    assert_eq!(before, view(&*fork, false), "{}: a fork follows its original", entry.spec.id);
                }
                for (copy, rng) in [&mut fork, &mut restored].into_iter().zip(&mut copies) {
                    assert_eq!(expected, random_step(&mut **copy, rng), "{}", entry.spec.id);
                    assert_eq!(view(&*original, true), view(&**copy, true), "{}", entry.spec.id);
                }
            }
        }
        assert!(entry.restore(serde_json::json!({"no": "state"})).is_err(), "{}", entry.spec.id);
    });
}

#[test]
fn drawing_changes_nothing_and_happens_on_request_only() {
    everywhere(|entry, knobs| {
        let mut game = start(entry, knobs, 3);
        let before = game.snapshot().unwrap();
        let image = game.render();
        assert!(image.width() >= 28 && image.height() >= 28, "{image:?}");
        assert_eq!(before, game.snapshot().unwrap());
        let observation = game.observe();
        random_step(&mut *game, &mut seed(4).rng());
        assert!(!observation.is_drawn(), "{}: stepping drew a picture", entry.spec.id);
        assert_eq!(observation.image(), image, "{}: the observation is not of its own state", entry.spec.id);
        assert!(observation.is_drawn());
    });
}

#[test]
fn legal_actions_are_canonical_and_accepted() {
    everywhere(|entry, knobs| {
        let mut game = start(entry, knobs, 5);
        let mut rng = seed(6).rng();
        for _ in 0..12 {
            let legal = game.legal_actions();
            let running = game.status() == Status::Running;
            assert!(running || legal.is_empty(), "{}: legal actions after the end", entry.spec.id);
            for action in &legal {
                assert_eq!(game.parse(action).as_ref(), Ok(action), "{}", entry.spec.id);
                assert_eq!(game.parse(&format!("  {action}\n")).as_ref(), Ok(action), "{}", entry.spec.id);
                let step = game.fork().step(action).unwrap();
                assert!(step.legal, "{}: {action} is refused", entry.spec.id);
                assert!(step.reward.is_finite() && step.score.is_finite());
            }
            random_step(&mut *game, &mut rng);
        }
    });
}

#[test]
fn the_oracle_plays_legal_moves_and_can_say_why() {
    everywhere(|entry, knobs| {
        let mut game = start(entry, knobs, 7);
        let mut rng = seed(8).rng();
        for turn in 0..6 {
            if game.status() != Status::Running {
                break;
            }
            let action = game.oracle();
            assert_eq!(action, game.oracle());
            let reason = game.reason(&action).unwrap();
            let words: Vec<&str> = reason.split(' ').collect();
            assert!(words.len() <= 40, "{}: {} words: {reason}", entry.spec.id, words.len());
            let plain = |w: &&str| !w.is_empty() && w.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
            assert!(words.iter().all(plain), "{}: {reason:?}", entry.spec.id);
            let text = response(&*game, &action, ResponseStyle::Perception).unwrap();
            assert!(text.ends_with(&format!("<answer>{action}</answer>")) && text.contains(&reason));
            // Every second move is a random one, so that states off the best way are met too.
            if turn % 2 == 0 {
                let step = game.step(&action).unwrap();
                assert!(step.legal, "{}: the oracle's {action} is refused", entry.spec.id);
            } else {
                random_step(&mut *game, &mut rng);
            }
        }
    });
}

#[test]
fn the_oracle_is_better_than_chance() {
    const EPISODES: u64 = 60;
    let mut too_near = Vec::new();
    for entry in envs() {
        let settings = settings(&entry);
        // The defaults, and the last setting that changes the task and not only its looks.
        let looks =
            |name: &str| entry.spec.knobs.iter().any(|k| k.name == name && k.axis == Axis::Perception);
        let other = settings.iter().rev().find(|knobs| {
            let mut values = knobs.values().iter();
            values.any(|(name, value)| !looks(name) && *value != settings[0].values()[name])
        });
        for knobs in [&settings[0], other.unwrap()] {
            let mean = |play: &dyn Fn(u64) -> f32| {
                (0..EPISODES).map(|i| f64::from(play(i))).sum::<f64>() / EPISODES as f64
            };
            let oracle = mean(&|i| play_oracle(start(&entry, knobs, i)));
            let random = mean(&|i| play_random(start(&entry, knobs, i), seed(1000 + i)));
            println!("{}: random {random:.3}, oracle {oracle:.3}", entry.spec.id);
            if oracle <= random || oracle < random + 0.2 * oracle.abs() {
                too_near.push(format!("{}: oracle {oracle}, random {random}, {knobs:?}", entry.spec.id));
            }
        }
    }
    assert!(too_near.is_empty(), "{too_near:#?}");
}

#[test]
fn garbage_is_an_error_and_changes_nothing() {
    let long = "9".repeat(100_000);
    let garbage = [
        "",
        " ",
        "banana",
        "99999999999999999999",
        "-1",
        "(0,99) (0,0)",
        "(99999999999999999999,0) (0,0)",
        "[nan, 0, 1, 1]",
        "[inf, 0, 1, 1]",
        "[0, 0, 1e9, 1]",
        "[1, 2, 3]",
        "[[[[",
        "]",
        "up up",
        "ｕｐ",
        "\u{0}",
        "up\u{301}",
        "🦅",
        &long,
    ];
    everywhere(|entry, knobs| {
        let mut game = start(entry, knobs, 9);
        let before = view(&*game, false);
        for text in garbage {
            let short: String = text.chars().take(40).collect();
            assert!(game.parse(text).is_err(), "{} reads {short:?}", entry.spec.id);
            let error = game.step(text).expect_err(&short);
            assert!(error.to_string().len() < 600, "{}: a long message for {short:?}", entry.spec.id);
            assert!(game.reason(text).is_err(), "{} explains {short:?}", entry.spec.id);
        }
        assert_eq!(before, view(&*game, false), "{}", entry.spec.id);
    });
}

/// The values of a state by their path.
fn leaves(state: &serde_json::Value) -> BTreeMap<String, String> {
    fn walk(value: &serde_json::Value, path: &str, out: &mut BTreeMap<String, String>) {
        match value {
            serde_json::Value::Object(fields) => {
                fields.iter().for_each(|(name, value)| walk(value, &format!("{path}.{name}"), out));
            }
            serde_json::Value::Array(items) => {
                items.iter().enumerate().for_each(|(i, value)| walk(value, &format!("{path}.{i}"), out));
            }
            leaf => {
                out.insert(path.to_string(), leaf.to_string());
            }
        }
    }
    let mut out = BTreeMap::new();
    walk(state, "", &mut out);
    out
}

/// A pass may change the turn counter and, on the last turn, the outcome; nothing else of the state,
/// and nothing that can be seen.
#[test]
fn a_pass_counts_a_turn_only_and_ends_in_time() {
    everywhere(|entry, knobs| {
        let mut game = start(entry, knobs, 10);
        let mut passes = 0;
        while game.status() == Status::Running {
            let before = (game.snapshot().unwrap(), game.render(), game.perception(), game.legal_actions());
            let step = game.pass();
            passes += 1;
            assert!(passes <= 10_000, "{} never ends", entry.spec.id);
            assert_eq!(step.reward, entry.spec.invalid_reward, "{}", entry.spec.id);
            assert!(!step.legal && step.status == game.status());
            assert_eq!(before.1, game.render(), "{}", entry.spec.id);
            assert_eq!(before.2, game.perception(), "{}", entry.spec.id);
            if game.status() == Status::Running {
                assert_eq!(before.3, game.legal_actions(), "{}", entry.spec.id);
            }
            let (old, new) = (leaves(&before.0), leaves(&game.snapshot().unwrap()));
            let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            let changed: Vec<_> = keys.into_iter().filter(|key| old.get(*key) != new.get(*key)).collect();
            assert!(!changed.is_empty(), "{}: a pass is not counted", entry.spec.id);
            let counters =
                changed.iter().all(|key| key.split('.').any(|part| ["turn", "outcome"].contains(&part)));
            assert!(counters, "{}: a pass changes {changed:?}", entry.spec.id);
        }
    });
}

#[test]
fn a_refused_move_counts_a_turn_only() {
    for entry in envs() {
        let mut refused = 0;
        for knobs in settings(&entry) {
            let mut game = start(&entry, &knobs, 11);
            let mut rng = seed(12).rng();
            for _ in 0..6 {
                if game.status() != Status::Running {
                    break;
                }
                let legal = game.legal_actions();
                let words = ["up", "right", "down", "left"].map(String::from);
                for action in words.iter().filter(|a| game.parse(a).is_ok() && !legal.contains(a)) {
                    let mut other = game.fork();
                    let step = other.step(action).unwrap();
                    assert!(!step.legal, "{}: {action} is accepted but not listed", entry.spec.id);
                    assert_eq!(other.perception(), game.perception(), "{}", entry.spec.id);
                    refused += 1;
                }
                random_step(&mut *game, &mut rng);
            }
        }
        if entry.spec.grammar == eyas_gym::Direction::GRAMMAR {
            assert!(refused > 0, "{}: no refused move was met", entry.spec.id);
        }
    }
}

#[test]
fn after_the_end_nothing_pays_and_nothing_changes() {
    everywhere(|entry, knobs| {
        let mut game = start(entry, knobs, 13);
        let action = game.oracle();
        let mut rng = seed(14).rng();
        for _ in 0..10_000 {
            if game.status() != Status::Running {
                break;
            }
            random_step(&mut *game, &mut rng);
        }
        assert_ne!(game.status(), Status::Running, "{} never ends", entry.spec.id);
        assert!(game.legal_actions().is_empty());
        let before = view(&*game, true);
        assert_eq!(game.step(&action), Err(ParseError::Over), "{}", entry.spec.id);
        let step = game.pass();
        assert_eq!((step.reward, step.score), (0.0, 0.0), "{}", entry.spec.id);
        assert_eq!(before, view(&*game, true), "{}", entry.spec.id);
    });
}

#[test]
fn texts_are_plain_and_short() {
    everywhere(|entry, knobs| {
        for index in 0..4 {
            let game = start(entry, knobs, index);
            let text = game.perception().text;
            assert!(!text.is_empty() && !text.ends_with('\n'));
            for line in text.lines() {
                let words: Vec<&str> = line.split(' ').collect();
                assert!(words.iter().all(|w| !w.is_empty() && !w.contains(char::is_whitespace)), "{line:?}");
                assert_eq!(words.join(" "), line);
            }
            let rules = game.rules();
            assert!(!rules.contains('\n') && rules.split_whitespace().count() <= 45, "{rules}");
            let message = first_message(&*game, ResponseStyle::Perception);
            assert!(message.contains(&rules) && message.contains(entry.spec.grammar));
        }
    });
}

#[test]
fn presets_are_playable_and_turn_at_least_two_axes() {
    for entry in envs() {
        let axes: BTreeSet<Axis> =
            entry.spec.knobs.iter().filter(|k| k.dial.is_some()).map(|k| k.axis).collect();
        assert!(axes.len() >= 2, "{}: the dial turns {axes:?} only", entry.spec.id);
        let all: Vec<Knobs> = [0.0, 0.25, 0.5, 0.75, 1.0]
            .map(|d| entry.knobs_at(&Difficulty::All(d), &BTreeMap::new()).unwrap())
            .into();
        assert_ne!(all[0], all[2], "{}", entry.spec.id);
        assert_ne!(all[2], all[4], "{}", entry.spec.id);
        for knobs in &all {
            (0..8).for_each(|i| assert_eq!(start(&entry, knobs, i).status(), Status::Running));
        }
        for axis in axes {
            let at = |d| entry.knobs_at(&Difficulty::Axes([(axis, d)].into()), &BTreeMap::new()).unwrap();
            assert_ne!(at(0.0), at(1.0), "{}: {axis:?}", entry.spec.id);
            for d in [0.0, 1.0] {
                start(&entry, &at(d), 1);
            }
        }
        for preset in Preset::ALL {
            let knobs = entry.knobs_at(&Difficulty::All(preset.difficulty()), &BTreeMap::new()).unwrap();
            let mean = |play: &dyn Fn(u64) -> f32| (0..30).map(|i| f64::from(play(i))).sum::<f64>() / 30.0;
            let oracle = mean(&|i| play_oracle(start(&entry, &knobs, i)));
            let random = mean(&|i| play_random(start(&entry, &knobs, i), seed(1000 + i)));
            println!("{} {}: random {random:.3}, oracle {oracle:.3}", entry.spec.id, preset.name());
            assert!(oracle > random, "{} {preset:?}: oracle {oracle}, random {random}", entry.spec.id);
        }
    }
}

#[test]
fn common_knobs_change_the_picture_and_nothing_else() {
    let values = [("resolution", 300.into()), ("blur", 1.5.into()), ("occlusion", 0.2.into())]
        .into_iter()
        .chain([("noise", 0.1.into()), ("jpeg", 20.into())]);
    let values: Vec<(&str, serde_json::Value)> = values.collect();
    assert_eq!(values.len(), VIEW_KNOBS.len());
    for entry in envs() {
        let plain = start(&entry, &entry.knobs(&BTreeMap::new()).unwrap(), 3);
        for (name, value) in &values {
            let given = BTreeMap::from([(name.to_string(), serde_json::from_value(value.clone()).unwrap())]);
            let knobs = entry.knobs(&given).unwrap();
            if *name == "resolution" && entry.spec.pixel_answers {
                assert!(matches!(entry.reset(seed(3), &knobs), Err(KnobError::Conflict { .. })));
                continue;
            }
            let game = start(&entry, &knobs, 3);
            assert_ne!(game.render(), plain.render(), "{}: {name}", entry.spec.id);
            assert_eq!(game.render(), game.render(), "{}: {name}", entry.spec.id);
            assert_eq!(game.perception(), plain.perception(), "{}: {name}", entry.spec.id);
            let restored = entry.restore(game.snapshot().unwrap()).unwrap();
            assert_eq!(game.render(), restored.render(), "{}: {name}", entry.spec.id);
            if *name == "resolution" {
                let image = game.render();
                assert_eq!(image.width().max(image.height()), 300, "{}", entry.spec.id);
            }
        }
    }
}

#[test]
fn frames_are_in_order_of_time() {
    everywhere(|entry, knobs| {
        let game = start(entry, knobs, 2);
        let frames = game.frames();
        assert!(!frames.is_empty());
        assert_eq!(frames, game.frames(), "{}", entry.spec.id);
        if let [only] = frames.as_slice() {
            assert_eq!(only.image, game.render(), "{}", entry.spec.id);
        }
        let times: Vec<f32> = frames.iter().filter_map(|f| f.seconds).collect();
        assert!(times.is_empty() || times.len() == frames.len(), "{}", entry.spec.id);
        assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{}: {times:?}", entry.spec.id);
    });
}

#[test]
fn a_hundred_thousand_random_steps_never_panic() {
    // Shared out over all environments and presets, so that the suite stays short; the benchmark of
    // the gym plays more.
    let envs = envs();
    for entry in &envs {
        for preset in Preset::ALL {
            let knobs = entry.knobs_at(&Difficulty::All(preset.difficulty()), &BTreeMap::new()).unwrap();
            let (mut steps, mut episode) = (0, 0);
            while steps < 100_000 / (envs.len() * 3) {
                let mut game = start(entry, &knobs, 5_000 + episode);
                let mut rng = seed(6_000 + episode).rng();
                while game.status() == Status::Running {
                    match game.guess(&mut rng) {
                        Some(action) => drop(game.step(&action).unwrap()),
                        None => drop(game.pass()),
                    }
                    steps += 1;
                }
                episode += 1;
            }
        }
    }
}
