//! The decisions of the build script, without building.
#![allow(dead_code, missing_docs)]

#[path = "../build/backends.rs"]
mod backends;
#[path = "../build/cache.rs"]
mod cache;
#[path = "../build/config.rs"]
mod config;
#[path = "../build/cuda.rs"]
mod cuda;
#[path = "../build/env.rs"]
mod env;
#[path = "../build/source.rs"]
mod source;

use std::{fs, path::Path};

use cuda::{Version, choose, parse_version};

fn gpus(capabilities: &[&str]) -> Vec<String> {
    capabilities.iter().map(|&one| one.to_owned()).collect()
}

#[test]
fn with_no_gpu_blackwell_is_built_as_far_as_the_toolkit_knows_it() {
    assert_eq!(choose(None, &[], Version(13, 0)).unwrap(), ["120a-real", "121a-real", "100a-real"]);
    assert_eq!(choose(None, &[], Version(12, 8)).unwrap(), ["120a-real", "100a-real"]);
    let refused = choose(None, &[], Version(12, 4)).unwrap_err();
    assert!(refused.contains("12.4") && refused.contains("12.8"), "{refused}");
}

#[test]
fn a_visible_gpu_is_built_for_alone() {
    assert_eq!(choose(None, &gpus(&["12.1", "12.1"]), Version(13, 0)).unwrap(), ["121a-real"]);
    assert_eq!(choose(None, &gpus(&["9.0", "8.6"]), Version(12, 4)).unwrap(), ["86-real", "90-real"]);
    assert_eq!(choose(None, &gpus(&["[N/A]"]), Version(13, 0)).unwrap().len(), 3);
}

#[test]
fn what_is_asked_for_comes_first_and_is_checked() {
    assert_eq!(
        choose(Some("90-real;121a-real"), &gpus(&["8.0"]), Version(13, 0)).unwrap(),
        ["90-real", "121a-real"]
    );
    assert_eq!(choose(Some("native"), &[], Version(11, 0)).unwrap(), ["native"]);
    for (asked, toolkit, needed) in [
        ("121a-real", Version(12, 8), "12.9"),
        ("120a-real", Version(12, 6), "12.8"),
        ("90", Version(11, 2), "11.8"),
    ] {
        let refused = choose(Some(asked), &[], toolkit).unwrap_err();
        assert!(refused.contains(needed) && refused.contains(asked), "{refused}");
    }
}

#[test]
fn nvcc_tells_its_version() {
    let text = "nvcc: NVIDIA (R) Cuda compiler driver\nCuda compilation tools, release 13.0, V13.0.88\n";
    assert_eq!(parse_version(text), Some(Version(13, 0)));
    assert_eq!(parse_version("gcc 12.2"), None);
}

#[test]
fn definitions_of_the_user_are_pairs() {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        config::definitions("GGML_LTO=ON; CMAKE_CXX_FLAGS=-O2 -g").unwrap(),
        [pair("GGML_LTO", "ON"), pair("CMAKE_CXX_FLAGS", "-O2 -g")]
    );
    assert!(config::definitions("").unwrap().is_empty());
    assert!(config::definitions("GGML_LTO").unwrap_err().contains("NAME=VALUE"));
}

#[test]
fn folders_that_are_not_a_usable_tree_are_named_with_a_remedy() {
    let dir = std::env::temp_dir().join(format!("llama-sys-source-{}", std::process::id()));
    let write = |file: &str, text: &str| {
        let path = dir.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let none = source::check(Path::new("/nonexistent"), "LLAMA_CPP_DIR").unwrap_err();
    assert!(none.contains("/nonexistent") && none.contains("not a llama.cpp source tree"), "{none}");
    assert!(none.contains("unset it") && !none.contains("relative"), "{none}");
    let relative = source::check(Path::new("no/such/tree"), "LLAMA_CPP_DIR").unwrap_err();
    let here = std::env::current_dir().unwrap().display().to_string();
    assert!(relative.contains(&format!("counts from {here}")), "{relative}");
    let vendored = source::check(Path::new("/nonexistent"), "vendor").unwrap_err();
    assert!(vendored.contains("vendor/llama.cpp") && vendored.contains("remove it"), "{vendored}");
    write(
        "CMakeLists.txt",
        "set(LLAMA_VERSION_MAJOR 0)\nset(LLAMA_VERSION_MINOR 4)\nset(LLAMA_VERSION_PATCH 2)\n",
    );
    write("include/llama.h", "LLAMA_API void llama_backend_init(void);");
    let old = source::check(&dir, "LLAMA_CPP_DIR").unwrap_err();
    assert!(old.contains("too old") && old.contains("llama_load_mode"), "{old}");
    assert_eq!(source::llama_version(&dir), "0.4.2");
    assert_eq!(source::ggml_version(&dir), None);
    let ggml = "set(GGML_VERSION_MAJOR 0)\nset(GGML_VERSION_MINOR 26)\nset(GGML_VERSION_PATCH 0)\n\
         set(GGML_VERSION_BASE \"${GGML_VERSION_MAJOR}.${GGML_VERSION_MINOR}.${GGML_VERSION_PATCH}\")\n";
    write("ggml/CMakeLists.txt", ggml);
    assert_eq!(source::ggml_version(&dir).as_deref(), Some("0.26.0"));
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn the_package_is_found_in_cargos_answer() {
    let answer = r#"{"packages":[{"name":"cc","version":"1.2.0","manifest_path":"/r/cc/Cargo.toml"},
        {"name":"llama-cpp-sys-2","version":"0.1.161","manifest_path":"/r/l/Cargo.toml"}]}"#;
    let expected = Some(("/r/l/Cargo.toml".to_owned(), "0.1.161".to_owned()));
    assert_eq!(source::pinned_manifest(answer), expected);
    assert_eq!(source::pinned_manifest("{}"), None);
    assert_eq!(source::pinned_manifest("error: no network"), None);
}

#[test]
fn a_package_that_is_not_there_is_named_with_what_brings_it() {
    let message = source::unfetched(Path::new("/out/pin"), "error: no network\n");
    assert!(message.contains("cargo fetch --locked --manifest-path /out/pin/Cargo.toml"), "{message}");
    assert!(message.ends_with("error: no network") && message.contains("LLAMA_CPP_DIR"), "{message}");
}

#[test]
fn cmakes_files_are_read() {
    let cache = cache::Cache::parse(
        "# made by CMake\n//What\nCMAKE_GENERATOR:INTERNAL=Ninja\nOpenMP_CXX_LIB_NAMES:STRING=gomp;pthread\nEMPTY:BOOL=\n",
    );
    assert_eq!(cache.get("OpenMP_CXX_LIB_NAMES"), Some("gomp;pthread"));
    assert_eq!((cache.get("EMPTY"), cache.get("What")), (None, None));
    let text = "set(CMAKE_CXX_COMPILER_ID \"GNU\")\nset(CMAKE_CXX_COMPILER_VERSION \"12.2.0\")\n";
    assert_eq!(cache::parse_compiler(text, "CXX").as_deref(), Some("GNU 12.2.0"));
}

#[test]
fn a_build_is_named_by_seven_hexadecimal_digits() {
    let is_short_commit = |name: &str| name.len() == 7 && name.bytes().all(|c| c.is_ascii_hexdigit());
    let lock = "[[package]]\nname = \"cc\"\nchecksum = \"ffffffffff\"\n\n[[package]]\nname = \"llama-cpp-sys-2\"\n\
                version = \"0.1.161\"\nchecksum = \"E9bea77fde41\"\n";
    assert_eq!(source::pinned_checksum(lock).as_deref(), Some("e9bea77"));
    let patched = lock.replace("checksum = \"E9bea77fde41\"\n", "");
    assert_eq!(source::pinned_checksum(&patched), None);
    let pinned = include_str!("../../vendor/pin.lock");
    assert!(source::pinned_checksum(pinned).is_some_and(|digits| is_short_commit(&digits)));
    // A tree without a commit: equal ones have equal names, and what is built tells others apart.
    let dir = std::env::temp_dir().join(format!("llama-sys-checksum-{}", std::process::id()));
    for (file, text) in [("CMakeLists.txt", "a"), ("include/l.h", "b"), ("src/a/b.cpp", "c"), ("ggml/x", "d")]
    {
        let path = dir.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let name = source::checksum(&dir).unwrap();
    assert!(is_short_commit(&name), "{name}");
    fs::write(dir.join("README.md"), "no part of it").unwrap();
    assert_eq!(source::checksum(&dir).unwrap(), name);
    fs::write(dir.join("src/a/b.cpp"), "C").unwrap();
    assert_ne!(source::checksum(&dir).unwrap(), name);
    fs::remove_dir_all(dir).unwrap();
    assert!(is_short_commit(llama_sys::build_info::COMMIT), "{}", llama_sys::build_info::COMMIT);
}

/// A folder with these files, each of this text.
fn sdk(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (file, text) in files {
        let path = dir.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

fn header(minor: u32, patch: u32, more: &str) -> String {
    format!(
        "#define VK_HEADER_VERSION {patch}\n{more}\n\
         #define VK_HEADER_VERSION_COMPLETE VK_MAKE_API_VERSION(0, 1, {minor}, VK_HEADER_VERSION)\n"
    )
}

#[test]
fn what_vulkan_lacks_is_told_part_by_part() {
    let (good, old) = (header(4, 309, ""), header(3, 239, ""));
    let newer = header(3, 296, "VK_DRIVER_ID_MESA_HONEYKRISP\nVK_EXT_layer_settings");
    let parts = |core| {
        [
            ("include/vulkan/vulkan_core.h", core),
            ("lib/x86_64-linux-gnu/libvulkan.so", ""),
            ("share/cmake/SPIRV-Headers/SPIRV-HeadersConfig.cmake", ""),
        ]
    };
    let lacks = |dirs: &[&tempfile::TempDir]| {
        let prefixes: Vec<_> = dirs.iter().map(|dir| dir.path().to_path_buf()).collect();
        backends::vulkan(&prefixes, "linux").into_iter().map(|one| one.what).collect::<Vec<_>>()
    };
    for core in [&good, &newer] {
        assert_eq!(lacks(&[&sdk(&parts(core))]), [""; 0]);
    }
    for (left_out, named) in
        [(0, "Vulkan's headers"), (1, "Vulkan's loader (libvulkan.so)"), (2, "SPIRV-Headers")]
    {
        let mut some = parts(&good).to_vec();
        some.remove(left_out);
        let what = lacks(&[&sdk(&some)]);
        assert!(what.len() == 1 && what[0].contains(named), "{what:?}");
    }
    // The first that CMake would find counts, as CMake takes it.
    let what = lacks(&[&sdk(&parts(&old)), &sdk(&parts(&good))]);
    assert!(what.len() == 1 && what[0].contains("1.4.309") && what[0].contains("1.3.239"), "{what:?}");
    assert!(what[0].contains("VK_EXT_layer_settings"), "{what:?}");
    assert_eq!(lacks(&[]).len(), 3);
    assert_eq!(backends::header_version(&old), Some((1, 3, 239)));
    assert_eq!(backends::header_version("#define VK_HEADER_VERSION many"), None);
}

#[test]
fn what_hip_lacks_is_told_part_by_part() {
    let version = |text: &str| format!("set(PACKAGE_VERSION \"{text}\")\n");
    let rocm = |hip: &str| {
        sdk(&[
            ("lib/cmake/hip/hip-config.cmake", ""),
            ("lib/cmake/hip/hip-config-version.cmake", &version(hip)),
            ("lib/cmake/hipblas/hipblas-config.cmake", ""),
            ("lib/cmake/rocblas/rocblas-config.cmake", ""),
        ])
    };
    let lacks = |dir: &tempfile::TempDir| backends::hip(&[dir.path().to_path_buf()]);
    assert_eq!(lacks(&rocm("6.2.41134")), []);
    let old = lacks(&rocm("5.7.1"));
    assert!(old.len() == 1 && old[0].what.contains("6.1 or later") && old[0].what.contains("5.7"), "{old:?}");
    assert_eq!(backends::hip(&[]).len(), 3);
}
