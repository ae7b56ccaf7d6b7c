//! First cut: the pinned package, static, CPU only.
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

fn main() {
    let out = PathBuf::from(env::var("OUT_DIR").unwrap());
    let manifest_dir = PathBuf::from(env::var("CARGO_MANIFEST_DIR").unwrap());
    let source = match env::var_os("LLAMA_CPP_DIR") {
        Some(dir) => PathBuf::from(dir),
        None => pinned(&manifest_dir.join("../vendor/pin/Cargo.toml"), &out),
    };
    println!("cargo::rerun-if-env-changed=LLAMA_CPP_DIR");
    let mut config = cmake::Config::new(&source);
    config
        .profile("Release")
        .define("BUILD_SHARED_LIBS", "OFF")
        .define("LLAMA_BUILD_COMMON", "OFF")
        .define("LLAMA_BUILD_TESTS", "OFF")
        .define("LLAMA_BUILD_TOOLS", "OFF")
        .define("LLAMA_BUILD_EXAMPLES", "OFF")
        .define("LLAMA_BUILD_SERVER", "OFF")
        .define("LLAMA_BUILD_APP", "OFF")
        .define("GGML_CCACHE", "OFF")
        .define("CMAKE_C_COMPILER_LAUNCHER", "ccache")
        .define("CMAKE_CXX_COMPILER_LAUNCHER", "ccache")
        .build_target("llama");
    let built = config.build();
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .file("shim/shim.cpp")
        .include("shim")
        .includes(["include", "ggml/include", "src"].map(|dir| source.join(dir)))
        .compile("llama_sys_shim");
    for file in ["shim/shim.cpp", "shim/shim.h", "wrapper.h", "build"] {
        println!("cargo::rerun-if-changed={file}");
    }
    for dir in ["build/src", "build/ggml/src"] {
        println!("cargo::rustc-link-search=native={}", built.join(dir).display());
    }
    for lib in ["llama", "ggml", "ggml-cpu", "ggml-base"] {
        println!("cargo::rustc-link-lib=static={lib}");
    }
    println!("cargo::rustc-link-lib=dylib=gomp");
    println!("cargo::rustc-link-lib=dylib=stdc++");
    bindgen::builder()
        .header("wrapper.h")
        .clang_arg(format!("-I{}", source.join("include").display()))
        .clang_arg(format!("-I{}", source.join("ggml/include").display()))
        .allowlist_file(r".*(llama|ggml-backend|ggml-cpu|gguf|ggml|shim)\.h")
        .prepend_enum_name(false)
        .derive_default(true)
        .generate()
        .expect("bindings")
        .write_to_file(out.join("bindings.rs"))
        .unwrap();
}

fn pinned(manifest: &Path, out: &Path) -> PathBuf {
    let copy = out.join("pin");
    fs::create_dir_all(copy.join("src")).unwrap();
    for file in ["Cargo.toml", "Cargo.lock", "src/lib.rs"] {
        fs::copy(manifest.parent().unwrap().join(file), copy.join(file)).unwrap();
    }
    let output = Command::new(env::var("CARGO").unwrap())
        .args(["metadata", "--locked", "--format-version", "1"])
        .current_dir(&copy)
        .output()
        .unwrap();
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let manifest = json["packages"]
        .as_array()
        .unwrap()
        .iter()
        .find(|p| p["name"] == "llama-cpp-sys-2")
        .unwrap()["manifest_path"]
        .as_str()
        .unwrap();
    Path::new(manifest).parent().unwrap().join("llama.cpp")
}
