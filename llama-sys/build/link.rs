//! What the linker is told.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{cmake::Built, config::Config, cuda::Toolkit, env};

pub fn print(config: &Config, built: &Built) -> Result<(), String> {
    if config.dynamic {
        shared(built);
        return Ok(());
    }
    archives(built)?;
    if config.openmp {
        openmp(config, built);
    }
    if let Some(cuda) = &config.cuda {
        self::cuda(cuda);
    }
    if config.vulkan {
        vulkan(config);
    }
    if config.hip {
        hip();
    }
    match config.target_os.as_str() {
        "macos" | "ios" => frameworks(config, built),
        "windows" if config.rpc => libraries(&["advapi32", "ws2_32"]),
        "windows" => libraries(&["advapi32"]),
        _ => {}
    }
    Ok(())
}

/// The backends are loaded at run time and bring their own libraries.
fn shared(built: &Built) {
    let bin = built.dir.join("bin");
    search(&bin);
    // Windows keeps import libraries elsewhere.
    search(&built.dir.join("lib"));
    libraries(&["llama", "ggml", "ggml-base"]);
    // For the build scripts of crates that depend on this one directly: DEP_LLAMA_BENCH_SYS_LIB_DIR.
    println!("cargo::metadata=lib_dir={}", bin.display());
}

/// Every archive of the build: users of a library before it, so `llama` first and `ggml-base` last.
fn archives(built: &Built) -> Result<(), String> {
    let mut found = Vec::new();
    collect(&built.dir, 0, &mut found);
    let mut names: Vec<String> = Vec::new();
    for path in &found {
        if let (Some(name), Some(dir)) = (library_name(path), path.parent()) {
            search(dir);
            names.push(name);
        }
    }
    names.sort_by_key(|name| (rank(name), name.clone()));
    names.dedup();
    if !names.iter().any(|name| name == "llama") {
        return Err(format!(
            "no llama library in {}: remove the folder and build again",
            built.dir.display()
        ));
    }
    for name in names {
        println!("cargo::rustc-link-lib=static={name}");
    }
    Ok(())
}

/// `llama` from `libllama.a` or `llama.lib`; `None` for what is not ours.
pub fn library_name(path: &Path) -> Option<String> {
    let file = path.file_name()?.to_str()?;
    let name = file
        .strip_prefix("lib")
        .and_then(|file| file.strip_suffix(".a"))
        .or_else(|| file.strip_suffix(".lib"))?;
    (name == "llama" || name == "ggml" || name.starts_with("ggml-")).then(|| name.to_owned())
}

pub fn rank(name: &str) -> u8 {
    match name {
        "llama" => 0,
        "ggml" => 1,
        "ggml-base" => 3,
        _ => 2,
    }
}

fn collect(dir: &Path, depth: u32, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        if path.is_dir() && depth < 6 {
            collect(&path, depth + 1, found);
        } else if library_name(&path).is_some() {
            found.push(path);
        }
    }
}

/// The runtime that the compiler's OpenMP needs, as CMake found it.
fn openmp(config: &Config, built: &Built) {
    if env::cargo("CARGO_CFG_TARGET_ENV") == "msvc" {
        return;
    }
    let names = built.cache.get("OpenMP_CXX_LIB_NAMES").unwrap_or_default();
    for name in names.split(';').filter(|name| !name.is_empty() && *name != "pthread") {
        let file = built.cache.get(&format!("OpenMP_{name}_LIBRARY")).map(PathBuf::from);
        if let Some(dir) = file.as_deref().and_then(Path::parent) {
            search(dir);
        }
        let gnu_windows = config.target_os == "windows";
        println!("cargo::rustc-link-lib={}{name}", if gnu_windows { "static=" } else { "dylib=" });
    }
}

fn cuda(toolkit: &Toolkit) {
    for dir in ["lib64", "lib", "lib/x64", "targets/x86_64-linux/lib", "targets/sbsa-linux/lib"] {
        let dir = toolkit.root.join(dir);
        search(&dir);
        search(&dir.join("stubs"));
    }
    libraries(&["cudart", "cublas", "cublasLt"]);
    if !toolkit.no_vmm {
        libraries(&["cuda"]);
    }
}

fn vulkan(config: &Config) {
    if let Some(sdk) = env::path("VULKAN_SDK") {
        search(&sdk.join("lib"));
        search(&sdk.join("Lib"));
    }
    libraries(&[if config.target_os == "windows" { "vulkan-1" } else { "vulkan" }]);
}

fn hip() {
    let root = env::path("ROCM_PATH").unwrap_or_else(|| "/opt/rocm".into());
    search(&root.join("lib"));
    libraries(&["amdhip64", "hipblas", "rocblas"]);
}

fn frameworks(config: &Config, built: &Built) {
    let mut names = vec!["Foundation"];
    if config.metal {
        names.extend(["Metal", "MetalKit"]);
    }
    if built.cache.get("GGML_ACCELERATE") == Some("ON") {
        names.push("Accelerate");
    }
    for name in names {
        println!("cargo::rustc-link-lib=framework={name}");
    }
}

fn search(dir: &Path) {
    if dir.is_dir() {
        println!("cargo::rustc-link-search=native={}", dir.display());
    }
}

fn libraries(names: &[&str]) {
    for name in names {
        println!("cargo::rustc-link-lib=dylib={name}");
    }
}
