//! What, when and where together (V-STaR, arXiv 2503.11495).

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Span, tiou};
use crate::boxes::lenient::{Kind, Node, read};
use crate::boxes::{Box2, View, gold_numbers, iou};
use crate::{Params, Sample, bad_gold};
use eyas_core::Score;

/// More frames are refused.
const MAX_FRAMES: usize = 10_000;

/// The arithmetic mean of the three.
pub fn arithmetic_mean(what: f64, when: f64, place: f64) -> f64 {
    (what + when + place) / 3.0
}

/// The logarithmic geometric mean: the mean of `-ln(1 - v)`. Each value is cut at `cap`, below 1, so that
/// a perfect answer has a finite score.
pub fn logarithmic_mean(what: f64, when: f64, place: f64, cap: f64) -> f64 {
    [what, when, place].iter().map(|v| -(1.0 - v.clamp(0.0, cap)).ln()).sum::<f64>() / 3.0
}

type Frames = BTreeMap<u64, Box2>;

/// Mean IoU over the frames that have a box on either side: a frame too many costs as one that misses.
fn frame_iou(said: &Frames, gold: &Frames) -> f64 {
    let all: std::collections::BTreeSet<&u64> = said.keys().chain(gold.keys()).collect();
    let each = |f: &&u64| said.get(f).zip(gold.get(f)).map_or(0.0, |(s, g)| iou(*s, *g));
    all.iter().map(each).sum::<f64>() / all.len().max(1) as f64
}

fn plain(text: &str) -> String {
    let short: String = text.chars().take(1_000).collect();
    let words = short.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty());
    words.collect::<Vec<_>>().join(" ").to_lowercase()
}

/// Scores of what, when and where, each 0 to 1.
pub(super) fn parts(sample: &Sample<'_>, params: &Params) -> Result<[f64; 3], Score> {
    let view = View::of(sample, params)?;
    let gold = sample.gold;
    let answer = gold.get("answer").and_then(Value::as_str).map(plain).filter(|a| !a.is_empty());
    let answer = answer.ok_or_else(|| bad_gold("the ground truth has no answer"))?;
    let span = gold.get("time").and_then(gold_numbers::<2>).and_then(|[s, e]| Span::new(s, e));
    let span = span.ok_or_else(|| bad_gold("the ground truth has no time [start, end]"))?;
    let boxes =
        gold.get("boxes").and_then(Value::as_object).filter(|b| !b.is_empty() && b.len() <= MAX_FRAMES);
    let boxes = boxes.ok_or_else(|| bad_gold("the ground truth has no boxes by frame"))?;
    let mut there = Frames::new();
    for (frame, numbers) in boxes {
        let frame = frame.parse().map_err(|_| bad_gold("a frame of the ground truth is not a number"))?;
        let numbers = gold_numbers(numbers).ok_or_else(|| bad_gold("a box is not four numbers"))?;
        there.insert(frame, view.gold_rect(numbers)?);
    }

    let forest = read(sample.answer().unwrap_or(""));
    let Some(said) = forest.roots().find(|n| n.kind == Kind::Object && n.complete) else {
        return Ok([0.0; 3]);
    };
    let word = forest.get(said, &["answer", "what"]).and_then(Node::text).map(plain);
    let times = forest.get(said, &["time", "when"]).and_then(|n| forest.numbers(n));
    let when = times.and_then(|[s, e]| Span::new(s, e)).map_or(0.0, |s| tiou(s, span));
    let mut found = Frames::new();
    if let Some(list) = forest.get(said, &["boxes", "where"]) {
        for child in forest.children(list).take(MAX_FRAMES) {
            let frame = child.key.as_deref().and_then(|k| k.trim().parse().ok());
            let area = forest.numbers(child).and_then(|n| view.rect(n));
            if let (Some(frame), Some(area)) = (frame, area) {
                found.entry(frame).or_insert(area);
            }
        }
    }
    Ok([f64::from(u8::from(word == Some(answer))), when, frame_iou(&found, &there)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_by_hand() {
        assert!((arithmetic_mean(0.5, 0.3, 0.1) - 0.3).abs() < 1e-12);
        assert!((logarithmic_mean(0.5, 0.3, 0.1, 0.99) - 0.385).abs() < 5e-4);
        assert!((logarithmic_mean(1.0, 1.0, 1.0, 0.99) - 100f64.ln()).abs() < 1e-9);
    }
}
