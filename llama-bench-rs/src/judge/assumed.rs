//! What is assumed of how far runs of the same work lie apart, until runs show it. These are the only such numbers.
//!
//! | what | assumed spread | how well it is known |
//! |---|---|---|
//! | one run against a limit (floor, expectation) | [`COMMON`], 2 % | three degrees of freedom: ± 6.4 % |
//! | several runs | what they show, blended with [`COMMON`] and [`OWN`] | the assumption counts as one run more ([`WEIGHT`]) |
//! | runs of several sittings | [`DAY`] beyond that | ten degrees of freedom |
//! | one run of each of several sides, ranked | [`RANKED`], 5 % | a normal distribution: a difference up to 14 % of two is not sure |
//!
//! The first and the last differ on purpose. A limit that is missed by a tenth has to fail with one run, and who sees it
//! fail wrongly measures again. A ranking is copied and not looked at again. Its sides are contexts of one process as
//! well: where the buffers of a context lie in memory decides 4 to 9 % of the speed on a CPU, for as long as the context
//! lives. Several runs show that spread, and then both use the same figures.

use crate::units::{Share, words::percent_as_written};

/// How far runs of the same work lie apart in common, as a share of their time, until runs show it.
pub(super) const COMMON: Share = Share::percent(2);

/// How far single tests lie apart beyond that.
pub(super) const OWN: f64 = 0.005;

/// How many runs' worth of knowledge `COMMON` and `OWN` are: one soon fades, and keeps two or three runs that agree by
/// luck from being taken for a quiet machine.
pub(super) const WEIGHT: f64 = 1.0;

/// Degrees of freedom of `COMMON` for one run, which shows nothing itself.
pub(super) const ALONE: f64 = 3.0;

/// How far sittings lie apart beyond the runs of one, and how well that is known (degrees of freedom).
pub(super) const DAY: (f64, f64) = (0.02, 10.0);

/// How far single runs of several sides that are ranked lie apart, with the tail of a normal distribution.
pub(super) const RANKED: Share = Share::percent(5);

/// What is assumed of a single run that is held against a limit, in words: `runs are assumed to lie 2 % apart`.
pub(crate) fn of_one_run() -> String {
    format!("runs are assumed to lie {} apart", percent_as_written(COMMON))
}

/// What is assumed of single runs that are ranked, in words. The page of this module says why it is more than of one that is
/// held against a limit.
pub(crate) fn of_ranked_runs() -> String {
    format!("runs are assumed to lie {} apart", percent_as_written(RANKED))
}
