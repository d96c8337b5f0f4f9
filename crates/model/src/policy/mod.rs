//! The policy: the seam between tensors and everything else.
//!
//! Outside this crate a policy is scored ([`Policy::score`]), trained ([`Policy::accumulate`],
//! [`Policy::apply`]) and sampled ([`Decoder`]); nobody else sees a tensor.

mod decode;
mod error;
mod lanes;
mod mlp;
mod optimizer;
mod pack;
mod parts;
mod sample;
mod score;
mod state;
mod tree;
mod value;
mod vision_cache;

pub use decode::{Decoder, Feed, SequenceId};
pub use error::PolicyError;
pub use mlp::Mlp;
pub use optimizer::{AdamW, Update};
pub use pack::{Origin, Targets};
pub use sample::{Sampled, Sampling, sample};
pub use score::{ScoreOptions, Scored, States, Upstream};
pub use state::{PolicyState, StateError};
pub use tree::packed_tokens;
pub use vision_cache::Features;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;

use burn::tensor::Device;
use eyas_core::{ImageId, Seed};

use crate::DeviceKind;
use crate::arch::{Params, Tensors, TextModel, VisionModel};
use crate::hf::Qwen25VlConfig;
use crate::ops::Precision;
use crate::processor::{Corruption, ImageProcessor, Patches};
use decode::fast::FastText;
use optimizer::Moments;
use value::ValueHead;
use vision_cache::FeatureCache;

/// A vision-language policy with its optimizer state.
pub struct Policy {
    config: Qwen25VlConfig,
    processor: ImageProcessor,
    device: Device,
    device_kind: DeviceKind,
    params: Params,
    /// Tensors without gradients, made when they are first asked for.
    weights: OnceLock<Tensors>,
    /// The decoder's weights as sampling reads them, made when they are first asked for.
    fast_text: OnceLock<FastText>,
    text: TextModel,
    vision: VisionModel,
    frozen: Vec<String>,
    /// Nothing trains the vision tower, so what it says of an image never changes.
    vision_frozen: bool,
    value_head: Option<ValueHead>,
    features: Mutex<FeatureCache>,
    grads: Vec<Vec<f32>>,
    moments: Moments,
    seconds: PassSeconds,
}

/// Wall-clock seconds spent in the parts of training passes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PassSeconds {
    /// Packing and the forward pass, the vision tower included.
    pub forward: f64,
    /// The backward pass and adding up gradients.
    pub backward: f64,
    /// Gradient norm and AdamW.
    pub optimizer: f64,
}

impl Policy {
    /// A policy on the CPU from a configuration and its weights (f32, by checkpoint name).
    ///
    /// # Errors
    /// [`PolicyError::MissingWeights`] when a parameter of the architecture is absent.
    pub fn new(
        config: Qwen25VlConfig,
        processor: ImageProcessor,
        values: BTreeMap<String, Vec<f32>>,
    ) -> Result<Self, PolicyError> {
        let mut shapes = config.tensor_shapes();
        if values.contains_key(value::WEIGHT) {
            shapes.extend(value::shapes(config.text.hidden_size));
        }
        let params = Params::new(&shapes, values);
        let text = TextModel::new(&config, &params).ok_or(PolicyError::MissingWeights)?;
        let vision = VisionModel::new(&config.vision, &params).ok_or(PolicyError::MissingWeights)?;
        let value_head = ValueHead::of(&params);
        let device = Device::flex();
        let (grads, moments) = (Vec::new(), Moments::default());
        Ok(Self {
            config,
            processor,
            device,
            device_kind: DeviceKind::Cpu,
            params,
            weights: OnceLock::new(),
            fast_text: OnceLock::new(),
            text,
            vision,
            frozen: Vec::new(),
            vision_frozen: false,
            value_head,
            features: FeatureCache::new(FeatureCache::BYTES).into(),
            grads,
            moments,
            seconds: PassSeconds::default(),
        })
    }

    /// Computes on another device from now on. The master weights, gradients and the optimizer stay on
    /// the host.
    ///
    /// # Errors
    /// [`PolicyError::NoGpuSupport`], [`PolicyError::Gpu`], [`PolicyError::GpuPrecision`]; the policy stays
    /// where it was then.
    pub fn set_device(&mut self, kind: DeviceKind) -> Result<(), PolicyError> {
        if kind == DeviceKind::Gpu && self.precision() != Precision::F32 {
            return Err(PolicyError::GpuPrecision);
        }
        self.device = crate::device::open(kind)?;
        self.device_kind = kind;
        self.weights = OnceLock::new();
        self.set_feature_cache(FeatureCache::BYTES);
        Ok(())
    }

    /// What computes.
    pub fn device_kind(&self) -> DeviceKind {
        self.device_kind
    }

    /// Multiplies in `precision` from now on, in sampling and in training.
    pub fn set_precision(&mut self, precision: Precision) {
        (self.text.precision, self.vision.precision) = (precision, precision);
        self.set_feature_cache(FeatureCache::BYTES);
        self.fast_text = OnceLock::new();
    }

    /// In what precision the policy multiplies.
    pub fn precision(&self) -> Precision {
        self.text.precision
    }

    /// The architecture.
    pub fn config(&self) -> &Qwen25VlConfig {
        &self.config
    }

    /// The image processor.
    pub fn processor(&self) -> &ImageProcessor {
        &self.processor
    }

    /// The parameters in the order of their names.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Parameters whose name starts with one of `prefixes` are no longer trained.
    pub fn freeze(&mut self, prefixes: &[String]) {
        self.frozen = prefixes.to_vec();
        let mut tower = self.params.entries().iter().filter(|p| p.name.starts_with("visual."));
        self.vision_frozen = tower.all(|p| !self.trains(&p.name));
        self.set_feature_cache(FeatureCache::BYTES);
    }

    /// One optimizer step with the gradients accumulated so far, which are cleared. Gradients that are
    /// not finite change nothing and are reported.
    pub fn apply(&mut self, settings: &AdamW) -> Update {
        self.apply_if(settings, |_| true)
    }

    /// The same, if `accept` takes the global norm of the gradient, before clipping. It is not asked where
    /// there is no gradient.
    pub fn apply_if(&mut self, settings: &AdamW, accept: impl FnOnce(f64) -> bool) -> Update {
        let grads = std::mem::take(&mut self.grads);
        if grads.is_empty() {
            return Update { grad_norm: 0.0, applied: false };
        }
        let clock = Instant::now();
        // They read the memory that the optimizer writes to.
        self.weights = OnceLock::new();
        let update = optimizer::step(&mut self.params, &mut self.moments, &grads, settings, accept);
        if update.applied {
            self.fast_text = OnceLock::new();
        }
        self.seconds.optimizer += clock.elapsed().as_secs_f64();
        update
    }

    /// Drops the gradients accumulated so far.
    pub fn discard_gradients(&mut self) {
        self.grads = Vec::new();
    }

    /// Moves every parameter towards that of `other`, a policy of the same shape but for the value head:
    /// `decay · own + (1 − decay) · other`.
    pub fn average_with(&mut self, other: &Self, decay: f64) {
        self.forget_tensors();
        for own in self.params.entries_mut() {
            let Some(other) = other.params.position(&own.name).map(|i| &other.params.entries()[i]) else {
                continue;
            };
            for (a, b) in own.value.iter_mut().zip(other.value.iter()) {
                *a = (decay * f64::from(*a) + (1.0 - decay) * f64::from(*b)) as f32;
            }
        }
    }

    /// What training passes have taken since this was last asked.
    pub fn take_seconds(&mut self) -> PassSeconds {
        std::mem::take(&mut self.seconds)
    }

    /// The gradients accumulated so far, by parameter name; for tests.
    pub fn gradients(&self) -> Vec<(&str, &[f32])> {
        self.params.entries().iter().zip(&self.grads).map(|(p, g)| (p.name.as_str(), g.as_slice())).collect()
    }

    /// BLAKE3 over names and values of all parameters.
    pub fn weights_hash(&self) -> String {
        crate::hf::weights_hash(self.params.entries().iter().map(|p| (p.name.as_str(), &p.value[..])))
    }

    fn weights(&self) -> &Tensors {
        self.weights.get_or_init(|| self.params.tensors(&self.device))
    }

    fn fast_text(&self) -> &FastText {
        self.fast_text.get_or_init(|| FastText::new(&self.text, &self.params))
    }

    fn trains(&self, name: &str) -> bool {
        !self.frozen.iter().any(|prefix| name.starts_with(prefix.as_str()))
    }

    /// Bytes that a decoder keeps of one token.
    pub fn kv_bytes_per_token(&self) -> usize {
        let text = &self.config.text;
        text.num_hidden_layers * 2 * text.num_key_value_heads * text.head_dim() * size_of::<f32>()
    }

    /// Merged rows and columns of an image's visual tokens.
    fn merged(&self, patches: &Patches) -> (usize, usize) {
        let merge = self.config.vision.spatial_merge_size;
        (patches.grid[1] / merge, patches.grid[2] / merge)
    }
}

/// Images ready for the vision tower, by content hash. Processing happens once per distinct image.
#[derive(Clone, Default)]
pub struct ImageStore {
    patches: BTreeMap<ImageId, Arc<Patches>>,
    /// The patches are not those of the images they are named after, so what the tower says of them must
    /// not be kept under that name.
    spoilt: bool,
}

impl ImageStore {
    /// Processes `images` that are not there yet, in parallel; each of them is processed by one thread.
    ///
    /// # Errors
    /// When an image cannot be processed (see the processor's errors).
    pub fn add<'a>(
        &mut self,
        processor: &ImageProcessor,
        images: impl IntoIterator<Item = &'a eyas_core::Image>,
    ) -> Result<(), PolicyError> {
        use rayon::prelude::*;
        let mut fresh: BTreeMap<ImageId, &eyas_core::Image> = BTreeMap::new();
        for image in images {
            if !self.patches.contains_key(&image.id()) {
                fresh.insert(image.id(), image);
            }
        }
        let fresh: Vec<_> = fresh.into_iter().collect();
        let done = fresh
            .par_iter()
            .map(|(id, image)| Ok((*id, Arc::new(processor.process(image)?))))
            .collect::<Result<Vec<_>, PolicyError>>()?;
        self.patches.extend(done);
        Ok(())
    }

    /// The same images, spoilt; each has a stream of its own in `seed`, whatever images there are beside it.
    pub fn corrupted(&self, processor: &ImageProcessor, corruption: Corruption, seed: Seed) -> Self {
        use rayon::prelude::*;
        let spoil = |(id, patches): (&ImageId, &Arc<Patches>)| {
            (*id, Arc::new(processor.corrupt(patches, corruption, seed.split("image", id.stream()))))
        };
        let images: Vec<(&ImageId, &Arc<Patches>)> = self.patches.iter().collect();
        let patches = images.into_par_iter().map(spoil).collect();
        Self { patches, spoilt: true }
    }

    /// Takes in the images of another store.
    pub fn append(&mut self, other: Self) {
        self.patches.extend(other.patches);
        self.spoilt |= other.spoilt;
    }

    /// Adds patches that were made elsewhere.
    pub fn insert(&mut self, id: ImageId, patches: Patches) {
        self.patches.insert(id, Arc::new(patches));
    }

    /// The patches of an image.
    pub fn get(&self, id: ImageId) -> Option<&Arc<Patches>> {
        self.patches.get(&id)
    }

    /// Forgets all images.
    pub fn clear(&mut self) {
        self.patches.clear();
    }
}
