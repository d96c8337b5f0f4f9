use super::*;
use std::collections::BTreeMap;

use crate::KnobValue;

fn knobs(given: &[(&str, i64)]) -> Knobs {
    let given: BTreeMap<_, _> = given.iter().map(|(k, v)| (k.to_string(), KnobValue::Int(*v))).collect();
    Knobs::resolve(SPEC.id, KNOBS, &given).unwrap()
}

fn board(rows: &[&str], mover: usize) -> Breakthrough {
    let size = rows.len() as i64;
    let mut game = Breakthrough::reset(Seed::new(1), &knobs(&[("size", size), ("ranks", 1)])).unwrap();
    game.position.stones = [0; 2];
    game.position.mover = mover;
    for (row, text) in rows.iter().enumerate() {
        for (col, letter) in text.chars().enumerate() {
            if let Some(player) = NAMES.iter().position(|n| n.starts_with(letter)) {
                game.position.stones[player] |= bit(row, col);
            }
        }
    }
    game
}

fn play(game: &mut Breakthrough, text: &str) -> Vec<Step> {
    let player = game.position.mover;
    let walk = game.parse(player, text).unwrap();
    game.step(&[(player, walk)])
}

#[test]
fn stones_walk_take_and_win_by_the_rules() {
    let mut game = board(&["----", "-BB-", "-W--", "W---"], 0);
    let legal: Vec<String> = game.legal_actions(0).iter().map(ToString::to_string).collect();
    // Straight ahead of b2 stands a stone: it cannot be taken from the front.
    assert_eq!(legal, ["b2a3", "b2c3", "a1a2"]);
    assert!(!play(&mut game, "b2b3")[0].legal && game.turn == 1);
    assert!(play(&mut game, "b2c3")[0].legal);
    assert_eq!(game.perception(0).text, "- - - -\n- B W -\n- - - -\nW - - -");
    assert_eq!(play(&mut game, "b3b2").iter().map(|s| s.reward).sum::<f32>(), 0.0);
    let last = play(&mut game, "c3c4");
    assert_eq!((last[0].reward, last[1].reward, game.acting().len()), (1.0, 0.0, 0));
    let mut all = board(&["----", "-B--", "W---", "----"], 0);
    assert_eq!(play(&mut all, "a2b3")[0].reward, 1.0, "nothing is left of black");
}

/// Plain minimax to the end: true when the mover wins.
fn wins(position: Position) -> bool {
    position.winner().is_none() && position.moves().into_iter().any(|step| !wins(position.after(step)))
}

#[test]
fn the_search_agrees_with_plain_minimax() {
    for (rows, mover) in [
        (["-B--", "----", "-W--", "----"], 0),
        (["--B-", "W---", "--B-", "----"], 1),
        (["B--B", "----", "----", "W--W"], 0),
        (["-BB-", "----", "----", "-WW-"], 0),
    ] {
        let game = board(&rows, mover);
        assert_eq!(game.position.value(20, -2 * WIN, 2 * WIN) > 0, wins(game.position), "{rows:?}");
    }
    let race = board(&["----", "W---", "---B", "----"], 0);
    assert_eq!(race.oracle(0, "strong").to_string(), "a3a4");
    let block = board(&["B--B", "-W--", "----", "---W"], 1);
    assert_eq!(block.oracle(1, "strong").to_string(), "a4b3");
    assert!(
        block.reason(1, "strong", &block.oracle(1, "strong")).starts_with("B needs 3 W needs 1 worth a4b3 ")
    );
}

#[test]
fn answers_and_snapshots_are_checked() {
    let game = board(&["B--B", "----", "----", "W--W"], 0);
    assert_eq!(game.parse(0, " A1A2 ").unwrap().to_string(), "a1a2");
    assert!(matches!(game.parse(0, "a1a9"), Err(ParseError::Range { .. })));
    assert!(matches!(game.parse(0, "z1a2"), Err(ParseError::Range { .. })));
    for text in ["a1", "a1-a2", "a1a2a3", "1a2a", "ａ1a2"] {
        assert!(matches!(game.parse(0, text), Err(ParseError::Grammar { .. })), "{text}");
    }
    let refused = |pointer: &str, to: serde_json::Value| {
        let mut value = serde_json::to_value(&game).unwrap();
        *value.pointer_mut(pointer).unwrap() = to;
        serde_json::from_value::<Breakthrough>(value).is_err()
    };
    assert!(refused("/position/size", json!(0)));
    assert!(refused("/position/size", json!(9)));
    assert!(refused("/position/mover", json!(2)));
    assert!(refused("/position/stones", json!([1, 1])));
    assert!(refused("/position/stones", json!([1_u64 << 40, 1])));
    assert!(refused("/turn", json!(1_000_000)));
    let room = knobs(&[("size", 5), ("ranks", 2)]);
    assert!(Breakthrough::reset(Seed::new(1), &room).is_ok());
    let tight = Breakthrough::reset(Seed::new(1), &knobs(&[("size", 4), ("ranks", 2)]));
    assert!(matches!(tight, Err(KnobError::Conflict { .. })));
}
