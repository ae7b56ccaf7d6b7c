//! How the times of each test are spread.

use std::time::Duration;

use super::figures::Figures;
use crate::{
    record::{Cell, Run, Test, tests_of},
    stats::{Quantity as _, Samples, TimeSpread},
};

/// How the times of one test are spread: of a generation those of single steps, each a token of every sequence, of a prompt
/// and of an embedding those of the whole. The repetitions of all runs count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Percentiles {
    /// The test.
    pub test: Test,
    /// The mean.
    pub mean: Duration,
    /// How the times lie around it; `None` if single times are not known.
    pub spread: Option<TimeSpread>,
}

/// Of the runs of one configuration, test by test in the order planned; without those that have no figure.
pub(crate) fn percentiles(runs: &[&Run]) -> Vec<Percentiles> {
    let of_test = |test: Test| {
        let cells = runs.iter().flat_map(|run| &run.cells).filter(|cell| cell.test == test);
        of_cells(test, &cells.collect::<Vec<_>>())
    };
    tests_of(runs.iter().copied()).into_iter().filter_map(of_test).collect()
}

fn of_cells(test: Test, cells: &[&Cell]) -> Option<Percentiles> {
    let samples = || cells.iter().filter_map(|cell| cell.measured()).flat_map(|measured| &measured.samples);
    let is_generation = test.kind.is_generation();
    let times = if is_generation {
        Samples::new(samples().flat_map(|sample| &sample.steps).copied())
    } else {
        Samples::new(samples().map(|sample| sample.elapsed))
    };
    let spread = times.as_ref().and_then(TimeSpread::of);
    let mean = times.map(|times| times.mean()).or_else(|| {
        // Another tool's file, or steps that were not timed: the whole time, in equal parts.
        let whole = Samples::new(cells.iter().filter_map(|cell| Some(Figures::of(cell)?.time)))?.mean();
        let n = if is_generation { test.kind.n_tokens() } else { 1 };
        Duration::from_f64(whole.to_f64() / f64::from(n.max(1)))
    })?;
    Some(Percentiles { test, mean, spread })
}
