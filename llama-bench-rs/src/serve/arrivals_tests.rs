//! Users who think, and Poisson arrivals.

use std::{collections::HashMap, time::Duration};

use super::{
    Action, Arrivals, Lengths, Policy, Repetition, Scheduler, Times, Workload,
    fake::{FakeServer, MS, VOCABULARY},
};

/// Requests that are nothing but a step.
fn short(n_requests: u32) -> Workload {
    Workload::default().n_requests(n_requests).prompts(Lengths::Fixed(1)).generations(Lengths::Fixed(1))
}

#[test]
fn an_open_loop_arrives_at_its_rate_whatever_the_server_does() {
    let policy = Policy::default();
    let arrivals = Arrivals::Open { rate: 5.0 };
    let run = |step: Duration| {
        let mut server = FakeServer::new(policy).step_time(move |_| step);
        server.serve(policy, &short(10_000), &arrivals)
    };
    let (fast, slow) = (run(MS), run(2000 * MS));
    let times = |repetition: &Repetition| -> Vec<Duration> {
        repetition.requests.iter().map(|request| request.arrival).collect()
    };
    assert_eq!(times(&fast), times(&slow));
    let seconds: Vec<f64> = times(&fast).iter().map(Duration::as_secs_f64).collect();
    let gaps: Vec<f64> = seconds.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let n = gaps.len() as f64;
    let mean = gaps.iter().sum::<f64>() / n;
    // The mean of 10000 exponential gaps of 0.2 s has a standard error of 0.002 s.
    assert!((mean - 0.2).abs() < 0.008, "{mean}");
    let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / n;
    assert!((variance / 0.04 - 1.0).abs() < 0.08, "{variance}");
    // Memoryless: as many gaps over the mean as exp(-1) says, and independent of their neighbours.
    let over = gaps.iter().filter(|gap| **gap > 0.2).count() as f64 / n;
    assert!((over - (-1.0f64).exp()).abs() < 0.02, "{over}");
    let product = gaps.windows(2).map(|pair| (pair[0] - mean) * (pair[1] - mean)).sum::<f64>() / n;
    assert!((product / variance).abs() < 0.04, "{}", product / variance);
    assert!(fast.requests.iter().all(|request| request.user.is_none()));
    // 5 requests/s of 2 s each, four at a time: the queue grows.
    assert!(slow.requests[9999].queueing() > Some(1000 * 1000 * MS));
}

#[test]
fn users_wait_for_their_answer_then_think_then_ask() {
    let policy = Policy::default().n_parallel(2);
    let think = 30 * MS;
    let arrivals = Arrivals::Closed { users: 3, think: Times::Fixed(think) };
    let mut server = FakeServer::new(policy);
    let repetition = server.serve(policy, &short(30).generations(Lengths::Fixed(4)), &arrivals);
    let mut ends = HashMap::new();
    for request in &repetition.requests {
        match ends.insert(request.user.unwrap(), request.end.unwrap()) {
            Some(last) => assert_eq!(request.arrival, last + think),
            None => assert!(request.arrival <= think, "a share of the think time"),
        }
    }
    assert_eq!(ends.len(), 3);
    assert!(repetition.requests.iter().any(|request| request.queueing() > Some(Duration::ZERO)));
}

#[test]
fn no_more_requests_are_in_flight_than_there_are_users() {
    let policy = Policy::default().n_parallel(8);
    let mut server = FakeServer::new(policy);
    let workload = short(50).generations(Lengths::Uniform { least: 1, most: 9 });
    let repetition = server.serve(policy, &workload, &Arrivals::users(3));
    assert!(repetition.steps.iter().all(|step| step.n_running + step.n_waiting <= 3));
    assert!(repetition.steps.iter().any(|step| step.n_running == 3));
    // More users than requests: each request once.
    let repetition = FakeServer::new(policy).serve(policy, &short(5), &Arrivals::users(1000));
    assert_eq!(repetition.requests.len(), 5);
}

#[test]
fn a_request_keeps_its_think_time_in_every_load() {
    let policy = Policy::default();
    let times = |users: u32, step: Duration| {
        let mut server = FakeServer::new(policy).step_time(move |_| step);
        let arrivals = Arrivals::Closed { users, think: Times::Exponential { mean: 1000 * MS } };
        let repetition = server.serve(policy, &short(40), &arrivals);
        let mut ends = HashMap::new();
        let mut thought = HashMap::new();
        for request in &repetition.requests {
            if let Some(last) = ends.insert(request.user, request.end.unwrap()) {
                thought.insert(request.id, request.arrival - last);
            }
        }
        thought
    };
    let (few, many) = (times(2, MS), times(8, 70 * MS));
    let common: Vec<u32> = few.keys().filter(|id| many.contains_key(id)).copied().collect();
    assert!(common.len() > 25, "{common:?}");
    assert!(common.iter().all(|id| few[id] == many[id]));
}

#[test]
fn loads_are_named_and_wrong_ones_refused() {
    let think = Arrivals::Closed { users: 8, think: "exponential:2s".parse().unwrap() };
    let named = [Arrivals::users(1), Arrivals::users(8), think.clone(), Arrivals::Open { rate: 0.5 }];
    let names = ["1 user", "8 users", "8 users, think time exponential:2s", "0.5 requests/s"];
    assert_eq!(named.each_ref().map(ToString::to_string), names);
    assert_eq!(serde_json::to_string(&think).unwrap(), r#"{"closed":{"users":8,"think":"exponential:2s"}}"#);
    for arrivals in named {
        assert!(arrivals.check().is_ok());
        let json = serde_json::to_string(&arrivals).unwrap();
        assert_eq!(serde_json::from_str::<Arrivals>(&json).unwrap(), arrivals);
    }
    assert_eq!(
        Arrivals::users(0).check().unwrap_err().to_string(),
        "0 users ask for nothing: give at least 1"
    );
    for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let error = Arrivals::Open { rate }.check().unwrap_err().to_string();
        assert!(
            error.ends_with("requests/s is not a valid rate: give a number over 0, such as 0.5"),
            "{error}"
        );
    }
    // A rate of almost nothing overflows no clock.
    let arrivals = Arrivals::Open { rate: 1e-300 };
    let mut scheduler = Scheduler::new(Policy::default(), &short(3), &arrivals, VOCABULARY).unwrap();
    assert_eq!(scheduler.next(Duration::ZERO), Action::Wait(Duration::MAX));
}
