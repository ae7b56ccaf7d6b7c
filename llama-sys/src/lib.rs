//! The C API of llama.cpp, generated from the headers of the source that was built. Nothing clever.
#![allow(
    clippy::undocumented_unsafe_blocks,
    non_upper_case_globals,
    non_camel_case_types,
    non_snake_case,
    missing_docs,
    clippy::all,
    rustdoc::all
)]

include!(concat!(env!("OUT_DIR"), "/bindings.rs"));

/// Facts of the build, until the build script records them.
pub mod build_info {
    pub const COMMIT: &str = "unknown";
    pub const NUMBER: u32 = 0;
    pub const SOURCE: &str = "package";
    pub const VERSION: &str = "unknown";
    pub const COMPILER: &str = "unknown";
    pub const CMAKE_OPTIONS: &str = "";
}
