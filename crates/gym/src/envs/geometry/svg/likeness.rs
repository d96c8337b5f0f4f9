//! How alike two pictures are: the mean of three numbers between 0 and 1, each 1 for equal pictures and 0
//! for an empty one. Only sums, products and quotients, so the same everywhere.
//!
//! What follows from one picture alone is its [`Analysis`], so that all answers to a task share that of the
//! target. Colours lie in planes and there is a byte of marks a pixel, so that the loops over pixels are loops
//! over bytes, which compilers turn into loops over many bytes at once. `plain` is the same without all that.

#[cfg(test)]
pub(super) mod plain;

use std::ops::Range;

use crate::draw::{Canvas, Rgb};

/// Values of a channel farther apart than this are different.
const APART: u8 = 40;

/// Constants of the structural similarity for values of 0 to 255 (Wang et al. 2004).
const C1: f64 = 6.5025;
const C2: f64 = 58.5225;

/// Side of the blocks whose sums make up the windows of the structural similarity: a window is two blocks
/// wide and moves by one.
const BLOCK: usize = 4;

/// Pixels of a window.
const WINDOW: f64 = (4 * BLOCK * BLOCK) as f64;

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

/// The bits of a pixel's marks: it differs from the background; it differs from its right or its lower
/// neighbour; it is within one of a pixel that does the latter.
const PAINTED: u8 = 0;
const EDGE: u8 = 1;
const NEAR_EDGE: u8 = 2;

/// The lowest bit of every byte of a word.
const LOWEST_BITS: u64 = u64::MAX / 255;

/// How many words of such bits can be added with each byte a sum of its own.
const MOST_WORDS: usize = 255;

/// What the likeness needs to know of one picture.
pub(super) struct Analysis {
    side: usize,
    /// Red, green and blue of every pixel.
    planes: [Vec<u8>; 3],
    brightness: Vec<u8>,
    /// Mean and variance of the brightness in every window.
    means: Vec<f64>,
    variances: Vec<f64>,
    marks: Vec<u8>,
    /// From the first row with a painted pixel to the last.
    painted_rows: Range<usize>,
}

impl Analysis {
    /// Of a square picture; its side is a multiple of [`BLOCK`].
    pub(super) fn new(picture: Canvas, background: Rgb) -> Self {
        let side = picture.width() as usize;
        let planes = planes(picture.pixels(), side);
        // What follows fits into its place.
        drop(picture);
        let brightness = brightness(&planes);
        let sums = window_sums(&brightness, &brightness, side, |p, _| p);
        let squares = window_sums(&brightness, &brightness, side, |p, q| p * q);
        let means: Vec<f64> = sums.iter().map(|sum| f64::from(*sum) / WINDOW).collect();
        let variance = |(sum, mean): (&u32, &f64)| f64::from(*sum) / WINDOW - mean * mean;
        let variances = squares.iter().zip(&means).map(variance).collect();
        let marks = marks(&planes, side, background);
        let painted_rows = painted_rows(&marks, side);
        Self { side, planes, brightness, means, variances, marks, painted_rows }
    }

    /// The colours of some rows.
    fn rows(&self, rows: Range<usize>) -> [&[u8]; 3] {
        self.planes.each_ref().map(|plane| &plane[rows.start * self.side..rows.end * self.side])
    }
}

/// A picture that answers are compared with.
pub(super) struct Target {
    picture: Analysis,
    /// Its structural similarity to the empty picture.
    least: f64,
}

impl Target {
    pub(super) fn new(picture: Canvas, background: Rgb) -> Self {
        let empty = Canvas::new(picture.width(), picture.height(), background);
        let [picture, empty] = [picture, empty].map(|picture| Analysis::new(picture, background));
        let least = similarity(&picture, &empty);
        Self { picture, least }
    }

    pub(super) fn likeness(&self, made: &Analysis) -> Likeness {
        let (sim, least) = (similarity(&self.picture, made), self.least);
        let structure = if least < 1.0 { ((sim - least) / (1.0 - least)).clamp(0.0, 1.0) } else { sim };
        let counts = Counts::new(&self.picture, made);
        Likeness { structure, color: counts.color_overlap(), edges: counts.edge_overlap() }
    }
}

/// Takes the colours apart.
fn planes(pixels: &[u8], side: usize) -> [Vec<u8>; 3] {
    let mut planes = [(); 3].map(|()| Vec::with_capacity(side * side));
    let mut above: &[u8] = &[];
    for row in pixels.chunks_exact(3 * side) {
        // Most rows repeat the one above, and to copy is faster.
        let repeats = row == above;
        for (channel, plane) in planes.iter_mut().enumerate() {
            if repeats {
                plane.extend_from_within(plane.len() - side..);
            } else {
                plane.extend(row.chunks_exact(3).map(|pixel| pixel[channel]));
            }
        }
        above = row;
    }
    planes
}

/// The brightness of every pixel.
fn brightness([red, green, blue]: &[Vec<u8>; 3]) -> Vec<u8> {
    // At most 256 × 255, so 16 bits are enough.
    let one = |r: u8, g: u8, b: u8| (77 * u16::from(r) + 150 * u16::from(g) + 29 * u16::from(b)) >> 8;
    red.iter().zip(green).zip(blue).map(|((r, g), b)| one(*r, *g, *b) as u8).collect()
}

/// For every window of 8 × 8 pixels, 4 pixels apart, the sum of `of` over pairs of pixels.
fn window_sums(a: &[u8], b: &[u8], side: usize, of: impl Fn(u32, u32) -> u32) -> Vec<u32> {
    let across = side / BLOCK;
    let mut blocks = Vec::with_capacity(across * across);
    let mut columns = vec![0; side];
    for (band_a, band_b) in a.chunks_exact(BLOCK * side).zip(b.chunks_exact(BLOCK * side)) {
        columns.fill(0);
        for (row_a, row_b) in band_a.chunks_exact(side).zip(band_b.chunks_exact(side)) {
            for ((column, p), q) in columns.iter_mut().zip(row_a).zip(row_b) {
                *column += of(u32::from(*p), u32::from(*q));
            }
        }
        blocks.extend(columns.chunks_exact(BLOCK).map(|part| part.iter().sum::<u32>()));
    }
    let mut windows = Vec::with_capacity(across * across);
    for (upper, lower) in blocks.chunks_exact(across).zip(blocks.chunks_exact(across).skip(1)) {
        let pairs = upper.windows(2).zip(lower.windows(2));
        windows.extend(pairs.map(|(up, low)| up[0] + up[1] + low[0] + low[1]));
    }
    windows
}

/// The mean structural similarity over all windows.
fn similarity(a: &Analysis, b: &Analysis) -> f64 {
    let products = window_sums(&a.brightness, &b.brightness, a.side, |p, q| p * q);
    let of_a = a.means.iter().zip(&a.variances);
    let of_b = b.means.iter().zip(&b.variances);
    // Collected before they are added up: the sum has its order, they are independent.
    let one = |((a, b), product): ((_, _), &u32)| window_similarity(a, b, *product);
    let all: Vec<f64> = of_a.zip(of_b).zip(&products).map(one).collect();
    let sum = all.iter().fold(0.0, |sum, one| sum + one);
    if all.is_empty() { 1.0 } else { sum / all.len() as f64 }
}

/// Of means, variances and the sum of the products in a window.
fn window_similarity((mean_a, var_a): (&f64, &f64), (mean_b, var_b): (&f64, &f64), product: u32) -> f64 {
    let cov = f64::from(product) / WINDOW - mean_a * mean_b;
    let light = (2.0 * mean_a * mean_b + C1) / (mean_a * mean_a + mean_b * mean_b + C1);
    light * (2.0 * cov + C2) / (var_a + var_b + C2)
}

/// Above 0 if two values of a channel are different.
fn excess(a: u8, b: u8) -> u8 {
    a.saturating_sub(b.saturating_add(APART)) | b.saturating_sub(a.saturating_add(APART))
}

/// Marks the pixels that differ from those at the same place of `others`.
fn mark_apart(marks: &mut [u8], planes: [&[u8]; 3], others: [&[u8]; 3]) {
    let ([r, g, b], [other_r, other_g, other_b]) = (planes, others);
    let pairs = r.iter().zip(other_r).zip(g.iter().zip(other_g)).zip(b.iter().zip(other_b));
    for (mark, ((r, g), b)) in marks.iter_mut().zip(pairs) {
        let excess = |(a, b): (&u8, &u8)| excess(*a, *b);
        *mark |= u8::from(excess(r) | excess(g) | excess(b) != 0);
    }
}

/// 1 for every pixel that differs from its right or its lower neighbour.
fn edges(planes: &[Vec<u8>; 3], side: usize) -> Vec<u8> {
    let from = |start: usize| planes.each_ref().map(|plane| &plane[start..]);
    let mut marks = vec![0; side * side];
    mark_apart(&mut marks, from(0), from(1));
    // The last pixel of a row was compared with the first of the next.
    marks.chunks_exact_mut(side).for_each(|row| row[side - 1] = 0);
    mark_apart(&mut marks, from(0), from(side));
    marks
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

/// The marks of every pixel.
fn marks(planes: &[Vec<u8>; 3], side: usize, background: Rgb) -> Vec<u8> {
    let mut marks = edges(planes, side);
    let near_edges = widened(&marks, side);
    let ([r, g, b], [empty_r, empty_g, empty_b]) = (planes, background);
    let colors = r.iter().zip(g).zip(b);
    for ((mark, near), ((r, g), b)) in marks.iter_mut().zip(near_edges).zip(colors) {
        let painted = u8::from(excess(*r, empty_r) | excess(*g, empty_g) | excess(*b, empty_b) != 0);
        *mark = painted << PAINTED | *mark << EDGE | near << NEAR_EDGE;
    }
    marks
}

/// From the first row with a painted pixel to the last.
fn painted_rows(marks: &[u8], side: usize) -> Range<usize> {
    let is_painted = |row: &[u8]| row.iter().fold(0, |any, mark| any | mark) >> PAINTED & 1 == 1;
    let mut rows = marks.chunks_exact(side);
    let first = rows.by_ref().take_while(|row| !is_painted(row)).count();
    let below = rows.rev().take_while(|row| !is_painted(row)).count();
    first..side - below
}

/// Numbers of pixels in two pictures.
struct Counts {
    /// Painted in one of them or both; painted in both in the same colour.
    either: u32,
    both: u32,
    /// Edges of the first picture, and those near an edge of the second.
    edges_a: u32,
    met_a: u32,
    /// The other way round.
    edges_b: u32,
    met_b: u32,
}

impl Counts {
    fn new(a: &Analysis, b: &Analysis) -> Self {
        // It matters only where both are painted.
        let first = a.painted_rows.start.max(b.painted_rows.start);
        let end = a.painted_rows.end.min(b.painted_rows.end).max(first);
        let mut differ = vec![0; a.marks.len()];
        mark_apart(&mut differ[first * a.side..end * a.side], a.rows(first..end), b.rows(first..end));
        let mut counts = [0; 6];
        let [words_a, words_b, differ] = [&a.marks, &b.marks, &differ].map(|marks| marks.as_chunks().0);
        let parts = words_a.chunks(MOST_WORDS).zip(words_b.chunks(MOST_WORDS)).zip(differ.chunks(MOST_WORDS));
        for ((words_a, words_b), differ) in parts {
            let mut sums = [0; 6];
            for ((a, b), differ) in words_a.iter().zip(words_b).zip(differ) {
                let [a, b, differ] = [a, b, differ].map(|word| u64::from_le_bytes(*word));
                let marked = [
                    (a | b) >> PAINTED,
                    (a & b) >> PAINTED & !differ,
                    a >> EDGE,
                    a >> EDGE & b >> NEAR_EDGE,
                    b >> EDGE,
                    b >> EDGE & a >> NEAR_EDGE,
                ];
                sums.iter_mut().zip(marked).for_each(|(sum, marked)| *sum += marked & LOWEST_BITS);
            }
            let sum = |bytes: u64| bytes.to_le_bytes().into_iter().map(u32::from).sum::<u32>();
            counts.iter_mut().zip(sums).for_each(|(count, bytes)| *count += sum(bytes));
        }
        let [either, both, edges_a, met_a, edges_b, met_b] = counts;
        Self { either, both, edges_a, met_a, edges_b, met_b }
    }

    fn color_overlap(&self) -> f64 {
        if self.either == 0 { 1.0 } else { f64::from(self.both) / f64::from(self.either) }
    }

    fn edge_overlap(&self) -> f64 {
        if self.edges_a == 0 || self.edges_b == 0 {
            return if self.edges_a == self.edges_b { 1.0 } else { 0.0 };
        }
        let found = f64::from(self.met_a) / f64::from(self.edges_a);
        let right = f64::from(self.met_b) / f64::from(self.edges_b);
        if found + right == 0.0 { 0.0 } else { 2.0 * found * right / (found + right) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE: u32 = 56;
    const WHITE: Rgb = [255; 3];

    /// A white picture with one filled rectangle.
    fn picture(x: i32, y: i32, width: u32, height: u32, color: Rgb) -> Canvas {
        let mut canvas = Canvas::new(SIDE, SIDE, WHITE);
        canvas.fill_rect(x, y, width, height, color);
        canvas
    }

    fn likeness(target: &Canvas, made: Canvas) -> Likeness {
        Target::new(target.clone(), WHITE).likeness(&Analysis::new(made, WHITE))
    }

    #[test]
    fn equal_pictures_are_alike_and_an_empty_one_is_not() {
        let target = picture(10, 10, 20, 20, [255, 0, 0]);
        let compare = |made: Canvas| likeness(&target, made);
        assert_eq!(compare(target.clone()), Likeness { structure: 1.0, color: 1.0, edges: 1.0 });
        assert_eq!(compare(picture(0, 0, 0, 0, [0; 3])), Likeness { structure: 0.0, color: 0.0, edges: 0.0 });
    }

    #[test]
    fn each_part_measures_its_own() {
        let target = picture(10, 10, 20, 20, [255, 0, 0]);
        let compare = |made: Canvas| likeness(&target, made);
        // Half the area shared: 200 of 600 pixels.
        let moved = compare(picture(20, 10, 20, 20, [255, 0, 0]));
        assert!((moved.color - 1.0 / 3.0).abs() < 1e-9);
        assert!(moved.structure < 0.7 && moved.edges < 0.7, "{moved:?}");
        // The right shape in another colour of about the same brightness.
        let other = compare(picture(10, 10, 20, 20, [0, 128, 0]));
        assert_eq!((other.color, other.edges), (0.0, 1.0));
        assert!(other.structure > 0.9);
        // One pixel off: the edges still meet.
        let near = compare(picture(11, 10, 20, 20, [255, 0, 0]));
        assert_eq!(near.edges, 1.0);
        // Everything painted.
        let flood = compare(picture(0, 0, SIDE, SIDE, [255, 0, 0]));
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
