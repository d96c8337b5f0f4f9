//! Sokoban: push every box onto a target. The edge of the picture is a wall.

use std::collections::HashMap;

use eyas_core::{Image, Outcome, Rng, Seed};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::draw::{Canvas, Rgb};
use crate::{
    Axis, Cell, Direction, Env, EnvGroup, EnvSpec, KnobError, KnobSpec, Knobs, ParseError, Perception,
    Status, Step,
};

const SPEC: EnvSpec = EnvSpec {
    id: "sokoban",
    group: EnvGroup::Board,
    title: "Sokoban",
    summary: "A store room seen from above: push every box onto a target.",
    knobs: KNOBS,
    grammar: Direction::GRAMMAR,
    invalid_reward: 0.0,
    oracle: "exact",
    score: "success (1 when all boxes are on targets, 0 otherwise)",
    pixel_answers: false,
    players: 1,
    source: "VAGEN; KORGym; Game-RL",
};

const KNOBS: &[KnobSpec] = &[
    KnobSpec::int("size", Axis::Reasoning, 3, 8, 4, "cells along each side of the room").dialled(3.0, 5.0),
    KnobSpec::int("boxes", Axis::Reasoning, 1, 4, 1, "boxes, and as many targets").dialled(1.0, 2.0),
    KnobSpec::float("walls", Axis::Reasoning, 0.0, 0.4, 0.1, "chance that a cell is a wall"),
    KnobSpec::int("min_moves", Axis::Horizon, 1, 40, 2, "fewest moves that the best solution may have"),
    KnobSpec::int("max_moves", Axis::Horizon, 1, 40, 6, "most moves that the best solution may have")
        .dialled(4.0, 12.0),
    KnobSpec::int("max_turns", Axis::Horizon, 1, 100, 12, "turns until the episode is cut off")
        .dialled(6.0, 24.0),
    KnobSpec::int("tile_px", Axis::Perception, 8, 56, 28, "pixels along each side of a cell"),
    KnobSpec::choice(
        "theme",
        Axis::Perception,
        &["store", "garden", "night"],
        "store",
        "colours; night has little contrast",
    ),
];

/// How many rooms are tried before the knobs are said to contradict each other.
const TRIES: usize = 500;

/// The most positions a room may have, so that the exact search stays below a second or so.
const MAX_POSITIONS: usize = 400_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Theme {
    Store,
    Garden,
    Night,
}

/// The colours of a theme.
struct Colors {
    floor: Rgb,
    line: Rgb,
    wall: Rgb,
    mortar: Rgb,
    target: Rgb,
    plank: Rgb,
    stored: Rgb,
    edge: Rgb,
    player: Rgb,
}

impl Theme {
    fn colors(self) -> Colors {
        match self {
            Self::Store => Colors {
                floor: [236, 224, 200],
                line: [212, 198, 170],
                wall: [92, 88, 96],
                mortar: [140, 136, 146],
                target: [225, 40, 50],
                plank: [186, 124, 56],
                stored: [60, 160, 70],
                edge: [80, 46, 16],
                player: [40, 70, 225],
            },
            Self::Garden => Colors {
                floor: [196, 226, 160],
                line: [172, 206, 136],
                wall: [120, 72, 44],
                mortar: [160, 108, 76],
                target: [150, 40, 180],
                plank: [150, 150, 156],
                stored: [250, 210, 20],
                edge: [60, 60, 66],
                player: [220, 30, 40],
            },
            Self::Night => Colors {
                floor: [46, 46, 60],
                line: [56, 56, 72],
                wall: [24, 24, 32],
                mortar: [36, 36, 46],
                target: [108, 48, 60],
                plank: [90, 70, 46],
                stored: [50, 86, 56],
                edge: [30, 26, 24],
                player: [60, 72, 124],
            },
        }
    }
}

/// A set of cells: bit `row * size + col`. A room has at most 8 × 8 = 64 cells.
type Cells = u64;

fn has(cells: Cells, cell: usize) -> bool {
    cells >> cell & 1 == 1
}

/// What moves: the player and the boxes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Position {
    player: usize,
    boxes: Cells,
}

/// What stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Room {
    size: usize,
    walls: Cells,
    targets: Cells,
}

/// How many moves each position is away from the solution; positions without an entry are lost.
struct Distances {
    moves: HashMap<Position, usize>,
    /// The positions in the order they were found, nearest first.
    order: Vec<Position>,
}

impl Room {
    fn cell(&self, index: usize) -> Cell {
        Cell { row: index / self.size, col: index % self.size }
    }

    /// The next cell that is not a wall.
    fn beside(&self, index: usize, direction: Direction) -> Option<usize> {
        let cell = self.cell(index).neighbour(direction, self.size, self.size)?;
        Some(cell.row * self.size + cell.col).filter(|next| !has(self.walls, *next))
    }

    fn solved(&self, position: Position) -> bool {
        position.boxes == self.targets
    }

    /// The position after a move, if the rules allow it.
    fn play(&self, position: Position, direction: Direction) -> Option<Position> {
        let player = self.beside(position.player, direction)?;
        if !has(position.boxes, player) {
            return Some(Position { player, ..position });
        }
        let to = self.beside(player, direction).filter(|to| !has(position.boxes, *to))?;
        Some(Position { player, boxes: position.boxes & !(1 << player) | 1 << to })
    }

    /// The positions from which moving in `direction` leads to `position`: with and without a push.
    fn before(&self, position: Position, direction: Direction) -> [Option<Position>; 2] {
        let from = self.beside(position.player, opposite(direction)).filter(|c| !has(position.boxes, *c));
        let Some(player) = from else { return [None, None] };
        let pushed = self.beside(position.player, direction).filter(|c| has(position.boxes, *c));
        let unpushed =
            pushed.map(|to| Position { player, boxes: position.boxes & !(1 << to) | 1 << position.player });
        [Some(Position { player, ..position }), unpushed]
    }

    /// Exact distances of all positions up to `limit` moves away, by breadth-first search backwards
    /// from every solved position.
    fn distances(&self, limit: usize) -> Distances {
        let solved = (0..self.size * self.size)
            .filter(|c| !has(self.walls | self.targets, *c))
            .map(|player| Position { player, boxes: self.targets });
        let mut order: Vec<Position> = solved.collect();
        let mut moves: HashMap<Position, usize> = order.iter().map(|p| (*p, 0)).collect();
        let mut next = 0;
        while let Some(position) = order.get(next).copied() {
            next += 1;
            let distance = moves.get(&position).copied().unwrap_or(0) + 1;
            if distance > limit {
                break;
            }
            for direction in Direction::ALL {
                for earlier in self.before(position, direction).into_iter().flatten() {
                    moves.entry(earlier).or_insert_with(|| {
                        order.push(earlier);
                        distance
                    });
                }
            }
        }
        Distances { moves, order }
    }

    /// True when a box stands in a corner off the targets, from where it can never be pushed again.
    /// As every box needs a target of its own, the room is lost then. Not every lost position has one.
    fn cornered(&self, boxes: Cells) -> bool {
        (0..self.size * self.size).filter(|c| has(boxes & !self.targets, *c)).any(|cell| {
            let blocked = |d| self.beside(cell, d).is_none();
            (blocked(Direction::Up) || blocked(Direction::Down))
                && (blocked(Direction::Left) || blocked(Direction::Right))
        })
    }
}

/// The state of a Sokoban room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Sokoban {
    room: Room,
    position: Position,
    max_turns: usize,
    tile_px: u32,
    theme: Theme,
    turn: usize,
    outcome: Option<Outcome>,
}

/// A state as read from a file, not yet checked.
#[derive(Deserialize)]
struct Unchecked {
    room: Room,
    position: Position,
    max_turns: usize,
    tile_px: u32,
    theme: Theme,
    turn: usize,
    outcome: Option<Outcome>,
}

impl TryFrom<Unchecked> for Sokoban {
    type Error = String;

    fn try_from(raw: Unchecked) -> Result<Self, String> {
        let Room { size, walls, targets } = raw.room;
        let Position { player, boxes } = raw.position;
        if !(3..=8).contains(&size) || player >= size * size {
            return Err(format!("a room of size {size} with the player on cell {player}"));
        }
        let cells = size * size;
        let outside = if cells == 64 { 0 } else { u64::MAX << cells };
        if (walls | targets | boxes) & outside != 0 {
            return Err("a wall, box or target is outside the room".into());
        }
        if walls & (targets | boxes) != 0 || has(walls | boxes, player) {
            return Err("two things are on one cell".into());
        }
        let count = boxes.count_ones();
        if count != targets.count_ones() || positions(cells, count as usize) > MAX_POSITIONS {
            return Err(format!("{count} boxes and {} targets", targets.count_ones()));
        }
        if !(8..=56).contains(&raw.tile_px) || raw.max_turns > 100 || raw.turn > raw.max_turns {
            return Err("tile_px, max_turns or turn is out of range".into());
        }
        Ok(Self {
            room: raw.room,
            position: raw.position,
            max_turns: raw.max_turns,
            tile_px: raw.tile_px,
            theme: raw.theme,
            turn: raw.turn,
            outcome: raw.outcome,
        })
    }
}

impl Sokoban {
    /// The best move: the first of up, right, down, left that leads one move nearer to the solution.
    /// Lost positions have none.
    fn best(&self, position: Position, distances: &Distances) -> Option<Direction> {
        let here = *distances.moves.get(&position)?;
        Direction::ALL.into_iter().find(|d| {
            let after = self.room.play(position, *d).and_then(|next| distances.moves.get(&next));
            after.is_some_and(|moves| moves + 1 == here)
        })
    }

    /// The next push on the best way: where the player stands before it, and its direction.
    fn next_push(&self, distances: &Distances) -> Option<(Cell, Direction)> {
        let mut position = self.position;
        while let Some(direction) = self.best(position, distances) {
            let next = self.room.play(position, direction)?;
            if next.boxes != position.boxes {
                return Some((self.room.cell(position.player), direction));
            }
            position = next;
        }
        None
    }

    /// The number that the reason gives a move: how many moves the solution needs after it.
    fn worth(&self, direction: Direction, distances: &Distances) -> String {
        match self.room.play(self.position, direction) {
            None => "wall".into(),
            Some(next) => distances.moves.get(&next).map_or("x".into(), |moves| moves.to_string()),
        }
    }

    fn cells_of(&self, cells: Cells) -> impl Iterator<Item = Cell> + use<> {
        let room = self.room;
        (0..room.size * room.size).filter(move |c| has(cells, *c)).map(move |c| room.cell(c))
    }

    fn word(&self, index: usize) -> &'static str {
        let target = has(self.room.targets, index);
        if has(self.room.walls, index) {
            "W"
        } else if self.position.player == index {
            if target { "Q" } else { "P" }
        } else if has(self.position.boxes, index) {
            if target { "X" } else { "B" }
        } else if target {
            "T"
        } else {
            "-"
        }
    }

    fn draw_cell(&self, canvas: &mut Canvas, index: usize, colors: &Colors) {
        let (tile, unit) = (self.tile_px, self.tile_px as f32);
        let cell = self.room.cell(index);
        let (left, top) = (cell.col as u32 * tile, cell.row as u32 * tile);
        let (x, y) = (left as f32, top as f32);
        let at = |dx: f32, dy: f32| (x + dx * unit, y + dy * unit);
        if has(self.room.walls, index) {
            canvas.fill_rect(left as i32, top as i32, tile, tile, colors.wall);
            // Two courses of bricks.
            for (x1, y1, x2, y2) in [(0.0, 0.46, 1.0, 0.54), (0.3, 0.0, 0.38, 0.5), (0.66, 0.5, 0.74, 1.0)] {
                canvas.fill_polygon(&[at(x1, y1), at(x2, y1), at(x2, y2), at(x1, y2)], colors.mortar);
            }
            return;
        }
        canvas.fill_rect(left as i32, top as i32, tile, tile, colors.line);
        canvas.fill_rect(left as i32, top as i32, tile - 1, tile - 1, colors.floor);
        let (cx, cy) = at(0.5, 0.5);
        if has(self.room.targets & !self.position.boxes, index) {
            canvas.fill_polygon(&[at(0.5, 0.06), at(0.94, 0.5), at(0.5, 0.94), at(0.06, 0.5)], colors.target);
            canvas.fill_polygon(&[at(0.5, 0.3), at(0.7, 0.5), at(0.5, 0.7), at(0.3, 0.5)], colors.floor);
        }
        if has(self.position.boxes, index) {
            let front = if has(self.room.targets, index) { colors.stored } else { colors.plank };
            canvas.fill_polygon(&[at(0.1, 0.1), at(0.9, 0.1), at(0.9, 0.9), at(0.1, 0.9)], colors.edge);
            canvas.fill_polygon(&[at(0.2, 0.2), at(0.8, 0.2), at(0.8, 0.8), at(0.2, 0.8)], front);
            canvas.fill_polygon(&[at(0.2, 0.3), at(0.3, 0.2), at(0.8, 0.7), at(0.7, 0.8)], colors.edge);
        }
        if self.position.player == index {
            let middle = if has(self.room.targets, index) { colors.target } else { colors.floor };
            canvas.fill_circle(cx, cy, 0.32 * unit, colors.player);
            canvas.fill_circle(cx, cy, 0.13 * unit, middle);
        }
    }

    fn report(&self, reward: f32, legal: bool) -> Step {
        Step { reward, score: reward, legal, status: self.status() }
    }
}

impl Env for Sokoban {
    type Action = Direction;

    fn spec() -> &'static EnvSpec {
        &SPEC
    }

    fn reset(seed: Seed, knobs: &Knobs) -> Result<Self, KnobError> {
        let conflict = |detail: String| KnobError::Conflict { env: SPEC.id.into(), detail };
        let (size, boxes) = (knobs.size("size"), knobs.size("boxes"));
        let (min, max) = (knobs.size("min_moves"), knobs.size("max_moves"));
        let max_turns = knobs.size("max_turns");
        if min > max || max > max_turns {
            return Err(conflict(format!(
                "min_moves = {min}, max_moves = {max}, max_turns = {max_turns} must not decrease"
            )));
        }
        if positions(size * size, boxes) > MAX_POSITIONS {
            return Err(conflict(format!(
                "{boxes} boxes in a room of size {size} are too many to be solved exactly; use fewer boxes or a smaller room"
            )));
        }
        let mut rng = seed.split("room", 0).rng();
        for _ in 0..TRIES {
            let Some(room) = draw_room(&mut rng, size, boxes, knobs.float("walls")) else {
                continue;
            };
            let wanted = min + rng.below(max - min + 1);
            let distances = room.distances(wanted);
            let starts: Vec<Position> = distances
                .order
                .iter()
                .filter(|p| distances.moves.get(*p) == Some(&wanted))
                .copied()
                .collect();
            let Some(position) = rng.choose(&starts) else {
                continue;
            };
            return Ok(Self {
                room,
                position: *position,
                max_turns,
                tile_px: u32::try_from(knobs.size("tile_px")).unwrap_or(28),
                theme: match knobs.choice("theme") {
                    "garden" => Theme::Garden,
                    "night" => Theme::Night,
                    _ => Theme::Store,
                },
                turn: 0,
                outcome: None,
            });
        }
        Err(conflict(format!("no room of size {size} with {boxes} boxes and {min}..={max} moves was found")))
    }

    fn rules(&self) -> String {
        format!(
            "Push every box onto a target within {} moves. Boxes can be pushed one at a time, not pulled.",
            self.max_turns
        )
    }

    fn render(&self) -> Image {
        let side = self.room.size as u32 * self.tile_px;
        let colors = self.theme.colors();
        let mut canvas = Canvas::new(side, side, colors.wall);
        for index in 0..self.room.size * self.room.size {
            self.draw_cell(&mut canvas, index, &colors);
        }
        // A thin frame says that the edge is a wall.
        let thin = (self.tile_px / 14).max(1);
        let far = (side - thin) as i32;
        for (x, y, width, height) in
            [(0, 0, side, thin), (0, far, side, thin), (0, 0, thin, side), (far, 0, thin, side)]
        {
            canvas.fill_rect(x, y, width, height, colors.wall);
        }
        canvas.into_image()
    }

    fn parse(&self, answer: &str) -> Result<Direction, ParseError> {
        Direction::parse(answer)
    }

    fn step(&mut self, action: &Direction) -> Step {
        if self.outcome.is_some() {
            return self.report(0.0, false);
        }
        self.turn += 1;
        let next = self.room.play(self.position, *action);
        self.position = next.unwrap_or(self.position);
        self.outcome = if self.room.solved(self.position) {
            Some(Outcome::Success)
        } else if self.room.cornered(self.position.boxes) {
            Some(Outcome::Failure)
        } else if self.turn >= self.max_turns {
            Some(Outcome::Truncated)
        } else {
            None
        };
        let reward = if self.outcome == Some(Outcome::Success) { 1.0 } else { 0.0 };
        self.report(reward, next.is_some())
    }

    fn pass(&mut self) -> Step {
        if self.outcome.is_none() {
            self.turn += 1;
            self.outcome = (self.turn >= self.max_turns).then_some(Outcome::Truncated);
        }
        self.report(0.0, false)
    }

    /// A shortest solution; among equals the first of up, right, down, left. In a lost position the
    /// first legal move.
    fn oracle(&self) -> Direction {
        let distances = self.room.distances(usize::MAX);
        self.best(self.position, &distances)
            .or_else(|| self.legal_actions().first().copied())
            .unwrap_or(Direction::Up)
    }

    fn reason(&self, action: &Direction) -> String {
        let distances = self.room.distances(usize::MAX);
        let player = self.room.cell(self.position.player);
        let mut text = format!("at {} {}", player.row, player.col);
        for (name, cells) in [("box", self.position.boxes), ("target", self.room.targets)] {
            text = text + " " + name;
            for cell in self.cells_of(cells) {
                text += &format!(" {} {}", cell.row, cell.col);
            }
        }
        text += &match self.next_push(&distances) {
            Some((from, direction)) => format!(" push {direction} {} {}", from.row, from.col),
            None => " stuck".into(),
        };
        for direction in Direction::ALL {
            text += &format!(" {direction} {}", self.worth(direction, &distances));
        }
        text + " so " + &self.worth(*action, &distances)
    }

    /// Words: `W` wall, `P` player, `Q` player on a target, `B` box, `X` box on a target, `T` target,
    /// `-` floor.
    fn perception(&self) -> Perception {
        let words: Vec<&str> = (0..self.room.size * self.room.size).map(|c| self.word(c)).collect();
        let rows: Vec<String> = words.chunks(self.room.size).map(|row| row.join(" ")).collect();
        let pairs = |cells| self.cells_of(cells).map(|c| [c.row, c.col]).collect::<Vec<_>>();
        let player = self.room.cell(self.position.player);
        let data = json!({
            "size": self.room.size, "player": [player.row, player.col],
            "boxes": pairs(self.position.boxes), "targets": pairs(self.room.targets),
            "walls": pairs(self.room.walls),
        });
        Perception { text: rows.join("\n"), data }
    }

    fn legal_actions(&self) -> Vec<Direction> {
        if self.outcome.is_some() {
            return Vec::new();
        }
        Direction::ALL.into_iter().filter(|d| self.room.play(self.position, *d).is_some()).collect()
    }

    fn status(&self) -> Status {
        self.outcome.map_or(Status::Running, Status::Done)
    }
}

fn opposite(direction: Direction) -> Direction {
    match direction {
        Direction::Up => Direction::Down,
        Direction::Down => Direction::Up,
        Direction::Left => Direction::Right,
        Direction::Right => Direction::Left,
    }
}

/// An upper bound on the positions of a room: places for the boxes times places for the player.
fn positions(cells: usize, boxes: usize) -> usize {
    (0..boxes).fold(cells, |count, i| count * (cells - i) / (i + 1))
}

/// A room with random walls and targets; `None` when the walls leave too little floor.
fn draw_room(rng: &mut Rng, size: usize, boxes: usize, density: f64) -> Option<Room> {
    let walls = (0..size * size).filter(|_| rng.chance(density)).fold(0, |cells, c| cells | 1 << c);
    let mut floor: Vec<usize> = (0..size * size).filter(|c| !has(walls, *c)).collect();
    rng.shuffle(&mut floor);
    let targets = floor.get(..boxes)?.iter().fold(0, |cells, c| cells | 1 << c);
    Some(Room { size, walls, targets })
}

#[cfg(test)]
mod tests;
