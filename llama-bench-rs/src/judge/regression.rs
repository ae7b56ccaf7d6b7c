use super::{
    CellOutcome, Gap, Group, Judgement, Outcome, RegressionError, Rule, ShiftOutcome, Tolerance, Verdict,
    compare_together,
};
use crate::record::{Report, Run, Test};

impl AsRef<Report> for Report {
    fn as_ref(&self) -> &Report {
        self
    }
}

/// Compares a report with a baseline: a [`Baseline`](super::baseline::Baseline) or another report. Every cell that the
/// baseline has must be there and not slower.
///
/// Cells are compared within their machine, model and configuration. A configuration that only the baseline has is
/// ignored.
///
/// # Errors
/// A cell got slower; or, if the tolerance is strict, may have. A cell is missing or failed; the others are still judged,
/// and a slower one is reported first. The baseline is of another machine, model or configuration, or a side has no runs.
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
    let mut outcome = Outcome::new(tolerance);
    let mut pairs = Vec::new();
    for group in &now {
        if group.is_of_unknown_model() {
            // It was not loaded: its counterpart in the baseline is not known.
            outcome.gaps.extend(group.tests().into_iter().filter_map(|test| gap(group, test)));
            continue;
        }
        pairs.push((counterpart(&before, group)?, group));
    }
    let sides: Vec<(&[&Run], &[&Run])> = pairs.iter().map(|(a, b)| (&a.runs[..], &b.runs[..])).collect();
    let judgements = compare_together(&sides, Rule::new(tolerance.slowdown()))?;
    for ((before, group), judgement) in pairs.into_iter().zip(judgements) {
        merge(&mut outcome.builds_before, before.builds());
        merge(&mut outcome.builds_now, group.builds());
        collect(before, group, &group.label(&now), &judgement, &mut outcome);
    }
    conclude(outcome)
}

/// The runs of the baseline with the same key.
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

/// Takes over the judgement of every test in the baseline, and lists the tests that the report lacks.
fn collect(before: &Group<'_>, now: &Group<'_>, label: &str, judgement: &Judgement, outcome: &mut Outcome) {
    // A test that failed in the baseline too is left out: it has no figure to compare with.
    let gaps: Vec<Gap> = before
        .tests()
        .into_iter()
        .filter(|&test| before.has(test))
        .filter_map(|test| gap(now, test))
        .collect();
    let is_judged = |test: Test| gaps.iter().all(|gap| gap.test != test);
    outcome.cells.extend(
        judgement.tests.iter().filter(|judged| is_judged(judged.test)).map(|&judged| CellOutcome {
            test: judged.test,
            configuration: label.to_owned(),
            judged,
        }),
    );
    let shift = |&shift| ShiftOutcome { configuration: label.to_owned(), shift };
    outcome.shifts.extend(judgement.shifts.iter().map(shift));
    outcome.n_lines = judgement.n_lines;
    outcome.baseline_is_of_one_sitting |= judgement.is_of_one_sitting == Some(true);
    let is_new = |test: &Test| !before.has(*test) && now.has(*test);
    outcome.uncompared.extend(now.tests().into_iter().filter(is_new));
    outcome.gaps.extend(gaps);
}

/// A test that no run of the report has, or that failed in a run.
fn gap(now: &Group<'_>, test: Test) -> Option<Gap> {
    let failure = now.cells(test).find_map(|cell| cell.failure());
    let is_there = now.has(test);
    match failure {
        None if is_there => None,
        failure => Some(Gap { test, failure: failure.map(|failure| failure.message.clone()) }),
    }
}

/// Draws the conclusion.
fn conclude(mut outcome: Outcome) -> Result<Outcome, RegressionError> {
    let is_slower = outcome.with(Verdict::Regressed).next().is_some()
        || outcome.shifts.iter().any(|shift| shift.shift.finding.verdict == Verdict::Regressed);
    if is_slower {
        return Err(RegressionError::Regressed(Box::new(outcome)));
    }
    if !outcome.gaps.is_empty() {
        let gaps = std::mem::take(&mut outcome.gaps);
        let judged = (!outcome.cells.is_empty()).then(|| Box::new(outcome));
        return Err(RegressionError::Incomplete { gaps, judged });
    }
    if outcome.tolerance.is_strict() && outcome.open().next().is_some() {
        return Err(RegressionError::Unsure(Box::new(outcome)));
    }
    Ok(outcome)
}
