use std::{fmt, time::Duration};

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::{
    Bootstrap, Confidence, IntervalMethod, Quantity, Samples,
    bootstrap::{bca, tail},
    detectable::Sureness,
    estimate::Estimate,
    holm,
    interval::t_quantile,
    samples::mean,
};
use crate::units::{Probability, Share, Speedup};

/// How the samples of the two sides belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Design {
    /// Measured in turn: the n-th of one side shares its conditions with the n-th of the other.
    Paired,
    /// Measured apart.
    Independent,
}

/// What a difference must be to count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Threshold {
    /// A change of speed up to this is noise of the machine, however surely it was measured.
    pub noise: Share,
    /// The chance of a false alarm that is accepted.
    pub alpha: Probability,
}

impl Default for Threshold {
    /// ± 1 %, 5 %.
    fn default() -> Self {
        Self { noise: Share::percent(1), alpha: Probability::percent(5) }
    }
}

/// What a comparison says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verdict {
    /// The second side is faster, by more than the noise.
    Improved,
    /// The second side is slower, by more than the noise.
    Regressed,
    /// The difference, if there is one, is within the noise.
    NoChange,
    /// The samples allow both a change and none: take more.
    CannotTell,
    /// What was measured contradicts itself, because other work ran beside it: measure again.
    Inconclusive,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Verdict::Improved => "improved",
            Verdict::Regressed => "REGRESSED",
            Verdict::NoChange => "no change",
            Verdict::CannotTell => "cannot tell",
            Verdict::Inconclusive => "inconclusive",
        })
    }
}

/// Two sets of times of the same work.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Comparison {
    /// Speed of the second side over that of the first: over 1 is faster. The ratio of the geometric means.
    pub speedup: Speedup,
    /// Lower bound of its 95 % interval.
    pub lower: Speedup,
    /// Upper bound of its 95 % interval.
    pub upper: Speedup,
    /// How often equal sides differ at least as much (Student's t of the logarithms: paired, or Welch's), two-sided;
    /// corrected by [`Comparison::correct`].
    pub p_value: Probability,
    /// What it says.
    pub verdict: Verdict,
    /// How the samples belong together.
    pub design: Design,
    /// What counts.
    pub threshold: Threshold,
    pub(super) sureness: Sureness,
}

/// Why two sets cannot be compared.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CompareError {
    /// One sample says nothing about its spread.
    #[error("a comparison needs at least 2 samples on each side, but there are {before} and {after}")]
    TooFew {
        /// Samples of the first side.
        before: usize,
        /// Samples of the second side.
        after: usize,
    },
    /// Pairs have two sides.
    #[error("{before} and {after} samples do not make pairs: compare them as independent")]
    Unpaired {
        /// Samples of the first side.
        before: usize,
        /// Samples of the second side.
        after: usize,
    },
    /// Pairs of runs have two sides.
    #[error("{before} and {after} runs do not make pairs: compare the runs that both sides have")]
    UnpairedRuns {
        /// Runs of the first side.
        before: usize,
        /// Runs of the second side.
        after: usize,
    },
    /// A side was not measured.
    #[error("a comparison of runs needs at least one run on each side: measure the other side too")]
    NoRuns,
    /// A ratio of no time.
    #[error("a sample took no time: its speed is not defined")]
    NoTime,
}

crate::error::debug_like_display!(CompareError);

impl Comparison {
    /// Compares the times of the same work.
    ///
    /// The interval is Student's t of the logarithms, or from [`IntervalMethod::BOOTSTRAP_FROM`] samples on each side a
    /// seeded bootstrap. An improvement or a regression needs a p value under alpha and an interval that lies
    /// outside of the noise altogether; no change needs one that lies inside.
    ///
    /// # Errors
    /// There are too few samples, they do not make pairs, or one took no time.
    pub fn of_times(
        before: &Samples<Duration>,
        after: &Samples<Duration>,
        design: Design,
        threshold: Threshold,
    ) -> Result<Self, CompareError> {
        let counts = (before.n(), after.n());
        if counts.0.min(counts.1) < 2 {
            return Err(CompareError::TooFew { before: counts.0, after: counts.1 });
        }
        if design == Design::Paired && counts.0 != counts.1 {
            return Err(CompareError::Unpaired { before: counts.0, after: counts.1 });
        }
        let (before, after) = (Logs::of(before), Logs::of(after));
        let difference = match design {
            Design::Paired => Difference::paired(&before, &after),
            Design::Independent => Difference::welch(&before, &after),
        };
        Self::of_difference(&difference.ok_or(CompareError::NoTime)?, design, threshold)
    }

    pub(super) fn of_difference(
        difference: &Difference,
        design: Design,
        threshold: Threshold,
    ) -> Result<Self, CompareError> {
        let ratio = |log: f64| Speedup::new(log.exp()).ok_or(CompareError::NoTime);
        let mut comparison = Self {
            speedup: ratio(difference.mean)?,
            lower: ratio(difference.lower)?,
            upper: ratio(difference.upper)?,
            p_value: Probability::new(difference.p_value).ok_or(CompareError::NoTime)?,
            verdict: Verdict::CannotTell,
            design,
            threshold,
            sureness: difference.sureness,
        };
        comparison.judge();
        Ok(comparison)
    }

    /// Corrects the p values and verdicts of comparisons that are looked at together (Holm), so that many cells do
    /// not make an alarm out of chance.
    pub fn correct(comparisons: &mut [Self]) {
        let p_values: Vec<Probability> = comparisons.iter().map(|c| c.p_value).collect();
        let n_together = comparisons.len();
        for (comparison, p_value) in comparisons.iter_mut().zip(holm(&p_values)) {
            comparison.p_value = p_value;
            comparison.sureness.n_together = n_together;
            comparison.judge();
        }
    }

    fn judge(&mut self) {
        let noise = 1.0 + self.threshold.noise.get();
        let (lower, upper) = (self.lower.get(), self.upper.get());
        let is_sure = self.p_value.get() < self.threshold.alpha.get();
        self.verdict = if is_sure && lower > noise {
            Verdict::Improved
        } else if is_sure && upper < 1.0 / noise {
            Verdict::Regressed
        } else if lower >= 1.0 / noise && upper <= noise {
            Verdict::NoChange
        } else {
            Verdict::CannotTell
        };
    }
}

/// The logarithms of one side's times.
struct Logs {
    values: Vec<f64>,
    /// How many of them decided how many there are.
    n_deciding: usize,
}

impl Logs {
    fn of(side: &Samples<Duration>) -> Self {
        let values = side.values().iter().map(|time| time.to_f64().ln()).collect();
        Self { values, n_deciding: side.n_deciding() }
    }
}

/// The mean of one side less that of the other, with its 95 % interval.
pub(super) struct Difference {
    mean: f64,
    lower: f64,
    upper: f64,
    p_value: f64,
    sureness: Sureness,
}

impl Difference {
    fn paired(a: &Logs, b: &Logs) -> Option<Self> {
        let differences: Vec<f64> = a.values.iter().zip(&b.values).map(|(a, b)| a - b).collect();
        let n_deciding = a.n_deciding.min(b.n_deciding);
        let difference = Self::of_estimate(Estimate::of_values(&differences, n_deciding)?)?;
        match differences.len() >= IntervalMethod::BOOTSTRAP_FROM {
            true => difference.bootstrapped(&[&differences], n_deciding, |sets| mean(&sets[0])),
            false => Some(difference),
        }
    }

    fn welch(a: &Logs, b: &Logs) -> Option<Self> {
        let estimate = |side: &Logs| Estimate::of_values(&side.values, side.n_deciding);
        let difference = Self::of_estimate(estimate(a)?.combine(1.0, estimate(b)?, -1.0))?;
        let n_deciding = a.n_deciding.min(b.n_deciding);
        match a.values.len().min(b.values.len()) >= IntervalMethod::BOOTSTRAP_FROM {
            true => difference
                .bootstrapped(&[&a.values, &b.values], n_deciding, |sets| mean(&sets[0]) - mean(&sets[1])),
            false => Some(difference),
        }
    }

    fn of_estimate(difference: Estimate) -> Option<Self> {
        let error = difference.error?;
        Self::student(difference.mean, error.variance.sqrt(), error.degrees_of_freedom)
    }

    pub(super) fn student(mean: f64, error: f64, degrees_of_freedom: f64) -> Option<Self> {
        if !(mean.is_finite() && error.is_finite()) {
            return None;
        }
        let half_width = t_quantile(degrees_of_freedom, Confidence::P95)? * error;
        let p_value = match error == 0.0 {
            true if mean == 0.0 => 1.0,
            true => 0.0,
            false => 2.0 * StudentsT::new(0.0, 1.0, degrees_of_freedom).ok()?.sf((mean / error).abs()),
        };
        let sureness = Sureness { error, degrees_of_freedom, n_together: 1 };
        Some(Self { mean, lower: mean - half_width, upper: mean + half_width, p_value, sureness })
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
#[path = "compare_tests.rs"]
mod tests;
