//! The one parser of what a policy wrote.

use std::ops::Range;

use eyas_core::TokenKind;

/// The tags that make blocks. Anything else between angle brackets is text.
pub const TAGS: [&str; 6] = ["perception", "think", "answer", "tool_call", "observe", "caption"];

/// One top-level block of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block<'a> {
    /// Its tag, one of [`TAGS`].
    pub tag: &'static str,
    /// The text between its tags, untrimmed.
    pub text: &'a str,
    /// Byte range of [`Block::text`] in the response.
    pub inner: Range<usize>,
    /// Byte range of the block with its tags.
    pub outer: Range<usize>,
    /// False when the closing tag is missing.
    pub closed: bool,
    /// True when the text holds further known tags.
    pub nested: bool,
}

/// A response as a list of top-level blocks.
///
/// Policy, the same for every reader:
/// - tags are matched to the letter: lower case, no attributes, no blanks;
/// - a block ends at the first closing tag of its own name. Known tags on the way there are text of
///   the block and mark it as [`Block::nested`];
/// - an opening tag whose closing tag never follows makes a block that is not [`Block::closed`]; it
///   ends before the next opening tag or at the end of the response;
/// - a closing tag outside any block is stray text.
///
/// Parsing takes time linear in the length of the response, whatever it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response<'a> {
    text: &'a str,
    blocks: Vec<Block<'a>>,
    stray: Vec<Range<usize>>,
    /// Opening and closing tags by index into [`TAGS`], at any depth.
    counts: [(usize, usize); TAGS.len()],
}

/// A known tag in the text.
struct Mark {
    /// Index into [`TAGS`].
    tag: usize,
    close: bool,
    range: Range<usize>,
}

impl<'a> Response<'a> {
    /// Parses `text`. Any text is a response; what is wrong with it is in the result.
    pub fn parse(text: &'a str) -> Self {
        let marks = scan(text);
        let mut response = Self { text, blocks: Vec::new(), stray: Vec::new(), counts: Default::default() };
        let mut last_close = [None; TAGS.len()];
        for (index, mark) in marks.iter().enumerate() {
            let (open, close) = &mut response.counts[mark.tag];
            if mark.close {
                *close += 1;
                last_close[mark.tag] = Some(index);
            } else {
                *open += 1;
            }
        }

        let (mut next, mut end_of_last) = (0, 0);
        while let Some(mark) = marks.get(next) {
            if mark.close {
                next += 1;
                continue;
            }
            // Knowing beforehand whether the block closes keeps unclosed tags from each searching
            // the whole rest of the text.
            let closed = last_close[mark.tag].is_some_and(|last| last > next);
            let ends_at = |m: &Mark| {
                if closed { m.close && m.tag == mark.tag } else { !m.close }
            };
            let end = marks[next + 1..].iter().position(ends_at).map_or(marks.len(), |n| next + 1 + n);
            let inner = mark.range.end..marks.get(end).map_or(text.len(), |m| m.range.start);
            let outer_end = marks.get(end).filter(|_| closed).map_or(inner.end, |m| m.range.end);

            response.push_stray(end_of_last..mark.range.start);
            response.blocks.push(Block {
                tag: TAGS[mark.tag],
                text: &text[inner.clone()],
                inner,
                outer: mark.range.start..outer_end,
                closed,
                nested: end - next > 1,
            });
            end_of_last = outer_end;
            next = if closed { end + 1 } else { end };
        }
        response.push_stray(end_of_last..text.len());
        response
    }

    /// The whole text.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// The top-level blocks in order, closed or not.
    pub fn blocks(&self) -> &[Block<'a>] {
        &self.blocks
    }

    /// Byte ranges of text outside all blocks, trimmed; white space alone is not stray.
    pub fn stray(&self) -> &[Range<usize>] {
        &self.stray
    }

    /// The **last closed** block of this tag: a policy that corrects itself is taken at its last word.
    pub fn block(&self, tag: &str) -> Option<&Block<'a>> {
        self.blocks.iter().rev().find(|b| b.closed && b.tag == tag)
    }

    /// How often the opening and the closing tag occur, at any depth; (0, 0) for a tag not in [`TAGS`].
    pub fn tag_counts(&self, tag: &str) -> (usize, usize) {
        TAGS.iter().position(|t| *t == tag).map_or((0, 0), |index| self.counts[index])
    }

    /// True when the response is these blocks, each once, closed, in this order, without a known tag
    /// inside and with nothing but white space before, between and after.
    pub fn well_formed(&self, tags: &[&str]) -> bool {
        self.stray.is_empty()
            && self.blocks.len() == tags.len()
            && self.blocks.iter().zip(tags).all(|(b, tag)| b.tag == *tag && b.closed && !b.nested)
    }

    /// The inner byte range of each block with its tag: ascending, disjoint. Blocks that are not closed
    /// count, because a response cut inside `<perception>` still spent its tokens there.
    pub fn spans(&self) -> Vec<(Range<usize>, &'static str)> {
        self.blocks.iter().map(|b| (b.inner.clone(), b.tag)).collect()
    }

    /// What the byte at `byte` is credited as: the block it lies in, or [`TokenKind::Other`] for tags,
    /// stray text and positions past the end. Perception also covers `observe` and `caption`.
    pub fn kind_at(&self, byte: usize) -> TokenKind {
        let after = self.blocks.partition_point(|b| b.inner.start <= byte);
        let block = after.checked_sub(1).and_then(|i| self.blocks.get(i));
        match block.filter(|b| b.inner.contains(&byte)).map(|b| b.tag) {
            Some("perception" | "observe" | "caption") => TokenKind::Perception,
            Some("think") => TokenKind::Think,
            Some("answer") => TokenKind::Answer,
            Some("tool_call") => TokenKind::ToolCall,
            _ => TokenKind::Other,
        }
    }

    fn push_stray(&mut self, range: Range<usize>) {
        let text = &self.text[range.clone()];
        let trimmed = text.trim();
        if !trimmed.is_empty() {
            let start = range.start + (text.len() - text.trim_start().len());
            self.stray.push(start..start + trimmed.len());
        }
    }
}

/// Every known tag of the text, in order. `<` and `>` are ASCII, so the ranges lie on char boundaries.
fn scan(text: &str) -> Vec<Mark> {
    text.match_indices('<')
        .filter_map(|(start, _)| {
            let body = &text[start + 1..];
            let (close, name) = body.strip_prefix('/').map_or((false, body), |rest| (true, rest));
            let is_tag = |t: &str| name.strip_prefix(t).is_some_and(|rest| rest.starts_with('>'));
            let tag = TAGS.iter().position(|t| is_tag(t))?;
            let len = 1 + usize::from(close) + TAGS[tag].len() + 1;
            Some(Mark { tag, close, range: start..start + len })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const G1: [&str; 3] = ["perception", "think", "answer"];

    fn answer(text: &str) -> Option<&str> {
        Response::parse(text).block("answer").map(|b| b.text)
    }

    #[test]
    fn reads_blocks_with_their_ranges() {
        let text = " <perception>8 -</perception>\n<think>é</think><answer>up</answer>\n";
        let r = Response::parse(text);
        assert!(r.well_formed(&G1) && r.stray().is_empty());
        let read: Vec<_> = r.blocks().iter().map(|b| (b.tag, b.text, &text[b.outer.clone()])).collect();
        assert_eq!(
            read,
            [
                ("perception", "8 -", "<perception>8 -</perception>"),
                ("think", "é", "<think>é</think>"),
                ("answer", "up", "<answer>up</answer>"),
            ]
        );
        assert_eq!(r.spans(), [(13..16, "perception"), (37..39, "think"), (55..57, "answer")]);
        assert!(!r.well_formed(&["think", "answer"]), "a block too many");
        assert!(!r.well_formed(&["think", "perception", "answer"]), "another order");
    }

    #[test]
    fn the_last_closed_answer_counts() {
        assert_eq!(answer("<answer>a</answer><answer>b</answer>"), Some("b"));
        assert_eq!(answer("<answer>a</answer><answer>b"), Some("a"));
        assert_eq!(answer("<answer></answer>"), Some(""));
        assert_eq!(answer("<answer>a"), None);
        assert_eq!(answer("a</answer>"), None);
        assert_eq!(answer("<Answer>a</Answer><answer >b</answer >"), None);
        assert!(!Response::parse("<answer>a</answer><answer>b</answer>").well_formed(&["answer"]));
    }

    #[test]
    fn nested_tags_are_text_of_the_outer_block() {
        let r = Response::parse("<answer>a<answer>b</answer></answer>");
        assert_eq!(r.block("answer").map(|b| (b.text, b.nested)), Some(("a<answer>b", true)));
        assert_eq!(r.stray(), std::slice::from_ref(&(27..36)), "the second closing tag");
        assert!(!r.well_formed(&["answer"]));

        let r = Response::parse("<think>say <answer>x</answer>?</think><answer>y</answer>");
        assert_eq!(r.block("answer").map(|b| b.text), Some("y"));
        assert!(!r.well_formed(&["think", "answer"]), "the think block holds a tag");
        assert_eq!(r.tag_counts("answer"), (2, 2));
    }

    #[test]
    fn an_unclosed_block_ends_at_the_next_opening_tag() {
        let r = Response::parse("<think>hm <answer>up</answer>");
        assert_eq!(r.blocks()[0].text, "hm ");
        assert!(!r.blocks()[0].closed && r.block("think").is_none());
        assert_eq!(r.block("answer").map(|b| b.text), Some("up"));
        assert!(!r.well_formed(&["think", "answer"]));

        let r = Response::parse("<perception>8 - 4");
        assert_eq!(r.spans(), [(12..17, "perception")]);
        assert_eq!(r.kind_at(14), TokenKind::Perception);
    }

    #[test]
    fn stray_text_is_recorded_and_spoils_the_form() {
        for text in ["Sure! <answer>up</answer>", "<answer>up</answer> ok", "</think><answer>up</answer>"] {
            let r = Response::parse(text);
            assert_eq!(r.stray().len(), 1, "{text}");
            assert!(!r.well_formed(&["answer"]), "{text}");
        }
        let text = "\n a b \n<answer>up</answer>";
        assert_eq!(&text[Response::parse(text).stray()[0].clone()], "a b");
        assert!(Response::parse("\t<answer>up</answer>\u{a0}\n").well_formed(&["answer"]));
        assert!(Response::parse("<b>x</b>").blocks().is_empty());
    }

    #[test]
    fn every_byte_has_a_kind() {
        let r = Response::parse("x<think>ab</think><answer>c</answer>");
        assert_eq!(r.kind_at(0), TokenKind::Other);
        assert_eq!(r.kind_at(7), TokenKind::Other, "the end of the opening tag");
        assert_eq!(r.kind_at(8), TokenKind::Think);
        assert_eq!(r.kind_at(9), TokenKind::Think);
        assert_eq!(r.kind_at(10), TokenKind::Other, "the closing tag");
        assert_eq!(r.kind_at(26), TokenKind::Answer);
        assert_eq!(r.kind_at(999), TokenKind::Other);
    }

    #[test]
    fn hostile_text_takes_linear_time() {
        // Quadratic work on these would be some 10^10 steps, and the test would seem to hang; linear work takes
        // milliseconds. No clock is read: a loaded machine must not fail it.
        let n = 1_000_000;
        let unclosed = "<answer>".repeat(n / 8);
        assert_eq!(Response::parse(&unclosed).blocks().len(), n / 8);
        assert!(Response::parse(&unclosed).block("answer").is_none());
        let mixed = "<think><answer></perception>".repeat(n / 28);
        assert_eq!(Response::parse(&mixed).blocks().len(), n / 28 * 2);
        let nested = format!("{unclosed}{}", "</answer>".repeat(n / 8));
        let r = Response::parse(&nested);
        assert_eq!((r.blocks().len(), r.tag_counts("answer")), (1, (n / 8, n / 8)));
        assert!(Response::parse(&"<".repeat(n)).blocks().is_empty());
        assert_eq!(answer("<answer>__import__('os')\u{202e}٣</answer>"), Some("__import__('os')\u{202e}٣"));
    }

    fn pieces() -> impl Strategy<Value = String> {
        let tag = prop::sample::select(&TAGS[..]);
        let piece = prop_oneof![
            tag.clone().prop_map(|t| format!("<{t}>")),
            tag.prop_map(|t| format!("</{t}>")),
            prop::sample::select(vec!["<", ">", "/", "é", " ", "\n", "日", "<think", "a b"])
                .prop_map(String::from),
            any::<String>(),
        ];
        prop::collection::vec(piece, 0..24).prop_map(|p| p.concat())
    }

    proptest! {
        #[test]
        fn ranges_tile_the_text(text in pieces()) {
            let r = Response::parse(&text);
            let mut at = 0;
            let mut outside = String::new();
            for b in r.blocks() {
                prop_assert_eq!(&text[b.inner.clone()], b.text);
                let open = format!("<{}>{}", b.tag, b.text);
                let whole = if b.closed { format!("{open}</{}>", b.tag) } else { open };
                prop_assert_eq!(&text[b.outer.clone()], whole);
                prop_assert!(at <= b.outer.start);
                outside.push_str(&text[at..b.outer.start]);
                outside.push(' ');
                at = b.outer.end;
            }
            outside.push_str(&text[at..]);
            let stray: String = r.stray().iter().map(|s| &text[s.clone()]).collect();
            let squeeze = |s: &str| s.split_whitespace().collect::<String>();
            prop_assert_eq!(squeeze(&stray), squeeze(&outside));
        }

        #[test]
        fn what_is_written_is_read_back(p in "[^<]{0,9}", t in "[^<]{0,9}", a in "[^<]{0,9}", gap in "[ \n]{0,3}") {
            let text = format!("{gap}<perception>{p}</perception>{gap}<think>{t}</think><answer>{a}</answer>{gap}");
            let r = Response::parse(&text);
            prop_assert!(r.well_formed(&G1));
            prop_assert_eq!(r.block("perception").map(|b| b.text), Some(p.as_str()));
            prop_assert_eq!(r.block("answer").map(|b| b.text), Some(a.as_str()));
        }
    }
}
