//! The decoding side of attention: one new token against what its sequence remembers.

use pulp::{Arch, Simd, WithSimd};

use super::simd::{dot_inline, exp_in_place_inline, max_inline};

/// Keys and values of one sequence, `[n, stride]` each, rotated already.
#[derive(Clone, Copy)]
pub(crate) struct Cached<'a> {
    pub(crate) keys: &'a [f32],
    pub(crate) values: &'a [f32],
}

/// One query row of all heads against cached keys and values in two parts (shared prefix, own tail).
/// `out` and `q` are `[heads·d]`, `stride` is `kv_heads·d`; `scratch` is reused between calls.
pub(crate) fn attend_row(
    out: &mut [f32],
    q: &[f32],
    parts: [Cached<'_>; 2],
    head_dim: usize,
    stride: usize,
    scratch: &mut Vec<f32>,
) {
    let n: usize = parts.iter().map(|p| p.keys.len() / stride).sum();
    scratch.clear();
    scratch.resize(n, 0.0);
    Arch::new().dispatch(AttendRow { out, q, parts, head_dim, stride, scores: scratch });
}

struct AttendRow<'a> {
    out: &'a mut [f32],
    q: &'a [f32],
    parts: [Cached<'a>; 2],
    head_dim: usize,
    stride: usize,
    scores: &'a mut [f32],
}

impl WithSimd for AttendRow<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { out, q, parts, head_dim, stride, scores } = self;
        let per_kv = q.len() / stride;
        let scale = (head_dim as f32).powf(-0.5);
        for (head, (out, q)) in out.chunks_exact_mut(head_dim).zip(q.chunks_exact(head_dim)).enumerate() {
            let columns = head / per_kv * head_dim..(head / per_kv + 1) * head_dim;
            let mut rest = &mut *scores;
            for part in parts {
                let (mine, others) = rest.split_at_mut(part.keys.len() / stride);
                rest = others;
                for (score, key) in mine.iter_mut().zip(part.keys.chunks_exact(stride)) {
                    *score = dot_inline(simd, q, &key[columns.clone()]);
                }
            }
            let top = max_inline(simd, scores) * scale;
            let inv = 1.0 / exp_in_place_inline(simd, scores, scale, top);
            let values = parts.map(|p| p.values);
            let (out, tail) = S::as_mut_simd_f32s(out);
            let (fours, ones) = out.as_chunks_mut::<4>();
            let mut column = columns.start;
            for out in fours {
                *out = mix(simd, scores, values, stride, column, inv);
                column += 4 * S::F32_LANES;
            }
            for out in ones {
                [*out] = mix(simd, scores, values, stride, column, inv);
                column += S::F32_LANES;
            }
            for out in tail {
                let rows = values.iter().flat_map(|p| p.chunks_exact(stride));
                *out = scores.iter().zip(rows).map(|(w, row)| w * row[column]).sum::<f32>() * inv;
                column += 1;
            }
        }
    }
}

/// `Σ weights[i]·values[i]·factor` for `C` registers of columns.
#[inline(always)]
fn mix<S: Simd, const C: usize>(
    simd: S,
    weights: &[f32],
    values: [&[f32]; 2],
    stride: usize,
    column: usize,
    factor: f32,
) -> [S::f32s; C] {
    let mut sums = [simd.splat_f32s(0.0); C];
    let mut weights = weights;
    for part in values {
        let (mine, others) = weights.split_at(part.len() / stride);
        weights = others;
        for (weight, row) in mine.iter().zip(part.chunks_exact(stride)) {
            let weight = simd.splat_f32s(*weight);
            let row = S::as_simd_f32s(&row[column..column + C * S::F32_LANES]).0;
            for (sum, v) in sums.iter_mut().zip(row) {
                *sum = simd.mul_add_e_f32s(weight, *v, *sum);
            }
        }
    }
    let factor = simd.splat_f32s(factor);
    sums.map(|sum| simd.mul_f32s(sum, factor))
}

#[cfg(test)]
mod tests {
    use super::*;
    use eyas_core::Seed;

    #[test]
    fn equals_the_formula() {
        let mut rng = Seed::new(1).rng();
        let mut random = |n: usize| (0..n).map(|_| rng.normal() as f32).collect::<Vec<f32>>();
        for (head_dim, kv_heads, per_kv, lens) in
            [(64, 2, 2, [5, 3]), (8, 1, 1, [0, 1]), (20, 2, 3, [4, 0]), (80, 1, 2, [33, 7])]
        {
            let stride = kv_heads * head_dim;
            let (keys, values) = (lens.map(|n| random(n * stride)), lens.map(|n| random(n * stride)));
            let q = random(stride * per_kv);
            let parts = [0, 1].map(|i| Cached { keys: &keys[i], values: &values[i] });
            let mut out = vec![9.0; q.len()];
            attend_row(&mut out, &q, parts, head_dim, stride, &mut Vec::new());
            let (keys, values) = (keys.concat(), values.concat());
            for head in 0..kv_heads * per_kv {
                let column = head / per_kv * head_dim;
                let scores: Vec<f64> = keys
                    .chunks_exact(stride)
                    .map(|key| {
                        let dot: f32 = (0..head_dim).map(|i| q[head * head_dim + i] * key[column + i]).sum();
                        (f64::from(dot) / (head_dim as f64).sqrt()).exp()
                    })
                    .collect();
                let total: f64 = scores.iter().sum();
                for i in 0..head_dim {
                    let expected: f64 = scores
                        .iter()
                        .zip(values.chunks_exact(stride))
                        .map(|(s, v)| s / total * f64::from(v[column + i]))
                        .sum();
                    let got = f64::from(out[head * head_dim + i]);
                    assert!((got - expected).abs() < 1e-5, "{head_dim}: {got} is not {expected}");
                }
            }
        }
    }
}
