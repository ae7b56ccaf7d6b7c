//! Figures of a cell, computed from its raw durations on each call.

use std::time::Duration;

use super::{Cell, Measured, Sample};
use crate::{
    stats::{CalibratedRun, Quantity, Samples, StepSummary, Summary},
    units::TokensPerSecond,
};

impl Cell {
    /// The repetitions' wall times as a set; `None` if the cell has no samples.
    pub fn times(&self) -> Option<Samples<Duration>> {
        let measured = self.measured()?;
        measured.set(measured.samples.iter().map(|sample| sample.elapsed))
    }

    /// The repetitions' rates as a set; `None` if the cell has no samples.
    pub fn rate_samples(&self) -> Option<Samples<TokensPerSecond>> {
        self.measured()?.set(self.rates())
    }

    /// The repetitions with the calibration before each; `None` if one was not calibrated, or the cell has no samples.
    pub fn calibrated_run(&self) -> Option<CalibratedRun> {
        let samples = &self.measured()?.samples;
        let pairs: Option<Vec<_>> =
            samples.iter().map(|sample| Some((sample.elapsed, sample.calibration?))).collect();
        CalibratedRun::new(pairs?)
    }

    /// For each repetition its time on a core and that of the calibration loop before it; `None` if one of them is
    /// unknown, or the cell has no samples.
    pub(crate) fn calibrations_on_core(&self) -> Option<Vec<(Duration, Duration)>> {
        let samples = &self.measured()?.samples;
        let pair = |sample: &Sample| Some((sample.time_on_core()?, sample.disturbance?.calibration_on_core?));
        samples.iter().map(pair).collect::<Option<Vec<_>>>().filter(|pairs| !pairs.is_empty())
    }

    /// The figures of the repetitions' wall times; `None` if the cell has no samples.
    pub fn time_summary(&self) -> Option<Summary<Duration>> {
        Some(self.times()?.summary())
    }

    /// The figures of the repetitions' rates; their mean is llama-bench's `avg_ts`. `None` if the cell has no
    /// samples. The mean of rates weighs a short repetition as much as a long one: see [`Cell::throughput`].
    pub fn rate_summary(&self) -> Option<Summary<TokensPerSecond>> {
        Some(self.rate_samples()?.summary())
    }

    /// Tokens over time: what all repetitions processed in all the time that they took. Never above the mean of
    /// rates; `None` if the cell has no samples or they took no time.
    pub fn throughput(&self) -> Option<TokensPerSecond> {
        let samples = &self.measured()?.samples;
        let elapsed = samples.iter().map(|sample| sample.elapsed).sum();
        TokensPerSecond::from_elapsed(u64::from(self.test.n_tokens()) * samples.len() as u64, elapsed)
    }

    /// The figures of single generated tokens; `None` for pp, embd and a cell without samples.
    pub fn step_summary(&self) -> Option<StepSummary> {
        StepSummary::new(self.measured()?.samples.iter().map(|sample| sample.steps.as_slice()))
    }
}

impl Measured {
    /// The set of one value per repetition, with the decision that ended the repetitions.
    pub(crate) fn set<Q: Quantity>(&self, values: impl IntoIterator<Item = Q>) -> Option<Samples<Q>> {
        let samples = Samples::new(values)?;
        let n = samples.n();
        Some(samples.decided_by(self.stop.map_or(n, |stop| stop.deciding(n))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        record::{Failure, Outcome, Rewind, Sample, Test, TestKind, Warmup},
        stats::Stop,
    };

    fn cell(kind: TestKind, samples: Vec<Sample>) -> Cell {
        Cell {
            test: Test::from(kind),
            started_at: "2025-11-03T10:00:00Z".into(),
            outcome: Outcome::Measured(Measured {
                samples,
                rewind: Some(Rewind::Clear),
                warmup: Some(Warmup::default()),
                ..Measured::default()
            }),
        }
    }

    fn sample(ms: u64, steps: &[u64]) -> Sample {
        let steps = steps.iter().copied().map(Duration::from_millis).collect();
        Sample { elapsed: Duration::from_millis(ms), steps, at: Some(Duration::ZERO), ..Sample::default() }
    }

    #[test]
    fn a_mean_of_rates_is_not_the_throughput() {
        let cell = cell(TestKind::Pp(100), vec![sample(100, &[]), sample(300, &[])]);
        assert_eq!(cell.time_summary().unwrap().mean, Duration::from_millis(200));
        // (1000 + 333.3) / 2 against 200 tokens in 0.4 s
        assert!((cell.rate_summary().unwrap().mean.get() - 666.667).abs() < 1e-3);
        assert_eq!(cell.throughput().unwrap().get(), 500.0);
        assert_eq!(cell.step_summary(), None);
    }

    #[test]
    fn steps_of_all_repetitions_count() {
        let cell = cell(TestKind::Tg(2), vec![sample(30, &[20, 10]), sample(50, &[40, 10])]);
        let steps = cell.step_summary().unwrap();
        assert_eq!((steps.n_steps, steps.first), (4, Duration::from_millis(30)));
        assert_eq!(steps.steady, Some(Duration::from_millis(10)));
    }

    #[test]
    fn repetitions_that_a_rule_found_precise_have_a_wider_interval() {
        let mut cell = cell(TestKind::Pp(100), [100, 101, 99].map(|ms| sample(ms, &[])).to_vec());
        let half_widths = |cell: &Cell| {
            let (times, rates) = (cell.time_summary().unwrap(), cell.rate_summary().unwrap());
            (times.ci95.unwrap().half_width(), rates.ci95.unwrap().half_width())
        };
        let fixed = half_widths(&cell);
        if let Outcome::Measured(measured) = &mut cell.outcome {
            measured.stop = Some(Stop::Precise);
        }
        let stopped = half_widths(&cell);
        assert!(stopped.0 > 2 * fixed.0 && stopped.1.get() > 2.0 * fixed.1.get(), "{stopped:?} of {fixed:?}");
    }

    #[test]
    fn a_failed_cell_has_no_figures() {
        let mut cell = cell(TestKind::Tg(1), vec![]);
        assert!(cell.rate_summary().is_none() && cell.throughput().is_none());
        cell.outcome = Outcome::Failed(Failure { kind: "decode".into(), message: "decode failed".into() });
        assert!(
            cell.time_summary().is_none() && cell.throughput().is_none() && cell.step_summary().is_none()
        );
    }
}
