//! Where tensors live: the host, or a GPU behind wgpu.

use burn::tensor::Device;

use crate::policy::PolicyError;

/// What computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceKind {
    /// The host's processor, with the fused operations of [`crate::ops`].
    #[default]
    Cpu,
    /// The first GPU that wgpu finds (Vulkan, Metal, DirectX), with the plain operations in f32. Needs
    /// the feature `wgpu`.
    Gpu,
}

/// The device, started if need be.
pub(crate) fn open(kind: DeviceKind) -> Result<Device, PolicyError> {
    match kind {
        DeviceKind::Cpu => Ok(Device::flex()),
        DeviceKind::Gpu => gpu(),
    }
}

#[cfg(not(feature = "wgpu"))]
fn gpu() -> Result<Device, PolicyError> {
    Err(PolicyError::NoGpuSupport)
}

#[cfg(feature = "wgpu")]
fn gpu() -> Result<Device, PolicyError> {
    use std::sync::OnceLock;
    // A runtime is started once a process; later policies share it.
    static GPU: OnceLock<Result<Device, String>> = OnceLock::new();
    let start = || Device::wgpu_options().init().map_err(|error| error.to_string());
    GPU.get_or_init(start).clone().map_err(|detail| PolicyError::Gpu { detail })
}
