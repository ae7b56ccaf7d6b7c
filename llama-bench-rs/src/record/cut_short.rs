use std::fmt;

use super::{Cell, Config, Failure};

/// The progress of a cell that was interrupted between two repetitions, or whose process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CutShort {
    /// Repetitions done.
    pub n_done: usize,
    /// Repetitions asked for; with a stopping rule, the most.
    pub n_planned: u32,
    /// Whether a stopping rule would have decided how many are needed.
    pub has_rule: bool,
    /// How its process ended; `None` if it was interrupted.
    pub ended: Option<Failure>,
}

impl Cell {
    /// The cell's progress, if it has fewer repetitions than its run was asked for.
    pub fn cut_short(&self, config: &Config) -> Option<CutShort> {
        let measured = self.measured()?;
        let (n_done, n_planned) = (measured.samples.len(), config.n_reps?);
        let is_cut = measured.stop.is_none() && n_done < n_planned as usize;
        let ended = measured.ended.clone();
        is_cut.then_some(CutShort { n_done, n_planned, has_rule: config.stopping.is_some(), ended })
    }

    /// Whether the sweep was interrupted before the first repetition of the cell: it did not fail, it was never begun.
    pub fn was_not_begun(&self) -> bool {
        self.failure().is_some_and(|failure| failure.kind == "cancelled")
    }
}

impl fmt::Display for CutShort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { n_done, n_planned, has_rule, ended } = self;
        let most = if *has_rule { "at most " } else { "" };
        let what = if ended.is_some() { "ended" } else { "interrupted" };
        write!(f, "{what} after {n_done} of {most}{n_planned} repetitions")?;
        ended.as_ref().map_or(Ok(()), |ended| write!(f, ": {}", ended.message))
    }
}
