//! Rewards for boxes, points, screens, time and trajectories on arbitrary text and ground truth.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::time::Instant;

use eyas_core::{Score, TokenSpan};
use eyas_reward::{
    Around, ParamKind, ParamValue, Progress, Response, RewardInfo, RewardSpec, Sample, Scorer, rewards,
};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

const FAMILIES: [&str; 5] = ["boxes", "points", "gui", "time", "trajectory"];

fn all() -> impl Iterator<Item = &'static RewardInfo> {
    let graded = |r: &&RewardInfo| !matches!(r.score, Scorer::Episode(_));
    rewards().iter().filter(|r| FAMILIES.contains(&r.family)).filter(graded)
}

/// Every choice of every parameter, one at a time.
fn variants(info: &'static RewardInfo) -> Vec<RewardSpec> {
    let mut params = vec![BTreeMap::new()];
    for param in info.params {
        let values: Vec<ParamValue> = match param.kind {
            ParamKind::Choice { options } => {
                options.iter().map(|o| ParamValue::Text(o.to_string())).collect()
            }
            ParamKind::Flag { .. } => vec![ParamValue::Flag(true), ParamValue::Flag(false)],
            ParamKind::Number { min, max, .. } => vec![ParamValue::Number(min), ParamValue::Number(max)],
            ParamKind::Text { .. } => Vec::new(),
        };
        params.extend(values.into_iter().map(|v| BTreeMap::from([(param.name.to_string(), v)])));
    }
    params.iter().map(|p| RewardSpec::new(info.name, 1.0, TokenSpan::All, p).unwrap()).collect()
}

fn score(spec: &RewardSpec, text: &str, gold: &Value, fields: &Map<String, Value>) -> Vec<Score> {
    let response = Response::parse(text);
    let progress = Progress { step: 3, steps: 10 };
    spec.score_samples(
        &[Sample { response: &response, gold, fields, progress, around: Around::default() }; 2],
    )
}

fn fields() -> Map<String, Value> {
    let value = json!({
        "image_width": 100, "image_height": 80, "duration": 60, "mastery": 2,
        "no_collision": 1, "drivable": 1, "progress": 0.5, "time_to_collision": 1, "comfort": 1,
        "purchase": {"title": "a", "price": 1},
    });
    value.as_object().unwrap().clone()
}

fn golds() -> Vec<Value> {
    vec![
        json!([10, 10, 40, 50]),
        json!([[10, 10, 40, 50], [50, 10, 90, 50]]),
        json!([{"bbox_2d": [10, 10, 40, 50], "label": "a", "weight": 2}]),
        json!([]),
        json!([3, 4]),
        json!([[3, 4], [5, 6]]),
        json!({"size": [3, 4], "counts": [3, 4, 5]}),
        json!({"action": "click", "bbox": [10, 10, 40, 50], "text": "a", "direction": "up"}),
        json!({"title": "a", "price_upper": 3, "attributes": ["b"]}),
        json!({"answer": "a", "time": [1, 2], "boxes": {"1": [1, 1, 2, 2]}}),
        json!({"speed": "stop", "path": "straight"}),
        json!(["a", "b", 3]),
        Value::Null,
        json!("text"),
        json!(1e308),
        json!([1e308, -1e308, 1e308, 1e308]),
        json!([[[]]]),
        json!({"size": [1e9, -4], "counts": [[]]}),
        json!({"action": {}, "bbox": "x"}),
    ]
}

fn check(info: &RewardInfo, scores: &[Score], text: &str, gold: &Value) {
    let (low, high) = info.range.unwrap();
    for value in scores.iter().filter_map(Score::value) {
        assert!(value >= low && value <= high, "{}: {value} for {text:?} and {gold}", info.name);
    }
    assert!(
        !scores.contains(&Score::Invalid(eyas_core::Invalid::NonFinite)),
        "{}: not finite for {text:?} and {gold}",
        info.name
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn scores_stay_in_range(
        text in r#"(<think>|</think>|<answer>|</answer>|\[|\]|\{|\}|\(|\)|"bbox_2d": |"point": |'action': 'click'|"size": |"counts": |"time": |"speed": |stop|straight|none|click| to |,|[0-9]{1,3}|\.|-|:|nan|١| ){0,40}"#,
    ) {
        let fields = fields();
        for info in all() {
            for spec in variants(info) {
                for gold in golds() {
                    check(info, &score(&spec, &text, &gold, &fields), &text, &gold);
                }
            }
        }
    }
}

#[test]
fn an_answer_that_repeats_the_ground_truth_is_never_beaten() {
    // Where the answer may be written as the ground truth is, it earns the most.
    let cases = [
        ("boxes", json!([[10, 10, 40, 50], [50, 10, 90, 50]])),
        ("trajectory", json!([[3, 4], [5, 6], [9, 9]])),
    ];
    for (family, gold) in cases {
        for info in all().filter(|r| r.family == family && r.name != "giou" && r.name != "diou") {
            let spec = RewardSpec::of(info);
            if let Score::Ok(value) = &score(&spec, &gold.to_string(), &gold, &fields())[0] {
                let most = if info.name == "pdm" { *value } else { info.range.unwrap().1 };
                assert!((value - most).abs() < 1e-6, "{}: {value}", info.name);
            }
        }
    }
}

fn hostile_texts() -> Vec<String> {
    vec![
        "[".repeat(50_000),
        "{\"a\":".repeat(10_000),
        "(1,2)".repeat(10_000),
        "[1,2,30,40],".repeat(5_000),
        "[1,2,30,40],1a".repeat(4_000),
        "1a".repeat(25_000),
        "' ".repeat(25_000),
        "9".repeat(50_000),
        "-".repeat(50_000),
        "1 to 2 ".repeat(8_000),
        "click(".repeat(10_000),
        "é".repeat(25_000),
        "\\\"".repeat(25_000),
        (0..1_000)
            .map(|i| {
                format!("{{\"bbox_2d\": [{i},0,{},20], \"label\": \"{i}\", \"score\": 0.{i:04}}},", i + 90)
            })
            .collect(),
        "a,".repeat(25_000),
    ]
}

/// Grades all hostile texts; gives the longest time that one took, in milliseconds, and which.
fn grade_hostile_texts() -> (u128, String) {
    let mut slowest = (0, String::new());
    let fields = fields();
    let many: Vec<Value> = (0..400).map(|i| json!([i % 90, 0, i % 90 + 9, 70])).collect();
    let mut golds = golds();
    golds.push(Value::Array(many));
    for info in all() {
        let spec = RewardSpec::of(info);
        for text in &hostile_texts() {
            for gold in &golds {
                let start = Instant::now();
                check(info, &score(&spec, text, gold, &fields), "", gold);
                let (spent, head) = (start.elapsed().as_millis(), text.chars().take(20).collect::<String>());
                if spent > slowest.0 {
                    slowest = (spent, format!("{}: {head:?} and {:.60}", info.name, gold.to_string()));
                }
            }
        }
    }
    slowest
}

/// Work that grows with the square of these lengths would make this test seem to hang. It reads no clock, as a
/// loaded machine would fail it.
#[test]
fn hostile_texts_are_graded() {
    grade_hostile_texts();
}

/// Run by hand, as [`speeds`] is.
#[test]
#[ignore = "measures"]
fn hostile_texts_are_graded_quickly() {
    let (spent, which) = grade_hostile_texts();
    println!("slowest: {spent} ms, {which}");
    assert!(spent < 2_000, "{spent} ms for {which}");
}

/// Run by hand: `cargo test --release -p eyas-reward --test spatial_rewards -- --ignored --nocapture`.
#[test]
#[ignore = "measures"]
fn speeds() {
    use eyas_reward::matching::{Values, greedy, hungarian};
    let mut state = 1u64;
    let mut random = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let random_table = Values::new(50, 50, |_, _| random());
    let time = |name: &str, n: usize, f: &mut dyn FnMut()| {
        let mut runs: Vec<f64> = Vec::new();
        for _ in 0..100 {
            let start = Instant::now();
            f();
            runs.push(start.elapsed().as_secs_f64() * 1e6 / n as f64);
        }
        // The fastest run is the one that other work disturbed least.
        println!("{name}: {:.2} µs", runs.into_iter().fold(f64::INFINITY, f64::min));
    };
    for (name, method) in [("hungarian", hungarian as fn(&Values) -> Vec<_>), ("greedy", greedy)] {
        let product = Values::new(50, 50, |i, j| 1.0 / (1.0 + (i * j) as f64));
        time(&format!("{name} 50x50, random"), 1, &mut || drop(std::hint::black_box(method(&random_table))));
        time(&format!("{name} 50x50, product"), 1, &mut || drop(std::hint::black_box(method(&product))));
    }
    let text = "<think>It is on the left.</think><answer>[{\"bbox_2d\": [10, 10, 40, 50], \"label\": \"dog\"}]</answer>";
    let (fields, one) = (Map::new(), json!([10, 10, 40, 50]));
    let set = json!([{"bbox_2d": [10, 10, 40, 50], "label": "dog"}]);
    for (name, gold) in
        [("iou", &one), ("detection_f1", &set), ("mean_average_precision", &set), ("gui_r1", &set)]
    {
        let params = BTreeMap::new();
        let spec = RewardSpec::new(name, 1.0, TokenSpan::All, &params).unwrap();
        time(name, 2_000, &mut || {
            for _ in 0..1_000 {
                std::hint::black_box(score(&spec, text, gold, &fields));
            }
        });
    }
}
