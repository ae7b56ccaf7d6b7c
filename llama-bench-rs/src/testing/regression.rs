use super::{CellOutcome, Gap, Outcome, Pace, RegressionError, Tolerance, groups::Group, pace};
use crate::{
    record::{Report, Test},
    stats::{CompareError, Comparison, RunEstimate, Threshold, Verdict},
};

impl AsRef<Report> for Report {
    fn as_ref(&self) -> &Report {
        self
    }
}

/// Holds a report against a baseline: a [`Baseline`](crate::baseline::Baseline) or another report. Every cell that the
/// baseline has must be there and not slower.
///
/// Cells are compared within their machine, model and configuration; a configuration that only the baseline has is not
/// looked at.
///
/// # Errors
/// A cell got slower; or, if the tolerance is strict, may have. A cell is missing or failed (the others are judged all the
/// same, and one that got slower is said first). The baseline is of another
/// machine, model or configuration, or a side has no runs.
pub fn check_no_regression(
    baseline: &impl AsRef<Report>,
    report: &Report,
    tolerance: Tolerance,
) -> Result<Outcome, RegressionError> {
    let (before, now) = (Group::all(baseline.as_ref()), Group::all(report));
    for (side, groups) in [("baseline", &before), ("report", &now)] {
        if groups.is_empty() {
            return Err(RegressionError::NoRuns { side });
        }
    }
    let mut outcome = Outcome {
        cells: Vec::new(),
        uncompared: Vec::new(),
        tolerance,
        builds_before: Vec::new(),
        builds_now: Vec::new(),
        gaps: Vec::new(),
    };
    let mut gaps = Vec::new();
    for group in &now {
        if group.is_of_unknown_model() {
            // It was not loaded: nothing tells which runs of the baseline are its counterpart.
            gaps.extend(group.tests().into_iter().filter_map(|test| gap(group, test)));
            continue;
        }
        let counterpart = counterpart(&before, group)?;
        let label = group.label(&now);
        merge(&mut outcome.builds_before, counterpart.builds());
        merge(&mut outcome.builds_now, group.builds());
        gaps.extend(compare(counterpart, group, &label, &mut outcome)?);
    }
    outcome.gaps = gaps;
    judge(outcome)
}

/// [`check_no_regression`] for a test: panics with a table of what was expected and measured and how sure it is. Cells
/// that were too noisy to tell pass with a warning on standard error, unless the tolerance is strict.
///
/// # Panics
/// Where `check_no_regression` returns an error.
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

/// The runs of the baseline that are of the same as these.
fn counterpart<'g, 'r>(before: &'g [Group<'r>], now: &Group<'_>) -> Result<&'g Group<'r>, RegressionError> {
    let differences = before.iter().map(|group| (group, group.key.differences(&now.key)));
    match differences.min_by_key(|(_, differences)| differences.len()) {
        Some((group, differences)) if differences.is_empty() => Ok(group),
        Some((_, differences)) => Err(RegressionError::Differs { differences }),
        None => Err(RegressionError::NoRuns { side: "baseline" }),
    }
}

fn merge(all: &mut Vec<String>, more: Vec<String>) {
    for item in more {
        if !all.contains(&item) {
            all.push(item);
        }
    }
}

/// Compares every test that the baseline has; returns those that cannot be found in the report.
fn compare(
    before: &Group<'_>,
    now: &Group<'_>,
    label: &str,
    outcome: &mut Outcome,
) -> Result<Vec<Gap>, RegressionError> {
    let threshold = Threshold { noise: outcome.tolerance.noise(), ..Threshold::default() };
    let mut gaps = Vec::new();
    for test in before.tests() {
        let times_before = before.times(test);
        if times_before.is_empty() {
            // It failed before too: nothing is known that could be lost.
            continue;
        }
        if let Some(gap) = gap(now, test) {
            gaps.push(gap);
            continue;
        }
        let times_now = now.times(test);
        let failed = |source| RegressionError::Compare { test, source };
        let as_measured = Comparison::of_runs(&times_before, &times_now, threshold).map_err(failed)?;
        let (comparison, pace) = pace::compare(before, now, test, as_measured, threshold).map_err(failed)?;
        let estimate = |times: &[_]| RunEstimate::of(times).ok_or_else(|| failed(CompareError::NoTime));
        let (before, now) = (estimate(&times_before)?, estimate(&times_now)?);
        outcome.cells.push(CellOutcome {
            test,
            configuration: label.to_owned(),
            before,
            now,
            comparison,
            pace,
        });
    }
    let is_new = |test: &Test| before.times(*test).is_empty() && !now.times(*test).is_empty();
    outcome.uncompared.extend(now.tests().into_iter().filter(is_new));
    Ok(gaps)
}

/// A test that no run of the report has, or that failed in one.
fn gap(now: &Group<'_>, test: Test) -> Option<Gap> {
    let failure = now.cells(test).find_map(|cell| cell.failure());
    let is_there = !now.times(test).is_empty();
    match failure {
        None if is_there => None,
        failure => Some(Gap { test, failure: failure.map(|failure| failure.message.clone()) }),
    }
}

/// Corrects the verdicts for their number and draws the conclusion.
fn judge(mut outcome: Outcome) -> Result<Outcome, RegressionError> {
    let tolerance = outcome.tolerance;
    correct(outcome.cells.iter_mut().map(|cell| &mut cell.comparison).collect(), tolerance);
    let as_measured = outcome.cells.iter_mut().filter_map(|cell| match &mut cell.pace {
        Pace::Adjusted(adjustment) => Some(&mut adjustment.as_measured),
        Pace::Unknown | Pace::Mixed => None,
    });
    correct(as_measured.collect(), tolerance);
    let any = |verdict| outcome.with(verdict).next().is_some();
    if any(Verdict::Regressed) {
        return Err(RegressionError::Regressed(Box::new(outcome)));
    }
    if !outcome.gaps.is_empty() {
        let gaps = outcome.gaps.clone();
        let judged = (!outcome.cells.is_empty()).then(|| Box::new(Outcome { gaps: Vec::new(), ..outcome }));
        return Err(RegressionError::Incomplete { gaps, judged });
    }
    if outcome.tolerance.is_strict() && any(Verdict::CannotTell) {
        return Err(RegressionError::Unsure(Box::new(outcome)));
    }
    Ok(outcome)
}

/// Corrects comparisons that are looked at together; between half of the tolerance and the whole is no surprise, as long
/// as it is surely not more.
fn correct(comparisons: Vec<&mut Comparison>, tolerance: Tolerance) {
    let mut corrected: Vec<Comparison> = comparisons.iter().map(|comparison| **comparison).collect();
    Comparison::correct(&mut corrected);
    let slowest = 1.0 / (1.0 + tolerance.slowdown().get());
    for (comparison, mut corrected) in comparisons.into_iter().zip(corrected) {
        if corrected.verdict == Verdict::CannotTell && corrected.lower.get() > slowest {
            corrected.verdict = Verdict::NoChange;
        }
        *comparison = corrected;
    }
}
