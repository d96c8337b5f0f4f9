//! Structural similarity.

use eyas_core::Image;

use super::{Plane, RenderError, brightness, check};

/// Side of the window, and the spread of its weights.
const WINDOW: usize = 11;
const SIGMA: f64 = 1.5;

const C1: f32 = (0.01 * 255.0) * (0.01 * 255.0);
const C2: f32 = (0.03 * 255.0) * (0.03 * 255.0);

/// Exponents of the scales, finest first.
const SCALES: [f64; 5] = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333];

/// Gauss weights of a window of `side`, together 1.
fn weights(side: usize) -> Vec<f32> {
    let middle = (side as f64 - 1.0) / 2.0;
    let raw: Vec<f64> = (0..side).map(|i| (-((i as f64 - middle) / SIGMA).powi(2) / 2.0).exp()).collect();
    let sum: f64 = raw.iter().sum();
    raw.iter().map(|w| (w / sum) as f32).collect()
}

/// The plane weighted by windows that lie inside it wholly; rows first, then columns.
fn blurred(plane: &Plane, across: &[f32], down: &[f32]) -> Plane {
    let width = plane.width + 1 - across.len();
    let height = plane.height + 1 - down.len();
    let mut rows = Vec::with_capacity(width * plane.height);
    for row in plane.values.chunks_exact(plane.width) {
        rows.extend(row.windows(across.len()).map(|w| w.iter().zip(across).map(|(v, k)| v * k).sum::<f32>()));
    }
    let mut values = vec![0.0f32; width * height];
    for (y, out) in values.chunks_exact_mut(width).enumerate() {
        for (row, k) in rows.chunks_exact(width).skip(y).zip(down) {
            out.iter_mut().zip(row).for_each(|(o, v)| *o += k * v);
        }
    }
    Plane { width, height, values }
}

/// Mean SSIM and mean contrast-structure term of two planes of one size.
fn terms(a: &Plane, b: &Plane) -> (f64, f64) {
    let (across, down) = (weights(WINDOW.min(a.width)), weights(WINDOW.min(a.height)));
    let blur = |values: Vec<f32>| blurred(&Plane { values, ..*a }, &across, &down).values;
    let product = |x: &Plane, y: &Plane| blur(x.values.iter().zip(&y.values).map(|(x, y)| x * y).collect());
    let (ma, mb) = (blur(a.values.clone()), blur(b.values.clone()));
    let (aa, bb, ab) = (product(a, a), product(b, b), product(a, b));
    let (mut whole, mut contrast) = (0.0f64, 0.0f64);
    for ((((ma, mb), aa), bb), ab) in ma.iter().zip(&mb).zip(&aa).zip(&bb).zip(&ab) {
        let (va, vb, cov) = ((aa - ma * ma).max(0.0), (bb - mb * mb).max(0.0), ab - ma * mb);
        let cs = (2.0 * cov + C2) / (va + vb + C2);
        contrast += f64::from(cs);
        whole += f64::from((2.0 * ma * mb + C1) / (ma * ma + mb * mb + C1) * cs);
    }
    let n = ma.len().max(1) as f64;
    (whole / n, contrast / n)
}

/// Mean structural similarity of the brightness, -1 to 1 (Wang et al. 2004): Gauss windows of 11 pixels
/// that lie inside the picture, smaller ones for smaller pictures.
///
/// # Errors
/// [`RenderError`] when the pictures differ in size or are too large.
pub fn ssim(a: &Image, b: &Image) -> Result<f64, RenderError> {
    check(a, b)?;
    Ok(terms(&brightness(a), &brightness(b)).0.clamp(-1.0, 1.0))
}

/// Multi-scale structural similarity, 0 to 1 (Wang et al. 2003). Scales at which the picture is smaller
/// than the window are left out and the exponents of the rest brought to the same sum; negative terms
/// count 0.
///
/// # Errors
/// [`RenderError`] when the pictures differ in size or are too large.
pub fn ms_ssim(a: &Image, b: &Image) -> Result<f64, RenderError> {
    check(a, b)?;
    let (mut a, mut b) = (brightness(a), brightness(b));
    let fits = |level: &usize| a.width.min(a.height) >> level >= WINDOW;
    let levels = (0..SCALES.len()).take_while(fits).count().max(1);
    let used = SCALES.get(..levels).unwrap_or(&SCALES);
    let sum: f64 = used.iter().sum();
    let mut value = 1.0;
    for (level, weight) in used.iter().enumerate() {
        let (whole, contrast) = terms(&a, &b);
        let last = level + 1 == levels;
        value *= (if last { whole } else { contrast }).clamp(0.0, 1.0).powf(weight / sum);
        if !last {
            (a, b) = (halved(&a), halved(&b));
        }
    }
    Ok(value)
}

/// Means of squares of 2 × 2; a last odd row or column is left out.
fn halved(plane: &Plane) -> Plane {
    let (width, height) = (plane.width / 2, plane.height / 2);
    let mut values = Vec::with_capacity(width * height);
    for pair in plane.values.chunks_exact(2 * plane.width) {
        let (top, bottom) = pair.split_at(plane.width);
        let squares = top.chunks_exact(2).zip(bottom.chunks_exact(2));
        values.extend(squares.map(|(t, b)| t.iter().chain(b).sum::<f32>() / 4.0));
    }
    Plane { width, height, values }
}
