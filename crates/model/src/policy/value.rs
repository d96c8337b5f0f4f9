//! The value head: one number for each state of the decoder, what the rest of the episode will bring.

use burn::tensor::Tensor;

use super::{Policy, PolicyError};
use crate::arch::{Params, Tensors};
use crate::ops::{Precision, linear};

pub(super) const WEIGHT: &str = "value_head.weight";
const BIAS: &str = "value_head.bias";

/// Where the head's parameters are, and whether its loss reaches the decoder.
#[derive(Clone, Copy, Debug)]
pub(super) struct ValueHead {
    weight: usize,
    bias: usize,
    stop_gradient: bool,
}

/// Names and shapes of its parameters.
pub(super) fn shapes(hidden: usize) -> [(String, Vec<usize>); 2] {
    [(WEIGHT.into(), vec![1, hidden]), (BIAS.into(), vec![1])]
}

impl ValueHead {
    pub(super) fn of(params: &Params) -> Option<Self> {
        let (weight, bias) = params.position(WEIGHT).zip(params.position(BIAS))?;
        Some(Self { weight, bias, stop_gradient: false })
    }

    /// `hidden [N, D]` -> `[N, 1]`.
    pub(super) fn forward(&self, w: &Tensors, hidden: Tensor<2>) -> Tensor<2> {
        let hidden = if self.stop_gradient { hidden.detach() } else { hidden };
        linear(hidden, w.get(self.weight), Some(w.get(self.bias)), Precision::F32)
    }
}

impl Policy {
    /// Gives the policy a linear value head that says 0 of everything, unless it has one. From then on
    /// [`Scored::values`](super::Scored::values) is filled. With `stop_gradient` the value loss trains the head
    /// alone and leaves the decoder as it is (VL-DAC).
    pub fn add_value_head(&mut self, stop_gradient: bool) {
        if self.value_head.is_none() {
            let mut values: std::collections::BTreeMap<String, Vec<f32>> =
                self.params.entries().iter().map(|p| (p.name.clone(), p.value.to_vec())).collect();
            let mut all: Vec<(String, Vec<usize>)> =
                self.params.entries().iter().map(|p| (p.name.clone(), p.shape.clone())).collect();
            for (name, shape) in shapes(self.config.text.hidden_size) {
                values.insert(name.clone(), vec![0.0; shape.iter().product()]);
                all.push((name, shape));
            }
            // Positions change, so what was made for the old ones goes.
            self.replace_params(Params::new(&all, values));
            self.value_head = ValueHead::of(&self.params);
        }
        if let Some(head) = &mut self.value_head {
            head.stop_gradient = stop_gradient;
        }
    }

    /// Whether the policy has a value head.
    pub fn has_value_head(&self) -> bool {
        self.value_head.is_some()
    }

    /// Weights and bias of the value head; `None` without one.
    pub fn value_head(&self) -> Option<(&[f32], f32)> {
        let of = |name| self.params.entries().iter().find(|p| p.name == name).map(|p| &p.value[..]);
        Some((of(WEIGHT)?, *of(BIAS)?.first()?))
    }

    /// Gives the policy a value head of these weights and this bias. The optimizer starts anew.
    ///
    /// # Errors
    /// [`PolicyError::ValueHead`] when the decoder's states are of another width; the policy is unchanged then.
    pub fn set_value_head(&mut self, weight: &[f32], bias: f32) -> Result<(), PolicyError> {
        let expected = self.config.text.hidden_size;
        if weight.len() != expected {
            return Err(PolicyError::ValueHead { expected, got: weight.len() });
        }
        self.add_value_head(false);
        for param in self.params.entries_mut() {
            match param.name.as_str() {
                WEIGHT => param.value = weight.to_vec().into(),
                BIAS => param.value = vec![bias].into(),
                _ => {}
            }
        }
        self.forget_tensors();
        Ok(())
    }

    /// Takes the value head away, if there is one; the optimizer starts anew then.
    pub fn remove_value_head(&mut self) {
        if self.value_head.is_some() {
            let kept = self.params.entries().iter().filter(|p| p.name != WEIGHT && p.name != BIAS);
            let shapes: Vec<_> = kept.clone().map(|p| (p.name.clone(), p.shape.clone())).collect();
            let values = kept.map(|p| (p.name.clone(), p.value.to_vec())).collect();
            self.replace_params(Params::new(&shapes, values));
        }
    }

    /// Takes on the parameters of `other`, a policy of the same architecture, with its value head or without
    /// one. What is frozen, precision and device stay; the optimizer starts anew.
    pub fn take_on(&mut self, other: &Self) {
        self.replace_params(other.params.clone());
    }
}
