use super::*;
use crate::KnobValue;

fn reset(seed: u64, given: &[(&str, KnobValue)]) -> RouteMap {
    let given = given.iter().map(|(name, v)| (name.to_string(), v.clone())).collect();
    RouteMap::reset(Seed::new(seed), &Knobs::resolve(SPEC.id, KNOBS, &given).unwrap()).unwrap()
}

/// A map from lines of the perception text.
fn map(text: &str, stepwise: bool) -> RouteMap {
    let mut game = reset(0, &[]);
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(' ').collect()).collect();
    let mut letters: Vec<u8> = lines
        .iter()
        .flat_map(|l| l.iter())
        .filter(|w| w.len() == 1 && w.as_bytes()[0] >= b'A')
        .map(|w| w.as_bytes()[0])
        .collect();
    letters.sort_unstable();
    letters.dedup();
    let number = |word: &str| letters.iter().position(|l| *l == word.as_bytes()[0]).unwrap() as u8;
    let (ends, streets) = lines.split_last().unwrap();
    let mut map = (*game.map).clone();
    map.stations =
        letters.iter().enumerate().map(|(i, l)| Station { letter: *l, x: 20 * i as i32, y: 30 }).collect();
    map.streets = streets
        .iter()
        .map(|l| Street {
            a: number(l[0]),
            b: number(l[1]),
            length: l[2].parse().unwrap(),
            x: 0,
            y: 0,
            line: 0,
        })
        .collect();
    map.goal = number(ends[3]);
    game.here = number(ends[1]);
    game.shortest = map.shortest(usize::from(game.here)).1;
    game.map = Arc::new(map);
    game.stepwise = stepwise;
    game.max_turns = if stepwise { 6 } else { 1 };
    game.check().unwrap();
    game
}

const MAP: &str = "A B 1\nA C 5\nB C 2\nB D 7\nC D 1\nfrom A to D";

#[test]
fn the_shortest_route_is_found() {
    let mut game = map(MAP, false);
    assert_eq!(game.perception().text, MAP);
    assert_eq!(game.oracle().to_string(), "A,B,C,D");
    assert_eq!(game.reason(&game.oracle()), "from A to D left D 0 C 1 B 3 A 4 way A B C D length 4");
    let all: Vec<String> = game.legal_actions().iter().map(ToString::to_string).collect();
    assert_eq!(all, ["A,B,C,D", "A,B,D", "A,C,B,D", "A,C,D"]);
    let step = game.step(&game.parse(" a, c,d ").unwrap());
    assert_eq!((step.legal, step.status), (true, Status::Done(Outcome::Success)));
    assert!((step.reward - 4.0 / 6.0).abs() < 1e-6, "{}", step.reward);
}

#[test]
fn routes_that_are_none_are_refused() {
    let game = map(MAP, false);
    for text in ["A,D", "B,C,D", "A,B,C", "A,B,A,C,D", "D,C,B,A"] {
        let step = game.clone().step(&game.parse(text).unwrap());
        assert_eq!(
            (step.legal, step.reward, step.status),
            (false, 0.0, Status::Done(Outcome::Truncated)),
            "{text}"
        );
    }
    for text in ["A", "A,", ",A", "A;B", "AB,C", "A B", "1,2", "Ä,B", "A,,B"] {
        assert!(game.parse(text).is_err(), "{text}");
    }
    assert!(matches!(game.parse("A,Q"), Err(ParseError::Range { .. })));
    assert!(matches!(game.parse("A"), Err(ParseError::Range { .. })));
    assert!(matches!(game.parse("A,B,"), Err(ParseError::Grammar { .. })));
}

#[test]
fn steps_add_up() {
    let mut game = map(MAP, true);
    assert!(matches!(game.parse("A,B"), Err(ParseError::Range { .. })));
    assert_eq!(game.oracle().to_string(), "B");
    assert!(!game.step(&game.parse("D").unwrap()).legal);
    assert!(game.step(&game.parse("C").unwrap()).legal);
    assert_eq!(game.perception().text.lines().last(), Some("from C to D"));
    assert_eq!(game.reason(&game.oracle()), "from C to D left D 0 C 1 way C D so D");
    let step = game.step(&game.oracle());
    assert!((step.score - 4.0 / 6.0).abs() < 1e-6 && step.status == Status::Done(Outcome::Success));
}

#[test]
fn dijkstra_agrees_with_all_routes() {
    for seed in 0..60 {
        let given = [("stations", KnobValue::Int(4 + seed as i64 % 5)), ("crossings", KnobValue::Int(3))];
        let game = reset(seed, &given);
        let all = game.legal_actions();
        let length = |route: &Route| game.map.length(&game.accepted(route).unwrap()).unwrap();
        if all.len() < LISTED {
            assert_eq!(all.iter().map(length).min(), Some(game.shortest), "seed {seed}");
        }
        assert_eq!(length(&game.oracle()), game.shortest);
        assert!(game.reason(&game.oracle()).split(' ').count() <= 40);
    }
}

#[test]
fn maps_are_sound_and_printed_lengths_are_apart() {
    let mut close = 0;
    for seed in 0..120 {
        let given = [
            ("stations", KnobValue::Int(4 + seed as i64 % 9)),
            ("density", KnobValue::Float(1.0)),
            ("crossings", KnobValue::Int(seed as i64 % 7)),
        ];
        let game = reset(seed, &given);
        assert_eq!(game.check(), Ok(()));
        assert!(game.map.shortest(game.here()).0.len() >= 2);
        let plates: Vec<(i32, i32)> = game.map.streets.iter().map(|s| (s.x, s.y)).collect();
        for (i, a) in plates.iter().enumerate() {
            close += plates[..i].iter().filter(|b| (a.0 - b.0).pow(2) + (a.1 - b.1).pow(2) < 15 * 15).count();
        }
    }
    assert!(close <= 3, "{close} pairs of numbers overlap");
}

#[test]
fn broken_snapshots_are_refused() {
    let whole = serde_json::to_value(map(MAP, false)).unwrap();
    assert_eq!(serde_json::from_value::<RouteMap>(whole.clone()).unwrap(), map(MAP, false));
    let broken = |pointer: &str, value: serde_json::Value| {
        let mut copy = whole.clone();
        *copy.pointer_mut(pointer).unwrap() = value;
        serde_json::from_value::<RouteMap>(copy).is_err()
    };
    assert!(broken("/here", json!(4)));
    assert!(broken("/map/goal", json!(9)));
    assert!(broken("/map/streets/0/a", json!(9)));
    assert!(broken("/map/streets/0/a", json!(1)));
    assert!(broken("/map/streets", json!([])));
    assert!(broken("/map/stations/1/letter", json!(65)));
    assert!(broken("/map/stations/1/x", json!(100_000)));
    assert!(broken("/map/width", json!(4_000_000_000u32)));
    assert!(broken("/turn", json!(2)));
}
