//! What reads texts of a policy, and the laws that must hold.

use std::path::Path;
use std::time::Duration;

use eyas_reward::{Response, TAGS, answer, boxes, judge, math, points, structure, time};
use serde_json::Value;

use crate::targets::{PLAIN, Target};

/// A parser of texts, or some that read the same kind.
const TEXT: Target = Target {
    corpus: "../reward/fuzz/corpus",
    folders: &["../../conformance"],
    extension: "jsonl",
    longest: 8_000,
    slow: Duration::from_millis(500),
    ..PLAIN
};

/// All that read texts.
pub(crate) const TEXTS: &[Target] = &[
    Target {
        name: "response",
        split: |_, file| cases(&file),
        pieces: RESPONSE,
        check: |_, file| response(&pair(file)),
        ..TEXT
    },
    Target {
        name: "math",
        split: |path, file| of_families(path, &file, &["math", "answer"]),
        pieces: MATH,
        check: |_, file| mathematics(&pair(file)),
        ..TEXT
    },
    Target {
        name: "json-boxes",
        split: |path, file| {
            of_families(path, &file, &["boxes", "points", "structure", "gui", "time", "answer"])
        },
        pieces: JSON,
        check: |_, file| json_boxes(&pair(file).0),
        ..TEXT
    },
];

/// Parts two texts of a file.
const SEPARATOR: char = '\u{1E}';

/// The texts of a file: both sides of the separator; without one, all of it, and the same without spaces.
fn pair(file: &[u8]) -> (String, String) {
    let text = String::from_utf8_lossy(file);
    match text.split_once(SEPARATOR) {
        Some((text, other)) => (text.into(), other.into()),
        None => (text.to_string(), text.replace(' ', "")),
    }
}

/// What the conformance cases of some families say; nothing of other files.
fn of_families(path: &Path, file: &[u8], families: &[&str]) -> Vec<Vec<u8>> {
    let name = path.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
    if families.contains(&name.trim_start_matches("attacks_")) { cases(file) } else { Vec::new() }
}

/// The responses of conformance cases; with the expected text, where that is one.
fn cases(file: &[u8]) -> Vec<Vec<u8>> {
    let mut texts = Vec::new();
    for line in String::from_utf8_lossy(file).lines() {
        let Ok(case) = serde_json::from_str::<Value>(line) else { continue };
        let Some(response) = case["response"].as_str() else { continue };
        let text =
            case["gold"].as_str().map_or(response.into(), |gold| format!("{response}{SEPARATOR}{gold}"));
        texts.push(text.into_bytes());
    }
    texts
}

const RESPONSE: &[&[u8]] = &[
    b"\x1E",
    b"<answer>",
    b"</answer>",
    b"<think>",
    b"</think>",
    b"<perception>",
    b"</perception>",
    b"<tool_call>",
    b"<",
    b"</",
    b">",
    b"< answer>",
    b"</answer >",
    b"<ANSWER>",
    b"<answer/>",
    b"\\boxed{",
    b"}",
    b"{",
    b"\"",
    b"\n",
    b"\r\n",
    b"\0",
    b"\xE2\x80\xAE",
    b"\xEF\xBB\xBF",
    b"\xC3\xA9",
    b"\xF0\x9D\x9F\x99",
    b"score: 7",
    b"\nscore:",
    b"BEGIN",
    b"END",
    b"{\"score\": 1}",
    b"```",
];

const MATH: &[&[u8]] = &[
    b"\x1E",
    b"\\boxed{",
    b"\\frac{",
    b"\\sqrt[",
    b"^{",
    b"_{",
    b"\\left(",
    b"\\right]",
    b"}",
    b"{",
    b"[",
    b"]",
    b"(",
    b")",
    b",",
    b":",
    b"\"",
    b"'",
    b"NaN",
    b"inf",
    b"1e999",
    b"-0",
    b"99999999999999999999",
    b"0.1",
    b"1/0",
    b"\xD9\xA3",
    b"\xEF\xBC\x91",
    b"\xE2\x80\xAE",
    b"\0",
    b"\n",
    b"\xC3\xA9",
    b"\xF0\x9D\x9F\x99",
    b"!",
    b"%",
    b"\\pm",
    b"=",
    b"\\le",
    b"\\cup",
    b"\\pi",
    b"x",
    b"sin",
    b"log_",
    b"10^",
    b"^^",
    b"--",
    b"\\\\",
    b"&",
    b"\\begin{pmatrix}",
    b"\\text{",
    b"$",
    b"\\%",
    b"\xC2\xB0",
    b" cm",
    b"|",
    b"\\infty",
    b"\\{",
];

const JSON: &[&[u8]] = &[
    b"\x1E",
    b"[",
    b"]",
    b"{",
    b"}",
    b"(",
    b")",
    b"\"",
    b"'",
    b",",
    b":",
    b"```json\n",
    b"```",
    b"\"bbox_2d\":",
    b"\"label\":",
    b"\"confidence\":",
    b"\"point_2d\":",
    b"\"box\":",
    b"NaN",
    b"Infinity",
    b"1e999",
    b"-0",
    b"-",
    b"+1",
    b"0x1",
    b"99999999999999999999",
    b"0.1",
    b".5",
    b"5.",
    b"\xD9\xA3",
    b"\xE2\x80\xAE",
    b"\0",
    b"\n",
    b"\xC3\xA9",
    b"\\u00e9",
    b"\\ud800",
    b"\\",
    b"null",
    b"true",
    b"None",
    b"//",
    b"/*",
    b"[0,0,1,1]",
    b"1:02",
    b" to ",
    b"00:00:01.5",
    b"(1, 2)",
];

fn response((text, other): &(String, String)) -> Result<bool, String> {
    let response = Response::parse(text);
    let mut end = 0;
    for block in response.blocks() {
        let ordered = end <= block.outer.start && block.outer.end <= text.len();
        if !ordered || text.get(block.inner.clone()) != Some(block.text) || !TAGS.contains(&block.tag) {
            return Err(format!("a block out of place: {block:?}"));
        }
        end = block.outer.end;
    }
    for stray in response.stray() {
        if text.get(stray.clone()).is_none() {
            return Err(format!("a stray tag out of place: {stray:?}"));
        }
    }
    let mut end = 0;
    for (span, tag) in response.spans() {
        if span.start < end || text.get(span.clone()).is_none() {
            return Err(format!("a span out of place: {tag} {span:?}"));
        }
        response.kind_at(span.start);
        end = span.end;
    }
    // A judge reads what the policy wrote, and is read itself.
    if let Ok(verdict) = judge::parse_verdict(text, "score", (0.0, 10.0))
        && !(0.0..=10.0).contains(&verdict.score)
    {
        return Err(format!("a verdict off the scale: {verdict:?}"));
    }
    let request = judge::JudgeRequest {
        question: "q".into(),
        rubric: "r".into(),
        reference: None,
        response: text.clone(),
        images: Vec::new(),
        scale: (0.0, 10.0),
        labels: Vec::new(),
    };
    let prompt = judge::prompt(&request, other).map_err(|error| error.to_string())?;
    let ends = prompt.text.lines().filter(|line| line.starts_with("END ")).count();
    if ends != 1 || text.contains(&prompt.word) {
        return Err("a prompt whose fence is open".into());
    }
    Ok(!response.blocks().is_empty())
}

fn mathematics((text, other): &(String, String)) -> Result<bool, String> {
    let options = math::Options::default();
    if math::equivalent(text, text, options) == Ok(false) {
        return Err("an expression that does not equal itself".into());
    }
    let there = math::equivalent(text, other, options);
    let back = math::equivalent(other, text, options);
    if there.is_ok() && back.is_ok() && there != back {
        return Err(format!("equal one way only, with {other:?}"));
    }
    let response = Response::parse(text);
    math::answer(&response, math::Where::Auto);
    if math::last_box(text).is_some_and(|inner| !text.contains(inner)) {
        return Err("a box that is not in the text".into());
    }
    Ok(there.is_ok())
}

fn json_boxes(text: &str) -> Result<bool, String> {
    let read = boxes::boxes(text);
    if read != boxes::boxes(text) {
        return Err("boxes differ the second time".into());
    }
    if read.items.len() > boxes::MAX_BOXES
        || read.items.iter().flat_map(|b| b.numbers).any(|n| !n.is_finite())
    {
        return Err("too many boxes, or one that is not finite".into());
    }
    for centres in [false, true] {
        points::points(text, centres);
    }
    time::spans(text);
    structure::read::json(text);
    if structure::read::number(text).is_some_and(|n| !n.is_finite()) {
        return Err("a number that is not finite".into());
    }
    if let Some(object) = answer::json::object(text)
        && !object.is_object()
    {
        return Err("an object that is none".into());
    }
    Ok(!read.items.is_empty())
}
