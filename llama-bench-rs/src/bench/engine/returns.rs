//! Ways back to a held depth.

use std::time::Duration;

use super::{
    Engine,
    whole::{Budget, allowed},
};
use crate::{
    bench::{
        clock::Clock,
        plan::{Depth, Unit},
        target::{Keep, Target},
    },
    record::{Failure, Rewind, TestKind},
};

/// A restore that takes more than this many times as long as filling the context again is not used. One that takes only a
/// little longer is: a context that was just filled generates a little slower than a restored one.
const TIMES: u32 = 2;

/// Tokens of the second snapshot that is tried.
const N_TRIED: u32 = 128;

/// How the context returns to a held depth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Return {
    /// By a snapshot that has not been restored yet.
    Untried,
    /// By what is held.
    Restore,
    /// By filling the context again: restoring takes longer.
    Refill,
}

impl<T: Target, C: Clock> Engine<'_, T, C> {
    /// Returns to a held depth; if the state cannot be restored, or filling again is faster, the context is filled again.
    pub(super) fn go_to(&mut self, slot: usize, depth: &Depth) -> Result<(), Failure> {
        self.session.go_on()?;
        if depth.n_depth == 0 {
            self.session.rewind_to_start();
            return Ok(());
        }
        if !self.is_refilled(slot) && self.restore(slot, depth) {
            return Ok(());
        }
        self.session.clear();
        self.fill(0, depth.n_depth)?;
        if !self.is_refilled(slot) {
            self.session.hold(slot, Keep::All)?;
        }
        self.cells.set_rewind(depth, Rewind::Refill);
        Ok(())
    }

    /// Returns to a held depth with as many sequences as the unit processes.
    pub(super) fn stand_at(&mut self, slot: usize, depth: &Depth, unit: Unit) -> Result<(), Failure> {
        self.go_to(slot, depth)?;
        self.session.spread(self.plan.n_seqs_of(unit))
    }

    /// Whether the context is filled again rather than restored at this slot.
    pub(super) fn is_refilled(&self, slot: usize) -> bool {
        self.returns.get(&slot) == Some(&Return::Refill)
    }

    /// Restores what is held; whether the context stands at the depth now. The first restore of a snapshot is timed, and
    /// once more if it took long, as a first time may. If it is slow, the depth is filled again from now on: decided before
    /// the first repetition, since all of a cell must start from the same kind of state.
    fn restore(&mut self, slot: usize, depth: &Depth) -> bool {
        let start = self.session.now();
        if self.session.rewind(slot).is_err() {
            return false;
        }
        if self.returns.get(&slot) != Some(&Return::Untried) {
            return true;
        }
        let most = self.fill.time_to(depth.n_depth).map(|filling| filling.saturating_mul(TIMES));
        let is_slow = |elapsed| most.is_some_and(|most| elapsed > most);
        let once_done = self.session.now();
        let is_refilled = is_slow(once_done - start)
            && (self.session.rewind(slot).is_err() || is_slow(self.session.now() - once_done));
        self.returns.insert(slot, if is_refilled { Return::Refill } else { Return::Restore });
        !is_refilled
    }

    /// Continues the fill, and on the way tries what a whole snapshot costs, if that is still open.
    pub(super) fn fill_trying_whole(&mut self, from: u32, to: u32, depths: &[Depth]) -> Result<(), Failure> {
        let first = from.saturating_add(self.plan.n_chunk(from, self.session.limits().n_batch));
        if self.whole.is_none() || first >= to {
            return self.fill(from, to);
        }
        self.fill(from, first)?;
        if self.try_whole(first, depths) {
            return self.fill(first, to);
        }
        self.session.clear();
        self.fill(0, to)
    }

    /// Whether it is worth trying a whole snapshot of so many tokens.
    fn wants_whole(&self, n_tokens: u32, depths: &[Depth]) -> bool {
        let (timed, is_known) = self.timed_rest(depths);
        let budget = Budget { least: allowed(timed), is_known };
        let n_restores = self.n_reps_expected();
        self.whole.as_ref().is_some_and(|whole| whole.wants(n_tokens, n_restores, budget))
    }

    /// Saves and restores the `n_tokens` that the context holds, to know what a whole snapshot costs, if that is worth it.
    /// Whether the context still holds them.
    pub(super) fn try_whole(&mut self, n_tokens: u32, depths: &[Depth]) -> bool {
        if !self.wants_whole(n_tokens, depths) {
            return true;
        }
        let most = allowed(self.timed_rest(depths).0);
        let Some(whole) = &mut self.whole else { return true };
        let start = self.session.now();
        if self.session.hold_whole().is_err() {
            whole.cannot_be_had();
            return true;
        }
        let saved = self.session.now();
        whole.saved(n_tokens, saved - start);
        // If saving alone costs too much, the rest is not tried.
        let mut is_there = true;
        if saved - start <= most {
            // As the real one: into a context that holds something else.
            self.session.clear();
            let cleared = self.session.now();
            is_there = self.session.restore_whole().is_ok();
            if is_there {
                whole.restored(n_tokens, self.session.now() - cleared);
            } else {
                whole.cannot_be_had();
            }
        }
        self.session.drop_whole();
        is_there
    }

    /// The same with some more tokens than the `n_held` that the context holds, if that is worth decoding them: fewer than the
    /// first chunk of the fill has, since a slow snapshot of that many takes half a second.
    pub(super) fn try_larger_whole(&mut self, n_held: u32, depths: &[Depth]) -> Result<(), Failure> {
        let n_more = N_TRIED.saturating_sub(n_held).min(self.session.limits().n_batch);
        if n_more == 0 || !self.wants_whole(n_held + n_more, depths) {
            return Ok(());
        }
        self.warm_up_run(TestKind::Pp(n_more), 1)?;
        self.try_whole(n_held + n_more, depths);
        Ok(())
    }

    /// Repetitions that each cell will have; under a stopping rule the fewest.
    pub(super) fn n_reps_expected(&self) -> u32 {
        let request = &self.plan.request;
        request.stopping.map_or(request.n_reps, |rule| rule.min as u32).min(request.n_reps_max())
    }

    /// What the repetitions that are lacking at these depths are expected to take, nothing for those of which nothing is
    /// known, and whether something is known of each.
    pub(super) fn timed_rest(&self, depths: &[Depth]) -> (Duration, bool) {
        let n_reps = self.n_reps_expected();
        let units = depths.iter().flat_map(|depth| self.cells.open_units(depth));
        let cells = units.flat_map(|unit| self.cells.possible(unit));
        let mut is_known = true;
        let mut rest = |cell: usize| {
            let (mean, n_lacking) = self.cells.rest(cell, n_reps);
            let each = mean.or_else(|| self.session.expected(&self.plan.cells[cell]));
            is_known &= each.is_some();
            each.unwrap_or_default() * n_lacking
        };
        (cells.map(&mut rest).sum(), is_known)
    }
}
