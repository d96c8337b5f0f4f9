//! The tokenizer: byte-level BPE as in `tokenizer.json`, with special tokens kept apart from text.
//!
//! Text that comes from outside (an observation, a system prompt, a model's answer) is never allowed to
//! become a special token: [`Tokenizer::encode_plain`] encodes `<|im_end|>` in it as the characters it is.
//! Only [`Tokenizer::encode_template`], for text this program wrote itself, recognises special tokens.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde_json::{Value, json};

use super::bpe::{SPECIAL, count_words, learn_merges, tokenizer_json};
use super::pattern::check_pattern;
use super::template::Piece;
use crate::plain_file;

/// The vocabulary, merges and added tokens.
pub const TOKENIZER_FILE: &str = "tokenizer.json";
/// Settings around it that `transformers` reads.
pub const TOKENIZER_CONFIG_FILE: &str = "tokenizer_config.json";
/// Bound on either file; released ones are near 11 MB.
const MAX_FILE: u64 = 128 << 20;
/// Bound on token ids, far above any released vocabulary.
const MAX_ID: u32 = 1 << 22;
/// Bound on special tokens, and on the bytes of one: text is searched for each of them.
const MAX_SPECIAL: usize = 1024;
const MAX_SPECIAL_LEN: usize = 256;

/// Why a tokenizer was refused, or could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    /// The file system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is larger than any tokenizer.
    #[error("{path}: more than {most} bytes, too large for a tokenizer")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The bound in bytes.
        most: u64,
    },
    /// The file is not a tokenizer.
    #[error("tokenizer.json: {reason}")]
    Damaged {
        /// What is wrong.
        reason: String,
    },
    /// A well-formed tokenizer of a kind that is not supported.
    #[error("tokenizer.json: `{field}` {reason}")]
    Unsupported {
        /// Dotted path of the field.
        field: String,
        /// What was expected.
        reason: String,
    },
    /// A token every Qwen2.5-VL tokenizer has is missing or not special.
    #[error(
        "tokenizer.json: `{token}` is not among the special added tokens; is this a Qwen2.5-VL tokenizer?"
    )]
    MissingSpecial {
        /// The token.
        token: String,
    },
    /// Ordinary text was encoded to a special token.
    #[error("ordinary text was encoded to the special token `{token}`; the tokenizer cannot keep them apart")]
    SpecialInText {
        /// The token.
        token: String,
    },
    /// No token has that id.
    #[error("no token has the id {id}")]
    UnknownId {
        /// The id.
        id: u32,
    },
    /// Text could not be encoded.
    #[error("encoding failed: {reason}")]
    Encode {
        /// What the tokenizer said.
        reason: String,
    },
    /// A tokenizer of that size or with those tags cannot be trained.
    #[error("cannot train a tokenizer: {reason}")]
    Train {
        /// What is wrong.
        reason: String,
    },
}

/// Ids of the special tokens that the rest of the program names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpecialTokens {
    /// `<|endoftext|>`: ends a document; also the padding.
    pub endoftext: u32,
    /// `<|im_start|>`: begins a turn.
    pub im_start: u32,
    /// `<|im_end|>`: ends a turn.
    pub im_end: u32,
    /// `<|vision_start|>`
    pub vision_start: u32,
    /// `<|vision_end|>`
    pub vision_end: u32,
    /// `<|image_pad|>`: placeholder of an image's visual tokens.
    pub image_pad: u32,
    /// `<|video_pad|>`: placeholder of a video's visual tokens.
    pub video_pad: u32,
}

impl SpecialTokens {
    /// The ids 0 to 6, for models with random weights that no tokenizer goes with.
    pub const FIRST: Self = Self {
        endoftext: 0,
        im_start: 1,
        im_end: 2,
        vision_start: 3,
        vision_end: 4,
        image_pad: 5,
        video_pad: 6,
    };
}

/// Text of some tokens and where each token is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// The text. Bytes that are no UTF-8 became U+FFFD.
    pub text: String,
    /// For each token the bytes of `text` it had a part in. Where a character is split across tokens, each
    /// of them covers the whole character, so neighbouring ranges may overlap by one character.
    pub spans: Vec<Range<usize>>,
}

/// Pieces of a conversation as token ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chunk {
    /// Text that was given.
    Given(Vec<u32>),
    /// What the assistant wrote, with its end of turn where the pieces had one.
    Assistant(Vec<u32>),
    /// The place of one image's placeholders.
    Image,
}

/// A byte-level BPE tokenizer with the special tokens of Qwen2.5-VL.
#[derive(Clone)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    json: String,
    config_json: String,
    /// Bytes of each token by id; none where no token has the id.
    bytes: Vec<Option<Box<[u8]>>>,
    /// Every special token, by id.
    specials: BTreeMap<u32, String>,
    finder: Finder,
    named: SpecialTokens,
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokenizer")
            .field("vocab_size", &self.vocab_size())
            .field("named", &self.named)
            .finish()
    }
}

impl Tokenizer {
    /// Loads `tokenizer.json` from a model folder, and keeps `tokenizer_config.json` where there is one.
    ///
    /// # Errors
    /// [`TokenizerError`] when the file is absent, damaged, or not a tokenizer of this kind.
    pub fn from_folder(folder: &Path) -> Result<Self, TokenizerError> {
        let json = read_text(&folder.join(TOKENIZER_FILE))?;
        let config = folder.join(TOKENIZER_CONFIG_FILE);
        let config = if config.exists() { Some(read_text(&config)?) } else { None };
        Self::from_json(json, config)
    }

    /// Builds a tokenizer from the text of `tokenizer.json` and, where there is one, `tokenizer_config.json`.
    ///
    /// # Errors
    /// As [`Self::from_folder`].
    pub fn from_json(json: String, config_json: Option<String>) -> Result<Self, TokenizerError> {
        let mut value: Value = serde_json::from_str(&json).map_err(|e| damaged(e.to_string()))?;
        check_kind(&value)?;
        let added = read_added(&value)?;
        // They would change what is encoded behind the caller's back.
        for key in ["truncation", "padding", "post_processor"] {
            value[key] = Value::Null;
        }
        let text = value.to_string();
        drop(value);
        let mut inner = tokenizers::Tokenizer::from_str(&text).map_err(|e| damaged(e.to_string()))?;
        inner.set_encode_special_tokens(true);

        let bytes = byte_table(&inner, &added)?;
        let specials: BTreeMap<u32, String> =
            added.iter().filter(|t| t.special).map(|t| (t.id, t.content.clone())).collect();
        let named = name_specials(&specials)?;
        let finder = Finder::new(specials.iter().map(|(&id, content)| (content.clone(), id)));
        let config_json = config_json.unwrap_or_else(|| config_json_for(&added));
        Ok(Self { inner, json, config_json, bytes, specials, finder, named })
    }

    /// Trains a small tokenizer on `corpus`: special tokens first (`<|endoftext|>` is 0), then `tags`, the
    /// 256 bytes, and pairs merged while they occur at least twice.
    ///
    /// `vocab_size` is the most tokens it may have; a small corpus gives fewer. `tags` are added tokens that
    /// are not special: text and model may write them. The result depends on nothing but the arguments.
    ///
    /// # Errors
    /// [`TokenizerError::Train`] when `vocab_size` leaves no room for bytes, or a tag is empty or repeated.
    pub fn train_tiny(
        corpus: impl Iterator<Item = String>,
        vocab_size: usize,
        tags: &[&str],
    ) -> Result<Self, TokenizerError> {
        let fixed: Vec<&str> = SPECIAL.iter().chain(tags).copied().collect();
        if let Some((i, tag)) =
            fixed.iter().enumerate().find(|(i, t)| t.is_empty() || fixed[..*i].contains(t))
        {
            let what = if tag.is_empty() { "is empty" } else { "is there twice" };
            return Err(TokenizerError::Train {
                reason: format!("tag {} ({tag:?}) {what}", i - SPECIAL.len()),
            });
        }
        let least = fixed.len() + 256;
        if vocab_size < least || vocab_size > MAX_ID as usize {
            let reason = format!("vocab_size {vocab_size} is not in {least}..={MAX_ID}");
            return Err(TokenizerError::Train { reason });
        }
        let words = count_words(corpus, &fixed)?;
        let merges = learn_merges(words, vocab_size - least);
        Self::from_json(tokenizer_json(&fixed, &merges), None)
    }

    /// The text of `tokenizer.json`, as loaded or trained.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// The text of `tokenizer_config.json`, as loaded, or made to fit.
    pub fn config_json(&self) -> &str {
        &self.config_json
    }

    /// The text of a `generation_config.json`: which tokens begin, end and pad.
    pub fn generation_config_json(&self) -> String {
        let value = json!({
            "bos_token_id": self.named.endoftext,
            "do_sample": true,
            "eos_token_id": self.eos_ids(),
            "pad_token_id": self.named.endoftext,
        });
        format!("{value:#}\n")
    }

    /// One more than the largest token id. A model's embedding may have more rows.
    pub fn vocab_size(&self) -> usize {
        self.bytes.len()
    }

    /// Ids of the tokens with a meaning of their own.
    pub fn special_tokens(&self) -> &SpecialTokens {
        &self.named
    }

    /// Id of a token by its exact content; for tokens with characters outside printable ASCII the content is
    /// in the byte-level spelling.
    pub fn token_id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// Ids that end a turn: `<|im_end|>` and `<|endoftext|>`.
    pub fn eos_ids(&self) -> [u32; 2] {
        [self.named.im_end, self.named.endoftext]
    }

    /// Special tokens that only the program may write: all but [`Self::eos_ids`], ascending.
    pub fn special_ids(&self) -> Vec<u32> {
        let eos = self.eos_ids();
        self.specials.keys().copied().filter(|id| !eos.contains(id)).collect()
    }

    /// Ids below `rows` (of a model's output) that sampling must never produce: [`Self::special_ids`] and
    /// rows that no token has. Ascending.
    pub fn never_sampled(&self, rows: usize) -> Vec<u32> {
        let special = self.special_ids();
        (0..rows as u32).filter(|id| special.contains(id) || self.token_bytes(*id).is_err()).collect()
    }

    /// Encodes text from outside: special tokens written in it are encoded as the characters they are.
    ///
    /// # Errors
    /// [`TokenizerError::Encode`], and [`TokenizerError::SpecialInText`] for a tokenizer whose merges alone
    /// produce a special token.
    pub fn encode_plain(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        if text.is_empty() {
            return Ok(Vec::new());
        }
        let encoded = self
            .inner
            .encode_fast(text, false)
            .map_err(|e| TokenizerError::Encode { reason: e.to_string() })?;
        let ids = encoded.get_ids().to_vec();
        match ids.iter().find_map(|id| self.specials.get(id)) {
            Some(token) => Err(TokenizerError::SpecialInText { token: token.clone() }),
            None => Ok(ids),
        }
    }

    /// Encodes text the program wrote: special tokens in it become their ids.
    ///
    /// # Errors
    /// As [`Self::encode_plain`].
    pub fn encode_template(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        let mut ids = Vec::new();
        for part in self.finder.split(text) {
            match part {
                Part::Text(text) => ids.extend(self.encode_plain(text)?),
                Part::Token(id) => ids.push(id),
            }
        }
        Ok(ids)
    }

    /// Encodes pieces of a conversation.
    ///
    /// Template and user text between two special tokens is encoded together, as it would be in the rendered
    /// conversation, so the ids are those of `transformers` for text without special tokens in it. What the
    /// assistant wrote is encoded by itself, because when it is sampled it starts on a token of its own.
    ///
    /// # Errors
    /// As [`Self::encode_plain`].
    pub fn encode_pieces(&self, pieces: &[Piece]) -> Result<Vec<Chunk>, TokenizerError> {
        let mut chunks = Chunks::default();
        for piece in pieces {
            match piece {
                Piece::Template(text) => {
                    for part in self.finder.split(text) {
                        match part {
                            Part::Text(text) => chunks.text.push_str(text),
                            Part::Token(id) => {
                                chunks.flush_text(self)?;
                                chunks.given().push(id);
                            }
                        }
                    }
                }
                Piece::User(text) => chunks.text.push_str(text),
                Piece::Image => {
                    chunks.flush_text(self)?;
                    chunks.done.push(Chunk::Image);
                }
                Piece::Assistant(text) => {
                    chunks.flush_text(self)?;
                    chunks.assistant().extend(self.encode_plain(text)?);
                }
                Piece::EndOfTurn => {
                    chunks.flush_text(self)?;
                    chunks.assistant().push(self.named.im_end);
                }
            }
        }
        chunks.flush_text(self)?;
        Ok(chunks.done)
    }

    /// Bytes of one token; not always UTF-8 by themselves. Special tokens give their name.
    ///
    /// # Errors
    /// [`TokenizerError::UnknownId`].
    pub fn token_bytes(&self, id: u32) -> Result<&[u8], TokenizerError> {
        self.bytes.get(id as usize).and_then(|b| b.as_deref()).ok_or(TokenizerError::UnknownId { id })
    }

    /// Text of tokens, special ones included. Bytes that are no UTF-8 become U+FFFD.
    ///
    /// # Errors
    /// [`TokenizerError::UnknownId`].
    pub fn decode(&self, ids: &[u32]) -> Result<String, TokenizerError> {
        let mut bytes = Vec::new();
        for &id in ids {
            bytes.extend_from_slice(self.token_bytes(id)?);
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Text of tokens, as [`Self::decode`], and the part of it that each token covers.
    ///
    /// # Errors
    /// [`TokenizerError::UnknownId`].
    pub fn decode_spans(&self, ids: &[u32]) -> Result<Decoded, TokenizerError> {
        let mut bytes = Vec::new();
        let mut ends = Vec::with_capacity(ids.len());
        for &id in ids {
            bytes.extend_from_slice(self.token_bytes(id)?);
            ends.push(bytes.len());
        }
        // For every byte, the start and end in the text of the character it belongs to.
        let mut places: Vec<Range<usize>> = Vec::with_capacity(bytes.len());
        let mut text = String::with_capacity(bytes.len());
        for chunk in bytes.utf8_chunks() {
            for c in chunk.valid().chars() {
                let start = text.len();
                text.push(c);
                places.extend((0..c.len_utf8()).map(|_| start..text.len()));
            }
            if !chunk.invalid().is_empty() {
                let start = text.len();
                text.push(char::REPLACEMENT_CHARACTER);
                places.extend(chunk.invalid().iter().map(|_| start..text.len()));
            }
        }
        let mut start = 0;
        let spans = ends.into_iter().map(|end| {
            let span = match places.get(start..end) {
                Some([first, .., last]) => first.start..last.end,
                Some([only]) => only.clone(),
                // A token without bytes covers nothing, at its place.
                _ => {
                    let at = places.get(start).map_or(text.len(), |p| p.start);
                    at..at
                }
            };
            start = end;
            span
        });
        let spans = spans.collect();
        Ok(Decoded { text, spans })
    }
}

/// Chunks being put together, and the text not yet encoded.
#[derive(Default)]
struct Chunks {
    done: Vec<Chunk>,
    text: String,
}

impl Chunks {
    fn flush_text(&mut self, tokenizer: &Tokenizer) -> Result<(), TokenizerError> {
        if !self.text.is_empty() {
            let ids = tokenizer.encode_plain(&std::mem::take(&mut self.text))?;
            self.given().extend(ids);
        }
        Ok(())
    }

    /// The last chunk, after starting one of given text where it is not.
    fn given(&mut self) -> &mut Vec<u32> {
        if !matches!(self.done.last(), Some(Chunk::Given(_))) {
            self.done.push(Chunk::Given(Vec::new()));
        }
        self.last_ids()
    }

    fn assistant(&mut self) -> &mut Vec<u32> {
        if !matches!(self.done.last(), Some(Chunk::Assistant(_))) {
            self.done.push(Chunk::Assistant(Vec::new()));
        }
        self.last_ids()
    }

    fn last_ids(&mut self) -> &mut Vec<u32> {
        match self.done.last_mut() {
            Some(Chunk::Given(ids) | Chunk::Assistant(ids)) => ids,
            _ => unreachable!("both callers just made sure of it"),
        }
    }
}

fn damaged(reason: String) -> TokenizerError {
    TokenizerError::Damaged { reason }
}

fn read_text(path: &Path) -> Result<String, TokenizerError> {
    let text = plain_file::read_text(path, MAX_FILE);
    let text = text.map_err(|source| TokenizerError::Io { path: path.to_path_buf(), source })?;
    text.ok_or_else(|| TokenizerError::TooLarge { path: path.to_path_buf(), most: MAX_FILE })
}

/// Refuses tokenizers that would not round-trip, are not repeatable, or add text of their own.
fn check_kind(value: &Value) -> Result<(), TokenizerError> {
    let refuse = |field: &str, reason: &str| {
        Err(TokenizerError::Unsupported { field: field.to_string(), reason: reason.to_string() })
    };
    if value["model"]["type"] != "BPE" {
        return refuse("model.type", "must be BPE");
    }
    if !value["model"]["dropout"].is_null() {
        return refuse("model.dropout", "must be null: encoding has to be repeatable");
    }
    for key in ["continuing_subword_prefix", "end_of_word_suffix"] {
        let prefix = &value["model"][key];
        if !prefix.is_null() && prefix != "" {
            return refuse(
                &format!("model.{key}"),
                "must be empty: tokens are bytes of the text and nothing else",
            );
        }
    }
    if value["decoder"]["type"] != "ByteLevel" {
        return refuse("decoder.type", "must be ByteLevel");
    }
    let normalizer = &value["normalizer"];
    let steps = normalizer["normalizers"].as_array();
    let steps = steps.map_or(std::slice::from_ref(normalizer), Vec::as_slice);
    if !steps.iter().all(|step| step.is_null() || step["type"] == "NFC") {
        return refuse("normalizer", "must be null or NFC: any other would change the text");
    }
    let before = &value["pre_tokenizer"];
    let steps = before["pretokenizers"].as_array().map_or(std::slice::from_ref(before), Vec::as_slice);
    for (i, step) in steps.iter().enumerate() {
        let field = format!("pre_tokenizer.pretokenizers[{i}]");
        match step["type"].as_str() {
            Some("ByteLevel" | "Digits") => {}
            Some("Split") if step["behavior"] == "Removed" => {
                return refuse(&field, "must keep the text that it splits at");
            }
            Some("Split") => {
                if let Some(pattern) = step["pattern"]["Regex"].as_str() {
                    check_pattern(pattern).or_else(|reason| refuse(&format!("{field}.pattern"), &reason))?;
                }
            }
            _ => return refuse(&field, "must be Split, Digits or ByteLevel"),
        }
    }
    match steps.iter().find(|step| step["type"] == "ByteLevel") {
        None => refuse("pre_tokenizer", "must include ByteLevel"),
        Some(step) if step["add_prefix_space"] == true => {
            refuse("pre_tokenizer.add_prefix_space", "must be false: it would change the text")
        }
        Some(_) => Ok(()),
    }
}

/// One added token of `tokenizer.json`.
struct Added {
    id: u32,
    content: String,
    special: bool,
}

fn read_added(value: &Value) -> Result<Vec<Added>, TokenizerError> {
    let list = value["added_tokens"].as_array().ok_or_else(|| damaged("`added_tokens` is missing".into()))?;
    let mut added: Vec<Added> = Vec::new();
    let mut ids = BTreeSet::new();
    let mut specials = 0;
    for (i, token) in list.iter().enumerate() {
        let bad = |what: &str| damaged(format!("`added_tokens[{i}]` {what}"));
        let id =
            token["id"].as_u64().and_then(|id| u32::try_from(id).ok()).ok_or_else(|| bad("has no id"))?;
        let content =
            token["content"].as_str().filter(|c| !c.is_empty()).ok_or_else(|| bad("has no content"))?;
        let special = token["special"] == true;
        // Special tokens are found by their exact content here.
        if special && ["lstrip", "rstrip", "single_word"].iter().any(|key| token[key] == true) {
            let field = format!("added_tokens[{i}]");
            let reason = "is special and strips or needs the space around it".to_string();
            return Err(TokenizerError::Unsupported { field, reason });
        }
        specials += usize::from(special);
        if specials > MAX_SPECIAL || (special && content.len() > MAX_SPECIAL_LEN) {
            return Err(bad(&format!(
                "is special; at most {MAX_SPECIAL} tokens of up to {MAX_SPECIAL_LEN} bytes can be"
            )));
        }
        if !ids.insert(id) {
            return Err(bad("has the id of another added token"));
        }
        added.push(Added { id, content: content.to_string(), special });
    }
    Ok(added)
}

fn name_specials(specials: &BTreeMap<u32, String>) -> Result<SpecialTokens, TokenizerError> {
    let find = |token: &str| {
        let found = specials.iter().find(|(_, content)| *content == token);
        found.map(|(&id, _)| id).ok_or_else(|| TokenizerError::MissingSpecial { token: token.to_string() })
    };
    Ok(SpecialTokens {
        endoftext: find("<|endoftext|>")?,
        im_start: find("<|im_start|>")?,
        im_end: find("<|im_end|>")?,
        vision_start: find("<|vision_start|>")?,
        vision_end: find("<|vision_end|>")?,
        image_pad: find("<|image_pad|>")?,
        video_pad: find("<|video_pad|>")?,
    })
}

/// Bytes of every token by id. Checks that each byte has a token, so that any text can be encoded.
fn byte_table(
    inner: &tokenizers::Tokenizer,
    added: &[Added],
) -> Result<Vec<Option<Box<[u8]>>>, TokenizerError> {
    let chars = byte_chars();
    let byte_of: BTreeMap<char, u8> = (0..=255u8).map(|b| (chars[b as usize], b)).collect();
    let mut tokens: Vec<(u32, String)> = inner.get_vocab(false).into_iter().map(|(s, id)| (id, s)).collect();
    tokens.sort();
    let most = tokens.iter().map(|(id, _)| *id).chain(added.iter().map(|t| t.id)).max().unwrap_or(0);
    if most >= MAX_ID {
        return Err(damaged(format!("a token has the id {most}; ids must be below {MAX_ID}")));
    }
    let mut table: Vec<Option<Box<[u8]>>> = vec![None; most as usize + 1];
    let mut bytes_seen = BTreeSet::new();
    for (id, token) in tokens {
        let mapped: Option<Vec<u8>> = token.chars().map(|c| byte_of.get(&c).copied()).collect();
        // The decoder takes a token with characters outside the byte alphabet as it is.
        let bytes = mapped.unwrap_or_else(|| token.into_bytes());
        if let [byte] = bytes.as_slice() {
            bytes_seen.insert(*byte);
        }
        let slot = &mut table[id as usize];
        if slot.is_some() {
            return Err(damaged(format!("two tokens of the vocabulary have the id {id}")));
        }
        *slot = Some(bytes.into());
    }
    if let Some(byte) = (0..=255u8).find(|b| !bytes_seen.contains(b)) {
        return Err(damaged(format!(
            "no token stands for the byte {byte:#04x}, so some text has no encoding"
        )));
    }
    for token in added {
        if inner.token_to_id(&token.content) != Some(token.id) {
            return Err(damaged(format!(
                "the added token {:?} does not have its id {}",
                token.content, token.id
            )));
        }
        let slot = &mut table[token.id as usize];
        if slot.as_ref().is_some_and(|bytes| **bytes != *token.content.as_bytes()) {
            let (id, content) = (token.id, &token.content);
            return Err(damaged(format!("the vocabulary has another token for the id {id} of {content:?}")));
        }
        *slot = Some(token.content.as_bytes().into());
    }
    Ok(table)
}

/// The character that stands for each byte in a byte-level vocabulary: itself where it is printable, else the
/// next one from U+0100.
pub(super) fn byte_chars() -> [char; 256] {
    let mut chars = ['\0'; 256];
    let mut next = 0x100u32;
    for (byte, slot) in (0u8..=255).zip(chars.iter_mut()) {
        *slot = match byte {
            b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF => char::from(byte),
            _ => {
                let c = char::from_u32(next).unwrap_or(char::REPLACEMENT_CHARACTER);
                next += 1;
                c
            }
        };
    }
    chars
}

/// A stretch of text, or a token found in it.
pub(super) enum Part<'a> {
    Text(&'a str),
    Token(u32),
}

/// Finds tokens in text: the first from the left, the longest where several start together.
#[derive(Clone, Debug)]
pub(super) struct Finder {
    /// Longest first.
    tokens: Vec<(String, u32)>,
    /// Which bytes start a token.
    starts: [bool; 256],
}

impl Finder {
    pub(super) fn new(tokens: impl Iterator<Item = (String, u32)>) -> Self {
        let mut tokens: Vec<_> = tokens.collect();
        tokens.sort_by_key(|(content, _)| std::cmp::Reverse(content.len()));
        let mut starts = [false; 256];
        for (content, _) in &tokens {
            if let Some(&byte) = content.as_bytes().first() {
                starts[byte as usize] = true;
            }
        }
        Self { tokens, starts }
    }

    pub(super) fn split<'a>(&self, text: &'a str) -> Vec<Part<'a>> {
        let mut parts = Vec::new();
        let (mut taken, mut at) = (0, 0);
        while at < text.len() {
            let found = match self.starts[text.as_bytes()[at] as usize] {
                // On bytes, because `at` may be inside a character; a match starts on one nevertheless.
                true => self.tokens.iter().find(|(t, _)| text.as_bytes()[at..].starts_with(t.as_bytes())),
                false => None,
            };
            let Some((content, id)) = found else {
                at += 1;
                continue;
            };
            if taken < at {
                parts.push(Part::Text(&text[taken..at]));
            }
            parts.push(Part::Token(*id));
            at += content.len();
            taken = at;
        }
        if taken < text.len() {
            parts.push(Part::Text(&text[taken..]));
        }
        parts
    }
}

/// The text of a `tokenizer_config.json` with which `transformers` uses `tokenizer.json` as it is.
fn config_json_for(added: &[Added]) -> String {
    let mut decoder = serde_json::Map::new();
    for token in added {
        let entry = json!({
            "content": token.content, "lstrip": false, "normalized": false, "rstrip": false,
            "single_word": false, "special": token.special,
        });
        decoder.insert(token.id.to_string(), entry);
    }
    let special: Vec<&str> = added.iter().filter(|t| t.special).map(|t| t.content.as_str()).collect();
    let value = json!({
        "added_tokens_decoder": decoder,
        "additional_special_tokens": special,
        "bos_token": null,
        "clean_up_tokenization_spaces": false,
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "processor_class": "Qwen2_5_VLProcessor",
        "split_special_tokens": false,
        // The class of the architecture puts its own word pattern in place of the file's.
        "tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": null,
    });
    format!("{value:#}\n")
}
