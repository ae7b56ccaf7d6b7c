//! What CMake found out, read from its files.

use std::{collections::BTreeMap, fs, path::Path};

/// The entries of a `CMakeCache.txt`.
#[derive(Debug, Default)]
pub struct Cache(BTreeMap<String, String>);

impl Cache {
    pub fn read(build_dir: &Path) -> Result<Self, String> {
        let path = build_dir.join("CMakeCache.txt");
        let text = fs::read_to_string(&path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
        Ok(Self::parse(&text))
    }

    /// Lines are `NAME:TYPE=value`; comments begin with `#` or `//`.
    pub fn parse(text: &str) -> Self {
        let entry = |line: &str| {
            let (name, value) = line.split_once('=')?;
            let (name, _type) = name.split_once(':')?;
            Some((name.to_owned(), value.trim().to_owned()))
        };
        Self(text.lines().filter(|line| !line.starts_with(['#', '/'])).filter_map(entry).collect())
    }

    /// The value, if there is one and it is not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

/// Name and version of the C++ compiler, such as `GNU 12.2.0`, from the file that CMake writes about it.
pub fn compiler(build_dir: &Path) -> Option<String> {
    let versions = fs::read_dir(build_dir.join("CMakeFiles")).ok()?;
    let file = versions
        .filter_map(Result::ok)
        .map(|entry| entry.path().join("CMakeCXXCompiler.cmake"))
        .find(|path| path.is_file())?;
    parse_compiler(&fs::read_to_string(file).ok()?)
}

/// Reads `set(CMAKE_CXX_COMPILER_ID "GNU")` and its sibling.
pub fn parse_compiler(text: &str) -> Option<String> {
    let set = |name: &str| {
        let (_, rest) = text.split_once(&format!("set({name} \""))?;
        rest.split_once('"').map(|(value, _)| value)
    };
    Some(format!("{} {}", set("CMAKE_CXX_COMPILER_ID")?, set("CMAKE_CXX_COMPILER_VERSION")?))
}
