//! A report compared with a baseline of its configuration, and what may be saved after that.

use std::fmt;

use super::{Baseline, BaselineError, Baselines, Key};
use crate::{
    judge::{LostWork, Outcome, RegressionError, Tolerance, check_no_regression, check_work},
    record::{Header, Report, Test, tests_of, work::WorkChange},
};

/// The comparison of a report with a baseline: what llama.cpp computes in another way, then the speed.
///
/// Its `Display` is what a person should read, the table of the cells included.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct AgainstBaseline {
    /// The name of the baseline.
    pub name: String,
    /// What llama.cpp computes in another way, or an error if that costs speed. No time is in it.
    pub work: Result<Vec<WorkChange>, LostWork>,
    /// The speed, or why it does not pass.
    pub speed: Result<Outcome, RegressionError>,
}

impl AgainstBaseline {
    fn new(baseline: &Baseline, report: &Report, tolerance: Tolerance) -> Self {
        Self {
            name: baseline.name().to_owned(),
            work: check_work(baseline, report),
            speed: check_no_regression(baseline, report, tolerance),
        }
    }

    /// Whether the report is slower: a cell or a whole kind of test is, or what is computed costs more. With a strict
    /// [`Tolerance`], also if noise could hide a slowdown.
    pub fn is_slower(&self) -> bool {
        let is_slow = matches!(self.speed, Err(RegressionError::Regressed(_) | RegressionError::Unsure(_)));
        is_slow || self.work.is_err()
    }

    /// Whether everything that the baseline has was judged and none of it is slower.
    pub fn is_passed(&self) -> bool {
        self.work.is_ok() && self.speed.is_ok()
    }
}

impl fmt::Display for AgainstBaseline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is computed comes first: it explains the speed, and has no noise.
        match &self.work {
            Ok(changes) => changes.iter().try_for_each(|change| writeln!(f, "  {change}"))?,
            Err(lost) => writeln!(f, "{lost}")?,
        }
        match &self.speed {
            Ok(outcome) => f.write_str(&outcome.warning().unwrap_or_else(|| outcome.to_string())),
            Err(error) => error.fmt(f),
        }
    }
}

impl Baselines {
    /// Compares a report with the baseline of this name, by what llama.cpp computes and by speed.
    ///
    /// ```no_run
    /// use llama_bench_rs::{judge::{Tolerance, baseline::Baselines}, record::Report};
    ///
    /// # fn demo(report: &Report) -> llama_bench_rs::Result<()> {
    /// let baselines = Baselines::new("baselines");
    /// let against = baselines.compare("main", report, Tolerance::percent(5))?;
    /// println!("{against}");
    /// baselines.save_compared(report, &against)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of [`load`](Self::load). A slower report is not an error here.
    pub fn compare(
        &self,
        name: &str,
        report: &Report,
        tolerance: Tolerance,
    ) -> Result<AgainstBaseline, BaselineError> {
        Ok(AgainstBaseline::new(&self.load(name, report)?, report, tolerance))
    }

    /// Adds the runs of a report to the baseline that it was compared with, unless they are slower: a baseline of slower
    /// runs would hide the regression.
    ///
    /// # Errors
    /// The runs are slower; and those of [`save`](Self::save).
    pub fn save_compared(
        &self,
        report: &Report,
        against: &AgainstBaseline,
    ) -> Result<Baseline, BaselineError> {
        if against.is_slower() {
            return Err(BaselineError::Slower { name: against.name.clone() });
        }
        self.save(&against.name, report)
    }

    /// Whether a sweep of these tests could be judged by the baseline of this name, to be asked before anything is
    /// measured. Returns the tests that the baseline has no figure for: they would be measured and not judged.
    ///
    /// `header` is what will be measured: [`Sweep::header`](crate::bench::Sweep::header), or
    /// [`Configuration::header`](crate::bench::Configuration) before its model is loaded. As long as the model is not
    /// known, a request passes if the baseline of any model fits.
    ///
    /// # Errors
    /// The baseline has tests that are not among these; it is of another machine, model or configuration; there is none
    /// of this name; or its file cannot be read.
    pub fn check_tests(
        &self,
        name: &str,
        header: &Header,
        tests: &[Test],
    ) -> Result<Vec<Test>, BaselineError> {
        let (mut passed, mut refused) = (None::<Vec<Test>>, None);
        for report in self.candidates(name, &Key::of(header))? {
            let known = tests_with_figures(&report);
            let missing: Vec<Test> = known.iter().filter(|test| !tests.contains(test)).copied().collect();
            if missing.is_empty() {
                let unknown: Vec<Test> = tests.iter().filter(|test| !known.contains(test)).copied().collect();
                // Of several models the one with most of the tests.
                if passed.as_ref().is_none_or(|least| unknown.len() < least.len()) {
                    passed = Some(unknown);
                }
                continue;
            }
            refused = refused.or(Some(BaselineError::OtherTests { name: name.to_owned(), missing }));
        }
        match (passed, refused) {
            (Some(unknown), _) => Ok(unknown),
            (None, Some(refused)) => Err(refused),
            (None, None) => Ok(Vec::new()),
        }
    }
}

/// The tests that a run of the report has a figure for, each once.
fn tests_with_figures(report: &Report) -> Vec<Test> {
    let mut tests = tests_of(&report.runs);
    tests.retain(|test| report.cells().any(|(_, cell)| cell.test == *test && cell.failure().is_none()));
    tests
}
