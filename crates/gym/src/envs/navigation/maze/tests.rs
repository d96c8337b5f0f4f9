use super::super::labyrinth::testing::labyrinth;
use super::*;
use crate::KnobValue;

fn reset(seed: u64, given: &[(&str, KnobValue)]) -> Maze {
    let given = given.iter().map(|(name, v)| (name.to_string(), v.clone())).collect();
    Maze::reset(Seed::new(seed), &Knobs::resolve(SPEC.id, KNOBS, &given).unwrap()).unwrap()
}

/// A wall below the first two cells of row 0 and one right of (1,1): the way leads around.
fn detour() -> Maze {
    let mut game = reset(0, &[]);
    game.walls = labyrinth("b b r\n- r r\nb b rb");
    (game.player, game.goal) = (Cell { row: 0, col: 0 }, Cell { row: 1, col: 1 });
    (game.shortest, game.max_turns) = (6, 8);
    game
}

#[test]
fn the_oracle_walks_the_shortest_way() {
    let mut game = detour();
    assert_eq!(game.perception().text, "Pb b r\n- Gr r\nb b rb");
    assert_eq!(
        game.reason(&Direction::Right),
        "at 0 0 goal 1 1 way right right down down left up moves 6 right 5"
    );
    let mut total = 0.0;
    for turns in 1..=6 {
        let step = game.step(&game.oracle());
        assert_eq!((step.legal, step.reward), (true, if turns == 6 { 1.0 } else { 0.0 }));
        total += step.score;
    }
    assert_eq!((game.status(), total), (Status::Done(Outcome::Success), 1.0));
    assert_eq!(game.perception().text, "b b r\n- Wr r\nb b rb");
}

#[test]
fn walls_stop_and_the_score_is_weighted_by_the_way() {
    let mut game = detour();
    let wall = game.step(&Direction::Down);
    assert_eq!((wall.legal, wall.reward, game.turn), (false, 0.0, 1));
    assert_eq!(
        game.reason(&Direction::Down),
        "at 0 0 goal 1 1 way right right down down left up moves 6 down wall"
    );
    assert!(!game.pass().legal);
    let mut last = wall;
    while game.status() == Status::Running {
        last = game.step(&game.oracle());
    }
    assert_eq!((last.reward, last.score), (1.0, 0.75), "six moves in eight turns");
    let mut late = detour();
    for _ in 0..3 {
        late.pass();
    }
    while late.status() == Status::Running {
        assert_eq!(late.step(&late.oracle()).reward, 0.0);
    }
    assert_eq!(late.status(), Status::Done(Outcome::Truncated));
}

#[test]
fn fog_hides_what_is_far() {
    let mut game = detour();
    game.fog = Fog::Near;
    assert_eq!(game.perception().text, "Pb b ?\n- Gr ?\n? ? ?");
    game.goal = Cell { row: 2, col: 2 };
    assert_eq!(game.perception().text, "Pb b ?\n- r ?\n? ? G?");
    assert_eq!(game.reason(&Direction::Right), "at 0 0 goal 2 2 way right so right");
    let image = game.render();
    let fog = image.pixels().chunks_exact(3).filter(|p| *p == game.theme.colors().fog).count();
    assert!(fog > 4 * 28 * 28 - 28 * 20, "{fog}");
}

#[test]
fn starts_lie_within_the_knobs() {
    for seed in 0..200 {
        let game = reset(seed, &[("size", KnobValue::Int(8)), ("max_moves", KnobValue::Int(12))]);
        let way = game.way().len() as u32;
        assert!((2..=12).contains(&way) && way == game.shortest && game.max_turns == 2 * way);
        let tight = reset(seed, &[("size", KnobValue::Int(3)), ("slack", KnobValue::Float(1.0))]);
        assert_eq!(tight.max_turns, tight.shortest);
    }
}

#[test]
fn broken_snapshots_are_refused() {
    let whole = serde_json::to_value(detour()).unwrap();
    assert_eq!(serde_json::from_value::<Maze>(whole.clone()).unwrap(), detour());
    for (key, value) in [
        ("player", json!({"row": 3, "col": 0})),
        ("goal", json!({"row": 0, "col": 9})),
        ("turn", json!(9)),
        ("tile_px", json!(0)),
        ("walls", json!({"size": 3, "open": [0, 0, 0, 0, 0, 0, 0, 0, 0]})),
        ("walls", json!({"size": 3, "open": []})),
    ] {
        let mut copy = whole.clone();
        copy[key] = value;
        assert!(serde_json::from_value::<Maze>(copy).is_err(), "{key}");
    }
}
