//! A JSONL file that is complete at any moment: serving can be killed and resumed.

use std::{
    borrow::Cow,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::{
    ServeReport, ServeRun,
    files::{self, Line, NOT_TEXT},
};
use crate::report::{ReportError, decode, replace_file};

/// The records of a report as they come, each once: what [`ServeJournal`] appends to a file, for a pipe.
#[derive(Debug, Default)]
pub struct ServeLines {
    kept: ServeReport,
}

impl ServeLines {
    /// The lines of what is new of a run as it stands, by its place in the report. Runs come in the order of their places.
    ///
    /// # Errors
    /// The run cannot be encoded as JSON.
    pub fn news(&mut self, index: usize, run: &ServeRun) -> Result<Vec<u8>, ReportError> {
        let text = self.lines(index, run)?;
        if !text.is_empty() {
            self.take(index, run);
        }
        Ok(text)
    }

    fn take(&mut self, index: usize, run: &ServeRun) {
        match self.kept.runs.get_mut(index) {
            Some(known) => *known = run.clone(),
            None => self.kept.runs.push(run.clone()),
        }
    }

    fn lines(&self, index: usize, run: &ServeRun) -> Result<Vec<u8>, ReportError> {
        let (mut text, known) = (Vec::new(), self.kept.runs.get(index));
        let is_same = |known: &ServeRun| {
            (&known.name, &known.header, &known.settings) == (&run.name, &run.header, &run.settings)
        };
        if !known.is_some_and(is_same) {
            Line::of_run(index, run).write(&mut text)?;
        }
        for load in &run.loads {
            let known = known.and_then(|known| known.load(&load.arrivals));
            let is_same = known.is_some_and(|known| {
                (known.n_slots, known.n_ctx_slot) == (load.n_slots, load.n_ctx_slot)
                    && (&known.resolved, &known.failure) == (&load.resolved, &load.failure)
            });
            if !is_same {
                Line::of_load(index, load).write(&mut text)?;
            }
            let is_kept = |one| known.is_some_and(|known| known.repetitions.contains(one));
            for repetition in load.repetitions.iter().filter(|one| !is_kept(one)) {
                Line::of_repetition(index, load, repetition).write(&mut text)?;
            }
        }
        match &run.capacity {
            Some(capacity) if known.and_then(|known| known.capacity.as_ref()) != Some(capacity) => {
                Line::Capacity { run: index, capacity: Cow::Borrowed(capacity) }.write(&mut text)?;
            }
            _ => {}
        }
        Ok(text)
    }
}

/// Writes a report to a JSONL file while it is being measured, and resumes one that an earlier process left.
///
/// [`keep`](Self::keep) appends what is new of a run and flushes it to the disk: the end of the process costs at most
/// the repetition that it interrupts.
#[derive(Debug)]
pub struct ServeJournal {
    path: PathBuf,
    file: File,
    /// Bytes of the file.
    n_bytes: u64,
    /// What the file holds.
    kept: ServeLines,
}

impl ServeJournal {
    /// Begins an empty file in place of any that is there.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, ReportError> {
        let path = path.as_ref();
        let file = File::create(path).map_err(|e| unwritable(path, e))?;
        Self::new(path, file, 0, ServeReport::default())
    }

    fn new(path: &Path, file: File, n_bytes: u64, kept: ServeReport) -> Result<Self, ReportError> {
        // A rename must replace the file itself, not a link to it.
        let path = path.canonicalize().map_err(|e| unwritable(path, e))?;
        Ok(Self { path, file, n_bytes, kept: ServeLines { kept } })
    }

    /// Resumes a file and returns its content: nothing if it does not exist or is empty. A last line that was cut off
    /// when a process ended is dropped.
    ///
    /// # Errors
    /// The file cannot be read or written, is not a JSONL file of serving, or is damaged elsewhere than in its last line.
    pub fn resume(path: impl AsRef<Path>) -> Result<(Self, ServeReport), ReportError> {
        let path = path.as_ref();
        if !path.exists() {
            return Ok((Self::create(path)?, ServeReport::default()));
        }
        let bytes = fs::read(path).map_err(|source| ReportError::Read { path: path.to_owned(), source })?;
        let n_in_file = bytes.len();
        let text = decode::text(bytes).ok_or(NOT_TEXT)?;
        if !text.trim().is_empty() && !files::is_serving(&text) {
            return Err(ReportError::Unrecognised {
                found: "this is not a result of serving",
                hint: "; a sweep resumes its own files",
            });
        }
        let (kept, n_whole) = files::lines(&text)?;
        let is_plain = n_whole == n_in_file && (n_whole == 0 || text.ends_with('\n'));
        let mut journal = Self::new(path, open(path)?, n_whole as u64, kept.clone())?;
        if !is_plain {
            // A part of a line, or text as an editor of Windows leaves it.
            journal.rewrite()?;
        }
        Ok((journal, kept))
    }

    /// Takes a run as it stands, by its place in the report; when this returns, it is on the disk. What the file holds
    /// already is not written again.
    ///
    /// # Errors
    /// The file cannot be written; it then ends after the line before.
    pub fn keep(&mut self, index: usize, run: &ServeRun) -> Result<(), ReportError> {
        let text = self.kept.lines(index, run)?;
        if text.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.file.write_all(&text).and_then(|()| self.file.sync_data()) {
            // A full disk may have taken a part of the line.
            let _ = self.file.set_len(self.n_bytes);
            return Err(unwritable(&self.path, error));
        }
        self.n_bytes += text.len() as u64;
        self.kept.take(index, run);
        Ok(())
    }

    /// Replaces the file by what it holds, through a temporary one.
    fn rewrite(&mut self) -> Result<(), ReportError> {
        let mut text = Vec::new();
        files::write_jsonl(&self.kept.kept, &mut text)?;
        self.file = replace_file(&self.path, &text, true).map_err(|e| unwritable(&self.path, e))?;
        self.n_bytes = text.len() as u64;
        Ok(())
    }
}

fn open(path: &Path) -> Result<File, ReportError> {
    OpenOptions::new().append(true).open(path).map_err(|e| unwritable(path, e))
}

fn unwritable(path: &Path, source: io::Error) -> ReportError {
    ReportError::Unwritable { path: path.to_owned(), source }
}
