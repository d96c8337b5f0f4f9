//! Mental rotation: by how much was a figure turned, or are two figures mirror images? One turn.
//!
//! Flat figures are made of squares, solid ones are chains of cubes with straight arms as in Shepard and
//! Metzler (1971), drawn in isometric view. Every cube is seen in both pictures, and no other answer
//! would give the same picture: all turns are searched when a task is made.

mod figure;

use std::fmt;

use eyas_core::{Image, Outcome, Rng, Seed};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::draw::{BLACK, Canvas, Rgb, WHITE};
use crate::{Axis, Env, EnvGroup, EnvSpec, KnobError, KnobSpec, Knobs, ParseError, Perception, Status, Step};
use figure::{Cube, around, chain, grow_flat, look, mirrored, turned, turned_flat, turns};

const GRAMMAR: &str = "rotate(90) | rotate(z,90) | same | mirrored";

const SPEC: EnvSpec = EnvSpec {
    id: "mental-rotation",
    group: EnvGroup::Perception,
    title: "Mental rotation",
    summary: "Two views of a figure: say how it was turned, or whether it is a mirror image.",
    knobs: KNOBS,
    grammar: GRAMMAR,
    invalid_reward: 0.0,
    oracle: "exact",
    score: "success (1 for the right answer)",
    pixel_answers: false,
    players: 1,
    source: "Shepard and Metzler 1971; VisGym",
};

const KNOBS: &[KnobSpec] = &[
    KnobSpec::int("cells", Axis::Reasoning, 4, 10, 5, "squares or cubes of the figure").dialled(4.0, 9.0),
    KnobSpec::choice(
        "dimension",
        Axis::Reasoning,
        &["2d", "3d", "mixed"],
        "2d",
        "flat figures, solid ones, or either",
    )
    .dialled(0.0, 2.0),
    KnobSpec::choice(
        "task",
        Axis::Reasoning,
        &["angle", "same", "mixed"],
        "angle",
        "asked for: the turn; whether the right figure is the left one or its mirror image; or either",
    ),
    KnobSpec::choice(
        "step",
        Axis::Reasoning,
        &["90", "45", "30"],
        "90",
        "flat figures are turned by multiples of this many degrees",
    ),
    KnobSpec::int("panel_px", Axis::Perception, 56, 224, 84, "pixels along each side of a view"),
    KnobSpec::float("shrink", Axis::Perception, 0.0, 0.5, 0.0, "how much smaller the right figure may be")
        .dialled(0.0, 0.4),
    KnobSpec::flag("shading", Axis::Perception, false, "cells have shades that mean nothing")
        .dialled(0.0, 1.0),
    KnobSpec::flag("grid", Axis::Perception, true, "lines between the cells"),
    KnobSpec::choice(
        "theme",
        Axis::Perception,
        &["paper", "night", "faint"],
        "paper",
        "colours; faint has little contrast",
    ),
];

/// How many figures are tried for one task. The rarest, solid ones of ten cubes, take some dozens.
const TRIES: usize = 20_000;

/// Triangles, of six, that must be seen of every cube.
const LEAST_SEEN: usize = 2;

/// Height of the strip with the axes.
const STRIP_PX: u32 = 28;

const AXES: [&str; 3] = ["x", "y", "z"];

/// Sines of 0, 15, … 90 degrees; written out because the last bit of a sine differs between platforms.
const SINES: [f32; 7] = [0.0, 0.258_819, 0.5, 0.707_106_77, 0.866_025_4, 0.965_925_8, 1.0];

fn sine(degrees: u16) -> f32 {
    let n = usize::from(degrees % 360) / 15;
    match n / 6 {
        0 => SINES[n],
        1 => SINES[12 - n],
        2 => -SINES[n - 12],
        _ => -SINES[24 - n],
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Task {
    Angle,
    Same,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Theme {
    Paper,
    Night,
    Faint,
}

impl Theme {
    /// Background, line between the views, figure, lines of the figure.
    fn colors(self) -> [Rgb; 4] {
        match self {
            Self::Paper => [[250, 248, 240], [200, 196, 186], [70, 130, 200], [24, 44, 80]],
            Self::Night => [[20, 22, 32], [70, 74, 92], [235, 160, 60], [90, 50, 10]],
            Self::Faint => [[150, 150, 150], [140, 140, 140], [170, 168, 164], [132, 132, 130]],
        }
    }
}

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The flat figure was turned clockwise by so many degrees.
    Rotate(u16),
    /// The solid figure was turned around axis 0, 1 or 2.
    RotateAround(usize, u16),
    /// The right figure is the left one, turned.
    Same,
    /// The right figure is the left one in a mirror, turned.
    Mirrored,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rotate(degrees) => write!(f, "rotate({degrees})"),
            Self::RotateAround(axis, degrees) => write!(f, "rotate({},{degrees})", AXES[axis % 3]),
            Self::Same => f.write_str("same"),
            Self::Mirrored => f.write_str("mirrored"),
        }
    }
}

/// The state of a rotation task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct MentalRotation {
    flat: bool,
    task: Task,
    /// Flat figures are turned by multiples of this.
    step: u16,
    panel_px: u32,
    /// Size of the right figure, of 100.
    percent: u16,
    shading: bool,
    grid: bool,
    theme: Theme,
    /// The left figure.
    figure: Vec<Cube>,
    /// Whether the right figure was mirrored before it was turned.
    mirror: bool,
    /// Degrees of a flat figure; for a solid one the number of its turn (see [`turns`]).
    angle: u16,
    /// Where shades come from.
    looks: Seed,
    outcome: Option<Outcome>,
}

/// A state as read from a file, not yet checked.
#[derive(Deserialize)]
struct Unchecked {
    flat: bool,
    task: Task,
    step: u16,
    panel_px: u32,
    percent: u16,
    shading: bool,
    grid: bool,
    theme: Theme,
    figure: Vec<Cube>,
    mirror: bool,
    angle: u16,
    looks: Seed,
    outcome: Option<Outcome>,
}

impl TryFrom<Unchecked> for MentalRotation {
    type Error = String;

    fn try_from(raw: Unchecked) -> Result<Self, String> {
        let sizes = (56..=224).contains(&raw.panel_px) && (50..=100).contains(&raw.percent);
        if !sizes || ![30, 45, 90].contains(&raw.step) {
            return Err("panel_px, percent or step is out of range".into());
        }
        let near = |c: &Cube| c.iter().all(|v| (0..10).contains(v)) && (c[2] == 0 || !raw.flat);
        if !(4..=10).contains(&raw.figure.len()) || !raw.figure.iter().all(near) {
            return Err("the figure has too many cells, or one far away".into());
        }
        let turn =
            if raw.flat { raw.angle < 360 && raw.angle.is_multiple_of(raw.step) } else { raw.angle < 24 };
        let game = Self {
            flat: raw.flat,
            task: raw.task,
            step: raw.step,
            panel_px: raw.panel_px,
            percent: raw.percent,
            shading: raw.shading,
            grid: raw.grid,
            theme: raw.theme,
            figure: raw.figure,
            mirror: raw.mirror,
            angle: raw.angle,
            looks: raw.looks,
            outcome: raw.outcome,
        };
        if !turn || (game.task == Task::Angle && (game.mirror || game.turn_asked().is_none())) {
            return Err(format!("{} is not the number of a turn", game.angle));
        }
        Ok(game)
    }
}

/// The nine answers for solid figures.
fn turns_around() -> impl Iterator<Item = Answer> {
    (0..3).flat_map(|axis| [90, 180, 270].map(|degrees| Answer::RotateAround(axis, degrees)))
}

impl MentalRotation {
    /// What a task of angles has for an answer.
    fn turn_asked(&self) -> Option<Answer> {
        if self.flat {
            return (self.angle > 0).then_some(Answer::Rotate(self.angle));
        }
        let turn = turns().into_iter().nth(usize::from(self.angle))?;
        turns_around().find(
            |a| matches!(a, Answer::RotateAround(axis, d) if around(*axis, usize::from(d / 90)) == turn),
        )
    }

    fn truth(&self) -> Answer {
        match self.task {
            Task::Angle => self.turn_asked().unwrap_or(Answer::Same),
            Task::Same if self.mirror => Answer::Mirrored,
            Task::Same => Answer::Same,
        }
    }

    /// The right figure before its turn.
    fn unturned(&self) -> Vec<Cube> {
        if self.mirror { mirrored(&self.figure) } else { self.figure.clone() }
    }

    /// The right figure; a flat one turned by whole quarters only, what is left being `angle % 90`.
    fn shown(&self) -> Vec<Cube> {
        let figure = self.unturned();
        if self.flat {
            return turned_flat(&figure, usize::from(self.angle / 90));
        }
        match turns().get(usize::from(self.angle)) {
            Some(turn) => turned(&figure, turn),
            None => figure,
        }
    }

    /// Whether the picture has this answer only.
    fn is_clear(&self) -> bool {
        let shown = self.shown();
        if self.flat {
            let other = match self.task {
                Task::Angle => self.figure.clone(),
                Task::Same => mirrored(&self.figure),
            };
            let from = usize::from(self.task == Task::Angle);
            return (from..4).all(|n| turned_flat(&other, n) != self.figure);
        }
        let (seen, least) = look(&shown);
        if least < LEAST_SEEN || look(&self.figure).1 < LEAST_SEEN {
            return false;
        }
        match self.task {
            Task::Angle => turns_around().filter(|a| *a != self.truth()).all(|a| match a {
                Answer::RotateAround(axis, d) => {
                    look(&turned(&self.figure, &around(axis, usize::from(d / 90)))).0 != seen
                }
                _ => true,
            }),
            Task::Same => {
                let other = mirrored(&self.unturned());
                turns().iter().all(|turn| look(&turned(&other, turn)).0 != seen)
            }
        }
    }

    /// The fill of a cell: the figure's colour, or a shade of it that is drawn by lot.
    fn shade(&self, rng: &mut Rng, color: Rgb) -> Rgb {
        let by = if self.shading { rng.between(-70, 70) as i32 } else { 0 };
        tint(color, by)
    }

    fn draw_flat(&self, canvas: &mut Canvas, left: bool) {
        let cells = if left { self.figure.clone() } else { self.shown() };
        let degrees = if left { 0 } else { self.angle % 90 };
        let (sin, cos) = (sine(degrees), sine(degrees + 90));
        let (half_x, half_y) = (extent(&cells, 0) / 2.0, extent(&cells, 1) / 2.0);
        let panel = self.panel_px as f32;
        let reach = (half_x * half_x + half_y * half_y).sqrt();
        let even = ((panel / 2.0 - 4.0) / reach / 2.0).floor() * 2.0;
        let tile = self.scaled(even.min(panel / 5.0).max(4.0), left);
        let middle = (panel * if left { 0.5 } else { 1.5 }, panel / 2.0);
        let [_, _, fill, line] = self.theme.colors();
        let mut rng = self.looks.split("shades", u64::from(left)).rng();
        for [x, y, _] in cells {
            let (x, y) = (f32::from(x) - half_x, f32::from(y) - half_y);
            let square = |inset: f32| {
                let (low, high) = (inset, 1.0 - inset);
                [(low, low), (high, low), (high, high), (low, high)].map(|(dx, dy)| {
                    let (px, py) = ((x + dx) * tile, (y + dy) * tile);
                    (middle.0 + cos * px - sin * py, middle.1 + sin * px + cos * py)
                })
            };
            let color = self.shade(&mut rng, fill);
            if self.grid {
                canvas.fill_polygon(&square(0.0), line);
                canvas.fill_polygon(&square(1.0 / tile), color);
            } else {
                canvas.fill_polygon(&square(0.0), color);
            }
        }
    }

    fn scaled(&self, size: f32, left: bool) -> f32 {
        if left { size } else { size * f32::from(self.percent) / 100.0 }
    }

    fn draw_solid(&self, canvas: &mut Canvas, left: bool) {
        let mut cubes = if left { self.figure.clone() } else { self.shown() };
        cubes.sort_by_key(|c| c.iter().map(|v| i16::from(*v)).sum::<i16>());
        let bounds = bounds(&cubes);
        let panel = self.panel_px as f32;
        let (width, height) = (bounds[1].0 - bounds[0].0, bounds[1].1 - bounds[0].1);
        let edge = ((panel - 10.0) / width.max(height)).min(panel / 5.0);
        let edge = self.scaled(edge, left);
        let middle = (panel * if left { 0.5 } else { 1.5 }, panel / 2.0);
        let at = |p: (f32, f32)| {
            let (dx, dy) = (p.0 - (bounds[0].0 + width / 2.0), p.1 - (bounds[0].1 + height / 2.0));
            (middle.0 + dx * edge, middle.1 + dy * edge)
        };
        let [_, _, fill, line] = self.theme.colors();
        let contrast = if self.theme == Theme::Faint { 14 } else { 50 };
        let mut rng = self.looks.split("shades", u64::from(left)).rng();
        for cube in &cubes {
            let color = self.shade(&mut rng, fill);
            for (axis, light) in [(2, contrast), (0, 0), (1, -contrast)] {
                let mut next = *cube;
                next[axis] += 1;
                if cubes.contains(&next) {
                    continue;
                }
                let face = face(*cube, axis).map(|p| at(project(p)));
                let color = tint(color, light);
                if self.grid {
                    canvas.fill_polygon(&face, line);
                    canvas.fill_polygon(&shrunk(&face, 1.0 - 2.2 / edge.max(3.0)), color);
                } else {
                    canvas.fill_polygon(&face, color);
                }
            }
        }
    }

    /// The three axes, below the views.
    fn draw_axes(&self, canvas: &mut Canvas) {
        let (x, y) = (self.panel_px as f32, self.panel_px as f32 + 15.0);
        let ink = if self.theme == Theme::Night { WHITE } else { BLACK };
        for (name, dx, dy) in [("X", -0.866, 0.5), ("Y", 0.866, 0.5), ("Z", 0.0, -1.0)] {
            canvas.arrow((x, y), (x + 13.0 * dx, y + 13.0 * dy), 1.5, 5.0, ink);
            let (tx, ty) = if dy < 0.0 { (x + 8.0, y - 9.0) } else { (x + 20.0 * dx, y + 7.0) };
            canvas.text_in_box(name, tx, ty, 6.0, 8.0, ink);
        }
    }

    /// A figure as one word: the rows of a flat one, the cubes of a solid one.
    fn word(&self, cubes: &[Cube]) -> String {
        if self.flat { rows(cubes).join("-") } else { places(cubes).join("-") }
    }

    /// The middles of the cells of a flat view in pixels, for figures between two quarter turns.
    fn middles(&self) -> Vec<String> {
        let cells = self.shown();
        let degrees = self.angle % 90;
        let (sin, cos) = (sine(degrees), sine(degrees + 90));
        let (half_x, half_y) = (extent(&cells, 0) / 2.0, extent(&cells, 1) / 2.0);
        let one = |c: &Cube| {
            let (x, y) = (f32::from(c[0]) + 0.5 - half_x, f32::from(c[1]) + 0.5 - half_y);
            // Tenths of a cell from the middle of the figure.
            let tenths = |v: f32| (10.0 * v).round() as i32;
            format!("{},{}", tenths(cos * x - sin * y), tenths(sin * x + cos * y))
        };
        cells.iter().map(one).collect()
    }

    fn report(&self, reward: f32, legal: bool) -> Step {
        Step { reward, score: reward, legal, status: self.status() }
    }
}

fn tint(color: Rgb, by: i32) -> Rgb {
    color.map(|v| (i32::from(v) + by).clamp(0, 255) as u8)
}

/// Cells along an axis.
fn extent(cubes: &[Cube], axis: usize) -> f32 {
    f32::from(cubes.iter().map(|c| c[axis]).max().unwrap_or(0)) + 1.0
}

/// Where a corner of a cube is in the picture, in edges.
fn project([x, y, z]: [f32; 3]) -> (f32, f32) {
    ((y - x) * 0.866_025_4, (x + y) * 0.5 - z)
}

/// The corners of a cube's far side in the direction of an axis.
fn face(cube: Cube, axis: usize) -> [[f32; 3]; 4] {
    [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)].map(|(a, b)| {
        let mut corner = cube.map(f32::from);
        corner[axis] += 1.0;
        corner[(axis + 1) % 3] += a;
        corner[(axis + 2) % 3] += b;
        corner
    })
}

/// The least and the largest coordinates in the picture.
fn bounds(cubes: &[Cube]) -> [(f32, f32); 2] {
    let corners = cubes.iter().flat_map(|c| [0, 1, 2].map(|axis| face(*c, axis))).flatten().map(project);
    corners.fold([(f32::MAX, f32::MAX), (f32::MIN, f32::MIN)], |[low, high], p| {
        [(low.0.min(p.0), low.1.min(p.1)), (high.0.max(p.0), high.1.max(p.1))]
    })
}

/// The polygon drawn smaller around its middle.
fn shrunk(points: &[(f32, f32); 4], by: f32) -> [(f32, f32); 4] {
    let middle = ((points[0].0 + points[2].0) / 2.0, (points[0].1 + points[2].1) / 2.0);
    points.map(|(x, y)| (middle.0 + (x - middle.0) * by, middle.1 + (y - middle.1) * by))
}

/// The rows of a flat figure, `1` for a square and `0` for a gap.
fn rows(cubes: &[Cube]) -> Vec<String> {
    let (width, height) = (extent(cubes, 0) as i8, extent(cubes, 1) as i8);
    let cell = |x: i8, y: i8| if cubes.contains(&[x, y, 0]) { '1' } else { '0' };
    (0..height).map(|y| (0..width).map(|x| cell(x, y)).collect()).collect()
}

/// The places of the cubes: three digits each.
fn places(cubes: &[Cube]) -> Vec<String> {
    cubes.iter().map(|[x, y, z]| format!("{x}{y}{z}")).collect()
}

impl Env for MentalRotation {
    type Action = Answer;

    fn spec() -> &'static EnvSpec {
        &SPEC
    }

    fn reset(seed: Seed, knobs: &Knobs) -> Result<Self, KnobError> {
        let conflict = |detail: &str| KnobError::Conflict { env: SPEC.id.into(), detail: detail.into() };
        let step = knobs.choice("step").parse::<u16>().unwrap_or(90);
        if step != 90 && knobs.choice("dimension") == "3d" {
            return Err(conflict("step: solid figures are turned by multiples of 90 degrees"));
        }
        let mut rng = seed.split("figure", 0).rng();
        let flat = match knobs.choice("dimension") {
            "3d" => false,
            "mixed" => rng.chance(0.5),
            _ => true,
        };
        let task = match knobs.choice("task") {
            "same" => Task::Same,
            "mixed" if rng.chance(0.5) => Task::Same,
            _ => Task::Angle,
        };
        let shrink = (100.0 * knobs.float("shrink")).round() as i64;
        let mut game = Self {
            flat,
            task,
            step: if flat { step } else { 90 },
            panel_px: u32::try_from(knobs.size("panel_px")).unwrap_or(84),
            percent: 100 - rng.between(shrink / 2, shrink) as u16,
            shading: knobs.flag("shading"),
            grid: knobs.flag("grid"),
            theme: match knobs.choice("theme") {
                "night" => Theme::Night,
                "faint" => Theme::Faint,
                _ => Theme::Paper,
            },
            figure: Vec::new(),
            mirror: task == Task::Same && rng.chance(0.5),
            angle: 0,
            looks: seed.split("looks", 0),
            outcome: None,
        };
        let (cells, all) = (knobs.size("cells"), turns());
        for _ in 0..TRIES {
            let figure = if flat { Some(grow_flat(cells, &mut rng)) } else { chain(cells, &mut rng) };
            let Some(figure) = figure else { continue };
            game.figure = figure;
            game.angle = if flat {
                game.step * (1 + rng.below(usize::from(360 / game.step) - 1) as u16)
            } else if task == Task::Same {
                1 + rng.below(all.len() - 1) as u16
            } else {
                let turn = around(rng.below(3), 1 + rng.below(3));
                all.iter().position(|t| *t == turn).unwrap_or(1) as u16
            };
            if game.is_clear() {
                return Ok(game);
            }
        }
        Err(conflict("no figure with one answer was found"))
    }

    fn rules(&self) -> String {
        match (self.task, self.flat) {
            (Task::Angle, true) => format!(
                "The left figure was turned clockwise to get the right one. By how many degrees? A multiple of {}.",
                self.step
            ),
            (Task::Angle, false) => "The left figure was turned around x, y or z to get the right one, by 90, 180 \
                or 270 degrees, anticlockwise when the axis points at you. Give axis and degrees."
                .into(),
            (Task::Same, _) => {
                "Is the right figure the left one, turned, or the mirror image of it? Answer same or mirrored.".into()
            }
        }
    }

    fn render(&self) -> Image {
        let panel = self.panel_px;
        let axes = !self.flat && self.task == Task::Angle;
        let [back, border, ..] = self.theme.colors();
        let mut canvas = Canvas::new(2 * panel, panel + if axes { STRIP_PX } else { 0 }, back);
        canvas.fill_rect(panel as i32 - 1, 0, 2, panel, border);
        for left in [true, false] {
            if self.flat { self.draw_flat(&mut canvas, left) } else { self.draw_solid(&mut canvas, left) }
        }
        if axes {
            canvas.fill_rect(0, panel as i32 - 1, 2 * panel, 2, border);
            self.draw_axes(&mut canvas);
        }
        canvas.into_image()
    }

    fn parse(&self, answer: &str) -> Result<Answer, ParseError> {
        let wrong = || ParseError::grammar(answer, GRAMMAR);
        let text = answer.trim();
        let action = match text {
            "same" => Answer::Same,
            "mirrored" => Answer::Mirrored,
            _ => {
                let inner =
                    text.strip_prefix("rotate(").and_then(|s| s.strip_suffix(')')).ok_or_else(wrong)?;
                let (axis, degrees) = match inner.split_once(',') {
                    Some((axis, degrees)) => (Some(axis.trim()), degrees.trim()),
                    None => (None, inner.trim()),
                };
                let digits = !degrees.is_empty() && degrees.len() <= 3;
                if !digits || !degrees.bytes().all(|b| b.is_ascii_digit()) || degrees.starts_with('0') {
                    return Err(wrong());
                }
                let degrees = degrees.parse::<u16>().map_err(|_| wrong())?;
                match axis {
                    None => Answer::Rotate(degrees),
                    Some(name) => {
                        let axis = AXES.iter().position(|a| *a == name).ok_or_else(wrong)?;
                        Answer::RotateAround(axis, degrees)
                    }
                }
            }
        };
        let known = match action {
            Answer::Rotate(d) => self.task == Task::Angle && self.flat && d < 360 && d % self.step == 0,
            Answer::RotateAround(_, d) => {
                self.task == Task::Angle && !self.flat && d < 360 && d.is_multiple_of(90)
            }
            _ => self.task == Task::Same,
        };
        if known { Ok(action) } else { Err(ParseError::range(answer, "that is not what is asked")) }
    }

    fn step(&mut self, action: &Answer) -> Step {
        if self.outcome.is_some() {
            return self.report(0.0, false);
        }
        let right = *action == self.truth();
        self.outcome = Some(if right { Outcome::Success } else { Outcome::Failure });
        self.report(f32::from(u8::from(right)), true)
    }

    fn pass(&mut self) -> Step {
        self.outcome = self.outcome.or(Some(Outcome::Truncated));
        self.report(0.0, false)
    }

    fn oracle(&self) -> Answer {
        self.truth()
    }

    /// The figures as words, and what turning makes of the left one.
    fn reason(&self, action: &Answer) -> String {
        let (left, right) = (self.word(&self.figure), self.word(&self.shown()));
        let answer = match action {
            Answer::Rotate(degrees) => format!("rotate {degrees}"),
            Answer::RotateAround(axis, degrees) => format!("rotate {} {degrees}", AXES[axis % 3]),
            other => other.to_string(),
        };
        let quarters = |from: usize| -> Vec<String> {
            (from..4).map(|n| format!("{} {}", 90 * n, self.word(&turned_flat(&self.figure, n)))).collect()
        };
        match (self.task, self.flat) {
            (Task::Angle, true) if self.step == 90 => {
                format!("left {left} turns {} right {right} so {answer}", quarters(1).join(" "))
            }
            (_, true) => format!(
                "left {left} turns {} right tilted {} and then {right} so {answer}",
                quarters(1).join(" "),
                self.angle % 90
            ),
            (Task::Angle, false) => format!("left {left} right {right} so {answer}"),
            (Task::Same, false) => {
                let mirror = self.word(&mirrored(&self.figure));
                let from = if self.mirror { "mirror" } else { "left" };
                format!("left {left} mirror {mirror} right {right} is {from} turned so {answer}")
            }
        }
    }

    /// Flat figures by quarter turns: the rows of both views, `#` a square and `-` a gap, with `|`
    /// between; other flat ones: the rows of the left figure and the middles of the right one's squares,
    /// in tenths of a square from the middle. Solid ones: a line each with the places of the cubes.
    fn perception(&self) -> Perception {
        let (left, right) = (&self.figure, self.shown());
        let data = json!({
            "task": self.task, "flat": self.flat, "left": left, "right": right, "tilt": if self.flat { self.angle % 90 } else { 0 },
        });
        let text = if !self.flat {
            format!("{}\n{}", places(left).join(" "), places(&right).join(" "))
        } else if self.step == 90 {
            let pad = |cubes: &[Cube]| {
                let mut all = rows(cubes);
                all.resize(
                    extent(left, 1).max(extent(&right, 1)) as usize,
                    "0".repeat(extent(cubes, 0) as usize),
                );
                all
            };
            let words = |row: &str| {
                row.chars().map(|c| if c == '1' { "#" } else { "-" }).collect::<Vec<_>>().join(" ")
            };
            let both = pad(left).into_iter().zip(pad(&right));
            both.map(|(a, b)| format!("{} | {}", words(&a), words(&b))).collect::<Vec<_>>().join("\n")
        } else {
            format!("{}\n{}", rows(left).join(" "), self.middles().join(" "))
        };
        Perception { text, data }
    }

    fn legal_actions(&self) -> Vec<Answer> {
        match (self.outcome, self.task, self.flat) {
            (Some(_), ..) => Vec::new(),
            (_, Task::Angle, true) => (1..360 / self.step).map(|n| Answer::Rotate(n * self.step)).collect(),
            (_, Task::Angle, false) => turns_around().collect(),
            (_, Task::Same, _) => vec![Answer::Same, Answer::Mirrored],
        }
    }

    fn status(&self) -> Status {
        self.outcome.map_or(Status::Running, Status::Done)
    }
}

#[cfg(test)]
mod tests;
