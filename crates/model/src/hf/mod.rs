//! Hugging Face model folders: configuration, weights, tokenizer and chat template.
//!
//! A folder written here opens in `transformers`, and a folder from there opens here. Nothing in this module
//! knows about tensors on a device: weights are slices of f32.
//!
//! Everything read from a folder is untrusted: sizes are bounded before anything is allocated, file names in
//! an index cannot leave the folder, and text from outside cannot become a special token.

mod bounds;
mod bpe;
mod config;
mod fields;
mod folder;
mod foreign;
mod pattern;
mod template;
mod tokenizer;
mod weights;

pub use config::{ConfigError, Qwen25VlConfig, TextConfig, VisionConfig};
pub use folder::{CONFIG_FILE, FolderError, HfFolder, ModelFiles, PREPROCESSOR_FILE};
pub use template::{ChatTemplate, Message, Part, Piece, Role, TEMPLATE_FILE, TemplateError};
pub use tokenizer::{
    Chunk, Decoded, SpecialTokens, TOKENIZER_CONFIG_FILE, TOKENIZER_FILE, Tokenizer, TokenizerError,
};
pub use weights::{
    Checkpoint, INDEX_FILE, WEIGHTS_FILE, WeightDtype, WeightRef, WeightsError, canonical_name, weights_hash,
    write_weights,
};
