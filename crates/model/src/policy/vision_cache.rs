//! Visual tokens of images, encoded once.

use std::collections::BTreeMap;
use std::sync::Arc;

use eyas_core::ImageId;

use super::score::read;
use super::{ImageStore, Policy, PolicyError};
use crate::arch::VisionBatch;
use crate::processor::Patches;

/// The visual tokens of one image.
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    /// The image.
    pub id: ImageId,
    /// Rows and columns of the merged grid.
    pub grid: (usize, usize),
    /// `[rows·cols, hidden]`.
    pub(crate) data: Arc<[f32]>,
}

impl Features {
    /// Number of visual tokens.
    pub fn tokens(&self) -> usize {
        self.grid.0 * self.grid.1
    }
}

impl Policy {
    /// Encodes images with the present weights, all in one pass. An id that occurs twice is encoded once.
    ///
    /// # Errors
    /// [`PolicyError::MissingImage`] when `images` lacks one of `ids`.
    pub fn encode(
        &self,
        ids: impl IntoIterator<Item = ImageId>,
        images: &ImageStore,
    ) -> Result<BTreeMap<ImageId, Features>, PolicyError> {
        let mut distinct: BTreeMap<ImageId, &Patches> = BTreeMap::new();
        for id in ids {
            distinct.insert(id, images.get(id).ok_or(PolicyError::MissingImage { id })?.as_ref());
        }
        if distinct.is_empty() {
            return Ok(BTreeMap::new());
        }
        let patches: Vec<&Patches> = distinct.values().copied().collect();
        let batch = VisionBatch::new(&self.config.vision, &patches);
        let data = read(self.vision.forward(self.weights(), &batch, &self.device));
        let hidden = self.config.vision.out_hidden_size;
        let mut start = 0;
        Ok(distinct
            .into_iter()
            .map(|(id, patches)| {
                let grid = self.merged(patches);
                let len = grid.0 * grid.1 * patches.grid[0] * hidden;
                start += len;
                (id, Features { id, grid, data: Arc::from(&data[start - len..start]) })
            })
            .collect())
    }
}
