use eyas_core::Seed;

use super::search::testing::{bound, brute_force};
use super::*;
use crate::KnobValue;

fn knobs(given: &[(&str, KnobValue)]) -> Knobs {
    let given = given.iter().map(|(name, v)| (name.to_string(), v.clone())).collect();
    Knobs::resolve(SPEC.id, KNOBS, &given).unwrap()
}

fn word(text: &str) -> KnobValue {
    KnobValue::Choice(text.into())
}

fn reset(seed: u64, given: &[(&str, KnobValue)]) -> MiniGrid {
    MiniGrid::reset(Seed::new(seed), &knobs(given)).unwrap()
}

/// A world from the words of its perception text.
fn world(text: &str, mission: Mission) -> MiniGrid {
    let mut game = reset(0, &[]);
    let cols = text.lines().next().unwrap().split(' ').count();
    let words: Vec<&str> = text.split_whitespace().collect();
    let color = |word: &str| COLORS.iter().position(|(name, _)| word.starts_with(name)).unwrap() as u8;
    let mut plan = Plan {
        cols,
        rows: words.len() / cols,
        walls: words.iter().map(|w| *w == "W" || w.contains("Door")).collect(),
        doors: vec![],
        things: vec![],
        mission,
    };
    let mut position =
        Position { agent: 0, facing: 0, doors: [DoorState::Closed; 4], things: [HANDS; MAX_THINGS] };
    for (cell, word) in words.iter().enumerate() {
        if let Some(heading) = word.strip_prefix("Agent") {
            position.agent = cell as u8;
            position.facing =
                ["Up", "Right", "Down", "Left"].iter().position(|h| *h == heading).unwrap() as u8;
        } else if word.contains("Door") {
            position.doors[plan.doors.len()] = match word {
                w if w.ends_with("Open") => DoorState::Open,
                w if w.ends_with("Locked") => DoorState::Locked,
                _ => DoorState::Closed,
            };
            plan.doors.push(Door { cell: cell as u8, color: color(word) });
        } else if !["W", "-"].contains(word) {
            let kind = match word {
                w if w.ends_with("Ball") => Kind::Ball,
                w if w.ends_with("Key") => Kind::Key,
                _ => Kind::Box,
            };
            position.things[plan.things.len()] = cell as u8;
            plan.things.push(Thing { kind, color: color(word) });
        }
    }
    game.plan = Arc::new(plan);
    game.position = position;
    game.max_turns = 40;
    game.check().unwrap();
    game
}

const ONE_ROOM: &str = "W W W W W\nW AgentRight - RedBall W\nW - - - W\nW BlueBox - GreenKey W\nW W W W W";
const LOCKED: &str = "W W W W W W W\nW AgentRight - W - - W\nW - - GreenDoorLocked - RedBall W\nW GreenKey - W - - W\nW W W W W W W";

fn play(game: &mut MiniGrid, words: &str) -> Step {
    let mut last = None;
    for word in words.split(' ') {
        let act = game.parse(word).unwrap();
        last = Some(game.step(&act));
    }
    last.unwrap()
}

#[test]
fn actions_do_what_minigrid_says() {
    let mut game = world(ONE_ROOM, Mission::PutNext(0, 1));
    assert_eq!(game.mission(), "put the red ball next to the blue box");
    assert_eq!(game.perception().text, format!("{ONE_ROOM}\ncarrying nothing"));
    assert!(!game.clone().step(&Act::Pickup).legal, "nothing ahead");
    assert!(!game.clone().step(&Act::Drop).legal, "empty hands");
    assert!(!game.clone().step(&Act::Toggle).legal, "no door");
    assert!(play(&mut game, "forward").legal);
    assert!(!play(&mut game, "forward").legal, "the ball is in the way");
    assert!(play(&mut game, "pickup").legal);
    assert!(game.perception().text.ends_with("carrying RedBall"));
    assert!(!play(&mut game, "pickup").legal);
    assert!(play(&mut game, "turn_right drop").legal);
    assert_eq!(
        game.perception().text,
        "W W W W W\nW - AgentDown - W\nW - RedBall - W\nW BlueBox - GreenKey W\nW W W W W\ncarrying nothing"
    );
    let done = play(&mut game, "pickup forward drop");
    assert_eq!(done.status, Status::Done(Outcome::Success), "(3,2) is beside (3,1)");
    assert!((done.reward - (1.0 - 0.9 * 9.0 / 40.0)).abs() < 1e-6, "{}", done.reward);
}

#[test]
fn missions_end_when_they_should() {
    let mut near = world(ONE_ROOM, Mission::GoTo(Target::Thing(0)));
    assert_eq!(play(&mut near, "forward").status, Status::Done(Outcome::Success));
    let mut take = world(ONE_ROOM, Mission::PickUp(0));
    assert_eq!(play(&mut take, "forward").status, Status::Running);
    assert_eq!(play(&mut take, "pickup").status, Status::Done(Outcome::Success));
    // Beside the box only by moving the box: the mission asks for the ball to be dropped.
    let mut other = world(ONE_ROOM, Mission::PutNext(0, 1));
    let step = play(&mut other, "turn_right forward pickup turn_left turn_left forward turn_right drop");
    assert_eq!(other.perception().text.lines().nth(1), Some("W AgentRight BlueBox RedBall W"));
    assert_eq!((step.legal, step.status), (true, Status::Running));
}

#[test]
fn locked_doors_need_their_key() {
    let mut game = world(LOCKED, Mission::PickUp(1));
    assert_eq!(game.plan.things[1], Thing { kind: Kind::Key, color: 1 });
    game.plan = Arc::new(Plan { mission: Mission::PickUp(0), ..(*game.plan).clone() });
    assert_eq!(game.mission(), "pick up the red ball");
    let mut shut = game.clone();
    assert!(!play(&mut shut, "forward turn_right forward turn_left toggle").legal);
    let mut turns = 0;
    while game.status() == Status::Running {
        assert!(game.step(&game.oracle()).legal);
        turns += 1;
    }
    // turn, forward, pickup; two turns... counted by breadth-first search.
    let start = world(LOCKED, Mission::PickUp(0));
    assert_eq!(brute_force(&start.plan, &start.position, 2_000_000), Some(turns));
}

#[test]
fn the_oracle_is_as_short_as_brute_force() {
    let mut solved = 0;
    let mut sizes = Vec::new();
    for mission in ["goto", "pickup", "open", "putnext"] {
        for (rooms, doors) in [("1", "closed"), ("1", "locked"), ("2", "closed"), ("2", "locked")] {
            for seed in 0..3 {
                let given = [
                    ("mission", word(mission)),
                    ("rooms", word(rooms)),
                    ("doors", word(doors)),
                    ("room_size", KnobValue::Int(3)),
                    ("objects", KnobValue::Int(1)),
                ];
                let mut game = reset(seed, &given);
                let mut rng = Seed::new(seed).split("walk", 0).rng();
                // From the start, and after a few random actions.
                for _ in 0..2 {
                    if game.status() != Status::Running {
                        break;
                    }
                    let way = search::solve(&game.plan, &game.position).len();
                    assert!(bound(&game.plan, &game.position) <= way);
                    if let Some(best) = brute_force(&game.plan, &game.position, 60_000) {
                        assert_eq!(way, best, "{mission} {rooms} {doors} {seed}");
                        solved += 1;
                        sizes.push(best);
                    }
                    for _ in 0..9 {
                        let acts = game.legal_actions();
                        let Some(act) = rng.choose(&acts) else { break };
                        game.step(act);
                    }
                }
            }
        }
    }
    assert!(solved > 50 && sizes.iter().any(|s| *s > 12), "{solved} {sizes:?}");
}

#[test]
fn bounds_never_exceed_the_way_that_is_left() {
    for seed in 0..12 {
        let given = [
            ("mission", word("mixed")),
            ("rooms", word("4")),
            ("doors", word("locked")),
            ("objects", KnobValue::Int(6)),
        ];
        let game = reset(seed, &given);
        let mut position = game.position;
        let way = search::solve(&game.plan, &position);
        assert!(!way.is_empty());
        for (index, act) in way.iter().enumerate() {
            assert!(bound(&game.plan, &position) <= way.len() - index, "seed {seed} at {index}");
            position = game.plan.play(&position, *act).unwrap();
        }
    }
}

#[test]
fn walls_and_closed_doors_hide_what_is_behind() {
    let mut game = world(LOCKED, Mission::PickUp(0));
    game.ego = true;
    game.position.agent = 2 * 7 + 1;
    // Facing right along row 2: ahead is right; (1,1) and (3,1) lie to the left and to the right.
    let text = game.perception().text;
    let rows: Vec<&str> = text.lines().collect();
    assert_eq!(rows[6], "? W - AgentUp GreenKey W ?", "{text}");
    assert_eq!(rows[5], "? W - - - W ?");
    assert_eq!(rows[4], "? W W GreenDoorLocked W W ?");
    assert_eq!(rows[3], "? ? ? ? ? ? ?");
    game.position.doors[0] = DoorState::Open;
    let text = game.perception().text;
    assert!(text.contains("RedBall") && text.contains("GreenDoorOpen"), "{text}");
    assert_eq!(game.place_in_sight(2 * 7 + 5), Some(2 * 7 + 3));
    assert_eq!(game.place_in_sight(7 + 1), Some(6 * 7 + 2));
    assert!(game.reason(&Act::Forward).starts_with("target 2 3 way "));
}

#[test]
fn every_world_can_be_solved_at_the_hard_end() {
    for seed in 0..25 {
        for doors in ["closed", "locked"] {
            let given = [
                ("mission", word("mixed")),
                ("rooms", word("4")),
                ("room_size", KnobValue::Int(5)),
                ("doors", word(doors)),
                ("objects", KnobValue::Int(6)),
                ("max_turns", KnobValue::Int(8)),
            ];
            let game = reset(seed, &given);
            let mut position = game.position;
            let way = search::solve(&game.plan, &position);
            assert!(!way.is_empty() && way.len() as u32 <= game.max_turns);
            for (index, act) in way.iter().enumerate() {
                let after = game.plan.play(&position, *act).unwrap();
                assert_eq!(game.plan.is_done(&position, *act, &after), index + 1 == way.len());
                position = after;
            }
        }
    }
}

#[test]
fn broken_snapshots_are_refused() {
    let game = world(LOCKED, Mission::PickUp(0));
    let whole = serde_json::to_value(&game).unwrap();
    assert_eq!(serde_json::from_value::<MiniGrid>(whole.clone()).unwrap(), game);
    let broken = |pointer: &str, value: serde_json::Value| {
        let mut copy = whole.clone();
        *copy.pointer_mut(pointer).unwrap() = value;
        serde_json::from_value::<MiniGrid>(copy).is_err()
    };
    assert!(broken("/position/agent", json!(0)));
    assert!(broken("/position/agent", json!(254)));
    assert!(broken("/position/facing", json!(4)));
    assert!(broken("/position/things/0", json!(0)));
    assert!(broken("/position/things", json!([255, 255, 255, 255, 255, 255, 255, 255, 255])));
    assert!(broken("/plan/cols", json!(6)));
    assert!(broken("/plan/walls/0", json!(false)));
    assert!(broken("/plan/mission", json!({"pick_up": 7})));
    assert!(broken("/plan/mission", json!({"open": 1})));
    assert!(broken("/plan/doors/0/cell", json!(200)));
    assert!(broken("/turn", json!(41)));
    assert!(broken("/tile_px", json!(0)));
}
