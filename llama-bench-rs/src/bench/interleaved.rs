//! Several sweeps at once, repetition by repetition in turn: what drifts on the machine drifts for all alike.

use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
};

use super::{
    clock::Clock,
    engine::Engine,
    plan::{Depth, Unit},
    target::{Keep, Target},
    turns::turns,
};
use crate::record::{Failure, FailureKind, Order, Run, Test};

/// Up to so many sweeps repeat a disturbed repetition together; of more, only those that were disturbed do: with each
/// one more, some repetition of a round is disturbed more often.
const N_TOGETHER: usize = 2;

/// A sweep among others: its engine, the depths it goes to, and how deep it is.
struct Lane<'a, T, C> {
    engine: Engine<'a, T, C>,
    depths: Vec<Depth>,
    n_now: u32,
    /// The depth that it could not reach, and all deeper ones, are given up.
    stuck: bool,
    /// What was measured in this round.
    latest: Vec<Unit>,
}

/// Runs them all, a context each, depth by depth; at each depth one repetition of each sweep in turn, in an order that
/// changes from repetition to repetition. One whose context does not fit beside the others is run alone after them.
pub(super) fn run<T: Target, C: Clock>(engines: Vec<Engine<'_, T, C>>) -> Vec<Run> {
    let mut runs: Vec<Option<Run>> = engines.iter().map(|_| None).collect();
    let (mut lanes, mut places) = (Vec::new(), Vec::new());
    let mut crowded_out = Vec::new();
    for (place, engine) in engines.into_iter().enumerate() {
        let mut lane = Lane::new(engine);
        lane.step(|lane| lane.begin(runs.len() > 1));
        if !lanes.is_empty() && lane.engine.is_out_of_memory() {
            lane.engine.target.close();
            crowded_out.push((place, lane));
        } else {
            lanes.push(lane);
            places.push(place);
        }
    }
    in_turn(&mut lanes);
    for (place, lane) in places.into_iter().zip(lanes) {
        runs[place] = Some(lane.finish());
    }
    for (place, mut lane) in crowded_out {
        lane.step(Lane::alone);
        runs[place] = Some(lane.finish());
    }
    runs.into_iter().flatten().collect()
}

fn in_turn<T: Target, C: Clock>(lanes: &mut [Lane<'_, T, C>]) {
    let depths: BTreeSet<u32> =
        lanes.iter().flat_map(|lane| &lane.depths).map(|depth| depth.n_depth).collect();
    let n_lanes = lanes.len();
    for n_depth in depths {
        lanes.iter_mut().for_each(|lane| lane.step(|lane| lane.arrive(n_depth)));
        let n_visits = lanes.iter().map(|lane| lane.engine.plan.request.n_visits_max()).max().unwrap_or(0);
        for rep in 0..n_visits {
            if lanes.iter().all(|lane| lane.is_done(n_depth)) {
                break;
            }
            for lane in turns(n_lanes, rep) {
                lanes[lane].step(|lane| lane.repeat(n_depth, rep, n_lanes));
            }
            if n_lanes <= N_TOGETHER {
                repeat_disturbed(lanes);
            }
            lanes.iter_mut().for_each(|lane| lane.report_so_far(n_depth));
        }
        lanes.iter_mut().for_each(|lane| lane.step(|lane| lane.leave(n_depth)));
    }
}

/// What was disturbed in one sweep is set aside in all of them, if they all may repeat it: the n-th repetition of one stays
/// beside the n-th of the others.
fn repeat_disturbed<T: Target, C: Clock>(lanes: &mut [Lane<'_, T, C>]) {
    let disturbed = |lane: &Lane<'_, T, C>| {
        let units = lane.disturbed();
        units.into_iter().map(|unit| lane.tests(unit)).collect::<Vec<_>>()
    };
    let mut all: Vec<Vec<Test>> = lanes.iter().flat_map(disturbed).collect();
    all.sort_unstable();
    all.dedup();
    for tests in all {
        let unit_of =
            |lane: &Lane<'_, T, C>| lane.latest.iter().copied().find(|&unit| lane.tests(unit) == tests);
        if lanes.iter().all(|lane| unit_of(lane).is_none_or(|unit| lane.engine.may_repeat(unit))) {
            for lane in lanes.iter_mut() {
                if let Some(unit) = unit_of(lane) {
                    lane.engine.set_latest_aside(unit);
                    lane.engine.settle(unit);
                }
            }
        }
    }
}

impl<'a, T: Target, C: Clock> Lane<'a, T, C> {
    fn new(mut engine: Engine<'a, T, C>) -> Self {
        engine.repeats_at_once = false;
        Self { engine, depths: Vec::new(), n_now: 0, stuck: false, latest: Vec::new() }
    }

    /// A panic costs this lane the cells that it has not finished. One of the observer is the application's own.
    fn step(&mut self, step: impl FnOnce(&mut Self)) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| step(self))) {
            if self.engine.is_telling {
                resume_unwind(panic);
            }
            self.engine.fail_after_panic(panic.as_ref());
            self.stuck = true;
        }
    }

    fn begin(&mut self, is_beside_others: bool) {
        self.engine.begin();
        self.depths = self.engine.prepare();
        if !self.depths.is_empty() {
            let order = if is_beside_others { Order::Interleaved } else { Order::Blocks };
            self.engine.header.resolved.order = Some(order);
        }
    }

    /// All of it, when the others have given their memory back.
    fn alone(&mut self) {
        self.engine.repeats_at_once = true;
        self.engine.forgive_out_of_memory();
        self.engine.run_rewinding();
    }

    fn finish(self) -> Run {
        // Others may need the memory.
        self.engine.target.close();
        self.engine.finish()
    }

    fn tests(&self, unit: Unit) -> Vec<Test> {
        unit.cells().map(|cell| self.engine.plan.cells[cell]).collect()
    }

    /// This depth and its slot, unless there is nothing to measure or it was given up.
    fn depth(&self, n_depth: u32) -> Option<(usize, Depth)> {
        let slot = self.depths.iter().position(|depth| depth.n_depth == n_depth && !self.stuck)?;
        Some((slot, self.depths[slot].clone()))
    }

    fn is_done(&self, n_depth: u32) -> bool {
        self.depth(n_depth).is_none_or(|(_, depth)| self.engine.open_units(&depth).is_empty())
    }

    fn arrive(&mut self, n_depth: u32) {
        let Some((slot, depth)) = self.depth(n_depth) else { return };
        let arrived = self.engine.arrive(slot, &depth, self.n_now, Keep::Latest);
        if let Err(failure) = arrived.and_then(|()| self.engine.warm_up_prompts(slot, &depth)) {
            self.engine.fail_depths(&self.depths[slot..], &failure);
            self.stuck = true;
        }
        self.n_now = depth.n_depth;
    }

    /// One repetition of all that is measured at this depth. Among many lanes, what was disturbed is repeated at once: the
    /// n-th repetition still stands beside the n-th of the others.
    fn repeat(&mut self, n_depth: u32, rep: u32, n_lanes: usize) {
        self.latest.clear();
        let Some((slot, depth)) = self.depth(n_depth) else { return };
        if n_lanes > 1
            && let Err(failure) = self.engine.wake(slot, &depth, rep)
        {
            return self.engine.fail_depths(std::slice::from_ref(&depth), &failure);
        }
        loop {
            let before: Vec<(Unit, u32)> =
                depth.units.iter().map(|&unit| (unit, self.engine.n_visits(unit))).collect();
            self.engine.run_round(slot, &depth, rep, None);
            let was_measured = |&(unit, n_before): &(Unit, u32)| self.engine.n_visits(unit) > n_before;
            self.latest = before.into_iter().filter(was_measured).map(|(unit, _)| unit).collect();
            let mut again = self.disturbed();
            again.retain(|&unit| n_lanes > N_TOGETHER && self.engine.may_repeat(unit));
            if again.is_empty() {
                return;
            }
            again.into_iter().for_each(|unit| self.engine.set_latest_aside(unit));
        }
    }

    /// What was disturbed in this round.
    fn disturbed(&self) -> Vec<Unit> {
        let mut units = self.latest.clone();
        units.retain(|&unit| self.engine.is_latest_disturbed(unit));
        units
    }

    fn report_so_far(&mut self, n_depth: u32) {
        if let Some((_, depth)) = self.depth(n_depth) {
            self.engine.report_depth_so_far(&depth);
        }
    }

    /// Back to the depth, from where the next fill goes on.
    fn leave(&mut self, n_depth: u32) {
        let Some((slot, depth)) = self.depth(n_depth) else { return };
        self.engine.report_depth(&depth);
        if let Err(failure) = self.engine.go_to(slot, &depth) {
            self.engine.fail_depths(&self.depths[slot + 1..], &failure);
            self.stuck = true;
        }
    }
}

impl<T: Target, C: Clock> Engine<'_, T, C> {
    /// Whether a cell failed because a context did not fit.
    fn is_out_of_memory(&self) -> bool {
        self.cells.iter().any(|cell| cell.failure.as_ref().is_some_and(is_of_memory))
    }

    /// Lets cells that failed because a context did not fit be tried again.
    fn forgive_out_of_memory(&mut self) {
        for cell in &mut self.cells {
            cell.failure.take_if(|failure| is_of_memory(failure));
        }
    }
}

fn is_of_memory(failure: &Failure) -> bool {
    failure.kind == FailureKind::OutOfMemory
}

#[cfg(test)]
#[path = "interleaved_tests.rs"]
mod tests;
