//! Assertions for tests: what [`judge`](crate::judge) says, as a panic or a warning.

use super::{Floor, Tolerance, check_at_least, check_no_regression};
use crate::{
    judge::Verdict,
    record::{Report, Test},
};

/// [`check_no_regression`] for a test: panics with a table of what was expected and measured and how sure it is. Cells
/// that were too noisy to tell pass with a warning on standard error, unless the tolerance is strict.
///
/// # Panics
/// If `check_no_regression` returns an error.
#[track_caller]
pub fn assert_no_regression(baseline: &impl AsRef<Report>, report: &Report, tolerance: Tolerance) {
    match check_no_regression(baseline, report, tolerance) {
        Ok(outcome) => {
            if let Some(warning) = outcome.warning() {
                eprintln!("{warning}");
            }
        }
        Err(error) => panic!("{error}"),
    }
}

/// [`check_at_least`] for a test: panics with a table of what was expected and measured and how sure it is. A cell that
/// was too noisy to tell passes with a warning on standard error, unless the floor is strict.
///
/// ```no_run
/// use llama_bench_rs::testing::{assert_at_least, quick_sweep, tg, tiny_model};
///
/// let report = quick_sweep(&tiny_model()?).run()?;
/// assert_at_least(&report, tg(16).at(256), 50.0);
/// # Ok::<(), llama_bench_rs::Error>(())
/// ```
///
/// # Panics
/// If `check_at_least` returns an error.
#[track_caller]
pub fn assert_at_least(report: &Report, test: impl Into<Test>, floor: impl Into<Floor>) {
    match check_at_least(report, test, floor) {
        Ok(outcome) if outcome.verdict() == Verdict::CannotTell => eprintln!("warning: {outcome}"),
        Ok(_) => {}
        Err(error) => panic!("{error}"),
    }
}
