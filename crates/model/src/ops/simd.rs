//! Row kernels that the compiler vectorises for the machine at hand.
//!
//! `pulp` picks the widest instruction set at run time and compiles each closure for it. Sums use a
//! fixed number of lanes, so results are the same on every run and for any thread count.

use pulp::{Arch, Simd, WithSimd};

struct Kernel<F>(F);

impl<R, F: FnMut() -> R> WithSimd for Kernel<F> {
    type Output = R;

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, _: S) -> R {
        (self.0)()
    }
}

/// Runs `kernel`, a closure marked `#[inline(always)]`, compiled for the widest instruction set here.
///
/// `FnMut` matters: calling a closure as `FnOnce` goes through a shim that the compiler need not inline,
/// and code that is not inlined here is compiled for the oldest processor instead.
#[inline(always)]
pub(crate) fn vectorised<R>(kernel: impl FnMut() -> R) -> R {
    Arch::new().dispatch(Kernel(kernel))
}

/// Adding 1.5·2²³ rounds to the nearest integer and leaves it in the low bits of the mantissa, so no
/// conversion, with its checks for NaN and overflow, is needed.
const MAGIC: f32 = 12_582_912.0;
/// What turns the bits of a number that [`MAGIC`] rounded into the exponent of two to its power.
const EXPONENT: u32 = 127_u32.wrapping_sub(MAGIC.to_bits());
/// The logarithm of 2 in two parts, the first short enough that its products with integers are exact.
const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
/// Of the series of `exp`, the highest power first.
const SERIES: [f32; 7] = [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0];

/// `exp` by range reduction and a degree-6 polynomial: relative error below 3e-7 on [-87, 88].
#[inline(always)]
fn exp(x: f32) -> f32 {
    let x = x.clamp(-87.0, 88.0);
    let rounded = x * std::f32::consts::LOG2_E + MAGIC;
    let n = rounded - MAGIC;
    let r = x - n * LN_2[0];
    let r = r - n * LN_2[1];
    let mut p = SERIES[0];
    for term in &SERIES[1..] {
        p = p * r + term;
    }
    let exponent = rounded.to_bits().wrapping_add(EXPONENT) << 23;
    p * f32::from_bits(exponent)
}

/// The same of a register of numbers. Products and sums are fused where the processor can, so the last bit
/// may differ.
#[inline(always)]
fn exp_register<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    // In this order NaN stays: of two operands that cannot be compared x86 takes the second.
    let x = simd.max_f32s(simd.splat_f32s(-87.0), simd.min_f32s(simd.splat_f32s(88.0), x));
    let rounded = simd.mul_add_e_f32s(x, simd.splat_f32s(std::f32::consts::LOG2_E), simd.splat_f32s(MAGIC));
    let n = simd.sub_f32s(rounded, simd.splat_f32s(MAGIC));
    let r = simd.mul_add_e_f32s(n, simd.splat_f32s(-LN_2[0]), x);
    let r = simd.mul_add_e_f32s(n, simd.splat_f32s(-LN_2[1]), r);
    // A loop: what `fold` is given would not be inlined here.
    let mut p = simd.splat_f32s(SERIES[0]);
    for &term in &SERIES[1..] {
        p = simd.mul_add_e_f32s(p, r, simd.splat_f32s(term));
    }
    let exponent = simd.add_u32s(simd.transmute_u32s_f32s(rounded), simd.splat_u32s(EXPONENT));
    let exponent = simd.wrapping_dyn_shl_u32s(exponent, simd.splat_u32s(23));
    simd.mul_f32s(p, simd.transmute_f32s_u32s(exponent))
}

// Slices go through the loops in whole registers: indices would be checked one by one.
#[inline(always)]
pub(super) fn dot_inline<S: Simd>(simd: S, a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (S::as_simd_f32s(a), S::as_simd_f32s(b));
    let mut sums = [simd.splat_f32s(0.0); 4];
    let ((a4, a), (b4, b)) = (a.as_chunks::<4>(), b.as_chunks::<4>());
    for (a, b) in a4.iter().zip(b4) {
        for i in 0..4 {
            sums[i] = simd.mul_add_e_f32s(a[i], b[i], sums[i]);
        }
    }
    for (a, b) in a.iter().zip(b) {
        sums[0] = simd.mul_add_e_f32s(*a, *b, sums[0]);
    }
    let sums = simd.add_f32s(simd.add_f32s(sums[0], sums[1]), simd.add_f32s(sums[2], sums[3]));
    a_rest.iter().zip(b_rest).fold(simd.reduce_sum_f32s(sums), |sum, (a, b)| sum + a * b)
}

/// The lanes of a register that hold `rest`, the end of a row; the other lanes hold `other`.
#[inline(always)]
fn end<S: Simd>(simd: S, rest: &[f32], other: f32) -> S::f32s {
    let held = simd.mask_between_m32s(0, rest.len() as u32).mask();
    simd.select_f32s(held, simd.partial_load_f32s(rest), simd.splat_f32s(other))
}

#[inline(always)]
pub(super) fn max_inline<S: Simd>(simd: S, row: &[f32]) -> f32 {
    let (chunks, rest) = S::as_simd_f32s(row);
    let mut tops = simd.splat_f32s(f32::NEG_INFINITY);
    for v in chunks {
        tops = simd.max_f32s(tops, *v);
    }
    if !rest.is_empty() {
        tops = simd.max_f32s(tops, end(simd, rest, f32::NEG_INFINITY));
    }
    simd.reduce_max_f32s(tops)
}

#[inline(always)]
pub(super) fn exp_in_place_inline<S: Simd>(simd: S, row: &mut [f32], scale: f32, shift: f32) -> f32 {
    let (scale, shift) = (simd.splat_f32s(scale), simd.splat_f32s(-shift));
    let (chunks, rest) = S::as_mut_simd_f32s(row);
    let mut sums = simd.splat_f32s(0.0);
    for v in chunks {
        *v = exp_register(simd, simd.mul_add_e_f32s(*v, scale, shift));
        sums = simd.add_f32s(sums, *v);
    }
    if !rest.is_empty() {
        let held = simd.mask_between_m32s(0, rest.len() as u32).mask();
        let v = exp_register(simd, simd.mul_add_e_f32s(simd.partial_load_f32s(rest), scale, shift));
        simd.partial_store_f32s(rest, v);
        sums = simd.add_f32s(sums, simd.select_f32s(held, v, simd.splat_f32s(0.0)));
    }
    simd.reduce_sum_f32s(sums)
}

/// Softmax of `row·scale` in its place; the largest of `row·scale`, and the sum of exponentials above it.
#[inline(always)]
pub(super) fn softmax_inline<S: Simd>(simd: S, row: &mut [f32], scale: f32) -> (f32, f32) {
    let top = max_inline(simd, row) * scale;
    let sum = exp_in_place_inline(simd, row, scale, top);
    let inverse = 1.0 / sum;
    let (chunks, rest) = S::as_mut_simd_f32s(row);
    for v in chunks {
        *v = simd.mul_f32s(*v, simd.splat_f32s(inverse));
    }
    if !rest.is_empty() {
        let v = simd.mul_f32s(simd.partial_load_f32s(rest), simd.splat_f32s(inverse));
        simd.partial_store_f32s(rest, v);
    }
    (top, sum)
}

/// Softmax of `row·scale` in its place; the largest of `row·scale`, and the sum of exponentials above it.
pub(crate) fn softmax(row: &mut [f32], scale: f32) -> (f32, f32) {
    struct Softmax<'a>(&'a mut [f32], f32);
    impl WithSimd for Softmax<'_> {
        type Output = (f32, f32);
        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> (f32, f32) {
            softmax_inline(simd, self.0, self.1)
        }
    }
    Arch::new().dispatch(Softmax(row, scale))
}

/// The largest element; `-inf` of an empty row.
pub(crate) fn max(row: &[f32]) -> f32 {
    struct Max<'a>(&'a [f32]);
    impl WithSimd for Max<'_> {
        type Output = f32;
        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> f32 {
            max_inline(simd, self.0)
        }
    }
    Arch::new().dispatch(Max(row))
}

/// Replaces `x` by `exp(x·scale − shift)` and gives the sum.
pub(crate) fn exp_in_place(row: &mut [f32], scale: f32, shift: f32) -> f32 {
    struct Exp<'a>(&'a mut [f32], f32, f32);
    impl WithSimd for Exp<'_> {
        type Output = f32;
        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> f32 {
            exp_in_place_inline(simd, self.0, self.1, self.2)
        }
    }
    Arch::new().dispatch(Exp(row, scale, shift))
}

/// `Σ a·b`.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    struct Dot<'a>(&'a [f32], &'a [f32]);
    impl WithSimd for Dot<'_> {
        type Output = f32;
        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> f32 {
            dot_inline(simd, self.0, self.1)
        }
    }
    Arch::new().dispatch(Dot(a, b))
}

/// `out += k·x`.
pub(crate) fn axpy(out: &mut [f32], k: f32, x: &[f32]) {
    vectorised(
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

/// Adds `k` to every element.
pub(crate) fn shift(row: &mut [f32], k: f32) {
    vectorised(
        #[inline(always)]
        || row.iter_mut().for_each(|v| *v += k),
    );
}

/// `out = x·k·w`, element-wise in `x` and `w`.
pub(crate) fn scale_by(out: &mut [f32], x: &[f32], k: f32, w: &[f32]) {
    vectorised(
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
    vectorised(
        #[inline(always)]
        || {
            for ((o, g), u) in out.iter_mut().zip(gate).zip(up) {
                *o = g / (1.0 + exp(-g)) * u;
            }
        },
    );
}

/// The gradients of [`swiglu`] in the place of `gate` and `up`, and what it gives in the place of its gradient.
pub(crate) fn swiglu_backward(gate: &mut [f32], up: &mut [f32], grad: &mut [f32]) {
    vectorised(
        #[inline(always)]
        || {
            for ((gate, up), grad) in gate.iter_mut().zip(up.iter_mut()).zip(grad.iter_mut()) {
                let (g, u, d) = (*gate, *up, *grad);
                let sigmoid = 1.0 / (1.0 + exp(-g));
                let silu = g * sigmoid;
                *gate = d * u * sigmoid * (1.0 + g * (1.0 - sigmoid));
                *up = d * silu;
                *grad = silu * u;
            }
        },
    );
}

/// Log-probabilities from here down, −∞ too, are those of the impossible.
const IMPOSSIBLE: f32 = -87.0;

/// `exp` of a log-probability, 0 of an impossible one.
#[inline(always)]
fn probability(logprob: f32) -> f32 {
    if logprob <= IMPOSSIBLE { 0.0 } else { exp(logprob) }
}

/// A finite number instead of −∞; NaN stays.
#[inline(always)]
fn bounded(logprob: f32) -> f32 {
    if logprob < IMPOSSIBLE { IMPOSSIBLE } else { logprob }
}

/// `Σ e` and `Σ e·y`, where `y = x − top` and `e = exp(y)`.
pub(crate) fn softmax_sums(row: &[f32], top: f32) -> (f32, f32) {
    const LANES: usize = 16;
    let (chunks, rest) = row.as_chunks::<LANES>();
    let (mut sums, mut weighted) = ([0f32; LANES], [0f32; LANES]);
    vectorised(
        #[inline(always)]
        || {
            let mut add = |row: &[f32]| {
                for ((x, sum), weighted) in row.iter().zip(&mut sums).zip(&mut weighted) {
                    let y = bounded(x - top);
                    let e = probability(y);
                    *sum += e;
                    *weighted += e * y;
                }
            };
            chunks.iter().for_each(|chunk| add(chunk));
            add(rest);
        },
    );
    (sums.iter().sum(), weighted.iter().sum())
}

/// From the log-probabilities of a softmax to the derivatives by its logits of `k·log p(token) + c·H`, without
/// the `k` at the token itself: `−p·(k + c·(log p + H))`.
pub(crate) fn softmax_upstream(row: &mut [f32], k: f32, c: f32, entropy: f32) {
    vectorised(
        #[inline(always)]
        || {
            for x in row.iter_mut() {
                *x = -probability(*x) * (k + c * (bounded(*x) + entropy));
            }
        },
    );
}

/// `row = p·(row − delta)·scale`: the softmax gradient of one attention row.
pub(crate) fn softmax_backward(row: &mut [f32], p: &[f32], delta: f32, scale: f32) {
    vectorised(
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
    vectorised(
        #[inline(always)]
        || {
            for ((((o, a), b), c), s) in out_a.iter_mut().zip(a).zip(b).zip(cos).zip(sin) {
                *o = a * c - b * (s * sign);
            }
            for ((((o, a), b), c), s) in out_b.iter_mut().zip(a).zip(b).zip(cos).zip(sin) {
                *o = b * c + a * (s * sign);
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
    vectorised(
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
            for (e, a) in e.iter().zip(&a) {
                let expected = f64::from(a * 2.0 - 0.5).exp();
                assert!((f64::from(*e) - expected).abs() < 1e-6 * expected, "{n}: {e}, expected {expected}");
            }
        }
    }

    #[test]
    fn softmax_of_rows_of_any_length() {
        for n in 1..70 {
            // All below 0, so that a 0 after the end of the row would be seen as the largest.
            let scores: Vec<f32> = (0..n).map(|i| (i * 7 % 11) as f32 - 20.0).collect();
            let mut row = scores.clone();
            let (top, sum) = softmax(&mut row, 0.5);
            assert_eq!(top, 0.5 * scores.iter().copied().fold(f32::NEG_INFINITY, f32::max));
            let above = |x: f32| f64::from(x * 0.5 - top).exp();
            let expected: f64 = scores.iter().map(|&x| above(x)).sum();
            assert!((f64::from(sum) - expected).abs() < 1e-6 * expected, "{n}: {sum}, expected {expected}");
            for (p, x) in row.iter().zip(scores) {
                assert!((f64::from(*p) - above(x) / expected).abs() < 1e-6, "{n}");
            }
        }
    }

    #[test]
    fn what_is_not_a_number_stays_and_the_impossible_is_nothing() {
        for n in [3usize, 16, 35] {
            for at in [0, n - 1] {
                let mut row = vec![1.0; n];
                row[at] = f32::NAN;
                assert!(exp_in_place(&mut row, 1.0, 0.0).is_nan(), "{n} {at}");
                assert!(row[at].is_nan(), "{n} {at}");
                row = vec![1.0; n];
                row[at] = f32::NEG_INFINITY;
                softmax(&mut row, 1.0);
                assert!(row[at] < 1e-30, "{n} {at}");
            }
        }
    }

    #[test]
    fn sums_and_derivatives_of_a_softmax() {
        for n in [1usize, 15, 16, 40] {
            let mut logits: Vec<f32> = (0..n).map(|i| (i * 7 % 11) as f32 - 3.0).collect();
            logits.push(f32::NEG_INFINITY);
            let top = max(&logits);
            let (sum, weighted) = softmax_sums(&logits, top);
            let ys = || logits[..n].iter().map(|x| f64::from(x - top));
            let (want, want_weighted) =
                (ys().map(f64::exp).sum::<f64>(), ys().map(|y| y * y.exp()).sum::<f64>());
            assert!((f64::from(sum) - want).abs() < 1e-5 * want);
            assert!((f64::from(weighted) - want_weighted).abs() < 1e-5 * want_weighted.abs().max(1.0));

            let lse = want.ln();
            let logprobs: Vec<f64> = ys().map(|y| y - lse).collect();
            let entropy: f64 = -logprobs.iter().map(|l| l * l.exp()).sum::<f64>();
            let mut row: Vec<f32> = logits.iter().map(|x| x - top - lse as f32).collect();
            softmax_upstream(&mut row, 0.5, -2.0, entropy as f32);
            for (got, logprob) in row.iter().zip(&logprobs) {
                let want = -logprob.exp() * (0.5 - 2.0 * (logprob + entropy));
                assert!((f64::from(*got) - want).abs() < 1e-5, "{got}, {want}");
            }
            assert_eq!(row[n], 0.0, "nothing reaches what is impossible");
        }
        assert!(softmax_sums(&[0.0, f32::NAN], 0.0).0.is_nan(), "what is not a number is not hidden");
        let mut row = [f32::NAN];
        softmax_upstream(&mut row, 1.0, 0.0, 0.0);
        assert!(row[0].is_nan());
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
