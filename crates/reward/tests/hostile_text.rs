//! Every reward of single responses and of groups on texts and ground truths that nobody meant: no panic,
//! no score outside its range. How long they take is an ignored test, as a loaded machine would fail it; work
//! that grows with the square of a length would make the others seem to hang.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use eyas_core::Score;
use eyas_reward::{Around, Progress, Response, RewardInfo, RewardSpec, Sample, Scorer, rewards};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

const FAMILIES: [&str; 6] = ["answer", "text", "length", "constraints", "ranking", "format"];

fn ours() -> impl Iterator<Item = &'static RewardInfo> {
    rewards()
        .iter()
        .filter(|info| FAMILIES.contains(&info.family) && !matches!(info.score, Scorer::Episode(_)))
}

fn golds() -> Vec<Value> {
    vec![
        Value::Null,
        json!(true),
        json!(0),
        json!(-1.5e300),
        json!("red"),
        json!("B"),
        json!("yes"),
        json!("2024-03-05"),
        json!(""),
        json!("9".repeat(5000)),
        json!([]),
        json!(["a", "b", 3]),
        json!([null, [1], {}]),
        json!({"a": 1, "b": {"c": [1, 2, "x"]}}),
        json!({"a": 60, "b": 0}),
        json!([{"id": "punctuation:no_comma"}, {"id": "startend:quotation"}]),
        json!([{"id": "keywords:existence", "args": {"keywords": ["a", "<", "\u{130}"]}}]),
        json!({"instruction_id_list": ["detectable_format:title"], "kwargs": [{}]}),
    ]
}

fn field_sets() -> Vec<Map<String, Value>> {
    [
        json!({}),
        json!({"tokens": 700, "correct": true, "candidates": 3, "options": ["red", "blue"]}),
        json!({"tokens": u64::MAX, "correct": 0.5, "candidates": u64::MAX, "options": {"A": "red"}, "target_tokens": 0}),
        json!({"tokens": -1, "correct": "yes", "candidates": 0, "options": [], "target_tokens": "x"}),
        json!({"tokens": 1.5, "correct": 1e300, "candidates": [], "options": 5}),
    ]
    .into_iter()
    .map(|fields| fields.as_object().unwrap().clone())
    .collect()
}

fn check(text: &str) -> Result<(), String> {
    ours().try_for_each(|info| slowest(info, text, &field_sets()).map(|_| ()))
}

/// The longest time that the reward takes for a group of three, and the ground truth it takes it for.
fn slowest(
    info: &'static RewardInfo,
    text: &str,
    sets: &[Map<String, Value>],
) -> Result<(Duration, Value), String> {
    let other = "<think>t</think><answer>red</answer>";
    let responses = [Response::parse(text), Response::parse(other), Response::parse(text)];
    let spec = RewardSpec::of(info);
    let mut slowest = (Duration::ZERO, Value::Null);
    for gold in golds() {
        for fields in sets {
            let samples: Vec<_> = responses
                .iter()
                .map(|response| Sample {
                    response,
                    gold: &gold,
                    fields,
                    progress: Progress::default(),
                    around: Around::default(),
                })
                .collect();
            let start = Instant::now();
            let scores = spec.score_samples(&samples);
            if start.elapsed() > slowest.0 {
                slowest = (start.elapsed(), gold.clone());
            }
            if scores.len() != samples.len() || scores.first() != scores.last() {
                return Err(format!("{}: {scores:?}", info.name));
            }
            let (low, high) = info.range.unwrap_or((f32::MIN, f32::MAX));
            let outside = |score: &Score| score.value().is_some_and(|v| !(low..=high).contains(&v));
            if scores.iter().any(outside) {
                return Err(format!("{} gives {scores:?} for {gold}", info.name));
            }
        }
    }
    Ok(slowest)
}

/// The longest time of a group of three on long texts, and where.
fn grade_long_and_strange_texts() -> (Duration, String) {
    let mut longest = (Duration::ZERO, String::new());
    // Just below the longest answer that is read, so that nothing is refused for its length alone.
    let n = 32_000;
    let bodies = [
        "9".repeat(n),
        "1,".repeat(n / 2),
        "-".repeat(n),
        "1e".repeat(n / 2),
        "(A) ".repeat(n / 4),
        "A or ".repeat(n / 5),
        "answer is ".repeat(n / 10),
        "\\boxed{".repeat(n / 7),
        "{\"a\":".repeat(n / 5),
        "[".repeat(n),
        "*".repeat(n),
        "* a\n".repeat(n / 4),
        "<<".repeat(n / 2),
        "P.S. ".repeat(n / 5),
        "SECTION 1\n".repeat(n / 10),
        "no yes ".repeat(n / 7),
        "\u{202e}\u{200b}".repeat(n / 6),
        "\u{130}\u{df}\u{fb01}".repeat(n / 8),
        "日本語。".repeat(n / 12),
        "a > ".repeat(n / 4),
        "word ".repeat(6_000),
        (0..6_000).map(|i| format!("w{i} ")).collect(),
        (0..10_000u32).filter_map(|i| char::from_u32(0x4e00 + i)).collect(),
    ];
    for body in &bodies {
        let shown: String = body.chars().take(12).collect();
        let text = format!("<think>t</think><answer>{body}</answer>");
        for info in ours() {
            let (time, gold) =
                slowest(info, &text, &field_sets()[1..2]).unwrap_or_else(|e| panic!("{shown:?}: {e}"));
            if time > longest.0 {
                longest = (time, format!("{} on {shown:?}, {:.60}", info.name, gold.to_string()));
            }
        }
    }
    longest
}

#[test]
fn long_and_strange_texts() {
    grade_long_and_strange_texts();
}

/// Run by hand: `cargo test --release -p eyas-reward --test hostile_text -- --ignored --nocapture`.
#[test]
#[ignore = "measures"]
fn long_and_strange_texts_take_no_second() {
    let (time, which) = grade_long_and_strange_texts();
    println!("slowest: {time:?}, {which}");
    assert!(time < Duration::from_secs(1), "{which}: {time:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_text(
        pieces in prop::collection::vec(
            prop_oneof![
                prop::sample::select(vec![
                    "<think>", "</think>", "<answer>", "</answer>", "A", "B", " or ", "yes", "no", "1", ",", ".", "-", "/",
                    "%", "e", "\\boxed{", "}", "{", "[", "]", "\"", ":", "\n", "\n\n", "*", "***", "answer is ", "not ",
                    "P.S.", "Section 1", "März", "红", "²", "İ", "\u{301}", "ß",
                ]).prop_map(String::from),
                any::<String>(),
            ],
            0..16,
        ),
    ) {
        let text = pieces.concat();
        prop_assert_eq!(check(&text), Ok(()));
        prop_assert_eq!(check(&format!("<think>t</think><answer>{text}</answer>")), Ok(()));
    }
}
