//! Rules about the form of one response, each a function of its parse.

use serde_json::Value;

use crate::Response;

/// True when the last closed block `tag` says something.
pub fn says_something(response: &Response<'_>, tag: &str) -> bool {
    response.block(tag).is_some_and(|b| !b.text.trim().is_empty())
}

/// True when the response is these blocks, each once, in order, none of them blank, and nothing else.
pub fn exactly(response: &Response<'_>, tags: &[&str]) -> bool {
    response.well_formed(tags) && tags.iter().all(|tag| says_something(response, tag))
}

/// True when these blocks occur once each, closed, in this order and not blank; text may stand around
/// them and blocks of other tags between, but no known tag inside.
pub fn in_order(response: &Response<'_>, tags: &[&str]) -> bool {
    let blocks = response.blocks().iter().filter(|b| tags.contains(&b.tag));
    let good = |(block, tag): (&crate::Block<'_>, &&str)| {
        block.tag == *tag && block.closed && !block.nested && !block.text.trim().is_empty()
    };
    blocks.clone().count() == tags.len() && blocks.zip(tags).all(good) && once(response, tags)
}

/// True when the opening and the closing tag of each occur exactly once.
pub fn once(response: &Response<'_>, tags: &[&str]) -> bool {
    tags.iter().all(|tag| response.tag_counts(tag) == (1, 1))
}

/// The share of opening and closing tags that occur exactly once. A closing tag counts only when its block
/// is not blank, so that bare tags earn half.
pub fn tag_share(response: &Response<'_>, tags: &[&str]) -> f64 {
    if tags.is_empty() {
        return 0.0;
    }
    let points = |tag: &&str| {
        let (open, close) = response.tag_counts(tag);
        usize::from(open == 1) + usize::from(close == 1 && says_something(response, tag))
    };
    tags.iter().map(points).sum::<usize>() as f64 / (2 * tags.len()) as f64
}

/// DeepEyes' rule: every opening tag has a closing one, and the answer is shorter than `limit` characters.
pub fn balanced(response: &Response<'_>, limit: usize) -> bool {
    let even = |tag: &&str| {
        let (open, close) = response.tag_counts(tag);
        open == close
    };
    let short = response.block("answer").is_none_or(|b| b.text.trim().chars().take(limit).count() < limit);
    crate::TAGS.iter().all(even) && short
}

/// True when the response begins with a thought that is not blank, and what follows holds exactly one
/// `\boxed{…}` that is closed and not blank.
pub fn boxed(response: &Response<'_>) -> bool {
    let Some(first) = response.blocks().first().filter(|b| b.tag == "think" && b.closed && !b.nested) else {
        return false;
    };
    let text = response.text();
    let before = text.get(..first.outer.start).unwrap_or("");
    let after = text.get(first.outer.end..).unwrap_or("");
    if !before.trim().is_empty() || first.text.trim().is_empty() || !once(response, &["think"]) {
        return false;
    }
    let mut found = after.match_indices("\\boxed{");
    let (Some((at, opening)), None) = (found.next(), found.next()) else { return false };
    let inner = after.get(at + opening.len()..).unwrap_or("");
    let mut depth = 1usize;
    for (end, byte) in inner.bytes().enumerate() {
        depth = match byte {
            b'{' => depth + 1,
            b'}' => depth - 1,
            _ => depth,
        };
        if depth == 0 {
            return inner.get(..end).is_some_and(|content| !content.trim().is_empty());
        }
    }
    false
}

/// True when `text` is these elements and nothing else, each once, in order and not blank, without any
/// of the elements inside another.
pub fn elements(text: &str, names: &[&str]) -> bool {
    let mut rest = text.trim();
    for name in names {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let Some((inner, after)) =
            rest.strip_prefix(open.as_str()).and_then(|r| r.split_once(close.as_str()))
        else {
            return false;
        };
        let nested =
            |name: &&str| inner.contains(&format!("<{name}>")) || inner.contains(&format!("</{name}>"));
        if inner.trim().is_empty() || names.iter().any(nested) {
            return false;
        }
        rest = after.trim_start();
    }
    rest.is_empty()
}

/// True when this JSON text holds a list of exactly four numbers; in an object, unless `bare` lists are
/// allowed. Nesting deeper than 127 is not read.
pub fn holds_box(text: &str, bare: bool) -> bool {
    let Ok(value) = serde_json::from_str::<Value>(crate::answer::list::unfence(text)) else { return false };
    let mut open = vec![(&value, bare)];
    while let Some((value, counts)) = open.pop() {
        match value {
            Value::Array(items) => {
                let number = |v: &Value| v.as_f64().is_some_and(f64::is_finite);
                if counts && items.len() == 4 && items.iter().all(number) {
                    return true;
                }
                open.extend(items.iter().map(|item| (item, counts)));
            }
            Value::Object(map) => open.extend(map.values().map(|item| (item, true))),
            _ => {}
        }
    }
    false
}

/// `(e^met - 1) / (e^all - 1)`: each further rule that is met is worth more than all before it together.
pub fn ordinal(met: usize, all: usize) -> f64 {
    if all == 0 { 0.0 } else { (met as f64).exp_m1() / (all as f64).exp_m1() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, rule: impl Fn(&Response<'_>) -> bool) -> bool {
        rule(&Response::parse(text))
    }

    #[test]
    fn boxed_answers() {
        for text in
            ["<think>t</think> so \\boxed{\\frac{1}{2}}", "<think>t</think><answer>\\boxed{5}</answer>"]
        {
            assert!(check(text, boxed), "{text}");
        }
        for text in [
            "\\boxed{5}",
            "<think>\\boxed{5}</think>",
            "<think> </think>\\boxed{5}",
            "x <think>t</think>\\boxed{5}",
            "<think>t</think>\\boxed{ }",
            "<think>t</think>\\boxed{5",
            "<think>t</think>\\boxed{5} or \\boxed{6}",
            "<think>t</think><think>u</think>\\boxed{5}",
        ] {
            assert!(!check(text, boxed), "{text}");
        }
        let deep = format!("<think>t</think>\\boxed{}", "{".repeat(100_000));
        assert!(!check(&deep, boxed));
    }

    #[test]
    fn elements_of_a_thought() {
        let names = ["observation", "reasoning"];
        assert!(elements(" <observation>a</observation>\n<reasoning>b</reasoning> ", &names));
        for text in [
            "",
            "<observation>a</observation>",
            "<reasoning>b</reasoning><observation>a</observation>",
            "<observation> </observation><reasoning>b</reasoning>",
            "<observation>a<reasoning></observation><reasoning>b</reasoning>",
            "<observation>a</observation><reasoning>b</reasoning> more",
            "<observation>a</observation> and <reasoning>b</reasoning>",
        ] {
            assert!(!elements(text, &names), "{text}");
        }
    }

    #[test]
    fn boxes_in_json() {
        assert!(holds_box(r#"{"bbox_2d": [1.5, -2, 3, 4e0]}"#, false));
        assert!(holds_box("```json\n[{\"bbox\": [1, 2, 3, 4]}]\n```", false));
        assert!(!holds_box("[1, 2, 3, 4]", false) && holds_box("[1, 2, 3, 4]", true));
        for text in
            ["", "{", r#"{"bbox": [1, 2, 3]}"#, r#"{"bbox": [1, 2, 3, "4"]}"#, r#"{"bbox": "[1,2,3,4]"}"#]
        {
            assert!(!holds_box(text, true), "{text}");
        }
        assert!(!holds_box(&"[".repeat(100_000), true));
    }

    #[test]
    fn ramp_by_hand() {
        assert_eq!((ordinal(0, 4), ordinal(4, 4), ordinal(0, 0)), (0.0, 1.0, 0.0));
        assert!((ordinal(1, 2) - 1.0 / (1.0 + std::f64::consts::E)).abs() < 1e-12);
    }

    #[test]
    fn tags_without_content_earn_half() {
        let share = |text: &str| tag_share(&Response::parse(text), &["think", "answer"]);
        assert_eq!(share("<think></think><answer></answer>"), 0.5);
        assert_eq!(share("<think>t</think><answer>a</answer>"), 1.0);
        assert_eq!(share("<think>t</think><answer>a"), 0.75);
        assert_eq!(share("<answer>a</answer><answer>b</answer>"), 0.0);
    }
}
