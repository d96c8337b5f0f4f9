//! Row kernels that the compiler vectorises for the machine at hand.
//!
//! `pulp` picks the widest instruction set at run time and compiles each closure for it. Sums use a
//! fixed number of lanes, so results are the same on every run and for any thread count.

use pulp::Arch;

const LANES: usize = 16;

/// `exp` by range reduction and a degree-6 polynomial: relative error below 3e-7 on [-87, 88].
#[inline(always)]
fn exp(x: f32) -> f32 {
    let x = x.clamp(-87.0, 88.0);
    // Adding and subtracting 1.5·2²³ rounds to the nearest integer without a call.
    let n = (x * std::f32::consts::LOG2_E + 12_582_912.0) - 12_582_912.0;
    let r = x - n * 0.693_359_4;
    let r = r - n * -2.121_944_4e-4;
    let p = 1.0 / 720.0;
    let p = p * r + 1.0 / 120.0;
    let p = p * r + 1.0 / 24.0;
    let p = p * r + 1.0 / 6.0;
    let p = p * r + 0.5;
    let p = p * r + 1.0;
    let p = p * r + 1.0;
    p * f32::from_bits(((n as i32 + 127) << 23) as u32)
}

#[inline(always)]
fn sum_by(len: usize, value: impl Fn(usize) -> f32) -> f32 {
    let mut lanes = [0f32; LANES];
    let whole = len / LANES * LANES;
    for start in (0..whole).step_by(LANES) {
        for (lane, acc) in lanes.iter_mut().enumerate() {
            *acc += value(start + lane);
        }
    }
    let mut total = 0.0;
    for acc in lanes {
        total += acc;
    }
    for i in whole..len {
        total += value(i);
    }
    total
}

#[inline(always)]
fn max_inline(row: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let chunks = row.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (m, v) in lanes.iter_mut().zip(chunk) {
            *m = if *v > *m { *v } else { *m };
        }
    }
    lanes.into_iter().chain(rest.iter().copied()).fold(f32::NEG_INFINITY, f32::max)
}

#[inline(always)]
fn exp_in_place_inline(row: &mut [f32], scale: f32, shift: f32) -> f32 {
    for v in row.iter_mut() {
        *v = exp(*v * scale - shift);
    }
    sum_by(row.len(), |i| row[i])
}

/// The largest element; `-inf` of an empty row.
pub(crate) fn max(row: &[f32]) -> f32 {
    Arch::new().dispatch(
        #[inline(always)]
        || max_inline(row),
    )
}

/// Replaces `x` by `exp(x·scale − shift)` and gives the sum.
pub(crate) fn exp_in_place(row: &mut [f32], scale: f32, shift: f32) -> f32 {
    Arch::new().dispatch(
        #[inline(always)]
        || exp_in_place_inline(row, scale, shift),
    )
}

/// `Σ a·b`.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let n = a.len().min(b.len());
    let (a, b) = (&a[..n], &b[..n]);
    Arch::new().dispatch(
        #[inline(always)]
        || sum_by(n, |i| a[i] * b[i]),
    )
}

/// `out += k·x`.
pub(crate) fn axpy(out: &mut [f32], k: f32, x: &[f32]) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for (o, v) in out.iter_mut().zip(x) {
                *o += k * v;
            }
        },
    );
}

/// `out += x`.
pub(crate) fn add(out: &mut [f32], x: &[f32]) {
    axpy(out, 1.0, x);
}

/// `out = x·k·w`, element-wise in `x` and `w`.
pub(crate) fn scale_by(out: &mut [f32], x: &[f32], k: f32, w: &[f32]) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for ((o, v), w) in out.iter_mut().zip(x).zip(w) {
                *o = v * k * w;
            }
        },
    );
}

/// `out = silu(gate)·up`.
pub(crate) fn swiglu(out: &mut [f32], gate: &[f32], up: &[f32]) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for ((o, g), u) in out.iter_mut().zip(gate).zip(up) {
                *o = g / (1.0 + exp(-g)) * u;
            }
        },
    );
}

/// The gradients of [`swiglu`] by `gate` and `up`.
pub(crate) fn swiglu_backward(dgate: &mut [f32], dup: &mut [f32], gate: &[f32], up: &[f32], grad: &[f32]) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for ((((dg, du), g), u), d) in dgate.iter_mut().zip(dup.iter_mut()).zip(gate).zip(up).zip(grad) {
                let sigmoid = 1.0 / (1.0 + exp(-g));
                *du = d * g * sigmoid;
                *dg = d * u * sigmoid * (1.0 + g * (1.0 - sigmoid));
            }
        },
    );
}

/// `row = p·(row − delta)·scale`: the softmax gradient of one attention row.
pub(crate) fn softmax_backward(row: &mut [f32], p: &[f32], delta: f32, scale: f32) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for (d, p) in row.iter_mut().zip(p) {
                *d = p * (*d - delta) * scale;
            }
        },
    );
}

/// Rotates the two halves of one head by the angles: `(a, b) -> (a·cos − b·sin, b·cos + a·sin)`;
/// `sign = -1` rotates back.
pub(crate) fn rotate(out: &mut [f32], x: &[f32], cos: &[f32], sin: &[f32], sign: f32) {
    let half = cos.len();
    let (out_a, out_b) = out.split_at_mut(half);
    let (a, b) = x.split_at(half);
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for i in 0..half.min(out_b.len()).min(b.len()) {
                let s = sin[i] * sign;
                out_a[i] = a[i] * cos[i] - b[i] * s;
                out_b[i] = b[i] * cos[i] + a[i] * s;
            }
        },
    );
}

/// Keys and values of one sequence, `[n, stride]` each, rotated already.
#[derive(Clone, Copy)]
pub(crate) struct Cached<'a> {
    pub(crate) keys: &'a [f32],
    pub(crate) values: &'a [f32],
}

/// The decoding side of attention: one query row of all heads against cached keys and values in two
/// parts (shared prefix, own tail). `out` and `q` are `[heads·d]`, `stride` is `kv_heads·d`; `scratch`
/// is reused between calls.
pub(crate) fn attend_row(
    out: &mut [f32],
    q: &[f32],
    parts: [Cached<'_>; 2],
    head_dim: usize,
    stride: usize,
    scratch: &mut Vec<f32>,
) {
    let per_kv = q.len() / stride;
    let scale = (head_dim as f32).powf(-0.5);
    let n: usize = parts.iter().map(|p| p.keys.len() / stride).sum();
    scratch.clear();
    scratch.resize(n, 0.0);
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for (head, (out, q)) in out.chunks_exact_mut(head_dim).zip(q.chunks_exact(head_dim)).enumerate() {
                let column = head / per_kv * head_dim;
                let keys = parts.iter().flat_map(|p| p.keys.chunks_exact(stride));
                for (score, key) in scratch.iter_mut().zip(keys) {
                    let key = &key[column..column + head_dim];
                    *score = sum_by(head_dim, |i| q[i] * key[i]);
                }
                let top = max_inline(scratch) * scale;
                let inv = 1.0 / exp_in_place_inline(scratch, scale, top);
                out.fill(0.0);
                let values = parts.iter().flat_map(|p| p.values.chunks_exact(stride));
                for (p, value) in scratch.iter().zip(values) {
                    let k = p * inv;
                    for (o, v) in out.iter_mut().zip(&value[column..column + head_dim]) {
                        *o += k * v;
                    }
                }
            }
        },
    );
}

/// One AdamW step on a slice (Loshchilov & Hutter 2019, algorithm 2, as in PyTorch): decoupled decay,
/// then the Adam update. `step_size = lr/(1−β1ᵗ)`, `inv_bias2 = 1/(1−β2ᵗ)`.
#[derive(Clone, Copy)]
pub(crate) struct AdamStep {
    pub(crate) beta1: f32,
    pub(crate) beta2: f32,
    pub(crate) eps: f32,
    pub(crate) decay: f32,
    pub(crate) step_size: f32,
    pub(crate) inv_bias2: f32,
    pub(crate) grad_scale: f32,
}

pub(crate) fn adamw(w: &mut [f32], m: &mut [f32], v: &mut [f32], g: &[f32], s: AdamStep) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for (((w, m), v), g) in w.iter_mut().zip(m.iter_mut()).zip(v.iter_mut()).zip(g) {
                let g = g * s.grad_scale;
                *m = s.beta1 * *m + (1.0 - s.beta1) * g;
                *v = s.beta2 * *v + (1.0 - s.beta2) * g * g;
                *w = *w * s.decay - s.step_size * *m / ((*v * s.inv_bias2).sqrt() + s.eps);
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_accurate() {
        for i in -8600..=8700 {
            let x = i as f32 * 0.01;
            let expected = f64::from(x).exp();
            let got = f64::from(exp(x));
            assert!(((got - expected) / expected).abs() < 3e-7, "exp({x}) = {got}, expected {expected}");
        }
    }

    #[test]
    fn rows_of_any_length() {
        for n in [0usize, 1, 15, 16, 17, 40] {
            let a: Vec<f32> = (0..n).map(|i| i as f32 * 0.1 - 1.0).collect();
            let plain: f32 = a.iter().map(|v| v * v).sum();
            assert!((dot(&a, &a) - plain).abs() < 1e-4);
            assert_eq!(max(&a), a.iter().copied().fold(f32::NEG_INFINITY, f32::max));
            let mut e = a.clone();
            let sum = exp_in_place(&mut e, 2.0, 0.5);
            let plain: f32 = a.iter().map(|v| (v * 2.0 - 0.5).exp()).sum();
            assert!((sum - plain).abs() <= 1e-5 * plain.max(1.0));
        }
    }

    #[test]
    fn rotating_back_restores() {
        let (x, cos, sin) = ([1.0f32, 2.0, 3.0, 4.0], [0.6f32, 0.8], [0.8f32, 0.6]);
        let (mut y, mut z) = ([0f32; 4], [0f32; 4]);
        rotate(&mut y, &x, &cos, &sin, 1.0);
        assert!((y[0] - (0.6 - 3.0 * 0.8)).abs() < 1e-6 && (y[2] - (3.0 * 0.6 + 0.8)).abs() < 1e-6);
        rotate(&mut z, &y, &cos, &sin, -1.0);
        assert!(z.iter().zip(&x).all(|(a, b)| (a - b).abs() < 1e-6));
    }
}
