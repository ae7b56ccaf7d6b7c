use super::{
    Bootstrap, Confidence, Quantity,
    bootstrap::{bca, tail},
    moments::{mean, stddev},
    serial::widening,
    student::t_quantile,
};

/// How an interval was computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IntervalMethod {
    /// Student's t: for fewer than [`IntervalMethod::BOOTSTRAP_FROM`] samples, and for any number that a
    /// [`StoppingRule`](super::StoppingRule) found precise. The standard error is that of all samples. The degrees of
    /// freedom are n - 1, where n, here and below, counts the samples that
    /// [decided](super::Samples::decided_by) how many there are: all, unless a rule found them precise.
    ///
    /// It and the bootstrap are widened by the samples' [autocorrelation](super::Samples::autocorrelation) r, to
    /// √((1 + r) / (1 - r)) times their width, if there are five samples or more and r is over zero; r counts up to 0.9.
    StudentT,
    /// Bias-corrected and accelerated bootstrap, seeded and widened as Student's t with n - 1 degrees of freedom would.
    Bootstrap,
    /// Student's t with Welch's and Satterthwaite's degrees of freedom: for sums of means measured apart.
    Welch,
    /// Student's t of a line fitted by least squares: for a value that was not measured.
    Regression,
}

impl IntervalMethod {
    /// From this many samples on, the mean's interval is a bootstrap, which follows skewed noise. With fewer samples its
    /// estimate of the skewness is too uncertain, and it contains the mean less often than Student's t. The same holds if
    /// the samples decided how many there are, since cells with a long tail continue.
    pub const BOOTSTRAP_FROM: usize = 50;
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
    /// the upper one is not a valid value of the quantity.
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
        let (n, mean, widening) = (values.len(), mean(values), widening(values));
        if n >= IntervalMethod::BOOTSTRAP_FROM && n_deciding == n {
            let (lower, upper) = bootstrap(values, n_deciding, confidence, Bootstrap::default())?;
            let (lower, upper) = (mean - widening * (mean - lower), mean + widening * (upper - mean));
            return Self::between(lower, upper, confidence, IntervalMethod::Bootstrap);
        }
        let t = t_quantile(n_deciding.checked_sub(1)? as f64, confidence)?;
        let half_width = widening * t * stddev(values)? / (n as f64).sqrt();
        Self::between(mean - half_width, mean + half_width, confidence, IntervalMethod::StudentT)
    }

    /// The interval of the mean by a bootstrap; `None` for fewer than two values.
    pub(crate) fn bootstrapped(
        values: &[f64],
        n_deciding: usize,
        confidence: Confidence,
        bootstrap: Bootstrap,
    ) -> Option<Self> {
        let (lower, upper) = self::bootstrap(values, n_deciding, confidence, bootstrap)?;
        Self::between(lower, upper, confidence, IntervalMethod::Bootstrap)
    }

    /// The lower bound; `None` if the interval reaches zero: there are too few samples.
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

/// The bounds of the mean by a bootstrap; `None` for fewer than two values.
fn bootstrap(
    values: &[f64],
    n_deciding: usize,
    confidence: Confidence,
    bootstrap: Bootstrap,
) -> Option<(f64, f64)> {
    if values.len() < 2 {
        return None;
    }
    let tail = tail(values.len(), n_deciding, confidence)?;
    bca(&[values], |sets| mean(&sets[0]), tail, bootstrap)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::TokensPerSecond;

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

    /// Swings whose neighbours are on opposite sides.
    fn steady(n: usize) -> Vec<f64> {
        (0..n).map(|i| 100.0 + (i * 2 % 5) as f64).collect()
    }

    #[test]
    fn the_method_fits_the_samples() {
        assert_eq!(of_mean(&steady(49)).unwrap().method(), IntervalMethod::StudentT);
        assert_eq!(of_mean(&steady(50)).unwrap().method(), IntervalMethod::Bootstrap);
    }

    fn half_width(values: &[f64]) -> f64 {
        of_mean(values).unwrap().half_width().get()
    }

    #[test]
    fn samples_like_their_neighbours_have_a_wider_interval() {
        for n in [20, 60] {
            let alternating = steady(n);
            let mut in_blocks = alternating.clone();
            in_blocks.sort_by(f64::total_cmp);
            let (apart, alike) = (half_width(&alternating), half_width(&in_blocks));
            assert!(alike > 3.0 * apart, "{n}: {alike} and {apart}");
        }
        // scipy: t.interval(0.95, 19, mean, sem): neighbours on opposite sides change nothing.
        let students =
            t_quantile(19.0, Confidence::P95).unwrap() * stddev(&steady(20)).unwrap() / 20f64.sqrt();
        assert!((half_width(&steady(20)) - students).abs() < 1e-9);
    }

    #[test]
    fn a_drift_does_not_narrow_the_interval() {
        let drifting = |noise: f64| {
            (0..20).map(|i| 98.5 + 3.0 * f64::from(i) / 19.0 + noise * f64::from(i % 2)).collect::<Vec<_>>()
        };
        // By hand: 3 % over twenty repetitions have a standard deviation of 0.934 %, ± 0.44 % if they were independent.
        let narrowest = half_width(&drifting(0.3));
        assert!(narrowest > 0.44, "{narrowest}");
        assert!(half_width(&drifting(0.0)) > 0.44, "exactly on a line");
    }
}
