//! The oracle: A* over positions (player, doors, things), with a lower bound from the same world
//! without obstacles.
//!
//! The bound is the exact cost of the mission when things are not in the way: fields of distances over
//! (cell, heading), chained where the mission has parts (to the key, then to the door, then to the
//! target). It never exceeds the true cost, so the first solution found is a shortest one.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::plan::{Act, DoorState, HANDS, Kind, MAX_DOORS, Mission, Plan, Position, Target, Thing};

/// Positions the exact search may meet.
const EXACT_POSITIONS: usize = 5_000;

/// Positions the weighted search may meet; far above what the sizes on offer need.
const MAX_POSITIONS: usize = 200_000;

/// How much more the weighted search trusts its bound than the way behind it.
const WEIGHT: u16 = 3;

/// The cost of what cannot be done.
const NEVER: u16 = u16::MAX;

/// A cost for every (cell, heading).
type Field = Vec<u16>;

fn pose(position: &Position) -> usize {
    usize::from(position.agent) * 4 + usize::from(position.facing % 4)
}

/// What a bound depends on besides the pose.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Phase {
    doors: [DoorState; MAX_DOORS],
    first: u8,
    second: u8,
    key: u8,
    carried: u8,
}

struct Bounds<'a> {
    plan: &'a Plan,
    /// The door that is locked, and its key.
    lock: Option<(usize, usize)>,
    fields: HashMap<Phase, Field>,
}

impl<'a> Bounds<'a> {
    fn new(plan: &'a Plan, position: &Position) -> Self {
        let locked = (0..plan.doors.len()).find(|d| position.doors[*d] == DoorState::Locked);
        let lock = locked.and_then(|door| {
            let key = Thing { kind: Kind::Key, color: plan.doors[door].color };
            Some((door, plan.things.iter().position(|thing| *thing == key)?))
        });
        Self { plan, lock, fields: HashMap::new() }
    }

    /// A lower bound of the actions that are left.
    fn at(&mut self, position: &Position) -> u16 {
        let place = |i: usize| position.things.get(i).copied().unwrap_or(HANDS);
        let (first, second) = match self.plan.mission {
            Mission::GoTo(Target::Thing(i)) | Mission::PickUp(i) => (place(usize::from(i)), 0),
            Mission::PutNext(a, b) => (place(usize::from(a)), place(usize::from(b))),
            _ => (0, 0),
        };
        let locked = self.lock.filter(|(door, _)| position.doors[*door] == DoorState::Locked);
        let phase = Phase {
            doors: position.doors,
            first,
            second,
            key: locked.map_or(0, |(_, key)| place(key)),
            carried: self.plan.carried(position).map_or(HANDS, |i| i as u8),
        };
        let plan = self.plan;
        let field = self.fields.entry(phase).or_insert_with(|| whole(plan, position, locked));
        field.get(pose(position)).copied().unwrap_or(NEVER)
    }
}

/// The bound for every pose: without unlocking the door, or by way of its key.
fn whole(plan: &Plan, position: &Position, lock: Option<(usize, usize)>) -> Field {
    let carried = plan.carried(position);
    let here = mission(plan, position, None, carried);
    let Some((door, key)) = lock else { return here };
    let way = Unlocking { plan, position, door, key, carried };
    if let Mission::PutNext(first, second) = plan.mission {
        return least(here, &way.with_two(usize::from(first), usize::from(second)));
    }
    least(here, &way.now(&mission(plan, position, Some(door), Some(key))))
}

/// Ways that lead through the locked door.
struct Unlocking<'a> {
    plan: &'a Plan,
    position: &'a Position,
    door: usize,
    key: usize,
    carried: Option<usize>,
}

impl Unlocking<'_> {
    /// To face a cell, and then `cost` of the pose; the locked door is a wall.
    fn to(&self, cell: usize, cost: impl Fn(usize) -> u16) -> Field {
        facing(self.plan, self.position, None, cell, cost)
    }

    /// To the door and to unlock it, `more` actions, and then `rest` of the pose.
    fn to_door(&self, rest: &Field, more: u16) -> Field {
        self.to(usize::from(self.plan.doors[self.door].cell), |p| add(rest[p], 1 + more))
    }

    /// To the key and to take it, `more` actions, and then `rest` of the pose.
    fn to_key(&self, rest: &Field, more: u16) -> Field {
        self.to(usize::from(self.position.things[self.key]), |p| add(rest[p], 1 + more))
    }

    /// Takes the key, for which anything else in the hands has to be dropped, and unlocks the door.
    fn now(&self, rest: &Field) -> Field {
        let at_door = self.to_door(rest, 0);
        if self.carried == Some(self.key) {
            return at_door;
        }
        self.to_key(&at_door, u16::from(self.carried.is_some()))
    }

    /// The same after something else has been moved: the hands are empty, and if the key was in them,
    /// it lies nobody knows where.
    fn later(&self, rest: &Field) -> Field {
        if self.carried == Some(self.key) {
            return self.to_door(rest, 1);
        }
        self.to_key(&self.to_door(rest, 0), 0)
    }

    /// The bound for putting one thing next to another. Either may be moved before the door is open;
    /// where it lies then is not known, only that the other end of the way is where it was.
    fn with_two(&self, first: usize, second: usize) -> Field {
        let (plan, position, carried) = (self.plan, self.position, self.carried);
        let unlocked = Some(self.door);
        let cell = |i: usize| position.things.get(i).filter(|c| **c != HANDS).map(|c| usize::from(*c));
        let (a, b) = (cell(first), cell(second));
        // After unlocking the key is dropped, then the first thing taken, brought and dropped.
        let least_rest: Field = vec![3; plan.cells() * 4];
        let plus = |field: Field, more: u16| -> Field { field.into_iter().map(|c| add(c, more)).collect() };
        let first_moved = match b {
            Some(b) => plus(put_beside(plan, position, unlocked, b), 2),
            None => least_rest.clone(),
        };
        let second_moved = match a {
            Some(a) => plus(facing(plan, position, unlocked, a, |_| 0), 3),
            None => least_rest.clone(),
        };
        let both = self.later(&least_rest);
        // Taking a thing and dropping it; anything in the hands is dropped before that.
        let moving = 2 + u16::from(carried.is_some());
        let by = |cell: Option<usize>, more: u16, rest: &Field| match cell {
            Some(cell) => self.to(cell, |p| add(rest[p], more)),
            None => vec![NEVER; rest.len()],
        };
        if carried == Some(first) {
            return least(self.now(&first_moved), &by(b, moving, &both));
        }
        if carried == Some(second) {
            return least(self.now(&second_moved), &by(a, moving, &both));
        }
        let after_first = least(self.later(&first_moved), &by(b, 2, &both));
        let after_second = least(self.later(&second_moved), &by(a, 2, &both));
        let unmoved = self.now(&mission(plan, position, unlocked, Some(self.key)));
        least(least(unmoved, &by(a, moving, &after_first)), &by(b, moving, &after_second))
    }
}

fn add(cost: u16, more: u16) -> u16 {
    cost.saturating_add(more)
}

fn least(mut a: Field, b: &Field) -> Field {
    a.iter_mut().zip(b).for_each(|(a, b)| *a = (*a).min(*b));
    a
}

/// The bound of the mission itself; the door `unlocked` counts as open, other locked doors as walls.
fn mission(plan: &Plan, position: &Position, unlocked: Option<usize>, carried: Option<usize>) -> Field {
    let to = |cell: usize, cost: &dyn Fn(usize) -> u16| facing(plan, position, unlocked, cell, cost);
    let place = |i: u8| plan.cell_of(position, Target::Thing(i));
    // The hands must be free to take something.
    let empty = u16::from(carried.is_some());
    match plan.mission {
        Mission::GoTo(target) => match plan.cell_of(position, target) {
            Some(cell) => to(cell, &|_| 0),
            // It is carried: it is ahead as soon as it is dropped.
            None => vec![1; plan.cells() * 4],
        },
        Mission::PickUp(thing) => match place(thing) {
            Some(cell) => to(cell, &|_| 1 + empty),
            None => vec![0; plan.cells() * 4],
        },
        Mission::Open(door) => {
            let door = usize::from(door);
            match position.doors[door] {
                _ if unlocked == Some(door) => vec![0; plan.cells() * 4],
                DoorState::Locked => vec![NEVER; plan.cells() * 4],
                _ => to(usize::from(plan.doors[door].cell), &|_| 1),
            }
        }
        Mission::PutNext(thing, other) => match (place(thing), place(other)) {
            (Some(a), Some(b)) => {
                // To the first and with it to the second; or the second is moved before or after.
                let second = to(b, &|_| 0);
                let beside = put_beside(plan, position, unlocked, b);
                let carry = to(a, &|p| add(beside[p].min(add(second[p], 5)), 1 + empty));
                let first = to(a, &|_| 0);
                least(carry, &to(b, &|p| add(first[p], 4 + empty)))
            }
            (None, Some(b)) => {
                let second = to(b, &|_| 5);
                least(put_beside(plan, position, unlocked, b), &second)
            }
            (Some(a), None) => to(a, &|_| 3),
            (None, None) => vec![NEVER; plan.cells() * 4],
        },
    }
}

/// The cost to face a cell beside `cell` that is no wall, and to drop something there.
fn put_beside(plan: &Plan, position: &Position, unlocked: Option<usize>, cell: usize) -> Field {
    let targets: Vec<usize> =
        (0..4).filter_map(|f| plan.beside(cell, f)).filter(|c| !plan.is_wall(*c)).collect();
    field(plan, position, unlocked, |_, ahead| if targets.contains(&ahead) { 1 } else { NEVER })
}

/// The cost to face `cell`, and then `cost` of the pose.
fn facing(
    plan: &Plan,
    position: &Position,
    unlocked: Option<usize>,
    cell: usize,
    cost: impl Fn(usize) -> u16,
) -> Field {
    field(plan, position, unlocked, |pose, ahead| if ahead == cell { cost(pose) } else { NEVER })
}

/// For every pose the least of: actions to another pose, plus what `end` (of that pose and the cell
/// ahead of it) costs there. Things are not in the way; a closed door costs one action more.
fn field(
    plan: &Plan,
    position: &Position,
    unlocked: Option<usize>,
    end: impl Fn(usize, usize) -> u16,
) -> Field {
    let cells = plan.cells();
    // What stepping onto a cell costs.
    let enter: Vec<u16> = (0..cells)
        .map(|cell| match plan.door_at(cell) {
            Some(door) if unlocked == Some(door) => 1,
            Some(door) => match position.doors[door] {
                DoorState::Open => 1,
                DoorState::Closed => 2,
                DoorState::Locked => NEVER,
            },
            None if plan.is_wall(cell) => NEVER,
            None => 1,
        })
        .collect();
    let mut costs = vec![NEVER; cells * 4];
    let mut buckets: Vec<Vec<u16>> = vec![Vec::new(); 64];
    let push = |buckets: &mut Vec<Vec<u16>>, costs: &mut Field, pose: usize, cost: u16| {
        if cost < costs[pose] {
            costs[pose] = cost;
            let bucket = usize::from(cost);
            if bucket >= buckets.len() {
                buckets.resize(bucket + 1, Vec::new());
            }
            buckets[bucket].push(pose as u16);
        }
    };
    for cell in (0..cells).filter(|c| enter[*c] != NEVER) {
        for heading in 0..4 {
            let cost =
                plan.beside(cell, heading).map_or(NEVER, |ahead| end(cell * 4 + usize::from(heading), ahead));
            push(&mut buckets, &mut costs, cell * 4 + usize::from(heading), cost);
        }
    }
    let mut cost = 0;
    while cost < buckets.len() {
        while let Some(at) = buckets[cost].pop() {
            let at = usize::from(at);
            if usize::from(costs[at]) != cost {
                continue;
            }
            let (cell, heading) = (at / 4, at % 4);
            for turn in [(heading + 1) % 4, (heading + 3) % 4] {
                push(&mut buckets, &mut costs, cell * 4 + turn, add(cost as u16, 1));
            }
            // From the cell behind, which is the one beside in the opposite direction.
            let behind = plan.beside(cell, ((heading + 2) % 4) as u8);
            if let Some(behind) = behind.filter(|c| enter[*c] != NEVER) {
                push(&mut buckets, &mut costs, behind * 4 + heading, add(cost as u16, enter[cell]));
            }
        }
        cost += 1;
    }
    costs
}

/// A position on the search's list.
struct Node {
    position: Position,
    parent: usize,
    act: Act,
    cost: u16,
    done: bool,
}

/// A shortest way to fulfil the mission; empty when there is none.
///
/// The search is exact while it stays small; a world that needs more than [`EXACT_POSITIONS`] gets a way
/// found with the bound weighted, which is short but need not be the shortest.
pub(super) fn solve(plan: &Plan, position: &Position) -> Vec<Act> {
    solve_exactly(plan, position)
        .or_else(|| search(plan, position, WEIGHT, MAX_POSITIONS))
        .unwrap_or_default()
}

/// A shortest way, or `None` when the exact search grows too large.
pub(super) fn solve_exactly(plan: &Plan, position: &Position) -> Option<Vec<Act>> {
    search(plan, position, 1, EXACT_POSITIONS)
}

/// A*, or with a `weight` above one weighted A*; `None` when it met more than `limit` positions.
fn search(plan: &Plan, position: &Position, weight: u16, limit: usize) -> Option<Vec<Act>> {
    let estimate = |left: u16, cost: u16| add(left.saturating_mul(weight), cost);
    let mut bounds = Bounds::new(plan, position);
    let root = Node { position: *position, parent: usize::MAX, act: Act::TurnRight, cost: 0, done: false };
    let mut nodes = vec![root];
    let mut best: HashMap<Position, u16> = HashMap::from([(*position, 0)]);
    // The least estimate first; among equals the one that is farther on, then the one met last.
    let mut open = BinaryHeap::from([(Reverse(estimate(bounds.at(position), 0)), 0, 0)]);
    while let Some((_, _, index)) = open.pop() {
        let Node { position, cost, done, .. } = nodes[index];
        if done {
            return Some(way(&nodes, index));
        }
        if best.get(&position).is_some_and(|least| *least < cost) {
            continue;
        }
        if nodes.len() > limit {
            return None;
        }
        for act in Act::ALL {
            let Some(after) = plan.play(&position, act) else { continue };
            let done = plan.is_done(&position, act, &after);
            let known = best.get(&after).copied().unwrap_or(NEVER);
            if !done && known <= cost + 1 {
                continue;
            }
            let left = if done { 0 } else { bounds.at(&after) };
            if left == NEVER {
                continue;
            }
            if !done {
                best.insert(after, cost + 1);
            }
            nodes.push(Node { position: after, parent: index, act, cost: cost + 1, done });
            open.push((Reverse(estimate(left, cost + 1)), cost + 1, nodes.len() - 1));
        }
    }
    Some(Vec::new())
}

fn way(nodes: &[Node], mut index: usize) -> Vec<Act> {
    let mut acts = Vec::new();
    while let Some(node) = nodes.get(index).filter(|node| node.parent != usize::MAX) {
        acts.push(node.act);
        index = node.parent;
    }
    acts.reverse();
    acts
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;

    /// The length of a shortest solution by plain breadth-first search.
    pub(in super::super) fn brute_force(plan: &Plan, position: &Position, limit: usize) -> Option<usize> {
        let mut seen = std::collections::HashSet::from([*position]);
        let mut layer = vec![*position];
        for depth in 1.. {
            let mut next = Vec::new();
            for at in &layer {
                for act in Act::ALL {
                    let Some(after) = plan.play(at, act) else { continue };
                    if plan.is_done(at, act, &after) {
                        return Some(depth);
                    }
                    if seen.insert(after) {
                        next.push(after);
                    }
                }
            }
            if next.is_empty() || seen.len() > limit {
                return None;
            }
            layer = next;
        }
        None
    }

    /// The bound at a position.
    pub(in super::super) fn bound(plan: &Plan, position: &Position) -> usize {
        usize::from(Bounds::new(plan, position).at(position))
    }
}
