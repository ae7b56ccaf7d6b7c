//! Several sides, test by test, each compared with the first.

use super::{Bounds, Finding, Judgement, Rule, RunEstimate, compare_together};
use crate::{
    record::{Cell, FailureKind, Run, Test, tests_of},
    units::{Speedup, TokensPerSecond},
};

/// Sides of one comparison: the runs of several configurations.
pub(crate) struct SideBySide<'a> {
    /// The name of each side: `ub 1024 fa 1`, or for two runs of one configuration `run 1 of 2`.
    pub(crate) names: Vec<String>,
    /// One row per test, then one per kind of test.
    pub(crate) rows: Vec<Row<'a>>,
    pub(crate) rule: Rule,
}

/// A test on every side, or what all tests of a kind share.
pub(crate) struct Row<'a> {
    /// `None` for a shift.
    #[cfg_attr(not(feature = "pages"), allow(dead_code, reason = "pages alone mark a test's rows"))]
    pub(crate) test: Option<Test>,
    pub(crate) name: String,
    /// By side; empty for a shift.
    pub(crate) figures: Vec<Figure<'a>>,
    /// By side after the first.
    pub(crate) changes: Vec<Option<Change>>,
}

/// What a side has of a test.
pub(crate) enum Figure<'a> {
    Measured(RunEstimate, u32),
    Failed(&'a FailureKind),
    Missing,
}

/// The change from the first side.
#[derive(Clone, Copy)]
pub(crate) struct Change {
    pub(crate) speedup: Speedup,
    pub(crate) bounds: Option<Bounds<Speedup>>,
    pub(crate) finding: Finding,
}

impl<'a> SideBySide<'a> {
    /// Judges sides that have a name each; `None` of no sides.
    pub(crate) fn judge(sides: Vec<(String, Vec<&'a Run>)>) -> Option<Self> {
        let (names, sides): (Vec<String>, Vec<Vec<&Run>>) = sides.into_iter().unzip();
        let rule = Rule::default();
        let [first, others @ ..] = &sides[..] else { return None };
        let pairs: Vec<(&[&Run], &[&Run])> = others.iter().map(|other| (&first[..], &other[..])).collect();
        // A file with a repetition of no time has figures, and no changes.
        let judgements = compare_together(&pairs, rule).unwrap_or_default();
        let tests = tests_of(sides.iter().flatten().copied());
        let mut rows: Vec<Row<'_>> = tests.into_iter().map(|test| row(test, &sides, &judgements)).collect();
        rows.extend(shifts(others.len(), &judgements));
        Some(Self { names, rows, rule })
    }
}

fn find(run: &Run, test: Test) -> Option<&Cell> {
    run.cells.iter().find(|cell| cell.test == test)
}

fn row<'a>(test: Test, sides: &[Vec<&'a Run>], judgements: &[Judgement]) -> Row<'a> {
    let cells = |side: &[&'a Run]| -> Vec<(&'a Run, &'a Cell)> {
        let cells = side.iter().filter_map(|run| Some((*run, find(run, test)?)));
        cells.filter(|(_, cell)| cell.failure().is_none()).collect()
    };
    let pool: Vec<&Cell> = sides.iter().flat_map(|side| cells(side)).map(|(_, cell)| cell).collect();
    let figure = |side: &Vec<&'a Run>| match RunEstimate::beside(&cells(side), &pool) {
        Some(estimate) => Figure::Measured(estimate, test.n_tokens()),
        None => match side.iter().find_map(|run| find(run, test)?.failure()) {
            Some(failure) => Figure::Failed(&failure.kind),
            None => Figure::Missing,
        },
    };
    let change = |i: usize| {
        let judged = judgements.get(i)?.tests.iter().find(|judged| judged.test == test)?;
        Some(Change { speedup: judged.speedup, bounds: judged.bounds, finding: judged.finding })
    };
    Row {
        test: Some(test),
        name: test.to_string(),
        figures: sides.iter().map(figure).collect(),
        changes: (0..sides.len() - 1).map(change).collect(),
    }
}

fn shifts<'a>(n_others: usize, judgements: &[Judgement]) -> Vec<Row<'a>> {
    let mut kinds: Vec<&'static str> = Vec::new();
    for shift in judgements.iter().flat_map(|judgement| &judgement.shifts) {
        if !kinds.contains(&shift.kind.family()) {
            kinds.push(shift.kind.family());
        }
    }
    let row = |kind: &'static str| {
        let change = |i: usize| {
            let shift = judgements.get(i)?.shifts.iter().find(|shift| shift.kind.family() == kind)?;
            Some(Change { speedup: shift.speedup, bounds: shift.bounds, finding: shift.finding })
        };
        Row {
            test: None,
            name: shift_name(kind),
            figures: Vec::new(),
            changes: (0..n_others).map(change).collect(),
        }
    };
    kinds.into_iter().map(row).collect()
}

/// What the row of a shift is called: `all pp`.
pub(crate) fn shift_name(family: &str) -> String {
    format!("all {family}")
}

impl Figure<'_> {
    /// Tokens per second; `None` if nothing was measured.
    pub(crate) fn rate(&self) -> Option<TokensPerSecond> {
        match self {
            Figure::Measured(estimate, n_tokens) => estimate.rate(*n_tokens),
            Figure::Failed(_) | Figure::Missing => None,
        }
    }

    /// The bounds of its interval; `None` if nothing was measured.
    pub(crate) fn bounds(&self) -> Option<[TokensPerSecond; 2]> {
        let Figure::Measured(estimate, n_tokens) = self else { return None };
        let bound = |time| TokensPerSecond::from_elapsed(u64::from(*n_tokens), time);
        Some([bound(estimate.bounds.upper())?, bound(estimate.bounds.lower())?])
    }
}
