use super::*;
use crate::KnobValue;

fn reset(seed: u64, given: &[(&str, KnobValue)]) -> Rooms3d {
    let given = given.iter().map(|(name, v)| (name.to_string(), v.clone())).collect();
    Rooms3d::reset(Seed::new(seed), &Knobs::resolve(SPEC.id, KNOBS, &given).unwrap()).unwrap()
}

fn word(text: &str) -> KnobValue {
    KnobValue::Choice(text.into())
}

/// A room of four by four cells, the box in the middle of the last cell of row 0.
fn room() -> Rooms3d {
    let mut game = reset(0, &[("distractors", KnobValue::Int(0))]);
    game.world.rooms = Rooms::hall(4, 4);
    game.world.goal = Spot { x: 14, y: 2 };
    game.player = Pose { at: Spot { x: 2, y: 2 }, heading: 0 };
    game.max_turns = 20;
    game
}

#[test]
fn the_way_to_the_box_is_the_shortest() {
    let mut game = room();
    assert_eq!(game.perception().text, "ahead 5\nRed 4 6");
    // From x = 2 five steps lead to x = 12, two quarters before the box.
    assert_eq!(
        game.reason(&Walk::Forward),
        "red column 4 of 8 far 6 ahead 5 way forward forward forward forward forward so forward"
    );
    game.player.heading = 8;
    assert_eq!(game.perception().text, "ahead 0\nRed hidden");
    assert_eq!(game.world.distances()[game.world.slot(game.player)], 4 + 5);
    game.player.heading = 4;
    // A diagonal needs fewer steps: (2,2) is as long as two steps on either axis.
    let way = game.world.distances()[game.world.slot(game.player)];
    assert_eq!(way, 7, "two turns and five steps");
    for _ in 0..way {
        let step = game.step(&game.oracle());
        assert!(step.legal);
    }
    assert_eq!(game.status(), Status::Done(Outcome::Success));
}

#[test]
fn walls_and_boxes_stop() {
    let mut game = room();
    game.player.heading = 8;
    let wall = game.step(&Walk::Forward);
    assert_eq!((wall.legal, wall.reward, game.player.at), (false, 0.0, Spot { x: 2, y: 2 }));
    game.world.props.push(Prop { at: Spot { x: 6, y: 2 }, color: 1 });
    game.player = Pose { at: Spot { x: 4, y: 2 }, heading: 0 };
    assert!(!game.step(&Walk::Forward).legal);
    assert_eq!(game.perception().text.lines().next(), Some("ahead 0"));
    // A wall between two rooms: neither straight nor slanted steps go through, a gap lets pass.
    let mut rooms = Rooms::hall(4, 4);
    (0..4).for_each(|row| rooms.set_left(row, 2, 1));
    rooms.set_left(1, 2, 0);
    let world = World { rooms, goal: Spot { x: 14, y: 14 }, props: vec![], turn_by: 1 };
    for (dx, dy) in [(2, 0), (2, 1), (2, 2), (2, -1)] {
        assert!(!world.can_step(Spot { x: 7, y: 10 }, (dx, dy)), "{dx} {dy}");
    }
    assert!(world.can_step(Spot { x: 7, y: 6 }, (2, 0)));
    assert!(!world.is_free(Spot { x: 8, y: 4 }) && world.is_free(Spot { x: 8, y: 6 }));
}

#[test]
fn steps_can_be_taken_back() {
    for layout in Layout::NAMES {
        let world = reset(3, &[("layout", word(layout)), ("headings", word("16"))]).world;
        for at in (0..world.places()).map(|p| world.spot(p)).filter(|at| world.is_free(*at)) {
            for (heading, (dx, dy)) in STEPS.into_iter().enumerate() {
                let there = Spot { x: at.x + dx, y: at.y + dy };
                let back = STEPS[(heading + 8) % 16];
                assert_eq!(back, (-dx, -dy));
                if world.can_step(at, (dx, dy)) {
                    assert!(world.can_step(there, back), "{layout} {at:?} {heading}");
                }
            }
        }
    }
}

#[test]
fn every_layout_can_be_solved_in_time() {
    for layout in Layout::NAMES {
        for headings in ["8", "16"] {
            for seed in 0..12 {
                let size = KnobValue::Int(4 + seed as i64 % 7);
                let given = [
                    ("layout", word(layout)),
                    ("headings", word(headings)),
                    ("size", size),
                    ("distractors", KnobValue::Int(5)),
                    ("max_moves", KnobValue::Int(40)),
                    ("slack", KnobValue::Float(1.0)),
                ];
                let mut game = reset(seed, &given);
                let shortest = game.max_turns;
                assert!((2..=40).contains(&shortest));
                while game.status() == Status::Running {
                    assert!(game.step(&game.oracle()).legal);
                }
                assert_eq!(game.status(), Status::Done(Outcome::Success), "{layout} {headings} {seed}");
                assert_eq!(game.turn, shortest);
            }
        }
    }
}

#[test]
fn broken_snapshots_are_refused() {
    let whole = serde_json::to_value(room()).unwrap();
    assert_eq!(serde_json::from_value::<Rooms3d>(whole.clone()).unwrap(), room());
    let broken = |pointer: &str, value: serde_json::Value| {
        let mut copy = whole.clone();
        *copy.pointer_mut(pointer).unwrap() = value;
        serde_json::from_value::<Rooms3d>(copy).is_err()
    };
    assert!(broken("/player/heading", json!(1)));
    assert!(broken("/player/heading", json!(16)));
    assert!(broken("/player/at/x", json!(-2)));
    assert!(broken("/player/at/x", json!(4000)));
    assert!(broken("/world/goal/y", json!(99)));
    assert!(broken("/world/rooms/cols", json!(5)));
    assert!(broken("/world/rooms/left/0", json!(0)));
    assert!(broken("/world/turn_by", json!(0)));
    assert!(broken("/turn", json!(21)));
    assert!(broken("/view_px", json!(0)));
}
