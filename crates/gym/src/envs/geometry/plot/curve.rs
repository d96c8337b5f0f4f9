//! Curves on a lattice: every number that is asked for is exact in quarters of a tick.

use eyas_core::Rng;
use serde::{Deserialize, Serialize};

/// What kind of curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Family {
    Line,
    Parabola,
    Abs,
    Polyline,
    Sine,
    Circle,
}

impl Family {
    pub(super) const ALL: [Self; 6] =
        [Self::Line, Self::Parabola, Self::Abs, Self::Polyline, Self::Sine, Self::Circle];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Line => "line",
            Self::Parabola => "parabola",
            Self::Abs => "corner",
            Self::Polyline => "polyline",
            Self::Sine => "sine",
            Self::Circle => "circle",
        }
    }
}

/// A curve; lengths in ticks, those called `…4` in quarters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Curve {
    /// y = m x + b.
    Line { m4: i32, b: i32 },
    /// y = a (x − h)² + k.
    Parabola { a4: i32, h: i32, k: i32 },
    /// y = a |x − h| + k.
    Abs { a4: i32, h: i32, k: i32 },
    /// Straight from each corner to the next; the corners' x go up.
    Polyline { corners: Vec<(i32, i32)> },
    /// y = a sin(2π x / period) + k; the period is a multiple of 4.
    Sine { a: i32, period: i32, k: i32 },
    /// Around (x, y).
    Circle { x: i32, y: i32, radius: i32 },
}

/// Sines of 0, 5, … 90 degrees; written out because the last bit of a sine differs between platforms.
const SINES: [f32; 19] = [
    0.0,
    0.087_155_74,
    0.173_648_18,
    0.258_819_04,
    0.342_020_15,
    0.422_618_27,
    0.5,
    0.573_576_45,
    0.642_787_6,
    0.707_106_77,
    0.766_044_44,
    0.819_152_06,
    0.866_025_4,
    0.906_307_8,
    0.939_692_6,
    0.965_925_8,
    0.984_807_7,
    0.996_194_7,
    1.0,
];

/// The sine of a share of a full turn, between the values of the table.
fn sine(turns: f32) -> f32 {
    let at = (turns - turns.floor()) * 4.0;
    let quarter = at.floor();
    let part = at - quarter;
    let part = if quarter as i32 % 2 == 1 { 1.0 - part } else { part } * 18.0;
    let index = (part as usize).min(17);
    let value = SINES[index] + (SINES[index + 1] - SINES[index]) * (part - index as f32);
    if quarter < 2.0 { value } else { -value }
}

/// A point of the circle around the origin, at a share of a full turn.
pub(super) fn on_circle(turns: f32) -> (f32, f32) {
    (sine(turns + 0.25), sine(turns))
}

impl Curve {
    pub(super) fn family(&self) -> Family {
        match self {
            Self::Line { .. } => Family::Line,
            Self::Parabola { .. } => Family::Parabola,
            Self::Abs { .. } => Family::Abs,
            Self::Polyline { .. } => Family::Polyline,
            Self::Sine { .. } => Family::Sine,
            Self::Circle { .. } => Family::Circle,
        }
    }

    /// The height at a whole tick, in quarters of a tick; `None` where the curve has none, or none that
    /// is exact.
    pub(super) fn height4(&self, x: i32) -> Option<i32> {
        match self {
            Self::Line { m4, b } => Some(m4 * x + 4 * b),
            Self::Parabola { a4, h, k } => Some(a4 * (x - h) * (x - h) + 4 * k),
            Self::Abs { a4, h, k } => Some(a4 * (x - h).abs() + 4 * k),
            Self::Polyline { corners } => {
                let pair = corners.windows(2).find(|w| (w[0].0..=w[1].0).contains(&x))?;
                let (run, rise) = (pair[1].0 - pair[0].0, pair[1].1 - pair[0].1);
                let scaled = 4 * rise * (x - pair[0].0);
                (run != 0 && scaled % run == 0).then(|| 4 * pair[0].1 + scaled / run)
            }
            Self::Sine { a, period, k } => {
                let scaled = 4 * x.rem_euclid(*period);
                let value = [0, 1, 0, -1].get((scaled / period) as usize)?;
                (scaled % period == 0).then(|| 4 * (k + a * value))
            }
            Self::Circle { .. } => None,
        }
    }

    /// The height anywhere, in ticks, for drawing.
    pub(super) fn height(&self, x: f32) -> Option<f32> {
        Some(match self {
            Self::Line { m4, b } => *m4 as f32 / 4.0 * x + *b as f32,
            Self::Parabola { a4, h, k } => *a4 as f32 / 4.0 * (x - *h as f32) * (x - *h as f32) + *k as f32,
            Self::Abs { a4, h, k } => *a4 as f32 / 4.0 * (x - *h as f32).abs() + *k as f32,
            Self::Polyline { corners } => {
                let pair = corners.windows(2).find(|w| x >= w[0].0 as f32 && x <= w[1].0 as f32)?;
                let (run, rise) = ((pair[1].0 - pair[0].0) as f32, (pair[1].1 - pair[0].1) as f32);
                pair[0].1 as f32 + rise * (x - pair[0].0 as f32) / run
            }
            Self::Sine { a, period, k } => *a as f32 * sine(x / *period as f32) + *k as f32,
            Self::Circle { .. } => return None,
        })
    }

    /// Whether the numbers are small and nothing divides by zero.
    pub(super) fn is_sound(&self) -> bool {
        let small = |v: &i32| v.abs() <= 64;
        match self {
            Self::Line { m4, b } => [m4, b].into_iter().all(small),
            Self::Parabola { a4, h, k } | Self::Abs { a4, h, k } => [a4, h, k].into_iter().all(small),
            Self::Polyline { corners } => {
                (2..=32).contains(&corners.len())
                    && corners.iter().all(|(x, y)| small(x) && small(y))
                    && corners.windows(2).all(|w| w[0].0 < w[1].0)
            }
            Self::Sine { a, period, k } => {
                [a, period, k].into_iter().all(small) && *period > 0 && period % 4 == 0
            }
            Self::Circle { x, y, radius } => [x, y, radius].into_iter().all(small) && *radius > 0,
        }
    }

    /// A curve of `family` with its landmarks within `range` ticks of the origin.
    pub(super) fn draw(family: Family, range: i32, rng: &mut Rng) -> Self {
        let mut within = |low: i32, high: i32| rng.between(i64::from(low), i64::from(high)) as i32;
        let most = range - 1;
        match family {
            Family::Line => {
                let m4 = [-8, -4, -2, 2, 4, 8, -12, 12, -6, 6, 1, -1][within(0, 11) as usize];
                Self::Line { m4, b: within(-most, most) }
            }
            Family::Parabola | Family::Abs => {
                let a4 = [2, 4, 8, -2, -4, -8][within(0, 5) as usize];
                let (h, k) = (within(-most, most), within(0, most));
                // Open towards the larger part of the picture.
                let k = if a4 > 0 { -k } else { k };
                if family == Family::Abs { Self::Abs { a4, h, k } } else { Self::Parabola { a4, h, k } }
            }
            Family::Polyline => {
                let mut corners = vec![(-range, within(-most, most))];
                while let Some((x, y)) = corners.last().copied().filter(|(x, _)| *x < range) {
                    let to = (x + within(1, 3)).min(range);
                    let mut next = within(-most, most);
                    if next == y {
                        next = if y == most { y - 1 } else { y + 1 };
                    }
                    corners.push((to, next));
                }
                Self::Polyline { corners }
            }
            Family::Sine => {
                let a = within(1, most) * if within(0, 1) == 0 { 1 } else { -1 };
                let room = range - a.abs();
                let period = if range < 6 { 4 * within(1, 2) } else { 4 * within(1, 3) };
                Self::Sine { a, period, k: within(-room, room) }
            }
            Family::Circle => {
                let radius = within(1, (range - 1).min(5));
                let room = range - radius;
                Self::Circle { x: within(-room, room), y: within(-room, room), radius }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heights_on_the_lattice_are_those_that_are_drawn() {
        let mut rng = eyas_core::Seed::new(1).rng();
        for family in Family::ALL {
            for _ in 0..200 {
                let curve = Curve::draw(family, 5, &mut rng);
                assert!(curve.is_sound() && curve.family() == family, "{curve:?}");
                for x in -5..=5 {
                    let (Some(exact), Some(drawn)) = (curve.height4(x), curve.height(x as f32)) else {
                        continue;
                    };
                    assert!((exact as f32 / 4.0 - drawn).abs() < 1e-4, "{curve:?} at {x}");
                }
            }
        }
    }

    #[test]
    fn sines_follow_the_circle() {
        for n in -100..100 {
            let turns = n as f32 / 37.0;
            let wanted = (f64::from(turns) * std::f64::consts::TAU).sin();
            assert!((f64::from(sine(turns)) - wanted).abs() < 2e-3, "{turns}");
        }
        let wave = Curve::Sine { a: 2, period: 8, k: 1 };
        assert_eq!([0, 2, 4, 6, 1].map(|x| wave.height4(x)), [Some(4), Some(12), Some(4), Some(-4), None]);
    }

    #[test]
    fn broken_curves_are_not_sound() {
        assert!(!Curve::Sine { a: 1, period: 0, k: 0 }.is_sound());
        assert!(!Curve::Polyline { corners: vec![(0, 0), (0, 1)] }.is_sound());
        assert!(!Curve::Polyline { corners: vec![] }.is_sound());
        assert!(!Curve::Line { m4: 1 << 30, b: 0 }.is_sound());
    }
}
