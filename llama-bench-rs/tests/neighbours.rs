//! A sweep in an application's process: the system's counts of its repetitions, and that only one sweep measures at a time.
#![allow(missing_docs)]

mod llama_support;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

use llama_bench_rs::{
    bench::{Cancel, Event, Sweep, interleave},
    llama::Model,
    record::{Report, Sample},
};
use llama_support::{params, tiny};

fn small(model: &Model) -> Sweep<'_> {
    Sweep::new(model).prompt(8).repetitions(1).context(params(512))
}

fn samples(report: &Report) -> Vec<&Sample> {
    report.cells().filter_map(|(_, cell)| cell.measured()).flat_map(|measured| &measured.samples).collect()
}

#[cfg(target_os = "linux")]
#[test]
fn linux_tells_of_every_repetition_and_of_the_memory() {
    let model = tiny("tiny-llama");
    let sweep = Sweep::new(&model).depths([0, 32]).prompt(16).generate(4).repetitions(3).context(params(512));
    let report = sweep.calibrated(true).run().unwrap();
    let samples = samples(&report);
    assert_eq!(samples.len(), 12);
    for sample in samples {
        let disturbance = sample.disturbance.expect("Linux tells the time of a thread");
        assert_eq!(disturbance.n_threads, Some(1));
        assert!(disturbance.on_core.is_some_and(|time| !time.is_zero()), "{disturbance:?}");
        assert!(disturbance.calibration_on_core.is_some_and(|time| !time.is_zero()), "{disturbance:?}");
        assert!(sample.time_on_core().is_some_and(|time| time <= sample.elapsed), "{disturbance:?}");
    }
    let placement = report.runs[0].header.placement;
    if std::path::Path::new("/proc/self/smaps_rollup").exists() {
        assert!(placement.unwrap().anonymous.is_some_and(|bytes| bytes > 0), "{placement:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn several_threads_are_watched_as_well() {
    let model = tiny("tiny-llama");
    let context = params(512).n_threads(2).n_threads_batch(2);
    let report = Sweep::new(&model).prompt(16).generate(4).repetitions(2).context(context).run().unwrap();
    for sample in samples(&report) {
        let disturbance = sample.disturbance.unwrap();
        assert_eq!((disturbance.n_threads, disturbance.n_instructions), (Some(2), None));
        assert_eq!(sample.time_on_core(), None, "one thread's time is not that of two");
    }
}

#[test]
fn sweeps_of_several_threads_never_overlap() {
    let model = tiny("tiny-llama");
    let n_measuring = AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut observe = |event: &Event<'_>| match event {
                    Event::Planned { .. } => assert_eq!(n_measuring.fetch_add(1, Ordering::SeqCst), 0),
                    // The last thing that happens.
                    Event::CellDone { .. } => assert_eq!(n_measuring.fetch_sub(1, Ordering::SeqCst), 1),
                    _ => {}
                };
                let sweep = Sweep::new(&model).prompt(8).repetitions(2).context(params(512));
                sweep.observer(&mut observe).run().unwrap();
            });
        }
    });
}

#[test]
fn a_sweep_inside_an_observer_does_not_wait_for_the_one_around_it() {
    let model = tiny("tiny-llama");
    let mut n_inner = 0;
    let mut observe = |event: &Event<'_>| {
        if let Event::CellDone { .. } = event {
            n_inner += small(&model).run().unwrap().runs.len();
            n_inner += interleave(vec![small(&model), small(&model)]).unwrap().runs.len();
        }
    };
    small(&model).observer(&mut observe).run().unwrap();
    assert_eq!(n_inner, 3);
}

#[test]
fn a_panic_or_a_request_to_stop_leaves_the_machine_to_others() {
    let model = tiny("tiny-llama");
    let mut observe = |event: &Event<'_>| {
        if let Event::Planned { .. } = event {
            panic!("an observer's own");
        }
    };
    assert!(catch_unwind(AssertUnwindSafe(|| small(&model).observer(&mut observe).run())).is_err());
    let cancel = Cancel::new();
    cancel.cancel();
    let cancelled = small(&model).cancel(cancel).run().unwrap();
    assert_eq!(cancelled.runs[0].cells[0].failure().unwrap().kind, "cancelled");
    // In another thread: this one would be let through if it still had its turn.
    let report = thread::scope(|scope| scope.spawn(|| small(&model).run().unwrap()).join().unwrap());
    assert!(report.is_complete());
}
