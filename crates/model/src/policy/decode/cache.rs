//! What a sequence remembers.

use std::sync::Arc;

use crate::arch::Positions;

/// Keys (rotated) and values of one layer, `[tokens, kv_heads·d]` each.
#[derive(Clone, Default)]
pub(super) struct LayerCache {
    pub(super) keys: Vec<f32>,
    pub(super) values: Vec<f32>,
}

/// Keys and values of a sequence: what it shares with its siblings, then its own.
#[derive(Clone)]
pub(super) struct Sequence {
    pub(super) prefix: Arc<Vec<LayerCache>>,
    pub(super) tail: Vec<LayerCache>,
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
