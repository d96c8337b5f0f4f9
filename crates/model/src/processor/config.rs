//! The settings in a model folder's `preprocessor_config.json`.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::plain_file::read_text;

/// PIL's number for bicubic resampling, the only kind this processor does.
const BICUBIC: i64 = 3;
/// Bytes of a settings file.
const MAX_FILE: u64 = 4 << 20;
/// The longest `patch_size × merge_size` taken seriously, in pixels. A thin image is never narrower than that, and
/// up to 200 times as long.
const MAX_FACTOR: usize = 256;
/// The largest `max_pixels` taken seriously.
const MAX_MAX_PIXELS: u64 = 1 << 30;
/// The largest `min_pixels`: the smallest image is enlarged to it, and takes 12 bytes a pixel and frame as rows.
const MAX_MIN_PIXELS: u64 = 1 << 24;

/// Why settings cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read or written.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// The text is not JSON, or a setting has the wrong type.
    #[error("image processor settings: {0}")]
    Json(String),
    /// A setting is out of range.
    #[error("image processor settings: {key} is {value}, must be {rule}")]
    Range {
        /// The setting.
        key: &'static str,
        /// Its value.
        value: String,
        /// What it must be.
        rule: &'static str,
    },
}

/// How images become patches. The default is that of `transformers`' processor for Qwen2.5-VL.
#[derive(Clone, Debug, PartialEq)]
pub struct ProcessorConfig {
    /// Side of a patch in pixels.
    pub patch_size: usize,
    /// Frames in a patch; a still image is repeated to fill them.
    pub temporal_patch_size: usize,
    /// Side of the square of patches that becomes one token.
    pub merge_size: usize,
    /// An image with fewer pixels is enlarged.
    pub min_pixels: u64,
    /// An image with more pixels is shrunk.
    pub max_pixels: u64,
    /// Mean of red, green and blue, after rescaling.
    pub image_mean: [f64; 3],
    /// Standard deviation of red, green and blue, after rescaling.
    pub image_std: [f64; 3],
    /// What levels 0–255 are multiplied by.
    pub rescale_factor: f64,
    /// Whether to resize; if not, sides must be multiples of `patch_size × merge_size`.
    pub do_resize: bool,
    /// Whether to multiply by `rescale_factor`.
    pub do_rescale: bool,
    /// Whether to subtract the mean and divide by the deviation.
    pub do_normalize: bool,
}

impl Default for ProcessorConfig {
    fn default() -> Self {
        Self {
            patch_size: 14,
            temporal_patch_size: 2,
            merge_size: 2,
            min_pixels: 56 * 56,
            max_pixels: 28 * 28 * 1280,
            image_mean: [0.48145466, 0.4578275, 0.40821073],
            image_std: [0.26862954, 0.26130258, 0.27577711],
            rescale_factor: 1.0 / 255.0,
            do_resize: true,
            do_rescale: true,
            do_normalize: true,
        }
    }
}

/// The file's layout, every key optional. Keys not listed are ignored.
#[derive(Deserialize)]
struct Stored {
    patch_size: Option<usize>,
    temporal_patch_size: Option<usize>,
    merge_size: Option<usize>,
    min_pixels: Option<u64>,
    max_pixels: Option<u64>,
    size: Option<Size>,
    image_mean: Option<[f64; 3]>,
    image_std: Option<[f64; 3]>,
    rescale_factor: Option<f64>,
    do_resize: Option<bool>,
    do_rescale: Option<bool>,
    do_normalize: Option<bool>,
    resample: Option<i64>,
}

/// The newer spelling of the pixel limits. Despite the names these are numbers of pixels.
#[derive(Serialize, Deserialize)]
struct Size {
    shortest_edge: Option<u64>,
    longest_edge: Option<u64>,
}

/// The layout that is written: what every release of `transformers` with this model opens.
#[derive(Serialize)]
struct Written<'a> {
    image_processor_type: &'static str,
    processor_class: &'static str,
    do_convert_rgb: bool,
    do_resize: bool,
    do_rescale: bool,
    do_normalize: bool,
    image_mean: &'a [f64; 3],
    image_std: &'a [f64; 3],
    rescale_factor: f64,
    resample: i64,
    patch_size: usize,
    temporal_patch_size: usize,
    merge_size: usize,
    min_pixels: u64,
    max_pixels: u64,
    size: Size,
}

impl ProcessorConfig {
    /// Reads a `preprocessor_config.json`.
    ///
    /// # Errors
    /// [`ConfigError`] when the file cannot be read, is not JSON of the right types, or fails
    /// [`Self::validate`].
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let too_long = || io::Error::other(format!("more than {MAX_FILE} bytes"));
        let text = read_text(path, MAX_FILE).and_then(|text| text.ok_or_else(too_long));
        Self::from_json(&text.map_err(|e| file_error(path, &e))?)
    }

    /// Reads the text of a `preprocessor_config.json`. Missing settings get the default, unknown ones are
    /// ignored, and `min_pixels` and `max_pixels` win over `size`.
    ///
    /// # Errors
    /// [`ConfigError::Json`] and [`ConfigError::Range`].
    pub fn from_json(text: &str) -> Result<Self, ConfigError> {
        let stored: Stored = serde_json::from_str(text).map_err(|e| ConfigError::Json(e.to_string()))?;
        // Another kernel would silently change every image, so it is refused and not ignored.
        let resample = stored.resample.unwrap_or(BICUBIC);
        check(resample == BICUBIC, "resample", resample, "3 (bicubic)")?;
        let size = stored.size.unwrap_or(Size { shortest_edge: None, longest_edge: None });
        let default = Self::default();
        let config = Self {
            patch_size: stored.patch_size.unwrap_or(default.patch_size),
            temporal_patch_size: stored.temporal_patch_size.unwrap_or(default.temporal_patch_size),
            merge_size: stored.merge_size.unwrap_or(default.merge_size),
            min_pixels: stored.min_pixels.or(size.shortest_edge).unwrap_or(default.min_pixels),
            max_pixels: stored.max_pixels.or(size.longest_edge).unwrap_or(default.max_pixels),
            image_mean: stored.image_mean.unwrap_or(default.image_mean),
            image_std: stored.image_std.unwrap_or(default.image_std),
            rescale_factor: stored.rescale_factor.unwrap_or(default.rescale_factor),
            do_resize: stored.do_resize.unwrap_or(default.do_resize),
            do_rescale: stored.do_rescale.unwrap_or(default.do_rescale),
            do_normalize: stored.do_normalize.unwrap_or(default.do_normalize),
        };
        config.validate()?;
        Ok(config)
    }

    /// Writes a `preprocessor_config.json`.
    ///
    /// # Errors
    /// [`ConfigError`] when the settings are not valid or the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), ConfigError> {
        fs::write(path, self.to_json()?).map_err(|e| file_error(path, &e))
    }

    /// The text of a `preprocessor_config.json` that `transformers` opens.
    ///
    /// # Errors
    /// [`ConfigError::Range`] when the settings are not valid.
    pub fn to_json(&self) -> Result<String, ConfigError> {
        self.validate()?;
        let written = Written {
            image_processor_type: "Qwen2VLImageProcessor",
            processor_class: "Qwen2_5_VLProcessor",
            do_convert_rgb: true,
            do_resize: self.do_resize,
            do_rescale: self.do_rescale,
            do_normalize: self.do_normalize,
            image_mean: &self.image_mean,
            image_std: &self.image_std,
            rescale_factor: self.rescale_factor,
            resample: BICUBIC,
            patch_size: self.patch_size,
            temporal_patch_size: self.temporal_patch_size,
            merge_size: self.merge_size,
            min_pixels: self.min_pixels,
            max_pixels: self.max_pixels,
            size: Size { shortest_edge: Some(self.min_pixels), longest_edge: Some(self.max_pixels) },
        };
        let text = serde_json::to_string_pretty(&written).map_err(|e| ConfigError::Json(e.to_string()))?;
        Ok(text + "\n")
    }

    /// Checks every setting.
    ///
    /// # Errors
    /// [`ConfigError::Range`] names the first setting that is out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        const SMALL: &str = "1 to 256";
        check((1..=256).contains(&self.patch_size), "patch_size", self.patch_size, SMALL)?;
        check((1..=256).contains(&self.merge_size), "merge_size", self.merge_size, SMALL)?;
        let factor = self.patch_size * self.merge_size;
        check(factor <= MAX_FACTOR, "patch_size × merge_size", factor, "at most 256")?;
        let frames = self.temporal_patch_size;
        check((1..=16).contains(&frames), "temporal_patch_size", frames, "1 to 16")?;
        check((1..=MAX_MAX_PIXELS).contains(&self.max_pixels), "max_pixels", self.max_pixels, "1 to 2^30")?;
        let min = self.min_pixels;
        check((1..=self.max_pixels).contains(&min), "min_pixels", min, "at least 1 and at most max_pixels")?;
        check(min <= MAX_MIN_PIXELS, "min_pixels", min, "at most 2^24")?;
        let scale = self.rescale_factor;
        check(scale.is_finite() && scale > 0.0, "rescale_factor", scale, "finite and above 0")?;
        for mean in self.image_mean {
            check(mean.is_finite(), "image_mean", mean, "finite")?;
        }
        for std in self.image_std {
            check(std.is_finite() && std > 0.0, "image_std", std, "finite and above 0")?;
        }
        Ok(())
    }

    /// Sides of resized images are multiples of this many pixels.
    pub(super) fn factor(&self) -> u32 {
        // Validated to be at most `MAX_FACTOR`.
        (self.patch_size * self.merge_size) as u32
    }
}

fn check(ok: bool, key: &'static str, value: impl ToString, rule: &'static str) -> Result<(), ConfigError> {
    if ok { Ok(()) } else { Err(ConfigError::Range { key, value: value.to_string(), rule }) }
}

fn file_error(path: &Path, error: &std::io::Error) -> ConfigError {
    ConfigError::File { path: path.display().to_string(), reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_settings_get_the_default_and_unknown_ones_are_ignored() {
        let config =
            ProcessorConfig::from_json(r#"{"crop": {"a": 1}, "patch_size": 16, "size": null}"#).unwrap();
        assert_eq!(config, ProcessorConfig { patch_size: 16, ..ProcessorConfig::default() });
    }

    #[test]
    fn pixel_limits_have_two_spellings() {
        let read = |text| ProcessorConfig::from_json(text).map(|c| (c.min_pixels, c.max_pixels)).unwrap();
        assert_eq!(read(r#"{"min_pixels": 5, "max_pixels": 9}"#), (5, 9));
        assert_eq!(read(r#"{"size": {"shortest_edge": 5, "longest_edge": 9}}"#), (5, 9));
        let both = r#"{"min_pixels": 7, "size": {"shortest_edge": 5, "longest_edge": 9}}"#;
        assert_eq!(read(both), (7, 9), "min_pixels wins");
    }

    #[test]
    fn what_is_written_reads_back() {
        let config = ProcessorConfig { max_pixels: 4321, do_rescale: false, ..ProcessorConfig::default() };
        assert_eq!(ProcessorConfig::from_json(&config.to_json().unwrap()), Ok(config));
    }

    #[test]
    fn bad_settings_are_named() {
        let key = |text| match ProcessorConfig::from_json(text) {
            Err(ConfigError::Range { key, .. }) => key,
            other => panic!("{other:?}"),
        };
        assert_eq!(key(r#"{"patch_size": 0}"#), "patch_size");
        assert_eq!(key(r#"{"merge_size": 1000}"#), "merge_size");
        assert_eq!(key(r#"{"patch_size": 256, "merge_size": 256}"#), "patch_size × merge_size");
        assert_eq!(key(r#"{"min_pixels": 10, "max_pixels": 9}"#), "min_pixels");
        assert_eq!(key(r#"{"min_pixels": 0}"#), "min_pixels");
        assert_eq!(key(r#"{"image_std": [1.0, 0.0, 1.0]}"#), "image_std");
        assert_eq!(key(r#"{"rescale_factor": 0.0}"#), "rescale_factor");
        assert_eq!(key(r#"{"resample": 2}"#), "resample");
        assert!(matches!(ProcessorConfig::from_json(r#"{"patch_size": "x"}"#), Err(ConfigError::Json(_))));
        assert!(matches!(ProcessorConfig::from_json("[1"), Err(ConfigError::Json(_))));
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = ProcessorConfig::read(Path::new("no/such/file.json")).unwrap_err();
        assert!(error.to_string().starts_with("no/such/file.json: "), "{error}");
    }
}
