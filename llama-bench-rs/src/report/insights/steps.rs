use std::{fmt, time::Duration};

use super::{Level, Say};
use crate::{
    record::{Cell, Run, Test},
    report::in_words::{duration, percent, plural},
    stats::{Confidence, Quantity as _, Samples, StepSummary},
    units::Change,
};

/// What the times of single generated tokens show.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Steps {
    /// The slow steps at the beginning of a generation, in the cell where they take longest.
    Transient {
        /// The cell.
        test: Test,
        /// How many they are.
        n_steps: usize,
        /// How much longer they take together than as many steady ones.
        excess: Duration,
        /// The steady step: the median of the others.
        steady: Duration,
    },
    /// The first step of a repetition against the steady ones, in the cell where they differ most; only if no cell has a
    /// transient.
    First {
        /// The cell.
        test: Test,
        /// The first step: the median over the repetitions.
        first: Duration,
        /// The steady step: the median of the others.
        steady: Duration,
    },
    /// A generation straight after the fill against those after a rewind, in the cell where they differ most.
    Live {
        /// The cell.
        test: Test,
        /// Median of the steady steps after the fill.
        live: Duration,
        /// Median of the steady steps after a rewind.
        rewound: Duration,
        /// Whether the repetitions after a rewind differ among themselves by less: the live one lies outside of their
        /// 95 % prediction interval, which is corrected for the number of cells looked at.
        is_sure: bool,
    },
    /// How long the slow tokens take, in the cell where they are slowest against the median.
    Tail {
        /// The cell.
        test: Test,
        /// Half of the steps took at most this.
        p50: Duration,
        /// 99 % of the steps took at most this.
        p99: Duration,
        /// The longest step.
        max: Duration,
        /// Steps in all.
        n_steps: usize,
    },
}

/// A first step is reported from this multiple of the steady one on.
const SLOW_FIRST: f64 = 1.1;

/// A rewound context whose steps differ by more from the live one's is not what a program sees.
const LIVE_TOLERANCE: f64 = 0.02;

/// From this multiple of the median on, a p99 is a stutter that a reader notices.
const STUTTER: f64 = 2.0;

pub(super) fn steps(run: &Run) -> Vec<Steps> {
    let cells: Vec<(&Cell, StepSummary)> =
        run.cells.iter().filter_map(|cell| Some((cell, cell.step_summary()?))).collect();
    [transient(&cells).or_else(|| first(&cells)), live(&cells), tail(&cells)].into_iter().flatten().collect()
}

fn transient(cells: &[(&Cell, StepSummary)]) -> Option<Steps> {
    let found = cells.iter().filter_map(|(cell, steps)| Some((cell.test, steps.transient?, steps.steady?)));
    let (test, transient, steady) = found.max_by_key(|(_, transient, _)| transient.excess)?;
    Some(Steps::Transient { test, n_steps: transient.n_steps, excess: transient.excess, steady })
}

fn first(cells: &[(&Cell, StepSummary)]) -> Option<Steps> {
    let of_cell = |(cell, steps): &(&Cell, StepSummary)| {
        let (first, steady) = (steps.first, steps.steady?);
        (ratio(first, steady)? > SLOW_FIRST).then_some((cell.test, first, steady))
    };
    let slowness = |&(_, first, steady): &(Test, Duration, Duration)| ratio(first, steady).unwrap_or(0.0);
    let slowest = cells.iter().filter_map(of_cell).max_by(|a, b| slowness(a).total_cmp(&slowness(b)));
    let (test, first, steady) = slowest?;
    Some(Steps::First { test, first, steady })
}

fn live(cells: &[(&Cell, StepSummary)]) -> Option<Steps> {
    // The live generation follows a prompt as well and is too short to show its own transient.
    let steady = |steps: &[Duration], n_unsteady: usize| {
        let steps = Samples::new(steps.get(n_unsteady..)?.iter().copied())?;
        Some(steps.median()).filter(|steady| !steady.is_zero())
    };
    let compared: Vec<(Test, Duration, Samples<Duration>)> = cells
        .iter()
        .filter_map(|(cell, summary)| {
            let (measured, n_unsteady) = (cell.measured()?, summary.n_unsteady());
            let live = steady(&measured.live.as_ref()?.steps, n_unsteady)?;
            let rewound = measured.samples.iter().filter_map(|sample| steady(&sample.steps, n_unsteady));
            Some((cell.test, live, Samples::new(rewound)?))
        })
        .collect();
    let confidence = Confidence::new(1.0 - 0.05 / compared.len() as f64)?;
    let found = compared.into_iter().map(|(test, live, rewound)| {
        let expected = rewound.prediction_interval(confidence);
        let is_sure = expected.is_some_and(|interval| !interval.contains(live));
        (is_sure, test, live, rewound.median())
    });
    // A sure difference first, then the largest.
    let (is_sure, test, live, rewound) = found.max_by(|a, b| {
        let distance = |live, rewound| difference(live, rewound).size().get();
        a.0.cmp(&b.0).then(distance(a.2, a.3).total_cmp(&distance(b.2, b.3)))
    })?;
    Some(Steps::Live { test, live, rewound, is_sure })
}

fn tail(cells: &[(&Cell, StepSummary)]) -> Option<Steps> {
    /// With fewer the 99 % quantile is the longest step or next to it.
    const ENOUGH: usize = 100;
    let stutter = |steps: &StepSummary| ratio(steps.p99, steps.p50).unwrap_or(0.0);
    let (cell, steps) = cells
        .iter()
        .filter(|(_, steps)| steps.n_steps >= ENOUGH)
        .max_by(|(_, a), (_, b)| stutter(a).total_cmp(&stutter(b)))?;
    let StepSummary { p50, p99, max, n_steps, .. } = *steps;
    Some(Steps::Tail { test: cell.test, p50, p99, max, n_steps })
}

fn ratio(a: Duration, b: Duration) -> Option<f64> {
    Some(a.to_f64() / b.to_f64()).filter(|ratio| ratio.is_finite())
}

/// How much longer `a` is than `b`, as a part of `b`.
fn difference(a: Duration, b: Duration) -> Change {
    ratio(a, b).and_then(|ratio| Change::new(ratio - 1.0)).unwrap_or_default()
}

impl Say for Steps {
    fn level(&self) -> Level {
        match *self {
            Steps::Transient { .. } | Steps::First { .. } => Level::Note,
            Steps::Live { live, rewound, is_sure, .. } => {
                if difference(live, rewound).size().get() <= LIVE_TOLERANCE {
                    Level::Good
                } else if is_sure {
                    Level::Warning
                } else {
                    Level::Note
                }
            }
            Steps::Tail { p50, p99, .. } => match ratio(p99, p50) {
                Some(r) if r > STUTTER => Level::Warning,
                _ => Level::Note,
            },
        }
    }
}

impl fmt::Display for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Steps::Transient { test, n_steps, excess, steady } => write!(
                f,
                "The first {} of {test} {} {} longer than steady ones of {}: that is paid once an answer, not per token.",
                if n_steps == 1 { "step".into() } else { format!("{n_steps} steps") },
                plural(n_steps, "takes", "take together"),
                duration(excess),
                duration(steady)
            ),
            Steps::First { test, first, steady } => write!(
                f,
                "The first step takes {:.1} times as long as a later one in {test}: {} against {}.",
                ratio(first, steady).unwrap_or(1.0),
                duration(first),
                duration(steady)
            ),
            Steps::Live { test, live, rewound, .. } => {
                write!(
                    f,
                    "{} of {test} takes {} straight after the context was filled and {} after it was brought \
                     back, {} apart",
                    if test.n_parallel == 1 { "A token" } else { "A step" },
                    duration(live),
                    duration(rewound),
                    percent(difference(live, rewound).size()),
                )?;
                f.write_str(match self.level() {
                    Level::Good => ", and no cell differs more: the repetitions measure what a program sees.",
                    Level::Note => ": no more than repetitions differ among themselves.",
                    Level::Warning => ": a program sees the former.",
                })
            }
            Steps::Tail { test, p50, p99, max, n_steps } => write!(
                f,
                "Of {n_steps} {} of {test}, half took at most {}, 99 % at most {}, the slowest {}.",
                if test.n_parallel == 1 { "tokens" } else { "steps" },
                duration(p50),
                duration(p99),
                duration(max)
            ),
        }
    }
}
