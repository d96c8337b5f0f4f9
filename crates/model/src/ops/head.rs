//! Fused language-model head: hidden states to log-probability of a target and entropy, in chunks of
//! rows, so that the logits of a whole batch never exist at once.

use std::sync::Arc;

use rayon::prelude::*;

use super::host::{Grads, HostOp, Input, Output};
use super::matrix::{Mat, product};
use super::{Precision, simd};

/// Logits held at once, in elements, where there are too many to keep.
const LOGITS: usize = 1 << 20;
/// Log-probabilities that are kept for the backward pass, in elements; of more, the logits are computed again.
const KEPT: usize = 1 << 22;

/// How logits become a distribution.
#[derive(Clone, Debug)]
pub struct HeadOptions {
    /// Logits are divided by this; must be positive.
    pub temperature: f32,
    /// Tokens the policy can never produce: their logits are −∞.
    pub forbidden: Arc<[u32]>,
    /// How the fused head multiplies; its plain twin is always in f32.
    pub precision: Precision,
}

impl Default for HeadOptions {
    fn default() -> Self {
        Self { temperature: 1.0, forbidden: Arc::from([]), precision: Precision::F32 }
    }
}

/// Inputs `hidden [N, D]`, `weight [V, D]`; output `[N, 2]`. Saves the log-probabilities `[N, V]` if they are not
/// too many, else the log-sum-exp of each row.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) targets: Arc<[u32]>,
    pub(super) options: HeadOptions,
}

fn keeps(rows: usize, vocab: usize) -> bool {
    rows * vocab <= KEPT
}

impl Head {
    /// Rows whose logits are there at once.
    fn chunk_rows(rows: usize, vocab: usize) -> usize {
        if keeps(rows, vocab) { rows.max(1) } else { (LOGITS / vocab.max(1)).clamp(16, 4096) }
    }

    /// Logits of some rows, forbidden ones at −∞ and divided by the temperature.
    fn logits(&self, hidden: Mat<'_>, weight: &Input<'_>) -> Vec<f32> {
        let mut logits = product(self.options.precision, hidden, weight.matrix().t());
        let inv = 1.0 / self.options.temperature;
        logits.par_chunks_mut(weight.rows).for_each(|row| {
            if inv != 1.0 {
                row.iter_mut().for_each(|v| *v *= inv);
            }
            self.options.forbidden.iter().for_each(|&id| row[id as usize] = f32::NEG_INFINITY);
        });
        logits
    }
}

impl HostOp for Head {
    fn forward(&self, inputs: &[Input<'_>]) -> Output {
        let (hidden, weight) = (inputs[0], inputs[1]);
        let mut data = vec![0.0; hidden.rows * 2];
        let mut sums = vec![0.0; hidden.rows];
        let keep = keeps(hidden.rows, weight.rows);
        let mut kept = Vec::new();
        let chunk = Self::chunk_rows(hidden.rows, weight.rows);
        for start in (0..hidden.rows).step_by(chunk) {
            let end = (start + chunk).min(hidden.rows);
            let mut logits = self.logits(hidden.matrix().rows(start..end), &weight);
            logits
                .par_chunks_mut(weight.rows)
                .zip(data[start * 2..end * 2].par_chunks_mut(2))
                .zip(&mut sums[start..end])
                .zip(&self.targets[start..end])
                .for_each(|(((row, out), lse), &target)| {
                    let top = simd::max(row);
                    let (sum, weighted) = simd::softmax_sums(row, top);
                    *lse = top + sum.ln();
                    out[0] = row[target as usize] - *lse;
                    // H = −Σ p·log p, log p = (logit − top) − ln Σe.
                    let entropy = sum.ln() - weighted / sum;
                    // Rounding may leave it below zero; what is not a number stays so.
                    out[1] = if entropy < 0.0 { 0.0 } else { entropy };
                    if keep {
                        simd::shift(row, -*lse);
                    }
                });
            if keep {
                kept = logits;
            }
        }
        let saved = if keep { kept } else { sums };
        Output { data, rows: hidden.rows, cols: 2, saved }
    }

    fn backward(&self, inputs: &[Input<'_>], grads: Grads<'_>) -> Vec<Vec<f32>> {
        let (hidden, weight) = (inputs[0], inputs[1]);
        let (rows, vocab) = (hidden.rows, weight.rows);
        let kept = keeps(rows, vocab);
        let mut saved = grads.saved;
        let (mut dhidden, mut dweight) = (Vec::new(), Vec::new());
        let inv = 1.0 / self.options.temperature;
        let chunk = Self::chunk_rows(rows, vocab);
        for start in (0..rows).step_by(chunk) {
            let end = (start + chunk).min(rows);
            let h = hidden.matrix().rows(start..end);
            let mut d = if kept { std::mem::take(&mut saved) } else { self.logits(h, &weight) };
            d.par_chunks_mut(vocab)
                .zip(grads.grad[start * 2..end * 2].par_chunks(2))
                .zip(grads.output[start * 2..end * 2].par_chunks(2))
                .zip(start..end)
                .for_each(|(((row, up), out), i)| {
                    if !kept {
                        simd::shift(row, -saved[i]);
                    }
                    // d logp/d z = onehot − p;  d H/d z = −p·(log p + H)
                    let (by_logprob, by_entropy) = (up[0] * inv, up[1] * inv);
                    simd::softmax_upstream(row, by_logprob, by_entropy, out[1]);
                    row[self.targets[i] as usize] += by_logprob;
                });
            let d = Mat::new(&d, end - start, vocab);
            if grads.wanted[0] {
                let part = product(self.options.precision, d, weight.matrix());
                if dhidden.is_empty() { dhidden = part } else { dhidden.extend(part) }
            }
            if grads.wanted[1] {
                if dweight.is_empty() {
                    dweight = product(self.options.precision, d.t(), h);
                } else {
                    self.options.precision.matmul(&mut dweight, weight.cols, true, d.t(), h);
                }
            }
        }
        vec![dhidden, dweight]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_number_is_not_hidden() {
        let head = Head { targets: Arc::from([0, 0]), options: HeadOptions::default() };
        let hidden = Input { data: &[f32::NAN, 1.0], rows: 2, cols: 1 };
        let weight = Input { data: &[0.5, -200.0], rows: 2, cols: 1 };
        let out = head.forward(&[hidden, weight]).data;
        assert!(out[0].is_nan() && out[1].is_nan(), "{out:?}");
        // One token has all the probability.
        assert_eq!(out[2..], [0.0, 0.0]);
    }
}
