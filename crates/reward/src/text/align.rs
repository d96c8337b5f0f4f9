//! Longest common subsequence and edit distance, 64 cells of the table at a time.
//!
//! Both take `len(a) / 64 * len(b)` steps, so two texts of 500 words are compared in a few microseconds.

/// For each item, the positions where it occurs, as bits.
struct Positions {
    bits: Vec<u64>,
    blocks: usize,
}

impl Positions {
    fn of(items: &[u32]) -> Self {
        let blocks = items.len().div_ceil(64);
        let known = items.iter().max().map_or(0, |m| *m as usize + 1);
        let mut bits = vec![0; blocks * known];
        for (at, item) in items.iter().enumerate() {
            if let Some(word) = bits.get_mut(*item as usize * blocks + at / 64) {
                *word |= 1 << (at % 64);
            }
        }
        Self { bits, blocks }
    }

    /// The bits of `item`; `None` when it does not occur.
    fn get(&self, item: u32) -> Option<&[u64]> {
        let start = item as usize * self.blocks;
        self.bits.get(start..start + self.blocks)
    }
}

/// `a` and `b` without what they begin and end with alike, and how much that was.
fn trim<'a>(a: &'a [u32], b: &'a [u32]) -> (&'a [u32], &'a [u32], usize) {
    let start = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let (a, b) = (a.get(start..).unwrap_or_default(), b.get(start..).unwrap_or_default());
    let end = a.iter().rev().zip(b.iter().rev()).take_while(|(x, y)| x == y).count();
    let cut = |s: &'a [u32]| s.get(..s.len() - end).unwrap_or_default();
    (cut(a), cut(b), start + end)
}

/// The length of the longest common subsequence. Items are small numbers, as
/// [`number`](super::words::number) gives them; memory grows with the largest.
pub fn lcs(a: &[u32], b: &[u32]) -> usize {
    let (a, b, same) = trim(a, b);
    if a.is_empty() || b.is_empty() {
        return same;
    }
    let at = Positions::of(a);
    // A zero bit at i: the subsequence grew at a[i]. Adding moves each growth down to the nearest match.
    let mut row = vec![u64::MAX; at.blocks];
    for item in b {
        let Some(matches) = at.get(*item) else { continue };
        let mut carry = false;
        for (cell, matched) in row.iter_mut().zip(matches) {
            let here = *cell & matched;
            let (sum, over) = cell.overflowing_add(here);
            let (sum, over_carry) = sum.overflowing_add(u64::from(carry));
            carry = over || over_carry;
            *cell = sum | (*cell & !matched);
        }
    }
    let last = if a.len().is_multiple_of(64) { u64::MAX } else { (1 << (a.len() % 64)) - 1 };
    let zeros = |(i, cell): (usize, &u64)| {
        let mask = if i + 1 == at.blocks { last } else { u64::MAX };
        (!cell & mask).count_ones() as usize
    };
    same + row.iter().enumerate().map(zeros).sum::<usize>()
}

/// The Levenshtein distance: insertions, deletions and replacements that turn `a` into `b`.
pub fn edit_distance(a: &[u32], b: &[u32]) -> usize {
    let (a, b, _) = trim(a, b);
    if a.is_empty() || b.is_empty() {
        return a.len().max(b.len());
    }
    let at = Positions::of(a);
    let none = vec![0; at.blocks];
    let last = 1u64 << ((a.len() - 1) % 64);
    // Bits where the column rises (`up`) or falls (`down`) by one from the row above.
    let mut column = vec![(u64::MAX, 0u64); at.blocks];
    let mut distance = a.len();
    for item in b {
        let matches = at.get(*item).unwrap_or(&none);
        // Row 0 of the table rises by one with every column.
        let (mut rise, mut fall) = (1, 0);
        for (i, ((up, down), matched)) in column.iter_mut().zip(matches).enumerate() {
            let vertical = matched | *down;
            let matched = matched | fall;
            let horizontal = ((matched & *up).wrapping_add(*up) ^ *up) | matched;
            let mut rises = *down | !(horizontal | *up);
            let mut falls = *up & horizontal;
            if i + 1 == at.blocks {
                distance += usize::from(rises & last != 0);
                distance -= usize::from(falls & last != 0);
            }
            let out = (rises >> 63, falls >> 63);
            rises = rises << 1 | rise;
            falls = falls << 1 | fall;
            (rise, fall) = out;
            *up = falls | !(vertical | rises);
            *down = rises & vertical;
        }
    }
    distance
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::words::number;
    use proptest::prelude::*;

    fn chars(a: &str, b: &str) -> (Vec<u32>, Vec<u32>) {
        let n = number(a.chars(), b.chars());
        (n.a, n.b)
    }

    /// The whole table, cell by cell.
    fn plain(a: &[u32], b: &[u32]) -> (usize, usize) {
        let mut lcs = vec![vec![0; b.len() + 1]; a.len() + 1];
        let mut edit: Vec<Vec<usize>> = (0..=a.len()).map(|i| (i..=i + b.len()).collect()).collect();
        for i in 1..=a.len() {
            for j in 1..=b.len() {
                let same = a[i - 1] == b[j - 1];
                lcs[i][j] = if same { lcs[i - 1][j - 1] + 1 } else { lcs[i - 1][j].max(lcs[i][j - 1]) };
                let replaced = edit[i - 1][j - 1] + usize::from(!same);
                edit[i][j] = replaced.min(edit[i - 1][j] + 1).min(edit[i][j - 1] + 1);
            }
        }
        (lcs[a.len()][b.len()], edit[a.len()][b.len()])
    }

    #[test]
    fn known_pairs() {
        for (a, b, common, edits) in
            [("kitten", "sitting", 4, 3), ("", "abc", 0, 3), ("abc", "abc", 3, 0), ("abcd", "acbd", 3, 2)]
        {
            let (x, y) = chars(a, b);
            assert_eq!((lcs(&x, &y), edit_distance(&x, &y)), (common, edits), "{a} {b}");
        }
    }

    proptest! {
        #[test]
        fn equal_to_the_whole_table(
            a in prop::collection::vec(0u32..4, 0..200),
            b in prop::collection::vec(0u32..5, 0..200),
        ) {
            prop_assert_eq!((lcs(&a, &b), edit_distance(&a, &b)), plain(&a, &b));
            prop_assert_eq!((lcs(&b, &a), edit_distance(&b, &a)), (lcs(&a, &b), edit_distance(&a, &b)));
        }
    }
}
