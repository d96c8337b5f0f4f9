//! HF folder -> policy: architecture, image processor, tokenizer, fused operations.
//!
//! The only crate that names the tensor library, and the only one where `unsafe` occurs (strided
//! matrix products, buffers shared between tasks and instructions that only some processors have; every
//! block says why it is sound).

pub mod arch;
mod device;
pub mod hf;
pub mod image_file;
pub mod ops;
mod plain_file;
pub mod policy;
pub mod processor;
mod vlm;

pub use device::DeviceKind;
pub use ops::Precision;
pub use policy::{
    AdamW, Decoder, Features, Feed, ImageStore, Mlp, Origin, PassSeconds, Policy, PolicyError, PolicyState,
    Sampled, Sampling, ScoreOptions, Scored, SequenceId, StateError, States, Targets, Update, Upstream,
    packed_tokens, sample,
};
pub use processor::Corruption;
pub use vlm::{ModelSnapshot, Vlm, VlmError, initial_weights};
