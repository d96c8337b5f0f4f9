use super::*;
use crate::{Env as _, Seated};

fn table(cards: [usize; 2], stage: Stage) -> KuhnPoker {
    let mut game = KuhnPoker::reset(Seed::new(1), &Knobs::defaults(KNOBS)).unwrap();
    (game.cards, game.stage) = (cards, stage);
    game
}

/// What the best response to `other` wins in a hand that it begins, and in one that the other begins.
fn exploited(other: &Policy, ranks: usize) -> [f64; 2] {
    let cards = ranks as f64;
    let first: f64 = (0..ranks)
        .map(|card| {
            let (values, _) = outlook(Stage::Open, card, ranks, other, None);
            values[0].max(values[1]) / cards
        })
        .sum();
    let second: f64 = (0..ranks)
        .flat_map(|card| [Stage::Checked, Stage::Bet].map(|stage| (card, stage)))
        .map(|(card, stage)| {
            let (values, reach) = outlook(stage, card, ranks, other, None);
            reach * values[0].max(values[1]) / cards
        })
        .sum();
    [first, second]
}

#[test]
fn equilibria_cannot_be_exploited() {
    // The value of the game is -1/18 for the player who begins (Kuhn 1950).
    let [first, second] = exploited(&equilibrium(3), 3);
    assert!((first + 1.0 / 18.0).abs() < 1e-9 && (second - 1.0 / 18.0).abs() < 1e-9, "{first} {second}");
    let [first, second] = exploited(&minimise_regret(3), 3);
    assert!((first + 1.0 / 18.0).abs() < 0.01 && (second - 1.0 / 18.0).abs() < 0.01, "{first} {second}");
    for ranks in 4..=MAX_RANKS {
        let [first, second] = exploited(&equilibrium(ranks), ranks);
        assert!((0.0..0.01).contains(&(first + second)), "{ranks}: {first} {second}");
    }
}

#[test]
fn best_responses_are_those_worked_out_by_hand() {
    // The scripted opponent bets and calls with K only: every bet against a check bluffs it out.
    let game = table([0, 1], Stage::Open);
    assert_eq!(game.oracle(0, "scripted"), Play::Bet);
    // J bets: Q folds (+1), K calls (-2): -50. Checking J: Q checks (-1), K bets and J folds (-1).
    assert_eq!(game.reason(0, "scripted", &Play::Bet), "J after - foe Q 50 K 50 bet -50 check -100 so bet");
    let queen = table([0, 1], Stage::Bet);
    assert_eq!(queen.oracle(1, "scripted"), Play::Fold);
    assert_eq!(queen.reason(1, "scripted", &Play::Fold), "Q after bet foe K 100 call -200 fold -100 so fold");
    // Against random play the Q calls: J and K are as likely as each other, 0 beats -1.
    assert_eq!(queen.oracle(1, "random"), Play::Call);
}

#[test]
fn chips_go_where_the_rules_say() {
    let play = |cards, plays: &[Play]| {
        let mut game = table(cards, Stage::Open);
        let mut last = Vec::new();
        for play in plays {
            last = game.step(&[(game.acting()[0], *play)]);
        }
        assert_eq!((game.hand, game.stage), (1, Stage::Open));
        assert_eq!(last[0].reward, -last[1].reward);
        last[0].reward
    };
    assert_eq!(play([2, 1], &[Play::Check, Play::Check]), 1.0);
    assert_eq!(play([0, 1], &[Play::Bet, Play::Call]), -2.0);
    assert_eq!(play([0, 1], &[Play::Bet, Play::Fold]), 1.0);
    assert_eq!(play([2, 1], &[Play::Check, Play::Bet, Play::Fold]), -1.0);
    assert_eq!(play([2, 1], &[Play::Check, Play::Bet, Play::Call]), 2.0);
    let mut game = table([0, 1], Stage::Open);
    let refused = game.step(&[(0, Play::Call)]);
    assert!(!refused[0].legal && game.stage == Stage::Open && game.turn == 1);
    // The second hand is begun by the other player.
    game.step(&[(0, Play::Bet)]);
    game.step(&[(1, Play::Fold)]);
    assert_eq!(game.acting(), [1]);
}

#[test]
fn answers_are_the_four_words() {
    let game = table([0, 1], Stage::Open);
    assert_eq!(game.parse(0, " Bet\n"), Ok(Play::Bet));
    for text in ["raise", "bet 1", "check|bet", "", "bét"] {
        assert!(game.parse(0, text).is_err(), "{text}");
    }
}

#[test]
fn hostile_snapshots_are_refused() {
    let game = Seated::<KuhnPoker>::reset(Seed::new(4), &Knobs::defaults(KNOBS)).unwrap();
    let value = serde_json::to_value(&game).unwrap();
    assert!(serde_json::from_value::<Seated<KuhnPoker>>(value.clone()).is_ok());
    let wrong = [
        ("cards", json!([0, 3])),
        ("cards", json!([1, 1])),
        ("ranks", json!(7)),
        ("suits", json!([0, 4])),
        ("card_px", json!(1_000_000)),
        ("hand", json!(4)),
        ("chips", json!(i32::MIN)),
    ];
    for (name, to) in wrong {
        let mut value = value.clone();
        value["arena"][name] = to;
        assert!(serde_json::from_value::<Seated<KuhnPoker>>(value).is_err(), "{name}");
    }
}
