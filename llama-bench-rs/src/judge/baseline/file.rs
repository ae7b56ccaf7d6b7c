//! One file: an envelope with the key in plain words around the rows of a report.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{BaselineError, Key, name::Name};
use crate::{
    record::Report,
    report::{self, Format, ReportError},
};

/// Distinguishes the files from others.
const FORMAT: &str = "llama-bench-rs baseline";

/// Raised when an older reader would misunderstand the envelope; the rows have a version of their own.
const VERSION: u64 = 1;

/// Runs of one key and one build.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Contents {
    pub(super) name: String,
    pub(super) key: Key,
    pub(super) report: Report,
}

#[derive(Serialize, Deserialize)]
struct Envelope {
    format: String,
    version: u64,
    name: String,
    fingerprint: String,
    #[serde(flatten)]
    key: Key,
}

/// The text of a file: a line for each field of the envelope and for each row. A change is then a few lines of a diff.
pub(super) fn text(contents: &Contents) -> Result<String, ReportError> {
    let envelope = Envelope {
        format: FORMAT.into(),
        version: VERSION,
        name: contents.name.clone(),
        fingerprint: contents.key.fingerprint(),
        key: contents.key.clone(),
    };
    let text = serde_json::to_string_pretty(&envelope).map_err(ReportError::Encode)?;
    let text = text.strip_suffix("\n}").unwrap_or(&text);
    let rows = report::to_string(&contents.report, Format::Jsonl)?;
    let rows: Vec<String> = rows.lines().map(|row| format!("    {row}")).collect();
    Ok(format!("{text},\n  \"rows\": [\n{}\n  ]\n}}\n", rows.join(",\n")))
}

/// Reads what [`text`] wrote.
pub(super) fn parse(path: &Path, text: &str) -> Result<Contents, BaselineError> {
    let damaged = |reason: String| BaselineError::Damaged { path: path.to_owned(), reason };
    let mut fields: Map<String, Value> = serde_json::from_str(text).map_err(|e| damaged(e.to_string()))?;
    if fields.get("format").and_then(Value::as_str) != Some(FORMAT) {
        return Err(damaged(format!("it does not say \"format\": \"{FORMAT}\"")));
    }
    // First: a newer version may have changed everything else.
    let newer = |found, newest| BaselineError::NewerVersion { path: path.to_owned(), found, newest };
    if let Some(found) = fields.get("version").and_then(Value::as_u64).filter(|&found| found > VERSION) {
        return Err(newer(found, VERSION));
    }
    let rows = fields.remove("rows").ok_or_else(|| damaged("it has no rows".into()))?;
    let Envelope { name, fingerprint, key, .. } =
        serde_json::from_value(fields.into()).map_err(|e| damaged(e.to_string()))?;
    if fingerprint != key.fingerprint() {
        return Err(damaged(format!(
            "its fingerprint is {fingerprint}, but that of its machine, model and config is {}: it was edited",
            key.fingerprint()
        )));
    }
    match report::read_str(&rows.to_string()) {
        Ok(loaded) => Ok(Contents { name, key, report: loaded.report }),
        Err(ReportError::NewerSchema { found, .. }) => {
            Err(newer(found, u64::from(crate::record::SCHEMA_VERSION)))
        }
        Err(error) => Err(damaged(error.to_string())),
    }
}

/// Reads a file; `None` if there is none.
pub(super) fn read(path: &Path) -> Result<Option<Contents>, BaselineError> {
    let io = |source| BaselineError::Io { path: path.to_owned(), doing: "read", source };
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io(error)),
        Ok(bytes) => {
            let text = report::decode::text(bytes).ok_or_else(|| BaselineError::Damaged {
                path: path.to_owned(),
                reason: "it is not text in UTF-8 or UTF-16".into(),
            })?;
            parse(path, &text).map(Some)
        }
    }
}

/// Replaces a file as a whole: a reader, or a machine that loses power, finds the old one or the new one, never a part.
pub(super) fn write(folder: &Path, path: &Path, contents: &Contents) -> Result<(), BaselineError> {
    let io = |source| BaselineError::Io { path: path.to_owned(), doing: "write", source };
    let text = text(contents).map_err(|error| io(io::Error::other(error)))?;
    // Removed when it is dropped, whatever happens.
    let mut file =
        tempfile::Builder::new().prefix(".baseline-").suffix(".tmp").tempfile_in(folder).map_err(io)?;
    file.write_all(text.as_bytes()).map_err(io)?;
    readable(file.as_file()).map_err(io)?;
    file.as_file().sync_all().map_err(io)?;
    file.persist(path).map_err(|error| io(error.error))?;
    sync_folder(folder).map_err(io)
}

/// Only their owner can read temporary files; a baseline may be checked in.
fn readable(file: &File) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.set_permissions(fs::Permissions::from_mode(0o644))?;
    }
    let _ = file;
    Ok(())
}

/// The new name must reach the disk too; folders can be synchronised on Unix only.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// The file's name within the folder of its baseline.
pub(super) fn file_name(key: &Key) -> String {
    format!("{}.json", key.fingerprint())
}

/// Whether a file in a baseline's folder is one of its files.
pub(super) fn is_ours(path: &Path) -> bool {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    path.extension().is_some_and(|e| e == "json") && !stem.starts_with('.')
}

/// A new baseline of these runs.
pub(super) fn new(name: &Name, key: Key, report: Report) -> Contents {
    Contents { name: name.to_string(), key, report }
}
