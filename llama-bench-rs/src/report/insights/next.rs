use std::fmt;

use super::{Level, Say};
use crate::{
    record::{Cell, Run, Test, TestKind},
    report::{
        figures::{Figures, Series},
        summary_text::has_memory,
    },
    stats::{StoppingRule, repetitions_for},
};

/// What to measure next.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum NextStep {
    /// More repetitions of the same.
    Repeat {
        /// The cell whose mean is known worst.
        test: Test,
        /// How many repetitions bring it within ± 1 %, at the same noise; `None` if its noise is not known.
        n_needed: Option<usize>,
        /// How many it has.
        n_made: usize,
    },
    /// Only one depth was measured.
    Depths,
    /// Several sequences at once, and a conversation.
    Parallel,
}

/// More repetitions than this are not the remedy.
const MANY: usize = 200;

/// For one run.
pub(super) fn next(run: &Run, all: &[Series]) -> Vec<NextStep> {
    let one_depth = !all.is_empty() && all.iter().all(|series| series.ends().is_none());
    let one_depth = one_depth && may_generate(run);
    repeat(run).into_iter().chain(one_depth.then_some(NextStep::Depths)).collect()
}

/// Whether nothing speaks against the model being one that generates and remembers: of others, neither depths nor
/// conversations say anything.
pub(super) fn may_generate(run: &Run) -> bool {
    let tests = |is_kind: fn(TestKind) -> bool| run.cells.iter().filter(move |cell| is_kind(cell.test.kind));
    let generates = tests(TestKind::is_generation).any(|cell| cell.failure().is_none());
    let cannot = |cell: &Cell| cell.failure().is_some_and(|failure| failure.kind == "unsupported");
    let embeds = tests(TestKind::is_embedding).next().is_some();
    generates || !(embeds || tests(TestKind::is_generation).any(cannot) || !has_memory(run))
}

/// The cell that needs most repetitions, if one needs more than it has.
fn repeat(run: &Run) -> Option<NextStep> {
    let StoppingRule { target, confidence, .. } = StoppingRule::new();
    let needs = |cell: &Cell| {
        let figures = Figures::of(cell)?;
        let n_made = figures.times.as_ref()?.n();
        let n_needed = match figures.relative_half_width() {
            Some(width) if width <= target => return None,
            Some(_) => Some(repetitions_for(figures.cv?, target, confidence).unwrap_or(usize::MAX)),
            None => None,
        };
        Some(NextStep::Repeat { test: cell.test, n_needed: n_needed.map(|n| n.max(n_made + 1)), n_made })
    };
    run.cells.iter().filter_map(needs).max_by_key(|step| match step {
        NextStep::Repeat { n_needed, .. } => n_needed.unwrap_or(0),
        _ => 0,
    })
}

impl Say for NextStep {
    fn level(&self) -> Level {
        Level::Note
    }
}

impl fmt::Display for NextStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            NextStep::Repeat { test, n_needed: Some(n), n_made } if n <= MANY => write!(
                f,
                "Next: measure again with about {n} repetitions instead of {n_made}, which would bring {test}, the \
                 least certain cell, within ± 1 %."
            ),
            NextStep::Repeat { test, n_needed: Some(_), .. } => write!(
                f,
                "Next: measure again on a quieter machine. {test} varies so much that more repetitions alone would not \
                 bring it within ± 1 %."
            ),
            NextStep::Repeat { n_needed: None, .. } => {
                write!(f, "Next: measure again with 5 repetitions or more, so that the spread is known.")
            }
            NextStep::Depths => write!(
                f,
                "Next: measure at several depths (such as 0, 4096 and 16384), since speed falls as a context fills."
            ),
            NextStep::Parallel => write!(
                f,
                "Next: this was one sequence at a time. Run a parallel (batched) benchmark for what a server reaches, \
                 and an interactive generation for how it feels."
            ),
        }
    }
}
