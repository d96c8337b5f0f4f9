//! A picture as a data URI.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use eyas_core::Image;
use image::{ExtendedColorType, ImageEncoder as _, codecs::png};

use super::ReportError;

/// `image` as a PNG in a `data:` URI, at its own size; the page enlarges it without blurring.
pub(super) fn data_uri(image: &Image) -> Result<String, ReportError> {
    let mut bytes = Vec::new();
    png::PngEncoder::new_with_quality(&mut bytes, png::CompressionType::Best, png::FilterType::Adaptive)
        .write_image(image.pixels(), image.width(), image.height(), ExtendedColorType::Rgb8)
        .map_err(|source| ReportError::Picture { id: image.id(), source })?;
    Ok(format!("data:image/png;base64,{}", STANDARD.encode(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pixels_come_back() {
        let pixels: Vec<u8> = (0..3 * 4 * 3).collect();
        let uri = data_uri(&Image::new(3, 4, pixels.clone()).unwrap()).unwrap();
        let bytes = STANDARD.decode(uri.strip_prefix("data:image/png;base64,").unwrap()).unwrap();
        let read = image::load_from_memory(&bytes).unwrap().to_rgb8();
        assert_eq!((read.dimensions(), read.into_raw()), ((3, 4), pixels));
    }
}
