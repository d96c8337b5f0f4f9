//! Maze seen from inside: find the pillar, with a map or without.

use std::fmt::{self, Write as _};

use eyas_core::{Image, Outcome, Rng, Seed};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::labyrinth::{Labyrinth, UNREACHED, opposite};
use super::raycast::{Camera, Cuboid, Lighting, Look, PAINT_NAMES, Scene};
use crate::draw::{Canvas, Rgb};
use crate::envs::checked::checked_serde;
use crate::envs::kit;
use crate::{
    Axis, Cell, Direction, Env, EnvGroup, EnvSpec, KnobError, KnobSpec, Knobs, ParseError, Perception,
    Status, Step,
};

const GRAMMAR: &str = "forward | left | right | back";

const SPEC: EnvSpec = EnvSpec {
    id: "maze-3d",
    group: EnvGroup::Navigation,
    title: "Maze from inside",
    summary: "A maze seen from inside: walk to the orange pillar by the shortest way.",
    knobs: KNOBS,
    grammar: GRAMMAR,
    invalid_reward: 0.0,
    oracle: "exact (knows the whole maze)",
    score: "SPL: at the pillar, turns of the shortest way / turns used; 0 if it is not reached",
    pixel_answers: false,
    players: 1,
    source: "VisGym; MiniWorld",
};

const KNOBS: &[KnobSpec] = &[
    KnobSpec::int("size", Axis::Reasoning, 3, 10, 3, "cells along each side").dialled(3.0, 8.0),
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
        "map",
        Axis::Memory,
        &["full", "seen", "off"],
        "full",
        "a map beside the view: of the whole maze, of the cells visited and their neighbours, or none",
    )
    .dialled(0.0, 2.0),
    KnobSpec::int("max_moves", Axis::Horizon, 2, 80, 10, "most turns of the shortest way").dialled(5.0, 50.0),
    KnobSpec::float("slack", Axis::Horizon, 1.0, 5.0, 2.0, "turns allowed for each turn of the shortest way")
        .dialled(3.0, 2.0),
    KnobSpec::int(
        "wall_colors",
        Axis::Perception,
        1,
        6,
        4,
        "colours of walls; fewer make places look more alike",
    )
    .dialled(6.0, 2.0),
    KnobSpec::choice(
        "theme",
        Axis::Perception,
        Look::NAMES,
        "brick",
        "what walls are made of; murky has little contrast",
    ),
    KnobSpec::choice(
        "lighting",
        Axis::Perception,
        Lighting::NAMES,
        "bright",
        "how bright it is; dark: what is far away is black",
    ),
    KnobSpec::int("view_px", Axis::Perception, 56, 448, 112, "pixels along each side of the view"),
];

/// How far behind the middle of its cell the eye is, so that the cell's own side walls are in view.
const SET_BACK: f32 = 0.4;

/// Half the width of what is seen at distance 1: a view of about 100 degrees.
const SPREAD: f32 = 1.2;

const PILLAR: Rgb = [255, 132, 10];

/// Cells ahead that the perception text tells of.
const DEPTH: usize = 3;

/// Moves of the way that a reason spells out: with a map, and without.
const SPELLED: usize = 16;
const SPELLED_BLIND: usize = 3;

/// A turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// One cell ahead.
    Forward,
    /// A quarter turn to the left.
    Left,
    /// A quarter turn to the right.
    Right,
    /// One cell back, without turning.
    Back,
}

impl Move {
    const ALL: [Self; 4] = [Self::Forward, Self::Left, Self::Right, Self::Back];
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Forward => "forward",
            Self::Left => "left",
            Self::Right => "right",
            Self::Back => "back",
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Map {
    Full,
    Seen,
    Off,
}

/// Where the player is and looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Pose {
    cell: Cell,
    facing: Direction,
}

/// The state of a maze seen from inside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Maze3d {
    walls: Labyrinth,
    goal: Cell,
    player: Pose,
    map: Map,
    /// Cells visited and their open neighbours, a bit each.
    seen: [u64; 2],
    /// The stream from which the walls get their colours.
    paint: Seed,
    wall_colors: u8,
    look: Look,
    lighting: Lighting,
    view_px: u32,
    shortest: u32,
    max_turns: u32,
    turn: u32,
    outcome: Option<Outcome>,
}

checked_serde!(Maze3d);

fn clockwise(direction: Direction) -> Direction {
    match direction {
        Direction::Up => Direction::Right,
        Direction::Right => Direction::Down,
        Direction::Down => Direction::Left,
        Direction::Left => Direction::Up,
    }
}

fn ordinal(direction: Direction) -> usize {
    match direction {
        Direction::Up => 0,
        Direction::Right => 1,
        Direction::Down => 2,
        Direction::Left => 3,
    }
}

/// Where a move leads; `None` into a wall.
fn after(walls: &Labyrinth, pose: Pose, action: Move) -> Option<Pose> {
    let Pose { cell, facing } = pose;
    match action {
        Move::Forward => Some(Pose { cell: walls.next(cell, facing)?, facing }),
        Move::Back => Some(Pose { cell: walls.next(cell, opposite(facing))?, facing }),
        Move::Right => Some(Pose { cell, facing: clockwise(facing) }),
        Move::Left => Some(Pose { cell, facing: opposite(clockwise(facing)) }),
    }
}

fn slot(walls: &Labyrinth, pose: Pose) -> usize {
    walls.index(pose.cell) * 4 + ordinal(pose.facing)
}

/// How far it is to the goal: moves, and how many of them go back. Of two shortest ways the one that
/// sees where it goes is better.
type Left = (u16, u16);

/// The way that is left from every pose. Every move can be taken back by one move, so the search runs
/// from the goal.
fn distances(walls: &Labyrinth, goal: Cell) -> Vec<Left> {
    let mut found = vec![(UNREACHED, UNREACHED); walls.size() * walls.size() * 4];
    let mut queue: Vec<Pose> = Direction::ALL.into_iter().map(|facing| Pose { cell: goal, facing }).collect();
    queue.iter().for_each(|pose| found[slot(walls, *pose)] = (0, 0));
    let mut head = 0;
    while let Some(pose) = queue.get(head).copied() {
        head += 1;
        let (moves, backs) = found[slot(walls, pose)];
        for (action, next) in Move::ALL.into_iter().filter_map(|m| Some((m, after(walls, pose, m)?))) {
            // The way runs from `next` to `pose`: what leads there by a step ahead comes by a step back.
            let left = (moves + 1, backs + u16::from(action == Move::Forward));
            let known = &mut found[slot(walls, next)];
            if known.0 == UNREACHED {
                queue.push(next);
            }
            // Poses as far away as this one are all done before the next ones, so these are final then.
            *known = left.min(*known);
        }
    }
    found
}

/// The move that the best way begins with; the first of forward, left, right, back among equals.
fn nearer(walls: &Labyrinth, distances: &[Left], pose: Pose) -> Option<(Move, Pose)> {
    let (moves, backs) = distances[slot(walls, pose)];
    let mut ways = Move::ALL.into_iter().filter_map(|m| Some((m, after(walls, pose, m)?)));
    ways.find(|(action, next)| {
        let (later, more) = distances[slot(walls, *next)];
        later < moves && more + u16::from(*action == Move::Back) == backs
    })
}

impl Maze3d {
    fn check(&self) -> Result<(), String> {
        let size = self.walls.size();
        if !(3..=10).contains(&size)
            || !self.walls.contains(self.goal)
            || !self.walls.contains(self.player.cell)
        {
            return Err(format!("{:?} or {:?} is off a maze of size {size}", self.goal, self.player));
        }
        if distances(&self.walls, self.goal)[slot(&self.walls, self.player)].0 == UNREACHED {
            return Err("no way leads to the pillar".into());
        }
        let numbers = (56..=448).contains(&self.view_px) && (1..=6).contains(&self.wall_colors);
        if !numbers || self.max_turns > 1000 || self.turn > self.max_turns {
            return Err("view_px, wall_colors, max_turns or turn is out of range".into());
        }
        Ok(())
    }

    fn is_seen(&self, cell: Cell) -> bool {
        let index = self.walls.index(cell);
        self.map == Map::Full || self.seen[index / 64 % 2] >> (index % 64) & 1 == 1
    }

    /// Puts the player's cell and the cells next to it on the map.
    fn look_around(&mut self) {
        let here = self.player.cell;
        let beside = Direction::ALL.into_iter().filter_map(|d| self.walls.next(here, d));
        for cell in beside.chain([here]) {
            let index = self.walls.index(cell);
            self.seen[index / 64 % 2] |= 1 << (index % 64);
        }
    }

    /// The colour of the wall of a cell; both sides of a wall have the same.
    fn paint_of(&self, cell: Cell, direction: Direction) -> u8 {
        let size = self.walls.size();
        let edge = match direction {
            Direction::Up => cell.row * size + cell.col,
            Direction::Down => (cell.row + 1) * size + cell.col,
            Direction::Left => 1000 + cell.row * (size + 1) + cell.col,
            Direction::Right => 1000 + cell.row * (size + 1) + cell.col + 1,
        };
        let first = self.paint.rng().below(PAINT_NAMES.len());
        let drawn = self.paint.split("wall", edge as u64).rng().below(usize::from(self.wall_colors));
        ((first + drawn) % PAINT_NAMES.len()) as u8
    }

    /// What the ray-caster needs: the walls above and at the left of all cells.
    fn edges(&self) -> (Vec<u8>, Vec<u8>) {
        let size = self.walls.size();
        let (mut above, mut left) = (vec![0; (size + 1) * size], vec![0; size * (size + 1)]);
        for cell in self.walls.cells() {
            for direction in Direction::ALL.into_iter().filter(|d| !self.walls.is_open(cell, *d)) {
                let paint = self.paint_of(cell, direction) + 1;
                let Cell { row, col } = cell;
                match direction {
                    Direction::Up => above[row * size + col] = paint,
                    Direction::Down => above[(row + 1) * size + col] = paint,
                    Direction::Left => left[row * (size + 1) + col] = paint,
                    Direction::Right => left[row * (size + 1) + col + 1] = paint,
                }
            }
        }
        (above, left)
    }

    /// Calls `use_scene` with the scene and the camera.
    fn with_scene<T>(&self, use_scene: impl FnOnce(&Scene<'_>, &Camera) -> T) -> T {
        let (above, left) = self.edges();
        let pillar = Cuboid {
            x: self.goal.col as f32 + 0.5,
            y: self.goal.row as f32 + 0.5,
            half: 0.18,
            height: 0.78,
            color: self.look.tint(PILLAR),
        };
        let scene = Scene {
            cols: self.walls.size(),
            rows: self.walls.size(),
            above: &above,
            left: &left,
            paints: &self.look.paints(),
            pattern: self.look.pattern(),
            boxes: &[pillar],
            floor: self.look.floor(),
            ceiling: self.look.ceiling(),
            lighting: self.lighting,
        };
        let (dy, dx) = self.player.facing.delta();
        let ahead = (dx as f32, dy as f32);
        let Cell { row, col } = self.player.cell;
        let camera = Camera {
            x: col as f32 + 0.5 - SET_BACK * ahead.0,
            y: row as f32 + 0.5 - SET_BACK * ahead.1,
            ahead,
            spread: SPREAD,
        };
        use_scene(&scene, &camera)
    }

    /// Left, ahead, right of a pose.
    fn sides(pose: Pose) -> [Direction; 3] {
        let right = clockwise(pose.facing);
        [opposite(right), pose.facing, right]
    }

    fn side_word(&self, cell: Cell, direction: Direction) -> &'static str {
        if self.walls.is_open(cell, direction) {
            return "open";
        }
        PAINT_NAMES[usize::from(self.paint_of(cell, direction)) % PAINT_NAMES.len()]
    }

    /// The words of the view: for each cell straight ahead its left, far and right side; then the pillar.
    fn view_lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut at = Some(self.player.cell);
        while let Some(cell) = at.filter(|_| lines.len() < DEPTH) {
            lines.push(Self::sides(self.player).map(|d| self.side_word(cell, d)).join(" "));
            at = self.walls.next(cell, self.player.facing);
        }
        let third = self.with_scene(|scene, camera| scene.columns_of_boxes(camera, 3));
        let place = match third.first().copied().flatten() {
            Some(0) => "left",
            Some(1) => "middle",
            Some(_) => "right",
            None => "hidden",
        };
        lines.push(format!("pillar {place}"));
        lines
    }

    /// A word of the map: the player `u r d l` in capitals by its direction, the pillar `G`, both `W`,
    /// an unknown cell `?`; then the walls at its right (`r`) and below it (`b`); `-` for nothing.
    fn map_word(&self, cell: Cell) -> String {
        if !self.is_seen(cell) {
            return "?".into();
        }
        let thing = match (cell == self.player.cell, cell == self.goal) {
            (true, true) => "W",
            (true, false) => ["U", "R", "D", "L"][ordinal(self.player.facing)],
            (false, true) => "G",
            (false, false) => "",
        };
        let word = format!("{thing}{}", self.walls.walls(cell));
        if word.is_empty() { "-".into() } else { word }
    }

    /// Draws the map into a square of `side` pixels whose left edge is at `left`.
    fn draw_map(&self, canvas: &mut Canvas, left: u32, side: u32) {
        let size = self.walls.size() as u32;
        let tile = side / size;
        let inset = (side - tile * size) / 2;
        let murky = self.look == Look::Murky;
        let (paper, wall, hidden): (Rgb, Rgb, Rgb) = if murky {
            ([128, 128, 130], [96, 96, 104], [112, 112, 116])
        } else {
            ([250, 248, 240], [36, 40, 60], [140, 140, 148])
        };
        let corner = |cell: Cell| {
            ((left + inset + cell.col as u32 * tile) as i32, (inset + cell.row as u32 * tile) as i32)
        };
        canvas.fill_rect(left as i32, 0, side, side, hidden);
        let thick = (tile / 9).max(2);
        for cell in self.walls.cells().filter(|c| self.is_seen(*c)) {
            let (x, y) = corner(cell);
            canvas.fill_rect(x, y, tile, tile, paper);
        }
        for cell in self.walls.cells().filter(|c| self.is_seen(*c)) {
            let (x, y) = corner(cell);
            let (end, long) = ((tile - thick) as i32, tile);
            for direction in Direction::ALL.into_iter().filter(|d| !self.walls.is_open(cell, *d)) {
                match direction {
                    Direction::Up => canvas.fill_rect(x, y, long, thick, wall),
                    Direction::Down => canvas.fill_rect(x, y + end, long, thick, wall),
                    Direction::Left => canvas.fill_rect(x, y, thick, long, wall),
                    Direction::Right => canvas.fill_rect(x + end, y, thick, long, wall),
                }
            }
        }
        let unit = tile as f32;
        let middle = |cell: Cell| {
            let (x, y) = corner(cell);
            (x as f32 + unit / 2.0, y as f32 + unit / 2.0)
        };
        if self.is_seen(self.goal) {
            let (x, y) = corner(self.goal);
            let gap = tile / 4;
            canvas.fill_rect(
                x + gap as i32,
                y + gap as i32,
                tile - 2 * gap,
                tile - 2 * gap,
                self.look.tint(PILLAR),
            );
        }
        let (x, y) = middle(self.player.cell);
        let (dy, dx) = self.player.facing.delta();
        let (ux, uy) = (dx as f32 * unit * 0.32, dy as f32 * unit * 0.32);
        let arrow = [
            (x + ux, y + uy),
            (x - ux - uy * 0.8, y - uy + ux * 0.8),
            (x - ux + uy * 0.8, y - uy - ux * 0.8),
        ];
        canvas.fill_polygon(&arrow, self.look.tint([40, 70, 225]));
    }

    fn report(&self, legal: bool) -> Step {
        let success = self.outcome == Some(Outcome::Success);
        let score = if success { self.shortest as f32 / self.turn.max(self.shortest) as f32 } else { 0.0 };
        Step { reward: if success { 1.0 } else { 0.0 }, score, legal, status: self.status() }
    }

    fn tick(&mut self) {
        self.turn += 1;
        self.outcome = if self.player.cell == self.goal {
            Some(Outcome::Success)
        } else {
            (self.turn >= self.max_turns).then_some(Outcome::Truncated)
        };
    }

    fn idle(&self) -> Step {
        Step { reward: 0.0, score: 0.0, legal: false, status: self.status() }
    }
}

/// The goal and a pose to start from, every length of the way up to `most` as likely as any other.
fn place(walls: &Labyrinth, rng: &mut Rng, most: i64) -> (Cell, Pose, u16) {
    let goal = walls.cell(rng.below(walls.size() * walls.size()));
    let distances = distances(walls, goal);
    let farthest = distances.iter().map(|left| i64::from(left.0)).max().unwrap_or(2).min(most);
    let shortest = rng.between(2, farthest) as u16;
    let poses = walls.cells().flat_map(|cell| Direction::ALL.map(|facing| Pose { cell, facing }));
    let starts: Vec<Pose> = poses.filter(|p| distances[slot(walls, *p)].0 == shortest).collect();
    let start = rng.choose(&starts).copied().unwrap_or(Pose { cell: goal, facing: Direction::Up });
    (goal, start, shortest)
}

impl Env for Maze3d {
    type Action = Move;

    fn spec() -> &'static EnvSpec {
        &SPEC
    }

    fn reset(seed: Seed, knobs: &Knobs) -> Result<Self, KnobError> {
        let mut rng = seed.split("maze", 0).rng();
        let walls = Labyrinth::grow(&mut rng, knobs.size("size"), knobs.float("loops"));
        let (goal, player, shortest) = place(&walls, &mut rng, knobs.int("max_moves"));
        let mut state = Self {
            walls,
            goal,
            player,
            map: match knobs.choice("map") {
                "seen" => Map::Seen,
                "off" => Map::Off,
                _ => Map::Full,
            },
            seen: [0; 2],
            paint: seed.split("paint", 0),
            wall_colors: knobs.int("wall_colors").clamp(1, 6) as u8,
            look: Look::named(knobs.choice("theme")),
            lighting: Lighting::named(knobs.choice("lighting")),
            view_px: u32::try_from(knobs.size("view_px")).unwrap_or(112),
            shortest: u32::from(shortest),
            max_turns: (f64::from(shortest) * knobs.float("slack")).floor() as u32,
            turn: 0,
            outcome: None,
        };
        state.look_around();
        Ok(state)
    }

    fn rules(&self) -> String {
        let map = match self.map {
            Map::Full => " The map shows you as an arrow.",
            Map::Seen => " The map shows where you have been.",
            Map::Off => "",
        };
        format!(
            "You are in a maze. Walk to the orange pillar within {} turns; forward and back go one cell, left and right turn you.{map}",
            self.max_turns
        )
    }

    fn render(&self) -> Image {
        let side = self.view_px;
        let view = self.with_scene(|scene, camera| scene.draw(camera, side as usize, side as usize));
        if self.map == Map::Off {
            return view;
        }
        let mut canvas = Canvas::new(2 * side, side, [0; 3]);
        canvas.paste(&view, 0, 0);
        self.draw_map(&mut canvas, side, side);
        canvas.into_image()
    }

    fn parse(&self, answer: &str) -> Result<Move, ParseError> {
        let word = answer.trim();
        let named = |m: &Move| word.len() < 10 && word.eq_ignore_ascii_case(&m.to_string());
        Move::ALL.into_iter().find(named).ok_or_else(|| ParseError::grammar(answer, GRAMMAR))
    }

    fn step(&mut self, action: &Move) -> Step {
        if self.outcome.is_some() {
            return self.idle();
        }
        let next = after(&self.walls, self.player, *action);
        if let Some(next) = next {
            self.player = next;
            self.look_around();
        }
        self.tick();
        self.report(next.is_some())
    }

    fn begin_here(&mut self) {
        let distances = distances(&self.walls, self.goal);
        let shortest = u32::from(distances[slot(&self.walls, self.player)].0);
        self.max_turns = kit::turns_from_here(self.max_turns, self.shortest, shortest);
        (self.shortest, self.turn) = (shortest, 0);
    }

    fn pass(&mut self) -> Step {
        if self.outcome.is_none() {
            self.tick();
        }
        self.idle()
    }

    fn oracle(&self) -> Move {
        let distances = distances(&self.walls, self.goal);
        nearer(&self.walls, &distances, self.player).map_or(Move::Right, |(action, _)| action)
    }

    /// What is beside and ahead, then the way. Without a map the way is spelled out three moves far.
    fn reason(&self, action: &Move) -> String {
        let word = |d: Direction| if self.walls.is_open(self.player.cell, d) { "open" } else { "wall" };
        let [left, ahead, right] = Self::sides(self.player).map(word);
        let mut text = format!("left {left} ahead {ahead} right {right} way");
        let distances = distances(&self.walls, self.goal);
        let mut at = self.player;
        let spelled = if self.map == Map::Full { SPELLED } else { SPELLED_BLIND };
        for _ in 0..spelled {
            let Some((step, next)) = nearer(&self.walls, &distances, at) else { break };
            // Writing to a string cannot fail.
            let _ = write!(text, " {step}");
            at = next;
        }
        if self.map == Map::Full {
            let _ = write!(text, " moves {}", distances[slot(&self.walls, self.player)].0);
        }
        text + " so " + &action.to_string()
    }

    fn perception(&self) -> Perception {
        let mut lines = self.view_lines();
        let words: Vec<String> = self.walls.cells().map(|c| self.map_word(c)).collect();
        if self.map != Map::Off {
            lines.extend(words.chunks(self.walls.size()).map(|row| row.join(" ")));
        }
        let pair = |c: Cell| [c.row, c.col];
        let data = json!({
            "view": self.view_lines(),
            "player": pair(self.player.cell),
            "facing": self.player.facing.word(),
            "goal": pair(self.goal),
            "size": self.walls.size(),
            "walls": self.walls.cells().map(|c| self.walls.walls(c)).collect::<Vec<_>>(),
        });
        Perception { text: lines.join("\n"), data }
    }

    fn legal_actions(&self) -> Vec<Move> {
        if self.outcome.is_some() {
            return Vec::new();
        }
        Move::ALL.into_iter().filter(|m| after(&self.walls, self.player, *m).is_some()).collect()
    }

    fn status(&self) -> Status {
        self.outcome.map_or(Status::Running, Status::Done)
    }
}

#[cfg(test)]
mod tests;
