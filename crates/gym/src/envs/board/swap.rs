//! Swap (match-3): exchange two neighbours so that three equal tiles line up.

use eyas_core::{Image, Outcome, Rng, Seed};
use serde::{Deserialize, Serialize};

use super::shisen_sho::tiles::{CellPair, Look, PAIR_GRAMMAR, Tile, Tiles, conflict};
use crate::envs::kit;
use crate::{
    Axis, Cell, Direction, Env, EnvGroup, EnvSpec, KnobError, KnobSpec, Knobs, ParseError, Perception,
    Status, Step,
};

const SPEC: EnvSpec = EnvSpec {
    id: "swap",
    group: EnvGroup::Board,
    title: "Swap",
    summary: "A board of coloured shapes: exchange two neighbours so that three equal ones line up.",
    knobs: KNOBS,
    grammar: PAIR_GRAMMAR,
    invalid_reward: -1.0,
    oracle: "exact: the first valid swap, cells row by row, the right neighbour before the lower one",
    score: "valid swaps",
    pixel_answers: false,
    players: 1,
    source: "G1 (VLM-Gym); lmgame-Bench",
};

const KNOBS: &[KnobSpec] = &[
    KnobSpec::int("size", Axis::Reasoning, 4, 10, 8, "cells along each side").dialled(4.0, 10.0),
    KnobSpec::int("colours", Axis::Perception, 2, 6, 4, "colours of the tiles").dialled(3.0, 6.0),
    KnobSpec::int(
        "shapes",
        Axis::Perception,
        1,
        6,
        3,
        "shapes of the tiles; colours x shapes must be 3 or more",
    )
    .dialled(2.0, 4.0),
    KnobSpec::int("tile_px", Axis::Perception, 14, 112, 28, "side of a tile in pixels"),
    KnobSpec::int("turns", Axis::Horizon, 1, 1000, 1, "attempts in an episode").dialled(1.0, 4.0),
    KnobSpec::flag("grid", Axis::Perception, true, "draw lines between the cells"),
    KnobSpec::choice("background", Axis::Perception, &["light", "dark"], "light", "what the tiles lie on"),
];

/// Waves of a cascade after which the board is dealt anew: with few kinds of tile the refill keeps
/// lining up, and a turn must end.
const MAX_WAVES: usize = 64;

/// Shuffles tried on a board without a valid swap before a new one is dealt.
const SHUFFLES: usize = 50;

/// The game of Swap.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Swap {
    board: Tiles,
    kinds: Vec<Tile>,
    turn: u32,
    turns: u32,
    points: u64,
    /// Turns that scored.
    #[serde(default, skip_serializing_if = "kit::is_zero")]
    scored: u32,
    outcome: Option<Outcome>,
    look: Look,
    rng: Rng,
}

impl Swap {
    fn ended(&self) -> Option<Step> {
        let outcome = self.outcome?;
        Some(Step { reward: 0.0, score: 0.0, legal: false, status: Status::Done(outcome) })
    }

    /// Counts a turn. At the last one the episode is a success when three quarters of the swaps were valid.
    fn finish_turn(&mut self, reward: f32, score: f32, legal: bool) -> Step {
        self.turn += 1;
        self.scored += u32::from(score > 0.0);
        if self.turn >= self.turns {
            self.outcome = Some(kit::outcome_of_turns(self.scored, self.turns));
        }
        Step { reward, score, legal, status: self.status() }
    }

    /// Removes runs, lets tiles fall and new ones in, until nothing lines up; then sees to it that a
    /// valid swap is left. A wave of n removed tiles pays n·(1 + (n − 2)) points.
    fn settle(&mut self) {
        for wave in 0.. {
            let removed = remove_runs(&mut self.board);
            if removed == 0 {
                break;
            }
            self.points += removed * (removed - 1);
            if wave == MAX_WAVES {
                self.board = deal(self.board.size(), &self.kinds, &mut self.rng);
                return;
            }
            fall(&mut self.board);
            refill(&mut self.board, &self.kinds, &mut self.rng);
        }
        if swaps(&self.board).next().is_none() {
            self.mix();
        }
    }

    /// Mixes a board without a valid swap until it has one and no run; deals a new one when the
    /// tiles at hand refuse.
    fn mix(&mut self) {
        for _ in 0..SHUFFLES {
            self.board.shuffle(&mut self.rng);
            if is_playable(&self.board) {
                return;
            }
        }
        self.board = deal(self.board.size(), &self.kinds, &mut self.rng);
    }
}

impl Env for Swap {
    type Action = CellPair;

    fn spec() -> &'static EnvSpec {
        &SPEC
    }

    fn reset(seed: Seed, knobs: &Knobs) -> Result<Self, KnobError> {
        let (colors, shapes) = (knobs.size("colours"), knobs.size("shapes"));
        let kinds = Tile::all(colors, shapes);
        if kinds.len() < 3 {
            let detail = format!("colours = {colors} and shapes = {shapes} make fewer than 3 kinds of tile");
            return Err(conflict(SPEC.id, detail));
        }
        let mut rng = seed.split("board", 0).rng();
        Ok(Self {
            board: deal(knobs.size("size"), &kinds, &mut rng),
            kinds,
            turn: 0,
            turns: knobs.size("turns") as u32,
            points: 0,
            scored: 0,
            outcome: None,
            look: Look::from_knobs(knobs),
            rng,
        })
    }

    fn rules(&self) -> String {
        "Exchange two neighbouring tiles so that three or more equal tiles line up. \
         Cells are row,col from 0 at the top-left."
            .into()
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
        if !is_valid(&self.board, *action) {
            return self.finish_turn(SPEC.invalid_reward, 0.0, false);
        }
        self.board.swap(*action);
        self.settle();
        self.finish_turn(1.0, 1.0, true)
    }

    fn begin_here(&mut self) {
        (self.turn, self.scored) = (0, 0);
    }

    fn pass(&mut self) -> Step {
        self.ended().unwrap_or_else(|| self.finish_turn(SPEC.invalid_reward, 0.0, false))
    }

    fn oracle(&self) -> CellPair {
        // Every board at rest has a valid swap; the corner pair would be refused.
        let corner = Cell { row: 0, col: 0 };
        swaps(&self.board).next().unwrap_or(CellPair { first: corner, second: corner })
    }

    /// The search for the swap: rows above in which no swap starts (for the oracle's choice only),
    /// then the tile that lines up, its cells after the swap, and the cell it comes from.
    fn reason(&self, action: &CellPair) -> String {
        let mut words = Vec::new();
        if *action == self.oracle() {
            if action.first.row > 0 {
                words.push("none".to_string());
                words.extend((0..action.first.row).map(|row| row.to_string()));
            }
            words.push(format!("row {}", action.first.row));
        }
        let CellPair { first, second } = *action;
        let after = After { board: &self.board, pair: *action };
        // The first tile lands on the second cell and the other way round.
        let landed = [(second, first), (first, second)].map(|(to, from)| (to, from, after.run(to)));
        match landed.into_iter().find(|(_, _, run)| run.is_some() && is_valid(&self.board, *action)) {
            Some((to, from, run)) => {
                words.push(format!("{} at", after.at(to)));
                words.extend(run.into_iter().flatten().map(|cell| format!("{} {}", cell.row, cell.col)));
                words.push(format!("from {} {}", from.row, from.col));
            }
            None => {
                let (tile, other) = (self.board.at(first), self.board.at(second));
                let (first, second) =
                    (format!("{} {}", first.row, first.col), format!("{} {}", second.row, second.col));
                words.push(format!("{tile} at {first} and {other} at {second}"));
            }
        }
        words.join(" ")
    }

    fn perception(&self) -> Perception {
        self.board.perception()
    }

    fn legal_actions(&self) -> Vec<CellPair> {
        if self.outcome.is_some() { Vec::new() } else { swaps(&self.board).collect() }
    }

    /// Any a cell and a neighbour of it: to know which of them match is the task.
    fn guess(&self, rng: &mut Rng) -> Option<CellPair> {
        let n = self.board.size();
        let first = Cell { row: rng.below(n), col: rng.below(n) };
        let around: Vec<Cell> = Direction::ALL.iter().filter_map(|d| first.neighbour(*d, n, n)).collect();
        rng.choose(&around).map(|second| CellPair { first, second: *second })
    }

    fn status(&self) -> Status {
        self.outcome.map_or(Status::Running, Status::Done)
    }
}

/// A board as it would be right after a swap.
struct After<'a> {
    board: &'a Tiles,
    pair: CellPair,
}

impl After<'_> {
    fn at(&self, cell: Cell) -> Tile {
        if cell == self.pair.first {
            self.board.at(self.pair.second)
        } else if cell == self.pair.second {
            self.board.at(self.pair.first)
        } else {
            self.board.at(cell)
        }
    }

    /// How many cells next to `cell` towards `direction` hold the same tile, two at most.
    fn equal(&self, cell: Cell, direction: Direction) -> usize {
        let (size, tile) = (self.board.size(), self.at(cell));
        let next = |cell: &Cell| cell.neighbour(direction, size, size);
        std::iter::successors(next(&cell), next).take(2).take_while(|other| self.at(*other) == tile).count()
    }

    /// Three cells in a line with `cell`'s tile, `cell` among them, from the top or left; sideways
    /// before upright.
    fn run(&self, cell: Cell) -> Option<[Cell; 3]> {
        if self.at(cell).is_empty() {
            return None;
        }
        let (left, up) = (self.equal(cell, Direction::Left), self.equal(cell, Direction::Up));
        if left + self.equal(cell, Direction::Right) >= 2 {
            Some([0, 1, 2].map(|i| Cell { row: cell.row, col: cell.col - left + i }))
        } else if up + self.equal(cell, Direction::Down) >= 2 {
            Some([0, 1, 2].map(|i| Cell { row: cell.row - up + i, col: cell.col }))
        } else {
            None
        }
    }
}

/// Whether the cells are neighbours, hold different tiles, and exchanging them lines up three.
fn is_valid(board: &Tiles, pair: CellPair) -> bool {
    let CellPair { first, second } = pair;
    let distance = first.row.abs_diff(second.row) + first.col.abs_diff(second.col);
    let after = After { board, pair };
    distance == 1
        && board.at(first) != board.at(second)
        && (after.run(first).is_some() || after.run(second).is_some())
}

/// All valid swaps: cells row by row, the right neighbour before the lower one.
fn swaps(board: &Tiles) -> impl Iterator<Item = CellPair> {
    let size = board.size();
    let pairs = (0..size * size).flat_map(move |index| {
        let first = board.cell(index);
        [Direction::Right, Direction::Down]
            .into_iter()
            .filter_map(move |d| first.neighbour(d, size, size))
            .map(move |second| CellPair { first, second })
    });
    pairs.filter(|pair| is_valid(board, *pair))
}

/// Whether a full board is at rest and has a valid swap.
fn is_playable(board: &Tiles) -> bool {
    remove_runs(&mut board.clone()) == 0 && swaps(board).next().is_some()
}

/// A board without runs and with a valid swap.
fn deal(size: usize, kinds: &[Tile], rng: &mut Rng) -> Tiles {
    loop {
        let mut board = Tiles::empty(size);
        for index in 0..size * size {
            let Cell { row, col } = board.cell(index);
            // At most two kinds would line up, one sideways and one upright; there are three or more.
            let sideways = doubled(col, |back| board.at(Cell { row, col: col - back }));
            let upright = doubled(row, |back| board.at(Cell { row: row - back, col }));
            let fits = |kind: &Tile| Some(*kind) != sideways && Some(*kind) != upright;
            let count = kinds.iter().filter(|kind| fits(kind)).count();
            let chosen = rng.below(count);
            let tile = kinds.iter().copied().filter(|kind| fits(kind)).nth(chosen);
            board.set(board.cell(index), tile.unwrap_or(Tile::EMPTY));
        }
        if is_playable(&board) {
            return board;
        }
    }
}

/// The tile that the one and the two cells before a place both hold.
fn doubled(place: usize, before: impl Fn(usize) -> Tile) -> Option<Tile> {
    (place >= 2 && before(1) == before(2)).then(|| before(1))
}

/// Takes away every run of three or more, sideways and upright at once; gives the number of tiles.
fn remove_runs(board: &mut Tiles) -> u64 {
    let size = board.size();
    let cells = board.cells();
    let mut marked = [false; 144];
    for row in 0..size {
        for col in 0..size {
            let index = row * size + col;
            for (place, step) in [(col, 1), (row, size)] {
                let line = [index, index + step, index + 2 * step];
                if place + 2 < size
                    && !cells[index].is_empty()
                    && line.iter().all(|i| cells[*i] == cells[index])
                {
                    line.iter().for_each(|i| marked[*i] = true);
                }
            }
        }
    }
    let runs = (0..size * size).filter(|index| marked[*index]);
    runs.map(|index| board.set(board.cell(index), Tile::EMPTY)).count() as u64
}

/// Lets the tiles of each column fall onto each other.
fn fall(board: &mut Tiles) {
    let size = board.size();
    for col in 0..size {
        let mut floor = size;
        for row in (0..size).rev() {
            let tile = board.at(Cell { row, col });
            if !tile.is_empty() {
                floor -= 1;
                board.set(Cell { row, col }, Tile::EMPTY);
                board.set(Cell { row: floor, col }, tile);
            }
        }
    }
}

/// Puts random tiles on all empty cells, row by row.
fn refill(board: &mut Tiles, kinds: &[Tile], rng: &mut Rng) {
    for index in 0..board.cells().len() {
        if board.cells()[index].is_empty() {
            board.set(board.cell(index), rng.choose(kinds).copied().unwrap_or(Tile::EMPTY));
        }
    }
}

#[cfg(test)]
mod tests;
