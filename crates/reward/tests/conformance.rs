//! Runs the public conformance cases: `conformance/*.jsonl` at the root of the repository, one case a
//! line. `conformance/README.md` says what a line holds.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use eyas_core::{Score, TokenSpan};
use eyas_reward::{Around, ParamValue, Progress, Response, RewardSpec, Sample};
use serde::Deserialize;
use serde_json::{Map, Value};

/// One line.
#[derive(Deserialize)]
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
        .map(|(i, response)| Sample { response, gold: &case.gold, fields: fields(i), progress, around: Around::default() })
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

#[test]
fn every_case_gets_its_score() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../conformance");
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "jsonl"));
    files.sort();
    let (mut ids, mut failures) = (BTreeSet::new(), Vec::new());
    for path in &files {
        let text = std::fs::read_to_string(path).unwrap();
        for (line, json) in text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
            let at = format!("{}:{}", path.file_name().unwrap().display(), line + 1);
            let case: Case = serde_json::from_str(json).unwrap_or_else(|e| panic!("{at}: {e}"));
            assert!(ids.insert(case.id.clone()), "{at}: the id {:?} is there twice", case.id);
            assert!(!case.why.is_empty(), "{at}: no reason given");
            if let Err(error) = run(&case) {
                failures.push(format!("{at} {}: {error}", case.id));
            }
        }
    }
    println!("{} cases in {} files", ids.len(), files.len());
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), ids.len(), failures.join("\n"));
}
