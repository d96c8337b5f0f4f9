use super::*;
use crate::KnobValue;

fn cube(color: usize, x: i32, y: i32) -> Thing {
    Thing { kind: Kind::Cube, color, x, y }
}

/// The first thing belongs on the first plate, at (90, 30).
fn game(things: &[Thing]) -> PickPlace {
    PickPlace(State {
        table: Table { side: 112, view: View::Above, theme: Theme::Pale },
        things: things.to_vec(),
        plates: vec![Plate { color: 2, x: 90, y: 30 }],
        goals: vec![Goal { thing: 0, plate: 0 }],
        held: None,
        stages: 0,
        max_turns: 8,
        turn: 0,
        outcome: None,
    })
}

fn play(game: &mut PickPlace, text: &str) -> Step {
    let action = game.parse(text).unwrap();
    game.step(&action)
}

#[test]
fn a_cube_is_picked_and_placed() {
    let mut game = game(&[cube(0, 20, 50)]);
    // The table begins 28 pixels below the upper edge.
    assert_eq!(game.oracle().to_string(), "pick(20,78)");
    assert!(!play(&mut game, "pick(40,78)").legal);
    assert!(!play(&mut game, "place(90,58)").legal, "nothing is held");
    assert_eq!(play(&mut game, "pick(25,70)").reward, 0.25);
    assert_eq!(game.perception().text, "hand RedCube\nBluePlate 90 58");
    assert!(!play(&mut game, "place(3,60)").legal, "over the edge of the table");
    assert_eq!(game.reason(&game.oracle()), "hold RedCube BluePlate at 90 58 free so place");
    let step = play(&mut game, "place(92,55)");
    assert_eq!((step.reward, step.status), (0.75, Status::Done(Outcome::Success)));
}

#[test]
fn stages_pay_once() {
    let mut game = game(&[cube(0, 20, 50)]);
    assert_eq!(play(&mut game, "pick(20,78)").reward, 0.25);
    assert_eq!(play(&mut game, "place(60,90)").reward, 0.0);
    assert_eq!(play(&mut game, "pick(60,90)").reward, 0.0);
    assert_eq!(play(&mut game, "place(90,58)").reward, 0.75);
}

#[test]
fn a_blocked_plate_is_cleared_first() {
    let mut game = game(&[cube(0, 20, 50), cube(1, 90, 32)]);
    assert_eq!(game.plan_length(), Some(4));
    assert_eq!(game.reason(&game.oracle()), "BluePlate at 90 58 under GreenCube at 90 60 so pick");
    play(&mut game, "pick(20,78)");
    assert!(!play(&mut game, "place(90,58)").legal, "another cube stands there");
}

#[test]
fn pushes_go_straight_until_something_is_touched() {
    let puck = Thing { kind: Kind::Puck, color: 0, x: 20, y: 30 };
    let mut free = game(&[puck]);
    assert!(!play(&mut free, "pick(20,58)").legal, "too wide");
    assert_eq!(free.oracle().to_string(), "push(20,58,90,58)");
    assert_eq!(play(&mut free, "push(20,58,90,58)").reward, 1.0);
    let mut blocked = game(&[puck, cube(1, 60, 34)]);
    let step = play(&mut blocked, "push(20,58,90,58)");
    // Half widths 10 and 9: they touch from 18 on.
    assert_eq!((step.legal, blocked.0.things[0].x), (true, 41));
    assert!(!play(&mut blocked, "push(41,58,90,58)").legal, "it cannot go on");
    assert!(blocked.plan_length().is_some_and(|turns| turns <= 3));
}

#[test]
fn answers_are_skills_in_the_picture() {
    let game = game(&[cube(0, 20, 50)]);
    assert_eq!(game.parse(" PICK ( 3, 4 ) ").unwrap().to_string(), "pick(3,4)");
    for text in ["pick(112,0)", "pick(0,140)", "push(1,1,1,999)"] {
        assert!(matches!(game.parse(text), Err(ParseError::Range { .. })), "{text}");
    }
    for text in [
        "pick",
        "pick(1)",
        "pick(1,2,3)",
        "push(1,2)",
        "grab(1,2)",
        "pick(-1,2)",
        "pick(1.5,2)",
        "(1,2)",
        "pick(1,2) pick(1,2)",
    ] {
        assert!(matches!(game.parse(text), Err(ParseError::Grammar { .. })), "{text}");
    }
}

#[test]
fn plans_succeed_within_the_turns() {
    let word = |w: &str| KnobValue::Choice(w.into());
    for view in View::NAMES {
        let given = [
            ("goals", KnobValue::Int(2)),
            ("blockers", KnobValue::Int(1)),
            ("clutter", KnobValue::Int(4)),
            ("skills", word("mixed")),
            ("view", word(view)),
            ("spare", KnobValue::Int(0)),
        ];
        let knobs = Knobs::resolve(SPEC.id, KNOBS, &given.map(|(n, v)| (n.to_string(), v)).into()).unwrap();
        for seed in 0..60 {
            let mut game = PickPlace::reset(Seed::new(seed), &knobs).unwrap();
            let mut total = 0.0;
            while game.status() == Status::Running {
                let step = game.step(&game.oracle());
                assert!(step.legal, "seed {seed}");
                total += step.reward;
            }
            assert!((total - 1.0).abs() < 1e-6, "seed {seed}: {total}");
        }
    }
}

#[test]
fn broken_snapshots_are_refused() {
    let fits =
        |game: PickPlace| serde_json::from_value::<PickPlace>(serde_json::to_value(game).unwrap()).is_ok();
    assert!(fits(game(&[cube(0, 20, 50)])));
    assert!(!fits(game(&[cube(8, 20, 50)])));
    assert!(!fits(game(&[cube(0, 20, 112)])));
    assert!(!fits(game(&[])));
    let mut wrong = game(&[cube(0, 20, 50)]);
    wrong.0.held = Some(1);
    assert!(!fits(wrong));
    let mut huge = game(&[cube(0, 20, 50)]);
    huge.0.table.side = u32::MAX;
    assert!(!fits(huge));
}
