use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

use super::{
    Bootstrap, Quantity,
    bootstrap::{bca, tail},
    samples::{mean, stddev},
    trend::Line,
};

/// How often an interval that is computed in the same way holds the true value: over 0, under 1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Confidence(f64);

impl TryFrom<f64> for Confidence {
    type Error = &'static str;

    fn try_from(probability: f64) -> Result<Self, Self::Error> {
        Self::new(probability).ok_or("a confidence lies between 0 and 1")
    }
}

impl From<Confidence> for f64 {
    fn from(confidence: Confidence) -> Self {
        confidence.0
    }
}

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

/// How an interval was computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IntervalMethod {
    /// Student's t with n - 1 degrees of freedom: for fewer than [`IntervalMethod::BOOTSTRAP_FROM`] samples. Here and
    /// below n counts the samples that [decided](super::Samples::decided_by) how many there are: all, unless a
    /// [`StoppingRule`](super::StoppingRule) found them precise.
    StudentT,
    /// Student's t with n - 2 degrees of freedom around the line through samples that plainly drift: the drift itself
    /// is no uncertainty of the mean over the time measured. That mean is then a poor forecast: look at the
    /// [trend](super::Trend) too.
    Detrended,
    /// Bias-corrected and accelerated bootstrap, seeded and widened as Student's t with n - 1 degrees of freedom would.
    Bootstrap,
    /// Student's t with Welch's and Satterthwaite's degrees of freedom: for sums of means measured apart.
    Welch,
    /// Student's t of a line fitted by least squares: for a value that was not measured.
    Regression,
}

impl IntervalMethod {
    /// From so many samples on, the mean's interval comes from a bootstrap, which follows skewed noise. With fewer its
    /// own estimate of the skewness is too uncertain: it then holds the mean less often than Student's t does. So it does
    /// wherever the samples decided how many there are, since those with a long tail go on.
    pub const BOOTSTRAP_FROM: usize = 50;

    /// A line whose p value is under this is drift. Stricter than what counts for a warning, because samples that
    /// lie on a line by chance would get too narrow an interval.
    pub const DETREND_ALPHA: f64 = 0.005;
}

/// A confidence interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval<Q: Quantity> {
    lower: Option<Q>,
    upper: Q,
    half_width: Q::Spread,
    confidence: Confidence,
    method: IntervalMethod,
}

impl<Q: Quantity> Interval<Q> {
    /// The interval between two bare numbers in the unit of [`Quantity::to_f64`]; `None` if they are out of order or
    /// the upper one is no value of the quantity.
    pub(crate) fn between(
        lower: f64,
        upper: f64,
        confidence: Confidence,
        method: IntervalMethod,
    ) -> Option<Self> {
        Some(Self {
            lower: if lower > 0.0 { Q::from_f64(lower) } else { None },
            upper: Q::from_f64(upper)?,
            half_width: Q::spread((upper - lower) / 2.0)?,
            confidence,
            method,
        })
    }

    /// The interval of the mean of these bare numbers in the order measured, by the method that fits them; `None` for
    /// fewer than two. The first `n_deciding` of them decided how many there are.
    pub(crate) fn of_mean(values: &[f64], n_deciding: usize, confidence: Confidence) -> Option<Self> {
        let n = values.len();
        let drifts = |line: &Line| {
            !line.is_exact() && line.p_value().is_some_and(|p| p < IntervalMethod::DETREND_ALPHA)
        };
        let (stddev, degrees_of_freedom, method) = match Line::through(values).filter(drifts) {
            Some(line) => {
                (line.residual_stddev, n_deciding.checked_sub(2)?.max(1), IntervalMethod::Detrended)
            }
            None if n >= IntervalMethod::BOOTSTRAP_FROM && n_deciding == n => {
                return Self::bootstrapped(values, n_deciding, confidence, Bootstrap::default());
            }
            None => (stddev(values)?, n_deciding.checked_sub(1)?, IntervalMethod::StudentT),
        };
        let half_width = t_quantile(degrees_of_freedom as f64, confidence)? * stddev / (n as f64).sqrt();
        Self::between(mean(values) - half_width, mean(values) + half_width, confidence, method)
    }

    /// The interval of the mean by a bootstrap; `None` for fewer than two values.
    pub(crate) fn bootstrapped(
        values: &[f64],
        n_deciding: usize,
        confidence: Confidence,
        bootstrap: Bootstrap,
    ) -> Option<Self> {
        if values.len() < 2 {
            return None;
        }
        let tail = tail(values.len(), n_deciding, confidence)?;
        let (lower, upper) = bca(&[values], |sets| mean(&sets[0]), tail, bootstrap)?;
        Self::between(lower, upper, confidence, IntervalMethod::Bootstrap)
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

    /// How it was computed.
    pub fn method(&self) -> IntervalMethod {
        self.method
    }

    /// Whether the value lies between the bounds or on one of them.
    pub fn contains(&self, value: Q) -> bool {
        self.lower.is_none_or(|lower| lower <= value) && value <= self.upper
    }
}

/// The two-sided quantile of Student's t: the middle `confidence` of the distribution lies within ± this; `None`
/// unless there is a positive number of degrees of freedom (a fraction in Welch's approximation).
pub(crate) fn t_quantile(degrees_of_freedom: f64, confidence: Confidence) -> Option<f64> {
    let t = StudentsT::new(0.0, 1.0, degrees_of_freedom).ok()?;
    Some(t.inverse_cdf(0.5 + confidence.get() / 2.0))
}

/// The two-sided quantile of the standard normal distribution: that of Student's t of endless degrees of freedom.
pub(crate) fn z_quantile(confidence: Confidence) -> f64 {
    Normal::standard().inverse_cdf(0.5 + confidence.get() / 2.0)
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
            let got = t_quantile(f64::from(df), Confidence::P95).unwrap();
            assert!((got - p95).abs() < 6e-4, "df {df}: {got} instead of {p95}");
            let got = t_quantile(f64::from(df), Confidence::P99).unwrap();
            assert!((got - p99).abs() < 6e-4, "df {df}: {got} instead of {p99}");
        }
        assert_eq!(t_quantile(0.0, Confidence::P95), None);
        assert!((z_quantile(Confidence::P95) - 1.959_964).abs() < 1e-6);
    }

    fn of_mean(values: &[f64]) -> Option<Interval<TokensPerSecond>> {
        Interval::of_mean(values, values.len(), Confidence::P95)
    }

    #[test]
    fn an_interval_below_zero_has_no_lower_bound() {
        let wide = of_mean(&[5.0, 15.0]).unwrap();
        assert_eq!(wide.lower(), None);
        assert!((wide.half_width().get() - 63.531).abs() < 1e-3); // 12.7062 * 5
        assert!(wide.contains(TokensPerSecond::new(1e-9).unwrap()));
        assert!(!wide.contains(TokensPerSecond::new(74.0).unwrap()));
    }

    #[test]
    fn no_interval_of_one_value_or_upside_down() {
        assert_eq!(of_mean(&[10.0]), None);
        assert_eq!(of_mean(&[]), None);
        assert_eq!(
            Interval::<TokensPerSecond>::between(2.0, 1.0, Confidence::P95, IntervalMethod::StudentT),
            None
        );
    }

    #[test]
    fn the_method_fits_the_samples() {
        let steady = |n: usize| (0..n).map(|i| 100.0 + (i * 7 % 5) as f64).collect::<Vec<_>>();
        assert_eq!(of_mean(&steady(49)).unwrap().method(), IntervalMethod::StudentT);
        assert_eq!(of_mean(&steady(50)).unwrap().method(), IntervalMethod::Bootstrap);
        // scipy: linregress, then t.ppf(0.975, 8) * stddev of the residuals (n - 2) / sqrt(10)
        let climbing = [100.0, 101.1, 101.9, 103.2, 103.8, 105.0, 106.1, 106.8, 108.2, 108.9];
        let drifting = of_mean(&climbing).unwrap();
        assert_eq!(drifting.method(), IntervalMethod::Detrended);
        assert!((drifting.half_width().get() - 0.1147398136164022).abs() < 1e-9);
        assert_eq!(of_mean(&climbing[..4]).unwrap().method(), IntervalMethod::StudentT);
    }

    #[test]
    fn samples_exactly_on_a_line_say_nothing_of_noise() {
        // scipy: t.interval(0.95, 4, 3, sem([1, 2, 3, 4, 5]))
        let exact = of_mean(&[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        assert_eq!(exact.method(), IntervalMethod::StudentT);
        assert!((exact.half_width().get() - 1.963_243_161).abs() < 1e-8, "{:?}", exact.half_width());
        let tenths: Vec<f64> = (0..12).map(|i| 100.0 + 0.1 * f64::from(i)).collect();
        assert_eq!(of_mean(&tenths).unwrap().method(), IntervalMethod::StudentT);
    }

    #[test]
    fn confidence_is_a_probability() {
        assert_eq!(Confidence::new(0.0), None);
        assert_eq!(Confidence::new(1.0), None);
        assert_eq!(Confidence::new(f64::NAN), None);
        assert_eq!(Confidence::new(0.95), Some(Confidence::P95));
    }
}
