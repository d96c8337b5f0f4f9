//! Rooms seen from inside: walk to the red box in small steps and turns.

use std::fmt::{self, Write as _};

use eyas_core::{Image, Outcome, Rng, Seed};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::raycast::{Camera, Cuboid, Lighting, Look, Scene};
use crate::draw::Rgb;
use crate::envs::checked::checked_serde;
use crate::{Axis, Env, EnvGroup, EnvSpec, KnobError, KnobSpec, Knobs, ParseError, Perception, Status, Step};

const GRAMMAR: &str = "forward | left | right";

const SPEC: EnvSpec = EnvSpec {
    id: "rooms-3d",
    group: EnvGroup::Navigation,
    title: "Rooms from inside",
    summary: "Rooms seen from inside: walk up to the red box in small steps and turns.",
    knobs: KNOBS,
    grammar: GRAMMAR,
    invalid_reward: 0.0,
    oracle: "exact (knows the rooms)",
    score: "success (1 at the red box, 0 otherwise)",
    pixel_answers: false,
    players: 1,
    source: "MiniWorld; VL-DAC",
};

const KNOBS: &[KnobSpec] = &[
    KnobSpec::choice(
        "layout",
        Axis::Reasoning,
        Layout::NAMES,
        "one-room",
        "the rooms: a hallway, one room, two rooms with a gap in the wall, a T of corridors, four rooms",
    )
    .dialled(0.0, 4.0),
    KnobSpec::int("size", Axis::Horizon, 4, 10, 4, "cells along each side; a step is half a cell")
        .dialled(4.0, 8.0),
    KnobSpec::choice("headings", Axis::Horizon, &["8", "16"], "8", "directions to look into")
        .dialled(0.0, 1.0),
    KnobSpec::int("max_moves", Axis::Horizon, 2, 80, 10, "most turns of the shortest way").dialled(6.0, 60.0),
    KnobSpec::float("slack", Axis::Horizon, 1.0, 5.0, 2.0, "turns allowed for each turn of the shortest way"),
    KnobSpec::int(
        "distractors",
        Axis::Perception,
        0,
        5,
        1,
        "boxes of other colours; they are in the way and lead nowhere",
    )
    .dialled(0.0, 4.0),
    KnobSpec::choice(
        "distractor_colors",
        Axis::Perception,
        &["distinct", "similar"],
        "distinct",
        "colours of the other boxes: far from red, or near to it",
    ),
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
    )
    .dialled(0.0, 1.0),
    KnobSpec::int("view_px", Axis::Perception, 56, 448, 112, "pixels along each side of the view"),
];

/// Places along a cell: positions are counted in quarters of a cell.
const QUARTERS: i32 = 4;

/// A step from each of the sixteen headings, clockwise from the right (y runs downwards), in quarters.
/// Headings point exactly along their steps; with 8 headings every second one is used.
const STEPS: [(i32, i32); 16] = [
    (2, 0),
    (2, 1),
    (2, 2),
    (1, 2),
    (0, 2),
    (-1, 2),
    (-2, 2),
    (-2, 1),
    (-2, 0),
    (-2, -1),
    (-2, -2),
    (-1, -2),
    (0, -2),
    (1, -2),
    (2, -2),
    (2, -1),
];

/// The box is reached at this distance or nearer (squared, in quarters): 0.7 cells. Boxes stand in the
/// middle of cells, so no place behind a wall is that near.
const REACH: i32 = 8;

/// Half the width of what is seen at distance 1: a view of 77 degrees.
const SPREAD: f32 = 0.8;

/// How many columns the perception text tells apart.
const COLUMNS: usize = 8;

/// Moves of the way that a reason spells out.
const SPELLED: usize = 12;

/// How often other boxes are placed anew when they block the way.
const TRIES: usize = 12;

const UNREACHED: u16 = u16::MAX;

const GOAL: (&str, Rgb) = ("Red", [226, 24, 24]);
const DISTINCT: [(&str, Rgb); 5] = [
    ("Blue", [30, 60, 230]),
    ("Green", [20, 170, 50]),
    ("Yellow", [246, 212, 20]),
    ("White", [240, 240, 240]),
    ("Black", [26, 26, 30]),
];
const SIMILAR: [(&str, Rgb); 5] = [
    ("Orange", [236, 110, 24]),
    ("Pink", [240, 120, 160]),
    ("Brown", [130, 62, 30]),
    ("Purple", [170, 30, 120]),
    ("Maroon", [112, 12, 24]),
];

/// A turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Walk {
    /// A step of about half a cell.
    Forward,
    /// One heading to the left.
    Left,
    /// One heading to the right.
    Right,
}

impl Walk {
    const ALL: [Self; 3] = [Self::Forward, Self::Left, Self::Right];
}

impl fmt::Display for Walk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Forward => "forward",
            Self::Left => "left",
            Self::Right => "right",
        })
    }
}

/// Which rooms there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    Hallway,
    OneRoom,
    WallGap,
    TMaze,
    FourRooms,
}

impl Layout {
    const NAMES: &'static [&'static str] = &["hallway", "one-room", "wall-gap", "t-maze", "four-rooms"];

    fn named(name: &str) -> Self {
        match name {
            "hallway" => Self::Hallway,
            "wall-gap" => Self::WallGap,
            "t-maze" => Self::TMaze,
            "four-rooms" => Self::FourRooms,
            _ => Self::OneRoom,
        }
    }

    /// The rooms, and the cells in which the red box may stand.
    fn build(self, size: usize, rng: &mut Rng) -> (Rooms, Vec<(usize, usize)>) {
        let all = |rooms: &Rooms| -> Vec<(usize, usize)> {
            (0..rooms.rows).flat_map(|row| (0..rooms.cols).map(move |col| (row, col))).collect()
        };
        match self {
            Self::Hallway => {
                let rooms = Rooms::hall(2, size + 2);
                let ends = vec![(0, size), (1, size), (0, size + 1), (1, size + 1)];
                (rooms, ends)
            }
            Self::OneRoom => {
                let rooms = Rooms::hall(size, size);
                let cells = all(&rooms);
                (rooms, cells)
            }
            Self::WallGap => {
                let middle = size.div_ceil(2);
                let mut rooms = Rooms::hall(size, 2 * middle);
                (0..size).for_each(|row| rooms.set_left(row, middle, 1));
                rooms.set_left(rng.below(size), middle, 0);
                let cells = all(&rooms);
                (rooms, cells)
            }
            Self::TMaze => {
                let cols = size + 2 + size % 2;
                let mut rooms = Rooms::hall(size, cols);
                let stem = [cols / 2 - 1, cols / 2];
                for row in 2..size {
                    rooms.set_left(row, stem[0], 1);
                    rooms.set_left(row, stem[1] + 1, 1);
                }
                for col in (0..cols).filter(|col| !stem.contains(col)) {
                    rooms.set_above(2, col, 1);
                }
                (rooms, vec![(0, 0), (1, 0), (0, cols - 1), (1, cols - 1)])
            }
            Self::FourRooms => {
                let half = size.div_ceil(2);
                let mut rooms = Rooms::hall(2 * half, 2 * half);
                for at in 0..2 * half {
                    rooms.set_left(at, half, 1);
                    rooms.set_above(half, at, 1);
                }
                for room in [0, half] {
                    rooms.set_left(room + rng.below(half), half, 0);
                    rooms.set_above(half, room + rng.below(half), 0);
                }
                let cells = all(&rooms);
                (rooms, cells)
            }
        }
    }
}

/// A grid of cells with walls between some of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Rooms {
    rows: usize,
    cols: usize,
    /// The walls above each cell and below the last row: 0 for none, else 1.
    above: Vec<u8>,
    /// The walls at the left of each cell and at the right of the last.
    left: Vec<u8>,
}

impl Rooms {
    /// One room.
    fn hall(rows: usize, cols: usize) -> Self {
        let mut rooms =
            Self { rows, cols, above: vec![0; (rows + 1) * cols], left: vec![0; rows * (cols + 1)] };
        for col in 0..cols {
            rooms.set_above(0, col, 1);
            rooms.set_above(rows, col, 1);
        }
        for row in 0..rows {
            rooms.set_left(row, 0, 1);
            rooms.set_left(row, cols, 1);
        }
        rooms
    }

    fn set_above(&mut self, row: usize, col: usize, wall: u8) {
        if let Some(edge) = self.above.get_mut(row * self.cols + col) {
            *edge = wall;
        }
    }

    fn set_left(&mut self, row: usize, col: usize, wall: u8) {
        if let Some(edge) = self.left.get_mut(row * (self.cols + 1) + col) {
            *edge = wall;
        }
    }

    /// Whether a wall stands above the cell; outside there is nothing but wall.
    fn wall_above(&self, row: i32, col: i32) -> bool {
        let inside = (0..=self.rows as i32).contains(&row) && (0..self.cols as i32).contains(&col);
        !inside || self.above.get(row as usize * self.cols + col as usize) != Some(&0)
    }

    fn wall_left(&self, row: i32, col: i32) -> bool {
        let inside = (0..self.rows as i32).contains(&row) && (0..=self.cols as i32).contains(&col);
        !inside || self.left.get(row as usize * (self.cols + 1) + col as usize) != Some(&0)
    }

    /// Whether the point (`x`, `y`), in units of `1 / per` cells, is in no wall.
    fn is_clear(&self, x: i32, y: i32, per: i32) -> bool {
        let (col, row) = (x.div_euclid(per), y.div_euclid(per));
        let (on_column, on_row) = (x.rem_euclid(per) == 0, y.rem_euclid(per) == 0);
        match (on_column, on_row) {
            (false, false) => (0..self.rows as i32).contains(&row) && (0..self.cols as i32).contains(&col),
            (true, false) => !self.wall_left(row, col),
            (false, true) => !self.wall_above(row, col),
            (true, true) => {
                !(self.wall_left(row, col)
                    || self.wall_left(row - 1, col)
                    || self.wall_above(row, col)
                    || self.wall_above(row, col - 1))
            }
        }
    }
}

/// A place in quarters of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Spot {
    x: i32,
    y: i32,
}

impl Spot {
    /// The middle of a cell.
    fn middle((row, col): (usize, usize)) -> Self {
        Self { x: col as i32 * QUARTERS + QUARTERS / 2, y: row as i32 * QUARTERS + QUARTERS / 2 }
    }

    /// The square of the distance.
    fn apart(self, other: Self) -> i32 {
        (self.x - other.x).pow(2) + (self.y - other.y).pow(2)
    }
}

/// Where the player is and looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Pose {
    at: Spot,
    /// An index of [`STEPS`].
    heading: u8,
}

/// A box of another colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Prop {
    at: Spot,
    /// An index of the colours.
    color: u8,
}

/// What does not move.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct World {
    rooms: Rooms,
    goal: Spot,
    props: Vec<Prop>,
    /// Headings to a turn: 2 with eight headings, 1 with sixteen.
    turn_by: u8,
}

impl World {
    /// Whether a box stands within `near` of the point (`x`, `y`), both in units of `1 / per` cells.
    fn is_blocked(&self, x: i32, y: i32, near: i32, per: i32) -> bool {
        let scale = per / QUARTERS;
        let by = |spot: Spot| (x - spot.x * scale).abs().max((y - spot.y * scale).abs()) < near;
        by(self.goal) || self.props.iter().any(|prop| by(prop.at))
    }

    /// Whether the player can stand here: in no wall, and half a cell from the middle of any box.
    fn is_free(&self, Spot { x, y }: Spot) -> bool {
        self.rooms.is_clear(x, y, QUARTERS) && !self.is_blocked(x, y, 2, QUARTERS)
    }

    /// Whether nothing is in the way of a step. Places are a quarter of a cell from walls and a step is
    /// two quarters in either direction, so a wall between both ends goes through the middle.
    fn can_step(&self, from: Spot, (dx, dy): (i32, i32)) -> bool {
        let (x, y) = (2 * from.x + dx, 2 * from.y + dy);
        self.is_free(Spot { x: from.x + dx, y: from.y + dy })
            && self.rooms.is_clear(x, y, 2 * QUARTERS)
            && !self.is_blocked(x, y, 3, 2 * QUARTERS)
    }

    fn after(&self, pose: Pose, action: Walk) -> Option<Pose> {
        let turned = |by: u8| Pose { heading: (pose.heading + by) % 16, ..pose };
        match action {
            Walk::Left => Some(turned(16 - self.turn_by)),
            Walk::Right => Some(turned(self.turn_by)),
            Walk::Forward => {
                let step = STEPS[usize::from(pose.heading % 16)];
                let at = Spot { x: pose.at.x + step.0, y: pose.at.y + step.1 };
                self.can_step(pose.at, step).then_some(Pose { at, ..pose })
            }
        }
    }

    fn is_reached(&self, at: Spot) -> bool {
        at.apart(self.goal) <= REACH
    }

    fn columns(&self) -> usize {
        self.rooms.cols * QUARTERS as usize + 1
    }

    fn places(&self) -> usize {
        self.columns() * (self.rooms.rows * QUARTERS as usize + 1)
    }

    fn slot(&self, pose: Pose) -> usize {
        (pose.at.y.max(0) as usize * self.columns() + pose.at.x.max(0) as usize) * 16
            + usize::from(pose.heading)
    }

    fn spot(&self, place: usize) -> Spot {
        Spot { x: (place % self.columns()) as i32, y: (place / self.columns()) as i32 }
    }

    /// Turns to the box from every pose, breadth first from the places where it is reached. A step
    /// back is a step ahead the other way round, so walls stop both or neither.
    fn distances(&self) -> Vec<u16> {
        let free: Vec<bool> = (0..self.places()).map(|place| self.is_free(self.spot(place))).collect();
        let is_free = |at: Spot| {
            at.x >= 0
                && (at.x as usize) < self.columns()
                && at.y >= 0
                && free.get(at.y as usize * self.columns() + at.x as usize) == Some(&true)
        };
        let mut found = vec![UNREACHED; self.places() * 16];
        let headings = (0..16).step_by(usize::from(self.turn_by.max(1)));
        let mut queue: Vec<Pose> = Vec::new();
        let ends = (0..self.places()).filter(|p| free[*p]).map(|p| self.spot(p));
        for at in ends.filter(|at| self.is_reached(*at)) {
            queue.extend(headings.clone().map(|heading| Pose { at, heading: heading as u8 }));
        }
        queue.iter().for_each(|pose| found[self.slot(*pose)] = 0);
        let mut head = 0;
        while let Some(pose) = queue.get(head).copied() {
            head += 1;
            let further = found[self.slot(pose)] + 1;
            let (dx, dy) = STEPS[usize::from(pose.heading % 16)];
            let behind = Pose { at: Spot { x: pose.at.x - dx, y: pose.at.y - dy }, ..pose };
            let came = (is_free(behind.at) && self.can_step(behind.at, (dx, dy))).then_some(behind);
            let turns = [Walk::Left, Walk::Right].map(|turn| self.after(pose, turn));
            for earlier in turns.into_iter().chain([came]).flatten() {
                let slot = self.slot(earlier);
                if found[slot] == UNREACHED {
                    found[slot] = further;
                    queue.push(earlier);
                }
            }
        }
        found
    }

    /// The first of forward, left, right that leads nearer to the box.
    fn nearer(&self, distances: &[u16], pose: Pose) -> Option<(Walk, Pose)> {
        let here = *distances.get(self.slot(pose))?;
        let mut ways = Walk::ALL.into_iter().filter_map(|walk| Some((walk, self.after(pose, walk)?)));
        ways.find(|(_, next)| distances.get(self.slot(*next)).is_some_and(|there| *there < here))
    }
}

/// The state of a walk through rooms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Rooms3d {
    world: World,
    player: Pose,
    /// The colour of the walls.
    paint: u8,
    similar: bool,
    look: Look,
    lighting: Lighting,
    view_px: u32,
    max_turns: u32,
    turn: u32,
    outcome: Option<Outcome>,
}

checked_serde!(Rooms3d);

impl Rooms3d {
    fn check(&self) -> Result<(), String> {
        let Rooms { rows, cols, above, left } = &self.world.rooms;
        if !(2..=12).contains(rows) || !(2..=12).contains(cols) {
            return Err(format!("{rows} x {cols} cells are no rooms"));
        }
        if above.len() != (rows + 1) * cols || left.len() != rows * (cols + 1) {
            return Err("the walls do not fit the cells".into());
        }
        let open = (0..*cols).any(|col| above[col] == 0 || above[rows * cols + col] == 0)
            || (0..*rows).any(|row| left[row * (cols + 1)] == 0 || left[row * (cols + 1) + cols] == 0);
        if open || above.iter().chain(left).any(|wall| *wall > 1) {
            return Err("the outer wall has a hole, or a wall has no colour".into());
        }
        let turn_by = self.world.turn_by;
        let heading = self.player.heading;
        if !(1..=2).contains(&turn_by) || heading > 15 || !heading.is_multiple_of(turn_by) {
            return Err(format!("heading {heading} with turns by {turn_by}"));
        }
        let inside = |spot: &Spot| {
            (1..*cols as i32 * QUARTERS).contains(&spot.x) && (1..*rows as i32 * QUARTERS).contains(&spot.y)
        };
        let spots = [self.world.goal, self.player.at];
        if !spots.iter().chain(self.world.props.iter().map(|p| &p.at)).all(inside) {
            return Err("something stands outside the rooms".into());
        }
        if self.world.props.len() > 5 || self.world.props.iter().any(|p| p.color > 4) {
            return Err("too many boxes, or one of no colour".into());
        }
        if !self.world.is_free(self.player.at) {
            return Err("the player stands in a wall or a box".into());
        }
        if self.paint > 5 || !(56..=448).contains(&self.view_px) {
            return Err("paint or view_px is out of range".into());
        }
        if self.max_turns > 1000 || self.turn > self.max_turns {
            return Err("max_turns or turn is out of range".into());
        }
        Ok(())
    }

    fn prop_color(&self, prop: &Prop) -> (&'static str, Rgb) {
        let colors = if self.similar { SIMILAR } else { DISTINCT };
        colors[usize::from(prop.color) % colors.len()]
    }

    /// The boxes with their names, the red one first.
    fn boxes(&self) -> Vec<(&'static str, Spot, Rgb)> {
        let goal = (GOAL.0, self.world.goal, GOAL.1);
        let props = self.world.props.iter().map(|prop| {
            let (name, color) = self.prop_color(prop);
            (name, prop.at, color)
        });
        [goal].into_iter().chain(props).collect()
    }

    fn with_scene<T>(&self, use_scene: impl FnOnce(&Scene<'_>, &Camera) -> T) -> T {
        let cells = |quarters: i32| quarters as f32 / QUARTERS as f32;
        let cuboid = |(_, at, color): (&str, Spot, Rgb)| Cuboid {
            x: cells(at.x),
            y: cells(at.y),
            half: 0.25,
            height: 0.42,
            color: self.look.tint(color),
        };
        let boxes: Vec<Cuboid> = self.boxes().into_iter().map(cuboid).collect();
        let paints = self.look.paints();
        let scene = Scene {
            cols: self.world.rooms.cols,
            rows: self.world.rooms.rows,
            above: &self.world.rooms.above,
            left: &self.world.rooms.left,
            paints: &paints[usize::from(self.paint) % paints.len()..],
            pattern: self.look.pattern(),
            boxes: &boxes,
            floor: self.look.floor(),
            ceiling: self.look.ceiling(),
            lighting: self.lighting,
        };
        let (dx, dy) = STEPS[usize::from(self.player.heading % 16)];
        let (dx, dy) = (dx as f32, dy as f32);
        let length = (dx * dx + dy * dy).sqrt();
        let camera = Camera {
            x: cells(self.player.at.x),
            y: cells(self.player.at.y),
            ahead: (dx / length, dy / length),
            spread: SPREAD,
        };
        use_scene(&scene, &camera)
    }

    /// How many steps can be taken straight ahead, at most nine.
    fn room_ahead(&self) -> usize {
        let mut pose = self.player;
        let mut steps = 0;
        while let Some(next) = self.world.after(pose, Walk::Forward).filter(|_| steps < 9) {
            pose = next;
            steps += 1;
        }
        steps
    }

    /// For every box in view, by its order: the column of its middle and its distance in half cells.
    fn sightings(&self) -> Vec<Option<(usize, usize)>> {
        let columns = self.with_scene(|scene, camera| scene.columns_of_boxes(camera, COLUMNS));
        let far = |spot: Spot| ((spot.apart(self.player.at) as f32).sqrt() / 2.0).round() as usize;
        let boxes = self.boxes();
        columns.into_iter().zip(boxes).map(|(column, (_, at, _))| Some((column?, far(at)))).collect()
    }

    fn tick(&mut self) {
        self.turn += 1;
        self.outcome = if self.world.is_reached(self.player.at) {
            Some(Outcome::Success)
        } else {
            (self.turn >= self.max_turns).then_some(Outcome::Truncated)
        };
    }

    fn report(&self, legal: bool, paid: bool) -> Step {
        let reward = if paid && self.outcome == Some(Outcome::Success) { 1.0 } else { 0.0 };
        Step { reward, score: reward, legal, status: self.status() }
    }
}

/// Puts boxes of other colours into the rooms, none where it cuts off part of them.
fn furnish(world: &mut World, count: usize, rng: &mut Rng) {
    let reachable = |world: &World| world.distances().iter().filter(|d| **d != UNREACHED).count();
    let empty = reachable(world);
    let mut colors = [0, 1, 2, 3, 4];
    rng.shuffle(&mut colors);
    for color in colors.into_iter().take(count) {
        for _ in 0..TRIES {
            let cell = (rng.below(world.rooms.rows), rng.below(world.rooms.cols));
            let at = Spot::middle(cell);
            if at.apart(world.goal) < 25 || world.props.iter().any(|p| p.at.apart(at) < 25) {
                continue;
            }
            world.props.push(Prop { at, color });
            // A box takes about a cell of floor; losing much more means that it blocks the way.
            let cell_poses = 36 * 16 / usize::from(world.turn_by).pow(2);
            if reachable(world) + cell_poses >= empty * (10 - world.props.len()) / 10 {
                break;
            }
            world.props.pop();
        }
    }
}

impl Env for Rooms3d {
    type Action = Walk;

    fn spec() -> &'static EnvSpec {
        &SPEC
    }

    fn reset(seed: Seed, knobs: &Knobs) -> Result<Self, KnobError> {
        let mut rng = seed.split("rooms", 0).rng();
        let (rooms, ends) = Layout::named(knobs.choice("layout")).build(knobs.size("size"), &mut rng);
        let goal = Spot::middle(rng.choose(&ends).copied().unwrap_or((0, 0)));
        let turn_by = if knobs.choice("headings") == "16" { 1 } else { 2 };
        let mut world = World { rooms, goal, props: Vec::new(), turn_by };
        furnish(&mut world, knobs.size("distractors"), &mut seed.split("boxes", 0).rng());
        let distances = world.distances();
        let known = |d: &u16| *d != UNREACHED && i64::from(*d) <= knobs.int("max_moves");
        let farthest = distances.iter().copied().filter(known).max().unwrap_or(2);
        let shortest = rng.between(2, i64::from(farthest)) as u16;
        let slots: Vec<usize> = (0..distances.len()).filter(|slot| distances[*slot] == shortest).collect();
        let slot = rng.choose(&slots).copied().unwrap_or(0);
        let player = Pose { at: world.spot(slot / 16), heading: (slot % 16) as u8 };
        Ok(Self {
            world,
            player,
            paint: rng.below(6) as u8,
            similar: knobs.choice("distractor_colors") == "similar",
            look: Look::named(knobs.choice("theme")),
            lighting: Lighting::named(knobs.choice("lighting")),
            view_px: u32::try_from(knobs.size("view_px")).unwrap_or(112),
            max_turns: (f64::from(shortest) * knobs.float("slack")).floor() as u32,
            turn: 0,
            outcome: None,
        })
    }

    fn rules(&self) -> String {
        let angle = if self.world.turn_by == 2 { "45" } else { "about 22" };
        format!(
            "Walk up to the red box within {} turns. Forward goes half a cell, left and right turn you by {angle} degrees; walls and boxes stop you.",
            self.max_turns
        )
    }

    fn render(&self) -> Image {
        let side = self.view_px as usize;
        self.with_scene(|scene, camera| scene.draw(camera, side, side))
    }

    fn parse(&self, answer: &str) -> Result<Walk, ParseError> {
        let word = answer.trim();
        let named = |walk: &Walk| word.len() < 10 && word.eq_ignore_ascii_case(&walk.to_string());
        Walk::ALL.into_iter().find(named).ok_or_else(|| ParseError::grammar(answer, GRAMMAR))
    }

    fn step(&mut self, action: &Walk) -> Step {
        if self.outcome.is_some() {
            return self.report(false, false);
        }
        let next = self.world.after(self.player, *action);
        self.player = next.unwrap_or(self.player);
        self.tick();
        self.report(next.is_some(), true)
    }

    fn pass(&mut self) -> Step {
        if self.outcome.is_none() {
            self.tick();
        }
        self.report(false, false)
    }

    fn oracle(&self) -> Walk {
        let distances = self.world.distances();
        self.world.nearer(&distances, self.player).map_or(Walk::Right, |(walk, _)| walk)
    }

    fn reason(&self, action: &Walk) -> String {
        let seen = match self.sightings().first().copied().flatten() {
            Some((column, far)) => format!("red column {column} of {COLUMNS} far {far}"),
            None => "red hidden".to_string(),
        };
        let mut text = format!("{seen} ahead {} way", self.room_ahead());
        let distances = self.world.distances();
        let mut pose = self.player;
        for _ in 0..SPELLED {
            let Some((walk, next)) = self.world.nearer(&distances, pose) else { break };
            // Writing to a string cannot fail.
            let _ = write!(text, " {walk}");
            pose = next;
        }
        format!("{text} so {action}")
    }

    /// The steps that can be taken ahead; then the boxes in view from left to right, each with the
    /// eighth of the picture in which its middle is and its distance in half cells.
    fn perception(&self) -> Perception {
        let boxes = self.boxes();
        let seen = self.sightings();
        let mut lines: Vec<(usize, String)> = boxes
            .iter()
            .zip(&seen)
            .filter_map(|((name, _, _), seen)| {
                let (column, far) = (*seen)?;
                Some((column, format!("{name} {column} {far}")))
            })
            .collect();
        lines.sort();
        let mut text = format!("ahead {}", self.room_ahead());
        for (_, line) in &lines {
            text += "\n";
            text += line;
        }
        if seen.first().copied().flatten().is_none() {
            text += "\nRed hidden";
        }
        let pair = |at: Spot| [at.x, at.y];
        let data = json!({
            "player": pair(self.player.at),
            "heading": self.player.heading,
            "boxes": boxes.iter().map(|(name, at, _)| json!({"name": name, "at": pair(*at)})).collect::<Vec<_>>(),
            "seen": lines.iter().map(|(_, line)| line).collect::<Vec<_>>(),
        });
        Perception { text, data }
    }

    fn legal_actions(&self) -> Vec<Walk> {
        if self.outcome.is_some() {
            return Vec::new();
        }
        Walk::ALL.into_iter().filter(|walk| self.world.after(self.player, *walk).is_some()).collect()
    }

    fn status(&self) -> Status {
        self.outcome.map_or(Status::Running, Status::Done)
    }
}

#[cfg(test)]
mod tests;
