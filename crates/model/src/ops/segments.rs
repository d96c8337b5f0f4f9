//! Which rows of a packed batch attend to which.

use std::collections::BTreeMap;
use std::ops::Range;

/// Rows of several sequences, one after the other, without padding: a forest. A segment continues another or
/// begins a tree, and each way down from the beginning of a tree is a sequence. So what sequences begin with is
/// there once, its keys and values are shared, and its gradient sums over all that continue it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segments {
    causal: bool,
    all: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Segment {
    rows: Range<usize>,
    parent: Option<usize>,
    /// The segment that its tree begins with.
    root: usize,
}

/// Queries that see the same keys, but for those that lie behind them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// The queries.
    pub(super) rows: Range<usize>,
    /// Their keys in order of the sequence. With the causal rule the last range ends with the block, and each
    /// query sees what comes up to itself.
    pub(super) seen: Vec<Range<usize>>,
}

impl Block {
    /// Keys in all.
    pub(super) fn width(&self) -> usize {
        self.seen.iter().map(ExactSizeIterator::len).sum()
    }
}

impl Segments {
    /// No rows yet. `causal`: a row sees only itself and what comes before it (text), or its whole segment too
    /// (vision).
    pub fn new(causal: bool) -> Self {
        Self { causal, all: Vec::new() }
    }

    /// Independent sequences of the given lengths.
    pub fn separate(causal: bool, lengths: impl IntoIterator<Item = usize>) -> Self {
        let mut segments = Self::new(causal);
        for len in lengths {
            segments.push(len, None);
        }
        segments
    }

    /// Appends a segment of `len` rows that continues `parent`, an earlier one; gives its number.
    ///
    /// # Panics
    /// When `parent` is not there yet, or rows are too many to count.
    pub fn push(&mut self, len: usize, parent: Option<usize>) -> usize {
        let (number, start) = (self.all.len(), self.rows());
        let root = parent.map_or(number, |parent| self.all[parent].root);
        let end = start.checked_add(len).unwrap_or_else(|| panic!("{start} and {len} rows of segments"));
        self.all.push(Segment { rows: start..end, parent, root });
        number
    }

    /// Rows in all.
    pub fn rows(&self) -> usize {
        self.all.last().map_or(0, |last| last.rows.end)
    }

    /// Whether a row sees only what comes before it.
    pub fn is_causal(&self) -> bool {
        self.causal
    }

    /// The rows of each segment.
    pub fn ranges(&self) -> impl ExactSizeIterator<Item = &Range<usize>> {
        self.all.iter().map(|segment| &segment.rows)
    }

    /// The rows of the segments from the beginning of the sequence to segment `number`, itself included.
    /// Neighbours are one range.
    pub fn path(&self, number: usize) -> Vec<Range<usize>> {
        let mut ranges: Vec<Range<usize>> = Vec::new();
        let mut next = Some(number);
        while let Some(Segment { rows, parent, .. }) = next.map(|n| &self.all[n]) {
            match ranges.last_mut() {
                Some(after) if after.start == rows.end => after.start = rows.start,
                _ => ranges.push(rows.clone()),
            }
            next = *parent;
        }
        ranges.reverse();
        ranges.retain(|range| !range.is_empty());
        ranges
    }

    /// The queries of each tree in blocks of at most `most`. No row of one tree sees one of another.
    pub(super) fn trees(&self, most: usize) -> Vec<Vec<Block>> {
        let mut trees: BTreeMap<usize, Vec<Block>> = BTreeMap::new();
        for (number, segment) in self.all.iter().enumerate() {
            let blocks = trees.entry(segment.root).or_default();
            let path = self.path(number);
            for start in segment.rows.clone().step_by(most) {
                let end = (start + most).min(segment.rows.end);
                let mut seen = path.clone();
                if let Some(own) = seen.last_mut().filter(|_| self.causal) {
                    own.end = end;
                }
                blocks.push(Block { rows: start..end, seen });
            }
        }
        trees.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(ranges: &[Range<usize>]) -> Vec<(usize, usize)> {
        ranges.iter().map(|range| (range.start, range.end)).collect()
    }

    #[test]
    fn blocks_see_their_path() {
        // 0..5, continued by 5..7 and 7..10; the latter by 10..11; 11..13 alone.
        let mut s = Segments::new(true);
        let root = s.push(5, None);
        s.push(2, Some(root));
        let second = s.push(3, Some(root));
        let leaf = s.push(1, Some(second));
        s.push(2, None);
        assert_eq!(s.rows(), 13);
        assert_eq!(pairs(&s.path(1)), [(0, 7)], "neighbours are one range");
        assert_eq!(s.path(leaf), [0..5, 7..11]);
        let trees = s.trees(2);
        assert_eq!(trees.len(), 2);
        let blocks: Vec<_> = trees[0].iter().map(|b| (b.rows.clone(), pairs(&b.seen), b.width())).collect();
        assert_eq!(blocks[..3], [(0..2, vec![(0, 2)], 2), (2..4, vec![(0, 4)], 4), (4..5, vec![(0, 5)], 5)]);
        assert_eq!(blocks[3..5], [(5..7, vec![(0, 7)], 7), (7..9, vec![(0, 5), (7, 9)], 7)]);
        assert_eq!(blocks[6], (10..11, vec![(0, 5), (7, 11)], 9));
        assert_eq!((trees[1][0].rows.clone(), pairs(&trees[1][0].seen)), (11..13, vec![(11, 13)]));
    }

    #[test]
    fn without_the_causal_rule_a_block_sees_its_whole_segment() {
        let s = Segments::separate(false, [3, 0, 2]);
        let blocks: Vec<Block> = s.trees(2).into_iter().flatten().collect();
        let seen: Vec<_> = blocks.into_iter().map(|b| (b.rows, pairs(&b.seen))).collect();
        assert_eq!(seen, [(0..2, vec![(0, 3)]), (2..3, vec![(0, 3)]), (3..5, vec![(3, 5)])]);
    }
}
