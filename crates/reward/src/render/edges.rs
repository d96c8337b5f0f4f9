//! Where lines run.

use eyas_core::Image;

use super::{Plane, RenderError, brightness, check};

/// Pixels where the brightness changes by at least `threshold` (Sobel's gradient over 4, so that a step
/// from black to white has 255).
fn edges(plane: &Plane, threshold: f32) -> Vec<bool> {
    let (w, h) = (plane.width, plane.height);
    let at = |x: usize, y: usize| plane.values.get(y * w + x).copied().unwrap_or(0.0);
    let mut found = vec![false; w * h];
    for y in 0..h {
        let (up, down) = (y.saturating_sub(1), (y + 1).min(h - 1));
        for x in 0..w {
            let (left, right) = (x.saturating_sub(1), (x + 1).min(w - 1));
            let across = at(right, up) + 2.0 * at(right, y) + at(right, down)
                - (at(left, up) + 2.0 * at(left, y) + at(left, down));
            let along = at(left, down) + 2.0 * at(x, down) + at(right, down)
                - (at(left, up) + 2.0 * at(x, up) + at(right, up));
            if let Some(cell) = found.get_mut(y * w + x) {
                *cell = across.hypot(along) / 4.0 >= threshold;
            }
        }
    }
    found
}

/// The pixels at most `by` away from one that is set, also diagonally.
fn grown(set: &[bool], width: usize, by: usize) -> Vec<bool> {
    let row_grown = |row: &[bool]| -> Vec<bool> {
        let mut out = vec![false; row.len()];
        for x in row.iter().enumerate().filter_map(|(x, set)| set.then_some(x)) {
            let end = (x + by + 1).min(row.len());
            out.get_mut(x.saturating_sub(by)..end).into_iter().flatten().for_each(|cell| *cell = true);
        }
        out
    };
    let rows: Vec<Vec<bool>> = set.chunks_exact(width).map(row_grown).collect();
    let mut out = Vec::with_capacity(set.len());
    for y in 0..rows.len() {
        let near = rows.get(y.saturating_sub(by)..(y + by + 1).min(rows.len())).unwrap_or(&[]);
        out.extend((0..width).map(|x| near.iter().any(|row| row.get(x) == Some(&true))));
    }
    out
}

/// F1 of the edges of `said` that lie within `tolerance` pixels (at most 16) of an edge of `gold`, and the
/// other way round. 1 when neither has edges, 0 when one has none.
///
/// # Errors
/// [`RenderError`] when the pictures differ in size or are too large.
pub fn edge_f1(said: &Image, gold: &Image, tolerance: usize, threshold: f32) -> Result<f64, RenderError> {
    check(said, gold)?;
    let width = said.width() as usize;
    let (s, g) = (edges(&brightness(said), threshold), edges(&brightness(gold), threshold));
    let near = |set: &[bool]| grown(set, width, tolerance.min(16));
    let share = |edges: &[bool], near: &[bool]| {
        let all = edges.iter().filter(|e| **e).count();
        let met = edges.iter().zip(near).filter(|(e, n)| **e && **n).count();
        (all > 0).then(|| met as f64 / all as f64)
    };
    Ok(match (share(&s, &near(&g)), share(&g, &near(&s))) {
        (None, None) => 1.0,
        (Some(precision), Some(recall)) if precision + recall > 0.0 => {
            2.0 * precision * recall / (precision + recall)
        }
        _ => 0.0,
    })
}
