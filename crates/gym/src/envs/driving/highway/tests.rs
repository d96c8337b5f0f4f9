use super::*;
use crate::KnobValue;

const EGO: Car = Car { lane: 1, x: 0, v: 15, wish: 18 };

fn drive(cars: &[Car]) -> Highway {
    Highway(State {
        lanes: 3,
        limit: 18,
        ego: EGO,
        cars: cars.to_vec(),
        whims: 0.0,
        max_turns: 8,
        speeds: Speeds::Printed,
        front: false,
        lane_px: 28,
        theme: Theme::Day,
        turn: 0,
        outcome: None,
        rng: Seed::new(0).rng(),
    })
}

fn car(lane: usize, x: i32, v: i32) -> Car {
    Car { lane, x, v, wish: v }
}

fn play(game: &mut Highway, text: &str) -> Step {
    let action = game.parse(text).unwrap();
    game.step(&action)
}

#[test]
fn braking_distances_are_sums() {
    for v in 0..40 {
        let sum: i32 = (1..9).map(|k| (v - BRAKE * k).max(0)).sum();
        assert_eq!(braking(v), sum, "{v}");
    }
    // 15 + 7 + 7 = 29 metres are enough behind a car at rest, one less is not.
    assert_eq!((is_safe(15, 29, 0), is_safe(15, 28, 0), is_safe(15, 22, 15)), (true, false, true));
}

#[test]
fn idm_speeds_up_when_free_and_brakes_when_near() {
    assert_eq!((idm(0, 18, None), idm(18, 18, None)), (2, 0));
    assert!(idm(15, 18, Some((12, 8))) < -3);
    assert!(idm(10, 18, Some((80, 15))) > 0);
}

#[test]
fn an_empty_road_is_driven_at_the_limit() {
    let mut game = drive(&[]);
    assert_eq!(game.oracle().to_string(), "ACCELERATE, STRAIGHT");
    let step = play(&mut game, "accelerate,straight");
    assert_eq!((step.reward, step.score, game.0.ego.v, game.0.ego.x), (1.0, 1.0 / 8.0, 18, 18));
    assert_eq!(game.oracle().to_string(), "KEEP, STRAIGHT");
    // The path is right and the pace is not: half of the weights.
    assert_eq!(play(&mut game, "STOP, STRAIGHT").reward, 0.5);
}

#[test]
fn the_planner_overtakes_where_there_is_room_and_brakes_where_there_is_none() {
    let slow = car(1, 27, 8);
    let action = drive(&[slow, car(2, 30, 8)]).oracle();
    assert_eq!(action.path, Path::LeftChange);
    let jam = drive(&[slow, car(0, 3, 12), car(2, -2, 12)]);
    assert_eq!(jam.oracle().path, Path::Straight);
    assert!(matches!(jam.oracle().pace, Pace::Decelerate | Pace::Stop));
    assert_eq!(
        jam.reason(&jam.parse("STOP, STRAIGHT").unwrap()),
        "at 15 limit 18 left 3 at 12 ahead 27 at 8 right clear so 7 STRAIGHT"
    );
}

#[test]
fn crashes_end_the_drive_and_the_verge_is_refused() {
    let mut game = drive(&[car(0, 3, 12)]);
    let step = play(&mut game, "KEEP, LEFT_CHANGE");
    assert_eq!((step.reward, step.score, step.status), (-1.0, 0.0, Status::Done(Outcome::Failure)));
    let mut game = drive(&[car(0, 12, 0), car(1, 12, 0), car(2, 12, 0)]);
    assert_eq!(play(&mut game, "KEEP, STRAIGHT").reward, -1.0, "15 metres against 12");
    let mut game = drive(&[]);
    game.0.ego.lane = 0;
    let before = game.clone();
    let step = play(&mut game, "KEEP, LEFT_CHANGE");
    assert!(!step.legal && step.reward == -0.1);
    assert_eq!((game.0.turn, game.0.ego), (1, before.0.ego));
    assert_eq!(game.legal_actions().len(), 8);
}

#[test]
fn only_the_words_are_read() {
    let game = drive(&[]);
    for text in
        ["KEEP", "STRAIGHT, KEEP", "KEEP STRAIGHT", "KEEP, LEFT", "KEEP, STRAIGHT, KEEP", "KEEP, LEFT_TURN"]
    {
        assert!(game.parse(text).is_err(), "{text}");
    }
    assert_eq!(game.parse(" stop ,Right_Change ").unwrap().to_string(), "STOP, RIGHT_CHANGE");
}

#[test]
fn the_planner_never_crashes_nor_does_traffic() {
    let hard =
        [("cars", KnobValue::Int(14)), ("whims", KnobValue::Float(0.5)), ("max_turns", KnobValue::Int(40))];
    let knobs = Knobs::resolve(SPEC.id, KNOBS, &hard.map(|(n, v)| (n.to_string(), v)).into()).unwrap();
    for seed in 0..60 {
        let mut game = Highway::reset(Seed::new(seed), &knobs).unwrap();
        while game.status() == Status::Running {
            let before = game.clone();
            let step = game.step(&game.oracle());
            assert!(step.legal && step.reward == 1.0, "seed {seed}: {before:?}");
            for (i, a) in game.0.cars.iter().enumerate() {
                let free = |b: &Car| a.lane != b.lane || (a.x - b.x).abs() >= LENGTH;
                assert!(game.0.cars[..i].iter().all(free), "seed {seed}: {game:?}");
            }
        }
        assert_eq!(game.status(), Status::Done(Outcome::Success));
    }
}

#[test]
fn broken_snapshots_are_refused() {
    let fits = |game: Highway| serde_json::from_value::<Highway>(serde_json::to_value(game).unwrap()).is_ok();
    assert!(fits(drive(&[car(0, 3, 12)])));
    assert!(!fits(drive(&[car(3, 3, 12)])));
    assert!(!fits(drive(&[car(0, i32::MAX, 12)])));
    assert!(!fits(drive(&[car(0, 3, -1)])));
    let mut wrong = drive(&[]);
    wrong.0.ego.lane = 7;
    assert!(!fits(wrong));
}
