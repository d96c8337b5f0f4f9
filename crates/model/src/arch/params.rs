//! The weights: f32 master copies on the host, and their tensors on the device.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};

use burn::backend::{DispatchDevice, Flex};
use burn::tensor::{Device, Shape, Tensor, TensorData};
use burn_flex::{FlexTensor, Layout};

/// The values of a parameter. Copies of them and tensors on the host read the same memory; who writes to it
/// while others read it gets memory of its own.
#[derive(Clone, Debug)]
pub struct Values(FlexTensor);

impl Values {
    /// As a matrix on `device`.
    fn tensor(&self, shape: [usize; 2], device: &Device) -> Tensor<2> {
        assert_eq!(self.len(), shape[0] * shape[1], "values of a matrix");
        if matches!(device.as_dispatch(), DispatchDevice::Flex(_)) {
            let shared = self.0.clone().with_layout(Layout::contiguous(Shape::from(shape)));
            Tensor::from_primitive::<Flex>(shared)
        } else {
            Tensor::from_data(TensorData::new(self.to_vec(), shape), device)
        }
    }
}

impl From<Vec<f32>> for Values {
    fn from(values: Vec<f32>) -> Self {
        let shape = [values.len()];
        Self(FlexTensor::from_data(TensorData::new(values, shape)))
    }
}

impl Deref for Values {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        self.0.storage()
    }
}

impl DerefMut for Values {
    fn deref_mut(&mut self) -> &mut [f32] {
        self.0.storage_mut()
    }
}

impl PartialEq for Values {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

/// One parameter. As a tensor it is a matrix: vectors are one row, the patch embedding's kernel is
/// flattened to one row per output channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// Its name in a Hugging Face checkpoint.
    pub name: String,
    /// Its shape there.
    pub shape: Vec<usize>,
    /// Its values, row-major.
    pub value: Values,
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
                let value = values.remove(name)?.into();
                Some(Param { name: name.clone(), shape: shape.clone(), value })
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

    /// The parameters on the device: on the host in place, elsewhere copied.
    pub fn tensors(&self, device: &Device) -> Tensors {
        Tensors(self.entries.iter().map(|p| p.value.tensor(p.matrix(), device)).collect())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_share_and_a_writer_gets_its_own() {
        let shapes = [("a".to_string(), vec![2, 3]), ("b".to_string(), vec![2])];
        let values = [("a".to_string(), vec![1.0; 6]), ("b".to_string(), vec![3.0, 4.0])];
        let mut params = Params::new(&shapes, values.into());
        let place = |params: &Params, i: usize| params.entries()[i].value.as_ptr();
        let (copy, tensors) = (params.clone(), params.tensors(&Device::flex()));
        assert_eq!((place(&copy, 0), place(&copy, 1)), (place(&params, 0), place(&params, 1)));

        let (before, kept) = (place(&params, 0), place(&params, 1));
        params.entries_mut()[0].value[5] = 7.0;
        let read = |t: &Tensors, i: usize| t.get(i).into_data().try_into_vec::<f32>().unwrap();
        assert_eq!((read(&tensors, 0), tensors.get(0).dims()), (vec![1.0; 6], [2, 3]));
        assert_eq!((read(&tensors, 1), tensors.get(1).dims()), (vec![3.0, 4.0], [1, 2]));
        assert_eq!((&copy.entries()[0].value[..], place(&copy, 0)), (&[1.0; 6][..], before));
        assert_eq!(params.entries()[0].value[..], [1.0, 1.0, 1.0, 1.0, 1.0, 7.0]);
        assert_eq!(place(&params, 1), kept);

        // Alone, it writes in place.
        drop((copy, tensors));
        let own = place(&params, 0);
        params.entries_mut()[0].value[0] = 8.0;
        assert_eq!((place(&params, 0), params.entries()[0].value[0]), (own, 8.0));
    }
}
