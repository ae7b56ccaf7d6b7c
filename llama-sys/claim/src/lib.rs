//! Says `links = "llama"` in its manifest, and contains nothing.
//!
//! `llama-bench-sys` depends on it if its feature `own` is on. cargo then refuses a second package that links llama.cpp,
//! such as `llama-cpp-sys-2`: two of them in one program would define the same functions twice.
