//! Cells and directions, shared by the board environments.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ParseError;

/// A cell of a board, counted from 0 at the top-left corner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Cell {
    /// Row, downwards.
    pub row: usize,
    /// Column, to the right.
    pub col: usize,
}

impl Cell {
    /// The neighbour in `direction` on a board of `rows × cols`, if it is on the board.
    pub fn neighbour(self, direction: Direction, rows: usize, cols: usize) -> Option<Self> {
        let (dr, dc) = direction.delta();
        let row = self.row.checked_add_signed(dr).filter(|r| *r < rows)?;
        let col = self.col.checked_add_signed(dc).filter(|c| *c < cols)?;
        Some(Self { row, col })
    }
}

/// A move on a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Towards row 0.
    Up,
    /// Towards the last column.
    Right,
    /// Towards the last row.
    Down,
    /// Towards column 0.
    Left,
}

impl Direction {
    /// All four, in the order of G1's action codes.
    pub const ALL: [Self; 4] = [Self::Up, Self::Right, Self::Down, Self::Left];
    /// The grammar of one move.
    pub const GRAMMAR: &'static str = "up | right | down | left";

    /// (row, column) step.
    pub fn delta(self) -> (isize, isize) {
        match self {
            Self::Up => (-1, 0),
            Self::Right => (0, 1),
            Self::Down => (1, 0),
            Self::Left => (0, -1),
        }
    }

    /// The word in the grammar.
    pub fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Right => "right",
            Self::Down => "down",
            Self::Left => "left",
        }
    }

    /// Reads one word, ignoring case and surrounding white space.
    ///
    /// # Errors
    /// [`ParseError::Grammar`] for anything else.
    pub fn parse(answer: &str) -> Result<Self, ParseError> {
        let word = answer.trim();
        Self::ALL
            .into_iter()
            .find(|d| d.word().eq_ignore_ascii_case(word))
            .ok_or_else(|| ParseError::grammar(answer, Self::GRAMMAR))
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
