//! Kuhn poker: one card each, one bet, and what it tells.
//!
//! The game of Kuhn (1950) with its closed-form equilibria. VS-Bench says pass and bet; here the words
//! are those of the table. Ours: several hands in turn, larger decks, suits that do not count.

use std::fmt;
use std::sync::OnceLock;

use eyas_core::{Image, Outcome, Rng, Seed};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::duel::SPARE_TURNS;
use crate::draw::{Canvas, Font, Rgb, WHITE};
use crate::{
    Arena, Axis, EnvGroup, EnvSpec, KnobError, KnobSpec, Knobs, ParseError, Perception, SEAT, Status, Step,
};

const GRAMMAR: &str = "check | bet | call | fold";

/// An answer that cannot be read costs as much as the ante: sitting out is never better than playing.
const INVALID: f32 = -1.0;

const SPEC: EnvSpec = EnvSpec {
    id: "kuhn-poker",
    group: EnvGroup::Strategy,
    title: "Kuhn poker",
    summary: "One card each and one bet: win chips from an opponent whose card is hidden.",
    knobs: KNOBS,
    grammar: GRAMMAR,
    invalid_reward: INVALID,
    oracle: "exact best response to the opponent's mixed strategy",
    score: "chips won over all hands; an invalid answer costs one",
    pixel_answers: false,
    players: 2,
    source: "Kuhn 1950; VS-Bench; OpenSpiel",
};

const KNOBS: &[KnobSpec] = &[
    KnobSpec::int("ranks", Axis::Reasoning, 3, 6, 3, "cards in the deck: J Q K, then with A, T and 9")
        .dialled(3.0, 5.0),
    KnobSpec::int("hands", Axis::Horizon, 1, 12, 4, "hands in an episode; the players begin in turn")
        .dialled(4.0, 8.0),
    KnobSpec::choice(
        "opponent",
        Axis::Reasoning,
        &["random", "scripted", "strong"],
        "scripted",
        "scripted: bets and calls with the best third of the cards only; strong: an equilibrium",
    )
    .dialled(0.0, 2.0),
    SEAT,
    KnobSpec::int("card_px", Axis::Perception, 60, 168, 84, "height of a card in pixels"),
    KnobSpec::choice(
        "theme",
        Axis::Perception,
        &["felt", "parlour", "dim"],
        "felt",
        "colours of table and cards; dim has little contrast",
    )
    .dialled(0.0, 1.0),
    KnobSpec::choice("font", Axis::Perception, &["bold", "sans", "mono"], "bold", "font of all letters"),
];

const MAX_RANKS: usize = 6;
/// The ranks of decks of 3 to 6 cards, from the lowest.
const DECKS: [&[&str]; 4] =
    [&["J", "Q", "K"], &["J", "Q", "K", "A"], &["T", "J", "Q", "K", "A"], &["9", "T", "J", "Q", "K", "A"]];
/// Suits vary and do not count.
const SUITS: [(&str, &str); 4] = [("spades", "♠"), ("hearts", "♥"), ("diamonds", "♦"), ("clubs", "♣")];
/// Rounds of counterfactual regret minimisation for decks of more than three cards.
const ROUNDS: usize = 3000;
/// The free parameter of the family of equilibria with three cards, between 0 and 1/3.
const ALPHA: f64 = 0.2;
/// Chips closer than this count as equal.
const EQUAL: f64 = 1e-9;

/// What a player may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Play {
    /// Stay in without a bet.
    Check,
    /// Put a second chip in.
    Bet,
    /// Match the bet.
    Call,
    /// Give up the chip that is in.
    Fold,
}

impl Play {
    const ALL: [Self; 4] = [Self::Check, Self::Bet, Self::Call, Self::Fold];

    fn word(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Bet => "bet",
            Self::Call => "call",
            Self::Fold => "fold",
        }
    }
}

impl fmt::Display for Play {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What has happened in a hand before the present decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stage {
    /// Nothing: the first player decides.
    Open,
    /// The first player checked.
    Checked,
    /// The first player bet.
    Bet,
    /// Check, bet: the first player decides again.
    CheckedBet,
}

impl Stage {
    /// The bold action (a chip goes in) and the quiet one.
    fn options(self) -> [Play; 2] {
        match self {
            Self::Open | Self::Checked => [Play::Bet, Play::Check],
            Self::Bet | Self::CheckedBet => [Play::Call, Play::Fold],
        }
    }

    /// Whether the player who began the hand decides.
    fn first_decides(self) -> bool {
        matches!(self, Self::Open | Self::CheckedBet)
    }

    /// What the first and the second player did last in this hand.
    fn done(self) -> [Option<Play>; 2] {
        match self {
            Self::Open => [None, None],
            Self::Checked => [Some(Play::Check), None],
            Self::Bet => [Some(Play::Bet), None],
            Self::CheckedBet => [Some(Play::Check), Some(Play::Bet)],
        }
    }
}

/// A mixed strategy: the chance of the bold action by stage and card.
type Policy = [[f64; MAX_RANKS]; 4];

/// The strategy of the named opponent.
fn policy(kind: &str, ranks: usize) -> Policy {
    match kind {
        "random" => [[0.5; MAX_RANKS]; 4],
        "scripted" => [std::array::from_fn(|card| f64::from(u8::from(card * 3 >= ranks * 2))); 4],
        _ => {
            static KNOWN: [OnceLock<Policy>; 4] = [const { OnceLock::new() }; 4];
            *KNOWN[ranks.clamp(3, MAX_RANKS) - 3].get_or_init(|| equilibrium(ranks))
        }
    }
}

/// An equilibrium: Kuhn's closed form for three cards, counterfactual regret minimisation for more.
fn equilibrium(ranks: usize) -> Policy {
    if ranks != 3 {
        return minimise_regret(ranks);
    }
    let mut policy = [[0.0; MAX_RANKS]; 4];
    let rows = [
        [ALPHA, 0.0, 3.0 * ALPHA],
        [1.0 / 3.0, 0.0, 1.0],
        [0.0, 1.0 / 3.0, 1.0],
        [0.0, ALPHA + 1.0 / 3.0, 1.0],
    ];
    for (row, values) in policy.iter_mut().zip(rows) {
        row[..3].copy_from_slice(&values);
    }
    policy
}

/// Regret matching over all deals, both players at once, later rounds weighing more in the mean.
fn minimise_regret(ranks: usize) -> Policy {
    let mut regrets = [[[0.0_f64; 2]; MAX_RANKS]; 4];
    let (mut sums, mut weights) = ([[0.0; MAX_RANKS]; 4], [[0.0; MAX_RANKS]; 4]);
    for round in 1..=ROUNDS {
        let mut now = [[0.5; MAX_RANKS]; 4];
        for (stage, row) in now.iter_mut().enumerate() {
            for (card, bold) in row.iter_mut().enumerate() {
                let [a, b] = regrets[stage][card].map(|r| r.max(0.0));
                *bold = if a + b > 0.0 { a / (a + b) } else { 0.5 };
            }
        }
        for card in 0..ranks {
            for stage in [Stage::Open, Stage::Checked, Stage::Bet, Stage::CheckedBet] {
                // Own reach counts in the mean strategy: only the last decision has one before it.
                let own = if stage == Stage::CheckedBet { 1.0 - now[0][card] } else { 1.0 };
                let weight = own * round as f64;
                sums[stage as usize][card] += weight * now[stage as usize][card];
                weights[stage as usize][card] += weight;
                let (values, reach) = outlook(stage, card, ranks, &now, Some(&now));
                let bold = now[stage as usize][card];
                let mean = bold * values[0] + (1.0 - bold) * values[1];
                for (regret, value) in regrets[stage as usize][card].iter_mut().zip(values) {
                    *regret = (*regret + reach * (value - mean)).max(0.0);
                }
            }
        }
    }
    std::array::from_fn(|stage| {
        std::array::from_fn(|card| {
            let weight: f64 = weights[stage][card];
            if weight > 0.0 { sums[stage][card] / weight } else { 0.0 }
        })
    })
}

/// How likely each card of the other player is at `stage`, up to a common factor.
fn suspects(stage: Stage, card: usize, ranks: usize, other: &Policy) -> [f64; MAX_RANKS] {
    std::array::from_fn(|their| {
        if their == card || their >= ranks {
            return 0.0;
        }
        match stage {
            Stage::Open => 1.0,
            Stage::Checked => 1.0 - other[Stage::Open as usize][their],
            Stage::Bet => other[Stage::Open as usize][their],
            Stage::CheckedBet => other[Stage::Checked as usize][their],
        }
    })
}

/// The chips that the bold and the quiet action win in the mean (counted from before the ante), and
/// the chance to get here as far as the other's play goes. A later decision of one's own follows
/// `own`, or is the best one where that is `None`.
fn outlook(stage: Stage, card: usize, ranks: usize, other: &Policy, own: Option<&Policy>) -> ([f64; 2], f64) {
    let mut likely = suspects(stage, card, ranks, other);
    if likely.iter().sum::<f64>() <= 0.0 {
        // The other would not have played so: all cards are possible.
        likely = suspects(Stage::Open, card, ranks, other);
    }
    let total: f64 = likely.iter().sum();
    let reach = suspects(stage, card, ranks, other).iter().sum::<f64>() / (ranks - 1) as f64;
    let mean = |value: &dyn Fn(usize, f64) -> f64| -> f64 {
        (0..ranks).map(|o| likely[o] * value(o, if card > o { 1.0 } else { -1.0 })).sum::<f64>() / total
    };
    // A bet wins 1 from those who fold and plays for 2 against those who call.
    let bet = |answer: Stage| {
        mean(&|o, sign| {
            let calls = other[answer as usize][o];
            calls * 2.0 * sign + (1.0 - calls)
        })
    };
    let values = match stage {
        Stage::Open => {
            let checked_down = mean(&|o, sign| (1.0 - other[Stage::Checked as usize][o]) * sign);
            let bets = mean(&|o, _| other[Stage::Checked as usize][o]);
            let (later, _) = outlook(Stage::CheckedBet, card, ranks, other, own);
            let facing = own.map_or(later[0].max(later[1]), |policy| {
                let call = policy[Stage::CheckedBet as usize][card];
                call * later[0] + (1.0 - call) * later[1]
            });
            [bet(Stage::Bet), checked_down + bets * facing]
        }
        Stage::Checked => [bet(Stage::CheckedBet), mean(&|_, sign| sign)],
        Stage::Bet | Stage::CheckedBet => [mean(&|_, sign| 2.0 * sign), -1.0],
    };
    (values, reach)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Theme {
    Felt,
    Parlour,
    Dim,
}

/// The colours of a theme.
struct Colors {
    table: Rgb,
    card: Rgb,
    back: Rgb,
    black: Rgb,
    red: Rgb,
    chip: Rgb,
    ink: Rgb,
}

impl Theme {
    fn colors(self) -> Colors {
        match self {
            Self::Felt => Colors {
                table: [24, 104, 62],
                card: [252, 250, 244],
                back: [40, 70, 160],
                black: [24, 24, 30],
                red: [210, 30, 40],
                chip: [240, 196, 60],
                ink: WHITE,
            },
            Self::Parlour => Colors {
                table: [104, 34, 42],
                card: [244, 232, 204],
                back: [50, 40, 34],
                black: [40, 34, 30],
                red: [178, 34, 30],
                chip: [200, 204, 210],
                ink: [250, 232, 190],
            },
            Self::Dim => Colors {
                table: [50, 54, 60],
                card: [78, 80, 84],
                back: [60, 64, 78],
                black: [48, 50, 54],
                red: [106, 64, 66],
                chip: [92, 88, 66],
                ink: [92, 96, 102],
            },
        }
    }
}

/// How a match ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Ended {
    Played,
    Stalled,
}

/// A match of Kuhn poker over several hands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct KuhnPoker {
    ranks: usize,
    hands: u32,
    hand: u32,
    stage: Stage,
    cards: [usize; 2],
    suits: [usize; 2],
    /// What player 0 has won so far; the other has lost it.
    chips: i32,
    turn: u32,
    outcome: Option<Ended>,
    card_px: u32,
    theme: Theme,
    font: Font,
    rng: Rng,
}

/// A match as read from a file, not yet checked.
#[derive(Deserialize)]
struct Unchecked {
    ranks: usize,
    hands: u32,
    hand: u32,
    stage: Stage,
    cards: [usize; 2],
    suits: [usize; 2],
    chips: i32,
    turn: u32,
    outcome: Option<Ended>,
    card_px: u32,
    theme: Theme,
    font: Font,
    rng: Rng,
}

impl TryFrom<Unchecked> for KuhnPoker {
    type Error = String;

    fn try_from(raw: Unchecked) -> Result<Self, String> {
        let Unchecked { ranks, hands, hand, stage, cards, suits, chips, turn, outcome, card_px, .. } = raw;
        let deck = (3..=MAX_RANKS).contains(&ranks) && cards.iter().all(|c| *c < ranks);
        if !deck || cards[0] == cards[1] || suits.iter().any(|s| *s >= SUITS.len()) {
            return Err(format!("cards {cards:?} of suits {suits:?} are not from a deck of {ranks}"));
        }
        if !(1..=12).contains(&hands) || hand > hands || !(60..=168).contains(&card_px) {
            return Err("hand, hands or card_px is out of range".into());
        }
        if chips.unsigned_abs() > 2 * hands || turn > limit(hands) {
            return Err(format!("{chips} chips after {turn} turns are not possible"));
        }
        if outcome.is_none() && (hand == hands || turn == limit(hands)) {
            return Err("the match is over".into());
        }
        let Unchecked { theme, font, rng, .. } = raw;
        Ok(Self { ranks, hands, hand, stage, cards, suits, chips, turn, outcome, card_px, theme, font, rng })
    }
}

/// Turns of a match of `hands` hands.
fn limit(hands: u32) -> u32 {
    3 * hands + SPARE_TURNS
}

impl KuhnPoker {
    fn deal(&mut self) {
        let mine = self.rng.below(self.ranks);
        let other = (mine + 1 + self.rng.below(self.ranks - 1)) % self.ranks;
        self.cards = [mine, other];
        self.suits = [self.rng.below(SUITS.len()), self.rng.below(SUITS.len())];
        self.stage = Stage::Open;
    }

    /// Who began the present hand.
    fn first(&self) -> usize {
        (self.hand % 2) as usize
    }

    fn decides(&self) -> usize {
        if self.stage.first_decides() { self.first() } else { 1 - self.first() }
    }

    fn acts(&self, player: usize) -> bool {
        self.outcome.is_none() && player == self.decides()
    }

    /// The hand ends: the first player of it wins `won` chips (or loses them).
    fn settle(&mut self, won: i32) -> i32 {
        let won = if self.first() == 0 { won } else { -won };
        self.chips += won;
        self.hand += 1;
        if self.hand >= self.hands {
            self.outcome = Some(Ended::Played);
        } else {
            self.deal();
        }
        won
    }

    /// Plays an action that the stage allows; gives what player 0 wins by it.
    fn advance(&mut self, play: Play) -> i32 {
        let first = self.first();
        let sign = if self.cards[first] > self.cards[1 - first] { 1 } else { -1 };
        match (self.stage, play) {
            (Stage::Open, Play::Bet) => self.stage = Stage::Bet,
            (Stage::Open, _) => self.stage = Stage::Checked,
            (Stage::Checked, Play::Bet) => self.stage = Stage::CheckedBet,
            (Stage::Checked, _) => return self.settle(sign),
            (_, Play::Call) => return self.settle(2 * sign),
            (Stage::Bet, _) => return self.settle(1),
            (Stage::CheckedBet, _) => return self.settle(-1),
        }
        0
    }

    fn cut_off(&mut self) {
        self.turn += 1;
        if self.outcome.is_none() && self.turn >= limit(self.hands) {
            self.outcome = Some(Ended::Stalled);
        }
    }

    fn won(&self, player: usize) -> i32 {
        if player == 0 { self.chips } else { -self.chips }
    }

    fn report(&self, player: usize, pay: f32, legal: bool) -> Step {
        Step { reward: pay, score: pay, legal, status: self.status(player) }
    }

    fn rank(&self, card: usize) -> &'static str {
        DECKS.get(self.ranks.saturating_sub(3)).and_then(|deck| deck.get(card)).copied().unwrap_or("J")
    }

    fn pot(&self) -> u32 {
        if matches!(self.stage, Stage::Open | Stage::Checked) { 2 } else { 3 }
    }

    /// What `player` did last in this hand, as a word.
    fn did(&self, player: usize) -> &'static str {
        let place = if player == self.first() { 0 } else { 1 };
        self.stage.done()[place].map_or("-", Play::word)
    }

    fn draw_card(&self, canvas: &mut Canvas, x: i32, y: i32, face: Option<usize>, colors: &Colors) {
        let (high, wide) = (self.card_px, self.card_px * 2 / 3);
        let (h, w) = (high as f32, wide as f32);
        canvas.fill_round_rect(x, y, wide, high, 0.1 * w, colors.card);
        let (cx, top) = (x as f32 + w / 2.0, y as f32);
        let Some(player) = face else {
            let edge = (wide / 12).max(2);
            let inner = (wide - 2 * edge, high - 2 * edge);
            canvas.fill_round_rect(x + edge as i32, y + edge as i32, inner.0, inner.1, 0.06 * w, colors.back);
            canvas.label_centred("?", cx, top + h / 2.0, w, 0.5 * h, self.font, colors.card);
            return;
        };
        let (_, sign) = SUITS[self.suits[player]];
        let color = if matches!(self.suits[player], 1 | 2) { colors.red } else { colors.black };
        let rank = self.rank(self.cards[player]);
        canvas.label_centred(rank, cx, top + 0.32 * h, w, 0.56 * h, self.font, color);
        canvas.label_centred(sign, cx, top + 0.74 * h, w, 0.42 * h, self.font, color);
    }
}

impl Arena for KuhnPoker {
    type Action = Play;

    fn spec() -> &'static EnvSpec {
        &SPEC
    }

    fn reset(seed: Seed, knobs: &Knobs) -> Result<Self, KnobError> {
        let mut game = Self {
            ranks: knobs.size("ranks"),
            hands: knobs.size("hands") as u32,
            hand: 0,
            stage: Stage::Open,
            cards: [0, 1],
            suits: [0, 0],
            chips: 0,
            turn: 0,
            outcome: None,
            card_px: knobs.size("card_px") as u32,
            theme: match knobs.choice("theme") {
                "parlour" => Theme::Parlour,
                "dim" => Theme::Dim,
                _ => Theme::Felt,
            },
            font: Font::named(knobs.choice("font")),
            rng: seed.split("cards", 0).rng(),
        };
        game.deal();
        Ok(game)
    }

    fn acting(&self) -> Vec<usize> {
        if self.outcome.is_none() { vec![self.decides()] } else { Vec::new() }
    }

    fn rules(&self, _player: usize) -> String {
        let deck = DECKS.get(self.ranks.saturating_sub(3)).map_or(String::new(), |deck| deck.join(" "));
        format!(
            "One card each of {deck}, one chip each in the pot. Check or bet one chip; a bet is called or folded. The higher card wins the pot. {} hands.",
            self.hands
        )
    }

    fn render(&self, player: usize) -> Image {
        let (colors, high, wide) = (self.theme.colors(), self.card_px, self.card_px * 2 / 3);
        let (strip, third) = (high / 3, wide as f32);
        let (width, height) = (3 * wide, high + 2 * strip);
        let mut canvas = Canvas::new(width, height, colors.table);
        let px = 0.78 * strip as f32;
        let (above, below) = (strip as f32 / 2.0, (strip + high) as f32 + strip as f32 / 2.0);
        let write = |canvas: &mut Canvas, text: &str, column: f32, y: f32| {
            canvas.label_centred(text, column * third, y, 0.96 * third, px, self.font, colors.ink);
        };
        write(&mut canvas, &format!("you {:+}", self.won(player)), 0.5, above);
        write(&mut canvas, &format!("{}/{}", (self.hand + 1).min(self.hands), self.hands), 1.5, above);
        write(&mut canvas, "foe", 2.5, above);
        write(&mut canvas, self.did(player), 0.5, below);
        write(&mut canvas, "pot", 1.5, below);
        write(&mut canvas, self.did(1 - player.min(1)), 2.5, below);
        let left = (wide / 14) as i32;
        self.draw_card(&mut canvas, left, strip as i32, Some(player.min(1)), &colors);
        self.draw_card(&mut canvas, (width - wide) as i32 - left, strip as i32, None, &colors);
        let (x, y, radius) = (1.5 * third, strip as f32 + high as f32 / 2.0, 0.34 * third);
        canvas.fill_circle(x, y, radius, colors.chip);
        canvas.ring(x, y, 0.86 * radius, 0.1 * radius, colors.card);
        let pot = self.pot().to_string();
        canvas.label_centred(&pot, x, y, radius, 1.3 * radius, self.font, colors.black);
        canvas.into_image()
    }

    fn parse(&self, _player: usize, answer: &str) -> Result<Play, ParseError> {
        let word = answer.trim().to_ascii_lowercase();
        let found = Play::ALL.into_iter().find(|play| play.word() == word);
        found.ok_or_else(|| ParseError::grammar(answer, GRAMMAR))
    }

    fn step(&mut self, actions: &[(usize, Play)]) -> Vec<Step> {
        let Some((player, play)) = actions.first() else { return Vec::new() };
        if self.outcome.is_some() {
            return vec![self.report(0, 0.0, false), self.report(1, 0.0, false)];
        }
        let legal = self.acts(*player) && self.stage.options().contains(play);
        let won = if legal { self.advance(*play) } else { 0 };
        self.cut_off();
        let report = |who: usize| {
            let pay = if who == 0 { won } else { -won } as f32;
            self.report(who, pay, legal || who != *player)
        };
        vec![report(0), report(1)]
    }

    fn pass(&mut self, player: usize) -> Step {
        if self.outcome.is_some() {
            return self.report(player, 0.0, false);
        }
        self.cut_off();
        self.report(player, INVALID, false)
    }

    fn opponent(&self, player: usize, kind: &str, rng: &mut Rng) -> Play {
        let bold = policy(kind, self.ranks)[self.stage as usize][self.cards[player.min(1)]];
        let [high, low] = self.stage.options();
        if rng.chance(bold) { high } else { low }
    }

    fn oracle(&self, player: usize, opponent: &str) -> Play {
        let other = policy(opponent, self.ranks);
        let (values, _) = outlook(self.stage, self.cards[player.min(1)], self.ranks, &other, None);
        let [bold, quiet] = self.stage.options();
        if values[0] > values[1] + EQUAL { bold } else { quiet }
    }

    /// The cards that the other may hold in percent, and what each action wins in hundredths of a chip.
    fn reason(&self, player: usize, opponent: &str, action: &Play) -> String {
        let (card, other) = (self.cards[player.min(1)], policy(opponent, self.ranks));
        let likely = suspects(self.stage, card, self.ranks, &other);
        let total = likely.iter().sum::<f64>().max(EQUAL);
        let after = self.did(1 - player.min(1));
        let mut text = format!("{} after {after} foe", self.rank(card));
        for (their, weight) in likely.iter().enumerate().filter(|(_, w)| **w > 0.0) {
            text += &format!(" {} {:.0}", self.rank(their), 100.0 * weight / total);
        }
        let (values, _) = outlook(self.stage, card, self.ranks, &other, None);
        for (play, value) in self.stage.options().iter().zip(values) {
            text += &format!(" {play} {}", (100.0 * value).round() as i32);
        }
        text + &format!(" so {action}")
    }

    /// Rows: own card and last action, the other's last action, pot, chips won and hand.
    fn perception(&self, player: usize) -> Perception {
        let (me, foe) = (player.min(1), 1 - player.min(1));
        let (rank, (suit, _)) = (self.rank(self.cards[me]), SUITS[self.suits[me]]);
        let hand = (self.hand + 1).min(self.hands);
        let text = format!(
            "you {rank} {suit} {}\nfoe {}\npot {}\nchips {:+}\nhand {hand} of {}",
            self.did(me),
            self.did(foe),
            self.pot(),
            self.won(me),
            self.hands
        );
        let data = json!({
            "card": rank, "suit": suit, "you": self.did(me), "foe": self.did(foe), "pot": self.pot(),
            "chips": self.won(me), "hand": hand, "hands": self.hands,
        });
        Perception { text, data }
    }

    fn legal_actions(&self, player: usize) -> Vec<Play> {
        if self.acts(player) { self.stage.options().to_vec() } else { Vec::new() }
    }

    fn status(&self, player: usize) -> Status {
        match self.outcome {
            None => Status::Running,
            Some(Ended::Stalled) => Status::Done(Outcome::Truncated),
            Some(Ended::Played) if self.won(player) > 0 => Status::Done(Outcome::Success),
            Some(Ended::Played) => Status::Done(Outcome::Failure),
        }
    }
}

#[cfg(test)]
mod tests;
