//! Without the feature `nvml` nothing is known of what GPUs do beside the measurement.

use super::metering::Participant;
use crate::record::{DeviceInfo, GpuConditions};

/// Empty: not known.
pub(super) fn driver() -> String {
    String::new()
}

/// Adds nothing: not known.
pub(super) fn describe(_info: &mut DeviceInfo) {}

/// Empty: not known.
pub(super) fn read(_participants: Option<&[Participant]>) -> Vec<GpuConditions> {
    Vec::new()
}
