use std::time::Duration;

use super::Samples;

/// Percentiles of times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimeSpread {
    /// Half of the times are at most this.
    pub p50: Duration,
    /// 90 % of them are at most this.
    pub p90: Duration,
    /// 99 % of them are at most this.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
    /// How many times there are.
    pub n: usize,
}

impl TimeSpread {
    /// The percentiles of these times.
    pub fn of(times: &Samples<Duration>) -> Option<Self> {
        Some(Self {
            p50: times.median(),
            p90: times.quantile(0.9)?,
            p99: times.quantile(0.99)?,
            max: times.max(),
            n: times.n(),
        })
    }
}
