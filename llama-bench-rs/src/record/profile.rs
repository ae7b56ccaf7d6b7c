use serde::{Deserialize, Serialize};

use crate::{llama::BlockKind, units::total};

/// Where the time of a repetition goes: measured after the samples and apart from them, with stops in the graphs that are
/// computed. Each stop waits for the device and so costs time of its own; what it costs is calibrated and subtracted.
///
/// Times are in nanoseconds, of all tokens of one repetition together; of several repetitions, the median.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Profile {
    /// Tokens of each sequence in a repetition: those of the test, of a generation at most 8.
    pub n_tokens: u32,
    /// Each repetition without a stop, in the order run.
    pub plain_ns: Vec<u64>,
    /// Each repetition with a stop after each block, in the order run.
    pub traced_ns: Vec<u64>,
    /// Stops of such a repetition.
    pub n_stops: u32,
    /// What a stop costs, from repetitions without, with few and with many stops.
    pub stop_ns: u64,
    /// What tracing adds to a repetition and the cost of its stops does not explain; negative if it adds less.
    pub unexplained_ns: i64,
    /// Time between the graphs and around them: building them, setting inputs, reading results.
    pub outside_ns: u64,
    /// Blocks, those of one kind on one device together, or each layer's own if that was asked for; in the order of the
    /// graph.
    pub blocks: Vec<BlockTime>,
    /// Copies between devices.
    pub copies: Vec<CopyTime>,
    /// Operations, each stopped after by itself; `None` if that was not asked for.
    pub operations: Option<OperationTimes>,
}

/// Time of a block.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct BlockTime {
    /// Which block.
    pub kind: BlockKind,
    /// The device that computed it.
    pub device: String,
    /// Its layer, from 0; `None` if it is in none, or those of all layers are taken together.
    pub layer: Option<u32>,
    /// Stops in it.
    pub n_stops: u32,
    /// What was measured, with the cost of its stops.
    pub traced_ns: u64,
    /// Without that cost. `None` if tracing does not resolve it: it is less than the cost of its stops, or repetitions differ
    /// by more than it: between their first and their last quarter.
    pub elapsed_ns: Option<u64>,
}

/// Time of copies from one device to another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct CopyTime {
    /// The device that they are copied from.
    pub from: String,
    /// The device that they are copied to.
    pub to: String,
    /// How often something was copied.
    pub n: u32,
    /// Bytes that were copied.
    pub bytes: u64,
    /// From the end of what was computed before to the beginning of what reads them: copies and the scheduler's own
    /// time.
    pub elapsed_ns: u64,
}

/// Times of operations, in one repetition.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct OperationTimes {
    /// The whole repetition, with a stop after each operation.
    pub traced_ns: u64,
    /// Stops of it.
    pub n_stops: u32,
    /// What a stop costs in it.
    pub stop_ns: u64,
    /// By block, operation, type and device; the longest first.
    pub operations: Vec<OperationTime>,
}

/// Time of operations that are alike.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct OperationTime {
    /// The block that they belong to.
    pub block: BlockKind,
    /// ggml's name, such as `MUL_MAT`.
    pub op: String,
    /// The type that decides which kernel runs, such as `q4_K`.
    pub data_type: String,
    /// The device that computed them.
    pub device: String,
    /// How many.
    pub n: u32,
    /// What was measured, with the cost of a stop for each.
    pub traced_ns: u64,
    /// Without that cost; `None` if it is less than the cost of its stops.
    pub elapsed_ns: Option<u64>,
}

impl Profile {
    /// A repetition without a stop, in nanoseconds: the median. `None` without any.
    pub fn plain(&self) -> Option<u64> {
        median(&self.plain_ns)
    }

    /// A repetition with its stops, in nanoseconds: the median. `None` without any.
    pub fn traced(&self) -> Option<u64> {
        median(&self.traced_ns)
    }

    /// The time of all blocks of this kind, on all devices and in all layers, in nanoseconds. `None` if there is no such
    /// block, or one of them could not be resolved.
    pub fn of(&self, kind: BlockKind) -> Option<u64> {
        let mut blocks = self.blocks.iter().filter(|block| block.kind == kind).peekable();
        blocks.peek()?;
        blocks.try_fold(0_u64, |sum, block| Some(sum.saturating_add(block.elapsed_ns?)))
    }

    /// The kinds of its blocks, in the order of the graph.
    pub fn kinds(&self) -> Vec<BlockKind> {
        let mut kinds: Vec<BlockKind> = Vec::new();
        for block in &self.blocks {
            if !kinds.contains(&block.kind) {
                kinds.push(block.kind);
            }
        }
        kinds.sort_unstable();
        kinds
    }

    /// The share of a plain repetition that this kind of block takes. `None` as for [`of`](Self::of).
    pub fn share(&self, kind: BlockKind) -> Option<f64> {
        let plain = self.plain().filter(|&plain| plain > 0)?;
        Some(self.of(kind)? as f64 / plain as f64)
    }

    /// What no block accounts for: a plain repetition less all of its blocks and copies, in nanoseconds; negative if they are
    /// longer. Blocks that could not be resolved are in it.
    pub fn rest_ns(&self) -> Option<i64> {
        let blocks = total(self.blocks.iter().filter_map(|block| block.elapsed_ns));
        let copies = total(self.copies.iter().map(|copy| copy.elapsed_ns));
        let signed = |ns: u64| i64::try_from(ns).ok();
        Some(signed(self.plain()?)? - signed(blocks.saturating_add(copies))?)
    }
}

/// The middle value, of an even number the lower of both in the middle; `None` without any.
pub(crate) fn median(values: &[u64]) -> Option<u64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len().saturating_sub(1) / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(kind: BlockKind, elapsed_ns: Option<u64>) -> BlockTime {
        BlockTime { kind, elapsed_ns, ..BlockTime::default() }
    }

    #[test]
    fn a_kind_with_an_unresolved_block_has_no_time() {
        let blocks = vec![
            block(BlockKind::FeedForward, Some(30)),
            block(BlockKind::Attention, Some(20)),
            block(BlockKind::Attention, Some(10)),
            block(BlockKind::Output, None),
        ];
        let profile = Profile { plain_ns: vec![90, 100, 110], blocks, ..Profile::default() };
        assert_eq!(profile.of(BlockKind::Attention), Some(30));
        assert_eq!(profile.share(BlockKind::Attention), Some(0.3));
        assert_eq!((profile.of(BlockKind::Output), profile.of(BlockKind::Mixer)), (None, None));
        assert_eq!(profile.rest_ns(), Some(40));
        assert_eq!(profile.kinds(), [BlockKind::Attention, BlockKind::FeedForward, BlockKind::Output]);
    }

    #[test]
    fn without_a_repetition_nothing_is_known() {
        let profile = Profile { blocks: vec![block(BlockKind::Output, Some(1))], ..Profile::default() };
        assert_eq!(
            (profile.plain(), profile.share(BlockKind::Output), profile.rest_ns()),
            (None, None, None)
        );
    }
}
