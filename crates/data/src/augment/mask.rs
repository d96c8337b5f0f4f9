//! Covering parts of a picture.

use eyas_core::{Image, Seed};
use serde::{Deserialize, Serialize};

use super::canvas::{Canvas, Rgb};
use crate::error::{DataError, at_least_one, share};

/// What a covered place looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fill {
    /// One colour.
    Colour(Rgb),
    /// Independent uniform bytes.
    Noise,
}

impl Default for Fill {
    fn default() -> Self {
        Self::Colour([0; 3])
    }
}

/// Settings of [`mask_patches`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PatchMask {
    /// Side of a patch in pixels, at least 1.
    pub patch: u32,
    /// Probability that a patch is covered, in `0..=1`.
    pub probability: f64,
    /// What a covered patch looks like.
    pub fill: Fill,
}

impl Default for PatchMask {
    fn default() -> Self {
        Self { patch: 14, probability: 0.6, fill: Fill::default() }
    }
}

impl PatchMask {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`DataError::Config`].
    pub fn check(&self) -> Result<(), DataError> {
        at_least_one("patch_mask.patch", u64::from(self.patch))?;
        share("patch_mask.probability", self.probability)
    }
}

/// Covers each `patch × patch` square of the grid that starts at the top-left corner, independently, with
/// the given probability; squares at the right and bottom edge may be smaller. Same size.
///
/// **Faithful:** PAPO ("Perception-Aware Policy Optimization", its repository's augmentation: 14 px, 0.6,
/// black); with 0.5 that of VPPO ("Spotlight on Token Perception"). Ours: each patch has its own random
/// stream, so that patch `k` is covered or not whatever the other patches are, and [`Fill::Noise`].
///
/// # Errors
/// [`DataError::Config`].
pub fn mask_patches(image: &Image, cfg: &PatchMask, seed: Seed) -> Result<Image, DataError> {
    cfg.check()?;
    let mut canvas = Canvas::of(image);
    let patch = cfg.patch as usize;
    let mut index = 0;
    for top in (0..canvas.height).step_by(patch) {
        for left in (0..canvas.width).step_by(patch) {
            let stream = seed.split("patch", index);
            index += 1;
            if stream.rng().chance(cfg.probability) {
                cover(&mut canvas, [left, top, left + patch, top + patch], cfg.fill, stream);
            }
        }
    }
    canvas.image()
}

/// Settings of [`occlude`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Occlude {
    /// Width and height of the covered rectangle as a share of the picture's, in `0..=1`.
    pub size: f64,
    /// What it looks like.
    pub fill: Fill,
}

impl Default for Occlude {
    fn default() -> Self {
        Self { size: 0.3, fill: Fill::default() }
    }
}

/// Covers one rectangle at a random place. Same size.
///
/// **Faithful:** the `crop_fill` of NoisyRollout's repository (arXiv 2504.13055) but for the size, which it
/// leaves at 0; 0.3 is ours.
///
/// # Errors
/// [`DataError::Config`].
pub fn occlude(image: &Image, cfg: &Occlude, seed: Seed) -> Result<Image, DataError> {
    share("occlude.size", cfg.size)?;
    let mut canvas = Canvas::of(image);
    let (w, h) = ((canvas.width as f64 * cfg.size) as usize, (canvas.height as f64 * cfg.size) as usize);
    let mut rng = seed.rng();
    let (x, y) = (rng.below(canvas.width - w + 1), rng.below(canvas.height - h + 1));
    cover(&mut canvas, [x, y, x + w, y + h], cfg.fill, seed.split("fill", 0));
    canvas.image()
}

/// Covers a chosen `fraction` of the pixels of a box `[left, top, right, bottom]` (right and bottom
/// exclusive; what lies outside the picture is ignored), from its top row on: exactly
/// `round(fraction · area)` of them. Same size.
///
/// **Reading:** LanP (hidden against visible objects), masked prediction (MPCC: fraction 1) and the probe
/// of SCCM (crops replaced by noise) ask for such a change; which pixels go first is ours.
///
/// # Errors
/// [`DataError::Config`].
pub fn hide_box(
    image: &Image,
    bounds: [u32; 4],
    fraction: f64,
    fill: Fill,
    seed: Seed,
) -> Result<Image, DataError> {
    share("fraction", fraction)?;
    let mut canvas = Canvas::of(image);
    let [left, top, right, bottom] = bounds.map(|v| v as usize);
    let (right, bottom) = (right.min(canvas.width), bottom.min(canvas.height));
    let (w, h) = (right.saturating_sub(left), bottom.saturating_sub(top));
    if w > 0 {
        let pixels = ((w * h) as f64 * fraction).round() as usize;
        let (rows, rest) = (pixels / w, pixels % w);
        cover(&mut canvas, [left, top, right, top + rows], fill, seed);
        cover(&mut canvas, [left, top + rows, left + rest, top + rows + 1], fill, seed.split("rest", 0));
    }
    canvas.image()
}

/// Settings of [`blank`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Blank {
    /// The colour of every pixel. Default black.
    pub colour: Rgb,
}

/// A picture of one colour in the size of another: the model is blind. Same size.
///
/// **Faithful:** the blank-picture ablation of modality-bias evaluations.
///
/// # Errors
/// None for a picture that exists.
pub fn blank(image: &Image, colour: Rgb) -> Result<Image, DataError> {
    Canvas::new(image.width() as usize, image.height() as usize, colour).image()
}

/// Covers `[left, top, right, bottom)` as far as it lies inside.
fn cover(canvas: &mut Canvas, bounds: [usize; 4], fill: Fill, seed: Seed) {
    let [left, top, right, bottom] = bounds;
    let (right, bottom) = (right.min(canvas.width), bottom.min(canvas.height));
    if left >= right {
        return;
    }
    let mut rng = seed.split("noise", 0).rng();
    for y in top..bottom {
        let row = &mut canvas.bytes[(y * canvas.width + left) * 3..(y * canvas.width + right) * 3];
        match fill {
            Fill::Colour(colour) => row.chunks_exact_mut(3).for_each(|p| p.copy_from_slice(&colour)),
            Fill::Noise => row.iter_mut().for_each(|b| *b = (rng.next_u64() >> 56) as u8),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn white(width: u32, height: u32) -> Image {
        Image::new(width, height, vec![255; (width * height * 3) as usize]).unwrap()
    }

    fn covered(image: &Image) -> usize {
        image.pixels().chunks_exact(3).filter(|p| *p == [0; 3]).count()
    }

    #[test]
    fn the_masked_share_is_the_probability() {
        // 224 × 224 has 256 patches; 100 pictures: 15,360 of 25,600 expected, standard deviation 78.
        let total: usize = (0..100)
            .map(|s| covered(&mask_patches(&white(224, 224), &PatchMask::default(), Seed::new(s)).unwrap()))
            .sum();
        assert_eq!(total % 196, 0, "whole patches");
        assert!((total / 196).abs_diff(15_360) < 390, "{}", total / 196);
    }

    #[test]
    fn patches_are_whole_and_on_the_grid() {
        // 30 × 20 has patches of 14, 14, 2 by 14, 6.
        let masked = mask_patches(&white(30, 20), &PatchMask::default(), Seed::new(5)).unwrap();
        let dark = |x: usize, y: usize| masked.pixels()[(y * 30 + x) * 3] == 0;
        for y in 0..20 {
            for x in 0..30 {
                assert_eq!(dark(x, y), dark(x / 14 * 14, y / 14 * 14), "{x} {y}");
            }
        }
    }

    #[test]
    fn probabilities_of_none_and_all() {
        let all = PatchMask { probability: 1.0, ..PatchMask::default() };
        assert_eq!(covered(&mask_patches(&white(30, 20), &all, Seed::new(1)).unwrap()), 600);
        let none = PatchMask { probability: 0.0, ..PatchMask::default() };
        assert_eq!(mask_patches(&white(30, 20), &none, Seed::new(1)).unwrap(), white(30, 20));
        for bad in [PatchMask { patch: 0, ..all }, PatchMask { probability: 1.1, ..all }] {
            assert!(mask_patches(&white(3, 2), &bad, Seed::new(1)).is_err());
        }
    }

    #[test]
    fn a_chosen_share_of_a_box_is_hidden() {
        let hide =
            |fraction| hide_box(&white(20, 20), [5, 5, 15, 12], fraction, Fill::default(), Seed::new(1));
        assert_eq!(covered(&hide(1.0).unwrap()), 70);
        assert_eq!(covered(&hide(0.5).unwrap()), 35);
        assert_eq!(covered(&hide(0.33).unwrap()), 23); // 23.1
        assert_eq!(hide(0.0).unwrap(), white(20, 20));
        assert!(hide(-0.1).is_err());
        // A box that is partly or wholly outside.
        let outside = |b| covered(&hide_box(&white(20, 20), b, 1.0, Fill::default(), Seed::new(1)).unwrap());
        assert_eq!(outside([15, 15, 90, 90]), 25);
        assert_eq!(outside([25, 25, 90, 90]), 0);
        assert_eq!(outside([9, 9, 3, 3]), 0);
    }

    #[test]
    fn noise_is_noise_and_blank_is_blank() {
        let noisy = hide_box(&white(64, 64), [0, 0, 64, 64], 1.0, Fill::Noise, Seed::new(1)).unwrap();
        let mean = noisy.pixels().iter().map(|b| f64::from(*b)).sum::<f64>() / 12_288.0;
        // Standard deviation 73.9 / √12288 = 0.67.
        assert!((mean - 127.5).abs() < 3.4, "{mean}");
        let b = blank(&white(3, 5), [7, 8, 9]).unwrap();
        assert_eq!((b.width(), b.height(), b.pixels()[..6].to_vec()), (3, 5, vec![7, 8, 9, 7, 8, 9]));
    }

    proptest! {
        #[test]
        fn occlusion_covers_one_rectangle(w in 1u32..40, h in 1u32..40, size in 0.0f64..=1.0, s in any::<u64>()) {
            let cfg = Occlude { size, ..Occlude::default() };
            let out = occlude(&white(w, h), &cfg, Seed::new(s)).unwrap();
            let want = (f64::from(w) * size) as usize * (f64::from(h) * size) as usize;
            prop_assert_eq!(covered(&out), want);
        }
    }
}
