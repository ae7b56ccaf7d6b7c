//! How large the contexts of a plan are.

use super::plan::{Depth, N_CTX_PAD, Plan, Unit, start};
use crate::record::Test;

impl Plan {
    /// Tokens that each sequence must have room for in this unit, before padding; that all of them must have room for
    /// together, if they share the tokens of the depth.
    pub fn n_needed(&self, unit: Unit) -> u32 {
        let n_owners = if self.request.shared_prefix { self.n_seqs_of(unit) } else { 1 };
        unit.cells().map(|cell| n_cells(&self.cells[cell], n_owners)).max().unwrap_or(0)
    }

    /// Sequences that this unit processes together.
    pub fn n_seqs_of(&self, unit: Unit) -> u32 {
        unit.cells().map(|cell| self.cells[cell].n_parallel).max().unwrap_or(1)
    }

    /// Sequences that a context needs for everything at these depths.
    pub fn n_seqs(&self, depths: &[Depth]) -> u32 {
        depths.iter().flat_map(|d| &d.units).map(|&unit| self.n_seqs_of(unit)).max().unwrap_or(1)
    }

    /// Tokens that each sequence must have room for at these depths, padded; that all of them must have room for together,
    /// if they share the tokens of the depth.
    pub fn n_ctx(&self, depths: &[Depth]) -> u32 {
        let needed = depths.iter().flat_map(|d| &d.units).map(|&unit| self.n_needed(unit)).max().unwrap_or(0);
        needed.next_multiple_of(N_CTX_PAD)
    }

    /// The same for one unit alone, as llama-bench sizes the context of a test.
    pub fn n_ctx_of(&self, unit: Unit) -> u32 {
        self.n_needed(unit).next_multiple_of(N_CTX_PAD)
    }
}

/// Tokens that a context must have room for to run a test with this many sequences beside each other that share what is
/// before its unit; of one sequence with 1.
pub(super) fn n_cells(test: &Test, n_owners: u32) -> u32 {
    let n_own = (test.n_depth - start(test)).saturating_add(test.kind.n_tokens());
    start(test).saturating_add(n_own.saturating_mul(n_owners))
}

#[cfg(test)]
mod tests {
    use crate::{
        bench::{Request, plan::tests::request},
        record::Group,
    };

    #[test]
    fn sequences_have_room_of_their_own_or_share_the_prefix() {
        let pairs = vec![Group { n_prompt: 300, n_gen: 5 }];
        let asked = Request { pairs, parallel: vec![1, 4], depths: vec![0, 1000], ..request() };
        let own = asked.clone().plan().unwrap();
        // The longest is the pair, for each sequence.
        assert_eq!((own.n_ctx(&own.depths), own.n_seqs(&own.depths)), (1536, 4));
        let shared = Request { shared_prefix: true, ..asked }.plan().unwrap();
        assert_eq!(shared.n_ctx(&shared.depths), (1000 + 4 * 305_u32).next_multiple_of(256));
        let units = &shared.depths[1].units;
        let needed: Vec<_> =
            units.iter().map(|&unit| (shared.n_seqs_of(unit), shared.n_needed(unit))).collect();
        let expected = [(1, 1008), (4, 1032), (1, 1004), (4, 1016), (1, 1305), (4, 2220)];
        assert_eq!(needed, expected);
        assert_eq!(own.n_fill_tokens(), 1000);
    }
}
