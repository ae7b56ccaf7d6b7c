//! The work of a run: the graphs that llama.cpp computes, counted. Equal runs on one machine have equal work, and
//! [`WorkChange`] says how it differs; `llama-bench-rs/tests/work.rs` is an example.

mod changes;
#[cfg(test)]
mod tests;
mod text;

use serde::{Deserialize, Serialize};

use super::{Header, TestKind};

pub use changes::changes;

/// The graph that llama.cpp computes for one kind of test, counted, without times.
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
}

/// A difference between the work of two runs. Displayed as a sentence without its full stop.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkChange {
    /// The graphs that it is in; empty if it is in all of them, or is of the run as a whole.
    pub kinds: Vec<WorkKind>,
    /// What changed.
    pub what: Changed,
}

/// What changed between the work of two runs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Changed {
    /// Attention is computed by one node where it was by several, or the other way round.
    FlashAttention {
        /// `FLASH_ATTN_EXT` nodes before.
        before: u64,
        /// `FLASH_ATTN_EXT` nodes now.
        after: u64,
        /// The nodes in their place: those of the run that has fewer of them.
        others: Vec<Counted>,
    },
    /// Nodes are computed by another device.
    Moved {
        /// The device before.
        from: String,
        /// The device now.
        to: String,
        /// Which nodes, those that read weights first.
        nodes: Vec<Counted>,
    },
    /// Nodes read their weights from another type of buffer.
    Weights {
        /// The buffer type before.
        from: String,
        /// The buffer type now.
        to: String,
        /// Which nodes.
        nodes: Vec<Counted>,
    },
    /// Nodes compute with another type.
    Retyped {
        /// The type before.
        from: String,
        /// The type now.
        to: String,
        /// Which nodes.
        nodes: Vec<Counted>,
    },
    /// There are more or fewer nodes of a kind, for no reason that is named otherwise.
    Count {
        /// The nodes as they were; `n` is 0 for new ones.
        before: Nodes,
        /// How many there are now.
        after: u64,
    },
    /// Other numbers of tokens are computed at once.
    Piece {
        /// Tokens before.
        before: u32,
        /// Tokens now.
        after: u32,
    },
    /// The graph is split into more or fewer parts.
    Splits {
        /// Parts before.
        before: u32,
        /// Parts now.
        after: u32,
    },
    /// More or fewer tensors are copied between two devices.
    Copies {
        /// The copies as they were; `n` is 0 if there were none.
        before: Copies,
        /// How many there are now.
        after: u32,
    },
    /// A buffer has another size.
    Bytes {
        /// Which buffer.
        buffer: Buffer,
        /// The device that it is on, or its buffer type if that belongs to no device.
        device: String,
        /// Bytes before.
        before: u64,
        /// Bytes now.
        after: u64,
    },
}

/// What a buffer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Buffer {
    /// Weights.
    Weights,
    /// KV cache and recurrent state.
    Kv,
    /// Intermediate results.
    Compute,
}

/// A number of nodes under one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The operation in ggml's words, with its type where that matters.
    pub name: String,
    /// How many there are.
    pub n: u64,
}

/// The operation that computes attention as a whole.
const FLASH_ATTENTION: &str = "FLASH_ATTN_EXT";

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

impl From<TestKind> for WorkKind {
    fn from(kind: TestKind) -> Self {
        match kind {
            TestKind::Pp(_) => WorkKind::Prompt,
            TestKind::Tg(_) => WorkKind::Generation,
            TestKind::Embd(_) => WorkKind::Embedding,
        }
    }
}

impl Nodes {
    /// Whether the weights lie in a layout made for the CPU's own kernels.
    pub fn is_repacked(&self) -> bool {
        self.weights.as_deref().is_some_and(is_repacked)
    }
}

/// Buffer types of the CPU that only hold bytes; any other one changes their layout.
fn is_repacked(buffer: &str) -> bool {
    let is_cpus = buffer == "AMX" || buffer.starts_with("CPU_");
    is_cpus && !["CPU_Mapped", "CPU_HBM"].contains(&buffer) && !buffer.ends_with("_Host")
}

/// Whether a device is the CPU itself.
fn is_cpu(device: &str) -> bool {
    device == "CPU"
}

impl WorkChange {
    /// Whether it is one that costs speed: an operation that left a device for the CPU, flash attention or repacked
    /// weights that are gone.
    pub fn is_loss(&self) -> bool {
        match &self.what {
            Changed::FlashAttention { before, after, .. } => after < before,
            Changed::Moved { from, to, .. } => is_cpu(to) && !is_cpu(from),
            Changed::Weights { from, to, .. } => is_repacked(from) && !is_repacked(to),
            _ => false,
        }
    }
}

impl Header {
    /// The work of this kind of test; `None` if it is not known.
    pub fn work_of(&self, kind: TestKind) -> Option<&Work> {
        self.work.iter().find(|work| work.kind == WorkKind::from(kind))
    }

    /// Takes work over from another header of the same run, kind by kind.
    pub(crate) fn merge_work(&mut self, other: &[Work]) {
        let is_new = |work: &&Work| self.work.iter().all(|known| known.kind != work.kind);
        let new: Vec<Work> = other.iter().filter(is_new).cloned().collect();
        self.work.extend(new);
        self.work.sort_by_key(|work| work.kind);
    }
}
