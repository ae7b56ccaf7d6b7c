use std::{fmt, time::Duration};

use crate::units::{RateSpread, TokensPerSecond};

/// What can be sampled: a value with a unit whose spread has the same unit.
///
/// Implemented for [`Duration`] (computed in nanoseconds) and [`TokensPerSecond`]; sealed, because the statistics
/// rely on values that are finite and not negative.
pub trait Quantity: Copy + PartialOrd + fmt::Debug + sealed::Sealed {
    /// A distance between two values: finite, zero or more, zero by default.
    type Spread: Copy + PartialOrd + Default + fmt::Debug;

    /// Whether larger is worse: true for a time, false for a rate.
    const SLOW_IS_HIGH: bool;

    /// The bare number, in the unit that statistics of this quantity are computed in.
    fn to_f64(self) -> f64;

    /// The value of a bare number; `None` if there is none.
    fn from_f64(value: f64) -> Option<Self>;

    /// The spread of a bare number; `None` if it is negative, not finite or too large.
    fn spread(value: f64) -> Option<Self::Spread>;

    /// The bare number of a spread.
    fn spread_to_f64(spread: Self::Spread) -> f64;
}

impl Quantity for Duration {
    type Spread = Duration;

    const SLOW_IS_HIGH: bool = true;

    fn to_f64(self) -> f64 {
        self.as_nanos() as f64
    }

    fn from_f64(value: f64) -> Option<Self> {
        // Up to 2^53 ns, a hundred days, every nanosecond is exact.
        (0.0..u64::MAX as f64).contains(&value).then(|| Duration::from_nanos(value.round() as u64))
    }

    fn spread(value: f64) -> Option<Duration> {
        Self::from_f64(value)
    }

    fn spread_to_f64(spread: Duration) -> f64 {
        spread.to_f64()
    }
}

impl Quantity for TokensPerSecond {
    type Spread = RateSpread;

    const SLOW_IS_HIGH: bool = false;

    fn to_f64(self) -> f64 {
        self.get()
    }

    fn from_f64(value: f64) -> Option<Self> {
        Self::new(value)
    }

    fn spread(value: f64) -> Option<RateSpread> {
        RateSpread::new(value)
    }

    fn spread_to_f64(spread: RateSpread) -> f64 {
        spread.get()
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for std::time::Duration {}
    impl Sealed for crate::units::TokensPerSecond {}
}
