//! The rules: what the world is made of and what each action does.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The most doors of a world.
pub(super) const MAX_DOORS: usize = 4;
/// The most things of a world.
pub(super) const MAX_THINGS: usize = 9;
/// The place of a thing that is carried.
pub(super) const HANDS: u8 = u8::MAX;

/// A turn, named as in MiniGrid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// A quarter turn to the left.
    TurnLeft,
    /// A quarter turn to the right.
    TurnRight,
    /// One cell ahead.
    Forward,
    /// Takes the thing ahead.
    Pickup,
    /// Puts what is carried on the cell ahead.
    Drop,
    /// Opens or closes the door ahead.
    Toggle,
}

impl Act {
    /// All six, in MiniGrid's order.
    pub(super) const ALL: [Self; 6] =
        [Self::TurnLeft, Self::TurnRight, Self::Forward, Self::Pickup, Self::Drop, Self::Toggle];

    /// The word in the grammar.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::TurnLeft => "turn_left",
            Self::TurnRight => "turn_right",
            Self::Forward => "forward",
            Self::Pickup => "pickup",
            Self::Drop => "drop",
            Self::Toggle => "toggle",
        }
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// (row, column) step of a heading: 0 up, 1 right, 2 down, 3 left.
pub(super) fn delta(facing: u8) -> (i32, i32) {
    match facing % 4 {
        0 => (-1, 0),
        1 => (0, 1),
        2 => (1, 0),
        _ => (0, -1),
    }
}

/// The heading after a quarter turn.
pub(super) fn turned(facing: u8, act: Act) -> u8 {
    match act {
        Act::TurnLeft => (facing + 3) % 4,
        Act::TurnRight => (facing + 1) % 4,
        _ => facing,
    }
}

/// What can be picked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Ball,
    Key,
    Box,
}

/// A thing; no two are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Thing {
    pub(super) kind: Kind,
    pub(super) color: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum DoorState {
    Open,
    Closed,
    Locked,
}

/// A door in a wall.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Door {
    pub(super) cell: u8,
    pub(super) color: u8,
}

/// A thing or a door, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Target {
    Thing(u8),
    Door(u8),
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Mission {
    /// Stand before it and face it.
    GoTo(Target),
    /// Carry it.
    PickUp(u8),
    /// Toggle it until it is open.
    Open(u8),
    /// Drop the first on a cell beside the second.
    PutNext(u8, u8),
}

/// What stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Plan {
    pub(super) cols: usize,
    pub(super) rows: usize,
    /// Row by row; the cells of doors count as walls here.
    pub(super) walls: Vec<bool>,
    pub(super) doors: Vec<Door>,
    pub(super) things: Vec<Thing>,
    pub(super) mission: Mission,
}

/// What changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Position {
    pub(super) agent: u8,
    /// 0 up, 1 right, 2 down, 3 left.
    pub(super) facing: u8,
    pub(super) doors: [DoorState; MAX_DOORS],
    /// The cell of each thing, or [`HANDS`].
    pub(super) things: [u8; MAX_THINGS],
}

impl Plan {
    pub(super) fn cells(&self) -> usize {
        self.cols * self.rows
    }

    pub(super) fn is_wall(&self, cell: usize) -> bool {
        self.walls.get(cell) != Some(&false)
    }

    pub(super) fn door_at(&self, cell: usize) -> Option<usize> {
        self.doors.iter().position(|door| usize::from(door.cell) == cell)
    }

    pub(super) fn thing_at(&self, position: &Position, cell: usize) -> Option<usize> {
        let places = &position.things[..self.things.len().min(MAX_THINGS)];
        places.iter().position(|place| *place != HANDS && usize::from(*place) == cell)
    }

    /// The thing in the player's hands.
    pub(super) fn carried(&self, position: &Position) -> Option<usize> {
        position.things[..self.things.len().min(MAX_THINGS)].iter().position(|place| *place == HANDS)
    }

    /// The cell next to `cell` in a direction; a heading never leads off the map from an inner cell,
    /// and from a door in the outer wall it stays within it.
    pub(super) fn beside(&self, cell: usize, facing: u8) -> Option<usize> {
        let (dr, dc) = delta(facing);
        let row = (cell / self.cols).checked_add_signed(dr as isize).filter(|r| *r < self.rows)?;
        let col = (cell % self.cols).checked_add_signed(dc as isize).filter(|c| *c < self.cols)?;
        Some(row * self.cols + col)
    }

    /// True for cells that share a side.
    pub(super) fn are_beside(&self, a: usize, b: usize) -> bool {
        (0..4).any(|facing| self.beside(a, facing) == Some(b))
    }

    /// Where a thing or a door is; `None` while it is carried.
    pub(super) fn cell_of(&self, position: &Position, target: Target) -> Option<usize> {
        match target {
            Target::Thing(i) => {
                position.things.get(usize::from(i)).filter(|c| **c != HANDS).map(|c| usize::from(*c))
            }
            Target::Door(i) => self.doors.get(usize::from(i)).map(|door| usize::from(door.cell)),
        }
    }

    /// The position after an action; `None` where the rules refuse it.
    pub(super) fn play(&self, position: &Position, act: Act) -> Option<Position> {
        if matches!(act, Act::TurnLeft | Act::TurnRight) {
            return Some(Position { facing: turned(position.facing, act), ..*position });
        }
        let ahead = self.beside(usize::from(position.agent), position.facing)?;
        let door = self.door_at(ahead);
        let thing = self.thing_at(position, ahead);
        let mut after = *position;
        match act {
            Act::Forward => {
                let passable = match door {
                    Some(door) => position.doors[door] == DoorState::Open,
                    None => !self.is_wall(ahead),
                };
                if !passable || thing.is_some() {
                    return None;
                }
                after.agent = ahead as u8;
            }
            Act::Pickup => {
                if self.carried(position).is_some() {
                    return None;
                }
                after.things[thing?] = HANDS;
            }
            Act::Drop => {
                let carried = self.carried(position)?;
                if thing.is_some() || door.is_some() || self.is_wall(ahead) {
                    return None;
                }
                after.things[carried] = ahead as u8;
            }
            _ => {
                let door = door?;
                after.doors[door] = match position.doors[door] {
                    DoorState::Open => DoorState::Closed,
                    DoorState::Closed => DoorState::Open,
                    DoorState::Locked => {
                        let key = Thing { kind: Kind::Key, color: self.doors[door].color };
                        let fits = self.carried(position).is_some_and(|i| self.things[i] == key);
                        return fits.then(|| {
                            after.doors[door] = DoorState::Open;
                            after
                        });
                    }
                };
            }
        }
        Some(after)
    }

    /// Whether the action that led from `before` to `after` did what the mission asks for.
    pub(super) fn is_done(&self, before: &Position, act: Act, after: &Position) -> bool {
        match self.mission {
            Mission::GoTo(_) | Mission::PickUp(_) | Mission::Open(_) => self.is_met(after),
            Mission::PutNext(thing, other) => {
                let cell = |i: u8| self.cell_of(after, Target::Thing(i));
                act == Act::Drop
                    && self.carried(before) == Some(usize::from(thing))
                    && cell(thing).zip(cell(other)).is_some_and(|(a, b)| self.are_beside(a, b))
            }
        }
    }

    /// Whether a mission that is about a position, not an action, is fulfilled.
    pub(super) fn is_met(&self, position: &Position) -> bool {
        match self.mission {
            Mission::GoTo(target) => {
                let ahead = self.beside(usize::from(position.agent), position.facing);
                ahead.is_some() && ahead == self.cell_of(position, target)
            }
            Mission::PickUp(thing) => self.carried(position) == Some(usize::from(thing)),
            Mission::Open(door) => position.doors.get(usize::from(door)) == Some(&DoorState::Open),
            Mission::PutNext(..) => false,
        }
    }

    /// The cells that can be walked to. `unlock`: through locked doors too. Things do not count.
    pub(super) fn region(&self, position: &Position, unlock: bool) -> Vec<bool> {
        self.flood(usize::from(position.agent), |cell| match self.door_at(cell) {
            Some(door) => unlock || position.doors[door] != DoorState::Locked,
            None => !self.is_wall(cell),
        })
    }

    fn flood(&self, from: usize, passable: impl Fn(usize) -> bool) -> Vec<bool> {
        let mut reached = vec![false; self.cells()];
        let mut queue = vec![from];
        reached[from] = true;
        while let Some(cell) = queue.pop() {
            for next in (0..4).filter_map(|facing| self.beside(cell, facing)) {
                if !reached[next] && passable(next) {
                    reached[next] = true;
                    queue.push(next);
                }
            }
        }
        reached
    }

    /// Whether the player could walk to every free cell and up to every thing without moving one.
    pub(super) fn is_roomy(&self, position: &Position) -> bool {
        let free = |cell: usize| self.thing_at(position, cell).is_none() && !self.is_wall(cell);
        let reached =
            self.flood(usize::from(position.agent), |cell| self.door_at(cell).is_some() || free(cell));
        let near =
            |cell: usize| (0..4).filter_map(|f| self.beside(cell, f)).any(|c| reached[c] && !self.is_wall(c));
        (0..self.cells()).filter(|c| !self.is_wall(*c)).all(|c| if free(c) { reached[c] } else { near(c) })
    }

    pub(super) fn check(&self) -> Result<(), String> {
        let (cols, rows) = (self.cols, self.rows);
        if !(5..=13).contains(&cols) || !(5..=13).contains(&rows) || self.walls.len() != cols * rows {
            return Err(format!("{} cells are not {rows} x {cols}", self.walls.len()));
        }
        let edge = |c: usize| {
            c / cols == 0 || c / cols == rows - 1 || c.is_multiple_of(cols) || c % cols == cols - 1
        };
        if (0..cols * rows).any(|cell| edge(cell) && !self.walls[cell]) {
            return Err("the outer wall has a hole".into());
        }
        let doors = self.doors.len() <= MAX_DOORS
            && self.doors.iter().all(|d| self.walls.get(usize::from(d.cell)) == Some(&true) && d.color < 6);
        if !doors || self.things.len() > MAX_THINGS || self.things.iter().any(|t| t.color > 5) {
            return Err("a door outside a wall, too many doors or things, or an unknown colour".into());
        }
        let thing = |i: u8| usize::from(i) < self.things.len();
        let door = |i: u8| usize::from(i) < self.doors.len();
        let known = match self.mission {
            Mission::GoTo(Target::Thing(i)) | Mission::PickUp(i) => thing(i),
            Mission::GoTo(Target::Door(i)) | Mission::Open(i) => door(i),
            Mission::PutNext(a, b) => thing(a) && thing(b) && a != b,
        };
        if known { Ok(()) } else { Err("the mission is about nothing that is there".into()) }
    }

    pub(super) fn check_position(&self, position: &Position) -> Result<(), String> {
        let agent = usize::from(position.agent);
        let stands = !self.is_wall(agent) && self.thing_at(position, agent).is_none()
            || self.door_at(agent).is_some_and(|door| position.doors[door] == DoorState::Open);
        if !stands || position.facing > 3 {
            return Err(format!("the player stands on cell {agent} with heading {}", position.facing));
        }
        let places = &position.things[..self.things.len()];
        let carried = places.iter().filter(|place| **place == HANDS).count();
        let lies = |place: &u8| *place == HANDS || !self.is_wall(usize::from(*place));
        let twice = places.iter().enumerate().any(|(i, p)| *p != HANDS && places[..i].contains(p));
        if carried > 1 || twice || !places.iter().all(lies) {
            return Err("a thing lies in a wall or on another, or two are carried".into());
        }
        Ok(())
    }
}
