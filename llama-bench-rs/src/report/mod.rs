//! Reports in the formats that people and scripts use, written cell by cell and read back.
//!
//! All formats hold the same rows, [`Flat`]: llama-bench's fields first, under its names, in its order and of its
//! types, then this crate's. Scripts made for llama-bench, such as its `compare-llama-bench.py`, read the files as
//! they are. Everything but Markdown and `batched-bench` carries the raw samples and all of the [`Header`], and
//! JSON, JSONL and CSV [read](read_str) back into an equal [`Report`] (durations to the nanosecond, up to 292
//! years; a run without cells leaves no trace). So does the SQL, from the database that it was loaded into, with the
//! feature `sqlite`: see [`read_file`].
//!
//! ```
//! use llama_bench_rs::{record::Report, report::{self, Format}};
//!
//! # fn demo(report: &Report) -> llama_bench_rs::Result<()> {
//! let text = report::to_string(report, Format::Jsonl)?;
//! assert_eq!(report::read_str(&text)?.report, *report);
//! # Ok(())
//! # }
//! # demo(&Report::default()).unwrap_err(); // nothing was measured, so there is nothing to read back
//! ```
//!
//! # Failed cells
//! A failed cell has a row too. What was not measured is null (empty in CSV): `avg_ns`, `stddev_ns`, `avg_ts` and
//! `stddev_ts`; the fields `outcome`, `error_kind` and `error_message` say why. A
//! failed row has null in the key column `fit_target`, which is 0 in this crate's other rows. Null joins with nothing, so
//! scripts that join two builds skip the row and do not divide by a missing speed. CSV has no null: there it holds
//! `failed@COMMIT`, which differs from any row of another build.
//!
//! # Several sequences
//! In the row of a test with several sequences, `n_parallel` is their number, `n_prompt`, `n_gen` and `n_depth` are the
//! tokens of each, and rates are of all together. `kv_unified` says whether they share the tokens of the depth. llama-bench's
//! columns cannot tell such a row from that of one sequence, so `fit_target` keeps it out of joins as it does a failed
//! row: null, in CSV `x8@COMMIT`. A file without `n_parallel` has one sequence everywhere.
//!
//! [`Format::BatchedBench`] has llama-batched-bench's fields in its order. A line is a prompt and the generation after it:
//! the two halves of a pg test, or pp P x B at depth 0 with tg G x B at depth P; with a shared prefix the prompt is that of
//! one sequence. What was not measured is null. This crate's fields follow: spreads, the times of the repetitions, and what is
//! known of the run; single steps, the fill and conditions are in the other formats only. Lines of llama-batched-bench
//! itself, and its table, [read](read_str) as pg tests of one repetition. A line that comes a second time is of another
//! run. With `-pps` the prompt is that of one sequence, and every line is a repetition of it.
//!
//! # Where the files differ from llama-bench's
//! - The standard deviation of a single repetition is null, not 0.
//! - Floating-point numbers have all their digits.
//! - A test of embeddings (embd) is a row of a prompt in which `embeddings` is true, as llama-bench's `-embd 1` writes
//!   it; `test_kind` says so too.
//! - A pg test is two rows, prompt and generation, never one blend; both carry `pg_prompt` and `pg_gen`. Blended
//!   rows of llama-bench's own files are [left out and listed](Loaded::skipped) when read.
//! - The SQL table has more columns than llama-bench's. A database in which llama-bench made the table refuses
//!   the new rows; load this crate's output first, to which llama-bench can then add, or use a new database.

#[doc(hidden)]
pub mod answer;
mod assembler;
mod batched;
mod begun;
mod between_runs;
mod csv;
pub(crate) mod decode;
mod error;
mod explain;
mod file_sink;
mod flat;
#[cfg(feature = "pages")]
pub mod html;
mod in_words;
#[doc(hidden)]
pub mod insights;
mod journal;
mod json;
mod jsonl;
#[doc(hidden)]
pub mod levels;
mod markdown;
mod names;
pub(crate) mod page_data;
mod profiles;
mod ranking;
mod read;
mod report_serde;
mod schema;
mod schema_profile;
mod side_by_side;
mod sides;
mod sink;
mod sql;
#[cfg(feature = "sqlite")]
mod sqlite;
mod stat;
mod summary_text;
#[cfg(feature = "pages")]
pub mod svg;
#[doc(hidden)]
pub mod terminal;
mod trace;

use std::{fmt, io::Write, str::FromStr};

use crate::{
    judge::figures,
    record::{Header, Report},
};

#[doc(hidden)]
pub use assembler::Loaded;
#[doc(hidden)]
pub use between_runs::{BetweenRuns, between_runs, between_runs_markdown};
#[doc(hidden)]
pub use error::{Place, Problem, ReportError, Skipped};
#[doc(hidden)]
pub use explain::{explain_markdown, explain_markdown_with};
#[doc(hidden)]
pub use file_sink::FileSink;
#[doc(hidden)]
pub use flat::{
    FIELDS, Field, Flat, FlatCurvePoint, FlatDisturbance, FlatKind, FlatSample, Kind, Origin, OutcomeKind,
};
pub use journal::Journal;
pub(crate) use journal::replace as replace_file;
#[doc(hidden)]
pub use names::{ConfigurationRuns, configurations, run_labels};
pub use ranking::ranking;
#[doc(hidden)]
pub use ranking::{Best, Choice, Failed, Ranking, Ranks, ranking_of, ranking_with};
pub use read::read_file;
#[doc(hidden)]
pub use read::{read_bytes, read_str};
#[doc(hidden)]
pub use schema::json_schema;
#[doc(hidden)]
pub use side_by_side::comparison_text;
#[doc(hidden)]
pub use sink::Sink;
#[doc(hidden)]
pub use stat::{Shown, Stat, UnknownStat};
#[doc(hidden)]
pub use summary_text::{Fact, header_facts, header_text, link_words};
#[doc(hidden)]
pub use trace::ChromeTrace;

/// A file format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// One array of objects.
    Json,
    /// One object a line.
    Jsonl,
    /// Comma-separated values under a line of names, all quoted.
    Csv,
    /// Statements for SQLite that make and fill the table `llama_bench`.
    Sql,
    /// The table for people.
    Markdown,
    /// llama-batched-bench's JSONL: a prompt and the generation after it on a line, by number of sequences.
    BatchedBench,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 6] =
        [Format::Json, Format::Jsonl, Format::Csv, Format::Sql, Format::Markdown, Format::BatchedBench];

    /// Its name, as llama-bench's `-o` takes it, and the usual extension of its files.
    pub fn name(self) -> &'static str {
        match self {
            Format::Json => "json",
            Format::Jsonl => "jsonl",
            Format::Csv => "csv",
            Format::Sql => "sql",
            Format::Markdown => "md",
            Format::BatchedBench => "batched-bench",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The name is none of `json`, `jsonl`, `csv`, `sql`, `md` and `batched-bench`.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: use json, jsonl, csv, sql, md or batched-bench", unknown(.0))]
#[doc(hidden)]
pub struct UnknownFormat(String);

crate::error::debug_like_display!(UnknownFormat);

/// A file's name may have no extension.
fn unknown(name: &str) -> String {
    if name.is_empty() { "no extension names a format".into() } else { format!("unknown format `{name}`") }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        Self::ALL.into_iter().find(|format| format.name() == name).ok_or_else(|| UnknownFormat(name.into()))
    }
}

/// Writes a whole report. Markdown begins with the [file](Header::read_from) of each run if there are several; it ends with
/// the figures of all runs if there are several of one configuration, and with the ranking of several configurations.
///
/// # Errors
/// The output refuses the data.
pub fn write(report: &Report, format: Format, out: impl Write) -> Result<(), ReportError> {
    write_with(report, format, Stat::Mean, out)
}

/// The same, with another statistic than the mean as a cell's speed in Markdown, or with joules per token.
///
/// # Errors
/// The output refuses the data.
#[doc(hidden)]
pub fn write_with(
    report: &Report,
    format: Format,
    shown: impl Into<Shown>,
    out: impl Write,
) -> Result<(), ReportError> {
    let shown = shown.into();
    let mut sink = Sink::new(format, out);
    sink.show(shown);
    let headers: Vec<&Header> = report.runs.iter().map(|run| &run.header).collect();
    sink.announce(&headers);
    let files = sides::Files::of(report);
    if files.are_several() {
        let names: Vec<String> = report.runs.iter().map(|run| files.name(run).to_owned()).collect();
        sink.name_files(&names);
    }
    for run in &report.runs {
        sink.begin(&run.header)?;
        sink.curve(&run.curve);
        for cell in &run.cells {
            sink.cell(&run.header, cell)?;
        }
    }
    let mut out = sink.finish()?;
    let together =
        if format == Format::Markdown { together_markdown(report, shown.stat) } else { String::new() };
    out.write_all(together.as_bytes()).map_err(ReportError::Write)
}

/// The text below the Markdown table of all cells: the figures of all runs if there are several of one configuration, and
/// the ranking of several configurations, each after an empty line. Empty if there is neither. `stat` is the statistic of
/// the table.
#[doc(hidden)]
pub fn together_markdown(report: &Report, stat: Stat) -> String {
    let ranking = ranking_with(report, stat).map_or_else(String::new, |ranking| ranking.markdown());
    let parts = [between_runs_markdown(report), ranking];
    parts.into_iter().filter(|part| !part.is_empty()).map(|part| format!("\n{part}")).collect()
}

/// A whole report as text.
///
/// # Errors
/// None that depends on the report.
pub fn to_string(report: &Report, format: Format) -> Result<String, ReportError> {
    let mut bytes = Vec::new();
    write(report, format, &mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
