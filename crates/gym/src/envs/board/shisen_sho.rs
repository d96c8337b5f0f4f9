//! Shisen-Sho: take away pairs of equal tiles that a path with at most two turns connects.

mod things;
pub(crate) mod tiles;

use eyas_core::{Image, Outcome, Rng, Seed};
use serde::{Deserialize, Serialize};

use crate::envs::kit;
use crate::{
    Axis, Cell, Env, EnvGroup, EnvSpec, KnobError, KnobSpec, Knobs, ParseError, Perception, Status, Step,
};
use tiles::{CellPair, Look, PAIR_GRAMMAR, Tile, Tiles, conflict};

const SPEC: EnvSpec = EnvSpec {
    id: "shisen-sho",
    group: EnvGroup::Board,
    title: "Shisen-Sho",
    summary: "A board of coloured shapes: find two equal ones that a path with at most two turns connects.",
    knobs: KNOBS,
    grammar: PAIR_GRAMMAR,
    invalid_reward: -1.0,
    oracle: "exact for one turn: the first legal pair, by its first cell, then by its second, row by row; \
             over many turns it may end in a dead board",
    score: "pairs taken away",
    pixel_answers: false,
    players: 1,
    source: "G1 (VLM-Gym)",
};

const KNOBS: &[KnobSpec] = &[
    KnobSpec::int("size", Axis::Reasoning, 2, 12, 6, "cells along each side, an even number")
        .dialled_by(4.0, 8.0, 2.0),
    KnobSpec::int("colours", Axis::Perception, 2, 8, 6, "colours that tiles may have").dialled(3.0, 8.0),
    KnobSpec::int("shapes", Axis::Perception, 2, 6, 6, "shapes that tiles may have").dialled(3.0, 6.0),
    KnobSpec::int(
        "classes",
        Axis::Perception,
        0,
        10,
        0,
        "0: coloured shapes, of which equal ones match; else classes of drawn things, of which any two \
              of one class match, however they look",
    ),
    KnobSpec::int("tile_px", Axis::Perception, 14, 112, 28, "side of a tile in pixels"),
    KnobSpec::int("turns", Axis::Horizon, 1, 1000, 1, "attempts in an episode").dialled(1.0, 4.0),
    KnobSpec::flag("border_paths", Axis::Reasoning, true, "paths may run round the outside of the board"),
    KnobSpec::int(
        "removed",
        Axis::Horizon,
        0,
        71,
        0,
        "pairs taken away at random before the episode; one fewer for every eight boards on which \
              that fails",
    ),
    KnobSpec::flag("grid", Axis::Perception, true, "draw lines between the cells"),
    KnobSpec::choice("background", Axis::Perception, &["light", "dark"], "light", "what the tiles lie on"),
];

/// Boards drawn before one pair fewer is taken away in advance.
const DRAWS: u64 = 8;

/// The game of Shisen-Sho.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShisenSho {
    board: Tiles,
    border_paths: bool,
    turn: u32,
    turns: u32,
    matches: u32,
    outcome: Option<Outcome>,
    look: Look,
    // Nothing is drawn from it after the deal; kept so that a state is complete by itself.
    rng: Rng,
}

impl ShisenSho {
    fn ended(&self) -> Option<Step> {
        let outcome = self.outcome?;
        Some(Step { reward: 0.0, score: 0.0, legal: false, status: Status::Done(outcome) })
    }

    /// Counts a turn. At the last one the episode is a success when three quarters of the pairs were right.
    fn finish_turn(&mut self, reward: f32, score: f32, legal: bool) -> Step {
        self.turn += 1;
        if legal && first_pair(&self.board, self.border_paths).is_none() {
            let cleared = self.board.cells().iter().all(|tile| tile.is_empty());
            self.outcome = Some(if cleared { Outcome::Success } else { Outcome::Failure });
        } else if self.turn >= self.turns {
            self.outcome = Some(kit::outcome_of_turns(self.matches, self.turns));
        }
        Step { reward, score, legal, status: self.status() }
    }

    fn is_legal(&self, pair: CellPair) -> bool {
        let (tile, other) = (self.board.at(pair.first), self.board.at(pair.second));
        !tile.is_empty()
            && tile == other
            && pair.first != pair.second
            && Lanes::of(&self.board, self.border_paths).connect(pair)
    }
}

impl Env for ShisenSho {
    type Action = CellPair;

    fn spec() -> &'static EnvSpec {
        &SPEC
    }

    fn reset(seed: Seed, knobs: &Knobs) -> Result<Self, KnobError> {
        let (size, removed) = (knobs.size("size"), knobs.size("removed"));
        if size % 2 == 1 {
            return Err(conflict(SPEC.id, format!("size = {size} leaves a cell without a partner")));
        }
        let pairs = size * size / 2;
        if removed >= pairs {
            let detail = format!("removed = {removed} leaves none of the {pairs} pairs of size = {size}");
            return Err(conflict(SPEC.id, detail));
        }
        let kinds = match knobs.size("classes") {
            0 => Tile::all(knobs.size("colours"), knobs.size("shapes")),
            classes => Tile::things(classes),
        };
        let border_paths = knobs.flag("border_paths");
        let (board, rng) = playable_board(seed, size, &kinds, removed, border_paths);
        Ok(Self {
            board,
            border_paths,
            turn: 0,
            turns: knobs.size("turns") as u32,
            matches: 0,
            outcome: None,
            look: Look::from_knobs(knobs)
                .with_pictures(seed.split("pictures", 0).rng().below(1 << 30) as u64),
            rng,
        })
    }

    fn rules(&self) -> String {
        let border = if self.border_paths { " or around the board" } else { "" };
        let by_class = self.board.cells().iter().any(|tile| tile.is_thing());
        let equal = if by_class { "tiles that show the same kind of thing," } else { "equal tiles" };
        format!(
            "Pick two {equal} joined by a path with at most two turns through empty cells{border}. \
             Cells are row,col from 0 at the top-left."
        )
    }

    fn render(&self) -> Image {
        self.look.draw(&self.board)
    }

    fn parse(&self, answer: &str) -> Result<CellPair, ParseError> {
        CellPair::parse(answer, self.board.size())
    }

    fn step(&mut self, action: &CellPair) -> Step {
        if let Some(step) = self.ended() {
            return step;
        }
        if !self.is_legal(*action) {
            return self.finish_turn(SPEC.invalid_reward, 0.0, false);
        }
        self.board.set(action.first, Tile::EMPTY);
        self.board.set(action.second, Tile::EMPTY);
        self.matches += 1;
        self.finish_turn(1.0, 1.0, true)
    }

    fn begin_here(&mut self) {
        (self.turn, self.matches) = (0, 0);
    }

    fn pass(&mut self) -> Step {
        self.ended().unwrap_or_else(|| self.finish_turn(SPEC.invalid_reward, 0.0, false))
    }

    fn oracle(&self) -> CellPair {
        // Without a legal pair the episode is over and nobody asks; the corner pair is refused then.
        let corner = Cell { row: 0, col: 0 };
        first_pair(&self.board, self.border_paths).unwrap_or(CellPair { first: corner, second: corner })
    }

    /// The search for the pair: rows above in which no pair starts, then the tiles of its row up to
    /// its first cell, then both cells. Rows and cells passed over are named only where they truly
    /// start no pair, that is for the oracle's choice; any other pair is just named.
    fn reason(&self, action: &CellPair) -> String {
        let CellPair { first, second } = *action;
        let (tile, other) = (self.board.at(first), self.board.at(second));
        let mut words = Vec::new();
        if *action == self.oracle() {
            if first.row > 0 {
                words.push("none".to_string());
                words.extend((0..first.row).map(|row| row.to_string()));
            }
            words.extend(["row".to_string(), first.row.to_string()]);
            words.extend((0..first.col).map(|col| self.board.at(Cell { row: first.row, col }).to_string()));
        }
        words.push(format!("{tile} at {} {} and", first.row, first.col));
        if other != tile {
            words.push(format!("{other} at"));
        }
        words.push(format!("{} {}", second.row, second.col));
        words.join(" ")
    }

    fn perception(&self) -> Perception {
        self.board.perception()
    }

    fn legal_actions(&self) -> Vec<CellPair> {
        if self.outcome.is_some() { Vec::new() } else { pairs(&self.board, self.border_paths).collect() }
    }

    /// Any two cells of the board: to know which of them match is the task.
    fn guess(&self, rng: &mut Rng) -> Option<CellPair> {
        let n = self.board.size();
        let mut cell = || Cell { row: rng.below(n), col: rng.below(n) };
        Some(CellPair { first: cell(), second: cell() })
    }

    fn status(&self) -> Status {
        self.outcome.map_or(Status::Running, Status::Done)
    }
}

/// A board on which a pair can be taken, after `removed` random pairs have been, and its random source.
fn playable_board(
    seed: Seed,
    size: usize,
    kinds: &[Tile],
    removed: usize,
    border_paths: bool,
) -> (Tiles, Rng) {
    let mut attempt = 0;
    loop {
        let mut rng = seed.split("board", attempt).rng();
        let mut board = deal(size, kinds, &mut rng);
        let removed = removed.saturating_sub((attempt / DRAWS) as usize);
        let taken = (0..removed).all(|_| {
            let legal: Vec<CellPair> = pairs(&board, border_paths).collect();
            let Some(pair) = rng.choose(&legal) else { return false };
            board.set(pair.first, Tile::EMPTY);
            board.set(pair.second, Tile::EMPTY);
            true
        });
        if taken && first_pair(&board, border_paths).is_some() {
            return (board, rng);
        }
        attempt += 1;
    }
}

/// A full board. Each kind of tile that is used comes four times (twice on a board of 2 × 2, which
/// would be all of one kind); when the kinds run out they come round again.
fn deal(size: usize, kinds: &[Tile], rng: &mut Rng) -> Tiles {
    let copies = if size * size >= 16 { 4 } else { 2 };
    let mut kinds = kinds.to_vec();
    rng.shuffle(&mut kinds);
    let mut board = Tiles::empty(size);
    for (index, kind) in
        (0..size * size).zip(kinds.iter().cycle().flat_map(|kind| std::iter::repeat_n(*kind, copies)))
    {
        board.set(board.cell(index), kind);
    }
    board.shuffle(rng);
    board
}

/// The first legal pair, by first cell, then by second cell, row by row.
fn first_pair(board: &Tiles, border_paths: bool) -> Option<CellPair> {
    pairs(board, border_paths).next()
}

/// All legal pairs in that order; the first cell of a pair comes before its second.
fn pairs(board: &Tiles, border_paths: bool) -> impl Iterator<Item = CellPair> {
    let lanes = Lanes::of(board, border_paths);
    let cells = board.cells();
    let starts = (0..cells.len()).filter(|first| !cells[*first].is_empty());
    starts.flat_map(move |first| {
        let equal = (first + 1..cells.len()).filter(move |second| cells[*second] == cells[first]);
        let pair = move |second| CellPair { first: board.cell(first), second: board.cell(second) };
        equal.map(pair).filter(move |pair| lanes.connect(*pair))
    })
}

/// Sides of the largest board with a ring of border cells around it.
const LANES: usize = 14;

/// Which cells a path may use: one bit a cell, once by rows and once by columns. Coordinates are
/// shifted by one, to make room for the ring of border cells.
#[derive(Clone, Copy)]
struct Lanes {
    rows: [u16; LANES],
    cols: [u16; LANES],
    width: usize,
}

impl Lanes {
    fn of(board: &Tiles, border_paths: bool) -> Self {
        let width = board.size() + 2;
        let mut lanes = Self { rows: [0; LANES], cols: [0; LANES], width };
        if border_paths {
            for place in 0..width {
                lanes.open(0, place);
                lanes.open(width - 1, place);
                lanes.open(place, 0);
                lanes.open(place, width - 1);
            }
        }
        for (index, _) in board.cells().iter().enumerate().filter(|(_, tile)| tile.is_empty()) {
            let cell = board.cell(index);
            lanes.open(cell.row + 1, cell.col + 1);
        }
        lanes
    }

    fn open(&mut self, row: usize, col: usize) {
        self.rows[row] |= 1 << col;
        self.cols[col] |= 1 << row;
    }

    /// Whether a path with at most two turns joins two different cells.
    ///
    /// Such a path is a straight piece out of each cell along parallel lanes and one piece across
    /// that joins them; fewer turns are the case in which a piece has no length.
    fn connect(mut self, pair: CellPair) -> bool {
        let (a, b) = (pair.first, pair.second);
        let (ar, ac, br, bc) = (a.row + 1, a.col + 1, b.row + 1, b.col + 1);
        self.open(ar, ac);
        self.open(br, bc);
        joined(&self.rows[..self.width], self.cols[ac], self.cols[bc], (ar, ac), (br, bc))
            || joined(&self.cols[..self.width], self.rows[ar], self.rows[br], (ac, ar), (bc, br))
    }
}

/// Whether some lane of `across` is reached straight from both cells and free between them. A cell
/// is (its lane, its place on the lane); `from_a` and `from_b` are the free places of the line on
/// which each cell reaches other lanes.
fn joined(across: &[u16], from_a: u16, from_b: u16, a: (usize, usize), b: (usize, usize)) -> bool {
    let both = reach(from_a, a.0) & reach(from_b, b.0);
    let (low, high) = (a.1.min(b.1), a.1.max(b.1));
    // The places strictly between the two.
    let between = ((1u16 << high) - 1) & !((1u16 << (low + 1)) - 1);
    across.iter().enumerate().any(|(lane, free)| (both >> lane) & 1 == 1 && between & !free == 0)
}

/// The places reached from `start` without leaving the free places of a line.
fn reach(free: u16, start: usize) -> u16 {
    let mut reached = 1u16 << start;
    loop {
        let grown = (reached | (reached << 1) | (reached >> 1)) & (free | (1 << start));
        if grown == reached {
            return reached;
        }
        reached = grown;
    }
}

#[cfg(test)]
mod tests;
