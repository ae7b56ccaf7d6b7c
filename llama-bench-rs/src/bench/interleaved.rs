//! Several sweeps at once, repetition by repetition in turn: what drifts on the machine drifts for all alike.

use super::{
    clock::Clock,
    engine::Engine,
    plan::{Depth, Unit},
    target::{Keep, Target},
};
use crate::record::{Order, Run, Test};

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
/// changes from repetition to repetition.
pub(super) fn run<T: Target, C: Clock>(engines: Vec<Engine<'_, T, C>>) -> Vec<Run> {
    let mut lanes: Vec<Lane<'_, T, C>> = engines
        .into_iter()
        .map(|mut engine| {
            engine.repeats_at_once = false;
            engine.begin();
            let depths = engine.prepare();
            engine.header.resolved.order = Some(Order::Blocks);
            Lane { engine, depths, n_now: 0, stuck: false, latest: Vec::new() }
        })
        .collect();
    let deepest = lanes.iter().map(|lane| lane.depths.len()).max().unwrap_or(0);
    for slot in 0..deepest {
        lanes.iter_mut().for_each(|lane| lane.arrive(slot));
        let n_visits = lanes.iter().map(|lane| lane.engine.plan.request.n_visits_max()).max().unwrap_or(0);
        for rep in 0..n_visits {
            if lanes.iter().all(|lane| lane.is_done(slot)) {
                break;
            }
            // Forth and back, so that no lane always has the machine as another one left it.
            let mut turn: Vec<usize> = (0..lanes.len()).collect();
            if rep % 2 == 1 {
                turn.reverse();
            }
            for lane in turn {
                lanes[lane].repeat(slot, rep);
            }
            repeat_disturbed(&mut lanes);
        }
        lanes.iter_mut().for_each(|lane| lane.leave(slot));
    }
    lanes.into_iter().map(|lane| lane.engine.finish()).collect()
}

/// What was disturbed in one sweep is set aside in all of them, if they all may repeat it: the n-th repetition of one stays
/// beside the n-th of the others.
fn repeat_disturbed<T: Target, C: Clock>(lanes: &mut [Lane<'_, T, C>]) {
    let disturbed = |lane: &Lane<'_, T, C>| {
        let mut units = lane.latest.clone();
        units.retain(|&unit| lane.engine.is_latest_disturbed(unit));
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

impl<T: Target, C: Clock> Lane<'_, T, C> {
    fn tests(&self, unit: Unit) -> Vec<Test> {
        unit.cells().map(|cell| self.engine.plan.cells[cell]).collect()
    }

    fn depth(&self, slot: usize) -> Option<Depth> {
        self.depths.get(slot).filter(|_| !self.stuck).cloned()
    }

    fn is_done(&self, slot: usize) -> bool {
        self.depth(slot).is_none_or(|depth| self.engine.open_units(&depth).is_empty())
    }

    fn arrive(&mut self, slot: usize) {
        let Some(depth) = self.depth(slot) else { return };
        let arrived = self.engine.arrive(slot, &depth, self.n_now, Keep::Latest);
        if let Err(failure) = arrived.and_then(|()| self.engine.warm_up_prompts(slot, &depth)) {
            self.engine.fail_depths(&self.depths[slot..], &failure);
            self.stuck = true;
        }
        self.n_now = depth.n_depth;
    }

    fn repeat(&mut self, slot: usize, rep: u32) {
        self.latest.clear();
        let Some(depth) = self.depth(slot) else { return };
        let before: Vec<(Unit, u32)> =
            depth.units.iter().map(|&unit| (unit, self.engine.n_visits(unit))).collect();
        self.engine.run_round(slot, &depth, rep, None);
        let was_measured = |&(unit, n_before): &(Unit, u32)| self.engine.n_visits(unit) > n_before;
        self.latest = before.into_iter().filter(was_measured).map(|(unit, _)| unit).collect();
    }

    /// Back to the depth, from where the next fill goes on.
    fn leave(&mut self, slot: usize) {
        let Some(depth) = self.depth(slot) else { return };
        self.engine.report_depth(&depth);
        if let Err(failure) = self.engine.go_to(slot, &depth) {
            self.engine.fail_depths(&self.depths[slot + 1..], &failure);
            self.stuck = true;
        }
    }
}
