//! Minesweeper: open every cell without a mine; numbers count the mines around them.
//!
//! The first click is the environment's: every board starts with one safe cell open, so that there is
//! something to see and nobody has to begin with a guess.

use std::fmt;

use eyas_core::{Image, Outcome, Rng, Seed};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::cells::{Lettering, after_word, conflict, numbers, pixels, stamp};
use crate::draw::{Board, BoardStyle, Rgb};
use crate::envs::checked::checked_serde;
use crate::{
    Axis, Cell, Env, EnvGroup, EnvSpec, KnobError, KnobSpec, Knobs, ParseError, Perception, Status, Step,
};

mod odds;

const GRAMMAR: &str = "open(row,col) | flag(row,col)";

const SPEC: EnvSpec = EnvSpec {
    id: "minesweeper",
    group: EnvGroup::Board,
    title: "Minesweeper",
    summary: "A mine field, partly open, with counts of mines: open all cells that hold no mine.",
    knobs: KNOBS,
    grammar: GRAMMAR,
    invalid_reward: 0.0,
    oracle: "the cell with the least chance of a mine, computed exactly from all arrangements",
    score: "share of the safe cells that were closed at the start and are opened",
    pixel_answers: false,
    players: 1,
    source: "G1 (VLM-Gym); KORGym; Game-RL",
};

const KNOBS: &[KnobSpec] = &[
    KnobSpec::int("size", Axis::Reasoning, 4, 12, 5, "cells along each side").dialled(4.0, 9.0),
    KnobSpec::float("density", Axis::Reasoning, 0.05, 0.25, 0.16, "share of the cells that hold a mine")
        .dialled(0.12, 0.2),
    KnobSpec::choice(
        "first_click",
        Axis::Stochasticity,
        &["clear", "safe"],
        "clear",
        "no mine at the first cell nor around it, or at the cell only",
    ),
    KnobSpec::int("max_turns", Axis::Horizon, 1, 200, 20, "turns until the episode is cut off")
        .dialled(12.0, 80.0),
    KnobSpec::int("tile_px", Axis::Perception, 14, 56, 28, "pixels along each side of a cell"),
    KnobSpec::choice(
        "theme",
        Axis::Perception,
        &["classic", "mint", "dusk"],
        "classic",
        "colours; dusk has little contrast",
    ),
    KnobSpec::choice("font", Axis::Perception, Lettering::NAMES, "pixel", "how the numbers are written"),
    KnobSpec::flag("one_ink", Axis::Perception, false, "all numbers in one colour"),
    KnobSpec::flag("coordinates", Axis::Perception, false, "print row and column numbers"),
];

/// Cells of the largest board.
const MOST_CELLS: usize = 12 * 12;

/// Bits of a cell.
const MINE: u8 = 1;
const OPEN: u8 = 2;
const FLAG: u8 = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Theme {
    Classic,
    Mint,
    Dusk,
}

/// The colours of a theme.
struct Colors {
    open: Rgb,
    line: Rgb,
    closed: Rgb,
    light: Rgb,
    shadow: Rgb,
    flag: Rgb,
    pole: Rgb,
    ink: [Rgb; 8],
}

/// The inks of the numbers 1 to 8 on a light ground.
const INKS: [Rgb; 8] = [
    [30, 50, 225],
    [20, 125, 40],
    [215, 25, 30],
    [20, 20, 120],
    [125, 20, 20],
    [10, 130, 130],
    [20, 20, 20],
    [110, 110, 110],
];

impl Theme {
    fn colors(self) -> Colors {
        match self {
            Self::Classic => Colors {
                open: [226, 226, 226],
                line: [176, 176, 178],
                closed: [176, 180, 190],
                light: [236, 238, 244],
                shadow: [120, 124, 134],
                flag: [220, 30, 40],
                pole: [30, 30, 36],
                ink: INKS,
            },
            Self::Mint => Colors {
                open: [244, 236, 214],
                line: [214, 204, 176],
                closed: [92, 178, 140],
                light: [140, 214, 180],
                shadow: [52, 128, 96],
                flag: [250, 120, 30],
                pole: [70, 44, 20],
                ink: INKS,
            },
            Self::Dusk => Colors {
                open: [64, 64, 72],
                line: [56, 56, 64],
                closed: [78, 78, 86],
                light: [86, 86, 94],
                shadow: [70, 70, 78],
                flag: [112, 80, 84],
                pole: [98, 98, 104],
                ink: INKS.map(|ink| super::cells::mix([84, 84, 92], ink, 25)),
            },
        }
    }
}

/// Opens a cell, or sets a flag on it or takes it away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Click {
    flag: bool,
    cell: Cell,
}

impl fmt::Display for Click {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.flag { "flag" } else { "open" };
        write!(f, "{word}({},{})", self.cell.row, self.cell.col)
    }
}

/// The state of a mine field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Minesweeper {
    size: usize,
    /// Row by row, bits of a cell.
    cells: Vec<u8>,
    /// Safe cells that are closed, now and at the start.
    closed: usize,
    closed_at_start: usize,
    max_turns: usize,
    tile_px: u32,
    theme: Theme,
    lettering: Lettering,
    one_ink: bool,
    coordinates: bool,
    turn: usize,
    outcome: Option<Outcome>,
}

checked_serde!(Minesweeper);

/// The cells around `index` on a board of `size`.
fn around(size: usize, index: usize) -> impl Iterator<Item = usize> {
    let (row, col) = (index / size, index % size);
    let near = move |at: usize| at.saturating_sub(1)..(at + 2).min(size);
    near(row).flat_map(move |r| near(col).map(move |c| r * size + c)).filter(move |i| *i != index)
}

impl Minesweeper {
    fn check(&self) -> Result<(), String> {
        if !(4..=12).contains(&self.size) || self.cells.len() != self.size * self.size {
            return Err(format!("{} cells do not make a field of size {}", self.cells.len(), self.size));
        }
        let allowed = |cell: &u8| matches!(*cell, 0 | MINE | OPEN | FLAG | 3 | 5);
        if !self.cells.iter().all(allowed) {
            return Err("a cell is both open and flagged, or unknown bits are set".into());
        }
        let closed = self.cells.iter().filter(|cell| **cell & (MINE | OPEN) == 0).count();
        if closed != self.closed || closed > self.closed_at_start || self.closed_at_start > self.cells.len() {
            return Err(format!("{closed} safe cells are closed, not {}", self.closed));
        }
        if self.outcome.is_none() && (closed == 0 || self.cells.contains(&(MINE | OPEN))) {
            return Err("the game is over but has no outcome".into());
        }
        if !(14..=56).contains(&self.tile_px) || self.max_turns > 200 || self.turn > self.max_turns {
            return Err("tile_px, max_turns or turn is out of range".into());
        }
        Ok(())
    }

    fn cell(&self, index: usize) -> Cell {
        Cell { row: index / self.size, col: index % self.size }
    }

    fn index(&self, cell: Cell) -> Option<usize> {
        (cell.row < self.size && cell.col < self.size).then_some(cell.row * self.size + cell.col)
    }

    fn has(&self, index: usize, bit: u8) -> bool {
        self.cells[index] & bit != 0
    }

    /// The number that an open cell shows.
    fn number(&self, index: usize) -> usize {
        around(self.size, index).filter(|i| self.has(*i, MINE)).count()
    }

    fn mines(&self) -> usize {
        self.cells.iter().filter(|cell| **cell & MINE != 0).count()
    }

    /// Opens a safe cell, and around a 0 everything; flags in the way are taken away.
    fn open(&mut self, index: usize) {
        // A cell is opened when it joins the queue, so none joins twice and the queue never overflows.
        let mut queue = [0; MOST_CELLS];
        let mut waiting = 1;
        queue[0] = index;
        self.uncover(index);
        while waiting > 0 {
            waiting -= 1;
            let at = queue[waiting];
            if self.number(at) == 0 {
                for next in around(self.size, at) {
                    if !self.has(next, OPEN) {
                        self.uncover(next);
                        queue[waiting] = next;
                        waiting += 1;
                    }
                }
            }
        }
    }

    fn uncover(&mut self, index: usize) {
        self.cells[index] = OPEN;
        self.closed -= 1;
    }

    /// What a player can see, for the odds.
    fn view(&self) -> odds::View {
        let seen = |i: usize| self.has(i, OPEN).then(|| self.number(i));
        odds::View {
            size: self.size,
            numbers: (0..self.cells.len()).map(seen).collect(),
            mines: self.mines(),
        }
    }

    fn finish_turn(&mut self, hit: bool) {
        self.turn += 1;
        self.outcome = if hit {
            Some(Outcome::Failure)
        } else if self.closed == 0 {
            Some(Outcome::Success)
        } else {
            (self.turn >= self.max_turns).then_some(Outcome::Truncated)
        };
    }

    fn report(&self, reward: f32, legal: bool) -> Step {
        Step { reward, score: reward, legal, status: self.status() }
    }

    /// The best cell to open and its chance of a mine. A flag keeps a cell from being opened; where all
    /// safe cells are flagged there is none.
    fn best(&self) -> Option<(usize, f64)> {
        let chances = odds::chances(&self.view());
        let closed = (0..self.cells.len()).filter(|i| !self.has(*i, OPEN | FLAG));
        closed.map(|i| (i, chances[i])).min_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)))
    }

    fn word(&self, index: usize) -> String {
        match (self.has(index, OPEN), self.has(index, MINE), self.has(index, FLAG)) {
            (true, true, _) => "X".into(),
            (true, false, _) => match self.number(index) {
                0 => "-".into(),
                n => n.to_string(),
            },
            (false, _, true) => "F".into(),
            (false, _, false) => "#".into(),
        }
    }
}

/// A field with its first cell open.
fn lay(rng: &mut Rng, size: usize, mines: usize, clear: bool) -> (Vec<u8>, usize) {
    let first = rng.below(size * size);
    let mut free: Vec<usize> = (0..size * size)
        .filter(|i| *i != first && !(clear && around(size, first).any(|near| near == *i)))
        .collect();
    rng.shuffle(&mut free);
    let mut cells = vec![0; size * size];
    free.iter().take(mines).for_each(|i| cells[*i] = MINE);
    (cells, first)
}

/// How often a field is laid until the first click leaves something to do.
const TRIES: usize = 200;

impl Env for Minesweeper {
    type Action = Click;

    fn spec() -> &'static EnvSpec {
        &SPEC
    }

    fn reset(seed: Seed, knobs: &Knobs) -> Result<Self, KnobError> {
        let size = knobs.size("size");
        let mines = ((knobs.float("density") * (size * size) as f64).round() as usize).max(1);
        let clear = knobs.choice("first_click") != "safe";
        let mut rng = seed.split("mines", 0).rng();
        for _ in 0..TRIES {
            let (cells, first) = lay(&mut rng, size, mines, clear);
            let mut game = Self {
                size,
                closed: size * size - cells.iter().filter(|cell| **cell == MINE).count(),
                closed_at_start: 0,
                cells,
                max_turns: knobs.size("max_turns"),
                tile_px: pixels(knobs, "tile_px"),
                theme: match knobs.choice("theme") {
                    "mint" => Theme::Mint,
                    "dusk" => Theme::Dusk,
                    _ => Theme::Classic,
                },
                lettering: Lettering::named(knobs.choice("font")),
                one_ink: knobs.flag("one_ink"),
                coordinates: knobs.flag("coordinates"),
                turn: 0,
                outcome: None,
            };
            game.open(first);
            if game.closed > 0 {
                game.closed_at_start = game.closed;
                return Ok(game);
            }
        }
        Err(conflict(SPEC.id, format!("{mines} mines on {size} x {size} cells leave nothing to do")))
    }

    fn rules(&self) -> String {
        format!(
            "Open all cells without a mine within {} turns; {} mines are hidden. A number counts the mines \
             in the eight cells around it. Opening a mine ends the game.",
            self.max_turns,
            self.mines()
        )
    }

    fn render(&self) -> Image {
        let colors = self.theme.colors();
        let size = self.size;
        let style = BoardStyle {
            tile: self.tile_px,
            grid: true,
            coordinates: self.coordinates,
            cell: colors.open,
            line: colors.line,
            ink: colors.pole,
        };
        let mut board = Board::new(size, size, style);
        let unit = board.tile();
        let closed = (0..size * size).filter(|i| !self.has(*i, OPEN)).map(|i| self.cell(i));
        let bevel = (self.tile_px / 10).max(1);
        stamp(&mut board, closed, |board, cell| {
            let (x, y) = board.corner(cell);
            let side = self.tile_px - 1;
            let b = bevel as i32;
            board.canvas.fill_rect(x, y, side, side, colors.shadow);
            board.canvas.fill_rect(x, y, side - bevel, side - bevel, colors.light);
            board.canvas.fill_rect(x + b, y + b, side - 2 * bevel, side - 2 * bevel, colors.closed);
        });
        let flags = (0..size * size).filter(|i| self.has(*i, FLAG)).map(|i| self.cell(i));
        stamp(&mut board, flags, |board, cell| {
            let (x, y) = board.corner(cell);
            let at = |dx: f32, dy: f32| (x as f32 + dx * unit, y as f32 + dy * unit);
            let pole = [at(0.34, 0.2), at(0.42, 0.2), at(0.42, 0.82), at(0.34, 0.82)];
            board.canvas.fill_polygon(&pole, colors.pole);
            board.canvas.fill_polygon(&[at(0.42, 0.2), at(0.8, 0.38), at(0.42, 0.56)], colors.flag);
        });
        for index in (0..size * size).filter(|i| self.has(*i, OPEN)) {
            let cell = self.cell(index);
            let middle = board.middle(cell);
            match self.number(index) {
                _ if self.has(index, MINE) => {
                    board.fill(cell, true, colors.flag);
                    board.canvas.fill_circle(middle.0, middle.1, 0.3 * unit, colors.pole);
                }
                0 => {}
                n => {
                    let ink = if self.one_ink { colors.pole } else { colors.ink[(n - 1).min(7)] };
                    self.lettering.write(&mut board.canvas, &n.to_string(), middle, 0.76 * unit, ink);
                }
            }
        }
        board.canvas.into_image()
    }

    fn parse(&self, answer: &str) -> Result<Click, ParseError> {
        let refused = || ParseError::grammar(answer, GRAMMAR);
        let text = answer.trim();
        let open = after_word(text, "open").map(|rest| (false, rest));
        let (flag, rest) =
            open.or_else(|| after_word(text, "flag").map(|rest| (true, rest))).ok_or_else(refused)?;
        let ([row, col], rest) = numbers(rest).ok_or_else(refused)?;
        if !rest.is_empty() {
            return Err(refused());
        }
        if row >= self.size || col >= self.size {
            let detail = format!("rows and columns go from 0 to {}", self.size - 1);
            return Err(ParseError::range(answer, detail));
        }
        Ok(Click { flag, cell: Cell { row, col } })
    }

    /// Open cells can be neither opened nor flagged, flagged ones not opened; a second flag takes the
    /// first away.
    fn step(&mut self, action: &Click) -> Step {
        if self.outcome.is_some() {
            return self.report(0.0, false);
        }
        let refusing = if action.flag { OPEN } else { OPEN | FLAG };
        let Some(index) = self.index(action.cell).filter(|i| !self.has(*i, refusing)) else {
            self.finish_turn(false);
            return self.report(0.0, false);
        };
        let (before, mut hit) = (self.closed, false);
        if action.flag {
            self.cells[index] ^= FLAG;
        } else if self.has(index, MINE) {
            self.cells[index] |= OPEN;
            hit = true;
        } else {
            self.open(index);
        }
        self.finish_turn(hit);
        let opened = before - self.closed;
        self.report(opened as f32 / self.closed_at_start.max(1) as f32, true)
    }

    fn pass(&mut self) -> Step {
        if self.outcome.is_none() {
            self.finish_turn(false);
        }
        self.report(0.0, false)
    }

    /// Opens the cell that is least likely to hold a mine, the first row by row among equals. A wrong
    /// flag in the way is taken away.
    fn oracle(&self) -> Click {
        let chances = odds::chances(&self.view());
        let closed = (0..self.cells.len()).filter(|i| !self.has(*i, OPEN));
        let best = closed.min_by(|a, b| chances[*a].total_cmp(&chances[*b]).then(a.cmp(b))).unwrap_or(0);
        Click { flag: self.has(best, FLAG), cell: self.cell(best) }
    }

    /// The number beside the cell that decides over it and the mines that are certain around that
    /// number; else the chances that were compared.
    fn reason(&self, action: &Click) -> String {
        let view = self.view();
        let chances = odds::chances(&view);
        let Some(index) = self.index(action.cell) else { return "off the field".into() };
        let percent = |i: usize| (100.0 * chances[i]).round() as u32;
        let at = |i: usize| format!("{} {}", i / self.size, i % self.size);
        if self.has(index, OPEN) {
            return format!("{} is open", at(index));
        }
        let verdict = |i: usize| match percent(i) {
            _ if chances[i] <= 0.0 => "safe".to_string(),
            _ if chances[i] >= 1.0 => "mine".to_string(),
            p => format!("risk {p}"),
        };
        let deciding = around(self.size, index).filter(|i| self.has(*i, OPEN)).find(|i| {
            let unsure = |c: usize| !self.has(c, OPEN) && chances[c] > 0.0 && chances[c] < 1.0;
            !around(self.size, *i).any(unsure)
        });
        if let Some(number) = deciding {
            let mines = around(self.size, number).filter(|c| !self.has(*c, OPEN) && chances[*c] >= 1.0);
            let mines: Vec<String> = mines.map(at).collect();
            let words =
                if mines.is_empty() { "no mine".into() } else { format!("mines {}", mines.join(" ")) };
            let shown = self.number(number);
            return format!("{} shows {shown} with {words} so {} {}", at(number), at(index), verdict(index));
        }
        let best = self.best().map_or(index, |(i, _)| i);
        let mines = self.mines();
        format!(
            "{mines} mines least risk at {} {} so {} {}",
            at(best),
            percent(best),
            at(index),
            verdict(index)
        )
    }

    /// Words: `#` closed, `F` flag, `-` open without mines around it, else the number; `X` an opened mine.
    fn perception(&self) -> Perception {
        let words: Vec<String> = (0..self.cells.len()).map(|i| self.word(i)).collect();
        let rows: Vec<String> = words.chunks(self.size).map(|row| row.join(" ")).collect();
        Perception { text: rows.join("\n"), data: json!({ "size": self.size, "cells": words }) }
    }

    fn legal_actions(&self) -> Vec<Click> {
        if self.outcome.is_some() {
            return Vec::new();
        }
        let closed = || (0..self.cells.len()).filter(|i| !self.has(*i, OPEN));
        let open =
            closed().filter(|i| !self.has(*i, FLAG)).map(|i| Click { flag: false, cell: self.cell(i) });
        open.chain(closed().map(|i| Click { flag: true, cell: self.cell(i) })).collect()
    }

    fn status(&self) -> Status {
        self.outcome.map_or(Status::Running, Status::Done)
    }
}

#[cfg(test)]
mod tests;
