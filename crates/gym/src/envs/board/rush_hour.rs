//! Rush Hour: slide cars out of the way until car A can leave at the right.

use std::fmt;

use eyas_core::{Image, Outcome, Rng, Seed};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::cells::{Lettering, conflict, mix, pixels};
use crate::draw::{Board, BoardStyle, Canvas, Rgb};
use crate::envs::checked::checked_serde;
use crate::{
    Axis, Cell, Env, EnvGroup, EnvSpec, KnobError, KnobSpec, Knobs, ParseError, Perception, Status, Step,
};

mod hard;
mod lot;

use lot::{Lot, MAX_CARS, SIDE, Slide};

const GRAMMAR: &str = "car and cells, as in A+2: + is right or down, - is left or up";

const SPEC: EnvSpec = EnvSpec {
    id: "rush-hour",
    group: EnvGroup::Board,
    title: "Rush Hour",
    summary: "A crowded car park: slide cars along their lanes until car A stands at the exit.",
    knobs: KNOBS,
    grammar: GRAMMAR,
    invalid_reward: 0.0,
    oracle: "exact: a shortest solution by breadth-first search",
    score: "success (1 when car A stands at the exit, 0 otherwise)",
    pixel_answers: false,
    players: 1,
    source: "reasoning-gym",
};

const KNOBS: &[KnobSpec] = &[
    KnobSpec::int("cars", Axis::Reasoning, 4, 13, 6, "cars, car A included").dialled(4.0, 12.0),
    KnobSpec::int("min_moves", Axis::Horizon, 1, 45, 1, "fewest moves that the best solution may have")
        .dialled(1.0, 8.0),
    KnobSpec::int("max_moves", Axis::Horizon, 1, 60, 5, "most moves that the best solution may have")
        .dialled(3.0, 24.0),
    KnobSpec::int("spare_turns", Axis::Horizon, 0, 60, 4, "turns beyond the best solution"),
    KnobSpec::float(
        "trucks",
        Axis::Reasoning,
        0.0,
        1.0,
        0.3,
        "chance that a car is three cells long, where the board is drawn at random",
    ),
    KnobSpec::int("tile_px", Axis::Perception, 14, 56, 28, "pixels along each side of a cell"),
    KnobSpec::choice(
        "theme",
        Axis::Perception,
        &["asphalt", "sand", "dusk"],
        "asphalt",
        "colours; dusk has little contrast",
    ),
    KnobSpec::choice(
        "colours",
        Axis::Perception,
        &["distinct", "similar", "plain"],
        "distinct",
        "a colour for each car, shades that are close, or all cars but A alike",
    ),
    KnobSpec::choice(
        "labels",
        Axis::Perception,
        &["every", "once"],
        "every",
        "a car's letter in each of its cells, or once in its middle",
    )
    .dialled(0.0, 1.0),
    KnobSpec::choice("font", Axis::Perception, Lettering::NAMES, "pixel", "how the letters are written"),
    KnobSpec::flag("grid", Axis::Perception, true, "draw lines between the cells"),
];

/// Boards drawn at random before the table of hard ones is used, and the positions looked at in all of
/// them and in one.
const TRIES: usize = 120;
const MAX_TRIED: usize = 10_000;
const MAX_POSITIONS: usize = 2_500;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Theme {
    Asphalt,
    Sand,
    Dusk,
}

/// The colours of a theme.
struct Colors {
    ground: Rgb,
    line: Rgb,
    exit: Rgb,
    ink: Rgb,
    /// Share of the ground in the cars, in percent.
    veil: u32,
}

impl Theme {
    fn colors(self) -> Colors {
        let colors = |ground, line, exit, ink, veil| Colors { ground, line, exit, ink, veil };
        match self {
            Self::Asphalt => colors([206, 208, 214], [184, 186, 194], [30, 160, 70], [16, 16, 22], 0),
            Self::Sand => colors([240, 226, 190], [220, 204, 164], [20, 90, 200], [40, 24, 8], 12),
            Self::Dusk => colors([80, 80, 88], [74, 74, 82], [96, 96, 100], [112, 110, 118], 86),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Coloring {
    Distinct,
    Similar,
    Plain,
}

/// The colours of the cars; A is red.
const PAINT: [Rgb; MAX_CARS] = [
    [226, 44, 48],
    [92, 190, 92],
    [250, 214, 60],
    [110, 160, 250],
    [196, 120, 216],
    [250, 160, 70],
    [90, 210, 220],
    [180, 140, 100],
    [250, 170, 200],
    [160, 206, 60],
    [150, 150, 230],
    [214, 190, 140],
    [120, 200, 170],
];

/// The state of a car park.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct RushHour {
    lot: Lot,
    max_turns: usize,
    tile_px: u32,
    theme: Theme,
    coloring: Coloring,
    once: bool,
    lettering: Lettering,
    grid: bool,
    turn: usize,
    outcome: Option<Outcome>,
}

checked_serde!(RushHour);

impl fmt::Display for Slide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:+}", letter(self.car), self.by)
    }
}

/// A rectangle without its corners, `cut` pixels of each: the body of a car.
fn body(canvas: &mut Canvas, (x, y): (i32, i32), (w, h): (u32, u32), cut: u32, color: Rgb) {
    let cut = cut.min(w / 2).min(h / 2);
    canvas.fill_rect(x + cut as i32, y, w - 2 * cut, h, color);
    canvas.fill_rect(x, y + cut as i32, w, h - 2 * cut, color);
}

/// The letter of a car.
fn letter(car: usize) -> char {
    (b'A' + car.min(MAX_CARS - 1) as u8) as char
}

impl RushHour {
    fn check(&self) -> Result<(), String> {
        self.lot.check()?;
        if self.outcome.is_none() && self.lot.solved() {
            return Err("the game is over but has no outcome".into());
        }
        if !(14..=56).contains(&self.tile_px) || self.max_turns > 200 || self.turn > self.max_turns {
            return Err("tile_px, max_turns or turn is out of range".into());
        }
        Ok(())
    }

    fn finish_turn(&mut self) {
        self.turn += 1;
        self.outcome = if self.lot.solved() {
            Some(Outcome::Success)
        } else {
            (self.turn >= self.max_turns).then_some(Outcome::Truncated)
        };
    }

    fn report(&self, reward: f32, legal: bool) -> Step {
        Step { reward, score: reward, legal, status: self.status() }
    }

    fn paint(&self, car: usize, colors: &Colors) -> Rgb {
        let paint = match self.coloring {
            _ if car == 0 => PAINT[0],
            Coloring::Distinct => PAINT[car % MAX_CARS],
            Coloring::Similar => mix([150, 180, 220], [170, 200, 240], (car as u32 * 8).min(100)),
            Coloring::Plain => PAINT[3],
        };
        mix(paint, colors.ground, colors.veil)
    }

    /// A slide in words.
    fn words(&self, slide: Slide) -> String {
        let vertical = self.lot.lane(slide.car).is_some_and(|lane| lane.vertical);
        let direction = match (vertical, slide.by > 0) {
            (true, true) => "down",
            (true, false) => "up",
            (false, true) => "right",
            (false, false) => "left",
        };
        format!("{} {direction} {}", letter(slide.car), slide.by.unsigned_abs())
    }
}

/// A board whose best solution has `min` to `max` moves, and how many it has: each number of moves that
/// boards of so many cars are known to need is as likely as any other.
fn draw_lot(rng: &mut Rng, cars: usize, trucks: f64, min: usize, max: usize) -> Option<(Lot, usize)> {
    let of_size = || hard::BOARDS.iter().filter(|board| board.cars() == cars);
    let most = of_size().map(|board| board.moves).max().filter(|most| min <= *most)?;
    let wanted = usize::try_from(rng.between(min as i64, max.min(most) as i64)).ok()?;
    let mut budget = MAX_TRIED;
    // Random boards hardly ever need half as many moves as the hardest.
    let tries = if wanted * 2 > most { 0 } else { TRIES };
    for _ in 0..tries {
        let Some(lot) = Lot::random(rng, cars, trucks) else { continue };
        let positions = lot.positions(MAX_POSITIONS.min(budget));
        budget = budget.saturating_sub(positions.as_ref().map_or(MAX_POSITIONS, Vec::len));
        if let Some(found) = positions.and_then(|all| pick(rng, &lot, &all, wanted)) {
            return Some((found, wanted));
        }
        if budget == 0 {
            break;
        }
    }
    let boards: Vec<&hard::Board> = of_size().filter(|board| board.moves >= wanted).collect();
    let lot = rng.choose(&boards)?.lot()?;
    let positions = lot.positions(usize::MAX)?;
    Some((pick(rng, &lot, &positions, wanted)?, wanted))
}

/// A position `wanted` moves away from the exit; mirrored by chance, letters shared out anew.
fn pick(rng: &mut Rng, lot: &Lot, positions: &[(u64, u16)], wanted: usize) -> Option<Lot> {
    let fits = |(_, moves): &&(u64, u16)| usize::from(*moves) == wanted;
    let at: Vec<u64> = positions.iter().filter(fits).map(|(places, _)| *places).collect();
    let places = *rng.choose(&at)?;
    let mut order: Vec<usize> = (1..lot.cars()).collect();
    rng.shuffle(&mut order);
    order.insert(0, 0);
    Some(lot.at(places).arranged(&order, rng.chance(0.5)))
}

impl Env for RushHour {
    type Action = Slide;

    fn spec() -> &'static EnvSpec {
        &SPEC
    }

    fn reset(seed: Seed, knobs: &Knobs) -> Result<Self, KnobError> {
        let (min, max, cars) = (knobs.size("min_moves"), knobs.size("max_moves"), knobs.size("cars"));
        if min > max {
            return Err(conflict(SPEC.id, format!("min_moves = {min} is more than max_moves = {max}")));
        }
        let mut rng = seed.split("lot", 0).rng();
        let Some((lot, needed)) = draw_lot(&mut rng, cars, knobs.float("trucks"), min, max) else {
            let detail = format!("no board of {cars} cars at hand needs {min} to {max} moves");
            return Err(conflict(SPEC.id, detail));
        };
        Ok(Self {
            lot,
            max_turns: needed + knobs.size("spare_turns"),
            tile_px: pixels(knobs, "tile_px"),
            theme: match knobs.choice("theme") {
                "sand" => Theme::Sand,
                "dusk" => Theme::Dusk,
                _ => Theme::Asphalt,
            },
            coloring: match knobs.choice("colours") {
                "similar" => Coloring::Similar,
                "plain" => Coloring::Plain,
                _ => Coloring::Distinct,
            },
            once: knobs.choice("labels") == "once",
            lettering: Lettering::named(knobs.choice("font")),
            grid: knobs.flag("grid"),
            turn: 0,
            outcome: None,
        })
    }

    fn rules(&self) -> String {
        format!(
            "Slide cars along their lanes, any number of free cells a move, until car A stands at the \
             green exit on the right, within {} moves.",
            self.max_turns
        )
        .replace("green exit", if self.theme == Theme::Asphalt { "green exit" } else { "marked exit" })
    }

    fn render(&self) -> Image {
        let colors = self.theme.colors();
        let tile = self.tile_px;
        let style = BoardStyle {
            tile,
            grid: self.grid,
            coordinates: false,
            cell: colors.ground,
            line: colors.line,
            ink: colors.ink,
        };
        let mut board = Board::new(SIDE, SIDE, style);
        let unit = board.tile();
        let exit = self.lot.lane(0).map_or(2, |lane| usize::from(lane.line));
        let (x, y) = board.corner(Cell { row: exit, col: SIDE - 1 });
        let wide = (tile / 6).max(2);
        board.canvas.fill_rect(x + (tile - wide) as i32, y, wide, tile - 1, colors.exit);
        let inset = (tile / 14).max(1);
        for car in 0..self.lot.cars() {
            let cells: Vec<Cell> =
                self.lot.cells(car).map(|i| Cell { row: i / SIDE, col: i % SIDE }).collect();
            let [Some(first), Some(last)] = [cells.first(), cells.last()].map(|c| c.copied()) else {
                continue;
            };
            let (left, top) = board.corner(first);
            let long = |a: usize, b: usize| (b - a + 1) as u32 * tile - 2 * inset;
            let (w, h) = (long(first.col, last.col), long(first.row, last.row));
            let (x, y) = (left + inset as i32, top + inset as i32);
            let paint = self.paint(car, &colors);
            let (edge, cut) = ((tile / 18).max(1), (tile / 9).max(1));
            body(&mut board.canvas, (x, y), (w, h), cut, mix(paint, [0; 3], 45));
            let inner = (x + edge as i32, y + edge as i32);
            body(&mut board.canvas, inner, (w - 2 * edge, h - 2 * edge), cut, paint);
            let name = letter(car).to_string();
            let spots: Vec<(f32, f32)> = if self.once {
                vec![(x as f32 + w as f32 / 2.0, y as f32 + h as f32 / 2.0)]
            } else {
                cells.iter().map(|cell| board.middle(*cell)).collect()
            };
            for spot in spots {
                self.lettering.write(&mut board.canvas, &name, spot, 0.55 * unit, colors.ink);
            }
        }
        board.canvas.into_image()
    }

    fn parse(&self, answer: &str) -> Result<Slide, ParseError> {
        let refused = || ParseError::grammar(answer, GRAMMAR);
        let (name, back, digits) = match answer.trim().as_bytes() {
            [name, b'+', digits @ ..] => (name, false, digits),
            [name, b'-', digits @ ..] => (name, true, digits),
            _ => return Err(refused()),
        };
        if !name.is_ascii_alphabetic() || digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return Err(refused());
        }
        let car = usize::from(name.to_ascii_uppercase() - b'A');
        let cells = match digits {
            [digit] => digit - b'0',
            _ => u8::MAX,
        };
        if car >= self.lot.cars() || !(1..=4).contains(&cells) {
            let last = letter(self.lot.cars().max(1) - 1);
            return Err(ParseError::range(answer, format!("cars are A to {last} and move 1 to 4 cells")));
        }
        Ok(Slide { car, by: if back { -(cells as i8) } else { cells as i8 } })
    }

    fn step(&mut self, action: &Slide) -> Step {
        if self.outcome.is_some() {
            return self.report(0.0, false);
        }
        let legal = self.lot.slide(*action);
        self.finish_turn();
        let reward = if self.outcome == Some(Outcome::Success) { 1.0 } else { 0.0 };
        self.report(reward, legal)
    }

    fn pass(&mut self) -> Step {
        if self.outcome.is_none() {
            self.finish_turn();
        }
        self.report(0.0, false)
    }

    /// The first move of a shortest solution. A board without one comes from a hand-made snapshot only.
    fn oracle(&self) -> Slide {
        let first = self.lot.solution().and_then(|plan| plan.first().copied());
        first.or_else(|| self.lot.slides().next()).unwrap_or(Slide { car: 0, by: 1 })
    }

    /// What stands in the way of A, the next moves of a shortest solution, and what this move leaves.
    fn reason(&self, action: &Slide) -> String {
        let blockers: Vec<String> = self.lot.blockers().map(|car| letter(car).to_string()).collect();
        let mut words = match blockers.as_slice() {
            [] => vec!["A is free".to_string()],
            cars => vec![format!("A behind {}", cars.join(" "))],
        };
        let plan = self.lot.solution().unwrap_or_default();
        words.push(format!("needs {}", plan.len()));
        words.extend(plan.iter().take(5).map(|slide| self.words(*slide)));
        let mut after = self.lot.clone();
        let left = if after.slide(*action) {
            after.solution().map_or("far".into(), |plan| plan.len().to_string())
        } else {
            "refused".into()
        };
        words.push(format!("so {} left {left}", self.words(*action)));
        words.join(" ")
    }

    /// Words: the letter of the car in each cell, `-` for none.
    fn perception(&self) -> Perception {
        let mut words = ["-"; SIDE * SIDE].map(String::from);
        for car in 0..self.lot.cars() {
            self.lot.cells(car).for_each(|cell| words[cell] = letter(car).to_string());
        }
        let rows: Vec<String> = words.chunks(SIDE).map(|row| row.join(" ")).collect();
        let car = |car: usize| {
            let cells: Vec<[usize; 2]> = self.lot.cells(car).map(|i| [i / SIDE, i % SIDE]).collect();
            json!({ "car": letter(car), "cells": cells })
        };
        let cars: Vec<serde_json::Value> = (0..self.lot.cars()).map(car).collect();
        Perception { text: rows.join("\n"), data: json!({ "cars": cars }) }
    }

    fn legal_actions(&self) -> Vec<Slide> {
        if self.outcome.is_some() { Vec::new() } else { self.lot.slides().collect() }
    }

    fn status(&self) -> Status {
        self.outcome.map_or(Status::Running, Status::Done)
    }
}

#[cfg(test)]
mod tests;
