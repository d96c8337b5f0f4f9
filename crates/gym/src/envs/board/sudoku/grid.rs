//! The rules of Sudoku, a solver and a generator.

use eyas_core::Rng;
use serde::{Deserialize, Serialize};

/// The most cells along a side.
const SIDE: usize = 9;

/// The most positions looked at to tell whether a solution is the only one; a cell for which they do not
/// suffice stays filled. Grids made that way are solved as quickly.
const MAX_NODES: usize = 600;

/// The size of a grid, and whether its diagonals count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawShape")]
pub(super) struct Shape {
    size: usize,
    diagonals: bool,
}

/// A shape as read from a file, not yet checked.
#[derive(Deserialize)]
struct RawShape {
    size: usize,
    diagonals: bool,
}

impl TryFrom<RawShape> for Shape {
    type Error = String;

    fn try_from(raw: RawShape) -> Result<Self, String> {
        let known = [4, 6, 9].contains(&raw.size);
        known.then_some(Self { size: raw.size, diagonals: raw.diagonals }).ok_or(format!("size {}", raw.size))
    }
}

impl Shape {
    /// A grid of 4, 6 or 9 cells along each side; 4 for any other number.
    pub(super) fn new(size: usize, diagonals: bool) -> Self {
        Self { size: if [6, 9].contains(&size) { size } else { 4 }, diagonals }
    }

    pub(super) fn size(self) -> usize {
        self.size
    }

    pub(super) fn diagonals(self) -> bool {
        self.diagonals
    }

    pub(super) fn cells(self) -> usize {
        self.size * self.size
    }

    /// Rows and columns of a box.
    pub(super) fn boxes(self) -> (usize, usize) {
        match self.size {
            6 => (2, 3),
            9 => (3, 3),
            _ => (2, 2),
        }
    }

    /// The numbers that may be in a cell, as bits.
    fn all(self) -> u16 {
        (1 << (self.size + 1)) - 2
    }

    /// The box of a cell.
    fn box_of(self, row: usize, col: usize) -> usize {
        let (rows, cols) = self.boxes();
        row / rows * (self.size / cols) + col / cols
    }

    /// The units of a cell: its row, column and box, and the diagonals; its row again where it lies on
    /// none. They are places in [`Grid::used`].
    fn units(self, index: usize) -> [u8; UNITS] {
        let (row, col) = (index / self.size, index % self.size);
        let falling = if self.diagonals && row == col { 3 * SIDE } else { row };
        let rising = if self.diagonals && row + col + 1 == self.size { 3 * SIDE + 1 } else { row };
        [row, SIDE + col, 2 * SIDE + self.box_of(row, col), falling, rising].map(|unit| unit as u8)
    }
}

/// The most units that a cell belongs to, and what they are called.
const UNITS: usize = 5;
const NAMES: [&str; UNITS] = ["row", "column", "box", "diagonal", "diagonal"];

/// The numbers in a set of bits, rising.
pub(super) fn bits(set: u16) -> impl Iterator<Item = u8> {
    (1..=SIDE as u8).filter(move |n| set >> n & 1 == 1)
}

/// A grid that is being filled.
#[derive(Clone)]
pub(super) struct Grid {
    shape: Shape,
    numbers: [u8; SIDE * SIDE],
    units: [[u8; UNITS]; SIDE * SIDE],
    /// The numbers that each row, column, box and diagonal holds, as bits.
    used: [u16; 3 * SIDE + 2],
    empty: usize,
}

/// A number that has to be in a cell.
pub(super) struct Deduction {
    pub(super) index: usize,
    pub(super) number: u8,
}

impl Grid {
    pub(super) fn empty(shape: Shape) -> Self {
        let mut units = [[0; UNITS]; SIDE * SIDE];
        units.iter_mut().enumerate().take(shape.cells()).for_each(|(i, units)| *units = shape.units(i));
        Self { shape, numbers: [0; SIDE * SIDE], units, used: [0; 3 * SIDE + 2], empty: shape.cells() }
    }

    /// A grid that holds `numbers`; `None` when they break the rules.
    pub(super) fn of(shape: Shape, numbers: &[u8]) -> Option<Self> {
        let mut grid = Self::empty(shape);
        for (index, number) in numbers.iter().enumerate().filter(|(_, n)| **n != 0) {
            if index >= shape.cells() || usize::from(*number) > shape.size {
                return None;
            }
            if grid.candidates(index) >> number & 1 == 0 {
                return None;
            }
            grid.place(index, *number);
        }
        Some(grid)
    }

    pub(super) fn is_full(&self) -> bool {
        self.empty == 0
    }

    /// Writes a candidate into an empty cell.
    pub(super) fn place(&mut self, index: usize, number: u8) {
        self.numbers[index] = number;
        self.units[index].iter().for_each(|unit| self.used[usize::from(*unit)] |= 1 << number);
        self.empty -= 1;
    }

    fn clear(&mut self, index: usize) {
        let number = std::mem::take(&mut self.numbers[index]);
        self.units[index].iter().for_each(|unit| self.used[usize::from(*unit)] &= !(1 << number));
        self.empty += 1;
    }

    /// The numbers that the rules leave to a cell, as bits; none to a filled one.
    pub(super) fn candidates(&self, index: usize) -> u16 {
        if self.numbers[index] != 0 {
            return 0;
        }
        let held = self.units[index].iter().fold(0, |held, unit| held | self.used[usize::from(*unit)]);
        self.shape.all() & !held
    }

    /// What each unit of a cell holds, with its name.
    pub(super) fn held(&self, index: usize) -> impl Iterator<Item = (&'static str, u16)> {
        NAMES.into_iter().zip(self.units[index].map(|unit| self.used[usize::from(unit)]))
    }

    fn empty_cells(&self) -> impl Iterator<Item = usize> {
        (0..self.shape.cells()).filter(|i| self.numbers[*i] == 0)
    }

    /// A unit of the cell in which `number` fits nowhere else.
    pub(super) fn only_place(&self, index: usize, number: u8) -> Option<&'static str> {
        let rivals = |unit: u8| {
            self.empty_cells()
                .filter(|other| *other != index && self.units[*other].contains(&unit))
                .any(|other| self.candidates(other) >> number & 1 == 1)
        };
        let units = self.units[index].into_iter().zip(NAMES);
        units.into_iter().find(|(unit, _)| !rivals(*unit)).map(|(_, name)| name)
    }

    /// The next number that is found most easily: a cell with one candidate, else a number with one
    /// place in a unit, else by backtracking in a cell with the fewest candidates.
    pub(super) fn next_step(&self) -> Option<Deduction> {
        let single = self.empty_cells().find(|i| self.candidates(*i).count_ones() == 1);
        if let Some(index) = single {
            return Some(Deduction { index, number: self.candidates(index).trailing_zeros() as u8 });
        }
        let hidden = self.empty_cells().find_map(|index| {
            let number = bits(self.candidates(index)).find(|n| self.only_place(index, *n).is_some())?;
            Some(Deduction { index, number })
        });
        hidden.or_else(|| {
            let index = self.narrowest()?;
            let mut solved = self.clone();
            let mut nodes = usize::MAX;
            let number = if solved.search(1, &mut nodes) == 1 {
                solved.numbers[index]
            } else {
                bits(self.candidates(index)).next()?
            };
            Some(Deduction { index, number })
        })
    }

    /// The empty cell with the fewest candidates, the first among equals.
    fn narrowest(&self) -> Option<usize> {
        let mut best: Option<(u32, usize)> = None;
        for index in self.empty_cells() {
            let count = self.candidates(index).count_ones();
            if best.is_none_or(|(fewest, _)| count < fewest) {
                best = Some((count, index));
                if count <= 1 {
                    break;
                }
            }
        }
        best.map(|(_, index)| index)
    }

    /// Counts solutions up to `limit`, spending `nodes`. When `limit` is reached the grid holds the last
    /// one found; else it is as it was.
    fn search(&mut self, limit: usize, nodes: &mut usize) -> usize {
        let Some(index) = self.narrowest() else { return 1 };
        if *nodes == 0 {
            return limit;
        }
        *nodes -= 1;
        let mut found = 0;
        for number in bits(self.candidates(index)) {
            self.place(index, number);
            found += self.search(limit - found, nodes);
            if found >= limit {
                return found;
            }
            self.clear(index);
        }
        found
    }

    /// Fills the grid at random; false when nothing fits or the search takes too long.
    fn fill(&mut self, rng: &mut Rng, nodes: &mut usize) -> bool {
        let Some(index) = self.narrowest() else { return true };
        if *nodes == 0 {
            return false;
        }
        *nodes -= 1;
        let mut numbers: Vec<u8> = bits(self.candidates(index)).collect();
        rng.shuffle(&mut numbers);
        for number in numbers {
            self.place(index, number);
            if self.fill(rng, nodes) {
                return true;
            }
            self.clear(index);
        }
        false
    }
}

/// A full grid.
pub(super) fn full(rng: &mut Rng, shape: Shape) -> Vec<u8> {
    loop {
        let mut grid = Grid::empty(shape);
        if grid.fill(rng, &mut 1_000) {
            return grid.numbers[..shape.cells()].to_vec();
        }
    }
}

/// Empties up to `wanted` cells of a full grid in random order, as long as one solution is left.
pub(super) fn dig(rng: &mut Rng, shape: Shape, solution: &[u8], wanted: usize) -> Vec<u8> {
    let mut grid = Grid::of(shape, solution).unwrap_or_else(|| Grid::empty(shape));
    let mut order: Vec<usize> = (0..shape.cells()).collect();
    rng.shuffle(&mut order);
    for index in order {
        if grid.empty == wanted {
            break;
        }
        grid.clear(index);
        let mut nodes = MAX_NODES;
        if grid.clone().search(2, &mut nodes) != 1 {
            grid.place(index, solution[index]);
        }
    }
    grid.numbers[..shape.cells()].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use eyas_core::Seed;

    /// Solutions by trying every number in every empty cell in order, checked from the rules' words.
    fn brute_force(shape: Shape, numbers: &mut Vec<u8>, from: usize) -> usize {
        let size = shape.size();
        let Some(index) = (from..shape.cells()).find(|i| numbers[*i] == 0) else { return 1 };
        let (rows, cols) = shape.boxes();
        let clash = |a: usize, b: usize| {
            let ((r, c), (s, d)) = ((a / size, a % size), (b / size, b % size));
            let diagonal = (r == c && s == d) || (r + c == size - 1 && s + d == size - 1);
            a != b
                && (r == s
                    || c == d
                    || (r / rows == s / rows && c / cols == d / cols)
                    || (shape.diagonals() && diagonal))
        };
        let mut found = 0;
        for number in 1..=size as u8 {
            if (0..shape.cells()).any(|other| clash(index, other) && numbers[other] == number) {
                continue;
            }
            numbers[index] = number;
            found += brute_force(shape, numbers, index + 1);
        }
        numbers[index] = 0;
        found
    }

    #[test]
    fn grids_have_one_solution() {
        let mut rng = Seed::new(4).rng();
        for (size, diagonals) in [(4, false), (4, true), (6, false), (6, true), (9, false), (9, true)] {
            let shape = Shape::new(size, diagonals);
            for _ in 0..4 {
                let solution = full(&mut rng, shape);
                // Nines with few numbers take brute force too long.
                let wanted = if size == 9 { 44 } else { shape.cells() * 6 / 10 };
                let mut numbers = dig(&mut rng, shape, &solution, wanted);
                assert_eq!(brute_force(shape, &mut numbers, 0), 1, "{shape:?}");
            }
        }
    }

    #[test]
    fn the_number_of_small_grids_is_the_known_one() {
        // 288 Sudoku grids of 4 × 4; 48 of them with diagonals (counted by the plain search above).
        for (diagonals, known) in [(false, 288), (true, 48)] {
            let shape = Shape::new(4, diagonals);
            assert_eq!(brute_force(shape, &mut vec![0; 16], 0), known);
            assert_eq!(Grid::empty(shape).search(1_000, &mut 100_000), known);
        }
    }

    #[test]
    fn steps_lead_to_the_solution() {
        let mut rng = Seed::new(6).rng();
        let shape = Shape::new(9, false);
        for _ in 0..5 {
            let solution = full(&mut rng, shape);
            let mut grid = Grid::of(shape, &dig(&mut rng, shape, &solution, 57)).unwrap();
            while let Some(Deduction { index, number }) = grid.next_step() {
                assert_eq!(number, solution[index]);
                grid.place(index, number);
            }
            assert!(grid.is_full());
        }
    }

    #[test]
    fn only_places_are_seen_in_every_unit() {
        // 1 in the first box: row 1 holds one, column 1 holds one, so it goes to 0 0.
        let mut numbers = [0; 16];
        (numbers[6], numbers[13]) = (1, 1);
        let grid = Grid::of(Shape::new(4, false), &numbers).unwrap();
        assert_eq!(grid.only_place(0, 1), Some("row"));
        assert_eq!(grid.only_place(0, 2), None);
        assert!(Grid::of(Shape::new(4, false), &[1, 1]).is_none());
        assert!(Grid::of(Shape::new(4, false), &[5]).is_none());
    }
}
