//! Without the feature `nvml` nothing is known of what GPUs do beside the measurement.

use crate::record::GpuConditions;

/// Empty: not known.
pub(super) fn driver() -> String {
    String::new()
}

/// Empty: not known.
pub(super) fn read() -> Vec<GpuConditions> {
    Vec::new()
}
