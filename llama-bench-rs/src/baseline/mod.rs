//! Named reports to hold later ones against.
//!
//! A baseline is one or several runs of one configuration, kept in a file. Runs of one sitting resemble each other more
//! than runs of different days, and the machine's own unrest is only seen between runs: save several, best at
//! different times, and [comparisons](crate::testing::check_no_regression) find smaller changes.
//!
//! Which machine, model and configuration a baseline is of is its [`Key`]; a report of another one is refused with what
//! differs. The build of llama.cpp is no part of it, for builds are what is compared: it is recorded, and a baseline
//! holds runs of one build.
//!
//! In a test, [`testing::guard`](crate::testing::guard) saves and loads baselines by itself.
//!
//! ```no_run
//! use llama_bench_rs::{baseline::Baselines, testing};
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
//! is an object with the key in plain words and, as `rows`, what [`report`](crate::report) writes as JSON.

mod error;
mod file;
mod key;
mod name;
mod store;

#[doc(hidden)]
pub use error::BaselineError;
#[doc(hidden)]
pub use key::{Difference, Key, Part};
#[doc(hidden)]
pub use store::Baseline;
pub use store::Baselines;
