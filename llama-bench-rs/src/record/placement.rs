use serde::{Deserialize, Serialize};

/// Where the memory of the measuring process lay once its model was loaded and its context made, in bytes, as Linux
/// tells it (`/proc/self/smaps_rollup`). A figure that the system does not tell is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Placement {
    /// Memory of no file: buffers, and weights that were read rather than mapped.
    pub anonymous: Option<u64>,
    /// Of it, in huge pages.
    pub anon_huge_pages: Option<u64>,
    /// Mapped files, of which a mapped model is the largest.
    pub file_mapped: Option<u64>,
    /// Of it, mapped in huge pages.
    pub file_pmd_mapped: Option<u64>,
    /// Locked in memory.
    pub locked: Option<u64>,
}
