use std::{cmp::Ordering, fmt, ops::Range, str::FromStr};

use super::{Group, PrintedRate};
use crate::record::{Report, Run, Test, TestKind};

/// What somebody expects of a test, in tokens per second.
#[derive(Clone, Debug, PartialEq)]
pub struct Expectation {
    kind: TestKind,
    n_depth: u32,
    tokens_per_second: Range<f64>,
}

impl Expectation {
    /// A test in an empty context is expected to run at so many tokens per second.
    pub fn new(kind: TestKind, tokens_per_second: Range<f64>) -> Self {
        Self { kind, n_depth: 0, tokens_per_second }
    }

    /// The same in a context of this many tokens.
    #[must_use]
    pub fn at_depth(self, n_depth: u32) -> Self {
        Self { n_depth, ..self }
    }

    /// The test that it is about.
    pub fn test(&self) -> Test {
        Test { kind: self.kind, n_depth: self.n_depth, group: None }
    }

    /// What is expected, in words: `2000 to 3000 t/s`, `at least 50 t/s`.
    pub fn range(&self) -> String {
        let Range { start, end } = &self.tokens_per_second;
        match (*start > 0.0, *end < f64::INFINITY) {
            (_, false) => format!("at least {start} t/s"),
            (false, true) => format!("at most {end} t/s"),
            (true, true) => format!("{start} to {end} t/s"),
        }
    }

    /// Holds a run against it.
    pub fn check(&self, run: &Run) -> Expected {
        self.check_runs(&[run])
    }

    /// Holds several runs of one configuration against it, together.
    pub fn check_runs(&self, runs: &[&Run]) -> Expected {
        let test = self.test();
        let cells = runs.iter().filter_map(|run| run.cells.iter().find(|cell| cell.test == test));
        let measured = PrintedRate::of(cells);
        let Range { start, end } = self.tokens_per_second;
        let verdict = measured.map_or(ExpectationVerdict::NotMeasured, |measured| {
            match (measured.against(start), measured.against(end)) {
                (Ordering::Less, _) => ExpectationVerdict::FallsShort,
                (_, Ordering::Greater) => ExpectationVerdict::Exceeds,
                (Ordering::Greater, Ordering::Less) => ExpectationVerdict::AsExpected,
                _ => ExpectationVerdict::OnTheEdge,
            }
        });
        Expected { expectation: self.clone(), measured, verdict }
    }

    /// Holds every configuration of a report against it, the runs of each together.
    pub fn check_report(&self, report: &Report) -> Vec<Expected> {
        Group::all_by_build(report).iter().map(|group| self.check_runs(&group.runs)).collect()
    }
}

/// A text that is not a valid expectation.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a valid expectation: write test, depth and tokens per second as pp2048=2000..3000, tg32@4096=50.. or embd512=900.."
)]
pub struct ExpectationError(pub String);

crate::error::debug_like_display!(ExpectationError);

impl FromStr for Expectation {
    type Err = ExpectationError;

    /// `TEST[@DEPTH]=LOW..HIGH` in tokens per second, either bound left out for none: `tg32@4096=50..`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).ok_or_else(|| ExpectationError(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<Expectation> {
    let (test, range) = text.split_once('=')?;
    let (kind, n_depth) = test.split_once('@').unwrap_or((test, "0"));
    let (kind, n_depth) = (kind.trim(), n_depth.trim());
    let n_depth = n_depth.strip_prefix('d').unwrap_or(n_depth).parse().ok()?;
    let kind: TestKind = kind.parse().ok()?;
    let (low, high) = range.split_once("..")?;
    let bound = |text: &str, without: f64| match text.trim() {
        "" => Some(without),
        text => text.parse().ok().filter(|rate: &f64| rate.is_finite() && *rate >= 0.0),
    };
    let (low, high) = (bound(low, 0.0)?, bound(high, f64::INFINITY)?);
    let says_something = low < high && (low, high) != (0.0, f64::INFINITY);
    says_something.then(|| Expectation::new(kind, low..high).at_depth(n_depth))
}

/// How a measurement stands to what was expected: decided by the 95 % interval of the figure that is printed, which knows
/// how far runs lie apart. [`assert_at_least`](crate::testing::assert_at_least) decides by the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExpectationVerdict {
    /// Faster than expected: the whole interval lies above.
    Exceeds,
    /// The whole interval lies within.
    AsExpected,
    /// Slower than expected: the whole interval lies below.
    FallsShort,
    /// The interval holds a limit: more runs would tell.
    OnTheEdge,
    /// There is no such cell, or it failed.
    NotMeasured,
}

/// What was expected against what was measured.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Expected {
    /// What was expected.
    pub expectation: Expectation,
    /// The mean speed with its 95 % interval; `None` if there is none.
    pub measured: Option<PrintedRate>,
    /// How they stand to each other.
    pub verdict: ExpectationVerdict,
}

impl fmt::Display for ExpectationVerdict {
    /// As a cell of a table: `exceeds`, `as expected`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            ExpectationVerdict::Exceeds => "exceeds",
            ExpectationVerdict::AsExpected => "as expected",
            ExpectationVerdict::FallsShort => "falls short",
            ExpectationVerdict::OnTheEdge => "on the edge",
            ExpectationVerdict::NotMeasured => "not measured",
        })
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} expected, ", self.expectation.test(), self.expectation.range())?;
        let Some(measured) = self.measured else { return write!(f, "not measured.") };
        let PrintedRate { rate, bounds, .. } = measured;
        let (lower, upper) = (bounds.lower(), bounds.upper());
        write!(f, "{rate} measured ({:.2} to {upper}, {}): ", lower.get(), measured.scope())?;
        f.write_str(match self.verdict {
            ExpectationVerdict::Exceeds => "exceeds the expectation.",
            ExpectationVerdict::AsExpected => "as expected.",
            ExpectationVerdict::FallsShort => "falls short of the expectation.",
            ExpectationVerdict::OnTheEdge => "on the edge, the interval holds the limit.",
            ExpectationVerdict::NotMeasured => "not measured.",
        })
    }
}
