use statrs::distribution::{ContinuousCDF, StudentsT};

use super::Quantity;

/// How often an interval that is computed in the same way holds the true value: over 0, under 1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Confidence(f64);

impl Confidence {
    /// 95 %.
    pub const P95: Self = Self(0.95);
    /// 99 %.
    pub const P99: Self = Self(0.99);

    /// From a bare probability; `None` unless over 0 and under 1.
    pub fn new(probability: f64) -> Option<Self> {
        (probability > 0.0 && probability < 1.0).then_some(Self(probability))
    }

    /// The bare probability.
    pub fn get(self) -> f64 {
        self.0
    }
}

/// A confidence interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval<Q: Quantity> {
    lower: Option<Q>,
    upper: Q,
    half_width: Q::Spread,
    confidence: Confidence,
}

impl<Q: Quantity> Interval<Q> {
    /// The interval between two bare numbers in the unit of [`Quantity::to_f64`]; `None` if they are out of order or
    /// the upper one is no value of the quantity.
    pub(crate) fn between(lower: f64, upper: f64, confidence: Confidence) -> Option<Self> {
        Some(Self {
            lower: if lower > 0.0 { Q::from_f64(lower) } else { None },
            upper: Q::from_f64(upper)?,
            half_width: Q::spread((upper - lower) / 2.0)?,
            confidence,
        })
    }

    /// Student's t interval around a mean of `n` values with this sample standard deviation, all bare numbers;
    /// `None` for fewer than two values.
    pub(crate) fn student_t(n: usize, mean: f64, stddev: f64, confidence: Confidence) -> Option<Self> {
        let half_width = t_quantile(n.checked_sub(1)?, confidence)? * stddev / (n as f64).sqrt();
        Self::between(mean - half_width, mean + half_width, confidence)
    }

    /// The lower bound; `None` if the interval reaches down to zero or below: too few samples to tell.
    pub fn lower(&self) -> Option<Q> {
        self.lower
    }

    /// The upper bound.
    pub fn upper(&self) -> Q {
        self.upper
    }

    /// Half the distance between the bounds, a part below zero included.
    pub fn half_width(&self) -> Q::Spread {
        self.half_width
    }

    /// How sure the interval is.
    pub fn confidence(&self) -> Confidence {
        self.confidence
    }

    /// Whether the value lies between the bounds or on one of them.
    pub fn contains(&self, value: Q) -> bool {
        self.lower.is_none_or(|lower| lower <= value) && value <= self.upper
    }
}

/// The two-sided quantile of Student's t: the middle `confidence` of the distribution lies within ± this.
pub(crate) fn t_quantile(degrees_of_freedom: usize, confidence: Confidence) -> Option<f64> {
    t_quantile_real(degrees_of_freedom as f64, confidence)
}

/// [`t_quantile`] for the fractional degrees of freedom of Welch's approximation.
pub(crate) fn t_quantile_real(degrees_of_freedom: f64, confidence: Confidence) -> Option<f64> {
    let t = StudentsT::new(0.0, 1.0, degrees_of_freedom).ok()?;
    Some(t.inverse_cdf(0.5 + confidence.get() / 2.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::TokensPerSecond;

    #[test]
    fn t_quantiles_agree_with_the_published_table() {
        // Two-sided 95 % and 99 % columns of any printed table of Student's t.
        let table = [
            (1, 12.706, 63.657),
            (2, 4.303, 9.925),
            (4, 2.776, 4.604),
            (9, 2.262, 3.250),
            (29, 2.045, 2.756),
            (100, 1.984, 2.626),
        ];
        for (df, p95, p99) in table {
            let got = t_quantile(df, Confidence::P95).unwrap();
            assert!((got - p95).abs() < 6e-4, "df {df}: {got} instead of {p95}");
            let got = t_quantile(df, Confidence::P99).unwrap();
            assert!((got - p99).abs() < 6e-4, "df {df}: {got} instead of {p99}");
        }
        assert_eq!(t_quantile(0, Confidence::P95), None);
    }

    #[test]
    fn an_interval_below_zero_has_no_lower_bound() {
        let wide = Interval::<TokensPerSecond>::student_t(2, 10.0, 5.0, Confidence::P95).unwrap();
        assert_eq!(wide.lower(), None);
        assert!((wide.half_width().get() - 44.92).abs() < 0.01);
        assert!(wide.contains(TokensPerSecond::new(1e-9).unwrap()));
        assert!(!wide.contains(TokensPerSecond::new(55.0).unwrap()));
    }

    #[test]
    fn no_interval_of_one_value_or_upside_down() {
        assert_eq!(Interval::<TokensPerSecond>::student_t(1, 10.0, 0.0, Confidence::P95), None);
        assert_eq!(Interval::<TokensPerSecond>::student_t(0, 10.0, 0.0, Confidence::P95), None);
        assert_eq!(Interval::<TokensPerSecond>::between(2.0, 1.0, Confidence::P95), None);
    }

    #[test]
    fn confidence_is_a_probability() {
        assert_eq!(Confidence::new(0.0), None);
        assert_eq!(Confidence::new(1.0), None);
        assert_eq!(Confidence::new(f64::NAN), None);
        assert_eq!(Confidence::new(0.95), Some(Confidence::P95));
    }
}
