//! Many sides at once: the fastest one in each test, and the others that it surely differs from.
//!
//! The model is that of two sides; the shared and the own spread of runs are each estimated from all sides together. A
//! difference counts only if it exceeds the range that as many equal sides show in 95 of 100 campaigns, over all tests
//! together (Tukey's range).

use super::{
    Because, Bounds, Choice, Finding, Rule, RunEstimate, RunFigure, Scope,
    choice::choices,
    figure::n_fastest,
    lines::{self, Line},
    matrix::{same_calibration, same_kind},
    sides::mind_disturbance,
    spread::{Figure, Figures, Spread, widest_of_equals},
    verdict::{Said, speedup},
};
use crate::{
    judge::{CompareError, Verdict},
    record::{Cell, Run, Test, sittings, tests_of},
    units::{Share, Speedup},
};

/// Sides in order of speed, test by test.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Ranked {
    /// Every test that two sides and more have, in the order measured.
    pub tests: Vec<RankedTest>,
    /// What to ask for; empty if nothing is surely faster than the reference.
    pub choices: Vec<Choice>,
    /// What the intervals are of: with one run on each side, how far runs lie apart is assumed.
    pub scope: Scope,
    /// The rule that was applied.
    pub rule: Rule,
}

/// The sides in one test.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RankedTest {
    /// The test.
    pub test: Test,
    /// The sides that have a figure, the fastest first; at least two.
    pub places: Vec<Place>,
}

/// A side in a test.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Place {
    /// Which side, from 0.
    pub side: usize,
    /// What a repetition takes.
    pub estimate: RunEstimate,
    /// The lead of the fastest side over this one; `None` for the fastest itself.
    pub behind: Option<Lead>,
    /// The lead of this side over the reference; `None` for the reference itself, and if that has no figure.
    pub against_reference: Option<Lead>,
}

/// The lead of one side over another.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Lead {
    /// The speed of the one over that of the other.
    pub speedup: Speedup,
    /// Its bounds. In 95 of 100 campaigns the bounds of all pairs of sides in all tests contain the true values.
    pub bounds: Bounds<Speedup>,
    /// The verdict and what it rests on.
    pub finding: Finding,
}

impl RankedTest {
    /// The fastest side, then those that are not surely slower.
    pub fn leading(&self) -> impl Iterator<Item = &Place> {
        self.places.iter().filter(|place| !place.behind.is_some_and(|lead| lead.is_sure()))
    }
}

impl Lead {
    /// Whether the one surely differs from the other.
    pub fn is_sure(&self) -> bool {
        matches!(self.finding.verdict, Verdict::Improved | Verdict::Regressed)
    }

    /// The smallest difference that would be sure, as a share of the speed; `None` if that is not a number.
    pub fn half_width(&self) -> Option<Share> {
        Share::new(self.bounds.upper().get() / self.speedup.get() - 1.0)
    }
}

/// Ranks sides that were measured together: the runs of several configurations. All are also compared with the side
/// `reference`, counted from 0. Tests that only one side has are left out.
///
/// # Errors
/// A side has no runs, there are fewer than two, or a repetition took no time.
pub fn rank(sides: &[Vec<&Run>], reference: usize, rule: Rule) -> Result<Ranked, CompareError> {
    if sides.len() < 2 || sides.iter().any(Vec::is_empty) {
        return Err(CompareError::NoRuns);
    }
    let all: Vec<&Run> = sides.concat();
    let kinds: Vec<Kind> =
        by_kind(&all).into_iter().map(|tests| Kind::of(sides, &all, tests)).collect::<Result<_, _>>()?;
    let widest = widest_of_equals(sides.len(), kinds.iter().map(|kind| &kind.measured), rule.alpha);
    let adjusted: Vec<&Spread> = kinds.iter().filter_map(|kind| kind.adjusted.as_ref()).collect();
    let widest_adjusted = widest_of_equals(sides.len(), adjusted, rule.alpha);
    let days = Days::of(sides);
    let mut tests: Vec<RankedTest> = Vec::new();
    for kind in &kinds {
        for i in 0..kind.tests.len() {
            let lead =
                |one: usize, other: usize| kind.lead(i, [one, other], &days, [widest, widest_adjusted], rule);
            tests.extend(kind.rank(i, reference, lead));
        }
    }
    let order = tests_of(all.iter().copied());
    tests.sort_by_key(|ranked| order.iter().position(|test| *test == ranked.test));
    let scope = if sides.iter().any(|side| side.len() > 1) { Scope::BetweenRuns } else { Scope::Assumed };
    Ok(Ranked { choices: choices(&tests, reference), tests, scope, rule })
}

/// Every test, grouped by kind.
fn by_kind(runs: &[&Run]) -> Vec<Vec<Test>> {
    let mut kinds: Vec<Vec<Test>> = Vec::new();
    for test in tests_of(runs.iter().copied()) {
        match kinds.iter_mut().find(|tests| same_kind(tests[0].kind, test.kind)) {
            Some(tests) => tests.push(test),
            None => kinds.push(vec![test]),
        }
    }
    kinds
}

/// The tests of one kind on every side.
struct Kind {
    tests: Vec<Test>,
    /// By side, run and test.
    figures: Vec<Vec<Vec<Option<RunFigure>>>>,
    is_on_core: bool,
    measured: Spread,
    /// Relative to the calibration loop, if every run was calibrated.
    adjusted: Option<Spread>,
}

impl Kind {
    fn of(sides: &[Vec<&Run>], all: &[&Run], tests: Vec<Test>) -> Result<Self, CompareError> {
        let fastest: Vec<usize> =
            tests.iter().map(|&test| n_fastest(all.iter().filter_map(|run| find(run, test)))).collect();
        let figure = |run: &Run, test: Test, n: usize| match find(run, test) {
            Some(cell) => RunFigure::of(run, cell, n).map(Some).ok_or(CompareError::NoTime),
            None => Ok(None),
        };
        let of_run = |run: &&Run| -> Result<Vec<Option<RunFigure>>, CompareError> {
            tests.iter().zip(&fastest).map(|(&test, &n)| figure(run, test, n)).collect()
        };
        let of_side = |side: &Vec<&Run>| side.iter().map(of_run).collect::<Result<Vec<_>, _>>();
        let mut figures: Vec<Vec<Vec<Option<RunFigure>>>> =
            sides.iter().map(of_side).collect::<Result<_, _>>()?;
        let is_on_core = take_times_on_core(&mut figures);
        let logs = |pick: fn(&RunFigure) -> Figure| -> Figures {
            let run = |run: &Vec<Option<RunFigure>>| {
                run.iter().map(|figure| figure.as_ref().and_then(pick)).collect()
            };
            figures.iter().map(|side| side.iter().map(run).collect()).collect()
        };
        let measured = Spread::of(logs(|figure| Some((figure.log_time, figure.variance_within))));
        let is_calibrated =
            same_calibration(figures.iter().flatten().flatten().flatten().map(|figure| figure.adjusted));
        let adjusted = is_calibrated.then(|| {
            Spread::of(logs(|figure| {
                figure.adjusted.map(|calibrated| (calibrated.log_time, calibrated.variance_within))
            }))
        });
        Ok(Self { tests, is_on_core, measured, adjusted, figures })
    }

    /// The sides that have the test, the fastest first; `None` if there are fewer than two.
    fn rank(
        &self,
        test: usize,
        reference: usize,
        lead: impl Fn(usize, usize) -> Option<Lead>,
    ) -> Option<RankedTest> {
        let estimate = |side: usize| Some((side, RunEstimate::of_figures(&self.of_test(side, test))?));
        let mut sides: Vec<(usize, RunEstimate)> = (0..self.figures.len()).filter_map(estimate).collect();
        sides.sort_by_key(|(side, estimate)| (estimate.time, *side));
        let fastest = sides.first().filter(|_| sides.len() > 1)?.0;
        let place = |(side, estimate): (usize, RunEstimate)| Place {
            side,
            estimate,
            behind: if side == fastest { None } else { lead(fastest, side) },
            against_reference: if side == reference { None } else { lead(side, reference) },
        };
        Some(RankedTest { test: self.tests[test], places: sides.into_iter().map(place).collect() })
    }

    fn of_test(&self, side: usize, test: usize) -> Vec<RunFigure> {
        self.figures[side].iter().filter_map(|run| run[test]).collect()
    }

    fn lead(
        &self,
        test: usize,
        [one, other]: [usize; 2],
        days: &Days,
        [widest, widest_adjusted]: [f64; 2],
        rule: Rule,
    ) -> Option<Lead> {
        let said = |spread: &Spread, widest: f64| -> Option<(Said, f64)> {
            let (log, variance) = spread.difference(one, other, test)?;
            let line = Line {
                log,
                error: (variance + days.variance(one, other)).sqrt(),
                degrees_of_freedom: spread.degrees_of_freedom,
            };
            let half = widest * line.error;
            Some((said(line, half, rule), half))
        };
        let (measured, half) = said(&self.measured, widest)?;
        let adjusted = match &self.adjusted {
            Some(spread) => Some(said(spread, widest_adjusted)?.0),
            None => None,
        };
        let finding = adjusted.map_or(measured.alone(), |adjusted| measured.with_adjusted(&adjusted, rule));
        let (ones, others) = (self.of_test(one, test), self.of_test(other, test));
        let finding = mind_disturbance(finding, &refs(&ones), &refs(&others), self.is_on_core);
        let log = measured.whole.log;
        let bounds = Bounds::between(speedup(log - half), speedup(log + half));
        Some(Lead { speedup: speedup(log), bounds, finding })
    }
}

fn refs(figures: &[RunFigure]) -> Vec<&RunFigure> {
    figures.iter().collect()
}

/// The result of a difference, if equal sides show differences up to `half`.
fn said(line: Line, half: f64, rule: Rule) -> Said {
    let (log, within) = (line.log, rule.log_tolerance());
    let (verdict, because) = if log.abs() > half.max(rule.log_noise()) {
        (if log > 0.0 { Verdict::Improved } else { Verdict::Regressed }, Because::Own)
    } else if log.abs() + half < within {
        (Verdict::NoChange, Because::WithinTolerance)
    } else {
        (Verdict::CannotTell, Because::TooNoisy)
    };
    Said { whole: line, verdict, because }
}

/// Switches to times on a core if every run has them; returns whether it did.
fn take_times_on_core(figures: &mut [Vec<Vec<Option<RunFigure>>>]) -> bool {
    let all = || figures.iter().flatten().flatten().flatten();
    if !all().all(|figure| figure.on_core.is_some()) {
        return false;
    }
    let is_adjusted = same_calibration(all().map(|figure| figure.adjusted_on_core));
    figures.iter_mut().flatten().flatten().flatten().for_each(|figure| figure.take_time_on_core(is_adjusted));
    true
}

/// The sittings of each side: runs of different sittings lie further apart.
struct Days(Vec<Option<Vec<usize>>>);

impl Days {
    fn of(sides: &[Vec<&Run>]) -> Self {
        let mut all = sittings(&sides.concat()).into_iter();
        Self(sides.iter().map(|side| all.by_ref().take(side.len()).collect()).collect())
    }

    /// The variance between sittings in the difference of two sides.
    fn variance(&self, one: usize, other: usize) -> f64 {
        match (&self.0[one], &self.0[other]) {
            (Some(one), Some(other)) => lines::variance_of_days(&[one, other]),
            _ => 0.0,
        }
    }
}

/// The cell of a test that has a figure.
fn find(run: &Run, test: Test) -> Option<&Cell> {
    run.cells.iter().find(|cell| cell.test == test && cell.reason().is_none())
}
