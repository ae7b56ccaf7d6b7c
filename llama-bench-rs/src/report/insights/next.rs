use std::fmt;

use super::{Level, Say, suspicion};
use crate::{
    record::{Cell, Run, Test, TestKind},
    report::{
        figures::{Figures, Series},
        levels::has_levels,
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
    /// Another time, or another machine: more repetitions of the same do not make this cell more certain.
    Quieter {
        /// The cell whose mean is known worst.
        test: Test,
    },
    /// Only one depth was measured.
    Depths,
    /// Several sequences at once, and a conversation.
    Parallel,
    /// Several sequences were measured: requests that arrive, wait and are answered, as a server has them.
    Serve,
}

/// More repetitions than this are not the remedy.
const MANY: usize = 200;

/// For one run, whose repetitions may depend on each other or meet two speeds.
pub(super) fn next(run: &Run, all: &[Series], is_doubted: bool) -> Vec<NextStep> {
    let one_depth = !all.is_empty() && all.iter().all(|series| series.ends().is_none());
    let one_depth = one_depth && may_generate(run);
    repeat(run, is_doubted).into_iter().chain(one_depth.then_some(NextStep::Depths)).collect()
}

/// For the runs of one configuration: what the last of them that has figures asks for.
pub(in crate::report) fn next_steps(runs: &[&Run]) -> Vec<NextStep> {
    let Some(run) = runs.iter().rfind(|run| run.has_figures()) else { return Vec::new() };
    let mut steps = next(run, &Series::all(run), suspicion::found(run).is_any());
    steps.extend(several(run));
    steps
}

/// What is next for several users, if the model may be one for them.
pub(super) fn several(run: &Run) -> Option<NextStep> {
    let step = if has_levels(&[run]) { NextStep::Serve } else { NextStep::Parallel };
    may_generate(run).then_some(step)
}

/// Whether the model may be one that generates and remembers. For others, depths and conversations mean nothing.
fn may_generate(run: &Run) -> bool {
    let tests = |is_kind: fn(TestKind) -> bool| run.cells.iter().filter(move |cell| is_kind(cell.test.kind));
    let generates = tests(TestKind::is_generation).any(|cell| cell.failure().is_none());
    let cannot = |cell: &Cell| {
        cell.failure().is_some_and(|failure| failure.kind == crate::record::FailureKind::Unsupported)
    };
    let embeds = tests(TestKind::is_embedding).next().is_some();
    generates || !(embeds || tests(TestKind::is_generation).any(cannot) || !has_memory(run))
}

/// The cell that needs most repetitions, if one needs more than it has.
fn repeat(run: &Run, is_doubted: bool) -> Option<NextStep> {
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
    let worst = run.cells.iter().filter_map(needs).max_by_key(|step| match step {
        NextStep::Repeat { n_needed, .. } => n_needed.unwrap_or(0),
        _ => 0,
    })?;
    match worst {
        // Repetitions that depend on each other or meet two speeds do not make a mean better as independent ones do.
        NextStep::Repeat { test, n_needed: Some(n), .. } if n > MANY || is_doubted => {
            Some(NextStep::Quieter { test })
        }
        worst => Some(worst),
    }
}

impl Say for NextStep {
    fn level(&self) -> Level {
        Level::Note
    }
}

impl fmt::Display for NextStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            NextStep::Repeat { test, n_needed: Some(n), n_made } => write!(
                f,
                "Next: measure again with about {n} repetitions instead of {n_made}, which would bring {test}, the \
                 least certain cell, within ± 1 %."
            ),
            NextStep::Repeat { n_needed: None, .. } => {
                write!(f, "Next: measure again with 5 repetitions or more, so that the spread is known.")
            }
            NextStep::Quieter { test } => write!(
                f,
                "Next: measure again on a quieter machine. More repetitions alone would not bring {test} within ± 1 %."
            ),
            NextStep::Depths => write!(
                f,
                "Next: measure at several depths (such as 0, 4096 and 16384), since speed falls as a context fills."
            ),
            NextStep::Parallel => write!(
                f,
                "Next: this was one sequence at a time. Measure several at once (-npl 1,2,4,8,16) for what a server \
                 reaches, and run an interactive generation for how it feels."
            ),
            NextStep::Serve => write!(
                f,
                "Next: all sequences began and ended together. Run the serving benchmark (serve_bench) for what users feel \
                 whose requests arrive, wait and are answered one by one."
            ),
        }
    }
}
