use super::{Quantity, Samples, moments::mean, student::two_sided_p};
use crate::units::{Change, Probability};

/// Whether the samples drift in the order measured: a straight line through them, and its p value.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Trend {
    /// Change along the line from the first sample to the last, as a part of the mean.
    pub change: Change,
    /// The p value: how often noise alone gives a line at least as steep (Student's t test of the slope, two-sided).
    pub p_value: Probability,
}

impl Trend {
    /// A p value under this counts as drift.
    pub const ALPHA: f64 = 0.05;

    /// Whether the samples drift: the p value is under [`Trend::ALPHA`].
    pub fn is_significant(&self) -> bool {
        self.p_value.get() < Self::ALPHA
    }
}

impl<Q: Quantity> Samples<Q> {
    /// The line through the samples in the order measured; `None` for fewer than five samples, which are too few for a test,
    /// and for samples that are all zero.
    pub fn trend(&self) -> Option<Trend> {
        let values = self.bare();
        let line = Line::through(&values)?;
        Some(Trend {
            change: Change::new(line.slope * (values.len() - 1) as f64 / mean(&values))?,
            p_value: Probability::new(line.p_value()?)?,
        })
    }
}

/// A least-squares line over equally spaced positions.
struct Line {
    slope: f64,
    slope_error: f64,
    degrees_of_freedom: f64,
}

impl Line {
    /// `None` for fewer than five values.
    fn through(values: &[f64]) -> Option<Self> {
        let n = values.len();
        if n < 5 {
            return None;
        }
        let (middle, mean) = ((n - 1) as f64 / 2.0, mean(values));
        let position = |i: usize| i as f64 - middle;
        let spread: f64 = (0..n).map(|i| position(i).powi(2)).sum();
        let slope = (0..n).map(|i| position(i) * (values[i] - mean)).sum::<f64>() / spread;
        let squares: f64 = (0..n).map(|i| (values[i] - mean - slope * position(i)).powi(2)).sum();
        let degrees_of_freedom = (n - 2) as f64;
        let residual_stddev = (squares / degrees_of_freedom).sqrt();
        Some(Self { slope, slope_error: residual_stddev / spread.sqrt(), degrees_of_freedom })
    }

    /// Two-sided p value of the slope; 1 for values that do not vary.
    fn p_value(&self) -> Option<f64> {
        if self.slope == 0.0 {
            return Some(1.0);
        }
        if self.slope_error == 0.0 {
            return Some(0.0);
        }
        two_sided_p(self.slope / self.slope_error, self.degrees_of_freedom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::TokensPerSecond;

    fn trend(values: &[f64]) -> Option<Trend> {
        Samples::new(values.iter().map(|&v| TokensPerSecond::new(v).unwrap()))?.trend()
    }

    #[test]
    fn agrees_with_scipy() {
        // scipy.stats.linregress(range(8), y): slope -0.38452380952, p 2.5168376158e-05
        let falling = trend(&[100.0, 99.8, 99.1, 98.9, 98.8, 98.2, 97.4, 97.5]).unwrap();
        assert!((falling.change.get() + 0.027267738803765092).abs() < 1e-12);
        assert!((falling.p_value.get() - 2.5168376158065695e-05).abs() < 1e-10, "{}", falling.p_value.get());
        assert!(falling.is_significant());
    }

    #[test]
    fn the_reference_prefill_does_not_drift() {
        assert!(!trend(&[3710.15, 3730.4, 3708.61, 3707.6, 3712.01]).unwrap().is_significant());
    }

    #[test]
    fn extremes_are_told_apart() {
        assert!(trend(&[5.0; 6]).unwrap().p_value.get() == 1.0);
        assert!(trend(&[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap().p_value.get() < 1e-6);
        assert_eq!(trend(&[1.0, 2.0, 3.0, 4.0]), None);
    }
}
