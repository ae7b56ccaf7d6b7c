//! Where results go: standard output and, if asked for, a file. Every cell is written as it comes, and an output that
//! fails does not stop the other.

use std::{
    io::{self, IsTerminal, Stdout},
    path::Path,
};

use llama_bench_rs::{
    bench::Event,
    record::{Header, Report, Run},
    report::{self, FileSink, Format, Journal, ReportError, Sink, terminal},
};

use crate::{args::Args, print, values::OutputFormat};

/// As shells report a program that wrote to a pipe which nobody read any more.
const NOBODY_READS: u8 = 141;

/// The outputs, and whether each knows of the run that is going on.
pub struct Output<'a> {
    args: &'a Args,
    /// Rows on standard output as they come; `None` if there is a table at the end, or once it failed.
    rows: Option<Sink<Stdout>>,
    /// What standard output gets when all is measured.
    table_at_end: Option<OutputFormat>,
    /// `None` if none was asked for, or once it failed.
    file: Option<ResultFile>,
    begun: bool,
    /// What an earlier sweep left in the file, by run.
    earlier: std::vec::IntoIter<Run>,
    /// Kept whole for what reads better in one piece.
    whole: Report,
    /// Standard output has the beginning of what must be closed.
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
        let (rows, table_at_end) = match args.format {
            // One table over several configurations needs them all, to know which columns differ.
            OutputFormat::Rows(Format::Markdown) if n_runs > 1 => (None, Some(args.format)),
            OutputFormat::Terminal => (None, Some(args.format)),
            OutputFormat::Rows(format) => (Some(Sink::new(format, io::stdout())), None),
        };
        // What measures nothing must not touch a file with figures in it.
        let path = args.output.as_deref().filter(|_| !args.plan && !args.verify);
        let opened = path.map(|path| open_file(args, path)).transpose()?;
        let (file, earlier) = opened.map_or((None, Report::default()), |(file, found)| (Some(file), found));
        if earlier.runs.len() > n_runs {
            let n = earlier.runs.len();
            return Err(format!(
                "the file to go on with holds {n} configurations and {n_runs} are asked for: ask for the same, or \
                 write another file"
            ));
        }
        Ok(Self {
            args,
            rows,
            table_at_end,
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
                if let Some(rows) = &mut self.rows {
                    rows.curve(curve);
                }
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
        self.rows.is_some() || self.table_at_end.is_some() || self.file.is_some()
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

    /// Writes to standard output, which is given up when that fails.
    fn print(&mut self, write: impl FnOnce(&mut Sink<Stdout>) -> Result<(), ReportError>) {
        if let Some(rows) = &mut self.rows
            && let Err(error) = write(rows)
        {
            self.rows = None;
            self.lost(&error);
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

    /// Closes standard output of a sweep that cannot go on; the file is complete as it is.
    pub fn abandon(mut self) {
        if let Some(rows) = self.rows.take().filter(|_| self.has_printed)
            && let Err(error) = rows.finish()
        {
            self.lost(&error);
        }
        self.print_in_one_piece();
    }

    /// Writes what is written in one piece; returns everything that was measured, and an exit status if an output
    /// failed.
    pub fn finish(mut self) -> (Report, Option<u8>) {
        let is_unread = self.rows.is_none() && self.table_at_end.is_none() && self.file.is_none();
        let finished = self.file.take().map_or(Ok(()), |file| match file {
            ResultFile::Journal(journal) => journal.finish(),
            ResultFile::Sink(sink) => sink.finish(),
        });
        let printed = self.rows.take().map_or(Ok(()), |rows| rows.finish().map(drop));
        for error in [finished, printed].into_iter().filter_map(Result::err) {
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
        if self.whole.runs.is_empty() {
            return;
        }
        let expectations = &self.args.expect.expect;
        match self.table_at_end {
            Some(OutputFormat::Rows(format)) => {
                if let Err(error) = report::write(&self.whole, format, io::stdout()) {
                    self.lost(&error);
                }
            }
            Some(OutputFormat::Terminal) => {
                let text = terminal::render_with(&self.whole, expectations, terminal_style());
                print::out(format_args!("{text}"));
            }
            None => {}
        }
        if self.args.explain {
            say!("\n{}", report::explain_markdown(&self.whole, expectations).trim_end());
        }
    }
}

fn open_file(args: &Args, path: &Path) -> Result<(ResultFile, Report), String> {
    let format = format_of(path)?;
    if args.resume && format != Format::Jsonl {
        return Err(format!("{}: only a JSONL file can be gone on with (--resume)", path.display()));
    }
    // What is no ordinary file, such as a pipe, holds nothing that could be lost and cannot be replaced.
    let is_file = path.is_file();
    if is_file && !args.resume && !args.force && path.metadata().is_ok_and(|file| file.len() > 0) {
        return Err(format!(
            "{} is there and not empty: go on with it (--resume, of JSONL), replace it (--force) or name another file",
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

/// Colour where a person looks at a terminal and has not asked for none.
fn terminal_style() -> terminal::Style {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    terminal::Style {
        colour: io::stdout().is_terminal() && variable("NO_COLOR").is_none(),
        width: variable("COLUMNS").and_then(|columns| columns.parse().ok()).unwrap_or(100),
        unicode: true,
    }
}

/// The format that the extension names.
fn format_of(path: &Path) -> Result<Format, String> {
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    extension.parse::<Format>().map_err(|e| format!("{}: {e}", path.display()))
}
