//! Formulas over the numbers of cards: tokens, exact evaluation, the search for a solution, and the
//! table on which a formula is written down. Shared by the points games.

use std::fmt;

use eyas_core::{Image, Outcome, Rng, Seed};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::deck::{Card, CardLook, RASTER};
use crate::draw::{Canvas, Font};
use crate::{Knobs, ParseError, Perception, Status, Step};

/// What the right formula pays; anything refused or wrong pays [`WRONG`].
pub(super) const RIGHT: f32 = 10.0;
/// What a refused token, a wrong formula and running out of turns pay.
pub(super) const WRONG: f32 = -1.0;

/// Longest answer in tokens.
const MAX_TOKENS: usize = 64;
/// Bracket pairs that the search may open. Two are enough for four numbers.
const MAX_PAIRS: usize = 2;
/// Hands that are dealt before the knobs are said to contradict each other.
const DEALS: usize = 5_000;
/// Width of one token of the written formula.
const TOKEN_PX: u32 = 14;
/// Formulas that are listed where there are endlessly many.
const SAMPLED: usize = 12;
/// Longest reason.
const MAX_WORDS: usize = 40;

/// One piece of a formula.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Token {
    /// A number.
    Number(u8),
    /// `+`
    Plus,
    /// `-`
    Minus,
    /// `*`
    Times,
    /// `/`
    Over,
    /// `(`
    Open,
    /// `)`
    Close,
    /// `=`, which ends the formula.
    Equals,
}

const SIGNS: [(char, Token); 7] = [
    ('+', Token::Plus),
    ('-', Token::Minus),
    ('*', Token::Times),
    ('/', Token::Over),
    ('(', Token::Open),
    (')', Token::Close),
    ('=', Token::Equals),
];

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = SIGNS.iter().find(|(_, token)| token == self);
        match (self, sign) {
            (Self::Number(n), _) => write!(f, "{n}"),
            (_, Some((sign, _))) => write!(f, "{sign}"),
            (_, None) => Ok(()),
        }
    }
}

impl Token {
    /// Its name in a reason.
    fn word(self) -> String {
        match self {
            Self::Number(n) => return n.to_string(),
            Self::Plus => "plus",
            Self::Minus => "minus",
            Self::Times => "times",
            Self::Over => "over",
            Self::Open => "open",
            Self::Close => "close",
            Self::Equals => "equals",
        }
        .into()
    }

    fn is_operator(self) -> bool {
        matches!(self, Self::Plus | Self::Minus | Self::Times | Self::Over)
    }
}

/// An answer: one token, or a whole formula.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens(pub Vec<Token>);

impl fmt::Display for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, token) in self.0.iter().enumerate() {
            write!(f, "{}{token}", if i > 0 { " " } else { "" })?;
        }
        Ok(())
    }
}

/// Reads tokens with blanks between them or not.
fn read(answer: &str, grammar: &'static str, top: u8) -> Result<Vec<Token>, ParseError> {
    let mut tokens = Vec::new();
    let mut rest = answer.trim();
    while let Some(first) = rest.chars().next() {
        if tokens.len() == MAX_TOKENS {
            return Err(ParseError::range(answer, format!("at most {MAX_TOKENS} tokens")));
        }
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let sign = SIGNS.iter().find(|(sign, _)| *sign == first);
        let length = match (digits, sign) {
            (0, Some((_, token))) => {
                tokens.push(*token);
                1
            }
            (0, None) => return Err(ParseError::grammar(answer, grammar)),
            // A number without leading zeros, so that the text of a token is unique.
            _ => match rest.get(..digits).and_then(|text| text.parse::<u8>().ok()) {
                Some(n) if first != '0' && n <= top => {
                    tokens.push(Token::Number(n));
                    digits
                }
                _ => return Err(ParseError::range(answer, format!("numbers go from 1 to {top}"))),
            },
        };
        rest = rest.get(length..).unwrap_or("").trim_start_matches(' ');
    }
    Ok(tokens)
}

/// An exact fraction in lowest terms, its denominator positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ratio {
    num: i64,
    den: i64,
}

impl Ratio {
    pub(super) fn whole(n: i64) -> Self {
        Self { num: n, den: 1 }
    }

    fn new(num: i64, den: i64) -> Option<Self> {
        let (mut a, mut b) = (num.unsigned_abs(), den.unsigned_abs());
        while b > 0 {
            (a, b) = (b, a % b);
        }
        let divisor = i64::try_from(a).ok().filter(|d| *d > 0)?;
        let sign = if den < 0 { -1 } else { 1 };
        (den != 0).then(|| Self { num: sign * num / divisor, den: sign * den / divisor })
    }

    /// `None` for a division by zero, or when a number grows out of range.
    fn apply(self, operator: Token, other: Self) -> Option<Self> {
        let cross = |a: Self, b: Self| a.num.checked_mul(b.den);
        match operator {
            Token::Plus => {
                let num = cross(self, other)?.checked_add(cross(other, self)?)?;
                Self::new(num, self.den.checked_mul(other.den)?)
            }
            Token::Minus => {
                let num = cross(self, other)?.checked_sub(cross(other, self)?)?;
                Self::new(num, self.den.checked_mul(other.den)?)
            }
            Token::Times => Self::new(self.num.checked_mul(other.num)?, self.den.checked_mul(other.den)?),
            Token::Over => Self::new(cross(self, other)?, cross(other, self)?),
            _ => None,
        }
    }

    /// As one word of a reason.
    fn word(self) -> String {
        if self.den == 1 { self.num.to_string() } else { format!("{}over{}", self.num, self.den) }
    }
}

/// One computed operation.
type Deed = (Ratio, Token, Ratio, Ratio);

/// Evaluates a formula by recursive descent.
struct Reader<'a> {
    tokens: &'a [Token],
    at: usize,
    deeds: Vec<Deed>,
    keep: bool,
}

impl Reader<'_> {
    fn peek(&self) -> Option<Token> {
        self.tokens.get(self.at).copied()
    }

    fn chain(&mut self, operators: [Token; 2], part: fn(&mut Self) -> Option<Ratio>) -> Option<Ratio> {
        let mut value = part(self)?;
        while let Some(operator) = self.peek().filter(|t| operators.contains(t)) {
            self.at += 1;
            let right = part(self)?;
            let result = value.apply(operator, right)?;
            if self.keep {
                self.deeds.push((value, operator, right, result));
            }
            value = result;
        }
        Some(value)
    }

    fn sum(&mut self) -> Option<Ratio> {
        self.chain([Token::Plus, Token::Minus], Self::product)
    }

    fn product(&mut self) -> Option<Ratio> {
        self.chain([Token::Times, Token::Over], Self::atom)
    }

    fn atom(&mut self) -> Option<Ratio> {
        let token = self.peek()?;
        self.at += 1;
        match token {
            Token::Number(n) => Some(Ratio::whole(i64::from(n))),
            Token::Open => {
                let value = self.sum()?;
                let closed = self.peek() == Some(Token::Close);
                self.at += 1;
                closed.then_some(value)
            }
            _ => None,
        }
    }
}

/// The value of a formula; `None` when it is malformed or divides by zero.
pub(super) fn value(tokens: &[Token]) -> Option<Ratio> {
    let mut reader = Reader { tokens, at: 0, deeds: Vec::new(), keep: false };
    let value = reader.sum()?;
    (reader.at == tokens.len()).then_some(value)
}

/// The operations of a formula in the order in which they are computed.
fn deeds(tokens: &[Token]) -> Vec<Deed> {
    let mut reader = Reader { tokens, at: 0, deeds: Vec::new(), keep: true };
    reader.sum();
    reader.deeds
}

/// Whether four operations and brackets make `target` of all `values`.
pub(super) fn reachable(values: &[Ratio], target: Ratio) -> bool {
    if let [only] = values {
        return *only == target;
    }
    for i in 0..values.len() {
        for j in 0..values.len() {
            let rest = || values.iter().enumerate().filter(|(k, _)| *k != i && *k != j).map(|(_, v)| *v);
            for operator in [Token::Plus, Token::Times, Token::Minus, Token::Over] {
                let ordered = matches!(operator, Token::Minus | Token::Over);
                if i == j || (i > j && !ordered) {
                    continue;
                }
                if let Some(result) = values[i].apply(operator, values[j]) {
                    let next: Vec<Ratio> = std::iter::once(result).chain(rest()).collect();
                    if reachable(&next, target) {
                        return true;
                    }
                }
            }
        }
    }
    false
}

/// Which tokens there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Arithmetic {
    /// `+` and `*`.
    Easy,
    /// All four operations and brackets.
    Full,
}

impl Arithmetic {
    fn operators(self) -> &'static [Token] {
        match self {
            Self::Easy => &[Token::Plus, Token::Times],
            Self::Full => &[Token::Plus, Token::Minus, Token::Times, Token::Over],
        }
    }

    fn pairs(self) -> usize {
        if self == Self::Full { MAX_PAIRS } else { 0 }
    }
}

/// A depth-first search over all ways to finish a formula.
struct Search<'a> {
    operators: &'a [Token],
    formula: Vec<Token>,
    /// Tokens that were there at the start.
    given: usize,
    left: Vec<u8>,
    depth: usize,
    /// Bracket pairs that may still be opened.
    pairs: usize,
    /// Longest formula.
    room: usize,
    target: Ratio,
}

impl Search<'_> {
    fn with(&mut self, token: Token, then: fn(&mut Self) -> bool) -> bool {
        if self.formula.len() >= self.room {
            return false;
        }
        self.formula.push(token);
        let found = then(self);
        if !found {
            self.formula.pop();
        }
        found
    }

    /// Where a number or a bracket is next.
    fn operand(&mut self) -> bool {
        for i in 0..self.left.len() {
            // Equal numbers lead to equal formulas.
            if self.left.iter().take(i).any(|n| *n == self.left[i]) {
                continue;
            }
            let number = self.left.remove(i);
            if self.with(Token::Number(number), Self::operator) {
                return true;
            }
            self.left.insert(i, number);
        }
        if self.pairs > 0 && self.left.len() > 1 {
            self.pairs -= 1;
            self.depth += 1;
            if self.with(Token::Open, Self::operand) {
                return true;
            }
            self.pairs += 1;
            self.depth -= 1;
        }
        false
    }

    /// Where an operator, a closing bracket or the end is next.
    fn operator(&mut self) -> bool {
        if self.left.is_empty() {
            let length = self.formula.len();
            self.formula.extend(std::iter::repeat_n(Token::Close, self.depth));
            let found = self.formula.len() <= self.room && value(&self.formula) == Some(self.target);
            if !found {
                self.formula.truncate(length);
            }
            return found;
        }
        for &operator in self.operators {
            if self.with(operator, Self::operand) {
                return true;
            }
        }
        // Brackets around one number are of no use, but may have been written already.
        let single = self
            .formula
            .len()
            .checked_sub(2)
            .is_some_and(|before| before >= self.given && self.formula.get(before) == Some(&Token::Open));
        if self.depth > 0 && !single {
            self.depth -= 1;
            if self.with(Token::Close, Self::operator) {
                return true;
            }
            self.depth += 1;
        }
        false
    }
}

/// Cards on a table and the formula written so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Table {
    cards: Vec<Card>,
    /// Faces count ten; otherwise 11, 12, 13.
    faces_ten: bool,
    target: u8,
    arithmetic: Arithmetic,
    /// The answer is a whole formula, not one token.
    whole: bool,
    max_turns: usize,
    formula: Vec<Token>,
    turn: usize,
    outcome: Option<Outcome>,
    look: CardLook,
}

impl Table {
    /// Deals hands until `wanted` takes one; `None` when none was found.
    pub(super) fn deal(
        seed: Seed,
        knobs: &Knobs,
        cards: usize,
        arithmetic: Arithmetic,
        max_turns: usize,
        wanted: impl Fn(&Self) -> bool,
    ) -> Option<Self> {
        let mut rng = seed.split("cards", 0).rng();
        let whole = knobs.choice("answer") == "whole";
        let mut table = Self {
            cards: Vec::new(),
            faces_ten: knobs.choice("faces") != "rank",
            target: u8::try_from(knobs.size("target")).unwrap_or(24),
            arithmetic,
            whole,
            max_turns: if whole { 1 } else { max_turns },
            formula: Vec::new(),
            turn: 0,
            outcome: None,
            look: CardLook::from_knobs(knobs),
        };
        for _ in 0..DEALS {
            table.cards = (0..cards).map(|_| Card::draw(&mut rng)).collect();
            if wanted(&table) {
                return Some(table);
            }
        }
        None
    }

    /// Whether a table that was read from a file can be played on.
    pub(super) fn check(&self) -> Result<(), String> {
        self.look.check()?;
        let sizes = (2..=4).contains(&self.cards.len()) && (1..=100).contains(&self.target);
        if !sizes || self.max_turns > 100 || self.turn > self.max_turns {
            return Err("cards, target, max_turns or turn is out of range".into());
        }
        let mut written = Self { formula: Vec::new(), ..self.clone() };
        for token in &self.formula {
            if *token == Token::Equals || !written.accepts(*token) || written.formula.len() == self.turn {
                return Err(format!("the formula {} cannot be written", Tokens(self.formula.clone())));
            }
            written.formula.push(*token);
        }
        Ok(())
    }

    fn number(&self, card: Card) -> u8 {
        if self.faces_ten { card.ten_value() } else { card.rank }
    }

    /// The numbers of the cards.
    pub(super) fn numbers(&self) -> Vec<u8> {
        self.cards.iter().map(|c| self.number(*c)).collect()
    }

    /// Largest number that a card can have.
    fn top(&self) -> u8 {
        if self.faces_ten { 10 } else { 13 }
    }

    pub(super) fn target(&self) -> Ratio {
        Ratio::whole(i64::from(self.target))
    }

    /// The numbers that are not in the formula.
    fn left(&self) -> Vec<u8> {
        let mut left = self.numbers();
        for token in &self.formula {
            if let Some(at) = left.iter().position(|n| Token::Number(*n) == *token) {
                left.remove(at);
            }
        }
        left
    }

    fn wants_number(&self) -> bool {
        self.formula.last().is_none_or(|t| t.is_operator() || *t == Token::Open)
    }

    fn count(&self, wanted: Token) -> usize {
        self.formula.iter().filter(|t| **t == wanted).count()
    }

    fn depth(&self) -> usize {
        self.count(Token::Open) - self.count(Token::Close).min(self.count(Token::Open))
    }

    fn used(&self) -> usize {
        self.formula.iter().filter(|t| matches!(t, Token::Number(_))).count()
    }

    /// Whether `token` may be written next: the formula can still be completed after it.
    fn accepts(&self, token: Token) -> bool {
        let (wants_number, more) = (self.wants_number(), self.used() < self.cards.len());
        match token {
            Token::Number(n) => {
                let held = self.cards.iter().filter(|c| self.number(**c) == n).count();
                wants_number && self.count(token) < held
            }
            Token::Open => self.arithmetic == Arithmetic::Full && wants_number,
            Token::Close => !wants_number && self.depth() > 0,
            Token::Equals => !wants_number && self.depth() == 0,
            operator => self.arithmetic.operators().contains(&operator) && !wants_number && more,
        }
    }

    /// All tokens, in a fixed order.
    fn all_tokens(&self) -> Vec<Token> {
        let signs: &[Token] = match self.arithmetic {
            Arithmetic::Easy => &[Token::Equals],
            Arithmetic::Full => &[Token::Open, Token::Close, Token::Equals],
        };
        let numbers = (1..=self.top()).map(Token::Number);
        numbers.chain(self.arithmetic.operators().iter().chain(signs).copied()).collect()
    }

    /// The whole formula that continues the written one to the target with at most `pairs` new
    /// brackets, in the turns that are left.
    fn finish_with(&self, pairs: usize) -> Option<Vec<Token>> {
        let turns = self.max_turns.saturating_sub(self.turn + 1);
        let room = if self.whole { MAX_TOKENS } else { self.formula.len() + turns };
        let mut search = Search {
            operators: self.arithmetic.operators(),
            formula: self.formula.clone(),
            given: self.formula.len(),
            left: self.left(),
            depth: self.depth(),
            pairs,
            room,
            target: self.target(),
        };
        let found = if self.wants_number() { search.operand() } else { search.operator() };
        found.then_some(search.formula)
    }

    /// As few brackets as possible.
    fn finish(&self) -> Option<Vec<Token>> {
        (0..=self.arithmetic.pairs()).find_map(|pairs| self.finish_with(pairs))
    }

    /// Whether the hand makes the target without brackets.
    pub(super) fn is_plain(&self) -> bool {
        self.finish_with(0).is_some()
    }

    /// The next token when the target is out of reach: the shortest way to the end.
    fn give_up(&self) -> Token {
        if self.wants_number() {
            self.left().first().map_or(Token::Equals, |n| Token::Number(*n))
        } else if self.depth() > 0 {
            Token::Close
        } else {
            Token::Equals
        }
    }

    /// Whether `formula` uses every card once and makes the target.
    fn is_right(&self, formula: &[Token]) -> bool {
        let mut used: Vec<u8> =
            formula.iter().filter_map(|t| if let Token::Number(n) = t { Some(*n) } else { None }).collect();
        let mut numbers = self.numbers();
        used.sort_unstable();
        numbers.sort_unstable();
        used == numbers && value(formula) == Some(self.target())
    }

    pub(super) fn status(&self) -> Status {
        self.outcome.map_or(Status::Running, Status::Done)
    }

    fn judge(&mut self, right: bool) -> f32 {
        self.outcome = Some(if right { Outcome::Success } else { Outcome::Failure });
        if right { RIGHT } else { WRONG }
    }

    pub(super) fn step(&mut self, action: &Tokens) -> Step {
        if self.outcome.is_some() {
            return Step { reward: 0.0, score: 0.0, legal: false, status: self.status() };
        }
        self.turn += 1;
        let token = action.0.first().copied().unwrap_or(Token::Equals);
        let legal = self.whole || self.accepts(token);
        let mut reward = 0.0;
        if self.whole {
            reward = self.judge(self.is_right(&action.0));
        } else if !legal {
            reward = WRONG;
        } else if token == Token::Equals {
            reward = self.judge(self.is_right(&self.formula));
        } else {
            self.formula.push(token);
        }
        if self.outcome.is_none() && self.turn >= self.max_turns {
            self.outcome = Some(Outcome::Truncated);
            reward = WRONG;
        }
        let score = if self.outcome == Some(Outcome::Success) { 1.0 } else { 0.0 };
        Step { reward, score, legal, status: self.status() }
    }

    pub(super) fn pass(&mut self) -> Step {
        let reward = if self.outcome.is_none() { WRONG } else { 0.0 };
        if self.outcome.is_none() {
            self.turn += 1;
            self.outcome = (self.turn >= self.max_turns).then_some(Outcome::Truncated);
        }
        Step { reward, score: 0.0, legal: false, status: self.status() }
    }

    pub(super) fn parse(&self, answer: &str, grammar: &'static str) -> Result<Tokens, ParseError> {
        let tokens = read(answer, grammar, self.top())?;
        let known = self.all_tokens();
        let fits = if self.whole {
            !tokens.contains(&Token::Equals) && is_formula(&tokens)
        } else {
            tokens.len() == 1
        };
        if !fits || !tokens.iter().all(|t| known.contains(t)) {
            return Err(ParseError::grammar(answer, grammar));
        }
        Ok(Tokens(tokens))
    }

    pub(super) fn oracle(&self) -> Tokens {
        match self.finish() {
            Some(plan) if self.whole => Tokens(plan),
            Some(plan) => Tokens(vec![plan.get(self.formula.len()).copied().unwrap_or(Token::Equals)]),
            None => Tokens(vec![self.give_up()]),
        }
    }

    /// The numbers, the operations of the formula that is aimed at, that formula and the next token.
    pub(super) fn reason(&self, action: &Tokens) -> String {
        let words = |tokens: &[Token]| tokens.iter().map(|t| t.word()).collect::<Vec<_>>().join(" ");
        let numbers: Vec<String> = self.numbers().iter().map(u8::to_string).collect();
        let cards = format!("cards {}", numbers.join(" "));
        let plan = if self.whole { Some(action.0.clone()) } else { self.finish() };
        let Some(plan) = plan else {
            let next = action.0.first().map_or(String::new(), |t| t.word());
            return format!("{cards} no way to {} next {next}", self.target);
        };
        let deeds: Vec<String> = deeds(&plan)
            .iter()
            .map(|(a, op, b, c)| format!("{} {} {} is {}", a.word(), op.word(), b.word(), c.word()))
            .collect();
        let deeds = deeds.join(" then ");
        if self.whole {
            return shortest([format!("{cards} do {deeds}"), cards]);
        }
        let next = action.0.first().map_or(String::new(), |t| t.word());
        let rest = plan.get(self.formula.len()..).unwrap_or(&[]);
        shortest([
            format!("{cards} do {deeds} plan {} equals next {next}", words(&plan)),
            format!("{cards} do {deeds} left {} equals next {next}", words(rest)),
            format!("{cards} left {} equals next {next}", words(rest)),
            format!("{cards} next {next}"),
        ])
    }

    /// One line of cards; where the formula is written token by token, a line of it (`-`: nothing).
    pub(super) fn perception(&self) -> Perception {
        let cards: Vec<String> = self.cards.iter().map(Card::to_string).collect();
        let mut text = cards.join(" ");
        let formula = Tokens(self.formula.clone()).to_string();
        if !self.whole {
            text = text + "\n" + if formula.is_empty() { "-" } else { &formula };
        }
        let data = json!({ "cards": cards, "formula": formula });
        Perception { text, data }
    }

    pub(super) fn legal_actions(&self) -> Vec<Tokens> {
        if self.outcome.is_some() {
            return Vec::new();
        }
        if !self.whole {
            let all = self.all_tokens().into_iter();
            return all.filter(|t| self.accepts(*t)).map(|t| Tokens(vec![t])).collect();
        }
        let (numbers, operators) = (self.numbers(), self.arithmetic.operators());
        (0..SAMPLED)
            .map(|k| {
                chain(
                    numbers.len(),
                    |i| numbers[(i + k) % numbers.len()],
                    |i| operators[(k / 2 + i) % operators.len()],
                )
            })
            .collect()
    }

    /// Any token, or a chain of as many random numbers as there are cards: to read the cards and to
    /// keep to the syntax is part of the task.
    pub(super) fn guess(&self, rng: &mut Rng) -> Option<Tokens> {
        if self.outcome.is_some() {
            return None;
        }
        if !self.whole {
            return rng.choose(&self.all_tokens()).map(|t| Tokens(vec![*t]));
        }
        let operators = self.arithmetic.operators();
        let picked: Vec<(u8, usize)> = (0..self.cards.len())
            .map(|_| (rng.between(1, i64::from(self.top())) as u8, rng.below(operators.len())))
            .collect();
        Some(chain(picked.len(), |i| picked[i].0, |i| operators[picked[i].1]))
    }

    pub(super) fn rules(&self) -> String {
        let faces = if self.faces_ten { "count 10" } else { "are 11, 12, 13" };
        let turns = if self.whole {
            String::new()
        } else {
            format!(" One token each turn, {} turns.", self.max_turns)
        };
        format!(
            "Write a formula that uses each card once and equals {}. A is 1; J, Q, K {faces}.{turns}",
            self.target
        )
    }

    /// Rows of the written formula. A number of two digits takes two places, which a row's end does not
    /// part.
    fn rows(&self, places: usize) -> usize {
        let (tokens, cards) = (self.max_turns, self.cards.len());
        let enough = |rows: &usize| rows * places >= tokens + cards + cards.min(rows - 1);
        if self.whole { 0 } else { (1..).find(enough).unwrap_or(1) }
    }

    pub(super) fn render(&self) -> Image {
        let (card, height) = (self.look.card_px, self.look.card_height());
        let width = card * self.cards.len() as u32;
        let places = (width / TOKEN_PX) as usize;
        let rows = self.rows(places) as u32;
        let mut canvas = Canvas::new(width, height + rows * RASTER, self.look.table());
        for (i, one) in self.cards.iter().enumerate() {
            self.look.face_up(&mut canvas, *one, (i as u32 * card) as i32, 0);
        }
        let (mut row, mut place) = (0, 0);
        for token in &self.formula {
            let wide = if matches!(token, Token::Number(10..)) { 2 } else { 1 };
            if place + wide > places {
                (row, place) = (row + 1, 0);
            }
            let (step, room) = (TOKEN_PX as f32, (wide as u32 * TOKEN_PX) as f32);
            let (x, y) = (place as f32 * step + room / 2.0, (height + row * RASTER + RASTER / 2) as f32);
            canvas.label_centred(&token.to_string(), x, y, room - 1.0, 20.0, Font::Bold, self.look.ink());
            place += wide;
        }
        canvas.into_image()
    }
}

/// The first text that is short enough, or the last one.
fn shortest<const N: usize>(texts: [String; N]) -> String {
    let mut texts = texts.into_iter().peekable();
    while let Some(text) = texts.next() {
        if texts.peek().is_none() || text.split(' ').count() <= MAX_WORDS {
            return text;
        }
    }
    String::new()
}

/// Numbers with operators between them.
fn chain(length: usize, number: impl Fn(usize) -> u8, operator: impl Fn(usize) -> Token) -> Tokens {
    let pair = |i: usize| [operator(i), Token::Number(number(i))];
    Tokens((0..length).flat_map(pair).skip(1).collect())
}

/// Whether tokens are a formula by their syntax alone.
fn is_formula(tokens: &[Token]) -> bool {
    let (mut depth, mut wants_number) = (0usize, true);
    for token in tokens {
        match token {
            Token::Number(_) if wants_number => wants_number = false,
            Token::Open if wants_number => depth += 1,
            Token::Close if !wants_number && depth > 0 => depth -= 1,
            operator if operator.is_operator() && !wants_number => wants_number = true,
            _ => return false,
        }
    }
    depth == 0 && !wants_number
}

#[cfg(test)]
mod tests;
