//! The fifteen puzzle and its smaller sisters: slide numbered tiles into order.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::OnceLock;

use eyas_core::{Image, Outcome, Rng, Seed};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::cells::{Lettering, after_word, pixels, stamp};
use crate::draw::{Board, BoardStyle, Rgb};
use crate::envs::checked::checked_serde;
use crate::{
    Axis, Cell, Direction, Env, EnvGroup, EnvSpec, KnobError, KnobSpec, Knobs, ParseError, Perception,
    Status, Step,
};

const GRAMMAR: &str = "move tile up | move tile right | move tile down | move tile left";

const SPEC: EnvSpec = EnvSpec {
    id: "sliding-puzzle",
    group: EnvGroup::Board,
    title: "Sliding puzzle",
    summary: "Numbered tiles and one gap: slide tiles into the gap until they are in order.",
    knobs: KNOBS,
    grammar: GRAMMAR,
    invalid_reward: 0.0,
    oracle: "exact: a shortest solution (iterative deepening over the walking distance)",
    score: "success (1 when the tiles are in order, 0 otherwise)",
    pixel_answers: false,
    players: 1,
    source: "TextArena; VisGym",
};

const KNOBS: &[KnobSpec] = &[
    KnobSpec::int("size", Axis::Reasoning, 2, 4, 3, "cells along each side").dialled(2.0, 4.0),
    KnobSpec::int(
        "scramble",
        Axis::Horizon,
        3,
        60,
        8,
        "random moves away from the ordered board, none undone at once; at least half as many are made",
    )
    .dialled(4.0, 32.0),
    KnobSpec::int("spare_turns", Axis::Horizon, 0, 60, 4, "turns beyond the number of random moves"),
    KnobSpec::int("tile_px", Axis::Perception, 14, 84, 56, "pixels along each side of a cell"),
    KnobSpec::choice(
        "theme",
        Axis::Perception,
        &["wood", "slate", "dusk"],
        "wood",
        "colours; dusk has little contrast",
    ),
    KnobSpec::choice("font", Axis::Perception, Lettering::NAMES, "pixel", "how the numbers are written"),
    KnobSpec::flag("grid", Axis::Perception, true, "draw joints between the tiles"),
    KnobSpec::flag("coordinates", Axis::Perception, false, "print row and column numbers"),
];

/// The most positions that the search for a shortest solution looks at. Boards of 2 × 2 and 3 × 3
/// never need so many; one of 4 × 4 only when it is some fifty moves away.
const MAX_NODES: usize = 6_000_000;

/// The most cells of a board.
const MAX_CELLS: usize = 16;

/// Tiles row by row, 0 for the gap; cells beyond a smaller board hold 0.
type Tiles = [u8; MAX_CELLS];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Theme {
    Wood,
    Slate,
    Dusk,
}

/// The colours of a theme.
struct Colors {
    tile: Rgb,
    edge: Rgb,
    gap: Rgb,
    ink: Rgb,
    margin: Rgb,
}

impl Theme {
    fn colors(self) -> Colors {
        let colors = |tile, edge, gap, ink, margin| Colors { tile, edge, gap, ink, margin };
        match self {
            Self::Wood => {
                colors([232, 190, 122], [196, 150, 82], [82, 54, 34], [66, 36, 14], [250, 236, 210])
            }
            Self::Slate => {
                colors([74, 98, 128], [54, 74, 100], [22, 26, 34], [240, 244, 250], [180, 190, 204])
            }
            Self::Dusk => colors([78, 76, 84], [70, 68, 76], [60, 58, 66], [98, 96, 104], [110, 108, 116]),
        }
    }
}

/// How many rows (or columns) apart tiles are from home, for every way in which tiles can be shared out
/// over the rows: the walking distance of Ken'ichiro Takahashi.
///
/// A state counts, for each row, the tiles in it by the row they belong to. A move takes one tile from
/// the row beside the gap's into the gap's row.
struct Walk {
    index: HashMap<u64, u16>,
    /// Moves to the ordered state.
    far: Vec<u8>,
    /// The state after the gap goes one row up (0) or down (1) in exchange for a tile of each home row;
    /// `NONE` where there is no such tile.
    next: Vec<[[u16; 4]; 2]>,
}

/// No state.
const NONE: u16 = u16::MAX;

/// `counts[row][home]` tiles, and the gap's row.
type Shares = ([[u8; 4]; 4], usize);

fn key((counts, gap): &Shares) -> u64 {
    counts.iter().flatten().fold(*gap as u64, |key, count| key << 3 | u64::from(*count))
}

impl Walk {
    /// The table for boards of `size`, made once.
    fn of(size: usize) -> &'static Self {
        static TABLES: [OnceLock<Walk>; 3] = [const { OnceLock::new() }; 3];
        TABLES[size.clamp(2, 4) - 2].get_or_init(|| Self::new(size.clamp(2, 4)))
    }

    fn new(size: usize) -> Self {
        let mut counts = [[0; 4]; 4];
        (0..size).for_each(|row| counts[row][row] = size as u8);
        counts[size - 1][size - 1] -= 1;
        let start: Shares = (counts, size - 1);
        let mut walk =
            Self { index: HashMap::from([(key(&start), 0)]), far: vec![0], next: vec![[[NONE; 4]; 2]] };
        let mut queue = VecDeque::from([(start, 0)]);
        while let Some((shares, at)) = queue.pop_front() {
            for upwards in [true, false] {
                for home in 0..size {
                    let Some(after) = exchange(shares, upwards, home, size) else { continue };
                    let fresh = walk.far.len();
                    let to = *walk.index.entry(key(&after)).or_insert(fresh as u16);
                    if usize::from(to) == fresh {
                        walk.far.push(walk.far[at] + 1);
                        walk.next.push([[NONE; 4]; 2]);
                        queue.push_back((after, fresh));
                    }
                    walk.next[at][usize::from(!upwards)][home] = to;
                }
            }
        }
        walk
    }

    /// The state of a board's rows, where `place` gives a cell's row and a tile's home row; of its
    /// columns likewise.
    fn state(&self, tiles: &Tiles, size: usize, place: impl Fn(usize) -> usize) -> Option<u16> {
        let mut shares: Shares = ([[0; 4]; 4], 0);
        for (cell, tile) in tiles.iter().enumerate().take(size * size) {
            match tile.checked_sub(1) {
                Some(home) => shares.0[place(cell)][place(usize::from(home))] += 1,
                None => shares.1 = place(cell),
            }
        }
        self.index.get(&key(&shares)).copied()
    }
}

/// The gap goes one row up or down in exchange for a tile of row `home`.
fn exchange((mut counts, gap): Shares, upwards: bool, home: usize, size: usize) -> Option<Shares> {
    let from = if upwards { gap.checked_sub(1)? } else { gap + 1 };
    if from >= size || counts[from][home] == 0 {
        return None;
    }
    counts[from][home] -= 1;
    counts[gap][home] += 1;
    Some((counts, from))
}

/// A search for a shortest solution, by iterative deepening.
struct Search {
    walk: &'static Walk,
    size: usize,
    tiles: Tiles,
    gap: usize,
    nodes: usize,
    /// The first move of the way that is being tried.
    first: Option<Direction>,
}

/// What is beyond a search's means.
struct TooFar;

impl Search {
    /// Whether the board can be solved in `budget` moves, the last one having been `last`. `states` are
    /// the states of rows and columns.
    fn dive(&mut self, states: (u16, u16), budget: usize, last: Option<Direction>) -> Result<bool, TooFar> {
        let lower = self.lower(states);
        if lower == 0 || lower > budget {
            return Ok(lower == 0);
        }
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(TooFar);
        }
        for direction in Direction::ALL.into_iter().filter(|d| last.map(opposite) != Some(*d)) {
            let Some(from) = source(self.gap, direction, self.size) else { continue };
            let Some(after) = self.states_after(states, from, direction) else { continue };
            let to = self.gap;
            self.slide(from, to);
            let found = self.dive(after, budget - 1, Some(direction));
            self.slide(to, from);
            if found? {
                self.first = Some(direction);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A lower bound of the moves that are left. Only the ordered board has 0: with rows and columns
    /// both in order every tile is at home.
    fn lower(&self, (rows, cols): (u16, u16)) -> usize {
        usize::from(self.walk.far[usize::from(rows)]) + usize::from(self.walk.far[usize::from(cols)])
    }

    /// Moves the tile in `from` to the gap in `to`.
    fn slide(&mut self, from: usize, to: usize) {
        self.tiles.swap(from, to);
        self.gap = from;
    }

    /// The states after the tile in `from` slides in `direction`.
    fn states_after(
        &self,
        (rows, cols): (u16, u16),
        from: usize,
        direction: Direction,
    ) -> Option<(u16, u16)> {
        let home = usize::from(self.tiles[from]).checked_sub(1)?;
        let (row, col) = (home / self.size, home % self.size);
        // The gap goes the other way.
        let next = |state: u16, back: usize, home: usize| self.walk.next[usize::from(state)][back][home];
        let after = match direction {
            Direction::Down => (next(rows, 0, row), cols),
            Direction::Up => (next(rows, 1, row), cols),
            Direction::Right => (rows, next(cols, 0, col)),
            Direction::Left => (rows, next(cols, 1, col)),
        };
        (after.0 != NONE && after.1 != NONE).then_some(after)
    }
}

/// The length of a shortest solution and its first move; `None` when the search gives up.
fn solve(tiles: &Tiles, size: usize) -> Option<(usize, Option<Direction>)> {
    let walk = Walk::of(size);
    let rows = walk.state(tiles, size, |cell| cell / size)?;
    let cols = walk.state(tiles, size, |cell| cell % size)?;
    let gap = tiles.iter().position(|t| *t == 0)?;
    let mut search = Search { walk, size, tiles: *tiles, gap, nodes: 0, first: None };
    // A move changes the gap's row or column by one and so the bound's parity: only every second
    // length is possible.
    let mut budget = search.lower((rows, cols));
    loop {
        match search.dive((rows, cols), budget, None) {
            Ok(true) => return Some((budget, search.first)),
            Ok(false) => budget += 2,
            Err(TooFar) => return None,
        }
    }
}

fn opposite(direction: Direction) -> Direction {
    match direction {
        Direction::Up => Direction::Down,
        Direction::Right => Direction::Left,
        Direction::Down => Direction::Up,
        Direction::Left => Direction::Right,
    }
}

/// The cell whose tile slides in `direction` into the gap.
fn source(gap: usize, direction: Direction, size: usize) -> Option<usize> {
    let (row, col) = (gap / size, gap % size);
    match direction {
        Direction::Up => (row + 1 < size).then_some(gap + size),
        Direction::Down => gap.checked_sub(size),
        Direction::Left => (col + 1 < size).then_some(gap + 1),
        Direction::Right => (col > 0).then(|| gap - 1),
    }
}

fn ordered(size: usize) -> Tiles {
    let mut tiles = [0; MAX_CELLS];
    (0..size * size - 1).for_each(|i| tiles[i] = i as u8 + 1);
    tiles
}

/// Whether moves can lead to the ordered board: each move is an exchange and takes the gap one step, so
/// the parity of the one tells that of the other.
fn solvable(tiles: &Tiles, size: usize) -> bool {
    let cells = size * size;
    let value = |tile: u8| if tile == 0 { cells } else { usize::from(tile) };
    let mut exchanges = 0;
    for (i, a) in tiles.iter().enumerate().take(cells) {
        exchanges += tiles[..i].iter().filter(|b| value(**b) > value(*a)).count();
    }
    let gap = tiles.iter().position(|t| *t == 0).unwrap_or(0);
    let steps = (size - 1 - gap / size) + (size - 1 - gap % size);
    exchanges % 2 == steps % 2
}

/// The state of a sliding puzzle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct SlidingPuzzle {
    size: usize,
    tiles: Tiles,
    max_turns: usize,
    tile_px: u32,
    theme: Theme,
    lettering: Lettering,
    grid: bool,
    coordinates: bool,
    turn: usize,
    outcome: Option<Outcome>,
}

checked_serde!(SlidingPuzzle);

/// Slides a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slide {
    tile: u8,
    direction: Direction,
}

impl fmt::Display for Slide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "move {} {}", self.tile, self.direction)
    }
}

impl SlidingPuzzle {
    fn check(&self) -> Result<(), String> {
        if !(2..=4).contains(&self.size) {
            return Err(format!("a board of size {}", self.size));
        }
        let cells = self.size * self.size;
        let mut sorted = self.tiles;
        sorted[..cells].sort_unstable();
        let whole = sorted.iter().take(cells).enumerate().all(|(i, tile)| usize::from(*tile) == i);
        if !whole || self.tiles[cells..].iter().any(|tile| *tile != 0) || !solvable(&self.tiles, self.size) {
            return Err(format!("{:?} is no board that can be solved", self.tiles));
        }
        if !(14..=84).contains(&self.tile_px) || self.max_turns > 200 || self.turn > self.max_turns {
            return Err("tile_px, max_turns or turn is out of range".into());
        }
        Ok(())
    }

    fn cell(&self, index: usize) -> Cell {
        Cell { row: index / self.size, col: index % self.size }
    }

    /// The cell of a tile, of the gap for 0.
    fn place(&self, tile: u8) -> usize {
        self.tiles[..self.size * self.size].iter().position(|t| *t == tile).unwrap_or(0)
    }

    /// The moves into the gap, in the order up, right, down, left, with the cell the tile comes from.
    fn slides(&self) -> impl Iterator<Item = (Slide, usize)> {
        let gap = self.place(0);
        Direction::ALL.into_iter().filter_map(move |direction| {
            let from = source(gap, direction, self.size)?;
            Some((Slide { tile: self.tiles[from], direction }, from))
        })
    }

    fn after(&self, from: usize) -> Tiles {
        let mut tiles = self.tiles;
        tiles.swap(from, self.place(0));
        tiles
    }

    fn finish_turn(&mut self) {
        self.turn += 1;
        self.outcome = if self.tiles == ordered(self.size) {
            Some(Outcome::Success)
        } else {
            (self.turn >= self.max_turns).then_some(Outcome::Truncated)
        };
    }

    fn report(&self, reward: f32, legal: bool) -> Step {
        Step { reward, score: reward, legal, status: self.status() }
    }

    /// The lower bound of what is left, for boards too far for the search.
    fn bound(&self, tiles: &Tiles) -> usize {
        let walk = Walk::of(self.size);
        let far = |state: Option<u16>| state.map_or(0, |s| usize::from(walk.far[usize::from(s)]));
        far(walk.state(tiles, self.size, |cell| cell / self.size))
            + far(walk.state(tiles, self.size, |cell| cell % self.size))
    }
}

/// A board `moves` random moves away from the ordered one, none undoing the one before it.
fn scramble(rng: &mut Rng, size: usize, moves: usize) -> Tiles {
    let (mut tiles, mut gap, mut last) = (ordered(size), size * size - 1, None);
    let mut made = 0;
    while made < moves || tiles == ordered(size) {
        let options: Vec<(Direction, usize)> = Direction::ALL
            .into_iter()
            .filter(|d| last.map(opposite) != Some(*d))
            .filter_map(|d| Some((d, source(gap, d, size)?)))
            .collect();
        let Some(&(direction, from)) = rng.choose(&options) else { break };
        tiles.swap(from, gap);
        (gap, last, made) = (from, Some(direction), made + 1);
    }
    tiles
}

impl Env for SlidingPuzzle {
    type Action = Slide;

    fn spec() -> &'static EnvSpec {
        &SPEC
    }

    fn reset(seed: Seed, knobs: &Knobs) -> Result<Self, KnobError> {
        let (size, most) = (knobs.size("size"), knobs.int("scramble"));
        let mut rng = seed.split("tiles", 0).rng();
        // A board of 2 × 2 is a ring of twelve positions, so fewer moves are needed to tell boards apart.
        let least = if size == 2 { 1 } else { most / 2 };
        let moves = usize::try_from(rng.between(least.max(1), most)).unwrap_or(1);
        Ok(Self {
            size,
            tiles: scramble(&mut rng, size, moves),
            max_turns: moves + 1 + knobs.size("spare_turns"),
            tile_px: pixels(knobs, "tile_px"),
            theme: match knobs.choice("theme") {
                "slate" => Theme::Slate,
                "dusk" => Theme::Dusk,
                _ => Theme::Wood,
            },
            lettering: Lettering::named(knobs.choice("font")),
            grid: knobs.flag("grid"),
            coordinates: knobs.flag("coordinates"),
            turn: 0,
            outcome: None,
        })
    }

    fn rules(&self) -> String {
        format!(
            "Slide tiles into the gap until they are in order, row by row, the gap last, within {} moves. \
             Name the tile and where it goes.",
            self.max_turns
        )
    }

    fn render(&self) -> Image {
        let colors = self.theme.colors();
        let (size, grid) = (self.size, self.grid);
        let style = BoardStyle {
            tile: self.tile_px,
            grid,
            coordinates: self.coordinates,
            cell: colors.tile,
            line: colors.gap,
            ink: colors.margin,
        };
        let mut board = Board::new(size, size, style);
        let unit = board.tile();
        let bevel = (self.tile_px / 14).max(1);
        let full = (0..size * size).filter(|i| self.tiles[*i] != 0).map(|i| self.cell(i));
        if grid {
            stamp(&mut board, full, |board, cell| {
                let (x, y) = board.corner(cell);
                let side = self.tile_px - 1;
                let low = (side - bevel) as i32;
                board.canvas.fill_rect(x, y + low, side, bevel, colors.edge);
                board.canvas.fill_rect(x + low, y, bevel, side, colors.edge);
            });
        }
        for index in 0..size * size {
            let cell = self.cell(index);
            match self.tiles[index] {
                0 => board.fill(cell, false, colors.gap),
                tile => {
                    let middle = board.middle(cell);
                    self.lettering.write(
                        &mut board.canvas,
                        &tile.to_string(),
                        middle,
                        0.62 * unit,
                        colors.ink,
                    );
                }
            }
        }
        board.canvas.into_image()
    }

    fn parse(&self, answer: &str) -> Result<Slide, ParseError> {
        let refused = || ParseError::grammar(answer, GRAMMAR);
        let rest = answer.trim();
        let body = after_word(rest, "move").filter(|b| b.len() + 4 < rest.len()).ok_or_else(refused)?;
        let (number, word) = body.split_once(char::is_whitespace).ok_or_else(refused)?;
        if number.is_empty() || !number.chars().all(|c| c.is_ascii_digit()) {
            return Err(refused());
        }
        let direction = Direction::parse(word).map_err(|_| refused())?;
        let last = self.size * self.size - 1;
        match number.parse::<u8>() {
            Ok(tile) if (1..=last).contains(&usize::from(tile)) => Ok(Slide { tile, direction }),
            _ => Err(ParseError::range(answer, format!("tiles are numbered from 1 to {last}"))),
        }
    }

    fn step(&mut self, action: &Slide) -> Step {
        if self.outcome.is_some() {
            return self.report(0.0, false);
        }
        let from = self.slides().find(|(slide, _)| slide == action).map(|(_, from)| from);
        if let Some(from) = from {
            self.tiles = self.after(from);
        }
        self.finish_turn();
        let reward = if self.outcome == Some(Outcome::Success) { 1.0 } else { 0.0 };
        self.report(reward, from.is_some())
    }

    fn pass(&mut self) -> Step {
        if self.outcome.is_none() {
            self.finish_turn();
        }
        self.report(0.0, false)
    }

    /// The first move of a shortest solution; the move with the smallest lower bound where the search
    /// gives up.
    fn oracle(&self) -> Slide {
        let first = solve(&self.tiles, self.size).and_then(|(_, first)| first);
        let slides = || self.slides();
        let best = match first {
            Some(direction) => slides().find(|(slide, _)| slide.direction == direction),
            None => slides().min_by_key(|(_, from)| self.bound(&self.after(*from))),
        };
        best.map_or(Slide { tile: 1, direction: Direction::Up }, |(slide, _)| slide)
    }

    /// Where the gap is, and for each move how many more are needed after it.
    fn reason(&self, action: &Slide) -> String {
        let gap = self.cell(self.place(0));
        let needed = |tiles: &Tiles| match solve(tiles, self.size) {
            Some((moves, _)) => moves.to_string(),
            None => "far".into(),
        };
        let mut words = vec![format!("gap {} {} needs {}", gap.row, gap.col, needed(&self.tiles))];
        for (slide, from) in self.slides() {
            words.push(format!("{} {} {}", slide.tile, slide.direction, needed(&self.after(from))));
        }
        words.push(format!("so {} {}", action.tile, action.direction));
        words.join(" ")
    }

    /// Words: the numbers of the tiles, `-` for the gap.
    fn perception(&self) -> Perception {
        let tiles = &self.tiles[..self.size * self.size];
        let word = |tile: &u8| if *tile == 0 { "-".to_string() } else { tile.to_string() };
        let rows: Vec<String> =
            tiles.chunks(self.size).map(|row| row.iter().map(word).collect::<Vec<_>>().join(" ")).collect();
        Perception { text: rows.join("\n"), data: json!({ "size": self.size, "tiles": tiles }) }
    }

    fn legal_actions(&self) -> Vec<Slide> {
        if self.outcome.is_some() { Vec::new() } else { self.slides().map(|(slide, _)| slide).collect() }
    }

    fn status(&self) -> Status {
        self.outcome.map_or(Status::Running, Status::Done)
    }
}

#[cfg(test)]
mod tests;
