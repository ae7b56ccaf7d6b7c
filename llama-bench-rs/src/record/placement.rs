use serde::{Deserialize, Serialize};

/// Memory of the measuring process after its model was loaded and its context made, in bytes, from Linux's
/// `/proc/self/smaps_rollup`. `None` if the system does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Placement {
    /// Memory that belongs to no file: buffers, and weights that were read rather than mapped.
    pub anonymous: Option<u64>,
    /// Of it, in huge pages.
    pub anon_huge_pages: Option<u64>,
    /// Mapped files; a mapped model is the largest of them.
    pub file_mapped: Option<u64>,
    /// Of it, mapped in huge pages.
    pub file_pmd_mapped: Option<u64>,
    /// Locked in memory.
    pub locked: Option<u64>,
}
