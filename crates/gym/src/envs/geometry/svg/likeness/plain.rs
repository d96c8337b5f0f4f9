//! The likeness in its plainest form, pixel by pixel: what the fast form is compared with.

use super::{APART, BLOCK, C1, C2, Likeness};
use crate::draw::Rgb;

/// Compares two pictures of `side` × `side` pixels, three bytes each.
pub(in super::super) fn likeness(target: &[u8], made: &[u8], side: usize, background: Rgb) -> Likeness {
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
