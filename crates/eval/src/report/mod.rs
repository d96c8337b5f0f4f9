//! The report of a run: one HTML file that needs nothing else, neither network nor server.
//!
//! Whatever a policy wrote is untrusted text: it reaches the page through `html::escape` only, and the
//! page forbids every script but its own.

pub(crate) mod chart;
mod dumbbell;
mod episodes;
mod gallery;
pub(crate) mod html;
mod inspect;
pub(crate) mod page;
mod panels;
mod picture;

pub use gallery::{GalleryError, gallery};
pub use inspect::{ShownEpisode, inspect_page};

use std::path::{Path, PathBuf};

use eyas_core::Episode;

use crate::summary::Summary;

/// One line of `metrics.jsonl`: "step" and any further keys.
pub type MetricLine = serde_json::Map<String, serde_json::Value>;

/// What a report shows.
#[derive(Clone, Debug)]
pub struct ReportInput {
    /// The heading.
    pub title: String,
    /// The result.
    pub summary: Summary,
    /// The training metrics, one map a line. Lines without a number under "step" and values that are not
    /// finite numbers are left out.
    pub metrics: Vec<MetricLine>,
    /// Held-out episodes before training.
    pub before: Vec<Episode>,
    /// The same seeds after training.
    pub after: Vec<Episode>,
    /// The resolved recipe.
    pub recipe_toml: String,
}

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A picture of an episode could not be encoded.
    #[error("picture {id} cannot be encoded as PNG: {source}")]
    Picture {
        /// The picture's id.
        id: eyas_core::ImageId,
        /// What the encoder said.
        source: image::ImageError,
    },
    /// The file could not be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// The report as HTML text. The same input gives the same bytes.
///
/// # Errors
/// [`ReportError::Picture`] when a picture cannot be encoded.
pub fn render_report(run: &ReportInput) -> Result<String, ReportError> {
    page::render(run)
}

/// Writes the report to `path`. The text is complete before the file is touched.
///
/// # Errors
/// [`ReportError`] when a picture cannot be encoded or the file cannot be written.
pub fn write_report(run: &ReportInput, path: impl AsRef<Path>) -> Result<(), ReportError> {
    let path = path.as_ref();
    let html = render_report(run)?;
    std::fs::write(path, html).map_err(|source| ReportError::Write { path: path.into(), source })
}

#[cfg(test)]
mod tests;
