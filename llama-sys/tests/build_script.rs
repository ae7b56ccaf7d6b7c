//! The build script as cargo runs it, with things missing: it says so before CMake starts.
#![allow(missing_docs, dead_code, unused_imports)]
#![cfg(unix)]

#[path = "../build/main.rs"]
mod script;

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
};

// The steps name each other from the root of their crate.
use script::*;
use tempfile::TempDir;

/// Makes a process of this test the build script.
const PLAY: &str = "LLAMA_SYS_TEST_PLAYS_THE_BUILD_SCRIPT";

#[test]
fn documentation_needs_no_tools_and_no_source() {
    if std::env::var_os(PLAY).is_some() {
        match script::run() {
            Ok(()) => println!("BUILT"),
            Err(why) => println!("REFUSED: {why}"),
        }
        return;
    }
    let script = Script::new().without(&["cmake", "make", "cc", "c++", "ar"]).set("DOCS_RS", "1");
    let said = script.run();
    assert!(said.contains("BUILT"), "{said}");
    assert_eq!(script.bindings(), prepared());
}

#[test]
fn what_is_missing_is_named_before_cmake_starts() {
    for (tool, needs, set) in [
        ("cmake", "needs CMake, which is not here", Some("set CMAKE")),
        ("cc", "needs a C compiler (cc), which is not here", Some("set CC")),
        ("c++", "needs a C++ compiler (c++), which is not here", Some("set CXX")),
        ("make", "needs make or Ninja, which is not here", None),
    ] {
        let script = Script::new().without(&[tool]);
        let said = script.run();
        assert!(said.contains("REFUSED: building llama.cpp ") && said.contains(needs), "{tool}: {said}");
        assert!(said.contains("install it ("), "{tool}: {said}");
        assert!(set.is_none_or(|set| said.contains(set)), "{tool}: {said}");
        assert!(!script.ran_cmake(), "{tool}: {said}");
    }
}

#[test]
fn everything_that_is_missing_is_named_together() {
    let said = Script::new().without(&["cmake", "make", "cc", "c++"]).run();
    assert!(
        said.contains("CMake, a C compiler (cc), a C++ compiler (c++) and make or Ninja, which are"),
        "{said}"
    );
    if cfg!(target_os = "linux") {
        assert!(said.contains("apt-get install cmake gcc g++ make;"), "{said}");
        assert!(said.contains("dnf install cmake gcc gcc-c++ make;"), "{said}");
    }
    assert!(said.contains("set CMAKE, CC, CXX to where to find them"), "{said}");
}

#[test]
fn a_variable_that_names_nothing_is_named() {
    for (variable, value, needs) in [
        ("CMAKE", "/no/such/cmake", "CMake (/no/such/cmake)"),
        ("CC", "/no/such/cc", "a C compiler (/no/such/cc)"),
        ("CXX", "/no/such/c++", "a C++ compiler (/no/such/c++)"),
        ("CMAKE_GENERATOR", "Ninja", "needs Ninja"),
    ] {
        let script = Script::new().set(variable, value);
        let said = script.run();
        assert!(said.contains("REFUSED") && said.contains(needs), "{variable}: {said}");
        assert!(!script.ran_cmake(), "{variable}: {said}");
    }
}

#[test]
fn tools_that_the_user_defines_are_not_looked_for() {
    let own = Script::new();
    let cmake = own.dir.path().join("bin/cmake");
    fs::rename(&cmake, own.dir.path().join("own-cmake")).unwrap();
    let name = format!("CMAKE_{}", host().replace('-', "_"));
    let path = own.dir.path().join("own-cmake");
    let said = own.set(name, path).run();
    assert!(!said.contains("CMake"), "{said}");
    let cmake = Script::new().without(&["make"]).set("LLAMA_CMAKE_DEFINES", "CMAKE_MAKE_PROGRAM=/opt/make");
    assert!(!cmake.run().contains("make or Ninja"));
    let toolchain = Script::new()
        .without(&["cc"])
        .set("LLAMA_CMAKE_DEFINES", "CMAKE_TOOLCHAIN_FILE:FILEPATH=/opt/board.cmake");
    assert!(!toolchain.run().contains("a C compiler"));
}

#[test]
fn vulkan_needs_its_shader_compiler() {
    let vulkan = || Script::new().set("CARGO_FEATURE_VULKAN", "1");
    let script = vulkan();
    let said = script.run();
    assert!(
        said.contains("needs glslc (for the feature vulkan)") && said.contains("set VULKAN_SDK"),
        "{said}"
    );
    assert!(!script.ran_cmake());
    let sdk = TempDir::new().unwrap();
    fs::create_dir(sdk.path().join("bin")).unwrap();
    fs::write(sdk.path().join("bin/glslc"), "").unwrap();
    for script in [vulkan().set("VULKAN_SDK", sdk.path()), vulkan().set("CMAKE_PREFIX_PATH", "/opt/vulkan")] {
        let said = script.run();
        assert!(!said.contains("glslc"), "{said}");
    }
}

#[test]
fn vulkan_headers_that_are_too_old_are_named_before_cmake_starts() {
    let sdk = TempDir::new().unwrap();
    for (file, text) in [
        ("bin/glslc", ""),
        (
            "include/vulkan/vulkan_core.h",
            "#define VK_HEADER_VERSION 239\n\
             #define VK_HEADER_VERSION_COMPLETE VK_MAKE_API_VERSION(0, 1, 3, VK_HEADER_VERSION)\n",
        ),
    ] {
        let path = sdk.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    // A definition that says nothing of places hides nothing.
    for definitions in ["", "GGML_LTO=ON"] {
        let script = Script::new()
            .set("CARGO_FEATURE_VULKAN", "1")
            .set("VULKAN_SDK", sdk.path())
            .set("LLAMA_CMAKE_DEFINES", definitions);
        let said = script.run();
        for text in ["REFUSED", "1.4.309", "1.3.239", "libvulkan-dev", "vulkan-headers", "set VULKAN_SDK"] {
            assert!(said.contains(text) || !cfg!(target_os = "linux"), "{text}: {said}");
        }
        assert!(!script.ran_cmake(), "{said}");
    }
    let told = Script::new()
        .set("CARGO_FEATURE_VULKAN", "1")
        .set("VULKAN_SDK", sdk.path())
        .set("LLAMA_CMAKE_DEFINES", "Vulkan_INCLUDE_DIR=/opt/headers");
    assert!(!told.run().contains("1.3.239"));
}

#[test]
fn cmake_looks_again_when_a_variable_names_another_place() {
    let Some(tree) = Tree::pinned() else { return };
    let mut script = Script::new().set("LLAMA_CPP_DIR", tree.0.path());
    let cache = script.dir.path().join("out/build/CMakeCache.txt");
    let objects = script.dir.path().join("out/build/src/a.o");
    let mut is_kept = |sdk: &str| {
        fs::create_dir_all(objects.parent().unwrap()).unwrap();
        fs::write(&cache, "CMAKE_GENERATOR:INTERNAL=Unix Makefiles\n").unwrap();
        fs::write(&objects, "").unwrap();
        script.vars.insert("VULKAN_SDK".into(), sdk.into());
        let said = script.run();
        assert!(script.ran_cmake() && objects.exists(), "{said}");
        cache.exists()
    };
    assert!(is_kept("/opt/a") && is_kept("/opt/a"));
    assert!(!is_kept("/opt/b"), "what was found in another SDK");
    assert!(is_kept("/opt/b"));
}

#[test]
fn bindings_of_equal_headers_take_no_libclang() {
    let Some(tree) = Tree::pinned() else { return };
    let ends_of_lines = Tree::pinned().unwrap();
    ends_of_lines.change("include/llama.h", "\n", "\r\n");
    for tree in [tree, ends_of_lines] {
        // The compilers are stand-ins that accept everything, CMake is one that makes nothing.
        let script = Script::new().set("LLAMA_CPP_DIR", tree.0.path());
        let said = script.run();
        assert!(script.ran_cmake() && said.contains("CMakeCache.txt"), "{said}");
        assert_eq!(script.bindings(), prepared());
    }
}

#[test]
fn other_headers_are_refused_before_cmake_starts() {
    for (header, from, to) in [
        ("include/llama.h", "#define LLAMA_H\n", "#define LLAMA_H\n#define LLAMA_NEW 1\n"),
        ("ggml/include/ggml-alloc.h", "#pragma once\n", "#pragma once\n\n"),
        ("include/llama.h", "#include \"ggml.h\"\n", "#include \"ggml.h\"\n#include \"ggml-cpp.h\"\n"),
    ] {
        let Some(tree) = Tree::pinned() else { return };
        tree.change(header, from, to);
        let script = Script::new().set("LLAMA_CPP_DIR", tree.0.path());
        let said = script.run();
        assert!(said.contains("REFUSED: the bindings in the package"), "{header}: {said}");
        for text in [header, "the feature bindgen", "libclang", "LLAMA_CPP_DIR"] {
            assert!(said.contains(text), "{text}: {said}");
        }
        assert!(!script.ran_cmake(), "{header}: {said}");
    }
}

#[test]
fn a_header_of_the_shim_that_changed_asks_for_new_bindings() {
    let Some(tree) = Tree::pinned() else { return };
    let own = TempDir::new().unwrap();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    symlink(here.join("src"), own.path().join("src")).unwrap();
    fs::create_dir(own.path().join("shim")).unwrap();
    fs::copy(here.join("wrapper.h"), own.path().join("wrapper.h")).unwrap();
    let header = fs::read_to_string(here.join("shim/shim.h")).unwrap();
    fs::write(own.path().join("shim/shim.h"), header + "void llama_sys_new(void);\n").unwrap();
    let script = Script::new().set("LLAMA_CPP_DIR", tree.0.path()).set("CARGO_MANIFEST_DIR", own.path());
    let said = script.run();
    assert!(said.contains("REFUSED") && said.contains("shim/shim.h. Run scripts/bindings"), "{said}");
    assert!(!script.ran_cmake(), "{said}");
}

#[test]
fn a_target_with_other_pointers_takes_bindgen() {
    let Some(tree) = Tree::pinned() else { return };
    let script =
        Script::new().set("LLAMA_CPP_DIR", tree.0.path()).set("CARGO_CFG_TARGET_POINTER_WIDTH", "32");
    let said = script.run();
    assert!(said.contains("pointers have 32 bits") && said.contains("the feature bindgen"), "{said}");
    assert!(!script.ran_cmake(), "{said}");
}

#[test]
fn what_the_compiler_refuses_is_said_before_cmake_starts() {
    let Some(tree) = Tree::pinned() else { return };
    for (file, text) in
        [("prepared.cpp", "the feature bindgen"), ("buffers.cpp", "cannot compile the shim against")]
    {
        let script = Script::new().set("LLAMA_CPP_DIR", tree.0.path());
        script.stand_in("c++", &format!("case \"$*\" in *{file}*) exit 1 ;; esac"));
        let said = script.run();
        assert!(said.contains("REFUSED") && said.contains(text), "{file}: {said}");
        assert!(!script.ran_cmake(), "{file}: {said}");
    }
}

/// The build script in a process of its own, with stand-ins for the tools.
struct Script {
    dir: TempDir,
    vars: BTreeMap<String, OsString>,
}

impl Script {
    fn new() -> Self {
        let script = Self { dir: TempDir::new().unwrap(), vars: BTreeMap::new() };
        for dir in ["bin", "out"] {
            fs::create_dir(script.dir.path().join(dir)).unwrap();
        }
        for tool in ["cc", "c++", "ar", "make"] {
            script.stand_in(tool, "");
        }
        script.stand_in("cmake", &format!(": > '{}'", script.dir.path().join("cmake-ran").display()));
        let (os, width) = (std::env::consts::OS, if cfg!(target_pointer_width = "64") { "64" } else { "32" });
        let vars = [
            ("CARGO_FEATURE_OWN", "1"),
            ("CARGO_CFG_TARGET_OS", os),
            ("CARGO_CFG_TARGET_ARCH", std::env::consts::ARCH),
            ("CARGO_CFG_TARGET_POINTER_WIDTH", width),
            ("OPT_LEVEL", "0"),
            ("PROFILE", "debug"),
            ("NUM_JOBS", "1"),
            (PLAY, "1"),
        ];
        let host = host();
        let script = vars.into_iter().fold(script, |script, (name, value)| script.set(name, value));
        let out = script.dir.path().join("out");
        let bin = script.dir.path().join("bin");
        script
            .set("HOST", &host)
            .set("TARGET", &host)
            .set("OUT_DIR", out)
            .set("PATH", bin)
            .set("CARGO_MANIFEST_DIR", env!("CARGO_MANIFEST_DIR"))
    }

    fn set(mut self, name: impl Into<String>, value: impl Into<OsString>) -> Self {
        self.vars.insert(name.into(), value.into());
        self
    }

    fn without(self, tools: &[&str]) -> Self {
        for tool in tools {
            fs::remove_file(self.dir.path().join("bin").join(tool)).unwrap();
        }
        self
    }

    /// A program that does this and succeeds.
    fn stand_in(&self, tool: &str, does: &str) {
        let path = self.dir.path().join("bin").join(tool);
        fs::write(&path, format!("#!/bin/sh\n{does}\nexit 0\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// What it said, on both streams.
    fn run(&self) -> String {
        let kept = ["CARGO", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "HOME", "TMPDIR"];
        let kept = kept.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["documentation_needs_no_tools_and_no_source", "--exact", "--nocapture"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env_clear()
            .envs(kept)
            .envs(&self.vars)
            .output()
            .unwrap();
        let said =
            [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        assert!(output.status.success(), "{said}");
        said
    }

    fn ran_cmake(&self) -> bool {
        self.dir.path().join("cmake-ran").exists()
    }

    /// What the crate would be built with.
    fn bindings(&self) -> String {
        fs::read_to_string(self.dir.path().join("out/bindings.rs")).unwrap()
    }
}

fn prepared() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/prepared.rs")).unwrap()
}

/// The target that this test was built for, which can run here.
fn host() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc).arg("-vV").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned()
}

/// A copy of what the build script reads of the pinned source before CMake starts.
struct Tree(TempDir);

impl Tree {
    /// None if llama.cpp comes from elsewhere.
    fn pinned() -> Option<Self> {
        let out = TempDir::new().unwrap();
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let source = match source::find(here, out.path()) {
            Ok(source) if source.kind == "package" => source.dir,
            Ok(source) => {
                println!("SKIPPED: llama.cpp comes from {}, not from the pin", source.kind);
                return None;
            }
            Err(why) => {
                println!("SKIPPED: {why}");
                return None;
            }
        };
        let tree = TempDir::new().unwrap();
        fs::copy(source.join("CMakeLists.txt"), tree.path().join("CMakeLists.txt")).unwrap();
        for dir in ["include", "ggml/include", "src"] {
            let (from, to) = (source.join(dir), tree.path().join(dir));
            fs::create_dir_all(&to).unwrap();
            for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
                let path: PathBuf = entry.path();
                if path.extension().is_some_and(|extension| extension == "h") {
                    fs::copy(&path, to.join(entry.file_name())).unwrap();
                }
            }
        }
        Some(Self(tree))
    }

    fn change(&self, file: &str, from: &str, to: &str) {
        let path = self.0.path().join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has no {from:?}");
        fs::write(path, text.replace(from, to)).unwrap();
    }
}
