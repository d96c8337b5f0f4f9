use super::*;
use crate::KnobValue;

fn reset(seed: u64, given: &[(&str, KnobValue)]) -> Result<FrozenLake, KnobError> {
    let given = given.iter().map(|(name, v)| (name.to_string(), v.clone())).collect();
    FrozenLake::reset(Seed::new(seed), &Knobs::resolve(SPEC.id, KNOBS, &given)?)
}

/// A lake from its perception text.
fn lake(text: &str, slippery: f64, max_turns: usize) -> FrozenLake {
    let words: Vec<&str> = text.split_whitespace().collect();
    let size = text.lines().count();
    let find = |word| words.iter().position(|w| *w == word).unwrap();
    let cell = |i: usize| Cell { row: i / size, col: i % size };
    FrozenLake {
        size,
        slippery,
        max_turns,
        tile_px: 28,
        theme: Theme::Ice,
        holes: words.iter().map(|w| *w == "H").collect(),
        goal: cell(find("G")),
        player: cell(find("P")),
        turn: 0,
        outcome: None,
        rng: Seed::new(1).rng(),
    }
}

const DETOUR: &str = "P H G\n- H -\n- - -";

#[test]
fn the_oracle_walks_around_the_holes() {
    let mut game = lake(DETOUR, 0.0, 6);
    assert_eq!(game.reason(&Direction::Down), "at 0 0 goal 0 2 up edge right hole down 5 left edge so 5");
    let mut words = Vec::new();
    while game.status() == Status::Running {
        let direction = game.oracle();
        words.push(direction.word());
        game.step(&direction);
    }
    assert_eq!(words, ["down", "down", "right", "right", "up", "up"]);
    assert_eq!(game.status(), Status::Done(Outcome::Success));
    assert_eq!(game.perception().text, "- H W\n- H -\n- - -");
}

#[test]
fn rewards_are_sparse() {
    let mut game = lake(DETOUR, 0.0, 3);
    let wall = game.step(&Direction::Up);
    assert_eq!(wall, Step { reward: 0.0, score: 0.0, legal: false, status: Status::Running });
    assert_eq!((game.turn, game.perception().text.as_str()), (1, DETOUR));
    let mut fallen = game.clone();
    let hole = fallen.step(&Direction::Right);
    assert_eq!((hole.reward, hole.legal, hole.status), (0.0, true, Status::Done(Outcome::Failure)));
    assert_eq!(fallen.perception().text, "- F G\n- H -\n- - -");
    assert!(game.step(&Direction::Down).status == Status::Running);
    assert_eq!(game.pass().status, Status::Done(Outcome::Truncated));
    let mut near = lake("- P G\n- - -\n- - -", 0.0, 1);
    let done = Status::Done(Outcome::Success);
    assert_eq!(near.step(&Direction::Right), Step { reward: 1.0, score: 1.0, legal: true, status: done });
}

#[test]
fn chances_on_slippery_ice_are_exact() {
    let game = lake("- P G\n- - -\n- - -", 0.4, 2);
    let one = game.chances(1);
    assert!((one[1] - 0.6).abs() < 1e-12);
    // Down goes sideways onto the flag with 0.2.
    assert!((game.chance_after(&game.chances(0), game.player, Direction::Down) - 0.2).abs() < 1e-12);
    // Two moves: 0.6 at once; 0.2 slips against the edge and tries again with 0.6; 0.2 slips down
    // to (1, 1), from where one move cannot reach the flag.
    assert!((game.chances(2)[1] - 0.72).abs() < 1e-12);
    // Only (0, 1) is beside the flag. Down slips onto the flag with 0.2 and else ends away from it;
    // left slips against the edge with 0.2 and tries again with 0.6.
    assert_eq!(game.reason(&Direction::Right), "at 0 1 goal 0 2 up edge right 72 down 20 left 12 so 72");
}

#[test]
fn slips_go_to_both_sides_as_often_as_they_should() {
    let mut landed = [0; 3];
    for seed in 0..2000 {
        let mut game = lake("- - -\n- P -\n- - G", 0.5, 9);
        game.rng = Seed::new(seed).rng();
        assert!(game.step(&Direction::Up).legal);
        let place = [(0, 1), (1, 0), (1, 2)].iter().position(|p| *p == (game.player.row, game.player.col));
        landed[place.unwrap()] += 1;
    }
    // Four standard deviations: 4 * sqrt(2000 * 0.5 * 0.5) = 89, 4 * sqrt(2000 * 0.25 * 0.75) = 77.
    assert!(i32::abs(landed[0] - 1000) < 89, "{landed:?}");
    assert!(i32::abs(landed[1] - 500) < 77 && i32::abs(landed[2] - 500) < 77, "{landed:?}");
}

#[test]
fn every_lake_can_be_crossed_in_time() {
    let hard = [
        ("size", KnobValue::Int(8)),
        ("hole_prob", KnobValue::Float(0.5)),
        ("random_start", KnobValue::Bool(false)),
        ("max_turns", KnobValue::Int(14)),
    ];
    let short = [("max_turns", KnobValue::Int(2)), ("hole_prob", KnobValue::Float(0.5))];
    for given in [&hard[..], &short[..], &[]] {
        for seed in 0..100 {
            let mut game = reset(seed, given).unwrap();
            let start = game.player;
            assert!(start.row.abs_diff(game.goal.row) + start.col.abs_diff(game.goal.col) >= 2);
            while game.status() == Status::Running {
                game.step(&game.oracle());
            }
            assert_eq!(game.status(), Status::Done(Outcome::Success), "seed {seed}");
        }
    }
}

#[test]
fn broken_snapshots_are_refused() {
    let whole = serde_json::to_value(lake(DETOUR, 0.0, 6)).unwrap();
    let broken = |key: &str, value: serde_json::Value| {
        let mut copy = whole.clone();
        copy[key] = value;
        serde_json::from_value::<FrozenLake>(copy).is_err()
    };
    assert!(!broken("turn", json!(6)));
    assert!(broken("turn", json!(7)));
    assert!(broken("size", json!(4)));
    assert!(broken("holes", json!([true])));
    assert!(broken("player", json!({"row": 3, "col": 0})));
    assert!(broken("goal", json!({"row": 0, "col": 3})));
    assert!(broken("tile_px", json!(0)));
    assert!(broken("slippery", json!(1.5)));
}

#[test]
fn too_few_turns_are_a_conflict() {
    let text = |given: &[(&str, KnobValue)]| reset(0, given).unwrap_err().to_string();
    assert!(text(&[("max_turns", KnobValue::Int(1))]).contains("at least 2 moves away"));
    let corners = [("random_start", KnobValue::Bool(false)), ("max_turns", KnobValue::Int(5))];
    assert!(text(&corners).contains("at least 6 moves away"));
}
