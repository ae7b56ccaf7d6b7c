//! Facts of the build, as constants for reports.

use std::{fs, path::Path};

use crate::{
    cache,
    cmake::Built,
    config::Config,
    shared::Shared,
    source::{self, Source},
};

pub fn write(config: &Config, source: &Source, built: &Built, out_dir: &Path) -> Result<(), String> {
    let options: Vec<String> =
        config.definitions().into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    let backends = if config.dynamic { built.dir.join("bin").display().to_string() } else { String::new() };
    save(out_dir, &Facts::new(source, &compilers(config, built), &options.join(" "), &backends))
}

/// Of a llama.cpp that another package built.
pub fn write_shared(shared: &Shared, source: &Source, out_dir: &Path) -> Result<(), String> {
    let (compilers, options) = (shared.compilers(), shared.options());
    let facts = Facts::new(source, &compilers, &options, &shared.backend_dir);
    save(out_dir, &Facts { shared: true, ..facts })
}

/// The C++ compiler, and the CUDA compiler if it took part.
fn compilers(config: &Config, built: &Built) -> String {
    let cxx = cache::compiler(&built.dir, "CXX").unwrap_or_else(|| "unknown".into());
    match &config.cuda {
        Some(cuda) => format!("{cxx}, nvcc {}", cuda.version),
        None => cxx,
    }
}

/// For documentation: nothing was built.
pub fn unbuilt(out_dir: &Path) -> Result<(), String> {
    save(out_dir, &Facts::default())
}

#[derive(Default)]
struct Facts<'a> {
    commit: &'a str,
    number: u32,
    source: &'a str,
    shared: bool,
    version: &'a str,
    ggml_version: Option<String>,
    compiler: &'a str,
    options: &'a str,
    backends: &'a str,
}

impl<'a> Facts<'a> {
    fn new(source: &'a Source, compiler: &'a str, options: &'a str, backends: &'a str) -> Self {
        let Source { dir, kind, version, commit, number } = source;
        Self {
            commit,
            number: *number,
            source: kind,
            shared: false,
            version,
            ggml_version: source::ggml_version(dir),
            compiler,
            options,
            backends,
        }
    }
}

fn save(out_dir: &Path, facts: &Facts) -> Result<(), String> {
    let Facts { commit, number, source, shared, version, ggml_version, compiler, options, backends } = facts;
    let text = format!(
        "/// Commit of llama.cpp in seven hexadecimal digits; of its checksum if the source does not tell it.\n\
         pub const COMMIT: &str = {commit:?};\n\
         /// Upstream's running build number; 0 if unknown.\n\
         pub const NUMBER: u32 = {number};\n\
         /// Where the source came from: `package`, `vendor`, `LLAMA_CPP_DIR` or `llama-cpp-2`.\n\
         pub const SOURCE: &str = {source:?};\n\
         /// Another package built it, and may use it in the same process.\n\
         pub const SHARED: bool = {shared};\n\
         /// Version of llama.cpp.\n\
         pub const VERSION: &str = {version:?};\n\
         /// Version of the ggml in the source, as `ggml_version` returns it; `None` if the source does not tell it.\n\
         pub const GGML_VERSION: Option<&str> = {ggml_version:?};\n\
         /// Name and version of the compilers.\n\
         pub const COMPILER: &str = {compiler:?};\n\
         /// CMake definitions, separated by blanks.\n\
         pub const CMAKE_OPTIONS: &str = {options:?};\n\
         /// Folder where the build left the loadable backends; empty if they are built in.\n\
         pub const BACKEND_DIR: &str = {backends:?};\n"
    );
    let path = out_dir.join("build_info.rs");
    fs::write(&path, text).map_err(|e| format!("cannot write {}: {e}", path.display()))
}
