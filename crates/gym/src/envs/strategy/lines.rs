//! Games of so many in a row (tic-tac-toe, connect four): rules, opponents, search.
//!
//! The stones of a player are the bits of one word: bit `row * (cols + 1) + col`. The column that is
//! never used keeps lines from running over the edge.

use std::collections::HashMap;

use eyas_core::{Rng, Seed};
use serde::{Deserialize, Serialize};

use super::duel::{self, Ending, SPARE_TURNS};
use crate::{Cell, Status, Step};

/// How far the strong opponent looks ahead on boards that are too large to be searched to the end.
const STRONG: Effort = Effort { depth: 3, positions: 5_000, exact: 7 };
/// How far the oracle looks ahead there.
const ORACLE: Effort = Effort { depth: 5, positions: 100_000, exact: EXACT_FREE };
/// With so few free cells the oracle knows the expected result of its best reply.
const EXACT_FREE: u32 = 9;
/// Openings tried for one in which neither side wins by force (as far as the opponent sees).
const OPENINGS: usize = 12;
/// What a won game is worth to the search; sooner is worth more.
const WIN: i32 = 10_000;
/// What a line with so many stones of one side and none of the other is worth.
const OPEN_LINE: [i32; 6] = [0, 1, 6, 30, 90, 0];

/// How much a search may do: so deep, and less where so many moves to choose from would make more
/// positions. (A win in one more move is always seen.)
#[derive(Clone, Copy)]
struct Effort {
    depth: u32,
    positions: u64,
    /// With so few free cells the search goes to the end.
    exact: u32,
}

impl Effort {
    fn depth(self, field: Field, stones: Stones) -> u32 {
        let free = field.free(stones);
        if free <= self.exact {
            return free;
        }
        let moves = u64::from(field.moves(stones).count_ones());
        (1..=self.depth).rev().find(|depth| moves.pow(*depth) <= self.positions).unwrap_or(1)
    }
}

/// The stones of both players.
pub(super) type Stones = [u64; 2];

/// The board and the rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Field {
    /// Rows.
    pub(super) rows: u32,
    /// Columns.
    pub(super) cols: u32,
    /// Stones in a row that win.
    pub(super) line: u32,
    /// Stones fall to the lowest free cell of their column.
    pub(super) falls: bool,
}

impl Field {
    fn stride(&self) -> u32 {
        self.cols + 1
    }

    /// The bit of a cell; 0 off the board.
    pub(super) fn bit(&self, cell: Cell) -> u64 {
        let (row, col) = (cell.row as u32, cell.col as u32);
        if cell.row < self.rows as usize && cell.col < self.cols as usize {
            1 << (row * self.stride() + col)
        } else {
            0
        }
    }

    /// The cell of the lowest bit of `mask`.
    pub(super) fn cell(&self, mask: u64) -> Cell {
        let index = mask.trailing_zeros();
        Cell { row: (index / self.stride()) as usize, col: (index % self.stride()) as usize }
    }

    fn row_mask(&self, row: u32) -> u64 {
        ((1 << self.cols) - 1) << (row * self.stride())
    }

    fn all(&self) -> u64 {
        (0..self.rows).fold(0, |mask, row| mask | self.row_mask(row))
    }

    /// The cells of a column.
    pub(super) fn column(&self, col: usize) -> u64 {
        (0..self.rows as usize).fold(0, |mask, row| mask | self.bit(Cell { row, col }))
    }

    /// Where a stone may go.
    pub(super) fn moves(&self, stones: Stones) -> u64 {
        let taken = stones[0] | stones[1];
        let free = self.all() & !taken;
        if self.falls { free & (taken >> self.stride() | self.row_mask(self.rows - 1)) } else { free }
    }

    /// Whether `stones` hold a line.
    pub(super) fn has_line(&self, stones: u64) -> bool {
        let stride = self.stride();
        [1, stride - 1, stride, stride + 1].into_iter().any(|shift| {
            let mut run = stones;
            for step in 1..self.line {
                run &= stones >> (step * shift);
            }
            run != 0
        })
    }

    /// The moves that complete a line of `player`.
    pub(super) fn wins(&self, stones: Stones, player: usize) -> u64 {
        bits(self.moves(stones)).filter(|bit| self.has_line(stones[player] | bit)).sum()
    }

    fn free(&self, stones: Stones) -> u32 {
        self.rows * self.cols - (stones[0] | stones[1]).count_ones()
    }

    /// Every line, as a mask.
    fn lines(&self) -> Vec<u64> {
        let (rows, cols, stride) = (self.rows, self.cols, self.stride());
        let mut lines = Vec::new();
        for row in 0..rows {
            for col in 0..cols {
                let fits = |along_row: bool, along_col: bool, left: bool| {
                    (!along_row || col + self.line <= cols)
                        && (!along_col || row + self.line <= rows)
                        && (!left || col + 1 >= self.line)
                };
                let mut add = |shift: u32| {
                    let from = row * stride + col;
                    lines.push((0..self.line).fold(0, |mask, i| mask | 1 << (from + i * shift)));
                };
                if fits(true, false, false) {
                    add(1);
                }
                if fits(false, true, false) {
                    add(stride);
                }
                if fits(true, true, false) {
                    add(stride + 1);
                }
                if fits(false, true, true) {
                    add(stride - 1);
                }
            }
        }
        lines
    }
}

/// The bits of `mask` one by one, from the lowest.
pub(super) fn bits(mask: u64) -> impl Iterator<Item = u64> {
    let mut left = mask;
    std::iter::from_fn(move || {
        let bit = left & left.wrapping_neg();
        left ^= bit;
        (bit != 0).then_some(bit)
    })
}

/// The player to move.
fn mover(stones: Stones) -> usize {
    ((stones[0] | stones[1]).count_ones() % 2) as usize
}

fn with(stones: Stones, player: usize, bit: u64) -> Stones {
    let mut next = stones;
    next[player] |= bit;
    next
}

/// A move and what it is worth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rated {
    /// The move.
    pub(super) bit: u64,
    /// What the choice goes by.
    pub(super) score: i32,
    /// In 0..=100: the expected result in percent where that is known, else an estimate.
    pub(super) worth: i32,
}

/// Alpha-beta search.
struct Search {
    field: Field,
    lines: Vec<u64>,
    order: Vec<u64>,
}

impl Search {
    fn new(field: Field) -> Self {
        let lines = field.lines();
        let mut order: Vec<u64> = bits(field.all()).collect();
        // Cells on many lines first.
        order.sort_by_key(|bit| std::cmp::Reverse(lines.iter().filter(|line| *line & bit != 0).count()));
        Self { field, lines, order }
    }

    /// Lines still open to `player`, less those open to the other.
    fn estimate(&self, stones: Stones, player: usize) -> i32 {
        let (mine, theirs) = (stones[player], stones[1 - player]);
        let worth = |own: u64, other: u64, line: u64| {
            if other & line == 0 { OPEN_LINE[(own & line).count_ones().min(5) as usize] } else { 0 }
        };
        self.lines.iter().map(|line| worth(mine, theirs, *line) - worth(theirs, mine, *line)).sum()
    }

    /// What the position is worth to the player who moves.
    fn value(&self, stones: Stones, depth: u32, low: i32, high: i32) -> i32 {
        let (moves, player) = (self.field.moves(stones), mover(stones));
        if moves == 0 {
            return 0;
        }
        if self.field.wins(stones, player) != 0 {
            return WIN + depth as i32;
        }
        if depth == 0 {
            return self.estimate(stones, player);
        }
        let mut best = low;
        for bit in self.order.iter().filter(|bit| *bit & moves != 0) {
            let value = -self.value(with(stones, player, *bit), depth - 1, -high, -best);
            best = best.max(value);
            if best >= high {
                break;
            }
        }
        best
    }

    /// Every move with its value, to the end of the game where few cells are free.
    fn rate(&self, stones: Stones, effort: Effort) -> Vec<Rated> {
        let (player, depth) = (mover(stones), effort.depth(self.field, stones));
        let rate = |bit| {
            let next = with(stones, player, bit);
            let score = if self.field.has_line(next[player]) {
                WIN + depth as i32 + 1
            } else {
                -self.value(next, depth.saturating_sub(1), -2 * WIN, 2 * WIN)
            };
            let worth = match score {
                s if s >= WIN => 100,
                s if s <= -WIN => 0,
                s => 50 + (s / 4).clamp(-49, 49),
            };
            Rated { bit, score, worth }
        };
        bits(self.field.moves(stones)).map(rate).collect()
    }
}

/// The moves that an opponent of the named kind chooses from, each as likely as the other.
/// `random`: all; `scripted`: takes a win, else blocks one, else any; `strong`: best by search.
pub(super) fn choices(field: Field, stones: Stones, kind: &str) -> u64 {
    let moves = field.moves(stones);
    match kind {
        "random" => moves,
        "scripted" => {
            let player = mover(stones);
            let (wins, blocks) = (field.wins(stones, player), field.wins(stones, 1 - player));
            [wins, blocks, moves].into_iter().find(|mask| *mask != 0).unwrap_or(0)
        }
        _ => {
            let rated = Search::new(field).rate(stones, STRONG);
            let top = rated.iter().map(|r| r.score).max().unwrap_or(0);
            rated.iter().filter(|r| r.score == top).map(|r| r.bit).sum()
        }
    }
}

/// One of the bits of `mask`, drawn.
pub(super) fn draw_bit(mask: u64, rng: &mut Rng) -> u64 {
    bits(mask).nth(rng.below(mask.count_ones() as usize)).unwrap_or(0)
}

/// The expected result of the position for `me` under best play against an opponent of the kind.
fn expected(field: Field, stones: Stones, me: usize, kind: &str, known: &mut HashMap<Stones, f32>) -> f32 {
    if let Some(value) = known.get(&stones) {
        return *value;
    }
    let player = mover(stones);
    let options = if player == me { field.moves(stones) } else { choices(field, stones, kind) };
    let mut sum = 0.0;
    let mut best = 0.0_f32;
    for bit in bits(options) {
        let value = expected_after(field, with(stones, player, bit), player, me, kind, known);
        sum += value;
        best = best.max(value);
    }
    let value = if player == me { best } else { sum / options.count_ones().max(1) as f32 };
    known.insert(stones, value);
    value
}

fn expected_after(
    field: Field,
    stones: Stones,
    moved: usize,
    me: usize,
    kind: &str,
    known: &mut HashMap<Stones, f32>,
) -> f32 {
    if field.has_line(stones[moved]) {
        Ending::win(moved).pay(me)
    } else if field.moves(stones) == 0 {
        Ending::Draw.pay(me)
    } else {
        expected(field, stones, me, kind, known)
    }
}

/// Every move with its worth: the exact expected result of the best reply to the opponent where few
/// cells are free, else by search.
pub(super) fn rate(field: Field, stones: Stones, kind: &str) -> Vec<Rated> {
    if field.free(stones) > EXACT_FREE || kind == "strong" {
        return Search::new(field).rate(stones, ORACLE);
    }
    let me = mover(stones);
    let mut known = HashMap::new();
    let rate = |bit| {
        let value = expected_after(field, with(stones, me, bit), me, me, kind, &mut known);
        let won = i32::from(field.has_line(stones[me] | bit));
        Rated { bit, score: (value * 1e6) as i32 + won, worth: (value * 100.0).round() as i32 }
    };
    bits(field.moves(stones)).map(rate).collect()
}

/// The best of `rated`, the first among equals.
pub(super) fn best(rated: &[Rated]) -> u64 {
    let top = rated.iter().map(|r| r.score).max().unwrap_or(0);
    rated.iter().find(|r| r.score == top).map_or(0, |r| r.bit)
}

/// The computation behind a move: own wins, the other's threats, the four best moves and their worth.
pub(super) fn reason(
    game: &Match,
    kind: &str,
    bit: u64,
    names: [&str; 2],
    word: impl Fn(Cell) -> String,
) -> String {
    let (field, stones) = (game.field, game.stones);
    let me = mover(stones);
    let list = |mask: u64| {
        let words: Vec<String> = bits(mask).take(2).map(|b| word(field.cell(b))).collect();
        if words.is_empty() { "nowhere".to_string() } else { words.join(" ") }
    };
    let mut text = format!("{} wins {}", names[me], list(field.wins(stones, me)));
    text += &format!(" {} threatens {} worth", names[1 - me], list(field.wins(stones, 1 - me)));
    let mut rated = rate(field, stones, kind);
    rated.sort_by_key(|r| std::cmp::Reverse(r.score));
    for r in rated.iter().take(4) {
        text += &format!(" {} {}", word(field.cell(r.bit)), r.worth);
    }
    let worth = rated.iter().find(|r| r.bit == bit).map_or("taken".to_string(), |r| r.worth.to_string());
    text + &format!(" so {} {worth}", word(field.cell(bit)))
}

/// A running game: the board, the turns, the end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub(super) struct Match {
    /// The board and the rule.
    pub(super) field: Field,
    /// The stones on it.
    pub(super) stones: Stones,
    turn: u32,
    outcome: Option<Ending>,
}

/// A game as read from a file, not yet checked.
#[derive(Deserialize)]
struct Unchecked {
    field: Field,
    stones: Stones,
    turn: u32,
    outcome: Option<Ending>,
}

impl TryFrom<Unchecked> for Match {
    type Error = String;

    fn try_from(raw: Unchecked) -> Result<Self, String> {
        let Unchecked { field, stones, turn, outcome } = raw;
        let sizes = (3..=7).contains(&field.rows) && (3..=8).contains(&field.cols);
        if !sizes || !(3..=5).contains(&field.line) {
            return Err(format!("no such board: {field:?}"));
        }
        let counts = stones.map(u64::count_ones);
        let taken = stones[0] | stones[1];
        let fair = counts[0] == counts[1] || counts[0] == counts[1] + 1;
        if stones[0] & stones[1] != 0 || taken & !field.all() != 0 || !fair {
            return Err(format!("stones {stones:?} are not a position"));
        }
        let below = taken >> field.stride() | field.row_mask(field.rows - 1);
        if field.falls && taken & !below != 0 {
            return Err("a stone floats".into());
        }
        let game = Self { field, stones, turn, outcome };
        let over = field.moves(stones) == 0 || stones.iter().any(|s| field.has_line(*s));
        if turn > game.limit() || (outcome.is_none() && (over || turn == game.limit())) {
            return Err("the game is over".into());
        }
        Ok(game)
    }
}

impl Match {
    /// A game after `plies` random moves, so that games differ. Among several openings the first is
    /// taken that neither side wins by force, as far as the strong opponent sees.
    pub(super) fn open(seed: Seed, field: Field, plies: usize) -> Self {
        let mut rng = seed.split("opening", 0).rng();
        let search = Search::new(field);
        let mut stones = [0; 2];
        for _ in 0..OPENINGS {
            stones = opening(field, plies, &mut rng);
            if search.value(stones, STRONG.depth(field, stones), -2 * WIN, 2 * WIN).abs() < WIN {
                break;
            }
        }
        Self { field, stones, turn: 0, outcome: None }
    }

    fn limit(&self) -> u32 {
        self.field.rows * self.field.cols + SPARE_TURNS
    }

    /// The player to move.
    pub(super) fn mover(&self) -> usize {
        mover(self.stones)
    }

    /// The players who act: the mover, or nobody after the end.
    pub(super) fn acting(&self) -> Vec<usize> {
        if self.outcome.is_none() { vec![self.mover()] } else { Vec::new() }
    }

    /// The moves open to `player`; none unless it acts.
    pub(super) fn moves(&self, player: usize) -> u64 {
        let acts = self.outcome.is_none() && player == self.mover();
        if acts { self.field.moves(self.stones) } else { 0 }
    }

    /// Puts a stone of `player` on `bit`.
    pub(super) fn play(&mut self, player: usize, bit: u64) -> Vec<Step> {
        if self.outcome.is_some() {
            return vec![duel::passed(self.outcome, 0), duel::passed(self.outcome, 1)];
        }
        let legal = self.moves(player) & bit != 0;
        self.turn += 1;
        if legal {
            self.stones[player] |= bit;
            if self.field.has_line(self.stones[player]) {
                self.outcome = Some(Ending::win(player));
            } else if self.field.moves(self.stones) == 0 {
                self.outcome = Some(Ending::Draw);
            }
        }
        self.cut_off();
        duel::steps(self.outcome, player, legal)
    }

    /// A turn without a move.
    pub(super) fn pass(&mut self, player: usize) -> Step {
        if self.outcome.is_none() {
            self.turn += 1;
            self.cut_off();
        }
        duel::passed(self.outcome, player)
    }

    fn cut_off(&mut self) {
        if self.outcome.is_none() && self.turn >= self.limit() {
            self.outcome = Some(Ending::Stalled);
        }
    }

    /// Whether the game goes on for `player`.
    pub(super) fn status(&self, player: usize) -> Status {
        duel::status(self.outcome, player)
    }

    /// The words of the cells row by row.
    pub(super) fn words(&self, names: [&'static str; 2]) -> Vec<Vec<&'static str>> {
        let word = |row: usize, col: usize| {
            let bit = self.field.bit(Cell { row, col });
            (0..2).find(|p| self.stones[*p] & bit != 0).map_or("-", |p| names[p])
        };
        let (rows, cols) = (self.field.rows as usize, self.field.cols as usize);
        (0..rows).map(|row| (0..cols).map(|col| word(row, col)).collect()).collect()
    }
}

/// `plies` random moves, none of which ends the game or leaves a win at hand where that can be avoided.
fn opening(field: Field, plies: usize, rng: &mut Rng) -> Stones {
    let mut stones = [0; 2];
    for _ in 0..plies {
        let player = mover(stones);
        let quiet: u64 = bits(field.moves(stones))
            .filter(|bit| field.wins(with(stones, player, *bit), 1 - player) == 0)
            .filter(|bit| !field.has_line(stones[player] | bit))
            .sum();
        if quiet == 0 {
            break;
        }
        stones[player] |= draw_bit(quiet, rng);
    }
    stones
}

#[cfg(test)]
mod tests;
