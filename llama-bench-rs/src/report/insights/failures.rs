use std::fmt;

use super::{Level, Say};
use crate::{
    record::{Cell, Failure, Run, Test},
    report::in_words::{count, one_line},
};

/// Cells that have a reason instead of a figure, or beside repetitions that are too few.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct FailedCells {
    /// The cells with their reasons, in the order planned; at least one.
    pub cells: Vec<(Test, Failure)>,
    /// Those of them that have some repetitions.
    pub n_begun: usize,
    /// All cells of the run.
    pub n_cells: usize,
}

pub(super) fn failed(run: &Run) -> Option<FailedCells> {
    FailedCells::of_runs(&[run])
}

impl Say for FailedCells {
    fn level(&self) -> Level {
        Level::Warning
    }
}

impl FailedCells {
    /// Of the runs of one configuration; `None` if no cell failed.
    pub(in crate::report) fn of_runs(runs: &[&Run]) -> Option<Self> {
        let all = || runs.iter().flat_map(|run| &run.cells).filter(|cell| !cell.was_not_begun());
        let cells: Vec<_> = all().filter_map(|cell| Some((cell.test, cell.reason()?.clone()))).collect();
        let is_begun = |cell: &&Cell| cell.measured().is_some() && cell.reason().is_some();
        let n_begun = all().filter(is_begun).count();
        (!cells.is_empty()).then(|| Self { cells, n_begun, n_cells: all().count() })
    }

    /// Each reason once, with the cells that have it, in the order planned.
    pub fn by_reason(&self) -> Vec<(&Failure, Vec<Test>)> {
        let mut reasons: Vec<(&Failure, Vec<Test>)> = Vec::new();
        for (test, failure) in &self.cells {
            match reasons.iter_mut().find(|(known, _)| *known == failure) {
                Some((_, tests)) => tests.push(*test),
                None => reasons.push((failure, vec![*test])),
            }
        }
        reasons
    }
}

impl fmt::Display for FailedCells {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMED: usize = 3;
        let (n_failed, all) = (self.cells.len() - self.n_begun, count(self.n_cells, "cell"));
        match (n_failed, self.n_begun) {
            (n, 0) => write!(f, "{n} of {all} failed: ")?,
            (0, n) => write!(f, "{n} of {all} ended before their last repetition: ")?,
            (n, begun) => {
                write!(f, "{n} of {all} failed, and {begun} ended before their last repetition: ")?;
            }
        }
        for (i, (failure, tests)) in self.by_reason().into_iter().enumerate() {
            let names: Vec<String> = tests.iter().take(NAMED).map(Test::to_string).collect();
            let more = match tests.len() - names.len() {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let message = one_line(&failure.message);
            let (message, separator) = (message.trim_end_matches('.'), if i > 0 { "; " } else { "" });
            write!(
                f,
                "{separator}{}{more} ({}: {message})",
                names.join(", "),
                one_line(failure.kind.as_str())
            )?;
        }
        write!(f, ".")
    }
}
