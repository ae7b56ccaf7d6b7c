//! The C++ that keeps exceptions from reaching Rust.

use std::path::Path;

pub fn compile(manifest_dir: &Path, source: &Path) -> Result<(), String> {
    println!("cargo::rerun-if-changed=shim");
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .opt_level(2)
        .files(
            ["shim", "buffers", "calibration", "work", "memory", "facts", "grammar"]
                .map(|name| manifest_dir.join(format!("shim/{name}.cpp"))),
        )
        .include(manifest_dir.join("shim"))
        .includes(["include", "ggml/include", "src"].map(|dir| source.join(dir)))
        .try_compile("llama_sys_shim")
        .map_err(|e| format!("cannot compile the shim against {}: {e}", source.display()))
}
