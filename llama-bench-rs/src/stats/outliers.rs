use super::{Quantity, Samples, quantile::quantile};

/// How far out a sample lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Beyond Tukey's inner fence, 1.5 interquartile ranges from the quartile.
    Mild,
    /// Beyond Tukey's outer fence, 3 interquartile ranges from the quartile.
    Severe,
}

/// A sample that lies beyond a fence. It stays in the set and in every figure of it.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Outlier<Q> {
    /// Its place in the order measured, from 0.
    pub index: usize,
    /// Its value.
    pub value: Q,
    /// Whether it lies above the upper fence; else below the lower one.
    pub is_high: bool,
    /// Which fence.
    pub severity: Severity,
}

impl<Q: Quantity> Samples<Q> {
    /// The samples beyond Tukey's fences, in the order measured; none for fewer than four samples, whose quartiles mean
    /// little.
    pub fn outliers(&self) -> Vec<Outlier<Q>> {
        let sorted = self.sorted();
        let (Some(q1), Some(q3), 4..) = (quantile(sorted, 0.25), quantile(sorted, 0.75), sorted.len()) else {
            return Vec::new();
        };
        let outlier = |(index, &value): (usize, &Q)| {
            let (below, above) = (q1 - value.to_f64(), value.to_f64() - q3);
            let beyond = |ranges: f64| below.max(above) > ranges * (q3 - q1);
            let severity = if beyond(3.0) { Severity::Severe } else { Severity::Mild };
            beyond(1.5).then_some(Outlier { index, value, is_high: above > below, severity })
        };
        self.values().iter().enumerate().filter_map(outlier).collect()
    }

    /// Whether the first sample is an outlier on the slow side: it paid for something that later ones reuse.
    pub fn first_is_slow(&self) -> bool {
        let slow = |first: &Outlier<Q>| first.index == 0 && first.is_high == Q::SLOW_IS_HIGH;
        self.outliers().first().is_some_and(slow)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::units::TokensPerSecond;

    fn ms(values: &[u64]) -> Samples<Duration> {
        Samples::new(values.iter().copied().map(Duration::from_millis)).unwrap()
    }

    #[test]
    fn fences_are_tukeys() {
        // Quartiles 12 and 16, range 4: inner fences 6 and 22, outer fences 0 and 28.
        let set = ms(&[12, 23, 12, 13, 14, 29, 16, 15, 5]);
        let quartiles = (set.quantile(0.25).unwrap(), set.quantile(0.75).unwrap());
        assert_eq!(quartiles, (Duration::from_millis(12), Duration::from_millis(16)));
        let found: Vec<_> = set.outliers().iter().map(|o| (o.index, o.is_high, o.severity)).collect();
        assert_eq!(
            found,
            [(1, true, Severity::Mild), (5, true, Severity::Severe), (8, false, Severity::Mild)]
        );
        assert!(!set.first_is_slow());
    }

    #[test]
    fn a_value_on_the_fence_is_none() {
        assert!(ms(&[12, 22, 12, 13, 14, 16, 16, 15, 6]).outliers().is_empty());
        assert!(ms(&[1, 1, 1000]).outliers().is_empty());
    }

    #[test]
    fn a_slow_first_sample_is_long_or_has_a_low_rate() {
        assert!(ms(&[30, 10, 11, 10, 11]).first_is_slow());
        assert!(!ms(&[2, 10, 11, 10, 11]).first_is_slow());
        let rates = [3.0, 10.0, 11.0, 10.0, 11.0].map(|r| TokensPerSecond::new(r).unwrap());
        assert!(Samples::new(rates).unwrap().first_is_slow());
    }
}
