//! How alike are two pictures? On the CPU, without a model.
//!
//! Raw similarities flatter: a blank page shares most of its pixels with any drawing. [`corrected`] puts
//! the best score of a picture of one colour at 0, so that what is left was earned by drawing.
//!
//! Samples carry no pictures, so none of this is a reward by name; a harness that renders calls it.

mod edges;
mod histogram;
mod ssim;

pub use edges::edge_f1;
pub use histogram::colour_similarity;
pub use ssim::{ms_ssim, ssim};

use eyas_core::Image;

/// Most pixels of a picture that is compared.
pub const MAX_PIXELS: u64 = 1 << 24;

/// Why two pictures cannot be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// They must have the same size; see [`resized`].
    #[error("pictures of {0}x{1} and {2}x{3} cannot be compared")]
    Sizes(u32, u32, u32, u32),
    /// More than [`MAX_PIXELS`].
    #[error("a picture of {0}x{1} is too large")]
    TooLarge(u32, u32),
}

fn check(a: &Image, b: &Image) -> Result<(), RenderError> {
    if (a.width(), a.height()) != (b.width(), b.height()) {
        return Err(RenderError::Sizes(a.width(), a.height(), b.width(), b.height()));
    }
    if u64::from(a.width()) * u64::from(a.height()) > MAX_PIXELS {
        return Err(RenderError::TooLarge(a.width(), a.height()));
    }
    Ok(())
}

/// One number a pixel, row by row.
#[derive(Clone, Debug)]
struct Plane {
    width: usize,
    height: usize,
    values: Vec<f32>,
}

/// Brightness (ITU-R BT.601), 0 to 255.
fn brightness(image: &Image) -> Plane {
    let of = |p: &[u8]| match p {
        [r, g, b] => 0.299 * f32::from(*r) + 0.587 * f32::from(*g) + 0.114 * f32::from(*b),
        _ => 0.0,
    };
    let values = image.pixels().chunks_exact(3).map(of).collect();
    Plane { width: image.width() as usize, height: image.height() as usize, values }
}

/// `image` brought to another size by the nearest pixel, for policies whose canvas has another size.
///
/// # Errors
/// [`RenderError::TooLarge`] for more than [`MAX_PIXELS`] or a side of 0.
pub fn resized(image: &Image, width: u32, height: u32) -> Result<Image, RenderError> {
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(RenderError::TooLarge(width, height));
    }
    let (w, h) = (u64::from(image.width()), u64::from(image.height()));
    let nearest = |i: u32, to: u32, from: u64| (u64::from(i) * 2 + 1) * from / (u64::from(to) * 2);
    let mut pixels = Vec::with_capacity(width as usize * height as usize * 3);
    for y in 0..height {
        for x in 0..width {
            let at = ((nearest(y, height, h) * w + nearest(x, width, w)) * 3) as usize;
            pixels.extend_from_slice(image.pixels().get(at..at + 3).unwrap_or(&[0; 3]));
        }
    }
    Image::new(width, height, pixels).map_err(|_| RenderError::TooLarge(width, height))
}

/// A picture of one colour, of the size of `like`.
fn blank(like: &Image, colour: [u8; 3]) -> Option<Image> {
    Image::new(like.width(), like.height(), colour.repeat(like.pixels().len() / 3)).ok()
}

fn is_blank(image: &Image) -> bool {
    let first = image.pixels().get(..3);
    image.pixels().chunks_exact(3).all(|p| Some(p) == first)
}

/// The colours that serve best as a guess without looking: black, white, the mean, the median of each
/// channel and the most frequent colour.
fn guesses(gold: &Image) -> Vec<[u8; 3]> {
    let mut counts = [[0u64; 256]; 3];
    let mut colours = std::collections::HashMap::<[u8; 3], u64>::new();
    for p in gold.pixels().chunks_exact(3) {
        if let [r, g, b] = *p {
            for (count, v) in counts.iter_mut().zip([r, g, b]) {
                count[usize::from(v)] += 1;
            }
            *colours.entry([r, g, b]).or_default() += 1;
        }
    }
    let all = (gold.pixels().len() / 3).max(1) as u64;
    let mean = counts.map(|c| (c.iter().zip(0u64..).map(|(n, v)| n * v).sum::<u64>() / all) as u8);
    let median = counts.map(|c| {
        let mut seen = 0;
        c.iter().position(|n| {
            seen += n;
            2 * seen >= all
        })
    });
    let median = median.map(|m| m.unwrap_or(0) as u8);
    // By count, then by colour: the order of a map's keys must not show.
    let common =
        colours.into_iter().max_by_key(|(colour, n)| (*n, *colour)).map_or([0; 3], |(colour, _)| colour);
    let mut guesses = vec![[0; 3], [255; 3], mean, median, common];
    guesses.sort_unstable();
    guesses.dedup();
    guesses
}

/// A similarity with its zero moved to what a picture of one colour gets: `(s - b) / (1 - b)`, at least 0,
/// where `b` is the best similarity to `gold` of a blank picture (black, white, the mean, median and most
/// frequent colours are tried). A blank prediction earns 0. Where the ground truth itself is blank only
/// the same picture earns 1, any other 0.
///
/// # Errors
/// What `similarity` says.
pub fn corrected(
    said: &Image,
    gold: &Image,
    similarity: impl Fn(&Image, &Image) -> Result<f64, RenderError>,
) -> Result<f64, RenderError> {
    check(said, gold)?;
    if said == gold {
        return Ok(1.0);
    }
    if is_blank(said) || is_blank(gold) {
        return Ok(0.0);
    }
    let value = similarity(said, gold)?;
    let mut base = 0.0f64;
    for blank in guesses(gold).into_iter().filter_map(|colour| blank(gold, colour)) {
        base = base.max(similarity(&blank, gold)?);
    }
    // A similarity that a blank picture satisfies says nothing of this one.
    Ok(if base >= 1.0 { 0.0 } else { ((value - base) / (1.0 - base)).clamp(0.0, 1.0) })
}

/// The weighted mean of corrected multi-scale SSIM (half), edge F1 (0.3) and colours (0.2).
///
/// # Errors
/// [`RenderError`] when the pictures differ in size or are too large.
pub fn drawing(said: &Image, gold: &Image) -> Result<f64, RenderError> {
    let structure = corrected(said, gold, ms_ssim)?;
    let edges = corrected(said, gold, |a, b| edge_f1(a, b, 1, 64.0))?;
    let colours = corrected(said, gold, colour_similarity)?;
    Ok(0.5 * structure + 0.3 * edges + 0.2 * colours)
}

#[cfg(test)]
mod tests;
