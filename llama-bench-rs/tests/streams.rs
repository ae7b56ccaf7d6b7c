//! Synthetic models that are generated while llama.cpp reads them.
#![allow(missing_docs)]

mod llama_support;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread,
};

use llama_bench_rs::{
    Error,
    gguf::{FileType, Routing, Shape, Synthetic, TensorType, Value},
    llama::{Context, ContextParams, Fit, LazyMode, LlamaError, LoadMode, Model, ModelParams},
};
use llama_support::{backend, on_cpu};

fn preset(name: &str) -> Synthetic<'static> {
    Synthetic::new(Shape::preset(name).unwrap())
}

/// Whether this system has streams; else the test is skipped, and says so.
fn has_streams(test: &str) -> bool {
    let has = ModelParams::default().needs_file();
    if let Some(why) = has {
        println!("SKIPPED: {test}: {why}");
    }
    has.is_none()
}

/// What a model computes of a prompt, as bits: logits, or embeddings if it has none.
fn output(model: &Model) -> Vec<u32> {
    let tokens: Vec<i32> = (0..48).map(|i| (7 * i + 1) % model.n_vocab() as i32).collect();
    let generates = model.keeps_memory() && !model.has_encoder();
    let params = ContextParams::default().n_ctx(256).n_batch(64).n_ubatch(64).n_threads(2);
    let mut context = Context::new(model, &params.embeddings(!generates)).unwrap();
    if generates {
        context.decode_tokens(&tokens).unwrap();
        return context.logits(-1).unwrap().iter().map(|logit| logit.to_bits()).collect();
    }
    context.encode_tokens(&tokens).unwrap();
    if let Some(start) = model.decoder_start() {
        context.decode_tokens(&[start]).unwrap();
    }
    let bits = |numbers: &[f32]| numbers.iter().map(|number| number.to_bits()).collect();
    if let Some(logits) = context.logits(-1) {
        return bits(logits);
    }
    match context.embeddings_seq(0) {
        Some(embedding) => bits(embedding),
        None => bits(context.embeddings(0).unwrap()),
    }
}

/// The same model by stream and by file, with nothing left out.
fn assert_equal(synthetic: &Synthetic<'_>, params: &ModelParams) {
    let what = format!("{synthetic:?}");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.gguf");
    synthetic.write_to(&path).unwrap();
    let stream = Model::load_synthetic(synthetic, params).unwrap_or_else(|error| panic!("{what}: {error}"));
    let file = Model::load_with(&path, &params.clone().load_mode(LoadMode::None)).unwrap();
    assert!(stream.is_streamed() && !file.is_streamed(), "{what}");
    let facts =
        |model: &Model| (model.size_bytes(), model.n_params(), model.description(), model.ftype_name());
    assert_eq!(facts(&stream), facts(&file), "{what}");
    assert!(stream.metadata_iter().eq(file.metadata_iter()), "{what}");
    let (of_stream, of_file) = (output(&stream), output(&file));
    assert!(of_stream.iter().all(|&bits| f32::from_bits(bits).is_finite()), "{what}");
    assert!(of_stream == of_file, "{what}: other outputs");
}

#[test]
fn every_tiny_model_computes_the_same_by_stream_and_by_file() {
    if !has_streams("equal outputs") {
        return;
    }
    for name in Shape::preset_names().iter().filter(|name| name.starts_with("tiny-")) {
        assert_equal(&preset(name), &on_cpu());
    }
    assert_equal(&preset("tiny-gpt-oss").routing(Routing::Skewed(2.0)).seed(3).vocabulary(true), &on_cpu());
    // Without the buffers that weights are repacked into, they are read to where they stay.
    assert_equal(&preset("tiny-llama").file_type(FileType::Q4_0), &on_cpu().use_extra_bufts(false));
}

#[test]
fn every_file_type_computes_the_same_by_stream_and_by_file() {
    if !has_streams("equal outputs") {
        return;
    }
    for shape in ["tiny-llama", "tiny-gpt-oss"] {
        for &file_type in FileType::ALL {
            assert_equal(&preset(shape).file_type(file_type), &on_cpu());
        }
    }
}

/// Also those of files that people quantise with an importance matrix, and that no file type of this crate has.
#[test]
fn every_tensor_type_computes_the_same_by_stream_and_by_file() {
    if !has_streams("equal outputs") {
        return;
    }
    let mut n_types = 0;
    for &tensor_type in TensorType::ALL {
        let synthetic = Synthetic::new(one_layer(tensor_type));
        if synthetic.size_bytes().is_err() {
            continue;
        }
        assert_equal(&synthetic, &on_cpu());
        n_types += 1;
    }
    assert!(n_types >= 28, "{n_types} types");
}

/// As of a file, with what ggml checks of each type.
#[test]
fn the_weights_of_every_type_are_valid() {
    if !has_streams("checks") {
        return;
    }
    for &tensor_type in TensorType::ALL {
        let synthetic = Synthetic::new(one_layer(tensor_type));
        if synthetic.size_bytes().is_ok() {
            let checked = Model::load_synthetic(&synthetic, &on_cpu().check_tensors(true));
            assert!(checked.is_ok(), "{tensor_type}: {:?}", checked.err());
        }
    }
}

/// A llama of one layer whose matrices are of this type.
fn one_layer(tensor_type: TensorType) -> Shape {
    let number = |key: &str, n: u32| (format!("llama.{key}"), Value::U32(n));
    let metadata = vec![
        number("block_count", 1),
        number("context_length", 512),
        number("embedding_length", 256),
        number("feed_forward_length", 256),
        number("attention.head_count", 4),
        number("vocab_size", 300),
        ("llama.attention.layer_norm_rms_epsilon".into(), Value::F32(1e-5)),
    ];
    let matrix = |name: &str, n: u64| (format!("{name}.weight"), vec![256, n], tensor_type);
    let norm = |name: &str| (format!("{name}.weight"), vec![256], TensorType::F32);
    let layer = ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"];
    let mut tensors = vec![
        ("token_embd.weight".to_owned(), vec![256, 300], TensorType::F16),
        matrix("output", 300),
        norm("output_norm"),
        norm("blk.0.attn_norm"),
        norm("blk.0.ffn_norm"),
    ];
    tensors.extend(layer.iter().map(|name| matrix(&format!("blk.0.{name}"), 256)));
    Shape::from_parts(tensor_type.name(), "llama", metadata, tensors)
}

/// 60 GB that no disk here holds.
#[test]
fn the_memory_of_a_model_that_exists_nowhere_is_estimated() {
    if !has_streams("an estimate") {
        return;
    }
    let big = preset("gpt-oss-120b");
    let model = Model::load_synthetic(&big, &on_cpu().no_alloc(true)).unwrap();
    assert!(model.is_streamed() && model.size_bytes() > 60_000_000_000);
    let context = Context::new(&model, &ContextParams::default().n_ctx(4096)).unwrap();
    let weights: u64 = context.memory_breakdown().values().map(|device| device.model_bytes).sum();
    assert!(weights > 60_000_000_000, "{weights}");
    assert!(model.memory_of_context(&ContextParams::default().n_ctx(4096)).is_some());
    // By modes that would map a file, too: nothing is read.
    let mapped = on_cpu().no_alloc(true).load_mode(LoadMode::Mmap);
    assert!(Model::load_synthetic(&big, &mapped).unwrap().is_streamed());
}

#[test]
fn an_estimate_is_that_of_the_file() {
    if !has_streams("an estimate") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.gguf");
    preset("tiny-gpt-oss").write_to(&path).unwrap();
    let params = on_cpu().load_mode(LoadMode::None).fit(Some(Fit { margin_mib: 1, n_ctx: 512 }));
    let of = |model: Model| {
        let context = Context::new(&model, &ContextParams::default().n_ctx(512)).unwrap();
        (context.memory_breakdown(), model.memory_of_context(&ContextParams::default().n_ctx(512)))
    };
    let stream = of(Model::load_synthetic(&preset("tiny-gpt-oss"), &params).unwrap());
    assert_eq!(stream, of(Model::load_with(&path, &params).unwrap()));
    assert!(stream.1.is_some());
}

#[test]
fn what_maps_a_file_gets_one() {
    for (mode, lazy) in [
        (LoadMode::Mmap, LazyMode::Auto),
        (LoadMode::MmapMlock, LazyMode::Auto),
        (LoadMode::DirectIo, LazyMode::Auto),
        (LoadMode::Auto, LazyMode::On),
    ] {
        let params = on_cpu().load_mode(mode).lazy_mode(lazy);
        assert!(params.needs_file().is_some(), "{mode:?} {lazy:?}");
    }
    let by_file = Model::load_synthetic(&preset("tiny-llama"), &on_cpu().load_mode(LoadMode::Mmap)).unwrap();
    assert!(!by_file.is_streamed() && by_file.path().is_file());
    let kept = Model::load_synthetic(&preset("tiny-llama").keep(true), &on_cpu()).unwrap();
    assert!(!kept.is_streamed() && kept.path() == by_file.path());
    if !has_streams("modes without a file") {
        return;
    }
    for mode in [LoadMode::Auto, LoadMode::None, LoadMode::Mlock] {
        let params = on_cpu().load_mode(mode);
        assert_eq!(params.needs_file(), None);
        let model = Model::load_synthetic(&preset("tiny-llama"), &params).unwrap();
        assert!(model.is_streamed() && model.params().load_mode == mode);
        assert_eq!(model.path(), by_file.path(), "it has the name of the file");
    }
}

#[test]
fn a_load_is_stopped_at_any_moment_and_another_one_works() {
    if !has_streams("stopping") {
        return;
    }
    let synthetic = preset("tiny-llama");
    let mut n_calls = 0;
    Model::load_synthetic_with_progress(&synthetic, &on_cpu(), &mut |_| {
        n_calls += 1;
        true
    })
    .unwrap();
    for stop in [1, 2, n_calls / 2, n_calls] {
        let mut n = 0;
        let stopped = Model::load_synthetic_with_progress(&synthetic, &on_cpu(), &mut |_| {
            n += 1;
            n < stop
        });
        let error = stopped.map(|_| ()).unwrap_err();
        assert!(matches!(error, Error::Llama(LlamaError::Cancelled { .. })), "{stop}: {error}");
    }
    let panicking = || {
        let mut panic = |share: f32| -> bool { if share > 0.4 { panic!("at {share}") } else { true } };
        Model::load_synthetic_with_progress(&synthetic, &on_cpu(), &mut panic).map(|_| ())
    };
    let panic = catch_unwind(AssertUnwindSafe(panicking)).unwrap_err();
    assert!(panic.downcast_ref::<String>().unwrap().starts_with("at 0."));
    assert!(Model::load_synthetic(&synthetic, &on_cpu()).is_ok());
}

#[test]
fn several_threads_load_at_once_and_many_times() {
    if !has_streams("loads at once") {
        return;
    }
    backend();
    let expected = Arc::new(output(&Model::load_synthetic(&preset("tiny-gpt-oss"), &on_cpu()).unwrap()));
    let load = || {
        let expected = expected.clone();
        thread::spawn(move || {
            for _ in 0..4 {
                let model = Model::load_synthetic(&preset("tiny-gpt-oss"), &on_cpu()).unwrap();
                assert!(output(&model) == *expected);
            }
        })
    };
    let threads: Vec<_> = (0..4).map(|_| load()).collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

/// A stream has no descriptor: many loads leave none behind, and no memory that grows.
#[cfg(target_os = "linux")]
#[test]
fn loads_leave_nothing_open() {
    if !has_streams("many loads") {
        return;
    }
    let load = || drop(Model::load_synthetic(&preset("tiny-mamba2"), &on_cpu().no_alloc(true)).unwrap());
    // Other tests of this process open files meanwhile: only an increase with every load counts.
    let n_open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    load();
    let before = n_open();
    (0..200).for_each(|_| load());
    assert!(n_open() < before + 100, "{before} files were open, and {} are now", n_open());
}

#[test]
fn places_of_tensors_are_checked_against_a_stream() {
    let params = on_cpu().tensor_buft_overrides(vec![
        ("ffn_.*_exps".into(), "CPU".into()),
        ("no_such_tensor".into(), "CPU".into()),
    ]);
    let model = Model::load_synthetic(&preset("tiny-gpt-oss"), &params).unwrap();
    assert_eq!(model.unmatched_overrides(), ["no_such_tensor"]);
}

#[test]
fn what_is_wrong_with_a_shape_is_told_as_of_a_file() {
    assert!(Model::check_synthetic(&preset("tiny-llama")).is_ok());
    let without_heads = Synthetic::new(Shape::from_parts(
        "headless",
        "llama",
        vec![("llama.vocab_size".into(), Value::U32(8))],
        vec![("token_embd.weight".into(), vec![32, 8], TensorType::F16)],
    ));
    for error in [
        Model::check_synthetic(&without_heads).unwrap_err(),
        Model::load_synthetic(&without_heads, &on_cpu()).map(|_| ()).unwrap_err(),
    ] {
        assert!(matches!(error, Error::Llama(LlamaError::Hyperparameter { .. })), "{error}");
        assert!(error.to_string().contains("head_count"), "{error}");
    }
    let unknown = Synthetic::new(Shape::from_parts(
        "unknown",
        "no-such-architecture",
        vec![("no-such-architecture.attention.head_count".into(), Value::U32(1))],
        vec![("token_embd.weight".into(), vec![32, 8], TensorType::F16)],
    ));
    let error = Model::load_synthetic(&unknown, &on_cpu()).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("no-such-architecture"), "{error}");
    // The file that it is like is to blame.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("download.gguf");
    unknown.write_to(&path).unwrap();
    let like = Synthetic::new(Shape::like_file(&path).unwrap());
    let error = Model::load_synthetic(&like, &on_cpu()).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    let impossible = Synthetic::new(Shape::from_parts(
        "odd",
        "llama",
        Vec::new(),
        vec![("token_embd.weight".into(), vec![32, 8], TensorType::I32)],
    ));
    let error = Model::check_synthetic(&impossible).unwrap_err();
    assert!(matches!(error, Error::Gguf(_)) && error.to_string().contains("i32"), "{error}");
}
