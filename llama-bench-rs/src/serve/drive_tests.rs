//! The loop around the scheduler: failures, interruptions, and what it costs.

use std::{cell::RefCell, collections::HashSet};

use super::{
    Arrivals, Lengths, Policy, Progress, Repetition, Row, Scheduler, Server, Times, Workload, drive,
    fake::{FakeClock, FakeServer, MS, VOCABULARY},
};
use crate::{bench::Cancel, record::Failure};

fn workload() -> Workload {
    Workload::default().n_requests(20).prompts(Lengths::Fixed(5)).generations(Lengths::Fixed(4))
}

fn scheduler(policy: Policy) -> Scheduler {
    Scheduler::new(policy, &workload(), &Arrivals::users(6), VOCABULARY).unwrap()
}

/// 4 requests are complete, 4 were in slots, and 2 waited.
fn is_cut_short_in_the_second_round(repetition: &Repetition, kind: &str) {
    let cut_short = repetition.cut_short.as_ref().unwrap();
    assert!(cut_short.kind == kind, "{cut_short:?}");
    let failed: Vec<Option<&Failure>> =
        repetition.requests.iter().map(|request| request.failure.as_ref()).collect();
    assert_eq!(failed[..4], [None; 4]);
    assert_eq!(failed[4..8], [Some(cut_short); 4]);
    assert_eq!(failed[8..], [None; 2]);
    assert_eq!(repetition.complete().count(), 4);
    assert!(repetition.requests[8..].iter().all(|request| request.slot.is_none() && request.start.is_none()));
    assert_eq!(repetition.n_requests, 20);
}

#[test]
fn a_failed_decode_ends_the_repetition_and_keeps_what_was_measured() {
    let policy = Policy::default();
    let mut server = FakeServer::new(policy);
    server.fails_at = Some(5);
    let repetition = server.serve(policy, &workload(), &Arrivals::users(6));
    is_cut_short_in_the_second_round(&repetition, "decode");
    assert_eq!(repetition.cut_short.as_ref().unwrap().message, "decode failed: 2");
    // 4 steps of the first round, one of the second; the failed one is not a sample.
    assert_eq!((repetition.steps.len(), repetition.wall), (5, 60 * MS));
    let last = &repetition.requests[7];
    assert_eq!((last.n_generated(), last.is_complete(), last.total()), (1, false, None));
}

/// Panics, or fails to keep, at the second request of a slot.
struct Broken(FakeServer, fn() -> Failure);

impl Server for Broken {
    fn keep(&mut self, slot: u32, n_tokens: u32) -> Result<u32, Failure> {
        if self.0.slots[slot as usize].is_empty() { self.0.keep(slot, n_tokens) } else { Err((self.1)()) }
    }

    fn decode(&mut self, rows: &[Row]) -> Result<(), Failure> {
        self.0.decode(rows)
    }
}

#[test]
fn a_memory_that_fails_and_a_panic_end_it_alike() {
    let policy = Policy::default();
    let lost: fn() -> Failure = || Failure::new("state", "lost");
    for (kind, failure) in [("state", lost), ("panic", || panic!("at the memory"))] {
        let mut server = Broken(FakeServer::new(policy), failure);
        let clock = server.0.clock.clone();
        let repetition = drive(scheduler(policy), &mut server, &clock, &Cancel::new(), &mut |_| {});
        is_cut_short_in_the_second_round(&repetition, kind);
        assert_eq!(repetition.steps.len(), 4);
        if kind == "panic" {
            assert_eq!(repetition.cut_short.unwrap().message, "the server panicked: at the memory");
        }
    }
}

#[test]
fn cancelling_keeps_what_was_measured() {
    let policy = Policy::default();
    let mut server = FakeServer::new(policy);
    let (clock, cancel) = (server.clock.clone(), Cancel::new());
    let mut n_steps = 0;
    let mut observer = |progress: &Progress| {
        n_steps += 1;
        if n_steps == 5 {
            assert_eq!((progress.n_complete, progress.n_running, progress.n_waiting), (4, 4, 2));
            assert_eq!((progress.n_arrived, progress.n_requests, progress.n_generated), (10, 20, 20));
            cancel.cancel();
        }
    };
    let repetition = drive(scheduler(policy), &mut server, &clock, &cancel, &mut observer);
    is_cut_short_in_the_second_round(&repetition, "cancelled");
    assert_eq!(repetition.steps.len(), 5);
}

#[test]
fn a_repetition_that_is_cancelled_after_its_last_token_is_complete() {
    let policy = Policy::default();
    let mut server = FakeServer::new(policy);
    let (clock, cancel) = (server.clock.clone(), Cancel::new());
    let mut observer = |progress: &Progress| {
        if progress.n_complete == progress.n_requests {
            cancel.cancel();
        }
    };
    let repetition = drive(scheduler(policy), &mut server, &clock, &cancel, &mut observer);
    assert!(cancel.is_cancelled());
    assert_eq!((repetition.complete().count(), repetition.cut_short), (20, None));
}

/// Cancels in its tenth wait.
struct Impatient(FakeClock, Cancel, RefCell<u32>);

impl crate::bench::clock::Clock for Impatient {
    fn now(&self) -> std::time::Duration {
        self.0.now()
    }

    fn wait(&self, duration: std::time::Duration) {
        *self.2.borrow_mut() += 1;
        if *self.2.borrow() == 10 {
            self.1.cancel();
        }
        self.0.advance(duration);
    }

    fn utc(&self) -> Option<std::time::Duration> {
        None
    }
}

#[test]
fn somebody_who_cancels_need_not_wait_for_the_next_request() {
    let policy = Policy::default();
    let mut server = FakeServer::new(policy);
    let cancel = Cancel::new();
    let clock = Impatient(server.clock.clone(), cancel.clone(), RefCell::default());
    let think = Times::Fixed(3_600_000 * MS);
    let arrivals = Arrivals::Closed { users: 1, think };
    let scheduler = Scheduler::new(policy, &workload(), &arrivals, VOCABULARY).unwrap();
    let repetition = drive(scheduler, &mut server, &clock, &cancel, &mut |_| {});
    assert!(repetition.wall <= 1000 * MS, "{:?}", repetition.wall);
    assert_eq!((repetition.requests.len(), repetition.cut_short.unwrap().kind.as_str()), (0, "cancelled"));
}

/// Does nothing, and remembers where the rows lie.
#[derive(Default)]
struct Nothing {
    places: HashSet<*const Row>,
    n_keeps: usize,
    n_decodes: usize,
    n_rows: usize,
}

impl Server for Nothing {
    fn keep(&mut self, _slot: u32, n_tokens: u32) -> Result<u32, Failure> {
        self.n_keeps += 1;
        Ok(n_tokens)
    }

    fn decode(&mut self, rows: &[Row]) -> Result<(), Failure> {
        self.places.insert(rows.as_ptr());
        self.n_decodes += 1;
        self.n_rows += rows.len();
        Ok(())
    }
}

#[test]
fn a_step_costs_two_readings_of_the_clock_and_no_memory() {
    let policy = Policy::default().n_parallel(32).reuse_prefix(false);
    let workload =
        Workload::default().n_requests(64).prompts(Lengths::Fixed(100)).generations(Lengths::Fixed(500));
    let scheduler = Scheduler::new(policy, &workload, &Arrivals::users(32), VOCABULARY).unwrap();
    let (mut server, clock) = (Nothing::default(), FakeClock::default());
    let repetition = drive(scheduler, &mut server, &clock, &Cancel::new(), &mut |_| {});
    assert_eq!(repetition.complete().count(), 64);
    assert_eq!(server.places.len(), 1, "the rows of all steps lie in the same memory");
    // A new request costs one call of the server; every token is submitted once.
    assert_eq!(server.n_keeps, 64);
    assert_eq!(server.n_rows, 64 * (100 + 499));
    assert_eq!(server.n_decodes, repetition.steps.len());
    // The begin, one reading each before a step or a new request, one after a step, and one that finds nothing left.
    assert_eq!(clock.n_reads(), 1 + 64 + 2 * server.n_decodes + 1);
    // Times between tokens have their room from the first token on.
    assert!(repetition.requests.iter().all(|request| request.gaps.capacity() == 499));
}
