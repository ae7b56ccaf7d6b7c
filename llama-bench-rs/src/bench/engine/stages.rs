//! Which tests share a context, found by making it: [`Sharing`] has the rule.

use super::Engine;
use crate::{
    bench::{
        clock::Clock,
        plan::{Depth, Unit},
        sharing::{Misfit, Sharing},
        target::Target,
    },
    record::{Failure, FailureKind},
};

/// Numbers of sequences that no context was made for yet.
#[derive(Debug, Default)]
pub(super) struct Stages {
    left: Sharing,
}

impl Stages {
    /// Of everything that is to be measured.
    pub(super) fn of<T: Target, C: Clock>(engine: &Engine<'_, T, C>) -> Self {
        let open = engine.plan.depths.iter().flat_map(|depth| engine.cells.open_units(depth));
        Self { left: Sharing::of(open.map(|unit| engine.plan.n_seqs_of(unit))) }
    }

    /// Whether there is more to measure.
    pub(super) fn are_left(&self) -> bool {
        self.left.are_left()
    }

    /// Opens the next context. Returns the depths that are measured in it, each with what is open there, ascending; none if
    /// nothing is left.
    pub(super) fn open_next<T: Target, C: Clock>(&mut self, engine: &mut Engine<'_, T, C>) -> Vec<Depth> {
        while self.left.are_left() {
            let depths = engine.open_depths(self.left.together());
            let Some(deepest) = depths.last() else {
                self.left.served();
                continue;
            };
            match engine.open(engine.plan.n_ctx(&depths), engine.plan.n_seqs(&depths)) {
                Ok(()) => {
                    self.left.served();
                    return depths;
                }
                Err(failure) if failure.kind == FailureKind::Cancelled => engine.cells.fail_open(&failure),
                Err(failure) => {
                    if self.left.does_not_fit(true) == Misfit::GiveUpDeepest {
                        engine.cells.fail_depths(std::slice::from_ref(deepest), &failure);
                    }
                }
            }
        }
        Vec::new()
    }
}

impl<T: Target, C: Clock> Engine<'_, T, C> {
    /// Depths at which something is open with one of these numbers of sequences, and that alone.
    fn open_depths(&self, levels: &[u32]) -> Vec<Depth> {
        let is_taken = |unit: &Unit| levels.contains(&self.plan.n_seqs_of(*unit));
        let depth = |depth: &Depth| {
            let units: Vec<Unit> = self.cells.open_units(depth).into_iter().filter(is_taken).collect();
            (!units.is_empty()).then_some(Depth { n_depth: depth.n_depth, units })
        };
        self.plan.depths.iter().filter_map(depth).collect()
    }

    /// Cells of which a single step does not fit into a batch fail before anything is run for them.
    pub(super) fn refuse_more_sequences_than_batch(&mut self) {
        let (plan, n_batch) = (self.plan, self.session.limits().n_batch);
        for &unit in plan.depths.iter().flat_map(|depth| &depth.units) {
            let n = plan.n_seqs_of(unit);
            if n > n_batch {
                let message = crate::bench::BenchError::MoreSequencesThanBatch { n, n_batch }.to_string();
                self.cells.fail(unit, &Failure { kind: FailureKind::InvalidParameter, message });
            }
        }
    }
}
