//! Rows of RGB pixels become rows of planes, resized across if need be, a strip of rows at a time.
//!
//! To resize, a strip is turned over: the columns of its pixels then lie one after another, and the weighted
//! sums are those of whole lines.

use super::axis::Axis;
use super::transpose::{LANE, Lane, transpose};
use super::weigh::{Piece, weigh_columns};
use crate::ops::simd::vectorised;

/// The most rows in a strip.
pub(super) const ROWS: usize = LANE;

/// A row as three planes: red, green, blue. Each fills whole lanes; bytes after its end mean nothing.
pub(super) type Line = [Piece];

/// Pieces in a line of `width` pixels.
pub(super) fn pitch(width: usize) -> usize {
    width.div_ceil(LANE)
}

/// Makes lines of one width of rows of another.
pub(super) struct Strips {
    /// Pixels of a row.
    width: usize,
    /// None if the width stays.
    axis: Option<Axis>,
    /// A strip turned over: red, green and blue of each column of pixels, and what fills the last square.
    columns: Vec<Lane>,
    /// The same after resizing.
    resized: Vec<Piece>,
}

impl Strips {
    /// From rows `from` pixels wide to lines `to` pixels wide.
    pub(super) fn new(from: usize, to: usize) -> Self {
        if from == to {
            return Self { width: from, axis: None, columns: Vec::new(), resized: Vec::new() };
        }
        let columns = vec![[0; LANE]; (from * 3).next_multiple_of(LANE)];
        let resized = vec![[[0; LANE]; 3]; to.next_multiple_of(LANE)];
        Self { width: from, axis: Some(Axis::new(from, to)), columns, resized }
    }

    /// Reads 1 to [`ROWS`] rows of RGB8 pixels and writes [`ROWS`] lines; those without a row mean nothing.
    pub(super) fn lines(&mut self, rows: &[u8], out: &mut Line) {
        match &self.axis {
            None => split(rows, self.width, out),
            Some(axis) => {
                turn(rows, self.width, &mut self.columns);
                weigh_columns(&mut self.resized, self.columns.as_chunks().0, axis);
                turn_back(&self.resized, out.as_flattened_mut());
            }
        }
    }
}

/// The planes of rows of pixels.
fn split(rows: &[u8], width: usize, out: &mut Line) {
    let plane = pitch(width) * LANE;
    let out = out.as_flattened_mut().as_flattened_mut();
    vectorised(
        #[inline(always)]
        || {
            for (row, out) in rows.chunks_exact(width * 3).zip(out.chunks_exact_mut(3 * plane)) {
                let (red, rest) = out.split_at_mut(plane);
                let (green, blue) = rest.split_at_mut(plane);
                for (((pixel, red), green), blue) in row.as_chunks().0.iter().zip(red).zip(green).zip(blue) {
                    [*red, *green, *blue] = *pixel;
                }
            }
        },
    );
}

/// The columns of rows of pixels. If there are too few rows, the last is repeated.
fn turn(rows: &[u8], width: usize, columns: &mut [Lane]) {
    let length = width * 3;
    let last = rows.len() / length - 1;
    let rows: [_; LANE] = std::array::from_fn(|row| &rows[row.min(last) * length..][..length]);
    let rows = rows.map(<[u8]>::as_chunks::<LANE>);
    let (squares, _) = columns.as_chunks_mut::<LANE>();
    let (whole, rest) = squares.split_at_mut(length / LANE);
    vectorised(
        #[inline(always)]
        || {
            for (block, square) in whole.iter_mut().enumerate() {
                for (lane, row) in square.iter_mut().zip(&rows) {
                    *lane = row.0[block];
                }
                transpose(square);
            }
        },
    );
    // What is left at the end of the rows is less than a lane.
    for square in rest {
        for (lane, row) in square.iter_mut().zip(&rows) {
            lane[..row.1.len()].copy_from_slice(row.1);
        }
        transpose(square);
    }
}

/// The lines of resized columns.
fn turn_back(columns: &[Piece], out: &mut [Lane]) {
    let (squares, _) = columns.as_chunks::<LANE>();
    let pitch = squares.len();
    vectorised(
        #[inline(always)]
        || {
            for (block, columns) in squares.iter().enumerate() {
                for channel in 0..3 {
                    let mut rows = [[0; LANE]; LANE];
                    for (row, column) in rows.iter_mut().zip(columns) {
                        *row = column[channel];
                    }
                    transpose(&mut rows);
                    let lanes = out[channel * pitch + block..].iter_mut().step_by(3 * pitch);
                    lanes.zip(rows).for_each(|(to, row)| *to = row);
                }
            }
        },
    );
}
