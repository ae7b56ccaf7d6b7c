use std::{cmp::Ordering, fmt};

use super::{CompareError, Gap, Group, PrintedRate, RegressionError, Scope, Verdict};
use crate::{
    record::{Report, Test},
    units::{TokensPerSecond, text_table::table},
};

/// How fast a cell must be, in tokens per second. A number that is not a speed is refused when the floor is used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Floor {
    tokens_per_second: f64,
    strict: bool,
}

impl Floor {
    /// At least this fast, in tokens per second.
    pub fn new(tokens_per_second: f64) -> Self {
        Self { tokens_per_second, strict: false }
    }

    /// Whether a cell also fails if its interval contains the floor: it may be slower. Not by default.
    #[must_use]
    pub fn strict(mut self, strict: bool) -> Self {
        self.strict = strict;
        self
    }
}

impl From<TokensPerSecond> for Floor {
    fn from(rate: TokensPerSecond) -> Self {
        Self::new(rate.get())
    }
}

impl From<f64> for Floor {
    fn from(tokens_per_second: f64) -> Self {
        Self::new(tokens_per_second)
    }
}

/// A cell compared with a floor. Its `Display` is a table.
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
        let PrintedRate { rate, bounds, n_runs, .. } = measured;
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
            format!("{} to {}", bounds.lower(), bounds.upper()),
            n_runs.to_string(),
        ];
        f.write_str(&table(["test", "at least", "measured", "95 % interval", "runs"], &[row]))?;
        match measured.scope() {
            Scope::BetweenRuns => write!(f, "  95 % interval: between runs"),
            scope => write!(f, "  95 % interval: {scope}"),
        }
    }
}

/// Compares a cell with a floor in tokens per second, in every configuration of the report; returns the slowest.
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
    for group in Group::configurations(report) {
        let outcome = judge(&group, test, least, floor.strict)?;
        if slowest.is_none_or(|slowest| outcome.measured.rate < slowest.measured.rate) {
            slowest = Some(outcome);
        }
    }
    slowest.ok_or(RegressionError::NoRuns { side: "report" })
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
