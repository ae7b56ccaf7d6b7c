//! The work of a run: the graphs that llama.cpp computes, counted. Equal runs on one machine have equal work, and
//! [`WorkChange`] says how two runs differ.
//!
//! ```
//! use llama_bench_rs::record::{Report, work::changes};
//!
//! # fn demo(before: &Report, after: &Report) {
//! for change in changes(&before.runs[0].header, &after.runs[0].header) {
//!     println!("{change}"); // 24 MUL_MAT moved from CUDA0 to the CPU (prompt)
//! }
//! # }
//! ```

mod changes;
#[cfg(test)]
mod tests;
mod text;

use super::{Header, TestKind};
use crate::llama::{FLASH_ATTENTION, is_repacked};

pub use crate::llama::{Copies, Nodes, Stray, Work, WorkKind};
pub use changes::changes;

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
    /// Attention is computed by one node instead of several, or the other way round.
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
    /// The operation in ggml's words, with its type if that matters.
    pub name: String,
    /// How many there are.
    pub n: u64,
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
