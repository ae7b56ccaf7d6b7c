use std::{cmp::Ordering, fmt, ops::Range, str::FromStr};

use super::{Group, PrintedRate};
use crate::record::{Report, Run, Test, TestKind};

/// What somebody expects of a test, in tokens per second.
///
/// ```
/// use llama_bench_rs::{record::tg, report::insights::Expectation};
///
/// let expected: Expectation = "tg32x8@4096=400..".parse()?;
/// assert_eq!(expected.test(), tg(32).parallel(8).at(4096));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Expectation {
    test: Test,
    tokens_per_second: Range<f64>,
}

impl Expectation {
    /// A test in an empty context is expected to run at so many tokens per second.
    pub fn new(kind: TestKind, tokens_per_second: Range<f64>) -> Self {
        Self { test: kind.into(), tokens_per_second }
    }

    /// The same in a context of this many tokens.
    #[must_use]
    pub fn at_depth(self, n_depth: u32) -> Self {
        Self { test: Test { n_depth, ..self.test }, ..self }
    }

    /// The same with this many sequences at once, whose tokens count together.
    #[must_use]
    pub fn parallel(self, n_parallel: u32) -> Self {
        Self { test: self.test.parallel(n_parallel), ..self }
    }

    /// The test that it is about.
    pub fn test(&self) -> Test {
        self.test
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

    /// Compares a run with it.
    pub fn check(&self, run: &Run) -> Expected {
        self.check_runs(&[run])
    }

    /// Compares several runs of one configuration with it, together.
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

    /// Compares every configuration of a report with it, the runs of each together.
    pub fn check_report(&self, report: &Report) -> Vec<Expected> {
        Group::configurations(report).iter().map(|group| self.check_runs(&group.runs)).collect()
    }
}

/// A text that is not a valid expectation.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a valid expectation: {why}")]
#[non_exhaustive]
pub struct ExpectationError {
    /// The text.
    pub text: String,
    /// What is wrong with it, and what to write.
    pub why: String,
}

crate::error::debug_like_display!(ExpectationError);

impl FromStr for Expectation {
    type Err = ExpectationError;

    /// `TEST[xSEQUENCES][@DEPTH]=LOW..HIGH` in tokens per second, either bound left out for none: `tg32@4096=50..`,
    /// `tg32x8@4096=400..`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).map_err(|why| ExpectationError { text: text.to_owned(), why })
    }
}

fn parse(text: &str) -> Result<Expectation, String> {
    let whole = "write test, depth and tokens per second as pp2048=2000..3000, tg32@4096=50.., tg32x8@4096=400.. or embd512=900..";
    let (test, range) = text.split_once('=').ok_or(whole)?;
    let (kind, n_depth) = test.split_once('@').unwrap_or((test, "0"));
    let (kind, n_depth) = (kind.trim(), n_depth.trim());
    let n_depth = n_depth.strip_prefix('d').unwrap_or(n_depth).parse();
    let n_depth = n_depth.map_err(|_| format!("what follows @ is not a number of tokens; {whole}"))?;
    let (kind, n_parallel) = kind.split_once('x').unwrap_or((kind, "1"));
    let kind = kind.trim();
    let kind: TestKind = kind.parse().map_err(|_| format!("{kind:?} is not a test; {whole}"))?;
    let n_parallel = n_parallel.trim().parse().ok().filter(|&n: &u32| n > 0);
    let n_parallel =
        n_parallel.ok_or_else(|| format!("what follows x is not a number of sequences; {whole}"))?;
    let ends = "write tg32@4096=50.. for at least 50 t/s, ..60 for at most 60, or 50..60";
    let (low, high) = range.split_once("..").ok_or_else(|| format!("{range:?} is not a range: {ends}"))?;
    let bound = |text: &str, without: f64| match text.trim() {
        "" => Ok(without),
        text => text
            .parse()
            .ok()
            .filter(|rate: &f64| rate.is_finite() && *rate >= 0.0)
            .ok_or_else(|| format!("{text:?} is not a speed: {ends}")),
    };
    let (from, to) = (bound(low, 0.0)?, bound(high, f64::INFINITY)?);
    if (from, to) == (0.0, f64::INFINITY) {
        return Err(format!("every speed is 0 t/s or more: {ends}"));
    }
    if from >= to {
        let (low, high) = (low.trim(), high.trim());
        return Err(if from > to && !high.is_empty() {
            format!(
                "its upper end {high} is below its lower end {low}: write {high}..{low}, as in tg32@4096=50..60"
            )
        } else {
            format!("its ends are equal, and no speed is that exact: {ends}")
        });
    }
    Ok(Expectation::new(kind, from..to).at_depth(n_depth).parallel(n_parallel))
}

/// How a measurement compares with what was expected, decided by the 95 % interval between runs of the printed figure.
/// [`assert_at_least`](crate::testing::assert_at_least) decides by the same interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExpectationVerdict {
    /// Faster than the upper end of what was expected: the whole interval lies above.
    Exceeds,
    /// The whole interval lies within.
    AsExpected,
    /// Slower than expected: the whole interval lies below.
    FallsShort,
    /// The interval contains a limit: more runs would decide.
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
    /// How the two compare.
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

impl Expected {
    /// Whether the speed surely lies outside what was expected, below its lower end or above its upper one.
    pub fn is_missed(&self) -> bool {
        matches!(self.verdict, ExpectationVerdict::FallsShort | ExpectationVerdict::Exceeds)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_an_expectation_is_said() {
        for (text, why) in [
            ("fast", "write test, depth and tokens per second"),
            ("tg8=60..50", "its upper end 50 is below its lower end 60: write 50..60"),
            ("tg8=50..50", "its ends are equal"),
            ("tg8=0..0", "its ends are equal"),
            ("tg8=..", "every speed is 0 t/s or more"),
            ("tg8=0..", "every speed is 0 t/s or more"),
            ("tg8=60", "\"60\" is not a range: write tg32@4096=50.. for at least"),
            ("tg8=x..60", "\"x\" is not a speed"),
            ("tg8=50..inf", "\"inf\" is not a speed"),
            ("tg8=-5..60", "\"-5\" is not a speed"),
            ("tg8@deep=50..", "what follows @ is not a number of tokens"),
            ("gt8=50..", "\"gt8\" is not a test"),
            ("tg8x0=50..", "what follows x is not a number of sequences"),
            ("tg8x=50..", "what follows x is not a number of sequences"),
            ("x8=50..", "\"\" is not a test"),
        ] {
            let said = text.parse::<Expectation>().unwrap_err().to_string();
            assert!(said.starts_with(&format!("{text:?} is not a valid expectation: {why}")), "{said}");
        }
        for text in ["tg8=50..60", "tg8@d4096=50..", "embd512=..900", " pp2048 @ 0 = 2000 .. 3000 "] {
            assert!(text.parse::<Expectation>().is_ok(), "{text}");
        }
    }

    /// `Display` of a test writes `tg8 x4 @ d512`.
    #[test]
    fn a_number_of_sequences_is_part_of_the_test() {
        for text in ["tg8x4@512=50..", "tg8 x4 @ d512=50..", "tg8 x 4@512=50.."] {
            let expected: Expectation = text.parse().unwrap();
            assert_eq!(expected.test(), crate::record::tg(8).parallel(4).at(512), "{text}");
            let again: Expectation = format!("{}=50..", expected.test()).parse().unwrap();
            assert_eq!(again, expected);
        }
    }

    #[test]
    fn an_expectation_of_one_level_says_nothing_of_another() {
        use crate::record::{fixture::pp100_run as run, pp};

        let mut one = run(512, &[100, 101, 99]);
        let mut eight = one.cells[0].clone();
        eight.test = pp(100).parallel(8);
        one.cells.push(eight);
        let verdict = |text: &str| text.parse::<Expectation>().unwrap().check(&one).verdict;
        // 1000 t/s alone, 8000 t/s of eight together.
        assert_eq!(verdict("pp100=900..1100"), ExpectationVerdict::AsExpected);
        assert_eq!(verdict("pp100x8=7000..9000"), ExpectationVerdict::AsExpected);
        assert_eq!(verdict("pp100x8=900..1100"), ExpectationVerdict::Exceeds);
        assert_eq!(verdict("pp100x4=1.."), ExpectationVerdict::NotMeasured);
    }

    #[test]
    fn beyond_either_end_is_missed() {
        let expected = |verdict| Expected {
            expectation: Expectation::new(TestKind::Tg(8), 50.0..60.0),
            measured: None,
            verdict,
        };
        for (verdict, is_missed) in [
            (ExpectationVerdict::FallsShort, true),
            (ExpectationVerdict::Exceeds, true),
            (ExpectationVerdict::AsExpected, false),
            (ExpectationVerdict::OnTheEdge, false),
        ] {
            assert_eq!(expected(verdict).is_missed(), is_missed, "{verdict}");
        }
    }
}
