//! A forgiving reader of the JSON-like text that policies write.
//!
//! It finds every list and object in a text, whatever stands around them: prose, code fences, special
//! tokens. It accepts single quotes, bare words, tuples in round brackets, `key=value`, trailing commas
//! and text that was cut off. One pass, no recursion, bounded depth and number of values; what comes
//! after a bound is reached is not read and [`Forest::cut`] says so.

use std::borrow::Cow;

/// Deeper nesting ends the reading.
const MAX_DEPTH: usize = 32;
/// More values end the reading.
const MAX_NODES: usize = 100_000;
/// Longer numbers are refused: no coordinate or time needs them.
const MAX_DIGITS: usize = 40;

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind<'a> {
    Number(f64),
    Text(Cow<'a, str>),
    List,
    Object,
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node<'a> {
    /// The key it stands under, if any.
    pub(crate) key: Option<Cow<'a, str>>,
    pub(crate) kind: Kind<'a>,
    /// Indices of the values inside, in order.
    pub(crate) children: Vec<usize>,
    /// False for a list or object whose bracket was never closed.
    pub(crate) complete: bool,
    /// Bytes of the text it covers, brackets included.
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// Every list and object of a text.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Forest<'a> {
    nodes: Vec<Node<'a>>,
    roots: Vec<usize>,
    /// True when something was left open or a bound was reached.
    pub(crate) cut: bool,
}

impl<'a> Forest<'a> {
    /// The outermost lists and objects, in order.
    pub(crate) fn roots(&self) -> impl DoubleEndedIterator<Item = &Node<'a>> {
        self.roots.iter().filter_map(|i| self.nodes.get(*i))
    }

    /// The values inside `node`.
    pub(crate) fn children<'n>(&'n self, node: &'n Node<'a>) -> impl Iterator<Item = &'n Node<'a>> {
        node.children.iter().filter_map(|i| self.nodes.get(*i))
    }

    /// The first value of `node` under one of `keys`, asked in their order; case does not matter.
    pub(crate) fn get<'n>(&'n self, node: &'n Node<'a>, keys: &[&str]) -> Option<&'n Node<'a>> {
        let named = |key: &str| {
            let is = |n: &&Node<'a>| n.key.as_deref().is_some_and(|k| k.eq_ignore_ascii_case(key));
            self.children(node).find(is)
        };
        keys.iter().find_map(|key| named(key))
    }

    /// The numbers of a complete list that holds `N` numbers and nothing else.
    pub(crate) fn numbers<const N: usize>(&self, node: &Node<'a>) -> Option<[f64; N]> {
        if node.kind != Kind::List || !node.complete || node.children.len() != N {
            return None;
        }
        let mut out = [0.0; N];
        for (slot, child) in out.iter_mut().zip(self.children(node)) {
            *slot = child.number()?;
        }
        Some(out)
    }

    fn push(&mut self, node: Node<'a>, parent: Option<usize>) -> usize {
        let index = self.nodes.len();
        self.nodes.push(node);
        match parent.and_then(|p| self.nodes.get_mut(p)) {
            Some(parent) => parent.children.push(index),
            None => self.roots.push(index),
        }
        index
    }
}

impl Node<'_> {
    /// The number, also one in quotes.
    pub(crate) fn number(&self) -> Option<f64> {
        match &self.kind {
            Kind::Number(v) => Some(*v),
            Kind::Text(text) => ascii_number(text),
            _ => None,
        }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn is_container(&self) -> bool {
        matches!(self.kind, Kind::List | Kind::Object)
    }
}

/// A finite decimal number in ASCII: sign, digits, point, exponent. No NaN, no infinity, no hex, no
/// digits of other scripts.
pub(crate) fn ascii_number(text: &str) -> Option<f64> {
    let text = text.trim();
    let plain = |b: u8| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E');
    if text.len() > MAX_DIGITS || !text.bytes().all(plain) {
        return None;
    }
    text.parse().ok().filter(|v: &f64| v.is_finite())
}

/// Reads `text`.
pub(crate) fn read(text: &str) -> Forest<'_> {
    let bytes = text.as_bytes();
    let mut forest = Forest::default();
    let mut open: Vec<usize> = Vec::new();
    let mut key: Option<Cow<'_, str>> = None;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if open.len() >= MAX_DEPTH || forest.nodes.len() >= MAX_NODES {
            forest.cut = true;
            break;
        }
        match byte {
            b'[' | b'(' | b'{' => {
                let kind = if byte == b'{' { Kind::Object } else { Kind::List };
                let (key, children) = (key.take(), Vec::new());
                let node = Node { key, kind, children, complete: false, start: at, end: text.len() };
                open.push(forest.push(node, open.last().copied()));
                at += 1;
            }
            _ if open.is_empty() => at += 1,
            b']' | b')' | b'}' => {
                let opener = match byte {
                    b']' => b'[',
                    b')' => b'(',
                    _ => b'{',
                };
                let starts = |i: &usize| {
                    forest.nodes.get(*i).and_then(|n| bytes.get(n.start)).is_some_and(|b| *b == opener)
                };
                if let Some(depth) = open.iter().rposition(starts) {
                    if let Some(node) = open.get(depth).and_then(|i| forest.nodes.get_mut(*i)) {
                        (node.complete, node.end) = (true, at + 1);
                    }
                    open.truncate(depth);
                }
                (key, at) = (None, at + 1);
            }
            b',' | b';' => (key, at) = (None, at + 1),
            b'"' | b'\'' => {
                let (value, end) = quoted(text, at);
                at = end;
                let Some(value) = value else {
                    forest.cut |= at >= bytes.len();
                    key = None;
                    continue;
                };
                let kind = Kind::Text(value.clone());
                leaf(&mut forest, &open, &mut key, &mut at, bytes, (value, kind));
            }
            b if b.is_ascii_whitespace() || matches!(b, b':' | b'=' | b'`') => at += 1,
            _ => {
                let end = bare_end(bytes, at);
                let word = text.get(at..end).unwrap_or("").trim();
                at = end;
                let kind = ascii_number(word).map_or(Kind::Text(Cow::Borrowed(word)), Kind::Number);
                // A number that the text ends in may be half of one.
                if end >= bytes.len() {
                    break;
                }
                leaf(&mut forest, &open, &mut key, &mut at, bytes, (Cow::Borrowed(word), kind));
            }
        }
    }
    forest.cut |= !open.is_empty();
    forest
}

/// Takes a key or a value that ends at `at`.
fn leaf<'a>(
    forest: &mut Forest<'a>,
    open: &[usize],
    key: &mut Option<Cow<'a, str>>,
    at: &mut usize,
    bytes: &[u8],
    (word, kind): (Cow<'a, str>, Kind<'a>),
) {
    let next = skip_blanks(bytes, *at);
    if let Some(b':' | b'=') = bytes.get(next) {
        (*key, *at) = (Some(word), next + 1);
        return;
    }
    let node = Node { key: key.take(), kind, children: Vec::new(), complete: true, start: *at, end: *at };
    forest.push(node, open.last().copied());
}

fn skip_blanks(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or(&[]);
    at + rest.iter().take_while(|b| b.is_ascii_whitespace()).count()
}

/// The end of a bare word: blanks end a number, only punctuation ends a phrase.
fn bare_end(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or(&[]);
    let numeric = rest.first().is_some_and(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.'));
    let ends = |b: &u8| {
        matches!(b, b',' | b';' | b':' | b'=' | b'[' | b']' | b'(' | b')' | b'{' | b'}' | b'"' | b'\n')
            || (numeric && b.is_ascii_whitespace())
    };
    at + rest.iter().position(ends).unwrap_or(rest.len()).max(1)
}

/// The quoted text that begins at `start`, and where reading goes on; no text when a line end or the
/// end of everything comes before the closing quote. An apostrophe ends a text only before punctuation,
/// so that `'the man's hat'` is one.
fn quoted(text: &str, start: usize) -> (Option<Cow<'_, str>>, usize) {
    let bytes = text.as_bytes();
    let quote = bytes.get(start).copied().unwrap_or(b'"');
    let (mut at, mut escaped) = (start + 1, false);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' => {
                escaped = true;
                at += 1;
            }
            b'\n' => return (None, at + 1),
            b if b == quote => {
                let next = bytes.get(skip_blanks(bytes, at + 1));
                let ends = next.is_none_or(|b| matches!(b, b',' | b';' | b':' | b'=' | b']' | b')' | b'}'));
                if quote == b'"' || ends {
                    let inner = text.get(start + 1..at).unwrap_or("");
                    let value = if escaped { Cow::Owned(unescape(inner)) } else { Cow::Borrowed(inner) };
                    return (Some(value), at + 1);
                }
            }
            _ => {}
        }
        at += 1;
    }
    (None, bytes.len())
}

/// Backslash escapes of JSON; an unknown one stands for its letter.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('u') => {
                let hex: String = chars.by_ref().take(4).collect();
                let code = u32::from_str_radix(&hex, 16).ok().and_then(char::from_u32);
                out.push(code.unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            Some(c) => out.push(c),
            None => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn first<'a>(forest: &'a Forest<'a>, keys: &[&str]) -> &'a Node<'a> {
        forest.get(forest.roots().next().unwrap(), keys).unwrap()
    }

    #[test]
    fn reads_json_and_what_resembles_it() {
        for text in [
            r#"{"bbox": [1, 2.5, -3, 4e1], "label": "a \"b\""}"#,
            "so ```json\n{'bbox': (1, 2.5, -3, 4e1), 'label': 'a \\\"b\\\"'}\n```",
            "{bbox: [1 2.5 -3 40,], label: a b}",
        ] {
            let forest = read(text);
            assert!(!forest.cut, "{text}");
            assert_eq!(forest.numbers(first(&forest, &["BBOX"])), Some([1.0, 2.5, -3.0, 40.0]), "{text}");
            assert!(first(&forest, &["label"]).text().unwrap().starts_with('a'), "{text}");
        }
        let forest = read("{'label': 'the man's hat', 'n': 'x'}");
        assert_eq!(first(&forest, &["label"]).text(), Some("the man's hat"));
        let forest = read("click(x=3, y='4')");
        assert_eq!(
            (first(&forest, &["x"]).number(), first(&forest, &["y"]).number()),
            (Some(3.0), Some(4.0))
        );
    }

    #[test]
    fn only_plain_ascii_numbers_count() {
        for text in [
            "NaN",
            "inf",
            "Infinity",
            "0x10",
            "١٢",
            "１２",
            "1_000",
            "1e999",
            "",
            "-",
            "1-2",
            &"1".repeat(41),
        ] {
            assert_eq!(ascii_number(text), None, "{text}");
        }
        assert_eq!(ascii_number(" -1.5e2 "), Some(-150.0));
    }

    #[test]
    fn a_cut_text_keeps_what_is_complete() {
        let forest = read(r#"[{"b": [1, 2]}, {"b": [3, 4"#);
        assert!(forest.cut);
        let root = forest.roots().next().unwrap();
        let items: Vec<_> = forest.children(root).map(|n| n.complete).collect();
        assert_eq!(items, [true, false]);
        // Half a number is no number.
        assert_eq!(
            forest.numbers::<2>(forest.get(forest.children(root).nth(1).unwrap(), &["b"]).unwrap()),
            None
        );
        assert!(read(r#"[{"b": "unfin"#).cut);
    }

    #[test]
    fn depth_and_size_are_bounded() {
        assert!(read(&"[".repeat(200_000)).cut);
        assert!(read(&"{\"a\":".repeat(100_000)).cut);
        let many = format!("[{}]", "1,".repeat(300_000));
        assert!(read(&many).cut);
        assert_eq!(read("]})").roots().count(), 0);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in r#"[\[\]{}(),:='"\\0-9a. \n١-]{0,80}"#) {
            let forest = read(&text);
            for root in forest.roots() {
                prop_assert!(root.start < root.end && root.end <= text.len());
            }
        }
    }
}
