//! Several players: one chair of a game as an environment, and the whole table for self-play. Two small
//! games stand for the two kinds: a race in which players take turns, pennies shown at the same time.
#![allow(clippy::unwrap_used)]

mod common;

use common::seed;
use eyas_core::{Image, Outcome, Rng, Seed};
use eyas_gym::{
    Arena, Axis, Env, EnvGroup, EnvSpec, KnobError, KnobSpec, Knobs, ParseError, Perception, SEAT, Seated,
    Status, Step, open_table, play_table,
};
use serde::{Deserialize, Serialize};

const KNOBS: &[KnobSpec] = &[
    SEAT,
    KnobSpec::choice("opponent", Axis::Reasoning, &["random", "strong"], "strong", "who sits opposite"),
];

const fn spec(id: &'static str) -> EnvSpec {
    EnvSpec {
        id,
        group: EnvGroup::Strategy,
        title: "Test",
        summary: "A game for tests.",
        knobs: KNOBS,
        grammar: "number",
        invalid_reward: -1.0,
        oracle: "exact",
        score: "1 for the winner",
        pixel_answers: false,
        players: 2,
        source: "none",
    }
}

fn number(answer: &str, least: u32, most: u32) -> Result<u32, ParseError> {
    let number = answer.trim().parse().map_err(|_| ParseError::grammar(answer, "number"))?;
    let range = || ParseError::range(answer, format!("{least} to {most}"));
    (least..=most).contains(&number).then_some(number).ok_or_else(range)
}

fn step(won: bool, legal: bool, status: Status) -> Step {
    let score = f32::from(u8::from(won));
    Step { reward: score, score, legal, status }
}

fn pixel(value: u32, player: usize) -> Image {
    Image::new(1, 1, vec![value as u8, player as u8, 0]).unwrap()
}

/// Players take turns to add 1 or 2; who reaches 6 wins. A number that overshoots is refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Race {
    sum: u32,
    turn: u32,
}

impl Race {
    fn winner(&self) -> Option<usize> {
        (self.sum == 6).then_some((self.turn as usize + 1) % 2)
    }
}

impl Arena for Race {
    type Action = u32;

    fn spec() -> &'static EnvSpec {
        const SPEC: EnvSpec = spec("race");
        &SPEC
    }
    fn reset(seed: Seed, _: &Knobs) -> Result<Self, KnobError> {
        Ok(Self { sum: seed.rng().below(3) as u32, turn: 0 })
    }
    fn acting(&self) -> Vec<usize> {
        let over = self.sum == 6 || self.turn >= 20;
        if over { Vec::new() } else { vec![self.turn as usize % 2] }
    }
    fn rules(&self, player: usize) -> String {
        format!("You are player {player}.")
    }
    fn render(&self, player: usize) -> Image {
        pixel(self.sum, player)
    }
    fn parse(&self, _: usize, answer: &str) -> Result<u32, ParseError> {
        number(answer, 1, 2)
    }
    fn step(&mut self, actions: &[(usize, u32)]) -> Vec<Step> {
        let (mover, add) = actions[0];
        let legal = self.sum + add <= 6;
        if legal {
            self.sum += add;
            self.turn += 1;
        } else {
            // The same player stays on turn.
            self.turn += 2;
        }
        let of = |p| step(self.winner() == Some(p), legal || p != mover, self.status(p));
        vec![of(0), of(1)]
    }
    fn pass(&mut self, player: usize) -> Step {
        self.turn += 2;
        Step { reward: -1.0, score: 0.0, legal: false, status: self.status(player) }
    }
    fn opponent(&self, player: usize, kind: &str, rng: &mut Rng) -> u32 {
        if kind == "random" {
            *rng.choose(&self.legal_actions(player)).unwrap()
        } else {
            self.oracle(player, kind)
        }
    }
    /// Leaves a multiple of three to go.
    fn oracle(&self, _: usize, _: &str) -> u32 {
        match (6 - self.sum) % 3 {
            0 => 1,
            rest => rest,
        }
    }
    fn reason(&self, _: usize, opponent: &str, action: &u32) -> String {
        format!("{} left against {opponent} so {action}", 6 - self.sum)
    }
    fn perception(&self, _: usize) -> Perception {
        Perception { text: self.sum.to_string(), data: serde_json::json!(self.sum) }
    }
    fn legal_actions(&self, player: usize) -> Vec<u32> {
        if self.acting() == [player] { (1..=2.min(6 - self.sum)).collect() } else { Vec::new() }
    }
    fn status(&self, player: usize) -> Status {
        match self.winner() {
            Some(winner) if winner == player => Status::Done(Outcome::Success),
            Some(_) => Status::Done(Outcome::Failure),
            None if self.turn >= 20 => Status::Done(Outcome::Truncated),
            None => Status::Running,
        }
    }
}

/// Both show 0 or 1 three times; player 0 wins a round of equal pennies, player 1 the others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Pennies {
    turn: u32,
    shown: Vec<(u32, u32)>,
}

impl Arena for Pennies {
    type Action = u32;

    fn spec() -> &'static EnvSpec {
        const SPEC: EnvSpec = spec("pennies");
        &SPEC
    }
    fn reset(_: Seed, _: &Knobs) -> Result<Self, KnobError> {
        Ok(Self { turn: 0, shown: Vec::new() })
    }
    fn acting(&self) -> Vec<usize> {
        if self.turn < 3 { vec![0, 1] } else { Vec::new() }
    }
    fn rules(&self, _: usize) -> String {
        "Show 0 or 1.".into()
    }
    fn render(&self, player: usize) -> Image {
        pixel(self.shown.len() as u32, player)
    }
    fn parse(&self, _: usize, answer: &str) -> Result<u32, ParseError> {
        number(answer, 0, 1)
    }
    fn step(&mut self, actions: &[(usize, u32)]) -> Vec<Step> {
        let (a, b) = (actions[0].1, actions[1].1);
        self.turn += 1;
        self.shown.push((a, b));
        vec![step(a == b, true, self.status(0)), step(a != b, true, self.status(1))]
    }
    fn pass(&mut self, player: usize) -> Step {
        self.turn += 1;
        Step { reward: -1.0, score: 0.0, legal: false, status: self.status(player) }
    }
    fn opponent(&self, _: usize, _: &str, _: &mut Rng) -> u32 {
        1
    }
    fn oracle(&self, player: usize, _: &str) -> u32 {
        1 - player as u32
    }
    fn reason(&self, _: usize, _: &str, action: &u32) -> String {
        format!("always one so {action}")
    }
    fn perception(&self, _: usize) -> Perception {
        Perception { text: "coin".into(), data: serde_json::Value::Null }
    }
    fn legal_actions(&self, player: usize) -> Vec<u32> {
        if self.acting().contains(&player) { vec![0, 1] } else { Vec::new() }
    }
    fn status(&self, _: usize) -> Status {
        if self.turn < 3 { Status::Running } else { Status::Done(Outcome::Success) }
    }
}

fn knobs(seat: &str, opponent: &str) -> Knobs {
    let given = [("seat", seat), ("opponent", opponent)];
    let given = given.map(|(n, v)| (n.to_string(), eyas_gym::KnobValue::Choice(v.into())));
    Knobs::resolve("race", KNOBS, &given.into()).unwrap()
}

fn race(seat: &str, sum: u32) -> Seated<Race> {
    let seated = Seated::<Race>::reset(seed(0), &knobs(seat, "strong")).unwrap();
    let mut state = serde_json::to_value(&seated).unwrap();
    state["arena"] = serde_json::json!({"sum": sum, "turn": if seat == "first" { 0 } else { 1 }});
    serde_json::from_value(state).unwrap()
}

#[test]
fn the_others_move_before_the_policy_sees_the_game_again() {
    // With 5 to go the first player takes 2 and then mirrors; the strong opponent can do nothing.
    let mut game = race("first", 1);
    assert_eq!((game.seat(), game.oracle()), (0, 2));
    assert_eq!(game.step(&2), Step { reward: 0.0, score: 0.0, legal: true, status: Status::Running });
    assert_eq!(game.arena(), &Race { sum: 4, turn: 2 }, "the opponent has added 1");
    assert_eq!(game.step(&2), step(true, true, Status::Done(Outcome::Success)));
    let over = Step { reward: 0.0, score: 0.0, legal: false, status: Status::Done(Outcome::Success) };
    assert_eq!((game.step(&1), game.pass()), (over, over));
    assert!(game.legal_actions().is_empty());
    // In the second chair the opponent has moved at the reset.
    for i in 0..8 {
        let game = Seated::<Race>::reset(seed(i), &knobs("second", "random")).unwrap();
        assert_eq!((game.seat(), game.arena().turn), (1, 1));
    }
    let seats = (0..20).map(|i| Seated::<Race>::reset(seed(i), &knobs("random", "random")).unwrap().seat());
    assert_eq!(seats.collect::<std::collections::BTreeSet<_>>().len(), 2);
}

#[test]
fn refused_and_invalid_answers_leave_the_table_as_it_is() {
    let mut game = race("first", 5);
    assert!(matches!(game.parse("3"), Err(ParseError::Range { .. })));
    let refused = game.step(&2);
    assert!(!refused.legal && refused.status == Status::Running);
    assert_eq!(game.arena().sum, 5);
    assert_eq!(game.pass().reward, -1.0);
    assert_eq!((game.arena().sum, game.arena().acting()), (5, vec![0]));
    while game.status() == Status::Running {
        game.pass();
    }
    assert_eq!(game.status(), Status::Done(Outcome::Truncated));
}

#[test]
fn a_chair_that_cannot_be_is_refused() {
    let state = serde_json::to_value(race("first", 1)).unwrap();
    let with = |name: &str, value: serde_json::Value| {
        let mut state = state.clone();
        state[name] = value;
        serde_json::from_value::<Seated<Race>>(state).map_err(|e| e.to_string())
    };
    assert!(with("seat", 0.into()).is_ok());
    assert!(with("seat", 7.into()).unwrap_err().contains("no player 7"));
    assert!(with("seat", 1.into()).unwrap_err().contains("not the turn"));
    assert!(with("opponent", "god".into()).unwrap_err().contains("no opponent"));
}

#[test]
fn simultaneous_moves_are_played_together() {
    let mut game = Seated::<Pennies>::reset(seed(1), &knobs("first", "strong")).unwrap();
    for round in 0..3 {
        let shown = game.oracle();
        assert_eq!(game.step(&shown).reward, 1.0);
        assert_eq!(game.arena().shown.len(), round + 1);
    }
    assert_ne!(game.status(), Status::Running);
}

#[test]
fn a_table_plays_itself() {
    let mut table = open_table::<Race>(seed(3), &knobs("first", "strong")).unwrap();
    let mut copy = table.fork();
    let moves = play_table(&mut *table, |table, player| table.oracle(player, "strong"));
    assert!(table.acting().is_empty() && moves.len() > 1);
    assert!(moves.windows(2).all(|pair| pair[0].player != pair[1].player), "players alternate");
    assert_eq!(moves.iter().map(|m| m.step.score).sum::<f32>(), 1.0, "one winner");
    assert_eq!(table.step(&["1"]), Err(ParseError::Over));
    assert!(matches!(copy.step(&["1", "1"]), Err(ParseError::Range { .. })));
    assert!(matches!(copy.step(&["x"]), Err(ParseError::Grammar { .. })));

    // An answer that is no action costs its player; nobody moves in that round.
    let mut table = open_table::<Pennies>(seed(3), &knobs("first", "strong")).unwrap();
    let mut asked = 0;
    let moves = play_table(&mut *table, |_, player| {
        asked += 1;
        if asked == 1 { "heads".into() } else { player.to_string() }
    });
    let errors: Vec<bool> = moves.iter().map(|m| m.error.is_some()).collect();
    assert_eq!(errors, [true, false, false, false, false]);
    let rewards: Vec<f32> = moves.iter().map(|m| m.step.reward).collect();
    assert_eq!(rewards, [-1.0, 0.0, 1.0, 0.0, 1.0]);
}
