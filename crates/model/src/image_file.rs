//! Reading pictures from PNG and JPEG files, with the size checked before anything is decoded.

use std::fs;
use std::io::{self, Cursor, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use eyas_core::Image;
use image::codecs::png::PngEncoder;
use image::{DynamicImage, ExtendedColorType, ImageDecoder, ImageEncoder, ImageFormat, ImageReader, Limits};

use crate::plain_file::open_plain;

/// Bytes of the widest pixel a decoder returns: four channels of 16 bits.
const WIDEST_PIXEL: u64 = 8;
/// Room for a colour profile, in bytes.
const PROFILE: u64 = 4 << 20;

/// What a picture may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageLimits {
    /// Most pixels (width × height).
    pub max_pixels: u64,
    /// Most bytes of the encoded file.
    pub max_bytes: u64,
}

impl Default for ImageLimits {
    fn default() -> Self {
        Self { max_pixels: 40_000_000, max_bytes: 256 << 20 }
    }
}

/// Why a picture was not read or written. Every variant names the file.
#[derive(Debug, thiserror::Error)]
pub enum ImageFileError {
    /// The file could not be opened, read or written.
    #[error("{name}: {source}")]
    Io {
        /// The file.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// The file has no bytes.
    #[error("{name}: the file is empty")]
    Empty {
        /// The file.
        name: String,
    },
    /// The encoded file is larger than the limit.
    #[error("{name}: the file is larger than the limit of {limit} bytes")]
    TooManyBytes {
        /// The file.
        name: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// The first bytes are neither PNG nor JPEG.
    #[error("{name}: not a PNG or JPEG file")]
    UnknownFormat {
        /// The file.
        name: String,
    },
    /// The header announces more pixels than the limit, or none.
    #[error("{name}: {width}x{height} pixels, must be 1 to {limit}")]
    Size {
        /// The file.
        name: String,
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// The limit in pixels.
        limit: u64,
    },
    /// The file ends before the picture does.
    #[error("{name}: the file is cut off")]
    Truncated {
        /// The file.
        name: String,
    },
    /// The contents are damaged or of an unsupported kind.
    #[error("{name}: {reason}")]
    Decode {
        /// The file.
        name: String,
        /// What is wrong.
        reason: String,
    },
}

/// Reads a PNG or JPEG file as [`decode_image`] does. A pipe or a device is refused, not waited for.
///
/// # Errors
/// [`ImageFileError`], with the path as the name.
pub fn read_image(path: &Path, limits: &ImageLimits) -> Result<Image, ImageFileError> {
    let name = path.display().to_string();
    let io_error = |source| ImageFileError::Io { name: name.clone(), source };
    let file = open_plain(path).map_err(io_error)?;
    let mut bytes = Vec::new();
    // One byte more than allowed tells a file that is too large from one that just fits.
    file.take(limits.max_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(io_error)?;
    decode_image(&bytes, &name, limits)
}

/// Decodes a PNG or JPEG file held in memory; the format is told by the contents, `name` is for errors.
///
/// The result is RGB8 whatever the file holds: palettes and grey are expanded, 16-bit samples are rounded
/// to 8, and transparency is laid over white. CMYK becomes RGB without its profile. An orientation in the metadata
/// is not applied, so coordinates refer to the pixels as stored. Of an animated PNG the still picture is read.
///
/// # Errors
/// [`ImageFileError`]. The size in the header is checked before any pixel is decoded or allocated.
pub fn decode_image(bytes: &[u8], name: &str, limits: &ImageLimits) -> Result<Image, ImageFileError> {
    let named = || name.to_owned();
    if bytes.is_empty() {
        return Err(ImageFileError::Empty { name: named() });
    }
    if bytes.len() as u64 > limits.max_bytes {
        return Err(ImageFileError::TooManyBytes { name: named(), limit: limits.max_bytes });
    }
    let format = match image::guess_format(bytes) {
        Ok(format @ (ImageFormat::Png | ImageFormat::Jpeg)) => format,
        _ => return Err(ImageFileError::UnknownFormat { name: named() }),
    };
    let check_size = |(width, height): (u32, u32)| match u64::from(width) * u64::from(height) {
        pixels if (1..=limits.max_pixels).contains(&pixels) => Ok(()),
        _ => Err(ImageFileError::Size { name: named(), width, height, limit: limits.max_pixels }),
    };
    let pixels = match format {
        // The PNG decoder sizes its buffers as soon as it is made, so the header is read without it.
        ImageFormat::Png => {
            let (width, height) =
                png_size(bytes).ok_or_else(|| ImageFileError::Truncated { name: named() })?;
            check_size((width, height))?;
            if let Some(len) = palette_len(bytes).filter(|len| len % 3 != 0) {
                let reason = format!("its palette has {len} bytes, no multiple of 3");
                return Err(ImageFileError::Decode { name: named(), reason });
            }
            u64::from(width) * u64::from(height)
        }
        // The JPEG decoder fills what is missing with grey and reports success.
        _ if !jpeg_has_end(bytes) => return Err(ImageFileError::Truncated { name: named() }),
        _ => limits.max_pixels,
    };
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut memory = Limits::no_limits();
    // Twice the widest picture leaves room for a decoder's own buffers. Texts are kept as they are in the file, and a
    // packed colour profile may not take more than the rest.
    let own = pixels.saturating_mul(2 * WIDEST_PIXEL).saturating_add(bytes.len() as u64);
    memory.max_alloc = Some(own.saturating_add(PROFILE));
    reader.limits(memory);
    let decode = || {
        let decoder = reader.into_decoder().map_err(|e| decode_error(name, &e))?;
        let (width, height) = decoder.dimensions();
        check_size((width, height))?;
        let picture = DynamicImage::from_decoder(decoder).map_err(|e| decode_error(name, &e))?;
        Ok((width, height, picture))
    };
    // Decoders are other people's code, and have had bounds that a damaged file passed.
    let gave_up = |_| Err(ImageFileError::Decode { name: named(), reason: "its decoder gave up".into() });
    let (width, height, picture) = catch_unwind(AssertUnwindSafe(decode)).unwrap_or_else(gave_up)?;
    let rgb = match picture.color().has_alpha() {
        true => over_white(picture.into_rgba8().as_raw()),
        false => picture.into_rgb8().into_raw(),
    };
    Image::new(width, height, rgb)
        .map_err(|e| ImageFileError::Decode { name: named(), reason: e.to_string() })
}

/// Writes `image` as an RGB8 PNG file.
///
/// # Errors
/// [`ImageFileError::Io`] when the file cannot be written, [`ImageFileError::Decode`] when the encoder fails.
pub fn write_png(path: &Path, image: &Image) -> Result<(), ImageFileError> {
    let name = path.display().to_string();
    let bytes = encode_png(image, &name)?;
    fs::write(path, bytes).map_err(|source| ImageFileError::Io { name, source })
}

/// `image` as the bytes of an RGB8 PNG file; errors call it `name`.
///
/// # Errors
/// [`ImageFileError::Decode`] when the encoder fails.
pub fn encode_png(image: &Image, name: &str) -> Result<Vec<u8>, ImageFileError> {
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes)
        .write_image(image.pixels(), image.width(), image.height(), ExtendedColorType::Rgb8)
        .map_err(|e| decode_error(name, &e))?;
    Ok(bytes)
}

fn decode_error(name: &str, error: &image::ImageError) -> ImageFileError {
    let name = name.to_owned();
    match error {
        image::ImageError::IoError(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
            ImageFileError::Truncated { name }
        }
        other => ImageFileError::Decode { name, reason: other.to_string() },
    }
}

/// RGBA8 laid over white, as RGB8.
fn over_white(rgba: &[u8]) -> Vec<u8> {
    let blend = |level: u8, alpha: u8| {
        let (level, alpha) = (u32::from(level), u32::from(alpha));
        ((level * alpha + 255 * (255 - alpha) + 127) / 255) as u8
    };
    rgba.chunks_exact(4).flat_map(|p| [blend(p[0], p[3]), blend(p[1], p[3]), blend(p[2], p[3])]).collect()
}

/// The (width, height) in a PNG file's header chunk, which is always the first.
fn png_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let number = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    Some((number(16)?, number(20)?))
}

/// The bytes of a PNG file's palette, where it has one. With one that ends inside a colour the decoder (png 0.18)
/// panics.
fn palette_len(bytes: &[u8]) -> Option<usize> {
    let mut at = 8;
    loop {
        let &[a, b, c, d, ref kind @ ..] = bytes.get(at..at + 8)? else { return None };
        let len = u32::from_be_bytes([a, b, c, d]) as usize;
        if kind == b"PLTE" {
            return Some(len);
        }
        at = at.checked_add(len)?.checked_add(12)?;
    }
}

/// True when the markers of a JPEG file lead to its end-of-image marker. Segments are stepped over by their
/// length, because one may hold a thumbnail with an end marker of its own.
fn jpeg_has_end(bytes: &[u8]) -> bool {
    const RESTART: std::ops::RangeInclusive<u8> = 0xD0..=0xD7;
    let mut at = 2;
    while let Some(&[first, marker]) = bytes.get(at..at + 2) {
        if first != 0xFF {
            // Inside compressed data.
            at += 1;
            continue;
        }
        at += match marker {
            0xD9 => return true,
            // A byte 0xFF that stands for itself; padding may put several 0xFF before a marker.
            0x00 => 2,
            0xFF => 1,
            0x01 => 2,
            _ if RESTART.contains(&marker) => 2,
            _ => match bytes.get(at + 2..at + 4) {
                Some(&[high, low]) => 2 + usize::from(u16::from_be_bytes([high, low])),
                _ => return false,
            },
        };
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::codecs::jpeg::JpegEncoder;

    fn limits() -> ImageLimits {
        ImageLimits::default()
    }

    fn png(width: u32, height: u32, kind: ExtendedColorType, data: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        PngEncoder::new(&mut bytes).write_image(data, width, height, kind).unwrap();
        bytes
    }

    fn jpeg(width: u32, height: u32, data: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        JpegEncoder::new(&mut bytes).write_image(data, width, height, ExtendedColorType::Rgb8).unwrap();
        bytes
    }

    fn noise(len: u32) -> Vec<u8> {
        (0..len).map(|i| (i.wrapping_mul(2654435761) >> 24) as u8).collect()
    }

    /// The check sum that ends every PNG chunk.
    fn crc(bytes: &[u8]) -> u32 {
        let step = |crc: u32, &byte: &u8| {
            (0..8).fold(crc ^ u32::from(byte), |c, _| if c & 1 == 1 { c >> 1 ^ 0xEDB8_8320 } else { c >> 1 })
        };
        !bytes.iter().fold(!0, step)
    }

    fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
        let body = [&kind[..], data].concat();
        [&(data.len() as u32).to_be_bytes()[..], &body, &crc(&body).to_be_bytes()].concat()
    }

    /// A PNG whose header claims another size.
    fn with_claimed_size(mut bytes: Vec<u8>, width: u32, height: u32) -> Vec<u8> {
        bytes[16..20].copy_from_slice(&width.to_be_bytes());
        bytes[20..24].copy_from_slice(&height.to_be_bytes());
        let sum = crc(&bytes[12..29]);
        bytes[29..33].copy_from_slice(&sum.to_be_bytes());
        bytes
    }

    #[test]
    fn png_round_trips_through_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.png");
        for (width, height) in [(1, 1), (1, 10_000), (10_000, 1), (33, 17)] {
            let image = Image::new(width, height, noise(width * height * 3)).unwrap();
            write_png(&path, &image).unwrap();
            assert_eq!(read_image(&path, &limits()).unwrap(), image);
        }
    }

    #[test]
    fn every_kind_of_png_becomes_rgb() {
        let pixels = |bytes: &[u8]| decode_image(bytes, "x.png", &limits()).unwrap().pixels().to_vec();
        assert_eq!(pixels(&png(2, 1, ExtendedColorType::L8, &[7, 200])), [7, 7, 7, 200, 200, 200]);
        assert_eq!(pixels(&png(1, 1, ExtendedColorType::L16, &0x8080u16.to_ne_bytes())), [128; 3]);
        let deep: Vec<u8> = [0xFFFFu16, 0x0000, 0x4040].iter().flat_map(|v| v.to_ne_bytes()).collect();
        assert_eq!(pixels(&png(1, 1, ExtendedColorType::Rgb16, &deep)), [255, 0, 64]);
        let clear = [0, 0, 0, 0, 10, 20, 30, 255, 0, 100, 255, 128];
        let laid = [255, 255, 255, 10, 20, 30, 127, 177, 255];
        assert_eq!(pixels(&png(3, 1, ExtendedColorType::Rgba8, &clear)), laid);
        assert_eq!(pixels(&png(1, 1, ExtendedColorType::La8, &[50, 0])), [255; 3]);
    }

    #[test]
    fn palettes_with_transparency_become_rgb() {
        let image = png(2, 1, ExtendedColorType::L8, &[0, 1]);
        let header = chunk(b"IHDR", &[0, 0, 0, 2, 0, 0, 0, 1, 8, 3, 0, 0, 0]);
        let colours = chunk(b"PLTE", &[9, 8, 7, 60, 50, 40]);
        let alpha = chunk(b"tRNS", &[255, 0]);
        // After the signature and the old header come the compressed indices.
        let bytes = [&image[..8], &header, &colours, &alpha, &image[33..]].concat();
        let image = decode_image(&bytes, "x.png", &limits()).unwrap();
        assert_eq!(image.pixels(), [9, 8, 7, 255, 255, 255]);
    }

    #[test]
    fn jpeg_is_read() {
        let image = decode_image(&jpeg(16, 8, &[120; 16 * 8 * 3]), "x.jpg", &limits()).unwrap();
        assert_eq!((image.width(), image.height()), (16, 8));
        assert!(image.pixels().iter().all(|&level| level.abs_diff(120) <= 2));
    }

    #[test]
    fn a_cut_file_is_refused_wherever_it_is_cut() {
        let data = noise(40 * 30 * 3);
        for bytes in [png(40, 30, ExtendedColorType::Rgb8, &data), jpeg(40, 30, &data)] {
            for tenth in 0..10 {
                let cut = &bytes[..bytes.len() * tenth / 10];
                let error = decode_image(cut, "cut", &limits()).unwrap_err();
                match tenth {
                    0 => assert!(matches!(error, ImageFileError::Empty { .. }), "{error}"),
                    _ => assert!(matches!(error, ImageFileError::Truncated { .. }), "{tenth}: {error:?}"),
                }
                assert!(error.to_string().starts_with("cut: "));
            }
        }
    }

    #[test]
    fn damage_is_refused_or_harmless_and_never_a_panic() {
        let data = noise(12 * 9 * 3);
        for bytes in [png(12, 9, ExtendedColorType::Rgb8, &data), jpeg(12, 9, &data)] {
            for at in 0..bytes.len() {
                let mut bad = bytes.clone();
                bad[at] ^= 0x5A;
                if let Ok(image) = decode_image(&bad, "bad", &limits()) {
                    assert!(u64::from(image.width()) * u64::from(image.height()) <= limits().max_pixels);
                }
            }
        }
    }

    #[test]
    fn the_size_is_checked_before_decoding() {
        let small = png(4, 4, ExtendedColorType::Rgb8, &noise(48));
        for (width, height) in [(10_000, 10_000), (u32::MAX >> 1, u32::MAX >> 1), (40_001, 1_000)] {
            let error = decode_image(&with_claimed_size(small.clone(), width, height), "big", &limits());
            assert!(matches!(error, Err(ImageFileError::Size { limit: 40_000_000, .. })), "{error:?}");
        }
        let lying = decode_image(&with_claimed_size(small.clone(), 400, 300), "lying", &limits());
        assert!(matches!(lying, Err(ImageFileError::Decode { .. })), "{lying:?}");
        assert!(decode_image(&with_claimed_size(small.clone(), 0, 3), "zero", &limits()).is_err());
        let mut huge = jpeg(8, 8, &noise(192));
        let frame = huge.windows(2).position(|w| w == [0xFF, 0xC0]).unwrap();
        huge[frame + 5..frame + 9].fill(0xFF);
        let error = decode_image(&huge, "huge", &limits());
        assert!(matches!(error, Err(ImageFileError::Size { width: 65_535, .. })), "{error:?}");
        let tight = ImageLimits { max_pixels: 15, ..limits() };
        let error = decode_image(&small, "a.png", &tight).unwrap_err();
        assert_eq!(error.to_string(), "a.png: 4x4 pixels, must be 1 to 15");
    }

    #[test]
    fn other_files_are_refused_by_name() {
        let read = |bytes: &[u8]| decode_image(bytes, "f", &limits());
        assert!(matches!(read(b""), Err(ImageFileError::Empty { .. })));
        assert!(matches!(read(b"GIF89a......"), Err(ImageFileError::UnknownFormat { .. })));
        assert!(matches!(read(b"hello"), Err(ImageFileError::UnknownFormat { .. })));
        let tight = ImageLimits { max_bytes: 4, ..limits() };
        assert!(matches!(
            decode_image(b"hello", "f", &tight),
            Err(ImageFileError::TooManyBytes { limit: 4, .. })
        ));
        assert!(matches!(read_image(Path::new("no/such.png"), &limits()), Err(ImageFileError::Io { .. })));
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("long.png");
        fs::write(&path, b"hello").unwrap();
        assert!(matches!(read_image(&path, &tight), Err(ImageFileError::TooManyBytes { .. })));
        fs::write(&path, b"").unwrap();
        assert!(matches!(read_image(&path, &limits()), Err(ImageFileError::Empty { .. })));
    }

    #[test]
    fn a_thumbnail_does_not_end_a_jpeg() {
        let whole = jpeg(8, 8, &noise(192));
        let thumbnail =
            [&[0xFF, 0xE1, 0, 6, 0xFF, 0xD8, 0xFF, 0xD9][..], &whole[2..whole.len() - 2]].concat();
        let cut = [&whole[..2], &thumbnail].concat();
        assert!(!jpeg_has_end(&cut));
        assert!(jpeg_has_end(&[&cut[..], &[0xFF, 0xD9]].concat()));
        assert!(jpeg_has_end(&[&whole[..], b"trailing"].concat()));
    }
}
