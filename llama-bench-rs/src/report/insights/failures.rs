use std::fmt;

use super::{Level, Say};
use crate::{
    record::{Failure, Run, Test},
    report::in_words::{count, one_line},
};

/// Cells that have a reason instead of a figure.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct FailedCells {
    /// The cells with their reasons, in the order planned; at least one.
    pub cells: Vec<(Test, Failure)>,
    /// All cells of the run.
    pub n_cells: usize,
}

pub(super) fn failed(run: &Run) -> Option<FailedCells> {
    let cells: Vec<_> =
        run.cells.iter().filter_map(|cell| Some((cell.test, cell.failure()?.clone()))).collect();
    (!cells.is_empty()).then_some(FailedCells { cells, n_cells: run.cells.len() })
}

impl Say for FailedCells {
    fn level(&self) -> Level {
        Level::Warning
    }
}

impl fmt::Display for FailedCells {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMED: usize = 3;
        write!(f, "{} of {} failed: ", self.cells.len(), count(self.n_cells, "cell"))?;
        for (i, (test, failure)) in self.cells.iter().take(NAMED).enumerate() {
            let message = one_line(&failure.message);
            let message = message.trim_end_matches('.');
            write!(f, "{}{test} ({}: {message})", if i > 0 { "; " } else { "" }, one_line(&failure.kind))?;
        }
        match self.cells.len() - NAMED.min(self.cells.len()) {
            0 => write!(f, "."),
            more => write!(f, "; and {more} more."),
        }
    }
}
