//! What a sweep costs besides its timed repetitions, by the number of depths up to the same deepest one: the fill and
//! everything that the way back to a depth takes. It should not grow with their number; llama-bench's way does.

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, SamplingMode, criterion_group, criterion_main};
use llama_bench_rs::{
    bench::Sweep,
    llama::{ContextParams, Model},
    record::Method,
    testing,
};

const DEEPEST: u32 = 2048;

/// The sweep's wall time without what was timed.
fn untimed(model: &Model, n_depths: u32, method: Method) -> Duration {
    let depths = (1..=n_depths).map(|i| i * (DEEPEST / n_depths));
    let params = ContextParams::default().n_threads(2).n_threads_batch(2);
    let sweep = Sweep::new(model).context(params).method(method).depths(depths).repetitions(2);
    let report = sweep.prompt(64).generate(8).run().expect("a sweep that can be run");
    let timing = &report.runs[0].header.timing;
    timing.wall.unwrap_or_default().saturating_sub(timing.timed.unwrap_or_default())
}

fn by_number_of_depths(c: &mut Criterion) {
    let model = testing::tiny("tiny-llama").expect("a model made on the spot");
    let mut group = c.benchmark_group("untimed");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    for (name, method) in [("rewind", Method::Rewind), ("fresh context", Method::FreshContext)] {
        for n_depths in [1, 2, 4, 8, 16] {
            group.bench_function(BenchmarkId::new(name, n_depths), |b| {
                b.iter_custom(|n| (0..n).map(|_| untimed(&model, n_depths, method)).sum());
            });
        }
    }
    group.finish();
}

criterion_group!(benches, by_number_of_depths);
criterion_main!(benches);
