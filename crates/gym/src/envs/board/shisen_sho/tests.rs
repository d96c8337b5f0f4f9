use std::collections::{BTreeMap, VecDeque};

use super::tiles::testing::{board, pair};
use super::*;
use crate::{Direction, KnobValue};

fn knobs(given: &[(&str, i64)]) -> Knobs {
    let given: BTreeMap<_, _> = given.iter().map(|(k, v)| (k.to_string(), KnobValue::Int(*v))).collect();
    Knobs::resolve(SPEC.id, KNOBS, &given).unwrap()
}

fn game(rows: &[&str], border_paths: bool) -> ShisenSho {
    let mut game = ShisenSho::reset(Seed::new(1), &knobs(&[("turns", 100)])).unwrap();
    game.board = board(rows);
    game.border_paths = border_paths;
    game
}

/// The least number of turns by breadth-first search over (cell, direction), the plain twin of
/// [`Lanes::connect`].
fn turns(board: &Tiles, pair: CellPair, border_paths: bool) -> Option<usize> {
    let width = board.size() + 2;
    let shift = |cell: Cell| Cell { row: cell.row + 1, col: cell.col + 1 };
    let (start, goal) = (shift(pair.first), shift(pair.second));
    let mut best: BTreeMap<(Cell, Direction), usize> = BTreeMap::new();
    let mut queue: VecDeque<(Cell, Direction, usize)> =
        Direction::ALL.into_iter().map(|d| (start, d, 0)).collect();
    while let Some((cell, direction, turns)) = queue.pop_front() {
        for next_direction in Direction::ALL {
            let turned = turns + usize::from(next_direction != direction);
            let Some(next) = cell.neighbour(next_direction, width, width) else { continue };
            let border = [next.row, next.col].iter().any(|v| *v == 0 || *v == width - 1);
            let free = next == goal
                || if border {
                    border_paths
                } else {
                    board.at(Cell { row: next.row - 1, col: next.col - 1 }).is_empty()
                };
            if free && best.get(&(next, next_direction)).is_none_or(|old| turned < *old) {
                best.insert((next, next_direction), turned);
                if next != goal {
                    queue.push_back((next, next_direction, turned));
                }
            }
        }
    }
    Direction::ALL.iter().filter_map(|d| best.get(&(goal, *d)).copied()).min()
}

#[test]
fn paths_with_up_to_two_turns_connect_and_three_do_not() {
    let cases: [(&[&str], _, _, usize); 5] = [
        (&["aa..", "....", "....", "...."], (0, 0), (0, 1), 0),
        (&["a..a", "....", "....", "...."], (0, 0), (0, 3), 0),
        (&["a...", "bc..", "....", "..a."], (0, 0), (3, 2), 1),
        (&["a.bb", "b.bb", "b..a", "bbbb"], (0, 0), (2, 3), 2),
        (&["abbb", "bbbb", "bbbb", "bbba"], (0, 0), (3, 3), 9),
    ];
    for (rows, first, second, expected) in cases {
        let (game, pair) = (game(rows, false), pair(first, second));
        let found = turns(&game.board, pair, false);
        assert_eq!(found.unwrap_or(9), expected, "{rows:?}");
        assert_eq!(game.is_legal(pair), expected <= 2, "{rows:?}");
    }
    // Right, down, right, down: three turns are one too many.
    let bent = game(&["a.bb", "b..b", "bb.b", "bbab"], false);
    assert_eq!(turns(&bent.board, pair((0, 0), (3, 2)), false), Some(3));
    assert!(!bent.is_legal(pair((0, 0), (3, 2))));
}

#[test]
fn the_border_joins_only_when_it_may() {
    let rows = ["abac", "cdbd", "dbda", "acdb"];
    let top = pair((0, 0), (0, 2));
    assert!(game(&rows, true).is_legal(top));
    assert!(!game(&rows, false).is_legal(top));
    // Round a corner takes three turns, round one side two.
    assert!(!game(&rows, true).is_legal(pair((0, 0), (2, 3))));
    assert!(!game(&rows, true).is_legal(pair((0, 1), (2, 1))));
    assert!(game(&rows, true).is_legal(pair((0, 0), (3, 0))));
}

#[test]
fn connections_agree_with_breadth_first_search() {
    let mut rng = Seed::new(9).rng();
    let (mut yes, mut no) = (0, 0);
    for round in 0..1500 {
        let size = 2 + rng.below(6);
        let share = rng.unit();
        let mut tiles = Tiles::empty(size);
        for index in 0..size * size {
            if rng.chance(share) {
                tiles.set(tiles.cell(index), Tile::all(2, 1)[rng.below(2)]);
            }
        }
        let border = round % 2 == 0;
        let (i, j) = (rng.below(size * size), rng.below(size * size));
        if i == j || tiles.cells()[i].is_empty() || tiles.cells()[i] != tiles.cells()[j] {
            continue;
        }
        let pair = CellPair { first: tiles.cell(i), second: tiles.cell(j) };
        let expected = turns(&tiles, pair, border).is_some_and(|n| n <= 2);
        assert_eq!(Lanes::of(&tiles, border).connect(pair), expected, "{tiles:?} {pair}");
        if expected { yes += 1 } else { no += 1 }
    }
    assert!(yes > 100 && no > 30, "{yes} {no}");
}

#[test]
fn taking_pairs_pays_and_refusals_only_count() {
    let mut game = game(&["aabb", "cddc", "....", "...."], true);
    let before = game.clone();
    for refused in [((0, 0), (0, 2)), ((0, 0), (0, 0)), ((2, 0), (2, 1)), ((0, 0), (2, 0))] {
        let mut other = game.clone();
        let step = other.step(&pair(refused.0, refused.1));
        assert_eq!((step.reward, step.score, step.legal), (-1.0, 0.0, false), "{refused:?}");
        assert_eq!(other, ShisenSho { turn: 1, ..before.clone() });
    }
    assert_eq!(game.oracle(), pair((0, 0), (0, 1)));
    assert_eq!(game.step(&pair((0, 1), (0, 0))).reward, 1.0);
    assert_eq!(game.perception().text.lines().next(), Some("- - RedSquare RedSquare"));
    for _ in 0..2 {
        assert_eq!(game.step(&game.oracle()).status, Status::Running);
    }
    assert_eq!(game.step(&game.oracle()).status, Status::Done(Outcome::Success));
    assert_eq!(game.step(&pair((0, 0), (0, 1))).reward, 0.0);
}

#[test]
fn a_board_without_pairs_is_a_failure() {
    // Under the two taken tiles lie three different ones, and no equal ones are neighbours.
    let mut game = game(&["dbab", "baba", "abab", "ccda"], false);
    assert_eq!(game.step(&pair((3, 0), (3, 1))).status, Status::Done(Outcome::Failure));
    assert!(game.legal_actions().is_empty());
}

#[test]
fn every_start_has_a_pair_and_four_tiles_of_a_kind() {
    for size in [2, 4, 6, 8, 12] {
        for index in 0..20 {
            let game = ShisenSho::reset(Seed::new(index), &knobs(&[("size", size)])).unwrap();
            assert!(!game.legal_actions().is_empty());
            let mut counts = BTreeMap::new();
            for tile in game.board.cells() {
                *counts.entry(*tile).or_insert(0) += 1;
            }
            let expected = if size == 2 { 2 } else { 4 };
            assert!(counts.values().all(|count| *count == expected), "{counts:?}");
        }
    }
    let game = ShisenSho::reset(Seed::new(1), &knobs(&[("removed", 10)])).unwrap();
    assert_eq!(game.board.cells().iter().filter(|tile| tile.is_empty()).count(), 20);
    for (index, removed) in (0..20).zip([17, 1].into_iter().cycle()) {
        let game = ShisenSho::reset(Seed::new(index), &knobs(&[("removed", removed)])).unwrap();
        assert!(!game.legal_actions().is_empty());
    }
    for bad in [knobs(&[("size", 5)]), knobs(&[("removed", 18)])] {
        assert!(matches!(ShisenSho::reset(Seed::new(1), &bad), Err(KnobError::Conflict { .. })));
    }
}

#[test]
fn reasons_walk_to_the_first_pair() {
    let game = game(&["abcd", "efgg", "cdab", "hhef"], false);
    assert_eq!(game.oracle().to_string(), "(1,2) (1,3)");
    assert_eq!(game.reason(&game.oracle()), "none 0 row 1 RedCross RedStar GreenCircle at 1 2 and 1 3");
    assert_eq!(game.reason(&pair((3, 0), (3, 1))), "GreenSquare at 3 0 and 3 1");
    assert_eq!(game.reason(&pair((0, 0), (0, 1))), "RedCircle at 0 0 and RedSquare at 0 1");
}

#[test]
fn the_parser_knows_the_board() {
    let game = ShisenSho::reset(Seed::new(1), &knobs(&[])).unwrap();
    assert!(matches!(game.parse("(0,7) (0,0)"), Err(ParseError::Range { .. })));
    assert!(matches!(game.parse("RedStar"), Err(ParseError::Grammar { .. })));
}

/// Mean scores of guessing two cells and of the expert.
fn references(knobs: &Knobs) -> (f32, f32) {
    let mut sums = (0.0, 0.0);
    for index in 0..200 {
        let mut game = ShisenSho::reset(Seed::new(index), knobs).unwrap();
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
    println!("shisen-sho one turn: guesses {random:.3}, oracle {oracle:.3}");
    assert_eq!(oracle, 1.0);
    assert!(random < 0.1, "{random}");
    let (random, oracle) = references(&knobs(&[("turns", 100)]));
    println!("shisen-sho 100 turns: guesses {random:.3}, oracle {oracle:.3}");
    assert!(random < 2.0 && oracle > 12.0, "{random} {oracle}");
}
