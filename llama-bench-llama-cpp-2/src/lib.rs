#![doc = include_str!("../README.md")]
//!
//! ## Names
//!
//! | in llama-cpp-2 | in llama-bench-rs |
//! |---|---|
//! | `LlamaBackend::init` | not needed; [`Backend`](llama_bench_rs::llama::Backend) lists devices |
//! | `LlamaModel::load_from_file` | [`Model::load_with`](llama_bench_rs::Model::load_with), or [`load`] for both |
//! | `LlamaModelParams` | [`ModelParams`](llama_bench_rs::llama::ModelParams), by [`model_params`] |
//! | `LlamaContextParams` | [`ContextParams`](llama_bench_rs::llama::ContextParams), by [`context_params`] |
//! | `LlamaModel::new_context` | [`Context::new`](llama_bench_rs::llama::Context::new) |
//! | `LlamaBatch` | [`Batch`](llama_bench_rs::llama::Batch) |
//! | `LlamaSampler::chain_simple` | [`Sampler::chain`](llama_bench_rs::llama::Sampler::chain) |
//!
//! Parameters and facts of a model have llama.cpp's names in both: `n_gpu_layers`, `n_ubatch`, `n_embd`, `n_params`.
#![deny(unsafe_code)]

mod context;
#[allow(unsafe_code)]
mod model;
mod params;

pub use context::context_params;
pub use llama_bench_rs;
pub use model::{adopt, load};
pub use params::model_params;

use llama_bench_rs::llama::LlamaError;

/// A parameter with which a model cannot be measured, and what to do.
fn refused(name: &'static str, value: impl ToString, remedy: impl Into<String>) -> LlamaError {
    LlamaError::Parameter { name, value: value.to_string(), remedy: remedy.into() }
}
