//! Scoring trajectories, and accumulating the gradient of a loss that sees only the scores.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use burn::tensor::{Device, Int, Tensor, TensorData};
use eyas_core::Trajectory;

use super::pack::{Origin, Packed, Targets, pack};
use super::{ImageStore, Policy, PolicyError};
use crate::arch::{Tensors, VisionBatch, text_rope};
use crate::ops::{HeadOptions, attention, head};

/// How scores are computed.
#[derive(Clone, Debug)]
pub struct ScoreOptions {
    /// Which tokens.
    pub targets: Targets,
    /// The temperature that sampling used: log-probs are of the distribution that was sampled from.
    pub temperature: f32,
    /// Tokens the sampler could never produce.
    pub forbidden: Arc<[u32]>,
}

impl Default for ScoreOptions {
    fn default() -> Self {
        Self { targets: Targets::Sampled, temperature: 1.0, forbidden: Arc::from([]) }
    }
}

/// Scores of the wanted tokens, in the order (group, member, token).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scored {
    /// Where each token came from.
    pub origins: Vec<Origin>,
    /// Log-probability of each token.
    pub logprobs: Vec<f32>,
    /// Entropy of the distribution each token was drawn from, in nats.
    pub entropies: Vec<f32>,
}

/// The derivative of a loss by each score.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Upstream {
    /// By log-probability.
    pub d_logprobs: Vec<f32>,
    /// By entropy; empty: all zero.
    pub d_entropies: Vec<f32>,
}

impl Policy {
    /// Scores the tokens of `groups`. The members of a group share the work of their common prompt.
    ///
    /// # Errors
    /// [`PolicyError`] when a trajectory does not fit the model or its images.
    pub fn score(
        &self,
        groups: &[Vec<&Trajectory>],
        images: &ImageStore,
        options: &ScoreOptions,
    ) -> Result<Scored, PolicyError> {
        let packed = self.pack(groups, images, options)?;
        let scores = self.forward(self.weights(), &packed, images, options)?;
        Ok(scored(packed.origins, &read(scores)))
    }

    /// Scores the tokens, asks `loss` for its derivatives, and adds the gradient of the loss to the
    /// accumulated gradients. One forward and one backward pass.
    ///
    /// # Errors
    /// [`PolicyError`] as [`Policy::score`], or when `loss` gives the wrong number of derivatives;
    /// whatever error `loss` gives. Nothing is accumulated then.
    pub fn accumulate<E: From<PolicyError>>(
        &mut self,
        groups: &[Vec<&Trajectory>],
        images: &ImageStore,
        options: &ScoreOptions,
        loss: impl FnOnce(&Scored) -> Result<Upstream, E>,
    ) -> Result<Scored, E> {
        let clock = Instant::now();
        let packed = self.pack(groups, images, options)?;
        let tracked = self.params.tensors(&self.device.clone().autodiff(), |name| self.trains(name));
        let scores = self.forward(&tracked, &packed, images, options)?;
        let result = scored(packed.origins, &read(scores.clone()));
        self.seconds.forward += clock.elapsed().as_secs_f64();
        let upstream = loss(&result)?;
        let clock = Instant::now();
        let expected = result.logprobs.len();
        let got = upstream.d_logprobs.len();
        if got != expected || !(upstream.d_entropies.is_empty() || upstream.d_entropies.len() == expected) {
            return Err(PolicyError::Upstream { expected, got }.into());
        }
        let flat: Vec<f32> = (0..expected)
            .flat_map(|i| [upstream.d_logprobs[i], upstream.d_entropies.get(i).copied().unwrap_or(0.0)])
            .collect();
        let upstream = Tensor::<2>::from_data(TensorData::new(flat, [expected, 2]), &scores.device());
        let mut gradients = (scores * upstream).sum().backward();
        if self.grads.is_empty() {
            self.grads = vec![Vec::new(); self.params.entries().len()];
        }
        for ((tensor, param), sum) in tracked.all().iter().zip(self.params.entries()).zip(&mut self.grads) {
            if self.frozen.iter().any(|prefix| param.name.starts_with(prefix.as_str())) {
                continue;
            }
            // A tower that saw no image has no gradient in this batch: it stays as it is.
            let Some(gradient) = tensor.grad_remove(&mut gradients) else { continue };
            let gradient = read(gradient);
            if sum.is_empty() {
                *sum = gradient;
            } else {
                crate::ops::simd::add(sum, &gradient);
            }
        }
        self.seconds.backward += clock.elapsed().as_secs_f64();
        Ok(result)
    }

    fn pack(
        &self,
        groups: &[Vec<&Trajectory>],
        images: &ImageStore,
        options: &ScoreOptions,
    ) -> Result<Packed, PolicyError> {
        let (vocab, context) = (self.config.text.vocab_size, self.config.text.max_position_embeddings);
        for trajectory in groups.iter().flatten() {
            if trajectory.len() > context {
                return Err(PolicyError::Context { length: trajectory.len(), context });
            }
        }
        let packed = pack(groups, options.targets, &|id| images.get(id).map(|p| self.merged(p)))?;
        if let Some(&id) = packed.ids.iter().find(|id| **id as usize >= vocab) {
            return Err(PolicyError::Token { id, vocab });
        }
        if packed.targets.is_empty() {
            return Err(PolicyError::NothingToScore);
        }
        Ok(packed)
    }

    fn forward(
        &self,
        w: &Tensors,
        packed: &Packed,
        images: &ImageStore,
        options: &ScoreOptions,
    ) -> Result<Tensor<2>, PolicyError> {
        let device = self.text.head_weight(w).device();
        let features = self.visual_tokens(w, packed, images, &device)?;
        let embedded = self.text.embed(w, &packed.ids, &packed.visual, features);
        let rope = text_rope(&self.config.text, &packed.positions);
        let segments = Arc::new(packed.segments.clone());
        let hidden = self.text.forward(w, embedded, |_, q, k, v| attention(q, k, v, &rope, &segments));
        let rows = TensorData::new(packed.target_rows.clone(), [packed.target_rows.len()]);
        let hidden = hidden.select(0, Tensor::<1, Int>::from_data(rows, &device));
        // A target that sampling could not produce would score −∞; text that others wrote may hold
        // such tokens, so only tokens that are no target of this batch are taken out.
        let present: BTreeSet<u32> = packed.targets.iter().copied().collect();
        let forbidden = options.forbidden.iter().copied().filter(|id| !present.contains(id)).collect();
        let head_options =
            HeadOptions { temperature: options.temperature, forbidden, precision: self.text.precision };
        Ok(head(hidden, self.text.head_weight(w), Arc::from(packed.targets.as_slice()), &head_options))
    }
}

impl Policy {
    /// Visual tokens of the batch's images, one image after the other; `None` where there is no image.
    fn visual_tokens(
        &self,
        w: &Tensors,
        packed: &Packed,
        images: &ImageStore,
        device: &Device,
    ) -> Result<Option<Tensor<2>>, PolicyError> {
        if packed.images.is_empty() {
            return Ok(None);
        }
        if self.vision_frozen {
            let features = self.encode(packed.images.iter().copied(), images)?;
            let data: Vec<f32> =
                packed.images.iter().flat_map(|id| features[id].data.iter().copied()).collect();
            let width = self.config.vision.out_hidden_size;
            let shape = [data.len() / width, width];
            return Ok(Some(Tensor::from_data(TensorData::new(data, shape), device)));
        }
        let mut patches = Vec::with_capacity(packed.images.len());
        for &id in &packed.images {
            patches.push(images.get(id).ok_or(PolicyError::MissingImage { id })?.as_ref());
        }
        Ok(Some(self.vision.forward(w, &VisionBatch::new(&self.config.vision, &patches), device)))
    }
}

fn scored(origins: Vec<Origin>, flat: &[f32]) -> Scored {
    Scored {
        origins,
        logprobs: flat.chunks_exact(2).map(|c| c[0]).collect(),
        entropies: flat.chunks_exact(2).map(|c| c[1]).collect(),
    }
}

pub(super) fn read(tensor: Tensor<2>) -> Vec<f32> {
    // Every tensor of this crate is f32 by construction.
    tensor.into_data().try_into_vec::<f32>().unwrap_or_default()
}
