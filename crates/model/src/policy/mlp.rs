//! A small network that reads a state of the decoder and says one number of it: what critics are made of.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, TensorData, activation::relu};
use eyas_core::Seed;

use super::optimizer::{Moments, step};
use super::score::read;
use super::{AdamW, StateError, Update};
use crate::arch::{Params, Tensors};
use crate::ops::{Precision, linear};

// Parameters stand in the order of their names.
const NAMES: [&str; 4] = ["hidden.bias", "hidden.weight", "out.bias", "out.weight"];

/// One hidden layer, `out · relu(hidden · state)`, with its own AdamW. Computes in f32 on the host.
#[derive(Clone, Debug, PartialEq)]
pub struct Mlp {
    params: Params,
    moments: Moments,
}

impl Mlp {
    /// For states of `width` numbers, with `hidden` units. Weights are drawn with a variance of
    /// `2 / inputs` (He et al., arXiv 1502.01852), biases are 0.
    pub fn new(width: usize, hidden: usize, seed: Seed) -> Self {
        let drawn = |name: &str, count: usize, inputs: usize| {
            let mut rng = seed.split(name, 0).rng();
            let scale = (2.0 / inputs.max(1) as f64).sqrt();
            (0..count).map(|_| (scale * rng.normal()) as f32).collect()
        };
        let values = [
            vec![0.0; hidden],
            drawn("hidden", width * hidden, width),
            vec![0.0],
            drawn("out", hidden, hidden),
        ];
        Self::of([vec![hidden], vec![hidden, width], vec![1], vec![1, hidden]], values)
    }

    fn of(shapes: [Vec<usize>; 4], values: [Vec<f32>; 4]) -> Self {
        let shapes: Vec<(String, Vec<usize>)> = NAMES.map(String::from).into_iter().zip(shapes).collect();
        let values = NAMES.map(String::from).into_iter().zip(values).collect();
        Self { params: Params::new(&shapes, values), moments: Moments::default() }
    }

    /// Numbers in a state.
    pub fn width(&self) -> usize {
        self.params.entries()[1].matrix()[1]
    }

    /// What it says of each state; `states` is `[N, width]`, row-major.
    pub fn forward(&self, states: &[f32]) -> Vec<f32> {
        let device = Device::flex();
        read(self.pass(&self.params.tensors(&device), states, &device))
    }

    fn pass(&self, w: &Tensors, states: &[f32], device: &Device) -> Tensor<2> {
        let shape = [states.len() / self.width(), self.width()];
        let states = Tensor::from_data(TensorData::new(states.to_vec(), shape), device);
        let hidden = relu(linear(states, w.get(1), Some(w.get(0)), Precision::F32));
        linear(hidden, w.get(3), Some(w.get(2)), Precision::F32)
    }

    /// One update by the derivative of a loss by each number of [`Mlp::forward`].
    pub fn update(&mut self, states: &[f32], d_out: &[f32], settings: &AdamW) -> Update {
        let device = Device::flex();
        let weights = self.params.tensors(&device).tracked(&self.params, |_| true);
        let out = self.pass(&weights, states, &device);
        let d_out = Tensor::<2>::from_data(TensorData::new(d_out.to_vec(), [d_out.len(), 1]), &out.device());
        let mut gradients = (out * d_out).sum().backward();
        let gradients: Vec<Vec<f32>> = weights
            .all()
            .iter()
            .map(|tensor| tensor.grad_remove(&mut gradients).map(read).unwrap_or_default())
            .collect();
        step(&mut self.params, &mut self.moments, &gradients, settings, |_| true)
    }

    /// The parameters, row-major, in a fixed order.
    pub fn parameters(&self) -> impl Iterator<Item = &[f32]> {
        self.params.entries().iter().map(|p| &p.value[..])
    }

    /// The same, to be changed.
    pub fn parameters_mut(&mut self) -> impl Iterator<Item = &mut [f32]> {
        self.params.entries_mut().iter_mut().map(|p| &mut p.value[..])
    }

    /// Updates so far.
    pub fn updates(&self) -> i32 {
        self.moments.step
    }

    /// Weights and, once there was an update, moments, by name.
    pub fn state(&self) -> BTreeMap<String, Vec<f32>> {
        let mut arrays = BTreeMap::new();
        for (n, param) in self.params.entries().iter().enumerate() {
            arrays.insert(param.name.clone(), param.value.to_vec());
            if let (Some(first), Some(second)) = (self.moments.first.get(n), self.moments.second.get(n)) {
                arrays.insert(format!("first/{}", param.name), first.clone());
                arrays.insert(format!("second/{}", param.name), second.clone());
            }
        }
        arrays
    }

    /// The network of such a state after so many updates.
    ///
    /// # Errors
    /// [`StateError`] when an array is missing or of another length than the others ask for.
    pub fn restore(mut arrays: BTreeMap<String, Vec<f32>>, updates: i32) -> Result<Self, StateError> {
        let mut take = |name: String, expected: Option<usize>| {
            let values = arrays.remove(&name).ok_or_else(|| StateError::Missing(name.clone()))?;
            match (values.len(), expected) {
                (got, Some(expected)) if got != expected => Err(StateError::Length { name, got, expected }),
                _ => Ok(values),
            }
        };
        let bias = take(NAMES[0].into(), None)?;
        let weight = take(NAMES[1].into(), None)?;
        let hidden = bias.len();
        let width = weight.len() / hidden.max(1);
        let sizes = [hidden, hidden * width, 1, hidden];
        if weight.len() != sizes[1] || width == 0 {
            let (got, expected) = (weight.len(), hidden * width.max(1));
            return Err(StateError::Length { name: NAMES[1].into(), got, expected });
        }
        let out = [take(NAMES[2].into(), Some(1))?, take(NAMES[3].into(), Some(hidden))?];
        let [out_bias, out_weight] = out;
        let shapes = [vec![hidden], vec![hidden, width], vec![1], vec![1, hidden]];
        let mut net = Self::of(shapes, [bias, weight, out_bias, out_weight]);
        net.moments.step = updates;
        if updates > 0 {
            for (name, size) in NAMES.into_iter().zip(sizes) {
                net.moments.first.push(take(format!("first/{name}"), Some(size))?);
                net.moments.second.push(take(format!("second/{name}"), Some(size))?);
            }
        }
        Ok(net)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two inputs, two units: 3 · relu(1·x + 2·y − 1) − relu(−x) + 0.5.
    fn by_hand() -> Mlp {
        let shapes = [vec![2], vec![2, 2], vec![1], vec![1, 2]];
        let values = [vec![-1.0, 0.0], vec![1.0, 2.0, -1.0, 0.0], vec![0.5], vec![3.0, -1.0]];
        Mlp::of(shapes, values)
    }

    #[test]
    fn forward_by_hand() {
        // 3 · (1 + 4 − 1) + 0.5, and relu(−1) = 0 with −relu(2) + 0.5.
        assert_eq!(by_hand().forward(&[1.0, 2.0, -2.0, 1.0]), [12.5, -1.5]);
        assert_eq!(by_hand().width(), 2);
    }

    #[test]
    fn the_gradient_is_that_of_finite_differences() {
        // One step of AdamW without a warm first moment moves every weight by lr against its gradient's sign;
        // the sizes are seen from the first moments.
        let states = [0.5f32, 1.5, -1.0, 0.25, 2.0, -0.5];
        let d_out = [1.0f32, -2.0, 0.5];
        let mut net = Mlp::new(2, 5, Seed::new(3));
        let before = net.clone();
        let settings = AdamW { max_grad_norm: f32::INFINITY, ..AdamW::default() };
        assert!(net.update(&states, &d_out, &settings).applied);
        let loss = |net: &Mlp| -> f64 {
            net.forward(&states).iter().zip(d_out).map(|(y, d)| f64::from(*y) * f64::from(d)).sum()
        };
        let state = net.state();
        for (p, name) in NAMES.into_iter().enumerate() {
            for (i, first) in state[&format!("first/{name}")].iter().enumerate() {
                let moved = |by: f32| {
                    let mut net = before.clone();
                    if let Some(parameter) = net.parameters_mut().nth(p) {
                        parameter[i] += by;
                    }
                    loss(&net)
                };
                let slope = (moved(1e-2) - moved(-1e-2)) / 2e-2;
                assert!((f64::from(*first) - 0.1 * slope).abs() < 1e-4, "{name}[{i}]: {first} for {slope}");
            }
        }
    }

    #[test]
    fn it_learns_what_a_line_cannot_say() {
        // Exclusive or.
        let states = [0.0f32, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0];
        let wanted = [0.0f32, 1.0, 1.0, 0.0];
        let mut net = Mlp::new(2, 16, Seed::new(1));
        let settings = AdamW { lr: 0.02, ..AdamW::default() };
        for _ in 0..300 {
            let d: Vec<f32> = net.forward(&states).iter().zip(wanted).map(|(y, w)| y - w).collect();
            net.update(&states, &d, &settings);
        }
        for (y, w) in net.forward(&states).iter().zip(wanted) {
            assert!((y - w).abs() < 0.1, "{y} for {w}");
        }
    }

    #[test]
    fn a_restored_network_goes_on_as_it_would_have() {
        let (states, d_out, settings) = ([1.0f32, 2.0], [0.5f32], AdamW::default());
        let mut net = Mlp::new(2, 3, Seed::new(1));
        assert_eq!(Mlp::restore(net.state(), 0).unwrap(), net);
        net.update(&states, &d_out, &settings);
        let mut again = Mlp::restore(net.state(), net.updates()).unwrap();
        assert_eq!(again, net);
        net.update(&states, &d_out, &settings);
        again.update(&states, &d_out, &settings);
        assert_eq!(again, net);
        let mut state = net.state();
        state.insert("out.weight".into(), vec![0.0]);
        let error = Mlp::restore(state, 1).unwrap_err();
        assert_eq!(error, StateError::Length { name: "out.weight".into(), got: 1, expected: 3 });
        let missing = Mlp::restore(BTreeMap::new(), 0).unwrap_err();
        assert_eq!(missing, StateError::Missing("hidden.bias".into()));
    }
}
