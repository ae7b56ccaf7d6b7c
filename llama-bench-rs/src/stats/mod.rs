//! Statistics over raw samples: pure functions, no clocks, no I/O.
//!
//! Undefined statistics are `None`: an empty set has no [`Samples`], one sample has no standard deviation and no interval.
//! Nothing is ever dropped from a set.
//!
//! ```
//! use std::time::Duration;
//!
//! use llama_bench_rs::stats::Samples;
//!
//! let times = Samples::new([11, 12, 11, 13].map(Duration::from_millis)).expect("four samples");
//! assert_eq!(times.mean(), Duration::from_micros(11_750));
//! assert!(times.summary().ci95.is_some());
//! ```
//!
//! | figure | definition |
//! |---|---|
//! | mean | arithmetic |
//! | stddev | of the sample (divided by n - 1) |
//! | median, quantiles | linear interpolation between the order statistics next to (n - 1)·p, counted from 0: Hyndman and Fan's type 7, the default of R and NumPy |
//! | MAD | median of the absolute deviations from the median, not scaled |
//! | interval of the mean | Student's t; from 50 samples a BCa bootstrap, unless a rule found them precise; widened by the lag-1 autocorrelation (see [`IntervalMethod`]) |
//! | outliers | Tukey's fences, 1.5 and 3 interquartile ranges from the quartiles |
//!
//! | simulated noise, independent | 95 % intervals that hold the true mean |
//! |---|---|
//! | normal, or skewness 1 | 94 to 98 % |
//! | exponential (skewness 2) | 90 to 94 % |
//!
//! With five samples or more, also if a [`StoppingRule`] chose their number. Repetitions that depend on each other, or that
//! meet two speeds of the machine, have intervals that are too narrow, and a single cell may not show it: [`Suspicion`]
//! looks at all cells of a run.
//!
//! A [`DepthModel`] estimates depths that were not measured, as [`Predicted`]; a [`Fall`] is a change between two
//! measurements, a [`Growth`] one between two numbers of sequences.

mod apart;
mod bootstrap;
mod bounds;
mod calibrated;
mod chance;
mod confidence;
mod depth_model;
mod energy;
mod estimate;
mod fall;
pub(crate) mod fastest;
mod growth;
mod holm;
mod interval;
mod light;
mod linearity;
mod moments;
mod outliers;
mod quantile;
mod quantity;
mod ratio;
pub(crate) mod rng;
mod samples;
mod serial;
mod steps;
mod stopping;
mod student;
mod summary;
mod suspicion;
mod time_spread;
mod time_sum;
mod transient;
mod trend;

#[cfg(test)]
pub(crate) mod simulated;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod simulation_depth;
#[cfg(test)]
mod simulation_noise;

#[doc(hidden)]
pub use apart::Apart;
#[doc(hidden)]
pub use bootstrap::Bootstrap;
#[doc(hidden)]
pub use bounds::Bounds;
#[doc(hidden)]
pub use calibrated::CalibratedRun;
#[doc(hidden)]
pub use confidence::Confidence;
#[doc(hidden)]
pub use depth_model::{Coefficient, DepthModel, DepthSamples, Predicted};
#[doc(hidden)]
pub use energy::{Energy, EnergyCounter, EnergyReading, NoEnergy};
pub(crate) use estimate::mean_with_half_width;
#[doc(hidden)]
pub use fall::{Fall, FallRatio};
#[doc(hidden)]
pub use growth::Growth;
pub(crate) use holm::{holm, weighted_holm};
#[doc(hidden)]
pub use interval::{Interval, IntervalMethod};
pub(crate) use light::{Floor as LightFloor, Rate as LightRate};
#[doc(hidden)]
pub use linearity::{Linearity, LinearityTest};
pub(crate) use moments::mean;
#[doc(hidden)]
pub use outliers::{Outlier, Severity};
pub(crate) use quantile::quantile;
#[doc(hidden)]
pub use quantity::Quantity;
#[doc(hidden)]
pub use ratio::{Design, Ratio};
pub(crate) use rng::Rng;
#[doc(hidden)]
pub use samples::Samples;
#[doc(hidden)]
pub use serial::Serial;
#[doc(hidden)]
pub use steps::StepSummary;
pub use stopping::StoppingRule;
pub(crate) use stopping::samples_for;
#[doc(hidden)]
pub use stopping::{Stop, repetitions_for};
pub(crate) use student::{t_quantile, two_sided_p};
pub use summary::Summary;
#[doc(hidden)]
pub use suspicion::Suspicion;
#[doc(hidden)]
pub use time_spread::TimeSpread;
#[doc(hidden)]
pub use time_sum::{TimePart, TimeSum};
#[doc(hidden)]
pub use transient::Transient;
#[doc(hidden)]
pub use trend::Trend;
