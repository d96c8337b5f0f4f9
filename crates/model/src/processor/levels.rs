//! What the levels of a channel become.

use super::ProcessorConfig;

/// The arithmetic of one channel, in the order of f32 operations that `transformers` uses: mean and deviation
/// are brought to levels first, then subtracted and divided.
#[derive(Clone, Copy, Debug)]
pub(super) struct Levels {
    mean: f32,
    std: f32,
    scale: f32,
    /// One over the deviation, where [`Self::value_by_inverse`] gives the same bits for all levels.
    pub(super) inverse: Option<f32>,
}

impl Levels {
    /// The arithmetic of `channel`. What is switched off takes away 0, or divides or multiplies by 1, which
    /// leaves every bit as it is.
    pub(super) fn new(config: &ProcessorConfig, channel: usize) -> Self {
        let to_levels = if config.do_rescale { (1.0 / config.rescale_factor) as f32 } else { 1.0 };
        let mean = config.image_mean[channel] as f32 * to_levels;
        let std = config.image_std[channel] as f32 * to_levels;
        let (mean, std, scale) = match (config.do_normalize, config.do_rescale) {
            (true, _) => (mean, std, 1.0),
            (false, true) => (0.0, 1.0, config.rescale_factor as f32),
            (false, false) => (0.0, 1.0, 1.0),
        };
        let mut levels = Self { mean, std, scale, inverse: None };
        let inverse = 1.0 / std;
        let same = |level| levels.value_by_inverse(level, inverse).to_bits() == levels.value(level).to_bits();
        if fuses() && (0..=u8::MAX).all(same) {
            levels.inverse = Some(inverse);
        }
        levels
    }

    /// The value of a level.
    #[inline(always)]
    pub(super) fn value(self, level: u8) -> f32 {
        (f32::from(level) - self.mean) / self.std * self.scale
    }

    /// The value of a level without a division: what the product by the inverse leaves is added (Markstein).
    #[inline(always)]
    pub(super) fn value_by_inverse(self, level: u8, inverse: f32) -> f32 {
        let distance = f32::from(level) - self.mean;
        let quotient = distance * inverse;
        let rest = quotient.mul_add(-self.std, distance);
        rest.mul_add(inverse, quotient) * self.scale
    }
}

/// Whether the processor multiplies and adds in one instruction. Without it, `mul_add` is a slow call.
fn fuses() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("fma");
    #[cfg(not(target_arch = "x86_64"))]
    return cfg!(target_arch = "aarch64");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_settings_need_no_division() {
        let usual = ProcessorConfig::default();
        let half = ProcessorConfig { image_mean: [0.5; 3], image_std: [0.5; 3], ..usual.clone() };
        let unscaled = ProcessorConfig { do_normalize: false, ..usual.clone() };
        for config in [usual, half, unscaled] {
            for channel in 0..3 {
                assert_eq!(Levels::new(&config, channel).inverse.is_some(), fuses(), "{config:?} {channel}");
            }
        }
    }

    #[test]
    fn where_the_two_ways_differ_the_division_stays() {
        // The inverse of this deviation is infinite.
        let tiny = ProcessorConfig { image_std: [1e-40; 3], ..ProcessorConfig::default() };
        let levels = Levels::new(&tiny, 0);
        assert!(levels.inverse.is_none());
        assert!(levels.value(255) > 1e30);
    }
}
