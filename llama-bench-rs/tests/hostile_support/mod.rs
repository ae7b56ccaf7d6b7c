//! Random hostile use of the library, each case from a seed, in child processes that may die of it.
#![allow(dead_code)] // each test uses its own part

pub mod calls;
pub mod children;
pub mod damage;
pub mod dice;
pub mod exercise;
pub mod layout;

/// Every kind of memory, and models that keep none or an encoder's text.
pub const SHAPES: &[&str] = &[
    "tiny-llama",
    "tiny-gpt-oss",
    "tiny-qwen3moe",
    "tiny-gemma3",
    "tiny-mamba2",
    "tiny-granite-hybrid",
    "tiny-bert",
    "tiny-rerank",
    "tiny-t5",
    "tiny-t5-encoder",
    "tiny-llada",
];
