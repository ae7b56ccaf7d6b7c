//! Examples and integration tests of [`llama_bench_rs`], used exactly as a downstream crate would use it.

/// The README's programs compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
