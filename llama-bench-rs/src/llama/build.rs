//! Which llama.cpp this program was built with.

use serde::{Deserialize, Serialize};

use super::sys;

/// A llama.cpp: which source, and how it was compiled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Build {
    /// Commit in seven hexadecimal digits, or as many of a checksum of the source if that does not state it.
    pub commit: String,
    /// Upstream's running build number.
    pub number: Option<u32>,
    /// Where the source came from: `package`, `vendor`, `LLAMA_CPP_DIR`, or `llama-cpp-2` if that crate built it.
    pub source: String,
    /// Version of llama.cpp and of the package that carried it.
    pub version: String,
    /// C++ compiler and its version.
    pub compiler: String,
    /// CMake options that the build set, `NAME=VALUE`, blank-separated.
    pub cmake_options: String,
}

/// The llama.cpp that this program was built with.
pub fn build_info() -> Build {
    Build {
        commit: sys::build_info::COMMIT.into(),
        // The build script writes 0 if the source does not state it.
        number: Some(sys::build_info::NUMBER).filter(|&number| number > 0),
        source: sys::build_info::SOURCE.into(),
        version: sys::build_info::VERSION.into(),
        compiler: sys::build_info::COMPILER.into(),
        cmake_options: sys::build_info::CMAKE_OPTIONS.into(),
    }
}
