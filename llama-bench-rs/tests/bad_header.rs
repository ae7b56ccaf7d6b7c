//! Files whose header is sound and whose numbers or tensors llama.cpp could not compute with: it would divide by zero,
//! follow a null pointer, loop for ever or abort in a thread.
#![allow(missing_docs)]

mod hostile_support;
mod llama_support;

use std::fs;

use hostile_support::layout::Parts;
use llama_bench_rs::{
    gguf::{GgufFile, TensorType, Value},
    llama::LlamaError,
};
use llama_support::{file, folder, load};

/// The error of a tiny model of this shape with something changed.
fn refused(shape: &str, change: impl Fn(&mut Parts)) -> LlamaError {
    let mut parts = Parts::of(&GgufFile::open(file(shape, false)).unwrap());
    change(&mut parts);
    // Tests run at once: a file each.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("changed.gguf");
    let (header, length) = parts.header();
    fs::write(&path, header).unwrap();
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(length).unwrap();
    match load(&path) {
        Ok(_) => panic!("{shape} was loaded"),
        Err(error) => error,
    }
}

fn set(key: &str, value: impl Into<Value>) -> impl Fn(&mut Parts) {
    let value = value.into();
    move |parts| {
        parts.metadata.retain(|(known, _)| known != key);
        parts.metadata.push((key.into(), value.clone()));
    }
}

#[test]
fn an_unchanged_copy_is_loaded() {
    for shape in ["tiny-llama", "tiny-granite-hybrid", "tiny-t5", "tiny-mamba2", "tiny-gpt-oss", "tiny-bert"]
    {
        let parts = Parts::of(&GgufFile::open(file(shape, false)).unwrap());
        let (path, (header, length)) = (folder().join("copy.gguf"), parts.header());
        fs::write(&path, header).unwrap();
        fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(length).unwrap();
        load(&path).unwrap_or_else(|error| panic!("{shape}: {error}"));
    }
}

#[test]
fn numbers_that_cannot_be_computed_with_are_named() {
    for (shape, key, value) in [
        ("tiny-llama", "llama.attention.head_count", Value::U32(0)),
        ("tiny-llama", "llama.attention.head_count", Value::from(vec![0u32; 4])),
        ("tiny-qwen3moe", "qwen3moe.expert_used_count", Value::U32(0)),
        ("tiny-mamba2", "mamba2.ssm.group_count", Value::U32(0)),
        ("tiny-mamba2", "mamba2.ssm.time_step_rank", Value::U32(0)),
        ("tiny-gemma3", "gemma3.rope.dimension_count", Value::U32(0)),
        ("tiny-gemma3", "gemma3.rope.dimension_count", Value::U32(63)),
        ("tiny-gemma3", "gemma3.rope.dimension_count", Value::U32(1 << 20)),
        ("tiny-llama", "llama.rope.dimension_count", Value::U32(1 << 20)),
        ("tiny-llama", "llama.rope.freq_base", Value::F32(f32::NAN)),
        ("tiny-llama", "llama.rope.scaling.factor", Value::F64(1e300)),
    ] {
        let error = refused(shape, set(key, value));
        assert!(matches!(error, LlamaError::Hyperparameter { .. }), "{error}");
        assert!(error.to_string().contains(key) && error.kind() == "model_load", "{error}");
    }
    let without_heads =
        |parts: &mut Parts| parts.metadata.retain(|(key, _)| key != "llama.attention.head_count");
    assert!(refused("tiny-llama", without_heads).to_string().contains("head_count = nothing"));
}

#[test]
fn tensors_that_cannot_be_computed_with_are_named() {
    let of_type = |name: &'static str, kind: TensorType| {
        move |parts: &mut Parts| {
            let tensor = parts.tensors.iter_mut().find(|(known, ..)| known == name).unwrap();
            tensor.2 = kind.id();
        }
    };
    for kind in TensorType::ALL {
        use TensorType as T;
        let has_no_product = matches!(kind, T::Q8_1 | T::Q8_K | T::I8 | T::I16 | T::I32 | T::I64 | T::F64);
        if has_no_product {
            let error = refused("tiny-llama", of_type("blk.0.ffn_up.weight", *kind));
            assert!(
                matches!(&error, LlamaError::Tensor { name, .. } if name == "blk.0.ffn_up.weight"),
                "{error}"
            );
            assert!(error.to_string().contains(kind.name()), "{error}");
        }
    }
    let norm = refused("tiny-llama", of_type("blk.0.attn_norm.weight", TensorType::F16));
    assert!(
        norm.to_string().contains("blk.0.attn_norm.weight") && norm.to_string().contains("f32"),
        "{norm}"
    );
    let types = refused("tiny-bert", of_type("token_types.weight", TensorType::Q5_0));
    assert!(matches!(&types, LlamaError::Tensor { name, .. } if name == "token_types.weight"), "{types}");
    for (shape, name) in [
        ("tiny-granite-hybrid", "blk.0.ssm_conv1d.bias"),
        ("tiny-granite-hybrid", "blk.0.ssm_dt.bias"),
        ("tiny-t5", "dec.blk.0.attn_rel_b.weight"),
        ("tiny-t5", "enc.blk.0.attn_rel_b.weight"),
    ] {
        let error = refused(shape, |parts| parts.tensors.retain(|(known, ..)| known != name));
        assert!(matches!(&error, LlamaError::Tensor { name: found, .. } if found == name), "{error}");
    }
}
