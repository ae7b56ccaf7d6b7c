//! A llama.cpp that another package of the program builds and links: what CMake's files say of it, and whether it is the one
//! that the features and variables ask for. `llama-sys-provider` says where it is.

use std::path::{Path, PathBuf};

use crate::{
    cache::{self, Cache},
    env,
    source::{self, Source},
};

/// Neither is there one, nor may one be built.
pub const NONE: &str = "there is no llama.cpp: the feature `own` is off, and no other package of the program provides one. \
     Turn on `own` of llama-bench-rs, which is on by default, to build one; or depend on llama-bench-llama-cpp-2 instead, \
     to use the one that llama-cpp-2 builds";

/// The other package's build.
pub struct Shared {
    /// CMake's build folder.
    dir: PathBuf,
    cache: Cache,
    /// Of llama-cpp-sys-2.
    version: String,
    /// Folder with the loadable backends; empty if they are built in.
    pub backend_dir: String,
}

impl Shared {
    /// `None` if no other package provides a llama.cpp.
    pub fn find() -> Result<Option<Self>, String> {
        let fact = |name: &str| env::cargo(&format!("DEP_LLAMA_BENCH_SYS_PROVIDER_{name}"));
        let dir = PathBuf::from(fact("CMAKE_BUILD"));
        if dir.as_os_str().is_empty() {
            return Ok(None);
        }
        println!("cargo::rerun-if-changed={}", dir.join("CMakeCache.txt").display());
        let cache = Cache::read(&dir)?;
        Ok(Some(Self { dir, cache, version: fact("VERSION"), backend_dir: fact("BACKEND_DIR") }))
    }

    /// Refuses features and variables that ask for another build than this one. What only has no effect is a warning, which
    /// cargo shows for packages by path, and for others if the build fails.
    pub fn check(&self) -> Result<(), String> {
        let asked = Asked {
            features: FEATURES.iter().map(|feature| feature.ours).filter(|name| env::feature(name)).collect(),
            variables: VARIABLES
                .iter()
                .map(|(name, _)| *name)
                .filter(|name| env::var(name).is_some())
                .collect(),
            target_os: env::cargo("CARGO_CFG_TARGET_OS"),
            cross: env::cargo("HOST") != env::cargo("TARGET"),
        };
        if let Some(warning) = architectures(env::var("LLAMA_CUDA_ARCHITECTURES").as_deref(), &self.cache) {
            println!("cargo::warning={warning}");
        }
        let refused = asked.refused(&self.cache);
        if refused.is_empty() { Ok(()) } else { Err(refused.join("\n")) }
    }

    /// The source that it was built from, for bindings and shim.
    pub fn source(&self, manifest_dir: &Path) -> Result<Source, String> {
        let dir = self.cache.get("CMAKE_HOME_DIRECTORY").ok_or_else(|| {
            format!(
                "{} does not name the source: run `cargo clean -p llama-cpp-sys-2` and build again",
                self.dir.join("CMakeCache.txt").display()
            )
        })?;
        source::of_package(manifest_dir, Path::new(dir), &self.version)
    }

    /// The C++ compiler, and the CUDA compiler if it took part.
    pub fn compilers(&self) -> String {
        let cxx = cache::compiler(&self.dir, "CXX").unwrap_or_else(|| "unknown".into());
        match cache::compiler(&self.dir, "CUDA") {
            Some(cuda) => format!("{cxx}, {}", cuda.replace("NVIDIA", "nvcc")),
            None => cxx,
        }
    }

    /// The CMake options that change how llama.cpp computes, as reports show them.
    pub fn options(&self) -> String {
        options(&self.cache, &env::cargo("CARGO_CFG_TARGET_ARCH"))
    }
}

/// A feature of this crate that asks for something which the other package decides.
struct Feature {
    ours: &'static str,
    define: &'static str,
    /// What turns it on there.
    remedy: &'static str,
}

const FEATURES: &[Feature] = &[
    Feature { ours: "cuda", define: "GGML_CUDA", remedy: "turn on `cuda` of llama-cpp-2" },
    Feature { ours: "vulkan", define: "GGML_VULKAN", remedy: "turn on `vulkan` of llama-cpp-2" },
    Feature { ours: "metal", define: "GGML_METAL", remedy: "turn on `metal` of llama-cpp-2" },
    Feature { ours: "hip", define: "GGML_HIP", remedy: "turn on `rocm` of llama-cpp-2" },
    Feature {
        ours: "rpc",
        define: "GGML_RPC",
        remedy: "set the variables GGML_RPC=ON and GGML_RPC_RDMA=OFF while llama-cpp-2 is built, which has no feature for it",
    },
    Feature { ours: "openmp", define: "GGML_OPENMP", remedy: "turn on `openmp` of llama-cpp-2" },
    Feature {
        ours: "dynamic-backends",
        define: "GGML_BACKEND_DL",
        remedy: "turn on `dynamic-backends` of llama-cpp-2",
    },
    Feature {
        ours: "native",
        define: "GGML_NATIVE",
        remedy: "compile the program with RUSTFLAGS=\"-C target-cpu=native\", which llama-cpp-2 follows",
    },
];

/// Variables that decide how a llama.cpp of our own is built, and what does the same there.
const VARIABLES: &[(&str, &str)] = &[
    (
        "LLAMA_CPP_DIR",
        "to build another source, put it in the place of llama-cpp-sys-2 by a [patch] in Cargo.toml",
    ),
    (
        "LLAMA_CMAKE_DEFINES",
        "set each definition as a variable of its own, such as GGML_LTO=ON: llama-cpp-2 hands those that begin with \
         GGML_ or CMAKE_ to CMake",
    ),
];

/// What features and environment ask for.
pub struct Asked<'a> {
    pub features: Vec<&'a str>,
    pub variables: Vec<&'a str>,
    pub target_os: String,
    /// For another kind of machine than this one.
    pub cross: bool,
}

impl Asked<'_> {
    /// One message for each thing that the build does not have.
    pub fn refused(&self, cache: &Cache) -> Vec<String> {
        let features = FEATURES
            .iter()
            .filter(|feature| self.features.contains(&feature.ours))
            .filter(|feature| self.has_effect(feature.ours, cache) && !cache.is_on(feature.define))
            .map(|Feature { ours, define, remedy }| {
                format!(
                    "the feature `{ours}` is on, but the llama.cpp of this program is built by llama-cpp-2, without it \
                     ({define} is {}): {remedy}, or turn off `{ours}` of llama-bench-rs",
                    cache.get(define).unwrap_or("not set")
                )
            });
        let variables = VARIABLES.iter().filter(|(name, _)| self.variables.contains(name)).map(|(name, instead)| {
            format!(
                "{name} is set, but the llama.cpp of this program is built by llama-cpp-2, which does not read it: unset \
                 it; {instead}"
            )
        });
        features.chain(variables).collect()
    }

    /// Whether the feature would change a build of our own.
    fn has_effect(&self, feature: &str, cache: &Cache) -> bool {
        match feature {
            "metal" => matches!(self.target_os.as_str(), "macos" | "ios"),
            // Loadable backends carry every variant of the CPU.
            "native" => !self.cross && !cache.is_on("GGML_CPU_ALL_VARIANTS"),
            _ => true,
        }
    }
}

/// What to say of `LLAMA_CUDA_ARCHITECTURES`, which may be set for other builds on the machine: code for other GPUs
/// computes the same, or does not run at all.
pub fn architectures(asked: Option<&str>, cache: &Cache) -> Option<String> {
    let asked = asked.filter(|_| cache.is_on("GGML_CUDA"))?;
    let built = cache.get("CMAKE_CUDA_ARCHITECTURES").filter(|built| !built.is_empty()).unwrap_or("not set");
    (asked != built).then(|| {
        format!(
            "LLAMA_CUDA_ARCHITECTURES is {asked}, but the llama.cpp of this program is built by llama-cpp-2, which does \
             not read it (CMAKE_CUDA_ARCHITECTURES is {built}): set CMAKE_CUDA_ARCHITECTURES to {asked}, which \
             llama-cpp-2 hands to CMake, and run `cargo clean -p llama-cpp-sys-2`"
        )
    })
}

/// Shown whatever they are, first and in this order: those that a build of our own sets too.
const ALWAYS: &[&str] =
    &["CMAKE_BUILD_TYPE", "BUILD_SHARED_LIBS", "GGML_BACKEND_DL", "GGML_NATIVE", "GGML_OPENMP"];

/// On in most builds: shown if off. All others are shown if on.
const USUALLY_ON: &[&str] = &[
    "GGML_ACCELERATE",
    "GGML_CPU",
    "GGML_CPU_REPACK",
    "GGML_CUDA_FA",
    "GGML_CUDA_GRAPHS",
    "GGML_LLAMAFILE",
    "GGML_OPENMP_ENABLED",
];

/// Parts of the build that say nothing of the result, or belong to backends that show themselves.
const IGNORED: &[&str] = &[
    "GGML_ALL_WARNINGS",
    "GGML_BUILD_",
    "GGML_CCACHE",
    "GGML_CUDA_NCCL",
    "GGML_FATAL_WARNINGS",
    "GGML_HIP_",
    "GGML_LASX",
    "GGML_LSX",
    "GGML_METAL_EMBED_LIBRARY",
    "GGML_OPENCL_",
    "GGML_RVV",
    "GGML_RV_",
    "GGML_SYCL_",
    "GGML_VXE",
    "GGML_WEBGPU_",
];

/// Instruction sets of x86, on by default for any machine.
const X86: &[&str] = &["GGML_SSE", "GGML_AVX", "GGML_BMI", "GGML_FMA", "GGML_F16C", "GGML_AMX"];

/// Options with words for values, shown if there are any.
const WORDS: &[&str] =
    &["CMAKE_CUDA_ARCHITECTURES", "CMAKE_HIP_ARCHITECTURES", "GGML_CPU_ARM_ARCH", "GGML_CPU_POWERPC_CPUTYPE"];

/// `NAME=VALUE` of the options that change how llama.cpp computes, separated by blanks.
pub fn options(cache: &Cache, target_arch: &str) -> String {
    let is_any = |name: &str, starts: &[&str]| starts.iter().any(|start| name.starts_with(start));
    let is_x86 = matches!(target_arch, "x86" | "x86_64");
    let is_shown = |name: &str, value: &str| {
        // CMake's own notes have a hyphen, such as GGML_LTO-ADVANCED.
        if name.contains('-')
            || ALWAYS.contains(&name)
            || is_any(name, IGNORED)
            || (!is_x86 && is_any(name, X86))
        {
            return false;
        }
        if USUALLY_ON.contains(&name) {
            return !cache::is_on(value);
        }
        WORDS.contains(&name) && !value.is_empty() || name.starts_with("GGML_") && cache::is_on(value)
    };
    let always = ALWAYS.iter().filter_map(|name| Some((*name, cache.get(name)?)));
    let others = cache.entries().filter(|(name, value)| is_shown(name, value));
    let flags = flags(cache.get("CMAKE_CXX_FLAGS").unwrap_or_default());
    let flags = flags.iter().map(|flag| ("CMAKE_CXX_FLAGS", *flag));
    always
        .chain(others)
        .chain(flags)
        .map(|(name, value)| format!("{name}={value}"))
        .collect::<Vec<_>>()
        .join(" ")
}

/// The compiler's flags that choose instructions, optimisation or checks.
fn flags(text: &str) -> Vec<&str> {
    let chooses = |flag: &&str| {
        ["-march=", "-mcpu=", "-mtune=", "-O", "-fsanitize", "/arch:", "/O"]
            .iter()
            .any(|start| flag.starts_with(start))
    };
    text.split_whitespace().filter(chooses).collect()
}
