//! Sampling with cached keys and values.
//!
//! A [`Decoder`] holds open sequences. [`Decoder::extend`] feeds each of them new tokens, any number,
//! and gives the logits after the last one; so prefill and decoding are the same call, and sequences
//! of different lengths and turns share one pass through the dense layers. [`Decoder::fork`] copies a
//! sequence without copying its cache: the common prompt of a group is kept once. Forks that are fed the
//! same stay one sequence until they part: what members of a group all say is computed once.

mod cache;
pub(crate) mod fast;
mod plain;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cache::{Chunk, Sequence};

use super::vision_cache::Features;
use super::{Policy, PolicyError};
use crate::DeviceKind;
use crate::arch::Positions;
use crate::ops::key_values::KeyValues;

/// A piece of input.
#[derive(Clone, Debug, PartialEq)]
pub enum Feed {
    /// Token ids.
    Text(Vec<u32>),
    /// An image, as its visual tokens.
    Image(Features),
}

/// An open sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequenceId(usize);

/// Open sequences over one policy.
pub struct Decoder<'p> {
    policy: &'p Policy,
    /// Forks that were fed the same in the same passes are one.
    sequences: Vec<Option<Arc<Sequence>>>,
    free: Vec<usize>,
    plain: bool,
    rows: usize,
}

impl<'p> Decoder<'p> {
    /// A decoder without sequences. On the host its passes run over slices, on another device on tensors.
    pub fn new(policy: &'p Policy) -> Self {
        let plain = policy.device_kind != DeviceKind::Cpu;
        Self { policy, sequences: Vec::new(), free: Vec::new(), plain, rows: 0 }
    }

    /// A decoder that computes every pass on tensors: the plain twin of the passes over slices.
    pub fn plain(policy: &'p Policy) -> Self {
        Self { plain: true, ..Self::new(policy) }
    }

    /// An empty sequence.
    pub fn open(&mut self) -> SequenceId {
        let empty = self.nothing();
        let prefix = Arc::new(empty.clone());
        self.place(Arc::new(Sequence { prefix, tail: empty, positions: Positions::default(), len: 0 }))
    }

    /// `n` sequences that continue `id`, which is closed. What it holds so far is shared, not copied.
    ///
    /// # Errors
    /// [`PolicyError::Closed`].
    pub fn fork(&mut self, id: SequenceId, n: usize) -> Result<Vec<SequenceId>, PolicyError> {
        let Sequence { prefix, tail, positions, len } = Arc::unwrap_or_clone(self.take(id)?);
        let prefix = if prefix.iter().all(KeyValues::is_empty) {
            Arc::new(tail)
        } else {
            // Forking a fork: one copy joins both parts.
            let mut joined = Vec::clone(&prefix);
            joined.iter_mut().zip(&tail).for_each(|(joined, tail)| joined.append(tail));
            Arc::new(joined)
        };
        let fork = Arc::new(Sequence { prefix, tail: self.nothing(), positions, len });
        Ok((0..n).map(|_| self.place(fork.clone())).collect())
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

    /// Rows that went through the layers so far: tokens, those that several sequences share once.
    pub fn rows(&self) -> usize {
        self.rows
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
        let config = &self.policy.config;
        let (params, text) = (&self.policy.params, &self.policy.text);
        let mut chunks = Vec::with_capacity(feeds.len());
        let lots = self.lots(feeds);
        for lot in &lots {
            let (id, feed) = &feeds[lot[0]];
            let shared = self.sequences[id.0].as_ref().ok_or(PolicyError::Closed(id.0))?.clone();
            // Whoever is fed the same lets go of it; a copy is made only if others go another way.
            lot.iter().for_each(|&item| self.sequences[feeds[item].0.0] = None);
            let mut sequence = Arc::unwrap_or_clone(shared);
            let mut rows = Vec::new();
            for piece in feed {
                match piece {
                    Feed::Text(ids) => {
                        ids.iter().for_each(|&id| rows.extend_from_slice(text.embedding(params, id)));
                        sequence.positions.text(ids.len());
                    }
                    Feed::Image(image) => {
                        rows.extend_from_slice(&image.data);
                        sequence.positions.image(image.grid.0, image.grid.1);
                    }
                }
            }
            let positions = sequence.positions.take_rows();
            sequence.len += positions.len();
            self.rows += positions.len();
            chunks.push(Chunk { sequence, positions, rows });
        }
        let vocab = config.text.vocab_size;
        let logits = if self.plain {
            plain::extend(self.policy, &mut chunks)
        } else {
            let mut logits = vec![0.0; chunks.len() * vocab];
            self.policy.fast_text().extend(&config.text, params, &mut chunks, &mut logits);
            logits
        };
        let mut rows = vec![0; feeds.len()];
        for (row, (lot, chunk)) in lots.iter().zip(chunks).enumerate() {
            let sequence = Arc::new(chunk.sequence);
            for &item in lot {
                self.sequences[feeds[item].0.0] = Some(sequence.clone());
                rows[item] = row;
            }
        }
        if lots.len() == feeds.len() {
            return Ok(logits);
        }
        Ok(rows.into_iter().flat_map(|row| &logits[row * vocab..][..vocab]).copied().collect())
    }

    /// The items in lots that continue one sequence in the same way, by the first of each.
    fn lots(&self, feeds: &[(SequenceId, Vec<Feed>)]) -> Vec<Vec<usize>> {
        let mut lots: Vec<Vec<usize>> = Vec::new();
        let mut of_sequence: BTreeMap<*const Sequence, Vec<usize>> = BTreeMap::new();
        for (item, (id, feed)) in feeds.iter().enumerate() {
            let held =
                self.sequences.get(id.0).and_then(Option::as_ref).map_or(std::ptr::null(), Arc::as_ptr);
            let known = of_sequence.entry(held).or_default();
            match known.iter().find(|lot| feeds[lots[**lot][0]].1 == *feed) {
                Some(&lot) => lots[lot].push(item),
                None => {
                    known.push(lots.len());
                    lots.push(vec![item]);
                }
            }
        }
        lots
    }

    fn check(&self, feeds: &[(SequenceId, Vec<Feed>)]) -> Result<(), PolicyError> {
        let text = &self.policy.config.text;
        let mut fed = BTreeSet::new();
        for (id, feed) in feeds {
            let sequence =
                self.sequences.get(id.0).and_then(Option::as_ref).ok_or(PolicyError::Closed(id.0))?;
            if !fed.insert(id.0) {
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

    /// Keys and values of no token, by layer.
    fn nothing(&self) -> Vec<KeyValues> {
        let config = &self.policy.config.text;
        vec![KeyValues::new(config.num_key_value_heads * config.head_dim()); self.policy.text.layers()]
    }

    fn place(&mut self, sequence: Arc<Sequence>) -> SequenceId {
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

    fn take(&mut self, id: SequenceId) -> Result<Arc<Sequence>, PolicyError> {
        let sequence =
            self.sequences.get_mut(id.0).and_then(Option::take).ok_or(PolicyError::Closed(id.0))?;
        self.free.push(id.0);
        Ok(sequence)
    }
}
