//! Reading files: which format a file is of, and its rows one by one.

use std::{fs, path::Path};

use serde_json::{Map, Value};

use super::{
    Format, Loaded, Place, ReportError,
    assembler::{Assembler, REQUIRED},
    batched, decode, page_data,
};

/// Reads a file of this crate or of llama-bench: JSON, JSONL, CSV or, with the feature `sqlite`, a SQLite database with
/// the table `llama_bench`. The format is recognised by the content.
///
/// # Errors
/// The file cannot be read, or its content is refused by [`read_str`].
pub fn read_file(path: impl AsRef<Path>) -> Result<Loaded, ReportError> {
    let path = path.as_ref();
    let bytes = fs::read(path).map_err(|source| ReportError::Read { path: path.into(), source })?;
    if bytes.starts_with(b"SQLite format 3\0") {
        return read_database(path);
    }
    read_bytes(bytes)
}

/// Reads the bytes of a text file, or of standard input: UTF-8 or UTF-16, with or without a byte order mark.
///
/// # Errors
/// The bytes are not text, or it is refused by [`read_str`].
pub fn read_bytes(bytes: Vec<u8>) -> Result<Loaded, ReportError> {
    let text = decode::text(bytes)
        .ok_or(ReportError::Unrecognised { found: "this is not text in UTF-8 or UTF-16", hint: "" })?;
    read_str(&text)
}

#[cfg(feature = "sqlite")]
fn read_database(path: &Path) -> Result<Loaded, ReportError> {
    let mut assembler = Assembler::default();
    super::sqlite::read(path, &mut assembler)?;
    Ok(assembler.finish())
}

#[cfg(not(feature = "sqlite"))]
fn read_database(_: &Path) -> Result<Loaded, ReportError> {
    Err(ReportError::Unrecognised {
        found: "this is a SQLite database, and this program was built without the feature `sqlite` of llama-bench-rs",
        hint: "; build it with the feature, or export the table with `sqlite3 -csv -header FILE 'SELECT * FROM llama_bench'`",
    })
}

/// Reads the text of a file of this crate, of llama-bench or of llama-batched-bench: JSON, JSONL, CSV, or
/// llama-batched-bench's table, recognised by the content.
///
/// Fields that llama-bench does not write get their defaults; its CSV has no samples, so its cells are
/// [`Summarised`](crate::record::Outcome::Summarised). Unknown fields are ignored.
///
/// # Errors
/// The text is of another format, damaged, of a newer schema version, or a field has a value that it cannot have.
pub fn read_str(text: &str) -> Result<Loaded, ReportError> {
    let text = text.trim_start_matches('\u{feff}');
    let start = text.trim_start();
    let first_line = start.lines().next().unwrap_or_default();
    let mut assembler = Assembler::default();
    match start.chars().next() {
        None => Err(ReportError::Unrecognised { found: "the file is empty", hint: "" }),
        Some('[') => read_json(text, &mut assembler),
        Some('{') => read_jsonl(text, &mut assembler),
        Some('<') => read_page(text, &mut assembler),
        _ if REQUIRED.iter().all(|name| first_line.contains(name)) => read_csv(text, &mut assembler),
        _ if first_line.starts_with("CREATE TABLE") || first_line.starts_with("INSERT INTO") => {
            Err(ReportError::Unrecognised {
                found: "this is SQL",
                hint: "; load it into sqlite3 and export the table as CSV",
            })
        }
        _ if batched::is_table(text) => add_all(batched::lines_of_table(text)?, &mut assembler),
        _ if first_line.starts_with('|') => Err(ReportError::Unrecognised {
            found: "this is a Markdown table, which holds rounded means only",
            hint: "; write JSON, JSONL or CSV beside it",
        }),
        _ => Err(ReportError::Unrecognised { found: "this is not a result of a benchmark", hint: "" }),
    }?;
    Ok(assembler.finish())
}

fn read_json(text: &str, assembler: &mut Assembler) -> Result<(), ReportError> {
    let rows: Vec<Map<String, Value>> =
        serde_json::from_str(text).map_err(|e| ReportError::syntax(Format::Json, 0, &e))?;
    if rows.is_empty() {
        return Err(ReportError::Unrecognised {
            found: "the array is empty: nothing was measured",
            hint: "",
        });
    }
    add_all((1..).zip(rows).map(|(n, row)| (Place::Row(n), row)).collect(), assembler)
}

/// Adds objects: rows, and lines of llama-batched-bench.
fn add_all(objects: batched::Placed, assembler: &mut Assembler) -> Result<(), ReportError> {
    let rows = if batched::has_lines(&objects) { batched::rows(objects)? } else { objects };
    rows.into_iter().try_for_each(|(place, row)| assembler.add(place, row))
}

fn read_page(text: &str, assembler: &mut Assembler) -> Result<(), ReportError> {
    let Some(json) = page_data::embedded_json(text, page_data::ID) else {
        return Err(ReportError::Unrecognised { found: "this is a web page without a report", hint: "" });
    };
    read_json(&json, assembler)?;
    if let Some(json) = page_data::embedded_json(text, page_data::FILES) {
        let files: Vec<String> =
            serde_json::from_str(&json).map_err(|e| ReportError::syntax(Format::Json, 0, &e))?;
        assembler.name_files(&files);
    }
    Ok(())
}

fn read_jsonl(text: &str, assembler: &mut Assembler) -> Result<(), ReportError> {
    let lines = text.lines().map(decode::without_mark).enumerate();
    let lines = lines.filter(|(_, line)| !line.trim().is_empty());
    let object = |(i, line): (usize, &str)| match serde_json::from_str(line) {
        Ok(object) => Ok((Place::Line(i + 1), object)),
        Err(error) => match batched::without_nan(line) {
            Some(object) => Ok((Place::Line(i + 1), object)),
            None => Err(ReportError::syntax(Format::Jsonl, i, &error)),
        },
    };
    add_all(lines.map(object).collect::<Result<_, _>>()?, assembler)
}

fn read_csv(text: &str, assembler: &mut Assembler) -> Result<(), ReportError> {
    // To the reader, a quoted value that never ends does so with the file.
    if !text.matches('"').count().is_multiple_of(2) {
        let (line, message) =
            (text.lines().count(), "a quoted value has no end: the file is cut off".to_owned());
        return Err(ReportError::Syntax { format: Format::Csv, line, message });
    }
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let damaged = |error: csv::Error| ReportError::Syntax {
        format: Format::Csv,
        line: error.position().map_or(1, |at| at.line() as usize),
        message: match error.kind() {
            csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
                format!("{len} values under {expected_len} names: the file is cut off or was edited")
            }
            _ => error.to_string(),
        },
    };
    let names = reader.headers().map_err(damaged)?.clone();
    let mut is_empty = true;
    for record in reader.records() {
        is_empty = false;
        let record = record.map_err(damaged)?;
        let line = record.position().map_or(1, |at| at.line() as usize);
        let row =
            names.iter().zip(&record).map(|(name, text)| (name.to_owned(), Value::from(text))).collect();
        assembler.add(Place::Line(line), row)?;
    }
    if is_empty {
        return Err(ReportError::Unrecognised {
            found: "no line follows the names: nothing was measured",
            hint: "",
        });
    }
    Ok(())
}
