//! Conversations in the layout that chat data sets have: one JSON object with `messages`.

use std::path::PathBuf;

use anyhow::{anyhow, bail, ensure};
use eyas_core::Unique;
use eyas_model::hf::{Message, Part, Role};
use serde_json::error::Category;
use serde_json::{Map, Value};

/// A conversation with the places of its pictures.
#[derive(Debug, PartialEq)]
pub(crate) struct Conversation {
    /// What is said.
    pub(crate) messages: Vec<Message>,
    /// The pictures, in the order of [`Part::Image`].
    pub(crate) images: Vec<PathBuf>,
}

/// Keys beside `messages` in which other tools put what a model should see: to pass over them would be
/// to score something else.
const ELSEWHERE: [&str; 5] = ["image", "images", "videos", "audios", "tools"];

impl Conversation {
    /// Reads one line. Keys beside `messages` are of no concern, unless they hold pictures or tools.
    ///
    /// # Errors
    /// What is wrong, and at which message.
    pub(crate) fn parse(line: &str) -> anyhow::Result<Self> {
        let object: Unique<Value> = serde_json::from_str(line).map_err(|error| match error.classify() {
            Category::Eof => anyhow!("not JSON: the line is cut off"),
            Category::Data if error.to_string().starts_with("invalid type") => {
                anyhow!("expected an object with `messages`")
            }
            Category::Data => anyhow!(without_line(&error)),
            _ => anyhow!("not JSON: {}", without_line(&error)),
        })?;
        let object = object.0;
        if let Some(key) = ELSEWHERE.iter().find(|key| object.contains_key(**key)) {
            bail!("`{key}` is not supported; put pictures into `messages` as {IMAGE_FORM}");
        }
        let Some(Value::Array(given)) = object.get("messages") else {
            bail!("`messages` is missing, a list")
        };
        let mut conversation = Self { messages: Vec::new(), images: Vec::new() };
        for (index, message) in given.iter().enumerate() {
            let at = format!("messages[{index}]");
            let message = conversation.message(message, &at)?;
            conversation.messages.push(message);
        }
        let answers = conversation.messages.iter().any(|m| m.role == Role::Assistant);
        ensure!(answers, "no assistant message, so there is nothing to score");
        Ok(conversation)
    }

    fn message(&mut self, value: &Value, at: &str) -> anyhow::Result<Message> {
        let object = object(value, &["role", "content"], at)?;
        let role = match object.get("role").and_then(Value::as_str) {
            Some("system") => Role::System,
            Some("user") => Role::User,
            Some("assistant") => Role::Assistant,
            _ => bail!("{at}.role: expected \"system\", \"user\" or \"assistant\""),
        };
        let parts = match object.get("content") {
            Some(Value::String(text)) => vec![Part::Text(text.clone())],
            Some(Value::Array(parts)) => {
                let at = |i| format!("{at}.content[{i}]");
                parts.iter().enumerate().map(|(i, part)| self.part(part, &at(i))).collect::<Result<_, _>>()?
            }
            _ => bail!("{at}.content: expected text or a list"),
        };
        Ok(Message { role, parts })
    }

    fn part(&mut self, value: &Value, at: &str) -> anyhow::Result<Part> {
        let kind = value.get("type").and_then(Value::as_str);
        let (key, form) = match kind {
            Some("text") => ("text", TEXT_FORM),
            Some("image") => ("image", IMAGE_FORM),
            _ => bail!("{at}: expected {TEXT_FORM} or {IMAGE_FORM}"),
        };
        let Some(text) = object(value, &["type", key], at)?.get(key).and_then(Value::as_str) else {
            bail!("{at}: expected {form}");
        };
        if key == "text" {
            return Ok(Part::Text(text.to_string()));
        }
        self.images.push(text.into());
        Ok(Part::Image)
    }
}

const TEXT_FORM: &str = r#"{"type": "text", "text": "..."}"#;
const IMAGE_FORM: &str = r#"{"type": "image", "image": "FILE"}"#;

/// An object that has no other keys than `known`.
fn object<'a>(value: &'a Value, known: &[&str], at: &str) -> anyhow::Result<&'a Map<String, Value>> {
    let object = value.as_object().ok_or_else(|| anyhow!("{at}: expected an object"))?;
    match object.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => bail!("{at}: unknown key `{key}`; known here: {}", known.join(", ")),
        None => Ok(object),
    }
}

/// The message of a JSON error in one line of a file: its line number would always be 1.
fn without_line(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let message = text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message);
    format!("{message} at column {}", error.column())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_content_are_read() {
        let line = r#"{"id": 7, "messages": [
            {"role": "system", "content": "s"},
            {"role": "user", "content": [{"type": "image", "image": "a/b.png"}, {"type": "text", "text": "q"}]},
            {"role": "assistant", "content": "w"}]}"#;
        let user = vec![Part::Image, Part::Text("q".into())];
        let expected = Conversation {
            messages: vec![
                Message::text(Role::System, "s"),
                Message { role: Role::User, parts: user },
                Message::text(Role::Assistant, "w"),
            ],
            images: vec!["a/b.png".into()],
        };
        assert_eq!(Conversation::parse(line).unwrap(), expected);
    }

    #[test]
    fn every_refusal_says_where_and_what() {
        for (line, expected) in [
            ("", "not JSON: the line is cut off"),
            (r#"{"messages": ["#, "not JSON: the line is cut off"),
            ("{]", "not JSON: key must be a string at column 2"),
            ("[]", "expected an object with `messages`"),
            (r#"{"messages": [], "messages": []}"#, "the key \"messages\" is there twice at column 27"),
            (r#"{"prompt": 1}"#, "`messages` is missing, a list"),
            (
                r#"{"messages": [], "images": []}"#,
                "`images` is not supported; put pictures into `messages` as {\"type\": \"image\", \"image\": \"FILE\"}",
            ),
            (r#"{"messages": []}"#, "no assistant message, so there is nothing to score"),
            (r#"{"messages": [3]}"#, "messages[0]: expected an object"),
            (
                r#"{"messages": [{"role": "tool", "content": ""}]}"#,
                "messages[0].role: expected \"system\", \"user\" or \"assistant\"",
            ),
            (r#"{"messages": [{"role": "user"}]}"#, "messages[0].content: expected text or a list"),
            (
                r#"{"messages": [{"role": "user", "content": "", "weight": 0}]}"#,
                "messages[0]: unknown key `weight`; known here: role, content",
            ),
            (
                r#"{"messages": [{"role": "user", "content": [{"type": "video"}]}]}"#,
                "messages[0].content[0]: expected {\"type\": \"text\", \"text\": \"...\"} or \
                 {\"type\": \"image\", \"image\": \"FILE\"}",
            ),
            (
                r#"{"messages": [{"role": "user", "content": [{"type": "image", "image": 3}]}]}"#,
                "messages[0].content[0]: expected {\"type\": \"image\", \"image\": \"FILE\"}",
            ),
        ] {
            assert_eq!(format!("{:#}", Conversation::parse(line).unwrap_err()), expected, "{line}");
        }
    }
}
