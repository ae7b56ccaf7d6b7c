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

    /// Whether an option is on, in any of the words that CMake takes for it.
    pub fn is_on(&self, name: &str) -> bool {
        self.get(name).is_some_and(is_on)
    }

    /// All names and values, sorted by name.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

pub fn is_on(value: &str) -> bool {
    ["ON", "TRUE", "YES", "Y", "1"].iter().any(|word| value.eq_ignore_ascii_case(word))
}

/// Name and version of a language's compiler, such as `GNU 12.2.0` for `CXX`, from the file that CMake writes about it.
pub fn compiler(build_dir: &Path, language: &str) -> Option<String> {
    let versions = fs::read_dir(build_dir.join("CMakeFiles")).ok()?;
    let file = versions
        .filter_map(Result::ok)
        .map(|entry| entry.path().join(format!("CMake{language}Compiler.cmake")))
        .find(|path| path.is_file())?;
    parse_compiler(&fs::read_to_string(file).ok()?, language)
}

/// Reads `set(CMAKE_CXX_COMPILER_ID "GNU")` and its sibling.
pub fn parse_compiler(text: &str, language: &str) -> Option<String> {
    let set = |name: &str| {
        let (_, rest) = text.split_once(&format!("set(CMAKE_{language}_COMPILER_{name} \""))?;
        rest.split_once('"').map(|(value, _)| value)
    };
    Some(format!("{} {}", set("ID")?, set("VERSION")?))
}
