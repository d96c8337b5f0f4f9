//! A tabletop and what lies on it, drawn from above or from the front at a slant: shared by the
//! environments of handling objects.
//!
//! Places on the table are whole units, as many as the picture has pixels across: x to the right, y
//! towards the viewer. A strip along the upper edge shows the gripper.

use serde::{Deserialize, Serialize};

use crate::draw::{Canvas, PALETTE, Rgb};

/// Pixels of the strip that shows the gripper.
pub(crate) const STRIP: u32 = 28;

/// From where the table is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum View {
    /// Straight from above.
    Above,
    /// From the front at a slant: depth shrinks to three quarters, heights show.
    Oblique,
}

impl View {
    /// The words of a knob.
    pub(crate) const NAMES: &'static [&'static str] = &["above", "oblique"];

    pub(crate) fn named(name: &str) -> Self {
        if name == "oblique" { Self::Oblique } else { Self::Above }
    }
}

/// The colours of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Theme {
    /// Bright, objects in full colours.
    Pale,
    /// A wooden table.
    Wood,
    /// Little contrast.
    Dusk,
}

impl Theme {
    /// The words of a knob.
    pub(crate) const NAMES: &'static [&'static str] = &["pale", "wood", "dusk"];

    pub(crate) fn named(name: &str) -> Self {
        match name {
            "wood" => Self::Wood,
            "dusk" => Self::Dusk,
            _ => Self::Pale,
        }
    }

    pub(crate) fn top(self) -> Rgb {
        match self {
            Self::Pale => [236, 234, 226],
            Self::Wood => [206, 172, 128],
            Self::Dusk => [84, 84, 90],
        }
    }

    pub(crate) fn wall(self) -> Rgb {
        match self {
            Self::Pale => [206, 212, 222],
            Self::Wood => [178, 192, 186],
            Self::Dusk => [68, 70, 78],
        }
    }

    pub(crate) fn ink(self) -> Rgb {
        match self {
            Self::Pale => [90, 92, 100],
            Self::Wood => [84, 62, 40],
            Self::Dusk => [116, 116, 122],
        }
    }

    /// The colour of an object of the palette.
    pub(crate) fn paint(self, color: usize) -> Rgb {
        let full = PALETTE[color % PALETTE.len()].1;
        if self == Self::Dusk { full.map(|v| v / 3 + 56) } else { full }
    }
}

/// A colour with `share`/255 of black or, where negative, of white mixed in.
pub(crate) fn shade(color: Rgb, share: i32) -> Rgb {
    color.map(|v| {
        let (v, target) = (i32::from(v), if share > 0 { 0 } else { 255 });
        (v + (target - v) * share.abs() / 255).clamp(0, 255) as u8
    })
}

/// A table and how it is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Table {
    /// Units and pixels across.
    pub(crate) side: u32,
    pub(crate) view: View,
    pub(crate) theme: Theme,
}

/// How high a block of a given half width stands.
fn height(half: i32) -> i32 {
    half * 4 / 3
}

impl Table {
    /// True when a snapshot's table can be drawn.
    pub(crate) fn is_sound(&self) -> bool {
        (56..=448).contains(&self.side)
    }

    /// Pixels of the picture.
    pub(crate) fn size(&self) -> (u32, u32) {
        (self.side, STRIP + self.side)
    }

    /// Where the table begins in the picture.
    fn edge(&self) -> i32 {
        let wall = if self.view == View::Above { 0 } else { self.side / 4 };
        (STRIP + wall) as i32
    }

    /// The pixel of a place on the table.
    pub(crate) fn pixel(&self, x: i32, y: i32) -> (i32, i32) {
        match self.view {
            View::Above => (x, self.edge() + y),
            View::Oblique => (x, self.edge() + y * 3 / 4),
        }
    }

    /// The place on the table at a pixel; `None` off the table.
    pub(crate) fn place(&self, (px, py): (i32, i32)) -> Option<(i32, i32)> {
        let down = py - self.edge();
        let y = if self.view == View::Above { down } else { (4 * down + 2) / 3 };
        let side = self.side as i32;
        (down >= 0 && (0..side).contains(&px) && (0..side).contains(&y)).then_some((px, y))
    }

    /// The pixels that a block covers: left, top, right, bottom.
    pub(crate) fn body(&self, x: i32, y: i32, half: i32) -> (i32, i32, i32, i32) {
        let (back, front) = (self.pixel(x, y - half).1, self.pixel(x, y + half).1);
        let up = if self.view == View::Above { 0 } else { height(half) };
        (x - half, back - up, x + half, front)
    }

    /// The pixel in the middle of what a block covers.
    pub(crate) fn grip(&self, x: i32, y: i32, half: i32) -> (i32, i32) {
        let (left, top, right, bottom) = self.body(x, y, half);
        ((left + right) / 2, (top + bottom) / 2)
    }

    /// The empty table and the strip above it.
    pub(crate) fn canvas(&self) -> Canvas {
        let (width, tall) = self.size();
        let mut canvas = Canvas::new(width, tall, self.theme.wall());
        let edge = self.edge();
        canvas.fill_rect(0, edge, width, tall - edge as u32, self.theme.top());
        canvas.fill_rect(0, edge, width, 1, self.theme.ink());
        canvas
    }

    /// The gripper in the strip; its fingers are `open` pixels apart.
    pub(crate) fn draw_gripper(&self, canvas: &mut Canvas, x: i32, open: i32) {
        draw_gripper(canvas, x, open, self.theme.ink());
    }

    /// A cube of `2 * half` units.
    pub(crate) fn draw_cube(&self, canvas: &mut Canvas, x: i32, y: i32, half: i32, color: Rgb) {
        let (left, top, right, bottom) = self.body(x, y, half);
        let front = if self.view == View::Above { 0 } else { height(half) };
        draw_block(canvas, (left, top), (right - left, bottom - top), front, color);
    }

    /// A low disc, too wide to be gripped.
    pub(crate) fn draw_puck(&self, canvas: &mut Canvas, x: i32, y: i32, half: i32, color: Rgb) {
        let (px, py) = self.pixel(x, y);
        let (px, py, r) = (px as f32, py as f32, half as f32);
        let flat = if self.view == View::Above { 1.0 } else { 0.75 };
        if self.view == View::Oblique {
            canvas.fill_ellipse(px, py, r, r * flat, shade(color, 90));
        }
        let rise = if self.view == View::Above { 0.0 } else { 4.0 };
        canvas.fill_ellipse(px, py - rise, r, r * flat, shade(color, 60));
        canvas.fill_ellipse(px, py - rise, r * 0.82, r * 0.82 * flat, color);
        canvas.fill_ellipse(px, py - rise, r * 0.3, r * 0.3 * flat, shade(color, 90));
    }

    /// A flat plate: a ring of its colour around a light middle.
    pub(crate) fn draw_plate(&self, canvas: &mut Canvas, x: i32, y: i32, half: i32, color: Rgb) {
        let (px, py) = self.pixel(x, y);
        let flat = if self.view == View::Above { 1.0 } else { 0.75 };
        for (share, color) in [(1.0, color), (0.74, shade(self.theme.top(), -120))] {
            let r = half as f32 * share;
            canvas.fill_ellipse(px as f32, py as f32, r, r * flat, color);
        }
    }
}

/// A block with its upper left corner at `at`: the lowest `front` pixels are its front.
pub(crate) fn draw_block(canvas: &mut Canvas, at: (i32, i32), size: (i32, i32), front: i32, color: Rgb) {
    let (w, h) = (size.0.max(1) as u32, size.1.max(1) as u32);
    canvas.fill_rect(at.0, at.1, w, h, shade(color, -60));
    canvas.fill_rect(at.0, at.1 + size.1 - front, w, front.max(0) as u32, color);
    if front == 0 {
        let inset = (size.0 / 6).max(2);
        let inner = (w.saturating_sub(2 * inset as u32), h.saturating_sub(2 * inset as u32));
        canvas.fill_rect(at.0 + inset, at.1 + inset, inner.0, inner.1, color);
    }
    canvas.frame(at.0, at.1, w, h, 1, shade(color, 130));
}

/// A gripper hanging into the strip along the upper edge.
pub(crate) fn draw_gripper(canvas: &mut Canvas, x: i32, open: i32, ink: Rgb) {
    let half = open / 2;
    canvas.fill_rect(x - 2, 0, 4, 4, ink);
    canvas.fill_rect(x - half - 3, 3, (2 * half + 6) as u32, 3, ink);
    canvas.fill_rect(x - half - 3, 3, 3, 12, ink);
    canvas.fill_rect(x + half, 3, 3, 12, ink);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_and_places_agree() {
        for view in [View::Above, View::Oblique] {
            let table = Table { side: 112, view, theme: Theme::Pale };
            for (x, y) in [(0, 0), (5, 7), (56, 56), (111, 110)] {
                let (bx, by) = table.place(table.pixel(x, y)).unwrap();
                assert!(bx == x && (by - y).abs() <= 1, "{view:?} {x} {y}: {bx} {by}");
            }
            assert_eq!(table.place((5, 10)), None, "the strip");
            assert_eq!(table.place((112, 60)), None);
            assert_eq!(table.size(), (112, 140));
            let (_, top, _, bottom) = table.body(50, 50, 9);
            let (_, y) = table.grip(50, 50, 9);
            assert!(top < y && y < bottom);
        }
    }

    #[test]
    fn shades_go_to_black_and_white() {
        assert_eq!((shade([100, 0, 200], 255), shade([100, 0, 200], -255)), ([0; 3], [255; 3]));
        assert_eq!(shade([100, 0, 200], 0), [100, 0, 200]);
    }
}
