//! Bicubic resizing of RGB8 images, across and then down, each pass rounded to 8 bits.
//!
//! Rows go through both passes as they are needed, so that what is between them stays in cache.

use super::axis::Axis;
use super::strip::{Line, ROWS, Strips, pitch};
use super::transpose::LANE;
use super::weigh::{Piece, weigh_rows};

/// Some rows of an image as planes.
pub(super) struct Band<'a> {
    bytes: &'a [u8],
    pitch: usize,
}

impl Band<'_> {
    /// The bytes of one plane in the rows from `first` on, each from a pixel on. What follows the end of the
    /// plane means nothing; it is at least a lane.
    #[inline(always)]
    pub(super) fn rows(&self, first: usize, channel: usize, pixel: usize) -> impl Iterator<Item = &[u8]> {
        self.bytes[(first * 3 + channel) * self.pitch + pixel..].chunks(3 * self.pitch)
    }
}

/// Resizes `pixels` (RGB8, row-major) between sizes given as (width, height), all sides at least 1, and hands
/// over `count` rows at a time, from the top. What is left below the last whole band is not handed over.
pub(super) fn bands(
    pixels: &[u8],
    from: (u32, u32),
    to: (u32, u32),
    count: usize,
    mut each: impl FnMut(&Band<'_>),
) {
    let (from, to) = ((from.0 as usize, from.1 as usize), (to.0 as usize, to.1 as usize));
    let down = (from.1 != to.1).then(|| Axis::new(from.1, to.1));
    let mut outputs = down.iter().flat_map(Axis::outputs);
    let mut window = Window::new(pixels, from.0, to.0);
    let pitch = pitch(to.0);
    // One piece more, so that a lane may be read anywhere.
    let mut band = vec![[[0; LANE]; 3]; count * pitch + 1];
    for row in 0..to.1 {
        let out = &mut band[row % count * pitch..][..pitch];
        match (&down, outputs.next()) {
            (Some(axis), Some((start, weights))) => {
                weigh_rows(out, window.lines(start, weights.len()), weights, axis);
            }
            _ => out.copy_from_slice(&window.lines(row, 1)[..pitch]),
        }
        if row % count == count - 1 {
            each(&Band { bytes: band.as_flattened().as_flattened(), pitch: pitch * LANE });
        }
    }
}

/// The lines that the pass down is at.
struct Window<'a> {
    /// The rows that are not lines yet, strip by strip.
    strips: std::slice::Chunks<'a, u8>,
    across: Strips,
    /// Bytes of a row.
    row: usize,
    /// Pieces of a line.
    pitch: usize,
    lines: Vec<Piece>,
    /// The number of the first line.
    first: usize,
}

impl<'a> Window<'a> {
    fn new(pixels: &'a [u8], from: usize, to: usize) -> Self {
        let row = from * 3;
        let (strips, across) = (pixels.chunks(row * ROWS), Strips::new(from, to));
        Self { strips, across, row, pitch: pitch(to), lines: Vec::new(), first: 0 }
    }

    /// `count` lines from `start` on, and maybe more. Later calls never go back.
    fn lines(&mut self, start: usize, count: usize) -> &Line {
        let end = (start + count) * self.pitch;
        if self.first * self.pitch + self.lines.len() < end {
            self.lines.drain(..(start - self.first) * self.pitch);
            self.first = start;
            while self.first * self.pitch + self.lines.len() < end
                && let Some(rows) = self.strips.next()
            {
                let before = self.lines.len();
                self.lines.resize(before + ROWS * self.pitch, [[0; LANE]; 3]);
                self.across.lines(rows, &mut self.lines[before..]);
                self.lines.truncate(before + rows.len() / self.row * self.pitch);
            }
        }
        &self.lines[(start - self.first) * self.pitch..]
    }
}
