//! The file of `--output`.

use std::path::Path;

use llama_bench_rs::report::ReportError;

/// Refuses a file that cannot be resumed from, or that holds results which nobody said to replace. Returns whether it is a
/// file: a pipe or another special file has no content to lose and cannot be replaced.
pub fn check(path: &Path, is_jsonl: bool, resume: bool, force: bool) -> Result<bool, String> {
    if resume && !is_jsonl {
        return Err(format!("{}: --resume works with JSONL files only; name a FILE.jsonl", path.display()));
    }
    let is_file = path.is_file();
    if is_file && !resume && !force && path.metadata().is_ok_and(|file| file.len() > 0) {
        return Err(format!(
            "{} holds results already: resume from it (--resume, JSONL only), replace it (--force) or name another file",
            path.display()
        ));
    }
    Ok(is_file)
}

/// An error of the file, with its name.
pub fn named(path: &Path, error: &ReportError) -> String {
    match error {
        ReportError::Unwritable { .. } => error.to_string(),
        error => format!("{}: {error}", path.display()),
    }
}
