//! A JSONL file that is complete at any moment: a sweep can be killed and resumed. [`Journal`] has an example.

mod observe;

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::{Flat, OutcomeKind, Place, ReportError, assembler::Assembler, decode, jsonl};
use crate::record::{Cell, CurvePoint, Header, Report, Test};

/// Time between two rewrites for unfinished cells, as a multiple of what a rewrite takes: they cost at most a twentieth of
/// the sweep.
const PAUSE: u32 = 20;

/// Writes a report to a JSONL file while it is measured, and resumes one that an earlier process left.
///
/// Every finished cell is appended and flushed to the disk at once. Unfinished cells, which exist while repetitions are
/// interleaved, are updated by replacing the whole file through a temporary one. Whenever the process ends, the file holds
/// each cell once, with everything measured of it.
///
/// It is an [`Observer`](crate::bench::Observer) of a sweep or of a [`Campaign`](crate::bench::Campaign), whose
/// configurations may take turns.
///
/// ```no_run
/// use llama_bench_rs::{bench::Campaign, llama::ContextParams, report::Journal};
///
/// let (mut journal, earlier) = Journal::resume("campaign.jsonl")?;
/// let measured = Campaign::new()
///     .models(["a.gguf", "b.gguf"])
///     .tests(|sweep| sweep.prompt(512).generate(128))
///     .resume(earlier)
///     .observer(&mut journal)
///     .run()?;
/// journal.finish()?;
/// # Ok::<(), llama_bench_rs::Error>(())
/// ```
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    /// Bytes of the file, while lines are appended.
    n_bytes: u64,
    rows: Vec<Row>,
    /// The runs that have begun, each with the chunks of its fill since its last finished cell: the next row carries them.
    pending: BTreeMap<u32, Vec<CurvePoint>>,
    /// The runs that the file had before, until one is begun.
    earlier: Report,
    /// The run that cells belong to.
    run: Option<u32>,
    /// Why an event could not be kept.
    failed: Option<ReportError>,
    /// Whether the file holds exactly the finished rows: then the next one may be appended.
    appendable: bool,
    /// When the last rewrite ended, and what it took.
    rewritten: (Instant, Duration),
}

#[derive(Debug)]
struct Row {
    run: u32,
    test: Test,
    flat: Flat,
    done: bool,
}

impl Journal {
    /// Begins an empty file in place of any that is there.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, ReportError> {
        let path = path.as_ref();
        let file = File::create(path).map_err(|e| unwritable(path, e))?;
        Self::new(path, file)
    }

    fn new(path: &Path, file: File) -> Result<Self, ReportError> {
        Ok(Self {
            // A rename must replace the file itself, not a link to it.
            path: path.canonicalize().map_err(|e| unwritable(path, e))?,
            file,
            n_bytes: 0,
            rows: Vec::new(),
            pending: BTreeMap::new(),
            earlier: Report::default(),
            run: None,
            failed: None,
            appendable: true,
            rewritten: (Instant::now(), Duration::ZERO),
        })
    }

    /// Resumes a file and returns its content: nothing if it does not exist. A last line that was cut off when a process
    /// ended is dropped.
    ///
    /// # Errors
    /// The file cannot be read or written, or is damaged elsewhere than in its last line.
    pub fn resume(path: impl AsRef<Path>) -> Result<(Self, Report), ReportError> {
        let path = path.as_ref();
        if !path.exists() {
            return Ok((Self::create(path)?, Report::default()));
        }
        let bytes = fs::read(path).map_err(|source| ReportError::Read { path: path.to_owned(), source })?;
        let n_bytes = bytes.len() as u64;
        let text = decode::text(bytes)
            .ok_or(ReportError::Unrecognised { found: "this is not text in UTF-8 or UTF-16", hint: "" })?;
        let (rows, report) = read(&text)?;
        let file = OpenOptions::new().append(true).open(path).map_err(|e| unwritable(path, e))?;
        let journal =
            Self { n_bytes, rows, earlier: report.clone(), appendable: false, ..Self::new(path, file)? };
        Ok((journal, report))
    }

    /// Begins the next run. In a resumed file its own runs come first, in their order.
    pub fn begin(&mut self) {
        self.turn_to(self.run.map_or(0, |run| run + 1));
    }

    /// Lets the cells that follow be of this run, counted from 0, and begins it unless that was done. Cells of several
    /// runs may come in turn.
    pub fn turn_to(&mut self, run: u32) {
        self.run = Some(run);
        self.earlier.runs.clear();
    }

    /// Gives the runs that the file had before other numbers: the n-th one that of `places[n]`.
    fn arrange(&mut self, places: &[u32]) {
        for row in &mut self.rows {
            if let Some(&place) = places.get(row.run as usize) {
                row.run = place;
                row.flat.run = Some(place);
            }
        }
    }

    /// Takes the repetitions so far of a cell that continues later.
    ///
    /// # Errors
    /// No run was begun, or the file cannot be written.
    pub fn cell_so_far(
        &mut self,
        header: &Header,
        cell: &Cell,
        curve: &[CurvePoint],
    ) -> Result<(), ReportError> {
        self.put(header, cell, curve, false)?;
        let (at, took) = self.rewritten;
        if at.elapsed() >= took * PAUSE { self.rewrite(false) } else { Ok(()) }
    }

    /// Takes a finished cell; when this returns, it is on the disk.
    ///
    /// # Errors
    /// No run was begun, or the file cannot be written.
    pub fn cell(&mut self, header: &Header, cell: &Cell, curve: &[CurvePoint]) -> Result<(), ReportError> {
        self.put(header, cell, curve, true)?;
        if !self.appendable {
            return self.rewrite(true);
        }
        let Some(row) = self.rows.iter().rfind(|row| row.done) else { return Ok(()) };
        let mut line = Vec::new();
        jsonl::line(&mut line, &row.flat)?;
        if let Err(error) = self.file.write_all(&line).and_then(|()| self.file.sync_data()) {
            // A full disk may have taken a part of the line.
            let _ = self.file.set_len(self.n_bytes);
            return Err(unwritable(&self.path, error));
        }
        self.n_bytes += line.len() as u64;
        Ok(())
    }

    /// Ends the file.
    ///
    /// # Errors
    /// The file cannot be written, or something that was observed could not.
    pub fn finish(mut self) -> Result<(), ReportError> {
        match self.failed.take() {
            Some(error) => Err(error),
            None if self.appendable => Ok(()),
            None => self.rewrite(true),
        }
    }

    /// Puts a row in its place: finished ones in the order in which they were finished, then the others.
    fn put(
        &mut self,
        header: &Header,
        cell: &Cell,
        curve: &[CurvePoint],
        done: bool,
    ) -> Result<(), ReportError> {
        let run = self.run.ok_or(ReportError::NotBegun)?;
        let mut flat = Flat::from((header, cell));
        flat.run = Some(run);
        if !self.pending.contains_key(&run) {
            // A resumed run repeats its curve, with its first cell.
            self.rows.iter_mut().filter(|row| row.run == run).for_each(|row| row.flat.curve.clear());
        }
        let pending = self.pending.entry(run).or_default();
        pending.extend_from_slice(curve);
        if done {
            flat.set_curve(&std::mem::take(pending));
        }
        if let Some(known) = self.rows.iter().position(|row| (row.run, row.test) == (run, cell.test)) {
            self.rows.remove(known);
            // The file has it, or a part of it, elsewhere.
            self.appendable = false;
        }
        self.appendable &= done;
        self.refresh(run, header)?;
        let row = Row { run, test: cell.test, flat, done };
        let n_done = self.rows.iter().take_while(|row| row.done).count();
        let place = if done { n_done } else { self.rows.len() };
        self.rows.insert(place, row);
        Ok(())
    }

    /// Gives the failed cells of a run that is tried again its new header: rows of one run agree.
    fn refresh(&mut self, run: u32, header: &Header) -> Result<(), ReportError> {
        let is_old = |row: &Row| {
            let flat = &row.flat;
            row.run == run
                && flat.outcome == Some(OutcomeKind::Failed)
                && (&flat.run_started_at, &flat.model_type)
                    != (&header.timing.started_at, &header.model.description)
        };
        for row in self.rows.iter_mut().filter(|row| is_old(row)) {
            let bad = |problem| ReportError::Field { place: Place::Row(1), problem };
            let Some(cell) = row.flat.cell().map_err(bad)? else { continue };
            row.flat = Flat::from((header, &cell));
            row.flat.run = Some(run);
            self.appendable = false;
        }
        Ok(())
    }

    fn rewrite(&mut self, durable: bool) -> Result<(), ReportError> {
        let start = Instant::now();
        let mut text = Vec::new();
        let mut pending = self.pending.clone();
        for row in &self.rows {
            let pending = if row.done { None } else { pending.remove(&row.run) };
            match pending.filter(|pending| !pending.is_empty()) {
                Some(pending) => {
                    let mut flat = row.flat.clone();
                    flat.set_curve(&pending);
                    jsonl::line(&mut text, &flat)?;
                }
                None => jsonl::line(&mut text, &row.flat)?,
            }
        }
        self.file = replace(&self.path, &text, durable).map_err(|e| unwritable(&self.path, e))?;
        self.n_bytes = text.len() as u64;
        self.appendable = self.rows.iter().all(|row| row.done);
        self.rewritten = (Instant::now(), start.elapsed());
        Ok(())
    }
}

/// Replaces a file as a whole and returns it, open at its end.
pub(crate) fn replace(path: &Path, text: &[u8], durable: bool) -> io::Result<File> {
    // Always the same name: what a killed process left under it is replaced the next time.
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".tmp");
    let temporary = path.with_file_name(name);
    let written =
        write_new(&temporary, text, durable).and_then(|file| fs::rename(&temporary, path).map(|()| file));
    if written.is_err() {
        // The file itself is as it was.
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn write_new(path: &Path, text: &[u8], durable: bool) -> io::Result<File> {
    let mut file = File::create(path)?;
    file.write_all(text)?;
    if durable {
        file.sync_data()?;
    }
    Ok(file)
}

/// The rows of a file, and the report that they make.
fn read(text: &str) -> Result<(Vec<Row>, Report), ReportError> {
    let mut assembler = Assembler::default();
    let mut rows = Vec::new();
    let mut lines = text.split_inclusive('\n').enumerate().peekable();
    while let Some((i, line)) = lines.next() {
        // A line that was cut off has no end, or blocks of zeros after a loss of power.
        let (line, is_last) = (decode::without_mark(line), lines.peek().is_none());
        let whole = line.ends_with('\n') || serde_json::from_str::<serde_json::Value>(line).is_ok();
        if line.trim().is_empty() || (is_last && !whole) {
            continue;
        }
        let (flat, run) = assembler.add_line(i, line.trim_end())?;
        if let (Some(test), Some(run)) = (flat.test(), run) {
            rows.push(Row { run: u32::try_from(run).unwrap_or(u32::MAX), test, flat, done: true });
        }
    }
    Ok((rows, assembler.finish().report))
}

fn unwritable(path: &Path, source: io::Error) -> ReportError {
    ReportError::Unwritable { path: path.to_owned(), source }
}
