//! Plots: read a number, or the parameters of a curve, off a plot. One turn.
//!
//! Lines, parabolas, corners (y = a |x − h| + k), polylines, sine waves and circles; the last stand for
//! parametric and polar curves. All landmarks lie on the ticks, or on quarters of a tick, so the numbers
//! are exact; the answer may be off by a tenth of a tick, a coefficient by a twentieth of itself. A
//! formula counts by its parameters, which for these curves is the same as being equal on a grid.

mod curve;

use std::fmt;

use eyas_core::{Image, Outcome, Rng, Seed};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::draw::{Canvas, Rgb};
use crate::{Axis, Env, EnvGroup, EnvSpec, KnobError, KnobSpec, Knobs, ParseError, Perception, Status, Step};
use curve::{Curve, Family, on_circle};

const GRAMMAR: &str = "NAME=NUMBER, as y=-2.5 or m=2, b=-1";

const SPEC: EnvSpec = EnvSpec {
    id: "plot",
    group: EnvGroup::Geometry,
    title: "Plot reading",
    summary: "A plot with axes and tick labels: give a value, a slope or the parameters of a curve.",
    knobs: KNOBS,
    grammar: GRAMMAR,
    invalid_reward: 0.0,
    oracle: "exact",
    score: "share of right numbers (the reward is 1 when all are right)",
    pixel_answers: false,
    players: 1,
    source: "Gym-V function plots",
};

const KNOBS: &[KnobSpec] = &[
    KnobSpec::choice(
        "family",
        Axis::Reasoning,
        &["line", "parabola", "corner", "polyline", "sine", "circle", "mixed"],
        "line",
        "the kind of curve",
    )
    .dialled_by(0.0, 6.0, 6.0),
    KnobSpec::choice(
        "question",
        Axis::Reasoning,
        &["value", "solve", "slope", "turning", "parameters", "mixed"],
        "value",
        "asked for: y at an x, x at a y, the slope, the turning point, or all parameters",
    )
    .dialled_by(0.0, 5.0, 5.0),
    KnobSpec::flag("units", Axis::Reasoning, false, "a tick is 1, 2, 5 or 10 units, on each axis")
        .dialled(0.0, 1.0),
    KnobSpec::flag("between", Axis::Reasoning, false, "values may lie between the ticks, at quarters")
        .dialled(0.0, 1.0),
    KnobSpec::int("range", Axis::Perception, 3, 10, 4, "ticks from the origin to each side")
        .dialled(3.0, 7.0),
    KnobSpec::int("curves", Axis::Reasoning, 1, 4, 1, "curves in the plot; one is asked for by its colour")
        .dialled(1.0, 3.0),
    KnobSpec::choice(
        "mark",
        Axis::Perception,
        &["line", "dashed", "points", "noisy"],
        "line",
        "how the curve is drawn; noisy: points that are off by up to a fifth of a tick",
    )
    .dialled(0.0, 2.0),
    KnobSpec::flag("grid", Axis::Perception, true, "lines at the ticks").dialled(1.0, 0.0),
    KnobSpec::int("label_every", Axis::Perception, 1, 4, 1, "every how many ticks a number is printed")
        .dialled(1.0, 3.0),
    KnobSpec::int("tick_px", Axis::Perception, 8, 40, 14, "pixels between two ticks"),
    KnobSpec::choice(
        "theme",
        Axis::Perception,
        &["paper", "night", "faint"],
        "paper",
        "colours; faint has little contrast",
    ),
];

/// Curves by colour.
const COLORS: [(&str, Rgb); 4] =
    [("Blue", [30, 80, 220]), ("Red", [220, 40, 40]), ("Green", [20, 140, 50]), ("Orange", [235, 130, 10])];

/// Numbers are whole counts of this share of 1.
const ONE: i64 = 10_000;

/// How many plots are drawn before the knobs are said to contradict each other.
const TRIES: usize = 2_000;

/// How many answers [`Env::legal_actions`] samples.
const SAMPLED: usize = 8;

/// Pixels above and to the right of the plot, and for labels below and to the left.
const EDGE_PX: u32 = 8;
const LABEL_PX: u32 = 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Mark {
    Line,
    Dashed,
    Points,
    Noisy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Theme {
    Paper,
    Night,
    Faint,
}

impl Theme {
    /// Background, lines at the ticks, axes, ink.
    fn colors(self) -> [Rgb; 4] {
        match self {
            Self::Paper => [[255, 255, 255], [222, 222, 228], [120, 120, 130], [30, 30, 36]],
            Self::Night => [[24, 26, 36], [52, 55, 70], [120, 124, 140], [220, 222, 230]],
            Self::Faint => [[186, 186, 186], [178, 178, 178], [160, 160, 160], [120, 120, 120]],
        }
    }

    fn curve(self, color: usize) -> Rgb {
        let plain = COLORS[color % COLORS.len()].1;
        match self {
            Self::Paper => plain,
            Self::Night => plain.map(|v| v.saturating_add(60 - v / 6)),
            Self::Faint => plain.map(|v| (120 + u16::from(v) / 5) as u8),
        }
    }
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Question {
    /// y at this tick.
    Value(i32),
    /// The largest x where y is that at this tick.
    Solve(i32),
    /// The slope at this tick.
    Slope(i32),
    /// The turning point or the highest point.
    Turning,
    /// All parameters.
    Parameters,
}

impl Question {
    fn kind(self) -> &'static str {
        match self {
            Self::Value(_) => "value",
            Self::Solve(_) => "solve",
            Self::Slope(_) => "slope",
            Self::Turning => "turning",
            Self::Parameters => "parameters",
        }
    }
}

/// Whether a question makes sense for a family.
fn offers(family: Family, question: &str) -> bool {
    use Family::{Abs, Circle, Line, Parabola, Polyline, Sine};
    match question {
        "value" => family != Circle,
        "solve" | "slope" => matches!(family, Line | Parabola | Abs),
        "turning" => matches!(family, Parabola | Abs | Polyline | Sine),
        "parameters" => matches!(family, Line | Parabola | Abs | Sine | Circle),
        _ => true,
    }
}

/// A number that is asked for: its name, its value and how far off an answer may be.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Gold {
    name: &'static str,
    value: i64,
    tolerance: i64,
}

/// An answer: names with numbers, in ten-thousandths.
#[derive(Clone, Debug, PartialEq)]
pub struct Numbers(Vec<(&'static str, i64)>);

impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<String> = self.0.iter().map(|(name, v)| format!("{name}={}", decimal(*v))).collect();
        f.write_str(&all.join(", "))
    }
}

/// Ten-thousandths as a plain decimal.
fn decimal(value: i64) -> String {
    let (whole, part) = (value.abs() / ONE, value.abs() % ONE);
    let sign = if value < 0 { "-" } else { "" };
    if part == 0 {
        return format!("{sign}{whole}");
    }
    let digits = format!("{part:04}");
    format!("{sign}{whole}.{}", digits.trim_end_matches('0'))
}

/// A plain decimal as ten-thousandths, rounded: no exponent, no `nan`, no `inf`.
fn number(text: &str) -> Option<i64> {
    let plain = text.strip_prefix('-').unwrap_or(text);
    let (whole, part) = plain.split_once('.').unwrap_or((plain, "0"));
    let digits =
        |s: &str, most: usize| (1..=most).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole, 6) || !digits(part, 8) {
        return None;
    }
    let padded = format!("{part:0<8}");
    let value = whole.parse::<i64>().ok()? * ONE + (padded.parse::<i64>().ok()? + 5_000) / 10_000;
    Some(if text.starts_with('-') { -value } else { value })
}

/// A number as words of letters, digits and hyphens.
fn spoken(value: i64) -> String {
    decimal(value).replace('.', " point ")
}

/// The state of a plot task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Plot {
    range: i32,
    tick_px: u32,
    grid: bool,
    label_every: i32,
    mark: Mark,
    theme: Theme,
    /// Units of a tick along x and y.
    units: (i64, i64),
    curves: Vec<Curve>,
    /// Indices of their colours.
    colors: Vec<usize>,
    /// The curve that is asked for.
    asked: usize,
    question: Question,
    /// Where noise and sampled answers come from.
    looks: Seed,
    outcome: Option<Outcome>,
}

/// A state as read from a file, not yet checked.
#[derive(Deserialize)]
struct Unchecked {
    range: i32,
    tick_px: u32,
    grid: bool,
    label_every: i32,
    mark: Mark,
    theme: Theme,
    units: (i64, i64),
    curves: Vec<Curve>,
    colors: Vec<usize>,
    asked: usize,
    question: Question,
    looks: Seed,
    outcome: Option<Outcome>,
}

impl TryFrom<Unchecked> for Plot {
    type Error = String;

    fn try_from(raw: Unchecked) -> Result<Self, String> {
        let sizes = (3..=10).contains(&raw.range) && (8..=40).contains(&raw.tick_px);
        let units = [raw.units.0, raw.units.1].into_iter().all(|u| [1, 2, 5, 10].contains(&u));
        if !sizes || !units || !(1..=4).contains(&raw.label_every) {
            return Err("range, tick_px, units or label_every is out of range".into());
        }
        let counts = (1..=4).contains(&raw.curves.len()) && raw.colors.len() == raw.curves.len();
        let colors = raw.colors.iter().all(|c| *c < COLORS.len());
        if !counts || !colors || !raw.curves.iter().all(Curve::is_sound) || raw.asked >= raw.curves.len() {
            return Err("a curve cannot be drawn, or none is asked for".into());
        }
        let curve = &raw.curves[raw.asked];
        let exact = match raw.question {
            Question::Value(x) | Question::Solve(x) | Question::Slope(x) => {
                x.abs() <= raw.range && curve.height4(x).is_some()
            }
            _ => true,
        };
        if !exact || !offers(curve.family(), raw.question.kind()) {
            return Err(format!("{:?} of a {}", raw.question, curve.family().name()));
        }
        Ok(Self {
            range: raw.range,
            tick_px: raw.tick_px,
            grid: raw.grid,
            label_every: raw.label_every,
            mark: raw.mark,
            theme: raw.theme,
            units: raw.units,
            curves: raw.curves,
            colors: raw.colors,
            asked: raw.asked,
            question: raw.question,
            looks: raw.looks,
            outcome: raw.outcome,
        })
    }
}

/// Where the plot lies in the picture.
struct Frame {
    left: u32,
    top: u32,
    /// Pixels from the lowest to the highest tick.
    side: u32,
    tick: f32,
    range: f32,
}

impl Frame {
    /// The pixel of a place given in ticks.
    fn at(&self, x: f32, y: f32) -> (f32, f32) {
        let (left, top) = (self.left as f32 + 0.5, self.top as f32 + 0.5);
        (left + (x + self.range) * self.tick, top + (self.range - y) * self.tick)
    }
}

impl Plot {
    /// The curve that is asked for. `asked` is checked whenever a state is made.
    fn curve(&self) -> &Curve {
        &self.curves[self.asked]
    }

    fn color(&self, index: usize) -> &'static str {
        COLORS[self.colors.get(index).copied().unwrap_or(0) % COLORS.len()].0
    }

    /// A place along x or y in ten-thousandths, from quarters of a tick.
    fn place(quarters: i32, unit: i64) -> i64 {
        i64::from(quarters) * unit * ONE / 4
    }

    /// A slope in ten-thousandths, from quarters of a tick for a tick.
    fn slope(&self, quarters: i32) -> i64 {
        i64::from(quarters) * self.units.1 * ONE / 4 / self.units.0
    }

    /// The numbers that are asked for.
    fn gold(&self) -> Vec<Gold> {
        let (ux, uy) = self.units;
        let curve = self.curve();
        let x = |name, quarters| Gold { name, value: Self::place(quarters, ux), tolerance: ux * ONE / 10 };
        let y = |name, quarters| Gold { name, value: Self::place(quarters, uy), tolerance: uy * ONE / 10 };
        let factor = |name, value: i64| Gold { name, value, tolerance: (value.abs() / 20).max(1) };
        let bend = |a4: &i32| i64::from(*a4) * uy * ONE / 4 / (ux * ux);
        match (self.question, curve) {
            (Question::Value(at), _) => vec![y("y", curve.height4(at).unwrap_or(0))],
            (Question::Solve(at), _) => vec![x("x", 4 * at)],
            (Question::Slope(at), Curve::Parabola { a4, h, .. }) => {
                vec![factor("m", self.slope(2 * a4 * (at - h)))]
            }
            (Question::Slope(at), Curve::Abs { a4, h, .. }) => {
                vec![factor("m", self.slope(a4 * (at - h).signum()))]
            }
            (Question::Slope(_), Curve::Line { m4, .. }) => vec![factor("m", self.slope(*m4))],
            (Question::Turning, Curve::Parabola { h, k, .. } | Curve::Abs { h, k, .. }) => {
                vec![x("x", 4 * h), y("y", 4 * k)]
            }
            (Question::Turning, Curve::Polyline { corners }) => {
                let top = corners.iter().max_by_key(|(_, y)| *y).copied().unwrap_or_default();
                vec![x("x", 4 * top.0), y("y", 4 * top.1)]
            }
            (Question::Turning, Curve::Sine { a, k, .. }) => vec![y("y", 4 * (k + a.abs()))],
            (_, Curve::Line { m4, b }) => vec![factor("m", self.slope(*m4)), y("b", 4 * b)],
            (_, Curve::Parabola { a4, h, k }) => vec![factor("a", bend(a4)), x("h", 4 * h), y("k", 4 * k)],
            (_, Curve::Abs { a4, h, k }) => vec![factor("a", self.slope(*a4)), x("h", 4 * h), y("k", 4 * k)],
            (_, Curve::Sine { a, period, k }) => {
                vec![y("a", 4 * a.abs()), x("p", 4 * period), y("k", 4 * k)]
            }
            (_, Curve::Circle { x: at, y: up, radius }) => {
                vec![x("x", 4 * at), y("y", 4 * up), x("r", 4 * radius)]
            }
            _ => Vec::new(),
        }
    }

    /// Ticks at which the curve has a height that can be read.
    fn readable(&self, curve: &Curve, between: bool) -> Vec<i32> {
        let inside = |x: &i32| {
            curve.height4(*x).is_some_and(|y4| y4.abs() <= 4 * self.range && (between || y4 % 4 == 0))
        };
        (-self.range..=self.range).filter(inside).collect()
    }

    /// A question of the wanted kind that the plot answers; `None` when there is none.
    fn ask(&self, wanted: &str, between: bool, rng: &mut Rng) -> Option<Question> {
        let curve = self.curve();
        let kinds = ["value", "solve", "slope", "turning", "parameters"];
        let kinds: Vec<&str> = kinds
            .into_iter()
            .filter(|k| (wanted == "mixed" || *k == wanted) && offers(curve.family(), k))
            .collect();
        let ticks = self.readable(curve, between);
        // A curve that passes only a corner of the plot tells too little.
        if curve.family() != Family::Circle && self.readable(curve, true).len() < 3 {
            return None;
        }
        match *rng.choose(&kinds)? {
            "value" => rng.choose(&ticks).map(|x| Question::Value(*x)),
            "solve" => {
                let last = |x: &&i32| match curve {
                    Curve::Parabola { h, .. } | Curve::Abs { h, .. } => *x >= h,
                    _ => true,
                };
                let ticks: Vec<&i32> = ticks.iter().filter(last).collect();
                rng.choose(&ticks).map(|x| Question::Solve(**x))
            }
            "slope" => {
                let ticks: Vec<i32> = match curve {
                    Curve::Parabola { h, .. } | Curve::Abs { h, .. } => {
                        self.readable(curve, true).into_iter().filter(|x| x != h).collect()
                    }
                    _ => vec![0],
                };
                rng.choose(&ticks).map(|x| Question::Slope(*x))
            }
            "turning" => {
                if let Curve::Polyline { corners } = curve {
                    let top = corners.iter().map(|c| c.1).max()?;
                    if corners.iter().filter(|c| c.1 == top).count() > 1 {
                        return None;
                    }
                }
                Some(Question::Turning)
            }
            _ => Some(Question::Parameters),
        }
    }

    /// Every how many ticks numbers are printed along x and y, so that they do not touch.
    fn label_steps(&self) -> (i32, i32) {
        let fits = |px: u32| px.div_ceil(self.tick_px) as i32;
        let (x, _) = self.label_widths();
        (self.label_every.max(fits(x + 4)), self.label_every.max(fits(9)))
    }

    /// Pixels of the widest number along x and y.
    fn label_widths(&self) -> (u32, u32) {
        let width = |unit: i64| {
            let text = decimal(-i64::from(self.range) * unit * ONE);
            Canvas::text_width(&text, 1.0) as u32
        };
        (width(self.units.0), width(self.units.1))
    }

    fn frame(&self) -> Frame {
        Frame {
            left: LABEL_PX.max(self.label_widths().1 + 4),
            top: EDGE_PX,
            side: 2 * self.range as u32 * self.tick_px,
            tick: self.tick_px as f32,
            range: self.range as f32,
        }
    }

    /// Points along a curve in ticks: its corners where it is straight, else close together.
    fn points(&self, curve: &Curve, apart: f32) -> Vec<(f32, f32)> {
        let range = self.range as f32;
        if let Curve::Circle { x, y, radius } = curve {
            let radius = *radius as f32;
            let count = (radius * 6.3 / apart).ceil().max(8.0);
            let point = |n: usize| {
                let (dx, dy) = on_circle(n as f32 / count);
                (*x as f32 + radius * dx, *y as f32 + radius * dy)
            };
            return (0..=count as usize).map(point).collect();
        }
        let count = (2.0 * range / apart).round().max(1.0);
        let at = |n: usize| -range + 2.0 * range * n as f32 / count;
        (0..=count as usize).filter_map(|n| curve.height(at(n)).map(|y| (at(n), y))).collect()
    }

    fn draw_curve(&self, canvas: &mut Canvas, frame: &Frame, index: usize) {
        let curve = &self.curves[index];
        let color = self.theme.curve(self.colors[index]);
        let pixels =
            |points: Vec<(f32, f32)>| points.into_iter().map(|(x, y)| frame.at(x, y)).collect::<Vec<_>>();
        match self.mark {
            Mark::Line => {
                let apart = match curve {
                    Curve::Line { .. } => 2.0 * frame.range,
                    Curve::Abs { .. } | Curve::Polyline { .. } => 1.0,
                    _ => 4.0 / frame.tick,
                };
                canvas.polyline(&pixels(self.points(curve, apart)), 2.0, color);
            }
            Mark::Dashed => {
                let points = pixels(self.points(curve, 4.0 / frame.tick));
                for (n, pair) in points.windows(2).enumerate().filter(|(n, _)| n % 3 < 2) {
                    debug_assert!(n < points.len());
                    canvas.line(pair[0], pair[1], 2.0, color);
                }
            }
            Mark::Points | Mark::Noisy => {
                let mut rng = self.looks.split("noise", index as u64).rng();
                for (x, y) in self.points(curve, 0.5) {
                    let off = if self.mark == Mark::Noisy { (rng.unit() as f32 - 0.5) * 0.4 } else { 0.0 };
                    let (px, py) = frame.at(x, y + off);
                    canvas.fill_circle(px, py, 2.0, color);
                }
            }
        }
    }

    fn draw_axes(&self, canvas: &mut Canvas, frame: &Frame, before: bool) {
        let [back, grid, axis, ink] = self.theme.colors();
        let (left, top, side) = (frame.left as i32, frame.top as i32, frame.side);
        let tick = self.tick_px as i32;
        let (right, bottom) = (left + side as i32, top + side as i32);
        if before {
            for n in (0..=2 * self.range).filter(|_| self.grid) {
                canvas.fill_rect(left + n * tick, top, 1, side, grid);
                canvas.fill_rect(left, top + n * tick, side, 1, grid);
            }
            canvas.fill_rect(left + self.range * tick, top, 1, side, axis);
            canvas.fill_rect(left, top + self.range * tick, side, 1, axis);
            return;
        }
        let (width, height) = (canvas.width(), canvas.height());
        canvas.fill_rect(0, 0, width, top as u32, back);
        canvas.fill_rect(0, bottom + 1, width, height, back);
        canvas.fill_rect(0, 0, left as u32, height, back);
        canvas.fill_rect(right + 1, 0, width, height, back);
        canvas.frame(left, top, side + 1, side + 1, 1, ink);
        let (every_x, every_y) = self.label_steps();
        for n in -self.range..=self.range {
            let (x, y) = (left + (n + self.range) * tick, top + (self.range - n) * tick);
            canvas.fill_rect(x, bottom, 1, 4, ink);
            canvas.fill_rect(left - 3, y, 4, 1, ink);
            let text = |unit: i64| decimal(i64::from(n) * unit * ONE);
            if n % every_x == 0 {
                let text = text(self.units.0);
                let half = Canvas::text_width(&text, 1.0) / 2.0;
                canvas.text(&text, (x as f32 + 0.5 - half).round(), bottom as f32 + 6.0, 1.0, ink);
            }
            if n % every_y == 0 {
                let text = text(self.units.1);
                let from = left as f32 - 5.0 - Canvas::text_width(&text, 1.0);
                canvas.text(&text, from, y as f32 - 3.0, 1.0, ink);
            }
        }
    }

    /// A number that fits a name.
    fn random(&self, name: &'static str, rng: &mut Rng) -> i64 {
        let (ux, uy) = self.units;
        let tick = rng.between(-i64::from(self.range), i64::from(self.range));
        match (name, self.curve()) {
            ("x" | "h", _) => tick * ux * ONE,
            ("r", _) => (1 + tick.abs() / 2) * ux * ONE,
            ("p", _) => (4 + 4 * tick.abs() % 3) * ux * ONE,
            ("a", Curve::Sine { .. }) => (1 + tick.abs() / 2) * uy * ONE,
            ("m" | "a", _) => self.slope([-8, -4, -2, 2, 4, 8][rng.below(6)]),
            _ => tick * uy * ONE,
        }
    }

    fn sample(&self, rng: &mut Rng) -> Numbers {
        Numbers(self.gold().iter().map(|g| (g.name, self.random(g.name, rng))).collect())
    }

    fn report(&self, reward: f32, score: f32, legal: bool) -> Step {
        Step { reward, score, legal, status: self.status() }
    }

    /// What is read off the plot, in units.
    fn evidence(&self) -> String {
        let (ux, uy) = self.units;
        let curve = self.curve();
        let x = |tick: i32| spoken(Self::place(4 * tick, ux));
        let y = |tick: i32| spoken(Self::place(curve.height4(tick).unwrap_or(0), uy));
        let level = |tick: i32| spoken(Self::place(4 * tick, uy));
        let seen = |tick: i32| format!("at x {} y {}", x(tick), y(tick));
        match (self.question, curve) {
            (Question::Value(at), _) => {
                let quarters = i64::from(curve.height4(at).unwrap_or(0)) * ONE / 4;
                format!("x {} is tick {at} height {} ticks", x(at), spoken(quarters))
            }
            (Question::Solve(at), _) => {
                let quarters = i64::from(curve.height4(at).unwrap_or(0)) * ONE / 4;
                format!("height {} ticks last at tick {at}", spoken(quarters))
            }
            (_, Curve::Parabola { h, .. } | Curve::Abs { h, .. }) => {
                let on = if *h < self.range { h + 1 } else { h - 1 };
                format!("turning {} {}", seen(*h), seen(on))
            }
            (_, Curve::Line { m4, .. }) => {
                let on = if m4 % 4 == 0 {
                    1
                } else if m4 % 2 == 0 {
                    2
                } else {
                    4.min(self.range)
                };
                format!("{} {}", seen(0), seen(on))
            }
            (_, Curve::Sine { a, k, period }) => {
                format!("top {} bottom {} again after {}", level(k + a.abs()), level(k - a.abs()), x(*period))
            }
            (_, Curve::Circle { x: at, y: up, radius }) => format!(
                "left {} right {} bottom {} top {}",
                x(at - radius),
                x(at + radius),
                level(up - radius),
                level(up + radius)
            ),
            (_, Curve::Polyline { .. }) => "highest corner".into(),
        }
    }

    fn task(&self) -> String {
        let curve = self.curve();
        let (ux, uy) = self.units;
        let place = |q: i32, unit: i64| decimal(Self::place(q, unit));
        let of = format!("the {} {}", self.color(self.asked).to_lowercase(), curve.family().name());
        match (self.question, curve) {
            (Question::Value(x), _) => format!("Give y of {of} at x = {}.", place(4 * x, ux)),
            (Question::Solve(x), _) => {
                format!(
                    "Give the largest x where {of} is at y = {}.",
                    place(curve.height4(x).unwrap_or(0), uy)
                )
            }
            (Question::Slope(_), Curve::Line { .. }) => format!("Give the slope m of {of}."),
            (Question::Slope(x), _) => format!("Give the slope m of {of} at x = {}.", place(4 * x, ux)),
            (Question::Turning, Curve::Polyline { .. }) => format!("Give x, y of the highest point of {of}."),
            (Question::Turning, Curve::Sine { .. }) => format!("Give the largest y of {of}."),
            (Question::Turning, _) => format!("Give x, y of the turning point of {of}."),
            (_, Curve::Line { .. }) => format!("Give m, b of {of} y = m x + b."),
            (_, Curve::Parabola { .. }) => format!("Give a, h, k of {of} y = a (x - h)^2 + k."),
            (_, Curve::Abs { .. }) => format!("Give a, h, k of {of} y = a |x - h| + k."),
            (_, Curve::Sine { .. }) => {
                format!("Give the amplitude a, the period p and the middle k (a height) of {of}.")
            }
            (_, Curve::Circle { .. }) => format!("Give the centre x, y and the radius r of {of}."),
            (_, Curve::Polyline { .. }) => String::new(),
        }
    }
}

impl Env for Plot {
    type Action = Numbers;

    fn spec() -> &'static EnvSpec {
        &SPEC
    }

    fn reset(seed: Seed, knobs: &Knobs) -> Result<Self, KnobError> {
        let conflict = |detail: String| KnobError::Conflict { env: SPEC.id.into(), detail };
        let (family, question) = (knobs.choice("family"), knobs.choice("question"));
        let families: Vec<Family> = Family::ALL
            .into_iter()
            .filter(|f| family == "mixed" || f.name() == family)
            .filter(|f| question == "mixed" || offers(*f, question))
            .collect();
        if families.is_empty() {
            return Err(conflict(format!("question = {question} cannot be asked of family = {family}")));
        }
        let mut rng = seed.split("plot", 0).rng();
        let count = knobs.size("curves");
        let range = i32::try_from(knobs.int("range")).unwrap_or(4);
        for _ in 0..TRIES {
            let mut colors: Vec<usize> = (0..COLORS.len()).collect();
            rng.shuffle(&mut colors);
            colors.truncate(count);
            let curves: Vec<Curve> = (0..count)
                .map(|_| Curve::draw(rng.choose(&families).copied().unwrap_or(Family::Line), range, &mut rng))
                .collect();
            let asked = rng.below(count);
            let mut units = (1, 1);
            if knobs.flag("units") {
                let mut unit = || [1, 2, 5, 10][rng.below(4)];
                units = (unit(), unit());
                if curves[asked].family() == Family::Circle {
                    units.1 = units.0;
                }
            }
            let mut game = Self {
                range,
                tick_px: u32::try_from(knobs.size("tick_px")).unwrap_or(14),
                grid: knobs.flag("grid"),
                label_every: i32::try_from(knobs.int("label_every")).unwrap_or(1),
                mark: match knobs.choice("mark") {
                    "dashed" => Mark::Dashed,
                    "points" => Mark::Points,
                    "noisy" => Mark::Noisy,
                    _ => Mark::Line,
                },
                theme: match knobs.choice("theme") {
                    "night" => Theme::Night,
                    "faint" => Theme::Faint,
                    _ => Theme::Paper,
                },
                units,
                curves,
                colors,
                asked,
                question: Question::Parameters,
                looks: seed.split("looks", 0),
                outcome: None,
            };
            let distinct = (0..count).all(|i| !game.curves[..i].contains(&game.curves[i]));
            let found = game.ask(question, knobs.flag("between"), &mut rng);
            if let Some(found) = found.filter(|_| distinct) {
                game.question = found;
                return Ok(game);
            }
        }
        Err(conflict(format!("no plot of a {family} was found that answers question = {question}")))
    }

    fn rules(&self) -> String {
        format!("Read the plot. {}", self.task())
    }

    fn render(&self) -> Image {
        let frame = self.frame();
        let width = (frame.left + frame.side + EDGE_PX).next_multiple_of(28);
        let height = (frame.top + frame.side + LABEL_PX).next_multiple_of(28);
        let mut canvas = Canvas::new(width, height, self.theme.colors()[0]);
        self.draw_axes(&mut canvas, &frame, true);
        for index in 0..self.curves.len() {
            self.draw_curve(&mut canvas, &frame, index);
        }
        self.draw_axes(&mut canvas, &frame, false);
        canvas.into_image()
    }

    fn parse(&self, answer: &str) -> Result<Numbers, ParseError> {
        let wrong = || ParseError::grammar(answer, GRAMMAR);
        if answer.trim().len() > 120 {
            return Err(wrong());
        }
        let gold = self.gold();
        let mut parts = answer.trim().split(',');
        let mut numbers = Vec::with_capacity(gold.len());
        for wanted in &gold {
            let (name, value) = parts.next().and_then(|p| p.split_once('=')).ok_or_else(wrong)?;
            let value = number(value.trim()).filter(|_| name.trim() == wanted.name).ok_or_else(wrong)?;
            numbers.push((wanted.name, value));
        }
        if parts.next().is_some() { Err(wrong()) } else { Ok(Numbers(numbers)) }
    }

    fn step(&mut self, action: &Numbers) -> Step {
        if self.outcome.is_some() {
            return self.report(0.0, 0.0, false);
        }
        let gold = self.gold();
        let right =
            gold.iter().zip(&action.0).filter(|(g, (_, v))| (g.value - v).abs() <= g.tolerance).count();
        let all = right == gold.len();
        self.outcome = Some(if all { Outcome::Success } else { Outcome::Failure });
        self.report(f32::from(u8::from(all)), right as f32 / gold.len().max(1) as f32, true)
    }

    fn pass(&mut self) -> Step {
        self.outcome = self.outcome.or(Some(Outcome::Truncated));
        self.report(0.0, 0.0, false)
    }

    fn oracle(&self) -> Numbers {
        Numbers(self.gold().iter().map(|g| (g.name, g.value)).collect())
    }

    /// What is read off the plot, then the numbers that follow from it.
    fn reason(&self, action: &Numbers) -> String {
        let numbers: Vec<String> =
            action.0.iter().map(|(name, v)| format!("{name} {}", spoken(*v))).collect();
        format!("{} {} so {}", self.color(self.asked), self.evidence(), numbers.join(" "))
    }

    /// The ticks of x and of y in units, then a line a curve: its colour, its kind and its heights at the
    /// ticks, `-` where it is outside or between quarters of a tick. Of a circle: left, right, bottom, top.
    fn perception(&self) -> Perception {
        let ticks = |name: &str, unit: i64| {
            let (low, high) = (-i64::from(self.range) * unit, i64::from(self.range) * unit);
            format!("{name} {low} to {high} by {unit}")
        };
        let mut lines = vec![ticks("x", self.units.0), ticks("y", self.units.1)];
        for (index, curve) in self.curves.iter().enumerate() {
            let (ux, uy) = self.units;
            let words: Vec<String> = if let Curve::Circle { x, y, radius } = curve {
                let ends = [(x - radius, ux), (x + radius, ux), (y - radius, uy), (y + radius, uy)];
                ends.map(|(tick, unit)| decimal(Self::place(4 * tick, unit))).into()
            } else {
                let seen = |x| curve.height4(x).filter(|y| y.abs() <= 4 * self.range);
                let word = |x| seen(x).map_or("-".into(), |y| decimal(Self::place(y, uy)));
                (-self.range..=self.range).map(word).collect()
            };
            lines.push(format!("{} {} {}", self.color(index), curve.family().name(), words.join(" ")));
        }
        let colors: Vec<&str> = (0..self.curves.len()).map(|i| self.color(i)).collect();
        let data =
            json!({ "range": self.range, "units": self.units, "curves": self.curves, "colors": colors });
        Perception { text: lines.join("\n"), data }
    }

    /// Random numbers with the names that are asked for, always the same for one state.
    fn legal_actions(&self) -> Vec<Numbers> {
        if self.outcome.is_some() {
            return Vec::new();
        }
        let mut rng = self.looks.split("samples", 0).rng();
        (0..SAMPLED).map(|_| self.sample(&mut rng)).collect()
    }

    fn guess(&self, rng: &mut Rng) -> Option<Numbers> {
        self.outcome.is_none().then(|| self.sample(rng))
    }

    fn status(&self) -> Status {
        self.outcome.map_or(Status::Running, Status::Done)
    }
}

#[cfg(test)]
mod tests;
