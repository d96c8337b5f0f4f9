//! Sudoku on 4 × 4, 6 × 6 and 9 × 9 cells, with or without diagonals.

use std::fmt;

use eyas_core::{Image, Outcome, Rng, Seed};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::cells::{Lettering, numbers, pixels, stamp};
use crate::draw::{Board, BoardStyle, Rgb};
use crate::envs::checked::checked_serde;
use crate::{
    Axis, Cell, Env, EnvGroup, EnvSpec, KnobError, KnobSpec, Knobs, ParseError, Perception, Status, Step,
};

mod grid;

use grid::{Deduction, Grid, Shape};

const GRAMMAR: &str = "(row,col,number), or several of them with blanks between";

const SPEC: EnvSpec = EnvSpec {
    id: "sudoku",
    group: EnvGroup::Board,
    title: "Sudoku",
    summary: "A grid of numbers with gaps: fill them so that rows, columns and boxes hold each number once.",
    knobs: KNOBS,
    grammar: GRAMMAR,
    invalid_reward: 0.0,
    oracle: "exact: deduction, else backtracking; every grid has one solution",
    score: "share of the empty cells that are filled in rightly",
    pixel_answers: false,
    players: 1,
    source: "reasoning-gym; Gym-V (VGRP)",
};

const KNOBS: &[KnobSpec] = &[
    KnobSpec::choice("size", Axis::Reasoning, &["4", "6", "9"], "4", "cells along each side")
        .dialled(0.0, 2.0),
    KnobSpec::float(
        "blanks",
        Axis::Reasoning,
        0.1,
        0.7,
        0.4,
        "share of the cells that are empty; fewer where more would leave two solutions",
    )
    .dialled(0.2, 0.6),
    KnobSpec::flag(
        "diagonals",
        Axis::Reasoning,
        false,
        "both diagonals hold each number once too (Sudoku X)",
    ),
    KnobSpec::int("per_turn", Axis::Horizon, 1, 9, 1, "most cells that an answer may fill").dialled(1.0, 4.0),
    KnobSpec::int("spare_turns", Axis::Horizon, 0, 20, 2, "turns beyond those that filling in needs"),
    KnobSpec::int(
        "mistakes",
        Axis::Horizon,
        0,
        9,
        0,
        "wrong numbers that are struck out again; one more ends the game",
    ),
    KnobSpec::int("tile_px", Axis::Perception, 14, 56, 28, "pixels along each side of a cell"),
    KnobSpec::choice(
        "theme",
        Axis::Perception,
        &["paper", "chalk", "dusk"],
        "paper",
        "colours; dusk has little contrast",
    ),
    KnobSpec::choice("font", Axis::Perception, Lettering::NAMES, "pixel", "how the numbers are written"),
    KnobSpec::flag("coordinates", Axis::Perception, false, "print row and column numbers"),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Theme {
    Paper,
    Chalk,
    Dusk,
}

/// The colours of a theme.
struct Colors {
    cell: Rgb,
    diagonal: Rgb,
    line: Rgb,
    bold: Rgb,
    ink: Rgb,
}

impl Theme {
    fn colors(self) -> Colors {
        let colors = |cell, diagonal, line, bold, ink| Colors { cell, diagonal, line, bold, ink };
        match self {
            Self::Paper => {
                colors([252, 250, 244], [226, 236, 250], [186, 184, 180], [40, 40, 48], [24, 28, 60])
            }
            Self::Chalk => {
                colors([34, 70, 58], [54, 88, 70], [76, 112, 98], [216, 226, 214], [248, 246, 226])
            }
            Self::Dusk => colors([76, 76, 84], [82, 80, 84], [66, 66, 74], [58, 58, 66], [102, 100, 108]),
        }
    }
}

/// One number in one cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    cell: Cell,
    number: u8,
}

/// Writes numbers into empty cells, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fill(Vec<Entry>);

impl fmt::Display for Fill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, Entry { cell, number }) in self.0.iter().enumerate() {
            let blank = if i > 0 { " " } else { "" };
            write!(f, "{blank}({},{},{number})", cell.row, cell.col)?;
        }
        Ok(())
    }
}

/// The state of a Sudoku.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Sudoku {
    shape: Shape,
    /// What is seen, row by row; 0 for an empty cell.
    numbers: Vec<u8>,
    solution: Vec<u8>,
    empty_at_start: usize,
    per_turn: usize,
    mistakes: usize,
    mistakes_allowed: usize,
    max_turns: usize,
    tile_px: u32,
    theme: Theme,
    lettering: Lettering,
    coordinates: bool,
    turn: usize,
    outcome: Option<Outcome>,
}

checked_serde!(Sudoku);

impl Sudoku {
    fn check(&self) -> Result<(), String> {
        let cells = self.shape.cells();
        if self.solution.len() != cells || self.numbers.len() != cells {
            return Err(format!("{} numbers for {cells} cells", self.numbers.len()));
        }
        let solved = Grid::of(self.shape, &self.solution).is_some_and(|grid| grid.is_full());
        if !solved {
            return Err("the solution breaks the rules".into());
        }
        if self.numbers.iter().zip(&self.solution).any(|(n, s)| *n != 0 && n != s) {
            return Err("a number is not that of the solution".into());
        }
        let counters = self.empty() <= self.empty_at_start && self.empty_at_start <= cells;
        if !counters || (self.outcome.is_none() && self.empty() == 0) {
            return Err("the count of empty cells is wrong".into());
        }
        let mistakes = self.mistakes_allowed <= 9 && self.mistakes <= self.mistakes_allowed + 1;
        if !mistakes || !(1..=9).contains(&self.per_turn) {
            return Err("mistakes or per_turn is out of range".into());
        }
        if !(14..=56).contains(&self.tile_px) || self.max_turns > 200 || self.turn > self.max_turns {
            return Err("tile_px, max_turns or turn is out of range".into());
        }
        Ok(())
    }

    fn empty(&self) -> usize {
        self.numbers.iter().filter(|n| **n == 0).count()
    }

    fn cell(&self, index: usize) -> Cell {
        Cell { row: index / self.shape.size(), col: index % self.shape.size() }
    }

    fn index(&self, cell: Cell) -> usize {
        cell.row * self.shape.size() + cell.col
    }

    /// What is seen, as a grid. The check at loading sees to it that it keeps the rules.
    fn grid(&self) -> Grid {
        Grid::of(self.shape, &self.numbers).unwrap_or_else(|| Grid::empty(self.shape))
    }

    fn finish_turn(&mut self) {
        self.turn += 1;
        self.outcome = if self.empty() == 0 {
            Some(Outcome::Success)
        } else if self.mistakes > self.mistakes_allowed {
            Some(Outcome::Failure)
        } else {
            (self.turn >= self.max_turns).then_some(Outcome::Truncated)
        };
    }

    fn report(&self, reward: f32, legal: bool) -> Step {
        Step { reward, score: reward, legal, status: self.status() }
    }

    /// What leads to one number: those that its row, column, box and diagonals hold, those that are
    /// left, and where only one place is left for a number, that.
    fn explain(&self, index: usize, number: u8) -> String {
        let cell = self.cell(index);
        let grid = self.grid();
        let mut words = vec![format!("{} {}", cell.row, cell.col)];
        let mut listed = 0_u16;
        for (name, held) in grid.held(index) {
            let fresh: Vec<String> = grid::bits(held & !listed).map(|n| n.to_string()).collect();
            if !fresh.is_empty() {
                words.push(format!("{name} {}", fresh.join(" ")));
            }
            listed |= held;
        }
        let left: Vec<String> = grid::bits(grid.candidates(index)).map(|n| n.to_string()).collect();
        if left.is_empty() {
            words.push("holds a number already".into());
            return words.join(" ");
        }
        words.push(format!("leaves {}", left.join(" ")));
        if left.len() > 1 {
            match grid.only_place(index, number) {
                Some(unit) => words.push(format!("but {number} fits nowhere else in {unit}")),
                None => words.push("but trials decide".into()),
            }
        }
        words.push(format!("so {number}"));
        words.join(" ")
    }
}

impl Env for Sudoku {
    type Action = Fill;

    fn spec() -> &'static EnvSpec {
        &SPEC
    }

    fn reset(seed: Seed, knobs: &Knobs) -> Result<Self, KnobError> {
        let side = knobs.choice("size").parse().unwrap_or(4);
        let shape = Shape::new(side, knobs.flag("diagonals"));
        let mut rng = seed.split("grid", 0).rng();
        let wanted = (knobs.float("blanks") * shape.cells() as f64).round() as usize;
        let solution = grid::full(&mut rng, shape);
        let numbers = grid::dig(&mut rng, shape, &solution, wanted.max(1));
        let empty = numbers.iter().filter(|n| **n == 0).count();
        let per_turn = knobs.size("per_turn");
        Ok(Self {
            shape,
            numbers,
            solution,
            empty_at_start: empty,
            per_turn,
            mistakes: 0,
            mistakes_allowed: knobs.size("mistakes"),
            max_turns: empty.div_ceil(per_turn.max(1)) + knobs.size("spare_turns"),
            tile_px: pixels(knobs, "tile_px"),
            theme: match knobs.choice("theme") {
                "chalk" => Theme::Chalk,
                "dusk" => Theme::Dusk,
                _ => Theme::Paper,
            },
            lettering: Lettering::named(knobs.choice("font")),
            coordinates: knobs.flag("coordinates"),
            turn: 0,
            outcome: None,
        })
    }

    fn rules(&self) -> String {
        let diagonals = if self.shape.diagonals() { ", diagonal" } else { "" };
        let several =
            if self.per_turn > 1 { format!(", up to {} an answer", self.per_turn) } else { String::new() };
        let mistakes = match self.mistakes_allowed {
            0 => "A wrong number ends the game.".to_string(),
            n => format!("{n} wrong numbers are forgiven."),
        };
        format!(
            "Fill empty cells{several}: each row, column{diagonals} and box holds 1 to {} once. {mistakes} \
             {} turns.",
            self.shape.size(),
            self.max_turns
        )
    }

    fn render(&self) -> Image {
        let colors = self.theme.colors();
        let size = self.shape.size();
        let style = BoardStyle {
            tile: self.tile_px,
            grid: true,
            coordinates: self.coordinates,
            cell: colors.cell,
            line: colors.line,
            ink: colors.bold,
        };
        let mut board = Board::new(size, size, style);
        let unit = board.tile();
        if self.shape.diagonals() {
            let crossed = (0..size * size)
                .map(|i| self.cell(i))
                .filter(|c| c.row == c.col || c.row + c.col + 1 == size);
            stamp(&mut board, crossed, |board, cell| board.fill(cell, true, colors.diagonal));
        }
        for (index, number) in self.numbers.iter().enumerate().filter(|(_, n)| **n != 0) {
            let middle = board.middle(self.cell(index));
            self.lettering.write(&mut board.canvas, &number.to_string(), middle, 0.78 * unit, colors.ink);
        }
        let (box_rows, box_cols) = self.shape.boxes();
        let (left, top) = board.corner(Cell { row: 0, col: 0 });
        let (thick, whole) = ((self.tile_px / 14).max(1), size as u32 * self.tile_px);
        // Lines between boxes lie across the thin ones; those at the edge inside the picture.
        for line in 0..=size as u32 {
            let at = (line * self.tile_px).saturating_sub(if line == 0 { 0 } else { thick / 2 + 1 });
            let at = at.min(whole - thick) as i32;
            if (line as usize).is_multiple_of(box_cols) {
                board.canvas.fill_rect(left + at, top, thick, whole, colors.bold);
            }
            if (line as usize).is_multiple_of(box_rows) {
                board.canvas.fill_rect(left, top + at, whole, thick, colors.bold);
            }
        }
        board.canvas.into_image()
    }

    fn parse(&self, answer: &str) -> Result<Fill, ParseError> {
        let refused = || ParseError::grammar(answer, GRAMMAR);
        let size = self.shape.size();
        let mut rest = answer.trim();
        let mut entries: Vec<Entry> = Vec::new();
        while !rest.is_empty() {
            let ([row, col, number], after) = numbers(rest).ok_or_else(refused)?;
            rest = after.trim_start();
            if row >= size || col >= size || !(1..=size).contains(&number) {
                let detail = format!("rows and columns go from 0 to {}, numbers from 1 to {size}", size - 1);
                return Err(ParseError::range(answer, detail));
            }
            let entry = Entry { cell: Cell { row, col }, number: number as u8 };
            if entries.len() == self.per_turn {
                return Err(ParseError::range(answer, format!("at most {} cells", self.per_turn)));
            }
            if entries.iter().any(|e| e.cell == entry.cell) {
                return Err(ParseError::range(answer, "a cell is named twice"));
            }
            entries.push(entry);
        }
        if entries.is_empty() { Err(refused()) } else { Ok(Fill(entries)) }
    }

    /// An answer that names a filled cell is refused as a whole. Entries count in their order, until a
    /// wrong one ends the game.
    fn step(&mut self, action: &Fill) -> Step {
        if self.outcome.is_some() {
            return self.report(0.0, false);
        }
        let free = |e: &Entry| self.numbers.get(self.index(e.cell)) == Some(&0);
        if action.0.is_empty() || !action.0.iter().all(free) {
            self.finish_turn();
            return self.report(0.0, false);
        }
        let mut right = 0;
        for entry in &action.0 {
            let index = self.index(entry.cell);
            if self.solution[index] == entry.number {
                self.numbers[index] = entry.number;
                right += 1;
            } else {
                self.mistakes += 1;
                if self.mistakes > self.mistakes_allowed {
                    break;
                }
            }
        }
        self.finish_turn();
        self.report(right as f32 / self.empty_at_start.max(1) as f32, true)
    }

    fn pass(&mut self) -> Step {
        if self.outcome.is_none() {
            self.finish_turn();
        }
        self.report(0.0, false)
    }

    /// As many numbers as an answer may hold, each the easiest to find after those before it.
    fn oracle(&self) -> Fill {
        let mut grid = self.grid();
        let mut entries = Vec::new();
        while entries.len() < self.per_turn {
            let Some(Deduction { index, number }) = grid.next_step() else { break };
            grid.place(index, number);
            entries.push(Entry { cell: self.cell(index), number });
        }
        Fill(entries)
    }

    /// For one cell what leaves its number only; for several, what is left to each after those before.
    fn reason(&self, action: &Fill) -> String {
        if let [entry] = action.0.as_slice() {
            return self.explain(self.index(entry.cell), entry.number);
        }
        let mut grid = self.grid();
        let mut words = Vec::new();
        for Entry { cell, number } in &action.0 {
            let index = self.index(*cell);
            let left: String = grid::bits(grid.candidates(index)).map(|n| n.to_string()).collect();
            let left = if left.is_empty() { "none".into() } else { left };
            words.push(format!("{} {} {left} {number}", cell.row, cell.col));
            if grid.candidates(index) >> number & 1 == 1 {
                grid.place(index, *number);
            }
        }
        words.join(" ")
    }

    /// Words: the numbers, `-` for an empty cell.
    fn perception(&self) -> Perception {
        let word = |n: &u8| if *n == 0 { "-".to_string() } else { n.to_string() };
        let rows: Vec<String> = self
            .numbers
            .chunks(self.shape.size())
            .map(|row| row.iter().map(word).collect::<Vec<_>>().join(" "))
            .collect();
        let data = json!({
            "size": self.shape.size(), "diagonals": self.shape.diagonals(), "numbers": self.numbers,
        });
        Perception { text: rows.join("\n"), data }
    }

    /// Every number in every empty cell, wrong ones too; answers with several entries are put together
    /// from these.
    fn legal_actions(&self) -> Vec<Fill> {
        if self.outcome.is_some() {
            return Vec::new();
        }
        let empty = (0..self.numbers.len()).filter(|i| self.numbers[*i] == 0);
        empty
            .flat_map(|i| (1..=self.shape.size() as u8).map(move |number| (i, number)))
            .map(|(i, number)| Fill(vec![Entry { cell: self.cell(i), number }]))
            .collect()
    }

    fn guess(&self, rng: &mut Rng) -> Option<Fill> {
        let empty: Vec<usize> = (0..self.numbers.len()).filter(|i| self.numbers[*i] == 0).collect();
        let cell = self.cell(*rng.choose(&empty)?);
        Some(Fill(vec![Entry { cell, number: 1 + rng.below(self.shape.size()) as u8 }]))
    }

    fn status(&self) -> Status {
        self.outcome.map_or(Status::Running, Status::Done)
    }
}

#[cfg(test)]
mod tests;
