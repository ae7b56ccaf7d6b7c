//! Several sweeps at once, repetition by repetition in turn: drift of the machine affects all alike.

use std::{collections::BTreeSet, ops::Range, time::Duration};

use super::{Engine, guard, rewinding::Rewinding, whole::allowed};
use crate::{
    bench::{
        clock::Clock,
        plan::Unit,
        target::{Keep, Target},
        turns::turns,
    },
    record::{Failure, Order, OrderChoice, OrderReason, Run, Test},
};

/// Up to this many sweeps repeat a disturbed repetition together; of more, only those that were disturbed. The more sweeps
/// there are, the more rounds have a disturbed repetition.
const N_TOGETHER: usize = 2;

/// A sweep among others: how it goes over its depths, and how deep it is.
struct Lane<'a, T, C> {
    rewinding: Rewinding<'a, T, C>,
    n_now: u32,
    /// It could not reach a depth: that one and all deeper ones are given up.
    stuck: bool,
    /// What was measured in this round.
    latest: Vec<Unit>,
    /// What the latest turn took to return before its first repetition, and how long one repetition is.
    turn: (Duration, Duration),
}

impl<'a, T, C> AsMut<Engine<'a, T, C>> for Lane<'a, T, C> {
    fn as_mut(&mut self) -> &mut Engine<'a, T, C> {
        self.rewinding.as_mut()
    }
}

/// Runs all of them, each in its own context, depth by depth. At each depth the sweeps take turns by repetition, in an order
/// that changes every time. A sweep whose context does not fit beside the others runs alone after them.
pub(in crate::bench) fn run<T: Target, C: Clock>(engines: Vec<Engine<'_, T, C>>) -> Vec<Run> {
    let is_beside_others = engines.len() > 1;
    let mut runs: Vec<Option<Run>> = engines.iter().map(|_| None).collect();
    let (mut lanes, mut places) = (Vec::new(), Vec::new());
    let mut crowded_out = Vec::new();
    for (place, engine) in engines.into_iter().enumerate() {
        let mut lane = Lane::new(engine);
        lane.step(|lane| lane.begin(is_beside_others));
        if !lanes.is_empty() && lane.is_out_of_memory() {
            lane.close();
            crowded_out.push((place, lane));
        } else {
            lanes.push(lane);
            places.push(place);
        }
    }
    in_turn(&mut lanes);
    let mut with_rest = Vec::new();
    for (place, mut lane) in places.into_iter().zip(lanes) {
        if lane.rewinding.has_rest() {
            lane.close();
            with_rest.push((place, lane));
        } else {
            runs[place] = Some(lane.finish());
        }
    }
    for (place, mut lane) in with_rest {
        lane.step(|lane| lane.rewinding.run_rest());
        runs[place] = Some(lane.finish());
    }
    for (place, mut lane) in crowded_out {
        lane.step(Lane::alone);
        runs[place] = Some(lane.finish());
    }
    runs.into_iter().flatten().collect()
}

fn in_turn<T: Target, C: Clock>(lanes: &mut [Lane<'_, T, C>]) {
    let depths: BTreeSet<u32> = lanes.iter().flat_map(Lane::depths).collect();
    let n_lanes = lanes.len();
    let n_visits = lanes.iter().map(Lane::n_visits_max).max().unwrap_or(0);
    for n_depth in depths {
        lanes.iter_mut().for_each(|lane| lane.step(|lane| lane.arrive(n_depth)));
        let (mut turn, mut rep) = (0, 0);
        // What comes back slowly makes several repetitions a turn; the first shows how slowly.
        let mut n_each = 1;
        while rep < n_visits && !lanes.iter().all(|lane| lane.is_done(n_depth)) {
            let reps = rep..n_visits.min(rep.saturating_add(n_each));
            let are_together = n_lanes <= N_TOGETHER && n_each == 1;
            for lane in turns(n_lanes, turn) {
                let reps = reps.clone();
                lanes[lane].step(|lane| lane.repeat(n_depth, reps, n_lanes, are_together));
            }
            if are_together {
                repeat_disturbed(lanes);
            }
            lanes.iter_mut().for_each(|lane| lane.report_so_far(n_depth));
            if n_lanes > 1 && turn == 0 {
                n_each = lanes.iter().map(Lane::n_each).max().unwrap_or(1);
                lanes.iter_mut().filter(|_| n_each > 1).for_each(Lane::note_long_turns);
            }
            (turn, rep) = (turn + 1, reps.end);
        }
        lanes.iter_mut().for_each(|lane| lane.step(|lane| lane.leave(n_depth)));
    }
}

/// What was disturbed in one sweep is set aside in all of them, if they all may repeat it: the n-th repetition of one stays
/// beside the n-th of the others.
fn repeat_disturbed<T: Target, C: Clock>(lanes: &mut [Lane<'_, T, C>]) {
    let mut all: Vec<Vec<Test>> = lanes.iter().flat_map(Lane::disturbed_tests).collect();
    all.sort_unstable();
    all.dedup();
    for tests in all {
        if lanes.iter().all(|lane| lane.may_repeat(&tests)) {
            lanes.iter_mut().for_each(|lane| lane.set_aside(&tests));
        }
    }
}

impl<'a, T: Target, C: Clock> Lane<'a, T, C> {
    fn new(engine: Engine<'a, T, C>) -> Self {
        Self {
            rewinding: Rewinding::in_turn(engine),
            n_now: 0,
            stuck: false,
            latest: Vec::new(),
            turn: Default::default(),
        }
    }

    /// A panic costs this lane the cells that it has not finished. One of the observer is the application's own.
    fn step(&mut self, step: impl FnOnce(&mut Self)) {
        if !guard(self, step) {
            self.stuck = true;
        }
    }

    fn engine(&self) -> &Engine<'a, T, C> {
        self.rewinding.engine()
    }

    fn begin(&mut self, is_beside_others: bool) {
        self.as_mut().begin();
        self.rewinding.begin();
        self.rewinding.prepare();
        if !self.rewinding.depths().is_empty() {
            let order = if is_beside_others { Order::Interleaved } else { Order::Blocks };
            self.as_mut().session.set_order(order, None);
        }
    }

    fn is_out_of_memory(&self) -> bool {
        self.engine().cells.is_out_of_memory()
    }

    fn close(&mut self) {
        self.as_mut().session.close();
    }

    /// All of it, when the others have given their memory back.
    fn alone(&mut self) {
        self.as_mut().cells.forgive_out_of_memory();
        self.rewinding.run();
    }

    fn finish(mut self) -> Run {
        // Others may need the memory.
        self.close();
        self.rewinding.into_engine().finish()
    }

    fn depths(&self) -> impl Iterator<Item = u32> {
        self.rewinding.depths().iter().map(|depth| depth.n_depth)
    }

    fn n_visits_max(&self) -> u32 {
        self.engine().plan.request.n_visits_max()
    }

    /// The slot of this depth, unless there is nothing to measure or it was given up.
    fn slot(&self, n_depth: u32) -> Option<usize> {
        self.depths().position(|depth| depth == n_depth).filter(|_| !self.stuck)
    }

    fn is_done(&self, n_depth: u32) -> bool {
        self.slot(n_depth).is_none_or(|slot| self.rewinding.is_done(slot))
    }

    fn arrive(&mut self, n_depth: u32) {
        let Some(slot) = self.slot(n_depth) else { return };
        let arrived = self.rewinding.arrive(slot, self.n_now, Keep::Latest);
        if let Err(failure) = arrived.and_then(|()| self.rewinding.warm_up_prompts(slot)) {
            self.rewinding.fail_from(slot, &failure);
            self.stuck = true;
        }
        self.n_now = n_depth;
    }

    /// The turn of this lane: these repetitions of all that is measured at this depth, mostly one. What was disturbed is
    /// repeated at once, unless lanes decide `together`: the n-th repetition still stands beside the n-th of the others.
    fn repeat(&mut self, n_depth: u32, reps: Range<u32>, n_lanes: usize, together: bool) {
        self.latest.clear();
        let Some(slot) = self.slot(n_depth) else { return };
        if n_lanes > 1
            && let Err(failure) = self.wake(slot, reps.start)
        {
            return self.rewinding.fail(slot, &failure);
        }
        let before = self.engine().session.timed();
        for rep in reps.clone() {
            self.repeat_once(slot, rep, together);
        }
        let timed = self.engine().session.timed() - before;
        self.turn.1 = timed / (reps.len() as u32).max(1);
    }

    /// Comes back after the turns of others. What that takes counts against the budgets of what follows.
    fn wake(&mut self, slot: usize, rep: u32) -> Result<(), Failure> {
        let (start, before) = (self.engine().session.now(), self.engine().session.returned());
        self.rewinding.wake(slot, rep)?;
        self.turn.0 = self.engine().session.returned() - before;
        let spent = self.engine().session.now() - start;
        let units = self.engine().cells.lacking(&self.rewinding.depths()[slot], rep);
        let share = spent / (units.len() as u32).max(1);
        units.into_iter().for_each(|unit| self.as_mut().cells.add_spent(unit, share));
        Ok(())
    }

    /// Repetitions in a turn that keep the share of the time that goes into coming back small.
    fn n_each(&self) -> u32 {
        let (returns, repetition) = self.turn;
        // Without a repetition nothing is known.
        if repetition.is_zero() {
            return 1;
        }
        let n_most = self.engine().n_reps_expected().max(1);
        let suffices = |&n: &u32| returns * n_most.div_ceil(n) <= allowed(repetition * n_most);
        (1..=n_most).find(suffices).unwrap_or(n_most)
    }

    /// Records that turns are longer, and why.
    fn note_long_turns(&mut self) {
        let (returns, timed) = self.turn;
        let choice = OrderChoice { reason: OrderReason::Costly, returns: Some(returns), timed: Some(timed) };
        if !self.rewinding.depths().is_empty() {
            self.as_mut().session.set_order(Order::Interleaved, Some(choice));
        }
    }

    fn repeat_once(&mut self, slot: usize, rep: u32, together: bool) {
        let units = self.rewinding.depths()[slot].units.clone();
        loop {
            let n_visits =
                |lane: &Self| units.iter().map(|&unit| lane.engine().cells.n_visits(unit)).collect();
            let before: Vec<u32> = n_visits(self);
            self.rewinding.run_round(slot, rep, None);
            let after: Vec<u32> = n_visits(self);
            let was_measured = |i: &usize| after[*i] > before[*i];
            self.latest = (0..units.len()).filter(was_measured).map(|i| units[i]).collect();
            let mut again = self.disturbed();
            again.retain(|&unit| !together && self.engine().cells.may_repeat(unit));
            if again.is_empty() {
                return;
            }
            again.into_iter().for_each(|unit| self.as_mut().cells.set_latest_aside(unit));
        }
    }

    /// What was disturbed in this round.
    fn disturbed(&self) -> Vec<Unit> {
        let mut units = self.latest.clone();
        units.retain(|&unit| self.engine().cells.is_latest_disturbed(unit));
        units
    }

    fn tests(&self, unit: Unit) -> Vec<Test> {
        unit.cells().map(|cell| self.engine().plan.cells[cell]).collect()
    }

    fn disturbed_tests(&self) -> Vec<Vec<Test>> {
        self.disturbed().into_iter().map(|unit| self.tests(unit)).collect()
    }

    /// The unit of these tests, if it was measured in this round.
    fn latest_of(&self, tests: &[Test]) -> Option<Unit> {
        self.latest.iter().copied().find(|&unit| self.tests(unit) == tests)
    }

    fn may_repeat(&self, tests: &[Test]) -> bool {
        self.latest_of(tests).is_none_or(|unit| self.engine().cells.may_repeat(unit))
    }

    fn set_aside(&mut self, tests: &[Test]) {
        if let Some(unit) = self.latest_of(tests) {
            self.as_mut().cells.set_latest_aside(unit);
            self.as_mut().cells.settle(unit);
        }
    }

    fn report_so_far(&mut self, n_depth: u32) {
        if let Some(slot) = self.slot(n_depth) {
            self.rewinding.report_so_far(slot);
        }
    }

    /// Returns to the depth, from which the next fill continues.
    fn leave(&mut self, n_depth: u32) {
        let Some(slot) = self.slot(n_depth) else { return };
        self.rewinding.profile(slot);
        self.rewinding.report(slot);
        if let Err(failure) = self.rewinding.go_to(slot) {
            self.rewinding.fail_from(slot + 1, &failure);
            self.stuck = true;
        }
    }
}

#[cfg(test)]
#[path = "interleaved_tests.rs"]
mod tests;
