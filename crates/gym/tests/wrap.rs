//! Knobs that change how any environment is played.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;

use common::seed;
use eyas_gym::{
    Game, KnobValue, ParseError, ResponseStyle, Status, fast_forward, fast_forward_oracle, find,
    first_message, later_message,
};

fn game(env: &str, index: u64, given: &[(&str, KnobValue)]) -> Box<dyn Game> {
    let entry = find(env).unwrap();
    let given: BTreeMap<_, _> = given.iter().map(|(n, v)| (n.to_string(), v.clone())).collect();
    entry.reset(seed(index), &entry.knobs(&given).unwrap()).unwrap()
}

fn word(text: &str) -> KnobValue {
    KnobValue::Choice(text.into())
}

#[test]
fn several_actions_are_the_same_as_one_after_another() {
    let mut many = game("frozen-lake", 1, &[("actions", KnobValue::Int(3))]);
    let mut one = game("frozen-lake", 1, &[]);
    assert!(many.rules().ends_with("Up to 3 actions a turn, separated by ;"), "{}", many.rules());
    let answer = many.oracle();
    let parts: Vec<&str> = answer.split("; ").collect();
    assert!(parts.len() > 1, "{answer}");
    assert_eq!(many.parse(&answer.replace("; ", " ;")).unwrap(), answer);
    let step = many.step(&answer).unwrap();
    let sum: f32 = parts.iter().map(|a| one.step(a).unwrap().reward).sum();
    assert_eq!((step.reward, step.status), (sum, one.status()));
    assert_eq!(many.perception(), one.perception());

    let mut fresh = game("frozen-lake", 1, &[("actions", KnobValue::Int(3))]);
    let before = fresh.snapshot().unwrap();
    for bad in ["up; up; up; up", "up; banana", "up;", ";", ""] {
        assert!(fresh.step(bad).is_err(), "{bad}");
    }
    assert_eq!(fresh.snapshot().unwrap(), before);
    // Where only one is allowed, the separator is no part of the grammar.
    assert!(game("frozen-lake", 1, &[]).parse("up; up").is_err());
}

#[test]
fn a_wrong_answer_may_be_tried_again_for_half_the_score() {
    let tries = [("tries", KnobValue::Int(3))];
    // Shisen-Sho pays one right pair a turn and ends after one turn.
    let mut game = game("shisen-sho", 3, &tries);
    let (right, start) = (game.oracle(), game.perception());
    let legal = game.legal_actions();
    let wrong = (0..6)
        .flat_map(|r| (0..6).map(move |c| format!("(0,0) ({r},{c})")))
        .filter_map(|a| game.parse(&a).ok())
        .find(|a| !legal.contains(a))
        .unwrap();
    let first = game.step(&wrong).unwrap();
    assert_eq!((first.score, first.status), (0.0, Status::Running));
    assert_eq!(game.perception(), start, "the question stays");
    assert!(later_message(game.as_ref()).contains("Try again"));
    let again = game.step(&wrong).unwrap();
    assert!(again.reward < first.reward, "a repeated answer costs");
    let entry = find("shisen-sho").unwrap();
    let mut restored = entry.restore(game.snapshot().unwrap()).unwrap();
    for game in [&mut game, &mut restored] {
        let last = game.step(&right).unwrap();
        assert_eq!(last.score, 0.25);
        assert_ne!(last.status, Status::Running);
        assert_eq!(game.step(&right), Err(ParseError::Over));
    }
    // After the last try the episode is over.
    let mut game = self::game("shisen-sho", 3, &tries);
    let ends: Vec<Status> = (0..3).map(|_| game.step(&wrong).unwrap().status).collect();
    assert_eq!(ends[..2], [Status::Running; 2]);
    assert_ne!(ends[2], Status::Running);
    let state = serde_json::json!({"actions": 1, "tries": 99, "show": "picture", "tried": []});
    let mut snapshot = game.snapshot().unwrap();
    snapshot["@wrap"] = state;
    assert!(entry.restore(snapshot).is_err());
}

#[test]
fn the_state_can_be_told_instead_of_shown() {
    let message = |show: &str| {
        let game = game("2048", 4, &[("show", word(show))]);
        (game.frames().len(), first_message(game.as_ref(), ResponseStyle::Think), game.perception().text)
    };
    let (frames, plain, board) = message("picture");
    assert_eq!((frames, plain.contains(&board)), (1, false));
    let (frames, both, _) = message("both");
    assert_eq!((frames, both), (1, format!("{plain}\n{board}")));
    let (frames, text, _) = message("text");
    assert_eq!((frames, text), (0, format!("{plain}\n{board}")));
}

#[test]
fn an_episode_can_begin_further_on() {
    let steps = [("start_steps", KnobValue::Int(2)), ("turns", KnobValue::Int(8))];
    let plain = game("2048", 5, &steps[1..]);
    let later = game("2048", 5, &steps);
    assert_ne!(plain.perception(), later.perception());
    assert_eq!(later.perception(), game("2048", 5, &steps).perception());
    let mut forward = plain.fork();
    assert_eq!(fast_forward(&mut forward, 3, &mut seed(1).rng()), 3);
    assert_eq!(forward.status(), Status::Running);
    // Nothing goes past the end.
    let mut lake = game("frozen-lake", 1, &[]);
    let made = fast_forward_oracle(&mut lake, 100);
    assert!(made < 8 && lake.status() == Status::Running);
    assert_ne!(lake.fork().step(&lake.oracle()).unwrap().status, Status::Running);
}

#[test]
fn earlier_pictures_come_first() {
    let mut with = game("frozen-lake", 1, &[("history", KnobValue::Int(2))]);
    assert!(with.rules().ends_with("The pictures of up to 2 turns before come first."), "{}", with.rules());
    let mut shown = vec![with.render().id()];
    for _ in 0..3 {
        let frames: Vec<_> = with.frames().iter().map(|f| f.image.id()).collect();
        assert_eq!(frames, shown[shown.len().saturating_sub(3)..]);
        // A state that is read back shows the same, and goes on alike.
        let mut copy = find("frozen-lake").unwrap().restore(with.snapshot().unwrap()).unwrap();
        assert_eq!(copy.frames(), with.frames());
        let action = with.oracle();
        assert_eq!(copy.step(&action).unwrap(), with.step(&action).unwrap());
        assert_eq!(copy.snapshot().unwrap(), with.snapshot().unwrap());
        shown.push(with.render().id());
        if with.status() != Status::Running {
            break;
        }
    }
    assert!(shown.len() > 2);
    let mut broken = with.snapshot().unwrap();
    broken["@past"] = serde_json::json!([1]);
    assert!(find("frozen-lake").unwrap().restore(broken).is_err());
}
