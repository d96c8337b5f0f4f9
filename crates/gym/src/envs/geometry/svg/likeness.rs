//! How alike two pictures are: the mean of three numbers between 0 and 1, each 1 for equal pictures and 0
//! for an empty one. Only sums, products and quotients, so the same everywhere.

use crate::draw::Rgb;

/// Values of a channel farther apart than this are different.
const APART: u8 = 40;

/// Constants of the structural similarity for values of 0 to 255 (Wang et al. 2004).
const C1: f64 = 6.5025;
const C2: f64 = 58.5225;

/// Side of the blocks whose sums make up the windows of the structural similarity: a window is two blocks
/// wide and moves by one.
const BLOCK: usize = 4;

/// The parts of the likeness.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Likeness {
    /// Structural similarity of the brightness, counted from that of the empty picture.
    pub(super) structure: f64,
    /// Pixels painted in both in the same colour, of those painted in either.
    pub(super) color: f64,
    /// Harmonic mean of the shares of edge pixels within a pixel of an edge of the other picture.
    pub(super) edges: f64,
}

impl Likeness {
    pub(super) fn mean(&self) -> f64 {
        (self.structure + self.color + self.edges) / 3.0
    }
}

/// Compares two pictures of `side` × `side` pixels, three bytes each.
pub(super) fn likeness(target: &[u8], made: &[u8], side: usize, background: Rgb) -> Likeness {
    let (a, b) = (bright(target), bright(made));
    let empty = vec![bright(&background)[0]; a.len()];
    let (sim, least) = (similarity(&a, &b, side), similarity(&a, &empty, side));
    let structure = if least < 1.0 { ((sim - least) / (1.0 - least)).clamp(0.0, 1.0) } else { sim };
    Likeness {
        structure,
        color: color_overlap(target, made, background),
        edges: edge_overlap(target, made, side),
    }
}

/// The brightness of every pixel.
fn bright(pixels: &[u8]) -> Vec<u8> {
    let one = |p: &[u8]| (77 * u32::from(p[0]) + 150 * u32::from(p[1]) + 29 * u32::from(p[2])) >> 8;
    pixels.chunks_exact(3).map(|p| one(p) as u8).collect()
}

/// Sums over a block: a, b, a², b², ab.
type Sums = [u32; 5];

fn add(a: Sums, b: Sums) -> Sums {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3], a[4] + b[4]]
}

/// The mean structural similarity over windows of 8 × 8 pixels, 4 pixels apart.
fn similarity(a: &[u8], b: &[u8], side: usize) -> f64 {
    let across = side / BLOCK;
    let mut blocks = vec![[0u32; 5]; across * across];
    for (y, (row_a, row_b)) in a.chunks_exact(side).zip(b.chunks_exact(side)).enumerate().take(across * BLOCK)
    {
        let pairs = row_a.chunks_exact(BLOCK).zip(row_b.chunks_exact(BLOCK));
        for (block, (part_a, part_b)) in blocks[y / BLOCK * across..][..across].iter_mut().zip(pairs) {
            for (p, q) in part_a.iter().zip(part_b) {
                let (p, q) = (u32::from(*p), u32::from(*q));
                *block = add(*block, [p, q, p * p, q * q, p * q]);
            }
        }
    }
    let mut sum = 0.0;
    for y in 1..across {
        for x in 1..across {
            let at = y * across + x;
            let window =
                add(add(blocks[at], blocks[at - 1]), add(blocks[at - across], blocks[at - across - 1]));
            sum += window_similarity(window);
        }
    }
    let count = across.saturating_sub(1).pow(2);
    if count == 0 { 1.0 } else { sum / count as f64 }
}

fn window_similarity(sums: Sums) -> f64 {
    let n = (4 * BLOCK * BLOCK) as f64;
    let [a, b, aa, bb, ab] = sums.map(f64::from);
    let (mean_a, mean_b) = (a / n, b / n);
    let (var_a, var_b, cov) = (aa / n - mean_a * mean_a, bb / n - mean_b * mean_b, ab / n - mean_a * mean_b);
    let light = (2.0 * mean_a * mean_b + C1) / (mean_a * mean_a + mean_b * mean_b + C1);
    light * (2.0 * cov + C2) / (var_a + var_b + C2)
}

fn differ(a: &[u8], b: &[u8]) -> bool {
    (a[0].abs_diff(b[0]) > APART) | (a[1].abs_diff(b[1]) > APART) | (a[2].abs_diff(b[2]) > APART)
}

fn color_overlap(target: &[u8], made: &[u8], background: Rgb) -> f64 {
    let (mut either, mut both) = (0u32, 0u32);
    for (a, b) in target.chunks_exact(3).zip(made.chunks_exact(3)) {
        let (in_a, in_b) = (differ(a, &background), differ(b, &background));
        either += u32::from(in_a | in_b);
        both += u32::from(in_a & in_b & !differ(a, b));
    }
    if either == 0 { 1.0 } else { f64::from(both) / f64::from(either) }
}

/// 1 for every pixel that differs from its right or its lower neighbour.
fn edges(pixels: &[u8], side: usize) -> Vec<u8> {
    let mut out = vec![0; side * side];
    for y in 0..side {
        let row = &pixels[3 * y * side..][..3 * side];
        let below = &pixels[3 * (y + 1).min(side - 1) * side..][..3 * side];
        for x in 0..side {
            let (at, right) = (3 * x, 3 * (x + 1).min(side - 1));
            let here = &row[at..at + 3];
            out[y * side + x] =
                u8::from(differ(here, &row[right..right + 3]) | differ(here, &below[at..at + 3]));
        }
    }
    out
}

/// Every pixel within one of a marked one.
fn widened(marks: &[u8], side: usize) -> Vec<u8> {
    let mut across = marks.to_vec();
    for (to, from) in across.chunks_exact_mut(side).zip(marks.chunks_exact(side)) {
        to[1..].iter_mut().zip(from).for_each(|(t, f)| *t |= f);
        to.iter_mut().zip(&from[1..]).for_each(|(t, f)| *t |= f);
    }
    let mut out = across.clone();
    out[side..].iter_mut().zip(&across).for_each(|(t, f)| *t |= f);
    out.iter_mut().zip(&across[side..]).for_each(|(t, f)| *t |= f);
    out
}

fn edge_overlap(target: &[u8], made: &[u8], side: usize) -> f64 {
    let (a, b) = (edges(target, side), edges(made, side));
    let count = |marks: &[u8]| marks.iter().map(|m| u32::from(*m)).sum::<u32>();
    let shared =
        |marks: &[u8], near: &[u8]| marks.iter().zip(near).map(|(m, n)| u32::from(m & n)).sum::<u32>();
    let (all_a, all_b) = (count(&a), count(&b));
    if all_a == 0 || all_b == 0 {
        return if all_a == all_b { 1.0 } else { 0.0 };
    }
    let found = f64::from(shared(&a, &widened(&b, side))) / f64::from(all_a);
    let right = f64::from(shared(&b, &widened(&a, side))) / f64::from(all_b);
    if found + right == 0.0 { 0.0 } else { 2.0 * found * right / (found + right) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE: usize = 56;

    /// A white picture with one filled rectangle.
    fn picture(x: usize, y: usize, width: usize, height: usize, color: Rgb) -> Vec<u8> {
        let inside = |i: usize| (x..x + width).contains(&(i % SIDE)) && (y..y + height).contains(&(i / SIDE));
        (0..SIDE * SIDE).flat_map(|i| if inside(i) { color } else { [255; 3] }).collect()
    }

    #[test]
    fn equal_pictures_are_alike_and_an_empty_one_is_not() {
        let target = picture(10, 10, 20, 20, [255, 0, 0]);
        let compare = |made: &[u8]| likeness(&target, made, SIDE, [255; 3]);
        assert_eq!(compare(&target), Likeness { structure: 1.0, color: 1.0, edges: 1.0 });
        assert_eq!(
            compare(&picture(0, 0, 0, 0, [0; 3])),
            Likeness { structure: 0.0, color: 0.0, edges: 0.0 }
        );
    }

    #[test]
    fn each_part_measures_its_own() {
        let target = picture(10, 10, 20, 20, [255, 0, 0]);
        let compare = |made: &[u8]| likeness(&target, made, SIDE, [255; 3]);
        // Half the area shared: 200 of 600 pixels.
        let moved = compare(&picture(20, 10, 20, 20, [255, 0, 0]));
        assert!((moved.color - 1.0 / 3.0).abs() < 1e-9);
        assert!(moved.structure < 0.7 && moved.edges < 0.7, "{moved:?}");
        // The right shape in another colour of about the same brightness.
        let other = compare(&picture(10, 10, 20, 20, [0, 128, 0]));
        assert_eq!((other.color, other.edges), (0.0, 1.0));
        assert!(other.structure > 0.9);
        // One pixel off: the edges still meet.
        let near = compare(&picture(11, 10, 20, 20, [255, 0, 0]));
        assert_eq!(near.edges, 1.0);
        // Everything painted.
        let flood = compare(&picture(0, 0, SIDE, SIDE, [255, 0, 0]));
        assert!(flood.mean() < 0.2, "{flood:?}");
    }

    #[test]
    fn marks_widen_by_one() {
        let mut marks = vec![0; 25];
        marks[12] = 1;
        let wide: Vec<usize> =
            widened(&marks, 5).iter().enumerate().filter(|(_, m)| **m == 1).map(|(i, _)| i).collect();
        assert_eq!(wide, [6, 7, 8, 11, 12, 13, 16, 17, 18]);
    }
}
