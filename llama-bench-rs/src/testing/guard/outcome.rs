use std::{fmt, path::PathBuf};

use crate::testing::Outcome;

/// What a [`Guard`](super::Guard) that passes has found. Its `Display` is a line, and one for each further note; the table is that of
/// `outcome`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Guarded {
    /// The result.
    pub verdict: GuardVerdict,
    /// What was measured, compared with the baseline; `None` if there was none.
    pub outcome: Option<Outcome>,
    /// What was added to the baseline.
    pub saved: Option<Saved>,
    /// How often was measured.
    pub n_measured: u32,
    /// Warnings and notes, with the remedy.
    pub notes: Vec<String>,
}

/// The result of a guard that passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GuardVerdict {
    /// Nothing got slower.
    Passed,
    /// Nothing surely got slower, but some cell may have.
    Inconclusive,
    /// Nothing was judged: what was measured is now in the baseline.
    Saved,
    /// Nothing was measured: guards are off.
    Off,
}

/// What a guard wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Saved {
    /// Runs that the baseline has now, of the configuration that has the fewest.
    pub n_runs: usize,
    /// Runs that it should have.
    pub n_wanted: usize,
    /// The files.
    pub files: Vec<PathBuf>,
}

impl Guarded {
    /// Nothing but its verdict.
    pub(super) fn new(verdict: GuardVerdict, n_measured: u32) -> Self {
        Self { verdict, outcome: None, saved: None, n_measured, notes: Vec::new() }
    }

    /// Whether a person should read it although the test passes.
    pub(super) fn is_worth_a_word(&self) -> bool {
        self.verdict != GuardVerdict::Passed || self.saved.is_some() || !self.notes.is_empty()
    }
}

impl fmt::Display for Guarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.verdict {
            GuardVerdict::Passed => Some("passed"),
            GuardVerdict::Inconclusive => Some("inconclusive"),
            GuardVerdict::Off => Some("off: nothing was measured"),
            // It is in the notes.
            GuardVerdict::Saved => None,
        };
        let mut said: Vec<&str> = self.notes.iter().map(String::as_str).collect();
        match (verdict, said.is_empty()) {
            (Some(verdict), true) => f.write_str(verdict)?,
            (Some(verdict), false) => write!(f, "{verdict}; {}", said.remove(0))?,
            (None, true) => {}
            (None, false) => f.write_str(said.remove(0))?,
        }
        said.iter().try_for_each(|note| write!(f, "\n  {note}"))
    }
}
