//! HF folder -> policy: architecture, image processor, tokenizer, fused operations.
//!
//! The only crate that names the tensor library, and the only one where `unsafe` occurs (strided
//! matrix products, buffers shared between tasks, instructions that only some processors have, a setting of the
//! allocator; every block says why it is sound).

mod allocator;
pub mod arch;
mod device;
pub mod hf;
pub mod image_file;
pub mod ops;
mod plain_file;
pub mod policy;
pub mod processor;
mod vlm;

pub use allocator::{Allocator, keep_pages};
pub use device::DeviceKind;
pub use ops::Precision;
pub use policy::{
    AdamW, Decoder, Features, Feed, ImageStore, Mlp, Origin, PassSeconds, Policy, PolicyError, PolicyState,
    Sampled, Sampling, ScoreOptions, Scored, SequenceId, StateError, States, Targets, Update, Upstream,
    packed_tokens, sample,
};
pub use processor::Corruption;
pub use vlm::{ModelSnapshot, Vlm, VlmError, initial_weights};
