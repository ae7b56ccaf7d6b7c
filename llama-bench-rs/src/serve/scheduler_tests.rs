//! Order, counts and reuse, on a server without hardware.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use proptest::prelude::*;

use super::{
    Arrivals, Distribution, Lengths, List, Policy, Prompts, Repetition, Times, Workload,
    fake::{FakeServer, MS, VOCABULARY},
};

fn lengths(values: &[u32]) -> Lengths {
    Distribution::List(List { values: values.to_vec(), file: None })
}

fn workload(n_requests: u32, prompts: &[u32], generations: &[u32]) -> Workload {
    Workload::default().n_requests(n_requests).prompts(lengths(prompts)).generations(lengths(generations))
}

#[test]
fn running_generations_come_first_then_prompts_in_the_order_of_slots() {
    let policy = Policy::default().n_batch(8);
    let mut server = FakeServer::new(policy);
    server.serve(policy, &workload(4, &[5], &[3]), &Arrivals::users(4));
    assert_eq!(
        server.shapes(),
        [
            // The first request is in the highest slot, as in llama-server.
            "0:0+5 1:0+3",
            "0:5+1 1:3+2 2:0+5",
            "0:6+1 1:5+1 2:5+1 3:0+5",
            "1:6+1 2:6+1 3:5+1",
            "3:6+1",
        ]
    );
    let logits: Vec<bool> = server.steps[1].iter().map(|row| row.logits).collect();
    assert_eq!(logits, [true, false, true, false, false, false, false, true]);
}

#[test]
fn a_chunk_bounds_the_prompt_tokens_of_a_step_and_no_generation() {
    let policy = Policy::default().n_parallel(2).n_batch(16).chunk(2);
    let mut server = FakeServer::new(policy);
    server.serve(policy, &workload(2, &[3], &[4]), &Arrivals::users(2));
    assert_eq!(
        server.shapes(),
        ["0:0+2", "0:2+1 1:0+1", "0:3+1 1:1+2", "0:4+1 1:3+1", "0:5+1 1:4+1", "1:5+1"]
    );
}

#[test]
fn one_prompt_at_a_time_is_the_one_that_arrived_first() {
    let policy = Policy::default().n_parallel(3).n_batch(4).prompts(Prompts::OneAtATime);
    let mut server = FakeServer::new(policy);
    server.serve(policy, &workload(3, &[5, 2, 3], &[2]), &Arrivals::users(3));
    assert_eq!(server.shapes(), ["2:0+4", "2:4+1", "2:5+1 1:0+2", "1:2+1 0:0+3", "0:3+1"]);
}

#[test]
fn by_arrival_several_prompts_share_a_step_and_the_earliest_goes_first() {
    let policy = Policy::default().n_parallel(3).n_batch(4).prompts(Prompts::ByArrival);
    let mut server = FakeServer::new(policy);
    server.serve(policy, &workload(3, &[5, 2, 3], &[1]), &Arrivals::users(3));
    assert_eq!(server.shapes(), ["2:0+4", "2:4+1 1:0+2 0:0+1", "0:1+2"]);
}

#[test]
fn a_request_that_waits_takes_the_slot_that_becomes_free() {
    let policy = Policy::default().n_parallel(2).reuse_prefix(false);
    let mut server = FakeServer::new(policy);
    let repetition = server.serve(policy, &workload(4, &[2], &[3, 1, 1, 1]), &Arrivals::users(2));
    let slots: Vec<_> = repetition.requests.iter().map(|request| (request.id, request.slot)).collect();
    // The second user's requests follow each other in slot 0 until the first one has an answer.
    assert_eq!(slots, [(0, Some(1)), (1, Some(0)), (2, Some(0)), (3, Some(0))]);
    assert_eq!(server.keeps, [(0, 0, 0), (1, 0, 0), (0, 0, 2), (0, 0, 2)]);
}

#[test]
fn a_shared_prefix_is_read_once_by_each_slot() {
    let policy = Policy::default().n_parallel(2);
    let shared = workload(6, &[4], &[2]).n_prefix(20);
    let mut server = FakeServer::new(policy);
    let repetition = server.serve(policy, &shared, &Arrivals::users(2));
    let reused: Vec<u32> = repetition.requests.iter().map(|request| request.n_reused).collect();
    assert_eq!(reused, [0, 0, 20, 20, 20, 20]);
    assert_eq!(repetition.n_prompt(), 6 * 24 - 4 * 20);
    // A memory that cannot return to the end of the prefix reads the whole prompt again.
    let mut server = FakeServer::new(policy);
    server.can_keep = false;
    let repetition = server.serve(policy, &shared, &Arrivals::users(2));
    assert!(repetition.requests.iter().all(|request| request.n_reused == 0));
    assert_eq!(repetition.n_prompt(), 6 * 24);
    // And so does a policy without reuse.
    let policy = policy.reuse_prefix(false);
    let mut server = FakeServer::new(policy);
    let repetition = server.serve(policy, &shared, &Arrivals::users(2));
    assert_eq!(repetition.n_prompt(), 6 * 24);
    assert!(server.keeps.iter().all(|(_, n_tokens, _)| *n_tokens == 0));
}

#[test]
fn the_last_prompt_token_is_decoded_even_if_the_slot_holds_it() {
    let policy = Policy::default().n_parallel(1);
    // All prompts are the same: one token long, the one that begins a sequence.
    let mut server = FakeServer::new(policy);
    let repetition = server.serve(policy, &workload(3, &[1], &[2]), &Arrivals::users(1));
    assert!(repetition.requests.iter().all(|request| request.n_reused == 0 && request.is_complete()));
    assert_eq!(server.shapes(), ["0:0+1", "0:1+1", "0:0+1", "0:1+1", "0:0+1", "0:1+1"]);
}

#[test]
fn a_slot_with_a_similar_prompt_is_preferred_to_the_one_left_longest_ago() {
    let policy = Policy::default().n_parallel(2);
    // One user: the second request finds one slot with the prefix and one that was never used.
    for (n_prefix, slots) in [(20, [1, 1, 1]), (0, [1, 0, 1])] {
        let mut server = FakeServer::new(policy);
        let repetition =
            server.serve(policy, &workload(3, &[40], &[2]).n_prefix(n_prefix), &Arrivals::users(1));
        let got: Vec<u32> = repetition.requests.iter().filter_map(|request| request.slot).collect();
        assert_eq!(got, slots, "prefix of {n_prefix}");
    }
}

#[test]
fn times_are_those_of_the_steps() {
    let policy = Policy::default().n_parallel(1).n_batch(4);
    let mut server = FakeServer::new(policy).step_time(|rows| rows.len() as u32 * MS);
    let arrivals = Arrivals::Closed { users: 2, think: Times::Fixed(1000 * MS) };
    let repetition = server.serve(policy, &workload(2, &[6], &[3]), &arrivals);
    let [first, second] = &repetition.requests[..] else { panic!("{repetition:?}") };
    assert!(first.arrival < second.arrival && second.arrival < 1000 * MS);
    assert_eq!(first.start, Some(first.arrival));
    assert_eq!(first.ttft(), Some(6 * MS));
    assert_eq!((&first.gaps[..], first.total()), (&[MS, MS][..], Some(8 * MS)));
    assert_eq!(second.start, Some(second.arrival.max(first.end.unwrap())));
    let step = repetition.steps[1];
    assert_eq!((step.at, step.elapsed), (first.arrival + 4 * MS, 2 * MS));
    assert_eq!((step.n_prompt, step.n_gen, step.n_running), (2, 0, 1));
    assert_eq!(repetition.wall, second.end.unwrap());
}

#[test]
fn a_repetition_is_read_back_from_its_file() {
    let policy = Policy::default();
    let mut server = FakeServer::new(policy);
    server.fails_at = Some(3);
    let repetition = server.serve(policy, &workload(9, &[5], &[3]), &Arrivals::users(8));
    let json = serde_json::to_string(&repetition).unwrap();
    assert_eq!(serde_json::from_str::<Repetition>(&json).unwrap(), repetition);
    for name in
        ["arrival_ns", "start_ns", "first_token_ns", "gaps_ns", "wall_ns", "at_ns", "elapsed_ns", "cut_short"]
    {
        assert!(json.contains(&format!("\"{name}\":")), "{name} in {json}");
    }
    assert!(json.contains(r#""gaps_ns":[10000000,"#), "{json}");
}

fn policies() -> impl Strategy<Value = Policy> {
    let prompts = prop_oneof![Just(Prompts::Together), Just(Prompts::ByArrival), Just(Prompts::OneAtATime)];
    (1..6u32, 0..20u32, prop::option::of(1..9u32), prompts, any::<bool>()).prop_map(
        |(n_parallel, more, chunk, prompts, reuse_prefix)| {
            Policy::default()
                .n_parallel(n_parallel)
                .n_batch(n_parallel + more)
                .chunk(chunk)
                .prompts(prompts)
                .reuse_prefix(reuse_prefix)
        },
    )
}

fn loads() -> impl Strategy<Value = (Workload, Arrivals)> {
    let workloads = (1..30u32, 0..30u32, 1..40u32, 1..12u32, any::<u64>()).prop_map(
        |(n_requests, n_prefix, n_prompt, n_gen, seed)| {
            Workload::default()
                .n_requests(n_requests)
                .n_prefix(n_prefix)
                .prompts(Lengths::Uniform { least: 1, most: n_prompt })
                .generations(Lengths::Uniform { least: 1, most: n_gen })
                .seed(seed)
        },
    );
    let arrivals = prop_oneof![
        (1..12u32, 0..200u32).prop_map(|(users, think)| Arrivals::Closed {
            users,
            think: Times::Exponential { mean: think * MS }
        }),
        (0.1..200.0).prop_map(|rate| Arrivals::Open { rate }),
    ];
    (workloads, arrivals)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_request_gets_its_tokens_within_the_bounds_of_the_policy(
        policy in policies(), (workload, arrivals) in loads(), can_keep in any::<bool>(),
    ) {
        let mut server = FakeServer::new(policy);
        server.can_keep = can_keep;
        let repetition = server.serve(policy, &workload, &arrivals);
        prop_assert_eq!(repetition.requests.len(), workload.n_requests as usize);
        prop_assert_eq!(&repetition.cut_short, &None);
        let (mut n_prompt, mut n_gen) = (0, 0);
        for request in &repetition.requests {
            let asked = workload.request(request.id);
            prop_assert_eq!((request.n_prompt, request.n_gen), (asked.n_prompt, asked.n_gen));
            prop_assert!(request.is_complete() && request.failure.is_none());
            prop_assert_eq!(request.gaps.len() as u32, request.n_gen - 1);
            prop_assert!(request.n_reused < request.n_prompt);
            let (start, first, end) = (request.start.unwrap(), request.first_token.unwrap(), request.end.unwrap());
            prop_assert!(request.arrival <= start && start < first && first <= end);
            prop_assert_eq!(first + request.gaps.iter().sum::<Duration>(), end);
            n_prompt += u64::from(request.n_prompt - request.n_reused);
            n_gen += u64::from(request.n_gen);
        }
        prop_assert_eq!(repetition.n_prompt(), n_prompt);
        prop_assert_eq!(repetition.n_generated(), n_gen);
        prop_assert!(repetition.requests.is_sorted_by_key(|request| (request.arrival, request.id)));
        // Only in the order of slots a later request can overtake an earlier one.
        let in_order = repetition.requests.is_sorted_by_key(|request| request.start);
        prop_assert!(policy.prompts == Prompts::Together || in_order);
        for (step, rows) in repetition.steps.iter().zip(&server.steps) {
            prop_assert_eq!((step.n_prompt + step.n_gen) as usize, rows.len());
            prop_assert!(step.n_running <= policy.n_parallel && step.n_prompt <= policy.chunk.unwrap_or(u32::MAX));
            let (generated, prompts) = rows.split_at(step.n_gen as usize);
            prop_assert!(generated.iter().all(|row| row.logits));
            // Each slot's rows are together: a generation has one, a prompt as many as it likes.
            let slots: BTreeSet<u32> = rows.iter().map(|row| row.slot).collect();
            let prompts = prompts.chunk_by(|a, b| a.slot == b.slot).count();
            prop_assert_eq!(slots.len(), generated.len() + prompts);
            prop_assert!(policy.prompts != Prompts::OneAtATime || prompts < 2);
        }
        prop_assert_eq!(repetition.steps.len(), server.steps.len());
    }

    #[test]
    fn slots_hold_the_tokens_of_their_last_request(policy in policies(), (workload, arrivals) in loads()) {
        let mut server = FakeServer::new(policy);
        let repetition = server.serve(policy, &workload, &arrivals);
        let mut last = BTreeMap::new();
        let mut by_end: Vec<_> = repetition.requests.iter().collect();
        by_end.sort_by_key(|request| request.start);
        for request in by_end {
            last.insert(request.slot.unwrap(), request);
        }
        for (slot, request) in last {
            let held = &server.slots[slot as usize];
            // The last token was generated, but never decoded.
            prop_assert_eq!(held.len() as u32, request.n_prompt + request.n_gen - 1);
            let token = |position| workload.token(VOCABULARY, request.id, position);
            prop_assert!(held.iter().zip(0..).all(|(held, position)| *held == token(position)));
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_repetition(policy in policies(), (workload, arrivals) in loads()) {
        let run = |workload: &Workload| {
            let mut server = FakeServer::new(policy);
            let repetition = server.serve(policy, workload, &arrivals);
            (repetition, server.steps)
        };
        prop_assert_eq!(run(&workload), run(&workload));
    }
}
