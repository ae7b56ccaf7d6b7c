//! A report of serving by hand, for tests of files and pictures.

use std::time::Duration;

use super::{
    Arrivals, LoadRecord, Policy, Repetition, RequestRecord, ServeReport, ServeRun, ServeSettings,
    ServedRepetition, StepRecord, Workload,
};
use crate::record::{Failure, Header};

const MS: Duration = Duration::from_millis(1);

/// A repetition of so many requests, one after the other, each with its first token after `ttft` ms and three more at
/// intervals of 10 ms.
pub(super) fn repetition(rep: u32, n_requests: u32, ttft: u32) -> ServedRepetition {
    let each = (ttft + 30) * MS;
    let requests = (0..n_requests).map(|id| {
        let arrival = each * id;
        RequestRecord {
            id,
            user: Some(0),
            n_prompt: 16,
            n_gen: 4,
            arrival,
            slot: Some(0),
            start: Some(arrival),
            first_token: Some(arrival + ttft * MS),
            gaps: vec![10 * MS; 3],
            end: Some(arrival + each),
            ..RequestRecord::default()
        }
    });
    let step = StepRecord { elapsed: ttft * MS, n_prompt: 16, n_running: 1, ..StepRecord::default() };
    ServedRepetition {
        rep,
        started_at: "2026-11-26T12:00:00Z".into(),
        served: Repetition {
            n_requests,
            requests: requests.collect(),
            steps: vec![step; n_requests as usize],
            wall: each * n_requests,
            ..Repetition::default()
        },
        ..ServedRepetition::default()
    }
}

/// A load with three repetitions of 40 requests whose first tokens come after about `ttft` ms.
pub(super) fn load(users: u32, ttft: u32) -> LoadRecord {
    let mut load = LoadRecord::new(Arrivals::users(users), users, 64);
    load.repetitions = (0..3).map(|rep| repetition(rep, 40, ttft + rep)).collect();
    load
}

/// One configuration: one user, two users, and four users that do not fit.
pub(super) fn report() -> ServeReport {
    let mut header = Header::default();
    header.model.description = "tiny 1M F32".into();
    header.config.n_ubatch = Some(512);
    let mut failed = LoadRecord::new(Arrivals::users(4), 4, 64);
    failed.failure = Some(Failure::new("out_of_memory", "the context needs 9 GiB, 1 GiB is free"));
    let settings = ServeSettings {
        policy: Policy::default(),
        workload: Workload::default(),
        n_reps: 3,
        warmup: true,
        slo: "ttft=1s,itl=100ms".parse().ok(),
        search: None,
    };
    let run = ServeRun {
        name: String::new(),
        header,
        settings,
        loads: vec![load(1, 20), load(2, 40), failed],
        capacity: None,
    };
    ServeReport { runs: vec![run] }
}
