//! Work of two sides measured together several times over, each time from the start: loaded anew, in fresh contexts.

use std::time::Duration;

use super::{
    CompareError, Comparison, Design, Quantity, Samples, Threshold,
    compare::Difference,
    quantile::quantile,
    samples::{mean, stddev},
};

impl Comparison {
    /// Compares the times of the same work in pairs of runs: the n-th run of one side was measured beside the n-th of
    /// the other, both loaded anew.
    ///
    /// A run counts as one figure, the median of its repetitions, however many they are. Each pair gives one
    /// difference of logarithms; the interval is Student's t of these differences. So it covers what changes from load
    /// to load, such as where memory lies, and repetitions cannot make it narrower than loads do.
    ///
    /// # Errors
    /// A side has no runs, they do not make pairs, there is one pair only, or a run took no time.
    pub fn of_paired_runs(
        before: &[Samples<Duration>],
        after: &[Samples<Duration>],
        threshold: Threshold,
    ) -> Result<Self, CompareError> {
        let counts = (before.len(), after.len());
        if counts.0.min(counts.1) == 0 {
            return Err(CompareError::NoRuns);
        }
        if counts.0 != counts.1 {
            return Err(CompareError::UnpairedRuns { before: counts.0, after: counts.1 });
        }
        if counts.0 < 2 {
            return Err(CompareError::OnePair);
        }
        let differences: Vec<f64> =
            before.iter().zip(after).map(|(before, after)| log_figure(before) - log_figure(after)).collect();
        let n = differences.len() as f64;
        let error = stddev(&differences).ok_or(CompareError::OnePair)? / n.sqrt();
        let difference =
            Difference::student(mean(&differences), error, n - 1.0).ok_or(CompareError::NoTime)?;
        Self::of_difference(&difference, Design::Paired, threshold)
    }
}

/// What a repetition of some work takes over several runs: the geometric mean of the runs' medians, the figure whose
/// ratio [`Comparison::of_paired_runs`] gives. `None` if there are no runs or one took no time.
pub fn time_of_runs(runs: &[Samples<Duration>]) -> Option<Duration> {
    let logs: Vec<f64> = runs.iter().map(log_figure).collect();
    <Duration as Quantity>::from_f64(mean(&logs).exp()).filter(|time| !time.is_zero())
}

/// The logarithm of the median, which one disturbed repetition does not move.
fn log_figure(run: &Samples<Duration>) -> f64 {
    quantile(run.sorted(), 0.5).unwrap_or_default().ln()
}

#[cfg(test)]
#[path = "paired_runs_tests.rs"]
mod tests;
