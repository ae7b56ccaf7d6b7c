//! What llama.cpp computes, counted: what [`Context::work`](super::Context::work) returns.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The graph that llama.cpp computes for one kind of test, counted: no time is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// What it is computed for.
    pub kind: WorkKind,
    /// Tokens that are computed at once: for a prompt the longest piece that the run has, for a generation one per
    /// sequence.
    pub n_tokens: u32,
    /// Parts that the graph is split into, each for one device.
    pub n_splits: u32,
    /// Nodes that compute something, sorted; those that are alike are one entry.
    pub nodes: Vec<Nodes>,
    /// Copies between devices, sorted; empty if everything is computed where its operands are.
    pub copies: Vec<Copies>,
    /// What the host reads when all is computed, by the device that has it; empty if that is the host, or unknown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<Copies>,
    /// Operations of layers that another device computes than the one that holds the layer, in the order of the graph; empty
    /// if there are none, or that is unknown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub strays: Vec<Stray>,
}

/// An operation of a layer that another device computes than the one that holds the layer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stray {
    /// The layer, from 0.
    pub layer: u32,
    /// llama.cpp's name of its result, such as `ffn_out-3`.
    pub name: String,
    /// The operation in ggml's words, such as `MUL_MAT`.
    pub op: String,
    /// The weights that it reads, such as `blk.3.ffn_down.weight`; `None` if it reads none.
    pub weights: Option<String>,
    /// Where those lie: a buffer type, such as `CPU`. `None` without any.
    pub weights_at: Option<String>,
    /// Bytes of those that it reads; 0 without any.
    pub weight_bytes: u64,
    /// The device that computes it.
    pub device: String,
    /// The device that holds the layer.
    pub layer_device: String,
    /// Bytes of its operands and its result that are copied between devices.
    pub crossed_bytes: u64,
}

/// What a graph is computed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkKind {
    /// A piece of a prompt (pp).
    Prompt,
    /// One token of a generation (tg).
    Generation,
    /// A piece of a text to embed (embd).
    Embedding,
}

/// Nodes of a graph that are alike.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Nodes {
    /// The operation in ggml's words, such as `MUL_MAT`.
    pub op: String,
    /// The type that decides which kernel runs, such as `q4_K`: of keys and values for attention, of what is written
    /// for a copy, else of the first operand.
    #[serde(rename = "type")]
    pub data_type: String,
    /// The device that computes them, such as `CUDA0`.
    pub device: String,
    /// Where the weights that they read lie: a buffer type, such as `CPU_REPACK`. `None` if they read none.
    pub weights: Option<String>,
    /// How many there are.
    pub n: u32,
}

/// Tensors that are copied from one device to another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Copies {
    /// The device that they are copied from.
    pub from: String,
    /// The device that they are copied to.
    pub to: String,
    /// How many there are.
    pub n: u32,
    /// Bytes of all of them; `None` if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

impl fmt::Display for WorkKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            WorkKind::Prompt => "prompt",
            WorkKind::Generation => "generation",
            WorkKind::Embedding => "embedding",
        })
    }
}

/// The operation that computes attention as a whole.
pub(crate) const FLASH_ATTENTION: &str = "FLASH_ATTN_EXT";

impl Work {
    /// Whether attention is computed by flash attention, in part at least.
    pub fn has_flash_attention(&self) -> bool {
        self.nodes.iter().any(|nodes| nodes.op == FLASH_ATTENTION)
    }

    /// Nodes in all.
    pub fn n_nodes(&self) -> u64 {
        self.nodes.iter().map(|nodes| u64::from(nodes.n)).sum()
    }
}

impl Nodes {
    /// Whether the weights lie in a layout made for the CPU's own kernels.
    pub fn is_repacked(&self) -> bool {
        self.weights.as_deref().is_some_and(is_repacked)
    }
}

/// Buffer types of the CPU that only hold bytes; any other one changes their layout.
pub(crate) fn is_repacked(buffer: &str) -> bool {
    let is_cpus = buffer == "AMX" || buffer.starts_with("CPU_");
    is_cpus && !["CPU_Mapped", "CPU_HBM"].contains(&buffer) && !buffer.ends_with("_Host")
}
