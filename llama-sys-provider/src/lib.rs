//! Tells `llama-bench-sys` which other package of the program builds the llama.cpp that it uses.
//!
//! `llama-bench-sys` always depends on this crate, which does nothing by itself. Features add up over a whole program: with
//! `llama-cpp-2`, which the crate `llama-bench-llama-cpp-2` turns on, everything that uses `llama-bench-sys` uses the
//! llama.cpp of `llama-cpp-sys-2`.

// rustc leaves libraries out of the link whose crate nobody mentions.
#[cfg(feature = "llama-cpp-2")]
extern crate llama_cpp_sys_2 as _;
