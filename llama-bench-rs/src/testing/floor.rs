use std::{cmp::Ordering, fmt};

use super::{Floor, Gap, RegressionError};
use crate::{
    judge::{Group, PrintedRate, Scope},
    record::{Report, Test},
    report::columns::table,
    stats::{CompareError, Verdict},
    units::TokensPerSecond,
};

/// A cell held against a floor. Its `Display` is a table.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct FloorOutcome {
    /// The test.
    pub test: Test,
    /// What it must reach.
    pub floor: TokensPerSecond,
    /// What it reached: the figure of the tables, with its interval.
    pub measured: PrintedRate,
}

impl FloorOutcome {
    /// Regressed if the whole interval lies below the floor, no change if it lies above or on it, else cannot tell.
    pub fn verdict(&self) -> Verdict {
        match self.measured.against(self.floor.get()) {
            Ordering::Less => Verdict::Regressed,
            Ordering::Greater => Verdict::NoChange,
            Ordering::Equal => Verdict::CannotTell,
        }
    }
}

impl fmt::Display for FloorOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { test, floor, measured } = self;
        let PrintedRate { rate, lower, upper, n_runs, .. } = measured;
        let says = match self.verdict() {
            Verdict::Regressed => "is slower than it must be",
            Verdict::NoChange | Verdict::Improved => "is fast enough",
            _ => "may be slower than it must be: cannot tell",
        };
        writeln!(f, "{test} {says}:")?;
        let row = [
            test.to_string(),
            floor.to_string(),
            rate.to_string(),
            format!("{lower} to {upper}"),
            n_runs.to_string(),
        ];
        f.write_str(&table(["test", "at least", "measured", "95 % interval", "runs"], &[row]))?;
        match measured.scope() {
            Scope::BetweenRuns => write!(f, "  95 % interval: between runs"),
            scope => write!(f, "  95 % interval: {scope}"),
        }
    }
}

/// Holds a cell against a floor in tokens per second, in every configuration of the report, of which the slowest is
/// returned.
///
/// # Errors
/// The cell is surely slower; or, if the floor is strict, may be. The cell is missing or failed, or the report has no
/// runs. The floor is not a positive, finite number.
pub fn check_at_least(
    report: &Report,
    test: impl Into<Test>,
    floor: impl Into<Floor>,
) -> Result<FloorOutcome, RegressionError> {
    let (test, floor) = (test.into(), floor.into());
    let least = TokensPerSecond::new(floor.tokens_per_second)
        .ok_or(RegressionError::InvalidFloor { tokens_per_second: floor.tokens_per_second })?;
    let mut slowest: Option<FloorOutcome> = None;
    for group in Group::all_by_build(report) {
        let outcome = judge(&group, test, least, floor.strict)?;
        if slowest.is_none_or(|slowest| outcome.measured.rate < slowest.measured.rate) {
            slowest = Some(outcome);
        }
    }
    slowest.ok_or(RegressionError::NoRuns { side: "report" })
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

fn judge(
    group: &Group<'_>,
    test: Test,
    floor: TokensPerSecond,
    is_strict: bool,
) -> Result<FloorOutcome, RegressionError> {
    if !group.tests().contains(&test) {
        return Err(RegressionError::Incomplete { gaps: vec![Gap { test, failure: None }], judged: None });
    }
    if let Some(failure) = group.cells(test).find_map(|cell| cell.failure()) {
        let failure = Some(failure.message.clone());
        return Err(RegressionError::Incomplete { gaps: vec![Gap { test, failure }], judged: None });
    }
    let measured = PrintedRate::of(group.cells(test)).ok_or(CompareError::NoTime)?;
    let outcome = FloorOutcome { test, floor, measured };
    match outcome.verdict() {
        Verdict::Regressed => Err(RegressionError::BelowFloor(Box::new(outcome))),
        Verdict::CannotTell if is_strict => Err(RegressionError::BelowFloor(Box::new(outcome))),
        _ => Ok(outcome),
    }
}
