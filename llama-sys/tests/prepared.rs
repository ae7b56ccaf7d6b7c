//! The bindings made ahead are those of the headers, on every 64-bit target.
#![allow(missing_docs, dead_code)]

#[path = "../build/env.rs"]
mod env;
#[path = "../build/headers.rs"]
mod headers;
#[path = "../build/layout.rs"]
mod layout;
#[path = "../build/source.rs"]
mod source;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

const BINDINGS: &str = include_str!("../src/prepared.rs");
const CHECKS: &str = include_str!("../src/prepared.cpp");

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The pinned source, if it is what is built.
fn pinned() -> Option<PathBuf> {
    let out = TempDir::new().unwrap();
    match source::find(here(), out.path()) {
        Ok(source) if source.kind == "package" => Some(source.dir),
        Ok(source) => {
            println!("SKIPPED: llama.cpp comes from {}, not from the pin", source.kind);
            None
        }
        Err(why) => {
            println!("SKIPPED: {why}");
            None
        }
    }
}

#[test]
fn they_are_of_the_pinned_headers_and_the_shim_s() {
    let Some(source) = pinned() else { return };
    let now = headers::checksums(here(), &source).unwrap();
    for name in ["include/llama.h", "ggml/include/ggml-opt.h", "wrapper.h", "shim/shim.h"] {
        assert!(now.contains_key(name), "{name}: {now:?}");
    }
    assert_eq!(headers::changed(BINDINGS, &now), [""; 0], "run scripts/bindings");
    assert!(BINDINGS.contains(&headers::recorded(&now)));
}

#[test]
fn they_have_every_function_of_the_headers() {
    let Some(source) = pinned() else { return };
    let bound: BTreeSet<&str> =
        BINDINGS.split("pub fn ").skip(1).filter_map(|rest| rest.split(['(', '<']).next()).collect();
    let mut declared = BTreeSet::new();
    for header in [
        "include/llama.h",
        "ggml/include/ggml.h",
        "ggml/include/ggml-backend.h",
        "ggml/include/ggml-cpu.h",
        "ggml/include/gguf.h",
    ] {
        let text = fs::read_to_string(source.join(header)).unwrap();
        // Without comments and macros.
        let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        let text: String =
            lines.map(|line| line.split("//").next().unwrap_or("").to_owned() + "\n").collect();
        for api in ["LLAMA_API ", "GGML_API ", "GGML_BACKEND_API "] {
            let after = text.split(api).skip(1).filter_map(|rest| rest.split(';').next());
            declared.extend(after.filter_map(|declaration| {
                let words = declaration
                    .split('(')
                    .map(|before| before.trim_end().rsplit([' ', '*', '\n']).next().unwrap_or(""));
                let is_name =
                    |word: &&str| ["llama_", "ggml_", "gguf_"].iter().any(|start| word.starts_with(start));
                words.into_iter().find(is_name).map(str::to_owned)
            }));
        }
    }
    assert!(declared.len() > 800, "{} functions", declared.len());
    let missing: Vec<_> = declared.iter().filter(|name| !bound.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_compiler_is_told_all_of_them() {
    assert_eq!(layout::checks(BINDINGS).unwrap(), CHECKS, "run scripts/bindings");
    let told = |start: &str| CHECKS.lines().filter(|line| line.starts_with(start)).count();
    assert_eq!(told("FUNCTION("), BINDINGS.matches("pub fn ").count());
    assert_eq!(told("SIZE("), BINDINGS.matches("\"Size of ").count() - 1, "all but a union without a name");
    // Fields, and the functions of which they are pointers.
    assert!(told("FIELD(") > 200 && told("OFFSET(") > 200);
}

/// A compiler for the machine's own target and, with clang, for others.
fn compile(compiler: &str, options: &[&str], source: &Path, file: &Path) -> Option<(bool, String)> {
    let folders = headers::folders(here(), source);
    let output = Command::new(compiler)
        .args(["-std=c++17", "-w", "-fsyntax-only"])
        .args(options)
        .args(folders.iter().map(|dir| format!("-I{}", dir.display())))
        .arg(file)
        .output()
        .ok()?;
    Some((output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned()))
}

#[test]
fn they_fit_linux_macos_windows_and_other_targets_of_64_bits() {
    let Some(source) = pinned() else { return };
    // Of system headers only the streams are needed, and only that they exist.
    let system = TempDir::new().unwrap();
    fs::write(system.path().join("stdio.h"), "typedef struct stream FILE;\n").unwrap();
    let system = format!("-I{}", system.path().display());
    for target in [
        "x86_64-unknown-linux-gnu",
        "aarch64-unknown-linux-gnu",
        "x86_64-unknown-linux-musl",
        "riscv64-unknown-linux-gnu",
        "x86_64-apple-macosx",
        "arm64-apple-macosx",
        "x86_64-pc-windows-msvc",
        "aarch64-pc-windows-msvc",
        "x86_64-pc-windows-gnu",
        "aarch64-linux-android",
        "x86_64-unknown-freebsd",
        "i686-unknown-linux-gnu",
    ] {
        let target_option = format!("--target={target}");
        let options = [target_option.as_str(), "-ffreestanding", "-nostdlibinc", &system];
        let Some((fits, said)) = compile("clang++", &options, &source, &here().join("src/prepared.cpp"))
        else {
            println!("SKIPPED: there is no clang++ to read the headers for {target}");
            return;
        };
        if said.contains("unable to create target") || said.contains("unknown target triple") {
            println!("SKIPPED: this clang++ does not know {target}");
            continue;
        }
        // Those that are not used there do not fit there either.
        assert_eq!(fits, !target.starts_with("i686"), "{target}: {said}");
    }
}

#[test]
fn the_compiler_finds_each_kind_of_difference() {
    let Some(source) = pinned() else { return };
    let file = here().join("src/prepared.cpp");
    let Some((fits, said)) = compile("c++", &[], &source, &file) else {
        println!("SKIPPED: there is no c++ to read the headers");
        return;
    };
    assert!(fits, "{said}");
    for (header, from, to, named) in [
        (
            "include/llama.h",
            "LLAMA_DEFAULT_SEED 0xFFFFFFFF",
            "LLAMA_DEFAULT_SEED 0xFFFFFFFE",
            "LLAMA_DEFAULT_SEED",
        ),
        ("ggml/include/gguf.h", "GGUF_MAGIC \"GGUF\"", "GGUF_MAGIC \"GGUG\"", "GGUF_MAGIC"),
        ("include/llama.h", "LLAMA_VOCAB_TYPE_BPE = 2", "LLAMA_VOCAB_TYPE_BPE = 12", "LLAMA_VOCAB_TYPE_BPE"),
        ("include/llama.h", "typedef int32_t llama_token;", "typedef int64_t llama_token;", "llama_token"),
        (
            "include/llama.h",
            "int32_t n_gpu_layers;",
            "uint32_t n_gpu_layers;",
            "llama_model_params::n_gpu_layers",
        ),
        (
            "include/llama.h",
            "bool swa_full;",
            "bool swa_full; bool swa_new;",
            "llama_context_params::kv_unified",
        ),
        ("include/llama.h", "uint32_t n_batch;", "", "llama_context_params"),
        ("include/llama.h", "int64_t val_i64;", "int32_t val_i64;", "llama_model_kv_override::val_i64"),
        (
            "include/llama.h",
            "void llama_free(struct llama_context * ctx)",
            "bool llama_free(struct llama_context * ctx)",
            "llama_free",
        ),
        (
            "include/llama.h",
            "typedef bool (*llama_progress_callback)",
            "typedef void (*llama_progress_callback)",
            "llama_progress_callback",
        ),
        (
            "include/llama.h",
            "n_ctx_train (const struct llama_model * model)",
            "n_ctx_train(struct llama_model * model)",
            "llama_model_n_ctx_train",
        ),
    ] {
        let tree = TempDir::new().unwrap();
        for dir in ["include", "ggml/include"] {
            let (from, to) = (source.join(dir), tree.path().join(dir));
            fs::create_dir_all(&to).unwrap();
            for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
                fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
            }
        }
        // Columns are upstream's, and change.
        let text = fs::read_to_string(tree.path().join(header)).unwrap();
        let lines = text
            .lines()
            .map(|line| line.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" "));
        let text = lines.collect::<Vec<_>>().join("\n");
        assert!(text.contains(from), "{header} has no {from:?}");
        fs::write(tree.path().join(header), text.replacen(from, to, 1)).unwrap();
        let (fits, said) = compile("c++", &[], tree.path(), &file).unwrap();
        assert!(!fits && said.contains(named), "{named}: {said}");
    }
}

#[test]
fn what_differs_between_systems_is_not_bound() {
    for word in ["c_long", "c_ulong", "c_short", "wchar", "_IO_", "__off"] {
        assert!(!BINDINGS.contains(word), "{word}");
    }
    let long = layout::checks("unsafe extern \"C\" { pub fn f(n: ::std::os::raw::c_long); }").unwrap_err();
    assert!(long.contains("c_long"), "{long}");
}

#[test]
fn a_changed_header_is_named() {
    let now = |pairs: &[(&str, &str)]| pairs.iter().map(|&(a, b)| (a.to_owned(), b.to_owned())).collect();
    let made = now(&[("include/llama.h", "0123456789abcdef"), ("wrapper.h", "fedcba9876543210")]);
    let bindings = format!("// Made ahead.\n{}\npub const A: u32 = 1;\n", headers::recorded(&made));
    assert!(headers::changed(&bindings, &made).is_empty());
    let other = now(&[("include/llama.h", "0123456789abcdee"), ("include/new.h", "fedcba9876543210")]);
    assert_eq!(headers::changed(&bindings, &other), ["include/llama.h", "include/new.h", "wrapper.h"]);
    assert_eq!(headers::changed("pub const A: u32 = 1;\n", &made), ["include/llama.h", "wrapper.h"]);
}
