//! What can go wrong between a trajectory and the model.

use eyas_core::ImageId;

use crate::processor::ProcessorError;

/// Why a policy refused an input.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// A value head for states of another width.
    #[error("the value head is for states of {got} numbers, the decoder has {expected}")]
    ValueHead {
        /// Width of the decoder's states.
        expected: usize,
        /// Weights of the head.
        got: usize,
    },
    /// A parameter of the architecture is absent.
    #[error("a parameter of the architecture is missing from the weights")]
    MissingWeights,
    /// A trajectory refers to an image nobody gave.
    #[error("image {id} of a trajectory was not given")]
    MissingImage {
        /// The image.
        id: ImageId,
    },
    /// Placeholders and visual tokens differ in number.
    #[error("image {id} has {placeholders} placeholders but {features} visual tokens")]
    ImageTokens {
        /// The image.
        id: ImageId,
        /// Placeholders in the trajectory.
        placeholders: usize,
        /// Visual tokens of the image.
        features: usize,
    },
    /// A token id outside the vocabulary.
    #[error("token id {id} is outside the vocabulary of {vocab}")]
    Token {
        /// The id.
        id: u32,
        /// The size of the vocabulary.
        vocab: usize,
    },
    /// The sequence does not fit the context.
    #[error("sequence of {length} tokens exceeds the context of {context}")]
    Context {
        /// Tokens wanted.
        length: usize,
        /// Tokens the model was built for.
        context: usize,
    },
    /// Nothing to score.
    #[error("no token of the batch is to be scored")]
    NothingToScore,
    /// A sequence handle that was closed.
    #[error("sequence {0} is closed")]
    Closed(usize),
    /// The loss gave derivatives of the wrong length.
    #[error("{expected} tokens were scored but the loss gave {got} derivatives")]
    Upstream {
        /// Tokens scored.
        expected: usize,
        /// Derivatives given.
        got: usize,
    },
    /// A sampling setting outside its range.
    #[error("{setting} = {value} is out of range: {range}")]
    Sampling {
        /// The setting.
        setting: &'static str,
        /// Its value.
        value: f32,
        /// The range.
        range: &'static str,
    },
    /// A GPU was asked for, but the program was built without.
    #[error("this build computes on the processor only, not on a GPU")]
    NoGpuSupport,
    /// No GPU could be started.
    #[error("no GPU could be started: {detail}")]
    Gpu {
        /// What the driver said.
        detail: String,
    },
    /// bfloat16 products exist on the host only.
    #[error("compute_dtype bf16 works on the processor only, not on a GPU")]
    GpuPrecision,
    /// An image cannot be processed.
    #[error(transparent)]
    Image(#[from] ProcessorError),
}
