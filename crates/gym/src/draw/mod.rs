//! A small drawing layer: RGB8 pixels, clipped, the same bytes every time.
//!
//! Rectangles and text at whole-number scales are written straight into the picture. Everything
//! with a slanted edge becomes a coverage mask (rasterised by tiny-skia in integer arithmetic) that
//! is blended in with integers, so no result depends on the machine.

mod board;
mod label;
mod stamp;
mod stroke;

pub use board::{Board, BoardStyle};
pub use label::Font;

use eyas_core::Image;
use serde::{Deserialize, Serialize};
use stamp::{Stamp, stamp};
use tiny_skia::{FillRule, Mask, Path, PathBuilder, Rect, Transform};

/// A colour: red, green, blue.
pub type Rgb = [u8; 3];

/// Pure white.
pub const WHITE: Rgb = [255, 255, 255];
/// Pure black.
pub const BLACK: Rgb = [0, 0, 0];
/// A light gray, for backgrounds.
pub const LIGHT: Rgb = [232, 232, 236];
/// A middle gray, for grid lines.
pub const GRAY: Rgb = [150, 150, 156];
/// A dark gray, for text.
pub const DARK: Rgb = [48, 48, 56];
/// Red.
pub const RED: Rgb = [220, 30, 40];
/// Green.
pub const GREEN: Rgb = [30, 150, 50];
/// Blue.
pub const BLUE: Rgb = [40, 70, 225];
/// Yellow.
pub const YELLOW: Rgb = [250, 210, 20];
/// Purple.
pub const PURPLE: Rgb = [150, 40, 180];
/// Cyan.
pub const CYAN: Rgb = [20, 200, 220];
/// Orange.
pub const ORANGE: Rgb = [250, 125, 10];
/// Brown.
pub const BROWN: Rgb = [115, 65, 30];

/// Eight well-separated colours with their names, for things that are told apart by colour.
pub const PALETTE: [(&str, Rgb); 8] = [
    ("Red", RED),
    ("Green", GREEN),
    ("Blue", BLUE),
    ("Yellow", YELLOW),
    ("Purple", PURPLE),
    ("Cyan", CYAN),
    ("Orange", ORANGE),
    ("Brown", BROWN),
];

/// A shape that is told apart by its outline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// A disc.
    Circle,
    /// An upright square.
    Square,
    /// A triangle pointing up.
    Triangle,
    /// A square on its corner.
    Diamond,
    /// An upright cross of equal arms.
    Cross,
    /// A star of five points.
    Star,
}

impl Shape {
    /// All six, in the order in which environments use them.
    pub const ALL: [Self; 6] =
        [Self::Circle, Self::Square, Self::Triangle, Self::Diamond, Self::Cross, Self::Star];

    /// Its name, one capitalised word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Circle => "Circle",
            Self::Square => "Square",
            Self::Triangle => "Triangle",
            Self::Diamond => "Diamond",
            Self::Cross => "Cross",
            Self::Star => "Star",
        }
    }

    /// Its corners on a box of side 2 around the origin, y downwards; empty for the circle.
    fn corners(self) -> &'static [(f32, f32)] {
        match self {
            Self::Circle => &[],
            Self::Square => &[(-0.8, -0.8), (0.8, -0.8), (0.8, 0.8), (-0.8, 0.8)],
            Self::Triangle => &[(0.0, -0.95), (1.0, 0.85), (-1.0, 0.85)],
            Self::Diamond => &[(0.0, -1.0), (0.8, 0.0), (0.0, 1.0), (-0.8, 0.0)],
            Self::Cross => &[
                (-0.33, -1.0),
                (0.33, -1.0),
                (0.33, -0.33),
                (1.0, -0.33),
                (1.0, 0.33),
                (0.33, 0.33),
                (0.33, 1.0),
                (-0.33, 1.0),
                (-0.33, 0.33),
                (-1.0, 0.33),
                (-1.0, -0.33),
                (-0.33, -0.33),
            ],
            // Ten points at multiples of 36 degrees, radii 1 and 0.4; written out because sine and
            // cosine may differ in the last bit from one platform to the next.
            Self::Star => &[
                (0.0, -1.0),
                (0.2351, -0.3236),
                (0.9511, -0.3090),
                (0.3804, 0.1236),
                (0.5878, 0.8090),
                (0.0, 0.4),
                (-0.5878, 0.8090),
                (-0.3804, 0.1236),
                (-0.9511, -0.3090),
                (-0.2351, -0.3236),
            ],
        }
    }
}

/// Columns of a glyph.
pub const GLYPH_WIDTH: u32 = 5;
/// Rows of a glyph.
pub const GLYPH_HEIGHT: u32 = 7;

/// A picture being drawn. Coordinates are pixels from the top-left corner; whatever lies outside is
/// cut off.
#[derive(Clone, Debug)]
pub struct Canvas {
    width: u32,
    height: u32,
    pixels: Vec<u8>,
}

impl Canvas {
    /// A canvas of `width × height` pixels filled with `background`. A side of 0 becomes 1.
    pub fn new(width: u32, height: u32, background: Rgb) -> Self {
        let (width, height) = (width.max(1), height.max(1));
        Self { width, height, pixels: background.repeat(width as usize * height as usize) }
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// What has been drawn so far: three bytes a pixel, row by row.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// Fills `width × height` pixels from the corner (`x`, `y`).
    pub fn fill_rect(&mut self, x: i32, y: i32, width: u32, height: u32, color: Rgb) {
        let (columns, mut rows) = (span(x, width, self.width), span(y, height, self.height));
        let Some(first) = rows.next() else { return };
        let line = self.line_range(first, &columns);
        for pixel in self.pixels[line.clone()].chunks_exact_mut(3) {
            pixel.copy_from_slice(&color);
        }
        for row in rows {
            let start = self.line_range(row, &columns).start;
            self.pixels.copy_within(line.clone(), start);
        }
    }

    /// Copies the `width × height` pixels at the corner (`x`, `y`) to the corner (`to_x`, `to_y`). The
    /// two must not overlap and must lie on the canvas; otherwise nothing happens.
    pub fn copy_rect(&mut self, (x, y): (u32, u32), (width, height): (u32, u32), (to_x, to_y): (u32, u32)) {
        let inside = |x: u32, y: u32| {
            x.checked_add(width).is_some_and(|end| end <= self.width)
                && y.checked_add(height).is_some_and(|end| end <= self.height)
        };
        let apart = x.abs_diff(to_x) >= width || y.abs_diff(to_y) >= height;
        if !(inside(x, y) && inside(to_x, to_y) && apart) {
            return;
        }
        for row in 0..height as usize {
            let from = self.line_range(y as usize + row, &(x as usize..(x + width) as usize));
            let to = self.line_range(to_y as usize + row, &(to_x as usize..to_x as usize)).start;
            self.pixels.copy_within(from, to);
        }
    }

    /// Where the pixels of `columns` in `row` lie in the buffer.
    fn line_range(&self, row: usize, columns: &std::ops::Range<usize>) -> std::ops::Range<usize> {
        let start = row * self.width as usize;
        (start + columns.start) * 3..(start + columns.end) * 3
    }

    /// Fills a disc around (`x`, `y`) with smooth edges.
    pub fn fill_circle(&mut self, x: f32, y: f32, radius: f32, color: Rgb) {
        if let Some(path) = PathBuilder::from_circle(x, y, radius) {
            self.fill_path(&path, color);
        }
    }

    /// Fills the polygon through `points` with smooth edges; fewer than three points draw nothing.
    pub fn fill_polygon(&mut self, points: &[(f32, f32)], color: Rgb) {
        let [(x, y), rest @ ..] = points else { return };
        let mut builder = PathBuilder::new();
        builder.move_to(*x, *y);
        for (x, y) in rest {
            builder.line_to(*x, *y);
        }
        builder.close();
        if let Some(path) = builder.finish() {
            self.fill_path(&path, color);
        }
    }

    /// Fills `shape`, centred on (`x`, `y`), into a box of side `size`.
    pub fn shape(&mut self, shape: Shape, x: f32, y: f32, size: f32, color: Rgb) {
        let half = size / 2.0;
        if shape == Shape::Circle {
            self.fill_circle(x, y, 0.9 * half, color);
            return;
        }
        let mut points = [(0.0, 0.0); 12];
        let corners = shape.corners();
        for (point, corner) in points.iter_mut().zip(corners) {
            *point = (x + half * corner.0, y + half * corner.1);
        }
        self.fill_polygon(&points[..corners.len()], color);
    }

    /// The width in pixels of `text` when a font pixel is `scale` pixels wide.
    pub fn text_width(text: &str, scale: f32) -> f32 {
        (text.chars().count() as f32 * (GLYPH_WIDTH + 1) as f32 - 1.0).max(0.0) * scale
    }

    /// Writes `text` from the top-left corner (`x`, `y`); a font pixel is `scale` pixels wide, a
    /// glyph 5 × 7 font pixels. Letters are written in capitals, unknown characters as an empty box.
    pub fn text(&mut self, text: &str, x: f32, y: f32, scale: f32, color: Rgb) {
        let whole = [x, y, scale].iter().all(|v| v.fract() == 0.0);
        let mut builder = PathBuilder::new();
        for (index, letter) in text.chars().enumerate() {
            let left = x + index as f32 * (GLYPH_WIDTH + 1) as f32 * scale;
            for (row, bits) in glyph(letter).into_iter().enumerate() {
                for column in (0..GLYPH_WIDTH).filter(|c| (bits >> (GLYPH_WIDTH - 1 - c)) & 1 == 1) {
                    let (px, py) = (left + column as f32 * scale, y + row as f32 * scale);
                    if whole {
                        self.fill_rect(px as i32, py as i32, scale as u32, scale as u32, color);
                    } else if let Some(rect) = Rect::from_xywh(px, py, scale, scale) {
                        builder.push_rect(rect);
                    }
                }
            }
        }
        if let Some(path) = builder.finish() {
            self.fill_path(&path, color);
        }
    }

    /// Writes `text` centred on (`x`, `y`), as large as fits into `width × height` pixels: at a
    /// whole-number scale where one fits (crisp), else shrunk with smooth edges.
    pub fn text_in_box(&mut self, text: &str, x: f32, y: f32, width: f32, height: f32, color: Rgb) {
        let fits = (width / Self::text_width(text, 1.0).max(1.0)).min(height / GLYPH_HEIGHT as f32);
        let (scale, snap): (f32, fn(f32) -> f32) =
            if fits >= 1.0 { (fits.floor(), f32::round) } else { (fits, |v| v) };
        let left = x - Self::text_width(text, scale) / 2.0;
        let top = y - GLYPH_HEIGHT as f32 * scale / 2.0;
        self.text(text, snap(left), snap(top), scale, color);
    }

    /// The finished picture.
    pub fn into_image(self) -> Image {
        // Cannot fail: `new` made both sides positive and the buffer complete, nothing resizes it.
        Image::new(self.width, self.height, self.pixels).expect("a canvas is a complete picture")
    }

    /// Blends `color` in where `path` covers the canvas, by the share of each pixel it covers.
    fn fill_path(&mut self, path: &Path, color: Rgb) {
        let bounds = path.bounds();
        let columns = clip(bounds.left(), bounds.right(), self.width);
        let rows = clip(bounds.top(), bounds.bottom(), self.height);
        let (left, top) = (columns.start as f32, rows.start as f32);
        let (width, height) = (columns.len() as u32, rows.len() as u32);
        let key = |words: &mut Vec<u32>| {
            words.extend([0, width, height]);
            words.extend(path.verbs().iter().map(|verb| *verb as u32));
            words.extend(path.points().iter().flat_map(|p| [(p.x - left).to_bits(), (p.y - top).to_bits()]));
        };
        let draw = || {
            let mut mask = Mask::new(width, height)?;
            mask.fill_path(path, FillRule::Winding, true, Transform::from_translate(-left, -top));
            Some(Stamp { left: 0, top: 0, width: columns.len(), shares: mask.data().to_vec() })
        };
        if let Some(stamp) = stamp(columns.len() * rows.len(), key, draw) {
            self.apply(&stamp, (columns.start as i32, rows.start as i32), color);
        }
    }
}

/// `old` and `new` mixed by `share`/255, rounded.
fn blend(old: u8, new: u8, share: u8) -> u8 {
    let (old, new, share) = (u32::from(old), u32::from(new), u32::from(share));
    ((new * share + old * (255 - share) + 127) / 255) as u8
}

/// The pixels of `start..start + length` that lie in `0..limit`.
fn span(start: i32, length: u32, limit: u32) -> std::ops::Range<usize> {
    let limit = i64::from(limit);
    let low = i64::from(start).clamp(0, limit);
    let high = (i64::from(start) + i64::from(length)).clamp(low, limit);
    low as usize..high as usize
}

/// The whole pixels that the interval from `low` to `high` touches, within `0..limit`.
fn clip(low: f32, high: f32, limit: u32) -> std::ops::Range<usize> {
    let limit = limit as f32;
    let low = low.floor().clamp(0.0, limit);
    low as usize..high.ceil().clamp(low, limit) as usize
}

/// The seven rows of a glyph, five bits each, the leftmost column in the highest bit.
fn glyph(letter: char) -> [u8; GLYPH_HEIGHT as usize] {
    match letter.to_ascii_uppercase() {
        ' ' => [0; 7],
        '0' => [0b01110, 0b10001, 0b10011, 0b10101, 0b11001, 0b10001, 0b01110],
        '1' => [0b00100, 0b01100, 0b00100, 0b00100, 0b00100, 0b00100, 0b01110],
        '2' => [0b01110, 0b10001, 0b00001, 0b00110, 0b01000, 0b10000, 0b11111],
        '3' => [0b11110, 0b00001, 0b00001, 0b01110, 0b00001, 0b00001, 0b11110],
        '4' => [0b00010, 0b00110, 0b01010, 0b10010, 0b11111, 0b00010, 0b00010],
        '5' => [0b11111, 0b10000, 0b11110, 0b00001, 0b00001, 0b10001, 0b01110],
        '6' => [0b00110, 0b01000, 0b10000, 0b11110, 0b10001, 0b10001, 0b01110],
        '7' => [0b11111, 0b00001, 0b00010, 0b00100, 0b00100, 0b01000, 0b01000],
        '8' => [0b01110, 0b10001, 0b10001, 0b01110, 0b10001, 0b10001, 0b01110],
        '9' => [0b01110, 0b10001, 0b10001, 0b01111, 0b00001, 0b00010, 0b01100],
        'A' => [0b00100, 0b01010, 0b10001, 0b10001, 0b11111, 0b10001, 0b10001],
        'B' => [0b11110, 0b10001, 0b10001, 0b11110, 0b10001, 0b10001, 0b11110],
        'C' => [0b01111, 0b10000, 0b10000, 0b10000, 0b10000, 0b10000, 0b01111],
        'D' => [0b11110, 0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b11110],
        'E' => [0b11111, 0b10000, 0b10000, 0b11110, 0b10000, 0b10000, 0b11111],
        'F' => [0b11111, 0b10000, 0b10000, 0b11110, 0b10000, 0b10000, 0b10000],
        'G' => [0b01111, 0b10000, 0b10000, 0b10011, 0b10001, 0b10001, 0b01111],
        'H' => [0b10001, 0b10001, 0b10001, 0b11111, 0b10001, 0b10001, 0b10001],
        'I' => [0b01110, 0b00100, 0b00100, 0b00100, 0b00100, 0b00100, 0b01110],
        'J' => [0b00111, 0b00010, 0b00010, 0b00010, 0b00010, 0b10010, 0b01100],
        'K' => [0b10001, 0b10010, 0b10100, 0b11000, 0b10100, 0b10010, 0b10001],
        'L' => [0b10000, 0b10000, 0b10000, 0b10000, 0b10000, 0b10000, 0b11111],
        'M' => [0b10001, 0b11011, 0b10101, 0b10101, 0b10001, 0b10001, 0b10001],
        'N' => [0b10001, 0b11001, 0b10101, 0b10101, 0b10011, 0b10001, 0b10001],
        'O' => [0b01110, 0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b01110],
        'P' => [0b11110, 0b10001, 0b10001, 0b11110, 0b10000, 0b10000, 0b10000],
        'Q' => [0b01110, 0b10001, 0b10001, 0b10001, 0b10101, 0b10010, 0b01101],
        'R' => [0b11110, 0b10001, 0b10001, 0b11110, 0b10100, 0b10010, 0b10001],
        'S' => [0b01111, 0b10000, 0b10000, 0b01110, 0b00001, 0b00001, 0b11110],
        'T' => [0b11111, 0b00100, 0b00100, 0b00100, 0b00100, 0b00100, 0b00100],
        'U' => [0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b01110],
        'V' => [0b10001, 0b10001, 0b10001, 0b10001, 0b01010, 0b01010, 0b00100],
        'W' => [0b10001, 0b10001, 0b10001, 0b10101, 0b10101, 0b11011, 0b10001],
        'X' => [0b10001, 0b01010, 0b01010, 0b00100, 0b01010, 0b01010, 0b10001],
        'Y' => [0b10001, 0b10001, 0b01010, 0b00100, 0b00100, 0b00100, 0b00100],
        'Z' => [0b11111, 0b00001, 0b00010, 0b00100, 0b01000, 0b10000, 0b11111],
        '-' => [0, 0, 0, 0b01110, 0, 0, 0],
        '+' => [0, 0b00100, 0b00100, 0b11111, 0b00100, 0b00100, 0],
        '=' => [0, 0, 0b11111, 0, 0b11111, 0, 0],
        '.' => [0, 0, 0, 0, 0, 0b00110, 0b00110],
        ',' => [0, 0, 0, 0, 0b00110, 0b00100, 0b01000],
        ':' => [0, 0b00110, 0b00110, 0, 0b00110, 0b00110, 0],
        '/' => [0b00001, 0b00001, 0b00010, 0b00100, 0b01000, 0b10000, 0b10000],
        '%' => [0b11001, 0b11001, 0b00010, 0b00100, 0b01000, 0b10011, 0b10011],
        '(' => [0b00010, 0b00100, 0b01000, 0b01000, 0b01000, 0b00100, 0b00010],
        ')' => [0b01000, 0b00100, 0b00010, 0b00010, 0b00010, 0b00100, 0b01000],
        '?' => [0b01110, 0b10001, 0b00001, 0b00110, 0b00100, 0, 0b00100],
        '!' => [0b00100, 0b00100, 0b00100, 0b00100, 0b00100, 0, 0b00100],
        _ => [0b11111, 0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b11111],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(image: &Image, color: Rgb) -> usize {
        image.pixels().chunks_exact(3).filter(|p| *p == color).count()
    }

    #[test]
    fn rectangles_are_exact_and_clipped() {
        let mut canvas = Canvas::new(4, 3, WHITE);
        canvas.fill_rect(-1, 1, 3, 9, RED);
        let image = canvas.into_image();
        assert_eq!(count(&image, RED), 4);
        assert_eq!(image.pixels()[(4 + 1) * 3..(4 + 1) * 3 + 6], [220, 30, 40, 255, 255, 255]);
    }

    #[test]
    fn copies_are_exact_and_stay_on_the_canvas() {
        let mut canvas = Canvas::new(6, 4, WHITE);
        canvas.fill_rect(0, 0, 2, 2, RED);
        canvas.fill_rect(1, 1, 1, 1, BLUE);
        canvas.copy_rect((0, 0), (2, 2), (4, 2));
        canvas.copy_rect((0, 0), (2, 2), (5, 2));
        canvas.copy_rect((0, 0), (2, 2), (1, 1));
        let image = canvas.into_image();
        assert_eq!((count(&image, RED), count(&image, BLUE)), (6, 2));
        assert_eq!(image.pixels()[(3 * 6 + 5) * 3..], BLUE);
    }

    #[test]
    fn half_covered_pixels_are_half_mixed() {
        let mut canvas = Canvas::new(2, 1, BLACK);
        canvas.fill_polygon(&[(0.0, 0.0), (1.5, 0.0), (1.5, 1.0), (0.0, 1.0)], WHITE);
        let image = canvas.into_image();
        assert_eq!(image.pixels()[0], 255);
        assert!((126..=129).contains(&image.pixels()[3]), "{:?}", image.pixels());
    }

    #[test]
    fn a_disc_has_its_area() {
        let mut canvas = Canvas::new(40, 40, BLACK);
        canvas.fill_circle(20.0, 20.0, 10.0, WHITE);
        let sum: f64 = canvas.into_image().pixels().iter().map(|v| f64::from(*v)).sum();
        // 314.2 pixels; the rasteriser samples each pixel on a 4 × 4 grid.
        assert!((sum / 3.0 / 255.0 - 314.2).abs() < 8.0, "{sum}");
    }

    #[test]
    fn drawing_off_the_canvas_changes_nothing() {
        let mut canvas = Canvas::new(5, 5, WHITE);
        canvas.fill_circle(-20.0, 2.0, 3.0, RED);
        canvas.shape(Shape::Star, 60.0, 60.0, 10.0, RED);
        canvas.fill_rect(9, 9, 3, 3, RED);
        canvas.fill_polygon(&[], RED);
        canvas.fill_circle(f32::NAN, 1.0, 1.0, RED);
        assert_eq!(count(&canvas.into_image(), WHITE), 25);
    }

    #[test]
    fn shapes_differ_and_repeat() {
        let draw = |shape| {
            let mut canvas = Canvas::new(28, 28, WHITE);
            canvas.shape(shape, 14.0, 14.0, 22.0, BLUE);
            canvas.into_image()
        };
        for (i, a) in Shape::ALL.into_iter().enumerate() {
            assert_eq!(draw(a), draw(a));
            for b in &Shape::ALL[i + 1..] {
                let apart = draw(a).pixels().iter().zip(draw(*b).pixels()).filter(|(x, y)| x != y).count();
                assert!(apart > 150, "{a:?} and {b:?} share all but {apart} bytes");
            }
        }
    }

    #[test]
    fn text_is_as_wide_as_it_says_and_fits_its_box() {
        assert_eq!(Canvas::text_width("128", 2.0), 34.0);
        let mut canvas = Canvas::new(28, 28, WHITE);
        canvas.text("1", 0.0, 0.0, 1.0, BLACK);
        // The digit 1 has 1 + 2 + 1 + 1 + 1 + 1 + 3 font pixels.
        assert_eq!(count(&canvas.into_image(), BLACK), 10);
        let mut canvas = Canvas::new(28, 28, WHITE);
        canvas.text_in_box("131072", 14.0, 14.0, 24.0, 20.0, BLACK);
        let image = canvas.into_image();
        let touched = image.pixels().chunks_exact(3).enumerate().filter(|(_, p)| *p != WHITE);
        assert!(touched.map(|(i, _)| i % 28).all(|x| (2..26).contains(&x)));
    }

    #[test]
    fn every_glyph_is_its_own() {
        let letters: Vec<char> = ('0'..='9').chain('A'..='Z').chain("-+=.,:/%()?! ".chars()).collect();
        for (i, a) in letters.iter().enumerate() {
            for b in &letters[i + 1..] {
                assert_ne!(glyph(*a), glyph(*b), "{a} and {b}");
            }
        }
        assert_eq!(glyph('a'), glyph('A'));
    }

    #[test]
    fn palette_colours_are_far_apart() {
        for (i, (name, a)) in PALETTE.iter().enumerate() {
            for (other, b) in &PALETTE[i + 1..] {
                let apart: i32 = a.iter().zip(b).map(|(x, y)| (i32::from(*x) - i32::from(*y)).pow(2)).sum();
                assert!(apart > 70 * 70, "{name} and {other}: {apart}");
            }
        }
    }
}
