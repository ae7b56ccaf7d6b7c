//! Work measured in several runs, at different times: what one run's repetitions cannot know is how far runs lie apart.

use std::time::Duration;

use super::{
    CompareError, Comparison, Confidence, Design, Quantity, Samples, Threshold, compare::Difference,
    interval::t_quantile, samples::mean,
};

/// How far runs of the same work lie apart, as a share of their time, for as long as nothing better is known.
const ASSUMED_SPREAD: f64 = 0.01;

/// How many runs' worth of knowledge the assumption is. With one, it soon fades; an interval around a single run is so
/// wide (Student's t of one degree of freedom) that machines whose runs lie much further apart raise no false alarms;
/// and an interval around two or three runs that agree by luck is not taken for a narrow one. In simulations equal runs
/// that lie up to 5 % apart differ in under 5 % of all cases, from one run on; two and more would not keep that.
const ASSUMED_WEIGHT: f64 = 1.0;

/// A run counts as the expected fastest of so many of its repetitions.
const FASTEST_OF: usize = 10;

impl Comparison {
    /// Compares the times of the same work in runs that were made apart: each run is one set of repetitions.
    ///
    /// A run counts as one figure, the expected fastest of ten of its repetitions (of half of them, where a run has
    /// fewer than twenty): other work on the machine only ever adds time, often to all repetitions for a second or
    /// longer, so that the fast end tells most of the work itself, and whatever the number of repetitions. How much
    /// that figure varies from run to run is estimated from both sides together (they are taken to vary alike), blended
    /// with an assumption: one run on each side is enough to see a change of a fifth, two and one to see 8 %, five and
    /// one to see 4 to 5 %. A side whose repetitions scatter more than the runs do (the machine is busy just now)
    /// counts with that scatter instead. The interval is Student's t of the logarithms.
    ///
    /// # Errors
    /// A side has no runs, or one took no time.
    pub fn of_runs(
        before: &[Samples<Duration>],
        after: &[Samples<Duration>],
        threshold: Threshold,
    ) -> Result<Self, CompareError> {
        let k = n_fastest(&[before, after]);
        let (Some(before), Some(after)) = (Side::of(before, k), Side::of(after, k)) else {
            return Err(CompareError::NoRuns);
        };
        before.compare(&after, threshold)
    }
}

/// What a repetition of some work takes, from several runs that were made apart.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct RunEstimate {
    /// The geometric mean of what the runs count as, the expected fastest of ten of their repetitions.
    pub time: Duration,
    /// Lower bound of its 95 % interval.
    pub shortest: Duration,
    /// Upper bound of its 95 % interval.
    pub longest: Duration,
    /// How many runs there are, at least one.
    pub n_runs: usize,
}

impl RunEstimate {
    /// The estimate, with an interval that knows of the spread between runs as [`Comparison::of_runs`] does; `None`
    /// if there are no runs or one took no time.
    pub fn of(runs: &[Samples<Duration>]) -> Option<Self> {
        let side = Side::of(runs, n_fastest(&[runs]))?;
        let error = Uncertainty::of(&Between::of(&[&side]), &[&side]);
        let half_width = t_quantile(error.degrees_of_freedom, Confidence::P95)? * error.stddev;
        let time = <Duration as Quantity>::from_f64(side.mean().exp()).filter(|time| !time.is_zero())?;
        // However little is known: the bounds of a wide interval are cut at what a duration can tell.
        let bound = |log: f64| Duration::from_nanos((log.exp().round() as u64).max(1));
        Some(Self {
            time,
            shortest: bound(side.mean() - half_width),
            longest: bound(side.mean() + half_width),
            n_runs: side.figures.len(),
        })
    }
}

/// One side: the logarithm of what each run counts as, and what its repetitions say of how well that is known.
pub(super) struct Side {
    pub(super) figures: Vec<Figure>,
    /// Variance of one run's figure by its own repetitions, averaged over the runs.
    pub(super) within: f64,
}

/// What a run counts as.
pub(super) struct Figure {
    pub(super) log: f64,
    /// What else is uncertain of it, as a variance; 0 for a run that is like any other.
    pub(super) doubt: f64,
}

impl Figure {
    /// How much it counts: the inverse of its variance as that is assumed to be, 1 for a run like any other.
    fn weight(&self) -> f64 {
        ASSUMED_SPREAD.powi(2) / (ASSUMED_SPREAD.powi(2) + self.doubt)
    }
}

impl Side {
    /// `None` without a run.
    fn of(runs: &[Samples<Duration>], n_fastest: usize) -> Option<Self> {
        let mut side = Self { figures: Vec::new(), within: 0.0 };
        for run in runs {
            let logs: Vec<f64> = run.sorted().iter().map(|time| time.ln()).collect();
            side.figures.push(Figure { log: fastest_of(&logs, n_fastest), doubt: 0.0 });
            side.within += jackknife(&logs, n_fastest);
        }
        side.within /= runs.len() as f64;
        (!runs.is_empty()).then_some(side)
    }

    fn sum(&self, term: impl Fn(&Figure) -> f64) -> f64 {
        self.figures.iter().map(term).sum()
    }

    fn mean(&self) -> f64 {
        self.sum(|figure| figure.weight() * figure.log) / self.sum(Figure::weight)
    }

    /// The variance of [`Side::mean`] where figures have this one, doubts apart.
    fn variance(&self, of_figures: f64) -> f64 {
        self.sum(|figure| figure.weight().powi(2) * (of_figures + figure.doubt))
            / self.sum(Figure::weight).powi(2)
    }

    pub(super) fn compare(&self, after: &Self, threshold: Threshold) -> Result<Comparison, CompareError> {
        let between = Between::of(&[self, after]);
        let error = Uncertainty::of(&between, &[self, after]);
        let difference =
            Difference::student(self.mean() - after.mean(), error.stddev, error.degrees_of_freedom)
                .ok_or(CompareError::NoTime)?;
        Comparison::of_difference(&difference, Design::Independent, threshold)
    }
}

/// Ten, or half of the repetitions of the run that has fewest: the same for all that are compared.
fn n_fastest(sides: &[&[Samples<Duration>]]) -> usize {
    let fewest = sides.iter().flat_map(|runs| runs.iter()).map(Samples::n).min().unwrap_or(1);
    (fewest / 2).clamp(1, FASTEST_OF)
}

/// The expected smallest of `k` of these ascending values, drawn without putting back: an estimate without bias, for
/// any number of values from `k` on.
fn fastest_of(sorted: &[f64], k: usize) -> f64 {
    let n = sorted.len();
    // The share of draws in which the i-th value is the smallest: C(n - 1 - i, k - 1) / C(n, k).
    let mut weight = k as f64 / n as f64;
    let mut sum = 0.0;
    for (i, value) in sorted.iter().enumerate().take(n + 1 - k) {
        sum += weight * value;
        weight *= (n - i - k) as f64 / (n - 1 - i).max(1) as f64;
    }
    sum
}

/// The variance of [`fastest_of`] by leaving out one value after the other; 0 where that leaves too few.
fn jackknife(sorted: &[f64], k: usize) -> f64 {
    let n = sorted.len();
    if n <= k {
        return 0.0;
    }
    let without = |i: usize| -> f64 {
        let rest: Vec<f64> = sorted[..i].iter().chain(&sorted[i + 1..]).copied().collect();
        fastest_of(&rest, k)
    };
    let estimates: Vec<f64> = (0..n).map(without).collect();
    let center = mean(&estimates);
    (n - 1) as f64 / n as f64 * estimates.iter().map(|x| (x - center).powi(2)).sum::<f64>()
}

/// The variance of a run's figure from run to run, around the mean of its side.
struct Between {
    variance: f64,
    degrees_of_freedom: f64,
}

impl Between {
    fn of(sides: &[&Side]) -> Self {
        let squares = |side: &Side| {
            let center = side.mean();
            side.sum(|figure| figure.weight() * (figure.log - center).powi(2))
        };
        let seen: f64 = sides.iter().map(|side| squares(side)).sum();
        let known: f64 = sides.iter().map(|side| (side.figures.len() - 1) as f64).sum();
        let degrees_of_freedom = ASSUMED_WEIGHT + known;
        let variance = (ASSUMED_WEIGHT * ASSUMED_SPREAD.powi(2) + seen) / degrees_of_freedom;
        Self { variance, degrees_of_freedom }
    }
}

/// The standard error of a sum or difference of sides.
struct Uncertainty {
    stddev: f64,
    degrees_of_freedom: f64,
}

impl Uncertainty {
    fn of(between: &Between, sides: &[&Side]) -> Self {
        let part = |side: &&Side| side.variance(between.variance.max(side.within));
        let variance: f64 = sides.iter().map(part).sum();
        // Repetitions that scatter say that less is known of a side, never more of how runs differ.
        Self { stddev: variance.sqrt(), degrees_of_freedom: between.degrees_of_freedom }
    }
}

#[cfg(test)]
#[path = "runs_tests.rs"]
mod tests;
