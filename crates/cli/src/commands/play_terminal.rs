//! A picture in the terminal: two pixels a character, drawn as a coloured upper half block.

use std::fmt::Write as _;

use eyas_core::Image;

/// `image` as lines of half blocks with true-colour escapes, at most `columns` characters wide. A larger
/// picture is shrunk by averaging, a smaller one is drawn at its size.
pub(crate) fn half_blocks(image: &Image, columns: u32) -> String {
    let width = image.width().min(columns.max(1));
    // The ratio is kept: a character is about twice as high as wide, and holds two pixels.
    let height = (u64::from(image.height()) * u64::from(width) / u64::from(image.width())).max(1) as u32;
    let mut out = String::new();
    for row in (0..height).step_by(2) {
        for column in 0..width {
            let [r, g, b] = average(image, column, row, width, height);
            let _ = write!(out, "\x1b[38;2;{r};{g};{b}m");
            if row + 1 < height {
                let [r, g, b] = average(image, column, row + 1, width, height);
                let _ = write!(out, "\x1b[48;2;{r};{g};{b}m");
            }
            out.push('▀');
        }
        out.push_str("\x1b[0m\n");
    }
    out
}

/// The mean colour of the part of `image` under pixel (`column`, `row`) of a `width × height` version.
fn average(image: &Image, column: u32, row: u32, width: u32, height: u32) -> [u8; 3] {
    let span = |at: u32, of: u32, size: u32| {
        let edge = |at: u32| (u64::from(at) * u64::from(size) / u64::from(of)) as usize;
        edge(at)..edge(at + 1).max(edge(at) + 1)
    };
    let (columns, rows) = (span(column, width, image.width()), span(row, height, image.height()));
    let mut sum = [0u64; 3];
    let count = (columns.len() * rows.len()) as u64;
    for y in rows {
        let start = y * image.width() as usize;
        let line = &image.pixels()[(start + columns.start) * 3..(start + columns.end) * 3];
        for pixel in line.chunks_exact(3) {
            for (total, value) in sum.iter_mut().zip(pixel) {
                *total += u64::from(*value);
            }
        }
    }
    sum.map(|total| (total / count) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_rows_share_a_line() {
        let image = Image::new(1, 3, vec![1, 2, 3, 4, 5, 6, 7, 8, 9]).unwrap();
        let expected = "\x1b[38;2;1;2;3m\x1b[48;2;4;5;6m▀\x1b[0m\n\x1b[38;2;7;8;9m▀\x1b[0m\n";
        assert_eq!(half_blocks(&image, 80), expected);
    }

    #[test]
    fn large_pictures_are_averaged() {
        let image = Image::new(2, 2, vec![0, 0, 0, 10, 10, 10, 20, 20, 20, 30, 30, 30]).unwrap();
        assert_eq!(half_blocks(&image, 1), "\x1b[38;2;15;15;15m▀\x1b[0m\n");
    }

    #[test]
    fn any_shape_fits() {
        for (w, h) in [(1, 200), (200, 1), (113, 57), (64, 64)] {
            let image = Image::new(w, h, vec![7; (w * h * 3) as usize]).unwrap();
            let text = half_blocks(&image, 64);
            assert!(text.lines().all(|l| l.matches('▀').count() == w.min(64) as usize));
        }
    }
}
