use super::*;
use crate::KnobValue;

fn game(knobs: &[(&str, KnobValue)], seed: u64) -> Tetris {
    let given = knobs.iter().map(|(name, v)| (name.to_string(), v.clone())).collect();
    Tetris::reset(Seed::new(seed), &Knobs::resolve(SPEC.id, KNOBS, &given).unwrap()).unwrap()
}

/// A well of four columns whose lowest rows are `text`, with the given pieces.
fn well(text: &str, now: Piece, next: Piece) -> Tetris {
    let mut state = game(&[("width", KnobValue::Int(4))], 0);
    let words: Vec<&str> = text.split_whitespace().collect();
    let from = state.cells.len() - words.len();
    for (cell, word) in state.cells[from..].iter_mut().zip(words) {
        *cell = if word == "-" { 0 } else { GARBAGE };
    }
    Tetris { now, next, ..state }
}

fn bottom(state: &Tetris, rows: usize) -> String {
    let text = state.perception().text;
    let lines: Vec<&str> = text.lines().collect();
    lines[8 - rows..8].join("\n")
}

#[test]
fn pieces_land_on_what_is_there_and_full_rows_vanish() {
    let mut state = well("- - - G\nG G - G", Piece::L, Piece::O);
    // L turned twice: three cells above, one hanging down at its left edge.
    let step = state.step(&state.parse("drop(2,0)").unwrap());
    assert_eq!((step.reward, bottom(&state, 3).as_str()), (0.0, "L L L -\nL - - G\nG G - G"));
    let mut state = well("- - - G\nG G - G", Piece::J, Piece::O);
    // J turned twice hangs down at its right edge: both rows are full.
    let step = state.step(&state.parse("drop(2,0)").unwrap());
    assert_eq!((step.reward, step.score, state.lines), (2.0, 2.0, 2));
    assert_eq!(bottom(&state, 2), "- - - -\n- - - -");
    assert_eq!((state.now, state.turn), (Piece::O, 1));
}

#[test]
fn over_the_top_is_lost() {
    let tall = "- G - -\n".repeat(7);
    let mut state = well(tall.trim_end(), Piece::I, Piece::I);
    let step = state.step(&state.parse("drop(1,1)").unwrap());
    assert_eq!((step.legal, step.reward, step.status), (true, 0.0, Status::Done(Outcome::Failure)));
    let mut state = well(tall.trim_end(), Piece::I, Piece::I);
    assert_eq!(state.step(&state.parse("drop(1,0)").unwrap()).status, Status::Running);
}

#[test]
fn the_oracle_sees_two_pieces_ahead() {
    // The I belongs into the gap at the right; the O has to leave it open.
    let state = well("G G - -\nG G G -\nG G G -\nG G G -", Piece::I, Piece::O);
    assert_eq!(state.oracle().to_string(), "drop(1,3)");
    assert_eq!(
        state.reason(&state.oracle()),
        "heights 4 4 3 0 I turned 1 to column 3 row 4 clears 3 leaves height 1 holes 0"
    );
}

#[test]
fn the_oracle_reaches_the_goal_on_every_width() {
    for width in [4, 6, 8, 10] {
        let turns = ("max_turns", KnobValue::Int(60));
        let knobs = [("width", KnobValue::Int(width)), ("height", KnobValue::Int(14)), turns];
        for seed in 0..6 {
            let mut state = game(&knobs, seed);
            while state.status() == Status::Running {
                state.step(&state.oracle());
            }
            assert_eq!(state.status(), Status::Done(Outcome::Success), "width {width} seed {seed}");
        }
    }
}

#[test]
fn a_bag_holds_every_piece_once() {
    let mut source = Source { supply: Supply::All, bag: true, taken: 0, rng: Seed::new(2).rng() };
    for _ in 0..5 {
        let mut drawn: Vec<u8> = (0..7).map(|_| source.draw().code()).collect();
        drawn.sort_unstable();
        assert_eq!(drawn, [1, 2, 3, 4, 5, 6, 7]);
    }
}

#[test]
fn only_drops_into_the_well_are_read() {
    let state = well("- - - -", Piece::S, Piece::O);
    assert_eq!(state.parse(" DROP( 1 ,2)").unwrap().to_string(), "drop(1,2)");
    for text in ["drop(2,0)", "drop(0,2)", "drop(1,3)", "drop(0,99999999999999999999)"] {
        assert!(matches!(state.parse(text), Err(ParseError::Range { .. })), "{text}");
    }
    for text in ["drop(1)", "drop 1,2", "(1,2)", "drop(1,2) drop(0,0)"] {
        assert!(matches!(state.parse(text), Err(ParseError::Grammar { .. })), "{text}");
    }
}

#[test]
fn broken_snapshots_are_refused() {
    let accepted =
        |state: Tetris| serde_json::from_value::<Tetris>(serde_json::to_value(state).unwrap()).is_ok();
    let whole = || well("G G - G", Piece::S, Piece::O);
    assert!(accepted(whole()));
    assert!(!accepted(Tetris { width: 5, ..whole() }));
    assert!(!accepted(Tetris { width: 16, height: 2, ..whole() }));
    assert!(!accepted(Tetris { cells: vec![9; 32], ..whole() }));
    assert!(!accepted(Tetris { tile_px: 0, ..whole() }));
    let mut odd = whole();
    odd.source.taken = u16::MAX;
    assert!(Tetris { turn: 0, ..odd }.step(&Drop { turns: 0, col: 0 }).legal);
}
