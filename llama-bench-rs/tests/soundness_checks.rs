//! Batches, files and subscribers that llama.cpp would assert, write past or wait for: each is an error, or works.
#![allow(missing_docs)]

mod llama_support;
mod log_support;

use std::{cell::Cell, sync::OnceLock};

use llama_bench_rs::{
    gguf::{GgufFile, Shape, Synthetic, Value},
    llama::{Backend, Batch, Context, FlashAttn, KvType, LlamaError, Model, Sampler, SamplerParams},
    testing,
};
use llama_support::{file, folder, load, params, tiny};
use log_support::on_line;

fn batch(tokens: &[(u32, &[i32])]) -> Batch {
    let mut batch = Batch::new();
    for (position, sequences) in tokens {
        batch.add(1, *position, sequences, true).unwrap();
    }
    batch
}

#[test]
fn a_batch_that_is_computed_at_once_fits_the_physical_batch() {
    let model = tiny("tiny-bert");
    for embeddings in [false, true] {
        let params = params(256).n_ubatch(16).embeddings(embeddings);
        let mut context = Context::new(&model, &params).unwrap();
        let refused = context.decode_tokens(&[1; 17]).unwrap_err();
        assert!(matches!(refused, LlamaError::UbatchSize { n_ubatch: 16, n_tokens: 17 }), "{refused}");
        assert!(refused.to_string().contains("raise n_ubatch"), "{refused}");
        let large: Vec<(u32, &[i32])> = (0..17).map(|i| (i, &[0][..])).collect();
        assert!(matches!(context.decode(&batch(&large)), Err(LlamaError::UbatchSize { .. })));
        context.decode_tokens(&[1; 16]).unwrap();
        context.decode(&batch(&large[..16])).unwrap();
        // There is no memory to fill.
        (0..20).for_each(|_| context.decode_tokens(&[1; 16]).unwrap());
        assert_eq!(context.n_past(), 0);
    }
}

#[test]
fn a_decoder_waits_for_its_encoder() {
    let model = tiny("tiny-t5");
    let mut context = Context::new(&model, &params(256)).unwrap();
    for refused in [context.decode_tokens(&[1]), context.decode(&batch(&[(0, &[0])]))] {
        let refused = refused.unwrap_err();
        assert!(matches!(refused, LlamaError::Unsupported { .. }), "{refused}");
        assert!(refused.to_string().contains("encode one first"), "{refused}");
    }
    context.synchronize().unwrap();
    let refused = Context::new(&model, &params(512).n_seq_max(2)).unwrap_err();
    assert!(refused.to_string().contains("kv_unified"), "{refused}");
    Context::new(&model, &params(512).n_seq_max(2).kv_unified(true)).unwrap();
}

/// Its attention has no flash attention, without which a quantised V overruns what it is turned into.
#[test]
fn a_decoder_with_relative_positions_takes_no_quantised_values() {
    let asked = params(256).flash_attn(FlashAttn::On).type_k(KvType::Q8_0);
    let refused = Context::new(&tiny("tiny-t5"), &asked.clone().type_v(KvType::Q8_0)).unwrap_err();
    assert!(matches!(refused, LlamaError::Parameter { name: "type_v", .. }), "{refused}");
    let mut context = Context::new(&tiny("tiny-t5"), &asked).unwrap();
    context.encode_tokens(&[1; 20]).unwrap();
    context.decode_tokens(&[1; 20]).unwrap();
    context.synchronize().unwrap();
}

#[test]
fn a_token_of_two_sequences_needs_one_memory() {
    for shape in ["tiny-llama", "tiny-gpt-oss", "tiny-granite-hybrid", "tiny-mamba2"] {
        for embeddings in [false, true] {
            let params = params(512).n_seq_max(2).embeddings(embeddings);
            let mut context = Context::new(&tiny(shape), &params).unwrap();
            let shared = batch(&[(0, &[0, 1]), (1, &[0, 1]), (2, &[1, 0])]);
            match context.decode(&shared) {
                Err(LlamaError::Parameter { name: "sequences", .. }) => assert_ne!(shape, "tiny-mamba2"),
                Ok(()) | Err(LlamaError::Decode { .. }) => assert_eq!(shape, "tiny-mamba2"),
                Err(other) => panic!("{shape} {embeddings}: {other}"),
            }
            context.memory_clear(false);
            // The same sequence twice is one sequence.
            context.decode(&batch(&[(0, &[1, 1]), (1, &[1])])).unwrap();
        }
    }
}

/// Random batches for every kind of memory: llama.cpp accepts or refuses them, and no assertion fails.
#[test]
fn no_batch_costs_the_context() {
    let mut state = 88_172_645_463_325_252_u64;
    let mut next = move |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    for shape in ["tiny-llama", "tiny-gemma3", "tiny-mamba2", "tiny-granite-hybrid"] {
        for (unified, embeddings) in [(false, false), (false, true), (true, false), (true, true)] {
            let params = params(768).n_seq_max(3).n_ubatch(4).kv_unified(unified).embeddings(embeddings);
            let mut context = Context::new(&tiny(shape), &params).unwrap();
            let (mut n_done, mut ends) = (0, [0_u32; 3]);
            for _ in 0..40 {
                let mut batch = Batch::new();
                for _ in 0..=next(9) {
                    let first = next(3) as usize;
                    let (second, shares) = (next(3) as usize, next(8) == 0);
                    // Mostly the position that follows, which makes a batch that can be decoded.
                    let position = if next(12) == 0 { next(9) as u32 } else { ends[first] };
                    let sequences = [first as i32, second as i32];
                    let sequences = if shares { &sequences[..] } else { &sequences[..1] };
                    batch.add(next(9) as i32, position, sequences, next(2) == 0).unwrap();
                    ends[first] = position + 1;
                }
                match context.decode(&batch) {
                    Ok(()) => n_done += 1,
                    Err(LlamaError::Decode { .. } | LlamaError::Parameter { .. }) => {}
                    Err(other) => panic!("{shape} unified {unified} embeddings {embeddings}: {other}"),
                }
                match next(6) {
                    0 => context.memory_seq_copy(next(3) as i32, next(3) as i32).unwrap(),
                    1 => context.memory_clear(false),
                    2 => drop(context.memory_seq_rm(next(3) as i32, next(9) as u32, None).unwrap()),
                    _ => {}
                }
                for (seq, end) in (0..).zip(&mut ends) {
                    *end = context.pos_max(seq).unwrap().map_or(0, |last| last + 1);
                }
            }
            assert!(n_done > 5, "{shape} unified {unified} embeddings {embeddings}: {n_done} were decoded");
        }
    }
}

#[test]
fn a_decode_that_failed_leaves_no_logits() {
    let mut context = Context::new(&tiny("tiny-llama"), &params(256)).unwrap();
    type Fails = fn(&mut Context) -> Result<(), LlamaError>;
    let fails: [Fails; 5] = [
        |context| context.decode_tokens(&[]),
        |context| context.decode_tokens(&[-1]),
        |context| context.decode(&batch(&[(0, &[0])])),
        |context| context.decode(&batch(&[(256, &[0]), (257, &[0])])),
        |context| {
            while context.n_past() < 256 {
                let room = 256 - context.n_past() as usize;
                context.decode_tokens(&[1; 64][..room.min(64)])?;
            }
            assert!(context.logits(-1).is_some());
            context.decode(&batch(&[(256, &[0])]))
        },
    ];
    assert!(context.logits(-1).is_none(), "nothing was decoded yet");
    for (i, fail) in fails.into_iter().enumerate() {
        context.memory_clear(false);
        context.decode_tokens(&[1, 2, 3]).unwrap();
        assert!(context.logits(-1).is_some());
        fail(&mut context).unwrap_err();
        assert!(context.logits(-1).is_none() && context.logits(0).is_none(), "failure {i}");
        assert!(Sampler::new(&SamplerParams::default()).unwrap().sample(&mut context, -1).is_err());
    }
    context.memory_clear(false);
    context.decode_tokens(&[1]).unwrap();
    assert!(context.logits(-1).is_some());
}

#[test]
fn factors_of_positions_are_numbers() {
    let original = GgufFile::open(file("tiny-llama", false)).unwrap();
    let with = |key: &str, value: Value| {
        let mut metadata: Vec<_> =
            original.metadata.iter().filter(|(known, _)| !known.starts_with("general.")).cloned().collect();
        metadata.retain(|(known, _)| known != key);
        metadata.push(("llama.rope.scaling.type".into(), "yarn".into()));
        metadata.push((key.into(), value));
        let tensors = original.tensors.iter().map(|t| (t.name.clone(), t.dims.clone(), t.tensor_type));
        let path = folder().join("rope.gguf");
        let shape = Shape::from_parts("rope", "llama", metadata, tensors.collect());
        Synthetic::new(shape).write_to(&path).unwrap();
        load(&path)
    };
    for key in
        ["scaling.factor", "scale_linear", "freq_base", "scaling.attn_factor", "scaling.yarn_ext_factor"]
    {
        for value in [
            Value::F32(f32::NAN),
            Value::F32(f32::INFINITY),
            Value::F64(f64::NEG_INFINITY),
            Value::F64(1e300),
        ] {
            let key = format!("llama.rope.{key}");
            let refused = with(&key, value).unwrap_err();
            assert!(matches!(refused, LlamaError::Hyperparameter { .. }), "{refused}");
            assert!(refused.to_string().contains(&key), "{refused}");
        }
    }
    let model = with("llama.rope.scaling.factor", Value::F32(4.0)).unwrap();
    let n_ctx_train = model.n_ctx_train();
    Context::new(&model, &params(256)).unwrap().decode_tokens(&[1, 2, 3]).unwrap();
    assert_eq!(model.n_ctx_train(), n_ctx_train);
}

thread_local! {
    static CALLS_BACK: Cell<bool> = const { Cell::new(false) };
    static N_CALLS: Cell<u32> = const { Cell::new(0) };
}

static MODEL: OnceLock<Model> = OnceLock::new();

/// Calls the library at a line of llama.cpp's log, and lets the lines of those calls pass.
fn call_back(event: &tracing::Event<'_>) {
    if event.metadata().target() != "llama.cpp" || !CALLS_BACK.get() {
        return;
    }
    N_CALLS.set(N_CALLS.get() + 1);
    Backend::init().unwrap();
    let Some(model) = MODEL.get() else { return };
    // Each of these is a call into C++, and some fail there.
    model.memory_of_context(&params(256)).unwrap();
    testing::tiny("tiny-llama").unwrap();
    let mut context = Context::new(model, &params(256)).unwrap();
    assert_eq!(context.flash_attn_resolved(), Some(true), "its own log is not lost");
    context.decode_tokens(&[1]).unwrap();
    assert!(context.state_restore_bytes(&[1; 64], 0, Default::default()).is_err());
}

#[test]
fn subscribers_may_call_the_library() {
    tracing::subscriber::set_global_default(on_line(call_back)).unwrap();
    let model = tiny("tiny-llama");
    let _ = MODEL.set(model.clone());
    CALLS_BACK.set(true);
    let memory = load(&file("tiny-gemma3", false)).unwrap().memory_of_context(&params(256));
    assert!(memory.is_some_and(|memory| !memory.is_empty()));
    assert!(model.memory_of_context(&params(256)).is_some());
    testing::tiny("tiny-llama").unwrap();
    let mut context = Context::new(&model, &params(256)).unwrap();
    context.decode_tokens(&[1, 2, 3]).unwrap();
    // Nested calls do not change the exception of the outer call.
    let refused = context.state_restore_bytes(&[1; 64], 0, Default::default()).unwrap_err();
    assert!(refused.to_string().contains("wrong sequence state magic"), "{refused}");
    context.decode_tokens(&[4]).unwrap();
    assert_eq!(context.n_past(), 4);
    CALLS_BACK.set(false);
    assert!(N_CALLS.get() > 20, "{} calls", N_CALLS.get());
}
