//! Interleaved over depths or per depth, on a target whose snapshots take time: what is chosen, what it costs, and that
//! nothing is lost by it.

use std::{cell::RefCell, rc::Rc, time::Duration};

use super::run_interleaved;
use crate::{
    bench::{
        Cancel, Event, Plan, Request,
        engine::Engine,
        fake::{FakeClock, FakeTarget},
        plan::tests::request,
    },
    record::{Header, Order, OrderReason, Rewind, Run},
    stats::StoppingRule,
};

const MS: fn(u64) -> Duration = Duration::from_millis;

fn run(plan: &Plan, target: &mut FakeTarget) -> Run {
    let clock = target.clock.clone();
    crate::bench::run(plan, target, &clock, Header::default(), &mut |_: &Event<'_>| {}, &Cancel::new())
}

/// Three repetitions of a prompt and a generation at each of these depths.
fn asked(depths: &[u32]) -> Request {
    Request { depths: depths.to_vec(), order: Order::Auto, ..request() }
}

/// A target with room for a whole snapshot, which takes `fixed` and `per_token` to save and to restore. A token takes a
/// millisecond.
fn target(fixed: Duration, per_token: Duration) -> FakeTarget {
    let cost = (fixed, per_token);
    FakeTarget { holds_whole: true, save_cost: cost, restore_cost: cost, ..FakeTarget::default() }
}

fn chosen(run: &Run) -> (Order, OrderReason) {
    (run.header.resolved.order.unwrap(), run.header.timing.order_choice.unwrap().reason)
}

fn wall(run: &Run) -> Duration {
    run.header.timing.wall.unwrap()
}

/// Every cell has its repetitions, and each began in a context that held exactly the fill.
fn assert_whole(run: &Run, target: &FakeTarget, n_reps: usize) {
    for cell in &run.cells {
        assert_eq!(cell.measured().unwrap().samples.len(), n_reps, "{}", cell.test);
    }
    let deepest = run.cells.iter().map(|cell| cell.test.n_depth as usize).max().unwrap();
    let fill = target.calls.iter().find(|call| call.before.len() == deepest).unwrap().before.clone();
    for n_depth in run.cells.iter().map(|cell| cell.test.n_depth as usize).filter(|&n| n > 0) {
        let begins = target.calls.iter().filter(|call| call.before.len() == n_depth);
        assert!(begins.clone().all(|call| call.before == fill[..n_depth]), "another context at {n_depth}");
    }
}

#[test]
fn slow_snapshots_make_it_blocks_and_cost_next_to_nothing() {
    let depths = [0, 128, 256, 512];
    let plan = |order| Request { order, ..asked(&depths) }.plan().unwrap();
    let slow = || target(Duration::ZERO, MS(4));
    let mut auto = slow();
    let found = run(&plan(Order::Auto), &mut auto);
    assert_eq!(chosen(&found), (Order::Blocks, OrderReason::Costly));
    let choice = found.header.timing.order_choice.unwrap();
    assert!(choice.returns.unwrap() > choice.timed.unwrap() / 10, "{choice:?}");
    assert_whole(&found, &auto, 3);
    // Two small ones were tried, the real one never.
    assert_eq!((&auto.n_saved, &auto.n_restored), (&vec![4, 20], &vec![4, 20]));
    let blocks = run(&plan(Order::Blocks), &mut slow());
    let rounds = run(&plan(Order::Rounds), &mut slow());
    let trying = MS(4) * 2 * (4 + 20);
    assert!(wall(&found) <= wall(&blocks) + trying + MS(100), "{:?} {:?}", wall(&found), wall(&blocks));
    assert!(wall(&rounds) > wall(&found) + MS(4) * 512 * 2, "{:?} {:?}", wall(&rounds), wall(&found));
}

#[test]
fn cheap_snapshots_make_it_rounds_whatever_part_of_their_time_is_fixed() {
    // The first reading alone would have it grow to 3 s.
    for (fixed, per_token) in [(Duration::ZERO, Duration::ZERO), (MS(2), Duration::from_nanos(100))] {
        let mut target = target(fixed, per_token);
        let found = run(&asked(&[0, 128, 256, 512]).plan().unwrap(), &mut target);
        assert_eq!(chosen(&found), (Order::Rounds, OrderReason::Cheap), "{fixed:?}");
        assert_whole(&found, &target, 3);
        assert_eq!(target.n_saved.iter().filter(|&&n| n == 512).count(), 1);
    }
}

#[test]
fn what_small_snapshots_could_not_tell_is_noticed_after_the_real_one() {
    // Too shallow for a small one, and no warm-up.
    let plan = Request { warmup: false, n_reps: 9, ..asked(&[0, 32, 48]) }.plan().unwrap();
    let mut slow = target(MS(500), Duration::ZERO);
    let found = run(&plan, &mut slow);
    assert_eq!(chosen(&found), (Order::Blocks, OrderReason::Costly));
    assert_eq!((slow.n_saved, slow.n_restored.len()), (vec![48], 0));

    // Saving is fast and restoring is not: one restore shows it, and deeper depths need one more at most.
    let mut slow = FakeTarget { save_cost: Default::default(), ..target(MS(500), Duration::ZERO) };
    let found = run(&plan, &mut slow);
    assert_eq!(chosen(&found), (Order::Blocks, OrderReason::Costly));
    assert!((1..=2).contains(&slow.n_restored.len()), "{:?}", slow.n_restored);
    assert_whole(&found, &slow, 9);
}

#[test]
fn a_snapshot_that_fails_costs_the_order_and_no_cell() {
    for warmup in [true, false] {
        let plan = Request { warmup, ..asked(&[0, 128, 512]) }.plan().unwrap();
        let mut broken = FakeTarget { broken_whole: true, ..target(Duration::ZERO, Duration::ZERO) };
        let found = run(&plan, &mut broken);
        assert_eq!(chosen(&found), (Order::Blocks, OrderReason::NoSnapshot));
        assert_whole(&found, &broken, 3);
    }
    let none = run(&asked(&[0, 32]).plan().unwrap(), &mut FakeTarget::default());
    assert_eq!(chosen(&none), (Order::Blocks, OrderReason::NoSnapshot));
}

#[test]
fn one_depth_needs_no_snapshot() {
    for order in [Order::Auto, Order::Rounds] {
        let mut slow = target(MS(500), MS(1));
        let found = run(&Request { order, ..asked(&[512]) }.plan().unwrap(), &mut slow);
        assert_eq!(found.header.resolved.order, Some(Order::Rounds));
        assert!(slow.n_saved.is_empty(), "{:?}", slow.n_saved);
        assert_whole(&found, &slow, 3);
    }
}

#[test]
fn what_is_asked_for_is_done_whatever_it_costs() {
    let plan = Request { order: Order::Rounds, ..asked(&[0, 128, 256]) }.plan().unwrap();
    let mut slow = target(MS(500), MS(4));
    let found = run(&plan, &mut slow);
    assert_eq!(chosen(&found), (Order::Rounds, OrderReason::Asked));
    assert_eq!(slow.n_saved, [256]);
    assert_whole(&found, &slow, 3);
}

#[test]
fn copies_of_sequences_that_blocks_make_once_count_too() {
    let plan = Request { parallel: vec![1, 4], n_reps: 9, ..asked(&[0, 64, 256]) }.plan().unwrap();
    let chosen_with = |copy_cost| {
        let mut target = FakeTarget { copy_cost, ..target(Duration::ZERO, Duration::ZERO) };
        let found = run(&plan, &mut target);
        assert!(found.cells.iter().all(|cell| cell.measured().unwrap().samples.len() == 9));
        (chosen(&found), wall(&found))
    };
    assert_eq!(chosen_with(Duration::from_nanos(1)).0, (Order::Rounds, OrderReason::Cheap));
    let (auto, took) = chosen_with(MS(5));
    assert_eq!(auto, (Order::Blocks, OrderReason::Costly));
    let mut target = FakeTarget { copy_cost: MS(5), ..target(Duration::ZERO, Duration::ZERO) };
    let rounds = run(
        &Plan { request: Request { order: Order::Rounds, ..plan.request.clone() }, ..plan.clone() },
        &mut target,
    );
    assert!(took * 2 < wall(&rounds), "{took:?} {:?}", wall(&rounds));
}

#[test]
fn a_slow_restore_of_a_part_is_replaced_by_filling_again() {
    let rewinds = |order, partial_cost| {
        let mut target =
            FakeTarget { partial_cost: Some(partial_cost), ..target(Duration::ZERO, Duration::ZERO) };
        let found = run(&Request { order, n_reps: 5, ..asked(&[0, 32, 512]) }.plan().unwrap(), &mut target);
        assert_whole(&found, &target, 5);
        let rewind = |cell: usize| found.cells[cell].measured().unwrap().rewind.unwrap();
        ([rewind(2), rewind(4)], wall(&found))
    };
    for order in [Order::Blocks, Order::Rounds, Order::Auto] {
        assert_eq!(rewinds(order, MS(1)).0, [Rewind::PartialOnHost; 2], "{order:?}");
        // 32 tokens are filled in 33 ms, 512 in 640 ms.
        assert_eq!(rewinds(order, MS(200)).0, [Rewind::Refill, Rewind::PartialOnHost], "{order:?}");
        let (found, took) = rewinds(order, Duration::from_secs(100));
        assert_eq!(found, [Rewind::Refill; 2], "{order:?}");
        // Two restores at each depth show it; none of the 20 repetitions pays for one.
        assert!(took < Duration::from_secs(2 * 2 * 100 + 60), "{order:?}: {took:?}");
    }
}

#[test]
fn budgets_share_what_serves_all_depths() {
    let budget = Some(MS(2000));
    let rule = StoppingRule { min: 4, max: 40, budget, ..StoppingRule::new() };
    let asked =
        Request { stopping: Some(rule), order: Order::Rounds, generations: vec![], ..asked(&[0, 16, 32]) };
    // A repetition takes 8 ms, a restore a second: whoever paid for it alone would stop after the second one.
    let mut slow = target(MS(1000), Duration::ZERO);
    let found = run(&asked.plan().unwrap(), &mut slow);
    let n_reps: Vec<usize> = found.cells.iter().map(|cell| cell.measured().unwrap().samples.len()).collect();
    let (least, most) = (n_reps.iter().min().unwrap(), n_reps.iter().max().unwrap());
    assert!(most - least <= 1, "{n_reps:?}");
}

/// The lanes in the order of their repetitions at each depth.
fn turns(partial_cost: Duration, n_reps: u32) -> (Vec<Run>, Vec<(u32, usize)>) {
    let plan = Request { n_reps, depths: vec![0, 64], ..asked(&[0, 64]) }.plan().unwrap();
    let clock = FakeClock::default();
    let make =
        || FakeTarget { clock: clock.clone(), partial_cost: Some(partial_cost), ..FakeTarget::default() };
    let (mut targets, seen, cancel) = ([make(), make()], Rc::new(RefCell::new(Vec::new())), Cancel::new());
    let mut observers: [_; 2] = std::array::from_fn(|lane| {
        let seen = seen.clone();
        move |event: &Event<'_>| {
            if let Event::Measuring { test, .. } = event
                && test.kind.is_generation()
            {
                seen.borrow_mut().push((test.n_depth, lane));
            }
        }
    });
    let engines = targets
        .iter_mut()
        .zip(&mut observers)
        .map(|(target, observer)| Engine::new(target, &clock, &plan, Header::default(), observer, &cancel));
    let runs = run_interleaved(engines.collect());
    let seen = seen.borrow().clone();
    (runs, seen)
}

#[test]
fn configurations_that_come_back_slowly_take_longer_turns() {
    let at = |seen: &[(u32, usize)], depth| -> Vec<usize> {
        seen.iter().filter(|(n, _)| *n == depth).map(|(_, lane)| *lane).collect()
    };
    let (runs, seen) = turns(Duration::from_micros(10), 4);
    assert_eq!(at(&seen, 64), [0, 1, 1, 0, 0, 1, 1, 0]);
    assert!(runs.iter().all(|run| run.header.timing.order_choice.is_none()));
    // Coming back takes 30 ms, nine times more than the least that counts; the two tests take 13 ms.
    let (runs, seen) = turns(MS(30), 9);
    assert_eq!(at(&seen, 0), [0, 1, 1, 0].repeat(5)[..18]);
    // Nine returns at once would be 270 of 100 ms; three, for three repetitions each, are few enough.
    let expected = [&[0, 1][..], &[1; 3], &[0; 3], &[0; 3], &[1; 3], &[1; 2], &[0; 2]].concat();
    assert_eq!(at(&seen, 64), expected);
    for run in &runs {
        assert!(run.cells.iter().all(|cell| cell.measured().unwrap().samples.len() == 9));
        assert_eq!(chosen(run), (Order::Interleaved, OrderReason::Costly));
    }
}
