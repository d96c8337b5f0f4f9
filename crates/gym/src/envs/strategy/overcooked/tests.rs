use super::*;
use std::collections::BTreeMap;

use crate::KnobValue;

fn knobs(given: &[(&str, KnobValue)]) -> Knobs {
    let given: BTreeMap<_, _> = given.iter().map(|(k, v)| (k.to_string(), v.clone())).collect();
    Knobs::resolve(SPEC.id, KNOBS, &given).unwrap()
}

/// The cramped room, red at (1,1), blue at (2,3), both looking down.
fn room(onions: i64) -> Overcooked {
    let given = [("mirror", KnobValue::Bool(false)), ("onions", KnobValue::Int(onions))];
    let mut game = Overcooked::reset(Seed::new(1), &knobs(&given)).unwrap();
    let cook = |place| Cook { place, facing: Direction::Down, holds: Item::Nothing };
    game.cooks = [cook(6), cook(13)];
    game
}

fn play(game: &mut Overcooked, words: [&str; 2]) -> f32 {
    let [a, b] = words.map(|w| game.parse(0, w).unwrap());
    game.step(&[(0, a), (1, b)])[0].score
}

#[test]
fn a_soup_is_cooked_by_the_rules() {
    let mut game = room(1);
    assert_eq!(game.perception(0).text, "X X P0 X X\nO Rd - - O\nX - - Bd X\nX D X S X\nyou R soups 0");
    play(&mut game, ["left", "left"]);
    play(&mut game, ["interact", "left"]);
    assert_eq!(game.perception(1).text, "X X P0 X X\nO Rlo - - O\nX Bl - - X\nX D X S X\nyou B soups 0");
    play(&mut game, ["right", "down"]);
    play(&mut game, ["up", "interact"]);
    play(&mut game, ["interact", "stay"]);
    assert_eq!(game.perception(0).text, "X X C3 X X\nO - Ru - O\nX Bdd - - X\nX D X S X\nyou R soups 0");
    play(&mut game, ["right", "right"]);
    play(&mut game, ["stay", "up"]);
    // Blue stands below the pot; it is finished when its three turns are over.
    play(&mut game, ["stay", "stay"]);
    assert_eq!(game.perception(0).text, "X X F X X\nO - Bud Rr O\nX - - - X\nX D X S X\nyou R soups 0");
    assert_eq!(play(&mut game, ["stay", "interact"]), 0.0);
    play(&mut game, ["stay", "down"]);
    play(&mut game, ["stay", "right"]);
    play(&mut game, ["stay", "down"]);
    assert_eq!(play(&mut game, ["stay", "interact"]), 1.0);
    assert!(game.perception(1).text.ends_with("you B soups 1"));
}

#[test]
fn cooks_do_not_walk_into_each_other_and_counters_hold_things() {
    let mut game = room(2);
    (game.cooks[0].place, game.cooks[1].place) = (6, 8);
    play(&mut game, ["right", "left"]);
    assert_eq!(game.cooks.map(|c| c.place), [6, 8], "both want the cell between them");
    game.cooks[1].place = 7;
    play(&mut game, ["right", "left"]);
    assert_eq!(game.cooks.map(|c| c.place), [6, 7], "they do not change places");
    play(&mut game, ["right", "right"]);
    assert_eq!(game.cooks.map(|c| c.place), [7, 8], "but one may follow");
    game.cooks[1].holds = Item::Dish;
    play(&mut game, ["stay", "up"]);
    play(&mut game, ["stay", "interact"]);
    assert_eq!((game.lying[3], game.cooks[1].holds), (Item::Dish, Item::Nothing));
    play(&mut game, ["stay", "interact"]);
    assert_eq!((game.lying[3], game.cooks[1].holds), (Item::Nothing, Item::Dish));
}

#[test]
fn planners_keep_serving_in_every_kitchen() {
    for layout in ["cramped", "ring", "hall"] {
        for (onions, kind) in [(1, "planner"), (3, "planner"), (2, "loader"), (2, "random")] {
            let given = [
                ("layout", KnobValue::Choice(layout.into())),
                ("onions", KnobValue::Int(onions)),
                ("turns", KnobValue::Int(80)),
            ];
            for index in 0..4 {
                let mut game = Overcooked::reset(Seed::new(index), &knobs(&given)).unwrap();
                let mut rng = Seed::new(index).rng();
                let me = (index % 2) as usize;
                while !game.outcome {
                    let act = game.oracle(me, kind);
                    let other = game.opponent(1 - me, kind, &mut rng);
                    game.step(&[(me, act), (1 - me, other)]);
                }
                println!("{layout} {onions} {kind} {index}: {}", game.served);
                let least = if kind == "random" { 1 } else { 3 };
                assert!(game.served >= least, "{layout} {onions} {kind} {index}: {}", game.served);
            }
        }
    }
}

#[test]
fn hostile_snapshots_are_refused() {
    let game = room(1);
    let refused = |pointer: &str, to: serde_json::Value| {
        let mut value = serde_json::to_value(&game).unwrap();
        *value.pointer_mut(pointer).unwrap() = to;
        serde_json::from_value::<Overcooked>(value).is_err()
    };
    assert!(!refused("/served", json!(3)));
    assert!(refused("/width", json!(7)));
    assert!(refused("/width", json!(0)));
    assert!(refused("/tiles/0", json!("floor")));
    assert!(refused("/cooks/0/place", json!(99)));
    assert!(refused("/cooks/0/place", json!(0)));
    assert!(refused("/pots/0/place", json!(3)));
    assert!(refused("/lying", json!([])));
    assert!(refused("/lying/6", json!("soup")));
    assert!(refused("/turn", json!(31)));
    assert!(game.parse(0, "jump").is_err() && game.parse(0, " Interact ").is_ok());
}
