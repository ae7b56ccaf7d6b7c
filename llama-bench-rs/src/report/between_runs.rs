//! What several runs of the same say together, which none of them knows alone.

use std::collections::BTreeMap;

use crate::{
    judge::PrintedRate,
    record::{Header, Report, Run, Test, tests_of},
};

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

/// In what the configurations of these runs differ, by the number of the run.
fn labels(report: &Report, all: &[BetweenRuns]) -> BTreeMap<usize, String> {
    let mut firsts: Vec<usize> = all.iter().map(|one| one.run).collect();
    firsts.dedup();
    let runs = firsts.iter().map(|&run| report.runs[run].clone()).collect();
    firsts.iter().copied().zip(super::run_labels(&Report { runs })).collect()
}

/// The same as a Markdown table, each configuration under its label; empty if there is one run of each.
pub fn between_runs_markdown(report: &Report) -> String {
    let all = between_runs(report);
    let labels = labels(report, &all);
    let is_labelled = all.iter().any(|one| one.run != all[0].run);
    let mut text = String::new();
    for one in &all {
        if text.is_empty() {
            text += "All runs (95 % interval between runs):\n\n";
            text += &format!(
                "| {}test | runs | t/s |\n| {}--- | ---: | ---: |\n",
                if is_labelled { "configuration | " } else { "" },
                if is_labelled { "--- | " } else { "" }
            );
        }
        let label = match labels.get(&one.run) {
            Some(label) if is_labelled => format!("{} | ", label.replace('|', "\\|")),
            _ => String::new(),
        };
        text += &format!("| {label}{} | {} | {} |\n", one.test, one.measured.n_runs, figure(one));
    }
    text
}

/// `9256.12 (9130.02 to 9380.90)`, in t/s.
fn figure(one: &BetweenRuns) -> String {
    let PrintedRate { rate, lower, upper, .. } = one.measured;
    format!("{:.2} ({:.2} to {:.2})", rate.get(), lower.get(), upper.get())
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
        let PrintedRate { rate, lower, upper, .. } = few[0].measured;
        assert!((rate.get() - 1000.5).abs() < 0.1 && lower.get() < 960.0 && upper.get() > 1042.0, "{few:?}");
    }

    #[test]
    fn one_run_of_each_configuration_says_nothing() {
        let report = Report { runs: vec![run(512, &[100, 101]), run(256, &[100, 101])] };
        assert!(between_runs(&report).is_empty());
        assert_eq!(between_runs_markdown(&report), "");
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
        let table = between_runs_markdown(&report);
        assert!(table.contains("interval between runs") && table.contains("| b 256 |"), "{table}");
    }
}
