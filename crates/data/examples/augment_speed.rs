//! Prints how many pictures of 224 × 224 each change makes in a second, on one core.
//!
//! `cargo run --release -p eyas-data --example augment_speed`

use std::hint::black_box;
use std::time::{Duration, Instant};

use eyas_core::{Image, Seed};
use eyas_data::DataError;
use eyas_data::augment::{
    Augmentation, Blank, Blur, Concat, Crop, Diffuse, Fill, Mixup, Noise, Occlude, PatchMask, Rotate,
};

const SIDE: u32 = 224;

fn picture(salt: u64) -> Result<Image, DataError> {
    let mut rng = Seed::new(salt).rng();
    let bytes: Vec<u8> = (0..SIDE * SIDE * 3).map(|_| rng.next_u64() as u8).collect();
    Ok(Image::new(SIDE, SIDE, bytes)?)
}

fn main() -> Result<(), DataError> {
    let (image, partner) = (picture(1)?, picture(2)?);
    let noisy = PatchMask { fill: Fill::Noise, ..PatchMask::default() };
    let back = Crop { resize: true, ..Crop::default() };
    let same_size = Mixup { side: None, ..Mixup::default() };
    for (name, change) in [
        ("patch mask", Augmentation::PatchMask(PatchMask::default())),
        ("patch mask, noise", Augmentation::PatchMask(noisy)),
        ("occlude", Augmentation::Occlude(Occlude::default())),
        ("blank", Augmentation::Blank(Blank::default())),
        ("noise", Augmentation::Noise(Noise::default())),
        ("diffuse", Augmentation::Diffuse(Diffuse::default())),
        ("rotate, expanded", Augmentation::Rotate(Rotate::default())),
        ("crop", Augmentation::Crop(Crop::default())),
        ("crop, resized", Augmentation::Crop(back)),
        ("blur", Augmentation::Blur(Blur::default())),
        ("mixup, 256 × 256", Augmentation::Mixup(Mixup::default())),
        ("mixup, same size", Augmentation::Mixup(same_size)),
        ("concat", Augmentation::Concat(Concat::default())),
    ] {
        let start = Instant::now();
        let mut made = 0u64;
        while start.elapsed() < Duration::from_secs(1) {
            black_box(change.apply(black_box(&image), Some(&partner), 1.0, Seed::new(made))?);
            made += 1;
        }
        println!("{name:20} {:8.0} pictures/s", made as f64 / start.elapsed().as_secs_f64());
    }
    Ok(())
}
