//! Passes on what llama-cpp-sys-2 tells only the packages that depend on it directly.

use std::{env, path::Path, process::ExitCode};

/// The version in `Cargo.toml`: cargo does not reveal it.
const VERSION: &str = "0.1.161";

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var_os("CARGO_FEATURE_LLAMA_CPP_2").is_none() {
        return ExitCode::SUCCESS;
    }
    let Some(ggml) = env::var_os("DEP_LLAMA_GGML_CMAKE_DIR") else {
        println!(
            "cargo::error=llama-cpp-sys-2 does not say where it built ggml. With its feature `system-ggml` it builds \
             none, and the headers and options of the system's are not known here: turn off `system-ggml` and \
             `system-ggml-static` of llama-cpp-2, or measure in a program of its own that uses llama-bench-rs without \
             llama-cpp-2"
        );
        return ExitCode::FAILURE;
    };
    // OUT_DIR/lib/cmake, or lib64; CMake worked in OUT_DIR/build.
    let ggml = Path::new(&ggml);
    let built = ggml.ancestors().nth(2).map(|out_dir| out_dir.join("build"));
    let Some(built) = built.filter(|dir| dir.join("CMakeCache.txt").is_file()) else {
        println!(
            "cargo::error=llama-cpp-sys-2 built ggml in {}, but there is no build/CMakeCache.txt two folders up: run \
             `cargo clean -p llama-cpp-sys-2` and build again",
            ggml.display()
        );
        return ExitCode::FAILURE;
    };
    println!("cargo::metadata=cmake_build={}", built.display());
    println!("cargo::metadata=version={VERSION}");
    println!("cargo::metadata=backend_dir={}", env::var("DEP_LLAMA_BACKENDS_DIR").unwrap_or_default());
    ExitCode::SUCCESS
}
