use super::{
    Bootstrap, Confidence, Interval, IntervalMethod, Quantity, Summary,
    moments::{mean, stddev},
    quantile::quantile,
    student::t_quantile,
};
use crate::units::Share;

/// A set of samples of one quantity, at least one, in the order measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Samples<Q> {
    values: Vec<Q>,
    sorted: Vec<f64>,
    n_deciding: usize,
}

impl<Q: Quantity> Samples<Q> {
    /// The set of these values; `None` if there are none.
    pub fn new(values: impl IntoIterator<Item = Q>) -> Option<Self> {
        let values: Vec<Q> = values.into_iter().collect();
        let mut sorted: Vec<f64> = values.iter().map(|v| v.to_f64()).collect();
        sorted.sort_by(f64::total_cmp);
        let n_deciding = values.len();
        (!values.is_empty()).then_some(Self { values, sorted, n_deciding })
    }

    /// The same, ended by the spread of the first `n_deciding` of them, at least two: see
    /// [`Stop::deciding`](super::Stop::deciding).
    ///
    /// The rule stopped because these samples lay close together, which makes their spread too small. So an interval gets
    /// the degrees of freedom of the deciding samples alone, as in Stein's two-stage procedure (1945).
    #[must_use]
    pub fn decided_by(self, n_deciding: usize) -> Self {
        let n_deciding = n_deciding.max(2).min(self.n());
        Self { n_deciding, ..self }
    }

    /// The values in the order measured.
    pub fn values(&self) -> &[Q] {
        &self.values
    }

    /// How many there are, at least one.
    pub fn n(&self) -> usize {
        self.values.len()
    }

    /// The arithmetic mean.
    pub fn mean(&self) -> Q {
        self.within(self.mean_f64())
    }

    /// The value in the middle, or between the two in the middle.
    pub fn median(&self) -> Q {
        self.within(self.median_f64())
    }

    /// The smallest value.
    pub fn min(&self) -> Q {
        self.within(f64::NEG_INFINITY)
    }

    /// The largest value.
    pub fn max(&self) -> Q {
        self.within(f64::INFINITY)
    }

    /// The quantile at probability `p`, type 7; `None` unless 0 ≤ `p` ≤ 1.
    pub fn quantile(&self, p: f64) -> Option<Q> {
        quantile(&self.sorted, p).map(|value| self.within(value))
    }

    /// The standard deviation of the sample (n - 1); `None` for one value.
    pub fn stddev(&self) -> Option<Q::Spread> {
        Q::spread(self.stddev_f64()?)
    }

    /// The coefficient of variation, stddev / mean; `None` for one value or a mean of zero.
    pub fn cv(&self) -> Option<Share> {
        Share::new(self.stddev_f64()? / self.mean_f64())
    }

    /// The median absolute deviation from the median, not scaled (times 1.4826 it estimates the standard deviation
    /// of normal noise, whatever a few outliers do).
    pub fn mad(&self) -> Q::Spread {
        let median = self.median_f64();
        let mut deviations: Vec<f64> = self.sorted.iter().map(|v| (v - median).abs()).collect();
        deviations.sort_by(f64::total_cmp);
        quantile(&deviations, 0.5).and_then(Q::spread).unwrap_or_default()
    }

    /// The interval of the mean by the [`IntervalMethod`](super::IntervalMethod) that fits the samples; `None` for one value.
    pub fn mean_interval(&self, confidence: Confidence) -> Option<Interval<Q>> {
        Interval::of_mean(&self.bare(), self.n_deciding, confidence)
    }

    /// The interval of the mean by a bootstrap (bias-corrected and accelerated) of any size; `None` for one value.
    pub fn bootstrap_interval(&self, confidence: Confidence, bootstrap: Bootstrap) -> Option<Interval<Q>> {
        Interval::bootstrapped(&self.sorted, self.n_deciding, confidence, bootstrap)
    }

    /// Where one more sample of the same kind lies: Student's t with the spread of one sample and the uncertainty of
    /// the mean; `None` for one value.
    pub fn prediction_interval(&self, confidence: Confidence) -> Option<Interval<Q>> {
        let n = self.n() as f64;
        let spread = self.stddev_f64()? * (1.0 + 1.0 / n).sqrt();
        let half_width = t_quantile((self.n_deciding - 1) as f64, confidence)? * spread;
        let (lower, upper) = (self.mean_f64() - half_width, self.mean_f64() + half_width);
        Interval::between(lower, upper, confidence, IntervalMethod::StudentT)
    }

    /// Every figure at once.
    pub fn summary(&self) -> Summary<Q> {
        Summary {
            n: self.n(),
            mean: self.mean(),
            median: self.median(),
            stddev: self.stddev(),
            cv: self.cv(),
            min: self.min(),
            max: self.max(),
            mad: self.mad(),
            ci95: self.mean_interval(Confidence::P95),
        }
    }

    /// The number of samples that decided how many there are: all, unless [`Samples::decided_by`] says otherwise.
    pub(crate) fn n_deciding(&self) -> usize {
        self.n_deciding
    }

    /// The values as bare numbers, in the order measured.
    pub(crate) fn bare(&self) -> Vec<f64> {
        self.values.iter().map(|value| value.to_f64()).collect()
    }

    /// The values as bare numbers, ascending.
    pub(crate) fn sorted(&self) -> &[f64] {
        &self.sorted
    }

    fn mean_f64(&self) -> f64 {
        mean(&self.sorted)
    }

    fn stddev_f64(&self) -> Option<f64> {
        stddev(&self.sorted)
    }

    fn median_f64(&self) -> f64 {
        quantile(&self.sorted, 0.5).unwrap_or(f64::NAN)
    }

    /// The quantity of a bare number that lies between the extremes; rounding and overflow cannot push it out.
    fn within(&self, value: f64) -> Q {
        let (low, high) = (self.sorted[0], self.sorted[self.sorted.len() - 1]);
        Q::from_f64(value.clamp(low, high)).unwrap_or(self.values[0])
    }
}

#[cfg(test)]
#[path = "samples_tests.rs"]
mod tests;
