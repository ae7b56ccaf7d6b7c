//! The library's scheduler submits exactly the batches of llama-server's loop, which is written a second time for this.
#![allow(missing_docs)]

mod support;
#[path = "../examples/support/update_slots.rs"]
mod update_slots;

use std::{convert::Infallible, time::Duration};

use llama_bench_rs::{
    bench::{Cancel, clock::Clock},
    record::Failure,
    serve::{Arrivals, Policy, Row, Scheduler, Server, Vocabulary, Workload, drive},
};
use support::{example, run};
use update_slots::{BatchToken, Decoder, Task, Times};

const VOCABULARY: Vocabulary = Vocabulary { n_vocab: 1000, bos: Some(1) };

/// Keeps what it is asked to decode.
#[derive(Default)]
struct Recorder(Vec<Vec<BatchToken>>);

impl Server for Recorder {
    fn keep(&mut self, _slot: u32, n_tokens: u32) -> Result<u32, Failure> {
        Ok(n_tokens)
    }

    fn decode(&mut self, rows: &[Row]) -> Result<(), Failure> {
        self.0.push(rows.iter().map(|row| (row.slot, row.position, row.token, row.logits)).collect());
        Ok(())
    }
}

impl Decoder for Recorder {
    type Error = Infallible;

    fn remove(&mut self, _slot: u32, _from: u32) -> Result<(), Infallible> {
        Ok(())
    }

    fn decode(&mut self, batch: &[BatchToken]) -> Result<(), Infallible> {
        self.0.push(batch.to_vec());
        Ok(())
    }

    fn now(&self) -> Duration {
        Duration::ZERO
    }
}

/// A clock that stands still: who asks again asks at once.
struct Still;

impl Clock for Still {
    fn now(&self) -> Duration {
        Duration::ZERO
    }

    fn wait(&self, _duration: Duration) {
        panic!("users who do not think are never waited for");
    }

    fn utc(&self) -> Option<Duration> {
        None
    }
}

fn ours(policy: Policy, workload: &Workload, users: u32) -> Vec<Vec<BatchToken>> {
    let mut recorder = Recorder::default();
    let scheduler = Scheduler::new(policy, workload, &Arrivals::users(users), VOCABULARY).unwrap();
    let repetition = drive(scheduler, &mut recorder, &Still, &Cancel::new(), &mut |_| {});
    assert_eq!(repetition.complete().count(), workload.n_requests as usize);
    recorder.0
}

fn theirs(policy: Policy, workload: &Workload, users: u32) -> Vec<Vec<BatchToken>> {
    let server = update_slots::Server {
        n_parallel: policy.n_parallel as usize,
        n_batch: policy.n_batch as usize,
        cache_prompt: policy.reuse_prefix,
    };
    let tasks: Vec<Task> = workload.requests().map(|request| task(workload, request.id)).collect();
    let mut recorder = Recorder::default();
    let Ok(times) = update_slots::serve(server, users as usize, &tasks, &mut recorder);
    let is_answered = |(times, task): (&Times, &Task)| times.tokens.len() == task.sampled.len();
    assert!(times.iter().zip(&tasks).all(is_answered));
    recorder.0
}

fn task(workload: &Workload, id: u32) -> Task {
    let request = workload.request(id);
    let token = |position| workload.token(VOCABULARY, id, position);
    Task {
        prompt: (0..request.n_prompt).map(token).collect(),
        sampled: (request.n_prompt..request.n_prompt + request.n_gen).map(token).collect(),
    }
}

#[test]
fn the_batches_are_those_of_llama_server_in_the_same_order() {
    let mut n_batches = 0;
    for (n_parallel, n_batch, reuse_prefix) in
        [(4, 2048, true), (4, 64, true), (4, 64, false), (3, 7, true), (1, 16, true), (8, 8, true)]
    {
        for (prompts, generations, n_prefix) in [
            ("64", "16", 0),
            ("uniform:1:300", "uniform:1:40", 0),
            ("lognormal:40:1.0:400", "uniform:1:9", 50),
            ("1", "1", 0),
            ("list:200:3:90", "list:1:30", 20),
        ] {
            for users in [1, 3, 4, 9] {
                let policy =
                    Policy::default().n_parallel(n_parallel).n_batch(n_batch).reuse_prefix(reuse_prefix);
                let workload = Workload::default()
                    .prompts(prompts.parse().unwrap())
                    .generations(generations.parse().unwrap())
                    .n_prefix(n_prefix)
                    .n_requests(30)
                    .seed(u64::from(users));
                let (ours, theirs) = (ours(policy, &workload, users), theirs(policy, &workload, users));
                let first = ours.iter().zip(&theirs).position(|(ours, theirs)| ours != theirs);
                let what =
                    format!("{policy:?}, prompts {prompts}, {generations}, prefix {n_prefix}, {users} users");
                if let Some(first) = first {
                    panic!("{what}: step {first}: {:?} instead of {:?}", ours[first], theirs[first]);
                }
                assert_eq!(ours.len(), theirs.len(), "{what}");
                n_batches += ours.len();
            }
        }
    }
    assert!(n_batches > 10_000, "{n_batches}");
}

#[test]
fn the_check_on_a_model_prints_both_sides() {
    let arguments =
        ["--shape", "tiny-llama", "-t", "1", "--requests", "6", "--rounds", "2", "--prompt", "uniform:4:40"];
    let more = ["--generate", "4", "--users", "3", "--slots", "2", "--prefix", "8", "--tolerance", "100000"];
    let ran = run(example("serve_check").args(arguments).args(more));
    assert_eq!(ran.status, 0, "{}", ran.err);
    for figure in ["time per token of all users", "time to first token, p90", "inter-token time, mean"] {
        let row = ran.out.lines().find(|line| line.starts_with(&format!("| {figure} |"))).unwrap_or(&ran.out);
        assert_eq!(row.matches(" ± ").count(), 2, "{row}");
        assert!(!row.contains("unknown"), "{row}");
    }
    assert!(ran.out.contains("the sides agree") || ran.out.contains("too noisy"), "{}", ran.out);
    assert!(ran.err.contains("round 2 of 2: this library"), "{}", ran.err);
}
