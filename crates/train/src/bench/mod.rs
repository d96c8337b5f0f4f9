//! How fast this machine runs the parts of training, beside how fast it multiplies matrices.
//!
//! Models have random weights: speed does not depend on what they say.

mod flops;
mod grpo;
mod model;

pub use grpo::{GrpoStep, Part, grpo_step};
pub use model::{Sampling, Training, group_training, image_processor, sampling, training};

use eyas_model::Precision;
use serde::Serialize;

/// Sizes of what is measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct BenchConfig {
    /// Sequences of the training batch.
    pub batch: usize,
    /// Prompts of the sampling batch and of the GRPO step.
    pub groups: usize,
    /// Responses to each prompt.
    pub group_size: usize,
    /// Tokens of a response.
    pub answer: usize,
    /// Side of the picture in a prompt, in pixels.
    pub image_side: u32,
    /// Width of the model, in multiples of the tiny one's.
    pub width: usize,
    /// How many times each is measured; the median counts.
    pub repeats: usize,
    /// In what precision matrices are multiplied.
    #[serde(serialize_with = "precision_name")]
    pub precision: Precision,
}

impl Default for BenchConfig {
    fn default() -> Self {
        Self {
            batch: 32,
            groups: 16,
            group_size: 8,
            answer: 64,
            image_side: 112,
            width: 1,
            repeats: 5,
            precision: Precision::F32,
        }
    }
}

fn precision_name<S: serde::Serializer>(precision: &Precision, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(match precision {
        Precision::F32 => "f32",
        Precision::Bf16 => "bf16",
    })
}

/// The middle one of some measurements.
pub(crate) fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds.get(seconds.len() / 2).copied().unwrap_or(f64::NAN)
}
