//! Examples and integration tests of [`llama_bench_rs`], used exactly as a downstream crate would use it.
