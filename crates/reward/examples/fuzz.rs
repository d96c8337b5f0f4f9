//! Throws mutated texts at the parsers for a while: the response parser, the expression parser of the
//! mathematics, and the reader of boxes and JSON. Any panic, broken law or slow input ends the run with the
//! text that caused it.
//!
//! `cargo run --release -p eyas-reward --example fuzz -- SECONDS [SEED]`
//!
//! Texts come from the conformance cases; mutations cut, repeat, splice and insert. It is not guided by
//! coverage.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use eyas_core::{Rng, Seed};
use eyas_reward::{Response, TAGS, boxes, math};
use serde_json::Value;

/// The longest that one text may take.
const SLOW: Duration = Duration::from_millis(500);
/// The longest text, in characters.
const LONGEST: usize = 4_000;

/// Pieces that parsers stumble over.
const PIECES: &[&str] = &[
    "<answer>",
    "</answer>",
    "<think>",
    "</think>",
    "<perception>",
    "<tool_call>",
    "<",
    "</",
    ">",
    "\\boxed{",
    "\\frac{",
    "\\sqrt[",
    "^{",
    "_{",
    "\\left(",
    "\\right]",
    "}",
    "{",
    "[",
    "]",
    "(",
    ")",
    "\"",
    "'",
    ",",
    ":",
    "```json\n",
    "```",
    "\"bbox_2d\":",
    "\"label\":",
    "NaN",
    "inf",
    "1e999",
    "-0",
    "99999999999999999999",
    "0.1",
    "1/0",
    "٣",
    "１",
    "\u{202e}",
    "\0",
    "\n",
    "é",
    "𝟙",
    "null",
    "true",
    "None",
    "!",
    "%",
    "\\pm",
    "=",
    "\\le",
    "\\cup",
    "\\pi",
    "x",
    "sin",
    "log_",
    "10^",
    "^^",
    "--",
    "\\\\",
    "&",
    "\\begin{pmatrix}",
];

fn corpus() -> std::io::Result<Vec<String>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../conformance");
    let mut paths: Vec<_> = std::fs::read_dir(folder)?.filter_map(|e| Some(e.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == "jsonl"));
    paths.sort();
    let mut texts = Vec::new();
    for path in paths {
        for line in std::fs::read_to_string(path)?.lines() {
            let Ok(case) = serde_json::from_str::<Value>(line) else { continue };
            let said = case["response"].as_str().into_iter().chain(case["gold"].as_str());
            texts.extend(said.map(|text| text.chars().take(LONGEST).collect::<String>()));
        }
    }
    Ok(texts)
}

/// One to eight mutations of a text of the corpus.
fn mutated(corpus: &[String], rng: &mut Rng) -> String {
    let mut text: Vec<char> = rng.choose(corpus).map(|t| t.chars().collect()).unwrap_or_default();
    for _ in 0..1 + rng.below(8) {
        let at = rng.below(text.len() + 1);
        let end = (at + 1 + rng.below(20)).min(text.len());
        match rng.below(6) {
            0 => drop(text.drain(at..end)),
            1 => {
                let part: Vec<char> = text[at..end].to_vec();
                let times = 1 + rng.below(60);
                text.splice(at..at, part.iter().copied().cycle().take(part.len() * times));
            }
            2 => {
                let other: Vec<char> = rng.choose(corpus).map(|t| t.chars().collect()).unwrap_or_default();
                let from = rng.below(other.len() + 1);
                text.splice(at.., other[from..].iter().copied());
            }
            3 => {
                let piece = rng.choose(PIECES).copied().unwrap_or("");
                let times = if rng.chance(0.1) { 200 } else { 1 };
                text.splice(at..at, piece.repeat(times).chars());
            }
            4 if end > at => text.swap(at, end - 1),
            _ => text.insert(at, char::from_u32(rng.below(0x3000) as u32).unwrap_or('?')),
        }
        text.truncate(LONGEST);
    }
    text.into_iter().collect()
}

/// The laws of the three parsers.
fn check(text: &str, other: &str) -> Result<(), String> {
    let response = Response::parse(text);
    let mut end = 0;
    for block in response.blocks() {
        let ordered = end <= block.outer.start && block.outer.end <= text.len();
        if !ordered || text.get(block.inner.clone()) != Some(block.text) || !TAGS.contains(&block.tag) {
            return Err(format!("a block out of place: {block:?}"));
        }
        end = block.outer.end;
    }
    let read = boxes::boxes(text);
    if read != boxes::boxes(text) {
        return Err("boxes differ the second time".into());
    }
    let options = math::Options::default();
    if math::equivalent(text, text, options) == Ok(false) {
        return Err("an expression that does not equal itself".into());
    }
    let there = math::equivalent(text, other, options);
    let back = math::equivalent(other, text, options);
    if there.is_ok() && back.is_ok() && there != back {
        return Err(format!("equal one way only, with {other:?}"));
    }
    math::answer(&response, math::Where::Auto);
    Ok(())
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let seconds = arguments.next().and_then(|s| s.parse::<u64>().ok());
    let seed = arguments.next().map_or(Some(1), |s| s.parse().ok());
    let (Some(seconds), Some(seed)) = (seconds, seed) else {
        eprintln!("usage: fuzz SECONDS [SEED]");
        return ExitCode::FAILURE;
    };
    let corpus = match corpus() {
        Ok(corpus) if !corpus.is_empty() => corpus,
        Ok(_) => return told("no conformance case was found"),
        Err(error) => return told(&error.to_string()),
    };
    // A panic is caught and told with its text; the usual message would come before it.
    std::panic::set_hook(Box::new(|_| {}));
    let (begin, mut count, mut slowest) = (Instant::now(), 0u64, Duration::ZERO);
    while begin.elapsed() < Duration::from_secs(seconds) {
        let mut rng = Seed::new(seed).split("text", count).rng();
        let text = mutated(&corpus, &mut rng);
        let other = if rng.chance(0.5) { mutated(&corpus, &mut rng) } else { text.replace(' ', "") };
        let clock = Instant::now();
        let done = catch_unwind(AssertUnwindSafe(|| check(&text, &other)));
        let took = clock.elapsed();
        slowest = slowest.max(took);
        let problem = match done {
            Err(_) => Some("a panic".to_string()),
            Ok(Err(problem)) => Some(problem),
            Ok(Ok(())) => (took > SLOW).then(|| format!("{} ms", took.as_millis())),
        };
        if let Some(problem) = problem {
            return told(&format!("seed {seed}, text {count}: {problem}\n{text:?}"));
        }
        count += 1;
    }
    println!("{count} texts in {seconds} s, the slowest {:.1} ms: no finding", slowest.as_secs_f64() * 1e3);
    ExitCode::SUCCESS
}

fn told(problem: &str) -> ExitCode {
    eprintln!("error: {problem}");
    ExitCode::FAILURE
}
