//! What the GPU backends take besides a compiler: headers and libraries of their SDKs, and how old those may be. CMake
//! finds out too, after minutes of compiling.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::env;

/// Something that is not here, or not good enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// What it is, with the name under which it was looked for.
    pub what: String,
    pub packages: Packages,
    /// The variable that says where it is.
    pub variable: Option<&'static str>,
}

/// What systems call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packages {
    /// Debian and Ubuntu.
    pub debian: &'static str,
    pub fedora: &'static str,
}

/// Vulkan headers of this version are known to suffice.
const ENOUGH: (u32, u32, u32) = (1, 4, 309);

/// What llama.cpp uses of them without asking for it, the latest first.
const OF_HEADERS: [&str; 2] = ["VK_DRIVER_ID_MESA_HONEYKRISP", "VK_EXT_layer_settings"];

/// The oldest HIP that llama.cpp takes.
const HIP: (u32, u32) = (6, 1);

const VULKAN_HEADERS: Packages = Packages { debian: "libvulkan-dev", fedora: "vulkan-headers" };
const VULKAN_LIBRARY: Packages = Packages { debian: "libvulkan-dev", fedora: "vulkan-loader-devel" };
const SPIRV_HEADERS: Packages = Packages { debian: "spirv-headers", fedora: "spirv-headers-devel" };

/// Where CMake looks, in its order: `CMAKE_PREFIX_PATH`, the SDK, what `PATH` has beside its programs, the system.
pub fn prefixes(sdk: &str) -> Vec<PathBuf> {
    let list = |name: &str| -> Vec<PathBuf> {
        env::path(name).map(|paths| std::env::split_paths(&paths).collect()).unwrap_or_default()
    };
    let beside = |dir: PathBuf| {
        let is_programs = dir.file_name().is_some_and(|name| name == "bin" || name == "sbin");
        if is_programs { dir.parent().map(Path::to_path_buf) } else { Some(dir) }
    };
    let system = ["/usr/local", "/usr", "/opt/homebrew"].map(PathBuf::from);
    let mut all = list("CMAKE_PREFIX_PATH");
    all.extend(env::path(sdk));
    all.extend(list("PATH").into_iter().filter_map(beside));
    all.extend(system);
    all
}

/// What the feature vulkan lacks.
pub fn vulkan(prefixes: &[PathBuf], target_os: &str) -> Vec<Missing> {
    let variable = Some("VULKAN_SDK");
    let missing = |what: String, packages| Missing { what, packages, variable };
    let mut all = Vec::new();
    match find(prefixes, &["include", "Include"], "vulkan/vulkan_core.h") {
        None => all.push(missing("Vulkan's headers (vulkan/vulkan_core.h)".into(), VULKAN_HEADERS)),
        Some(header) => all.extend(old_headers(&header).map(|what| missing(what, VULKAN_HEADERS))),
    }
    let (library, named) = match target_os {
        "windows" => (find(prefixes, &["lib", "Lib"], "vulkan-1.lib"), "vulkan-1.lib"),
        "macos" | "ios" => (find(prefixes, &["lib"], "libvulkan.dylib"), "libvulkan.dylib"),
        _ => (find_library(prefixes, "libvulkan.so"), "libvulkan.so"),
    };
    if library.is_none() {
        all.push(missing(format!("Vulkan's loader ({named})"), VULKAN_LIBRARY));
    }
    if config(prefixes, "SPIRV-Headers").is_none() {
        all.push(missing("SPIRV-Headers (SPIRV-HeadersConfig.cmake)".into(), SPIRV_HEADERS));
    }
    all
}

/// What the feature hip lacks.
pub fn hip(prefixes: &[PathBuf]) -> Vec<Missing> {
    let variable = Some("ROCM_PATH");
    let packages = |debian, fedora| Packages { debian, fedora };
    let parts = [
        ("hip", packages("libamdhip64-dev", "rocm-hip-devel")),
        ("hipblas", packages("libhipblas-dev", "hipblas-devel")),
        ("rocblas", packages("librocblas-dev", "rocblas-devel")),
    ];
    let look = |(name, packages): (&str, Packages)| {
        let Some(file) = config(prefixes, name) else {
            return Some(Missing {
                what: format!("ROCm's {name} ({name}-config.cmake)"),
                packages,
                variable,
            });
        };
        let found = package_version(&file).filter(|found| name == "hip" && *found < HIP)?;
        let what =
            format!("HIP {}.{} or later, and {} is of {}.{}", HIP.0, HIP.1, file.display(), found.0, found.1);
        Some(Missing { what, packages, variable })
    };
    parts.into_iter().filter_map(look).collect()
}

/// Why these headers do not suffice.
fn old_headers(header: &Path) -> Option<String> {
    let text = fs::read_to_string(header).ok()?;
    let version = header_version(&text);
    if version.is_some_and(|version| version >= ENOUGH) {
        return None;
    }
    let lacks: Vec<&str> = OF_HEADERS.into_iter().filter(|name| !text.contains(name)).collect();
    let found = match version {
        Some((major, minor, patch)) => format!("of {major}.{minor}.{patch}"),
        None => "of no known version".into(),
    };
    let (major, minor, patch) = ENOUGH;
    (!lacks.is_empty()).then(|| {
        format!(
            "Vulkan's headers of about {major}.{minor}.{patch} or later, and {} is {found}, without {}",
            header.display(),
            lacks.join(" and ")
        )
    })
}

/// From `VK_MAKE_API_VERSION(0, 1, 3, VK_HEADER_VERSION)` and the number of that name.
pub fn header_version(text: &str) -> Option<(u32, u32, u32)> {
    let (_, patch) = text.split_once("#define VK_HEADER_VERSION ")?;
    let patch = patch.split_whitespace().next()?.parse().ok()?;
    let (_, complete) = text.split_once("VK_HEADER_VERSION_COMPLETE VK_MAKE_API_VERSION(")?;
    let mut numbers = complete.split(',').skip(1).map(|number| number.trim().parse::<u32>().ok());
    Some((numbers.next()??, numbers.next()??, patch))
}

/// From `set(PACKAGE_VERSION "6.2.41134")` in the file beside a package's configuration.
fn package_version(config: &Path) -> Option<(u32, u32)> {
    let name = config.file_stem()?.to_str()?;
    let text = ["-version", "Version"]
        .iter()
        .find_map(|end| fs::read_to_string(config.with_file_name(format!("{name}{end}.cmake"))).ok())?;
    let (_, version) = text.split_once("set(PACKAGE_VERSION \"")?;
    let mut numbers = version.split(['.', '"']).map(|number| number.parse::<u32>().ok());
    Some((numbers.next()??, numbers.next()??))
}

fn find(prefixes: &[PathBuf], folders: &[&str], file: &str) -> Option<PathBuf> {
    let of = |prefix: &PathBuf| folders.iter().map(|dir| prefix.join(dir).join(file)).collect::<Vec<_>>();
    prefixes.iter().flat_map(of).find(|path| env::is_file(path))
}

/// Folders of libraries: the usual ones, and those that Debian names after the architecture.
fn library_folders(prefix: &Path) -> Vec<PathBuf> {
    let lib = prefix.join("lib");
    let of_architecture = |entry: fs::DirEntry| {
        let is_one = entry.file_name().to_string_lossy().contains("-linux-");
        is_one.then(|| entry.path())
    };
    let more = fs::read_dir(&lib).into_iter().flatten().flatten().filter_map(of_architecture);
    [lib.clone(), prefix.join("lib64")].into_iter().chain(more).collect()
}

fn find_library(prefixes: &[PathBuf], file: &str) -> Option<PathBuf> {
    let of = |prefix: &PathBuf| library_folders(prefix).into_iter().map(|dir| dir.join(file));
    prefixes.iter().flat_map(of).find(|path| env::is_file(path))
}

/// The configuration of a package for CMake.
fn config(prefixes: &[PathBuf], package: &str) -> Option<PathBuf> {
    let files = [format!("{package}Config.cmake"), format!("{}-config.cmake", package.to_ascii_lowercase())];
    let of = |prefix: &PathBuf| {
        let mut folders = library_folders(prefix);
        folders.extend([prefix.join("share"), prefix.clone()]);
        folders.into_iter().flat_map(|dir| {
            [dir.join("cmake").join(package), dir.join(package).join("cmake"), dir.join(package)]
        })
    };
    let own = env::path(&format!("{package}_DIR"));
    let folders = own.into_iter().chain(prefixes.iter().flat_map(of));
    folders.flat_map(|dir| files.each_ref().map(|file| dir.join(file))).find(|path| env::is_file(path))
}
