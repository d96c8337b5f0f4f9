//! Cuts images into the rows that the vision tower reads.

use super::resample::{Band, bands};
use super::transpose::LANE;
use super::{ImageProcessor, Patches};
use crate::ops::simd::vectorised;

impl ImageProcessor {
    /// Resizes to a size that can be cut, normalises, and lays the patches out in merge-block order. Sizes
    /// are (width, height).
    pub(super) fn patchify(&self, pixels: &[u8], from: (u32, u32), to: (u32, u32)) -> Patches {
        let (patch, merge) = (self.config.patch_size, self.config.merge_size);
        let grid = [1, to.1 as usize / patch, to.0 as usize / patch];
        let row_len = 3 * self.config.temporal_patch_size * patch * patch;
        let mut rows = Vec::with_capacity(grid[1] * grid[2] * row_len);
        // A lane more, see `gather`.
        let mut block = vec![0; merge * merge * 3 * patch * patch + LANE];
        bands(pixels, from, to, merge * patch, |band| {
            for left in (0..grid[2] * patch).step_by(merge * patch) {
                self.gather(&mut block, band, left);
                self.append(&mut rows, &block[..block.len() - LANE]);
            }
        });
        Patches { rows, row_len, grid }
    }

    /// The bytes of a merge block that starts at pixel `left`: patch, channel, row, column.
    fn gather(&self, block: &mut [u8], band: &Band<'_>, left: usize) {
        let (patch, merge) = (self.config.patch_size, self.config.merge_size);
        let mut to = 0;
        for index in 0..merge * merge {
            let (top, left) = (index / merge * patch, left + index % merge * patch);
            for channel in 0..3 {
                // Whole lanes are copied, and what is too much is overwritten by the next row.
                for from in band.rows(top, channel, left).take(patch) {
                    let mut x = 0;
                    while x < patch {
                        block[to + x..][..LANE].copy_from_slice(&from[x..][..LANE]);
                        x += LANE;
                    }
                    to += patch;
                }
            }
        }
    }

    /// Appends the values of a block of patches. A still image is the same frame repeated.
    ///
    /// Values are computed anew for each frame, as they can then be written in the order of their addresses:
    /// copying the frame before, or writing to two frames in turn, waits for memory.
    fn append(&self, rows: &mut Vec<f32>, block: &[u8]) {
        let area = self.config.patch_size * self.config.patch_size;
        vectorised(
            #[inline(always)]
            || {
                for patch in block.chunks_exact(3 * area) {
                    for (channel, levels) in patch.chunks_exact(area).zip(self.levels) {
                        for _ in 0..self.config.temporal_patch_size {
                            match levels.inverse {
                                Some(inverse) => rows.extend(channel.iter().map(
                                    #[inline(always)]
                                    |&level| levels.value_by_inverse(level, inverse),
                                )),
                                None => rows.extend(channel.iter().map(
                                    #[inline(always)]
                                    |&level| levels.value(level),
                                )),
                            }
                        }
                    }
                }
            },
        );
    }
}
