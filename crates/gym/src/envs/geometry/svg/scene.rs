//! Scenes: shapes by lot of which enough is seen.

use eyas_core::Rng;

use super::markup::{Element, draw};
use super::{Kinds, Theme};

/// Width of a line.
const STROKE_PX: f32 = 4.0;

/// A shape is at least this large, and at least this share of it is seen.
const LEAST_PX: i64 = 14;
const LEAST_SEEN: f64 = 0.5;

/// How many places are tried for one shape.
const PLACE_TRIES: usize = 60;

/// What shapes are drawn by lot from.
pub(super) struct Maker {
    pub(super) side: i64,
    pub(super) snap: i64,
    pub(super) theme: Theme,
    pub(super) kinds: Kinds,
    pub(super) colors: usize,
    /// The longest side of a shape.
    pub(super) most: i64,
}

impl Maker {
    /// A coordinate between `low` and `high` on the lattice.
    fn place(&self, low: i64, high: i64, rng: &mut Rng) -> i64 {
        let (first, last) = ((low + self.snap - 1).div_euclid(self.snap), high.div_euclid(self.snap));
        rng.between(first, last) * self.snap
    }

    /// A length of at most `most`.
    fn size(&self, most: i64, rng: &mut Rng) -> i64 {
        self.place(LEAST_PX, most.max(LEAST_PX + self.snap), rng)
    }

    pub(super) fn shape(&self, rng: &mut Rng) -> Element {
        let kinds = match self.kinds {
            Kinds::Rect => 1,
            Kinds::Basic => 2,
            Kinds::All => 4,
        };
        let color = self.theme.color(rng.below(self.colors));
        let (side, half) = (self.side, self.most);
        match rng.below(kinds) {
            0 => {
                let (width, height) = (self.size(half, rng), self.size(half, rng));
                let (x, y) = (self.place(0, side - width, rng), self.place(0, side - height, rng));
                let [x, y, width, height] = [x, y, width, height].map(|v| v as f32);
                Element::Rect { x, y, width, height, fill: color }
            }
            1 => {
                let r = self.size(half / 2, rng);
                let (cx, cy) = (self.place(r, side - r, rng), self.place(r, side - r, rng));
                Element::Circle { cx: cx as f32, cy: cy as f32, r: r as f32, fill: color }
            }
            2 => {
                let (from, to) = (self.point(rng), self.point(rng));
                Element::Line { from, to, stroke: color, width: STROKE_PX }
            }
            _ => {
                let points = (0..3 + rng.below(2)).map(|_| self.point(rng)).collect();
                Element::Polygon { points, fill: color }
            }
        }
    }

    fn point(&self, rng: &mut Rng) -> (f32, f32) {
        (self.place(4, self.side - 4, rng) as f32, self.place(4, self.side - 4, rng) as f32)
    }

    /// The pixels that a shape paints.
    fn pixels(&self, shape: &Element) -> Vec<bool> {
        let canvas = draw(std::slice::from_ref(shape), self.side as u32, self.theme.background());
        let background = self.theme.background();
        canvas.pixels().chunks_exact(3).map(|p| p != background).collect()
    }

    /// `count` shapes of which enough is seen; `None` when there was no room for one.
    pub(super) fn scene(&self, count: usize, overlap: bool, rng: &mut Rng) -> Option<Vec<Element>> {
        let mut placed: Vec<Placed> = Vec::new();
        for _ in 0..count {
            let found = (0..PLACE_TRIES).find_map(|_| {
                let shape = self.shape(rng);
                if !is_broad(&shape) {
                    return None;
                }
                let own = self.pixels(&shape);
                let mut free = true;
                let fits = placed.iter().all(|other| {
                    let covered = other.covered(&shape, &own);
                    free &= covered == 0;
                    let left = other.seen.iter().filter(|p| **p).count() - covered;
                    if overlap { left as f64 >= LEAST_SEEN * other.size as f64 } else { covered == 0 }
                });
                // Two of one colour would run together.
                let alike = placed.iter().any(|o| o.shape.color() == shape.color());
                (fits && (free || !alike)).then_some((shape, own))
            });
            let (shape, own) = found?;
            for other in &mut placed {
                other.seen.iter_mut().zip(&own).for_each(|(o, p)| *o &= !p);
            }
            let size = own.iter().filter(|p| **p).count();
            placed.push(Placed { shape, seen: own, size });
        }
        Some(placed.into_iter().map(|p| p.shape).collect())
    }
}

/// The longest side of a shape: half the picture, less where many must find room.
pub(super) fn longest(side: i64, count: usize) -> i64 {
    (side / 2).min((side as f64 / (count.max(1) as f64).sqrt()) as i64)
}

/// A shape of a scene that is being made.
struct Placed {
    shape: Element,
    /// Its pixels that no later shape covers.
    seen: Vec<bool>,
    /// Its pixels.
    size: usize,
}

impl Placed {
    /// How many of its pixels a new shape would cover.
    fn covered(&self, shape: &Element, own: &[bool]) -> usize {
        let ([l, t, r, b], [left, top, right, bottom]) = (self.shape.bounds(), shape.bounds());
        if right < l || r < left || bottom < t || b < top {
            return 0;
        }
        self.seen.iter().zip(own).filter(|(a, b)| **a && **b).count()
    }
}

/// Whether a line is long and a polygon large enough to be seen.
fn is_broad(shape: &Element) -> bool {
    match shape {
        Element::Line { from, to, .. } => {
            let (dx, dy) = (to.0 - from.0, to.1 - from.1);
            dx * dx + dy * dy >= 28.0 * 28.0
        }
        Element::Polygon { points, .. } => {
            let next = points.iter().cycle().skip(1);
            let cross = |(a, b): (&(f32, f32), &(f32, f32))| a.0 * b.1 - b.0 * a.1;
            let twice: f32 = points.iter().zip(next).map(cross).sum();
            let turns = |i: usize| {
                let [a, b, c] = [i, i + 1, i + 2].map(|k| points[k % points.len()]);
                (b.0 - a.0) * (c.1 - b.1) - (b.1 - a.1) * (c.0 - b.0)
            };
            let convex = (0..points.len()).all(|i| turns(i) * twice > 0.0);
            convex && twice.abs() >= 2.0 * 300.0
        }
        _ => true,
    }
}
