//! Sweeps that stop by a rule and that resume an earlier one, on fake targets.

use std::time::Duration;

use super::{Cancel, Event, Order, Plan, Request, engine::Engine, fake::FakeTarget, plan::tests::request};
use crate::{
    record::{Header, Method, Run},
    stats::{Stop, StoppingRule},
    units::Share,
};

fn run(plan: &Plan, target: &mut FakeTarget, earlier: Option<&Run>) -> Run {
    let clock = target.clock.clone();
    let (mut silent, cancel) = (|_: &Event<'_>| {}, Cancel::new());
    let mut engine = Engine::new(target, &clock, plan, Header::default(), &mut silent, &cancel);
    if let Some(earlier) = earlier {
        engine.resume(earlier);
    }
    engine.run()
}

/// Runs until this many repetitions were begun.
fn run_until(plan: &Plan, target: &mut FakeTarget, n_begun: usize) -> Run {
    let clock = target.clock.clone();
    let cancel = Cancel::new();
    let mut begun = 0;
    let mut stop = |event: &Event<'_>| {
        if let Event::Measuring { .. } = event {
            begun += 1;
            if begun == n_begun {
                cancel.cancel();
            }
        }
    };
    super::run(plan, target, &clock, Header::default(), &mut stop, &cancel)
}

fn n_samples(run: &Run) -> Vec<usize> {
    run.cells.iter().map(|cell| cell.measured().map_or(0, |measured| measured.samples.len())).collect()
}

#[test]
fn a_sweep_that_was_cut_short_gets_the_repetitions_that_it_lacks() {
    for (method, order) in [
        (Method::Rewind, Order::Blocks),
        (Method::Rewind, Order::Rounds),
        (Method::FreshContext, Order::Blocks),
    ] {
        let plan = Request { depths: vec![0, 32, 64], method, order, ..request() }.plan().unwrap();
        let whole = run(&plan, &mut FakeTarget { holds_whole: true, ..FakeTarget::default() }, None);
        for n_begun in [1, 4, 9, 17] {
            let mut target = FakeTarget { holds_whole: true, ..FakeTarget::default() };
            let part = run_until(&plan, &mut target, n_begun);
            let n_before: usize = n_samples(&part).iter().sum();
            assert!(n_before <= n_begun && n_before + 1 >= n_begun, "{method:?} {order:?} {n_begun}");

            let mut again = FakeTarget { holds_whole: true, ..FakeTarget::default() };
            let resumed = run(&plan, &mut again, Some(&part));
            assert_eq!(n_samples(&resumed), [3; 6], "{method:?} {order:?} {n_begun}");
            // The very repetitions of an unbroken run, no more and no fewer.
            let times = |run: &Run| -> Vec<Duration> {
                let samples = run.cells.iter().flat_map(|cell| &cell.measured().unwrap().samples);
                samples.map(|sample| sample.elapsed).collect()
            };
            assert_eq!(times(&resumed), times(&whole));
            assert_eq!(resumed.header.timing.started_at, part.header.timing.started_at);
            assert!(resumed.header.timing.wall > part.header.timing.wall);
            let starts: Vec<Option<Duration>> =
                resumed.cells[5].measured().unwrap().samples.iter().map(|sample| sample.at).collect();
            assert!(starts.is_sorted(), "{starts:?}");
        }
    }
}

#[test]
fn nothing_is_run_for_a_sweep_that_was_whole() {
    let plan = request().plan().unwrap();
    let whole = run(&plan, &mut FakeTarget::default(), None);
    let mut target = FakeTarget::default();
    let again = run(&plan, &mut target, Some(&whole));
    assert!(target.calls.is_empty() && target.opened.is_empty());
    assert_eq!((&again.cells, &again.curve), (&whole.cells, &whole.curve));
}

#[test]
fn a_failed_cell_is_tried_again() {
    let plan = Request { warmup: false, depths: vec![0, 32], ..request() }.plan().unwrap();
    let part = run(&plan, &mut FakeTarget { fail_call: Some(0), ..FakeTarget::default() }, None);
    assert_eq!(part.cells.iter().filter(|cell| cell.failure().is_some()).count(), 1);
    let whole = run(&plan, &mut FakeTarget::default(), Some(&part));
    assert_eq!(n_samples(&whole), [3; 4]);
}

fn rule(min: usize, max: usize) -> StoppingRule {
    StoppingRule { min, max, target: Share::new(0.01).unwrap(), ..StoppingRule::new() }
}

#[test]
fn a_rule_ends_the_repetitions_and_the_cell_says_why() {
    for order in [Order::Blocks, Order::Rounds] {
        // The fake takes the same time each time: precise as soon as the rule may say so.
        let steady = Request { order, stopping: Some(rule(4, 50)), ..request() }.plan().unwrap();
        let run_of =
            |plan: &Plan| run(plan, &mut FakeTarget { holds_whole: true, ..FakeTarget::default() }, None);
        let found = run_of(&steady);
        // Half of the least, and half as many again.
        assert_eq!(n_samples(&found), [3; 6]);
        assert!(found.cells.iter().all(|cell| cell.measured().unwrap().stop == Some(Stop::Precise)));

        let short = StoppingRule { budget: Some(Duration::from_nanos(1)), ..rule(4, 50) };
        let found = run_of(&Request { order, stopping: Some(short), ..request() }.plan().unwrap());
        assert_eq!(n_samples(&found), [1; 6]);
        assert!(found.cells.iter().all(|cell| cell.measured().unwrap().stop == Some(Stop::Budget)));
    }
    let fixed = run(&request().plan().unwrap(), &mut FakeTarget::default(), None);
    assert!(fixed.cells.iter().all(|cell| cell.measured().unwrap().stop.is_none()));
}
