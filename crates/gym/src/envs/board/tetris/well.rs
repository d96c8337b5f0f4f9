//! Pieces, and a well as bits: what the rules and the oracle compute with.

use serde::{Deserialize, Serialize};

/// The most rows of a well.
const ROWS: usize = 20;

/// The value of a game that is lost.
pub(super) const LOST: i64 = -1_000_000_000;

/// The seven pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Piece {
    I,
    O,
    T,
    S,
    Z,
    J,
    L,
}

/// A piece in one of its positions, its top-left corner at (0, 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// (row, column) of its four cells.
    pub(super) cells: [(usize, usize); 4],
    pub(super) width: usize,
    pub(super) height: usize,
}

impl Piece {
    /// All seven.
    pub(super) const ALL: [Self; 7] = [Self::I, Self::O, Self::T, Self::S, Self::Z, Self::J, Self::L];

    pub(super) fn letter(self) -> &'static str {
        ["I", "O", "T", "S", "Z", "J", "L"][self as usize]
    }

    /// How it is kept in a cell: 1 to 7.
    pub(super) fn code(self) -> u8 {
        self as u8 + 1
    }

    /// How many positions differ.
    pub(super) fn positions(self) -> usize {
        match self {
            Self::O => 1,
            Self::I | Self::S | Self::Z => 2,
            Self::T | Self::J | Self::L => 4,
        }
    }

    /// The piece after quarter turns clockwise.
    pub(super) fn shape(self, turns: usize) -> Shape {
        let cells = match self {
            Self::I => [(0, 0), (0, 1), (0, 2), (0, 3)],
            Self::O => [(0, 0), (0, 1), (1, 0), (1, 1)],
            Self::T => [(0, 1), (1, 0), (1, 1), (1, 2)],
            Self::S => [(0, 1), (0, 2), (1, 0), (1, 1)],
            Self::Z => [(0, 0), (0, 1), (1, 1), (1, 2)],
            Self::J => [(0, 0), (1, 0), (1, 1), (1, 2)],
            Self::L => [(0, 2), (1, 0), (1, 1), (1, 2)],
        };
        let (width, height) = match self {
            Self::I => (4, 1),
            Self::O => (2, 2),
            _ => (3, 2),
        };
        let mut shape = Shape { cells, width, height };
        for _ in 0..turns % self.positions() {
            let top = shape.height - 1;
            let cells = shape.cells.map(|(row, col)| (col, top - row));
            shape = Shape { cells, width: shape.height, height: shape.width };
        }
        shape
    }
}

/// The filled cells of a well: a bit for each column, rows from the top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rows {
    width: usize,
    height: usize,
    rows: [u16; ROWS],
}

/// What a dropped piece leaves.
pub(super) struct Landed {
    /// The well without the rows that were full.
    pub(super) rows: Rows,
    /// The row of the piece's top edge.
    pub(super) row: usize,
    /// The rows that were full.
    pub(super) lines: usize,
    /// What the landing itself is worth; what is left is worth [`Rows::value`].
    pub(super) value: i64,
}

impl Rows {
    /// A well with the cells that `filled` names by row and column.
    pub(super) fn of(width: usize, height: usize, filled: impl Fn(usize, usize) -> bool) -> Self {
        let mut rows = [0; ROWS];
        for (row, bits) in rows.iter_mut().enumerate().take(height.min(ROWS)) {
            *bits = (0..width).filter(|col| filled(row, *col)).fold(0, |bits, col| bits | 1 << col);
        }
        Self { width, height: height.min(ROWS), rows }
    }

    fn full(&self) -> u16 {
        (1 << self.width) - 1
    }

    fn is_filled(&self, row: usize, col: usize) -> bool {
        self.rows[row] >> col & 1 == 1
    }

    /// The first filled row of a column; the floor where there is none.
    fn top_of(&self, col: usize) -> usize {
        (0..self.height).find(|row| self.is_filled(*row, col)).unwrap_or(self.height)
    }

    pub(super) fn height_of(&self, col: usize) -> usize {
        self.height - self.top_of(col)
    }

    pub(super) fn highest(&self) -> usize {
        (0..self.width).map(|col| self.height_of(col)).max().unwrap_or(0)
    }

    /// Drops a piece; `None` when it comes to rest over the top.
    pub(super) fn drop(&self, piece: Piece, turns: usize, col: usize) -> Option<Landed> {
        let shape = piece.shape(turns);
        let mut row = self.height;
        for (r, c) in shape.cells {
            // Each cell rests above the first filled row of its column.
            row = row.min(self.top_of(col + c).checked_sub(r + 1)?);
        }
        let mut rows = *self;
        shape.cells.iter().for_each(|(r, c)| rows.rows[row + r] |= 1 << (col + c));
        let own = |rows: &Self| shape.cells.iter().filter(|(r, _)| rows.rows[row + r] == rows.full()).count();
        let eroded = own(&rows);
        let lines = rows.clear();
        // Twice the height of the piece's middle over the floor.
        let landing = 2 * (self.height - row) as i64 - shape.height as i64;
        let value = -WEIGHTS.landing * landing / 2 + WEIGHTS.eroded * (lines * eroded) as i64;
        Some(Landed { rows, row, lines, value })
    }

    /// Takes full rows away; gives how many.
    fn clear(&mut self) -> usize {
        let full = self.full();
        let mut to = self.height;
        for row in (0..self.height).rev() {
            if self.rows[row] != full {
                to -= 1;
                self.rows[to] = self.rows[row];
            }
        }
        self.rows[..to].fill(0);
        to
    }

    /// Empty cells under filled ones.
    pub(super) fn holes(&self) -> usize {
        let mut above = 0;
        let mut holes = 0;
        for bits in &self.rows[..self.height] {
            holes += (above & !bits).count_ones() as usize;
            above |= bits;
        }
        holes
    }

    /// Changes between filled and empty along rows, the walls being filled.
    fn row_transitions(&self) -> u32 {
        let walls = 1 << (self.width + 1) | 1;
        let changes = |bits: &u16| {
            let walled = u32::from(*bits) << 1 | walls;
            ((walled ^ walled >> 1) & ((1 << (self.width + 1)) - 1)).count_ones()
        };
        self.rows[..self.height].iter().map(changes).sum()
    }

    /// Changes between filled and empty along columns, the floor being filled and the sky empty.
    fn column_transitions(&self) -> u32 {
        let mut above = 0;
        let mut changes = 0;
        for bits in self.rows[..self.height].iter().chain([&self.full()]) {
            changes += (above ^ bits).count_ones();
            above = *bits;
        }
        changes
    }

    /// Wells: empty cells between filled neighbours, each counted with the empty cells below it.
    fn wells(&self) -> usize {
        let mut sum = 0;
        for col in 0..self.width {
            for row in 0..self.height {
                let left = col == 0 || self.is_filled(row, col - 1);
                let right = col + 1 == self.width || self.is_filled(row, col + 1);
                if left && right && !self.is_filled(row, col) {
                    sum += (row..self.height).take_while(|below| !self.is_filled(*below, col)).count();
                }
            }
        }
        sum
    }

    /// What a well is worth.
    pub(super) fn value(&self) -> i64 {
        -(WEIGHTS.row_transitions * i64::from(self.row_transitions())
            + WEIGHTS.column_transitions * i64::from(self.column_transitions())
            + WEIGHTS.holes * self.holes() as i64
            + WEIGHTS.wells * self.wells() as i64)
    }
}

/// The weights of the features, in thousandths.
struct Weights {
    landing: i64,
    eroded: i64,
    row_transitions: i64,
    column_transitions: i64,
    holes: i64,
    wells: i64,
}

/// Weights for Dellacherie's features that Thiery and Scherrer report, rounded.
const WEIGHTS: Weights = Weights {
    landing: 4_500,
    eroded: 3_418,
    row_transitions: 3_218,
    column_transitions: 9_349,
    holes: 7_899,
    wells: 3_386,
};

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Rows {
        let lines: Vec<Vec<bool>> =
            text.lines().map(|line| line.split(' ').map(|word| word != "-").collect()).collect();
        Rows::of(lines[0].len(), lines.len(), |row, col| lines[row][col])
    }

    #[test]
    fn features_are_those_counted_by_hand() {
        let well = rows("- - - -\n- # - -\n# # - #\n# - - #");
        // Holes: 3 1 under 2 1. Rows: 2; wall-gap, gap-#, #-gap, gap-wall: 4; ##-#: 2; #--#: 2.
        assert_eq!((well.holes(), well.row_transitions()), (1, 2 + 4 + 2 + 2));
        // Columns 0: 1 (sky to #). 1: sky-#, #-gap, gap-floor: 3. 2: 1. 3: 1.
        assert_eq!(well.column_transitions(), 6);
        // 1 0 lies between the wall and a filled cell; 2 2 between filled ones, with the cell below it.
        assert_eq!(well.wells(), 1 + 2);
        assert_eq!((well.height_of(1), well.highest()), (3, 3));
    }

    #[test]
    fn turns_are_clockwise_and_come_round() {
        let grid = |shape: Shape| {
            let at = |row, col| if shape.cells.contains(&(row, col)) { '#' } else { '-' };
            let line = |row| (0..shape.width).map(|col| at(row, col)).collect::<String>();
            (0..shape.height).map(line).collect::<Vec<_>>().join(" ")
        };
        let shown = [0, 1, 2, 3].map(|turns| grid(Piece::L.shape(turns)));
        assert_eq!(shown, ["--# ###", "#- #- ##", "### #--", "## -# -#"]);
        for piece in Piece::ALL {
            assert_eq!(piece.shape(0), piece.shape(piece.positions()));
            let distinct: Vec<String> =
                (0..piece.positions()).map(|turns| grid(piece.shape(turns))).collect();
            assert!(distinct.iter().enumerate().all(|(i, a)| !distinct[..i].contains(a)), "{piece:?}");
        }
    }

    #[test]
    fn full_rows_are_taken_and_counted() {
        let well = rows("- - - -\n# # # -\n- # # -\n# # # -");
        let landed = well.drop(Piece::I, 1, 3).unwrap();
        assert_eq!((landed.row, landed.lines), (0, 2));
        assert_eq!(landed.rows, rows("- - - -\n- - - -\n- - - #\n- # # #"));
        assert!(well.drop(Piece::O, 0, 0).is_none());
        assert!(well.drop(Piece::I, 0, 0).is_some());
    }
}
