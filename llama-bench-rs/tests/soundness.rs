//! What safe code could ask of llama.cpp that would overrun, abort or hang: each is an error, or works.
#![allow(missing_docs)]

mod llama_support;

use llama_bench_rs::with;
use std::{cell::RefCell, fs, thread};

use llama_bench_rs::{
    gguf::{GgufFile, Shape, Synthetic, Value},
    llama::{
        Batch, Context, ContextParams, FlashAttn, KvType, LlamaError, LoadMode, Model, ModelParams, Sampler,
        SamplerParams, StateFlags,
    },
};
use llama_support::{file, folder, load, params, tiny_on_devices as tiny};

#[test]
fn a_model_without_memory_tells_its_size_and_computes_nothing() {
    for mode in [LoadMode::Auto, LoadMode::None, LoadMode::Mmap] {
        let params_of_model = ModelParams::default().no_alloc(true).load_mode(mode);
        let model = Model::load_with(file("tiny-llama", false), &params_of_model).unwrap();
        let mut context = Context::new(&model, &params(64)).unwrap();
        assert!(context.memory_breakdown().values().any(|memory| memory.model_bytes > 1 << 20));
        let refused = context.decode_tokens(&[1, 2, 3]).unwrap_err();
        assert!(refused.to_string().contains("no_alloc"), "{refused}");
        context.memory_clear(true);
        assert!(context.logits(-1).is_none());
        assert!(context.state_save(0, StateFlags::empty()).is_err());
        assert!(context.state_restore_bytes(&[0; 64], 0, StateFlags::empty()).is_err());
        assert!(Sampler::new(&SamplerParams::default()).unwrap().sample(&mut context, -1).is_err());
    }
}

#[test]
fn positions_end_where_llama_cpp_can_still_count() {
    let mut batch = Batch::new();
    for position in [Batch::MAX_POSITION + 1, i32::MAX as u32, u32::MAX] {
        let refused = batch.add(1, position, &[0], true);
        assert!(matches!(refused, Err(LlamaError::Parameter { name: "position", .. })), "{position}");
    }
    let mut context = Context::new(&tiny("tiny-llama"), &params(64)).unwrap();
    batch.add(1, Batch::MAX_POSITION, &[0], true).unwrap();
    context.decode(&batch).unwrap();
    assert_eq!(context.pos_max(0).unwrap(), Some(Batch::MAX_POSITION));
    assert!(matches!(context.decode_tokens(&[1]), Err(LlamaError::ContextFull { .. })));
    assert!(context.memory_seq_rm(0, 5, None).unwrap());
    context.decode_tokens(&[1]).unwrap();
}

/// llama.cpp lowers n_batch to n_ctx and asserts the lower one.
#[test]
fn the_batch_is_as_small_as_the_context() {
    let params = ContextParams::default().n_ctx(256).n_batch(2048).n_threads(1).n_threads_batch(1);
    let mut context = Context::new(&tiny("tiny-llama"), &params).unwrap();
    assert_eq!(context.n_batch(), 256);
    let mut batch = Batch::new();
    (0..257).for_each(|i| batch.add(1, i, &[0], false).unwrap());
    assert!(matches!(context.decode(&batch), Err(LlamaError::BatchSize { n_batch: 256, n_tokens: 257 })));
    context.decode_tokens(&[1; 256]).unwrap();
}

#[test]
fn small_contexts_of_many_sequences_work_or_say_why() {
    let model = tiny("tiny-gpt-oss");
    for (n_ctx, n_seq_max) in [(1, 1), (1, 3), (2, 2), (63, 64), (64, 64), (65, 64), (256, 65), (256, 256)] {
        for unified in [false, true] {
            match Context::new(&model, &params(n_ctx).n_seq_max(n_seq_max).kv_unified(unified)) {
                Ok(mut context) => {
                    context.decode_tokens(&[1]).unwrap();
                    assert!(n_seq_max <= n_ctx.min(64));
                }
                Err(LlamaError::Parameter { name: "n_seq_max", .. }) => assert!(n_seq_max > n_ctx.min(64)),
                Err(other) => panic!("{n_ctx} {n_seq_max}: {other}"),
            }
        }
    }
}

#[test]
fn odd_batches_are_taken_or_refused_and_the_context_goes_on() {
    for shape in ["tiny-llama", "tiny-gpt-oss", "tiny-mamba2", "tiny-granite-hybrid"] {
        for unified in [false, true] {
            let mut context =
                Context::new(&tiny(shape), &params(512).n_seq_max(4).kv_unified(unified)).unwrap();
            let mut decode = |tokens: &[(u32, &[i32])]| {
                let mut batch = Batch::new();
                for (position, sequences) in tokens {
                    batch.add(1, *position, sequences, true).unwrap();
                }
                match context.decode(&batch) {
                    Ok(()) | Err(LlamaError::Decode { .. }) => {}
                    Err(LlamaError::Parameter { name: "sequences", .. }) if !unified => {}
                    Err(other) => panic!("{shape} {unified}: {other}"),
                }
            };
            decode(&[(0, &[0; 1000]), (1, &[0; 1000])]);
            decode(&[(0, &[1, 2, 3]), (1, &[2, 1]), (1, &[3])]);
            decode(&[(9, &[1]), (8, &[1]), (9, &[1])]);
            decode(&[(70, &[3]), (70, &[3])]);
            let _ = context.memory_seq_rm(1, 0, Some(1)).unwrap();
            context.memory_seq_copy(1, 2).unwrap();
            context.memory_clear(false);
            context.decode_tokens(&[1, 2]).unwrap();
        }
    }
}

/// Saved states with a few bytes changed: llama.cpp takes or refuses them, and the context stays usable.
#[test]
fn damaged_states_overrun_nothing() {
    let mut state = 88_172_645_463_325_252_u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize
    };
    let quantised = params(256).type_k(KvType::Q8_0).type_v(KvType::Q8_0).flash_attn(FlashAttn::On);
    for (shape, params, flags) in [
        ("tiny-llama", params(256), StateFlags::empty()),
        ("tiny-gpt-oss", params(256), StateFlags::PARTIAL_ONLY),
        ("tiny-gpt-oss", quantised, StateFlags::empty()),
        ("tiny-mamba2", params(256), StateFlags::empty()),
        ("tiny-granite-hybrid", params(256), StateFlags::empty()),
    ] {
        let model = tiny(shape);
        let mut context = Context::new(&model, &params).unwrap();
        context.decode_tokens(&[1, 2, 3, 4, 5, 6, 7]).unwrap();
        let good = context.state_save(0, flags).unwrap().into_bytes();
        let mut n_refused = 0;
        for _ in 0..300 {
            let mut bytes = good.clone();
            // Half of them in the first bytes, where the counts and positions are.
            let range = if next() % 2 == 0 { bytes.len().min(256) } else { bytes.len() };
            let at = next() % range;
            match next() % 4 {
                0 => bytes[at] = 0xff,
                1 => bytes[at] ^= 1 << (next() % 8),
                2 => bytes.truncate(at),
                _ => {
                    let largest = i32::MAX.to_le_bytes();
                    let n = largest.len().min(bytes.len() - at);
                    bytes[at..at + n].copy_from_slice(&largest[..n]);
                }
            }
            n_refused += u32::from(context.state_restore_bytes(&bytes, 0, flags).is_err());
            let _ = context.decode_tokens(&[3]);
            let _ = context.state_save(0, flags);
            context.memory_clear(false);
            if context.decode_tokens(&[1]).is_err() {
                context = Context::new(&model, &params).unwrap();
            }
        }
        assert!(n_refused > 20, "{shape}: {n_refused} of 300 were refused");
    }
}

#[test]
fn logits_that_are_no_numbers_are_not_sampled() {
    let whole = file("tiny-llama", false);
    let header = GgufFile::open(&whole).unwrap();
    let norm = header.tensors.iter().find(|tensor| tensor.name == "output_norm.weight").unwrap();
    let mut bytes = fs::read(&whole).unwrap();
    let at = (header.data_offset + norm.offset) as usize;
    bytes[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    let path = folder().join("nan.gguf");
    fs::write(&path, bytes).unwrap();
    let mut context = Context::new(&load(&path).unwrap(), &params(64)).unwrap();
    context.decode_tokens(&[1, 2, 3]).unwrap();
    let drawing =
        with!(SamplerParams { temperature: 1.0, top_k: 40, top_p: 0.9, ..SamplerParams::default() });
    for params in [SamplerParams::default(), drawing] {
        let refused = Sampler::new(&params).unwrap().sample(&mut context, -1).unwrap_err();
        assert!(refused.to_string().contains("NaN"), "{refused}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn paths_need_not_be_utf8() {
    use std::os::unix::ffi::OsStrExt;
    let path = folder().join(std::ffi::OsStr::from_bytes(b"caf\xe9.gguf"));
    fs::copy(file("tiny-llama", false), &path).unwrap();
    assert_eq!(load(&path).unwrap().path(), path);
}

/// A tiny llama that reads text as gpt-oss does: by byte pairs, split with `std::regex`.
fn with_byte_pairs() -> Model {
    let file = GgufFile::open(file("tiny-llama", false)).unwrap();
    let own = |key: &str| key.starts_with("general.") || key.starts_with("tokenizer.");
    let mut metadata: Vec<_> = file.metadata.iter().filter(|(key, _)| !own(key)).cloned().collect();
    // Every byte as a visible character.
    let visible = |byte: u32| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    let mut hidden = 256..;
    let mut tokens: Vec<String> = (0..256)
        .map(|byte| if visible(byte) { byte } else { hidden.next().unwrap() })
        .map(|c| char::from_u32(c).unwrap().to_string())
        .collect();
    tokens.extend(["aa".to_owned(), "aaaa".to_owned()]);
    tokens.extend((tokens.len()..1024).map(|i| format!("<unused{i}>")));
    let mut set = |name: &str, value: Value| metadata.push((format!("tokenizer.ggml.{name}"), value));
    set("model", "gpt2".into());
    set("pre", "gpt-4o".into());
    set("tokens", tokens.into());
    set("merges", vec!["a a".to_owned(), "aa aa".to_owned()].into());
    let tensors = file.tensors.iter().map(|t| (t.name.clone(), t.dims.clone(), t.tensor_type)).collect();
    let path = folder().join("byte-pairs.gguf");
    Synthetic::new(Shape::from_parts("byte-pairs", "llama", metadata, tensors)).write_to(&path).unwrap();
    load(&path).unwrap()
}

/// `std::regex` calls itself for every character of a word: on the stack of a thread there is room for some thousands.
#[test]
fn long_words_overrun_no_stack() {
    let vocab = with_byte_pairs().vocab().unwrap();
    assert_eq!(vocab.tokenize("aaaa aa", false, false).unwrap(), [257, 32, 256]);
    const N: usize = 20_000;
    for (text, n_tokens) in [
        ("a".repeat(N), N / 4),
        (format!("short {}", "Aa".repeat(N)), 6 + 2 * N),
        (" ".repeat(N), N),
        ("!".repeat(N), N),
        ("\r\n".repeat(N), 2 * N),
        ("\u{4e16}".repeat(N), 3 * N),
    ] {
        let tokens = vocab.tokenize(&text, false, false).unwrap();
        assert_eq!(tokens.len(), n_tokens, "{:?}", text.chars().next());
        assert_eq!(vocab.detokenize(&tokens, false).unwrap(), text);
    }
}

/// Thread-local variables are destroyed one after the other: the log's may be gone when a context goes.
#[test]
fn handles_may_live_in_thread_local_variables() {
    thread_local! {
        static KEPT: RefCell<Option<Context>> = const { RefCell::new(None) };
    }
    let model = tiny("tiny-llama");
    for first in [true, false] {
        let model = model.clone();
        let keep = move || {
            if first {
                KEPT.with(|kept| kept.borrow_mut().take());
            }
            let mut context = Context::new(&model, &params(64)).unwrap();
            // An exception leaves its text with the thread.
            assert!(context.state_restore_bytes(&[1; 64], 0, StateFlags::empty()).is_err());
            KEPT.with(|kept| *kept.borrow_mut() = Some(context));
        };
        thread::spawn(keep).join().unwrap();
    }
}

#[test]
fn a_state_that_could_not_be_saved_on_the_device_gives_no_older_one() {
    let mut context = Context::new(&tiny("tiny-mamba2"), &params(64)).unwrap();
    let flags = StateFlags::ON_DEVICE;
    context.decode_tokens(&[1, 2, 3]).unwrap();
    let state = context.state_save(0, flags).unwrap();
    context.decode_tokens(&[4]).unwrap();
    context.state_restore(&state).unwrap();
    assert_eq!(context.n_past(), 3);
    context.memory_clear(false);
    // Empty: llama.cpp restores the older state correctly or refuses it.
    let _ = context.state_save(0, flags);
    if context.state_restore(&state).is_ok() {
        assert_eq!(context.n_past(), 3);
    }
    context.memory_clear(true);
    context.decode_tokens(&[1]).unwrap();
}

#[test]
fn temperatures_too_low_to_divide_by_are_refused() {
    for temperature in [f32::MIN_POSITIVE, 1e-45, 1e-7] {
        let params = with!(SamplerParams { temperature, ..SamplerParams::default() });
        assert!(matches!(Sampler::new(&params), Err(LlamaError::Parameter { name: "temperature", .. })));
    }
    let mut context = Context::new(&tiny("tiny-llama"), &params(64)).unwrap();
    context.decode_tokens(&[1, 2, 3]).unwrap();
    let greedy = Sampler::new(&SamplerParams::default()).unwrap().sample(&mut context, -1).unwrap();
    let sharp = with!(SamplerParams {
        temperature: 1e-6,
        top_k: 40,
        top_p: 0.9,
        min_p: 0.1,
        ..SamplerParams::default()
    });
    assert_eq!(Sampler::new(&sharp).unwrap().sample(&mut context, -1).unwrap(), greedy);
}
