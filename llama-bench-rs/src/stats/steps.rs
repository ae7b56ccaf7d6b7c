use std::time::Duration;

use super::{Quantity, Samples, Transient};

/// How long single generated tokens took, over all repetitions of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StepSummary {
    /// Steps in all, at least one.
    pub n_steps: usize,
    /// The first step of a repetition: the median over the repetitions. It may pay for something that later steps reuse.
    pub first: Duration,
    /// The slow steps at the beginning; `None` if none were found.
    pub transient: Option<Transient>,
    /// The steady step: the median of all steps but the transient's, at least the first, of each repetition; `None` if
    /// there are no others.
    pub steady: Option<Duration>,
    /// Half of all steps, the first ones included, took at most this.
    pub p50: Duration,
    /// 90 % of all steps took at most this.
    pub p90: Duration,
    /// 95 % of all steps took at most this.
    pub p95: Duration,
    /// 99 % of all steps took at most this; close to `max` unless there are hundreds of steps.
    pub p99: Duration,
    /// The longest step.
    pub max: Duration,
    /// Median of the absolute differences between neighbouring steady steps of a repetition; `None` if no repetition
    /// had two of them.
    pub jitter: Option<Duration>,
}

impl StepSummary {
    /// From the steps of each repetition in order; `None` without steps.
    pub fn new<'a>(repetitions: impl IntoIterator<Item = &'a [Duration]>) -> Option<Self> {
        let repetitions: Vec<&[Duration]> = repetitions.into_iter().collect();
        let transient = Transient::find(repetitions.iter().copied());
        let n_unsteady = Transient::n_unsteady(transient);
        let steady = repetitions.iter().filter_map(|steps| steps.get(n_unsteady..));
        let changes = steady.clone().flat_map(|steps| steps.windows(2)).map(|pair| pair[0].abs_diff(pair[1]));
        let all = Samples::new(repetitions.iter().copied().flatten().copied())?;
        Some(Self {
            n_steps: all.n(),
            first: Samples::new(repetitions.iter().filter_map(|steps| steps.first()).copied())?.median(),
            transient,
            steady: Samples::new(steady.flatten().copied()).map(|steps| steps.median()),
            p50: all.quantile(0.5)?,
            p90: all.quantile(0.9)?,
            p95: all.quantile(0.95)?,
            p99: all.quantile(0.99)?,
            max: all.max(),
            jitter: Samples::new(changes).map(|changes| changes.median()),
        })
    }

    /// How many steps of each repetition do not count as steady: the transient's, at least the first.
    pub fn n_unsteady(&self) -> usize {
        Transient::n_unsteady(self.transient)
    }

    /// The time of the first step over that of the steady one; `None` without a steady step.
    pub fn first_over_steady(&self) -> Option<crate::units::Multiple> {
        crate::units::Multiple::new(self.first.to_f64() / self.steady?.to_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(values: &[u64]) -> Vec<Duration> {
        values.iter().copied().map(Duration::from_millis).collect()
    }

    #[test]
    fn tells_the_first_step_from_the_steady_ones() {
        let repetitions = [ms(&[30, 10, 12, 11]), ms(&[20, 10, 10, 14])];
        let steps = StepSummary::new(repetitions.iter().map(Vec::as_slice)).unwrap();
        assert_eq!(steps.n_steps, 8);
        assert_eq!(steps.first, Duration::from_millis(25));
        assert_eq!(steps.steady, Some(Duration::from_micros(10_500)));
        // numpy.quantile([10, 10, 10, 11, 12, 14, 20, 30], [0.5, 0.9, 0.95, 0.99])
        assert_eq!(steps.p50, Duration::from_micros(11_500));
        assert_eq!(steps.p90, Duration::from_micros(23_000));
        assert_eq!(steps.p95, Duration::from_micros(26_500));
        assert_eq!(steps.p99, Duration::from_micros(29_300));
        assert_eq!(steps.max, Duration::from_millis(30));
        // |12-10|, |11-12|, |10-10|, |14-10|
        assert_eq!(steps.jitter, Some(Duration::from_micros(1_500)));
        assert!((steps.first_over_steady().unwrap().get() - 25.0 / 10.5).abs() < 1e-12);
    }

    #[test]
    fn a_transient_is_kept_apart() {
        let repetitions = vec![ms(&[25, 22, 10, 11, 10, 10, 11, 10, 10, 11, 10, 11]); 5];
        let steps = StepSummary::new(repetitions.iter().map(Vec::as_slice)).unwrap();
        let transient = steps.transient.unwrap();
        assert_eq!((transient.n_steps, steps.n_unsteady()), (2, 2));
        assert_eq!(transient.excess, Duration::from_millis(15 + 12));
        assert_eq!(steps.steady, Some(Duration::from_millis(10)));
        assert_eq!(steps.jitter, Some(Duration::from_millis(1)));
        // Two repetitions of four steps show none.
        let few = [ms(&[30, 10, 12, 11]), ms(&[20, 10, 10, 14])];
        let few = StepSummary::new(few.iter().map(Vec::as_slice)).unwrap();
        assert_eq!((few.transient, few.n_unsteady()), (None, 1));
    }

    #[test]
    fn one_step_has_no_steady_state() {
        let repetitions = [ms(&[7]), ms(&[])];
        let steps = StepSummary::new(repetitions.iter().map(Vec::as_slice)).unwrap();
        assert_eq!((steps.n_steps, steps.steady, steps.jitter), (1, None, None));
        assert_eq!(steps.first_over_steady(), None);
        assert_eq!(StepSummary::new([&[][..]]), None);
    }
}
