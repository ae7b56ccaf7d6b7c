//! The pause before a test, in which the machine cools off.

use std::time::Duration;

use crate::{
    bench::{Cancel, Event, Request, clock::Clock as _, fake::FakeTarget, plan::tests::request},
    record::{Header, Method, Order, Run},
};

const DELAY: Duration = Duration::from_secs(60);

fn run(request: Request) -> Run {
    let mut target = FakeTarget::default();
    let clock = target.clock.clone();
    let plan = request.plan().unwrap();
    crate::bench::run(&plan, &mut target, &clock, Header::default(), &mut |_: &Event<'_>| {}, &Cancel::new())
}

fn n_pauses(run: &Run) -> u128 {
    run.header.timing.wall.unwrap_or_default().as_nanos() / DELAY.as_nanos()
}

#[test]
fn a_pause_comes_before_each_test_and_into_no_sample() {
    let quick = run(Request { warmup: false, depths: vec![0, 32], order: Order::Blocks, ..request() });
    for (warmup, method, order) in [
        (false, Method::Rewind, Order::Blocks),
        (true, Method::Rewind, Order::Blocks),
        (true, Method::Rewind, Order::Rounds),
    ] {
        let slow = run(Request { warmup, method, order, delay: DELAY, depths: vec![0, 32], ..request() });
        // 2 tests at 2 depths, 3 repetitions each, shuffled: the same test may come twice in a row.
        assert!((6..=12).contains(&n_pauses(&slow)), "{}", n_pauses(&slow));
        for (slow, quick) in slow.cells.iter().zip(&quick.cells) {
            let times = |cell: &crate::record::Cell| {
                cell.measured().unwrap().samples.iter().map(|s| s.elapsed).collect::<Vec<_>>()
            };
            assert_eq!(times(slow), times(quick));
        }
    }
}

#[test]
fn repetitions_of_one_test_follow_each_other_without_a_pause() {
    let one = Request { generations: vec![], depths: vec![0], delay: DELAY, ..request() };
    assert_eq!(n_pauses(&run(one)), 1);
    let fresh = Request { method: Method::FreshContext, depths: vec![0, 32], delay: DELAY, ..request() };
    assert_eq!(n_pauses(&run(fresh)), 4, "llama-bench: once per test");
}

#[test]
fn a_pause_can_be_cut_short() {
    let mut target = FakeTarget::default();
    let clock = target.clock.clone();
    let plan = Request { delay: DELAY, ..request() }.plan().unwrap();
    let cancel = Cancel::new();
    let mut observer = |event: &Event<'_>| {
        if let Event::WarmingUp = event {
            cancel.cancel();
        }
    };
    crate::bench::run(&plan, &mut target, &clock, Header::default(), &mut observer, &cancel);
    assert!(clock.now() < DELAY);
}
