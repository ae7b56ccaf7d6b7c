//! A cell in one line.

use std::fmt;

use super::{Cell, Outcome, Report, Test};

impl fmt::Display for Cell {
    /// The test with the mean and the standard deviation of its rates, as tables show them, or why it failed:
    /// `tg32 @ d4096: 276.34 ± 6.80 t/s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mean, stddev) = match &self.outcome {
            Outcome::Failed(failure) => return write!(f, "{}: failed: {}", self.test, failure.message),
            Outcome::Summarised(summarised) => (summarised.rate, summarised.rate_stddev),
            Outcome::Measured(_) => match self.rate_summary() {
                Some(summary) => (Some(summary.mean), summary.stddev),
                None => (None, None),
            },
        };
        match (mean, stddev) {
            (Some(mean), Some(stddev)) => write!(f, "{}: {:.2} ± {stddev:.2}", self.test, mean.get()),
            (Some(mean), None) => write!(f, "{}: {mean:.2}", self.test),
            (None, _) => write!(f, "{}: no rate is known", self.test),
        }
    }
}

impl Report {
    /// The first cell of exactly this test, over all runs.
    ///
    /// ```no_run
    /// use llama_bench_rs::{Model, Sweep, tg};
    ///
    /// let model = Model::load("model.gguf")?;
    /// let report = Sweep::new(&model).generate(32).depths([0, 4096]).run()?;
    /// if let Some(cell) = report.cell_of(tg(32).at(4096)) {
    ///     println!("{cell}"); // tg32 @ d4096: 276.34 ± 6.80 t/s
    /// }
    /// # Ok::<(), llama_bench_rs::Error>(())
    /// ```
    pub fn cell_of(&self, test: Test) -> Option<&Cell> {
        self.cells().map(|(_, cell)| cell).find(|cell| cell.test == test)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::record::{Header, Measured, Run, Sample, Summarised, pp, tg};

    fn cell(test: Test, ms: &[u64]) -> Cell {
        let sample = |&ms: &u64| Sample { elapsed: Duration::from_millis(ms), ..Sample::default() };
        let samples = ms.iter().map(sample).collect();
        let outcome = Outcome::Measured(Measured { samples, ..Measured::default() });
        Cell { test, started_at: String::new(), outcome }
    }

    #[test]
    fn a_cell_is_a_line_as_a_reader_expects_it() {
        assert_eq!(cell(tg(32).at(4096), &[100, 200]).to_string(), "tg32 @ d4096: 240.00 ± 113.14 t/s");
        assert_eq!(cell(pp(512), &[250]).to_string(), "pp512: 2048.00 t/s");
        let nothing = Summarised { mean: Duration::ZERO, stddev: None, rate: None, rate_stddev: None };
        let unknown = Cell { outcome: Outcome::Summarised(nothing), ..cell(pp(1), &[]) };
        assert_eq!(unknown.to_string(), "pp1: no rate is known");
    }

    #[test]
    fn a_report_finds_the_cell_of_a_test() {
        let cells = vec![cell(pp(512), &[1]), cell(tg(32), &[2]), cell(tg(32).at(64), &[3])];
        let report = Report { runs: vec![Run { header: Header::default(), cells, curve: Vec::new() }] };
        assert_eq!(report.cell_of(tg(32).at(64)), Some(&report.runs[0].cells[2]));
        assert_eq!(report.cell_of(tg(32).at(65)), None);
    }
}
