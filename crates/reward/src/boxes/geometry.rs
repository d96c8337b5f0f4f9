//! Boxes and how much they overlap.
//!
//! Coordinates are continuous: a box from 10 to 11 is one unit wide. (Code that adds 1 to widths, as for
//! inclusive pixels, gives identical boxes in 0–1 coordinates an overlap of 0.)
//!
//! A box without area overlaps nothing: every measure of overlap with it is its lowest value or, for
//! those that measure distance as well, that of two boxes which do not meet; never NaN.

/// Coordinates beyond this are refused, so that no area overflows.
const LIMIT: f64 = 1e7;

/// An axis-aligned box with finite corners in order; it may have no area.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Box2 {
    x1: f64,
    y1: f64,
    x2: f64,
    y2: f64,
}

impl Box2 {
    /// The box from `(x1, y1)` to `(x2, y2)`; `None` when the corners are not in order, not finite or
    /// beyond ±10⁷.
    pub fn new(x1: f64, y1: f64, x2: f64, y2: f64) -> Option<Self> {
        let fits = [x1, y1, x2, y2].iter().all(|v| v.abs() <= LIMIT);
        (fits && x1 <= x2 && y1 <= y2).then_some(Self { x1, y1, x2, y2 })
    }

    /// Left, top, right, bottom.
    pub fn corners(self) -> [f64; 4] {
        [self.x1, self.y1, self.x2, self.y2]
    }

    /// Width times height.
    pub fn area(self) -> f64 {
        (self.x2 - self.x1) * (self.y2 - self.y1)
    }

    /// The point in the middle.
    pub fn centre(self) -> [f64; 2] {
        [(self.x1 + self.x2) / 2.0, (self.y1 + self.y2) / 2.0]
    }

    /// Is the point inside? The edges belong to the box unless `strict`.
    pub fn contains(self, [x, y]: [f64; 2], strict: bool) -> bool {
        if strict {
            self.x1 < x && x < self.x2 && self.y1 < y && y < self.y2
        } else {
            self.x1 <= x && x <= self.x2 && self.y1 <= y && y <= self.y2
        }
    }

    /// The part inside `(0, 0)` to `(width, height)`; without area when nothing is.
    pub fn clip(self, width: f64, height: f64) -> Self {
        Self {
            x1: self.x1.clamp(0.0, width),
            y1: self.y1.clamp(0.0, height),
            x2: self.x2.clamp(0.0, width),
            y2: self.y2.clamp(0.0, height),
        }
    }

    /// The smallest box around both.
    pub fn hull(self, other: Self) -> Self {
        Self {
            x1: self.x1.min(other.x1),
            y1: self.y1.min(other.y1),
            x2: self.x2.max(other.x2),
            y2: self.y2.max(other.y2),
        }
    }
}

/// The area that both cover.
pub fn intersection(a: Box2, b: Box2) -> f64 {
    let width = a.x2.min(b.x2) - a.x1.max(b.x1);
    let height = a.y2.min(b.y2) - a.y1.max(b.y1);
    width.max(0.0) * height.max(0.0)
}

/// Intersection over union, 0 to 1.
pub fn iou(a: Box2, b: Box2) -> f64 {
    let inter = intersection(a, b);
    if inter > 0.0 { (inter / (a.area() + b.area() - inter)).min(1.0) } else { 0.0 }
}

/// Generalised IoU (arXiv 1902.09630), -1 to 1: IoU less the share of the hull that neither covers.
pub fn giou(a: Box2, b: Box2) -> f64 {
    let hull = a.hull(b).area();
    if hull <= 0.0 {
        return -1.0;
    }
    let union = a.area() + b.area() - intersection(a, b);
    (iou(a, b) - ((hull - union) / hull).max(0.0)).clamp(-1.0, 1.0)
}

/// Distance IoU (arXiv 1911.08287), -1 to 1: IoU less the squared distance of the centres over the
/// squared diagonal of the hull.
pub fn diou(a: Box2, b: Box2) -> f64 {
    let hull = a.hull(b);
    let diagonal = (hull.x2 - hull.x1).powi(2) + (hull.y2 - hull.y1).powi(2);
    if diagonal <= 0.0 {
        return 0.0;
    }
    let ([ax, ay], [bx, by]) = (a.centre(), b.centre());
    (iou(a, b) - ((ax - bx).powi(2) + (ay - by).powi(2)) / diagonal).clamp(-1.0, 1.0)
}

/// Areas covered by the boxes of `a`, of `b`, and by both, exactly, in one sweep. Takes time
/// proportional to the square of the number of boxes at worst.
pub fn union_areas(a: &[Box2], b: &[Box2]) -> (f64, f64, f64) {
    // One event for each left and right edge: x, opens, of `b`, the interval of y.
    let mut events = Vec::with_capacity(2 * (a.len() + b.len()));
    for (of_b, boxes) in [(false, a), (true, b)] {
        for r in boxes.iter().filter(|r| r.area() > 0.0) {
            events.push((r.x1, true, of_b, (r.y1, r.y2)));
            events.push((r.x2, false, of_b, (r.y1, r.y2)));
        }
    }
    events.sort_by(|l, r| l.0.total_cmp(&r.0));
    let mut active: [Vec<(f64, f64)>; 2] = Default::default();
    let (mut areas, mut last) = ((0.0, 0.0, 0.0), 0.0);
    for (x, opens, of_b, span) in events {
        if x > last {
            let (la, lb, both) = covered(&active[0], &active[1]);
            let width = x - last;
            areas.0 += width * la;
            areas.1 += width * lb;
            areas.2 += width * both;
        }
        last = x;
        let list = &mut active[usize::from(of_b)];
        let at = list.partition_point(|s| (s.0, s.1) < span);
        if opens {
            list.insert(at, span);
        } else if at < list.len() {
            list.remove(at);
        }
    }
    areas
}

/// Lengths covered by sorted intervals `a`, by `b`, and by both.
fn covered(a: &[(f64, f64)], b: &[(f64, f64)]) -> (f64, f64, f64) {
    let (a, b) = (merged(a), merged(b));
    let length = |spans: &[(f64, f64)]| spans.iter().map(|s| s.1 - s.0).sum::<f64>();
    (length(&a), length(&b), common_length(&a, &b))
}

/// Sorted intervals with those that meet joined.
pub(crate) fn merged(sorted: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut out: Vec<(f64, f64)> = Vec::with_capacity(sorted.len());
    for &(start, end) in sorted {
        match out.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => out.push((start, end)),
        }
    }
    out
}

/// The length that two lists of disjoint sorted intervals share.
pub(crate) fn common_length(a: &[(f64, f64)], b: &[(f64, f64)]) -> f64 {
    let (mut total, mut i, mut j) = (0.0, 0, 0);
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        total += (x.1.min(y.1) - x.0.max(y.0)).max(0.0);
        if x.1 < y.1 { i += 1 } else { j += 1 }
    }
    total
}

/// IoU of the area that the boxes of `a` cover together with that of `b`; 1 when neither covers any.
pub fn union_iou(a: &[Box2], b: &[Box2]) -> f64 {
    let (area_a, area_b, both) = union_areas(a, b);
    let union = area_a + area_b - both;
    if union > 0.0 { (both / union).clamp(0.0, 1.0) } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn b(x1: f64, y1: f64, x2: f64, y2: f64) -> Box2 {
        Box2::new(x1, y1, x2, y2).unwrap()
    }

    #[test]
    fn overlaps_by_hand() {
        let (a, c) = (b(0.0, 0.0, 10.0, 10.0), b(5.0, 5.0, 15.0, 15.0));
        assert_eq!(iou(a, a), 1.0);
        assert!((iou(a, c) - 25.0 / 175.0).abs() < 1e-12);
        assert!((giou(a, c) - (25.0 / 175.0 - 50.0 / 225.0)).abs() < 1e-12);
        assert!((diou(a, c) - (25.0 / 175.0 - 50.0 / 450.0)).abs() < 1e-12);
        // One pixel wide, and in 0–1 coordinates.
        assert_eq!(iou(b(3.0, 3.0, 4.0, 4.0), b(3.0, 3.0, 4.0, 4.0)), 1.0);
        assert_eq!(iou(b(0.1, 0.1, 0.2, 0.2), b(0.1, 0.1, 0.2, 0.2)), 1.0);
        let point = b(3.0, 3.0, 3.0, 3.0);
        assert_eq!((iou(point, point), giou(point, point), diou(point, point)), (0.0, -1.0, 0.0));
        assert!(Box2::new(2.0, 0.0, 1.0, 1.0).is_none() && Box2::new(f64::NAN, 0.0, 1.0, 1.0).is_none());
        assert!(Box2::new(0.0, 0.0, 1e300, 1.0).is_none());
    }

    #[test]
    fn unions_by_hand() {
        let two = [b(0.0, 0.0, 10.0, 10.0), b(5.0, 5.0, 15.0, 15.0)];
        assert_eq!(union_areas(&two, &two[..1]), (175.0, 100.0, 100.0));
        assert_eq!(union_areas(&[two[0], two[0]], &[]), (100.0, 0.0, 0.0));
        assert_eq!((union_iou(&[], &[]), union_iou(&two, &[])), (1.0, 0.0));
    }

    fn boxes() -> impl Strategy<Value = Vec<Box2>> {
        let one = (0u8..20, 0u8..20, 1u8..9, 1u8..9);
        proptest::collection::vec(
            one.prop_map(|(x, y, w, h)| b(f64::from(x), f64::from(y), f64::from(x + w), f64::from(y + h))),
            0..8,
        )
    }

    proptest! {
        #[test]
        fn the_sweep_agrees_with_counting_cells(a in boxes(), c in boxes()) {
            let covers = |set: &[Box2], x: u8, y: u8| {
                set.iter().any(|r| r.contains([f64::from(x) + 0.5, f64::from(y) + 0.5], true))
            };
            let mut count = (0.0, 0.0, 0.0);
            for x in 0..30 {
                for y in 0..30 {
                    let (p, q) = (covers(&a, x, y), covers(&c, x, y));
                    count.0 += f64::from(u8::from(p));
                    count.1 += f64::from(u8::from(q));
                    count.2 += f64::from(u8::from(p && q));
                }
            }
            prop_assert_eq!(union_areas(&a, &c), count);
        }

        #[test]
        fn overlaps_are_symmetric_and_bounded(v in proptest::array::uniform8(-50.0f64..50.0)) {
            let sorted = |a: f64, b: f64| (a.min(b), a.max(b));
            let ((x1, x2), (y1, y2)) = (sorted(v[0], v[1]), sorted(v[2], v[3]));
            let ((p1, p2), (q1, q2)) = (sorted(v[4], v[5]), sorted(v[6], v[7]));
            let (a, c) = (b(x1, y1, x2, y2), b(p1, q1, p2, q2));
            prop_assert!((0.0..=1.0).contains(&iou(a, c)));
            prop_assert_eq!(iou(a, c), iou(c, a));
            prop_assert!(giou(a, c) <= iou(a, c) && diou(a, c) <= iou(a, c));
            prop_assert!((-1.0..=1.0).contains(&giou(a, c)) && (-1.0..=1.0).contains(&diou(a, c)));
            prop_assert!((union_iou(&[a], &[c]) - iou(a, c)).abs() < 1e-9 || a.area() * c.area() == 0.0);
        }
    }
}
