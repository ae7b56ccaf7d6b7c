//! Where llama.cpp comes from: `LLAMA_CPP_DIR`, `vendor/llama.cpp`, the pinned package, or the package whose build is used.
//! Read, never written to.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::env;

/// A source tree that was looked at and found usable.
#[derive(Debug)]
pub struct Source {
    /// Its root, where `include/llama.h` is.
    pub dir: PathBuf,
    /// `package`, `vendor`, `LLAMA_CPP_DIR` or `llama-cpp-2`.
    pub kind: &'static str,
    /// Version of llama.cpp, and of the package that carried it.
    pub version: String,
    /// Seven hexadecimal digits, as short as git writes a commit: the commit, or the beginning of a checksum that stands
    /// in for it. llama.cpp's own scripts cut the names of builds to the shortest one.
    pub commit: String,
    /// Upstream's running build number, 0 if unknown.
    pub number: u32,
}

/// What the bindings and the shim need of a tree: header, text, what it is for.
const NEEDED: &[(&str, &str)] = &[
    ("include/llama.h", "llama_load_mode"),
    ("include/llama.h", "LLAMA_STATE_SEQ_FLAGS_ON_DEVICE"),
    ("include/llama.h", "llama_model_ftype"),
    ("include/llama.h", "llama_state_seq_get_data_ext"),
    ("include/llama.h", "no_alloc"),
    ("ggml/include/ggml-backend.h", "ggml_backend_load_all"),
    ("src/llama-ext.h", "llama_get_memory_breakdown"),
];

/// Finds the source tree.
pub fn find(manifest_dir: &Path, out_dir: &Path) -> Result<Source, String> {
    if let Some(dir) = env::path("LLAMA_CPP_DIR") {
        return checkout(&dir, "LLAMA_CPP_DIR");
    }
    let vendor = vendor(manifest_dir)?;
    println!("cargo::rerun-if-changed={}", vendor.display());
    let vendored = vendor.join("llama.cpp");
    if vendored.exists() {
        return checkout(&vendored, "vendor");
    }
    package(&vendor, out_dir)
}

/// The folder with the pin: in the package a folder, in the repository a link, which a checkout may have turned into a
/// text file.
fn vendor(manifest_dir: &Path) -> Result<PathBuf, String> {
    let found =
        [manifest_dir.join("vendor"), manifest_dir.join("../vendor")].into_iter().find(|dir| dir.is_dir());
    found.ok_or_else(|| "vendor/pin.toml is missing: restore it".into())
}

/// The tree in the llama-cpp-sys-2 of this version that another package of the program built. Its commit is named as the
/// pinned package's own would be, unless the user replaced the package.
pub fn of_package(manifest_dir: &Path, dir: &Path, version: &str) -> Result<Source, String> {
    check(dir, "the source of llama-cpp-sys-2")?;
    let pin = vendor(manifest_dir)?.join("pin.lock");
    let pin = fs::read_to_string(&pin).map_err(|e| format!("cannot read the pin {}: {e}", pin.display()))?;
    let (commit, number) = match unpacked_checksum(dir.parent().unwrap_or(dir), version, &pin) {
        Some(checksum) => (checksum, 0),
        None => facts(dir)?,
    };
    let version = format!("{} (llama-cpp-sys-2 {version})", llama_version(dir));
    Ok(Source { dir: dir.to_path_buf(), kind: "llama-cpp-2", version, commit, number })
}

/// The first digits of a package's checksum, which cargo has verified: `cargo vendor` leaves it in the folder; a folder
/// that cargo unpacked from a registry is named after package and version.
pub fn unpacked_checksum(package: &Path, version: &str, pinned: &str) -> Option<String> {
    if let Ok(text) = fs::read_to_string(package.join(".cargo-checksum.json")) {
        let json: serde_json::Value = serde_json::from_str(&text).ok()?;
        return short_checksum(json["package"].as_str()?);
    }
    let is_registrys = package.file_name()? == format!("llama-cpp-sys-2-{version}").as_str();
    (is_registrys && package.join(".cargo-ok").is_file()).then(|| pinned_checksum(pinned)).flatten()
}

/// A tree that the user keeps; a change in it builds again.
fn checkout(dir: &Path, kind: &'static str) -> Result<Source, String> {
    check(dir, kind)?;
    for part in ["CMakeLists.txt", "cmake", "include", "src", "ggml"] {
        println!("cargo::rerun-if-changed={}", dir.join(part).display());
    }
    let dir = dir.canonicalize().map_err(|e| format!("cannot read {kind} ({}): {e}", dir.display()))?;
    let version = llama_version(&dir);
    let (commit, number) = facts(&dir)?;
    Ok(Source { dir, kind, version, commit, number })
}

/// Commit and build number of a tree, or a checksum of it.
fn facts(dir: &Path) -> Result<(String, u32), String> {
    match git_facts(dir) {
        Some(facts) => Ok(facts),
        None => Ok((checksum(dir)?, 0)),
    }
}

/// The registry package that the pin names, unpacked by cargo, which also checks its checksum.
fn package(vendor: &Path, out_dir: &Path) -> Result<Source, String> {
    let pin = out_dir.join("pin");
    fs::create_dir_all(pin.join("src")).map_err(|e| format!("cannot write {}: {e}", pin.display()))?;
    // A package can contain them under these names; a folder with a Cargo.toml would be left out of it.
    for (from, to) in [("pin.toml", "Cargo.toml"), ("pin.lock", "Cargo.lock")] {
        let from = vendor.join(from);
        fs::copy(&from, pin.join(to)).map_err(|e| format!("cannot read the pin {}: {e}", from.display()))?;
    }
    fs::write(pin.join("src/lib.rs"), "").map_err(|e| format!("cannot write {}: {e}", pin.display()))?;

    // In OUT_DIR, where the user's own cargo configuration, mirrors and offline mode apply.
    let metadata = |extra: &[&str]| {
        Command::new(env::cargo("CARGO"))
            .args(["metadata", "--locked", "--format-version", "1"])
            .args(extra)
            .current_dir(&pin)
            .output()
            .map_err(|e| format!("cannot run cargo to fetch the pinned llama.cpp: {e}"))
    };
    // `cargo build --offline` does not tell build scripts that it is offline, and what is cached needs no network.
    let mut output = metadata(&["--offline"])?;
    if !output.status.success() {
        output = metadata(&[])?;
    }
    if !output.status.success() {
        return Err(unfetched(&pin, &String::from_utf8_lossy(&output.stderr)));
    }
    let (manifest, version) = pinned_manifest(&String::from_utf8_lossy(&output.stdout))
        .ok_or("cargo metadata names no package llama-cpp-sys-2: restore vendor/pin.toml")?;
    let dir = Path::new(&manifest).with_file_name("llama.cpp");
    check(&dir, "the pinned package")?;
    let llama = llama_version(&dir);
    let lock = fs::read_to_string(pin.join("Cargo.lock")).unwrap_or_default();
    Ok(Source {
        kind: "package",
        version: format!("{llama} (llama-cpp-sys-2 {version})"),
        commit: match pinned_checksum(&lock) {
            Some(checksum) => checksum,
            // A package that a patch of the user's configuration put in its place has none.
            None => self::checksum(&dir)?,
        },
        number: 0,
        dir,
    })
}

/// Path of the manifest and version of the pinned package in the output of `cargo metadata`.
pub fn pinned_manifest(metadata: &str) -> Option<(String, String)> {
    let metadata: serde_json::Value = serde_json::from_str(metadata).ok()?;
    let package =
        metadata["packages"].as_array()?.iter().find(|package| package["name"] == "llama-cpp-sys-2")?;
    Some((package["manifest_path"].as_str()?.to_owned(), package["version"].as_str()?.to_owned()))
}

/// Digits of a commit's name.
const DIGITS: usize = 7;

/// The first digits of the pinned package's checksum in the lock file. The package does not state llama.cpp's commit:
/// what its `.cargo_vcs_info.json` names is the commit of the repository around it.
pub fn pinned_checksum(lock: &str) -> Option<String> {
    let mut packages = lock.split("[[package]]");
    let package = packages.find(|package| package.contains("name = \"llama-cpp-sys-2\""))?;
    let (_, checksum) = package.split_once("checksum = \"")?;
    short_checksum(checksum)
}

fn short_checksum(checksum: &str) -> Option<String> {
    let digits = checksum.get(..DIGITS)?;
    digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then(|| digits.to_ascii_lowercase())
}

/// The first digits of a checksum over the sources of a tree without a commit: equal trees have equal ones.
pub fn checksum(dir: &Path) -> Result<String, String> {
    let mut hash = Fnv::default();
    for part in ["CMakeLists.txt", "include", "src", "ggml"] {
        add(&dir.join(part), Path::new(part), &mut hash)
            .map_err(|e| format!("cannot read {}: {e}", dir.join(part).display()))?;
    }
    Ok(format!("{:016x}", hash.0)[..DIGITS].to_owned())
}

/// FNV-1a.
pub struct Fnv(pub u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    pub fn add(&mut self, bytes: &[u8]) {
        let step = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        self.0 = bytes.iter().fold(self.0, step);
    }
}

/// Adds a file, or all files of a folder in the order of their names, each with its name.
fn add(path: &Path, name: &Path, hash: &mut Fnv) -> std::io::Result<()> {
    if !path.is_dir() {
        hash.add(name.to_string_lossy().as_bytes());
        hash.add(&[0xff]);
        hash.add(&fs::read(path)?);
        return Ok(());
    }
    let mut names =
        fs::read_dir(path)?.map(|entry| Ok(entry?.file_name())).collect::<std::io::Result<Vec<_>>>()?;
    names.sort_unstable();
    names.iter().try_for_each(|one| add(&path.join(one), &name.join(one), hash))
}

/// The pinned package is not a dependency of any crate, so `cargo fetch` does not fetch it.
pub fn unfetched(pin: &Path, cargo_said: &str) -> String {
    format!(
        "the package that contains llama.cpp is not here and cargo could not fetch it. With a network, run\n  \
         cargo fetch --locked --manifest-path {}\n\
         once (`cargo fetch` of your own crate does not fetch it; in the repository, scripts/fetch does), or set \
         LLAMA_CPP_DIR to a checkout of llama.cpp. Cargo said:\n{}",
        pin.join("Cargo.toml").display(),
        cargo_said.trim()
    )
}

/// Refuses what is not a llama.cpp tree, or one too old for the bindings.
pub fn check(dir: &Path, what: &str) -> Result<(), String> {
    let named = match what {
        "vendor" => format!("vendor/llama.cpp ({})", dir.display()),
        what => format!("{what} ({})", dir.display()),
    };
    let remedy = match what {
        "LLAMA_CPP_DIR" => {
            "Point LLAMA_CPP_DIR at the root of a checkout, or unset it to build the pinned source"
        }
        "vendor" => "Put a whole checkout there, or remove it to build the pinned source",
        _ => "Remove that package's folder: cargo unpacks it again",
    };
    if !env::is_file(&dir.join("CMakeLists.txt")) || !env::is_file(&dir.join("include/llama.h")) {
        // Build scripts run in the folder of their crate, not in the user's current one.
        let from = match std::env::current_dir() {
            Ok(from) if dir.is_relative() => format!(" A relative path counts from {}.", from.display()),
            _ => String::new(),
        };
        return Err(format!(
            "{named} is not a llama.cpp source tree: it needs CMakeLists.txt and include/llama.h.{from} {remedy}"
        ));
    }
    let missing: Vec<_> = NEEDED
        .iter()
        .filter(|(file, text)| !fs::read_to_string(dir.join(file)).is_ok_and(|header| header.contains(text)))
        .map(|(file, text)| format!("{text} in {file}"))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{named} is too old for these bindings, or too new: it lacks {}. Use a checkout as new as the pinned source \
         (vendor/README.md). {remedy}",
        missing.join(", ")
    ))
}

/// `0.6.0` from `set(LLAMA_VERSION_MAJOR 0)` and its siblings.
pub fn llama_version(dir: &Path) -> String {
    version(&dir.join("CMakeLists.txt"), "LLAMA_VERSION").unwrap_or_else(|| "of unknown version".into())
}

/// Version of the ggml in the tree, as `ggml_version` returns it.
pub fn ggml_version(dir: &Path) -> Option<String> {
    version(&dir.join("ggml/CMakeLists.txt"), "GGML_VERSION")
}

fn version(file: &Path, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let part = |part: &str| {
        let (_, rest) = text.split_once(&format!("set({name}_{part} "))?;
        rest.split_once(')').map(|(number, _)| number.trim())
    };
    Some(format!("{}.{}.{}", part("MAJOR")?, part("MINOR")?, part("PATCH")?))
}

/// The first digits of the commit and the number of commits, if the tree itself is a checkout: a tree that merely lies in another
/// repository would give that one's commit.
fn git_facts(dir: &Path) -> Option<(String, u32)> {
    let git = |args: &[&str]| {
        let output = Command::new("git").arg("-C").arg(dir).args(args).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let top = git(&["rev-parse", "--show-toplevel"])?;
    if Path::new(&top).canonicalize().ok()? != dir {
        return None;
    }
    let commit = git(&["rev-parse", "HEAD"])?.get(..DIGITS)?.to_owned();
    Some((commit, git(&["rev-list", "--count", "HEAD"])?.parse().ok()?))
}
