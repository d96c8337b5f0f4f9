//! Lights Out: a press turns a light and those around it; turn all of them off.

use std::fmt;

use eyas_core::{Image, Outcome, Rng, Seed};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::cells::{after_word, conflict, mix, numbers, pixels, stamp};
use crate::draw::{Board, BoardStyle, Rgb};
use crate::envs::checked::checked_serde;
use crate::{
    Axis, Cell, Env, EnvGroup, EnvSpec, KnobError, KnobSpec, Knobs, ParseError, Perception, Status, Step,
};

const GRAMMAR: &str = "press(row,col)";

const SPEC: EnvSpec = EnvSpec {
    id: "lights-out",
    group: EnvGroup::Board,
    title: "Lights Out",
    summary: "A board of lamps: each press turns a lamp and its neighbours; turn all of them off.",
    knobs: KNOBS,
    grammar: GRAMMAR,
    invalid_reward: 0.0,
    oracle: "exact: a smallest set of presses (linear algebra over two elements)",
    score: "success (1 when all lamps are off, 0 otherwise)",
    pixel_answers: false,
    players: 1,
    source: "KORGym; Gym-V",
};

const KNOBS: &[KnobSpec] = &[
    KnobSpec::int("size", Axis::Reasoning, 3, 8, 4, "lamps along each side").dialled(3.0, 6.0),
    KnobSpec::int(
        "presses",
        Axis::Horizon,
        1,
        12,
        3,
        "presses of the shortest solution; fewer where no board of this size needs so many",
    )
    .dialled(1.0, 9.0),
    KnobSpec::int("spare_turns", Axis::Horizon, 0, 40, 3, "turns beyond the shortest solution")
        .dialled(3.0, 2.0),
    KnobSpec::choice(
        "pattern",
        Axis::Reasoning,
        &["plus", "cross", "block"],
        "plus",
        "what a press turns besides its own lamp: the four beside it, the four at its corners, all eight \
         (not with wrap)",
    ),
    KnobSpec::flag("wrap", Axis::Reasoning, false, "a press at an edge also turns lamps at the other edge"),
    KnobSpec::int("tile_px", Axis::Perception, 14, 56, 28, "pixels along each side of a cell"),
    KnobSpec::choice(
        "theme",
        Axis::Perception,
        &["lamp", "neon", "dusk"],
        "lamp",
        "colours; dusk has little contrast",
    ),
    KnobSpec::flag("grid", Axis::Perception, true, "draw lines between the cells"),
    KnobSpec::flag("coordinates", Axis::Perception, false, "print row and column numbers"),
];

/// How often a board is drawn before the one nearest to the wanted number of presses is taken.
const TRIES: usize = 40;

/// The most independent sets of presses without effect that are combined in search of the smallest
/// solution. No board that can be chosen has more (checked by a test).
const MAX_KERNEL: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Theme {
    Lamp,
    Neon,
    Dusk,
}

/// The colours of a theme.
struct Colors {
    on: Rgb,
    glow: Rgb,
    off: Rgb,
    line: Rgb,
    ink: Rgb,
}

impl Theme {
    fn colors(self) -> Colors {
        let colors = |on, glow, off, line, ink| Colors { on, glow, off, line, ink };
        match self {
            Self::Lamp => colors([255, 226, 92], [196, 140, 20], [52, 58, 74], [24, 28, 38], [220, 220, 226]),
            Self::Neon => {
                colors([120, 255, 214], [0, 150, 160], [40, 18, 60], [90, 40, 130], [230, 200, 255])
            }
            Self::Dusk => colors([92, 88, 84], [84, 80, 80], [70, 68, 72], [60, 58, 62], [110, 108, 112]),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Pattern {
    Plus,
    Cross,
    Block,
}

impl Pattern {
    /// The lamps a press turns besides its own, as (row, column) steps.
    fn steps(self) -> &'static [(isize, isize)] {
        match self {
            Self::Plus => &[(-1, 0), (0, -1), (0, 1), (1, 0)],
            Self::Cross => &[(-1, -1), (-1, 1), (1, -1), (1, 1)],
            Self::Block => &[(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)],
        }
    }
}

/// A set of cells: bit `row * size + col`. A board has at most 8 × 8 = 64 cells.
type Cells = u64;

/// Which lamps a press turns: everything of the rules that stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Wiring {
    size: usize,
    pattern: Pattern,
    wrap: bool,
}

impl Wiring {
    fn cells(self) -> usize {
        self.size * self.size
    }

    /// The lamps that a press of cell `index` turns, each once.
    fn turned(self, index: usize) -> Cells {
        let (row, col) = (index / self.size, index % self.size);
        let along = |at: usize, step: isize| {
            let to = at as isize + step;
            let size = self.size as isize;
            if self.wrap { Some(to.rem_euclid(size)) } else { Some(to).filter(|t| (0..size).contains(t)) }
        };
        let beside = self.pattern.steps().iter().filter_map(|(dr, dc)| {
            let (row, col) = (along(row, *dr)?, along(col, *dc)?);
            Some(1 << (row as usize * self.size + col as usize))
        });
        beside.fold(1 << index, |all: Cells, one: Cells| all | one)
    }
}

/// The presses of a board in echelon form.
struct Solver {
    /// Lamps turned, and the presses that turn them. The lowest lamp of each is in no later one.
    pivots: Vec<(Cells, Cells)>,
    /// Independent sets of presses that turn nothing.
    kernel: Vec<Cells>,
}

impl Solver {
    fn new(wiring: Wiring) -> Self {
        let mut solver = Self { pivots: Vec::new(), kernel: Vec::new() };
        for index in 0..wiring.cells() {
            let (lamps, presses) = solver.reduce(wiring.turned(index), 1 << index);
            if lamps == 0 {
                solver.kernel.push(presses);
            } else {
                solver.pivots.push((lamps, presses));
            }
        }
        solver
    }

    /// Takes away from `lamps` what the pivots can turn; gives what is left, and the presses.
    fn reduce(&self, mut lamps: Cells, mut presses: Cells) -> (Cells, Cells) {
        for (pivot, with) in &self.pivots {
            if lamps & pivot & pivot.wrapping_neg() != 0 {
                lamps ^= pivot;
                presses ^= with;
            }
        }
        (lamps, presses)
    }

    /// A smallest set of presses that turns exactly `lamps`; the smallest number as bits among equals.
    /// `None` when there is no such set.
    fn smallest(&self, lamps: Cells) -> Option<Cells> {
        let (left, mut presses) = self.reduce(lamps, 0);
        if left != 0 {
            return None;
        }
        let rank = |presses: Cells| (presses.count_ones(), presses);
        let mut best = rank(presses);
        // All sums of the kernel, each one change away from the last (Gray code).
        for step in 1..1_usize << self.kernel.len().min(MAX_KERNEL) {
            presses ^= self.kernel[step.trailing_zeros() as usize];
            best = best.min(rank(presses));
        }
        Some(best.1)
    }
}

/// The state of a board of lamps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct LightsOut {
    wiring: Wiring,
    lit: Cells,
    max_turns: usize,
    tile_px: u32,
    theme: Theme,
    grid: bool,
    coordinates: bool,
    turn: usize,
    outcome: Option<Outcome>,
}

checked_serde!(LightsOut);

/// A press of the lamp in a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Press(Cell);

impl fmt::Display for Press {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "press({},{})", self.0.row, self.0.col)
    }
}

impl LightsOut {
    fn check(&self) -> Result<(), String> {
        let size = self.wiring.size;
        if !(3..=8).contains(&size) {
            return Err(format!("a board of size {size}"));
        }
        if size < 8 && self.lit >> (size * size) != 0 {
            return Err("a lamp off the board is lit".into());
        }
        if !(14..=56).contains(&self.tile_px) || self.max_turns > 200 || self.turn > self.max_turns {
            return Err("tile_px, max_turns or turn is out of range".into());
        }
        Ok(())
    }

    fn cell(&self, index: usize) -> Cell {
        Cell { row: index / self.wiring.size, col: index % self.wiring.size }
    }

    fn index(&self, press: Press) -> usize {
        press.0.row * self.wiring.size + press.0.col
    }

    fn is_lit(&self, index: usize) -> bool {
        self.lit >> index & 1 == 1
    }

    fn finish_turn(&mut self) {
        self.turn += 1;
        self.outcome = if self.lit == 0 {
            Some(Outcome::Success)
        } else {
            (self.turn >= self.max_turns).then_some(Outcome::Truncated)
        };
    }

    fn report(&self, reward: f32, legal: bool) -> Step {
        Step { reward, score: reward, legal, status: self.status() }
    }
}

/// Lamps whose smallest solution has `wanted` presses, or as near to that as some tries get.
fn scramble(rng: &mut Rng, wiring: Wiring, wanted: usize) -> Cells {
    let solver = Solver::new(wiring);
    let mut cells: Vec<usize> = (0..wiring.cells()).collect();
    let mut best = (u32::MAX, wiring.turned(0));
    for _ in 0..TRIES {
        rng.shuffle(&mut cells);
        let lit = cells.iter().take(wanted).fold(0, |lit, cell| lit ^ wiring.turned(*cell));
        let needed = solver.smallest(lit).map_or(0, Cells::count_ones);
        let gap = needed.abs_diff(wanted as u32);
        if needed > 0 && gap < best.0 {
            best = (gap, lit);
        }
        if best.0 == 0 {
            break;
        }
    }
    best.1
}

impl Env for LightsOut {
    type Action = Press;

    fn spec() -> &'static EnvSpec {
        &SPEC
    }

    fn reset(seed: Seed, knobs: &Knobs) -> Result<Self, KnobError> {
        let wiring = Wiring {
            size: knobs.size("size"),
            pattern: match knobs.choice("pattern") {
                "cross" => Pattern::Cross,
                "block" => Pattern::Block,
                _ => Pattern::Plus,
            },
            wrap: knobs.flag("wrap"),
        };
        if wiring.wrap && wiring.pattern == Pattern::Block {
            let detail = "pattern = block and wrap: too many presses undo one another on joined edges";
            return Err(conflict(SPEC.id, detail.into()));
        }
        let lit = scramble(&mut seed.split("lamps", 0).rng(), wiring, knobs.size("presses"));
        let needed = Solver::new(wiring).smallest(lit).map_or(1, |presses| presses.count_ones() as usize);
        Ok(Self {
            wiring,
            lit,
            max_turns: needed + knobs.size("spare_turns"),
            tile_px: pixels(knobs, "tile_px"),
            theme: match knobs.choice("theme") {
                "neon" => Theme::Neon,
                "dusk" => Theme::Dusk,
                _ => Theme::Lamp,
            },
            grid: knobs.flag("grid"),
            coordinates: knobs.flag("coordinates"),
            turn: 0,
            outcome: None,
        })
    }

    fn rules(&self) -> String {
        let beside = match self.wiring.pattern {
            Pattern::Plus => "the lamps above, below and beside it",
            Pattern::Cross => "the four lamps at its corners",
            Pattern::Block => "all lamps around it",
        };
        let wrap = if self.wiring.wrap { " Opposite edges are joined." } else { "" };
        format!(
            "A press turns a lamp and {beside}.{wrap} Turn all lamps off within {} presses.",
            self.max_turns
        )
    }

    fn render(&self) -> Image {
        let colors = self.theme.colors();
        let size = self.wiring.size;
        let style = BoardStyle {
            tile: self.tile_px,
            grid: self.grid,
            coordinates: self.coordinates,
            cell: colors.off,
            line: colors.line,
            ink: colors.ink,
        };
        let mut board = Board::new(size, size, style);
        let (unit, grid) = (board.tile(), self.grid);
        let cells = |on: bool| (0..size * size).filter(move |i| self.is_lit(*i) == on).map(|i| self.cell(i));
        stamp(&mut board, cells(true), |board, cell| {
            let (x, y) = board.middle(cell);
            board.fill(cell, grid, colors.glow);
            board.canvas.fill_circle(x, y, 0.42 * unit, colors.on);
        });
        stamp(&mut board, cells(false), |board, cell| {
            let (x, y) = board.middle(cell);
            board.canvas.ring(x, y, 0.42 * unit, 0.07 * unit, mix(colors.off, colors.glow, 40));
        });
        board.canvas.into_image()
    }

    fn parse(&self, answer: &str) -> Result<Press, ParseError> {
        let refused = || ParseError::grammar(answer, GRAMMAR);
        let rest = after_word(answer.trim(), "press").ok_or_else(refused)?;
        let ([row, col], rest) = numbers(rest).ok_or_else(refused)?;
        if !rest.is_empty() {
            return Err(refused());
        }
        let size = self.wiring.size;
        if row >= size || col >= size {
            return Err(ParseError::range(answer, format!("rows and columns go from 0 to {}", size - 1)));
        }
        Ok(Press(Cell { row, col }))
    }

    fn step(&mut self, action: &Press) -> Step {
        let index = self.index(*action);
        if self.outcome.is_some() || index >= self.wiring.cells() {
            return self.report(0.0, false);
        }
        self.lit ^= self.wiring.turned(index);
        self.finish_turn();
        let reward = if self.outcome == Some(Outcome::Success) { 1.0 } else { 0.0 };
        self.report(reward, true)
    }

    fn pass(&mut self) -> Step {
        if self.outcome.is_none() {
            self.finish_turn();
        }
        self.report(0.0, false)
    }

    /// The first press, row by row, of a smallest solution.
    fn oracle(&self) -> Press {
        // A board that presses cannot solve comes from a hand-made snapshot only.
        let plan = Solver::new(self.wiring).smallest(self.lit).filter(|presses| *presses != 0);
        Press(self.cell(plan.unwrap_or(1).trailing_zeros() as usize))
    }

    /// The smallest solution, a word a row, and how many presses are left after this one.
    fn reason(&self, action: &Press) -> String {
        let solver = Solver::new(self.wiring);
        let Some(plan) = solver.smallest(self.lit) else { return "no solution".into() };
        let size = self.wiring.size;
        let bit = |index: usize| if plan >> index & 1 == 1 { '1' } else { '0' };
        let mut words: Vec<String> =
            (0..size).map(|row| (0..size).map(|col| bit(row * size + col)).collect()).collect();
        words.insert(0, "presses".into());
        let after = self.lit ^ self.wiring.turned(self.index(*action));
        let left = solver.smallest(after).map_or(0, Cells::count_ones);
        words.push(format!("total {} so {} {} then {left}", plan.count_ones(), action.0.row, action.0.col));
        words.join(" ")
    }

    /// Words: `O` a lamp that is on, `-` one that is off.
    fn perception(&self) -> Perception {
        let size = self.wiring.size;
        let word = |index: usize| if self.is_lit(index) { "O" } else { "-" };
        let rows: Vec<String> = (0..size)
            .map(|row| (0..size).map(|col| word(row * size + col)).collect::<Vec<_>>().join(" "))
            .collect();
        let lit: Vec<[usize; 2]> =
            (0..size * size).filter(|i| self.is_lit(*i)).map(|i| [i / size, i % size]).collect();
        Perception { text: rows.join("\n"), data: json!({ "size": size, "lit": lit }) }
    }

    fn legal_actions(&self) -> Vec<Press> {
        if self.outcome.is_some() {
            return Vec::new();
        }
        (0..self.wiring.cells()).map(|i| Press(self.cell(i))).collect()
    }

    fn guess(&self, rng: &mut Rng) -> Option<Press> {
        self.outcome.is_none().then(|| Press(self.cell(rng.below(self.wiring.cells()))))
    }

    fn status(&self) -> Status {
        self.outcome.map_or(Status::Running, Status::Done)
    }
}

#[cfg(test)]
mod tests;
