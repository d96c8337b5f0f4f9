//! Training a small byte-level BPE tokenizer.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer, SplitDelimiterBehavior};

use super::tokenizer::{Finder, Part, TokenizerError, byte_chars};

/// How text is cut into words before byte pairs are merged, for tokenizers trained here. Up to four digits
/// stay together, with the space before them, so that a whole small number can be one token.
const WORDS: &str = r"[^\r\n\p{L}\p{N}]?\p{L}+| ?\p{N}{1,4}| ?[^\s\p{L}\p{N}]+|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Special tokens of a tokenizer trained here; the index is the id.
pub(super) const SPECIAL: [&str; 8] = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
];

/// How often each word occurs, as bytes. Fixed tokens in the text are no part of words.
pub(super) fn count_words(
    corpus: impl Iterator<Item = String>,
    fixed: &[&str],
) -> Result<BTreeMap<Vec<u8>, u64>, TokenizerError> {
    let failed = |e: tokenizers::Error| TokenizerError::Train { reason: e.to_string() };
    let pattern = SplitPattern::Regex(WORDS.to_string());
    let splitter = Split::new(pattern, SplitDelimiterBehavior::Isolated, false).map_err(failed)?;
    let finder = Finder::new(fixed.iter().map(|t| (t.to_string(), 0)));
    let mut words: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
    for text in corpus {
        for part in finder.split(&text) {
            let Part::Text(part) = part else { continue };
            let mut pieces = PreTokenizedString::from(part);
            splitter.pre_tokenize(&mut pieces).map_err(failed)?;
            for (word, _, _) in pieces.get_splits(OffsetReferential::Original, OffsetType::Byte) {
                *words.entry(word.as_bytes().to_vec()).or_default() += 1;
            }
        }
    }
    Ok(words)
}

/// Byte pair encoding: merges the most frequent pair of neighbours (the lowest ids among equals) until there
/// are `room` new tokens or no pair occurs twice. Gives the two halves of each merge in order.
///
/// Written here because the `tokenizers` trainer breaks ties in the order of its hash tables.
pub(super) fn learn_merges(words: BTreeMap<Vec<u8>, u64>, room: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut symbols: Vec<Vec<u8>> = (0..=255u8).map(|b| vec![b]).collect();
    let mut id_of: BTreeMap<Vec<u8>, usize> = symbols.iter().cloned().zip(0..).collect();
    let mut words: Vec<(Vec<usize>, u64)> =
        words.into_iter().map(|(word, n)| (word.into_iter().map(usize::from).collect(), n)).collect();
    let mut pairs = Pairs::default();
    for (i, (word, n)) in words.iter().enumerate() {
        pairs.add(i, word, *n);
    }

    let mut merges = Vec::new();
    while symbols.len() < 256 + room {
        let Some((left, right)) = pairs.most_frequent() else { break };
        let (a, b) = (symbols[left].clone(), symbols[right].clone());
        let merged = [a.as_slice(), b.as_slice()].concat();
        // Two pairs can spell the same token; it keeps one id.
        let id = *id_of.entry(merged.clone()).or_insert_with(|| {
            symbols.push(merged);
            symbols.len() - 1
        });
        merges.push((a, b));
        for i in pairs.words_with((left, right)) {
            let (word, n) = &mut words[i];
            pairs.remove(i, word, *n);
            *word = merge(word, (left, right), id);
            pairs.add(i, word, *n);
        }
    }
    merges
}

fn merge(word: &[usize], pair: (usize, usize), id: usize) -> Vec<usize> {
    let mut merged = Vec::with_capacity(word.len());
    let mut at = 0;
    while at < word.len() {
        if word[at..].starts_with(&[pair.0, pair.1]) {
            merged.push(id);
            at += 2;
        } else {
            merged.push(word[at]);
            at += 1;
        }
    }
    merged
}

/// How often each pair of neighbours occurs, and in which words.
#[derive(Default)]
struct Pairs(BTreeMap<(usize, usize), (u64, BTreeMap<usize, usize>)>);

impl Pairs {
    fn add(&mut self, index: usize, word: &[usize], n: u64) {
        for w in word.windows(2) {
            let (count, places) = self.0.entry((w[0], w[1])).or_default();
            *count += n;
            *places.entry(index).or_default() += 1;
        }
    }

    fn remove(&mut self, index: usize, word: &[usize], n: u64) {
        for w in word.windows(2) {
            let key = (w[0], w[1]);
            let Some((count, places)) = self.0.get_mut(&key) else { continue };
            *count = count.saturating_sub(n);
            if let Some(times) = places.get_mut(&index) {
                *times -= 1;
                if *times == 0 {
                    places.remove(&index);
                }
            }
            if places.is_empty() {
                self.0.remove(&key);
            }
        }
    }

    /// The first of the most frequent pairs, if it occurs at least twice.
    fn most_frequent(&self) -> Option<(usize, usize)> {
        let mut best = None;
        let mut most = 1;
        for (&pair, (count, _)) in &self.0 {
            if *count > most {
                (best, most) = (Some(pair), *count);
            }
        }
        best
    }

    fn words_with(&self, pair: (usize, usize)) -> Vec<usize> {
        self.0.get(&pair).map_or(Vec::new(), |(_, places)| places.keys().copied().collect())
    }
}

/// The text of `tokenizer.json` for `fixed` tokens, the bytes and `merges`.
pub(super) fn tokenizer_json(fixed: &[&str], merges: &[(Vec<u8>, Vec<u8>)]) -> String {
    let chars = byte_chars();
    let spell = |bytes: &[u8]| bytes.iter().map(|&b| chars[b as usize]).collect::<String>();
    let mut vocab = serde_json::Map::new();
    let mut add = |token: String| {
        let next = vocab.len();
        vocab.entry(token).or_insert_with(|| json!(next));
    };
    fixed.iter().for_each(|token| add(token.to_string()));
    (0..=255u8).for_each(|b| add(spell(&[b])));
    merges.iter().for_each(|(a, b)| add(spell(&[a.as_slice(), b].concat())));
    let merges: Vec<String> = merges.iter().map(|(a, b)| format!("{} {}", spell(a), spell(b))).collect();

    let added: Vec<Value> = (0..).zip(fixed).map(|(id, content)| added_json(id, content)).collect();
    let byte_level =
        json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false});
    let value = json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added,
        "normalizer": null,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": WORDS}, "behavior": "Isolated", "invert": false},
            byte_level,
        ]},
        "post_processor": byte_level,
        "decoder": byte_level,
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
            "vocab": vocab,
            "merges": merges,
        },
    });
    format!("{value:#}\n")
}

fn added_json(id: u32, content: &str) -> Value {
    let special = SPECIAL.contains(&content);
    json!({
        "id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": false, "special": special,
    })
}
