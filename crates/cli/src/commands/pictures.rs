//! Pictures from files, as a model sees them.

use std::path::{Path, PathBuf};

use anyhow::Context;
use eyas_core::Image;
use eyas_model::image_file::{ImageLimits, read_image};
use eyas_model::{Policy, PolicyError};

/// A picture file that a model can see.
pub(crate) struct Picture {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Its pixels.
    pub(crate) image: Image,
    /// The visual tokens it takes.
    pub(crate) tokens: usize,
}

impl Picture {
    /// Reads a file, and checks that the model can see it.
    ///
    /// # Errors
    /// When the file cannot be read or decoded, or its shape is refused. The file is named.
    pub(crate) fn open(path: &Path, policy: &Policy) -> anyhow::Result<Self> {
        let image = read_image(path, &ImageLimits::default())?;
        let tokens = policy
            .processor()
            .token_count(image.width(), image.height())
            .map_err(PolicyError::from)
            .with_context(|| path.display().to_string())?;
        Ok(Self { path: path.into(), image, tokens })
    }
}

/// What takes how many tokens, for a message: nothing where there is no picture.
pub(crate) fn shares(pictures: &[Picture]) -> String {
    let tokens: usize = pictures.iter().map(|p| p.tokens).sum();
    match pictures {
        [] => String::new(),
        [one] => format!(" ({tokens} of them for {})", one.path.display()),
        more => format!(" ({tokens} of them for {} pictures)", more.len()),
    }
}
