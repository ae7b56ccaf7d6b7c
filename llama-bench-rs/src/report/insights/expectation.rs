use std::{fmt, ops::Range};

use super::{Level, Say};
use crate::{
    record::{Run, Test, TestKind},
    report::figures::Figures,
    units::{RateSpread, TokensPerSecond},
};

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

    /// Holds a run against it.
    pub(super) fn check(&self, run: &Run) -> Expected {
        let Range { start, end } = self.tokens_per_second;
        let is_asked = |test: &Test| (test.kind, test.n_depth, test.group) == (self.kind, self.n_depth, None);
        let figures = run.cells.iter().find(|cell| is_asked(&cell.test)).and_then(Figures::of);
        let measured = figures.map(|figures| (figures.rate, figures.half_width));
        let verdict = measured.map_or(Verdict::NotMeasured, |(rate, half_width)| {
            let half = half_width.map_or(0.0, RateSpread::get);
            let (lower, upper) = (rate.get() - half, rate.get() + half);
            match () {
                () if lower > end => Verdict::Exceeds,
                () if upper < start => Verdict::FallsShort,
                () if start <= lower && upper <= end => Verdict::AsExpected,
                () => Verdict::OnTheEdge,
            }
        });
        Expected { expectation: self.clone(), measured, verdict }
    }
}

/// How a measurement stands to what was expected: decided by its 95 % interval, or by its mean where none is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verdict {
    /// Faster than expected: the whole interval lies above.
    Exceeds,
    /// The whole interval lies within.
    AsExpected,
    /// Slower than expected: the whole interval lies below.
    FallsShort,
    /// The interval crosses a limit: more repetitions would tell.
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
    /// The mean speed, and half its 95 % interval if that is known.
    pub measured: Option<(TokensPerSecond, Option<RateSpread>)>,
    /// How they stand to each other.
    pub verdict: Verdict,
}

impl Say for Expected {
    fn level(&self) -> Level {
        match self.verdict {
            Verdict::Exceeds | Verdict::AsExpected => Level::Good,
            Verdict::OnTheEdge => Level::Note,
            Verdict::FallsShort | Verdict::NotMeasured => Level::Warning,
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Expectation { kind, n_depth, tokens_per_second: Range { start, end } } = &self.expectation;
        let test = Test { kind: *kind, n_depth: *n_depth, group: None };
        write!(f, "{test}: {start} to {end} t/s expected, ")?;
        let Some((rate, half_width)) = self.measured else { return write!(f, "not measured.") };
        write!(f, "{rate}")?;
        if let Some(half_width) = half_width {
            write!(f, " ± {:.2}", half_width.get())?;
        }
        write!(f, " measured: ")?;
        f.write_str(match self.verdict {
            Verdict::Exceeds => "exceeds the expectation.",
            Verdict::AsExpected => "as expected.",
            Verdict::FallsShort => "falls short of the expectation.",
            Verdict::OnTheEdge => "on the edge, the interval crosses the limit.",
            Verdict::NotMeasured => "not measured.",
        })
    }
}
