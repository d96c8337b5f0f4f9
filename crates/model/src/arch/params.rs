//! The weights: f32 master copies on the host, and their tensors on the device.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;

/// One parameter. As a tensor it is a matrix: vectors are one row, the patch embedding's kernel is
/// flattened to one row per output channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// Its name in a Hugging Face checkpoint.
    pub name: String,
    /// Its shape there.
    pub shape: Vec<usize>,
    /// Its values, row-major.
    pub value: Vec<f32>,
}

impl Param {
    /// Rows and columns as a matrix.
    pub fn matrix(&self) -> [usize; 2] {
        match self.shape.as_slice() {
            [] => [1, 1],
            [n] => [1, *n],
            [rows, rest @ ..] => [*rows, rest.iter().product()],
        }
    }
}

/// All parameters, in the order of their names.
#[derive(Clone, Debug, PartialEq)]
pub struct Params {
    entries: Vec<Param>,
    index: BTreeMap<String, usize>,
}

impl Params {
    /// From shapes and values by name; a name without a value is left out.
    pub fn new(shapes: &[(String, Vec<usize>)], mut values: BTreeMap<String, Vec<f32>>) -> Self {
        let mut entries: Vec<Param> = shapes
            .iter()
            .filter_map(|(name, shape)| {
                values.remove(name).map(|value| Param { name: name.clone(), shape: shape.clone(), value })
            })
            .collect();
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        let index = entries.iter().enumerate().map(|(i, p)| (p.name.clone(), i)).collect();
        Self { entries, index }
    }

    /// The parameters.
    pub fn entries(&self) -> &[Param] {
        &self.entries
    }

    /// The parameters, to be changed in place.
    pub fn entries_mut(&mut self) -> &mut [Param] {
        &mut self.entries
    }

    /// The position of a parameter.
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.index.get(name).copied()
    }

    /// Copies the parameters to the device.
    pub fn tensors(&self, device: &Device) -> Tensors {
        let tensor = |p: &Param| Tensor::<2>::from_data(TensorData::new(p.value.clone(), p.matrix()), device);
        Tensors(self.entries.par_iter().map(tensor).collect())
    }
}

/// The tensors of [`Params`], by position.
#[derive(Clone)]
pub struct Tensors(Vec<Tensor<2>>);

impl Tensors {
    /// The tensor at `position`.
    pub(crate) fn get(&self, position: usize) -> Tensor<2> {
        self.0[position].clone()
    }

    /// The same tensors as the start of a graph of their own; of those that `track` names gradients can be
    /// asked. `params` are what they were made from.
    pub(crate) fn tracked(&self, params: &Params, track: impl Fn(&str) -> bool) -> Self {
        let leaf = |(tensor, param): (&Tensor<2>, &Param)| {
            let tensor = tensor.clone().autodiff();
            if track(&param.name) { tensor.require_grad() } else { tensor }
        };
        Self(self.0.iter().zip(params.entries()).map(leaf).collect())
    }

    /// All tensors in order.
    pub fn all(&self) -> &[Tensor<2>] {
        &self.0
    }
}
