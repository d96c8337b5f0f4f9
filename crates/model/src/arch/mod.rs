//! Qwen2.5-VL: vision tower, merger, decoder. One definition for rollout and for training.
//!
//! Source: Qwen2.5-VL technical report (Bai et al. 2025); parity with the `transformers`
//! implementation is tested on small random weights.

mod params;
mod positions;
mod text;
mod vision;
mod window;

pub use params::{Param, Params, Tensors, Values};
pub use positions::{Positions, text_rope, vision_rope};
pub use text::TextModel;
pub use vision::{VisionBatch, VisionModel};
