//! What several runs of the same say together, which none of them knows alone.

use super::PrintedRate;
use crate::record::{Header, Report, Run, Test, tests_of};

/// One test over all runs of one configuration.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct BetweenRuns {
    /// The first of the runs, counted from 0 over the report.
    pub run: usize,
    /// The test.
    pub test: Test,
    /// The figure of all runs, of which there are at least two, with its interval between runs.
    pub measured: PrintedRate,
}

/// The figures of all runs of the same, test by test, with intervals between runs: for each configuration of which the
/// report holds several runs. Empty if there is one run of each.
///
/// An interval within a run tells how well that run's own mean is known. Where buffers lie in memory and what the
/// machine does otherwise differ from run to run, so the next run often lies outside.
pub fn between_runs(report: &Report) -> Vec<BetweenRuns> {
    let mut groups: Vec<(usize, Vec<&Run>)> = Vec::new();
    for (i, run) in report.runs.iter().enumerate() {
        match groups.iter_mut().find(|(_, runs)| is_same(&runs[0].header, &run.header)) {
            Some((_, runs)) => runs.push(run),
            None => groups.push((i, vec![run])),
        }
    }
    let several = groups.into_iter().filter(|(_, runs)| runs.len() > 1);
    several.flat_map(|(run, runs)| of_group(run, &runs)).collect()
}

/// Same build, machine, model and configuration, as far as both tell.
fn is_same(one: &Header, other: &Header) -> bool {
    one.differences(other).is_empty()
}

fn of_group(run: usize, runs: &[&Run]) -> Vec<BetweenRuns> {
    let of_test = |test: Test| {
        let cells = runs.iter().flat_map(|run| &run.cells).filter(|cell| cell.test == test);
        let measured = PrintedRate::of(cells)?;
        (measured.n_runs > 1).then_some(BetweenRuns { run, test, measured })
    };
    tests_of(runs.iter().copied()).into_iter().filter_map(of_test).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::record::{Cell, Config, Measured, Outcome, Sample, TestKind};

    fn run(n_batch: u32, ms: &[u64]) -> Run {
        let sample = |&ms: &u64| Sample { elapsed: Duration::from_millis(ms), ..Sample::default() };
        let measured = Measured { samples: ms.iter().map(sample).collect(), ..Measured::default() };
        let cell = Cell {
            test: Test { kind: TestKind::Pp(100), n_depth: 0, group: None },
            started_at: String::new(),
            outcome: Outcome::Measured(measured),
        };
        let config = Config { n_batch: Some(n_batch), ..Config::default() };
        Run { header: Header { config, ..Header::default() }, cells: vec![cell], curve: Vec::new() }
    }

    #[test]
    fn the_interval_is_that_of_the_runs_however_many_repetitions_they_have() {
        let report =
            |n_reps: usize| Report { runs: [100, 104, 96].map(|ms| run(512, &vec![ms; n_reps])).to_vec() };
        let [few, many] = [2, 50].map(|n_reps| between_runs(&report(n_reps)));
        assert_eq!(few, many);
        assert_eq!((few.len(), few[0].measured.n_runs), (1, 3));
        // 1000, 961.5 and 1041.7 t/s: the mean of the logarithms, and an interval that holds the next run's.
        let PrintedRate { rate, bounds, .. } = few[0].measured;
        let (lower, upper) = (bounds.lower(), bounds.upper());
        assert!((rate.get() - 1000.5).abs() < 0.1 && lower.get() < 960.0 && upper.get() > 1042.0, "{few:?}");
    }

    #[test]
    fn one_run_of_each_configuration_says_nothing() {
        let report = Report { runs: vec![run(512, &[100, 101]), run(256, &[100, 101])] };
        assert!(between_runs(&report).is_empty());
    }

    #[test]
    fn configurations_are_kept_apart_and_a_run_without_a_figure_is_left_out() {
        let mut runs = vec![run(512, &[100]), run(256, &[50]), run(512, &[102]), run(256, &[51])];
        runs.push(run(512, &[90]));
        runs[4].cells[0].outcome = Outcome::Failed(crate::record::Failure {
            kind: "decode".into(),
            message: "decode failed".into(),
        });
        let report = Report { runs };
        let all = between_runs(&report);
        assert_eq!(
            all.iter().map(|one| (one.run, one.measured.n_runs)).collect::<Vec<_>>(),
            [(0, 2), (1, 2)]
        );
    }
}
