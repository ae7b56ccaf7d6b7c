//! The CUDA toolkit: found, its version checked, architectures chosen. Blackwell first.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::env;

/// Blackwell, wanted when no GPU is there to ask: GB10 (DGX Spark), RTX 50 and PRO, B200.
const BLACKWELL: [&str; 3] = ["120a-real", "121a-real", "100a-real"];

/// The first toolkit that knows an architecture, newest architectures first.
const FIRST_TOOLKIT: [(u32, Version); 6] = [
    (121, Version(12, 9)),
    (103, Version(12, 9)),
    (100, Version(12, 8)),
    (90, Version(11, 8)),
    (89, Version(11, 8)),
    (86, Version(11, 1)),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32);

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// A CUDA toolkit and what to compile with it.
#[derive(Debug)]
pub struct Toolkit {
    pub nvcc: PathBuf,
    /// The folder with `include` and `lib64`.
    pub root: PathBuf,
    pub version: Version,
    /// As `CMAKE_CUDA_ARCHITECTURES` has them.
    pub architectures: Vec<String>,
    /// Virtual memory management is left out: there is no `libcuda` stub to link.
    pub no_vmm: bool,
}

impl Toolkit {
    pub fn find() -> Result<Self, String> {
        let nvcc = find_nvcc()?;
        let version = version_of(&nvcc)?;
        let asked = env::var("LLAMA_CUDA_ARCHITECTURES");
        let architectures = choose(asked.as_deref(), &visible_gpus(), version)?;
        // nvcc lies in bin/ of the toolkit, perhaps behind a link.
        let real = nvcc.canonicalize().unwrap_or_else(|_| nvcc.clone());
        let root = env::path("CUDAToolkit_ROOT")
            .or_else(|| real.parent().and_then(Path::parent).map(Path::to_path_buf))
            .unwrap_or_default();
        let stubs =
            ["lib64/stubs/libcuda.so", "lib/stubs/libcuda.so", "targets/x86_64-linux/lib/stubs/libcuda.so"];
        let driver = [
            "/usr/lib/x86_64-linux-gnu/libcuda.so",
            "/usr/lib64/libcuda.so",
            "/usr/lib/aarch64-linux-gnu/libcuda.so",
        ];
        let has_driver = stubs.iter().any(|stub| env::is_file(&root.join(stub)))
            || driver.iter().any(|library| env::is_file(Path::new(library)))
            || cfg!(windows);
        Ok(Self { nvcc, root, version, architectures, no_vmm: !has_driver })
    }
}

fn find_nvcc() -> Result<PathBuf, String> {
    if let Some(nvcc) = env::path("CUDACXX") {
        if env::is_file(&nvcc) {
            return Ok(nvcc);
        }
        return env::program(&nvcc.to_string_lossy())
            .ok_or_else(|| format!("CUDACXX names {}, which is not there", nvcc.display()));
    }
    let exe = format!("bin/nvcc{}", std::env::consts::EXE_SUFFIX);
    let in_cuda_path = env::path("CUDA_PATH").map(|dir| dir.join(&exe)).filter(|path| env::is_file(path));
    in_cuda_path
        .or_else(|| env::program("nvcc"))
        .or_else(|| Some(Path::new("/usr/local/cuda").join(&exe)).filter(|path| env::is_file(path)))
        .ok_or_else(|| {
            "the feature cuda needs NVIDIA's compiler and there is no nvcc in CUDACXX, CUDA_PATH or PATH: install \
             the CUDA toolkit 12.9 or later, or build without the feature"
                .into()
        })
}

fn version_of(nvcc: &Path) -> Result<Version, String> {
    let output = Command::new(nvcc)
        .arg("--version")
        .output()
        .map_err(|e| format!("cannot run {}: {e}: point CUDACXX at nvcc", nvcc.display()))?;
    parse_version(&String::from_utf8_lossy(&output.stdout))
        .ok_or_else(|| format!("{} does not tell its version: point CUDACXX at nvcc", nvcc.display()))
}

/// Reads `Cuda compilation tools, release 13.0, V13.0.88`.
pub fn parse_version(text: &str) -> Option<Version> {
    let (_, rest) = text.split_once("release ")?;
    let (major, rest) = rest.split_once('.')?;
    let minor: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some(Version(major.trim().parse().ok()?, minor.parse().ok()?))
}

/// Compute capabilities of the GPUs that the driver shows, such as `12.1`; empty without any.
fn visible_gpus() -> Vec<String> {
    let Some(tool) = env::program("nvidia-smi") else { return Vec::new() };
    let query = Command::new(tool).args(["--query-gpu=compute_cap", "--format=csv,noheader"]).output();
    let Ok(output) = query else { return Vec::new() };
    if !output.status.success() {
        return Vec::new();
    }
    String::from_utf8_lossy(&output.stdout).lines().map(|line| line.trim().to_owned()).collect()
}

/// What was asked for, else the visible GPUs' own, else those Blackwell ones that the toolkit supports.
pub fn choose(asked: Option<&str>, visible: &[String], toolkit: Version) -> Result<Vec<String>, String> {
    if let Some(asked) = asked {
        let list: Vec<String> =
            asked.split([';', ',']).map(|one| one.trim().to_owned()).filter(|one| !one.is_empty()).collect();
        for one in &list {
            require(one, toolkit)?;
        }
        return Ok(list);
    }
    let mut own: Vec<String> =
        visible.iter().filter_map(|capability| real_architecture(capability)).collect();
    own.sort();
    own.dedup();
    if !own.is_empty() {
        for one in &own {
            require(one, toolkit)?;
        }
        return Ok(own);
    }
    let known: Vec<String> =
        BLACKWELL.iter().filter(|one| require(one, toolkit).is_ok()).map(|&one| one.to_owned()).collect();
    if known.is_empty() {
        let newest = Version(12, 8);
        return Err(format!(
            "CUDA {toolkit} does not support Blackwell GPUs, which need {newest} or later: update the toolkit, or set \
             LLAMA_CUDA_ARCHITECTURES to what you have, such as 90-real"
        ));
    }
    Ok(known)
}

/// `12.1` is `121a-real`: from Hopper on, the chip's own instructions need the suffix.
fn real_architecture(capability: &str) -> Option<String> {
    let (major, minor) = capability.split_once('.')?;
    let number = major.parse::<u32>().ok()? * 10 + minor.parse::<u32>().ok()?;
    Some(if number >= 100 { format!("{number}a-real") } else { format!("{number}-real") })
}

fn require(architecture: &str, toolkit: Version) -> Result<(), String> {
    let digits: String = architecture.chars().take_while(char::is_ascii_digit).collect();
    // CMake handles `native`, `all` and the like.
    let Ok(number) = digits.parse::<u32>() else { return Ok(()) };
    let needed = FIRST_TOOLKIT.iter().find(|(first, _)| number >= *first).map_or(Version(0, 0), |&(_, v)| v);
    let needed = if number == 120 { Version(12, 8) } else { needed };
    if toolkit >= needed {
        return Ok(());
    }
    Err(format!(
        "the CUDA architecture {architecture} needs CUDA {needed} or later and nvcc is {toolkit}: update the toolkit, \
         point CUDACXX at a newer nvcc, or set LLAMA_CUDA_ARCHITECTURES to an older architecture"
    ))
}
