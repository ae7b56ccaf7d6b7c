//! A file in any format that can be read whenever the process ends.

use std::{
    fs::File,
    io::{self, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use super::{Format, ReportError, Shown, Sink};
use crate::record::{Cell, CurvePoint, Header};

/// Writes a report to a file while it is being measured. After every cell the file is complete, whatever ends the
/// process: the closing text of the format, such as JSON's bracket, is written each time and overwritten by the next
/// cell. Only a kill within the microseconds in which the kernel copies a row can cut it. What is not an ordinary file, such as a pipe, gets the closing text at the end.
#[must_use = "nothing is written before a run is begun"]
pub struct FileSink {
    sink: Sink<Vec<u8>>,
    file: File,
    path: PathBuf,
    /// Bytes before the closing text; `None` if the output cannot seek.
    end: Option<u64>,
    /// The closing text that was written.
    closing: Vec<u8>,
}

impl FileSink {
    /// Begins an empty file in place of any that is there.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn create(format: Format, path: impl AsRef<Path>) -> Result<Self, ReportError> {
        let path = path.as_ref().to_owned();
        let unwritable = |source| ReportError::Unwritable { path: path.clone(), source };
        let file = File::create(&path).map_err(unwritable)?;
        let is_file = file.metadata().map_err(unwritable)?.is_file();
        let sink = Sink::new(format, Vec::new());
        Ok(Self { sink, file, path, end: is_file.then_some(0), closing: Vec::new() })
    }

    /// Announces the runs to come: see [`Sink::announce`].
    pub fn announce(&mut self, headers: &[&Header]) {
        self.sink.announce(headers);
    }

    /// Shows another statistic than the mean: see [`Sink::show`].
    pub fn show(&mut self, shown: impl Into<Shown>) {
        self.sink.show(shown);
    }

    /// Begins a run.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn begin(&mut self, header: &Header) -> Result<(), ReportError> {
        self.sink.begin(header)?;
        self.write(false)
    }

    /// Lets the cells that follow be of this run: see [`Sink::turn_to`].
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn turn_to(&mut self, run: u32, header: &Header) -> Result<(), ReportError> {
        self.sink.turn_to(run, header)?;
        if self.sink.is_empty() { Ok(()) } else { self.write(false) }
    }

    /// Adds chunks of the fill of the run, timed since its cell before; its next cell's row carries them.
    pub fn curve(&mut self, points: &[CurvePoint]) {
        self.sink.curve(points);
    }

    /// Writes one cell of the run.
    ///
    /// # Errors
    /// No run was begun, or the file cannot be written; it then ends after the cell before.
    pub fn cell(&mut self, header: &Header, cell: &Cell) -> Result<(), ReportError> {
        self.sink.cell(header, cell)?;
        self.write(false)
    }

    /// Ends the file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn finish(mut self) -> Result<(), ReportError> {
        self.write(true)
    }

    /// Writes what the sink has collected and the closing text after it.
    fn write(&mut self, is_last: bool) -> Result<(), ReportError> {
        let unwritable = |source| ReportError::Unwritable { path: self.path.clone(), source };
        let mut bytes = self.sink.take();
        let Some(end) = self.end else {
            if is_last {
                bytes.extend(self.sink.closing()?);
            }
            return self.file.write_all(&bytes).map_err(unwritable);
        };
        let n_new = bytes.len() as u64;
        let closing = self.sink.closing()?;
        bytes.extend_from_slice(&closing);
        if let Err(error) = put(&mut self.file, end, &bytes) {
            // Without the part of a row that went in there is room again for what stood there.
            let _ = self.file.set_len(end).and_then(|()| put(&mut self.file, end, &self.closing));
            return Err(unwritable(error));
        }
        (self.end, self.closing) = (Some(end + n_new), closing);
        Ok(())
    }
}

/// Writes at this position and ends the file there.
fn put(file: &mut File, at: u64, bytes: &[u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(at))?;
    file.write_all(bytes)?;
    file.set_len(at + bytes.len() as u64)
}
