//! Putting things in order.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::boxes::lenient::{Kind, read};
use crate::{Sample, bad_gold};
use eyas_core::Score;

/// More items are refused.
const MAX_ITEMS: usize = 10_000;
/// Longer items are cut.
const MAX_ITEM: usize = 200;

/// The number of pairs of `order` that are the wrong way round, by merging; `order` holds each of
/// `0..n` once.
pub fn inversions(order: &[usize]) -> u64 {
    let mut from = order.to_vec();
    let (mut count, mut width) = (0u64, 1);
    while width < from.len() {
        let mut to = Vec::with_capacity(from.len());
        for pair in from.chunks(2 * width) {
            let (left, right) = pair.split_at(width.min(pair.len()));
            let (mut i, mut j) = (0, 0);
            while let Some(l) = left.get(i) {
                match right.get(j).filter(|r| *r < l) {
                    Some(r) => {
                        to.push(*r);
                        j += 1;
                        count += (left.len() - i) as u64;
                    }
                    None => {
                        to.push(*l);
                        i += 1;
                    }
                }
            }
            to.extend(right.get(j..).unwrap_or(&[]));
        }
        from = to;
        width *= 2;
    }
    count
}

/// The share of pairs that are in the right order, 0 to 1; 1 for fewer than two items.
pub fn pairwise(order: &[usize]) -> f64 {
    let pairs = order.len() as f64 * (order.len() as f64 - 1.0) / 2.0;
    if pairs > 0.0 { 1.0 - inversions(order) as f64 / pairs } else { 1.0 }
}

fn normal(text: &str) -> String {
    let short: String = text.chars().take(MAX_ITEM).collect();
    short.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// The items of an answer: those of its last list, else what stands between commas, arrows, semicolons
/// and line ends, else its words.
fn items(text: &str) -> Vec<String> {
    let forest = read(text);
    let plain = |n: &&crate::boxes::lenient::Node<'_>| n.kind == Kind::List && n.complete;
    if let Some(list) = forest.roots().rfind(plain) {
        let word = |n: &crate::boxes::lenient::Node<'_>| match &n.kind {
            Kind::Number(v) => v.to_string(),
            Kind::Text(text) => normal(text),
            _ => String::new(),
        };
        return forest.children(list).take(MAX_ITEMS + 1).map(word).collect();
    }
    let pieces = |split: fn(char) -> bool| -> Vec<String> {
        let pieces = text.split(split).map(normal).filter(|p| !p.is_empty());
        pieces.take(MAX_ITEMS + 1).map(number_form).collect()
    };
    let separated = pieces(|c| matches!(c, ',' | ';' | '>' | '→' | '\n'));
    if separated.len() > 1 { separated } else { pieces(char::is_whitespace) }
}

/// Numbers in one form, and the line of an arrow dropped.
fn number_form(text: String) -> String {
    let text = text.trim_end_matches(['-', '=', ' ', '.']);
    crate::boxes::lenient::ascii_number(text).map_or_else(|| text.to_string(), |v| v.to_string())
}

/// The answer as positions in the right order, or `None` when it is no permutation of the items.
pub(super) fn permutation(sample: &Sample<'_>) -> Result<Option<Vec<usize>>, Score> {
    let gold = sample.gold.as_array().filter(|items| !items.is_empty() && items.len() <= MAX_ITEMS);
    let gold = gold.ok_or_else(|| bad_gold("the ground truth is not a list of items"))?;
    let mut places = BTreeMap::new();
    for (place, item) in gold.iter().enumerate() {
        let name = match item {
            Value::String(text) => number_form(normal(text)),
            Value::Number(v) => v.as_f64().unwrap_or(f64::NAN).to_string(),
            _ => return Err(bad_gold("an item of the ground truth is neither text nor number")),
        };
        if places.insert(name, place).is_some() {
            return Err(bad_gold("an item of the ground truth is there twice"));
        }
    }
    let said = items(sample.answer().unwrap_or(""));
    if said.len() != gold.len() {
        return Ok(None);
    }
    // Taking each place away makes a repeated item miss.
    Ok(said.into_iter().map(|name| places.remove(&number_form(name))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn order_by_hand() {
        assert_eq!((inversions(&[0, 1, 2]), inversions(&[2, 1, 0]), inversions(&[])), (0, 3, 0));
        assert_eq!(pairwise(&[1, 0, 2, 3, 4]), 0.9);
        assert_eq!((pairwise(&[0]), pairwise(&[1, 0])), (1.0, 0.0));
    }

    #[test]
    fn items_are_found() {
        for text in [
            "3, 1, 2",
            "so: [3, 1, 2]",
            "3 > 1 > 2",
            "3 -> 1 -> 2",
            "3→1→2",
            "3 1 2",
            "['3', '1', '2']",
            "3\n1\n2.",
        ] {
            assert_eq!(items(text), ["3", "1", "2"], "{text}");
        }
        assert_eq!(items("cut the bread; Put on  cheese"), ["cut the bread", "put on cheese"]);
    }

    proptest! {
        #[test]
        fn merging_counts_what_trying_counts(order in Just((0..12usize).collect::<Vec<_>>()).prop_shuffle()) {
            let slow = (0..12).flat_map(|i| (i + 1..12).map(move |j| (i, j)));
            let slow = slow.filter(|(i, j)| order[*i] > order[*j]).count() as u64;
            prop_assert_eq!(inversions(&order), slow);
            let back: Vec<_> = order.iter().rev().copied().collect();
            prop_assert!((pairwise(&order) + pairwise(&back) - 1.0).abs() < 1e-12);
        }
    }
}
