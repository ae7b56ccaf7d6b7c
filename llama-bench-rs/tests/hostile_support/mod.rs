//! Random hostile use of the library, each case from a seed, in child processes that may die of it.
#![allow(dead_code)] // each test uses its own part

pub mod calls;
pub mod children;
pub mod damage;
pub mod dice;
pub mod exercise;
pub mod layout;
pub mod likeness;

use llama_bench_rs::gguf::Shape;

/// Every kind of memory, and models that keep none or an encoder's text.
pub fn shapes() -> Vec<&'static str> {
    Shape::preset_names().iter().copied().filter(|name| name.starts_with("tiny-")).collect()
}
