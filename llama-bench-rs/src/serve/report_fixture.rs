//! Served loads made by hand.

use std::time::Duration;

use super::{
    Arrivals, LoadRecord, Policy, Repetition, RequestRecord, ServeRun, ServeSettings, ServedRepetition,
    StepRecord, Workload,
};
use crate::record::{Failure, Header};

/// One millisecond.
pub(super) const MS: Duration = Duration::from_millis(1);

/// A request that arrives at 0, is submitted after `queue` ms, and has its tokens after `ttft` ms and these gaps.
pub(super) fn request(queue: u32, ttft: u32, gaps: &[u32]) -> RequestRecord {
    let gaps: Vec<Duration> = gaps.iter().map(|&gap| gap * MS).collect();
    let (first, n_gen) = (ttft * MS, 1 + gaps.len() as u32);
    RequestRecord {
        n_prompt: 10,
        n_gen,
        slot: Some(0),
        start: Some(queue * MS),
        first_token: Some(first),
        end: Some(first + gaps.iter().sum::<Duration>()),
        gaps,
        ..RequestRecord::default()
    }
}

/// A repetition that takes as long as its last request, with one decode all the time.
pub(super) fn served(requests: Vec<RequestRecord>) -> Repetition {
    let requests: Vec<RequestRecord> = (0..).zip(requests).map(|(id, r)| RequestRecord { id, ..r }).collect();
    let wall = requests.iter().filter_map(|request| request.end).max().unwrap_or_default();
    let n_prompt = requests.iter().map(|request| request.n_prompt - request.n_reused).sum();
    let step = StepRecord { elapsed: wall, n_prompt, n_gen: 2, ..StepRecord::default() };
    Repetition { n_requests: requests.len() as u32, requests, steps: vec![step], wall, cut_short: None }
}

/// A load with these repetitions, numbered from 0.
pub(super) fn load(arrivals: Arrivals, repetitions: Vec<Repetition>) -> LoadRecord {
    let numbered = (0..).zip(repetitions);
    let repetitions = numbered
        .map(|(rep, served)| ServedRepetition { rep, served, ..ServedRepetition::default() })
        .collect();
    LoadRecord { repetitions, ..LoadRecord::new(arrivals, 1, 256) }
}

/// The same repetition, ended early.
pub(super) fn cut(served: Repetition) -> Repetition {
    Repetition { cut_short: Some(Failure::new("cancelled", "stopped")), ..served }
}

/// A run with these loads.
pub(super) fn run(name: &str, loads: Vec<LoadRecord>) -> ServeRun {
    ServeRun {
        name: name.into(),
        header: Header::default(),
        settings: ServeSettings {
            policy: Policy::default(),
            workload: Workload::default(),
            n_reps: 3,
            warmup: true,
            slo: None,
            search: None,
        },
        loads,
        capacity: None,
    }
}
