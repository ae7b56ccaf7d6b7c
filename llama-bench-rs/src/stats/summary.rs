use super::{Interval, Quantity};
use crate::units::Share;

/// The figures of one set of samples.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Summary<Q: Quantity> {
    /// How many samples there are, at least one.
    pub n: usize,
    /// The arithmetic mean.
    pub mean: Q,
    /// The median.
    pub median: Q,
    /// The standard deviation of the sample (n - 1); `None` for one sample.
    pub stddev: Option<Q::Spread>,
    /// stddev / mean; `None` for one sample or a mean of zero.
    pub cv: Option<Share>,
    /// The smallest sample.
    pub min: Q,
    /// The largest sample.
    pub max: Q,
    /// The median absolute deviation from the median, not scaled.
    pub mad: Q::Spread,
    /// The 95 % interval of the mean; `None` for one sample.
    pub ci95: Option<Interval<Q>>,
}
