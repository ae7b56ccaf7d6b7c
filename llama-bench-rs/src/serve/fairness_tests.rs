//! Who waits for whom, and for how long at most.

use std::time::Duration;

use super::{
    Action, Arrivals, Distribution, Lengths, List, Policy, Prompts, RequestRecord, Row, Scheduler, Workload,
    fake::{FakeServer, MS, VOCABULARY},
};

fn lengths(values: &[u32]) -> Lengths {
    Distribution::List(List { values: values.to_vec(), file: None })
}

/// The first steps of a workload that need not end.
fn first_steps(policy: Policy, workload: &Workload, arrivals: &Arrivals, n_steps: usize) -> Vec<Vec<Row>> {
    let mut scheduler = Scheduler::new(policy, workload, arrivals, VOCABULARY).unwrap();
    let mut steps = Vec::new();
    let mut now = Duration::ZERO;
    while steps.len() < n_steps {
        match scheduler.next(now) {
            Action::Keep { n_tokens, .. } => scheduler.kept(n_tokens),
            Action::Decode(rows) => {
                steps.push(rows.to_vec());
                now += MS;
                scheduler.decoded(now);
            }
            Action::Wait(until) => now = until,
            Action::Done => break,
        }
    }
    steps
}

#[test]
fn endless_generations_stop_no_prompt() {
    // Three slots generate without end in steps of four tokens: the fourth reads its prompts one token a step.
    for prompts in [Prompts::Together, Prompts::ByArrival, Prompts::OneAtATime] {
        let policy = Policy::default().n_batch(4).chunk(1).prompts(prompts).reuse_prefix(false);
        // The first request goes to the highest slot.
        let mut generations = vec![1];
        generations.extend([i32::MAX as u32 - 1000; 3]);
        generations.extend([1; 49]);
        let workload =
            Workload::default().n_requests(53).prompts(lengths(&[5])).generations(lengths(&generations));
        let steps = first_steps(policy, &workload, &Arrivals::users(4), 300);
        assert_eq!(steps.len(), 300);
        // After their own prompts, every step has all three, and a token of a prompt while there is any: 50 of 5 tokens.
        let busy: Vec<usize> = steps.iter().map(Vec::len).collect();
        let begun = busy.iter().position(|&n| n == 4).unwrap();
        assert!(busy[begun..begun + 230].iter().all(|&n| n == 4), "{prompts:?}: {busy:?}");
        assert_eq!(busy[299], 3, "{prompts:?}: only the endless ones are left");
    }
}

#[test]
fn no_request_waits_for_a_later_one_unless_prompts_go_in_the_order_of_slots() {
    // Always another request, long prompts, answers of one token: the worst case of the order of slots.
    let workload = Workload::default().n_requests(400).prompts(Lengths::Fixed(32)).generations(lengths(&[1]));
    let longest = |policy: Policy| {
        let mut server = FakeServer::new(policy);
        let repetition = server.serve(policy, &workload, &Arrivals::users(8));
        let n_later = |request: &RequestRecord| {
            let later = |other: &&RequestRecord| {
                other.arrival > request.arrival && other.first_token < request.first_token
            };
            repetition.requests.iter().filter(later).count()
        };
        repetition.requests.iter().map(n_later).max().unwrap()
    };
    for n_batch in [4, 8, 33] {
        let policy = Policy::default().n_batch(n_batch);
        assert_eq!(longest(policy.prompts(Prompts::ByArrival)), 0);
        assert_eq!(longest(policy.prompts(Prompts::OneAtATime)), 0);
        assert_eq!(longest(policy.chunk(1).prompts(Prompts::ByArrival)), 0);
        // llama-server's order: a prompt in the highest slot waits until nobody is left to overtake it.
        assert!(longest(policy) > 300);
    }
}

#[test]
fn by_arrival_the_wait_for_a_first_token_is_bounded_by_what_came_before() {
    // Tiny chunks: 8 prompt tokens a step. At most the prompts of those that arrived before are read first.
    for prompts in [Prompts::ByArrival, Prompts::OneAtATime] {
        let policy = Policy::default().n_parallel(8).n_batch(64).chunk(8).prompts(prompts);
        let workload = Workload::default()
            .n_requests(300)
            .prompts("uniform:1:40".parse().unwrap())
            .generations("uniform:1:30".parse().unwrap());
        let mut server = FakeServer::new(policy);
        let repetition = server.serve(policy, &workload, &Arrivals::users(8));
        for (index, request) in repetition.requests.iter().enumerate() {
            // At most 7 others before it, each of up to 40 tokens: 5 steps, as its own.
            let most = 8 * 5 * 10 * MS;
            assert!(request.ttft().unwrap() <= most, "{prompts:?}: request {index}: {:?}", request.ttft());
        }
    }
}

#[test]
fn slots_are_given_in_the_order_of_arrival() {
    let policy = Policy::default().n_parallel(2).n_batch(16);
    let workload = Workload::default()
        .n_requests(200)
        .prompts("uniform:1:60".parse().unwrap())
        .generations("uniform:1:20".parse().unwrap());
    for arrivals in [Arrivals::users(20), Arrivals::Open { rate: 20.0 }] {
        let mut server = FakeServer::new(policy);
        let repetition = server.serve(policy, &workload, &arrivals);
        // With two slots, a request begins after all but one of those before it have ended.
        for (index, request) in repetition.requests.iter().enumerate().skip(1) {
            let mut ends: Vec<_> = repetition.requests[..index].iter().map(|before| before.end).collect();
            ends.sort_unstable();
            let n_before = ends.iter().filter(|end| **end <= request.start).count();
            assert!(n_before + 1 >= index, "request {index} began after {n_before} had ended");
        }
    }
}

#[test]
fn a_policy_under_which_nobody_is_served_is_refused() {
    let refusal = |policy: Policy| policy.check().unwrap_err().to_string();
    let policy = Policy::default();
    assert_eq!(
        refusal(policy.n_parallel(0)),
        "a server with 0 slots serves nobody: give n_parallel at least 1"
    );
    assert_eq!(
        refusal(policy.n_parallel(5000).n_batch(5000)),
        "5000 slots are more than any context has sequences: give n_parallel at most 1024"
    );
    assert_eq!(
        refusal(policy.n_batch(3)),
        "a step of 3 tokens does not hold one of each of 4 slots: raise n_batch to at least 4, or have fewer slots"
    );
    assert_eq!(
        refusal(policy.chunk(0)),
        "with chunks of 0 prompt tokens no prompt is ever read: give at least 1, or no limit"
    );
    assert!(policy.n_batch(4).chunk(1).check().is_ok());
    let json = serde_json::to_string(&policy.chunk(9).prompts(Prompts::OneAtATime)).unwrap();
    assert_eq!(
        json,
        r#"{"n_parallel":4,"n_batch":2048,"chunk":9,"prompts":"one_at_a_time","reuse_prefix":true}"#
    );
    let workload = Workload::default();
    let empty = super::Vocabulary { n_vocab: 0, bos: None };
    assert!(Scheduler::new(policy, &workload, &Arrivals::users(1), empty).is_err());
}
