//! An RGB8 picture with its content hash as identity.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The identity of an image: 128 bits of the BLAKE3 hash of its size and pixels.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageId([u8; 16]);

impl ImageId {
    /// Its first 64 bits, to name a random stream by.
    pub fn stream(self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }
}

impl fmt::Display for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ImageId({self})")
    }
}

impl Serialize for ImageId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ImageId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bad = || serde::de::Error::custom(format!("image id must be 32 hex digits, got {text:?}"));
        if text.len() != 32 || !text.is_ascii() {
            return Err(bad());
        }
        let mut id = [0u8; 16];
        for (i, byte) in id.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).map_err(|_| bad())?;
        }
        Ok(Self(id))
    }
}

/// Why a buffer is not an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// A side is zero.
    #[error("image has a zero side: {width}x{height}")]
    Empty {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// The buffer does not hold width × height × 3 bytes.
    #[error("image of {width}x{height} needs {expected} bytes, got {got}")]
    Length {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Bytes needed.
        expected: usize,
        /// Bytes given.
        got: usize,
    },
}

/// An RGB8 image, row-major from the top-left corner. Cloning shares the bytes.
#[derive(Clone)]
pub struct Image {
    width: u32,
    height: u32,
    pixels: Arc<[u8]>,
    id: ImageId,
}

impl Image {
    /// Wraps `pixels` (`height × width × 3` bytes) and hashes them.
    ///
    /// # Errors
    /// [`ImageError`] when a side is zero or the length does not fit.
    pub fn new(width: u32, height: u32, pixels: impl Into<Arc<[u8]>>) -> Result<Self, ImageError> {
        let pixels = pixels.into();
        if width == 0 || height == 0 {
            return Err(ImageError::Empty { width, height });
        }
        let expected = (width as usize).saturating_mul(height as usize).saturating_mul(3);
        if pixels.len() != expected {
            return Err(ImageError::Length { width, height, expected, got: pixels.len() });
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update(&width.to_le_bytes()).update(&height.to_le_bytes()).update(&pixels);
        let mut id = [0u8; 16];
        id.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        Ok(Self { width, height, pixels, id: ImageId(id) })
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// `height × width × 3` bytes.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// The content hash.
    pub fn id(&self) -> ImageId {
        self.id
    }
}

impl PartialEq for Image {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Image({}x{}, {})", self.width, self.height, self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identity_follows_content_and_shape() {
        let a = Image::new(2, 3, vec![9; 18]).unwrap();
        assert_eq!(a, Image::new(2, 3, vec![9; 18]).unwrap());
        assert_ne!(a, Image::new(3, 2, vec![9; 18]).unwrap());
        let id: ImageId = serde_json::from_str(&serde_json::to_string(&a.id()).unwrap()).unwrap();
        assert_eq!(id, a.id());
    }

    #[test]
    fn wrong_buffers_are_refused() {
        assert!(matches!(Image::new(0, 3, vec![]), Err(ImageError::Empty { .. })));
        assert!(matches!(
            Image::new(2, 2, vec![0; 11]),
            Err(ImageError::Length { expected: 12, got: 11, .. })
        ));
        assert!(serde_json::from_str::<ImageId>("\"zz\"").is_err());
    }
}
