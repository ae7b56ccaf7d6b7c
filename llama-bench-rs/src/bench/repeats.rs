//! Repetitions that other programs disturbed are run again, within a budget.

use super::{plan::Request, sweep::Sweep};

impl Sweep<'_> {
    /// Sets how many of a cell's repetitions, in percent and rounded up, may be run again because other programs disturbed
    /// them ([`Sample::is_disturbed`]); 50 by default, 0 for none. Disturbed samples that were repeated are kept in
    /// [`Measured::set_aside`], outside of every figure. Past the budget they count, and the report says so; so they do in a
    /// cell that has no others when the sweep is interrupted.
    ///
    /// [`Sample::is_disturbed`]: crate::record::Sample::is_disturbed
    /// [`Measured::set_aside`]: crate::record::Measured::set_aside
    #[must_use]
    pub fn repeat_disturbed(mut self, percent: u32) -> Self {
        self.request.repeat_percent = percent;
        self
    }

    /// Sets whether to wait until no other sweep of this user measures on the machine; on by default. The observer
    /// receives [`Event::Waiting`](super::Event::Waiting); without one, a line is printed on standard error.
    #[must_use]
    pub fn exclusive(mut self, exclusive: bool) -> Self {
        self.request.exclusive = exclusive;
        self
    }
}

impl Request {
    /// How many of `n_reps` repetitions may be run again.
    pub(super) fn n_spare(&self, n_reps: usize) -> usize {
        (n_reps * self.repeat_percent as usize).div_ceil(100)
    }

    /// Most repetitions of a cell, those set aside included.
    pub(super) fn n_visits_max(&self) -> u32 {
        let n_reps = self.n_reps_max();
        n_reps.saturating_add(u32::try_from(self.n_spare(n_reps as usize)).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, collections::HashMap, rc::Rc, time::Duration};

    use super::*;
    use crate::{
        bench::{
            Cancel, Event, Order, Plan,
            engine::{Engine, run_interleaved},
            fake::{FakeClock, FakeTarget},
            plan::tests::request,
        },
        record::{Cell, Group, Header, Measured, Method, Run, Sample, TestKind},
        stats::{Stop, StoppingRule},
    };

    /// Disturbs the first `n` regions of this many tokens at once at this depth.
    fn disturbing(n_tokens: u32, n_depth: usize, n: usize) -> FakeTarget {
        let mut left = n;
        let wait = move |n_at_once: u32, n_before: usize| {
            let is_meant = (n_at_once, n_before) == (n_tokens, n_depth) && left > 0;
            left -= usize::from(is_meant);
            if is_meant { Duration::from_secs(1) } else { Duration::ZERO }
        };
        FakeTarget { holds_whole: true, wait: Some(Box::new(wait)), ..FakeTarget::default() }
    }

    fn run(request: Request, target: &mut FakeTarget) -> Run {
        let plan = Request { warmup: false, ..request }.plan().unwrap();
        let clock = target.clock.clone();
        crate::bench::run(&plan, target, &clock, Header::default(), &mut |_: &Event<'_>| {}, &Cancel::new())
    }

    fn counts(cell: &Cell) -> (usize, usize, usize) {
        let Measured { samples, set_aside, .. } = cell.measured().unwrap();
        (samples.len(), samples.iter().filter(|sample| sample.is_disturbed()).count(), set_aside.len())
    }

    #[test]
    fn a_disturbed_repetition_is_run_again_and_set_aside_in_every_order() {
        for (method, order) in [
            (Method::Rewind, Order::Blocks),
            (Method::Rewind, Order::Rounds),
            (Method::FreshContext, Order::Blocks),
        ] {
            let asked = Request { method, order, depths: vec![0, 32, 64], n_reps: 4, ..request() };
            let found = run(asked, &mut disturbing(8, 32, 2));
            for cell in &found.cells {
                let is_meant = cell.test.kind == TestKind::Pp(8) && cell.test.n_depth == 32;
                let expected = if is_meant { (4, 0, 2) } else { (4, 0, 0) };
                assert_eq!(counts(cell), expected, "{method:?} {order:?} {}", cell.test);
            }
            let set_aside = &found.cells[2].measured().unwrap().set_aside;
            assert!(set_aside.iter().all(Sample::is_disturbed));
        }
    }

    #[test]
    fn past_the_budget_a_disturbed_repetition_stays_labelled() {
        for (repeat_percent, expected) in
            [(0, (4, 4, 0)), (25, (4, 4, 1)), (100, (4, 4, 4)), (1000, (4, 0, 10))]
        {
            let depths = vec![0];
            let asked = Request { depths, n_reps: 4, repeat_percent, ..request() };
            let found = run(asked, &mut disturbing(8, 0, if repeat_percent == 1000 { 10 } else { 1000 }));
            assert_eq!(counts(&found.cells[0]), expected, "{repeat_percent} %");
            assert_eq!(counts(&found.cells[1]), (4, 0, 0));
        }
    }

    #[test]
    fn the_halves_of_a_pair_are_set_aside_together() {
        let pairs = vec![Group { n_prompt: 5, n_gen: 3 }];
        let asked = Request { pairs, prompts: vec![], generations: vec![], depths: vec![32], ..request() };
        // The generation begins after the prompt of 5.
        let found = run(asked, &mut disturbing(1, 37, 1));
        assert_eq!(found.cells.iter().map(counts).collect::<Vec<_>>(), [(3, 0, 1), (3, 0, 1)]);
        let begin = |cell: &Cell| cell.measured().unwrap().set_aside[0].at.unwrap();
        assert!(begin(&found.cells[0]) < begin(&found.cells[1]));
    }

    #[test]
    fn a_rule_does_not_count_what_was_set_aside() {
        let rule = StoppingRule { min: 4, max: 50, ..StoppingRule::new() };
        let asked = Request { stopping: Some(rule), depths: vec![0], ..request() };
        let found = run(asked, &mut disturbing(8, 0, 2));
        // Half of the minimum, and half as many again.
        assert_eq!(counts(&found.cells[0]), (3, 0, 2));
        assert_eq!(found.cells[0].measured().unwrap().stop, Some(Stop::Precise));
        // The time that they took counts against the budget.
        let spent = StoppingRule { budget: Some(Duration::from_nanos(1)), ..rule };
        let asked = Request { stopping: Some(spent), depths: vec![0], ..request() };
        assert_eq!(counts(&run(asked, &mut disturbing(8, 0, 1)).cells[0]), (1, 0, 1));
    }

    #[test]
    fn an_interruption_loses_no_cell_whose_repetitions_were_all_set_aside() {
        let plan = Request { warmup: false, depths: vec![0], n_reps: 4, ..request() }.plan().unwrap();
        let cancel = Cancel::new();
        let mut target = disturbing(8, 0, 1000);
        let clock = target.clock.clone();
        let mut n_prompts = 0;
        let mut stop = |event: &Event<'_>| {
            if let Event::Measuring { test, .. } = event {
                n_prompts += usize::from(test.kind == TestKind::Pp(8));
            }
            if n_prompts == 2 {
                cancel.cancel();
            }
        };
        let part = crate::bench::run(&plan, &mut target, &clock, Header::default(), &mut stop, &cancel);
        assert_eq!(counts(&part.cells[0]), (2, 2, 0));
        // What comes later counts them as any others.
        let mut target = disturbing(8, 0, 0);
        let clock = target.clock.clone();
        let (mut silent, cancel) = (|_: &Event<'_>| {}, Cancel::new());
        let mut engine = Engine::new(&mut target, &clock, &plan, Header::default(), &mut silent, &cancel);
        engine.resume(&part);
        assert_eq!(counts(&engine.run().cells[0]), (4, 2, 0));
    }

    /// A process that is killed leaves what it reported last.
    #[test]
    fn a_cell_that_is_told_has_a_repetition_that_counts() {
        let asked =
            Request { warmup: false, order: Order::Rounds, depths: vec![0, 32], n_reps: 4, ..request() };
        let plan = asked.plan().unwrap();
        let mut target = disturbing(8, 0, 1);
        let clock = target.clock.clone();
        let told = RefCell::new(Vec::new());
        let mut hear = |event: &Event<'_>| {
            if let Event::CellSoFar { cell, .. } | Event::CellDone { cell, .. } = event {
                told.borrow_mut().push(counts(cell));
            }
        };
        crate::bench::run(&plan, &mut target, &clock, Header::default(), &mut hear, &Cancel::new());
        let told = told.into_inner();
        assert!(told.contains(&(1, 1, 0)), "it counts until another one takes its place: {told:?}");
        assert!(told.contains(&(4, 0, 1)) && told.iter().all(|(n, ..)| *n > 0), "{told:?}");
    }

    #[test]
    fn a_run_that_is_resumed_keeps_what_was_set_aside_and_its_budget() {
        let plan = Request { warmup: false, depths: vec![0], n_reps: 4, ..request() }.plan().unwrap();
        let cancel = Cancel::new();
        let mut target = disturbing(8, 0, 1);
        let clock = target.clock.clone();
        let mut n_begun = 0;
        let mut stop = |event: &Event<'_>| {
            n_begun += usize::from(matches!(event, Event::Measuring { .. }));
            if n_begun == 4 {
                cancel.cancel();
            }
        };
        let part = crate::bench::run(&plan, &mut target, &clock, Header::default(), &mut stop, &cancel);
        assert_eq!(counts(&part.cells[0]).2, 1);
        let mut target = disturbing(8, 0, 1000);
        let clock = target.clock.clone();
        let (mut silent, cancel) = (|_: &Event<'_>| {}, Cancel::new());
        let mut engine = Engine::new(&mut target, &clock, &plan, Header::default(), &mut silent, &cancel);
        engine.resume(&part);
        let whole = engine.run();
        let (n_samples, _, n_set_aside) = counts(&whole.cells[0]);
        assert_eq!((n_samples, n_set_aside), (4, 2), "one more, not two");
    }

    #[test]
    fn sweeps_in_turn_set_the_same_repetition_aside_in_all_of_them() {
        let plan = Request { warmup: false, depths: vec![0, 32], n_reps: 4, ..request() }.plan().unwrap();
        let clock = FakeClock::default();
        let mut targets = [FakeTarget::default(), disturbing(8, 32, 1)];
        targets.iter_mut().for_each(|target| target.clock = clock.clone());
        let cancel = Cancel::new();
        let mut silent = [0, 1].map(|_| |_: &Event<'_>| {});
        let engines = targets
            .iter_mut()
            .zip(&mut silent)
            .map(|(target, observer)| {
                Engine::new(target, &clock, &plan, Header::default(), observer, &cancel)
            })
            .collect();
        let runs = run_interleaved(engines);
        for run in &runs {
            let found: Vec<_> = run.cells.iter().map(counts).collect();
            assert_eq!(found, [(4, 0, 0), (4, 0, 0), (4, 0, 1), (4, 0, 0)]);
        }
        // The n-th of one still stands beside the n-th of the other.
        let starts = |run: &Run| -> Vec<Duration> {
            let samples = &run.cells[2].measured().unwrap().samples;
            samples.iter().map(|sample| sample.at.unwrap()).collect()
        };
        let (one, other) = (starts(&runs[0]), starts(&runs[1]));
        let gap = Duration::from_millis(25);
        assert!(one.iter().zip(&other).all(|(a, b)| a.abs_diff(*b) < gap), "{one:?} {other:?}");
    }

    #[test]
    fn every_run_of_a_repetition_reads_other_tokens_and_is_told_by_its_number() {
        let plan = Request { warmup: false, depths: vec![0], generations: vec![], n_reps: 3, ..request() };
        let plan: Plan = plan.plan().unwrap();
        let mut target = disturbing(8, 0, 1);
        let clock = target.clock.clone();
        let told = Rc::new(RefCell::new(Vec::new()));
        let mut observe = |event: &Event<'_>| {
            if let Event::Measuring { rep, .. } = event {
                told.borrow_mut().push(*rep);
            }
        };
        crate::bench::run(&plan, &mut target, &clock, Header::default(), &mut observe, &Cancel::new());
        assert_eq!(*told.borrow(), [0, 0, 1, 2]);
        let mut seen: HashMap<_, usize> = HashMap::new();
        target.calls.iter().for_each(|call| *seen.entry(call.tokens.clone()).or_default() += 1);
        assert!(seen.values().all(|&n| n == 1), "four prompts of other tokens");
    }
}
