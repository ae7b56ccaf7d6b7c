use std::time::Duration;

use super::{
    Bootstrap, Bounds, Confidence, IntervalMethod, Quantity, Samples,
    bootstrap::{bca, tail},
    estimate::Estimate,
    moments::mean,
    student::t_quantile,
};
use crate::units::Speedup;

/// Whether the samples of two sides form pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Design {
    /// Measured in turn: the n-th of one side shares its conditions with the n-th of the other.
    Paired,
    /// Measured apart.
    Independent,
}

/// The speed of one set of times over that of another, with its interval: an estimate, not a verdict.
///
/// The interval is that of these samples and this pair alone. [`judge::compare`](crate::judge::compare) decides whether a
/// change counts, given the spread between runs and the number of tests.
///
/// ```
/// use std::time::Duration;
///
/// use llama_bench_rs::stats::{Design, Ratio, Samples};
///
/// let times = |ms: [u64; 3]| Samples::new(ms.map(Duration::from_millis)).expect("three samples");
/// let (before, after) = (times([100, 101, 102]), times([110, 111, 113]));
/// if let Some(ratio) = Ratio::of_times(&before, &after, Design::Independent) {
///     assert_eq!(ratio.speedup.to_string(), "-9.3 %");
///     assert!(ratio.bounds.upper().get() < 1.0, "surely slower");
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Ratio {
    /// Speed of the second set over that of the first: over 1 is faster. The ratio of the geometric means.
    pub speedup: Speedup,
    /// Its 95 % interval.
    pub bounds: Bounds<Speedup>,
}

impl Ratio {
    /// The ratio of the times of the same work; `None` if a side has one sample, the sides do not make pairs, or a sample
    /// took no time.
    ///
    /// The interval is Student's t of the logarithms, or from [`IntervalMethod::BOOTSTRAP_FROM`] samples on each side a
    /// seeded bootstrap.
    pub fn of_times(before: &Samples<Duration>, after: &Samples<Duration>, design: Design) -> Option<Self> {
        let (before, after) = (Logs::of(before), Logs::of(after));
        let difference = match design {
            Design::Paired => Difference::paired(&before, &after),
            Design::Independent => Difference::welch(&before, &after),
        }?;
        let ratio = |log: f64| Speedup::new(log.exp());
        Some(Self {
            speedup: ratio(difference.mean)?,
            bounds: Bounds::between(ratio(difference.lower)?, ratio(difference.upper)?),
        })
    }
}

/// The logarithms of one side's times.
struct Logs {
    values: Vec<f64>,
    /// The number of samples that decided how many there are.
    n_deciding: usize,
}

impl Logs {
    fn of(side: &Samples<Duration>) -> Self {
        let values = side.values().iter().map(|time| time.to_f64().ln()).collect();
        Self { values, n_deciding: side.n_deciding() }
    }
}

/// The mean of one side less that of the other, with its 95 % interval.
struct Difference {
    mean: f64,
    lower: f64,
    upper: f64,
}

impl Difference {
    fn paired(a: &Logs, b: &Logs) -> Option<Self> {
        if a.values.len() != b.values.len() {
            return None;
        }
        let differences: Vec<f64> = a.values.iter().zip(&b.values).map(|(a, b)| a - b).collect();
        let n_deciding = a.n_deciding.min(b.n_deciding);
        let difference = Self::student(Estimate::of_values(&differences, n_deciding)?)?;
        if differences.len() < IntervalMethod::BOOTSTRAP_FROM {
            return Some(difference);
        }
        difference.bootstrapped(&[&differences], n_deciding, |sets| mean(&sets[0]))
    }

    fn welch(a: &Logs, b: &Logs) -> Option<Self> {
        let estimate = |side: &Logs| Estimate::of_values(&side.values, side.n_deciding);
        let difference = Self::student(estimate(a)?.combine(1.0, estimate(b)?, -1.0))?;
        let n_deciding = a.n_deciding.min(b.n_deciding);
        if a.values.len().min(b.values.len()) < IntervalMethod::BOOTSTRAP_FROM {
            return Some(difference);
        }
        difference.bootstrapped(&[&a.values, &b.values], n_deciding, |sets| mean(&sets[0]) - mean(&sets[1]))
    }

    fn student(difference: Estimate) -> Option<Self> {
        let (mean, error) = (difference.mean, difference.error?);
        let half_width = t_quantile(error.degrees_of_freedom, Confidence::P95)? * error.variance.sqrt();
        let is_finite = mean.is_finite() && half_width.is_finite();
        is_finite.then_some(Self { mean, lower: mean - half_width, upper: mean + half_width })
    }

    fn bootstrapped(
        self,
        sets: &[&[f64]],
        n_deciding: usize,
        statistic: impl Fn(&[Vec<f64>]) -> f64,
    ) -> Option<Self> {
        let smallest = sets.iter().map(|set| set.len()).min()?;
        let tail = tail(smallest, n_deciding, Confidence::P95)?;
        let (lower, upper) = bca(sets, statistic, tail, Bootstrap::default())?;
        Some(Self { lower, upper, ..self })
    }
}

#[cfg(test)]
#[path = "ratio_tests.rs"]
mod tests;
