use super::super::labyrinth::testing::labyrinth;
use super::*;
use crate::KnobValue;

fn reset(seed: u64, given: &[(&str, KnobValue)]) -> Maze3d {
    let given = given.iter().map(|(name, v)| (name.to_string(), v.clone())).collect();
    Maze3d::reset(Seed::new(seed), &Knobs::resolve(SPEC.id, KNOBS, &given).unwrap()).unwrap()
}

/// A corridor along row 0 that turns down at its end.
fn bend() -> Maze3d {
    let mut game = reset(0, &[("wall_colors", KnobValue::Int(1))]);
    game.walls = labyrinth("b b r\nrb rb r\n- - rb");
    game.player = Pose { cell: Cell { row: 0, col: 0 }, facing: Direction::Right };
    game.goal = Cell { row: 1, col: 2 };
    (game.shortest, game.max_turns) = (4, 8);
    game
}

#[test]
fn the_oracle_walks_the_shortest_way() {
    let mut game = bend();
    assert_eq!(
        game.reason(&Move::Forward),
        "left wall ahead open right wall way forward forward right forward moves 4 so forward"
    );
    let mut total = 0.0;
    while game.status() == Status::Running {
        let step = game.step(&game.oracle());
        assert!(step.legal);
        total += step.score;
    }
    assert_eq!((game.status(), game.turn, total), (Status::Done(Outcome::Success), 4, 1.0));
}

#[test]
fn going_back_may_be_shorter_than_turning() {
    let mut game = bend();
    game.player = Pose { cell: Cell { row: 0, col: 2 }, facing: Direction::Right };
    game.goal = Cell { row: 0, col: 0 };
    assert_eq!(game.oracle(), Move::Back);
    assert_eq!(distances(&game.walls, game.goal)[slot(&game.walls, game.player)], (2, 2));
    assert!(!game.step(&Move::Forward).legal, "a wall");
    assert!(game.step(&Move::Back).legal);
    assert_eq!(game.step(&Move::Back).score, 1.0_f32.min(4.0 / 4.0));
}

#[test]
fn the_view_is_told_in_words() {
    let mut game = bend();
    let color = game.side_word(game.player.cell, Direction::Up);
    let view = format!("{color} open {color}\n{color} open {color}\n{color} {color} open\npillar hidden");
    assert_eq!(game.perception().text, format!("{view}\nRb b r\nrb rb Gr\nb b rb"));
    game.map = Map::Seen;
    assert_eq!(game.perception().text, format!("{view}\nRb b ?\n? ? ?\n? ? ?"));
    game.step(&Move::Forward);
    game.step(&Move::Forward);
    game.step(&Move::Right);
    assert!(game.perception().text.contains("pillar middle\nb b Dr\n? ? Gr"), "{}", game.perception().text);
    game.map = Map::Off;
    assert!(game.perception().text.ends_with("pillar middle"));
    assert_eq!(game.render().width(), 112);
    assert_eq!(game.reason(&Move::Forward), "left wall ahead open right open way forward so forward");
}

#[test]
fn every_start_is_within_the_knobs() {
    for seed in 0..100 {
        let game = reset(seed, &[("size", KnobValue::Int(6)), ("max_moves", KnobValue::Int(9))]);
        assert!((2..=9).contains(&game.shortest), "{}", game.shortest);
        let mut play = game.clone();
        while play.status() == Status::Running {
            play.step(&play.oracle());
        }
        assert_eq!((play.turn, play.status()), (game.shortest, Status::Done(Outcome::Success)));
    }
}

#[test]
fn broken_snapshots_are_refused() {
    let whole = serde_json::to_value(bend()).unwrap();
    assert_eq!(serde_json::from_value::<Maze3d>(whole.clone()).unwrap(), bend());
    for (key, value) in [
        ("player", json!({"cell": {"row": 3, "col": 0}, "facing": "up"})),
        ("goal", json!({"row": 0, "col": 9})),
        ("turn", json!(9)),
        ("view_px", json!(0)),
        ("wall_colors", json!(0)),
    ] {
        let mut copy = whole.clone();
        copy[key] = value;
        assert!(serde_json::from_value::<Maze3d>(copy).is_err(), "{key}");
    }
}
