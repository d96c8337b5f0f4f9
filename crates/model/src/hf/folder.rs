//! A whole model folder: opening one with everything checked, and writing one as a unit.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::config::{ConfigError, Qwen25VlConfig};
use super::foreign::{conversion_hint, other_formats};
use super::template::{ChatTemplate, TEMPLATE_FILE, TemplateError};
use super::tokenizer::{TOKENIZER_CONFIG_FILE, TOKENIZER_FILE, Tokenizer, TokenizerError};
use super::weights::{Checkpoint, WeightDtype, WeightRef, WeightsError, replace_file, write_weights};
use crate::plain_file;
use crate::processor::{self, ProcessorConfig};

/// The architecture's sizes.
pub const CONFIG_FILE: &str = "config.json";
/// How images become patches.
pub const PREPROCESSOR_FILE: &str = "preprocessor_config.json";
/// The newer place of the same, under `image_processor`.
const PROCESSOR_FILE: &str = "processor_config.json";
const GENERATION_FILE: &str = "generation_config.json";
/// Bound on a configuration file.
const MAX_JSON: u64 = 4 << 20;

/// Why a model folder could not be opened or written.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The path is no folder.
    #[error("{path}: not a folder; give the path of a downloaded model, not its name on a hub{hint}")]
    NotAFolder {
        /// The path.
        path: PathBuf,
        /// What to do about a file in another format, or nothing.
        hint: String,
    },
    /// A file is not there.
    #[error("{folder}: {file} is missing: {hint}")]
    MissingFile {
        /// The folder.
        folder: PathBuf,
        /// The file's name.
        file: String,
        /// What it is for, or how to get it.
        hint: String,
    },
    /// The file system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A JSON file is damaged.
    #[error("{path}: {reason}")]
    Json {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// `config.json` was refused.
    #[error("{}", within(folder, source))]
    Config {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: ConfigError,
    },
    /// The tokenizer was refused.
    #[error("{}", within(folder, source))]
    Tokenizer {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: TokenizerError,
    },
    /// The chat template was refused.
    #[error("{}", within(folder, source))]
    Template {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: TemplateError,
    },
    /// The weights were refused.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// Files that are fine by themselves contradict each other.
    #[error("{folder}: {reason}")]
    Mismatch {
        /// The folder.
        folder: PathBuf,
        /// How.
        reason: String,
    },
    /// The folder to write is there and not empty.
    #[error("{path}: exists and is not empty; choose another path, or ask for it to be overwritten")]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// The folder to overwrite holds something else than a model.
    #[error("{path}: holds no config.json, so it is not a model; it will not be overwritten")]
    NotAModel {
        /// The folder.
        path: PathBuf,
    },
}

/// `folder: source`; an error that names a file of the folder is enough by itself.
fn within(folder: &Path, source: &dyn std::error::Error) -> String {
    let (folder, text) = (folder.display().to_string(), source.to_string());
    if text.starts_with(&folder) { text } else { format!("{folder}: {text}") }
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> FolderError {
    move |source| FolderError::Io { path: path.to_path_buf(), source }
}

/// An opened model folder. Of the weights only the headers were read.
#[derive(Debug)]
pub struct HfFolder {
    /// Where it is.
    pub path: PathBuf,
    /// The architecture's sizes.
    pub config: Qwen25VlConfig,
    /// The tokenizer.
    pub tokenizer: Tokenizer,
    /// The chat template.
    pub template: ChatTemplate,
    /// Text of the image processor's settings: the object that `preprocessor_config.json` holds.
    pub preprocessor_json: String,
    /// The weights, checked against `config`.
    pub weights: Checkpoint,
}

impl HfFolder {
    /// Opens a folder and checks that its files are there, sound, and agree with each other.
    ///
    /// # Errors
    /// [`FolderError`] naming the file.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        if !path.is_dir() {
            let hint = path.file_name().and_then(|name| conversion_hint(&name.to_string_lossy()));
            return Err(FolderError::NotAFolder { path: path.into(), hint: hint.unwrap_or_default() });
        }
        let folder = || path.to_path_buf();
        let hint = || format!("a model folder has one; is this the right folder?{}", other_formats(path));
        require(path, CONFIG_FILE, hint)?;
        let config = Qwen25VlConfig::from_json(&read_text(&path.join(CONFIG_FILE))?)
            .map_err(|source| FolderError::Config { folder: folder(), source })?;
        let preprocessor_json = read_preprocessor(path)?;
        let hint = || "save the tokenizer with transformers' fast tokenizer to get it".into();
        require(path, TOKENIZER_FILE, hint)?;
        let tokenizer = Tokenizer::from_folder(path)
            .map_err(|source| FolderError::Tokenizer { folder: folder(), source })?;
        let template = ChatTemplate::from_folder(path)
            .map_err(|source| FolderError::Template { folder: folder(), source })?;
        check_ids(&config, &tokenizer)
            .map_err(|reason| FolderError::Mismatch { folder: folder(), reason })?;
        check_patches(&config, path, &preprocessor_json)?;
        let weights = Checkpoint::open(path, &config.tensor_shapes())?;
        Ok(Self { path: folder(), config, tokenizer, template, preprocessor_json, weights })
    }
}

fn require(folder: &Path, file: &str, hint: impl Fn() -> String) -> Result<(), FolderError> {
    if folder.join(file).exists() {
        return Ok(());
    }
    Err(FolderError::MissingFile { folder: folder.into(), file: file.into(), hint: hint() })
}

fn read_text(path: &Path) -> Result<String, FolderError> {
    plain_file::read_text(path, MAX_JSON).map_err(io_error(path))?.ok_or_else(|| {
        let reason = format!("more than {MAX_JSON} bytes, too large for a configuration");
        FolderError::Json { path: path.to_path_buf(), reason }
    })
}

/// The image processor's settings, from their own file, or from the newer file that holds all processors'.
fn read_preprocessor(folder: &Path) -> Result<String, FolderError> {
    let newer = folder.join(PROCESSOR_FILE);
    if !folder.join(PREPROCESSOR_FILE).exists() && newer.exists() {
        let value = parse(&newer, &read_text(&newer)?)?;
        return match &value["image_processor"] {
            Value::Object(settings) => Ok(Value::Object(settings.clone()).to_string()),
            _ => Err(FolderError::Json { path: newer, reason: "`image_processor` is missing".into() }),
        };
    }
    require(folder, PREPROCESSOR_FILE, || "it says how images are resized and normalised".into())?;
    let path = folder.join(PREPROCESSOR_FILE);
    let text = read_text(&path)?;
    parse(&path, &text)?;
    Ok(text)
}

fn parse(path: &Path, text: &str) -> Result<Value, FolderError> {
    let damaged = |reason| FolderError::Json { path: path.to_path_buf(), reason };
    let value: Value = serde_json::from_str(text).map_err(|e| damaged(e.to_string()))?;
    if value.is_object() { Ok(value) } else { Err(damaged("expected an object".into())) }
}

/// A model fed with another model's ids would run, and be nonsense.
fn check_ids(config: &Qwen25VlConfig, tokenizer: &Tokenizer) -> Result<(), String> {
    let tokens = tokenizer.special_tokens();
    for (field, id, token, expected) in [
        ("image_token_id", config.image_token_id, "<|image_pad|>", tokens.image_pad),
        ("video_token_id", config.video_token_id, "<|video_pad|>", tokens.video_pad),
        ("vision_start_token_id", config.vision_start_token_id, "<|vision_start|>", tokens.vision_start),
        ("vision_end_token_id", config.vision_end_token_id, "<|vision_end|>", tokens.vision_end),
    ] {
        if id != expected {
            return Err(format!("config.json: `{field}` is {id}, but the tokenizer's {token} is {expected}"));
        }
    }
    if tokenizer.vocab_size() > config.text.vocab_size {
        let (largest, rows) = (tokenizer.vocab_size() - 1, config.text.vocab_size);
        return Err(format!("the tokenizer has the id {largest}, but config.json says `vocab_size` {rows}"));
    }
    Ok(())
}

/// Patches cut for another vision tower would not fit, or stand for other places.
fn check_patches(config: &Qwen25VlConfig, folder: &Path, json: &str) -> Result<(), FolderError> {
    let damaged = |e: processor::ConfigError| FolderError::Json {
        path: folder.join(PREPROCESSOR_FILE),
        reason: e.to_string(),
    };
    let images = ProcessorConfig::from_json(json).map_err(damaged)?;
    let vision = &config.vision;
    for (field, of_images, of_vision) in [
        ("patch_size", images.patch_size, vision.patch_size),
        ("temporal_patch_size", images.temporal_patch_size, vision.temporal_patch_size),
        ("merge_size", images.merge_size, vision.spatial_merge_size),
    ] {
        if of_images != of_vision {
            let reason =
                format!("{PREPROCESSOR_FILE}: `{field}` is {of_images}, but config.json says {of_vision}");
            return Err(FolderError::Mismatch { folder: folder.into(), reason });
        }
    }
    Ok(())
}

/// Everything a model folder consists of, to be written.
#[derive(Clone, Copy, Debug)]
pub struct ModelFiles<'a> {
    /// The architecture's sizes.
    pub config: &'a Qwen25VlConfig,
    /// The weights: exactly the tensors `config` lists.
    pub weights: &'a [WeightRef<'a>],
    /// How the weights are stored.
    pub dtype: WeightDtype,
    /// Most bytes of weights in one file; more are written as shards.
    pub max_shard_bytes: u64,
    /// The tokenizer.
    pub tokenizer: &'a Tokenizer,
    /// The chat template.
    pub template: &'a ChatTemplate,
    /// Text of `preprocessor_config.json`.
    pub preprocessor_json: &'a str,
}

impl ModelFiles<'_> {
    /// A bound on a file that hubs and file systems are comfortable with: 5 GB.
    pub const MAX_SHARD_BYTES: u64 = 5_000_000_000;

    /// Writes the folder `target`, whose parent must exist.
    ///
    /// It is built beside `target` and renamed, so that `target` is either as before or complete. A folder
    /// that is there and not empty is replaced only with `overwrite`, and only if it holds a `config.json`.
    ///
    /// # Errors
    /// [`FolderError`]; nothing was changed then.
    pub fn write(&self, target: &Path, overwrite: bool) -> Result<(), FolderError> {
        self.check(target)?;
        let occupied = occupied(target)?;
        if occupied && !overwrite {
            return Err(FolderError::Exists { path: target.into() });
        }
        if occupied && !target.join(CONFIG_FILE).is_file() {
            return Err(FolderError::NotAModel { path: target.into() });
        }
        let building = beside(target, "partial")?;
        let done = self.write_into(&building).and_then(|()| install(&building, target));
        if done.is_err() {
            // The first error is the one to report.
            let _ = fs::remove_dir_all(&building);
        }
        done
    }

    /// What would open as a broken model is not written.
    fn check(&self, target: &Path) -> Result<(), FolderError> {
        let mismatch = |reason| FolderError::Mismatch { folder: target.into(), reason };
        self.config.validate().map_err(|source| FolderError::Config { folder: target.into(), source })?;
        check_ids(self.config, self.tokenizer).map_err(mismatch)?;
        parse(&target.join(PREPROCESSOR_FILE), self.preprocessor_json)?;
        check_patches(self.config, target, self.preprocessor_json)?;
        let mut given: Vec<(&str, &[usize])> = self.weights.iter().map(|w| (w.name, w.shape)).collect();
        given.sort();
        let shapes = self.config.tensor_shapes();
        let listed: Vec<(&str, &[usize])> = shapes.iter().map(|(n, s)| (n.as_str(), s.as_slice())).collect();
        if given == listed {
            return Ok(());
        }
        let difference = match given.iter().find(|g| !listed.contains(g)) {
            Some((name, shape)) => format!("`{name}` {shape:?} is not one of the configuration's tensors"),
            None => format!("{} tensors, the configuration has {}", given.len(), listed.len()),
        };
        Err(mismatch(difference))
    }

    fn write_into(&self, folder: &Path) -> Result<(), FolderError> {
        for (name, text) in [
            (CONFIG_FILE, self.config.to_json(self.dtype).as_str()),
            (GENERATION_FILE, &self.tokenizer.generation_config_json()),
            (PREPROCESSOR_FILE, self.preprocessor_json),
            (TEMPLATE_FILE, self.template.source()),
            (TOKENIZER_FILE, self.tokenizer.json()),
            (TOKENIZER_CONFIG_FILE, self.tokenizer.config_json()),
        ] {
            let path = folder.join(name);
            replace_file(&path, |file| file.write_all(text.as_bytes())).map_err(io_error(&path))?;
        }
        write_weights(folder, self.weights, self.dtype, self.max_shard_bytes)?;
        sync_folder(folder);
        Ok(())
    }
}

/// True when something is at `target` that must not be lost.
fn occupied(target: &Path) -> Result<bool, FolderError> {
    match fs::read_dir(target) {
        Ok(mut files) => Ok(files.next().is_some()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(io_error(target)(e)),
    }
}

/// Creates a new folder next to `target`, whose name says what it is for.
fn beside(target: &Path, purpose: &str) -> Result<PathBuf, FolderError> {
    let name = target
        .file_name()
        .ok_or_else(|| FolderError::NotAFolder { path: target.into(), hint: String::new() })?;
    let mut number = 0;
    loop {
        let path = target.with_file_name(format!(".{}.{purpose}{number}", name.to_string_lossy()));
        match fs::create_dir(&path) {
            // Left by a run that was stopped, or in use by one that is not: either way not ours.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && number < 100 => number += 1,
            Err(e) => return Err(io_error(&path)(e)),
            Ok(()) => return Ok(path),
        }
    }
}

/// Moves the finished folder to its place, and what was there out of it.
fn install(building: &Path, target: &Path) -> Result<(), FolderError> {
    let old = if target.exists() {
        let aside = beside(target, "replaced")?;
        // Renaming onto the empty folder just made keeps its name ours.
        fs::remove_dir(&aside).and_then(|()| fs::rename(target, &aside)).map_err(io_error(target))?;
        Some(aside)
    } else {
        None
    };
    if let Err(e) = fs::rename(building, target) {
        if let Some(old) = &old {
            // Best effort: the error below is what matters, and the old folder is still beside.
            let _ = fs::rename(old, target);
        }
        return Err(io_error(target)(e));
    }
    if let Some(parent) = target.parent() {
        sync_folder(parent);
    }
    match old {
        Some(old) => fs::remove_dir_all(&old).map_err(io_error(&old)),
        None => Ok(()),
    }
}

/// Makes renames in a folder durable where the system can; not every system lets a folder be opened.
fn sync_folder(folder: &Path) {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    if let Ok(file) = File::open(folder) {
        let _ = file.sync_all();
    }
}
