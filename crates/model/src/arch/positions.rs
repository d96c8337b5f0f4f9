//! M-RoPE positions (three coordinates a token) and rotary tables.

use std::sync::Arc;

use crate::hf::{TextConfig, VisionConfig};
use crate::ops::Rope;

/// Positions `(t, h, w)` of a growing sequence of text and images.
///
/// Text advances all three by one a token. An image's tokens share `t` and carry their row and column
/// in the merged grid as `h` and `w`; the text after it goes on at the largest coordinate plus one.
/// (Qwen2-VL, section 2.1; for still images as in transformers.)
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Positions {
    next: u32,
    rows: Vec<[u32; 3]>,
}

impl Positions {
    /// Appends `n` text tokens.
    pub fn text(&mut self, n: usize) {
        for _ in 0..n {
            self.rows.push([self.next; 3]);
            self.next += 1;
        }
    }

    /// Appends an image of `rows × cols` merged tokens.
    pub fn image(&mut self, rows: usize, cols: usize) {
        for row in 0..rows as u32 {
            for col in 0..cols as u32 {
                self.rows.push([self.next, self.next + row, self.next + col]);
            }
        }
        self.next += rows.max(cols) as u32;
    }

    /// The positions so far.
    pub fn rows(&self) -> &[[u32; 3]] {
        &self.rows
    }

    /// Forgets the rows but goes on counting: for sequences that are extended piece by piece.
    pub fn take_rows(&mut self) -> Vec<[u32; 3]> {
        std::mem::take(&mut self.rows)
    }
}

/// The rotary table of the decoder: frequency `j` of a head uses the coordinate of its section.
pub fn text_rope(config: &TextConfig, positions: &[[u32; 3]]) -> Rope {
    let half = config.head_dim() / 2;
    // Section s covers `mrope_section[s]` frequencies and reads coordinate s.
    let axis: Vec<usize> =
        config.mrope_section.iter().enumerate().flat_map(|(s, &n)| std::iter::repeat_n(s, n)).collect();
    let inverse: Vec<f32> = (0..half)
        .map(|j| (1.0 / config.rope_theta.powf(2.0 * j as f64 / (2 * half) as f64)) as f32)
        .collect();
    table(2 * half, positions.len(), |row, j| {
        positions[row][axis.get(j).copied().unwrap_or(0)] as f32 * inverse[j]
    })
}

/// The rotary table of the vision tower: the first half of the frequencies turns with the patch row,
/// the second half with the patch column. `places` are `(row, column)` in patches.
pub fn vision_rope(config: &VisionConfig, places: &[(u32, u32)]) -> Rope {
    const THETA: f64 = 10_000.0;
    let half = config.head_dim() / 2;
    let quarter = half / 2;
    let inverse: Vec<f32> =
        (0..quarter).map(|j| (1.0 / THETA.powf(2.0 * j as f64 / half as f64)) as f32).collect();
    table(2 * half, places.len(), |row, j| {
        let (h, w) = places[row];
        if j < quarter { h as f32 * inverse[j] } else { w as f32 * inverse[j - quarter] }
    })
}

fn table(head_dim: usize, rows: usize, angle: impl Fn(usize, usize) -> f32) -> Rope {
    let half = head_dim / 2;
    let (mut cos, mut sin) = (Vec::with_capacity(rows * half), Vec::with_capacity(rows * half));
    for row in 0..rows {
        for j in 0..half {
            let (s, c) = angle(row, j).sin_cos();
            cos.push(c);
            sin.push(s);
        }
    }
    Rope { head_dim, cos: Arc::from(cos), sin: Arc::from(sin) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_goes_on_after_the_larger_side() {
        let mut p = Positions::default();
        p.text(2);
        p.image(2, 3);
        p.text(1);
        let expected = [
            [0, 0, 0],
            [1, 1, 1],
            [2, 2, 2],
            [2, 2, 3],
            [2, 2, 4],
            [2, 3, 2],
            [2, 3, 3],
            [2, 3, 4],
            [5, 5, 5],
        ];
        assert_eq!(p.rows(), expected);
        assert_eq!(p.take_rows().len(), 9);
        p.text(1);
        assert_eq!(p.rows(), [[6, 6, 6]]);
    }
}
