//! Frozen lake: walk over the ice to the flag without falling into a hole.

use std::collections::VecDeque;

use eyas_core::{Image, Outcome, Rng, Seed};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::draw::{Canvas, RED, Rgb, WHITE};
use crate::{
    Axis, Cell, Direction, Env, EnvGroup, EnvSpec, KnobError, KnobSpec, Knobs, ParseError, Perception,
    Status, Step,
};

const SPEC: EnvSpec = EnvSpec {
    id: "frozen-lake",
    group: EnvGroup::Board,
    title: "Frozen lake",
    summary: "A lake seen from above: walk to the flag, avoid the holes.",
    knobs: KNOBS,
    grammar: Direction::GRAMMAR,
    invalid_reward: 0.0,
    oracle: "exact",
    score: "success (1 at the flag, 0 otherwise)",
    pixel_answers: false,
    players: 1,
    source: "Gymnasium; VAGEN",
};

const KNOBS: &[KnobSpec] = &[
    KnobSpec::int("size", Axis::Reasoning, 3, 8, 4, "cells along each side").dialled(3.0, 6.0),
    KnobSpec::float("hole_prob", Axis::Reasoning, 0.0, 0.5, 0.2, "chance that a cell is a hole")
        .dialled(0.1, 0.3),
    KnobSpec::float(
        "slippery",
        Axis::Stochasticity,
        0.0,
        1.0,
        0.0,
        "chance that a move goes to one of its two sides instead",
    )
    .dialled(0.0, 0.2),
    KnobSpec::int(
        "max_turns",
        Axis::Horizon,
        1,
        100,
        8,
        "turns until the episode is cut off; the flag is never farther away than that",
    )
    .dialled(8.0, 20.0),
    KnobSpec::flag(
        "random_start",
        Axis::Horizon,
        true,
        "start and flag anywhere, at least two moves apart; false: opposite corners",
    ),
    KnobSpec::int("tile_px", Axis::Perception, 8, 56, 28, "pixels along each side of a cell"),
    KnobSpec::choice(
        "theme",
        Axis::Perception,
        &["ice", "lava", "night"],
        "ice",
        "colours; night has little contrast",
    ),
];

/// How often a layout is drawn at random before one is made solvable by clearing a path.
const TRIES: usize = 200;

/// Chances closer than this count as equal, so that rounding does not decide between moves.
const EQUAL_CHANCE: f64 = 1e-12;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Theme {
    Ice,
    Lava,
    Night,
}

/// The colours of a theme.
struct Colors {
    ice: Rgb,
    line: Rgb,
    hole: Rgb,
    flag: Rgb,
    pole: Rgb,
    player: Rgb,
}

impl Theme {
    fn colors(self) -> Colors {
        match self {
            Self::Ice => Colors {
                ice: [216, 238, 250],
                line: [168, 205, 228],
                hole: [22, 40, 92],
                flag: RED,
                pole: [60, 60, 70],
                player: [20, 130, 50],
            },
            Self::Lava => Colors {
                ice: [128, 118, 112],
                line: [92, 84, 80],
                hole: [255, 120, 0],
                flag: WHITE,
                pole: [30, 30, 36],
                player: [50, 30, 190],
            },
            Self::Night => Colors {
                ice: [44, 48, 66],
                line: [58, 63, 84],
                hole: [18, 20, 30],
                flag: [122, 52, 56],
                pole: [84, 84, 92],
                player: [92, 96, 60],
            },
        }
    }
}

/// The state of a frozen lake.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct FrozenLake {
    size: usize,
    slippery: f64,
    max_turns: usize,
    tile_px: u32,
    theme: Theme,
    /// Row by row: is the cell a hole?
    holes: Vec<bool>,
    goal: Cell,
    player: Cell,
    turn: usize,
    outcome: Option<Outcome>,
    rng: Rng,
}

/// A lake as read from a file, not yet checked.
#[derive(Deserialize)]
struct Unchecked {
    size: usize,
    slippery: f64,
    max_turns: usize,
    tile_px: u32,
    theme: Theme,
    holes: Vec<bool>,
    goal: Cell,
    player: Cell,
    turn: usize,
    outcome: Option<Outcome>,
    rng: Rng,
}

impl TryFrom<Unchecked> for FrozenLake {
    type Error = String;

    fn try_from(raw: Unchecked) -> Result<Self, String> {
        let inside = |c: Cell| c.row < raw.size && c.col < raw.size;
        if !(3..=8).contains(&raw.size) || raw.holes.len() != raw.size * raw.size {
            return Err(format!("{} cells do not make a lake of size {}", raw.holes.len(), raw.size));
        }
        if !inside(raw.goal) || !inside(raw.player) {
            return Err(format!("the flag {:?} or the player {:?} is off the lake", raw.goal, raw.player));
        }
        let numbers = (0.0..=1.0).contains(&raw.slippery) && (8..=56).contains(&raw.tile_px);
        if !numbers || raw.max_turns > 100 || raw.turn > raw.max_turns {
            return Err("slippery, tile_px, max_turns or turn is out of range".into());
        }
        Ok(Self {
            size: raw.size,
            slippery: raw.slippery,
            max_turns: raw.max_turns,
            tile_px: raw.tile_px,
            theme: raw.theme,
            holes: raw.holes,
            goal: raw.goal,
            player: raw.player,
            turn: raw.turn,
            outcome: raw.outcome,
            rng: raw.rng,
        })
    }
}

/// Where things are at the start.
struct Layout {
    holes: Vec<bool>,
    start: Cell,
    goal: Cell,
}

impl FrozenLake {
    fn index(&self, cell: Cell) -> usize {
        cell.row * self.size + cell.col
    }

    fn is_hole(&self, cell: Cell) -> bool {
        self.holes.get(self.index(cell)).copied().unwrap_or(false)
    }

    fn cells(&self) -> impl Iterator<Item = Cell> + use<> {
        let size = self.size;
        (0..size).flat_map(move |row| (0..size).map(move |col| Cell { row, col }))
    }

    fn neighbour(&self, cell: Cell, direction: Direction) -> Option<Cell> {
        cell.neighbour(direction, self.size, self.size)
    }

    /// Moves to the goal over ice, for every cell; `None` for holes and cut-off cells.
    fn distances(&self) -> Vec<Option<usize>> {
        distances(self.size, &self.holes, self.goal)
    }

    /// Where a move from `cell` can end, with chances. A slip against the edge stays in place.
    fn landings(&self, cell: Cell, direction: Direction) -> [(Cell, f64); 3] {
        let [left, right] = sides(direction);
        let land = |d| self.neighbour(cell, d).unwrap_or(cell);
        [
            (land(direction), 1.0 - self.slippery),
            (land(left), self.slippery / 2.0),
            (land(right), self.slippery / 2.0),
        ]
    }

    fn chance_after(&self, chances: &[f64], cell: Cell, direction: Direction) -> f64 {
        self.landings(cell, direction).iter().map(|(to, p)| p * chances[self.index(*to)]).sum()
    }

    /// The chance to reach the goal from every cell within `turns` moves under best play
    /// (value iteration over a finite horizon).
    fn chances(&self, turns: usize) -> Vec<f64> {
        let mut chances: Vec<f64> = self.cells().map(|c| f64::from(u8::from(c == self.goal))).collect();
        for _ in 0..turns {
            chances = self
                .cells()
                .map(|cell| {
                    if cell == self.goal || self.is_hole(cell) {
                        return chances[self.index(cell)];
                    }
                    Direction::ALL
                        .into_iter()
                        .filter(|d| self.neighbour(cell, *d).is_some())
                        .map(|d| self.chance_after(&chances, cell, d))
                        .fold(0.0, f64::max)
                })
                .collect();
        }
        chances
    }

    /// The chance to reach the goal after moving in `direction` now.
    fn chance_of(&self, chances: &[f64], direction: Direction) -> f64 {
        self.chance_after(chances, self.player, direction)
    }

    fn turns_after_this(&self) -> usize {
        self.max_turns.saturating_sub(self.turn + 1)
    }

    /// The number that the reason gives a move: the way that is left after it, or its chance in
    /// percent where the ice is slippery.
    fn worth(&self, direction: Direction, distances: &[Option<usize>], chances: &[f64]) -> String {
        let Some(next) = self.neighbour(self.player, direction) else {
            return "edge".into();
        };
        if self.slippery > 0.0 {
            return format!("{:.0}", 100.0 * self.chance_of(chances, direction));
        }
        if self.is_hole(next) {
            return "hole".into();
        }
        distances[self.index(next)].map_or("far".into(), |d| d.to_string())
    }

    fn word(&self, cell: Cell) -> &'static str {
        match (cell == self.player, cell == self.goal, self.is_hole(cell)) {
            (true, true, _) => "W",
            (true, _, true) => "F",
            (true, _, _) => "P",
            (_, true, _) => "G",
            (_, _, true) => "H",
            _ => "-",
        }
    }

    fn draw_cell(&self, canvas: &mut Canvas, cell: Cell, colors: &Colors) {
        let (tile, unit) = (self.tile_px, self.tile_px as f32);
        let (left, top) = (cell.col as u32 * tile, cell.row as u32 * tile);
        let (x, y) = (left as f32, top as f32);
        let at = |dx: f32, dy: f32| (x + dx * unit, y + dy * unit);
        canvas.fill_rect(left as i32, top as i32, tile, tile, colors.line);
        canvas.fill_rect(left as i32, top as i32, tile - 1, tile - 1, colors.ice);
        if self.is_hole(cell) {
            let (cx, cy) = at(0.5, 0.5);
            canvas.fill_circle(cx, cy, 0.42 * unit, colors.hole);
        }
        if cell == self.goal {
            canvas.fill_polygon(&[at(0.22, 0.1), at(0.31, 0.1), at(0.31, 0.92), at(0.22, 0.92)], colors.pole);
            canvas.fill_polygon(&[at(0.31, 0.1), at(0.9, 0.32), at(0.31, 0.55)], colors.flag);
        }
        if cell == self.player {
            let (hx, hy) = at(0.5, 0.28);
            canvas.fill_circle(hx, hy, 0.17 * unit, colors.player);
            canvas.fill_polygon(&[at(0.5, 0.38), at(0.8, 0.92), at(0.2, 0.92)], colors.player);
        }
    }

    fn report(&self, reward: f32, legal: bool) -> Step {
        Step { reward, score: reward, legal, status: self.status() }
    }
}

impl Env for FrozenLake {
    type Action = Direction;

    fn spec() -> &'static EnvSpec {
        &SPEC
    }

    fn reset(seed: Seed, knobs: &Knobs) -> Result<Self, KnobError> {
        let size = knobs.size("size");
        let max_turns = knobs.size("max_turns");
        let random_start = knobs.flag("random_start");
        let least = if random_start { 2 } else { 2 * (size - 1) };
        if max_turns < least {
            let detail = format!("max_turns = {max_turns}, but the flag is at least {least} moves away");
            return Err(KnobError::Conflict { env: SPEC.id.into(), detail });
        }
        let mut rng = seed.split("layout", 0).rng();
        let layout = lay_out(&mut rng, size, knobs.float("hole_prob"), random_start, max_turns);
        Ok(Self {
            size,
            slippery: knobs.float("slippery"),
            max_turns,
            tile_px: u32::try_from(knobs.size("tile_px")).unwrap_or(28),
            theme: match knobs.choice("theme") {
                "lava" => Theme::Lava,
                "night" => Theme::Night,
                _ => Theme::Ice,
            },
            holes: layout.holes,
            goal: layout.goal,
            player: layout.start,
            turn: 0,
            outcome: None,
            rng: seed.split("slip", 0).rng(),
        })
    }

    fn rules(&self) -> String {
        let slips = if self.slippery > 0.0 { " Moves may slip to the side." } else { "" };
        format!("Walk to the flag within {} moves. A hole ends the game.{slips}", self.max_turns)
    }

    fn render(&self) -> Image {
        let side = self.size as u32 * self.tile_px;
        let colors = self.theme.colors();
        let mut canvas = Canvas::new(side, side, colors.line);
        for cell in self.cells() {
            self.draw_cell(&mut canvas, cell, &colors);
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
        let legal = self.neighbour(self.player, *action).is_some();
        if legal {
            let mut direction = *action;
            if self.rng.chance(self.slippery) {
                direction = sides(direction)[self.rng.below(2)];
            }
            self.player = self.neighbour(self.player, direction).unwrap_or(self.player);
        }
        self.outcome = if self.player == self.goal {
            Some(Outcome::Success)
        } else if self.is_hole(self.player) {
            Some(Outcome::Failure)
        } else if self.turn >= self.max_turns {
            Some(Outcome::Truncated)
        } else {
            None
        };
        let reward = if self.outcome == Some(Outcome::Success) { 1.0 } else { 0.0 };
        self.report(reward, legal)
    }

    fn pass(&mut self) -> Step {
        if self.outcome.is_none() {
            self.turn += 1;
            self.outcome = (self.turn >= self.max_turns).then_some(Outcome::Truncated);
        }
        self.report(0.0, false)
    }

    /// The move with the best chance; among equals the one that leaves the shortest way, then the
    /// first of up, right, down, left. On ice that is not slippery this is a shortest path.
    fn oracle(&self) -> Direction {
        let (distances, chances) = (self.distances(), self.chances(self.turns_after_this()));
        let mut best: Option<(Direction, f64, usize)> = None;
        for direction in self.legal_actions() {
            let chance = self.chance_of(&chances, direction);
            let next = self.neighbour(self.player, direction);
            let distance = next.and_then(|c| distances[self.index(c)]).unwrap_or(usize::MAX);
            let better = best.is_none_or(|(_, top, shortest)| {
                chance > top + EQUAL_CHANCE || (chance > top - EQUAL_CHANCE && distance < shortest)
            });
            if better {
                best = Some((direction, chance, distance));
            }
        }
        best.map_or(Direction::Up, |(direction, _, _)| direction)
    }

    fn reason(&self, action: &Direction) -> String {
        let (distances, chances) = (self.distances(), self.chances(self.turns_after_this()));
        let (player, goal) = (self.player, self.goal);
        let mut text = format!("at {} {} goal {} {}", player.row, player.col, goal.row, goal.col);
        for direction in Direction::ALL {
            text += &format!(" {direction} {}", self.worth(direction, &distances, &chances));
        }
        text + " so " + &self.worth(*action, &distances, &chances)
    }

    /// Words: `P` player, `G` flag, `H` hole, `-` ice, `W` player at the flag, `F` player in a hole.
    fn perception(&self) -> Perception {
        let words: Vec<&str> = self.cells().map(|c| self.word(c)).collect();
        let rows: Vec<String> = words.chunks(self.size).map(|row| row.join(" ")).collect();
        let pair = |c: Cell| [c.row, c.col];
        let holes: Vec<[usize; 2]> = self.cells().filter(|c| self.is_hole(*c)).map(pair).collect();
        let data = json!({
            "size": self.size, "player": pair(self.player), "goal": pair(self.goal), "holes": holes,
        });
        Perception { text: rows.join("\n"), data }
    }

    fn legal_actions(&self) -> Vec<Direction> {
        if self.outcome.is_some() {
            return Vec::new();
        }
        Direction::ALL.into_iter().filter(|d| self.neighbour(self.player, *d).is_some()).collect()
    }

    fn status(&self) -> Status {
        self.outcome.map_or(Status::Running, Status::Done)
    }
}

/// The two directions at a right angle to `direction`.
fn sides(direction: Direction) -> [Direction; 2] {
    match direction {
        Direction::Up | Direction::Down => [Direction::Left, Direction::Right],
        Direction::Left | Direction::Right => [Direction::Up, Direction::Down],
    }
}

/// Breadth-first distances to `goal` around the holes.
fn distances(size: usize, holes: &[bool], goal: Cell) -> Vec<Option<usize>> {
    let mut found = vec![None; size * size];
    found[goal.row * size + goal.col] = Some(0);
    let mut queue = VecDeque::from([(goal, 0)]);
    while let Some((cell, distance)) = queue.pop_front() {
        for next in Direction::ALL.into_iter().filter_map(|d| cell.neighbour(d, size, size)) {
            let index = next.row * size + next.col;
            if found[index].is_none() && !holes[index] {
                found[index] = Some(distance + 1);
                queue.push_back((next, distance + 1));
            }
        }
    }
    found
}

/// A layout whose goal is within `max_turns` moves of the start.
fn lay_out(rng: &mut Rng, size: usize, hole_prob: f64, random_start: bool, max_turns: usize) -> Layout {
    let mut layout = draw_layout(rng, size, hole_prob, random_start, max_turns);
    for _ in 1..TRIES {
        let way = distances(size, &layout.holes, layout.goal)[layout.start.row * size + layout.start.col];
        if way.is_some_and(|moves| moves <= max_turns) {
            return layout;
        }
        layout = draw_layout(rng, size, hole_prob, random_start, max_turns);
    }
    clear_path(rng, size, &mut layout);
    layout
}

fn draw_layout(rng: &mut Rng, size: usize, hole_prob: f64, random_start: bool, max_turns: usize) -> Layout {
    let (start, goal) = if random_start {
        let start = Cell { row: rng.below(size), col: rng.below(size) };
        let goals: Vec<Cell> = (0..size * size)
            .map(|i| Cell { row: i / size, col: i % size })
            .filter(|c| (2..=max_turns).contains(&(start.row.abs_diff(c.row) + start.col.abs_diff(c.col))))
            .collect();
        // On a board of 3 or more every cell has a cell two moves away, so `goals` is never empty.
        (start, rng.choose(&goals).copied().unwrap_or(start))
    } else {
        (Cell { row: 0, col: 0 }, Cell { row: size - 1, col: size - 1 })
    };
    let mut holes: Vec<bool> = (0..size * size).map(|_| rng.chance(hole_prob)).collect();
    for cell in [start, goal] {
        holes[cell.row * size + cell.col] = false;
    }
    Layout { holes, start, goal }
}

/// Clears a random shortest way from the start to the goal.
fn clear_path(rng: &mut Rng, size: usize, layout: &mut Layout) {
    let (mut at, goal) = (layout.start, layout.goal);
    while at != goal {
        let along_row = at.row == goal.row || (at.col != goal.col && rng.chance(0.5));
        if along_row {
            at.col = if at.col < goal.col { at.col + 1 } else { at.col - 1 };
        } else {
            at.row = if at.row < goal.row { at.row + 1 } else { at.row - 1 };
        }
        layout.holes[at.row * size + at.col] = false;
    }
}

#[cfg(test)]
mod tests;
