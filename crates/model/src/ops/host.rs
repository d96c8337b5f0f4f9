//! Custom operations on the CPU backend: a forward and a backward over slices, tied into autodiff.
//!
//! An operation that implements [`HostOp`] cannot be registered without its backward, so no fast
//! path can drop a gradient. Every `HostOp` has a plain twin in [`super::plain`] made of the tensor
//! library's own differentiable operations; tests compare the two, forward and gradient.

use std::fmt::Debug;
use std::sync::Arc;

use burn::backend::autodiff::{
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::{Tensor, TensorData};
use burn_flex::FlexTensor;

use super::matrix::Mat;

/// A dense f32 matrix that an operation reads.
#[derive(Clone, Copy)]
pub(crate) struct Input<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) rows: usize,
    pub(crate) cols: usize,
}

impl<'a> Input<'a> {
    /// As a side of a product.
    pub(super) fn matrix(self) -> Mat<'a> {
        Mat::new(self.data, self.rows, self.cols)
    }
}

/// What a forward pass leaves.
pub(crate) struct Output {
    pub(crate) data: Vec<f32>,
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    /// Whatever the backward pass wants to find again.
    pub(crate) saved: Vec<f32>,
}

/// What a backward pass reads.
pub(crate) struct Grads<'a> {
    pub(crate) output: &'a [f32],
    /// What the forward pass saved, to be done with as one likes.
    pub(crate) saved: Vec<f32>,
    pub(crate) grad: &'a [f32],
    /// Which inputs want a gradient.
    pub(crate) wanted: &'a [bool],
}

/// An operation on matrices with a hand-written gradient.
pub(crate) trait HostOp: Debug + Send + Sync + 'static {
    /// The output for the inputs.
    fn forward(&self, inputs: &[Input<'_>]) -> Output;
    /// The gradient by each input (empty where not wanted), each as large as its input.
    fn backward(&self, inputs: &[Input<'_>], grads: Grads<'_>) -> Vec<Vec<f32>>;
}

/// A shared operation.
#[derive(Clone, Debug)]
pub(super) struct OpRef(Arc<dyn HostOp>);

/// Host operations by number of inputs.
#[backend_extension(Flex, Autodiff)]
pub(super) trait HostOps: Backend {
    /// One input.
    fn host_op1(a: FloatTensor<Self>, op: OpRef) -> FloatTensor<Self>;
    /// Two inputs.
    fn host_op2(a: FloatTensor<Self>, b: FloatTensor<Self>, op: OpRef) -> FloatTensor<Self>;
    /// Three inputs.
    fn host_op3(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        c: FloatTensor<Self>,
        op: OpRef,
    ) -> FloatTensor<Self>;
    /// Four inputs.
    fn host_op4(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        c: FloatTensor<Self>,
        d: FloatTensor<Self>,
        op: OpRef,
    ) -> FloatTensor<Self>;
    /// Seven inputs.
    #[allow(clippy::too_many_arguments, reason = "the dispatching macro takes no arrays")]
    fn host_op7(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        c: FloatTensor<Self>,
        d: FloatTensor<Self>,
        e: FloatTensor<Self>,
        f: FloatTensor<Self>,
        g: FloatTensor<Self>,
        op: OpRef,
    ) -> FloatTensor<Self>;
}

fn view(tensor: &FlexTensor) -> Input<'_> {
    let shape = tensor.layout().shape();
    let (rows, cols) = (shape[0], shape[1]);
    // `dense` made the layout contiguous, so the slice is there.
    Input { data: tensor.as_slice::<f32>().unwrap_or(&[]), rows, cols }
}

fn dense(tensor: FlexTensor) -> FlexTensor {
    if tensor.is_contiguous() { tensor } else { tensor.to_contiguous() }
}

fn wrap(data: Vec<f32>, rows: usize, cols: usize) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(data, [rows, cols]))
}

fn run<const N: usize>(inputs: [FlexTensor; N], op: &OpRef) -> ([FlexTensor; N], FlexTensor, Vec<f32>) {
    let inputs = inputs.map(dense);
    let out = op.0.forward(&inputs.each_ref().map(view));
    (inputs, wrap(out.data, out.rows, out.cols), out.saved)
}

impl HostOps for Flex {
    fn host_op1(a: FlexTensor, op: OpRef) -> FlexTensor {
        run([a], &op).1
    }
    fn host_op2(a: FlexTensor, b: FlexTensor, op: OpRef) -> FlexTensor {
        run([a, b], &op).1
    }
    fn host_op3(a: FlexTensor, b: FlexTensor, c: FlexTensor, op: OpRef) -> FlexTensor {
        run([a, b, c], &op).1
    }
    fn host_op4(a: FlexTensor, b: FlexTensor, c: FlexTensor, d: FlexTensor, op: OpRef) -> FlexTensor {
        run([a, b, c, d], &op).1
    }
    fn host_op7(
        a: FlexTensor,
        b: FlexTensor,
        c: FlexTensor,
        d: FlexTensor,
        e: FlexTensor,
        f: FlexTensor,
        g: FlexTensor,
        op: OpRef,
    ) -> FlexTensor {
        run([a, b, c, d, e, f, g], &op).1
    }
}

#[derive(Clone, Debug)]
struct State<const N: usize> {
    op: OpRef,
    inputs: [FlexTensor; N],
    output: FlexTensor,
    saved: Arc<Vec<f32>>,
}

#[derive(Debug)]
struct HostBackward;

impl<const N: usize> Backward<Flex, N> for HostBackward {
    type State = State<N>;

    fn backward(self, ops: Ops<Self::State, N>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let grad = dense(grads.consume::<Flex>(&ops.node));
        let state = ops.state;
        let wanted = ops.parents.each_ref().map(Option::is_some);
        let inputs = state.inputs.each_ref().map(view);
        let results = state.op.0.backward(
            &inputs,
            Grads {
                output: view(&state.output).data,
                // Its only owner, unless the graph was copied.
                saved: Arc::unwrap_or_clone(state.saved),
                grad: view(&grad).data,
                wanted: &wanted,
            },
        );
        for ((parent, input), result) in ops.parents.into_iter().zip(inputs).zip(results) {
            if let Some(parent) = parent {
                assert_eq!(result.len(), input.data.len(), "gradient size of {:?}", state.op);
                grads.register::<Flex>(parent.id, wrap(result, input.rows, input.cols));
            }
        }
    }
}

fn tracked<C: CheckpointStrategy, const N: usize>(
    tensors: [FloatTensor<Autodiff<Flex, C>>; N],
    op: OpRef,
) -> FloatTensor<Autodiff<Flex, C>> {
    let nodes = tensors.each_ref().map(|t| t.node());
    let (inputs, output, saved) = run(tensors.map(|t| t.into_primitive()), &op);
    match HostBackward.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prep) => {
            prep.finish(State { op, inputs, output: output.clone(), saved: Arc::new(saved) }, output)
        }
        OpsKind::UnTracked(prep) => prep.finish(output),
    }
}

impl<C: CheckpointStrategy> HostOps for Autodiff<Flex, C> {
    fn host_op1(a: FloatTensor<Self>, op: OpRef) -> FloatTensor<Self> {
        tracked::<C, 1>([a], op)
    }
    fn host_op2(a: FloatTensor<Self>, b: FloatTensor<Self>, op: OpRef) -> FloatTensor<Self> {
        tracked::<C, 2>([a, b], op)
    }
    fn host_op3(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        c: FloatTensor<Self>,
        op: OpRef,
    ) -> FloatTensor<Self> {
        tracked::<C, 3>([a, b, c], op)
    }
    fn host_op4(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        c: FloatTensor<Self>,
        d: FloatTensor<Self>,
        op: OpRef,
    ) -> FloatTensor<Self> {
        tracked::<C, 4>([a, b, c, d], op)
    }
    fn host_op7(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        c: FloatTensor<Self>,
        d: FloatTensor<Self>,
        e: FloatTensor<Self>,
        f: FloatTensor<Self>,
        g: FloatTensor<Self>,
        op: OpRef,
    ) -> FloatTensor<Self> {
        tracked::<C, 7>([a, b, c, d, e, f, g], op)
    }
}

pub(crate) fn apply1(a: Tensor<2>, op: impl HostOp) -> Tensor<2> {
    Tensor::from_dispatch(<Dispatch as HostOps>::host_op1(a.into_dispatch(), OpRef(Arc::new(op))))
}

pub(crate) fn apply2(a: Tensor<2>, b: Tensor<2>, op: impl HostOp) -> Tensor<2> {
    Tensor::from_dispatch(<Dispatch as HostOps>::host_op2(
        a.into_dispatch(),
        b.into_dispatch(),
        OpRef(Arc::new(op)),
    ))
}

pub(crate) fn apply3(a: Tensor<2>, b: Tensor<2>, c: Tensor<2>, op: impl HostOp) -> Tensor<2> {
    Tensor::from_dispatch(<Dispatch as HostOps>::host_op3(
        a.into_dispatch(),
        b.into_dispatch(),
        c.into_dispatch(),
        OpRef(Arc::new(op)),
    ))
}

pub(crate) fn apply4([a, b, c, d]: [Tensor<2>; 4], op: impl HostOp) -> Tensor<2> {
    Tensor::from_dispatch(<Dispatch as HostOps>::host_op4(
        a.into_dispatch(),
        b.into_dispatch(),
        c.into_dispatch(),
        d.into_dispatch(),
        OpRef(Arc::new(op)),
    ))
}

pub(crate) fn apply7([a, b, c, d, e, f, g]: [Tensor<2>; 7], op: impl HostOp) -> Tensor<2> {
    Tensor::from_dispatch(<Dispatch as HostOps>::host_op7(
        a.into_dispatch(),
        b.into_dispatch(),
        c.into_dispatch(),
        d.into_dispatch(),
        e.into_dispatch(),
        f.into_dispatch(),
        g.into_dispatch(),
        OpRef(Arc::new(op)),
    ))
}
