//! The context and what it holds.

use std::time::Duration;

use super::Session;
use crate::{
    bench::{
        clock::Clock,
        observe::Event,
        room::n_cells,
        target::{Keep, Target},
    },
    record::{CellWork, Failure, Rewind, Test, TestKind, work::WorkKind},
};

/// The work of a cell, or why it cannot be counted.
pub(in crate::bench::engine) type Counted = Result<CellWork, String>;

impl<T: Target, C: Clock> Session<'_, T, C> {
    /// Opens a context of this size ([`Target::open`]) for tests of these kinds, in place of the one before. Returns the work
    /// of those of `cells` that it has room for.
    pub(in crate::bench::engine) fn open(
        &mut self,
        n_ctx: u32,
        n_seqs: u32,
        kinds: &[TestKind],
        cells: &[(usize, Test)],
    ) -> Result<Vec<(usize, Counted)>, Failure> {
        self.go_on()?;
        let start = self.clock.now();
        // The old one goes first: both might not fit.
        self.target.close();
        if let Some(estimate) = self.target.memory_estimate(n_ctx, n_seqs) {
            self.tell(&Event::MemoryEstimate(&estimate));
            estimate.check()?;
        }
        let n_owners = if self.shares_prefix { 1 } else { n_seqs };
        self.tell(&Event::Opening { n_ctx: n_ctx.saturating_mul(n_owners) });
        let resolved = self.target.open(n_ctx, n_seqs);
        *self.header.timing.open.get_or_insert_default() += self.clock.now() - start;
        self.header.resolved = resolved?;
        let has_room = |test: &Test| {
            let n_owners = if self.shares_prefix { test.n_parallel } else { 1 };
            n_seqs >= test.n_parallel && n_cells(test, n_owners) <= n_ctx
        };
        let cells: Vec<_> = cells.iter().filter(|(_, test)| has_room(test)).copied().collect();
        let mut works = Vec::new();
        if let Some(why) = &self.no_work {
            works = cells.into_iter().map(|(cell, _)| (cell, Err(why.clone()))).collect();
        } else if self.looks_at_work {
            match self.count_work(&cells).and_then(|works| self.look_at_work(kinds).map(|()| works)) {
                Ok(counted) => works = counted,
                Err(failure) => {
                    // A run without its work is better than none.
                    self.tell(&Event::WorkUnknown(&failure));
                    self.no_work = Some(failure.message);
                    return self.open(n_ctx, n_seqs, kinds, &cells);
                }
            }
        }
        self.n_longest_decode = 0;
        if std::mem::take(&mut self.looks_at_energy) {
            // Once per run: the model is loaded, the context made, and nothing computed yet.
            self.header.metering = self.target.metering();
        }
        Ok(works)
    }

    /// Counts the work of these cells, prompts last. If that fails, the context cannot be used, and the failure says why.
    fn count_work(&mut self, cells: &[(usize, Test)]) -> Result<Vec<(usize, Counted)>, Failure> {
        let (prompts, others): (Vec<_>, Vec<_>) =
            cells.iter().copied().partition(|(_, test)| test.kind.is_prompt());
        let in_order = others.into_iter().chain(prompts);
        in_order.map(|(cell, test)| Ok((cell, self.target.cell_work(&test)?))).collect()
    }

    /// Reads the graphs of these kinds of test, unless they are known. If that fails, the context cannot be used, and the
    /// failure says why.
    fn look_at_work(&mut self, kinds: &[TestKind]) -> Result<(), Failure> {
        // Prompts last, which is also the last graph that llama.cpp builds when it makes a context.
        for kind in [WorkKind::Embedding, WorkKind::Generation, WorkKind::Prompt] {
            let of_kind = kinds.iter().filter(|test| WorkKind::from(**test) == kind);
            let longest = of_kind.map(|test| test.n_tokens()).max();
            let is_known = self.header.work.iter().any(|work| work.kind == kind);
            let Some(n_tokens) = longest.filter(|_| !is_known) else { continue };
            let work = self.target.work(kind, n_tokens.min(self.limits.n_batch))?;
            self.header.merge_work(work.as_slice());
        }
        Ok(())
    }

    pub(in crate::bench::engine) fn close(&mut self) {
        self.target.close();
    }

    pub(in crate::bench::engine) fn clear(&mut self) {
        self.target.clear();
    }

    /// Comes back to the empty context.
    pub(in crate::bench::engine) fn rewind_to_start(&mut self) {
        self.rewinding(T::clear);
    }

    /// Returns to the state held as `slot`.
    pub(in crate::bench::engine) fn rewind(&mut self, slot: usize) -> Result<(), Failure> {
        self.rewinding(|target| target.rewind(slot))
    }

    /// Makes the first `n_seqs` sequences copies of sequence 0.
    pub(in crate::bench::engine) fn spread(&mut self, n_seqs: u32) -> Result<(), Failure> {
        let start = self.clock.now();
        let spread = self.rewinding(|target| target.spread(n_seqs));
        self.copied += self.clock.now() - start;
        spread
    }

    /// What coming back to depths has taken so far.
    pub(in crate::bench::engine) fn returned(&self) -> Duration {
        self.header.timing.rewind.unwrap_or_default()
    }

    /// What timed work has taken so far.
    pub(in crate::bench::engine) fn timed(&self) -> Duration {
        self.header.timing.timed.unwrap_or_default()
    }

    /// What copies of sequences have taken so far.
    pub(in crate::bench::engine) fn copied(&self) -> Duration {
        self.copied
    }

    /// Holds the present state as `slot`.
    pub(in crate::bench::engine) fn hold(&mut self, slot: usize, keep: Keep) -> Result<Rewind, Failure> {
        self.rewinding(|target| target.hold(slot, keep))
    }

    pub(in crate::bench::engine) fn can_hold_whole(&self) -> bool {
        self.target.can_hold_whole()
    }

    pub(in crate::bench::engine) fn hold_whole(&mut self) -> Result<(), Failure> {
        self.rewinding(T::hold_whole)
    }

    pub(in crate::bench::engine) fn restore_whole(&mut self) -> Result<(), Failure> {
        self.rewinding(T::restore_whole)
    }

    pub(in crate::bench::engine) fn drop_whole(&mut self) {
        self.rewinding(T::drop_whole);
    }

    pub(in crate::bench::engine) fn save(&mut self) -> Result<Vec<u8>, Failure> {
        self.target.save()
    }

    pub(in crate::bench::engine) fn load(&mut self, state: &[u8]) -> Result<(), Failure> {
        self.target.load(state)
    }

    /// Does it and counts the time as spent on the way back.
    fn rewinding<R>(&mut self, step: impl FnOnce(&mut T) -> R) -> R {
        let start = self.clock.now();
        let result = step(self.target);
        *self.header.timing.rewind.get_or_insert_default() += self.clock.now() - start;
        result
    }
}
