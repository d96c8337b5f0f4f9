use super::*;

const THREE: Field = Field { rows: 3, cols: 3, line: 3, falls: false };
const FOUR: Field = Field { rows: 6, cols: 7, line: 4, falls: true };

fn stones(field: Field, rows: &[&str]) -> Stones {
    let mut stones = [0; 2];
    for (row, text) in rows.iter().enumerate() {
        for (col, letter) in text.chars().enumerate() {
            let bit = field.bit(Cell { row, col });
            match letter {
                'X' => stones[0] |= bit,
                'O' => stones[1] |= bit,
                _ => {}
            }
        }
    }
    stones
}

#[test]
fn lines_are_counted_right_and_do_not_run_over_the_edge() {
    assert_eq!(THREE.lines().len(), 8);
    assert_eq!(FOUR.lines().len(), 69);
    for field in [THREE, FOUR] {
        assert!(field.lines().iter().all(|line| field.has_line(*line) && line & !field.all() == 0));
    }
    let wrapped = stones(FOUR, &["", "", "", "", "     XX", "XX"]);
    assert!(!FOUR.has_line(wrapped[0]));
    let falling = stones(FOUR, &["", "", "", "", "", "XX O"]);
    assert_eq!(
        bits(FOUR.moves(falling)).map(|b| FOUR.cell(b).row).collect::<Vec<_>>(),
        [4, 4, 4, 5, 5, 5, 5]
    );
}

/// Plain minimax, no cuts: 1 when the mover wins, 0 for a draw, -1 when it loses.
fn minimax(field: Field, stones: Stones) -> i32 {
    let player = mover(stones);
    if field.has_line(stones[1 - player]) {
        return -1;
    }
    bits(field.moves(stones)).map(|bit| -minimax(field, with(stones, player, bit))).max().unwrap_or(0)
}

#[test]
fn the_search_agrees_with_plain_minimax() {
    let mut rng = Seed::new(5).rng();
    let small = Field { rows: 3, cols: 4, line: 3, falls: true };
    for index in 0..60 {
        let field = [THREE, small][index % 2];
        let position = opening(field, 2 + index % 3, &mut rng);
        let sign = |score: i32| if score.abs() >= WIN { score.signum() } else { 0 };
        for rated in Search::new(field).rate(position, ORACLE) {
            if field.free(position) > EXACT_FREE {
                continue;
            }
            let next = with(position, mover(position), rated.bit);
            assert_eq!(sign(rated.score), -minimax(field, next), "{position:?} {rated:?}");
        }
    }
}

#[test]
fn the_best_reply_is_exact() {
    // X to move: the corner (2,2) wins at once.
    let position = stones(THREE, &["X O", " XO", "   "]);
    assert_eq!(mover(position), 0);
    let rated = rate(THREE, position, "random");
    assert_eq!(THREE.cell(best(&rated)), Cell { row: 2, col: 2 });
    // Elsewhere than the corner the random opponent may take it: (0,1) leaves O four cells. O
    // wins at (2,2) and nowhere else; after any of the other three X wins at (2,2) or (2,1).
    let first = rated.iter().find(|r| THREE.cell(r.bit) == Cell { row: 0, col: 1 }).unwrap();
    assert_eq!(first.worth, 75);
    // The scripted opponent takes its win.
    let first = rate(THREE, position, "scripted")[0];
    assert_eq!((THREE.cell(first.bit), first.worth), (Cell { row: 0, col: 1 }, 0));
    // Perfect play from the empty board is a draw, whatever the first move.
    let start = Search::new(THREE).rate([0, 0], ORACLE);
    assert!(start.iter().all(|r| r.score == 0 && r.worth == 50), "{start:?}");
    assert_eq!(expected(THREE, [0, 0], 1, "strong", &mut HashMap::new()), 0.5);
}

#[test]
fn opponents_do_what_their_names_say() {
    let position = stones(FOUR, &["", "", "", "", "O", "XXX OO"]);
    assert_eq!(mover(position), 0);
    let at = |mask: u64| bits(mask).map(|b| FOUR.cell(b).col).collect::<Vec<_>>();
    assert_eq!(at(choices(FOUR, position, "random")).len(), 7);
    assert_eq!(at(choices(FOUR, position, "scripted")), [3]);
    assert_eq!(at(choices(FOUR, position, "strong")), [3]);
    let threat = stones(FOUR, &["", "", "", "", "O", "XXX O"]);
    assert_eq!(mover(threat), 1);
    assert_eq!(at(choices(FOUR, threat, "scripted")), [3]);
    assert_eq!(at(choices(FOUR, threat, "strong")), [3]);
}

#[test]
fn games_end_and_stalling_pays_nothing() {
    let mut game = Match { field: THREE, stones: stones(THREE, &["XX", "OO"]), turn: 0, outcome: None };
    let refused = game.play(0, 1);
    assert!(!refused[0].legal && refused[1].legal && game.turn == 1);
    let mut stalled = game.clone();
    for _ in 0..12 {
        assert_eq!(stalled.pass(0).reward, 0.0);
    }
    assert_eq!((stalled.outcome, stalled.acting()), (Some(Ending::Stalled), vec![]));
    let won = game.play(0, THREE.bit(Cell { row: 0, col: 2 }));
    assert_eq!((won[0].reward, won[1].reward, game.outcome), (1.0, 0.0, Some(Ending::First)));
    assert_eq!(game.play(1, 1 << 10)[1].reward, 0.0);
    let hostile = |text: &str| serde_json::from_str::<Match>(text).is_err();
    let field = r#""field":{"rows":3,"cols":3,"line":3,"falls":false},"turn":0,"outcome":null"#;
    assert!(hostile(&format!("{{{field},\"stones\":[1,1]}}")));
    assert!(hostile(&format!("{{{field},\"stones\":[8,0]}}")), "the unused column");
    assert!(hostile(&format!("{{{field},\"stones\":[18446744073709551615,0]}}")));
    assert!(!hostile(&format!("{{{field},\"stones\":[1,0]}}")));
}
