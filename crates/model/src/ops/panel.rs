//! Products of a few rows with a weight matrix that stays the same for many calls.
//!
//! While sampling, every pass multiplies one row per sequence with every weight. The weights are laid
//! out once so that a pass reads them front to back, and each sum runs over the inner dimension in
//! order. So a row's result depends on nothing but the row: not on how many others there are, not on
//! the number of threads.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

/// Outputs in a panel: two registers of 16 lanes, or four of 8.
pub(super) const WIDTH: usize = 32;

/// A weight matrix `[outputs, inputs]` in panels of 32 outputs: `panel[input][output]`.
pub(crate) struct Panels {
    outputs: usize,
    inputs: usize,
    data: Vec<f32>,
}

/// What a product does with its output.
#[derive(Clone, Copy)]
pub(crate) enum Store<'a> {
    /// `out = x·wᵀ`.
    Set,
    /// `out = x·wᵀ + bias`.
    Biased(&'a [f32]),
    /// `out += x·wᵀ`.
    Added,
}

impl Panels {
    /// Lays out row-major matrices `[n, inputs]`, one below the other.
    pub(crate) fn new(parts: &[&[f32]], inputs: usize) -> Self {
        let rows: Vec<&[f32]> = parts.iter().flat_map(|part| part.chunks_exact(inputs)).collect();
        let mut data = vec![0.0; rows.len().div_ceil(WIDTH) * WIDTH * inputs];
        for (panel, rows) in data.chunks_exact_mut(WIDTH * inputs).zip(rows.chunks(WIDTH)) {
            for (lane, row) in rows.iter().enumerate() {
                for (slot, v) in panel.iter_mut().skip(lane).step_by(WIDTH).zip(*row) {
                    *slot = *v;
                }
            }
        }
        Self { outputs: rows.len(), inputs, data }
    }

    /// Columns of the output.
    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    /// `x [rows, inputs]` times the transposed weights, into `out [rows, outputs]`.
    pub(crate) fn product(&self, out: &mut [f32], x: &[f32], store: Store<'_>) {
        let rows = x.len() / self.inputs.max(1);
        assert_eq!(x.len(), rows * self.inputs, "rows of a product");
        assert_eq!(out.len(), rows * self.outputs, "output of a product");
        tiled(Product { panels: self, out, x, store });
    }
}

struct Product<'a> {
    panels: &'a Panels,
    out: &'a mut [f32],
    x: &'a [f32],
    store: Store<'a>,
}

/// Work whose sums stay in registers.
pub(super) trait Tiled {
    /// Does it with rows of sums in `C` registers, `R` rows at a time.
    fn run<S: Simd, const C: usize, const R: usize>(self, simd: S);
}

/// Does the work with as many sums at a time as the registers of this machine hold.
pub(super) fn tiled(work: impl Tiled) {
    struct Any<T>(T);
    impl<T: Tiled> WithSimd for Any<T> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            match S::F32_LANES {
                16 => self.0.run::<S, 2, 8>(simd),
                8 => self.0.run::<S, 4, 3>(simd),
                4 => self.0.run::<S, 8, 1>(simd),
                _ => self.0.run::<S, WIDTH, 1>(simd),
            }
        }
    }
    Arch::new().dispatch(Any(work));
}

impl Tiled for Product<'_> {
    #[inline(always)]
    fn run<S: Simd, const C: usize, const R: usize>(self, simd: S) {
        let Product { panels, out, x, store } = self;
        let (inputs, outputs) = (panels.inputs, panels.outputs);
        for (i, panel) in panels.data.chunks_exact(WIDTH * inputs).enumerate() {
            let first = i * WIDTH;
            let mut rows = Rows::<S, C> { simd, panel, first, inputs, outputs, x, out, store };
            in_blocks::<R>(0..x.len() / inputs, &mut rows);
        }
    }
}

/// Work on neighbouring rows, some at a time.
pub(super) trait Blocks {
    /// Does rows `first..first + N`.
    fn block<const N: usize>(&mut self, first: usize);
}

/// Does `rows` in blocks of `R`, and what is left in smaller ones.
#[inline(always)]
pub(super) fn in_blocks<const R: usize>(rows: Range<usize>, work: &mut impl Blocks) {
    let (mut row, end) = (rows.start, rows.end);
    while row + R <= end {
        work.block::<R>(row);
        row += R;
    }
    if R > 4 && row + 4 <= end {
        work.block::<4>(row);
        row += 4;
    }
    if R > 2 && row + 2 <= end {
        work.block::<2>(row);
        row += 2;
    }
    if row < end {
        work.block::<1>(row);
    }
}

/// The rows of a product, for one panel.
struct Rows<'a, S, const C: usize> {
    simd: S,
    panel: &'a [f32],
    first: usize,
    inputs: usize,
    outputs: usize,
    x: &'a [f32],
    out: &'a mut [f32],
    store: Store<'a>,
}

impl<S: Simd, const C: usize> Blocks for Rows<'_, S, C> {
    #[inline(always)]
    fn block<const N: usize>(&mut self, row: usize) {
        let x = std::array::from_fn(|n| &self.x[(row + n) * self.inputs..(row + n + 1) * self.inputs]);
        let sums = block::<S, C, N>(self.simd, self.panel, x);
        for (n, sums) in sums.iter().enumerate() {
            let to = &mut self.out[(row + n) * self.outputs + self.first..(row + n + 1) * self.outputs];
            match self.store {
                Store::Set => to.iter_mut().zip(sums).for_each(|(o, s)| *o = *s),
                Store::Biased(bias) => {
                    to.iter_mut().zip(sums).zip(&bias[self.first..]).for_each(|((o, s), b)| *o = s + b)
                }
                Store::Added => to.iter_mut().zip(sums).for_each(|(o, s)| *o += s),
            }
        }
    }
}

/// `sums[r][c] += a[r]·b[c]`. The shorter side stays in registers beside the sums, the other one passes through.
#[inline(always)]
pub(super) fn add_outer<S: Simd, const C: usize, const R: usize>(
    simd: S,
    sums: &mut [[S::f32s; C]; R],
    a: &[S::f32s; R],
    b: &[S::f32s; C],
) {
    if R < C {
        for c in 0..C {
            for r in 0..R {
                sums[r][c] = simd.mul_add_e_f32s(b[c], a[r], sums[r][c]);
            }
        }
    } else {
        for r in 0..R {
            for c in 0..C {
                sums[r][c] = simd.mul_add_e_f32s(b[c], a[r], sums[r][c]);
            }
        }
    }
}

/// `R` rows, as long as each other, times one panel.
#[inline(always)]
pub(super) fn block<S: Simd, const C: usize, const R: usize>(
    simd: S,
    panel: &[f32],
    x: [&[f32]; R],
) -> [[f32; WIDTH]; R] {
    let mut sums = [[simd.splat_f32s(0.0); C]; R];
    let inputs = x[0].len();
    let x: [&[f32]; R] = std::array::from_fn(|r| &x[r][..inputs]);
    let (weights, _) = S::as_simd_f32s(panel).0.as_chunks::<C>();
    for (i, weights) in weights.iter().enumerate().take(inputs) {
        let x: [S::f32s; R] = std::array::from_fn(|r| simd.splat_f32s(x[r][i]));
        add_outer(simd, &mut sums, &x, weights);
    }
    let mut out = [[0.0; WIDTH]; R];
    for (out, sums) in out.iter_mut().zip(&sums) {
        S::as_mut_simd_f32s(out).0.copy_from_slice(sums);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use eyas_core::Seed;

    #[test]
    fn every_shape_equals_the_plain_sum() {
        let mut rng = Seed::new(1).rng();
        let mut random = |n: usize| (0..n).map(|_| rng.normal() as f32).collect::<Vec<f32>>();
        for (rows, inputs, outputs) in [(1, 3, 1), (2, 16, 32), (5, 7, 33), (8, 40, 64), (15, 9, 100)] {
            let (x, w, bias) = (random(rows * inputs), random(outputs * inputs), random(outputs));
            let split = outputs / 2 * inputs;
            let panels = Panels::new(&[&w[..split], &w[split..]], inputs);
            assert_eq!(panels.outputs(), outputs);
            let start = random(rows * outputs);
            for store in [Store::Set, Store::Biased(&bias), Store::Added] {
                let mut out = start.clone();
                panels.product(&mut out, &x, store);
                for row in 0..rows {
                    for o in 0..outputs {
                        let sum: f32 = (0..inputs).map(|i| x[row * inputs + i] * w[o * inputs + i]).sum();
                        let expected = match store {
                            Store::Set => sum,
                            Store::Biased(bias) => sum + bias[o],
                            Store::Added => sum + start[row * outputs + o],
                        };
                        let got = out[row * outputs + o];
                        assert!((got - expected).abs() < 1e-4, "{rows}x{inputs}x{outputs} at {row}, {o}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_row_does_not_depend_on_its_neighbours() {
        let mut rng = Seed::new(2).rng();
        let (inputs, outputs, rows) = (50, 70, 23);
        let mut random = |n: usize| (0..n).map(|_| rng.normal() as f32).collect::<Vec<f32>>();
        let (x, w) = (random(rows * inputs), random(outputs * inputs));
        let panels = Panels::new(&[&w], inputs);
        let mut all = vec![0.0; rows * outputs];
        panels.product(&mut all, &x, Store::Set);
        for row in 0..rows {
            let mut alone = vec![0.0; outputs];
            panels.product(&mut alone, &x[row * inputs..(row + 1) * inputs], Store::Set);
            assert_eq!(alone, all[row * outputs..(row + 1) * outputs], "row {row}");
        }
    }
}
