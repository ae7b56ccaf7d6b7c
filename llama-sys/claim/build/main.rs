//! Refuses versions of llama-cpp-2 that are too old for cargo to refuse them.

mod lock;

use std::{env, fs, path::PathBuf, process::ExitCode};

fn main() -> ExitCode {
    // Not the lock file: each change of it would run the build script of llama-bench-sys again.
    println!("cargo::rerun-if-changed=build");
    let out_dir = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    // The program's lock file is beside its folder `target`, or wherever that is.
    let locks = out_dir.ancestors().filter_map(|dir| fs::read_to_string(dir.join("Cargo.lock")).ok());
    match locks.filter_map(|text| lock::refusal(&text)).next() {
        Some(message) => {
            println!("cargo::error={message}");
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    }
}
