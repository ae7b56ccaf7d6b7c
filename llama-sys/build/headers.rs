//! The headers that the bindings are made of, by their checksums: equal headers have equal bindings.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use crate::{env, source::Fnv};

/// The header that includes all others.
pub const WRAPPER: &str = "wrapper.h";

/// Folders in which the compilers look for headers.
pub fn folders(manifest_dir: &Path, source: &Path) -> [PathBuf; 3] {
    [manifest_dir.to_owned(), source.join("include"), source.join("ggml/include")]
}

/// `wrapper.h` and every header that it leads to, each with its checksum. System headers are left out.
pub fn checksums(manifest_dir: &Path, source: &Path) -> Result<BTreeMap<String, String>, String> {
    let folders = folders(manifest_dir, source);
    let mut found = BTreeMap::new();
    let mut open = vec![manifest_dir.join(WRAPPER)];
    while let Some(path) = open.pop() {
        let name = name(&path, manifest_dir, source);
        if found.contains_key(&name) {
            continue;
        }
        let text = fs::read(&path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
        // git may have changed the ends of lines.
        let text = String::from_utf8_lossy(&text).replace("\r\n", "\n");
        let beside = path.parent().unwrap_or(manifest_dir);
        for header in text.lines().filter_map(included) {
            let mut places = std::iter::once(beside).chain(folders.iter().map(PathBuf::as_path));
            open.extend(places.find_map(|dir| Some(dir.join(header)).filter(|path| env::is_file(path))));
        }
        let mut hash = Fnv::default();
        hash.add(text.as_bytes());
        found.insert(name, format!("{:016x}", hash.0));
    }
    Ok(found)
}

/// `llama.h` from `#include "llama.h"`.
fn included(line: &str) -> Option<&str> {
    let header = line.trim_start().strip_prefix('#')?.trim_start().strip_prefix("include")?;
    header.trim_start().strip_prefix('"')?.split('"').next()
}

/// The path within the source tree or this crate, the same on every system.
fn name(path: &Path, manifest_dir: &Path, source: &Path) -> String {
    let within = path.strip_prefix(source).or_else(|_| path.strip_prefix(manifest_dir)).unwrap_or(path);
    within.to_string_lossy().replace('\\', "/")
}

/// Whether a header belongs to this crate and not to llama.cpp.
pub fn is_own(name: &str) -> bool {
    name == WRAPPER || name.starts_with("shim/")
}

/// The lines that say from which headers bindings were made.
#[cfg(any(feature = "bindgen", test))]
pub fn recorded(checksums: &BTreeMap<String, String>) -> String {
    checksums.iter().map(|(name, checksum)| format!("// {name} {checksum}\n")).collect()
}

/// The names of headers that are not, or no longer, those of the lines that [`recorded`] wrote.
pub fn changed(bindings: &str, now: &BTreeMap<String, String>) -> Vec<String> {
    let before: BTreeMap<&str, &str> = bindings
        .lines()
        .take_while(|line| line.starts_with("//"))
        .filter_map(|line| line.strip_prefix("// ")?.split_once(' '))
        .filter(|(_, checksum)| checksum.len() == 16 && checksum.bytes().all(|c| c.is_ascii_hexdigit()))
        .collect();
    let names = before.keys().copied().chain(now.keys().map(String::as_str));
    let mut changed: Vec<String> = names
        .filter(|&name| before.get(name).copied() != now.get(name).map(String::as_str))
        .map(str::to_owned)
        .collect();
    changed.sort();
    changed.dedup();
    changed
}
