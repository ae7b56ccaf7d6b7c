//! What a verification found, and when that is right.

use super::VerifiedLevel;
use crate::{bench::Order, record::Rewind, units::Share};

/// What was found at one depth.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct VerifiedDepth {
    /// Tokens in the context.
    pub n_depth: u32,
    /// How the context was brought back to it.
    pub rewind: Rewind,
    /// How often it was brought back, each time after decoding something else.
    pub n_rewinds: u32,
    /// Largest difference of a logit from that of the freshly filled context, as a part of the distance between the
    /// smallest and the largest logit there; 0 if all are equal to the bit.
    pub difference: Share,
    /// The same for a generation straight after the live fill, before any rewind.
    pub live_difference: Share,
    /// The same between any rewind and the first one: 0 if all repetitions start from one state.
    pub repetition_difference: Share,
    /// The same between the freshly filled context and one whose whole state was saved and restored at every depth, as in
    /// llama-bench: the effect of rounding alone when cells are in another order. It can be large if a router chooses
    /// experts.
    pub noise: Share,
    /// Last position after each rewind; `None` if they differ or the context is empty.
    pub last_position: Option<u32>,
    /// Whether every rewind left exactly the tokens of the depth.
    pub has_positions: bool,
    /// The same with several sequences, which are copies of the first; one entry for each number of them above 1.
    pub levels: Vec<VerifiedLevel>,
}

/// What was found at every depth.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Verification {
    /// One entry per depth, ascending.
    pub depths: Vec<VerifiedDepth>,
    /// In which order the depths were visited: interleaved or per depth.
    pub order: Order,
    /// Whether the sequences share the tokens of the depth; otherwise each has its own copy of them.
    pub shared_prefix: bool,
}

impl Verification {
    /// Whether every logit after every rewind and every copy was equal to the bit and every position was right.
    pub fn is_exact(&self) -> bool {
        self.is_within(Share::default())
    }

    /// Whether no logit was off by more than this and every position was right. A sliding window whose cells are in another
    /// order is summed in another order and cannot be exact.
    pub fn is_within(&self, tolerance: Share) -> bool {
        self.checks().all(|check| check.has_positions && check.difference <= tolerance)
    }

    /// Whether no logit was off by more than four times the [`noise`](VerifiedDepth::noise), all rewinds of a depth, and
    /// all copies, agree as closely, and every position was right.
    pub fn is_within_noise(&self) -> bool {
        self.checks().all(|check| {
            let within = |found: Share| found.get() <= 4.0 * check.noise.get();
            check.has_positions && within(check.difference) && within(check.repetition_difference)
        })
    }

    /// Whether several sequences were verified.
    pub fn has_levels(&self) -> bool {
        self.depths.iter().any(|depth| !depth.levels.is_empty())
    }

    /// Every depth, alone and with several sequences.
    fn checks(&self) -> impl Iterator<Item = Check> {
        self.depths.iter().flat_map(|depth| {
            let alone = Check {
                has_positions: depth.has_positions,
                difference: depth.difference,
                repetition_difference: depth.repetition_difference,
                noise: depth.noise,
            };
            let levels = depth.levels.iter().map(|level| Check {
                has_positions: level.has_positions,
                difference: level.difference,
                repetition_difference: level.repetition_difference,
                noise: level.noise,
            });
            std::iter::once(alone).chain(levels)
        })
    }
}

/// What decides whether the context was right.
struct Check {
    has_positions: bool,
    difference: Share,
    repetition_difference: Share,
    noise: Share,
}
