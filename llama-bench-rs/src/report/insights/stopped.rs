use std::fmt;

use super::{Level, Say};
use crate::{
    record::{Run, Test},
    report::in_words::{count, duration, percent},
    stats::{Stop, StoppingRule},
};

/// What ended the repetitions, if a rule did.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Stopped {
    /// The rule.
    pub rule: StoppingRule,
    /// Cells that a rule ended.
    pub n_cells: usize,
    /// Those of them that ended for another reason than precision: how many, the first of them, and its reason.
    pub short: Option<(usize, Test, Stop)>,
    /// Whether the run's repetitions depend on each other or fall into two groups: cells that ended early may have met one
    /// speed of the machine alone.
    pub is_doubted: bool,
}

pub(super) fn stopped(run: &Run, is_doubted: bool) -> Option<Stopped> {
    let rule = run.header.config.stopping?;
    let stops: Vec<(Test, Stop)> =
        run.cells.iter().filter_map(|cell| Some((cell.test, cell.measured()?.stop?))).collect();
    let mut short = stops.iter().filter(|(_, stop)| *stop != Stop::Precise);
    let first = short.next().copied();
    let short = first.map(|(test, stop)| (1 + short.count(), test, stop));
    (!stops.is_empty()).then_some(Stopped { rule, n_cells: stops.len(), short, is_doubted })
}

impl Say for Stopped {
    fn level(&self) -> Level {
        if self.short.is_some() || self.is_doubted { Level::Warning } else { Level::Good }
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = percent(self.rule.target);
        let Some((n_short, test, stop)) = self.short else {
            let doubt = if self.is_doubted {
                ", as if repetitions were independent; those of this run are not"
            } else {
                ""
            };
            return write!(
                f,
                "Repeated until each of {} was known to ± {target}{doubt}.",
                count(self.n_cells, "cell")
            );
        };
        write!(f, "{n_short} of {} did not reach ± {target}: in {test} ", count(self.n_cells, "cell"))?;
        match (stop, self.rule.budget) {
            (Stop::SteadyNoise, _) => write!(f, "the noise is steady and too large for it."),
            (Stop::Maximum, _) => write!(f, "the limit of {} repetitions was reached.", self.rule.max),
            (Stop::Budget, Some(budget)) => write!(f, "the time limit of {} was reached.", duration(budget)),
            _ => write!(f, "the time limit was reached."),
        }
    }
}
