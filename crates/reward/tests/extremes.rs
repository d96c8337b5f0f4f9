//! Every conformance case with its numbers replaced by extreme ones: no score that is not finite, none outside
//! the reward's range, and a reward that cannot cope says which it is.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;

use eyas_core::{Invalid, Score, TokenSpan};
use eyas_reward::{Around, ParamValue, Progress, Response, RewardSpec, Sample, Scorer};
use serde_json::{Map, Value, json};

/// What numbers become, as JSON writes them.
const EXTREMES: [&str; 9] = [
    "1e308",
    "-1e308",
    "5e-324",
    "3.5e38",
    "0",
    "-1",
    "18446744073709551615",
    "-9223372036854775808",
    "1e-300",
];

/// `value` with its numbers replaced by `first` and `second` in turn.
fn replaced(value: &Value, first: &Value, second: &Value, turn: &mut bool) -> Value {
    match value {
        Value::Number(_) => {
            *turn = !*turn;
            if *turn { first.clone() } else { second.clone() }
        }
        Value::Array(items) => items.iter().map(|v| replaced(v, first, second, turn)).collect(),
        Value::Object(map) => map
            .iter()
            .map(|(k, v)| (k.clone(), replaced(v, first, second, turn)))
            .collect::<Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

/// `text` with every run of digits replaced by `number`.
fn rewritten(text: &str, number: &str) -> String {
    let mut out = String::new();
    let mut digits = false;
    for c in text.chars() {
        if !c.is_ascii_digit() {
            out.push(c);
        } else if !digits {
            out.push_str(number);
        }
        digits = c.is_ascii_digit();
    }
    out
}

/// Scores `said` and checks every score.
fn check(spec: &RewardSpec, said: &[String], gold: &Value, fields: &Map<String, Value>) {
    let responses: Vec<_> = said.iter().map(|text| Response::parse(text)).collect();
    let progress = Progress { step: u64::MAX, steps: 1 };
    let samples: Vec<_> = responses
        .iter()
        .map(|response| Sample { response, gold, fields, progress, around: Around::default() })
        .collect();
    let (low, high) = spec.info().range.unwrap_or((f32::MIN, f32::MAX));
    for score in spec.score_samples(&samples) {
        let name = spec.name();
        let place = || format!("{name}: {score:?} for {said:?}, {gold}, {fields:?}");
        match &score {
            Score::Ok(value) => assert!((low..=high).contains(value), "{}", place()),
            Score::Invalid(Invalid::NonFinite) => panic!("no name: {}", place()),
            Score::Invalid(Invalid::Crash { detail }) if detail.contains("finite") => {
                assert!(detail.contains(name) || name == "compose", "{}", place());
            }
            Score::Invalid(_) => {}
        }
    }
}

#[test]
fn extreme_numbers_everywhere() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    paths.retain(|p| p.extension().is_some_and(|e| e == "jsonl"));
    paths.sort();
    let mut cases = 0;
    for path in paths {
        for line in std::fs::read_to_string(path).unwrap().lines() {
            let case: Value = serde_json::from_str(line).unwrap();
            let params = case.get("params").cloned().unwrap_or_else(|| json!({}));
            let params: BTreeMap<String, ParamValue> = serde_json::from_value(params).unwrap();
            let name = case["reward"].as_str().unwrap();
            let spec = RewardSpec::new(name, 1.0, TokenSpan::All, &params).unwrap();
            if matches!(spec.info().score, Scorer::Episode(_)) {
                continue;
            }
            let one = case["response"].as_str().into_iter().map(String::from);
            let many = case["responses"].as_array().into_iter().flatten().map(|r| r.as_str().unwrap().into());
            let said: Vec<String> = one.chain(many).filter(|text: &String| text.len() < 2_000).collect();
            let fields = case.get("fields").cloned().unwrap_or_else(|| json!({}));
            for (n, text) in EXTREMES.iter().enumerate() {
                let first: Value = serde_json::from_str(text).unwrap();
                let second: Value = serde_json::from_str(EXTREMES[(n * 2 + 1) % EXTREMES.len()]).unwrap();
                let change = |value: &Value| replaced(value, &first, &second, &mut false);
                let (wild_gold, wild_fields) = (change(&case["gold"]), change(&fields));
                let wild: Vec<String> = said.iter().map(|t| rewritten(t, text)).collect();
                let (fields, wild_fields) = (fields.as_object().unwrap(), wild_fields.as_object().unwrap());
                check(&spec, &said, &wild_gold, fields);
                check(&spec, &said, &case["gold"], wild_fields);
                check(&spec, &wild, &case["gold"], fields);
                check(&spec, &wild, &wild_gold, wild_fields);
            }
            cases += 1;
        }
    }
    assert!(cases > 1_000, "{cases} cases");
}
