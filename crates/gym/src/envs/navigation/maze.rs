//! Maze seen from above: walk to the goal by the shortest way.

use std::fmt::Write as _;

use eyas_core::{Image, Outcome, Seed};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::labyrinth::{Labyrinth, UNREACHED};
use crate::draw::{Board, BoardStyle, Rgb};
use crate::envs::checked::checked_serde;
use crate::envs::kit;
use crate::{
    Axis, Cell, Direction, Env, EnvGroup, EnvSpec, KnobError, KnobSpec, Knobs, ParseError, Perception,
    Status, Step,
};

const SPEC: EnvSpec = EnvSpec {
    id: "maze",
    group: EnvGroup::Navigation,
    title: "Maze",
    summary: "A maze seen from above: walk to the goal by the shortest way.",
    knobs: KNOBS,
    grammar: Direction::GRAMMAR,
    invalid_reward: 0.0,
    oracle: "exact (sees through the fog)",
    score: "SPL: at the goal, moves of the shortest way / turns used; 0 if it is not reached",
    pixel_answers: false,
    players: 1,
    source: "VisGym; Game-RL",
};

const KNOBS: &[KnobSpec] = &[
    KnobSpec::int("size", Axis::Reasoning, 3, 12, 4, "cells along each side").dialled(3.0, 10.0),
    KnobSpec::float(
        "loops",
        Axis::Reasoning,
        0.0,
        1.0,
        0.1,
        "chance that a wall of the maze without loops is taken away",
    )
    .dialled(0.3, 0.05),
    KnobSpec::choice(
        "fog",
        Axis::Memory,
        &["off", "wide", "near"],
        "off",
        "only cells at most 3 (wide) or 1 (near) rows and columns away are drawn; the goal always is",
    )
    .dialled(0.0, 1.0),
    KnobSpec::int("max_moves", Axis::Horizon, 2, 60, 10, "most moves of the shortest way").dialled(4.0, 40.0),
    KnobSpec::float("slack", Axis::Horizon, 1.0, 5.0, 2.0, "turns allowed for each move of the shortest way")
        .dialled(3.0, 1.5),
    KnobSpec::int("tile_px", Axis::Perception, 14, 56, 28, "pixels along each side of a cell"),
    KnobSpec::choice(
        "theme",
        Axis::Perception,
        &["paper", "hedge", "night"],
        "paper",
        "colours; night has little contrast",
    ),
    KnobSpec::flag("coordinates", Axis::Perception, false, "row and column numbers at the edge"),
];

/// Moves of the way that a reason spells out.
const SPELLED: usize = 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Theme {
    Paper,
    Hedge,
    Night,
}

/// The colours of a theme.
struct Colors {
    floor: Rgb,
    line: Rgb,
    wall: Rgb,
    fog: Rgb,
    goal: Rgb,
    player: Rgb,
    ink: Rgb,
}

impl Theme {
    fn named(name: &str) -> Self {
        match name {
            "hedge" => Self::Hedge,
            "night" => Self::Night,
            _ => Self::Paper,
        }
    }

    fn colors(self) -> Colors {
        match self {
            Self::Paper => Colors {
                floor: [250, 248, 240],
                line: [228, 226, 216],
                wall: [36, 40, 60],
                fog: [140, 140, 148],
                goal: [220, 30, 40],
                player: [40, 70, 225],
                ink: [70, 74, 90],
            },
            Self::Hedge => Colors {
                floor: [232, 214, 170],
                line: [220, 200, 154],
                wall: [34, 104, 44],
                fog: [104, 132, 96],
                goal: [160, 40, 190],
                player: [210, 80, 20],
                ink: [40, 60, 36],
            },
            Self::Night => Colors {
                floor: [40, 44, 58],
                line: [44, 48, 62],
                wall: [66, 72, 90],
                fog: [26, 28, 36],
                goal: [110, 54, 60],
                player: [58, 82, 124],
                ink: [84, 88, 104],
            },
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Fog {
    Off,
    Wide,
    Near,
}

impl Fog {
    /// Rows and columns that can be seen around the player.
    fn reach(self) -> usize {
        match self {
            Self::Off => usize::MAX,
            Self::Wide => 3,
            Self::Near => 1,
        }
    }
}

/// The state of a maze.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Maze {
    walls: Labyrinth,
    goal: Cell,
    player: Cell,
    fog: Fog,
    /// Moves of the shortest way from the start.
    shortest: u32,
    max_turns: u32,
    tile_px: u32,
    theme: Theme,
    coordinates: bool,
    turn: u32,
    outcome: Option<Outcome>,
}

checked_serde!(Maze);

impl Maze {
    fn check(&self) -> Result<(), String> {
        if !self.walls.contains(self.goal) || !self.walls.contains(self.player) {
            return Err(format!("the goal {:?} or the player {:?} is off the maze", self.goal, self.player));
        }
        if self.walls.distances(self.goal)[self.walls.index(self.player)] == UNREACHED {
            return Err("no way leads to the goal".into());
        }
        if !(14..=56).contains(&self.tile_px) || self.max_turns > 1000 || self.turn > self.max_turns {
            return Err("tile_px, max_turns or turn is out of range".into());
        }
        Ok(())
    }

    fn is_seen(&self, cell: Cell) -> bool {
        let reach = self.fog.reach();
        cell.row.abs_diff(self.player.row) <= reach && cell.col.abs_diff(self.player.col) <= reach
    }

    /// The best way from here: at every cell the first of up, right, down, left that comes nearer.
    fn way(&self) -> Vec<Direction> {
        let distances = self.walls.distances(self.goal);
        let mut way = Vec::new();
        let mut at = self.player;
        while let Some((direction, next)) = nearer(&self.walls, &distances, at) {
            way.push(direction);
            at = next;
        }
        way
    }

    /// Words: the player `P`, the goal `G`, both `W`, a cell in the fog `?`; then the walls at its right
    /// (`r`) and below it (`b`); `-` for a cell with nothing.
    fn word(&self, cell: Cell) -> String {
        let thing = match (cell == self.player, cell == self.goal) {
            (true, true) => "W",
            (true, false) => "P",
            (false, true) => "G",
            (false, false) => "",
        };
        let walls = if self.is_seen(cell) { self.walls.walls(cell) } else { "?" };
        let word = format!("{thing}{walls}");
        if word.is_empty() { "-".into() } else { word }
    }

    fn draw_walls(&self, board: &mut Board, cell: Cell, color: Rgb) {
        let (x, y) = board.corner(cell);
        let (tile, thick) = (self.tile_px as i32, (self.tile_px / 7).max(2));
        let half = thick as i32 / 2;
        let (long, last) = (self.tile_px + thick, self.walls.size() - 1);
        // A wall lies half in either cell, at the edge of the picture wholly inside.
        let place = |at: i32, first: bool, end: bool| {
            if first {
                at
            } else if end {
                at - thick as i32
            } else {
                at - half
            }
        };
        for direction in Direction::ALL.into_iter().filter(|d| !self.walls.is_open(cell, *d)) {
            let canvas = &mut board.canvas;
            match direction {
                Direction::Up => {
                    canvas.fill_rect(x - half, place(y, cell.row == 0, false), long, thick, color)
                }
                Direction::Down => {
                    canvas.fill_rect(x - half, place(y + tile, false, cell.row == last), long, thick, color);
                }
                Direction::Left => {
                    canvas.fill_rect(place(x, cell.col == 0, false), y - half, thick, long, color);
                }
                Direction::Right => {
                    canvas.fill_rect(place(x + tile, false, cell.col == last), y - half, thick, long, color);
                }
            }
        }
    }

    fn report(&self, moved: bool) -> Step {
        let success = self.outcome == Some(Outcome::Success);
        let score = if success { self.shortest as f32 / self.turn.max(self.shortest) as f32 } else { 0.0 };
        Step { reward: if success { 1.0 } else { 0.0 }, score, legal: moved, status: self.status() }
    }

    /// Counts a turn.
    fn tick(&mut self) {
        self.turn += 1;
        self.outcome = if self.player == self.goal {
            Some(Outcome::Success)
        } else {
            (self.turn >= self.max_turns).then_some(Outcome::Truncated)
        };
    }
}

/// The first direction that leads nearer to the goal, and where it leads.
fn nearer(walls: &Labyrinth, distances: &[u16], at: Cell) -> Option<(Direction, Cell)> {
    let here = distances[walls.index(at)];
    let ways = Direction::ALL.into_iter().filter_map(|d| Some((d, walls.next(at, d)?)));
    ways.into_iter().find(|(_, next)| distances[walls.index(*next)] < here)
}

impl Env for Maze {
    type Action = Direction;

    fn spec() -> &'static EnvSpec {
        &SPEC
    }

    fn reset(seed: Seed, knobs: &Knobs) -> Result<Self, KnobError> {
        let mut rng = seed.split("maze", 0).rng();
        let walls = Labyrinth::grow(&mut rng, knobs.size("size"), knobs.float("loops"));
        let goal = walls.cell(rng.below(walls.size() * walls.size()));
        let distances = walls.distances(goal);
        // Every length is as likely as any other; a maze of nine cells or more always has a cell two
        // moves away from the goal, and one at every distance up to the farthest.
        let farthest = distances.iter().copied().max().unwrap_or(2).min(knobs.int("max_moves") as u16);
        let shortest = rng.between(2, i64::from(farthest)) as u16;
        let starts: Vec<Cell> = walls.cells().filter(|c| distances[walls.index(*c)] == shortest).collect();
        let player = rng.choose(&starts).copied().unwrap_or(goal);
        Ok(Self {
            goal,
            player,
            fog: match knobs.choice("fog") {
                "wide" => Fog::Wide,
                "near" => Fog::Near,
                _ => Fog::Off,
            },
            shortest: u32::from(shortest),
            max_turns: (f64::from(shortest) * knobs.float("slack")).floor() as u32,
            tile_px: u32::try_from(knobs.size("tile_px")).unwrap_or(28),
            theme: Theme::named(knobs.choice("theme")),
            coordinates: knobs.flag("coordinates"),
            turn: 0,
            outcome: None,
            walls,
        })
    }

    fn rules(&self) -> String {
        let fog = if self.fog == Fog::Off { "" } else { " Cells far away are hidden." };
        format!("Walk from the disc to the square within {} turns; walls stop you.{fog}", self.max_turns)
    }

    fn render(&self) -> Image {
        let colors = self.theme.colors();
        let style = BoardStyle {
            tile: self.tile_px,
            grid: true,
            coordinates: self.coordinates,
            cell: colors.floor,
            line: colors.line,
            ink: colors.ink,
        };
        let mut board = Board::new(self.walls.size(), self.walls.size(), style);
        let tile = board.tile();
        for cell in self.walls.cells().filter(|c| !self.is_seen(*c)) {
            board.fill(cell, false, colors.fog);
        }
        for cell in self.walls.cells().filter(|c| self.is_seen(*c)) {
            self.draw_walls(&mut board, cell, colors.wall);
        }
        let (x, y) = board.corner(self.goal);
        let (inset, side) = ((tile * 0.25) as i32, (tile * 0.5) as u32);
        board.canvas.fill_rect(x + inset, y + inset, side, side, colors.goal);
        let (x, y) = board.middle(self.player);
        board.canvas.fill_circle(x, y, tile * 0.28, colors.player);
        board.canvas.into_image()
    }

    fn parse(&self, answer: &str) -> Result<Direction, ParseError> {
        Direction::parse(answer)
    }

    fn step(&mut self, action: &Direction) -> Step {
        if self.outcome.is_some() {
            return Step { reward: 0.0, score: 0.0, legal: false, status: self.status() };
        }
        let next = self.walls.next(self.player, *action);
        self.player = next.unwrap_or(self.player);
        self.tick();
        self.report(next.is_some())
    }

    fn begin_here(&mut self) {
        let distances = self.walls.distances(self.goal);
        let shortest = u32::from(distances[self.walls.index(self.player)]);
        self.max_turns = kit::turns_from_here(self.max_turns, self.shortest, shortest);
        (self.shortest, self.turn) = (shortest, 0);
    }

    fn pass(&mut self) -> Step {
        if self.outcome.is_none() {
            self.tick();
        }
        Step { reward: 0.0, score: 0.0, legal: false, status: self.status() }
    }

    fn oracle(&self) -> Direction {
        let distances = self.walls.distances(self.goal);
        nearer(&self.walls, &distances, self.player).map_or(Direction::Up, |(direction, _)| direction)
    }

    /// The way to the goal, as far as it can be seen. `action` need not be on it.
    fn reason(&self, action: &Direction) -> String {
        let (player, goal) = (self.player, self.goal);
        let mut text = format!("at {} {} goal {} {} way", player.row, player.col, goal.row, goal.col);
        let way = self.way();
        for direction in way.iter().take(SPELLED.min(self.fog.reach())) {
            // Writing to a string cannot fail.
            let _ = write!(text, " {direction}");
        }
        let left = way.len();
        let after = match self.walls.next(player, *action) {
            None => "wall".to_string(),
            Some(next) => self.walls.distances(goal)[self.walls.index(next)].to_string(),
        };
        if self.fog == Fog::Off {
            format!("{text} moves {left} {action} {after}")
        } else {
            format!("{text} so {action}")
        }
    }

    fn perception(&self) -> Perception {
        let words: Vec<String> = self.walls.cells().map(|c| self.word(c)).collect();
        let rows: Vec<String> = words.chunks(self.walls.size()).map(|row| row.join(" ")).collect();
        let pair = |c: Cell| [c.row, c.col];
        let data = json!({
            "size": self.walls.size(), "player": pair(self.player), "goal": pair(self.goal), "cells": words,
        });
        Perception { text: rows.join("\n"), data }
    }

    fn legal_actions(&self) -> Vec<Direction> {
        if self.outcome.is_some() {
            return Vec::new();
        }
        Direction::ALL.into_iter().filter(|d| self.walls.is_open(self.player, *d)).collect()
    }

    fn status(&self) -> Status {
        self.outcome.map_or(Status::Running, Status::Done)
    }
}

#[cfg(test)]
mod tests;
