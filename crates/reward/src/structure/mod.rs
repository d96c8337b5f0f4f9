//! Structured answers: orders, lists of changes, plans, trees, tables, programs, drawings.
//!
//! Everything is read without recursion and compared within stated bounds. An answer that cannot be read,
//! or is larger than the bounds, earns the least score of its reward.

pub mod calls;
pub mod code;
pub mod functions;
pub mod permutation;
pub mod plan;
pub mod read;
pub mod rms;
pub mod sequence;
pub mod svg;
pub mod svg_distance;
pub mod table;
pub mod tree;
pub mod triplets;

use crate::RewardInfo;

pub(crate) const REWARDS: &[RewardInfo] = &[
    permutation::INFO,
    triplets::INFO,
    functions::INFO,
    plan::INFO,
    tree::INFO,
    rms::INFO,
    code::INFO,
    svg_distance::INFO,
];

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::{Around, Progress, Response, RewardSpec, Sample, process};
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    /// A ground truth for each reward that reads one.
    fn gold(reward: &str) -> Value {
        match reward {
            "permutation" => json!([[1, 2], [3, 4]]),
            "triplets" => json!([[1, "color", "red"]]),
            "functions" => json!(["f(a, 1)", "g(b, 2)"]),
            "plan" => json!([["r1", "move", "a"]]),
            "tree" => json!(["a", ["b", "c"], "d"]),
            "table_rms" => json!("Year,Sales\n2001,5"),
            "code_structure" => json!("plt.plot(x, y)"),
            "svg_elements" => json!("<svg><rect x='1'/><path d='M0 0L9 9'/></svg>"),
            "key_facts" => json!({"facts": ["dog", ["red ball", "ball"]], "wrong": ["cat"]}),
            "grounded_points" => json!([[0, 0, 10, 10]]),
            "reflection" => json!("5"),
            _ => Value::Null,
        }
    }

    fn fields() -> Map<String, Value> {
        let fields = json!({
            "correct": 1, "answer_logprob": -0.1, "tool_calls": 2, "tool_ok": true, "thinking_score": 0.5,
            "format": 1, "stages": [1, 0.5], "consistent": 1, "observations": [1, 0], "sufficient": 1,
            "self_certainty": 3, "shuffled_accuracy": 0.5, "tokens": 400, "timed": true, "returned_frames": [5],
        });
        fields.as_object().unwrap().clone()
    }

    /// Every reward gives `text` a finite score within its range, the same each time: nothing that a policy
    /// writes leaves it without one.
    fn check(text: &str) {
        let (response, fields) = (Response::parse(text), fields());
        for info in REWARDS.iter().chain(process::REWARDS) {
            let gold = gold(info.name);
            let sample = Sample {
                response: &response,
                gold: &gold,
                fields: &fields,
                progress: Progress::default(),
                around: Around::default(),
            };
            let spec = RewardSpec::of(crate::find(info.name).unwrap());
            let scores = spec.score_samples(&[sample, sample]);
            assert_eq!(scores.len(), 2);
            assert_eq!(scores, spec.score_samples(&[sample, sample]), "{}", info.name);
            let (low, high) = info.range.unwrap_or((f32::MIN, f32::MAX));
            for score in scores {
                let shown: String = text.chars().take(60).collect();
                assert!(
                    score.value().is_some_and(|v| (low..=high).contains(&v)),
                    "{} {score:?} {shown}",
                    info.name
                );
            }
        }
    }

    #[test]
    fn hostile_responses_are_scored() {
        let n = 200_000;
        for piece in [
            "[",
            "(",
            "{\"a\":",
            "<svg><g>",
            "f(1),",
            "f(",
            "1 ",
            "1,",
            "|a|\n",
            "a\n",
            "'",
            "\\",
            "```",
            "```\n",
            "<!--",
            "<action>",
            "<reflection>",
            "(1,2)",
            "no dog ",
            "dog ",
            "<rect x='1'/>",
            "é",
            "\u{202e}٣",
            "9",
            "\"",
            "-",
            "[\"a\",",
            "<think>",
            "</think>",
            "a|b\n",
            "a,b\n",
            "M1 1",
            "__import__('os')",
            "\\boxed{",
            "{'a':{",
        ] {
            let text = piece.repeat(n / piece.len());
            check(&text);
            check(&format!("<think>{text}</think><answer>{text}</answer>"));
        }
        check(&format!("<answer><svg>{}</svg></answer>", "<path d='M0 0 1 1 2 2 3 3'/>".repeat(250)));
        check(&format!("<answer>{}</answer>", "1e999 nan inf 0x10 1_000 ".repeat(100)));
    }

    /// Time of the largest inputs: `cargo test -p eyas-reward worst_cases -- --ignored --nocapture`.
    #[test]
    #[ignore = "measures"]
    fn worst_cases() {
        let many = |n: usize, of: &dyn Fn(usize) -> String| (0..n).map(of).collect::<Vec<_>>();
        let comb = (0..40).fold(json!("x"), |t, i| json!([format!("n{i}"), "y", t]));
        let table = format!("a,b,c\n{}", many(200, &|i| format!("row {i},{i},{}", i * 7)).join("\n"));
        let svg = format!(
            "<svg>{}</svg>",
            many(250, &|i| format!("<path d='M{i} 1 2 3 4 5 6 7 8 9' fill='red' stroke='#123'/>")).join("")
        );
        let cases = [
            ("permutation", json!((0..4096).collect::<Vec<_>>()), many(4096, &|i| i.to_string()).join(" ")),
            (
                "functions",
                json!(many(128, &|i| format!("f(a{}, {i})", i % 7))),
                many(128, &|i| format!("f(a{}, {i})", i % 5)).join(","),
            ),
            (
                "plan",
                json!(
                    many(512, &|i| i.to_string()).iter().map(|i| json!(["r", "go", i])).collect::<Vec<_>>()
                ),
                json!(
                    many(512, &|i| i.to_string()).iter().map(|i| json!(["r", "go", i])).collect::<Vec<_>>()
                )
                .to_string(),
            ),
            ("tree", comb.clone(), comb.to_string()),
            ("table_rms", json!(table), table.replace("row", "raw")),
            ("code_structure", json!("x = f(y) + 1\n".repeat(1000)), "y = f(x) + 2\n".repeat(1000)),
            ("svg_elements", json!(svg), svg.clone()),
            ("key_facts", json!(["dog", "red ball"]), "there is a dog with no red ball. ".repeat(30)),
            (
                "permutation",
                json!([1, 2, 3, 4, 5, 6, 7, 8, 9]),
                "<think>t</think><answer>1 2 3 4 5 6 7 9 8</answer>".into(),
            ),
        ];
        let fields = fields();
        for (name, gold, text) in &cases {
            let response = Response::parse(text);
            let sample = Sample {
                response: &response,
                gold,
                fields: &fields,
                progress: Progress::default(),
                around: Around::default(),
            };
            let spec = RewardSpec::of(crate::find(name).unwrap());
            let start = Instant::now();
            let mut rounds = 0u32;
            let mut last = None;
            while rounds == 0 || start.elapsed() < Duration::from_millis(300) {
                last = spec.score_samples(&[sample]).pop();
                rounds += 1;
            }
            println!("{name:16} {:?} each, {} bytes: {last:?}", start.elapsed() / rounds, text.len());
        }
    }

    proptest! {
        #[test]
        fn any_response_has_a_score(text in any::<String>(), inner in "[\\[\\](){}<>/a-f0-9 ,:;'\"|\n.-]{0,60}") {
            check(&text);
            check(&format!("<think>{inner}</think><answer>{inner}</answer>"));
        }

        #[test]
        fn any_ground_truth_is_read_or_refused(gold in "[\\[\\](){}<>a-f0-9 ,:'\"|\n.-]{0,40}", json in any::<bool>()) {
            let gold = if json { serde_json::from_str(&gold).unwrap_or(Value::Null) } else { Value::String(gold) };
            let (response, fields) = (Response::parse("<answer>1</answer>"), fields());
            let sample = Sample { response: &response, gold: &gold, fields: &fields, progress: Progress::default(), around: Around::default() };
            for info in REWARDS.iter().chain(process::REWARDS) {
                let scores = RewardSpec::of(crate::find(info.name).unwrap()).score_samples(&[sample]);
                prop_assert!(scores.iter().all(|s| s.value().is_none_or(f32::is_finite)));
            }
        }
    }
}
