//! Environment variables: read and watched in one step.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

/// The variable's value, `None` if unset or empty; the build script runs again when it changes.
pub fn var(name: &str) -> Option<String> {
    os(name).map(|value| value.to_string_lossy().into_owned())
}

/// The same as a path.
pub fn path(name: &str) -> Option<PathBuf> {
    os(name).map(PathBuf::from)
}

fn os(name: &str) -> Option<OsString> {
    println!("cargo::rerun-if-env-changed={name}");
    env::var_os(name).filter(|value| !value.is_empty())
}

/// A variable that cargo sets for every build script.
pub fn cargo(name: &str) -> String {
    env::var(name).unwrap_or_default()
}

/// Whether a feature of this crate is on.
pub fn feature(name: &str) -> bool {
    env::var_os(format!("CARGO_FEATURE_{}", name.to_uppercase().replace('-', "_"))).is_some()
}

/// The first program of this name in `PATH`.
pub fn program(name: &str) -> Option<PathBuf> {
    println!("cargo::rerun-if-env-changed=PATH");
    let file = format!("{name}{}", env::consts::EXE_SUFFIX);
    env::split_paths(&env::var_os("PATH")?).map(|dir| dir.join(&file)).find(|path| is_file(path))
}

pub fn is_file(path: &Path) -> bool {
    path.metadata().is_ok_and(|meta| meta.is_file())
}
