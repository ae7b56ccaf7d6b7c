//! Facts of the build, as constants for reports.

use std::{fs, path::Path};

use crate::{cache, cmake::Built, config::Config, source::Source};

pub fn write(config: &Config, source: &Source, built: &Built, out_dir: &Path) -> Result<(), String> {
    let options: Vec<String> =
        config.definitions().into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    let backends = if config.dynamic { built.dir.join("bin").display().to_string() } else { String::new() };
    save(
        out_dir,
        &Facts {
            commit: &source.commit,
            number: source.number,
            source: source.kind,
            version: &source.version,
            compiler: &compilers(config, built),
            options: &options.join(" "),
            backends: &backends,
        },
    )
}

/// The C++ compiler, and the CUDA compiler if it took part.
fn compilers(config: &Config, built: &Built) -> String {
    let cxx = cache::compiler(&built.dir).unwrap_or_else(|| "unknown".into());
    match &config.cuda {
        Some(cuda) => format!("{cxx}, nvcc {}", cuda.version),
        None => cxx,
    }
}

/// For documentation: nothing was built.
pub fn unbuilt(out_dir: &Path) -> Result<(), String> {
    let facts =
        Facts { commit: "", number: 0, source: "", version: "", compiler: "", options: "", backends: "" };
    save(out_dir, &facts)
}

struct Facts<'a> {
    commit: &'a str,
    number: u32,
    source: &'a str,
    version: &'a str,
    compiler: &'a str,
    options: &'a str,
    backends: &'a str,
}

fn save(out_dir: &Path, facts: &Facts) -> Result<(), String> {
    let Facts { commit, number, source, version, compiler, options, backends } = facts;
    let text = format!(
        "/// Commit of llama.cpp in seven hexadecimal digits; of its checksum if the source does not tell it.\n\
         pub const COMMIT: &str = {commit:?};\n\
         /// Upstream's running build number; 0 if unknown.\n\
         pub const NUMBER: u32 = {number};\n\
         /// Where the source came from: `package`, `vendor` or `LLAMA_CPP_DIR`.\n\
         pub const SOURCE: &str = {source:?};\n\
         /// Version of llama.cpp.\n\
         pub const VERSION: &str = {version:?};\n\
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
