//! How many responses a second some rewards score on one core, parsing included.
//!
//! `cargo run --release -p eyas-reward --example text_speed`
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::time::Instant;

use eyas_core::TokenSpan;
use eyas_reward::{Around, ParamValue, Progress, Response, RewardSpec, Sample};
use serde_json::{Map, Value, json};

const STRETCHES: u32 = 60;

fn main() {
    let words = |n: usize, step: usize| -> String {
        // A small generator with a fixed start; the same texts every time.
        let mut state = 12_345u64;
        let mut word = |i: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            if i.is_multiple_of(step) { format!("other{i}") } else { format!("word{}", (state >> 33) % 400) }
        };
        (0..n).map(&mut word).collect::<Vec<_>>().join(" ")
    };
    let (long, gold) = (words(500, 7), words(500, 11));
    let answer = |text: &str| format!("<think>Let me look at the picture.</think><answer>{text}</answer>");
    let form = |value: &str| BTreeMap::from([("form".to_string(), ParamValue::Text(value.into()))]);
    let none = BTreeMap::new();
    let facts = json!({"tokens": 700, "correct": true});
    let comma = json!([{"id": "punctuation:no_comma"}, {"id": "startend:quotation"}]);
    let cases = [
        ("exact", &none, answer("Red car."), json!("red car")),
        ("number", &none, answer("The answer is 1,000 cm."), json!(1000)),
        ("yes_no", &none, answer("Yes, there is."), json!("yes")),
        ("multiple_choice", &none, answer("Based on the image, the answer is C."), json!("C")),
        ("format_think_answer", &none, answer("up"), Value::Null),
        ("length_cosine", &none, answer("up"), Value::Null),
        ("token_f1", &none, answer("the red car on the left"), json!("a red car")),
        ("anls", &none, answer("total amount 12.50"), json!("total amount: 12.50")),
        ("constraints", &none, answer("\"all of it\""), comma),
        ("rouge (L, 500 words)", &none, answer(&long), json!(gold)),
        ("rouge (2, 500 words)", &form("2"), answer(&long), json!(gold)),
        ("bleu (500 words)", &none, answer(&long), json!(gold)),
        ("wer (500 words)", &none, answer(&long), json!(gold)),
        ("edit_similarity (500 words)", &none, answer(&long), json!(gold)),
        ("repetition (500 words)", &none, answer(&long), Value::Null),
    ];
    let fields: Map<String, Value> = facts.as_object().unwrap().clone();
    for (label, params, text, gold) in &cases {
        let name = label.split(' ').next().unwrap();
        let spec = RewardSpec::new(name, 1.0, TokenSpan::All, params).unwrap();
        let mut best = f64::MAX;
        let mut sum = 0.0;
        // Many short stretches, of which the fastest was disturbed least.
        for _ in 0..STRETCHES {
            let runs = if label.contains("500") { 50 } else { 5_000 };
            let start = Instant::now();
            for _ in 0..runs {
                let response = Response::parse(std::hint::black_box(text));
                let sample = Sample {
                    response: &response,
                    gold,
                    fields: &fields,
                    progress: Progress::default(),
                    around: Around::default(),
                };
                sum += spec.score_samples(&[sample]).first().and_then(eyas_core::Score::value).unwrap();
            }
            best = best.min(start.elapsed().as_secs_f64() / f64::from(runs));
        }
        println!("{label:<30} {:>9.2} µs {:>12.0} /s   (sum {sum:.0})", best * 1e6, 1.0 / best);
    }
}
