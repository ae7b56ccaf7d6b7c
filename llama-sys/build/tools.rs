//! What a build needs besides Rust. It is looked for before anything starts, and all that is missing is named together.

use std::path::{Path, PathBuf};

use crate::{
    backends::{self, Missing, Packages},
    cmake,
    config::Config,
    env,
};

const GCC: Packages = Packages { debian: "gcc", fedora: "gcc" };
const GXX: Packages = Packages { debian: "g++", fedora: "gcc-c++" };

/// What it takes to compile llama.cpp.
pub fn check(config: &Config) -> Result<(), String> {
    let defined = |name: &str| config.extra.iter().any(|(one, _)| one.split(':').next() == Some(name));
    let mut missing = Vec::new();
    if cmake().is_none() {
        missing.push(Missing {
            what: match for_target("CMAKE") {
                Some(named) => format!("CMake ({named})"),
                None => "CMake".into(),
            },
            packages: Packages { debian: "cmake", fedora: "cmake" },
            variable: Some("CMAKE"),
        });
    }
    // A toolchain of the user's brings its own.
    let toolchain = defined("CMAKE_TOOLCHAIN_FILE") || for_target("CMAKE_TOOLCHAIN_FILE").is_some();
    if !toolchain && !defined("CMAKE_C_COMPILER") {
        missing.extend(compiler("a C compiler", cc::Build::new().cpp(false), GCC, "CC"));
    }
    missing.extend(cpp_compiler());
    if !defined("CMAKE_MAKE_PROGRAM") {
        missing.extend(make(for_target("CMAKE_GENERATOR").or_else(cmake::generator).as_deref()));
    }
    // What the user tells CMake of other places is not known here, nor what a toolchain for another system has.
    let elsewhere = |names: &[&str]| {
        let is_of = |name: &str| names.iter().any(|start| name.starts_with(start));
        toolchain
            || config.extra.iter().any(|(name, _)| is_of(name))
            || env::cargo("HOST") != env::cargo("TARGET")
    };
    let places =
        ["CMAKE_PREFIX_PATH", "CMAKE_SYSROOT", "CMAKE_FIND", "CMAKE_INCLUDE_PATH", "CMAKE_LIBRARY_PATH"];
    if config.vulkan && !elsewhere(&[&places[..], &["Vulkan_", "SPIRV-Headers_DIR"]].concat()) {
        missing.extend(shader_compiler());
        missing.extend(backends::vulkan(&backends::prefixes("VULKAN_SDK"), &config.target_os));
    }
    if config.hip && !elsewhere(&[&places[..], &["hip", "rocblas_DIR"]].concat()) {
        let mut prefixes = backends::prefixes("ROCM_PATH");
        prefixes.push("/opt/rocm".into());
        missing.extend(backends::hip(&prefixes));
    }
    refuse(&missing)
}

/// What it takes to compile the shim.
pub fn check_compiler() -> Result<(), String> {
    refuse(cpp_compiler().as_slice())
}

/// The CMake to use, if there is one.
pub fn cmake() -> Option<PathBuf> {
    match for_target("CMAKE") {
        Some(named) => found(Path::new(&named)),
        // Visual Studio brings one, which the crate cmake finds.
        None => env::program("cmake").or_else(|| cfg!(windows).then(|| "cmake".into())),
    }
}

/// A variable as the crates cmake and cc read it: for this target before for all.
fn for_target(name: &str) -> Option<String> {
    let target = env::cargo("TARGET");
    let kind = if env::cargo("HOST") == target { "HOST" } else { "TARGET" };
    [format!("{name}_{target}"), format!("{name}_{}", target.replace('-', "_")), format!("{kind}_{name}")]
        .iter()
        .find_map(|name| env::var(name))
        .or_else(|| env::var(name))
}

/// A path as it is, a name as `PATH` has it.
fn found(program: &Path) -> Option<PathBuf> {
    if env::is_file(program) { Some(program.to_owned()) } else { env::program(&program.to_string_lossy()) }
}

fn cpp_compiler() -> Option<Missing> {
    compiler("a C++ compiler", cc::Build::new().cpp(true), GXX, "CXX")
}

/// A compiler that cannot be started.
fn compiler(
    what: &str,
    build: &mut cc::Build,
    packages: Packages,
    variable: &'static str,
) -> Option<Missing> {
    let named = match build.cargo_metadata(false).cargo_output(false).try_get_compiler() {
        Ok(tool) => match tool.to_command().arg("--version").output() {
            // Not every compiler knows the question.
            Ok(_) => return None,
            Err(_) => tool.path().display().to_string(),
        },
        Err(e) => e.to_string(),
    };
    Some(Missing { what: format!("{what} ({named})"), packages, variable: Some(variable) })
}

/// What runs the compilers for CMake; other generators than these come with their own.
fn make(generator: Option<&str>) -> Option<Missing> {
    let make: &[&str] = &["make", "gmake", "smake"];
    let both = |name| Packages { debian: name, fedora: name };
    let (names, what, packages) = match generator {
        Some(name) if name.starts_with("Ninja") => {
            (&["ninja", "ninja-build", "samu"][..], "Ninja", both("ninja-build"))
        }
        Some(name) if name.ends_with("Unix Makefiles") => (make, "make", both("make")),
        None if cfg!(unix) => (make, "make or Ninja", both("make")),
        _ => return None,
    };
    let missing = !names.iter().any(|name| env::program(name).is_some());
    missing.then(|| Missing { what: what.into(), packages, variable: None })
}

/// What the feature vulkan compiles its shaders with, where CMake looks for it.
fn shader_compiler() -> Option<Missing> {
    let program = format!("glslc{}", std::env::consts::EXE_SUFFIX);
    let in_sdk = |sdk: PathBuf| ["bin", "Bin"].iter().any(|dir| env::is_file(&sdk.join(dir).join(&program)));
    let elsewhere = ["CMAKE_PREFIX_PATH", "CMAKE_PROGRAM_PATH"].iter().any(|name| env::var(name).is_some());
    let is_here = elsewhere || env::program("glslc").is_some() || env::path("VULKAN_SDK").is_some_and(in_sdk);
    (!is_here).then(|| Missing {
        what: "glslc (for the feature vulkan)".into(),
        packages: Packages { debian: "glslc", fedora: "glslc" },
        variable: Some("VULKAN_SDK"),
    })
}

fn refuse(missing: &[Missing]) -> Result<(), String> {
    let Some((last, others)) = missing.split_last() else { return Ok(()) };
    let others: Vec<&str> = others.iter().map(|one| one.what.as_str()).collect();
    let (what, are, them) = if others.is_empty() {
        (last.what.clone(), "is", "it")
    } else {
        (format!("{} and {}", others.join(", "), last.what), "are", "them")
    };
    let packages = |of: fn(&Missing) -> &'static str| {
        let mut names: Vec<&str> = Vec::new();
        missing.iter().map(of).for_each(|name| {
            if !names.contains(&name) {
                names.push(name);
            }
        });
        names.join(" ")
    };
    let install = match std::env::consts::OS {
        "macos" => "Apple's command line tools: xcode-select --install; CMake: brew install cmake".into(),
        "windows" => "the Build Tools for Visual Studio with \"Desktop development with C++\"".into(),
        _ => format!(
            "Debian, Ubuntu: apt-get install {}; Fedora: dnf install {}",
            packages(|one| one.packages.debian),
            packages(|one| one.packages.fedora)
        ),
    };
    let mut variables: Vec<&str> = missing.iter().filter_map(|one| one.variable).collect();
    variables.dedup();
    let or = match variables.as_slice() {
        [] => String::new(),
        names => format!(", or set {} to where to find {them}", names.join(", ")),
    };
    Err(format!(
        "building llama.cpp needs {what}, which {are} not here: install {them} ({install}; in the repository, \
         scripts/setup does){or}"
    ))
}
