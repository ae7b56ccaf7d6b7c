use super::{Bounds, Confidence, Samples, estimate::Estimate};
use crate::units::{Change, Multiple, TokensPerSecond};

/// Without an interval, a smaller fall may be noise.
const NOTICEABLE: f64 = 0.01;

/// How much slower a full context is than an empty one.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Fall {
    /// Mean speed when full over mean speed when empty, less one: -0.454 for a fall of 45.4 %.
    pub change: Change,
    /// Its 95 % interval: Welch's, of the logarithms of the means (delta method); `None` if a side has fewer than two
    /// samples.
    pub interval: Option<Bounds<Change>>,
    /// Logarithm of full over empty.
    log: Estimate,
}

/// How many times as much one speed falls as another.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct FallRatio {
    /// The first change over the second: 1.37 for falls of 45.4 % and 33.0 %.
    pub ratio: Multiple,
    /// Its 95 % interval, by the delta method on the logarithm; `None` if the interval of a fall is not known.
    pub interval: Option<Bounds<Multiple>>,
}

impl Fall {
    /// From the speeds in an empty and in a full context.
    pub fn of_samples(empty: &Samples<TokensPerSecond>, full: &Samples<TokensPerSecond>) -> Option<Self> {
        Self::of_log(Estimate::of_log_mean(full)?.combine(1.0, Estimate::of_log_mean(empty)?, -1.0))
    }

    /// From two mean speeds without samples: a change without an interval.
    pub fn of_means(empty: TokensPerSecond, full: TokensPerSecond) -> Option<Self> {
        Self::of_log(Estimate::bare((full.get() / empty.get()).ln()))
    }

    fn of_log(log: Estimate) -> Option<Self> {
        let (change, interval) = log.as_change()?;
        Some(Self { change, interval, log })
    }

    /// Whether the change is more than noise: its interval lies on one side of zero. `None` without an interval.
    pub fn is_sure(&self) -> Option<bool> {
        Some(!self.interval?.contains(Change::ZERO))
    }

    /// Whether the speed falls: surely, or if that is not known by more than 1 %.
    pub fn is_fall(&self) -> bool {
        self.change.get() < 0.0 && self.is_sure().unwrap_or(self.change.get() < -NOTICEABLE)
    }

    /// How many times as much this speed falls as the other; `None` if one of them may not fall at all, or if one falls and
    /// the other rises: the ratio is then meaningless.
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
            let bound = |log: f64| Multiple::new(log.exp());
            Some(Bounds::between(bound(log.mean - half)?, bound(log.mean + half)?))
        });
        Some(FallRatio { ratio: Multiple::new(a / b)?, interval })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(rate: f64) -> TokensPerSecond {
        TokensPerSecond::new(rate).unwrap()
    }

    fn rates(values: &[f64]) -> Samples<TokensPerSecond> {
        Samples::new(values.iter().copied().map(rate)).unwrap()
    }

    fn close(got: impl Into<f64>, expected: f64) {
        let got: f64 = got.into();
        assert!((got - expected).abs() < 1e-6, "{got} instead of {expected}");
    }

    #[test]
    fn the_reference_run_falls_by_45_and_33_percent_which_is_1_4_times_not_4() {
        let prompt = Fall::of_means(rate(3713.75), rate(2028.92)).unwrap();
        let generation = Fall::of_means(rate(90.06), rate(60.30)).unwrap();
        assert_eq!(format!("{:.1}", prompt.change), "-45.4 %");
        assert_eq!(format!("{:.1}", generation.change), "-33.0 %");
        let ratio = prompt.ratio_to(&generation).unwrap();
        assert_eq!(format!("{:.2}", ratio.ratio.get()), "1.37");
        assert_eq!((prompt.interval, prompt.is_sure(), ratio.interval), (None, None, None));
    }

    #[test]
    fn intervals_agree_with_scipy() {
        let fall =
            Fall::of_samples(&rates(&[100.0, 101.0, 99.5, 100.4]), &rates(&[55.0, 54.2, 55.3])).unwrap();
        // exp(d ± t.ppf(0.975, df) * sqrt(v)) - 1, d = ln(mean / mean), v and df Welch's of (std / mean)^2 / n
        close(fall.change, -0.452897647);
        close(fall.interval.unwrap().lower(), -0.464331336);
        close(fall.interval.unwrap().upper(), -0.441219909);
        assert_eq!(fall.is_sure(), Some(true));
        let other = Fall::of_samples(&rates(&[10.0, 10.1, 10.05]), &rates(&[6.6, 6.5, 6.7, 6.65])).unwrap();
        // exp(ln(c1 / c2) ± t.ppf(0.975, df) * sqrt((e1 / c1)^2 v1 + (e2 / c2)^2 v2)), e = exp(d), c = e - 1
        let ratio = fall.ratio_to(&other).unwrap();
        close(ratio.ratio, 1.324108030);
        close(ratio.interval.unwrap().lower(), 1.274496831);
        close(ratio.interval.unwrap().upper(), 1.375650399);
    }

    #[test]
    fn what_does_not_fall_has_no_ratio() {
        let empty = rates(&[100.0, 102.0, 98.0]);
        let still = Fall::of_samples(&empty, &rates(&[101.0, 99.0, 102.0])).unwrap();
        assert_eq!(still.is_sure(), Some(false));
        let fall = Fall::of_samples(&empty, &rates(&[50.0, 49.0, 51.0])).unwrap();
        assert_eq!((fall.ratio_to(&still), still.ratio_to(&fall)), (None, None));
        let rise = Fall::of_means(rate(10.0), rate(12.0)).unwrap();
        assert_eq!(rise.ratio_to(&fall), None);
    }
}
