//! The image processor written plainly, a whole image at a time, to compare the fast one with.

use super::axis::Axis;
use super::{ImageProcessor, Patches, ProcessorConfig, ProcessorError};
use eyas_core::Image;

/// As [`ImageProcessor::process`].
fn process(processor: &ImageProcessor, image: &Image) -> Result<Patches, ProcessorError> {
    let from = (image.width(), image.height());
    let to = processor.model_size(from.0, from.1)?;
    Ok(patchify(&processor.config, &bicubic(image.pixels(), from, to), to))
}

/// Looks up every level and lays the patches out in merge-block order.
fn patchify(config: &ProcessorConfig, pixels: &[u8], (width, height): (u32, u32)) -> Patches {
    let ProcessorConfig { patch_size: patch, temporal_patch_size: frames, merge_size: merge, .. } = *config;
    let (width, height) = (width as usize, height as usize);
    let grid = [1, height / patch, width / patch];
    let levels: [_; 3] = std::array::from_fn(|channel| level_table(config, channel));
    let mut rows = Vec::new();
    for index in 0..grid[1] * grid[2] {
        let (block, inside) = (index / (merge * merge), index % (merge * merge));
        let (block_row, block_column) = (block / (grid[2] / merge), block % (grid[2] / merge));
        let top = (block_row * merge + inside / merge) * patch;
        let left = (block_column * merge + inside % merge) * patch;
        for (channel, levels) in levels.iter().enumerate() {
            for _ in 0..frames {
                for (y, x) in (0..patch * patch).map(|i| (top + i / patch, left + i % patch)) {
                    rows.push(levels[usize::from(pixels[(y * width + x) * 3 + channel])]);
                }
            }
        }
    }
    Patches { rows, row_len: 3 * frames * patch * patch, grid }
}

/// The value of each level of `channel`, in the order of f32 operations that `transformers` uses: mean
/// and deviation are brought to levels first, then subtracted and divided.
pub(super) fn level_table(config: &ProcessorConfig, channel: usize) -> [f32; 256] {
    let to_levels = if config.do_rescale { (1.0 / config.rescale_factor) as f32 } else { 1.0 };
    let mean = config.image_mean[channel] as f32 * to_levels;
    let std = config.image_std[channel] as f32 * to_levels;
    std::array::from_fn(|level| match (config.do_normalize, config.do_rescale) {
        (true, _) => (level as f32 - mean) / std,
        (false, true) => level as f32 * config.rescale_factor as f32,
        (false, false) => level as f32,
    })
}

/// Resizes `pixels` (RGB8, row-major) between sizes given as (width, height), all sides at least 1.
fn bicubic(pixels: &[u8], from: (u32, u32), to: (u32, u32)) -> Vec<u8> {
    let (from, to) = ((from.0 as usize, from.1 as usize), (to.0 as usize, to.1 as usize));
    match (from.0 == to.0, from.1 == to.1) {
        (true, true) => pixels.to_vec(),
        (true, false) => down(pixels, to.0, &Axis::new(from.1, to.1)),
        (false, true) => across(pixels, from.0, &Axis::new(from.0, to.0)),
        (false, false) => {
            let wide = across(pixels, from.0, &Axis::new(from.0, to.0));
            down(&wide, to.0, &Axis::new(from.1, to.1))
        }
    }
}

/// Resizes every row of an image `width` pixels wide.
fn across(pixels: &[u8], width: usize, axis: &Axis) -> Vec<u8> {
    let mut out = Vec::new();
    for row in pixels.chunks_exact(width * 3) {
        for (start, weights) in axis.outputs() {
            let mut sum = [axis.half(); 3];
            for (source, &weight) in row[start * 3..].chunks_exact(3).zip(weights) {
                sum[0] += i32::from(weight) * i32::from(source[0]);
                sum[1] += i32::from(weight) * i32::from(source[1]);
                sum[2] += i32::from(weight) * i32::from(source[2]);
            }
            out.extend(sum.map(|sum| axis.level(sum)));
        }
    }
    out
}

/// Resizes every column of an image `width` pixels wide.
fn down(pixels: &[u8], width: usize, axis: &Axis) -> Vec<u8> {
    let line = width * 3;
    let mut out = Vec::new();
    for (start, weights) in axis.outputs() {
        for column in 0..line {
            let taps = pixels[start * line + column..].iter().step_by(line).zip(weights);
            let sum: i32 = taps.map(|(&level, &weight)| i32::from(weight) * i32::from(level)).sum();
            out.push(axis.level(sum + axis.half()));
        }
    }
    out
}

#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn picture(width: u32, height: u32, seed: u64) -> Image {
        let mut rng = eyas_core::Seed::new(seed).rng();
        // Runs of black and white are where sums leave the levels.
        let mut level = || match rng.below(3) {
            0 => 0,
            1 => 255,
            _ => rng.below(256) as u8,
        };
        let pixels: Vec<u8> = (0..width * height * 3).map(|_| level()).collect();
        Image::new(width, height, pixels).unwrap()
    }

    fn bits(patches: &Patches) -> Vec<u32> {
        patches.rows.iter().map(|value| value.to_bits()).collect()
    }

    fn compare(config: ProcessorConfig, image: &Image) {
        let processor = ImageProcessor::new(config).unwrap();
        match (processor.process(image), process(&processor, image)) {
            (Ok(fast), Ok(plain)) => {
                assert_eq!((fast.grid, fast.row_len), (plain.grid, plain.row_len));
                assert!(bits(&fast) == bits(&plain), "{:?}", processor.config);
                assert_eq!(fast.rows.capacity(), fast.rows.len(), "nothing is too much, and nothing grew");
            }
            (fast, plain) => assert_eq!(fast, plain),
        }
    }

    proptest! {
        #[test]
        fn the_fast_processor_gives_the_same_bits(
            (width, height, seed) in (1u32..150, 1u32..150, any::<u64>()),
            (patch_size, merge_size, temporal_patch_size) in (1usize..40, 1usize..4, 1usize..4),
            (min_pixels, more) in (1u64..20_000, 0u64..20_000),
            (do_rescale, do_normalize) in any::<(bool, bool)>(),
        ) {
            let max_pixels = min_pixels + more;
            let config = ProcessorConfig {
                patch_size,
                merge_size,
                temporal_patch_size,
                min_pixels,
                max_pixels,
                do_rescale,
                do_normalize,
                ..ProcessorConfig::default()
            };
            compare(config, &picture(width, height, seed));
        }
    }

    #[test]
    fn sides_that_stay_give_the_same_bits() {
        for (width, height) in [(56, 84), (56, 83), (57, 84), (28, 28), (1, 150), (3000, 16), (16, 3000)] {
            compare(ProcessorConfig::default(), &picture(width, height, 5));
        }
        let config = ProcessorConfig { do_resize: false, ..ProcessorConfig::default() };
        compare(config, &picture(84, 56, 6));
    }

    #[test]
    fn threads_do_not_matter() {
        let processor = ImageProcessor::new(ProcessorConfig::default()).unwrap();
        let images: Vec<Image> = (0..6).map(|i| picture(90 + i, 130 - 7 * i, u64::from(i))).collect();
        let expected: Vec<_> = images.iter().map(|image| process(&processor, image).unwrap()).collect();
        for threads in [1, 2, 5] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let process = |image| processor.process(image).unwrap();
            let done: Vec<_> = pool.install(|| {
                use rayon::prelude::*;
                images.par_iter().map(process).collect()
            });
            assert!(done.iter().zip(&expected).all(|(a, b)| bits(a) == bits(b)), "{threads} threads");
        }
    }

    #[test]
    fn a_flat_image_stays_flat() {
        let flat: Vec<u8> = [10, 128, 255].repeat(50 * 40);
        for to in [(28, 28), (84, 112), (50, 28), (28, 40), (50, 40)] {
            let out = bicubic(&flat, (50, 40), to);
            assert_eq!(out, [10, 128, 255].repeat((to.0 * to.1) as usize), "{to:?}");
        }
    }

    #[test]
    fn one_pass_or_two_agree_with_a_plain_sum() {
        let pixels: Vec<u8> = (0..31 * 17 * 3).map(|i| (i * i * 7 % 256) as u8).collect();
        let (x, y) = (Axis::new(31, 28), Axis::new(17, 56));
        let at = |image: &[u8], width: usize, x: usize, y: usize, c: usize| {
            i32::from(image[(y * width + x) * 3 + c])
        };
        let wide = across(&pixels, 31, &x);
        let tall = down(&wide, 28, &y);
        assert_eq!(tall, bicubic(&pixels, (31, 17), (28, 56)));
        for (column, (start, weights)) in x.outputs().enumerate() {
            let taps = weights.iter().enumerate();
            let sum: i32 = taps.map(|(i, &w)| i32::from(w) * at(&pixels, 31, start + i, 9, 1)).sum();
            assert_eq!(at(&wide, 28, column, 9, 1), i32::from(x.level(sum + x.half())));
        }
        for (row, (start, weights)) in y.outputs().enumerate() {
            let taps = weights.iter().enumerate();
            let sum: i32 = taps.map(|(i, &w)| i32::from(w) * at(&wide, 28, 5, start + i, 2)).sum();
            assert_eq!(at(&tall, 28, 5, row, 2), i32::from(y.level(sum + y.half())));
        }
    }
}
