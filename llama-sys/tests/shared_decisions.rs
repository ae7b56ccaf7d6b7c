//! What the build script makes of a llama.cpp that another package built, without building.
#![allow(dead_code, missing_docs)]

#[path = "../build/cache.rs"]
mod cache;
#[path = "../build/env.rs"]
mod env;
#[path = "../build/shared.rs"]
mod shared;
#[path = "../build/source.rs"]
mod source;

use std::{fs, path::Path};

use cache::Cache;
use shared::Asked;

/// As llama-cpp-sys-2 leaves it without features of llama-cpp-2 other than the default ones.
const PLAIN: &str = "\
    //Build type\n\
    CMAKE_BUILD_TYPE:STRING=RelWithDebInfo\n\
    BUILD_SHARED_LIBS:BOOL=OFF\n\
    CMAKE_CXX_FLAGS:STRING= -ffunction-sections -fPIC -m64 -march=x86-64-v3 -w\n\
    GGML_AVX:BOOL=ON\n\
    GGML_AVX2:BOOL=ON\n\
    GGML_AVX512:BOOL=OFF\n\
    GGML_BACKEND_DL:BOOL=OFF\n\
    GGML_CCACHE:BOOL=ON\n\
    GGML_CPU:BOOL=ON\n\
    GGML_CPU_ALL_VARIANTS:BOOL=OFF\n\
    GGML_CPU_ARM_ARCH:STRING=\n\
    GGML_CPU_REPACK:BOOL=ON\n\
    GGML_CUDA:BOOL=OFF\n\
    GGML_LSX:BOOL=ON\n\
    GGML_LTO-ADVANCED:INTERNAL=1\n\
    GGML_METAL:BOOL=OFF\n\
    GGML_NATIVE:BOOL=OFF\n\
    GGML_OPENMP:BOOL=ON\n\
    GGML_OPENMP_ENABLED:INTERNAL=ON\n\
    GGML_SCHED_MAX_COPIES:STRING=4\n";

fn asked<'a>(features: &[&'a str], variables: &[&'a str]) -> Asked<'a> {
    Asked { features: features.into(), variables: variables.into(), target_os: "linux".into(), cross: false }
}

#[test]
fn a_feature_that_the_build_lacks_is_refused_with_what_turns_it_on() {
    let cache = Cache::parse(PLAIN);
    for (feature, remedy) in [
        ("cuda", "`cuda` of llama-cpp-2"),
        ("vulkan", "`vulkan` of llama-cpp-2"),
        ("hip", "`rocm` of llama-cpp-2"),
        ("rpc", "GGML_RPC=ON"),
        ("dynamic-backends", "`dynamic-backends` of llama-cpp-2"),
        ("native", "-C target-cpu=native"),
    ] {
        let refused = asked(&[feature, "openmp"], &[]).refused(&cache);
        let [message] = refused.as_slice() else { panic!("{feature}: {refused:?}") };
        assert!(message.contains(&format!("`{feature}` is on")) && message.contains(remedy), "{message}");
        assert!(message.contains(&format!("turn off `{feature}`")), "{message}");
    }
    let without = Cache::parse(&PLAIN.replace("GGML_OPENMP:BOOL=ON", "GGML_OPENMP:BOOL=OFF"));
    let refused = asked(&["openmp"], &[]).refused(&without);
    assert!(refused[0].contains("`openmp` of llama-cpp-2") && refused[0].contains("GGML_OPENMP is OFF"));
}

#[test]
fn a_feature_that_the_build_has_is_accepted_in_all_words_for_on() {
    for word in ["ON", "on", "1", "TRUE", "Yes"] {
        let cache = Cache::parse(&PLAIN.replace("GGML_CUDA:BOOL=OFF", &format!("GGML_CUDA:BOOL={word}")));
        assert_eq!(asked(&["cuda"], &[]).refused(&cache), Vec::<String>::new(), "{word}");
    }
    assert_eq!(asked(&[], &[]).refused(&Cache::parse("")), Vec::<String>::new());
}

#[test]
fn a_feature_that_would_change_nothing_is_accepted() {
    let cache = Cache::parse(PLAIN);
    // Metal exists on Apple's systems only.
    assert!(asked(&["metal"], &[]).refused(&cache).is_empty());
    let mac = Asked { target_os: "macos".into(), ..asked(&["metal"], &[]) };
    assert_eq!(mac.refused(&cache).len(), 1);
    // For another machine, this machine's CPU does not count; loadable backends have all variants.
    let cross = Asked { cross: true, ..asked(&["native"], &[]) };
    assert!(cross.refused(&cache).is_empty());
    let variants = PLAIN.replace("GGML_CPU_ALL_VARIANTS:BOOL=OFF", "GGML_CPU_ALL_VARIANTS:BOOL=ON");
    assert!(asked(&["native"], &[]).refused(&Cache::parse(&variants)).is_empty());
}

#[test]
fn variables_of_a_build_of_our_own_are_refused_with_theirs() {
    let cache = Cache::parse(PLAIN);
    for (variable, instead) in [("LLAMA_CPP_DIR", "[patch]"), ("LLAMA_CMAKE_DEFINES", "GGML_")] {
        let refused = asked(&[], &[variable]).refused(&cache);
        let [message] = refused.as_slice() else { panic!("{variable}: {refused:?}") };
        assert!(message.starts_with(&format!("{variable} is set")), "{message}");
        assert!(message.contains("unset it") && message.contains(instead), "{message}");
    }
    // All at once: a build takes minutes.
    assert_eq!(asked(&["cuda", "vulkan"], &["LLAMA_CPP_DIR"]).refused(&cache).len(), 3);
}

/// It may be set for other builds, and changes no result.
#[test]
fn architectures_for_a_build_of_our_own_are_a_warning() {
    let cuda = PLAIN.replace("GGML_CUDA:BOOL=OFF", "GGML_CUDA:BOOL=ON");
    let built = |architectures: &str| {
        Cache::parse(&format!("{cuda}CMAKE_CUDA_ARCHITECTURES:STRING={architectures}\n"))
    };
    let said = shared::architectures(Some("121a-real"), &built("90-real")).unwrap();
    for part in
        ["LLAMA_CUDA_ARCHITECTURES is 121a-real", "is 90-real", "set CMAKE_CUDA_ARCHITECTURES to 121a-real"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(shared::architectures(Some("121a-real"), &Cache::parse(&cuda)).unwrap().contains("is not set"));
    assert_eq!(asked(&["cuda"], &["LLAMA_CUDA_ARCHITECTURES"]).refused(&built("90-real")), [""; 0]);
    // Nothing to say: not asked, built for these, or without CUDA.
    assert_eq!(shared::architectures(None, &built("90-real")), None);
    assert_eq!(shared::architectures(Some("90-real"), &built("90-real")), None);
    assert_eq!(shared::architectures(Some("121a-real"), &Cache::parse(PLAIN)), None);
}

#[test]
fn reports_show_the_options_that_change_how_it_computes() {
    let cache = Cache::parse(PLAIN);
    assert_eq!(
        shared::options(&cache, "x86_64"),
        "CMAKE_BUILD_TYPE=RelWithDebInfo BUILD_SHARED_LIBS=OFF GGML_BACKEND_DL=OFF GGML_NATIVE=OFF GGML_OPENMP=ON \
         GGML_AVX=ON GGML_AVX2=ON CMAKE_CXX_FLAGS=-march=x86-64-v3"
    );
    // An option of x86 says nothing of another machine.
    assert!(!shared::options(&cache, "aarch64").contains("AVX"));
    for (before, after, shown) in [
        ("GGML_CUDA:BOOL=OFF", "GGML_CUDA:BOOL=ON", "GGML_CUDA=ON"),
        ("GGML_AVX512:BOOL=OFF", "GGML_AVX512:BOOL=1", "GGML_AVX512=1"),
        ("GGML_CPU_REPACK:BOOL=ON", "GGML_CPU_REPACK:BOOL=OFF", "GGML_CPU_REPACK=OFF"),
        ("GGML_OPENMP_ENABLED:INTERNAL=ON", "GGML_OPENMP_ENABLED:INTERNAL=OFF", "GGML_OPENMP_ENABLED=OFF"),
        ("GGML_CPU_ARM_ARCH:STRING=", "GGML_CPU_ARM_ARCH:STRING=armv8.2-a", "GGML_CPU_ARM_ARCH=armv8.2-a"),
        ("GGML_METAL:BOOL=OFF", "GGML_SOMETHING_NEW:BOOL=ON", "GGML_SOMETHING_NEW=ON"),
    ] {
        let options = shared::options(&Cache::parse(&PLAIN.replace(before, after)), "x86_64");
        assert!(options.split(' ').any(|option| option == shown), "{shown}: {options}");
    }
}

#[test]
fn a_program_without_any_llama_cpp_is_told_both_ways_to_one() {
    assert!(shared::NONE.contains("`own`") && shared::NONE.contains("llama-bench-llama-cpp-2"));
}

#[test]
fn the_same_source_has_the_same_name_whoever_builds_it() {
    let pinned =
        "[[package]]\nname = \"llama-cpp-sys-2\"\nversion = \"0.1.161\"\nchecksum = \"e9bea77fde41\"\n";
    let root = std::env::temp_dir().join(format!("llama-sys-shared-{}", std::process::id()));
    let package = |folder: &str, file: &str, text: &str| {
        let dir = root.join(folder);
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join(file), text).unwrap();
        source::unpacked_checksum(&dir, "0.1.161", pinned)
    };
    // As cargo unpacks it, and as `cargo vendor` copies it.
    assert_eq!(package("llama-cpp-sys-2-0.1.161", ".cargo-ok", "").as_deref(), Some("e9bea77"));
    let vendored =
        package("llama-cpp-sys-2", ".cargo-checksum.json", r#"{"files":{},"package":"ABCDEF0123"}"#);
    assert_eq!(vendored.as_deref(), Some("abcdef0"));
    // Another version, a checkout, and a copy that cargo did not unpack may hold another source.
    assert_eq!(package("llama-cpp-sys-2-0.1.162", ".cargo-ok", ""), None);
    assert_eq!(package("a1b2c3d", ".cargo-ok", ""), None);
    assert_eq!(package("copy/llama-cpp-sys-2-0.1.161", "Cargo.toml", ""), None);
    assert_eq!(package("git", ".cargo-checksum.json", r#"{"files":{},"package":null}"#), None);
    fs::remove_dir_all(root).unwrap();
}

/// The version that is built here, the one that a program with llama-cpp-2 links, and the one that the provider tells.
#[test]
fn the_pin_and_the_provider_name_one_version() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let version = |file: &str, before: &str| {
        let text = fs::read_to_string(root.join(file)).unwrap();
        let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("{file} has no {before:?}"));
        rest.split_once('"').unwrap().0.to_owned()
    };
    let pinned = version("vendor/pin.toml", "llama-cpp-sys-2 = { version = \"=");
    assert_eq!(version("llama-sys-provider/Cargo.toml", "llama-cpp-sys-2 = { version = \"="), pinned);
    assert_eq!(version("llama-sys-provider/build.rs", "const VERSION: &str = \""), pinned);
}
