//! AdamW over the master weights, with gradient clipping by global norm.

use rayon::prelude::*;

use crate::arch::Params;
use crate::ops::simd::{self, AdamStep};

/// Settings of one update.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamW {
    /// Learning rate.
    pub lr: f32,
    /// Decay of the first moment.
    pub beta1: f32,
    /// Decay of the second moment.
    pub beta2: f32,
    /// Added to the root of the second moment.
    pub eps: f32,
    /// Decoupled weight decay; matrices only, biases and norms are left alone.
    pub weight_decay: f32,
    /// Gradients are scaled down to this global norm; infinite: never.
    pub max_grad_norm: f32,
}

impl Default for AdamW {
    fn default() -> Self {
        Self { lr: 1e-4, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0, max_grad_norm: 1.0 }
    }
}

/// What an update did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Update {
    /// Global norm of the gradient before clipping.
    pub grad_norm: f64,
    /// False when the gradient was not finite, was refused, or there was none: nothing changed.
    pub applied: bool,
}

/// Moments of every parameter, and the number of updates so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Moments {
    pub(super) step: i32,
    pub(super) first: Vec<Vec<f32>>,
    pub(super) second: Vec<Vec<f32>>,
}

const CHUNK: usize = 1 << 14;

/// One update of `params` by `grads` (empty where a parameter is frozen), if `accept` takes their norm.
pub(crate) fn step(
    params: &mut Params,
    moments: &mut Moments,
    grads: &[Vec<f32>],
    settings: &AdamW,
    accept: impl FnOnce(f64) -> bool,
) -> Update {
    // Chunks and their order are fixed, so the norm is the same for any number of threads.
    let squares: f64 = grads
        .iter()
        .map(|g| {
            let parts: Vec<f64> = g.par_chunks(CHUNK).map(|c| f64::from(simd::dot(c, c))).collect();
            parts.iter().sum::<f64>()
        })
        .sum();
    let grad_norm = squares.sqrt();
    if !accept(grad_norm) || !grad_norm.is_finite() {
        return Update { grad_norm, applied: false };
    }
    if moments.first.is_empty() {
        let zeros = || params.entries().iter().map(|p| vec![0.0; p.value.len()]).collect();
        (moments.first, moments.second) = (zeros(), zeros());
    }
    moments.step += 1;
    let scale = (f64::from(settings.max_grad_norm) / (grad_norm + 1e-6)).min(1.0) as f32;
    let step_size = settings.lr / (1.0 - settings.beta1.powi(moments.step));
    let inv_bias2 = 1.0 / (1.0 - settings.beta2.powi(moments.step));
    let slots = params.entries_mut().iter_mut().zip(&mut moments.first).zip(&mut moments.second).zip(grads);
    for (((param, first), second), grad) in slots {
        if grad.is_empty() {
            continue;
        }
        let decays = param.shape.len() > 1;
        let adam = AdamStep {
            beta1: settings.beta1,
            beta2: settings.beta2,
            eps: settings.eps,
            decay: if decays { 1.0 - settings.lr * settings.weight_decay } else { 1.0 },
            step_size,
            inv_bias2,
            grad_scale: scale,
        };
        param
            .value
            .par_chunks_mut(CHUNK)
            .zip(first.par_chunks_mut(CHUNK))
            .zip(second.par_chunks_mut(CHUNK))
            .zip(grad.par_chunks(CHUNK))
            .for_each(|(((w, m), v), g)| simd::adamw(w, m, v, g, adam));
    }
    Update { grad_norm, applied: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(value: Vec<f32>, shape: Vec<usize>) -> Params {
        Params::new(&[("w".into(), shape)], [("w".to_string(), value)].into())
    }

    /// torch.optim.AdamW([0.5, -1.0] as a 1×2 matrix, lr 0.1, weight_decay 0.01), gradients
    /// (0.2, -0.4) then (0.1, 0.3), worked out by hand from the algorithm in float64.
    #[test]
    fn two_steps_by_hand() {
        let mut p = params(vec![0.5, -1.0], vec![1, 2]);
        let mut moments = Moments::default();
        let settings =
            AdamW { lr: 0.1, weight_decay: 0.01, max_grad_norm: f32::INFINITY, ..AdamW::default() };
        let (mut w, mut m, mut v) = ([0.5f64, -1.0], [0.0f64; 2], [0.0f64; 2]);
        for (t, g) in [[0.2f64, -0.4], [0.1, 0.3]].into_iter().enumerate() {
            let grads = vec![g.iter().map(|x| *x as f32).collect()];
            assert!(step(&mut p, &mut moments, &grads, &settings, |_| true).applied);
            for (i, w) in w.iter_mut().enumerate() {
                *w *= 1.0 - 0.1 * 0.01;
                m[i] = 0.9 * m[i] + 0.1 * g[i];
                v[i] = 0.999 * v[i] + 0.001 * g[i] * g[i];
                let (mh, vh) =
                    (m[i] / (1.0 - 0.9f64.powi(t as i32 + 1)), v[i] / (1.0 - 0.999f64.powi(t as i32 + 1)));
                *w -= 0.1 * mh / (vh.sqrt() + 1e-8);
            }
        }
        // After step 1 the update is lr·sign(g): 0.4995 − 0.1, −0.999 + 0.1.
        for (got, expected) in p.entries()[0].value.iter().zip(w) {
            assert!((f64::from(*got) - expected).abs() < 1e-6);
        }
    }

    #[test]
    fn clipping_and_non_finite_gradients() {
        let mut p = params(vec![1.0, 1.0], vec![2]);
        let mut moments = Moments::default();
        let update = step(&mut p, &mut moments, &[vec![3.0, 4.0]], &AdamW::default(), |_| true);
        assert!((update.grad_norm - 5.0).abs() < 1e-6);
        let before = p.clone();
        let update = step(&mut p, &mut moments, &[vec![f32::NAN, 1.0]], &AdamW::default(), |_| true);
        assert!(!update.applied && p == before);
        let refuse = |norm: f64| norm < 5.0 - 1e-6;
        let update = step(&mut p, &mut moments, &[vec![3.0, 4.0]], &AdamW::default(), refuse);
        assert!(!update.applied && p == before && moments.step == 1, "refused by its norm");
    }
}
