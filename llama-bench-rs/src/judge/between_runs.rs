//! The figures of several runs of one configuration, which none of them knows alone.

use super::{Group, PrintedRate};
use crate::record::{Report, Test};

/// One test over all runs of one configuration.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct BetweenRuns {
    /// Index in [`Report::runs`] of the first of the runs.
    pub run: usize,
    /// The test.
    pub test: Test,
    /// The figure of all runs, at least two, with its interval between runs.
    pub measured: PrintedRate,
}

/// The figures of each configuration that has several runs, test by test, with intervals between runs. Configurations are
/// those of [`report::configurations`](crate::report::configurations). Empty if there is one run of each.
///
/// An interval within a run shows how well that run's own mean is known. Where buffers lie in memory and what else the
/// machine does differ from run to run, so the next run often lies outside of it.
///
/// ```
/// # fn demo(report: &llama_bench_rs::record::Report) {
/// for one in llama_bench_rs::judge::between_runs(report) {
///     let bounds = one.measured.bounds;
///     println!("{}: {} ({} to {})", one.test, one.measured.rate, bounds.lower(), bounds.upper());
/// }
/// # }
/// # demo(&Default::default());
/// ```
pub fn between_runs(report: &Report) -> Vec<BetweenRuns> {
    let several = Group::configurations(report).into_iter().filter(|group| group.runs.len() > 1);
    several.flat_map(|group| of_group(report, &group)).collect()
}

fn of_group(report: &Report, group: &Group<'_>) -> Vec<BetweenRuns> {
    let Some(run) = report.runs.iter().position(|run| std::ptr::eq(run, group.runs[0])) else {
        return Vec::new();
    };
    let of_test = |test: Test| {
        let measured = PrintedRate::of(group.cells(test))?;
        (measured.n_runs > 1).then_some(BetweenRuns { run, test, measured })
    };
    group.tests().into_iter().filter_map(of_test).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Outcome, fixture::pp100_run as run};

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

    /// The ranking and the names of configurations follow the same rule.
    #[test]
    fn what_does_not_change_speed_keeps_runs_together_and_a_copy_of_the_model_is_apart() {
        let mut runs = vec![run(512, &[100]); 4];
        runs[1].header.config.seed = Some(7);
        for copy in &mut runs[2..] {
            copy.header.model.filename = "copy.gguf".into();
        }
        let report = Report { runs };
        let found: Vec<_> = between_runs(&report).iter().map(|one| (one.run, one.measured.n_runs)).collect();
        assert_eq!(found, [(0, 2), (2, 2)]);
        let named: Vec<usize> =
            crate::report::configurations(&report).iter().map(|it| it.runs.len()).collect();
        assert_eq!(named, [2, 2]);
    }
}
