//! Where results go: standard output and, if asked for, a file. An output that fails does not stop the other.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use llama_bench_rs::{
    report::{ReportError, terminal::Style},
    serve::{self, ServeJournal, ServeLines, ServeReport, ServeRun},
};

use crate::{SOME_FAILED, args::Args, form::Form, results_file};

/// The status that shells report for a program that wrote to a closed pipe.
const NOBODY_READS: u8 = 141;

/// Time between two rewrites of a file, as a multiple of what a rewrite takes: they cost at most a twentieth of the run.
const PAUSE: u32 = 20;

pub struct Output<'a> {
    args: &'a Args,
    /// Records on standard output, each as it comes; `None` in the other formats, or once it failed.
    lines: Option<ServeLines>,
    /// `None` if none was asked for, or once it failed.
    file: Option<ResultFile>,
    /// Everything so far.
    report: ServeReport,
    earlier: ServeReport,
    /// Nobody reads standard output any more.
    is_closed: bool,
    failed: bool,
}

/// A file with results.
enum ResultFile {
    /// Can be resumed.
    Journal(ServeJournal),
    /// Replaced as a whole now and then.
    Whole { path: PathBuf, form: Form, written: Option<(Instant, Duration)> },
}

impl<'a> Output<'a> {
    /// Opens the file before anything is served; `--resume` continues one that an earlier process left.
    pub fn open(args: &'a Args) -> Result<Self, String> {
        let opened = args.output.as_deref().map(|path| open_file(args, path)).transpose()?;
        let (file, earlier) =
            opened.map_or((None, ServeReport::default()), |(file, found)| (Some(file), found));
        let lines = (args.format == Form::Jsonl).then(ServeLines::default);
        let report = ServeReport::default();
        Ok(Self { args, lines, file, report, earlier, is_closed: false, failed: false })
    }

    /// What an earlier process served and left in the file.
    pub fn earlier(&mut self) -> ServeReport {
        std::mem::take(&mut self.earlier)
    }

    /// Runs so far.
    pub fn n_runs(&self) -> usize {
        self.report.runs.len()
    }

    /// Takes a run as it stands, by its place in the report; returns whether an output is left. The file comes first: it
    /// then has everything that was printed, even if the process is killed.
    pub fn update(&mut self, index: usize, run: &ServeRun) -> bool {
        if index < self.report.runs.len() {
            self.report.runs[index] = run.clone();
        } else if index == self.report.runs.len() {
            self.report.runs.push(run.clone());
        } else {
            // The runs before it come first; the next event has all of this one.
            return true;
        }
        if let Some(file) = &mut self.file
            && let Err(error) = file.update(index, run, &self.report)
        {
            self.file = None;
            self.lost(&error);
        }
        if let Some(lines) = &mut self.lines {
            let written = lines.news(index, run).and_then(|text| print(&text));
            if let Err(error) = written {
                self.lines = None;
                self.is_closed = true;
                self.lost(&error);
            }
        }
        !self.is_unread()
    }

    /// Nobody takes what is written any more.
    fn is_unread(&self) -> bool {
        self.is_closed && self.file.is_none()
    }

    /// Whether an interrupted run can be resumed from the file.
    pub fn can_be_resumed(&self) -> bool {
        matches!(self.file, Some(ResultFile::Journal(_)))
    }

    /// Ends the file of a run that cannot continue with what was served.
    pub fn abandon(&mut self) {
        let report = std::mem::take(&mut self.report);
        self.finish_file(&report);
    }

    /// Writes what is written in one piece; an exit status if an output failed.
    pub fn finish(mut self, report: &ServeReport) -> Option<u8> {
        for (index, run) in report.runs.iter().enumerate() {
            self.update(index, run);
        }
        self.finish_file(report);
        let text = match self.args.format {
            Form::Markdown => Ok(serve::to_markdown(report)),
            Form::Terminal => Ok(serve::terminal::render(report, Style::of(&io::stdout()))),
            Form::Json => serve::to_json(report).map(|json| json + "\n"),
            Form::Csv => serve::to_csv(report),
            Form::Jsonl | Form::Nothing => Ok(String::new()),
        };
        if let Err(error) = text.and_then(|text| print(text.as_bytes())) {
            self.is_closed = true;
            self.lost(&error);
        }
        match (self.failed, self.is_closed && self.args.output.is_none()) {
            (true, _) => Some(SOME_FAILED),
            (false, true) => Some(NOBODY_READS),
            (false, false) => None,
        }
    }

    fn finish_file(&mut self, report: &ServeReport) {
        if let Some(ResultFile::Whole { path, form, .. }) = &self.file
            && let Err(error) = write_whole(path, *form, report)
        {
            self.file = None;
            self.lost(&error);
        }
    }

    /// Says why an output failed, unless its reader has simply seen enough.
    fn lost(&mut self, error: &ReportError) {
        if matches!(error, ReportError::Write(error) if error.kind() == io::ErrorKind::BrokenPipe) {
            return;
        }
        self.failed = true;
        match error {
            ReportError::Unwritable { .. } => {
                complain!(
                    "serve_bench: {error}; it holds what was served before: make room or name another file"
                );
            }
            error => complain!("serve_bench: {error}"),
        }
    }
}

impl ResultFile {
    fn update(&mut self, index: usize, run: &ServeRun, report: &ServeReport) -> Result<(), ReportError> {
        match self {
            Self::Journal(journal) => journal.keep(index, run),
            // A pipe or another special file is written once, at the end.
            Self::Whole { path, .. } if path.exists() && !path.is_file() => Ok(()),
            Self::Whole { path, form, written } => {
                let now = Instant::now();
                if written.is_some_and(|(at, took)| at.elapsed() < took * PAUSE) {
                    return Ok(());
                }
                write_whole(path, *form, report)?;
                *written = Some((Instant::now(), now.elapsed()));
                Ok(())
            }
        }
    }
}

fn print(text: &[u8]) -> Result<(), ReportError> {
    let mut out = io::stdout().lock();
    out.write_all(text).and_then(|()| out.flush()).map_err(ReportError::Write)
}

/// Replaces a file by a whole report; a file that exists is never seen half written.
fn write_whole(path: &Path, form: Form, report: &ServeReport) -> Result<(), ReportError> {
    let text = match form {
        Form::Json => serve::to_json(report)? + "\n",
        Form::Csv => serve::to_csv(report)?,
        _ => serve::to_markdown(report),
    };
    let unwritable = |source| ReportError::Unwritable { path: path.to_owned(), source };
    if path.exists() && !path.is_file() {
        return fs::write(path, text).map_err(unwritable);
    }
    serve::replace_file(path, text.as_bytes()).map_err(unwritable)
}

fn open_file(args: &Args, path: &Path) -> Result<(ResultFile, ServeReport), String> {
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    let Ok(form @ (Form::Jsonl | Form::Json | Form::Csv | Form::Markdown)) = extension.parse() else {
        return Err(format!("{}: no extension names a format: use jsonl, json, csv or md", path.display()));
    };
    results_file::check(path, form == Form::Jsonl, args.resume, args.force)?;
    let named = |error: ReportError| results_file::named(path, &error);
    if form == Form::Jsonl {
        let opened = if args.resume {
            ServeJournal::resume(path)
        } else {
            ServeJournal::create(path).map(|journal| (journal, ServeReport::default()))
        };
        return opened.map(|(journal, found)| (ResultFile::Journal(journal), found)).map_err(named);
    }
    // Found now, not after an hour.
    fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .map_err(|source| named(ReportError::Unwritable { path: path.to_owned(), source }))?;
    Ok((ResultFile::Whole { path: path.to_owned(), form, written: None }, ServeReport::default()))
}
