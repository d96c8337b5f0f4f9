//! Which part of a response is the answer.

use crate::Response;

use super::lex::{LONGEST, closing};

/// Where the answer is looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Where {
    /// The last of: a box, what follows "answer is", the text itself if it is an expression, the last
    /// formula between dollars, the last number; see [`answer`].
    #[default]
    Auto,
    /// The last closed `\boxed{…}` only.
    Boxed,
    /// The last closed `<answer>` only, whole.
    Answer,
    /// All of it.
    Whole,
}

/// The candidates for the answer, best first: the first that can be read counts.
///
/// The place is the last closed `<answer>`; when there is none, the text after the last other block (so
/// that nothing thought or perceived is an answer); `None` when an `<answer>` is open but not closed.
/// There, in `Auto`:
/// 1. the last `\boxed{…}` or `\fbox{…}` whose braces balance (of boxes in boxes the outer one), and
///    nothing else when there is one;
/// 2. what follows the last "answer is", "answer:" or "answer =" on its line, up to the end of the
///    sentence or a "because", and nothing else;
/// 3. the text itself, when it is one line;
/// 4. the last formula between dollars or `\( \)` or `\[ \]`;
/// 5. the last number.
pub fn answer<'a>(response: &Response<'a>, from: Where) -> Vec<&'a str> {
    let answer = response.block("answer").map(|b| b.text.trim());
    let place = match (answer, response.blocks().last()) {
        (Some(text), _) => text,
        _ if from == Where::Answer => return Vec::new(),
        (None, Some(_)) if response.blocks().iter().any(|b| b.tag == "answer") => return Vec::new(),
        (None, Some(last)) => response.text().get(last.outer.end..).unwrap_or("").trim(),
        (None, None) => response.text().trim(),
    };
    match from {
        Where::Answer | Where::Whole => vec![place],
        Where::Boxed => last_box(place).into_iter().collect(),
        Where::Auto => {
            if let Some(boxed) = last_box(place) {
                return vec![boxed];
            }
            if let Some(after) = after_anchor(place) {
                return vec![after];
            }
            let line = (!place.contains('\n') && place.len() <= LONGEST).then_some(place);
            line.into_iter().chain(last_formula(place)).chain(last_number(place)).collect()
        }
    }
}

/// What stands in the last `\boxed{…}` or `\fbox{…}` that is closed; of boxes in boxes the outer one.
/// One pass, whatever the nesting.
pub fn last_box(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    let mut found: Option<(usize, usize)> = None;
    // For each open brace, the start of the box that it opens.
    let mut open: Vec<Option<usize>> = Vec::new();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => {
                let rest = text.get(at..).unwrap_or("");
                let name = ["\\boxed", "\\fbox"].iter().find(|n| rest.starts_with(**n));
                if let Some(name) = name {
                    let after = rest.get(name.len()..).unwrap_or("");
                    let blanks = after.len() - after.trim_start_matches(' ').len();
                    if after.get(blanks..).is_some_and(|t| t.starts_with('{')) {
                        at += name.len() + blanks + 1;
                        open.push(Some(at));
                        continue;
                    }
                }
                // An escaped brace is no brace.
                at += 2;
                continue;
            }
            b'{' => open.push(None),
            b'}' => {
                if let Some(Some(start)) = open.pop() {
                    found = Some((start, at));
                }
            }
            _ => {}
        }
        at += 1;
    }
    found.and_then(|(start, end)| text.get(start..end)).map(str::trim)
}

/// What ends an answer in running text.
const ENDS: [&str; 8] = [". ", " because ", " since ", ", which ", ", so ", ", as ", " where ", "; "];

/// The rest of the line after the last "answer is", "answer:" or "answer =".
fn after_anchor(text: &str) -> Option<&str> {
    let mut found = None;
    let bytes = text.as_bytes();
    let word = b"answer";
    let mut at = 0;
    while let Some(window) = bytes.get(at..at + word.len()) {
        if window.eq_ignore_ascii_case(word) {
            let mut rest = text.get(at + word.len()..).unwrap_or("");
            // "**Answer**: 5"
            rest = rest.trim_start_matches(['*', '_', ' ']);
            let after = ["is:", "is", ":", "="].iter().find_map(|a| rest.strip_prefix(a));
            if let Some(after) = after {
                found = Some(after);
            }
            at += word.len();
        } else {
            at += 1;
        }
    }
    let line = found?.trim_start_matches([':', ' ', '*', '\t']).lines().next()?;
    // "5, which is odd": what follows is said of the answer.
    let ends = ENDS.iter().filter_map(|end| line.find(end)).min();
    let line = ends.and_then(|end| line.get(..end)).unwrap_or(line);
    let line = line.trim().trim_end_matches(['*', ' ', '.']);
    if line.is_empty() {
        return None;
    }
    // A formula there is the answer, whatever is said after it.
    Some(first_formula(line).unwrap_or(line))
}

fn first_formula(line: &str) -> Option<&str> {
    let body = line.strip_prefix('$')?;
    let body = body.strip_prefix('$').unwrap_or(body);
    let end = body.find('$')?;
    let inner = body.get(..end)?.trim();
    (!inner.is_empty()).then_some(inner)
}

/// The last formula between `$…$`, `$$…$$`, `\(…\)` or `\[…\]`.
fn last_formula(text: &str) -> Option<&str> {
    let dollars = {
        let mut parts = text.rsplitn(3, '$').filter(|_| text.contains('$'));
        let after = parts.next();
        let inner = parts.next();
        let before = parts.next();
        match (before, inner, after) {
            // `$$x$$` leaves an empty part between the two closing dollars.
            (Some(before), Some(""), _) => before.rsplit('$').next(),
            (Some(_), Some(inner), _) => Some(inner),
            _ => None,
        }
    };
    let brackets = [("\\(", "\\)"), ("\\[", "\\]")].into_iter().filter_map(|(open, close)| {
        let end = text.rfind(close)?;
        let start = text.get(..end)?.rfind(open)?;
        text.get(start + open.len()..end).map(|inner| (end, inner))
    });
    let bracket = brackets.max_by_key(|(end, _)| *end).map(|(_, inner)| inner);
    dollars.or(bracket).map(str::trim).filter(|t| !t.is_empty())
}

/// The last number: digits with a sign, a point, groups of three and a quotient.
fn last_number(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    let end = bytes.iter().rposition(u8::is_ascii_digit)? + 1;
    let part = |b: &u8| b.is_ascii_digit() || matches!(b, b'.' | b',' | b'/');
    let head = bytes.get(..end)?;
    let length = head.iter().rev().take(LONGEST).take_while(|b| part(b)).count();
    let mut start = end - length;
    while bytes.get(start).is_some_and(|b| matches!(b, b'.' | b',' | b'/')) && bytes.get(start) != Some(&b'.')
    {
        start += 1;
    }
    let sign = start.checked_sub(1).filter(|s| bytes.get(*s) == Some(&b'-'));
    // "3-4" has no negative number in it.
    let sign =
        sign.filter(|s| !s.checked_sub(1).and_then(|b| bytes.get(b)).is_some_and(u8::is_ascii_alphanumeric));
    let end = if bytes.get(end) == Some(&b'%') { end + 1 } else { end };
    text.get(sign.unwrap_or(start)..end)
}

/// `text` without what wraps a whole answer: dollars, `\( \)`, a box, a closing full stop.
pub(crate) fn unwrapped(text: &str) -> &str {
    let mut text = text.trim();
    for _ in 0..8 {
        let before = text;
        text = text.trim_end_matches(['.', ',', ';']).trim();
        for (open, close) in
            [("$$", "$$"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]"), ("**", "**"), ("`", "`"), ("\"", "\"")]
        {
            if let Some(inner) = text.strip_prefix(open).and_then(|t| t.strip_suffix(close))
                && !inner.contains(open)
            {
                text = inner.trim();
            }
        }
        for name in ["\\boxed{", "\\fbox{"] {
            if let Some(inner) = text.strip_prefix(name)
                && closing(inner) == Some(inner.len().saturating_sub(1))
            {
                text = inner.get(..inner.len() - 1).unwrap_or("").trim();
            }
        }
        if text == before {
            break;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(text: &str) -> Option<&str> {
        answer(&Response::parse(text), Where::Auto).first().copied()
    }

    #[test]
    fn the_last_closed_box_counts() {
        assert_eq!(last_box("\\boxed{1} then \\boxed{\\frac{1}{2}}"), Some("\\frac{1}{2}"));
        assert_eq!(last_box("\\boxed{1} then \\boxed{2"), Some("1"));
        assert_eq!(last_box("\\boxed{\\boxed{5}}"), Some("\\boxed{5}"));
        assert_eq!(last_box("\\boxed{\\{1,2\\}}"), Some("\\{1,2\\}"));
        assert_eq!(last_box("\\boxed 5"), None);
        let nested = "\\boxed{".repeat(100_000);
        assert_eq!(last_box(&nested), None);
        assert!(last_box(&format!("{nested}{}", "}".repeat(100_000))).is_some());
    }

    #[test]
    fn the_place_is_the_answer_block() {
        assert_eq!(first("<think>\\boxed{5}</think><answer>6</answer>"), Some("6"));
        assert_eq!(first("<think>\\boxed{5}</think> so \\boxed{6}"), Some("6"));
        assert_eq!(first("<think>\\boxed{5}</think>"), Some(""));
        assert_eq!(first("<answer>5"), None);
        assert_eq!(first("<think>\\boxed{5}"), Some(""));
    }

    #[test]
    fn without_a_box_the_words_lead() {
        assert_eq!(first("I get 3. The answer is $x^2$ for now."), Some("x^2"));
        assert_eq!(first("**Answer:** 42"), Some("42"));
        assert_eq!(first("The answer is **42**."), Some("42"));
        assert_eq!(first("The answer is 5, which is odd."), Some("5"));
        assert_eq!(first("The answer is (B) because it is."), Some("(B)"));
        assert_eq!(first("The answer is 3.14."), Some("3.14"));
        assert_eq!(first("Final answer: 1/2\nDone 7."), Some("1/2"));
        assert_eq!(answer(&Response::parse("so we get\n$3$ or $$4$$ apples"), Where::Auto), ["4", "4"]);
        assert_eq!(answer(&Response::parse("a\nb is 1,234.5, ok"), Where::Auto), ["1,234.5"]);
        assert_eq!(answer(&Response::parse("it falls\nby -3"), Where::Auto), ["-3"]);
    }
}
