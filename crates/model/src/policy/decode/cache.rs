//! What a sequence remembers.

use std::sync::Arc;

use crate::arch::Positions;
use crate::ops::key_values::KeyValues;

/// Keys and values of a sequence by layer: what it shares with its siblings, then its own.
#[derive(Clone)]
pub(super) struct Sequence {
    pub(super) prefix: Arc<Vec<KeyValues>>,
    pub(super) tail: Vec<KeyValues>,
    pub(super) positions: Positions,
    pub(super) len: usize,
}

/// New rows of one sequence.
pub(super) struct Chunk {
    pub(super) sequence: Sequence,
    /// Their positions.
    pub(super) positions: Vec<[u32; 3]>,
    /// Their embeddings, `[positions, D]`.
    pub(super) rows: Vec<f32>,
}
