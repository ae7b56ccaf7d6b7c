//! Speed as something that tests can assert.
//!
//! ```no_run
//! use llama_bench_rs::{baseline::Baselines, record::TestKind, testing, units::TokensPerSecond};
//!
//! #[test]
//! fn generation_does_not_get_slower() -> Result<(), llama_bench_rs::Error> {
//!     let model = testing::tiny_model()?;
//!     let report = testing::quick_sweep(&model).run()?;
//!     if let Some(floor) = TokensPerSecond::new(20.0) {
//!         testing::assert_at_least(&report, TestKind::Tg(16), 256, floor);
//!     }
//!     let baseline = Baselines::new("tests/baselines").load("main", &report)?;
//!     testing::assert_no_regression(&baseline, &report, testing::Tolerance::default());
//!     Ok(())
//! }
//! ```
//!
//! # What an assertion says
//! Two runs of the same work never take the same time, and repetitions within a run resemble each other more than runs
//! do. So a run counts as one figure, the expected fastest of ten of its repetitions (other work only adds time), and
//! the spread between runs is estimated from those of the baseline
//! ([`Comparison::of_runs`](crate::stats::Comparison::of_runs)). A 95 % interval of the change of speed decides, with p
//! values corrected for the number of cells (Holm):
//!
//! | verdict | when | assertion |
//! |---|---|---|
//! | regressed | surely slower, by more than half of the [`Tolerance`] | fails |
//! | improved | surely faster, by more than half of it | passes |
//! | no change | surely not slower by the whole of it | passes |
//! | cannot tell | the interval allows both | passes with a warning, fails if [strict](Tolerance::strict) |
//!
//! A machine that others use changes its speed from second to second. Where every run of both sides knows the machine's
//! pace ([`Sweep::paced`](crate::bench::Sweep::paced), as a [`quick_sweep`] has it on the CPU), it is taken out: times
//! over the time of control work are compared ([`Comparison::of_paced_runs`](crate::stats::Comparison::of_paced_runs)),
//! and the message shows the change of the times as measured beside it. A run whose pace is far from the others' counts
//! for less, since nothing slows all work alike. If only some runs know it, times are compared as measured, and the message
//! says that.
//!
//! So noise between independent runs hardly ever fails a test, and a slowdown of the whole tolerance fails it wherever
//! the interval is narrower than half of the tolerance to each side. One run on each side says nothing of the spread
//! between runs, so that hardly less than a doubling of the time fails a test of several cells; with two runs in the
//! baseline it is 9 %, with three or more on a quiet machine 5 %. All of this takes runs for independent. Runs of one
//! sitting on several threads are not where the machine changes its speed for seconds at a time, as a shared one does:
//! save ten, at different times, or noise alone can fail a test. The table tells for each cell how large a slowdown would
//! have been found ([`Comparison::detectable_slowdown`](crate::stats::Comparison::detectable_slowdown)): a cell where
//! that is more than one cares for needs more runs. To find a slowdown that is just too much, ask for a
//! smaller tolerance: one of 5 %, where runs lie 1 to 2 % apart, is found by three runs against ten at 3 %. What is
//! missing, failed, or measured with another configuration is an error and never a pass.

mod error;
mod floor;
mod groups;
mod guard;
mod merge;
mod model;
mod outcome;
mod pace;
mod quick;
mod regression;
mod slowed;
mod table;
mod tolerance;
mod work;

pub use error::{Gap, RegressionError};
pub use floor::{FloorOutcome, assert_at_least, check_at_least};
pub use guard::{Guard, GuardError, GuardMode, GuardVerdict, Guarded, Measure, Saved, guard};
pub use model::{tiny, tiny_model};
pub use outcome::{CellOutcome, Outcome};
pub use pace::{Adjustment, Pace};
pub use quick::{QuickSweep, quick_sweep};
pub use regression::{assert_no_regression, check_no_regression};
pub use slowed::Slowed;
pub use tolerance::{Floor, Tolerance};
pub use work::{LostWork, check_work};

pub use crate::record::{embd, pg, pp, tg};
