//! A whole model: policy, tokenizer, chat template, as one Hugging Face folder.

use std::collections::BTreeMap;
use std::path::Path;

use eyas_core::Seed;

use crate::arch::Param;
use crate::hf::{
    ChatTemplate, ConfigError, FolderError, HfFolder, ModelFiles, Qwen25VlConfig, TemplateError, Tokenizer,
    TokenizerError, WeightDtype, WeightRef, WeightsError,
};
use crate::policy::{Policy, PolicyError};
use crate::processor::{ImageProcessor, ProcessorConfig, ProcessorError};

/// A vision-language model that can be trained, sampled and saved.
pub struct Vlm {
    /// The weights and what acts on them.
    pub policy: Policy,
    /// Text to tokens.
    pub tokenizer: Tokenizer,
    /// Messages to text.
    pub template: ChatTemplate,
    preprocessor_json: String,
}

/// Why a model could not be opened, made or saved.
#[derive(Debug, thiserror::Error)]
pub enum VlmError {
    /// The folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The weights.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The image processor's settings.
    #[error("preprocessor_config.json: {0}")]
    ProcessorConfig(#[from] crate::processor::ConfigError),
    /// The image processor.
    #[error(transparent)]
    Processor(#[from] ProcessorError),
    /// The tokenizer.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The chat template.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The architecture.
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

impl Vlm {
    /// Opens a folder.
    ///
    /// # Errors
    /// [`VlmError`] naming the file, tensor or field.
    pub fn open(path: &Path) -> Result<Self, VlmError> {
        let folder = HfFolder::open(path)?;
        let values = folder.weights.read_all()?;
        let processor = ImageProcessor::new(ProcessorConfig::from_json(&folder.preprocessor_json)?)?;
        Ok(Self {
            policy: Policy::new(folder.config, processor, values)?,
            tokenizer: folder.tokenizer,
            template: folder.template,
            preprocessor_json: folder.preprocessor_json,
        })
    }

    /// A tiny Qwen2.5-VL with random weights and a tokenizer of its own, trained on `corpus`.
    ///
    /// # Errors
    /// [`VlmError`] when the tokenizer cannot be trained.
    pub fn tiny(
        corpus: impl Iterator<Item = String>,
        vocab_size: usize,
        tags: &[&str],
        seed: Seed,
    ) -> Result<Self, VlmError> {
        let tokenizer = Tokenizer::train_tiny(corpus, vocab_size, tags)?;
        let config = Qwen25VlConfig::tiny(tokenizer.vocab_size(), tokenizer.special_tokens())?;
        let processor_config = ProcessorConfig::default();
        let preprocessor_json = processor_config.to_json()?;
        let values = initial_weights(&config, seed);
        Ok(Self {
            policy: Policy::new(config, ImageProcessor::new(processor_config)?, values)?,
            tokenizer,
            template: ChatTemplate::builtin()?,
            preprocessor_json,
        })
    }

    /// Writes the folder `target`; see [`ModelFiles::write`]. A value head is not part of the folder.
    ///
    /// # Errors
    /// [`VlmError::Folder`]; nothing was changed then.
    pub fn save(&self, target: &Path, dtype: WeightDtype, overwrite: bool) -> Result<(), VlmError> {
        let params = self.policy.params().entries();
        write(self.policy.config(), params, &self.tokenizer, &self.template, &self.preprocessor_json)(
            target, dtype, overwrite,
        )
    }

    /// A copy of what the folder holds, to be written while training goes on.
    pub fn snapshot(&self) -> ModelSnapshot {
        ModelSnapshot {
            config: self.policy.config().clone(),
            params: self.policy.params().entries().to_vec(),
            tokenizer: self.tokenizer.clone(),
            template: self.template.clone(),
            preprocessor_json: self.preprocessor_json.clone(),
        }
    }

    /// A second policy with the same weights, precision and device: the reference of a KL term.
    ///
    /// # Errors
    /// Never in practice: the weights are those of a complete policy, and its device is running.
    pub fn copy_policy(&self) -> Result<Policy, VlmError> {
        let values =
            self.policy.params().entries().iter().map(|p| (p.name.clone(), p.value.to_vec())).collect();
        let mut copy = Policy::new(self.policy.config().clone(), self.policy.processor().clone(), values)?;
        copy.set_precision(self.policy.precision());
        copy.set_device(self.policy.device_kind())?;
        Ok(copy)
    }
}

/// Everything that a model folder is written from.
pub struct ModelSnapshot {
    config: Qwen25VlConfig,
    params: Vec<Param>,
    tokenizer: Tokenizer,
    template: ChatTemplate,
    preprocessor_json: String,
}

impl ModelSnapshot {
    /// As [`Vlm::save`].
    ///
    /// # Errors
    /// [`VlmError::Folder`]; nothing was changed then.
    pub fn save(&self, target: &Path, dtype: WeightDtype, overwrite: bool) -> Result<(), VlmError> {
        write(&self.config, &self.params, &self.tokenizer, &self.template, &self.preprocessor_json)(
            target, dtype, overwrite,
        )
    }

    /// About how many bytes [`ModelSnapshot::save`] writes with four bytes a weight.
    pub fn bytes(&self) -> u64 {
        self.params.iter().map(|p| 4 * p.value.len() as u64).sum()
    }
}

fn write<'a>(
    config: &'a Qwen25VlConfig,
    params: &'a [Param],
    tokenizer: &'a Tokenizer,
    template: &'a ChatTemplate,
    preprocessor_json: &'a str,
) -> impl Fn(&Path, WeightDtype, bool) -> Result<(), VlmError> + 'a {
    move |target, dtype, overwrite| {
        // The folder holds the tensors that its architecture lists, and no others.
        let listed = params.iter().filter(|p| !p.name.starts_with("value_head."));
        let weights: Vec<WeightRef<'_>> =
            listed.map(|p| WeightRef { name: &p.name, shape: &p.shape, data: &p.value }).collect();
        let max_shard_bytes = ModelFiles::MAX_SHARD_BYTES;
        let files = ModelFiles {
            config,
            weights: &weights,
            dtype,
            max_shard_bytes,
            tokenizer,
            template,
            preprocessor_json,
        };
        Ok(files.write(target, overwrite)?)
    }
}

/// Norms at 1, biases at 0, matrices normal with standard deviation 0.02 (as Qwen2's
/// `initializer_range`), each from a stream named after it.
pub fn initial_weights(config: &Qwen25VlConfig, seed: Seed) -> BTreeMap<String, Vec<f32>> {
    let value = |name: &str, shape: &[usize]| {
        let n: usize = shape.iter().product();
        let is_norm = name.ends_with("norm.weight")
            || name.contains("norm1")
            || name.contains("norm2")
            || name.ends_with("ln_q.weight");
        if is_norm || name.ends_with("layernorm.weight") {
            return vec![1.0; n];
        }
        if name.ends_with("bias") {
            return vec![0.0; n];
        }
        let mut rng = seed.split(name, 0).rng();
        (0..n).map(|_| rng.normal() as f32 * 0.02).collect()
    };
    config.tensor_shapes().into_iter().map(|(name, shape)| (name.clone(), value(&name, &shape))).collect()
}
