//! Whether a built example is as new as its sources: `cargo test --test NAME` builds no examples and would run old ones.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// The files that cargo made this program from: its dep-info lies beside it and lists them.
fn sources(program: &Path) -> io::Result<Vec<PathBuf>> {
    let text = fs::read_to_string(program.with_extension("d"))?;
    let (_, listed) = text.split_once(": ").unwrap_or_default();
    // A space within a path is escaped.
    let paths = listed.trim_end().replace("\\ ", "\0");
    Ok(paths.split_whitespace().map(|path| PathBuf::from(path.replace('\0', " "))).collect())
}

/// The latest change of a file, or of anything in a folder; `None` if there is none, since cargo also watches for files
/// that may come.
fn changed(path: &Path) -> Option<SystemTime> {
    let metadata = fs::metadata(path).ok()?;
    let within = if metadata.is_dir() { fs::read_dir(path).ok() } else { None };
    let within = within.into_iter().flatten().flatten().filter_map(|entry| changed(&entry.path()));
    within.chain(metadata.modified()).max()
}

/// A source that was changed after this program was built.
///
/// # Errors
/// The program or its dep-info cannot be read: its sources are not known.
pub fn newer_source(program: &Path) -> io::Result<Option<PathBuf>> {
    let built = fs::metadata(program)?.modified()?;
    Ok(sources(program)?.into_iter().find(|source| changed(source).is_some_and(|time| time > built)))
}
