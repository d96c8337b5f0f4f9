//! Numbers in text.
//!
//! Only ASCII digits make numbers. Read are signs, thousands separators in groups of three
//! (`1,234,567`), decimals, exponents, simple fractions (`3/4`), a percent sign or word, the words
//! thousand to trillion after a number, and zero to twelve as words when they are the whole text. What
//! is glued to letters (`A4`, `0x1F`), to a further point (`1.2.3`) or colon (`12:30`), or has other
//! digits than ASCII's, is no number; neither is what overflows.

/// A number as it is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Number<'a> {
    /// Its value, finite, before a percent sign is applied.
    pub value: f64,
    /// True when a percent sign or the word follows.
    pub percent: bool,
    /// The word or sign after it that is no percent; empty when there is none.
    pub unit: &'a str,
}

/// What a percent sign means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Percent {
    /// Nothing: `10%` is 10.
    Literal,
    /// A hundredth: `10%` is 0.1.
    Ratio,
}

impl Number<'_> {
    /// The value with the percent sign applied.
    pub fn scaled(&self, percent: Percent) -> f64 {
        if self.percent && percent == Percent::Ratio { self.value / 100.0 } else { self.value }
    }
}

/// Which number of a text is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pick {
    /// The only one; `None` when the text has two different ones, so that listing many is no answer.
    Only,
    /// The last one.
    Last,
}

/// The number that `text` means.
pub fn number_in(text: &str, pick: Pick) -> Option<Number<'_>> {
    let mut found: Option<Number<'_>> = None;
    let mut at = 0;
    while let Some((number, end)) = next_number(text, at) {
        let differs = |f: Number<'_>| f.value != number.value || f.percent != number.percent;
        if pick == Pick::Only && found.is_some_and(differs) {
            return None;
        }
        found = Some(found.filter(|f| pick == Pick::Only && !f.unit.is_empty()).unwrap_or(number));
        at = end;
    }
    found.or_else(|| word_number(text))
}

/// The number that is all of `text`, without anything around it but a sign, a percent sign and a full stop.
pub fn plain_number(text: &str) -> Option<Number<'_>> {
    let text = text.trim().trim_end_matches('.');
    let (number, end) = next_number(text, 0)?;
    // Signs, digits and separators alone: what has words in it is text, not a number.
    let plain =
        |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '−' | '.' | ',' | 'e' | 'E' | '/' | '%');
    (number.unit.is_empty() && end == text.len() && text.chars().all(plain)).then_some(number)
}

fn word_number(text: &str) -> Option<Number<'_>> {
    const WORDS: [&str; 13] = [
        "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
        "twelve",
    ];
    let word = text.trim().trim_end_matches('.');
    let value = WORDS.iter().position(|w| w.eq_ignore_ascii_case(word))?;
    Some(Number { value: value as f64, percent: false, unit: "" })
}

/// The first number that begins at byte `from` or later, and where it ends.
fn next_number(text: &str, from: usize) -> Option<(Number<'_>, usize)> {
    let bytes = text.as_bytes();
    let mut at = from;
    while at < bytes.len() {
        let here = bytes.get(at..).unwrap_or_default();
        let digit = |i: usize| here.get(i).is_some_and(u8::is_ascii_digit);
        if digit(0) || (here.first() == Some(&b'.') && digit(1)) {
            let end = end_of_run(text, at);
            let before = text.get(..at).and_then(|t| t.chars().next_back());
            let glued = before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | ':'));
            let number = (!glued).then(|| read(text, at, end)).flatten();
            if number.is_some() {
                return number;
            }
            at = end;
        } else {
            at += 1;
        }
    }
    None
}

/// Where the run of digits, letters and inner points and colons that begins at `at` ends. Commas that
/// do not separate thousands end it too.
fn end_of_run(text: &str, at: usize) -> usize {
    let mut chars = text.get(at..).unwrap_or_default().char_indices().peekable();
    let mut last = ' ';
    while let Some((i, c)) = chars.next() {
        let next = chars.peek().map_or(' ', |(_, c)| *c);
        let exponent = matches!(c, '+' | '-') && matches!(last, 'e' | 'E') && next.is_ascii_digit();
        let inner = matches!(c, '.' | ':' | '/' | ',') && next.is_ascii_digit();
        if !(c.is_alphanumeric() || c == '_' || exponent || inner) {
            return at + i;
        }
        // A comma stays inside only between groups of exactly three digits.
        if c == ',' {
            let rest = text.get(at + i + 1..).unwrap_or_default();
            let group = rest.bytes().take_while(u8::is_ascii_digit).take(4).count();
            let first = text.get(at..at + i).unwrap_or_default();
            let head = first.bytes().take_while(u8::is_ascii_digit).take(4).count();
            let clean = first.bytes().all(|b| b.is_ascii_digit() || b == b',');
            if group != 3 || head > 3 || head == 0 || !clean {
                return at + i;
            }
        }
        last = c;
    }
    text.len()
}

/// The number of the run `at..end`, with sign, percent and unit around it.
fn read(text: &str, at: usize, end: usize) -> Option<(Number<'_>, usize)> {
    let run = text.get(at..end)?;
    let digits = run.bytes().take_while(|b| b.is_ascii_digit() || matches!(b, b'.' | b',')).count();
    let (mut mantissa, mut rest) = run.split_at_checked(digits)?;
    if let Some(exponent) = rest.strip_prefix(['e', 'E']) {
        let signed = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        let digits = signed.bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0 {
            let length = mantissa.len() + 1 + (exponent.len() - signed.len()) + digits;
            (mantissa, rest) = run.split_at_checked(length)?;
        }
    }
    let mut value = parse(mantissa)?;
    if let Some(divisor) = rest.strip_prefix('/') {
        let digits = divisor.bytes().take_while(u8::is_ascii_digit).count();
        let (below, after) = divisor.split_at_checked(digits)?;
        if mantissa.bytes().any(|b| !b.is_ascii_digit()) {
            return None;
        }
        value /= parse(below).filter(|d| *d != 0.0)?;
        rest = after;
    }
    // What is left of the run is a unit only if it has no digits of any script.
    if rest.chars().any(|c| c.is_numeric() && !matches!(c, '²' | '³'))
        || rest.contains(['.', ':', '/', ',', '_'])
    {
        return None;
    }
    let (mut percent, mut unit, mut end) = (false, rest, end);
    if unit.is_empty() {
        let tail = text.get(end..)?;
        let bare = tail.trim_start_matches([' ', '\\']);
        if bare.starts_with('%') {
            percent = true;
            end = text.len() - bare.len() + 1;
        } else {
            let letters = bare.find(|c: char| !(c.is_alphabetic() || c == '°')).unwrap_or(bare.len());
            unit = bare.get(..letters)?;
        }
    }
    if unit.eq_ignore_ascii_case("percent") {
        (percent, unit) = (true, "");
    }
    const SCALES: [(&str, f64); 4] =
        [("thousand", 1e3), ("million", 1e6), ("billion", 1e9), ("trillion", 1e12)];
    if let Some((_, scale)) = SCALES.iter().find(|(word, _)| word.eq_ignore_ascii_case(unit)) {
        (value, unit) = (value * scale, "");
    }
    value = if negative(text.get(..at)?) { -value } else { value };
    value.is_finite().then_some((Number { value, percent, unit }, end))
}

/// True when `before` ends with a minus sign that is a sign, not a dash between two things. A currency
/// sign may stand between it and the number, or before it.
fn negative(before: &str) -> bool {
    let before = before.trim_end_matches(['$', '€', '£', '¥']);
    let Some(rest) = before.strip_suffix(['-', '−']) else { return false };
    !rest.chars().next_back().is_some_and(|c| c.is_alphanumeric() || matches!(c, ')' | ']' | '%'))
}

fn parse(digits: &str) -> Option<f64> {
    let value = if digits.contains(',') { digits.replace(',', "").parse() } else { digits.parse::<f64>() };
    value.ok().filter(|v| v.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn only(text: &str) -> Option<f64> {
        number_in(text, Pick::Only).map(|n| n.value)
    }

    #[test]
    fn what_is_a_number() {
        for (text, value) in [
            ("42", 42.0),
            ("-3.50", -3.5),
            ("−7", -7.0),
            ("+8", 8.0),
            ("1,000", 1000.0),
            ("1,234,567.5", 1_234_567.5),
            (".5", 0.5),
            ("5.", 5.0),
            ("1e3", 1000.0),
            ("2.5E-1", 0.25),
            ("3/4", 0.75),
            ("The answer is 42.", 42.0),
            ("x=5", 5.0),
            ("$5", 5.0),
            ("-$5", -5.0),
            ("$-5$", -5.0),
            ("27cm", 27.0),
            ("27 cm", 27.0),
            ("\\boxed{12}", 12.0),
            ("about 1.5 million people", 1.5e6),
            ("Three.", 3.0),
            ("5 (that is 5.0)", 5.0),
            ("12%", 12.0),
            ("5,", 5.0),
        ] {
            assert_eq!(only(text), Some(value), "{text}");
        }
    }

    #[test]
    fn what_is_none() {
        for text in [
            "",
            "none",
            "nan",
            "inf",
            "-inf",
            "0x1F",
            "A4",
            "1.2.3",
            "12:30",
            "٣",
            "1٣",
            "３",
            "5 or 6",
            "1,2,3",
            "1,00",
            "5-7",
            "3/4/2024",
            "1/0",
            "1e999",
            "10^3",
            "one hundred",
            "x2",
            "1_000",
            "½",
        ] {
            assert_eq!(only(text), None, "{text}");
        }
        assert_eq!(only(&"9".repeat(1_000_000)), None);
    }

    #[test]
    fn percent_and_unit_are_told() {
        let n = number_in("12.5 %", Pick::Only).unwrap();
        assert!(n.percent && n.unit.is_empty());
        assert_eq!((n.scaled(Percent::Ratio), n.scaled(Percent::Literal)), (0.125, 12.5));
        assert!(number_in("7 percent", Pick::Only).unwrap().percent);
        assert_eq!(number_in("27 km away", Pick::Only).unwrap().unit, "km");
        assert_eq!(number_in("90°", Pick::Only).unwrap().unit, "°");
        assert_eq!(number_in("2 + 3 = 5", Pick::Last).unwrap().value, 5.0);
        assert_eq!(plain_number(" 1,000 ").map(|n| n.value), Some(1000.0));
        assert_eq!(plain_number("5.").map(|n| n.value), Some(5.0));
        for text in ["5 cats", "5cm", "1,1", "5-5", "", "-", "3/4/2024"] {
            assert_eq!(plain_number(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "[-0-9.,:/%eE $a٣]{0,30}") {
            for pick in [Pick::Only, Pick::Last] {
                prop_assert!(number_in(&text, pick).is_none_or(|n| n.value.is_finite()));
            }
            prop_assert!(plain_number(&text).is_none_or(|n| n.value.is_finite()));
        }

        #[test]
        fn written_numbers_are_read_back(value in -1e12f64..1e12) {
            prop_assert_eq!(only(&format!("it is {value}")), Some(value));
        }
    }
}
