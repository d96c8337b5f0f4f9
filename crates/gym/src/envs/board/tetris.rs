//! Tetris by placements: turn the piece, choose a column, drop it.
//!
//! An answer places a whole piece, so a turn is a decision and not a key press; there is no falling
//! against the clock.

use std::fmt;

use eyas_core::{Image, Outcome, Rng, Seed};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::cells::{after_word, mix, numbers, pixels, stamp};
use crate::draw::{Board, BoardStyle, Canvas, Rgb};
use crate::envs::checked::checked_serde;
use crate::{
    Axis, Cell, Env, EnvGroup, EnvSpec, KnobError, KnobSpec, Knobs, ParseError, Perception, Status, Step,
};

mod well;

use well::{Piece, Rows};

const GRAMMAR: &str = "drop(turns,col)";

const SPEC: EnvSpec = EnvSpec {
    id: "tetris",
    group: EnvGroup::Board,
    title: "Tetris",
    summary: "A well, the piece at hand and the next one: place pieces so that full rows vanish.",
    knobs: KNOBS,
    grammar: GRAMMAR,
    invalid_reward: 0.0,
    oracle: "Dellacherie's features, two pieces ahead where the next one is shown",
    score: "rows cleared",
    pixel_answers: false,
    players: 1,
    source: "lmgame-Bench; KORGym; features after Dellacherie and Thiery (2009)",
};

const KNOBS: &[KnobSpec] = &[
    KnobSpec::int("width", Axis::Reasoning, 4, 10, 6, "columns of the well").dialled(4.0, 10.0),
    KnobSpec::int("height", Axis::Reasoning, 8, 20, 8, "rows of the well").dialled(8.0, 14.0),
    KnobSpec::choice(
        "pieces",
        Axis::Reasoning,
        &["plain", "all", "snakes"],
        "all",
        "I, O, J and L only, all seven pieces, or S and Z more often than the other five together",
    )
    .dialled(0.0, 1.0),
    KnobSpec::int("garbage", Axis::Reasoning, 0, 5, 1, "rows with a gap at the bottom of the well"),
    KnobSpec::int("goal", Axis::Horizon, 1, 40, 4, "rows to be cleared").dialled(2.0, 10.0),
    KnobSpec::int("max_turns", Axis::Horizon, 1, 120, 14, "turns until the episode is cut off")
        .dialled(10.0, 40.0),
    KnobSpec::flag("preview", Axis::Stochasticity, true, "show the next piece"),
    KnobSpec::flag("bag", Axis::Stochasticity, false, "each piece once before any comes again"),
    KnobSpec::int("tile_px", Axis::Perception, 7, 28, 14, "pixels along each side of a cell"),
    KnobSpec::choice(
        "theme",
        Axis::Perception,
        &["night", "paper", "dusk"],
        "night",
        "colours; dusk has little contrast",
    ),
    KnobSpec::flag("one_colour", Axis::Perception, false, "all pieces in one colour"),
    KnobSpec::flag("grid", Axis::Perception, true, "draw lines between the cells"),
    KnobSpec::flag("coordinates", Axis::Perception, false, "print the numbers of the columns"),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Theme {
    Night,
    Paper,
    Dusk,
}

/// The colours of a theme.
struct Colors {
    well: Rgb,
    line: Rgb,
    panel: Rgb,
    ink: Rgb,
    /// Share of the well's colour in the pieces, in percent.
    veil: u32,
}

impl Theme {
    fn colors(self) -> Colors {
        let colors = |well, line, panel, ink, veil| Colors { well, line, panel, ink, veil };
        match self {
            Self::Night => colors([18, 18, 28], [40, 40, 56], [58, 60, 78], [240, 240, 246], 0),
            Self::Paper => colors([248, 246, 238], [222, 218, 206], [206, 200, 186], [40, 36, 30], 8),
            Self::Dusk => colors([70, 70, 78], [76, 76, 84], [62, 62, 70], [100, 100, 108], 80),
        }
    }
}

/// The colours of the pieces, in the order of [`Piece::ALL`].
const PAINT: [Rgb; 7] = [
    [30, 200, 225],
    [245, 210, 30],
    [170, 60, 205],
    [60, 190, 70],
    [225, 45, 50],
    [50, 85, 225],
    [250, 135, 25],
];

/// Which pieces come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Supply {
    Plain,
    All,
    Snakes,
}

impl Supply {
    /// The pieces of a bag, one of which is drawn.
    fn pieces(self) -> &'static [Piece] {
        use Piece::{I, J, L, O, S, T, Z};
        match self {
            Self::Plain => &[I, O, J, L],
            Self::All => &Piece::ALL,
            Self::Snakes => &[I, O, T, J, L, S, Z, S, Z, S, Z],
        }
    }
}

/// Where pieces come from. `taken` are the places of the bag that are empty, where there is a bag.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Source {
    supply: Supply,
    bag: bool,
    taken: u16,
    rng: Rng,
}

impl Source {
    fn draw(&mut self) -> Piece {
        let pieces = self.supply.pieces();
        if self.taken.count_ones() as usize >= pieces.len() {
            self.taken = 0;
        }
        let mut left = (0..pieces.len()).filter(|i| self.taken >> i & 1 == 0);
        let at = left.clone().count();
        let at = left.nth(self.rng.below(at)).unwrap_or(0);
        if self.bag {
            self.taken |= 1 << at;
        }
        pieces[at]
    }
}

/// The state of a game of Tetris.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Tetris {
    width: usize,
    height: usize,
    /// Row by row from the top: 0 for an empty cell, else one more than the piece's number; 8 for a
    /// cell that was there at the start.
    cells: Vec<u8>,
    now: Piece,
    next: Piece,
    source: Source,
    lines: usize,
    goal: usize,
    preview: bool,
    max_turns: usize,
    tile_px: u32,
    theme: Theme,
    one_color: bool,
    grid: bool,
    coordinates: bool,
    turn: usize,
    outcome: Option<Outcome>,
}

checked_serde!(Tetris);

/// A cell that no piece of this game left.
const GARBAGE: u8 = 8;

/// Turns the piece clockwise and drops it with its left edge in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drop {
    turns: usize,
    col: usize,
}

impl fmt::Display for Drop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "drop({},{})", self.turns, self.col)
    }
}

impl Tetris {
    fn check(&self) -> Result<(), String> {
        if !(4..=10).contains(&self.width) || !(8..=20).contains(&self.height) {
            return Err(format!("a well of {} x {}", self.width, self.height));
        }
        if self.cells.len() != self.width * self.height || self.cells.iter().any(|cell| *cell > GARBAGE) {
            return Err("the cells do not fill the well".into());
        }
        if !(1..=40).contains(&self.goal) || (self.outcome.is_none() && self.lines >= self.goal) {
            return Err("the game is over but has no outcome".into());
        }
        if !(7..=28).contains(&self.tile_px) || self.max_turns > 120 || self.turn > self.max_turns {
            return Err("tile_px, max_turns or turn is out of range".into());
        }
        Ok(())
    }

    /// The filled cells of the well as bits.
    fn rows(&self) -> Rows {
        Rows::of(self.width, self.height, |row, col| self.cells[row * self.width + col] != 0)
    }

    /// All ways to place a piece.
    fn drops(&self, piece: Piece) -> impl Iterator<Item = Drop> {
        let width = self.width;
        (0..piece.positions()).flat_map(move |turns| {
            let wide = piece.shape(turns).width;
            (0..(width + 1).saturating_sub(wide)).map(move |col| Drop { turns, col })
        })
    }

    fn finish_turn(&mut self, topped: bool) {
        self.turn += 1;
        self.outcome = if self.lines >= self.goal {
            Some(Outcome::Success)
        } else if topped {
            Some(Outcome::Failure)
        } else {
            (self.turn >= self.max_turns).then_some(Outcome::Truncated)
        };
    }

    fn report(&self, reward: f32, legal: bool) -> Step {
        Step { reward, score: reward, legal, status: self.status() }
    }

    /// Takes full rows away; gives how many.
    fn clear_rows(&mut self) -> usize {
        let width = self.width;
        // From the floor upwards, the rows that stay move down to where the last of them went.
        let mut to = self.cells.len();
        for from in (0..self.cells.len()).step_by(width.max(1)).rev() {
            if self.cells[from..from + width].contains(&0) {
                to -= width;
                self.cells.copy_within(from..from + width, to);
            }
        }
        self.cells[..to].fill(0);
        to / width.max(1)
    }

    /// How good a placement is: of this piece alone, or with the best placement of the next one.
    fn value(&self, rows: &Rows, drop: Drop) -> i64 {
        let Some(first) = rows.drop(self.now, drop.turns, drop.col) else { return well::LOST };
        if !self.preview || self.lines + first.lines >= self.goal {
            return first.value + first.rows.value();
        }
        let second = self.drops(self.next).filter_map(|d| first.rows.drop(self.next, d.turns, d.col));
        let best = second.map(|landed| landed.value + landed.rows.value()).max();
        first.value + best.unwrap_or(well::LOST)
    }

    fn paint(&self, cell: u8, colors: &Colors) -> Rgb {
        let paint = match cell {
            GARBAGE => [128, 128, 134],
            _ if self.one_color => PAINT[5],
            piece => PAINT[usize::from(piece.max(1) - 1).min(6)],
        };
        mix(paint, colors.well, colors.veil)
    }

    /// A piece as it comes, at three quarters of the size of the well's cells.
    fn draw_preview(&self, canvas: &mut Canvas, piece: Piece, top: u32, colors: &Colors) {
        let side = (self.tile_px * 3 / 4).max(3);
        let shape = piece.shape(0);
        let left = self.width as u32 * self.tile_px + (4 * self.tile_px - shape.width as u32 * side) / 2;
        for (row, col) in shape.cells {
            let (x, y) = (left + col as u32 * side, top + row as u32 * side);
            let paint = self.paint(piece.code(), colors);
            canvas.fill_rect(x as i32, y as i32, side - 1, side - 1, paint);
        }
    }
}

/// The letter of a cell.
fn letter(cell: u8) -> &'static str {
    match cell {
        0 => "-",
        GARBAGE => "G",
        piece => Piece::ALL[usize::from(piece - 1) % 7].letter(),
    }
}

impl Env for Tetris {
    type Action = Drop;

    fn spec() -> &'static EnvSpec {
        &SPEC
    }

    fn reset(seed: Seed, knobs: &Knobs) -> Result<Self, KnobError> {
        let (width, height) = (knobs.size("width"), knobs.size("height"));
        let mut source = Source {
            supply: match knobs.choice("pieces") {
                "plain" => Supply::Plain,
                "snakes" => Supply::Snakes,
                _ => Supply::All,
            },
            bag: knobs.flag("bag"),
            taken: 0,
            rng: seed.split("pieces", 0).rng(),
        };
        let mut rng = seed.split("garbage", 0).rng();
        let mut cells = vec![0; width * height];
        let garbage = knobs.size("garbage").min(height);
        for row in cells.chunks_mut(width).skip(height - garbage) {
            row.fill(GARBAGE);
            row[rng.below(width)] = 0;
        }
        let (now, next) = (source.draw(), source.draw());
        Ok(Self {
            width,
            height,
            cells,
            now,
            next,
            source,
            lines: 0,
            goal: knobs.size("goal"),
            preview: knobs.flag("preview"),
            max_turns: knobs.size("max_turns"),
            tile_px: pixels(knobs, "tile_px"),
            theme: match knobs.choice("theme") {
                "paper" => Theme::Paper,
                "dusk" => Theme::Dusk,
                _ => Theme::Night,
            },
            one_color: knobs.flag("one_colour"),
            grid: knobs.flag("grid"),
            coordinates: knobs.flag("coordinates"),
            turn: 0,
            outcome: None,
        })
    }

    fn rules(&self) -> String {
        format!(
            "Turn the piece NOW clockwise 0 to 3 times and drop it with its left edge in a column. Full rows \
             vanish. Clear {} rows within {} turns; do not reach over the top.",
            self.goal, self.max_turns
        )
    }

    fn render(&self) -> Image {
        let colors = self.theme.colors();
        let (tile, width) = (self.tile_px, self.width as u32 * self.tile_px);
        let style = BoardStyle {
            tile,
            grid: self.grid,
            coordinates: false,
            cell: colors.well,
            line: colors.line,
            ink: colors.ink,
        };
        let mut board = Board::new(self.height, self.width, style);
        for kind in 1..=GARBAGE {
            let filled = (0..self.cells.len()).filter(|i| self.cells[*i] == kind);
            let cells = filled.map(|i| Cell { row: i / self.width, col: i % self.width });
            let paint = self.paint(kind, &colors);
            stamp(&mut board, cells, |board, cell| {
                let (x, y) = board.corner(cell);
                let side = tile - u32::from(self.grid);
                board.canvas.fill_rect(x, y, side, side, mix(paint, [255; 3], 30));
                board.canvas.fill_rect(x + 1, y + 1, side - 1, side - 1, mix(paint, [0; 3], 30));
                board.canvas.fill_rect(x + 1, y + 1, side - 2, side - 2, paint);
            });
        }
        let strip = if self.coordinates { tile } else { 0 };
        let mut canvas = Canvas::new(width + 4 * tile, self.height as u32 * tile + strip, colors.panel);
        canvas.paste(&board.canvas.into_image(), 0, 0);
        let (middle, scale) = (width as f32 + 2.0 * tile as f32, tile as f32);
        let mut caption = |text: &str, top: u32| {
            canvas.text_in_box(text, middle, top as f32 + 0.5 * scale, 3.6 * scale, 0.7 * scale, colors.ink);
        };
        caption("now", 0);
        if self.preview {
            caption("next", 4 * tile);
        }
        if self.coordinates {
            for col in 0..self.width {
                let (x, y) = ((col as f32 + 0.5) * scale, (self.height as f32 + 0.5) * scale);
                canvas.text_in_box(&col.to_string(), x, y, 0.8 * scale, 0.8 * scale, colors.ink);
            }
        }
        self.draw_preview(&mut canvas, self.now, tile + tile / 4, &colors);
        if self.preview {
            self.draw_preview(&mut canvas, self.next, 5 * tile + tile / 4, &colors);
        }
        canvas.into_image()
    }

    fn parse(&self, answer: &str) -> Result<Drop, ParseError> {
        let refused = || ParseError::grammar(answer, GRAMMAR);
        let rest = after_word(answer.trim(), "drop").ok_or_else(refused)?;
        let ([turns, col], rest) = numbers(rest).ok_or_else(refused)?;
        if !rest.is_empty() {
            return Err(refused());
        }
        let positions = self.now.positions();
        if turns >= positions {
            let detail = format!("{} has {positions} positions, from 0", self.now.letter());
            return Err(ParseError::range(answer, detail));
        }
        let last = self.width - self.now.shape(turns).width;
        if col > last {
            return Err(ParseError::range(answer, format!("the piece fits into columns 0 to {last}")));
        }
        Ok(Drop { turns, col })
    }

    /// A piece that comes to rest over the top ends the game and stays out of the well.
    fn step(&mut self, action: &Drop) -> Step {
        if self.outcome.is_some() {
            return self.report(0.0, false);
        }
        let fits = self.drops(self.now).any(|drop| drop == *action);
        let landed = if fits { self.rows().drop(self.now, action.turns, action.col) } else { None };
        let Some(landed) = landed else {
            self.finish_turn(fits);
            return self.report(0.0, fits);
        };
        for (row, col) in self.now.shape(action.turns).cells {
            self.cells[(landed.row + row) * self.width + action.col + col] = self.now.code();
        }
        let cleared = self.clear_rows();
        self.lines += cleared;
        self.now = self.next;
        self.next = self.source.draw();
        self.finish_turn(false);
        self.report(cleared as f32, true)
    }

    fn pass(&mut self) -> Step {
        if self.outcome.is_none() {
            self.finish_turn(false);
        }
        self.report(0.0, false)
    }

    fn oracle(&self) -> Drop {
        let rows = self.rows();
        let mut best = (i64::MIN, Drop { turns: 0, col: 0 });
        for drop in self.drops(self.now) {
            let value = self.value(&rows, drop);
            if value > best.0 {
                best = (value, drop);
            }
        }
        best.1
    }

    /// The heights of the columns, where the piece comes to rest, and what that leaves.
    fn reason(&self, action: &Drop) -> String {
        let rows = self.rows();
        let heights: Vec<String> = (0..self.width).map(|col| rows.height_of(col).to_string()).collect();
        let piece = self.now.letter();
        let mut words = vec![format!("heights {} {piece} turned {}", heights.join(" "), action.turns)];
        match rows.drop(self.now, action.turns, action.col) {
            Some(landed) => {
                let (holes, high) = (landed.rows.holes(), landed.rows.highest());
                words.push(format!("to column {} row {} clears {}", action.col, landed.row, landed.lines));
                words.push(format!("leaves height {high} holes {holes}"));
            }
            None => words.push(format!("to column {} reaches over the top", action.col)),
        }
        words.join(" ")
    }

    /// Words: the letter of the piece in each cell, `G` for what was there at the start, `-` for
    /// nothing; at last the pieces.
    fn perception(&self) -> Perception {
        let line = |row: &[u8]| row.iter().map(|cell| letter(*cell)).collect::<Vec<_>>().join(" ");
        let mut lines: Vec<String> = self.cells.chunks(self.width).map(line).collect();
        let next = self.preview.then(|| self.next.letter());
        lines.push(format!("now {}", self.now.letter()));
        lines.extend(next.map(|letter| format!("next {letter}")));
        let data = json!({
            "width": self.width, "height": self.height, "cells": self.cells,
            "now": self.now.letter(), "next": next,
        });
        Perception { text: lines.join("\n"), data }
    }

    fn legal_actions(&self) -> Vec<Drop> {
        if self.outcome.is_some() { Vec::new() } else { self.drops(self.now).collect() }
    }

    fn status(&self) -> Status {
        self.outcome.map_or(Status::Running, Status::Done)
    }
}

#[cfg(test)]
mod tests;
