//! Configures and compiles llama.cpp: optimised whatever the cargo profile, and only the library.

use std::{
    fs,
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
};

use crate::{cache::Cache, config::Config, env, tools};

/// Parts of llama.cpp that are not the library.
const OFF: &[&str] = &[
    "LLAMA_BUILD_COMMON",
    "LLAMA_BUILD_TESTS",
    "LLAMA_BUILD_TOOLS",
    "LLAMA_BUILD_EXAMPLES",
    "LLAMA_BUILD_SERVER",
    "LLAMA_BUILD_APP",
    "LLAMA_CURL",
    "LLAMA_OPENSSL",
    // A launcher is passed by name instead: the user can switch it off.
    "GGML_CCACHE",
];

/// A finished build.
pub struct Built {
    /// CMake's build folder.
    pub dir: PathBuf,
    /// What CMake found out.
    pub cache: Cache,
}

pub fn build(config: &Config, source: &Path, out_dir: &Path) -> Result<Built, String> {
    let program = tools::cmake().ok_or("CMake is missing")?;
    let dir = out_dir.join("build");
    let mut cmake = cmake::Config::new(source);
    cmake.out_dir(out_dir).profile("Release").build_target("llama");
    let generator = generator();
    if let Some(generator) = &generator {
        cmake.generator(generator);
    }
    forget_other_generator(&dir, generator.as_deref())?;
    forget_other_places(config, &dir, out_dir)?;
    for name in OFF {
        cmake.define(name, "OFF");
    }
    for (name, value) in config.definitions() {
        cmake.define(name, value);
    }
    if let Some(launcher) = &config.launcher {
        for language in ["C", "CXX", "CUDA", "HIP"] {
            cmake.define(format!("CMAKE_{language}_COMPILER_LAUNCHER"), launcher);
        }
    }
    if let Some(cuda) = &config.cuda {
        cmake.define("CMAKE_CUDA_COMPILER", &cuda.nvcc).define("CUDAToolkit_ROOT", &cuda.root);
    }
    run(&mut cmake, &program, &dir)?;
    Ok(Built { cache: Cache::read(&dir)?, dir })
}

/// The crate `cmake` panics on failure; CMake's own output is what helps.
fn run(cmake: &mut cmake::Config, program: &Path, dir: &Path) -> Result<(), String> {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let result = panic::catch_unwind(AssertUnwindSafe(|| cmake.build()));
    panic::set_hook(hook);
    result.map(drop).map_err(|panic| {
        let why = panic.downcast::<String>().map_or_else(|_| String::new(), |why| *why);
        let why = why.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
        format!(
            "{} could not build llama.cpp in {}: see its output above. {why}",
            program.display(),
            dir.display()
        )
    })
}

/// The user's `CMAKE_GENERATOR`, else Ninja if it is installed, since it starts faster.
pub fn generator() -> Option<String> {
    env::var("CMAKE_GENERATOR").or_else(|| env::program("ninja").map(|_| "Ninja".to_owned()))
}

/// CMake refuses to continue in a folder that another generator began, for example if Ninja was installed since.
fn forget_other_generator(dir: &Path, generator: Option<&str>) -> Result<(), String> {
    let Ok(cache) = Cache::read(dir) else { return Ok(()) };
    match (cache.get("CMAKE_GENERATOR"), generator) {
        (Some(before), Some(now)) if before == now => Ok(()),
        (Some("Unix Makefiles"), None) => Ok(()),
        _ => fs::remove_dir_all(dir).map_err(|e| format!("cannot remove {}: {e}", dir.display())),
    }
}

/// Variables that say where CMake finds what it then keeps in its cache forever.
const PLACES: &[&str] = &[
    "VULKAN_SDK",
    "ROCM_PATH",
    "HIP_PATH",
    "CUDA_PATH",
    "CUDACXX",
    "CUDAToolkit_ROOT",
    "CMAKE_PREFIX_PATH",
    "CMAKE_INCLUDE_PATH",
    "CMAKE_LIBRARY_PATH",
];

/// Has CMake look again if a variable says another place than when it looked: it keeps what it found, such as headers of
/// an SDK that was replaced. What is compiled stays, and is compiled again if its headers differ.
fn forget_other_places(config: &Config, dir: &Path, out_dir: &Path) -> Result<(), String> {
    let stamp = out_dir.join("places");
    let value = |name: &&str| format!("{name}={}\n", env::var(name).unwrap_or_default());
    let now: String = PLACES.iter().map(value).collect();
    let is_stale = match fs::read_to_string(&stamp) {
        Ok(before) => before != now,
        Err(_) => is_of_another_sdk(config, dir),
    };
    if is_stale {
        let gone = |result: std::io::Result<()>| match result {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                Err(format!("cannot remove CMake's cache in {}: {e}", dir.display()))
            }
            _ => Ok(()),
        };
        gone(fs::remove_file(dir.join("CMakeCache.txt")))?;
        gone(fs::remove_dir_all(dir.join("CMakeFiles")))?;
    }
    fs::write(&stamp, now).map_err(|e| format!("cannot write {}: {e}", stamp.display()))
}

/// Of a build that left no note of the variables: whether its Vulkan is not that of the SDK.
fn is_of_another_sdk(config: &Config, dir: &Path) -> bool {
    let (true, Ok(cache)) = (config.vulkan, Cache::read(dir)) else { return false };
    let Some(headers) = cache.get("Vulkan_INCLUDE_DIR").map(Path::new) else { return false };
    !headers.is_dir() || env::path("VULKAN_SDK").is_some_and(|sdk| !headers.starts_with(sdk))
}
