//! Without the feature `nvml` no counter of NVIDIA's driver is known.

use super::{GpuCounter, Participant, Source};

/// Not known.
pub(super) fn meter(_gpu: &Participant) -> Option<Source> {
    None
}

/// Not known.
pub(super) fn counter(_gpu: &Participant) -> Option<Box<dyn GpuCounter>> {
    None
}
