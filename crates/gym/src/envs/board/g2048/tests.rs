use super::*;
use crate::KnobValue;
use std::collections::BTreeMap;

fn knobs(given: &[(&str, KnobValue)]) -> Knobs {
    let given: BTreeMap<_, _> = given.iter().map(|(k, v)| (k.to_string(), v.clone())).collect();
    Knobs::resolve(SPEC.id, KNOBS, &given).unwrap()
}

/// A game on a hand-made board of tile values.
fn game(turns: i64, rows: &[[u32; 4]]) -> Game2048 {
    let mut game = Game2048::reset(Seed::new(1), &knobs(&[("turns", KnobValue::Int(turns))])).unwrap();
    let exponent = |v: &u32| if *v == 0 { 0 } else { v.trailing_zeros() as u8 };
    game.board = Board { size: 4, tiles: rows.iter().flatten().map(exponent).collect() };
    game
}

fn slid(rows: &[[u32; 4]], direction: Direction) -> (Vec<u8>, Slide) {
    let mut board = game(1, rows).board;
    let slide = board.slide(direction);
    (board.tiles, slide)
}

#[test]
fn merges_start_at_the_edge_and_happen_once_per_tile() {
    let rows = [[2, 2, 2, 0], [2, 2, 2, 2], [4, 0, 4, 8], [8, 2, 0, 0]];
    let (left, slide) = slid(&rows, Direction::Left);
    assert_eq!(left, [2, 1, 0, 0, 2, 2, 0, 0, 3, 3, 0, 0, 3, 1, 0, 0]);
    assert_eq!(slide, Slide { moved: true, merges: 4, points: 4 + 4 + 4 + 8 });
    let (right, slide) = slid(&rows, Direction::Right);
    assert_eq!(right, [0, 0, 1, 2, 0, 0, 2, 2, 0, 0, 3, 3, 0, 0, 3, 1]);
    assert_eq!(slide.merges, 4);
    let (up, slide) = slid(&rows, Direction::Up);
    assert_eq!(up, [2, 2, 2, 1, 2, 1, 2, 3, 3, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(slide, Slide { moved: true, merges: 3, points: 12 });
    let (down, _) = slid(&rows, Direction::Down);
    assert_eq!(down, [0, 0, 0, 0, 2, 0, 0, 0, 2, 1, 2, 1, 3, 2, 2, 3]);
}

#[test]
fn a_slide_agrees_with_moves_and_line_gains() {
    let mut rng = Seed::new(4).rng();
    for _ in 0..3000 {
        let tiles: Vec<u8> = (0..16).map(|_| rng.below(4) as u8).collect();
        let board = Board { size: 4, tiles };
        let rows: u64 = (0..4).map(|r| line_gain((0..4).map(|c| board.at(r, c))).0).sum();
        for direction in Direction::ALL {
            let mut next = board.clone();
            let slide = next.slide(direction);
            assert_eq!(slide.moved, next != board);
            assert_eq!(slide.moved, board.moves(direction));
            if matches!(direction, Direction::Left | Direction::Right) {
                assert_eq!(u64::from(slide.merges), rows);
            }
        }
        let alive = Direction::ALL.iter().any(|d| board.moves(*d));
        assert_eq!(alive, board.is_alive());
    }
}

#[test]
fn moves_pay_by_merging_and_refused_moves_only_count() {
    let board = [[2, 4, 0, 0], [2, 0, 0, 0], [0; 4], [0; 4]];
    let mut merging = game(3, &board);
    let step = merging.step(&Direction::Up);
    assert_eq!((step.reward, step.score, step.legal), (1.0, 1.0, true));
    assert_eq!(merging.board.tiles.iter().filter(|t| **t > 0).count(), 3);
    assert_eq!(merging.points, 4);
    let mut sliding = game(3, &board);
    let step = sliding.step(&Direction::Right);
    assert_eq!((step.reward, step.score, step.legal), (-1.0, 0.0, true));
    let mut refused = game(2, &board);
    let before = refused.clone();
    let step = refused.step(&Direction::Left);
    assert_eq!((step.reward, step.score, step.legal), (-1.0, 0.0, false));
    assert_eq!(refused, Game2048 { turn: 1, ..before });
    assert_eq!(refused.pass().status, Status::Done(Outcome::Truncated));
    assert_eq!(refused.step(&Direction::Up).score, 0.0);
}

#[test]
fn a_dead_board_is_a_failure() {
    let mut game = game(9, &[[2, 4, 8, 16], [16, 8, 4, 2], [2, 4, 8, 16], [0, 16, 32, 64]]);
    game.four_prob = 0.0;
    // Sliding left leaves the corner to a new 2 beside 64 and below 16.
    let step = game.step(&Direction::Left);
    assert_eq!((step.legal, step.status), (true, Status::Done(Outcome::Failure)));
    assert!(game.legal_actions().is_empty());
}

#[test]
fn parser_reads_words_only() {
    let game = game(1, &[[2, 2, 0, 0], [0; 4], [0; 4], [0; 4]]);
    assert_eq!(game.parse(" Up\n"), Ok(Direction::Up));
    assert!(matches!(game.parse("3"), Err(ParseError::Grammar { .. })));
    assert!(matches!(game.parse("up down"), Err(ParseError::Grammar { .. })));
}

#[test]
fn reasons_carry_the_counts() {
    let game = game(1, &[[2, 2, 0, 4], [0, 8, 0, 4], [8, 8, 8, 8], [2, 8, 0, 0]]);
    assert_eq!(game.perception().text, "2 2 - 4\n- 8 - 4\n8 8 8 8\n2 8 - -");
    assert_eq!(game.oracle(), Direction::Left);
    assert_eq!(game.reason(&Direction::Left), "rows 1 0 2 0 cols 0 1 0 1 left right 3 up down 2 so left");
    let still = self::game(1, &[[2, 4, 0, 0], [0; 4], [0; 4], [0; 4]]);
    assert_eq!(still.oracle(), Direction::Right);
    assert_eq!(
        still.reason(&Direction::Right),
        "rows 0 0 0 0 cols 0 0 0 0 left right 0 up down 0 moves right down so right"
    );
}

#[test]
fn the_last_move_of_the_oracle_follows_from_its_reason() {
    for index in 0..300 {
        let game = Game2048::reset(Seed::new(index), &knobs(&[])).unwrap();
        let reason = game.reason(&game.oracle());
        let words: Vec<&str> = reason.split(' ').collect();
        let total = |at: usize| words[at].parse::<u32>().unwrap();
        let expected = match (total(12), total(15)) {
            (0, 0) => words[17],
            (sideways, upright) if upright > sideways => "up",
            _ => "left",
        };
        assert_eq!(game.oracle().word(), expected, "{reason}");
    }
}

#[test]
fn two_moves_are_looked_ahead_exactly() {
    // Left gives 4 4, which no new tile can part: a merge now and one after it.
    let mut chain = game(2, &[[2, 2, 4, 0], [0; 4], [0; 4], [0; 4]]);
    chain.four_prob = 0.0;
    let (value, direction) = chain.best(&chain.board, 2, 2).unwrap();
    assert_eq!(direction, Direction::Left);
    assert!((value - 2.002).abs() < 1e-9, "{value}");
    // A lone 2 goes to the other corner; the new 2 lies in line with it on 6 of 15 places.
    let mut lone = game(2, &[[2, 0, 0, 0], [0; 4], [0; 4], [0; 4]]);
    lone.four_prob = 0.0;
    let (value, direction) = lone.best(&lone.board, 2, 2).unwrap();
    assert_eq!(direction, Direction::Right);
    assert!((value - 1.001 * 6.0 / 15.0).abs() < 1e-9, "{value}");
}

#[test]
fn warm_boards_are_alive_even_where_the_warm_up_kills() {
    let small = knobs(&[("size", KnobValue::Int(3)), ("warmup", KnobValue::Int(200))]);
    for index in 0..100 {
        let game = Game2048::reset(Seed::new(index), &small).unwrap();
        assert!(!game.legal_actions().is_empty());
    }
}

#[test]
fn contradicting_knobs_are_refused() {
    let blind = knobs(&[("theme", KnobValue::Choice("gray".into())), ("numbers", KnobValue::Bool(false))]);
    assert!(matches!(Game2048::reset(Seed::new(1), &blind), Err(KnobError::Conflict { .. })));
}

#[test]
fn broken_snapshots_are_refused() {
    let mut value = serde_json::to_value(game(1, &[[2, 2, 0, 4]; 4])).unwrap();
    assert!(serde_json::from_value::<Game2048>(value.clone()).is_ok());
    value["board"]["tiles"] = json!([1, 2]);
    assert!(serde_json::from_value::<Game2048>(value).is_err());
}

#[test]
fn tile_colours_are_far_apart() {
    for (i, a) in TILE_COLORS.iter().enumerate() {
        for b in &TILE_COLORS[i + 1..] {
            let apart: i32 = a.iter().zip(b).map(|(x, y)| (i32::from(*x) - i32::from(*y)).pow(2)).sum();
            assert!(apart > 60 * 60, "{a:?} and {b:?}: {apart}");
        }
    }
}

/// Mean scores of the random and the expert policy.
fn references(knobs: &Knobs, episodes: u64) -> (f32, f32) {
    let mut sums = (0.0, 0.0);
    for index in 0..episodes {
        let mut game = Game2048::reset(Seed::new(index), knobs).unwrap();
        let mut other = game.clone();
        let mut rng = Seed::new(index).split("random", 0).rng();
        while game.status() == Status::Running {
            let action = *rng.choose(&game.legal_actions()).unwrap();
            sums.0 += game.step(&action).score;
        }
        while other.status() == Status::Running {
            let action = other.oracle();
            sums.1 += other.step(&action).score;
        }
    }
    (sums.0 / episodes as f32, sums.1 / episodes as f32)
}

#[test]
fn the_oracle_beats_chance() {
    let (random, oracle) = references(&knobs(&[]), 200);
    println!("2048 one move: random {random:.3}, oracle {oracle:.3}");
    assert!(oracle > random + 0.2, "{random} {oracle}");
    let points = ("score", KnobValue::Choice("points".into()));
    let long = knobs(&[("turns", KnobValue::Int(100)), points]);
    let (random, oracle) = references(&long, 10);
    println!("2048 points in 100 moves: random {random:.1}, oracle {oracle:.1}");
    assert!(oracle > 1.3 * random, "{random} {oracle}");
}
