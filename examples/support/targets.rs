//! Files that flags name: checked before anything is measured, written when all is.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// What else is written.
pub struct Beside<'a> {
    /// What keeps the results off standard output; `None` if they do not go there.
    pub on_stdout: Option<&'a str>,
    /// Files that other flags name.
    pub files: &'a [PathBuf],
    /// Whether files that hold something are replaced.
    pub replaces: bool,
}

/// Refuses what could not be written, or would replace something: files by the flags that name them, `--svg` for a
/// picture.
pub fn check(files: &[(&'static str, &Path)], beside: &Beside<'_>) -> Result<(), String> {
    let on_stdout = files.iter().find(|(_, path)| is_stdout(path));
    if let (Some(remedy), Some((flag, _))) = (beside.on_stdout, on_stdout) {
        return Err(format!("{flag} -: the results go to standard output too: {remedy} or name a file"));
    }
    let mut taken: Vec<&Path> = beside.files.iter().map(PathBuf::as_path).collect();
    for &(flag, path) in files {
        if taken.iter().any(|other| is_same(other, path)) {
            return Err(format!("{flag} {}: another flag writes there: name another file", path.display()));
        }
        taken.push(path);
        if let (true, Some(extension)) = (flag == "--svg", other_picture(path)) {
            return Err(format!(
                "{flag} {}: pictures are SVG, not {extension}: name a FILE.svg and convert it",
                path.display()
            ));
        }
        if !is_stdout(path) {
            check_file(flag, path, beside.replaces)?;
        }
    }
    Ok(())
}

/// The extension, if it promises a picture of another format.
fn other_picture(path: &Path) -> Option<String> {
    let extension = path.extension()?.to_string_lossy().to_ascii_lowercase();
    ["png", "jpg", "jpeg", "gif", "webp", "pdf"].contains(&&*extension).then_some(extension)
}

/// Whether a file is standard output.
pub fn is_stdout(path: &Path) -> bool {
    path == Path::new("-")
}

/// Whether two paths name one file. Links between files are not followed.
fn is_same(one: &Path, other: &Path) -> bool {
    let whole = |path: &Path| match (path.parent(), path.file_name()) {
        (Some(folder), Some(name)) => {
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            fs::canonicalize(folder).map_or_else(|_| path.to_owned(), |folder| folder.join(name))
        }
        _ => path.to_owned(),
    };
    whole(one) == whole(other)
}

/// An hour of measuring must not end with a file that cannot be written.
fn check_file(flag: &str, path: &Path, replaces: bool) -> Result<(), String> {
    let unwritable = |why: &dyn std::fmt::Display| format!("{flag}: cannot write {}: {why}", path.display());
    let is_there = path.exists();
    if is_there && !path.is_file() {
        // A pipe cannot be tried without writing to it.
        return if path.is_dir() { Err(unwritable(&"it is a folder")) } else { Ok(()) };
    }
    if is_there && !replaces && path.metadata().is_ok_and(|file| file.len() > 0) {
        return Err(format!(
            "{flag}: {} is there: replace it (--force) or name another file",
            path.display()
        ));
    }
    OpenOptions::new().append(true).create(true).open(path).map_err(|error| unwritable(&error))?;
    if !is_there {
        // It was made to try whether it can be.
        let _ = fs::remove_file(path);
    }
    Ok(())
}

/// Writes a text there; - is standard output.
pub fn put(path: &Path, text: &str) -> Result<(), String> {
    if !is_stdout(path) {
        return fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()));
    }
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(format!("cannot write to standard output: {error}"))
        }
        _ => Ok(()),
    }
}
