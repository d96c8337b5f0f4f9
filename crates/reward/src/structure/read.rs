//! Reading structured answers: numbers, JSON with single quotes, fenced blocks. Every reader is linear in
//! its text and refuses texts over [`MAX_TEXT`] bytes.

use serde_json::Value;

/// Longest text that any reader here looks at, in bytes. A longer answer is unparsable.
pub const MAX_TEXT: usize = 1 << 16;

/// A plain decimal number: ASCII digits, one optional sign, point and exponent. Hexadecimal, `inf`, `nan`,
/// digits of other scripts and numbers beyond 1e300 are refused.
pub fn number(text: &str) -> Option<f64> {
    let text = text.trim();
    let plain = |c: u8| c.is_ascii_digit() || matches!(c, b'+' | b'-' | b'.' | b'e' | b'E');
    if text.len() > 64 || !text.bytes().all(plain) || !text.bytes().any(|c| c.is_ascii_digit()) {
        return None;
    }
    text.parse::<f64>().ok().filter(|v| v.abs() <= 1e300)
}

/// A [`number`] as tables and charts print it: with a currency sign before it, a percent sign after it and
/// commas between thousands. The second value says whether the percent sign was there.
pub fn printed_number(text: &str) -> Option<(f64, bool)> {
    let text = text.trim();
    let (plain, percent) = text.strip_suffix('%').map_or((text, false), |t| (t.trim_end(), true));
    let (sign, plain) = plain.strip_prefix('-').map_or(("", plain), |t| ("-", t));
    let plain = plain.trim_start_matches(['$', '€', '£', '¥']).trim_start();
    let whole = plain.split('.').next().unwrap_or("");
    let mut groups = whole.split(',');
    let first = groups.next().unwrap_or("");
    let thousands =
        groups.clone().all(|g| g.len() == 3) && (!whole.contains(',') || (1..=3).contains(&first.len()));
    if plain.len() > 64 || !thousands || plain.starts_with(['-', '+']) {
        return None;
    }
    number(&format!("{sign}{}", plain.replacen(',', "", groups.count()))).map(|v| (v, percent))
}

/// What stands inside the last fenced block (three backticks), without the language word; the whole text
/// when there is no complete fence.
pub fn unfenced(text: &str) -> &str {
    let text = text.trim();
    let mut fences = text.rmatch_indices("```").map(|(at, _)| at);
    let (Some(close), Some(open)) = (fences.next(), fences.next()) else { return text };
    let body = text.get(open + 3..close).unwrap_or("");
    // The word after the opening fence names a language when a line break follows it.
    match body.split_once('\n') {
        Some((word, rest))
            if word.trim().chars().all(|c| c.is_ascii_alphanumeric() || "+-#_".contains(c)) =>
        {
            rest.trim()
        }
        _ => body.trim(),
    }
}

/// The answer as JSON: fences are taken off, and texts in single quotes, as Python writes them, are
/// read as texts. `None` when it is no JSON even so, or is nested deeper than 100 levels.
pub fn json(text: &str) -> Option<Value> {
    let text = unfenced(text);
    if text.len() > MAX_TEXT {
        return None;
    }
    serde_json::from_str(text).ok().or_else(|| serde_json::from_str(&double_quoted(text)).ok())
}

/// `text` with the texts in single quotes put in double quotes, and Python's words for constants in
/// JSON's. A text in double quotes is left alone.
fn double_quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut quote = None;
    let mut escaped = false;
    let mut word = String::new();
    let end_word = |word: &mut String, out: &mut String| {
        out.push_str(match word.as_str() {
            "True" => "true",
            "False" => "false",
            "None" => "null",
            other => other,
        });
        word.clear();
    };
    for c in text.chars() {
        match quote {
            None if c.is_ascii_alphanumeric() || c == '_' => word.push(c),
            None => {
                end_word(&mut word, &mut out);
                if c == '\'' || c == '"' {
                    quote = Some(c);
                    out.push('"');
                } else {
                    out.push(c);
                }
            }
            Some(_) if escaped => {
                // JSON knows no escaped single quote.
                if c != '\'' {
                    out.push('\\');
                }
                out.push(c);
                escaped = false;
            }
            Some(_) if c == '\\' => escaped = true,
            Some(q) if c == q => {
                quote = None;
                out.push('"');
            }
            Some(_) if c == '"' => out.push_str("\\\""),
            Some(_) => out.push(c),
        }
    }
    end_word(&mut word, &mut out);
    out
}

/// A name as names are compared: trimmed, quotes off, lower case, runs of blanks and underscores as one
/// blank.
pub fn name(text: &str) -> String {
    let text = text.trim().trim_matches(|c| c == '\'' || c == '"');
    let words: Vec<String> = text
        .split(|c: char| c.is_whitespace() || c == '_')
        .filter(|w| !w.is_empty())
        .map(str::to_lowercase)
        .collect();
    words.join(" ")
}

/// A JSON text, number or flag as a [`name`]; `None` for null, lists and objects.
pub fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(name(text)),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_plain_decimal_numbers_are_numbers() {
        assert_eq!(number(" -1.5e2 "), Some(-150.0));
        for bad in ["", ".", "-", "nan", "inf", "0x10", "٣", "1e999", "1 2", "1,000", "e", "１"] {
            assert_eq!(number(bad), None, "{bad}");
        }
        assert_eq!(number(&"1".repeat(100_000)), None);
    }

    #[test]
    fn printed_numbers() {
        assert_eq!(printed_number("$1,234,567.5"), Some((1_234_567.5, false)));
        assert_eq!(printed_number(" -$5 "), Some((-5.0, false)));
        assert_eq!(printed_number("12 %"), Some((12.0, true)));
        for bad in ["1,2", "1 2", "1234,567", ",123", "1.5,000", "--1", "five", "", "%", "1,٢٣٤"] {
            assert_eq!(printed_number(bad), None, "{bad}");
        }
    }

    #[test]
    fn fences_come_off() {
        assert_eq!(unfenced("so:\n```json\n[1]\n```\n"), "[1]");
        assert_eq!(unfenced("```\na\n```\n```py\nb\n```"), "b");
        assert_eq!(unfenced("```[1]```"), "[1]");
        assert_eq!(unfenced("``` open"), "``` open");
    }

    #[test]
    fn python_texts_are_read() {
        assert_eq!(json("[{'robot': 'R1', 'ok': True, 'it\\'s': None}]").unwrap()[0]["it's"], Value::Null);
        assert_eq!(json("['say \"x\"']").unwrap()[0], "say \"x\"");
        assert!(json("{'a': 1").is_none());
        assert!(json(&"[".repeat(50_000)).is_none(), "no recursion on the policy's depth");
        assert!(json(&format!("[{}1]", " ".repeat(MAX_TEXT))).is_none());
    }

    #[test]
    fn names_are_compared_without_case_and_quotes() {
        assert_eq!(name(" 'Red_Cube' "), "red cube");
        assert_eq!(scalar(&serde_json::json!(3)).unwrap(), "3");
    }

    proptest! {
        #[test]
        fn nothing_panics(text in any::<String>()) {
            let _ = (number(&text), printed_number(&text), unfenced(&text).len(), json(&text), name(&text));
        }
    }
}
