//! What the scheduler of a server costs for each generated token: the server does nothing, so all the time is the
//! scheduler's own. The aim is under 1 µs.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use llama_bench_rs::{
    bench::{Cancel, clock::MonotonicClock},
    record::Failure,
    serve::{Arrivals, Lengths, Policy, Row, Scheduler, Server, Vocabulary, Workload, drive},
};

struct Nothing;

impl Server for Nothing {
    fn keep(&mut self, _slot: u32, n_tokens: u32) -> Result<u32, Failure> {
        Ok(n_tokens)
    }

    fn decode(&mut self, rows: &[Row]) -> Result<(), Failure> {
        black_box(rows);
        Ok(())
    }
}

const N_GEN: u32 = 1000;

fn per_generated_token(c: &mut Criterion) {
    let mut group = c.benchmark_group("scheduler");
    for users in [1, 4, 32] {
        let n_requests = users * 4;
        let policy = Policy::default().n_parallel(users);
        let workload = Workload::default()
            .n_requests(n_requests)
            .n_prefix(100)
            .prompts(Lengths::Fixed(16))
            .generations(Lengths::Fixed(N_GEN));
        group.throughput(Throughput::Elements(u64::from(n_requests * N_GEN)));
        group.bench_function(BenchmarkId::new("per token, users", users), |b| {
            b.iter(|| {
                let vocabulary = Vocabulary { n_vocab: 32_000, bos: Some(1) };
                let scheduler = Scheduler::new(policy, &workload, &Arrivals::users(users), vocabulary)
                    .expect("valid settings");
                drive(scheduler, &mut Nothing, &MonotonicClock::start(), &Cancel::new(), &mut |_| {})
            });
        });
    }
    group.finish();
}

criterion_group!(benches, per_generated_token);
criterion_main!(benches);
