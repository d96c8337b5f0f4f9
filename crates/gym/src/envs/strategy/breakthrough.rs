//! Breakthrough: stones walk forward and take diagonally; the first on the far side wins.
//!
//! The rules are those of VS-Bench and OpenSpiel, which play on 8 x 8; the default is smaller. Games
//! start after a few random moves, so that they differ.

use std::fmt;

use eyas_core::{Image, Rng, Seed};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::duel::{self, Ending, SPARE_TURNS};
use crate::draw::{Board, BoardStyle, Rgb};
use crate::{
    Arena, Axis, Cell, EnvGroup, EnvSpec, KnobError, KnobSpec, Knobs, ParseError, Perception, SEAT, Status,
    Step,
};

const GRAMMAR: &str = "from and to, as in a2a3; columns a, b, c from the left, rows 1, 2, 3 from below";

const SPEC: EnvSpec = EnvSpec {
    id: "breakthrough",
    group: EnvGroup::Strategy,
    title: "Breakthrough",
    summary: "White and black stones face each other: bring one of yours to the far side first.",
    knobs: KNOBS,
    grammar: GRAMMAR,
    invalid_reward: 0.0,
    oracle: "alpha-beta 4 to 5 deep on stones and how far they are",
    score: "1 for a win, 0 for a loss or stalling; there are no draws",
    pixel_answers: false,
    players: 2,
    source: "VS-Bench; OpenSpiel",
};

const KNOBS: &[KnobSpec] = &[
    KnobSpec::int("size", Axis::Reasoning, 4, 8, 5, "cells along each side").dialled(4.0, 6.0),
    KnobSpec::int("ranks", Axis::Reasoning, 1, 2, 2, "rows of stones of each player; size must exceed both")
        .dialled(1.0, 2.0),
    KnobSpec::choice(
        "opponent",
        Axis::Reasoning,
        &["random", "scripted", "strong"],
        "random",
        "scripted: wins or takes where it can, else random; strong: alpha-beta 2 to 3 deep",
    )
    .dialled(0.0, 2.0),
    KnobSpec::int("opening", Axis::Stochasticity, 2, 8, 2, "random moves before the game starts"),
    SEAT,
    KnobSpec::int("tile_px", Axis::Perception, 14, 56, 28, "pixels along each side of a cell"),
    KnobSpec::choice(
        "theme",
        Axis::Perception,
        &["wood", "sea", "fog"],
        "wood",
        "colours of board and stones; fog has little contrast",
    )
    .dialled(0.0, 1.0),
    KnobSpec::flag("coordinates", Axis::Perception, true, "print letters and numbers on the edge cells"),
];

/// White moves first, from below.
const NAMES: [&str; 2] = ["W", "B"];
const MAX_SIZE: usize = 8;
/// What a won game is worth to the search; sooner is worth more.
const WIN: i32 = 10_000;
/// How deep a search may go, and how many positions it may have to look at.
const STRONG: (u32, u64) = (2, 4_000);
const ORACLE: (u32, u64) = (4, 20_000);
/// Openings tried for one in which neither side wins by force (as far as the opponent sees).
const OPENINGS: usize = 12;

/// A move from one cell to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Walk {
    from: Cell,
    to: Cell,
    /// The size of the board: rows are counted from below.
    size: usize,
}

impl fmt::Display for Walk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = |cell: Cell| char::from(b'a' + cell.col.min(25) as u8);
        let number = |cell: Cell| self.size.saturating_sub(cell.row);
        write!(f, "{}{}{}{}", letter(self.from), number(self.from), letter(self.to), number(self.to))
    }
}

/// The stones of both players: bit `8 * row + col`, row 0 at the top. Who moves is part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Position {
    size: usize,
    stones: [u64; 2],
    mover: usize,
}

fn bit(row: usize, col: usize) -> u64 {
    1 << (MAX_SIZE * row + col)
}

fn place(mask: u64) -> (usize, usize) {
    let index = mask.trailing_zeros() as usize;
    (index / MAX_SIZE, index % MAX_SIZE)
}

fn bits(mask: u64) -> impl Iterator<Item = u64> {
    let mut left = mask;
    std::iter::from_fn(move || {
        let one = left & left.wrapping_neg();
        left ^= one;
        (one != 0).then_some(one)
    })
}

impl Position {
    fn new(size: usize, ranks: usize) -> Self {
        let row = |row: usize| (0..size).fold(0, |mask, col| mask | bit(row, col));
        let rows = |from: usize| (from..from + ranks).fold(0, |mask, r| mask | row(r));
        Self { size, stones: [rows(size - ranks), rows(0)], mover: 0 }
    }

    fn board(&self) -> u64 {
        (0..self.size).fold(0, |mask, row| mask | (((1 << self.size) - 1) << (MAX_SIZE * row)))
    }

    /// The row that `player` wants to reach.
    fn goal(&self, player: usize) -> usize {
        if player == 0 { 0 } else { self.size - 1 }
    }

    /// The moves of the player who is to move, as (from, to); ahead is tried before the sides.
    fn moves(&self) -> Vec<(u64, u64)> {
        let (mine, theirs) = (self.stones[self.mover], self.stones[1 - self.mover]);
        let mut moves = Vec::with_capacity(24);
        for from in bits(mine) {
            let (row, col) = place(from);
            let row = if self.mover == 0 { row.wrapping_sub(1) } else { row + 1 };
            if row >= self.size {
                continue;
            }
            for to_col in [col.wrapping_sub(1), col, col + 1].into_iter().filter(|c| *c < self.size) {
                let to = bit(row, to_col);
                if mine & to == 0 && (to_col != col || theirs & to == 0) {
                    moves.push((from, to));
                }
            }
        }
        moves
    }

    fn after(&self, (from, to): (u64, u64)) -> Self {
        let mut next = *self;
        next.stones[self.mover] = (self.stones[self.mover] & !from) | to;
        next.stones[1 - self.mover] &= !to;
        next.mover = 1 - self.mover;
        next
    }

    /// The player who has won: by reaching the far side, taking everything, or leaving no move.
    fn winner(&self) -> Option<usize> {
        let reached = |player: usize| {
            let row = ((1 << self.size) - 1) << (MAX_SIZE * self.goal(player));
            self.stones[player] & row != 0 || self.stones[1 - player] == 0
        };
        (0..2).find(|player| reached(*player))
    }

    /// Rows that the foremost stone of `player` still has to go.
    fn needs(&self, player: usize) -> usize {
        let far = |one| place(one).0.abs_diff(self.goal(player));
        bits(self.stones[player]).map(far).min().unwrap_or(self.size)
    }

    /// Stones, and the squares of the rows they have gone, less those of the other.
    fn estimate(&self) -> i32 {
        let worth = |player: usize| -> i32 {
            let gone = |one| (self.size - 1 - place(one).0.abs_diff(self.goal(player))) as i32;
            bits(self.stones[player]).map(|one| 20 + gone(one) * gone(one)).sum()
        };
        worth(self.mover) - worth(1 - self.mover)
    }

    /// What the position is worth to the player who moves (alpha-beta).
    fn value(&self, depth: u32, low: i32, high: i32) -> i32 {
        if self.winner().is_some() {
            // The other has just moved, so it has won.
            return -(WIN + depth as i32);
        }
        if depth == 0 {
            return self.estimate();
        }
        let mut moves = self.moves();
        if moves.is_empty() {
            return -(WIN + depth as i32);
        }
        let theirs = self.stones[1 - self.mover];
        moves.sort_by_key(|(_, to)| (theirs & to == 0, place(*to).0.abs_diff(self.goal(self.mover))));
        let mut best = low;
        for step in moves {
            best = best.max(-self.after(step).value(depth - 1, -high, -best));
            if best >= high {
                break;
            }
        }
        best
    }

    /// Every move with its value.
    fn rate(&self, (depth, positions): (u32, u64)) -> Vec<((u64, u64), i32)> {
        let moves = self.moves();
        let wide = moves.len() as u64;
        let depth = (1..=depth).rev().find(|d| wide.pow(*d) <= positions).unwrap_or(1);
        moves.into_iter().map(|step| (step, -self.after(step).value(depth, -2 * WIN, 2 * WIN))).collect()
    }

    /// The moves that an opponent of the named kind chooses from.
    fn choices(&self, kind: &str) -> Vec<(u64, u64)> {
        let moves = self.moves();
        let some = |wanted: &dyn Fn(&(u64, u64)) -> bool| -> Vec<(u64, u64)> {
            moves.iter().filter(|step| wanted(step)).copied().collect()
        };
        match kind {
            "random" => moves,
            "scripted" => {
                let wins = some(&|step| self.after(*step).winner().is_some());
                let takes = some(&|step| self.stones[1 - self.mover] & step.1 != 0);
                [wins, takes, moves].into_iter().find(|list| !list.is_empty()).unwrap_or_default()
            }
            _ => {
                let rated = self.rate(STRONG);
                let top = rated.iter().map(|(_, value)| *value).max().unwrap_or(0);
                rated.into_iter().filter(|(_, value)| *value == top).map(|(step, _)| step).collect()
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Theme {
    Wood,
    Sea,
    Fog,
}

impl Theme {
    /// Light and dark cells, both players' stones, ink.
    fn colors(self) -> ([Rgb; 2], [Rgb; 2], Rgb) {
        match self {
            Self::Wood => ([[240, 217, 181], [181, 136, 99]], [[252, 252, 248], [36, 34, 38]], [70, 46, 26]),
            Self::Sea => ([[150, 200, 214], [92, 150, 176]], [[252, 240, 190], [120, 30, 60]], [20, 50, 70]),
            Self::Fog => {
                ([[150, 150, 150], [140, 140, 140]], [[172, 172, 170], [116, 116, 120]], [128, 126, 126])
            }
        }
    }
}

/// The game of breakthrough.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Breakthrough {
    position: Position,
    turn: u32,
    outcome: Option<Ending>,
    tile_px: u32,
    theme: Theme,
    coordinates: bool,
}

/// A game as read from a file, not yet checked.
#[derive(Deserialize)]
struct Unchecked {
    position: Position,
    turn: u32,
    outcome: Option<Ending>,
    tile_px: u32,
    theme: Theme,
    coordinates: bool,
}

impl TryFrom<Unchecked> for Breakthrough {
    type Error = String;

    fn try_from(raw: Unchecked) -> Result<Self, String> {
        let Unchecked { position, turn, outcome, tile_px, theme, coordinates } = raw;
        if !(4..=MAX_SIZE).contains(&position.size) || position.mover > 1 || !(14..=56).contains(&tile_px) {
            return Err("size, mover or tile_px is out of range".into());
        }
        let [white, black] = position.stones;
        if white & black != 0 || (white | black) & !position.board() != 0 {
            return Err(format!("stones {:?} are not a position", position.stones));
        }
        let game = Self { position, turn, outcome, tile_px, theme, coordinates };
        let over = position.winner().is_some() || position.moves().is_empty() || turn >= game.limit();
        if turn > game.limit() || (outcome.is_none() && over) {
            return Err("the game is over".into());
        }
        Ok(game)
    }
}

impl Breakthrough {
    /// Every move brings a stone forward, so a game cannot be longer.
    fn limit(&self) -> u32 {
        let size = self.position.size as u32;
        4 * size * (size - 1) + SPARE_TURNS
    }

    fn walk(&self, (from, to): (u64, u64)) -> Walk {
        let cell = |one| {
            let (row, col) = place(one);
            Cell { row, col }
        };
        Walk { from: cell(from), to: cell(to), size: self.position.size }
    }

    fn acts(&self, player: usize) -> bool {
        self.outcome.is_none() && player == self.position.mover
    }

    fn cut_off(&mut self) {
        self.turn += 1;
        if self.outcome.is_none() && self.turn >= self.limit() {
            self.outcome = Some(Ending::Stalled);
        }
    }

    fn words(&self) -> Vec<Vec<&'static str>> {
        let word = |row, col| {
            let owner = (0..2).find(|p| self.position.stones[*p] & bit(row, col) != 0);
            owner.map_or("-", |player| NAMES[player])
        };
        let size = self.position.size;
        (0..size).map(|row| (0..size).map(|col| word(row, col)).collect()).collect()
    }
}

/// What a value of the search is in 0..=100.
fn worth(value: i32) -> i32 {
    match value {
        v if v >= WIN => 100,
        v if v <= -WIN => 0,
        v => 50 + (v / 2).clamp(-49, 49),
    }
}

impl Arena for Breakthrough {
    type Action = Walk;

    fn spec() -> &'static EnvSpec {
        &SPEC
    }

    fn reset(seed: Seed, knobs: &Knobs) -> Result<Self, KnobError> {
        let (size, ranks) = (knobs.size("size"), knobs.size("ranks"));
        if size <= 2 * ranks {
            let detail = format!("size = {size} leaves no room between {ranks} rows of stones on each side");
            return Err(KnobError::Conflict { env: SPEC.id.into(), detail });
        }
        let mut rng = seed.split("opening", 0).rng();
        let mut position = Position::new(size, ranks);
        for _ in 0..OPENINGS {
            position = Position::new(size, ranks);
            for _ in 0..knobs.size("opening") {
                // No move after which the other wins at once.
                let safe = |step: &(u64, u64)| {
                    let next = position.after(*step);
                    next.winner().is_none() && next.value(1, -2 * WIN, 2 * WIN) < WIN
                };
                let quiet: Vec<(u64, u64)> = position.moves().into_iter().filter(safe).collect();
                let Some(step) = rng.choose(&quiet) else { break };
                position = position.after(*step);
            }
            if position.value(STRONG.0, -2 * WIN, 2 * WIN).abs() < WIN {
                break;
            }
        }
        Ok(Self {
            position,
            turn: 0,
            outcome: None,
            tile_px: knobs.size("tile_px") as u32,
            theme: match knobs.choice("theme") {
                "sea" => Theme::Sea,
                "fog" => Theme::Fog,
                _ => Theme::Wood,
            },
            coordinates: knobs.flag("coordinates"),
        })
    }

    fn acting(&self) -> Vec<usize> {
        if self.outcome.is_none() { vec![self.position.mover] } else { Vec::new() }
    }

    fn rules(&self, player: usize) -> String {
        let (me, way) = if player == 0 { ("white", "up") } else { ("black", "down") };
        format!(
            "You play {me} and move {way}. Stones go one row forward, straight or diagonally, and take diagonally. The first on the far row, or who takes everything, wins."
        )
    }

    fn render(&self, _player: usize) -> Image {
        let (cells, stones, ink) = self.theme.colors();
        let (size, tile) = (self.position.size, self.tile_px);
        let style = BoardStyle { tile, grid: false, coordinates: false, cell: cells[0], line: cells[1], ink };
        let mut board = Board::new(size, size, style);
        for row in 0..size {
            for col in 0..size {
                let cell = Cell { row, col };
                if (row + col) % 2 == 1 {
                    board.fill(cell, false, cells[1]);
                }
                let ((x, y), unit) = (board.middle(cell), board.tile());
                if let Some(player) = (0..2).find(|p| self.position.stones[*p] & bit(row, col) != 0) {
                    board.canvas.fill_circle(x, y, 0.38 * unit, stones[1 - player]);
                    board.canvas.fill_circle(x, y, 0.34 * unit, stones[player]);
                }
                let (left, top) = board.corner(cell);
                let (scale, high) = ((tile / 28).max(1) as f32, tile as f32);
                if self.coordinates && col == 0 {
                    let number = (size - row).to_string();
                    board.canvas.text(&number, left as f32 + 1.0, top as f32 + 1.0, scale, ink);
                }
                if self.coordinates && row + 1 == size {
                    let letter = char::from(b'a' + col as u8).to_string();
                    let (x, y) = (left as f32 + high - 6.0 * scale, top as f32 + high - 8.0 * scale);
                    board.canvas.text(&letter, x, y, scale, ink);
                }
            }
        }
        board.canvas.into_image()
    }

    fn parse(&self, _player: usize, answer: &str) -> Result<Walk, ParseError> {
        let text = answer.trim().to_ascii_lowercase();
        let [a @ b'a'..=b'z', b @ b'0'..=b'9', c @ b'a'..=b'z', d @ b'0'..=b'9'] = *text.as_bytes() else {
            return Err(ParseError::grammar(answer, GRAMMAR));
        };
        let size = self.position.size;
        let cell = |letter: u8, digit: u8| {
            let (col, number) = (usize::from(letter - b'a'), usize::from(digit - b'0'));
            (col < size && (1..=size).contains(&number)).then(|| Cell { row: size - number, col })
        };
        match (cell(a, b), cell(c, d)) {
            (Some(from), Some(to)) => Ok(Walk { from, to, size }),
            _ => Err(ParseError::range(answer, format!("the board has {size} columns and rows"))),
        }
    }

    fn step(&mut self, actions: &[(usize, Walk)]) -> Vec<Step> {
        let Some((player, walk)) = actions.first() else { return Vec::new() };
        if self.outcome.is_some() {
            return vec![duel::passed(self.outcome, 0), duel::passed(self.outcome, 1)];
        }
        let wanted = self.position.moves().into_iter().find(|step| self.walk(*step) == *walk);
        let chosen = wanted.filter(|_| self.acts(*player));
        if let Some(step) = chosen {
            self.position = self.position.after(step);
            let stuck = self.position.moves().is_empty();
            let winner = self.position.winner().or(stuck.then_some(*player));
            self.outcome = winner.map(Ending::win);
        }
        self.cut_off();
        duel::steps(self.outcome, *player, chosen.is_some())
    }

    fn pass(&mut self, player: usize) -> Step {
        if self.outcome.is_none() {
            self.cut_off();
        }
        duel::passed(self.outcome, player)
    }

    fn opponent(&self, _player: usize, kind: &str, rng: &mut Rng) -> Walk {
        self.walk(rng.choose(&self.position.choices(kind)).copied().unwrap_or((1, 1)))
    }

    /// The move worth most, the first among equals.
    fn oracle(&self, _player: usize, _opponent: &str) -> Walk {
        let rated = self.position.rate(ORACLE);
        let top = rated.iter().map(|(_, value)| *value).max().unwrap_or(0);
        let best = rated.into_iter().find(|(_, value)| *value == top);
        self.walk(best.map_or((1, 1), |(step, _)| step))
    }

    /// Rows that both still need, the four best moves with their worth in 0..=100, the choice.
    fn reason(&self, _player: usize, _opponent: &str, action: &Walk) -> String {
        let (me, position) = (self.position.mover, self.position);
        let mut text = format!("{} needs {}", NAMES[me], position.needs(me));
        text += &format!(" {} needs {} worth", NAMES[1 - me], position.needs(1 - me));
        let mut rated = position.rate(ORACLE);
        rated.sort_by_key(|(_, value)| std::cmp::Reverse(*value));
        for (step, value) in rated.iter().take(4) {
            text += &format!(" {} {}", self.walk(*step), worth(*value));
        }
        let mine = rated.iter().find(|(step, _)| self.walk(*step) == *action);
        text + &format!(
            " so {action} {}",
            mine.map_or("illegal".into(), |(_, value)| worth(*value).to_string())
        )
    }

    /// Words: `W`, `B`, `-` for a free cell.
    fn perception(&self, player: usize) -> Perception {
        let words = self.words();
        let rows: Vec<String> = words.iter().map(|row| row.join(" ")).collect();
        Perception { text: rows.join("\n"), data: json!({ "board": words, "you": NAMES[player.min(1)] }) }
    }

    fn legal_actions(&self, player: usize) -> Vec<Walk> {
        let moves = if self.acts(player) { self.position.moves() } else { Vec::new() };
        moves.into_iter().map(|step| self.walk(step)).collect()
    }

    fn status(&self, player: usize) -> Status {
        duel::status(self.outcome, player)
    }
}

#[cfg(test)]
mod tests;
