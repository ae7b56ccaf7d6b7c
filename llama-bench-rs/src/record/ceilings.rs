use serde::{Deserialize, Serialize};

use super::GpuConditions;

/// The most that a device of this machine does, measured with ggml's own kernels.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Ceilings {
    /// Its name in llama.cpp, such as `CUDA0`.
    pub device: String,
    /// Threads that computed, on a CPU; `None` for others.
    pub n_threads: Option<u32>,
    /// When they were measured, in UTC (RFC 3339, whole seconds): before the run if they are of the cache.
    pub measured_at: String,
    /// Memory bandwidths, copies and reads, and arithmetic by type.
    pub rates: Vec<Ceiling>,
    /// What a GPU did meanwhile: clocks, throttling. `None` if unknown.
    pub conditions: Option<GpuConditions>,
}

/// One ceiling of a device.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Ceiling {
    /// What was measured.
    pub kind: CeilingKind,
    /// Type of the data, such as `q4_K`; of a product, of the matrix, which is multiplied by one of f32.
    pub data_type: String,
    /// Columns of the other factor of a product, if it was measured with as many as a physical batch has tokens; `None` for
    /// a product large in every direction.
    pub n_columns: Option<u32>,
    /// Bytes of the matrix that is read again and again, if it is one that a cache may hold; `None` for one that is larger
    /// than the caches.
    pub matrix_bytes: Option<u64>,
    /// Bytes per second of a memory ceiling, floating-point operations per second of products: the fastest repetition.
    pub per_second: f64,
    /// Lower end of the range that repeated measurements show.
    pub lower: f64,
    /// Upper end of that range.
    pub upper: f64,
    /// Repetitions.
    pub n: u32,
    /// Whether other programs disturbed the measurement: the device does at least this, and how much more is unknown, so the
    /// upper end of its range is too. `None` if the system does not count it, and in older files.
    pub disturbed: Option<bool>,
}

/// What a [`Ceiling`] is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CeilingKind {
    /// A large copy within the device: bytes read and bytes written.
    #[default]
    Copy,
    /// A large read: a matrix times one vector, whose bytes are nearly all of the matrix.
    Read,
    /// A large matrix product.
    Product,
}
