use std::time::Duration;

use super::{Confidence, Interval, IntervalMethod, Quantity, Samples, estimate::Estimate};

/// One of the times that are added up.
#[derive(Clone, Copy, Debug)]
pub enum TimePart<'a> {
    /// A set of samples.
    Samples(&'a Samples<Duration>),
    /// A mean without a known spread.
    Mean(Duration),
}

/// The mean of a sum of times that were measured apart, such as the time of an answer: the prompt's and the steps'.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct TimeSum {
    /// The sum of the means.
    pub mean: Duration,
    /// Its 95 % interval, for parts that vary independently; `None` if a part has fewer than two samples.
    pub ci95: Option<Interval<Duration>>,
}

impl TimeSum {
    /// The sum of these parts; `None` without parts, or if it overflows.
    pub fn of<'a>(parts: impl IntoIterator<Item = TimePart<'a>>) -> Option<Self> {
        let estimate = |part| match part {
            TimePart::Samples(samples) => Estimate::of(samples),
            TimePart::Mean(mean) => Some(Estimate::bare(mean.to_f64())),
        };
        let mut parts = parts.into_iter();
        let first = estimate(parts.next()?)?;
        let sum = parts.try_fold(first, |sum, part| Some(sum.combine(1.0, estimate(part)?, 1.0)))?;
        let confidence = Confidence::P95;
        let ci95 = sum.half_width(confidence).and_then(|half| {
            Interval::between(sum.mean - half, sum.mean + half, confidence, IntervalMethod::Welch)
        });
        Some(Self { mean: Duration::from_f64(sum.mean)?, ci95 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(values: &[f64]) -> Samples<Duration> {
        Samples::new(values.iter().map(|ms| Duration::from_secs_f64(ms / 1e3))).unwrap()
    }

    #[test]
    fn the_reference_runs_second_token_comes_after_the_prompt_and_a_step() {
        let prompt = Samples::new(
            [3710.15, 3730.4, 3708.61, 3707.6, 3712.01].map(|rate| Duration::from_secs_f64(2048.0 / rate)),
        )
        .unwrap();
        let step = Duration::from_secs_f64(1.0 / 90.06);
        let second = TimeSum::of([TimePart::Samples(&prompt), TimePart::Mean(step)]).unwrap();
        // 551.47 ms and 11.10 ms
        assert!((second.mean.as_secs_f64() - 0.562_570).abs() < 5e-6, "{:?}", second.mean);
        assert_eq!(second.ci95, None, "nothing is known of the step's spread");
    }

    #[test]
    fn the_interval_is_welchs() {
        let (a, b) = (ms(&[500.0, 510.0, 505.0]), ms(&[10.0, 12.0, 11.5, 11.0]));
        let sum = TimeSum::of([TimePart::Samples(&a), TimePart::Samples(&b)]).unwrap();
        assert_eq!(sum.mean, Duration::from_micros(516_125));
        // scipy: se = sqrt(var(a)/3 + var(b)/4), df by Welch and Satterthwaite, t.ppf(0.975, df) * se
        let half = sum.ci95.unwrap().half_width().as_secs_f64() * 1e3;
        assert!((half - 12.063_184).abs() < 1e-5, "{half}");
    }

    #[test]
    fn nothing_has_no_sum() {
        assert_eq!(TimeSum::of([]), None);
        let one = TimeSum::of([TimePart::Mean(Duration::from_millis(3))]).unwrap();
        assert_eq!((one.mean, one.ci95), (Duration::from_millis(3), None));
    }
}
