//! Whatever is wrong with a request or a file is a typed error, and the process continues.
#![allow(missing_docs)]

mod llama_support;

use std::{fs, path::PathBuf};

use llama_bench_rs::{
    gguf::{Array, GgufFile, Shape, Synthetic, TensorType, Value},
    llama::{Context, ContextParams, FlashAttn, KvType, LlamaError, Model, ModelParams},
};
use llama_support::{backend, file, folder, load, params, tiny};

fn refused(path: &std::path::Path) -> LlamaError {
    match load(path) {
        Ok(_) => panic!("{} was loaded", path.display()),
        Err(error) => {
            assert!(error.to_string().len() > 20, "{error}");
            error
        }
    }
}

fn write(name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder().join(name);
    fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn files_that_are_not_there_or_no_files() {
    assert!(matches!(refused("no/such.gguf".as_ref()), LlamaError::Open { .. }));
    assert!(matches!(refused(folder()), LlamaError::Open { .. }));
    assert!(matches!(refused("".as_ref()), LlamaError::Open { .. }));
    assert!(matches!(refused("a\0b".as_ref()), LlamaError::Open { .. } | LlamaError::Parameter { .. }));
    #[cfg(unix)]
    assert!(matches!(refused("/dev/null".as_ref()), LlamaError::File { .. }));
}

#[test]
fn files_cut_off_anywhere() {
    for shape in ["tiny-llama", "tiny-gpt-oss"] {
        let whole = fs::read(file(shape, true)).unwrap();
        for tenth in 0..10 {
            let path = write(&format!("cut-{shape}-{tenth}.gguf"), &whole[..whole.len() * tenth / 10]);
            assert!(matches!(refused(&path), LlamaError::File { .. }), "{tenth}");
        }
        // Within the header too.
        let header = GgufFile::open(file(shape, true)).unwrap().data_offset as usize;
        for n in (0..header).step_by(header / 40) {
            let path = write(&format!("cut-header-{shape}.gguf"), &whole[..n]);
            assert!(matches!(refused(&path), LlamaError::File { .. }), "{n}");
        }
    }
}

#[test]
fn random_bytes_and_flipped_ones() {
    let mut state = 1u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let noise: Vec<u8> = (0..4096).map(|_| next() as u8).collect();
    assert!(matches!(refused(&write("noise.gguf", &noise)), LlamaError::File { .. }));

    let whole = fs::read(file("tiny-llama", true)).unwrap();
    let header = GgufFile::open(file("tiny-llama", true)).unwrap().data_offset;
    for round in 0..150 {
        let mut bytes = whole.clone();
        let at = (next() % header) as usize;
        bytes[at] ^= 1 << (next() % 8);
        let path = write(&format!("flip-{}.gguf", round % 4), &bytes);
        // Some flips leave a model: then it must work or fail in a decode, not end the process.
        if let Ok(model) = load(&path)
            && let Ok(mut context) = Context::new(&model, &params(64))
        {
            let _ = context.decode_tokens(&[1, 2, 3]);
            let _ = context.synchronize();
        }
    }
}

#[test]
fn headers_that_lie() {
    let whole = fs::read(file("tiny-llama", false)).unwrap();
    let with = |name: &str, at: usize, bytes: &[u8]| {
        let mut lie = whole.clone();
        lie[at..at + bytes.len()].copy_from_slice(bytes);
        refused(&write(name, &lie))
    };
    assert!(matches!(with("magic.gguf", 0, b"GGML"), LlamaError::File { .. }));
    assert!(matches!(with("version.gguf", 4, &99u32.to_le_bytes()), LlamaError::File { .. }));
    for count in [u64::MAX, 1 << 62, 1 << 40] {
        assert!(matches!(with("tensors.gguf", 8, &count.to_le_bytes()), LlamaError::File { .. }));
        assert!(matches!(with("pairs.gguf", 16, &count.to_le_bytes()), LlamaError::File { .. }));
        assert!(matches!(with("length.gguf", 24, &count.to_le_bytes()), LlamaError::File { .. }));
    }
}

/// A tiny llama with its metadata changed.
fn altered(name: &str, architecture: &str, alter: impl Fn(&mut Vec<(String, Value)>)) -> PathBuf {
    let file = GgufFile::open(file("tiny-llama", false)).unwrap();
    let mut metadata: Vec<_> =
        file.metadata.iter().filter(|(key, _)| !key.starts_with("general.")).cloned().collect();
    alter(&mut metadata);
    let tensors = file.tensors.iter().map(|t| (t.name.clone(), t.dims.clone(), t.tensor_type)).collect();
    let path = folder().join(format!("{name}.gguf"));
    Synthetic::new(Shape::from_parts(name, architecture, metadata, tensors)).write_to(&path).unwrap();
    path
}

#[test]
fn models_that_cannot_be() {
    let unknown = refused(&altered("unknown", "no-such-architecture", |_| {}));
    assert!(unknown.to_string().contains("no-such-architecture"), "{unknown}");
    let keys = ["block_count", "embedding_length", "context_length", "attention.layer_norm_rms_epsilon"];
    for key in keys {
        let key = format!("llama.{key}");
        let error = refused(&altered("missing", "llama", |metadata| metadata.retain(|(k, _)| *k != key)));
        assert!(error.to_string().contains(key.split_once('.').unwrap().1), "{error}");
    }
    for epsilon in [-1.0, f32::NAN, f32::NEG_INFINITY] {
        let key = "llama.attention.layer_norm_rms_epsilon";
        let error = refused(&altered("epsilon", "llama", |metadata| {
            metadata.retain(|(k, _)| k != key);
            metadata.push((key.into(), Value::F32(epsilon)));
        }));
        assert!(matches!(error, LlamaError::File { .. }) && error.to_string().contains(key), "{error}");
    }
    for (key, value) in [
        ("block_count", Value::U32(0)),
        ("block_count", Value::U32(100_000)),
        ("attention.head_count", Value::U32(0)),
        ("attention.head_count", Value::U32(7)),
        ("attention.head_count_kv", Value::U32(3)),
        ("embedding_length", Value::U32(1)),
        ("rope.dimension_count", Value::U32(63)),
        ("expert_count", Value::U32(u32::MAX)),
        ("context_length", Value::U32(0)),
        ("block_count", Value::from("four")),
        ("attention.head_count", Value::Array(Array::I32(vec![4; 3]))),
        ("vocab_size", Value::U32(0)),
        ("vocab_size", Value::U32(u32::MAX)),
    ] {
        let path = altered("odd", "llama", |metadata| {
            metadata.retain(|(k, _)| *k != format!("llama.{key}"));
            metadata.push((format!("llama.{key}"), value.clone()));
        });
        // Not every oddity is an error; none may end the process.
        if let Ok(model) = load(&path)
            && let Ok(mut context) = Context::new(&model, &params(64))
        {
            let _ = context.decode_tokens(&[1, 2, 3]);
        }
    }
    let tensors = vec![("token_embd.weight".to_owned(), vec![256, 1024], TensorType::F16)];
    let bare = folder().join("bare.gguf");
    Synthetic::new(Shape::from_parts("bare", "llama", Vec::new(), tensors)).write_to(&bare).unwrap();
    assert!(matches!(refused(&bare), LlamaError::Hyperparameter { .. }));
}

#[test]
fn split_models_need_all_their_parts() {
    let path = altered("part-00001-of-00003", "llama", |metadata| {
        metadata.push(("split.count".into(), Value::U16(3)));
        metadata.push(("split.no".into(), Value::U16(0)));
        metadata.push(("split.tensors.count".into(), Value::I32(50)));
    });
    match refused(&path) {
        LlamaError::SplitMissing { n_parts: 3, missing, .. } => {
            assert!(missing.ends_with("part-00002-of-00003.gguf"), "{}", missing.display());
        }
        other => panic!("{other}"),
    }
    let renamed = folder().join("renamed.gguf");
    fs::copy(&path, &renamed).unwrap();
    assert!(matches!(refused(&renamed), LlamaError::SplitMissing { .. }));
}

#[test]
fn contexts_that_cannot_be() {
    let model = tiny("tiny-llama");
    let parameter = |params: ContextParams| match Context::new(&model, &params) {
        Err(LlamaError::Parameter { name, .. }) => name,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("{params:?} was taken"),
    };
    assert_eq!(parameter(params(64).n_batch(0)), "n_batch");
    assert_eq!(parameter(params(64).n_ubatch(0)), "n_ubatch");
    assert_eq!(parameter(params(64).n_ubatch(65)), "n_ubatch");
    assert_eq!(parameter(params(64).n_seq_max(0)), "n_seq_max");
    assert_eq!(parameter(params(64).n_seq_max(100_000)), "n_seq_max");
    assert_eq!(parameter(params(64).n_threads(0)), "n_threads");
    assert_eq!(parameter(params(64).n_threads_batch(10_000)), "n_threads_batch");
    assert_eq!(parameter(params(u32::MAX)), "n_ctx");
    assert_eq!(parameter(params(64).poll(101)), "poll");
    assert_eq!(parameter(params(64).prio(9)), "prio");
    assert_eq!(parameter(params(64).type_v(KvType::Q8_0).flash_attn(FlashAttn::Off)), "type_v");
    // As much memory as no machine has.
    let error = Context::new(&model, &params(1_000_000_000)).unwrap_err();
    assert!(matches!(error, LlamaError::OutOfMemory { .. } | LlamaError::Context { .. }), "{error}");
    let vocab_only =
        Model::load_with(file("tiny-llama", true), &ModelParams::default().vocab_only(true)).unwrap();
    assert!(vocab_only.vocab().is_ok());
    assert!(Context::new(&vocab_only, &params(64)).is_err());
}

#[test]
fn every_kv_type_works_or_says_why() {
    let all = [
        KvType::F32,
        KvType::F16,
        KvType::Bf16,
        KvType::Q8_0,
        KvType::Q5_1,
        KvType::Q5_0,
        KvType::Q4_1,
        KvType::Q4_0,
        KvType::Iq4Nl,
    ];
    let model = tiny("tiny-gpt-oss");
    for (k, v) in all.into_iter().flat_map(|k| all.map(|v| (k, v))) {
        match Context::new(&model, &params(256).type_k(k).type_v(v).flash_attn(FlashAttn::On)) {
            Ok(mut context) => {
                if let Err(error) = context.decode_tokens(&[1, 2, 3]) {
                    assert!(
                        matches!(error, LlamaError::Decode { .. } | LlamaError::Exception { .. }),
                        "{error}"
                    );
                }
            }
            Err(error) => assert!(error.to_string().len() > 20, "{error}"),
        }
    }
}

#[test]
fn model_parameters_that_cannot_be() {
    let path = file("tiny-llama", false);
    let refused = |params: ModelParams| match Model::load_with(&path, &params) {
        Ok(_) => panic!("{params:?} was taken"),
        Err(error) => error,
    };
    let default = ModelParams::default;
    assert!(matches!(refused(default().tensor_split(vec![1.0; 1000])), LlamaError::Parameter { .. }));
    assert!(matches!(refused(default().tensor_split(vec![f32::NAN])), LlamaError::Parameter { .. }));
    assert!(matches!(refused(default().main_gpu(-1)), LlamaError::Parameter { .. }));
    let overrides = |pattern: &str, buffer: &str| vec![(pattern.to_owned(), buffer.to_owned())];
    let unknown = refused(default().tensor_buft_overrides(overrides("exps", "NoSuchBuffer")));
    assert!(unknown.to_string().contains("NoSuchBuffer") && unknown.to_string().contains("CPU"), "{unknown}");
    let pattern = refused(default().tensor_buft_overrides(overrides("ffn_(", "CPU")));
    assert!(
        matches!(pattern, LlamaError::Parameter { .. }) && pattern.to_string().contains("ffn_("),
        "{pattern}"
    );
    assert!(backend().device("CUDA99").unwrap_err().to_string().contains("CUDA99"));
}

#[test]
fn loading_can_be_stopped_and_a_panic_of_the_listener_goes_on() {
    let path = file("tiny-llama", false);
    let stopped = Model::load_with_progress(&path, &ModelParams::default(), &mut |_| false);
    assert!(matches!(stopped, Err(LlamaError::Cancelled { .. })));
    let panicked = std::panic::catch_unwind(|| {
        let mut panic = |_| panic!("of the listener");
        let _ = Model::load_with_progress(&path, &ModelParams::default(), &mut panic);
    });
    assert_eq!(panicked.unwrap_err().downcast_ref::<&str>(), Some(&"of the listener"));
    load(&path).unwrap();
}
