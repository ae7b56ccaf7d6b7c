//! Where results go: standard output and, if asked for, standard error and a file. Every cell is written as it comes, and
//! an output that fails does not stop the others.

use std::{
    io::{self, Write},
    path::Path,
};

use llama_bench_rs::{
    bench::Event,
    record::{Header, Report, Run},
    report::{self, FileSink, Format, Journal, ReportError, Sink},
};

use crate::{
    args::Args,
    screen::{Screen, Stream},
    values::OutputFormat,
};

/// As shells report a program that wrote to a pipe which nobody read any more.
const NOBODY_READS: u8 = 141;

/// The outputs, and whether each knows of the run that is going on.
pub struct Output<'a> {
    args: &'a Args,
    /// The streams that results are printed on; one that fails is given up.
    screens: Vec<Screen>,
    /// Nothing was to be written anywhere: what is measured is judged alone.
    is_silent: bool,
    /// `None` if none was asked for, or once it failed.
    file: Option<ResultFile>,
    begun: bool,
    /// What an earlier sweep left in the file, by run.
    earlier: std::vec::IntoIter<Run>,
    /// Kept whole for what reads better in one piece.
    whole: Report,
    /// A stream has the beginning of what must be closed.
    has_printed: bool,
    failed: bool,
}

/// A file with results.
enum ResultFile {
    /// Can be taken up again.
    Journal(Journal),
    /// In any other format.
    Sink(FileSink),
}

impl<'a> Output<'a> {
    /// Opens the file before anything is measured; with `--resume`, one that an earlier sweep left is gone on with.
    pub fn open(args: &'a Args, n_runs: usize) -> Result<Self, String> {
        let streams = [(args.format, Stream::Out), (args.format_err, Stream::Err)];
        let screens: Vec<_> =
            streams.into_iter().filter_map(|(format, stream)| Screen::new(format, stream, n_runs)).collect();
        // What measures nothing must not touch a file with figures in it.
        let path = args.output.as_deref().filter(|_| !args.plan && !args.verify);
        let opened = path.map(|path| open_file(args, path)).transpose()?;
        let (file, earlier) = opened.map_or((None, Report::default()), |(file, found)| (Some(file), found));
        if earlier.runs.len() > n_runs {
            let n = earlier.runs.len();
            return Err(format!(
                "the file to resume from holds {n} configurations and {n_runs} are asked for: ask for the same, or \
                 write another file"
            ));
        }
        Ok(Self {
            args,
            is_silent: screens.is_empty() && file.is_none(),
            screens,
            file,
            begun: false,
            earlier: earlier.runs.into_iter(),
            whole: Report::default(),
            has_printed: false,
            failed: false,
        })
    }

    /// The next cell belongs to another run; returns what an earlier sweep measured of it.
    pub fn next_run(&mut self) -> Option<Run> {
        self.begun = false;
        if let Some(ResultFile::Journal(journal)) = &mut self.file {
            journal.begin();
        }
        self.earlier.next()
    }

    /// Writes what an event tells; whether there is still an output that takes it.
    pub fn event(&mut self, event: &Event<'_>) -> bool {
        match event {
            Event::CellDone { header, cell, curve } => {
                self.begin(header);
                self.print(|rows| {
                    rows.curve(curve);
                    rows.cell(header, cell)
                });
                self.keep(|file| match file {
                    ResultFile::Journal(journal) => journal.cell(header, cell, curve),
                    ResultFile::Sink(sink) => {
                        sink.curve(curve);
                        sink.cell(header, cell)
                    }
                });
            }
            Event::CellSoFar { header, cell, curve } => {
                // Only the journal writes it; the others get this part of the curve with the next cell.
                self.begin(header);
                self.print(|rows| {
                    rows.curve(curve);
                    Ok(())
                });
                self.keep(|file| match file {
                    ResultFile::Journal(journal) => journal.cell_so_far(header, cell, curve),
                    ResultFile::Sink(sink) => {
                        sink.curve(curve);
                        Ok(())
                    }
                });
            }
            _ => {}
        }
        !self.is_unread()
    }

    /// Nobody takes what is written any more.
    fn is_unread(&self) -> bool {
        self.screens.is_empty() && self.file.is_none() && !self.is_silent
    }

    fn begin(&mut self, header: &Header) {
        if !std::mem::replace(&mut self.begun, true) {
            self.has_printed = true;
            self.print(|rows| rows.begin(header));
            self.keep(|file| match file {
                ResultFile::Journal(_) => Ok(()),
                ResultFile::Sink(sink) => sink.begin(header),
            });
        }
    }

    /// Writes to each stream, which is given up when that fails.
    fn print(&mut self, write: impl Fn(&mut Sink<Box<dyn Write>>) -> Result<(), ReportError>) {
        for mut screen in std::mem::take(&mut self.screens) {
            match screen.write(&write) {
                Ok(()) => self.screens.push(screen),
                Err(error) => self.lost(&error),
            }
        }
    }

    /// Writes to the file, which is given up when that fails.
    fn keep(&mut self, write: impl FnOnce(&mut ResultFile) -> Result<(), ReportError>) {
        if let Some(file) = &mut self.file
            && let Err(error) = write(file)
        {
            self.file = None;
            self.lost(&error);
        }
    }

    /// Says why an output failed, unless its reader has simply seen enough.
    fn lost(&mut self, error: &ReportError) {
        if !matches!(error, ReportError::Write(error) if error.kind() == io::ErrorKind::BrokenPipe) {
            self.failed = true;
            match error {
                ReportError::Unwritable { .. } if self.screens.is_empty() => {
                    complain!("sweep: {error}; it holds the cells before: make room or name another file")
                }
                ReportError::Unwritable { .. } => complain!(
                    "sweep: {error}; it holds the cells before, and all are on standard output: make room or name \
                     another file"
                ),
                error => complain!("sweep: {error}"),
            }
        }
    }

    pub fn run_done(&mut self, report: Report) {
        self.whole.runs.extend(report.runs);
    }

    /// Whether an interrupted sweep can go on with the file.
    pub fn can_be_resumed(&self) -> bool {
        matches!(self.file, Some(ResultFile::Journal(_)))
    }

    /// Closes the streams of a sweep that cannot go on; the file is complete as it is.
    pub fn abandon(mut self) {
        // Of a sweep that ended before its first row, nothing has to be closed.
        if self.has_printed {
            self.print_in_one_piece();
        }
    }

    /// Writes what is written in one piece; returns everything that was measured, and an exit status if an output
    /// failed.
    pub fn finish(mut self) -> (Report, Option<u8>) {
        let is_unread = self.is_unread();
        let finished = self.file.take().map_or(Ok(()), |file| match file {
            ResultFile::Journal(journal) => journal.finish(),
            ResultFile::Sink(sink) => sink.finish(),
        });
        if let Err(error) = finished {
            self.lost(&error);
        }
        self.print_in_one_piece();
        let status = match (self.failed, is_unread) {
            (true, _) => Some(crate::SOME_FAILED),
            (false, true) => Some(NOBODY_READS),
            (false, false) => None,
        };
        (self.whole, status)
    }

    fn print_in_one_piece(&mut self) {
        let expectations = &self.args.expect.expect;
        for screen in std::mem::take(&mut self.screens) {
            if let Err(error) = screen.finish(&self.whole, expectations) {
                self.lost(&error);
            }
        }
        if self.args.explain && !self.whole.runs.is_empty() {
            say!("\n{}", report::explain_markdown(&self.whole, expectations).trim_end());
        }
    }
}

fn open_file(args: &Args, path: &Path) -> Result<(ResultFile, Report), String> {
    let format = format_of(path)?;
    if args.resume && format != Format::Jsonl {
        return Err(format!("{}: --resume works with JSONL files only; name a FILE.jsonl", path.display()));
    }
    // What is no ordinary file, such as a pipe, holds nothing that could be lost and cannot be replaced.
    let is_file = path.is_file();
    if is_file && !args.resume && !args.force && path.metadata().is_ok_and(|file| file.len() > 0) {
        return Err(format!(
            "{} holds results already: resume from it (--resume, JSONL only), replace it (--force) or name another file",
            path.display()
        ));
    }
    let named = |error: ReportError| match error {
        ReportError::Unwritable { .. } => error.to_string(),
        error => format!("{}: {error}", path.display()),
    };
    if format == Format::Jsonl && (is_file || !path.exists()) {
        let opened = if args.resume {
            Journal::take_up(path)
        } else {
            Journal::create(path).map(|journal| (journal, Report::default()))
        };
        return opened.map(|(journal, found)| (ResultFile::Journal(journal), found)).map_err(named);
    }
    let sink = FileSink::create(format, path).map_err(named)?;
    Ok((ResultFile::Sink(sink), Report::default()))
}

/// Prints beside a table for people on standard output; elsewhere scripts read that.
pub fn print_beside(format: OutputFormat, text: &str) {
    match format {
        OutputFormat::Rows(Format::Markdown) | OutputFormat::Terminal => say!("{text}"),
        _ => complain!("{}", text.trim_start()),
    }
}

/// The format that the extension names.
fn format_of(path: &Path) -> Result<Format, String> {
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    extension.parse::<Format>().map_err(|e| format!("{}: {e}", path.display()))
}
