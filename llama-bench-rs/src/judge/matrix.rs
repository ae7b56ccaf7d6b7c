//! From runs to rows: the tests that can be judged together, and each run's figures of them.

use super::{
    figure::{self, AdjustedFigure, RunFigure},
    lines::Row,
};
use crate::{
    judge::CompareError,
    record::{Cell, Outcome, Run, Test, TestKind, sittings, tests_of},
};

/// The error of a calibrated figure, as a logarithm, per square of the distance between its calibration and the usual one.
/// Measured: when other work on the core made the calibration loop take 22, 35 and 49 % longer, calibrated figures were 4,
/// 13 and 22 % lower than those of undisturbed runs.
const MISFIT: f64 = 1.0;

/// Tests of one kind that the same runs have.
pub(super) struct Matrix {
    pub(super) tests: Vec<Test>,
    /// Whether every run knows its times on a core: all figures are then of those.
    pub(super) is_on_core: bool,
    /// By run and test.
    pub(super) before: Vec<Vec<RunFigure>>,
    pub(super) after: Vec<Vec<RunFigure>>,
    sittings: Vec<Option<usize>>,
}

impl Matrix {
    /// The tests that both sides have, grouped by kind and by the runs that have them. The cell with fewest repetitions
    /// among all runs of the pool decides of how many repetitions a figure is the fastest.
    pub(super) fn all(
        before: &[&Run],
        after: &[&Run],
        pool: &[&Run],
        is_paired: bool,
    ) -> Result<Vec<Self>, CompareError> {
        let sittings = sittings(&[before, after].concat());
        let mut groups: Vec<(Vec<bool>, Vec<Test>)> = Vec::new();
        for test in tests_of(after.iter().copied()) {
            let mut present: Vec<bool> =
                before.iter().chain(after).map(|run| find(run, test, is_paired).is_some()).collect();
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
                .map(|&test| figure::n_fastest(pool.iter().filter_map(|run| find(run, test, is_paired))))
                .collect();
            let figures = |run: &Run| -> Option<Vec<RunFigure>> {
                let of = |(&test, &n): (&Test, &usize)| RunFigure::of(run, find(run, test, is_paired)?, n);
                tests.iter().zip(&fastest).map(of).collect()
            };
            let side = |from: usize, runs: &[&Run]| -> Option<Vec<Vec<RunFigure>>> {
                let present = runs.iter().enumerate().filter(|(i, _)| is_present(from + i));
                present.map(|(_, run)| figures(run)).collect()
            };
            let mut matrix = Self {
                is_on_core: false,
                before: side(0, before)?,
                after: side(before.len(), after)?,
                sittings: (0..present.len()).filter(|&i| is_present(i)).map(|i| sittings[i]).collect(),
                tests,
            };
            matrix.take_times_on_core();
            Some(matrix)
        };
        groups.into_iter().map(|group| matrix(group).ok_or(CompareError::NoTime)).collect()
    }

    /// Judges by times on a core if every run knows them, and adjusts those if every run can.
    fn take_times_on_core(&mut self) {
        let is_on_core = self.figures().all(|figure| figure.on_core.is_some());
        if !is_on_core {
            return;
        }
        self.is_on_core = true;
        let is_adjusted = same_calibration(self.figures().map(|figure| figure.adjusted_on_core));
        for figure in self.before.iter_mut().chain(&mut self.after).flatten() {
            figure.take_time_on_core(is_adjusted);
        }
    }

    /// The rows of both sides, as measured.
    pub(super) fn measured(&self) -> (Vec<Row>, Vec<Row>) {
        self.rows(|figure| (figure.log_time, figure.variance_within), |_| 0.0)
    }

    /// The rows of both sides relative to the calibration loop; `None` unless every run was calibrated by the same version.
    pub(super) fn adjusted(&self) -> Option<(Vec<Row>, Vec<Row>)> {
        if !same_calibration(self.figures().map(|figure| figure.adjusted)) {
            return None;
        }
        let usual: Vec<f64> = (0..self.tests.len())
            .map(|i| {
                let mut calibrations: Vec<f64> =
                    self.before.iter().chain(&self.after).map(|run| log_calibration(&run[i])).collect();
                calibrations.sort_by(f64::total_cmp);
                let n = calibrations.len();
                f64::midpoint(calibrations[(n - 1) / 2], calibrations[n / 2])
            })
            .collect();
        // A slowdown does not change the work and the loop by the same factor; the larger it is, the more the two differ.
        let doubt = |run: &[RunFigure]| {
            let doubts =
                run.iter().zip(&usual).map(|(f, usual)| (log_calibration(f) - usual).powi(2) * MISFIT);
            doubts.map(|off| off.powi(2)).sum::<f64>() / run.len() as f64
        };
        let figure = |f: &RunFigure| f.adjusted.map_or((0.0, 0.0), |a| (a.log_time, a.variance_within));
        Some(self.rows(figure, doubt))
    }

    /// Whether any run was calibrated.
    pub(super) fn is_calibrated(&self) -> bool {
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

/// Whether all of these were calibrated, by the same version of the loop.
pub(super) fn same_calibration(adjusted: impl Iterator<Item = Option<AdjustedFigure>>) -> bool {
    let mut versions = adjusted.map(|figure| figure.map(|figure| figure.version));
    versions.next().flatten().is_some_and(|first| versions.all(|version| version == Some(first)))
}

fn log_calibration(figure: &RunFigure) -> f64 {
    figure.adjusted.map_or(0.0, |adjusted| adjusted.log_calibration)
}

pub(super) fn same_kind(a: TestKind, b: TestKind) -> bool {
    std::mem::discriminant(&a) == std::mem::discriminant(&b)
}

/// The cell of a test that has a figure. Of runs in pairs one that ended early is left out with its partner: its fewer
/// repetitions would decide of how many the figures of all other runs are the fastest.
fn find(run: &Run, test: Test, is_paired: bool) -> Option<&Cell> {
    let is_usable = |cell: &&Cell| {
        let is_whole = !is_paired || cell.reason().is_none();
        cell.test == test && is_whole && takes_time(cell)
    };
    run.cells.iter().find(is_usable)
}

/// Whether every repetition took time: one without has no logarithm, and would cost all other tests their verdicts.
fn takes_time(cell: &Cell) -> bool {
    match &cell.outcome {
        Outcome::Measured(measured) => {
            let samples = &measured.samples;
            !samples.is_empty() && samples.iter().all(|sample| !sample.elapsed.is_zero())
        }
        Outcome::Summarised(summary) => !summary.mean.is_zero(),
        Outcome::Failed(_) => false,
    }
}

#[cfg(test)]
#[path = "matrix_tests.rs"]
mod tests;
