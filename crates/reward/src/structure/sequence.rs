//! Longest common subsequences and edit distances of short sequences.

use std::collections::HashMap;
use std::hash::Hash;

/// Length of the longest common subsequence, 64 places at a time: `|a| × |b| / 64` steps.
pub fn lcs<T: Eq + Hash>(a: &[T], b: &[T]) -> usize {
    let words = a.len().div_ceil(64);
    let mut places: HashMap<&T, Vec<u64>> = HashMap::new();
    for (i, item) in a.iter().enumerate() {
        if let Some(word) = places.entry(item).or_insert_with(|| vec![0; words]).get_mut(i / 64) {
            *word |= 1 << (i % 64);
        }
    }
    // A bit of `open` is 0 where the row of the usual table steps up by one.
    let mut open = vec![u64::MAX; words];
    for item in b {
        let Some(matches) = places.get(item) else { continue };
        let mut carry = false;
        for (word, matches) in open.iter_mut().zip(matches) {
            let hits = *word & matches;
            let (sum, over) = word.overflowing_add(hits);
            let (sum, over2) = sum.overflowing_add(u64::from(carry));
            carry = over | over2;
            *word = sum | (*word & !matches);
        }
    }
    let last = a.len() % 64;
    let counted = |(i, word): (usize, &u64)| {
        let mask = if i + 1 == words && last != 0 { (1 << last) - 1 } else { u64::MAX };
        (!word & mask).count_ones() as usize
    };
    open.iter().enumerate().map(counted).sum()
}

/// Twice the common subsequence over both lengths: 1 for equal sequences, also for two empty ones; order
/// counts, and what is missing and what is too much both cost.
pub fn ordered_f1<T: Eq + Hash>(a: &[T], b: &[T]) -> f64 {
    match a.len() + b.len() {
        0 => 1.0,
        both => 2.0 * lcs(a, b) as f64 / both as f64,
    }
}

/// A text of at most 64 characters, made ready to be compared with many others.
#[derive(Clone, Debug)]
pub struct Pattern {
    chars: Vec<char>,
    ascii: Box<[u64; 128]>,
    other: Vec<(char, u64)>,
}

impl Pattern {
    /// The first 64 characters of `text`.
    pub fn new(text: &str) -> Self {
        let chars: Vec<char> = text.chars().take(64).collect();
        let (mut ascii, mut other) = (Box::new([0u64; 128]), Vec::<(char, u64)>::new());
        for (i, &c) in chars.iter().enumerate() {
            match ascii.get_mut(c as usize) {
                Some(bits) => *bits |= 1 << i,
                None => match other.iter_mut().find(|(o, _)| *o == c) {
                    Some((_, bits)) => *bits |= 1 << i,
                    None => other.push((c, 1 << i)),
                },
            }
        }
        Self { chars, ascii, other }
    }

    /// Levenshtein distance to `text`'s first 64 characters.
    pub fn distance(&self, text: &Self) -> usize {
        let n = self.chars.len();
        if n == 0 {
            return text.chars.len();
        }
        let (mut up, mut down, mut distance) = (u64::MAX, 0u64, n);
        let top = 1u64 << (n - 1);
        for &c in &text.chars {
            let eq = match self.ascii.get(c as usize) {
                Some(bits) => *bits,
                None => self.other.iter().find(|(o, _)| *o == c).map_or(0, |(_, bits)| *bits),
            };
            let diagonal = (((eq & up).wrapping_add(up)) ^ up) | eq | down;
            let mut plus = down | !(diagonal | up);
            let mut minus = up & diagonal;
            distance += usize::from(plus & top != 0);
            distance -= usize::from(minus & top != 0);
            plus = (plus << 1) | 1;
            minus <<= 1;
            up = minus | !((diagonal) | plus);
            down = plus & diagonal;
        }
        distance
    }

    /// The distance over the longer length: 0 for equal texts, also for two empty ones, 1 for texts with
    /// nothing in common.
    pub fn normalised(&self, text: &Self) -> f64 {
        match self.chars.len().max(text.chars.len()) {
            0 => 0.0,
            longer => self.distance(text) as f64 / longer as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn slow_lcs(a: &[u8], b: &[u8]) -> usize {
        let mut row = vec![0usize; b.len() + 1];
        for x in a {
            let mut diagonal = 0;
            for (j, y) in b.iter().enumerate() {
                let above = row[j + 1];
                row[j + 1] = if x == y { diagonal + 1 } else { above.max(row[j]) };
                diagonal = above;
            }
        }
        row[b.len()]
    }

    #[test]
    fn known_values() {
        assert_eq!(lcs(b"ABCBDAB", b"BDCABA"), 4);
        assert_eq!(ordered_f1::<u8>(&[], &[]), 1.0);
        assert_eq!(ordered_f1(b"ab", b""), 0.0);
        assert_eq!(Pattern::new("kitten").distance(&Pattern::new("sitting")), 3);
        assert_eq!(Pattern::new("").distance(&Pattern::new("日本")), 2);
        assert_eq!(Pattern::new("日本").normalised(&Pattern::new("日木")), 0.5);
    }

    proptest! {
        #[test]
        fn as_the_table_says(a in prop::collection::vec(0u8..4, 0..200), b in prop::collection::vec(0u8..4, 0..200)) {
            prop_assert_eq!(lcs(&a, &b), slow_lcs(&a, &b));
            prop_assert_eq!(ordered_f1(&a, &b), ordered_f1(&b, &a));
        }

        #[test]
        fn distances_are_levenshtein(a in "[abé日]{0,64}", b in "[abé日]{0,64}") {
            prop_assert_eq!(Pattern::new(&a).distance(&Pattern::new(&b)), strsim::levenshtein(&a, &b));
        }
    }
}
