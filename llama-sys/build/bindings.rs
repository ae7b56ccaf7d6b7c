//! The Rust side of the headers.

use std::{
    fs,
    panic::{self, AssertUnwindSafe},
    path::Path,
};

use crate::env;

/// The headers whose declarations are wanted; what they need from others comes along.
const HEADERS: &str = r".*[/\\](llama|ggml|ggml-backend|ggml-cpu|gguf|shim)\.h";

/// Bindings made ahead, for where there are no headers; `scripts/bindings` renews them.
const PREPARED: &str = "src/prepared.rs";

pub fn generate(manifest_dir: &Path, source: &Path, out_dir: &Path) -> Result<(), String> {
    println!("cargo::rerun-if-changed=wrapper.h");
    let builder = bindgen::builder()
        .header(manifest_dir.join("wrapper.h").to_string_lossy())
        .clang_args(["include", "ggml/include"].map(|dir| format!("-I{}", source.join(dir).display())))
        .clang_arg(format!("-I{}", manifest_dir.display()))
        .allowlist_file(HEADERS)
        .prepend_enum_name(false)
        .derive_default(true);
    // Comments and checks of sizes belong to the build: they are this machine's and upstream's.
    if let Some(path) = env::path("LLAMA_SYS_PREPARE") {
        write(builder.clone().generate_comments(false).layout_tests(false), &path)?;
    }
    write(builder, &out_dir.join("bindings.rs"))
}

/// Uses the bindings made ahead.
pub fn prepared(manifest_dir: &Path, out_dir: &Path) -> Result<(), String> {
    let from = manifest_dir.join(PREPARED);
    fs::copy(&from, out_dir.join("bindings.rs"))
        .map(drop)
        .map_err(|e| format!("cannot copy {}: {e}", from.display()))
}

/// Without libclang, bindgen panics.
fn write(builder: bindgen::Builder, path: &Path) -> Result<(), String> {
    let generated = panic::catch_unwind(AssertUnwindSafe(|| builder.generate())).map_err(|_| {
        "libclang is missing or too old, and bindgen needs it to read llama.cpp's headers: install it (the \
         repository's scripts/setup does; Debian: libclang-dev), or point LIBCLANG_PATH at the folder it is in"
    })?;
    generated
        .map_err(|e| format!("bindgen could not read llama.cpp's headers: {e}"))?
        .write_to_file(path)
        .map_err(|e| format!("cannot write {}: {e}", path.display()))
}
