//! Saves named reports as baselines and compares later reports with them.
//!
//! A baseline is one or several runs of one configuration, kept in a file. Runs of one sitting resemble each other more
//! than runs of different days, and only several runs show how much the machine varies: save several, at different times, and [comparisons](crate::testing::check_no_regression) find smaller changes.
//!
//! The [`Key`] of a baseline is its machine, model and configuration. The build of llama.cpp is not part of the key, since
//! builds are what is compared: it is recorded, and a baseline holds runs of one build.
//!
//! # What makes a baseline refuse
//! | asked | refused if | error |
//! |---|---|---|
//! | before measuring: [`Baselines::require`] | there is no baseline of this name | [`BaselineError::NotFound`] |
//! | | a file of it is damaged | [`BaselineError::Damaged`] |
//! | | none of its files can be read, since a newer version wrote them | [`BaselineError::NewerVersion`] |
//! | before measuring: [`Baselines::check_tests`] | it is of another machine, model or configuration | [`BaselineError::Differs`] |
//! | | it has tests that are not asked for | [`BaselineError::OtherTests`] |
//! | afterwards: [`Baselines::load`], [`Baselines::compare`] | the same, except for the tests; of several files only the one that fits must be readable | as above |
//! | | every cell of the report failed | [`BaselineError::NothingMeasured`] |
//! | [`Baselines::save`] | the file to add to is damaged or of a newer version, or every cell failed | as above |
//! | [`Baselines::save_compared`] | also if the report is slower | [`BaselineError::Slower`] |
//! | any of these | the name cannot be the name of a folder | [`BaselineError::Name`] |
//! | | the system refuses to read or write | [`BaselineError::Io`] |
//!
//! A test that only the report has is measured and not judged. A cell that the baseline has a figure for and that is
//! missing or failed in the report is not refused: the comparison runs, and does not pass.
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
//! `FOLDER/NAME/FINGERPRINT.json`, one per key, so that a folder which is checked in can serve several machines. Each
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
