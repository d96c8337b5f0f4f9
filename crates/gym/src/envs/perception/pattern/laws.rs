//! Grids of colours and the laws that turn one grid into another.

use std::fmt;

use eyas_core::Rng;
use serde::{Deserialize, Serialize};

use crate::Direction;

/// The longest side of a grid.
pub(super) const MAX_SIDE: usize = 10;

/// A small grid of colour numbers, 0 being the background.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Grid {
    pub(super) rows: usize,
    pub(super) cols: usize,
    /// Row by row.
    pub(super) cells: Vec<u8>,
}

impl Grid {
    pub(super) fn from_fn(rows: usize, cols: usize, mut cell: impl FnMut(usize, usize) -> u8) -> Self {
        let mut cells = Vec::with_capacity(rows * cols);
        for row in 0..rows {
            for col in 0..cols {
                cells.push(cell(row, col));
            }
        }
        Self { rows, cols, cells }
    }

    /// The colour of a cell; the background outside.
    pub(super) fn at(&self, row: usize, col: usize) -> u8 {
        if row < self.rows && col < self.cols { self.cells[row * self.cols + col] } else { 0 }
    }

    /// Whether sides and colours are possible.
    pub(super) fn is_sound(&self, colors: u8) -> bool {
        let sides = (1..=MAX_SIDE).contains(&self.rows) && (1..=MAX_SIDE).contains(&self.cols);
        sides && self.cells.len() == self.rows * self.cols && self.cells.iter().all(|c| *c < colors)
    }

    pub(super) fn is_blank(&self) -> bool {
        self.cells.iter().all(|c| *c == 0)
    }

    /// The share of cells that agree; 0 when the sides differ.
    pub(super) fn agreement(&self, other: &Self) -> f32 {
        if (self.rows, self.cols) != (other.rows, other.cols) {
            return 0.0;
        }
        let same = self.cells.iter().zip(&other.cells).filter(|(a, b)| a == b).count();
        same as f32 / self.cells.len().max(1) as f32
    }

    /// Every row as one word of digits.
    pub(super) fn row_words(&self) -> String {
        let rows: Vec<String> =
            self.cells.chunks(self.cols.max(1)).map(|r| r.iter().map(u8::to_string).collect()).collect();
        rows.join(" ")
    }

    /// Every cell as a word, `/` between rows.
    pub(super) fn cell_words(&self) -> String {
        let row = |r: &[u8]| r.iter().map(u8::to_string).collect::<Vec<_>>().join(" ");
        let rows: Vec<String> = self.cells.chunks(self.cols.max(1)).map(row).collect();
        rows.join(" / ")
    }

    fn map(&self, mut cell: impl FnMut(u8) -> u8) -> Self {
        Self { rows: self.rows, cols: self.cols, cells: self.cells.iter().map(|c| cell(*c)).collect() }
    }

    fn neighbours(&self, index: usize) -> impl Iterator<Item = usize> + use<> {
        let (rows, cols) = (self.rows, self.cols);
        let (row, col) = (index / cols, index % cols);
        let up = (row > 0).then(|| index - cols);
        let down = (row + 1 < rows).then(|| index + cols);
        let left = (col > 0).then(|| index - 1);
        let right = (col + 1 < cols).then(|| index + 1);
        [up, right, down, left].into_iter().flatten()
    }

    /// The number of the connected part of equal colour that each cell belongs to, and their sizes.
    fn parts(&self) -> (Vec<usize>, Vec<usize>) {
        let mut part = vec![usize::MAX; self.cells.len()];
        let mut sizes = Vec::new();
        let mut open = Vec::new();
        for start in 0..self.cells.len() {
            if part[start] != usize::MAX {
                continue;
            }
            part[start] = sizes.len();
            open.push(start);
            let mut size = 0;
            while let Some(index) = open.pop() {
                size += 1;
                for next in self.neighbours(index) {
                    if part[next] == usize::MAX && self.cells[next] == self.cells[start] {
                        part[next] = sizes.len();
                        open.push(next);
                    }
                }
            }
            sizes.push(size);
        }
        (part, sizes)
    }
}

impl fmt::Display for Grid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = |r: &[u8]| r.iter().map(u8::to_string).collect::<Vec<_>>().join(",");
        let rows: Vec<String> =
            self.cells.chunks(self.cols.max(1)).map(|r| format!("[{}]", row(r))).collect();
        write!(f, "[{}]", rows.join(","))
    }
}

/// What turns a grid into the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Law {
    /// Quarter turns clockwise.
    Rotate(u8),
    /// Left and right change places.
    MirrorSides,
    /// Top and bottom change places.
    MirrorEnds,
    /// Rows become columns.
    Transpose,
    /// Rows become columns, from the other corner.
    AntiTranspose,
    /// Every cell moves; what leaves comes in again on the other side.
    Shift(Direction, u8),
    /// One colour becomes another.
    Recolour(u8, u8),
    /// Two colours change places.
    Swap(u8, u8),
    /// Every colour becomes the next, the last the first; the background stays.
    Cycle,
    /// Background and this colour change places, all others become background.
    Invert(u8),
    /// Coloured cells fall to this side.
    Fall(Direction),
    /// The cells at the edge get this colour.
    Border(u8),
    /// Every coloured cell grows a line over the background to this side.
    Extend(Direction),
    /// Background that is not connected with the edge gets this colour.
    FillHoles(u8),
    /// Only the largest connected parts of one colour stay.
    KeepLargest,
    /// Cells whose four neighbours have their colour become background.
    Hollow,
    /// The half on this side is mirrored onto the other half.
    Complete(Direction),
    /// The smallest rectangle that holds all coloured cells.
    Crop,
    /// The half on this side, the middle line included.
    Half(Direction),
}

/// Which laws there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Family {
    Moves,
    Colours,
    Shapes,
    All,
}

impl Family {
    pub(super) fn named(name: &str) -> Self {
        match name {
            "colours" => Self::Colours,
            "shapes" => Self::Shapes,
            "all" => Self::All,
            _ => Self::Moves,
        }
    }

    /// Its laws for grids of `side` and `colors` colours.
    pub(super) fn laws(self, side: usize, colors: u8) -> Vec<Law> {
        match self {
            Self::Moves => moves(side),
            Self::Colours => colours(colors),
            Self::Shapes => shapes(side, colors),
            Self::All => {
                let mut all = moves(side);
                all.extend(colours(colors));
                all.extend(shapes(side, colors));
                all
            }
        }
    }
}

fn moves(side: usize) -> Vec<Law> {
    let mut laws = vec![Law::Rotate(1), Law::Rotate(2), Law::Rotate(3), Law::MirrorSides, Law::MirrorEnds];
    laws.extend([Law::Transpose, Law::AntiTranspose]);
    for direction in Direction::ALL {
        laws.push(Law::Shift(direction, 1));
        if side > 3 {
            laws.push(Law::Shift(direction, 2));
        }
    }
    laws
}

fn colours(colors: u8) -> Vec<Law> {
    let mut laws = Vec::new();
    for a in 0..colors {
        for b in 0..colors {
            if a != b && a > 0 {
                laws.push(Law::Recolour(a, b));
            }
            if a < b {
                laws.push(Law::Swap(a, b));
            }
        }
    }
    laws.extend((1..colors).map(Law::Invert));
    if colors > 3 {
        laws.push(Law::Cycle);
    }
    laws
}

fn shapes(side: usize, colors: u8) -> Vec<Law> {
    let mut laws: Vec<Law> = Direction::ALL
        .into_iter()
        .flat_map(|d| [Law::Fall(d), Law::Extend(d), Law::Complete(d), Law::Half(d)])
        .collect();
    laws.extend([Law::KeepLargest, Law::Crop]);
    if side > 2 {
        laws.extend((1..colors).flat_map(|c| [Law::Border(c), Law::FillHoles(c)]));
        laws.push(Law::Hollow);
    }
    laws
}

impl Law {
    /// Whether it can go on and on, as the laws of a sequence must.
    pub(super) fn goes_on(self) -> bool {
        use Law::{AntiTranspose, Cycle, MirrorEnds, MirrorSides, Rotate, Shift, Swap, Transpose};
        matches!(
            self,
            Rotate(_) | MirrorSides | MirrorEnds | Transpose | AntiTranspose | Shift(..) | Swap(..) | Cycle
        )
    }

    /// The grid that it makes of `grid`.
    pub(super) fn apply(self, grid: &Grid, colors: u8) -> Grid {
        let (rows, cols) = (grid.rows, grid.cols);
        let same = |cell: &dyn Fn(usize, usize) -> u8| Grid::from_fn(rows, cols, cell);
        let turned = |cell: &dyn Fn(usize, usize) -> u8| Grid::from_fn(cols, rows, cell);
        match self {
            Self::Rotate(2) => same(&|r, c| grid.at(rows - 1 - r, cols - 1 - c)),
            Self::Rotate(3) => turned(&|r, c| grid.at(c, cols - 1 - r)),
            Self::Rotate(_) => turned(&|r, c| grid.at(rows - 1 - c, r)),
            Self::MirrorSides => same(&|r, c| grid.at(r, cols - 1 - c)),
            Self::MirrorEnds => same(&|r, c| grid.at(rows - 1 - r, c)),
            Self::Transpose => turned(&|r, c| grid.at(c, r)),
            Self::AntiTranspose => turned(&|r, c| grid.at(rows - 1 - c, cols - 1 - r)),
            Self::Shift(direction, by) => {
                let (dr, dc) = direction.delta();
                let from = |at: usize, step: isize, n: usize| {
                    (at as isize - step * isize::from(i16::from(by))).rem_euclid(n as isize) as usize
                };
                same(&|r, c| grid.at(from(r, dr, rows), from(c, dc, cols)))
            }
            Self::Recolour(a, b) => grid.map(|c| if c == a { b } else { c }),
            Self::Swap(a, b) => grid.map(|c| match c {
                c if c == a => b,
                c if c == b => a,
                c => c,
            }),
            Self::Cycle => grid.map(|c| if c == 0 { 0 } else { c % (colors - 1).max(1) + 1 }),
            Self::Invert(color) => grid.map(|c| if c == 0 { color } else { 0 }),
            Self::Fall(direction) => fall(grid, direction),
            Self::Border(color) => same(&|r, c| {
                if r == 0 || c == 0 || r + 1 == rows || c + 1 == cols { color } else { grid.at(r, c) }
            }),
            Self::Extend(direction) => extend(grid, direction),
            Self::FillHoles(color) => fill_holes(grid, color),
            Self::KeepLargest => keep_largest(grid),
            Self::Hollow => hollow(grid),
            Self::Complete(direction) => complete(grid, direction),
            Self::Crop => crop(grid),
            Self::Half(direction) => half(grid, direction),
        }
    }

    /// In words of letters and digits.
    pub(super) fn words(self) -> String {
        match self {
            Self::Rotate(n) => format!("rotate {}", 90 * u32::from(n)),
            Self::MirrorSides => "mirror left-right".into(),
            Self::MirrorEnds => "mirror up-down".into(),
            Self::Transpose => "transpose".into(),
            Self::AntiTranspose => "anti-transpose".into(),
            Self::Shift(direction, by) => format!("shift {direction} {by}"),
            Self::Recolour(a, b) => format!("{a} becomes {b}"),
            Self::Swap(a, b) => format!("swap {a} {b}"),
            Self::Cycle => "next colour".into(),
            Self::Invert(color) => format!("invert {color}"),
            Self::Fall(direction) => format!("fall {direction}"),
            Self::Border(color) => format!("border {color}"),
            Self::Extend(direction) => format!("lines {direction}"),
            Self::FillHoles(color) => format!("fill holes {color}"),
            Self::KeepLargest => "keep largest".into(),
            Self::Hollow => "hollow".into(),
            Self::Complete(direction) => format!("mirror {direction} half"),
            Self::Crop => "crop".into(),
            Self::Half(direction) => format!("{direction} half"),
        }
    }

    /// A grid on which the law has something to do, more often than not.
    pub(super) fn input(self, side: usize, colors: u8, rng: &mut Rng) -> Grid {
        let ink = |rng: &mut Rng| 1 + rng.below(usize::from(colors) - 1) as u8;
        let mut grid = Grid::from_fn(side, side, |_, _| 0);
        let density = match self {
            Self::FillHoles(_) | Self::Hollow | Self::KeepLargest | Self::Crop => 0.0,
            Self::Extend(_) => 0.2,
            Self::Fall(_) => 0.35,
            _ => 0.3 + 0.3 * rng.unit(),
        };
        for cell in &mut grid.cells {
            if rng.chance(density) {
                *cell = ink(rng);
            }
        }
        if density == 0.0 {
            let least = if matches!(self, Self::FillHoles(_) | Self::Hollow) { 3 } else { 2 };
            let (height, width) = (block(side, least, rng), block(side, least, rng));
            let (top, left) = (rng.below(side - height + 1), rng.below(side - width + 1));
            let color = ink(rng);
            for row in top..top + height {
                for col in left..left + width {
                    let rim = row == top || col == left || row + 1 == top + height || col + 1 == left + width;
                    grid.cells[row * side + col] = match self {
                        Self::FillHoles(_) if !rim => 0,
                        Self::Crop => rng.below(usize::from(colors)) as u8,
                        _ => color,
                    };
                }
            }
            let specks = if matches!(self, Self::KeepLargest) { 3 } else { 0 };
            for _ in 0..specks {
                grid.cells[rng.below(side * side)] = ink(rng);
            }
        }
        grid
    }
}

/// A length between `least` and `side`.
fn block(side: usize, least: usize, rng: &mut Rng) -> usize {
    let least = least.min(side);
    least + rng.below(side - least + 1)
}

/// The cells of every line that runs to the side `direction`, the foremost cell first.
fn lines(grid: &Grid, direction: Direction) -> Vec<Vec<usize>> {
    let (rows, cols) = (grid.rows, grid.cols);
    let upright = matches!(direction, Direction::Up | Direction::Down);
    let back = matches!(direction, Direction::Right | Direction::Down);
    let (count, length) = if upright { (cols, rows) } else { (rows, cols) };
    let line = |n: usize| {
        let at = |i: usize| if upright { i * cols + n } else { n * cols + i };
        (0..length).map(|i| at(if back { length - 1 - i } else { i })).collect()
    };
    (0..count).map(line).collect()
}

fn fall(grid: &Grid, direction: Direction) -> Grid {
    let mut out = grid.map(|_| 0);
    for line in lines(grid, direction) {
        let coloured = line.iter().map(|i| grid.cells[*i]).filter(|c| *c > 0);
        for (to, color) in line.iter().zip(coloured) {
            out.cells[*to] = color;
        }
    }
    out
}

fn extend(grid: &Grid, direction: Direction) -> Grid {
    let mut out = grid.clone();
    for line in lines(grid, direction) {
        let mut color = 0;
        for index in line.into_iter().rev() {
            if grid.cells[index] > 0 {
                color = grid.cells[index];
            }
            out.cells[index] = color;
        }
    }
    out
}

fn fill_holes(grid: &Grid, color: u8) -> Grid {
    let (part, sizes) = grid.parts();
    let mut open = vec![false; sizes.len()];
    for (index, part) in part.iter().enumerate() {
        let (row, col) = (index / grid.cols, index % grid.cols);
        open[*part] |= row == 0 || col == 0 || row + 1 == grid.rows || col + 1 == grid.cols;
    }
    let cells = grid.cells.iter().zip(&part);
    let cells = cells.map(|(c, part)| if *c == 0 && !open[*part] { color } else { *c }).collect();
    Grid { cells, ..*grid }
}

fn keep_largest(grid: &Grid) -> Grid {
    let (part, sizes) = grid.parts();
    let coloured = grid.cells.iter().zip(&part).filter(|(c, _)| **c > 0);
    let most = coloured.map(|(_, part)| sizes[*part]).max().unwrap_or(0);
    let cells = grid.cells.iter().zip(&part);
    let cells = cells.map(|(c, part)| if sizes[*part] == most { *c } else { 0 }).collect();
    Grid { cells, ..*grid }
}

fn hollow(grid: &Grid) -> Grid {
    let inner = |index: usize| {
        let alike = grid.neighbours(index).filter(|n| grid.cells[*n] == grid.cells[index]).count();
        alike == 4
    };
    let cells = (0..grid.cells.len()).map(|i| if inner(i) { 0 } else { grid.cells[i] }).collect();
    Grid { cells, ..*grid }
}

fn complete(grid: &Grid, direction: Direction) -> Grid {
    let (rows, cols) = (grid.rows, grid.cols);
    Grid::from_fn(rows, cols, |r, c| {
        let (row, col) = match direction {
            Direction::Left => (r, c.min(cols - 1 - c)),
            Direction::Right => (r, c.max(cols - 1 - c)),
            Direction::Up => (r.min(rows - 1 - r), c),
            Direction::Down => (r.max(rows - 1 - r), c),
        };
        grid.at(row, col)
    })
}

fn crop(grid: &Grid) -> Grid {
    let coloured = || (0..grid.cells.len()).filter(|i| grid.cells[*i] > 0);
    let rows = || coloured().map(|i| i / grid.cols);
    let cols = || coloured().map(|i| i % grid.cols);
    let bounds = (rows().min(), rows().max(), cols().min(), cols().max());
    let (Some(top), Some(bottom), Some(left), Some(right)) = bounds else { return grid.clone() };
    Grid::from_fn(bottom - top + 1, right - left + 1, |r, c| grid.at(top + r, left + c))
}

fn half(grid: &Grid, direction: Direction) -> Grid {
    let (rows, cols) = (grid.rows, grid.cols);
    let (tall, wide) = (rows.div_ceil(2), cols.div_ceil(2));
    match direction {
        Direction::Up => Grid::from_fn(tall, cols, |r, c| grid.at(r, c)),
        Direction::Down => Grid::from_fn(tall, cols, |r, c| grid.at(rows - tall + r, c)),
        Direction::Left => Grid::from_fn(rows, wide, |r, c| grid.at(r, c)),
        Direction::Right => Grid::from_fn(rows, wide, |r, c| grid.at(r, cols - wide + c)),
    }
}

/// How the third grid of a row follows from the first two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Op {
    /// The first, and the second where the first is background.
    Over,
    /// The second, and the first where the second is background.
    Under,
    /// Cells coloured in both, in the first's colour.
    Both,
    /// Cells coloured in exactly one.
    Either,
    /// The first without the cells that the second colours.
    Minus,
    /// The second without the cells that the first colours.
    Remove,
}

impl Op {
    pub(super) const ALL: [Self; 6] =
        [Self::Over, Self::Under, Self::Both, Self::Either, Self::Minus, Self::Remove];

    pub(super) fn apply(self, a: &Grid, b: &Grid) -> Grid {
        Grid::from_fn(a.rows, a.cols, |r, c| match (self, a.at(r, c), b.at(r, c)) {
            (Self::Over, 0, b) => b,
            (Self::Over, a, _) => a,
            (Self::Under, a, 0) => a,
            (Self::Under, _, b) => b,
            (Self::Both, _, 0) => 0,
            (Self::Both, a, _) => a,
            (Self::Either, a, 0) => a,
            (Self::Either, 0, b) => b,
            (Self::Either, _, _) => 0,
            (Self::Minus, a, 0) => a,
            (Self::Minus, _, _) => 0,
            (Self::Remove, 0, b) => b,
            (Self::Remove, _, _) => 0,
        })
    }

    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Over => "first over second",
            Self::Under => "second over first",
            Self::Both => "cells in both",
            Self::Either => "cells in exactly one",
            Self::Minus => "first without second",
            Self::Remove => "second without first",
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A grid of rows as `"012 100"`.
    pub(in super::super) fn grid(text: &str) -> Grid {
        let rows: Vec<&[u8]> = text.split(' ').map(str::as_bytes).collect();
        Grid::from_fn(rows.len(), rows[0].len(), |r, c| rows[r][c] - b'0')
    }

    #[test]
    fn laws_do_what_they_say() {
        use Direction::{Down, Left, Right, Up};
        let cases = [
            (Law::Rotate(1), "12 34 56", "531 642"),
            (Law::Rotate(2), "12 34 56", "65 43 21"),
            (Law::Rotate(3), "12 34 56", "246 135"),
            (Law::MirrorSides, "123 456", "321 654"),
            (Law::MirrorEnds, "123 456", "456 123"),
            (Law::Transpose, "123 456", "14 25 36"),
            (Law::AntiTranspose, "123 456", "63 52 41"),
            (Law::Shift(Right, 1), "123 456", "312 645"),
            (Law::Shift(Up, 2), "1 2 3", "3 1 2"),
            (Law::Recolour(1, 2), "0121", "0222"),
            (Law::Swap(0, 2), "0121", "2101"),
            (Law::Cycle, "0123", "0231"),
            (Law::Invert(2), "0203", "2020"),
            (Law::Fall(Down), "12 00 30", "00 10 32"),
            (Law::Fall(Left), "0102", "1200"),
            (Law::Border(3), "111 121 111", "333 323 333"),
            (Law::Extend(Right), "0102", "0112"),
            (Law::Extend(Up), "00 01 20", "21 21 20"),
            (Law::FillHoles(2), "1110 1010 1110 0001", "1110 1210 1110 0001"),
            (Law::KeepLargest, "1100 0002 2000", "1100 0000 0000"),
            (Law::Hollow, "1111 1111 1111", "1111 1001 1111"),
            (Law::Complete(Left), "123 450", "121 454"),
            (Law::Complete(Down), "12 34 56", "56 34 56"),
            (Law::Crop, "000 012 010", "12 10"),
            (Law::Crop, "00 00", "00 00"),
            (Law::Half(Left), "123 456", "12 45"),
            (Law::Half(Down), "12 34 56", "34 56"),
        ];
        for (law, from, to) in cases {
            assert_eq!(law.apply(&grid(from), 4), grid(to), "{law:?}");
        }
    }

    #[test]
    fn pairs_combine_as_they_say() {
        let (a, b) = (grid("0110"), grid("0202"));
        let made = Op::ALL.map(|op| op.apply(&a, &b).row_words());
        assert_eq!(made, ["0112", "0212", "0100", "0012", "0010", "0002"]);
    }

    #[test]
    fn every_law_acts_on_its_inputs() {
        let mut rng = eyas_core::Seed::new(3).rng();
        for side in [3, 5, 8] {
            for law in Family::All.laws(side, 4) {
                let acts = (0..200).filter(|_| {
                    let input = law.input(side, 4, &mut rng);
                    assert!(input.is_sound(4));
                    let output = law.apply(&input, 4);
                    assert!(output.is_sound(4), "{law:?}");
                    output != input
                });
                assert!(acts.count() > 20, "{law:?} on {side}");
            }
        }
    }
}
