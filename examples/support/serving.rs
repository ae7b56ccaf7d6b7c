//! Files of serving, which are recognised by their content.

use std::{fs, path::PathBuf};

use llama_bench_rs::serve::{self, ServeReport};

/// The reports of files that are all of serving; `None` if none of them is. What cannot be read is left to the reader of
/// sweeps, which says why; so is standard input, which can be read only once.
///
/// # Errors
/// Some files are of serving and others are not, or one is damaged.
pub fn read(files: &[PathBuf]) -> Result<Option<Vec<ServeReport>>, String> {
    let of = |file: &PathBuf| {
        let bytes = fs::read(file).unwrap_or_default();
        serve::is_serving_bytes(&bytes).then_some(bytes)
    };
    let found: Vec<Option<Vec<u8>>> = files.iter().map(of).collect();
    if found.iter().all(Option::is_none) {
        return Ok(None);
    }
    let mut reports = Vec::new();
    for (file, bytes) in files.iter().zip(found) {
        let Some(bytes) = bytes else {
            return Err(format!(
                "{}: this is not a result of serving, and others are: a sweep and serving have no figure in common",
                file.display()
            ));
        };
        reports.push(serve::read_bytes(bytes).map_err(|error| format!("{}: {error}", file.display()))?);
    }
    Ok(Some(reports))
}
