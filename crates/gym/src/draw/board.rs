//! A board of square cells, with optional grid lines and printed coordinates.

use super::{Canvas, Rgb};
use crate::Cell;

/// How a board is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BoardStyle {
    /// Pixels along each side of a cell.
    pub tile: u32,
    /// Lines between cells.
    pub grid: bool,
    /// Row and column numbers in a margin at the left and the top.
    pub coordinates: bool,
    /// The cells' colour.
    pub cell: Rgb,
    /// Colour of lines and margin.
    pub line: Rgb,
    /// Colour of the printed numbers.
    pub ink: Rgb,
}

/// A board that is being drawn.
pub struct Board {
    /// The picture.
    pub canvas: Canvas,
    tile: u32,
    margin: u32,
}

impl Board {
    /// An empty board of `rows × cols` cells.
    pub fn new(rows: usize, cols: usize, style: BoardStyle) -> Self {
        let tile = style.tile;
        let margin = if style.coordinates { tile.div_ceil(2) } else { 0 };
        let (width, height) = (margin + cols as u32 * tile, margin + rows as u32 * tile);
        let mut board = Self { canvas: Canvas::new(width, height, style.line), tile, margin };
        let gap = u32::from(style.grid);
        if gap == 0 {
            board.canvas.fill_rect(margin as i32, margin as i32, width - margin, height - margin, style.cell);
        } else {
            for row in 0..rows {
                for col in 0..cols {
                    let (x, y) = board.corner(Cell { row, col });
                    board.canvas.fill_rect(x, y, tile - gap, tile - gap, style.cell);
                }
            }
        }
        if style.coordinates {
            let (m, t) = (margin as f32, tile as f32);
            let mut number = |n: usize, x: f32, y: f32| {
                board.canvas.text_in_box(&n.to_string(), x, y, m * 0.8, m * 0.8, style.ink);
            };
            (0..rows).for_each(|row| number(row, m / 2.0, m + (row as f32 + 0.5) * t));
            (0..cols).for_each(|col| number(col, m + (col as f32 + 0.5) * t, m / 2.0));
        }
        board
    }

    /// The top-left pixel of a cell.
    pub fn corner(&self, cell: Cell) -> (i32, i32) {
        let at = |n: usize| (self.margin + n as u32 * self.tile) as i32;
        (at(cell.col), at(cell.row))
    }

    /// The middle of a cell.
    pub fn middle(&self, cell: Cell) -> (f32, f32) {
        let (x, y) = self.corner(cell);
        let half = self.tile as f32 / 2.0;
        (x as f32 + half, y as f32 + half)
    }

    /// Pixels along each side of a cell.
    pub fn tile(&self) -> f32 {
        self.tile as f32
    }

    /// Fills a cell, leaving the grid line where there is one.
    pub fn fill(&mut self, cell: Cell, grid: bool, color: Rgb) {
        let (x, y) = self.corner(cell);
        let side = self.tile - u32::from(grid);
        self.canvas.fill_rect(x, y, side, side, color);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::{BLACK, RED, WHITE};

    #[test]
    fn cells_lines_and_numbers_are_where_they_should_be() {
        let style =
            BoardStyle { tile: 10, grid: true, coordinates: false, cell: WHITE, line: BLACK, ink: RED };
        let mut board = Board::new(2, 3, style);
        assert_eq!((board.canvas.width(), board.canvas.height()), (30, 20));
        assert_eq!(board.middle(Cell { row: 1, col: 2 }), (25.0, 15.0));
        board.fill(Cell { row: 0, col: 1 }, true, RED);
        let image = board.canvas.into_image();
        let count = |color: Rgb| image.pixels().chunks_exact(3).filter(|p| *p == color).count();
        assert_eq!((count(RED), count(WHITE)), (81, 5 * 81));
        let board = Board::new(2, 3, BoardStyle { coordinates: true, ..style });
        assert_eq!(board.corner(Cell { row: 0, col: 0 }), (5, 5));
    }
}
