//! Puts the rows of any file back together into runs.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::{
    FIELDS, Field, Flat, Format, Kind, Place, Problem, ReportError, Skipped, flat::keeps_out_of_joins,
};
use crate::record::{CurvePoint, Report, Run, SCHEMA_VERSION, Test};

/// Every row of llama-bench has these, whatever its version.
pub(super) const REQUIRED: [&str; 4] = ["model_filename", "n_prompt", "n_gen", "avg_ns"];

/// A report that was read, and what could not be part of it.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Loaded {
    /// The report. Consecutive cells of one configuration are one run. This crate numbers its runs: in its files cells of
    /// several runs may alternate.
    pub report: Report,
    /// Rows left out, with the reason.
    pub skipped: Vec<Skipped>,
}

/// Puts rows back together into runs.
#[derive(Default)]
pub(super) struct Assembler {
    loaded: Loaded,
    /// The latest row of each run.
    latest: Vec<Flat>,
    /// The runs whose rows have this number.
    numbered: HashMap<u32, Vec<usize>>,
}

impl Assembler {
    /// Takes a line of JSONL, counted from 0, and returns its row and the run that it is of.
    pub(super) fn add_line(&mut self, i: usize, line: &str) -> Result<(Flat, Option<usize>), ReportError> {
        let row = serde_json::from_str(line).map_err(|e| ReportError::syntax(Format::Jsonl, i, &e))?;
        let place = Place::Line(i + 1);
        let flat = row_of(place, row)?;
        let run = self.add_flat(place, flat.clone())?;
        Ok((flat, run))
    }

    /// Takes one row.
    pub(super) fn add(&mut self, place: Place, row: Map<String, Value>) -> Result<(), ReportError> {
        self.add_flat(place, row_of(place, row)?).map(drop)
    }

    /// Returns the run that the row is of; `None` if it was left out.
    fn add_flat(&mut self, place: Place, flat: Flat) -> Result<Option<usize>, ReportError> {
        let bad = |problem| ReportError::Field { place, problem };
        let mut header = flat.header().map_err(bad)?;
        let Some(cell) = flat.cell().map_err(bad)? else {
            let skipped = Skipped { place, n_prompt: flat.n_prompt, n_gen: flat.n_gen };
            self.loaded.skipped.push(skipped);
            return Ok(None);
        };
        let known = self.run_of(&flat, cell.test);
        let runs = &mut self.loaded.report.runs;
        let curve = flat.curve.iter().map(CurvePoint::from);
        match known {
            Some(known) => {
                let run = &mut runs[known];
                // Rows were written during the run: the last one is the most complete.
                header.merge_work(&run.header.work);
                run.header = header;
                run.cells.push(cell);
                run.curve.extend(curve);
                self.latest[known] = flat;
            }
            None => {
                runs.push(Run { header, cells: vec![cell], curve: curve.collect() });
                if let Some(number) = flat.run {
                    self.numbered.entry(number).or_default().push(runs.len() - 1);
                }
                self.latest.push(flat);
            }
        }
        Ok(Some(known.unwrap_or(runs.len() - 1)))
    }

    /// The run that a row continues: the latest one; for numbered rows any that lacks this cell, because runs may have
    /// taken turns.
    fn run_of(&self, flat: &Flat, test: Test) -> Option<usize> {
        let is_same = |&run: &usize| self.latest[run].same_run(flat);
        let last = self.latest.len().checked_sub(1).filter(is_same);
        let lacks = |&run: &usize| self.loaded.report.runs[run].cells.iter().all(|cell| cell.test != test);
        let numbered = || self.numbered.get(&flat.run?)?.iter().copied().rev().filter(lacks).find(is_same);
        last.or_else(numbered)
    }

    /// Names the file that each run was read from, by the numbers of the runs.
    pub(super) fn name_files(&mut self, files: &[String]) {
        for (run, row) in self.loaded.report.runs.iter_mut().zip(&self.latest) {
            if let Some(file) = row.run.and_then(|number| files.get(number as usize)) {
                run.header.read_from.clone_from(file);
            }
        }
    }

    pub(super) fn finish(self) -> Loaded {
        self.loaded
    }

    /// The report, if it has every row.
    pub(super) fn finish_strict(self) -> Result<Report, ReportError> {
        match self.loaded.skipped.into_iter().next() {
            Some(skipped) => Err(ReportError::Skipped(skipped)),
            None => Ok(self.loaded.report),
        }
    }
}

impl Flat {
    /// Whether two rows are of one run: everything that is known before it starts is equal.
    fn same_run(&self, other: &Flat) -> bool {
        let (Ok(a), Ok(b)) = (self.header(), other.header()) else { return false };
        let host = |h: &crate::record::Host| (h.cpu_info.clone(), h.gpu_info.clone(), h.backends.clone());
        // llama-bench does not say how many repetitions it was asked for.
        let config = |flat: &Flat, mut config: crate::record::Config| {
            config.n_reps = flat.n_reps;
            config
        };
        (self.run, &a.timing.started_at, &a.build, &a.model)
            == (other.run, &b.timing.started_at, &b.build, &b.model)
            && host(&a.host) == host(&b.host)
            && config(self, a.config) == config(other, b.config)
    }
}

/// The row of an object whose values may be as JSON or as CSV has them.
fn row_of(place: Place, mut row: Map<String, Value>) -> Result<Flat, ReportError> {
    let bad = |problem| ReportError::Field { place, problem };
    // First: a newer version may have changed everything else.
    if let Some(version) = row.get("schema_version") {
        let version = typed("schema_version", Kind::Int, version.clone()).map_err(bad)?;
        if let Some(found) = version.as_u64().filter(|&found| found > u64::from(SCHEMA_VERSION)) {
            return Err(ReportError::NewerSchema { place, found });
        }
    }
    if let Some(&field) = REQUIRED.iter().find(|&&name| !row.contains_key(name)) {
        return Err(ReportError::MissingField { place, field });
    }
    // Older versions of llama-bench have no depths; this crate always had them.
    if row.contains_key("schema_version") && !row.contains_key("n_depth") {
        return Err(ReportError::MissingField { place, field: "n_depth" });
    }
    let mut known = Map::new();
    for Field { name, kind, .. } in FIELDS {
        let Some(value) = row.remove(*name) else { continue };
        if *name == "fit_target" && value.as_str().is_some_and(keeps_out_of_joins) {
            continue;
        }
        let value = typed(name, *kind, value).map_err(bad)?;
        if !value.is_null() {
            // Each field by itself first: serde_json does not name the field that it refused in a row.
            let alone = Map::from_iter([((*name).to_owned(), value.clone())]);
            serde_json::from_value::<Flat>(alone.into())
                .map_err(|error| bad(Problem::new(name, &value, format!("{}: {error}", expected(*kind)))))?;
            known.insert((*name).to_owned(), value);
        }
    }
    serde_json::from_value(known.into()).map_err(|error| bad(Problem::new("schema_version", "a row", error)))
}

/// A value of the type that a field has; text (from CSV) is parsed, and what older llama-bench versions wrote as a
/// boolean or an integer is read as the other. Empty text is null, the default of every text.
fn typed(field: &'static str, kind: Kind, value: Value) -> Result<Value, Problem> {
    let problem = |value: &Value, expected| Problem::new(field, value, expected);
    match (kind, value) {
        (_, Value::Null) => Ok(Value::Null),
        (_, Value::String(text)) if text.is_empty() => Ok(Value::Null),
        (Kind::Text, text @ Value::String(_)) => Ok(text),
        (Kind::Text, other) => Err(problem(&other, "text")),
        (Kind::Int | Kind::Wide, Value::Bool(flag)) => Ok(u8::from(flag).into()),
        (Kind::Int | Kind::Wide | Kind::Float, number @ Value::Number(_)) => Ok(number),
        (Kind::Bool, flag @ Value::Bool(_)) => Ok(flag),
        (Kind::Bool, Value::Number(number)) if number.as_u64().is_some_and(|n| n <= 1) => {
            Ok(Value::Bool(number.as_u64() == Some(1)))
        }
        (Kind::Nested, nested @ (Value::Array(_) | Value::Object(_))) => Ok(nested),
        (_, Value::String(text)) => match serde_json::from_str(&text) {
            // A text in a text would never end.
            Ok(Value::String(_)) | Err(_) => Err(Problem::new(field, text, expected(kind))),
            Ok(value) => typed(field, kind, value),
        },
        (kind, other) => Err(problem(&other, expected(kind))),
    }
}

fn expected(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "text",
        Kind::Int | Kind::Wide => "an integer",
        Kind::Bool => "true or false",
        Kind::Float => "a number",
        Kind::Nested => "an array or an object",
    }
}
