use super::*;

fn game(ball: Ball, question: Question) -> BouncingBall {
    BouncingBall(State {
        cells: 3,
        balls: vec![ball],
        gravity: 0,
        frames: 2,
        question,
        tile_px: 28,
        grid: true,
        coordinates: false,
        theme: Theme::Light,
        outcome: None,
    })
}

const BALL: Ball = Ball { x: 50, y: 40, vx: 10, vy: -4 };

#[test]
fn walls_mirror_place_and_speed() {
    // The box is 84 wide, so the middle turns at 79.
    let (next, walls) = Ball { x: 75, ..BALL }.next(84, 0);
    assert_eq!((next, walls), (Ball { x: 73, y: 36, vx: -10, vy: -4 }, [Some(Wall::Right), None]));
    let (next, walls) = Ball { y: 7, ..BALL }.next(84, 0);
    assert_eq!((next.y, next.vy, walls), (7, 4, [None, Some(Wall::Top)]));
    let (next, walls) = Ball { y: 77, vy: 4, ..BALL }.next(84, 2);
    assert_eq!((next.y, next.vy, walls), (75, -6, [None, Some(Wall::Bottom)]));
    assert_eq!(Ball { x: 69, ..BALL }.next(84, 0).1, [None, None], "touching is not crossing");
}

#[test]
fn a_path_worked_out_by_hand() {
    // Shown: (50, 40), (60, 36). Then (70, 32), mirrored (78, 28), (68, 24).
    let game = game(BALL, Question::Cell(3));
    assert_eq!(game.oracle().to_string(), "(0,2)");
    assert_eq!(game.reason(&game.oracle()), "last 60 36 step 10 -4 70 32 78 28 68 24 so 0 2");
    assert_eq!(game.perception().text, "1 Red 50 40\n2 Red 60 36");
    let play = |text: &str| game.clone().step(&game.parse(text).unwrap());
    assert_eq!(["(0,2)", "(1,2)", "( 1 , 1 )", "(2,1)"].map(|t| play(t).reward), [1.0, 0.5, 0.25, 0.0]);
    assert_eq!(play("(1,2)").score, 0.0);
    assert_eq!(play("(0,2)").status, Status::Done(Outcome::Success));
}

#[test]
fn the_first_wall_is_the_right_one() {
    let game = game(BALL, Question::Wall);
    assert_eq!(game.first_wall(), Some((Wall::Right, 2)));
    assert_eq!(game.oracle().to_string(), "right");
    assert!(game.parse("(0,0)").is_err() && game.parse(" Left ").is_ok());
}

#[test]
fn answers_are_of_the_kind_that_is_asked() {
    let game = game(BALL, Question::Cell(1));
    for text in ["(3,0)", "(0,3)", "(999999,0)"] {
        assert!(matches!(game.parse(text), Err(ParseError::Range { .. })), "{text}");
    }
    for text in ["left", "(-1,0)", "0,1", "(0,1,2)", "(0;1)", "(0.0,1)"] {
        assert!(matches!(game.parse(text), Err(ParseError::Grammar { .. })), "{text}");
    }
    assert_eq!(game.legal_actions().len(), 9);
}

#[test]
fn every_scene_is_fair_and_inside() {
    let full = std::collections::BTreeMap::from([
        ("ask".to_string(), crate::KnobValue::Choice("mixed".into())),
        ("gravity".to_string(), crate::KnobValue::Int(2)),
        ("ahead".to_string(), crate::KnobValue::Int(12)),
        ("speed".to_string(), crate::KnobValue::Int(20)),
    ]);
    let knobs = Knobs::resolve(SPEC.id, KNOBS, &full).unwrap();
    for seed in 0..200 {
        let game = BouncingBall::reset(Seed::new(seed), &knobs).unwrap();
        assert!(game.is_fair());
        let inside = |v: i32| (RADIUS..=game.side() - RADIUS).contains(&v);
        for frame in 0..20 {
            let ball = game.at(game.0.balls[0], frame);
            assert!(inside(ball.x) && inside(ball.y), "seed {seed}: {ball:?}");
        }
        let back: BouncingBall = serde_json::from_value(serde_json::to_value(&game).unwrap()).unwrap();
        assert_eq!(back, game);
    }
}

#[test]
fn broken_snapshots_are_refused() {
    let fits = |game: BouncingBall| {
        serde_json::from_value::<BouncingBall>(serde_json::to_value(game).unwrap()).is_ok()
    };
    assert!(fits(game(BALL, Question::Cell(3))));
    assert!(!fits(game(Ball { x: 80, ..BALL }, Question::Cell(3))));
    assert!(!fits(game(Ball { vx: i32::MAX, ..BALL }, Question::Cell(3))));
    assert!(!fits(game(BALL, Question::Cell(1_000_000))));
    assert!(!fits(game(Ball { vx: 0, vy: 0, ..BALL }, Question::Wall)), "it never hits a wall");
    let mut empty = game(BALL, Question::Cell(1));
    empty.0.balls.clear();
    assert!(!fits(empty));
}
