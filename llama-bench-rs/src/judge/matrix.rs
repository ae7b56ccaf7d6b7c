//! From runs to rows: which tests can be judged together, and what each run says of them.

use super::{
    figure::{self, AdjustedFigure, RunFigure},
    lines::Row,
    sitting::sittings,
};
use crate::{
    record::{Cell, Run, Test, TestKind},
    stats::CompareError,
};

/// How far, as a logarithm, the multiple of the control work is off per square of the pace's distance from the usual one.
/// Where something else on the core made the control work take 22, 35 and 49 % longer, paced figures lay 4, 13 and 22 %
/// under those of undisturbed runs.
const MISFIT: f64 = 1.0;

/// Tests of one kind that the same runs have.
pub(super) struct Matrix {
    pub(super) tests: Vec<Test>,
    /// By run and test.
    pub(super) before: Vec<Vec<RunFigure>>,
    pub(super) after: Vec<Vec<RunFigure>>,
    sittings: Vec<Option<usize>>,
}

impl Matrix {
    /// The tests that both sides have, put together by kind and by the runs that have them. The cell with fewest
    /// repetitions among all runs of the pool says how many of them a figure is the fastest of.
    pub(super) fn all(
        before: &[&Run],
        after: &[&Run],
        pool: &[&Run],
        is_paired: bool,
    ) -> Result<Vec<Self>, CompareError> {
        let sittings = sittings(&[before, after].concat());
        let mut groups: Vec<(Vec<bool>, Vec<Test>)> = Vec::new();
        for test in tests(after) {
            let mut present: Vec<bool> =
                before.iter().chain(after).map(|run| find(run, test).is_some()).collect();
            if is_paired {
                // A pair that lacks one half is left out.
                let (a, b) = present.split_at_mut(before.len());
                a.iter_mut().zip(b).for_each(|(a, b)| (*a, *b) = (*a && *b, *a && *b));
            }
            let (of_before, of_after) = present.split_at(before.len());
            if !of_before.contains(&true) || !of_after.contains(&true) {
                continue;
            }
            let is_same = |(p, tests): &&mut (Vec<bool>, Vec<Test>)| {
                *p == present && same_kind(tests[0].kind, test.kind)
            };
            match groups.iter_mut().find(is_same) {
                Some((_, tests)) => tests.push(test),
                None => groups.push((present, vec![test])),
            }
        }
        let matrix = |(present, tests): (Vec<bool>, Vec<Test>)| {
            let is_present = |i: usize| present[i];
            let fastest: Vec<usize> = tests
                .iter()
                .map(|&test| figure::n_fastest(pool.iter().filter_map(|run| find(run, test))))
                .collect();
            let figures = |run: &Run| -> Option<Vec<RunFigure>> {
                let of = |(&test, &n): (&Test, &usize)| RunFigure::of(run, find(run, test)?, n);
                tests.iter().zip(&fastest).map(of).collect()
            };
            let side = |from: usize, runs: &[&Run]| -> Option<Vec<Vec<RunFigure>>> {
                let present = runs.iter().enumerate().filter(|(i, _)| is_present(from + i));
                present.map(|(_, run)| figures(run)).collect()
            };
            Some(Self {
                before: side(0, before)?,
                after: side(before.len(), after)?,
                sittings: (0..present.len()).filter(|&i| is_present(i)).map(|i| sittings[i]).collect(),
                tests,
            })
        };
        groups.into_iter().map(|group| matrix(group).ok_or(CompareError::NoTime)).collect()
    }

    /// Whether every run knows its times on a core: both kinds of figures are then of those.
    pub(super) fn is_on_core(&self) -> bool {
        self.figures().all(|figure| figure.on_core.is_some())
    }

    /// The rows of both sides, as measured.
    pub(super) fn measured(&self) -> (Vec<Row>, Vec<Row>) {
        let figure = |f: &RunFigure| {
            let judged = self.judged(*f);
            (judged.log_time, judged.variance_within)
        };
        self.rows(figure, |_| 0.0)
    }

    /// A figure with the times that are judged: those on a core, if every run knows them.
    pub(super) fn judged(&self, figure: RunFigure) -> RunFigure {
        match figure.on_core {
            Some(time) if self.is_on_core() => {
                RunFigure { log_time: time.log_time, variance_within: time.variance_within, ..figure }
            }
            _ => figure,
        }
    }

    /// What is adjusted for the pace, by the times on a core where every run knows those of both; `None` unless every
    /// run knows the pace by the same control work.
    fn adjustment(&self) -> Option<fn(&RunFigure) -> Option<AdjustedFigure>> {
        let of_core: fn(&RunFigure) -> Option<AdjustedFigure> = |figure| figure.adjusted_on_core;
        let of_wall: fn(&RunFigure) -> Option<AdjustedFigure> = |figure| figure.adjusted;
        let picks = if self.is_on_core() { [of_core, of_wall] } else { [of_wall, of_wall] };
        picks.into_iter().find(|pick| {
            let mut versions = self.figures().map(|figure| pick(figure).map(|adjusted| adjusted.version));
            let first = versions.next().flatten();
            first.is_some() && versions.all(|version| version == first)
        })
    }

    /// The logarithm of the pace of each run of this side in this test, where all runs of both sides know it.
    pub(super) fn log_paces(&self, side: &[Vec<RunFigure>], test: usize) -> Vec<f64> {
        let Some(pick) = self.adjustment() else { return Vec::new() };
        side.iter().filter_map(|run| Some(pick(&run[test])?.log_pace)).collect()
    }

    /// The rows of both sides with the machine's pace taken out; `None` unless every run knows it by the same control
    /// work.
    pub(super) fn adjusted(&self) -> Option<(Vec<Row>, Vec<Row>)> {
        let pick = self.adjustment()?;
        let log_pace = |figure: &RunFigure| pick(figure).map_or(0.0, |adjusted| adjusted.log_pace);
        let usual: Vec<f64> = (0..self.tests.len())
            .map(|i| {
                let mut paces: Vec<f64> =
                    self.before.iter().chain(&self.after).map(|run| log_pace(&run[i])).collect();
                paces.sort_by(f64::total_cmp);
                (paces[(paces.len() - 1) / 2] + paces[paces.len() / 2]) / 2.0
            })
            .collect();
        // Nothing slows the work and the control work quite alike, the less so the more it slows.
        let doubt = |run: &[RunFigure]| {
            let doubts = run.iter().zip(&usual).map(|(f, usual)| (log_pace(f) - usual).powi(2) * MISFIT);
            doubts.map(|off| off.powi(2)).sum::<f64>() / run.len() as f64
        };
        let figure = |f: &RunFigure| pick(f).map_or((0.0, 0.0), |a| (a.log_time, a.variance_within));
        Some(self.rows(figure, doubt))
    }

    /// Whether any run knows the pace of the machine.
    pub(super) fn knows_pace(&self) -> bool {
        self.figures().any(|figure| figure.adjusted.is_some())
    }

    /// Of every run in every test.
    fn figures(&self) -> impl Iterator<Item = &RunFigure> {
        self.before.iter().chain(&self.after).flatten()
    }

    fn rows(
        &self,
        figure: impl Fn(&RunFigure) -> (f64, f64),
        doubt: impl Fn(&[RunFigure]) -> f64,
    ) -> (Vec<Row>, Vec<Row>) {
        let row = |(run, &sitting): (&Vec<RunFigure>, &Option<usize>)| {
            let (logs, within) = run.iter().map(&figure).unzip();
            Row { logs, within, doubt: doubt(run), sitting }
        };
        let (of_before, of_after) = self.sittings.split_at(self.before.len());
        (
            self.before.iter().zip(of_before).map(row).collect(),
            self.after.iter().zip(of_after).map(row).collect(),
        )
    }
}

pub(super) fn same_kind(a: TestKind, b: TestKind) -> bool {
    std::mem::discriminant(&a) == std::mem::discriminant(&b)
}

/// The cell of a test that has a figure.
fn find(run: &Run, test: Test) -> Option<&Cell> {
    run.cells.iter().find(|cell| cell.test == test && cell.failure().is_none())
}

/// Every test of the runs once, in the order planned.
fn tests(runs: &[&Run]) -> Vec<Test> {
    let mut tests = Vec::new();
    for cell in runs.iter().flat_map(|run| &run.cells) {
        if !tests.contains(&cell.test) {
            tests.push(cell.test);
        }
    }
    tests
}
