//! Builds llama.cpp, or takes the one that another package built, and generates its bindings. The steps, in order; each
//! file beside this one is one of them.

mod bindings;
mod build_info;
mod cache;
mod cmake;
mod config;
mod cuda;
mod env;
mod link;
mod shared;
mod shim;
mod source;

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

fn run() -> Result<(), String> {
    let manifest_dir = PathBuf::from(env::cargo("CARGO_MANIFEST_DIR"));
    let out_dir = PathBuf::from(env::cargo("OUT_DIR"));
    println!("cargo::rerun-if-changed=build");

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
    let source = source::find(&manifest_dir, &out_dir)?;
    // Both take a while and need each other's results not at all.
    let (built, bindings) = std::thread::scope(|scope| {
        let bindings = scope.spawn(|| bindings::generate(&manifest_dir, &source.dir, &out_dir));
        let built = cmake::build(&config, &source.dir, &out_dir);
        (built, bindings.join().unwrap_or_else(|_| Err("bindgen failed, see above".into())))
    });
    let built = built?;
    bindings?;
    shim::compile(&manifest_dir, &source.dir)?;
    link::print(&config, &built)?;
    build_info::write(&config, &source, &built, &out_dir)
}
