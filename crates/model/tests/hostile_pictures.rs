//! Pictures of every kind and pictures made to break a reader: a defined result or an error, soon, and without
//! taking more memory than the picture allows.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/largest.rs"]
mod largest;

use std::fs;

use eyas_core::Image;
use eyas_model::image_file::{ImageFileError, ImageLimits, decode_image, read_image};
use eyas_model::processor::{ImageProcessor, ProcessorConfig, ProcessorError};
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};
use largest::largest;

fn decode(bytes: &[u8]) -> Result<Image, ImageFileError> {
    decode_image(bytes, "x", &ImageLimits::default())
}

fn noise(len: u32) -> Vec<u8> {
    (0..len).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let encoder = PngEncoder::new(&mut bytes);
    encoder.write_image(&noise(width * height * 3), width, height, ExtendedColorType::Rgb8).unwrap();
    bytes
}

fn jpeg(width: u32, height: u32, kind: ExtendedColorType) -> Vec<u8> {
    let channels = if kind == ExtendedColorType::L8 { 1 } else { 3 };
    let mut bytes = Vec::new();
    JpegEncoder::new(&mut bytes).write_image(&noise(width * height * channels), width, height, kind).unwrap();
    bytes
}

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

/// A PNG with more chunks after its header, which ends at byte 33.
fn with_chunks(png: &[u8], chunks: &[Vec<u8>]) -> Vec<u8> {
    [&png[..33], &chunks.concat(), &png[33..]].concat()
}

/// A zlib stream of `len` zeros in some thousandths of the bytes: the data of a grey PNG of that size.
fn packed_zeros(len: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let side = 1 << (len.ilog2() / 2);
    let encoder = PngEncoder::new_with_quality(
        &mut bytes,
        image::codecs::png::CompressionType::Best,
        image::codecs::png::FilterType::NoFilter,
    );
    let zeros = vec![0; (side * side) as usize];
    encoder.write_image(&zeros, side, side, ExtendedColorType::L8).unwrap();
    let mut at = 33;
    let mut data = Vec::new();
    while at < bytes.len() {
        let len = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        if &bytes[at + 4..at + 8] == b"IDAT" {
            data.extend_from_slice(&bytes[at + 8..at + 8 + len]);
        }
        at += len + 12;
    }
    data
}

/// A baseline JPEG of one 8 × 8 block a component, every coefficient 0: all levels 128.
fn flat_jpeg(components: u8) -> Vec<u8> {
    let segment = |marker: u8, data: &[u8]| {
        [&[0xFF, marker], &(data.len() as u16 + 2).to_be_bytes()[..], data].concat()
    };
    // One code of one bit, for the value 0.
    let table = |class: u8| [&[class, 1][..], &[0; 15], &[0]].concat();
    let of_each = |bytes: &dyn Fn(u8) -> Vec<u8>| (1..=components).flat_map(bytes).collect::<Vec<u8>>();
    let frame = [&[8, 0, 8, 0, 8, components][..], &of_each(&|c| vec![c, 0x11, 0])].concat();
    let scan = [&[components][..], &of_each(&|c| vec![c, 0]), &[0, 63, 0]].concat();
    [
        vec![0xFF, 0xD8],
        segment(0xDB, &[&[0][..], &[1; 64]].concat()),
        segment(0xC0, &frame),
        segment(0xC4, &table(0x00)),
        segment(0xC4, &table(0x10)),
        segment(0xDA, &scan),
        // Two bits a component, filled with ones.
        vec![0xFF_u8.checked_shr(2 * u32::from(components)).unwrap_or(0)],
        vec![0xFF, 0xD9],
    ]
    .concat()
}

#[test]
fn a_file_cut_at_any_twentieth_is_no_picture() {
    for bytes in [png(40, 30), jpeg(40, 30, ExtendedColorType::Rgb8), jpeg(40, 30, ExtendedColorType::L8)] {
        decode(&bytes).unwrap();
        for part in 1..20 {
            let cut = &bytes[..bytes.len() * part / 20];
            assert!(matches!(decode(cut), Err(ImageFileError::Truncated { .. })), "{part} of 20");
        }
    }
}

#[test]
fn every_kind_of_jpeg_becomes_rgb() {
    let grey = decode(&jpeg(9, 9, ExtendedColorType::L8)).unwrap();
    assert!(grey.pixels().chunks(3).all(|p| p[0] == p[1] && p[1] == p[2]));
    assert_eq!(decode(&flat_jpeg(1)).unwrap().pixels(), [128; 8 * 8 * 3]);
    assert!(decode(&flat_jpeg(3)).unwrap().pixels().iter().all(|level| level.abs_diff(128) <= 1));
    // Half of each ink and half black leave a quarter of the light.
    let cmyk = decode(&flat_jpeg(4)).unwrap();
    assert_eq!((cmyk.width(), cmyk.height()), (8, 8));
    assert!(cmyk.pixels().iter().all(|level| level.abs_diff(64) <= 2), "{:?}", &cmyk.pixels()[..3]);
    assert!(decode(&flat_jpeg(0)).is_err());
}

#[test]
fn an_orientation_is_not_applied() {
    let plain = jpeg(16, 8, ExtendedColorType::Rgb8);
    // Exif, little-endian, one entry: orientation 6, a quarter turn.
    let tiff = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    let exif = [&b"Exif\0\0"[..], tiff].concat();
    let segment = [&[0xFF, 0xE1], &(exif.len() as u16 + 2).to_be_bytes()[..], &exif].concat();
    let turned = [&plain[..2], &segment, &plain[2..]].concat();
    assert_eq!(decode(&turned).unwrap(), decode(&plain).unwrap());
}

#[test]
fn of_an_animated_png_the_still_picture_is_read_and_other_formats_are_refused() {
    let still = png(9, 9);
    // A thousand frames are announced; none is looked for.
    let frames = chunk(b"acTL", &[0, 0, 3, 0xE8, 0, 0, 0, 0]);
    let control = [&[0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 9][..], &[0; 8], &[0, 1, 0, 1, 0, 0]].concat();
    let animated = with_chunks(&still, &[frames, chunk(b"fcTL", &control)]);
    assert_eq!(decode(&animated).unwrap(), decode(&still).unwrap());
    for bytes in [
        &b"GIF89a\x01\0\x01\0\0\0\0;"[..],
        b"RIFF\x1a\0\0\0WEBPVP8L",
        b"II*\0\x08\0\0\0",
        b"\0\0\0\x1cftypavif\0\0\0\0",
        b"BM\0\0\0\0",
        b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>",
        b"%PDF-1.7",
        b"P6 1 1 255 abc",
    ] {
        assert!(matches!(decode(bytes), Err(ImageFileError::UnknownFormat { .. })), "{bytes:?}");
    }
}

#[test]
fn bombs_take_no_more_memory_than_the_picture_allows() {
    let small = png(9, 9);
    let zeros = packed_zeros(1 << 26);
    assert!(zeros.len() < 1 << 20);
    let text = |kind: &[u8; 4], head: &[u8]| chunk(kind, &[head, &zeros].concat());
    let bombs = [
        ("zTXt", text(b"zTXt", b"key\0\0")),
        ("iTXt", text(b"iTXt", b"key\0\x01\0\0\0")),
        ("iCCP", text(b"iCCP", b"profile\0\0")),
        ("many zTXt", (0..50).flat_map(|_| text(b"zTXt", b"key\0\0")).collect()),
        // The picture's own data is longer than the picture.
        ("IDAT", text(b"IDAT", b"")),
    ];
    for (what, bomb) in bombs {
        let bytes = with_chunks(&small, &[bomb]);
        let (read, most) = largest(|| decode(&bytes));
        assert!(most <= (4 << 20) + 2 * bytes.len(), "{what}: {most} bytes at once");
        if what != "IDAT" && what != "iCCP" {
            assert_eq!(read.unwrap(), decode(&small).unwrap(), "{what}");
        }
    }
    // Headers that promise 40 megapixels or more over some bytes of data.
    let mut lying = png(4, 4);
    for (width, height, most_bytes) in [(50_000u32, 50_000u32, 1 << 16), (100_000, 1_000, 1 << 16)] {
        lying[16..20].copy_from_slice(&width.to_be_bytes());
        lying[20..24].copy_from_slice(&height.to_be_bytes());
        let sum = crc(&lying[12..29]);
        lying[29..33].copy_from_slice(&sum.to_be_bytes());
        let (read, most) = largest(|| decode(&lying));
        assert!(matches!(read, Err(ImageFileError::Size { .. })), "{read:?}");
        assert!(most <= most_bytes, "{most} bytes at once");
    }
    let mut lying = flat_jpeg(3);
    let frame = lying.windows(2).position(|w| w == [0xFF, 0xC0]).unwrap();
    lying[frame + 5..frame + 9].fill(0xFF);
    let (read, most) = largest(|| decode(&lying));
    assert!(matches!(read, Err(ImageFileError::Size { width: 65_535, height: 65_535, .. })), "{read:?}");
    assert!(most <= 1 << 20, "{most} bytes at once");
}

/// Found by the fuzzer: the decoder panics on it.
#[test]
fn a_palette_that_ends_inside_a_colour_is_refused() {
    let grey = {
        let mut bytes = Vec::new();
        PngEncoder::new(&mut bytes).write_image(&[0, 1], 2, 1, ExtendedColorType::L8).unwrap();
        bytes
    };
    let header = chunk(b"IHDR", &[0, 0, 0, 2, 0, 0, 0, 1, 8, 3, 0, 0, 0]);
    let with = |palette: &[u8]| {
        let chunks = [header.clone(), chunk(b"PLTE", palette), chunk(b"tRNS", &[255, 0])];
        decode(&[&grey[..8], &chunks.concat(), &grey[33..]].concat())
    };
    with(&[9, 8, 7, 60, 50, 40]).unwrap();
    for len in [1, 2, 4, 5, 7, 8] {
        let error = with(&vec![7; len]).unwrap_err().to_string();
        assert_eq!(error, format!("x: its palette has {len} bytes, no multiple of 3"));
    }
}

#[test]
fn shapes_at_the_edge_are_seen_or_refused_by_name() {
    let processor = ImageProcessor::new(ProcessorConfig::default()).unwrap();
    for (width, height, seen) in
        [(1, 1, true), (9, 9, true), (200, 1, true), (1, 201, false), (1, 10_000, false), (10_000, 1, false)]
    {
        let image = decode(&png(width, height)).unwrap();
        let patches = processor.process(&image);
        assert_eq!(patches.is_ok(), seen, "{width}x{height}");
        if let Err(error) = patches {
            assert!(matches!(error, ProcessorError::AspectRatio(_)), "{error}");
        }
    }
}

#[test]
#[cfg(unix)]
fn what_is_no_file_is_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe.png");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let device = dir.path().join("zero.png");
    std::os::unix::fs::symlink("/dev/zero", &device).unwrap();
    for (path, part) in [(pipe.as_path(), "a pipe"), (&device, "a device"), (dir.path(), "a folder")] {
        let error = read_image(path, &ImageLimits::default()).unwrap_err().to_string();
        assert!(error.ends_with(&format!("{part}, not a file")), "{error}");
    }
    // A hole of 300 MB: read up to the limit.
    let long = dir.path().join("long.png");
    fs::File::create(&long).unwrap().set_len(300 << 20).unwrap();
    let limits = ImageLimits { max_bytes: 1 << 20, ..ImageLimits::default() };
    let (read, most) = largest(|| read_image(&long, &limits));
    assert!(matches!(read, Err(ImageFileError::TooManyBytes { .. })));
    assert!(most <= 4 << 20, "{most} bytes at once");
}
