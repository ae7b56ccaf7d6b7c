use std::fmt;

use super::{precision::BAD, suspicion};
use crate::{
    record::{Cell, Run, Test},
    report::{
        figures::Figures,
        in_words::{count, percent},
    },
    stats::{Samples, StoppingRule, repetitions_for},
    units::{RateSpread, Share, TokensPerSecond},
};

/// Cells whose repetitions lie so far apart that their figure cannot be trusted. Its `Display` names the worst of them
/// with what to do.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Unbelievable {
    /// The cells, the worst first; at least one.
    pub cells: Vec<Doubt>,
}

/// A cell whose figure cannot be trusted.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Doubt {
    /// The cell.
    pub test: Test,
    /// Mean of the repetitions' rates.
    pub rate: TokensPerSecond,
    /// Standard deviation of the rates.
    pub stddev: RateSpread,
    /// How many repetitions were made; `None` if another tool's file does not say.
    pub n_made: Option<usize>,
    /// How many would make the mean believable at the same noise; `None` if more repetitions do not help.
    pub n_needed: Option<usize>,
}

/// More repetitions than this are not the remedy.
const MANY: usize = 200;

/// The cells of a run whose repetitions lie so far apart that [`Precision`](super::Precision) warns of their mean; `None`
/// if there are none, or nothing is known of their spread.
pub fn unbelievable(run: &Run) -> Option<Unbelievable> {
    let (target, confidence) = (Share::new(BAD)?, StoppingRule::new().confidence);
    // Repetitions that depend on each other or meet two speeds do not make a mean better as independent ones do.
    let more_help = !suspicion::found(run).is_any();
    let doubt = |cell: &Cell| {
        let figures = Figures::of(cell)?;
        // A few repetitions that lie close together have a wide interval, but their mean is plausible.
        let cv = figures.cv.filter(|cv| cv.get() > BAD)?;
        let n_made = figures.times.as_ref().map(Samples::n);
        // Without samples the deviation is all there is to judge by.
        let width = if n_made.is_some() { figures.relative_half_width()? } else { cv };
        let more = |n: usize| n.max(n_made.unwrap_or(0) + 1);
        let n_needed = repetitions_for(cv, target, confidence).map(more).filter(|&n| n <= MANY && more_help);
        let stddev = RateSpread::new(cv.get() * figures.rate.get())?;
        let doubt = Doubt { test: cell.test, rate: figures.rate, stddev, n_made, n_needed };
        (width.get() > BAD).then_some((width, doubt))
    };
    let mut doubts: Vec<_> = run.cells.iter().filter_map(doubt).collect();
    doubts.sort_by(|(a, _), (b, _)| b.get().total_cmp(&a.get()));
    let cells: Vec<Doubt> = doubts.into_iter().map(|(_, doubt)| doubt).collect();
    (!cells.is_empty()).then_some(Unbelievable { cells })
}

impl fmt::Display for Unbelievable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMED: usize = 3;
        let n = count(self.cells.len(), "cell");
        write!(f, "the spread of {n} is too large to believe the figures (mean ± standard deviation): ")?;
        for (i, doubt) in self.cells.iter().take(NAMED).enumerate() {
            let separator = if i > 0 { ", " } else { "" };
            let (rate, stddev) = (doubt.rate.get(), doubt.stddev.get());
            write!(f, "{separator}{} {rate:.2} ± {stddev:.2} t/s", doubt.test)?;
        }
        match self.cells.len().saturating_sub(NAMED) {
            0 => write!(f, "; ")?,
            more => write!(f, " and {more} more; ")?,
        }
        match self.cells.iter().map(|doubt| doubt.n_needed).collect::<Option<Vec<_>>>() {
            Some(needed) => {
                let most = needed.into_iter().max().unwrap_or(0);
                let made = self.cells.iter().filter_map(|doubt| doubt.n_made).min();
                let made = made.map_or_else(String::new, |made| format!(" instead of {made}"));
                let within = Share::new(BAD).map_or_else(String::new, percent);
                write!(
                    f,
                    "measure again on a quieter machine, or with about {most} repetitions{made}, which \
                     brings the means within ± {within}"
                )
            }
            None => {
                write!(f, "measure again on a quieter machine: more repetitions alone would not be enough")
            }
        }
    }
}
