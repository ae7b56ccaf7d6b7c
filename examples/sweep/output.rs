//! Where results go: standard output and, if asked for, standard error and a file. Every cell is written as it comes, and
//! an output that fails does not stop the others.

use std::{
    io::{self, Write},
    path::Path,
};

use llama_bench_rs::{
    bench::Event,
    cli::OutputFormat,
    record::{Cell, CurvePoint, Header, Report},
    report::{self, FileSink, Format, Journal, ReportError, Sink},
};

use crate::{
    args::Args,
    pages::Beside,
    results_file,
    screen::{Screen, Stream},
};

/// The status that shells report for a program that wrote to a closed pipe.
const NOBODY_READS: u8 = 141;

/// The outputs, and the run of the next cells.
pub struct Output<'a> {
    args: &'a Args,
    /// The streams that results are printed on; one that fails is given up.
    screens: Vec<Screen>,
    /// There is no output: what is measured is only judged.
    is_silent: bool,
    /// `None` if none was asked for, or once it failed.
    file: Option<ResultFile>,
    /// The run that cells belong to.
    run: u32,
    /// What an earlier sweep left in the file.
    earlier: Report,
    /// Kept whole for what reads better in one piece.
    whole: Report,
    /// A stream has the beginning of what must be closed.
    has_printed: bool,
    failed: bool,
}

/// A file with results.
enum ResultFile {
    /// Can be resumed.
    Journal(Journal),
    /// In any other format.
    Sink(FileSink),
}

impl<'a> Output<'a> {
    /// Opens the file before anything is measured; `--resume` continues one that an earlier sweep left.
    pub fn open(args: &'a Args) -> Result<Self, String> {
        let streams = [(args.out.format, Stream::Out), (args.out.format_err, Stream::Err)];
        let screens: Vec<_> = streams
            .into_iter()
            .filter_map(|(format, stream)| Screen::new(format, stream, args.shown()))
            .collect();
        // A command that measures nothing must not touch a file with figures.
        let path = args.out.output.as_deref().filter(|_| !args.plan && !args.verify);
        let opened = path.map(|path| open_file(args, path)).transpose()?;
        let (file, earlier) = opened.map_or((None, Report::default()), |(file, found)| (Some(file), found));
        Ok(Self {
            args,
            is_silent: screens.is_empty() && file.is_none(),
            screens,
            file,
            run: 0,
            earlier,
            whole: Report::default(),
            has_printed: false,
            failed: false,
        })
    }

    /// What an earlier sweep measured and left in the file.
    pub fn earlier(&mut self) -> Report {
        std::mem::take(&mut self.earlier)
    }

    /// Writes the rows of an event; returns whether an output is left. The journal comes first: it then has every row that
    /// was printed, even if the process is killed.
    pub fn event(&mut self, event: &Event<'_>) -> bool {
        self.keep(|file| match file {
            ResultFile::Journal(journal) => journal.event(event),
            ResultFile::Sink(_) => Ok(()),
        });
        match *event {
            Event::Campaign(configurations) => {
                let headers: Vec<&Header> = configurations.iter().map(|one| &one.header).collect();
                self.print(|rows| {
                    rows.announce(&headers);
                    Ok(())
                });
                if let Some(ResultFile::Sink(sink)) = &mut self.file {
                    sink.announce(&headers);
                }
            }
            // As in the report: the first run of each configuration, then the second of each.
            Event::Configuration { index, n, run, .. } => self.run = run * n as u32 + index as u32,
            Event::CellDone { header, cell, curve } => self.rows(header, Some(cell), curve),
            // The next cell's row has this part of the curve.
            Event::CellSoFar { header, curve, .. } => self.rows(header, None, curve),
            _ => {}
        }
        !self.is_unread()
    }

    /// Writes a cell, if there is one, and the chunks of the fill before it, to everything but a journal.
    fn rows(&mut self, header: &Header, cell: Option<&Cell>, curve: &[CurvePoint]) {
        let run = self.run;
        self.has_printed = true;
        self.print(|rows| {
            rows.turn_to(run, header)?;
            rows.curve(curve);
            cell.map_or(Ok(()), |cell| rows.cell(header, cell))
        });
        self.keep(|file| match file {
            ResultFile::Journal(_) => Ok(()),
            ResultFile::Sink(sink) => {
                sink.turn_to(run, header)?;
                sink.curve(curve);
                cell.map_or(Ok(()), |cell| sink.cell(header, cell))
            }
        });
    }

    /// Nobody takes what is written any more.
    fn is_unread(&self) -> bool {
        self.screens.is_empty() && self.file.is_none() && !self.is_silent
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
                    complain!("sweep: {error}; it holds the cells before: make room or name another file");
                }
                ReportError::Unwritable { .. } => complain!(
                    "sweep: {error}; it holds the cells before, and all are on standard output: make room or name \
                     another file"
                ),
                error => complain!("sweep: {error}"),
            }
        }
    }

    /// Adds to what is written in one piece.
    pub fn add(&mut self, report: Report) {
        self.whole.runs.extend(report.runs);
    }

    /// Whether an interrupted sweep can be resumed from the file.
    pub fn can_be_resumed(&self) -> bool {
        matches!(self.file, Some(ResultFile::Journal(_)))
    }

    /// Closes the streams of a sweep that cannot continue; the file is complete as it is.
    pub fn abandon(mut self) {
        // A sweep that ended before its first row has nothing to close.
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
            if let Err(error) = screen.finish(&self.whole, expectations, self.args.stat) {
                self.lost(&error);
            }
        }
        if self.args.explain && !self.whole.runs.is_empty() {
            say!("\n{}", report::explain_markdown_with(&self.whole, expectations, self.args.stat).trim_end());
        }
    }
}

fn open_file(args: &Args, path: &Path) -> Result<(ResultFile, Report), String> {
    let format = format_of(path)?;
    let is_file = results_file::check(path, format == Format::Jsonl, args.resume, args.force)?;
    let named = |error: ReportError| results_file::named(path, &error);
    if format == Format::Jsonl && (is_file || !path.exists()) {
        let opened = if args.resume {
            Journal::resume(path)
        } else {
            Journal::create(path).map(|journal| (journal, Report::default()))
        };
        return opened.map(|(journal, found)| (ResultFile::Journal(journal), found)).map_err(named);
    }
    let mut sink = FileSink::create(format, path).map_err(named)?;
    sink.show(args.shown());
    Ok((ResultFile::Sink(sink), Report::default()))
}

/// What is written besides pages and pictures.
pub fn beside(args: &Args) -> Beside<'_> {
    let on_stdout = match (args.explain, args.out.format) {
        (true, _) => Some("leave out --explain"),
        (false, OutputFormat::Nothing) => None,
        (false, _) => Some("add -o none"),
    };
    Beside { on_stdout, files: args.out.output.as_slice(), replaces: args.force || args.resume }
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
