//! Lists of calls and tuples: `change_color(2, 'red'); (1, size, large)`.

use serde_json::Value;

use super::read;

/// Most calls in an answer; an answer with more is unparsable.
pub const MAX_CALLS: usize = 256;

/// `name(args)`; the name of a tuple is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The function, as [`read::name`] writes it.
    pub name: String,
    /// Its arguments, likewise.
    pub args: Vec<String>,
}

/// The calls of a text, apart by commas, semicolons or line breaks, in brackets or not. `None` when
/// anything else stands between them, a bracket is not closed or one call holds another. An empty text
/// and `[]` are no calls.
pub fn parse(text: &str) -> Option<Vec<Call>> {
    let text = read::unfenced(text).trim();
    if text.len() > read::MAX_TEXT {
        return None;
    }
    let list = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
    let mut rest = list.unwrap_or(text);
    let mut calls = Vec::new();
    loop {
        let between = |c: char| c.is_whitespace() || ",;'\"".contains(c);
        let (gap, next) = rest.split_at(rest.find(|c| !between(c)).unwrap_or(rest.len()));
        rest = next;
        if rest.is_empty() {
            return Some(calls);
        }
        if !calls.is_empty() && !gap.contains([',', ';', '\n']) {
            return None;
        }
        let (name, after) = rest.split_once('(')?;
        let (args, after) = after.split_once(')')?;
        let word = |c: char| c.is_alphanumeric() || c == '_' || c == ' ' || c == '-';
        if args.contains('(') || !name.chars().all(word) || calls.len() == MAX_CALLS {
            return None;
        }
        let args = args.trim();
        let args = if args.is_empty() { Vec::new() } else { args.split(',').map(read::name).collect() };
        calls.push(Call { name: read::name(name), args });
        rest = after;
    }
}

/// Calls as JSON writes them: a text as [`parse`] reads it, or a list of such texts, of lists of
/// arguments, or of objects, from which `keys` are taken in order as arguments.
pub fn from_json(value: &Value, keys: &[&str]) -> Option<Vec<Call>> {
    let items = match value {
        Value::String(text) => return parse(text),
        Value::Array(items) if items.len() <= MAX_CALLS => items,
        _ => return None,
    };
    let mut calls = Vec::new();
    for item in items {
        match item {
            Value::String(text) => calls.extend(parse(text).filter(|c| c.len() == 1)?),
            Value::Array(args) => {
                let args = args.iter().map(read::scalar).collect::<Option<_>>()?;
                calls.push(Call { name: String::new(), args });
            }
            Value::Object(map) => {
                let args =
                    keys.iter().map(|key| map.get(*key).and_then(read::scalar)).collect::<Option<_>>()?;
                calls.push(Call { name: String::new(), args });
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => return None,
        }
    }
    Some(calls)
}

/// The calls of an answer: JSON, or calls as text.
pub fn from_answer(text: &str, keys: &[&str]) -> Option<Vec<Call>> {
    match read::json(text) {
        Some(value) => from_json(&value, keys),
        None => parse(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn call(name: &str, args: &[&str]) -> Call {
        Call { name: name.into(), args: args.iter().map(ToString::to_string).collect() }
    }

    #[test]
    fn reads_what_policies_write() {
        let want = vec![call("change color", &["2", "red"]), call("", &["1", "size", "large"])];
        assert_eq!(parse("change_color(2, 'red'); (1, Size, large)"), Some(want.clone()));
        assert_eq!(parse("```\n[change_color(2,'red'),\n(1,size,large)]\n```"), Some(want));
        assert_eq!(parse(" [] "), Some(vec![]));
        for bad in ["none", "f(1", "f(g(1))", "f(1) then g(2)", "f)1("] {
            assert_eq!(parse(bad), None, "{bad}");
        }
        assert_eq!(parse(&"f(1),".repeat(MAX_CALLS + 1)), None);
        let json = serde_json::json!(["f(a,1)", ["1", "b"], {"index": 2, "to": "c"}]);
        let read = from_json(&json, &["index", "to"]).unwrap();
        assert_eq!(read, [call("f", &["a", "1"]), call("", &["1", "b"]), call("", &["2", "c"])]);
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "[a-z(),;'\\[\\]{}\" ]{0,60}") {
            let _ = from_answer(&text, &["index"]);
        }
    }
}
