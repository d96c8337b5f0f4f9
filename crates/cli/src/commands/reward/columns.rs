//! Finds what rewards read in the rows of a dump, whoever wrote it.

use eyas_core::Unique;
use serde::Deserialize;
use serde_json::{Map, Value};

/// The names of columns, where the usual ones do not fit. A dot goes into an object:
/// `reward_model.ground_truth`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Columns {
    response: Option<String>,
    gold: Option<String>,
    group: Option<String>,
    id: Option<String>,
}

/// What TRL, verl, EasyR1, VLM-R1 and their kin call the response, in the order in which they are tried.
const RESPONSE: &[&str] = &[
    "response",
    "completion",
    "output",
    "solution_str",
    "generated_text",
    "prediction",
    "predict",
    "completions",
    "text",
];
/// The same for the ground truth.
const GOLD: &[&str] = &[
    "gold",
    "ground_truth",
    "solution",
    "gts",
    "gt",
    "reward_model.ground_truth",
    "answer",
    "target",
    "label",
];
/// Rows with the same value here are responses to one prompt.
const GROUP: &[&str] = &["group", "uid", "prompt_id", "question_id", "prompt", "input", "problem"];
const ID: &[&str] = &["id", "sample_id", "index"];

/// One row, read.
#[derive(Debug)]
pub(super) struct Row {
    /// From 1.
    pub(super) line: u64,
    pub(super) id: Option<String>,
    pub(super) response: String,
    pub(super) gold: Value,
    pub(super) group: Option<String>,
    /// All columns, for rewards that read further fields.
    pub(super) fields: Map<String, Value>,
}

impl Columns {
    /// Reads one line of a dump.
    pub(super) fn read(&self, line: u64, text: &str) -> Result<Row, String> {
        let fields: Unique<Value> = serde_json::from_str(text).map_err(|error| match error.is_data() {
            true => error.to_string(),
            false => format!("no JSON: {error}"),
        })?;
        let fields: Map<String, Value> = fields.0.into_iter().collect();
        let found = pick(&fields, self.response.as_deref(), RESPONSE)
            .ok_or_else(|| missing("response", self.response.as_deref(), RESPONSE, &fields))?;
        let response = said(found).ok_or("the response is neither text nor a chat")?;
        let gold = pick(&fields, self.gold.as_deref(), GOLD).cloned().unwrap_or(Value::Null);
        if let (Some(name), true) = (&self.gold, gold.is_null()) {
            return Err(missing("gold", Some(name), GOLD, &fields));
        }
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_string);
        let group = pick(&fields, self.group.as_deref(), GROUP).map(text);
        let id = pick(&fields, self.id.as_deref(), ID).map(text);
        Ok(Row { line, id, response, gold, group, fields })
    }
}

fn missing(what: &str, named: Option<&str>, usual: &[&str], fields: &Map<String, Value>) -> String {
    let known: Vec<&str> = fields.keys().map(String::as_str).take(20).collect();
    let wanted = named.map_or_else(|| usual.join(", "), str::to_string);
    format!("no {what}: none of the columns {wanted} is there, but {}", known.join(", "))
}

fn pick<'a>(fields: &'a Map<String, Value>, named: Option<&str>, usual: &[&str]) -> Option<&'a Value> {
    match named {
        Some(path) => at(fields, path),
        None => usual.iter().find_map(|path| at(fields, path)),
    }
}

fn at<'a>(fields: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    if let Some(value) = fields.get(path) {
        return Some(value);
    }
    let (first, rest) = path.split_once('.')?;
    at(fields.get(first)?.as_object()?, rest)
}

/// The text of a response: itself, or what the assistant says last in a chat.
fn said(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(messages) => {
            let last = messages.iter().rev().find(|m| m["role"] == "assistant").or(messages.last())?;
            said(last)
        }
        Value::Object(message) => match message.get("content")? {
            Value::Array(parts) => {
                Some(parts.iter().filter_map(|p| p["text"].as_str()).collect::<Vec<_>>().concat())
            }
            content => content.as_str().map(str::to_string),
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Row {
        Columns::default().read(1, json).unwrap()
    }

    #[test]
    fn dumps_of_other_trainers_are_understood() {
        // TRL: chats and a column of the data set.
        let trl = read(
            r#"{"prompt": "p", "completion": [{"role": "assistant", "content": "a"}], "solution": "s", "step": 3}"#,
        );
        assert_eq!(
            (trl.response.as_str(), trl.gold.as_str(), trl.group.as_deref()),
            ("a", Some("s"), Some("p"))
        );
        // verl: input, output, gts.
        let verl = read(r#"{"input": "i", "output": "o", "gts": 4, "score": 0.5, "step": 1}"#);
        assert_eq!((verl.response.as_str(), verl.gold.as_i64()), ("o", Some(4)));
        // EasyR1, and verl's data rows.
        let easy = read(r#"{"response": "r", "ground_truth": [1, 2], "id": 7}"#);
        assert_eq!((easy.gold, easy.id.as_deref()), (serde_json::json!([1, 2]), Some("7")));
        let nested = read(r#"{"solution_str": "r", "reward_model": {"ground_truth": "g"}}"#);
        assert_eq!(nested.gold, "g");
        let parts =
            read(r#"{"completions": {"role": "assistant", "content": [{"type": "text", "text": "x"}]}}"#);
        assert_eq!((parts.response.as_str(), parts.gold), ("x", Value::Null));
    }

    #[test]
    fn named_columns_win_and_missing_ones_are_named() {
        let columns: Columns = toml::from_str("response = \"a.b\"\ngold = \"c\"").unwrap();
        let row = columns.read(1, r#"{"a": {"b": "t"}, "response": "no", "c": 1}"#).unwrap();
        assert_eq!((row.response.as_str(), row.gold.as_i64()), ("t", Some(1)));
        let error = columns.read(1, r#"{"response": "no"}"#).unwrap_err();
        assert!(error.contains("a.b") && error.contains("but response"), "{error}");
        let error = Columns::default().read(1, r#"{"x": 1}"#).unwrap_err();
        assert!(error.contains("completion") && error.contains("but x"), "{error}");
        assert!(Columns::default().read(1, "[1]").is_err());
        let error = Columns::default().read(1, r#"{"response": "a", "response": "b"}"#).unwrap_err();
        assert!(error.starts_with("the key \"response\" is there twice"), "{error}");
        let error = Columns::default().read(1, r#"{"response": "a", "gold": 1e400}"#).unwrap_err();
        assert!(error.starts_with("no JSON: number out of range at line 1 column"), "{error}");
        let deep = format!(r#"{{"response": {}"#, "[".repeat(1_000_000));
        assert!(Columns::default().read(1, &deep).unwrap_err().contains("recursion limit"));
        assert!(Columns::default().read(1, r#"{"response": 5}"#).is_err());
    }
}
