//! What all tests of this application share.
#![allow(dead_code)]

use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use llama_bench_llama_cpp_2::{
    llama_bench_rs::{
        Model,
        gguf::{Shape, Synthetic},
        llama::{Context, ContextParams},
    },
    load,
};
use llama_cpp_2::{
    llama_backend::LlamaBackend,
    model::{LlamaModel, params::LlamaModelParams},
};

/// llama-cpp-2 has one per process. Its log is not shown.
pub fn llama() -> &'static LlamaBackend {
    static LLAMA: OnceLock<LlamaBackend> = OnceLock::new();
    LLAMA.get_or_init(|| {
        let mut llama = LlamaBackend::init().unwrap();
        llama.void_logs();
        llama
    })
}

/// A model without a vocabulary, as the example `sweep` makes it.
pub fn file() -> PathBuf {
    Synthetic::new(Shape::preset("tiny-llama").unwrap()).cached().unwrap()
}

pub fn file_with_vocabulary() -> PathBuf {
    Synthetic::new(Shape::preset("tiny-llama").unwrap()).vocabulary(true).cached().unwrap()
}

/// On the CPU, also where there is a GPU.
pub fn params() -> LlamaModelParams {
    LlamaModelParams::default().with_n_gpu_layers(0)
}

pub fn both() -> (Arc<LlamaModel>, Model) {
    load(llama(), file_with_vocabulary(), &params()).unwrap()
}

pub fn small() -> ContextParams {
    ContextParams::default()
        .n_ctx(256)
        .n_batch(64)
        .n_ubatch(64)
        .n_threads(1)
        .n_threads_batch(1)
        .op_offload(false)
}

/// What llama-bench-rs makes of these tokens.
pub fn logits(model: &Model, tokens: &[i32]) -> Vec<f32> {
    let mut context = Context::new(model, &small()).unwrap();
    context.decode_tokens(tokens).unwrap();
    context.logits(-1).unwrap().to_vec()
}
