//! Answers that are JSON objects, compared field by field.

use serde_json::Value;

use super::list::{shared, unfence};
use super::same::key;
use crate::text::normal::Normal;

/// Most scalars of one object that are looked at.
pub const MAX_LEAVES: usize = 10_000;

/// Most bytes that the ways to the scalars may take together: a long key above many scalars multiplies.
const MAX_PATHS: usize = 1 << 22;

/// The object that a text is, alone or in a code fence; `None` when it is none. Of a key that is there
/// twice the last value counts; nesting deeper than 127 is not read.
pub fn object(text: &str) -> Option<Value> {
    serde_json::from_str::<Value>(unfence(text)).ok().filter(Value::is_object)
}

/// Every scalar with the way to it, in ascending order: keys by name, items of lists by index; `null`,
/// empty lists and empty objects count as scalars. `None` when there are more than [`MAX_LEAVES`], or keys
/// so long that the ways to the scalars take more than 4 MiB.
pub fn leaves(value: &Value, normal: Normal) -> Option<Vec<String>> {
    let mut open = vec![(String::new(), value)];
    let (mut leaves, mut bytes) = (Vec::new(), 0);
    while let Some((path, value)) = open.pop() {
        let children = match value {
            Value::Object(map) => map.len(),
            Value::Array(items) => items.len(),
            _ => 0,
        };
        bytes += (path.len() + 16) * (children + 1);
        if leaves.len() + open.len() + children > MAX_LEAVES || bytes > MAX_PATHS {
            return None;
        }
        match value {
            Value::Object(map) if !map.is_empty() => {
                // The length keeps keys that hold the separator apart.
                open.extend(map.iter().map(|(k, v)| (format!("{path}.{}:{k}", k.len()), v)));
            }
            Value::Array(items) if !items.is_empty() => {
                open.extend(items.iter().enumerate().map(|(i, v)| (format!("{path}[{i}]"), v)));
            }
            scalar => {
                let text = key(scalar, normal).unwrap_or_else(|| scalar.to_string());
                leaves.push(format!("{path}={text}"));
            }
        }
    }
    leaves.sort_unstable();
    Some(leaves)
}

/// Scalars of `gold` that `answer` has in the same place: `(shared, of the answer, of gold)`.
pub fn agreement(answer: &[String], gold: &[String]) -> (usize, usize, usize) {
    (shared(answer, gold), answer.len(), gold.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn count(answer: &str, gold: &Value) -> (usize, usize, usize) {
        let answer = object(answer).and_then(|a| leaves(&a, Normal::Light)).unwrap_or_default();
        agreement(&answer, &leaves(gold, Normal::Light).unwrap())
    }

    #[test]
    fn scalars_are_compared_in_their_place() {
        let gold = json!({"name": "ACME", "total": 1000, "lines": [{"n": 1}, {"n": 2}], "note": null});
        let same = r#"{"total": "1,000.0", "name": "acme.", "lines": [{"n": 1}, {"n": 2}], "note": null}"#;
        assert_eq!(count(same, &gold), (5, 5, 5));
        assert_eq!(count("```json\n{\"name\": \"acme\"}\n```", &gold), (1, 1, 5));
        assert_eq!(count(r#"{"lines": [{"n": 2}, {"n": 1}]}"#, &gold), (0, 2, 5));
        assert_eq!(count(r#"{"total": "ACME", "name": 1000}"#, &gold), (0, 2, 5));
        assert_eq!(count(r#"{"a.1:b": 1}"#, &json!({"a": {"b": 1}})), (0, 1, 1));
    }

    #[test]
    fn hostile_objects_are_none() {
        assert_eq!(object("[1]"), None);
        assert_eq!(object("{"), None);
        assert_eq!(object(&format!("{}1{}", "{\"a\":".repeat(100_000), "}".repeat(100_000))), None);
        let wide = Value::Array((0..20_000).map(Value::from).collect());
        assert_eq!(leaves(&wide, Normal::Light), None);
        let long = json!({"k".repeat(20_000): vec![1; 5000]});
        assert_eq!(leaves(&long, Normal::Light), None);
    }
}
