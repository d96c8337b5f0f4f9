//! `eyas reward` on dumps of several trainers, and on broken ones.

mod common;

use std::fs;

use common::{done, eyas, folder};
use serde_json::{Value, json};

fn lines(out: &str) -> Vec<Value> {
    out.lines().map(|line| serde_json::from_str(line).expect("a JSON object a line")).collect()
}

#[test]
fn rewards_are_listed_and_shown() {
    let dir = folder("reward-list");
    let all = done(&dir, &["reward", "list", "--json"]).json();
    let names: Vec<&str> = all.as_array().unwrap().iter().filter_map(|r| r["name"].as_str()).collect();
    assert!(names.len() > 100, "{}", names.len());
    for name in &names {
        let shown = done(&dir, &["reward", "show", name]).out;
        assert!(shown.contains(name) && shown.contains("source"), "{shown}");
    }
    let boxes = done(&dir, &["reward", "list", "--family", "boxes"]).out;
    assert!(boxes.contains("iou") && !boxes.contains("rouge"), "{boxes}");
    let refused = eyas(&dir, &["reward", "show", "iuo"]);
    assert!(refused.code != 0 && refused.err.contains(r#"did you mean "iou"?"#), "{}", refused.err);
}

const SPEC: &str = r#"
[[reward]]
name = "iou"

[[reward]]
name = "format_think_answer"
weight = 0.5
"#;

#[test]
fn a_dump_is_scored_row_by_row() {
    let dir = folder("reward-score");
    fs::write(dir.join("spec.toml"), SPEC).unwrap();
    let rows = [
        json!({"completion": [{"role": "assistant", "content": "<think>t</think><answer>[0,0,10,10]</answer>"}],
               "solution": [0, 0, 10, 10], "id": "right"}),
        json!({"completion": "<answer>[0,0,10,5]</answer>", "solution": [0, 0, 10, 10]}),
        json!({"completion": "<think>t</think><answer>[0,0,1,1]</answer>", "solution": "nonsense"}),
    ];
    let text: Vec<String> = rows.iter().map(Value::to_string).collect();
    fs::write(dir.join("dump.jsonl"), text.join("\n\n")).unwrap();

    let scored = lines(&done(&dir, &["reward", "score", "spec.toml", "dump.jsonl", "--json"]).out);
    assert_eq!(scored.len(), 3);
    assert_eq!(
        scored[0],
        json!({"line": 1, "id": "right", "total": 1.5,
        "scores": {"iou": 1.0, "format_think_answer": 1.0}})
    );
    assert_eq!((&scored[1]["line"], &scored[1]["total"]), (&json!(3), &json!(0.5)));
    assert_eq!(scored[2]["scores"]["iou"]["invalid"]["reason"], "unparseable_gold");
    assert_eq!(
        (&scored[2]["scores"]["format_think_answer"], &scored[2]["total"]),
        (&json!(1.0), &Value::Null)
    );

    let table = done(&dir, &["reward", "score", "spec.toml", "dump.jsonl"]).out;
    assert!(table.contains("0.7500") && table.contains("1 × iou: unparseable ground truth"), "{table}");
    let told = done(&dir, &["reward", "score", "spec.toml", "dump.jsonl", "--explain"]).out;
    for part in ["line 1 (right)", "<think> 0..16: t", "gold: [0,0,10,10]", "0.5 × 1", "total"] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

#[test]
fn a_tree_makes_the_total() {
    let dir = folder("reward-tree");
    let tree =
        r#"total = { gate = { when = "format_think_answer", at_least = 1, then = "iou", else = -1 } }"#;
    fs::write(dir.join("spec.toml"), tree).unwrap();
    let rows = ["<think>t</think><answer>[0,0,10,5]</answer>", "<answer>[0,0,10,10]</answer>"]
        .map(|r| json!({"response": r, "gold": [0, 0, 10, 10]}).to_string());
    fs::write(dir.join("dump.jsonl"), rows.join("\n")).unwrap();
    let scored = lines(&done(&dir, &["reward", "score", "spec.toml", "dump.jsonl", "--json"]).out);
    assert_eq!((&scored[0]["total"], &scored[1]["total"]), (&json!(0.5), &json!(-1.0)));
    assert!(scored[0]["terms"].as_array().unwrap().iter().any(|t| t["name"] == "iou"), "{}", scored[0]);
}

#[test]
fn what_cannot_be_read_is_named_and_the_rest_is_scored() {
    let dir = folder("reward-bad");
    fs::write(dir.join("spec.toml"), SPEC).unwrap();
    let good = json!({"response": "[0,0,1,1]", "gold": [0, 0, 1, 1]}).to_string();
    let mut bytes = format!("{good}\nnot json\n[1]\n{{\"x\": 1}}\n").into_bytes();
    bytes.extend([0xff, b'\n']);
    bytes.extend(good.as_bytes());
    fs::write(dir.join("dump.jsonl"), bytes).unwrap();
    let ran = eyas(&dir, &["reward", "score", "spec.toml", "dump.jsonl", "--json"]);
    assert!(ran.code != 0 && lines(&ran.out).len() == 2, "{}", ran.out);
    for part in [
        "4 of 6 lines",
        "dump.jsonl:2: no JSON",
        "dump.jsonl:3: invalid type: sequence, expected an object",
        ":4: no response",
        ":5: not UTF-8 at byte 0",
    ] {
        assert!(ran.err.contains(part), "{part}: {}", ran.err);
    }
    // A mark of the byte order and line breaks of Windows are no concern; a line of a gigabyte is passed over.
    let mut bytes =
        format!("\u{FEFF}{good}\r\n\r\n{good}\r\n{{\"response\": 1, \"response\": 2}}\r\n").into_bytes();
    fs::write(dir.join("dump.jsonl"), &bytes).unwrap();
    let ran = eyas(&dir, &["reward", "score", "spec.toml", "dump.jsonl", "--json"]);
    assert!(lines(&ran.out).len() == 2 && ran.err.contains("1 of 3 lines"), "{}", ran.err);
    assert!(ran.err.contains("dump.jsonl:4: the key \"response\" is there twice"), "{}", ran.err);
    bytes.extend(good.as_bytes());
    fs::write(dir.join("long.jsonl"), &bytes).unwrap();
    let file = fs::OpenOptions::new().write(true).open(dir.join("long.jsonl")).unwrap();
    // A hole: takes no space, reads as zeros.
    file.set_len(1 << 30).unwrap();
    let ran = eyas(&dir, &["reward", "score", "spec.toml", "long.jsonl", "--json"]);
    assert!(ran.err.contains("long.jsonl:5: longer than 67108864 bytes"), "{}", ran.err);
    assert_eq!(lines(&ran.out).len(), 2);
    fs::remove_file(dir.join("long.jsonl")).unwrap();
    fs::write(dir.join("broken.toml"), b"a = 1\n[[reward]]\nname = \"\xFF\"").unwrap();
    let ran = eyas(&dir, &["reward", "score", "broken.toml", "dump.jsonl"]);
    assert!(ran.err.contains("line 3 is not UTF-8 at byte 8"), "{}", ran.err);
    for (spec, part) in [
        ("", "names no reward"),
        ("[[reward]]\nname = \"iuo\"", r#"did you mean "iou"?"#),
        ("[[reward]]\nname = \"iou\"\nparams = { tau = 3 }", "no parameter"),
        ("[[rewards]]", "unknown field"),
        ("total = { sum = 3 }", "sum"),
    ] {
        fs::write(dir.join("broken.toml"), spec).unwrap();
        let ran = eyas(&dir, &["reward", "score", "broken.toml", "dump.jsonl"]);
        assert!(ran.code != 0 && ran.err.contains(part), "{spec}: {}", ran.err);
    }
}
