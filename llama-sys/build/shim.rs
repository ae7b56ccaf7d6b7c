//! The C++ that keeps exceptions from reaching Rust.

use std::path::Path;

use crate::headers;

pub fn compile(manifest_dir: &Path, source: &Path) -> Result<(), String> {
    println!("cargo::rerun-if-changed=shim");
    reading_headers(manifest_dir, source)
        .opt_level(2)
        .files(
            [
                "shim",
                "buffers",
                "calibration",
                "calls",
                "work",
                "cell_work",
                "places",
                "reader",
                "origins",
                "tally",
                "profile",
                "blocks",
                "memory",
                "probe",
                "facts",
                "frames",
                "grammar",
                "rpc",
                "stream",
            ]
            .map(|name| manifest_dir.join(format!("shim/{name}.cpp"))),
        )
        .include(manifest_dir.join("shim"))
        .include(source.join("src"))
        .try_compile("llama_sys_shim")
        .map_err(|e| format!("cannot compile the shim against {}: {e}", source.display()))
}

/// A compiler of C++ that finds llama.cpp's headers and this crate's.
pub fn reading_headers(manifest_dir: &Path, source: &Path) -> cc::Build {
    let mut build = cc::Build::new();
    build.cpp(true).std("c++17").includes(headers::folders(manifest_dir, source));
    build
}
