//! Which chunks of the fill count as samples of the speed at their depth.

use std::time::Duration;

use super::{
    Cancel, Event, Order, Request,
    engine::{Engine, run_interleaved},
    fake::{FakeClock, FakeTarget},
    plan::tests::request,
};
use crate::record::{CurvePoint, Header, Method, Run};

const N_BATCH: u32 = 1024;

/// The first decode of a whole batch takes a second longer than all others of that length.
fn target(clock: &FakeClock) -> FakeTarget {
    FakeTarget {
        clock: clock.clone(),
        n_batch: Some(N_BATCH),
        cold_long: Duration::from_secs(1),
        holds_whole: true,
        ..FakeTarget::default()
    }
}

/// The time of a chunk in the fake once everything is warm.
fn warm(point: &CurvePoint) -> Duration {
    let n = u64::from(point.n_tokens);
    Duration::from_millis(n) + Duration::from_micros(n * u64::from(point.n_depth))
}

fn assert_samples_are_warm(run: &Run, what: &str) {
    let samples: Vec<&CurvePoint> = run.curve.iter().filter(|point| !point.warmup).collect();
    for point in &samples {
        assert_eq!(point.elapsed, warm(point), "{what}: the chunk at {} is kept as a sample", point.n_depth);
    }
    assert!(!samples.is_empty(), "{what}: all of {} chunks are marked", run.curve.len());
}

#[test]
fn a_long_chunk_that_was_a_warm_up_is_no_sample() {
    let depths = vec![0, 4096];
    for (method, order) in [
        (Method::Rewind, Order::Blocks),
        (Method::Rewind, Order::Rounds),
        (Method::FreshContext, Order::Blocks),
    ] {
        // Prompts as long as a batch, shorter, longer, and none at all.
        for prompts in [vec![N_BATCH], vec![512], vec![600], vec![2 * N_BATCH], vec![]] {
            for warmup in [true, false] {
                let what = format!("{method:?} {order:?} {prompts:?} {warmup}");
                let (prompts, depths) = (prompts.clone(), depths.clone());
                let plan = Request { prompts, depths, warmup, method, order, ..request() }.plan().unwrap();
                let clock = FakeClock::default();
                let mut target = target(&clock);
                let mut silent = |_: &Event<'_>| {};
                let run =
                    super::run(&plan, &mut target, &clock, Header::default(), &mut silent, &Cancel::new());
                assert_samples_are_warm(&run, &what);
            }
        }
    }
}

#[test]
fn lanes_mark_their_own_cold_chunks() {
    let plan = Request { prompts: vec![N_BATCH], depths: vec![4096], ..request() }.plan().unwrap();
    let clock = FakeClock::default();
    let mut targets = [0, 1].map(|_| target(&clock));
    let cancel = Cancel::new();
    let mut silent = [0, 1].map(|_| |_: &Event<'_>| {});
    let engines = targets
        .iter_mut()
        .zip(&mut silent)
        .map(|(target, observer)| Engine::new(target, &clock, &plan, Header::default(), observer, &cancel))
        .collect();
    for run in run_interleaved(engines) {
        assert_samples_are_warm(&run, "interleaved");
    }
}
