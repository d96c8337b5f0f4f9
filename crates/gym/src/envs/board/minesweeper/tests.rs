use super::*;

/// A field from words: `m` mine, `s` safe, closed; `.` safe and open.
fn field(text: &str) -> Minesweeper {
    let cells: Vec<u8> = text
        .split_whitespace()
        .map(|w| match w {
            "m" => MINE,
            "." => OPEN,
            _ => 0,
        })
        .collect();
    let closed = cells.iter().filter(|c| **c == 0).count();
    Minesweeper {
        size: text.lines().count(),
        cells,
        closed,
        closed_at_start: closed,
        max_turns: 30,
        tile_px: 28,
        theme: Theme::Classic,
        lettering: Lettering::Pixel,
        one_ink: false,
        coordinates: false,
        turn: 0,
        outcome: None,
    }
}

const CORNER: &str = "m s s s\ns s s s\ns s s s\ns s s m";

fn play(game: &mut Minesweeper, text: &str) -> Step {
    game.step(&game.parse(text).unwrap())
}

#[test]
fn empty_cells_open_their_surroundings() {
    let mut game = field(CORNER);
    let step = play(&mut game, "open(0,3)");
    assert_eq!(game.perception().text, "# 1 - -\n1 1 - -\n- - 1 1\n- - 1 #");
    assert_eq!((step.reward, step.status), (1.0, Status::Done(Outcome::Success)));
    let mut game = field(CORNER);
    let step = play(&mut game, "open(0,1)");
    assert_eq!((step.reward, step.status), (1.0 / 14.0, Status::Running));
}

#[test]
fn flags_guard_and_mines_end_the_game() {
    let mut game = field(CORNER);
    assert!(play(&mut game, "flag(0,0)").legal);
    assert!(!play(&mut game, "open(0,0)").legal, "a flag guards its cell");
    assert!(play(&mut game, "flag(0,0)").legal && !game.has(0, FLAG));
    let step = play(&mut game, "open(0,0)");
    assert_eq!((step.reward, step.legal, step.status), (0.0, true, Status::Done(Outcome::Failure)));
    assert_eq!(game.perception().text, "X # # #\n# # # #\n# # # #\n# # # #");
    assert_eq!(game.turn, 4);
    // A wrong flag is taken away by the oracle and by a wave that opens its cell.
    let mut game = field(CORNER);
    play(&mut game, "flag(0,3)");
    play(&mut game, "open(3,0)");
    assert_eq!(game.status(), Status::Done(Outcome::Success));
}

#[test]
fn the_oracle_opens_what_is_certain() {
    // All closed cells follow from the numbers, two or three of them together.
    let mut game = field("m s s s\n. . s s\n. . s s\n. . s m");
    let chances = odds::chances(&game.view());
    while game.status() == Status::Running {
        let click = game.oracle();
        assert!(!click.flag);
        assert!(game.step(&click).reward > 0.0, "{click}: {chances:?}");
    }
    assert_eq!(game.status(), Status::Done(Outcome::Success));
}

#[test]
fn reasons_name_the_number_that_decides() {
    let game = field("m s . .\n. . . .\n. . . .\n. . . m");
    // 0 2 shows nothing, so 0 1 holds no mine; 1 0 shows one mine, which then is at 0 0.
    let click = game.oracle();
    assert_eq!(click.to_string(), "open(0,1)");
    assert_eq!(game.reason(&click), "0 2 shows 0 with no mine so 0 1 safe");
    let other = game.parse("open(0,0)").unwrap();
    assert_eq!(game.reason(&other), "1 0 shows 1 with mines 0 0 so 0 0 mine");
}

#[test]
fn only_clicks_on_the_field_are_read() {
    let game = field(CORNER);
    assert_eq!(game.parse(" OPEN ( 1,2 )").unwrap().to_string(), "open(1,2)");
    assert!(matches!(game.parse("flag(4,0)"), Err(ParseError::Range { .. })));
    for text in ["open(1)", "openflag(1,2)", "(1,2)", "open(1,2) flag(0,0)", "open 1,2"] {
        assert!(matches!(game.parse(text), Err(ParseError::Grammar { .. })), "{text}");
    }
}

#[test]
fn the_first_click_is_clear() {
    for seed in 0..50 {
        let game = Minesweeper::reset(Seed::new(seed), &Knobs::defaults(KNOBS)).unwrap();
        assert_eq!(game.mines(), 4);
        assert!((0..25).any(|i| game.has(i, OPEN) && game.number(i) == 0));
    }
}

#[test]
fn broken_snapshots_are_refused() {
    let accepted = |game: Minesweeper| {
        serde_json::from_value::<Minesweeper>(serde_json::to_value(game).unwrap()).is_ok()
    };
    assert!(accepted(field(CORNER)));
    assert!(!accepted(Minesweeper { size: 5, ..field(CORNER) }));
    assert!(!accepted(Minesweeper { size: 40, ..field(CORNER) }));
    assert!(!accepted(Minesweeper { closed: 3, ..field(CORNER) }));
    assert!(!accepted(Minesweeper { cells: vec![OPEN | FLAG; 16], closed: 0, ..field(CORNER) }));
    assert!(!accepted(Minesweeper { tile_px: 0, ..field(CORNER) }));
}
