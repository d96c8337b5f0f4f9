//! Lines, rings, arrows and pasted pictures.

use eyas_core::Image;
use tiny_skia::{PathBuilder, Rect};

use super::{Canvas, Rgb};

impl Canvas {
    /// A straight line `width` pixels wide with square ends.
    pub fn line(&mut self, from: (f32, f32), to: (f32, f32), width: f32, color: Rgb) {
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let length = (dx * dx + dy * dy).sqrt();
        if !(length > 0.0 && length.is_finite()) {
            return;
        }
        let (nx, ny) = (-dy / length * width / 2.0, dx / length * width / 2.0);
        self.fill_polygon(
            &[
                (from.0 + nx, from.1 + ny),
                (to.0 + nx, to.1 + ny),
                (to.0 - nx, to.1 - ny),
                (from.0 - nx, from.1 - ny),
            ],
            color,
        );
    }

    /// Lines from point to point, with round joints.
    pub fn polyline(&mut self, points: &[(f32, f32)], width: f32, color: Rgb) {
        for pair in points.windows(2) {
            self.line(pair[0], pair[1], width, color);
        }
        if width > 2.0 {
            for &(x, y) in points {
                self.fill_circle(x, y, width / 2.0, color);
            }
        }
    }

    /// A line with a head at `to`; the head is `head` pixels long.
    pub fn arrow(&mut self, from: (f32, f32), to: (f32, f32), width: f32, head: f32, color: Rgb) {
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let length = (dx * dx + dy * dy).sqrt();
        if !(length > 0.0 && length.is_finite()) {
            return;
        }
        let (ux, uy) = (dx / length, dy / length);
        let neck = (to.0 - ux * head, to.1 - uy * head);
        if length > head {
            self.line(from, neck, width, color);
        }
        let (wx, wy) = (-uy * head * 0.5, ux * head * 0.5);
        self.fill_polygon(&[to, (neck.0 + wx, neck.1 + wy), (neck.0 - wx, neck.1 - wy)], color);
    }

    /// A circle's outline `width` pixels wide, inside `radius`.
    pub fn ring(&mut self, x: f32, y: f32, radius: f32, width: f32, color: Rgb) {
        // Two circles, one in each direction: what lies inside both winds to zero.
        let inner = (radius - width).max(0.0);
        let mut builder = PathBuilder::new();
        builder.push_circle(x, y, radius);
        if inner > 0.0 {
            const K: f32 = 0.552_284_8;
            let k = inner * K;
            builder.move_to(x, y - inner);
            builder.cubic_to(x - k, y - inner, x - inner, y - k, x - inner, y);
            builder.cubic_to(x - inner, y + k, x - k, y + inner, x, y + inner);
            builder.cubic_to(x + k, y + inner, x + inner, y + k, x + inner, y);
            builder.cubic_to(x + inner, y - k, x + k, y - inner, x, y - inner);
            builder.close();
        }
        if let Some(path) = builder.finish() {
            self.fill_path(&path, color);
        }
    }

    /// An ellipse with the given half-axes.
    pub fn fill_ellipse(&mut self, x: f32, y: f32, half_width: f32, half_height: f32, color: Rgb) {
        let rect = Rect::from_ltrb(x - half_width, y - half_height, x + half_width, y + half_height);
        if let Some(path) = rect.and_then(PathBuilder::from_oval) {
            self.fill_path(&path, color);
        }
    }

    /// A frame `width` pixels wide inside the rectangle's edges.
    pub fn frame(&mut self, x: i32, y: i32, w: u32, h: u32, width: u32, color: Rgb) {
        let thick = width.min(w / 2).min(h / 2).max(1);
        self.fill_rect(x, y, w, thick, color);
        self.fill_rect(x, y + h as i32 - thick as i32, w, thick, color);
        self.fill_rect(x, y, thick, h, color);
        self.fill_rect(x + w as i32 - thick as i32, y, thick, h, color);
    }

    /// A rectangle with round corners.
    pub fn fill_round_rect(&mut self, x: i32, y: i32, w: u32, h: u32, radius: f32, color: Rgb) {
        let r = radius.min(w as f32 / 2.0).min(h as f32 / 2.0).max(0.0);
        let (left, top, right, bottom) = (x as f32, y as f32, x as f32 + w as f32, y as f32 + h as f32);
        let k = r * (1.0 - 0.552_284_8);
        let mut builder = PathBuilder::new();
        builder.move_to(left + r, top);
        builder.line_to(right - r, top);
        builder.cubic_to(right - k, top, right, top + k, right, top + r);
        builder.line_to(right, bottom - r);
        builder.cubic_to(right, bottom - k, right - k, bottom, right - r, bottom);
        builder.line_to(left + r, bottom);
        builder.cubic_to(left + k, bottom, left, bottom - k, left, bottom - r);
        builder.line_to(left, top + r);
        builder.cubic_to(left, top + k, left + k, top, left + r, top);
        builder.close();
        if let Some(path) = builder.finish() {
            self.fill_path(&path, color);
        }
    }

    /// Pastes `image` with its top-left corner at (`x`, `y`); what lies outside is cut off.
    pub fn paste(&mut self, image: &Image, x: i32, y: i32) {
        let columns = super::span(x, image.width(), self.width);
        let rows = super::span(y, image.height(), self.height);
        for row in rows {
            let from_row = (row as i64 - i64::from(y)) as usize;
            let from_col = (columns.start as i64 - i64::from(x)) as usize;
            let from = (from_row * image.width() as usize + from_col) * 3;
            let to = self.line_range(row, &columns);
            let len = to.len();
            self.pixels[to].copy_from_slice(&image.pixels()[from..from + len]);
        }
    }

    /// Pictures side by side, `columns` to a row, with a gap between them: the sheet that shows a clip
    /// to people.
    pub fn sheet(images: &[Image], columns: usize, gap: u32, background: Rgb) -> Image {
        let columns = columns.clamp(1, images.len().max(1));
        let rows = images.len().div_ceil(columns).max(1);
        let width = images.iter().map(Image::width).max().unwrap_or(1);
        let height = images.iter().map(Image::height).max().unwrap_or(1);
        let side = |n: usize, one: u32| n as u32 * (one + gap) - gap.min(n as u32 * (one + gap));
        let mut canvas = Self::new(side(columns, width), side(rows, height), background);
        for (i, image) in images.iter().enumerate() {
            let (row, col) = ((i / columns) as u32, (i % columns) as u32);
            canvas.paste(image, (col * (width + gap)) as i32, (row * (height + gap)) as i32);
        }
        canvas.into_image()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::{BLACK, RED, WHITE};

    fn count(image: &Image, color: Rgb) -> usize {
        image.pixels().chunks_exact(3).filter(|p| *p == color).count()
    }

    #[test]
    fn lines_and_frames_have_their_pixels() {
        let mut canvas = Canvas::new(20, 10, WHITE);
        canvas.line((2.0, 5.0), (12.0, 5.0), 2.0, BLACK);
        assert_eq!(count(&canvas.clone().into_image(), BLACK), 20);
        canvas.line((4.0, 4.0), (4.0, 4.0), 2.0, RED);
        canvas.line((f32::NAN, 4.0), (4.0, 4.0), 2.0, RED);
        assert_eq!(count(&canvas.into_image(), RED), 0);
        let mut canvas = Canvas::new(10, 10, WHITE);
        canvas.frame(1, 1, 8, 6, 1, RED);
        assert_eq!(count(&canvas.into_image(), RED), 2 * 8 + 2 * 4);
    }

    #[test]
    fn a_ring_is_hollow() {
        let mut canvas = Canvas::new(40, 40, BLACK);
        canvas.ring(20.0, 20.0, 15.0, 5.0, WHITE);
        let image = canvas.into_image();
        let at = |x: usize, y: usize| image.pixels()[(y * 40 + x) * 3];
        assert_eq!((at(20, 20), at(20, 28), at(20, 33), at(20, 38)), (0, 0, 255, 0));
        let sum: f64 = image.pixels().iter().map(|v| f64::from(*v)).sum();
        // π (15² − 10²) = 392.7 pixels.
        assert!((sum / 3.0 / 255.0 - 392.7).abs() < 12.0, "{sum}");
    }

    #[test]
    fn pasting_cuts_at_the_edges_and_sheets_hold_everything() {
        let small = Canvas::new(4, 4, RED).into_image();
        let mut canvas = Canvas::new(10, 10, WHITE);
        canvas.paste(&small, -2, -1);
        canvas.paste(&small, 8, 8);
        canvas.paste(&small, 50, 50);
        assert_eq!(count(&canvas.into_image(), RED), 2 * 3 + 2 * 2);
        let sheet = Canvas::sheet(&[small.clone(), small.clone(), small], 2, 1, WHITE);
        assert_eq!((sheet.width(), sheet.height(), count(&sheet, RED)), (9, 9, 48));
    }
}
