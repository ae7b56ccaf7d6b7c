use std::{fmt, io, path::PathBuf};

use super::Format;
use crate::{record::SCHEMA_VERSION, units::text::shortened};

/// Letters of what a parser says; it repeats what it read, however long that is.
const LONGEST: usize = 300;

/// What can go wrong when a report is written or read.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// The output refused the data.
    #[error("cannot write the report: {0}; check that the output is writable and has room")]
    Write(#[source] io::Error),
    /// A row could not be encoded.
    #[error("cannot encode a row of the report: {0}")]
    Encode(#[source] serde_json::Error),
    /// A cell was written before its run was begun.
    #[error("a cell was written before a run was begun: call `Sink::begin` first")]
    NotBegun,
    /// The file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file could not be made or written.
    #[error("cannot write {}: {source}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file does not look like any format that can be read.
    #[error(
        "{found}; JSON, JSONL and CSV of this crate, of llama-bench or of llama-batched-bench can be read{hint}"
    )]
    Unrecognised {
        /// What it looks like instead.
        found: &'static str,
        /// What to do about it; empty if nothing is known.
        hint: &'static str,
    },
    /// SQLite refused the database.
    #[error("cannot read the database {}: {}", path.display(), shortened(message, LONGEST))]
    Database {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        message: String,
    },
    /// The file breaks the rules of its format.
    #[error("damaged {format}, line {line}: {}", shortened(message, LONGEST))]
    Syntax {
        /// The format that was recognised.
        format: Format,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong there.
        message: String,
    },
    /// A field that every row needs is not there.
    #[error("{place} has no field `{field}`: this is not a result of llama-bench or of this crate")]
    MissingField {
        /// Where.
        place: Place,
        /// The field.
        field: &'static str,
    },
    /// A field has a value that it cannot have.
    #[error("{place}: {problem}")]
    Field {
        /// Where.
        place: Place,
        /// Which field, what it holds and what it should hold.
        problem: Problem,
    },
    /// A newer version of this crate wrote the file.
    #[error(
        "{place} has schema version {found}, but this version of llama-bench-rs reads up to {SCHEMA_VERSION}: \
         update llama-bench-rs"
    )]
    NewerSchema {
        /// Where.
        place: Place,
        /// The version found.
        found: u64,
    },
    /// A row cannot be part of a [`Report`](crate::record::Report), and the caller needs every row.
    #[error("{0}")]
    Skipped(Skipped),
}

crate::error::debug_like_display!(ReportError);

/// A place in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A line, counted from 1.
    Line(usize),
    /// An entry of a JSON array, counted from 1.
    Row(usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Line(n) => write!(f, "line {n}"),
            Place::Row(n) => write!(f, "row {n}"),
        }
    }
}

impl ReportError {
    /// A JSON value that cannot be read, after this many lines of the text.
    pub(crate) fn syntax(format: Format, lines_before: usize, error: &serde_json::Error) -> Self {
        // serde_json counts lines from the start of the value.
        let place = format!(" at line {} column {}", error.line(), error.column());
        let (message, column) = (error.to_string().replace(&place, ""), error.column());
        let hint = if error.is_eof() { ": the file is cut off" } else { "" };
        ReportError::Syntax {
            format,
            line: lines_before + error.line().max(1),
            message: format!("column {column}: {message}{hint}"),
        }
    }
}

/// A field and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The field.
    pub field: &'static str,
    /// What it holds, cut short if it is long.
    pub found: String,
    /// What it should hold.
    pub expected: String,
}

impl Problem {
    pub(super) fn new(field: &'static str, found: impl fmt::Display, expected: impl fmt::Display) -> Self {
        let found = shortened(&found.to_string(), 60);
        Self { field, found, expected: expected.to_string() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "field `{}` holds {}, but must hold {}", self.field, self.found, self.expected)
    }
}

/// A row that was left out of a report, with the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Skipped {
    /// Where it is.
    pub place: Place,
    /// Prompt tokens of the test.
    pub n_prompt: u32,
    /// Generated tokens of the test.
    pub n_gen: u32,
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, n_prompt, n_gen } = self;
        write!(
            f,
            "{place} is llama-bench's pg test pp{n_prompt}+tg{n_gen}, one figure for prompt and generation together, \
             which says nothing about either"
        )
    }
}
