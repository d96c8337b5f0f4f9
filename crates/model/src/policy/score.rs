//! Scoring trajectories, and accumulating the gradient of a loss that sees only the scores.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use burn::tensor::{Device, Tensor, TensorData};
use eyas_core::Trajectory;
use rayon::prelude::*;

use super::lanes::side_by_side;
use super::pack::{Origin, Origins, Packed, Targets, pack};
use super::parts::{Costs, Members, parts};
use super::{ImageStore, Policy, PolicyError};
use crate::DeviceKind;
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
    /// What the value head says of the state before each token, with [`Targets::End`] of the state behind it;
    /// empty without a head.
    pub values: Vec<f32>,
}

/// States of the decoder, in the order (group, member, token).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct States {
    /// Which token each belongs to.
    pub origins: Vec<Origin>,
    /// `[N, width]`, row-major.
    pub rows: Vec<f32>,
    /// Numbers in a state.
    pub width: usize,
}

/// The derivative of a loss by each score.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Upstream {
    /// By log-probability.
    pub d_logprobs: Vec<f32>,
    /// By entropy; empty: all zero.
    pub d_entropies: Vec<f32>,
    /// By value; empty: all zero.
    pub d_values: Vec<f32>,
}

impl Policy {
    /// Scores the tokens of `groups`. What members of a group begin with, prompt or answer, is computed once.
    ///
    /// # Errors
    /// [`PolicyError`] when a trajectory does not fit the model or its images.
    pub fn score(
        &self,
        groups: &[Vec<&Trajectory>],
        images: &ImageStore,
        options: &ScoreOptions,
    ) -> Result<Scored, PolicyError> {
        let parts = self.pack(groups, images, options)?;
        let forbidden = forbidden(&parts, options);
        let run = |packed: Packed| {
            let scores = self.forward(self.weights(), &packed, images, options, &forbidden)?;
            Ok(self.scored(&packed.origins, &read(scores)))
        };
        let scored: Result<Vec<Scored>, PolicyError> = side_by_side(parts, run).into_iter().collect();
        let scored = scored?;
        Ok(joined(&scored.iter().collect::<Vec<_>>()).0)
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
        // The sampler's copy of the weights will be out of date after this; its memory is better used here.
        self.fast_text = OnceLock::new();
        let parts = self.pack(groups, images, options)?;
        let forbidden = forbidden(&parts, options);
        let run = |packed: Packed| {
            let weights = self.weights().tracked(&self.params, |name| self.trains(name));
            let scores = self.forward(&weights, &packed, images, options, &forbidden)?;
            let scored = self.scored(&packed.origins, &read(scores.clone()));
            Ok(Part { weights, scores, scored, places: packed.origins.places })
        };
        // Made here, not by the first part that asks for it while others wait.
        self.weights();
        let parts: Result<Vec<Part>, PolicyError> = side_by_side(parts, run).into_iter().collect();
        let parts = parts?;
        let (result, places) = joined(&parts.iter().map(|part| &part.scored).collect::<Vec<_>>());
        self.seconds.forward += clock.elapsed().as_secs_f64();
        let upstream = loss(&result)?;
        let clock = Instant::now();
        let expected = result.logprobs.len();
        let got = upstream.d_logprobs.len();
        let fits = |d: &[f32]| d.is_empty() || d.len() == expected;
        let headless = !upstream.d_values.is_empty() && !self.has_value_head();
        if got != expected || !fits(&upstream.d_entropies) || !fits(&upstream.d_values) || headless {
            return Err(PolicyError::Upstream { expected, got }.into());
        }
        let columns = self.columns();
        let mut flats: Vec<Vec<f32>> =
            parts.iter().map(|part| Vec::with_capacity(part.scored.logprobs.len() * columns)).collect();
        // The tokens of a part come in the order in which they are in the whole.
        for (i, part) in places.into_iter().enumerate() {
            let or_zero = |d: &[f32]| d.get(i).copied().unwrap_or(0.0);
            let row = [upstream.d_logprobs[i], or_zero(&upstream.d_entropies), or_zero(&upstream.d_values)];
            flats[part].extend_from_slice(&row[..columns]);
        }
        let parts = parts.into_iter().zip(flats).collect();
        let gradients = side_by_side(parts, |(part, upstream): (Part, _)| part.backward(&upstream, columns));
        self.add_gradients(gradients);
        self.seconds.backward += clock.elapsed().as_secs_f64();
        Ok(result)
    }

    /// Adds the gradients of parts, in their order. A parameter without one stays as it is: it is frozen, or it
    /// is the vision tower's and there was no image.
    fn add_gradients(&mut self, parts: Vec<Vec<Option<Vec<f32>>>>) {
        self.grads.resize(self.params.entries().len(), Vec::new());
        let mut by_parameter: Vec<Vec<Vec<f32>>> = self.grads.iter().map(|_| Vec::new()).collect();
        for part in parts {
            for (all, gradient) in by_parameter.iter_mut().zip(part) {
                all.extend(gradient);
            }
        }
        self.grads.par_iter_mut().zip(by_parameter).for_each(|(sum, parts)| {
            for part in parts {
                if sum.is_empty() {
                    *sum = part;
                } else {
                    crate::ops::simd::add(sum, &part);
                }
            }
        });
    }

    /// What a pass costs.
    fn costs(&self) -> Costs {
        let parameters = |tower: bool| -> usize {
            let of = self.params.entries().iter().filter(|p| p.name.starts_with("visual.") == tower);
            of.map(|p| p.value.len()).sum()
        };
        let (text, vision) = (parameters(false), parameters(true));
        let patches = self.config.vision.spatial_merge_size.pow(2);
        let image = if self.vision_frozen { text } else { text + patches * vision };
        Costs { parameters: text + vision, text, image }
    }

    /// The parts of a batch, each packed; those without a token to score are left out.
    fn pack(
        &self,
        groups: &[Vec<&Trajectory>],
        images: &ImageStore,
        options: &ScoreOptions,
    ) -> Result<Vec<Packed>, PolicyError> {
        let (vocab, context) = (self.config.text.vocab_size, self.config.text.max_position_embeddings);
        for trajectory in groups.iter().flatten() {
            if trajectory.len() > context {
                return Err(PolicyError::Context { length: trajectory.len(), context });
            }
        }
        let parts = match self.device_kind {
            DeviceKind::Cpu => parts(groups, self.costs()),
            DeviceKind::Gpu => vec![groups.iter().map(|g| (0..g.len()).collect()).enumerate().collect()],
        };
        let run = |part: Vec<Members>| -> Result<Packed, PolicyError> {
            let own: Vec<Vec<&Trajectory>> = part
                .iter()
                .map(|(group, members)| members.iter().map(|m| groups[*group][*m]).collect())
                .collect();
            let mut packed = pack(&own, options.targets, &|id| images.get(id).map(|p| self.merged(p)))?;
            for origin in &mut packed.origins.tokens {
                let (group, members) = &part[origin.group];
                (origin.group, origin.member) = (*group, members[origin.member]);
            }
            match packed.ids.iter().chain(&packed.targets).find(|id| **id as usize >= vocab) {
                Some(&id) => Err(PolicyError::Token { id, vocab }),
                None => Ok(packed),
            }
        };
        let packed: Result<Vec<Packed>, PolicyError> = side_by_side(parts, run).into_iter().collect();
        let mut packed = packed?;
        packed.retain(|part| !part.targets.is_empty());
        if packed.is_empty() { Err(PolicyError::NothingToScore) } else { Ok(packed) }
    }

    /// The decoder's states at the tokens that `targets` names. What members of a group begin with is computed
    /// once.
    ///
    /// # Errors
    /// As [`Policy::score`].
    pub fn states(
        &self,
        groups: &[Vec<&Trajectory>],
        images: &ImageStore,
        targets: Targets,
    ) -> Result<States, PolicyError> {
        let parts = self.pack(groups, images, &ScoreOptions { targets, ..ScoreOptions::default() })?;
        let width = self.config.text.hidden_size;
        let run = |packed: Packed| -> Result<_, PolicyError> {
            let rows = read(self.hidden(self.weights(), &packed, images)?);
            Ok((packed.origins, rows))
        };
        let parts: Result<Vec<(Origins, Vec<f32>)>, PolicyError> =
            side_by_side(parts, run).into_iter().collect();
        let parts = parts?;
        let mut all: Vec<(Origin, &[f32])> = Vec::new();
        for (origins, rows) in &parts {
            let row = |place: &usize| &rows[place * width..][..width];
            all.extend(origins.tokens.iter().copied().zip(origins.places.iter().map(row)));
        }
        all.sort_by_key(|(origin, _)| origin.place());
        let (origins, rows): (Vec<Origin>, Vec<&[f32]>) = all.into_iter().unzip();
        Ok(States { width, origins, rows: rows.concat() })
    }

    /// The last states of the decoder, normalised, at the rows of the targets: `[N, D]`.
    fn hidden(&self, w: &Tensors, packed: &Packed, images: &ImageStore) -> Result<Tensor<2>, PolicyError> {
        let device = self.text.head_weight(w).device();
        let features = self.visual_tokens(w, packed, images, &device)?;
        let embedded = self.text.embed(w, &packed.ids, &packed.visual, features);
        let rope = text_rope(&self.config.text, &packed.positions);
        let segments = Arc::new(packed.segments.clone());
        let heads = self.text.kv_heads();
        let mix = |_, qkv| attention(qkv, heads, &rope, &segments);
        Ok(self.text.forward(w, embedded, &packed.target_rows, mix))
    }

    fn forward(
        &self,
        w: &Tensors,
        packed: &Packed,
        images: &ImageStore,
        options: &ScoreOptions,
        forbidden: &Arc<[u32]>,
    ) -> Result<Tensor<2>, PolicyError> {
        let hidden = self.hidden(w, packed, images)?;
        let head_options = HeadOptions {
            temperature: options.temperature,
            forbidden: forbidden.clone(),
            precision: self.text.precision,
        };
        let targets = Arc::from(packed.targets.as_slice());
        let scores = head(hidden.clone(), self.text.head_weight(w), targets, &head_options);
        Ok(match &self.value_head {
            Some(value) => Tensor::cat(vec![scores, value.forward(w, hidden)], 1),
            None => scores,
        })
    }

    /// Numbers that a forward pass gives for each token: log-prob, entropy and, with a head, value.
    fn columns(&self) -> usize {
        2 + usize::from(self.has_value_head())
    }

    fn scored(&self, origins: &Origins, of_targets: &[f32]) -> Scored {
        let flat = of_tokens(origins, of_targets, self.columns());
        let column = |c: usize| flat.chunks_exact(self.columns()).map(|row| row[c]).collect();
        let values = if self.has_value_head() { column(2) } else { Vec::new() };
        Scored { origins: origins.tokens.clone(), logprobs: column(0), entropies: column(1), values }
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

/// A part of a batch between its forward and its backward pass.
struct Part {
    weights: Tensors,
    /// What the pass gives, with its graph.
    scores: Tensor<2>,
    scored: Scored,
    /// Which row of the scores each scored token is.
    places: Vec<usize>,
}

impl Part {
    /// The gradient by every parameter, from the derivatives by every score.
    fn backward(self, upstream: &[f32], columns: usize) -> Vec<Option<Vec<f32>>> {
        let shape = self.scores.dims();
        let mut sums = vec![0.0; shape[0] * columns];
        for (place, row) in self.places.iter().zip(upstream.chunks_exact(columns)) {
            sums[place * columns..][..columns].iter_mut().zip(row).for_each(|(sum, d)| *sum += d);
        }
        let upstream = Tensor::<2>::from_data(TensorData::new(sums, shape), &self.scores.device());
        let mut gradients = (self.scores * upstream).sum().backward();
        self.weights.all().iter().map(|tensor| tensor.grad_remove(&mut gradients).map(read)).collect()
    }
}

/// The row of `of_targets` of each token that was asked for, one after the other.
fn of_tokens(origins: &Origins, of_targets: &[f32], columns: usize) -> Vec<f32> {
    origins.places.iter().flat_map(|place| &of_targets[place * columns..][..columns]).copied().collect()
}

/// Tokens that are taken out of every distribution of a batch. A target that sampling could not produce would
/// score −∞; text that others wrote may hold such tokens, so only tokens that are no target of the batch are.
fn forbidden(parts: &[Packed], options: &ScoreOptions) -> Arc<[u32]> {
    let present: BTreeSet<u32> = parts.iter().flat_map(|part| part.targets.iter().copied()).collect();
    options.forbidden.iter().copied().filter(|id| !present.contains(id)).collect()
}

/// The scores of all parts in the order (group, member, token), and the part that each is of.
fn joined(parts: &[&Scored]) -> (Scored, Vec<usize>) {
    let of_part =
        |(n, part): (usize, &&Scored)| (0..part.origins.len()).map(move |i| (n, i)).collect::<Vec<_>>();
    let mut order: Vec<(usize, usize)> = parts.iter().enumerate().flat_map(of_part).collect();
    // Stable: a token that is asked twice, before and behind, keeps its order.
    order.sort_by_key(|&(n, i)| parts[n].origins[i].place());
    let column = |of: fn(&Scored) -> &[f32]| -> Vec<f32> {
        order.iter().filter_map(|&(n, i)| of(parts[n]).get(i)).copied().collect()
    };
    let all = Scored {
        origins: order.iter().map(|&(n, i)| parts[n].origins[i]).collect(),
        logprobs: column(|s| &s.logprobs),
        entropies: column(|s| &s.entropies),
        values: column(|s| &s.values),
    };
    (all, order.into_iter().map(|(n, _)| n).collect())
}

pub(super) fn read(tensor: Tensor<2>) -> Vec<f32> {
    // Every tensor of this crate is f32 by construction.
    tensor.into_data().try_into_vec::<f32>().unwrap_or_default()
}
