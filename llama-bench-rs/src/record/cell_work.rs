use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What one repetition of a cell computes and moves, counted from the graphs that llama.cpp builds for it. Independent of
/// time: equal on every run of the same configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct CellWork {
    /// Graphs that are computed: one for each physical batch of a prompt, one for each token of a generation.
    pub n_graphs: u32,
    /// By device, in the order of their names.
    pub devices: Vec<DeviceWork>,
    /// Operations whose arithmetic is not counted, with how many there are; empty if all are. The bytes that they move are
    /// counted.
    pub uncounted: BTreeMap<String, u64>,
}

/// The part of a [`CellWork`] that one device computes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct DeviceWork {
    /// Its name in llama.cpp, such as `CUDA0`.
    pub device: String,
    /// Bytes of weights that are read, each once per graph. Of the experts of a layer, those that the tokens reach; of
    /// several tokens, as many as uniform routing reaches on average. Of the embeddings, the rows of the tokens.
    pub weight_bytes: u64,
    /// Bytes of keys and values that are read: each cell that a token of the graph attends to, once per graph.
    pub kv_read_bytes: u64,
    /// Bytes of keys and values that are written.
    pub kv_write_bytes: u64,
    /// Bytes of recurrent states that are read and written.
    pub state_bytes: u64,
    /// Bytes of results too large for any cache, each written once and read once.
    pub activation_bytes: u64,
    /// Bytes that are copied to it from other devices.
    pub copied_bytes: u64,
    /// Arithmetic, by operation and type.
    pub products: Vec<Product>,
}

/// Arithmetic of one operation on one type of data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Product {
    /// ggml's name of the operation, such as `MUL_MAT`.
    pub op: String,
    /// Type of its weights, or of keys, such as `q4_K`.
    pub data_type: String,
    /// Nodes of all graphs together.
    pub n: u64,
    /// Floating-point operations: a multiplication and an addition count as two. Of attention, only pairs of a token and a
    /// cell that it attends to.
    pub flops: u64,
}

impl CellWork {
    /// The part of this device; `None` if it computes nothing.
    pub fn of(&self, device: &str) -> Option<&DeviceWork> {
        self.devices.iter().find(|work| work.device == device)
    }
}

impl DeviceWork {
    /// All bytes that pass the memory of the device, in bytes.
    pub fn bytes(&self) -> u64 {
        self.weight_bytes
            + self.kv_read_bytes
            + self.kv_write_bytes
            + self.state_bytes
            + self.activation_bytes
            + self.copied_bytes
    }

    /// All arithmetic, in floating-point operations.
    pub fn flops(&self) -> u64 {
        self.products.iter().map(|product| product.flops).sum()
    }
}
