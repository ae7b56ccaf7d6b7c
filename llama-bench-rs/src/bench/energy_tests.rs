//! Which regions of a run are metered, and what of it is kept.

use std::time::Duration;

use crate::{
    bench::{Cancel, Event, Order, Plan, Request, engine::Engine, fake::FakeTarget, plan::tests::request},
    record::{Header, Meter, Metering, Method, Run},
};

fn target() -> FakeTarget {
    let meter = Meter {
        name: "CUDA1".into(),
        is_counted: true,
        update_ns: Some(10_000),
        idle_uw: Some(50_000_000),
        ..Meter::default()
    };
    let metering = Metering { meters: vec![meter], ..Metering::default() };
    FakeTarget { metering: Some(metering), ..FakeTarget::default() }
}

fn run(plan: &Plan, target: &mut FakeTarget) -> Run {
    let clock = target.clock.clone();
    crate::bench::run(plan, target, &clock, Header::default(), &mut |_: &Event<'_>| {}, &Cancel::new())
}

#[test]
fn every_repetition_is_metered_and_nothing_else() {
    for (method, order) in [
        (Method::Rewind, Order::Blocks),
        (Method::Rewind, Order::Rounds),
        (Method::FreshContext, Order::Auto),
    ] {
        let plan = Request { method, order, depths: vec![0, 32], ..request() }.plan().unwrap();
        let mut target = FakeTarget { holds_whole: true, ..target() };
        let run = run(&plan, &mut target);
        assert_eq!(target.n_metering, 1, "{method:?}: the idle draw is measured once");
        assert_eq!(run.header.metering, target.metering);
        for cell in &run.cells {
            let measured = cell.measured().unwrap();
            for sample in &measured.samples {
                let [counted] = &sample.energy[..] else { panic!("{sample:?}") };
                assert_eq!(u128::from(counted.ns), sample.elapsed.as_nanos());
            }
            assert!(measured.live.iter().all(|live| live.energy.is_empty()));
            let [gpu] = &measured.conditions[..] else { panic!("{:?}", measured.conditions) };
            let timed: Duration = measured.samples.iter().map(|sample| sample.elapsed).sum();
            assert_eq!(gpu.watched_ns.map(u128::from), Some(timed.as_nanos()));
            assert_eq!(gpu.pcie_rx_bytes, Some(7 * measured.samples.len() as u64));
            let energy = run.header.energy_of(cell).unwrap().unwrap();
            assert!((energy.watts() / 100.0 - 1.0).abs() < 0.05, "{energy:?}");
            assert_eq!(energy.meters, ["CUDA1"]);
        }
    }
}

#[test]
fn energy_can_be_left_out() {
    let plan = Request { energy: false, ..request() }.plan().unwrap();
    let mut target = target();
    let run = run(&plan, &mut target);
    assert_eq!((target.n_metering, &run.header.metering), (0, &None));
    for cell in &run.cells {
        assert!(cell.measured().unwrap().samples.iter().all(|sample| sample.energy.is_empty()));
        assert_eq!(run.header.energy_of(cell), None);
    }
}

#[test]
fn a_complete_run_that_is_resumed_keeps_its_energy() {
    let plan = request().plan().unwrap();
    let first = run(&plan, &mut target());
    let mut target = target();
    let clock = target.clock.clone();
    let cancel = Cancel::new();
    let mut observer = |_: &Event<'_>| {};
    let mut engine = Engine::new(&mut target, &clock, &plan, Header::default(), &mut observer, &cancel);
    engine.resume(&first);
    let resumed = engine.run();
    assert_eq!(target.n_metering, 0, "no context was made");
    for (cell, before) in resumed.cells.iter().zip(&first.cells) {
        assert_eq!(resumed.header.energy_of(cell), first.header.energy_of(before));
    }
}
