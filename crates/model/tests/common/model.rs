//! A whole model, kept as small as the architecture allows.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test binary uses its own part of this"
)]

use std::path::Path;

use eyas_model::hf::{
    ChatTemplate, FolderError, ModelFiles, Qwen25VlConfig, Tokenizer, WeightDtype, WeightRef,
};

pub const PREPROCESSOR: &str = r#"{"image_processor_type": "Qwen2VLImageProcessor", "patch_size": 14}"#;

/// A model, kept as small as the architecture allows.
pub struct Model {
    pub config: Qwen25VlConfig,
    pub shapes: Vec<(String, Vec<usize>)>,
    pub data: Vec<Vec<f32>>,
    pub tokenizer: Tokenizer,
    pub template: ChatTemplate,
}

impl Model {
    pub fn new() -> Self {
        let tokenizer = Tokenizer::train_tiny(std::iter::empty(), 300, &["<answer>"]).unwrap();
        let mut config = Qwen25VlConfig::tiny(300, tokenizer.special_tokens()).unwrap();
        config.text.hidden_size = 16;
        config.text.intermediate_size = 8;
        config.text.num_hidden_layers = 1;
        config.text.mrope_section = [0, 1, 1];
        config.vision.hidden_size = 16;
        config.vision.intermediate_size = 8;
        config.vision.depth = 1;
        config.vision.fullatt_block_indexes = vec![0];
        config.vision.out_hidden_size = 16;
        let shapes = config.tensor_shapes();
        let fill = |i: usize, shape: &[usize]| {
            let len = shape.iter().product::<usize>();
            (0..len).map(|j| ((i * 31 + j) % 256) as f32 / 256.0).collect()
        };
        let data = shapes.iter().enumerate().map(|(i, (_, shape))| fill(i, shape)).collect();
        Self { config, shapes, data, tokenizer, template: ChatTemplate::builtin().unwrap() }
    }

    pub fn weights(&self) -> Vec<WeightRef<'_>> {
        let pairs = self.shapes.iter().zip(&self.data);
        pairs.map(|((name, shape), data)| WeightRef { name, shape, data }).collect()
    }

    pub fn files<'a>(&'a self, weights: &'a [WeightRef<'a>]) -> ModelFiles<'a> {
        ModelFiles {
            config: &self.config,
            weights,
            dtype: WeightDtype::Bf16,
            max_shard_bytes: ModelFiles::MAX_SHARD_BYTES,
            tokenizer: &self.tokenizer,
            template: &self.template,
            preprocessor_json: PREPROCESSOR,
        }
    }

    pub fn write(&self, target: &Path, overwrite: bool) -> Result<(), FolderError> {
        self.files(&self.weights()).write(target, overwrite)
    }
}
