//! Builds llama.cpp, or takes the one that another package built, and generates its bindings. The steps, in order; each
//! file beside this one is one of them.

pub(crate) mod backends;
pub(crate) mod bindings;
pub(crate) mod build_info;
pub(crate) mod cache;
pub(crate) mod cmake;
pub(crate) mod config;
pub(crate) mod cuda;
pub(crate) mod env;
pub(crate) mod headers;
#[cfg(any(feature = "bindgen", test))]
pub(crate) mod layout;
pub(crate) mod link;
pub(crate) mod shared;
pub(crate) mod shim;
pub(crate) mod source;
pub(crate) mod tools;

use std::{path::PathBuf, process::ExitCode};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            for line in message.lines() {
                println!("cargo::error={line}");
            }
            ExitCode::FAILURE
        }
    }
}

pub(crate) fn run() -> Result<(), String> {
    let manifest_dir = PathBuf::from(env::cargo("CARGO_MANIFEST_DIR"));
    let out_dir = PathBuf::from(env::cargo("OUT_DIR"));
    println!("cargo::rerun-if-changed=build");

    // `scripts/bindings` wants nothing else.
    if let Some(into) = env::path("LLAMA_SYS_PREPARE") {
        bindings::prepare(&manifest_dir, &source::find(&manifest_dir, &out_dir)?.dir, &into)?;
    }
    // A documentation host has neither network nor CMake.
    if env::var("DOCS_RS").is_some() {
        bindings::prepared(&manifest_dir, &out_dir)?;
        return build_info::unbuilt(&out_dir);
    }

    if let Some(shared) = shared::Shared::find()? {
        shared.check()?;
        let source = shared.source(&manifest_dir)?;
        bindings::generate(&manifest_dir, &source.dir, &out_dir)?;
        shim::compile(&manifest_dir, &source.dir)?;
        return build_info::write_shared(&shared, &source, &out_dir);
    }
    if !env::feature("own") {
        return Err(shared::NONE.into());
    }
    let config = config::Config::read()?;
    tools::check(&config)?;
    let source = source::find(&manifest_dir, &out_dir)?;
    // What takes seconds and can fail comes before what takes minutes.
    bindings::generate(&manifest_dir, &source.dir, &out_dir)?;
    shim::compile(&manifest_dir, &source.dir)?;
    let built = cmake::build(&config, &source.dir, &out_dir)?;
    link::print(&config, &built)?;
    build_info::write(&config, &source, &built, &out_dir)
}
