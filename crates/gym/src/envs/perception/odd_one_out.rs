//! Odd one out: find the cells of a grid that differ from all others, or the cells in which two grids
//! differ (spot the difference). One turn.

use std::collections::BTreeSet;
use std::fmt;

use eyas_core::{Image, Outcome, Rng, Seed};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::scene::{Panel, Theme, Tint, draw_turned, mix};
use crate::draw::{BLACK, Canvas, Shape};
use crate::{
    Axis, Cell, Env, EnvGroup, EnvSpec, KnobError, KnobSpec, Knobs, ParseError, Perception, Status, Step,
};

const GRAMMAR: &str = "(row,col) (row,col) ...";

const SPEC: EnvSpec = EnvSpec {
    id: "odd-one-out",
    group: EnvGroup::Perception,
    title: "Odd one out",
    summary: "A grid of shapes in which a few differ, or two grids side by side: give the cells that differ.",
    knobs: KNOBS,
    grammar: GRAMMAR,
    invalid_reward: 0.0,
    oracle: "exact",
    score: "F1 of the cells",
    pixel_answers: false,
    players: 1,
    source: "Gym-V odd_one_out; ViPER",
};

const KNOBS: &[KnobSpec] = &[
    KnobSpec::int("size", Axis::Perception, 3, 8, 4, "cells along each side of a grid").dialled(3.0, 7.0),
    KnobSpec::int("differences", Axis::Reasoning, 1, 6, 1, "cells that differ; at most a third of the grid")
        .dialled(1.0, 3.0),
    KnobSpec::choice(
        "trait",
        Axis::Perception,
        &["mixed", "color", "shape", "size", "turn", "shade"],
        "mixed",
        "what differs; mixed: any of them",
    ),
    KnobSpec::float(
        "contrast",
        Axis::Perception,
        0.2,
        1.0,
        1.0,
        "how far colour, size, angle and shade differ; shapes always differ in full",
    )
    .dialled(1.0, 0.35),
    KnobSpec::flag(
        "distractors",
        Axis::Reasoning,
        false,
        "in one grid, something else varies too: half the cells one way, half the other",
    )
    .dialled(0.0, 1.0),
    KnobSpec::flag("panels", Axis::Reasoning, false, "two grids side by side instead: spot the differences"),
    KnobSpec::int("tile_px", Axis::Perception, 16, 56, 28, "pixels along each side of a cell"),
    KnobSpec::flag("grid", Axis::Perception, false, "draw lines between the cells"),
    KnobSpec::flag("coordinates", Axis::Perception, false, "print row and column numbers"),
    Theme::KNOB,
];

/// How many answers of several cells [`Env::legal_actions`] samples.
const SAMPLED: usize = 24;

/// What two looks may differ in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Trait {
    Color,
    Shape,
    Size,
    Turn,
    Shade,
}

impl Trait {
    const ALL: [Self; 5] = [Self::Color, Self::Shape, Self::Size, Self::Turn, Self::Shade];

    fn named(word: &str) -> Option<Self> {
        ["color", "shape", "size", "turn", "shade"].iter().position(|w| *w == word).map(|i| Self::ALL[i])
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Size {
    Plain,
    Small,
    Large,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Shade {
    Plain,
    Pale,
    Dark,
}

/// What a cell shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Look {
    tint: Tint,
    shape: Shape,
    size: Size,
    turned: bool,
    shade: Shade,
}

impl Look {
    fn draw(rng: &mut Rng, shapes: &[Shape]) -> Self {
        let tint = Tint::ALL[rng.below(6)];
        let shape = rng.choose(shapes).copied().unwrap_or(Shape::Star);
        Self { tint, shape, size: Size::Plain, turned: false, shade: Shade::Plain }
    }

    /// The same but for one trait.
    fn changed(self, what: Trait, rng: &mut Rng) -> Self {
        let one = |rng: &mut Rng| rng.chance(0.5);
        match what {
            Trait::Color => Self { tint: other(rng, &Tint::ALL[..6], self.tint), ..self },
            Trait::Shape => Self { shape: other(rng, &Shape::ALL, self.shape), ..self },
            Trait::Size => Self { size: if one(rng) { Size::Small } else { Size::Large }, ..self },
            Trait::Turn => Self { turned: !self.turned, ..self },
            Trait::Shade => Self { shade: if one(rng) { Shade::Pale } else { Shade::Dark }, ..self },
        }
    }

    /// Its word for one trait.
    fn word(&self, what: Trait) -> &'static str {
        match (what, self.size, self.shade) {
            (Trait::Color, ..) => self.tint.name(),
            (Trait::Shape, ..) => self.shape.name(),
            (Trait::Size, Size::Plain, _) | (Trait::Shade, _, Shade::Plain) => "Plain",
            (Trait::Size, Size::Small, _) => "Small",
            (Trait::Size, Size::Large, _) => "Large",
            (Trait::Turn, ..) => {
                if self.turned {
                    "Turned"
                } else {
                    "Upright"
                }
            }
            (Trait::Shade, _, Shade::Pale) => "Pale",
            (Trait::Shade, _, Shade::Dark) => "Dark",
        }
    }

    /// One word: colour and shape, and before them what is unusual.
    fn name(&self) -> String {
        let unusual = |what: Trait, plain: bool| if plain { "" } else { self.word(what) };
        [
            unusual(Trait::Size, self.size == Size::Plain),
            unusual(Trait::Turn, !self.turned),
            unusual(Trait::Shade, self.shade == Shade::Plain),
            self.tint.name(),
            self.shape.name(),
        ]
        .concat()
    }
}

/// Any of `all` but `this`.
fn other<T: Copy + PartialEq>(rng: &mut Rng, all: &[T], this: T) -> T {
    let rest: Vec<T> = all.iter().copied().filter(|one| *one != this).collect();
    rng.choose(&rest).copied().unwrap_or(this)
}

/// A cell that differs, and in what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Odd {
    cell: usize,
    what: Trait,
}

/// An answer: different cells, row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cells(Vec<Cell>);

impl fmt::Display for Cells {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, cell) in self.0.iter().enumerate() {
            write!(f, "{}({},{})", if i == 0 { "" } else { " " }, cell.row, cell.col)?;
        }
        Ok(())
    }
}

/// The state of an odd-one-out task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct OddOneOut {
    size: usize,
    /// What most cells show where there is one grid.
    common: Look,
    cells: Vec<Look>,
    /// The second grid; empty where there is one only.
    right: Vec<Look>,
    /// In order of their cells.
    odd: Vec<Odd>,
    /// In hundredths.
    contrast: u32,
    tile_px: u32,
    grid: bool,
    coordinates: bool,
    theme: Theme,
    /// Where the sampled answers of [`Env::legal_actions`] come from.
    answers: Seed,
    outcome: Option<Outcome>,
}

/// A state as read from a file, not yet checked.
#[derive(Deserialize)]
struct Unchecked {
    size: usize,
    common: Look,
    cells: Vec<Look>,
    right: Vec<Look>,
    odd: Vec<Odd>,
    contrast: u32,
    tile_px: u32,
    grid: bool,
    coordinates: bool,
    theme: Theme,
    answers: Seed,
    outcome: Option<Outcome>,
}

impl TryFrom<Unchecked> for OddOneOut {
    type Error = String;

    fn try_from(raw: Unchecked) -> Result<Self, String> {
        let Unchecked {
            size, common, cells, right, odd, contrast, tile_px, grid, coordinates, theme, ..
        } = raw;
        let count = cells.len();
        if !(3..=8).contains(&size) || count != size * size || !(right.is_empty() || right.len() == count) {
            return Err(format!("{count} and {} cells on a grid of side {size}", right.len()));
        }
        let sorted = odd.windows(2).all(|pair| pair[0].cell < pair[1].cell);
        if odd.is_empty() || !sorted || odd.iter().any(|o| o.cell >= count) {
            return Err("cells that differ are not on the grid, or there are none".into());
        }
        if !(16..=56).contains(&tile_px) || !(20..=100).contains(&contrast) {
            return Err(format!("cells of {tile_px} px, contrast {contrast}"));
        }
        let (answers, outcome) = (raw.answers, raw.outcome);
        Ok(Self {
            size,
            common,
            cells,
            right,
            odd,
            contrast,
            tile_px,
            grid,
            coordinates,
            theme,
            answers,
            outcome,
        })
    }
}

/// Cosine and sine of the angles of turned shapes, from hardly to clearly turned: 10, 15, 20, 25, 30
/// and 36 degrees.
const ANGLES: [(f32, f32); 6] =
    [(0.9848, 0.1736), (0.9659, 0.2588), (0.9397, 0.3420), (0.9063, 0.4226), (0.8660, 0.5), (0.8090, 0.5878)];

/// Shapes that look turned when they are.
const TURNING: [Shape; 4] = [Shape::Square, Shape::Triangle, Shape::Cross, Shape::Star];

impl OddOneOut {
    fn cell(&self, index: usize) -> Cell {
        Cell { row: index / self.size, col: index % self.size }
    }

    fn margin(&self) -> u32 {
        if self.coordinates { self.tile_px.div_ceil(2) } else { 0 }
    }

    /// The two grids are a cell apart.
    fn panels(&self) -> (Panel, Option<Panel>) {
        let (margin, tile) = (self.margin(), self.tile_px);
        let left = Panel { x: margin, y: margin, size: self.size, tile };
        let right = Panel { x: left.x + left.side() + tile + margin, ..left };
        (left, (!self.right.is_empty()).then_some(right))
    }

    /// Draws a cell. `usual` is what it would show if it did not differ.
    fn draw_cell(&self, canvas: &mut Canvas, panel: &Panel, index: usize, look: &Look, usual: &Look) {
        let share = |most: u32| most * self.contrast / 100;
        let mut color = self.theme.shown(look.tint.rgb());
        if look.tint != usual.tint {
            color = mix(self.theme.shown(usual.tint.rgb()), color, share(255));
        }
        color = match look.shade {
            Shade::Plain => color,
            Shade::Pale => mix(color, self.theme.background(), share(150)),
            Shade::Dark => mix(color, BLACK, share(150)),
        };
        let hundredths = match look.size {
            Size::Plain => 70,
            Size::Small => 70 - share(30),
            Size::Large => 70 + share(22),
        };
        let side = (self.tile_px * hundredths) as f32 / 100.0;
        let step = (self.contrast as usize).saturating_sub(20) * (ANGLES.len() - 1) + 40;
        let angle = if look.turned { ANGLES[(step / 80).min(ANGLES.len() - 1)] } else { (1.0, 0.0) };
        let at = panel.middle(self.cell(index), side);
        draw_turned(canvas, look.shape, at, angle, (color, self.theme.rim(color)));
    }

    fn draw_panel(&self, canvas: &mut Canvas, panel: &Panel, looks: &[Look], usual: impl Fn(usize) -> Look) {
        if self.grid {
            panel.draw_lines(canvas, self.theme.line());
        }
        if self.coordinates {
            panel.draw_numbers(canvas, self.margin(), self.theme.ink());
        }
        for (index, look) in looks.iter().enumerate() {
            self.draw_cell(canvas, panel, index, look, &usual(index));
        }
    }

    /// F1 of the cells.
    fn f1(&self, answer: &Cells) -> f32 {
        let index = |cell: &Cell| cell.row * self.size + cell.col;
        let right = answer.0.iter().filter(|cell| self.odd.iter().any(|o| o.cell == index(cell))).count();
        2.0 * right as f32 / (answer.0.len() + self.odd.len()) as f32
    }

    /// As many different cells as there are odd ones.
    fn any(&self, rng: &mut Rng) -> Cells {
        let mut cells = BTreeSet::new();
        while cells.len() < self.odd.len() {
            cells.insert(rng.below(self.cells.len()));
        }
        Cells(cells.into_iter().map(|index| self.cell(index)).collect())
    }

    fn report(&self, reward: f32, legal: bool) -> Step {
        Step { reward, score: reward, legal, status: self.status() }
    }
}

impl Env for OddOneOut {
    type Action = Cells;

    fn spec() -> &'static EnvSpec {
        &SPEC
    }

    fn reset(seed: Seed, knobs: &Knobs) -> Result<Self, KnobError> {
        let mut rng = seed.split("grid", 0).rng();
        let size = knobs.size("size");
        let count = knobs.size("differences").clamp(1, (size * size / 3).max(1));
        let mut places: Vec<usize> = (0..size * size).collect();
        rng.shuffle(&mut places);
        let mut chosen = places[..count].to_vec();
        chosen.sort_unstable();
        let fixed = Trait::named(knobs.choice("trait"));
        let (common, cells, right, odd) = if knobs.flag("panels") {
            two_grids(&mut rng, size, &chosen, fixed)
        } else {
            one_grid(&mut rng, size, &chosen, fixed, knobs.flag("distractors"))
        };
        Ok(Self {
            size,
            common,
            cells,
            right,
            odd,
            contrast: (knobs.float("contrast") * 100.0).round() as u32,
            tile_px: knobs.size("tile_px") as u32,
            grid: knobs.flag("grid"),
            coordinates: knobs.flag("coordinates"),
            theme: Theme::named(knobs.choice("theme")),
            answers: seed.split("answers", 0),
            outcome: None,
        })
    }

    fn rules(&self) -> String {
        let count = self.odd.len();
        let what = match (self.right.is_empty(), count) {
            (true, 1) => "One item differs from all others. Give its cell.".to_string(),
            (true, _) => format!("{count} items differ from all others in the same way. Give their cells."),
            (false, 1) => "The two grids differ in one cell. Give it.".to_string(),
            (false, _) => format!("The two grids differ in {count} cells. Give them."),
        };
        what + " Rows and columns count from 0 at the top-left."
    }

    fn render(&self) -> Image {
        let (left, right) = self.panels();
        let last = right.as_ref().unwrap_or(&left);
        let mut canvas = self.theme.canvas(last.x + last.side(), left.y + left.side());
        let odd = |index: usize| self.odd.iter().find(|o| o.cell == index);
        let colored = |index: usize| odd(index).is_some_and(|o| o.what == Trait::Color);
        match right {
            None => {
                let usual = |index: usize| if colored(index) { self.common } else { self.cells[index] };
                self.draw_panel(&mut canvas, &left, &self.cells, usual);
            }
            Some(right) => {
                self.draw_panel(&mut canvas, &left, &self.cells, |index| self.cells[index]);
                self.draw_panel(&mut canvas, &right, &self.right, |index| self.cells[index]);
                let middle = (right.x - self.margin() - self.tile_px / 2) as i32;
                canvas.fill_rect(middle - 1, 0, 2, left.y + left.side(), self.theme.line());
            }
        }
        canvas.into_image()
    }

    fn parse(&self, answer: &str) -> Result<Cells, ParseError> {
        let wrong = || ParseError::grammar(answer, GRAMMAR);
        let mut rest = answer.trim();
        let mut cells = BTreeSet::new();
        while !rest.is_empty() {
            let (inner, after) =
                rest.strip_prefix('(').and_then(|text| text.split_once(')')).ok_or_else(wrong)?;
            let (row, col) = inner.split_once(',').ok_or_else(wrong)?;
            let cell = Cell { row: number(row).ok_or_else(wrong)?, col: number(col).ok_or_else(wrong)? };
            if cell.row >= self.size || cell.col >= self.size {
                return Err(ParseError::range(answer, format!("the grid is {0} by {0}", self.size)));
            }
            if !cells.insert(cell) {
                return Err(ParseError::range(answer, format!("cell {},{} twice", cell.row, cell.col)));
            }
            rest = after.trim_start();
        }
        if cells.is_empty() {
            return Err(wrong());
        }
        Ok(Cells(cells.into_iter().collect()))
    }

    fn step(&mut self, action: &Cells) -> Step {
        if self.outcome.is_some() {
            return self.report(0.0, false);
        }
        let f1 = self.f1(action);
        self.outcome = Some(if f1 >= 1.0 { Outcome::Success } else { Outcome::Failure });
        self.report(f1, true)
    }

    fn pass(&mut self) -> Step {
        self.outcome = self.outcome.or(Some(Outcome::Truncated));
        self.report(0.0, false)
    }

    fn oracle(&self) -> Cells {
        Cells(self.odd.iter().map(|o| self.cell(o.cell)).collect())
    }

    /// One grid: what most cells are like, then each cell that is not and what it is like. Two grids:
    /// each cell that differs with what the left and the right one show.
    fn reason(&self, _action: &Cells) -> String {
        let mut words = Vec::new();
        if let (true, Some(first)) = (self.right.is_empty(), self.odd.first()) {
            words.push(format!("most {}", self.common.word(first.what)));
        }
        for Odd { cell: index, what } in &self.odd {
            let Cell { row, col } = self.cell(*index);
            words.push(match self.right.get(*index) {
                None => format!("{row} {col} {}", self.cells[*index].word(*what)),
                Some(right) => format!("{row} {col} {} {}", self.cells[*index].name(), right.name()),
            });
        }
        words.join(" ")
    }

    /// One line a row, one word a cell; of two grids the left row and then the right one.
    fn perception(&self) -> Perception {
        let names: Vec<String> = self.cells.iter().map(Look::name).collect();
        let right: Vec<String> = self.right.iter().map(Look::name).collect();
        let line = |row: usize| {
            let range = row * self.size..(row + 1) * self.size;
            let both: Vec<&str> = names[range.clone()]
                .iter()
                .chain(right.get(range).into_iter().flatten())
                .map(String::as_str)
                .collect();
            both.join(" ")
        };
        let lines: Vec<String> = (0..self.size).map(line).collect();
        let odd: Vec<[usize; 2]> =
            self.odd.iter().map(|o| self.cell(o.cell)).map(|c| [c.row, c.col]).collect();
        let data = json!({ "size": self.size, "cells": names, "right": right, "odd": odd });
        Perception { text: lines.join("\n"), data }
    }

    /// Every single cell; where several differ, also a sample of answers of that many.
    fn legal_actions(&self) -> Vec<Cells> {
        if self.outcome.is_some() {
            return Vec::new();
        }
        let mut answers: Vec<Cells> = (0..self.cells.len()).map(|i| Cells(vec![self.cell(i)])).collect();
        if self.odd.len() > 1 {
            let mut rng = self.answers.rng();
            answers.extend((0..SAMPLED).map(|_| self.any(&mut rng)));
        }
        answers
    }

    fn guess(&self, rng: &mut Rng) -> Option<Cells> {
        self.outcome.is_none().then(|| self.any(rng))
    }

    fn status(&self) -> Status {
        self.outcome.map_or(Status::Running, Status::Done)
    }
}

/// A small whole number without a sign.
fn number(text: &str) -> Option<usize> {
    let text = text.trim();
    let plain = (1..=3).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// What a puzzle is made of: the common look, the cells, the second grid, what differs.
type Puzzle = (Look, Vec<Look>, Vec<Look>, Vec<Odd>);

/// Equal cells but for the chosen ones, which all differ in the same way.
fn one_grid(rng: &mut Rng, size: usize, chosen: &[usize], fixed: Option<Trait>, distractors: bool) -> Puzzle {
    let what = fixed.unwrap_or_else(|| Trait::ALL[rng.below(Trait::ALL.len())]);
    // A varying shape must not turn a turned shape into one that does not show it, so it only varies
    // among those that do.
    let common = Look::draw(rng, if what == Trait::Turn { &TURNING } else { &Shape::ALL });
    let changed = common.changed(what, rng);
    let mut cells = vec![common; size * size];
    chosen.iter().for_each(|index| cells[*index] = changed);
    if distractors {
        vary(rng, &mut cells, what);
    }
    let odd = chosen.iter().map(|cell| Odd { cell: *cell, what }).collect();
    (common, cells, Vec::new(), odd)
}

/// Gives half the cells another value of some trait that does not matter. No value of it is as rare as
/// the odd cells, which are a third of the grid at most.
fn vary(rng: &mut Rng, cells: &mut [Look], what: Trait) {
    let free: Vec<Trait> =
        [Trait::Color, Trait::Shape, Trait::Size].into_iter().filter(|t| *t != what).collect();
    let Some(first) = cells.first().copied() else { return };
    let varied = rng.choose(&free).copied().unwrap_or(Trait::Size);
    let sample = match varied {
        Trait::Shape => Look { shape: other(rng, &TURNING, first.shape), ..first },
        _ => first.changed(varied, rng),
    };
    let mut order: Vec<usize> = (0..cells.len()).collect();
    rng.shuffle(&mut order);
    for index in &order[..cells.len() / 2] {
        let cell = &mut cells[*index];
        match varied {
            Trait::Color => cell.tint = sample.tint,
            Trait::Shape => cell.shape = sample.shape,
            _ => cell.size = sample.size,
        }
    }
}

/// Random cells, and the same again but for the chosen ones, each changed in a way of its own.
fn two_grids(rng: &mut Rng, size: usize, chosen: &[usize], fixed: Option<Trait>) -> Puzzle {
    let cells: Vec<Look> = (0..size * size)
        .map(|_| Look::draw(rng, if fixed == Some(Trait::Turn) { &TURNING } else { &Shape::ALL }))
        .collect();
    let mut right = cells.clone();
    let mut odd = Vec::new();
    for &cell in chosen {
        let turns = TURNING.contains(&cells[cell].shape);
        let free: Vec<Trait> = Trait::ALL.into_iter().filter(|t| turns || *t != Trait::Turn).collect();
        let what = fixed.or_else(|| rng.choose(&free).copied()).unwrap_or(Trait::Color);
        right[cell] = cells[cell].changed(what, rng);
        odd.push(Odd { cell, what });
    }
    (cells[0], cells, right, odd)
}

#[cfg(test)]
mod tests;
