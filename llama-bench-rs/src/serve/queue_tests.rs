//! Waiting times that are known by arithmetic.

use std::time::Duration;

use super::{
    Arrivals, Distribution, Lengths, List, Policy, RequestRecord, Times, Workload,
    fake::{FakeServer, MS},
};

/// Linear between the order statistics, as everywhere in this crate.
fn quantile(sorted: &[f64], p: f64) -> f64 {
    let position = (sorted.len() - 1) as f64 * p;
    let (below, above) = (sorted[position.floor() as usize], sorted[position.ceil() as usize]);
    below + (above - below) * position.fract()
}

/// One slot, requests of one step of `service` each, Poisson arrivals: M/D/1. Service times that each request waited,
/// ascending, of several queues: long waits come in clusters, and each queue has its own.
fn waits_at_one_slot(load: f64, service: Duration) -> Vec<f64> {
    let policy = Policy::default().n_parallel(1);
    let arrivals = Arrivals::Open { rate: load / service.as_secs_f64() };
    let workload =
        Workload::default().n_requests(20_000).prompts(Lengths::Fixed(1)).generations(Lengths::Fixed(1));
    let mut waits = Vec::new();
    for seed in 0..10 {
        let mut server = FakeServer::new(policy).step_time(move |_| service);
        server.remembers = false;
        let repetition = server.serve(policy, &workload.clone().seed(seed), &arrivals);
        let queueing = repetition.requests.iter().filter_map(RequestRecord::queueing);
        waits.extend(queueing.map(|wait| wait.as_secs_f64() / service.as_secs_f64()));
    }
    waits.sort_by(f64::total_cmp);
    waits
}

/// The probability that a request of an M/D/1 queue waits at most `t` service times (Erlang 1909).
fn waits_at_most(load: f64, t: f64) -> f64 {
    let mut sum = 0.0;
    let mut factorial = 1.0;
    for k in 0..=(t as u32) {
        let x = load * (f64::from(k) - t);
        factorial *= f64::from(k.max(1));
        sum += x.powi(k as i32) / factorial * (-x).exp();
    }
    (1.0 - load) * sum
}

#[test]
fn poisson_arrivals_at_one_slot_wait_as_queueing_theory_says() {
    for load in [0.3, 0.5] {
        let waits = waits_at_one_slot(load, 10 * MS);
        assert_eq!(waits.len(), 200_000);
        let mean = waits.iter().sum::<f64>() / waits.len() as f64;
        let expected = load / (2.0 * (1.0 - load));
        assert!((mean / expected - 1.0).abs() < 0.03, "load {load}: mean {mean}, not {expected}");
        // A percentile off by a tenth of a service time is found: at a load of 0.5 the tail falls by an eighth in that.
        for p in [0.9, 0.95, 0.99] {
            let t = quantile(&waits, p);
            let share = waits_at_most(load, t);
            assert!((share - p).abs() < 0.12 * (1.0 - p), "load {load}: p{p} is {t}, which is {share}");
        }
    }
}

#[test]
fn a_made_up_service_has_the_percentiles_of_its_arithmetic() {
    // One user, and a prompt of n tokens takes n ms: times to the first token are 1 ms to 100 ms.
    let policy = Policy::default().n_parallel(1).reuse_prefix(false);
    let prompts = Distribution::List(List { values: (1..=100).collect(), file: None });
    let workload = Workload::default().n_requests(100).prompts(prompts).generations(Lengths::Fixed(2));
    let mut server = FakeServer::new(policy).step_time(|rows| rows.len() as u32 * MS);
    let repetition = server.serve(policy, &workload, &Arrivals::users(1));
    let ttft: Vec<f64> =
        repetition.requests.iter().map(|request| request.ttft().unwrap().as_secs_f64() * 1e3).collect();
    for (p, expected) in [(0.5, 50.5), (0.9, 90.1), (0.99, 99.01)] {
        let got = quantile(&ttft, p);
        assert!((got - expected).abs() < 1e-9, "p{p}: {got}");
    }
    assert!(repetition.requests.iter().all(|request| request.gaps == [MS]));
    assert_eq!(repetition.wall, (5050 + 100) * MS);
}

#[test]
fn users_beyond_the_slots_wait_for_a_whole_answer() {
    // 4 slots, answers of 10 steps of 10 ms, 8 users who do not think: each waits for the 4 before it.
    let policy = Policy::default();
    let workload =
        Workload::default().n_requests(80).prompts(Lengths::Fixed(1)).generations(Lengths::Fixed(10));
    let mut server = FakeServer::new(policy);
    let repetition = server.serve(policy, &workload, &Arrivals::users(8));
    for (index, request) in repetition.requests.iter().enumerate() {
        let queueing = if index < 4 { Duration::ZERO } else { 100 * MS };
        assert_eq!((request.queueing(), request.ttft()), (Some(queueing), Some(queueing + 10 * MS)));
        assert_eq!(request.total(), Some(queueing + 100 * MS));
    }
    // 800 tokens, 4 with each step.
    assert_eq!((repetition.n_generated(), repetition.steps.len(), repetition.wall), (800, 200, 2000 * MS));
    assert!(repetition.steps.iter().all(|step| (step.n_running, step.n_prompt + step.n_gen) == (4, 4)));
}

#[test]
fn thinking_users_load_a_server_by_half() {
    // Answers take 100 ms, and a user thinks as long: one user of one slot keeps it busy for half of the time.
    let policy = Policy::default().n_parallel(1);
    let workload =
        Workload::default().n_requests(50).prompts(Lengths::Fixed(1)).generations(Lengths::Fixed(10));
    let arrivals = Arrivals::Closed { users: 1, think: Times::Fixed(100 * MS) };
    let repetition = FakeServer::new(policy).serve(policy, &workload, &arrivals);
    let busy: Duration = repetition.steps.iter().map(|step| step.elapsed).sum();
    let begin = repetition.requests[0].arrival;
    assert_eq!(busy, 50 * 100 * MS);
    assert_eq!(repetition.wall - begin, (50 + 49) * 100 * MS);
}
