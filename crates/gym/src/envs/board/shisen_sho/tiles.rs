//! Boards of coloured shapes or drawn things, and actions that name two cells, shared by the tile games.

use std::fmt;

use eyas_core::{Image, Rng};
use serde::{Deserialize, Serialize};

use super::things;
use crate::draw::{Canvas, DARK, GRAY, LIGHT, PALETTE, Shape};
use crate::{Cell, KnobError, Knobs, ParseError, Perception};

/// The grammar of an action that names two cells.
pub(crate) const PAIR_GRAMMAR: &str = "(row,col) (row,col)";

/// Two cells, in the order given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CellPair {
    /// The first cell.
    pub first: Cell,
    /// The second cell.
    pub second: Cell,
}

impl fmt::Display for CellPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, second } = self;
        write!(f, "({},{}) ({},{})", first.row, first.col, second.row, second.col)
    }
}

impl CellPair {
    /// Reads `(row,col) (row,col)` with white space anywhere but inside a number.
    ///
    /// # Errors
    /// [`ParseError::Grammar`] for other text, [`ParseError::Range`] for a cell off the board of
    /// `size × size`.
    pub(crate) fn parse(answer: &str, size: usize) -> Result<Self, ParseError> {
        let refused = || ParseError::grammar(answer, PAIR_GRAMMAR);
        let mut rest = answer;
        let mut numbers = [0usize; 4];
        for (number, (before, after)) in
            numbers.iter_mut().zip([("(", ","), ("", ")"), ("(", ","), ("", ")")])
        {
            rest = rest.trim_start().strip_prefix(before).ok_or_else(refused)?.trim_start();
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            if digits == 0 {
                return Err(refused());
            }
            // Digits alone fail to parse only when the number is too large for any board.
            *number = rest[..digits].parse().unwrap_or(usize::MAX);
            rest = rest[digits..].trim_start().strip_prefix(after).ok_or_else(refused)?;
        }
        if !rest.trim().is_empty() {
            return Err(refused());
        }
        if numbers.iter().any(|number| *number >= size) {
            return Err(ParseError::range(answer, format!("rows and columns go from 0 to {}", size - 1)));
        }
        let [row, col, other_row, other_col] = numbers;
        Ok(Self { first: Cell { row, col }, second: Cell { row: other_row, col: other_col } })
    }
}

/// A coloured shape, a class of drawn things, or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub(crate) struct Tile(u8);

/// What is to be drawn for a tile.
enum Face {
    /// Index into the palette, and shape.
    Shape(usize, Shape),
    /// Index into the classes of things.
    Thing(usize),
}

/// The codes of coloured shapes come first, those of things after them.
const SHAPES: usize = PALETTE.len() * Shape::ALL.len();

impl Tile {
    /// No tile.
    pub(crate) const EMPTY: Self = Self(0);

    /// The tile of colour number `color` and shape number `shape`, both cut to what there is.
    fn new(color: usize, shape: usize) -> Self {
        let (color, shape) = (color.min(PALETTE.len() - 1), shape.min(Shape::ALL.len() - 1));
        Self(1 + (color * Shape::ALL.len() + shape) as u8)
    }

    /// All tiles of the first `colors` colours and `shapes` shapes.
    pub(crate) fn all(colors: usize, shapes: usize) -> Vec<Self> {
        (0..colors).flat_map(|color| (0..shapes).map(move |shape| Self::new(color, shape))).collect()
    }

    /// The first `count` classes of things.
    pub(crate) fn things(count: usize) -> Vec<Self> {
        (0..count.min(things::CLASSES.len())).map(|class| Self((1 + SHAPES + class) as u8)).collect()
    }

    /// True when there is no tile.
    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// True for a class of things.
    pub(crate) fn is_thing(self) -> bool {
        usize::from(self.0) > SHAPES
    }

    fn face(self) -> Option<Face> {
        let index = usize::from(self.0.checked_sub(1)?);
        Some(match index.checked_sub(SHAPES) {
            Some(class) => Face::Thing(class.min(things::CLASSES.len() - 1)),
            None => Face::Shape(index / Shape::ALL.len(), Shape::ALL[index % Shape::ALL.len()]),
        })
    }
}

impl TryFrom<u8> for Tile {
    type Error = String;

    fn try_from(code: u8) -> Result<Self, String> {
        if usize::from(code) <= SHAPES + things::CLASSES.len() {
            Ok(Self(code))
        } else {
            Err(format!("there is no tile {code}"))
        }
    }
}

impl From<Tile> for u8 {
    fn from(tile: Tile) -> Self {
        tile.0
    }
}

/// One word: colour and shape, or the class of the thing; `-` for nothing.
impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.face() {
            Some(Face::Shape(color, shape)) => write!(f, "{}{}", PALETTE[color].0, shape.name()),
            Some(Face::Thing(class)) => f.write_str(things::CLASSES[class]),
            None => f.write_str("-"),
        }
    }
}

/// A square board of tiles, row-major.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawTiles")]
pub(crate) struct Tiles {
    size: usize,
    cells: Vec<Tile>,
}

/// A board as read from a file, not yet checked.
#[derive(Deserialize)]
struct RawTiles {
    size: usize,
    cells: Vec<Tile>,
}

impl TryFrom<RawTiles> for Tiles {
    type Error = String;

    fn try_from(raw: RawTiles) -> Result<Self, String> {
        let RawTiles { size, cells } = raw;
        if (2..=12).contains(&size) && cells.len() == size * size {
            Ok(Self { size, cells })
        } else {
            Err(format!("{} tiles do not make a board of side {size}", cells.len()))
        }
    }
}

impl Tiles {
    /// A board without tiles.
    pub(crate) fn empty(size: usize) -> Self {
        Self { size, cells: vec![Tile::EMPTY; size * size] }
    }

    /// Cells along each side.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// The cells, row-major.
    pub(crate) fn cells(&self) -> &[Tile] {
        &self.cells
    }

    /// The cell number `index`.
    pub(crate) fn cell(&self, index: usize) -> Cell {
        Cell { row: index / self.size, col: index % self.size }
    }

    /// The tile on `cell`; nothing off the board.
    pub(crate) fn at(&self, cell: Cell) -> Tile {
        if cell.row < self.size && cell.col < self.size {
            self.cells[cell.row * self.size + cell.col]
        } else {
            Tile::EMPTY
        }
    }

    /// Puts `tile` on `cell`; nothing happens off the board.
    pub(crate) fn set(&mut self, cell: Cell, tile: Tile) {
        if cell.row < self.size && cell.col < self.size {
            self.cells[cell.row * self.size + cell.col] = tile;
        }
    }

    /// Exchanges the tiles of two cells.
    pub(crate) fn swap(&mut self, pair: CellPair) {
        let (first, second) = (self.at(pair.first), self.at(pair.second));
        self.set(pair.first, second);
        self.set(pair.second, first);
    }

    /// Mixes all tiles.
    pub(crate) fn shuffle(&mut self, rng: &mut Rng) {
        rng.shuffle(&mut self.cells);
    }

    /// What the board shows.
    pub(crate) fn perception(&self) -> Perception {
        let words: Vec<String> = self.cells.iter().map(ToString::to_string).collect();
        let rows: Vec<&[String]> = words.chunks(self.size).collect();
        Perception {
            text: rows.iter().map(|row| row.join(" ")).collect::<Vec<_>>().join("\n"),
            data: serde_json::json!({ "board": rows }),
        }
    }
}

/// How a board is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Look {
    tile_px: u32,
    grid: bool,
    dark: bool,
    /// Which pictures of things are shown: one of their own for every cell.
    #[serde(default)]
    pictures: u64,
}

impl Look {
    /// From the knobs `tile_px`, `grid` and `background`.
    pub(crate) fn from_knobs(knobs: &Knobs) -> Self {
        Self {
            tile_px: knobs.size("tile_px") as u32,
            grid: knobs.flag("grid"),
            dark: knobs.choice("background") == "dark",
            pictures: 0,
        }
    }

    /// With pictures of things chosen by `number`.
    pub(crate) fn with_pictures(self, number: u64) -> Self {
        Self { pictures: number, ..self }
    }

    /// The picture of `board`; cell (0, 0) is at the top left, no margin.
    pub(crate) fn draw(self, board: &Tiles) -> Image {
        let (px, back) = (self.tile_px, if self.dark { DARK } else { LIGHT });
        let side = board.size() as u32 * px;
        let mut canvas = Canvas::new(side, side, back);
        let corner = |index: usize| ((index % board.size) as u32 * px, (index / board.size) as u32 * px);
        for (index, tile) in board.cells().iter().enumerate() {
            let (x, y) = corner(index);
            let face = tile.face();
            // Shapes cost far more than copies, and equal ones look alike wherever they are.
            let twin = board.cells[..index].iter().position(|other| other == tile);
            if let Some(twin) = twin.filter(|_| !matches!(face, Some(Face::Thing(_)))) {
                canvas.copy_rect(corner(twin), (px, px), (x, y));
                continue;
            }
            match face {
                Some(Face::Shape(color, shape)) => {
                    let (size, half) = (px as f32 * 0.78, px as f32 / 2.0);
                    canvas.shape(shape, x as f32 + half, y as f32 + half, size, PALETTE[color].1);
                }
                Some(Face::Thing(class)) => {
                    things::draw(&mut canvas, class, self.pictures.wrapping_add(index as u64), (x, y), px);
                }
                None => {}
            }
            if self.grid {
                canvas.fill_rect(x as i32, y as i32, px, 1, GRAY);
                canvas.fill_rect(x as i32, y as i32, 1, px, GRAY);
            }
        }
        canvas.into_image()
    }
}

/// A knob conflict of environment `env`.
pub(crate) fn conflict(env: &str, detail: String) -> KnobError {
    KnobError::Conflict { env: env.into(), detail }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// A board from one letter a cell: each letter is a tile of its own, `.` is empty.
    pub(crate) fn board(rows: &[&str]) -> Tiles {
        let mut board = Tiles::empty(rows.len());
        for (row, line) in rows.iter().enumerate() {
            assert_eq!(line.len(), rows.len());
            for (col, letter) in line.bytes().enumerate().filter(|(_, letter)| *letter != b'.') {
                let number = usize::from(letter - b'a');
                board.set(Cell { row, col }, Tile::new(number / Shape::ALL.len(), number % Shape::ALL.len()));
            }
        }
        board
    }

    /// The pair of two cells.
    pub(crate) fn pair(first: (usize, usize), second: (usize, usize)) -> CellPair {
        let cell = |(row, col)| Cell { row, col };
        CellPair { first: cell(first), second: cell(second) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_read_with_or_without_blanks_and_nothing_else() {
        let pair = testing::pair((0, 1), (2, 3));
        assert_eq!(pair.to_string(), "(0,1) (2,3)");
        for text in ["(0,1) (2,3)", "(0,1)(2,3)", " ( 0 , 1 )\n( 2 ,3 ) ", "(00,1) (2,03)"] {
            assert_eq!(CellPair::parse(text, 6), Ok(pair), "{text}");
        }
        for text in [
            "(0,7) (0,0)",
            "(0,0) (6,0)",
            "(0,0) (99999999999999999999999,0)",
            "(18446744073709551616,0) (0,0)",
        ] {
            assert!(matches!(CellPair::parse(text, 6), Err(ParseError::Range { .. })), "{text}");
        }
        for text in [
            "",
            "banana",
            "0,1 2,3",
            "(0,1)",
            "(0,1) (2,3) (4,5)",
            "(1 2,3) (0,0)",
            "(-1,0) (0,0)",
            "(+1,0) (0,0)",
            "(0,,1)",
        ] {
            assert!(matches!(CellPair::parse(text, 6), Err(ParseError::Grammar { .. })), "{text}");
        }
    }

    #[test]
    fn tiles_have_names_of_their_own() {
        let tiles = [Tile::all(8, 6), Tile::things(10)].concat();
        let names: std::collections::BTreeSet<String> = tiles.iter().map(Tile::to_string).collect();
        assert_eq!(names.len(), 58);
        assert!(names.contains("RedStar") && names.contains("BrownCircle"));
        assert!(names.iter().all(|name| name.chars().all(|c| c.is_ascii_alphabetic())));
        assert_eq!(Tile::EMPTY.to_string(), "-");
    }

    #[test]
    fn broken_boards_are_refused() {
        assert!(serde_json::from_str::<Tiles>(r#"{"size":2,"cells":[0,1,58,3]}"#).is_ok());
        assert!(serde_json::from_str::<Tiles>(r#"{"size":2,"cells":[0,1,59,3]}"#).is_err());
        assert!(serde_json::from_str::<Tiles>(r#"{"size":2,"cells":[0,1,2]}"#).is_err());
    }
}
