//! Saves named reports as baselines and compares later reports with them.
//!
//! A baseline is one or several runs of one configuration, kept in a file. Runs of one sitting resemble each other more
//! than runs of different days, and only several runs show how much the machine varies: save several, at different
//! times, and [comparisons](crate::testing::check_no_regression) find smaller changes.
//!
//! The [`Key`] of a baseline is its machine, model and configuration. The build of llama.cpp is not part of the key, since
//! builds are what is compared: it is recorded, and a baseline holds runs of one build.
//!
//! # What makes a baseline refuse
//! | refused because | error | by |
//! |---|---|---|
//! | the name cannot be the name of a folder | [`Name`](BaselineError::Name) | every call |
//! | there is no baseline of this name | [`NotFound`](BaselineError::NotFound) | [`require`], [`check_tests`], [`load`], [`compare`] |
//! | it is of another machine, model or configuration | [`Differs`](BaselineError::Differs) | [`check_tests`], [`load`], [`compare`] |
//! | it has tests that are not asked for | [`OtherTests`](BaselineError::OtherTests) | [`check_tests`] |
//! | the report has no cell with a figure | [`NothingMeasured`](BaselineError::NothingMeasured) | [`load`], [`compare`], [`save`], [`renew`], [`save_compared`] |
//! | the report is slower | [`Slower`](BaselineError::Slower) | [`save_compared`] |
//! | a file is damaged | [`Damaged`](BaselineError::Damaged) | all but [`renew`] |
//! | a newer version wrote its files, and none can be read | [`NewerVersion`](BaselineError::NewerVersion) | all but [`renew`] |
//! | the system refuses to read or write | [`Io`](BaselineError::Io) | every call |
//!
//! Before anything is measured, call [`require`] and [`check_tests`]: they find what would make the others refuse
//! afterwards. A test that only the report has is measured and not judged. A cell that the baseline has and that is
//! missing or failed in the report is not refused: the comparison runs, and does not pass.
//!
//! [`require`]: Baselines::require
//! [`check_tests`]: Baselines::check_tests
//! [`load`]: Baselines::load
//! [`compare`]: Baselines::compare
//! [`save`]: Baselines::save
//! [`renew`]: Baselines::renew
//! [`save_compared`]: Baselines::save_compared
//!
//! In a test, [`testing::guard`](crate::testing::guard) saves and loads baselines by itself.
//!
//! ```no_run
//! use llama_bench_rs::{judge::baseline::Baselines, testing};
//!
//! # fn main() -> Result<(), llama_bench_rs::Error> {
//! let report = testing::quick_sweep(&testing::tiny_model()?).run()?;
//! let baselines = Baselines::default();
//! baselines.save("main", &report)?;
//! // Days later, with another llama.cpp:
//! let baseline = baselines.load("main", &report)?;
//! testing::assert_no_regression(&baseline, &report, testing::Tolerance::default());
//! # Ok(())
//! # }
//! ```
//!
//! # Files
//! `FOLDER/NAME/FINGERPRINT.json`, one per key: a folder that is checked in can serve several machines. Each
//! is an object with the key in plain words and, as `rows`, what [`report`](crate::report) writes as JSON. A file whose
//! key was edited no longer matches its fingerprint and counts as damaged.

mod against;
mod error;
mod file;
mod key;
mod name;
mod store;

#[doc(hidden)]
pub use against::AgainstBaseline;
#[doc(hidden)]
pub use error::BaselineError;
pub(super) use error::not_of_now;
#[doc(hidden)]
pub use key::{Difference, Key, Part};
#[doc(hidden)]
pub use store::Baseline;
pub use store::Baselines;
