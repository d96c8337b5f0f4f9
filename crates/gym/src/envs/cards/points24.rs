//! Points24: make a formula of four cards that is worth 24, token by token or in one answer.
//!
//! Faithful to RL4VLM: tokens, faces as ten or 11, 12, 13, the formula in the picture, the rewards 10, 0
//! and -1 (refused or wrong; also when the turns run out), twenty turns. Our reading: only hands with a
//! solution are dealt; a token after which no formula can follow is refused (there operators and
//! brackets are always taken); the target, hands by their need of brackets and whole formulas as
//! answers are knobs. Values are exact fractions.

use eyas_core::{Image, Rng, Seed};
use serde::{Deserialize, Serialize};

use super::deck::{SUITS, THEME, card_px};
use super::formula::{Arithmetic, Ratio, Table, Tokens, WRONG, reachable};
use crate::{Axis, Env, EnvGroup, EnvSpec, KnobError, KnobSpec, Knobs, ParseError, Perception, Status, Step};

const GRAMMAR: &str = "one token: a number | + | - | * | / | ( | ) | = ; or a formula like (1+2)*8/1";

const SPEC: EnvSpec = EnvSpec {
    id: "points24",
    group: EnvGroup::Cards,
    title: "Points24",
    summary: "Four cards: write a formula of all four that is worth 24.",
    knobs: KNOBS,
    grammar: GRAMMAR,
    invalid_reward: WRONG,
    oracle: "exact",
    score: "success (1 for the right formula, 0 otherwise)",
    pixel_answers: false,
    players: 1,
    source: "RL4VLM (gym_cards Points24); GTR; GFlowVLM",
};

const KNOBS: &[KnobSpec] = &[
    KnobSpec::int("target", Axis::Reasoning, 10, 40, 24, "what the formula must be worth"),
    KnobSpec::choice(
        "hands",
        Axis::Reasoning,
        &["plain", "any", "brackets"],
        "any",
        "hands that can be solved without brackets, at all, or with brackets only",
    )
    .dialled(0.0, 2.0),
    KnobSpec::choice(
        "faces",
        Axis::Reasoning,
        &["ten", "rank"],
        "ten",
        "J, Q, K count ten, or 11, 12, 13 (never seen in training: the out-of-distribution rule)",
    ),
    KnobSpec::choice(
        "answer",
        Axis::Horizon,
        &["token", "whole"],
        "token",
        "one token each turn, or the whole formula in one turn",
    ),
    KnobSpec::int("max_turns", Axis::Horizon, 12, 60, 20, "turns for the tokens of a formula")
        .dialled(24.0, 12.0),
    card_px(28).dialled(56.0, 28.0),
    THEME,
    SUITS,
];

const CARDS: usize = 4;

/// The state of Points24.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Table", into = "Table")]
pub struct Points24(Table);

impl From<Points24> for Table {
    fn from(game: Points24) -> Self {
        game.0
    }
}

impl TryFrom<Table> for Points24 {
    type Error = String;

    fn try_from(table: Table) -> Result<Self, String> {
        table.check()?;
        Ok(Self(table))
    }
}

fn can_be_solved(table: &Table) -> bool {
    let numbers: Vec<Ratio> = table.numbers().iter().map(|n| Ratio::whole(i64::from(*n))).collect();
    reachable(&numbers, table.target())
}

impl Env for Points24 {
    type Action = Tokens;

    fn spec() -> &'static EnvSpec {
        &SPEC
    }

    fn reset(seed: Seed, knobs: &Knobs) -> Result<Self, KnobError> {
        let hands = knobs.choice("hands");
        let wanted = |table: &Table| {
            can_be_solved(table)
                && match hands {
                    "plain" => table.is_plain(),
                    "brackets" => !table.is_plain(),
                    _ => true,
                }
        };
        let turns = knobs.size("max_turns");
        let table = Table::deal(seed, knobs, CARDS, Arithmetic::Full, turns, wanted);
        table.map(Self).ok_or_else(|| KnobError::Conflict {
            env: SPEC.id.into(),
            detail: format!("no such hand makes {}", knobs.int("target")),
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

    /// The next token of a formula that continues what is written, with as few brackets as possible;
    /// where none does, the shortest way to the end.
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

    fn reset(seed: u64, given: &[(&str, KnobValue)]) -> Points24 {
        let given = given.iter().map(|(name, v)| (name.to_string(), v.clone())).collect();
        Points24::reset(Seed::new(seed), &Knobs::resolve(SPEC.id, KNOBS, &given).unwrap()).unwrap()
    }

    fn word(text: &str) -> KnobValue {
        KnobValue::Choice(text.into())
    }

    fn with(cards: [&str; 4], whole: bool, faces_ten: bool) -> Points24 {
        let mut state = serde_json::to_value(reset(0, &[])).unwrap();
        state["cards"] = json!(cards);
        state["whole"] = json!(whole);
        state["faces_ten"] = json!(faces_ten);
        serde_json::from_value(state).unwrap()
    }

    fn written(cards: [&str; 4], tokens: &str) -> Points24 {
        let mut game = with(cards, false, true);
        for token in tokens.split(' ') {
            assert!(game.step(&game.parse(token).unwrap()).legal, "{token}");
        }
        game
    }

    fn finish(mut game: Points24) -> f32 {
        let mut total = 0.0;
        while game.status() == Status::Running {
            total += game.step(&game.oracle()).reward;
        }
        total
    }

    #[test]
    fn whole_formulas_are_judged_exactly() {
        let game = with(["3H", "3S", "8D", "8C"], true, true);
        let reward = |text: &str| game.clone().step(&game.parse(text).unwrap()).reward;
        assert_eq!(reward("8 / (3 - 8/3)"), 10.0);
        for wrong in ["8*3", "8+8+8", "(8-8)*3*3", "8/(3-3)+8", "3*8*1*1", "3*8+8-8"] {
            assert_eq!(reward(wrong), -1.0, "{wrong}");
        }
        for text in ["8/", "(8", "8**3", "8=", "-8+3+3+8", "8 8 3 3", "99+1", "0+8"] {
            assert!(game.parse(text).is_err(), "{text}");
        }
        assert_eq!(game.oracle().to_string(), "8 / ( 3 - 8 / 3 )");
        let reason =
            "cards 3 3 8 8 do 8 over 3 is 8over3 then 3 minus 8over3 is 1over3 then 8 over 1over3 is 24";
        assert_eq!(game.reason(&game.oracle()), reason);
        let braces = format!("{}1{}", "(".repeat(100_000), ")".repeat(100_000));
        assert!(matches!(game.parse(&braces), Err(ParseError::Range { .. })));
    }

    #[test]
    fn faces_count_ten_or_their_rank() {
        let reward = |faces_ten: bool, text: &str| {
            let mut game = with(["KH", "JS", "AD", "AC"], true, faces_ten);
            game.parse(text).map(|formula| game.step(&formula).reward)
        };
        assert_eq!(reward(false, "13+11*1*1"), Ok(10.0));
        assert!(reward(true, "13+11*1*1").is_err());
        assert_eq!(reward(true, "10+10+1+1"), Ok(-1.0));
    }

    #[test]
    fn the_oracle_continues_what_is_written() {
        let hand = ["4H", "4S", "10D", "10C"];
        assert_eq!(finish(with(hand, false, true)), 10.0);
        for good in ["(", "( (", "( ( 10", "( 10 * 10 - 4", "( ( ( 10 * 10 ) )"] {
            assert_eq!(finish(written(hand, good)), 10.0, "{good}");
        }
        for bad in ["4 +", "10 / 10 *", "4 * 4 / ( 10"] {
            assert_eq!(finish(written(hand, bad)), -1.0, "{bad}");
        }
    }

    #[test]
    fn the_search_finds_a_formula_wherever_one_exists() {
        // All hands of numbers up to 10; every third one, which takes a second.
        let mut counts = [0, 0];
        let game = reset(0, &[]);
        let state = serde_json::to_value(&game).unwrap();
        for index in (0..10_000).step_by(3) {
            let ranks = [index % 10, index / 10 % 10, index / 100 % 10, index / 1000].map(|n| n + 1);
            if !ranks.is_sorted() {
                continue;
            }
            let cards = ranks.map(|n| if n == 1 { "AS".into() } else { format!("{n}S") });
            let mut copy = state.clone();
            copy["cards"] = json!(cards);
            copy["max_turns"] = json!(12);
            let game: Points24 = serde_json::from_value(copy).unwrap();
            let solvable = can_be_solved(&game.0);
            counts[usize::from(solvable)] += 1;
            assert_eq!(finish(game) > 0.0, solvable, "{ranks:?}");
        }
        assert!(counts.iter().all(|n| *n > 30), "{counts:?}");
    }

    #[test]
    fn hands_need_what_the_knob_says() {
        for seed in 0..20 {
            assert!(reset(seed, &[("hands", word("plain"))]).0.is_plain());
            let game = reset(seed, &[("hands", word("brackets")), ("max_turns", KnobValue::Int(12))]);
            assert!(!game.0.is_plain());
            assert_eq!(finish(game), 10.0);
            assert_eq!(finish(reset(seed, &[("target", KnobValue::Int(37)), ("faces", word("rank"))])), 10.0);
        }
    }

    #[test]
    fn stalling_does_not_pay() {
        let mut game = reset(1, &[]);
        let open = game.parse("(").unwrap();
        let total: f32 = (0..20).map(|_| game.step(&open).reward).sum();
        assert_eq!((total, game.status()), (-1.0, Status::Done(Outcome::Truncated)));
    }
}
