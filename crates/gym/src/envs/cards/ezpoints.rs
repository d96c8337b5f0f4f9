//! EZPoints: make a formula of two cards, token by token, that is worth 12.
//!
//! Faithful to RL4VLM: the tokens, faces as ten, the formula in the picture, the rewards 10, 0 and -1
//! (refused or wrong; also when the turns run out), five turns for a formula of four tokens. Our
//! reading: hands are dealt evenly from those that have a solution; a token after which no formula can
//! follow is refused (there operators are always taken); other targets, more cards and faces as 11, 12,
//! 13 are knobs.

use eyas_core::{Image, Rng, Seed};
use serde::{Deserialize, Serialize};

use super::deck::{SUITS, THEME, card_px};
use super::formula::{Arithmetic, Table, Tokens, WRONG};
use crate::{Axis, Env, EnvGroup, EnvSpec, KnobError, KnobSpec, Knobs, ParseError, Perception, Status, Step};

const GRAMMAR: &str = "one token: a number | + | * | =";

const SPEC: EnvSpec = EnvSpec {
    id: "ezpoints",
    group: EnvGroup::Cards,
    title: "EZPoints",
    summary: "Two cards: write a formula of both, token by token, that is worth 12.",
    knobs: KNOBS,
    grammar: GRAMMAR,
    invalid_reward: WRONG,
    oracle: "exact",
    score: "success (1 for the right formula, 0 otherwise)",
    pixel_answers: false,
    players: 1,
    source: "RL4VLM (gym_cards EZPoints)",
};

const KNOBS: &[KnobSpec] = &[
    KnobSpec::int("target", Axis::Reasoning, 4, 20, 12, "what the formula must be worth"),
    KnobSpec::int("cards", Axis::Reasoning, 2, 4, 2, "cards in the hand").dialled(2.0, 4.0),
    KnobSpec::choice(
        "faces",
        Axis::Reasoning,
        &["ten", "rank"],
        "ten",
        "J, Q, K count ten, or 11, 12, 13 (never seen in training: the out-of-distribution rule)",
    ),
    KnobSpec::int("spare_turns", Axis::Horizon, 0, 12, 1, "turns beyond the tokens of a formula")
        .dialled(3.0, 0.0),
    card_px(56).dialled(56.0, 28.0),
    THEME,
    SUITS,
];

/// The state of EZPoints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Table", into = "Table")]
pub struct EzPoints(Table);

impl From<EzPoints> for Table {
    fn from(game: EzPoints) -> Self {
        game.0
    }
}

impl TryFrom<Table> for EzPoints {
    type Error = String;

    fn try_from(table: Table) -> Result<Self, String> {
        table.check()?;
        Ok(Self(table))
    }
}

impl Env for EzPoints {
    type Action = Tokens;

    fn spec() -> &'static EnvSpec {
        &SPEC
    }

    fn reset(seed: Seed, knobs: &Knobs) -> Result<Self, KnobError> {
        let cards = knobs.size("cards");
        let turns = 2 * cards + knobs.size("spare_turns");
        let table = Table::deal(seed, knobs, cards, Arithmetic::Easy, turns, Table::is_plain);
        table.map(Self).ok_or_else(|| KnobError::Conflict {
            env: SPEC.id.into(),
            detail: format!("no hand of {cards} cards makes {}", knobs.int("target")),
        })
    }

    fn rules(&self) -> String {
        self.0.rules()
    }

    fn render(&self) -> Image {
        self.0.render()
    }

    fn parse(&self, answer: &str) -> Result<Tokens, ParseError> {
        self.0.parse(answer, GRAMMAR)
    }

    fn step(&mut self, action: &Tokens) -> Step {
        self.0.step(action)
    }

    fn pass(&mut self) -> Step {
        self.0.pass()
    }

    /// The next token of a formula that continues what is written; where none does, the shortest way
    /// to the end.
    fn oracle(&self) -> Tokens {
        self.0.oracle()
    }

    fn reason(&self, action: &Tokens) -> String {
        self.0.reason(action)
    }

    fn perception(&self) -> Perception {
        self.0.perception()
    }

    fn legal_actions(&self) -> Vec<Tokens> {
        self.0.legal_actions()
    }

    fn guess(&self, rng: &mut Rng) -> Option<Tokens> {
        self.0.guess(rng)
    }

    fn status(&self) -> Status {
        self.0.status()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KnobValue;
    use eyas_core::Outcome;
    use serde_json::json;

    fn reset(seed: u64, given: &[(&str, KnobValue)]) -> EzPoints {
        let given = given.iter().map(|(name, v)| (name.to_string(), v.clone())).collect();
        EzPoints::reset(Seed::new(seed), &Knobs::resolve(SPEC.id, KNOBS, &given).unwrap()).unwrap()
    }

    /// A table with other cards.
    fn with(cards: [&str; 2]) -> EzPoints {
        let mut state = serde_json::to_value(reset(0, &[])).unwrap();
        state["cards"] = json!(cards);
        serde_json::from_value(state).unwrap()
    }

    fn play(game: &mut EzPoints, text: &str) -> Step {
        game.step(&game.parse(text).unwrap())
    }

    #[test]
    fn the_rewards_are_those_of_the_source() {
        let mut game = with(["3H", "4S"]);
        assert_eq!(game.reason(&game.oracle()), "cards 3 4 do 3 times 4 is 12 plan 3 times 4 equals next 3");
        let refused = play(&mut game, "5");
        assert_eq!((refused.reward, refused.legal, refused.status), (-1.0, false, Status::Running));
        for token in ["4", "*", "3"] {
            let step = play(&mut game, token);
            assert_eq!((step.reward, step.legal), (0.0, true), "{token}");
        }
        assert_eq!(game.perception().text, "3H 4S\n4 * 3");
        let end = play(&mut game, "=");
        assert_eq!((end.reward, end.score, end.status), (10.0, 1.0, Status::Done(Outcome::Success)));
        let mut wrong = with(["3H", "4S"]);
        play(&mut wrong, "3");
        let early = play(&mut wrong, "=");
        assert_eq!((early.reward, early.score, early.status), (-1.0, 0.0, Status::Done(Outcome::Failure)));
    }

    #[test]
    fn faces_count_ten_and_a_dead_end_is_ended() {
        let mut game = with(["KH", "2S"]);
        assert_eq!(game.oracle().to_string(), "10");
        play(&mut game, "2");
        play(&mut game, "*");
        assert_eq!(game.reason(&game.oracle()), "cards 10 2 no way to 12 next 10");
        play(&mut game, "10");
        assert_eq!(game.oracle().to_string(), "=");
        assert_eq!(game.legal_actions().iter().map(Tokens::to_string).collect::<Vec<_>>(), ["="]);
    }

    #[test]
    fn turns_run_out_at_a_cost() {
        let mut game = with(["3H", "4S"]);
        for _ in 0..4 {
            assert_eq!(game.pass().status, Status::Running);
        }
        let last = play(&mut game, "3");
        assert_eq!((last.reward, last.legal, last.status), (-1.0, true, Status::Done(Outcome::Truncated)));
        assert_eq!(game.pass().reward, 0.0);
    }

    #[test]
    fn tokens_are_read_one_at_a_time() {
        let game = with(["3H", "4S"]);
        for text in ["", "11", "0", "03", "3 4", "-", "/", "(", "x", "=="] {
            assert!(game.parse(text).is_err(), "{text:?}");
        }
        assert_eq!(game.parse(" + ").unwrap().to_string(), "+");
    }

    #[test]
    fn every_hand_has_a_solution() {
        for (cards, target) in [(2, 4), (2, 20), (3, 12), (4, 12), (4, 20)] {
            for seed in 0..20 {
                let given = [("cards", KnobValue::Int(cards)), ("target", KnobValue::Int(target))];
                let mut game = reset(seed, &given);
                while game.status() == Status::Running {
                    game.step(&game.oracle());
                }
                assert_eq!(game.status(), Status::Done(Outcome::Success), "{cards} {target} {seed}");
            }
        }
    }

    #[test]
    fn broken_snapshots_are_refused() {
        let whole = serde_json::to_value(with(["3H", "4S"])).unwrap();
        let broken = |key: &str, value: serde_json::Value| {
            let mut copy = whole.clone();
            copy[key] = value;
            serde_json::from_value::<EzPoints>(copy).is_err()
        };
        assert!(!broken("turn", json!(5)));
        assert!(broken("turn", json!(6)));
        assert!(broken("cards", json!([])));
        assert!(broken("cards", json!(["3H", "1S"])));
        assert!(broken("formula", json!(["close"])));
        assert!(broken("formula", json!([{"number": 9}])));
        assert!(broken("max_turns", json!(100_000)));
        assert!(broken("look", json!({"card_px": 4_000_000, "theme": "felt", "suits": "two"})));
    }
}
