use std::time::Duration;

use super::{Confidence, Quantity, Samples, estimate::Estimate};
use crate::units::{Ratio, TokensPerSecond};

/// The bounds of a 95 % interval of a number without unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RatioInterval {
    /// The lower bound.
    pub lower: Ratio,
    /// The upper bound.
    pub upper: Ratio,
}

impl RatioInterval {
    /// Whether the number lies between the bounds or on one of them.
    pub fn contains(&self, ratio: Ratio) -> bool {
        self.lower <= ratio && ratio <= self.upper
    }
}

/// How much slower a full context is than an empty one.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Fall {
    /// Speed when full over speed when empty, less one: -0.454 for a fall of 45.4 %. The ratio of the geometric means
    /// where there are samples.
    pub change: Ratio,
    /// Its 95 % interval: Welch's of the logarithms; `None` if a side has fewer than two samples.
    pub interval: Option<RatioInterval>,
    /// Logarithm of full over empty.
    log: Estimate,
}

/// How many times as much one speed falls as another.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct FallRatio {
    /// The first change over the second: 1.37 for falls of 45.4 % and 33.0 %.
    pub ratio: Ratio,
    /// Its 95 % interval, by the delta method on the logarithm; `None` if the interval of a fall is not known.
    pub interval: Option<RatioInterval>,
}

impl Fall {
    /// From the times of the same work in an empty and in a full context; `None` if a sample took no time.
    pub fn of_times(empty: &Samples<Duration>, full: &Samples<Duration>) -> Option<Self> {
        let logs = |side: &Samples<Duration>| {
            Estimate::of(&side.values().iter().map(|time| time.to_f64().ln()).collect::<Vec<_>>())
        };
        Self::of_log(logs(empty)?.combine(1.0, logs(full)?, -1.0))
    }

    /// From two mean speeds of which no samples are known: a change without an interval.
    pub fn of_rates(empty: TokensPerSecond, full: TokensPerSecond) -> Option<Self> {
        Self::of_log(Estimate::bare((full.get() / empty.get()).ln()))
    }

    fn of_log(log: Estimate) -> Option<Self> {
        let change = |log: f64| Ratio::new(log.exp_m1());
        let interval = log.half_width(Confidence::P95).and_then(|half| {
            Some(RatioInterval { lower: change(log.mean - half)?, upper: change(log.mean + half)? })
        });
        Some(Self { change: change(log.mean)?, interval, log })
    }

    /// Whether the change is more than noise: its interval lies on one side of zero. `None` without an interval.
    pub fn is_sure(&self) -> Option<bool> {
        Some(!self.interval?.contains(Ratio::default()))
    }

    /// How many times as much this speed falls as the other; `None` if one of them may not fall at all, for which a
    /// ratio means nothing, or if one falls and the other rises.
    pub fn ratio_to(&self, other: &Self) -> Option<FallRatio> {
        let (a, b) = (self.change.get(), other.change.get());
        if [self, other].iter().any(|fall| fall.is_sure() == Some(false)) || a * b <= 0.0 {
            return None;
        }
        let log_size = |fall: &Self| {
            // d ln|change| / d log = exp(log) / change
            let slope = fall.log.mean.exp() / fall.change.get();
            let error = fall.log.error.map(|error| error.scaled(slope));
            Estimate { mean: fall.change.get().abs().ln(), error }
        };
        let log = log_size(self).combine(1.0, log_size(other), -1.0);
        let interval = log.half_width(Confidence::P95).and_then(|half| {
            let bound = |log: f64| Ratio::new(log.exp());
            Some(RatioInterval { lower: bound(log.mean - half)?, upper: bound(log.mean + half)? })
        });
        Some(FallRatio { ratio: Ratio::new(a / b)?, interval })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(rate: f64) -> TokensPerSecond {
        TokensPerSecond::new(rate).unwrap()
    }

    fn ms(values: &[f64]) -> Samples<Duration> {
        Samples::new(values.iter().map(|ms| Duration::from_secs_f64(ms / 1e3))).unwrap()
    }

    fn close(got: Ratio, expected: f64) {
        assert!((got.get() - expected).abs() < 1e-6, "{} instead of {expected}", got.get());
    }

    #[test]
    fn the_reference_run_falls_by_45_and_33_percent_which_is_1_4_times_not_4() {
        let prompt = Fall::of_rates(rate(3713.75), rate(2028.92)).unwrap();
        let generation = Fall::of_rates(rate(90.06), rate(60.30)).unwrap();
        assert_eq!(format!("{:.1}", prompt.change), "-45.4 %");
        assert_eq!(format!("{:.1}", generation.change), "-33.0 %");
        let ratio = prompt.ratio_to(&generation).unwrap();
        assert_eq!(format!("{:.2}", ratio.ratio.get()), "1.37");
        assert_eq!((prompt.interval, prompt.is_sure(), ratio.interval), (None, None, None));
    }

    #[test]
    fn intervals_agree_with_scipy() {
        let (empty, full) = (ms(&[100.0, 101.0, 99.5, 100.4]), ms(&[180.0, 183.0, 181.5]));
        let fall = Fall::of_times(&empty, &full).unwrap();
        // exp(d ± t.ppf(0.975, df) * se) - 1 with Welch's se and df of the logarithms
        close(fall.change, -0.447791865);
        close(fall.interval.unwrap().lower, -0.456813178);
        close(fall.interval.unwrap().upper, -0.438620725);
        assert_eq!(fall.is_sure(), Some(true));
        let other = Fall::of_times(&ms(&[10.0, 10.1, 10.05]), &ms(&[15.0, 15.3, 15.1, 15.2])).unwrap();
        // exp(ln(c1 / c2) ± t.ppf(0.975, df) * sqrt((e1 / c1)^2 v1 + (e2 / c2)^2 v2)), e = exp(d), c = e - 1
        let ratio = fall.ratio_to(&other).unwrap();
        close(ratio.ratio, 1.330255002);
        close(ratio.interval.unwrap().lower, 1.293042997);
        close(ratio.interval.unwrap().upper, 1.368537919);
    }

    #[test]
    fn what_does_not_fall_has_no_ratio() {
        let still = Fall::of_times(&ms(&[100.0, 102.0, 98.0]), &ms(&[101.0, 99.0, 102.0])).unwrap();
        assert_eq!(still.is_sure(), Some(false));
        let fall = Fall::of_times(&ms(&[100.0, 102.0, 98.0]), &ms(&[201.0, 199.0, 202.0])).unwrap();
        assert_eq!((fall.ratio_to(&still), still.ratio_to(&fall)), (None, None));
        let rise = Fall::of_rates(rate(10.0), rate(12.0)).unwrap();
        assert_eq!(rise.ratio_to(&fall), None);
        assert_eq!(Fall::of_times(&ms(&[0.0]), &ms(&[1.0])), None);
    }
}
