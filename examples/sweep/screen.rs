//! Results on standard output or standard error.

use std::io::{self, IsTerminal, Write};

use llama_bench_rs::{
    cli::OutputFormat,
    record::Report,
    report::{Format, ReportError, Shown, Sink, Stat, insights::Expectation, terminal, together_markdown},
};

#[derive(Clone, Copy)]
pub enum Stream {
    Out,
    Err,
}

impl Stream {
    fn open(self) -> Box<dyn Write> {
        match self {
            Stream::Out if io::stdout().is_terminal() => Box::new(WholeLines::new(io::stdout())),
            Stream::Err if io::stderr().is_terminal() => Box::new(WholeLines::new(io::stderr())),
            Stream::Out => Box::new(io::stdout()),
            Stream::Err => Box::new(io::stderr()),
        }
    }

    fn style(self) -> terminal::Style {
        match self {
            Stream::Out => terminal::Style::of(&io::stdout()),
            Stream::Err => terminal::Style::of(&io::stderr()),
        }
    }
}

/// Holds back a line until it is complete: progress that is drawn between two rows clears the line it stands on.
struct WholeLines<W: Write> {
    to: W,
    held: Vec<u8>,
}

impl<W: Write> WholeLines<W> {
    fn new(to: W) -> Self {
        Self { to, held: Vec::new() }
    }
}

impl<W: Write> Write for WholeLines<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(end) = bytes.iter().rposition(|&byte| byte == b'\n') {
            self.to.write_all(&self.held)?;
            self.to.write_all(&bytes[..=end])?;
            self.held.clear();
            self.held.extend_from_slice(&bytes[end + 1..]);
        } else {
            self.held.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

impl<W: Write> Drop for WholeLines<W> {
    fn drop(&mut self) {
        // Nobody is left to read an error.
        let _ = self.to.write_all(&self.held).and_then(|()| self.to.flush());
    }
}

/// A stream with the format that results have there.
pub enum Screen {
    /// Rows as they are measured.
    Rows(Format, Sink<Box<dyn Write>>),
    /// One piece when all is measured.
    AtEnd(Stream),
}

impl Screen {
    /// `None` if nothing is to be printed there.
    pub fn new(format: OutputFormat, stream: Stream, shown: Shown) -> Option<Self> {
        match format {
            OutputFormat::Terminal => Some(Self::AtEnd(stream)),
            OutputFormat::Rows(format) => {
                let mut rows = Sink::new(format, stream.open());
                rows.show(shown);
                Some(Self::Rows(format, rows))
            }
            OutputFormat::Nothing => None,
        }
    }

    /// Writes to the rows, if they are printed as they are measured.
    pub fn write(
        &mut self,
        write: impl FnOnce(&mut Sink<Box<dyn Write>>) -> Result<(), ReportError>,
    ) -> Result<(), ReportError> {
        match self {
            Self::Rows(_, rows) => write(rows),
            Self::AtEnd(..) => Ok(()),
        }
    }

    /// Closes the rows, for people with what all runs say together, or prints everything.
    pub fn finish(self, whole: &Report, expectations: &[Expectation], stat: Stat) -> Result<(), ReportError> {
        match self {
            Self::Rows(format, rows) => {
                let mut out = rows.finish()?;
                if format == Format::Markdown {
                    out.write_all(together_markdown(whole, stat).as_bytes()).map_err(ReportError::Write)?;
                }
                Ok(())
            }
            Self::AtEnd(..) if whole.runs.is_empty() => Ok(()),
            Self::AtEnd(stream) => {
                let text = terminal::render_with(whole, expectations, stream.style());
                stream.open().write_all(text.as_bytes()).map_err(ReportError::Write)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_finds_no_line_begun() {
        let mut shown = Vec::new();
        let mut rows = WholeLines::new(&mut shown);
        for text in ["[\n  {", "\n  }", ",\n  {\n  }"] {
            rows.write_all(text.as_bytes()).unwrap();
            rows.flush().unwrap();
            assert!(rows.to.ends_with(b"\n"), "{:?}", rows.to);
        }
        drop(rows);
        assert_eq!(String::from_utf8(shown).unwrap(), "[\n  {\n  },\n  {\n  }");
    }
}
