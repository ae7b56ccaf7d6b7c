//! Random sequences of safe calls on every kind of memory: each call works or is an error, and no context is lost.
#![allow(missing_docs)]

mod llama_support;

use llama_bench_rs::llama::{
    Batch, Context, ContextParams, FlashAttn, KvType, LlamaError, Model, SeqState, StateFlags,
};
use llama_support::tiny;

/// Sequences to try; set the variable for more.
const N_SEQUENCES: u64 = 60;
const VARIABLE: &str = "LLAMA_BENCH_RS_TEST_SEQUENCES";

struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize].clone()
    }
}

fn params(random: &mut Random) -> ContextParams {
    let n_seq_max = 1 + random.below(4) as u32;
    let kv = random.of(&[KvType::F16, KvType::F32, KvType::Bf16, KvType::Q8_0]);
    ContextParams::default()
        .n_ctx(256 * n_seq_max)
        .n_batch(64)
        .n_ubatch(1 + random.below(64) as u32)
        .n_seq_max(n_seq_max)
        .kv_unified(random.one_in(2))
        .swa_full(random.one_in(3))
        .embeddings(random.one_in(4))
        .type_k(kv)
        .type_v(kv)
        .flash_attn(random.of(&[FlashAttn::On, FlashAttn::Off, FlashAttn::Auto]))
        .n_threads(1)
        .n_threads_batch(1)
}

/// Mostly tokens that go on where their sequences end.
fn batch(random: &mut Random, context: &Context, n_seq: u64) -> Batch {
    let end = |seq| context.pos_max(seq).unwrap().map_or(0, |last| last + 1);
    let mut ends: Vec<u32> = (0..n_seq as i32).map(end).collect();
    let mut batch = Batch::new();
    for _ in 0..=random.below(20) {
        let (seq, other) = (random.below(n_seq) as usize, random.below(n_seq) as i32);
        let at = if random.one_in(30) { random.below(40) as u32 } else { ends[seq] };
        let sequences = [seq as i32, other];
        let sequences = if random.one_in(15) { &sequences[..] } else { &sequences[..1] };
        batch.add(random.below(100) as i32, at, sequences, random.one_in(2)).unwrap();
        ends[seq] = at + 1;
    }
    batch
}

fn call(
    random: &mut Random,
    model: &Model,
    context: &mut Context,
    states: &mut Vec<SeqState>,
) -> Result<(), LlamaError> {
    let n_seq = u64::from(context.params().n_seq_max);
    let seq = random.below(n_seq) as i32;
    match random.below(12) {
        0 => context.decode_tokens(&vec![1; 1 + random.below(64) as usize])?,
        1..4 => {
            let batch = batch(random, context, n_seq);
            context.decode(&batch)?;
        }
        4 => states.push(context.state_save(seq, StateFlags::from_bits_truncate(random.below(4) as u32))?),
        5 if !states.is_empty() => context.state_restore(&random.of(states))?,
        6 if !states.is_empty() => {
            let state = random.of(states);
            if let Some(bytes) = state.as_bytes() {
                context.state_restore_bytes(bytes, seq, state.flags())?;
            }
        }
        7 => context.memory_seq_copy(seq, random.below(n_seq) as i32)?,
        8 => {
            let to = random.one_in(2).then(|| random.below(80) as u32);
            context.memory_seq_rm(seq, random.below(60) as u32, to)?;
        }
        9 => context.memory_clear(random.one_in(2)),
        10 => {
            let _ = context.logits(random.below(6) as i32 - 3);
            context.synchronize()?;
        }
        _ => assert!(model.memory_of_context(context.params()).is_some() && context.pos_min(seq).is_ok()),
    }
    Ok(())
}

#[test]
fn no_sequence_of_calls_costs_the_context() {
    let n = std::env::var(VARIABLE).ok().and_then(|n| n.parse().ok()).unwrap_or(N_SEQUENCES);
    let shapes =
        ["tiny-llama", "tiny-gemma3", "tiny-gpt-oss", "tiny-qwen3moe", "tiny-mamba2", "tiny-granite-hybrid"];
    let mut random = Random(88_172_645_463_325_252);
    let (mut n_done, mut n_refused) = (0, 0);
    for i in 0..n {
        let model = tiny(shapes[(i % shapes.len() as u64) as usize]);
        let params = params(&mut random);
        // A quantised cache needs flash attention.
        let Ok(mut context) = Context::new(&model, &params) else { continue };
        let mut states = Vec::new();
        for _ in 0..30 {
            match call(&mut random, &model, &mut context, &mut states) {
                Ok(()) => n_done += 1,
                Err(error @ LlamaError::Exception { .. }) => panic!("{i} {params:?}: {error}"),
                Err(_) => n_refused += 1,
            }
        }
    }
    assert!(n_done > 10 * n && n_refused > 0, "{n_done} done, {n_refused} refused");
}
