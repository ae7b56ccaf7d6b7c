//! What `scripts/setup` finds installed.
#![allow(missing_docs)]
#![cfg(unix)]

use std::{fs, path::Path, process::Command};

/// What the script would install on a machine with these libraries.
fn missing(options: &[&str], libraries: &[&str]) -> String {
    let root = tempfile::tempdir().unwrap();
    for library in libraries {
        let path = root.path().join(library);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/setup");
    let output = Command::new(script)
        .args(options)
        .arg("--missing")
        .env("SETUP_ROOT", root.path())
        .env_remove("LIBCLANG_PATH")
        .output()
        .unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_c_plus_plus_library_of_clang_is_no_libclang() {
    let other = ["usr/lib/x86_64-linux-gnu/libclang-cpp.so.14", "usr/lib/llvm-14/lib/libclang-cpp.so.14"];
    assert!(missing(&["--libclang"], &other).contains("libclang"));
}

#[test]
fn libclang_is_found_under_each_of_its_names() {
    for library in [
        "usr/lib/x86_64-linux-gnu/libclang-14.so.1",
        "usr/lib/llvm-19/lib/libclang.so.1",
        "usr/lib64/libclang.so",
        "opt/homebrew/opt/llvm/lib/libclang.dylib",
    ] {
        assert!(!missing(&["--libclang"], &[library]).contains("libclang"), "{library}");
    }
}

#[test]
fn libclang_is_for_those_who_ask_for_it() {
    assert!(!missing(&[], &[]).contains("libclang"));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/setup");
    let output = Command::new(script).arg("--clang").output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8(output.stderr).unwrap().contains("--libclang"));
}
