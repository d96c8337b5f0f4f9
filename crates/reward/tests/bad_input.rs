//! Bad input by name: what is broken in an answer or a ground truth has a defined score or a reason, no reward
//! panics, and the samples beside it score what they score alone. How long that takes is measured elsewhere.
#![allow(clippy::unwrap_used)]

use eyas_core::{Invalid, Score};
use eyas_reward::{Around, Progress, Response, RewardSpec, Sample};
use serde_json::{Map, Value, json};

fn spec(written: &Value) -> RewardSpec {
    serde_json::from_value(written.clone()).unwrap()
}

/// The scores of `answers` to one prompt.
fn scores(reward: &Value, answers: &[String], gold: &Value, fields: &Value) -> Vec<Score> {
    let texts: Vec<String> =
        answers.iter().map(|a| format!("<think>t</think><answer>{a}</answer>")).collect();
    let responses: Vec<Response<'_>> = texts.iter().map(|t| Response::parse(t)).collect();
    let fields: &Map<String, Value> = fields.as_object().unwrap();
    let (progress, around) = (Progress::default(), Around::default());
    let sample = |response| Sample { response, gold, fields, progress, around };
    spec(reward).score_samples(&responses.iter().map(sample).collect::<Vec<_>>())
}

/// `bad` scores `expect`, and the right answer before and after it scores 1 as it does alone.
fn beside(reward: &Value, right: &str, bad: &str, gold: &Value, fields: &Value, expect: f32) {
    let answers = [right, bad, right].map(String::from);
    let shown: String = bad.chars().take(40).collect();
    let wanted = [1.0, expect, 1.0].map(Score::Ok);
    assert_eq!(scores(reward, &answers, gold, fields), wanted, "{reward} {shown}");
}

const BOX_REWARDS: [&str; 12] = [
    "iou",
    "iou_squared",
    "iou_hit",
    "detection_f1",
    "detection_iou",
    "detection_weighted",
    "visual_rft_detection",
    "vision_r1_detection",
    "v_triune_detection",
    "union_iou",
    "mean_average_precision",
    "od_length",
];

#[test]
fn boxes_that_are_none() {
    let (right, gold) = ("[10, 10, 60, 50]", json!([10, 10, 60, 50]));
    let size = json!({"image_width": 100, "image_height": 80});
    let bad = [
        "[60, 10, 10, 50]",
        "[10, 50, 60, 10]",
        "[-60, -50, -10, -10]",
        "[200, 200, 300, 300]",
        "[NaN, 10, 60, 50]",
        "[nan, nan, nan, nan]",
        "[1e999, 10, 60, 50]",
        "[10, 10, 10, 10]",
        "[10, 10, 60, 10]",
        "[0.1, 0.1, 0.6, 0.5]",
        "[1, 2, 3]",
        "",
    ];
    for name in BOX_REWARDS {
        for text in bad {
            beside(&json!({"name": name}), right, text, &gold, &size, 0.0);
        }
    }
}

#[test]
fn a_million_boxes() {
    let (right, gold) = ("[10, 10, 60, 50]", json!([[10, 10, 60, 50]]));
    let size = json!({"image_width": 100, "image_height": 80});
    // The right one is among them.
    let many: String = (0..1_000_000).map(|i| format!("[{},10,60,50],", i % 90)).collect();
    for name in BOX_REWARDS.iter().filter(|n| !n.starts_with("iou") && **n != "union_iou") {
        let answers = [right.to_string(), many.clone(), right.to_string()];
        let got = scores(&json!({"name": name}), &answers, &gold, &size);
        assert_eq!((&got[0], &got[2]), (&Score::Ok(1.0), &Score::Ok(1.0)), "{name}");
        // Completeness alone gives a box that was found half of its weight of 0.3.
        let most = if *name == "detection_weighted" { 0.151 } else { 0.001 };
        assert!(got[1].value().is_some_and(|v| (0.0..=most).contains(&v)), "{name} {:?}", got[1]);
    }
}

#[test]
fn a_ground_truth_in_another_frame_is_named() {
    let size = json!({"image_width": 100, "image_height": 80});
    for gold in [
        json!([10, 10, 600, 500]),
        json!([60, 10, 10, 50]),
        json!([10, 10, 10, 10]),
        json!("left"),
        json!(null),
    ] {
        for name in BOX_REWARDS {
            let got = scores(&json!({"name": name}), &["[1, 1, 2, 2]".into()], &gold, &size);
            assert!(
                matches!(got[0], Score::Invalid(Invalid::UnparseableGold { .. })),
                "{name} {gold} {got:?}"
            );
        }
    }
}

#[test]
fn stretches_that_are_none() {
    let gold = json!([10, 20]);
    for text in [
        "20 to 10",
        "[20, 10]",
        "inf to 20",
        "10 to inf",
        "1e999 to 20",
        "nan to nan",
        "-20 to -10",
        "10",
        "",
    ] {
        for name in ["tiou", "tiou_sets", "time_coverage"] {
            beside(&json!({"name": name}), "10 to 20", text, &gold, &json!({}), 0.0);
        }
        let ends = json!({"name": "tiou", "params": {"form": "ends"}});
        beside(&ends, "10 to 20", text, &gold, &json!({"duration": 60}), 0.0);
    }
    for gold in [json!([20, 10]), json!([10, 10]), json!([-1, 5]), json!("soon")] {
        let got = scores(&json!({"name": "tiou"}), &["10 to 20".into()], &gold, &json!({}));
        assert!(matches!(got[0], Score::Invalid(Invalid::UnparseableGold { .. })), "{gold}");
    }
}

#[test]
fn texts_of_a_megabyte() {
    let long: String = (0..1_000_000).map(|i| char::from(b'a' + (i % 23) as u8)).collect();
    let spaced: String = (0..200_000).map(|i| format!("w{} ", i % 997)).collect();
    let names = [
        "edit_similarity",
        "cer",
        "wer",
        "anls",
        "token_f1",
        "rouge",
        "bleu",
        "exact_match",
        "exact",
        "math",
        "number",
        "list",
    ];
    for name in names {
        for text in [&long, &spaced] {
            let gold = if name == "list" { json!(["12"]) } else { json!("12") };
            beside(&json!({"name": name}), "12", text, &gold, &json!({}), 0.0);
        }
    }
}

#[test]
fn answers_that_blow_up() {
    let mut bad: Vec<String> = [
        "\\boxed{9^{9^{9^9}}}",
        "9^{9^{9^{9^9}}}",
        "factorial(10^9)",
        "(10^9)!",
        "10^9!",
        "\\frac{1}{0}",
        "\\frac{1}{",
        "\\boxed{13",
        "}13{",
        "1\u{200b}3",
        "\u{202e}21",
        "\u{661}\u{662}",
        "\u{ff11}\u{ff13}",
        "\u{1d7cf}\u{1d7d1}",
        "1e308*1e308*0",
        "\0",
    ]
    .map(String::from)
    .into();
    bad.extend(
        ["{", "}", "(", "\\boxed{", "\\frac{", "\\sqrt{", "[", "-", "9^", "9"].map(|p| p.repeat(100_000)),
    );
    for name in ["math", "number", "exact", "multiple_choice", "yes_no", "date", "list", "json_fields"] {
        let (right, gold) = match name {
            "multiple_choice" => ("B", json!("B")),
            "yes_no" => ("yes", json!("yes")),
            "date" => ("2024-03-05", json!("2024-03-05")),
            "list" => ("12", json!(["12"])),
            "json_fields" => ("{\"a\": 12}", json!({"a": 12})),
            _ => ("12", json!("12")),
        };
        for text in &bad {
            let answers = [right.into(), text.clone(), right.into()];
            let got = scores(&json!({"name": name}), &answers, &gold, &json!({"options": ["red", "blue"]}));
            let shown: String = text.chars().take(30).collect();
            assert_eq!((&got[0], &got[2]), (&Score::Ok(1.0), &Score::Ok(1.0)), "{name} {shown}");
            // What the budget does not reach has no score; nothing is paid.
            let unpaid = match &got[1] {
                Score::Ok(v) => *v == 0.0,
                Score::Invalid(Invalid::Timeout { .. }) => name == "math",
                Score::Invalid(_) => false,
            };
            assert!(unpaid, "{name} {shown} {:?}", got[1]);
        }
    }
}

/// No text of a policy and none of a data set is ever run as a pattern.
#[test]
fn patterns_are_texts() {
    let gold = json!([{"id": "keywords:existence", "args": {"keywords": ["(a+)+$"]}}]);
    let spec = json!({"name": "constraints"});
    let answers = ["a".repeat(100_000) + "!", "a (a+)+$ b".to_string()];
    assert_eq!(scores(&spec, &answers, &gold, &json!({})), [Score::Ok(0.0), Score::Ok(1.0)]);
    let facts = json!({"name": "key_facts"});
    let got = scores(&facts, &["a".repeat(100_000)], &json!(["(a+)+$"]), &json!({}));
    assert_eq!(got, [Score::Ok(0.0)]);
}
