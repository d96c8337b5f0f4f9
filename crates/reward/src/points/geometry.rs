//! Distances, kernels, lines.

/// The distance of two points.
pub fn distance([ax, ay]: [f64; 2], [bx, by]: [f64; 2]) -> f64 {
    (ax - bx).hypot(ay - by)
}

/// How a distance becomes a score from 1 (no distance) to 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// Falls evenly, 0 from `scale` on.
    Linear,
    /// `exp(-d² / (2 scale²))`.
    Gaussian,
    /// 1 up to `scale`, then 0.
    Threshold,
}

impl Kernel {
    /// The score of `distance`; `scale` is above 0.
    pub fn score(self, distance: f64, scale: f64) -> f64 {
        match self {
            Self::Linear => (1.0 - distance / scale).clamp(0.0, 1.0),
            Self::Gaussian => (-(distance / scale).powi(2) / 2.0).exp(),
            Self::Threshold => f64::from(u8::from(distance <= scale)),
        }
    }
}

/// Do three of the points lie on one line? They do when one is at most `slack` away from the line
/// through two others, or when two are the same. Takes time proportional to the cube of their number.
pub fn any_collinear(points: &[[f64; 2]], slack: f64) -> bool {
    for (i, a) in points.iter().enumerate() {
        let rest = points.get(i + 1..).unwrap_or(&[]);
        for (j, b) in rest.iter().enumerate() {
            if a == b {
                return true;
            }
            for c in rest.get(j + 1..).unwrap_or(&[]) {
                let double = ((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])).abs();
                let longest = distance(*a, *b).max(distance(*a, *c)).max(distance(*b, *c));
                // Twice the area over the longest side is the height of the triangle.
                if double <= (slack + 1e-9) * longest {
                    return true;
                }
            }
        }
    }
    false
}

/// InfiGUI-G1's adaptive exploration reward: `1 / √(n k)` when the `k`-th of `n` candidates is the first
/// right one, `-1 / n` when none is.
pub fn adaptive_exploration(candidates: usize, first_hit: Option<usize>) -> f64 {
    let n = candidates.max(1) as f64;
    first_hit.map_or(-1.0 / n, |k| 1.0 / (n * k.max(1) as f64).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn kernels_by_hand() {
        let at = |k: Kernel| [0.0, 5.0, 10.0, 11.0].map(|d| k.score(d, 10.0));
        assert_eq!(at(Kernel::Linear), [1.0, 0.5, 0.0, 0.0]);
        assert_eq!(at(Kernel::Threshold), [1.0, 1.0, 1.0, 0.0]);
        assert!((Kernel::Gaussian.score(10.0, 10.0) - (-0.5f64).exp()).abs() < 1e-15);
    }

    #[test]
    fn exploration_by_hand() {
        assert_eq!(adaptive_exploration(1, Some(1)), 1.0);
        assert!((adaptive_exploration(4, Some(2)) - 0.353_553_39).abs() < 1e-8);
        assert_eq!(adaptive_exploration(4, None), -0.25);
    }

    #[test]
    fn lines_are_seen() {
        assert!(any_collinear(&[[0.0, 0.0], [10.0, 10.0], [3.0, 3.0]], 0.0));
        assert!(any_collinear(&[[0.0, 0.0], [0.0, 9.0], [7.0, 1.0], [0.0, 4.0]], 0.0));
        assert!(any_collinear(&[[5.0, 5.0], [5.0, 5.0]], 0.0));
        assert!(!any_collinear(&[[0.0, 0.0], [10.0, 10.0], [3.0, 4.0]], 0.0));
        assert!(any_collinear(&[[0.0, 0.0], [10.0, 10.0], [3.0, 4.0]], 1.0));
        assert!(any_collinear(&[[0.1, 0.1], [0.2, 0.2], [0.3, 0.3]], 0.0));
    }

    proptest! {
        #[test]
        fn order_does_not_matter(mut p in proptest::collection::vec([0u8..9, 0u8..9], 0..6)) {
            let real = |p: &[[u8; 2]]| p.iter().map(|q| q.map(f64::from)).collect::<Vec<_>>();
            let before = any_collinear(&real(&p), 0.0);
            p.reverse();
            prop_assert_eq!(before, any_collinear(&real(&p), 0.0));
        }
    }
}
