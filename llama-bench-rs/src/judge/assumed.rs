//! How far apart runs of the same work are assumed to lie until runs show it. These are the only such numbers.
//!
//! | what | assumed spread | how well it is known |
//! |---|---|---|
//! | one run against a limit (floor, expectation) | [`COMMON`], 2 % | three degrees of freedom: ± 6.4 % |
//! | several runs | what they show, blended with [`COMMON`] and [`OWN`] | the assumption counts as one run more ([`WEIGHT`]) |
//! | runs of several sittings | [`DAY`] beyond that | ten degrees of freedom |
//! | one run of each of several sides, ranked | [`RANKED`], 5 % | a normal distribution: a difference up to 14 % of two is not sure |
//!
//! The first and the last differ on purpose. A limit that is missed by a tenth has to fail with one run; if that is wrong,
//! people measure again. The result of a ranking is copied and not measured again. Its sides are also contexts of one
//! process: where a context's buffers lie in memory decides 4 to 9 % of the speed on a CPU, as long as the context lives.
//! Several runs show that spread, and then both use the same figures.

use crate::units::{Share, words::percent_as_written};

/// Spread that all tests of a run share, as a share of their time, until runs show it.
pub(super) const COMMON: Share = Share::percent(2);

/// Spread of single tests beyond that.
pub(super) const OWN: f64 = 0.005;

/// How many runs the assumptions `COMMON` and `OWN` count as. One soon fades; without it, two or three runs that agree by
/// luck would look like a quiet machine.
pub(super) const WEIGHT: f64 = 1.0;

/// Degrees of freedom of `COMMON` for one run, which shows nothing itself.
pub(super) const ALONE: f64 = 3.0;

/// Spread of sittings beyond that of runs of one sitting, and its degrees of freedom.
pub(super) const DAY: (f64, f64) = (0.02, 10.0);

/// Spread of single runs of several sides in a ranking, with the tail of a normal distribution.
pub(super) const RANKED: Share = Share::percent(5);

/// The assumption about a single run that is compared with a limit, in words: `runs are assumed to lie 2 % apart`.
pub(crate) fn of_one_run() -> String {
    format!("runs are assumed to lie {} apart", percent_as_written(COMMON))
}

/// The assumption about single runs in a ranking, in words. Why it is larger than that about a limit: see this module.
pub(crate) fn of_ranked_runs() -> String {
    format!("runs are assumed to lie {} apart", percent_as_written(RANKED))
}
