//! What the levels of a channel become.

use super::ProcessorConfig;

/// The arithmetic of one channel, in the order of f32 operations that `transformers` uses: mean and deviation
/// are brought to levels first, then subtracted and divided.
#[derive(Clone, Copy, Debug)]
pub(super) struct Levels {
    mean: f32,
    std: f32,
    scale: f32,
}

impl Levels {
    /// The arithmetic of `channel`. What is switched off takes away 0, or divides or multiplies by 1, which
    /// leaves every bit as it is.
    pub(super) fn new(config: &ProcessorConfig, channel: usize) -> Self {
        let to_levels = if config.do_rescale { (1.0 / config.rescale_factor) as f32 } else { 1.0 };
        let mean = config.image_mean[channel] as f32 * to_levels;
        let std = config.image_std[channel] as f32 * to_levels;
        match (config.do_normalize, config.do_rescale) {
            (true, _) => Self { mean, std, scale: 1.0 },
            (false, true) => Self { mean: 0.0, std: 1.0, scale: config.rescale_factor as f32 },
            (false, false) => Self { mean: 0.0, std: 1.0, scale: 1.0 },
        }
    }

    /// The value of a level.
    #[inline(always)]
    pub(super) fn value(self, level: u8) -> f32 {
        (f32::from(level) - self.mean) / self.std * self.scale
    }
}
