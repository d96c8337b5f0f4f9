//! Changes of pictures: pure functions of a picture, settings and a seed.
//!
//! The size stays the same unless the function says otherwise. Pixels are changed with integers, so that
//! every machine makes the same bytes; the few numbers that come from `exp`, `sin` and `cos` are rounded to
//! 2⁻¹⁶ first, which hides their last bits.

mod blur;
mod canvas;
mod crop;
mod frames;
mod mask;
mod mix;
mod noise;
mod rotate;

pub use blur::{Blur, blur, blur_randomly};
pub use canvas::Rgb;
pub use crop::{Crop, crop_randomly};
pub use frames::{kept_frames, shuffled_frames};
pub use mask::{Blank, Fill, Occlude, PatchMask, blank, hide_box, mask_patches, occlude};
pub use mix::{Concat, Mixup, concat, mixup};
pub use noise::{Anneal, DIFFUSION_STEPS, Diffuse, Noise, add_noise, diffuse};
pub use rotate::{Rotate, rotate, rotate_randomly};

use eyas_core::{Image, Seed};
use serde::{Deserialize, Serialize};

use crate::error::DataError;

/// One change of a picture, as a recipe writes it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Augmentation {
    /// [`mask_patches`].
    PatchMask(PatchMask),
    /// [`occlude`].
    Occlude(Occlude),
    /// [`blank`].
    Blank(Blank),
    /// [`add_noise`].
    Noise(Noise),
    /// [`diffuse`].
    Diffuse(Diffuse),
    /// [`rotate_randomly`].
    Rotate(Rotate),
    /// [`crop_randomly`].
    Crop(Crop),
    /// [`blur_randomly`].
    Blur(Blur),
    /// [`mixup`].
    Mixup(Mixup),
    /// [`concat()`].
    Concat(Concat),
}

impl Augmentation {
    /// Changes `image`.
    ///
    /// `partner`: the picture that [`Augmentation::Mixup`] and [`Augmentation::Concat`] use, commonly that
    /// of another item ([`crate::pick::partners`]). `strength`: in `0..=1`; scales what [`Anneal`] is meant
    /// for (noise, its diffusion step, the angle, the covered size), the others ignore it.
    ///
    /// # Errors
    /// [`DataError::NoPartner`], [`DataError::Config`].
    pub fn apply(
        &self,
        image: &Image,
        partner: Option<&Image>,
        strength: f64,
        seed: Seed,
    ) -> Result<Image, DataError> {
        crate::error::share("strength", strength)?;
        let other = |by| partner.ok_or(DataError::NoPartner { by });
        match self {
            Self::PatchMask(cfg) => mask_patches(image, cfg, seed),
            Self::Occlude(cfg) => occlude(image, &Occlude { size: cfg.size * strength, ..*cfg }, seed),
            Self::Blank(cfg) => blank(image, cfg.colour),
            Self::Noise(cfg) => add_noise(image, &Noise { std: cfg.std * strength }, seed),
            Self::Diffuse(cfg) => diffuse(image, cfg, strength, seed),
            Self::Rotate(cfg) => rotate_randomly(image, cfg, strength, seed),
            Self::Crop(cfg) => crop_randomly(image, cfg, seed),
            Self::Blur(cfg) => blur_randomly(image, cfg, seed),
            Self::Mixup(cfg) => mixup(image, other("mixup")?, cfg, seed),
            Self::Concat(cfg) => concat(image, other("concat")?, cfg, seed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(w: u32, h: u32, salt: u32) -> Image {
        let bytes: Vec<u8> =
            (0..w * h * 3).map(|i| (i.wrapping_mul(2_654_435_761 + salt) >> 24) as u8).collect();
        Image::new(w, h, bytes).unwrap()
    }

    fn all() -> Vec<Augmentation> {
        vec![
            Augmentation::PatchMask(PatchMask::default()),
            Augmentation::Occlude(Occlude::default()),
            Augmentation::Blank(Blank { colour: [7; 3] }),
            Augmentation::Noise(Noise::default()),
            Augmentation::Diffuse(Diffuse::default()),
            Augmentation::Rotate(Rotate::default()),
            Augmentation::Crop(Crop::default()),
            Augmentation::Blur(Blur::default()),
            Augmentation::Mixup(Mixup::default()),
            Augmentation::Concat(Concat { either_side: true }),
        ]
    }

    #[test]
    fn the_seed_alone_decides() {
        let (a, b) = (picture(40, 30, 0), picture(33, 50, 1));
        for change in all() {
            let of = |s| change.apply(&a, Some(&b), 1.0, Seed::new(s)).unwrap();
            assert_eq!(of(1), of(1), "{change:?}");
            let fixed = matches!(change, Augmentation::Blank(_));
            assert!(fixed || (2..12).any(|s| of(s) != of(1)), "{change:?}");
        }
    }

    #[test]
    fn the_bytes_are_those_of_every_machine() {
        // Written down on x86-64; the same numbers must come out anywhere.
        let (a, b) = (picture(40, 30, 0), picture(33, 50, 1));
        let ids: Vec<String> = all()
            .iter()
            .map(|c| c.apply(&a, Some(&b), 0.9, Seed::new(1)).unwrap().id().to_string()[..8].to_string())
            .collect();
        let want =
            "bd6bdca0 10d365e1 45c5f607 4362c7e3 1af2b791 883a21fb fe634641 803c4b91 7fa7cb01 741a8f65";
        assert_eq!(ids.join(" "), want);
    }

    #[test]
    fn one_pixel_is_a_picture_too() {
        let one = picture(1, 1, 0);
        for change in all() {
            for s in 0..20 {
                change.apply(&one, Some(&picture(9, 1, 1)), 1.0, Seed::new(s)).unwrap();
                change.apply(&picture(1, 9, 2), Some(&one), 0.0, Seed::new(s)).unwrap();
            }
        }
    }

    #[test]
    fn distractors_need_a_partner() {
        let change = Augmentation::Mixup(Mixup::default());
        let got = change.apply(&picture(2, 2, 0), None, 1.0, Seed::new(1));
        assert_eq!(got, Err(DataError::NoPartner { by: "mixup" }));
        assert!(change.apply(&picture(2, 2, 0), None, 1.1, Seed::new(1)).is_err());
    }

    #[test]
    fn is_read_from_a_recipe() {
        let read = |s: &str| serde_json::from_str::<Augmentation>(s);
        let mask = PatchMask { probability: 0.5, ..PatchMask::default() };
        assert_eq!(
            read(r#"{"kind": "patch_mask", "probability": 0.5}"#).unwrap(),
            Augmentation::PatchMask(mask)
        );
        assert_eq!(read(r#"{"kind": "blank"}"#).unwrap(), Augmentation::Blank(Blank { colour: [0; 3] }));
        assert!(read(r#"{"kind": "patch_mask", "propability": 0.5}"#).is_err());
        for change in all() {
            assert_eq!(read(&serde_json::to_string(&change).unwrap()).unwrap(), change);
        }
    }
}
