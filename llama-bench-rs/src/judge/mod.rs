//! Every verdict: comparisons, baselines, floors, expectations and rankings. Pages, the terminal and assertions ask here.
//!
//! | to find out | call |
//! |---|---|
//! | whether a report is slower than a baseline | [`check_no_regression`], or [`baseline::Baselines::compare`] |
//! | whether a test is as fast as it has to be | [`check_at_least`], [`Expectation::check_report`] |
//! | how two sides differ, test by test | [`compare`]; [`compare_paired`] if they were measured in turn |
//! | which configuration is the best | [`rank()`], or [`report::ranking`](crate::report::ranking) with its text |
//! | the figures of several runs together | [`between_runs()`] |
//! | up to how many sequences more of them pay | [`Knee`] |
//!
//! # The rule
//!
//! | question | answer |
//! |---|---|
//! | what is the unit? | the run: one sweep in fresh contexts. Its repetitions estimate that run's own uncertainty; only several runs show the spread between runs |
//! | what does a run count as? | the expected fastest of m repetitions. m is 10, or half of the repetitions if a run has fewer than 20. Both sides use the same m |
//! | what is compared? | the geometric means of the runs' figures. The figures shown and the change between them are of this one estimate |
//! | which lines are there? | for each kind of test (pp, tg, embd): one for the change that its tests share (the median), and one for each test's difference from it |
//! | how far do runs lie apart? | what both sides show together, blended with an assumption that counts as one run: 2 % in common, 0.5 % beyond it. The latter is pooled over the tests of a kind |
//! | other days? | runs more than an hour apart are of different sittings. Sittings are assumed to lie a further 2 % apart until several sittings of a side show their spread |
//! | many sides? | [`rank()`]: the spread between runs is estimated from all sides together. A difference counts if it exceeds Tukey's range: equal sides exceed that in any test in only 5 % of campaigns. With one run on each side, runs are assumed to lie 5 % apart, since a ranking is copied and not looked at again; the result says so |
//! | many lines? | p values are corrected for the number of lines (Holm). The chance of any false alarm in a comparison is 5 %; two thirds of it go to the shared changes |
//!
//! # Verdicts
//! | verdict | when |
//! |---|---|
//! | improved, regressed | surely not zero (corrected p under 5 %), and by more than half of the tolerance. If both sides are calibrated, the times relative to the calibration loop are sure and the times as measured agree |
//! | no change | the 95 % interval lies within the tolerance |
//! | cannot tell | anything else, and always with one run on each side |
//! | inconclusive | neighbours were busy: times as measured and times relative to the calibration loop disagree, most repetitions of a run were disturbed, or many more on one side than on the other |
//!
//! A floor is compared with [`PrintedRate`], the figure that tables print, with an interval between runs; see
//! [`Floor`] and [`Expectation`].
//!
//! ```
//! # fn demo(before: &[&llama_bench_rs::record::Run], after: &[&llama_bench_rs::record::Run])
//! # -> Result<(), llama_bench_rs::judge::CompareError> {
//! use llama_bench_rs::judge::{self, Rule};
//!
//! let judgement = judge::compare(before, after, Rule::default())?;
//! for test in &judgement.tests {
//!     println!("{}: {} ({})", test.test, test.speedup, test.finding);
//! }
//! # Ok(())
//! # }
//! ```

mod assumed;
#[doc(hidden)]
pub mod baseline;
mod between_runs;
mod choice;
mod compare_error;
mod energy;
mod error;
mod estimate;
mod expectation;
mod figure;
pub(crate) mod figures;
mod floor;
mod group;
mod knee;
mod light;
mod lines;
mod matrix;
#[doc(hidden)]
pub mod network;
mod outcome;
mod percentiles;
mod rank;
mod regression;
mod reports;
mod rule;
mod serving;
pub(crate) mod side_by_side;
mod sides;
mod spread;
mod tolerance;
mod verdict;
mod work;

#[cfg(test)]
mod disturbed_tests;
#[cfg(test)]
mod rank_simulation;
#[cfg(test)]
mod simulation;

use crate::{
    record::{Run, Test, TestKind},
    units::{Probability, Share, Speedup},
};

#[doc(hidden)]
pub use crate::record::n_sittings;
pub(crate) use assumed::{of_one_run as assumed_of_one_run, of_ranked_runs as assumed_of_ranked_runs};

#[doc(hidden)]
pub use crate::stats::Bounds;
#[doc(hidden)]
pub use between_runs::{BetweenRuns, between_runs};
#[doc(hidden)]
pub use choice::Choice;
#[doc(hidden)]
pub use compare_error::CompareError;
#[doc(hidden)]
pub use energy::{compare_energy, joules};
#[doc(hidden)]
pub use error::{Gap, RegressionError};
pub(crate) use estimate::printed_time;
#[doc(hidden)]
pub use estimate::{PrintedRate, RunEstimate, Scope};
pub use expectation::Expectation;
#[doc(hidden)]
pub use expectation::{ExpectationError, ExpectationVerdict, Expected};
#[doc(hidden)]
pub use figure::{AdjustedFigure, RunFigure, TimeFigure};
#[doc(hidden)]
pub use floor::{Floor, FloorOutcome, check_at_least};
pub(crate) use group::Group;
pub(crate) use knee::growth;
#[doc(hidden)]
pub use knee::{Knee, LevelStep};
pub(crate) use light::is_above_light;
#[doc(hidden)]
pub use light::{SlowType, SmallBatch, is_impossible, slow_types, small_batch};
#[doc(hidden)]
pub use outcome::{CellOutcome, Outcome, ShiftOutcome};
#[doc(hidden)]
pub use percentiles::Percentiles;
pub(crate) use percentiles::percentiles;
#[doc(hidden)]
pub use rank::{Lead, Place, Ranked, RankedTest, rank};
#[doc(hidden)]
pub use regression::check_no_regression;
pub use reports::compare_reports;
#[doc(hidden)]
pub use reports::{ConfigurationJudgement, ReportJudgement};
pub use rule::Rule;
#[doc(hidden)]
pub use serving::ServedJudgement;
pub(crate) use serving::{Pairs, judge_served};
pub use tolerance::Tolerance;
pub use verdict::Verdict;
#[doc(hidden)]
pub use verdict::{Because, Finding};
#[doc(hidden)]
pub use work::{LostWork, check_work};

/// The comparison of two sides.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
#[doc(hidden)]
pub struct Judgement {
    /// Every test that both sides have, in the order measured.
    pub tests: Vec<TestJudgement>,
    /// What all tests of a kind share, for kinds of two tests and more.
    pub shifts: Vec<Shift>,
    /// The rule that was applied.
    pub rule: Rule,
    /// How many lines the p values are corrected for.
    pub n_lines: usize,
    /// Whether all runs of the first side are of one sitting and those of the second of another; `None` if it is not
    /// known.
    pub is_of_one_sitting: Option<bool>,
}

/// One test on both sides.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct TestJudgement {
    /// The test.
    pub test: Test,
    /// What a repetition took on the first side.
    pub before: RunEstimate,
    /// What it takes on the second.
    pub after: RunEstimate,
    /// The speed of the second side over that of the first: that of the two times above.
    pub speedup: Speedup,
    /// Its 95 % interval, between runs; `None` with one run on each side.
    pub bounds: Option<Bounds<Speedup>>,
    /// How often equal sides differ at least as much in the line that decides, the shift of its kind or what the test
    /// differs beyond it, corrected for the number of lines; `None` with one run on each side.
    pub p_value: Option<Probability>,
    /// The smallest slowdown of this test alone, as a share of the time, that would be found in 95 of 100 such comparisons;
    /// `None` with one run on each side.
    pub detectable: Option<Share>,
    /// The verdict and what it rests on.
    pub finding: Finding,
    /// Whether times were compared relative to the calibration loop.
    pub calibration: Calibration,
}

/// What the tests of one kind have in common.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
#[doc(hidden)]
pub struct Shift {
    /// One of the tests: all are of its kind.
    pub kind: TestKind,
    /// How many there are.
    pub n_tests: usize,
    /// The common change of speed: the one in the middle.
    pub speedup: Speedup,
    /// Its 95 % interval, between runs; `None` with one run on each side.
    pub bounds: Option<Bounds<Speedup>>,
    /// Its p value, corrected for the number of lines; `None` with one run on each side.
    pub p_value: Option<Probability>,
    /// The verdict and what it rests on.
    pub finding: Finding,
}

/// Whether a comparison is relative to the calibration loop ([`Sample::calibration`](crate::record::Sample::calibration)).
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
#[doc(hidden)]
pub enum Calibration {
    /// No run was calibrated: times are compared as measured.
    Unknown,
    /// Only some runs were calibrated, or not by the same version of the loop: times are compared as measured.
    Mixed,
    /// Every run was calibrated: a verdict needs times as measured and times relative to the loop to agree.
    Adjusted(Adjustment),
}

/// The change of a test relative to the calibration loop.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
#[doc(hidden)]
pub struct Adjustment {
    /// Time of the calibration loop on the first side, geometric mean of the runs.
    pub before: std::time::Duration,
    /// What it took on the second.
    pub after: std::time::Duration,
    /// The change of speed.
    pub speedup: Speedup,
    /// Its 95 % interval, between runs; `None` with one run on each side.
    pub bounds: Option<Bounds<Speedup>>,
}

impl TestJudgement {
    /// The verdict.
    pub fn verdict(&self) -> Verdict {
        self.finding.verdict
    }
}

impl Judgement {
    /// The tests with this verdict.
    pub fn with(&self, verdict: Verdict) -> impl Iterator<Item = &TestJudgement> {
        self.tests.iter().filter(move |test| test.verdict() == verdict)
    }

    /// Whether any line is called changed.
    pub fn has_change(&self) -> bool {
        let findings =
            self.tests.iter().map(|test| test.finding).chain(self.shifts.iter().map(|shift| shift.finding));
        findings.into_iter().any(|f| matches!(f.verdict, Verdict::Improved | Verdict::Regressed))
    }
}

/// Compares the runs of two sides that were measured apart: two builds, two days, two configurations. Tests that only
/// one side has are left out.
///
/// # Errors
/// A side has no runs, or a repetition took no time.
#[doc(hidden)]
pub fn compare(before: &[&Run], after: &[&Run], rule: Rule) -> Result<Judgement, CompareError> {
    let pool = [before, after].concat();
    let [judgement] = sides::judge([sides::Sides::independent(before, after, &pool)?], rule)?;
    Ok(judgement)
}

/// Compares the runs of two sides that were measured in turn: the n-th run of one shares its conditions with the n-th
/// of the other, and each pair is one difference.
///
/// # Errors
/// A side has no runs, the sides have different numbers of runs, or a repetition took no time.
#[doc(hidden)]
pub fn compare_paired(before: &[&Run], after: &[&Run], rule: Rule) -> Result<Judgement, CompareError> {
    let [judgement] = sides::judge([sides::Sides::paired(before, after)?], rule)?;
    Ok(judgement)
}

/// Compares several pairs of sides as one comparison: p values are corrected for the lines of all.
pub(crate) fn compare_together(
    pairs: &[(&[&Run], &[&Run])],
    rule: Rule,
) -> Result<Vec<Judgement>, CompareError> {
    let pool: Vec<&Run> = pairs.iter().flat_map(|(a, b)| a.iter().chain(*b)).copied().collect();
    let sides: Result<Vec<_>, _> =
        pairs.iter().map(|(before, after)| sides::Sides::independent(before, after, &pool)).collect();
    sides::judge_all(sides?, rule)
}
