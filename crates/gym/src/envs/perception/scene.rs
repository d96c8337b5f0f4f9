//! Scenes of coloured shapes, shared by the puzzles of seeing: what an object is, which pixels are its
//! own, how a scene is laid out and drawn.

use eyas_core::{Rng, Seed};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::draw::{
    BLACK, BLUE, BROWN, CYAN, Canvas, GREEN, LIGHT, ORANGE, PURPLE, RED, Rgb, Shape, WHITE, YELLOW,
};
use crate::{Axis, Cell, KnobSpec, Perception};

/// The visual token grid of the coarse cells, in pixels.
pub(super) const COARSE_PX: u32 = 28;

/// Sides that a picture may have, in pixels.
const SIDES: std::ops::RangeInclusive<u32> = 84..=448;

/// More objects or marks than this no knob asks for.
const MAX_COUNT: usize = 64;

/// No object is smaller than this, in pixels.
const MIN_SIZE: u32 = 6;

/// How many places are tried for one object.
const PLACE_TRIES: usize = 80;

/// How often all objects are laid out anew, smaller each time.
const LAYOUT_TRIES: usize = 18;

/// A coordinate has at most this many characters. Longer ones say nothing about a picture.
const MAX_NUMBER_LEN: usize = 24;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Tint {
    Red,
    Blue,
    Green,
    Yellow,
    Purple,
    Orange,
    Cyan,
    Brown,
}

impl Tint {
    /// All of them; the first few are told apart most easily.
    pub(super) const ALL: [Self; 8] = [
        Self::Red,
        Self::Blue,
        Self::Green,
        Self::Yellow,
        Self::Purple,
        Self::Orange,
        Self::Cyan,
        Self::Brown,
    ];

    pub(super) fn rgb(self) -> Rgb {
        match self {
            Self::Red => RED,
            Self::Blue => BLUE,
            Self::Green => GREEN,
            Self::Yellow => YELLOW,
            Self::Purple => PURPLE,
            Self::Orange => ORANGE,
            Self::Cyan => CYAN,
            Self::Brown => BROWN,
        }
    }

    /// Its name, one capitalised word.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Red => "Red",
            Self::Blue => "Blue",
            Self::Green => "Green",
            Self::Yellow => "Yellow",
            Self::Purple => "Purple",
            Self::Orange => "Orange",
            Self::Cyan => "Cyan",
            Self::Brown => "Brown",
        }
    }

    /// Its name in a phrase.
    pub(super) fn word(self) -> String {
        self.name().to_lowercase()
    }
}

/// The name of a shape in a phrase.
pub(super) fn shape_word(shape: Shape) -> String {
    shape.name().to_lowercase()
}

/// The name of several of a shape in a phrase.
pub(super) fn shape_plural(shape: Shape) -> String {
    shape_word(shape) + if shape == Shape::Cross { "es" } else { "s" }
}

/// Colour and shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Kind {
    pub(super) tint: Tint,
    pub(super) shape: Shape,
}

impl Kind {
    /// One word: colour and shape.
    pub(super) fn name(self) -> String {
        format!("{}{}", self.tint.name(), self.shape.name())
    }

    /// Its name in a phrase.
    pub(super) fn words(self) -> String {
        format!("{} {}", self.tint.word(), shape_word(self.shape))
    }

    /// Every kind of `colors` colours and `shapes` shapes, drawn from all there are.
    pub(super) fn some(rng: &mut Rng, colors: usize, shapes: usize) -> Vec<Self> {
        let (mut tints, mut outlines) = (Tint::ALL, Shape::ALL);
        // The first six colours differ most; the others come in only where more are asked for.
        let near = colors.clamp(6, tints.len());
        rng.shuffle(&mut tints[..near]);
        rng.shuffle(&mut outlines);
        let shapes = &outlines[..shapes.clamp(1, outlines.len())];
        let tints = &tints[..colors.clamp(1, near)];
        tints.iter().flat_map(|tint| shapes.iter().map(|shape| Self { tint: *tint, shape: *shape })).collect()
    }
}

/// The colours around the objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Theme {
    Light,
    Dark,
    Checks,
    Faint,
}

/// The background of the faint theme.
const FAINT: Rgb = [150, 152, 158];

impl Theme {
    pub(super) const NAMES: &'static [&'static str] = &["light", "dark", "checks", "faint"];

    pub(super) const KNOB: KnobSpec = KnobSpec::choice(
        "theme",
        Axis::Perception,
        Self::NAMES,
        "light",
        "background and colours; faint has little contrast",
    );

    pub(super) fn named(name: &str) -> Self {
        match name {
            "dark" => Self::Dark,
            "checks" => Self::Checks,
            "faint" => Self::Faint,
            _ => Self::Light,
        }
    }

    pub(super) fn background(self) -> Rgb {
        match self {
            Self::Light => LIGHT,
            Self::Dark => [38, 40, 50],
            Self::Checks => [240, 240, 242],
            Self::Faint => FAINT,
        }
    }

    /// Lines between cells, marks in the background.
    pub(super) fn line(self) -> Rgb {
        match self {
            Self::Light | Self::Checks => [186, 188, 196],
            Self::Dark => [84, 88, 102],
            Self::Faint => [128, 130, 138],
        }
    }

    /// Printed numbers.
    pub(super) fn ink(self) -> Rgb {
        if self == Self::Dark { [226, 226, 232] } else { [40, 40, 48] }
    }

    /// `color` as this theme shows it.
    pub(super) fn shown(self, color: Rgb) -> Rgb {
        if self == Self::Faint { mix(color, FAINT, 140) } else { color }
    }

    /// The edge around something of `color`.
    pub(super) fn rim(self, color: Rgb) -> Rgb {
        mix(color, if self == Self::Dark { WHITE } else { BLACK }, 100)
    }

    /// An empty picture.
    pub(super) fn canvas(self, width: u32, height: u32) -> Canvas {
        let mut canvas = Canvas::new(width, height, self.background());
        if self == Self::Checks {
            let step = COARSE_PX / 2;
            for (row, y) in (0..height).step_by(step as usize).enumerate() {
                for x in ((row as u32 % 2) * step..width).step_by(COARSE_PX as usize) {
                    canvas.fill_rect(x as i32, y as i32, step, step, [220, 221, 226]);
                }
            }
        }
        canvas
    }
}

/// `a` and `b` mixed: `share`/255 of `b`.
pub(super) fn mix(a: Rgb, b: Rgb, share: u32) -> Rgb {
    let one = |a: u8, b: u8| ((u32::from(a) * (255 - share) + u32::from(b) * share + 127) / 255) as u8;
    [one(a[0], b[0]), one(a[1], b[1]), one(a[2], b[2])]
}

/// The corners of a shape in thousandths of the box that it fills exactly; none for the circle.
pub(super) fn outline(shape: Shape) -> &'static [(i64, i64)] {
    match shape {
        Shape::Circle => &[],
        Shape::Square => &[(0, 0), (1000, 0), (1000, 1000), (0, 1000)],
        Shape::Triangle => &[(500, 0), (1000, 1000), (0, 1000)],
        Shape::Diamond => &[(500, 0), (1000, 500), (500, 1000), (0, 500)],
        Shape::Cross => &[
            (335, 0),
            (665, 0),
            (665, 335),
            (1000, 335),
            (1000, 665),
            (665, 665),
            (665, 1000),
            (335, 1000),
            (335, 665),
            (0, 665),
            (0, 335),
            (335, 335),
        ],
        Shape::Star => &[
            (500, 0),
            (624, 374),
            (1000, 382),
            (700, 621),
            (809, 1000),
            (500, 774),
            (191, 1000),
            (300, 621),
            (0, 382),
            (376, 374),
        ],
    }
}

/// The height of the point that a shape shrinks towards, in thousandths.
fn heart(shape: Shape) -> i64 {
    match shape {
        Shape::Triangle => 650,
        Shape::Star => 540,
        _ => 500,
    }
}

/// Draws `shape` into the box with the corner (`x`, `y`) and the side `side`, turned by the angle with
/// the given cosine and sine, with an edge of its own.
pub(super) fn draw_turned(
    canvas: &mut Canvas,
    shape: Shape,
    (x, y, side): (f32, f32, f32),
    (cos, sin): (f32, f32),
    (color, rim): (Rgb, Rgb),
) {
    let edge = if side >= 12.0 { 1.5 } else { 1.0 };
    let (mid_x, mid_y) = (x + side / 2.0, y + side / 2.0);
    if shape == Shape::Circle {
        canvas.fill_circle(mid_x, mid_y, side / 2.0, rim);
        canvas.fill_circle(mid_x, mid_y, side / 2.0 - edge, color);
        return;
    }
    // The inner outline shrinks towards the heart; pointed shapes need more for the same edge.
    let pointed = if matches!(shape, Shape::Square | Shape::Cross) { 2.0 } else { 3.4 };
    let inner = ((side - pointed * edge) / side).max(0.2);
    let heart_y = heart(shape) as f32 / 1000.0;
    for (scale, paint) in [(1.0, rim), (inner, color)] {
        let corners = outline(shape).iter().map(|(cx, cy)| {
            let u = (*cx as f32 / 1000.0 - 0.5) * scale * side;
            let v = ((*cy as f32 / 1000.0 - heart_y) * scale + heart_y - 0.5) * side;
            (mid_x + u * cos - v * sin, mid_y + u * sin + v * cos)
        });
        let mut points = [(0.0, 0.0); 12];
        let count = points.iter_mut().zip(corners).map(|(point, corner)| *point = corner).count();
        canvas.fill_polygon(&points[..count], paint);
    }
}

/// As [`draw_turned`], upright.
pub(super) fn draw_shape(canvas: &mut Canvas, shape: Shape, at: (f32, f32, f32), colors: (Rgb, Rgb)) {
    draw_turned(canvas, shape, at, (1.0, 0.0), colors);
}

/// A shape that touches all four sides of its box.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Item {
    pub(super) kind: Kind,
    /// Left side of its box.
    pub(super) x: u32,
    /// Top side of its box.
    pub(super) y: u32,
    /// Width and height of its box.
    pub(super) side: u32,
}

impl Item {
    /// Row and column of its centre on the coarse grid.
    pub(super) fn coarse(&self) -> (u32, u32) {
        ((self.y + self.side / 2) / COARSE_PX, (self.x + self.side / 2) / COARSE_PX)
    }

    /// Its line in the perception text.
    pub(super) fn line(&self) -> String {
        let (row, col) = self.coarse();
        format!("{} {row} {col}", self.kind.name())
    }

    /// Left, top, right, bottom.
    pub(super) fn corners(&self) -> [u32; 4] {
        [self.x, self.y, self.x + self.side, self.y + self.side]
    }

    /// The pixels of picture row `row` whose centres it covers: up to three ranges of columns.
    pub(super) fn spans(&self, row: u32) -> [std::ops::Range<u32>; 3] {
        let mut spans = [0..0, 0..0, 0..0];
        if !(self.y..self.y + self.side).contains(&row) {
            return spans;
        }
        let (side, down) = (i64::from(self.side), i64::from(row - self.y));
        let column = |n: i64| self.x + n.clamp(0, side) as u32;
        if self.kind.shape == Shape::Circle {
            let height = 2 * down + 1 - side;
            let half = (side * side - height * height).max(0).isqrt();
            // |2 dx + 1 - side| <= half
            spans[0] = column((side - half).div_euclid(2))..column((side - 1 + half).div_euclid(2) + 1);
            return spans;
        }
        // In thousandths of the side; every edge that crosses the middle of the row gives the first
        // pixel whose centre lies to the right of it.
        let level = (2 * down + 1) * 500;
        let corners = outline(self.kind.shape);
        let mut crossings = [side; 6];
        let mut count = 0;
        for (i, &(x0, y0)) in corners.iter().enumerate() {
            let (x1, y1) = corners[(i + 1) % corners.len()];
            let (top, bottom) = (y0.min(y1) * side, y0.max(y1) * side);
            if (top..bottom).contains(&level) && count < crossings.len() {
                let rise = y1 - y0;
                let along = x0 * side * rise + (x1 - x0) * (level - y0 * side);
                let (along, rise) = if rise < 0 { (-along, -rise) } else { (along, rise) };
                crossings[count] = (along - 500 * rise).div_euclid(1000 * rise) + 1;
                count += 1;
            }
        }
        crossings.sort_unstable();
        for (span, pair) in spans.iter_mut().zip(crossings.chunks_exact(2)) {
            *span = column(pair[0])..column(pair[1]);
        }
        spans
    }

    /// Whether the middle of a pixel lies in the shape.
    pub(super) fn covers(&self, x: u32, y: u32) -> bool {
        self.spans(y).iter().any(|span| span.contains(&x))
    }

    /// Twice the distance between two centres, squared.
    pub(super) fn far(&self, other: &Self) -> u32 {
        let middle = |o: &Self| (2 * o.x + o.side, 2 * o.y + o.side);
        let ((ax, ay), (bx, by)) = (middle(self), middle(other));
        ax.abs_diff(bx).pow(2) + ay.abs_diff(by).pow(2)
    }
}

/// Objects on a background; later ones hide earlier ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub(super) struct Scene {
    side: u32,
    theme: Theme,
    items: Vec<Item>,
    /// How many marks there are in the background, and where they come from.
    clutter: usize,
    marks: Seed,
}

/// A scene as read from a file, not yet checked.
#[derive(Deserialize)]
struct Unchecked {
    side: u32,
    theme: Theme,
    items: Vec<Item>,
    clutter: usize,
    marks: Seed,
}

impl TryFrom<Unchecked> for Scene {
    type Error = String;

    fn try_from(raw: Unchecked) -> Result<Self, String> {
        let Unchecked { side, theme, items, clutter, marks } = raw;
        if !SIDES.contains(&side) {
            return Err(format!("a picture of {side} px"));
        }
        let inside = |o: &Item| {
            let fits = |at: u32| at <= side && o.side <= side - at;
            o.side > 0 && fits(o.x) && fits(o.y)
        };
        if !items.iter().all(inside) || items.len() > MAX_COUNT || clutter > MAX_COUNT {
            return Err("an object is outside the picture, or there are too many".into());
        }
        Ok(Self { side, theme, items, clutter, marks })
    }
}

/// How a scene is laid out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    pub(super) side: u32,
    pub(super) theme: Theme,
    /// The largest object; the smallest is three fifths of it.
    pub(super) size: u32,
    /// The share of an object that may be hidden by others.
    pub(super) overlap: f64,
    pub(super) clutter: usize,
}

impl Layout {
    /// The knobs of the picture, the same for all scenes.
    pub(super) const CANVAS: KnobSpec =
        KnobSpec::int("canvas_px", Axis::Perception, 84, 448, 112, "pixels along each side of the picture");
    pub(super) const SIZE: KnobSpec = KnobSpec::int(
        "size_px",
        Axis::Perception,
        12,
        56,
        32,
        "side of the largest object; the smallest is three fifths of it; they shrink where they do not fit",
    );
    pub(super) const CLUTTER: KnobSpec =
        KnobSpec::int("clutter", Axis::Perception, 0, 40, 0, "gray strokes in the background");

    /// As the knobs of these names say.
    pub(super) fn from_knobs(knobs: &crate::Knobs) -> Self {
        let number = |name: &str| u32::try_from(knobs.int(name)).unwrap_or(0);
        Self {
            side: number("canvas_px"),
            theme: Theme::named(knobs.choice("theme")),
            size: number("size_px"),
            overlap: knobs.float("overlap"),
            clutter: knobs.size("clutter"),
        }
    }
}

impl Scene {
    /// Objects of the given kinds, in this order from back to front, at random places. `None` when
    /// they do not fit even at the smallest size.
    pub(super) fn draw_lots(seed: Seed, kinds: &[Kind], layout: Layout) -> Option<Self> {
        let mut rng = seed.split("layout", 0).rng();
        let mut size = layout.size;
        let items = (0..LAYOUT_TRIES).find_map(|_| {
            let layout = Layout { size, ..layout };
            size = (size * 6 / 7).max(MIN_SIZE);
            place_all(&mut rng, kinds, layout)
        })?;
        let Layout { side, theme, clutter, .. } = layout;
        Some(Self { side, theme, items, clutter, marks: seed.split("marks", 0) })
    }

    #[cfg(test)]
    pub(super) fn of(items: &[Item]) -> Self {
        let marks = Seed::new(0);
        Self { side: 112, theme: Theme::Light, items: items.to_vec(), clutter: 0, marks }
    }

    pub(super) fn side(&self) -> u32 {
        self.side
    }

    /// From back to front.
    pub(super) fn items(&self) -> &[Item] {
        &self.items
    }

    /// The object in front at a pixel.
    pub(super) fn at(&self, x: u32, y: u32) -> Option<usize> {
        self.items.iter().rposition(|item| item.covers(x, y))
    }

    /// The objects in reading order of their coarse cells.
    pub(super) fn reading(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.items.len()).collect();
        order.sort_by_key(|i| (self.items[*i].coarse(), self.items[*i].x, self.items[*i].y, *i));
        order
    }

    pub(super) fn canvas(&self) -> Canvas {
        let mut canvas = self.theme.canvas(self.side, self.side);
        self.strokes(&mut canvas);
        for item in &self.items {
            let color = self.theme.shown(item.kind.tint.rgb());
            let at = (item.x as f32, item.y as f32, item.side as f32);
            draw_shape(&mut canvas, item.kind.shape, at, (color, self.theme.rim(color)));
        }
        canvas
    }

    /// Straight strokes all over the background.
    fn strokes(&self, canvas: &mut Canvas) {
        let mut rng = self.marks.rng();
        for _ in 0..self.clutter {
            let mut at = || rng.below(self.side as usize) as f32;
            let from = (at(), at());
            let mut reach = || rng.between(-24, 24) as f32;
            canvas.line(from, (from.0 + reach(), from.1 + reach()), 1.5, self.theme.line());
        }
    }

    /// One line an object, in reading order: colour and shape as one word, then row and column of its
    /// centre on a grid of 28 px.
    pub(super) fn perception(&self) -> Perception {
        let order = self.reading();
        let lines: Vec<String> = order.iter().map(|i| self.items[*i].line()).collect();
        let one = |i: &usize| {
            let item = &self.items[*i];
            json!({ "color": item.kind.tint, "shape": item.kind.shape, "box": item.corners() })
        };
        let objects: Vec<Value> = order.iter().map(one).collect();
        Perception { text: lines.join("\n"), data: json!({ "side": self.side, "objects": objects }) }
    }
}

/// A grid of square cells somewhere in a picture.
#[derive(Clone, Copy, Debug)]
pub(super) struct Panel {
    /// Its top-left corner.
    pub(super) x: u32,
    pub(super) y: u32,
    /// Cells along each side.
    pub(super) size: usize,
    /// Pixels along each side of a cell.
    pub(super) tile: u32,
}

impl Panel {
    /// Its width and height in pixels.
    pub(super) fn side(&self) -> u32 {
        self.size as u32 * self.tile
    }

    /// The top-left corner of a cell.
    pub(super) fn corner(&self, cell: Cell) -> (u32, u32) {
        (self.x + cell.col as u32 * self.tile, self.y + cell.row as u32 * self.tile)
    }

    /// The box of side `side` in the middle of a cell.
    pub(super) fn middle(&self, cell: Cell, side: f32) -> (f32, f32, f32) {
        let (x, y) = self.corner(cell);
        let inset = (self.tile as f32 - side) / 2.0;
        (x as f32 + inset, y as f32 + inset, side)
    }

    /// Lines around every cell, one pixel wide.
    pub(super) fn draw_lines(&self, canvas: &mut Canvas, color: Rgb) {
        for n in 0..=self.size as u32 {
            let at = (n * self.tile).min(self.side() - 1);
            canvas.fill_rect((self.x + at) as i32, self.y as i32, 1, self.side(), color);
            canvas.fill_rect(self.x as i32, (self.y + at) as i32, self.side(), 1, color);
        }
    }

    /// Row numbers at the left and column numbers above, in a margin of the given width.
    pub(super) fn draw_numbers(&self, canvas: &mut Canvas, margin: u32, ink: Rgb) {
        let (m, t) = (margin as f32, self.tile as f32);
        for n in 0..self.size {
            let along = (n as f32 + 0.5) * t;
            let text = n.to_string();
            let (x, y) = (self.x as f32, self.y as f32);
            canvas.text_in_box(&text, x - m / 2.0, y + along, m * 0.8, m * 0.8, ink);
            canvas.text_in_box(&text, x + along, y - m / 2.0, m * 0.8, m * 0.8, ink);
        }
    }
}

/// One layout at one size.
fn place_all(rng: &mut Rng, kinds: &[Kind], layout: Layout) -> Option<Vec<Item>> {
    let mut items: Vec<Item> = Vec::new();
    // Who owns which pixel only matters where objects may hide each other.
    let mut ground = Ground::new(if layout.overlap > 0.0 { layout.side } else { 0 });
    for kind in kinds {
        let placed = (0..PLACE_TRIES).find_map(|_| {
            let item = propose(rng, *kind, &items, layout)?;
            ground.allows(&item, &items, layout.overlap).then_some(item)
        })?;
        if layout.overlap > 0.0 {
            ground.lay(&placed);
        }
        items.push(placed);
    }
    Some(items)
}

/// A random place; where objects may overlap, often beside another one.
fn propose(rng: &mut Rng, kind: Kind, items: &[Item], layout: Layout) -> Option<Item> {
    let (small, large) = (layout.size * 3 / 5, layout.size.min(layout.side));
    let side = u32::try_from(rng.between(i64::from(small.max(MIN_SIZE)), i64::from(large))).ok()?;
    let room = i64::from(layout.side - side);
    let beside = layout.overlap > 0.0 && rng.chance(0.6);
    let (x, y) = match rng.choose(items).filter(|_| beside) {
        Some(other) => {
            let mut near = |at: u32| i64::from(at) + rng.between(-i64::from(side), i64::from(other.side));
            (near(other.x).clamp(0, room), near(other.y).clamp(0, room))
        }
        None => (rng.between(0, room), rng.between(0, room)),
    };
    Some(Item { kind, x: u32::try_from(x).ok()?, y: u32::try_from(y).ok()?, side })
}

/// Which object owns each pixel while a scene is laid out.
struct Ground {
    side: u32,
    /// 0 for nobody, else the object's number from 1.
    owner: Vec<u8>,
    /// Of each object: its pixels, and those still to be seen.
    pixels: Vec<(u32, u32)>,
}

impl Ground {
    fn new(side: u32) -> Self {
        Self { side, owner: vec![0; (side * side) as usize], pixels: Vec::new() }
    }

    fn row(&self, row: u32, span: &std::ops::Range<u32>) -> std::ops::Range<usize> {
        let start = row * self.side;
        (start + span.start) as usize..(start + span.end) as usize
    }

    /// Whether all the others stay visible enough when `item` comes on top of them.
    fn allows(&self, item: &Item, items: &[Item], overlap: f64) -> bool {
        if overlap <= 0.0 {
            // Boxes keep apart by a pixel.
            let apart = |a: u32, a_side: u32, b: u32, b_side: u32| a + a_side < b || b + b_side < a;
            return items
                .iter()
                .all(|o| apart(item.x, item.side, o.x, o.side) || apart(item.y, item.side, o.y, o.side));
        }
        let mut hidden = vec![0; self.pixels.len()];
        for row in item.y..item.y + item.side {
            for span in item.spans(row) {
                for owner in &self.owner[self.row(row, &span)] {
                    if let Some(count) = usize::from(*owner).checked_sub(1).and_then(|i| hidden.get_mut(i)) {
                        *count += 1;
                    }
                }
            }
        }
        self.pixels
            .iter()
            .zip(hidden)
            .all(|((all, seen), lost)| f64::from(seen - lost) >= (1.0 - overlap) * f64::from(*all))
    }

    fn lay(&mut self, item: &Item) {
        let number = self.pixels.len() + 1;
        let mut all = 0;
        for row in item.y..item.y + item.side {
            for span in item.spans(row) {
                all += span.len() as u32;
                let range = self.row(row, &span);
                for owner in &mut self.owner[range] {
                    if let Some(before) = usize::from(*owner).checked_sub(1) {
                        self.pixels[before].1 -= 1;
                    }
                    *owner = number as u8;
                }
            }
        }
        self.pixels.push((all, all));
    }
}

/// A plain decimal number: no exponent, no `nan`, no `inf`.
pub(super) fn coordinate(text: &str) -> Option<f32> {
    let text = text.trim();
    let plain = text.strip_prefix('-').unwrap_or(text);
    let digits =
        plain.chars().all(|c| c.is_ascii_digit() || c == '.') && plain.starts_with(|c: char| c != '.');
    // Adding zero turns -0 into 0, so that the text of an action is unique.
    (digits && text.len() <= MAX_NUMBER_LEN).then(|| text.parse::<f32>().ok()).flatten().map(|v| v + 0.0)
}

#[cfg(test)]
mod tests;
