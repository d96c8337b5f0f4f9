use super::*;
use crate::KnobValue;

const SOLUTION: [u8; 16] = [1, 2, 3, 4, 3, 4, 1, 2, 2, 1, 4, 3, 4, 3, 2, 1];

/// The solution above with `-` where `text` has it.
fn sudoku(text: &str, per_turn: usize, mistakes_allowed: usize) -> Sudoku {
    let seen = text.split_whitespace().zip(SOLUTION);
    let numbers: Vec<u8> = seen.map(|(word, n)| if word == "-" { 0 } else { n }).collect();
    Sudoku {
        shape: Shape::new(4, false),
        empty_at_start: numbers.iter().filter(|n| **n == 0).count(),
        numbers,
        solution: SOLUTION.into(),
        per_turn,
        mistakes: 0,
        mistakes_allowed,
        max_turns: 9,
        tile_px: 28,
        theme: Theme::Paper,
        lettering: Lettering::Pixel,
        coordinates: false,
        turn: 0,
        outcome: None,
    }
}

const FOUR: &str = "- 2 3 4\n3 4 1 2\n2 - - 3\n4 3 2 -";

fn play(game: &mut Sudoku, text: &str) -> Step {
    game.step(&game.parse(text).unwrap())
}

#[test]
fn right_numbers_pay_and_wrong_ones_are_counted() {
    let mut game = sudoku(FOUR, 2, 1);
    assert_eq!(play(&mut game, "(0,0,1)").reward, 0.25);
    let refused = play(&mut game, "(2,1,1) (0,0,1)");
    assert_eq!((refused.legal, refused.reward, game.empty()), (false, 0.0, 3));
    let wrong = play(&mut game, "(2,1,4) (2,2,4)");
    assert_eq!((wrong.legal, wrong.reward, game.mistakes), (true, 0.25, 1));
    assert_eq!(game.perception().text, "1 2 3 4\n3 4 1 2\n2 - 4 3\n4 3 2 -");
    let mut over = game.clone();
    let step = play(&mut over, "(2,1,3) (3,3,1)");
    assert_eq!((step.reward, step.status), (0.0, Status::Done(Outcome::Failure)));
    let step = play(&mut game, "(2,1,1) (3,3,1)");
    assert_eq!((step.reward, step.status), (0.5, Status::Done(Outcome::Success)));
}

#[test]
fn reasons_carry_the_numbers_that_are_taken() {
    let game = sudoku(FOUR, 1, 0);
    assert_eq!(game.oracle().to_string(), "(0,0,1)");
    assert_eq!(game.reason(&game.oracle()), "0 0 row 2 3 4 leaves 1 so 1");
    let wrong = game.parse("(2,1,4)").unwrap();
    assert_eq!(game.reason(&wrong), "2 1 row 2 3 column 4 leaves 1 so 4");
    // Several cells: the cell, what is left to it, the number.
    let game = sudoku("- - 3 4\n3 4 1 2\n2 - 4 3\n4 3 2 1", 2, 0);
    assert_eq!(game.oracle().to_string(), "(0,0,1) (0,1,2)");
    assert_eq!(game.reason(&game.oracle()), "0 0 1 1 0 1 2 2");
}

#[test]
fn only_entries_on_the_grid_are_read() {
    let game = sudoku(FOUR, 2, 0);
    assert_eq!(game.parse(" ( 0,0 ,1 )(2,1,1)").unwrap().to_string(), "(0,0,1) (2,1,1)");
    for text in ["(4,0,1)", "(0,0,0)", "(0,0,5)", "(0,0,1) (0,0,2)", "(0,0,1) (2,1,1) (2,2,4)"] {
        assert!(matches!(game.parse(text), Err(ParseError::Range { .. })), "{text}");
    }
    for text in ["", "(0,0)", "0,0,1", "(0,0,1),(2,1,1)", "(0,0,-1)"] {
        assert!(matches!(game.parse(text), Err(ParseError::Grammar { .. })), "{text}");
    }
}

#[test]
fn the_oracle_fills_every_grid() {
    for (size, diagonals, per_turn) in [("4", true, 1), ("6", false, 3), ("9", false, 9), ("9", true, 4)] {
        let given = [
            ("size", KnobValue::Choice(size.into())),
            ("blanks", KnobValue::Float(0.7)),
            ("diagonals", KnobValue::Bool(diagonals)),
            ("per_turn", KnobValue::Int(per_turn)),
            ("spare_turns", KnobValue::Int(0)),
        ];
        let given = given.map(|(name, v)| (name.to_string(), v)).into();
        let knobs = Knobs::resolve(SPEC.id, KNOBS, &given).unwrap();
        for seed in 0..6 {
            let mut game = Sudoku::reset(Seed::new(seed), &knobs).unwrap();
            assert!(game.empty() * 2 > game.shape.cells(), "{} empty", game.empty());
            while game.status() == Status::Running {
                let fill = game.oracle();
                let words = game.reason(&fill).split(' ').count();
                assert!(words <= 40, "{words} words");
                assert!(game.step(&fill).legal);
            }
            assert_eq!(game.status(), Status::Done(Outcome::Success), "{size} seed {seed}");
        }
    }
}

#[test]
fn broken_snapshots_are_refused() {
    let accepted =
        |game: Sudoku| serde_json::from_value::<Sudoku>(serde_json::to_value(game).unwrap()).is_ok();
    let whole = || sudoku(FOUR, 2, 0);
    assert!(accepted(whole()));
    assert!(!accepted(Sudoku { solution: vec![1; 16], ..whole() }));
    assert!(!accepted(Sudoku { numbers: vec![0; 15], ..whole() }));
    assert!(!accepted(Sudoku { numbers: vec![4; 16], ..whole() }));
    assert!(!accepted(Sudoku { shape: Shape::new(9, false), ..whole() }));
    assert!(!accepted(Sudoku { per_turn: 0, ..whole() }));
    let mut value = serde_json::to_value(whole()).unwrap();
    value["shape"]["size"] = json!(5);
    assert!(serde_json::from_value::<Sudoku>(value).is_err());
}
