//! Boxes as policies and data sets write them.
//!
//! Read are `{"bbox_2d": [x1, y1, x2, y2], "label": …}` (also under the keys `bbox`, `box`, `box_2d`,
//! `bounding_box`, `position`, with `confidence` or `score`), bare `[x1, y1, x2, y2]`, and two corners
//! `(x1, y1), (x2, y2)`; fenced, quoted with apostrophes, nested in any lists or objects, any number of
//! them in any text. Of a text that was cut off the complete items count.

use serde_json::Value;

use super::Box2;
use super::frame::{View, gold_numbers};
use super::lenient::{Forest, Kind, Node, read};
use crate::{Sample, bad_gold};
use eyas_core::Score;

/// Boxes beyond this many count as wrong ones, unread.
pub const MAX_BOXES: usize = 1_000;
/// Longer labels are cut.
const MAX_LABEL: usize = 200;

const BOX_KEYS: [&str; 7] = ["bbox_2d", "bbox", "box", "box_2d", "bounding_box", "position", "coordinates"];
const LABEL_KEYS: [&str; 5] = ["label", "class", "category", "name", "ref"];
const CONFIDENCE_KEYS: [&str; 2] = ["confidence", "score"];

/// A box as written, in the coordinates it is written in.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// Its four numbers.
    pub numbers: [f64; 4],
    /// Its label, in lower case, blanks collapsed.
    pub label: Option<String>,
    /// Its confidence, where one from 0 to 1 is given.
    pub confidence: Option<f64>,
}

/// The boxes of a text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Boxes {
    /// Those that can be read, in order, at most [`MAX_BOXES`].
    pub items: Vec<Written>,
    /// Items that should be a box and are not four numbers, and boxes beyond the bound.
    pub malformed: usize,
    /// True when the text ends inside a list or item: what was complete by then is in `items`.
    pub cut: bool,
    /// True when the text says that there is nothing: an empty list, "None", "no objects".
    pub none: bool,
}

/// A label as it is compared.
pub(crate) fn normal_label(text: &str) -> String {
    let short: String = text.chars().take(MAX_LABEL).collect();
    short.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// Reads the boxes of `text`.
pub fn boxes(text: &str) -> Boxes {
    let forest = read(text);
    let mut out = Boxes { cut: forest.cut, ..Boxes::default() };
    let roots: Vec<&Node<'_>> = forest.roots().collect();
    let mut at = 0;
    while let Some(root) = roots.get(at) {
        at += 1;
        if let Some(numbers) = roots.get(at).and_then(|next| corners(&forest, text, root, next)) {
            at += 1;
            push(&mut out, numbers, None, None);
            continue;
        }
        walk(&forest, root, &mut out);
    }
    out.none = out.items.is_empty() && out.malformed == 0 && !out.cut && says_none(text, &forest);
    out
}

/// `(x1, y1), (x2, y2)` at the top level.
fn corners(forest: &Forest<'_>, text: &str, first: &Node<'_>, second: &Node<'_>) -> Option<[f64; 4]> {
    let ([x1, y1], [x2, y2]) = (forest.numbers(first)?, forest.numbers(second)?);
    let between = text.get(first.end..second.start)?.trim();
    matches!(between, "" | ",").then_some([x1, y1, x2, y2])
}

fn says_none(text: &str, forest: &Forest<'_>) -> bool {
    let mut roots = forest.roots();
    if let (Some(one), None) = (roots.next(), roots.next()) {
        return one.complete && one.kind == Kind::List && one.children.is_empty();
    }
    let words = text.trim().trim_matches(|c: char| !c.is_alphanumeric());
    let phrases = ["none", "null", "no object", "no objects", "no objects found", "nothing"];
    phrases.iter().any(|p| words.eq_ignore_ascii_case(p))
}

fn push(out: &mut Boxes, numbers: [f64; 4], label: Option<String>, confidence: Option<f64>) {
    if out.items.len() < MAX_BOXES {
        out.items.push(Written { numbers, label, confidence });
    } else {
        out.malformed += 1;
    }
}

/// Takes the boxes in and under `root`, in order.
fn walk(forest: &Forest<'_>, root: &Node<'_>, out: &mut Boxes) {
    let mut stack = vec![root];
    while let Some(node) = stack.pop() {
        if let Some(numbers) = four(forest, node) {
            push(out, numbers, None, None);
            continue;
        }
        match forest.get(node, &BOX_KEYS).filter(|_| node.kind == Kind::Object) {
            Some(_) if !node.complete => {}
            Some(value) => item(forest, node, value, out),
            None => {
                let inside: Vec<_> = forest.children(node).filter(|n| n.is_container()).collect();
                stack.extend(inside.into_iter().rev());
            }
        }
    }
}

fn item(forest: &Forest<'_>, node: &Node<'_>, value: &Node<'_>, out: &mut Boxes) {
    let label = forest.get(node, &LABEL_KEYS).and_then(Node::text).map(normal_label);
    let confidence = forest.get(node, &CONFIDENCE_KEYS).and_then(Node::number);
    let confidence = confidence.filter(|c| (0.0..=1.0).contains(c));
    if let Some(numbers) = four(forest, value) {
        push(out, numbers, label, confidence);
        return;
    }
    // Several boxes under one label.
    let mut any = false;
    for inner in forest.children(value).filter(|n| n.is_container()) {
        any = true;
        match four(forest, inner) {
            Some(numbers) => push(out, numbers, label.clone(), confidence),
            None => out.malformed += 1,
        }
    }
    out.malformed += usize::from(!any);
}

/// Four numbers, or two pairs of them.
fn four(forest: &Forest<'_>, node: &Node<'_>) -> Option<[f64; 4]> {
    if let Some(numbers) = forest.numbers(node) {
        return Some(numbers);
    }
    if node.kind != Kind::List || !node.complete || node.children.len() != 2 {
        return None;
    }
    let mut ends = forest.children(node);
    let (a, b) = (ends.next()?, ends.next()?);
    let ([x1, y1], [x2, y2]) = (forest.numbers(a)?, forest.numbers(b)?);
    Some([x1, y1, x2, y2])
}

/// A box in the common frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Labelled {
    /// Where it is.
    pub area: Box2,
    /// What it shows.
    pub label: Option<String>,
    /// Confidence of a prediction, 1 where none is given; weight of a ground truth.
    pub weight: f64,
}

/// What an answer claims.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Claim {
    /// Its boxes.
    pub boxes: Vec<Labelled>,
    /// Boxes that are none: not four numbers, refused by a policy, beyond the bound. Each counts as a
    /// false positive.
    pub refused: usize,
    /// It says that there is nothing.
    pub none: bool,
}

impl Claim {
    /// Everything that was claimed.
    pub fn len(&self) -> usize {
        self.boxes.len() + self.refused
    }

    /// No box, good or bad.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The boxes of the answer.
pub(crate) fn claim(sample: &Sample<'_>, view: View) -> Claim {
    let Some(answer) = sample.answer() else { return Claim::default() };
    let read = boxes(answer);
    let mut claim = Claim { refused: read.malformed, none: read.none, boxes: Vec::new() };
    for Written { numbers, label, confidence } in read.items {
        match view.rect(numbers) {
            Some(area) => claim.boxes.push(Labelled { area, label, weight: confidence.unwrap_or(1.0) }),
            None => claim.refused += 1,
        }
    }
    claim
}

/// The boxes of the ground truth: a box, or a list of boxes; a box is four numbers or an object with
/// `bbox_2d` or `bbox`, and perhaps `label` and `weight`.
pub(crate) fn gold_boxes(gold: &Value, view: View) -> Result<Vec<Labelled>, Score> {
    if gold_numbers::<4>(gold).is_some() || gold.is_object() {
        return Ok(vec![gold_box(gold, view)?]);
    }
    let items = gold.as_array().ok_or_else(|| bad_gold("the ground truth is not a list of boxes"))?;
    if items.len() > MAX_BOXES {
        return Err(bad_gold(format!("more than {MAX_BOXES} boxes in the ground truth")));
    }
    items.iter().map(|item| gold_box(item, view)).collect()
}

fn gold_box(value: &Value, view: View) -> Result<Labelled, Score> {
    let numbers = match value.as_object() {
        Some(object) => ["bbox_2d", "bbox", "box"].iter().find_map(|k| object.get(*k)).and_then(gold_numbers),
        None => gold_numbers(value),
    };
    let numbers = numbers.ok_or_else(|| bad_gold("a box of the ground truth is not four numbers"))?;
    let label = match value.get("label") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(normal_label(text)),
        Some(_) => return Err(bad_gold("a label of the ground truth is not a text")),
    };
    let weight = match value.get("weight") {
        None => 1.0,
        Some(w) => w
            .as_f64()
            .filter(|w| (0.0..=1e6).contains(w))
            .ok_or_else(|| bad_gold("a weight of the ground truth is not a number from 0"))?,
    };
    Ok(Labelled { area: view.gold_rect(numbers)?, label, weight })
}

/// The one box of the ground truth.
pub(crate) fn gold_one(gold: &Value, view: View) -> Result<Box2, Score> {
    match gold_boxes(gold, view)?.as_slice() {
        [one] => Ok(one.area),
        _ => Err(bad_gold("the ground truth is not one box")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn numbers(text: &str) -> Vec<[f64; 4]> {
        boxes(text).items.iter().map(|w| w.numbers).collect()
    }

    #[test]
    fn every_way_to_write_a_box() {
        let one = vec![[1.0, 2.0, 3.0, 4.5]];
        for text in [
            "[1,2,3,4.5]",
            "the cat is at [1, 2, 3, 4.5].",
            "```json\n[{\"bbox_2d\": [1, 2, 3, 4.5], \"label\": \"cat\"}]\n```",
            "{'Position': [1, 2, 3, 4.5], 'Confidence': 0.9}",
            "<|box_start|>(1,2),(3,4.5)<|box_end|>",
            "[[1,2],[3,4.5]]",
            "<ref>cat</ref><box>[[1, 2, 3, 4.5]]</box>",
            "[\"1\", \"2\", \"3\", \"4.5\"]",
            "{\"objects\": [{\"box\": [[1,2,3,4.5]]}]}",
        ] {
            assert_eq!(numbers(text), one, "{text}");
        }
        let read =
            boxes("[{'bbox_2d': [1,2,3,4], 'label': ' Big  CAT ', 'score': 0.5}, {'bbox': [5,6,7,8]}]");
        assert_eq!((read.items[0].label.as_deref(), read.items[0].confidence), (Some("big cat"), Some(0.5)));
        assert_eq!(read.items[1].numbers, [5.0, 6.0, 7.0, 8.0]);
    }

    #[test]
    fn what_is_no_box() {
        for text in
            ["", "1 2 3 4", "[1,2,3]", "[1,2,3,4,5]", "[1,2,3,x]", "[١,2,3,4]", "[nan,0,1,1]", "[1,2,3,4"]
        {
            assert!(numbers(text).is_empty(), "{text}");
        }
        assert_eq!(boxes("{\"bbox_2d\": [1,2,3]}").malformed, 1);
        assert_eq!(boxes("{\"bbox_2d\": \"cat\"}").malformed, 1);
    }

    #[test]
    fn nothing_is_said_in_several_ways() {
        for text in ["[]", "None", " none. ", "No objects", "```json\n[]\n```", "null"] {
            assert!(boxes(text).none, "{text}");
        }
        for text in ["", "None of them: [1,2,3,4]", "[", "{}", "no idea", "[[]"] {
            assert!(!boxes(text).none, "{text}");
        }
    }

    #[test]
    fn a_cut_list_keeps_its_complete_items() {
        let read =
            boxes("[{\"bbox_2d\": [1,2,3,4], \"label\": \"a\"}, {\"bbox_2d\": [5,6,7,8], \"label\": \"b");
        assert!(read.cut && read.items.len() == 1);
        assert!(boxes("[[1,2,3,4],[5,6,7,8").cut);
        assert_eq!(numbers("[[1,2,3,4],[5,6,7,8"), [[1.0, 2.0, 3.0, 4.0]]);
    }

    #[test]
    fn the_number_of_boxes_is_bounded_but_all_count() {
        let read = boxes(&"[1,2,3,4]".repeat(1_500));
        assert_eq!((read.items.len(), read.malformed), (1_000, 500));
        let many = boxes(&"[1,2,3,4]".repeat(1_000_000));
        assert!(many.cut && many.items.len() == 1_000 && many.malformed > 10_000);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in r#"[\[\](){},:'"a-c0-9 .\n]{0,120}"#) {
            let read = boxes(&text);
            prop_assert!(!read.none || read.items.is_empty());
        }
    }
}
