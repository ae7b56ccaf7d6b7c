//! Where results go: standard output and, if asked for, a file. Every cell is written as it comes.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
};

use llama_bench_rs::{
    Error,
    bench::Event,
    record::Report,
    report::{self, Format, Sink},
};

/// The sinks, and whether each knows of the run that is going on.
pub struct Output {
    sinks: Vec<Sink<Box<dyn Write>>>,
    begun: bool,
    /// Kept whole where a format reads better in one piece.
    at_end: Option<(Format, Report)>,
}

impl Output {
    /// Opens the file before anything is measured.
    pub fn open(format: Format, n_runs: usize, file: Option<&Path>) -> Result<Self, String> {
        let mut sinks = Vec::new();
        // One table over several configurations needs them all, to know which columns differ.
        let at_end = (format == Format::Markdown && n_runs > 1).then(|| (format, Report::default()));
        if at_end.is_none() {
            sinks.push(Sink::new(format, Box::new(io::stdout()) as Box<dyn Write>));
        }
        if let Some(path) = file {
            let extension = path.extension().unwrap_or_default().to_string_lossy();
            let format = extension.parse::<Format>().map_err(|e| format!("{}: {e}", path.display()))?;
            let file = File::create(path).map_err(|e| format!("cannot write {}: {e}", path.display()))?;
            sinks.push(Sink::new(format, Box::new(BufWriter::new(file))));
        }
        Ok(Self { sinks, begun: false, at_end })
    }

    /// The next cell belongs to another run.
    pub fn next_run(&mut self) {
        self.begun = false;
    }

    pub fn event(&mut self, event: &Event<'_>) -> Result<(), Error> {
        let Event::CellDone { header, cell, curve } = event else { return Ok(()) };
        for sink in &mut self.sinks {
            if !self.begun {
                sink.begin(header)?;
            }
            sink.curve(curve);
            sink.cell(header, cell)?;
        }
        self.begun = true;
        Ok(())
    }

    pub fn run_done(&mut self, report: Report) {
        if let Some((_, whole)) = &mut self.at_end {
            whole.runs.extend(report.runs);
        }
    }

    pub fn finish(self) -> Result<(), Error> {
        for sink in self.sinks {
            sink.finish()?;
        }
        if let Some((format, report)) = self.at_end {
            report::write(&report, format, io::stdout())?;
        }
        Ok(())
    }
}
