//! Figures of squares and cubes, and how they turn.

use std::collections::BTreeMap;

use eyas_core::Rng;

/// The corner of a square or cube with the smallest coordinates; `z` is 0 for squares.
pub(super) type Cube = [i8; 3];

/// A turn of space that maps the axes onto each other: three rows of a matrix.
pub(super) type Turn = [[i8; 3]; 3];

const IDENTITY: Turn = [[1, 0, 0], [0, 1, 0], [0, 0, 1]];

/// A quarter turn around each axis, anticlockwise for someone whom the axis points at.
const QUARTERS: [Turn; 3] = [
    [[1, 0, 0], [0, 0, -1], [0, 1, 0]],
    [[0, 0, 1], [0, 1, 0], [-1, 0, 0]],
    [[0, -1, 0], [1, 0, 0], [0, 0, 1]],
];

fn product(a: &Turn, b: &Turn) -> Turn {
    let cell = |r: usize, c: usize| (0..3).map(|k| a[r][k] * b[k][c]).sum();
    [0, 1, 2].map(|r| [0, 1, 2].map(|c| cell(r, c)))
}

/// `quarters` quarter turns around axis 0, 1 or 2.
pub(super) fn around(axis: usize, quarters: usize) -> Turn {
    (0..quarters % 4).fold(IDENTITY, |turn, _| product(&QUARTERS[axis % 3], &turn))
}

/// All 24 turns of a cube, the identity first, always in the same order.
pub(super) fn turns() -> Vec<Turn> {
    let mut all = vec![IDENTITY];
    let mut next = 0;
    while next < all.len() {
        for quarter in &QUARTERS {
            let turn = product(quarter, &all[next]);
            if !all.contains(&turn) {
                all.push(turn);
            }
        }
        next += 1;
    }
    all
}

/// Moves a figure so that its smallest coordinates are 0, and puts its cubes in order.
pub(super) fn settle(cubes: &mut [Cube]) {
    for axis in 0..3 {
        let least = cubes.iter().map(|c| c[axis]).min().unwrap_or(0);
        cubes.iter_mut().for_each(|c| c[axis] -= least);
    }
    cubes.sort_unstable();
}

/// The figure after a turn.
pub(super) fn turned(cubes: &[Cube], turn: &Turn) -> Vec<Cube> {
    let one = |c: &Cube| [0, 1, 2].map(|r| (0..3).map(|k| turn[r][k] * c[k]).sum());
    let mut out: Vec<Cube> = cubes.iter().map(one).collect();
    settle(&mut out);
    out
}

/// The figure in a mirror: left and right change places.
pub(super) fn mirrored(cubes: &[Cube]) -> Vec<Cube> {
    let mut out: Vec<Cube> = cubes.iter().map(|c| [-c[0], c[1], c[2]]).collect();
    settle(&mut out);
    out
}

/// A square figure after quarter turns clockwise, rows counted downwards.
pub(super) fn turned_flat(cubes: &[Cube], quarters: usize) -> Vec<Cube> {
    // Rows (y) point down, so that clockwise in the picture is anticlockwise in (x, y).
    turned(cubes, &around(2, quarters))
}

/// A connected figure of `count` squares, grown at random.
pub(super) fn grow_flat(count: usize, rng: &mut Rng) -> Vec<Cube> {
    let mut cubes: Vec<Cube> = vec![[0, 0, 0]];
    while cubes.len() < count {
        let [x, y, _] = rng.choose(&cubes).copied().unwrap_or_default();
        let (dx, dy) = [(1, 0), (0, 1), (-1, 0), (0, -1)][rng.below(4)];
        let next = [x + dx, y + dy, 0];
        if !cubes.contains(&next) {
            cubes.push(next);
        }
    }
    settle(&mut cubes);
    cubes
}

/// A chain of `count` cubes with straight arms, as Shepard and Metzler's; `None` when it ran into itself.
pub(super) fn chain(count: usize, rng: &mut Rng) -> Option<Vec<Cube>> {
    let mut cubes: Vec<Cube> = vec![[0, 0, 0]];
    let (mut axis, mut sign) = (rng.below(3), 1);
    while cubes.len() < count {
        let arm = (1 + rng.below(3)).min(count - cubes.len());
        for _ in 0..arm {
            let mut next = *cubes.last()?;
            next[axis] += sign;
            if cubes.contains(&next) {
                return None;
            }
            cubes.push(next);
        }
        axis = (axis + 1 + rng.below(2)) % 3;
        sign = if rng.chance(0.5) { 1 } else { -1 };
    }
    settle(&mut cubes);
    Some(cubes)
}

/// The faces of a cube that are seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Face {
    /// Towards larger z.
    Top,
    /// Towards larger x: the left one in the picture.
    Left,
    /// Towards larger y: the right one in the picture.
    Right,
}

/// A point of the picture's plane: (x − z, y − z), which does not change along the line of sight.
type Point = (i16, i16);

/// The six triangles of a cube's outline around its near corner, each with the face it is on.
const TRIANGLES: [(Point, Point, Face); 6] = [
    ((-1, -1), (0, -1), Face::Top),
    ((0, -1), (1, 0), Face::Left),
    ((1, 0), (1, 1), Face::Left),
    ((1, 1), (0, 1), Face::Right),
    ((0, 1), (-1, 0), Face::Right),
    ((-1, 0), (-1, -1), Face::Top),
];

/// What is seen of a figure of cubes: every triangle of the picture with its face, wherever the figure
/// stands, and how many triangles are seen of the cube that is hidden most.
pub(super) fn look(cubes: &[Cube]) -> (Vec<(Point, Face)>, usize) {
    let mut seen: BTreeMap<Point, (i16, usize, Face)> = BTreeMap::new();
    for (index, cube) in cubes.iter().enumerate() {
        let [x, y, z] = cube.map(i16::from);
        let depth = x + y + z;
        for (p, q, face) in TRIANGLES {
            let place = (3 * (x - z) + p.0 + q.0, 3 * (y - z) + p.1 + q.1);
            let entry = seen.entry(place).or_insert((depth, index, face));
            if depth > entry.0 {
                *entry = (depth, index, face);
            }
        }
    }
    let count = |index: usize| seen.values().filter(|(_, i, _)| *i == index).count();
    let least = (0..cubes.len()).map(count).min().unwrap_or(0);
    let left = seen.keys().map(|k| k.0).min().unwrap_or(0);
    let top = seen.keys().map(|k| k.1).min().unwrap_or(0);
    (seen.into_iter().map(|(k, (_, _, face))| ((k.0 - left, k.1 - top), face)).collect(), least)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_24_turns_and_quarters_go_the_right_way() {
        let all = turns();
        assert_eq!(all.len(), 24);
        // Around z, x goes to y: anticlockwise from above.
        let mut bar = vec![[0, 0, 0], [1, 0, 0], [2, 0, 0]];
        assert_eq!(turned(&bar, &around(2, 1)), [[0, 0, 0], [0, 1, 0], [0, 2, 0]]);
        bar.push([2, 1, 0]);
        assert_eq!(turned(&bar, &around(2, 1)), [[0, 2, 0], [1, 0, 0], [1, 1, 0], [1, 2, 0]]);
        assert!((0..3).all(|axis| around(axis, 4) == IDENTITY && all.contains(&around(axis, 3))));
    }

    #[test]
    fn flat_figures_turn_clockwise() {
        // A row of two with a square below the left one: clockwise, it is left of the upper one.
        let figure = [[0, 0, 0], [0, 1, 0], [1, 0, 0]];
        assert_eq!(turned_flat(&figure, 1), [[0, 0, 0], [1, 0, 0], [1, 1, 0]]);
        assert_eq!(mirrored(&figure), [[0, 0, 0], [1, 0, 0], [1, 1, 0]]);
    }

    #[test]
    fn figures_are_connected_and_of_their_size() {
        let mut rng = eyas_core::Seed::new(1).rng();
        for count in 4..=10 {
            for cubes in [Some(grow_flat(count, &mut rng)), chain(count, &mut rng)].into_iter().flatten() {
                assert_eq!(cubes.len(), count);
                let mut reached = vec![cubes[0]];
                let mut next = 0;
                while next < reached.len() {
                    let at = reached[next];
                    let near = |c: &&Cube| (0..3).map(|k| (c[k] - at[k]).abs()).sum::<i8>() == 1;
                    let new: Vec<Cube> = cubes.iter().filter(near).copied().collect();
                    reached.extend(new.into_iter().filter(|c| !reached.contains(c)).collect::<Vec<_>>());
                    next += 1;
                }
                assert_eq!(reached.len(), count);
            }
        }
    }

    #[test]
    fn near_cubes_hide_far_ones() {
        assert_eq!(look(&[[0, 0, 0]]), (look(&[[3, 1, 2]]).0, 6));
        assert_eq!(look(&[[0, 0, 0], [1, 1, 1]]).1, 0, "one behind the other");
        // A cube on top hides the lower one's top face.
        assert_eq!(look(&[[0, 0, 0], [0, 0, 1]]).1, 4);
        assert_eq!(look(&[[0, 0, 0], [1, 0, 0]]).1, 4);
    }
}
