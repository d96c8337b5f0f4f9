//! Blackjack: take cards or stand, against a dealer.
//!
//! Faithful to Gymnasium's Blackjack-v1 as RL4VLM draws it: cards from an endless deck, one card of the
//! dealer face down, the dealer takes cards below 17, an ace counts 11 while that does not bust, +1, 0, -1
//! for a win, a draw, a loss. Our reading: the other house rules, real decks that run low, and several
//! hands to an episode are knobs.

use std::sync::OnceLock;

use eyas_core::{Image, Outcome, Rng, Seed};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::deck::{Card, CardLook, RASTER, SUITS, THEME, card_px};
use crate::draw::{Canvas, Font};
use crate::{Axis, Env, EnvGroup, EnvSpec, KnobError, KnobSpec, Knobs, ParseError, Perception, Status, Step};

const GRAMMAR: &str = "hit | stand";

const SPEC: EnvSpec = EnvSpec {
    id: "blackjack",
    group: EnvGroup::Cards,
    title: "Blackjack",
    summary: "Your cards and the dealer's: hit or stand, come nearer to 21 without going over.",
    knobs: KNOBS,
    grammar: GRAMMAR,
    invalid_reward: -1.0,
    oracle: "exact for the endless deck (dynamic programming); with real decks the same policy, \
             which does not count cards",
    score: "return (1 for a hand won, -1 for one lost)",
    pixel_answers: false,
    players: 1,
    source: "Gymnasium Blackjack-v1; RL4VLM; VAGEN",
};

const KNOBS: &[KnobSpec] = &[
    KnobSpec::int("rounds", Axis::Horizon, 1, 20, 1, "hands in an episode").dialled(1.0, 8.0),
    KnobSpec::flag("natural", Axis::Reasoning, false, "ace and ten as the first two cards win 1.5"),
    KnobSpec::flag("soft_17", Axis::Reasoning, false, "the dealer also hits 17 with an ace that counts 11")
        .dialled(0.0, 1.0),
    KnobSpec::int("decks", Axis::Memory, 0, 8, 0, "decks of 52, shuffled anew when low; 0: an endless deck"),
    KnobSpec::flag("totals", Axis::Perception, false, "print what the open cards of a hand are worth")
        .dialled(1.0, 0.0),
    card_px(28).dialled(42.0, 28.0),
    THEME,
    SUITS,
];

/// Turns for each hand, idle ones included.
const TURNS: usize = 12;
/// A deck with fewer cards than this is shuffled anew before a hand.
const LOW: usize = 24;
/// Cards of a hand that lie side by side; more overlap.
const COLUMNS: u32 = 5;
/// The most a hand can be worth.
const LIMIT: usize = 21;

/// A move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Play {
    /// Take a card.
    Hit,
    /// Take no more.
    Stand,
}

impl std::fmt::Display for Play {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Hit => "hit",
            Self::Stand => "stand",
        })
    }
}

/// The worth of some cards: the sum with every ace as 1, and whether there is an ace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Hand {
    sum: usize,
    ace: bool,
}

impl Hand {
    fn of(cards: &[Card]) -> Self {
        cards.iter().fold(Self::default(), |hand, card| hand.with(usize::from(card.ten_value())))
    }

    fn with(self, value: usize) -> Self {
        Self { sum: self.sum + value, ace: self.ace || value == 1 }
    }

    /// One ace counts 11.
    fn is_soft(self) -> bool {
        self.ace && self.sum + 10 <= LIMIT
    }

    fn total(self) -> usize {
        if self.is_soft() { self.sum + 10 } else { self.sum }
    }

    fn is_bust(self) -> bool {
        self.sum > LIMIT
    }
}

/// Every value of a card with its chance in an endless deck.
fn draws() -> impl Iterator<Item = (usize, f64)> {
    (1..=10).map(|value| (value, if value == 10 { 4.0 / 13.0 } else { 1.0 / 13.0 }))
}

/// Whether the dealer takes another card.
fn dealer_hits(hand: Hand, soft_17: bool) -> bool {
    hand.total() < 17 || (soft_17 && hand.total() == 17 && hand.is_soft())
}

/// Chances of the dealer's result: totals 17 to 21, then bust.
fn dealer_chances(hand: Hand, soft_17: bool) -> [f64; 6] {
    let mut chances = [0.0; 6];
    if hand.is_bust() {
        chances[5] = 1.0;
    } else if !dealer_hits(hand, soft_17) {
        chances[hand.total().clamp(17, LIMIT) - 17] = 1.0;
    } else {
        for (value, chance) in draws() {
            let after = dealer_chances(hand.with(value), soft_17);
            chances.iter_mut().zip(after).for_each(|(sum, p)| *sum += chance * p);
        }
    }
    chances
}

/// What a hand is worth against one open card of the dealer.
struct Values {
    dealer: [f64; 6],
    /// Worth of a hit, by sum and ace.
    hit: [[f64; 2]; LIMIT + 1],
}

impl Values {
    fn new(open: usize, soft_17: bool) -> Self {
        let dealer = dealer_chances(Hand::default().with(open), soft_17);
        let mut values = Self { dealer, hit: [[0.0; 2]; LIMIT + 1] };
        // A hit makes the sum larger, so that larger sums come first.
        for sum in (0..=LIMIT).rev() {
            for ace in [false, true] {
                let hand = Hand { sum, ace };
                let worth = |(value, chance): (usize, f64)| chance * values.best(hand.with(value));
                values.hit[sum][usize::from(ace)] = draws().map(worth).sum();
            }
        }
        values
    }

    fn stand(&self, hand: Hand) -> f64 {
        let against = |(i, chance): (usize, &f64)| match hand.total().cmp(&(17 + i)) {
            _ if i == 5 => *chance,
            std::cmp::Ordering::Greater => *chance,
            std::cmp::Ordering::Equal => 0.0,
            std::cmp::Ordering::Less => -chance,
        };
        self.dealer.iter().enumerate().map(against).sum()
    }

    fn hit(&self, hand: Hand) -> f64 {
        self.hit[hand.sum.min(LIMIT)][usize::from(hand.ace)]
    }

    /// The worth of a hand under best play; -1 for a bust one.
    fn best(&self, hand: Hand) -> f64 {
        if hand.is_bust() { -1.0 } else { self.stand(hand).max(self.hit(hand)) }
    }
}

/// The values against `open` (1 to 10), computed once.
fn values(open: usize, soft_17: bool) -> &'static Values {
    static TABLES: OnceLock<[Vec<Values>; 2]> = OnceLock::new();
    let table = |rule| (1..=10).map(|open| Values::new(open, rule)).collect();
    &TABLES.get_or_init(|| [false, true].map(table))[usize::from(soft_17)][open.clamp(1, 10) - 1]
}

/// What is stored of a game.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct State {
    player: Vec<Card>,
    /// The first card is open; the others are shown when the hand is over.
    dealer: Vec<Card>,
    natural: bool,
    soft_17: bool,
    decks: usize,
    /// Cards of real decks that are gone, as numbers into all decks, in order.
    gone: Vec<usize>,
    rounds: usize,
    round: usize,
    /// Twice the sum of the rewards.
    doubled: i64,
    turn: usize,
    outcome: Option<Outcome>,
    rng: Rng,
    totals: bool,
    look: CardLook,
}

/// The state of a game of Blackjack.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "State", into = "State")]
pub struct Blackjack(State);

impl From<Blackjack> for State {
    fn from(game: Blackjack) -> Self {
        game.0
    }
}

impl TryFrom<State> for Blackjack {
    type Error = String;

    fn try_from(state: State) -> Result<Self, String> {
        state.look.check()?;
        let hands = [&state.player, &state.dealer].iter().all(|hand| (2..=22).contains(&hand.len()));
        let over = Hand::of(&state.player).is_bust();
        if !hands || (over && state.outcome.is_none()) {
            return Err("these are no hands".into());
        }
        if state.decks > 8 || state.gone.len() > 52 * state.decks {
            return Err(format!("{} cards gone of {} decks", state.gone.len(), state.decks));
        }
        if !state.gone.windows(2).all(|pair| pair[0] < pair[1]) {
            return Err("a card is gone twice".into());
        }
        let counters = (1..=20).contains(&state.rounds)
            && state.round <= state.rounds
            && state.turn <= TURNS * state.rounds
            && state.doubled.abs() <= 3 * 20;
        counters.then_some(Self(state)).ok_or_else(|| "a counter is out of range".into())
    }
}

impl State {
    fn draw(&mut self) -> Card {
        if self.decks == 0 {
            return Card::draw(&mut self.rng);
        }
        let mut index = self.rng.below((52 * self.decks).saturating_sub(self.gone.len()));
        // The n-th of the cards that are left: those that are gone are skipped.
        let mut at = 0;
        while self.gone.get(at).is_some_and(|gone| *gone <= index) {
            (at, index) = (at + 1, index + 1);
        }
        self.gone.insert(at, index);
        Card::of_deck(index % 52)
    }

    fn deal(&mut self) {
        if self.gone.len() + LOW > 52 * self.decks {
            self.gone.clear();
        }
        self.dealer = vec![self.draw(), self.draw()];
        self.player = vec![self.draw(), self.draw()];
    }

    fn status(&self) -> Status {
        self.outcome.map_or(Status::Running, Status::Done)
    }

    /// The hand is over; the next one is dealt where there is one.
    fn finish(&mut self, reward: f32) {
        self.round += 1;
        self.doubled += (2.0 * reward) as i64;
        if self.round < self.rounds {
            self.deal();
        } else {
            self.outcome = Some(if self.doubled > 0 { Outcome::Success } else { Outcome::Failure });
        }
    }

    /// The dealer plays, the hands are compared.
    fn stand(&mut self) -> f32 {
        while dealer_hits(Hand::of(&self.dealer), self.soft_17) {
            let card = self.draw();
            self.dealer.push(card);
        }
        let (mine, other) = (Hand::of(&self.player), Hand::of(&self.dealer));
        let natural = self.natural && self.player.len() == 2 && mine.total() == LIMIT;
        match mine.total().cmp(&other.total()) {
            _ if other.is_bust() && natural => 1.5,
            std::cmp::Ordering::Greater if natural => 1.5,
            _ if other.is_bust() => 1.0,
            std::cmp::Ordering::Greater => 1.0,
            std::cmp::Ordering::Equal => 0.0,
            std::cmp::Ordering::Less => -1.0,
        }
    }

    fn tick(&mut self) {
        self.turn += 1;
    }

    fn time_out(&mut self) {
        if self.outcome.is_none() && self.turn >= TURNS * self.rounds {
            self.outcome = Some(Outcome::Truncated);
        }
    }

    /// The dealer's cards that are face up.
    fn open(&self) -> &[Card] {
        let shown = if self.round >= self.rounds { self.dealer.len() } else { 1 };
        self.dealer.get(..shown).unwrap_or(&self.dealer)
    }

    /// What standing and hitting are worth, in hundredths of a hand.
    fn worth(&self) -> (i64, i64) {
        let open = self.dealer.first().map_or(10, |c| usize::from(c.ten_value()));
        let (values, hand) = (values(open, self.soft_17), Hand::of(&self.player));
        let percent = |worth: f64| (100.0 * worth).round() as i64;
        (percent(values.stand(hand)), percent(values.hit(hand)))
    }

    fn best(&self) -> Play {
        let open = self.dealer.first().map_or(10, |c| usize::from(c.ten_value()));
        let (values, hand) = (values(open, self.soft_17), Hand::of(&self.player));
        if values.hit(hand) > values.stand(hand) { Play::Hit } else { Play::Stand }
    }

    fn balance(&self) -> String {
        let sign = if self.doubled < 0 { "-" } else { "" };
        let half = if self.doubled % 2 == 0 { "" } else { ".5" };
        format!("{sign}{}{half}", self.doubled.abs() / 2)
    }

    fn draw_hand(&self, canvas: &mut Canvas, name: &str, cards: &[Card], backs: usize, top: i32) {
        let (card, height) = (self.look.card_px, self.look.card_height());
        let (middle, half) = (card as f32 / 2.0, height as f32 / 2.0);
        let box_px = card as f32 * 0.7;
        canvas.text_in_box(name, middle, top as f32 + half * 0.5, box_px, box_px, self.look.ink());
        if self.totals {
            let total = Hand::of(cards).total().to_string();
            canvas.text_in_box(&total, middle, top as f32 + half * 1.5, box_px, box_px, self.look.ink());
        }
        let count = cards.len() + backs;
        let room = (COLUMNS - 1) * card;
        let shift = if count as u32 <= COLUMNS { card } else { room / (count as u32 - 1) };
        for i in 0..count {
            let x = (card + i as u32 * shift) as i32;
            match cards.get(i) {
                Some(one) => self.look.face_up(canvas, *one, x, top),
                None => self.look.face_down(canvas, x, top),
            }
        }
    }
}

impl Env for Blackjack {
    type Action = Play;

    fn spec() -> &'static EnvSpec {
        &SPEC
    }

    fn reset(seed: Seed, knobs: &Knobs) -> Result<Self, KnobError> {
        let mut state = State {
            player: Vec::new(),
            dealer: Vec::new(),
            natural: knobs.flag("natural"),
            soft_17: knobs.flag("soft_17"),
            decks: knobs.size("decks"),
            gone: Vec::new(),
            rounds: knobs.size("rounds"),
            round: 0,
            doubled: 0,
            turn: 0,
            outcome: None,
            rng: seed.split("cards", 0).rng(),
            totals: knobs.flag("totals"),
            look: CardLook::from_knobs(knobs),
        };
        state.deal();
        Ok(Self(state))
    }

    fn rules(&self) -> String {
        let State { rounds, natural, soft_17, .. } = self.0;
        let seventeen = if soft_17 { "hits a soft 17" } else { "stands on 17" };
        let natural = if natural { " A first ace and ten win 1.5." } else { "" };
        let hands = if rounds > 1 { format!(" {rounds} hands.") } else { String::new() };
        format!(
            "Blackjack: D is the dealer, P is you. Come nearer to 21 without going over. The dealer \
             {seventeen}.{natural}{hands}"
        )
    }

    fn render(&self) -> Image {
        let state = &self.0;
        let (card, height) = (state.look.card_px, state.look.card_height());
        let strip = if state.rounds > 1 { RASTER } else { 0 };
        let width = (COLUMNS + 1) * card;
        let mut canvas = Canvas::new(width, 2 * height + strip, state.look.table());
        let open = state.open();
        state.draw_hand(&mut canvas, "D", open, state.dealer.len() - open.len(), 0);
        state.draw_hand(&mut canvas, "P", &state.player, 0, height as i32);
        if strip > 0 {
            let round = (state.round + 1).min(state.rounds);
            let text = format!("Hand {round}/{}  sum {}", state.rounds, state.balance());
            let y = (2 * height + strip / 2) as f32;
            canvas.label_centred(
                &text,
                width as f32 / 2.0,
                y,
                width as f32 - 8.0,
                18.0,
                Font::Bold,
                state.look.ink(),
            );
        }
        canvas.into_image()
    }

    fn parse(&self, answer: &str) -> Result<Play, ParseError> {
        match answer.trim().to_ascii_lowercase().as_str() {
            "hit" => Ok(Play::Hit),
            "stand" => Ok(Play::Stand),
            _ => Err(ParseError::grammar(answer, GRAMMAR)),
        }
    }

    fn step(&mut self, action: &Play) -> Step {
        let state = &mut self.0;
        if state.outcome.is_some() {
            return Step { reward: 0.0, score: 0.0, legal: false, status: state.status() };
        }
        state.tick();
        let reward = match action {
            Play::Stand => Some(state.stand()),
            Play::Hit => {
                let card = state.draw();
                state.player.push(card);
                Hand::of(&state.player).is_bust().then_some(-1.0)
            }
        };
        if let Some(reward) = reward {
            state.finish(reward);
        }
        state.time_out();
        let reward = reward.unwrap_or(0.0);
        Step { reward, score: reward, legal: true, status: state.status() }
    }

    fn pass(&mut self) -> Step {
        let state = &mut self.0;
        let reward = if state.outcome.is_none() { SPEC.invalid_reward } else { 0.0 };
        if state.outcome.is_none() {
            state.tick();
            state.time_out();
        }
        Step { reward, score: reward, legal: false, status: state.status() }
    }

    fn oracle(&self) -> Play {
        self.0.best()
    }

    /// Both hands and what standing and hitting are worth in the long run, in hundredths of a hand.
    fn reason(&self, action: &Play) -> String {
        let state = &self.0;
        let hand = Hand::of(&state.player);
        let soft = if hand.is_soft() { "soft " } else { "" };
        // A hand of more than twelve cards is too long for a reason; its total says enough.
        let cards: Vec<String> = state.player.iter().take(12).map(|c| c.ten_value().to_string()).collect();
        let open = state.dealer.first().map_or(0, |c| c.ten_value());
        let (stand, hit) = state.worth();
        format!(
            "player {} is {soft}{} dealer {open} stand {stand} hit {hit} so {action}",
            cards.join(" "),
            hand.total()
        )
    }

    /// The dealer's cards (`back`: face down), the player's cards; with several hands a line for the
    /// number of the hand and the sum so far.
    fn perception(&self) -> Perception {
        let state = &self.0;
        let words = |cards: &[Card]| cards.iter().map(Card::to_string).collect::<Vec<_>>();
        let (open, player) = (words(state.open()), words(&state.player));
        let backs = " back".repeat(state.dealer.len() - open.len());
        let mut text = format!("dealer {}{backs}\nplayer {}", open.join(" "), player.join(" "));
        if state.rounds > 1 {
            let round = (state.round + 1).min(state.rounds);
            text += &format!("\nhand {round} {} sum {}", state.rounds, state.balance());
        }
        Perception { text, data: json!({ "dealer": open, "player": player, "sum": state.balance() }) }
    }

    fn legal_actions(&self) -> Vec<Play> {
        if self.0.outcome.is_some() { Vec::new() } else { vec![Play::Hit, Play::Stand] }
    }

    fn status(&self) -> Status {
        self.0.status()
    }
}

#[cfg(test)]
mod tests;
