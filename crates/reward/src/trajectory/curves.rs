//! Distances between curves given as points.

use std::f64::consts::{LN_10, PI, SQRT_2};

use crate::points::distance;

/// Dynamic time warping: the total distance along the cheapest alignment of the two curves from end to
/// end, each point with at least one of the other. `None` when one is empty. Takes time proportional
/// to the product of their lengths. A mean over the alignment would let a curve that repeats one right
/// point hide its wrong ones, so none is taken here.
pub fn dtw(a: &[[f64; 2]], b: &[[f64; 2]]) -> Option<f64> {
    table(a, b, |p, q, before: Option<f64>| before.unwrap_or(0.0) + distance(a[p], b[q]), f64::min)
}

/// The discrete Fréchet distance (Eiter and Mannila 1994): the shortest leash with which two walkers can
/// go along the two curves. `None` when one is empty.
pub fn discrete_frechet(a: &[[f64; 2]], b: &[[f64; 2]]) -> Option<f64> {
    frechet_by(a, b, |p, q| distance(a[p], b[q]))
}

fn frechet_by(a: &[[f64; 2]], b: &[[f64; 2]], cost: impl Fn(usize, usize) -> f64) -> Option<f64> {
    table(a, b, |p, q, before: Option<f64>| before.unwrap_or(0.0).max(cost(p, q)), f64::min)
}

/// The value of the last cell of a table in which each cell follows from the best of the cell above,
/// left, and above left. Two rows are kept.
fn table<T: Copy>(
    a: &[[f64; 2]],
    b: &[[f64; 2]],
    step: impl Fn(usize, usize, Option<T>) -> T,
    better: impl Fn(T, T) -> T,
) -> Option<T> {
    let mut last: Vec<T> = Vec::new();
    for p in 0..a.len() {
        let mut row: Vec<T> = Vec::with_capacity(b.len());
        for q in 0..b.len() {
            let around = [
                last.get(q).copied(),
                q.checked_sub(1).and_then(|q| last.get(q)).copied(),
                row.last().copied(),
            ];
            let before = around.into_iter().flatten().reduce(&better);
            row.push(step(p, q, before));
        }
        last = row;
    }
    last.last().copied()
}

/// VLA-R1's orientation-sensitive Fréchet distance: each pair of points costs their distance, 0.25 of the
/// angle between their directions and 0.10 of the logarithm of the ratio of their step lengths (at most
/// ln 10, which its code assumes for the bound but does not see to). The step of a point is the one that leaves
/// it, for the last point the one that reaches it. Its direction is the mean of the directions in which it is
/// reached and left; where these are opposed, the one in which it is reached. A step of no length has no
/// direction: it agrees with another of no length and is opposed to all others.
pub fn oriented_frechet(a: &[[f64; 2]], b: &[[f64; 2]]) -> Option<f64> {
    let (steps_a, steps_b) = (steps(a), steps(b));
    frechet_by(a, b, |p, q| {
        let (s, t) = (steps_a[p], steps_b[q]);
        let angle = match (s.direction, t.direction) {
            (Some(u), Some(v)) => {
                let cross = u[0] * v[1] - u[1] * v[0];
                let dot = u[0] * v[0] + u[1] * v[1];
                cross.abs().atan2(dot)
            }
            (None, None) => 0.0,
            _ => PI,
        };
        let ratio = match (s.length > 0.0, t.length > 0.0) {
            (true, true) => (s.length / t.length).ln().abs().min(LN_10),
            (false, false) => 0.0,
            _ => LN_10,
        };
        distance(a[p], b[q]) + 0.25 * angle + 0.10 * ratio
    })
}

/// The greatest value of [`oriented_frechet`] for curves in the unit square.
pub fn oriented_frechet_bound() -> f64 {
    SQRT_2 + 0.25 * PI + 0.10 * LN_10
}

/// What belongs to a point of a curve.
#[derive(Clone, Copy)]
struct Step {
    /// Length of the step that leaves the point, or reaches the last one.
    length: f64,
    /// Of length 1; `None` where the curve stands still.
    direction: Option<[f64; 2]>,
}

/// Sums of directions shorter than this are none: the curve turns back.
const TURNS_BACK: f64 = 1e-12;

fn unit([x, y]: [f64; 2]) -> Option<[f64; 2]> {
    let length = x.hypot(y);
    (length > TURNS_BACK).then(|| [x / length, y / length])
}

/// The step that belongs to each point.
fn steps(points: &[[f64; 2]]) -> Vec<Step> {
    let moves: Vec<[f64; 2]> = points.windows(2).map(|w| [w[1][0] - w[0][0], w[1][1] - w[0][1]]).collect();
    let step = |i: usize| {
        let reached = i.checked_sub(1).and_then(|i| moves.get(i)).copied();
        let left = moves.get(i).copied();
        let [x, y] = left.or(reached).unwrap_or_default();
        let direction = match (reached.and_then(unit), left.and_then(unit)) {
            (Some(u), Some(v)) => unit([u[0] + v[0], u[1] + v[1]]).or(Some(u)),
            (u, v) => u.or(v),
        };
        Step { length: x.hypot(y), direction }
    };
    (0..points.len()).map(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn distances_by_hand() {
        let (line, above) = ([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]], [[0.0, 1.0], [1.0, 1.0], [2.0, 3.0]]);
        // 1 + 1 + 3 for the three pairs.
        assert_eq!((dtw(&line, &above), discrete_frechet(&line, &above)), (Some(5.0), Some(3.0)));
        let slow = [[0.0, 0.0], [0.0, 0.0], [1.0, 0.0], [2.0, 0.0]];
        assert_eq!((dtw(&line, &slow), discrete_frechet(&line, &slow)), (Some(0.0), Some(0.0)));
        assert_eq!((dtw(&[], &line), discrete_frechet(&line, &[])), (None, None));
        // Only the ends are far: a leash of 2.
        let back = [[2.0, 0.0], [1.0, 0.0], [0.0, 0.0]];
        assert_eq!(discrete_frechet(&line, &back), Some(2.0));
        assert_eq!(oriented_frechet(&line, &line), Some(0.0));
        // Reversed: the ends are 2 apart and the directions opposed.
        assert!((oriented_frechet(&line, &back).unwrap() - (2.0 + 0.25 * PI)).abs() < 1e-12);
        // A turn of 90° at the same place and twice the length.
        let turn = oriented_frechet(&[[0.0, 0.0], [1.0, 0.0]], &[[0.0, 0.0], [0.0, 2.0]]).unwrap();
        assert!((turn - (5f64.sqrt() + 0.125 * PI + 0.1 * 2f64.ln())).abs() < 1e-12);
        // In the corner the direction is half way between the two steps.
        let corner = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]];
        let straight = [[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]];
        let bent = oriented_frechet(&straight, &corner).unwrap();
        assert!((bent - (2f64.sqrt() + 0.125 * PI)).abs() < 1e-12, "the ends: 90° and √2 apart");
        assert_eq!(steps(&corner)[1].direction.map(|d| (d[0] - d[1]).abs() < 1e-12), Some(true));
        let turn_back = [[0.0, 0.0], [1.0, 0.0], [0.0, 0.0]];
        assert_eq!(steps(&turn_back)[1].direction, Some([1.0, 0.0]));
    }

    proptest! {
        #[test]
        fn symmetric_and_within_bounds(
            a in proptest::collection::vec([0.0f64..1.0, 0.0f64..1.0], 1..8),
            b in proptest::collection::vec([0.0f64..1.0, 0.0f64..1.0], 1..8),
        ) {
            let frechet = discrete_frechet(&a, &b).unwrap();
            prop_assert_eq!(Some(frechet), discrete_frechet(&b, &a));
            prop_assert!(frechet >= distance(a[0], b[0]) && frechet <= SQRT_2);
            let total = dtw(&a, &b).unwrap();
            prop_assert!(total >= frechet - 1e-12 || total >= distance(a[0], b[0]));
            prop_assert!((total - dtw(&b, &a).unwrap()).abs() < 1e-12);
            let mut repeated = a.clone();
            repeated.insert(0, a[0]);
            prop_assert!(dtw(&repeated, &b).unwrap() >= total - 1e-12);
            let oriented = oriented_frechet(&a, &b).unwrap();
            prop_assert!(frechet <= oriented && oriented <= oriented_frechet_bound() + 1e-12);
            prop_assert_eq!(oriented_frechet(&a, &a), Some(0.0));
        }
    }
}
