//! What can be said of a model in place of its file: metadata, rotary positions and pooling.
#![allow(missing_docs)]

mod llama_support;

use llama_bench_rs::with;
use llama_bench_rs::{
    bench::Sweep,
    llama::{Context, ContextParams, KvOverride, KvType, LlamaError, Model, Pooling, Rope, RopeScaling},
};
use llama_support::{file, on_cpu, params, tiny};

fn overridden(shape: &str, overrides: &[(&str, KvOverride)]) -> Result<Model, LlamaError> {
    let overrides = overrides.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    Model::load_with(file(shape, true), &on_cpu().kv_overrides(overrides))
}

fn logits(model: &Model, params: &ContextParams) -> Vec<f32> {
    let mut context = Context::new(model, params).unwrap();
    context.decode_tokens(&[1, 2, 3, 4, 5]).unwrap();
    context.logits(-1).unwrap().to_vec()
}

fn apart(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).fold(0.0, |most, (a, b)| most.max((a - b).abs()))
}

#[test]
fn metadata_is_replaced_by_kind() {
    let model = overridden(
        "tiny-llama",
        &[
            ("llama.context_length", KvOverride::Int(777)),
            ("llama.rope.freq_base", KvOverride::Float(500.0)),
            ("tokenizer.ggml.add_bos_token", KvOverride::Bool(false)),
            ("general.name", KvOverride::Str("another".into())),
            ("llama.no_such_key", KvOverride::Int(1)),
        ],
    )
    .unwrap();
    assert_eq!(model.n_ctx_train(), 777);
    assert_eq!(model.bos(), None, "none is added");
    assert_eq!(model.unmatched_overrides(), ["llama.no_such_key"]);
    assert!(apart(&logits(&model, &params(64)), &logits(&tiny("tiny-llama"), &params(64))) > 0.01);
    assert!(model.memory_of_context(&params(64)).is_some(), "the file is read again with them");
}

#[test]
fn metadata_that_cannot_be_replaced_is_refused() {
    use KvOverride::{Bool, Float, Int, Str};
    let long = "x".repeat(128);
    for (key, value, told) in [
        ("llama.context_length", Float(1.0), "a whole number"),
        ("llama.context_length", Int(-1), "a whole number"),
        ("llama.context_length", Int(1 << 40), "a whole number"),
        ("llama.rope.freq_base", Int(1), "a number with a fraction"),
        ("llama.rope.freq_base", Float(f64::NAN), "a number with a fraction"),
        ("llama.rope.freq_base", Float(1e300), "finite in 32 bits"),
        ("tokenizer.ggml.add_bos_token", Str("true".into()), "true or false"),
        ("general.name", Str(long.clone()), "127 bytes"),
        ("general.name", Str("a\0b".into()), "127 bytes"),
        ("tokenizer.ggml.tokens", Str("a".into()), "a list"),
        ("split.count", Int(3), "parts"),
        ("", Int(3), "1 to 127 bytes"),
        (long.as_str(), Int(3), "1 to 127 bytes"),
        ("a\0b", Int(3), "NUL"),
        // Not in the file, and of another kind than the architecture reads.
        ("llama.rope.scaling.factor", Bool(true), "another kind"),
    ] {
        let refused = overridden("tiny-llama", &[(key, value.clone())]);
        let refused = refused.map(|_| ()).expect_err(&format!("{key} {value:?}")).to_string();
        assert!(refused.contains(told), "{key} {value:?}: {refused}");
    }
    assert!(overridden("tiny-llama", &[("a", Int(1)), ("a", Int(2))]).is_err(), "twice");
    // What a file must not say.
    for (shape, key, value) in [
        ("tiny-llama", "llama.attention.head_count", Int(0)),
        ("tiny-llama", "llama.rope.dimension_count", Int(7)),
        ("tiny-qwen3moe", "qwen3moe.expert_used_count", Int(0)),
    ] {
        let refused = overridden(shape, &[(key, value)]).map(|_| ()).unwrap_err();
        assert!(matches!(refused, LlamaError::Hyperparameter { .. }), "{key}: {refused}");
    }
}

/// llama.cpp ends the process where it rotates a part of each quantised head, and reads from nowhere where it has not
/// turned them by a matrix, as it does not for heads of 32.
#[test]
fn quantised_keys_move_only_if_llama_cpp_can_rotate_them() {
    let int = |key, n| (key, KvOverride::Int(n));
    let part = [int("granitehybrid.rope.dimension_count", 32)];
    let small = [
        int("llama.attention.head_count", 8),
        int("llama.attention.head_count_kv", 4),
        int("llama.attention.key_length", 32),
        int("llama.attention.value_length", 32),
        int("llama.rope.dimension_count", 32),
    ];
    for (shape, overrides) in [("tiny-granite-hybrid", &part[..]), ("tiny-llama", &small)] {
        let model = overridden(shape, overrides).unwrap();
        for (type_k, can) in [(KvType::F16, true), (KvType::Q8_0, false), (KvType::Q4_0, false)] {
            let mut context = Context::new(&model, &params(64).type_k(type_k)).unwrap();
            context.decode_tokens(&[1, 2, 3]).unwrap();
            let moved = context.memory_seq_add(0, 0, None, 2).is_ok();
            assert_eq!((context.can_shift(), moved), (can, can), "{shape} {type_k:?}");
            context.decode_tokens(&[1]).unwrap();
        }
    }
}

#[test]
fn rotary_positions_can_be_stretched() {
    let model = tiny("tiny-llama");
    let (base, n_ctx_train) = (logits(&model, &params(64)), model.n_ctx_train());
    let some = |rope: Rope| logits(&model, &params(64).rope(rope));
    let scaled = |scaling, freq_scale| with!(Rope { scaling, freq_scale, ..Rope::default() });
    assert_eq!(some(Rope::default()), base);
    let linear = some(scaled(Some(RopeScaling::Linear), Some(0.25)));
    let yarn = some(scaled(Some(RopeScaling::Yarn), Some(0.25)));
    assert!(apart(&linear, &base) > 0.01 && apart(&yarn, &base) > 0.01 && apart(&yarn, &linear) > 0.01);
    assert!(apart(&some(scaled(Some(RopeScaling::None), Some(0.25))), &base) < 1e-3);
    assert!(apart(&some(with!(Rope { freq_base: Some(100.0), ..Rope::default() })), &base) > 0.01);
    assert_eq!(model.n_ctx_train(), n_ctx_train, "a model is what its file says");
    // YaRN makes keys longer each time that they are rotated.
    let params = params(64).rope(scaled(Some(RopeScaling::Yarn), Some(0.25)));
    assert!(!Context::new(&model, &params).unwrap().can_shift());
}

#[test]
fn positions_that_are_not_numbers_are_refused() {
    let model = tiny("tiny-llama");
    let odd =
        [f32::NAN, f32::INFINITY, -1.0, 0.0, f32::MIN_POSITIVE, 1.0, 1e-4, 0.5, 2.0, 1e4, 1e12, f32::MAX];
    let mut n_good = 0;
    for value in odd.map(Some) {
        for scaling in RopeScaling::ALL {
            let rope = with!(Rope { scaling: Some(*scaling), ..Rope::default() });
            for rope in [
                with!(Rope { freq_base: value, ..rope }),
                with!(Rope { freq_scale: value, ..rope }),
                with!(Rope { yarn_ext_factor: value, ..rope }),
                with!(Rope { yarn_attn_factor: value, ..rope }),
                with!(Rope { yarn_beta_fast: value, ..rope }),
                with!(Rope { yarn_beta_slow: value, ..rope }),
            ] {
                match Context::new(&model, &params(64).rope(rope)) {
                    Ok(mut context) => {
                        n_good += 1;
                        context.decode_tokens(&[1, 2, 3]).unwrap();
                        assert!(
                            context.logits(-1).unwrap().iter().all(|logit| logit.is_finite()),
                            "{rope:?}"
                        );
                    }
                    Err(error) => assert!(error.to_string().contains("give"), "{rope:?}: {error}"),
                }
            }
        }
    }
    assert!(n_good > 50, "{n_good}");
    let refused = |n| {
        Context::new(&model, &params(64).rope(with!(Rope { yarn_orig_ctx: Some(n), ..Rope::default() })))
            .is_err()
    };
    assert!(refused(0) && refused(u32::MAX) && !refused(1));
}

#[test]
fn embeddings_are_pooled_as_asked() {
    let model = tiny("tiny-llama");
    let width = model.n_embd() as usize;
    let embed = |pooling| {
        let mut context = Context::new(&model, &params(64).embeddings(true).pooling(pooling)).unwrap();
        context.decode_tokens(&[1, 2, 3]).unwrap();
        let of_tokens = (0..3).filter_map(|i| context.embeddings(i).map(<[f32]>::to_vec)).collect::<Vec<_>>();
        (of_tokens, context.embeddings_seq(0).map(<[f32]>::to_vec), context.pooling())
    };
    let (tokens, none, _) = embed(None);
    assert_eq!((tokens.len(), none.is_none()), (3, true));
    for (pooling, right) in [(Pooling::Cls, &tokens[0]), (Pooling::Last, &tokens[2])] {
        let (of_tokens, pooled, told) = embed(Some(pooling));
        let pooled = pooled.unwrap();
        assert!(of_tokens.is_empty() && told == pooling && pooled.len() == width);
        assert!(apart(&pooled, right) < 0.01, "{pooling:?}");
    }
    let mean: Vec<f32> = (0..width).map(|i| tokens.iter().map(|token| token[i]).sum::<f32>() / 3.0).collect();
    assert!(apart(&embed(Some(Pooling::Mean)).1.unwrap(), &mean) < 0.01);
    assert_eq!(model.pooling(), Pooling::None, "a model is what its file says");

    let rank = Context::new(&model, &params(64).embeddings(true).pooling(Some(Pooling::Rank)));
    assert!(matches!(rank, Err(LlamaError::Parameter { name: "pooling", .. })));
    let of_reranker = params(64).embeddings(true).pooling(Some(Pooling::Mean));
    let mut context = Context::new(&tiny("tiny-rerank"), &of_reranker).unwrap();
    context.encode_tokens(&[1, 2, 3]).unwrap();
    assert_eq!(context.embeddings_seq(0).unwrap().len(), tiny("tiny-rerank").n_embd() as usize);

    // A mean over two physical batches would be one of the last.
    let small = params(64).n_ubatch(2).embeddings(true);
    for (pooling, can) in
        [(None, true), (Some(Pooling::Last), true), (Some(Pooling::Mean), false), (Some(Pooling::Cls), false)]
    {
        let mut context = Context::new(&model, &small.clone().pooling(pooling)).unwrap();
        assert_eq!(context.decode_tokens(&[1, 2, 3]).is_ok(), can, "{pooling:?}");
        context.decode_tokens(&[1, 2]).unwrap();
    }
}

/// A record has no field for them, and its figures would look like those of the unchanged model.
#[test]
fn what_no_record_tells_is_not_measured() {
    let model = overridden("tiny-llama", &[("llama.context_length", KvOverride::Int(777))]).unwrap();
    let rope = with!(Rope { freq_base: Some(100.0), ..Rope::default() });
    for (model, params, told) in [
        (model, params(64), "kv_overrides"),
        (tiny("tiny-llama"), params(64).rope(rope), "rope"),
        (tiny("tiny-llama"), params(64).pooling(Some(Pooling::Mean)), "pooling"),
    ] {
        let report = Sweep::new(&model).context(params).prompt(4).repetitions(1).warmup(false).run();
        let said = report.map_or_else(|error| error.to_string(), |report| format!("{report:?}"));
        assert!(said.contains("a record does not tell them") && said.contains(told), "{said}");
    }
}
