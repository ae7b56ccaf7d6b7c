use std::fmt;

use super::{
    CompareError, FloorOutcome, Outcome, Verdict,
    baseline::{Difference, not_of_now},
};
use crate::{
    record::Test,
    units::words::{count, plural},
};

/// Why a report does not pass.
#[derive(Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RegressionError {
    /// Cells got slower.
    #[error("{}", story(.0, .0.with(Verdict::Regressed).count(), "got slower"))]
    Regressed(Box<Outcome>),
    /// Cells were too noisy to tell, and the tolerance is strict.
    #[error("{}", story(.0, .0.open().count(), "may have got slower: cannot tell or inconclusive"))]
    Unsure(Box<Outcome>),
    /// A cell is slower than its floor, or may be and the floor is strict.
    #[error("{0}")]
    BelowFloor(Box<FloorOutcome>),
    /// A floor is not a speed.
    #[error("a floor of {tokens_per_second} tokens per second is not a speed: give a finite number above 0")]
    InvalidFloor {
        /// The number.
        tokens_per_second: f64,
    },
    /// Cells are not there to be judged.
    #[error("{} of the cells to judge {} not there:\n{}{}", gaps.len(), plural(gaps.len(), "is", "are"), list(gaps), others(judged.as_deref()))]
    Incomplete {
        /// Which, and why.
        gaps: Vec<Gap>,
        /// The cells that are there; none of them got slower. `None` if there are none.
        judged: Option<Box<Outcome>>,
    },
    /// The baseline is of another machine, model or configuration.
    #[error("{}", not_of_now("the baseline", differences))]
    Differs {
        /// Its differences from the closest run of the report.
        differences: Vec<Difference>,
    },
    /// A side has no runs.
    #[error("there is nothing to compare: the {side} has no runs")]
    NoRuns {
        /// `baseline` or `report`.
        side: &'static str,
    },
    /// The times cannot be compared.
    #[error("the report cannot be judged: {0}")]
    Compare(#[from] CompareError),
}

crate::error::debug_like_display!(RegressionError);

/// A cell that should be in a report with samples and is not.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gap {
    /// The test.
    pub test: Test,
    /// Why it failed; `None` if it was not measured at all.
    pub failure: Option<String>,
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.failure {
            Some(failure) => write!(f, "{} failed: {failure}", self.test),
            None => write!(f, "{} was not measured: add it to the sweep", self.test),
        }
    }
}

fn list(items: &[impl fmt::Display]) -> String {
    items.iter().map(|item| format!("  {item}")).collect::<Vec<_>>().join("\n")
}

/// The table of the cells that could be judged.
fn others(judged: Option<&Outcome>) -> String {
    judged.map_or_else(String::new, |outcome| format!("\nthe others:\n{outcome}"))
}

/// A line on what went wrong, then the table.
fn story(outcome: &Outcome, n: usize, what: &str) -> String {
    let of = count(outcome.cells.len(), "cell");
    format!("{n} of {of} {what} (tolerance {}):\n{outcome}", outcome.tolerance)
}
