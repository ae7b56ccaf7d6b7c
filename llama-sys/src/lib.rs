//! The C API of llama.cpp, as the headers of the source that was built declare it; they also say what each function does.
//!
//! Besides `llama.h`, `ggml.h`, `ggml-backend.h`, `ggml-cpu.h` and `gguf.h` there are the functions `llama_sys_*`: each
//! does what the one of the same name without `_sys` does, and stops C++ exceptions.
//!
//! `docs/building.md` of the repository explains which llama.cpp is built and how; [`build_info`] says what it was.
#![allow(
    clippy::undocumented_unsafe_blocks,
    non_upper_case_globals,
    non_camel_case_types,
    non_snake_case,
    missing_docs,
    clippy::all,
    rustdoc::all
)]

// Names the crate, which brings the libraries of another package's llama.cpp into the link, after this crate's own.
extern crate llama_sys_provider as _;

include!(concat!(env!("OUT_DIR"), "/bindings.rs"));

/// Facts of the build.
pub mod build_info {
    include!(concat!(env!("OUT_DIR"), "/build_info.rs"));
}
