//! The wrapper on real models: lives of handles, batches, states, text.
#![allow(missing_docs)]

mod llama_support;

use llama_bench_rs::with;
use std::{sync::atomic::Ordering, thread};

use llama_bench_rs::llama::{
    Batch, ChatMessage, ChatTemplate, Context, ContextParams, KvType, LlamaError, Sampler, SamplerParams,
    StateFlags,
};
use llama_support::{backend, params, tiny, tiny_with_vocabulary};

#[test]
fn handles_may_be_dropped_in_any_order() {
    let model = tiny("tiny-llama");
    let clone = model.clone();
    let mut context = Context::new(&model, &params(64)).unwrap();
    drop(model);
    context.decode_tokens(&[1, 2, 3]).unwrap();
    drop(clone);
    context.decode_tokens(&[4]).unwrap();
    assert_eq!(context.n_past(), 4);
    let vocab = tiny_with_vocabulary("tiny-llama").vocab().unwrap();
    assert_eq!(vocab.n_tokens(), 1024);
}

#[test]
fn one_model_serves_many_threads() {
    let model = tiny("tiny-gpt-oss");
    let logits: Vec<Vec<f32>> = thread::scope(|scope| {
        let decode = || {
            let _ = backend();
            let mut context = Context::new(&model, &params(64)).unwrap();
            context.decode_tokens(&[5, 6, 7]).unwrap();
            context.logits(-1).unwrap().to_vec()
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(decode)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(logits.iter().all(|one| *one == logits[0]));
}

#[test]
fn contexts_move_between_threads() {
    let mut context = Context::new(&tiny("tiny-llama"), &params(64)).unwrap();
    let mut context = thread::spawn(move || {
        context.decode_tokens(&[1]).unwrap();
        context
    })
    .join()
    .unwrap();
    context.decode_tokens(&[2]).unwrap();
    assert_eq!(context.n_past(), 2);
}

/// Kibibytes that the process holds in memory; `None` if the system does not say.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix("kB")?.trim().parse().ok())
}

#[test]
fn making_and_freeing_does_not_grow() {
    let path = llama_support::file("tiny-llama", false);
    let round = || {
        for _ in 0..10 {
            let model = llama_support::load(&path).unwrap();
            let mut context = Context::new(&model, &params(256)).unwrap();
            context.decode_tokens(&[1, 2, 3]).unwrap();
            context.state_save(0, StateFlags::empty()).unwrap();
        }
    };
    // Allocators keep what they once had: the first rounds do not count.
    round();
    round();
    let Some(before) = resident() else {
        println!("SKIPPED: this system does not tell the resident size");
        return;
    };
    (0..5).for_each(|_| round());
    let grown = resident().unwrap().saturating_sub(before);
    // 50 models of 5.5 MB each would be 275 MB. Other tests of this process run beside this one.
    assert!(grown < 120_000, "grew by {grown} KiB");
}

#[test]
fn decodes_are_bounded() {
    let mut context = Context::new(&tiny("tiny-llama"), &params(256).n_batch(32).n_ubatch(16)).unwrap();
    assert!(matches!(context.decode_tokens(&[]), Err(LlamaError::BatchSize { n_tokens: 0, .. })));
    assert!(matches!(
        context.decode_tokens(&[1; 33]),
        Err(LlamaError::BatchSize { n_batch: 32, n_tokens: 33 })
    ));
    for token in [-1, 1024, i32::MAX, i32::MIN] {
        assert!(matches!(context.decode_tokens(&[1, token]), Err(LlamaError::Token { .. })));
    }
    assert_eq!(context.n_past(), 0);
    for _ in 0..context.n_ctx() / 32 {
        context.decode_tokens(&[1; 32]).unwrap();
    }
    assert!(matches!(context.decode_tokens(&[1]), Err(LlamaError::ContextFull { n_tokens: 1, .. })));
    context.memory_clear(true);
    context.decode_tokens(&[1]).unwrap();
    assert_eq!(context.n_past(), 1);
}

#[test]
fn batches_with_sequences_of_their_own() {
    let mut context = Context::new(&tiny("tiny-llama"), &params(256).n_seq_max(3)).unwrap();
    let mut batch = Batch::new();
    for (seq, first) in [(0, 10), (1, 20)] {
        for i in 0..3 {
            batch.add(first + i, i as u32, &[seq], i == 2).unwrap();
        }
    }
    context.decode(&batch).unwrap();
    let (one, two) = (context.logits(2).unwrap().to_vec(), context.logits(5).unwrap().to_vec());
    assert_ne!(one, two);
    assert!(context.logits(1).is_none(), "not asked for");
    assert!(context.logits(77).is_none() && context.logits(-77).is_none());
    assert_eq!((context.pos_max(0).unwrap(), context.pos_max(1).unwrap()), (Some(2), Some(2)));
    assert_eq!(context.pos_max(2).unwrap(), None);
    context.memory_seq_copy(1, 2).unwrap();
    assert_eq!(context.pos_max(2).unwrap(), Some(2));

    // The same token after a sequence and after its copy.
    let next = |context: &mut Context, seq: i32| {
        let mut batch = Batch::new();
        batch.add(30, 3, &[seq], true).unwrap();
        context.decode(&batch).unwrap();
        context.logits(0).unwrap().to_vec()
    };
    assert_eq!(next(&mut context, 1), next(&mut context, 2));

    batch.clear();
    batch.add(1, 0, &[3], false).unwrap();
    assert!(matches!(context.decode(&batch), Err(LlamaError::Sequence { seq: 3, n_seq_max: 3 })));
    batch.clear();
    batch.add(1, 77, &[0], true).unwrap();
    let gap = context.decode(&batch).unwrap_err();
    assert!(matches!(gap, LlamaError::Decode { code: -1, .. }), "{gap}");
    assert!(context.pos_max(3).is_err() && context.memory_seq_rm(-1, 0, None).is_err());
}

#[test]
fn a_restored_state_goes_on_as_the_saved_one() {
    for shape in ["tiny-llama", "tiny-gpt-oss", "tiny-mamba2", "tiny-granite-hybrid"] {
        let model = tiny(shape);
        let mut context = Context::new(&model, &params(256)).unwrap();
        context.decode_tokens(&[1, 2, 3, 4, 5]).unwrap();
        let state = context.state_save(0, StateFlags::empty()).unwrap();
        assert!(state.size_bytes() > 0);
        context.decode_tokens(&[9]).unwrap();
        let expected = context.logits(-1).unwrap().to_vec();
        context.memory_clear(true);
        context.state_restore(&state).unwrap();
        assert_eq!(context.n_past(), 5, "{shape}");
        context.decode_tokens(&[9]).unwrap();
        assert_eq!(context.logits(-1).unwrap(), expected, "{shape}");
        // Into another context of the same model.
        let mut other = Context::new(&model, &params(256)).unwrap();
        other.state_restore_bytes(state.as_bytes().unwrap(), 0, StateFlags::empty()).unwrap();
        other.decode_tokens(&[9]).unwrap();
        assert_eq!(other.logits(-1).unwrap(), expected, "{shape}");
    }
}

#[test]
fn bytes_that_are_no_state_are_refused() {
    let mut context = Context::new(&tiny("tiny-gpt-oss"), &params(256)).unwrap();
    context.decode_tokens(&[1, 2, 3, 4, 5]).unwrap();
    let state = context.state_save(0, StateFlags::empty()).unwrap().into_bytes();
    let none = StateFlags::empty();
    for n in (0..10).map(|tenth| state.len() * tenth / 10) {
        let error = context.state_restore_bytes(&state[..n], 0, none).unwrap_err();
        assert!(matches!(error, LlamaError::State { .. } | LlamaError::Exception { .. }), "{error}");
        if matches!(error, LlamaError::Exception { .. }) {
            context = Context::new(&tiny("tiny-gpt-oss"), &params(256)).unwrap();
        }
    }
    context.memory_clear(true);
    context.decode_tokens(&[1]).unwrap();
}

#[test]
fn a_state_on_the_device_belongs_to_its_context() {
    let model = tiny("tiny-gpt-oss");
    let mut context = Context::new(&model, &params(256)).unwrap();
    context.decode_tokens(&[1, 2, 3]).unwrap();
    let first = context.state_save(0, StateFlags::ON_DEVICE).unwrap();
    let second = context.state_save(0, StateFlags::ON_DEVICE).unwrap();
    context.state_restore(&second).unwrap();
    assert!(matches!(context.state_restore(&first), Err(LlamaError::State { .. })), "replaced");
    let mut other = Context::new(&model, &params(256)).unwrap();
    assert!(matches!(other.state_restore(&second), Err(LlamaError::State { .. })), "of another context");
    let quantised = params(256).type_k(KvType::Q8_0).type_v(KvType::Q8_0);
    let mut quantised = Context::new(&model, &quantised).unwrap();
    quantised.decode_tokens(&[1]).unwrap();
    assert!(matches!(quantised.state_save(0, StateFlags::ON_DEVICE), Err(LlamaError::Unsupported { .. })));
}

#[test]
fn text_becomes_tokens_and_text_again() {
    let vocab = tiny_with_vocabulary("tiny-llama").vocab().unwrap();
    for text in ["hello there", "Grüße, 世界 🙂", "", "  two  spaces\n\ttab", "<s>"] {
        let tokens = vocab.tokenize(text, true, false).unwrap();
        assert_eq!(tokens.first().copied(), vocab.bos());
        let back = vocab.detokenize(&tokens[1..], false).unwrap();
        // The vocabulary adds a space in front, and takes it away again.
        assert!(back == text || back.strip_prefix(' ') == Some(text), "{back:?} from {text:?}");
        let pieces: Vec<u8> = tokens[1..].iter().flat_map(|&t| vocab.piece(t, false).unwrap()).collect();
        assert_eq!(String::from_utf8(pieces).unwrap().trim_start_matches(' '), text.trim_start_matches(' '));
    }
    let special = vocab.tokenize("<|im_end|>", false, true).unwrap();
    assert_eq!(special.last().copied(), vocab.eot());
    assert!(vocab.is_eog(special[special.len() - 1]) && !vocab.is_eog(300) && !vocab.is_eog(-5));
    assert!(matches!(vocab.piece(5000, false), Err(LlamaError::Token { .. })));
    assert!(matches!(vocab.detokenize(&[1, -1], false), Err(LlamaError::Token { .. })));
    let none = tiny("tiny-llama").vocab().unwrap_err();
    assert!(none.to_string().contains("no vocabulary"), "{none}");
}

#[test]
fn conversations_are_written_by_the_models_template() {
    let model = tiny_with_vocabulary("tiny-llama");
    let messages = [ChatMessage::new("user", "hi"), ChatMessage::new("assistant", "ho")];
    let text = model.apply_chat_template(&messages, true).unwrap();
    assert!(
        text.contains("<|im_start|>user\nhi<|im_end|>") && text.ends_with("<|im_start|>assistant\n"),
        "{text}"
    );
    assert!(model.apply_chat_template(&[ChatMessage::new("user", "a\0b")], true).is_err());
    let none = tiny("tiny-llama").apply_chat_template(&messages, true).unwrap_err();
    assert!(none.to_string().contains("no chat template"), "{none}");
}

#[test]
fn templates_are_known_by_name_and_by_text() {
    let names = ChatTemplate::names();
    assert!(names.len() > 20 && names.iter().all(|name| !name.is_empty()), "{names:?}");
    let messages = [ChatMessage::new("user", " hi "), ChatMessage::new("assistant", "ho")];
    for name in &names {
        let template = ChatTemplate::new(name).unwrap();
        assert!(template.apply(&messages, true).unwrap().contains("hi"), "{name}");
        assert_eq!(template.text(), name);
    }
    let own = ChatTemplate::of(&tiny_with_vocabulary("tiny-llama")).unwrap();
    let chatml = ChatTemplate::new("chatml").unwrap();
    assert_eq!(own.apply(&messages, true).unwrap(), chatml.apply(&messages, true).unwrap());
    assert_eq!(ChatTemplate::new(own.text()).unwrap(), own);

    let unknown = ChatTemplate::new("chatlm").unwrap_err().to_string();
    assert!(unknown.contains("\"chatlm\"") && unknown.contains("chatml"), "{unknown}");
    let long = ChatTemplate::new("{{ messages }}\n".repeat(10_000)).unwrap_err().to_string();
    assert!(long.contains("of 150000 bytes") && long.len() < 2000, "{long}");
    assert!(ChatTemplate::new("chat\0ml").is_err());
    let vocab = tiny_with_vocabulary("tiny-llama").vocab().unwrap();
    assert!(
        vocab.is_control(3) && !vocab.is_control(300) && !vocab.is_control(-1) && !vocab.is_control(9999)
    );
}

#[test]
fn samplers_follow_their_parameters() {
    let model = tiny("tiny-llama");
    let mut context = Context::new(&model, &params(64)).unwrap();
    let mut greedy = Sampler::new(&SamplerParams::default()).unwrap();
    assert!(greedy.sample(&mut context, -1).is_err(), "nothing was decoded");
    context.decode_tokens(&[1, 2, 3]).unwrap();
    let logits = context.logits(-1).unwrap().to_vec();
    let best = (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap() as i32;
    assert_eq!(greedy.sample(&mut context, -1).unwrap(), best);
    assert!(greedy.sample(&mut context, 50).is_err());

    let draw = |seed| {
        let params = with!(SamplerParams { temperature: 5.0, seed, ..SamplerParams::default() });
        (params, Sampler::new(&params).unwrap())
    };
    let mut twenty = |sampler: &mut Sampler| -> Vec<i32> {
        (0..20).map(|_| sampler.sample(&mut context, -1).unwrap()).collect()
    };
    let (one, same, other) = (twenty(&mut draw(1).1), twenty(&mut draw(1).1), twenty(&mut draw(2).1));
    assert_eq!(one, same);
    assert_ne!(one, other);
    let narrow = with!(SamplerParams { top_k: 1, ..draw(3).0 });
    assert!(twenty(&mut Sampler::new(&narrow).unwrap()).iter().all(|&token| token == best));

    let default = SamplerParams::default();
    for bad in [
        with!(SamplerParams { temperature: f32::NAN, ..default }),
        with!(SamplerParams { temperature: -1.0, ..default }),
        with!(SamplerParams { top_p: 0.0, ..default }),
        with!(SamplerParams { min_p: 1.5, ..default }),
    ] {
        assert!(matches!(Sampler::new(&bad), Err(LlamaError::Parameter { .. })), "{bad:?}");
    }
}

#[test]
fn another_thread_can_stop_a_decode() {
    let mut context = Context::new(&tiny("tiny-llama"), &params(512)).unwrap();
    let flag = context.abort_flag();
    flag.store(true, Ordering::Relaxed);
    assert!(matches!(context.decode_tokens(&[1; 64]), Err(LlamaError::Cancelled { .. })));
    flag.store(false, Ordering::Relaxed);
    context.memory_clear(true);
    context.decode_tokens(&[1; 64]).unwrap();
}

#[test]
fn threads_can_be_changed_within_the_pool() {
    let mut context =
        Context::new(&tiny("tiny-llama"), &ContextParams::default().n_ctx(64).n_threads(2)).unwrap();
    context.set_n_threads(1, 1).unwrap();
    context.decode_tokens(&[1]).unwrap();
    assert!(context.set_n_threads(0, 1).is_err() && context.set_n_threads(600, 1).is_err());
}

#[test]
fn memory_is_told_by_device() {
    let context = Context::new(&tiny("tiny-llama"), &params(1024)).unwrap();
    let memory = context.memory_breakdown();
    let all = |part: fn(&llama_bench_rs::record::DeviceMemory) -> u64| memory.values().map(part).sum::<u64>();
    assert!(all(|m| m.model_bytes) > 5 << 20, "{memory:?}");
    // Four layers of two heads of 64, K and V, in 16 bits, for 1024 tokens.
    assert_eq!(all(|m| m.context_bytes), 1024 * 4 * 2 * 64 * 2 * 2, "{memory:?}");
    assert!(all(|m| m.compute_bytes) > 0);
}
