//! Runs held against each other with the momentary speed of the machine taken out.

use std::time::Duration;

use super::{
    CompareError, Comparison, Quantity, Threshold,
    quantile::quantile,
    runs::{Figure, Side},
    samples::mean,
};
use crate::units::Multiple;

/// The share of a run's repetitions that is left out at either end.
const TRIMMED: f64 = 0.25;

/// How far, as a logarithm, the multiple of the control work is off per square of the pace's distance from the usual one.
/// Where something else on the core made the control work take 22, 35 and 49 % longer, paced figures lay 4, 13 and 22 %
/// under those of undisturbed runs.
const MISFIT: f64 = 1.0;

/// The repetitions of one run, each as a multiple of what control work took just before it.
///
/// The machine's speed at that moment is in both and cancels. So a run counts as the mean of the middle half of its
/// multiples, by their logarithms: there is no slow end to keep away from, and what disturbs one of the two times alone
/// lies outside of that half.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PacedRun {
    /// The logarithm of what the run counts as, and its variance by the run's own repetitions.
    figure: f64,
    variance: f64,
    /// Mean of the logarithms of the paces.
    log_pace: f64,
}

impl PacedRun {
    /// A run of repetitions, the time of each with that of the control work before it; `None` if there are none or a
    /// time is zero.
    pub fn new(repetitions: impl IntoIterator<Item = (Duration, Duration)>) -> Option<Self> {
        let (mut logs, mut paces) = (Vec::new(), Vec::new());
        for (time, pace) in repetitions {
            logs.push(time.to_f64().ln() - pace.to_f64().ln());
            paces.push(pace.to_f64().ln());
        }
        logs.sort_by(f64::total_cmp);
        let (figure, variance) = middle(&logs)?;
        let run = Self { figure, variance, log_pace: mean(&paces) };
        (run.figure.is_finite() && run.log_pace.is_finite()).then_some(run)
    }

    /// What the run counts as: a repetition's time as a multiple of the control work's.
    pub fn multiple(&self) -> Multiple {
        Multiple::new(self.figure.exp()).unwrap_or(Multiple::ONE)
    }

    /// What the control work took during the run, its geometric mean.
    pub fn pace(&self) -> Duration {
        <Duration as Quantity>::from_f64(self.log_pace.exp()).unwrap_or_default()
    }

    /// What is uncertain of the figure, as a variance, where this is the usual logarithm of the pace.
    fn doubt(&self, usual: f64) -> f64 {
        (MISFIT * (self.log_pace - usual).powi(2)).powi(2)
    }
}

/// The mean of the middle half of ascending values, and its variance (Tukey and McLaughlin): that of the values with
/// each outside of the half moved to its border, over n times the square of the share that is kept.
fn middle(sorted: &[f64]) -> Option<(f64, f64)> {
    let n = sorted.len();
    let cut = (TRIMMED * n as f64) as usize;
    let kept = sorted.get(cut..n - cut).filter(|kept| !kept.is_empty())?;
    let (lowest, highest) = (kept[0], kept[kept.len() - 1]);
    let moved: Vec<f64> = sorted.iter().map(|value| value.clamp(lowest, highest)).collect();
    let center = mean(&moved);
    let squares: f64 = moved.iter().map(|value| (value - center).powi(2)).sum();
    let share = kept.len() as f64 / n as f64;
    let variance = if n > 1 { squares / (n - 1) as f64 / (share.powi(2) * n as f64) } else { 0.0 };
    Some((mean(kept), variance))
}

impl Comparison {
    /// Compares the times of the same work in runs that were made apart, as [`Comparison::of_runs`] does, but by times
    /// over the machine's pace: what slowed the work and the control work alike is no difference.
    ///
    /// Nothing slows both quite alike, the less so the more it slows. So a run whose pace is far from the median of all runs
    /// is taken to be more uncertain, by 1 % of its time at a pace 10 % away and by 7 % at 30 %, and counts for less beside
    /// others. Where that leaves too little, the comparison cannot tell.
    ///
    /// # Errors
    /// A side has no runs.
    pub fn of_paced_runs(
        before: &[PacedRun],
        after: &[PacedRun],
        threshold: Threshold,
    ) -> Result<Self, CompareError> {
        if before.is_empty() || after.is_empty() {
            return Err(CompareError::NoRuns);
        }
        let mut paces: Vec<f64> = before.iter().chain(after).map(|run| run.log_pace).collect();
        paces.sort_by(f64::total_cmp);
        let usual = quantile(&paces, 0.5).ok_or(CompareError::NoRuns)?;
        let side = |runs: &[PacedRun]| Side {
            figures: runs.iter().map(|run| Figure { log: run.figure, doubt: run.doubt(usual) }).collect(),
            within: runs.iter().map(|run| run.variance).sum::<f64>() / runs.len() as f64,
        };
        side(before).compare(&side(after), threshold)
    }
}

#[cfg(test)]
#[path = "paced_tests.rs"]
mod tests;
