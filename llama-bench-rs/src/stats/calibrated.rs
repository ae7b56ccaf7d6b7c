//! The time of a run relative to the calibration loop.

use std::time::Duration;

use super::{Quantity, moments::mean};
use crate::units::Multiple;

/// The share of a run's repetitions that is left out at either end.
const TRIMMED: f64 = 0.25;

/// The repetitions of one run, each as a multiple of the time of the calibration loop just before it.
///
/// The machine's speed at that moment is part of both times and cancels. A run counts as the mean of the middle half of its
/// multiples, by their logarithms: disturbances of only one of the two times lie outside of that half.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CalibratedRun {
    /// The logarithm of the run's figure, and its variance by the run's own repetitions.
    figure: f64,
    variance: f64,
    /// Mean of the logarithms of the calibration loop's times.
    log_calibration: f64,
}

impl CalibratedRun {
    /// A run of repetitions, the time of each with that of the calibration loop before it; `None` if there are none or a
    /// time is zero.
    pub fn new(repetitions: impl IntoIterator<Item = (Duration, Duration)>) -> Option<Self> {
        let (mut logs, mut calibrations) = (Vec::new(), Vec::new());
        for (time, calibration) in repetitions {
            logs.push(time.to_f64().ln() - calibration.to_f64().ln());
            calibrations.push(calibration.to_f64().ln());
        }
        if !logs.iter().all(|log| log.is_finite()) {
            return None;
        }
        logs.sort_by(f64::total_cmp);
        let (figure, variance) = middle(&logs)?;
        let run = Self { figure, variance, log_calibration: mean(&calibrations) };
        (run.figure.is_finite() && run.log_calibration.is_finite()).then_some(run)
    }

    /// The figure of the run: a repetition's time as a multiple of the calibration loop's.
    pub fn multiple(&self) -> Multiple {
        Multiple::new(self.figure.exp()).unwrap_or(Multiple::ONE)
    }

    /// Time of the calibration loop during the run, its geometric mean.
    pub fn calibration(&self) -> Duration {
        <Duration as Quantity>::from_f64(self.log_calibration.exp()).unwrap_or_default()
    }

    /// The logarithm of [`CalibratedRun::multiple`].
    pub(crate) fn log_multiple(&self) -> f64 {
        self.figure
    }

    /// The variance of that by the run's own repetitions.
    pub(crate) fn variance(&self) -> f64 {
        self.variance
    }

    /// Mean of the logarithms of the calibration loop's times, in nanoseconds.
    pub(crate) fn log_calibration(&self) -> f64 {
        self.log_calibration
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

#[cfg(test)]
#[path = "calibrated_tests.rs"]
mod tests;
