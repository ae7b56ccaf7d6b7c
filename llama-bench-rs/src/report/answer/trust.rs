use std::fmt;

use super::SpeedFigure;
use crate::{
    record::{Cell, Run, Test, tests_of},
    report::{
        figures::Figures,
        in_words::{count, percent},
        insights::{Conditions, Level, Noise, Statement, doubts},
    },
    stats::Samples,
    units::Share,
};

/// How far the figures of a configuration can be trusted. Its `Display` is a part of a sentence:
/// `believable to ± 0.32 % within this run`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Trust {
    /// Every mean whose spread is known is known well.
    Within {
        /// Half the widest 95 % interval over its mean; of other tools' files the largest standard deviation over its
        /// mean.
        half_width: Share,
        /// Runs that the intervals are between; 1 for intervals within a run.
        n_runs: usize,
        /// Tests whose spread is known.
        n_known: usize,
        /// Tests that have a figure.
        n_cells: usize,
        /// Whether `half_width` is of an interval.
        is_interval: bool,
        /// Why it may be more nevertheless.
        but: Option<Why>,
    },
    /// A mean is so uncertain that its figure means little.
    Unbelievable {
        /// The test.
        test: Test,
        /// Its standard deviation over its mean, or half its 95 % interval over its mean.
        spread: Share,
        /// Whether that is the interval: of several runs, or of few repetitions that lie close together.
        is_interval: bool,
        /// What is the likely cause.
        why: Option<Why>,
    },
    /// Every test was measured once.
    Once,
    /// Nothing but means is known.
    MeansOnly,
    /// No test has a figure.
    Nothing {
        /// Tests that failed.
        n_failed: usize,
    },
}

/// What makes figures doubtful.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// Other programs took time from the repetitions.
    Busy,
    /// A GPU held its clocks down.
    Throttled,
    /// The repetitions fall into two groups.
    TwoSpeeds,
    /// Successive repetitions are alike: the machine changes its speed.
    Dependent,
    /// Times rise or fall from the first repetition to the last.
    Drift,
    /// There are too few repetitions.
    FewRepetitions(usize),
    /// There are too few runs.
    FewRuns(usize),
}

/// A mean that is less certain than this means little: the same limit as in the sentences.
const BAD: f64 = crate::report::insights::BAD;

/// Fewer repetitions or runs than this have a wide interval, even if they lie close together.
const FEW: usize = 4;

/// How well the mean of one test is known.
struct Known {
    test: Test,
    width: Share,
    /// Standard deviation over the mean, and how many repetitions or runs there are.
    cv: Option<Share>,
    n: Option<usize>,
}

impl Trust {
    /// Of the runs of one configuration.
    pub(super) fn of(runs: &[&Run]) -> Self {
        let all: Vec<(Test, Vec<&Cell>)> = tests_of(runs.iter().copied())
            .into_iter()
            .map(|test| {
                (test, runs.iter().filter_map(|run| run.cells.iter().find(|it| it.test == test)).collect())
            })
            .collect();
        let has_figure = |cells: &[&Cell]| cells.iter().any(|cell| Figures::of(cell).is_some());
        let n_cells = all.iter().filter(|(_, cells)| has_figure(cells)).count();
        if n_cells == 0 {
            return Self::Nothing { n_failed: all.len() };
        }
        let known: Vec<Known> = all.iter().filter_map(|(test, cells)| known(*test, cells)).collect();
        let is_measured =
            |(_, cells): &(Test, Vec<&Cell>)| cells.iter().any(|cell| cell.measured().is_some());
        let Some(widest) = known.iter().max_by(|a, b| a.width.get().total_cmp(&b.width.get())) else {
            return if all.iter().any(is_measured) { Self::Once } else { Self::MeansOnly };
        };
        let why = runs.iter().find_map(|run| doubts(run).iter().find_map(Why::of));
        let n_runs = runs.iter().filter(|run| run.cells.iter().any(|it| Figures::of(it).is_some())).count();
        if widest.width.get() <= BAD {
            let (half_width, n_known, is_interval) = (widest.width, known.len(), widest.n.is_some());
            return Self::Within { half_width, n_runs, n_known, n_cells, is_interval, but: why };
        }
        let few = widest
            .n
            .filter(|&n| n < FEW)
            .map(|n| if n_runs > 1 { Why::FewRuns(n) } else { Why::FewRepetitions(n) });
        let scattered = widest.cv.filter(|cv| cv.get() > BAD);
        let why = match why {
            // Too few only if nothing else explains their spread.
            Some(why) if why == Why::Busy || scattered.is_some() => Some(why),
            other => few.or(other),
        };
        Self::Unbelievable {
            test: widest.test,
            spread: scattered.unwrap_or(widest.width),
            is_interval: scattered.is_none(),
            why,
        }
    }

    /// How to take it.
    pub fn level(&self) -> Level {
        match self {
            Self::Within { but: Some(_), .. } | Self::MeansOnly => Level::Note,
            Self::Within { .. } => Level::Good,
            Self::Unbelievable { .. } | Self::Once | Self::Nothing { .. } => Level::Warning,
        }
    }

    /// Whether it shows half a 95 % interval, rather than a standard deviation or nothing.
    pub(super) fn is_of_intervals(&self) -> bool {
        match self {
            Self::Within { is_interval, .. } | Self::Unbelievable { is_interval, .. } => *is_interval,
            Self::Once | Self::MeansOnly | Self::Nothing { .. } => false,
        }
    }

    /// For finding the worst of several: the larger the less is known.
    pub(super) fn badness(&self) -> (u8, f64) {
        match self {
            Self::Within { half_width, but: None, .. } => (0, half_width.get()),
            Self::MeansOnly => (1, 0.0),
            Self::Within { half_width, .. } => (2, half_width.get()),
            Self::Once => (3, 0.0),
            Self::Unbelievable { spread, .. } => (4, spread.get()),
            Self::Nothing { .. } => (5, 0.0),
        }
    }
}

impl Why {
    fn of(doubt: &Statement) -> Option<Self> {
        match doubt {
            Statement::Neighbours(_) => Some(Self::Busy),
            Statement::Conditions(Conditions::Throttled { .. }) => Some(Self::Throttled),
            Statement::Noise(Noise::Apart { .. }) => Some(Self::TwoSpeeds),
            Statement::Noise(Noise::Dependent { .. }) => Some(Self::Dependent),
            Statement::Noise(Noise::Drift { .. }) => Some(Self::Drift),
            _ => None,
        }
    }
}

fn known(test: Test, cells: &[&Cell]) -> Option<Known> {
    let figures: Vec<Figures> = cells.iter().filter_map(|cell| Figures::of(cell)).collect();
    match &figures[..] {
        [one] => {
            let n = one.times.as_ref().map(Samples::n);
            let width = if n.is_some() { one.relative_half_width()? } else { one.cv? };
            Some(Known { test, width, cv: one.cv, n })
        }
        several => {
            let width = SpeedFigure::of(cells)?.relative_half_width()?;
            Some(Known { test, width, cv: None, n: Some(several.len()) })
        }
    }
}

impl fmt::Display for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Within { half_width, n_runs, n_known, n_cells, but, .. } => {
                let scope =
                    if n_runs > 1 { format!("between {n_runs} runs") } else { "within this run".into() };
                let width = percent(half_width);
                match but {
                    Some(why) => write!(f, "believable to ± {width} {scope} at best: {why}")?,
                    None => write!(f, "believable to ± {width} {scope}")?,
                }
                if n_known < n_cells {
                    write!(f, " (the spread of {} of {n_cells} tests is not known)", n_cells - n_known)?;
                }
                Ok(())
            }
            Self::Unbelievable { test, spread, is_interval, why } => {
                let spread = percent(spread);
                if is_interval {
                    write!(f, "not to be believed: the mean of {test} is known to ± {spread}")?;
                } else {
                    write!(f, "not to be believed: spread {spread} in {test}")?;
                }
                why.map_or(Ok(()), |why| write!(f, ", {why}"))
            }
            Self::Once => f.write_str("measured once: how far it may be off is not known"),
            Self::MeansOnly => f.write_str("only means are known: how far they may be off is not known"),
            Self::Nothing { n_failed: 0 } => f.write_str("nothing was measured"),
            Self::Nothing { n_failed } => {
                write!(f, "nothing was measured: {} failed", count(n_failed, "cell"))
            }
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => f.write_str("machine busy"),
            Self::Throttled => f.write_str("clocks held down"),
            Self::TwoSpeeds => f.write_str("repetitions fall into two groups"),
            Self::Dependent => f.write_str("the machine changed its speed"),
            Self::Drift => f.write_str("times drift"),
            Self::FewRepetitions(n) => write!(f, "only {}", count(*n, "repetition")),
            Self::FewRuns(n) => write!(f, "only {}", count(*n, "run")),
        }
    }
}
