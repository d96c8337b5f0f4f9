//! Compares our verdicts with those of math-verify 0.9.0 on seeded pairs, as recorded by
//! `scripts/peers/math_verify_pairs.py`.
//!
//! Every disagreement is in `fixtures/math_verify_disagreements.jsonl` with one line of argument; a
//! disagreement that is not there fails, and so does one that is there and is none.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use eyas_reward::math::{MathError, Options, equivalent};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pair {
    family: String,
    gold: String,
    answer: String,
    /// What the maker of the pair knows.
    truth: bool,
    /// What math-verify says; `None` where it raised.
    math_verify: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Disagreement {
    gold: String,
    answer: String,
    ours: bool,
    why: String,
}

fn fixture(name: &str) -> String {
    let path = format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn verdicts_agree_but_for_a_list() {
    let mut listed = BTreeMap::new();
    for line in fixture("math_verify_disagreements.jsonl").lines() {
        let entry: Disagreement = serde_json::from_str(line).unwrap();
        assert!(entry.why.len() > 20, "{line}: no argument given");
        assert!(listed.insert((entry.gold, entry.answer), entry.ours).is_none(), "{line}: twice");
    }
    let (mut count, mut problems) = (0, Vec::new());
    let mut families: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for line in fixture("math_verify.jsonl").lines() {
        let pair: Pair = serde_json::from_str(line).unwrap();
        let ours = equivalent(&pair.gold, &pair.answer, Options::default());
        let back = equivalent(&pair.answer, &pair.gold, Options::default());
        let at = format!("{} {:?} {:?} ours {ours:?}", pair.family, pair.gold, pair.answer);
        count += 1;
        // A false statement such as 2+2=5 is a wrong answer, and no ground truth.
        if ours != back && !matches!(back, Err(MathError::Gold(_))) {
            problems.push(format!("not symmetric: {at} back {back:?}"));
        }
        if ours != Ok(pair.truth) {
            problems.push(format!("not what it was made to be: {at}"));
        }
        let key = (pair.gold.clone(), pair.answer.clone());
        let agree = ours.clone().ok() == pair.math_verify;
        let entry = families.entry(pair.family.clone()).or_default();
        entry.0 += 1;
        entry.1 += usize::from(agree);
        match (agree, listed.remove(&key)) {
            (true, None) => {}
            (false, Some(said)) if ours == Ok(said) => {}
            (true, Some(_)) => problems.push(format!("listed, but they agree: {at}")),
            (false, _) => problems.push(format!("disagree: {at} math-verify {:?}", pair.math_verify)),
        }
    }
    for key in listed.keys() {
        problems.push(format!("listed, but no pair: {key:?}"));
    }
    println!("{count} pairs; agreement by family: {families:?}");
    assert!(count >= 1_500, "only {count} pairs");
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}
