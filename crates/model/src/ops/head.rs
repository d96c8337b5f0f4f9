//! Fused language-model head: hidden states to log-probability of a target and entropy, in chunks of
//! rows, so that the logits of a whole batch never exist at once.

use std::sync::Arc;

use rayon::prelude::*;

use super::host::{Grads, HostOp, Input, Output};
use super::matrix::Mat;
use super::{Precision, simd};

/// Logits held at once, in elements.
const LOGITS: usize = 1 << 20;

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

/// Inputs `hidden [N, D]`, `weight [V, D]`; output `[N, 2]`. Saves log-sum-exp per row.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) targets: Arc<[u32]>,
    pub(super) options: HeadOptions,
}

impl Head {
    fn chunk_rows(vocab: usize) -> usize {
        (LOGITS / vocab.max(1)).clamp(16, 4096)
    }

    /// Logits of some rows, forbidden ones at −∞ and divided by the temperature.
    fn logits(&self, hidden: &[f32], rows: usize, weight: &Input<'_>, out: &mut Vec<f32>) {
        out.resize(rows * weight.rows, 0.0);
        let h = Mat::new(hidden, rows, weight.cols);
        let w = Mat::new(weight.data, weight.rows, weight.cols).t();
        self.options.precision.matmul(out, weight.rows, false, h, w);
        let inv = 1.0 / self.options.temperature;
        out.par_chunks_mut(weight.rows).for_each(|row| {
            if inv != 1.0 {
                row.iter_mut().for_each(|v| *v *= inv);
            }
            self.options.forbidden.iter().for_each(|&id| row[id as usize] = f32::NEG_INFINITY);
        });
    }
}

impl HostOp for Head {
    fn forward(&self, inputs: &[Input<'_>]) -> Output {
        let (hidden, weight) = (inputs[0], inputs[1]);
        let chunk = Self::chunk_rows(weight.rows);
        let mut data = vec![0.0; hidden.rows * 2];
        let mut saved = vec![0.0; hidden.rows];
        let mut logits = Vec::new();
        for start in (0..hidden.rows).step_by(chunk) {
            let end = (start + chunk).min(hidden.rows);
            self.logits(
                &hidden.data[start * hidden.cols..end * hidden.cols],
                end - start,
                &weight,
                &mut logits,
            );
            logits
                .par_chunks_mut(weight.rows)
                .zip(data[start * 2..end * 2].par_chunks_mut(2))
                .zip(&mut saved[start..end])
                .zip(&self.targets[start..end])
                .for_each(|(((row, out), lse), &target)| {
                    let top = simd::max(row);
                    let chosen = row[target as usize];
                    let original = row.to_vec();
                    let sum = simd::exp_in_place(row, 1.0, top);
                    *lse = top + sum.ln();
                    out[0] = chosen - *lse;
                    // H = lse − Σ p·logit; −∞ logits have p = 0 and contribute nothing.
                    let mean: f32 =
                        row.iter().zip(&original).filter(|(_, l)| l.is_finite()).map(|(e, l)| e * l).sum();
                    out[1] = (*lse - mean / sum).max(0.0);
                });
        }
        Output { data, rows: hidden.rows, cols: 2, saved }
    }

    fn backward(&self, inputs: &[Input<'_>], grads: &Grads<'_>) -> Vec<Vec<f32>> {
        let (hidden, weight) = (inputs[0], inputs[1]);
        let chunk = Self::chunk_rows(weight.rows);
        let mut dhidden = vec![0.0; hidden.data.len()];
        let mut dweight = vec![0.0; weight.data.len()];
        let inv = 1.0 / self.options.temperature;
        let mut logits = Vec::new();
        for start in (0..hidden.rows).step_by(chunk) {
            let end = (start + chunk).min(hidden.rows);
            let h = &hidden.data[start * hidden.cols..end * hidden.cols];
            self.logits(h, end - start, &weight, &mut logits);
            logits
                .par_chunks_mut(weight.rows)
                .zip(&grads.grad[start * 2..end * 2].par_chunks(2).collect::<Vec<_>>())
                .zip(&grads.saved[start..end])
                .zip(&grads.output[start * 2..end * 2].par_chunks(2).collect::<Vec<_>>())
                .zip(&self.targets[start..end])
                .for_each(|((((row, up), &lse), out), &target)| {
                    let (by_logprob, by_entropy, entropy) = (up[0], up[1], out[1]);
                    if by_entropy == 0.0 {
                        simd::exp_in_place(row, 1.0, lse);
                        row.iter_mut().for_each(|p| *p *= -by_logprob * inv);
                    } else {
                        // d logp/d z = onehot − p;  d H/d z = −p·(log p + H)
                        for z in row.iter_mut() {
                            let logp = *z - lse;
                            let p = logp.exp();
                            let log_term = if p > 0.0 { logp + entropy } else { 0.0 };
                            *z = -p * (by_logprob + by_entropy * log_term) * inv;
                        }
                    }
                    row[target as usize] += by_logprob * inv;
                });
            let d = Mat::new(&logits, end - start, weight.rows);
            if grads.wanted[0] {
                let out = &mut dhidden[start * hidden.cols..end * hidden.cols];
                let w = Mat::new(weight.data, weight.rows, weight.cols);
                self.options.precision.matmul(out, hidden.cols, false, d, w);
            }
            if grads.wanted[1] {
                let h = Mat::new(h, end - start, hidden.cols);
                self.options.precision.matmul(&mut dweight, weight.cols, true, d.t(), h);
            }
        }
        vec![dhidden, dweight]
    }
}
