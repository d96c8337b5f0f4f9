//! Which colours, and how much of each.

use eyas_core::Image;

use super::{MAX_PIXELS, RenderError};

/// 1 - mean over red, green and blue of the earth mover's distance between the two distributions of
/// values, as a share of the distance from black to white. Exact for each channel; where the colours stand
/// plays no part, and neither do the sizes of the pictures.
///
/// # Errors
/// [`RenderError::TooLarge`] for more than [`MAX_PIXELS`].
pub fn colour_similarity(a: &Image, b: &Image) -> Result<f64, RenderError> {
    for image in [a, b] {
        if u64::from(image.width()) * u64::from(image.height()) > MAX_PIXELS {
            return Err(RenderError::TooLarge(image.width(), image.height()));
        }
    }
    let (p, q) = (histograms(a), histograms(b));
    let mut moved = 0.0;
    for (p, q) in p.iter().zip(&q) {
        // On a line the distance is the area between the two cumulated distributions.
        let mut ahead = 0.0f64;
        for (p, q) in p.iter().zip(q) {
            ahead += p - q;
            moved += ahead.abs();
        }
    }
    Ok((1.0 - moved / (3.0 * 255.0)).clamp(0.0, 1.0))
}

/// The shares of each value, channel by channel.
fn histograms(image: &Image) -> [[f64; 256]; 3] {
    let mut counts = [[0u32; 256]; 3];
    for pixel in image.pixels().chunks_exact(3) {
        for (count, value) in counts.iter_mut().zip(pixel) {
            count[usize::from(*value)] += 1;
        }
    }
    let all = (image.pixels().len() / 3).max(1) as f64;
    counts.map(|channel| channel.map(|n| f64::from(n) / all))
}
