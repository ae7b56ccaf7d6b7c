use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

use super::*;
use crate::{
    bench::{
        Cancel, Event, Plan, Request,
        fake::{FakeClock, FakeTarget},
        plan::tests::request,
    },
    record::Header,
};

fn n_samples(run: &Run) -> Vec<usize> {
    run.cells.iter().map(|cell| cell.measured().map_or(0, |measured| measured.samples.len())).collect()
}

/// Runs them beside each other; the repetitions as they came: depth, repetition, lane.
fn run_all<const N: usize>(
    plans: [&Plan; N],
    targets: &mut [FakeTarget; N],
) -> (Vec<Run>, Vec<(u32, u32, usize)>) {
    let clock = FakeClock::default();
    targets.iter_mut().for_each(|target| target.clock = clock.clone());
    let (seen, cancel) = (Rc::new(RefCell::new(Vec::new())), Cancel::new());
    let mut observers: [_; N] = std::array::from_fn(|lane| {
        let seen = seen.clone();
        move |event: &Event<'_>| {
            if let Event::Measuring { test, rep, .. } = event {
                seen.borrow_mut().push((test.n_depth, *rep, lane));
            }
        }
    });
    let engines = targets
        .iter_mut()
        .zip(&mut observers)
        .zip(plans)
        .map(|((target, observer), plan)| {
            Engine::new(target, &clock, plan, Header::default(), observer, &cancel)
        })
        .collect();
    let runs = run(engines);
    let seen = seen.borrow().clone();
    (runs, seen)
}

fn prompts(depths: &[u32], n_reps: u32) -> Plan {
    let request = Request { generations: vec![], depths: depths.to_vec(), n_reps, ..request() };
    request.plan().unwrap()
}

#[test]
fn two_lanes_take_turns_forth_and_back() {
    let plan = prompts(&[0, 32], 4);
    let (runs, seen) = run_all([&plan; 2], &mut Default::default());
    assert!(runs.iter().all(|run| n_samples(run) == [4, 4]));
    assert!(runs.iter().all(|run| run.header.resolved.order == Some(Order::Interleaved)));
    let expected: Vec<(u32, u32, usize)> = [0, 32]
        .into_iter()
        .flat_map(|depth| (0..4).map(move |rep| (depth, rep)))
        .flat_map(|(depth, rep)| {
            let turn = if rep % 2 == 0 { [0, 1] } else { [1, 0] };
            turn.map(|lane| (depth, rep, lane))
        })
        .collect();
    assert_eq!(seen, expected);
}

#[test]
fn lanes_of_other_depths_meet_where_their_depths_are_the_same() {
    let plans = [prompts(&[0, 64], 2), prompts(&[32, 64], 2)];
    let (runs, seen) = run_all([&plans[0], &plans[1]], &mut Default::default());
    assert!(runs.iter().all(|run| n_samples(run) == [2, 2]));
    let at_64: Vec<usize> = seen.iter().filter(|(depth, ..)| *depth == 64).map(|(.., lane)| *lane).collect();
    assert_eq!(at_64, [0, 1, 1, 0]);
    assert!(seen.iter().map(|(depth, ..)| *depth).is_sorted(), "{seen:?}");
}

#[test]
fn a_lane_that_fails_leaves_the_other_running() {
    let plan = Request { depths: vec![0, 1000], ..request() }.plan().unwrap();
    let small = FakeTarget { n_ctx_max: Some(512), ..FakeTarget::default() };
    let (runs, _) = run_all([&plan; 2], &mut [small, FakeTarget::default()]);
    assert_eq!((n_samples(&runs[0]), n_samples(&runs[1])), (vec![3, 3, 0, 0], vec![3; 4]));
    assert_eq!(runs[0].cells[2].failure().unwrap().kind, "out_of_memory");
}

#[test]
fn a_lane_that_panics_leaves_the_other_running() {
    let plan = Request { warmup: false, ..request() }.plan().unwrap();
    let broken = FakeTarget { panic_call: Some(3), ..FakeTarget::default() };
    let (runs, _) = run_all([&plan; 2], &mut [broken, FakeTarget::default()]);
    assert_eq!(n_samples(&runs[1]), [3; 6]);
    let failure = runs[0].cells[5].failure().unwrap();
    assert!(failure.kind == "panic" && failure.message.contains("a defect of the target"), "{failure:?}");
}

#[test]
fn what_does_not_fit_beside_the_others_is_run_alone_after_them() {
    let plan = prompts(&[0, 1000], 2);
    // A context takes 1024: two fit, the third and a larger one of the second do not.
    let memory = Rc::new(Cell::new(2500));
    let mut targets: [FakeTarget; 3] =
        std::array::from_fn(|_| FakeTarget { memory: Some(memory.clone()), ..FakeTarget::default() });
    let (runs, seen) = run_all([&plan; 3], &mut targets);
    assert!(
        runs.iter().all(|run| n_samples(run) == [2, 2]),
        "{:?}",
        runs.iter().map(n_samples).collect::<Vec<_>>()
    );
    let of_last: Vec<usize> = seen.iter().map(|(.., lane)| usize::from(*lane == 2)).collect();
    assert!(of_last.is_sorted() && of_last.ends_with(&[1; 4]), "{seen:?}");
    assert_eq!(memory.get(), 2500, "all is given back");
    assert_eq!(runs[2].header.resolved.order, Some(Order::Blocks), "it had no other beside it");

    // What does not fit alone either has failed.
    memory.set(1000);
    let (runs, _) = run_all([&plan; 3], &mut targets);
    for run in &runs {
        assert_eq!(n_samples(run), [2, 0]);
        assert_eq!(run.cells[1].failure().unwrap().kind, "out_of_memory");
    }
}

#[test]
fn a_context_is_woken_before_each_turn_unless_it_is_alone() {
    let plan = Request { depths: vec![64], n_reps: 4, ..request() }.plan().unwrap();
    let n_wakes = |target: &FakeTarget| {
        let is_wake =
            |pair: &[crate::bench::fake::Call]| pair[0].tokens.len() == 1 && pair[0].before.len() == 64;
        // One token from the depth, and back to it: a generation's first token is followed by its second.
        target.calls.windows(2).filter(|pair| is_wake(pair) && pair[1].before.len() == 64).count()
    };
    let mut targets: [FakeTarget; 2] = Default::default();
    run_all([&plan; 2], &mut targets);
    assert!(targets.iter().all(|target| n_wakes(target) == 4));
    let mut alone: [FakeTarget; 1] = Default::default();
    run_all([&plan], &mut alone);
    assert_eq!(n_wakes(&alone[0]), 0);
    let cold = Request { warmup: false, ..plan.request }.plan().unwrap();
    let mut targets: [FakeTarget; 2] = Default::default();
    run_all([&cold; 2], &mut targets);
    assert!(targets.iter().all(|target| n_wakes(target) == 0));
}

#[test]
fn among_many_lanes_the_disturbed_one_alone_repeats_at_once() {
    let plan = Request { warmup: false, ..prompts(&[0], 4).request }.plan().unwrap();
    let mut targets: [FakeTarget; 3] = Default::default();
    let mut n = 0;
    targets[1].wait = Some(Box::new(move |_, _| {
        n += 1;
        // Its second repetition, and that in its place.
        Duration::from_secs([2, 3].contains(&n).into())
    }));
    let (runs, seen) = run_all([&plan; 3], &mut targets);
    let counts = |run: &Run| {
        let measured = run.cells[0].measured().unwrap();
        (measured.samples.len(), measured.set_aside.len())
    };
    assert_eq!(runs.iter().map(counts).collect::<Vec<_>>(), [(4, 0), (4, 2), (4, 0)]);
    let lanes: Vec<usize> = seen.iter().map(|(.., lane)| *lane).collect();
    assert_eq!(lanes, [0, 1, 2, 1, 1, 1, 2, 0, 2, 0, 1, 0, 1, 2]);
}

#[test]
fn repetitions_are_told_while_others_are_to_come() {
    let plan = prompts(&[0], 3);
    let (clock, cancel) = (FakeClock::default(), Cancel::new());
    let mut targets: [FakeTarget; 2] = Default::default();
    let told = RefCell::new(Vec::new());
    let tell = |event: &Event<'_>| {
        if let Event::CellSoFar { cell, .. } | Event::CellDone { cell, .. } = event {
            told.borrow_mut().push(cell.measured().map_or(0, |measured| measured.samples.len()));
        }
    };
    let mut observers = [tell, tell];
    let engines = targets.iter_mut().zip(&mut observers);
    let engines = engines
        .map(|(target, observer)| Engine::new(target, &clock, &plan, Header::default(), observer, &cancel))
        .collect();
    run(engines);
    assert_eq!(told.into_inner(), [1, 1, 2, 2, 3, 3]);
}
