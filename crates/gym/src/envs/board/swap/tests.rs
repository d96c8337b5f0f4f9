use std::collections::BTreeMap;

use super::super::shisen_sho::tiles::testing::{board, pair};
use super::*;
use crate::KnobValue;

fn knobs(given: &[(&str, i64)]) -> Knobs {
    let given: BTreeMap<_, _> = given.iter().map(|(k, v)| (k.to_string(), KnobValue::Int(*v))).collect();
    Knobs::resolve(SPEC.id, KNOBS, &given).unwrap()
}

fn game(rows: &[&str]) -> Swap {
    let mut game = Swap::reset(Seed::new(1), &knobs(&[("turns", 100)])).unwrap();
    game.board = board(rows);
    game
}

#[test]
fn a_swap_is_valid_when_three_line_up() {
    let board = board(&["abac", "cade", "dcfg", "efgh"]);
    // Moving the a of (1,1) up fills row 0.
    assert!(is_valid(&board, pair((0, 1), (1, 1))));
    assert!(is_valid(&board, pair((1, 1), (0, 1))));
    assert!(!is_valid(&board, pair((0, 0), (0, 1))));
    assert!(!is_valid(&board, pair((0, 0), (0, 0))));
    // Two apart, although the tile would line up.
    assert!(!is_valid(&board, pair((0, 1), (2, 1))));
    assert_eq!(swaps(&board).collect::<Vec<_>>(), [pair((0, 1), (1, 1))]);
}

#[test]
fn runs_go_together_and_tiles_fall() {
    let mut tiles = board(&["abcd", "eeea", "fbea", "cdea"]);
    assert_eq!(remove_runs(&mut tiles), 3 + 2 + 3);
    assert_eq!(tiles, board(&["abcd", "....", "fb..", "cd.."]));
    fall(&mut tiles);
    assert_eq!(tiles, board(&["....", "ab..", "fb..", "cdcd"]));
    assert_eq!(remove_runs(&mut tiles), 0);
    let mut four = board(&["aaaa", "bcbc", "cbcb", "bcbc"]);
    assert_eq!(remove_runs(&mut four), 4);
}

#[test]
fn a_swap_cascades_and_pays_by_wave() {
    // The swap lines up aaa at the bottom; above it bb then falls beside the third b.
    let mut game = game(&["cdef", "defg", "abbc", "gaab"]);
    let action = pair((2, 0), (3, 0));
    let mut tiles = game.board.clone();
    tiles.swap(action);
    assert_eq!(remove_runs(&mut tiles), 3);
    fall(&mut tiles);
    assert_eq!(tiles, board(&["...f", "cdeg", "defc", "gbbb"]));
    assert_eq!(remove_runs(&mut tiles), 3);
    let step = game.step(&action);
    assert_eq!((step.reward, step.score, step.legal), (1.0, 1.0, true));
    assert!(game.points >= 12, "each wave of three pays 3·(1 + 1): {}", game.points);
    assert!(is_playable(&game.board));
}

#[test]
fn refused_swaps_count_a_turn_only() {
    let mut game = game(&["abac", "cade", "dcfg", "efgh"]);
    let before = game.clone();
    let step = game.step(&pair((0, 0), (0, 1)));
    assert_eq!((step.reward, step.score, step.legal), (-1.0, 0.0, false));
    assert_eq!(game, Swap { turn: 1, ..before });
    assert!(matches!(game.parse("(0,7) (0,0)"), Err(ParseError::Range { .. })));
    assert!(matches!(game.parse("swap"), Err(ParseError::Grammar { .. })));
}

#[test]
fn boards_without_a_swap_are_mixed_or_dealt_anew() {
    // Enough of a kind to be mixed into a playable board: the tiles stay the same.
    let mut game = game(&["...."; 4]);
    let mut stuck = board(&["abcd", "cdab", "abcd", "cdab"]);
    assert!(swaps(&stuck).next().is_none());
    game.board = stuck.clone();
    game.settle();
    assert!(is_playable(&game.board));
    let sorted = |tiles: &Tiles| {
        let mut cells = tiles.cells().to_vec();
        cells.sort_unstable();
        cells
    };
    assert_eq!(sorted(&game.board), sorted(&stuck));
    // Sixteen different tiles can never line up.
    stuck = board(&["abcd", "efgh", "ijkl", "mnop"]);
    game.board = stuck.clone();
    game.settle();
    assert!(is_playable(&game.board));
    assert_ne!(sorted(&game.board), sorted(&stuck));
}

#[test]
fn boards_stay_playable_and_turns_end_with_few_kinds() {
    for given in [&[][..], &[("colours", 3), ("shapes", 1)], &[("size", 4), ("colours", 6), ("shapes", 6)]] {
        let mut given = given.to_vec();
        given.push(("turns", 40));
        for index in 0..10 {
            let mut game = Swap::reset(Seed::new(index), &knobs(&given)).unwrap();
            while game.status() == Status::Running {
                assert!(is_playable(&game.board));
                let mut rng = Seed::new(index).split("t", u64::from(game.turn)).rng();
                let action = *rng.choose(&game.legal_actions()).unwrap();
                assert!(game.step(&action).legal);
            }
            assert!(game.points >= 40 * 6);
        }
    }
    let few = knobs(&[("colours", 2), ("shapes", 1)]);
    assert!(matches!(Swap::reset(Seed::new(1), &few), Err(KnobError::Conflict { .. })));
}

#[test]
fn reasons_name_the_line() {
    let game = game(&["bcde", "fagb", "hcaa", "gbfd"]);
    assert_eq!(game.oracle(), pair((1, 1), (2, 1)));
    assert_eq!(game.reason(&game.oracle()), "none 0 row 1 RedCircle at 2 1 2 2 2 3 from 1 1");
    assert_eq!(game.reason(&pair((2, 1), (1, 1))), "RedCircle at 2 1 2 2 2 3 from 1 1");
    assert_eq!(game.reason(&pair((0, 0), (0, 1))), "RedSquare at 0 0 and RedTriangle at 0 1");
}

/// Mean scores of guessing two neighbours and of the expert.
fn references(knobs: &Knobs) -> (f32, f32) {
    let mut sums = (0.0, 0.0);
    for index in 0..200 {
        let mut game = Swap::reset(Seed::new(index), knobs).unwrap();
        let mut other = game.clone();
        let mut rng = Seed::new(index).split("random", 0).rng();
        let cells = game.board.cells().len();
        while game.status() == Status::Running {
            let mut cell = || game.board.cell(rng.below(cells));
            let guess = CellPair { first: cell(), second: cell() };
            sums.0 += game.step(&guess).score;
        }
        while other.status() == Status::Running {
            sums.1 += other.step(&other.oracle()).score;
        }
    }
    (sums.0 / 200.0, sums.1 / 200.0)
}

#[test]
fn the_oracle_beats_guessing() {
    let (random, oracle) = references(&knobs(&[]));
    println!("swap one turn: guesses {random:.3}, oracle {oracle:.3}");
    assert_eq!(oracle, 1.0);
    assert!(random < 0.1, "{random}");
}
