//! The sides of a report: each is one line of a picture and one row of a table of several configurations.

use super::{configurations, run_labels};
use crate::record::{Report, Run};

/// The runs of one configuration and build.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Side<'a> {
    /// What tells it from the others; empty for a side on its own.
    pub(super) name: String,
    /// At least one, in the order measured.
    pub(super) runs: Vec<&'a Run>,
}

/// All sides, in the order measured. Two runs of one configuration are a side each; more of them are one side.
pub(super) fn sides(report: &Report) -> Vec<Side<'_>> {
    match (configurations(report), &report.runs[..]) {
        (all, [a, b]) if all.len() == 1 => {
            let sides = run_labels(report).into_iter().zip([a, b]);
            sides.map(|(name, run)| Side { name, runs: vec![run] }).collect()
        }
        (all, _) => all.into_iter().map(|one| Side { name: one.name, runs: one.runs }).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Config, Header};

    fn report(ubatch: &[u32]) -> Report {
        let run = |&n_ubatch: &u32| {
            let config = Config { n_ubatch: Some(n_ubatch), ..Config::default() };
            Run { header: Header { config, ..Header::default() }, cells: Vec::new(), curve: Vec::new() }
        };
        Report { runs: ubatch.iter().map(run).collect() }
    }

    /// How many runs each side has, by its name.
    fn found(ubatch: &[u32]) -> Vec<(String, usize)> {
        sides(&report(ubatch)).into_iter().map(|side| (side.name, side.runs.len())).collect()
    }

    #[test]
    fn runs_of_one_configuration_are_one_side() {
        let sides = found(&[128, 512, 128, 128]);
        assert_eq!(sides.iter().map(|(_, n)| *n).collect::<Vec<_>>(), [3, 1]);
        assert!(sides[0].0.contains("128") && sides[1].0.contains("512"), "{sides:?}");
        assert_eq!(found(&[128, 128, 128]), [(String::new(), 3)]);
    }

    #[test]
    fn two_runs_of_one_configuration_are_held_against_each_other() {
        let sides = found(&[128, 128]);
        assert_eq!(sides.iter().map(|(_, n)| *n).collect::<Vec<_>>(), [1, 1]);
        assert_ne!(sides[0].0, sides[1].0);
    }

    #[test]
    fn a_report_of_nothing_has_no_sides() {
        assert_eq!(sides(&Report::default()), []);
    }
}
