//! Files of serving: JSONL, a line for each repetition, and JSON in one piece.
//!
//! Every record begins with the field `serving`, which says what it is:
//!
//! | `serving` | record |
//! |---|---|
//! | `run` | a configuration: [`Header`] and [`ServeSettings`] |
//! | `load` | a load of a run, with the reason if it failed |
//! | `repetition` | a repetition of a load, with all of its requests and steps |
//! | `capacity` | what a search found |
//! | `report` | a whole [`ServeReport`]: a JSON file is one such record |
//!
//! A later record replaces an earlier one of the same run, load or number of repetition.

use std::{borrow::Cow, fs, io::Write, path::Path};

use serde::{Deserialize, Serialize};

use super::{Arrivals, Capacity, LoadRecord, ServeReport, ServeRun, ServeSettings, ServedRepetition, rows};
use crate::{
    record::{Failure, Header, Resolved, SCHEMA_VERSION},
    report::{Format, Place, ReportError, decode, page_data},
};

/// The field that every record begins with.
const TAG: &str = "\"serving\"";

/// The element of a page that holds the report.
pub(super) const PAGE_ID: &str = "llama-bench-rs-serving";

/// One record of a file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "serving", rename_all = "snake_case")]
pub(super) enum Line<'a> {
    /// A configuration.
    Run {
        schema: u64,
        run: usize,
        name: Cow<'a, str>,
        header: Box<Cow<'a, Header>>,
        settings: Box<Cow<'a, ServeSettings>>,
    },
    /// A load, without its repetitions.
    Load {
        run: usize,
        arrivals: Cow<'a, Arrivals>,
        n_slots: u32,
        n_ctx_slot: u32,
        #[serde(default)]
        resolved: Option<Box<Cow<'a, Resolved>>>,
        #[serde(default)]
        failure: Option<Cow<'a, Failure>>,
    },
    /// A repetition of a load.
    Repetition { run: usize, arrivals: Cow<'a, Arrivals>, repetition: Box<Cow<'a, ServedRepetition>> },
    /// What the search of a run found.
    Capacity { run: usize, capacity: Cow<'a, Capacity> },
    /// A whole report.
    Report {
        schema: u64,
        /// The figures of each load, for those who do not want to compute them. Not read back.
        #[serde(default, skip_deserializing)]
        figures: Vec<serde_json::Value>,
        runs: Cow<'a, [ServeRun]>,
    },
}

impl<'a> Line<'a> {
    pub(super) fn of_run(index: usize, run: &'a ServeRun) -> Self {
        Self::Run {
            schema: SCHEMA_VERSION.into(),
            run: index,
            name: Cow::Borrowed(&run.name),
            header: Box::new(Cow::Borrowed(&run.header)),
            settings: Box::new(Cow::Borrowed(&run.settings)),
        }
    }

    pub(super) fn of_load(run: usize, load: &'a LoadRecord) -> Self {
        Self::Load {
            run,
            arrivals: Cow::Borrowed(&load.arrivals),
            n_slots: load.n_slots,
            n_ctx_slot: load.n_ctx_slot,
            resolved: load.resolved.as_ref().map(|resolved| Box::new(Cow::Borrowed(resolved))),
            failure: load.failure.as_ref().map(Cow::Borrowed),
        }
    }

    pub(super) fn of_repetition(run: usize, load: &'a LoadRecord, repetition: &'a ServedRepetition) -> Self {
        let arrivals = Cow::Borrowed(&load.arrivals);
        Self::Repetition { run, arrivals, repetition: Box::new(Cow::Borrowed(repetition)) }
    }

    /// Appends it as a line.
    pub(super) fn write(&self, out: &mut Vec<u8>) -> Result<(), ReportError> {
        serde_json::to_writer(&mut *out, self).map_err(ReportError::Encode)?;
        out.push(b'\n');
        Ok(())
    }
}

/// The lines of a whole report.
///
/// # Errors
/// The output refuses the data.
pub fn write_jsonl(report: &ServeReport, mut out: impl Write) -> Result<(), ReportError> {
    let mut text = Vec::new();
    for (index, run) in report.runs.iter().enumerate() {
        Line::of_run(index, run).write(&mut text)?;
        for load in &run.loads {
            Line::of_load(index, load).write(&mut text)?;
            for repetition in &load.repetitions {
                Line::of_repetition(index, load, repetition).write(&mut text)?;
            }
        }
        if let Some(capacity) = &run.capacity {
            Line::Capacity { run: index, capacity: Cow::Borrowed(capacity) }.write(&mut text)?;
        }
    }
    out.write_all(&text).map_err(ReportError::Write)
}

/// A whole report in one piece, with the figures of each load before the repetitions.
///
/// # Errors
/// The report cannot be encoded as JSON.
pub fn to_json(report: &ServeReport) -> Result<String, ReportError> {
    let figures = rows::rows(report).iter().map(rows::object).collect();
    let whole = Line::Report { schema: SCHEMA_VERSION.into(), figures, runs: Cow::Borrowed(&report.runs) };
    serde_json::to_string(&whole).map_err(ReportError::Encode)
}

/// Whether a text is a file of serving, or a page made of one.
pub fn is_serving(text: &str) -> bool {
    let text = text.trim_start_matches('\u{feff}').trim_start();
    match text.strip_prefix('{') {
        Some(rest) => rest.trim_start().starts_with(TAG),
        None => text.starts_with('<') && page_data::embedded_json(text, PAGE_ID).is_some(),
    }
}

/// The same of bytes, such as those of a file that may hold anything.
pub fn is_serving_bytes(bytes: &[u8]) -> bool {
    decode::text(bytes.to_vec()).is_some_and(|text| is_serving(&text))
}

/// Reads a file of serving: JSONL, JSON, or a page made of them.
///
/// # Errors
/// The file cannot be read, or its content is refused by [`read_str`].
pub fn read_file(path: impl AsRef<Path>) -> Result<ServeReport, ReportError> {
    let path = path.as_ref();
    let bytes = fs::read(path).map_err(|source| ReportError::Read { path: path.into(), source })?;
    read_bytes(bytes)
}

/// Reads the bytes of a text file, or of standard input: UTF-8 or UTF-16, with or without a byte order mark.
///
/// # Errors
/// The bytes are not text, or it is refused by [`read_str`].
pub fn read_bytes(bytes: Vec<u8>) -> Result<ServeReport, ReportError> {
    read_str(&decode::text(bytes).ok_or(NOT_TEXT)?)
}

/// Why bytes are refused.
pub(super) const NOT_TEXT: ReportError =
    ReportError::Unrecognised { found: "this is not text in UTF-8 or UTF-16", hint: "" };

/// Reads the text of a file of serving.
///
/// # Errors
/// The text is of another kind, damaged, or of a newer version of this crate.
pub fn read_str(text: &str) -> Result<ServeReport, ReportError> {
    let text = text.trim_start_matches('\u{feff}');
    if !is_serving(text) {
        return Err(ReportError::Unrecognised { found: "this is not a result of serving", hint: "" });
    }
    if let Some(json) = page_data::embedded_json(text, PAGE_ID) {
        return whole(&json);
    }
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    if !is_line(first) {
        return whole(text);
    }
    let (report, _) = lines(text)?;
    if report.runs.is_empty() {
        return Err(ReportError::Unrecognised {
            found: "no line of the file is whole: nothing was served",
            hint: "",
        });
    }
    Ok(report)
}

/// Whether it is a record that a line of a JSONL file holds.
fn is_line(text: &str) -> bool {
    let parsed: Result<Line<'_>, _> = serde_json::from_str(text);
    match parsed {
        Ok(line) => !matches!(line, Line::Report { .. }),
        // A JSON file may be laid out over several lines; a damaged line of JSONL names its kind.
        Err(_) => ["run", "load", "repetition", "capacity"]
            .iter()
            .any(|kind| text.replace(' ', "").contains(&format!("{TAG}:\"{kind}\""))),
    }
}

fn whole(json: &str) -> Result<ServeReport, ReportError> {
    match serde_json::from_str(json).map_err(|error| ReportError::syntax(Format::Json, 0, &error))? {
        Line::Report { schema, runs, .. } => {
            check(schema, Place::Row(1))?;
            Ok(ServeReport { runs: runs.into_owned() })
        }
        _ => Err(ReportError::Unrecognised {
            found: "this is a single record of serving",
            hint: "; a JSONL file has one on each line, and begins with a run",
        }),
    }
}

fn check(schema: u64, place: Place) -> Result<(), ReportError> {
    if schema > u64::from(SCHEMA_VERSION) {
        return Err(ReportError::NewerSchema { place, found: schema });
    }
    Ok(())
}

/// The report of JSONL, and the bytes of its whole lines. A last line that was cut off, as the end of a process leaves it,
/// is dropped.
pub(super) fn lines(text: &str) -> Result<(ServeReport, usize), ReportError> {
    let (mut report, mut n_bytes) = (ServeReport::default(), 0);
    let mut lines = text.split_inclusive('\n').enumerate().peekable();
    while let Some((i, line)) = lines.next() {
        let (json, is_last) = (decode::without_mark(line).trim(), lines.peek().is_none());
        // A line that was cut off has no end, or blocks of zeros after a loss of power.
        if is_last && !line.ends_with('\n') && serde_json::from_str::<serde_json::Value>(json).is_err() {
            break;
        }
        n_bytes += line.len();
        if json.is_empty() {
            continue;
        }
        let line =
            serde_json::from_str(json).map_err(|error| ReportError::syntax(Format::Jsonl, i, &error))?;
        add(&mut report, line, i + 1)?;
    }
    Ok((report, n_bytes))
}

/// Adds the record of a line, counted from 1.
fn add(report: &mut ServeReport, line: Line<'_>, n: usize) -> Result<(), ReportError> {
    let damaged =
        |message: &str| ReportError::Syntax { format: Format::Jsonl, line: n, message: message.to_owned() };
    let no_run = || damaged("its run is not among the lines before: the file was edited");
    let no_load = || damaged("its load is not among the lines before: the file was edited");
    let n_runs = report.runs.len();
    match line {
        Line::Run { schema, run, name, header, settings } => {
            check(schema, Place::Line(n))?;
            let (name, header, settings) = (name.into_owned(), header.into_owned(), settings.into_owned());
            if run == n_runs {
                report.runs.push(ServeRun { name, header, settings, loads: Vec::new(), capacity: None });
            } else {
                let known = report.runs.get_mut(run).ok_or_else(no_run)?;
                (known.name, known.header, known.settings) = (name, header, settings);
            }
        }
        Line::Load { run, arrivals, n_slots, n_ctx_slot, resolved, failure } => {
            let run = report.runs.get_mut(run).ok_or_else(no_run)?;
            let index = run.loads.iter().position(|load| load.arrivals == *arrivals);
            let index = index.unwrap_or_else(|| {
                run.loads.push(LoadRecord::new(arrivals.into_owned(), n_slots, n_ctx_slot));
                run.loads.len() - 1
            });
            let load = &mut run.loads[index];
            (load.n_slots, load.n_ctx_slot) = (n_slots, n_ctx_slot);
            load.resolved = resolved.map(|resolved| resolved.into_owned());
            load.failure = failure.map(Cow::into_owned);
        }
        Line::Repetition { run, arrivals, repetition } => {
            let run = report.runs.get_mut(run).ok_or_else(no_run)?;
            let load = run.loads.iter_mut().find(|load| load.arrivals == *arrivals).ok_or_else(no_load)?;
            let repetition = repetition.into_owned();
            match load.repetitions.iter_mut().find(|known| known.rep == repetition.rep) {
                Some(known) => *known = repetition,
                None => load.repetitions.push(repetition),
            }
        }
        Line::Capacity { run, capacity } => {
            report.runs.get_mut(run).ok_or_else(no_run)?.capacity = Some(capacity.into_owned());
        }
        Line::Report { .. } => {
            return Err(damaged("a whole report among single records: the file was edited"));
        }
    }
    Ok(())
}
