//! Stretches of time as policies write them.
//!
//! Read are "12.54 to 17.83", "12.5s - 17.8s", "[12.5, 17.8]", "01:05 – 1:10.5", "from 3 seconds until
//! 9", `{"start_time": 2, "end_time": 6}`, and any number of them in any text. Two times make a stretch
//! when nothing but a connection word, keys, brackets and units stand between them. One pass.

/// Stretches beyond this many count as wrong ones, unread.
pub const MAX_SPANS: usize = 1_000;
/// Times beyond this many seconds are refused: 11 days.
const MAX_SECONDS: f64 = 1e6;
/// More text between two times separates them.
const MAX_GAP: usize = 40;

/// A stretch of time in seconds, of some length.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    start: f64,
    end: f64,
}

impl Span {
    /// From `start` to `end`; `None` unless `0 <= start < end <= 10⁶`.
    pub fn new(start: f64, end: f64) -> Option<Self> {
        (start >= 0.0 && start < end && end <= MAX_SECONDS).then_some(Self { start, end })
    }

    /// Where it begins.
    pub fn start(self) -> f64 {
        self.start
    }

    /// Where it ends.
    pub fn end(self) -> f64 {
        self.end
    }

    /// Its length.
    pub fn length(self) -> f64 {
        self.end - self.start
    }
}

/// The stretches of a text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spans {
    /// Those that can be read, in order, at most [`MAX_SPANS`].
    pub items: Vec<Span>,
    /// Stretches that end before they begin or have no length, and those beyond the bound.
    pub malformed: usize,
    /// True when the text says that there is none: `[]`, "none".
    pub none: bool,
}

/// A time in the text: seconds, and the bytes it covers, its unit included.
struct Time {
    seconds: Option<f64>,
    start: usize,
    end: usize,
}

/// Reads the stretches of `text`.
pub fn spans(text: &str) -> Spans {
    let mut out = Spans::default();
    let mut first: Option<Time> = None;
    let mut at = 0;
    while let Some(time) = next_time(text, at) {
        at = time.end;
        match first.take().filter(|f| connects(text.get(f.end..time.start).unwrap_or("?"))) {
            None => first = Some(time),
            Some(begin) => {
                let span = begin.seconds.zip(time.seconds).and_then(|(s, e)| Span::new(s, e));
                match span.filter(|_| out.items.len() < MAX_SPANS) {
                    Some(span) => out.items.push(span),
                    None => out.malformed += 1,
                }
            }
        }
    }
    let bare = text.trim();
    let word = bare.trim_end_matches('.');
    out.none = bare.chars().filter(|c| !c.is_whitespace()).eq("[]".chars())
        || ["none", "no such moment", "not present"].iter().any(|w| word.eq_ignore_ascii_case(w));
    out
}

/// May this stand between the two ends of a stretch?
fn connects(gap: &str) -> bool {
    if gap.len() > MAX_GAP {
        return false;
    }
    let open = |c: char| {
        c.is_whitespace() || matches!(c, '"' | '\'' | ':' | '=' | ',' | '(' | '<' | '>' | '/' | '`')
    };
    // A closed list does not go on.
    let word = gap.trim_matches(open).to_lowercase();
    matches!(
        word.as_str(),
        "" | "to"
            | "-"
            | "–"
            | "—"
            | "~"
            | "until"
            | "till"
            | "through"
            | "and"
            | "end"
            | "end_time"
            | "endtime"
            | "end time"
            | "e"
            | "→"
            | "->"
    )
}

/// The next time from byte `at` on: digits that no letter, digit or point precedes.
fn next_time(text: &str, mut at: usize) -> Option<Time> {
    let bytes = text.as_bytes();
    loop {
        let start = at + bytes.get(at..)?.iter().position(u8::is_ascii_digit)?;
        let end = start + digits_and(bytes, start, |b| matches!(b, b'.' | b':'));
        // "5." ends a sentence, "5:" begins a list.
        let end = start + bytes.get(start..end)?.iter().rposition(u8::is_ascii_digit)? + 1;
        let glued = text.get(..start)?.chars().next_back();
        let glued = glued.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '.'));
        let unit_end = unit(text, end);
        at = unit_end.unwrap_or(end);
        if glued || unit_end.is_none() {
            at = at.max(end);
            continue;
        }
        let negative = negative(text, start);
        let seconds = text.get(start..end).and_then(clock).filter(|_| !negative);
        return Some(Time { seconds, start, end: at });
    }
}

/// A minus is a sign when no time stands before it.
fn negative(text: &str, start: usize) -> bool {
    let before = text.get(..start).unwrap_or("");
    let Some(rest) = before.strip_suffix('-') else { return false };
    rest.chars().next_back().is_none_or(|c| matches!(c, '[' | '(' | ',' | ':' | ' ' | '\n' | '"' | '\''))
        && !rest.trim_end().ends_with(|c: char| c.is_ascii_digit() || c == 's')
}

fn digits_and(bytes: &[u8], at: usize, also: impl Fn(u8) -> bool) -> usize {
    let rest = bytes.get(at..).unwrap_or(&[]);
    rest.iter().take_while(|b| b.is_ascii_digit() || also(**b)).count()
}

/// Where the unit of seconds after `end` ends, or `end` when there is none; `None` when other letters
/// follow, so that this is no time.
fn unit(text: &str, end: usize) -> Option<usize> {
    let rest = text.get(end..)?;
    let blanks = rest.len() - rest.trim_start_matches(' ').len();
    let letters = |from: usize| {
        let tail = rest.get(from..).unwrap_or("");
        // No unit is longer than this; looking on would take quadratic time.
        let word = tail.chars().take(10).take_while(|c| c.is_alphanumeric());
        let len: usize = word.map(char::len_utf8).sum();
        (tail.get(..len).unwrap_or(""), from + len)
    };
    let is_unit =
        |word: &str| ["s", "sec", "secs", "second", "seconds"].iter().any(|u| word.eq_ignore_ascii_case(u));
    let (glued, after) = letters(0);
    if !glued.is_empty() {
        return is_unit(glued).then_some(end + after);
    }
    let (word, after) = letters(blanks.min(2));
    Some(if is_unit(word) { end + after } else { end })
}

/// Seconds of "12.5", "1:02", "1:02:03.5".
fn clock(text: &str) -> Option<f64> {
    let parts: Vec<&str> = text.split(':').collect();
    if parts.len() > 3 || text.len() > 40 {
        return None;
    }
    let mut seconds = 0.0;
    for (i, part) in parts.iter().enumerate() {
        let whole = part.bytes().all(|b| b.is_ascii_digit());
        let last = i + 1 == parts.len();
        if part.is_empty() || !(whole || last) || part.matches('.').count() > 1 {
            return None;
        }
        let value: f64 = part.parse().ok()?;
        // Minutes and seconds after a colon stay below 60.
        if i > 0 && value >= 60.0 {
            return None;
        }
        seconds = seconds * 60.0 + value;
    }
    Some(seconds).filter(|v| v.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Vec<(f64, f64)> {
        spans(text).items.iter().map(|s| (s.start, s.end)).collect()
    }

    #[test]
    fn every_way_to_write_a_stretch() {
        for text in [
            "12.5 to 17.75",
            "The event happens from 12.5s to 17.75s.",
            "12.5-17.75",
            "12.5 – 17.75 seconds",
            "[12.5, 17.75]",
            "```json\n{\"start_time\": 12.5, \"end_time\": 17.75}\n```",
            "{'start': '12.5', 'end': '17.75'}",
            "0:12.5 - 00:17.75",
            "between 12.5 seconds and 17.75 seconds",
            "in scene2, 12.5 to 17.75",
        ] {
            assert_eq!(read(text), [(12.5, 17.75)], "{text}");
        }
        assert_eq!(read("1:02:03 to 1:02:04.5"), [(3723.0, 3724.5)]);
        assert_eq!(read("[[1, 2], [3, 4]]"), [(1.0, 2.0), (3.0, 4.0)]);
        assert_eq!(read("(1, 2),(3, 4)"), [(1.0, 2.0), (3.0, 4.0)]);
        assert_eq!(read("1 to 2, 3 to 4; 5 to 6"), [(1.0, 2.0), (3.0, 4.0), (5.0, 6.0)]);
    }

    #[test]
    fn what_is_no_stretch() {
        for text in
            ["", "12", "12 apples, 13 pears", "nan to inf", "١ to ٢", "１ to 2", "1e5 to 2e5", "12 [and] 13"]
        {
            assert!(read(text).is_empty(), "{text}: {:?}", read(text));
        }
        for text in ["17 to 12", "5 to 5", "-5 to 3", "1 to 9999999999", "1:75 to 1:80", "0 to 1.2.3"] {
            let read = spans(text);
            assert_eq!((read.items.len(), read.malformed), (0, 1), "{text}");
        }
        assert!(spans("[]").none && spans(" None.").none && !spans("").none);
    }

    #[test]
    fn the_number_of_stretches_is_bounded_but_all_count() {
        let read = spans(&"[1, 2] ".repeat(1_500));
        assert_eq!((read.items.len(), read.malformed), (1_000, 500));
        assert!(spans(&"9".repeat(1_000_000)).items.is_empty());
        assert!(spans(&"-".repeat(100_000)).items.is_empty());
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in r#"[\[\](){},:'"a-so0-9 .\n–-]{0,80}"#) {
            prop_assert!(spans(&text).items.iter().all(|s| s.length() > 0.0));
        }
    }
}
