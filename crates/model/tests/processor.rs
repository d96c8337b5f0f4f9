//! The image processor against `transformers`' (see `scripts/fixtures/image_processor.py`).
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use eyas_core::Image;
use eyas_model::processor::{ImageProcessor, ProcessorConfig, smart_resize};
use safetensors::SafeTensors;

fn fixture() -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/processor/cases.safetensors");
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn integers(file: &SafeTensors<'_>, name: &str) -> Vec<i64> {
    let view = file.tensor(name).unwrap();
    view.data().chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().unwrap())).collect()
}

fn floats(file: &SafeTensors<'_>, name: &str) -> Vec<f32> {
    let view = file.tensor(name).unwrap();
    view.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
}

/// The picture that the script draws.
fn drawn(width: u32, height: u32) -> Image {
    let mut pixels = Vec::new();
    for y in 0..height {
        for x in 0..width {
            for c in 0..3u32 {
                let noise = x.wrapping_mul(2654435761).wrapping_add(y.wrapping_mul(2246822519));
                let noise = noise.wrapping_add(c.wrapping_mul(3266489917));
                let noise = (noise ^ (noise >> 15)).wrapping_mul(2654435761) >> 24;
                let pattern = (x * (c + 3)) ^ (y * (2 * c + 5));
                let regular = (x / 16 + y / 16).is_multiple_of(2);
                pixels.push(if regular { pattern } else { noise } as u8);
            }
        }
    }
    Image::new(width, height, pixels).unwrap()
}

#[test]
fn rows_are_those_of_transformers_bit_for_bit() {
    let bytes = fixture();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let levels = floats(&file, "levels");
    let mut cases = 0;
    while file.tensor(&format!("case{cases}.size")).is_ok() {
        let size = integers(&file, &format!("case{cases}.size"));
        let config = ProcessorConfig {
            min_pixels: size[2] as u64,
            max_pixels: size[3] as u64,
            ..ProcessorConfig::default()
        };
        let processor = ImageProcessor::new(config).unwrap();
        let patches = processor.process(&drawn(size[0] as u32, size[1] as u32)).unwrap();
        assert_eq!(patches.grid.map(|n| n as i64)[..], integers(&file, &format!("case{cases}.grid")));
        assert_eq!(patches.grid, processor.grid(size[0] as u32, size[1] as u32).unwrap());

        let codes = file.tensor(&format!("case{cases}.codes")).unwrap();
        assert_eq!(codes.shape()[1], patches.row_len);
        let channel = |i: usize| i % patches.row_len / (patches.row_len / 3);
        let expected = codes.data().iter().enumerate();
        let expected: Vec<f32> =
            expected.map(|(i, &code)| levels[channel(i) * 256 + usize::from(code)]).collect();
        assert_eq!(expected.len(), patches.rows.len());
        let differing =
            expected.iter().zip(&patches.rows).filter(|(a, b)| a.to_bits() != b.to_bits()).count();
        assert_eq!(differing, 0, "case {cases}, {size:?}: values of {}", expected.len());
        cases += 1;
    }
    assert_eq!(cases, 10);
}

#[test]
fn sizes_are_those_of_transformers() {
    let bytes = fixture();
    let sizes = integers(&SafeTensors::deserialize(&bytes).unwrap(), "sizes");
    assert!(sizes.len() > 6 * 300);
    for row in sizes.chunks_exact(6) {
        let (height, width) =
            smart_resize(row[0] as u32, row[1] as u32, 28, row[2] as u64, row[3] as u64).unwrap();
        assert_eq!((i64::from(height), i64::from(width)), (row[4], row[5]), "{row:?}");
    }
}
