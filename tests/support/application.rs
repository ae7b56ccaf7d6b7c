//! Applications outside the workspace, which cargo resolves and checks without a network and without building llama.cpp.
//!
//! Packages with the names, versions and `links` of llama-cpp-2 and llama-cpp-sys-2 stand in for them: which packages fit
//! together depends on nothing else.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;
use tempfile::TempDir;

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The version that a manifest of the repository requires exactly.
pub fn exact(manifest: &str, dependency: &str) -> String {
    let path = root().join(manifest);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut lines = text.lines().filter(|line| line.starts_with(&format!("{dependency} = ")));
    let version = lines.find_map(|line| line.split_once("\"=")?.1.split_once('"'));
    version.unwrap_or_else(|| panic!("{manifest} requires no exact version of {dependency}")).0.to_owned()
}

/// As llama-cpp-sys-2's build script leaves its results, without building anything.
const BUILD: &str = r#"
fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_FEATURE_SYSTEM_GGML").is_some() {
        return;
    }
    let out = std::path::PathBuf::from(std::env::var_os("OUT_DIR").unwrap());
    for folder in ["build", "lib/cmake/ggml"] {
        std::fs::create_dir_all(out.join(folder)).unwrap();
    }
    let cache = "CMAKE_HOME_DIRECTORY:INTERNAL=/no/such/source\nGGML_CUDA:BOOL=OFF\nGGML_OPENMP:BOOL=ON\n";
    std::fs::write(out.join("build/CMakeCache.txt"), cache).unwrap();
    println!("cargo:ggml_cmake_dir={}", out.join("lib/cmake").display());
}
"#;

/// A package in a temporary folder, with a lock file of the versions that the workspace uses.
pub struct Application(TempDir);

impl Application {
    /// With these lines as `[dependencies]`.
    pub fn new(dependencies: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sys = exact("vendor/pin.toml", "llama-cpp-sys-2");
        let safe = exact("llama-bench-llama-cpp-2/Cargo.toml", "llama-cpp-2");
        // The newest ones, the ones before, and the last that do not say what they link.
        let requires = |version: &str| format!("[dependencies]\nllama-cpp-sys-2 = \"{version}\"\n");
        let patches = [
            stand_in(folder.path(), "llama-cpp-sys-2", &sys, "links = \"llama\"\n", Some(BUILD)),
            stand_in(folder.path(), "llama-cpp-sys-2", "0.1.4", "", None),
            stand_in(folder.path(), "llama-cpp-2", &safe, &requires(&safe), None),
            stand_in(folder.path(), "llama-cpp-2", &before(&safe), &requires(&before(&safe)), None),
            stand_in(folder.path(), "llama-cpp-2", "0.1.4", &requires("0.1.4"), None),
        ];
        let manifest = format!(
            "[package]\nname = \"application\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\n{dependencies}\n\
             [patch.crates-io]\n{}\n[workspace]\n",
            patches.concat()
        );
        write(&folder.path().join("Cargo.toml"), &manifest);
        write(&folder.path().join("src/lib.rs"), "");
        fs::copy(root().join("Cargo.lock"), folder.path().join("Cargo.lock")).unwrap();
        Self(folder)
    }

    /// Name and version of the packages that link llama.cpp, or why cargo finds no set of packages.
    pub fn linked(&self) -> Result<Vec<String>, String> {
        let host = said(&Command::new(rustc()).arg("-vV").output().unwrap())?;
        let host = host.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned();
        // Packages for other systems need not be there.
        let metadata =
            self.cargo(&["metadata", "--format-version", "1", "--filter-platform", &host]).output().unwrap();
        let metadata: Value = serde_json::from_str(&said(&metadata)?).unwrap();
        let packages = metadata["packages"].as_array().unwrap().iter();
        let found = packages.filter(|package| package["links"] == "llama");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(found.map(|package| format!("{} {}", text(&package["name"]), text(&package["version"]))).collect())
    }

    /// Runs the build script of one of its packages, or says why that fails. Build scripts are compiled once for all
    /// applications with the same `target`; `None` is the application's own, as cargo has it by default.
    pub fn check(&self, package: &str, target: Option<&Path>, env: &[(&str, &str)]) -> Result<(), String> {
        let mut cargo = self.cargo(&["check", "--quiet", "-p", package]);
        let target = target.map_or_else(|| self.0.path().join("target"), Path::to_path_buf);
        cargo.arg("--target-dir").arg(target).envs(env.iter().copied());
        said(&cargo.output().unwrap()).map(drop)
    }

    fn cargo(&self, arguments: &[&str]) -> Command {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(arguments).arg("--offline").current_dir(self.0.path());
        // What the surroundings of this test ask of a build is not asked of the application's.
        for name in ["DOCS_RS", "LLAMA_CPP_DIR", "LLAMA_CMAKE_DEFINES", "LLAMA_CUDA_ARCHITECTURES"] {
            cargo.env_remove(name);
        }
        cargo
    }
}

/// A folder for build scripts that several applications share.
pub fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("applications")
}

fn rustc() -> std::ffi::OsString {
    std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())
}

/// `0.1.159` from `0.1.160`.
pub fn before(version: &str) -> String {
    let (start, patch) = version.rsplit_once('.').unwrap();
    format!("{start}.{}", patch.parse::<u32>().unwrap() - 1)
}

/// Standard output, or standard error of a program that failed.
fn said(output: &Output) -> Result<String, String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// Writes a package and returns the line that puts it in the registry's place.
fn stand_in(folder: &Path, name: &str, version: &str, rest: &str, build: Option<&str>) -> String {
    let package = folder.join(format!("{name}-{version}"));
    let features = "[features]\ndefault = []\ncommon = []\nopenmp = []\nsampler = []\nsystem-ggml = []\n";
    let manifest = format!(
        "[package]\nname = \"{name}\"\nversion = \"{version}\"\nedition = \"2021\"\n{rest}\n{features}"
    );
    write(&package.join("Cargo.toml"), &manifest);
    write(&package.join("src/lib.rs"), "");
    if let Some(build) = build {
        write(&package.join("build.rs"), build);
    }
    let key = format!("{name}-{}", version.replace('.', "-"));
    format!("{key} = {{ package = \"{name}\", path = \"{name}-{version}\" }}\n")
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}
