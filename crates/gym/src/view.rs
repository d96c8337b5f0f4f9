//! How a picture is spoilt on its way to the policy: perception knobs that every environment has.
//!
//! They are applied to the finished picture, so no environment knows of them. Order: resolution,
//! blur, occlusion, noise, JPEG.

use std::io::Cursor;

use eyas_core::{Image, Seed};
use image::codecs::jpeg::{JpegDecoder, JpegEncoder};
use image::{DynamicImage, ImageEncoder, RgbImage, imageops};
use serde::{Deserialize, Serialize};

use crate::{Axis, Frame, KnobError, KnobSpec, Knobs};

/// The knobs that every environment has besides its own. They are off when not given.
pub const VIEW_KNOBS: &[KnobSpec] = &[
    KnobSpec::int("resolution", Axis::Perception, 0, 4096, 0, "pixels of the longer side; 0: as drawn"),
    KnobSpec::float("blur", Axis::Perception, 0.0, 8.0, 0.0, "blur, standard deviation in pixels"),
    KnobSpec::float("occlusion", Axis::Perception, 0.0, 0.5, 0.0, "share of the picture hidden by patches"),
    KnobSpec::float("noise", Axis::Perception, 0.0, 0.5, 0.0, "noise, standard deviation (1: full range)"),
    KnobSpec::int("jpeg", Axis::Perception, 0, 95, 0, "quality of a JPEG round trip; 0: none"),
];

/// Values of the view knobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct View {
    resolution: u32,
    blur: f32,
    occlusion: f32,
    noise: f32,
    jpeg: u8,
    seed: u64,
}

impl View {
    /// The view that `knobs` ask for. The noise of an episode comes from its seed and the picture.
    pub(crate) fn new(seed: Seed, knobs: &Knobs, env: &str, pixel_answers: bool) -> Result<Self, KnobError> {
        let resolution = u32::try_from(knobs.int("resolution")).unwrap_or(0);
        if resolution > 0 && pixel_answers {
            let detail = "resolution cannot be set: answers are pixels of the picture as drawn".to_string();
            return Err(KnobError::Conflict { env: env.into(), detail });
        }
        if resolution > 0 && resolution < 28 {
            let detail = format!("resolution = {resolution}: a picture has at least 28 pixels a side");
            return Err(KnobError::Conflict { env: env.into(), detail });
        }
        let view = Self {
            resolution,
            blur: knobs.float("blur") as f32,
            occlusion: knobs.float("occlusion") as f32,
            noise: knobs.float("noise") as f32,
            jpeg: u8::try_from(knobs.int("jpeg")).unwrap_or(0),
            seed: 0,
        };
        let clear = view == Self::default();
        Ok(if clear { view } else { Self { seed: seed.split("view", 0).rng().next_u64(), ..view } })
    }

    /// True when pictures pass unchanged.
    pub(crate) fn is_clear(&self) -> bool {
        *self == Self::default()
    }

    /// The picture as the policy sees it.
    pub(crate) fn apply(&self, image: Image) -> Image {
        if self.is_clear() {
            return image;
        }
        // What is hidden and how the noise falls depends on the picture, so it is the same whenever
        // the same state is drawn.
        let mut rng = Seed::new(self.seed).split(&image.id().to_string(), 0).rng();
        let (width, height) = (image.width(), image.height());
        // Cannot fail: an image's buffer is complete.
        let Some(mut picture) = RgbImage::from_raw(width, height, image.pixels().to_vec()) else {
            return image;
        };
        if self.resolution > 0 {
            let scale = f64::from(self.resolution) / f64::from(width.max(height));
            let side = |n: u32| ((f64::from(n) * scale).round() as u32).max(28);
            picture = imageops::resize(&picture, side(width), side(height), imageops::FilterType::Triangle);
        }
        if self.blur > 0.0 {
            picture = imageops::blur(&picture, self.blur);
        }
        if self.occlusion > 0.0 {
            occlude(&mut picture, self.occlusion, &mut rng);
        }
        if self.noise > 0.0 {
            let amount = 255.0 * self.noise;
            for value in picture.iter_mut() {
                // The sum of four bytes of one word is near enough to a normal: mean 510, σ 147.8.
                let word = rng.next_u64();
                let sum: u32 = (0..4).map(|i| (word >> (8 * i)) as u32 & 255).sum();
                let noise = (sum as f32 - 510.0) / 147.8 * amount;
                *value = (f32::from(*value) + noise).round().clamp(0.0, 255.0) as u8;
            }
        }
        if self.jpeg > 0 {
            picture = jpeg(picture, self.jpeg);
        }
        let (width, height) = picture.dimensions();
        Image::new(width, height, picture.into_raw()).unwrap_or(image)
    }

    pub(crate) fn apply_all(&self, frames: Vec<Frame>) -> Vec<Frame> {
        frames.into_iter().map(|f| Frame { image: self.apply(f.image), seconds: f.seconds }).collect()
    }
}

/// Hides about `share` of the picture under gray squares an eighth of the shorter side wide.
fn occlude(picture: &mut RgbImage, share: f32, rng: &mut eyas_core::Rng) {
    let (width, height) = picture.dimensions();
    let side = (width.min(height) / 8).max(1);
    let squares = (share * (width * height) as f32 / (side * side) as f32).round() as usize;
    for _ in 0..squares {
        let left = rng.below((width - side + 1) as usize) as u32;
        let top = rng.below((height - side + 1) as usize) as u32;
        for y in top..top + side {
            for x in left..left + side {
                picture.put_pixel(x, y, image::Rgb([128, 128, 128]));
            }
        }
    }
}

/// Through JPEG and back; a picture that the codec refuses stays as it is.
fn jpeg(picture: RgbImage, quality: u8) -> RgbImage {
    let mut bytes = Vec::new();
    let (width, height) = picture.dimensions();
    let encoder = JpegEncoder::new_with_quality(&mut bytes, quality);
    let written = encoder.write_image(&picture, width, height, image::ExtendedColorType::Rgb8);
    let read =
        written.and_then(|()| JpegDecoder::new(Cursor::new(&bytes))).and_then(DynamicImage::from_decoder);
    read.map(|image| image.into_rgb8()).unwrap_or(picture)
}
