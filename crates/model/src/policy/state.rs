//! Everything of a policy that training changes, to be written down and taken up again.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::optimizer::Moments;
use super::vision_cache::FeatureCache;
use super::{Policy, ValueHead};
use crate::arch::{Params, TextModel, VisionModel};

/// Weights and optimizer moments, exact.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PolicyState {
    /// Updates that the moments have seen.
    pub updates: i32,
    /// `weight/NAME`, and once there was an update `first/NAME` and `second/NAME`: the parameter and its two
    /// moments, row-major.
    pub arrays: BTreeMap<String, Vec<f32>>,
}

/// Why a state does not fit a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// An array is absent.
    #[error("the state lacks {0:?}")]
    Missing(String),
    /// An array has another length than the parameter.
    #[error("{name:?} has {got} numbers, the policy has {expected}")]
    Length {
        /// The array.
        name: String,
        /// Its length.
        got: usize,
        /// That of the parameter.
        expected: usize,
    },
}

impl Policy {
    /// A copy of everything that training changes.
    pub fn state(&self) -> PolicyState {
        let mut state = PolicyState { updates: self.moments.step, ..PolicyState::default() };
        let mut put = |part: &str, name: &str, values: &[f32]| {
            state.arrays.insert(format!("{part}/{name}"), values.to_vec());
        };
        for (n, param) in self.params.entries().iter().enumerate() {
            put("weight", &param.name, &param.value);
            if let (Some(first), Some(second)) = (self.moments.first.get(n), self.moments.second.get(n)) {
                put("first", &param.name, first);
                put("second", &param.name, second);
            }
        }
        state
    }

    /// Takes up a state that [`Policy::state`] gave of a policy of the same shape. Gradients that were being
    /// accumulated are dropped.
    ///
    /// # Errors
    /// [`StateError`]; the policy is unchanged then.
    pub fn restore(&mut self, mut state: PolicyState) -> Result<(), StateError> {
        let with_head = format!("weight/{}", super::value::WEIGHT);
        if state.arrays.contains_key(&with_head) && !self.has_value_head() {
            self.add_value_head(false);
        }
        let mut take = |part: &str, name: &str, expected: usize| {
            let name = format!("{part}/{name}");
            let values = state.arrays.remove(&name).ok_or_else(|| StateError::Missing(name.clone()))?;
            match values.len() {
                got if got == expected => Ok(values),
                got => Err(StateError::Length { name, got, expected }),
            }
        };
        let mut weights = Vec::new();
        let mut moments = Moments { step: state.updates, ..Moments::default() };
        for param in self.params.entries() {
            weights.push(take("weight", &param.name, param.value.len())?);
            if state.updates > 0 {
                moments.first.push(take("first", &param.name, param.value.len())?);
                moments.second.push(take("second", &param.name, param.value.len())?);
            }
        }
        for (param, value) in self.params.entries_mut().iter_mut().zip(weights) {
            param.value = value.into();
        }
        self.moments = moments;
        self.grads = Vec::new();
        self.forget_tensors();
        Ok(())
    }

    /// Puts other parameters in the place of the present ones; the optimizer starts anew.
    pub(super) fn replace_params(&mut self, params: Params) {
        if let Some((text, vision)) =
            TextModel::new(&self.config, &params).zip(VisionModel::new(&self.config.vision, &params))
        {
            let precision = self.precision();
            (self.text, self.vision, self.params) = (text, vision, params);
            (self.text.precision, self.vision.precision) = (precision, precision);
            self.value_head = ValueHead::of(&self.params);
            (self.grads, self.moments) = (Vec::new(), Moments::default());
            self.forget_tensors();
        }
    }

    /// Tensors and features of weights that are no longer the present ones.
    pub(super) fn forget_tensors(&mut self) {
        self.weights = OnceLock::new();
        self.fast_text = OnceLock::new();
        self.set_feature_cache(FeatureCache::BYTES);
    }
}
