//! Sampling with cached keys and values.
//!
//! A [`Decoder`] holds open sequences. [`Decoder::extend`] feeds each of them new tokens, any number,
//! and gives the logits after the last one; so prefill and decoding are the same call, and sequences
//! of different lengths and turns share one pass through the dense layers. [`Decoder::fork`] copies a
//! sequence without copying its cache: the common prompt of a group is kept once.

use std::sync::Arc;

use burn::tensor::{Int, Tensor, TensorData};
use rayon::prelude::*;

use super::score::read;
use super::vision_cache::Features;
use super::{Policy, PolicyError};
use crate::arch::{Positions, text_rope};
use crate::ops::plain;
use crate::ops::simd::{self, Cached};

/// A piece of input.
#[derive(Clone, Debug)]
pub enum Feed {
    /// Token ids.
    Text(Vec<u32>),
    /// An image, as its visual tokens.
    Image(Features),
}

/// An open sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequenceId(usize);

#[derive(Clone, Default)]
struct LayerCache {
    keys: Vec<f32>,
    values: Vec<f32>,
}

#[derive(Clone)]
struct Sequence {
    prefix: Arc<Vec<LayerCache>>,
    tail: Vec<LayerCache>,
    positions: Positions,
    len: usize,
}

/// Open sequences over one policy.
pub struct Decoder<'p> {
    policy: &'p Policy,
    sequences: Vec<Option<Sequence>>,
    free: Vec<usize>,
}

impl<'p> Decoder<'p> {
    /// A decoder without sequences.
    pub fn new(policy: &'p Policy) -> Self {
        Self { policy, sequences: Vec::new(), free: Vec::new() }
    }

    /// An empty sequence.
    pub fn open(&mut self) -> SequenceId {
        let layers = self.policy.text.layers();
        let empty = vec![LayerCache::default(); layers];
        let prefix = Arc::new(empty.clone());
        self.place(Sequence { prefix, tail: empty, positions: Positions::default(), len: 0 })
    }

    /// `n` sequences that continue `id`, which is closed. What it holds so far is shared, not copied.
    ///
    /// # Errors
    /// [`PolicyError::Closed`].
    pub fn fork(&mut self, id: SequenceId, n: usize) -> Result<Vec<SequenceId>, PolicyError> {
        let sequence = self.take(id)?;
        let prefix = if sequence.prefix.iter().all(|l| l.keys.is_empty()) {
            Arc::new(sequence.tail)
        } else {
            // Forking a fork: one copy joins both parts.
            let joined = sequence.prefix.iter().zip(&sequence.tail).map(|(a, b)| LayerCache {
                keys: [a.keys.as_slice(), &b.keys].concat(),
                values: [a.values.as_slice(), &b.values].concat(),
            });
            Arc::new(joined.collect())
        };
        let tail = vec![LayerCache::default(); prefix.len()];
        Ok((0..n)
            .map(|_| {
                self.place(Sequence {
                    prefix: prefix.clone(),
                    tail: tail.clone(),
                    positions: sequence.positions.clone(),
                    len: sequence.len,
                })
            })
            .collect())
    }

    /// Closes a sequence and frees its cache.
    ///
    /// # Errors
    /// [`PolicyError::Closed`].
    pub fn close(&mut self, id: SequenceId) -> Result<(), PolicyError> {
        self.take(id).map(drop)
    }

    /// Tokens a sequence holds.
    pub fn len(&self, id: SequenceId) -> usize {
        self.sequences.get(id.0).and_then(Option::as_ref).map_or(0, |s| s.len)
    }

    /// True when no sequence is open.
    pub fn is_empty(&self) -> bool {
        self.sequences.iter().all(Option::is_none)
    }

    /// Feeds every listed sequence (each at most once) and gives, per item, the logits `[V]` after its
    /// last token, one row after the other.
    ///
    /// # Errors
    /// [`PolicyError::Context`] when a sequence would outgrow the context, [`PolicyError::Token`] for
    /// an id outside the vocabulary, [`PolicyError::NothingToScore`] for an empty feed. Nothing has
    /// changed then.
    pub fn extend(&mut self, feeds: &[(SequenceId, Vec<Feed>)]) -> Result<Vec<f32>, PolicyError> {
        self.check(feeds)?;
        let policy = self.policy;
        let hidden_size = policy.config.text.hidden_size;
        let (mut ids, mut visual, mut features) = (Vec::new(), Vec::new(), Vec::new());
        let mut chunks = Vec::with_capacity(feeds.len());
        let mut positions = Vec::new();
        for (id, feed) in feeds {
            let Some(sequence) = self.sequences[id.0].as_mut() else { return Err(PolicyError::Closed(id.0)) };
            let start = ids.len();
            for piece in feed {
                match piece {
                    Feed::Text(text) => {
                        ids.extend_from_slice(text);
                        visual.extend(text.iter().map(|_| None));
                        sequence.positions.text(text.len());
                    }
                    Feed::Image(image) => {
                        let first = features.len() / hidden_size;
                        features.extend_from_slice(&image.data);
                        ids.extend((0..image.tokens()).map(|_| policy.config.image_token_id));
                        visual.extend((0..image.tokens()).map(|i| Some(first + i)));
                        sequence.positions.image(image.grid.0, image.grid.1);
                    }
                }
            }
            positions.extend(sequence.positions.take_rows());
            sequence.len += ids.len() - start;
            chunks.push((id.0, start..ids.len()));
        }
        let w = &policy.weights;
        let device = &policy.device;
        let features = (!features.is_empty()).then(|| {
            let rows = features.len() / hidden_size;
            Tensor::<2>::from_data(TensorData::new(features, [rows, hidden_size]), device)
        });
        let embedded = policy.text.embed(w, &ids, &visual, features);
        let rope = text_rope(&policy.config.text, &positions);
        // Each chunk works on its own sequence; taking them out lets threads share the work.
        let mut work: Vec<(std::ops::Range<usize>, Sequence)> = Vec::with_capacity(chunks.len());
        for (slot, rows) in &chunks {
            let sequence = self.sequences[*slot].take().ok_or(PolicyError::Closed(*slot))?;
            work.push((rows.clone(), sequence));
        }
        let hidden = policy.text.forward(w, embedded, |layer, q, k, v| {
            let [rows, q_cols] = q.dims();
            let [_, kv_cols] = k.dims();
            let (q, k, v) = (read(q), read(k), read(v));
            let mut out = vec![0.0; q.len()];
            let mut jobs = Vec::with_capacity(work.len());
            let mut rest = out.as_mut_slice();
            for (range, sequence) in &mut work {
                let (mine, others) = rest.split_at_mut(range.len() * q_cols);
                rest = others;
                jobs.push((range.clone(), &mut sequence.tail[layer], &sequence.prefix[layer], mine));
            }
            jobs.into_par_iter().for_each(|(range, tail, prefix, out)| {
                let half = rope.head_dim / 2;
                let mut query = vec![0.0; q_cols];
                let mut key = vec![0.0; kv_cols];
                let mut scratch = Vec::new();
                for (row, out) in range.zip(out.chunks_exact_mut(q_cols)) {
                    let (cos, sin) = (&rope.cos[row * half..][..half], &rope.sin[row * half..][..half]);
                    let rotate = |out: &mut [f32], x: &[f32]| {
                        for (o, x) in out.chunks_exact_mut(rope.head_dim).zip(x.chunks_exact(rope.head_dim)) {
                            simd::rotate(o, x, cos, sin, 1.0);
                        }
                    };
                    rotate(&mut query, &q[row * q_cols..][..q_cols]);
                    rotate(&mut key, &k[row * kv_cols..][..kv_cols]);
                    tail.keys.extend_from_slice(&key);
                    tail.values.extend_from_slice(&v[row * kv_cols..][..kv_cols]);
                    let parts = [
                        Cached { keys: &prefix.keys, values: &prefix.values },
                        Cached { keys: &tail.keys, values: &tail.values },
                    ];
                    simd::attend_row(out, &query, parts, rope.head_dim, kv_cols, &mut scratch);
                }
            });
            Tensor::from_data(TensorData::new(out, [rows, q_cols]), device)
        });
        for ((slot, _), (_, sequence)) in chunks.iter().zip(work) {
            self.sequences[*slot] = Some(sequence);
        }
        let last: Vec<i64> = chunks.iter().map(|(_, rows)| rows.end as i64 - 1).collect();
        let n = last.len();
        let last = Tensor::<1, Int>::from_data(TensorData::new(last, [n]), device);
        Ok(read(plain::linear(hidden.select(0, last), policy.text.head_weight(w), None)))
    }

    fn check(&self, feeds: &[(SequenceId, Vec<Feed>)]) -> Result<(), PolicyError> {
        let text = &self.policy.config.text;
        for (i, (id, feed)) in feeds.iter().enumerate() {
            let sequence =
                self.sequences.get(id.0).and_then(Option::as_ref).ok_or(PolicyError::Closed(id.0))?;
            if feeds[..i].iter().any(|(other, _)| other == id) {
                return Err(PolicyError::Closed(id.0));
            }
            let mut length = 0;
            for piece in feed {
                match piece {
                    Feed::Text(ids) => {
                        if let Some(&id) = ids.iter().find(|id| **id as usize >= text.vocab_size) {
                            return Err(PolicyError::Token { id, vocab: text.vocab_size });
                        }
                        length += ids.len();
                    }
                    Feed::Image(image) => length += image.tokens(),
                }
            }
            if length == 0 {
                return Err(PolicyError::NothingToScore);
            }
            let (length, context) = (sequence.len + length, text.max_position_embeddings);
            if length > context {
                return Err(PolicyError::Context { length, context });
            }
        }
        Ok(())
    }

    fn place(&mut self, sequence: Sequence) -> SequenceId {
        match self.free.pop() {
            Some(slot) => {
                self.sequences[slot] = Some(sequence);
                SequenceId(slot)
            }
            None => {
                self.sequences.push(Some(sequence));
                SequenceId(self.sequences.len() - 1)
            }
        }
    }

    fn take(&mut self, id: SequenceId) -> Result<Sequence, PolicyError> {
        let sequence =
            self.sequences.get_mut(id.0).and_then(Option::take).ok_or(PolicyError::Closed(id.0))?;
        self.free.push(id.0);
        Ok(sequence)
    }
}
