//! Runs the public conformance cases: `conformance/*.jsonl` at the root of the repository, one case a
//! line. `conformance/README.md` says what a line holds.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use eyas_core::{Score, TokenSpan};
use eyas_reward::{Around, ParamValue, Progress, Response, RewardSpec, Sample, find, needs, rewards};
use serde::Deserialize;
use serde_json::{Map, Value};

/// One line.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    id: String,
    reward: String,
    #[serde(default)]
    params: BTreeMap<String, ParamValue>,
    /// One response, or the responses to one prompt.
    #[serde(default)]
    response: Option<String>,
    #[serde(default)]
    responses: Vec<String>,
    gold: Value,
    #[serde(default)]
    fields: Map<String, Value>,
    /// For each of `responses`, instead of `fields`.
    #[serde(default)]
    fields_each: Vec<Map<String, Value>>,
    #[serde(default)]
    step: u64,
    #[serde(default)]
    steps: u64,
    expect: Expect,
    #[serde(default = "tolerance")]
    tolerance: f32,
    /// Why this is right.
    why: String,
    /// Where it was got wrong; empty when nowhere that we know of.
    #[serde(default)]
    #[allow(dead_code, reason = "for readers")]
    seen: String,
}

fn tolerance() -> f32 {
    1e-5
}

/// What a case asks for.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum Expect {
    Value(f32),
    Values(Vec<f32>),
    Invalid { invalid: String },
    AtMost { at_most: f32 },
}

fn check(score: &Score, expect: &Expect, tolerance: f32) -> Result<(), String> {
    match (score, expect) {
        (Score::Ok(v), Expect::Value(e)) if (v - e).abs() <= tolerance => Ok(()),
        (Score::Ok(v), Expect::AtMost { at_most }) if *v <= at_most + tolerance => Ok(()),
        (Score::Invalid(reason), Expect::Invalid { invalid }) => {
            let reason = serde_json::to_value(reason).unwrap()["reason"].clone();
            if reason == invalid.as_str() { Ok(()) } else { Err(format!("invalid: {reason}")) }
        }
        (score, _) => Err(format!("{score:?}")),
    }
}

fn run(case: &Case) -> Result<(), String> {
    let spec = RewardSpec::new(&case.reward, 1.0, TokenSpan::All, &case.params).map_err(|e| e.to_string())?;
    let texts: Vec<&str> = match &case.response {
        Some(one) => vec![one],
        None => case.responses.iter().map(String::as_str).collect(),
    };
    let responses: Vec<Response<'_>> = texts.iter().map(|t| Response::parse(t)).collect();
    let progress = Progress { step: case.step, steps: case.steps };
    let fields = |i: usize| case.fields_each.get(i).unwrap_or(&case.fields);
    let samples: Vec<Sample<'_>> = responses
        .iter()
        .enumerate()
        .map(|(i, response)| Sample {
            response,
            gold: &case.gold,
            fields: fields(i),
            progress,
            around: Around::default(),
        })
        .collect();
    let scores = spec.score_samples(&samples);
    let expect = match &case.expect {
        Expect::Values(values) => values.iter().map(|v| Expect::Value(*v)).collect(),
        one => vec![one.clone(); scores.len()],
    };
    if scores.len() != expect.len() || scores.is_empty() {
        return Err(format!("{} scores for {} expected", scores.len(), expect.len()));
    }
    scores.iter().zip(&expect).try_for_each(|(score, expect)| check(score, expect, case.tolerance))
}

/// Without a field that a reward declares there is no score; without the others there is the same one, unless
/// they were optional.
#[test]
fn declared_fields_are_those_that_are_read() {
    const OPTIONAL: [&str; 13] = [
        "options",
        "target_tokens",
        "duration",
        "image_width",
        "image_height",
        "tool_ok",
        "first_correct",
        "second_correct",
        "question_type",
        "labels",
        "terms",
        "prompt",
        "total_frames",
    ];
    let (mut dropped, mut missed) = (BTreeMap::<String, usize>::new(), Vec::new());
    for (at, case) in cases() {
        let info = find(&case.reward).unwrap();
        if case.reward == "compose" || run(&case).is_err() || matches!(case.expect, Expect::Invalid { .. }) {
            continue;
        }
        let all: BTreeSet<String> =
            case.fields.keys().chain(case.fields_each.iter().flat_map(Map::keys)).cloned().collect();
        for field in all {
            let mut less =
                Case { expect: Expect::Invalid { invalid: "not_applicable".into() }, ..case.clone() };
            less.fields.remove(&field);
            less.fields_each.iter_mut().for_each(|fields| drop(fields.remove(&field)));
            let needed = needs(info.name).contains(&field.as_str());
            if needed && run(&less).is_ok() {
                *dropped.entry(info.name.to_string()).or_default() += 1;
            }
            let same = Case { expect: case.expect.clone(), ..less };
            if !needed && !OPTIONAL.contains(&field.as_str()) && run(&same).is_err() {
                missed.push(format!("{at}: {} reads {field:?} and does not say so", info.name));
            }
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
    let silent: Vec<&str> = rewards()
        .iter()
        .map(|r| r.name)
        .filter(|n| !needs(n).is_empty() && !dropped.contains_key(*n))
        .collect();
    assert_eq!(silent, Vec::<&str>::new(), "no case shows that they need what they declare");
}

/// Every case, with its place.
fn cases() -> Vec<(String, Case)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../conformance");
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "jsonl"));
    files.sort();
    let mut cases = Vec::new();
    for path in &files {
        let text = std::fs::read_to_string(path).unwrap();
        for (line, json) in text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
            let at = format!("{}:{}", path.file_name().unwrap().display(), line + 1);
            let case = serde_json::from_str(json).unwrap_or_else(|e| panic!("{at}: {e}"));
            cases.push((at, case));
        }
    }
    cases
}

#[test]
fn every_case_gets_its_score() {
    let (mut ids, mut failures) = (BTreeSet::new(), Vec::new());
    for (at, case) in cases() {
        assert!(ids.insert(case.id.clone()), "{at}: the id {:?} is there twice", case.id);
        assert!(!case.why.is_empty(), "{at}: no reason given");
        if let Err(error) = run(&case) {
            failures.push(format!("{at} {}: {error}", case.id));
        }
    }
    println!("{} cases", ids.len());
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), ids.len(), failures.join("\n"));
}
