//! What is assumed of how far runs of the same work lie apart, until runs show it. These are the only such numbers.
//!
//! | runs of a side | spread between runs |
//! |---|---|
//! | one | [`ALONE`]: assumed, with the tail of a normal distribution, and said beside every figure that rests on it |
//! | several | what they show, with [`COMMON`] and [`OWN`] counted as one run more ([`WEIGHT`]) |
//! | of several sittings | [`DAY`] beyond that, until several sittings of a side show it |
//!
//! One run gets more than the share that several are blended with: where the buffers of its context lie in memory
//! decides 4 to 9 % of the speed on a CPU, and nothing in the run tells on which side of that it is. Two runs and more
//! show most of their spread; there the assumption only keeps two that agree by luck from being taken for a quiet
//! machine.

use crate::units::{Share, words::percent_as_written};

/// How far a single run lies from the mean of many, as a share of the time: one standard deviation.
pub(super) const ALONE: Share = Share::percent(5);

/// How far runs of the same work lie apart in common, as a share of their time, until runs tell it.
pub(super) const COMMON: f64 = 0.02;

/// How far single tests lie apart beyond that.
pub(super) const OWN: f64 = 0.005;

/// How many runs' worth of knowledge `COMMON` and `OWN` are.
pub(super) const WEIGHT: f64 = 1.0;

/// How far sittings lie apart beyond the runs of one, and how well that is known (degrees of freedom).
pub(super) const DAY: (f64, f64) = (0.02, 10.0);

/// What is assumed of a single run, in words for readers: `runs are assumed to lie 5 % apart`.
pub(crate) fn of_one_run() -> String {
    format!("runs are assumed to lie {} apart", percent_as_written(ALONE))
}
