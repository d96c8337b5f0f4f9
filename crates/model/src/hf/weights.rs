//! Weights on disk: `model.safetensors`, or shards with `model.safetensors.index.json`.
//!
//! [`Checkpoint::open`] reads the headers only and checks every name, shape and byte range against the
//! model's list, so nothing is allocated for a damaged file. [`Checkpoint::read`] then brings one tensor at
//! a time as f32 and refuses values that are not finite. [`write_weights`] writes f32 or bf16, the same
//! bytes for the same weights.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use eyas_core::Unique;
use half::{bf16, f16};
use rayon::prelude::*;
use serde::Deserialize;
use serde::de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Value, json};

use super::foreign::other_formats;
use crate::plain_file::{open_plain, read_text};

/// The single-file name.
pub const WEIGHTS_FILE: &str = "model.safetensors";
/// The index of a sharded checkpoint.
pub const INDEX_FILE: &str = "model.safetensors.index.json";
/// The format's own bound on a header.
const MAX_HEADER: u64 = 100_000_000;
/// Bound on the index, far above that of the largest released models.
const MAX_INDEX: u64 = 64 << 20;
/// Bytes before the header: its length.
const PREFIX: u64 = 8;
const HEAD: &str = "lm_head.weight";
const EMBEDDING: &str = "model.embed_tokens.weight";

/// Why weights could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// The file system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The folder has neither form of weights.
    #[error("{folder}: neither model.safetensors nor model.safetensors.index.json{hint}")]
    NoWeights {
        /// The folder.
        folder: PathBuf,
        /// What to do about it, or nothing.
        hint: String,
    },
    /// A safetensors file is damaged.
    #[error("{file}: {reason}")]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// An entry of a safetensors header is damaged.
    #[error("{file}: tensor `{tensor}`: {reason}")]
    BadTensor {
        /// The file.
        file: PathBuf,
        /// The tensor.
        tensor: String,
        /// What is wrong.
        reason: String,
    },
    /// The index of a sharded checkpoint is damaged.
    #[error("{file}: {reason}")]
    Index {
        /// The index file.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A tensor occurs twice, in two files or under two spellings of its name.
    #[error("tensor `{tensor}` is in both {first} and {second}")]
    Duplicate {
        /// The tensor, in the canonical spelling.
        tensor: String,
        /// Where it was first seen: file and name.
        first: String,
        /// Where it was seen again.
        second: String,
    },
    /// The model needs tensors that the checkpoint lacks.
    #[error("the checkpoint lacks {count} of the model's tensors: {names}")]
    Missing {
        /// How many.
        count: usize,
        /// The first few names.
        names: String,
    },
    /// The checkpoint holds tensors that the model has no place for.
    #[error("the checkpoint holds {count} tensors that the model does not have: {names}")]
    Unexpected {
        /// How many.
        count: usize,
        /// The first few names.
        names: String,
    },
    /// A tensor has another shape than the configuration says.
    #[error("tensor `{tensor}` has shape {found:?}, config.json says {expected:?}")]
    Shape {
        /// The tensor.
        tensor: String,
        /// The checkpoint's shape.
        found: Vec<usize>,
        /// The configuration's shape.
        expected: Vec<usize>,
    },
    /// A weight is NaN or infinite.
    #[error("tensor `{tensor}` holds {value} at element {index}")]
    NotFinite {
        /// The tensor.
        tensor: String,
        /// Index into the row-major data.
        index: usize,
        /// The value found.
        value: f32,
    },
    /// The configuration ties the embeddings, but the checkpoint has two different ones.
    #[error(
        "config.json ties the embeddings, but lm_head.weight is not model.embed_tokens.weight; \
         if they should differ, set `tie_word_embeddings` to false"
    )]
    NotTied,
    /// The model has no tensor of that name.
    #[error("no tensor is called `{tensor}`")]
    Unknown {
        /// The name asked for.
        tensor: String,
    },
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> WeightsError {
    move |source| WeightsError::Io { path: path.to_path_buf(), source }
}

/// How weights are stored when written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WeightDtype {
    /// 32-bit floats: exact.
    F32,
    /// bfloat16, rounded to nearest, ties to even.
    Bf16,
}

impl WeightDtype {
    /// The name in `config.json`.
    pub fn config_name(self) -> &'static str {
        match self {
            Self::F32 => "float32",
            Self::Bf16 => "bfloat16",
        }
    }

    fn stored(self) -> Stored {
        match self {
            Self::F32 => Stored::F32,
            Self::Bf16 => Stored::Bf16,
        }
    }
}

/// Element types that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stored {
    F32,
    F16,
    Bf16,
}

impl Stored {
    fn parse(name: &str) -> Option<Self> {
        match name {
            "F32" => Some(Self::F32),
            "F16" => Some(Self::F16),
            "BF16" => Some(Self::Bf16),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
        }
    }

    fn bytes(self) -> u64 {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    /// `bytes` as f32, in parallel.
    fn to_f32(self, bytes: &[u8]) -> Vec<f32> {
        let pair = |b: &[u8]| u16::from_le_bytes([b[0], b[1]]);
        match self {
            Self::F32 => {
                bytes.par_chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
            }
            Self::F16 => bytes.par_chunks_exact(2).map(|b| f16::from_bits(pair(b)).to_f32()).collect(),
            Self::Bf16 => bytes.par_chunks_exact(2).map(|b| bf16::from_bits(pair(b)).to_f32()).collect(),
        }
    }
}

/// The spelling of released checkpoints for a tensor name in any known spelling.
///
/// `model.language_model.*` becomes `model.*`, and `model.visual.*` becomes `visual.*`; the rest is kept.
pub fn canonical_name(name: &str) -> String {
    if let Some(rest) = name.strip_prefix("model.language_model.") {
        format!("model.{rest}")
    } else if let Some(rest) = name.strip_prefix("model.visual.") {
        format!("visual.{rest}")
    } else {
        name.to_string()
    }
}

/// Where a tensor's bytes are.
#[derive(Clone, Debug)]
struct Entry {
    file: PathBuf,
    /// The name in that file.
    name: String,
    stored: Stored,
    shape: Vec<usize>,
    /// First byte, from the start of the file.
    start: u64,
    bytes: u64,
}

impl Entry {
    fn place(&self) -> String {
        format!("{} (as `{}`)", self.file.display(), self.name)
    }
}

/// A checkpoint whose headers were read and agree with the model's list of tensors.
///
/// Names are those of the list, whichever spelling the files use.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    entries: BTreeMap<String, Entry>,
}

impl Checkpoint {
    /// Opens the weights in `folder` for a model that has exactly the tensors in `shapes` (see
    /// [`Qwen25VlConfig::tensor_shapes`](super::Qwen25VlConfig::tensor_shapes)).
    ///
    /// Tensors that carry no information of their own are passed over: rotary `inv_freq` buffers, and
    /// `lm_head.weight` where `shapes` has none (tied embeddings) and it equals the embedding.
    ///
    /// # Errors
    /// [`WeightsError`] when files are absent or damaged, or names and shapes differ from `shapes`.
    pub fn open(folder: &Path, shapes: &[(String, Vec<usize>)]) -> Result<Self, WeightsError> {
        let single = folder.join(WEIGHTS_FILE);
        let index = folder.join(INDEX_FILE);
        let found = if single.exists() {
            collect(read_header(&single)?)?
        } else if index.exists() {
            read_sharded(folder, &index)?
        } else {
            return Err(WeightsError::NoWeights { folder: folder.into(), hint: other_formats(folder) });
        };
        let head = found.get(HEAD).cloned();
        let entries = match_shapes(found, shapes)?;
        if let (Some(head), false) = (head, entries.contains_key(HEAD)) {
            check_tied(&head, entries.get(EMBEDDING))?;
        }
        Ok(Self { entries })
    }

    /// Names of the tensors, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// Shape of a tensor.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.entries.get(name).map(|e| e.shape.as_slice())
    }

    /// The types in which the tensors are stored (`F32`, `F16`, `BF16`), each once.
    pub fn dtypes(&self) -> BTreeSet<&'static str> {
        self.entries.values().map(|e| e.stored.name()).collect()
    }

    /// Reads one tensor as row-major f32.
    ///
    /// # Errors
    /// [`WeightsError::Unknown`], [`WeightsError::Io`], and [`WeightsError::NotFinite`] for NaN or infinity.
    pub fn read(&self, name: &str) -> Result<Vec<f32>, WeightsError> {
        let entry = self.entries.get(name).ok_or_else(|| WeightsError::Unknown { tensor: name.into() })?;
        let error = |source| WeightsError::Io { path: entry.file.clone(), source };
        let mut file = open_plain(&entry.file).map_err(error)?;
        file.seek(SeekFrom::Start(entry.start)).map_err(error)?;
        // The range was checked against the file's length when the header was read; a file with holes can be
        // longer than the memory nevertheless.
        let mut bytes = Vec::new();
        let len = usize::try_from(entry.bytes).unwrap_or(usize::MAX);
        bytes.try_reserve_exact(len).map_err(|_| error(io::ErrorKind::OutOfMemory.into()))?;
        bytes.resize(len, 0);
        file.read_exact(&mut bytes).map_err(error)?;
        let data = entry.stored.to_f32(&bytes);
        check_finite(name, &data)?;
        Ok(data)
    }

    /// Reads every tensor. For a large model prefer [`Self::read`], one at a time.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_all(&self) -> Result<BTreeMap<String, Vec<f32>>, WeightsError> {
        self.entries.keys().map(|name| Ok((name.clone(), self.read(name)?))).collect()
    }
}

fn check_finite(name: &str, data: &[f32]) -> Result<(), WeightsError> {
    match data.par_iter().position_first(|x| !x.is_finite()) {
        Some(index) => Err(WeightsError::NotFinite { tensor: name.into(), index, value: data[index] }),
        None => Ok(()),
    }
}

/// One header entry as the format spells it.
#[derive(Deserialize)]
struct RawEntry {
    dtype: String,
    shape: Shape,
    data_offsets: [u64; 2],
}

/// A header: its entries by name, without the metadata.
struct Header(BTreeMap<String, RawEntry>);

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Header(BTreeMap::new()))
    }
}

impl<'de> Visitor<'de> for Header {
    type Value = Self;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object with an entry for each tensor")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self, A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            if name == "__metadata__" {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let shown: String = name.chars().take(200).collect();
            if self.0.contains_key(&name) {
                return Err(A::Error::custom(format!("tensor `{shown}` is there twice")));
            }
            let entry = map.next_value().map_err(|e| A::Error::custom(format!("tensor `{shown}`: {e}")))?;
            self.0.insert(name, entry);
        }
        Ok(self)
    }
}

/// The sizes of a tensor. One with very many would take eight times the bytes that it has in the file.
#[derive(Default)]
struct Shape(Vec<u64>);

/// Most sizes of one tensor.
const MAX_RANK: usize = 8;

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Shape::default())
    }
}

impl<'de> Visitor<'de> for Shape {
    type Value = Self;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "at most {MAX_RANK} sizes")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut sizes: A) -> Result<Self, A::Error> {
        while let Some(size) = sizes.next_element()? {
            self.0.push(size);
            if self.0.len() > MAX_RANK {
                return Err(A::Error::invalid_length(self.0.len(), &self));
            }
        }
        Ok(self)
    }
}

/// Reads and checks the header of one file: its length, and that the tensors tile the data without gap or
/// overlap and have as many bytes as their shapes need.
fn read_header(path: &Path) -> Result<Vec<Entry>, WeightsError> {
    let damaged = |reason: String| WeightsError::Damaged { file: path.to_path_buf(), reason };
    let mut file = open_plain(path).map_err(io_error(path))?;
    let len = file.metadata().map_err(io_error(path))?.len();
    if len < PREFIX {
        return Err(damaged(format!("{len} bytes is too short for a safetensors file")));
    }
    let mut prefix = [0; PREFIX as usize];
    file.read_exact(&mut prefix).map_err(io_error(path))?;
    let header_len = u64::from_le_bytes(prefix);
    if header_len > MAX_HEADER {
        return Err(damaged(format!("a header of {header_len} bytes; at most {MAX_HEADER} are allowed")));
    }
    if header_len > len - PREFIX {
        return Err(damaged(format!(
            "the header should be {header_len} bytes, but the file has only {} more: it is cut off",
            len - PREFIX
        )));
    }
    let mut header = vec![0; header_len as usize];
    file.read_exact(&mut header).map_err(io_error(path))?;
    let header: Header = serde_json::from_slice(&header).map_err(|e| match e.is_data() {
        true => damaged(format!("the header: {e}")),
        false => damaged(format!("the header is not valid JSON: {e}")),
    })?;

    let data_start = PREFIX + header_len;
    let data_len = len - data_start;
    let mut entries = Vec::with_capacity(header.0.len());
    for (name, raw) in header.0 {
        let bad = |reason| WeightsError::BadTensor { file: path.to_path_buf(), tensor: name.clone(), reason };
        let sizes = &raw.shape.0;
        let stored = Stored::parse(&raw.dtype).ok_or_else(|| {
            bad(format!("dtype {} is not supported; store it as F32, F16 or BF16", raw.dtype))
        })?;
        let [start, end] = raw.data_offsets;
        if start > end || end > data_len {
            return Err(bad(format!("bytes {start}..{end} of {data_len}: the file is cut off or damaged")));
        }
        let needed = sizes.iter().try_fold(stored.bytes(), |n, &size| n.checked_mul(size));
        if needed != Some(end - start) {
            return Err(bad(format!(
                "shape {sizes:?} of {} does not fit its {} bytes",
                raw.dtype,
                end - start
            )));
        }
        let shape: Option<Vec<usize>> = sizes.iter().map(|&n| usize::try_from(n).ok()).collect();
        let shape = shape.ok_or_else(|| bad(format!("shape {sizes:?} is too large")))?;
        let (file, start) = (path.to_path_buf(), data_start + start);
        entries.push(Entry { file, name, stored, shape, start, bytes: end - raw.data_offsets[0] });
    }

    entries.sort_by_key(|e| (e.start, e.bytes));
    let mut expected = data_start;
    for entry in &entries {
        if entry.start != expected {
            let what = if entry.start < expected { "overlaps the tensor before it" } else { "follows a gap" };
            let (tensor, reason) = (entry.name.clone(), what.to_string());
            return Err(WeightsError::BadTensor { file: path.to_path_buf(), tensor, reason });
        }
        expected += entry.bytes;
    }
    if expected != len {
        return Err(damaged(format!("{} bytes at the end belong to no tensor", len - expected)));
    }
    Ok(entries)
}

/// Entries by canonical name.
fn collect(entries: Vec<Entry>) -> Result<BTreeMap<String, Entry>, WeightsError> {
    let mut found: BTreeMap<String, Entry> = BTreeMap::new();
    for entry in entries {
        let tensor = canonical_name(&entry.name);
        if let Some(first) = found.get(&tensor) {
            let (first, second) = (first.place(), entry.place());
            return Err(WeightsError::Duplicate { tensor, first, second });
        }
        found.insert(tensor, entry);
    }
    Ok(found)
}

/// The part of the index that matters.
#[derive(Deserialize)]
struct Index {
    weight_map: Unique<String>,
}

fn read_sharded(folder: &Path, path: &Path) -> Result<BTreeMap<String, Entry>, WeightsError> {
    let bad = |reason: String| WeightsError::Index { file: path.to_path_buf(), reason };
    let text = read_text(path, MAX_INDEX).map_err(io_error(path))?;
    let text = text.ok_or_else(|| bad(format!("more than {MAX_INDEX} bytes, too large for an index")))?;
    let index: Index = serde_json::from_str(&text).map_err(|e| bad(e.to_string()))?;
    let map = index.weight_map.0;
    let shards: BTreeSet<&String> = map.values().collect();
    let mut entries = Vec::new();
    for shard in shards {
        // A name from the file must not lead out of the folder.
        let plain = shard.ends_with(".safetensors") && !shard.contains(['/', '\\', ':', '\0']);
        if !plain {
            return Err(bad(format!("{shard:?} is not the name of a safetensors file beside the index")));
        }
        let file = folder.join(shard);
        if !file.exists() {
            return Err(bad(format!("the shard {shard} is missing from the folder; download it again")));
        }
        let tensors = read_header(&file)?;
        if let Some(stray) = tensors.iter().find(|e| !map.contains_key(&e.name)) {
            return Err(bad(format!("`{}` is in {shard} but not in the index", stray.name)));
        }
        entries.extend(tensors);
    }
    let found = collect(entries)?;
    for (tensor, shard) in &map {
        let there = found.get(&canonical_name(tensor)).is_some_and(|e| e.file == folder.join(shard));
        if !there {
            return Err(bad(format!("`{tensor}` should be in {shard}, which does not have it")));
        }
    }
    Ok(found)
}

/// Keeps the tensors the model has, after checking that they are all there and nothing else is.
fn match_shapes(
    mut found: BTreeMap<String, Entry>,
    shapes: &[(String, Vec<usize>)],
) -> Result<BTreeMap<String, Entry>, WeightsError> {
    let mut entries = BTreeMap::new();
    let mut missing = Vec::new();
    for (name, expected) in shapes {
        match found.remove(name) {
            Some(entry) if entry.shape == *expected => {
                entries.insert(name.clone(), entry);
            }
            Some(entry) => {
                let (tensor, expected) = (name.clone(), expected.clone());
                return Err(WeightsError::Shape { tensor, found: entry.shape, expected });
            }
            None => missing.push(name.as_str()),
        }
    }
    if !missing.is_empty() {
        return Err(WeightsError::Missing { count: missing.len(), names: first_few(&missing) });
    }
    let extra: Vec<&str> = found.keys().map(String::as_str).filter(|name| !ignorable(name)).collect();
    if !extra.is_empty() {
        return Err(WeightsError::Unexpected { count: extra.len(), names: first_few(&extra) });
    }
    Ok(entries)
}

/// A tied model may still have the output matrix in its files, as a copy. Were it another matrix, readers
/// would disagree about which one the model uses.
fn check_tied(head: &Entry, embedding: Option<&Entry>) -> Result<(), WeightsError> {
    let Some(embedding) = embedding else { return Ok(()) };
    if (&head.shape, head.stored) != (&embedding.shape, embedding.stored) {
        return Err(WeightsError::NotTied);
    }
    let open = |entry: &Entry| -> io::Result<io::Take<File>> {
        let mut file = File::open(&entry.file)?;
        file.seek(SeekFrom::Start(entry.start))?;
        Ok(file.take(entry.bytes))
    };
    let mut a = open(head).map_err(io_error(&head.file))?;
    let mut b = open(embedding).map_err(io_error(&embedding.file))?;
    let (mut x, mut y) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    let mut left = head.bytes;
    while left > 0 {
        let n = left.min(x.len() as u64) as usize;
        a.read_exact(&mut x[..n]).map_err(io_error(&head.file))?;
        b.read_exact(&mut y[..n]).map_err(io_error(&embedding.file))?;
        if x[..n] != y[..n] {
            return Err(WeightsError::NotTied);
        }
        left -= n as u64;
    }
    Ok(())
}

/// Only asked about tensors the model has no place for, so an `lm_head` here is a copy of the embedding.
fn ignorable(name: &str) -> bool {
    name == HEAD || name.ends_with("rotary_emb.inv_freq") || name.ends_with("rotary_pos_emb.inv_freq")
}

fn first_few(names: &[&str]) -> String {
    const MOST: usize = 5;
    let shown = names[..names.len().min(MOST)].join(", ");
    if names.len() > MOST { format!("{shown}, …") } else { shown }
}

/// One tensor to write.
#[derive(Clone, Copy, Debug)]
pub struct WeightRef<'a> {
    /// Its name, in the canonical spelling.
    pub name: &'a str,
    /// Its shape.
    pub shape: &'a [usize],
    /// Row-major values, as many as the shape's product.
    pub data: &'a [f32],
}

/// Writes weights into `folder` as one file, or as shards with an index when they take more than
/// `max_shard_bytes` (a tensor larger than that gets a shard of its own).
///
/// Each file is written under a temporary name, flushed to the disk and renamed, the index last, so a reader
/// never sees half a file. Equal weights give equal bytes. The folder should hold no other weights.
///
/// # Errors
/// [`WeightsError::NotFinite`] for a weight that is (or rounds to) NaN or infinity,
/// [`WeightsError::BadTensor`] for data that does not fit its shape, [`WeightsError::Duplicate`] and
/// [`WeightsError::Io`].
pub fn write_weights(
    folder: &Path,
    weights: &[WeightRef<'_>],
    dtype: WeightDtype,
    max_shard_bytes: u64,
) -> Result<(), WeightsError> {
    let mut sorted = weights.to_vec();
    sorted.sort_by_key(|w| w.name);
    check_writable(folder, &sorted, dtype)?;

    let size = |w: &WeightRef<'_>| w.data.len() as u64 * dtype.stored().bytes();
    let mut shards: Vec<Vec<WeightRef<'_>>> = vec![Vec::new()];
    let mut filled = 0;
    for weight in &sorted {
        if filled > 0 && filled + size(weight) > max_shard_bytes {
            shards.push(Vec::new());
            filled = 0;
        }
        filled += size(weight);
        if let Some(shard) = shards.last_mut() {
            shard.push(*weight);
        }
    }
    if let [only] = shards.as_slice() {
        return write_file(&folder.join(WEIGHTS_FILE), only, dtype);
    }

    let mut map = serde_json::Map::new();
    for (i, shard) in shards.iter().enumerate() {
        let name = format!("model-{:05}-of-{:05}.safetensors", i + 1, shards.len());
        write_file(&folder.join(&name), shard, dtype)?;
        map.extend(shard.iter().map(|w| (w.name.to_string(), json!(name))));
    }
    let total: u64 = sorted.iter().map(size).sum();
    let index = json!({"metadata": {"total_size": total}, "weight_map": map});
    let path = folder.join(INDEX_FILE);
    replace_file(&path, |file| write!(file, "{index:#}")).map_err(io_error(&path))
}

fn check_writable(folder: &Path, sorted: &[WeightRef<'_>], dtype: WeightDtype) -> Result<(), WeightsError> {
    for weight in sorted {
        let elements = weight.shape.iter().try_fold(1usize, |n, &size| n.checked_mul(size));
        if elements != Some(weight.data.len()) {
            let reason = format!("{} values for shape {:?}", weight.data.len(), weight.shape);
            return Err(WeightsError::BadTensor { file: folder.into(), tensor: weight.name.into(), reason });
        }
        check_finite(weight.name, weight.data)?;
        // The largest f32 values round to infinity in bf16.
        let infinite = |x: &f32| !bf16::from_f32(*x).is_finite();
        if dtype == WeightDtype::Bf16
            && let Some(index) = weight.data.par_iter().position_first(infinite)
        {
            let (tensor, value) = (weight.name.to_string(), weight.data[index]);
            return Err(WeightsError::NotFinite { tensor, index, value });
        }
    }
    match sorted.windows(2).find(|w| w[0].name == w[1].name) {
        Some(pair) => {
            let place = "the weights to write".to_string();
            Err(WeightsError::Duplicate { tensor: pair[0].name.into(), first: place.clone(), second: place })
        }
        None => Ok(()),
    }
}

/// Writes one safetensors file; `weights` sorted by name.
fn write_file(path: &Path, weights: &[WeightRef<'_>], dtype: WeightDtype) -> Result<(), WeightsError> {
    let stored = dtype.stored();
    let mut header = serde_json::Map::new();
    header.insert("__metadata__".into(), json!({"format": "pt"}));
    let mut offset = 0;
    for weight in weights {
        let end = offset + weight.data.len() as u64 * stored.bytes();
        let entry = json!({"dtype": stored.name(), "shape": weight.shape, "data_offsets": [offset, end]});
        header.insert(weight.name.into(), entry);
        offset = end;
    }
    let mut header = Value::Object(header).to_string().into_bytes();
    // Data starts at a multiple of 8 so that it can be mapped and used in place.
    header.resize(header.len().next_multiple_of(8), b' ');

    replace_file(path, |file| {
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(&header)?;
        for weight in weights {
            // In pieces, so that converting needs no second copy of the tensor.
            for piece in weight.data.chunks(1 << 16) {
                file.write_all(&encode(piece, dtype))?;
            }
        }
        Ok(())
    })
    .map_err(io_error(path))
}

fn encode(data: &[f32], dtype: WeightDtype) -> Vec<u8> {
    match dtype {
        WeightDtype::F32 => data.iter().flat_map(|x| x.to_le_bytes()).collect(),
        WeightDtype::Bf16 => data.iter().flat_map(|x| bf16::from_f32(*x).to_le_bytes()).collect(),
    }
}

/// Writes a file so that `path` is either as before or complete: temporary name, flush to disk, rename.
pub(super) fn replace_file(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".partial");
    let temporary = path.with_file_name(name);
    let written = File::create(&temporary).and_then(|file| {
        let mut file = BufWriter::with_capacity(1 << 20, file);
        write(&mut file)?;
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(&temporary, path)
    });
    if written.is_err() {
        // The first error is the one to report; a leftover here is only a leftover.
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// A fingerprint of weights: BLAKE3, in hex, over names and little-endian f32 bytes, sorted by name.
///
/// It depends on neither the order given nor the way the weights are stored.
pub fn weights_hash<'a>(weights: impl IntoIterator<Item = (&'a str, &'a [f32])>) -> String {
    let mut sorted: Vec<(&str, &[f32])> = weights.into_iter().collect();
    sorted.sort_by_key(|(name, _)| *name);
    let mut hasher = blake3::Hasher::new();
    for (name, data) in sorted {
        // Lengths first, so that no two lists of tensors give the same stream.
        hasher.update(&(name.len() as u64).to_le_bytes());
        hasher.update(name.as_bytes());
        hasher.update(&(data.len() as u64).to_le_bytes());
        for piece in data.chunks(1 << 14) {
            hasher.update(&encode(piece, WeightDtype::F32));
        }
    }
    hasher.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_every_spelling() {
        for (name, canonical) in [
            ("model.language_model.layers.0.mlp.up_proj.weight", "model.layers.0.mlp.up_proj.weight"),
            ("model.visual.merger.ln_q.weight", "visual.merger.ln_q.weight"),
            ("model.embed_tokens.weight", "model.embed_tokens.weight"),
            ("visual.blocks.1.norm1.weight", "visual.blocks.1.norm1.weight"),
            ("lm_head.weight", "lm_head.weight"),
        ] {
            assert_eq!(canonical_name(name), canonical);
        }
    }

    #[test]
    fn bf16_rounds_to_nearest_even() {
        // 1 + 2^-8 lies between 1 and 1 + 2^-7; the even one is 1. 1 + 3 * 2^-8 goes up to 1 + 2^-6.
        let data = [1.0 + 2f32.powi(-8), 1.0 + 3.0 * 2f32.powi(-8), 1.0 + 2f32.powi(-8) + 2f32.powi(-20)];
        let back = Stored::Bf16.to_f32(&encode(&data, WeightDtype::Bf16));
        assert_eq!(back, [1.0, 1.0 + 2f32.powi(-6), 1.0 + 2f32.powi(-7)]);
    }

    #[test]
    fn hash_ignores_order_and_tells_weights_apart() {
        let (a, b) = ([1.0f32, 2.0], [3.0f32]);
        let one = weights_hash([("a", &a[..]), ("b", &b[..])]);
        assert_eq!(one, weights_hash([("b", &b[..]), ("a", &a[..])]));
        assert_ne!(one, weights_hash([("a", &b[..]), ("b", &a[..])]));
        assert_ne!(one, weights_hash([("a", &a[..1]), ("b", &b[..])]));
        assert_ne!(weights_hash([("a", &[0.0f32][..])]), weights_hash([("a", &[-0.0f32][..])]));
        assert_eq!(one.len(), 64);
    }
}
