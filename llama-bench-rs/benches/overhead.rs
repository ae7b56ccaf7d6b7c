//! What the library itself costs between two decode calls: a target that does nothing is "measured", so all the
//! time there is belongs to the library. The aim is under 1 µs per generated token.

use llama_bench_rs::with;
use std::{hint::black_box, time::Duration};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use llama_bench_rs::{
    bench::{
        Cancel, Event, MemoryEstimate, Order, Request,
        abilities::Abilities,
        calibration::CalibrationTime,
        clock::MonotonicClock,
        target::{Keep, Limits, Metered, Row, Target, Token},
    },
    llama::{Stop, Stops},
    record::{
        CellWork, Disturbance, Failure, GpuConditions, Header, Metering, NumaNode, Placement, Resolved,
        Rewind, Test, Work, work::WorkKind,
    },
};

const N_GEN: u32 = 10_000;

struct Nothing;

impl Target for Nothing {
    fn abilities(&self) -> Abilities {
        Abilities::default()
    }

    fn memory_estimate(&mut self, _n_ctx: u32, _n_seqs: u32) -> Option<MemoryEstimate> {
        None
    }

    fn close(&mut self) {}

    fn work(&mut self, _kind: WorkKind, _n_tokens: u32) -> Result<Option<Work>, Failure> {
        Ok(None)
    }

    fn cell_work(&mut self, _test: &Test) -> Result<Result<CellWork, String>, Failure> {
        Ok(Err("nothing is computed".into()))
    }

    fn trace(&mut self, _stops: Stops) -> Result<(), Failure> {
        Ok(())
    }

    fn traced(&mut self) -> Result<Vec<Stop>, Failure> {
        Ok(Vec::new())
    }

    fn read(&mut self, tokens: &[Token]) -> Result<(), Failure> {
        self.decode(tokens)
    }

    fn set_embeddings(&mut self, _embeddings: bool) -> Result<(), Failure> {
        Ok(())
    }

    fn start_generation(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    fn calibrate(&mut self) -> Option<CalibrationTime> {
        None
    }

    fn watch(&mut self, _n_tokens: u32) {}

    fn disturbance(&mut self, _elapsed: Duration) -> Option<Disturbance> {
        None
    }

    fn placement(&mut self) -> Option<Placement> {
        None
    }

    fn numa(&mut self) -> Vec<NumaNode> {
        Vec::new()
    }

    fn conditions(&mut self) -> Vec<GpuConditions> {
        Vec::new()
    }

    fn metering(&mut self) -> Option<Metering> {
        None
    }

    fn meter(&mut self) {}

    fn metered(&mut self) -> Metered {
        Metered::default()
    }

    fn open(&mut self, n_ctx: u32, _n_seqs: u32) -> Result<Resolved, Failure> {
        Ok(with!(Resolved { n_ctx: Some(n_ctx), ..Resolved::default() }))
    }

    fn decode(&mut self, tokens: &[Token]) -> Result<(), Failure> {
        black_box(tokens);
        Ok(())
    }

    fn decode_rows(&mut self, rows: &[Row]) -> Result<(), Failure> {
        black_box(rows);
        Ok(())
    }

    fn synchronize(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    fn clear(&mut self) {}

    fn hold(&mut self, _slot: usize, _keep: Keep) -> Result<Rewind, Failure> {
        Ok(Rewind::Clear)
    }

    fn can_hold_whole(&self) -> bool {
        false
    }

    fn hold_whole(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    fn restore_whole(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    fn drop_whole(&mut self) {}

    fn rewind(&mut self, _slot: usize) -> Result<(), Failure> {
        Ok(())
    }

    fn spread(&mut self, _n_seqs: u32) -> Result<(), Failure> {
        Ok(())
    }

    fn save(&mut self) -> Result<Vec<u8>, Failure> {
        Ok(Vec::new())
    }

    fn load(&mut self, _state: &[u8]) -> Result<(), Failure> {
        Ok(())
    }

    fn limits(&self) -> Limits {
        Limits { n_vocab: 32_000, bos: None, n_batch: 512, n_ctx_train: 0 }
    }
}

fn per_generated_token(c: &mut Criterion) {
    let request = Request {
        generations: vec![N_GEN],
        n_reps: 1,
        warmup: false,
        order: Order::Blocks,
        work: false,
        exclusive: false,
        ..Request::default()
    };
    let plan = request.plan().expect("a valid request");
    let clock = MonotonicClock::start();
    let mut group = c.benchmark_group("overhead");
    group.throughput(Throughput::Elements(u64::from(N_GEN)));
    group.bench_function("generation, per token", |b| {
        // The timed region as the report has it: what the library adds to each token's own time.
        b.iter_custom(|n| {
            (0..n)
                .map(|_| {
                    let run = llama_bench_rs::bench::run(
                        &plan,
                        &mut Nothing,
                        &clock,
                        Header::default(),
                        &mut |_: &Event<'_>| {},
                        &Cancel::new(),
                    );
                    run.cells[0].measured().expect("a target that cannot fail").samples[0].elapsed
                })
                .sum()
        });
    });
    group.finish();
}

criterion_group!(benches, per_generated_token);
criterion_main!(benches);
