//! Orders: jigsaw pieces, frames, steps.
//!
//! An order must be a permutation of the ids of the ground truth. Published code scores the places
//! without asking for that, so that `1 2 3 1 2 3 1 2 3` earns half of the adjacencies of a 3 × 3 jigsaw.

use std::collections::HashMap;

use eyas_core::Score;
use serde_json::Value;

use crate::{ParamInfo, Params, RewardInfo, Sample, Scorer, bad_gold};

/// Most ids in an order.
pub const MAX_IDS: usize = 4096;

/// The reward as recipes name it.
pub(crate) const INFO: RewardInfo = RewardInfo {
    name: "permutation",
    family: "structure",
    doc: "the ids in the right order; an answer that is no permutation of them earns nothing",
    source: "Jigsaw-R1 (patches, connections), which does not check for a permutation; ENACT aligns changes of scenes, not pairs",
    gold: "list of distinct ids, or list of the rows of a grid",
    range: Some((0.0, 1.0)),
    params: &[
        ParamInfo::choice(
            "form",
            &["exact", "places", "adjacency", "pairs"],
            "all or nothing; share of ids in place, of neighbours kept in the grid, of pairs in order",
        ),
        ParamInfo::number(
            "columns",
            0.0,
            4096.0,
            0.0,
            "columns of the grid; 0 for those of the ground truth, else of one row",
        ),
    ],
    score: Scorer::Sample(score),
};

/// The whole numbers of `text`, apart by blanks, commas, semicolons or brackets. `None` when anything
/// else stands there, when there is none, or more than [`MAX_IDS`].
pub fn ids(text: &str) -> Option<Vec<u64>> {
    let between = |c: char| c.is_ascii_whitespace() || ",;[]()".contains(c);
    let words = text.split(between).filter(|w| !w.is_empty()).take(MAX_IDS + 1);
    let ids: Vec<u64> = words.map(id).collect::<Option<_>>()?;
    (1..=MAX_IDS).contains(&ids.len()).then_some(ids)
}

fn id(word: &str) -> Option<u64> {
    let plain = word.len() <= 15 && word.bytes().all(|c| c.is_ascii_digit());
    if plain { word.parse().ok() } else { None }
}

/// Where each id of `order` stands, or `None` when `order` has an id twice.
fn places(order: &[u64]) -> Option<HashMap<u64, usize>> {
    let places: HashMap<u64, usize> = order.iter().enumerate().map(|(at, id)| (*id, at)).collect();
    (places.len() == order.len()).then_some(places)
}

/// The places in `gold` of the ids of `said`, in the order of `said`; `None` when `said` is no
/// permutation of `gold`.
fn as_places(said: &[u64], gold: &[u64]) -> Option<Vec<usize>> {
    let at = places(gold)?;
    places(said)?;
    let found: Option<Vec<usize>> = said.iter().map(|id| at.get(id).copied()).collect();
    found.filter(|f| f.len() == gold.len())
}

/// The share of ids that stand where they do in `gold`; 0 when `said` is no permutation of it.
pub fn in_place(said: &[u64], gold: &[u64]) -> f64 {
    let Some(at) = as_places(said, gold) else { return 0.0 };
    share(at.iter().enumerate().filter(|(i, p)| i == *p).count(), at.len())
}

/// The share of neighbours, side by side or one above the other in a grid of `columns`, that are such
/// neighbours in `gold` too; there are `2mn - m - n` in an m × n grid. 0 when `said` is no permutation,
/// or the grid is not full. A grid of one cell is right.
pub fn adjacency(said: &[u64], gold: &[u64], columns: usize) -> f64 {
    let Some(at) = as_places(said, gold) else { return 0.0 };
    if columns == 0 || !at.len().is_multiple_of(columns) {
        return 0.0;
    }
    let (mut kept, mut all) = (0, 0);
    for (i, &place) in at.iter().enumerate() {
        let next = |step: usize| at.get(i + step).copied();
        if (i + 1) % columns != 0 {
            all += 1;
            kept += usize::from(next(1) == Some(place + 1) && (place + 1) % columns != 0);
        }
        if i + columns < at.len() {
            all += 1;
            kept += usize::from(next(columns) == Some(place + columns));
        }
    }
    share(kept, all)
}

/// The share of pairs that stand in the same order as in `gold`; 0 when `said` is no permutation. The
/// reverse order earns 0 and a random one 1/2. Time `n log n`.
pub fn pairs_in_order(said: &[u64], gold: &[u64]) -> f64 {
    let Some(at) = as_places(said, gold) else { return 0.0 };
    let n = at.len();
    // A Fenwick tree over places counts those already seen to the left.
    let mut tree = vec![0usize; n + 1];
    let mut ordered = 0;
    for &place in &at {
        let mut i = place;
        while i > 0 {
            ordered += tree.get(i).copied().unwrap_or(0);
            i &= i - 1;
        }
        let mut i = place + 1;
        while let Some(count) = tree.get_mut(i) {
            *count += 1;
            i += i & i.wrapping_neg();
        }
    }
    share(ordered, n * n.saturating_sub(1) / 2)
}

/// `part` of `all`; 1 when there is nothing to get wrong.
fn share(part: usize, all: usize) -> f64 {
    if all == 0 { 1.0 } else { part as f64 / all as f64 }
}

/// The ids of the ground truth, and its columns where it is written as rows.
fn read_gold(gold: &Value) -> Option<(Vec<u64>, Option<usize>)> {
    if let Some(text) = gold.as_str() {
        return Some((ids(text)?, None));
    }
    let rows = gold.as_array()?;
    let whole = |row: &Value| -> Option<Vec<u64>> { row.as_array()?.iter().map(Value::as_u64).collect() };
    if rows.first()?.is_array() {
        let rows: Vec<Vec<u64>> = rows.iter().map(whole).collect::<Option<_>>()?;
        let columns = rows.first()?.len();
        let even = columns > 0 && rows.iter().all(|row| row.len() == columns);
        return even.then(|| (rows.concat(), Some(columns)));
    }
    Some((whole(gold)?, None))
}

fn score(sample: &Sample<'_>, params: &Params) -> Score {
    let Some((gold, columns)) = read_gold(sample.gold) else {
        return bad_gold("the ground truth is no list of ids");
    };
    if gold.len() > MAX_IDS || places(&gold).is_none() {
        return bad_gold("the ground truth has an id twice, or too many");
    }
    let columns = match params.count("columns") {
        0 => columns.unwrap_or(gold.len()),
        given => given,
    };
    let grid = params.text("form") == "adjacency";
    if grid && (columns == 0 || !gold.len().is_multiple_of(columns)) {
        return bad_gold(format!("{} ids do not fill rows of {columns}", gold.len()));
    }
    let Some(said) = sample.answer().and_then(ids) else { return Score::Ok(0.0) };
    let value = match params.text("form") {
        "places" => in_place(&said, &gold),
        "adjacency" => adjacency(&said, &gold, columns),
        "pairs" => pairs_in_order(&said, &gold),
        _ => f64::from(said == gold),
    };
    Score::from_value(value as f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ids_are_plain_whole_numbers() {
        assert_eq!(ids("[1, 2\n 3]"), Some(vec![1, 2, 3]));
        for bad in ["", "1 two", "1.5", "-1 2", "١ ٢", "1e3", &"1".repeat(20)] {
            assert_eq!(ids(bad), None, "{bad}");
        }
        assert!(ids(&"1 ".repeat(1_000_000)).is_none());
    }

    #[test]
    fn known_values() {
        let gold = [1, 2, 3, 4];
        assert_eq!(in_place(&[2, 1, 3, 4], &gold), 0.5);
        // 2x2: rows (1 2) and (3 4), columns (1 3) and (2 4); the rows swapped keep both rows.
        assert_eq!(adjacency(&[3, 4, 1, 2], &gold, 2), 0.5);
        assert_eq!(adjacency(&gold, &gold, 2), 1.0);
        // 2 follows 1 across the end of a row: no neighbours in the grid.
        assert_eq!(adjacency(&[4, 2, 3, 1], &gold, 2), 0.0);
        assert_eq!(pairs_in_order(&[4, 3, 2, 1], &gold), 0.0);
        assert_eq!(pairs_in_order(&[2, 1, 3, 4], &gold), 5.0 / 6.0);
        let nine: Vec<u64> = (1..=9).collect();
        assert_eq!(adjacency(&[1, 2, 3, 1, 2, 3, 1, 2, 3], &nine, 3), 0.0);
    }

    proptest! {
        #[test]
        fn shares_lie_in_range_and_are_full_only_for_the_order(
            said in Just((0u64..12).collect::<Vec<_>>()).prop_shuffle(),
        ) {
            let gold: Vec<u64> = (0..12).collect();
            for value in [in_place(&said, &gold), adjacency(&said, &gold, 4), pairs_in_order(&said, &gold)] {
                prop_assert!((0.0..=1.0).contains(&value));
                prop_assert_eq!(value == 1.0, said == gold);
            }
            let mut twice = said.clone();
            twice[0] = twice[1];
            prop_assert_eq!(in_place(&twice, &gold), 0.0);
            let back: Vec<u64> = said.iter().rev().copied().collect();
            let sum = pairs_in_order(&said, &gold) + pairs_in_order(&back, &gold);
            prop_assert!((sum - 1.0).abs() < 1e-12);
        }
    }
}
