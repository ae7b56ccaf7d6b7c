//! Standard output or standard error, as far as results are printed there.

use std::io::{self, IsTerminal, Write};

use llama_bench_rs::{
    cli::OutputFormat,
    record::Report,
    report::{self, Format, ReportError, Sink, insights::Expectation, terminal},
};

#[derive(Clone, Copy)]
pub enum Stream {
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

/// A stream with the format that results have there.
pub enum Screen {
    /// Rows as they come.
    Rows(Sink<Box<dyn Write>>),
    /// One piece when all is measured.
    AtEnd(OutputFormat, Stream),
}

impl Screen {
    /// `None` if nothing is to be printed there.
    pub fn new(format: OutputFormat, stream: Stream, n_runs: usize) -> Option<Self> {
        match format {
            // One table over several configurations needs them all, to know which columns differ.
            OutputFormat::Rows(Format::Markdown) if n_runs > 1 => Some(Self::AtEnd(format, stream)),
            OutputFormat::Terminal => Some(Self::AtEnd(format, stream)),
            OutputFormat::Rows(format) => Some(Self::Rows(Sink::new(format, stream.open()))),
            OutputFormat::Nothing => None,
        }
    }

    /// Writes to the rows, if there are rows as they come.
    pub fn write(
        &mut self,
        write: impl FnOnce(&mut Sink<Box<dyn Write>>) -> Result<(), ReportError>,
    ) -> Result<(), ReportError> {
        match self {
            Self::Rows(rows) => write(rows),
            Self::AtEnd(..) => Ok(()),
        }
    }

    /// Closes the rows, or prints everything.
    pub fn finish(self, whole: &Report, expectations: &[Expectation]) -> Result<(), ReportError> {
        match self {
            Self::Rows(rows) => rows.finish().map(drop),
            Self::AtEnd(..) if whole.runs.is_empty() => Ok(()),
            Self::AtEnd(OutputFormat::Rows(format), stream) => report::write(whole, format, stream.open()),
            Self::AtEnd(_, stream) => {
                let text = terminal::render_with(whole, expectations, style(stream));
                stream.open().write_all(text.as_bytes()).map_err(ReportError::Write)
            }
        }
    }
}

/// Colour where a person looks at a terminal and has not asked for none.
fn style(stream: Stream) -> terminal::Style {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let is_terminal = match stream {
        Stream::Out => io::stdout().is_terminal(),
        Stream::Err => io::stderr().is_terminal(),
    };
    terminal::Style {
        colour: is_terminal && variable("NO_COLOR").is_none(),
        width: variable("COLUMNS").and_then(|columns| columns.parse().ok()).unwrap_or(100),
        unicode: true,
    }
}
