//! In which order the depths of a context have their repetitions, and what decides it.
//!
//! Interleaving over depths ([`Order::Rounds`]) writes over what deeper depths hold, so each pass brings a whole snapshot
//! back. What that costs is not known beforehand: a copy within a device takes a millisecond, the same through the host in
//! single rows takes seconds. Small snapshots are tried while the context warms up and is filled, and the choice is made
//! when all depths are filled. It is looked at again after each pass. Going from the deepest depth to the shallowest needs
//! no snapshot, so nothing is lost if the answer is no.

use std::time::Duration;

use super::{
    rewinding::Rewinding,
    whole::{WholeCost, allowed},
};
use crate::{
    bench::{clock::Clock, plan::Unit, target::Target},
    record::{Failure, Order, OrderChoice, OrderReason, Rewind},
};

/// Where the context still holds the fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Intact {
    /// Up to the depth of this slot.
    Slot(usize),
    /// Nowhere that counts: it was filled again to a shallower depth.
    Nothing,
}

impl Intact {
    fn reaches(self, slot: usize) -> bool {
        matches!(self, Self::Slot(intact) if slot <= intact)
    }
}

/// What is left to run, in passes over the depths.
#[derive(Clone, Copy, Debug)]
struct Rest {
    /// Whole snapshots to restore.
    n_restores: u32,
    /// Repetitions.
    timed: Duration,
    /// Passes.
    n_passes: u32,
}

impl<T: Target, C: Clock> Rewinding<'_, T, C> {
    /// Decides what can be decided before anything is run in the open context: `Rounds` may become `Blocks` later.
    pub(super) fn choose_order(&mut self) -> Order {
        let session = &self.engine.session;
        let reason = |reason| OrderChoice { reason, ..OrderChoice::default() };
        let (order, choice) = match self.engine.plan.request.order {
            asked @ (Order::Rounds | Order::Blocks) => (asked, reason(OrderReason::Asked)),
            Order::Interleaved => (Order::Blocks, reason(OrderReason::Asked)),
            Order::Auto if !session.can_hold_whole() => (Order::Blocks, reason(OrderReason::NoSnapshot)),
            Order::Auto if self.depths.len() < 2 => (Order::Rounds, reason(OrderReason::OneDepth)),
            Order::Auto => (Order::Rounds, reason(OrderReason::Cheap)),
        };
        self.engine.session.set_order(order, Some(choice));
        order
    }

    /// Begins to keep account of what whole snapshots cost, if the order is open and that decides it.
    pub(super) fn watch_whole(&mut self) {
        let deepest = self.depths.last().map_or(0, |depth| depth.n_depth);
        let is_open = self.repeats_at_once
            && self.engine.plan.request.order == Order::Auto
            && self.depths.len() > 1
            && self.engine.session.can_hold_whole();
        self.engine.whole = is_open.then(|| WholeCost::new(deepest));
    }

    /// The repetitions that are lacking at the first `n_depths` depths, interleaved over them as long as that is cheap; the
    /// context stands at the deepest.
    pub(super) fn run_rounds(&mut self, n_depths: usize) {
        self.depths.truncate(n_depths);
        let deepest = n_depths - 1;
        self.intact = Intact::Slot(deepest);
        if let Err(failure) = self.warm_up_prompts(deepest) {
            return self.fail_from(0, &failure);
        }
        if n_depths > 1 && self.is_costly(0, true) {
            return self.run_blocks();
        }
        // Of one depth nothing is overwritten.
        if n_depths > 1 && self.hold_whole().is_err() {
            self.set_choice(Order::Blocks, OrderReason::NoSnapshot, None);
            return self.run_blocks();
        }
        for rep in 0..self.engine.plan.request.n_visits_max() {
            if (0..n_depths).all(|slot| self.is_done(slot)) {
                break;
            }
            if n_depths > 1 && self.is_costly(rep, false) {
                return self.run_blocks();
            }
            let copied = self.engine.session.copied();
            for slot in self.engine.plan.round(n_depths, rep) {
                if !self.engine.cells.lacking(&self.depths[slot], rep).is_empty() {
                    self.visit(slot, rep);
                    self.report_so_far(slot);
                }
            }
            self.copies = self.engine.session.copied() - copied;
        }
        // From deep to shallow: what is overwritten is no longer needed.
        for slot in (0..n_depths).rev() {
            self.profile(slot);
        }
    }

    /// All repetitions that are lacking, per depth, from deep to shallow: what a test overwrites is not needed any more. If
    /// some passes were made before, depths deeper than what is intact come last, after one whole restore.
    fn run_blocks(&mut self) {
        let n_depths = self.depths.len();
        let (intact, lost): (Vec<usize>, Vec<usize>) =
            (0..n_depths).rev().partition(|&slot| self.intact.reaches(slot));
        if lost.is_empty() {
            self.engine.session.drop_whole();
        }
        for slot in intact.into_iter().chain(lost) {
            for rep in 0..self.engine.plan.request.n_visits_max() {
                if self.is_done(slot) {
                    break;
                }
                self.visit(slot, rep);
            }
            self.profile(slot);
            self.report(slot);
        }
    }

    /// One repetition of what lacks it at a depth, after the whole snapshot if the depth was overwritten.
    fn visit(&mut self, slot: usize, rep: u32) {
        let n_depth = self.depths[slot].n_depth;
        if n_depth > 0 && !self.engine.is_refilled(slot) && !self.intact.reaches(slot) {
            let start = self.engine.session.now();
            // If it fails, the way back to the depth fails too, and the context is filled again.
            if self.engine.session.restore_whole().is_ok() {
                let deepest = self.depths.len() - 1;
                self.intact = Intact::Slot(deepest);
                let elapsed = self.engine.session.now() - start;
                if let Some(whole) = &mut self.engine.whole {
                    whole.restored(self.depths[deepest].n_depth, elapsed);
                }
                self.share(elapsed);
            }
        }
        self.run_round(slot, rep, None);
        self.intact =
            if n_depth > 0 && self.engine.is_refilled(slot) { Intact::Nothing } else { Intact::Slot(slot) };
    }

    /// Profiles what was measured at a depth, if that is asked for; whether something was run for it.
    pub(super) fn profile(&mut self, slot: usize) -> bool {
        let units = self.depths[slot].units.clone();
        let mut is_run = false;
        for unit in units {
            let depth = &self.depths[slot];
            is_run |= self.engine.profile(unit, |engine| engine.stand_at(slot, depth, unit));
        }
        if is_run {
            self.intact = Intact::Slot(slot);
        }
        is_run
    }

    fn hold_whole(&mut self) -> Result<(), Failure> {
        let start = self.engine.session.now();
        self.engine.session.hold_whole()?;
        let elapsed = self.engine.session.now() - start;
        if let (Some(whole), Some(deepest)) = (&mut self.engine.whole, self.depths.last()) {
            whole.saved(deepest.n_depth, elapsed);
        }
        self.share(elapsed);
        Ok(())
    }

    /// What serves all depths counts against the budgets of all of them alike.
    fn share(&mut self, elapsed: Duration) {
        let units: Vec<Unit> =
            self.depths.iter().flat_map(|depth| self.engine.cells.open_units(depth)).collect();
        let share = elapsed / (units.len() as u32).max(1);
        units.into_iter().for_each(|unit| self.engine.cells.add_spent(unit, share));
    }

    /// Whether what is left would take too much time in rounds, from this pass on: snapshots, and copies of sequences that
    /// blocks make once. Then the order is per depth from here on.
    fn is_costly(&mut self, rep: u32, is_to_be_saved: bool) -> bool {
        let Some(whole) = &self.engine.whole else { return false };
        if !whole.can_be_had() {
            self.set_choice(Order::Blocks, OrderReason::NoSnapshot, None);
            return true;
        }
        let rest = self.rest(rep);
        let (Some(save), Some(restore)) = (whole.save(), whole.restore()) else { return false };
        let save = if is_to_be_saved { save } else { Duration::ZERO };
        let copies = if self.keeps_copies() { self.copies * rest.n_passes } else { Duration::ZERO };
        let returns = save + restore * rest.n_restores + copies;
        let is_costly = returns > allowed(rest.timed);
        if is_costly {
            self.set_choice(Order::Blocks, OrderReason::Costly, Some((returns, rest.timed)));
        } else if is_to_be_saved {
            self.set_choice(Order::Rounds, OrderReason::Cheap, Some((returns, rest.timed)));
        }
        is_costly
    }

    /// Whether copies of a sequence last from one repetition at a depth to the next, if no other depth comes between.
    fn keeps_copies(&self) -> bool {
        let units = self.depths.iter().filter(|depth| depth.n_depth > 0).flat_map(|depth| &depth.units);
        units.flat_map(|unit| unit.cells()).all(|cell| self.engine.cells.rewind(cell) == Some(Rewind::Remove))
    }

    fn set_choice(&mut self, order: Order, reason: OrderReason, times: Option<(Duration, Duration)>) {
        let (returns, timed) = times.unzip();
        self.engine.session.set_order(order, Some(OrderChoice { reason, returns, timed }));
    }

    /// What rounds would still do from this pass on; under a stopping rule, up to its fewest repetitions.
    fn rest(&self, rep: u32) -> Rest {
        let n_reps = self.engine.n_reps_expected().max(rep + 1);
        let (mut n_restores, mut intact) = (0, self.intact);
        for rep in rep..n_reps {
            for slot in self.engine.plan.round(self.depths.len(), rep) {
                let depth = &self.depths[slot];
                if self.engine.cells.lacking(depth, rep).is_empty() {
                    continue;
                }
                if depth.n_depth > 0 && !intact.reaches(slot) {
                    n_restores += 1;
                }
                intact = Intact::Slot(slot);
            }
        }
        Rest { n_restores, timed: self.engine.timed_rest(&self.depths).0, n_passes: n_reps - rep }
    }
}
