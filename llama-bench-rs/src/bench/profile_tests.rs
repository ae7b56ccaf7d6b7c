//! Profiles of a fake target: what they show, and that samples are as without them.

use std::time::Duration;

use super::{
    Cancel, Event, Order, Profiling, Request,
    fake::{Call, FakeTarget, Work},
    plan::tests::request,
};
use crate::{
    llama::BlockKind,
    record::{Group, Header, Method, Run},
};

fn run(request: Request, target: &mut FakeTarget, observer: &mut dyn FnMut(&Event<'_>)) -> Run {
    let clock = target.clock.clone();
    let plan = request.plan().unwrap();
    super::run(
        &plan,
        target,
        &clock,
        Header::default(),
        &mut |event: &Event<'_>| observer(event),
        &Cancel::new(),
    )
}

fn profiled(request: Request, profile: Profiling) -> (Run, Vec<Call>) {
    let mut target = FakeTarget { holds_whole: true, ..FakeTarget::default() };
    let run = run(Request { profile: Some(profile), ..request }, &mut target, &mut |_| {});
    (run, target.calls)
}

fn plain(request: Request) -> (Run, Vec<Call>) {
    let mut target = FakeTarget { holds_whole: true, ..FakeTarget::default() };
    let run = run(request, &mut target, &mut |_| {});
    (run, target.calls)
}

/// Every way over the depths.
fn ways() -> Vec<Request> {
    let pairs = vec![Group { n_prompt: 4, n_gen: 2 }];
    let several = Request { pairs, depths: vec![0, 32, 64], ..request() };
    let with = |method, order| Request { method, order, ..several.clone() };
    vec![
        with(Method::Rewind, Order::Blocks),
        with(Method::Rewind, Order::Rounds),
        with(Method::FreshContext, Order::Auto),
        Request { parallel: vec![1, 3], ..with(Method::Rewind, Order::Blocks) },
    ]
}

#[test]
fn every_cell_is_profiled_whatever_the_way_over_the_depths() {
    for asked in ways() {
        let (run, _) = profiled(asked, Profiling::default());
        for cell in &run.cells {
            let profile = cell.measured().unwrap().profile.as_ref().expect("a profile");
            assert!((4..=10).contains(&profile.plain_ns.len()), "{}", cell.test);
            assert_eq!(profile.operations.is_some(), cell.test.kind.is_prompt(), "{}", cell.test);
            assert_eq!(profile.stop_ns, 20_000, "{}: what a stop of the fake costs", cell.test);
        }
    }
}

#[test]
fn samples_are_as_without_profiles() {
    for asked in ways() {
        let (without, with) = (plain(asked.clone()).0, profiled(asked, Profiling::default()).0);
        for (without, with) in without.cells.iter().zip(&with.cells) {
            let samples = |cell: &crate::record::Cell| {
                let samples = &cell.measured().unwrap().samples;
                samples.iter().map(|sample| (sample.elapsed, sample.steps.clone())).collect::<Vec<_>>()
            };
            assert_eq!(samples(without), samples(with), "{}", with.test);
        }
    }
}

#[test]
fn what_is_decoded_before_the_first_profile_is_what_is_decoded_without() {
    let one = Request { depths: vec![32], ..request() };
    let rounds = Request { order: Order::Rounds, depths: vec![0, 32, 64], ..request() };
    for asked in [one.clone(), rounds, Request { method: Method::FreshContext, ..one }] {
        let (_, without) = plain(asked.clone());
        let (_, with) = profiled(asked.clone(), Profiling::default());
        // A fresh context per test has the profile of the first test before the second.
        let first_generation = without.iter().position(|call| call.work == Work::Decode);
        let n_same = match asked.method {
            Method::FreshContext => first_generation.unwrap(),
            Method::Rewind => without.len(),
        };
        assert!(with.len() > without.len() + 20);
        assert_eq!(with[..n_same], without[..n_same]);
    }
}

#[test]
fn attention_is_what_grows_with_the_depth() {
    let asked = Request { depths: vec![256, 1024], ..request() };
    let (run, _) = profiled(asked, Profiling::default());
    let of = |cell: usize, kind| run.cells[cell].measured().unwrap().profile.as_ref().unwrap().of(kind);
    // Eight tokens: 1 µs of attention for each token of the depth, 1 ms for all else, half of it the output.
    assert_eq!(of(0, BlockKind::Attention), Some(8 * 256_000));
    assert_eq!(of(2, BlockKind::Attention), Some(8 * 1_024_000));
    assert_eq!([0, 2].map(|cell| of(cell, BlockKind::FeedForward)), [Some(4_000_000); 2]);
    assert_eq!([0, 2].map(|cell| of(cell, BlockKind::Output)), [Some(4_000_000); 2]);
}

#[test]
fn a_generation_is_profiled_over_a_few_tokens() {
    let asked = Request { prompts: vec![], generations: vec![4, 100], depths: vec![0], ..request() };
    let (run, _) = profiled(asked, Profiling { layers: true, ..Profiling::default() });
    let n_tokens = |cell: usize| run.cells[cell].measured().unwrap().profile.as_ref().unwrap().n_tokens;
    assert_eq!((n_tokens(0), n_tokens(1)), (4, 8));
    let profile = run.cells[0].measured().unwrap().profile.as_ref().unwrap();
    assert_eq!(profile.n_stops, 4 * 5);
    let layers: Vec<_> = profile.blocks.iter().map(|block| block.layer).collect();
    assert_eq!(layers, [Some(0), Some(0), Some(1), Some(1), None]);
}

#[test]
fn traces_are_sent_to_the_observer_and_a_target_that_cannot_be_traced_is_measured() {
    let profile = Some(Profiling { trace: true, ..Profiling::default() });
    let (mut traced, mut unknown) = (Vec::new(), 0);
    let mut observer = |event: &Event<'_>| match event {
        Event::Traced { test, stops } => traced.push((test.to_string(), stops.len())),
        Event::ProfileUnknown { .. } => unknown += 1,
        _ => {}
    };
    let asked = Request { depths: vec![0], profile, ..request() };
    let measured = run(asked.clone(), &mut FakeTarget::default(), &mut observer);
    assert!(measured.cells.iter().all(|cell| cell.measured().unwrap().profile.is_some()));
    let mut target = FakeTarget::default();
    target.tracer.is_broken = true;
    let without = run(asked, &mut target, &mut observer);
    assert_eq!(without.cells.iter().filter(|cell| cell.measured().unwrap().profile.is_none()).count(), 2);
    assert_eq!(traced, [("pp8".into(), 5), ("tg4".into(), 20)]);
    assert_eq!(unknown, 2);
    assert!(without.header.timing.timed.unwrap() > Duration::ZERO);
}
