//! Masks in COCO's run lengths.

use eyas_core::Score;
use serde_json::Value;

use super::frame::{FRAME, GOLD_FRAME, INVERTED, OUTSIDE, View};
use super::lenient::{Forest, Kind, Node, read};
use super::parse::claim;
use super::{Box2, common_length, merged, settle};
use crate::{Params, RewardInfo, Sample, Scorer, bad_gold};

/// Longer sides are refused.
const MAX_SIDE: usize = 1 << 14;
/// More runs are refused.
const MAX_RUNS: usize = 1 << 20;

/// A binary mask: the pixels column by column, as runs that begin with background.
#[derive(Clone, Debug, PartialEq)]
pub struct Mask {
    height: usize,
    width: usize,
    /// Foreground runs, start and end, in order, disjoint.
    runs: Vec<(f64, f64)>,
}

impl Mask {
    /// The mask of COCO's uncompressed counts, background first. `None` when they do not add up to
    /// `height * width`, or the mask is empty, or longer than 16,384 on a side.
    pub fn from_counts(height: usize, width: usize, counts: impl IntoIterator<Item = u64>) -> Option<Self> {
        if height == 0 || width == 0 || height > MAX_SIDE || width > MAX_SIDE {
            return None;
        }
        let (mut at, mut runs) = (0u64, Vec::new());
        let total = (height * width) as u64;
        for (i, count) in counts.into_iter().enumerate() {
            let end = at.checked_add(count).filter(|end| *end <= total && i < MAX_RUNS)?;
            if i % 2 == 1 && count > 0 {
                runs.push((at as f64, end as f64));
            }
            at = end;
        }
        (at == total).then_some(Self { height, width, runs: merged(&runs) })
    }

    /// The mask of COCO's compressed counts (the string that pycocotools writes).
    pub fn from_compressed(height: usize, width: usize, text: &str) -> Option<Self> {
        let (mut counts, mut value, mut shift): (Vec<i64>, i64, u32) = (Vec::new(), 0, 0);
        for byte in text.bytes() {
            let bits = i64::from(byte.checked_sub(48).filter(|b| *b < 64)?);
            if shift > 40 || counts.len() >= MAX_RUNS {
                return None;
            }
            value |= (bits & 0x1f) << shift;
            shift += 5;
            if bits & 0x20 != 0 {
                continue;
            }
            if bits & 0x10 != 0 {
                value |= -1 << shift;
            }
            // From the fourth on, counts are differences to the one two before.
            if counts.len() > 2 {
                value += counts.get(counts.len() - 2).copied().unwrap_or(0);
            }
            counts.push(value);
            (value, shift) = (0, 0);
        }
        let counts: Option<Vec<u64>> = counts.into_iter().map(|c| u64::try_from(c).ok()).collect();
        Self::from_counts(height, width, counts?).filter(|_| shift == 0)
    }

    /// The pixels whose centre lies in one of the boxes, edges included.
    pub fn from_boxes(height: usize, width: usize, boxes: &[Box2]) -> Option<Self> {
        let empty = Self::from_counts(height, width, [(height * width) as u64])?;
        // First and last pixel of an interval, by their centres.
        let pixels = |from: f64, to: f64, side: usize| {
            let first = (from - 0.5).ceil().max(0.0);
            (first, (to - 0.5).floor().min(side as f64 - 1.0) + 1.0)
        };
        let rows_and_columns = |b: &Box2| {
            let [x1, y1, x2, y2] = b.corners();
            let (rows, columns) = (pixels(y1, y2, height), pixels(x1, x2, width));
            (rows.0 < rows.1 && columns.0 < columns.1).then_some((columns, rows))
        };
        let mut boxes: Vec<_> = boxes.iter().filter_map(rows_and_columns).collect();
        boxes.sort_by(|a, b| (a.1).0.total_cmp(&(b.1).0));
        let mut runs = Vec::new();
        for column in 0..width {
            let at = column as f64;
            let here = boxes.iter().filter(|(columns, _)| columns.0 <= at && at < columns.1);
            let rows: Vec<_> = here.map(|(_, rows)| *rows).collect();
            let start = at * height as f64;
            runs.extend(merged(&rows).iter().map(|r| (start + r.0, start + r.1)));
        }
        Some(Self { runs: merged(&runs), ..empty })
    }

    /// Height and width.
    pub fn size(&self) -> (usize, usize) {
        (self.height, self.width)
    }

    /// The number of foreground pixels.
    pub fn area(&self) -> f64 {
        self.runs.iter().map(|r| r.1 - r.0).sum()
    }

    /// Is the pixel that the point lies in foreground? The right and bottom edge belong to the last
    /// pixels; points outside the image are not.
    pub fn contains(&self, [x, y]: [f64; 2]) -> bool {
        let (width, height) = (self.width as f64, self.height as f64);
        if !((0.0..=width).contains(&x) && (0.0..=height).contains(&y)) {
            return false;
        }
        let pixel = x.floor().min(width - 1.0) * height + y.floor().min(height - 1.0);
        let after = self.runs.partition_point(|r| r.0 <= pixel);
        after.checked_sub(1).and_then(|i| self.runs.get(i)).is_some_and(|r| pixel < r.1)
    }

    /// Intersection over union; 0 for masks of different sizes, 1 when both are blank.
    pub fn iou(&self, other: &Self) -> f64 {
        if self.size() != other.size() {
            return 0.0;
        }
        let common = common_length(&self.runs, &other.runs);
        let union = self.area() + other.area() - common;
        if union > 0.0 { common / union } else { 1.0 }
    }

    /// The mask of a JSON object `{"size": [height, width], "counts": [...] or "..."}`.
    pub fn from_json(value: &Value) -> Option<Self> {
        let side = |i: usize| usize::try_from(value.get("size")?.get(i)?.as_u64()?).ok();
        let (height, width) = (side(0)?, side(1)?);
        match value.get("counts")? {
            Value::String(text) => Self::from_compressed(height, width, text),
            Value::Array(items) => {
                let counts: Option<Vec<u64>> = items.iter().map(Value::as_u64).collect();
                Self::from_counts(height, width, counts?)
            }
            _ => None,
        }
    }

    /// The mask that a policy wrote in the same form.
    fn from_node(forest: &Forest<'_>, node: &Node<'_>) -> Option<Self> {
        let whole = |v: f64| (v >= 0.0 && v.fract() == 0.0 && v <= 1e12).then_some(v as u64);
        let size: [f64; 2] = forest.numbers(forest.get(node, &["size"])?)?;
        let (height, width) = (whole(size[0])? as usize, whole(size[1])? as usize);
        let counts = forest.get(node, &["counts"]).filter(|_| node.complete)?;
        if let Some(text) = counts.text() {
            return Self::from_compressed(height, width, text);
        }
        if counts.kind != Kind::List || !counts.complete {
            return None;
        }
        let counts: Option<Vec<u64>> = forest.children(counts).map(|n| whole(n.number()?)).collect();
        Self::from_counts(height, width, counts?)
    }
}

/// The mask of a ground truth.
pub(crate) fn gold_mask(value: &Value) -> Result<Mask, Score> {
    let mask = Mask::from_json(value).filter(|m| m.area() > 0.0);
    mask.ok_or_else(|| bad_gold("the ground truth is not a mask {size, counts} with something in it"))
}

fn mask_iou(sample: &Sample<'_>, params: &Params) -> Result<f64, Score> {
    let gold = gold_mask(sample.gold)?;
    let (height, width) = gold.size();
    // The mask is the image: its size is that of the pixels.
    let view = View::sized(params, Some((width as f64, height as f64)))?.with_policies(params);
    let forest = read(sample.answer().unwrap_or(""));
    let mut roots = forest.roots().filter(|n| forest.get(n, &["counts"]).is_some());
    if let Some(node) = roots.next() {
        return Ok(Mask::from_node(&forest, node).map_or(0.0, |m| m.iou(&gold)));
    }
    let claim = claim(sample, view);
    if claim.boxes.is_empty() {
        return Ok(0.0);
    }
    let areas: Vec<Box2> = claim.boxes.iter().map(|b| b.area).collect();
    let readable = areas.len() as f64 / claim.len() as f64;
    Ok(Mask::from_boxes(height, width, &areas).map_or(0.0, |m| m.iou(&gold)) * readable)
}

pub(super) const ALL: [RewardInfo; 1] = [RewardInfo {
    name: "mask_iou",
    family: "boxes",
    doc: "IoU with a mask, of a mask in run lengths or of all boxes of the answer together",
    source: "COCO run lengths, compressed or not; boxes cover the pixels whose centre they hold",
    gold: "{size: [height, width], counts: [...] or COCO's string}, with something in it",
    range: Some((0.0, 1.0)),
    params: &[FRAME, GOLD_FRAME, INVERTED, OUTSIDE],
    score: Scorer::Sample(|s, p| settle(mask_iou(s, p))),
}];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_by_hand() {
        // 3 high, 4 wide: the second column, and the top of the third.
        let mask = Mask::from_counts(3, 4, [3, 4, 5]).unwrap();
        assert_eq!(mask.area(), 4.0);
        let inside = [[1.0, 0.0], [1.9, 2.9], [2.5, 0.5]];
        assert!(inside.iter().all(|p| mask.contains(*p)));
        let outside = [[0.5, 0.5], [2.5, 1.0], [3.5, 0.0], [-0.1, 0.0], [9.0, 0.0], [f64::NAN, 0.0]];
        assert!(!outside.iter().any(|p| mask.contains(*p)));
        let column = Mask::from_boxes(3, 4, &[Box2::new(1.0, 0.0, 2.0, 3.0).unwrap()]).unwrap();
        assert_eq!((column.area(), column.iou(&mask), mask.iou(&mask)), (3.0, 0.75, 1.0));
        let blank = Mask::from_counts(3, 4, [12]).unwrap();
        assert_eq!((blank.iou(&blank), blank.iou(&mask)), (1.0, 0.0));
        assert_eq!(Mask::from_counts(4, 3, [12]).unwrap().iou(&blank), 0.0);
    }

    #[test]
    fn counts_that_do_not_add_up_are_refused() {
        assert!(Mask::from_counts(3, 4, [3, 4, 6]).is_none() && Mask::from_counts(3, 4, [3]).is_none());
        assert!(Mask::from_counts(3, 4, [u64::MAX, u64::MAX]).is_none());
        assert!(Mask::from_counts(0, 4, [0]).is_none() && Mask::from_counts(1 << 20, 1 << 20, [0]).is_none());
    }

    #[test]
    fn compressed_counts_are_read() {
        // 3, 4, 5 are below 16 and stand for themselves.
        assert_eq!(Mask::from_compressed(3, 4, "345"), Mask::from_counts(3, 4, [3, 4, 5]));
        // 40 = 8 + 32·1: "X1". From the fourth count on they are differences to the one two
        // before: 2 - 4 = -2 is "N", 44 - 10 = 34 = 2 + 32·1 is "R1".
        let read = Mask::from_compressed(10, 10, "X14:NR1");
        assert_eq!(read, Mask::from_counts(10, 10, [40, 4, 10, 2, 44]));
        for text in ["é", "X", "~", "N", "XXXXXXXXXXXXXXXX"] {
            assert!(Mask::from_compressed(3, 4, text).is_none(), "{text}");
        }
    }
}
