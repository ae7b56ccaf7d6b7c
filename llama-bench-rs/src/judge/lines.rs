//! The arithmetic: from the figures of runs to the shift that the tests of one kind share, and to each test's difference
//! beyond it.
//!
//! The logarithm of a run's figure is a sum: the level of its test, a part that the whole run shares, and a part of its
//! own. The shared part is estimated from one difference per run, however many tests there are. The own part is estimated
//! from every test of the kind: a few runs are enough to find one slow test among several.

use super::assumed;
use crate::stats::{Confidence, t_quantile, two_sided_p};

/// One run: a figure for each test of the kind.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// Logarithms of the times.
    pub(super) logs: Vec<f64>,
    /// The variance of each by the run's own repetitions.
    pub(super) within: Vec<f64>,
    /// A further uncertainty that all of them share, as a variance.
    pub(super) doubt: f64,
    /// The sitting that the run belongs to; `None` if it is not known.
    pub(super) sitting: Option<usize>,
}

impl Row {
    /// 1 for an ordinary run, less for a doubtful one.
    fn weight(&self) -> f64 {
        assumed::COMMON.get().powi(2) / (assumed::COMMON.get().powi(2) + self.doubt)
    }
}

/// A difference of logarithms with its standard error: over zero is faster.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Line {
    pub(super) log: f64,
    pub(super) error: f64,
    pub(super) degrees_of_freedom: f64,
}

impl Line {
    /// How often equal sides differ at least as much, two-sided.
    pub(super) fn p_value(&self) -> f64 {
        if self.error > 0.0 {
            two_sided_p(self.log / self.error, self.degrees_of_freedom).unwrap_or(1.0)
        } else {
            1.0
        }
    }

    /// Its 95 % interval.
    pub(super) fn bounds(&self) -> (f64, f64) {
        let half = self.quantile(0.05) * self.error;
        (self.log - half, self.log + half)
    }

    /// The two-sided quantile of Student's t: this share of all cases lies beyond it.
    pub(super) fn quantile(&self, beyond: f64) -> f64 {
        let confidence = Confidence::new(1.0 - beyond);
        confidence.and_then(|c| t_quantile(self.degrees_of_freedom, c)).unwrap_or(0.0)
    }
}

/// The tests of one kind.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Block {
    /// What all tests have in common.
    pub(super) common: Line,
    /// Each test's whole difference, and the part beyond the common one; `None` for a test on its own.
    pub(super) tests: Vec<(Line, Option<Line>)>,
}

impl Block {
    /// Every line that is tested: the common one and, if there are several tests, the part of each beyond it.
    pub(super) fn tested(&self) -> impl Iterator<Item = &Line> {
        std::iter::once(&self.common).chain(self.tests.iter().filter_map(|(_, beyond)| beyond.as_ref()))
    }
}

/// The difference of two sides that were measured apart.
pub(super) fn independent(before: &[Row], after: &[Row]) -> Option<Block> {
    block(&[Side::of(before, 1.0)?, Side::of(after, -1.0)?])
}

/// The difference of two sides that were measured in turn: the n-th runs of both share their conditions.
pub(super) fn paired(before: &[Row], after: &[Row]) -> Option<Block> {
    let pair = |(a, b): (&Row, &Row)| {
        let sum = |a: &[f64], b: &[f64], sign: f64| a.iter().zip(b).map(|(a, b)| a + sign * b).collect();
        let (logs, within) = (sum(&a.logs, &b.logs, -1.0), sum(&a.within, &b.within, 1.0));
        Row { logs, within, doubt: a.doubt + b.doubt, sitting: None }
    };
    let rows: Vec<Row> = before.iter().zip(after).map(pair).collect();
    block(&[Side::of(&rows, 1.0)?])
}

/// What is computed of one side.
struct Side<'a> {
    rows: &'a [Row],
    sign: f64,
    /// Mean of each test.
    tests: Vec<f64>,
    /// Sums of squares: of the runs around their mean, and of the residuals of their figures.
    squares: (f64, f64),
    /// The variance of the mean of the runs over that of one run.
    share: f64,
}

impl<'a> Side<'a> {
    fn of(rows: &'a [Row], sign: f64) -> Option<Self> {
        let n_tests = rows.first()?.logs.len();
        if n_tests == 0 || rows.iter().any(|row| row.logs.len() != n_tests) {
            return None;
        }
        let weights: f64 = rows.iter().map(Row::weight).sum();
        let weighted =
            |value: &dyn Fn(&Row) -> f64| rows.iter().map(|row| row.weight() * value(row)).sum::<f64>();
        let of_run = |row: &Row| row.logs.iter().sum::<f64>() / n_tests as f64;
        let tests: Vec<f64> = (0..n_tests).map(|i| weighted(&|row| row.logs[i]) / weights).collect();
        let center = tests.iter().sum::<f64>() / n_tests as f64;
        let common = weighted(&|row| (of_run(row) - center).powi(2));
        let own = weighted(&|row| {
            let left = |(log, test): (&f64, &f64)| (log - of_run(row) - (test - center)).powi(2);
            row.logs.iter().zip(&tests).map(left).sum()
        });
        let share = rows.iter().map(|row| row.weight().powi(2)).sum::<f64>() / weights.powi(2);
        Some(Self { rows, sign, tests, squares: (common, own), share })
    }

    fn degrees_of_freedom(&self) -> f64 {
        (self.rows.len() - 1) as f64
    }

    /// The variance of the mean, from that of one run.
    fn of_mean(&self, variance: f64, doubts: bool) -> f64 {
        let weights: f64 = self.rows.iter().map(Row::weight).sum();
        let doubt = |row: &Row| row.weight().powi(2) * row.doubt / weights.powi(2);
        self.share * variance + if doubts { self.rows.iter().map(doubt).sum() } else { 0.0 }
    }

    /// The variance of a test within a run by its repetitions, averaged over the runs.
    fn within(&self, test: usize) -> f64 {
        self.rows.iter().map(|row| row.within[test]).sum::<f64>() / self.rows.len() as f64
    }

    /// The sittings of the runs; `None` if one is not known.
    fn sittings(&self) -> Option<Vec<usize>> {
        Some(once(self.rows.iter().map(|row| row.sitting).collect::<Option<_>>()?))
    }
}

fn block(sides: &[Side<'_>]) -> Option<Block> {
    let n_tests = sides.first()?.tests.len();
    let known: f64 = sides.iter().map(Side::degrees_of_freedom).sum();
    let seen = |pick: fn(&Side<'_>) -> f64| sides.iter().map(pick).sum::<f64>();
    let blend = |assumed: f64, squares: f64, known: f64| {
        (assumed::WEIGHT * assumed.powi(2) + squares) / (assumed::WEIGHT + known)
    };
    let common = blend(assumed::COMMON.get(), seen(|side| side.squares.0), known);
    let known_own = known * (n_tests - 1) as f64;
    let own = blend(assumed::OWN, seen(|side| side.squares.1), known_own);

    let differences: Vec<f64> =
        (0..n_tests).map(|i| sides.iter().map(|side| side.sign * side.tests[i]).sum()).collect();
    let shift = middle_towards_zero(&differences);
    // Scattered repetitions make a side less certain; they say nothing about the spread of runs.
    let within =
        |side: &Side<'_>| (0..n_tests).map(|i| side.within(i)).sum::<f64>() / (n_tests * n_tests) as f64;
    let runs: f64 = sides.iter().map(|side| side.of_mean(common.max(within(side)), true)).sum();
    let (error, degrees_of_freedom) = with_days(sides, runs, assumed::WEIGHT + known);
    let common = Line { log: shift, error, degrees_of_freedom };
    let test = |i: usize| {
        if n_tests == 1 {
            return (common, None);
        }
        let of_test: f64 = sides.iter().map(|side| side.of_mean(own.max(side.within(i)), false)).sum();
        let beyond = Line {
            log: differences[i] - shift,
            error: (of_test * n_tests as f64 / (n_tests - 1) as f64).sqrt(),
            degrees_of_freedom: assumed::WEIGHT + known_own,
        };
        let whole = Line { log: differences[i], error: (common.error.powi(2) + of_test).sqrt(), ..common };
        (whole, Some(beyond))
    };
    let tests: Vec<(Line, Option<Line>)> = (0..n_tests).map(test).collect();
    let is_finite = tests.iter().all(|(whole, _)| whole.log.is_finite() && whole.error.is_finite());
    is_finite.then_some(Block { common, tests })
}

/// The median; of an even number the one of the two middle ones that lies nearer to zero. One outlier does not change what
/// most tests share.
fn middle_towards_zero(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
    if low * high <= 0.0 { 0.0 } else { low.abs().min(high.abs()).copysign(low) }
}

/// Adds the variance between sittings, which runs of one sitting do not show. Returns the standard error and its degrees of
/// freedom (Satterthwaite).
fn with_days(sides: &[Side<'_>], runs: f64, degrees_of_freedom: f64) -> (f64, f64) {
    let (spread, known) = assumed::DAY;
    let days = extra_days(sides).map_or(0.0, |share| share * spread.powi(2));
    let sum = runs + days;
    let weights = runs.powi(2) / degrees_of_freedom + days.powi(2) / known;
    (sum.sqrt(), if weights > 0.0 { sum.powi(2) / weights } else { degrees_of_freedom })
}

/// The variance between sittings for sides whose runs are of these sittings.
pub(super) fn variance_of_days(sides: &[&Vec<usize>]) -> f64 {
    let sides: Vec<(usize, Vec<usize>)> =
        sides.iter().map(|side| (side.len(), once((*side).clone()))).collect();
    extra(&sides).map_or(0.0, |share| share * assumed::DAY.0.powi(2))
}

fn extra_days(sides: &[Side<'_>]) -> Option<f64> {
    let of = |side: &Side<'_>| Some((side.rows.len(), side.sittings()?));
    extra(&sides.iter().map(of).collect::<Option<Vec<_>>>()?)
}

/// The share of the variance between sittings that the spread of the runs does not include: all of it if no side has
/// several sittings, else the part that runs of one sitting share. `None` if all runs are of one sitting, or the sittings
/// are not known. Each side is its number of runs and their sittings.
fn extra(sides: &[(usize, Vec<usize>)]) -> Option<f64> {
    let all = once(sides.iter().flat_map(|(_, of_side)| of_side.clone()).collect());
    if all.len() < 2 {
        return None;
    }
    let knows_days = sides.iter().any(|(_, of_side)| of_side.len() > 1);
    let extra = sides.iter().map(|(n_runs, of_side)| {
        let in_spread = if knows_days { 1.0 / *n_runs as f64 } else { 0.0 };
        1.0 / of_side.len() as f64 - in_spread
    });
    Some(extra.sum::<f64>().max(0.0))
}

/// Each number once, in order.
fn once(mut numbers: Vec<usize>) -> Vec<usize> {
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

#[cfg(test)]
#[path = "lines_tests.rs"]
mod tests;
