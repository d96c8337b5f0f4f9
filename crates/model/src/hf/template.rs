//! Chat templates: how a conversation becomes text.
//!
//! The jinja template never sees what people and models wrote. It is rendered with a marker in place of
//! every text, and the result is cut at the markers, so that the template's own text (in which special tokens
//! count) and text from outside (in which they must not) stay apart as [`Piece`]s.
//!
//! Play is token in, token out: [`ChatTemplate::opening`] gives the first prompt, and
//! [`ChatTemplate::next_turn`] what comes between a sampled answer and the next one. That needs a template
//! which writes every text unchanged and never changes earlier turns; both are checked on loading.

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use minijinja::{Environment, ErrorKind, UndefinedBehavior, context};
use serde_json::{Value, json};

use super::bounds::{bound_filters, refused};
use super::tokenizer::TOKENIZER_CONFIG_FILE;
use crate::plain_file;

/// The template as a file of its own.
pub const TEMPLATE_FILE: &str = "chat_template.jinja";
/// The template in JSON, under `chat_template`.
const TEMPLATE_JSON_FILE: &str = "chat_template.json";
/// Bound on a file that holds a template; `tokenizer_config.json` is the largest.
const MAX_FILE: u64 = 16 << 20;
/// Bound on the template itself; released ones are below 10 KB.
const MAX_SOURCE: usize = 1 << 20;
/// Bound on the steps of one rendering. A conversation of 10,000 messages takes some hundred thousand.
const MAX_STEPS: u64 = 2_000_000;
/// Bound on rendered text; with markers for texts even a long conversation takes little.
const MAX_RENDERED: usize = 4 << 20;

/// Stands around the number of a text in rendered output. A private-use character that no template writes.
const MARK: char = '\u{F8FF}';
const IMAGE: &str = "<|image_pad|>";
const END_OF_TURN: &str = "<|im_end|>";

/// ChatML with images and videos, for models made here; behaves like the released Qwen2.5-VL template.
const BUILTIN: &str = include_str!("chat_template.jinja");

/// Why a template was refused, or could not render.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The file system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No file of the folder holds a template.
    #[error(
        "{folder}: no chat template in chat_template.jinja, chat_template.json or tokenizer_config.json; \
         a base model has none: use its instruct variant"
    )]
    Missing {
        /// The folder.
        folder: PathBuf,
    },
    /// A file that should hold a template does not.
    #[error("{path}: {reason}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The template is not valid jinja, or failed on this conversation.
    #[error("chat template: {reason}")]
    Jinja {
        /// What the engine said.
        reason: String,
    },
    /// The template does something token-exact play cannot work with.
    #[error("chat template: {reason}")]
    Behaviour {
        /// What it does.
        reason: String,
    },
    /// The conversation itself cannot be.
    #[error("conversation: message {index}: {reason}")]
    Conversation {
        /// Index of the message.
        index: usize,
        /// What is wrong with it.
        reason: String,
    },
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Instructions.
    System,
    /// The environment or a person.
    User,
    /// The model.
    Assistant,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// Part of what somebody said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Text, taken literally.
    Text(String),
    /// An image; only users show images.
    Image,
}

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said, in order.
    pub parts: Vec<Part>,
}

impl Message {
    /// A message of text only.
    pub fn text(role: Role, text: impl Into<String>) -> Self {
        Self { role, parts: vec![Part::Text(text.into())] }
    }
}

/// A part of a rendered conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// The template's own text, in which special tokens count.
    Template(String),
    /// System and user text, to be encoded literally.
    User(String),
    /// The assistant's text, to be encoded literally.
    Assistant(String),
    /// The end-of-turn token that closes the assistant's text; part of what it should learn to write.
    EndOfTurn,
    /// The place of one image's placeholders; the template wrote what stands around them.
    Image,
}

/// A checked chat template.
#[derive(Clone, Debug)]
pub struct ChatTemplate {
    source: String,
    engine: Environment<'static>,
}

impl ChatTemplate {
    /// Loads the template of a model folder: `chat_template.jinja`, else the one in `chat_template.json`,
    /// else the one in `tokenizer_config.json`.
    ///
    /// # Errors
    /// [`TemplateError`] when there is none, or as [`Self::from_source`].
    pub fn from_folder(folder: &Path) -> Result<Self, TemplateError> {
        let own = folder.join(TEMPLATE_FILE);
        if own.exists() {
            return Self::from_source(read_text(&own)?);
        }
        for name in [TEMPLATE_JSON_FILE, TOKENIZER_CONFIG_FILE] {
            let path = folder.join(name);
            if path.exists()
                && let Some(source) = template_in_json(&path)?
            {
                return Self::from_source(source);
            }
        }
        Err(TemplateError::Missing { folder: folder.into() })
    }

    /// The template of models made here.
    ///
    /// # Errors
    /// None in practice: tests render it.
    pub fn builtin() -> Result<Self, TemplateError> {
        Self::from_source(BUILTIN.to_string())
    }

    /// Compiles a jinja template and checks that it suits token-exact play.
    ///
    /// # Errors
    /// [`TemplateError::Jinja`] when it does not compile or render, [`TemplateError::Behaviour`] when it
    /// edits texts, rewrites earlier turns, does not end the assistant's turn with `<|im_end|>`, multiplies, or
    /// has a tag or a choice far longer than any chat template needs.
    pub fn from_source(source: String) -> Result<Self, TemplateError> {
        if source.len() > MAX_SOURCE {
            return Err(behaviour(format!("is longer than {MAX_SOURCE} bytes")));
        }
        if let Some(reason) = refused(&source) {
            return Err(behaviour(reason));
        }
        let mut engine = Environment::new();
        engine.set_fuel(Some(MAX_STEPS));
        // As transformers sets up its engine, but printing an undefined value is an error instead of nothing.
        engine.set_trim_blocks(true);
        engine.set_lstrip_blocks(true);
        engine.set_undefined_behavior(UndefinedBehavior::SemiStrict);
        engine.add_function("raise_exception", |message: String| -> Result<String, minijinja::Error> {
            Err(minijinja::Error::new(ErrorKind::InvalidOperation, message))
        });
        bound_filters(&mut engine);
        engine.add_template_owned(TEMPLATE_FILE, source.clone()).map_err(jinja)?;
        let template = Self { source, engine };
        template.check_behaviour()?;
        Ok(template)
    }

    /// The jinja source.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The first prompt of an episode: the template's default system turn, the user's turn, and the start of
    /// the assistant's.
    ///
    /// # Errors
    /// [`TemplateError::Jinja`] and [`TemplateError::Behaviour`] when the template fails on it.
    pub fn opening(&self, user: &[Part]) -> Result<Vec<Piece>, TemplateError> {
        self.prompt(&[Message { role: Role::User, parts: user.to_vec() }])
    }

    /// A conversation so far, and the start of the assistant's next turn.
    ///
    /// # Errors
    /// As [`Self::conversation`].
    pub fn prompt(&self, messages: &[Message]) -> Result<Vec<Piece>, TemplateError> {
        self.pieces(messages, true)
    }

    /// A finished conversation, for scoring and supervised data.
    ///
    /// # Errors
    /// [`TemplateError::Conversation`] when there is no message or one other than the user's shows an image,
    /// and as [`Self::opening`].
    pub fn conversation(&self, messages: &[Message]) -> Result<Vec<Piece>, TemplateError> {
        self.pieces(messages, false)
    }

    /// What comes after a sampled answer: the end of its turn, the user's turn, and the start of the
    /// assistant's next.
    ///
    /// With `response_ended_with_eot` the answer's last token was `<|im_end|>`, and it is not repeated here.
    /// An answer that ended with another token, or was cut off, gets its `<|im_end|>` from here.
    ///
    /// # Errors
    /// As [`Self::opening`].
    pub fn next_turn(
        &self,
        user: &[Part],
        response_ended_with_eot: bool,
    ) -> Result<Vec<Piece>, TemplateError> {
        let messages = [
            Message::text(Role::User, ""),
            Message::text(Role::Assistant, ""),
            Message { role: Role::User, parts: user.to_vec() },
        ];
        let mut pieces = self.pieces_after(&messages, Some(1))?;
        // The first piece is the end of turn: every assistant text is followed by it.
        pieces.remove(0);
        if !response_ended_with_eot {
            match pieces.first_mut() {
                Some(Piece::Template(text)) => text.insert_str(0, END_OF_TURN),
                _ => pieces.insert(0, Piece::Template(END_OF_TURN.into())),
            }
        }
        Ok(pieces)
    }

    fn pieces(&self, messages: &[Message], start_answer: bool) -> Result<Vec<Piece>, TemplateError> {
        let (marked, slots) = mark(messages)?;
        cut(&self.render(&marked, start_answer)?, &slots, None)
    }

    /// The pieces of a prompt that follow the text of message `after`.
    fn pieces_after(&self, messages: &[Message], after: Option<usize>) -> Result<Vec<Piece>, TemplateError> {
        let (marked, slots) = mark(messages)?;
        cut(&self.render(&marked, true)?, &slots, after)
    }

    fn render(&self, messages: &[Value], start_answer: bool) -> Result<String, TemplateError> {
        let template = self.engine.get_template(TEMPLATE_FILE).map_err(jinja)?;
        let values = context! {
            messages => messages, add_generation_prompt => start_answer, eos_token => END_OF_TURN,
        };
        let mut rendered = Bounded(Vec::new());
        // The engine is other people's code: minijinja 2.24 panics on an empty list that is reversed.
        let done =
            catch_unwind(AssertUnwindSafe(|| template.render_captured_to(values, &mut rendered).map(drop)));
        let gave_up = |_| Err(TemplateError::Jinja { reason: "the engine gave up on it".into() });
        done.map_or_else(gave_up, |rendered| rendered.map_err(jinja))?;
        String::from_utf8(rendered.0).map_err(|e| TemplateError::Jinja { reason: e.to_string() })
    }

    /// Renders small conversations and checks what the module's docs promise.
    fn check_behaviour(&self) -> Result<(), TemplateError> {
        if self.source.contains(MARK) {
            return Err(behaviour(format!("contains the private-use character {}", MARK.escape_unicode())));
        }
        let first =
            Message { role: Role::User, parts: vec![Part::Image, Part::Text(" a\n".into()), Part::Image] };
        let answer = Message::text(Role::Assistant, "\n <think>b</think> <answer> c</answer>\n ");
        let second = Message { role: Role::User, parts: vec![Part::Text("\td ".into()), Part::Image] };
        let system = Message::text(Role::System, " e ");
        let talk = [first, answer, second];
        let mut with_system = vec![system];
        with_system.extend(talk.iter().cloned());

        let (marked, slots) = mark(&talk)?;
        let opening = self.render(&marked[..1], true)?;
        let done = self.render(&marked[..2], false)?;
        let whole = self.render(&marked, true)?;
        if !done.starts_with(&opening) || !whole.starts_with(&done) {
            let reason = "changes earlier turns when the conversation goes on; what the model saw and wrote \
                          could not be kept token for token";
            return Err(behaviour(reason.into()));
        }
        cut(&whole, &slots, None)?;

        for messages in [&talk[..], &with_system[..]] {
            let (marked, _) = mark(messages)?;
            let mut expected = self.render(&marked, true)?;
            let literal: Vec<Value> = messages.iter().map(literally).collect();
            for (i, text) in texts(messages).enumerate() {
                expected = expected.replace(&marker(i), text);
            }
            if self.render(&literal, true)? != expected {
                return Err(behaviour(
                    "edits the texts it is given instead of writing them as they are".into(),
                ));
            }
        }
        Ok(())
    }
}

/// Takes rendered text up to a bound, so that a template which loops over and over cannot fill the memory.
struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_RENDERED {
            return Err(io::Error::other(format!("renders more than {MAX_RENDERED} bytes")));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn jinja(error: minijinja::Error) -> TemplateError {
    let line = error.line().map_or(String::new(), |line| format!(" (line {line})"));
    let hint = match error.kind() {
        ErrorKind::OutOfFuel => "; it loops without end, or the conversation is far too long",
        ErrorKind::UnknownMethod => "; Python methods are not available",
        ErrorKind::UndefinedError => "; only `messages`, `add_generation_prompt` and `eos_token` are defined",
        _ => "",
    };
    let reason = match error.detail() {
        Some(detail) => format!("{}: {detail}{line}{hint}", error.kind()),
        None => format!("{}{line}{hint}", error.kind()),
    };
    TemplateError::Jinja { reason }
}

fn behaviour(reason: String) -> TemplateError {
    TemplateError::Behaviour { reason }
}

fn read_text(path: &Path) -> Result<String, TemplateError> {
    let text = plain_file::read_text(path, MAX_FILE);
    let text = text.map_err(|source| TemplateError::Io { path: path.to_path_buf(), source })?;
    text.ok_or_else(|| {
        let reason = format!("more than {MAX_FILE} bytes");
        TemplateError::Damaged { path: path.to_path_buf(), reason }
    })
}

/// The `chat_template` of a JSON file: a string, or a list of named ones, of which `default` is meant.
fn template_in_json(path: &Path) -> Result<Option<String>, TemplateError> {
    let damaged = |reason: String| TemplateError::Damaged { path: path.to_path_buf(), reason };
    let value: Value = serde_json::from_str(&read_text(path)?).map_err(|e| damaged(e.to_string()))?;
    let default = match &value["chat_template"] {
        Value::Null => return Ok(None),
        Value::Array(list) => list.iter().find(|t| t["name"] == "default").map(|t| &t["template"]),
        one => Some(one),
    };
    match default.and_then(Value::as_str) {
        Some(source) => Ok(Some(source.to_string())),
        None => Err(damaged("`chat_template` holds no default template".into())),
    }
}

fn marker(index: usize) -> String {
    format!("{MARK}{index}{MARK}")
}

/// What the template was given, in order.
#[derive(Debug)]
enum Slot {
    /// A text of message `message`; the piece it becomes.
    Text { message: usize, piece: Piece },
    /// An image.
    Image,
}

/// Messages for the template with a marker for every text, and what the markers stand for.
fn mark(messages: &[Message]) -> Result<(Vec<Value>, Vec<Slot>), TemplateError> {
    if messages.is_empty() {
        return Err(TemplateError::Conversation { index: 0, reason: "there is none".into() });
    }
    let mut slots = Vec::new();
    let mut marked = Vec::with_capacity(messages.len());
    let mut texts = 0;
    for (index, message) in messages.iter().enumerate() {
        let mut parts = Vec::with_capacity(message.parts.len());
        for part in &message.parts {
            match part {
                Part::Text(text) => {
                    let piece = match message.role {
                        Role::Assistant => Piece::Assistant(text.clone()),
                        Role::System | Role::User => Piece::User(text.clone()),
                    };
                    slots.push(Slot::Text { message: index, piece });
                    parts.push(json!({"type": "text", "text": marker(texts)}));
                    texts += 1;
                }
                Part::Image if message.role == Role::User => {
                    slots.push(Slot::Image);
                    parts.push(json!({"type": "image"}));
                }
                Part::Image => {
                    let reason = format!("the {} cannot show an image", message.role.name());
                    return Err(TemplateError::Conversation { index, reason });
                }
            }
        }
        if message.role == Role::Assistant && parts.len() != 1 {
            let reason = format!("the assistant says one text, not {} parts", parts.len());
            return Err(TemplateError::Conversation { index, reason });
        }
        marked.push(message_json(message.role, parts));
    }
    Ok((marked, slots))
}

/// A message as `transformers` gives it to a template: plain text as a string, anything else as a list.
fn message_json(role: Role, parts: Vec<Value>) -> Value {
    let content = match parts.as_slice() {
        [one] if one["type"] == "text" => one["text"].clone(),
        _ => Value::Array(parts),
    };
    json!({"role": role.name(), "content": content})
}

/// A message with its texts in place, for [`ChatTemplate::check_behaviour`].
fn literally(message: &Message) -> Value {
    let part = |part: &Part| match part {
        Part::Text(text) => json!({"type": "text", "text": text}),
        Part::Image => json!({"type": "image"}),
    };
    message_json(message.role, message.parts.iter().map(part).collect())
}

fn texts(messages: &[Message]) -> impl Iterator<Item = &str> {
    messages.iter().flat_map(|m| &m.parts).filter_map(|part| match part {
        Part::Text(text) => Some(text.as_str()),
        Part::Image => None,
    })
}

/// Cuts rendered text at markers and image placeholders, which must be exactly the `slots` in order. With
/// `after`, pieces up to and including that message's text are left out.
fn cut(rendered: &str, slots: &[Slot], after: Option<usize>) -> Result<Vec<Piece>, TemplateError> {
    let wrong = || behaviour("does not write every text and image once and in order".into());
    let mut pieces = Pieces::default();
    let mut rest = rendered;
    let mut texts = 0;
    for slot in slots {
        let (before, piece, len) = match slot {
            Slot::Text { piece, .. } => {
                let marker = marker(texts);
                texts += 1;
                (rest.find(&marker).ok_or_else(wrong)?, piece.clone(), marker.len())
            }
            Slot::Image => (rest.find(IMAGE).ok_or_else(wrong)?, Piece::Image, IMAGE.len()),
        };
        pieces.template(&rest[..before])?;
        rest = &rest[before + len..];
        let answer = matches!(piece, Piece::Assistant(_));
        pieces.add(piece);
        if matches!(slot, Slot::Text { message, .. } if Some(*message) == after) {
            pieces = Pieces::default();
        }
        if answer {
            rest = rest.strip_prefix(END_OF_TURN).ok_or_else(|| {
                behaviour(format!("does not write {END_OF_TURN} right after the assistant's text"))
            })?;
            pieces.add(Piece::EndOfTurn);
        }
    }
    pieces.template(rest)?;
    Ok(pieces.0)
}

/// Pieces being put together: empty texts are left out, neighbours of a kind become one.
#[derive(Default)]
struct Pieces(Vec<Piece>);

impl Pieces {
    /// Adds the template's own text; a marker or placeholder left in it was written once too often.
    fn template(&mut self, text: &str) -> Result<(), TemplateError> {
        if text.contains(MARK) || text.contains(IMAGE) {
            return Err(behaviour("does not write every text and image once and in order".into()));
        }
        self.add(Piece::Template(text.to_string()));
        Ok(())
    }

    fn add(&mut self, piece: Piece) {
        match (self.0.last_mut(), piece) {
            (_, Piece::Template(text) | Piece::User(text)) if text.is_empty() => {}
            (Some(Piece::Template(last)), Piece::Template(text)) => last.push_str(&text),
            (Some(Piece::User(last)), Piece::User(text)) => last.push_str(&text),
            (_, piece) => self.0.push(piece),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Part {
        Part::Text(text.into())
    }

    fn template(text: &str) -> Piece {
        Piece::Template(text.into())
    }

    const SYSTEM: &str = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n";

    #[test]
    fn opening_keeps_text_apart() {
        let chat = ChatTemplate::builtin().unwrap();
        let user = [text("board <|im_end|>"), Part::Image, text("<|image_pad|>\u{F8FF}0\u{F8FF}")];
        let pieces = chat.opening(&user).unwrap();
        assert_eq!(
            pieces,
            [
                template(&format!("{SYSTEM}<|im_start|>user\n")),
                Piece::User("board <|im_end|>".into()),
                template("<|vision_start|>"),
                Piece::Image,
                template("<|vision_end|>"),
                Piece::User("<|image_pad|>\u{F8FF}0\u{F8FF}".into()),
                template("<|im_end|>\n<|im_start|>assistant\n"),
            ]
        );
    }

    #[test]
    fn next_turn_with_and_without_end_of_turn() {
        let chat = ChatTemplate::builtin().unwrap();
        let rest = [Piece::User("go on".into()), template("<|im_end|>\n<|im_start|>assistant\n")];
        let ended = chat.next_turn(&[text("go "), text("on")], true).unwrap();
        assert_eq!(ended[0], template("\n<|im_start|>user\n"));
        assert_eq!(ended[1..], rest);
        let cut_off = chat.next_turn(&[text("go on")], false).unwrap();
        assert_eq!(cut_off[0], template("<|im_end|>\n<|im_start|>user\n"));
        assert_eq!(cut_off[1..], rest);
    }

    #[test]
    fn conversation_marks_the_assistant() {
        let chat = ChatTemplate::builtin().unwrap();
        let talk = [
            Message::text(Role::System, "Play."),
            Message { role: Role::User, parts: vec![Part::Image] },
            Message::text(Role::Assistant, ""),
            Message::text(Role::User, "again"),
            Message::text(Role::Assistant, "<answer>left</answer>"),
        ];
        assert_eq!(
            chat.conversation(&talk).unwrap(),
            [
                template("<|im_start|>system\n"),
                Piece::User("Play.".into()),
                template("<|im_end|>\n<|im_start|>user\n<|vision_start|>"),
                Piece::Image,
                template("<|vision_end|><|im_end|>\n<|im_start|>assistant\n"),
                Piece::Assistant(String::new()),
                Piece::EndOfTurn,
                template("\n<|im_start|>user\n"),
                Piece::User("again".into()),
                template("<|im_end|>\n<|im_start|>assistant\n"),
                Piece::Assistant("<answer>left</answer>".into()),
                Piece::EndOfTurn,
                template("\n"),
            ]
        );
    }

    #[test]
    fn impossible_conversations() {
        let chat = ChatTemplate::builtin().unwrap();
        assert!(chat.conversation(&[]).is_err());
        for role in [Role::System, Role::Assistant] {
            let message = Message { role, parts: vec![text("a"), Part::Image] };
            assert!(matches!(chat.prompt(&[message]), Err(TemplateError::Conversation { index: 0, .. })));
        }
    }

    /// A template that is fine but for what is put in place of a part of it.
    fn refused(part: &str, replacement: &str) -> String {
        let base = "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.content is string %}\
                    {{ m.content }}{% else %}{% for c in m.content %}{% if c.type == 'image' %}<|image_pad|>{% else %}\
                    {{ c.text }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}\
                    {% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
        ChatTemplate::from_source(base.into()).unwrap();
        let broken = base.replace(part, replacement);
        assert_ne!(broken, base);
        ChatTemplate::from_source(broken).unwrap_err().to_string()
    }

    #[test]
    fn templates_that_do_not_suit_are_refused() {
        for (part, replacement, message) in [
            ("{{ m.content }}", "{{ m.content | trim }}", "edits the texts"),
            ("{{ m.content }}", "{{ m.content.strip() }}", "Python methods"),
            ("{{ m.content }}", "{{ m.content }}{{ m.content }}", "right after the assistant"),
            ("{{ m.content }}", "", "once and in order"),
            ("<|im_end|>", "</s>", "<|im_end|>"),
            ("<|image_pad|>", "", "once and in order"),
            ("<|image_pad|>", "<|image_pad|><|image_pad|>", "once and in order"),
            ("<|im_start|>{{", "{{ bos_token }}{{", "only `messages`"),
            ("{{ m.content }}", "{{ raise_exception('no ' ~ m.role) }}", "no assistant"),
            ("in messages %}", "in messages[-1:] %}", "earlier turns"),
            ("{% endfor %}", "", "syntax error"),
            ("{{ m.role }}", "\u{F8FF}", "private-use"),
        ] {
            let error = refused(part, replacement);
            assert!(error.contains(message), "{replacement:?}: {error}");
        }
    }
}
