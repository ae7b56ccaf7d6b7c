use std::{fmt, time::Duration};

use super::{Level, Say, suspicion::Found};
use crate::{
    record::{Cell, Run, Test},
    report::in_words::{count, duration, percent, plural},
    stats::{Quantity as _, Samples, Trend, holm},
    units::{Change, Share},
};

/// What disturbed the repetitions. Nothing is ever dropped from the figures for it, and what moves a time by less than
/// 1 % is left out.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Noise {
    /// Repetitions beyond Tukey's fences, which ordinary noise crosses now and then.
    Outliers {
        /// Cells that have some.
        n_cells: usize,
        /// The one that lies farthest from its cell's median.
        farthest: Far,
    },
    /// The first repetition is an outlier on the slow side. A warning only if the run's repetitions are
    /// [apart](Noise::Apart) too: the first one of few crosses a fence by chance.
    SlowFirst {
        /// Cells whose first one is.
        n_cells: usize,
        /// The one that lies farthest from its cell's median.
        farthest: Far,
        /// Whether some repetitions of the run lie farther apart than ordinary noise does.
        is_apart: bool,
    },
    /// Neighbours are more alike than in a random order of the same repetitions: the machine changes its speed for longer
    /// than a repetition.
    Dependent {
        /// The lag-1 autocorrelation, the mean over the cells.
        correlation: f64,
        /// The p value of neighbours that are so alike, over all tests of the run.
        p_value: f64,
    },
    /// The repetitions of a cell fall into two groups, farther apart than ordinary noise makes them.
    Apart {
        /// The cell with the widest gap for its spread.
        test: Test,
        /// Its repetitions.
        n: usize,
        /// Those above the gap: the slower ones.
        n_slower: usize,
        /// Width of the gap, as a part of the cell's mean time.
        gap: f64,
    },
    /// The times climb or fall in the order measured.
    Drift {
        /// Cells whose times do, with p values under 1 % after Holm's correction over all cells of the run.
        n_cells: usize,
        /// The cell where they do most.
        test: Test,
        /// Change of the time from the first repetition to the last, over the mean.
        change: Change,
    },
    /// The warm-up reached its limit before two successive runs agreed.
    Unsettled {
        /// Cells whose warm-up did.
        n_cells: usize,
        /// The first of them.
        test: Test,
    },
}

/// A repetition far from the others.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Far {
    /// Its cell.
    pub test: Test,
    /// Its time.
    pub time: Duration,
    /// The median of the cell.
    pub median: Duration,
}

/// Less is not reported.
pub(super) const WORTH_A_WORD: f64 = 0.01;

/// More is a reason to look again.
const ALARMING: f64 = 0.05;

/// Of a hundred steady runs one drifts by chance. Stricter than one test alone, since a run is tested for more than drift.
const DRIFT_ALPHA: f64 = 0.01;

pub(super) fn noise(run: &Run, found: &Found) -> Vec<Noise> {
    let sets: Vec<(Test, Samples<Duration>)> =
        run.cells.iter().filter_map(|cell| Some((cell.test, cell.times()?))).collect();
    let is_apart = found.apart.is_some();
    let dependent = found
        .serial
        .map(|serial| Noise::Dependent { correlation: serial.correlation, p_value: serial.p_value });
    let apart =
        found.apart.map(|(test, n, apart)| Noise::Apart { test, n, n_slower: apart.n_above, gap: apart.gap });
    let said =
        [slow_first(&sets, is_apart), apart, outliers(&sets), dependent, drift(&sets), unsettled(&run.cells)];
    said.into_iter().flatten().collect()
}

impl Far {
    /// Distance from the median, as a part of it.
    fn distance(&self) -> f64 {
        self.time.abs_diff(self.median).to_f64() / self.median.to_f64()
    }

    fn matters(&self) -> bool {
        self.distance() > WORTH_A_WORD
    }
}

fn farthest(far: &[Far]) -> Option<Far> {
    far.iter().copied().max_by(|a, b| a.distance().total_cmp(&b.distance()))
}

fn slow_first(sets: &[(Test, Samples<Duration>)], is_apart: bool) -> Option<Noise> {
    let first = |(test, times): &(Test, Samples<Duration>)| {
        let far = Far { test: *test, time: *times.values().first()?, median: times.median() };
        (times.first_is_slow() && far.matters()).then_some(far)
    };
    let far: Vec<Far> = sets.iter().filter_map(first).collect();
    Some(Noise::SlowFirst { n_cells: far.len(), farthest: farthest(&far)?, is_apart })
}

fn outliers(sets: &[(Test, Samples<Duration>)]) -> Option<Noise> {
    let of_cell = |(test, times): &(Test, Samples<Duration>)| {
        let far: Vec<Far> = times
            .outliers()
            .into_iter()
            // A slow first one is reported as such.
            .filter(|outlier| outlier.index > 0 || !outlier.is_high)
            .map(|outlier| Far { test: *test, time: outlier.value, median: times.median() })
            .filter(Far::matters)
            .collect();
        farthest(&far)
    };
    let far: Vec<Far> = sets.iter().filter_map(of_cell).collect();
    Some(Noise::Outliers { n_cells: far.len(), farthest: farthest(&far)? })
}

fn drift(sets: &[(Test, Samples<Duration>)]) -> Option<Noise> {
    let trends: Vec<(Test, Trend)> =
        sets.iter().filter_map(|(test, times)| Some((*test, times.trend()?))).collect();
    // Of twenty steady cells one drifts by chance: they are judged together.
    let p_values = holm(&trends.iter().map(|(_, trend)| trend.p_value).collect::<Vec<_>>());
    let drifting: Vec<_> = trends
        .into_iter()
        .zip(p_values)
        .filter(|((_, trend), p)| p.get() < DRIFT_ALPHA && trend.change.get().abs() > WORTH_A_WORD)
        .map(|(cell, _)| cell)
        .collect();
    let size = |(_, trend): &(Test, Trend)| trend.change.get().abs();
    let (test, trend) = *drifting.iter().max_by(|a, b| size(a).total_cmp(&size(b)))?;
    Some(Noise::Drift { n_cells: drifting.len(), test, change: trend.change })
}

fn unsettled(cells: &[Cell]) -> Option<Noise> {
    let is_unsettled = |cell: &&Cell| {
        cell.measured()
            .is_some_and(|measured| measured.warmup.is_some_and(|warmup| warmup.settled == Some(false)))
    };
    let mut unsettled = cells.iter().filter(is_unsettled);
    let test = unsettled.next()?.test;
    Some(Noise::Unsettled { n_cells: 1 + unsettled.count(), test })
}

impl Say for Noise {
    fn level(&self) -> Level {
        let size = match self {
            Noise::Outliers { .. } | Noise::SlowFirst { is_apart: false, .. } => return Level::Note,
            Noise::SlowFirst { farthest, .. } => farthest.distance(),
            Noise::Drift { change, .. } => change.get().abs(),
            Noise::Dependent { .. } | Noise::Apart { .. } | Noise::Unsettled { .. } => return Level::Warning,
        };
        if size > ALARMING { Level::Warning } else { Level::Note }
    }
}

impl fmt::Display for Noise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Noise::Outliers { n_cells, farthest: Far { test, time, median } } => write!(
                f,
                "Some repetitions of {} lie far from the others, in {test} the farthest: {} where the median is {}. \
                 They are counted.",
                count(n_cells, "cell"),
                duration(time),
                duration(median)
            ),
            Noise::SlowFirst { n_cells, farthest: Far { test, time, median }, .. } => write!(
                f,
                "The first repetition is slow in {}, in {test} the most: {} where the median is {}. It is counted; a \
                 longer warm-up would help.",
                count(n_cells, "cell"),
                duration(time),
                duration(median)
            ),
            Noise::Dependent { correlation, p_value } => {
                let percent = |share: f64| Share::new(share).map_or_else(String::new, percent);
                write!(
                    f,
                    "Successive repetitions are more alike than chance makes them (lag-1 autocorrelation \
                     {correlation:.2}, p = {}): the machine changes its speed for longer than one repetition. The \
                     intervals are widened for it and may still be too narrow; measure several runs, or interleave the depths (--order rounds).",
                    percent(p_value)
                )
            }
            Noise::Apart { test, n, n_slower, gap } => {
                let (n_apart, side) =
                    if 2 * n_slower > n { (n - n_slower, "faster") } else { (n_slower, "slower") };
                write!(
                    f,
                    "Repetitions fall into two groups, most clearly in {test}: {n_apart} of {n} {} {side} than the rest \
                     by {} of the mean or more. Other cells may have met one of the two speeds alone, so the intervals \
                     of this run may be too narrow. Look for what interrupts or slows the machine now and then.",
                    plural(n_apart, "is", "are"),
                    Share::new(gap).map_or_else(String::new, percent)
                )
            }
            Noise::Drift { n_cells, test, change } => write!(
                f,
                "The times of {} drift while they are repeated, most in {test}: a straight line through them {} by {} of \
                 their mean from the first repetition to the last. Clocks, temperature or another program changed meanwhile.",
                count(n_cells, "cell"),
                if change.get() > 0.0 { "rises" } else { "falls" },
                percent(change.size())
            ),
            Noise::Unsettled { n_cells, test } => write!(
                f,
                "The warm-up of {} did not settle before its limit, first in {test}: the first repetitions may be \
                 slower than the rest.",
                count(n_cells, "cell")
            ),
        }
    }
}
