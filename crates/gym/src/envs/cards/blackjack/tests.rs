use super::*;
use crate::KnobValue;

fn reset(seed: u64, given: &[(&str, KnobValue)]) -> Blackjack {
    let given = given.iter().map(|(name, v)| (name.to_string(), v.clone())).collect();
    Blackjack::reset(Seed::new(seed), &Knobs::resolve(SPEC.id, KNOBS, &given).unwrap()).unwrap()
}

fn cards(text: &str) -> Vec<Card> {
    text.split(' ').map(|word| Card::try_from(word.to_string()).unwrap()).collect()
}

fn table(player: &str, dealer: &str) -> Blackjack {
    let mut game = reset(1, &[]);
    (game.0.player, game.0.dealer) = (cards(player), cards(dealer));
    game
}

#[test]
fn hands_are_worth_what_they_should() {
    let worth = |text: &str| {
        let hand = Hand::of(&cards(text));
        (hand.total(), hand.is_soft(), hand.is_bust())
    };
    assert_eq!(worth("AS KH"), (21, true, false));
    assert_eq!(worth("AS AD"), (12, true, false));
    assert_eq!(worth("AS AD 9C KH"), (21, false, false));
    assert_eq!(worth("QS JD 2C"), (22, false, true));
}

#[test]
fn hands_are_compared_as_in_the_source() {
    let play = |player: &str, dealer: &str| table(player, dealer).step(&Play::Stand).reward;
    assert_eq!(play("KS QH", "9D KC"), 1.0);
    assert_eq!(play("KS 9H", "9D KC"), 0.0);
    assert_eq!(play("KS 8H", "9D KC"), -1.0);
    assert_eq!(play("AS KH", "AD KC"), 0.0);
    let mut natural = table("AS KH", "9D KC");
    natural.0.natural = true;
    assert_eq!(natural.step(&Play::Stand).reward, 1.5);
    let mut bust = table("KS QH 2D", "9D KC");
    bust.0.player = cards("KS QH");
    while bust.status() == Status::Running && Hand::of(&bust.0.player).sum <= 21 {
        bust.step(&Play::Hit);
    }
    assert_eq!((bust.0.doubled, bust.status()), (-2, Status::Done(Outcome::Failure)));
}

#[test]
fn the_dealers_chances_are_the_known_ones() {
    // Chance to bust by open card, endless deck, standing on every 17, no look at the hidden card.
    for (open, known) in [(1, 0.1153), (2, 0.3536), (6, 0.4232), (7, 0.2623), (10, 0.2121)] {
        let chances = dealer_chances(Hand::default().with(open), false);
        assert!((chances[5] - known).abs() < 1e-4, "{open}: {}", chances[5]);
        assert!((chances.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }
    // Hitting a soft 17 lets the dealer bust more often.
    assert!(dealer_chances(Hand::default().with(6), true)[5] > 0.4232);
}

#[test]
fn the_policy_is_the_known_one() {
    let best = |player: &str, dealer: &str| table(player, dealer).oracle();
    for (player, dealer) in [("KS 7H", "AD 2C"), ("KS 3H", "2D KC"), ("KS 2H", "4D KC"), ("AS 7H", "8D KC")] {
        assert_eq!(best(player, dealer), Play::Stand, "{player} against {dealer}");
    }
    for (player, dealer) in [("KS 6H", "7D 2C"), ("KS 2H", "3D KC"), ("AS 6H", "6D KC"), ("AS 7H", "9D KC")] {
        assert_eq!(best(player, dealer), Play::Hit, "{player} against {dealer}");
    }
    // The whole game under best play costs about a twentieth of a hand.
    let mut value = 0.0;
    for ((open, p), ((a, q), (b, r))) in
        draws().flat_map(|d| draws().flat_map(move |x| draws().map(move |y| (d, (x, y)))))
    {
        value += p * q * r * values(open, false).best(Hand::default().with(a).with(b));
    }
    assert!((-0.055..-0.04).contains(&value), "{value}");
}

#[test]
fn the_best_play_beats_every_change_of_one_decision() {
    // Brute force: the worth of hitting once and then standing is never above the worth of a hit.
    for (open, sum) in (1..=10).flat_map(|open| (4..=20).map(move |sum| (open, sum))) {
        let values = values(open, true);
        let hand = Hand { sum, ace: false };
        let once: f64 = draws()
            .map(|(value, p)| {
                let next = hand.with(value);
                p * if next.is_bust() { -1.0 } else { values.stand(next) }
            })
            .sum();
        assert!(once <= values.hit(hand) + 1e-12, "{open} {sum}");
    }
}

#[test]
fn a_real_deck_gives_every_card_once() {
    let mut state = reset(3, &[("decks", KnobValue::Int(1))]).0;
    state.gone.clear();
    let mut seen: Vec<Card> = (0..52).map(|_| state.draw()).collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!((seen.len(), state.gone), (52, (0..52).collect()));
}

#[test]
fn several_hands_are_played_and_reasons_say_what_counts() {
    let mut game = reset(5, &[("rounds", KnobValue::Int(20)), ("decks", KnobValue::Int(2))]);
    let mut total = 0.0;
    while game.status() == Status::Running {
        total += game.step(&game.oracle()).reward;
    }
    assert_eq!((game.0.round, game.0.doubled as f32), (20, 2.0 * total));
    let game = table("KS 6H", "KD 2C");
    assert!(game.reason(&Play::Hit).starts_with("player 10 6 is 16 dealer 10 stand -58 hit -5"));
    assert_eq!(game.perception().text, "dealer KD back\nplayer KS 6H");
}

#[test]
fn broken_snapshots_are_refused() {
    let whole = serde_json::to_value(reset(1, &[])).unwrap();
    let broken = |key: &str, value: serde_json::Value| {
        let mut copy = whole.clone();
        copy[key] = value;
        serde_json::from_value::<Blackjack>(copy).is_err()
    };
    assert!(!broken("turn", json!(12)));
    assert!(broken("turn", json!(13)));
    assert!(broken("dealer", json!([])));
    assert!(broken("player", json!(["KS", "QS", "2D"])));
    assert!(broken("gone", json!([1, 2])));
    assert!(broken("round", json!(2)));
}
