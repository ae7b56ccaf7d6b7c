//! Statistics over raw samples: pure functions, no clocks, no I/O.
//!
//! What is undefined does not exist: an empty set has no [`Samples`], one sample has no standard deviation and no
//! interval. Nothing is ever dropped from a set.
//!
//! | figure | definition |
//! |---|---|
//! | mean | arithmetic |
//! | stddev | of the sample (divided by n - 1) |
//! | median, quantiles | linear interpolation between the order statistics next to (n - 1)·p, counted from 0: Hyndman and Fan's type 7, the default of R and NumPy |
//! | MAD | median of the absolute deviations from the median, not scaled |
//! | interval of the mean | Student's t with n - 1 degrees of freedom |

mod interval;
mod quantile;
mod quantity;
mod samples;
mod steps;
mod summary;

pub use interval::{Confidence, Interval};
pub use quantity::Quantity;
pub use samples::Samples;
pub use steps::StepSummary;
pub use summary::Summary;
