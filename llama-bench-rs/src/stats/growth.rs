use std::cmp::Ordering;

use super::{Bounds, Confidence, Samples, estimate::Estimate, moments::mean};
use crate::units::{Change, Multiple, Share, TokensPerSecond};

/// How a speed changes with the number of sequences that share it.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Growth {
    /// Mean speed with more sequences over mean speed with fewer, less one: 0.09 for 9 % more.
    pub change: Change,
    /// Its 95 % interval: of one run Welch's, of the logarithms of the means (delta method); of several runs Student's t of
    /// their changes. `None` if the spread is not known.
    pub interval: Option<Bounds<Change>>,
    /// Logarithm of the second speed over the first.
    log: Estimate,
}

impl Growth {
    /// From the speeds of one run.
    pub fn of_samples(few: &Samples<TokensPerSecond>, many: &Samples<TokensPerSecond>) -> Option<Self> {
        Self::of_log(Estimate::of_log_mean(many)?.combine(1.0, Estimate::of_log_mean(few)?, -1.0))
    }

    /// From two mean speeds without samples: a change without an interval.
    pub fn of_means(few: TokensPerSecond, many: TokensPerSecond) -> Option<Self> {
        Self::of_log(Estimate::bare((many.get() / few.get()).ln()))
    }

    /// The change over several runs, from that of each: within a run, both speeds share what slows the whole run. A change
    /// is not known better than the repetitions of the runs show it, even if runs agree by luck. `None` of no runs.
    pub fn of_runs(runs: &[Self]) -> Option<Self> {
        if let [one] = runs {
            return Some(*one);
        }
        let logs: Vec<f64> = runs.iter().map(|run| run.log.mean).collect();
        let within: Vec<f64> = runs.iter().filter_map(|run| Some(run.log.error?.variance)).collect();
        let mut log = Estimate::of_values(&logs, logs.len())?;
        if let (Some(error), false) = (&mut log.error, within.is_empty()) {
            error.variance = error.variance.max(mean(&within) / logs.len() as f64);
        }
        Self::of_log(log)
    }

    fn of_log(log: Estimate) -> Option<Self> {
        let (change, interval) = log.as_change()?;
        Some(Self { change, interval, log })
    }

    /// The second speed over the first.
    pub fn multiple(&self) -> Option<Multiple> {
        Multiple::new(self.log.mean.exp())
    }

    /// Whether the change is more than noise: its interval lies on one side of zero. `None` without an interval.
    pub fn is_sure(&self) -> Option<bool> {
        Some(!self.interval?.contains(Change::ZERO))
    }

    /// Compares the growth per doubling, over so many doublings, with a share: greater or less if the whole interval of this
    /// confidence is, equal if neither is certain. `None` without an interval.
    pub(crate) fn per_doubling(
        &self,
        n_doublings: f64,
        share: Share,
        confidence: Confidence,
    ) -> Option<Ordering> {
        let half = self.log.half_width(confidence)?;
        let limit = share.get().ln_1p() * n_doublings;
        Some(if self.log.mean - half > limit {
            Ordering::Greater
        } else if self.log.mean + half < limit {
            Ordering::Less
        } else {
            Ordering::Equal
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(values: &[f64]) -> Samples<TokensPerSecond> {
        Samples::new(values.iter().map(|&rate| TokensPerSecond::new(rate).unwrap())).unwrap()
    }

    fn growth(few: &[f64], many: &[f64]) -> Growth {
        Growth::of_samples(&rates(few), &rates(many)).unwrap()
    }

    #[test]
    fn one_run_has_welchs_interval_of_the_logarithms() {
        let growth = growth(&[55.0, 54.2, 55.3], &[100.0, 101.0, 99.5, 100.4]);
        // exp(d ± t.ppf(0.975, df) * sqrt(v)) - 1, the inverse of the fall that `fall.rs` checks against scipy.
        let inverse = |change: f64| 1.0 / (1.0 + change) - 1.0;
        let bounds = growth.interval.unwrap();
        for (got, expected) in [
            (growth.change.get(), inverse(-0.452897647)),
            (bounds.lower().get(), inverse(-0.441219909)),
            (bounds.upper().get(), inverse(-0.464331336)),
        ] {
            assert!((got - expected).abs() < 1e-6, "{got} instead of {expected}");
        }
        assert_eq!(growth.is_sure(), Some(true));
        assert_eq!(growth.multiple().unwrap().to_string(), "1.8x");
    }

    #[test]
    fn runs_that_are_slow_as_a_whole_grow_alike() {
        let fast = growth(&[100.0, 101.0, 99.0], &[150.0, 151.5, 148.5]);
        let slow = growth(&[50.0, 50.5, 49.5], &[75.2, 75.9, 74.4]);
        let both = Growth::of_runs(&[fast, slow]).unwrap();
        assert_eq!(both.is_sure(), Some(true), "{both:?}");
        assert!((both.change.get() - 0.502).abs() < 0.002, "{both:?}");
        // Equal runs are not known better than their repetitions allow.
        let equal = Growth::of_runs(&[fast, fast]).unwrap().interval.unwrap();
        assert!(equal.upper().get() - equal.lower().get() > 0.03, "{equal:?}");
        assert_eq!(Growth::of_runs(&[fast]), Some(fast));
        assert_eq!(Growth::of_runs(&[]), None);
    }

    #[test]
    fn means_alone_have_no_interval_and_no_verdict() {
        let rate = |rate| TokensPerSecond::new(rate).unwrap();
        let growth = Growth::of_means(rate(100.0), rate(150.0)).unwrap();
        assert_eq!((growth.interval, growth.is_sure()), (None, None));
        assert_eq!(growth.per_doubling(1.0, Share::percent(25), Confidence::P95), None);
        assert!((growth.change.get() - 0.5).abs() < 1e-12);
    }

    #[test]
    fn growth_is_counted_per_doubling() {
        let growth = growth(&[100.0, 100.1, 99.9], &[200.0, 200.2, 199.8]);
        let against = |n_doublings: f64, percent: u32| {
            growth.per_doubling(n_doublings, Share::percent(percent), Confidence::P95).unwrap()
        };
        // From 1 to 4 sequences a factor of 2 is 41 % per doubling, from 1 to 8 it is 26 %.
        assert_eq!([against(1.0, 90), against(1.0, 110)], [Ordering::Greater, Ordering::Less]);
        assert_eq!([against(2.0, 40), against(2.0, 43)], [Ordering::Greater, Ordering::Less]);
        assert_eq!([against(3.0, 25), against(3.0, 27)], [Ordering::Greater, Ordering::Less]);
        assert_eq!(against(1.0, 100), Ordering::Equal);
    }
}
