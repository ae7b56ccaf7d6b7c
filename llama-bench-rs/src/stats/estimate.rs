use super::{
    Bounds, Confidence, Quantity, Samples,
    moments::{mean, stddev},
    serial::widening,
    student::t_quantile,
};
use crate::units::{Change, TokensPerSecond};

/// A mean with its error: arithmetic that propagates the uncertainty.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Estimate {
    pub(crate) mean: f64,
    /// `None` if only the mean is known.
    pub(crate) error: Option<StandardError>,
}

/// How far a mean may be off.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct StandardError {
    /// The variance of the mean: that of the samples over their number.
    pub(crate) variance: f64,
    pub(crate) degrees_of_freedom: f64,
}

impl StandardError {
    /// That of the mean times a factor.
    pub(crate) fn scaled(self, factor: f64) -> Self {
        Self { variance: self.variance * factor.powi(2), ..self }
    }
}

impl Estimate {
    /// The mean of these samples, without error of one; `None` if it is not finite.
    pub(crate) fn of<Q: Quantity>(samples: &Samples<Q>) -> Option<Self> {
        Self::of_values(samples.sorted(), samples.n_deciding())
    }

    /// The mean of these values. The first `n_deciding` of them decided how many there are.
    pub(crate) fn of_values(values: &[f64], n_deciding: usize) -> Option<Self> {
        let mean = Some(mean(values)).filter(|mean| mean.is_finite())?;
        let error = stddev(values).map(|stddev| StandardError {
            variance: stddev.powi(2) / values.len() as f64,
            degrees_of_freedom: (n_deciding - 1) as f64,
        });
        Some(Self { mean, error })
    }

    /// The logarithm of the mean of these rates: d ln(mean) / d mean = 1 / mean.
    pub(crate) fn of_log_mean(rates: &Samples<TokensPerSecond>) -> Option<Self> {
        let rates = Self::of(rates)?;
        let error = rates.error.map(|error| error.scaled(1.0 / rates.mean));
        Some(Self { mean: rates.mean.ln(), error })
    }

    /// The change that this logarithm of a ratio means, with its 95 % interval if the error is known.
    pub(crate) fn as_change(&self) -> Option<(Change, Option<Bounds<Change>>)> {
        let change = |log: f64| Change::new(log.exp_m1());
        let interval = self
            .half_width(Confidence::P95)
            .and_then(|half| Some(Bounds::between(change(self.mean - half)?, change(self.mean + half)?)));
        Some((change(self.mean)?, interval))
    }

    /// A value without a known error.
    pub(crate) fn bare(mean: f64) -> Self {
        Self { mean, error: None }
    }

    /// The sum of two independent estimates times a factor each; the degrees of freedom are Welch's and
    /// Satterthwaite's.
    pub(crate) fn combine(self, factor: f64, other: Self, other_factor: f64) -> Self {
        let error = self.error.zip(other.error).map(|(a, b)| {
            let (part_a, part_b) = (a.scaled(factor).variance, b.scaled(other_factor).variance);
            let weights = part_a.powi(2) / a.degrees_of_freedom + part_b.powi(2) / b.degrees_of_freedom;
            let degrees_of_freedom = (part_a + part_b).powi(2) / weights;
            StandardError {
                variance: part_a + part_b,
                // Undefined if neither side varies; any number will do.
                degrees_of_freedom: if degrees_of_freedom.is_finite() { degrees_of_freedom } else { 1.0 },
            }
        });
        Self { mean: self.mean * factor + other.mean * other_factor, error }
    }

    /// Half the width of the mean's interval; `None` if the error is not known.
    pub(crate) fn half_width(&self, confidence: Confidence) -> Option<f64> {
        let error = self.error?;
        let half_width = t_quantile(error.degrees_of_freedom, confidence)? * error.variance.sqrt();
        half_width.is_finite().then_some(half_width)
    }
}

/// The mean of these values in the order measured, and half the width of its interval: Student's t, widened by their
/// autocorrelation as other intervals are. `None` without values; no width of one value.
pub(crate) fn mean_with_half_width(values: &[f64], confidence: Confidence) -> Option<(f64, Option<f64>)> {
    let estimate = Estimate::of_values(values, values.len())?;
    Some((estimate.mean, estimate.half_width(confidence).map(|half| half * widening(values))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f64]) -> Estimate {
        let rates = values.iter().map(|&rate| TokensPerSecond::new(rate).unwrap());
        Estimate::of(&Samples::new(rates).unwrap()).unwrap()
    }

    #[test]
    fn a_sum_carries_both_errors() {
        let (a, b) = (of(&[1.0, 2.0, 3.0]), of(&[10.0, 14.0]));
        let sum = a.combine(1.0, b, 2.0);
        assert_eq!(sum.mean, 26.0);
        // Variances of the means 1/3 and 4, the second times 4; Welch: (1/3 + 16)^2 / ((1/3)^2 / 2 + 16^2 / 1)
        let error = sum.error.unwrap();
        assert!((error.variance - (1.0 / 3.0 + 16.0)).abs() < 1e-12);
        assert!((error.degrees_of_freedom - 1.041_874_593).abs() < 1e-6, "{}", error.degrees_of_freedom);
    }

    #[test]
    fn what_is_not_known_stays_unknown() {
        let one = of(&[5.0]);
        assert_eq!(one, Estimate::bare(5.0));
        let sum = one.combine(1.0, of(&[1.0, 1.0]), 1.0);
        assert_eq!((sum.mean, sum.error, sum.half_width(Confidence::P95)), (6.0, None, None));
    }

    #[test]
    fn values_that_do_not_vary_are_sure() {
        let still = of(&[4.0; 3]);
        assert_eq!(still.combine(1.0, still, -1.0).half_width(Confidence::P95), Some(0.0));
    }

    #[test]
    fn a_mean_has_a_width_from_two_values_on() {
        assert_eq!(mean_with_half_width(&[], Confidence::P95), None);
        assert_eq!(mean_with_half_width(&[7.0], Confidence::P95), Some((7.0, None)));
        let (mean, half) = mean_with_half_width(&[5.0, 15.0], Confidence::P95).unwrap();
        assert_eq!(mean, 10.0);
        assert!((half.unwrap() - 63.531).abs() < 1e-3); // 12.7062 * 5
    }
}
