//! Pictures with part of what can be seen taken away, to ask what a policy says without it.

use eyas_core::{Rng, Seed};
use serde::{Deserialize, Serialize};

use super::{ImageProcessor, Patches};

/// How a picture is spoilt. Works on the patches that the vision tower reads, so a masked patch is exactly
/// what the tower sees of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Corruption {
    /// Each patch is black with this probability, independently (PAPO, arXiv 2507.06448, and VPPO black out
    /// patches of 14 px at random; theirs are cut before resizing).
    Patches {
        /// The probability, `0..=1`.
        share: f64,
    },
    /// Gaussian noise of this standard deviation is added to the normalised values.
    Noise {
        /// Finite and at least 0; 1 is about the spread of natural pictures.
        std: f64,
    },
    /// Everything is black.
    Blank,
}

impl Default for Corruption {
    /// PAPO's: 60 % of the patches.
    fn default() -> Self {
        Self::Patches { share: 0.6 }
    }
}

impl Corruption {
    /// Checks the ranges.
    ///
    /// # Errors
    /// A text that names the setting.
    pub fn check(&self) -> Result<(), String> {
        match *self {
            Self::Patches { share } if !(0.0..=1.0).contains(&share) => {
                Err(format!("share = {share} is out of range: 0 to 1"))
            }
            Self::Noise { std } if !(std.is_finite() && std >= 0.0) => {
                Err(format!("std = {std} is out of range: 0 or more"))
            }
            _ => Ok(()),
        }
    }

    /// Whether anything of a picture is changed.
    pub fn spoils(&self) -> bool {
        !matches!(*self, Self::Patches { share: 0.0 } | Self::Noise { std: 0.0 })
    }
}

impl ImageProcessor {
    /// A spoilt copy of `patches`; the same for the same seed.
    pub fn corrupt(&self, patches: &Patches, corruption: Corruption, seed: Seed) -> Patches {
        let mut rng = seed.rng();
        let mut spoilt = patches.clone();
        match corruption {
            Corruption::Patches { share } => self.blacken(&mut spoilt, |rng| rng.chance(share), &mut rng),
            Corruption::Blank => self.blacken(&mut spoilt, |_| true, &mut rng),
            Corruption::Noise { std } => {
                spoilt.rows.iter_mut().for_each(|v| *v += (std * rng.normal()) as f32);
            }
        }
        spoilt
    }

    fn blacken(&self, patches: &mut Patches, picks: impl Fn(&mut Rng) -> bool, rng: &mut Rng) {
        let channel = patches.row_len / 3;
        for row in patches.rows.chunks_exact_mut(patches.row_len) {
            if picks(rng) {
                for (values, levels) in row.chunks_exact_mut(channel).zip(&self.levels) {
                    values.fill(levels.value(0));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::processor::ProcessorConfig;
    use eyas_core::Image;

    fn picture(processor: &ImageProcessor, level: u8) -> Patches {
        processor.process(&Image::new(280, 280, vec![level; 280 * 280 * 3]).unwrap()).unwrap()
    }

    #[test]
    fn a_masked_patch_is_a_black_one_and_the_share_is_met() {
        let processor = ImageProcessor::new(ProcessorConfig::default()).unwrap();
        let (white, black) = (picture(&processor, 255), picture(&processor, 0));
        let masked = processor.corrupt(&white, Corruption::Patches { share: 0.6 }, Seed::new(1));
        let rows = |p: &Patches| p.rows.chunks_exact(p.row_len).map(<[f32]>::to_vec).collect::<Vec<_>>();
        let mut blackened = 0;
        for (now, (was, none)) in rows(&masked).iter().zip(rows(&white).iter().zip(rows(&black))) {
            assert!(now == was || *now == none, "a patch is left alone or black throughout");
            blackened += usize::from(*now == none);
        }
        // 400 patches: 240 ± 9.8 expected.
        assert!((200..280).contains(&blackened), "{blackened}");
        assert_eq!(processor.corrupt(&white, Corruption::Blank, Seed::new(1)), black);
        assert_eq!(processor.corrupt(&white, Corruption::Patches { share: 0.0 }, Seed::new(1)), white);
    }

    #[test]
    fn noise_has_its_spread_and_follows_the_seed() {
        let processor = ImageProcessor::new(ProcessorConfig::default()).unwrap();
        let grey = picture(&processor, 128);
        let noise = |seed| processor.corrupt(&grey, Corruption::Noise { std: 0.5 }, Seed::new(seed));
        let noisy = noise(1);
        let n = grey.rows.len() as f64;
        let squares: f64 = noisy.rows.iter().zip(&grey.rows).map(|(a, b)| f64::from(a - b).powi(2)).sum();
        assert!(((squares / n).sqrt() - 0.5).abs() < 0.01);
        assert_eq!(noisy, noise(1));
        assert_ne!(noisy, noise(2));
    }

    #[test]
    fn settings_are_read_and_checked() {
        let read = |s: &str| serde_json::from_str::<Corruption>(s);
        assert_eq!(read(r#"{"kind": "blank"}"#).unwrap(), Corruption::Blank);
        assert!(read(r#"{"kind": "patches", "shares": 1}"#).is_err());
        assert!(Corruption::Patches { share: 1.5 }.check().is_err());
        assert!(Corruption::Noise { std: f64::NAN }.check().is_err());
        assert!(Corruption::default().check().is_ok());
    }
}
