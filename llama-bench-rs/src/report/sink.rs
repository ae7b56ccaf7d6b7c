use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use super::{
    Flat, Format, ReportError, Shown, batched::Batched, csv::Csv, json::Json, jsonl::Jsonl,
    markdown::Markdown, sql::Sql,
};
use crate::record::{Cell, CurvePoint, Header};

/// What a format does with the parts of a report.
pub(super) trait Encode: Send {
    /// The runs to come.
    fn announce(&mut self, _runs: &[Flat]) {}

    /// What to show of a cell, in formats that do not show everything.
    fn show(&mut self, _shown: Shown) {}

    /// The file that each run to come was read from, if there are several.
    fn name_files(&mut self, _names: &[String]) {}

    /// The beginning of a run; the first one is the beginning of the file.
    fn begin(&mut self, out: &mut dyn Write, run: &Flat) -> Result<(), EncodeError>;

    /// One cell.
    fn row(&mut self, out: &mut dyn Write, row: &Flat) -> Result<(), EncodeError>;

    /// The end of the file, which may have had no run at all. A file that can be gone back in gets it after each cell:
    /// the next one is written over it.
    fn finish(&mut self, _out: &mut dyn Write) -> Result<(), EncodeError> {
        Ok(())
    }
}

/// Keeps apart whose fault it is.
#[derive(thiserror::Error)]
pub(super) enum EncodeError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

crate::error::debug_like_display!(EncodeError);

impl From<EncodeError> for ReportError {
    fn from(error: EncodeError) -> Self {
        match error {
            EncodeError::Io(error) => ReportError::Write(error),
            EncodeError::Json(error) => ReportError::Encode(error),
        }
    }
}

/// Writes a report while it is being measured: every cell is written and flushed as it comes.
///
/// An output that was not [finished](Sink::finish) is complete up to its last cell in every format but two: JSON lacks its
/// closing bracket, and `batched-bench` the cells without their other half. A file has both after every cell if a
/// [`FileSink`](super::FileSink) writes it.
/// Cells of several runs may alternate: [`turn_to`](Sink::turn_to) switches the run.
///
/// ```
/// # fn demo(header: &llama_bench_rs::record::Header, cell: &llama_bench_rs::record::Cell)
/// # -> llama_bench_rs::Result<()> {
/// use llama_bench_rs::report::{Format, Sink};
///
/// let mut sink = Sink::new(Format::Markdown, std::io::stdout());
/// sink.begin(header)?;
/// sink.cell(header, cell)?;
/// sink.finish()?;
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is written before a run is begun"]
pub struct Sink<W: Write> {
    out: W,
    encoder: Box<dyn Encode>,
    /// The runs that were begun, each with the chunks of its fill that were timed since its cell before.
    curves: BTreeMap<u32, Vec<CurvePoint>>,
    /// The run that cells belong to.
    run: Option<u32>,
}

impl<W: Write> Sink<W> {
    /// Nothing is written yet.
    pub fn new(format: Format, out: W) -> Self {
        let encoder: Box<dyn Encode> = match format {
            Format::Json => Box::new(Json::default()),
            Format::Jsonl => Box::new(Jsonl),
            Format::Csv => Box::new(Csv::default()),
            Format::Sql => Box::new(Sql::default()),
            Format::Markdown => Box::new(Markdown::default()),
            Format::BatchedBench => Box::new(Batched::default()),
        };
        Self { out, encoder, curves: BTreeMap::new(), run: None }
    }

    /// Announces the runs to come, before the first one begins. Markdown then shows what differs between them in
    /// one table; without it, a run that needs another column begins a table of its own. The other formats do not
    /// need it.
    pub fn announce(&mut self, headers: &[&Header]) {
        let runs: Vec<Flat> = headers.iter().map(|&header| Flat::from(header)).collect();
        self.encoder.announce(&runs);
    }

    /// Shows another statistic than the mean as a cell's speed, and joules per token if asked to. Only Markdown does; the
    /// other formats hold every repetition.
    pub fn show(&mut self, shown: impl Into<Shown>) {
        self.encoder.show(shown.into());
    }

    /// Sets the files that the runs to come were read from, in their order. Only Markdown shows them.
    pub(super) fn name_files(&mut self, names: &[String]) {
        self.encoder.name_files(names);
    }

    /// Begins the next run.
    ///
    /// # Errors
    /// The output refuses the data.
    pub fn begin(&mut self, header: &Header) -> Result<(), ReportError> {
        self.turn_to(self.curves.keys().next_back().map_or(0, |last| last + 1), header)
    }

    /// Lets the cells that follow be of this run, counted from 0 over the report, and begins it unless that was done.
    ///
    /// # Errors
    /// The output refuses the data.
    pub fn turn_to(&mut self, run: u32, header: &Header) -> Result<(), ReportError> {
        self.run = Some(run);
        if self.curves.contains_key(&run) {
            return Ok(());
        }
        self.encoder.begin(&mut self.out, &Flat::from(header))?;
        self.curves.insert(run, Vec::new());
        self.out.flush().map_err(ReportError::Write)
    }

    /// Adds chunks of the fill of the run, timed since its cell before; its next cell's row carries them.
    pub fn curve(&mut self, points: &[CurvePoint]) {
        if let Some(curve) = self.run.and_then(|run| self.curves.get_mut(&run)) {
            curve.extend_from_slice(points);
        }
    }

    /// Writes and flushes one cell of the run. The header may know more by now than when the run began, such as its
    /// wall time; a reader takes the last row's.
    ///
    /// # Errors
    /// No run was begun, or the output refuses the data.
    pub fn cell(&mut self, header: &Header, cell: &Cell) -> Result<(), ReportError> {
        let run = self.run.ok_or(ReportError::NotBegun)?;
        let mut row = Flat::from((header, cell));
        row.run = Some(run);
        let curve = self.curves.entry(run).or_default();
        row.set_curve(curve);
        self.encoder.row(&mut self.out, &row)?;
        curve.clear();
        self.out.flush().map_err(ReportError::Write)
    }

    /// Ends the file and gives the output back.
    ///
    /// # Errors
    /// The output refuses the data.
    pub fn finish(mut self) -> Result<W, ReportError> {
        self.encoder.finish(&mut self.out)?;
        self.out.flush().map_err(ReportError::Write)?;
        Ok(self.out)
    }
}

impl Sink<Vec<u8>> {
    /// Whether nothing was written since [`take`](Self::take).
    pub(super) fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// What was written since the last call.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// What would end the file now.
    pub(super) fn closing(&mut self) -> Result<Vec<u8>, ReportError> {
        let mut text = Vec::new();
        self.encoder.finish(&mut text)?;
        Ok(text)
    }
}
