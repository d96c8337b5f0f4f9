//! The image processor of Qwen2-VL and Qwen2.5-VL: an RGB8 image in, normalised patch rows out.
//!
//! Equal to `transformers`' default processor, which resizes with torchvision: the rows are the same
//! bits for every size tried. Its PIL variant rounds the resampling weights at another precision, which
//! moves under 1 % of resized values by one level of 255; and recent Pillow releases resize some shapes
//! down before across, which moves about a quarter of the values, most at hard edges.

mod axis;
mod config;
mod corruption;
mod levels;
mod patches;
#[cfg(test)]
mod plain;
mod resample;
mod smart_resize;
mod strip;
mod transpose;
mod weigh;

use eyas_core::{Image, ImageFrame};
use levels::Levels;

pub use config::{ConfigError, ProcessorConfig};
pub use corruption::Corruption;
pub use smart_resize::{AspectRatioError, MAX_ASPECT_RATIO, smart_resize};

/// Why an image cannot be processed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ProcessorError {
    /// The settings are not usable.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The image is too long and thin, or has a zero side.
    #[error(transparent)]
    AspectRatio(#[from] AspectRatioError),
    /// Resizing is off and the image cannot be cut into whole merge blocks.
    #[error("image of {width}x{height} is not a multiple of {factor} on both sides, and do_resize is off")]
    NotMultiple {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// `patch_size × merge_size`.
        factor: u32,
    },
}

/// The rows that the vision tower reads.
#[derive(Clone, Debug, PartialEq)]
pub struct Patches {
    /// `grid[0] × grid[1] × grid[2]` rows of [`row_len`](Self::row_len) values, one after another. Rows
    /// go merge block by merge block (left to right, top to bottom), and inside a block patch by patch.
    pub rows: Vec<f32>,
    /// `3 × temporal_patch_size × patch_size × patch_size`: channel, frame, row, column, the last fastest.
    pub row_len: usize,
    /// Patches in time, down and across; a still image has 1 in time.
    pub grid: [usize; 3],
}

/// Turns images into patch rows. Cheap to share between threads.
#[derive(Clone, Debug)]
pub struct ImageProcessor {
    config: ProcessorConfig,
    /// What the levels of red, green and blue become.
    levels: [Levels; 3],
}

impl ImageProcessor {
    /// A processor with checked settings.
    ///
    /// # Errors
    /// [`ProcessorError::Config`] when [`ProcessorConfig::validate`] refuses them.
    pub fn new(config: ProcessorConfig) -> Result<Self, ProcessorError> {
        config.validate()?;
        let levels = std::array::from_fn(|channel| Levels::new(&config, channel));
        Ok(Self { config, levels })
    }

    /// The settings.
    pub fn config(&self) -> &ProcessorConfig {
        &self.config
    }

    /// Resizes, normalises and cuts `image` into patches, on the thread that calls.
    ///
    /// # Errors
    /// As [`Self::grid`].
    pub fn process(&self, image: &Image) -> Result<Patches, ProcessorError> {
        let from = (image.width(), image.height());
        let to = self.model_size(from.0, from.1)?;
        Ok(self.patchify(image.pixels(), from, to))
    }

    /// The patch grid (time, down, across) of an image of this size in pixels.
    ///
    /// # Errors
    /// [`ProcessorError::AspectRatio`] when one side is 0 or more than 200 times the other;
    /// [`ProcessorError::NotMultiple`] when resizing is off and the size does not fit.
    pub fn grid(&self, width: u32, height: u32) -> Result<[usize; 3], ProcessorError> {
        let (width, height) = self.model_size(width, height)?;
        let patch = self.config.patch_size;
        Ok([1, height as usize / patch, width as usize / patch])
    }

    /// The number of placeholder tokens an image of this size in pixels occupies: its merge blocks.
    ///
    /// # Errors
    /// As [`Self::grid`].
    pub fn token_count(&self, width: u32, height: u32) -> Result<usize, ProcessorError> {
        let [t, h, w] = self.grid(width, height)?;
        Ok(t * h * w / (self.config.merge_size * self.config.merge_size))
    }

    /// The stored size and the size the model sees, to convert coordinates.
    ///
    /// # Errors
    /// As [`Self::grid`].
    pub fn image_frame(&self, width: u32, height: u32) -> Result<ImageFrame, ProcessorError> {
        Ok(ImageFrame { original: (width, height), model: self.model_size(width, height)? })
    }

    /// The (width, height) in pixels after resizing.
    fn model_size(&self, width: u32, height: u32) -> Result<(u32, u32), ProcessorError> {
        let config = &self.config;
        let factor = config.factor();
        if config.do_resize {
            let (height, width) = smart_resize(height, width, factor, config.min_pixels, config.max_pixels)?;
            return Ok((width, height));
        }
        let whole = |side: u32| side > 0 && side.is_multiple_of(factor);
        match whole(width) && whole(height) {
            true => Ok((width, height)),
            false => Err(ProcessorError::NotMultiple { width, height, factor }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::plain::level_table;
    use super::*;

    fn image(width: u32, height: u32) -> Image {
        let pixels: Vec<u8> = (0..width * height * 3).map(|i| (i * 37 % 251) as u8).collect();
        Image::new(width, height, pixels).unwrap()
    }

    /// Levels unchanged, so that rows can be read as pixels.
    fn raw() -> ProcessorConfig {
        ProcessorConfig { do_rescale: false, do_normalize: false, ..ProcessorConfig::default() }
    }

    #[test]
    fn patches_go_block_by_block() {
        let config = ProcessorConfig { patch_size: 2, min_pixels: 16, ..raw() };
        let picture = image(8, 4);
        let patches = ImageProcessor::new(config).unwrap().process(&picture).unwrap();
        assert_eq!((patches.grid, patches.row_len), ([1, 2, 4], 24));
        // Top-left pixels (x, y) of the eight patches, by hand.
        let corners = [(0, 0), (2, 0), (0, 2), (2, 2), (4, 0), (6, 0), (4, 2), (6, 2)];
        for (row, (x, y)) in patches.rows.chunks(24).zip(corners) {
            for (c, channel) in row.chunks(8).enumerate() {
                let level =
                    |dx: usize, dy: usize| f32::from(picture.pixels()[((y + dy) * 8 + x + dx) * 3 + c]);
                let frame = [level(0, 0), level(1, 0), level(0, 1), level(1, 1)];
                assert_eq!((&channel[..4], &channel[4..]), (&frame[..], &frame[..]));
            }
        }
    }

    #[test]
    fn sizes_agree_with_each_other() {
        let processor = ImageProcessor::new(ProcessorConfig::default()).unwrap();
        for (width, height) in [(1, 1), (30, 30), (112, 112), (640, 480), (4000, 21)] {
            let grid = processor.grid(width, height).unwrap();
            let frame = processor.image_frame(width, height).unwrap();
            assert_eq!(frame.original, (width, height));
            assert_eq!(frame.model, (grid[2] as u32 * 14, grid[1] as u32 * 14));
            assert_eq!(processor.token_count(width, height).unwrap() * 4, grid[1] * grid[2]);
        }
        assert_eq!(processor.token_count(112, 112).unwrap(), 16);
    }

    #[test]
    fn impossible_sizes_are_refused() {
        let processor = ImageProcessor::new(ProcessorConfig::default()).unwrap();
        assert!(matches!(processor.process(&image(201, 1)), Err(ProcessorError::AspectRatio(_))));
        assert!(matches!(processor.grid(0, 5), Err(ProcessorError::AspectRatio(_))));
        let fixed = ProcessorConfig { do_resize: false, ..raw() };
        let processor = ImageProcessor::new(fixed).unwrap();
        assert_eq!(processor.grid(28, 56).unwrap(), [1, 4, 2]);
        let refused = ProcessorError::NotMultiple { width: 28, height: 30, factor: 28 };
        assert_eq!(processor.process(&image(28, 30)), Err(refused));
        assert!(processor.grid(0, 28).is_err());
    }

    #[test]
    fn levels_follow_the_switches() {
        let on = ProcessorConfig::default();
        let off = ProcessorConfig { do_normalize: false, ..on.clone() };
        assert_eq!(level_table(&off, 0)[255], 255.0 * (1.0 / 255.0f32));
        assert_eq!(level_table(&raw(), 2)[7], 7.0);
        let white = (1.0 - on.image_mean[1]) / on.image_std[1];
        assert!((f64::from(level_table(&on, 1)[255]) - white).abs() < 1e-6);
        let plain = ProcessorConfig { do_rescale: false, image_mean: [8.0; 3], image_std: [2.0; 3], ..on };
        assert_eq!(level_table(&plain, 0)[10], 1.0);
    }
}
