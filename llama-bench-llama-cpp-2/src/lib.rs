#![doc = include_str!("../README.md")]
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
