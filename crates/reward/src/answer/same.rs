//! When two short answers are the same.

use serde_json::Value;

use super::number::plain_number;
use crate::text::normal::Normal;

/// True when the texts are equal in this normal form, or both are plain numbers of equal value
/// (`1,000` = `1000`, `5` = `5.0`, `50%` = `50%` but not 50). What normalises to nothing equals nothing.
pub fn same_text(a: &str, b: &str, normal: Normal) -> bool {
    if let (Some(x), Some(y)) = (plain_number(a), plain_number(b)) {
        // Long identifiers are equal as floating-point numbers before they are equal.
        let written_out = !a.contains(['e', 'E']) && !b.contains(['e', 'E']);
        let exact = x.value.abs() < LARGEST || !written_out || bare_digits(a) == bare_digits(b);
        return x.percent == y.percent && x.value == y.value && exact;
    }
    let (x, y) = (normal.apply(a), normal.apply(b));
    !x.is_empty() && x == y
}

/// True when the answer says this JSON scalar: a text as in [`same_text`], a number by value, true and
/// false by name. Lists and objects are said by nothing.
pub fn says(answer: &str, gold: &Value, normal: Normal) -> bool {
    match gold {
        Value::String(text) => same_text(answer, text, normal),
        Value::Number(number) => {
            plain_number(answer).is_some() && same_text(answer, &number.to_string(), normal)
        }
        Value::Bool(b) => Normal::Light.apply(answer) == if *b { "true" } else { "false" },
        _ => false,
    }
}

/// A scalar in a form in which equal ones are equal texts: numbers by value, texts in the normal form.
/// `None` for what is no scalar or normalises to nothing.
pub fn key(value: &Value, normal: Normal) -> Option<String> {
    match value {
        Value::String(text) => text_key(text, normal),
        Value::Number(number) => text_key(&number.to_string(), normal),
        Value::Bool(b) => Some(b.to_string()),
        _ => None,
    }
}

/// [`key`] of a text.
pub fn text_key(text: &str, normal: Normal) -> Option<String> {
    if let Some(number) = plain_number(text) {
        let percent = if number.percent { "%" } else { "" };
        return Some(if number.value.abs() < LARGEST {
            // Adding 0 makes -0 equal to 0.
            format!("{:e}{percent}", number.value + 0.0)
        } else {
            format!("{}{percent}", bare_digits(text))
        });
    }
    Some(normal.apply(text).into_owned()).filter(|key| !key.is_empty())
}

/// Whole numbers up to here differ as floating-point numbers whenever they differ.
const LARGEST: f64 = 9_007_199_254_740_992.0;

/// The digits without separators, sign of addition, zeros in front, or an empty decimal part.
fn bare_digits(text: &str) -> String {
    let digits: String = text.trim().trim_end_matches('.').chars().filter(|c| *c != ',').collect();
    let (sign, digits) = match digits.strip_prefix(['-', '−']) {
        Some(rest) => ("-", rest),
        None => ("", digits.trim_start_matches('+')),
    };
    let digits = digits.trim_start_matches('0');
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    if part.bytes().all(|b| b == b'0') { format!("{sign}{whole}") } else { format!("{sign}{digits}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_by_value_and_texts_by_form() {
        let same = |a: &str, b: &str| same_text(a, b, Normal::Light);
        assert!(same("1,000", "1000") && same("5", "5.0") && same("Red.", "red") && same("10%", "10.0%"));
        assert!(
            !same("10%", "10")
                && !same("10%", "0.1")
                && !same("", "")
                && !same(".", ".")
                && !same("5", "five")
        );
        assert!(!same("e", "google") && !same("5 cats", "5 dogs"));
        assert!(!same("1000000000001", "1000000000002") && !same("9007199254740993", "9007199254740992"));
        assert!(same("9,007,199,254,740,993.0", "+09007199254740993") && !same("1,1", "1"));
        assert!(says("9007199254740993", &json!(9_007_199_254_740_993_u64), Normal::Light));
        assert!(!says("9007199254740992", &json!(9_007_199_254_740_993_u64), Normal::Light));
        assert!(says("5.0", &json!(5), Normal::Light) && says("True", &json!(true), Normal::Light));
        assert!(!says("", &json!(null), Normal::Light) && !says("[1]", &json!([1]), Normal::Light));
        assert_eq!(text_key("1,000.0", Normal::Light), key(&json!(1000), Normal::Light));
        assert_eq!(key(&json!(-0.0), Normal::Light), key(&json!(0), Normal::Light));
        assert_ne!(key(&json!("5 cats"), Normal::Light), key(&json!(5), Normal::Light));
    }
}
