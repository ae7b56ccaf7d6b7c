//! Where results go: standard output and, if asked for, a file. Every cell is written as it comes.

use std::{
    fs::File,
    io::{self, BufWriter, IsTerminal, Write},
    path::Path,
};

use llama_bench_rs::{
    Error,
    bench::Event,
    record::{Header, Report, Run},
    report::{self, Format, Journal, ReportError, Sink, terminal},
};

use crate::{args::Args, values::OutputFormat};

#[derive(Clone, Copy)]
enum Stream {
    Out,
    Err,
}

impl Stream {
    fn open(self) -> Box<dyn Write> {
        match self {
            Stream::Out => Box::new(io::stdout()),
            Stream::Err => Box::new(io::stderr()),
        }
    }
}

/// The sinks, and whether each knows of the run that is going on.
pub struct Output {
    sinks: Vec<Sink<Box<dyn Write>>>,
    /// The file, if its format can be taken up again.
    journal: Option<Journal>,
    begun: bool,
    /// What an earlier sweep left in the file, by run.
    earlier: std::vec::IntoIter<Run>,
    /// Kept whole for what reads better in one piece.
    whole: Report,
    /// What standard output and standard error get when all is measured.
    tables_at_end: Vec<(OutputFormat, Stream)>,
}

impl Output {
    /// Opens the file before anything is measured; with `resume`, one that an earlier sweep left is gone on with.
    pub fn open(args: &Args, n_runs: usize) -> Result<Self, String> {
        let mut sinks = Vec::new();
        let mut tables_at_end = Vec::new();
        for (format, stream) in [(args.format, Stream::Out), (args.format_err, Stream::Err)] {
            match format {
                // One table over several configurations needs them all, to know which columns differ.
                OutputFormat::Rows(Format::Markdown) if n_runs > 1 => tables_at_end.push((format, stream)),
                OutputFormat::Terminal => tables_at_end.push((format, stream)),
                OutputFormat::Rows(format) => sinks.push(Sink::new(format, stream.open())),
                OutputFormat::Nothing => {}
            }
        }
        let resume = args.resume;
        // What measures nothing must not touch a file with figures in it.
        let file = args.output.as_deref().filter(|_| !args.plan && !args.verify);
        let (mut journal, mut earlier) = (None, Report::default());
        if let Some(path) = file {
            let format = format_of(path)?;
            if resume && format != Format::Jsonl {
                return Err(format!("{}: only a JSONL file can be gone on with (--resume)", path.display()));
            }
            // What is no ordinary file, such as a pipe, cannot be replaced.
            if format == Format::Jsonl && (path.is_file() || !path.exists()) {
                let opened = match resume {
                    true => Journal::take_up(path),
                    false => Journal::create(path).map(|journal| (journal, Report::default())),
                };
                let (opened, found) = opened.map_err(|e| format!("{}: {e}", path.display()))?;
                (journal, earlier) = (Some(opened), found);
            } else {
                let file = File::create(path).map_err(|e| format!("cannot write {}: {e}", path.display()))?;
                sinks.push(Sink::new(format, Box::new(BufWriter::new(file))));
            }
        }
        if earlier.runs.len() > n_runs {
            let n = earlier.runs.len();
            return Err(format!(
                "the file to go on with holds {n} configurations and {n_runs} are asked for: ask for the same, or \
                 write another file"
            ));
        }
        Ok(Self {
            sinks,
            journal,
            begun: false,
            earlier: earlier.runs.into_iter(),
            whole: Report::default(),
            tables_at_end,
        })
    }

    /// The next cell belongs to another run; returns what an earlier sweep measured of it.
    pub fn next_run(&mut self) -> Option<Run> {
        self.begun = false;
        if let Some(journal) = &mut self.journal {
            journal.begin();
        }
        self.earlier.next()
    }

    pub fn event(&mut self, event: &Event<'_>) -> Result<(), Error> {
        match event {
            Event::CellDone { header, cell, curve } => {
                self.begin(header)?;
                for sink in &mut self.sinks {
                    sink.curve(curve);
                    sink.cell(header, cell)?;
                }
                if let Some(journal) = &mut self.journal {
                    journal.cell(header, cell, curve)?;
                }
            }
            Event::CellSoFar { header, cell, curve } => {
                // Only the journal writes it; the others get this part of the curve with the next cell.
                self.begin(header)?;
                self.sinks.iter_mut().for_each(|sink| sink.curve(curve));
                if let Some(journal) = &mut self.journal {
                    journal.cell_so_far(header, cell, curve)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, header: &Header) -> Result<(), Error> {
        if !std::mem::replace(&mut self.begun, true) {
            for sink in &mut self.sinks {
                sink.begin(header)?;
            }
        }
        Ok(())
    }

    pub fn run_done(&mut self, report: Report) {
        self.whole.runs.extend(report.runs);
    }

    /// Writes what is written in one piece; returns everything that was measured.
    pub fn finish(self, args: &Args) -> Result<Report, Error> {
        for sink in self.sinks {
            sink.finish()?;
        }
        if let Some(journal) = self.journal {
            journal.finish()?;
        }
        let (report, mut out) = (self.whole, io::stdout());
        let expectations = &args.expect.expect;
        for (format, stream) in self.tables_at_end {
            let mut stream = stream.open();
            match format {
                OutputFormat::Rows(format) => report::write(&report, format, stream)?,
                OutputFormat::Terminal => {
                    let text = terminal::render_with(&report, expectations, terminal_style());
                    stream.write_all(text.as_bytes()).map_err(ReportError::Write)?;
                }
                OutputFormat::Nothing => {}
            }
        }
        if args.explain {
            let text = report::explain_markdown(&report, expectations);
            write!(out, "\n{text}").map_err(ReportError::Write)?;
        }
        Ok(report)
    }
}

/// Prints beside a table for people on standard output; elsewhere scripts read that.
pub fn print_beside(format: OutputFormat, text: &str) {
    match format {
        OutputFormat::Rows(Format::Markdown) | OutputFormat::Terminal => println!("{text}"),
        _ => eprintln!("{}", text.trim_start()),
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
