//! Bar, line and pie charts: data, axis and drawing, shared by the chart tasks.

use std::fmt;

use eyas_core::{Image, Rng, Seed};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::circle::on_circle;
use crate::draw::{Canvas, Font, PALETTE, Rgb, WHITE};
use crate::{Axis, KnobSpec, Knobs, Perception};

/// The kind of chart as a knob.
pub(super) const CHART: KnobSpec = KnobSpec::choice(
    "chart",
    Axis::Perception,
    &["bar", "line", "mixed", "pie"],
    "bar",
    "kind of chart, mixed: any of the three; a pie has one series",
)
.dialled(0.0, 2.0);
/// Categories as a knob.
pub(super) const CATEGORIES: KnobSpec =
    KnobSpec::int("categories", Axis::Reasoning, 2, 10, 4, "labels of the chart").dialled(3.0, 8.0);
/// Series as a knob.
pub(super) const SERIES: KnobSpec =
    KnobSpec::int("series", Axis::Reasoning, 1, 3, 1, "values for each label, told apart by colour")
        .dialled(1.0, 3.0);
/// The largest value as a knob.
pub(super) const LARGEST: KnobSpec =
    KnobSpec::int("largest", Axis::Perception, 5, 100, 10, "largest value; a larger one is finer to read")
        .dialled(10.0, 100.0);
/// A logarithmic axis as a knob.
pub(super) const LOG_AXIS: KnobSpec = KnobSpec::flag(
    "log_axis",
    Axis::Perception,
    false,
    "a logarithmic axis from 1 to 1000, values of one digit and zeros (not for pies)",
);
/// Printed values as a knob.
pub(super) const VALUE_LABELS: KnobSpec =
    KnobSpec::flag("value_labels", Axis::Perception, true, "print every value; pies: else their total")
        .dialled(1.0, 0.0);
/// Axis numbers left out as a knob.
pub(super) const MISSING: KnobSpec =
    KnobSpec::int("missing", Axis::Perception, 0, 6, 0, "axis numbers left out; two always stay")
        .dialled(0.0, 3.0);
/// Grid lines as a knob.
pub(super) const GRID: KnobSpec =
    KnobSpec::flag("grid", Axis::Perception, true, "lines across the chart at the axis numbers");
/// The font as a knob.
pub(super) const FONT: KnobSpec =
    KnobSpec::choice("font", Axis::Perception, Font::NAMES, "sans", "font of all text");
/// Colours as a knob.
pub(super) const THEME: KnobSpec = KnobSpec::choice(
    "theme",
    Axis::Perception,
    &["light", "dark", "faint"],
    "light",
    "colours; faint has little contrast",
);
/// The side of the picture as a knob.
pub(super) const SIDE: KnobSpec =
    KnobSpec::int("side_px", Axis::Perception, 112, 448, 168, "pixels along each side of the picture")
        .dialled_by(168.0, 280.0, 28.0);

const LABELS: [[&str; 10]; 3] = [
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct"],
    ["Oslo", "Rome", "Lima", "Bern", "Kyiv", "Cork", "Nice", "Graz", "Riga", "Baku"],
    ["Tea", "Rice", "Corn", "Oats", "Nuts", "Figs", "Plum", "Kiwi", "Lime", "Salt"],
];
const NAMES: [&str; 6] = ["Ana", "Ben", "Eva", "Max", "Ida", "Tom"];
/// Colours after the eight of the palette.
const MORE_COLORS: [Rgb; 2] = [[240, 120, 170], [120, 130, 60]];
/// Decades of a logarithmic axis.
const DECADES: u32 = 3;

/// A number of up to three decimals, in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Milli(pub u64);

impl Milli {
    pub(super) fn whole(n: u32) -> Self {
        Self(u64::from(n) * 1000)
    }

    /// A plain number that is not negative: up to nine digits, up to three decimals.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str, most: usize| {
            (1..=most).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit())
        };
        if !digits(whole, 9) || !digits(decimals, 3) || (whole.len() > 1 && whole.starts_with('0')) {
            return None;
        }
        let (whole, part): (u64, u64) = (whole.parse().ok()?, decimals.parse().ok()?);
        let scale = [100, 10, 1].get(decimals.len() - 1)?;
        Some(Self(whole * 1000 + part * scale))
    }
}

impl fmt::Display for Milli {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0 / 1000)?;
        if self.0.is_multiple_of(1000) {
            return Ok(());
        }
        write!(f, ".{}", format!("{:03}", self.0 % 1000).trim_end_matches('0'))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Bar,
    Line,
    Pie,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Theme {
    Light,
    Dark,
    Faint,
}

impl Theme {
    fn ground(self) -> Rgb {
        match self {
            Self::Light => WHITE,
            Self::Dark => [28, 30, 38],
            Self::Faint => [226, 226, 222],
        }
    }

    fn ink(self) -> Rgb {
        match self {
            Self::Light => [36, 36, 44],
            Self::Dark => [232, 234, 240],
            Self::Faint => [164, 164, 162],
        }
    }

    fn line(self) -> Rgb {
        match self {
            Self::Light => [210, 212, 218],
            Self::Dark => [66, 70, 84],
            Self::Faint => [212, 212, 208],
        }
    }

    fn color(self, index: usize) -> Rgb {
        let color = PALETTE.iter().map(|(_, color)| *color).chain(MORE_COLORS).nth(index % 10);
        let color = color.unwrap_or([90, 90, 90]);
        match self {
            Self::Faint => {
                let ground = self.ground();
                [0, 1, 2].map(|i| ((u16::from(color[i]) * 3 + u16::from(ground[i]) * 7) / 10) as u8)
            }
            Self::Dark => color.map(|v| 60 + (u16::from(v) * 3 / 4) as u8),
            Self::Light => color,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Look {
    side_px: u32,
    theme: Theme,
    font: Font,
    grid: bool,
    value_labels: bool,
}

/// A chart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Chart {
    pub(super) kind: Kind,
    pub(super) labels: Vec<String>,
    /// Empty where there is one series only.
    pub(super) series: Vec<String>,
    /// Series by series, a value for each label.
    pub(super) values: Vec<Vec<u32>>,
    log: bool,
    /// End of the axis.
    top: u32,
    /// Axis numbers that are left out, by their place from the bottom.
    missing: Vec<usize>,
    look: Look,
}

impl Chart {
    pub(super) fn new(seed: Seed, knobs: &Knobs) -> Self {
        let mut rng = seed.split("chart", 0).rng();
        let kind = match knobs.choice("chart") {
            "bar" => Kind::Bar,
            "line" => Kind::Line,
            "pie" => Kind::Pie,
            _ => [Kind::Bar, Kind::Line, Kind::Pie][rng.below(3)],
        };
        let (categories, log) = (knobs.size("categories"), knobs.flag("log_axis") && kind != Kind::Pie);
        let series = if kind == Kind::Pie { 1 } else { knobs.size("series") };
        let largest = u32::try_from(knobs.int("largest")).unwrap_or(10);
        let top = if log { 10_u32.pow(DECADES) } else { largest.next_multiple_of(stride(largest)) };
        let mut values = vec![Vec::new(); series];
        for _ in 0..categories {
            let column = draw_column(&mut rng, series, largest, log, kind);
            values.iter_mut().zip(column).for_each(|(values, value)| values.push(value));
        }
        let mut chart = Self {
            kind,
            labels: pick_in_order(&mut rng, categories),
            series: pick_names(&mut rng, series),
            values,
            log,
            top,
            missing: Vec::new(),
            look: Look {
                side_px: u32::try_from(knobs.size("side_px")).unwrap_or(168),
                theme: match knobs.choice("theme") {
                    "dark" => Theme::Dark,
                    "faint" => Theme::Faint,
                    _ => Theme::Light,
                },
                font: Font::named(knobs.choice("font")),
                grid: knobs.flag("grid"),
                value_labels: knobs.flag("value_labels"),
            },
        };
        let mut ticks: Vec<usize> = (0..chart.ticks().len()).collect();
        rng.shuffle(&mut ticks);
        ticks.truncate(knobs.size("missing").min(ticks.len().saturating_sub(2)));
        chart.missing = ticks;
        chart
    }

    /// Whether a chart that was read from a file can be drawn and asked about.
    pub(super) fn check(&self) -> Result<(), String> {
        let (labels, rows) = (self.labels.len(), self.values.len());
        let plain =
            |name: &String| (1..=12).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric());
        let named = self.series.len() == if rows > 1 { rows } else { 0 };
        let shape = (2..=10).contains(&labels)
            && (1..=3).contains(&rows)
            && named
            && self.values.iter().all(|row| row.len() == labels);
        if !shape || !self.labels.iter().chain(&self.series).all(plain) {
            return Err("labels, series and values do not make a chart".into());
        }
        let numbers = (1..=1000).contains(&self.top)
            && self.values.iter().flatten().all(|v| (1..=self.top).contains(v))
            && (112..=448).contains(&self.look.side_px);
        numbers.then_some(()).ok_or_else(|| "a number is out of range".into())
    }

    pub(super) fn is_log(&self) -> bool {
        self.log
    }

    /// Every value is printed.
    pub(super) fn is_labelled(&self) -> bool {
        self.look.value_labels
    }

    /// End of the axis.
    pub(super) fn top(&self) -> u32 {
        self.top
    }

    /// A table row for every value: the label, with several series also its series.
    pub(super) fn rows(&self) -> Vec<(String, u32)> {
        let mut rows = Vec::new();
        for (i, label) in self.labels.iter().enumerate() {
            for (j, values) in self.values.iter().enumerate() {
                let name = self.series.get(j).map_or(label.clone(), |series| format!("{label} {series}"));
                rows.push((name, values.get(i).copied().unwrap_or(0)));
            }
        }
        rows
    }

    /// A row of names where there are several series (`-` above the labels), then one row a label.
    pub(super) fn perception(&self) -> Perception {
        let mut lines = Vec::new();
        if !self.series.is_empty() {
            lines.push(format!("- {}", self.series.join(" ")));
        }
        for (i, label) in self.labels.iter().enumerate() {
            let values: Vec<String> =
                self.values.iter().filter_map(|row| row.get(i)).map(u32::to_string).collect();
            lines.push(format!("{label} {}", values.join(" ")));
        }
        let data = json!({
            "kind": self.kind, "labels": self.labels, "series": self.series, "values": self.values,
        });
        Perception { text: lines.join("\n"), data }
    }

    /// The numbers of the axis.
    fn ticks(&self) -> Vec<u32> {
        if self.log {
            return (0..=DECADES).map(|power| 10_u32.pow(power)).collect();
        }
        (0..=self.top).step_by(stride(self.top) as usize).collect()
    }

    /// How far up the axis a value is, 0 to 1.
    pub(super) fn height(&self, value: u32) -> f32 {
        if self.log {
            (log10(value) / f64::from(DECADES)) as f32
        } else {
            value as f32 / self.top.max(1) as f32
        }
    }

    pub(super) fn render(&self) -> Image {
        let mut pen = Pen::new(self);
        if self.kind == Kind::Pie {
            pen.pie();
        } else {
            pen.axes();
            match self.kind {
                Kind::Line => pen.lines(),
                _ => pen.bars(),
            }
            pen.names();
        }
        pen.canvas.into_image()
    }
}

/// From one number of the axis to the next.
fn stride(top: u32) -> u32 {
    [1, 2, 5, 10, 20, 25, 50].into_iter().find(|step| top.div_ceil(*step) <= 5).unwrap_or(200)
}

/// The decimal logarithm, bit by bit from squares: the same on every platform.
fn log10(value: u32) -> f64 {
    const BITS: i32 = 40;
    let value = value.max(1);
    let whole = value.ilog2();
    let (mut part, mut log, mut bit) = (f64::from(value) / f64::from(1_u32 << whole), f64::from(whole), 0.5);
    for _ in 0..BITS {
        part *= part;
        if part >= 2.0 {
            part /= 2.0;
            log += bit;
        }
        bit /= 2.0;
    }
    log / std::f64::consts::LOG2_10
}

/// The values of one label: different ones, so that no mark hides another.
fn draw_column(rng: &mut Rng, series: usize, largest: u32, log: bool, kind: Kind) -> Vec<u32> {
    // A slice of a pie is never a sliver.
    let least = if kind == Kind::Pie { largest.div_ceil(6) } else { 1 };
    let mut column: Vec<u32> = Vec::new();
    while column.len() < series {
        let value = if log {
            // A bar of value 1 would have no height.
            let power = rng.below(DECADES as usize) as u32;
            rng.between(if power == 0 { 2 } else { 1 }, 9) as u32 * 10_u32.pow(power)
        } else {
            rng.between(i64::from(least), i64::from(largest)) as u32
        };
        if !column.contains(&value) {
            column.push(value);
        }
    }
    column
}

/// Labels of one pool, in its order.
fn pick_in_order(rng: &mut Rng, count: usize) -> Vec<String> {
    let pool = LABELS[rng.below(LABELS.len())];
    let mut places: Vec<usize> = (0..pool.len()).collect();
    rng.shuffle(&mut places);
    places.truncate(count);
    places.sort_unstable();
    places.into_iter().map(|i| pool[i].to_string()).collect()
}

fn pick_names(rng: &mut Rng, series: usize) -> Vec<String> {
    if series < 2 {
        return Vec::new();
    }
    let mut names = NAMES;
    rng.shuffle(&mut names);
    names.iter().take(series).map(|name| name.to_string()).collect()
}

/// Any label of the pools, with a name after it where `named`: what a guess is made of.
pub(super) fn any_label(rng: &mut Rng, named: bool) -> String {
    let label = LABELS[rng.below(LABELS.len())][rng.below(10)];
    if named { format!("{label} {}", NAMES[rng.below(NAMES.len())]) } else { label.to_string() }
}

/// A chart that is being drawn.
struct Pen<'a> {
    chart: &'a Chart,
    canvas: Canvas,
    /// Height of usual text.
    px: f32,
    left: f32,
    right: f32,
    upper: f32,
    lower: f32,
    /// Labels stand in two rows, as they have no room in one.
    staggered: bool,
}

impl<'a> Pen<'a> {
    fn new(chart: &'a Chart) -> Self {
        let look = chart.look;
        let side = look.side_px as f32;
        let px = (side / 14.0).clamp(9.0, 20.0);
        let canvas = Canvas::new(look.side_px, look.side_px, look.theme.ground());
        let widest = look.font.width(&chart.top.to_string(), px * 0.9);
        let (left, right) = (widest + 6.0, side - 3.0);
        let slot = (right - left) / chart.labels.len() as f32;
        let label = chart.labels.iter().map(|l| look.font.width(l, px)).fold(0.0, f32::max);
        let staggered = label > slot - 2.0;
        let legend = if chart.series.is_empty() { 0.0 } else { px + 4.0 };
        let values = if look.value_labels { px * 0.8 } else { 2.0 };
        let lower = side - px * if staggered { 2.0 } else { 1.0 } - 5.0;
        Self { chart, canvas, px, left, right, upper: px * 0.5 + values + legend, lower, staggered }
    }

    fn y(&self, value: u32) -> f32 {
        self.lower - (self.lower - self.upper) * self.chart.height(value)
    }

    fn slot(&self) -> f32 {
        (self.right - self.left) / self.chart.labels.len() as f32
    }

    /// The middle of a label's slot.
    fn x(&self, label: usize) -> f32 {
        self.left + self.slot() * (label as f32 + 0.5)
    }

    fn rect(&mut self, left: f32, top: f32, right: f32, bottom: f32, color: Rgb) {
        let (x, y) = (left.round(), top.round());
        let (width, height) = ((right.round() - x).max(1.0), (bottom.round() - y).max(1.0));
        self.canvas.fill_rect(x as i32, y as i32, width as u32, height as u32, color);
    }

    /// Grid, numbers and lines of both axes.
    fn axes(&mut self) {
        let Look { theme, font, grid, .. } = self.chart.look;
        let px = self.px * 0.9;
        for (i, tick) in self.chart.ticks().into_iter().enumerate() {
            let y = self.y(tick).round();
            let end = if grid { self.right } else { self.left };
            self.rect(self.left - 3.0, y, end, y + 1.0, theme.line());
            if !self.chart.missing.contains(&i) {
                let text = tick.to_string();
                let x = self.left - 4.0 - font.width(&text, px);
                self.canvas.label(&text, x, y - px / 2.0, px, font, theme.ink());
            }
        }
        self.rect(self.left, self.upper - 2.0, self.left + 1.0, self.lower + 1.0, theme.ink());
        self.rect(self.left, self.lower, self.right, self.lower + 1.0, theme.ink());
    }

    /// Labels below the axis, names of the series above the chart.
    fn names(&mut self) {
        let Look { theme, font, .. } = self.chart.look;
        let room = self.slot() * if self.staggered { 2.0 } else { 1.0 } - 2.0;
        for (i, label) in self.chart.labels.iter().enumerate() {
            let row = if self.staggered && i % 2 == 1 { 1.5 } else { 0.5 };
            let y = self.lower + 3.0 + self.px * row;
            // Labels at the edges of a staggered row stay inside the picture.
            let half = font.width(label, self.px).min(room) / 2.0;
            let x = self.x(i).clamp(half + 1.0, self.chart.look.side_px as f32 - half - 1.0);
            self.canvas.label_centred(label, x, y, room, self.px, font, theme.ink());
        }
        let share = (self.right - self.left) / self.chart.series.len().max(1) as f32;
        for (j, name) in self.chart.series.iter().enumerate() {
            let x = self.left + share * j as f32;
            let box_px = self.px * 0.7;
            let top = 2.0 + (self.px - box_px) / 2.0;
            self.rect(x, top, x + box_px, top + box_px, theme.color(j));
            self.canvas.label(name, x + box_px + 3.0, 2.0, self.px, font, theme.ink());
        }
    }

    fn value_label(&mut self, value: u32, x: f32, y: f32, room: f32) {
        let Look { theme, font, value_labels, .. } = self.chart.look;
        if value_labels {
            let px = self.px * 0.85;
            self.canvas.label_centred(&value.to_string(), x, y, room, px, font, theme.ink());
        }
    }

    fn bars(&mut self) {
        let theme = self.chart.look.theme;
        let series = self.chart.values.len();
        let wide = self.slot() * 0.8 / series as f32;
        for (j, values) in self.chart.values.iter().enumerate() {
            for (i, value) in values.iter().enumerate() {
                let left = self.x(i) + wide * (j as f32 - series as f32 / 2.0);
                let top = self.y(*value);
                let gap = if wide > 6.0 { 1.0 } else { 0.0 };
                self.rect(left, top, left + wide - gap, self.lower, theme.color(j));
                let room = if series == 1 { self.slot() } else { wide + 1.0 };
                self.value_label(*value, left + wide / 2.0, top - self.px * 0.45, room.max(self.px * 0.8));
            }
        }
    }

    fn lines(&mut self) {
        let theme = self.chart.look.theme;
        let thick = (self.px / 6.0).max(1.5);
        for (j, values) in self.chart.values.iter().enumerate() {
            let points: Vec<(f32, f32)> =
                values.iter().enumerate().map(|(i, v)| (self.x(i), self.y(*v))).collect();
            for pair in points.windows(2) {
                self.canvas.line(pair[0], pair[1], thick, theme.color(j));
            }
            for &(x, y) in &points {
                self.canvas.fill_circle(x, y, thick * 1.6, theme.color(j));
            }
        }
        for values in &self.chart.values {
            for (i, value) in values.iter().enumerate() {
                let (x, y) = (self.x(i), self.y(*value));
                // Below the point where another series is just above it.
                let crowded = self.chart.values.iter().filter_map(|row| row.get(i)).any(|other| {
                    let above = y - self.y(*other);
                    above > 0.0 && above < self.px * 1.8
                });
                let shift = if crowded { self.px * 0.75 } else { -self.px * 0.7 };
                self.value_label(*value, x, y + shift, self.slot());
            }
        }
    }

    fn pie(&mut self) {
        let Look { theme, font, side_px, value_labels, .. } = self.chart.look;
        let chart = self.chart;
        let Some(values) = chart.values.first() else { return };
        let (side, total) = (side_px as f32, values.iter().sum::<u32>().max(1));
        let radius = side * 0.33;
        let (x, y) = (radius + 4.0, side / 2.0);
        let place = |turn: f64, r: f32| {
            let (dx, dy) = on_circle(turn);
            (x + dx as f32 * r, y + dy as f32 * r)
        };
        let mut before = 0;
        for (i, value) in values.iter().enumerate() {
            let turn = |part: u32| f64::from(part) / f64::from(total);
            let steps = (turn(*value) * 90.0).ceil().max(1.0);
            let mut outline = vec![(x, y)];
            outline.extend(
                (0..=steps as u32)
                    .map(|step| place(turn(before) + turn(*value) * f64::from(step) / steps, radius)),
            );
            self.canvas.fill_polygon(&outline, theme.color(i));
            before += value;
        }
        before = 0;
        for value in values {
            let middle = (f64::from(before) + f64::from(*value) / 2.0) / f64::from(total);
            self.canvas.line(
                (x, y),
                place(f64::from(before) / f64::from(total), radius),
                1.0,
                theme.ground(),
            );
            if value_labels {
                let (lx, ly) = place(middle, radius * 0.72);
                let (text, px) = (value.to_string(), self.px * 0.95);
                let half = font.width(&text, px) / 2.0 + 1.0;
                self.rect(lx - half, ly - px * 0.45, lx + half, ly + px * 0.45, theme.ground());
                self.canvas.label_centred(&text, lx, ly, half * 2.0, px, font, theme.ink());
            }
            before += value;
        }
        let rows = chart.labels.len() as f32 + if value_labels { 0.0 } else { 1.0 };
        let (start, step) = (2.0 * radius + 12.0, (side / rows).min(self.px * 1.5));
        let top = (side - step * rows) / 2.0;
        let box_px = (step * 0.6).min(self.px * 0.8);
        for (i, label) in chart.labels.iter().enumerate() {
            let middle = top + step * (i as f32 + 0.5);
            self.rect(start, middle - box_px / 2.0, start + box_px, middle + box_px / 2.0, theme.color(i));
            let (left, px) = (start + box_px + 3.0, font.fit(label, self.px, side - start - box_px - 4.0));
            self.canvas.label(label, left, middle - px / 2.0, px, font, theme.ink());
        }
        if !value_labels {
            let text = format!("all {total}");
            let px = font.fit(&text, self.px, side - start - 2.0);
            self.canvas.label(&text, start, top + step * (rows - 0.5) - px / 2.0, px, font, theme.ink());
        }
    }
}

#[cfg(test)]
mod tests;
